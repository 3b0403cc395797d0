"""How candidates are told to be is what a decision would find (CASES 37)."""

from datetime import date
from decimal import Decimal

import pytest
from builders import LOCAL, OFFICIAL, PLAN, RELAY, Bench, agreed, config, listed
from msgspec.structs import replace

from tokens_forge.core.book import BalanceShown, balances
from tokens_forge.core.config import Balance, Model, Settle, Sheet, Window
from tokens_forge.core.entries import Cooled, Reason, Renamed, Scope
from tokens_forge.core.prices import Cards
from tokens_forge.core.route_health import CandidateHealth, HealthWord, RouteShown, candidate_health, routes_shown

AT = Bench().at
ROUTE = {found.route: found for found in routes_shown(agreed(), Bench().fold, AT)}
"""The bench's routes by name."""


def health(bench: Bench, name: str) -> CandidateHealth:
    """Return how a candidate is now."""
    route = next(found for found in routes_shown(bench.terms, bench.fold, bench.at) if f"{found.route}/m" == name)
    rows = balances(bench.terms.config, bench.fold.book, bench.at)
    return candidate_health(route, "m", bench.fold.health.shown(bench.at), rows)


def funded(*candidates: str) -> Bench:
    """Return a bench with money on both wallets."""
    bench = Bench(terms=agreed(listed(*candidates)))
    bench.topup(wallet="100 CNY", credit="1 USD")
    return bench


def cool(bench: Bench, scope: Scope, name: str, minutes: int = 1) -> None:
    """Let something cool."""
    until = f"2026-11-24T10:{minutes:02}:00.000000Z"
    bench.append(Cooled(scope=scope, name=name, until=until, level=1, error="e"))


def test_a_candidate_that_may_be_tried() -> None:
    """It is said whose money it is and how much of that may be held."""
    expected = CandidateHealth(
        candidate=RELAY,
        route="relay",
        upstream_model="m",
        route_class="ordinary",
        upstream="relay",
        balance="wallet",
        health="ok",
        available="100",
        unit="CNY",
    )
    assert expected == health(funded(RELAY), RELAY)


REASONS: dict[Reason, HealthWord] = {
    "cooling": "cooling",
    "probing": "probing",
    "balance_empty_upstream": "balance_empty_upstream",
    "balance_short": "balance_short",
    "pool_used_up": "pool_used_up",
}


@pytest.mark.parametrize("scope", ["candidate", "upstream", "balance"])
def test_what_cools_is_told_as_a_decision_would(scope: Scope) -> None:
    """Until its time is over, while its probe is under way, and when the next call is that; then it is well."""
    bench = funded(RELAY)
    name = {"candidate": RELAY, "upstream": "relay", "balance": "wallet"}[scope]
    cool(bench, scope, name)
    found, over = health(bench, RELAY), bench.refused(bench.route()).passed_over[0]
    assert (REASONS[over.reason], over.until) == (found.health, found.until)
    assert found.cooldown is not None
    assert (scope, name) == (found.cooldown.scope, found.cooldown.name)

    bench.later(minutes=1)
    assert ("probe_due", "") == ((due := health(bench, RELAY)).health, due.until)
    probe = bench.held(bench.route())
    assert "probing" == health(bench, RELAY).health == REASONS[bench.refused(bench.route()).passed_over[0].reason]
    bench.end(probe)
    assert ("ok", None) == ((well := health(bench, RELAY)).health, well.cooldown)


def test_of_several_what_a_decision_names_is_told() -> None:
    """A balance before an upstream before a candidate; what only waits for its probe comes after all that stands."""
    bench = funded(RELAY)
    cool(bench, "candidate", RELAY, minutes=9)
    cool(bench, "upstream", "relay", minutes=5)
    cool(bench, "balance", "wallet", minutes=1)
    told = ["balance_empty_upstream", "cooling", "cooling"]
    for word, later in zip(told, (1, 4, 4), strict=True):
        found = health(bench, RELAY)
        over = bench.refused(bench.route()).passed_over[0]
        assert (word, over.until) == (found.health, found.until)
        bench.later(minutes=later)
    assert "probe_due" == health(bench, RELAY).health


def test_a_cooldown_of_another_is_none() -> None:
    """Scopes have names of their own, and a neighbour's model is another candidate."""
    bench = funded(RELAY)
    cool(bench, "balance", "relay")
    cool(bench, "candidate", "relay/n")
    cool(bench, "upstream", "openai")

    assert "ok" == health(bench, RELAY).health


@pytest.mark.parametrize(("name", "word"), [(RELAY, "balance_short"), (PLAN, "pool_used_up"), (LOCAL, "ok")])
def test_a_balance_without_anything(name: str, word: str) -> None:
    """No call can be paid there, as a decision finds too; of a free balance there is no end."""
    bench = Bench(terms=agreed(listed(name)))
    if name == PLAN:
        for _ in range(3):
            bench.call()
    found = health(bench, name)
    entry = bench.step(bench.route())

    assert word == found.health
    if word != "ok":
        (over,) = entry.passed_over
        assert (over.reason, over.available, over.unit) == (found.health, found.available, found.unit)
        assert over.until == found.until
        assert bool(found.until) == (name == PLAN)


