"""The ledger's entry kinds, field by field: the public contract of the pages.

A page (``ledger/YYYY-MM-DD.jsonl``) holds one JSON object a line. Every line begins with `v`, `seq`, `ts` and `type`
and ends with `chain`; between them stand the fields of its kind, as written here. A field that is absent does not
apply or is not known; unknown is never zero. A field name has one JSON type wherever it stands at the top level.
Amounts and rates are decimal strings without exponent; token counts are integers; moments are UTC with microseconds
(`core/moments.py`). Prompts, completions, upstream error texts and secrets never enter an entry.

Readers ignore fields they do not know. This file decides names and meanings; it writes and sums nothing.
"""

from typing import Literal

import msgspec

VERSION = 0
"""`v` of every line. 0 until the format is closed; from 1 on a page of every version stays readable."""

NO_CHAIN = "0" * 32
"""The chain before the first line of a ledger."""

ROUNDING_CLASS = "rounding"
"""The class of the charge line that brings exact lines to the rounded charge."""

Role = Literal["first", "retry", "fallback"]
"""Why an attempt was made: the call's first, the same candidate again, or another candidate."""

RouteClass = Literal["direct", "ordinary", "subscription", "local"]
"""The product surface of a route. Classes have different settlement paths and are never crossed unseen."""

Outcome = Literal["ok", "broken", "disconnected", "unanswered", "lost", "rejected", "not_sent", "error"]
"""How an attempt ended: complete; the stream ended early; the client left; sent without an answer; found open at a
start; refused before inference; nothing was sent; a failure of the upstream."""

Certainty = Literal["reported", "computed", "estimated", "unpriced", "zero", "assumed_zero"]
"""How sure a charge is: the upstream's own cost; its usage at our card; our estimate; no price was known; known to be
zero; taken as zero because the upstream failed (5xx)."""

Reason = Literal[
    "not_allowed",
    "not_pinned",
    "no_capability",
    "context_too_long",
    "no_price",
    "no_client_credential",
    "balance_short",
    "balance_empty_upstream",
    "pool_used_up",
    "over_budget",
    "over_max_charge",
    "cooling",
    "probing",
    "busy",
    "failed_in_call",
    "retry_budget",
    "attempts_used",
    "outside_boundary",
]
"""Why a candidate was passed over: a closed list."""

RefusedReason = Literal[
    "unknown_model",
    "not_allowed",
    "task_stopped",
    "no_capability",
    "no_client_credential",
    "context_too_long",
    "no_price",
    "nothing_can_pay",
    "all_cooling",
    "busy",
    "exhausted",
    "deadline",
    "client_left",
    "stopping",
    "found_open",
]
"""Why a call ended without a reply of an upstream."""

AdjustedReason = Literal[
    "topup",
    "fee",
    "refund",
    "expiry",
    "correction",
    "reprice",
    "reconciled",
    "used_elsewhere",
    "set",
    "unexplained",
    "opening",
    "closed",
]
"""Why a balance moved by hand or by a provider's word."""

Scope = Literal["candidate", "upstream", "balance"]
"""What a cooldown passes over."""

NamedScope = Literal["balance", "route", "key"]
"""What can get another name and keep its history."""

HoldKind = Literal["bound", "expected", "reported", "count", "provider", "free"]
"""How a hold was reckoned: input estimate and output bound at the card; the output that such calls nearly always stay
below; the highest cost that the upstream reported of late; a count of requests or tokens; nothing, as the provider
counts; nothing, as nothing is owed."""

TaskAction = Literal["started", "raised", "stopped"]
"""What `tf task` did: a task may spend (again); its cap changed; it spends no more."""

Need = Literal["tools", "vision", "json_schema", "audio", "files"]
"""What a request asks of a model beyond text: to call tools, to see images, to answer by a JSON schema, to hear or
speak, to read files."""

PreviousKind = Literal["response", "message", "conversation", "items", "cache", "prompt"]
"""What a provider keeps of the input: the answer before with all that led to it, in Responses or in a thread of
Messages; a conversation that grows with every answer; single items of one, by their ids; a prefix that was put into its
cache; a prompt by its id."""

CacheLife = Literal["5m", "30m", "1h", "12h"]
"""How long a prompt is kept in a provider's cache: each has a class of cache writes (`core/usage.py`)."""

BesideKind = Literal["compaction", "advisor", "fallback"]
"""What a provider does at a request's wish besides the answer: it sums the conversation up before; another model
advises; another model answers in its place."""

