"""Rate cards from the bundled catalogue and the routes' own sheets."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
from genai_prices.data import providers

from tokens_forge.core.config import Balance, Config, Price, Rates, Route, Settle, Sheet, Upstream
from tokens_forge.core.prices import Cards, RateCard, Tier, card_at, price
from tokens_forge.files import price_catalog
from tokens_forge.files.catalog_data import keep
from tokens_forge.files.price_catalog import Catalog, route_cards, stored

CATALOG = Catalog()
AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
OPENAI = "https://api.openai.com/v1"
RELAY = "https://relay.example/v1"


def cards(model: str, *, base_url: str = OPENAI, provider: str = "") -> tuple[RateCard, ...]:
    return CATALOG.cards(base_url=base_url, provider=provider, model=model)


def test_a_model_has_its_providers_list_price() -> None:
    """CASES 15: a card says where its rates come from; a count's rate is for one."""
    first, *later = cards("gpt-5")
    assert (
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
        )
        == first
    )
    assert [date(2026, 10, 12), date(2026, 10, 14)] == [card.begins for card in later]


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
        *[(None, (time(1), time(4)))] * 3,  # at first, for the days that are known, and for those after them
        *[(None, (time(6), time(10)))] * 3,
    ]


def test_tiers_become_tiers() -> None:
    """CASES 7: above a threshold the classes that change have their rates there."""
    card = cards("claude-sonnet-4-5", provider="anthropic")[0]
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


RENAMED = tuple(
    msgspec.structs.replace(card, resolved=("relay-gpt-5", "gpt-5", "openai/gpt-5")) for card in cards("gpt-5")
)
"""The list price of gpt-5 as a route finds it that calls it otherwise (CASES 13)."""


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
    assert RENAMED == listed


def test_a_sheet_may_be_named_as_clients_ask() -> None:
    """A route that renames a model is looked up by the upstream's name, else by the name asked."""
    asked = route(prices={"gpt-5": (sheet(1, "5"),)})
    assert route_cards(config(asked), "relay", "relay-gpt-5", CATALOG)[0][0].rates["input"] == Decimal(5)
    other = route(serves={"gpt-5": "relay-gpt-5", "gpt-4": "relay-gpt-4"}, prices={"gpt-4": (sheet(1, "5"),)})
    assert route_cards(config(other), "relay", "relay-gpt-5", CATALOG)[0] == ()


def test_a_share_of_the_list_price() -> None:
    """35 % of list at 7.10 CNY for a dollar; without an exchange rate one is one."""
    shared = route(price=Price(list=Decimal("0.35"), fx=Decimal("7.10")))
    (charge, *_), (listed, *_) = route_cards(config(shared), "relay", "relay-gpt-5", CATALOG)
    assert (Decimal("0.35"), Decimal("7.10")) == (charge.list_share, charge.fx)
    assert (Decimal(1), Decimal(1)) == (listed.list_share, listed.fx)
    assert charge.rates == listed.rates
    (plain, *_), _ = route_cards(config(route(price=Price(list=Decimal(2)))), "relay", "relay-gpt-5", CATALOG)
    assert (Decimal(2), Decimal(1)) == (plain.list_share, plain.fx)


def test_a_route_without_a_price_charges_nothing_known() -> None:
    """CASES 12: a pool's route has no charge card, and still a list price to compare with."""
    charge, listed = route_cards(config(route(serves=("gpt-5",))), "relay", "gpt-5", CATALOG)
    assert (charge, listed) == ((), cards("gpt-5"))


def test_the_list_price_itself() -> None:
    """`price = "list"` charges what the provider lists."""
    charge, listed = route_cards(config(route(price="list")), "relay", "relay-gpt-5", CATALOG)
    assert RENAMED == charge == listed


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


def only(price: object, **changed: object) -> RateCard:
    """Return the first card of a route with this price."""
    return route_cards(config(route(price=price, **changed)), "relay", "relay-gpt-5", CATALOG)[0][0]


def test_explicitly_free_is_a_price() -> None:
    """CASES 12: free is known to cost nothing; it differs from a price that is not set."""
    card = only("free")
    assert ("free", "route price", "CNY", {}) == (card.terms, card.source, card.unit, card.rates)
    assert ((), True) == (price({"input": 5, "output": 7}, card).unpriced, price({"input": 5}, card).amount == 0)


