"""What an attempt reserves, what it costs, and how sure that is."""

from dataclasses import replace as changed
from datetime import date
from decimal import Decimal
from typing import TypedDict

import pytest
from builders import LIST, LOCAL, OFFICIAL, OUTPUT, PLAN, RELAY, Bench, agreed, card, cards, config, finished, listed
from msgspec.structs import replace

from tokens_forge.core.config import (
    Balance,
    Budget,
    Cap,
    Config,
    Key,
    Rate,
    Report,
    Settle,
    Task,
    Window,
)
from tokens_forge.core.entries import Renamed, Settled, Voided
from tokens_forge.core.fold import Fold
from tokens_forge.core.prices import Cards, Service
from tokens_forge.core.settlement import Finish, Terms, lost

PLENTY = {"wallet": "100 CNY", "credit": "100 USD"}


class Start(TypedDict):
    """What a start knows of the calls that it finds."""

    final: bool
    fold: Fold
    terms: Terms
    at: str


def bench(candidate: str, prices: Cards | None = None, **changes: object) -> Bench:
    """Return a bench on which `smart` is one candidate, with plenty on both wallets."""
    made = Bench(terms=agreed(replace(listed(candidate), **changes), prices))
    made.topup(**PLENTY)
    return made


def settled(made: Bench, ended: str | Finish = "") -> Settled:
    """Make one call and return how its attempt was settled."""
    entry = made.end(made.held(made.route()), ended)
    assert isinstance(entry, Settled)
    return entry


def lines_sum(entry: Settled) -> Decimal:
    """Return the exact sum of the charge lines."""
    return sum((Decimal(line.amount) for line in entry.lines), Decimal(0))


class TestHold:
    """What is reserved (DESIGN 6)."""

    def test_the_bound(self) -> None:
        """The input estimate times 1.2 and the output bound, at the card in force, which the entry names."""
        made = bench(RELAY)
        held = made.held(made.route(input_estimate=1001, output_bound=10))
        # 1,202 tokens in (1,201.2 rounded up) at 10 CNY a Mtok, 10 out at 50.
        assert ("0.01252", "CNY") == (held.hold, held.unit)
        assert ("bound", 1202, 10, f"{RELAY}@2026-01-01") == (
            held.hold_basis.kind,
            held.hold_basis.input,
            held.hold_basis.output,
            held.hold_basis.card,
        )

    def test_a_pool_counts_and_free_holds_nothing(self) -> None:
        """One request; a hold names the windows in which it counts."""
        made = Bench(terms=agreed(listed(PLAN)))
        held = made.held(made.route())
        assert ("1", "requests", ["first-use/5h", "first-use/7d"]) == (
            held.hold,
            held.unit,
            [window.window for window in held.windows],
        )
        made = Bench(terms=agreed(listed(LOCAL)))
        held = made.held(made.route())
        assert ("0", "free", ()) == (held.hold, held.unit, held.windows)

    def test_a_card_without_a_rate_for_output_refuses(self) -> None:
        """CASES 12: a class without a price is not free, unless that is allowed."""
        prices = Cards(charge={RELAY: (card(RELAY, {"input": "1"}, fx=Decimal(10)),)})
        made = bench(RELAY, prices)
        assert "no_price" == made.refused(made.route()).reason
        made = bench(RELAY, prices, settle=Settle(unpriced="zero"))
        entry = settled(made)
        assert ("unpriced", ("unpriced_output",), "0.01", "") == (
            entry.certainty,
            entry.flags,
            entry.charge,
            entry.saving,
        )

    def test_the_card_is_the_one_of_the_moment(self) -> None:
        """Dated cards: the last one that has begun."""
        later = card(RELAY, {"input": "2", "output": "5"}, fx=Decimal(10), valid_from=date(2026, 11, 25))
        made = bench(RELAY, replace(cards(), charge={RELAY: (*cards().charge[RELAY], later)}))
        before = settled(made)
        made.later(days=1)
        assert ("0.015", "0.025") == (before.charge, settled(made).charge)


