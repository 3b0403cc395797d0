"""Ledgers for tests: chained pages made from entries, and entries that only need what a test is about."""

from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from tokens_forge.core.entries import (
    NO_CHAIN,
    AnyEntry,
    CardUsed,
    Cause,
    ChargeLine,
    Held,
    HoldBasis,
    Line,
    Opened,
    PassedOver,
    Previous,
    Refused,
    Routed,
    Settled,
    Trail,
    Voided,
)
from tokens_forge.core.fold import Fold
from tokens_forge.core.moments import microseconds, moment
from tokens_forge.files.pages import encode_line, page_of, page_path

DAY = "2026-11-24"


def at(clock: str, day: str = DAY) -> str:
    """Return the stamp of a clock such as ``10:00:00`` or ``10:00:00.5`` in UTC."""
    whole, _, part = clock.partition(".")
    return f"{day}T{whole}.{part:0<6}Z"


def call_id(stamped: str, n: int = 1) -> str:
    """Return an id of that moment in the form of a UUIDv7; calls of one moment differ in `n`."""
    return f"tf_{microseconds(moment(stamped)) // 1000:012x}7000{0x8000_0000_0000_0000 + n:016x}"


@dataclass(slots=True)
class Ledger:
    """A ledger that grows: each line follows from the one before, pages open by themselves."""

    folder: Path
    page: str = ""
    seq: int = 0
    chain: str = NO_CHAIN
    fold: Fold = field(default_factory=Fold)
    lines: list[Line] = field(default_factory=list[Line])

    def add(self, ts: str, *entries: AnyEntry) -> None:
        """Append entries of the moment `ts`."""
        if page_of(ts) != self.page:
            self._open(ts)
        for entry in entries:
            self._write(ts, entry)

    def _open(self, ts: str) -> None:
        previous = None
        if self.page:
            size = page_path(self.folder, self.page).stat().st_size
            previous = Previous(page=self.page, bytes=size, seq=self.seq, chain=self.chain)
        self.folder.mkdir(exist_ok=True)
        self.page = page_of(ts)
        opened = Opened(
            page=self.page,
            machine="m_1",
            lineage="l_1",
            config=self.fold.config,
            cards=self.fold.cards,
            previous=previous,
            fold=msgspec.Raw(self.fold.encode()),
        )
        self._write(ts, opened)

    def _write(self, ts: str, entry: AnyEntry) -> None:
        self.seq += 1
        raw, self.chain = encode_line(entry, seq=self.seq, ts=ts, chain=self.chain)
        with page_path(self.folder, self.page).open("ab") as page:
            page.write(raw)
        line = Line(seq=self.seq, ts=ts, entry=entry)
        self.fold.apply(line)
        self.lines.append(line)


def routed(call: str, **changes: object) -> Routed:
    """Return a call for `smart` by key `aider` with two candidates."""
    entry = Routed(
        id=call,
        key="aider",
        model_asked="smart",
        dialect_in="openai_chat",
        stream=True,
        input_estimate=1180,
        output_bound=4096,
        candidates=("relay/gpt-5", "official/gpt-5"),
        burn="listed",
        intended="relay/gpt-5",
        boundary="any",
        task="research-42",
        agent="OpenAI/Python 3.54.0",
        thread="9f2c77ab00112233",
        turn=7,
    )
    return msgspec.structs.replace(entry, **changes)


def held_relay(call: str, **changes: object) -> Held:
    """Return the hold of attempt 1 on the relay, in CNY."""
    entry = Held(
        id=call,
        n=1,
        role="first",
        route="relay",
        upstream="relay",
        upstream_model="gpt-5",
        route_class="ordinary",
        balance="rmb-wallet",
        hold="0.0412",
        unit="CNY",
        hold_basis=HoldBasis(kind="bound", input=1416, output=4096, card="relay/gpt-5@2026-11-01"),
    )
    return msgspec.structs.replace(entry, **changes)


def held_official(call: str, **changes: object) -> Held:
    """Return the hold of attempt 2 on the official route, in USD, after the relay failed."""
    entry = Held(
        id=call,
        n=2,
        role="fallback",
        route="official",
        upstream="openai",
        upstream_model="gpt-5",
        route_class="direct",
        balance="openai-credit",
        hold="0.0428",
        unit="USD",
        hold_basis=HoldBasis(kind="bound", input=1416, output=4096, card="official/gpt-5@2025-08-07"),
        passed_over=(
            PassedOver(candidate="relay/gpt-5", balance="rmb-wallet", reason="failed_in_call", error="rate_limited"),
        ),
        cause=Cause(n=1, error="rate_limited", status=429),
    )
    return msgspec.structs.replace(entry, **changes)


