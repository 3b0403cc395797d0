"""Budgets and caps: what binds a call, what counts against it, and what is refused."""

import dataclasses
from datetime import date
from decimal import Decimal
from typing import Literal
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
import msgspec
import pytest
from builders import LOCAL, OFFICIAL, PLAN, RELAY, Bench, agreed, card, cards, config, finished, listed
from hypothesis import given

from tokens_forge.core.budgets import Payer, bindings, cap_of, rate_at, shown, task_left, wait_ms
from tokens_forge.core.config import Budget, Cap, Config, Key, Per, Rate, Report, Settle, Task
from tokens_forge.core.entries import Counted, Held, Refused, Renamed, Settled, Tasked
from tokens_forge.core.fold import decode
from tokens_forge.core.prices import Cards
from tokens_forge.core.routing import Refuse, decide, may_wait_ms
from tokens_forge.core.settlement import lost, settle
from tokens_forge.core.windows import Calendar

DAY_END = "2026-11-25T00:00:00.000000Z"

FX = Report(
    fx={
        "CNY": (
            Rate(valid_from=date(2026, 1, 1), rate=Decimal(8)),
            Rate(valid_from=date(2026, 11, 25), rate=Decimal(10)),
        )
    }
)
"""8 CNY for a USD, 10 from tomorrow on. A hold on the relay is 0.062 CNY, 0.00775 USD; a charge 0.015 CNY."""


def day(limit: str, **more: object) -> Budget:
    """Return a budget a day."""
    return Budget(limit=limit, per="day", **more)  # pyright: ignore[reportArgumentType] - a builder takes any field


def bench(conf: Config, **amounts: str) -> Bench:
    """Return a bench with money, by default plenty."""
    made = Bench(terms=agreed(conf))
    made.topup(**(amounts or {"wallet": "100 CNY", "credit": "100 USD"}))
    return made


def keyed(budget: Budget | tuple[Budget, ...], *candidates: str) -> Config:
    """Return the bench's config with a budget on the key that asks, and rates."""
    return listed(*(candidates or (RELAY,)), key={"k": Key(budget=budget)}, report=FX)


