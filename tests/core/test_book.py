"""Balances: what moved, what is reserved, what may still be held."""

from datetime import timedelta
from decimal import Decimal

import pytest
from builders import LOCAL, PLAN, RELAY, START, Bench, agreed, config, finished, listed
from msgspec.structs import replace

from tokens_forge.core.book import Book, available, balances, left, remaining, resets
from tokens_forge.core.config import Balance, Window
from tokens_forge.core.entries import Adjusted, Settled, WindowHeld
from tokens_forge.core.errors import MoneyError
from tokens_forge.core.moments import stamp


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
