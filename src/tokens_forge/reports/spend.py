"""Where money went in a period: charges by key, model, route, balance and more.

Sums stay apart by unit of the charge and unit of the list price: amounts of different units never add. What a charge is
was decided when it was settled; here it is only added up. What pools paid has three costs: marginal (nothing), at list
price, and amortised (`fees.py`). What moved a balance without a call, and calls that cost nothing because they were
refused or voided, are told apart from spend.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from tokens_forge.core.book import COUNT_UNITS
from tokens_forge.core.config import did_you_mean
from tokens_forge.core.flags import ESTIMATED, OF_ESTIMATES, OF_OUTCOMES, OF_PRICES, is_of_price
from tokens_forge.core.moments import stamp
from tokens_forge.core.money import ZERO, add, read_amount, text
from tokens_forge.files.pages import BadLine, pages
from tokens_forge.reports.fees import Shared
from tokens_forge.reports.periods import Part, Period
from tokens_forge.reports.source import POOL_UNITS, USAGE, cut, spent, sql

PARTS: tuple[Part, ...] = ("hour", "day", "month")
"""Dimensions of time, in the report's timezone."""

DIMENSIONS = (
    "key",
    "model",
    "route",
    "balance",
    "class",
    "task",
    "agent",
    "upstream",
    "upstream_model",
    "tier",
    "outcome",
    *PARTS,
)
"""What spend can be grouped by. `model` is the name that was asked for, `tier` the service tier that was served."""

_NAMED = frozenset({*OF_ESTIMATES, *OF_OUTCOMES, ESTIMATED})
"""Why a charge is an estimate, where no price is the reason."""

DEFAULT_BY = ("balance",)

COUNTS = {
    "requests": "one for each attempt that was answered, or may have been",
    "tokens": "every token in and out, cached ones included",
    "percent": "its provider counts",
}
"""What a pool's unit counts (CASES 49)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendRow:
    """What a group of attempts cost."""

    dimensions: dict[str, str]
    """Empty text: the call had none (no task, say)."""
    unit: str
    calls: int
    """Calls, not attempts. One that two balances paid counts in the row of each."""
    charge: Decimal
    list: Decimal | None
    """At list price, in `list_unit`; None when that is not known."""
    list_unit: str
    saving: Decimal | None
    """List minus marginal cost, in `list_unit`; None when it is not known for every attempt."""
    unlisted_calls: int
    """Calls without a list price: they are not in `list` and `saving`."""
    amortised: dict[str, Decimal]
    """The shares of pools' fees by the fees' unit; empty when no fee covers any of the attempts."""
    usage: dict[str, int]
    """By class, those that occurred."""
    certainty: dict[str, Decimal]
    """The charge by how sure it is; these sum to `charge`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """Calls whose charge is an estimate, or lacks a part, for one reason. A call may have several."""

    flag: str
    """The reason: a flag as the ledger has it, an outcome, or ``estimated`` (`core/flags.py`)."""
    route: str
    upstream_model: str
    tier: str
    """The tier of service that was served; empty where the upstream named none."""
    calls: int
    charge: Decimal
    """What they were charged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendTotal:
    """What all attempts in one unit cost."""

    unit: str
    calls: int
    charge: Decimal
    list: Decimal | None
    """None when no list price is known, or list prices are in several units."""
    list_unit: str
    saving: Decimal | None
    amortised: dict[str, Decimal]
    usage: dict[str, int]
    certainty: dict[str, Decimal]
    unpriced_calls: int
    """Calls whose price was not known: what they cost is missing from `charge`, or some of it is."""
    unlisted_calls: int
    """Calls without a list price: they are not in `list` and `saving`."""
    unshared_calls: int
    """Calls that a pool paid and that no fee covers: they are not in `amortised`."""
    guesses: tuple[Guess, ...] = ()
    """Why parts of `charge` are estimates, or something is missing from it. They do not sum to anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """What moved a balance and was no call, by reason (`core/entries.py` AdjustedReason)."""

    balance: str
    reason: str
    unit: str
    entries: int
    amount: Decimal
    """What came in less what went out."""
    paid: dict[str, Decimal]
    """Of top-ups: what was paid, by unit."""
    fees: dict[str, Decimal]
    """The fees in what was paid, by unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolFee:
    """A pool's fee, and where it went."""

    shared: Shared
    provisional: bool
    """Whether calls may still come that share it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """The answer to `tf spend`."""

    period: Period
    timezone: str
    by: tuple[str, ...]
    rows: tuple[SpendRow, ...]
    """By time where `by` has a time, else units with more calls first; then the largest charge first."""
    totals: tuple[SpendTotal, ...]
    """One for each unit."""
    fees: tuple[PoolFee, ...] = ()
    """Of pools, by balance and day: every fee whose period has a moment in the report's."""
    movements: tuple[Movement, ...] = ()
    """By balance, then in the order of their first entries."""
    refused: dict[str, int] = field(default_factory=dict[str, int])
    """Calls that were refused in the period, by reason; attempts of theirs that cost something are in the rows."""
    voided: dict[str, int] = field(default_factory=dict[str, int])
    """Calls whose last attempt ended without a charge, by outcome: turned away upstream, never sent, failed."""
    left_out: tuple[BadLine, ...] = ()
    """Lines that can't be read: what they hold is missing from every figure."""


