"""What the user wrote in `config.toml`, as records, cross-checked.

The records forbid unknown names. `check` finds what no single table shows (a route without its balance, a price that
can't be known); each finding says what to write instead. Reading the file and naming its lines is
`files/config_file.py`'s part; nothing here touches the disk.
"""

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Literal

import msgspec

from tokens_forge.core.entries import RouteClass
from tokens_forge.core.errors import MoneyError
from tokens_forge.core.moments import read_duration_ms
from tokens_forge.core.money import is_unit, read_amount

Boundary = Literal["none", "balance", "class", "any"]
"""Where a fallback must stay: the intended candidate, its balance, its class, or anywhere that is listed."""

CATALOGUE_UNIT = "USD"
"""What the price catalogue's list prices are in."""

NAME_RULE = "a name begins with a letter or digit and has up to 64 letters, digits, `.`, `_` and `-`"
"""What `is_name` asks for, as told to the user."""

CREDENTIAL_FORMS = "`env:NAME`, `file:PATH` or `none`"
"""What `[upstream] credential` may be; a literal secret is never accepted."""


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of the config's tables: unknown names are errors."""


class Server(Table, frozen=True, kw_only=True):
    """`[server]`: where the proxy listens."""

    host: str = "127.0.0.1"
    port: int = 8787
    hosts: tuple[str, ...] = ()
    """Further `Host` values that are ours, such as ``host.docker.internal:8787``."""
    max_body_mb: int = 32
    """The largest request body, in MiB."""


class Window(Table, frozen=True, kw_only=True):
    """A window of a pool: so much allowance in so long."""

    allow: Decimal
    per: str
    """A duration, such as ``5h`` or ``7d``."""
    kind: Literal["first-use"] = "first-use"
    """``first-use``: the window opens at the first hold and ends `per` later."""

    @property
    def name(self) -> str:
        """KIND/PER, as the ledger names the window."""
        return f"{self.kind}/{self.per}"


class Balance(Table, frozen=True, kw_only=True):
    """`[balance.NAME]`: what pays."""

    kind: Literal["prepaid", "pool", "free"]
    unit: str = ""
    """A currency, a relay's own money, or for a pool ``requests`` or ``tokens``. A free balance has none."""
    warn_below: str = ""
    """An amount; `tf balance` marks what is below it."""
    windows: tuple[Window, ...] = ()


class UpstreamError(Table, frozen=True, kw_only=True):
    """A provider's own error that means something to settlement."""

    means: Literal["empty"]
    """``empty``: the balance there has no money left."""
    status: int = 0
    code: str = ""


class Timeouts(Table, frozen=True, kw_only=True):
    """How long an upstream may take."""

    connect: str = "5s"
    first_byte: str = "120s"
    """Until the first byte of a stream."""
    whole: str = "600s"
    """Until the first byte of a reply that is not streamed."""
    idle: str = "60s"
    """Between two chunks."""


class Upstream(Table, frozen=True, kw_only=True):
    """`[upstream.NAME]`: a provider's endpoint."""

    dialect: Literal["openai"]
    base_url: str
    credential: str
    """``env:NAME``, ``file:PATH`` (0600; relative to the config) or ``none``."""
    provider: str = ""
    """The provider's name in the price catalogue; found from `base_url` when not given."""
    stream_usage: Literal["inject", "never"] = "inject"
    """Whether a stream is asked for its usage."""
    errors: tuple[UpstreamError, ...] = ()
    timeouts: Timeouts = Timeouts()
    allow_http: bool = False
    """Allow plain http with a credential beyond loopback."""


class ListShare(Table, frozen=True, kw_only=True):
    """A price as a share of the provider's list price, in the balance's unit."""

    list: Decimal
    """1 is the list price, 0.35 is 35 % of it."""
    fx: Decimal | None = None
    """Units of the balance for one USD of list price; left out where the balance is in USD."""


class Sheet(Table, frozen=True, kw_only=True):
    """A route's own rates for one model from a day on."""

    # `from` is the config's word and a keyword in Python.
    valid_from: date = msgspec.field(name="from")
    unit: str
    per: Literal["mtok", "ktok", "token"]
    """What one rate of a token class buys; `requests` is for one."""
    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write_5m: Decimal | None = None
    cache_write_1h: Decimal | None = None
    reasoning: Decimal | None = None
    audio_in: Decimal | None = None
    audio_out: Decimal | None = None
    image_in: Decimal | None = None
    requests: Decimal | None = None

    def rates(self) -> Iterator[tuple[str, Decimal]]:
        """Yield the usage classes that have a rate, with it."""
        for name in self.__struct_fields__:
            if isinstance(rate := getattr(self, name), Decimal):
                yield name, rate


