"""Which candidate answers, and why not the others."""

from datetime import date
from decimal import Decimal
from itertools import pairwise

import pytest
from builders import LOCAL, OFFICIAL, PLAN, RELAY, Bench, agreed, card, cards, config, finished, listed, upstream
from msgspec.structs import replace

from tokens_forge.core.budgets import shown
from tokens_forge.core.config import (
    Balance,
    Boundary,
    Budget,
    Burn,
    Config,
    Cross,
    Key,
    Model,
    Policy,
    Rate,
    Report,
    Route,
    Settle,
    Window,
)
from tokens_forge.core.entries import Held, PassedOver, Refused, Settled
from tokens_forge.core.moments import microseconds, moment
from tokens_forge.core.prices import Cards
from tokens_forge.core.routing import Refuse, Take, decide, may_outlast_ms
from tokens_forge.core.story import reason_text

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
        for _ in range(3):
            call = made.route()
            made.attempt(call, "server_error")
            made.attempt(call)
        call = made.route()
        made.attempt(call, "server_error")
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


class TestPutOff:
    """What an upstream asked to wait for, where nobody else answers."""

    def test_it_is_asked_again_once_its_wait_is_over(self) -> None:
        """Until then the refusal says the moment; the attempt that follows is a retry, and neither counts as one."""
        made = bench(listed(RELAY, policy=Policy(attempts=1)))
        call = made.route()
        made.attempt(call, finished("server_error", wait_s="20"))
        put_off = decide(made.terms, made.fold, made.open(call), made.at)
        assert isinstance(put_off, Refuse)
        assert (20_000, [(RELAY, "attempts_used")]) == (
            microseconds(moment(put_off.passed_over[0].until)) // 1_000 - microseconds(moment(made.at)) // 1_000,
            [(over.candidate, over.reason) for over in put_off.passed_over],
        )
        assert 60_000 == may_outlast_ms(made.terms, put_off, made.at, waited_ms=0)
        assert 0 == may_outlast_ms(made.terms, put_off, made.at, waited_ms=40_001)
        assert 0 == may_outlast_ms(made.terms, put_off, made.at, waited_ms=60_000)
        made.later(seconds=20)
        assert "retry" == made.attempt(call, finished("server_error", wait_s="20")).role
        made.later(seconds=20)
        assert "retry" == made.attempt(call).role
        assert [] == made.disagreeing()

    def test_others_go_before(self) -> None:
        """The wait of the first may be over by the time that the second has failed: then it is asked again."""
        made = bench(listed(RELAY, OFFICIAL))
        call = made.route()
        made.attempt(call, finished("server_error", wait_s="3"))
        made.later(seconds=3)
        made.attempt(call, "model_not_found")
        held = made.held(call)
        assert ("fallback", RELAY, [(OFFICIAL, "failed_in_call")]) == (held.role, taken(held), over(held))

    def test_what_stands_against_it_by_then(self) -> None:
        """Once its wait is over it is judged as any other: here its money is gone."""
        made = bench(listed(RELAY), wallet="0.1 CNY")
        call = made.route()
        made.attempt(call, finished("rate_limited", wait_s="3"))
        made.order("wallet", "set", "0 CNY", yes=True)
        made.later(seconds=3)
        assert [(RELAY, "balance_short")] == over(made.refused(call))

    def test_not_at_all_where_the_config_says_so(self) -> None:
        """`[policy] wait = "none"`."""
        made = bench(listed(RELAY, policy=Policy(wait="none")))
        call = made.route()
        made.attempt(call, finished("rate_limited", wait_s="3"))
        made.later(seconds=3)
        decision = decide(made.terms, made.fold, made.open(call), made.at)
        assert isinstance(decision, Refuse)
        assert (429, True) == (decision.status, decision.passes)
        assert 0 == may_outlast_ms(made.terms, decision, made.at, waited_ms=0)

    @pytest.mark.parametrize(
        ("errors", "expected"),
        [
            (("rate_limited", "rate_limited"), (429, "rate_limited", True)),
            (("model_not_found", "rate_limited"), (502, "candidates_exhausted", False)),
            (("first_byte_timeout", "rate_limited"), (502, "candidates_exhausted", False)),
            (("model_not_found", "connect", "connect"), (502, "candidates_exhausted", True)),
            (("rate_limited", "server_error", "server_error"), (502, "candidates_exhausted", False)),
        ],
    )
    def test_what_the_client_is_told(self, errors: tuple[str, ...], expected: tuple[int, str, bool]) -> None:
        """The upstream's own status where all only put it off; whether an SDK may ask again, by what was billed."""
        made = bench(listed(RELAY, OFFICIAL))
        call = made.route()
        for error in errors:
            made.attempt(call, error)
        decision = decide(made.terms, made.fold, made.open(call), made.at)
        assert isinstance(decision, Refuse)
        assert expected == (decision.status, decision.error, decision.passes)

    def test_a_probe_and_a_cooldown_pass(self) -> None:
        """Of both time is the end; how long a probe takes is not known."""
        made = bench(listed(RELAY))
        made.attempt(made.route(), "rate_limited")
        waits = decide(made.terms, made.fold, made.open(made.route()), made.at)
        assert (60_000, 0) == tuple(may_outlast_ms(made.terms, waits, made.at, waited_ms=ms) for ms in (0, 55_000))
        made.later(seconds=10)
        made.held(made.route())
        waits = decide(made.terms, made.fold, made.open(made.route()), made.at)
        assert 5_000 == may_outlast_ms(made.terms, waits, made.at, waited_ms=55_000)
        assert 15_000 == may_outlast_ms(made.terms, waits, made.at, waited_ms=0, patience_ms=30_000)


