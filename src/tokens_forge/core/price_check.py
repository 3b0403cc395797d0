"""What is wrong with the prices of routes in a config, and which rates can't be meant.

`price_findings` looks at what the user wrote, `implausible` at what comes of it beside the list price: a rate a
thousand times off is a typing error, and is refused with both figures (CASES 11). Each finding says what to write
instead. What a usage costs is `core/prices.py`'s part.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from tokens_forge.core.balance_check import Path, amount_in
from tokens_forge.core.book import is_money, unit_of
from tokens_forge.core.config import CATALOGUE_UNIT, Balance, Config, Finding, Price, Rates, Route, Sheet, fx_at
from tokens_forge.core.money import ZERO, divided, multiply, scaled, text
from tokens_forge.core.prices import PER, RateCard

FAR_OFF = 300
"""A rate so many times above or below the list price is no price but a typing error: by a thousand, mostly."""

MOST_USD_PER_MTOK = Decimal(20_000)
"""No token of any provider costs more (the dearest in genai-prices 0.2.3 is 600 USD per Mtok); where no list price is
known and no exchange rate either, 1,000 times that."""

MOST_SHARE = Decimal(20)
"""A share of the list price above this is a percentage without its comma."""


def price_findings(config: Config) -> Iterator[Finding]:
    """Yield what is wrong with each route's price and sheets, in the config's order."""
    for name, route in config.route.items():
        balance = config.balance.get(route.balance)
        if balance is None:
            continue  # told elsewhere
        path = ("route", name)
        # Beyond a pool a balance of money pays, so such a route needs a price in its unit.
        payer = config.balance.get(balance.overage, balance)
        for model, sheets in route.prices.items():
            yield from _sheets((*path, "prices", model), sheets, route, payer)
        if is_money(payer):
            yield from _priced(path, route, payer)
        if isinstance(route.price, Price):
            yield from _price((*path, "price"), route.price)


@dataclass(frozen=True, slots=True, kw_only=True)
class FarOff:
    """A rate that can't be meant, beside what it is compared with."""

    card: RateCard
    usage_class: str
    rate: Decimal
    """Per Mtok, in the card's unit after share and exchange."""
    unit: str
    listed: Decimal | None
    """The list price per Mtok in the same unit; None when it is beyond any price instead."""

    def __str__(self) -> str:
        per = f"{text(self.rate)} {self.unit} per Mtok of {self.usage_class}"
        since = f" from {self.card.valid_from}" if self.card.valid_from else ""
        if self.listed is None:
            return f"{per}{since} is more than anything costs: look at the rate and at `per` ({self.card.per})"
        against = f"the list price is {text(self.listed)} {self.unit}, more than {FAR_OFF} times off"
        return f"{per}{since}, and {against}: look at the rate and at `per` ({self.card.per})"


def implausible(config: Config, route: str, cards: Sequence[RateCard], listed: Sequence[RateCard]) -> Iterator[FarOff]:
    """Yield the rates on a route's own cards that can't be meant, beside the list price where it can be converted.

    Only token classes are compared, card by card with the newest list price. Rates of 0 are meant.
    """
    unit = unit_of(config.balance[route_payer(config, route)])
    base = listed[-1] if listed else None
    for card in cards:
        if card.terms != "rates" or (base is not None and card.id == base.id):
            continue  # the list itself, its share, or what has no rates of its own
        day = card.valid_from or date.max
        fx = Decimal(1) if unit == CATALOGUE_UNIT else _fx(config, unit, day)
        for usage_class, rate in card.rates.items():
            own = _per_mtok(card, usage_class, rate)
            if own is None or own == ZERO:
                continue
            list_rate = base.rates.get(usage_class) if base is not None and fx is not None else None
            if list_rate and fx is not None:
                expected = multiply(list_rate, fx)
                if not divided(expected, Decimal(FAR_OFF)) <= own <= multiply(expected, Decimal(FAR_OFF)):
                    yield FarOff(card=card, usage_class=usage_class, rate=own, unit=unit, listed=expected)
            elif own > multiply(MOST_USD_PER_MTOK, Decimal(1000) if fx is None else fx):
                yield FarOff(card=card, usage_class=usage_class, rate=own, unit=unit, listed=None)


def route_payer(config: Config, route: str) -> str:
    """Return the balance in whose unit a route is priced: its own, or the one that pays beyond a pool."""
    own = config.route[route].balance
    overage = config.balance[own].overage
    return own if overage == "none" else overage


def _fx(config: Config, unit: str, day: date) -> Decimal | None:
    """Return units for one of the catalogue's, by the report's rates."""
    ours, theirs = fx_at(config, unit, day), fx_at(config, CATALOGUE_UNIT, day)
    return divided(ours, theirs) if ours is not None and theirs is not None else None


