"""Rate cards, and `price`: the one function that turns usage into money.

Routing, settlement, plans, explanations and reports all call `price`, so a test call, a dry run and a bill give the
same figure. A card comes from a route's own dated sheet or from the price catalogue times the route's share
(`files/price_catalog.py`); which one is decided there and in `core/routing.py`, never here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Literal

import msgspec

from tokens_forge.core.entries import ROUNDING_CLASS, CardUsed, ChargeLine
from tokens_forge.core.money import ZERO, add, multiply, rounded, scaled, subtract, text
from tokens_forge.core.usage import COUNT_CLASSES, INPUT_CLASSES, TOKEN_CLASSES

PER = {"mtok": 6, "ktok": 3, "token": 0}
"""What one rate of a token class buys, as a power of ten of tokens. Rates of counts are for one."""

STANDARD_TIERS = frozenset({"", "default", "standard", "auto", "on_demand", "standard_only"})
"""Words for the tier of service whose rates a card states (OpenAI API reference, `service_tier`: ``auto``,
``default``; Anthropic, "Service tiers": ``standard``, ``standard_only``; Groq, "Service tiers": ``on_demand``; read
2026-11)."""

_WHATEVER_IS_USED = ("flat", "free")
"""Terms by which a class without a rate costs nothing."""

_BASE_CLASS = {
    "cache_read": "input",
    "cache_write_5m": "input",
    "cache_write_30m": "cache_write_5m",
    "cache_write_1h": "cache_write_5m",
    "cache_write_12h": "cache_write_5m",
    "audio_in": "input",
    "image_in": "input",
    "audio_out": "output",
    "image_out": "output",
}
"""Where a class without a rate of its own is priced: the remainder of a total goes to its base class (CASES 6)."""


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """Rates for requests whose total input is more than `above` tokens; exactly at the threshold is base."""

    above: int
    rates: dict[str, Decimal]
    """Classes that cost otherwise in this tier; the rest stay at the base rates."""


class Service(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The rates of a tier of service (``flex``, ``priority``, ``batch``, ``fast``): whole, as a card's own are."""

    rates: dict[str, Decimal]
    tiers: tuple[Tier, ...] = ()


