"""`tf explain`: the story of one call, from the ledger's files alone, whether a proxy runs or not."""

from typing import TYPE_CHECKING, Annotated

import typer

from tokens_forge.cli.output import hint, hint_left_out, say_json, show
from tokens_forge.core.errors import ForgeError
from tokens_forge.files.paths import Paths

if TYPE_CHECKING:
    from tokens_forge.core.story import Story

_DIFFERS = (
    "A decision that differs was made by another version of tf, or what it was made from was edited since: "
    "`tf ledger verify` says whether the ledger is as it was written."
)


def explain(
    ctx: typer.Context,
    call: Annotated[
        str,
        typer.Argument(
            metavar="ID|last",
            help="The call: its id (`x-request-id`), its beginning or end, the upstream's response id, or `last`.",
        ),
    ],
    replay: Annotated[
        bool, typer.Option("--replay", help="Make its decisions again; exits 1 when one differs or can't be made.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell the story of one call: which balance paid, why that one, what was tried, and the charge line by line.

    For example: tf explain last --replay
    """
    from tokens_forge.core.story import tell
    from tokens_forge.files.ledger_reader import tell_of

    paths: Paths = ctx.obj
    told = tell_of(paths.ledger, call)
    hint_left_out(told.left_out)
    lines = told.lines
    if not lines:
        raise ForgeError(f"no line of `{call}` can be read")
    story = tell(lines)
    again = None
    if replay:
        from tokens_forge.files.decisions import decided_again

        again = decided_again(paths, story.id, lines)
    if as_json:
        say_json({"story": story, "replay": again} if again else story)
    else:
        from tokens_forge.view.replay import replay_view
        from tokens_forge.view.story import story_view

        show(story_view(story))
        _hint_prices(paths, story)
        if again is not None:
            show(replay_view(again))
    if again is not None and not again.proven:
        if again.agreed < len(again.decisions):
            hint(_DIFFERS)
        raise typer.Exit(1)


def _hint_prices(paths: Paths, story: "Story") -> None:
    """Say how to set the prices for want of which candidates were passed over, where the config has their routes."""
    from tokens_forge.cli.state import config_or_none
    from tokens_forge.core.price_help import missing_prices, price_ways

    verdicts = (verdict.passed_over for one in story.candidates for verdict in one.verdicts)
    if missing := missing_prices(passed for passed in verdicts if passed is not None):
        config = config_or_none(paths)
        if config and (known := tuple(one for one in missing if one[0].partition("/")[0] in config.route)):
            hint(price_ways(config, known))
