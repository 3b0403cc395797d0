"""Whether what an entry says can stand in the ledger: each figure in its form and within its bounds.

Every entry passes here before it is appended, so that nothing enters which a report's ``DECIMAL(38,12)`` or ``BIGINT``
can't take; and every line of an old ledger when it is read again. Which field is what kind of figure says
`entries.FIGURES`. It judges no bill: whether a charge is right is `core/settlement.py`'s part.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, cast

from tokens_forge.core.book import PROVIDER
from tokens_forge.core.entries import FIGURES, FigureKind, Limit, Record
from tokens_forge.core.errors import MoneyError
from tokens_forge.core.moments import moment
from tokens_forge.core.money import MOST_DIGITS, PLACES, read_amount
from tokens_forge.core.visible import visible

MOST_COUNTED = 10**18 - 1
"""A count above this is none: ``BIGINT`` takes it, and a sum of them (``HUGEINT``) can't overflow."""

MOST_MS = 10**12
"""Nothing lasts thirty years."""

_AMOUNT = re.compile(rf"-?[0-9]{{1,{MOST_DIGITS}}}(?:\.[0-9]{{1,{PLACES}}})?")
_CHARGE = re.compile(_AMOUNT.pattern.removeprefix("-?"))
# Rates, shares and exchange rates multiply to some 50 places (`price_check.RATE_PLACES`).
_EXACT = re.compile(r"-?[0-9]{1,40}(?:\.[0-9]{1,80})?")
_SECONDS = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,12})?")
_DAY = re.compile(r"[0-9]{4}-[01][0-9]-[0-3][0-9]")
_MOMENT = re.compile(rf"{_DAY.pattern}T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]\.[0-9]{{6}}Z")
_SHOWN = 40

