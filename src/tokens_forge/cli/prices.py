"""`tf prices`: what a model costs on each route, which prices want a look, and how `tf` is told a price.

What it is told goes to `prices.toml` in the data folder: the config belongs to the user. A running proxy takes it at
once.
"""

import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from tokens_forge.cli.output import hint, say, say_json, say_lines, show
from tokens_forge.core.errors import ForgeError
from tokens_forge.files.paths import Paths

if TYPE_CHECKING:
    from tokens_forge.core.candidates import Candidate
    from tokens_forge.core.config import Config, Route, Sheet
    from tokens_forge.core.quotes import Quote
    from tokens_forge.files.price_catalog import Catalog
    from tokens_forge.files.price_import import Form, PriceList
    from tokens_forge.files.price_taking import Told

DEFAULT_IN, DEFAULT_OUT = 1_000, 500
"""Tokens of the sample call: about a page asked and half a page answered."""

_PUBLISHED = "https://raw.githubusercontent.com/pydantic/genai-prices/main/prices/new_data/v2/data.json"
"""Where genai-prices publishes its list (`UpdatePrices`' address in 0.2.3); told to the user, never fetched unasked."""

DEFAULT_DAYS = 90
_SELLERS_SHOWN = 5
"""So old a price is worth a look: lists change a few times a year."""