def test_what_the_upstream_reports_needs_no_list_price() -> None:
    """CASES 12: the list is only for the hold, where it is in the balance's unit; without it the route still serves."""
    assert ("reported", {}) == (only("reported").terms, only("reported").rates)
    in_usd = msgspec.structs.replace(config(route(price="reported")), balance={"wallet": DOLLARS})
    (card, *_), _listed = route_cards(in_usd, "relay", "relay-gpt-5", CATALOG)
    assert ("reported", "openai/gpt-5", Decimal(10)) == (card.terms, card.id, card.rates["output"])


DOLLARS = Balance(kind="prepaid", unit="USD")


@pytest.mark.parametrize(
    ("per", "usage", "lines", "amount"),
    [
        ("call", {"input": 5, "output": 7, "seconds": 3}, {"requests": "0.02"}, "0.02"),
        ("second", {"input": 5, "output": 7, "seconds": 3}, {"seconds": "0.02"}, "0.06"),
    ],
)
def test_a_price_a_call_or_second(per: str, usage: dict[str, int], lines: dict[str, str], amount: str) -> None:
    """CASES 8, 11: the unit of a rate is on the card; nothing else costs anything then, whatever tier was served."""
    charge = price(usage, only(msgspec.convert({"per": per, "amount": "0.02 CNY"}, Price)), service="flex")
    assert (lines, Decimal(amount), ()) == (
        {line.usage_class: line.rate for line in charge.lines},
        charge.amount,
        charge.unpriced,
    )


def test_a_sheet_with_everything() -> None:
    """A sheet has an exchange rate, thresholds in any order, and tiers of service that keep its other rates."""
    written = {
        "from": date(2026, 1, 1),
        "unit": "USD",
        "per": "ktok",
        "fx": Decimal(7),
        "input": Decimal(1),
        "output": Decimal(4),
        "long_input": [{"above": 900, "output": Decimal(9)}, {"above": 100, "input": Decimal(2)}],
        "service": {"Flex": {"input": Decimal("0.5")}},
    }
    (card,), _ = route_cards(
        config(route(prices={"relay-gpt-5": (msgspec.convert(written, Sheet),)})), "relay", "relay-gpt-5", CATALOG
    )
    assert (Decimal(7), "ktok", "USD") == (card.fx, card.per, card.unit)
    assert (
        Tier(above=100, rates={"input": Decimal(2)}),
        Tier(above=900, rates={"input": Decimal(2), "output": Decimal(9)}),
    ) == card.tiers
    assert {"flex": {"input": Decimal("0.5"), "output": Decimal(4)}} == {
        word: tier.rates for word, tier in card.service.items()
    }
    charge = price({"input": 1000, "output": 10}, card, service="flex")
    assert ("flex input>900", Decimal("4.13")) == (charge.card.tier, charge.amount)


@pytest.mark.parametrize(
    ("served", "expected"),
    [
        ("gpt-5", ()),
        ("gpt-5-2025-08-07", ("gpt-5-2025-08-07", "openai/gpt-5")),
        ("openai/gpt-5-2025-08-07", ("openai/gpt-5-2025-08-07", "gpt-5-2025-08-07", "openai/gpt-5")),
    ],
)
def test_a_card_says_how_its_name_was_resolved(served: str, expected: tuple[str, ...]) -> None:
    """CASES 13: a prefix and a date are taken off once, and the way is on the card and on the record of a charge."""
    listed = route(serves=(served,), price=Price(list=Decimal(1)))
    (card, *_), _ = route_cards(config(listed), "relay", served, CATALOG)
    assert expected == card.resolved == price({"input": 1}, card).card.resolved


def test_a_name_of_ours_stands_first_in_the_way() -> None:
    """CASES 13: an upstream's own name that the catalogue does not know is followed to the name that was asked."""
    assert ("relay-gpt-5", "gpt-5-2025-08-07", "openai/gpt-5") == only(
        Price(list=Decimal(1)), serves={"gpt-5-2025-08-07": "relay-gpt-5"}
    ).resolved