class TestTurns:
    """`[upstream] concurrency`."""

    def busy(self, *candidates: str) -> Bench:
        """Return a bench whose relay takes one attempt at a time, and has it."""
        plain = config()
        relay = replace(plain.upstream["relay"], concurrency=1)
        made = bench(listed(*candidates, upstream={**plain.upstream, "relay": relay}))
        made.held(made.route())
        return made

    def test_the_live_holds_of_an_upstream_are_counted(self) -> None:
        """Another goes elsewhere, or waits for its turn before; a turn that came free is taken."""
        made = self.busy(RELAY, OFFICIAL)
        call = made.route()
        decision = decide(made.terms, made.fold, made.open(call), made.at)
        assert isinstance(decision, Take)
        assert (OFFICIAL, [("busy", "1", "1")]) == (
            decision.candidate.name,
            [(over.reason, over.spent, over.limit) for over in decision.passed_over],
        )
        assert 60_000 == may_outlast_ms(made.terms, decision, made.at, waited_ms=0)
        (live,) = (hold for other in made.fold.calls.values() for hold in other.holds.values())
        made.end(live)
        held = made.held(call)
        assert ("first", RELAY) == (held.role, taken(held))
        assert [] == made.disagreeing()

    def test_a_choice_that_nothing_keeps_back_waits_for_nothing(self) -> None:
        """A candidate that was passed over for another reason is not waited for."""
        made = bench(listed(RELAY, OFFICIAL))
        made.attempt(call := made.route(), "rate_limited")
        decision = decide(made.terms, made.fold, made.open(call), made.at)
        assert 0 == may_outlast_ms(made.terms, decision, made.at, waited_ms=0)

    def test_nobody_else(self) -> None:
        """It is busy, not cooling; where another cools, that is told."""
        made = self.busy(RELAY)
        refused = made.refused(made.route())
        assert ("busy", "busy", 503) == (refused.reason, refused.error, refused.client_status)
        assert "its upstream is busy: 1 of 1 attempts are under way" == reason_text(refused.passed_over[0])


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


