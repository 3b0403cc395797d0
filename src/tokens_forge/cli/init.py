"""`tf init`: from nothing to a config, a funded balance and a key, in one command.

It finds the provider keys in the environment, takes or asks for what is left at each provider, writes the config,
posts the opening balances and issues a first key. It never overwrites a config and never sends anything. What the
user's tool needs is on stdout: two lines for its shell; the rest is said on stderr. A subscription is used by its
tool's own login, so `tf connect` goes on from there; for a config that is there already its tables are printed.
"""

import os
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from tokens_forge.cli.output import hint, say
from tokens_forge.core import money
from tokens_forge.core.config import CATALOGUE_UNIT, NAME_RULE, Server, did_you_mean, is_name
from tokens_forge.core.entries import Adjusted
from tokens_forge.core.errors import ForgeError, MoneyError
from tokens_forge.core.money import Amount
from tokens_forge.core.typed import read_typed, read_typed_unit, unasked
from tokens_forge.files.paths import Paths, private_folder, write_private

if TYPE_CHECKING:
    from tokens_forge.files.first_config import First, Subscription
    from tokens_forge.files.ledger_writer import Ledger

Answer = TypeVar("Answer")

_FIRST_KEY = "default"


def init(
    ctx: typer.Context,
    upstream: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=BASE_URL", help="An OpenAI-compatible endpoint, such as a relay.", show_default=False
        ),
    ] = None,
    balance: Annotated[
        list[str] | None,
        typer.Option(metavar='"NAME=25.00 USD"', help="What is left at a provider.", show_default=False),
    ] = None,
    fx: Annotated[
        list[str] | None,
        typer.Option(metavar="UNIT=RATE", help="Units of a balance's currency for one USD.", show_default=False),
    ] = None,
    subscription: Annotated[
        list[str] | None,
        typer.Option(metavar="claude|codex", help="A plan used by its tool's own login.", show_default=False),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The first key's name: who will use it.", show_default=_FIRST_KEY),
    ] = None,
) -> None:
    """Write a first config, post what is left at your providers, and issue a key.

    A subscription can be added to a config later: its tables are printed then, and nothing is written.
    """
    from tokens_forge.files import first_config
    from tokens_forge.files.ledger_writer import open_ledger

    paths: Paths = ctx.obj
    plans = _plans(subscription or [])
    if plans and not (upstream or balance or fx or key) and os.path.lexists(paths.config):
        _say_what_to_add(ctx, paths, plans)
        return
    _refuse_to_overwrite(paths)
    urls = _pairs(upstream or [], "--upstream", "NAME=BASE_URL")
    given = _pairs(balance or [], "--balance", '"NAME=25.00 USD"')
    amounts = {name: _amount(written) for name, written in given.items()}
    rates = {read_typed_unit(unit): _rate(written) for unit, written in _pairs(fx or [], "--fx", "CNY=7.10").items()}
    providers = [provider for provider in first_config.found(os.environ) if provider.name not in urls]
    if not providers and not urls and not plans:
        variables = ", ".join(provider.variable for provider in first_config.PROVIDERS)
        raise ForgeError(
            f"no provider's key is in the environment ({variables}): export one, name an endpoint with "
            "`--upstream NAME=BASE_URL`, or a plan with `--subscription claude`"
        )
    # The key of a tool that keeps its login is issued by `tf connect`; an SDK's has nothing to pay with there.
    key = key or ("" if not providers and not urls else _FIRST_KEY)
    parts = [
        *(first_config.of_subscription(plan) for plan in plans),
        *(first_config.of_provider(provider) for provider in providers),
        *(first_config.of_url(name, url) for name, url in urls.items()),
    ]
    _check(parts, amounts, key)
    if sys.stdin.isatty():
        _ask(parts, amounts, rates)
    parts = [first_config.in_unit(part, amounts[part.name].unit) if part.name in amounts else part for part in parts]
    text = _valid(paths, first_config.text(parts, key=key, rates=rates))
    now = datetime.now(UTC)
    # The lock is taken before anything is written: with another process on this ledger, nothing is left half done.
    with open_ledger(paths, now) as ledger:
        _refuse_to_overwrite(paths)
        private_folder(paths.config.parent)
        write_private(paths.config, text.encode())
        hint(f"Wrote {paths.config}")
        for name, amount in amounts.items():
            _open_balance(ledger, name, amount, now)
    for part in parts:
        _say_what_is_missing(ctx, part, amounts)
    if key:
        by_key = [part.dialect for part in parts if part.subscription is None]
        _say_the_key(paths, key, now, anthropic="anthropic" in by_key)
        hint(f"Or `{_command(ctx, 'connect', 'TOOL')}` writes that into a tool's own settings: {_tools()}.")
    for plan in plans:
        _say_how_it_is_used(ctx, plan)
    hint(f"Then start the proxy: {_command(ctx, 'serve')}")


