"""A playbook: a real proxy between two scripted upstreams, told as a transcript.

A test says what the upstreams answer, asks through a real client, and reads the ledger as compact lines. When the
playbook closes, it holds the ledger to what must be true after any run (`_audit`), so every test proves that too.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from ssl import PROTOCOL_TLS_CLIENT, SSLContext
from typing import Any, assert_never, cast

import httpx
import msgspec
from disks import Disk
from openai import AsyncOpenAI
from upstreams import Upstream, until

from tokens_forge.core.adjustment import Order
from tokens_forge.core.book import available
from tokens_forge.core.entries import (
    Adjusted,
    AnyEntry,
    Configured,
    Cooled,
    Held,
    Line,
    Opened,
    PassedOver,
    Recovered,
    Refused,
    Renamed,
    Routed,
    Settled,
    Tasked,
    Voided,
)
from tokens_forge.core.fold import Fold
from tokens_forge.core.moments import moment
from tokens_forge.core.replay import NotKept, compared, decision_in, replay
from tokens_forge.core.settlement import Terms
from tokens_forge.core.tasks import TaskOrder
from tokens_forge.files.kept_terms import kept_terms
from tokens_forge.files.keys_file import changing, new, new_token
from tokens_forge.files.ledger_reader import read_lines, verify
from tokens_forge.files.ledger_writer import System, stand
from tokens_forge.files.paths import Paths
from tokens_forge.proxy.server import Running, running

SECRETS = {"RELAY_KEY": "sk-secret-of-relay", "OFFICIAL_KEY": "sk-secret-of-official"}
"""What the upstreams' credentials are."""

FUNDS = {"wallet": "100 CNY", "credit": "10 USD"}

SHORT = 'timeouts = {first_byte = "300ms", whole = "300ms", idle = "300ms", connect = "300ms"}'
"""For an upstream in the config: it is not waited for long."""

REQUEST: Mapping[str, object] = {
    "model": "smart",
    "messages": [{"role": "user", "content": "Hello"}],
    "max_tokens": 10,
}
"""At the playbook's prices its greeting costs 0.048 CNY on the relay and 0.096 USD on the official route."""

SENT = {
    "accept-encoding",
    "anthropic-beta",
    "anthropic-version",
    "authorization",
    "content-length",
    "content-type",
    "host",
    "openai-beta",
    "user-agent",
    "x-api-key",
}
"""The headers that an upstream may get with a credential of ours."""

NO_TLS = SSLContext(PROTOCOL_TLS_CLIENT)
"""For a client that only calls 127.0.0.1: one of its own would load every root certificate, which takes 20 ms."""

_CONFIG = """
[balance.wallet]
kind = "prepaid"
unit = "CNY"
[balance.credit]
kind = "prepaid"
unit = "USD"

[upstream.relay]
dialect = "openai"
base_url = "{relay_url}"
credential = "env:RELAY_KEY"
{relay}
[upstream.official]
dialect = "openai"
base_url = "{official_url}"
credential = "env:OFFICIAL_KEY"
{official}

[route.relay]
class = "ordinary"
upstream = "relay"
balance = "wallet"
serves = {{ "gpt-5" = "relay-gpt-5" }}
[route.relay.prices]
"relay-gpt-5" = [{{ from = 2020-01-01, unit = "CNY", per = "ktok", input = 1, output = 10 }}]
[route.official]
class = "direct"
upstream = "official"
balance = "credit"
serves = ["gpt-5", "gpt-5-mini"]
[route.official.prices]
"gpt-5" = [{{ from = 2020-01-01, unit = "USD", per = "ktok", input = 2, output = 20 }}]
"gpt-5-mini" = [{{ from = 2020-01-01, unit = "USD", per = "ktok", input = 1, output = 1 }}]

[model.smart]
routes = ["relay/gpt-5", "official/gpt-5"]
fallback = "{fallback}"
{more}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a playbook's config says beyond two upstreams, two prepaid balances and the model `smart` over both."""

    fallback: str = "any"
    relay: str = ""
    """Further settings of `[upstream.relay]`."""
    official: str = ""
    relay_url: str = ""
    """Instead of the scripted relay's."""
    relay_count: Callable[[], Awaitable[int]] | None = None
    """How many requests came in at `relay_url`, for the audit; None when it is no server that counts them."""
    more: str = ""
    """Further tables."""
    config: str = _CONFIG
    """Another config, with the same blanks."""
    relay_credential: str = SECRETS["RELAY_KEY"]
    """What the relay gets as its credential: ours, or the login of a client."""
    fund: Mapping[str, str] = field(default_factory=lambda: dict(FUNDS))
    disk: Disk | None = None
    """The ledger's disk, instead of the real one."""

    def toml(self, relay_url: str, official_url: str) -> str:
        """Return the config for upstreams at these addresses."""
        return self.config.format(
            relay_url=self.relay_url or relay_url,
            official_url=official_url,
            relay=self.relay,
            official=self.official,
            fallback=self.fallback,
            more=self.more,
        )


