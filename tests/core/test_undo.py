"""Movements by hand taken back: what they moved is as if they had never been, and what can't be is said."""

from datetime import date
from decimal import Decimal
from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from builders import PLAN, RELAY, Bench, agreed, card, cards, config, finished, listed
from hypothesis import given, settings
from msgspec.structs import replace

from tokens_forge.core.adjustment import Unadjusted
from tokens_forge.core.book import (
    BY_HAND_KEPT,
    UNDONE_KEPT,
    BalanceState,
    Book,
    Lot,
    available,
    is_by_hand,
)
from tokens_forge.core.config import Balance, Budget, Cap, Key, Rate, Report, Task
from tokens_forge.core.due import due
from tokens_forge.core.entries import Adjusted, Held, LotMoved, Renamed, Settled
from tokens_forge.core.money import ZERO, subtract, text, total
from tokens_forge.core.undo import ToUndo, UndoOrder, taken_back

BUDGET = Budget(limit="5 USD", per="day")
RATES = Report(fx={"CNY": (Rate(valid_from=date(2026, 1, 1), rate=Decimal(10)),)})


def bench(*candidates: str) -> Bench:
    """Return a bench with a second wallet, an account and budgets."""
    tables = {
        **config().balance,
        "spare": Balance(kind="prepaid", unit="CNY"),
        "account": Balance(kind="postpaid", unit="USD", limit="10 USD"),
    }
    conf = listed(
        *(candidates or (RELAY,)),
        balance=tables,
        key={"k": Key(budget=BUDGET)},
        task={"t": Task(cap=Cap(limit="5 USD"))},
        report=RATES,
    )
    return Bench(terms=agreed(conf))


def undo(made: Bench, *seqs: int, yes: bool = False) -> str:
    """Take entries back; return why not, empty when they were."""
    lines = [line for line in made.lines if line.seq in seqs]
    entries = tuple(
        ToUndo(seq=line.seq, ts=line.ts, entry=line.entry) for line in lines if isinstance(line.entry, Adjusted)
    )
    answer = taken_back(UndoOrder(entries=entries, yes=yes, note="n"), made.terms, made.fold, made.at)
    if isinstance(answer, Unadjusted):
        return answer.why
    for entry in answer:
        made.append(entry)
    return ""


def newest(made: Bench) -> int:
    """Return the number of the last line."""
    return made.lines[-1].seq


def picture(made: Bench) -> dict[str, Any]:
    """Return all that an undo must leave as it was: money, lots, references, windows, budgets, what may be held."""
    book, at = made.fold.book, made.at
    balances = {
        name: (
            state.posted,
            [(lot.left, lot.expires, lot.ref) for lot in state.lots],
            state.refs,
            {window: [(it.start, it.end, it.used) for it in spans] for window, spans in state.windows.items() if spans},
            state.by_hand,
            available(made.terms.config.balance[name], state, at),
        )
        for name, state in book.balances.items()
    }
    spent = {name: state.spent(at) for name, state in made.fold.budgets.budgets.items()}
    return {"balances": balances, "spent": {name: it for name, it in spent.items() if it}}


def test_a_topup_is_taken_back() -> None:
    """The counter-entry names it, with its reason and its figures negated, so that sums by reason are right."""
    made = bench()
    made.topup(wallet="1 CNY")
    before = picture(made)
    assert "" == made.order("wallet", "topup", "5 CNY", paid="0.70 USD", fee="0.1 USD", ref="A", expires="2026-12-31")
    topup = made.lines[-1]
    made.later(minutes=1)
    assert "" == undo(made, topup.seq)

    entry = made.entries[-1]
    assert entry == Adjusted(
        balance="wallet",
        amount="-5",
        unit="CNY",
        reason="topup",
        paid="-0.7 USD",
        fee="-0.1 USD",
        ref="A",
        expires="2026-12-31",
        effective=topup.ts,
        note="n",
        undoes=topup.seq,
        balance_before="6",
        balance_after="1",
    )
    assert before == picture(made)
    assert "" == made.order("wallet", "topup", "5 CNY", ref="A", expires="2026-12-31"), "its reference is free again"
    assert made.fold == made.replayed()