class TestCharge:
    """What is posted."""

    def test_reported_usage_at_the_card(self) -> None:
        """CASES 1, 4, 5, 9: disjoint classes once each, reasoning a part of output, lines sum to the charge."""
        usage = {"input": 400, "cache_read": 800, "output": 300, "reasoning": 100}
        entry = settled(bench(OFFICIAL), finished(usage=usage))
        assert [("input", "0.0004"), ("cache_read", "0.00008"), ("output", "0.0015")] == [
            (line.usage_class, line.amount) for line in entry.lines
        ]
        assert ("0.00198", "USD", "computed", "reported") == (
            entry.charge,
            entry.unit,
            entry.certainty,
            entry.usage_source,
        )
        assert Decimal(entry.charge) == lines_sum(entry)

    def test_the_balance_before_and_after(self) -> None:
        """What was posted, and what is: the entry's own arithmetic."""
        entry = settled(bench(OFFICIAL))
        assert ("100", "99.9985", "0.0015") == (entry.balance_before, entry.balance_after, entry.charge)

    def test_more_than_the_hold_is_an_overrun(self) -> None:
        """A charge above its hold is a fact, posted to the balance that held (CASES 36)."""
        entry = settled(bench(OFFICIAL), finished(usage={"input": 100_000, "output": 0}))
        assert ("0.1", "0.0062", "0.0938") == (entry.charge, entry.hold, entry.overrun)

    def test_a_tier_of_service_without_rates_is_billed_at_base(self) -> None:
        """CASES 8: what was served in a tier that the card has not costs the base rates, and is no computed bill."""
        served = {tier: settled(bench(OFFICIAL), finished(tier_served=tier)) for tier in ("", "default", "flex")}
        guess = ("0.0015", "estimated", ("tier_unpriced",))
        assert {"": ("0.0015", "computed", ()), "default": ("0.0015", "computed", ()), "flex": guess} == {
            tier: (entry.charge, entry.certainty, entry.flags) for tier, entry in served.items()
        }

    def test_the_upstreams_own_cost_stands_beside_ours(self) -> None:
        """CASES 15."""
        entry = settled(bench(OFFICIAL), finished(reported_cost=Decimal("1E-7")))
        assert ("0.0000001", "0.0015") == (entry.reported_cost, entry.charge)

    @pytest.mark.parametrize(
        ("asked", "served", "tier", "charge"),
        [
            ("priority", "", "priority", "0.003"),
            ("priority", "default", "base", "0.0015"),
            ("", "flex", "base", "0.0015"),
        ],
    )
    def test_the_served_tier_goes_before_the_asked(self, asked: str, served: str, tier: str, charge: str) -> None:
        """CASES 8: where the upstream says nothing the tier asked for is billed; one without a price at base."""
        dear = card(OFFICIAL, LIST, service={"priority": Service(rates={"input": Decimal(2), "output": Decimal(10)})})
        made = bench(OFFICIAL, cards(charge={OFFICIAL: (dear,)}))
        entry = made.end(made.held(made.route(tier_asked=asked)), finished(tier_served=served))
        assert isinstance(entry, Settled)
        assert entry.card is not None
        assert (tier, charge) == (entry.card.tier, entry.charge)
        assert (served == "flex") == (entry.certainty == "estimated")