NO_WAIT = '[policy]\nwait = "none"'
"""Of a config: calls that time alone keeps back are answered at once."""


@dataclass(slots=True)
class Clock:
    """The time of the ledger's entries: the real one, moved on by hand."""

    ahead: timedelta = timedelta()
    stopped: datetime | None = None
    """The moment at which it stands, before what it is ahead."""

    def __call__(self) -> datetime:
        """Return the moment it is."""
        return (self.stopped or datetime.now(UTC)) + self.ahead

    def stop(self) -> None:
        """Let it stand, for a test that reads whole seconds of it."""
        self.stopped = datetime.now(UTC)

    def on(self, **by: float) -> None:
        """Move it on, by what `timedelta` takes."""
        self.ahead += timedelta(**by)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a client got."""

    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body's JSON."""
        return cast("dict[str, Any]", msgspec.json.decode(self.body))

    @property
    def error(self) -> tuple[int, str]:
        """Status and `error.code`."""
        return self.status, self.json["error"]["code"]

    @property
    def message(self) -> str:
        """`error.message`."""
        return self.json["error"]["message"]

    def said(self, *names: str) -> dict[str, str]:
        """Return those of the headers that came."""
        return {name: self.headers[name] for name in names if name in self.headers}


@dataclass(slots=True, kw_only=True)
class Playbook:
    """A proxy that runs, with what is around it."""

    paths: Paths
    running: Running
    relay: Upstream
    official: Upstream
    http: httpx.AsyncClient
    clock: Clock
    relay_credential: str = SECRETS["RELAY_KEY"]
    tokens: dict[str, str] = field(default_factory=dict[str, str])
    replies: list[bytes] = field(default_factory=list[bytes])
    """Heads and bodies of what clients got through `ask` and `send`."""
    told: int = 0
    """The last line of the ledger that was told."""

    @property
    def url(self) -> str:
        """Where clients reach the proxy, without the ``/v1``."""
        return self.running.url

    @property
    def fold(self) -> Fold:
        """The live state."""
        return self.running.proxy.books.fold

    def issue(self, name: str) -> str:
        """Issue a key as `tf keys new` does, and return its token."""
        token = new_token()
        with changing(self.paths.keys) as keys:
            keys.ring = new(keys.ring, name, token=token, now=datetime.now(UTC))
        self.tokens[name] = token
        return token

    def openai(self, key: str = "aider") -> AsyncOpenAI:
        """Return the official client, as its users make it."""
        return AsyncOpenAI(base_url=f"{self.url}/v1", api_key=self.tokens[key])

    async def ask(self, *, headers: Mapping[str, str] | None = None, key: str = "aider", **changes: object) -> Reply:
        """Send `REQUEST` with `changes` and return the whole reply."""
        body = msgspec.json.encode({**REQUEST, **changes})
        return await self.send("POST", "/v1/chat/completions", body, headers=headers, key=key)

    async def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        headers: Mapping[str, str] | None = None,
        key: str = "aider",
    ) -> Reply:
        """Send any request with a key's token and return the reply."""
        head = {"authorization": f"Bearer {self.tokens[key]}", "content-type": "application/json", **(headers or {})}
        got = await self.http.request(method, self.url + path, content=body, headers=head)
        self.replies.append(repr(got.headers).encode() + got.content)
        return Reply(status=got.status_code, headers=got.headers, body=got.content)

    @asynccontextmanager
    async def streaming(self, **changes: object) -> AsyncGenerator[httpx.Response]:
        """Give a streamed reply under way; leaving the context early is a client that hangs up."""
        head = {"authorization": f"Bearer {self.tokens['aider']}"}
        body = {**REQUEST, "stream": True, **changes}
        url = f"{self.url}/v1/chat/completions"
        async with self.http.stream("POST", url, json=body, headers=head) as got:
            yield got

    async def control(self, method: str, path: str, record: object = None) -> Reply:
        """Ask the control socket."""
        transport = httpx.AsyncHTTPTransport(uds=str(self.paths.socket), verify=NO_TLS)
        async with httpx.AsyncClient(transport=transport, base_url="http://tf") as client:
            content = b"" if record is None else msgspec.json.encode(record)
            got = await client.request(method, path, content=content)
            return Reply(status=got.status_code, headers=got.headers, body=got.content)

    async def topup(self, balance: str, amount: str, *, expires: str = "") -> None:
        """Add money as `tf balance topup` does."""
        await self.adjust(Order(balance=balance, kind="topup", amount=amount, expires=expires, yes=True))

    async def adjust(self, order: Order) -> None:
        """Move a balance as `tf balance` does."""
        done = await self.control("POST", "/adjust", order)
        assert done.status == 200, done.body

    async def task(self, order: TaskOrder) -> None:
        """Start, raise or stop a task as `tf task` does."""
        done = await self.control("POST", "/task", order)
        assert done.status == 200, done.body

    async def reload(self, before: str, after: str) -> Reply:
        """Change a part of the config file and have it read again."""
        text = self.paths.config.read_text(encoding="utf-8")
        assert before in text
        self.paths.config.write_text(text.replace(before, after), encoding="utf-8")
        return await self.control("POST", "/reload")

    async def idle(self) -> None:
        """Return once no call is open and every line is written."""
        books = self.running.proxy.books
        await until(lambda: not books.fold.calls and books.ledger.written == books.ledger.seq)

    async def seen_to_have_left(self) -> None:
        """Return once the proxy saw that its one client left."""
        waits = self.running.proxy.watch.waits
        await until(lambda: [True] == [wait.client is None for wait in waits])

    def lines(self) -> list[Line]:
        """Return the ledger's lines that were not told yet, but for what a start writes."""
        new_lines = [line for line in read_lines(self.paths.ledger) if line.seq > self.told]
        self.told = max((line.seq for line in new_lines), default=self.told)
        return [line for line in new_lines if not isinstance(line.entry, Opened | Configured)]

    def transcript(self) -> list[str]:
        """Return the ledger's lines that were not told yet as compact texts."""
        return [tell(line) for line in self.lines()]

    def closing(self) -> Settled | Voided | Refused:
        """Return the entry that closed the last call."""
        found = [line.entry for line in read_lines(self.paths.ledger)]
        return next(entry for entry in reversed(found) if _closes(entry))  # pyright: ignore[reportReturnType] - `_closes` says so

    async def settled(self) -> Settled:
        """Return how the last call was settled, once it is and no call is open."""
        await self.idle()
        entry = self.closing()
        assert isinstance(entry, Settled)
        return entry