class _Prices(TyperGroup):
    """A group whose first word may be a model: ``tf prices gpt-6.1-sol`` is ``tf prices show gpt-6.1-sol``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - the context's class is Typer's own
        """Read the arguments, `show` for a command that is left out."""
        if args and args[0] not in self.commands and args[0] not in {"-h", "--help"}:
            args = ["show", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Prices,
    help="Show what a model costs on each route (`tf prices MODEL`), check prices, and tell tf of new ones.",
    no_args_is_help=True,
)

_AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Mend = Annotated[
    bool, typer.Option("--mend", help="The price before was wrong: a rate hundreds of times off it is meant.")
]
_From = Annotated[
    str,
    typer.Option(
        "--from", metavar="DAY", help="The first day on which it holds (else today in UTC).", show_default=False
    ),
]
_Unit = Annotated[str, typer.Option(help="What the rates are in (else the balance's unit).", show_default=False)]
_PER_HELP = "What a rate of tokens buys: mtok, ktok or token"
_Per = Annotated[
    str, typer.Option(help=f"{_PER_HELP} (else as the price that it is put on, or mtok).", show_default=False)
]
_PerOfList = Annotated[str, typer.Option("--per", help=f"{_PER_HELP}.")]
_Fx = Annotated[
    str,
    typer.Option(metavar="RATE", help="Units of the balance for one of --unit, where they differ.", show_default=False),
]


def _rate(option: str, meaning: str) -> Any:  # noqa: ANN401 - an option's declaration
    return typer.Option(option, metavar="RATE", help=meaning, show_default=False)


@app.command("show")
def show_prices(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A name that clients ask for, or ROUTE/MODEL.")],
    upstream: Annotated[
        str, typer.Option(help="Only this upstream's, or the list price at this provider.", show_default=False)
    ] = "",
    route: Annotated[str, typer.Option(help="Only this route's.", show_default=False)] = "",
    at: Annotated[
        str, typer.Option(metavar="DAY", help="On this day or moment in UTC (else now).", show_default=False)
    ] = "",
    tokens_in: Annotated[int, typer.Option("--in", help="Input tokens of the sample call.", min=0)] = DEFAULT_IN,
    tokens_out: Annotated[int, typer.Option("--out", help="Output tokens of the sample call.", min=0)] = DEFAULT_OUT,
    as_json: _AsJson = False,
) -> None:
    """Show the rates of a model on each route that serves it, with their source, the list price and a sample call.

    For example: tf prices gpt-6.1-sol --in 20000 --out 1000
    """
    from tokens_forge.core.config import Config
    from tokens_forge.core.moments import stamp
    from tokens_forge.files.config_file import load
    from tokens_forge.files.price_catalog import Catalog

    paths: Paths = ctx.obj
    config = load(paths.config, paths.prices) if paths.config.exists() else Config()
    moment = _moment(at)
    usage = {"input": tokens_in, "output": tokens_out}
    catalog = Catalog(paths.catalogue)
    found = _candidates(config, model, upstream, route)
    quotes = tuple(_with_place(_quoted(config, one, catalog, moment, usage), config, paths) for one in found)
    if not quotes and route:
        raise ForgeError(f"the route `{route}` does not serve `{model}`: `tf prices {model}` shows who does")
    quotes = quotes or _listed(config, model, upstream, catalog, moment, usage)
    if as_json:
        say_json({"model": model, "at": stamp(moment), "sample": usage, "prices": quotes})
        return
    from tokens_forge.view.prices import prices_view

    show(prices_view(quotes, usage, stamp(moment)))
    say_lines(quote.missing for quote in quotes)
    lacking = [quote for quote in quotes if quote.card is None and quote.list is None and quote.kind != "free"]
    if lacking:
        unlisted = _listed_elsewhere(config, model, catalog, [config.route[quote.route].upstream for quote in lacking])
        # Beside a price, a name that nobody sells is a relay's own: nothing is to be said of it.
        if len(lacking) == len(quotes) or unlisted.startswith("The price catalogue lists"):
            hint(unlisted)


@app.command("check")
def check_prices(
    ctx: typer.Context,
    older_than: Annotated[
        int, typer.Option(metavar="DAYS", help="Name prices that nobody has said for so many days.", min=1)
    ] = DEFAULT_DAYS,
    as_json: _AsJson = False,
) -> None:
    """Name prices that are missing, old, far from the list, or still to come. Ends with 1 when one is missing."""
    from importlib.metadata import version

    from tokens_forge.core.moments import stamp
    from tokens_forge.core.price_review import catalogue_noted, named, review, reviewed
    from tokens_forge.files.catalog_names import newest_price
    from tokens_forge.files.config_file import load
    from tokens_forge.files.price_catalog import Catalog, route_cards
    from tokens_forge.files.price_sheets import RouteSheets, read_sheets

    paths: Paths = ctx.obj
    config, sheets, now = load(paths.config, paths.prices), read_sheets(paths.prices).sheets, _now()
    catalog = Catalog(paths.catalogue)
    rows = (
        reviewed(
            config,
            one,
            route_cards(config, one.route, one.model, catalog),
            sheets.route.get(one.route, RouteSheets()).checked,
        )
        for one in named(config)
    )
    notes = (
        *review(config, rows, at=now, older_than=older_than),
        *catalogue_noted(
            catalog.data.source,
            newest_price(catalog.data.providers, now.date()),
            today=now.date(),
            older_than=older_than,
            outdated=catalog.data.taken is not None and catalog.data.beside != version("genai-prices"),
        ),
    )
    missing = any(note.kind == "missing" for note in notes)
    if as_json:
        say_json({"at": stamp(now), "older_than": older_than, "ok": not missing, "notes": notes})
    elif notes:
        from tokens_forge.view.prices import review_view

        show(review_view(notes))
        say_lines(note.line for note in notes if note.kind == "missing")
    else:
        say(f"Every model that the config names has a price, none older than {older_than} days.")
    if missing:
        raise typer.Exit(1)


@app.command("set")
def set_price(
    ctx: typer.Context,
    route: Annotated[str, typer.Argument(metavar="ROUTE", help="The route that charges it.")],
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The upstream's name, or the name asked for there.")],
    *,
    service: Annotated[
        str,
        typer.Option(
            metavar="TIER", help="In this tier of service only: flex, priority, batch, fast.", show_default=False
        ),
    ] = "",
    input_: Annotated[str, _rate("--input", "Fresh input.")] = "",
    output: Annotated[str, _rate("--output", "Output.")] = "",
    cache_read: Annotated[str, _rate("--cache-read", "Input read from a cache (else as input).")] = "",
    cache_write_5m: Annotated[str, _rate("--cache-write-5m", "Input written to a cache for 5 minutes.")] = "",
    cache_write_30m: Annotated[str, _rate("--cache-write-30m", "Input written to a cache for 30 minutes.")] = "",
    cache_write_1h: Annotated[str, _rate("--cache-write-1h", "Input written to a cache for an hour.")] = "",
    cache_write_12h: Annotated[str, _rate("--cache-write-12h", "Input written to a cache for 12 hours.")] = "",
    reasoning: Annotated[str, _rate("--reasoning", "Reasoning (else as output).")] = "",
    audio_in: Annotated[str, _rate("--audio-in", "Sound in the input.")] = "",
    audio_out: Annotated[str, _rate("--audio-out", "Sound in the output.")] = "",
    image_in: Annotated[str, _rate("--image-in", "Images in the input.")] = "",
    image_out: Annotated[str, _rate("--image-out", "Images in the output.")] = "",
    requests: Annotated[str, _rate("--requests", "Each request.")] = "",
    searches: Annotated[str, _rate("--searches", "Each web search.")] = "",
    images: Annotated[str, _rate("--images", "Each image that is made.")] = "",
    seconds: Annotated[str, _rate("--seconds", "Each second.")] = "",
    unit: _Unit = "",
    per: _Per = "",
    fx: _Fx = "",
    valid_from: _From = "",
    mend: _Mend = False,
    as_json: _AsJson = False,
) -> None:
    """Set what a model costs on a route from a day on; a running proxy charges it at once.

    With --input or --output it is the whole price. Without, and for a tier of service, it is put on the price that
    holds: the sheet before, else the list, in whose unit it is then.

    For example: tf prices set relay gpt-6.1-sol --input 4 --cache-read 0.4 --output 28 --unit CNY
    """
    from tokens_forge.files.config_file import load
    from tokens_forge.files.price_taking import Told

    paths: Paths = ctx.obj
    config = load(paths.config, paths.prices)
    name = _model_on(config, route, model)
    rates = {
        "input": input_,
        "output": output,
        "cache_read": cache_read,
        "cache_write_5m": cache_write_5m,
        "cache_write_30m": cache_write_30m,
        "cache_write_1h": cache_write_1h,
        "cache_write_12h": cache_write_12h,
        "reasoning": reasoning,
        "audio_in": audio_in,
        "audio_out": audio_out,
        "image_in": image_in,
        "image_out": image_out,
        "requests": requests,
        "searches": searches,
        "images": images,
        "seconds": seconds,
    }
    day = _day(valid_from)
    said = {word: rate for word, rate in rates.items() if rate != ""}
    terms = {word: value for word, value in {"unit": _named(config, unit), "per": per, "fx": fx}.items() if value != ""}
    balance_unit = _unit(config, route)
    if service and not said:
        raise ForgeError(f"the tier `{service}` has no rate: write what costs otherwise in it, such as --input")
    whole = not service and {"input", "output", "images", "seconds"} & said.keys()
    if service or (not whole and _holds(paths, config, route, name, day)):
        if not _holds(paths, config, route, name, day):
            raise ForgeError(
                f"on {day} `{route}` has no price of `{name}` by tokens that a tier could be put on: set --input and "
                "--output first"
            )
        sheet = _put_on(config, route, name, day, {"service": {service: said}} if service else said, terms)
    else:
        sheet = _sheet({"unit": balance_unit, "per": "mtok", **terms, "from": day, **said})
    one = Told(route=route, model=name, sheets=(sheet,), where="")
    if not sheet.adds:
        _exchangeable(config, (one,))
    _take(paths, config, (one,), ask=None, mend=mend, as_json=as_json)
    if input_ and not output and not service:
        hint("no --output: a sheet is whole, so calls that ask for an answer have no price and are refused")


@app.command("import")
def import_prices(
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A price list: .toml, .csv or .json; `-` reads what is piped in.")
    ],
    route: Annotated[str, typer.Option(help="The route that it is for (else the only one paid in money).")] = "",
    form: Annotated[
        str, typer.Option("--format", help="toml, csv or json (else by the file's name).", show_default=False)
    ] = "",
    unit: _Unit = "",
    per: _PerOfList = "mtok",
    fx: _Fx = "",
    group: Annotated[str, typer.Option(help="Of new-api: your group there.", show_default=False)] = "",
    valid_from: _From = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Write without asking.")] = False,
    mend: _Mend = False,
    as_json: _AsJson = False,
) -> None:
    """Take over a relay's price list: show what changes, ask, then write it and put it in force.

    TOML: `[route.NAME.prices]` as in the config. CSV: a header `model,input,output,cache_read,…`. JSON:
    `{"MODEL": {"input": 4, "output": 28}}`, or what a new-api relay answers on /api/pricing.

    For example: tf prices import relay.csv --route relay --unit CNY
    """
    from tokens_forge.files.config_file import load
    from tokens_forge.files.price_import import Stated, read_list

    paths: Paths = ctx.obj
    config = load(paths.config, paths.prices)
    chosen = _form(file, form)
    only = route if chosen == "toml" else route or _only_route(config)
    if only:
        _known_route(config, only)
    # A list in TOML states its units itself.
    balance_unit = _unit(config, only) if chosen != "toml" else ""
    stated = Stated(
        valid_from=_day(valid_from), balance_unit=balance_unit, unit=_named(config, unit), per=per, fx=fx, group=group
    )
    found = read_list(file, _read(file), chosen, stated)
    told, unserved = _served(config, found, only, file)
    for model in found.left_out:
        hint(f"left out: {model}")
    if unserved:
        hint(f"left out: {len(unserved)} that the route does not serve: {_some(unserved)}")
    if not told:
        raise ForgeError(f"{file}: no row of it is for a model that a route serves")
    if chosen != "toml":
        _exchangeable(config, told)
    _take(paths, config, told, ask=not yes, mend=mend, as_json=as_json)


@app.command("update")
def update_prices(
    ctx: typer.Context,
    origin: Annotated[
        str,
        typer.Option("--from", metavar="FILE|URL", help="The newer list: a file or an address.", show_default=False),
    ] = "",
    forget: Annotated[bool, typer.Option("--forget", help="Go back to the list that comes with tf.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
    mend: _Mend = False,
    as_json: _AsJson = False,
) -> None:
    """Take a newer list of prices: show what changes, ask, then use it. tf never does so by itself.

    The list is the `data.json` that genai-prices publishes. It takes the place of the one that comes with tf, and every
    card names it. A running proxy takes it at once.

    For example: tf prices update --from data.json
    """
    from tokens_forge.files.price_catalog import Catalog

    paths: Paths = ctx.obj
    if forget == bool(origin):
        in_use = Catalog(None if forget else paths.catalogue).data.source
        raise typer.BadParameter(
            f"prices are from {in_use}. Say where a newer list is, `--from FILE` or an address ({_PUBLISHED}), or "
            "`--forget` to go back to the one that comes with tf",
            param_hint="--from",
        )
    if forget:
        _forget(paths, as_json=as_json)
    else:
        _update(paths, origin, ask=not yes, mend=mend, as_json=as_json)


def _update(paths: Paths, origin: str, *, ask: bool, mend: bool, as_json: bool) -> None:
    """Read a list, show what it changes, and keep it unless something stands against it."""
    from tokens_forge.core.config import Config
    from tokens_forge.core.errors import ConfigError
    from tokens_forge.files import catalog_taking
    from tokens_forge.files.catalog_data import Data, keep, read_data, short_origin
    from tokens_forge.files.catalog_fetch import fetched, is_address
    from tokens_forge.files.config_file import load
    from tokens_forge.files.paths import private_folder
    from tokens_forge.files.price_catalog import Catalog

    now = _now()
    raw = fetched(origin) if is_address(origin) else _bytes(Path(origin))
    source = f"genai-prices data of {now.date()}, {short_origin(origin)}"
    new = Data(providers=read_data(raw, origin), source=source, origin=origin, taken=now.date())
    old = _in_use(paths)
    listed = Catalog.of(new)
    config = load(paths.config, paths.prices) if paths.config.exists() else Config()
    problems = () if mend else catalog_taking.against(config, old, listed, now, origin)
    if problems:
        raise ConfigError(problems)
    counted = catalog_taking.counts(old.data, new)
    served = catalog_taking.served(config, old, listed, now)
    if not as_json:
        from tokens_forge.view.prices import list_view

        show(list_view(counted, served, old.data.source, source))
    if ask:
        _confirm()
    private_folder(paths.data)
    keep(paths.catalogue, raw, origin=origin, today=now.date())
    taken_up = _reload(paths)
    if as_json:
        say_json(
            {
                "source": source,
                "written": str(paths.catalogue),
                "running": taken_up,
                "models": counted,
                "served": served,
            }
        )
    else:
        running = "; the running proxy prices by it now" if taken_up else ""
        hint(f"kept in {paths.catalogue}{running}")


def _forget(paths: Paths, *, as_json: bool) -> None:
    """Go back to the list that comes with this version."""
    from tokens_forge.files.price_catalog import Catalog

    was_there = paths.catalogue.exists()
    paths.catalogue.unlink(missing_ok=True)
    taken_up = _reload(paths) if was_there else False
    source = Catalog().data.source
    if as_json:
        say_json({"source": source, "forgotten": was_there, "running": taken_up})
    else:
        running = "; the running proxy prices by it now" if taken_up else ""
        hint(f"prices are from {source}{running}" if was_there else f"there is no other list: prices are from {source}")


def _in_use(paths: Paths) -> "Catalog":
    """Return the list in use; the bundled one where the other can't be read, which a newer one then replaces."""
    from tokens_forge.core.errors import ConfigError
    from tokens_forge.files.price_catalog import Catalog

    catalog = Catalog(paths.catalogue)
    try:
        catalog.load()
    except ConfigError as error:
        hint(str(error))
        return Catalog()
    return catalog