class TestUnits:
    """CASES 51: a budget counts across units at a named rate."""

    def test_a_budget_in_usd_binds_a_key_that_pays_in_cny(self) -> None:
        """What a hold counts is converted at the rate of the day, which stands beside it."""
        made = bench(keyed(day("5 USD")))
        held = made.held(made.route())
        assert (
            Counted(
                budget="key.k/day",
                amount="0.00775",
                unit="USD",
                fx="8",
                start="2026-11-24T00:00:00.000000Z",
                end=DAY_END,
            ),
        ) == held.counted

    def test_the_rate_of_the_hold_is_frozen(self) -> None:
        """The charge counts at the rate by which it was held, though another holds since midnight; in the new day."""
        made = bench(keyed(day("5 USD")))
        held = made.held(made.route())
        made.later(hours=15)
        entry = made.end(held)
        assert isinstance(entry, Settled)
        (counted,) = entry.counted
        assert ("0.001875", "8", DAY_END) == (counted.amount, counted.fx, counted.start)

    def test_money_of_the_budgets_unit_counts_as_it_is(self) -> None:
        """No rate, no rounding."""
        made = bench(keyed(day("5 USD"), OFFICIAL))
        entry = made.end(made.held(made.route()))
        assert isinstance(entry, Settled)
        assert [("0.0015", "1")] == [(one.amount, one.fx) for one in entry.counted]

    def test_rates_between_two_foreign_units(self) -> None:
        """A budget in CNY counts USD by the same table; what it does not know has no rate."""
        conf = config(
            report=Report(
                unit="EUR", fx={"CNY": FX.fx["CNY"], "USD": (Rate(valid_from=date(2026, 1, 1), rate=Decimal(2)),)}
            )
        )
        at = "2026-11-24T10:00:00.000000Z"
        assert [Decimal(1), Decimal("0.25"), Decimal(4), Decimal(2), None, None] == [
            rate_at(conf, *units, at)
            for units in (
                ("CNY", "CNY"),
                ("USD", "CNY"),
                ("CNY", "USD"),
                ("USD", "EUR"),
                ("GBP", "EUR"),
                ("EUR", "GBP"),
            )
        ]

    def test_without_a_rate_of_the_day_nothing_is_guessed(self) -> None:
        """A rate that begins only tomorrow is none today: the candidate is passed over, and the reason says so."""
        late = Report(fx={"CNY": (Rate(valid_from=date(2026, 12, 1), rate=Decimal(8)),)})
        made = bench(listed(RELAY, OFFICIAL, key={"k": Key(budget=day("5 USD"))}, report=late))
        (passed,) = made.held(made.route()).passed_over
        assert ("over_budget", "key.k/day", "no_fx") == (passed.reason, passed.budget, passed.error)

    def test_pools_and_free_calls_count_nothing(self) -> None:
        """They pass an exhausted budget; what they count is 0, and said."""
        made = bench(keyed(day("0.001 USD"), RELAY, PLAN, LOCAL))
        held = made.held(made.route())
        assert (PLAN, ["0"]) == (f"{held.route}/{held.upstream_model}", [one.amount for one in held.counted])
        for _ in range(2):
            made.call()
        assert "local" == made.held(made.route()).route

    def test_at_list_price_every_call_counts(self) -> None:
        """`count = "list"`: a pool's call counts what the provider would have charged; money with a list price too."""
        made = bench(keyed(day("5 USD", count="list"), PLAN))
        entry = made.end(made.held(made.route()))
        assert isinstance(entry, Settled)
        assert ["0.0015"] == [one.amount for one in entry.counted]
        made = bench(keyed(day("5 USD", count="list"), RELAY))
        held = made.held(made.route())
        assert [("0.0062", "1")] == [(one.amount, one.fx) for one in held.counted]

    def test_without_a_list_price_money_counts_as_charged(self) -> None:
        """A call that has no list price counts its charge; a pool's counts nothing."""
        made = Bench(terms=agreed(keyed(day("5 USD", count="list"), RELAY), cards(list={})))
        made.topup(wallet="100 CNY")
        assert [("0.00775", "8")] == [(one.amount, one.fx) for one in made.held(made.route()).counted]
        made = Bench(terms=agreed(keyed(day("5 USD", count="list"), PLAN), cards(list={})))
        assert ["0"] == [one.amount for one in made.held(made.route()).counted]


