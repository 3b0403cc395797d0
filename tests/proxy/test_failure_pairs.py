"""Every pair of failures: what the first candidate answers, then what the second does, foretold from the table.

A small model here knows the failure table (`core/fallback.py`) and the bounds of DESIGN §7, and none of the code that
routes: from two answers it tells the ledger's lines, the requests on each wire and the reply. Each pair has balances,
upstreams and routes of its own, so many can be asked of one proxy and none sees what another cooled.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from playbook import NO_WAIT, Playbook, Reply, Setup, playing
from upstreams import (
    DONE,
    HELLO,
    KEEP_ALIVE,
    TOKENS,
    Answer,
    End,
    Upstream,
    completion,
    event,
    plain,
    refusal,
    refusing,
    stream,
)

from tokens_forge.core.fallback import TABLE, Row

pytestmark = pytest.mark.usefixtures("impatient")

ESTIMATE = 9
"""The playbook's greeting in tokens, by its bytes."""

BEGUN = HELLO[:2]
"""The first events of a stream; by their bytes one token of output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way in which every request to a candidate ends."""

    word: str
    """Its row of the table; empty for an answer."""
    answer: Answer | None = None
    """What the upstream says; None where no request reaches one, or where it greets."""
    status: int = 0
    """The upstream's."""
    wait_s: Decimal | None = None
    """How long it asks to wait."""
    where: Literal["there", "refusing", "no credential"] = "there"
    """What is at the upstream's address."""
    slow: bool = False
    """Nothing more comes, and that is not waited for long."""
    begun: bool = False
    """The first event of a stream has come."""
    leaves: bool = False
    """The client does, once it has what comes."""


def said(status: int, word: str, code: str = "", wait: str = "") -> Way:
    """Return an upstream's refusal; `wait` is in ms."""
    answer = refusal(status, code, headers={"retry-after-ms": wait} if wait else None)
    return Way(word=word, answer=answer, status=status, wait_s=Decimal(wait) / 1000 if wait else None)


EITHER: dict[str, Way] = {
    "answered": Way(word=""),
    "refused port": Way(word="connect", where="refusing"),
    "no credential": Way(word="credential", where="no credential"),
    "408": said(408, "timeout_upstream"),
    "500": said(500, "server_error"),
    "503 asks to wait": said(503, "server_error", wait="30000"),
    "redirect": Way(word="redirect", answer=plain(b"", status=307, headers={"location": "/v1"}), status=307),
    "silence": Way(word="first_byte_timeout", answer=(End.NEVER,), slow=True),
    "reset": Way(word="reset", answer=(End.RESET,)),
    "429 short": said(429, "rate_limited", wait="10"),
    "429 long": said(429, "rate_limited", wait="30000"),
    "429": said(429, "rate_limited"),
    "402": said(402, "insufficient_quota"),
    "401": said(401, "unauthorized"),
    "404": said(404, "model_not_found"),
    "context": said(400, "context_too_long", "context_length_exceeded"),
    "422": said(422, "bad_request"),
    "client leaves": Way(word="client_left", answer=(End.NEVER,), leaves=True),
}
"""Ways of replies and of streams alike."""


def broken(word: str, *rest: bytes | End, slow: bool = False) -> Way:
    """Return a stream that breaks once it has begun."""
    return Way(word=word, answer=stream(*BEGUN, *rest), slow=slow, begun=True, status=200)


HALF = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n" + completion()

PLAIN: dict[str, Way] = EITHER | {
    "half a body": Way(word="reset", answer=(HALF, End.CLOSE), status=200),
    "no JSON": Way(word="bad_reply", answer=plain(b"<html>Log in</html>"), status=200),
    "200 failed": said(200, "server_error", "server_error"),
    "200 quota": said(200, "insufficient_quota", "insufficient_quota"),
    "200 filtered": said(200, "bad_request", "content_filter"),
}


def within(word: str, code: str) -> Way:
    """Return a stream whose first event is an error."""
    return Way(word=word, answer=stream(KEEP_ALIVE, event({"error": {"message": "no", "code": code}})), status=200)