def test_nothing_is_taken_back_twice() -> None:
    """Nor is an undo: what it took back is entered again."""
    made = bench()
    made.topup(wallet="5 CNY")
    assert "" == undo(made, newest(made))
    assert "entry 2 was taken back already" == undo(made, 2)
    assert "entry 3 takes back entry 2 itself: enter what that said again" == undo(made, 3)
    assert ZERO == made.fold.book.state("wallet", "CNY").posted


def test_money_that_ends_comes_back_to_its_lots() -> None:
    """What took from lots names them, so that each has what it had, with its end and reference."""
    made = bench()
    assert "" == made.order("wallet", "topup", "2 CNY", expires="2026-11-30", ref="A")
    made.topup(wallet="5 CNY")
    before = picture(made)
    assert "" == made.order("wallet", "refund", "3 CNY")
    entry = made.entries[-1]
    assert isinstance(entry, Adjusted)
    assert (LotMoved(amount="2", expires="2026-11-30", ref="A"), LotMoved(amount="1")) == entry.lots
    made.later(minutes=1)
    assert "" == undo(made, newest(made))
    assert before == picture(made)


def test_money_without_an_end_names_no_lot() -> None:
    """It is one lot: there is nothing to remember."""
    made = bench()
    made.topup(wallet="5 CNY")
    assert "" == made.order("wallet", "adjust", "-3 CNY")
    entry = made.entries[-1]
    assert isinstance(entry, Adjusted)
    assert () == entry.lots
    assert "" == undo(made, newest(made))
    assert [Lot(left=Decimal(5))] == made.fold.book.state("wallet", "CNY").lots


def test_what_was_spent_since_would_have_burned_the_other_money() -> None:
    """The books are then as if the entry had never been."""
    made = bench()
    made.topup(wallet="5 CNY")
    assert "" == made.order("wallet", "topup", "3 CNY", expires="2026-12-01", ref="A")
    topup = newest(made)
    assert "" == made.order("wallet", "adjust", "-2 CNY")
    assert "" == undo(made, topup)
    assert [Lot(left=Decimal(3))] == made.fold.book.state("wallet", "CNY").lots

    made = bench()
    assert "" == made.order("wallet", "topup", "2 CNY", expires="2026-12-01")
    made.topup(wallet="5 CNY")
    assert "" == made.order("wallet", "adjust", "-3 CNY")
    taken = newest(made)
    assert "" == made.order("wallet", "adjust", "-6 CNY")  # 2 beyond all lots
    assert "" == undo(made, taken)
    state = made.fold.book.state("wallet", "CNY")
    assert (Decimal(1), [Lot(left=Decimal(1))]) == (state.posted, state.lots)


def test_a_balance_that_would_owe_is_asked() -> None:
    """A part of the top-up is spent: without it that is a debt. An account that owes is no surprise."""
    made = bench()
    made.topup(wallet="0.1 CNY")
    topup = newest(made)
    made.call()  # 0.015
    assert undo(made, topup) == (
        f"a part of the 0.1 CNY of entry {topup} is spent: without them `wallet` stands at -0.015 CNY. "
        "Say `--yes` to enter it all the same"
    )
    assert "" == undo(made, topup, yes=True)
    assert (Decimal("-0.015"), []) == (
        made.fold.book.state("wallet", "CNY").posted,
        made.fold.book.state("wallet", "CNY").lots,
    )
    made.topup(account="3 USD")
    payment = newest(made)
    assert "" == made.order("account", "adjust", "-5 USD")
    assert "" == undo(made, payment)


def test_what_the_providers_page_said_since_is_asked() -> None:
    """A figure that was entered later is right with the mistake in the books: without it the balance moves away."""
    made = bench()
    made.topup(wallet="5 CNY")
    topup = newest(made)
    made.later(minutes=1)
    assert "" == made.order("wallet", "set", "4 CNY")
    figure = newest(made)
    assert undo(made, topup, yes=False).startswith(f"what `wallet` has was entered at {made.at}, after entry {topup}")
    assert "" == undo(made, figure)
    assert "" == undo(made, topup)


