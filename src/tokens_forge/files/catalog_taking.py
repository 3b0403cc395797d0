"""A newer list of prices before it is kept: what it changes beside the one in use, and what stands against it.

Nothing is written here (`catalog_data.keep` does).
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING

from tokens_forge.core.config import Config, is_upstreams
from tokens_forge.core.errors import Problem
from tokens_forge.core.list_changes import Counts, ListChange, leap, list_change
from tokens_forge.core.price_review import named
from tokens_forge.core.prices import card_at
from tokens_forge.files.catalog_data import Data, models_of
from tokens_forge.files.price_catalog import Catalog, model_cards, route_cards

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo

MOST_TOLD = 5
"""Leaps that are told; a list in other units has thousands."""


def counts(old: Data, new: Data) -> Counts:
    """Return how many models come, change, go and stay."""
    before, after = models_of(old.providers), models_of(new.providers)
    both = before.keys() & after.keys()
    changed = sum(_priced(before[name]) != _priced(after[name]) for name in both)
    return Counts(
        new=len(after.keys() - both), changed=changed, gone=len(before.keys() - both), same=len(both) - changed
    )


def served(config: Config, old: Catalog, new: Catalog, at: datetime) -> tuple[ListChange, ...]:
    """Return what changes in the list prices of the models that the config names."""
    found = (
        list_change(
            one.name,
            card_at(route_cards(config, one.route, one.model, old)[1], at),
            card_at(route_cards(config, one.route, one.model, new)[1], at),
        )
        for one in named(config)
    )
    return tuple(change for change in found if change is not None)


def against(config: Config, old: Catalog, new: Catalog, at: datetime, where: str) -> tuple[Problem, ...]:
    """Return the prices that would change as none ever did: a list in other units, or no list of prices.

    Models are compared by their names in the lists, and by what the config's routes would pay for them: an entry of
    another provider may come between, and no price of a name changes.
    """
    leaps = dict[str, str]()
    found = chain(_by_name(old.data, new.data), _by_route(config, old, new, at))
    for name, what in found:
        leaps.setdefault(name, what)
        if len(leaps) == MOST_TOLD:
            break
    return tuple(
        Problem(where=where, what=f"{name}: {what}; --mend says that it is meant") for name, what in leaps.items()
    )


def _by_name(old: Data, new: Data) -> Iterator[tuple[str, str]]:
    before = models_of(old.providers)
    for name, model in models_of(new.providers).items():
        known = model_cards(before[name], name=name, resolved=()) if name in before else ()
        cards = model_cards(model, name=name, resolved=())
        if known and cards and (what := leap(known[-1], cards[-1])):
            yield name, what


def _by_route(config: Config, old: Catalog, new: Catalog, at: datetime) -> Iterator[tuple[str, str]]:
    """Yield what leaps in what candidates would pay: of the new cards those in force and those still to come."""
    for route, model in _payable(config, old.data, new.data):
        before = card_at(route_cards(config, route, model, old)[0], at)
        cards = route_cards(config, route, model, new)[0]
        coming = (card for card in cards if (begins := card.begins or card.valid_from) and begins > at.date())
        for card in (card_at(cards, at), *coming):
            if before is not None and card is not None and (what := leap(before, card)):
                yield f"{route}/{model}", what


def _payable(config: Config, *lists: Data) -> Iterator[tuple[str, str]]:
    """Yield routes with the models that they serve: those that the config names, and those of the lists by patterns."""
    yield from ((one.route, one.model) for one in named(config))
    listed = dict.fromkeys(model.id for one in lists for provider in one.providers for model in provider.models)
    for name, route in config.route.items():
        serves = route.serves.values() if isinstance(route.serves, dict) else route.serves
        if any("*" in model for model in serves):
            yield from ((name, model) for model in listed if is_upstreams(route, model))


def _priced(model: "ModelInfo") -> tuple[object, object]:
    return model.prices, model.price_variants
