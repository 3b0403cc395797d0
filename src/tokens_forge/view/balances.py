"""The balances: what is posted, what live holds reserve, what may still be held, and what a pool's windows leave.

The figures are `core/book.py`'s, reckoned by the code that enforces them; here they are only shown.
"""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tokens_forge.core.book import FREE_UNIT, BalanceShown, Book, balances
from tokens_forge.core.config import Config
from tokens_forge.core.money import read_amount, text
from tokens_forge.core.story import clock
from tokens_forge.view.figures import NONE, amount, shown


def balances_view(rows: tuple[BalanceShown, ...]) -> RenderableType:
    """Return the table of balances, each figure with its unit; what is short or below its warning is said."""
    if not rows:
        return Text("no balances yet: write `[balance.NAME]` in the config")
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("balance", overflow="fold")
    for name in ("available", "held", "posted"):
        table.add_column(name, justify="right", overflow="fold")
    for row in rows:
        table.add_row(*_cells(row))
    return Group(table, *(note for row in rows for note in _notes(row)))


def known_balances(book: Book, config: Config | None, at: str) -> tuple[BalanceShown, ...]:
    """Return the balances of the config in its order, then those that only the ledger knows, as they are at `at`.

    Of the latter nobody says what they are, so what is available is not known.
    """
    configured = balances(config, book, at) if config else ()
    names = {row.name for row in configured}
    others = (
        BalanceShown(name=name, kind="", unit=state.unit, posted=state.posted, held=state.held)
        for name, state in book.balances.items()
        if name not in names
    )
    return (*configured, *others)


def _cells(row: BalanceShown) -> tuple[Text, Text, Text, Text]:
    if row.unit == FREE_UNIT:
        return shown(row.name), Text(FREE_UNIT), Text(NONE), Text(NONE)
    # A pool's posted figure is only all that it ever gave.
    posted = NONE if row.kind == "pool" else amount(row.posted, row.unit)
    return (
        shown(row.name),
        Text(amount(row.available, row.unit), style="bold red" if _short(row) else "bold"),
        Text(amount(row.held, row.unit) if row.held else NONE),
        Text(posted),
    )


def _short(row: BalanceShown) -> bool:
    return row.available is not None and row.available <= 0


def _notes(row: BalanceShown) -> Iterator[Text]:
    """Yield what a row's figures mean: a warning, nothing left, and what each window of a pool leaves."""
    if row.available is not None and row.warn_below and row.available < read_amount(row.warn_below).value:
        yield shown(f"{row.name}: below its warning of {row.warn_below}", "bold yellow")
    elif _short(row):
        yield shown(f"{row.name}: nothing available", "bold red")
    if row.windows:
        left = ", ".join(f"{name} {text(rest)}" for name, rest in row.windows.items())
        resets = f"; resets {clock(row.resets)}" if row.resets else ""
        yield shown(f"{row.name}: {row.unit} left in {left}{resets}", "dim")
