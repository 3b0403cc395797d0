"""The tools of a Responses request as functions of a chat completion, and by their names there.

Decides what each kind of tool becomes, so that its calls find their way back as what the client knows. A function
stays one. What takes a free text (`custom`, Codex's `apply_patch`) takes an object with one text; its grammar is told
to the model and enforced by nobody. `local_shell` takes what its action has, and a search for tools that the client
does itself (`tool_search`) what it says. The functions of a namespace carry its name before theirs. Tools that came up
in the conversation (`additional_tools`, what a search found) are tools from then on: chat completions have one list.

What the provider would do itself is left out where Codex sends it unasked (searches of the web, images), since it
works without, and is refused where it is anything else or `tool_choice` forces it.

Sources, read 2026-11: the types of OpenAI's Python library 3.54.0 (`FunctionToolParam`, `CustomToolParam`,
`NamespaceToolParam`, `ToolSearchToolParam`, `ToolChoice…Param`, `LocalShellCallAction`,
`ChatCompletionToolUnionParam`); openai/codex, `codex-rs/tools/src/tool_spec.rs` and `codex-rs/protocol/src/models.rs`
(what Codex sends).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from tokens_forge.wire.request import NULL, Fields, is_text
from tokens_forge.wire.translate.members import (
    Dropped,
    Json,
    at,
    list_of,
    object_of,
    text_in,
    without_nulls,
    word_in,
)
from tokens_forge.wire.translate.responses_custom_input import MEMBER
from tokens_forge.wire.translate.responses_output import CalledTool
from tokens_forge.wire.translate.responses_request import DEFAULTS
from tokens_forge.wire.translation import NotCarried

LOCAL_SHELL = "local_shell"
TOOL_SEARCH = "tool_search"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a request says of tools, as chat completions have it."""

    sent: tuple[Json, ...]
    choice: str | Json | None
    """None for the default, or without tools."""


def read_tools(given: Fields, dropped: Dropped) -> Tools:
    """Return the tools and the choice among them; `given` has the request's members that are not null.

    Raises NotCarried for what chat completions have not.
    """
    choice = _choice_of(given)
    tools = _by_name(given, dropped)
    if choice.allowed is not None:
        tools = {name: tool for name, tool in tools.items() if name in choice.allowed}
    if choice.name and choice.name not in tools:
        raise NotCarried("tool_choice", "it is not the name of a tool that is carried")
    if choice.mode == "required" and not tools:
        raise NotCarried("tool_choice", "it asks for a tool, and none is carried")
    return Tools(sent=tuple(tool.sent for tool in tools.values()), choice=choice.sent() if tools else None)


def called_tools(fields: Fields) -> Mapping[str, CalledTool]:
    """Return the tools of a request that was carried, by their names in the chat completion."""
    return {name: tool.called for name, tool in _by_name(without_nulls(fields), Dropped(fields, DEFAULTS)).items()}


def sent_name(name: str, namespace: str) -> str:
    """Return the name of a function, of which chat completions have no namespaces."""
    return f"{namespace}{'' if namespace.endswith('__') else '__'}{name}" if namespace else name


def name_in(told: Fields, path: str) -> str:
    """Return the name that a call, a result or a choice has in the chat completion. Raises NotCarried."""
    namespace = word_in(told, "namespace", path) if "namespace" in told else ""
    return sent_name(word_in(told, "name", path), namespace)


_MODES = frozenset({"auto", "none", "required"})
_LEFT_OUT = frozenset(
    {
        "web_search",
        "web_search_2025_08_26",
        "web_search_preview",
        "web_search_preview_2025_03_11",
        "image_generation",
    }
)
"""What Codex has in its list by default and does without."""

