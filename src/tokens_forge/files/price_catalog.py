"""From genai-prices' data and the routes' own sheets to rate cards.

Decides which rates a route charges and what the provider's list price is. It asks no network and takes no newer data
than the package was released with, unless the user gave some (`files/catalog_data.py`): a price has a source and a
date. What the catalogue can't say is added from tables (`files/price_additions.py`). What a usage costs is
`core/prices.py`'s part.
"""

import hashlib
import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from msgspec.structs import replace

from tokens_forge.core import plain
from tokens_forge.core.book import unit_of
from tokens_forge.core.config import CATALOGUE_UNIT, Config, Price, Rates, Route, Sheet, names_asked
from tokens_forge.core.model_ends import end_of, told
from tokens_forge.core.money import read_amount, scaled
from tokens_forge.core.price_check import SHEET_SOURCE
from tokens_forge.core.prices import PER, STANDARD_TIERS, Cards, RateCard, Service, Tier
from tokens_forge.core.siblings import is_another, newest_sibling
from tokens_forge.core.usage import COUNT_CLASSES
from tokens_forge.files.catalog_data import Data, bundled, data_in_use
from tokens_forge.files.catalog_patterns import LONGEST_NAME
from tokens_forge.files.price_additions import completed, provider_of_host

if TYPE_CHECKING:
    from genai_prices.types import (
        ConditionalPrice,
        ModelInfo,
        ModelPrice,
        PriceVariant,
        Provider,
        StartDateConstraint,
        TieredPrices,
        TimeOfDateConstraint,
    )

ROUTE_SOURCE = "route price"
"""`source` of a card that a route's `price` made without the catalogue."""

MOST_REMEMBERED = 4_096
"""Models whose cards are kept; names come from clients, so there is no end of them."""

PRICED = {
    "input_mtok": ("input", 0),
    "cache_read_mtok": ("cache_read", 0),
    "cache_write_mtok": ("cache_write_5m", 0),
    "cache_write_5m_mtok": ("cache_write_5m", 0),
    "cache_write_1h_mtok": ("cache_write_1h", 0),
    "input_audio_mtok": ("audio_in", 0),
    "input_image_mtok": ("image_in", 0),
    "output_mtok": ("output", 0),
    "output_reasoning_mtok": ("reasoning", 0),
    "output_audio_mtok": ("audio_out", 0),
    "output_image_mtok": ("image_out", 0),
    "requests_kcount": ("requests", -3),
    "web_searches_kcount": ("searches", -3),
}
"""The catalogue's price to our usage class and the power of ten to what our rate buys (a count's rate is for one)."""

_ANY_DAY = date(1970, 1, 1)
_Item = TypeVar("_Item")