class TestEnforcement:
    """CASES 29, 30, 33, 35, 36: settled and live holds together never exceed it."""

    def test_holds_count_while_they_live(self) -> None:
        """Two holds fit, the third does not; when one ends with less, another fits."""
        made = bench(keyed(day("0.02 USD")))
        first, second = made.held(made.route()), made.held(made.route())
        refused = made.refused(made.route())
        (passed,) = refused.passed_over
        assert ("nothing_can_pay", "budget_exceeded", 402) == (refused.reason, refused.error, refused.client_status)
        assert ("over_budget", "key.k/day", "0.0045", "0.00775", "USD", "0.02", "0", "0.0155", DAY_END) == (
            passed.reason,
            passed.budget,
            passed.available,
            passed.need,
            passed.unit,
            passed.limit,
            passed.spent,
            passed.held,
            passed.until,
        )
        assert (f"{first.id}/1", f"{second.id}/1") == passed.holds
        made.end(first)
        assert isinstance(made.step(made.route()), Held)

    def test_what_is_spent_is_in_nobodys_way(self) -> None:
        """A budget that is spent names no holds: waiting would not help."""
        made = bench(keyed(day("0.00775 USD")))
        made.call()
        (passed,) = made.refused(made.route()).passed_over
        assert ("0.001875", "", ()) == (passed.spent, passed.held, passed.holds)

    def test_a_hold_of_nothing_finds_no_room_where_nothing_is_left(self) -> None:
        """What nobody knows the price of may cost: a budget that is spent refuses it, and no hold is to blame."""
        reported = cards(charge={RELAY: (card(RELAY, {}, unit="CNY", terms="reported"),)})
        made = Bench(terms=agreed(keyed(day("0.01 USD")), reported))
        made.topup(wallet="1 CNY")
        first, second = made.held(made.route()), made.held(made.route())
        made.end(first, finished(reported_cost=Decimal("0.08")))
        (passed,) = made.refused(made.route()).passed_over
        assert ("over_budget", "0", "0.01", "0.01", ()) == (
            passed.reason,
            passed.available,
            passed.need,  # what the first one cost: such calls hold that much from then on
            passed.spent,
            passed.holds,
        )
        made.end(second, finished(reported_cost=Decimal("0.08")))
        (row,) = shown(made.terms.config, made.fold.budgets, made.at, made.terms.calendar)
        assert Decimal("-0.01") == row.left

    def test_a_period_that_is_open_keeps_its_end(self) -> None:
        """Another timezone in the config begins with the next period: nothing is spent twice or forgotten."""
        made = bench(keyed(day("5 USD")))
        made.call()
        berlin = Calendar(zone=ZoneInfo("Europe/Berlin"))
        made.configure(dataclasses.replace(made.terms, calendar=berlin))
        assert [DAY_END] == [one.end for one in made.held(made.route()).counted]
        made.later(days=1)
        assert ["2026-11-25T23:00:00.000000Z"] == [one.end for one in made.held(made.route()).counted]

    def test_a_voided_hold_counts_no_more(self) -> None:
        """A hold always ends."""
        made = bench(keyed(day("0.00775 USD")))
        made.call("rate_limited")
        assert Decimal(0) == made.fold.budgets.state("key.k/day", "USD").held
        made.later(minutes=1)
        assert isinstance(made.step(made.route()), Held)

    def test_it_is_looked_at_for_each_candidate(self) -> None:
        """CASES 33: a free primary, and a fallback that must be paid."""
        made = bench(keyed(day("0.001 USD"), LOCAL, RELAY))
        call = made.route()
        made.attempt(call, "server_error")
        made.attempt(call, "server_error")
        assert [("local/m", "attempts_used"), (RELAY, "over_budget")] == [
            (passed.candidate, passed.reason) for passed in made.refused(call).passed_over
        ]

    def test_every_owner_may_have_several(self) -> None:
        """Key, task and its cap, route and balance: each binds, in this order, hours and months too."""
        conf = listed(
            RELAY,
            key={"k": Key(budget=(day("1 USD"), Budget(limit="9 CNY", per="month")))},
            task={"t": Task(cap=Cap(limit="2 USD"), budget=Budget(limit="1 USD", per="hour"))},
            report=FX,
        )
        made = bench(conf)
        held = made.held(made.route(task="t"))
        assert ["key.k/day", "key.k/month", "task.t/cap", "task.t/hour"] == [one.budget for one in held.counted]
        assert ["2026-11-25T00", "2026-12-01T00", "", "2026-11-24T11"] == [one.end[:13] for one in held.counted]
        assert [] == list(
            bindings(conf, made.fold.budgets, Payer(key="other", task="", route="relay", balance="wallet"))
        )

    def test_a_new_day_begins_with_nothing_spent(self) -> None:
        """What was charged yesterday is yesterday's; a live hold counts in both."""
        made = bench(keyed(day("0.012 USD")))
        made.call()
        live = made.held(made.route())
        made.later(days=1)
        assert (Decimal(0), Decimal("0.00775")) == (
            made.fold.budgets.state("key.k/day", "USD").spent(made.at),
            made.fold.budgets.state("key.k/day", "USD").held,
        )
        assert isinstance(made.step(made.route()), Refused)
        made.end(live)
        assert isinstance(made.step(made.route()), Held)

    def test_another_unit_begins_anew(self) -> None:
        """A budget that was written in CNY counts nothing of what it counted in USD."""
        made = bench(keyed(day("5 USD")))
        made.call()
        made.configure(agreed(keyed(day("40 CNY"))))
        held = made.held(made.route())
        assert [("0.062", "CNY")] == [(one.amount, one.unit) for one in held.counted]
        assert Decimal(0) == made.fold.budgets.state("key.k/day", "CNY").spent(made.at)

    def test_calls_of_two_configs_count_apart(self) -> None:
        """A call that began under the old unit may hold in it still (a retry): what counts in the new one stays."""
        made = bench(keyed(day("5 USD")))
        old, older = made.route(), made.held(made.route())
        made.configure(agreed(keyed(day("0.09 CNY"))))
        made.call()
        made.held(made.route())
        late = made.held(old)
        (passed,) = made.refused(made.route()).passed_over
        assert ("0.09", "0.015", "0.062") == (passed.limit, passed.spent, passed.held)
        for held in (late, older):
            made.end(held)

        state = made.fold.budgets.state
        assert (Decimal("0.015"), Decimal("0.062")) == (
            state("key.k/day", "CNY").spent(made.at),
            state("key.k/day", "CNY").held,
        )
        assert (Decimal("0.00375"), Decimal(0)) == (
            state("key.k/day", "USD").spent(made.at),
            state("key.k/day", "USD").held,
        )
        made.append(Renamed(scope="key", name="kay", was="k"))
        assert Decimal("0.015") == state("key.kay/day", "CNY").spent(made.at)
        assert Decimal("0.00375") == state("key.kay/day", "USD").spent(made.at)
        assert made.fold == made.replayed() == decode(made.fold.encode())

    def test_a_correction_gives_back(self) -> None:
        """What a call was billed too much comes back to the budgets that it counted against."""
        made = bench(keyed(day("5 USD")))
        held = made.call()
        assert "" == made.order(
            "wallet", "adjust", "0.008 CNY", corrects=held.id, key="k", route="relay", upstream_model="m"
        )
        assert Decimal("0.000875") == made.fold.budgets.state("key.k/day", "USD").spent(made.at)

    def test_what_is_shown_is_what_is_enforced(self) -> None:
        """CASES 37: limit less spent less held, by the code that refuses; a budget without entries is there too."""
        made = bench(keyed((day("1 USD"), Budget(limit="2 USD", per="week"))))
        made.call()
        made.held(made.route())
        day_, week = shown(made.terms.config, made.fold.budgets, made.at, made.terms.calendar)
        assert ("key.k/day", Decimal("0.001875"), Decimal("0.00775"), Decimal("0.990375"), DAY_END) == (
            day_.name,
            day_.spent,
            day_.held,
            day_.left,
            day_.until,
        )
        assert ("key.k/week", "2026-11-30T00:00:00.000000Z", 1) == (week.name, week.until, len(week.holds))


