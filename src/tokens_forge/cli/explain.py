"""`tf explain`: the story of one call, from the ledger's files alone, whether a proxy runs or not."""

from typing import Annotated

import typer

from tokens_forge.cli.output import hint, hint_left_out, say_json, show
from tokens_forge.core.errors import ForgeError
from tokens_forge.files.paths import Paths

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
        if again is not None:
            show(replay_view(again))
    if again is not None and not again.proven:
        if again.agreed < len(again.decisions):
            hint(_DIFFERS)
        raise typer.Exit(1)
