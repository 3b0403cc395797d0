"""Rate cards from the bundled catalogue and the routes' own sheets."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from importlib.metadata import version
from itertools import pairwise

import pytest
from genai_prices import Usage, calc_price
from genai_prices.data import providers
from genai_prices.types import ModelPrice

from tokens_forge.core.config import Balance, Config, Price, Route, Sheet, Upstream
from tokens_forge.core.money import rounded
from tokens_forge.core.prices import Cards, RateCard, card_at, price
from tokens_forge.core.usage import INPUT_CLASSES
from tokens_forge.files import price_catalog
from tokens_forge.files.price_catalog import Catalog, route_cards, stored

CATALOG = Catalog()
AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
OPENAI = "https://api.openai.com/v1"
RELAY = "https://relay.example/v1"


def cards(model: str, *, base_url: str = OPENAI, provider: str = "") -> tuple[RateCard, ...]:
    return CATALOG.cards(base_url=base_url, provider=provider, model=model)


def test_a_model_has_its_providers_list_price() -> None:
    """CASES 15: a card says where its rates come from; a count's rate is for one."""
    assert cards("gpt-5") == (
        RateCard(
            id="openai/gpt-5",
            source=f"genai-prices {version('genai-prices')}",
            unit="USD",
            per="mtok",
            rates={
                "input": Decimal("1.25"),
                "cache_read": Decimal("0.125"),
                "output": Decimal(10),
                "searches": Decimal("0.01"),
            },
            context_window=400_000,
        ),
    )


@pytest.mark.parametrize(
    ("base_url", "provider", "model", "expected"),
    [
        (OPENAI, "", "gpt-5-2025-08-07", ["openai/gpt-5"]),
        (RELAY, "openai", "gpt-5", ["openai/gpt-5"]),
        (RELAY, " OpenAI ", "gpt-5", ["openai/gpt-5"]),
        (RELAY, "gemini", "gemini-2.5-flash", ["google/gemini-2.5-flash"]),
        (RELAY, "", "gpt-5", ["openai/gpt-5"]),
        (RELAY, "", "openai/gpt-5", ["openai/gpt-5"]),
        ("https://openrouter.ai/api/v1", "", "openai/gpt-5", ["openrouter/openai/gpt-5"]),
        ("https://x.openai.azure.com/openai/v1", "", "gpt-5", ["openai/gpt-5"]),
        (RELAY, "", "relay-gpt", []),
        (RELAY, "nobody", "gpt-5", []),
        (OPENAI, "", "claude-sonnet-4-5", []),
        ("http://127.0.0.1:11434/v1", "", "gpt-5", []),
        ("http://[::1]:11434/v1", "", "gpt-5", []),
        ("http://192.168.1.7/v1", "", "gpt-5", []),
        ("http://localhost:1/v1", "", "gpt-5", []),
        ("http://box.local/v1", "", "gpt-5", []),
        ("http://127.0.0.1:11434/v1", "openai", "gpt-5", ["openai/gpt-5"]),
    ],
)
def test_whose_price_it_is(base_url: str, provider: str, model: str, expected: list[str]) -> None:
    """CASES 13: by the provider's name, else the base URL, else the model; a local server is nobody's."""
    assert expected == [card.id for card in cards(model, base_url=base_url, provider=provider)][:1]


def test_a_model_sold_by_another_measure_has_no_card() -> None:
    """A price by the hour of sound can't price tokens; no card is better than a card without rates."""
    assert cards("whisper-large-v3", base_url="https://api.groq.com/openai/v1") == ()


def test_dates_and_hours_become_cards() -> None:
    """The catalogue takes the last price in force; so does `card_at`, with the first for when none is."""
    found = cards("deepseek-v4-flash", base_url="https://api.deepseek.com")
    assert [(card.valid_from, card.hours) for card in found] == [
        (None, None),
        (date(2026, 8, 17), None),
        (date(2026, 9, 10), None),
        (None, (time(1), time(4))),
        (None, (time(6), time(10))),
    ]


