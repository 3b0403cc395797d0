"""A call's decisions made again, on a screen: one line when all agree, else each with what differs or is missing."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tokens_forge.core.replay import Compared, Difference, Replayed, Unknown
from tokens_forge.core.visible import visible
from tokens_forge.view.figures import NONE, count, shown


def replay_view(again: Replayed) -> RenderableType:
    """Return what to print below a call's story."""
    made = len(again.decisions)
    by = ", ".join(_by(again))
    if again.proven:
        decisions = "1 decision" if made == 1 else f"{count(made)} decisions"
        agree = "it agrees" if made == 1 else "all agree"
        return Group(Text(), shown(f"{decisions} made again from the ledger: {agree} ({by})"))
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column()
    table.add_column(overflow="fold")
    for one in sorted((*again.decisions, *again.unknown), key=lambda one: one.seq):
        table.add_row(f"line {one.seq}" if one.seq else NONE, one.type, _said(one))
    title = Text(visible(f"Made again from the ledger{f' ({by})' if by else ''}"), style="bold")
    return Group(Text(), title, Padding(table, (0, 0, 0, 2), expand=False))


def _by(again: Replayed) -> Iterator[str]:
    """Yield what the decisions were made by: one config and its cards, as a call keeps what it began with."""
    one = next((one for one in (*again.decisions, *again.unknown) if one.config), None)
    if one is not None:
        yield f"config {one.config}"
        yield f"cards {one.cards}"


def _said(one: Compared | Unknown) -> Text:
    if isinstance(one, Unknown):
        return shown(f"can't be made again: {one.why}", "yellow")
    if one.agrees:
        return Text("agrees", style="green")
    return Text("\n").join((Text("differs (recorded → decided now)", style="red"), *map(_difference, one.differs)))


def _difference(one: Difference) -> Text:
    return shown(f"{one.field}: {one.recorded or NONE} → {one.decided or NONE}")
