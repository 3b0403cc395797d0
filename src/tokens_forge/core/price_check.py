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
from tokens_forge.core.config import (
    CATALOGUE_UNIT,
    Balance,
    Config,
    Finding,
    LongInput,
    Price,
    Rates,
    Route,
    Sheet,
    did_you_mean,
    fx_at,
    is_served,
)
from tokens_forge.core.money import ZERO, divided, exponent, is_unit, multiply, scaled, text
from tokens_forge.core.prices import MOST_USD_PER_MTOK, PER, STANDARD_TIERS, UNKNOWN_FX, RateCard
from tokens_forge.core.usage import COUNT_CLASSES

FAR_OFF = 300
"""A rate so many times above or below the list price is no price but a typing error: by a thousand, mostly."""

SHEET_SOURCE = "route sheet"
"""`source` of a card that a route's own sheet made; that of one that a sheet was added to ends so."""

FX_FAR_OFF = 100
"""An exchange rate so many times above or below the report's is one too. Relays do sell a dollar's worth for a yuan."""

MOST_SHARE = Decimal(20)
"""A share of the list price above this is a percentage without its comma."""

BELOW = Decimal(100_000_000)
"""Rates and exchange rates are less than this."""

SHARE_PLACES = 10
"""Digits that a share or an exchange rate may have after the point."""

RATE_PLACES = 24
"""Digits that the rate of one token or one of a count may have after the point; a Mtok's has six fewer.

With `BELOW`, `MOST_SHARE` and 16 digits of a quantity a sum of lines stays within the 80 digits in which it is exact:
24 + 10 + 10 after the point, 8 + 16 + 2 + 8 and a carry before it.
"""


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
            yield from _sheets((*path, "prices", model), sheets, config, route, payer)
        if is_money(payer):
            yield from _priced(path, route, payer)
        if isinstance(route.price, Price):
            yield from _price((*path, "price"), route.price, config, payer)


@dataclass(frozen=True, slots=True, kw_only=True)
class FarOff:
    """A rate that can't be meant, beside what it is compared with."""

    card: RateCard
    usage_class: str
    rate: Decimal
    """Per Mtok, or for one of a count, in the balance's unit."""
    unit: str
    listed: Decimal | None
    """The list price of the same in the same unit; None when it is beyond any price instead."""

    def __str__(self) -> str:
        counted = self.usage_class in COUNT_CLASSES
        what = f"for one of `{self.usage_class}`" if counted else f"per Mtok of {self.usage_class}"
        since = f" from {self.card.valid_from}" if self.card.valid_from else ""
        told = f"{text(self.rate)} {self.unit} {what}{since}"
        look = "a count's rate is for one" if counted else f"look at the rate and at `per` ({self.card.per})"
        if self.listed is None:
            return f"{told} is more than anything costs: {look}"
        return f"{told}, and the list price is {text(self.listed)} {self.unit}, more than {FAR_OFF} times off: {look}"


def implausible(config: Config, route: str, cards: Sequence[RateCard], listed: Sequence[RateCard]) -> Iterator[FarOff]:
    """Yield the rates on a route's own cards that can't be meant, beside the list price where it can be converted.

    Every rate is compared, a tier's too, with the newest list price of its class. Rates of 0 are meant. What a count
    costs that is on no list, and a price by the call, can't be judged.
    """
    unit = unit_of(config.balance[route_payer(config, route)])
    base = listed[-1] if listed else None
    for card in cards:
        # A sheet that adds to the list is in its terms, before share and exchange.
        on_list = base is not None and card.id == base.id
        if card.terms != "rates" or (on_list and not card.source.endswith(SHEET_SOURCE)):
            continue  # the list itself, its share, or what has no rates of its own
        day = card.valid_from or date.max
        fx = Decimal(1) if unit == CATALOGUE_UNIT or on_list else _fx(config, unit, CATALOGUE_UNIT, day)
        for usage_class, rate in _rates(card):
            own = _each(card, usage_class, rate, listed=on_list)
            if own == ZERO:
                continue
            list_rate = base.rates.get(usage_class) if base is not None else None
            if list_rate and fx is not None:
                expected = multiply(list_rate, fx)
                if _is_far(own, expected, FAR_OFF):
                    told = CATALOGUE_UNIT if on_list else unit
                    yield FarOff(card=card, usage_class=usage_class, rate=own, unit=told, listed=expected)
            elif usage_class not in COUNT_CLASSES and own > multiply(MOST_USD_PER_MTOK, fx or UNKNOWN_FX):
                yield FarOff(card=card, usage_class=usage_class, rate=own, unit=unit, listed=None)