def test_a_figure_of_the_providers_page_is_taken_back() -> None:
    """Of money its lots; of a pool its windows, and one that it opened is closed again."""
    made = bench(PLAN)
    assert "" == made.order("wallet", "topup", "2 CNY", expires="2026-12-01")
    before = picture(made)
    assert "" == made.order("wallet", "set", "1 CNY")
    assert "" == undo(made, newest(made))
    assert before == picture(made)

    assert "" == made.order("plan", "set", "1 requests")
    opening = newest(made)
    assert Decimal(1) == available(made.terms.config.balance["plan"], made.fold.book.state("plan", "requests"), made.at)
    made.later(minutes=1)
    assert "" == undo(made, opening)
    entry = made.entries[-1]
    assert isinstance(entry, Adjusted)
    assert ("1", "3") == (entry.balance_before, entry.balance_after)
    state = made.fold.book.state("plan", "requests")
    assert [] == state.windows["first-use/5h"]
    assert Decimal(3) == available(made.terms.config.balance["plan"], state, made.at)


def test_a_window_that_a_call_is_in_stays() -> None:
    """A hold counts in it, so it is open; one that has ended meanwhile is left alone."""
    made = bench(PLAN)
    assert "" == made.order("plan", "set", "1 requests")
    opening = newest(made)
    made.held(made.route())
    assert "" == undo(made, opening)
    assert 1 == len(made.fold.book.state("plan", "requests").windows["first-use/5h"])

    made = bench(PLAN)
    assert "" == made.order("plan", "set", "1 requests")
    opening = newest(made)
    made.later(hours=6)
    assert "" == undo(made, opening)
    entry = made.entries[-1]
    assert isinstance(entry, Adjusted)
    assert ["first-use/7d"] == [window.window for window in entry.windows]


def test_use_outside_is_taken_back_there_too() -> None:
    """It counts in the windows and as use elsewhere: both have it no more."""
    made = bench(PLAN)
    made.call()
    assert "" == made.order("plan", "adjust", "-1 requests", reason="used_elsewhere")
    assert "" == undo(made, newest(made))
    state = made.fold.book.state("plan", "requests")
    assert ["0", "0"] == [text(span.used) for spans in state.elsewhere.values() for span in spans]


def test_a_correction_is_taken_back_from_budgets_and_memory() -> None:
    """The call costs what it cost, for the balance, the key, the task and the next hold."""
    made = bench()
    made.topup(wallet="1 CNY")
    made.attempt(made.route(task="t"))
    before = picture(made)
    of_call = {"corrects": "tf_1", "key": "k", "task": "t", "route": "relay", "upstream_model": "m"}
    assert "" == made.order("wallet", "adjust", "0.01 CNY", **of_call)
    assert before != picture(made)
    correction = newest(made)
    made.later(hours=1)
    assert "" == undo(made, correction)
    assert before == picture(made)
    entry = made.entries[-1]
    assert isinstance(entry, Adjusted)
    assert ("correction", "tf_1", "k", "t", "relay", "m") == (
        entry.reason,
        entry.corrects,
        entry.key,
        entry.task,
        entry.route,
        entry.upstream_model,
    )

    assert "" == made.order("wallet", "adjust", "0.005 CNY", **of_call)
    correction = newest(made)
    made.later(days=2)  # the budget's day is over, the cap's lifetime is not
    assert "" == undo(made, correction)
    entry = made.entries[-1]
    assert isinstance(entry, Adjusted)
    assert [("task.t/cap", "0.0005")] == [(it.budget, it.amount) for it in entry.counted]


