"""Moments as the ledger writes them: UTC, 27 characters, microseconds; so texts compare as times do."""

import re
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def stamp(moment: datetime) -> str:
    """Return ``2026-11-24T00:00:00.000012Z`` for an aware `moment`."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def moment(stamped: str) -> datetime:
    """Return the aware UTC time of a text that `stamp` wrote. Raises ValueError for anything else."""
    return datetime.fromisoformat(stamped)


def later(stamped: str, milliseconds: int) -> str:
    """Return the stamp that many milliseconds after `stamped`."""
    return stamp(moment(stamped) + timedelta(milliseconds=milliseconds))


def microseconds(moment_at: datetime) -> int:
    """Return whole microseconds since 1970 in UTC."""
    return (moment_at - _EPOCH) // _MICROSECOND


_DURATION = re.compile(r"([0-9]{1,6})\s*(ms|s|m|h|d|week)|week|day|hour|minute")
_UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "week": 604_800_000}
_WORD_MS = {"minute": 60_000, "hour": 3_600_000, "day": 86_400_000, "week": 604_800_000}


def read_duration_ms(written: str) -> int:
    """Return the milliseconds in a text such as ``250ms``, ``10s``, ``5h``, ``7d`` or ``week``.

    Raises ValueError, naming the forms, for anything else and for zero.
    """
    match = _DURATION.fullmatch(written.strip())
    if match is None:
        raise ValueError(f"`{written}` is no duration: write a number and ms, s, m, h or d, such as `10s`")
    duration = _WORD_MS[match[0]] if match[1] is None else int(match[1]) * _UNIT_MS[match[2]]
    if duration == 0:
        raise ValueError(f"`{written}` is no time at all: write at least `1ms`")
    return duration