class TestTasks:
    """A cap for a task's lifetime, and tasks that were stopped."""

    def test_a_cap_has_no_period(self) -> None:
        """It counts for ever, and says how much is left."""
        made = bench(listed(RELAY, task={"t": Task(cap=Cap(limit="0.009 USD", soft=Decimal("0.1")))}, report=FX))
        made.attempt(made.route(task="t"))
        made.later(days=400)
        left = task_left(made.terms.config, made.fold.budgets, "t", made.at)
        assert left is not None
        assert (Decimal("0.007125"), True, "") == (left.left, left.soft, left.until)
        made.attempt(made.route(task="t"))
        (passed,) = made.refused(made.route(task="t")).passed_over
        assert ("task.t/cap", "0.005625", "") == (passed.budget, passed.available, passed.until)
        assert task_left(made.terms.config, made.fold.budgets, "other", made.at) is None

    @pytest.mark.parametrize(("limit", "soft"), [("0.0025 USD", False), ("0.00234375 USD", True)])
    def test_a_warning_begins_at_its_share(self, limit: str, soft: bool) -> None:
        """0.001875 spent: 75 % of the one, exactly 80 % of the other."""
        made = bench(listed(RELAY, task={"t": Task(cap=Cap(limit="1 USD"))}, report=FX))
        made.attempt(made.route(task="t"))
        made.append(Tasked(task="t", action="raised", cap=limit, soft="0.8"))
        left = task_left(made.terms.config, made.fold.budgets, "t", made.at)
        assert left is not None
        assert soft == left.soft

    def test_a_cap_by_hand_goes_before_the_files(self) -> None:
        """`tf task raise` counts on from what was spent."""
        made = bench(listed(RELAY, task={"t": Task(cap=Cap(limit="0.001 USD"))}, report=FX))
        made.refused(made.route(task="t"))
        made.append(Tasked(task="t", action="raised", cap="1 USD"))
        assert isinstance(made.step(made.route(task="t")), Held)
        assert ["task.t/cap"] == [
            row.name for row in shown(made.terms.config, made.fold.budgets, made.at, made.terms.calendar)
        ]

    def test_a_stopped_task_spends_no_more(self) -> None:
        """403, whatever there is to pay with; other tasks and calls without one go on."""
        made = bench(listed(RELAY, LOCAL))
        made.append(Tasked(task="t", action="started"))
        made.attempt(made.route(task="t"))
        made.append(Tasked(task="t", action="stopped"))
        refused = made.refused(made.route(task="t"))
        assert ("task_stopped", "task_stopped", 403) == (refused.reason, refused.error, refused.client_status)
        assert isinstance(made.step(made.route(task="u")), Held)
        assert isinstance(made.step(made.route()), Held)

    def test_only_tasks_that_were_capped_are_shown(self) -> None:
        """A task that was stopped without a cap has nothing to show; one with a cap says when it was stopped."""
        made = bench(config(report=FX))
        made.append(Tasked(task="t", action="stopped"))
        made.append(Tasked(task="u", action="started", cap="1 USD"))
        made.append(Tasked(task="u", action="stopped"))
        (row,) = shown(made.terms.config, made.fold.budgets, made.at, made.terms.calendar)
        assert ("task.u/cap", made.at) == (row.name, row.stopped)

    @pytest.mark.parametrize(("written", "expected"), [("refuse", 0), ("wait 10m", 600_000), ("wait 250ms", 250)])
    def test_what_a_call_does_at_the_cap(self, written: str, expected: int) -> None:
        """It is refused, or waits so long."""
        assert expected == wait_ms(written)


