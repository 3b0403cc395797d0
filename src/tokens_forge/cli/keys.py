"""`tf keys`: issue, list, revoke and rotate the keys that clients use.

A token is printed alone on stdout, once; what there is to say about it goes to stderr, so that
``TOKEN=$(tf keys new aider)`` holds the token and nothing else.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from tokens_forge.cli.output import hint, say, say_json
from tokens_forge.files.paths import Paths

if TYPE_CHECKING:
    from tokens_forge.files.keys_file import Listed

app = typer.Typer(help="Issue, list, revoke and rotate the keys that clients use.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The key's name, as reports show it.")]


@app.command("new")
def new(ctx: typer.Context, name: Name) -> None:
    """Issue a key and print its token, once."""
    from tokens_forge.files import keys_file

    paths: Paths = ctx.obj
    token = keys_file.new_token()
    with keys_file.changing(paths.keys) as change:
        change.ring = keys_file.new(change.ring, name, token=token, now=datetime.now(UTC))
    say(token)
    hint("This is shown once; only its digest is kept. A running proxy takes it at once.")
    hint(f"What it may use: `[key.{name}] classes = [...]` in {paths.config}; without that, everything.")


@app.command("list")
def list_keys(ctx: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List every key that was issued, revoked ones too."""
    from tokens_forge.files import keys_file

    paths: Paths = ctx.obj
    listed = keys_file.listing(keys_file.read_keys(paths.keys))
    if as_json:
        say_json({"keys": [_row(key) for key in listed]})
        return
    if not listed:
        hint("There is no key yet: `tf keys new NAME` issues one.")
        return
    width = max(len("key"), *(len(key.name) for key in listed))
    say(f"{'key':<{width}}  {'issued':<20}  state")
    for key in listed:
        say(f"{key.name:<{width}}  {_short(key.created):<20}  {_state(key)}")


@app.command("revoke")
def revoke(ctx: typer.Context, name: Name) -> None:
    """End a key. A running proxy refuses it at once; its history stays."""
    from tokens_forge.files import keys_file

    paths: Paths = ctx.obj
    with keys_file.changing(paths.keys) as change:
        change.ring = keys_file.revoke(change.ring, name, now=datetime.now(UTC))
    hint(f"The key `{name}` has ended.")


@app.command("rotate")
def rotate(ctx: typer.Context, name: Name) -> None:
    """Give a key a new token and print it, once; the old one ends at once."""
    from tokens_forge.files import keys_file

    paths: Paths = ctx.obj
    token = keys_file.new_token()
    with keys_file.changing(paths.keys) as change:
        change.ring = keys_file.rotate(change.ring, name, token=token, now=datetime.now(UTC))
    say(token)
    hint("This is shown once; the token before has ended.")


def _row(key: "Listed") -> dict[str, object]:
    """Return the stable shape of a key in JSON; what does not apply is absent."""
    row = {"name": key.name, "created": key.created, "rotated": key.rotated, "revoked": key.revoked}
    return {"live": not key.revoked, **{name: value for name, value in row.items() if value}}


def _state(key: "Listed") -> str:
    if key.revoked:
        return f"revoked {_short(key.revoked)}"
    return f"live, rotated {_short(key.rotated)}" if key.rotated else "live"


def _short(stamped: str) -> str:
    """Return a stamp without its fraction of a second: a list is read by people."""
    return f"{stamped[:19]}Z"