def _plans(names: list[str]) -> "list[Subscription]":
    from tokens_forge.files.first_config import SUBSCRIPTIONS

    known = {plan.name: plan for plan in SUBSCRIPTIONS}
    for name in names:
        if name not in known:
            raise typer.BadParameter(f"`{name}` is not known.{did_you_mean(name, known)}", param_hint="--subscription")
    return [known[name] for name in dict.fromkeys(names)]


def _say_what_to_add(ctx: typer.Context, paths: Paths, plans: "Sequence[Subscription]") -> None:
    """Print the tables of subscriptions for a config that is there. Raises ForgeError where they would not fit in."""
    from tokens_forge.files import first_config
    from tokens_forge.files.config_file import load

    config = load(paths.config, paths.prices)
    for plan in plans:
        for table, names in (("balance", config.balance), ("upstream", config.upstream), ("route", config.route)):
            if plan.name in names:
                raise ForgeError(
                    f"{paths.config} has a `[{table}.{plan.name}]` already and stays as it is: `tf check` says what it "
                    "means"
                )
    hint(f"{paths.config} is there already and stays as it is. Add this to it:")
    say(first_config.blocks([first_config.of_subscription(plan) for plan in plans], rates={}).rstrip("\n"))
    for plan in plans:
        _say_how_it_is_used(ctx, plan)


def _say_how_it_is_used(ctx: typer.Context, plan: "Subscription") -> None:
    connect = _command(ctx, "connect", plan.tool, "--login", "keep")
    hint(f"The subscription `{plan.name}` is used by {plan.tool}, which goes on sending its own login: {connect}")


def _tools() -> str:
    from tokens_forge.files.tool_settings import TOOLS

    return ", ".join(name for name, tool in TOOLS.items() if tool.files)


def _refuse_to_overwrite(paths: Paths) -> None:
    if os.path.lexists(paths.config):
        raise ForgeError(f"{paths.config} is there already and stays as it is: `tf check` says what it means")


def _pairs(written: list[str], option: str, form: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for pair in written:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise typer.BadParameter(f"`{pair}` is not of the form {form}", param_hint=option)
        if name.strip() in pairs:
            raise typer.BadParameter(f"`{name.strip()}` is given twice", param_hint=option)
        pairs[name.strip()] = value.strip()
    return pairs


def _amount(written: str) -> Amount:
    amount = read_typed(written)
    if amount.value < 0:
        raise MoneyError(f"`{written}` is less than nothing: write what is left, 0 or more")
    return amount


def _rate(written: str) -> str:
    """Return an exchange rate as it was written. Raises MoneyError for a text that is none."""
    if not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,12})?", written) or not Decimal(written):
        raise MoneyError(f"`{written}` is no exchange rate: write a number above 0, such as `7.10`")
    return written


def _check(parts: "Sequence[First]", amounts: Mapping[str, Amount], key: str) -> None:
    names = [part.name for part in parts]
    for name in (*names, *([key] if key else [])):
        if not is_name(name):
            raise ForgeError(f"`{name}` is no name: {NAME_RULE}")
    taken = next((name for name in names if names.count(name) > 1), "")
    if taken:
        raise ForgeError(f"`{taken}` is the name of a subscription here: give the upstream another one")
    plans = [part.name for part in parts if part.subscription]
    free = [part.name for part in parts if not part.unit]
    for name in amounts:
        if name not in names:
            raise ForgeError(f"no provider or upstream named `{name}`.{did_you_mean(name, names)}")
        if name in plans:
            raise ForgeError(f"`{name}` is a subscription, counted by its provider: leave its --balance out")
        if name in free:
            raise ForgeError(f"`{name}` is on this machine and free: leave its --balance out")