class TestPinned:
    """What the client pinned is never rerouted (CASES 27)."""

    def test_a_route(self) -> None:
        """No other answers, in health or not; it is what is meant, and no fallback."""
        made = bench()
        held = made.held(call := made.route(pinned="official"))
        assert ("first", OFFICIAL, [(RELAY, "not_pinned")]) == (held.role, taken(held), over(held))
        made.end(held, "rate_limited")
        refused = made.refused(call)
        assert ("exhausted", [(RELAY, "not_pinned"), (OFFICIAL, "failed_in_call")]) == (
            refused.reason,
            over(refused)[:2],
        )
        refused = made.refused(made.route(pinned="official"))
        assert ("all_cooling", 503) == (refused.reason, refused.client_status)

    def test_a_class(self) -> None:
        """The first of the class is meant."""
        held = (made := bench()).held(made.route(pinned_class="subscription"))
        assert ("first", PLAN, [(RELAY, "not_pinned"), (OFFICIAL, "not_pinned")]) == (
            held.role,
            taken(held),
            over(held),
        )

    def test_a_boundary_of_the_clients_own(self) -> None:
        """`x-tf-fallback` narrows where it may go on."""
        made = bench()
        call = made.route(fallback_asked="none")
        assert "any" == made.open(call).routed.boundary
        made.attempt(call, "reset")
        assert {"failed_in_call", "outside_boundary"} == {reason for _name, reason in over(made.refused(call))}

    def test_both_boundaries_hold(self) -> None:
        """`balance` from a client never leads out of the config's class, on whatever balance another class is."""
        premium = replace(config().route["relay"], route_class="direct")
        route = {**config().route, "premium": premium}
        prices = replace(cards(), charge={**cards().charge, "premium/m": cards().charge[RELAY]})
        made = bench(listed(RELAY, "premium/m", fallback="class", route=route), prices)
        for asked in ("", "balance", "class"):
            call = made.route(fallback_asked=asked)
            made.attempt(call, "reset")
            assert [(RELAY, "failed_in_call"), ("premium/m", "outside_boundary")] == over(made.refused(call))

    def test_a_pin_into_what_may_be_crossed_to_counts(self) -> None:
        """A pin chooses what is meant, and passes no bound by it; within the class nothing crosses."""
        cross = Cross(to="direct", up_to="0.01 USD", per="day")
        model = Model(routes=(RELAY, OFFICIAL), fallback="class", cross=cross)
        made = bench(config(model={"smart": model}, report=FX))
        held = made.held(made.route(pinned="official"))
        assert ("first", "direct", ["cross.smart/day"]) == (held.role, held.crossed, [it.budget for it in held.counted])
        assert [(OFFICIAL, "over_budget")] == over(made.refused(made.route(pinned_class="direct")))[1:]
        assert "" == made.held(made.route(pinned="relay")).crossed
        alone = Model(routes=(OFFICIAL,), cross=cross)
        made = bench(config(model={"smart": alone}, report=FX))
        assert ["", ""] == [made.held(made.route(pinned=pin)).crossed for pin in ("official", "")]


