"""What the user wrote in `config.toml`, as records.

The records forbid unknown names. What no single table shows is found by `core/config_check.py`. Reading the file and
naming its lines is `files/config_file.py`'s part; nothing here touches the disk.
"""

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Literal, get_args

import msgspec

from tokens_forge.core.entries import RouteClass

Boundary = Literal["none", "balance", "class", "any"]
"""Where a fallback must stay: the intended candidate, its balance, its class, or anywhere that is listed."""

Burn = Literal["listed", "cheapest", "use-or-lose"]
"""What fixes the order of candidates: as written; what the call is expected to cost; what would be lost soonest."""

Per = Literal["hour", "day", "week", "month"]
"""A period of the calendar, in the report's timezone."""

Counting = Literal["charge", "list"]
"""What a budget counts: ``charge``, money as it is charged, so that pools and free calls count nothing; ``list``, every
call at its provider's list price."""

Endpoint = Literal["chat", "completions", "responses", "embeddings", "moderations", "messages"]
"""What an upstream can be asked for."""

Holding = Literal["bound", "expected"]
"""What a call reserves for its output: its maximum, or what such calls need nearly always."""

LONGEST_MODEL_NAME = 200
"""Characters of a model's name that the ledger keeps."""

CATALOGUE_UNIT = "USD"
"""What the price catalogue's list prices are in."""

NAME_RULE = "a name begins with a letter or digit and has up to 64 letters, digits, `.`, `_` and `-`"
"""What `is_name` asks for, as told to the user."""

CREDENTIAL_FORMS = "`env:NAME`, `file:PATH`, `none` or `client`"

CLIENT = "client"
"""The `credential` of an upstream that takes its caller's own login."""
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
    """``hour``, ``day``, ``week`` or ``month`` of the calendar, or a duration, such as ``5h`` or ``7d``."""
    kind: Literal["first-use", "calendar", "rolling"] | None = None
    """``first-use``: it opens at the first hold and ends `per` later (the default of a duration). ``calendar``: from
    one `anchor` to the next in the report's timezone (the default of a calendar's word). ``rolling``: the last `per`,
    in 300 steps."""
    anchor: str = ""
    """Where a calendar window begins: ``MM`` of an hour (``:15``), ``09:00`` of a day, ``mon 09:00`` of a week, ``3``
    or ``3 09:00`` of a month. By default its first moment, and the report's first day of the week."""

    @property
    def name(self) -> str:
        """KIND/PER, as the ledger names the window."""
        return f"{self.kind or default_kind(self.per)}/{self.per}"


class Fee(Table, frozen=True, kw_only=True):
    """What a pool costs, however much of it is used."""

    amount: str
    """``200.00 USD``."""
    per: Literal["week", "month", "year"]
    # `from` is the config's word and a keyword in Python.
    valid_from: date = msgspec.field(name="from")
    """The first day of the first period; the same day begins each further one."""
    until: date | None = None
    """The first day that is not paid for any more."""


class Budget(Table, frozen=True, kw_only=True):
    """So much spend in a calendar's period, over all balances."""

    limit: str
    """``5.00 USD``. Money in another unit counts through `[report] fx`."""
    per: Per
    count: Counting = "charge"
    hold: Holding | None = None
    """How much a call under way counts; `[settle] hold` where it is not given."""


class Cap(Table, frozen=True, kw_only=True):
    """So much spend in a task's lifetime."""

    limit: str
    soft: Decimal | None = None
    """A share of the limit (0.8) from which on replies and `tf task` warn."""
    at_cap: str = "refuse"
    """``refuse``, or ``wait 10m``: a call waits so long for the cap to be raised."""
    count: Counting = "charge"


class Balance(Table, frozen=True, kw_only=True):
    """`[balance.NAME]`: what pays."""

    kind: Literal["prepaid", "postpaid", "pool", "free"]
    unit: str = ""
    """A currency, a relay's own money; of a pool ``requests``, ``tokens`` or ``percent``. A free balance has none."""
    was: tuple[str, ...] = ()
    """Earlier names: their history is this balance's."""
    warn_below: str = ""
    """An amount; `tf balance` marks what is below it."""
    limit: str = ""
    """Of a postpaid account: what may be owed in one period."""
    per: Per = "month"
    """Of a postpaid account: the period of its limit."""
    anchor: str = ""
    """Of a postpaid account: where its period begins, as a calendar window's."""
    windows: tuple[Window, ...] | Literal["provider"] = ()
    """Of a pool. ``provider``: its own headers say how much is used and when that resets."""
    fee: Fee | None = None
    """What a pool costs."""
    overage: str = "none"
    """Of a pool that its provider counts: the postpaid balance that pays beyond it; ``none`` refuses."""
    hold: Holding | None = None
    """How much a call reserves here; `[settle] hold` where it is not given."""
    budget: Budget | tuple[Budget, ...] = ()