class Route(Table, frozen=True, kw_only=True):
    """`[route.NAME]`: an upstream and a balance joined, serving models at a price."""

    route_class: RouteClass = msgspec.field(name="class")
    upstream: str
    balance: str
    serves: tuple[str, ...] | dict[str, str]
    """Names or patterns with ``*``; or a table from the name asked to the upstream's name."""
    price: Literal["list"] | ListShare | None = None
    prices: dict[str, tuple[Sheet, ...]] = {}
    """Dated sheets by the upstream's model name; they go before `price`."""


class Model(Table, frozen=True, kw_only=True):
    """`[model.NAME]`: what clients ask for, and which candidates answer."""

    routes: tuple[str, ...]
    """``ROUTE/MODEL``, or ``ROUTE`` for the name asked."""
    burn: Literal["listed"] = "listed"
    fallback: Boundary = "class"


class Key(Table, frozen=True, kw_only=True):
    """`[key.NAME]`: what a client's key may use."""

    classes: tuple[RouteClass, ...] = ("direct", "ordinary", "subscription", "local")


class Settle(Table, frozen=True, kw_only=True):
    """`[settle]`: what is held and what is charged when nobody says."""

    hold: Literal["bound"] = "bound"
    output_bound: int = 4096
    """Output tokens held for when the client gives no maximum."""
    unpriced: Literal["refuse", "zero"] = "refuse"
    """What to do with a call whose price is not known."""
    disconnect: Literal["estimate", "drain"] = "estimate"
    drain_limit: str = "30s"
    """How long ``drain`` reads on for the real usage."""
    unanswered: Literal["estimate", "hold"] = "estimate"


class Policy(Table, frozen=True, kw_only=True):
    """`[policy]`: bounds on attempts."""

    attempts: int = 4
    """At most so many attempts for a call."""
    attempts_per_candidate: int = 2
    deadline: str = "15m"
    """For the whole call, until its reply begins."""


class LedgerSettings(Table, frozen=True, kw_only=True):
    """`[ledger]`: how safe a written line is."""

    sync: Literal["interval", "always"] = "interval"
    """``interval`` survives a killed process; ``always`` survives power loss and is awaited."""


class Rate(Table, frozen=True, kw_only=True):
    """An exchange rate from a day on."""

    valid_from: date = msgspec.field(name="from")
    rate: Decimal


class Report(Table, frozen=True, kw_only=True):
    """`[report]`: how periods and comparisons read."""

    timezone: str = "UTC"
    week_start: Literal["monday", "sunday", "saturday"] = "monday"
    unit: str = "USD"
    fx: dict[str, tuple[Rate, ...]] = {}
    """Units of a currency for one report unit, dated."""


class Config(Table, frozen=True, kw_only=True):
    """The whole file."""

    server: Server = Server()
    balance: dict[str, Balance] = {}
    upstream: dict[str, Upstream] = {}
    route: dict[str, Route] = {}
    model: dict[str, Model] = {}
    key: dict[str, Key] = {}
    settle: Settle = Settle()
    policy: Policy = Policy()
    ledger: LedgerSettings = LedgerSettings()
    report: Report = Report()


TABLES: dict[str, type[Table]] = {
    "server": Server,
    "settle": Settle,
    "policy": Policy,
    "ledger": LedgerSettings,
    "report": Report,
}
"""Tables that stand once."""

KEYED_TABLES: dict[str, type[Table]] = {
    "balance": Balance,
    "upstream": Upstream,
    "route": Route,
    "model": Model,
    "key": Key,
}
"""Tables with a name of the user's: `[balance.NAME]`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something wrong in a config, by the path of the value: ``("route", "fast", "balance")``."""

    path: tuple[str, ...]
    what: str
    warning: bool = False


def check(config: Config) -> tuple[Finding, ...]:
    """Return what is wrong between and within the tables, errors and warnings, in the file's order of tables."""
    return tuple(
        finding for part in (_server, _balances, _upstreams, _routes, _models, _settings) for finding in part(config)
    )


