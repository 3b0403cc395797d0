"""Members of a Responses request that is to be translated: read with their paths, or named as left out.

What is of a wrong kind is refused by its path (`NotCarried`). A member that is null is none. It copies no long text:
what is only moved stays the bytes it came in.
"""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from tokens_forge.wire.request import NULL, UNREADABLE, Fields
from tokens_forge.wire.translation import NotCarried

Json = Mapping[str, object]
"""An object to be encoded; values that are only moved are `msgspec.Raw`."""

_DEFAULTS: Mapping[str, bytes] = {
    "background": b"false",
    "context": b'"auto"',
    "detail": b'"auto"',
    "mode": b'"standard"',
    "top_logprobs": b"0",
    "truncation": b'"disabled"',
    "verbosity": b'"medium"',
}
"""What a member says when it says nothing, by its name (OpenAI API reference)."""

_EMPTY = (b"[]", b"{}", b"false")
_LONGEST_DEFAULT = max(map(len, _DEFAULTS.values()))
_BLANK = re.compile(rb'"(?: |\\[nrt])*+"')

_decode_members = msgspec.json.Decoder(Fields).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_number = msgspec.json.Decoder(Decimal).decode
_decode_text = msgspec.json.Decoder(str).decode


class Dropped:
    """The paths of what is left out, each once. Entries of a list share one path, written ``[]``."""

    def __init__(self) -> None:
        self._members: dict[str, str] = {}

    def add(self, member: str, rest: str = "") -> None:
        """Add a path: a `member` of the request and the `rest` below it."""
        self._members[member + rest] = member

    def unread(self, told: Fields, read: Iterable[str], member: str, rest: str = "") -> None:
        """Add what an object says beside the members that are `read`; the request itself is the member ``""``."""
        for name in told.keys() - set(read):
            if not is_default(name, told[name]):
                self.add(member or name, f"{rest}.{name}" if member else "")

    def paths(self, order: Iterable[str]) -> tuple[str, ...]:
        """Return the paths in the order of the request's members."""
        places = {name: place for place, name in enumerate(order)}
        return tuple(sorted(self._members, key=lambda path: (places[self._members[path]], path)))


def at(path: str, name: str) -> str:
    """Return the path of a member; the request's own path is empty."""
    return f"{path}.{name}" if path else name


def said(told: Fields) -> Fields:
    """Return the members that are not null."""
    return {name: raw for name, raw in told.items() if raw != NULL}


def is_default(name: str, raw: msgspec.Raw) -> bool:
    """Say whether a member says nothing: it is empty, or what it is when it is left out."""
    return len(raw) <= _LONGEST_DEFAULT and bytes(raw) in {*_EMPTY, _DEFAULTS.get(name)}


def object_of(raw: msgspec.Raw, path: str) -> Fields:
    """Return the members of an object that are not null. Raises NotCarried for anything else."""
    try:
        return said(_decode_members(raw))
    except UNREADABLE as error:
        raise NotCarried(path, "it is not an object") from error


def list_of(raw: msgspec.Raw, path: str) -> list[msgspec.Raw]:
    """Return the entries of a list. Raises NotCarried for anything else."""
    try:
        return _decode_list(raw)
    except UNREADABLE as error:
        raise NotCarried(path, "it is not a list") from error


def is_text(raw: msgspec.Raw) -> bool:
    """Say whether a value is a string."""
    return bytes(memoryview(raw)[:1]) == b'"'


def is_blank(raw: msgspec.Raw) -> bool:
    """Say whether a string has nothing but spaces and line ends, which Messages refuses as a text."""
    return _BLANK.fullmatch(memoryview(raw)) is not None


def text_in(told: Fields, name: str, path: str) -> msgspec.Raw:
    """Return a member that is a string, as it was written. Raises NotCarried for anything else."""
    raw = told.get(name, NULL)
    if not is_text(raw):
        raise NotCarried(at(path, name), "it is not a text")
    return raw


def word_in(told: Fields, name: str, path: str) -> str:
    """Return a member that is a string, decoded. Raises NotCarried for anything else."""
    try:
        return _decode_text(told.get(name, NULL))
    except UNREADABLE as error:
        raise NotCarried(at(path, name), "it is not a text") from error


def flag_in(told: Fields, name: str, *, default: bool) -> bool:
    """Return a member of the request that is true or false. Raises NotCarried for anything else."""
    raw = told.get(name)
    if raw is not None and bytes(raw) not in {b"true", b"false"}:
        raise NotCarried(name, "it is neither true nor false")
    return default if raw is None else bytes(raw) == b"true"


def number_in(told: Fields, name: str) -> Decimal | None:
    """Return a member of the request that is a number, to be compared; what is sent is what was written."""
    raw = told.get(name)
    if raw is None:
        return None
    if is_text(raw):
        raise NotCarried(name, "it is not a number")
    try:
        return _decode_number(raw)
    except UNREADABLE as error:
        raise NotCarried(name, "it is not a number") from error
