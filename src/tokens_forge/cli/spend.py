"""`tf spend`: where it went, per unit, with how sure that is and what list price would have been."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from tokens_forge.cli.output import hint, hint_left_out, say_json, say_lines, show
from tokens_forge.cli.periods import Last, Month, Since, Span, Timezone, Today, Until, Week, chosen
from tokens_forge.files.paths import Paths

if TYPE_CHECKING:
    from collections.abc import Callable

    from tokens_forge.reports.spend import Guess

By = Annotated[
    str,
    typer.Option(
        "--by",
        metavar="NAME,…",
        help="What to group by, of key, model, route, balance, class, task, agent, upstream, upstream_model, tier, "
        "outcome, day, hour and month.",
    ),
]


def spend(
    ctx: typer.Context,
    *,
    span: Span = "",
    by: By = "balance",
    today: Today = False,
    week: Week = None,
    month: Month = None,
    last: Last = "",
    since: Since = "",
    until: Until = "",
    timezone: Timezone = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show where it went: by key, model, route, balance and more; this month unless a period is given.

    For example: tf spend --by key --week
    """
    from tokens_forge.reports import spend as report
    from tokens_forge.reports.periods import Asked
    from tokens_forge.view.spend import bounds, ended_words, is_empty, spend_view

    paths: Paths = ctx.obj
    asked = Asked(span=span, today=today, week=week, month=month, last=last, since=since, until=until)
    period, name, zone = chosen(paths, asked, timezone)
    dimensions = [part.strip() for part in by.split(",") if part.strip()]
    try:
        answer = report.spend(
            paths.ledger,
            period,
            by=dimensions or report.DEFAULT_BY,
            timezone=name,
            zone=zone,
            now=datetime.now(UTC),
        )
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--by") from error
    if as_json:
        say_json(report.document(answer, _mending(paths)))
    elif is_empty(answer):
        hint(f"Nothing was spent in this period: {bounds(answer, zone)}")
        for also in ended_words(answer):
            hint(f"{also}; `tf explain ID` says why")
        hint(f"The ledger is in {paths.ledger}; `tf spend --month -1` looks at the month before.")
    else:
        show(spend_view(answer, zone))
        set_by = _mending(paths) if any(total.guesses for total in answer.totals) else None
        lines = [set_by(guess) for total in answer.totals for guess in total.guesses] if set_by else []
        say_lines(lines)
    hint_left_out(answer.left_out)


def _mending(paths: Paths) -> "Callable[[Guess], str]":
    """Return what gives the command that sets a price for want of which something was guessed."""
    from tokens_forge.cli.state import config_or_none
    from tokens_forge.core.config import Config
    from tokens_forge.core.entries import candidate_name
    from tokens_forge.core.price_help import mending_line

    config = config_or_none(paths) or Config()

    def set_by(guess: "Guess") -> str:
        return mending_line(config, candidate_name(guess.route, guess.upstream_model), guess.flag, guess.tier)

    return set_by
