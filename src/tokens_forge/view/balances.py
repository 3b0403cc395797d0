"""Balances and budgets: what is posted or spent, what live holds reserve, what may still be held, and until when.

The figures are `core/book.py`'s, reckoned by the code that enforces them; here they are only shown.
"""

from collections.abc import Iterator
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tokens_forge.core.book import FREE_UNIT, BalanceShown, Book, balances
from tokens_forge.core.budgets import BudgetShown
from tokens_forge.core.config import Config
from tokens_forge.core.entries import Adjusted
from tokens_forge.core.money import read_amount, text
from tokens_forge.core.story import clock
from tokens_forge.view.figures import NONE, about, amount, shown


def balances_view(rows: tuple[BalanceShown, ...]) -> RenderableType:
    """Return the table of balances, each figure with its unit; what is short or below its warning is said."""
    if not rows:
        return Text("no balances yet: write `[balance.NAME]` in the config")
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("balance", overflow="fold")
    for name in ("available", "held", "posted", "a day"):
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


def budgets_view(rows: tuple[BudgetShown, ...]) -> RenderableType:
    """Return the table of budgets and caps: what is left, spent, held by calls under way, and until when."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("budget", overflow="fold")
    for name in ("left", "held", "spent", "limit"):
        table.add_column(name, justify="right", overflow="fold")
    table.add_column("until (UTC)", overflow="fold")
    for row in rows:
        style = "bold red" if row.left <= 0 else "bold yellow" if row.soft else "bold"
        table.add_row(
            shown(row.name),
            Text(amount(row.left, row.unit), style=style),
            Text(amount(row.held, row.unit) if row.held else NONE),
            Text(amount(row.spent, row.unit)),
            Text(amount(row.limit, row.unit)),
            Text(_until(row)),
        )
    return Group(table, *(note for row in rows for note in _budget_notes(row)))


def log_view(rows: tuple[tuple[int, str, Adjusted, int], ...]) -> RenderableType:
    """Return the table of entries by hand: number, moment, what moved and why, and which entry takes it back."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("entry", justify="right")
    table.add_column("when (UTC)", no_wrap=True)
    table.add_column("balance", overflow="fold")
    table.add_column("moved", justify="right", overflow="fold")
    for name in ("reason", "remark"):
        table.add_column(name, overflow="fold")
    for seq, ts, entry, undone_by in rows:
        undone = f"taken back by entry {undone_by}" if undone_by else ""
        back = f"takes back entry {entry.undoes}" if entry.undoes else ""
        corrects = f"corrects {entry.corrects}" if entry.corrects else ""
        said = "; ".join(part for part in (undone, back, corrects, entry.ref, entry.note) if part)
        moved = amount(Decimal(entry.amount), entry.unit)
        cells = (str(seq), _moment(ts), entry.balance, moved, entry.reason, said)
        table.add_row(*(shown(cell, "dim" if undone_by else "") for cell in cells))
    return table


def _until(row: BudgetShown) -> str:
    if row.stopped:
        return f"stopped {_moment(row.stopped)}"
    return _moment(row.until) if row.until else "its lifetime"


def _moment(stamped: str) -> str:
    """Return a stamp to the second for a column whose header says that it is UTC."""
    return clock(stamped).removesuffix(" UTC")


def _budget_notes(row: BudgetShown) -> Iterator[Text]:
    if row.left <= 0:
        by = f"; held by {', '.join(row.holds)}" if row.holds else ""
        yield shown(f"{row.name}: nothing left{by}", "bold red")
    elif row.soft:
        yield shown(f"{row.name}: its soft limit is reached", "bold yellow")


def _cells(row: BalanceShown) -> tuple[Text, ...]:
    if row.unit == FREE_UNIT:
        return shown(row.name), Text(FREE_UNIT), Text(NONE), Text(NONE), Text(NONE)
    # A pool's posted figure is only all that it ever gave.
    posted = NONE if row.kind == "pool" else amount(row.posted, row.unit)
    return (
        shown(row.name),
        Text(amount(row.available, row.unit), style="bold red" if _short(row) else "bold"),
        Text(amount(row.held, row.unit) if row.held else NONE),
        Text(posted),
        Text(about(row.burn, row.unit)),
    )


def _short(row: BalanceShown) -> bool:
    return row.available is not None and row.available <= 0


def _notes(row: BalanceShown) -> Iterator[Text]:
    """Yield what a row's figures mean: a warning, when it is empty, what each window leaves, which money ends."""
    if row.available is not None and row.warn_below and row.available < read_amount(row.warn_below).value:
        yield shown(f"{row.name}: below its warning of {row.warn_below}", "bold yellow")
    elif _short(row):
        yield shown(f"{row.name}: nothing available", "bold red")
    if row.empty:
        yield shown(f"{row.name}: empty about {clock(row.empty)} at this rate", "dim")
    if row.limit:
        yield shown(f"{row.name}: {_owed(row, row.limit)}", "dim")
    if row.kind == "pool":
        yield from _pool_notes(row)
    for lot in row.lots:
        if lot.expires:
            yield shown(f"{row.name}: {amount(lot.left, row.unit)} can be spent through {lot.expires} UTC", "dim")


def _pool_notes(row: BalanceShown) -> Iterator[Text]:
    """Yield what a pool's windows leave, what its provider says, what others used, and what pays beyond it."""
    if row.windows:
        left = ", ".join(f"{name} {text(rest)}" for name, rest in row.windows.items())
        resets = f"; resets {clock(row.resets)}" if row.resets else ""
        yield shown(f"{row.name}: {row.unit} left in {left}{resets}", "dim")
    else:
        yield shown(f"{row.name}: its provider has said nothing yet", "dim")
    if row.status:
        yield shown(f"{row.name}: the provider says {row.status}", "bold yellow")
    if row.outside:
        used = ", ".join(f"{text(part)} {row.unit} of {name}" for name, part in row.outside.items())
        # The first word of a window in percent comes with a call of ours, which may be in it.
        by = "outside of tf or by its first call there" if row.unit == "percent" else "outside of tf"
        yield shown(f"{row.name}: used {by}, as headers show it: {used}", "dim")
    if row.overage and _short(row):
        yield shown(f"{row.name}: {row.overage} pays beyond it", "dim")


def _owed(row: BalanceShown, limit: str) -> str:
    """Return what counts against a postpaid account's limit in its period; payments give no room before it ends."""
    if not row.resets:
        return f"at most {limit} owed in a period, nothing yet"
    until = f"in the period to {clock(row.resets)}"
    if row.available is None:
        return f"at most {limit} owed {until}"
    spent = read_amount(limit).value - row.available - row.held
    return f"{amount(spent, row.unit)} of at most {limit} charged {until}"
