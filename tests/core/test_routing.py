"""Which candidate answers, and why not the others."""

from datetime import date
from decimal import Decimal
from itertools import pairwise

import pytest
from builders import LOCAL, OFFICIAL, PLAN, RELAY, Bench, agreed, card, cards, config, finished, listed, upstream
from msgspec.structs import replace

from tokens_forge.core.config import (
    Balance,
    Budget,
    Config,
    Key,
    Model,
    Policy,
    Rate,
    Report,
    Route,
    Settle,
    Window,
)
from tokens_forge.core.entries import Held, PassedOver, Refused
from tokens_forge.core.prices import Cards
from tokens_forge.core.routing import match, models

FX = Report(fx={"CNY": (Rate(valid_from=date(2026, 1, 1), rate=Decimal(8)),)})


def bench(conf: Config | None = None, prices: Cards | None = None, **amounts: str) -> Bench:
    """Return a bench with these amounts on its balances; both wallets have plenty when none is given."""
    made = Bench(terms=agreed(conf, prices))
    made.topup(**(amounts or {"wallet": "100 CNY", "credit": "100 USD"}))
    return made


def over(entry: Held | Refused) -> list[tuple[str, str]]:
    """Return what was passed over and why."""
    return [(passed.candidate, passed.reason) for passed in entry.passed_over]


def taken(entry: Held) -> str:
    """Return the candidate of a hold."""
    return f"{entry.route}/{entry.upstream_model}"


class TestMatch:
    """A model's name to its candidates."""

    def test_a_table_gives_its_candidates_in_order(self) -> None:
        """DESIGN 5: `burn = "listed"` is the order as written."""
        matched = match(config(), "smart")
        assert ([RELAY, OFFICIAL, PLAN, LOCAL], "any") == ([it.name for it in matched.candidates], matched.boundary)

    def test_a_name_without_a_table_is_every_route_that_serves_it(self) -> None:
        """In the file's order, and within a class."""
        matched = match(config(), "m")
        assert ([RELAY, OFFICIAL, PLAN, LOCAL], "class") == ([it.name for it in matched.candidates], matched.boundary)

    def test_a_name_that_nothing_serves_has_no_candidate(self) -> None:
        """It is routed and refused (DESIGN 2)."""
        assert () == match(config(), "nothing").candidates

    def test_a_mapping_gives_the_upstreams_name(self) -> None:
        """`serves = { asked = upstream's }`, also where a model's table names the asked one (CASES 13)."""
        route = Route(route_class="direct", upstream="relay", balance="wallet", serves={"gpt": "relay-gpt"})
        model = {"a": Model(routes=("r/gpt",)), "b": Model(routes=("r/relay-gpt",)), "gpt2": Model(routes=("r",))}
        conf = config(route={"r": route}, model=model)
        found = {name: [it.name for it in match(conf, name).candidates] for name in ("gpt", "a", "b", "gpt2")}
        assert {"gpt": ["r/relay-gpt"], "a": ["r/relay-gpt"], "b": ["r/relay-gpt"], "gpt2": []} == found

    def test_a_pattern_passes_the_asked_name_on_unless_it_hides_something(self) -> None:
        """A name with control characters never goes upstream."""
        route = Route(route_class="direct", upstream="relay", balance="wallet", serves=("gpt-*",))
        conf = config(route={"r": route}, model={})
        assert ["r/gpt-9"] == [it.name for it in match(conf, "gpt-9").candidates]
        assert () == match(conf, "gpt-\x1b9").candidates

    def test_two_spellings_of_a_candidate_are_one(self) -> None:
        """`ROUTE` for the name asked and `ROUTE/MODEL` may mean the same."""
        conf = config(model={"m": Model(routes=("relay", "relay/m", "official"))})
        assert [RELAY, OFFICIAL] == [it.name for it in match(conf, "m").candidates]

    def test_models_are_those_that_a_key_may_use(self) -> None:
        """`GET /v1/models`: names with a table and exact names, of the key's classes."""
        route = {**config().route, "wide": replace(config().route["official"], serves=("gpt-*", "exact"))}
        conf = config(route=route, key={"k": Key(classes=("direct",)), "none": Key(classes=())})
        assert ("smart", "m", "exact") == models(conf, "k")
        assert () == models(conf, "none")
        assert ("smart", "m", "exact") == models(conf, "without a table")


