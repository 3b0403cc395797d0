"""Balances: what moved, what is reserved, what may still be held."""

import dataclasses
from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from builders import LOCAL, OFFICIAL, PLAN, RELAY, START, Bench, agreed, cards, config, finished, listed
from msgspec.structs import replace

from tokens_forge.core.book import Book, available, balances, burn_a_day, left, remaining, resets
from tokens_forge.core.config import Balance, Per, Window
from tokens_forge.core.entries import Adjusted, Limit, Settled, WindowHeld
from tokens_forge.core.errors import MoneyError
from tokens_forge.core.moments import stamp
from tokens_forge.core.money import text
from tokens_forge.core.settlement import Terms
from tokens_forge.core.windows import Calendar


def at(**span: int) -> str:
    """Return the stamp so long after the bench's start."""
    return stamp(START + timedelta(**span))


def plan_bench() -> Bench:
    """Return a bench with the plan alone: 3 requests in 5 hours, 5 in 7 days."""
    return Bench(terms=agreed(listed(PLAN)))


def shown(bench: Bench, name: str) -> tuple[Decimal, Decimal, Decimal | None]:
    """Return a balance's posted, held and available money."""
    balance = next(shown for shown in balances(bench.terms.config, bench.fold.book, bench.at) if shown.name == name)
    return balance.posted, balance.held, balance.available


def plan_left(bench: Bench) -> dict[str, Decimal]:
    """Return what is left of the plan's windows."""
    plan = bench.terms.config.balance["plan"]
    return dict(left(plan, bench.fold.book.state("plan", "requests"), bench.at))


def test_available_is_posted_less_held() -> None:
    """CASES 30: a hold takes from what is available and nothing from what is posted; its end gives it back."""
    bench = Bench()
    bench.topup(wallet="1 CNY")
    assert (Decimal(1), Decimal(0), Decimal(1)) == shown(bench, "wallet")

    held = bench.held(bench.route())
    assert (Decimal(1), Decimal("0.062"), Decimal("0.938")) == shown(bench, "wallet")

    bench.end(held, "server_error")
    assert (Decimal(1), Decimal(0), Decimal(1)) == shown(bench, "wallet")


def test_a_charge_is_posted_when_its_hold_ends() -> None:
    """A settled attempt moves its charge, not its hold."""
    bench = Bench()
    bench.topup(wallet="1 CNY")
    bench.call()

    assert (Decimal("0.985"), Decimal(0), Decimal("0.985")) == shown(bench, "wallet")


def test_a_charge_above_its_hold_is_a_fact() -> None:
    """DESIGN 6; CASES 36: an overrun stays with the balance that held, which may go below zero by it."""
    bench = Bench(terms=agreed(listed(RELAY)))
    bench.topup(wallet="0.062 CNY")
    bench.call(finished(usage={"input": 10_000, "output": 100}))

    assert (Decimal("-0.043"), Decimal(0), Decimal("-0.043")) == shown(bench, "wallet")
    assert bench.refused(bench.route()).reason == "nothing_can_pay"


def test_parallel_calls_never_exceed_a_balance() -> None:
    """CASES 29: money for two holds is held twice, and the third call finds what is left and what it needs."""
    bench = Bench(terms=agreed(listed(RELAY)))
    bench.topup(wallet="0.15 CNY")
    bench.held(bench.route())
    bench.held(bench.route())
    (over,) = bench.refused(bench.route()).passed_over

    assert ("balance_short", "0.026", "0.062", "CNY") == (over.reason, over.available, over.need, over.unit)


def test_a_hold_that_takes_all_is_granted() -> None:
    """Exactly what is available may be held."""
    bench = Bench(terms=agreed(listed(RELAY)))
    bench.topup(wallet="0.062 CNY")

    assert bench.held(bench.route()).hold == "0.062"


@pytest.mark.parametrize("ended", ["", "server_error"])
def test_a_hold_ends_once(ended: str) -> None:
    """CASES 43: settling twice is impossible, whichever way it ended first."""
    bench = Bench()
    bench.topup(wallet="1 CNY")
    held = bench.held(bench.route())
    entry = bench.end(held, ended)

    with pytest.raises(AssertionError, match="has no hold to end"):
        bench.fold.book.apply(bench.at, entry)


