"""The tools of a Responses request as tools of Messages, and by their names there, so that calls find their way back.

Decides what each kind of tool becomes. A function stays one. What takes a free text (`custom`) takes an object with one
text, `input`; its grammar is told to the model and enforced by nobody. `local_shell` takes what its action has, and a
search for tools that the client does itself what it says; tools that came up in the conversation are tools from then
on. The functions of a namespace carry its name before theirs. A search of the web is billed by its use, so it is
offered only where `tool_choice` asks for it. Where it merely stands in the list it is left out, and so are the other
tools of the provider that Codex sends unasked; all the rest are refused.

Sources, read 2026-11: the types of OpenAI's Python library 3.54.0 (`FunctionToolParam`, `CustomToolParam`,
`NamespaceToolParam`, `WebSearchToolParam`, `ToolChoice…Param`, `LocalShellCallAction`) and Anthropic's 2.13.0
(`ToolParam`, `WebSearchTool20250305Param`, `ToolChoice…Param`); its docs "Web search tool" (priced by the
search).
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from tokens_forge.wire.request import NULL, Fields, is_text
from tokens_forge.wire.translate.members import (
    Dropped,
    Json,
    at,
    flag_in,
    list_of,
    object_of,
    text_in,
    without_nulls,
    word_in,
)
from tokens_forge.wire.translate.responses_request import DEFAULTS
from tokens_forge.wire.translation import NotCarried

ToolKind = Literal["function", "custom", "local_shell", "tool_search", "web_search"]

LOCAL_SHELL = "local_shell"
TOOL_SEARCH = "tool_search"
WEB_SEARCH = "web_search"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One tool of the client."""

    kind: ToolKind
    name: str
    namespace: str
    sent: Json
    """As Messages has it."""

    @property
    def sent_name(self) -> str:
        """Its name in Messages."""
        return sent_name(self.name, self.namespace)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a request says of tools."""

    tools: tuple[Tool, ...]
    choice: Json | None
    """As Messages has it; None for its default."""

    @property
    def forced(self) -> bool:
        """Whether the model has to use one."""
        return self.choice is not None and self.choice["type"] in {"any", "tool"}


def read_tools(given: Fields, dropped: Dropped) -> Tools:
    """Return the tools and the choice among them; `given` has the request's members that are not null.

    Raises NotCarried for what Messages has not.
    """
    choice = _choice_of(given)
    every: dict[str, Tool] = {}
    for some in _lists(given, choice, dropped):
        for place, raw in enumerate(list_of(some.raw, some.path)):
            for tool in _tools(raw, f"{some.path}[{place}]", "", some):
                # One that a search found again is the same.
                if every.setdefault(tool.sent_name, tool).kind != tool.kind:
                    raise NotCarried(some.path, "two of them would have one name in Messages")
    tools = tuple(tool for name, tool in every.items() if choice.allowed is None or name in choice.allowed)
    if not tools and choice.forces:
        raise NotCarried("tool_choice", "it asks for a tool, and none is carried")
    if choice.name and choice.name not in {tool.sent_name for tool in tools}:
        raise NotCarried("tool_choice.name", "it is not the name of a tool that is carried")
    parallel = flag_in(given, "parallel_tool_calls", default=True)
    return Tools(tools=tools, choice=choice.sent(parallel=parallel) if tools else None)


def tools_by_name(fields: Fields) -> Mapping[str, Tool]:
    """Return the tools of a request that was carried, by their names in Messages."""
    return {tool.sent_name: tool for tool in read_tools(without_nulls(fields), Dropped(fields, DEFAULTS)).tools}


def sent_name(name: str, namespace: str) -> str:
    """Return the name of a tool in Messages, which has no namespaces."""
    return f"{namespace}{'' if namespace.endswith('__') else '__'}{name}" if namespace else name


_MODES = {"auto": "auto", "none": "none", "required": "any"}
_SEARCHES = frozenset({"web_search", "web_search_2025_08_26", "web_search_preview", "web_search_preview_2025_03_11"})
_LEFT_OUT = _SEARCHES | {"image_generation", "tool_search"}
"""What Codex has in its list by default and does without."""

_CLIENT = msgspec.Raw(b'"client"')
_WITH_TOOLS = (msgspec.Raw(b'"additional_tools"'), msgspec.Raw(b'"tool_search_output"'))
_FUNCTION = frozenset({"type", "name", "description", "parameters", "strict"})
_CUSTOM = frozenset({"type", "name", "description", "format"})
_SEARCH = frozenset({"type", "filters", "user_location"})
_PLACE = frozenset({"type", "city", "country", "region", "timezone"})
_NO_PARAMETERS: Json = {"type": "object", "properties": {}}
_FREE_TEXT: Json = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
_TEXT: Json = {"type": "string"}
_SHELL: Json = {
    "name": LOCAL_SHELL,
    "description": "Runs a command on the user's machine.",
    "input_schema": {
        "type": "object",
        "properties": {
            "command": {"type": "array", "items": _TEXT, "description": "The program and its arguments."},
            "env": {"type": "object", "additionalProperties": _TEXT},
            "working_directory": _TEXT,
            "user": _TEXT,
            "timeout_ms": {"type": "integer"},
        },
        "required": ["command"],
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    """What `tool_choice` says."""

    mode: str
    """Its `type` in Messages."""
    name: str = ""
    allowed: frozenset[str] | None = None
    """The names in Messages of the only tools to be offered; None for all."""

    @property
    def forces(self) -> bool:
        return self.mode in {"any", "tool"}

    @property
    def searches(self) -> bool:
        return self.name == WEB_SEARCH or (self.allowed is not None and WEB_SEARCH in self.allowed)

    def sent(self, *, parallel: bool) -> Json | None:
        """Return it as Messages has it; None for its default. Of `none` there is nothing to say in parallel."""
        named = {"name": self.name} if self.name else {}
        alone = {"disable_parallel_tool_use": True} if not parallel and self.mode != "none" else {}
        return {"type": self.mode} | named | alone if alone or self.mode != "auto" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _List:
    """A list of tools: where it stands, and where what is left out of it is named."""

    raw: msgspec.Raw
    path: str
    member: str
    rest: str
    given: Fields
    choice: _Choice
    dropped: Dropped

    def drop(self, rest: str) -> None:
        self.dropped.add(self.member, self.rest + rest)

    def add_unread(self, told: Fields, read: Collection[str], rest: str = "") -> None:
        self.dropped.add_unread(told, read, self.member, self.rest + rest)


def _lists(given: Fields, choice: _Choice, dropped: Dropped) -> Iterator[_List]:
    """Yield the list of tools, and those that came up in the conversation: Messages has one list."""

    def read(raw: msgspec.Raw, path: str, member: str, rest: str) -> _List:
        return _List(raw=raw, path=path, member=member, rest=rest, given=given, choice=choice, dropped=dropped)

    if "tools" in given:
        yield read(given["tools"], "tools", "tools", "[]")
    spoken = given.get("input", NULL)
    for place, raw in enumerate(() if is_text(spoken) else list_of(spoken, "input")):
        item = object_of(raw, f"input[{place}]")
        if item.get("type") in _WITH_TOOLS:
            yield read(item.get("tools", NULL), f"input[{place}].tools", "input", "[].tools[]")


def _choice_of(given: Fields) -> _Choice:
    raw = given.get("tool_choice")
    if raw is None:
        return _Choice(mode="auto")
    if is_text(raw):
        return _Choice(mode=_mode(given, "tool_choice"))
    told = object_of(raw, "tool_choice")
    kind = word_in(told, "type", "tool_choice")
    if kind in {"function", "custom"}:
        return _Choice(mode="tool", name=_name_in(told, "tool_choice"))
    if kind in _SEARCHES:
        return _Choice(mode="tool", name=WEB_SEARCH)
    if kind == "allowed_tools":
        entries = list_of(told.get("tools", NULL), "tool_choice.tools")
        allowed = frozenset(_allowed(entry, f"tool_choice.tools[{place}]") for place, entry in enumerate(entries))
        return _Choice(mode=_mode(told, "mode", "tool_choice"), allowed=allowed)
    raise NotCarried("tool_choice.type", "Messages has no tool of this kind")


def _mode(told: Fields, name: str, path: str = "") -> str:
    mode = _MODES.get(word_in(told, name, path))
    if mode is None:
        raise NotCarried(at(path, name), "it is none of `auto`, `none` and `required`")
    return mode


def _name_in(told: Fields, path: str) -> str:
    namespace = word_in(told, "namespace", path) if "namespace" in told else ""
    return sent_name(word_in(told, "name", path), namespace)


def _allowed(raw: msgspec.Raw, path: str) -> str:
    told = object_of(raw, path)
    kind = word_in(told, "type", path)
    if kind in {"function", "custom"}:
        return _name_in(told, path)
    return WEB_SEARCH if kind in _SEARCHES else kind


def _tools(raw: msgspec.Raw, path: str, namespace: str, some: _List) -> Iterator[Tool]:
    """Yield what one entry of a list becomes: of a namespace several tools, of what is left out none."""
    told = object_of(raw, path)
    kind = word_in(told, "type", path)
    if kind == "function":
        yield _function(told, path, namespace, some)
    elif kind == "custom":
        yield _custom(told, path, namespace, some)
    elif namespace:
        raise NotCarried(f"{path}.type", "Messages has no tool of this kind")
    elif kind == "namespace":
        some.add_unread(told, ("type", "name", "tools"))
        name = word_in(told, "name", path)
        for place, inner in enumerate(list_of(told.get("tools", NULL), f"{path}.tools")):
            yield from _tools(inner, f"{path}.tools[{place}]", name, some)
    elif kind == LOCAL_SHELL:
        yield Tool(kind=LOCAL_SHELL, name=LOCAL_SHELL, namespace="", sent=_SHELL)
    elif kind == TOOL_SEARCH and told.get("execution") == _CLIENT:
        some.add_unread(told, ("type", "execution", "description", "parameters"))
        sent = {"name": TOOL_SEARCH, **_described(told, path)}
        yield Tool(kind=TOOL_SEARCH, name=TOOL_SEARCH, namespace="", sent=sent)
    elif kind in _SEARCHES and some.choice.searches:
        yield _search(told, path, some)
    elif kind in _LEFT_OUT:
        some.drop(f".{kind}")
    else:
        raise NotCarried(f"{path}.type", "Messages has no tool of this kind")


def _described(told: Fields, path: str) -> Json:
    """Return what a tool says of itself and of what it takes; Messages wants a schema of an object."""
    described = {"description": text_in(told, "description", path)} if "description" in told else {}
    if "parameters" not in told:
        return {**described, "input_schema": _NO_PARAMETERS}
    schema = object_of(told["parameters"], f"{path}.parameters")
    return {**described, "input_schema": told["parameters"] if "type" in schema else {"type": "object", **schema}}


def _function(told: Fields, path: str, namespace: str, some: _List) -> Tool:
    some.add_unread(told, _FUNCTION)
    name = word_in(told, "name", path)
    strict = {"strict": True} if told.get("strict") == msgspec.Raw(b"true") else {}
    sent = {"name": sent_name(name, namespace), **_described(told, path), **strict}
    return Tool(kind="function", name=name, namespace=namespace, sent=sent)


def _custom(told: Fields, path: str, namespace: str, some: _List) -> Tool:
    some.add_unread(told, _CUSTOM)
    name = word_in(told, "name", path)
    texts = [word_in(told, "description", path)] if "description" in told else []
    if "format" in told:
        form, where = object_of(told["format"], f"{path}.format"), f"{path}.format"
        if word_in(form, "type", where) == "grammar":
            syntax, grammar = word_in(form, "syntax", where), word_in(form, "definition", where)
            texts.append(f"`input` must follow this grammar ({syntax}):\n{grammar}")
    described = {"description": "\n\n".join(texts)} if texts else {}
    sent = {"name": sent_name(name, namespace), **described, "input_schema": _FREE_TEXT}
    return Tool(kind="custom", name=name, namespace=namespace, sent=sent)


def _search(told: Fields, path: str, some: _List) -> Tool:
    some.add_unread(told, _SEARCH)
    sent: dict[str, object] = {"type": "web_search_20250305", "name": WEB_SEARCH}
    if "filters" in told:
        filters = object_of(told["filters"], f"{path}.filters")
        some.add_unread(filters, ("allowed_domains",), ".filters")
        if "allowed_domains" in filters:
            sent["allowed_domains"] = list_of(filters["allowed_domains"], f"{path}.filters.allowed_domains")
    if "user_location" in told:
        place = object_of(told["user_location"], f"{path}.user_location")
        some.add_unread(place, _PLACE, ".user_location")
        sent["user_location"] = {"type": "approximate"} | {name: place[name] for name in place if name in _PLACE}
    if "max_tool_calls" in some.given:
        sent["max_uses"] = some.given["max_tool_calls"]
    return Tool(kind=WEB_SEARCH, name=WEB_SEARCH, namespace="", sent=sent)