class TestWaiting:
    """How long a refused call may wait for what stands against it."""

    def refused(self, made: Bench, **routed: str) -> tuple[int, Refuse]:
        """Return how long the next call may wait, and what refuses it."""
        call = made.open(made.route(**routed))
        decision = decide(made.terms, made.fold, call, made.at)
        assert isinstance(decision, Refuse)
        return may_wait_ms(made.terms, made.fold, call, decision), decision

    def test_for_the_holds_of_others(self) -> None:
        """Where they alone are in the way, on a balance or in a budget; never for what is spent."""
        made = bench(listed(RELAY), wallet="0.1 CNY")
        held = made.held(made.route())
        assert 10_000 == self.refused(made)[0]
        made.end(held)
        made.call()
        made.call()
        assert 0 == self.refused(made)[0]
        made = bench(keyed(day("0.01 USD")))
        made.held(made.route())
        assert 10_000 == self.refused(made)[0]

    def test_for_a_raise(self) -> None:
        """At a cap that says so, however it was spent."""
        made = bench(listed(RELAY, task={"t": Task(cap=Cap(limit="0.001 USD", at_cap="wait 10m"))}, report=FX))
        assert 600_000 == self.refused(made, task="t")[0]
        made.append(Tasked(task="t", action="raised", cap="0.002 USD", at_cap="refuse"))
        assert 0 == self.refused(made, task="t")[0]

    def test_at_a_cap_for_holds_too(self) -> None:
        """A cap that lets nobody wait for a raise still lets a call wait for the holds of others in it."""
        made = bench(listed(RELAY, task={"t": Task(cap=Cap(limit="0.01 USD"))}, report=FX))
        made.held(made.route(task="t"))
        assert 10_000 == self.refused(made, task="t")[0]

    def test_not_at_all_where_the_config_says_so(self) -> None:
        """`[settle] wait = "none"`."""
        made = bench(listed(RELAY, settle=Settle(wait="none")), wallet="0.1 CNY")
        made.held(made.route())
        assert 0 == self.refused(made)[0]


def test_a_renamed_owner_keeps_what_it_spent() -> None:
    """CASES 53: a key's budget counts on under its new name, live holds too."""
    made = bench(keyed(day("5 USD")))
    made.call()
    live = made.held(made.route())
    made.append(Renamed(scope="key", name="new", was="k"))
    made.end(live)
    state = made.fold.budgets.state("key.new/day", "USD")
    assert (Decimal("0.00375"), {}) == (state.spent(made.at), state.holds)
    assert made.fold == made.replayed()


def test_a_broken_stream_counts_what_it_cost() -> None:
    """A partial charge counts too; a lost one counts its hold."""
    made = bench(keyed(day("5 USD")))
    made.call(finished("stream_cut", usage={"input": 1000, "output": 0}))
    assert Decimal("0.00125") == made.fold.budgets.state("key.k/day", "USD").spent(made.at)