class TestBoundary:
    """Where a fallback must stay (DESIGN 5)."""

    @pytest.mark.parametrize(
        ("fallback", "expected"),
        [
            ("none", []),
            ("balance", ["relay2/m"]),
            ("class", ["relay2/m", "other/m"]),
            ("any", ["relay2/m", "other/m", OFFICIAL]),
        ],
    )
    def test_each(self, fallback: str, expected: list[str]) -> None:
        """An empty wallet does not silently burn premium credit: what lies outside is passed over, and says so."""
        relay, official = config().route["relay"], config().route["official"]
        route = {
            "relay": relay,
            "relay2": relay,
            "other": replace(relay, balance="wallet2"),
            "official": official,
        }
        names = (RELAY, "relay2/m", "other/m", OFFICIAL)
        wallet = Balance(kind="prepaid", unit="CNY")
        conf = listed(*names, fallback=fallback, route=route, balance={**config().balance, "wallet2": wallet})
        same = cards().charge[RELAY]
        prices = replace(cards(), charge={**cards().charge, "relay2/m": same, "other/m": same})
        made = bench(conf, prices, wallet="9 CNY", wallet2="9 CNY", credit="9 USD")
        call = made.route()
        reached = [taken(made.attempt(call, "context_too_long")) for _ in range(1 + len(expected))]
        assert [RELAY, *expected] == reached
        if len(expected) < len(names) - 1:
            outside = [name for name in names if name not in (RELAY, *expected)]
            assert [(name, "outside_boundary") for name in outside] == over(made.refused(call))[-len(outside) :]


class TestIntended:
    """The first candidate that the key may use and that can serve the call at all."""

    def test_it_is_meant_whatever_its_money(self) -> None:
        """Passing it over for money is a fallback, also before the first attempt."""
        made = bench(credit="9 USD")
        held = made.held(made.route())
        assert ("fallback", 1, OFFICIAL) == (held.role, held.n, taken(held))
        assert (0, "balance_short") == (held.cause.n, held.cause.error) if held.cause else False
        short = PassedOver(
            candidate=RELAY, reason="balance_short", balance="wallet", available="0", need="0.062", unit="CNY"
        )
        assert (short,) == held.passed_over

    def test_a_key_that_may_not_use_it_means_the_next(self) -> None:
        """A class that the key has not is no fallback: the next is meant from the beginning."""
        made = bench(config(key={"k": Key(classes=("direct",))}))
        held = made.held(made.route())
        assert ("first", OFFICIAL, [(RELAY, "not_allowed")]) == (held.role, taken(held), over(held))

    def test_without_a_price_it_cannot_serve(self) -> None:
        """CASES 12: no price is not zero."""
        made = bench(prices=replace(cards(), charge={OFFICIAL: cards().charge[OFFICIAL]}))
        held = made.held(made.route())
        assert ("first", OFFICIAL, [(RELAY, "no_price")]) == (held.role, taken(held), over(held))

    def test_a_price_that_begins_between_routing_and_holding_is_taken(self) -> None:
        """Then the first that can serve is what was meant."""
        tomorrow = replace(cards().charge[RELAY][0], valid_from=date(2026, 11, 25))
        made = bench(listed(RELAY), Cards(charge={RELAY: (tomorrow,)}))
        call = made.route()
        made.later(days=1)
        assert ("first", RELAY) == ((held := made.held(call)).role, taken(held))