def did_you_mean(wrong: str, names: Iterable[str]) -> str:
    """Return `` Did you mean `x`?`` for the nearest of `names`, else those there are, else nothing."""
    known = sorted(names)
    if near := difflib.get_close_matches(wrong, known, n=1):
        return f" Did you mean `{near[0]}`?"
    return f" There {'is' if len(known) == 1 else 'are'}: {', '.join(f'`{name}`' for name in known)}." if known else ""


def is_served(route: Route, model: str) -> bool:
    """Say whether a model's name, ours or the upstream's, is one that `route` serves."""
    if isinstance(route.serves, dict):
        return model in route.serves or model in route.serves.values()
    return any(fnmatchcase(model, pattern) for pattern in route.serves)


def is_name(name: str) -> bool:
    """Say whether `name` can be a balance's, upstream's, route's or key's: it stands in headers and in ROUTE/MODEL."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name) is not None


def fx_at(config: Config, unit: str, day: date) -> Decimal | None:
    """Return units of `unit` for one report unit on `day`; 1 for the report unit itself, None when not given."""
    if unit == config.report.unit:
        return Decimal(1)
    valid = [rate for rate in config.report.fx.get(unit, ()) if rate.valid_from <= day]
    return max(valid, key=lambda rate: rate.valid_from).rate if valid else None


def _server(config: Config) -> Iterator[Finding]:
    if not 0 <= config.server.port <= 65535:  # noqa: PLR2004 - the range of TCP ports
        yield Finding(path=("server", "port"), what=f"{config.server.port} is no port: write 1 to 65535")
    if config.server.max_body_mb < 1:
        yield Finding(path=("server", "max_body_mb"), what="write at least 1")


def _balances(config: Config) -> Iterator[Finding]:
    for name, balance in config.balance.items():
        path = ("balance", name)
        if balance.kind != "free" and not is_unit(balance.unit):
            yield Finding(
                path=(*path, "unit"),
                what=f"`{balance.unit}` is no unit: write a currency such as `USD`, "
                "or for a pool `requests` or `tokens`",
            )
        if balance.kind == "free" and balance.unit:
            yield Finding(path=(*path, "unit"), what="a free balance counts nothing: leave `unit` out")
        if balance.kind == "pool":
            yield from _pool(path, balance)
        elif balance.windows:
            yield Finding(path=(*path, "windows"), what='only a pool has windows: write `kind = "pool"`')
        if balance.warn_below:
            yield from _warning(path, balance)


def _pool(path: tuple[str, ...], balance: Balance) -> Iterator[Finding]:
    if balance.unit not in ("requests", "tokens"):
        yield Finding(
            path=(*path, "unit"), what=f"a pool is counted in `requests` or `tokens`, not in `{balance.unit}`"
        )
    if not balance.windows:
        yield Finding(
            path=(*path, "windows"),
            what='a pool needs its windows: write `windows = [{ allow = 900, per = "5h" }]`',
        )
    for window in balance.windows:
        yield from _duration((*path, "windows"), window.per)
        if window.allow < 0:
            yield Finding(path=(*path, "windows"), what=f"an allowance of {window.allow} is less than nothing")


def _warning(path: tuple[str, ...], balance: Balance) -> Iterator[Finding]:
    try:
        amount = read_amount(balance.warn_below)
    except MoneyError as error:
        yield Finding(path=(*path, "warn_below"), what=str(error))
    else:
        if amount.unit != balance.unit:
            yield Finding(
                path=(*path, "warn_below"),
                what=f"`{balance.warn_below}` is in {amount.unit} and the balance in {balance.unit}: write it in "
                f"{balance.unit}",
            )


def _duration(path: tuple[str, ...], written: str) -> Iterator[Finding]:
    try:
        read_duration_ms(written)
    except ValueError as error:
        yield Finding(path=path, what=str(error))


def _upstreams(config: Config) -> Iterator[Finding]:
    for name, upstream in config.upstream.items():
        path = ("upstream", name)
        if not upstream.base_url.startswith(("https://", "http://")):
            yield Finding(
                path=(*path, "base_url"),
                what=f"`{upstream.base_url}` is no base URL: write `https://HOST/v1` (what stands before "
                "`/chat/completions`)",
            )
        if upstream.credential != "none" and not upstream.credential.startswith(("env:", "file:")):
            # The value is not repeated: it may be the secret itself.
            yield Finding(
                path=(*path, "credential"),
                what=f"write where the credential is, not the credential: {CREDENTIAL_FORMS}",
            )
        for field in ("connect", "first_byte", "whole", "idle"):
            yield from _duration((*path, "timeouts", field), getattr(upstream.timeouts, field))
        for error in upstream.errors:
            if not error.status and not error.code:
                yield Finding(path=(*path, "errors"), what="an error needs a `status` or a `code` to be known by")


def _routes(config: Config) -> Iterator[Finding]:
    for name, route in config.route.items():
        path = ("route", name)
        if "/" in name:
            yield Finding(path=path, what="a route's name has no `/`: it parts route and model in `ROUTE/MODEL`")
        if route.upstream not in config.upstream:
            yield Finding(
                path=(*path, "upstream"),
                what=f"no upstream named `{route.upstream}`.{did_you_mean(route.upstream, config.upstream)}",
            )
        if not route.serves:
            yield Finding(path=(*path, "serves"), what='it serves no model: write `serves = ["MODEL"]`')
        if (balance := config.balance.get(route.balance)) is None:
            yield Finding(
                path=(*path, "balance"),
                what=f"no balance named `{route.balance}`.{did_you_mean(route.balance, config.balance)}",
            )
        else:
            yield from _price(path, route, balance)


def _price(path: tuple[str, ...], route: Route, balance: Balance) -> Iterator[Finding]:
    for model, sheets in route.prices.items():
        for sheet in sheets:
            yield from _sheet((*path, "prices", model), sheet, route, balance)
    if balance.kind == "prepaid":
        if route.price is None and not route.prices:
            yield Finding(
                path=path,
                what='it has no price: write `price = "list"`, `price = { list = "0.35", fx = "7.10" }` or a sheet '
                f"in `[route.{path[-1]}.prices]`",
            )
        if route.price is not None and balance.unit != CATALOGUE_UNIT:
            yield from _conversion(path, route, balance.unit)
    if isinstance(route.price, ListShare) and (
        route.price.list < 0 or (route.price.fx is not None and route.price.fx <= 0)
    ):
        yield Finding(path=(*path, "price"), what="a share is 0 or more and an exchange rate more than 0")


def _sheet(path: tuple[str, ...], sheet: Sheet, route: Route, balance: Balance) -> Iterator[Finding]:
    if balance.kind == "prepaid" and sheet.unit != balance.unit:
        yield Finding(
            path=path,
            what=f"the sheet is in {sheet.unit} and `{route.balance}` in {balance.unit}: write it in {balance.unit}",
        )
    rates = tuple(sheet.rates())
    if not rates:
        yield Finding(path=path, what="the sheet has no rate: write `input` and `output`")
    for usage_class, rate in rates:
        if rate < 0:
            yield Finding(path=path, what=f"a rate of {rate} for {usage_class} is less than nothing")


def _conversion(path: tuple[str, ...], route: Route, unit: str) -> Iterator[Finding]:
    """Find a list price that would be taken for the balance's unit as if one were the other."""
    if not isinstance(route.price, ListShare) or route.price.fx is None:
        yield Finding(
            path=(*path, "price"),
            what=f"list prices are in {CATALOGUE_UNIT} and `{route.balance}` is in {unit}: write "
            f'`price = {{ list = "1", fx = "7.10" }}` with the {unit} for one {CATALOGUE_UNIT}, or a sheet',
        )


