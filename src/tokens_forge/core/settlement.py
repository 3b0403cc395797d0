"""What an attempt reserves and what it ends up costing.

`hold_for` says what to reserve before an attempt, `settle` and `void` build the entry that ends the hold. Every amount
comes from `prices.price`; where usage is missing, what was estimated is said. It decides no route and appends nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import assert_never

from tokens_forge.core import config
from tokens_forge.core.book import BalanceState, remaining, unit_of, windows_at
from tokens_forge.core.entries import (
    CardUsed,
    Certainty,
    ChargeLine,
    Held,
    HoldBasis,
    Limit,
    Routed,
    Settled,
    UsageSource,
    Voided,
    WindowHeld,
    candidate_name,
)
from tokens_forge.core.fallback import Row
from tokens_forge.core.fold import OpenCall
from tokens_forge.core.moments import moment
from tokens_forge.core.money import ZERO, divided, subtract, text
from tokens_forge.core.prices import Cards, Charge, card_at, card_name, price
from tokens_forge.core.usage import INPUT_CLASSES, OUTPUT_CLASSES

INPUT_MARGIN = (6, 5)
"""A hold counts the input estimate times 1.2: the estimate counts bytes, not tokens."""

STANDARD_TIERS = ("", "default", "standard", "auto")
"""Words for the tier of service whose rates a card states (OpenAI API reference, `service_tier`, read 2026-11)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What settlement reads: the config and the rate cards in force."""

    config: config.Config
    cards: Cards


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """What to reserve for one attempt."""

    amount: Decimal
    unit: str
    basis: HoldBasis
    windows: tuple[WindowHeld, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """What is known of an attempt when it ended."""

    row: Row
    """Its row of the failure table."""
    error: str
    status: int
    client_status: int
    """The status that the client gets, 0 while the call goes on."""
    final: bool
    started: str
    """When the request began to be sent: the moment that chooses the rate card."""
    total_ms: float
    first_byte_ms: float = 0.0
    usage: Mapping[str, int] | None = None
    """As the upstream reported it; None when it said nothing that can be true."""
    whole: bool = True
    """Whether `usage` is the upstream's last word."""
    output_estimate: int = 0
    """Tokens of output by the bytes that came, for when usage is missing."""
    flags: tuple[str, ...] = ()
    model_served: str = ""
    upstream_id: str = ""
    finish: str = ""
    tier_served: str = ""
    reported_cost: Decimal | None = None
    wait_s: Decimal | None = None
    limits: tuple[Limit, ...] = ()