@asynccontextmanager
async def playing(folder: Path, setup: Setup | None = None) -> AsyncGenerator[Playbook]:
    """Run a proxy by `setup` in `folder` with the key `aider` and funded balances; at its end, audit the ledger."""
    setup = setup or Setup()
    paths = Paths(config=folder / "config.toml", data=folder / "d", cache=folder / "cache")
    clock = Clock()
    many = httpx.Limits(max_connections=None)  # a client of its own would keep more than a hundred calls back
    client = httpx.AsyncClient(trust_env=False, timeout=20, limits=many, verify=NO_TLS)
    async with Upstream() as relay, Upstream() as official, client as http:
        paths.config.write_text(setup.toml(relay.url, official.url), encoding="utf-8")
        system = setup.disk.system(clock) if setup.disk else System(clock=clock)
        async with running(paths, SECRETS, port=0, system=system) as proxy:
            play = Playbook(
                paths=paths,
                running=proxy,
                relay=relay,
                official=official,
                http=http,
                clock=clock,
                relay_credential=setup.relay_credential,
            )
            play.issue("aider")
            for balance, amount in setup.fund.items():
                await play.topup(balance, amount)
            play.lines()
            yield play
        _audit(play, await setup.relay_count() if setup.relay_count else len(play.relay.got))


def tell(line: Line) -> str:
    """Return a line of the ledger as a transcript has it."""
    entry = line.entry
    match entry:
        case Routed():
            return f"routed {entry.model_asked}: {' '.join(entry.candidates)}".rstrip(": ")
        case Held():
            over = f" past {_over(entry.passed_over)}" if entry.passed_over else ""
            cause = f" after {entry.cause.error}" if entry.cause else ""
            return f"held {entry.n} {entry.role} {entry.route} by {entry.balance}{over}{cause}"
        case Voided():
            end = f"; final {entry.client_status}" if entry.final else ""
            status = f" {entry.status}" if entry.status else ""
            return f"voided {entry.n} {entry.outcome} {entry.error}{status} {entry.certainty}{end}"
        case Settled():
            end = f"; final {entry.client_status}" if entry.final else ""
            error = f" {entry.error}" if entry.error else ""
            return f"settled {entry.n} {entry.outcome}{error} {entry.charge} {entry.unit} {entry.certainty}{end}"
        case Refused():
            over = f" past {_over(entry.passed_over)}" if entry.passed_over else ""
            return f"refused {entry.reason}{over}; final {entry.client_status}"
        case _:
            return _tell_change(entry, line.ts)