def test_an_attempt_holds_once() -> None:
    """A number of a call is held for once."""
    bench = Bench()
    bench.topup(wallet="1 CNY")
    held = bench.held(bench.route())

    with pytest.raises(AssertionError, match="is held already"):
        bench.fold.book.apply(bench.at, held)


def test_a_balance_keeps_its_unit() -> None:
    """CASES 46: an amount of another unit is refused, and nothing has changed."""
    book = Book()
    book.apply(at(), Adjusted(balance="wallet", amount="1", unit="CNY", reason="topup"))

    with pytest.raises(MoneyError, match="is in CNY and never takes an amount in USD"):
        book.apply(at(), Adjusted(balance="wallet", amount="1", unit="USD", reason="topup"))
    assert Decimal(1) == book.state("wallet", "CNY").posted


def test_a_balance_without_an_entry_is_empty() -> None:
    """Asking for a state makes none."""
    book = Book()
    state = book.state("wallet", "CNY")

    assert (Decimal(0), Decimal(0), "CNY", {}) == (state.posted, state.held, state.unit, book.balances)


def test_references_are_remembered_with_their_moment() -> None:
    """A reference of a top-up counts once, so the book knows those it has."""
    book = Book()
    book.apply(at(), Adjusted(balance="wallet", amount="1", unit="CNY", reason="topup", ref="INV-7"))
    book.apply(at(), Adjusted(balance="wallet", amount="1", unit="CNY", reason="topup"))

    assert {"INV-7": at()} == book.state("wallet", "CNY").refs


def test_a_free_balance_has_no_end() -> None:
    """DESIGN 1: nothing is counted, so nothing is available or left as a number."""
    bench = Bench(terms=agreed(listed(LOCAL)))
    bench.call()

    assert (Decimal(0), Decimal(0), None) == shown(bench, "local")
    assert remaining(Balance(kind="free"), bench.fold.book.state("local", "free"), at()) is None


