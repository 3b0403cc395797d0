"""`tf ledger`: the record itself: whether it is whole."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from tokens_forge.cli.output import hint, say, say_json
from tokens_forge.files.paths import Paths

if TYPE_CHECKING:
    from tokens_forge.files.pages import BadLine

app = typer.Typer(help="Look after the ledger.", no_args_is_help=True)

_OF_PLACE = ("chain", "seq", "previous", "page", "type")
"""What of a line says where it stands."""


@app.callback()
def ledger() -> None:
    """Keep `verify` a word of its own: a Typer of one command would swallow it."""


@app.command("verify")
def verify(ctx: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check every line: that it follows from the one before, and that its figures are figures.

    A line must have the next number, a time that is no earlier and the right chain, and be an entry of its kind;
    amounts must fit the format, counts be whole, moments be moments. Each line that is wrong is named; exits 1 when one
    is.
    """
    from tokens_forge.files import ledger_reader

    paths: Paths = ctx.obj
    examined = ledger_reader.examine(paths.ledger)
    found, bad = examined.verified, examined.bad
    cut = _cut(paths) if bad else None
    if as_json:
        say_json(
            {
                "whole": not bad,
                "verified": found,
                "bad": [{**line.document(), "next": _next_step(line, cut)} for line in bad],
            }
        )
        if bad:
            raise typer.Exit(1)
        return
    if bad:
        _tell(bad, cut)
    elif found.lines:
        pages = "1 page" if found.pages == 1 else f"{found.pages:,} pages"
        say(f"whole: {found.lines:,} lines in {pages}, {found.first} to {found.last}")
        say(f"the last is number {found.seq}, its chain {found.chain}")
    else:
        hint(f"No ledger in {paths.ledger} yet: `tf serve` begins one with its first call.")
    if found.begins_after:
        hint(f"The pages up to {found.begins_after} are not in this folder: what they hold is not checked.")
    if found.torn_bytes:
        hint(
            f"{found.torn_bytes} bytes after the last whole line: a write that is under way, or cut at the next start."
        )
    if bad:
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cut:
    """Where a start stops, and how to go on there without a backup."""

    page: str
    how: str


def _cut(paths: Paths) -> _Cut | None:
    """Return where a start stops, which is on the newest page; None where it does not."""
    from tokens_forge.core.errors import LedgerDamaged
    from tokens_forge.files.ledger_writer import cut_before, stand
    from tokens_forge.files.pages import page_path, pages

    try:
        stand(paths)
    except LedgerDamaged as damage:
        page = pages(paths.ledger)[-1]
        return _Cut(page=page, how=cut_before(page_path(paths.ledger, page), damage.line))
    return None


def _tell(bad: "tuple[BadLine, ...]", cut: _Cut | None) -> None:
    """Say what is wrong, line by line, and each next step once."""
    lines = len({line.where for line in bad})
    say(f"not whole: {lines:,} {'line is' if lines == 1 else 'lines are'} wrong")
    for line in bad:
        number = f"number {line.seq}" if line.seq else "no number"
        say(f"{line.where} ({number}){f' {line.field}' if line.field else ''}: {line.wrong}")
    for step in dict.fromkeys(_next_step(line, cut) for line in bad):
        hint(step)


def _next_step(bad: "BadLine", cut: _Cut | None) -> str:
    """Return what to do about a line that is wrong."""
    if bad.field == "v":
        return "Another version wrote this line: read the ledger with that one."
    if cut is not None and bad.page == cut.page:
        return f"Nothing starts while it stands so: put the page back from a backup, or go on without one. {cut.how}"
    if bad.field.partition(".")[0] in _OF_PLACE:
        return (
            "Compare the page with a backup: up to the line that is named it is as it was written. Put the backup back "
            "where it has more."
        )
    return (
        "Reports leave this line out, or count it without what is wrong. Put the page back from a backup; without one, "
        'enter what the balance really is, if it is wrong, with `tf balance set NAME "AMOUNT UNIT"`.'
    )
