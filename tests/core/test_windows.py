"""Windows of time: where each kind begins and ends, over changes of the clocks, and what counts in it."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Literal, get_args
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from tokens_forge.core.config import Per, Window
from tokens_forge.core.entries import WindowHeld
from tokens_forge.core.moments import later, moment, read_duration_ms, stamp
from tokens_forge.core.windows import (
    MONDAYS_IN_UTC,
    STEPS,
    Anchor,
    Calendar,
    Span,
    WeekStart,
    calendar_word,
    count,
    current,
    frees,
    months_later,
    period,
    read_anchor,
    step,
    used,
    window_at,
)

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",  # its clocks went forward at midnight until 2018
    "America/St_Johns",  # back over midnight until 2011
    "Africa/Cairo",
    "Asia/Kathmandu",  # 5:45 ahead
    "Australia/Lord_Howe",  # half an hour of summer time
    "Pacific/Apia",  # left 2011-12-30 out
    "Pacific/Kiritimati",
)
ANCHORS: dict[Per, tuple[str, ...]] = {
    "hour": ("", ":15"),
    "day": ("", "00:30", "02:30", "9:00", "23:45"),
    "week": ("", "mon 09:00", "sun 02:30", "Saturday"),
    "month": ("", "1 00:15", "15", "29", "30 02:30", "31", "31 23:30"),
}
PERIODS = st.sampled_from([(per, anchor) for per in ("day", "week", "month") for anchor in ANCHORS[per]])
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2037, 12, 31))  # noqa: DTZ001 - hypothesis adds the zone below
CALENDARS = st.builds(
    Calendar, zone=st.sampled_from(ZONES).map(ZoneInfo), week_start=st.sampled_from(get_args(WeekStart))
)


def utc(written: str) -> str:
    """Return the stamp of a UTC time such as ``2026-03-29 01:00``."""
    return stamp(datetime.fromisoformat(written).replace(tzinfo=UTC))


def around(per: Per, at: str, *, anchor: str = "", zone: str = "UTC", week: WeekStart = "monday") -> tuple[str, str]:
    """Return start and end of the period around a UTC time, short to the minute."""
    start, end = period(per, anchor, utc(at), Calendar(zone=ZoneInfo(zone), week_start=week))
    return start[:16].replace("T", " "), end[:16].replace("T", " ")


class TestCalendar:
    """From one anchor to the next in a zone."""

    @pytest.mark.parametrize(
        ("per", "at", "expected"),
        [
            ("hour", "2026-11-24 10:59", ("2026-11-24 10:00", "2026-11-24 11:00")),
            ("day", "2026-11-24 00:00", ("2026-11-24 00:00", "2026-11-25 00:00")),
            ("week", "2026-11-24 10:00", ("2026-11-23 00:00", "2026-11-30 00:00")),
            ("month", "2026-12-31 23:59", ("2026-12-01 00:00", "2027-01-01 00:00")),
        ],
    )
    def test_without_an_anchor_it_begins_at_its_first_moment(
        self, per: Per, at: str, expected: tuple[str, str]
    ) -> None:
        """The end is the first moment of the next one."""
        assert expected == around(per, at)

    @pytest.mark.parametrize(
        ("week", "start"), [("monday", "2026-11-23"), ("sunday", "2026-11-22"), ("saturday", "2026-11-21")]
    )
    def test_a_week_begins_as_the_report_says(self, week: WeekStart, start: str) -> None:
        """CASES 44: week start is configured; every day of the week lies in it."""
        begin = datetime.fromisoformat(start)
        for day in range(7):
            at = f"{begin + timedelta(days=day):%Y-%m-%d} 12:00"
            assert (f"{start} 00:00", f"{begin + timedelta(days=7):%Y-%m-%d} 00:00") == around("week", at, week=week)

    def test_an_anchor_goes_before_the_reports_week(self) -> None:
        """`mon 09:00`: until then it is last week's."""
        assert ("2026-11-16 09:00", "2026-11-23 09:00") == around(
            "week", "2026-11-23 08:59", anchor="mon 09:00", week="sunday"
        )
        assert ("2026-11-23 09:00", "2026-11-30 09:00") == around(
            "week", "2026-11-23 09:00", anchor="mon 09:00", week="sunday"
        )

    @pytest.mark.parametrize(
        ("anchor", "at", "expected"),
        [
            ("31", "2026-02-27 12:00", ("2026-01-31 00:00", "2026-02-28 00:00")),
            ("31", "2026-02-28 00:00", ("2026-02-28 00:00", "2026-03-31 00:00")),
            ("31", "2028-02-28 12:00", ("2028-01-31 00:00", "2028-02-29 00:00")),
            ("30", "2028-02-29 12:00", ("2028-02-29 00:00", "2028-03-30 00:00")),
            ("29", "2026-03-01 12:00", ("2026-02-28 00:00", "2026-03-29 00:00")),
            ("29", "2028-02-29 00:00", ("2028-02-29 00:00", "2028-03-29 00:00")),
            ("31 09:00", "2026-04-30 08:59", ("2026-03-31 09:00", "2026-04-30 09:00")),
            ("31", "2026-12-31 00:00", ("2026-12-31 00:00", "2027-01-31 00:00")),
            ("3", "2026-01-02 23:59", ("2025-12-03 00:00", "2026-01-03 00:00")),
        ],
    )
    def test_a_shorter_month_begins_on_its_last_day(self, anchor: str, at: str, expected: tuple[str, str]) -> None:
        """The day comes back in the next month that has it."""
        assert expected == around("month", at, anchor=anchor)

    @pytest.mark.parametrize(
        ("zone", "at", "expected"),
        [
            # 23 and 25 hours in Berlin; half an hour less and more on Lord Howe.
            ("Europe/Berlin", "2026-03-29 12:00", ("2026-03-28 23:00", "2026-03-29 22:00")),
            ("Europe/Berlin", "2026-10-25 12:00", ("2026-10-24 22:00", "2026-10-25 23:00")),
            ("America/New_York", "2026-03-08 12:00", ("2026-03-08 05:00", "2026-03-09 04:00")),
            ("America/New_York", "2026-11-01 12:00", ("2026-11-01 04:00", "2026-11-02 05:00")),
            ("Australia/Lord_Howe", "2026-04-05 00:00", ("2026-04-04 13:00", "2026-04-05 13:30")),
            ("Australia/Lord_Howe", "2026-10-04 00:00", ("2026-10-03 13:30", "2026-10-04 13:00")),
            # Midnight was left out, or came twice.
            ("America/Sao_Paulo", "2018-11-04 12:00", ("2018-11-04 03:00", "2018-11-05 02:00")),
            ("America/St_Johns", "2010-11-07 03:00", ("2010-11-07 02:30", "2010-11-08 03:30")),
            # A whole day was left out: the one before it ends where the one after it begins.
            ("Pacific/Apia", "2011-12-30 09:59", ("2011-12-29 10:00", "2011-12-30 10:00")),
            ("Pacific/Apia", "2011-12-30 10:00", ("2011-12-30 10:00", "2011-12-31 10:00")),
        ],
    )
    def test_a_day_is_the_walls(self, zone: str, at: str, expected: tuple[str, str]) -> None:
        """CASES 44: a day goes from midnight to midnight of its zone, however long that is."""
        assert expected == around("day", at, zone=zone)

    def test_a_boundary_in_a_skipped_hour_is_taken_by_the_offset_before(self) -> None:
        """Berlin has no 02:30 on that day: it is 03:30 there."""
        assert ("2026-03-29 01:30", "2026-03-30 00:30") == around(
            "day", "2026-03-29 12:00", anchor="02:30", zone="Europe/Berlin"
        )

    def test_a_boundary_that_comes_twice_is_the_first(self) -> None:
        """Berlin has 02:30 twice on that day."""
        assert ("2026-10-25 00:30", "2026-10-26 01:30") == around(
            "day", "2026-10-25 01:00", anchor="02:30", zone="Europe/Berlin"
        )

    def test_an_anchor_after_a_day_that_was_left_out(self) -> None:
        """On Apia's first morning of the 31st, its day that begins at 09:00 is still the 29th's."""
        assert ("2011-12-29 19:00", "2011-12-30 19:00") == around(
            "day", "2011-12-30 18:00", anchor="09:00", zone="Pacific/Apia"
        )

    @pytest.mark.parametrize(
        ("zone", "at", "anchor", "expected"),
        [
            ("UTC", "2026-11-24 10:14", ":15", ("2026-11-24 09:15", "2026-11-24 10:15")),
            ("UTC", "2026-11-24 10:15", ":15", ("2026-11-24 10:15", "2026-11-24 11:15")),
            # 10:15 there is 04:30 in UTC.
            ("Asia/Kathmandu", "2026-11-24 04:29", ":15", ("2026-11-24 03:30", "2026-11-24 04:30")),
            ("Asia/Kathmandu", "2026-11-24 04:30", ":15", ("2026-11-24 04:30", "2026-11-24 05:30")),
            ("Asia/Kathmandu", "2026-11-24 04:30", "", ("2026-11-24 04:15", "2026-11-24 05:15")),
        ],
    )
    def test_an_hour_is_the_zones(self, zone: str, at: str, anchor: str, expected: tuple[str, str]) -> None:
        """Where the offset is no whole hour, so are its hours."""
        assert expected == around("hour", at, anchor=anchor, zone=zone)

    @given(at=MOMENTS, calendar=CALENDARS, found=PERIODS)
    @example(
        at=datetime(2011, 12, 30, 18),  # noqa: DTZ001
        calendar=Calendar(zone=ZoneInfo("Pacific/Apia")),
        found=("day", "9:00"),
    )
    def test_periods_tile_time(self, at: datetime, calendar: Calendar, found: tuple[Per, str]) -> None:
        """CASES 44: a moment lies in one period, and each begins where the one before ends: no gap, no overlap."""
        per, anchor = found
        now = stamp(at.replace(tzinfo=UTC))
        start, end = period(per, anchor, now, calendar)
        last = later_us(end, -1)

        assert start <= now < end
        assert (start, end) == period(per, anchor, start, calendar) == period(per, anchor, last, calendar)
        assert end == period(per, anchor, end, calendar)[0]
        assert start == period(per, anchor, later_us(start, -1), calendar)[1]

    @given(at=MOMENTS, zone=st.sampled_from(ZONES), anchor=st.sampled_from(ANCHORS["hour"]))
    def test_an_hour_is_an_hour(self, at: datetime, zone: str, anchor: str) -> None:
        """An hour has sixty minutes whatever the clocks do.

        So after a change by half an hour the next begins inside of one; an open one keeps its end all the same.
        """
        calendar = Calendar(zone=ZoneInfo(zone))
        now = stamp(at.replace(tzinfo=UTC))
        start, end = period("hour", anchor, now, calendar)

        assert start <= now < end == later(start, 3_600_000)
        assert int(anchor.strip(":") or 0) == moment(start).astimezone(calendar.zone).minute

    def test_an_hour_around_half_an_hour_of_summer_time(self) -> None:
        """Lord Howe's clocks go back from 02:00 to 01:30 at 15:00 UTC: the hour that was open is not cut."""
        before = around("hour", "2026-04-04 14:59", zone="Australia/Lord_Howe")
        after = around("hour", "2026-04-04 15:00", zone="Australia/Lord_Howe")

        assert (("2026-04-04 14:00", "2026-04-04 15:00"), ("2026-04-04 14:30", "2026-04-04 15:30")) == (before, after)


def later_us(stamped: str, microseconds: int) -> str:
    """Return the stamp that many microseconds after another."""
    return stamp(moment(stamped) + timedelta(microseconds=microseconds))


class TestAnchor:
    """Where the user writes that a calendar window begins."""

    @pytest.mark.parametrize(
        ("per", "written", "expected"),
        [
            ("hour", "", Anchor()),
            ("hour", ":15", Anchor(clock=datetime(2026, 1, 1, 0, 15, tzinfo=UTC).time())),
            ("day", "9:00", Anchor(clock=datetime(2026, 1, 1, 9, tzinfo=UTC).time())),
            ("week", "Mon", Anchor(weekday=0)),
            ("week", "sunday 23:59", Anchor(weekday=6, clock=datetime(2026, 1, 1, 23, 59, tzinfo=UTC).time())),
            ("month", "31", Anchor(day=31)),
            ("month", "3 09:00", Anchor(day=3, clock=datetime(2026, 1, 1, 9, tzinfo=UTC).time())),
        ],
    )
    def test_its_forms(self, per: Per, written: str, expected: Anchor) -> None:
        """Each period has its own."""
        assert expected == read_anchor(per, written)

    @pytest.mark.parametrize(
        ("per", "written"),
        [
            ("hour", "09:15"),
            ("hour", "15"),
            ("day", "24:00"),
            ("day", "mon"),
            ("week", "funday"),
            ("week", "mon-ish"),
            ("week", "mon 9"),
            ("month", "0"),
            ("month", "32"),
            ("month", "mon"),
            ("month", "٣"),
        ],
    )
    def test_what_is_none_is_refused_with_the_forms(self, per: Per, written: str) -> None:
        """The message says what to write."""
        with pytest.raises(ValueError, match=f"`{written}` begins no {per}: write `"):
            read_anchor(per, written)

    def test_other_periods_have_no_calendar(self) -> None:
        """A duration is no word of the calendar."""
        assert "week" == calendar_word("week")
        with pytest.raises(ValueError, match="`5h` is no period of the calendar: write `hour`, `day`"):
            calendar_word("5h")


@pytest.mark.parametrize(
    ("first", "months", "expected"),
    [
        (date(2026, 1, 31), 1, date(2026, 2, 28)),
        (date(2026, 1, 31), 2, date(2026, 3, 31)),
        (date(2027, 12, 31), 2, date(2028, 2, 29)),
        (date(2028, 2, 29), 12, date(2029, 2, 28)),
        (date(2026, 12, 3), 1, date(2027, 1, 3)),
    ],
)
def test_months_go_by_the_day_they_began_on(first: date, months: int, expected: date) -> None:
    """A short month ends the count for itself alone."""
    assert expected == months_later(first, months)


class TestOpen:
    """DESIGN 5: a window keeps its start and end once it is open."""

    AT = utc("2026-11-24 10:00")

    @pytest.mark.parametrize(
        ("window", "expected"),
        [
            (Window(allow=Decimal(1), per="5h"), ("first-use/5h", utc("2026-11-24 10:00"), utc("2026-11-24 15:00"))),
            (Window(allow=Decimal(1), per="day"), ("calendar/day", utc("2026-11-24 00:00"), utc("2026-11-25 00:00"))),
            (
                Window(allow=Decimal(1), per="day", kind="first-use"),
                ("first-use/day", utc("2026-11-24 10:00"), utc("2026-11-25 10:00")),
            ),
            (
                Window(allow=Decimal(1), per="5h", kind="rolling"),
                ("rolling/5h", utc("2026-11-24 10:00"), utc("2026-11-24 15:01")),
            ),
        ],
    )
    def test_what_a_hold_opens(self, window: Window, expected: tuple[str, str, str]) -> None:
        """A duration is of first use and a word of the calendar's, where no kind is written."""
        name, start, end = expected
        assert WindowHeld(window=name, start=start, end=end) == window_at(window, (), self.AT, MONDAYS_IN_UTC)

    @pytest.mark.parametrize("kind", ["first-use", "calendar"])
    def test_an_open_one_stays_whatever_is_configured(self, kind: Literal["first-use", "calendar"]) -> None:
        """Another anchor, zone or length counts from the next one on."""
        open_one = Span(start=utc("2026-11-24 03:00"), end=utc("2026-11-24 12:00"), used=Decimal(2))
        window = Window(allow=Decimal(1), per="day", kind=kind)

        held = window_at(window, (open_one,), self.AT, Calendar(zone=ZoneInfo("Asia/Kathmandu")))
        assert WindowHeld(window=f"{kind}/day", start=open_one.start, end=open_one.end) == held

        after = window_at(window, (open_one,), open_one.end, Calendar())
        assert open_one.end < after.end

    def test_its_end_does_not_lie_in_it(self) -> None:
        """The next one begins there."""
        span = Span(start=utc("2026-11-24 05:00"), end=utc("2026-11-24 10:00"))

        assert current((span,), self.AT) is None
        assert current((span,), later_us(self.AT, -1)) is span
        assert current((span,), later_us(span.start, -1)) is None

    def test_the_latest_of_several_is_the_one(self) -> None:
        """After a change of the zone two may overlap: what comes counts in the later."""
        spans = [Span(start=utc(f"2026-11-24 0{hour}:00"), end=utc("2026-11-24 12:00")) for hour in (1, 5)]
        assert current(spans, self.AT) is spans[1]

    def test_what_ended_is_dropped(self) -> None:
        """The fold carries no past windows."""
        spans = [Span(start=utc("2026-11-23 10:00"), end=self.AT, used=Decimal(9))]
        count(spans, self.AT, utc("2026-11-24 15:00"), Decimal(2), self.AT)
        count(spans, self.AT, utc("2026-11-24 15:00"), Decimal(-1), self.AT)

        assert [Span(start=self.AT, end=utc("2026-11-24 15:00"), used=Decimal(1))] == spans

    def test_nothing_used_frees_nothing(self) -> None:
        """The first that gives back is the one that ends first, of those that something was used in."""
        ends = ("2026-11-24 11:00", "2026-11-24 13:00", "2026-11-24 12:00", "2026-11-24 09:00")
        amounts = (0, 1, 2, 3)
        spans = [
            Span(start=utc("2026-11-24 01:00"), end=utc(end), used=Decimal(amount))
            for end, amount in zip(ends, amounts, strict=True)
        ]

        assert utc("2026-11-24 12:00") == frees(spans, self.AT)
        assert "" == frees(spans[:1], self.AT)