UsageSource = Literal["reported", "partial", "estimated", "none"]
"""Where the usage comes from: the upstream's last word; its word before the stream broke; our estimate; nowhere."""


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of what stands in a line: immutable, named fields, absent when not applicable."""


class PassedOver(Record, frozen=True, kw_only=True):
    """A candidate that a decision did not take, and the numbers behind it."""

    candidate: str
    """ROUTE/MODEL."""
    reason: Reason
    """Why, of a closed list."""
    balance: str = ""
    """The balance that would have paid."""
    available: str = ""
    """What the balance could still hold, in `unit`."""
    need: str = ""
    """What this call would have held, in `unit`."""
    unit: str = ""
    """Of `available` and `need`."""
    until: str = ""
    """When this reason ends, as far as known (a cooldown, a window's reset)."""
    error: str = ""
    """What caused a cooldown or the failure in this call; what it can't do; the ROUTE/MODEL without a price, where that
    is not the candidate but what the request asks for besides."""
    tier: str = ""
    """The tier of service that was asked for, where it has no rates and the model has."""
    budget: str = ""
    """The budget that stands against it: SCOPE.NAME/PERIOD."""
    limit: str = ""
    """Of that budget, or of a postpaid account or pool, in `unit`."""
    spent: str = ""
    """What counts against `limit` already, live holds not among it; of a prepaid balance nothing is said."""
    held: str = ""
    """What the holds of calls under way take of it, in `unit`."""
    holds: tuple[str, ...] = ()
    """The attempts (ID/N) whose holds alone are in the way: without them this call would fit."""


class Ranked(Record, frozen=True, kw_only=True):
    """The numbers that gave a candidate its place in the order, where that is not the config's own."""

    candidate: str
    """ROUTE/MODEL."""
    cost: str = ""
    """What the call is expected to cost its balance, in `unit`; 0 where a pool or nobody pays; absent if not known."""
    unit: str = ""
    """Of `cost` and `left`: the balance's."""
    compared: str = ""
    """`cost` in the report's unit; absent when no exchange rate of the day is known."""
    list: str = ""
    """The same call at the provider's list price, in the report's unit."""
    left: str = ""
    """Of ``use-or-lose``: what would be lost, of the pool's allowance or the lot, in `unit`."""
    ends: str = ""
    """When that is lost: the moment of a pool's reset, or a lot's last day."""


class Cause(Record, frozen=True, kw_only=True):
    """What led to an attempt that is no first choice."""

    n: int
    """The attempt that failed; 0 when the intended candidate was passed over before any attempt."""
    error: str
    """Its error, or the reason of the passing over."""
    status: int = 0
    """Its HTTP status; absent when there was none."""


class Beside(Record, frozen=True, kw_only=True):
    """What a request asks its provider to do besides the answer, and to bill."""

    kind: BesideKind
    """What it is."""
    model: str = ""
    """The model that does it, as the upstream names it; absent where it is the one that answers."""
    input: int = 0
    """Of a compaction: the tokens of input from which on it happens."""
    output: int = 0
    """Tokens of output at most, each time; absent when the request does not say."""
    times: int = 1
    """How often at most; 1 where the request does not say."""
    caches: CacheLife | Literal[""] = ""
    """How long its own prompt is kept in the cache; absent when it is not."""


class HoldBasis(Record, frozen=True, kw_only=True):
    """How a hold was reckoned."""

    kind: HoldKind
    """How it was reckoned."""
    input: int = 0
    """Input tokens held for: the estimate with its margin, and what the provider keeps of the conversation."""
    output: int = 0
    """Output tokens held for, at most what the route says that the model gives."""
    card: str = ""
    """The rate card: CANDIDATE@VALID_FROM."""
    kept: int = 0
    """Of `input`: what the provider keeps of the conversation."""
    input_class: str = ""
    """The class that the input is priced at, where a cache write, sound or images cost more than ``input``."""
    output_class: str = ""
    """The class that the output is priced at, where sound may be asked for and costs more than ``output``."""
    beside: str = ""
    """Of the hold: what is for the compaction, advisor or other model that the request asks for (`routed.beside`)."""


class WindowHeld(Record, frozen=True, kw_only=True):
    """A window of a pool or postpaid account in which an amount counts. Start and end stay once it is open."""

    window: str
    """KIND/PER, such as ``first-use/5h``."""
    start: str
    """Its first moment; of a rolling one, the first of the step in which the amount falls."""
    end: str
    """The first moment in which it counts no more."""


class Counted(Record, frozen=True, kw_only=True):
    """What a hold, a charge or a correction counts against one budget."""

    budget: str
    """SCOPE.NAME/PERIOD, such as ``key.aider/day``; a task's cap is ``task.NAME/cap``, what calls of a model may cost
    that crossed into another class ``cross.MODEL/PERIOD``."""
    amount: str
    """In `unit`."""
    unit: str
    """The budget's."""
    fx: str = "1"
    """Units of what was paid for one of the budget's: the rate by which `amount` was converted, frozen here."""
    by: Literal["charge", "list"] = "charge"
    """What was converted: ``charge``, what the balance pays; ``list``, what it is at the provider's list price."""
    start: str = ""
    """The first moment of the budget's period; absent for a task's cap, which has none."""
    end: str = ""
    """The first moment after it."""


class Limit(Record, frozen=True, kw_only=True):
    """What an upstream's headers said of its own limits."""

    window: str
    """What is limited: ``requests``, ``tokens-day`` and so on as named; ``provider/5h``: percent, counted by the
    provider for the account; ``model/7d_opus``: percent, for some models; ``provider/overage``: paying with money
    beyond a pool; ``credits``."""
    limit: str = ""
    """How many are allowed."""
    remaining: str = ""
    """How many are left."""
    reset: str = ""
    """As the header gave it: seconds, a duration or a moment; of what is counted in percent, a stamp."""
    status: str = ""
    """The provider's own word for it, such as ``allowed_warning``; of an overage that pays, ``in_use``."""


class CardUsed(Record, frozen=True, kw_only=True):
    """The rate card that priced a charge, as it was."""

    id: str
    """UPSTREAM/MODEL in the catalogue's or the route's words."""
    source: str
    """Where the rates come from: ``genai-prices VERSION`` or ``route sheet``."""
    unit: str
    """What the rates are in, before `list_share` and `fx`."""
    per: str
    """``mtok``, ``ktok`` or ``token``: what one rate of a token class buys; a count's rate is for one."""
    rates: dict[str, str]
    """Usage class to rate."""
    valid_from: str = ""
    """The first day on which it holds; absent when it has none."""
    tier: str = "base"
    """``base``, ``input>N`` for a long-context tier; after the tier of service where one has its own rates:
    ``flex``, ``flex input>N``."""
    list_share: str = "1"
    """The route's share of the list price."""
    fx: str = "1"
    """Units of the balance for one unit of the card."""
    factors: dict[str, str] = {}
    """Premiums on every rate of a token class, by what they are for: ``region eu.api.openai.com``, ``geo us``."""
    resolved: tuple[str, ...] = ()
    """How the upstream's name of the model led to it, from name to name; absent where it is the very name."""


class ChargeLine(Record, frozen=True, kw_only=True):
    """One line of a charge: quantity times rate, exactly."""

    # `class` is the ledger's word and a keyword in Python.
    usage_class: str = msgspec.field(name="class")
    """The usage class (`core/usage.py`), `requests` or `tokens` of a pool, or `rounding`."""
    quantity: int
    """Tokens, or a count."""
    rate: str
    """For one `per` of the card, in the charge's unit: after list share, premiums and exchange rate."""
    amount: str
    """Quantity times rate, exactly; all lines sum to the charge."""
    iteration: int = 0
    """Of what was billed beside the top-level counts: its place in `iterations`, from 1."""


class IterationBilled(Record, frozen=True, kw_only=True):
    """Work that the provider billed beside the top-level counts of the same reply."""

    kind: str
    """The provider's word for it: ``compaction``, ``advisor_message``."""
    model: str
    """The model whose rates priced it, as the upstream names it."""
    usage: dict[str, int]
    """Disjoint usage classes to counts, not among those of the entry."""
    card: CardUsed | None = None
    """Its rate card; absent where none is known."""


class Trail(Record, frozen=True, kw_only=True):
    """An earlier attempt of the same call, in short."""

    n: int
    """Its number."""
    candidate: str
    """ROUTE/MODEL."""
    balance: str
    """Which balance held for it."""
    outcome: Outcome
    """How it ended."""
    charge: str
    """What it cost; 0 when it was voided."""
    unit: str
    """Of `charge`."""
    ms: float
    """How long it took, in ms."""
    error: str = ""
    """Our word for what happened."""
    status: int = 0
    """The HTTP status; absent when there was none."""
    until: str = ""
    """The moment until which the upstream asked to wait; absent where it named no wait. The call may come back to the
    candidate then, where nobody else answers."""


class Previous(Record, frozen=True, kw_only=True):
    """Where the page before ended."""

    page: str
    """Its UTC day."""
    bytes: int
    """How long it is."""
    seq: int
    """Its last line."""
    chain: str
    """The chain of its last line."""


class Entry(Record, frozen=True, kw_only=True, tag_field="type"):
    """Base of the entry kinds."""


class Opened(Entry, frozen=True, kw_only=True, tag="opened"):
    """The first line of a page: everything the pages before add up to, so that a start reads this page only."""

    page: str
    """The UTC day."""
    machine: str
    """``m_`` and a random name that stays with this installation."""
    lineage: str
    """``l_`` and a random name that stays with this ledger."""
    config: str = ""
    """Digest of the effective config in force (``configs/DIGEST.json``)."""
    cards: str = ""
    """Digest of the rate cards in force (``cards/DIGEST.json``)."""
    previous: Previous | None = None
    """Where the page before ended; absent on the first page."""
    fold: msgspec.Raw = msgspec.Raw(b"{}")
    """The fold (`core/fold.py`) at this point."""


class Configured(Entry, frozen=True, kw_only=True, tag="configured"):
    """The config or the rate cards in force changed."""

    config: str
    """Digest of the effective config (``configs/DIGEST.json``)."""
    cards: str
    """Digest of the rate cards (``cards/DIGEST.json``)."""
    changes: tuple[str, ...] = ()
    """Each changed setting: ``TABLE.KEY: old → new``."""


class Routed(Entry, frozen=True, kw_only=True, tag="routed"):
    """A call was accepted and its candidates are known. Exactly one closing entry follows it."""

    id: str
    """The call: ``tf_`` and 32 hex digits of a UUIDv7."""
    key: str
    """The name of the key that asked."""
    model_asked: str
    """The model as the client named it."""
    dialect_in: str
    """The dialect that the client speaks: ``openai_chat``, ``anthropic_messages`` and so on (`core/dialects.py`)."""
    stream: bool
    """Whether it asked for a stream."""
    input_estimate: int
    """Tokens of input as estimated from the body's bytes."""
    output_bound: int
    """Tokens of output at most: as asked, else the configured bound; times the choices asked for."""
    output_asked: int = 0
    """The same by the client's own word; absent where it names no maximum."""
    answers: int = 1
    """How many answers are generated, those that `best_of` throws away among them."""
    caches: dict[str, CacheLife] = {}
    """By a dialect in which it can be asked, the client's own among them: how long its marks keep the prompt in the
    provider's cache. A translation may set marks itself, or have none."""
    beside: tuple[Beside, ...] = ()
    """What it asks the provider to do besides the answer, where it is asked in the client's own dialect."""
    model: str = ""
    """The `[model]` table or the name that it was routed by, where an alias or a pattern led there."""
    candidates: tuple[str, ...] = ()
    """ROUTE/MODEL in the order of preference."""
    burn: str = ""
    """What fixed the order: ``listed``, ``cheapest`` or ``use-or-lose``."""
    ranked: tuple[Ranked, ...] = ()
    """Of ``cheapest`` and ``use-or-lose``: the numbers behind the order."""
    intended: str = ""
    """The first candidate that this key may use and that can serve the call at all."""
    boundary: str = ""
    """Where a fallback must stay: ``none``, ``balance``, ``class`` or ``any``."""
    needs: tuple[Need, ...] = ()
    """What it asks of a model beyond text."""
    uncarried: dict[str, str] = {}
    """By a candidate's dialect, where it is not the client's: the member of the request (a path) that it has not."""
    dropped: tuple[str, ...] = ()
    """Members of the request (paths) that are left out on the way to the intended candidate: its dialect has none."""
    login: bool = False
    """Whether the client brought a login of its own, for an upstream that takes it (`credential = "client"`)."""
    stored: bool = False
    """Whether an upstream that is asked in the client's own dialect keeps the answer (Responses: `store`; Messages:
    `thread`)."""
    previous: str = ""
    """What it goes on from, by its upstream's id: a response (`previous_response_id`), a conversation, a message of a
    thread (`previous_message_id`), a cached prefix (`cached_content`), a prompt; of single items absent."""
    previous_kind: PreviousKind | Literal[""] = ""
    """What that is; absent where it goes on from nothing."""
    previous_input: int = 0
    """Tokens of input that are known to be in that, which the upstream reads again and bills."""
    previous_output: int = 0
    """Tokens of the answer in it, likewise."""
    made_by: str = ""
    """The route that made that response, as far as it is known: no other may answer."""
    pinned: str = ""
    """The route that the client pinned (`x-tf-route`): no other may answer."""
    pinned_class: str = ""
    """The class that the client pinned (`x-tf-class`)."""
    fallback_asked: str = ""
    """Where the client said that a fallback must stay (`x-tf-fallback`), as the config or narrower."""
    max_charge: str = ""
    """The most that an attempt may hold, with what earlier ones cost, by the client's word (`x-tf-max-charge`)."""
    kept: str = ""
    """The candidate that answered this conversation last, where that is not too long ago."""
    kept_cache: int = 0
    """Tokens of the conversation that its prompt cache held by then, as far as its usage showed."""
    sticky: str = ""
    """That candidate, where it is tried first for its cache: of the intended one's class and balance."""
    task: str = ""
    """The task that it belongs to (`x-tf-task`)."""
    agent: str = ""
    """The client's User-Agent, cut to 120 printable characters."""
    client_retry: int = 0
    """The client SDK's own count of retries (`x-stainless-retry-count`)."""
    thread: str = ""
    """Which conversation it belongs to: the same keyed digest for all of its calls (`core/threads.py`)."""
    prefixes: tuple[str, ...] = ()
    """Keyed digests of its messages: of all, then of those before its last answers, the longest first. A request that
    begins with all that an earlier one had goes on from it."""
    sessions: tuple[str, ...] = ()
    """Keyed digests of what its client calls the session, the narrowest word first."""
    question: str = ""
    """Keyed digest of the last that the user said in it, with its opening."""
    answered: tuple[str, ...] = ()
    """Keyed digests of what the user said before its last answers, likewise, the oldest first."""
    turn: int = 0
    """How many messages."""
    digest: str = ""
    """Keyed digest of the body."""
    geo_asked: str = ""
    """Where it asked to be computed, where the provider charges for that (`inference_geo`)."""
    tier_asked: str = ""
    """The service tier that it asked for."""


class Held(Entry, frozen=True, kw_only=True, tag="held"):
    """An amount was reserved for one attempt, and why this candidate."""

    id: str
    """The call."""
    n: int
    """Number of the attempt in its call, from 1."""
    role: Role
    """Why there is this attempt."""
    route: str
    """The route taken."""
    upstream: str
    """Its upstream."""
    upstream_model: str
    """The model as the upstream names it."""
    route_class: RouteClass = msgspec.field(name="class")
    """The route's class."""
    balance: str
    """The balance that pays."""
    hold: str
    """What is reserved, in `unit`."""
    unit: str
    """The balance's unit."""
    hold_basis: HoldBasis
    """How the hold was reckoned."""
    passed_over: tuple[PassedOver, ...] = ()
    """The candidates before it, and why not them."""
    cause: Cause | None = None
    """What led to it; absent for a first choice."""
    crossed: str = ""
    """The class that it crossed into beyond `boundary`, by the model's `cross`."""
    dialect_out: str = ""
    """The dialect that the upstream is asked in, where that is not the client's."""
    dropped: tuple[str, ...] = ()
    """Members of the request (paths) that this attempt leaves out, as that dialect has none."""
    windows: tuple[WindowHeld, ...] = ()
    """The windows of a pool in which it counts."""
    counted: tuple[Counted, ...] = ()
    """What it takes of budgets."""
    jitter_ms: int = 0
    """How long a retry was put off at random, in ms."""
    waited_ms: int = 0
    """How long the call waited for what alone stood against it, in ms: the holds of others, a task's cap, its turn at a
    busy upstream, a cooldown, or a wait that the upstream named."""


class Settled(Entry, frozen=True, kw_only=True, tag="settled"):
    """An attempt that cost something (or was complete and free): its hold ended with this charge."""

    id: str
    """The call."""
    n: int
    """Number of the attempt in its call."""
    role: Role
    """Why there was this attempt."""
    final: bool
    """Whether the call ends with it."""
    key: str
    """The name of the key that asked."""
    model_asked: str
    """The model as the client named it."""
    upstream: str
    """Who answered."""
    upstream_model: str
    """The model as the upstream names it."""
    dialect_in: str
    """The dialect that the client speaks."""
    dialect_out: str
    """The dialect that the upstream was asked in."""
    stream: bool
    """Whether the client asked for a stream."""
    intended: str
    """The candidate that was meant; another one here is a fallback."""
    route: str
    """The route taken."""
    route_class: RouteClass = msgspec.field(name="class")
    """The route's class."""
    balance: str
    """The balance that paid."""
    outcome: Outcome
    """How the attempt ended."""
    started: str = ""
    """When the request began to be sent; absent when that is not known."""
    total_ms: float
    """How long it took, in ms."""
    usage: dict[str, int]
    """Disjoint usage classes to counts; `reasoning` is an *of which* of `output`."""
    usage_source: UsageSource
    """Where the usage comes from."""
    cache_counted: str = ""
    """Where the upstream counts cached tokens: ``in_input``, ``beside_input``, ``nowhere``; absent for an estimate."""
    charge: str
    """What it cost, in `unit`; at most 12 decimal places."""
    unit: str
    """The balance's unit."""
    certainty: Certainty
    """How sure the charge is."""
    hold: str
    """What was reserved for it."""
    overrun: str
    """By how much the charge went over its hold."""
    client_status: int = 0
    """The status that the client got; absent when the call went on."""
    task: str = ""
    """The task that it belongs to."""
    agent: str = ""
    """The client's User-Agent."""
    thread: str = ""
    """Which conversation it belongs to."""
    turn: int = 0
    """How many messages."""
    model_served: str = ""
    """The model that the upstream named; never the one that prices."""
    status: int = 0
    """The upstream's HTTP status; absent when there was none."""
    error: str = ""
    """Our word for what went wrong (`core/fallback.py`); absent when nothing did."""
    finish: str = ""
    """The upstream's reason for the end of its answer."""
    upstream_id: str = ""
    """The upstream's own id of the response. It may repeat."""
    tier_served: str = ""
    """The service tier that the upstream says it served."""
    first_byte_ms: float = 0.0
    """Until the head of a reply, or the first data event of a stream, in ms."""
    flags: tuple[str, ...] = ()
    """What was odd: ``no_usage`` (a whole reply without its usage), ``no_done`` (a whole stream without the event that
    ends it), or a word for the usage or its price (`core/usage.py`, `core/settlement.py`)."""
    card: CardUsed | None = None
    """The rate card; absent where nothing was priced by one."""
    iterations: tuple[IterationBilled, ...] = ()
    """What was billed beside `usage`; its lines name it by its place."""
    answered_by: str = ""
    """The model whose rates priced `usage`, where another than the one asked stepped in."""
    geo: str = ""
    """Where the upstream says that it computed the reply, where it charges for that."""
    lines: tuple[ChargeLine, ...] = ()
    """The charge, line by line."""
    list: str = ""
    """The same usage at the provider's list price."""
    list_unit: str = ""
    """Of `list` and `saving`."""
    saving: str = ""
    """List minus charge, in `list_unit`."""
    reported_cost: str = ""
    """What the upstream said that it cost, beside our figure."""
    windows: tuple[WindowHeld, ...] = ()
    """The windows in which the charge counts: those at the moment of this entry."""
    counted: tuple[Counted, ...] = ()
    """What the charge takes of budgets, in their periods at the moment of this entry."""
    balance_before: str = ""
    """What was posted before it; of a pool or postpaid account, the smallest rest over its windows."""
    balance_after: str = ""
    """The same after it."""
    trail: tuple[Trail, ...] = ()
    """The attempts of the call before this one."""
    limits: tuple[Limit, ...] = ()
    """What the upstream's headers said of its limits."""


class Voided(Entry, frozen=True, kw_only=True, tag="voided"):
    """An attempt that was not billed: its hold ended without a charge."""

    id: str
    """The call."""
    n: int
    """Number of the attempt in its call."""
    role: Role
    """Why there was this attempt."""
    final: bool
    """Whether the call ends with it."""
    route: str
    """The route taken."""
    upstream: str
    """Its upstream."""
    upstream_model: str
    """The model as the upstream names it."""
    balance: str
    """The balance that held."""
    unit: str
    """The balance's unit."""
    hold: str
    """What was reserved and is free again."""
    outcome: Outcome
    """How the attempt ended."""
    error: str
    """Our word for what happened (`core/fallback.py`), never the upstream's text."""
    certainty: Certainty
    """How sure it is that nothing was billed."""
    total_ms: float
    """How long it took, in ms."""
    status: int = 0
    """The upstream's HTTP status; absent when there was none."""
    client_status: int = 0
    """The status that the client got; absent when the call went on."""
    wait_s: str = ""
    """How long the upstream asked to wait."""
    no_retry: bool = False
    """The upstream said that to ask it again does not help (`x-should-retry: false`)."""
    upstream_id: str = ""
    """The upstream's own id, where it gave one."""
    limits: tuple[Limit, ...] = ()
    """What the upstream's headers said of its limits."""


class Refused(Entry, frozen=True, kw_only=True, tag="refused"):
    """A call ended without a reply of an upstream."""

    id: str
    """The call."""
    key: str
    """The name of the key that asked."""
    model_asked: str
    """The model as the client named it."""
    reason: RefusedReason
    """Why, of a closed list."""
    error: str
    """The `code` in the error body that the client got."""
    client_status: int
    """0 when no client was left to answer."""
    final: bool
    """Always true: a refusal closes its call."""
    waited_ms: int = 0
    """How long the call waited before it was given up, in ms (`waited_ms` of ``held`` says for what)."""
    task: str = ""
    """The task that it belongs to."""
    passed_over: tuple[PassedOver, ...] = ()
    """Every candidate, and what stood against it."""


class LotMoved(Record, frozen=True, kw_only=True):
    """What an adjustment took from one lot of money, or gives back to it."""

    amount: str
    """How much, in the balance's unit."""
    expires: str = ""
    """The last day (UTC) on which the lot can be spent; absent for no end."""
    ref: str = ""
    """The reference of the top-up that made it, where it has an end."""


class Adjusted(Entry, frozen=True, kw_only=True, tag="adjusted"):
    """A balance moved by other means than a call."""

    balance: str
    """The balance that moved."""
    amount: str
    """Added to what is posted; negative takes away."""
    unit: str
    """The balance's unit."""
    reason: AdjustedReason
    """Why, of a closed list."""
    paid: str = ""
    """What was paid for it, with its unit."""
    fee: str = ""
    """The fee in what was paid, with its unit."""
    ref: str = ""
    """An invoice or receipt; never used twice on one balance."""
    expires: str = ""
    """Of a top-up: the last day (UTC) on which it can be spent; of ``closed``: that of the lot taken over. Of a pool's
    fee: the last day of its period."""
    effective: str = ""
    """The moment or day that it belongs to, where that is not the entry's: a fee's first day, the end of a lot, the
    moment of what an undo takes back."""
    batch: str = ""
    """The name of what was entered together and can be taken back together."""
    windows: tuple[WindowHeld, ...] = ()
    """The windows of a pool in which it counts."""
    counted: tuple[Counted, ...] = ()
    """What it takes of budgets; negative where it gives back."""
    lots: tuple[LotMoved, ...] = ()
    """Where it took money that ends: what it took from each lot, earliest end first. Of an undo: those that get it
    back."""
    undoes: int = 0
    """The `seq` of the entry by hand that this one takes back: its reason, and its amounts with the other sign."""
    corrects: str = ""
    """The call whose charge this corrects."""
    note: str = ""
    """The user's remark."""
    balance_before: str = ""
    """What was posted before it; where it counts in windows, the smallest rest over them."""
    balance_after: str = ""
    """The same after it."""
    key: str = ""
    """Of the call that it corrects: its key."""
    task: str = ""
    """Of the call that it corrects: its task."""
    upstream_model: str = ""
    """Of the call that it corrects: the upstream's model."""
    route: str = ""
    """Of the call that it corrects: its route."""


class Cooled(Entry, frozen=True, kw_only=True, tag="cooled"):
    """A candidate, upstream or balance is passed over until a moment."""

    scope: Scope
    """What kind of thing cools."""
    name: str
    """Its name: ROUTE/MODEL, an upstream or a balance."""
    until: str
    """The moment until which it is passed over."""
    level: int
    """How often in a row: each level doubles the time. 0 when an upstream's headers announced it before a failure."""
    error: str
    """Our word for what caused it; ``limit_reached`` when headers said that nothing is left of a limit."""
    causes: tuple[str, ...] = ()
    """The attempts behind it: ID/N."""


class Recovered(Entry, frozen=True, kw_only=True, tag="recovered"):
    """A cooldown ended because something showed that it may."""

    scope: Scope
    """What kind of thing recovered."""
    name: str
    """Its name."""
    by: str
    """ID/N of the attempt, ``topup``, or ``hand`` (`tf routes recover`)."""


class Tasked(Entry, frozen=True, kw_only=True, tag="tasked"):
    """A task was started, raised or stopped by hand. A task of the config needs no such entry."""

    task: str
    """Its name."""
    action: TaskAction
    """What was done."""
    cap: str = ""
    """What it may cost from here on, with its unit; absent where nothing changes or nothing bounds it."""
    soft: str = ""
    """The share of the cap from which on to warn."""
    at_cap: str = ""
    """What a call does at the cap: ``refuse`` or ``wait 10m``."""
    before: str = ""
    """What it might cost before, with its unit; absent where nothing changed or nothing bounded it."""


class Renamed(Entry, frozen=True, kw_only=True, tag="renamed"):
    """The config gave something another name: from here on its history is that of the new one."""

    scope: NamedScope
    """What kind of thing it is."""
    name: str
    """Its name from here on."""
    was: str
    """Its name before."""


AnyEntry = (
    Opened | Configured | Routed | Held | Settled | Voided | Refused | Adjusted | Cooled | Recovered | Tasked | Renamed
)
"""One line's entry."""

Closing = Settled | Voided | Refused
"""What can close a call."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """An entry with its place in the ledger."""

    seq: int
    """From 1, without gaps, across pages."""
    ts: str
    """When it was appended; never less than the line before."""
    entry: AnyEntry


def attempt_name(call_id: str, n: int) -> str:
    """Return ID/N, the name of one attempt."""
    return f"{call_id}/{n}"


def candidate_name(route: str, model: str) -> str:
    """Return ROUTE/MODEL, the name of a candidate."""
    return f"{route}/{model}"


FigureKind = Literal[
    "amount",
    "charge",
    "known",
    "exact",
    "priced",
    "count",
    "counts",
    "seconds",
    "span",
    "moment",
    "day",
    "begins",
    "parts",
    "told",
    "rates",
    "shown",
]
"""What a figure of an entry is. `amount`: in the unit of a balance or budget, at most 12 places, always there;
`charge`: one that is never negative; `known`: one that is there where it is known; `exact`: a decimal; `priced`: an
amount with its unit; `count`, and `counts` by name; `seconds`: a decimal; `span`: milliseconds; `moment`, `day`, and
`begins`, either of both; `parts`: records with figures of their own. Nothing is reckoned with a decimal that is only
`told`, with such `rates` by name, nor with a record that is `shown`."""

FIGURES: dict[type[Record], dict[str, FigureKind]] = {
    PassedOver: {
        "available": "told",
        "need": "told",
        "limit": "told",
        "spent": "told",
        "held": "told",
        "until": "moment",
    },
    Ranked: {"cost": "told", "compared": "told", "list": "told", "left": "told", "ends": "begins"},
    Cause: {"n": "count", "status": "count"},
    Beside: {"input": "count", "output": "count", "times": "count"},
    HoldBasis: {"input": "count", "output": "count", "kept": "count", "beside": "told"},
    LotMoved: {"amount": "amount", "expires": "day"},
    WindowHeld: {"start": "moment", "end": "moment"},
    Counted: {"amount": "amount", "fx": "exact", "start": "moment", "end": "moment"},
    Limit: {
        "remaining": "exact",
        "reset": "moment",
    },  # of a window that the provider counts; else in the header's words
    CardUsed: {"rates": "rates", "list_share": "told", "fx": "told", "factors": "rates", "valid_from": "day"},
    ChargeLine: {"quantity": "count", "rate": "told", "amount": "told", "iteration": "count"},
    IterationBilled: {"usage": "counts", "card": "shown"},
    Trail: {"charge": "amount", "n": "count", "status": "count", "ms": "span"},
    Previous: {"bytes": "count", "seq": "count"},
    Opened: {"previous": "shown"},
    Configured: {},
    Routed: {
        "input_estimate": "count",
        "output_bound": "count",
        "output_asked": "count",
        "answers": "count",
        "previous_input": "count",
        "previous_output": "count",
        "beside": "shown",
        "ranked": "shown",
        "max_charge": "priced",
        "kept_cache": "count",
        "client_retry": "count",
        "turn": "count",
    },
    Held: {
        "hold": "amount",
        "n": "count",
        "hold_basis": "shown",
        "passed_over": "shown",
        "cause": "shown",
        "windows": "parts",
        "counted": "parts",
        "jitter_ms": "count",
        "waited_ms": "count",
    },
    Settled: {
        "charge": "charge",
        "list": "known",
        "saving": "known",
        "hold": "amount",
        "overrun": "amount",
        "usage": "counts",
        "reported_cost": "told",
        "balance_before": "told",
        "balance_after": "told",
        "n": "count",
        "status": "count",
        "client_status": "count",
        "turn": "count",
        "started": "moment",
        "total_ms": "span",
        "first_byte_ms": "span",
        "card": "shown",
        "iterations": "parts",
        "lines": "shown",
        "windows": "parts",
        "counted": "parts",
        "trail": "shown",
        "limits": "parts",
    },
    Voided: {
        "hold": "amount",
        "n": "count",
        "status": "count",
        "client_status": "count",
        "wait_s": "seconds",
        "total_ms": "span",
        "limits": "parts",
    },
    Refused: {"client_status": "count", "waited_ms": "count", "passed_over": "shown"},
    Adjusted: {
        "amount": "amount",
        "paid": "priced",
        "fee": "priced",
        "expires": "day",
        "effective": "begins",
        "lots": "parts",
        "undoes": "count",
        "windows": "parts",
        "counted": "parts",
        "balance_before": "told",
        "balance_after": "told",
    },
    Cooled: {"until": "moment", "level": "count"},
    Recovered: {},
    Tasked: {"cap": "priced", "soft": "exact"},
    Renamed: {},
}
"""Every figure of every record, by its field; one that is absent is none."""
