"""The fold: what all entries up to now add up to."""

from datetime import date
from decimal import Decimal

import msgspec
import pytest
from builders import LOCAL, OFFICIAL, RELAY, Bench, agreed, config, finished, listed

from tokens_forge.core.config import Balance, Budget, Key, Rate, Report
from tokens_forge.core.entries import Adjusted, Limit, Line, Opened, Renamed, Settled, Tasked, Trail, Voided
from tokens_forge.core.errors import MoneyError
from tokens_forge.core.fold import Fold, decode, trail_of
from tokens_forge.core.settlement import lost


def busy() -> Bench:
    """Return a bench in the middle of everything: open calls, holds, windows, cooldowns, references."""
    bench = Bench()
    bench.topup(wallet="1 CNY", credit="1 USD")
    bench.order("wallet", "topup", "2.5 CNY", ref="INV-7")
    call = bench.route()
    bench.attempt(call, finished("rate_limited", wait_s="30"))
    bench.held(call)
    bench.call("insufficient_quota")
    bench.route()
    bench.held(bench.route())
    return bench


def test_a_fold_goes_on_as_if_it_had_never_been_written() -> None:
    """A page's `opened` carries the whole fold: decoded, it is the same and goes on the same."""
    bench = busy()
    again = decode(bench.fold.encode())
    assert bench.fold == again

    at = len(bench.lines)
    bench.later(seconds=30)
    bench.call()
    bench.call("connect")
    for line in bench.lines[at:]:
        again.apply(line)
    assert bench.fold.encode() == again.encode()


def test_money_of_every_kind_goes_on_too() -> None:
    """Lots, windows, a provider's words, budgets with live holds, tasks and what was learnt of replies."""
    tables = config()
    day = Budget(limit="5 USD", per="day", count="list")
    conf = config(
        balance={**tables.balance, "plan": Balance(kind="pool", unit="percent", windows="provider", budget=day)},
        key={"k": Key(budget=(Budget(limit="5 CNY", per="hour"), day))},
        report=Report(fx={"CNY": (Rate(valid_from=date(2026, 1, 1), rate=Decimal(8)),)}),
    )
    bench = Bench(terms=agreed(conf))
    bench.order("wallet", "topup", "1 CNY", expires="2026-12-01", ref="INV-8")
    bench.append(Tasked(task="t", action="started", cap="2 USD", soft="0.8", at_cap="wait 10m"))
    for _ in range(3):
        bench.attempt(bench.route(task="t"))
    bench.held(bench.route(task="t"))
    bench.later(days=8)
    bench.call(finished(limits=(Limit(window="provider/5h", remaining="40", limit="100", status="allowed"),)))
    bench.append(Renamed(scope="key", name="new", was="k"))
    bench.append(Tasked(task="t", action="stopped"))

    assert decode(bench.fold.encode()) == bench.fold == bench.replayed()
    budgets = bench.fold.budgets
    assert {"key.new/hour", "key.new/day", "task.t/cap"} < set(budgets.budgets)
    assert (bench.at, "2 USD") == (budgets.tasks["t"].stopped, budgets.tasks["t"].cap)


def test_the_lines_alone_give_the_fold() -> None:
    """DESIGN 2: balances, windows, health and open calls are folds over the ledger."""
    bench = busy()

    assert bench.fold.encode() == bench.replayed().encode()


def test_a_fold_is_written_without_exponents() -> None:
    """Decimals are plain digits there too."""
    bench = Bench()
    bench.topup(wallet="0.000000000001 CNY")

    assert b'"posted":"0.000000000001"' in bench.fold.encode()


def test_what_is_no_fold_is_refused() -> None:
    """Damage is an error, never an empty fold."""
    with pytest.raises(msgspec.DecodeError):
        decode(b'{"calls":[]}')
    with pytest.raises(msgspec.DecodeError, match="no number"):
        decode(b'{"book":{"balances":{"wallet":{"unit":"CNY","posted":"NaN"}}}}')


def test_a_call_is_open_until_its_closing_entry() -> None:
    """From `routed` to the entry with `final`; in between its attempts that are under way and those that ended."""
    bench = Bench()
    bench.topup(wallet="1 CNY", credit="1 USD")
    call = bench.route()
    first = bench.held(call)
    assert ({1: first}, ()) == (bench.open(call).holds, bench.open(call).trail)

    bench.end(first, "model_not_found")
    trail = Trail(
        n=1,
        candidate=RELAY,
        balance="wallet",
        outcome="rejected",
        error="model_not_found",
        charge="0",
        unit="CNY",
        ms=1.0,
    )
    assert ({}, (trail,)) == (bench.open(call).holds, bench.open(call).trail)

    bench.attempt(call)
    assert {} == bench.fold.calls