def spend(  # noqa: PLR0913 - which ledger, of when, how grouped, on whose clocks
    folder: Path,
    period: Period,
    *,
    by: Sequence[str] = DEFAULT_BY,
    timezone: str = "UTC",
    zone: tzinfo,
    now: datetime | None = None,
) -> Spend:
    """Return what was spent in `period` according to the ledger in `folder`, grouped by `by`.

    Days, hours and months are those of `zone`, whose name is `timezone`. Amortised cost is provisional while the fee's
    period has not ended at `now`, the report's end where not given. Raises ValueError for an unknown dimension.
    """
    dimensions = tuple(dict.fromkeys(by))
    for name in dimensions:
        if name not in DIMENSIONS:
            raise ValueError(f"can't group by `{name}`.{did_you_mean(name, DIMENSIONS)}")
    if not pages(folder):
        return Spend(period=period, timezone=timezone, by=dimensions, rows=(), totals=())
    with spent(folder, period) as found:
        for part in PARTS:
            if part in dimensions:
                cut(found.connection, period, part, zone, folder)
        rows = _rows(found.connection, dimensions)
        totals = _totals(found.connection)
        movements = _movements(found.connection)
        ended = found.connection.execute(sql("ended.sql")).fetchall()
    calls = {total.unit: total.calls for total in totals}
    ends = stamp(now or period.until)
    return Spend(
        period=period,
        timezone=timezone,
        by=dimensions,
        rows=tuple(sorted(rows, key=lambda row: _place(row, calls))),
        totals=totals,
        fees=tuple(PoolFee(shared=shared, provisional=shared.fee.until > ends) for shared in found.fees),
        movements=movements,
        refused={why: number for kind, why, number in ended if kind == "refused"},
        voided={why: number for kind, why, number in ended if kind == "voided"},
        left_out=found.left_out,
    )


def document(answer: Spend, set_by: Callable[[Guess], str] | None = None) -> dict[str, object]:
    """Return the answer in the shape of ``tf spend --json``: amounts as decimal strings, null for what is not known.

    `set_by` gives the command that sets the price for want of which something was guessed, empty where there is none.
    """
    return {
        "from": stamp(answer.period.since),
        "to": stamp(answer.period.until),
        "timezone": answer.timezone,
        "by": list(answer.by),
        "rows": [{**row.dimensions, **_figures(row)} for row in answer.rows],
        "totals": [
            {
                **_figures(found),
                "unpriced_calls": found.unpriced_calls,
                "guesses": [_guess(one, set_by(one) if set_by else "") for one in found.guesses],
                "unshared_calls": found.unshared_calls,
                "counts": COUNTS.get(found.unit),
            }
            for found in answer.totals
        ],
        "fees": [_fee(found) for found in answer.fees],
        "movements": [
            {
                "balance": moved.balance,
                "reason": moved.reason,
                "unit": moved.unit,
                "entries": moved.entries,
                "amount": text(moved.amount),
                "paid": _texts(moved.paid),
                "fees": _texts(moved.fees),
            }
            for moved in answer.movements
        ],
        "refused": answer.refused,
        "voided": answer.voided,
        "left_out": [line.document() for line in answer.left_out],
    }