def route_payer(config: Config, route: str) -> str:
    """Return the balance in whose unit a route is priced: its own, or the one that pays beyond a pool."""
    own = config.route[route].balance
    overage = config.balance[own].overage
    return own if overage == "none" else overage


def is_by_list(route: Route) -> bool:
    """Say whether the route's `price` goes by the provider's list: all of it, a share, or for the hold alone."""
    match route.price:
        case Price(list=share):
            return share is not None
        case price:
            return price in {"list", "reported"}


def _rates(card: RateCard) -> Iterator[tuple[str, Decimal]]:
    """Yield every rate on a card with its class, each once."""
    of_tiers = (tier.rates for tier in card.tiers)
    of_services = (rates for own in card.service.values() for rates in (own.rates, *(tier.rates for tier in own.tiers)))
    yield from dict.fromkeys(rate for rates in (card.rates, *of_tiers, *of_services) for rate in rates.items())


def _each(card: RateCard, usage_class: str, rate: Decimal, *, listed: bool) -> Decimal:
    """Return a rate for a Mtok, or for one of a count, in the balance's unit; in the list's where it is `listed`."""
    own = rate if listed else multiply(multiply(rate, card.list_share), card.fx)
    return own if usage_class in COUNT_CLASSES else scaled(own, 6 - PER[card.per])


def _is_far(own: Decimal, expected: Decimal, times: int) -> bool:
    return not divided(expected, Decimal(times)) <= own <= multiply(expected, Decimal(times))


def _fx(config: Config, unit: str, other: str, day: date) -> Decimal | None:
    """Return units of `unit` for one of `other` by the report's rates of that day; None when it does not know both."""
    ours, theirs = fx_at(config, unit, day), fx_at(config, other, day)
    return divided(ours, theirs) if ours and theirs else None


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


def _price(path: Path, price: Price, config: Config, payer: Balance) -> Iterator[Finding]:
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
    elif price.amount:
        yield from amount_in((*path, "amount"), price.amount, payer.unit if is_money(payer) else "")
    if price.list is not None:
        yield from _share(path, price.list)
    if price.fx is not None and not flat:
        yield from _exchange(path, price.fx, CATALOGUE_UNIT, "list prices are", date.max, config, payer)


def _share(path: Path, share: Decimal) -> Iterator[Finding]:
    """Find a share of the list price that can't be meant."""
    percent = f"for {text(share)} % of it write `list = {text(scaled(share, -2))}`"
    if share < 0:
        yield Finding(path=path, what="a share of the list price is 0 or more")
    elif share > MOST_SHARE:
        yield Finding(path=path, what=f"{text(share)} times the list price: {percent}")
    elif share and _is_far(share, Decimal(1), FAR_OFF):
        whole = text(scaled(share, 2))
        yield Finding(path=path, what=f"{text(share)} is {whole} % of the list price: write 0.35 for 35 % of it")
    if exponent(share) < -SHARE_PLACES:
        yield Finding(path=path, what=f"a share has at most {SHARE_PLACES} digits after the point")


def _exchange(  # noqa: PLR0913, PLR0917 - a rate between two units, of a day, and beside which other
    path: Path, fx: Decimal, other: str, subject: str, day: date, config: Config, payer: Balance
) -> Iterator[Finding]:
    """Find an exchange rate between `other` and the payer's unit that is not needed or can't be meant."""
    if other == payer.unit:
        yield Finding(path=path, what=f"{subject} in the balance's own {other}: leave `fx` out")
    elif fx <= 0:
        yield Finding(path=path, what="an exchange rate is more than 0")
    elif fx >= BELOW or exponent(fx) < -SHARE_PLACES:
        most = f"less than {BELOW} and has at most {SHARE_PLACES} digits after the point"
        yield Finding(path=path, what=f"an exchange rate is {most}")
    elif (expected := _fx(config, payer.unit, other, day)) and _is_far(fx, expected, FX_FAR_OFF):
        yield Finding(
            path=path,
            what=f"{text(fx)} {payer.unit} for one {other}, and by `[report] fx` it is {text(expected)}: write `fx` as "
            f"the {payer.unit} for one {other}",
        )