_AN_AMOUNT = f"plain digits, at most {MOST_DIGITS} before the point and {PLACES} after it"
_AN_EXACT = "plain digits, at most 40 before the point and 80 after it"
_A_COUNT = "a whole number from 0 to 18 digits"
_A_MOMENT = "a moment such as 2026-11-24T10:00:00.000000Z"
_A_DAY = "a day such as 2026-11-24"
_WANTED: dict[FigureKind, str] = {
    "amount": _AN_AMOUNT,
    "charge": f"{_AN_AMOUNT}, and no minus",
    "known": _AN_AMOUNT,
    "exact": _AN_EXACT,
    "told": _AN_EXACT,
    "priced": "a number and a unit such as 5.00 USD",
    "count": _A_COUNT,
    "seconds": "plain digits, at most 18 before the point and 12 after it",
    "span": "milliseconds from 0 to 12 digits",
    "moment": _A_MOMENT,
    "day": _A_DAY,
    "begins": f"{_A_MOMENT} or {_A_DAY}",
    "rates": _AN_EXACT,
    "counts": _A_COUNT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A figure that can't stand in the ledger."""

    field: str
    """A path such as ``charge`` or ``counted[0].amount``."""
    value: str
    """As it stands there, short and visible."""
    wanted: str
    """What belongs there."""
    told: bool = False
    """Whether nothing is reckoned with it."""

    def __str__(self) -> str:
        return f"{self.field} is `{self.value}`, and must be {self.wanted}"


def faults(record: Record, *, within: str = "", shown: bool = False) -> Iterator[Fault]:
    """Yield the figures of an entry that can't stand in the ledger; of a record at the path `within` too."""
    if isinstance(record, Limit) and _is_in_its_own_words(record):
        return
    for field, kind in FIGURES[type(record)].items():
        path = f"{within}{field}"
        if kind in _RECORDS:
            for place, part in _parts(record, field):
                yield from faults(part, within=f"{path}{place}.", shown=shown or kind == "shown")
        else:
            for name, figure in _figures(record, field, kind):
                if (figure or kind in _ALWAYS_THERE) and not _FITS[kind](figure):
                    yield _fault(f"{path}{name}", kind, figure, told=shown or kind in _TOLD)


def check(entry: Record) -> None:
    """Raise MoneyError naming the first figure of `entry` that something is reckoned with and that can't be one.

    That would be a bug of ours: what comes from outside is bounded when it is read, and what a user types is refused
    before it is an entry. What is only told enters as it is, since a call must end.
    """
    if not is_sound(entry):
        fault = next(fault for fault in faults(entry) if not fault.told)
        raise MoneyError(f"an entry can't be taken into the ledger: {fault}")


def is_sound(record: Record) -> bool:
    """Say whether all that is reckoned with in a record fits. It is asked for each entry, so it is plain."""
    plan = _PLANS[type(record)]
    if not _fit(record, plan):
        return False
    for field in plan.parts:
        for part in getattr(record, field):
            if not (is_sound(part) or (isinstance(part, Limit) and _is_in_its_own_words(part))):
                return False
    return True


def _fit(record: Record, plan: "_Plan") -> bool:
    """Say whether the record's own figures do."""
    for field in plan.amounts:
        if not _AMOUNT.fullmatch(getattr(record, field)):
            return False
    for fits, values in plan.figures:
        for value in values(record):
            if value and not fits(value):
                return False
    for field in plan.counts:
        for count in getattr(record, field).values():
            if not _is_count(count):
                return False
    return True


def _is_in_its_own_words(limit: Limit) -> bool:
    """Say whether a limit is kept as its header gave it: only what a provider counts is reckoned with as it stands."""
    return not limit.window.startswith(PROVIDER)


def _parts(record: Record, field: str) -> Iterator[tuple[str, Record]]:
    """Yield the records in a field, each with its place where there may be several."""
    value: tuple[Record, ...] | Record | None = getattr(record, field)
    if isinstance(value, tuple):
        for place, part in enumerate(value):
            yield f"[{place}]", part
    elif value is not None:
        yield "", value


def _figures(record: Record, field: str, kind: FigureKind) -> Iterator[tuple[str, str | int]]:
    """Yield the figures in a field, each with its name where there may be several."""
    value = getattr(record, field)
    if kind in _BY_NAME:
        for name, figure in cast("dict[str, str | int]", value).items():
            yield f".{name}", figure
    else:
        yield "", value


def _fault(path: str, kind: FigureKind, value: str | int, *, told: bool) -> Fault:
    written = visible(value) if isinstance(value, str) else str(value) if abs(value) < 10**_SHOWN else "a longer number"
    shown = f"{written[:_SHOWN]}…" if len(written) > _SHOWN else written
    return Fault(field=path, value=shown, wanted=_WANTED[kind], told=told)


def _is_count(value: int) -> bool:
    return 0 <= value <= MOST_COUNTED


def _is_span(value: int) -> bool:  # or with a fraction: nothing is reckoned with it
    return 0 <= value <= MOST_MS


def _is_priced(written: str) -> bool:
    try:
        read_amount(written)
    except MoneyError:
        return False
    return True


def is_moment(written: str) -> bool:
    """Say whether a text is a moment as the ledger writes it."""
    return _reads(_MOMENT, written)


def is_day(written: str) -> bool:
    """Say whether a text is a day as the ledger writes it."""
    return _reads(_DAY, written)


def _begins(written: str) -> bool:
    return is_moment(written) or is_day(written)


def _reads(form: re.Pattern[str], written: str) -> bool:
    """Say whether a text has a form, and is a moment of the calendar (a day is its first one)."""
    if form.fullmatch(written) is None:
        return False
    try:
        moment(written)
    except ValueError:
        return False
    return True


_FITS: dict[FigureKind, Callable[[Any], object]] = {
    "amount": _AMOUNT.fullmatch,
    "charge": _CHARGE.fullmatch,
    "known": _AMOUNT.fullmatch,
    "exact": _EXACT.fullmatch,
    "told": _EXACT.fullmatch,
    "priced": _is_priced,
    "count": _is_count,
    "counts": _is_count,
    "rates": _EXACT.fullmatch,
    "seconds": _SECONDS.fullmatch,
    "span": _is_span,
    "moment": is_moment,
    "day": is_day,
    "begins": _begins,
}
"""By its kind what says, of a figure that is there, whether it has its form."""

_ALWAYS_THERE: tuple[FigureKind, ...] = ("amount", "charge")
_BY_NAME = frozenset({"counts", "rates"})
_RECORDS = frozenset({"parts", "shown"})
_TOLD = frozenset({"told", "rates"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """Where a record has what is reckoned with."""

    amounts: tuple[str, ...]
    figures: tuple[tuple[Callable[[Any], object], Callable[[Record], tuple[Any, ...]]], ...]
    """What says whether a figure fits, and what gives those of its kind."""
    counts: tuple[str, ...]
    parts: tuple[str, ...]


def _plan(fields: dict[str, FigureKind]) -> _Plan:
    kinds: dict[FigureKind, list[str]] = {}
    for field, kind in fields.items():
        kinds.setdefault(kind, []).append(field)
    apart = {"amount", *_BY_NAME, *_RECORDS, *_TOLD}
    return _Plan(
        amounts=tuple(field for kind in _ALWAYS_THERE for field in kinds.get(kind, ())),
        # What `stamp` wrote has its form; whether a year has such a day is asked of a ledger that is read.
        figures=tuple(
            (_MOMENT.fullmatch if kind == "moment" else _FITS[kind], _getter(names))
            for kind, names in kinds.items()
            if kind not in apart
        ),
        counts=tuple(kinds.get("counts", ())),
        parts=tuple(kinds.get("parts", ())),
    )


def _getter(names: list[str]) -> Callable[[Record], tuple[Any, ...]]:
    """Return what gives the values of fields: of one field alone `attrgetter` would give no tuple."""
    return attrgetter(*names, names[0])


_PLANS = {record: _plan(fields) for record, fields in FIGURES.items()}
