"""`tf demo`: real calls through a real proxy to scripted upstreams, and what the ledger then answers.

It prints each call as it happens and then what other commands show, each under the line that shows it again. Nothing
leaves this machine, and the user's own config and ledger are never opened.
"""

import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from tokens_forge.cli.output import say, show
from tokens_forge.core.model_ends import FLAGSHIP, SMALL
from tokens_forge.files.paths import Paths, resolve

if TYPE_CHECKING:
    import httpx

    from tokens_forge.proxy.demo import DemoCall

_PIPED = (120, 24)
"""Columns and lines of what is no terminal."""

_SET_UP = f"""\
Four scripted upstreams run on this machine, and a proxy in front of them.
Nothing leaves it, nothing costs money, and nothing of yours is touched.

  route     class         serves                            paid by
  official  direct        {f"{FLAGSHIP}, {SMALL}":<32}  openai-credit  5 USD
  relay     ordinary      {f"{FLAGSHIP} at 40 %, 7 CNY a USD":<32}  rmb-wallet    20 CNY
  plan      subscription  glm-4.6, 3 requests in 2 minutes  coding-plan
  home      local         llama3.2                          own-machine     free
"""

_COLUMNS = (7, 10, 8, 13, 14)
"""Widths of key, model, route, balance and charge."""

_CAUSES = {"rate_limited": "{} said 429", "cooling": "{} is cooling", "pool_used_up": "{} is used up"}
"""Why a call left its intended route, for the causes that the demo's script has."""

_JQ = 'select(.type == "settled") | "\\(.key) \\(.balance) \\(.charge) \\(.unit)"'

_REFUSED = {"insufficient_balance": "can't be paid", "model_not_found": "no such model"}


def demo(ctx: typer.Context) -> None:
    """Show what tf does: real calls to made-up upstreams, what they cost, and why. It needs nothing, and takes seconds.

    It begins anew each time, in a folder of its own. `tf --demo COMMAND` goes on from there.
    """
    import asyncio

    paths = demo_paths(ctx)
    fell_back = asyncio.run(_traffic(paths))
    _answers(paths, program(ctx), fell_back)


def demo_paths(ctx: typer.Context) -> Paths:
    """Return the demo's files, as ``tf --demo`` has them. Raises typer.BadParameter when a config is given."""
    given = _globals(ctx)
    if given.get("config") is not None:
        raise typer.BadParameter("the demo has a config of its own: leave it out", param_hint="--config")
    return resolve(config=None, data_dir=given.get("data_dir"), demo=True, environ=os.environ)


def is_demo(ctx: typer.Context) -> bool:
    """Say whether the command was called as ``tf --demo COMMAND``."""
    return bool(_globals(ctx).get("demo"))


def program(ctx: typer.Context) -> str:
    """Return how `tf` was called, as it can be typed again: not everybody has it on their PATH."""
    called, found = Path(sys.argv[0]), shutil.which("tf")
    on_path = found is not None and called.exists() and called.samefile(found)
    name = sys.argv[0] if called.name == "tf" and called.exists() and not on_path else "tf"
    data_dir = _globals(ctx).get("data_dir")
    return shlex.join([name, *(["--data-dir", str(data_dir)] if data_dir else [])])