def test_tiers_become_tiers() -> None:
    """CASES 7: above a threshold the classes that change have their rates there."""
    (card,) = cards("claude-sonnet-4-5", provider="anthropic")
    (tier,) = card.tiers
    assert tier.above == 200_000
    assert (card.rates["input"], tier.rates["input"]) == (Decimal(3), Decimal(6))


def test_a_second_tier_keeps_what_the_first_changed() -> None:
    """A tier stands for itself: it holds all that differs from the base at its threshold."""
    steps = [
        [(tier.above, len(tier.rates)) for tier in card.tiers]
        for provider in providers
        for model in provider.models
        for card in cards(model.id, provider=provider.id)
        if len(card.tiers) > 1
    ]
    assert steps
    assert all(lower <= higher for tiers in steps for (_, lower), (_, higher) in pairwise(tiers))


def test_names_without_end_are_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients make up names; the catalogue forgets instead of growing."""
    monkeypatch.setattr(price_catalog, "MOST_REMEMBERED", 2)
    catalog = Catalog()
    asked = ["gpt-5", "a", "b", "gpt-5"]
    found = [catalog.cards(base_url=OPENAI, provider="", model=model) for model in asked]
    assert found == [cards("gpt-5"), (), (), cards("gpt-5")]


USAGES: tuple[dict[str, int], ...] = (
    {"input": 400, "output": 300},
    {"input": 400, "cache_read": 800, "output": 300},
    {"input": 1, "cache_write_5m": 77_777, "cache_read": 123_456, "output": 1},
    {"input": 300_001, "output": 9},
    {"input": 200_000, "output": 9},
    {"input": 123, "output": 300, "reasoning": 200},
)
MODELS = [
    (provider.id, model.id)
    for provider in providers
    if provider.id in {"openai", "anthropic", "google", "deepseek", "x-ai", "mistral", "openrouter"}
    for model in provider.models
    if isinstance(model.prices, ModelPrice) or len(model.prices) > 1
][::7]


def theirs(provider: str, model: str, usage: Mapping[str, int], at: datetime) -> Decimal:
    """Return what the catalogue's own arithmetic says; its input count includes what was cached."""
    counts = {
        "input_tokens": sum(usage.get(name, 0) for name in INPUT_CLASSES),
        "cache_read_tokens": usage.get("cache_read", 0),
        "cache_write_tokens": usage.get("cache_write_5m", 0),
        "output_tokens": usage["output"],
        "output_reasoning_tokens": usage.get("reasoning", 0),
    }
    reported = Usage(**{name: count for name, count in counts.items() if count})
    return calc_price(reported, model, provider_id=provider, genai_request_timestamp=at).total_price


@pytest.mark.parametrize(("provider", "model"), MODELS)
def test_our_bills_are_the_catalogues(provider: str, model: str) -> None:
    """CASES 10: for every seventh model, at any hour, our price is the catalogue's own to the last digit kept."""
    found = CATALOG.cards(base_url=RELAY, provider=provider, model=model)
    for hour in (2, 12, 20):
        at = AT.replace(hour=hour)
        if (card := card_at(found, at)) is None:
            continue
        for usage in USAGES:
            charge = price(usage, card)
            if not charge.unpriced:
                assert rounded(theirs(provider, model, usage, at)) == charge.amount


def config(route: Route, *, upstream: Upstream | None = None) -> Config:
    return Config(
        balance={"wallet": Balance(kind="prepaid", unit="CNY")},
        upstream={"relay": upstream or Upstream(dialect="openai", base_url=RELAY, credential="none")},
        route={"relay": route},
    )


def route(**changed: object) -> Route:
    """Build a route of the relay that serves gpt-5 under another name."""
    fields = {"route_class": "ordinary", "upstream": "relay", "balance": "wallet", "serves": {"gpt-5": "relay-gpt-5"}}
    return Route(**(fields | changed))  # pyright: ignore[reportArgumentType] - a builder takes any of the fields