def _ask(parts: "Sequence[First]", amounts: dict[str, Amount], rates: dict[str, str]) -> None:
    """Ask the person at the terminal what is left where, until the answer can be read."""
    for part in parts:
        if part.name in amounts or not part.unit:
            continue
        question = f"What does {part.name} say is left? (such as 25.00 USD; Enter: not now)"
        amount = _answer(question, lambda written: _amount(written) if written else None)
        if amount is None:
            continue
        amounts[part.name] = amount
        if amount.unit not in (CATALOGUE_UNIT, *rates):
            rates[amount.unit] = _answer(f"How many {amount.unit} is one {CATALOGUE_UNIT} there? (such as 7.10)", _rate)


def _answer(question: str, read: Callable[[str], Answer]) -> Answer:
    """Return what `read` makes of the first answer that it takes. Without one more answer the command ends."""
    while True:
        # `input` and typer's prompt write on stdout, which is for the tool's lines alone.
        sys.stderr.write(f"{question}: ")
        sys.stderr.flush()
        written = sys.stdin.readline()
        if not written:
            raise typer.Exit(130)
        try:
            return read(written.strip())
        except MoneyError as error:
            hint(str(error))


def _valid(paths: Paths, text: str) -> str:
    """Return `text` if it is a config without errors; what the user gave may not make one."""
    from tokens_forge.files.config_file import read_text

    errors = [problem.what for problem in read_text(paths.config, text)[1] if not problem.warning]
    if errors:
        raise ForgeError("\n".join(["nothing was written:", *errors]))
    return text


def _open_balance(ledger: "Ledger", name: str, amount: Amount, now: datetime) -> None:
    """Post what is left as the balance's first entry, unless it has entries: then it is not for this command."""
    if name in ledger.fold.book.balances:
        shown = unasked(str(amount))
        hint(f'The balance `{name}` has entries already and stays as it is: `tf balance set {name} "{shown}"`')
        return
    left = money.text(amount.value)
    opening = Adjusted(
        balance=name, amount=left, unit=amount.unit, reason="opening", balance_before="0", balance_after=left
    )
    ledger.append(opening, ledger.stamp(now))
    hint(f"The balance `{name}` holds {amount}")


def _say_what_is_missing(ctx: typer.Context, part: "First", amounts: Mapping[str, Amount]) -> None:
    form, _, variable = part.credential.partition(":")
    if form == "env" and not os.environ.get(variable):
        hint(f"The key of `{part.name}` is still missing: export {variable}=...")
    if part.unit and part.name not in amounts:
        topup = _command(ctx, "balance", "topup", part.name, f"25.00 {part.unit}")
        hint(f"The balance `{part.name}` is empty, so nothing is paid from it. Enter what is left there: {topup}")


def _say_the_key(paths: Paths, name: str, now: datetime, *, anthropic: bool) -> None:
    """Issue the first key and print what the user's tool needs; an earlier key of that name stays as it is.

    `anthropic`: tools that speak as Anthropic's do have an upstream of their own too.
    """
    from tokens_forge.files import keys_file

    server = Server()
    url = f"http://{server.host}:{server.port}"
    lines = [f"export OPENAI_BASE_URL={url}/v1", *([f"export ANTHROPIC_BASE_URL={url}"] if anthropic else [])]
    with keys_file.changing(paths.keys) as change:
        if name in change.ring.key:
            hint(f"The key `{name}` is there already: `tf keys rotate {name}` gives it a new token")
            say("\n".join(lines))
            return
        token = keys_file.new_token()
        change.ring = keys_file.new(change.ring, name, token=token, now=now)
    hint(f"The key `{name}` is issued; its token is shown once. In the shell of your tool:")
    lines.insert(1, f"export OPENAI_API_KEY={token}")
    say("\n".join([*lines, *([f"export ANTHROPIC_AUTH_TOKEN={token}"] if anthropic else [])]))


def _command(ctx: typer.Context, *words: str) -> str:
    """Return a line that can be run, on the same files as this command."""
    given = ctx.parent.params if ctx.parent else {}
    options = [
        word
        for name, option in (("config", "--config"), ("data_dir", "--data-dir"))
        if given.get(name)
        for word in (option, str(given[name]))
    ]
    return shlex.join(["tf", *options, *(["--demo"] if given.get("demo") else []), *words])