class TestPool:
    """DESIGN 1 and 5: allowance in windows that open at the first hold."""

    def test_a_first_hold_opens_each_window(self) -> None:
        """Both windows open at the moment of the hold, and the hold says from when to when."""
        bench = plan_bench()
        bench.later(minutes=7)
        held = bench.held(bench.route())

        expected = (
            WindowHeld(window="first-use/5h", start=at(minutes=7), end=at(minutes=7, hours=5)),
            WindowHeld(window="first-use/7d", start=at(minutes=7), end=at(minutes=7, days=7)),
        )
        assert expected == held.windows

    def test_a_window_keeps_its_start_and_end(self) -> None:
        """Later holds count in the window that is open; it does not slide."""
        bench = plan_bench()
        first = bench.call()
        bench.later(hours=4)

        assert first.windows == bench.call().windows

    def test_the_smallest_window_decides(self) -> None:
        """Available is the smallest over the windows of allowance less used and held."""
        bench = plan_bench()
        bench.call()
        bench.held(bench.route())

        assert {"first-use/5h": Decimal(2), "first-use/7d": Decimal(4)} == plan_left(bench)
        assert (Decimal(-1), Decimal(1), Decimal(1)) == shown(bench, "plan")

    def test_a_used_up_pool_names_its_reset(self) -> None:
        """A call that finds none left is told what it needs and when there is more."""
        bench = plan_bench()
        for _ in range(3):
            bench.call()
        bench.later(hours=1)
        refused = bench.refused(bench.route())
        (over,) = refused.passed_over

        assert ("nothing_can_pay", 402) == (refused.reason, refused.client_status)
        assert ("pool_used_up", "0", "1", "requests", at(hours=5)) == (
            over.reason,
            over.available,
            over.need,
            over.unit,
            over.until,
        )

    def test_at_its_end_a_window_is_over(self) -> None:
        """A window's end is outside it: the next hold opens a new one, while the longer one goes on."""
        bench = plan_bench()
        for _ in range(3):
            bench.call()
        bench.later(hours=5)
        assert {"first-use/5h": Decimal(3), "first-use/7d": Decimal(2)} == plan_left(bench)

        held = bench.call()
        assert [at(hours=5), at()] == [window.start for window in held.windows]
        assert {"first-use/5h": Decimal(2), "first-use/7d": Decimal(1)} == plan_left(bench)

    def test_the_longer_window_can_be_the_smaller(self) -> None:
        """Five a week are used up although the five hours began anew: the week's end is named."""
        bench = plan_bench()
        for hours in (0, 0, 0, 5, 0):
            bench.later(hours=hours)
            bench.call()
        (over,) = bench.refused(bench.route()).passed_over

        assert ("pool_used_up", at(days=7)) == (over.reason, over.until)

    def test_a_live_hold_counts_in_a_new_window_too(self) -> None:
        """DESIGN 5: a live hold counts in every current window."""
        bench = plan_bench()
        bench.held(bench.route())
        bench.later(hours=5)

        assert Decimal(2) == shown(bench, "plan")[2]

    def test_a_charge_belongs_to_the_window_of_its_settling(self) -> None:
        """DESIGN 5: an amount belongs to the ts of its entry: held in one window, charged in the next."""
        bench = plan_bench()
        old = bench.held(bench.route())
        bench.later(hours=5)
        bench.call()
        bench.end(old)

        assert {"first-use/5h": Decimal(1), "first-use/7d": Decimal(3)} == plan_left(bench)

    def test_a_charge_between_windows_counts_in_none(self) -> None:
        """What is settled while no window is open is posted, and the entry shows what the books then show."""
        bench = plan_bench()
        held = bench.held(bench.route())
        bench.later(hours=5)
        settled = bench.end(held)

        assert isinstance(settled, Settled)
        assert ("3", "3") == (settled.balance_before, settled.balance_after)
        assert {"first-use/5h": Decimal(3), "first-use/7d": Decimal(4)} == plan_left(bench)
        windows = bench.fold.book.state("plan", "requests").windows
        assert {"first-use/5h": Decimal(0), "first-use/7d": Decimal(1)} == {
            name: spans[-1].used for name, spans in windows.items()
        }

    def test_a_voided_hold_leaves_its_window_open(self) -> None:
        """The provider saw a first use, or may have; nothing is used of it."""
        bench = plan_bench()
        bench.call("server_error")
        bench.later(hours=1)

        assert at() == bench.held(bench.route()).windows[0].start
        assert {"first-use/5h": Decimal(3), "first-use/7d": Decimal(5)} == plan_left(bench)

    def test_before_its_first_hold_a_pool_has_no_reset(self) -> None:
        """Nothing is open, so nothing ends."""
        plan = config().balance["plan"]
        state = Book().state("plan", "requests")

        assert ("", Decimal(3)) == (resets(plan, state, at()), available(plan, state, at()))

    def test_an_allowance_that_the_config_lowers_counts_at_once(self) -> None:
        """The allowance is what the user wrote; what was used stays as it was."""
        bench = plan_bench()
        bench.call()
        bench.call()
        plan = replace(bench.terms.config.balance["plan"], windows=(Window(allow=Decimal(1), per="5h"),))

        assert Decimal(-1) == available(plan, bench.fold.book.state("plan", "requests"), bench.at)


def test_what_is_shown_is_what_is_enforced() -> None:
    """CASES 37: the figures of screens are those that decide, of every balance in the config's order."""
    bench = Bench(terms=agreed(listed(PLAN)))
    bench.topup(wallet="1 CNY")
    bench.held(bench.route())
    wallet, credit, plan, local = balances(bench.terms.config, bench.fold.book, bench.at)

    assert ("wallet", "prepaid", "CNY", Decimal(1), "") == (
        wallet.name,
        wallet.kind,
        wallet.unit,
        wallet.available,
        wallet.resets,
    )
    assert ("credit", Decimal(0), {}) == (credit.name, credit.available, credit.windows)
    assert ("plan", Decimal(2), at(hours=5)) == (plan.name, plan.available, plan.resets)
    assert {"first-use/5h": Decimal(3), "first-use/7d": Decimal(5)} == plan.windows
    assert ("local", "free", None) == (local.name, local.unit, local.available)


def account_bench(*, per: Per = "month", anchor: str = "", zone: str = "UTC") -> Bench:
    """Return a bench whose official route is paid by an account with a limit of 0.01 USD; a call takes 0.0015."""
    account = Balance(kind="postpaid", unit="USD", limit="0.01 USD", per=per, anchor=anchor)
    route = {"official": replace(config().route["official"], balance="account")}
    conf = listed(OFFICIAL, balance={"account": account}, route=route)
    return Bench(terms=Terms(config=conf, cards=cards(), calendar=Calendar(zone=ZoneInfo(zone))))