class TestRates:
    """CASES 51: where a rate is missing, nothing is guessed."""

    def test_no_hold_is_too_small_for_a_rate(self) -> None:
        """A call that holds nothing, as nobody knows its price, may cost: without a rate of the day it is refused."""
        late = Report(fx={"CNY": (Rate(valid_from=date(2026, 12, 1), rate=Decimal(8)),)})
        reported = cards(charge={RELAY: (card(RELAY, {}, unit="CNY", terms="reported"),)})
        made = Bench(terms=agreed(listed(RELAY, key={"k": Key(budget=day("5 USD"))}, report=late), reported))
        made.topup(wallet="1 CNY")
        assert ["no_fx"] == [passed.error for passed in made.refused(made.route()).passed_over]
        made.later(days=10)
        entry = made.end(made.held(made.route()), finished(reported_cost=Decimal("0.5")))
        assert isinstance(entry, Settled)
        assert [("0.0625", "charge", "8")] == told(entry)

    def test_a_hold_that_was_free_froze_none(self) -> None:
        """A price that begins before the request is sent converts by the rate of the day, not by that of nothing."""
        free = card(RELAY, {}, unit="CNY", terms="free")
        priced = card(RELAY, {"input": "10", "output": "50"}, unit="CNY", valid_from=date(2026, 11, 25))
        made = bench(keyed(day("5 USD")))
        made.configure(agreed(keyed(day("5 USD")), cards(charge={RELAY: (free, priced)})))
        held = made.held(made.route())
        made.later(days=1)
        entry = settle(
            made.terms,
            made.open(held.id),
            held,
            dataclasses.replace(finished(), started=made.at),
            made.fold,
            made.at,
        )
        assert ("free", [("0.0015", "charge", "10")]) == (held.hold_basis.kind, told(entry))

    def test_a_free_call_needs_no_rate(self) -> None:
        """What is known to cost nothing counts nothing in any unit."""
        free = cards(charge={RELAY: (card(RELAY, {}, unit="CNY", terms="free"),)})
        made = Bench(terms=agreed(listed(RELAY, key={"k": Key(budget=day("5 USD"))}), free))
        held = made.held(made.route())
        entry = made.end(held)
        assert isinstance(entry, Settled)
        assert [("0", "charge", "1")] == told(held) == told(entry)

    def test_a_cap_in_a_unit_without_a_rate_yet(self) -> None:
        """A call under way counts nothing against a cap whose rate begins later; no other begins before."""
        fx = {"EUR": (Rate(valid_from=date(2027, 1, 1), rate=Decimal(1)),)}
        made = bench(listed(OFFICIAL, task={"t": Task(cap=Cap(limit="1 USD"))}, report=Report(fx=fx)))
        held = made.held(made.route(task="t"))
        made.append(Tasked(task="t", action="raised", cap="5 EUR"))
        entry = made.end(held)
        assert isinstance(entry, Settled)
        assert [] == told(entry)
        assert ["no_fx"] == [passed.error for passed in made.refused(made.route(task="t")).passed_over]