def hold_for(terms: Terms, routed: Routed, candidate: str, state: BalanceState, at: str) -> Hold | None:
    """Return what an attempt on `candidate` (ROUTE/MODEL) must reserve at `at`; None when its price is not known.

    `state` is the balance's. Prepaid: the input estimate with its margin and the output bound, at the card in force.
    Pool: one request, or those tokens. Free: nothing.
    """
    balance = _balance(terms, candidate)
    tokens_in = -(-routed.input_estimate * INPUT_MARGIN[0] // INPUT_MARGIN[1])  # rounded up, without a float
    tokens_out = routed.output_bound
    match balance.kind:
        case "free":
            return Hold(amount=ZERO, unit=unit_of(balance), basis=HoldBasis(kind="free"))
        case "pool":
            count = 1 if balance.unit == "requests" else tokens_in + tokens_out
            basis = HoldBasis(kind="count", input=tokens_in, output=tokens_out)
            return Hold(amount=Decimal(count), unit=balance.unit, basis=basis, windows=windows_at(balance, state, at))
        case "prepaid":
            card = card_at(terms.cards.charge.get(candidate, ()), moment(at))
            if card is None:
                if terms.config.settle.unpriced == "refuse":
                    return None
                return Hold(amount=ZERO, unit=balance.unit, basis=HoldBasis(kind="free"))
            charge = price({"input": tokens_in, "output": tokens_out}, card)
            if charge.unpriced and terms.config.settle.unpriced == "refuse":
                return None
            basis = HoldBasis(kind="bound", input=tokens_in, output=tokens_out, card=card_name(candidate, card))
            return Hold(amount=charge.amount, unit=balance.unit, basis=basis)
        case _:
            assert_never(balance.kind)


def settle(  # noqa: PLR0913, PLR0917 - what was agreed, what came of it, and the balance at that moment
    terms: Terms, call: OpenCall, held: Held, finish: Finish, state: BalanceState, at: str
) -> Settled:
    """Return the entry that ends `held` with its charge, to be appended at `at`. `state` is the balance's before it."""
    routed = call.routed
    use = _use(terms, routed, held, finish)
    bill = _bill(terms, held, use)
    listed = _listed(terms, use)
    before = remaining(use.balance, state, at)
    after = remaining(use.balance, state, at, charge=bill.amount)
    hold = Decimal(held.hold)
    return Settled(
        id=held.id,
        n=held.n,
        role=held.role,
        final=finish.final,
        client_status=finish.client_status,
        key=routed.key,
        task=routed.task,
        agent=routed.agent,
        thread=routed.thread,
        turn=routed.turn,
        model_asked=routed.model_asked,
        upstream=held.upstream,
        upstream_model=held.upstream_model,
        model_served=finish.model_served,
        dialect_in=routed.dialect_in,
        dialect_out="openai_chat",
        stream=routed.stream,
        intended=routed.intended,
        route=held.route,
        route_class=held.route_class,
        balance=held.balance,
        outcome=finish.row.outcome,
        status=finish.status,
        error=finish.error,
        finish=finish.finish,
        upstream_id=finish.upstream_id,
        tier_served=finish.tier_served,
        started=finish.started,
        first_byte_ms=finish.first_byte_ms,
        total_ms=finish.total_ms,
        usage=dict(use.usage),
        usage_source=use.source,
        flags=(*finish.flags, *bill.flags, *_tier_flag(finish, bill)),
        card=bill.card,
        lines=bill.lines,
        charge=text(bill.amount),
        unit=held.unit,
        list=text(listed.amount) if listed else "",
        list_unit=listed.card.unit if listed else "",
        saving=_saving(terms, use, bill, listed, held.unit),
        certainty=bill.certainty,
        reported_cost=text(finish.reported_cost) if finish.reported_cost is not None else "",
        hold=held.hold,
        overrun=text(max(ZERO, subtract(bill.amount, hold))),
        balance_before="" if before is None else text(before),
        balance_after="" if after is None else text(after),
        trail=call.trail,
        limits=finish.limits,
    )


def void(held: Held, finish: Finish) -> Voided:
    """Return the entry that ends `held` without a charge."""
    return Voided(
        id=held.id,
        n=held.n,
        role=held.role,
        final=finish.final,
        route=held.route,
        upstream=held.upstream,
        upstream_model=held.upstream_model,
        balance=held.balance,
        unit=held.unit,
        hold=held.hold,
        outcome=finish.row.outcome,
        error=finish.error,
        certainty=finish.row.certainty,
        total_ms=finish.total_ms,
        status=finish.status,
        client_status=finish.client_status,
        wait_s=text(finish.wait_s) if finish.wait_s is not None else "",
        upstream_id=finish.upstream_id,
        limits=finish.limits,
    )


def lost(call: OpenCall, held: Held, *, final: bool, posted: Decimal) -> Settled:
    """Return the entry for a hold that a start found: charged at the hold, estimated, to be corrected by hand.

    Nobody knows what came of the attempt; taking it as free would hide money (CASES 55). `posted` is the balance's;
    what is left of a pool only its config says, so it is not stated.
    """
    routed = call.routed
    money = held.hold_basis.kind == "bound"
    return Settled(
        id=held.id,
        n=held.n,
        role=held.role,
        final=final,
        key=routed.key,
        task=routed.task,
        agent=routed.agent,
        thread=routed.thread,
        turn=routed.turn,
        model_asked=routed.model_asked,
        upstream=held.upstream,
        upstream_model=held.upstream_model,
        dialect_in=routed.dialect_in,
        dialect_out="openai_chat",
        stream=routed.stream,
        intended=routed.intended,
        route=held.route,
        route_class=held.route_class,
        balance=held.balance,
        outcome="lost",
        started="",
        total_ms=0.0,
        usage={},
        usage_source="none",
        charge=held.hold,
        unit=held.unit,
        certainty="estimated",
        hold=held.hold,
        overrun="0",
        balance_before=text(posted) if money else "",
        balance_after=text(subtract(posted, Decimal(held.hold))) if money else "",
        trail=call.trail,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Use:
    """What is to be paid for, by whom, and when it was asked."""

    candidate: str
    balance: config.Balance
    usage: Mapping[str, int]
    source: UsageSource
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bill:
    amount: Decimal
    certainty: Certainty
    lines: tuple[ChargeLine, ...] = ()
    card: CardUsed | None = None
    flags: tuple[str, ...] = ()


def _use(terms: Terms, routed: Routed, held: Held, finish: Finish) -> _Use:
    """Return what to price, and where it comes from.

    A reply without usage is estimated from the bytes of both sides; an attempt without an answer from the input alone.
    Usage that can't be true is not replaced by a guess: the hold becomes the charge.
    """
    usage: Mapping[str, int]
    source: UsageSource
    if finish.usage is not None:
        usage, source = finish.usage, "reported" if finish.whole else "partial"
    elif "impossible_total" in finish.flags or (
        finish.row.outcome == "unanswered" and terms.config.settle.unanswered == "hold"
    ):
        usage, source = {}, "none"
    else:
        usage, source = {"input": routed.input_estimate, "output": finish.output_estimate}, "estimated"
    candidate = candidate_name(held.route, held.upstream_model)
    return _Use(
        candidate=candidate,
        balance=_balance(terms, candidate),
        usage=usage,
        source=source,
        at=moment(finish.started),
    )


def _bill(terms: Terms, held: Held, use: _Use) -> _Bill:
    sure: Certainty = "computed" if use.source == "reported" else "estimated"
    card = card_at(terms.cards.charge.get(use.candidate, ()), use.at)
    match use.balance.kind:
        case "free":
            return _Bill(amount=ZERO, certainty="zero")
        case "prepaid" if card is None:
            return _Bill(amount=ZERO, certainty="unpriced", flags=("no_price",))
        case _ if use.source == "none":
            return _Bill(amount=Decimal(held.hold), certainty="estimated", flags=("charged_at_hold",))
        case "pool":
            return _counted(use, sure)
        case "prepaid":
            assert card is not None
            charge = price(use.usage, card)
            return _Bill(
                amount=charge.amount,
                certainty="unpriced" if charge.unpriced else sure,
                lines=charge.lines,
                card=charge.card,
                flags=tuple(f"unpriced_{name}" for name in charge.unpriced),
            )
        case _:
            assert_never(use.balance.kind)


def _tier_flag(finish: Finish, bill: _Bill) -> tuple[str, ...]:
    """Return the flag of a bill at base rates for a tier that costs otherwise: cards know no tiers of service yet."""
    return () if bill.card is None or finish.tier_served in STANDARD_TIERS else ("tier_at_base_rate",)


def _counted(use: _Use, sure: Certainty) -> _Bill:
    """Return a pool's bill: one request, or every token of input and output, cached ones included."""
    unit = use.balance.unit
    if unit == "requests":
        count, sure = 1, "computed"
    else:
        count = sum(use.usage.get(name, 0) for name in (*INPUT_CLASSES, *OUTPUT_CLASSES))
    line = ChargeLine(usage_class=unit, quantity=count, rate="1", amount=str(count))
    return _Bill(amount=Decimal(count), certainty=sure, lines=(line,))


def _listed(terms: Terms, use: _Use) -> Charge | None:
    card = card_at(terms.cards.list.get(use.candidate, ()), use.at)
    if card is None or not use.usage:
        return None
    charge = price(use.usage, card)
    return None if charge.unpriced else charge


def _saving(terms: Terms, use: _Use, bill: _Bill, listed: Charge | None, unit: str) -> str:
    """Return list less charge in the list's unit, empty when one of them or the exchange rate is not known.

    What a pool or a free balance gave has a marginal cost of nothing.
    """
    if listed is None or bill.certainty == "unpriced":
        return ""
    if use.balance.kind != "prepaid":
        return text(listed.amount)
    if unit == listed.card.unit:
        return text(subtract(listed.amount, bill.amount))
    fx = _fx(terms, bill.card, listed.card.unit, unit, use.at)
    return text(subtract(listed.amount, divided(bill.amount, fx))) if fx else ""


def _fx(terms: Terms, card: CardUsed | None, list_unit: str, unit: str, at: datetime) -> Decimal | None:
    """Return units of `unit` for one of `list_unit`: the card's own exchange, else the report's of that day."""
    if card is not None and card.unit == list_unit and card.unit != unit:
        return Decimal(card.fx)
    if list_unit == terms.config.report.unit:
        return config.fx_at(terms.config, unit, at.date())
    return None


def _balance(terms: Terms, candidate: str) -> config.Balance:
    return terms.config.balance[terms.config.route[candidate.partition("/")[0]].balance]
