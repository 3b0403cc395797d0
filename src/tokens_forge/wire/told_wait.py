"""How long an upstream's error asks to wait, where only its body says it.

Headers go first (`wire/reply_headers.py`); what is done about a wait is decided in `core/fallback.py`. It never raises:
what can't be read says nothing.

Sources, read 2026-11: a ChatGPT plan that is used up (`usage_limit_reached`) has `resets_in_seconds` and `resets_at` in
Unix seconds (router-for-me/CLIProxyAPI issue 1666); OpenRouter's refusal of a spent key or budget has
`metadata.resets_at` ("Limits"); OpenAI and Groq say it in words, ``Please try again in 1m47.5854s``
(semanser/codel issue 72, bklieger-groq/stockbot-on-groq issue 46), Copilot ``Please wait 8 seconds before trying
again`` (microsoft/vscode-copilot-release issue 1853). Google's `details` have a `RetryInfo` (google.rpc,
`error_details.proto`: `retryDelay`, a duration such as ``26s``).
"""

import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

import msgspec

from tokens_forge.core.money import multiply, scaled, subtract, total
from tokens_forge.wire.readable import readable
from tokens_forge.wire.upstream_errors import error_object, read_error

LONGEST_S = 400 * 86_400
"""A wait of more than a year is none that was meant."""

_MOST_WORDS = 2_000
_UNIX = re.compile(r"[0-9]{9,10}(?:\.[0-9]{1,9})?")
_LONGEST_MOMENT = 40
_NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,12})?"
_DURATION = re.compile(rf"(?:({_NUMBER})h)?(?:({_NUMBER})m(?!s))?(?:({_NUMBER})s)?(?:({_NUMBER})ms)?")
_IN_WORDS = re.compile(
    rf"(?:try again|retry|come back) in (?:about |approximately )?(?P<span>(?:{_NUMBER}(?:ms|h|m|s))+)(?![a-z])"
    rf"|(?:(?:try again|retry|come back) in|wait) (?:about |approximately )?(?P<count>{_NUMBER})"
    r" ?(?P<unit>second|minute|hour)s?\b",
    re.IGNORECASE,
)
_UNITS = {"second": 1, "minute": 60, "hour": 3_600}


class _Detail(msgspec.Struct):
    retry_delay: str | None = msgspec.field(name="retryDelay", default=None)


class _Metadata(msgspec.Struct):
    resets_at: msgspec.Raw = msgspec.Raw()


class _Error(msgspec.Struct):
    resets_in_seconds: Decimal | None = None
    resets_at: msgspec.Raw = msgspec.Raw()
    metadata: _Metadata | None = None
    details: list[_Detail] | None = None


def told_wait_s(body: bytes, now: datetime) -> Decimal | None:
    """Return the seconds that an error's body asks to wait at `now`, zero or more; None where it says nothing."""
    error = readable(_Error, error_object(body) or b"") or _Error()
    of_key = error.metadata.resets_at if error.metadata else msgspec.Raw()
    found = (
        error.resets_in_seconds,
        _until(error.resets_at, now),
        _until(of_key, now),
        *_delays(error),
        _in_words(read_error(0, body).message),
    )
    return next((wait for wait in found if wait is not None and 0 <= wait <= LONGEST_S), None)


def _until(moment: msgspec.Raw, now: datetime) -> Decimal | None:
    """Return the seconds until a moment in Unix seconds, as a number or a text, or in ISO 8601 with its zone."""
    written = bytes(moment)[:_LONGEST_MOMENT].decode("utf-8", "replace").strip('"')
    if _UNIX.fullmatch(written):
        return max(Decimal(0), subtract(Decimal(written), Decimal(int(now.timestamp()))))
    try:
        then = datetime.fromisoformat(written)
    except ValueError:
        return None
    return max(Decimal(0), Decimal(int((then - now).total_seconds()))) if then.tzinfo else None


def _delays(error: _Error) -> Iterator[Decimal | None]:
    for detail in error.details or ():
        yield _seconds(detail.retry_delay or "")


def _in_words(message: str) -> Decimal | None:
    match = _IN_WORDS.search(message[:_MOST_WORDS])
    if match is None:
        return None
    if match["span"]:
        return _seconds(match["span"].lower())
    return multiply(Decimal(match["count"]), Decimal(_UNITS[match["unit"].lower()]))


def _seconds(written: str) -> Decimal | None:
    """Return a duration such as ``1h2m3.5s`` or ``350ms`` in seconds; None for anything else."""
    match = _DURATION.fullmatch(written)
    if not written or match is None:
        return None
    parts = zip(match.groups(), (3_600, 60, 1, 0), strict=True)
    sums = (multiply(Decimal(part), Decimal(unit) if unit else scaled(Decimal(1), -3)) for part, unit in parts if part)
    return total(tuple(sums))