STREAMED: dict[str, Way] = EITHER | {
    "closed": Way(word="reset", answer=stream(KEEP_ALIVE, End.CLOSE), status=200),
    "no JSON": Way(word="bad_reply", answer=stream(b"data: oops\n\n"), status=200),
    "event failed": within("server_error", "server_error"),
    "event limited": within("rate_limited", "rate_limit_exceeded"),
    "event quota": within("insufficient_quota", "insufficient_quota"),
    "event filtered": within("bad_request", "content_filter"),
    "stream_options": Way(word="stream_options", answer=refusal(400, message="no stream_options here"), status=400),
    "cut": broken("stream_cut", End.RESET),
    "error event": broken("stream_error", event({"error": {"message": "overloaded"}})),
    "malformed": broken("stream_malformed", b"data: oops\n\n"),
    "stall": broken("idle_timeout", End.NEVER, slow=True),
    "client leaves later": Way(
        word="client_left", answer=stream(*BEGUN, End.NEVER), leaves=True, begun=True, status=200
    ),
}

NOT_PLAYED = {
    "dns": "as `connect`; test_failures.py",
    "tls": "as `connect`; test_failures.py",
    "connect_timeout": "as `connect`; test_failures.py",
    "deadline": "the call's, whoever is asked; test_failures.py",
    "ledger": "our disk; test_books.py",
    "left_before_contact": "before any answer; test_failures.py",
    "stopped_before_contact": "our stop; test_failures.py",
    "stopped": "our stop; test_stop.py",
    "login_refused": "of an upstream that takes its client's login; test_logins.py",
}
"""Rows that no answer of an upstream leads to, or one that is the same row, and where they are shown."""