def test_a_closed_balance_is_opened_again_whole() -> None:
    """Both sides of it, or neither; what ends comes back to where it was."""
    made = bench()
    assert "" == made.order("wallet", "topup", "5 CNY", expires="2026-11-30", ref="A")
    made.topup(wallet="2 CNY", spare="1 CNY")
    before = picture(made)
    assert "" == made.order("wallet", "close", "", to="spare")
    closing = [line.seq for line in made.lines[-3:]]
    made.later(minutes=1)
    assert "" == undo(made, *closing)
    after = picture(made)
    assert before == after
    backs = [entry for entry in made.entries[-3:] if isinstance(entry, Adjusted)]
    assert [("-2", "8", "6"), ("-5", "6", "1"), ("7", "0", "7")] == [
        (entry.amount, entry.balance_before, entry.balance_after) for entry in backs
    ]


def test_a_debt_that_went_over_comes_back() -> None:
    """What was owed is owed again where it was."""
    made = bench()
    assert "" == made.order("wallet", "adjust", "-2 CNY")
    made.topup(spare="5 CNY")
    before = picture(made)
    assert "" == made.order("wallet", "close", "", to="spare")
    made.later(minutes=1)
    assert undo(made, newest(made) - 1, newest(made)).startswith("a part of the 2 CNY of entry")
    assert "" == undo(made, newest(made) - 1, newest(made), yes=True)
    assert before == picture(made)


def test_under_a_new_name() -> None:
    """CASES 53: the entry has the name of then; it is the same balance."""
    made = bench()
    made.topup(wallet="5 CNY")
    topup = newest(made)
    conf = made.terms.config
    tables = {**conf.balance, "purse": replace(conf.balance["wallet"], was=("wallet",))}
    del tables["wallet"]
    made.configure(agreed(replace(conf, balance=tables, route={}, model={}, key={}, task={})))
    made.append(Renamed(scope="balance", name="purse", was="wallet"))
    assert "" == undo(made, topup)
    assert ZERO == made.fold.book.state("purse", "CNY").posted
    entry = made.entries[-1]
    assert isinstance(entry, Adjusted)
    assert "purse" == entry.balance


def test_what_can_not_be_taken_back() -> None:
    """Each says why, and what to do instead."""
    made = bench()
    assert "" == made.order("wallet", "topup", "5 CNY", expires="2026-11-24")
    topup = newest(made)
    made.later(days=1)
    for entry in due(made.terms.config, made.fold.book, made.at):
        made.append(entry)
    assert undo(made, newest(made)) == (
        f"entry {newest(made)} (expiry of `wallet`) was not made by hand: it would come again by itself"
    )
    assert undo(made, topup).startswith(
        f"the money of entry {topup} ended on 2026-11-24, and what was left of it is off `wallet` already: enter what"
    )
    made.topup(spare="5 CNY")
    spare = newest(made)
    tables = {name: it for name, it in made.terms.config.balance.items() if name != "spare"}
    made.configure(agreed(replace(made.terms.config, balance=tables)))
    assert undo(made, spare).startswith("no balance named `spare` is in the config any more: bring it back")
    tables["spare"] = Balance(kind="prepaid", unit="EUR")
    made.configure(agreed(replace(made.terms.config, balance=tables)))
    assert undo(made, spare).startswith("`spare` is in CNY since its first entry")


def test_what_comes_by_itself() -> None:
    """A pool's fee, an ended lot and what headers show are no entries by hand, but may be entered too."""
    plain_one = Adjusted(balance="b", amount="-1", unit="CNY", reason="topup")
    assert is_by_hand(plain_one)
    assert not is_by_hand(replace(plain_one, reason="expiry"))
    assert not is_by_hand(replace(plain_one, reason="fee", amount="0"))
    assert is_by_hand(replace(plain_one, reason="fee"))
    assert not is_by_hand(replace(plain_one, reason="used_elsewhere"))
    assert is_by_hand(replace(plain_one, reason="used_elsewhere", balance_before="3"))