def try_it(url: str, token: str) -> str:
    """Return a line that can be run: a call through the proxy at `url`."""
    return (
        f"  curl -si {url}/v1/chat/completions \\\n"
        f"    -H 'Authorization: Bearer {token}' \\\n"
        "    -H 'Content-Type: application/json' \\\n"
        """    -d '{"model": "smart", "messages": [{"role": "user", "content": "hello"}]}'"""
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reply:
    """What a client of the proxy read."""

    status: int
    headers: "httpx.Headers"
    charge: str
    """With its unit; empty when nothing was charged."""
    error: str
    """The error's code."""


async def _traffic(paths: Paths) -> str:
    """Make the calls, print each, and return the id of the one that fell back after an attempt."""
    import httpx

    from tokens_forge.proxy.demo import CALLS, standing
    from tokens_forge.proxy.server import running

    fell_back = ""
    async with (
        standing(paths, datetime.now(UTC), anew=True) as tokens,
        running(paths, os.environ, port=0) as proxy,
        httpx.AsyncClient(base_url=proxy.url, trust_env=False, timeout=30) as client,
    ):
        say(_SET_UP)
        say(f"{len(CALLS)} calls to {proxy.url}/v1, as they happen:\n")
        _row(("key", "model", "route", "balance", "charge"), ("what happened",), "dim")
        for call in CALLS:
            reply = await _call(client, call, tokens[call.key])
            _line(call, reply)
            if reply.headers.get("x-tf-fell-back") and reply.headers["x-tf-attempts"] != "1":
                fell_back = fell_back or reply.headers["x-request-id"]
    return fell_back


async def _call(client: "httpx.AsyncClient", call: "DemoCall", token: str) -> _Reply:
    import msgspec

    class _Receipt(msgspec.Struct):
        charge: str
        unit: str

    class _Error(msgspec.Struct):
        code: str

    class _Refusal(msgspec.Struct):
        error: _Error

    answer = await client.post(call.path, content=call.body(), headers=dict(call.headers(token)))
    charge = answer.headers.get("x-tf-charge", "")
    error = ""
    if not answer.is_success:
        error = msgspec.json.decode(answer.content, type=_Refusal).error.code
    elif call.stream:
        # The receipt of a stream is a comment before its end: its charge is not known when the headers go out.
        line = next(line for line in answer.content.split(b"\n") if line.startswith(b": tf "))
        receipt = msgspec.json.decode(line.removeprefix(b": tf "), type=_Receipt)
        charge = f"{receipt.charge} {receipt.unit}"
    return _Reply(status=answer.status_code, headers=answer.headers, charge=charge, error=error)


def _line(call: "DemoCall", reply: _Reply) -> None:
    """Print one call in one line."""
    charge = "free" if reply.charge.endswith(" free") else reply.charge
    figures = (reply.headers.get("x-tf-route", "-"), reply.headers.get("x-tf-balance", "-"), charge or "-")
    if reply.error:
        _row((call.key, call.model, *figures), (f"{reply.status} {_REFUSED.get(reply.error, reply.error)}",), "red")
    elif fell := reply.headers.get("x-tf-fell-back"):
        _row((call.key, call.model, *figures), (_cause(fell), *_how(call)), "yellow")
    else:
        _row((call.key, call.model, *figures), tuple(_how(call)) or ("answered",), "green")


def _how(call: "DemoCall") -> Iterator[str]:
    if call.messages:
        yield "asked in Messages"
    if call.stream:
        yield "streamed"


def _cause(fell_back: str) -> str:
    """Return why a call fell back, from its header ``FROM>TO; CAUSE``."""
    steps, _, cause = fell_back.partition("; ")
    return _CAUSES.get(cause, f"{{}}: {cause}").format(steps.partition("/")[0])


def _row(cells: tuple[str, ...], happened: tuple[str, ...], style: str) -> None:
    """Print a row; of what happened the first, and the rest where the screen has room for it."""
    from rich.text import Text

    row = "  ".join(
        cell.rjust(width) if width == _COLUMNS[-1] else cell.ljust(width)
        for cell, width in zip(cells, _COLUMNS, strict=True)
    )
    said = ", ".join(happened)
    if len(row) + 2 + len(said) > shutil.get_terminal_size(_PIPED).columns:
        said = happened[0]
    show(Text.assemble((row, "dim" if style == "dim" else ""), "  ", (said, style)))


def _answers(paths: Paths, tf: str, fell_back: str) -> None:
    """Print what the ledger answers, and how to go on."""
    from tokens_forge.cli.periods import chosen
    from tokens_forge.core.book import balances
    from tokens_forge.core.moments import stamp
    from tokens_forge.core.story import tell
    from tokens_forge.files.config_file import load
    from tokens_forge.files.ledger_reader import find
    from tokens_forge.files.ledger_writer import stand
    from tokens_forge.reports import spend
    from tokens_forge.reports.periods import Asked
    from tokens_forge.view.balances import balances_view
    from tokens_forge.view.spend import spend_view
    from tokens_forge.view.story import story_view

    period, name, zone = chosen(paths, Asked(today=True), "")
    _title(f"$ {tf} --demo spend --by balance,key --today")
    show(spend_view(spend.spend(paths.ledger, period, by=("balance", "key"), timezone=name, zone=zone), zone))
    _title(f"$ {tf} --demo explain {fell_back}")
    show(story_view(tell(find(paths.ledger, fell_back))))
    _title(f"$ {tf} --demo balance")
    at = stamp(datetime.now(UTC))
    show(balances_view(balances(load(paths.config, paths.prices), stand(paths).fold.book, at)))
    _title("Go on from here")
    for line, what in _further(paths, tf).items():
        say(f"  {line}\n      {what}")
    say(f"\nThe ledger is in {paths.ledger}, the config beside it in {paths.config.name}.")


def _title(text: str) -> None:
    from rich.text import Text

    say("")
    show(Text(text, style="bold cyan"))
    say("")


def _further(paths: Paths, tf: str) -> Mapping[str, str]:
    pages = f"{shlex.quote(str(paths.ledger))}/*.jsonl"
    return {
        f"{tf} --demo explain last": "why the last call was refused",
        f"{tf} --demo spend --by key --week": "who spent how much",
        f"{tf} --demo monitor": "the same calls on a live screen",
        f"{tf} serve --demo": "the same proxy for your own tools, with a line to try",
        f"jq -r '{_JQ}' {pages}": "each charge, straight from the file",
    }


def _globals(ctx: typer.Context) -> dict[str, Any]:
    return ctx.parent.params if ctx.parent else {}
