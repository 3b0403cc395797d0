"""Balances on a screen are the books' own figures (CASES 37)."""

from decimal import Decimal
from pathlib import Path

from ledgers import Ledger, at, call_id, held_relay, routed, settled_relay
from screens import printed

from tokens_forge.core.book import Book
from tokens_forge.core.config import Balance, Config, Window
from tokens_forge.core.entries import Adjusted, WindowHeld
from tokens_forge.view.balances import balance_rows, balances_view

WINDOWS = (Window(allow=Decimal(900), per="5h"), Window(allow=Decimal(10000), per="7d"))
CONFIG = Config(
    balance={
        "rmb-wallet": Balance(kind="prepaid", unit="CNY"),
        "coding-plan": Balance(kind="pool", unit="requests", windows=WINDOWS),
        "local": Balance(kind="free"),
    }
)


def book(folder: Path) -> Book:
    """Return the books of a wallet with a live hold, and of a pool that was used once."""
    ledger = Ledger(folder)
    first, second = (call_id(at("10:00:00"), n) for n in range(2))
    pool = {"route": "plan", "balance": "coding-plan", "unit": "requests", "hold": "1"}
    window = WindowHeld(window="first-use/5h", start=at("10:00:00"), end=at("15:00:00"))
    ledger.add(
        at("10:00:00"),
        Adjusted(balance="rmb-wallet", amount="0.04", unit="CNY", reason="topup"),
        Adjusted(balance="old-wallet", amount="1.5", unit="USD", reason="topup"),
        routed(first),
        held_relay(first),
        routed(second),
        held_relay(second, **pool, windows=(window,)),
        settled_relay(second, **pool, charge="1"),
    )
    return ledger.fold.book


def test_the_whole_picture(tmp_path: Path) -> None:
    """Available is posted less held, or what a pool's smallest window leaves; each window is a line."""
    rows = balance_rows(book(tmp_path), CONFIG, at("12:00:00"))
    shown = [" ".join(line.split()) for line in printed(balances_view(rows))]
    assert [
        "balance available held posted",
        "rmb-wallet -0.0012 CNY 0.0412 CNY 0.04 CNY",
        "coding-plan 899 requests - -",
        "local free - -",
        "old-wallet - - 1.5 USD",
        "coding-plan first-use/5h: 1 of 900 requests used, ends 2026-11-24 15:00:00 UTC",
        "coding-plan first-use/7d: 0 of 10000 requests used",
    ] == shown


def test_a_window_that_ended_is_empty(tmp_path: Path) -> None:
    """After its end a window has used nothing and is not open."""
    rows = balance_rows(book(tmp_path), CONFIG, at("15:00:00"))
    assert (Decimal(900), Decimal(0), "") == (rows[1].available, rows[1].windows[0].used, rows[1].windows[0].end)


def test_without_a_config_nothing_is_available_for_sure(tmp_path: Path) -> None:
    """What a balance is stands in the config: without it, posted and held are shown and available is not known."""
    rows = balance_rows(book(tmp_path), None, at("12:00:00"))
    assert [("rmb-wallet", None), ("old-wallet", None), ("coding-plan", None)] == [
        (row.name, row.available) for row in rows
    ]
