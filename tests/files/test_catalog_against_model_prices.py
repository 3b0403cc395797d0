"""The catalogue's list prices against another collection of them: `model-prices`, from models.dev with corrections.

Both are of a day, and neither is always right: where they differ the reason is said here, and a difference that is
gone, or new, is noticed. A route's own sheet goes before either.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files

import msgspec
import pytest

from tokens_forge.core.prices import card_at
from tokens_forge.files.price_catalog import Catalog

AT = datetime(2026, 10, 26, 12, tzinfo=UTC)
"""When `model-prices` 0.0.5 was made."""

PROVIDERS = {
    "anthropic": "anthropic",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "google": "google",
    "mistral": "mistral",
    "moonshotai": "moonshotai",
    "openai": "openai",
    "perplexity": "perplexity",
    "xai": "x-ai",
}
"""Its names of providers to the catalogue's."""

IMAGES = "theirs is the rate of an image in the output, ours that of its text; images have a rate of their own here"
OLD_CACHE = "theirs keeps the cache rate of the preview, ours has that of the model it became"
ALIAS = "the name leads to another model in each: an alias that the provider moved"
DIFFERENT = {
    "deepseek-chat": "the catalogue's is a year old; give the route its own sheet",
    "deepseek-reasoner": "the same",
    "deepseek-v3.2": "the catalogue has a third party's price of the open model",
    "gemini-1.5-flash-8b": "the catalogue takes it for gemini-1.5-flash, which costs twice as much",
    "gemini-2.5-flash-image": IMAGES,
    "gemini-2.5-flash-image-preview": IMAGES,
    "gemini-3-pro-image": IMAGES,
    "gemini-3-pro-image-preview": IMAGES,
    "gemini-3.1-flash-image": IMAGES,
    "gemini-3.1-flash-image-preview": IMAGES,
    "gemini-3.1-flash-lite-image": IMAGES,
    "gemini-nano-banana-2.1": IMAGES,
    "gemini-omni-1.1-flash": "theirs is the rate of video in the output, ours that of its text",
    "gemini-omni-flash-preview": "the same",
    "gemini-2.5-flash-lite-preview-06-17": OLD_CACHE,
    "gemini-2.5-flash-lite-preview-09-2025": OLD_CACHE,
    "gemini-2.5-flash-preview-09-2025": OLD_CACHE,
    "gemini-2.5-pro-preview-05-06": OLD_CACHE,
    "gemini-2.5-pro-preview-06-05": OLD_CACHE,
    "grok-4.20-multi-agent-beta-latest": ALIAS,
    "kimi-k2-turbo-preview": "ours is the price of its first weeks, before it was raised",
    "labs-devstral-small-2512": "free while it was in the labs by theirs; ours has the model's price",
    "mistral-embed": "an embedding has no output: theirs says 0 and ours repeats the input's rate",
    "mistral-large-latest": ALIAS,
    "sonar": "the catalogue has the price before the change of 2026",
}
"""Models on which the two differ, and why as far as can be told from both."""


class _Rates(msgspec.Struct):
    input: float
    output: float
    cache_read: float | None = None
    cache_write: float | None = None


class _Period(msgspec.Struct):
    rates: _Rates | None
    """None in a time in which the model is not sold."""
    start: str | None


class _Snapshot(msgspec.Struct):
    prices: dict[str, dict[str, dict[str, list[_Period]]]]


@cache
def differing() -> tuple[int, dict[str, str]]:
    """Return how many models both know, and those on which they differ, with the rates of both."""
    both, found = 0, dict[str, str]()
    for model, ours, theirs in _compared():
        both += 1
        # A class that one of them does not state says nothing.
        stated = {name: rate for name, rate in theirs.items() if rate is not None and name in ours}
        unlike = {name: (ours[name], rate) for name, rate in stated.items() if ours[name] != rate}
        if unlike:
            found[model] = ", ".join(f"{name}: ours {own}, theirs {rate}" for name, (own, rate) in unlike.items())
    return both, found


def _compared() -> Iterator[tuple[str, dict[str, Decimal], dict[str, Decimal | None]]]:
    snapshot = msgspec.json.decode(files("model_prices").joinpath("snapshot.json").read_bytes(), type=_Snapshot)
    catalog = Catalog()
    for theirs, ours in PROVIDERS.items():
        for model, tiers in snapshot.prices[theirs].items():
            begun = [
                period for period in tiers["standard"] if (period.start or "") <= AT.strftime("%Y-%m-%dT%H:%M:%SZ")
            ]
            card = card_at(catalog.cards(base_url="https://relay.example/v1", provider=ours, model=model), AT)
            rates = begun[-1].rates if begun else None
            if card is None or rates is None:
                continue
            yield (
                model,
                card.rates,
                {
                    "input": _exact(rates.input),
                    "output": _exact(rates.output),
                    "cache_read": _exact(rates.cache_read),
                    "cache_write_5m": _exact(rates.cache_write),
                },
            )


def _exact(rate: float | None) -> Decimal | None:
    """Return the shortest decimal that a float stands for: what was written."""
    return None if rate is None else Decimal(str(rate))


def test_they_know_enough_models_in_common() -> None:
    """A comparison of a handful would show little."""
    assert differing()[0] > 200


@pytest.mark.parametrize("model", sorted(DIFFERENT))
def test_a_listed_difference_is_one(model: str) -> None:
    """A difference that is gone leaves the list."""
    assert model in differing()[1]


def test_no_other_price_differs() -> None:
    """CASES 15: every other list price is the same in both, input, output, cache reads and writes."""
    assert {} == {model: rates for model, rates in differing()[1].items() if model not in DIFFERENT}