class TestSureness:
    """CASES 18-20, 25: a figure says where it comes from."""

    def test_a_reply_without_usage_is_estimated_from_its_bytes(self) -> None:
        """Input by the request's bytes, output by the reply's."""
        entry = settled(bench(OFFICIAL), changed(finished(), usage=None, output_estimate=20))
        assert ({"input": OUTPUT, "output": 20}, "estimated", "estimated", "0.0011") == (
            entry.usage,
            entry.usage_source,
            entry.certainty,
            entry.charge,
        )

    def test_what_a_broken_stream_said_is_kept(self) -> None:
        """CASES 20: partial usage is no final word."""
        entry = settled(bench(OFFICIAL), finished("stream_cut", usage={"input": 10, "output": 1}, whole=False))
        assert ("broken", "partial", "estimated", "0.000015") == (
            entry.outcome,
            entry.usage_source,
            entry.certainty,
            entry.charge,
        )

    def test_unanswered_is_its_input(self) -> None:
        """CASES 55: sent and never answered is not free; nothing is guessed of an output."""
        entry = settled(bench(OFFICIAL), finished("reset"))
        assert ("unanswered", "estimated", "0.001", False) == (
            entry.outcome,
            entry.certainty,
            entry.charge,
            entry.final,
        )

    def test_unanswered_may_be_its_hold(self) -> None:
        """`[settle] unanswered = "hold"`."""
        entry = settled(bench(OFFICIAL, settle=Settle(unanswered="hold")), finished("reset"))
        assert ("none", "estimated", entry.hold, ("charged_at_hold",)) == (
            entry.usage_source,
            entry.certainty,
            entry.charge,
            entry.flags,
        )
        assert "" == entry.list

    def test_usage_that_cannot_be_true_leaves_the_hold(self) -> None:
        """DESIGN 6: an impossible total keeps the hold as the charge and is flagged."""
        entry = settled(bench(OFFICIAL), changed(finished(), usage=None, flags=("impossible_total",)))
        assert (entry.hold, "estimated", ("impossible_total", "charged_at_hold")) == (
            entry.charge,
            entry.certainty,
            entry.flags,
        )

    def test_so_does_that_of_a_pool(self) -> None:
        """A pool in requests or tokens counts its hold then."""
        entry = settled(Bench(terms=agreed(listed(PLAN))), changed(finished(), usage=None, flags=("impossible_total",)))
        assert ("1", "estimated", ("impossible_total", "charged_at_hold")) == (
            entry.charge,
            entry.certainty,
            entry.flags,
        )

    def test_a_hold_of_nothing_is_no_estimate(self) -> None:
        """CASES 12: where no price was known to hold by, and nothing was reported, it is unpriced, never a sure 0."""
        made = bench(RELAY, replace(cards(), charge={RELAY: (card(RELAY, {}, unit="CNY", terms="reported"),)}))
        entry = settled(made, changed(finished(), usage=None, flags=("impossible_total",)))
        assert ("0", "unpriced", "") == (entry.charge, entry.certainty, entry.saving)
        held = made.held(made.route())
        assert "unpriced" == lost(held=held, call=made.open(held.id), **start(made)).certainty

    def test_a_price_that_is_not_known_is_unpriced(self) -> None:
        """CASES 12: allowed and listed as unpriced, never a silent zero."""
        entry = settled(bench(RELAY, replace(cards(), charge={}), settle=Settle(unpriced="zero")))
        assert ("0", "unpriced", ("no_price",), "0.0015", "") == (
            entry.charge,
            entry.certainty,
            entry.flags,
            entry.list,
            entry.saving,
        )

    def test_refused_before_inference_is_void(self) -> None:
        """CASES 48: its own class, no zero-cost success; the wait that was asked for is kept."""
        made = bench(OFFICIAL)
        entry = made.end(made.held(made.route()), finished("rate_limited", wait_s="20"))
        assert isinstance(entry, Voided)
        assert ("rejected", "zero", "20", "0.0062") == (entry.outcome, entry.certainty, entry.wait_s, entry.hold)


class TestPools:
    """A pool's own arithmetic: counts, never money."""

    def test_a_request_is_one(self) -> None:
        """The saving is the list cost: a pool's marginal cost is nothing (CASES 47)."""
        entry = settled(Bench(terms=agreed(listed(PLAN))))
        assert ("1", "requests", "computed", "0.0015", "USD", "0.0015") == (
            entry.charge,
            entry.unit,
            entry.certainty,
            entry.list,
            entry.list_unit,
            entry.saving,
        )
        assert ("3", "2") == (entry.balance_before, entry.balance_after)

    def test_tokens_count_cached_ones_too(self) -> None:
        """CASES 49: a quota's unit is stated, and what it counts."""
        plan = Balance(kind="pool", unit="tokens", windows=(Window(allow=Decimal(9000), per="5h"),))
        made = Bench(terms=agreed(listed(PLAN, balance={**config().balance, "plan": plan})))
        usage = {"input": 5, "cache_read": 90, "output": 4, "reasoning": 3, "audio_out": 1}
        entry = settled(made, finished(usage=usage))
        assert ("100", "tokens", "9000", "8900") == (
            entry.charge,
            entry.unit,
            entry.balance_before,
            entry.balance_after,
        )

    def test_a_window_that_ended_meanwhile_is_not_charged(self) -> None:
        """An amount belongs to the moment of its settlement, and so do the figures before and after it."""
        made = Bench(terms=agreed(listed(PLAN)))
        made.call()
        held = made.held(made.route())
        made.later(hours=5)
        entry = made.end(held)
        assert isinstance(entry, Settled)
        assert ("3", "3") == (entry.balance_before, entry.balance_after)

    def test_free_costs_nothing_and_says_so(self) -> None:
        """Explicitly free differs from a price that is not known."""
        entry = settled(Bench(terms=agreed(listed(LOCAL))))
        assert ("0", "free", "zero", "0.0015", "") == (
            entry.charge,
            entry.unit,
            entry.certainty,
            entry.saving,
            entry.balance_before,
        )