def account_available(bench: Bench) -> str:
    """Return what the account may still owe."""
    account = bench.terms.config.balance["account"]
    found = available(account, bench.fold.book.state("account", "USD"), bench.at)
    assert found is not None
    return text(found)


class TestPostpaid:
    """DESIGN 1: limit less what is owed in the period, less what is held."""

    def test_calls_owe(self) -> None:
        """A hold takes what may be owed, a charge what is owed; the entry shows what is left."""
        bench = account_bench()
        held = bench.held(bench.route())
        assert ("0.0038", (WindowHeld(window="calendar/month", start=MONTH[0], end=MONTH[1]),)) == (
            account_available(bench),
            held.windows,
        )
        settled = bench.end(held)
        assert isinstance(settled, Settled)
        assert ("0.01", "0.0085", held.windows) == (settled.balance_before, settled.balance_after, settled.windows)
        assert ("0.0085", Decimal("-0.0015")) == (account_available(bench), bench.fold.book.balances["account"].posted)

    def test_no_more_than_the_limit(self) -> None:
        """CASES 29: the refusal says limit, what is owed, what is held and when the period ends."""
        bench = account_bench()
        bench.call()
        bench.held(bench.route())
        (short,) = bench.refused(bench.route()).passed_over

        assert ("balance_short", "0.0023", "0.0062", "0.01", "0.0015", MONTH[1]) == (
            short.reason,
            short.available,
            short.need,
            short.limit,
            short.spent,
            short.until,
        )

    def test_a_new_period_owes_nothing(self) -> None:
        """What was owed before stays posted until it is paid, and paying it frees nothing of this one."""
        bench = account_bench()
        bench.call()
        bench.later(days=7)
        assert "0.01" == account_available(bench)

        bench.call()
        bench.topup(account="0.0015 USD")
        assert ("0.0085", Decimal("-0.0015")) == (account_available(bench), bench.fold.book.balances["account"].posted)

    def test_a_charge_belongs_to_the_period_of_its_entry(self) -> None:
        """DESIGN 5: held in November, settled in December: owed in December."""
        bench = account_bench()
        held = bench.held(bench.route())
        bench.later(days=7)
        assert "0.0038" == account_available(bench), "a live hold counts in every current window"
        settled = bench.end(held)

        assert isinstance(settled, Settled)
        assert ("2026-12-01T00:00:00.000000Z", "0.0085") == (settled.windows[0].start, account_available(bench))

    def test_its_period_is_the_users(self) -> None:
        """From the anchor, in the report's zone."""
        bench = account_bench(per="week", anchor="mon 09:00", zone="Europe/Berlin")
        (window,) = bench.held(bench.route()).windows

        assert ("calendar/week", "2026-11-23T08:00:00.000000Z", "2026-11-30T08:00:00.000000Z") == (
            window.window,
            window.start,
            window.end,
        )

    def test_a_period_that_is_open_stays(self) -> None:
        """Another anchor counts from the next period on, so that nothing is forgotten by editing a config."""
        bench = account_bench()
        bench.call()
        account = replace(bench.terms.config.balance["account"], anchor="20")
        bench.configure(replace_terms(bench, balance={"account": account}))
        bench.call()
        assert "0.007" == account_available(bench)

        bench.later(days=7)
        bench.call()
        ends = [span.end for span in bench.fold.book.balances["account"].windows["calendar/month"]]
        assert ["2026-12-20T00:00:00.000000Z"] == ends


MONTH = ("2026-11-01T00:00:00.000000Z", "2026-12-01T00:00:00.000000Z")


def replace_terms(bench: Bench, **changes: object) -> Terms:
    """Return the terms in force with another config."""
    return dataclasses.replace(bench.terms, config=replace(bench.terms.config, **changes))


def pool_bench(*windows: Window) -> Bench:
    """Return a bench with the plan alone, of these windows."""
    return Bench(terms=agreed(listed(PLAN, balance={"plan": Balance(kind="pool", unit="requests", windows=windows)})))


