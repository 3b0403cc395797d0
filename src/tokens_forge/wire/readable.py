"""What can be read of a reply whose members are not all of the kinds that its dialect gives them.

One member of an odd kind (`"id": 123`, `"tool_calls": {}`) is no reason to lose the others: each is read by itself,
where it can be. It never raises.
"""

from types import UnionType
from typing import Any, TypeVar, get_args, get_origin

import msgspec

from tokens_forge.wire.request import UNREADABLE, object_or_none

LONGEST_NUMBER = 64
"""Bytes up to which a number stands for a text."""

_Shape = TypeVar("_Shape", bound=msgspec.Struct)
_NUMBERS = tuple(b"-0123456789"[place : place + 1] for place in range(11))


def readable(shape: type[_Shape], data: bytes | msgspec.Raw) -> _Shape | None:
    """Return what a JSON object says in the fields of `shape`, each of which has a default; None for anything else.

    Where a text is wanted, a number is one as it is written. What in a list is no object says nothing, but counts.
    """
    members = object_or_none(data)
    if members is None:
        return None
    fields = (field for field in msgspec.structs.fields(shape) if field.encode_name in members)
    read = ((field.name, _member(field.type, members[field.encode_name])) for field in fields)
    return shape(**{name: value for name, value in read if value is not None})


def _member(kind: Any, raw: msgspec.Raw) -> Any:  # noqa: ANN401 - an annotation, and a value of it
    """Return what a member says; None where it can't be read as any of its kinds."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except UNREADABLE:
        pass
    wanted: Any = next(iter(get_args(kind)), None) if isinstance(kind, UnionType) else kind
    if wanted is str:
        return bytes(raw).decode() if len(raw) <= LONGEST_NUMBER and bytes(raw).startswith(_NUMBERS) else None
    if get_origin(wanted) is list:
        (item,) = get_args(wanted)
        raws: list[msgspec.Raw] | None = _member(list[msgspec.Raw], raw) if item is not msgspec.Raw else None
        return None if raws is None else [_member(item, one) or item() for one in raws]
    return readable(wanted, raw)
