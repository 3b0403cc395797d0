"""`tf doctor`: what nobody knows for sure, and what is odd: lost attempts, unpriced calls, estimates against facts.

Each finding says what to do about it. It changes nothing.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from tokens_forge.cli.output import hint_left_out, say, say_json, show
from tokens_forge.files.paths import Paths

if TYPE_CHECKING:
    from tokens_forge.core.health import CooldownShown
    from tokens_forge.files.ledger_reader import Unsure

_DAYS = 30


def doctor(
    ctx: typer.Context,
    days: Annotated[int, typer.Option(min=1, help="How far back to look for what is not sure.")] = _DAYS,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what is not known for sure, and how good the estimates are that holds are made of.

    Lost attempts (a process died under them), calls without a price, and for each candidate how its input estimate
    compares with what was billed and how long its replies are.
    """
    from datetime import UTC, datetime, timedelta

    from tokens_forge.cli.state import state
    from tokens_forge.files.ledger_reader import unsure

    paths: Paths = ctx.obj
    now = state(paths)
    since = datetime.now(UTC) - timedelta(days=days)
    found = unsure(paths.ledger, since.date().isoformat())
    if as_json:
        say_json(
            {
                "days": days,
                "lost": found.lost,
                "unpriced": found.unpriced,
                "flags": found.flags,
                "estimates": now.estimates,
                "cooldowns": now.cooldowns,
                "left_out": [line.document() for line in found.left_out],
            }
        )
        hint_left_out(found.left_out)
        return
    hint_left_out(found.left_out)
    _tell(found, days)
    for cooldown in now.cooldowns:
        say(f"{cooldown.scope} {cooldown.name} {_passed_over(cooldown)}; `tf routes` says why")
    if not now.estimates:
        say("estimates: no call has taught any yet")
        return
    from tokens_forge.view.estimates import estimates_view

    say("")
    show(estimates_view(now.estimates))


def _passed_over(cooldown: "CooldownShown") -> str:
    from tokens_forge.core.story import clock

    match cooldown.state:
        case "cooling":
            return f"is passed over until {clock(cooldown.until)}"
        case "probing":
            return "is passed over while its probe is under way"
        case "probe_due":
            return "cooled; the next call is its probe"


def _tell(found: "Unsure", days: int) -> None:
    for lost in found.lost:
        say(
            f"lost: {lost.id}/{lost.n} was under way when tf stopped; {lost.balance} was charged its hold of "
            f'{lost.charge} {lost.unit}. Look it up at the provider, then `tf balance adjust {lost.balance} "AMOUNT '
            f'{lost.unit}" --corrects {lost.id}` (what to give back)'
        )
    for name, calls in found.unpriced.items():
        number = f"{calls} {'call' if calls == 1 else 'calls'}"
        say(f"unpriced: {number} of {name}: `tf prices {name}` shows what is known of it")
    for flag, attempts in found.flags.items():
        say(f"flag {flag}: {attempts} {'attempt' if attempts == 1 else 'attempts'}")
    if not (found.lost or found.unpriced or found.flags or found.left_out):
        say(f"nothing is in doubt in the last {days} days")
