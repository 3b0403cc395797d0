"""What providers publish and the catalogue can't say, on the cards of their models."""

import re
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pytest

from tokens_forge.core.prices import RateCard, card_at
from tokens_forge.files.catalog_data import bundled
from tokens_forge.files.price_additions import (
    CALENDARS,
    CHINESE_HOLIDAYS,
    FEES,
    GEOS,
    HOSTS,
    REGIONS,
    TIERS,
    provider_of_host,
)
from tokens_forge.files.price_catalog import Catalog

CATALOG = Catalog()
AT = datetime(2026, 11, 29, 12, tzinfo=UTC)


def card(model: str, *, base_url: str = "", provider: str = "") -> RateCard:
    """Return the card in force."""
    found = card_at(CATALOG.cards(base_url=base_url, provider=provider, model=model), AT)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("base_url", "model", "id_", "factors"),
    [
        ("https://eu.api.openai.com/v1", "gpt-5.4", "openai/gpt-5.4", {"region eu.api.openai.com": "1.1"}),
        (
            "https://eu.api.openai.com/v1",
            "gpt-5.4-mini-2026-03-17",
            "openai/gpt-5.4-mini",
            {"region eu.api.openai.com": "1.1"},
        ),
        ("https://us.api.openai.com/v1", "gpt-6-luna", "openai/gpt-6-luna", {"region us.api.openai.com": "1.1"}),
        ("https://ae.api.openai.com/v1", "gpt-5.5", "openai/gpt-5.5", {"region ae.api.openai.com": "1.1"}),
        ("https://eu.api.openai.com/v1", "gpt-5.3-codex", "openai/gpt-5.3-codex", {}),
        ("https://eu.api.openai.com/v1", "gpt-4.1", "openai/gpt-4.1", {}),
        ("https://eu.api.openai.com/v1", "gpt-5", "openai/gpt-5", {}),
        ("https://api.openai.com/v1", "gpt-5.4", "openai/gpt-5.4", {}),
        ("https://eu.api.openai.com.evil.example/v1", "gpt-5.4", "openai/gpt-5.4", {}),
        ("https://us.api.x.ai/v1", "grok-4.6", "x-ai/grok-4.6", {"region us.api.x.ai": "1.1"}),
        ("https://api.x.ai/v1", "grok-4.6", "x-ai/grok-4.6", {}),
        (
            "https://api.us.mistral.ai/v1",
            "mistral-large-2512",
            "mistral/mistral-large-2512",
            {"region api.us.mistral.ai": "1.1"},
        ),
        ("https://api.mistral.ai/v1", "mistral-large-2512", "mistral/mistral-large-2512", {}),
        (
            "https://europe-west1-aiplatform.googleapis.com/v1",
            "claude-sonnet-4-5@20250929",
            "google/claude-sonnet-4-5",
            {"region europe-west1-aiplatform.googleapis.com": "1.1"},
        ),
        (
            "https://aiplatform.eu.rep.googleapis.com/v1",
            "claude-opus-5-5",
            "google/claude-opus-5-5",
            {"region aiplatform.eu.rep.googleapis.com": "1.1"},
        ),
        (
            "https://aiplatform.eu.rep.googleapis.com/v1",
            "gemini-3.5-flash-lite",
            "google/gemini-3.5-flash-lite",
            {"region aiplatform.eu.rep.googleapis.com": "1.1"},
        ),
        ("https://aiplatform.googleapis.com/v1", "claude-opus-5-5", "google/claude-opus-5-5", {}),
        ("https://us-east5-aiplatform.googleapis.com/v1", "claude-3-haiku", "google/claude-3-haiku", {}),
        ("https://us-east5-aiplatform.googleapis.com/v1", "gemini-2.5-pro", "google/gemini-2.5-pro", {}),
        ("https://generativelanguage.googleapis.com/v1beta/openai", "gemini-2.5-pro", "google/gemini-2.5-pro", {}),
        ("https://bedrock-mantle.us-east-1.api.aws/v1", "openai.gpt-6.1-sol", "aws/regional.openai.gpt-6.1-sol", {}),
        ("https://bedrock-mantle.us-east-1.api.aws/v1", "gpt-6.1-sol", "aws/regional.openai.gpt-6.1-sol", {}),
        ("https://aws-external-anthropic.us-west-2.api.aws", "claude-sonnet-4-6", "anthropic/claude-sonnet-4-6", {}),
    ],
)
def test_a_regional_endpoint_has_its_premium(base_url: str, model: str, id_: str, factors: dict[str, str]) -> None:
    """A tenth more where the provider's page says so, for the models that it says; the host decides."""
    found = card(model, base_url=base_url)
    assert (found.id, found.factors) == (id_, {name: Decimal(factor) for name, factor in factors.items()})