class TestOtherWindows:
    """DESIGN 5: three kinds of windows."""

    def test_a_calendar_window_needs_no_hold(self) -> None:
        """It began with its period; a charge counts in it even when its hold was in the one before."""
        bench = pool_bench(Window(allow=Decimal(3), per="day"))
        held = bench.held(bench.route())
        bench.later(hours=14)
        bench.end(held)

        assert {"calendar/day": Decimal(2)} == plan_left(bench)

    def test_a_rolling_window_gives_back_step_by_step(self) -> None:
        """A request is free again so long after it was made, and at most a 300th of that later."""
        bench = pool_bench(Window(allow=Decimal(2), per="5h", kind="rolling"))
        bench.call()
        bench.later(minutes=90)
        bench.call()
        (over,) = bench.refused(bench.route()).passed_over
        assert ("pool_used_up", at(hours=5, minutes=1)) == (over.reason, over.until)

        bench.later(hours=3, minutes=30, seconds=59)
        assert {"rolling/5h": Decimal(0)} == plan_left(bench)
        bench.later(seconds=1)
        assert {"rolling/5h": Decimal(1)} == plan_left(bench)

    def test_a_live_hold_counts_in_a_rolling_window(self) -> None:
        """However long it lives; the charge counts from its own moment on."""
        bench = pool_bench(Window(allow=Decimal(1), per="5h", kind="rolling"))
        held = bench.held(bench.route())
        bench.later(hours=9)
        assert Decimal(0) == shown(bench, "plan")[2]

        bench.end(held)
        bench.later(hours=5)
        assert Decimal(0) == shown(bench, "plan")[2]
        bench.later(minutes=1)
        assert Decimal(1) == shown(bench, "plan")[2]


def claude_bench() -> Bench:
    """Return a bench with a pool that its provider counts."""
    pool = Balance(kind="pool", unit="percent", windows="provider")
    return Bench(terms=agreed(listed(PLAN, balance={"plan": pool})))


def said(window: str, remaining: str, *, reset: str = "", status: str = "allowed") -> Limit:
    """Return what a header says of a window."""
    return Limit(window=window, limit="100", remaining=remaining, reset=reset, status=status)


