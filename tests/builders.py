"""A config to route by, and a bench on which calls live without a network: the spine of a call, in memory."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec

from tokens_forge.core import adjustment, fold
from tokens_forge.core.config import Balance, Config, Model, Price, Route, Upstream, Window
from tokens_forge.core.due import used_elsewhere
from tokens_forge.core.entries import (
    AnyEntry,
    Configured,
    Cooled,
    Held,
    Line,
    Recovered,
    Refused,
    Routed,
    Settled,
    Voided,
)
from tokens_forge.core.fallback import classify
from tokens_forge.core.fold import Fold, OpenCall
from tokens_forge.core.health import announced, cooled, recovered
from tokens_forge.core.moments import stamp
from tokens_forge.core.prices import Cards, RateCard
from tokens_forge.core.replay import Decision, NotKept, replay
from tokens_forge.core.routing import Refuse, decide, route
from tokens_forge.core.settlement import Finish, Terms, settle, void

START = datetime(2026, 11, 24, 10, tzinfo=UTC)

RELAY, OFFICIAL, PLAN, LOCAL = "relay/m", "official/m", "plan/m", "local/m"
"""The candidates of `smart`, as listed. The relay charges 10 CNY a Mtok in and 50 out, the official route 1 USD and 5;
the plan counts 3 requests in 5 hours and 5 in a week; the local one is free."""

OUTPUT = 1000
"""The output bound of a call on the bench. Its input estimate is as much, so that a hold is 0.062 CNY or 0.0062 USD."""


def upstream() -> Upstream:
    """Return an upstream without a credential."""
    return Upstream(dialect="openai", base_url="http://127.0.0.1:1/v1", credential="none")


def config(**changes: object) -> Config:
    """Return the config of the bench; `changes` replace whole tables."""
    whole = Config(
        balance={
            "wallet": Balance(kind="prepaid", unit="CNY"),
            "credit": Balance(kind="prepaid", unit="USD"),
            "plan": Balance(
                kind="pool",
                unit="requests",
                windows=(Window(allow=Decimal(3), per="5h"), Window(allow=Decimal(5), per="7d")),
            ),
            "local": Balance(kind="free"),
        },
        upstream={"relay": upstream(), "openai": upstream(), "plan": upstream(), "local": upstream()},
        route={
            "relay": Route(route_class="ordinary", upstream="relay", balance="wallet", serves=("m",), price=share()),
            "official": Route(route_class="direct", upstream="openai", balance="credit", serves=("m",), price="list"),
            "plan": Route(route_class="subscription", upstream="plan", balance="plan", serves=("m",)),
            "local": Route(route_class="local", upstream="local", balance="local", serves=("m",)),
        },
        model={"smart": Model(routes=(RELAY, OFFICIAL, PLAN, LOCAL), fallback="any")},
    )
    return msgspec.structs.replace(whole, **changes)


def listed(*candidates: str, fallback: str = "any", **changes: object) -> Config:
    """Return the config with `smart` served by `candidates` within a boundary."""
    model = msgspec.convert({"routes": candidates, "fallback": fallback}, Model)
    return config(model={"smart": model}, **changes)


def share() -> Price:
    """Return the relay's price: the list price at 10 CNY for a USD."""
    return Price(list=Decimal(1), fx=Decimal(10))


def card(candidate: str, rates: Mapping[str, str], **changes: object) -> RateCard:
    """Return a card in USD per Mtok."""
    plain = RateCard(
        id=candidate,
        source="test",
        unit="USD",
        per="mtok",
        rates={name: Decimal(rate) for name, rate in rates.items()},
        valid_from=date(2026, 1, 1),
    )
    return msgspec.structs.replace(plain, **changes)


LIST = {"input": "1", "cache_read": "0.1", "output": "5"}


def cards(**changes: object) -> Cards:
    """Return the cards of the bench: all candidates have the same list price."""
    whole = Cards(
        charge={RELAY: (card(RELAY, LIST, fx=Decimal(10)),), OFFICIAL: (card(OFFICIAL, LIST),)},
        list={name: (card(name, LIST),) for name in (RELAY, OFFICIAL, PLAN, LOCAL)},
    )
    return msgspec.structs.replace(whole, **changes)


def agreed(conf: Config | None = None, prices: Cards | None = None) -> Terms:
    """Return terms, those of the bench where nothing else is given."""
    return Terms(config=conf or config(), cards=prices or cards())


