"""`tf plan`: which balance a call would burn now, and why; nothing is sent.

A running proxy is asked, as it alone knows what is held and what cools at this moment; without one the ledger's files
say it.
"""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tokens_forge.cli.output import say_json, show
from tokens_forge.core.errors import ForgeError
from tokens_forge.files.paths import Paths

if TYPE_CHECKING:
    from tokens_forge.core.dialects import DialectName
    from tokens_forge.core.entries import CacheLife, Need
    from tokens_forge.core.plan import Plan, PlanOrder


def plan(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model, as a client would ask for it.")],
    tokens_in: Annotated[int, typer.Option("--in", min=0, help="Tokens of input.")] = 1000,
    tokens_out: Annotated[
        int | None,
        typer.Option(
            "--out", min=0, help="Tokens of output to expect (else `[policy] expected_output`).", show_default=False
        ),
    ] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option(
            min=1, help="The most tokens of output, held for (else `[settle] output_bound`).", show_default=False
        ),
    ] = None,
    kept: Annotated[
        int, typer.Option(min=0, help="Tokens of the conversation that the provider keeps (`previous_response_id`).")
    ] = 0,
    cache: Annotated[
        str, typer.Option(metavar="5m|30m|1h|12h", help="Mark the prompt for caching.", show_default=False)
    ] = "",
    key: Annotated[str, typer.Option(help="The key that asks: its classes and budgets.", show_default=False)] = "",
    needs: Annotated[
        str,
        typer.Option(help="What it asks beyond text: tools,vision,json_schema,audio,files.", show_default=False),
    ] = "",
    dialect: Annotated[
        str,
        typer.Option(metavar="chat|responses|messages", help="What its client speaks (else any).", show_default=False),
    ] = "",
    login: Annotated[
        bool | None,
        typer.Option(
            "--login/--no-login",
            help="Whether its client brings a login of its own (else it does).",
            show_default=False,
        ),
    ] = None,
    task: Annotated[str, typer.Option(help="The task: its cap and budgets.", show_default=False)] = "",
    route_class: Annotated[
        str, typer.Option("--class", help="Pin a class, as `x-tf-class` does.", show_default=False)
    ] = "",
    route: Annotated[str, typer.Option(help="Pin a route, as `x-tf-route` does.", show_default=False)] = "",
    fallback: Annotated[
        str, typer.Option(help="Where it must stay, as `x-tf-fallback` says.", show_default=False)
    ] = "",
    max_charge: Annotated[
        str, typer.Option(help="The most that it may hold, as `x-tf-max-charge` says.", show_default=False)
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say which balance a call would burn now, and why; nothing is sent.

    For example: tf plan gpt-6.1-sol --in 20000 --out 1000 --key aider
    """
    from tokens_forge.core.plan import PlanOrder

    order = PlanOrder(
        model=model,
        key=key,
        task=task,
        route_class=route_class,
        route=route,
        fallback=fallback,
        max_charge=max_charge,
        needs=_needs(needs),
        dialect=_dialect(dialect),
        login=login,
        input=tokens_in,
        output=tokens_out,
        kept=kept,
        caches=_cache(cache),
        bound=max_tokens,
    )
    planned = _planned(ctx.obj, order)
    if as_json:
        say_json(planned)
    else:
        from tokens_forge.view.plan import plan_view

        show(plan_view(planned))
    if planned.refused:
        raise typer.Exit(1)


def _needs(written: str) -> "tuple[Need, ...]":
    """Return the words of a list. Raises ForgeError for one that is none."""
    from typing import cast, get_args

    from tokens_forge.core.config import did_you_mean
    from tokens_forge.core.entries import Need

    words = tuple(word.strip() for word in written.split(",") if word.strip())
    for word in words:
        if word not in get_args(Need):
            raise ForgeError(f"--needs: there is no `{word}`.{did_you_mean(word, get_args(Need))}")
    return cast("tuple[Need, ...]", words)


def _cache(written: str) -> "CacheLife | None":
    """Return how long a prompt is kept. Raises ForgeError for a word that is no such time."""
    from typing import cast, get_args

    from tokens_forge.core.config import did_you_mean
    from tokens_forge.core.entries import CacheLife

    if written and written not in get_args(CacheLife):
        raise ForgeError(f"--cache: there is no `{written}`.{did_you_mean(written, get_args(CacheLife))}")
    return cast("CacheLife", written) if written else None


def _dialect(written: str) -> "DialectName | Literal['']":
    """Return the ledger's name of a client's dialect. Raises ForgeError for one that is none."""
    from tokens_forge.core.config import did_you_mean
    from tokens_forge.core.dialects import DIALECT_OF

    for endpoint, name in DIALECT_OF.items():
        if endpoint == written:
            return name
    if written:
        raise ForgeError(f"--dialect: there is no `{written}`.{did_you_mean(written, DIALECT_OF)}")
    return ""


def _planned(paths: Paths, order: "PlanOrder") -> "Plan":
    """Return the plan by the running proxy, else by the ledger's files. Raises ForgeError for names that are none."""
    import msgspec

    from tokens_forge.cli.socket import ask
    from tokens_forge.core.candidates import models
    from tokens_forge.core.config import did_you_mean
    from tokens_forge.core.plan import Plan
    from tokens_forge.files.config_file import load

    _check_key(paths, order.key)
    answer = ask(paths, "POST", "/plan", order)
    planned = _here(paths, order) if answer is None else msgspec.json.decode(answer, type=Plan)
    if not planned.candidates:
        config = load(paths.config, paths.prices)
        raise ForgeError(f"no model `{order.model}`.{did_you_mean(order.model, models(config, order.key))}")
    return planned


def _here(paths: Paths, order: "PlanOrder") -> "Plan":
    from tokens_forge.cli.state import standing
    from tokens_forge.core.candidates import match
    from tokens_forge.core.plan import plan as planned
    from tokens_forge.core.prices import Cards
    from tokens_forge.core.settlement import Terms
    from tokens_forge.files.price_catalog import Catalog, cards_with
    from tokens_forge.files.zones import calendar

    stood = standing(paths)
    config = stood.config
    names = (one.name for one in match(config, order.model).candidates)
    cards = cards_with(config, Cards(), names, Catalog(paths.catalogue))
    terms = Terms(config=config, cards=cards, calendar=calendar(config.report))
    return planned(terms, stood.fold, order, stood.at)


def _check_key(paths: Paths, key: str) -> None:
    """Raise ForgeError for a key that is neither issued nor in the config: by its name nobody could call."""
    from tokens_forge.core.config import did_you_mean
    from tokens_forge.files.config_file import load
    from tokens_forge.files.keys_file import listing, read_keys

    if not key:
        return
    issued = {one.name for one in listing(read_keys(paths.keys))}
    known = issued | load(paths.config, paths.prices).key.keys()
    if key not in known:
        raise ForgeError(f"no key `{key}`.{did_you_mean(key, known)}")
