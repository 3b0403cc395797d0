"""What an upstream's headers announce of its limits: whether one is used up, and when it begins anew.

It reads `Limit` as the ledger keeps it, in the header's own words, so that they can be read again another way. What
cools by it is `core/health.py`'s part; windows that a provider counts for the account are `core/book.py`'s.

Sources, read 2026-11: OpenAI's guide "Rate limits" (a reset is a duration: ``1s``, ``6m0s``, ``17ms``), Groq's page
"Rate limits" (``2m59.56s``, ``7.66s``), Anthropic's (a moment in RFC 3339). Others write plain seconds or Unix seconds,
OpenRouter Unix milliseconds (``1741305600000``).
"""

import re
from datetime import datetime
from decimal import Decimal

from tokens_forge.core.entries import Limit
from tokens_forge.core.fallback import LONGEST_MS
from tokens_forge.core.moments import later, microseconds, moment

_COUNTED = re.compile(r"(?:[a-z0-9]+-)?(?:requests|tokens)(?:[-_][a-z0-9_-]+)?")
"""Requests and tokens, also ``input-tokens`` and ``requests-day``; not images, credits or what is in percent."""

_BESIDE = "priority-"
"""Anthropic's priority tier: once it is used up, calls go on in the standard tier (its page "Service tiers")."""

_COUNT = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,9})?")
_NUMBER = re.compile(r"[0-9]{1,16}(?:\.[0-9]{1,9})?")
_DURATION = re.compile(
    r"(?:(?P<d>[0-9]{1,6})d)?(?:(?P<h>[0-9]{1,6})h)?(?:(?P<m>[0-9]{1,9})m(?!s))?"
    r"(?:(?P<s>[0-9]{1,9}(?:\.[0-9]{1,9})?)s)?(?:(?P<ms>[0-9]{1,12}(?:\.[0-9]{1,9})?)ms)?"
)
_UNIT_MS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_UNIX_FROM = Decimal(10**8)
"""A number below is seconds from now, at most three years; from here on it is Unix seconds, of 1973 and later."""
_UNIX_MS_FROM = Decimal(10**11)
"""Of Unix seconds that is the year 5138, of Unix milliseconds 1973."""


def used_up(limit: Limit) -> bool:
    """Say whether nothing is left of a limit of requests or tokens. One of nothing at all is no limit."""
    if not _COUNTED.fullmatch(limit.window) or limit.window.startswith(_BESIDE):
        return False
    if _COUNT.fullmatch(limit.limit) and Decimal(limit.limit) <= 0:
        return False
    return _COUNT.fullmatch(limit.remaining) is not None and Decimal(limit.remaining) <= 0


def begins_anew(limit: Limit, heard: str) -> str:
    """Return the moment at which a limit resets by headers that came at `heard`; empty when they can't be read.

    At most a week after `heard`, and not before it.
    """
    away_ms = _away_ms(limit.reset, moment(heard))
    return "" if away_ms is None else later(heard, min(max(away_ms, 0), LONGEST_MS))


def _away_ms(written: str, heard: datetime) -> int | None:
    """Return the ms from `heard` to a reset, negative for one that is past; None when it can't be read."""
    if _NUMBER.fullmatch(written):
        number = Decimal(written)
        if number < _UNIX_FROM:
            return int(number * 1000)
        return int(number if number >= _UNIX_MS_FROM else number * 1000) - _unix_ms(heard)
    if written and (match := _DURATION.fullmatch(written)):
        return sum(int(Decimal(count) * _UNIT_MS[unit]) for unit, count in match.groupdict("0").items())
    try:
        at = datetime.fromisoformat(written)
        return _unix_ms(at) - _unix_ms(heard) if at.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _unix_ms(at: datetime) -> int:
    return microseconds(at) // 1000