DAY = date(2026, 11, 1)
SHARED = Price(list=Decimal("0.35"), fx=Decimal("7.1"))


def with_sheets(
    *sheets: Sheet,
    price: Price | Literal["list"] | None = "list",
    unpriced: Literal["refuse", "sibling"] = "refuse",
    model: str = "gpt-5",
) -> Config:
    """Return a config whose route has these sheets beside its price."""
    return Config(
        balance={"b": Balance(kind="prepaid", unit="USD")},
        upstream={"u": Upstream(dialect="openai", base_url=OPENAI, credential="env:X")},
        route={
            "r": Route(
                route_class="direct", upstream="u", balance="b", serves=("*",), price=price, prices={model: sheets}
            )
        },
        settle=Settle(unpriced=unpriced),
    )


def at_noon(conf: Config, day: date, model: str = "gpt-5") -> RateCard | None:
    """Return the route's card in force on a day."""
    return card_at(route_cards(conf, "r", model, CATALOG)[0], datetime(day.year, day.month, day.day, 12, tzinfo=UTC))


def adding(day: date = DAY, **changes: Any) -> Sheet:  # noqa: ANN401 - a sheet's fields
    return Sheet(valid_from=day, unit="USD", adds=True, **changes)


def test_a_sheet_that_adds_leaves_all_else_to_the_list() -> None:
    """Its rates replace those of their class, in every tier; before its day the list holds as it is."""
    conf = with_sheets(adding(searches=Decimal("0.02"), cache_read=Decimal("0.2")), price=SHARED)
    before, after = at_noon(conf, date(2026, 10, 31)), at_noon(conf, DAY)
    assert before is not None
    assert after is not None
    assert (before.rates["searches"], before.source) == (Decimal("0.01"), CATALOG.data.source)
    assert after.rates == {**before.rates, "searches": Decimal("0.02"), "cache_read": Decimal("0.2")}
    assert after.service["flex"].rates == {
        **before.service["flex"].rates,
        "searches": Decimal("0.02"),
        "cache_read": Decimal("0.2"),
    }
    assert (after.list_share, after.fx, after.valid_from) == (Decimal("0.35"), Decimal("7.1"), DAY)
    assert (after.id, after.source) == ("openai/gpt-5", f"{CATALOG.data.source}, route sheet")
    # A thousandth of the rate for a token is the same price.
    per_token = with_sheets(
        adding(per="token", cache_read=Decimal("0.0000002"), searches=Decimal("0.02")), price=SHARED
    )
    same = at_noon(per_token, DAY)
    assert same is not None
    assert same.rates == after.rates


def test_a_tier_is_put_on_the_list_alone() -> None:
    """CASES 8: what a tier does not say it has from the standard rates, or from the tier that the list has."""
    own = {"Ultrafast": Rates(input=Decimal(5), output=Decimal(40)), "flex": Rates(output=Decimal(6))}
    card = at_noon(with_sheets(adding(service=own)), DAY)
    assert card is not None
    assert card.service["ultrafast"].rates == {**card.rates, "input": Decimal(5), "output": Decimal(40)}
    assert card.service["flex"].rates["input"] == Decimal("0.625")
    assert card.service["flex"].rates["output"] == Decimal(6)
    charge = price({"input": 1000, "output": 100}, card, service="ultrafast")
    assert (charge.amount, charge.unpriced, charge.card.tier) == (Decimal("0.009"), (), "ultrafast")


def test_a_long_tier_of_the_list_stays_for_what_is_not_added() -> None:
    """A rate that a sheet states holds at any length, as in a sheet that stands alone."""
    card = at_noon(with_sheets(adding(output=Decimal(16)), model="gpt-5.4"), DAY, "gpt-5.4")
    assert card is not None
    (tier,) = card.tiers
    assert (tier.rates["input"], "output" in tier.rates) == (Decimal(5), False)