class TestSaving:
    """List less charge, in the list's unit, at a named rate (CASES 45, 46)."""

    def test_in_one_unit(self) -> None:
        """At 60 % of the list price."""
        prices = replace(cards(), charge={OFFICIAL: (card(OFFICIAL, LIST, list_share=Decimal("0.6")),)})
        entry = settled(bench(OFFICIAL, prices))
        assert ("0.0009", "0.0015", "0.0006", "USD") == (entry.charge, entry.list, entry.saving, entry.list_unit)

    def test_at_the_cards_exchange(self) -> None:
        """A share of the list price names its own rate."""
        entry = settled(bench(RELAY))
        assert ("0.015", "CNY", "0.0015", "USD", "0") == (
            entry.charge,
            entry.unit,
            entry.list,
            entry.list_unit,
            entry.saving,
        )

    @pytest.mark.parametrize(
        ("report", "saving"),
        [
            (Report(fx={"CNY": (Rate(valid_from=date(2026, 1, 1), rate=Decimal(3)),)}), "0.000833333333"),
            (Report(fx={"CNY": (Rate(valid_from=date(2027, 1, 1), rate=Decimal(3)),)}), ""),
            (Report(), ""),
            (Report(unit="EUR"), ""),
        ],
    )
    def test_a_sheet_of_its_own_takes_the_reports_rate(self, report: Report, saving: str) -> None:
        """A sheet in the balance's own currency is never converted; without a dated rate no saving is stated."""
        sheet = card(RELAY, {"input": "1", "output": "10"}, unit="CNY")
        entry = settled(bench(RELAY, replace(cards(), charge={RELAY: (sheet,)}), report=report))
        assert ("0.002", "CNY", saving) == (entry.charge, entry.unit, entry.saving)

    def test_a_list_that_lacks_a_class_states_nothing(self) -> None:
        """Half a list price is none."""
        prices = replace(cards(), list={OFFICIAL: (card(OFFICIAL, {"input": "1"}),)})
        entry = settled(bench(OFFICIAL, prices))
        assert ("", "", "") == (entry.list, entry.list_unit, entry.saving)


