"""Where money went in a period: charges by key, model, route, balance and more.

Sums stay apart by unit of the charge and unit of the list price: amounts of different units never add. What a charge is
was decided when it was settled; here it is only added up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from tokens_forge.core.config import did_you_mean
from tokens_forge.core.moments import stamp
from tokens_forge.core.money import text
from tokens_forge.files.pages import pages
from tokens_forge.reports.periods import Part, Period
from tokens_forge.reports.source import USAGE, cut, spent, sql

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
    *PARTS,
)
"""What spend can be grouped by. `model` is the name that was asked for."""

DEFAULT_BY = ("balance",)


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
    """List minus charge, in `list_unit`; None when it is not known for every attempt."""
    usage: dict[str, int]
    """By class, those that occurred."""
    certainty: dict[str, Decimal]
    """The charge by how sure it is; these sum to `charge`."""


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
    usage: dict[str, int]
    certainty: dict[str, Decimal]
    unpriced_calls: int
    """Calls whose price was not known: what they cost is missing from `charge`."""
    unlisted_calls: int
    """Calls without a list price: they are not in `list` and `saving`."""


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
    refused_calls: int
    """Calls that were refused in the period; attempts of theirs that cost something are in the rows."""


def spend(
    folder: Path, period: Period, *, by: Sequence[str] = DEFAULT_BY, timezone: str = "UTC", zone: tzinfo
) -> Spend:
    """Return what was spent in `period` according to the ledger in `folder`, grouped by `by`.

    Days, hours and months are those of `zone`, whose name is `timezone`. Raises ValueError for an unknown dimension,
    LedgerDamaged for a page that can't be read.
    """
    dimensions = tuple(dict.fromkeys(by))
    for name in dimensions:
        if name not in DIMENSIONS:
            raise ValueError(f"can't group by `{name}`.{did_you_mean(name, DIMENSIONS)}")
    if not pages(folder):
        return Spend(period=period, timezone=timezone, by=dimensions, rows=(), totals=(), refused_calls=0)
    with spent(folder, period) as connection:
        for part in PARTS:
            if part in dimensions:
                cut(connection, period, part, zone, folder)
        rows = _rows(connection, dimensions)
        totals = _totals(connection)
        refused = connection.execute("select count(distinct id) from lines where type = 'refused'").fetchall()
    calls = {found.unit: found.calls for found in totals}
    return Spend(
        period=period,
        timezone=timezone,
        by=dimensions,
        rows=tuple(sorted(rows, key=lambda row: _place(row, calls))),
        totals=totals,
        refused_calls=int(refused[0][0]),
    )


def document(answer: Spend) -> dict[str, object]:
    """Return the answer in the shape of ``tf spend --json``: amounts as decimal strings, null for what is not known."""
    return {
        "from": stamp(answer.period.since),
        "to": stamp(answer.period.until),
        "timezone": answer.timezone,
        "by": list(answer.by),
        "rows": [{**row.dimensions, **_figures(row)} for row in answer.rows],
        "totals": [
            {**_figures(found), "unpriced_calls": found.unpriced_calls, "unlisted_calls": found.unlisted_calls}
            for found in answer.totals
        ],
    }


def _figures(row: SpendRow | SpendTotal) -> dict[str, object]:
    return {
        "unit": row.unit,
        "calls": row.calls,
        "charge": text(row.charge),
        "list": None if row.list is None else text(row.list),
        "list_unit": row.list_unit or None,
        "saving": None if row.saving is None else text(row.saving),
        "usage": row.usage,
        "certainty": {level: text(charge) for level, charge in row.certainty.items()},
    }


def _place(row: SpendRow, calls: dict[str, int]) -> tuple[object, ...]:
    times = tuple(row.dimensions[part] for part in reversed(PARTS) if part in row.dimensions)
    return (*times, -calls[row.unit], row.unit, -row.charge, *row.dimensions.values(), row.list_unit)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sums:
    """One group's sums, as `sums.sql` and `certainty.sql` give them."""

    group: tuple[str, ...]
    calls: int
    charge: Decimal
    list: Decimal | None
    saving: Decimal | None
    unpriced: int
    unlisted: int
    usage: dict[str, int]
    certainty: dict[str, Decimal]


def _sums(connection: duckdb.DuckDBPyConnection, groups: Sequence[str]) -> list[_Sums]:
    """Return the sums by columns of ``spent``, in the order of their groups."""
    columns = ", ".join(f'"{name}"' for name in groups)
    usage = ", ".join(f'sum(usage."{name}")' for name in USAGE)
    width = len(groups)
    certainty: dict[tuple[str, ...], dict[str, Decimal]] = {}
    for row in sorted(connection.execute(sql("certainty.sql", groups=columns)).fetchall()):
        certainty.setdefault(row[:width], {})[row[width]] = row[width + 1]
    return [
        _sum(row, width, certainty[row[:width]])
        for row in sorted(
            connection.execute(sql("sums.sql", groups=columns, usage=usage)).fetchall(), key=lambda row: row[:width]
        )
    ]


def _sum(row: tuple[Any, ...], width: int, certainty: dict[str, Decimal]) -> _Sums:
    calls, charge, listed, saving, unpriced, unlisted, *counts = row[width:]
    return _Sums(
        group=row[:width],
        calls=calls,
        charge=charge,
        list=listed,
        saving=saving,
        unpriced=unpriced,
        unlisted=unlisted,
        usage={name: int(count) for name, count in zip(USAGE, counts, strict=True) if count},
        certainty=certainty,
    )


def _rows(connection: duckdb.DuckDBPyConnection, by: tuple[str, ...]) -> list[SpendRow]:
    return [
        SpendRow(
            dimensions=dict(zip(by, found.group, strict=False)),
            unit=found.group[-2],
            calls=found.calls,
            charge=found.charge,
            list=found.list,
            list_unit=found.group[-1],
            saving=found.saving,
            usage=found.usage,
            certainty=found.certainty,
        )
        for found in _sums(connection, (*by, "unit", "list_unit"))
    ]


def _totals(connection: duckdb.DuckDBPyConnection) -> tuple[SpendTotal, ...]:
    """Return the sums of each unit; a list price only where all that are known are in one unit."""
    listed: dict[str, list[_Sums]] = {}
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
            usage=found.usage,
            certainty=found.certainty,
            unpriced_calls=found.unpriced,
            unlisted_calls=found.unlisted,
        )
        for found in _sums(connection, ("unit",))
        for one in [_only(listed.get(found.group[0], []))]
    )


def _only(found: list[_Sums]) -> _Sums | None:
    return found[0] if len(found) == 1 else None
