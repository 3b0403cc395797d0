"""Rate cards, and `price`: the one function that turns usage into money.

Routing, settlement, plans, explanations and reports all call `price`, so a test call, a dry run and a bill give the
same figure. A card comes from a route's own dated sheet or from the price catalogue times the route's share
(`files/price_catalog.py`); which one is decided there and in `core/routing.py`, never here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Literal

import msgspec

from tokens_forge.core.entries import ROUNDING_CLASS, CardUsed, ChargeLine
from tokens_forge.core.flags import GEO_UNPRICED, GUESSED, SIBLING_PRICE, TIER_UNPRICED, UNCERTAIN_CARD
from tokens_forge.core.money import ZERO, add, multiply, rounded, scaled, subtract, text
from tokens_forge.core.usage import COUNT_CLASSES, INPUT_CLASSES, TOKEN_CLASSES, WRITE_CLASSES

PER = {"mtok": 6, "ktok": 3, "token": 0}
"""What one rate of a token class buys, as a power of ten of tokens. Rates of counts are for one."""

MOST_USD_PER_MTOK = Decimal(20_000)
"""No token of any provider costs more (the dearest in genai-prices 0.2.3 is 600 USD per Mtok)."""

UNKNOWN_FX = Decimal(1000)
"""A bound in USD is so many times as high in a unit whose exchange rate nobody states."""

STANDARD_TIERS = frozenset({"", "default", "standard", "auto", "on_demand", "standard_only"})
"""Words for the tier of service whose rates a card states (OpenAI API reference, `service_tier`: ``auto``,
``default``; Anthropic, "Service tiers": ``standard``, ``standard_only``; Groq, "Service tiers": ``on_demand``; read
2026-11)."""

_NO_GEO = frozenset({"", "global", "not_available"})
"""Words of `inference_geo` for no place in particular (Claude docs, "Data residency", read 2026-11)."""

_WHATEVER_IS_USED = ("flat", "free")
"""Terms by which a class without a rate costs nothing."""

_BASE_CLASS = {
    "cache_read": "input",
    **dict.fromkeys(WRITE_CLASSES, "input"),
    "audio_in": "input",
    "image_in": "input",
    "audio_out": "output",
    "image_out": "output",
}
"""Where a class without a rate of its own is priced: the remainder of a total goes to its base class (CASES 6)."""

_OFTEN_DEARER = frozenset({"audio_in", "audio_out", "image_out"})
"""Classes that providers sell dearer than their base class: at its rate their price is a guess. The others cost there
what their base does where a list says nothing of them: cached input without a discount, images in a prompt (OpenAI,
"Pricing"; Gemini API, "Pricing"; Anthropic, "Pricing"; read 2026-11)."""

_ONE_INPUT_RATE = "google/"
"""The provider whose list names the rate of sound in a prompt where it is another than that of text (Gemini API,
"Pricing", read 2026-11: ``text / image / video / audio`` in one row)."""

_SHORT_WRITES = ("cache_write_5m", "cache_write_30m")
"""What a provider calls a write for its usual time: one whose lifetime is not told is one of these."""


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """Rates for requests whose total input is more than `above` tokens; exactly at the threshold is base."""

    above: int
    rates: dict[str, Decimal]
    """Classes that cost otherwise in this tier; the rest stay at the base rates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IterationUse:
    """Work that is billed beside a call's own usage, at its own model's rates (`usage.Iteration`)."""

    usage: Mapping[str, int]
    card: "RateCard"
    place: int
    """Its number among the iterations, from 1: how its lines name it."""


