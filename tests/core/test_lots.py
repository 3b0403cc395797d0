"""Money that came in together and may end on a day: what burns first, what ends, what is owed beyond it."""

from datetime import UTC, datetime
from decimal import Decimal

import hypothesis.strategies as st
import pytest
from builders import RELAY, Bench, agreed, finished, listed
from hypothesis import given

from tokens_forge.core.book import BalanceState, Lot, available, balances, expired
from tokens_forge.core.due import due
from tokens_forge.core.entries import Adjusted
from tokens_forge.core.money import ZERO, subtract, text, total


def bench(*lots: tuple[str, str]) -> Bench:
    """Return a bench whose wallet was topped up with such amounts, each with its last day, on 2026-11-24."""
    made = Bench(terms=agreed(listed(RELAY)))
    for amount, expires in lots:
        comes_in(made, amount, expires)
    return made


def comes_in(made: Bench, amount: str, expires: str = "", ref: str = "") -> None:
    """Top the wallet up."""
    assert "" == made.order("wallet", "topup", f"{amount} CNY", expires=expires, ref=ref, yes=True)


def spends(made: Bench, amount: str) -> None:
    """Take from the wallet, as a charge does."""
    assert "" == made.order("wallet", "adjust", f"-{amount} CNY", yes=True)


def wallet(made: Bench) -> BalanceState:
    """Return the wallet's state."""
    return made.fold.book.state("wallet", "CNY")


def lots(made: Bench) -> list[tuple[str, str]]:
    """Return what is left of each lot, with its last day."""
    return [(text(lot.left), lot.expires) for lot in wallet(made).lots]


def may_hold(made: Bench) -> Decimal | None:
    """Return what is available of the wallet."""
    return available(made.terms.config.balance["wallet"], wallet(made), made.at)


def debt(made: Bench) -> Decimal:
    """Return what was spent beyond all lots."""
    return subtract(total([lot.left for lot in wallet(made).lots]), wallet(made).posted)


def falls_due(made: Bench) -> list[tuple[str, str, str]]:
    """Enter what has fallen due; return amount, reason and day."""
    entries = due(made.terms.config, made.fold.book, made.at)
    for entry in entries:
        made.append(entry)
    return [(entry.amount, entry.reason, entry.expires) for entry in entries]


def test_the_earliest_end_burns_first() -> None:
    """DESIGN 6: whatever came in first; money without an end burns last."""
    made = bench(("3", ""), ("2", "2026-12-31"), ("1", "2026-11-30"))
    assert [("1", "2026-11-30"), ("2", "2026-12-31"), ("3", "")] == lots(made)

    spends(made, "1.5")
    assert [("1.5", "2026-12-31"), ("3", "")] == lots(made)
    spends(made, "2")
    assert [("2.5", "")] == lots(made)


def test_a_call_burns_lots_too() -> None:
    """A charge takes from them as any other movement; a hold takes from none."""
    made = bench(("3", ""), ("0.01", "2026-11-30"))
    held = made.held(made.route())
    assert [("0.01", "2026-11-30"), ("3", "")] == lots(made)

    made.end(held)  # 0.015
    assert [("2.995", "")] == lots(made)


def test_a_lot_is_usable_through_its_last_day_in_utc() -> None:
    """At the last microsecond of the day it pays; a microsecond later it does not, entered or not."""
    made = bench(("5", "2026-11-24"))
    made.now = datetime(2026, 11, 24, 23, 59, 59, 999_999, tzinfo=UTC)
    assert (Decimal(5), ZERO) == (may_hold(made), expired(wallet(made), made.at))

    made.later(microseconds=1)
    assert (Decimal(0), Decimal(5)) == (may_hold(made), expired(wallet(made), made.at))
    assert "balance_short" == made.refused(made.route()).passed_over[0].reason
    assert Decimal(5) == wallet(made).posted