def sheet(day: int, rate: str) -> Sheet:
    return Sheet(valid_from=date(2026, 11, day), unit="CNY", per="mtok", input=Decimal(rate), output=Decimal(9))


def test_a_routes_own_sheets_go_first() -> None:
    """CASES 45: a sheet in the balance's own currency is taken as it is, whatever the order it was written in."""
    own = route(price="list", prices={"relay-gpt-5": (sheet(20, "4"), sheet(1, "5"))})
    charge, listed = route_cards(config(own), "relay", "relay-gpt-5", CATALOG)
    assert charge == tuple(
        RateCard(
            id="relay/relay-gpt-5",
            source="route sheet",
            unit="CNY",
            per="mtok",
            rates={"input": Decimal(rate), "output": Decimal(9)},
            valid_from=date(2026, 11, day),
        )
        for day, rate in ((1, "5"), (20, "4"))
    )
    assert listed == cards("gpt-5")


def test_a_sheet_may_be_named_as_clients_ask() -> None:
    """A route that renames a model is looked up by the upstream's name, else by the name asked."""
    asked = route(prices={"gpt-5": (sheet(1, "5"),)})
    assert route_cards(config(asked), "relay", "relay-gpt-5", CATALOG)[0][0].rates["input"] == Decimal(5)
    other = route(serves={"gpt-5": "relay-gpt-5", "gpt-4": "relay-gpt-4"}, prices={"gpt-4": (sheet(1, "5"),)})
    assert route_cards(config(other), "relay", "relay-gpt-5", CATALOG)[0] == ()


def test_a_share_of_the_list_price() -> None:
    """35 % of list at 7.10 CNY for a dollar; without an exchange rate one is one."""
    shared = route(price=Price(list=Decimal("0.35"), fx=Decimal("7.10")))
    (charge,), (listed,) = route_cards(config(shared), "relay", "relay-gpt-5", CATALOG)
    assert (Decimal("0.35"), Decimal("7.10")) == (charge.list_share, charge.fx)
    assert (Decimal(1), Decimal(1)) == (listed.list_share, listed.fx)
    assert charge.rates == listed.rates
    (plain,), _ = route_cards(config(route(price=Price(list=Decimal(2)))), "relay", "relay-gpt-5", CATALOG)
    assert (Decimal(2), Decimal(1)) == (plain.list_share, plain.fx)


def test_a_route_without_a_price_charges_nothing_known() -> None:
    """CASES 12: a pool's route has no charge card, and still a list price to compare with."""
    charge, listed = route_cards(config(route(serves=("gpt-5",))), "relay", "gpt-5", CATALOG)
    assert (charge, listed) == ((), cards("gpt-5"))


def test_the_list_price_itself() -> None:
    """`price = "list"` charges what the provider lists."""
    charge, listed = route_cards(config(route(price="list")), "relay", "relay-gpt-5", CATALOG)
    assert charge == listed == cards("gpt-5")


def test_a_local_server_has_no_list_price() -> None:
    """An anonymous server on this machine is nobody's model, whatever it calls itself."""
    local = Upstream(dialect="openai", base_url="http://127.0.0.1:11434/v1", credential="none")
    assert route_cards(config(route(price="list"), upstream=local), "relay", "gpt-5", CATALOG) == ((), ())


def test_cards_are_stored_under_their_digest() -> None:
    """The same cards have the same digest, in whatever order the candidates were met; other cards another."""
    one = Cards(charge={"a/m": cards("gpt-5"), "b/m": ()}, list={"a/m": cards("gpt-5"), "b/m": ()})
    two = Cards(charge={"b/m": (), "a/m": cards("gpt-5")}, list={"b/m": (), "a/m": cards("gpt-5")})
    digest, data = stored(one)
    assert (digest, data) == stored(two)
    assert digest != stored(Cards())[0]
    assert digest.startswith("p_")
    assert len(digest) == 18
    assert b'"rates":{"input":"1.25"' in data
