"""The tools of a Responses request as functions of a chat completion, and by their names there.

Decides how each kind of tool is written; what it is and how it is named there is `responses_tools.py`'s part. What the
provider would do itself is left out where Codex sends it unasked (searches of the web, images), since it works
without, and is refused where it is anything else or `tool_choice` forces it.

Sources, read 2026-11: the types of OpenAI's Python library 3.54.0 (`ChatCompletionToolUnionParam`); openai/codex,
`codex-rs/tools/src/tool_spec.rs` (what Codex sends).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from tokens_forge.wire.request import Fields
from tokens_forge.wire.translate.members import Dropped, Json, object_in, text_in, without_nulls, word_in
from tokens_forge.wire.translate.responses_output import CalledTool
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
    choice = read_choice(given, why=_NO_SUCH_TOOL)
    tools = _by_name(given, dropped)
    if choice.allowed is not None:
        tools = {name: tool for name, tool in tools.items() if name in choice.allowed}
    if choice.name and choice.name not in tools:
        raise NotCarried("tool_choice", "it is not the name of a tool that is carried")
    if choice.mode == "required" and not tools:
        raise NotCarried("tool_choice", "it asks for a tool, and none is carried")
    return Tools(sent=tuple(tool.sent for tool in tools.values()), choice=_choice(choice) if tools else None)


def called_tools(fields: Fields) -> Mapping[str, CalledTool]:
    """Return the tools of a request that was carried, by their names in the chat completion."""
    return {name: tool.called for name, tool in _by_name(without_nulls(fields), Dropped(fields, DEFAULTS)).items()}


_NO_SUCH_TOOL = "chat completions have no tool of this kind"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tool:
    """One tool of the client, and the function that it becomes."""

    called: CalledTool
    sent: Json


def _choice(choice: Choice) -> str | Json | None:
    if choice.name:
        return {"type": "function", "function": {"name": choice.name}}
    return None if choice.mode == "auto" else choice.mode


def _by_name(given: Fields, dropped: Dropped) -> dict[str, _Tool]:
    """Return every tool by its function's name. One that is given again is the same."""
    found: dict[str, _Tool] = {}
    for some in tool_lists(given, dropped):
        for tool in _tools(some, ""):
            name = sent_name(tool.called.name, tool.called.namespace)
            if found.setdefault(name, tool).called != tool.called:
                raise NotCarried(some.path, "two of them would have one name in a chat completion")
    return found


def _tools(some: ToolList, namespace: str) -> Iterator[_Tool]:
    """Yield what the entries of a list become: of a namespace several tools, of what is left out none."""
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
            yield from _tools(some.of_namespace(told, path), word_in(told, "name", path))
        elif kind == LOCAL_SHELL:
            called = CalledTool(kind=LOCAL_SHELL, name=LOCAL_SHELL)
            yield _tool(called, description=SHELL_DESCRIPTION, parameters=COMMAND)
        elif kind == TOOL_SEARCH and is_clients_search(told):
            some.add_unread(told, SEARCH_FOR_TOOLS)
            called = CalledTool(kind=TOOL_SEARCH, name=TOOL_SEARCH)
            yield _tool(called, description=_description(told, path), parameters=_parameters(told, path))
        elif kind in LEFT_OUT:
            some.drop(f".{kind}")
        else:
            raise NotCarried(f"{path}.type", _NO_SUCH_TOOL)


def _function(told: Fields, path: str, namespace: str, some: ToolList) -> _Tool:
    some.add_unread(told, FUNCTION)
    called = CalledTool(kind="function", name=word_in(told, "name", path), namespace=namespace)
    strict = told["strict"] if told.get("strict") == msgspec.Raw(b"true") else None
    return _tool(called, description=_description(told, path), parameters=_parameters(told, path), strict=strict)


def _custom(told: Fields, path: str, namespace: str, some: ToolList) -> _Tool:
    some.add_unread(told, CUSTOM)
    called = CalledTool(kind="custom", name=word_in(told, "name", path), namespace=namespace)
    return _tool(called, description=custom_description(told, path) or None, parameters=FREE_TEXT)


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
    object_in(told, "parameters", path)
    return told["parameters"]
