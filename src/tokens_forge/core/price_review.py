"""Which prices want a look: missing ones, old ones, ones far from the list, and ones that are still to come.

It reads no catalogue and no clock: cards, days and today are arguments. It refuses nothing; what can't be a price at
all is `core/price_check.py`'s part.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from tokens_forge.core.book import is_money
from tokens_forge.core.candidates import Candidate, candidate, match
from tokens_forge.core.config import CATALOGUE_UNIT, Config, Price, Sheet, fx_at, is_served, upstream_name
from tokens_forge.core.entries import Record
from tokens_forge.core.money import divided, multiply, scaled, text
from tokens_forge.core.price_check import route_payer
from tokens_forge.core.price_help import price_line, sheet_name
from tokens_forge.core.prices import PER, RateCard, card_at, price
from tokens_forge.core.usage import COUNT_CLASSES

FAR = 10
"""A rate that is so many times the list price, or a part of it, is worth a look; relays do sell at a tenth."""

_CALL = {"input": 1, "output": 1}
"""What every model must have a price for."""


class Noted(Record, frozen=True, kw_only=True):
    """Something about a price that the user should know."""

    kind: Literal["missing", "guessed", "old", "far", "future"]
    what: str
    """A sentence with the figures."""
    candidate: str = ""
    """ROUTE/MODEL; absent for the price catalogue itself."""
    line: str = ""
    """The command that sets the price."""
    days: int = 0
    """Of an old one: how long ago somebody last said it."""
    factor: str = ""
    """Of a far one: what is charged for what the list says, 12 places."""
    valid_from: str = ""
    """Of a future one: its first day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """What is known of one candidate's price."""

    candidate: Candidate
    cards: Sequence[RateCard]
    listed: Sequence[RateCard]
    sheets: tuple[Sheet, ...] = ()
    """The route's own sheets for it."""
    checked: date | None = None
    """The last day on which somebody said that it costs what they say."""


def review(config: Config, rows: Iterable[Reviewed], *, at: datetime, older_than: int) -> Iterator[Noted]:
    """Yield what is to be said of each candidate's price at the aware moment `at`; `older_than` is in days."""
    for row in rows:
        if is_money(config.balance[route_payer(config, row.candidate.route)]):
            yield from _missing(config, row, at)
        card = card_at(row.cards, at)
        yield from _guessed(config, row, card)
        yield from _old(config, row, at.date(), older_than)
        if card is not None and card.terms == "rates":
            yield from _far(config, row, card, at)
        yield from _future(row, at.date())


def catalogue_noted(
    source: str, newest: date | None, *, today: date, older_than: int, outdated: bool = False
) -> Iterator[Noted]:
    """Yield a note when a catalogue knows no price that began in the last so many days: it is no younger than that.

    `outdated`: it was given when the program came with another list than now.
    """
    if outdated:
        what = f"{source} is used, and this tf comes with another list than when that was taken: go back to it with "
        what += "`tf prices update --forget`, or take a newer one"
        yield Noted(kind="old", what=what)
    if newest is not None and (days := (today - newest).days) > older_than:
        what = f"{source} knows no price that began after {newest}, {days} days ago: a newer tf may know more, or a "
        what += "newer list, `tf prices update --from FILE`"
        yield Noted(kind="old", what=what, days=days)


def named(config: Config) -> tuple[Candidate, ...]:
    """Return the candidates that the config names without a pattern, or has a sheet for, in its order.

    What a route serves by a pattern alone is not known before it is asked for.
    """
    names: dict[str, None] = {}
    for name, route in config.route.items():
        serves = route.serves.values() if isinstance(route.serves, dict) else route.serves
        names |= {f"{name}/{model}": None for model in serves if "*" not in model}
        for model in route.prices:
            # A sheet may stand under the name that clients ask for.
            upstream_model = upstream_name(route, model) or model
            if is_served(route, upstream_model):
                names[f"{name}/{upstream_model}"] = None
    for model in config.model:
        names |= {
            it.name: None
            for it in match(config, model).candidates
            if "*" not in it.model and is_served(config.route[it.route], it.model)
        }
    return tuple(candidate(config, name) for name in names)


def reviewed(
    config: Config,
    found: Candidate,
    cards: tuple[Sequence[RateCard], Sequence[RateCard]],
    checked: Mapping[str, date],
) -> Reviewed:
    """Return what is known of a candidate: its cards, its list, its sheets; `checked` is by the sheets' name."""
    name = sheet_name(config.route[found.route], found.model)
    return Reviewed(
        candidate=found,
        cards=cards[0],
        listed=cards[1],
        sheets=config.route[found.route].prices.get(name, ()),
        checked=checked.get(name),
    )