class TestLost:
    """A hold that a start found (CASES 42, 55)."""

    def test_money_is_charged_at_its_hold(self) -> None:
        """Estimated, to be corrected by hand; the hold ends."""
        made = bench(OFFICIAL)
        held = made.held(made.route())
        entry = lost(made.open(held.id), held, final=True, fold=made.fold, terms=made.terms, at=made.at)
        assert ("lost", "estimated", "0.0062", "100", "99.9938", "none") == (
            entry.outcome,
            entry.certainty,
            entry.charge,
            entry.balance_before,
            entry.balance_after,
            entry.usage_source,
        )

    def test_without_its_terms_only_the_charge_is_stated(self) -> None:
        """What is left of a pool only its config says; the charge counts in the windows of its hold that are open."""
        made = Bench(terms=agreed(listed(PLAN)))
        held = made.held(made.route())
        made.later(hours=6)
        entry = lost(made.open(held.id), held, final=True, fold=made.fold, terms=None, at=made.at)
        assert ("1", "", "") == (entry.charge, entry.balance_before, entry.balance_after)
        assert ["first-use/7d"] == [window.window for window in entry.windows]

    def test_without_its_terms_it_counts_in_periods_that_are_not_over(self) -> None:
        """What a hold counted yesterday is none of today's; of the week it is, and a cap has no end."""
        budget = (Budget(limit="9 USD", per="day"), Budget(limit="9 USD", per="week"))
        made = bench(OFFICIAL, key={"k": Key(budget=budget)}, task={"t": Task(cap=Cap(limit="9 USD"))})
        held = made.held(made.route(task="t"))
        assert ["key.k/day", "key.k/week", "task.t/cap"] == [one.budget for one in held.counted]
        made.later(days=1)
        entry = lost(made.open(held.id), held, final=True, fold=made.fold, terms=None, at=made.at)
        assert held.counted[1:] == entry.counted

    def test_with_its_terms_a_pool_states_what_is_left(self) -> None:
        """By the config that was in force."""
        made = Bench(terms=agreed(listed(PLAN)))
        held = made.held(made.route())
        entry = lost(made.open(held.id), held, final=True, fold=made.fold, terms=made.terms, at=made.at)
        assert ("1", "3", "2") == (entry.charge, entry.balance_before, entry.balance_after)

    @pytest.mark.parametrize("renamed", [True, False])
    def test_names_that_changed_under_it(self, renamed: bool) -> None:
        """CASES 53: a start knows the config of the end; the hold names balance, route and key as they were.

        The process may also have ended before the new names were entered.
        """
        conf, day = config(), Budget(limit="9 USD", per="day")
        rates = Report(fx={"CNY": (Rate(valid_from=date(2026, 1, 1), rate=Decimal(8)),)})
        made = bench(RELAY, key={"k": Key(budget=day)}, report=rates)
        held = made.held(made.route())
        wallet = replace(conf.balance["wallet"], was=("wallet",))
        relay = replace(conf.route["relay"], balance="purse", was=("relay",))
        made.configure(
            agreed(
                replace(
                    listed("hop/m"),
                    balance={"purse": wallet},
                    route={"hop": replace(relay, budget=day)},
                    key={"kay": Key(was=("k",), budget=day)},
                    report=replace(rates, fx={"CNY": (Rate(valid_from=date(2026, 1, 1), rate=Decimal(10)),)}),
                )
            )
        )
        if renamed:
            made.append(Renamed(scope="balance", name="purse", was="wallet"))
            made.append(Renamed(scope="route", name="hop", was="relay"))
            made.append(Renamed(scope="key", name="kay", was="k"))
        entry = lost(held=held, call=made.open(held.id), **start(made))
        made.append(entry)

        assert ("0.062", "100", "99.938") == (entry.charge, entry.balance_before, entry.balance_after)
        counts = [("key.kay/day", "0.00775", "8"), ("route.hop/day", "0.0062", "10")]
        assert (counts if renamed else [("key.k/day", "0.00775", "8")]) == [
            (one.budget, one.amount, one.fx) for one in entry.counted
        ]

    @pytest.mark.parametrize("plan", [Balance(kind="free"), Balance(kind="pool", unit="percent", windows="provider")])
    def test_what_held_nothing_cost_nothing(self, plan: Balance) -> None:
        """What is free, and what its provider counts, is zero for sure, lost or not."""
        made = Bench(terms=agreed(listed(PLAN, balance={**config().balance, "plan": plan})))
        held = made.held(made.route())
        entry = lost(held=held, call=made.open(held.id), **start(made))
        assert ("0", "zero") == (entry.charge, entry.certainty)


def start(made: Bench) -> Start:
    """Return what a start knows, as the arguments of `lost`."""
    return {"final": True, "fold": made.fold, "terms": made.terms, "at": made.at}


def test_the_trail_tells_what_came_before() -> None:
    """CASES 22: every attempt under one call, priced at its own route's rates."""
    made = Bench(terms=agreed(_both()))
    made.topup(**PLENTY)
    call = made.route()
    made.attempt(call, "reset")
    entry = made.end(made.held(call))
    assert isinstance(entry, Settled)
    assert [(1, RELAY, "unanswered", "reset", "0.01", "CNY")] == [
        (it.n, it.candidate, it.outcome, it.error, it.charge, it.unit) for it in entry.trail
    ]
    assert ("0.0015", "USD", True) == (entry.charge, entry.unit, entry.final)


def _both() -> Config:
    return listed(RELAY, OFFICIAL)