class UpstreamError(Table, frozen=True, kw_only=True):
    """An upstream's own error and what it means. What is given must all match; the first that matches counts."""

    means: Literal[
        "empty", "rate_limited", "unauthorized", "model_not_found", "context_too_long", "server_error", "bad_request"
    ]
    """A row of the failure table (`core/fallback.py`). ``empty``: the balance there has no money left."""
    status: int = 0
    code: str = ""
    """The error's code or type."""
    message: str = ""
    """A part of the error's message, without regard to case."""


class Timeouts(Table, frozen=True, kw_only=True):
    """How long an upstream may take."""

    connect: str = "5s"
    first_byte: str = "120s"
    """Until a stream's first event; comments before it lengthen this."""
    whole: str = "600s"
    """Until the head of a reply that is not streamed."""
    idle: str = "60s"
    """The longest silence between two bytes of a reply."""


class Upstream(Table, frozen=True, kw_only=True):
    """`[upstream.NAME]`: a provider's endpoint."""

    dialect: Literal["openai", "anthropic"]
    base_url: str
    credential: str
    """``env:NAME``, ``file:PATH`` (0600; relative to the config), ``none``, or ``client``: the caller's own login,
    which goes to no other upstream."""
    endpoints: tuple[Endpoint, ...] | None = None
    """What it can be asked for; by default ``messages`` of Anthropic's dialect, and of OpenAI's everything but
    ``responses``, which only OpenAI's own and Azure's hosts are taken to have."""
    auth: Literal["bearer", "x-api-key"] | None = None
    """The header for the credential; by default ``bearer`` in OpenAI's dialect, ``x-api-key`` in Anthropic's."""
    passes: tuple[str, ...] = ()
    """Of ``client``: other paths that such a client needs (``GET /v1/me``), passed with no charge."""
    provider: str = ""
    """The provider's name in the price catalogue; found from `base_url` when not given."""
    concurrency: int | None = None
    """At most so many attempts are under way there at a time; more calls wait for their turn, up to `[policy] wait`."""
    stream_usage: Literal["inject", "never"] = "inject"
    """Whether a stream is asked for its usage."""
    errors: tuple[UpstreamError, ...] = ()
    timeouts: Timeouts = Timeouts()
    allow_http: bool = False
    """Allow plain http with a credential beyond loopback."""


class Price(Table, frozen=True, kw_only=True):
    """A price for every model of a route: a share of the provider's list price, or so much a call or second."""

    list: Decimal | None = None
    """1 is the list price, 0.35 is 35 % of it."""
    fx: Decimal | None = None
    """Units of the balance for one USD of list price; left out where the balance is in USD."""
    per: Literal["call", "second"] | None = None
    """``call``: each attempt that is billed costs `amount`; ``second``: each second that one takes, rounded up."""
    amount: str = ""
    """``0.02 CNY``, in the balance's unit."""


class Rates(Table, frozen=True, kw_only=True):
    """Rates by usage class (`core/usage.py`): of a token class for one `per`, of a count for one."""

    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write_5m: Decimal | None = None
    cache_write_30m: Decimal | None = None
    cache_write_1h: Decimal | None = None
    cache_write_12h: Decimal | None = None
    reasoning: Decimal | None = None
    audio_in: Decimal | None = None
    audio_out: Decimal | None = None
    image_in: Decimal | None = None
    image_out: Decimal | None = None
    requests: Decimal | None = None
    searches: Decimal | None = None
    images: Decimal | None = None
    seconds: Decimal | None = None

    def rates(self) -> Iterator[tuple[str, Decimal]]:
        """Yield the usage classes that have a rate, with it."""
        for name in Rates.__struct_fields__:
            if isinstance(rate := getattr(self, name), Decimal):
                yield name, rate


class LongInput(Rates, frozen=True, kw_only=True):
    """What costs otherwise for the whole of a request whose total input is more than `above` tokens."""

    above: int


class Sheet(Rates, frozen=True, kw_only=True):
    """A route's own rates for one model from a day on."""

    valid_from: date = msgspec.field(name="from")
    unit: str
    """A currency. In another one than the balance's, with `fx`."""
    per: Literal["mtok", "ktok", "token"] = "mtok"
    """What one rate of a token class buys."""
    fx: Decimal | None = None
    """Units of the balance for one of the sheet's; left out where they are the same."""
    long_input: tuple[LongInput, ...] = ()
    service: dict[str, Rates] = {}
    """By tier of service (``flex``, ``priority``, ``batch``): what costs otherwise when the upstream served it."""
    adds: bool = False
    """Its rates are put on what holds anyway, the route's `price` or the sheet before it, and in the terms of that:
    beside a share of the list they are list prices. All that it does not name stays."""
    guessed: tuple[str, ...] = ()
    """Usage classes whose rate nobody stated: charges with them are estimates."""


