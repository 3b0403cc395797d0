"""Rate cards, and `price`: the one function that turns usage into money.

Routing, settlement, plans, explanations and reports all call `price`, so a test call, a dry run and a bill give the
same figure. A card comes from a route's own dated sheet or from the price catalogue times the route's share
(`files/price_catalog.py`); which one is decided there and in `core/routing.py`, never here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Literal

import msgspec

from tokens_forge.core.entries import ROUNDING_CLASS, CardUsed, ChargeLine
from tokens_forge.core.money import ZERO, add, multiply, rounded, scaled, subtract, text, total
from tokens_forge.core.usage import COUNT_CLASSES, INPUT_CLASSES, TOKEN_CLASSES

PER = {"mtok": 6, "ktok": 3, "token": 0}
"""What one rate of a token class buys, as a power of ten of tokens. Rates of counts are for one."""

STANDARD_TIERS = ("", "default", "standard", "auto")
"""Words for the tier of service whose rates a card states (OpenAI API reference, `service_tier`, read 2026-11)."""

_BASE_CLASS = {
    "cache_read": "input",
    "cache_write_5m": "input",
    "cache_write_1h": "cache_write_5m",
    "audio_in": "input",
    "image_in": "input",
    "audio_out": "output",
}
"""Where a class without a rate of its own is priced: the remainder of a total goes to its base class (CASES 6)."""


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """Rates for requests whose total input is more than `above` tokens; exactly at the threshold is base."""

    above: int
    rates: dict[str, Decimal]
    """Classes that cost otherwise in this tier; the rest stay at the base rates."""


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
    hours: tuple[time, time] | None = None
    """The hours of the day in UTC, from and to, in which it holds; the end may lie past midnight."""
    tiers: tuple[Tier, ...] = ()
    """In ascending order of `above`."""
    list_share: Decimal = Decimal(1)
    fx: Decimal = Decimal(1)
    """Units of the balance for one of the card's."""
    context_window: int | None = None
    """The model's context in tokens, where the catalogue states it."""
    terms: Literal["rates", "free", "reported"] = "rates"
    """``free``: known to cost nothing; ``reported``: the upstream says what it cost, the rates are for the hold."""


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


def price(usage: Mapping[str, int], card: RateCard, *, service: str = "") -> Charge:
    """Return the charge for `usage` (class to quantity, one request) on `card`.

    The tier is chosen once, from the total input. Lines are exact; their sum is rounded once.
    """
    tier, rates = _tier(card, sum(usage.get(name, 0) for name in INPUT_CLASSES))
    lines: list[ChargeLine] = []
    amounts: list[Decimal] = []
    unpriced: list[str] = []
    for usage_class, quantity in _quantities(usage, rates):
        rate = _rate(rates, usage_class)
        if rate is None:
            unpriced.append(usage_class)
            continue
        own = multiply(multiply(rate, card.list_share), card.fx)
        power = 0 if usage_class in COUNT_CLASSES else PER[card.per]
        amount = scaled(multiply(own, Decimal(quantity)), -power)
        lines.append(ChargeLine(usage_class=usage_class, quantity=quantity, rate=text(own), amount=text(amount)))
        amounts.append(amount)
    exact = total(amounts)
    charge = rounded(exact)
    if charge != exact:
        rest = text(subtract(charge, exact))
        lines.append(ChargeLine(usage_class=ROUNDING_CLASS, quantity=1, rate=rest, amount=rest))
    return Charge(amount=charge, lines=tuple(lines), card=_used(card, tier, rates), unpriced=tuple(unpriced))


def card_at(cards: Sequence[RateCard], at: datetime) -> RateCard | None:
    """Return the card in force at the aware moment `at`: the last one whose day and hours it meets, else None."""
    day, clock = at.date(), at.time().replace(tzinfo=None)
    for card in reversed(cards):
        if (card.valid_from is None or card.valid_from <= day) and (card.hours is None or _within(card.hours, clock)):
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


def _tier(card: RateCard, total_input: int) -> tuple[str, Mapping[str, Decimal]]:
    for tier in reversed(card.tiers):
        if total_input > tier.above:
            return f"input>{tier.above}", {**card.rates, **tier.rates}
    return "base", card.rates


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


def _used(card: RateCard, tier: str, rates: Mapping[str, Decimal]) -> CardUsed:
    return CardUsed(
        id=card.id,
        source=card.source,
        valid_from=card.valid_from.isoformat() if card.valid_from else "",
        tier=tier,
        unit=card.unit,
        per=card.per,
        rates={name: text(rate) for name, rate in rates.items()},
        list_share=text(card.list_share),
        fx=text(card.fx),
    )