class TestListed:
    """CASES 51: what a budget counts at list price, where not all of it is known."""

    def listing(self, candidate: str, prices: Cards | None = None, **settle: str) -> Bench:
        """Return a bench whose key counts at list price."""
        conf = keyed(day("5 USD", count="list"), candidate)
        conf = msgspec.structs.replace(conf, settle=msgspec.convert(settle, Settle))
        made = Bench(terms=agreed(conf, prices))
        made.topup(wallet="100 CNY")
        return made

    def test_an_end_without_a_usage_counts_what_was_held(self) -> None:
        """The hold becomes the charge, in CNY; what it counted was a list price in USD, and never 0.062 of those."""
        made = self.listing(RELAY, unanswered="hold")
        held = made.held(made.route())
        entry = made.end(held, "reset")
        assert isinstance(entry, Settled)
        assert ("0.062", "CNY") == (entry.charge, entry.unit)
        assert [("0.0062", "list", "1")] == [(one.amount, one.by, one.fx) for one in entry.counted] == told(held)

    @pytest.mark.parametrize("candidate", [RELAY, PLAN])
    def test_a_lost_attempt_counts_what_was_held(self, candidate: str) -> None:
        """CASES 55: with its terms or without them, and where a pool paid: unknown is never zero."""
        made = self.listing(candidate)
        held = made.held(made.route())
        for terms in (made.terms, None):
            entry = lost(made.open(held.id), held, final=True, fold=made.fold, terms=terms, at=made.at)
            assert [("0.0062", "list", "1")] == told(entry)

    def test_a_list_that_lacks_a_class_is_none_for_the_hold(self) -> None:
        """Half a list price is none: the hold counts as money, so that parallel calls still find no room."""
        half = {RELAY: (card(RELAY, {"input": "1"}),)}
        made = self.listing(RELAY, cards(list=half))
        held = made.held(made.route())
        assert [("0.00775", "charge", "8")] == told(held)
        entry = made.end(held)
        assert isinstance(entry, Settled)
        assert [("0.001875", "charge", "8")] == told(entry)

    def test_a_rate_goes_with_what_it_converted(self) -> None:
        """A call held at its charge and billed at a list price is converted by that one's rate, not by the frozen."""
        half = {RELAY: (card(RELAY, {"input": "1"}),)}
        made = self.listing(RELAY, cards(list=half))
        held = made.held(made.route())
        entry = made.end(held, finished(usage={"input": 1000, "output": 0}))
        assert isinstance(entry, Settled)
        assert ([("0.00775", "charge", "8")], [("0.001", "list", "1")]) == (told(held), told(entry))

    def test_a_budget_in_another_unit_counts_a_list_price_at_the_frozen_rate(self) -> None:
        """List prices are in USD; the rate of the hold holds for what was used, and for what nobody knows."""
        for ended, amount in (("", "0.012"), ("reset", "0.0496")):
            conf = keyed(day("40 CNY", count="list"), RELAY)
            made = bench(msgspec.structs.replace(conf, settle=Settle(unanswered="hold")), wallet="100 CNY")
            held = made.held(made.route())
            made.later(hours=15)
            entry = made.end(held, ended)
            assert isinstance(entry, Settled)
            assert ([("0.0496", "list", "0.125")], [(amount, "list", "0.125")]) == (told(held), told(entry))

    def test_a_raise_keeps_what_a_cap_counts(self) -> None:
        """`tf task raise` says how much, not what is counted: a pool's calls count on at list price."""
        made = bench(listed(PLAN, task={"t": Task(cap=Cap(limit="0.001 USD", count="list"))}))
        made.append(Tasked(task="t", action="raised", cap="1 USD"))
        assert Cap(limit="1 USD", count="list") == cap_of(made.terms.config, made.fold.budgets, "t")
        assert [("0.0062", "list", "1")] == told(made.held(made.route(task="t")))


def test_a_cap_that_is_raised_in_another_unit_begins_anew() -> None:
    """A rate frozen for the old unit is none for the new: a call under way counts by that of the day."""
    made = bench(listed(RELAY, task={"t": Task(cap=Cap(limit="1 USD"))}, report=FX))
    held = made.held(made.route(task="t"))
    made.append(Tasked(task="t", action="raised", cap="8 CNY"))
    entry = made.end(held)
    assert isinstance(entry, Settled)
    assert ([("0.00775", "charge", "8")], [("0.015", "charge", "1")]) == (told(held), told(entry))
    assert made.fold == made.replayed()


@pytest.mark.parametrize("key", ["k", "other", "without a table"])
def test_no_key_is_exempt(key: str) -> None:
    """CASES 35: a route's, a balance's and a task's budget bind the calls of every key."""
    tables = config()
    wallet = msgspec.structs.replace(tables.balance["wallet"], budget=Budget(limit="1 CNY", per="week"))
    relay = msgspec.structs.replace(tables.route["relay"], budget=Budget(limit="0.1 CNY", per="hour"))
    conf = listed(
        RELAY,
        balance={**tables.balance, "wallet": wallet},
        route={**tables.route, "relay": relay},
        task={"t": Task(cap=Cap(limit="1 CNY"))},
        key={"k": Key(), "other": Key(classes=("ordinary",))},
    )
    made = bench(conf)
    held = made.held(made.route(key=key, task="t"))
    assert ["task.t/cap", "route.relay/hour", "balance.wallet/week"] == [one.budget for one in held.counted]
    (passed,) = made.refused(made.route(key=key, task="t")).passed_over
    assert ("route.relay/hour", (f"{held.id}/1",)) == (passed.budget, passed.holds)


