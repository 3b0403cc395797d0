"""`tf check`: everything that is wrong with the config, or in a few lines what it means.

Beyond the config's own problems it looks for what a call would run into: credentials that can't be resolved, models
that no list or sheet prices, models that end, balances that nothing has funded (CASES 28). It changes nothing, and
calls nobody but with `--ask`: then each upstream for its list of models.
"""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, assert_never

import typer

from tokens_forge.cli.output import say, say_json
from tokens_forge.core.config import CLIENT, Config, Finding
from tokens_forge.core.errors import ForgeError, Problem
from tokens_forge.files.paths import Paths

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from tokens_forge.core.candidates import Candidate
    from tokens_forge.core.config import Upstream
    from tokens_forge.core.fold import Fold


_ASKED_S = 10.0
"""Seconds that an upstream has for its list of models."""


def check(
    ctx: typer.Context,
    asks: Annotated[bool, typer.Option("--ask", help="Ask the upstreams too which of their models end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what is wrong with the config, or what it means."""
    from tokens_forge.files.config_file import read, unresolved
    from tokens_forge.files.keys_file import listing, read_keys
    from tokens_forge.files.ledger_writer import stand

    paths: Paths = ctx.obj
    fold = stand(paths).fold
    keys = tuple(key.name for key in listing(read_keys(paths.keys)) if not key.revoked)
    further = (
        unresolved(paths.config, os.environ),
        _unpriced(paths),
        _ending(paths, asks=asks),
        _unfunded(paths, fold),
        _unissued(keys),
    )
    config, problems = read(paths.config, further, prices=paths.prices)
    summary = _summary(config, fold, keys) if config else {}
    if as_json:
        told = [{"where": found.where, "what": found.what, "warning": found.warning} for found in problems]
        say_json({"config": str(paths.config), "ok": config is not None, "problems": told, **summary})
    else:
        _tell(paths, problems, summary)
    if config is None:
        raise typer.Exit(1)


def _tell(paths: Paths, problems: tuple[Problem, ...], summary: dict[str, dict[str, str]]) -> None:
    for problem in problems:
        say(f"{'warning' if problem.warning else 'error'}: {problem}")
    warnings = sum(problem.warning for problem in problems)
    errors = len(problems) - warnings
    if errors:
        say(f"{_counted(errors, 'error')}, {_counted(warnings, 'warning')}")
        return
    say(f"{paths.config} can be used{': ' + _counted(warnings, 'warning') if warnings else ''}.")
    for table, entries in summary.items():
        width = max((len(name) for name in entries), default=0)
        for number, (name, meaning) in enumerate(entries.items()):
            say(f"{'' if number else table:<9} {name:<{width}}  {meaning}".rstrip())


def _summary(config: Config, fold: "Fold", keys: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Return by table what each entry means, in one line each."""
    from tokens_forge.core.candidates import models

    return {
        "balances": {name: _balance(config, fold, name) for name in config.balance},
        "routes": {name: _route(config, name) for name in config.route},
        "models": {name: _model(config, name) for name in dict.fromkeys((*config.model, *models(config, "")))},
        "keys": {name: ", ".join(config.key[name].classes) if name in config.key else "every class" for name in keys},
    }


def _route(config: Config, name: str) -> str:
    route = config.route[name]
    by = " by the client's own login" if config.upstream[route.upstream].credential == CLIENT else ""
    return f"{route.route_class}: {route.upstream}{by}, paid by {route.balance}; serves {', '.join(route.serves)}"


def _model(config: Config, name: str) -> str:
    """Return what a name means: its candidates in order, what is not its table's default, and how it can be asked."""
    from tokens_forge.core.candidates import match

    table = config.model.get(name)
    found = match(config, name).candidates
    if table is None:
        return "; ".join((", ".join(one.name for one in found), *_asked(config, found)))
    if table.alias:
        return f"stands for {table.alias}"
    said = [", ".join(table.routes if "*" in name else (one.name for one in found))]
    if table.burn != "listed":
        said.append(table.burn)
    said.append(f"fallback {table.fallback}")
    if table.cross is not None:
        said.append(f"may cross to {table.cross.to} for {table.cross.up_to} a {table.cross.per}")
    return "; ".join((*said, *_asked(config, found)))


def _asked(config: Config, found: "tuple[Candidate, ...]") -> Iterator[str]:
    """Yield in which dialects candidates can be asked, as they are or translated; of none nothing is known."""
    from tokens_forge.core.dialects import asked_in

    own, translated = asked_in(config.upstream[one.upstream] for one in found)
    if own:
        yield f"asked in {', '.join(own)}"
    if translated:
        yield f"{', '.join(translated)} translated"


def _balance(config: Config, fold: "Fold", name: str) -> str:
    from tokens_forge.core.book import allowances, unit_of
    from tokens_forge.core.money import Amount

    balance = config.balance[name]
    match balance.kind:
        case "free":
            return "free"
        case "pool" if balance.windows == "provider":
            return f"{balance.unit}, counted by its provider"
        case "pool":
            return ", ".join(f"{window.allow} {balance.unit} in {window.per}" for window in allowances(balance))
        case "prepaid":
            return str(Amount(value=fold.book.state(name, unit_of(balance)).posted, unit=balance.unit))
        case "postpaid":
            return f"up to {balance.limit} owed a {balance.per}"
        case _:
            assert_never(balance.kind)


def _unpriced(paths: Paths) -> "Callable[[Config], Iterator[Finding]]":
    """Return what finds models of a config without a price, by the catalogue that is in use."""
    return lambda config: _without_price(config, paths)


def _ending(paths: Paths, *, asks: bool) -> "Callable[[Config], Iterator[Finding]]":
    """Return what finds models of a config whose end is announced, by what its upstream lists, else what tf knows."""
    from datetime import UTC, datetime

    from tokens_forge.core.config_check import check as faults
    from tokens_forge.core.price_review import named
    from tokens_forge.files.price_catalog import Catalog

    def ask(config: Config) -> Iterator[Finding]:
        if any(fault.path[0] in {"upstream", "route", "model"} and not fault.warning for fault in faults(config)):
            return
        catalog, today = Catalog(paths.catalogue), datetime.now(UTC).date()
        candidates = named(config)
        listed: dict[str, dict[str, date]] = {}
        for name in dict.fromkeys(found.upstream for found in candidates) if asks else ():
            try:
                listed[name] = _listed(paths, config.upstream[name])
            except ForgeError as error:
                yield Finding(path=("upstream", name), what=f"its models can't be asked for: {error}", warning=True)
        for found in candidates:
            there = config.upstream[found.upstream]
            ends = catalog.end(base_url=there.base_url, provider=there.provider, model=found.model, today=today)
            day = listed.get(found.upstream, {}).get(found.model)
            if day is not None and str(day) not in ends:
                ends = f"`{found.model}` {'ends' if today < day else 'ended'} on {day}, as its upstream lists it"
            if ends:
                yield Finding(path=("route", found.route, "serves"), what=ends, warning=True)

    return ask


def _listed(paths: Paths, upstream: "Upstream") -> "dict[str, date]":
    """Return what an upstream's own list of models says of their ends; nothing where only its client's login is taken.

    Raises ForgeError when it does not answer.
    """
    from tokens_forge.core.model_ends import ends_listed
    from tokens_forge.files.catalog_fetch import fetched
    from tokens_forge.files.config_file import credential
    from tokens_forge.proxy.upstream import endpoint

    if upstream.credential == CLIENT:
        return {}
    there = endpoint(upstream, credential(upstream, paths.config, os.environ))
    path = "/v1/models" if upstream.dialect == "anthropic" else "/models"
    return ends_listed(fetched(there.base_url + path, whole_s=_ASKED_S, sent=there.headers))


def _without_price(config: Config, paths: Paths) -> Iterator[Finding]:
    """Find models named in the config whose calls would be refused for want of a price, and rates that can't be meant.

    What a route serves by a pattern is not known before it is asked for. While a route or what it names is wrong,
    nobody can say what it charges.
    """
    from datetime import UTC, datetime

    from tokens_forge.core.config_check import check as faults
    from tokens_forge.core.price_check import implausible
    from tokens_forge.core.price_help import price_ways, sheet_name
    from tokens_forge.core.price_review import named, review, reviewed
    from tokens_forge.files.catalog_names import sellers
    from tokens_forge.files.price_catalog import Catalog, route_cards

    leads_to_a_price = {"balance", "upstream", "route", "model", "report"}
    if any(fault.path[0] in leads_to_a_price and not fault.warning for fault in faults(config)):
        return
    catalog, now = Catalog(paths.catalogue), datetime.now(UTC)
    for found in named(config):
        cards = route_cards(config, found.route, found.model, catalog)
        for note in review(config, (reviewed(config, found, cards, {}),), at=now, older_than=0):
            if note.kind == "missing":
                at = config.route[found.route].upstream
                seller = (
                    ""
                    if cards[1] or config.upstream[at].provider
                    else next(iter(sellers(catalog.data.providers, found.model)), "")
                )
                named_so = f' Or name the provider whose list it is, `provider = "{seller}"` in `[upstream.{at}]`.'
                ways = price_ways(config, ((found.name, ""),))
                yield Finding(
                    path=("route", found.route, "price"),
                    what=f"no price is known for `{found.model}`, so its calls are refused. {ways}"
                    f"{named_so if seller else ''} Or allow calls without a price with "
                    '`[settle] unpriced = "zero"`',
                    warning=config.settle.unpriced == "zero",
                )
        for far_off in implausible(config, found.route, *cards):
            name = sheet_name(config.route[found.route], found.model)
            sheets = config.route[found.route].prices.get(name, ())
            path = ("prices", name) if sheets else ("price",)
            yield Finding(path=("route", found.route, *path), what=str(far_off))


def _unfunded(paths: Paths, fold: "Fold") -> "Callable[[Config], Iterator[Finding]]":
    from tokens_forge.core.history import conflicts
    from tokens_forge.files.kept_terms import kept_config

    def ask(config: Config) -> Iterator[Finding]:
        for table, field, what in conflicts(config, fold, kept_config(paths, fold.config)):
            scope, _, name = table.partition(".")
            yield Finding(path=(scope, name, field) if field else (scope, name), what=what)
        paying = {route.balance for route in config.route.values()}
        for name, balance in config.balance.items():
            if name not in paying:
                yield Finding(path=("balance", name), what="no route pays from it", warning=True)
            # Under its earlier name it is the same balance, before a proxy has read the new one too.
            elif balance.kind == "prepaid" and fold.book.balances.keys().isdisjoint((name, *balance.was)):
                yield Finding(
                    path=("balance", name),
                    what="nothing has funded it, so its calls are refused: enter what is left there, "
                    f'`tf balance topup {name} "25.00 {balance.unit}"`',
                )

    return ask


def _unissued(keys: tuple[str, ...]) -> "Callable[[Config], Iterator[Finding]]":
    def ask(config: Config) -> Iterator[Finding]:
        for name in config.key:
            if name not in keys:
                yield Finding(path=("key", name), what=f"it is not issued yet: `tf keys new {name}`", warning=True)

    return ask


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
