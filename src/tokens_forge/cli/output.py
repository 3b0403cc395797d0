"""What every command prints in the same way: errors on stderr, JSON on stdout, nothing raw from outside."""

import os
import sys
from typing import TYPE_CHECKING

from tokens_forge.core.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import RenderableType

    from tokens_forge.files.pages import BadLine

_LISTED = 5
"""How many bad lines a warning names."""

_PIPED_WIDTH = 120
"""Columns of what is piped, which no terminal folds; `COLUMNS` says otherwise."""


def say(text: str) -> None:
    """Print `text` on stdout, its control characters visible."""
    print(visible(text, keep="\n"))  # noqa: T201 - a command's data goes to stdout


def say_lines(commands: "Iterable[str]") -> None:
    """Print the commands that set missing prices, each once and in one piece, so that it can be copied."""
    if lines := dict.fromkeys(command for command in commands if command):
        say("\n".join(["set by:", *(f"  {line}" for line in lines)]))


def hint(text: str) -> None:
    """Print `text` on stderr, its control characters visible: what is no data of the command."""
    print(visible(text, keep="\n"), file=sys.stderr)  # noqa: T201 - as above, to stderr


def hint_left_out(bad: "Sequence[BadLine]") -> None:
    """Say loudly on stderr which lines of the ledger could not be read, and that figures are a lower bound.

    The command's exit code stays 0: what is told is right, and who reads JSON finds the lines in `left_out`.
    """
    if not bad:
        return
    what = "1 line of the ledger" if len(bad) == 1 else f"{len(bad):,} lines of the ledger"
    hint(f"WARNING: {what} can't be read and {'is' if len(bad) == 1 else 'are'} left out: figures are a lower bound.")
    for line in bad[:_LISTED]:
        hint(f"  {line}")
    if len(bad) > _LISTED:
        hint(f"  and {len(bad) - _LISTED:,} more")
    hint("`tf ledger verify` names each, with the next step.")


def say_json(record: object) -> None:
    """Print `record` (a record, a dict or a tuple of them) as indented JSON on stdout, decimals as strings."""
    import msgspec

    from tokens_forge.core.plain import encode

    print(msgspec.json.format(encode(record), indent=2).decode())  # noqa: T201 - as above


def show(picture: "RenderableType") -> None:
    """Print a renderable of `view/` on stdout: plain when piped, without colour where `NO_COLOR` is set."""
    from rich.console import Console

    if sys.stdout.isatty():
        Console(markup=False, emoji=False, highlight=False).print(picture)
        return
    # Rich fills table rows with spaces to their width; whoever reads a pipe or a diff wants none at a line's end.
    width = None if os.environ.get("COLUMNS") else _PIPED_WIDTH
    console = Console(markup=False, emoji=False, highlight=False, width=width)
    with console.capture() as captured:
        console.print(picture)
    for line in captured.get().splitlines():
        print(line.rstrip())  # noqa: T201 - as above