def test_two_budgets_and_a_balance_say_which_stood_in_the_way() -> None:
    """CASES 38: a code for what to raise; the first that does not fit is named, in the order of their owners."""
    made = bench(keyed((day("0.001 USD"), Budget(limit="0.001 CNY", per="month"))), wallet="0.01 CNY")
    short = made.refused(made.route())
    assert ("insufficient_balance", ["wallet"]) == (short.error, [passed.balance for passed in short.passed_over])
    made.topup(wallet="1 CNY")
    over = made.refused(made.route())
    assert ("budget_exceeded", ["key.k/day"]) == (over.error, [passed.budget for passed in over.passed_over])
    assert (402, 402) == (short.client_status, over.client_status)


COUNTING = st.sampled_from(["charge", "list"])
LIMITS = st.sampled_from(["0.001 USD", "0.02 USD", "0.1 USD", "0.03 CNY", "0.3 CNY"])
PERIODS = st.sampled_from(["hour", "day", "week", "month"])
MOVES = st.lists(
    st.sampled_from(["asks", "asks", "asks", "asks with a task", "ends", "ends early", "fails", "an hour", "a day"]),
    max_size=40,
)


@given(
    limits=st.tuples(LIMITS, LIMITS, LIMITS, LIMITS),
    counting=st.tuples(COUNTING, COUNTING, COUNTING, COUNTING),
    periods=st.tuples(PERIODS, PERIODS, PERIODS),
    order=st.permutations([RELAY, OFFICIAL, PLAN, LOCAL]),
    moves=MOVES,
)
def test_calls_in_parallel_never_exceed_a_budget(
    limits: tuple[str, ...],
    counting: tuple[Literal["charge", "list"], ...],
    periods: tuple[Per, ...],
    order: list[str],
    moves: list[str],
) -> None:
    """CASES 29, 30, 33, 51: whatever begins, fails or ends, over midnights and a new exchange rate.

    As long as no charge goes beyond its hold, what is settled and held stays within each budget, in its unit.
    """
    one, two, three = (
        Budget(limit=limit, per=per, count=count) for limit, per, count in zip(limits, periods, counting, strict=False)
    )
    tables = config()
    conf = listed(
        *order,
        key={"k": Key(budget=one)},
        route={**tables.route, "relay": msgspec.structs.replace(tables.route["relay"], budget=two)},
        balance={**tables.balance, "credit": msgspec.structs.replace(tables.balance["credit"], budget=three)},
        task={"t": Task(cap=Cap(limit=limits[3], count=counting[3]))},
        report=FX,
    )
    made = bench(conf)
    under_way: list[Held] = []
    for move in moves:
        match move:
            case "an hour":
                made.later(hours=1)
            case "a day":
                made.later(days=1)
            case "ends" | "ends early" | "fails":
                if under_way:
                    held = under_way.pop(0)
                    usage = {"input": 1200, "output": 1000} if move == "ends" else {"input": 7, "output": 1}
                    ended = made.end(held, finished("reset" if move == "fails" else "", usage=usage))
                    if not ended.final and isinstance(again := made.step(held.id), Held):
                        under_way.append(again)
            case _:
                task = "t" if move == "asks with a task" else ""
                if isinstance(entry := made.step(made.route(task=task)), Held):
                    under_way.append(entry)
        for row in shown(conf, made.fold.budgets, made.at, made.terms.calendar):
            assert row.left >= 0, row
    for held in under_way:
        made.end(held)
    assert {Decimal(0)} >= {row.held for row in shown(conf, made.fold.budgets, made.at, made.terms.calendar)}
    assert made.fold == made.replayed()


def told(entry: Held | Settled) -> list[tuple[str, str, str]]:
    """Return what counts against budgets: how much, what of it, at which rate."""
    return [(one.amount, one.by, one.fx) for one in entry.counted]


def test_a_correction_leaves_a_list_budget_alone() -> None:
    """What a call is at list price is no matter of what it was charged."""
    made = bench(keyed(day("5 USD", count="list")))
    held = made.call()
    before = made.fold.budgets.state("key.k/day", "USD").spent(made.at)
    assert "" == made.order(
        "wallet", "adjust", "0.014 CNY", corrects=held.id, key="k", route="relay", upstream_model="m"
    )
    assert Decimal("0.0015") == before == made.fold.budgets.state("key.k/day", "USD").spent(made.at)