def voided_relay(call: str, **changes: object) -> Voided:
    """Return the end of attempt 1: the relay said 429."""
    entry = Voided(
        id=call,
        n=1,
        role="first",
        final=False,
        route="relay",
        upstream="relay",
        upstream_model="gpt-5",
        balance="rmb-wallet",
        unit="CNY",
        hold="0.0412",
        outcome="rejected",
        error="rate_limited",
        certainty="zero",
        total_ms=212.0,
        status=429,
        wait_s="12",
    )
    return msgspec.structs.replace(entry, **changes)


def settled_relay(call: str, **changes: object) -> Settled:
    """Return the end of attempt 1 with a charge of 0.02 CNY against a list price of 0.0036 USD."""
    entry = msgspec.structs.replace(
        settled_official(call),
        n=1,
        role="first",
        route="relay",
        route_class="ordinary",
        upstream="relay",
        balance="rmb-wallet",
        card=CardUsed(
            id="relay/gpt-5", source="route sheet", unit="CNY", per="mtok", rates={"input": "10", "output": "50"}
        ),
        lines=(
            ChargeLine(usage_class="input", quantity=400, rate="12.5", amount="0.005"),
            ChargeLine(usage_class="output", quantity=300, rate="50", amount="0.015"),
        ),
        charge="0.02",
        unit="CNY",
        saving="0.000783098592",
        hold="0.0412",
        balance_before="500",
        balance_after="499.98",
        trail=(),
    )
    return msgspec.structs.replace(entry, **changes)


def settled_official(call: str, **changes: object) -> Settled:
    """Return the end of attempt 2, the call's last: 0.0036 USD at list price."""
    entry = Settled(
        id=call,
        n=2,
        role="fallback",
        final=True,
        client_status=200,
        key="aider",
        task="research-42",
        agent="OpenAI/Python 3.54.0",
        thread="9f2c77ab00112233",
        turn=7,
        model_asked="smart",
        upstream="openai",
        upstream_model="gpt-5",
        model_served="gpt-5-2026-08-07",
        dialect_in="openai_chat",
        dialect_out="openai_chat",
        stream=True,
        intended="relay/gpt-5",
        route="official",
        route_class="direct",
        balance="openai-credit",
        outcome="ok",
        status=200,
        finish="stop",
        upstream_id="chatcmpl-77",
        tier_served="default",
        started=at("10:00:00.25"),
        first_byte_ms=412.1,
        total_ms=1834.0,
        usage={"input": 400, "cache_read": 800, "output": 300, "reasoning": 100},
        usage_source="reported",
        card=CardUsed(
            id="openai/gpt-5",
            source="genai-prices 0.2.3",
            valid_from="2025-08-07",
            unit="USD",
            per="mtok",
            rates={"input": "1.25", "cache_read": "0.125", "output": "10"},
        ),
        lines=(
            ChargeLine(usage_class="input", quantity=400, rate="1.25", amount="0.0005"),
            ChargeLine(usage_class="cache_read", quantity=800, rate="0.125", amount="0.0001"),
            ChargeLine(usage_class="output", quantity=300, rate="10", amount="0.003"),
        ),
        charge="0.0036",
        unit="USD",
        list="0.0036",
        list_unit="USD",
        saving="0",
        certainty="computed",
        hold="0.0428",
        overrun="0",
        balance_before="12.1",
        balance_after="12.0964",
        trail=(
            Trail(
                n=1,
                candidate="relay/gpt-5",
                balance="rmb-wallet",
                outcome="rejected",
                error="rate_limited",
                status=429,
                charge="0",
                unit="CNY",
                ms=212.0,
            ),
        ),
    )
    return msgspec.structs.replace(entry, **changes)


def refused(call: str, **changes: object) -> Refused:
    """Return the end of a call that nothing could pay."""
    entry = Refused(
        id=call,
        key="aider",
        model_asked="smart",
        reason="nothing_can_pay",
        error="insufficient_balance",
        client_status=402,
        final=True,
        passed_over=(
            PassedOver(
                candidate="relay/gpt-5",
                balance="rmb-wallet",
                reason="balance_short",
                available="0.01",
                need="0.0412",
                unit="CNY",
            ),
        ),
    )
    return msgspec.structs.replace(entry, **changes)


def fell_back(ledger: Ledger, clock: str = "10:00:00", n: int = 1, day: str = DAY) -> str:
    """Append a whole call that the relay turned away and the official route answered; return its id."""
    call = call_id(at(clock, day), n)
    ledger.add(at(clock, day), routed(call), held_relay(call))
    ledger.add(at(clock, day), voided_relay(call), held_official(call))
    ledger.add(at(clock, day), settled_official(call))
    return call


def paid_relay(ledger: Ledger, clock: str, n: int = 1, day: str = DAY, **changes: object) -> str:
    """Append a whole call that the relay answered at once; return its id. `changes` are the settled entry's."""
    call = call_id(at(clock, day), n)
    ledger.add(at(clock, day), routed(call), held_relay(call), settled_relay(call, **changes))
    return call
