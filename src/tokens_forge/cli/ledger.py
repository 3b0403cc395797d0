"""`tf ledger`: the record itself: whether it is whole."""

from typing import Annotated

import typer

from tokens_forge.cli.output import hint, say, say_json
from tokens_forge.core.errors import LedgerDamaged
from tokens_forge.files.paths import Paths

app = typer.Typer(help="Look after the ledger.", no_args_is_help=True)


@app.callback()
def ledger() -> None:
    """Keep `verify` a word of its own: a Typer of one command would swallow it."""


@app.command("verify")
def verify(ctx: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check that every line follows from the one before: number, time and chain. Exits 1 at the first that does not."""
    from tokens_forge.files import ledger_reader

    paths: Paths = ctx.obj
    try:
        found = ledger_reader.verify(paths.ledger)
    except LedgerDamaged as error:
        if as_json:
            say_json({"whole": False, "damage": str(error)})
        raise
    if as_json:
        say_json({"whole": True, "verified": found})
        return
    if not found.lines:
        hint(f"No ledger in {paths.ledger} yet: `tf serve` begins one with its first call.")
        return
    pages = "1 page" if found.pages == 1 else f"{found.pages:,} pages"
    say(f"whole: {found.lines:,} lines in {pages}, {found.first} to {found.last}")
    say(f"the last is number {found.seq}, its chain {found.chain}")
    if found.begins_after:
        hint(f"The pages up to {found.begins_after} are not in this folder: what they hold is not checked.")
    if found.torn_bytes:
        hint(
            f"{found.torn_bytes} bytes after the last whole line: a write that is under way, or cut at the next start."
        )