def test_an_expiry_takes_exactly_the_rest() -> None:
    """DESIGN 6: expiry is dated when due, once; what is available does not move by it."""
    made = bench(("5", "2026-11-24"), ("3", "2026-11-25"), ("1", ""))
    spends(made, "1.25")
    made.later(days=1)
    before = may_hold(made)
    assert [("-3.75", "expiry", "2026-11-24")] == falls_due(made)
    entry = made.entries[-1]
    assert isinstance(entry, Adjusted)

    assert ("2026-11-25T00:00:00.000000Z", "7.75", "4") == (
        entry.effective,
        entry.balance_before,
        entry.balance_after,
    )
    assert (Decimal(4), before) == (wallet(made).posted, may_hold(made))
    assert [("3", "2026-11-25"), ("1", "")] == lots(made)
    assert [] == falls_due(made)


def test_several_lots_end_one_by_one() -> None:
    """After a month of sleep each lot has its own entry, with the balance as it was between them."""
    made = bench(("5", "2026-11-24"), ("3", "2026-11-25"), ("1", ""))
    made.later(days=30)
    falls_due(made)
    entries = [entry for entry in made.entries if isinstance(entry, Adjusted) and entry.reason == "expiry"]

    assert [("-5", "9", "4"), ("-3", "4", "1")] == [(it.amount, it.balance_before, it.balance_after) for it in entries]
    assert ([("1", "")], ZERO) == (lots(made), debt(made))


def test_two_topups_of_one_day_are_one_lot() -> None:
    """An expiry names its lot by day and reference. Were there two, one would be taken off, and both be gone."""
    made = bench(("2", "2026-11-24"), ("3", "2026-11-24"))
    comes_in(made, "4", "2026-11-24", ref="A")
    comes_in(made, "1", "2026-11-24", ref="B")
    made.later(days=1)
    entries = due(made.terms.config, made.fold.book, made.at)

    assert [("-5", ""), ("-4", "A"), ("-1", "B")] == [(entry.amount, entry.ref) for entry in entries]
    for entry in entries:  # a process may be killed between any two of them
        made.append(entry)
        assert ZERO == may_hold(made) == debt(made)
    assert (ZERO, []) == (wallet(made).posted, lots(made))


def test_an_expiry_is_no_topup_of_its_reference() -> None:
    """A repeated reference is refused with the moment of the top-up, not that of its lot's end."""
    made = bench()
    comes_in(made, "4", "2026-11-24", ref="A")
    made.later(days=3)
    falls_due(made)

    why = made.order("wallet", "topup", "4 CNY", ref="A")
    assert "`A` was entered for `wallet` at 2026-11-24T10:00:00.000000Z" in why


def test_an_overrun_leaves_a_debt_and_the_next_money_pays_it_first() -> None:
    """DESIGN 6: a charge above its hold is a fact. What comes in later is a lot of what the debt leaves."""
    made = bench(("0.062", "2026-11-30"))
    made.call(finished(usage={"input": 10_000, "output": 100}))  # 0.105
    assert ([], Decimal("0.043"), Decimal("-0.043")) == (lots(made), debt(made), may_hold(made))

    comes_in(made, "0.04", "2026-12-31")
    assert ([], Decimal("-0.003")) == (lots(made), may_hold(made))
    comes_in(made, "1", "2026-12-31")
    assert ([("0.997", "2026-12-31")], ZERO) == (lots(made), debt(made))


def test_money_that_has_ended_pays_no_charge() -> None:
    """A call that was under way when the lot ended is charged beyond it: its entry's moment counts (DESIGN 5)."""
    made = bench(("0.07", "2026-11-24"))
    held = made.held(made.route())
    made.later(hours=14)
    made.end(held)  # 0.015

    assert ([("0.07", "2026-11-24")], Decimal("0.015"), Decimal("-0.015")) == (lots(made), debt(made), may_hold(made))
    assert [("-0.07", "expiry", "2026-11-24")] == falls_due(made)
    assert (Decimal("-0.015"), Decimal("-0.015")) == (wallet(made).posted, may_hold(made))