def _bytes(file: Path) -> bytes:
    """Return what is in a file, no more of it than a list can have. Raises ForgeError."""
    from tokens_forge.files.catalog_data import MOST_BYTES

    try:
        with file.expanduser().open("rb") as opened:
            return opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise ForgeError(f"{file}: it can't be read ({error.strerror})") from error


def _take(
    paths: Paths, config: "Config", told: "Sequence[Told]", *, ask: bool | None, mend: bool, as_json: bool
) -> None:
    """Show what the prices change, and write them unless something stands against them.

    `ask` is whether a list is asked about first; None is no list but one price. With `mend` what was there is wrong.
    """
    from tokens_forge.core.errors import ConfigError
    from tokens_forge.files import price_taking
    from tokens_forge.files.price_catalog import Catalog
    from tokens_forge.files.price_sheets import changing, read_sheets

    changes = price_taking.changes(config, told, whole=ask is not None)
    kept = read_sheets(paths.prices).sheets
    if problems := price_taking.against(config, kept, told, changes, Catalog(paths.catalogue), mend=mend):
        raise ConfigError(problems)
    if not as_json:
        from tokens_forge.view.prices import changes_view

        show(changes_view(changes))
    news = any(change.status in {"new", "changed"} for change in changes)
    if ask and news:
        _confirm()
    with changing(paths.prices) as change:
        change.sheets = price_taking.taken(change.sheets, told, changes, today=_now().date())
    taken_up = _reload(paths) if news else False
    if as_json:
        say_json({"written": str(paths.prices) if news else "", "running": taken_up, "changes": changes})
    elif news:
        running = "; the running proxy charges by it now" if taken_up else ""
        hint(f"written to {paths.prices}{running}")