class Capabilities(Table, frozen=True, kw_only=True):
    """What a model can do on a route. What is not said is not known, and stands against nothing."""

    context: int = 0
    """Input tokens that fit at most; 0 takes the catalogue's context window, where it knows one."""
    output: int = 0
    """Output tokens that it gives at most: no more is asked for and held, and an upstream that must be told a maximum
    is told it where the client names none. 0 takes what is known of it, at least `[settle] output_bound`."""
    tools: bool | None = None
    vision: bool | None = None
    json_schema: bool | None = None
    audio: bool | None = None
    files: bool | None = None


class Route(Table, frozen=True, kw_only=True):
    """`[route.NAME]`: an upstream and a balance joined, serving models at a price."""

    route_class: RouteClass = msgspec.field(name="class")
    upstream: str
    balance: str
    serves: tuple[str, ...] | dict[str, str]
    """Names or patterns with ``*``; or a table from the name asked to the upstream's name, in which one ``*`` on both
    sides stands for the same."""
    was: tuple[str, ...] = ()
    """Earlier names: their history is this route's."""
    price: Literal["list", "free", "reported"] | Price | None = None
    """``list``: the provider's list price; ``free``: known to cost nothing; ``reported``: what the upstream says that
    a call cost (OpenRouter's `usage.cost`)."""
    prices: dict[str, tuple[Sheet, ...]] = {}
    """Dated sheets by the upstream's model name; they go before `price`."""
    capabilities: dict[str, Capabilities] = {}
    """By the upstream's model name, or a pattern with ``*``; the first that fits is taken."""
    budget: Budget | tuple[Budget, ...] = ()


class Cross(Table, frozen=True, kw_only=True):
    """A bounded permission to fall back into one class beyond where `fallback` stays."""

    to: RouteClass
    up_to: str
    """``10.00 USD``: what calls that crossed may cost together in one `per`. Money in another unit counts through
    `[report] fx`."""
    per: Per


class Model(Table, frozen=True, kw_only=True):
    """`[model.NAME]`: what clients ask for, and which candidates answer. NAME may be a pattern with ``*``."""

    routes: tuple[str, ...] = ()
    """``ROUTE/MODEL``, or ``ROUTE`` for the name asked."""
    alias: str = ""
    """Another name that this one stands for, instead of `routes`."""
    burn: Burn = "listed"
    fallback: Boundary = "class"
    cross: Cross | None = None


class Key(Table, frozen=True, kw_only=True):
    """`[key.NAME]`: what a client's key may use."""

    classes: tuple[RouteClass, ...] = ("direct", "ordinary", "subscription", "local")
    was: tuple[str, ...] = ()
    """Earlier names: their history is this key's."""
    budget: Budget | tuple[Budget, ...] = ()


class Task(Table, frozen=True, kw_only=True):
    """`[task.NAME]`: a named piece of work, and how much it may cost."""

    cap: Cap | None = None
    budget: Budget | tuple[Budget, ...] = ()


class Settle(Table, frozen=True, kw_only=True):
    """`[settle]`: what is held and what is charged when nobody says."""

    hold: Holding = "bound"
    """``bound``: the output's maximum; ``expected``: what nineteen of twenty calls of this candidate stayed below, as
    far as twenty are known, and never more than the maximum."""
    output_bound: int = 4096
    """Output tokens held for when the client gives no maximum."""
    inline_tokens: int = 1000
    """Input tokens that an image, sound or file inside a request counts: its bytes say nothing about them."""
    wait: str = "10s"
    """How long a call waits that only the holds of other calls keep from being paid; ``none`` refuses it at once."""
    unpriced: Literal["refuse", "zero", "sibling"] = "refuse"
    """What to do with a call whose price is not known. ``sibling``: a model that the price catalogue does not know yet
    is charged as the newest one known of its family (``gpt-5.9-mini`` as the newest ``gpt-…-mini``), an estimate; one
    without such a sibling is refused."""
    disconnect: Literal["estimate", "drain"] = "estimate"
    drain_limit: str = "30s"
    """How long ``drain`` reads on for the real usage."""
    unanswered: Literal["estimate", "hold"] = "estimate"


class Policy(Table, frozen=True, kw_only=True):
    """`[policy]`: bounds on attempts, and what their order goes by."""

    attempts: int = 4
    """At most so many attempts for a call."""
    attempts_per_candidate: int = 2
    deadline: str = "15m"
    """For the whole call, until its reply begins."""
    wait: str = "60s"
    """How long a call waits, in all, where time alone stands against it: a cooldown, a wait that an upstream named, its
    turn at a busy one. ``none`` answers at once, with how long to wait where that is known."""
    expected_output: int = 500
    """Output tokens that `cheapest` expects of a call, and never more than the call's own bound."""
    sticky: str = "1h"
    """How long after its last answer a conversation stays where it was, for that provider's prompt cache; ``none``
    lets every call begin anew. Providers keep a prefix for 5 minutes to an hour after its last use (OpenAI, "Prompt
    caching"; Anthropic, "Prompt caching"; read 2026-11)."""


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
    task: dict[str, Task] = {}
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
    "task": Task,
}
"""Tables with a name of the user's: `[balance.NAME]`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something wrong in a config, by the path of the value: ``("route", "fast", "balance")``."""

    path: tuple[str, ...]
    what: str
    warning: bool = False


