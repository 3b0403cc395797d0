"""What a model costs on a candidate: the rate card in force, its rates as they are charged, and a sample call.

Rates are shown after the route's share and exchange, tier by tier; the sample is priced by `prices.price`, as a bill
is (CASES 10). Nothing is decided here: which cards a candidate has is `files/price_catalog.py`'s part.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import msgspec

from tokens_forge.core.book import is_money, unit_of
from tokens_forge.core.candidates import Candidate
from tokens_forge.core.config import Config
from tokens_forge.core.entries import ChargeLine, Record, RouteClass
from tokens_forge.core.money import text
from tokens_forge.core.price_check import route_payer
from tokens_forge.core.price_help import price_line
from tokens_forge.core.prices import RateCard, card_at, charged, price

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class TierShown(Record, frozen=True, kw_only=True):
    """The rates of one tier."""

    tier: str
    """``base``, ``input>N``, ``flex``, ``flex input>N``: as a charge names it."""
    rates: dict[str, str]
    """Usage class to rate in the unit of the charge, after share, premiums and exchange; of a token class for one
    `per`."""
    source: str = ""
    """Where the tier's rates come from, when it is not where the card does."""


class Sample(Record, frozen=True, kw_only=True):
    """What the sample call costs."""

    amount: str
    unit: str
    lines: tuple[ChargeLine, ...]
    unpriced: tuple[str, ...] = ()
    """Usage classes of it that have no rate."""


class CardShown(Record, frozen=True, kw_only=True):
    """A rate card."""

    id: str
    source: str
    """Where the rates come from: ``genai-prices VERSION``, ``route sheet``."""
    unit: str
    """What the rates below and the sample are in."""
    per: str
    """What one rate of a token class buys: ``mtok``, ``ktok`` or ``token``."""
    terms: str
    """``rates``; ``free``, known to cost nothing; ``reported``, the upstream says and the rates are for the hold."""
    tiers: tuple[TierShown, ...]
    """The base first."""
    sample: Sample
    valid_from: str = ""
    """Its first day; absent when it has none."""
    until: str = ""
    """The day on which another takes its place, where that is known."""
    hours: tuple[str, ...] = ()
    """The hours of the day in UTC in which it holds, from and to; absent for all."""
    days: str = ""
    """The days on which it holds, where that is not every one."""
    uncertain: str = ""
    """What nobody knows yet and decides whether it holds: it is the dearest that may."""
    sibling_of: str = ""
    """The model that has no card: these are the rates of the newest one known of its family."""
    guessed: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    """Classes whose rate may be less, or that nobody states, by why; charges with them are estimates."""
    factors: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    """Premiums on every token class that are in the rates above, by what they are for."""
    geo: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    """Premiums that are not, by where the reply must say that it was computed."""
    card_unit: str = ""
    """What the card itself is in, where that is another unit."""
    list_share: str = "1"
    fx: str = "1"
    """Units of `unit` for one of `card_unit`."""
    resolved: tuple[str, ...] = ()
    """How the upstream's name of the model led to it, from name to name."""
    context_window: int = 0
    """Tokens; absent where it is not known."""


class Quote(Record, frozen=True, kw_only=True):
    """What a candidate charges, and the provider's list price beside it."""

    candidate: str
    """ROUTE/MODEL; for a list price alone PROVIDER/MODEL."""
    route: str = ""
    upstream_model: str = ""
    # `class` is the ledger's word and a keyword in Python.
    route_class: RouteClass | None = msgspec.field(name="class", default=None)
    balance: str = ""
    kind: str = ""
    """The balance's kind."""
    unit: str = ""
    """The balance's unit."""
    overage: str = ""
    """The balance that pays by the card beyond a pool; absent where none does."""
    sheet: str = ""
    """FILE:LINE of the sheet that the card was made of."""
    card: CardShown | None = None
    """What the route charges; absent where no card is in force."""
    others: tuple[CardShown, ...] = ()
    """Cards of the route for other hours of that day, then those that begin later."""
    list: CardShown | None = None
    missing: str = ""
    """The command that sets the price, where one is needed and not known."""


def quote(
    config: Config,
    candidate: Candidate,
    cards: tuple[Sequence[RateCard], Sequence[RateCard]],
    *,
    at: datetime,
    usage: Mapping[str, int],
) -> Quote:
    """Return what `candidate` costs at the aware moment `at` by its own cards and by list, and what `usage` costs."""
    own, listed = cards
    balance, payer = config.balance[candidate.balance], config.balance[route_payer(config, candidate.route)]
    unit = unit_of(payer) if is_money(payer) else ""
    card = shown(own, at, usage, unit=unit)
    quoted = Quote(
        candidate=candidate.name,
        route=candidate.route,
        upstream_model=candidate.model,
        route_class=candidate.route_class,
        balance=candidate.balance,
        kind=balance.kind,
        unit=unit_of(balance),
        overage="" if payer is balance else route_payer(config, candidate.route),
        card=card,
        others=tuple(_card(other, own, usage, unit) for other in _others(own, at)),
        list=shown(listed, at, usage),
    )
    if is_money(payer) and (card is None or (card.terms == "rates" and card.sample.unpriced)):
        return msgspec.structs.replace(quoted, missing=price_line(config, candidate.name))
    return quoted