def _named(config: "Config", unit: str) -> str:
    """Return the unit that an option names, as the config has it; empty for none. Raises MoneyError for no unit."""
    from tokens_forge.core.config_amounts import units_of
    from tokens_forge.core.typed import read_typed_unit

    return read_typed_unit(unit, units_of(config)) if unit else ""


def _exchangeable(config: "Config", told: "Sequence[Told]") -> None:
    """Raise ForgeError for rates in another unit than the balance's, and no word on what one is worth there."""
    for one in told:
        unit = _unit(config, one.route)
        for sheet in one.sheets:
            if sheet.unit != unit and sheet.fx is None:
                raise ForgeError(
                    f"the rates are in {sheet.unit} and `{one.route}` is paid in {unit}: say how many {unit} one "
                    f"{sheet.unit} is there, `--fx RATE`, or what else they are in, `--unit`"
                )


def _some(names: "Sequence[str]") -> str:
    """Return names as far as a line has room."""
    return textwrap.shorten(", ".join(names), 60, placeholder=" …")


def _confirm() -> None:
    """Ask before a list is written. Raises ForgeError for no, and where nobody can be asked."""
    if not sys.stdin.isatty():
        raise ForgeError("nothing was written: look at the changes above, then say `--yes`")
    sys.stderr.write("Write these prices? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise ForgeError("nothing was written")


def _reload(paths: Paths) -> bool:
    """Let a running proxy read its config and prices again; say whether one runs."""
    from tokens_forge.cli.socket import ask

    try:
        return ask(paths, "POST", "/reload") is not None
    except ForgeError as error:
        raise ForgeError(f"the price is written, but the running proxy goes on by its old config: {error}") from error


def _served(config: "Config", found: "PriceList", only: str, file: Path) -> "tuple[list[Told], list[str]]":
    """Return the rows for models that their route serves, and the names of the others.

    A list names models as its upstream does, so a name that only clients ask for is none of its.
    """
    from tokens_forge.core.price_help import sheet_name
    from tokens_forge.files.price_taking import Told

    told: list[Told] = []
    unserved: list[str] = []
    for row in found.rows:
        name = row.route or only
        if only and name != only:
            continue
        route = _known_route(config, name)
        if not _is_upstreams(route, row.model):
            unserved.append(row.model)
            continue
        where = f"{file}:{row.line}"
        told.append(Told(route=name, model=sheet_name(route, row.model), sheets=row.sheets, where=where))
    _refuse_twice(told)
    return told, unserved


def _refuse_twice(told: "Sequence[Told]") -> None:
    """Raise ForgeError where two rows, by the upstream's name and by the clients', are for one model of a route."""
    first: dict[tuple[str, str], Told] = {}
    for row in told:
        before = first.setdefault((row.route, row.model), row)
        if before is not row:
            raise ForgeError(
                f"{row.where}: `{row.route}/{row.model}` has its price at {before.where} already: both names mean one "
                "model there, so leave one of the rows out"
            )


def _is_upstreams(route: "Route", model: str) -> bool:
    """Say whether the route passes a model's name on to its upstream; a sheet may also stand under the asked name."""
    from tokens_forge.core.config import is_upstreams

    return is_upstreams(route, model) or (isinstance(route.serves, dict) and model in route.prices)


def _model_on(config: "Config", route_name: str, model: str) -> str:
    """Return the name under which the sheets of a model stand on a route. Raises ForgeError when it is not served."""
    from tokens_forge.core.config import did_you_mean, is_served, upstream_name
    from tokens_forge.core.price_help import sheet_name

    route = _known_route(config, route_name)
    if not is_served(route, model):
        near = did_you_mean(model, route.serves)
        raise ForgeError(f"the route `{route_name}` does not serve `{model}`.{near}")
    return sheet_name(route, upstream_name(route, model) or model)


def _known_route(config: "Config", name: str) -> "Route":
    from tokens_forge.core.config import did_you_mean

    if name not in config.route:
        raise ForgeError(f"no route is named `{name}`.{did_you_mean(name, config.route)}")
    return config.route[name]


def _only_route(config: "Config") -> str:
    """Return the route that a list without a route's name is for. Raises ForgeError when there is more than one."""
    from tokens_forge.core.book import is_money
    from tokens_forge.core.price_check import route_payer

    paid = [name for name in config.route if is_money(config.balance[route_payer(config, name)])]
    if len(paid) != 1:
        there = f"paid in money are {', '.join(paid)}" if paid else "none is paid in money"
        raise ForgeError(f"say which route the list is for, `--route NAME`: {there}")
    return paid[0]


def _unit(config: "Config", route_name: str) -> str:
    """Return the unit in which a route is paid. Raises ForgeError where nothing is paid in money."""
    from tokens_forge.core.book import is_money
    from tokens_forge.core.price_check import route_payer

    _known_route(config, route_name)
    payer = config.balance[route_payer(config, route_name)]
    if not is_money(payer):
        raise ForgeError(f"the route `{route_name}` is not paid in money, so no price is asked for there")
    return payer.unit


def _sheet(told: Mapping[str, object]) -> "Sheet":
    """Return the sheet of options. Raises typer.BadParameter, naming the option, for what is none."""
    import msgspec
    from msgspec import inspect

    from tokens_forge.core.config import Sheet
    from tokens_forge.files.config_shape import faults

    for finding in faults(told, inspect.type_info(Sheet), ()):
        raise typer.BadParameter(finding.what, param_hint=f"--{finding.path[-1].replace('_', '-')}")
    return msgspec.convert(told, Sheet)


def _holds(paths: Paths, config: "Config", route: str, model: str, day: date) -> bool:
    """Say whether a price by tokens holds on a day: of a sheet, or the list's."""
    from tokens_forge.core.prices import card_at
    from tokens_forge.files.price_catalog import Catalog, route_cards

    _known_route(config, route)
    cards, _listed = route_cards(config, route, model, Catalog(paths.catalogue))
    card = card_at(cards, datetime.combine(day, datetime.min.time(), UTC))
    return card is not None and card.terms in {"rates", "reported"} and bool(card.rates)


def _put_on(
    config: "Config", route: str, model: str, day: date, said: Mapping[str, object], terms: Mapping[str, str]
) -> "Sheet":
    """Return the sheet of a day that says what was typed, and all else as the price that holds then.

    Raises ForgeError for other terms than that has.
    """
    from tokens_forge.core.config import CATALOGUE_UNIT
    from tokens_forge.core.price_help import on_top
    from tokens_forge.core.sheet_changes import in_force

    _unit(config, route)
    sheets = config.route[route].prices.get(model, ())
    beneath = in_force(sheets, _sheet({"unit": CATALOGUE_UNIT, "from": day}))
    own = {"unit": beneath.unit if beneath else CATALOGUE_UNIT, "per": beneath.per if beneath else "mtok"}
    for word, value in terms.items():
        if own.get(word) != value:
            holds = f"is in {own['unit']} per {own['per']}"
            raise ForgeError(f"`--{word} {value}`: the price that this is put on {holds}, and this is in its terms")
    return on_top(beneath, _sheet({**own, "from": day, **said}))


def _form(file: Path, given: str) -> "Form":
    """Return the form of a list: as given, else by the file's name."""
    from typing import cast, get_args

    from tokens_forge.files.price_import import Form

    form = given or file.suffix.lstrip(".").lower()
    if not form:
        raise typer.BadParameter("say which form it has: toml, csv or json", param_hint="--format")
    if form not in get_args(Form):
        raise typer.BadParameter(f"`{form}` is neither toml, csv nor json", param_hint="--format")
    return cast("Form", form)


def _read(file: Path) -> str:
    from tokens_forge.core.errors import ConfigError, Problem
    from tokens_forge.files.toml_file import text_of

    if str(file) == "-":
        return sys.stdin.read()
    text = text_of(file, missing="there is no such file")
    if isinstance(text, Problem):
        raise ConfigError((text,))
    return text


def _now() -> datetime:
    return datetime.now(UTC)


def _day(written: str) -> date:
    """Return a day, today in UTC for none. Raises typer.BadParameter for what is no day."""
    try:
        return date.fromisoformat(written) if written else _now().date()
    except ValueError as error:
        raise typer.BadParameter(f"`{written}` is no day such as `2026-11-01`", param_hint="--from") from error


def _moment(written: str) -> datetime:
    """Return a moment in UTC, now for none, a day's first for a day. Raises typer.BadParameter for what is neither."""
    if not written:
        return _now()
    try:
        found = datetime.fromisoformat(written)
    except ValueError as error:
        raise typer.BadParameter(f"`{written}` is no day such as `2026-11-01`", param_hint="--at") from error
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def _candidates(config: "Config", model: str, upstream: str, route: str) -> "tuple[Candidate, ...]":
    """Return the candidates for a name that clients ask for, else that ROUTE/MODEL names, as the options narrow."""
    from tokens_forge.core.candidates import candidate, match
    from tokens_forge.core.config import is_served, upstream_name

    if route:
        _known_route(config, route)
    found = match(config, model).candidates
    name, _, served = model.partition("/")
    if not found and name in config.route and is_served(config.route[name], served):
        found = (candidate(config, f"{name}/{upstream_name(config.route[name], served) or served}"),)
    return tuple(one for one in found if route in {"", one.route} and upstream in {"", one.upstream})


def _quoted(config: "Config", one: "Candidate", catalog: "Catalog", at: datetime, usage: Mapping[str, int]) -> "Quote":
    from tokens_forge.core.quotes import quote
    from tokens_forge.files.price_catalog import route_cards

    return quote(config, one, route_cards(config, one.route, one.model, catalog), at=at, usage=usage)


def _with_place(found: "Quote", config: "Config", paths: Paths) -> "Quote":
    """Return the quote with the file and line of the sheet that its card was made of."""
    import msgspec

    from tokens_forge.core.price_help import sheet_name
    from tokens_forge.files.price_sheets import RouteSheets, read_sheets
    from tokens_forge.files.toml_lines import line_of, lines

    name = sheet_name(config.route[found.route], found.upstream_model)
    begun = found.card.valid_from if found.card else ""
    sheet = next((one for one in config.route[found.route].prices.get(name, ()) if str(one.valid_from) == begun), None)
    if sheet is None:
        return found
    kept = read_sheets(paths.prices)
    path = ("route", found.route, "prices", name)
    if sheet in kept.sheets.route.get(found.route, RouteSheets()).prices.get(name, ()):
        place = f"{paths.prices.name}:{line_of(dict(kept.places), path)}"
    else:
        place = f"{paths.config.name}:{line_of(lines(_read(paths.config)), path)}"
    return msgspec.structs.replace(found, sheet=place)


def _listed(
    config: "Config", model: str, upstream: str, catalog: "Catalog", at: datetime, usage: Mapping[str, int]
) -> "tuple[Quote, ...]":
    """Return the list price of a model that no route serves. Raises ForgeError with the likely name if it has none."""
    from tokens_forge.core.candidates import models
    from tokens_forge.core.config import did_you_mean
    from tokens_forge.core.quotes import Quote, shown
    from tokens_forge.files.catalog_names import model_names, provider_names

    providers = catalog.data.providers
    at_upstream = config.upstream.get(upstream)
    provider = at_upstream.provider if at_upstream else upstream
    if upstream and at_upstream is None and upstream not in provider_names(providers):
        near = did_you_mean(upstream, (*config.upstream, *provider_names(providers)))
        raise ForgeError(f"`{upstream}` is neither an upstream of the config nor a provider of the catalogue.{near}")
    base_url = at_upstream.base_url if at_upstream else ""
    card = shown(catalog.cards(base_url=base_url, provider=provider, model=model), at, usage)
    if card is None:
        near = _near(model, {*models(config, ""), *model_names(providers, "" if at_upstream else provider)})
        raise ForgeError(f"no route serves `{model}`, and the price catalogue does not know it.{near}")
    return (Quote(candidate=card.id, list=card),)


def _listed_elsewhere(config: "Config", model: str, catalog: "Catalog", upstreams: Sequence[str]) -> str:
    """Return why a model that routes serve has no list price, and what to write where the catalogue has one."""
    from tokens_forge.files.catalog_names import model_names, sellers

    providers = catalog.data.providers
    known = sellers(providers, model)
    unnamed = [name for name in dict.fromkeys(upstreams) if not config.upstream[name].provider]
    if known and unnamed:
        tables = ", ".join(f"`[upstream.{name}]`" for name in unnamed)
        return (
            f"The price catalogue lists `{model}` at {', '.join(known[:_SELLERS_SHOWN])}. Whose list price holds: "
            f'write `provider = "{known[0]}"` in {tables}.'
        )
    near = _near(model, model_names(providers))
    return f"The price catalogue does not know `{model}` {'there' if known else 'either'}.{near}"


def _near(model: str, names: "Iterable[str]") -> str:
    """Return the likely name, as `did_you_mean`; nothing where none is near, for the catalogue has thousands."""
    from tokens_forge.core.config import did_you_mean

    near = did_you_mean(model, (name for name in names if name != model))
    return near if near.startswith(" Did") else ""