def test_money_for_a_debt_while_a_lot_has_ended() -> None:
    """What has ended does not stand against the debt: the next money pays all of it."""
    made = bench(("5", "2026-11-24"))
    made.later(days=1)
    spends(made, "2")
    comes_in(made, "3")

    assert ([("5", "2026-11-24"), ("1", "")], Decimal(1)) == (lots(made), may_hold(made))
    falls_due(made)
    assert ([("1", "")], Decimal(1), Decimal(1)) == (lots(made), wallet(made).posted, may_hold(made))


def test_what_is_given_back_has_no_end() -> None:
    """A correction and a provider's figure say nothing of a day."""
    made = bench(("5", "2026-11-30"))
    assert "" == made.order("wallet", "adjust", "1 CNY")
    assert "" == made.order("wallet", "set", "8 CNY")

    assert [("5", "2026-11-30"), ("3", "")] == lots(made)


def test_a_balance_shows_its_lots_where_some_end() -> None:
    """Money without an end is no list."""
    made = bench(("1", ""))
    assert () == balances(made.terms.config, made.fold.book, made.at)[0].lots

    comes_in(made, "2", "2026-12-01", ref="A")
    expected = (Lot(left=Decimal(2), expires="2026-12-01", ref="A"), Lot(left=Decimal(1)))
    assert expected == balances(made.terms.config, made.fold.book, made.at)[0].lots


@pytest.mark.parametrize(
    ("balance", "kind", "expires", "why"),
    [
        ("wallet", "topup", "2026-13-01", "`2026-13-01` is no day: write it as `2027-01-31`"),
        ("wallet", "topup", "20271231", "`20271231` is no day"),
        ("wallet", "topup", "2026-W48-1", "`2026-W48-1` is no day"),
        ("wallet", "adjust", "2026-12-31", "only what is topped up on a prepaid balance expires"),
        ("wallet", "topup", "2026-11-23", "2026-11-23 is over: nothing could be spent of it any more"),
    ],
)
def test_a_day_that_is_none(balance: str, kind: str, expires: str, why: str) -> None:
    """Nothing is entered; a day that is over would take the money at once."""
    made = bench()
    assert made.order(balance, kind, "1 CNY", expires=expires).startswith(why)
    assert {} == made.fold.book.balances


MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("in"), st.integers(1, 50), st.sampled_from(["", "2026-11-24", "2026-11-26", "2026-12-31"])),
        st.tuples(st.just("out"), st.integers(1, 60), st.just("")),
        st.tuples(st.just("days"), st.integers(1, 3), st.just("")),
        st.tuples(st.just("due"), st.just(0), st.just("")),
    ),
    max_size=25,
)


@given(moves=MOVES)
def test_lots_are_the_money_however_it_moves(moves: list[tuple[str, int, str]]) -> None:
    """Posted is the sum of the lots less the debt; there is never a debt beside money that can be spent."""
    made = bench()
    for move, amount, expires in moves:
        match move:
            case "in" if not expires or expires >= made.at[:10]:
                comes_in(made, str(amount), expires)
            case "out":
                spends(made, str(amount))
            case "days":
                made.later(days=amount)
            case "due":
                before = may_hold(made)
                falls_due(made)
                assert before == may_hold(made)
                assert ZERO == expired(wallet(made), made.at)
            case _:
                pass
        state = wallet(made)
        usable = [lot for lot in state.lots if not lot.ended(made.at)]
        assert all(lot.left > ZERO for lot in state.lots)
        assert state.lots == sorted(state.lots, key=lambda lot: lot.expires or "9999")
        assert debt(made) >= ZERO
        assert not (debt(made) and usable)
        assert subtract(total([lot.left for lot in usable]), debt(made)) == may_hold(made)