def default_kind(per: str) -> Literal["first-use", "calendar"]:
    """Return the kind of a window that names none: a word of the calendar is one, a duration opens at first use."""
    return "calendar" if per in get_args(Per) else "first-use"


def budgets(owner: Balance | Route | Key | Task) -> tuple[Budget, ...]:
    """Return the budgets of a table, none, one or several."""
    return (owner.budget,) if isinstance(owner.budget, Budget) else owner.budget


def near_name(wrong: str, names: Iterable[str]) -> str:
    """Return `` Did you mean `x`?`` for the nearest of `names`; nothing where none is near, or it is one of them."""
    known = sorted(names)
    near = difflib.get_close_matches(wrong, known, n=1)
    return f" Did you mean `{near[0]}`?" if near and wrong not in known else ""


def did_you_mean(wrong: str, names: Iterable[str]) -> str:
    """Return `` Did you mean `x`?`` for the nearest of `names`, else those there are, else nothing."""
    known = sorted(names)
    return near_name(wrong, known) or there_are(known)


def there_are(names: Iterable[str]) -> str:
    """Return `` There are: `a`, `b`.``, sorted; nothing where there are none."""
    known = sorted(names)
    return f" There {'is' if len(known) == 1 else 'are'}: {', '.join(f'`{name}`' for name in known)}." if known else ""


def upstream_name(route: Route, asked: str) -> str | None:
    """Return the upstream's name of what clients call `asked`; None when the route does not serve it.

    An exact name goes before a pattern, of patterns the first as written. A pattern passes the client's own word on, so
    it takes none with control characters, and none longer than the ledger keeps.
    """
    if asked in route.serves:
        return route.serves[asked] if isinstance(route.serves, dict) else asked
    if not asked.isprintable() or len(asked) > LONGEST_MODEL_NAME:
        return None
    if not isinstance(route.serves, dict):
        return asked if any(fits(pattern, asked) for pattern in route.serves) else None
    for pattern, named in route.serves.items():
        if (part := _starred(pattern, asked)) is not None:
            return named.replace("*", part)
    return None


def names_asked(route: Route, served: str) -> Iterator[str]:
    """Yield the names that clients may call the upstream's model `served` by a table of names, itself not among them.

    What a pattern maps to it is told too, unless another name of the table goes before.
    """
    for asked, named in route.serves.items() if isinstance(route.serves, dict) else ():
        part = _starred(named, served)
        name = asked if part is None else asked.replace("*", part)
        if name != served and "*" not in name and upstream_name(route, name) == served:
            yield name


def is_served(route: Route, model: str) -> bool:
    """Say whether a model's name, ours or the upstream's, is one that `route` serves."""
    return upstream_name(route, model) is not None or is_upstreams(route, model)


def is_upstreams(route: Route, model: str) -> bool:
    """Say whether `model` is the upstream's name of something that `route` serves."""
    if isinstance(route.serves, dict):
        return any(model == name or _starred(name, model) is not None for name in route.serves.values())
    return upstream_name(route, model) is not None


def fits(pattern: str, name: str) -> bool:
    """Say whether a name fits a pattern, in which ``*`` alone stands for something: any characters, or none."""
    return _pattern(pattern).fullmatch(name) is not None


@lru_cache(maxsize=1_024)
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.DOTALL)


def _starred(pattern: str, name: str) -> str | None:
    """Return what the one ``*`` of a pattern stands for in `name`; None where it does not fit or there is none."""
    head, star, tail = pattern.partition("*")
    fits = star and name.startswith(head) and name.endswith(tail) and len(name) >= len(head) + len(tail)
    return name[len(head) : len(name) - len(tail)] if fits else None


def is_name(name: str) -> bool:
    """Say whether `name` can be a balance's, upstream's, route's or key's: it stands in headers and in ROUTE/MODEL."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name) is not None


def fx_at(config: Config, unit: str, day: date) -> Decimal | None:
    """Return units of `unit` for one report unit on `day`; 1 for the report unit itself, None when not given."""
    if unit == config.report.unit:
        return Decimal(1)
    valid = [rate for rate in config.report.fx.get(unit, ()) if rate.valid_from <= day]
    return max(valid, key=lambda rate: rate.valid_from).rate if valid else None
