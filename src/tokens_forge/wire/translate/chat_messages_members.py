"""A chat request's members read for a translator: each by its path, and what is left out by name.

A member of the wrong kind is refused by its path. Values that are only moved stay the bytes they came in; no text of a
prompt gets into a path or a reason.
"""

from collections.abc import Mapping

import msgspec

from tokens_forge.wire.request import NULL, UNREADABLE, Fields
from tokens_forge.wire.translation import NotCarried

Json = Mapping[str, object]
"""An object to be encoded; values that are only moved are `msgspec.Raw`."""


class Dropped:
    """The paths of what is left out, each once."""

    def __init__(self, given: Fields) -> None:
        self._places = {name: place for place, name in enumerate(given)}
        self._paths: dict[str, int] = {}

    def add(self, member: str, rest: str = "") -> None:
        """Add a path: a `member` of the request and the `rest` below it."""
        self._paths[member + rest] = self._places[member]

    def add_unread(self, given: Fields, read: frozenset[str], member: str, rest: str = "") -> None:
        """Add what an object says beside the members that are `read`. Of a list all entries have one path."""
        for name, raw in given.items():
            if name not in read and raw != NULL and not is_default(name, raw):
                self.add(member, f"{rest}.{name}")

    def paths(self) -> tuple[str, ...]:
        """Return the paths in the order of the request's members."""
        return tuple(sorted(self._paths, key=lambda path: self._paths[path]))


def is_default(name: str, raw: msgspec.Raw) -> bool:
    """Say whether a member says what it would not have to: null, or the default of its name."""
    if raw == NULL:
        return True
    if name not in _DEFAULTS or len(raw) > _LONGEST_DEFAULT:
        return False
    try:
        return msgspec.json.decode(raw) in _DEFAULTS[name]
    except UNREADABLE:
        return False


def object_of(raw: msgspec.Raw, path: str) -> Fields:
    """Return the members of an object. Raises NotCarried."""
    try:
        return _decode_object(raw)
    except UNREADABLE as error:
        raise NotCarried(path, "it is no object") from error


def list_of(raw: msgspec.Raw, path: str) -> list[msgspec.Raw]:
    """Return the entries of a list, none for null. Raises NotCarried."""
    if raw == NULL:
        return []
    try:
        return _decode_list(raw)
    except UNREADABLE as error:
        raise NotCarried(path, "it is no list") from error


def inner(given: Fields, name: str, path: str) -> Fields:
    """Return the members of an object's member, which must be an object. Raises NotCarried."""
    return object_of(given.get(name, NULL), below(path, name))


def string(given: Fields, name: str, path: str) -> msgspec.Raw:
    """Return a text as it was written, quotes included. Raises NotCarried, also for one that is missing."""
    raw = given.get(name, NULL)
    if not is_string(raw):
        raise NotCarried(below(path, name), "it is no text")
    return raw


def text(given: Fields, name: str, path: str) -> str:
    """Return a text, decoded. Raises NotCarried, also for one that is missing."""
    return text_at(given.get(name, NULL), below(path, name))


def text_at(raw: msgspec.Raw, path: str) -> str:
    """Return a text, decoded. Raises NotCarried."""
    try:
        return _decode_text(raw)
    except UNREADABLE as error:
        raise NotCarried(path, "it is no text") from error


def flag(given: Fields, name: str, path: str, *, otherwise: bool) -> bool:
    """Return a member that is true or false, `otherwise` when it is not given. Raises NotCarried."""
    raw = given.get(name, NULL)
    if raw == NULL:
        return otherwise
    if raw not in _FLAGS:
        raise NotCarried(below(path, name), "it is neither true nor false")
    return raw == _FLAGS[0]


def below(path: str, name: str) -> str:
    """Return the path of a member; an empty one is the request itself."""
    return f"{path}.{name}" if path else name


def is_string(raw: msgspec.Raw) -> bool:
    """Say whether a value is a text."""
    return bytes(memoryview(raw)[:1]) == b'"'


_DEFAULTS: Mapping[str, tuple[object, ...]] = {
    "n": (1,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "modalities": (["text"], []),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "tools": ([],),
    "functions": ([],),
    "top_p": (1,),
    "temperature": (1,),
    "store": (False,),
    "metadata": ({},),
    "verbosity": ("medium",),
    "service_tier": ("auto",),
    "detail": ("auto",),
}
"""What a member says when it says nothing, by its name (OpenAI API reference)."""

_FLAGS = (msgspec.Raw(b"true"), msgspec.Raw(b"false"))
_LONGEST_DEFAULT = 64
"""Bytes beyond which a value is no default: it is not decoded to find out."""

_decode_object = msgspec.json.Decoder(Fields).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode
