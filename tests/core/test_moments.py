"""Moments are written so that texts compare as times do; durations say their unit."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokens_forge.core import moments

AWARE = st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds


def test_a_stamp_is_utc_with_microseconds() -> None:
    """Also a time of another zone, and a whole second: always 27 characters."""
    berlin = datetime(2026, 11, 24, 1, 0, tzinfo=timezone(timedelta(hours=1)))
    assert moments.stamp(berlin) == "2026-11-24T00:00:00.000000Z"
    assert moments.moment("2026-11-24T00:00:00.000012Z") == datetime(2026, 11, 24, microsecond=12, tzinfo=UTC)
    assert moments.later("2026-11-24T23:59:59.500000Z", 1_500) == "2026-11-25T00:00:01.000000Z"


@given(AWARE, AWARE)
def test_stamps_compare_as_times_do(left: datetime, right: datetime) -> None:
    """A stamp reads back, and the order of texts is the order of times."""
    assert left == moments.moment(moments.stamp(left))
    assert (left < right) == (moments.stamp(left) < moments.stamp(right))


@given(AWARE)
def test_microseconds_are_whole(moment_at: datetime) -> None:
    """Counting from 1970 loses nothing."""
    counted = timedelta(microseconds=moments.microseconds(moment_at))
    assert moment_at == datetime(1970, 1, 1, tzinfo=UTC) + counted


@pytest.mark.parametrize(
    ("written", "ms"),
    [
        ("250ms", 250),
        ("10s", 10_000),
        ("2 m", 120_000),
        (" 5h ", 18_000_000),
        ("7d", 604_800_000),
        ("2week", 1_209_600_000),
        ("week", 604_800_000),
        ("day", 86_400_000),
        ("hour", 3_600_000),
        ("minute", 60_000),
    ],
)
def test_a_duration_says_its_unit(written: str, ms: int) -> None:
    """A number and a unit, or one period by its name."""
    assert ms == moments.read_duration_ms(written)


@pytest.mark.parametrize("written", ["", "10", "10 years", "1.5h", "-1s", "1234567s"])
def test_what_is_no_duration_is_said(written: str) -> None:
    """A bare number could be seconds or milliseconds: it is refused."""
    with pytest.raises(ValueError, match="is no duration: write a number and ms, s, m, h or d, such as `10s`"):
        moments.read_duration_ms(written)


def test_no_time_at_all_is_no_duration() -> None:
    """A window or timeout of nothing can only be a mistake."""
    with pytest.raises(ValueError, match="`0s` is no time at all: write at least `1ms`"):
        moments.read_duration_ms("0s")