class TestAttempts:
    """How often, and what is tried again."""

    def test_a_candidate_is_tried_twice_then_the_next(self) -> None:
        """CASES 24: a fallback does not restart the retries; each transition names its cause (CASES 23)."""
        made = bench()
        call = made.route()
        held = [made.attempt(call, "server_error") for _ in range(4)]
        assert [
            ("first", RELAY, []),
            ("retry", RELAY, []),
            ("fallback", OFFICIAL, [(RELAY, "attempts_used")]),
            ("retry", OFFICIAL, []),
        ] == [(it.role, taken(it), over(it)) for it in held]
        assert [None, (1, "server_error"), (2, "server_error"), (3, "server_error")] == [
            (it.cause.n, it.cause.error) if it.cause else None for it in held
        ]
        refused = made.refused(call)
        assert ("exhausted", "candidates_exhausted", 502) == (refused.reason, refused.error, refused.client_status)
        assert {"attempts_used"} == {reason for _name, reason in over(refused)}

    def test_a_failure_that_allows_no_retry_goes_on_at_once(self) -> None:
        """CASES 26: a route that failed in this call is not tried again in it."""
        made = bench()
        call = made.route()
        made.attempt(call, "reset")
        held = made.held(call)
        assert ("fallback", OFFICIAL, [(RELAY, "failed_in_call")]) == (held.role, taken(held), over(held))

    def test_a_later_retry_brings_no_failed_candidate_back(self) -> None:
        """CASES 26: what failed for good stays so when another candidate's failure may be tried again."""
        made = bench(listed(RELAY, OFFICIAL))
        call = made.route()
        for error in ("model_not_found", "server_error", "server_error"):
            made.attempt(call, error)
        assert [(OFFICIAL, "attempts_used"), (RELAY, "failed_in_call")] == over(made.refused(call))

    def test_an_empty_balance_is_not_asked_through_another_route(self) -> None:
        """CASES 54: never to the same balance."""
        route = {**config().route, "relay2": config().route["relay"]}
        prices = replace(cards(), charge={**cards().charge, "relay2/m": cards().charge[RELAY]})
        made = bench(listed(RELAY, "relay2/m", OFFICIAL, route=route), prices, wallet="9 CNY", credit="9 USD")
        call = made.route()
        made.attempt(call, "insufficient_quota")
        held = made.held(call)
        assert [(RELAY, "failed_in_call"), ("relay2/m", "balance_empty_upstream")] == over(held)
        assert OFFICIAL == taken(held)

    def test_the_number_of_attempts_is_bounded(self) -> None:
        """Four a call at most, whatever is left."""
        made = bench(config(policy=Policy(attempts=1)))
        call = made.route()
        made.attempt(call, "reset")
        assert [(name, "attempts_used") for name in (RELAY, OFFICIAL, PLAN, LOCAL)] == over(made.refused(call))

    def test_retries_have_a_budget(self) -> None:
        """DESIGN 7: 20 % of the last minute's calls, never fewer than 3."""
        made = bench(listed(RELAY, OFFICIAL, policy=Policy(attempts_per_candidate=9, attempts=9)))
        call = made.route()
        for _ in range(4):
            made.attempt(call, finished("rate_limited", wait_s="1"))  # it is retried and cools nothing
        held = made.held(call)
        assert [(RELAY, "retry_budget")] == over(held)[:1]

    def test_a_mended_request_is_no_retry_of_a_failure(self) -> None:
        """A stream sent again without the option that its upstream refused takes nothing from the budget."""
        made = bench(listed(RELAY, OFFICIAL))
        for _ in range(5):
            call = made.route()
            made.attempt(call, "stream_options")
            assert RELAY == taken(made.attempt(call))
        assert {0} == {second.retries for second in made.fold.health.seconds.values()}


REPORTED = card(RELAY, {}, unit="CNY", terms="reported")
"""What the upstream says is charged, and nothing is known before."""


class TestMoney:
    """Each candidate's balance is looked at anew (CASES 33)."""

    def test_a_pool_runs_out_at_the_next_hold(self) -> None:
        """CASES 36: then the order of candidates decides; the reason says what is left and until when."""
        made = bench(listed(PLAN, LOCAL))
        for _ in range(3):
            assert PLAN == taken(made.call())
        held = made.held(made.route())
        assert LOCAL == taken(held)
        used_up = PassedOver(
            candidate=PLAN,
            reason="pool_used_up",
            balance="plan",
            available="0",
            need="1",
            unit="requests",
            limit="3",
            spent="3",
            until="2026-11-24T15:00:00.000000Z",
        )
        assert (used_up,) == held.passed_over

    def test_a_window_that_ends_allows_again(self) -> None:
        """The 5-hour window opened at the first hold; the weekly one still counts."""
        made = bench(listed(PLAN, LOCAL))
        for _ in range(3):
            made.call()
        made.later(hours=5)
        assert [PLAN, PLAN, LOCAL] == [taken(made.call()) for _ in range(3)]

    def test_a_live_hold_counts(self) -> None:
        """CASES 30: enforced is settled and held together."""
        made = bench(listed(RELAY), wallet="0.1 CNY", credit="1 USD")
        first = made.held(made.route())
        assert [(RELAY, "balance_short")] == over(refused := made.refused(made.route()))
        assert ("nothing_can_pay", "insufficient_balance", 402) == (
            refused.reason,
            refused.error,
            refused.client_status,
        )
        made.end(first)
        assert RELAY == taken(made.held(made.route()))

    def test_holds_that_are_not_alone_in_the_way_are_not_named(self) -> None:
        """CASES 30: where a call would not fit without them either, waiting for them helps nobody."""
        made = bench(listed(RELAY), wallet="0.05 CNY")
        made.held(made.route(output_bound=1))
        (passed,) = made.refused(made.route()).passed_over
        assert ("0.03795", "0.01205", ()) == (passed.available, passed.held, passed.holds)
        made = bench(listed(RELAY), Cards(charge={RELAY: (REPORTED,)}), wallet="1 CNY")
        made.held(made.route())
        assert "" == made.order("wallet", "set", "0 CNY")
        (passed,) = made.refused(made.route()).passed_over
        assert ("balance_short", "0", "0", ()) == (passed.reason, passed.available, passed.need, passed.holds)

    def test_nothing_on_a_wallet_pays_for_nothing(self) -> None:
        """A call whose price is not known finds no money on an empty wallet either."""
        conf = listed(RELAY, settle=Settle(unpriced="zero"))
        made = bench(conf, Cards(), credit="1 USD")
        assert [(RELAY, "balance_short")] == over(made.refused(made.route()))
        made.topup(wallet="1 CNY")
        assert ("0", RELAY) == ((held := made.held(made.route())).hold, taken(held))


