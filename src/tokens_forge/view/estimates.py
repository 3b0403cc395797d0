"""How good the estimates are that holds are made of: by candidate, what was estimated against what it was."""

from decimal import Decimal

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from tokens_forge.core.estimates import SAMPLES_AT_LEAST, Calibration
from tokens_forge.view.figures import NONE, count, shown


def estimates_view(rows: tuple[Calibration, ...]) -> RenderableType:
    """Return the table of candidates: replies seen, input as estimated and billed, how long replies are."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("candidate", overflow="fold")
    for name in ("replies", "input estimated", "billed", "ratio", "output half below", "19 of 20 below"):
        table.add_column(name, justify="right", overflow="fold")
    for row in rows:
        known = row.samples >= SAMPLES_AT_LEAST
        table.add_row(
            shown(row.candidate),
            Text(count(row.samples), style="" if known else "dim"),
            count(row.estimated),
            count(row.actual),
            f"{Decimal(row.ratio):.3f}" if row.ratio else NONE,
            count(row.output_p50) if known else NONE,
            count(row.output_p95) if known else NONE,
        )
    return table