def test_whose_turns_are_all_taken_is_busy() -> None:
    """An upstream that takes two attempts at a time: how many are under way, and busy only when both turns are."""
    upstreams = config().upstream
    two = replace(upstreams["relay"], concurrency=2)
    bench = Bench(terms=agreed(listed(RELAY, upstream=upstreams | {"relay": two})))
    bench.topup(wallet="100 CNY")
    told = [health(bench, RELAY)]
    held = bench.held(bench.route())
    told.append(health(bench, RELAY))
    bench.held(bench.route())
    told.append(health(bench, RELAY))
    bench.end(held)
    told.append(health(bench, RELAY))

    assert [("ok", 0), ("ok", 1), ("busy", 2), ("ok", 1)] == [(one.health, one.under_way) for one in told]
    assert {2} == {one.concurrency for one in told}


def test_a_wait_is_told_before_money_and_money_before_a_probe() -> None:
    """What passes a candidate over comes first; a probe that nothing can pay is not due."""
    bench = Bench(terms=agreed(listed(RELAY)))
    cool(bench, "upstream", "relay")
    assert "cooling" == health(bench, RELAY).health

    bench.later(minutes=1)
    assert ("balance_short", None) == ((found := health(bench, RELAY)).health, found.cooldown)


@pytest.mark.parametrize(
    ("credit", "cools", "word"),
    [("1 USD", False, "ok"), ("", False, "pool_used_up"), ("1 USD", True, "pool_used_up")],
)
def test_what_pays_beyond_a_pool_keeps_it_well(credit: str, cools: bool, word: str) -> None:
    """A pool that is used up goes on while its overage has money and is not empty at its upstream."""
    pool = Balance(kind="pool", unit="requests", windows=(Window(allow=Decimal(1), per="5h"),), overage="credit")
    terms = agreed(listed(PLAN, balance={**config().balance, "plan": pool}))
    bench = Bench(terms=terms)
    bench.call()
    if credit:
        bench.topup(credit=credit)
    if cools:
        cool(bench, "balance", "credit")

    assert word == health(bench, PLAN).health


def test_what_costs_nothing_needs_no_money() -> None:
    """A route that is known to be free goes on with an empty wallet, but for a model that has a sheet of its own."""
    route = replace(ROUTE["relay"], free=True, sheets=("priced",))
    rows = balances(config(), Bench().fold.book, Bench().at)
    assert ["ok", "balance_short"] == [candidate_health(route, model, (), rows).health for model in ("m", "priced")]


def test_a_sheet_is_its_models_under_either_name() -> None:
    """Written under the name that clients ask for, it prices what the upstream names otherwise."""
    sheet = (Sheet(valid_from=date(2026, 1, 1), unit="CNY", input=Decimal(1)),)
    free = replace(
        config().route["relay"], price="free", serves={"m": "up-m", "n": "n"}, prices={"m": sheet, "n": sheet}
    )
    shown = routes_shown(agreed(config(route={**config().route, "relay": free})), Bench().fold, AT)
    assert (True, ("m", "up-m", "n")) == (shown[0].free, shown[0].sheets)
    assert (False, ()) == (shown[1].free, shown[1].sheets)


def test_a_balance_that_nobody_shows_is_not_short() -> None:
    """Without a word on it nothing is said against it."""
    assert ("ok", "") == ((found := candidate_health(ROUTE["relay"], "m", (), ())).health, found.available)
    other = BalanceShown(name="credit", kind="prepaid", unit="USD", posted=Decimal(0), held=Decimal(0))
    assert "ok" == candidate_health(ROUTE["official"], "m", (), (other,)).health


def test_models_are_those_of_the_config_then_those_that_were_used_or_cool() -> None:
    """A pattern names none; a model's table does, by the upstream's name; each stands once."""
    routes = {
        **config().route,
        "relay": replace(config().route["relay"], serves={"a": "m", "b": "up-b"}),
        "official": replace(config().route["official"], serves=("x", "gpt-*")),
    }
    models = {"smart": Model(routes=("relay/a", "official/gpt-5")), "other": Model(routes=("official/x",))}
    bench = Bench()
    bench.topup(wallet="1 CNY")
    bench.call()
    cool(bench, "candidate", "official/gpt-9")
    cool(bench, "candidate", "gone/m")
    cool(bench, "upstream", "relay")

    terms = agreed(config(route=routes, model=models))
    found = {shown.route: shown.models for shown in routes_shown(terms, bench.fold, AT)}

    assert {"relay": ("m", "up-b"), "official": ("x", "gpt-5", "gpt-9"), "plan": ("m",), "local": ("m",)} == found
    bench.append(Renamed(scope="route", was="official", name="plan"))
    assert ("m", "gpt-9") == routes_shown(agreed(), bench.fold, AT)[2].models


def test_a_route_is_shown_as_the_config_has_it() -> None:
    """Class, upstream and balance are what the next call takes."""
    expected = RouteShown(route="official", route_class="direct", upstream="openai", balance="credit", models=("m",))
    assert expected == ROUTE["official"]


def test_what_has_no_price_is_not_fine() -> None:
    """As a decision finds; not where nothing must be paid, nor where what has no price is let through."""
    bench = Bench(terms=agreed(listed(RELAY), Cards()))
    bench.topup(wallet="9 CNY")
    cool(bench, "candidate", RELAY)
    found = health(bench, RELAY)
    assert ("no_price", "", None) == (found.health, found.until, found.cooldown)
    assert "no_price" == bench.refused(bench.route()).passed_over[0].reason
    assert "ok" == health(Bench(terms=agreed(listed(PLAN), Cards())), PLAN).health
    zero = Bench(terms=agreed(listed(OFFICIAL, settle=Settle(unpriced="zero")), Cards()))
    zero.topup(credit="9 USD")
    assert "ok" == health(zero, OFFICIAL).health