class Catalog:
    """The list prices that come with this version of genai-prices, or that the user gave in the file `path`.

    Its data is loaded at the first question; a file that is no such data raises ConfigError then.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._stamp = _stamp(path)
        self._data: Data | None = None
        self._remembered: dict[tuple[str, str, str], tuple[RateCard, ...]] = {}

    @classmethod
    def of(cls, data: Data) -> "Catalog":
        """Return the catalogue of data that is not kept yet."""
        catalog = cls()
        catalog._data = data
        return catalog

    @property
    def data(self) -> Data:
        """What the prices are taken from."""
        if self._data is None:
            # Loading takes a tenth of a second and more: only commands that price pay it.
            self._data = data_in_use(self._path)
        return self._data

    def load(self) -> None:
        """Load data that the user gave, so that what is wrong with it shows now. Raises ConfigError."""
        if self._stamp is not None:
            self._data = data_in_use(self._path)

    def renewed(self) -> "Catalog":
        """Return the catalogue of what the file has now: this one where that is the same. Raises ConfigError."""
        if _stamp(self._path) == self._stamp:
            return self
        fresh = Catalog(self._path)
        fresh.load()
        return fresh

    def cards(self, *, base_url: str, provider: str, model: str) -> tuple[RateCard, ...]:
        """Return a model's list prices in USD, in the order in which a later one goes before an earlier one.

        The provider is the one named, else the one at `base_url`, else the one whose models are named so. A server on
        this machine or in a private network is nobody's: without a name it has no list price. None known: empty.
        """
        if len(model) > LONGEST_NAME:
            return ()
        key = (base_url, provider, model)
        if key not in self._remembered:
            if len(self._remembered) >= MOST_REMEMBERED:
                self._remembered.clear()
            self._remembered[key] = self._find(base_url, provider, model)
        return self._remembered[key]

    def sibling_cards(self, *, base_url: str, provider: str, model: str) -> tuple[RateCard, ...]:
        """Return the list prices of the newest model known of the family of one that has none; empty for no family."""
        if len(model) > LONGEST_NAME:
            return ()
        asked = model.rpartition("/")[2]
        seller = self._provider(base_url, provider, model) or self._provider(base_url, provider, asked)
        if seller is None:
            return ()
        priced = {info.id: info for info in seller.models if model_cards(info, name="", resolved=())}
        newest = newest_sibling(model, priced)
        if newest is None:
            return ()
        card_name = f"{seller.id}/{newest}"
        found = model_cards(priced[newest], name=card_name, resolved=(model, card_name), source=self.data.source)
        return tuple(
            replace(card, sibling_of=model, context_window=None)
            for card in completed(found, provider=seller.id, names=(asked,), base_url=base_url)
        )

    def end(self, *, base_url: str, provider: str, model: str, today: date) -> str:
        """Return a sentence about the announced end of a model, empty where none is known.

        It holds where its provider itself is asked: at its own address, or where the config names it.
        """
        seller = self._provider(base_url, provider, "")
        if seller is None:
            return ""
        if (end := end_of(seller.id, model)) is not None:
            return told(end, model, today)
        info = seller.find_model(model, all_providers=self.data.providers)
        if info is None or not info.deprecated:
            return ""
        return f"{self.data.source} says that `{model}` is deprecated at {seller.id}, without a day"

    def _find(self, base_url: str, provider: str, model: str) -> tuple[RateCard, ...]:
        providers = self.data.providers
        # `openai/gpt-5` is its own name at an aggregator, and elsewhere gpt-5 (CASES 13).
        for name in dict.fromkeys((model, model.rpartition("/")[2])):
            seller = self._provider(base_url, provider, name)
            if seller is not None and (info := seller.find_model(name, all_providers=providers)) is not None:
                if is_another(name, info.id) and not _is_named(info.match, name):
                    continue
                owner = next(other for other in providers if any(info is own for own in other.models))
                card_name = f"{owner.id}/{info.id}"
                resolved = _resolved(model, name, card_name, info.id)
                found = model_cards(info, name=card_name, resolved=resolved, source=self.data.source)
                return completed(found, provider=owner.id, names=(info.id, name.lower()), base_url=base_url)
        return ()

    def _provider(self, base_url: str, name: str, model: str) -> "Provider | None":
        """Return who sells there: nobody, on this machine or in a private network, unless named."""
        if not name and _is_private(base_url):
            return None
        regional = provider_of_host(urlsplit(base_url).hostname or "")
        return _provider(self.data.providers, base_url, name or regional, model)


def _is_named(match: object, name: str) -> bool:
    """Say whether the catalogue has a model under this very name, not by a pattern that fits it."""
    from genai_prices.types import ClauseEquals, ClauseOr  # noqa: PLC0415 - as in `data`

    match match:
        case ClauseEquals(equals=word):
            return word.lower() == name.lower()
        case ClauseOr(or_=parts):
            return any(_is_named(part, name) for part in parts)
        case _:
            return False


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    """Return what tells one state of a file from another; None where there is none."""
    try:
        status = path.stat() if path is not None else None
    except OSError:
        return None
    return status and (status.st_ino, status.st_mtime_ns, status.st_size)


def _resolved(model: str, name: str, card_name: str, catalogue_id: str) -> tuple[str, ...]:
    """Return the names on the way from an upstream's name to the catalogue's; none where they are one."""
    if model == catalogue_id:
        return ()
    return tuple(dict.fromkeys((model, name, card_name)))


def route_cards(
    config: Config, route_name: str, upstream_model: str, catalog: Catalog
) -> tuple[tuple[RateCard, ...], tuple[RateCard, ...]]:
    """Return what the route charges for `upstream_model`, and the provider's list price of the same model.

    The route's dated sheets for the model go first, else its `price`; either may be empty. A sheet or a list price is
    found by the upstream's name of the model, else by the name that clients ask for.
    """
    route = config.route[route_name]
    upstream = config.upstream[route.upstream]
    names = tuple(_names(route, upstream_model))
    listed = _first(
        _from(upstream_model, name, catalog.cards(base_url=upstream.base_url, provider=upstream.provider, model=name))
        for name in names
    )
    sheets = _first(route.prices.get(name, ()) for name in names)
    card_id = f"{route_name}/{upstream_model}"
    dated = sorted(sheets, key=lambda sheet: sheet.valid_from)
    if dated and not dated[0].adds:
        return _by_sheets(dated, card_id, ()), listed
    basis = listed
    if not listed and config.settle.unpriced == "sibling":
        siblings = (
            catalog.sibling_cards(base_url=upstream.base_url, provider=upstream.provider, model=name) for name in names
        )
        basis = _first(_from(upstream_model, name, cards) for name, cards in zip(names, siblings, strict=True))
    return _by_sheets(dated, card_id, _by_price(config, route, card_id, basis)), listed


def _by_sheets(dated: Sequence[Sheet], card_id: str, by_price: tuple[RateCard, ...]) -> tuple[RateCard, ...]:
    """Return what sheets make of the cards of a route's `price`, in the order of their days.

    A sheet that adds is put on what holds beneath it: the sheet before it that stands alone, else the price.
    """
    found, beneath = list(by_price), by_price
    for sheet in dated:
        if sheet.adds:
            found += (_added(sheet, card) for card in beneath)
        else:
            beneath = (_sheet_card(sheet, card_id),)
            found += beneath
    return tuple(found)


def _added(sheet: Sheet, card: RateCard) -> RateCard:
    """Return a card with a sheet's rates in the place of its own of the same classes, from the sheet's first day on.

    The sheet is in the card's terms: beside a share of the list its rates are list prices, and premiums are on them.
    """
    own = _in_terms(dict(sheet.rates()), sheet.per, card.per)
    service = {
        word: replace(tier, rates={**tier.rates, **own}, tiers=_beyond(tier.tiers, sheet))
        for word, tier in card.service.items()
    }
    rates, tiers = {**card.rates, **own}, _beyond(card.tiers, sheet)
    for word, stated in sheet.service.items():
        known = service.get(word.lower(), Service(rates=rates, tiers=tiers))
        told = _in_terms(dict(stated.rates()), sheet.per, card.per)
        service[word.lower()] = Service(rates={**known.rates, **told}, tiers=_beyond(known.tiers, stated))
    begins = card.begins or card.valid_from or sheet.valid_from
    return replace(
        card,
        source=f"{card.source}, {SHEET_SOURCE}",
        rates=rates,
        tiers=tiers,
        service=service,
        valid_from=sheet.valid_from,
        begins=max(begins, sheet.valid_from),
        guessed={name: why for name, why in card.guessed.items() if name not in own},
    )


def _in_terms(rates: Mapping[str, Decimal], per: str, wanted: str) -> dict[str, Decimal]:
    power = PER[wanted] - PER[per]
    return {name: rate if name in COUNT_CLASSES else scaled(rate, power) for name, rate in rates.items()}


def cards_with(config: Config, cards: Cards, candidates: Iterable[str], catalog: Catalog) -> Cards:
    """Return `cards` with those of further candidates (ROUTE/MODEL); what has no price gets none."""
    charge, listed = dict(cards.charge), dict(cards.list)
    for name in candidates:
        route, _, model = name.partition("/")
        own, plain = route_cards(config, route, model, catalog)
        charge |= {name: own} if own else {}
        listed |= {name: plain} if plain else {}
    return Cards(charge=charge, list=listed)


def _from(upstream_model: str, name: str, cards: tuple[RateCard, ...]) -> tuple[RateCard, ...]:
    """Return cards that were found by `name` with the upstream's own name first in the way that led to them."""
    if name == upstream_model:
        return cards
    return tuple(replace(card, resolved=(upstream_model, *(card.resolved or (name, card.id)))) for card in cards)