def _figures(row: SpendRow | SpendTotal) -> dict[str, object]:
    return {
        "unit": row.unit,
        "calls": row.calls,
        "charge": text(row.charge),
        "marginal": text(ZERO if row.unit in COUNT_UNITS else row.charge),
        "list": None if row.list is None else text(row.list),
        "list_unit": row.list_unit or None,
        "saving": None if row.saving is None else text(row.saving),
        "unlisted_calls": row.unlisted_calls,
        "amortised": _texts(row.amortised),
        "usage": row.usage,
        "certainty": _texts(row.certainty),
    }


def _guess(found: Guess, set_by: str) -> dict[str, object]:
    return {
        "flag": found.flag,
        "route": found.route,
        "upstream_model": found.upstream_model,
        "tier": found.tier or None,
        "calls": found.calls,
        "charge": text(found.charge),
        "set_by": set_by or None,
    }


def _fee(found: PoolFee) -> dict[str, object]:
    shared = found.shared
    return {
        "balance": shared.fee.balance,
        "amount": text(shared.fee.amount),
        "unit": shared.fee.unit,
        "first": shared.fee.first.isoformat(),
        "last": shared.fee.last.isoformat(),
        "provisional": found.provisional,
        "by": shared.by,
        "attempts": shared.attempts,
        "unlisted": shared.unlisted,
        "here": text(shared.here),
        "elsewhere": text(shared.elsewhere),
        "unused": text(shared.unused),
    }


def _texts(amounts: dict[str, Decimal]) -> dict[str, str]:
    return {name: text(value) for name, value in amounts.items()}


def _place(row: SpendRow, calls: dict[str, int]) -> tuple[object, ...]:
    times = tuple(row.dimensions[part] for part in reversed(PARTS) if part in row.dimensions)
    return (*times, -calls[row.unit], row.unit, -row.charge, *row.dimensions.values(), row.list_unit)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sums:
    """One group's sums, as `sums.sql`, `certainty.sql` and `amortised.sql` give them."""

    group: tuple[str, ...]
    calls: int
    charge: Decimal
    list: Decimal | None
    saving: Decimal | None
    unpriced: int
    unlisted: int
    unshared: int
    usage: dict[str, int]
    certainty: dict[str, Decimal]
    amortised: dict[str, Decimal]


def _sums(connection: duckdb.DuckDBPyConnection, groups: Sequence[str]) -> list[_Sums]:
    """Return the sums by columns of ``spent``, in the order of their groups."""
    columns = ", ".join(f'spent."{name}"' for name in groups)
    # What was billed beside a reply was used too.
    beside = 'coalesce(list_sum([one.usage."{name}" for one in iterations]), 0)'
    usage = ", ".join(f'sum(coalesce(usage."{name}", 0) + {beside.format(name=name)})' for name in USAGE)
    width = len(groups)
    certainty = _apart(connection, "certainty.sql", columns, width)
    amortised = _apart(connection, "amortised.sql", columns, width)
    return [
        _sum(row, width, certainty[row[:width]], amortised.get(row[:width], {}))
        for row in sorted(
            connection.execute(sql("sums.sql", groups=columns, usage=usage)).fetchall(), key=lambda row: row[:width]
        )
    ]


def _apart(
    connection: duckdb.DuckDBPyConnection, query: str, columns: str, width: int
) -> dict[tuple[str, ...], dict[str, Decimal]]:
    """Return a sum of each group that stands apart by one word more, such as how sure it is."""
    found: dict[tuple[str, ...], dict[str, Decimal]] = {}
    for row in sorted(connection.execute(sql(query, groups=columns)).fetchall()):
        found.setdefault(row[:width], {})[row[width]] = row[width + 1]
    return found


def _sum(row: tuple[Any, ...], width: int, certainty: dict[str, Decimal], amortised: dict[str, Decimal]) -> _Sums:
    calls, charge, listed, saving, unpriced, unlisted, unshared, *counts = row[width:]
    return _Sums(
        group=row[:width],
        calls=calls,
        charge=charge,
        list=listed,
        saving=saving,
        unpriced=unpriced,
        unlisted=unlisted,
        unshared=unshared,
        usage={name: int(count) for name, count in zip(USAGE, counts, strict=True) if count},
        certainty=certainty,
        amortised=amortised,
    )