_FUNCTION = frozenset({"type", "name", "description", "parameters", "strict"})
_CUSTOM = frozenset({"type", "name", "description", "format"})
_TEXT: Json = {"type": "string"}
_FREE_TEXT: Json = {"type": "object", "properties": {MEMBER: _TEXT}, "required": [MEMBER]}
_COMMAND: Json = {
    "type": "object",
    "properties": {
        "command": {"type": "array", "items": _TEXT, "description": "The program and its arguments."},
        "env": {"type": "object", "additionalProperties": _TEXT},
        "working_directory": _TEXT,
        "user": _TEXT,
        "timeout_ms": {"type": "integer"},
    },
    "required": ["command"],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tool:
    """One tool of the client, and the function that it becomes."""

    called: CalledTool
    sent: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    """What `tool_choice` says."""

    mode: str = "auto"
    name: str = ""
    """Of the one function to be called."""
    allowed: frozenset[str] | None = None
    """The names of the only functions to be offered; None for all."""

    def sent(self) -> str | Json | None:
        if self.name:
            return {"type": "function", "function": {"name": self.name}}
        return None if self.mode == "auto" else self.mode


def _choice_of(given: Fields) -> _Choice:
    raw = given.get("tool_choice")
    if raw is None:
        return _Choice()
    if is_text(raw):
        return _Choice(mode=_mode(given, "tool_choice"))
    told = object_of(raw, "tool_choice")
    kind = word_in(told, "type", "tool_choice")
    if kind in {"function", "custom"}:
        return _Choice(name=name_in(told, "tool_choice"))
    if kind == "allowed_tools":
        entries = list_of(told.get("tools", NULL), "tool_choice.tools")
        allowed = frozenset(_allowed(entry, f"tool_choice.tools[{place}]") for place, entry in enumerate(entries))
        return _Choice(mode=_mode(told, "mode", "tool_choice"), allowed=allowed)
    raise NotCarried("tool_choice.type", "chat completions have no tool of this kind")


def _mode(told: Fields, name: str, path: str = "") -> str:
    mode = word_in(told, name, path)
    if mode not in _MODES:
        raise NotCarried(at(path, name), "it is none of `auto`, `none` and `required`")
    return mode


def _allowed(raw: msgspec.Raw, path: str) -> str:
    told = object_of(raw, path)
    kind = word_in(told, "type", path)
    return name_in(told, path) if kind in {"function", "custom"} else kind


@dataclass(frozen=True, slots=True, kw_only=True)
class _List:
    """A list of tools: where it stands, and where what is left out of it is named."""

    raw: msgspec.Raw
    path: str
    member: str
    rest: str
    dropped: Dropped

    def drop(self, rest: str) -> None:
        self.dropped.add(self.member, self.rest + rest)

    def add_unread(self, told: Fields, read: frozenset[str]) -> None:
        self.dropped.add_unread(told, read, self.member, self.rest)

    def entries(self) -> Iterator[tuple[Fields, str]]:
        for place, raw in enumerate(list_of(self.raw, self.path)):
            path = f"{self.path}[{place}]"
            yield object_of(raw, path), path


def _by_name(given: Fields, dropped: Dropped) -> dict[str, _Tool]:
    """Return every tool by its function's name. One that is given again is the same."""
    found: dict[str, _Tool] = {}
    for some in _lists(given, dropped):
        for tool in _tools(some, ""):
            name = sent_name(tool.called.name, tool.called.namespace)
            if found.setdefault(name, tool).called != tool.called:
                raise NotCarried(some.path, "two of them would have one name in a chat completion")
    return found


def _lists(given: Fields, dropped: Dropped) -> Iterator[_List]:
    if "tools" in given:
        yield _List(raw=given["tools"], path="tools", member="tools", rest="[]", dropped=dropped)
    spoken = given.get("input", NULL)
    # A long conversation is not taken apart a second time for what is seldom in it.
    for place, raw in enumerate(list_of(spoken, "input") if _WITH_TOOLS.search(memoryview(spoken)) else ()):
        item = object_of(raw, f"input[{place}]")
        if _WITH_TOOLS.fullmatch(memoryview(item.get("type", NULL))):
            tools = item.get("tools", NULL)
            yield _List(raw=tools, path=f"input[{place}].tools", member="input", rest="[].tools[]", dropped=dropped)


_WITH_TOOLS = re.compile(rb'"(?:additional_tools|tool_search_output)"')


def _tools(some: _List, namespace: str) -> Iterator[_Tool]:
    """Yield what the entries of a list become: of a namespace several tools, of what is left out none."""
    for told, path in some.entries():
        kind = word_in(told, "type", path)
        if kind == "function":
            yield _function(told, path, namespace, some)
        elif kind == "custom":
            yield _custom(told, path, namespace, some)
        elif namespace:
            raise NotCarried(f"{path}.type", "chat completions have no tool of this kind")
        elif kind == "namespace":
            some.add_unread(told, frozenset({"type", "name", "tools"}))
            inner = _List(
                raw=told.get("tools", NULL),
                path=f"{path}.tools",
                member=some.member,
                rest=f"{some.rest}.tools[]",
                dropped=some.dropped,
            )
            yield from _tools(inner, word_in(told, "name", path))
        elif kind == LOCAL_SHELL:
            called = CalledTool(kind=LOCAL_SHELL, name=LOCAL_SHELL)
            yield _tool(called, description="Runs a command on the user's machine.", parameters=_COMMAND)
        elif kind == TOOL_SEARCH and told.get("execution") == msgspec.Raw(b'"client"'):
            some.add_unread(told, frozenset({"type", "execution", "description", "parameters"}))
            called = CalledTool(kind=TOOL_SEARCH, name=TOOL_SEARCH)
            yield _tool(called, description=_description(told, path), parameters=_parameters(told, path))
        elif kind in _LEFT_OUT or kind == TOOL_SEARCH:
            some.drop(f".{kind}")
        else:
            raise NotCarried(f"{path}.type", "chat completions have no tool of this kind")


def _function(told: Fields, path: str, namespace: str, some: _List) -> _Tool:
    some.add_unread(told, _FUNCTION)
    called = CalledTool(kind="function", name=word_in(told, "name", path), namespace=namespace)
    strict = told["strict"] if told.get("strict") == msgspec.Raw(b"true") else None
    return _tool(called, description=_description(told, path), parameters=_parameters(told, path), strict=strict)


def _custom(told: Fields, path: str, namespace: str, some: _List) -> _Tool:
    some.add_unread(told, _CUSTOM)
    called = CalledTool(kind="custom", name=word_in(told, "name", path), namespace=namespace)
    texts = [word_in(told, "description", path)] if "description" in told else []
    if "format" in told:
        form, where = object_of(told["format"], f"{path}.format"), f"{path}.format"
        if word_in(form, "type", where) == "grammar":
            syntax, grammar = word_in(form, "syntax", where), word_in(form, "definition", where)
            texts.append(f"`{MEMBER}` must follow this grammar ({syntax}):\n{grammar}")
    return _tool(called, description="\n\n".join(texts) or None, parameters=_FREE_TEXT)


def _tool(called: CalledTool, **members: object) -> _Tool:
    function = {name: value for name, value in members.items() if value is not None}
    name = sent_name(called.name, called.namespace)
    return _Tool(called=called, sent={"type": "function", "function": {"name": name, **function}})


def _description(told: Fields, path: str) -> msgspec.Raw | None:
    return text_in(told, "description", path) if "description" in told else None


def _parameters(told: Fields, path: str) -> msgspec.Raw | None:
    """Return the schema as it was written. A function without one takes nothing."""
    if "parameters" not in told:
        return None
    object_of(told["parameters"], f"{path}.parameters")
    return told["parameters"]