def _models(config: Config) -> Iterator[Finding]:
    for name, model in config.model.items():
        path = ("model", name, "routes")
        if not model.routes:
            yield Finding(path=path, what='it has no candidate: write `routes = ["ROUTE/MODEL"]`')
        for candidate in model.routes:
            route, _, served = candidate.partition("/")
            if route not in config.route:
                yield Finding(path=path, what=f"no route named `{route}`.{did_you_mean(route, config.route)}")
            elif not is_served(config.route[route], served or name):
                near = did_you_mean(served or name, config.route[route].serves)
                yield Finding(path=path, what=f"route `{route}` does not serve `{served or name}`.{near}")


def _settings(config: Config) -> Iterator[Finding]:
    if config.settle.output_bound < 1:
        yield Finding(path=("settle", "output_bound"), what="write at least 1 token")
    yield from _duration(("settle", "drain_limit"), config.settle.drain_limit)
    yield from _duration(("policy", "deadline"), config.policy.deadline)
    for field in ("attempts", "attempts_per_candidate"):
        if getattr(config.policy, field) < 1:
            yield Finding(path=("policy", field), what="write at least 1")
    for unit, rates in config.report.fx.items():
        if any(rate.rate <= 0 for rate in rates):
            yield Finding(path=("report", "fx", unit), what="an exchange rate is more than 0")
