"""Every model of the catalogue, at several moments and in every tier, against the catalogue's own arithmetic."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from genai_prices import Usage
from genai_prices.data import providers
from genai_prices.types import ModelInfo, ModelPrice, Provider

from tokens_forge.core.flags import TIER_UNPRICED
from tokens_forge.core.money import exponent, rounded
from tokens_forge.core.price_check import BELOW, RATE_PLACES
from tokens_forge.core.prices import PER, STANDARD_TIERS, card_at, price
from tokens_forge.core.usage import COUNT_CLASSES, INPUT_CLASSES
from tokens_forge.files.price_catalog import PRICED, model_cards

MOMENTS = (
    datetime(2024, 1, 1, 12, tzinfo=UTC),  # before most tiers of service were listed
    datetime(2026, 10, 13, 2, tzinfo=UTC),  # between the days on which several of them began; off-peak hours
    datetime(2026, 11, 24, 7, tzinfo=UTC),
    datetime(2026, 11, 24, 20, tzinfo=UTC),
)

USAGES: tuple[dict[str, int], ...] = (
    {"input": 400, "output": 300},
    {"input": 400, "cache_read": 800, "output": 300},
    {"input": 1, "cache_write_5m": 77_777, "cache_read": 123_456, "output": 1},
    {"input": 5, "cache_write_5m": 10, "cache_write_1h": 20, "output": 7},
    {"input": 200_000, "output": 9},  # exactly at a threshold: base (CASES 7)
    {"input": 200_001, "output": 9},
    {"input": 272_001, "output": 1},
    {"input": 123, "output": 300, "reasoning": 200},
    {"input": 10, "audio_in": 7, "output": 5, "audio_out": 3},
    {"input": 10, "image_in": 7, "output": 5, "image_out": 2},
    {"input": 10, "output": 5, "searches": 3},
)

NOT_OURS = {
    "audio_hours": "sold by the hour; speech comes with its endpoints",
    "input_audio_hours": "the same",
    "input_mchars": "sold by characters; speech comes with its endpoints",
    "input_document_kpages": "sold by pages of documents",
    "input_annotated_document_kpages": "the same",
    "input_text_messages_kcount": "sold by messages",
    "storage_searches_kcount": "searches in a provider's own storage: a tool of the Responses dialect",
    "cache_audio_read_mtok": "one class holds all that was read from a cache: the upstream's text rate prices it",
    "cache_image_read_mtok": "the same",
    "input_video_mtok": "no usage object that is read counts video",
    "output_video_mtok": "the same",
    "output_citation_mtok": "no usage object that is read counts citations",
}
"""Prices of the catalogue that no usage of ours meets, and why. Calls that need them are unpriced or flagged."""


NO_TIERS = {
    "route": "where an aggregator's provider serves from; no reply says it",
    "search_type": "what kind of search was made; no reply says it",
}
"""What variants of a price depend on besides a tier of service, and why the base is taken."""


def contexts(model: ModelInfo) -> dict[str, Mapping[str, str] | None]:
    """Return the tiers of service that a model's variants price, as the catalogue asks for them."""
    found: dict[str, Mapping[str, str] | None] = {"": None}
    for variant in model.price_variants or ():
        ((key, word),) = variant.when.items()
        if key not in NO_TIERS:
            found[word] = variant.when
    return found


