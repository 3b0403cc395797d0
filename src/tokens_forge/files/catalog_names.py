"""What the price catalogue has: its providers and models by name, and the newest day on which a price in it begins.

For hints and for its age alone; which price a model has is `price_catalog.py`'s part.
"""

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genai_prices.types import Provider


def provider_names(providers: "Sequence[Provider]") -> tuple[str, ...]:
    """Return the providers' names."""
    return tuple(provider.id for provider in providers)


def model_names(providers: "Sequence[Provider]", provider: str = "") -> tuple[str, ...]:
    """Return the models' names, those of one provider or all."""
    chosen = [found for found in providers if not provider or found.id == provider]
    return tuple(dict.fromkeys(model.id for found in chosen for model in found.models))


def sellers(providers: "Sequence[Provider]", model: str) -> tuple[str, ...]:
    """Return the providers that sell a model by this very name, first those whose own models are named so."""
    found = [provider for provider in providers if any(known.id == model for known in provider.models)]
    found.sort(key=lambda provider: not (provider.model_match and provider.model_match.is_match(model)))
    return tuple(provider.id for provider in found)


def newest_price(providers: "Sequence[Provider]", today: date) -> date | None:
    """Return the latest day up to `today` on which a price begins: the catalogue was made then or later.

    The package states no day of its own (0.2.3), and a file's time is that of its installation.
    """
    return max((day for day in _days(providers) if day <= today), default=None)


def _days(providers: "Sequence[Provider]") -> Iterator[date]:
    from genai_prices.types import (  # noqa: PLC0415 - loading takes a tenth of a second: only who asks pays
        ModelPrice,
        StartDateConstraint,
    )

    for provider in providers:
        for model in provider.models:
            if isinstance(model.prices, ModelPrice):
                continue
            for price in model.prices:
                if isinstance(price.constraint, StartDateConstraint):
                    yield price.constraint.start_date