def _missing(config: Config, row: Reviewed, at: datetime) -> Iterator[Noted]:
    card = card_at(row.cards, at)
    line = price_line(config, row.candidate.name)
    refused = "is charged nothing and listed as unpriced" if config.settle.unpriced == "zero" else "is refused"
    if card is None:
        what = f"no price is known today, so a call {refused}"
        yield Noted(kind="missing", candidate=row.candidate.name, what=what, line=line)
    elif card.terms == "rates" and (unpriced := price(_CALL, card).unpriced):
        what = f"no rate for {' and '.join(unpriced)} ({card.source}), so a call {refused}"
        yield Noted(kind="missing", candidate=row.candidate.name, what=what, line=line)


def _guessed(config: Config, row: Reviewed, card: RateCard | None) -> Iterator[Noted]:
    """Yield what makes every charge by a card an estimate."""
    if card is None or not (card.sibling_of or card.uncertain):
        return
    what = f"nobody knows yet {card.uncertain}, so a call is charged at the most that it can be, as an estimate"
    if card.sibling_of:
        what = f"the list does not know it, so a call is charged as {card.id}, as an estimate"
    yield Noted(
        kind="guessed",
        candidate=row.candidate.name,
        what=what,
        line=price_line(config, row.candidate.name) if card.sibling_of else "",
    )


def _old(config: Config, row: Reviewed, today: date, older_than: int) -> Iterator[Noted]:
    begun = [sheet.valid_from for sheet in row.sheets if sheet.valid_from <= today]
    if not begun:
        return
    said = max(*begun, row.checked or begun[0])
    if (days := (today - said).days) > older_than:
        yield Noted(
            kind="old",
            candidate=row.candidate.name,
            what=f"nobody has said since {said}, {days} days ago, that it still costs this",
            line=price_line(config, row.candidate.name),
            days=days,
        )


def _far(config: Config, row: Reviewed, card: RateCard, at: datetime) -> Iterator[Noted]:
    listed = card_at(row.listed, at)
    if listed is None or not row.sheets or (rate_of_exchange := _exchange(config, row, card, listed, at)) is None:
        return
    for name, rate in card.rates.items():
        if not rate or not listed.rates.get(name):
            continue
        list_price = multiply(_each(listed, name, listed.rates[name]), rate_of_exchange)
        factor = divided(_each(card, name, rate), list_price)
        if factor < FAR and multiply(factor, Decimal(FAR)) > 1:
            continue
        told = f"{name} at {text(rate)} {card.unit} per {card.per} is {_times(factor)} the list price, "
        told += f"{text(listed.rates[name])} {listed.unit} per {listed.per}"
        if rate_of_exchange != 1:
            told += f" at {text(rate_of_exchange)} {card.unit} for one {listed.unit}"
        yield Noted(kind="far", candidate=row.candidate.name, what=told, factor=text(factor))


def _future(row: Reviewed, today: date) -> Iterator[Noted]:
    for sheet in row.sheets:
        if sheet.valid_from > today:
            rates = ", ".join(f"{name} {text(rate)}" for name, rate in sheet.rates())
            what = f"from {sheet.valid_from} on it costs {rates} {sheet.unit} per {sheet.per}"
            yield Noted(kind="future", candidate=row.candidate.name, what=what, valid_from=sheet.valid_from.isoformat())


def _exchange(config: Config, row: Reviewed, card: RateCard, listed: RateCard, at: datetime) -> Decimal | None:
    """Return units of the card for one of the list's, by the report's rates, else the route's; None if unknown."""
    if card.unit == listed.unit:
        return Decimal(1)
    ours, theirs = fx_at(config, card.unit, at.date()), fx_at(config, listed.unit, at.date())
    if ours is not None and theirs is not None:
        return divided(ours, theirs)
    own = config.route[row.candidate.route].price
    pays = config.balance[route_payer(config, row.candidate.route)].unit
    return own.fx if isinstance(own, Price) and listed.unit == CATALOGUE_UNIT and card.unit == pays else None


def _each(card: RateCard, usage_class: str, rate: Decimal) -> Decimal:
    """Return what one token or one of a count costs in the card's unit."""
    return scaled(rate, 0 if usage_class in COUNT_CLASSES else -PER[card.per])


def _times(factor: Decimal) -> str:
    """Return a factor in words: ``32 times``, ``1/32 of``."""
    if factor >= 1:
        return f"{text(factor.to_integral_value())} times"
    return f"1/{text(divided(Decimal(1), factor).to_integral_value())} of" if factor else "next to nothing of"
