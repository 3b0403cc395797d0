"""The tools of a Responses request as tools of Messages, and by their names there, so that calls find their way back.

Decides how each kind of tool is written; what it is and how it is named there is `responses_tools.py`'s part. A search
of the web is billed by its use, so it is offered only where `tool_choice` asks for it. Where it merely stands in the
list it is left out, and so are the other tools of the provider that Codex sends unasked; all the rest are refused.

Sources, read 2026-11: the types of OpenAI's Python library 3.54.0 (`WebSearchToolParam`) and Anthropic's 2.13.0
(`ToolParam`, `WebSearchTool20250305Param`, `ToolChoice…Param`); its docs "Web search tool" (priced by the search).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from tokens_forge.wire.request import Fields
from tokens_forge.wire.translate.members import (
    Dropped,
    Json,
    flag_in,
    list_of,
    object_in,
    text_in,
    without_nulls,
    word_in,
)
from tokens_forge.wire.translate.responses_request import DEFAULTS
from tokens_forge.wire.translate.responses_tools import (
    COMMAND,
    CUSTOM,
    FREE_TEXT,
    FUNCTION,
    LEFT_OUT,
    LOCAL_SHELL,
    NAMESPACE,
    SEARCH_FOR_TOOLS,
    SEARCHES,
    SHELL_DESCRIPTION,
    TOOL_SEARCH,
    Choice,
    ToolList,
    custom_description,
    is_clients_search,
    read_choice,
    sent_name,
    tool_lists,
)
from tokens_forge.wire.translation import NotCarried

ToolKind = Literal["function", "custom", "local_shell", "tool_search", "web_search"]

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
    choice = read_choice(given, why=_NO_SUCH_TOOL, searches=WEB_SEARCH)
    search = given if _is_offered(choice) else None
    every: dict[str, Tool] = {}
    for some in tool_lists(given, dropped):
        for tool in _tools(some, "", search):
            # One that a search found again is the same.
            if every.setdefault(tool.sent_name, tool).kind != tool.kind:
                raise NotCarried(some.path, "two of them would have one name in Messages")
    tools = tuple(tool for name, tool in every.items() if choice.allowed is None or name in choice.allowed)
    if not tools and (choice.name or choice.mode == "required"):
        raise NotCarried("tool_choice", "it asks for a tool, and none is carried")
    if choice.name and choice.name not in {tool.sent_name for tool in tools}:
        raise NotCarried("tool_choice.name", "it is not the name of a tool that is carried")
    parallel = flag_in(given, "parallel_tool_calls", default=True)
    return Tools(tools=tools, choice=_choice(choice, parallel=parallel) if tools else None)


def tools_by_name(fields: Fields) -> Mapping[str, Tool]:
    """Return the tools of a request that was carried, by their names in Messages."""
    return {tool.sent_name: tool for tool in read_tools(without_nulls(fields), Dropped(fields, DEFAULTS)).tools}


_NO_SUCH_TOOL = "Messages has no tool of this kind"
_SEARCH = frozenset({"type", "filters", "user_location"})
_PLACE = frozenset({"type", "city", "country", "region", "timezone"})
_NO_PARAMETERS: Json = {"type": "object", "properties": {}}
_SHELL: Json = {"name": LOCAL_SHELL, "description": SHELL_DESCRIPTION, "input_schema": COMMAND}


def _choice(choice: Choice, *, parallel: bool) -> Json | None:
    """Return the choice as Messages has it; None for its default. Of `none` there is nothing to say in parallel."""
    named = {"name": choice.name} if choice.name else {}
    mode = "tool" if choice.name else "any" if choice.mode == "required" else choice.mode
    alone = {"disable_parallel_tool_use": True} if not parallel and mode != "none" else {}
    return {"type": mode} | named | alone if alone or mode != "auto" else None


def _is_offered(choice: Choice) -> bool:
    """Say whether the client asks for a search of the web."""
    return choice.name == WEB_SEARCH or (choice.allowed is not None and WEB_SEARCH in choice.allowed)


def _tools(some: ToolList, namespace: str, search: Fields | None) -> Iterator[Tool]:
    """Yield what the entries of a list become: of a namespace several tools, of what is left out none.

    `search` is the request, where a search of the web is offered.
    """
    for told, path in some.entries():
        kind = word_in(told, "type", path)
        if kind == "function":
            yield _function(told, path, namespace, some)
        elif kind == "custom":
            yield _custom(told, path, namespace, some)
        elif namespace:
            raise NotCarried(f"{path}.type", _NO_SUCH_TOOL)
        elif kind == "namespace":
            some.add_unread(told, NAMESPACE)
            yield from _tools(some.of_namespace(told, path), word_in(told, "name", path), None)
        elif kind == LOCAL_SHELL:
            yield Tool(kind=LOCAL_SHELL, name=LOCAL_SHELL, namespace="", sent=_SHELL)
        elif kind == TOOL_SEARCH and is_clients_search(told):
            some.add_unread(told, SEARCH_FOR_TOOLS)
            sent = {"name": TOOL_SEARCH, **_described(told, path)}
            yield Tool(kind=TOOL_SEARCH, name=TOOL_SEARCH, namespace="", sent=sent)
        elif kind in SEARCHES and search is not None:
            yield _search(told, path, some, search)
        elif kind in LEFT_OUT:
            some.drop(f".{kind}")
        else:
            raise NotCarried(f"{path}.type", _NO_SUCH_TOOL)


def _described(told: Fields, path: str) -> Json:
    """Return what a tool says of itself and of what it takes; Messages wants a schema of an object."""
    described = {"description": text_in(told, "description", path)} if "description" in told else {}
    if "parameters" not in told:
        return {**described, "input_schema": _NO_PARAMETERS}
    schema = object_in(told, "parameters", path)
    return {**described, "input_schema": told["parameters"] if "type" in schema else {"type": "object", **schema}}


def _function(told: Fields, path: str, namespace: str, some: ToolList) -> Tool:
    some.add_unread(told, FUNCTION)
    name = word_in(told, "name", path)
    strict = {"strict": True} if told.get("strict") == msgspec.Raw(b"true") else {}
    sent = {"name": sent_name(name, namespace), **_described(told, path), **strict}
    return Tool(kind="function", name=name, namespace=namespace, sent=sent)


def _custom(told: Fields, path: str, namespace: str, some: ToolList) -> Tool:
    some.add_unread(told, CUSTOM)
    name = word_in(told, "name", path)
    described = {"description": text} if (text := custom_description(told, path)) else {}
    sent = {"name": sent_name(name, namespace), **described, "input_schema": FREE_TEXT}
    return Tool(kind="custom", name=name, namespace=namespace, sent=sent)


def _search(told: Fields, path: str, some: ToolList, given: Fields) -> Tool:
    some.add_unread(told, _SEARCH)
    sent: dict[str, object] = {"type": "web_search_20250305", "name": WEB_SEARCH}
    if "filters" in told:
        filters = object_in(told, "filters", path)
        some.add_unread(filters, ("allowed_domains",), ".filters")
        if "allowed_domains" in filters:
            sent["allowed_domains"] = list_of(filters["allowed_domains"], f"{path}.filters.allowed_domains")
    if "user_location" in told:
        place = object_in(told, "user_location", path)
        some.add_unread(place, _PLACE, ".user_location")
        sent["user_location"] = {"type": "approximate"} | {name: place[name] for name in place if name in _PLACE}
    if "max_tool_calls" in given:
        sent["max_uses"] = given["max_tool_calls"]
    return Tool(kind=WEB_SEARCH, name=WEB_SEARCH, namespace="", sent=sent)
