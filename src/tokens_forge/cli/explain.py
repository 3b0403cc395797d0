"""`tf explain`: the story of one call, from the ledger's files alone, whether a proxy runs or not."""

from typing import Annotated

import typer

from tokens_forge.cli.output import say_json, show
from tokens_forge.files.paths import Paths


def explain(
    ctx: typer.Context,
    call: Annotated[
        str,
        typer.Argument(
            metavar="ID|last",
            help="The call: its id (`x-request-id`), its beginning or end, the upstream's response id, or `last`.",
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell the story of one call: which balance paid, why that one, what was tried, and the charge line by line.

    For example: tf explain last
    """
    from tokens_forge.core.story import tell
    from tokens_forge.files.ledger_reader import find

    paths: Paths = ctx.obj
    story = tell(find(paths.ledger, call))
    if as_json:
        say_json(story)
        return
    from tokens_forge.view.story import story_view

    show(story_view(story))