def _by_price(  # noqa: PLR0911 - one for each form of a price
    config: Config, route: Route, card_id: str, listed: tuple[RateCard, ...]
) -> tuple[RateCard, ...]:
    """Return the cards of a route's `price`."""
    unit = unit_of(config.balance[route.balance])
    nothing = RateCard(id=card_id, source=ROUTE_SOURCE, unit=unit, per="mtok", rates={})
    match route.price:
        case None:
            return ()
        case "list":
            return listed
        case "free":
            return (replace(nothing, terms="free"),)
        case "reported":
            # The list is only for the hold; in another unit it says nothing of what will be reported.
            usable = tuple(replace(card, terms="reported") for card in listed if card.unit == unit)
            return usable or (replace(nothing, terms="reported"),)
        case Price(per="call", amount=amount):
            return (_flat(nothing, "requests", amount),)
        case Price(per="second", amount=amount):
            return (_flat(nothing, "seconds", amount),)
        case Price(list=share, fx=fx):
            assert share is not None, "checked: a price is a share, or so much a call or second"
            fx = Decimal(1) if fx is None else fx
            return tuple(replace(card, list_share=share, fx=fx) for card in listed)


def _flat(card: RateCard, usage_class: str, amount: str) -> RateCard:
    """Return a card on which only `usage_class` costs something."""
    price = read_amount(amount)
    return replace(card, unit=price.unit, rates={usage_class: price.value}, terms="flat")


