"""What an upstream's reply headers say of waiting, of limits, and of windows that the provider counts itself.

How long to wait is decided in `core/fallback.py`, what a window leaves in `core/book.py`. A header that can't be read
says nothing; none of them raises.

Sources, read 2026-11: RFC 9110 section 10.2.3 (Retry-After: seconds or a date). OpenAI's guide "Rate limits"
(`x-ratelimit-limit-requests`, `-remaining-`, `-reset-`, the same for tokens); Groq's page "Rate limits" has the same
names, Cerebras' adds the period (`-requests-day`), OpenRouter names no unit and means requests (Gitlawb/openclaude
issue 936). Anthropic's page "Rate limits" (`anthropic-ratelimit-requests-limit`, the priority tier's
`anthropic-priority-input-tokens-limit`; the reset in RFC 3339).

Anthropic subscriptions (`anthropic-ratelimit-unified-…`) are not documented; they are taken from captures:
anthropics/claude-code issues 12829 and 41506, andrew-kramer-inno's gist "Anthropic api limits" (2025-12-18),
router-for-me/CLIProxyAPI issue 5915 and Yeachan-Heo/gajae-code pull request 2444 (2026). `utilization` is the share of
the window that is used, from 0 to 1 and a little more; `reset` is in Unix seconds; `status` is ``allowed``,
``allowed_warning`` or ``rejected``; `5h` and `7d` count for the account, `7d_opus`, `7d_sonnet` and `7d_oi` for some
models alone. Codex (`x-codex-…`): openai/codex, `codex-api/src/rate_limits.rs`; which of the two slots is the week says
its length alone (can1357/oh-my-pi pull request 10931).
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime

from tokens_forge.core.entries import Limit
from tokens_forge.core.moments import stamp
from tokens_forge.core.money import scaled, subtract, text
from tokens_forge.core.visible import visible
from tokens_forge.wire.usage_objects import amount_told

MOST_LIMITS = 16
"""So many limits of a reply are kept; the real ones have up to eight."""

FURTHEST = timedelta(days=366)
"""A reset that is further away is none: the longest window known is a month."""

STALE = timedelta(days=1)
"""Nor is one that was longer ago than this: clocks and copies of headers lag by less, and ``0`` is no moment."""

COST_UNIT = "USD"
"""What `cost` is in."""


def cost(headers: Mapping[str, str]) -> Decimal | None:
    """Return what a reply's head says that it cost, above 0, in `COST_UNIT`; None where it says nothing."""
    told = headers.get("x-litellm-response-cost", "")
    return amount_told(told) or None


def tier(headers: Mapping[str, str]) -> str:
    """Return the tier of service that a reply's head names, in small letters; empty for none."""
    return headers.get("x-gemini-service-tier", "").strip().lower()


_SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,6})?")
_LONGEST_VALUE = 64

_PREFIXES = ("x-ratelimit-", "anthropic-", "x-codex-")
_COUNTS = re.compile(r"x-ratelimit-(?P<field>limit|remaining|reset)(?:-(?P<window>[a-z0-9_-]{1,40}))?")
_ANTHROPIC = re.compile(
    r"anthropic-(?:ratelimit-)?(?P<window>(?:priority-)?(?:(?:input-|output-)?tokens|requests))"
    r"-(?P<field>limit|remaining|reset)"
)
_UNIFIED = re.compile(
    r"anthropic-ratelimit-unified-(?:(?P<window>[0-9]{1,3}[mhd](?:_[a-z0-9_]{1,24})?|overage)-)?"
    r"(?P<field>utilization|status|reset|representative-claim|in-use|disabled-reason)"
)
_CODEX = re.compile(
    r"x-codex-(?P<window>(?:[a-z0-9-]{1,24}-)?(?:primary|secondary))"
    r"-(?P<field>used-percent|window-minutes|reset-at|reset-after-seconds)"
)

_CLAIMS = {
    "five_hour": "5h",
    "seven_day": "7d",
    "seven_day_opus": "7d_opus",
    "seven_day_sonnet": "7d_sonnet",
    "seven_day_overage_included": "7d_oi",
}
"""The words for the window that the status of the whole reply is about."""

_OF_ACCOUNT = re.compile(r"[0-9]{1,3}[mhd]|overage|unified")
_UNIX = re.compile(r"[0-9]{1,10}")
_MINUTES = re.compile(r"[0-9]{1,6}")
# A tiny share may come in scientific form; what fits here is exact in 80 digits.
_NUMBER = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,24})?(?:e-[0-3]?[0-9])?")
_ALL = Decimal(100)
_MOST_USED = Decimal(200)
"""A window is overdrawn by a few percent (1.08 was seen). What says more than twice is in other terms than we know."""

_TRUE = ("true", "1")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_Said = dict[str, dict[str, str]]
"""What was said of each window, by field."""


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
    except (ValueError, OverflowError):
        return None
    seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)) - now
    return max(Decimal(0), Decimal(seconds.days * 86_400 + seconds.seconds))


