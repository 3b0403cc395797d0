"""`tf monitor`: the ledger on a screen, as it grows."""

import sys

import typer

from tokens_forge.cli.output import hint
from tokens_forge.files.paths import Paths


def monitor(ctx: typer.Context) -> None:
    """Watch calls as they are held and settled, the story of each, and the balances.

    It reads the ledger's files: any proxy's, running or not.
    """
    paths: Paths = ctx.obj
    if not sys.stdout.isatty():
        hint("tf monitor needs a terminal; `tf explain last` and `tf spend` answer in a pipe.")
        raise typer.Exit(1)
    from tokens_forge.tui.app import Monitor

    Monitor(paths.ledger, configs=paths.configs).run()
