"""Changing one member of a JSON text that somebody else wrote, with every other character left as it is.

JSON with comments and with commas after the last member (JSONC) is read too: OpenCode's settings may have them. What is
put in looks like what is there: its indentation, or two spaces. Nothing here touches the disk or knows a tool.
"""

import re
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from tokens_forge.core.errors import ForgeError

Path = tuple[str, ...]
"""Names of members, from the root."""

_GAP = re.compile(r"(?:[ \t\r\n\ufeff]|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_BARE = re.compile(r"-?[0-9][0-9.eE+-]*|true|false|null")
_SPACE = re.compile(r"[ \t\r\n]*\Z")
_WORDS = {"true": True, "false": False, "null": None}
_UNIT = "  "


class Number(NamedTuple):
    """A number, as it is written: no digit of it is looked at."""

    written: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A value and where it stands."""

    start: int
    end: int
    value: object
    members: dict[str, "Member"] = field(default_factory=dict[str, "Member"])
    """Of an object; of a name that is given twice the last one, as every parser has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A name with its value."""

    start: int
    """Of the name's quote."""
    node: Node
    comma: int
    """Where the comma after it is; -1 when there is none."""


def value(text: str) -> object:
    """Return the value of a text; None of an empty one. Raises ForgeError, naming the line, for what is no JSON."""
    root = _root(text)
    return None if root is None else root.value


def raw(text: str, path: Path) -> str | None:
    """Return the value at `path` as it is written; None when there is none."""
    node = _at(_root(text), path)
    return None if node is None else text[node.start : node.end]


def put(text: str, path: Path, new: object) -> str:
    """Return `text` with `new` at `path`; objects around it are made. Raises ForgeError where a name is no object."""
    return put_raw(text, path, msgspec.json.encode(new).decode())


def put_raw(text: str, path: Path, written: str) -> str:
    """Do as `put` does, with a value that is written already."""
    root = _root(text)
    if root is None:
        return f"{text}{_nested(path, written, '', _UNIT)}\n"
    around, depth = root, 0
    for name in path:
        if not isinstance(around.value, dict):
            raise ForgeError(f"`{'.'.join(path[:depth]) or 'the whole'}` is no object there: mend it first")
        if name not in around.members:
            return _inserted(text, around, path[depth], path[depth + 1 :], written)
        around, depth = around.members[name].node, depth + 1
    return text[: around.start] + written + text[around.end :]


def drop(text: str, path: Path) -> str:
    """Return `text` without the member at `path`, which is there, its comma and the space before it."""
    around = _at(_root(text), path[:-1])
    assert around is not None, "the member is there"
    member = around.members[path[-1]]
    start = member.start - len(_space_before(text, member.start))
    if member.comma >= 0:
        return text[:start] + text[member.comma + 1 :]
    text = text[:start] + text[member.node.end :]
    before = [other.comma for other in around.members.values() if other.comma >= 0]
    # Of the last member it is the comma before that goes; a comma after the last would be no JSON.
    return text[: max(before)] + text[max(before) + 1 :] if before else text


def _inserted(text: str, around: Node, name: str, below: Path, written: str) -> str:
    """Return `text` with a new last member of the object `around`."""
    base = _indent(text, around.start)
    last = max(around.members.values(), key=lambda member: member.start, default=None)
    begin = around.start + 1 if last is None else last.node.end if last.comma < 0 else last.comma + 1
    # After what is there, comments too: a comment at the end of a line belongs to what is before it.
    at = begin + len(text[begin : around.end - 1].rstrip())
    many_lines = last is None or "\n" in text[around.start : around.end]
    own = base + _unit(text) if last is None else _indent(text, last.start)
    member = f"{_quoted(name)}: {_nested(below, written, own if many_lines else None, _unit(text))}"
    lead = f"\n{own}" if many_lines else " "
    tail = "," if last is not None and last.comma >= 0 else ""
    end = f"\n{base}" if last is None and "\n" not in text[at : around.end] else ""
    comma = "," if last is not None and last.comma < 0 else ""
    return text[:begin] + comma + text[begin:at] + lead + member + tail + end + text[at:]


def _nested(path: Path, written: str, indent: str | None, unit: str) -> str:
    """Return objects around a written value, one for each name; on one line where `indent` is None."""
    if not path:
        return written
    if indent is None:
        return f"{{{_quoted(path[0])}: {_nested(path[1:], written, None, unit)}}}"
    own = indent + unit
    return f"{{\n{own}{_quoted(path[0])}: {_nested(path[1:], written, own, unit)}\n{indent}}}"


def _quoted(name: str) -> str:
    return msgspec.json.encode(name).decode()


def _space_before(text: str, at: int) -> str:
    found = _SPACE.search(text[:at])
    assert found is not None, "it matches nothing too"
    return found[0]


def _indent(text: str, at: int) -> str:
    """Return the space with which the line at `at` begins."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _unit(text: str) -> str:
    """Return by how much this text indents: the space before its first member, or two."""
    found = re.match(r"[\ufeff]?\{[ \t]*\r?\n([ \t]+)\"", text)
    return found[1] if found else _UNIT


def _at(root: Node | None, path: Path) -> Node | None:
    node = root
    for name in path:
        member = node.members.get(name) if node else None
        node = member.node if member else None
    return node


def _root(text: str) -> Node | None:
    scan = _Scan(text)
    try:
        return scan.document()
    except RecursionError:
        raise ForgeError("its brackets are nested too deeply") from None


class _Scan:
    """A place in the text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def document(self) -> Node | None:
        self._gap()
        if self.at == len(self.text):
            return None
        node = self._node()
        self._gap()
        if self.at < len(self.text):
            raise self._wrong()
        return node

    def _node(self) -> Node:
        start = self.at
        if self._steps_over("{"):
            members = self._members()
            found: object = {name: member.node.value for name, member in members.items()}
            return Node(start=start, end=self.at, value=found, members=members)
        if self._steps_over("["):
            found = self._items()
        elif self.text.startswith('"', start):
            found = self._string()
        else:
            word = self._take(_BARE)
            found = _WORDS[word] if word in _WORDS else Number(word)
        return Node(start=start, end=self.at, value=found)

    def _members(self) -> dict[str, Member]:
        members: dict[str, Member] = {}
        self._gap()
        while not self._steps_over("}"):
            start = self.at
            name = self._string()
            self._gap()
            if not self._steps_over(":"):
                raise self._wrong()
            self._gap()
            node = self._node()
            comma = self._comma("}")
            members[name] = Member(start=start, node=node, comma=comma)
        return members

    def _items(self) -> list[object]:
        items: list[object] = []
        self._gap()
        while not self._steps_over("]"):
            items.append(self._node().value)
            self._comma("]")
        return items

    def _comma(self, closing: str) -> int:
        """Step over a comma, or to `closing`; return where the comma is, or -1."""
        self._gap()
        comma = self.at
        if self._steps_over(","):
            self._gap()
            return comma
        if not self.text.startswith(closing, self.at):
            raise self._wrong()
        return -1

    def _string(self) -> str:
        written = self._take(_STRING)
        try:
            return msgspec.json.decode(written, type=str)
        except msgspec.DecodeError:
            raise self._wrong() from None

    def _take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        if found is None:
            raise self._wrong()
        self.at = found.end()
        return found[0]

    def _gap(self) -> None:
        found = _GAP.match(self.text, self.at)
        assert found is not None, "it matches nothing too"
        self.at = found.end()

    def _steps_over(self, mark: str) -> bool:
        here = self.text.startswith(mark, self.at)
        self.at += here
        return here

    def _wrong(self) -> ForgeError:
        line = self.text.count("\n", 0, self.at) + 1
        return ForgeError(f"line {line} is not JSON: mend it first")