@pytest.mark.parametrize("ended", ["", "bad_request", "client_left"])
def test_a_final_entry_closes(ended: str) -> None:
    """A settled or voided entry with `final` is the closing one."""
    bench = Bench()
    bench.topup(wallet="1 CNY")
    bench.call(ended)

    assert {} == bench.fold.calls


def test_a_refusal_closes() -> None:
    """A refused call is open no more."""
    bench = Bench(terms=agreed(listed(RELAY)))
    bench.refused(bench.route())

    assert {} == bench.fold.calls


def test_the_trail_has_what_an_attempt_cost() -> None:
    """CASES 22 and 25: an attempt that may have been billed stands in the trail with its charge."""
    bench = Bench(terms=agreed(listed(RELAY, OFFICIAL)))
    bench.topup(wallet="1 CNY", credit="1 USD")
    call = bench.route()
    settled = bench.end(bench.held(call), "first_byte_timeout")

    assert ("0.01", "CNY", "unanswered") == (
        trail_of(settled).charge,
        trail_of(settled).unit,
        trail_of(settled).outcome,
    )


@pytest.mark.parametrize(
    ("error", "wait_s", "expected"),
    [
        ("server_error", "", True),
        ("connect", "", True),
        ("rate_limited", "2", True),
        ("stream_options", "", True),
        ("rate_limited", "", False),
        ("rate_limited", "3", False),
        ("server_error", "3", False),
        ("first_byte_timeout", "", False),
    ],
)
def test_whether_the_candidate_may_be_tried_again_follows_from_the_entry(
    error: str, wait_s: str, expected: bool
) -> None:
    """The failure table is read again on replay, so it needs no word of its own in the ledger."""
    bench = Bench()
    bench.topup(wallet="1 CNY")
    call = bench.route()
    bench.attempt(call, finished(error, wait_s=wait_s))

    assert expected == bench.open(call).may_retry


def test_what_is_in_force_is_in_the_fold() -> None:
    """`configured` and `opened` say which config and cards; a call is not touched by it."""
    fold = Fold()
    bench = Bench()
    assert ("c_0", "p_1") == (bench.fold.config, bench.fold.cards)
    bench.configure(agreed(listed(LOCAL)))
    assert "c_1" == bench.fold.config

    opened = Opened(page="2026-11-24", machine="m", lineage="l", config="c_9", cards="p_9")
    fold.apply(Line(seq=1, ts=bench.at, entry=opened))
    assert ("c_9", "p_9") == (fold.config, fold.cards)


def test_an_amount_in_another_unit_changes_nothing() -> None:
    """What the books refuse leaves health and calls as they were."""
    bench = busy()
    before = bench.fold.encode()
    wrong = Adjusted(balance="wallet", amount="1", unit="USD", reason="topup")

    with pytest.raises(MoneyError):
        bench.fold.apply(Line(seq=99, ts=bench.at, entry=wrong))
    assert before == bench.fold.encode()


def test_a_start_closes_what_it_finds() -> None:
    """DESIGN 2: a hold without an end is charged as it was held, estimated, and the call is closed (CASES 30, 42)."""
    bench = Bench(terms=agreed(listed(RELAY)))
    bench.topup(wallet="1 CNY")
    call = bench.route()
    held = bench.held(call)
    found = decode(bench.fold.encode())
    entry = lost(found.calls[call], found.calls[call].holds[1], final=True, fold=found, terms=bench.terms, at=bench.at)
    found.apply(Line(seq=99, ts=bench.at, entry=entry))

    assert ("lost", held.hold, "estimated", "1", "0.938") == (
        entry.outcome,
        entry.charge,
        entry.certainty,
        entry.balance_before,
        entry.balance_after,
    )
    assert ({}, {}) == (found.calls, found.book.state("wallet", "CNY").holds)


def test_the_kinds_of_ends_are_settled_and_voided() -> None:
    """One attempt ends in one of them, by its row."""
    bench = Bench()
    bench.topup(wallet="1 CNY")

    assert isinstance(bench.end(bench.held(bench.route())), Settled)
    assert isinstance(bench.end(bench.held(bench.route()), "connect"), Voided)


def test_bytes_that_are_no_text_are_no_fold() -> None:
    """A flipped bit can make a name no UTF-8: that is the same error as for other bytes that are no fold."""
    with pytest.raises(msgspec.DecodeError):
        decode(b'{"config":"\xff"}')
