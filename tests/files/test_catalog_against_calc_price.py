"""Every model of the catalogue, at several moments and in every tier, against the catalogue's own arithmetic."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from genai_prices import Usage
from genai_prices.data import providers
from genai_prices.types import ModelInfo, ModelPrice, Provider

from tokens_forge.core.money import rounded
from tokens_forge.core.prices import card_at, price
from tokens_forge.core.usage import INPUT_CLASSES
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


def contexts(model: ModelInfo) -> dict[str, Mapping[str, str] | None]:
    """Return the tiers of service that a model's variants price, as the catalogue asks for them."""
    found: dict[str, Mapping[str, str] | None] = {"": None}
    for variant in model.price_variants or ():
        if len(variant.when) == 1:
            ((key, word),) = variant.when.items()
            if key in {"service_tier", "speed", "processing"}:
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
                if service not in {"", *card.service}:
                    charge = price(USAGES[0], card, service=service)
                    standard = service in {"default", "standard"}
                    assert standard or (Decimal(0), ("input", "output")) == (charge.amount, charge.unpriced)
                    continue
                for usage in USAGES:
                    charge = price(usage, card, service=service)
                    if not charge.unpriced:
                        expected = rounded(theirs(provider, model, usage, at, context))
                        assert expected == charge.amount, f"{model.id} {service} at {at}: {usage}"


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


def test_every_kind_of_tier_is_among_them() -> None:
    """The comparison would show nothing if the catalogue had lost what it is for."""
    found = {word for provider in providers for model in provider.models for word in contexts(model)}
    assert {"", "flex", "priority", "batch", "fast"} <= found