class TestProvider:
    """Windows that the provider counts: its last word holds until it says otherwise or the window ends."""

    def test_before_its_first_word_all_is_left(self) -> None:
        """We hold nothing and count nothing, so a call is made to learn it."""
        bench = claude_bench()
        assert (Decimal(0), Decimal(0), Decimal(100)) == shown(bench, "plan")
        assert "0" == bench.held(bench.route()).hold

    def test_the_smallest_window_decides(self) -> None:
        """Of those that count for the account; paying beyond them is no window, nor is one of some models."""
        bench = claude_bench()
        words = (said("provider/5h", "80"), said("provider/7d", "12.5"), said("model/7d_opus", "0"))
        bench.call(finished(limits=(*words, Limit(window="provider/overage", status="allowed"))))

        assert {"provider/5h": Decimal(80), "provider/7d": Decimal("12.5")} == plan_left_of(bench, "percent")
        assert Decimal("12.5") == shown(bench, "plan")[2]

    def test_a_reset_further_away_than_the_window_is_long_is_not_believed(self) -> None:
        """An odd header would close the pool for a year, and no call could hear a better word."""
        for window, days in (("provider/5h", 0), ("provider/7d", 7), ("provider/primary", 31)):
            bench = claude_bench()
            bench.call(finished(limits=(said(window, "0", reset=at(days=300), status="rejected"),)))
            ends = at(days=days) if days else at(hours=5)
            (plan,) = balances(bench.terms.config, bench.fold.book, bench.at)
            assert (Decimal(0), ends) == (plan.available, plan.resets)

    def test_a_refusal_is_the_end_until_its_reset(self) -> None:
        """Whatever the percent says; from the reset on all is left again."""
        bench = claude_bench()
        bench.call(finished("rate_limited", limits=(said("provider/5h", "3", reset=at(hours=2), status="rejected"),)))
        (plan,) = balances(bench.terms.config, bench.fold.book, bench.at)
        assert (Decimal(0), at(hours=2), "rejected") == (plan.available, plan.resets, plan.status)

        bench.later(hours=2)
        (plan,) = balances(bench.terms.config, bench.fold.book, bench.at)
        assert (Decimal(100), "", "") == (plan.available, plan.resets, plan.status)

    @pytest.mark.parametrize(
        ("window", "span"), [("provider/5h", {"hours": 5}), ("provider/7d", {"days": 7}), ("provider/x", {"hours": 5})]
    )
    def test_a_word_without_an_end_ends_with_the_length_of_its_window(self, window: str, span: dict[str, int]) -> None:
        """Else it would close a pool for ever: no call could learn otherwise."""
        bench = claude_bench()
        bench.call(finished(limits=(said(window, "", status="rejected"),)))
        bench.later(**span)
        bench.later(microseconds=-1)
        assert Decimal(0) == shown(bench, "plan")[2]

        bench.later(microseconds=1)
        assert Decimal(100) == shown(bench, "plan")[2]

    def test_what_is_past_is_forgotten(self) -> None:
        """The fold keeps words that hold, and the newest of each window."""
        bench = claude_bench()
        bench.call(finished(limits=(said("provider/5h", "80", reset=at(hours=2)), said("provider/7d", "70"))))
        bench.later(hours=3)
        bench.call(finished(limits=(said("provider/7d", "60"),)))

        assert {"provider/7d": Decimal(40)} == {
            name: window.used for name, window in bench.fold.book.balances["plan"].provider.items()
        }

    def test_a_word_without_a_figure_leaves_the_one_before(self) -> None:
        """DESIGN 2: unknown is never zero. A new window begins at nothing."""
        bench = claude_bench()
        bench.call(finished(limits=(said("provider/5h", "20", reset=at(hours=2)),)))
        bench.call(finished(limits=(said("provider/5h", "", reset=at(hours=2)),)))
        assert Decimal(20) == shown(bench, "plan")[2]

        bench.later(hours=2)
        bench.call(finished(limits=(said("provider/5h", "", reset=at(hours=7)),)))
        assert Decimal(100) == shown(bench, "plan")[2]

    def test_a_word_that_came_before_another_does_not_replace_it(self) -> None:
        """A long reply ends after a short one with older headers: the newer word holds, also of a new window."""
        bench = claude_bench()
        long, short = (bench.held(bench.route()) for _ in range(2))
        bench.later(minutes=10)
        bench.end(short, finished(limits=(said("provider/5h", "20", reset=at(hours=2)),)))
        bench.later(minutes=1)
        old = finished(
            limits=(said("provider/5h", "80", reset=at(minutes=10)), said("provider/7d", "70")),
            total_ms=660_000.0,
            first_byte_ms=400.0,
        )
        bench.end(long, old)
        assert {"provider/5h": Decimal(20), "provider/7d": Decimal(70)} == plan_left_of(bench, "percent")
        assert Decimal(20) == shown(bench, "plan")[2]

    def test_what_was_used_before_our_first_call_is_outside(self) -> None:
        """CASES 58: as much as the first word said; what is used from then on may be ours."""
        bench = claude_bench()
        for rest in ("60", "40"):
            bench.call(finished(limits=(said("provider/5h", rest, reset=at(hours=2)),)))
        (plan,) = balances(bench.terms.config, bench.fold.book, bench.at)
        assert {"provider/5h": Decimal(40)} == plan.outside
        assert {} == balances(bench.terms.config, bench.fold.book, at(hours=2))[0].outside

    def test_other_pools_do_not_listen(self) -> None:
        """What counts requests has no percent."""
        bench = plan_bench()
        bench.call(finished(limits=(said("provider/5h", "0"),)))
        assert {} == bench.fold.book.balances["plan"].provider

    def test_a_word_that_was_good_is_none_to_show(self) -> None:
        """Only what is not `allowed` is worth a word; what ended says nothing."""
        bench = claude_bench()
        warning = said("provider/7d", "10", reset=at(days=1), status="allowed_warning")
        bench.call(finished(limits=(said("provider/5h", "80"), said("provider/1h", "80", status=""), warning)))

        assert "allowed_warning" == balances(bench.terms.config, bench.fold.book, bench.at)[0].status
        assert "" == balances(bench.terms.config, bench.fold.book, at(days=1))[0].status

    def test_the_window_that_leaves_the_least_resets(self) -> None:
        """One whose end is past gives nothing back any more."""
        bench = claude_bench()
        words = (said("provider/1h", "0", reset=at(hours=1)), said("provider/7d", "50", reset=at(days=1)))
        bench.call(finished(limits=words))
        plan = bench.terms.config.balance["plan"]
        state = bench.fold.book.balances["plan"]

        assert [at(hours=1), at(days=1), ""] == [resets(plan, state, at(hours=hours)) for hours in (0, 1, 24)]


