"""The options that choose a period: the same in every command that reports on one."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from tokens_forge.files.paths import Paths

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from tokens_forge.reports.periods import Asked, Period

Span = Annotated[
    str,
    typer.Argument(
        metavar="A..B",
        help="A period: `2026-11-01..2026-11-07` (both days in it), `2026-10`, `2026-11-20..`, `yesterday`.",
        show_default=False,
    ),
]
Today = Annotated[bool, typer.Option("--today", help="Today up to now.")]
Week = Annotated[
    int | None,
    typer.Option(
        "--week", metavar="[-N]", help="This week up to now; -1 is the whole week before.", show_default=False
    ),
]
Month = Annotated[
    int | None,
    typer.Option(
        "--month", metavar="[-N]", help="This month up to now; -1 is the whole month before.", show_default=False
    ),
]
Last = Annotated[str, typer.Option("--last", metavar="7d", help="So long up to now: `36h`, `7d`.", show_default=False)]
Since = Annotated[str, typer.Option("--since", metavar="DAY", help="From this day or moment on.", show_default=False)]
Until = Annotated[
    str, typer.Option("--until", metavar="DAY", help="Up to this day, itself included, or moment.", show_default=False)
]
Timezone = Annotated[
    str,
    typer.Option("--timezone", metavar="ZONE", help="Whose days and hours (else the config's).", show_default=False),
]

_MAY_STAND_ALONE = ("--week", "--month")


class PeriodCommand(TyperCommand):
    """A command whose ``--week`` and ``--month`` may stand without a number; Typer knows no such options."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - the context's class is Typer's own
        """Read the arguments, 0 for a number that is left out."""
        return super().parse_args(ctx, numbered(args))


def numbered(arguments: list[str]) -> list[str]:
    """Return the arguments with ``=0`` after each `--week` and `--month` that no number follows."""
    return [
        f"{argument}=0" if argument in _MAY_STAND_ALONE and not _is_number(following) else argument
        for argument, following in zip(arguments, [*arguments[1:], ""], strict=False)
    ]


def chosen(paths: Paths, asked: "Asked", timezone: str) -> "tuple[Period, str, ZoneInfo]":
    """Return the period, its timezone's name and the zone, as options and config say.

    A ledger without a config is read in UTC, weeks beginning on Monday. Raises typer.BadParameter for what is
    no period.
    """
    from tokens_forge.core.config import Report
    from tokens_forge.files.config_file import load
    from tokens_forge.files.zones import zone
    from tokens_forge.reports.periods import period

    report = load(paths.config, paths.prices).report if paths.config.exists() else Report()
    name = timezone or report.timezone
    found = zone(name)
    try:
        return period(asked, now=datetime.now(UTC), zone=found, week_start=report.week_start), name, found
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _is_number(text: str) -> bool:
    return text.removeprefix("-").isdecimal()
