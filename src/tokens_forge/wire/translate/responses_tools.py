"""What a Responses request says of tools, whatever it is translated to.

Decides where its tools stand, which names they have elsewhere and what they take, so that its calls find their way
back as what the client knows. A function stays one. What takes a free text (`custom`, Codex's `apply_patch`) takes an
object with one text; its grammar is told to the model and enforced by nobody. `local_shell` takes what its action has,
and a search for tools that the client does itself (`tool_search`) what it says. The functions of a namespace carry its
name before theirs. Tools that came up in the conversation (`additional_tools`, what a search found) are tools from
then on: other dialects have one list. It never writes a tool as another dialect has it.

Sources, read 2026-11: the types of OpenAI's Python library 3.54.0 (`FunctionToolParam`, `CustomToolParam`,
`NamespaceToolParam`, `ToolSearchToolParam`, `ToolChoice…Param`, `LocalShellCallAction`); openai/codex,
`codex-rs/tools/src/tool_spec.rs` and `codex-rs/protocol/src/models.rs` (what Codex sends).
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

import msgspec

from tokens_forge.wire.request import NULL, Fields, is_text
from tokens_forge.wire.translate.members import (
    Dropped,
    Json,
    at,
    list_of,
    object_in,
    object_of,
    objects_of,
    word_in,
)
from tokens_forge.wire.translate.responses_custom_input import MEMBER
from tokens_forge.wire.translation import NotCarried

LOCAL_SHELL = "local_shell"
TOOL_SEARCH = "tool_search"

SEARCHES = frozenset({"web_search", "web_search_2025_08_26", "web_search_preview", "web_search_preview_2025_03_11"})
"""The provider's own searches of the web."""

LEFT_OUT = SEARCHES | {"image_generation", TOOL_SEARCH}
"""What the provider would do itself, Codex has in its list by default, and does without."""

FUNCTION = frozenset({"type", "name", "description", "parameters", "strict"})
CUSTOM = frozenset({"type", "name", "description", "format"})
SEARCH_FOR_TOOLS = frozenset({"type", "execution", "description", "parameters"})
NAMESPACE = frozenset({"type", "name", "tools"})
"""What is read of a tool, by its kind."""

_TEXT: Json = {"type": "string"}

FREE_TEXT: Json = {"type": "object", "properties": {MEMBER: _TEXT}, "required": [MEMBER]}
"""The schema of what a custom tool takes elsewhere."""

SHELL_DESCRIPTION = "Runs a command on the user's machine."
COMMAND: Json = {
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
"""The schema of what `local_shell` takes."""

_MODES = frozenset({"auto", "none", "required"})
_WITH_TOOLS = re.compile(rb'"(?:additional_tools|tool_search_output)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolList:
    """A list of tools: where it stands, and where what is left out of it is named."""

    raw: msgspec.Raw
    path: str
    member: str
    rest: str
    dropped: Dropped

    def drop(self, rest: str) -> None:
        """Note that something in it is left out."""
        self.dropped.add(self.member, self.rest + rest)

    def add_unread(self, fields: Fields, read: Collection[str], rest: str = "") -> None:
        """Note what a tool says beside the members that are `read`."""
        self.dropped.add_unread(fields, read, self.member, self.rest + rest)

    def entries(self) -> Iterator[tuple[Fields, str]]:
        """Yield the tools, each with its path."""
        return objects_of(self.raw, self.path)

    def of_namespace(self, namespace: Fields, path: str) -> "ToolList":
        """Return the list of tools that a namespace in it has."""
        return replace(self, raw=namespace.get("tools", NULL), path=f"{path}.tools", rest=f"{self.rest}.tools[]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What `tool_choice` says."""

    mode: str = "auto"
    """``auto``, ``none`` or ``required``."""
    name: str = ""
    """Of the one tool to be called."""
    allowed: frozenset[str] | None = None
    """The names of the only tools to be offered; None for all."""


def tool_lists(given: Fields, dropped: Dropped) -> Iterator[ToolList]:
    """Yield the list of tools, and those that came up in the conversation. Raises NotCarried."""
    if "tools" in given:
        yield ToolList(raw=given["tools"], path="tools", member="tools", rest="[]", dropped=dropped)
    spoken = given.get("input", NULL)
    # A long conversation is not taken apart a second time for what is seldom in it.
    for place, raw in enumerate(list_of(spoken, "input") if _WITH_TOOLS.search(memoryview(spoken)) else ()):
        item = object_of(raw, f"input[{place}]")
        if _WITH_TOOLS.fullmatch(memoryview(item.get("type", NULL))):
            tools = item.get("tools", NULL)
            yield ToolList(raw=tools, path=f"input[{place}].tools", member="input", rest="[].tools[]", dropped=dropped)


def read_choice(given: Fields, *, why: str, searches: str = "") -> Choice:
    """Return the choice among the tools, by their names elsewhere.

    The provider's own tools are refused for a reason (`why`), but for its `searches` of the web, which have that name
    where they are offered. Raises NotCarried.
    """
    raw = given.get("tool_choice", NULL)
    if raw == NULL:
        return Choice()
    if is_text(raw):
        return Choice(mode=_mode(given, "tool_choice", ""))
    chosen = object_of(raw, "tool_choice")
    kind = word_in(chosen, "type", "tool_choice")
    if kind == "allowed_tools":
        entries = objects_of(chosen.get("tools", NULL), "tool_choice.tools")
        allowed = frozenset(_named(entry, path, searches) for entry, path in entries)
        return Choice(mode=_mode(chosen, "mode", "tool_choice"), allowed=allowed)
    if kind in {"function", "custom"} or (searches and kind in SEARCHES):
        return Choice(name=_named(chosen, "tool_choice", searches))
    raise NotCarried("tool_choice.type", why)


def sent_name(name: str, namespace: str) -> str:
    """Return the name of a tool where there are no namespaces."""
    return f"{namespace}{'' if namespace.endswith('__') else '__'}{name}" if namespace else name


def name_in(fields: Fields, path: str) -> str:
    """Return the name that a call, a result or a choice has where there are no namespaces. Raises NotCarried."""
    namespace = word_in(fields, "namespace", path) if "namespace" in fields else ""
    return sent_name(word_in(fields, "name", path), namespace)


def is_clients_search(tool: Fields) -> bool:
    """Say whether a search for tools is the client's to do."""
    return tool.get("execution") == _CLIENT


def custom_description(tool: Fields, path: str) -> str:
    """Return what the model is told of a custom tool, its grammar too; empty for nothing. Raises NotCarried."""
    texts = [word_in(tool, "description", path)] if "description" in tool else []
    if "format" in tool:
        form, where = object_in(tool, "format", path), f"{path}.format"
        if word_in(form, "type", where) == "grammar":
            syntax, grammar = word_in(form, "syntax", where), word_in(form, "definition", where)
            texts.append(f"`{MEMBER}` must follow this grammar ({syntax}):\n{grammar}")
    return "\n\n".join(texts)


_CLIENT = msgspec.Raw(b'"client"')


def _mode(fields: Fields, name: str, path: str) -> str:
    mode = word_in(fields, name, path)
    if mode not in _MODES:
        raise NotCarried(at(path, name), "it is none of `auto`, `none` and `required`")
    return mode


def _named(tool: Fields, path: str, searches: str) -> str:
    kind = word_in(tool, "type", path)
    if kind in {"function", "custom"}:
        return name_in(tool, path)
    return searches if searches and kind in SEARCHES else kind