def test_what_is_remembered_stays_small() -> None:
    """The fold keeps the last movements of a balance and the last undos, however many there were."""
    book = Book()
    for seq in range(1, UNDONE_KEPT + 50):
        entry = Adjusted(balance="b", amount="1", unit="CNY", reason="topup", ref=f"r{seq}" if seq < 20 else "")
        book.apply(f"2026-11-24T10:00:00.{seq:06}Z", entry)
        back = replace(entry, amount="-1", undoes=seq, effective=f"2026-11-24T10:00:00.{seq:06}Z")
        book.apply(f"2026-11-24T10:00:01.{seq:06}Z", back)
        book.apply(f"2026-11-24T10:00:02.{seq:06}Z", replace(entry, ref=""))
    state = book.state("b", "CNY")
    assert (BY_HAND_KEPT, UNDONE_KEPT, {}) == (len(state.by_hand), len(book.undone), state.refs)


def test_a_fold_of_before_is_read() -> None:
    """What older versions wrote knows nothing of it; the next entry is remembered."""
    state = msgspec.json.decode(b'{"unit":"CNY","posted":"5"}', type=BalanceState)
    assert ([], Decimal(5)) == (state.by_hand, state.posted)
    assert [] == msgspec.json.decode(b'{"balances":{}}', type=Book).undone


HANDS = st.sampled_from(
    [
        ("topup", "3", ""),
        ("topup", "4", "2026-11-26"),
        ("topup", "0.5", "2026-12-31"),
        ("adjust", "2", ""),
        ("adjust", "-2", ""),
        ("adjust", "-7", ""),
        ("refund", "3", ""),
        ("set", "5", ""),
        ("set", "0", ""),
        ("close", "", ""),
    ]
)
BEFORE = st.lists(HANDS, max_size=6)


def moves(made: Bench, hand: tuple[str, str, str]) -> list[int]:
    """Carry an order out; return the numbers of its entries."""
    kind, amount, expires = hand
    first = len(made.lines)
    more = {"expires": expires} if expires else {"to": "spare"} if kind == "close" else {}
    assert "" == made.order("wallet", kind, f"{amount} CNY" if amount else "", yes=True, **more)
    return [line.seq for line in made.lines[first:] if isinstance(line.entry, Adjusted)]


def sound(made: Bench) -> None:
    """Hold the lots to what must be true of them, and the fold to the ledger."""
    for name in ("wallet", "spare"):
        state = made.fold.book.state(name, "CNY")
        debt = subtract(total([lot.left for lot in state.lots]), state.posted)
        assert debt >= ZERO
        assert all(lot.left > ZERO for lot in state.lots)
        assert state.lots == sorted(state.lots, key=lambda lot: lot.expires or "9999")
        assert not (debt and any(not lot.ended(made.at) for lot in state.lots))
    assert made.fold.book == made.replayed().book


@given(before=BEFORE, hand=HANDS, calls=st.integers(0, 2))
@settings(deadline=None)
def test_entry_and_undo_are_nothing(before: list[tuple[str, str, str]], hand: tuple[str, str, str], calls: int) -> None:
    """Whatever the books are, an entry that is taken back at once leaves money, lots and references as before."""
    made = bench()
    made.topup(wallet="10 CNY", spare="1 CNY")
    for one in before:
        moves(made, one)
        made.later(minutes=1)
    for _call in range(calls):
        entry = made.step(made.route(task="t"))
        if isinstance(entry, Held):
            made.end(entry, finished(usage={"input": 5000, "output": 5000}))
    made.later(minutes=1)
    was = picture(made)
    seqs = moves(made, hand)
    made.later(minutes=1)
    if seqs:
        assert "" == undo(made, *seqs, yes=True)
    assert was == picture(made)
    sound(made)