@pytest.mark.parametrize(
    ("model", "has_one"),
    [
        ("claude-opus-4-6", True),
        ("claude-sonnet-4-6", True),
        ("claude-opus-5", True),
        ("claude-opus-5-5", True),
        ("claude-haiku-5-5", True),
        ("claude-fable-5-2", True),
        ("claude-opus-4-5", False),
        ("claude-sonnet-4-5", False),
        ("claude-haiku-4-5", False),
        ("claude-opus-4-1", False),
        ("claude-3-5-haiku-latest", False),
    ],
)
def test_the_us_cost_more_at_anthropic_since_opus_4_6(model: str, has_one: bool) -> None:
    """Older models answer 400 to the wish."""
    assert card(model, provider="anthropic").geo == ({"us": Decimal("1.1")} if has_one else {})


@pytest.mark.parametrize(
    ("provider", "model", "tier", "rates"),
    [
        ("groq", "openai/gpt-oss-120b", "flex", {"input": "0.15", "cache_read": "0.075", "output": "0.6"}),
        ("x-ai", "grok-4.3", "priority", {"input": "2.5", "cache_read": "0.4", "output": "5", "searches": "0.005"}),
        (
            "google",
            "gemini-3.5-flash",
            "flex",
            {"input": "0.75", "cache_read": "0.15", "output": "4.5", "searches": "0.014"},
        ),
        (
            "google",
            "gemini-3.7-flash",
            "flex",
            {"input": "0.375", "cache_read": "0.0375", "output": "1.875", "searches": "0.014"},
        ),
        (
            "google",
            "gemini-3.7-flash",
            "priority",
            {"input": "1.35", "cache_read": "0.135", "output": "6.75", "searches": "0.014"},
        ),
        # What the catalogue says of a tier counts.
        ("google", "gemini-3.8-flash-tts", "priority", {"input": "0.9", "output": "16.2"}),
    ],
)
def test_a_published_multiple_is_a_tier(provider: str, model: str, tier: str, rates: dict[str, str]) -> None:
    """CASES 8: multiples that a provider publishes price its tiers of service; a fee is the same in each."""
    found = card(model, provider=provider)
    assert found.service[tier].rates == {name: Decimal(rate) for name, rate in rates.items()}


def test_a_tier_says_where_it_is_from() -> None:
    """CASES 15: its page and date stand beside the catalogue's name; long contexts are multiplied too."""
    found = card("grok-4.6", provider="x-ai").service["priority"]
    assert found.source.startswith("priority by docs.x.ai/developers/pricing")
    assert "read 2026-11" in found.source
    (tier,) = found.tiers
    assert (tier.above, tier.rates["input"]) == (199_999, Decimal(8))
    assert "priority" not in card("gemini-2.5-pro", provider="google").service  # "75 % to 100 % more" is no figure
    assert "flex" not in card("gemini-1.5-pro", provider="google").service


def test_openai_sells_writes_for_half_an_hour() -> None:
    """CASES 2: the catalogue's one rate for writes is theirs, in every tier and wherever the model is sold."""
    for provider, model in (
        ("openai", "gpt-6.1-sol"),
        ("openrouter", "openai/gpt-6.1-sol"),
        ("aws", "global.zai.glm-5.3"),
    ):
        found = card(model, provider=provider)
        every = (found.rates, *(own.rates for own in found.service.values()), *(it.rates for it in found.tiers))
        assert all("cache_write_30m" in rates and "cache_write_5m" not in rates for rates in every), model
    assert "cache_write_5m" in card("claude-opus-5", provider="anthropic").rates
    assert "cache_write_30m" not in card("gpt-5", provider="openai").rates


def test_writes_for_12_hours_are_there_where_they_are_published() -> None:
    """In long requests too; a tier without a figure has none, and is guessed."""
    terra = card("gpt-6.1-terra", provider="openai")
    assert (terra.rates["cache_write_12h"], terra.tiers[0].rates["cache_write_12h"]) == (Decimal("2.5"), Decimal(5))
    assert "cache_write_12h" not in terra.service["flex"].rates
    assert "cache_write_12h" not in card("gpt-6.1-sol", provider="openai").rates


@pytest.mark.parametrize(
    ("provider", "model", "usage_class", "rate"),
    [
        ("openai", "gpt-4o-search-preview-2025-03-11", "requests", "0.025"),
        ("openai", "gpt-4o-mini-search-preview", "requests", "0.025"),
        ("openai", "gpt-5-search-api", "requests", "0.01"),
        ("openai", "gpt-5.3-codex", "searches", "0.01"),
        ("openai", "gpt-6-rosalind", "searches", "0.01"),
        ("anthropic", "claude-opus-5-5", "searches", "0.01"),
        ("x-ai", "grok-4.20", "searches", "0.005"),
        ("google", "gemini-3.8-flash", "searches", "0.014"),
    ],
)
def test_searches_have_a_fee(provider: str, model: str, usage_class: str, rate: str) -> None:
    """A model that searches in every call has a fee a call; elsewhere each search has one."""
    assert card(model, provider=provider).rates[usage_class] == Decimal(rate)


