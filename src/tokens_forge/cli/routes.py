"""`tf routes`: whether each route is fine, and ending a cooldown by hand.

A running proxy is asked over its socket; without one the command reads the ledger, or writes to it under its lock.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from tokens_forge.cli.output import hint, hint_left_out, say, say_json, show
from tokens_forge.files.paths import Paths

if TYPE_CHECKING:
    from tokens_forge.core.entries import Recovered
    from tokens_forge.core.fold import Fold
    from tokens_forge.core.settlement import Terms
    from tokens_forge.reports.routes import Routes

app = typer.Typer(help="Show how every route is and did of late, and end cooldowns by hand.", rich_markup_mode=None)

_AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback(invoke_without_command=True)
def routes(
    ctx: typer.Context,
    last: Annotated[str, typer.Option("--last", metavar="1h", help="Of what attempts: so long up to now.")] = "1h",
    as_json: _AsJson = False,
) -> None:
    """Show each candidate's health, and how its attempts of the last hour ended.

    Health is what the next call will meet: ok, cooling until when and why, probing, a balance without money. Below it
    stand the upstreams and balances that cool, and the retries of the last minute.
    """
    if ctx.invoked_subcommand is not None:
        return
    answer = _asked(ctx.obj, last)
    if as_json:
        from tokens_forge.reports.routes import document

        say_json(document(answer))
    elif answer.rows:
        from tokens_forge.view.routes import routes_view

        show(routes_view(answer))
    else:
        hint("No route yet: write `[route.NAME]` in the config, or let `tf init` do it.")
    hint_left_out(answer.left_out)


@app.command()
def recover(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="What cools: ROUTE/MODEL, a route (all of it), an upstream or a balance."),
    ],
    as_json: _AsJson = False,
) -> None:
    """End a cooldown by hand.

    The next call may try again, and what fails then cools as if for the first time.
    """
    from tokens_forge.cli.state import carried_out
    from tokens_forge.core.adjustment import Unadjusted
    from tokens_forge.core.recovery import RecoverOrder, ended_by_hand

    order = RecoverOrder(name=name)

    def here(terms: "Terms", fold: "Fold", at: str) -> "tuple[Recovered, ...] | str":
        entries = ended_by_hand(order, terms.config, fold.health, at)
        return entries.why if isinstance(entries, Unadjusted) else entries

    done = carried_out(ctx.obj, "/recover", order, here)
    if as_json:
        say_json({"entries": done.entries})
        return
    from tokens_forge.core.entries import Recovered

    for entry in done.entries:
        if isinstance(entry, Recovered):
            say(f"{entry.scope} {entry.name} is no longer passed over: its cooldown was ended by hand")


def _asked(paths: Paths, last: str) -> "Routes":
    from datetime import UTC, timedelta

    from tokens_forge.cli.state import state
    from tokens_forge.core.moments import moment
    from tokens_forge.reports.periods import Asked, period
    from tokens_forge.reports.routes import Routes, route_rows

    now = state(paths, routes=True)
    # A period's end is not in it, and what ended at this very moment is.
    until = moment(now.at) + timedelta(microseconds=1)
    try:
        spanned = period(Asked(last=last), now=until, zone=UTC, week_start="monday")
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--last") from error
    found = route_rows(
        paths.ledger,
        spanned,
        routes=now.routes,
        cooldowns=now.cooldowns,
        balances=now.balances,
        renamed=now.renamed,
    )
    return Routes(
        at=now.at,
        running=bool(now.pid),
        period=spanned,
        rows=found.rows,
        cooldowns=now.cooldowns,
        retry_budget=now.retry_budget,
        left_out=found.left_out,
    )