def limits(headers: Mapping[str, str], now: datetime) -> tuple[Limit, ...]:
    """Return the limits that the headers of a reply name, which came at `now`. At most 16, with short, visible values.

    Counts (``requests``, ``input-tokens``, ``requests-day``) are as the headers give them. A window that the provider
    counts for the whole account is ``provider/5h``, ``provider/7d`` and so on (``provider/unified`` and
    ``provider/primary`` where its length is not said): `remaining` is the percent of `limit` ``100`` that is left,
    exact and below zero when overdrawn, `reset` a stamp. A window that counts some models only is ``model/7d_opus``
    and says nothing of the account. ``provider/overage`` is what is paid beyond the windows: its status is the
    provider's word, or ``in_use`` when it paid for this reply. ``credits`` is what is left for it, in the provider's
    own credits.
    """
    counts: _Said = {}
    unified: _Said = {}
    codex: _Said = {}
    kinds = ((_COUNTS, counts), (_ANTHROPIC, counts), (_UNIFIED, unified), (_CODEX, codex))
    for header, value in headers.items():
        name = header.lower()
        if name.startswith(_PREFIXES):
            for pattern, said in kinds:
                if match := pattern.fullmatch(name):
                    written = visible(value.strip())[:_LONGEST_VALUE]
                    said.setdefault(match["window"] or "", {}).setdefault(match["field"], written)
                    break
    found = (*_unified(unified, now), *_codex(codex, now), *_credits(headers), *_counts(counts))
    return found[:MOST_LIMITS]


def _counts(said: _Said) -> Iterator[Limit]:
    for window, fields in said.items():
        limit, remaining = fields.get("limit", ""), fields.get("remaining", "")
        if limit or remaining:
            yield Limit(window=window or "requests", limit=limit, remaining=remaining, reset=fields.get("reset", ""))


def _unified(said: _Said, now: datetime) -> Iterator[Limit]:
    """Yield the windows of a subscription. The status of the whole reply is that of the window that it is about."""
    whole = said.pop("", {})
    claim = whole.get("representative-claim", "")
    if claim or not any("status" in fields for name, fields in said.items() if name != "overage"):
        window = said.setdefault(_CLAIMS.get(claim, claim) or "unified", {})
        for field in ("status", "reset"):
            window.setdefault(field, whole.get(field, ""))
    for name, fields in said.items():
        used = _number(fields.get("utilization", ""))
        rest = _rest(None if used is None else scaled(used, 2))
        status = fields.get("status", "")
        if fields.get("in-use", "").lower() in _TRUE:
            status = "in_use"
        elif "disabled-reason" in fields:
            status = status or "rejected"
        if rest or status:
            scope = "provider" if _OF_ACCOUNT.fullmatch(name) else "model"
            yield Limit(
                window=f"{scope}/{name}",
                limit="100" if rest else "",
                remaining=rest,
                reset=_reset(fields.get("reset", ""), now),
                status=status,
            )


def _codex(said: _Said, now: datetime) -> Iterator[Limit]:
    """Yield the windows of a Codex plan, each name once. A slot that is all zeros is none."""
    found: dict[str, Limit] = {}
    for name, fields in said.items():
        used = _number(fields.get("used-percent", ""))
        minutes = int(written) if _MINUTES.fullmatch(written := fields.get("window-minutes", "")) else 0
        reset = _reset(fields.get("reset-at", ""), now) or _reset_after(fields.get("reset-after-seconds", ""), now)
        rest = _rest(used)
        if not rest or not (used or minutes or reset):
            continue
        family, _, slot = name.rpartition("-")
        length = _length(minutes) or slot
        window = f"model/{family}-{length}" if family else f"provider/{length}"
        limit = Limit(window=window, limit="100", remaining=rest, reset=reset)
        if window not in found or Decimal(rest) < Decimal(found[window].remaining):
            found[window] = limit
    yield from found.values()


def _credits(headers: Mapping[str, str]) -> Iterator[Limit]:
    """Yield what a Codex plan has beyond its windows."""
    unlimited = headers.get("x-codex-credits-unlimited", "").lower() in _TRUE
    has = headers.get("x-codex-credits-has-credits", "").lower()
    if has or unlimited:
        yield Limit(window="provider/overage", status="allowed" if unlimited or has in _TRUE else "rejected")
    balance = _number(headers.get("x-codex-credits-balance", "").strip())
    if balance is not None:
        yield Limit(window="credits", remaining=text(balance))


def _length(minutes: int) -> str:
    """Return a window's length in the largest unit that measures it; empty when it is not known."""
    for unit, size in (("d", 1440), ("h", 60), ("m", 1)):
        if minutes and minutes % size == 0:
            return f"{minutes // size}{unit}"
    return ""


def _rest(used_percent: Decimal | None) -> str:
    if used_percent is None or used_percent > _MOST_USED:
        return ""
    return text(subtract(_ALL, used_percent))


def _number(written: str) -> Decimal | None:
    return Decimal(written) if _NUMBER.fullmatch(written) else None


def _reset(written: str, now: datetime) -> str:
    """Return the stamp of a moment in Unix seconds or RFC 3339; empty when it is none, too far away or long past."""
    try:
        moment = (
            _EPOCH + timedelta(seconds=int(written)) if _UNIX.fullmatch(written) else datetime.fromisoformat(written)
        )
        return stamp(moment) if moment.tzinfo and -STALE <= moment - now <= FURTHEST else ""
    except (ValueError, OverflowError):
        return ""


def _reset_after(written: str, now: datetime) -> str:
    if not _SECONDS.fullmatch(written):
        return ""
    after = timedelta(seconds=int(written.partition(".")[0]))
    return stamp(now + after) if after <= FURTHEST else ""