def test_what_may_be_less_is_marked() -> None:
    """The dearest of three fees, and searches of which some are free: an upper bound."""
    assert set(card("sonar-pro", provider="perplexity").guessed) == {"requests"}
    assert set(card("gemini-3.8-flash", provider="google").guessed) == {"searches"}
    assert card("gemini-1.5-pro", provider="google").guessed == {}


def test_a_speech_model_has_no_fee_of_a_chat() -> None:
    """Rows are for the models that they name."""
    assert CATALOG.cards(base_url="", provider="x-ai", model="grok-voice-latest") == ()
    assert "searches" not in card("gpt-image-2", provider="openai").rates


def test_peaks_are_on_the_providers_workdays() -> None:
    """Each window has a card for the days that are known and one after them, which is an upper bound."""
    found = CATALOG.cards(base_url="https://api.deepseek.com", provider="", model="deepseek-flash")
    timed = [
        (it.hours, it.begins, bool(it.days and it.days.except_days), bool(it.uncertain)) for it in found if it.hours
    ]
    first, second = (time(1), time(4)), (time(6), time(10))
    assert timed == [
        (first, date(2026, 8, 17), True, False),
        (first, date(2027, 1, 1), False, True),
        (second, date(2026, 8, 17), True, False),
        (second, date(2027, 1, 1), False, True),
    ]
    old = CATALOG.cards(base_url="https://api.deepseek.com", provider="", model="deepseek-chat")
    assert [it.days for it in old] == [None, None]


@pytest.mark.parametrize(
    ("at", "rates"),
    [
        ("2026-08-16T02:00", ("0.14", "0.0028", "0.28")),  # before there were peak hours
        ("2026-08-17T01:00", ("0.44", "0.014", "1.32")),
        ("2026-08-24T02:00", ("0.44", "0.014", "1.32")),
        ("2026-08-24T07:00", ("0.44", "0.014", "1.32")),
        ("2026-08-24T05:00", ("0.22", "0.007", "0.66")),
        ("2026-08-29T02:00", ("0.22", "0.007", "0.66")),  # a Saturday
        ("2026-09-10T03:59", ("0.44", "0.014", "1.32")),
        ("2026-09-10T06:00", ("0.3", "0.006", "1.2")),
        ("2026-09-11T02:00", ("0.3", "0.006", "1.2")),
        ("2026-09-25T02:00", ("0.15", "0.003", "0.6")),  # a holiday
        ("2027-01-05T02:00", ("0.3", "0.006", "1.2")),
    ],
)
def test_peak_hours_had_other_rates_at_first(at: str, rates: tuple[str, ...]) -> None:
    """Twice the off-peak rates of the day: those of V4-Flash until 2026-09-10, 04:00 UTC."""
    found = CATALOG.cards(base_url="https://api.deepseek.com", provider="", model="deepseek-v4-flash")
    used = card_at(found, datetime.fromisoformat(f"{at}:00+00:00"))
    assert used is not None
    assert rates == tuple(str(used.rates[name]) for name in ("input", "cache_read", "output"))


def test_the_holidays_are_those_of_2026() -> None:
    """33 days, each once; 2027's were not announced when this was written."""
    assert len(CHINESE_HOLIDAYS) == len(set(CHINESE_HOLIDAYS)) == 33
    assert {day.year for day in CHINESE_HOLIDAYS} == {2026}
    assert date(2026, 9, 25) in CHINESE_HOLIDAYS


def test_a_host_has_its_provider() -> None:
    """Regional hosts that the catalogue's patterns miss; any other is for the catalogue to say."""
    assert provider_of_host("eu.api.openai.com") == "openai"
    assert provider_of_host("api.openai.com") == ""
    assert provider_of_host("") == ""


def test_every_row_is_of_a_provider_that_there_is_and_says_its_page() -> None:
    """A row that fits nothing is a slip; each has a page and the month in which it was read."""
    models = {provider.id: [model.id for model in provider.models] for provider in bundled().providers}
    everything = [model for names in models.values() for model in names]
    yet_to_come = {r"gemini-(3\.7-flash|4-(neon|hydrogen))"}
    for row in (*TIERS, *FEES, *GEOS, *CALENDARS):
        assert any(re.fullmatch(row.models, model) for model in models[row.provider]) or row.models in yet_to_come, row
    for region in REGIONS:
        assert any(re.fullmatch(region.models, model) for model in everything), region
    for row in (*TIERS, *FEES, *GEOS, *CALENDARS, *REGIONS):
        assert re.search(r"\w\.\w.*\(read 2026-\d\d\)", row.source), row
    assert {provider for _host, provider in HOSTS} <= models.keys()
