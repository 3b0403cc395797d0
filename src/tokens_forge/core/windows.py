"""Windows of time in which an allowance or a budget counts: where one begins and ends, and what was used in it.

Three kinds: first-use opens at a hold, calendar goes from one anchor to the next in a zone, rolling is the last so long
in steps. A window that is open keeps its start and end, whatever the config says later. It knows no balances.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Literal, assert_never

import msgspec

from tokens_forge.core.config import Per, Window, default_kind
from tokens_forge.core.entries import WindowHeld
from tokens_forge.core.moments import later, moment, read_duration_ms, stamp
from tokens_forge.core.money import ZERO, add

STEPS = 300
"""A rolling window moves on in so many steps of its length, so that what it holds is bounded."""

WeekStart = Literal["monday", "sunday", "saturday"]

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FIRST_OF_WEEK: dict[WeekStart, int] = {"monday": 0, "saturday": 5, "sunday": 6}
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
_FORMS: dict[Per, str] = {
    "hour": "`:15`",
    "day": "`09:00`",
    "week": "`mon` or `mon 09:00`",
    "month": "`3` or `3 09:00`",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Span(msgspec.Struct, kw_only=True):
    """A window that is open, or a step of a rolling one."""

    start: str
    end: str
    """The first moment in which it counts no more."""
    used: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """What a calendar window needs beyond itself: where the user's days and weeks begin."""

    zone: tzinfo = UTC
    week_start: WeekStart = "monday"


MONDAYS_IN_UTC = Calendar()
"""The calendar of a config that names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """Where a calendar window begins within its period."""

    weekday: int | None = None
    """0 is Monday; None is the report's first day of the week."""
    day: int = 1
    """Of a month; a shorter month begins on its last day."""
    clock: time = time()


def window_at(window: Window, spans: Sequence[Span], at: str, calendar: Calendar) -> WindowHeld:
    """Return the window in which a hold at `at` counts: the open one among `spans`, else the one that it opens."""
    kind = window.kind or default_kind(window.per)
    if kind != "rolling" and (open_one := current(spans, at)) is not None:
        return WindowHeld(window=window.name, start=open_one.start, end=open_one.end)
    match kind:
        case "first-use":
            start, end = at, later(at, read_duration_ms(window.per))
        case "calendar":
            start, end = period(calendar_word(window.per), window.anchor, at, calendar)
        case "rolling":
            start, end = step(read_duration_ms(window.per), at)
        case _:
            assert_never(kind)
    return WindowHeld(window=window.name, start=start, end=end)


def current(spans: Sequence[Span], at: str) -> Span | None:
    """Return the one of `spans` in which `at` lies, the latest if several; its end does not lie in it."""
    return next((span for span in reversed(spans) if span.start <= at < span.end), None)


def used(spans: Iterable[Span], at: str) -> Decimal:
    """Return what was used in the window at `at`: the sum over the spans in which it lies."""
    amount = ZERO
    for span in spans:
        if span.start <= at < span.end:
            amount = add(amount, span.used)
    return amount


def count(spans: list[Span], start: str, end: str, amount: Decimal, at: str) -> None:
    """Add `amount` at `at` to the span with this start, which is opened if it is none yet; drop those that ended."""
    spans[:] = [span for span in spans if span.end > at]
    span = next((known for known in spans if known.start == start), None)
    if span is None:
        spans.append(Span(start=start, end=end, used=amount))
    else:
        span.used = add(span.used, amount)


def frees(spans: Sequence[Span], at: str) -> str:
    """Return when some of what is used at `at` counts no more; empty when nothing is used."""
    return min((span.end for span in spans if span.start <= at < span.end and span.used), default="")


def period(per: Per, anchor: str, at: str, calendar: Calendar) -> tuple[str, str]:
    """Return the first moment of the calendar's period around `at`, and the first after it, as stamps.

    A wall clock's time that a change of the clocks skips is taken by the offset before it; one that comes twice is the
    first. Periods follow each other without gap or overlap; only hours do not where an offset changes by less than one.
    Raises ValueError for an anchor that `per` has not.
    """
    found = read_anchor(per, anchor)
    now = moment(at)
    local = now.astimezone(calendar.zone)
    if per == "hour":
        return _hour(now, local, found.clock.minute)
    begin = _first_day(per, found, local.date(), calendar)
    start = _boundary(begin, found, calendar)
    while start > now:  # more than once where the calendar left a day out: its boundary is the next one's
        begin = _step_day(per, found, begin, -1)
        start = _boundary(begin, found, calendar)
    following = _step_day(per, found, begin, 1)
    end = _boundary(following, found, calendar)
    if end <= now:  # a clock that goes back over midnight: the date is yesterday's again, the new day has begun
        start, end = end, _boundary(_step_day(per, found, following, 1), found, calendar)
    return stamp(start), stamp(end)