def _rows(connection: duckdb.DuckDBPyConnection, by: tuple[str, ...]) -> list[SpendRow]:
    """Return one row a group and unit; several only where its list prices are in several units, which never add."""
    parts: dict[tuple[str, ...], list[_Sums]] = {}
    for found in _sums(connection, (*by, "unit", "list_unit")):
        parts.setdefault(found.group[:-1], []).append(found)
    rows: list[SpendRow] = []
    for found in _sums(connection, (*by, "unit")):
        listed = [part for part in parts[found.group] if part.group[-1]]
        if len(listed) > 1:
            rows += [_row(by, part, part) for part in parts[found.group]]
        else:
            rows.append(_row(by, found, listed[0] if listed else None))
    return rows


def _row(by: tuple[str, ...], found: _Sums, listed: _Sums | None) -> SpendRow:
    """Return the row of a group, and at list price what of it has one."""
    return SpendRow(
        dimensions=dict(zip(by, found.group, strict=False)),
        unit=found.group[len(by)],
        calls=found.calls,
        charge=found.charge,
        list=listed.list if listed else None,
        list_unit=listed.group[-1] if listed else "",
        saving=listed.saving if listed else None,
        unlisted_calls=found.unlisted,
        amortised=found.amortised,
        usage=found.usage,
        certainty=found.certainty,
    )


def _totals(connection: duckdb.DuckDBPyConnection) -> tuple[SpendTotal, ...]:
    """Return the sums of each unit; a list price only where all that are known are in one unit."""
    listed: dict[str, list[_Sums]] = {}
    guesses: dict[str, list[Guess]] = {}
    reasons = {"outcomes": list(OF_OUTCOMES), "reasons": [*OF_PRICES, *OF_ESTIMATES]}
    for unit, flag, route, model, tier, calls, charge in connection.execute(sql("guesses.sql"), reasons).fetchall():
        if flag in _NAMED or is_of_price(flag):
            guess = Guess(flag=flag, route=route, upstream_model=model, tier=tier, calls=calls, charge=charge)
            guesses.setdefault(unit, []).append(guess)
    for found in _sums(connection, ("unit", "list_unit")):
        if found.group[1]:
            listed.setdefault(found.group[0], []).append(found)
    return tuple(
        SpendTotal(
            unit=found.group[0],
            calls=found.calls,
            charge=found.charge,
            list=one.list if one else None,
            list_unit=one.group[1] if one else "",
            saving=one.saving if one else None,
            amortised=found.amortised,
            usage=found.usage,
            certainty=found.certainty,
            unpriced_calls=found.unpriced,
            unlisted_calls=found.unlisted,
            unshared_calls=found.unshared if found.group[0] in POOL_UNITS else 0,
            guesses=tuple(guesses.get(found.group[0], ())),
        )
        for found in _sums(connection, ("unit",))
        for one in [_only(listed.get(found.group[0], []))]
    )


def _only(found: list[_Sums]) -> _Sums | None:
    return found[0] if len(found) == 1 else None


def _movements(connection: duckdb.DuckDBPyConnection) -> tuple[Movement, ...]:
    """Return what moved balances without a call. They are few, so they are added up here."""
    found: dict[tuple[str, str, str], Movement] = {}
    for balance, reason, unit, amount, paid, fee in connection.execute(sql("movements.sql")).fetchall():
        known = found.get((balance, reason, unit))
        found[balance, reason, unit] = Movement(
            balance=balance,
            reason=reason,
            unit=unit,
            entries=1 + (known.entries if known else 0),
            amount=add(amount, known.amount if known else ZERO),
            paid=_with(known.paid if known else {}, paid),
            fees=_with(known.fees if known else {}, fee),
        )
    return tuple(sorted(found.values(), key=lambda moved: moved.balance))


def _with(sums: dict[str, Decimal], written: str | None) -> dict[str, Decimal]:
    """Return sums by unit and one amount more, such as ``2.10 USD``; none when nothing is written."""
    if not written:
        return sums
    further = read_amount(written)
    return {**sums, further.unit: add(sums.get(further.unit, ZERO), further.value)}