def stored(cards: Cards) -> tuple[str, bytes]:
    """Return the digest of the cards in use (``p_`` and 16 hex digits) and the bytes to keep under it."""
    data = plain.encode(Cards(charge=dict(sorted(cards.charge.items())), list=dict(sorted(cards.list.items()))))
    return f"p_{hashlib.sha256(data).hexdigest()[:16]}", data


def _first(found: Iterator[tuple[_Item, ...]]) -> tuple[_Item, ...]:
    return next((items for items in found if items), ())


def _names(route: Route, upstream_model: str) -> Iterator[str]:
    yield upstream_model
    yield from names_asked(route, upstream_model)


def _sheet_card(sheet: Sheet, card_id: str) -> RateCard:
    rates = dict(sheet.rates())
    tiers = tuple(
        Tier(above=tier.above, rates=dict(tier.rates())) for tier in sorted(sheet.long_input, key=lambda it: it.above)
    )
    return RateCard(
        id=card_id,
        source=SHEET_SOURCE,
        unit=sheet.unit,
        per=sheet.per,
        rates=rates,
        valid_from=sheet.valid_from,
        tiers=_completed(tiers),
        # A tier of service has the sheet's own rates where it says nothing else, in long requests too.
        service={
            word.lower(): Service(rates={**rates, **dict(own.rates())}, tiers=_beyond(_completed(tiers), own))
            for word, own in sheet.service.items()
        },
        fx=Decimal(1) if sheet.fx is None else sheet.fx,
        guessed=dict.fromkeys(sheet.guessed, "the sheet says so"),
    )


def _completed(tiers: tuple[Tier, ...]) -> tuple[Tier, ...]:
    """Return tiers in which a rate that began at a lower threshold goes on."""
    done: list[Tier] = []
    reached: dict[str, Decimal] = {}
    for tier in tiers:
        reached = {**reached, **tier.rates}
        done.append(Tier(above=tier.above, rates=reached))
    return tuple(done)


def _beyond(tiers: tuple[Tier, ...], own: Rates) -> tuple[Tier, ...]:
    """Return the tiers without the classes that a tier of service prices itself."""
    priced = {name for name, _rate in own.rates()}
    left = (
        Tier(above=tier.above, rates={name: rate for name, rate in tier.rates.items() if name not in priced})
        for tier in tiers
    )
    return tuple(tier for tier in left if tier.rates)


def _is_private(base_url: str) -> bool:
    host = urlsplit(base_url).hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".local"))
    return address.is_private


def _provider(providers: "Sequence[Provider]", base_url: str, name: str, model: str) -> "Provider | None":
    if name:
        wanted = name.strip().lower()
        by_id = (provider for provider in providers if provider.id == wanted)
        alike = (
            provider for provider in providers if provider.provider_match and provider.provider_match.is_match(wanted)
        )
        return next(by_id, None) or next(alike, None)
    at_url = (provider for provider in providers if re.match(provider.api_pattern, base_url))
    of_model = (provider for provider in providers if provider.model_match and provider.model_match.is_match(model))
    return next(at_url, None) or next(of_model, None)


def model_cards(info: "ModelInfo", *, name: str, resolved: tuple[str, ...], source: str = "") -> tuple[RateCard, ...]:
    """Return a card for each time in which a model has other prices; none when nothing that we count is priced.

    The catalogue takes the last price whose condition is met and the first when none is, so the first has none here.
    A tier of service is whole: what it says goes before the price of that time, class by class.
    """
    from genai_prices.types import ConditionalPrice, ModelPrice  # noqa: PLC0415 - as in `data`

    given = [ConditionalPrice(prices=info.prices)] if isinstance(info.prices, ModelPrice) else info.prices
    source = source or bundled().source
    cards: list[RateCard] = []
    for valid_from, begins, hours, prices in _times(given, info.price_variants or ()):
        rates, tiers = _rates(vars(prices))
        cards.append(
            RateCard(
                id=name,
                source=source,
                unit=CATALOGUE_UNIT,
                per="mtok",
                rates=rates,
                valid_from=valid_from,
                begins=begins,
                hours=hours,
                tiers=tiers,
                service=_services(vars(prices), info.price_variants or (), begins or valid_from or _ANY_DAY),
                resolved=resolved,
                context_window=info.context_window,
            )
        )
    return tuple(cards) if any(card.rates for card in cards) else ()