def test_sheets_that_add_lie_on_the_sheet_before() -> None:
    """One that stands alone ends the list, and later ones lie on it; each of them alone, not one on another."""
    whole = Sheet(valid_from=date(2026, 11, 10), unit="USD", input=Decimal(9), output=Decimal(9))
    conf = with_sheets(
        adding(searches=Decimal("0.02")),
        whole,
        adding(date(2026, 11, 20), requests=Decimal(1)),
        adding(date(2026, 11, 25), images=Decimal(2)),
    )
    rates = [found.rates for day in (5, 10, 20, 25) if (found := at_noon(conf, date(2026, 11, day)))]
    assert rates[0]["searches"] == Decimal("0.02")
    nine = {"input": Decimal(9), "output": Decimal(9)}
    assert rates[1:] == [nine, {**nine, "requests": Decimal(1)}, {**nine, "images": Decimal(2)}]


def test_a_price_of_the_list_that_is_still_to_come_is_added_to_too() -> None:
    """What is put on the list follows it: the introductory rates end, the search fee stays."""
    conf = with_sheets(adding(searches=Decimal("0.02")), model="gemini-3.8-flash")
    conf = msgspec.structs.replace(conf, upstream={"u": msgspec.structs.replace(conf.upstream["u"], provider="google")})
    now, then = at_noon(conf, DAY, "gemini-3.8-flash"), at_noon(conf, date(2027, 1, 1), "gemini-3.8-flash")
    assert now is not None
    assert then is not None
    assert (now.rates["input"], then.rates["input"]) == (Decimal("0.75"), Decimal("1.5"))
    assert (now.rates["searches"], then.rates["searches"]) == (Decimal("0.02"), Decimal("0.02"))
    # Who states it knows it: some free searches are no doubt any more.
    assert (now.guessed, then.guessed) == ({}, {})


def test_a_sheet_that_adds_to_nothing_makes_no_card() -> None:
    """CASES 12: a search fee alone is no price."""
    assert at_noon(with_sheets(adding(searches=Decimal(1)), model="relay-m"), DAY, "relay-m") is None
    assert at_noon(with_sheets(adding(searches=Decimal(1)), price=None), DAY) is None


def test_a_sheet_says_which_of_its_rates_are_guessed() -> None:
    """A charge with such a rate is an estimate."""
    sheet = Sheet(valid_from=DAY, unit="USD", input=Decimal(1), cache_write_1h=Decimal(2), guessed=("cache_write_1h",))
    card = at_noon(with_sheets(sheet), DAY)
    assert card is not None
    assert price({"cache_write_1h": 1}, card).guesses == ("guessed_cache_write_1h",)
    assert price({"input": 1}, card).guesses == ()


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-5.9-mini", "openai/gpt-5.4-mini"),
        ("openai/gpt-6.4-sol", "openai/gpt-6.1-sol"),
        ("gpt-6.4-sol-2026-12-01", "openai/gpt-6.1-sol"),
        ("claude-opus-5-9", "anthropic/claude-opus-5-5"),
        ("gemini-3.9-flash", "google/gemini-3.8-flash"),
        ("grok-4.9", "x-ai/grok-4.7"),
        ("gpt-6.4-nova", None),
        ("relay-model-2", None),
    ],
)
def test_a_sibling_prices_what_the_list_does_not_know(model: str, expected: str | None) -> None:
    """Only where the config says so, only the same family and size, and never as the list price itself."""
    refused = with_sheets(model="other")
    allowed = with_sheets(unpriced="sibling", model="other")
    by_name = {"u": msgspec.structs.replace(allowed.upstream["u"], base_url=RELAY)}
    refused, allowed = (msgspec.structs.replace(conf, upstream=by_name) for conf in (refused, allowed))
    assert route_cards(refused, "r", model, CATALOG) == ((), ())
    charge, listed = route_cards(allowed, "r", model, CATALOG)
    assert listed == ()
    card = card_at(charge, AT)
    assert (card.id if card else None) == expected
    if card is not None:
        assert (card.sibling_of, card.resolved, card.context_window) == (model, (model, card.id), None)
        assert price({"input": 1, "output": 1}, card).guesses[0] == "sibling_price"


