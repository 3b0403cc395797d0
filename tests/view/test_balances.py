"""Balances on a screen are the books' own figures (CASES 37)."""

from decimal import Decimal
from pathlib import Path

import msgspec
from ledgers import Ledger, at, call_id, held_relay, routed, settled_relay
from screens import printed

from tokens_forge.core.book import BalanceShown, Book
from tokens_forge.core.config import Balance, Config, Window
from tokens_forge.core.entries import Adjusted, WindowHeld
from tokens_forge.view.balances import balances_view, known_balances, log_view

WINDOWS = (Window(allow=Decimal(900), per="5h"), Window(allow=Decimal(10000), per="7d"))
CONFIG = Config(
    balance={
        "rmb-wallet": Balance(kind="prepaid", unit="CNY"),
        "credit": Balance(kind="prepaid", unit="USD", warn_below="5.00 USD"),
        "coding-plan": Balance(kind="pool", unit="requests", windows=WINDOWS),
        "local": Balance(kind="free"),
    }
)


def book(folder: Path) -> Book:
    """Return the books of two wallets, one with a live hold, and of a pool that was used once."""
    ledger = Ledger(folder)
    first, second = (call_id(at("10:00:00"), n) for n in range(2))
    pool = {"route": "plan", "balance": "coding-plan", "unit": "requests", "hold": "1"}
    window = WindowHeld(window="first-use/5h", start=at("10:00:00"), end=at("15:00:00"))
    ledger.add(
        at("10:00:00"),
        Adjusted(balance="rmb-wallet", amount="0.04", unit="CNY", reason="topup"),
        Adjusted(balance="credit", amount="4.5", unit="USD", reason="topup"),
        Adjusted(balance="old-wallet", amount="1.5", unit="USD", reason="topup"),
        routed(first),
        held_relay(first),
        routed(second),
        held_relay(second, **pool, windows=(window,)),
        settled_relay(second, **pool, charge="1", windows=(window,)),
    )
    return ledger.fold.book


def test_the_whole_picture(tmp_path: Path) -> None:
    """Available is posted less held, or what a pool's smallest window leaves; what is short is said in words."""
    expected = """\
balance         available        held    posted       a day
rmb-wallet    -0.0012 CNY  0.0412 CNY  0.04 CNY           -
credit            4.5 USD           -   4.5 USD           -
coding-plan  899 requests           -         -  1 requests
local                free           -         -           -
old-wallet              -           -   1.5 USD           -
rmb-wallet: nothing available
credit: below its warning of 5.00 USD
coding-plan: requests left in first-use/5h 899, first-use/7d 10000; resets
2026-11-24 15:00:00 UTC"""
    rows = known_balances(book(tmp_path), CONFIG, at("12:00:00"))
    assert expected.splitlines() == printed(balances_view(rows))


def test_a_window_that_ended_is_empty(tmp_path: Path) -> None:
    """After its end a window has used nothing and names no reset."""
    rows = known_balances(book(tmp_path), CONFIG, at("15:00:00"))
    left = "coding-plan: requests left in first-use/5h 900, first-use/7d 10000"
    assert left == printed(balances_view(rows))[-1]


def test_without_a_config_nothing_is_available_for_sure(tmp_path: Path) -> None:
    """What a balance is stands in the config: without it, posted and held are shown and available is not known."""
    rows = known_balances(book(tmp_path), None, at("12:00:00"))
    assert [("rmb-wallet", None), ("credit", None), ("old-wallet", None), ("coding-plan", None)] == [
        (row.name, row.available) for row in rows
    ]


def test_no_balance_says_what_to_write() -> None:
    """An empty table says where balances come from."""
    assert ["no balances yet: write `[balance.NAME]` in the config"] == printed(balances_view(()))


def test_a_postpaid_account_says_what_its_period_took() -> None:
    """What was charged counts against the limit; what was paid in the meantime is in `posted` and gives no room."""
    row = BalanceShown(
        name="account",
        kind="postpaid",
        unit="USD",
        posted=Decimal("0.96"),
        held=Decimal("0.01"),
        available=Decimal("0.05"),
        limit="0.10 USD",
        resets=at("12:00:00"),
    )
    expected = f"account: 0.04 USD of at most 0.10 USD charged in the period to {at('12:00:00')[:10]} 12:00:00 UTC"
    assert expected == printed(balances_view((row,)), 100)[-1]


def test_what_others_used_of_a_providers_pool() -> None:
    """CASES 58: it shows as such; the provider's first word of a window came with a call of ours, and says so."""
    row = BalanceShown(
        name="max",
        kind="pool",
        unit="percent",
        posted=Decimal(0),
        held=Decimal(0),
        available=Decimal(58),
        windows={"provider/5h": Decimal(58)},
        outside={"provider/5h": Decimal(42)},
    )
    assert [
        "max: percent left in provider/5h 58",
        "max: used outside of tf or by its first call there, as headers show it: 42",
        "percent of provider/5h",
    ] == printed(balances_view((row,)))[-3:]


def test_what_is_said_of_a_pool_that_is_used_up() -> None:
    """What pays beyond it is named; a provider that was not heard yet is said so."""
    unheard = BalanceShown(
        name="max", kind="pool", unit="percent", posted=Decimal(0), held=Decimal(0), available=Decimal(100)
    )
    left = {"first-use/5h": Decimal(0)}
    plan = msgspec.structs.replace(
        unheard, name="plan", unit="requests", available=Decimal(0), windows=left, overage="cloud"
    )
    assert [
        "plan: nothing available",
        "plan: requests left in first-use/5h 0",
        "plan: cloud pays beyond it",
        "max: its provider has said nothing yet",
    ] == printed(balances_view((plan, unheard)))[-4:]


def test_entries_by_hand_are_listed() -> None:
    """With the number by which each is taken back, and what is said of it; what was taken back says by which."""
    topup = Adjusted(balance="wallet", amount="5", unit="CNY", reason="topup", ref="A", note="n")
    fee = Adjusted(balance="wallet", amount="-1", unit="CNY", reason="fee", corrects="tf_1")
    rows = ((7, at("10:01:00"), fee, 0), (3, at("10:00:00"), topup, 5))
    assert [
        "entry when (UTC) balance moved reason remark",
        "7 2026-11-24 10:01:00 wallet -1 CNY fee corrects tf_1",
        "3 2026-11-24 10:00:00 wallet 5 CNY topup taken back by entry 5; A; n",
    ] == [" ".join(line.split()) for line in printed(log_view(rows), width=120)]
    assert 3 == len(printed(log_view(tuple(row for row in rows for _ in "ab" if row[0] == 7)), width=80)), (
        "a line a row"
    )