def _times(
    given: "Sequence[ConditionalPrice]", variants: "Sequence[PriceVariant]"
) -> "Iterator[tuple[date | None, date | None, tuple[time, time] | None, ModelPrice]]":
    """Yield each price with its first day, the day on which a tier of service began since, its hours, and the price.

    A tier of service that begins later than its price makes a card of its own from that day on.
    """
    from genai_prices.types import StartDateConstraint  # noqa: PLC0415 - as in `data`

    begins = sorted(
        {variant.constraint.start_date for variant in variants if isinstance(variant.constraint, StartDateConstraint)}
    )
    conditions = [_condition(price.constraint if number else None) for number, price in enumerate(given)]
    for number, (price, (valid_from, hours)) in enumerate(zip(given, conditions, strict=True)):
        yield valid_from, None, hours, price.prices
        following = next((day for day, _hours in conditions[number + 1 :] if day is not None), None)
        for day in begins:
            if (valid_from is None or day > valid_from) and (following is None or day < following):
                yield valid_from, day, hours, price.prices


def _services(
    prices: "Mapping[str, Decimal | TieredPrices | None]", variants: "Sequence[PriceVariant]", day: date
) -> dict[str, Service]:
    """Return the tiers of service on `day`: of several variants of one tier the first that prices a class counts."""
    from genai_prices.types import StartDateConstraint  # noqa: PLC0415 - as in `data`

    own: dict[str, dict[str, Decimal | TieredPrices | None]] = {}
    for variant in variants:
        begun = not isinstance(variant.constraint, StartDateConstraint) or variant.constraint.start_date <= day
        word = _service_word(variant.when)
        if not begun or word in STANDARD_TIERS:
            continue
        chosen = own.setdefault(word, {})
        for key, value in vars(variant.prices).items():
            if value is not None:
                chosen.setdefault(key, value)
    return {
        word: Service(rates=rates, tiers=tiers)
        for word, chosen in own.items()
        for rates, tiers in (_rates({**prices, **chosen}),)
    }


def _service_word(when: Mapping[str, str]) -> str:
    """Return the word of an upstream for the tier that a variant prices; empty for a variant of something else.

    Anthropic says ``speed`` and OpenAI ``service_tier`` in the reply; a batch is known by the endpoint.
    """
    if len(when) != 1:
        return ""
    ((key, word),) = when.items()
    return word if key in {"service_tier", "speed", "processing"} else ""


def _condition(
    constraint: "StartDateConstraint | TimeOfDateConstraint | None",
) -> tuple[date | None, tuple[time, time] | None]:
    from genai_prices.types import StartDateConstraint, TimeOfDateConstraint  # noqa: PLC0415 - as in `data`

    match constraint:
        case None:
            return None, None
        case StartDateConstraint(start_date=day):
            return day, None
        case TimeOfDateConstraint(start_time=start, end_time=end):
            return None, (_utc(start), _utc(end))


def _utc(clock: time) -> time:
    """Return a time of day in UTC; one without a zone is."""
    return datetime.combine(_ANY_DAY, clock).astimezone(UTC).time() if clock.tzinfo else clock


def _rates(prices: "Mapping[str, Decimal | TieredPrices | None]") -> tuple[dict[str, Decimal], tuple[Tier, ...]]:
    """Return the base rates, and for each threshold the rates above it, of the classes that change there or before."""
    base: dict[str, Decimal] = {}
    above: dict[str, dict[int, Decimal]] = {}
    for key, (usage_class, power) in PRICED.items():
        value = prices.get(key)
        if value is None:
            continue
        if isinstance(value, Decimal):
            base[usage_class] = scaled(value, power)
            continue
        base[usage_class] = scaled(value.base, power)
        above[usage_class] = {tier.start: scaled(tier.price, power) for tier in value.tiers}
    starts = sorted({start for rates in above.values() for start in rates})
    return base, tuple(Tier(above=start, rates=_reached(above, start)) for start in starts)


def _reached(above: dict[str, dict[int, Decimal]], start: int) -> dict[str, Decimal]:
    reached = {usage_class: [at for at in rates if at <= start] for usage_class, rates in above.items()}
    return {usage_class: above[usage_class][max(starts)] for usage_class, starts in reached.items() if starts}