@dataclass(slots=True)
class Bench:
    """Calls without a network. It does what `proxy/call.py` does, with the test for a client, upstream and clock."""

    terms: Terms = field(default_factory=agreed)
    now: datetime = START
    fold: Fold = field(default_factory=Fold)
    lines: list[Line] = field(default_factory=list[Line])
    kept: dict[str, Terms] = field(default_factory=dict[str, Terms])
    """Terms by the digest of their config."""
    of_call: dict[str, Terms] = field(default_factory=dict[str, Terms])
    calls: int = 0

    def __post_init__(self) -> None:
        self.configure(self.terms)

    @property
    def at(self) -> str:
        """The stamp of now."""
        return stamp(self.now)

    @property
    def entries(self) -> list[AnyEntry]:
        """Every entry, in order."""
        return [line.entry for line in self.lines]

    def later(self, **span: int) -> None:
        """Let time pass, in the words of `timedelta`."""
        self.now += timedelta(**span)

    def append(self, entry: AnyEntry) -> None:
        """Take an entry into the ledger now."""
        line = Line(seq=len(self.lines) + 1, ts=self.at, entry=entry)
        self.fold.apply(line)
        self.lines.append(line)

    def configure(self, new: Terms) -> None:
        """Put terms in force; calls that are open keep theirs."""
        self.terms = new
        digest = f"c_{len(self.kept)}"
        self.kept[digest] = new
        self.append(Configured(config=digest, cards="p_1"))

    def kept_terms(self, config_digest: str, cards_digest: str) -> Terms | NotKept:
        """Return the terms that were kept under the digests."""
        kept = self.kept.get(config_digest) if cards_digest == "p_1" else None
        return kept or NotKept(why=f"{config_digest} and {cards_digest} are not kept")

    def order(self, balance: str, kind: str, amount: str, **more: str | bool) -> str:
        """Carry an order out; return why not, empty when it was."""
        asked = {"balance": balance, "kind": kind, "amount": amount, **more}
        order = msgspec.convert(asked, adjustment.Order)
        entries = adjustment.adjusted(order, self.terms, self.fold, self.at)
        if isinstance(entries, adjustment.Unadjusted):
            return entries.why
        for entry in entries:
            self.append(entry)
        return ""

    def topup(self, **amounts: str) -> None:
        """Top balances up."""
        for balance, amount in amounts.items():
            assert self.order(balance, "topup", amount, yes=True) == ""

    def route(self, model: str = "smart", **changes: object) -> str:
        """Accept a call for routing; return its id."""
        self.calls += 1
        call_id = f"tf_{self.calls}"
        routed = Routed(
            id=call_id,
            key="k",
            model_asked=model,
            dialect_in="openai_chat",
            stream=False,
            input_estimate=OUTPUT,
            output_bound=OUTPUT,
        )
        routed = msgspec.structs.replace(routed, **changes)
        self.append(route(self.terms, self.fold, routed, self.at))
        self.of_call[call_id] = self.terms
        return call_id

    def step(self, call_id: str, *, jitter_ms: int = 0) -> Held | Refused:
        """Decide what comes next for a call, and append it."""
        call = self.open(call_id)
        decision = decide(self.of_call[call_id], self.fold, call, self.at)
        if isinstance(decision, Refuse):
            entry = decision.refused(call.routed)
        else:
            entry = decision.held(call_id, jitter_ms=jitter_ms if decision.role == "retry" else 0)
        self.append(entry)
        return entry

    def held(self, call_id: str) -> Held:
        """Decide, and expect an attempt."""
        entry = self.step(call_id)
        assert isinstance(entry, Held), entry
        return entry

    def refused(self, call_id: str) -> Refused:
        """Decide, and expect a refusal."""
        entry = self.step(call_id)
        assert isinstance(entry, Refused), entry
        return entry

    def end(self, held: Held, ended: str | Finish = "") -> Settled | Voided:
        """End an attempt now, by a word of the failure table or what is known, with what cools or recovers by it."""
        call = self.open(held.id)
        began = next(line.ts for line in reversed(self.lines) if line.entry == held)
        known = dataclasses.replace(finished(ended) if isinstance(ended, str) else ended, started=began)
        if known.row.ends == "settled":
            entry: Settled | Voided = settle(self.of_call[held.id], call, held, known, self.fold, self.at)
        else:
            entry = void(held, known)
        self.append(entry)
        terms = self.of_call[held.id]
        for elsewhere in used_elsewhere(terms.config, self.fold.book, entry, self.at, terms.calendar):
            self.append(elsewhere)
        if (cooling := cooled(self.fold.health, entry, self.at)) is not None:
            self.append(cooling)
        if isinstance(entry, Settled):
            for recovery in recovered(self.fold.health, entry):
                self.append(recovery)
        if (cooling := announced(self.fold.health, entry, self.at)) is not None:
            self.append(cooling)
        return entry

    def attempt(self, call_id: str, ended: str | Finish = "") -> Held:
        """Decide, attempt and end it; return the hold."""
        held = self.held(call_id)
        self.end(held, ended)
        return held

    def call(self, ended: str | Finish = "") -> Held:
        """Route a call and make its first attempt."""
        return self.attempt(self.route(), ended)

    def open(self, call_id: str) -> OpenCall:
        """Return what the fold knows of a call that is not closed."""
        return self.fold.calls[call_id]

    def cooldowns(self) -> list[Cooled]:
        """Return the cooldowns that began or were extended."""
        return [entry for entry in self.entries if isinstance(entry, Cooled)]

    def recoveries(self) -> list[Recovered]:
        """Return the cooldowns that ended."""
        return [entry for entry in self.entries if isinstance(entry, Recovered)]

    def disagreeing(self) -> list[Decision]:
        """Return the decisions that are others, or unknown, when they are made again from the lines."""
        return [decision for decision in replay(self.lines, self.kept_terms) if not decision.agrees]

    def replayed(self) -> Fold:
        """Return the fold of the lines, from nothing."""
        again = fold.Fold()
        for line in self.lines:
            again.apply(line)
        return again


def finished(error: str = "", *, wait_s: str = "", usage: Mapping[str, int] | None = None, **changes: object) -> Finish:
    """Return what is known of an attempt that ended by a word of the failure table."""
    asked = Decimal(wait_s) if wait_s else None
    row = classify(error, wait_s=asked)
    final = row.next in ("done", "return")
    plain = Finish(
        row=row,
        error=error,
        status=0 if error else 200,
        client_status=200 if final else 0,
        final=final,
        started=stamp(START),
        total_ms=1.0,
        first_byte_ms=1.0,
        usage={"input": 1000, "output": 100} if usage is None and not error else usage,
        wait_s=asked,
    )
    return dataclasses.replace(plain, **changes)