class RateCard(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one unit of each usage class costs, from a day on, and for whom."""

    id: str
    """PROVIDER/MODEL in the catalogue's or the route's words."""
    source: str
    unit: str
    """What the rates are in, before share and exchange."""
    per: str
    rates: dict[str, Decimal]
    valid_from: date | None = None
    """The first day of its rates, as far as known."""
    begins: date | None = None
    """The day from which it is taken, where a tier of service began later than its rates."""
    hours: tuple[time, time] | None = None
    """The hours of the day in UTC, from and to, in which it holds; the end may lie past midnight."""
    tiers: tuple[Tier, ...] = ()
    """In ascending order of `above`."""
    service: dict[str, Service] = {}
    """By tier of service. What a tier costs that is not here is not known (CASES 8)."""
    resolved: tuple[str, ...] = ()
    """How the upstream's name led to this card, from name to name; empty where it is the card's own (CASES 13)."""
    list_share: Decimal = Decimal(1)
    fx: Decimal = Decimal(1)
    """Units of the balance for one of the card's."""
    factors: dict[str, Decimal] = {}
    """Premiums on every rate of a token class, by what they are for: ``region eu.api.openai.com``."""
    geo: dict[str, Decimal] = {}
    """Premiums that hold where the reply says that it was computed there (`Reading.geo`): ``us``."""
    context_window: int | None = None
    """The model's context in tokens, where the catalogue states it."""
    terms: Literal["rates", "flat", "free", "reported"] = "rates"
    """``flat``: so much a call or second, whatever is used and in whichever tier; ``free``: known to cost nothing;
    ``reported``: the upstream says what it cost, the rates are for the hold."""


class Cards(msgspec.Struct, frozen=True, kw_only=True):
    """The rate cards in use, by candidate, each in the order in which a later one goes before an earlier one."""

    charge: dict[str, tuple[RateCard, ...]] = {}
    """What the route charges."""
    list: dict[str, tuple[RateCard, ...]] = {}
    """The provider's list price of the same model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What a usage costs on a card."""

    amount: Decimal
    """In the card's unit after exchange; 12 places."""
    lines: tuple[ChargeLine, ...]
    """They sum to `amount`, with a rounding line where needed."""
    card: CardUsed
    unpriced: tuple[str, ...]
    """Usage classes that have a quantity and no rate on this card."""
    guesses: tuple[str, ...] = ()
    """What was priced at a rate that nobody states for it, as flags of the ledger: the amount is an estimate."""


def price(usage: Mapping[str, int], card: RateCard, *, service: str = "") -> Charge:
    """Return the charge for `usage` (class to quantity, one request) on `card`, in the tier of `service`.

    The long-context tier is chosen once, from the total input. Lines are exact; their sum is rounded once. A tier of
    service without rates prices nothing: every class is unpriced, and nothing is taken at base rates (CASES 8).
    """
    found = _exact(usage, card, service)
    lines = [
        ChargeLine(usage_class=usage_class, quantity=quantity, rate=text(rate), amount=text(amount))
        for usage_class, quantity, rate, amount in found.parts
    ]
    charge = rounded(found.total)
    if charge != found.total:
        rest = text(subtract(charge, found.total))
        lines.append(ChargeLine(usage_class=ROUNDING_CLASS, quantity=1, rate=rest, amount=rest))
    return Charge(amount=charge, lines=tuple(lines), card=_used(card, found), unpriced=found.unpriced)


def cost(usage: Mapping[str, int], card: RateCard, *, service: str = "") -> tuple[Decimal, tuple[str, ...]]:
    """Return the amount and the unpriced classes that `price` would give, without its lines: what a hold needs."""
    found = _exact(usage, card, service)
    return rounded(found.total), found.unpriced


def dearest(classes: Sequence[str], usage: Mapping[str, int], card: RateCard, *, service: str = "") -> str:
    """Return which of the input's `classes` costs most on `card`, the first where they cost the same.

    `usage` chooses the long-context tier. A class without a rate of its own costs what `price` takes for it; one
    that has no rate at all costs nothing here, as nobody knows better.
    """
    rates = _tier(card, service, usage)[1]
    return max(classes, key=lambda name: _rate(rates, name) or ZERO)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Exact:
    """A usage priced, before its rounding."""

    tier: str
    rates: Mapping[str, Decimal]
    parts: list[tuple[str, int, Decimal, Decimal]]
    """Class, quantity, rate after share and exchange, amount."""
    unpriced: tuple[str, ...]
    total: Decimal


def _exact(usage: Mapping[str, int], card: RateCard, service: str) -> _Exact:
    tier, rates = _tier(card, service, usage)
    parts: list[tuple[str, int, Decimal, Decimal]] = []
    unpriced: list[str] = []
    sum_ = ZERO
    plain = card.list_share == 1 and card.fx == 1
    for usage_class, quantity in _quantities(usage, rates):
        rate = _rate(rates, usage_class)
        if rate is None:
            if card.terms not in _WHATEVER_IS_USED:
                unpriced.append(usage_class)
            continue
        own = rate if plain else multiply(multiply(rate, card.list_share), card.fx)
        power = 0 if usage_class in COUNT_CLASSES else PER[card.per]
        amount = scaled(multiply(own, Decimal(quantity)), -power)
        parts.append((usage_class, quantity, own, amount))
        sum_ = add(sum_, amount)
    return _Exact(tier=tier, rates=rates, parts=parts, unpriced=tuple(unpriced), total=sum_)


def card_at(cards: Sequence[RateCard], at: datetime) -> RateCard | None:
    """Return the card in force at the aware moment `at`: the last one whose day and hours it meets, else None.

    Days and hours are UTC, whatever zone the moment is told in.
    """
    there = at.astimezone(UTC)
    day, clock = there.date(), there.time()
    for card in reversed(cards):
        begins = card.begins or card.valid_from
        if (begins is None or begins <= day) and (card.hours is None or _within(card.hours, clock)):
            return card
    return None


def card_name(candidate: str, card: RateCard) -> str:
    """Return CANDIDATE@VALID_FROM (CANDIDATE alone when the card has no first day), as a hold's basis names it."""
    return f"{candidate}@{card.valid_from.isoformat()}" if card.valid_from else candidate


def lines_total(lines: Sequence[ChargeLine]) -> Decimal:
    """Return the exact sum of charge lines."""
    result = ZERO
    for line in lines:
        result = add(result, Decimal(line.amount))
    return result


def _within(hours: tuple[time, time], clock: time) -> bool:
    start, end = hours
    return start <= clock < end if start <= end else clock >= start or clock < end


def _tier(card: RateCard, service: str, usage: Mapping[str, int]) -> tuple[str, Mapping[str, Decimal]]:
    """Return the name of the tier that a usage falls in, and its rates; none for a tier of service not on the card."""
    word = service.lower()
    rates, tiers = card.rates, card.tiers
    if word not in STANDARD_TIERS and card.terms not in _WHATEVER_IS_USED:
        served = card.service.get(word)
        if served is None:
            return word, {}
        rates, tiers = served.rates, served.tiers
    else:
        word = ""
    if tiers:
        total_input = sum(usage.get(name, 0) for name in INPUT_CLASSES)
        for tier in reversed(tiers):
            if total_input > tier.above:
                return f"{word} input>{tier.above}".lstrip(), {**rates, **tier.rates}
    return word or "base", rates


def _quantities(usage: Mapping[str, int], rates: Mapping[str, Decimal]) -> list[tuple[str, int]]:
    """Return classes and quantities to price: reasoning apart where the card prices it apart, one request if priced."""
    parts = [(name, usage[name]) for name in (*TOKEN_CLASSES, *COUNT_CLASSES) if usage.get(name)]
    if "requests" in rates and "requests" not in usage:
        parts.append(("requests", 1))
    reasoning = usage.get("reasoning", 0)
    if reasoning and "reasoning" in rates:
        parts = [(name, count - reasoning if name == "output" else count) for name, count in parts]
        parts.append(("reasoning", reasoning))
    return [(name, count) for name, count in parts if count]


def _rate(rates: Mapping[str, Decimal], usage_class: str) -> Decimal | None:
    while usage_class not in rates:
        if usage_class not in _BASE_CLASS:
            return None
        usage_class = _BASE_CLASS[usage_class]
    return rates[usage_class]


def _used(card: RateCard, found: _Exact) -> CardUsed:
    return CardUsed(
        id=card.id,
        source=card.source,
        valid_from=card.valid_from.isoformat() if card.valid_from else "",
        tier=found.tier,
        unit=card.unit,
        per=card.per,
        rates={name: text(rate) for name, rate in found.rates.items()},
        list_share=text(card.list_share),
        fx=text(card.fx),
        resolved=card.resolved,
    )
