"""What was spent, as a table for each unit with shares, totals, and how sure they are.

Units stand apart: no figure here is a sum over two of them, and none is shortened.
"""

from collections.abc import Iterator
from datetime import tzinfo
from decimal import Decimal

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from tokens_forge.core.book import FREE_UNIT
from tokens_forge.core.money import text, total
from tokens_forge.core.visible import visible
from tokens_forge.reports.spend import PARTS, Spend, SpendRow, SpendTotal
from tokens_forge.view.figures import NONE, amount, bar, count, shown

_BARS = (10, 5, 0)
"""Lengths of the longest bar: the first that leaves every name and figure whole is taken."""

_ENDLESS = 10_000
"""Columns on which every table has room."""


def spend_view(answer: Spend, zone: tzinfo) -> RenderableType:
    """Return what to print for an answer that has rows. The period is shown in `zone`, the report's."""
    return Group(
        _title(answer, zone), *(part for found in answer.totals for part in _unit(answer, found)), *_refused(answer)
    )


def bounds(answer: Spend, zone: tzinfo) -> str:
    """Return a period in words: what it is called, its bounds on the clocks of `zone`, and whose clocks they are."""
    since, until = (f"{bound.astimezone(zone):%Y-%m-%d %H:%M}" for bound in (answer.period.since, answer.period.until))
    called = f"{answer.period.label}: " if answer.period.label else ""
    return f"{called}{since} to {until} ({answer.timezone})"


def _title(answer: Spend, zone: tzinfo) -> Text:
    return Text.assemble((f"Spend by {', '.join(answer.by)}", "bold"), f", {bounds(answer, zone)}")


def _unit(answer: Spend, found: SpendTotal) -> Iterator[RenderableType]:
    """Yield the rows of one unit, their total, and what is missing from it."""
    yield Text()
    yield _Fitting(tuple(_table(answer, found, longest) for longest in _BARS))
    if len(found.certainty) > 1:
        yield Text.assemble((f"{visible(found.unit)}: ", "dim"), _certainty(found))
    if found.unpriced_calls:
        calls = _calls(found.unpriced_calls)
        yield shown(f"{calls} in {found.unit} without a known price: what they cost is not in the total", "bold yellow")
    if found.unlisted_calls and found.list is not None:
        yield shown(f"{_calls(found.unlisted_calls)} without a list price: not in list price and saving", "dim")


class _Fitting:
    """The first of some tables that has room on the screen as it is, else the last."""

    def __init__(self, tables: tuple[Table, ...]) -> None:
        self._tables = tables

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for table in self._tables:
            if Measurement.get(console, options.update_width(_ENDLESS), table).maximum <= options.max_width:
                yield table
                return
        yield self._tables[-1]


def _table(answer: Spend, found: SpendTotal, longest: int) -> Table:
    """Return the table of one unit, with bars of at most `longest` cells; without any for 0."""
    rows = [row for row in answer.rows if row.unit == found.unit]
    # Rows of what was given back show no share: a bar has no length below nothing.
    whole = total(tuple(row.charge for row in rows if row.charge > 0))
    table = _columns(answer, found, longest)
    for row in rows:
        table.add_row(
            *(shown(row.dimensions[name] or NONE) for name in answer.by),
            *_figures(row, found),
            *((bar(row.charge, whole, longest),) if longest else ()),
            *_listed(row, found),
            _certainty(row),
        )
    table.add_row(
        *("total" if n == 0 else "" for n in range(len(answer.by))),
        *_figures(found, found),
        *(("",) if longest else ()),
        *_listed(found, found),
        _certainty(found) if len(found.certainty) == 1 else "",
        style="bold",
    )
    return table


def _columns(answer: Spend, found: SpendTotal, longest: int) -> Table:
    """Return the empty table of one unit. The unit stands in the header, a list price's too where all are in one."""
    listed = f" {visible(found.list_unit)}" if found.list_unit else ""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for name in answer.by:
        table.add_column(name.replace("_", " "), overflow="fold", no_wrap=name in PARTS, min_width=6)
    table.add_column("calls", justify="right", no_wrap=True)
    table.add_column("charge" if found.unit == FREE_UNIT else visible(found.unit), justify="right", no_wrap=True)
    if longest:
        table.add_column("share", width=longest)
    table.add_column(f"list{listed}", justify="right", no_wrap=True)
    table.add_column(f"saving{listed}", justify="right", no_wrap=True)
    table.add_column("certainty", overflow="fold", min_width=len("estimated"))
    return table


def _figures(row: SpendRow | SpendTotal, found: SpendTotal) -> tuple[str, str]:
    return count(row.calls), FREE_UNIT if found.unit == FREE_UNIT else text(row.charge)


def _listed(row: SpendRow | SpendTotal, found: SpendTotal) -> tuple[str, str]:
    """Return list price and saving, with their unit unless the header names it."""
    if found.list_unit:
        return _known(row.list), _known(row.saving)
    return amount(row.list, row.list_unit), amount(row.saving, row.list_unit)


def _known(value: Decimal | None) -> str:
    return NONE if value is None else text(value)


def _certainty(row: SpendRow | SpendTotal) -> Text:
    """Return how sure a charge is: one word, or each with its part of the charge."""
    if len(row.certainty) == 1 or row.unit == FREE_UNIT:
        return Text(", ".join(row.certainty))
    return shown(", ".join(f"{level} {amount(charge, row.unit)}" for level, charge in row.certainty.items()))


def _refused(answer: Spend) -> Iterator[RenderableType]:
    if answer.refused_calls:
        yield Text()
        yield Text(f"{_calls(answer.refused_calls)} refused in this period; `tf explain ID` says why", style="dim")


def _calls(number: int) -> str:
    return f"{count(number)} call" if number == 1 else f"{count(number)} calls"