@given(steps=st.lists(st.one_of(HANDS, st.just("call"), st.just("day"), st.integers(0, 8)), max_size=20))
@settings(deadline=None)
def test_undos_among_calls(steps: list[tuple[str, str, str] | str | int]) -> None:
    """Among calls, other entries and ends of lots: what is posted is the sum of what stands, and lots are sound."""
    made = bench()
    made.topup(wallet="10 CNY", spare="1 CNY")
    groups = [[newest(made) - 1], [newest(made)]]
    for step in steps:
        match step:
            case "call":
                entry = made.step(made.route())
                if isinstance(entry, Held):
                    made.end(entry, finished(usage={"input": 900_000, "output": 90_000}))
            case "day":
                made.later(days=1)
                for ended in due(made.terms.config, made.fold.book, made.at):
                    made.append(ended)
            case int():
                undo(made, *groups[step % len(groups)], yes=True)
            case str():
                pass
            case _ if step[2] and step[2] < made.at[:10]:
                pass
            case _:
                groups += [seqs] if (seqs := moves(made, step)) else []
        sound(made)
    moved = [it for it in made.entries if isinstance(it, Adjusted) and it.balance in {"wallet", "spare"}]
    undone = {it.undoes for it in moved if it.undoes}
    standing = [
        Decimal(line.entry.amount)
        for line in made.lines
        if isinstance(line.entry, Adjusted) and line.seq not in undone and not line.entry.undoes
    ]
    charges = [-Decimal(it.charge) for it in made.entries if isinstance(it, Settled)]
    posted = [made.fold.book.state(name, "CNY").posted for name in ("wallet", "spare")]
    assert total([*standing, *charges]) == total(posted)


@pytest.mark.parametrize("yes", [False, True])
def test_what_is_odd_about_one_of_several_keeps_all(yes: bool) -> None:
    """All entries of a batch are taken back, or none."""
    made = bench()
    made.topup(wallet="5 CNY", spare="1 CNY")
    assert "" == made.order("wallet", "close", "", to="spare")
    closing = [line.seq for line in made.lines[-2:]]
    assert "" == made.order("spare", "adjust", "-4 CNY")
    before = len(made.lines)
    assert yes == ("" == undo(made, *closing, yes=yes))
    assert before + 2 * yes == len(made.lines)


def test_a_corrected_cost_holds_no_more() -> None:
    """A wrong cost that an upstream reported locks no route: its correction lowers the next hold, its undo does not."""
    nothing = {RELAY: (card(RELAY, {}, unit="CNY", terms="reported"),)}
    made = Bench(terms=agreed(listed(RELAY), cards(charge=nothing)))
    made.topup(wallet="10 CNY")
    for cost in ("0.01", "0.02"):
        made.call(finished(reported_cost=Decimal(cost)))
    assert "0.02" == made.held(made.route()).hold
    last = [entry for entry in made.entries if isinstance(entry, Settled)][-1]
    of_call = {"corrects": last.id, "key": "k", "route": "relay", "upstream_model": "m"}
    assert "" == made.order("wallet", "adjust", "0.015 CNY", **of_call)
    assert "0.01" == made.held(made.route()).hold
    assert "" == undo(made, [line.seq for line in made.lines if isinstance(line.entry, Adjusted)][-1])
    assert "0.02" == made.held(made.route()).hold


def test_an_entry_is_taken_back_once_in_an_order_too() -> None:
    """An order over the control socket may name it twice: nothing is entered then."""
    made = bench()
    made.topup(wallet="5 CNY")
    line = made.lines[-1]
    assert isinstance(line.entry, Adjusted)
    twice = (ToUndo(seq=line.seq, ts=line.ts, entry=line.entry),) * 2
    answer = taken_back(UndoOrder(entries=twice, yes=True), made.terms, made.fold, made.at)
    assert answer == Unadjusted(why=f"entry {line.seq} is named twice: it can be taken back once")


def test_what_stands_after_an_undo_fits_the_ledger() -> None:
    """A balance beyond what one entry can hold could never be mended again."""
    made = bench()
    nearly = "90000000000000000000"
    assert "" == made.order("wallet", "adjust", f"{nearly} CNY", yes=True)
    assert "" == made.order("wallet", "adjust", f"-{nearly} CNY", yes=True)
    taken = newest(made)
    assert "" == made.order("wallet", "adjust", f"{nearly} CNY", yes=True)
    assert "beyond what the ledger can hold" in undo(made, taken, yes=True)