def _sheets(path: Path, sheets: Sequence[Sheet], config: Config, route: Route, payer: Balance) -> Iterator[Finding]:
    model = path[-1]
    if not is_served(route, model):
        # It changes no bill, so a sheet that was kept for a model that is gone stops nothing.
        near = did_you_mean(model, route.serves)
        yield Finding(
            path=path, what=f"the route serves no `{model}`, so the sheet prices nothing.{near}", warning=True
        )
    if not sheets:
        yield Finding(path=path, what="there is no sheet: write `[{ from = DAY, unit = …, input = …, output = … }]`")
    days = [sheet.valid_from for sheet in sheets]
    for day in dict.fromkeys(day for day in days if days.count(day) > 1):
        yield Finding(path=path, what=f"there are two sheets from {day}: one day has one sheet")
    for sheet in sheets:
        if sheet.adds:
            yield from _adding(path, sheet, sheets, route)
        else:
            yield from _unit(path, sheet, config, route, payer)
        yield from _sheet(path, sheet)


def _adding(path: Path, sheet: Sheet, sheets: Sequence[Sheet], route: Route) -> Iterator[Finding]:
    """Find a sheet that adds to nothing, or in other terms than what it adds to."""
    before = [one for one in sheets if not one.adds and one.valid_from < sheet.valid_from]
    if before:
        unit, what = max(before, key=lambda one: one.valid_from).unit, "the sheet before it"
    elif is_by_list(route):
        unit, what = CATALOGUE_UNIT, "the list price"
    else:
        yield Finding(
            path=path,
            what=f"the sheet from {sheet.valid_from} adds to a price, and there is none before it that goes by "
            "tokens: write `input` and `output` too, and leave `adds` out",
        )
        return
    if sheet.unit != unit:
        yield Finding(
            path=path,
            what=f"the sheet from {sheet.valid_from} is in {sheet.unit} and adds to {what}, which is in {unit}: write "
            f"it in {unit}; a share and an exchange rate count for it too",
        )
    if sheet.fx is not None or sheet.long_input:
        yield Finding(path=path, what="a sheet that adds has no `fx` and no `long_input` of its own")


def _unit(path: Path, sheet: Sheet, config: Config, route: Route, payer: Balance) -> Iterator[Finding]:
    if not is_unit(sheet.unit):
        yield Finding(path=path, what=f'`{sheet.unit}` is no unit: write a currency, such as `unit = "CNY"`')
    elif sheet.fx is not None:
        yield from _exchange(path, sheet.fx, sheet.unit, "the sheet is", sheet.valid_from, config, payer)
    elif is_money(payer) and sheet.unit != payer.unit:
        yield Finding(
            path=path,
            what=f"the sheet is in {sheet.unit} and `{route.balance}` in {payer.unit}: write it in {payer.unit}, or "
            f'with `fx = "7.10"`, the {payer.unit} for one {sheet.unit}',
        )


def _sheet(path: Path, sheet: Sheet) -> Iterator[Finding]:
    """Find rates, tiers and tiers of service that can't be meant."""
    if not any(True for _rate in sheet.rates()) and not (sheet.adds and sheet.service):
        yield Finding(path=path, what="the sheet has no rate: write `input` and `output`")
    stated = {name for name, _rate in sheet.rates()}
    for name in sheet.guessed:
        if name not in stated:
            yield Finding(path=(*path, "guessed"), what=f"the sheet has no rate for `{name}`")
    thresholds = [tier.above for tier in sheet.long_input]
    if any(above < 1 for above in thresholds) or len(set(thresholds)) < len(thresholds):
        yield Finding(path=(*path, "long_input"), what="each `above` is a number of tokens of its own, 1 or more")
    words = [word.lower() for word in sheet.service]
    for word in sheet.service:
        if word.lower() in STANDARD_TIERS:
            what = f"`{word}` is what the sheet's own rates are for: write them there"
            yield Finding(path=(*path, "service"), what=what)
        elif words.count(word.lower()) > 1:
            yield Finding(
                path=(*path, "service"), what=f"`{word}` stands there twice: capital letters are no difference"
            )
    for rates in (sheet, *sheet.long_input, *sheet.service.values()):
        yield from _rates_of(path, rates, sheet.per)


def _rates_of(path: Path, rates: Rates, per: str) -> Iterator[Finding]:
    if isinstance(rates, LongInput) and not any(True for _rate in rates.rates()):
        what = f"above {rates.above} there is no rate: write what costs otherwise there"
        yield Finding(path=(*path, "long_input"), what=what)
    for usage_class, rate in rates.rates():
        places = RATE_PLACES - (0 if usage_class in COUNT_CLASSES else PER[per])
        if rate < 0:
            yield Finding(path=path, what=f"a rate of {text(rate)} for {usage_class} is less than nothing")
        elif rate >= BELOW or exponent(rate) < -places:
            what = f"a rate is less than {BELOW} and has at most {places} digits after the point here"
            yield Finding(path=path, what=f"{text(rate)} for {usage_class}: {what}")