USES = st.lists(st.tuples(st.integers(0, 20 * 60_000_000), st.integers(1, 9)), max_size=40)


class TestRolling:
    """DESIGN 5: the last so long, in 300 steps."""

    @given(
        uses=USES,
        per=st.sampled_from(["1ms", "7s", "10m", "5h"]),
        asked=st.integers(0, 40 * 60_000_000),
    )
    def test_it_counts_the_last_so_long_and_at_most_a_step_more(
        self, uses: list[tuple[int, int]], per: str, asked: int
    ) -> None:
        """Against a plain list of all that was used: never less than the true last `per`, never more than a step more.

        A step is a 300th, in whole microseconds.
        """
        per_us = read_duration_ms(per) * 1000
        begin = moment(utc("2026-11-24 10:00"))
        spans: list[Span] = []
        for after_us, amount in sorted(uses):
            at = stamp(begin + timedelta(microseconds=after_us))
            start, end = step(per_us // 1000, at)
            count(spans, start, end, Decimal(amount), at)
        last_us = max((after_us for after_us, _amount in uses), default=0)
        at_us = last_us + asked
        counted = used(spans, stamp(begin + timedelta(microseconds=at_us)))

        true = sum(amount for after_us, amount in uses if at_us - after_us <= per_us)
        more = sum(amount for after_us, amount in uses if at_us - after_us <= per_us + per_us // STEPS)
        assert true <= counted <= more

    @given(uses=USES)
    def test_what_it_keeps_is_bounded(self, uses: list[tuple[int, int]]) -> None:
        """However much is used, there are as many steps as fit into it, and one that has begun."""
        spans: list[Span] = []
        for after_us, amount in sorted(uses):
            at = stamp(moment(utc("2026-11-24 10:00")) + timedelta(microseconds=after_us))
            count(spans, *step(1000, at), Decimal(amount), at)
        assert len(spans) <= STEPS + 2