def _tell_change(entry: Cooled | Recovered | Adjusted | Tasked | Renamed | Opened | Configured, ts: str) -> str:
    """Return what belongs to no one call."""
    match entry:
        case Cooled():
            # The last digits are the upstream's clock when it wrote a date, so whole seconds are told.
            wait_s = round((moment(entry.until) - moment(ts)).total_seconds())
            return f"cooled {entry.scope} {entry.name} {wait_s} s, level {entry.level}, {entry.error}"
        case Recovered():
            return f"recovered {entry.scope} {entry.name}"
        case Adjusted():
            return f"adjusted {entry.balance} {entry.amount} {entry.unit} {entry.reason}"
        case Tasked():
            return f"tasked {entry.task} {entry.action} {entry.cap}".rstrip()
        case Renamed():
            return f"renamed {entry.scope} {entry.was} to {entry.name}"
        case Opened() | Configured():
            return entry.__struct_config__.tag if isinstance(entry.__struct_config__.tag, str) else ""
        case _:
            assert_never(entry)


def _over(passed: tuple[PassedOver, ...]) -> str:
    return ", ".join(f"{over.candidate} {over.reason}" for over in passed)


def _closes(entry: AnyEntry) -> bool:
    return isinstance(entry, Settled | Voided | Refused) and entry.final


def _audit(play: Playbook, relay_count: int) -> None:
    """Hold a stopped proxy's ledger to what must be true after any run; so many requests came in at the relay."""
    play.paths.checkpoint.unlink()  # the pages alone must say it all
    assert play.fold.encode() == stand(play.paths).fold.encode(), "fold of the ledger = live fold"
    assert {} == play.fold.calls, "no call stays open"
    assert {} == {name: state.holds for name, state in play.fold.book.balances.items() if state.holds or state.held}
    assert verify(play.paths.ledger).seq == play.running.proxy.books.ledger.seq
    lines = list(read_lines(play.paths.ledger))
    _audit_decisions(play.paths, lines)
    entries = [line.entry for line in lines]
    routed = sorted(entry.id for entry in entries if isinstance(entry, Routed))
    assert routed == sorted(_closed(entries)), "every routed has exactly one closing entry"
    held = sum(isinstance(entry, Held) for entry in entries)
    not_sent = sum(isinstance(entry, Voided) and entry.outcome == "not_sent" for entry in entries)
    assert held - not_sent == relay_count + len(play.official.got), "CASES 24: the wire's count is the ledger's"
    _audit_secrets(play)


def _audit_decisions(paths: Paths, lines: list[Line]) -> None:
    """Hold the decisions to themselves, made again, and every hold to what its balance had (CASES 29, 30)."""
    terms_of = cache(partial(kept_terms, paths))
    again = compared(replay(lines, terms_of))
    decisions = sum(decision_in(line.entry) is not None for line in lines)
    differs = [decision for decision in again.decisions if not decision.agrees]
    assert (decisions, [], ()) == (again.agreed, differs, again.unknown), "every decision agrees"
    fold, terms = Fold(), dict[str, Terms | NotKept]()
    for line in lines:
        fold.apply(line)
        if isinstance(line.entry, Routed):
            terms[line.entry.id] = terms_of(fold.config, fold.cards)
        if isinstance(line.entry, Held) and isinstance(by := terms[line.entry.id], Terms):
            state = fold.book.balances[line.entry.balance]
            left = available(by.config.balance[line.entry.balance], state, line.ts)
            assert left is None or left >= 0, f"line {line.seq} holds more than there was"


def _closed(entries: list[AnyEntry]) -> Iterator[str]:
    for entry in entries:
        if isinstance(entry, Settled | Voided | Refused) and entry.final:
            yield entry.id


def _audit_secrets(play: Playbook) -> None:
    """Hold an upstream to its own credential and nothing of the client's; what is secret is written nowhere."""
    for upstream, secret in ((play.relay, play.relay_credential), (play.official, SECRETS["OFFICIAL_KEY"])):
        for got in upstream.got:
            bearer = got.headers.get("authorization", "").removeprefix("Bearer ")
            assert [secret] == [said for said in (bearer, got.headers.get("x-api-key")) if said]
            assert got.headers["accept-encoding"] == "identity"
            if secret in SECRETS.values():
                assert SENT >= set(got.headers)
    secrets = [secret.encode() for secret in (*SECRETS.values(), *play.tokens.values())]
    files = [path.read_bytes() for path in play.paths.data.rglob("*") if path.is_file()]
    for written in (*files, *play.replies):
        assert [] == [secret for secret in secrets if secret in written]
