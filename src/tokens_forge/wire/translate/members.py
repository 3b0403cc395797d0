"""Members of a request that is to be translated: each read with its path, and what is left out by name.

Decides what a member of the wrong kind is told (`NotCarried`), and which members say nothing: one that is null is not
given, and a dialect's table says what others are when they are left out. It never knows what a member means, and no
text of a prompt gets into a path or a reason. What is only moved stays the bytes it came in. The `fields` that are
read here come from `object_of` or `without_nulls`: none of them is null.

In a path the entries of a list have their places where one is refused (`messages[2].content`), and share one path
where something is left out (`messages[].name`).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from tokens_forge.wire.request import NULL, UNREADABLE, Fields, is_text
from tokens_forge.wire.translation import NotCarried

Json = Mapping[str, object]
"""An object to be encoded; values that are only moved are `msgspec.Raw`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What members of a dialect say when they say nothing."""

    by_name: Mapping[str, tuple[object, ...]] = field(default_factory=dict[str, tuple[object, ...]])
    """What a member of a name is when it is left out."""
    of_any: frozenset[bytes] = frozenset()
    """What says nothing in any member, as it is written."""


class Dropped:
    """The paths of what is left out, each once.

    `given` has the names of the request's members in their order, `defaults` what says nothing in its dialect.
    """

    def __init__(self, given: Iterable[str], defaults: Defaults) -> None:
        self._places = {name: place for place, name in enumerate(given)}
        self._defaults = defaults
        self._paths: dict[str, int] = {}

    def add(self, member: str, rest: str = "") -> None:
        """Add a path: a `member` of the request and the `rest` below it."""
        self.add_as(member + rest, member)

    def add_as(self, path: str, member: str) -> None:
        """Add a path that stands for something below a `member` of the request."""
        self._paths.setdefault(path, self._places[member])

    def add_unread(self, fields: Fields, read: Collection[str], member: str = "", rest: str = "") -> None:
        """Add what an object says beside the members that are `read`; without a `member` it is the request itself."""
        for name, raw in fields.items():
            if name not in read and not is_default(name, raw, self._defaults):
                self.add(member or name, f"{rest}.{name}" if member else "")

    def paths(self) -> tuple[str, ...]:
        """Return the paths in the order of the request's members, those of one member by their names."""
        return tuple(sorted(self._paths, key=lambda path: (self._paths[path], path)))


def is_default(name: str, raw: msgspec.Raw, defaults: Defaults) -> bool:
    """Say whether a member says what it would not have to."""
    if raw == NULL:
        return True
    if len(raw) > _LONGEST_DEFAULT:
        return False
    if bytes(raw) in defaults.of_any:
        return True
    if name not in defaults.by_name:
        return False
    try:
        return msgspec.json.decode(raw) in defaults.by_name[name]
    except UNREADABLE:
        return False


def without_nulls(fields: Fields) -> Fields:
    """Return the members that are not null."""
    return {name: raw for name, raw in fields.items() if raw != NULL}


def at(path: str, name: str) -> str:
    """Return the path of a member; the request's own path is empty."""
    return f"{path}.{name}" if path else name


def object_of(raw: msgspec.Raw, path: str) -> Fields:
    """Return the members of an object that are not null. Raises NotCarried for anything else."""
    try:
        fields = _decode_object(raw)
    except UNREADABLE as error:
        raise NotCarried(path, "it is not an object") from error
    return without_nulls(fields) if NULL in fields.values() else fields


def object_in(fields: Fields, name: str, path: str) -> Fields:
    """Return the members of a member, which must be there. Raises NotCarried."""
    return object_of(fields.get(name, NULL), at(path, name))


def list_of(raw: msgspec.Raw, path: str) -> list[msgspec.Raw]:
    """Return the entries of a list. Raises NotCarried for anything else."""
    try:
        return _decode_list(raw)
    except UNREADABLE as error:
        raise NotCarried(path, "it is not a list") from error


def objects_of(raw: msgspec.Raw, path: str) -> Iterator[tuple[Fields, str]]:
    """Yield the entries of a list of objects, each with its path. Raises NotCarried for anything else."""
    for place, entry in enumerate(list_of(raw, path)):
        where = f"{path}[{place}]"
        yield object_of(entry, where), where


def objects_in(fields: Fields, name: str, path: str) -> Iterator[tuple[Fields, str]]:
    """Return the entries of a member as `objects_of` does; none where it is not given."""
    return objects_of(fields[name], at(path, name)) if name in fields else iter(())


def text_in(fields: Fields, name: str, path: str) -> msgspec.Raw:
    """Return a text as it was written, quotes included. Raises NotCarried, also for one that is missing."""
    raw = fields.get(name, NULL)
    if not is_text(raw):
        raise NotCarried(at(path, name), "it is not a text")
    return raw


def word_in(fields: Fields, name: str, path: str) -> str:
    """Return a text, decoded. Raises NotCarried, also for one that is missing."""
    try:
        return _decode_text(fields.get(name, NULL))
    except UNREADABLE as error:
        raise NotCarried(at(path, name), "it is not a text") from error


def word_of(raw: msgspec.Raw, path: str) -> str:
    """Return a text, decoded. Raises NotCarried for anything else."""
    try:
        return _decode_text(raw)
    except UNREADABLE as error:
        raise NotCarried(path, "it is not a text") from error


def flag_in(fields: Fields, name: str, path: str = "", *, default: bool) -> bool:
    """Return a member that is true or false, `default` where it is not given. Raises NotCarried."""
    raw = fields.get(name, NULL)
    if raw == NULL:
        return default
    if raw not in _FLAGS:
        raise NotCarried(at(path, name), "it is neither true nor false")
    return raw == _TRUE


def number_in(fields: Fields, name: str) -> Decimal | None:
    """Return a number of the request, to be compared; None where it is not given. Raises NotCarried."""
    raw = fields.get(name, NULL)
    if raw == NULL:
        return None
    try:
        return _decode_number(NULL if is_text(raw) else raw)  # A decimal would be read from a text too.
    except UNREADABLE as error:
        raise NotCarried(name, "it is not a number") from error


def written_number_in(fields: Fields, name: str) -> msgspec.Raw | None:
    """Return a number of the request as it was written; None where it is not given. Raises NotCarried."""
    return None if number_in(fields, name) is None else fields[name]


def count_in(fields: Fields, name: str, path: str) -> int:
    """Return a whole number. Raises NotCarried, also for one that is missing."""
    try:
        return _decode_count(fields.get(name, NULL))
    except UNREADABLE as error:
        raise NotCarried(at(path, name), "it is not a whole number") from error


_TRUE = msgspec.Raw(b"true")
_FLAGS = (_TRUE, msgspec.Raw(b"false"))
_LONGEST_DEFAULT = 64
"""Bytes beyond which a value is no default: it is not decoded to find out."""

_decode_object = msgspec.json.Decoder(Fields).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_number = msgspec.json.Decoder(Decimal).decode
_decode_count = msgspec.json.Decoder(int).decode
_decode_text = msgspec.json.Decoder(str).decode