class TestMaxCharge:
    """The client's own cap is compared with the hold."""

    def test_what_costs_more_is_passed_over(self) -> None:
        """0.062 CNY on the relay, 0.0062 USD on the official route; in the cap's unit at the rate of the day."""
        made = bench(listed(RELAY, OFFICIAL, report=FX))
        held = made.held(made.route(max_charge="0.007 USD"))
        assert OFFICIAL == taken(held)
        over_max = PassedOver(
            candidate=RELAY, balance="wallet", reason="over_max_charge", available="0.007", need="0.00775", unit="USD"
        )
        assert (over_max,) == held.passed_over
        assert RELAY == taken(made.held(made.route(max_charge="0.062 CNY")))

    def test_what_the_call_cost_before_counts(self) -> None:
        """An attempt that was sent and never answered is billed its input, 0.001 USD: then 0.00775 more is 0.00875."""
        made = bench(listed(OFFICIAL, RELAY, PLAN, report=FX))
        made.attempt(call := made.route(max_charge="0.008 USD"), "reset")
        held = made.held(call)
        assert (PLAN, "over_max_charge", "0.00875") == (
            taken(held),
            held.passed_over[1].reason,
            held.passed_over[1].need,
        )
        made.attempt(call := made.route(max_charge="0.00875 USD"), "reset")
        assert RELAY == taken(made.held(call))
        made = bench(listed(PLAN, OFFICIAL, report=FX))
        made.attempt(call := made.route(max_charge="0.0062 USD"), "reset")
        assert OFFICIAL == taken(made.held(call))

    def test_what_may_cost_anything_is_more_than_any_cap(self) -> None:
        """CASES 12: a cost that is reported afterwards, and none was yet; a price that nobody knows."""
        made = bench(listed(RELAY), Cards(charge={RELAY: (REPORTED,)}))
        (passed,) = made.refused(made.route(max_charge="9 CNY")).passed_over
        assert ("over_max_charge", "no_price", "9") == (passed.reason, passed.error, passed.available)
        made = bench(listed(RELAY, settle=Settle(unpriced="zero")), Cards())
        (passed,) = made.refused(made.route(max_charge="0 CNY")).passed_over
        assert ("over_max_charge", "no_price") == (passed.reason, passed.error)
        free = replace(REPORTED, terms="free")
        made = bench(listed(RELAY), Cards(charge={RELAY: (free,)}))
        assert RELAY == taken(made.held(made.route(max_charge="0 USD")))

    def test_nothing_else_is_left(self) -> None:
        """402 with a code of its own: no top-up helps."""
        refused = (made := bench(listed(OFFICIAL))).refused(made.route(max_charge="0.001 USD"))
        assert ("nothing_can_pay", "max_charge_exceeded", 402) == (refused.reason, refused.error, refused.client_status)

    def test_without_a_rate_nobody_can_compare(self) -> None:
        """Then it is passed over, and says what is missing."""
        (passed,) = (made := bench(listed(RELAY))).refused(made.route(max_charge="5 USD")).passed_over
        assert ("over_max_charge", "no_fx", "5", "") == (passed.reason, passed.error, passed.available, passed.need)

    def test_a_pool_and_what_is_free_cost_nothing(self) -> None:
        """Their hold is no charge in money."""
        made = bench(listed(PLAN, LOCAL))
        assert [PLAN, PLAN, PLAN, LOCAL] == [taken(made.attempt(made.route(max_charge="0 USD"))) for _ in range(4)]

    def test_what_pays_beyond_a_pool_is_capped(self) -> None:
        """The balance that takes over when a pool is used up is compared like any other."""
        plan = replace(config().balance["plan"], overage="credit")
        prices = replace(cards(), charge={PLAN: (card(PLAN, {"input": "1", "output": "5"}),)})
        made = bench(listed(PLAN, balance={**config().balance, "plan": plan}), prices)
        for _ in range(3):
            made.call()
        assert [(PLAN, "pool_used_up"), (PLAN, "over_max_charge")] == over(made.refused(made.route(max_charge="0 USD")))


