"""The periods of reports: `--week -1`, `2026-10`, `A..B` and the like become one span of time.

A period is [since, until) in UTC, cut into days, hours or months of the report's timezone; its parts always sum to it,
also where clocks change. Every report and comparison takes its periods from here. Nothing here reads a clock or a zone
file: now and the zone are arguments.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Literal

from tokens_forge.core.moments import read_duration_ms

WeekStart = Literal["monday", "sunday", "saturday"]
Part = Literal["hour", "day", "month"]

_WEEKDAY: dict[WeekStart, int] = {"monday": 0, "saturday": 5, "sunday": 6}
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_FORMS = "write `2026-11-24`, `2026-11`, `2026`, `today`, `yesterday` or a moment such as `2026-11-24T14:00`"
_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A period as a command line gives it. At most one of these, `since` and `until` counting as one."""

    span: str = ""
    """``A..B``, ``A..``, ``..B`` or ``A``: days, months and years named at the end are included whole."""
    today: bool = False
    week: int | None = None
    """0 is this week up to now, -1 the whole week before."""
    month: int | None = None
    """0 is this month up to now, -1 the whole month before."""
    last: str = ""
    """A duration up to now, such as ``7d``."""
    since: str = ""
    until: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A span of time: `since` is in it, `until` is not. Both are in UTC."""

    since: datetime
    until: datetime
    label: str
    """What it is called, such as ``this week so far``; empty when its bounds say it all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """One hour, day or month of a period, cut at the period's bounds."""

    label: str
    """``2026-11``, ``2026-11-24`` or, with its offset because clocks repeat hours, ``2026-11-24T14:00+01:00``."""
    since: datetime
    until: datetime


def period(asked: Asked, *, now: datetime, zone: tzinfo, week_start: WeekStart) -> Period:
    """Return the period that was asked for, this month up to now when nothing was.

    Raises ValueError, saying what to write, for what is no period, is empty, or asks for two at once.
    """
    given = [
        bool(asked.span),
        asked.today,
        asked.week is not None,
        asked.month is not None,
        bool(asked.last),
        bool(asked.since or asked.until),
    ]
    if sum(given) > 1:
        raise ValueError("one period at a time: give a span, --today, --week, --month, --last or --since/--until")
    found = _found(asked, now.astimezone(UTC), zone, week_start)
    if found.since >= found.until:
        raise ValueError(f"the period from {found.since:%Y-%m-%d %H:%M} to {found.until:%Y-%m-%d %H:%M} UTC is empty")
    return found


def buckets(spanned: Period, part: Part, zone: tzinfo) -> tuple[Bucket, ...]:
    """Return the parts of a period in order, without gaps: they sum to it in every timezone (CASES 44)."""
    found: list[Bucket] = []
    since = spanned.since
    while since < spanned.until:
        label, end = _PARTS[part](since.astimezone(zone), zone)
        until = min(end, spanned.until)
        found.append(Bucket(label=label, since=since, until=until))
        since = until
    return tuple(found)


def _found(asked: Asked, now: datetime, zone: tzinfo, week_start: WeekStart) -> Period:
    today = now.astimezone(zone).date()
    if asked.span:
        return _span(asked.span, now, zone)
    if asked.today:
        return Period(since=_midnight(today, zone), until=now, label="today so far")
    if asked.week is not None:
        _not_ahead(asked.week, "week")
        first = today - timedelta(days=(today.weekday() - _WEEKDAY[week_start]) % 7)
        return _counted(lambda n: _midnight(first + 7 * n * _DAY, zone), asked.week, now, "week")
    if asked.last:
        return Period(
            since=now - timedelta(milliseconds=read_duration_ms(asked.last)), until=now, label=f"the last {asked.last}"
        )
    if asked.since or asked.until:
        return _span(f"{asked.since}..{asked.until}", now, zone)
    back = asked.month or 0
    _not_ahead(back, "month")
    return _counted(lambda n: _midnight(_month(today, n), zone), back, now, "month")


def _counted(begins: Callable[[int], datetime], back: int, now: datetime, what: str) -> Period:
    if back == 0:
        return Period(since=begins(0), until=now, label=f"this {what} so far")
    label = f"last {what}" if back == -1 else f"{-back} {what}s ago"
    return Period(since=begins(back), until=begins(back + 1), label=label)


def _not_ahead(back: int, what: str) -> None:
    if back > 0:
        raise ValueError(f"--{what} {back} lies ahead: 0 is this {what}, -1 the one before")


def _span(written: str, now: datetime, zone: tzinfo) -> Period:
    first, dots, last = written.partition("..")
    if not dots:
        last = first
    if not first and not last:
        raise ValueError(f"`{written}` has no bound: {_FORMS}")
    since = _bound(first, now, zone)[0] if first else _BEGINNING
    until = _bound(last, now, zone)[1] if last else now
    label = first if not dots else ""
    return Period(since=since, until=until, label=label)


def _bound(written: str, now: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    """Return the first moment of what is written, and the first after it; a moment with a clock is both."""
    word = written.strip().lower()
    if word in ("today", "yesterday"):
        day = now.astimezone(zone).date() - (_DAY if word == "yesterday" else timedelta())
        return _midnight(day, zone), _midnight(day + _DAY, zone)
    try:
        if match := _DATE.fullmatch(word):
            first, after = _named(int(match[1]), match[2], match[3])
            return _midnight(first, zone), _midnight(after, zone)
        moment = datetime.fromisoformat(written.strip())
        at = (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"`{written}` is no day or moment: {_FORMS}") from error
    return at, at


def _named(year: int, month: str | None, day: str | None) -> tuple[date, date]:
    """Return the first day of a year, month or day, and the first day after it."""
    if month is None:
        return date(year, 1, 1), date(year + 1, 1, 1)
    if day is None:
        first = date(year, int(month), 1)
        return first, _month(first, 1)
    first = date(year, int(month), int(day))
    return first, first + _DAY


def _month(day: date, n: int) -> date:
    """Return the first day of the month `n` months after the one of `day`."""
    months = day.year * 12 + day.month - 1 + n
    return date(months // 12, months % 12 + 1, 1)


def _midnight(day: date, zone: tzinfo) -> datetime:
    """Return the first moment of a day in UTC.

    Where clocks skip midnight, Python reads it with the offset before the change, which is that first moment; where
    they repeat it, it is the first of the two.
    """
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def _hour_of(local: datetime, _zone: tzinfo) -> tuple[str, datetime]:
    begun = local.replace(minute=0, second=0, microsecond=0)
    # In UTC: the hour after a change of clocks is one hour of time away, not one of the clock.
    return begun.isoformat(timespec="minutes"), local.astimezone(UTC) + (timedelta(hours=1) - (local - begun))


def _day_of(local: datetime, zone: tzinfo) -> tuple[str, datetime]:
    return local.date().isoformat(), _next_midnight(local, zone)


def _month_of(local: datetime, zone: tzinfo) -> tuple[str, datetime]:
    return f"{local:%Y-%m}", _midnight(_month(local.date(), 1), zone)


def _next_midnight(local: datetime, zone: tzinfo) -> datetime:
    """Return the first midnight after `local`: some zones skipped whole days."""
    now = local.astimezone(UTC)
    return next(end for end in _midnights(local.date(), zone) if end > now)


def _midnights(day: date, zone: tzinfo) -> Iterator[datetime]:
    while True:
        day += _DAY
        yield _midnight(day, zone)


_PARTS: dict[Part, Callable[[datetime, tzinfo], tuple[str, datetime]]] = {
    "hour": _hour_of,
    "day": _day_of,
    "month": _month_of,
}