def test_a_model_that_the_list_knows_has_its_own_price() -> None:
    """A sibling is asked for nothing else; nor where the server is on this machine, and nobody's."""
    allowed = with_sheets(unpriced="sibling", model="other")
    card = card_at(route_cards(allowed, "r", "gpt-5.4-mini", CATALOG)[0], AT)
    assert card is not None
    assert card.sibling_of == ""
    assert CATALOG.sibling_cards(base_url="http://127.0.0.1:1/v1", provider="", model="gpt-6.4-sol") == ()


def test_a_siblings_price_has_the_premiums_of_the_model_itself() -> None:
    """The place is the new model's, whatever its sibling was."""
    (card, *_later) = CATALOG.sibling_cards(base_url="https://eu.api.openai.com/v1", provider="", model="gpt-6.4-mini")
    assert (card.id, card.factors) == ("openai/gpt-5.4-mini", {"region eu.api.openai.com": Decimal("1.1")})


def test_a_sibling_is_found_by_the_name_that_is_asked_for() -> None:
    """CASES 13: a relay's own name leads to the asked one, and that to its sibling; the way is told."""
    allowed = with_sheets(unpriced="sibling", model="other")
    route = msgspec.structs.replace(allowed.route["r"], serves={"gpt-6.4-sol": "relay-64"})
    charge, _listed = route_cards(msgspec.structs.replace(allowed, route={"r": route}), "r", "relay-64", CATALOG)
    assert charge[0].resolved == ("relay-64", "gpt-6.4-sol", "openai/gpt-6.1-sol")


def test_a_model_that_the_route_does_not_serve_has_its_price_all_the_same() -> None:
    """What an upstream bills beside a reply may be another model of its own."""
    conf = msgspec.structs.replace(
        with_sheets(), route={"r": msgspec.structs.replace(with_sheets().route["r"], serves=("gpt-5",))}
    )
    found = price_catalog.cards_with(conf, Cards(), ("r/gpt-5-mini",), CATALOG)
    assert found.charge["r/gpt-5-mini"][0].id == "openai/gpt-5-mini"


def test_a_list_that_was_given_is_used(tmp_path: Path) -> None:
    """CASES 15: from then on every card says so; without the file the bundled list counts again."""
    path = tmp_path / "catalogue.data"
    catalog = Catalog(path)
    assert catalog.data.source == f"genai-prices {version('genai-prices')}"
    assert catalog.renewed() is catalog
    raw = b'[{"id":"openai","name":"O","api_pattern":"https://api.openai.com","models":[{"id":"gpt-9","match":{"equals":"gpt-9"},"prices":{"input_mtok":1.5,"output_mtok":2}}]}]'
    keep(path, raw, origin="/home/me/data.json", today=DAY)
    given = catalog.renewed()
    assert given is not catalog
    (card,) = given.cards(base_url=OPENAI, provider="", model="gpt-9")
    assert (card.source, card.rates["input"]) == (
        (
            "genai-prices data of 2026-11-01, data.json, searches by developers.openai.com/api/docs/pricing, built-in "
            "tools (read 2026-11)"
        ),
        Decimal("1.5"),
    )
    assert given.renewed() is given
    path.unlink()
    assert given.renewed().data.source == catalog.data.source


@pytest.mark.parametrize(
    ("base_url", "model"),
    [
        ("https://api.anthropic.com", "claude-opus-4-10"),
        ("https://generativelanguage.googleapis.com", "gemini-3.8-flash-lite"),
        ("https://relay.example/v1", "anthropic/claude-opus-4.6-fast"),
        ("https://relay.example/v1", "deepseek/deepseek-chat:free"),
    ],
)
def test_a_pattern_gives_no_price_to_another_model(base_url: str, model: str) -> None:
    """CASES 12 and 13: a size or a version that the list does not know has no price, whatever its name begins with."""
    assert cards(model, base_url=base_url) == ()


def test_a_name_longer_than_any_of_a_list_has_no_price() -> None:
    """Clients make names up, and each pattern of a list would be tried on it."""
    for name in ("gpt-5-mini-", "gpt-5.99-mini-"):
        long = name + "1" * 200
        assert () == Catalog().cards(base_url="https://api.openai.com/v1", provider="", model=long)
        assert () == Catalog().sibling_cards(base_url="https://api.openai.com/v1", provider="", model=long)