class TestCross:
    """A bounded permission beyond where the fallback stays (DESIGN 5)."""

    def crossing(self, up_to: str = "0.01 USD", **changes: object) -> Bench:
        """Return a bench whose model stays in its class, and may cross into direct for so much a day."""
        cross = Cross(to="direct", up_to=up_to, per="day")
        model = Model(routes=(RELAY, OFFICIAL, PLAN), fallback="class", cross=cross)
        return bench(config(model={"smart": model, "quick": Model(alias="smart")}, report=FX, **changes))

    def test_it_crosses_while_the_bound_has_room(self) -> None:
        """The hold and the charge count against it; beyond it the budget says so. Another class stays outside."""
        made = self.crossing()
        call = made.route()
        made.attempt(call, "reset")
        held = made.attempt(call, finished(usage={"input": 1000, "output": 1000}))
        (counted,) = held.counted
        assert ("fallback", OFFICIAL, "direct") == (held.role, taken(held), held.crossed)
        assert ("cross.smart/day", "0.0062", "USD") == (counted.budget, counted.amount, counted.unit)
        settled = made.entries[-1]
        assert isinstance(settled, Settled)
        assert [("cross.smart/day", "0.006")] == [(one.budget, one.amount) for one in settled.counted]
        made.attempt(call := made.route("quick"), "reset")
        (failed, bound, outside) = made.refused(call).passed_over
        assert ("failed_in_call", "over_budget", "outside_boundary") == (failed.reason, bound.reason, outside.reason)
        assert ("cross.smart/day", "0.004", "0.0062", "0.01", "0.006") == (
            bound.budget,
            bound.available,
            bound.need,
            bound.limit,
            bound.spent,
        )
        made.later(days=1)
        made.attempt(call := made.route(), "reset")
        assert OFFICIAL == taken(made.held(call))

    def test_what_stays_within_counts_nothing(self) -> None:
        """The bound is for what crosses alone."""
        held = (made := self.crossing()).held(made.route())
        assert ("", ()) == (held.crossed, held.counted)

    def test_who_says_where_it_must_stay_takes_no_permission(self) -> None:
        """`x-tf-fallback: class` is the config's own word, and means that nothing crosses."""
        made = self.crossing()
        call = made.route(fallback_asked="class")
        made.attempt(call, "reset")
        assert {"failed_in_call", "outside_boundary"} == {reason for _name, reason in over(made.refused(call))}

    def test_it_is_shown_as_a_budget(self) -> None:
        """What a screen shows is computed by the code that enforces it (CASES 37)."""
        made = self.crossing()
        rows = shown(made.terms.config, made.fold.budgets, made.at, made.terms.calendar)
        assert [("cross.smart/day", Decimal("0.01"))] == [(row.name, row.left) for row in rows]


CACHED = {"input": 100, "cache_read": 800, "output": 10}