def test_every_row_is_played() -> None:
    """No row of the table is left out but those that are shown elsewhere."""
    assert set(TABLE) == {way.word for way in (PLAIN | STREAMED).values()} | set(NOT_PLAYED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A candidate as the model knows it."""

    candidate: str
    balance: str
    upstream: str
    wire: int
    """Which server gets its requests."""
    rates: tuple[int, int]
    """For a thousand tokens of input and output."""
    unit: str
    way: Way

    @property
    def route(self) -> str:
        """The candidate's."""
        return self.candidate.partition("/")[0]

    def costs(self, tokens_in: int, tokens_out: int) -> str:
        """Return the charge for so many tokens."""
        return f"{Decimal(tokens_in * self.rates[0] + tokens_out * self.rates[1]) / 1000:f}"


SERVERS = (("RELAY_URL", "RELAY_KEY"), ("OFFICIAL_URL", "OFFICIAL_KEY"))
"""Of each wire, where it is and what opens it."""


Shared = Literal["nothing", "balance", "upstream"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two candidates of one model, and how each answers."""

    number: int
    """Names what is the pair's own."""
    name: str
    first: Way
    second: Way
    shared: Shared

    @property
    def model(self) -> str:
        """What clients ask for."""
        return f"m{self.number}"

    def places(self) -> tuple[Place, Place]:
        """Return the candidates."""
        name = self.number
        balance, unit = (f"wallet{name}", "CNY") if self.shared == "balance" else (f"credit{name}", "USD")
        upstream, wire = (f"relay{name}", 0) if self.shared == "upstream" else (f"official{name}", 1)
        first = Place(
            candidate=f"relay{name}/one",
            balance=f"wallet{name}",
            upstream=f"relay{name}",
            wire=0,
            rates=(1, 10),
            unit="CNY",
            way=self.first,
        )
        second = Place(
            candidate=f"official{name}/two",
            balance=balance,
            upstream=upstream,
            wire=wire,
            rates=(2, 20),
            unit=unit,
            way=self.second,
        )
        return first, second

    def toml(self, nobody: str) -> Iterator[str]:
        """Yield the tables of both candidates; at `nobody` no connection is taken."""
        places = self.places()
        for place in {place.balance: place for place in places}.values():
            yield f'[balance.{place.balance}]\nkind = "postpaid"\nunit = "{place.unit}"'
            yield f'limit = "100 {place.unit}"\nper = "month"'
        for name in dict.fromkeys(place.upstream for place in places):
            there = [place for place in places if place.upstream == name]
            url, variable = SERVERS[there[0].wire]
            where = {place.way.where for place in there}
            # Who shares it with what is slow must have time enough to answer.
            most = "120ms" if len(there) == 1 else "250ms"
            times = {"idle" if place.way.begun else "first_byte, whole" for place in there if place.way.slow}
            yield f'[upstream.{name}]\ndialect = "openai"\nbase_url = "{nobody if "refusing" in where else url}"'
            yield f'credential = "env:{"NOT_SET_ANYWHERE" if "no credential" in where else variable}"'
            for time in ", ".join(sorted(times)).split(", ") if times else ():
                yield f'timeouts.{time} = "{most}"'
        for place in places:
            model = place.candidate.partition("/")[2]
            rates = "input = {}, output = {}".format(*place.rates)
            yield f'[route.{place.route}]\nclass = "direct"\nupstream = "{place.upstream}"'
            yield f'balance = "{place.balance}"\nserves = ["{model}"]\n[route.{place.route}.prices]'
            yield f'"{model}" = [{{ from = 2020-01-01, unit = "{place.unit}", per = "ktok", {rates} }}]'
        routes = ", ".join(f'"{place.candidate}"' for place in places)
        yield f'[model.{self.model}]\nroutes = [{routes}]\nfallback = "any"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """An attempt that ended."""

    place: Place
    word: str
    again: bool
    """The table lets the same candidate be tried once more."""


@dataclass(slots=True, kw_only=True)
class Tale:
    """What must happen, as far as it is foretold."""

    places: tuple[Place, Place]
    lines: list[str] = field(default_factory=list[str])
    trail: list[Ended] = field(default_factory=list[Ended])
    wires: tuple[list[Answer], list[Answer]] = field(default_factory=lambda: ([], []))
    """What each server is to answer, in order; after that it greets."""
    requests: list[int] = field(default_factory=lambda: [0, 0])
    """How many come to each."""
    failures: Counter[str] = field(default_factory=Counter[str])
    cooling: set[str] = field(default_factory=set[str])
    mended: bool = False
    """The call's requests no longer ask for the usage."""
    status: int = 0
    code: str = ""
    """The reply's error, when it is ours."""


def foretell(pair: Pair) -> Tale:
    """Return what a call over two candidates must lead to, by the table alone."""
    tale = Tale(places=pair.places())
    tale.lines.append(f"routed {pair.model}: {' '.join(place.candidate for place in tale.places)}")
    for n in range(1, 6):
        place, past = _next(tale)
        if place is None:
            tale.status, tale.code = _told(tale.trail)
            tale.lines.append(f"refused exhausted past {', '.join(past)}; final {tale.status}")
            return tale
        _hold(tale, n, place, past)
        if _attempt(tale, n, place):
            return tale
    raise AssertionError("a call has four attempts at most")


def _told(trail: list[Ended]) -> tuple[int, str]:
    """Return what a client is told after the last attempt: what the upstream said by which an SDK waits, or 502."""
    if {ended.word for ended in trail} == {"context_too_long"}:
        return 400, "context_length_exceeded"
    turned = {"rate_limited": 429, "server_error": 503}
    last = trail[-1]
    away = [ended.word == "rate_limited" or ended.place.way.status == 503 for ended in trail]
    unbilled = [TABLE[ended.word].certainty == "zero" and TABLE[ended.word].outcome != "error" for ended in trail]
    named = last.place.way.wait_s is not None
    if away[-1] and all(one or (named and other) for one, other in zip(away, unbilled, strict=True)):
        return turned[last.word], last.word
    return 502, "candidates_exhausted"


def _next(tale: Tale) -> tuple[Place | None, list[str]]:
    """Return which candidate is attempted now, and who was passed over before it and why."""
    places = list(tale.places)
    if tale.trail and tale.trail[-1].again:
        places.sort(key=lambda place: place is not tale.trail[-1].place)
    waited = [
        ended
        for n, ended in enumerate(tale.trail)
        if ended.place.way.wait_s is not None and ended.place in [later.place for later in tale.trail[n + 1 :]]
    ]
    if (
        len(tale.trail) - len(waited) == 4
    ):  # the bound on attempts is the call's, so the candidates stand as they were routed
        return None, [f"{place.candidate} attempts_used" for place in tale.places]
    past: list[str] = []
    for place in places:
        if not (why := _against(tale, place)):
            return place, past
        past.append(f"{place.candidate} {why}")
    return None, past


def _against(tale: Tale, place: Place) -> str:
    """Return why a candidate may not be attempted now; empty when it may."""
    mine = [ended for ended in tale.trail if ended.place is place]
    emptied = [ended for ended in tale.trail if ended.word == "insufficient_quota"]
    if not mine and place.balance in {ended.place.balance for ended in emptied}:
        return "balance_empty_upstream"
    if mine and not (tale.trail[-1] is mine[-1] and mine[-1].again):
        return "failed_in_call"
    if len(mine) == 2:
        return "attempts_used"
    if f"balance {place.balance}" in tale.cooling:
        return "balance_empty_upstream"
    cools = {f"upstream {place.upstream}", f"candidate {place.candidate}"} & tale.cooling
    return "cooling" if cools else ""


def _hold(tale: Tale, n: int, place: Place, past: list[str]) -> None:
    role = "first" if n == 1 else "retry" if tale.trail[-1].place is place else "fallback"
    over = f" past {', '.join(past)}" if past else ""
    after = f" after {tale.trail[-1].word}" if tale.trail else ""
    tale.lines.append(f"held {n} {role} {place.route} by {place.balance}{over}{after}")


def _attempt(tale: Tale, n: int, place: Place) -> bool:
    """Foretell how an attempt ends, and say whether the call does with it."""
    way = place.way
    word = "bad_request" if way.word == "stream_options" and tale.mended else way.word
    row = TABLE[word]
    if row.outcome != "not_sent":
        tale.requests[place.wire] += 1
        tale.wires[place.wire].extend(() if way.answer is None else (way.answer,))
    short = way.wait_s is not None and way.wait_s <= 2
    limited = word == "rate_limited"
    again = (limited and short) or (row.next == "retry" and (way.wait_s is None or short))
    final = row.next in {"done", "return"}
    if final:
        tale.status = _status(way, word)
    tale.lines.append(_end(n, place, word, row) + (f"; final {tale.status}" if final else ""))
    if not (limited and short):
        _cool(tale, place, word, row)
    tale.trail.append(Ended(place=place, word=word, again=again))
    tale.mended = tale.mended or word == "stream_options"
    return final


def _status(way: Way, word: str) -> int:
    """Return what the client gets from the attempt that ends its call."""
    if way.begun or not word:
        return 200
    return 0 if way.leaves else max(way.status, 400)


def _end(n: int, place: Place, word: str, row: Row) -> str:
    way = place.way
    status = f" {way.status}" if way.status else ""
    if row.ends == "voided":
        return f"voided {n} {row.outcome} {word}{status} {row.certainty}"
    counted = (ESTIMATE, int(way.begun)) if word else (TOKENS["prompt_tokens"], TOKENS["completion_tokens"])
    error = f" {word}" if word else ""
    return f"settled {n} {row.outcome}{error} {place.costs(*counted)} {place.unit} {row.certainty}"


def _cool(tale: Tale, place: Place, word: str, row: Row) -> None:
    """Count a failure, and foretell what cools by it."""
    if row.cooling is None:
        return
    by_scope = {"balance": place.balance, "upstream": place.upstream, "candidate": place.candidate}
    what = f"{row.cooling.scope} {by_scope[row.cooling.scope]}"
    tale.failures[what] += 1
    if tale.failures[what] < row.cooling.after:
        return
    asked_s, own_s = place.way.wait_s, Decimal(row.cooling.first_ms) / 1000
    wait_s = own_s if asked_s is None else asked_s if row.cooling.asked == "decides" else max(asked_s, own_s)
    tale.cooling.add(what)
    tale.lines.append(f"cooled {what} {wait_s:.0f} s, level 1, {word}")


def config(pairs: Iterable[Pair], nobody: str) -> str:
    """Return the config of all pairs, with a playbook's blanks."""
    toml = "\n".join((NO_WAIT, *(line for pair in pairs for line in pair.toml(nobody))))
    toml = toml.replace("{", "{{").replace("}", "}}")
    return toml.replace("RELAY_URL", "{relay_url}").replace("OFFICIAL_URL", "{official_url}")


def pairs_of(ways: dict[str, Way], first: str, shared: Shared) -> tuple[Pair, ...]:
    """Return a way with each that may follow it; one that ends the call is followed by none, so one pair is enough."""
    seconds = ways if TABLE[ways[first].word].next not in {"done", "return"} else {"answered": ways["answered"]}
    return tuple(
        Pair(number=number, name=f"{first}, then {second}", first=ways[first], second=way, shared=shared)
        for number, (second, way) in enumerate(seconds.items())
        # One upstream is there or it is not.
        if shared != "upstream" or ways[first].where == way.where
    )


def alone(ways: dict[str, Way]) -> dict[str, Way]:
    """Return one way of each row, the first."""
    first = {way.word: name for name, way in reversed(ways.items())}
    return {name: way for name, way in ways.items() if first[way.word] == name}


PLAYED: tuple[tuple[str, Shared, dict[str, Way]], ...] = (
    ("plain", "nothing", PLAIN),
    ("streamed", "nothing", STREAMED),
    ("plain", "balance", alone(PLAIN)),
    ("streamed", "balance", alone(STREAMED)),
    ("plain", "upstream", alone(PLAIN)),
    ("streamed", "upstream", alone(STREAMED)),
)
CASES: dict[str, tuple[dict[str, Way], str, Shared]] = {
    f"{kind}, {shared} shared: {first}": (ways, first, shared) for kind, shared, ways in PLAYED for first in ways
}


@pytest.mark.parametrize("case", CASES)
async def test_what_follows_a_failure(tmp_path: Path, case: str) -> None:
    """Whatever two candidates answer, the ledger's lines, the wire and the reply are what the table says."""
    ways, first, shared = CASES[case]
    played = pairs_of(ways, first, shared)
    with refusing() as nobody:
        async with playing(tmp_path, Setup(config=config(played, nobody), fund={})) as play:
            for pair in played:
                await hold_to_the_table(play, pair, streamed=case.startswith("streamed"))
                play.clock.on(minutes=2)  # the retries of one pair are not another's


async def hold_to_the_table(play: Playbook, pair: Pair, *, streamed: bool) -> None:
    """Ask for a pair's model and compare everything that can be seen with what is foretold."""
    tale = foretell(pair)
    servers = (play.relay, play.official)
    before = [len(server.got) for server in servers]
    for server, answers in zip(servers, tale.wires, strict=True):
        server.answers(*answers)
    reply = await asked(play, pair, tale, streamed=streamed)
    await play.idle()
    assert (pair.name, tale.lines) == (pair.name, play.transcript())
    came = [len(server.got) - number for server, number in zip(servers, before, strict=True)]
    assert (pair.name, tale.requests) == (pair.name, came)
    if reply is not None:
        assert (pair.name, foretold_reply(tale, streamed=streamed)) == (pair.name, shown(reply, tale))


async def asked(play: Playbook, pair: Pair, tale: Tale, *, streamed: bool) -> Reply | None:
    """Ask as a client that stays, or that leaves when the tale says so; it has no reply to compare then."""
    last = tale.trail[-1]
    if last.word != "client_left":
        return await play.ask(model=pair.model, stream=streamed)
    if last.place.way.begun:
        async with play.streaming(model=pair.model) as got:
            received = b""
            async for part in got.aiter_raw():
                received += part
                if received == b"".join(BEGUN):
                    break
        return None
    server: Upstream = (play.relay, play.official)[last.place.wire]
    reached = len(server.got) + tale.requests[last.place.wire]
    asking = asyncio.create_task(play.ask(model=pair.model, stream=streamed))
    await server.reached(reached)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a reply shows of what happened."""

    status: int
    attempts: str
    route: str
    """The one that answered, well or not; empty when the error is ours."""
    fell_back: str
    body: bytes
    """The upstream's own, or what of it went on; of our error its code."""


def foretold_reply(tale: Tale, *, streamed: bool) -> Shown:
    """Return what the reply must show."""
    last = tale.trail[-1]
    first, here = tale.places[0].candidate, last.place.candidate
    ours = tale.code != ""
    led_there = next((ended.word for ended in reversed(tale.trail) if ended.place is not last.place), "")
    if ours or last.place.way.begun:
        body = (tale.code or last.word).encode()
    elif last.word:
        body = refused_with(last.place.way)
    else:
        body = b"".join((*HELLO, DONE)) if streamed else completion()
    return Shown(
        status=tale.status,
        attempts=str(len(tale.trail)),
        route="" if ours else last.place.route,
        fell_back="" if ours or here == first else f"{first}>{here}; {led_there}",
        body=body,
    )


def shown(reply: Reply, tale: Tale) -> Shown:
    """Return what the reply shows; of an error of ours its code stands for its body."""
    head = reply.headers
    broken = reply.body.removeprefix(b"".join(BEGUN)).removeprefix(b"data: ")
    coded = tale.code or tale.trail[-1].place.way.begun
    return Shown(
        status=reply.status,
        attempts=head["x-tf-attempts"],
        route=head.get("x-tf-route", ""),
        fell_back=head.get("x-tf-fell-back", ""),
        body=msgspec.json.decode(broken)["error"]["code"].encode() if coded else reply.body,
    )


def refused_with(way: Way) -> bytes:
    """Return the body of an upstream's refusal: of a stream's event its data."""
    raw = b"".join(step for step in way.answer or () if isinstance(step, bytes))
    body = raw.partition(b"\r\n\r\n")[2]
    return body[body.index(b"data: ") + 6 : body.index(b"}\n\n") + 1] if b"data: " in body else body
