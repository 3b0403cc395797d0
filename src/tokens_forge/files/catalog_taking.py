"""A newer list of prices before it is kept: what it changes beside the one in use, and what stands against it.

Nothing is written here (`catalog_data.keep` does).
"""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from tokens_forge.core.config import Config
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


def against(old: Data, new: Data, where: str) -> tuple[Problem, ...]:
    """Return the models whose price would change as none ever did: a list in other units, or no list of prices."""
    return tuple(problem for _number, problem in zip(range(MOST_TOLD), _leaps(old, new, where), strict=False))


def _leaps(old: Data, new: Data, where: str) -> Iterator[Problem]:
    before = models_of(old.providers)
    for name, model in models_of(new.providers).items():
        known = model_cards(before[name], name=name, resolved=()) if name in before else ()
        cards = model_cards(model, name=name, resolved=())
        if known and cards and (what := leap(known[-1], cards[-1])):
            yield Problem(where=where, what=f"{name}: {what}; --mend says that it is meant")


def _priced(model: "ModelInfo") -> tuple[object, object]:
    return model.prices, model.price_variants
