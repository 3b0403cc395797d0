"""Records as JSON bytes with every decimal in plain digits, the way the ledger writes them."""

from decimal import Decimal
from typing import Any, cast

import msgspec

from tokens_forge.core.money import text


def encode(record: object) -> bytes:
    """Return `record` as one line of JSON; decimals become strings without an exponent.

    msgspec alone would write ``Decimal("1.35E-7")`` in scientific form.
    """
    return msgspec.json.encode(_plain(msgspec.to_builtins(record, builtin_types=(Decimal,))))


def _plain(value: object) -> object:
    match value:
        case Decimal():
            return text(value)
        case dict():
            return {key: _plain(item) for key, item in cast("dict[str, Any]", value).items()}
        case list() | tuple():
            return [_plain(item) for item in cast("list[Any]", value)]
        case _:
            return value