def step(per_ms: int, at: str) -> tuple[str, str]:
    """Return the step of a rolling window around `at`: its start, and the moment from which it counts no more."""
    step_us = max(per_ms * 1000 // STEPS, 1)
    start_us = (moment(at) - _EPOCH) // timedelta(microseconds=1) // step_us * step_us
    return _stamp_us(start_us), _stamp_us(start_us + step_us + per_ms * 1000)


def read_anchor(per: Per, written: str) -> Anchor:
    """Return where a period of the calendar begins; empty is its first moment.

    Raises ValueError, naming the forms of this period.
    """
    words = written.lower().split()
    clock = _clock(words[-1]) if words else None
    if clock is not None:
        words = words[:-1]
    anchor = Anchor(clock=clock or time())
    match per, words:
        case _, []:
            good = per != "hour" or clock is None or written.strip().startswith(":")
        case "week", [day] if day[:3] in _WEEKDAYS and day.isalpha():
            anchor, good = Anchor(weekday=_WEEKDAYS.index(day[:3]), clock=anchor.clock), True
        case "month", [day] if day.isascii() and day.isdigit() and 1 <= int(day) <= 31:  # noqa: PLR2004 - days of a month
            anchor, good = Anchor(day=int(day), clock=anchor.clock), True
        case _:
            good = False
    if not good:
        raise ValueError(f"`{written}` begins no {per}: write {_FORMS[per]}")
    return anchor


def months_later(first: date, months: int) -> date:
    """Return the day that many months after `first`; a month without it ends on its last day."""
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    return _day_of(year, month + 1, first.day)


def _hour(now: datetime, local: datetime, minute: int) -> tuple[str, str]:
    """Return the hour around `now`, by the offset of the moment: no change of the clocks makes one longer."""
    offset = local.utcoffset() or timedelta()
    since = (now - _EPOCH + offset - timedelta(minutes=minute)) % timedelta(hours=1)
    return stamp(now - since), stamp(now - since + timedelta(hours=1))


def _first_day(per: Per, anchor: Anchor, day: date, calendar: Calendar) -> date:
    """Return the day on which the period around `day` begins by its anchor, the clock not looked at."""
    match per:
        case "week":
            first = _FIRST_OF_WEEK[calendar.week_start] if anchor.weekday is None else anchor.weekday
            return day - timedelta(days=(day.weekday() - first) % 7)
        case "month":
            begin = _day_of(day.year, day.month, anchor.day)
            return begin if begin <= day else _step_day(per, anchor, begin, -1)
        case _:
            return day


def _step_day(per: Per, anchor: Anchor, begin: date, periods: int) -> date:
    match per:
        case "week":
            return begin + timedelta(weeks=periods)
        case "month":
            there = months_later(begin.replace(day=1), periods)
            return _day_of(there.year, there.month, anchor.day)
        case _:
            return begin + timedelta(days=periods)


def _boundary(day: date, anchor: Anchor, calendar: Calendar) -> datetime:
    return datetime.combine(day, anchor.clock, tzinfo=calendar.zone).astimezone(UTC)


def _day_of(year: int, month: int, day: int) -> date:
    after = date(year + month // 12, month % 12 + 1, 1)
    return min(date(year, month, 1) + timedelta(days=day - 1), after - timedelta(days=1))


def _clock(word: str) -> time | None:
    match = _CLOCK.fullmatch(f"0{word}" if word.startswith(":") else word)
    return time(int(match[1]), int(match[2])) if match else None


def calendar_word(per: str) -> Per:
    """Return `per` as the calendar's word that it is; a config that was checked has no other."""
    match per:
        case "hour" | "day" | "week" | "month":
            return per
        case _:
            raise ValueError(f"`{per}` is no period of the calendar: write `hour`, `day`, `week` or `month`")


def _stamp_us(microseconds: int) -> str:
    return stamp(_EPOCH + timedelta(microseconds=microseconds))