def _per_mtok(card: RateCard, usage_class: str, rate: Decimal) -> Decimal | None:
    """Return a token class's rate for a Mtok in the balance's unit; None for a count."""
    if usage_class in {"requests", "searches", "images", "seconds"}:
        return None
    return scaled(multiply(multiply(rate, card.list_share), card.fx), 6 - PER[card.per])


def _priced(path: Path, route: Route, payer: Balance) -> Iterator[Finding]:
    """Find a route that must be paid in money and has no price, or one in another money."""
    if route.price is None and not route.prices:
        yield Finding(
            path=path,
            what='it has no price: write `price = "list"`, `price = { list = "0.35", fx = "7.10" }` or a sheet '
            f"in `[route.{path[-1]}.prices]`",
        )
    by_list = route.price == "list" or (isinstance(route.price, Price) and route.price.list is not None)
    if by_list and payer.unit != CATALOGUE_UNIT and (not isinstance(route.price, Price) or route.price.fx is None):
        # Else a list price would be taken for the balance's unit as if one were the other.
        yield Finding(
            path=(*path, "price"),
            what=f"list prices are in {CATALOGUE_UNIT} and the balance is in {payer.unit}: write "
            f'`price = {{ list = "1", fx = "7.10" }}` with the {payer.unit} for one {CATALOGUE_UNIT}, or a sheet',
        )
    if isinstance(route.price, Price) and route.price.amount:
        yield from amount_in((*path, "price", "amount"), route.price.amount, payer.unit)


def _price(path: Path, price: Price) -> Iterator[Finding]:
    """Find a price that is not one thing: a share of the list, or so much a call or second."""
    flat = price.per is not None or price.amount != ""
    if (price.list is not None) == flat:
        yield Finding(
            path=path,
            what='it is a share of the list price, `{ list = "0.35", fx = "7.10" }`, or so much a call or second, '
            '`{ per = "call", amount = "0.02 CNY" }`',
        )
    elif flat and (price.per is None or not price.amount or price.fx is not None):
        yield Finding(path=path, what='write `per` and `amount`, and no `fx`: `{ per = "call", amount = "0.02 CNY" }`')
    if price.amount.lstrip().startswith("-"):
        yield Finding(path=(*path, "amount"), what=f"{price.amount} is less than nothing")
    if (price.list is not None and price.list < 0) or (price.fx is not None and price.fx <= 0):
        yield Finding(path=path, what="a share is 0 or more and an exchange rate more than 0")
    elif price.list is not None and price.list > MOST_SHARE:
        share = text(scaled(price.list, -2))
        yield Finding(
            path=path, what=f"{price.list} times the list price: for {price.list} % of it write `list = {share}`"
        )


def _sheets(path: Path, sheets: Sequence[Sheet], route: Route, payer: Balance) -> Iterator[Finding]:
    days = [sheet.valid_from for sheet in sheets]
    for day in dict.fromkeys(day for day in days if days.count(day) > 1):
        yield Finding(path=path, what=f"there are two sheets from {day}: one day has one sheet")
    for sheet in sheets:
        yield from _sheet(path, sheet, route, payer)


def _sheet(path: Path, sheet: Sheet, route: Route, payer: Balance) -> Iterator[Finding]:
    if is_money(payer) and sheet.unit != payer.unit and sheet.fx is None:
        yield Finding(
            path=path,
            what=f"the sheet is in {sheet.unit} and `{route.balance}` in {payer.unit}: write it in {payer.unit}, or "
            f'with `fx = "7.10"`, the {payer.unit} for one {sheet.unit}',
        )
    if sheet.fx is not None and sheet.unit == payer.unit:
        yield Finding(path=path, what=f"the sheet is in the balance's own {sheet.unit}: leave `fx` out")
    if sheet.fx is not None and sheet.fx <= 0:
        yield Finding(path=path, what="an exchange rate is more than 0")
    if not any(True for _rate in sheet.rates()):
        yield Finding(path=path, what="the sheet has no rate: write `input` and `output`")
    yield from _not_negative(path, sheet)
    thresholds = [tier.above for tier in sheet.long_input]
    if any(above < 1 for above in thresholds) or len(set(thresholds)) < len(thresholds):
        yield Finding(path=(*path, "long_input"), what="each `above` is a number of tokens of its own, 1 or more")
    for rates in (*sheet.long_input, *sheet.service.values()):
        yield from _not_negative(path, rates)


def _not_negative(path: Path, rates: Rates) -> Iterator[Finding]:
    for usage_class, rate in rates.rates():
        if rate < 0:
            yield Finding(path=path, what=f"a rate of {rate} for {usage_class} is less than nothing")
