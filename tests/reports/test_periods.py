"""Periods mean the same in every report, and their parts sum to them in every timezone (CASES 44, 59)."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokens_forge.reports.periods import Asked, Part, Period, WeekStart, buckets, period

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 25, 14, 30, tzinfo=UTC)
ZONES = sorted(name for name in available_timezones() if "/" in name and not name.startswith("posix"))


def asked(what: Asked, now: datetime = NOW, week_start: WeekStart = "monday") -> tuple[str, str, str]:
    """Return a period's bounds as Berlin's clocks show them, and its label."""
    found = period(what, now=now, zone=BERLIN, week_start=week_start)
    since, until = (f"{bound.astimezone(BERLIN):%Y-%m-%d %H:%M}" for bound in (found.since, found.until))
    return since, until, found.label


@pytest.mark.parametrize(
    ("what", "since", "until", "label"),
    [
        (Asked(), "2026-11-01 00:00", "2026-11-25 15:30", "this month so far"),
        (Asked(today=True), "2026-11-25 00:00", "2026-11-25 15:30", "today so far"),
        (Asked(week=0), "2026-11-23 00:00", "2026-11-25 15:30", "this week so far"),
        (Asked(week=-1), "2026-11-16 00:00", "2026-11-23 00:00", "last week"),
        (Asked(week=-5), "2026-10-19 00:00", "2026-10-26 00:00", "5 weeks ago"),
        (Asked(month=0), "2026-11-01 00:00", "2026-11-25 15:30", "this month so far"),
        (Asked(month=-1), "2026-10-01 00:00", "2026-11-01 00:00", "last month"),
        (Asked(month=-11), "2025-12-01 00:00", "2026-01-01 00:00", "11 months ago"),
        (Asked(last="36h"), "2026-11-24 03:30", "2026-11-25 15:30", "the last 36h"),
        (Asked(since="2026-11-20"), "2026-11-20 00:00", "2026-11-25 15:30", ""),
        (Asked(until="2026-11-20"), "1970-01-01 01:00", "2026-11-21 00:00", ""),
        (Asked(since="2026-11-20", until="yesterday"), "2026-11-20 00:00", "2026-11-25 00:00", ""),
        (Asked(span="2026-11-20..2026-11-21"), "2026-11-20 00:00", "2026-11-22 00:00", ""),
        (Asked(span="2026-10"), "2026-10-01 00:00", "2026-11-01 00:00", "2026-10"),
        (Asked(span="2026-12"), "2026-12-01 00:00", "2027-01-01 00:00", "2026-12"),
        (Asked(span="2025"), "2025-01-01 00:00", "2026-01-01 00:00", "2025"),
        (Asked(span="today"), "2026-11-25 00:00", "2026-11-26 00:00", "today"),
        (Asked(span="2026-11-20T14:00..2026-11-20T15:30Z"), "2026-11-20 14:00", "2026-11-20 16:30", ""),
    ],
)
def test_periods(what: Asked, since: str, until: str, label: str) -> None:
    """Each form has its bounds; days named at the end are in it, moments with a clock are not."""
    assert asked(what) == (since, until, label)


@pytest.mark.parametrize(
    ("week_start", "since"), [("monday", "2026-11-16"), ("sunday", "2026-11-15"), ("saturday", "2026-11-14")]
)
def test_weeks_start_where_the_config_says(week_start: WeekStart, since: str) -> None:
    """The first day of a week is the user's (CASES 44)."""
    assert asked(Asked(week=-1), week_start=week_start)[0] == f"{since} 00:00"


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (Asked(week=0, today=True), "one period at a time"),
        (Asked(week=1), "--week 1 lies ahead: 0 is this week, -1 the one before"),
        (Asked(month=2), "--month 2 lies ahead"),
        (Asked(last="7 days"), "`7 days` is no duration"),
        (Asked(span="2026-13"), "`2026-13` is no day or moment: write `2026-11-24`"),
        (Asked(span="9999"), "`9999` is no day or moment"),
        (Asked(span="lastweek"), "`lastweek` is no day or moment"),
        (Asked(span=".."), "`..` has no bound"),
        (Asked(since="2026-11-26"), "the period from 2026-11-25 23:00 to 2026-11-25 14:30 UTC is empty"),
        (Asked(span="2026-11-20..2026-11-10"), "is empty"),
    ],
)
def test_what_is_no_period(what: Asked, message: str) -> None:
    """What can't be a period says what to write instead."""
    with pytest.raises(ValueError, match=message.replace(".", r"\.")):
        asked(what)


@given(
    st.sampled_from(ZONES),
    st.datetimes(datetime(2000, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis wants them bare
    st.integers(1, 80 * 24 * 60),
    st.sampled_from(["hour", "day", "month"]),
)
def test_parts_sum_to_their_period(name: str, since: datetime, minutes: int, part: Part) -> None:
    """In every timezone the parts of a range follow without gap or overlap from its first moment to its last."""
    spanned = Period(since=since, until=since + timedelta(minutes=minutes), label="")
    parts = buckets(spanned, part, ZoneInfo(name))

    bounds = [spanned.since, *(found.until for found in parts)]
    assert [found.since for found in parts] == bounds[:-1]
    assert bounds[-1] == spanned.until
    assert all(found.since < found.until for found in parts)
    assert len({found.label for found in parts}) == len(parts)


def test_a_day_of_25_hours() -> None:
    """When clocks go back, the day has 25 hours and its hours have names of their own."""
    day = period(Asked(span="2026-10-25"), now=NOW, zone=BERLIN, week_start="monday")
    hours = buckets(day, "hour", BERLIN)

    assert len(hours) == 25
    expected = ["2026-10-25T02:00+02:00", "2026-10-25T02:00+01:00"]
    assert expected == [hour.label for hour in hours[2:4]]
    assert len(buckets(day, "day", BERLIN)) == 1


def test_a_midnight_that_clocks_skip() -> None:
    """Where the day begins at 1:00, its first moment is that."""
    beirut = ZoneInfo("Asia/Beirut")
    day = period(Asked(span="2026-03-29"), now=NOW, zone=beirut, week_start="monday")

    assert day.since == datetime(2026, 3, 28, 22, 0, tzinfo=UTC)
    assert day.until - day.since == timedelta(hours=23)


def test_a_day_that_a_zone_skipped() -> None:
    """Samoa had no 30 December 2011: the days around it stay whole, and it has no time."""
    apia = ZoneInfo("Pacific/Apia")
    spanned = period(Asked(span="2011-12-29..2011-12-31"), now=NOW, zone=apia, week_start="monday")

    assert [part.label for part in buckets(spanned, "day", apia)] == ["2011-12-29", "2011-12-31"]
