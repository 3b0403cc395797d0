"""The balances: what is posted, what live holds reserve, what may still be held, and a pool's windows.

What is available is reckoned by `core/book.py`, the code that enforces it; here it is only shown.
"""

from dataclasses import dataclass
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tokens_forge.core.book import FREE_UNIT, BalanceState, Book, available, unit_of
from tokens_forge.core.config import Balance, Config
from tokens_forge.core.money import ZERO, text
from tokens_forge.core.story import clock
from tokens_forge.view.figures import NONE, amount, shown


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRow:
    """A window of a pool."""

    window: str
    used: Decimal
    allow: Decimal
    end: str
    """When it ends; empty when none is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceRow:
    """One balance as a table shows it."""

    name: str
    unit: str
    posted: Decimal | None
    """Money that moved; None for a pool or a free balance, which have none."""
    held: Decimal
    available: Decimal | None
    """What may still be held; None for a free balance, and when no config says what the balance is."""
    windows: tuple[WindowRow, ...] = ()


def balance_rows(book: Book, config: Config | None, at: str) -> tuple[BalanceRow, ...]:
    """Return the balances of the config in its order, then those that only the ledger knows, as they are at `at`."""
    configured = config.balance if config else {}
    names = dict.fromkeys((*configured, *book.balances))
    return tuple(_row(name, book, configured.get(name), at) for name in names)


def balances_view(rows: tuple[BalanceRow, ...]) -> RenderableType:
    """Return the table of balances, each figure with its unit."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("balance", overflow="fold")
    for name in ("available", "held", "posted"):
        table.add_column(name, justify="right", overflow="fold")
    for row in rows:
        table.add_row(*_cells(row))
    return Group(table, *(_window_line(row, window) for row in rows for window in row.windows))


def _row(name: str, book: Book, balance: Balance | None, at: str) -> BalanceRow:
    state = book.state(name, unit_of(balance) if balance else "")
    counted = balance is not None and balance.kind != "prepaid"
    return BalanceRow(
        name=name,
        unit=state.unit,
        posted=None if counted or state.unit == FREE_UNIT else state.posted,
        held=state.held,
        available=available(balance, state, at) if balance else None,
        windows=tuple(_window(window.name, window.allow, state, at) for window in balance.windows) if balance else (),
    )


def _window(name: str, allow: Decimal, state: BalanceState, at: str) -> WindowRow:
    known = state.windows.get(name)
    if known is None or not known.current(at):
        return WindowRow(window=name, used=ZERO, allow=allow, end="")
    return WindowRow(window=name, used=known.used, allow=allow, end=known.end)


def _cells(row: BalanceRow) -> tuple[Text, Text, Text, Text]:
    if row.unit == FREE_UNIT:
        return shown(row.name), Text(FREE_UNIT), Text(NONE), Text(NONE)
    short = row.available is not None and row.available <= 0
    return (
        shown(row.name),
        Text(amount(row.available, row.unit), style="bold red" if short else "bold"),
        Text(amount(row.held, row.unit) if row.held else NONE),
        Text(amount(row.posted, row.unit)),
    )


def _window_line(row: BalanceRow, window: WindowRow) -> Text:
    ends = f", ends {clock(window.end)}" if window.end else ""
    used = f"{text(window.used)} of {amount(window.allow, row.unit)} used"
    return shown(f"{row.name} {window.window}: {used}{ends}", "dim")
