"""The free text of a custom tool, out of the JSON that a model without such tools writes it in.

A custom tool of Responses takes a text. Other dialects only know objects, so there it takes one member, `input`. Here
its text is read back piece by piece, as soon as it is sure. Models write such JSON sloppily: a line end inside a
string stays one, an escape that JSON has not is the character itself, and what is no such object at all is the text.

Source, read 2026-11: RFC 8259, section 7 (strings and their escapes).
"""

import re
from typing import Literal, assert_never

import msgspec

from tokens_forge.wire.request import UNREADABLE

MEMBER = "input"
"""The one member of the object."""


class FreeText:
    """Reads the arguments of one call as they come."""

    def __init__(self) -> None:
        self._held = ""
        """What came and was not handed out yet; short."""
        self._kept: list[str] = []
        """Arguments that do not begin as that object."""
        self._state: _State = _BEFORE

    def feed(self, piece: str) -> str:
        """Return the text that a piece of the arguments makes sure."""
        match self._state:
            case "before":
                self._held += piece
                found = _OPENING.match(self._held)
                if found is not None:
                    self._state = _INSIDE
                    return self._sure(self._held[found.end() :])
                if len(self._held) > _LONGEST_OPENING:
                    self._state = _ELSE
                    self._kept.append(self._held)
            case "inside":
                return self._sure(self._held + piece)
            case "else":
                self._kept.append(piece)
            case "after":
                pass
            case _:
                assert_never(self._state)
        return ""

    def end(self) -> str:
        """Return what is left when no more comes: the text of what is no object that begins with that member."""
        match self._state:
            case "before":
                return _text_of(self._held)
            case "else":
                return _text_of("".join(self._kept))
            case "inside" | "after":
                return ""  # Of a string that was cut half an escape may be left, which says nothing.
            case _:
                assert_never(self._state)

    def _sure(self, held: str) -> str:
        found = _SURE.match(held)
        assert found is not None, "it matches no text, too"
        self._held = held[found.end() :]
        if self._held.startswith('"'):
            self._state = _AFTER
        return _ESCAPE.sub(_unescaped, found[0])


_State = Literal["before", "inside", "after", "else"]
_BEFORE: _State = "before"
_INSIDE: _State = "inside"
_AFTER: _State = "after"
_ELSE: _State = "else"

_LONGEST_OPENING = 64
"""Characters within which the text begins; what has more before it is read when it is whole."""

_OPENING = re.compile(rf'\s*+\{{\s*+"{MEMBER}"\s*+:\s*+"')
_UNIT = r"\\u[0-9A-Fa-f]{4}"
_HIGH, _LOW = r"\\u[Dd][89ABab][0-9A-Fa-f]{2}", r"\\u[Dd][C-Fc-f][0-9A-Fa-f]{2}"
_NO_UNIT = r"\\u(?=[0-9A-Fa-f]{0,3}[^0-9A-Fa-f])"

# What can't change with what follows: plain text, whole escapes, and of a character in two halves both of them.
_SURE = re.compile(
    rf'(?:[^"\\]++|{_HIGH}{_LOW}|{_HIGH}(?=[^\\]|\\[^u]|{_UNIT}|{_NO_UNIT})|(?!{_HIGH}){_UNIT}|\\[^u]|{_NO_UNIT})*+'
)
_ESCAPE = re.compile(rf"{_HIGH}{_LOW}|{_UNIT}|\\.", re.DOTALL)
_PLAIN = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def _unescaped(found: re.Match[str]) -> str:
    """Return the character of an escape; half a character alone is none, and no UTF-8 has it."""
    escape = found[0]
    if len(escape) <= len(r"\n"):
        return _PLAIN.get(escape[1], escape[1])
    return bytes.fromhex(escape.replace(r"\u", "")).decode("utf-16-be", "replace")


class _Object(msgspec.Struct):
    input: str


_decode = msgspec.json.Decoder(_Object | str).decode


def _text_of(arguments: str) -> str:
    try:
        said = _decode(arguments)
    except UNREADABLE:
        return arguments
    return said if isinstance(said, str) else said.input