class TestSticky:
    """A conversation stays where its prompt cache is (CASES 50)."""

    def two(
        self, burn: Burn = "listed", *, fallback: Boundary = "any", balance2: str = "wallet", **changes: object
    ) -> Bench:
        """Return a bench of two relays, the second on `balance2`, before the official route."""
        relay2 = replace(config().route["relay"], balance=balance2)
        model = Model(routes=(RELAY, "relay2/m", OFFICIAL), burn=burn, fallback=fallback)
        same = cards().charge[RELAY]
        prices = replace(cards(), charge={**cards().charge, "relay2/m": same})
        conf = config(
            route={**config().route, "relay2": relay2},
            model={"smart": model, "other": Model(routes=(RELAY,))},
            **changes,
        )
        conf = replace(conf, balance={**conf.balance, "wallet2": Balance(kind="prepaid", unit="CNY")})
        return bench(conf, prices, wallet="9 CNY", wallet2="9 CNY", credit="9 USD")

    def moved(self, made: Bench, error: str = "reset", model: str = "smart") -> None:
        """Have a call of the conversation answered by the second relay, because the first failed."""
        call = made.route(model, thread="t")
        made.attempt(call, error)
        made.attempt(call, finished(usage=CACHED))

    def test_it_stays_where_it_was_answered(self) -> None:
        """The first relay is well again; what was intended does not change, and staying is no fallback."""
        made = self.two()
        self.moved(made)
        call = made.route(thread="t")
        routed = made.open(call).routed
        assert (RELAY, "relay2/m", "relay2/m", 800) == (routed.intended, routed.sticky, routed.kept, routed.kept_cache)
        held = made.attempt(call, finished(usage=CACHED))
        assert ("first", "relay2/m", [], None) == (held.role, taken(held), over(held), held.cause)
        assert RELAY == taken(made.held(made.route(thread="another")))
        assert RELAY == taken(made.held(made.route()))

    def test_it_moves_when_it_must_and_says_why(self) -> None:
        """What was left has its reason in the entry, and is the cause; the intended candidate is no fallback."""
        made = self.two()
        self.moved(made)
        made.attempt(call := made.route(thread="t"), "rate_limited")
        held = made.held(call)
        assert ("fallback", RELAY, [("relay2/m", "failed_in_call")]) == (held.role, taken(held), over(held))
        held = made.held(made.route(thread="t"))
        assert ("first", RELAY, [("relay2/m", "cooling")]) == (held.role, taken(held), over(held))
        assert (0, "cooling") == (held.cause.n, held.cause.error) if held.cause else False

    def test_another_balance_or_class_is_not_kept(self) -> None:
        """What was meant to pay pays again: the entry says where the conversation was, and that it does not stay."""
        made = self.two(balance2="wallet2")
        self.moved(made)
        routed = made.open(made.route(thread="t")).routed
        assert ("relay2/m", "") == (routed.kept, routed.sticky)
        made = self.two()
        call = made.route(thread="t")
        for _ in range(2):
            made.attempt(call, "reset")
        assert OFFICIAL == taken(made.attempt(call))
        routed = made.open(made.route(thread="t")).routed
        assert (OFFICIAL, "") == (routed.kept, routed.sticky)

    def test_a_boundary_of_none_keeps_to_what_is_intended(self) -> None:
        """Nothing else may answer, so nothing else is kept; the intended one itself is."""
        made = self.two("cheapest", fallback="none", report=FX)
        made.attempt(made.route(thread="t"))
        routed = made.open(made.route(thread="t")).routed
        assert routed.intended == routed.sticky == routed.kept
        made.attempt(made.route(thread="t", pinned="relay2"), finished(usage=CACHED))
        routed = made.open(made.route(thread="t")).routed
        assert ("relay2/m", "") == (routed.kept, routed.sticky)

    def test_a_model_that_does_not_list_it_begins_anew(self) -> None:
        """And one of which nothing can serve keeps nothing."""
        made = self.two()
        self.moved(made)
        routed = made.open(made.route("other", thread="t")).routed
        assert ("relay2/m", "") == (routed.kept, routed.sticky)
        routed = made.open(made.route(thread="t", pinned_class="local")).routed
        assert ("relay2/m", "", "") == (routed.kept, routed.sticky, routed.intended)

    def test_a_cache_is_not_kept_for_ever(self) -> None:
        """`[policy] sticky` after the last answer; `none` keeps nothing."""
        made = self.two(policy=Policy(sticky="5m"))
        self.moved(made)
        made.later(minutes=5)
        assert "" == made.open(made.route(thread="t")).routed.kept
        made = self.two(policy=Policy(sticky="none"))
        self.moved(made)
        assert "" == made.open(made.route(thread="t")).routed.kept

    def test_where_nothing_is_cached_there_is_nothing_to_stay_for(self) -> None:
        """The first answer can't have read what it wrote; a second one without a cached token shows that none is."""
        made = self.two()
        call = made.route(thread="t")
        made.attempt(call, "reset")
        made.attempt(call)
        assert "relay2/m" == taken(made.attempt(made.route(thread="t")))
        routed = made.open(made.route(thread="t")).routed
        assert ("relay2/m", 0, "") == (routed.kept, routed.kept_cache, routed.sticky)

    def test_a_retry_goes_before(self) -> None:
        """What may be tried again is, wherever the conversation was."""
        made = self.two()
        self.moved(made)
        call = made.route(thread="t")
        held = [taken(made.attempt(call, "server_error")) for _ in range(3)]
        assert ["relay2/m", "relay2/m", RELAY] == held


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

    def test_no_price_in_the_tier_that_is_asked_for(self) -> None:
        """CASES 8: the refusal names the tier where only that has no rates."""
        made = bench(listed(OFFICIAL), credit="9 USD")
        refused = made.refused(made.route(tier_asked="scale"))
        assert ("no_price", ["scale"]) == (refused.reason, [it.tier for it in refused.passed_over])

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
