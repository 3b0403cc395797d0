"""What an upstream's reply headers say of waiting and of limits.

Sources, read 2026-11: RFC 9110 section 10.2.3 (Retry-After: seconds or a date); OpenAI's guide "Rate limits"
(`x-ratelimit-limit-requests`, `-remaining-`, `-reset-`, the same for tokens). How long to wait is decided in
`core/fallback.py`.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime

from tokens_forge.core.entries import Limit
from tokens_forge.core.visible import visible

_SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,6})?")
_LIMITED = ("requests", "tokens", "input-tokens", "output-tokens")
_LONGEST_VALUE = 64


def retry_after_s(headers: Mapping[str, str], now: datetime) -> Decimal | None:
    """Return the seconds that a reply asks to wait (zero or more); None when it asks for none that can be read.

    `retry-after-ms`, where given, is finer than Retry-After. A date in the past is a wait of nothing.
    """
    if _SECONDS.fullmatch(written := headers.get("retry-after-ms", "").strip()):
        return Decimal(written).scaleb(-3)
    written = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(written):
        return Decimal(written)
    try:
        date = parsedate_to_datetime(written)
    except ValueError:
        return None
    seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)) - now
    return max(Decimal(0), Decimal(seconds.days * 86_400 + seconds.seconds))


def limits(headers: Mapping[str, str]) -> tuple[Limit, ...]:
    """Return the limits that a reply's headers name, as they were given."""
    found = (
        Limit(
            window=name,
            limit=_value(headers, f"x-ratelimit-limit-{name}"),
            remaining=_value(headers, f"x-ratelimit-remaining-{name}"),
            reset=_value(headers, f"x-ratelimit-reset-{name}"),
        )
        for name in _LIMITED
    )
    return tuple(limit for limit in found if limit.limit or limit.remaining)


def _value(headers: Mapping[str, str], name: str) -> str:
    return visible(headers.get(name, ""))[:_LONGEST_VALUE]