class TestRefusals:
    """The refusal says what helps most: time, money, or the config."""

    def test_an_unknown_model(self) -> None:
        """DESIGN 2: it is routed, then refused."""
        made = bench()
        refused = made.refused(made.route("nothing"))
        assert ("unknown_model", "model_not_found", 404, []) == (
            refused.reason,
            refused.error,
            refused.client_status,
            over(refused),
        )

    def test_a_key_that_may_use_nothing(self) -> None:
        """403, and each candidate says so."""
        made = bench(listed(RELAY, key={"k": Key(classes=("local",))}))
        refused = made.refused(made.route())
        assert ("not_allowed", 403, [(RELAY, "not_allowed")]) == (refused.reason, refused.client_status, over(refused))

    def test_no_price_at_all(self) -> None:
        """CASES 12, 34: what can't be metered is refused."""
        made = bench(listed(RELAY), Cards())
        refused = made.refused(made.route())
        assert ("no_price", 501, [(RELAY, "no_price")]) == (refused.reason, refused.client_status, over(refused))

    def test_a_budget_goes_before_a_balance(self) -> None:
        """CASES 38: one wallet is short and another's key has no budget left: the budget is what to raise."""
        conf = listed(RELAY, OFFICIAL, key={"k": Key(budget=Budget(limit="0.001 USD", per="day"))}, report=FX)
        made = bench(conf, wallet="0.01 CNY", credit="9 USD")
        refused = made.refused(made.route())
        assert ("budget_exceeded", 402, [(RELAY, "balance_short"), (OFFICIAL, "over_budget")]) == (
            refused.error,
            refused.client_status,
            over(refused),
        )

    def test_time_goes_before_money(self) -> None:
        """CASES 40: when something only cools, the earliest recovery is named."""
        made = bench(listed(RELAY, OFFICIAL), wallet="9 CNY")
        made.call("rate_limited")
        refused = made.refused(made.route())
        assert ("all_cooling", 503) == (refused.reason, refused.client_status)
        assert [(RELAY, "cooling"), (OFFICIAL, "balance_short")] == over(refused)
        assert ["2026-11-24T10:00:10.000000Z", ""] == [passed.until for passed in refused.passed_over]


def test_parallel_calls_never_hold_more_than_there_is() -> None:
    """CASES 29: N calls at once on a nearly empty balance; check and hold are one step."""
    made = bench(listed(RELAY), wallet="1 CNY", credit="1 USD")
    calls = [made.route() for _ in range(40)]
    held = [entry for call in calls if isinstance(entry := made.step(call), Held)]
    state = made.fold.book.balances["wallet"]
    assert (16, Decimal("0.992")) == (len(held), state.held)
    assert all(before.id != after.id for before, after in pairwise(held))


def test_a_pool_of_tokens_holds_the_bound() -> None:
    """A pool in tokens reserves input with its margin and output; a quota's unit is stated (CASES 49)."""
    plan = Balance(kind="pool", unit="tokens", windows=(Window(allow=Decimal(5000), per="1d"),))
    route = Route(route_class="subscription", upstream="plan", balance="plan", serves=("m",))
    conf = config(
        balance={"plan": plan},
        upstream={"plan": upstream()},
        route={"plan": route},
        model={"smart": Model(routes=(PLAN,))},
    )
    made = Bench(terms=agreed(conf))
    held = made.call()
    assert ("2200", "tokens") == (held.hold, held.unit)
