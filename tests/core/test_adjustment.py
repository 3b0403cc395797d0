"""Balances moved by hand: what is entered, and what is refused with the next step."""

import pytest
from builders import RELAY, Bench, agreed, config, listed

from tokens_forge.core.config import Balance
from tokens_forge.core.entries import Adjusted, Recovered


def adjustments(made: Bench) -> list[tuple[str, str, str, str]]:
    """Return what was entered: amount, reason, before and after."""
    found = [entry for entry in made.entries if isinstance(entry, Adjusted)]
    return [(it.amount, it.reason, it.balance_before, it.balance_after) for it in found]


def test_a_topup_adds() -> None:
    """What was paid for it, the fee and the reference are kept beside the amount, never added to it."""
    made = Bench()
    assert "" == made.order("wallet", "topup", "500 CNY", paid="70.90 USD", fee="2.10 USD", ref="INV-7", note="n")
    entry = made.entries[-1]
    assert isinstance(entry, Adjusted)
    assert ("500", "CNY", "topup", "70.90 USD", "2.10 USD", "INV-7", "n") == (
        entry.amount,
        entry.unit,
        entry.reason,
        entry.paid,
        entry.fee,
        entry.ref,
        entry.note,
    )


def test_what_the_dashboard_shows_is_entered_as_it_is() -> None:
    """CASES 57: the difference is named: an opening when nothing was known, else unexplained; none is no entry."""
    made = Bench()
    for amount in ("8.13 USD", "8.13 USD", "7 USD", "9 USD"):
        assert "" == made.order("credit", "set", amount)
    assert [
        ("8.13", "opening", "0", "8.13"),
        ("-1.13", "unexplained", "8.13", "7"),
        ("2", "unexplained", "7", "9"),
    ] == adjustments(made)


def test_an_adjustment_says_why() -> None:
    """It may take away; a correction names its call and that call's key, so that reports follow."""
    made = Bench()
    assert "" == made.order("wallet", "adjust", "-2 CNY", reason="fee")
    assert "" == made.order("wallet", "adjust", "1 CNY", corrects="tf_1", key="k", route="relay", upstream_model="m")
    assert [("-2", "fee", "0", "-2"), ("1", "correction", "-2", "-1")] == adjustments(made)
    last = made.entries[-1]
    assert isinstance(last, Adjusted)
    assert ("tf_1", "k", "relay", "m") == (last.corrects, last.key, last.route, last.upstream_model)


def test_a_topup_ends_being_empty() -> None:
    """CASES 54: empty until it is topped up; taking away ends nothing."""
    made = Bench(terms=agreed(listed(RELAY)))
    made.topup(wallet="5 CNY")
    made.call("insufficient_quota")
    assert "" == made.order("wallet", "adjust", "-1 CNY")
    assert [] == made.recoveries()
    made.topup(wallet="5 CNY")
    assert [Recovered(scope="balance", name="wallet", by="topup")] == made.recoveries()


@pytest.mark.parametrize(("figure", "recovers"), [("6 CNY", True), ("5 CNY", False), ("4 CNY", False)])
def test_a_figure_that_shows_more_money_ends_being_empty_too(figure: str, recovers: bool) -> None:
    """CASES 54, 57: what the dashboard shows may be a top-up that was not entered; the same or less is none."""
    made = Bench(terms=agreed(listed(RELAY)))
    made.topup(wallet="5 CNY")
    made.call("insufficient_quota")
    assert "" == made.order("wallet", "set", figure)
    assert recovers == bool(made.recoveries())


@pytest.mark.parametrize(
    ("balance", "kind", "amount", "more", "why"),
    [
        ("walet", "topup", "1 CNY", {}, "no balance named `walet`. Did you mean `wallet`?"),
        ("plan", "topup", "1 requests", {}, "`plan` is a pool balance: only a prepaid or postpaid one takes money in"),
        ("wallet", "topup", "1 USD", {}, "`wallet` is in CNY and never takes an amount in USD: write `1 CNY`"),
        ("wallet", "topup", "1", {}, "`1` is no amount: write a number and a unit, such as `5.00 USD`"),
        ("wallet", "topup", "1 CNY", {"paid": "much"}, "`much` is no amount"),
        ("wallet", "topup", "0 CNY", {}, "a top-up of 0 CNY adds nothing"),
        ("wallet", "adjust", "0.0000000000001 CNY", {}, "`0.0000000000001 CNY` has more than 12 decimal places"),
        ("wallet", "topup", "1 CNY", {"ref": "A"}, "`A` was entered for `wallet` at 2026-11-24T10:00:00.000000Z"),
    ],
)
def test_refusals(balance: str, kind: str, amount: str, more: dict[str, str], why: str) -> None:
    """Each says what to do instead; nothing is entered."""
    made = Bench()
    assert "" == made.order("wallet", "topup", "3 CNY", ref="A")
    before = len(made.entries)
    assert made.order(balance, kind, amount, **more).startswith(why)
    assert before == len(made.entries)


def test_a_changed_unit_is_refused() -> None:
    """A balance keeps the unit of its first entry."""
    made = Bench()
    made.topup(wallet="1 CNY")
    made.configure(agreed(config(balance={**config().balance, "wallet": Balance(kind="prepaid", unit="EUR")})))
    assert made.order("wallet", "topup", "1 EUR").startswith("`wallet` is in CNY since its first entry")