def theirs(
    provider: Provider, model: ModelInfo, usage: Mapping[str, int], at: datetime, context: Mapping[str, str] | None
) -> Decimal:
    """Return what the catalogue's own arithmetic says; its totals include their details."""
    counts = {
        "input_tokens": sum(usage.get(name, 0) for name in INPUT_CLASSES),
        "cache_read_tokens": usage.get("cache_read", 0),
        "cache_write_tokens": usage.get("cache_write_5m", 0) + usage.get("cache_write_1h", 0),
        "cache_write_1h_tokens": usage.get("cache_write_1h", 0),
        "input_audio_tokens": usage.get("audio_in", 0),
        "input_image_tokens": usage.get("image_in", 0),
        "output_tokens": usage["output"] + usage.get("audio_out", 0) + usage.get("image_out", 0),
        "output_image_tokens": usage.get("image_out", 0),
        "output_audio_tokens": usage.get("audio_out", 0),
        "output_reasoning_tokens": usage.get("reasoning", 0),
        "web_searches": usage.get("searches", 0),
    }
    reported = Usage(**{name: count for name, count in counts.items() if count})
    return model.calc_price(reported, provider, genai_request_timestamp=at, price_context=context).total_price  # pyright: ignore[reportArgumentType] - its context is a mapping of texts


def prices_of(model: ModelInfo) -> Iterator[ModelPrice]:
    """Yield every price of a model, of its tiers of service too."""
    if isinstance(model.prices, ModelPrice):
        yield model.prices
    else:
        yield from (conditional.prices for conditional in model.prices)
    yield from (variant.prices for variant in model.price_variants or ())


@pytest.mark.parametrize("provider", providers, ids=lambda provider: provider.id)
def test_our_bills_are_the_catalogues(provider: Provider) -> None:
    """CASES 7, 8, 10: to the last digit kept, at any moment, in any tier; what we can't price says so."""
    for model in provider.models:
        cards = model_cards(model, name=f"{provider.id}/{model.id}", resolved=())
        if not cards:
            ours = {key for found in prices_of(model) for key, value in vars(found).items() if value is not None}
            assert ours <= set(NOT_OURS), f"{model.id} is sold by {ours}"
            continue
        for at in MOMENTS:
            card = card_at(cards, at)
            assert card is not None, f"{model.id} has a price at {at}"
            for service, context in contexts(model).items():
                known = service in {*STANDARD_TIERS, *card.service}
                for usage in USAGES:
                    charge = price(usage, card, service=service)
                    # What has no price there is nothing there, and named here.
                    expected = rounded(theirs(provider, model, usage, at, context))
                    assert expected == charge.amount, f"{model.id} {service} at {at}: {usage}"
                    # One that begins later is taken at base, as the catalogue does, and said to be a guess.
                    assert known == (TIER_UNPRICED not in charge.guesses)


def test_the_exceptions_are_those_that_there_are() -> None:
    """What the catalogue prices and we do not is exactly the list above: a new measure is noticed, an old one goes."""
    keys = {
        key
        for provider in providers
        for model in provider.models
        for found in prices_of(model)
        for key, value in vars(found).items()
        if value is not None
    }
    assert set(NOT_OURS) == keys - set(PRICED)


def test_what_prices_depend_on_is_known() -> None:
    """A new kind of variant is noticed, and one that is gone leaves the list."""
    keys = {
        key
        for provider in providers
        for model in provider.models
        for it in model.price_variants or ()
        for key in it.when
    }
    assert {"service_tier", "speed", "processing", *NO_TIERS} == keys


def test_every_rate_can_take_any_share() -> None:
    """CASES 9: the catalogue's rates are within what keeps every product exact."""
    for provider in providers:
        for model in provider.models:
            for card in model_cards(model, name=model.id, resolved=()):
                services = (
                    rates for own in card.service.values() for rates in (own.rates, *(it.rates for it in own.tiers))
                )
                for rates in (card.rates, *(tier.rates for tier in card.tiers), *services):
                    for usage_class, rate in rates.items():
                        places = RATE_PLACES - (0 if usage_class in COUNT_CLASSES else PER[card.per])
                        assert (rate < BELOW, exponent(rate) >= -places) == (True, True), f"{model.id}: {rate}"


def test_every_kind_of_tier_is_among_them() -> None:
    """The comparison would show nothing if the catalogue had lost what it is for."""
    found = {word for provider in providers for model in provider.models for word in contexts(model)}
    assert {"", "flex", "priority", "batch", "fast"} <= found