class Service(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The rates of a tier of service (``flex``, ``priority``, ``batch``, ``fast``): whole, as a card's own are."""

    rates: dict[str, Decimal]
    tiers: tuple[Tier, ...] = ()
    source: str = ""
    """Where they come from, when it is not where the card does."""


class Days(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The days on which a card holds, as its provider's calendar has them."""

    utc_offset_h: int
    """Hours that the provider's clock is ahead of UTC; no provider that sells by the day changes its clocks."""
    weekdays: tuple[int, ...]
    """1 is Monday."""
    except_days: tuple[date, ...] = ()
    """Holidays on those weekdays."""
    since: date | None = None
    """The first day on which this counts; before, each day did."""


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
    days: Days | None = None
    """The days on which it holds, where that is not every day."""
    uncertain: str = ""
    """What nobody knows yet and decides whether it holds: it is then the dearest of those that may, an upper bound."""
    tiers: tuple[Tier, ...] = ()
    """In ascending order of `above`."""
    service: dict[str, Service] = {}
    """By tier of service. What a tier costs that is not here is not known: it is taken at the base rates (CASES 8)."""
    resolved: tuple[str, ...] = ()
    """How the upstream's name led to this card, from name to name; empty where it is the card's own (CASES 13)."""
    sibling_of: str = ""
    """The model that has no card: these are the rates of the newest one known of its family."""
    guessed: dict[str, str] = {}
    """Classes whose rate nobody states for what was used, by why it is taken: ``the dearest search context``."""
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
    """The card of the call's own usage."""
    unpriced: tuple[str, ...]
    """Usage classes that have a quantity and no rate on this card."""
    guesses: tuple[str, ...] = ()
    """What was priced at a rate that nobody states for it, as flags of the ledger: the amount is an estimate."""
    iterations: tuple[CardUsed, ...] = ()
    """The cards of what was billed beside it, in its order."""


def price(
    usage: Mapping[str, int],
    card: RateCard,
    *,
    service: str = "",
    geo: str = "",
    iterations: Sequence[IterationUse] = (),
) -> Charge:
    """Return the charge for `usage` (class to quantity, one request) on `card`, in the tier of `service`.

    `geo` is where the reply says that it was computed: what the card adds there is added. The long-context tier is
    chosen once, from the total input of `usage`. The `iterations` that are billed beside it are priced on their own
    cards, in the same tier of service and place. Lines are exact; their sum is rounded once. A tier of service without
    rates is taken at the base rates, and said to be a guess (CASES 8): what nobody priced is never free. So is a place
    that a card with premiums by place does not name.
    """
    found = _exact(usage, card, service, geo)
    lines = _lines(found)
    sum_, unpriced, guesses = found.total, found.unpriced, found.guesses
    used: list[CardUsed] = []
    for one in iterations if card.terms not in _WHATEVER_IS_USED else ():
        more = _exact(one.usage, one.card, service, geo)
        lines += _lines(more, one.place)
        sum_ = add(sum_, more.total)
        unpriced = tuple(dict.fromkeys((*unpriced, *more.unpriced)))
        guesses = tuple(dict.fromkeys((*guesses, *more.guesses)))
        used.append(_used(one.card, more, geo))
    charge = rounded(sum_)
    if charge != sum_:
        rest = text(subtract(charge, sum_))
        lines.append(ChargeLine(usage_class=ROUNDING_CLASS, quantity=1, rate=rest, amount=rest))
    return Charge(
        amount=charge,
        lines=tuple(lines),
        card=_used(card, found, geo),
        iterations=tuple(used),
        unpriced=unpriced,
        guesses=guesses,
    )


def cost(
    usage: Mapping[str, int], card: RateCard, *, service: str = "", geo: str = ""
) -> tuple[Decimal, tuple[str, ...]]:
    """Return the amount that `price` would give, and what of it has no price of its own: what a hold needs.

    That is the unpriced classes, and `TIER_UNPRICED` for a tier of service without rates: a call that asks for one is
    not sent at a price that nobody states.
    """
    found = _exact(usage, card, service, geo)
    tier = (TIER_UNPRICED,) if TIER_UNPRICED in found.guesses else ()
    return rounded(found.total), (*found.unpriced, *tier)


def dearest(classes: Sequence[str], usage: Mapping[str, int], card: RateCard, *, service: str = "") -> str:
    """Return which of the input's `classes` costs most on `card`, the first where they cost the same.

    `usage` chooses the long-context tier. A class without a rate of its own costs what `price` takes for it; one
    that has no rate at all costs nothing here, as nobody knows better.
    """
    rates = _tier(card, service, usage)[1]
    return max(classes, key=lambda name: rates.get(name) or _rate(rates, name) or ZERO)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Exact:
    """A usage priced, before its rounding."""

    tier: str
    rates: Mapping[str, Decimal]
    parts: list[tuple[str, int, Decimal, Decimal]]
    """Class, quantity, rate after share and exchange, amount."""
    unpriced: tuple[str, ...]
    guesses: tuple[str, ...]
    total: Decimal


def _exact(usage: Mapping[str, int], card: RateCard, service: str, geo: str) -> _Exact:
    tier, rates, is_known = _tier(card, service, usage)
    parts: list[tuple[str, int, Decimal, Decimal]] = []
    unpriced: list[str] = []
    guesses = [*(() if is_known else (TIER_UNPRICED,)), *_doubts(card, geo)]
    sum_ = ZERO
    each, token = _multiples(card, geo)
    for usage_class, quantity in _quantities(usage, rates):
        rate = rates.get(usage_class)
        if rate is None:
            rate = _rate(rates, usage_class)
            if rate is not None and _is_guessed(card, usage_class):
                guesses.append(f"{GUESSED}{usage_class}")
        elif usage_class in card.guessed:
            guesses.append(f"{GUESSED}{usage_class}")
        if rate is None:
            if card.terms not in _WHATEVER_IS_USED:
                unpriced.append(usage_class)
            continue
        counted = usage_class in COUNT_CLASSES
        multiple = each if counted else token
        own = rate if multiple is None else multiply(rate, multiple)
        power = 0 if counted else PER[card.per]
        amount = scaled(multiply(own, Decimal(quantity)), -power)
        parts.append((usage_class, quantity, own, amount))
        sum_ = add(sum_, amount)
    return _Exact(tier=tier, rates=rates, parts=parts, unpriced=tuple(unpriced), guesses=tuple(guesses), total=sum_)


def _lines(found: _Exact, iteration: int = 0) -> list[ChargeLine]:
    return [
        ChargeLine(
            usage_class=usage_class, quantity=quantity, rate=text(rate), amount=text(amount), iteration=iteration
        )
        for usage_class, quantity, rate, amount in found.parts
    ]


def _multiples(card: RateCard, geo: str) -> tuple[Decimal | None, Decimal | None]:
    """Return what a count's rate is multiplied by, and a token class's; None where that is 1.

    Premiums are on tokens alone: every page that names one says so, and a search costs the same everywhere.
    """
    each = None if card.list_share == 1 and card.fx == 1 else multiply(card.list_share, card.fx)
    token = each
    if card.factors or card.geo:
        for _name, factor in premiums(card, geo):
            token = factor if token is None else multiply(token, factor)
    return each, token


def premiums(card: RateCard, geo: str = "") -> Iterator[tuple[str, Decimal]]:
    """Yield what is added on every token class, by what it is for: of the card, and of where it was computed."""
    yield from card.factors.items()
    if geo in card.geo:
        yield f"geo {geo}", card.geo[geo]


def charged(card: RateCard, usage_class: str, rate: Decimal) -> Decimal:
    """Return what a rate of the card comes to for its payer: after premiums, share and exchange."""
    each, token = _multiples(card, "")
    multiple = each if usage_class in COUNT_CLASSES else token
    return rate if multiple is None else multiply(rate, multiple)


def card_at(cards: Sequence[RateCard], at: datetime) -> RateCard | None:
    """Return the card in force at the aware moment `at`: the last one whose days and hours it meets, else None.

    First days and hours are UTC, whatever zone the moment is told in; weekdays are the provider's.
    """
    there = at.astimezone(UTC)
    day, clock = there.date(), there.time()
    for card in reversed(cards):
        begins = card.begins or card.valid_from
        if (
            (begins is None or begins <= day)
            and (card.hours is None or _within(card.hours, clock))
            and (card.days is None or _is_one(card.days, there))
        ):
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


def _is_one(days: Days, there: datetime) -> bool:
    """Say whether a moment in UTC is on one of these days where their provider is."""
    day = (there + timedelta(hours=days.utc_offset_h)).date()
    if days.since is not None and day < days.since:
        return True
    return day.isoweekday() in days.weekdays and day not in days.except_days


def _tier(card: RateCard, service: str, usage: Mapping[str, int]) -> tuple[str, Mapping[str, Decimal], bool]:
    """Return the name of the tier that a usage falls in, its rates, and whether the card knows the tier of service.

    Of one that it does not know it is the base tier.
    """
    word = service.lower()
    rates, tiers, is_known = card.rates, card.tiers, True
    if word in STANDARD_TIERS or card.terms in _WHATEVER_IS_USED:
        word = ""
    elif (served := card.service.get(word)) is not None:
        rates, tiers = served.rates, served.tiers
    else:
        word, is_known = "", False
    if tiers:
        total_input = sum(usage.get(name, 0) for name in INPUT_CLASSES)
        for tier in reversed(tiers):
            if total_input > tier.above:
                return f"{word} input>{tier.above}".lstrip(), {**rates, **tier.rates}, is_known
    return word or "base", rates, is_known


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
    """Return what a class without a rate of its own is priced at; None where there is nothing for it."""
    if usage_class in WRITE_CLASSES:
        alike = _SHORT_WRITES if usage_class in _SHORT_WRITES else WRITE_CLASSES
        if known := [rates[name] for name in alike if name in rates]:
            return max(known)
    return rates.get(_BASE_CLASS.get(usage_class, ""))


def _is_guessed(card: RateCard, usage_class: str) -> bool:
    """Say whether nobody states what a class without a rate of its own costs.

    A card that says nothing of writes for minutes has them as input. A write for hours is dearer wherever it is sold.
    """
    if usage_class in WRITE_CLASSES:
        return usage_class not in _SHORT_WRITES
    one_rate = usage_class == "audio_in" and card.id.startswith(_ONE_INPUT_RATE)
    return usage_class in _OFTEN_DEARER and not one_rate


def _doubts(card: RateCard, geo: str) -> Iterator[str]:
    """Yield a flag for each reason why the card itself may not be the one that is charged."""
    if card.geo and geo not in card.geo and geo not in _NO_GEO and card.terms not in _WHATEVER_IS_USED:
        yield GEO_UNPRICED
    if card.sibling_of:
        yield SIBLING_PRICE
    if card.uncertain:
        yield UNCERTAIN_CARD


def _used(card: RateCard, found: _Exact, geo: str) -> CardUsed:
    service = card.service.get(found.tier.partition(" ")[0]) if card.service else None
    return CardUsed(
        id=card.id,
        source=f"{card.source}, {service.source}" if service is not None and service.source else card.source,
        valid_from=card.valid_from.isoformat() if card.valid_from else "",
        tier=found.tier,
        unit=card.unit,
        per=card.per,
        rates={name: text(rate) for name, rate in found.rates.items()},
        list_share=text(card.list_share),
        fx=text(card.fx),
        factors={name: text(factor) for name, factor in premiums(card, geo)} if card.factors or card.geo else {},
        resolved=card.resolved,
    )
