"""What to type when a price is missing: the line that sets it, ready but for the figures.

It decides no price and writes none.
"""

import re
from collections.abc import Iterable, Sequence

import msgspec

from tokens_forge.core.book import is_money, unit_of
from tokens_forge.core.config import CATALOGUE_UNIT, Config, Rates, Route, Sheet, is_served, names_asked
from tokens_forge.core.entries import PassedOver
from tokens_forge.core.flags import TIER_UNPRICED, UNPRICED_ITERATION, is_of_price, usage_class_of
from tokens_forge.core.price_check import is_by_list, route_payer

_PLAIN = re.compile(r"[A-Za-z0-9%+,./:=@_-]+")


def price_line(config: Config, candidate: str) -> str:
    """Return the command that gives ROUTE/MODEL its price: ``tf prices set relay gpt-6.1-sol --input … --output …``.

    The unit is the paying balance's; where a pool or nobody pays, the catalogue's.
    """
    name, _, upstream_model = candidate.partition("/")
    route = config.route[name]
    payer = config.balance[route_payer(config, name)]
    unit = unit_of(payer) if is_money(payer) else CATALOGUE_UNIT
    model = sheet_name(route, upstream_model)
    return _line(name, model, ("input", "output"), "--unit", unit)


def tier_line(config: Config, candidate: str, tier: str) -> str:
    """Return the command that gives ROUTE/MODEL its rates in a tier of service, beside those that it has.

    ``tf prices set official gpt-6.1-sol --service priority --input … --output … --unit USD``: the unit is that of the
    rates it is put beside, list prices where the route charges a share of them.
    """
    name, _, upstream_model = candidate.partition("/")
    route = config.route[name]
    unit = unit_beneath(route, upstream_model) or CATALOGUE_UNIT
    model = sheet_name(route, upstream_model)
    return _line(name, model, ("input", "output"), "--unit", unit, service=tier)


def class_line(config: Config, candidate: str, usage_classes: Iterable[str]) -> str:
    """Return the command that gives ROUTE/MODEL the rates of further classes, beside those that it has.

    ``tf prices set official gpt-6.1-sol --searches … --unit USD``; a count's rate is for one.
    """
    name, _, upstream_model = candidate.partition("/")
    route = config.route[name]
    unit = unit_beneath(route, upstream_model) or CATALOGUE_UNIT
    return _line(name, sheet_name(route, upstream_model), usage_classes, "--unit", unit)


def missing_prices(passed_over: Iterable[PassedOver]) -> tuple[tuple[str, str], ...]:
    """Return each ROUTE/MODEL that has no price, and the tier of service where only that has none."""
    found = ((it.error or it.candidate, it.tier) for it in passed_over if it.reason == "no_price")
    return tuple(dict.fromkeys(found))


def missing_line(config: Config, candidate: str, tier: str) -> str:
    """Return the command that sets a price for want of which a call is refused: that of a tier, or the whole."""
    return tier_line(config, candidate, tier) if tier else price_line(config, candidate)


def mending_line(config: Config, candidate: str, flag: str, tier: str) -> str:
    """Return the command that sets the price for want of which charges of ROUTE/MODEL bear a `flag` (`core/flags.py`).

    `tier` is the tier of service that was served; of `unpriced_iteration` the model is the one that did the work.
    Empty for a route that the config has no more or that does not serve the model, and for a flag that no price of the
    candidate's own mends.
    """
    route, _, model = candidate.partition("/")
    if route not in config.route or not is_of_price(flag) or flag in _NO_PRICE_OF_ITS_OWN:
        return ""
    if flag == UNPRICED_ITERATION and not is_served(config.route[route], model):
        return ""
    if flag == TIER_UNPRICED:
        return tier_line(config, candidate, tier)
    name = usage_class_of(flag)
    return class_line(config, candidate, (name,)) if name else price_line(config, candidate)


_NO_PRICE_OF_ITS_OWN = frozenset({"answered_by_unpriced", "not_reported", "unbelieved_cost"})
"""Flags of a charge in which another model was at work, or whose upstream names the cost."""


def price_ways(config: Config, missing: Sequence[tuple[str, str]]) -> str:
    """Return every way out of prices that nobody knows, as a sentence or two.

    `missing` holds ROUTE/MODEL, and the tier of service where only that has no price: no other model's stands for it.
    """
    lines = "; ".join(f"`{missing_line(config, candidate, tier)}`" for candidate, tier in missing)
    newer = "a newer list may know it: `tf prices update --from FILE`, a file or an address"
    if all(tier for _candidate, tier in missing):
        return f"To set it: {lines}; or {newer}."
    if config.settle.unpriced == "sibling":
        return f"To set it: {lines}; or {newer}. It has no sibling that is known."
    sibling = '`[settle] unpriced = "sibling"` charges the newest model known of its family, as an estimate'
    return f"To set it: {lines}; or {newer}; or {sibling}."


def unit_beneath(route: Route, upstream_model: str) -> str:
    """Return the unit of the rates that an adding sheet for the model is put on, empty where there are none."""
    sheets = route.prices.get(sheet_name(route, upstream_model), ())
    if sheets:
        return max(sheets, key=lambda sheet: sheet.valid_from).unit
    return CATALOGUE_UNIT if is_by_list(route) else ""


def on_top(sheet: Sheet | None, new: Sheet) -> Sheet:
    """Return the sheet that says what `new` says and all else as `sheet` does; without one, `new` on the route's price.

    A tier of service keeps what it had too.
    """
    if sheet is None:
        return msgspec.structs.replace(new, adds=True)
    stated = dict(new.rates())
    service = {word.lower(): rates for word, rates in sheet.service.items()}
    for word, rates in new.service.items():
        before = service.get(word.lower(), Rates())
        service[word.lower()] = msgspec.structs.replace(before, **dict(rates.rates()))
    guessed = tuple(name for name in sheet.guessed if name not in stated)
    return msgspec.structs.replace(sheet, valid_from=new.valid_from, service=service, guessed=guessed, **stated)


def _line(route: str, model: str, usage_classes: Iterable[str], *rest: str, service: str = "") -> str:
    """Return a command of `tf prices set`, each figure still to be filled in."""
    words = ["tf", "prices", "set", route, model, *(("--service", service) if service else ())]
    for usage_class in usage_classes:
        words += (f"--{usage_class.replace('_', '-')}", "…")
    return " ".join(word if word == "…" else shell_word(word) for word in (*words, *rest))


def sheet_name(route: Route, upstream_model: str) -> str:
    """Return the name under which the route's sheets for the upstream's model stand, or would.

    That is the upstream's own name, unless the sheets there are stand under a name that clients ask for.
    """
    if upstream_model in route.prices:
        return upstream_model
    return next((name for name in names_asked(route, upstream_model) if name in route.prices), upstream_model)


def shell_word(word: str) -> str:
    """Return a word as a POSIX shell reads it: in quotes where it must be."""
    if _PLAIN.fullmatch(word):
        return word
    quoted = word.replace("'", "'\"'\"'")
    return f"'{quoted}'"