def test_use_outside_shows_while_its_window_is_open() -> None:
    """CASES 58: by window, what headers showed beyond our count."""
    bench = plan_bench()
    bench.call(finished(limits=(Limit(window="requests", limit="3", remaining="1"),)))
    plan = next(it for it in balances(bench.terms.config, bench.fold.book, bench.at) if it.name == "plan")
    assert {"first-use/5h": Decimal(1)} == plan.outside

    plan = next(it for it in balances(bench.terms.config, bench.fold.book, at(hours=5)) if it.name == "plan")
    assert {} == plan.outside


def plan_left_of(bench: Bench, unit: str) -> dict[str, Decimal]:
    """Return what is left of the plan's windows."""
    return dict(left(bench.terms.config.balance["plan"], bench.fold.book.state("plan", unit), bench.at))


class TestBurn:
    """What a balance burns a day, and when it is empty if that goes on."""

    def test_nothing_charged_is_no_rate(self) -> None:
        """Nor has a balance with nothing left a day on which that happens."""
        bench = Bench()
        bench.topup(wallet="1 CNY")
        (wallet, *_) = balances(bench.terms.config, bench.fold.book, bench.at)
        assert (None, "") == (wallet.burn, wallet.empty)

    def test_a_first_hour_is_taken_as_a_day(self) -> None:
        """A busy first hour is no rate of a day."""
        bench = Bench()
        bench.topup(wallet="0.165 CNY")
        bench.call()  # 0.015
        (wallet, *_) = balances(bench.terms.config, bench.fold.book, bench.at)

        assert (Decimal("0.015"), at(days=10)) == (wallet.burn, wallet.empty)

    def test_over_the_days_since_the_first_entry(self) -> None:
        """Two days, two calls: one a day."""
        bench = Bench()
        bench.topup(wallet="0.15 CNY")
        bench.call()
        bench.later(days=2)
        bench.call()
        state = bench.fold.book.state("wallet", "CNY")

        assert Decimal("0.015") == burn_a_day(state, bench.at)
        assert at(days=2 + 8) == balances(bench.terms.config, bench.fold.book, bench.at)[0].empty

    def test_over_the_last_seven_days(self) -> None:
        """What was charged before is forgotten, in the fold too."""
        bench = Bench()
        bench.topup(wallet="5 CNY")
        bench.call()
        bench.later(days=8, hours=14)  # midnight
        bench.call()
        state = bench.fold.book.state("wallet", "CNY")
        assert Decimal("0.0025") == burn_a_day(state, bench.at)
        assert ["2026-12-03"] == list(state.burned)

        bench.later(days=7)
        assert None is burn_a_day(state, bench.at)

    def test_an_overdrawn_balance_is_empty_already(self) -> None:
        """There is no day to name."""
        bench = Bench(terms=agreed(listed(RELAY)))
        bench.topup(wallet="0.062 CNY")
        bench.call(finished(usage={"input": 10_000, "output": 100}))
        assert "" == balances(bench.terms.config, bench.fold.book, bench.at)[0].empty

    def test_a_drop_a_day_lasts_ten_years_at_most(self) -> None:
        """Beyond that nobody asks for the day."""
        bench = Bench()
        bench.topup(wallet="1000000000 CNY")
        bench.call()
        assert at(days=3650) == balances(bench.terms.config, bench.fold.book, bench.at)[0].empty

    def test_what_resets_before_is_not_empty(self) -> None:
        """A pool that gives back earlier than it would run out names its reset alone."""
        bench = pool_bench(Window(allow=Decimal(5), per="7d"))
        bench.call()
        bench.call()
        (plan,) = balances(bench.terms.config, bench.fold.book, bench.at)
        assert (Decimal(2), at(hours=36), at(days=7)) == (plan.burn, plan.empty, plan.resets)

        (plan,) = balances(bench.terms.config, bench.fold.book, at(days=4))
        # Two in four days: the three that are left would last for six, and there are more in three.
        assert (Decimal("0.5"), "", at(days=7)) == (plan.burn, plan.empty, plan.resets)


def test_an_account_shows_its_limit() -> None:
    """CASES 37: what is enforced, in the words of the config."""
    bench = account_bench()
    account = replace(bench.terms.config.balance["account"], warn_below="0.002 USD")
    bench.configure(replace_terms(bench, balance={"account": account}))
    bench.call()
    (it,) = balances(bench.terms.config, bench.fold.book, bench.at)

    assert ("0.01 USD", "0.002 USD", MONTH[1], {"calendar/month": Decimal("0.0085")}) == (
        it.limit,
        it.warn_below,
        it.resets,
        it.windows,
    )