def shown(cards: Sequence[RateCard], at: datetime, usage: Mapping[str, int], *, unit: str = "") -> CardShown | None:
    """Return the card in force at `at`, in `unit` or its own, and what `usage` costs; None when there is none."""
    card = card_at(cards, at)
    return None if card is None else _card(card, cards, usage, unit)


def _card(card: RateCard, cards: Sequence[RateCard], usage: Mapping[str, int], unit: str) -> CardShown:
    unit = unit or card.unit
    first_day = card.valid_from or (card.begins if card.hours else None)
    place = next(number for number, one in enumerate(cards) if one is card)
    later = (
        begins.isoformat()
        for other in cards[place + 1 :]
        if (begins := other.begins or other.valid_from)
        and other.hours in {None, card.hours}
        and begins > (card.begins or card.valid_from or date.min)
    )
    # What is sold by time has no tokens: a second of it is the sample.
    sold_by_time = {"seconds": 1} if "seconds" in card.rates and "seconds" not in usage else {}
    charge = price({**usage, **sold_by_time}, card)
    return CardShown(
        id=card.id,
        source=card.source,
        unit=unit,
        per=card.per,
        terms=card.terms,
        tiers=tuple(_tiers(card)),
        sample=Sample(amount=text(charge.amount), unit=unit, lines=charge.lines, unpriced=charge.unpriced),
        valid_from=first_day.isoformat() if first_day else "",
        until=min(later, default=""),
        hours=tuple(f"{clock:%H:%M}" for clock in card.hours or ()),
        days=_days(card),
        uncertain=card.uncertain,
        sibling_of=card.sibling_of,
        guessed=card.guessed,
        factors={name: text(factor) for name, factor in card.factors.items()},
        geo={name: text(factor) for name, factor in card.geo.items()},
        card_unit=card.unit if card.unit != unit else "",
        list_share=text(card.list_share),
        fx=text(card.fx),
        resolved=card.resolved,
        context_window=card.context_window or 0,
    )


def _tiers(card: RateCard) -> Iterator[TierShown]:
    services = {"": (card.rates, card.tiers, "")}
    services |= {word: (service.rates, service.tiers, service.source) for word, service in card.service.items()}
    for word, (rates, tiers, source) in services.items():
        yield TierShown(tier=word or "base", rates=_charged(card, rates), source=source)
        for tier in tiers:
            name = f"{word} input>{tier.above}".lstrip()
            yield TierShown(tier=name, rates=_charged(card, {**rates, **tier.rates}), source=source)


def _charged(card: RateCard, rates: Mapping[str, Decimal]) -> dict[str, str]:
    return {name: text(charged(card, name, rate)) for name, rate in rates.items()}


def _days(card: RateCard) -> str:
    """Return on which days a card holds, as people say it; empty for every day."""
    if card.days is None:
        return ""
    first, last = card.days.weekdays[0], card.days.weekdays[-1]
    names = ", ".join(WEEKDAYS[number - 1] for number in card.days.weekdays)
    if card.days.weekdays == tuple(range(first, last + 1)) and last > first:
        names = f"{WEEKDAYS[first - 1]} to {WEEKDAYS[last - 1]}"
    holidays = f" but {len(card.days.except_days)} public holidays" if card.days.except_days else ""
    return f"{names}{holidays} (UTC{card.days.utc_offset_h:+d})"


def _others(cards: Sequence[RateCard], at: datetime) -> Iterator[RateCard]:
    """Yield the cards of other hours of the day and other days of the week, then those of later days."""
    seen = [card_at(cards, at)]
    clocks = {clock for card in cards for clock in card.hours or ()} | {time()}
    week = range(7) if any(card.days for card in cards) else range(1)
    for moment in (
        datetime.combine(at.date() + timedelta(n), clock, at.tzinfo) for n in week for clock in sorted(clocks)
    ):
        found = card_at(cards, moment)
        if found is not None and not any(found is one for one in seen) and not _is_later(found, at):
            seen.append(found)
            yield found
    yield from (card for card in cards if _is_later(card, at))


def _is_later(card: RateCard, at: datetime) -> bool:
    """Say whether a card begins after the day of `at`."""
    begins = card.begins or card.valid_from
    return begins is not None and begins > at.date()
