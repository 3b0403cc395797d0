"""Money with an end, fees, and what is moved by hand while calls are under way.

At the playbook's prices a call on the relay holds 0.111 CNY and costs 0.048 CNY.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from playbook import SECRETS, Playbook, Setup, playing
from upstreams import completion, plain, refusal, until

from tokens_forge.core.adjustment import Order
from tokens_forge.core.entries import Adjusted
from tokens_forge.core.money import text
from tokens_forge.files.ledger_reader import read_lines
from tokens_forge.files.ledger_writer import System
from tokens_forge.proxy import server
from tokens_forge.proxy.server import running

MONDAY = datetime(2035, 1, 1, 10, tzinfo=UTC)
ROUTED = "routed smart: relay/relay-gpt-5 official/gpt-5"
HELD = "held 1 first relay by wallet"
PAID = "settled 1 ok 0.048 CNY computed; final 200"

PLAN = """
[balance.plan]
kind = "pool"
unit = "requests"
windows = [{{ allow = 9, per = "5h" }}]
fee = {{ amount = "20.00 USD", per = "month", from = {first} }}
[route.plan]
class = "subscription"
upstream = "official"
balance = "plan"
serves = ["small"]
"""
OLD = """
[balance.old]
kind = "prepaid"
unit = "CNY"
"""


def alone(**fund: str) -> Setup:
    """Return a setup whose calls only the wallet pays."""
    return Setup(fallback="none", fund=fund)


def lots(play: Playbook, balance: str = "wallet") -> list[tuple[str, str]]:
    """Return what is left of a balance's lots, with their ends."""
    return [(text(lot.left), lot.expires) for lot in play.fold.book.balances[balance].lots]


def fees(play: Playbook) -> list[tuple[str, str, str]]:
    """Return the fees in the ledger: how much, and the first and last day that each pays for."""
    found = [line.entry for line in read_lines(play.paths.ledger)]
    return [(one.fee, one.effective, one.expires) for one in found if isinstance(one, Adjusted) and one.reason == "fee"]


async def test_what_ends_first_is_spent_first(tmp_path: Path) -> None:
    """DESIGN 6: lots burn in the order of their ends, whenever they came in; what has no end is last."""
    async with playing(tmp_path, alone()) as play:
        play.clock.stopped = MONDAY
        await play.topup("wallet", "1 CNY")
        await play.topup("wallet", "0.1 CNY", expires="2035-03-01")
        await play.topup("wallet", "0.05 CNY", expires="2035-02-01")
        for left in (
            [("0.002", "2035-02-01"), ("0.1", "2035-03-01"), ("1", "")],
            [("0.054", "2035-03-01"), ("1", "")],
            [("0.006", "2035-03-01"), ("1", "")],
            [("0.958", "")],
        ):
            assert 200 == (await play.ask()).status
            assert left == lots(play)


async def test_a_lot_that_ends_while_the_proxy_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy enters it when it is due: what was left is lost, by an entry that names its end."""
    monkeypatch.setattr(server, "DUE_EVERY_S", 0.02)
    async with playing(tmp_path, alone()) as play:
        play.clock.stopped = MONDAY
        await play.topup("wallet", "1 CNY", expires="2035-01-01")
        await play.ask()
        play.lines()
        play.clock.on(days=1)
        ledger = play.running.proxy.books.ledger  # what is applied is written a moment later
        await until(lambda: not play.fold.book.balances["wallet"].lots and ledger.written == ledger.seq)
        (line,) = play.lines()
        assert isinstance(line.entry, Adjusted)
        assert ("-0.952", "expiry", "2035-01-01", "2035-01-02T00:00:00.000000Z", "0.952", "0") == (
            line.entry.amount,
            line.entry.reason,
            line.entry.expires,
            line.entry.effective,
            line.entry.balance_before,
            line.entry.balance_after,
        )
        assert (402, "insufficient_balance") == (await play.ask()).error


async def test_a_lot_that_ended_pays_for_nothing(tmp_path: Path) -> None:
    """What is not entered yet is not available all the same: between two looks no call is paid by it."""
    async with playing(tmp_path, alone()) as play:
        play.clock.stopped = MONDAY
        await play.topup("wallet", "0.2 CNY")
        await play.topup("wallet", "1 CNY", expires="2035-01-01")
        play.clock.on(hours=13, minutes=59)
        assert 200 == (await play.ask()).status
        play.clock.on(minutes=1)
        assert [200, 200, 402] == [(await play.ask()).status for _ in range(3)]
        assert [("0.952", "2035-01-01"), ("0.104", "")] == lots(play)
        await play.topup("wallet", "1 CNY")
        assert [("1.104", "")] == lots(play), "a command enters what is due before it"


async def test_a_lot_that_ends_under_a_call(tmp_path: Path) -> None:
    """CASES 36: the charge of a call that was held before is posted after; it takes what can still be spent."""
    go = asyncio.Event()
    async with playing(tmp_path, alone()) as play:
        play.clock.stopped = MONDAY
        await play.topup("wallet", "1 CNY", expires="2035-01-01")
        await play.topup("wallet", "0.1 CNY")
        play.relay.answers((go, *plain(completion())))
        call = asyncio.create_task(play.ask())
        await play.relay.reached(1)
        play.clock.on(days=1)
        go.set()
        assert 200 == (await call).status
        assert [("1", "2035-01-01"), ("0.052", "")] == lots(play)
        await play.topup("wallet", "1 CNY")
        assert Decimal("1.052") == play.fold.book.balances["wallet"].posted


async def test_what_fell_due_while_nobody_ran(tmp_path: Path) -> None:
    """A start enters lots that ended before it decides anything."""
    async with playing(tmp_path, alone()) as play:
        play.clock.stopped = MONDAY
        await play.topup("wallet", "1 CNY", expires="2035-01-01")
    play.clock.on(days=3)
    async with running(play.paths, SECRETS, port=0, system=System(clock=play.clock)) as again:
        assert Decimal(0) == again.proxy.books.fold.book.balances["wallet"].posted
    assert "adjusted wallet -1 CNY expiry" == play.transcript()[-1]


async def test_the_fees_of_a_pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DESIGN 5: a start enters each period's fee since the first, once; the next falls due while the proxy runs."""
    monkeypatch.setattr(server, "DUE_EVERY_S", 0.02)
    first = (datetime.now(UTC) - timedelta(days=40)).date()
    async with playing(tmp_path, Setup(more=PLAN.format(first=first))) as play:
        before = fees(play)
        assert 2 == len(before)
        assert ("20.00 USD", first.isoformat()) == before[0][:2]
        play.clock.on(days=31)
        await until(lambda: len(fees(play)) == 3)
        days = [(fee[1], fee[2]) for fee in fees(play)]
        assert all(
            datetime.fromisoformat(end) + timedelta(days=1) == datetime.fromisoformat(start)
            for (_, end), (start, _) in pairwise(days)
        ), "each begins on the day after the one before"
        assert 200 == (await play.ask(model="small")).status
    async with running(play.paths, SECRETS, port=0, system=System(clock=play.clock)):
        pass
    assert 3 == len(fees(play)), "a start enters none twice"


async def test_a_refund_takes_money_out(tmp_path: Path) -> None:
    """What the provider paid back is spent no more; more than there is shows as owed."""
    async with playing(tmp_path, alone(wallet="1 CNY")) as play:
        await play.adjust(Order(balance="wallet", kind="refund", amount="0.9 CNY", ref="R-1"))
        assert (402, "insufficient_balance") == (await play.ask()).error
        assert (
            409
            == (
                await play.control("POST", "/adjust", Order(balance="wallet", kind="refund", amount="1 CNY", ref="R-1"))
            ).status
        )
        assert "adjusted wallet -0.9 CNY refund" == play.transcript()[0]


async def test_a_closed_balance(tmp_path: Path) -> None:
    """What is left goes to another one with its ends, in one batch; then it may leave the config."""
    async with playing(tmp_path, Setup(fallback="none", more=OLD, fund={"wallet": "0.1 CNY"})) as play:
        play.clock.stopped = MONDAY
        await play.topup("old", "1 CNY", expires="2035-06-01")
        await play.topup("old", "2 CNY")
        assert 402 == (await play.ask()).status
        play.lines()
        gone = await play.reload(OLD, "")
        assert 409 == gone.status
        assert (
            "[balance.old]: it is gone from the config and has 3 CNY: bring it back, then `tf balance close old"
            in (gone.json["error"])
        )
        assert 409 == (await play.control("POST", "/reload")).status
        assert "old" in play.running.proxy.in_force.terms.config.balance
        await play.adjust(Order(balance="old", kind="close", to="wallet"))
        assert [
            "adjusted old -3 CNY closed",
            "adjusted wallet 1 CNY closed",
            "adjusted wallet 2 CNY closed",
        ] == play.transcript()
        assert [("1", "2035-06-01"), ("2.1", "")] == lots(play)
        assert 200 == (await play.control("POST", "/reload")).status
        assert "old" not in play.running.proxy.in_force.terms.config.balance
        assert 200 == (await play.ask()).status


async def test_a_balance_with_calls_under_way_is_not_closed(tmp_path: Path) -> None:
    """A hold that is not over would be charged to an account that is gone."""
    go = asyncio.Event()
    async with playing(tmp_path, alone(wallet="1 CNY")) as play:
        play.relay.answers((go, *plain(completion())))
        call = asyncio.create_task(play.ask())
        await play.relay.reached(1)
        refused = await play.control("POST", "/adjust", Order(balance="wallet", kind="close"))
        assert 409 == refused.status
        assert "calls under way hold 0.111 CNY on `wallet`: try again when they have ended" == refused.json["error"]
        go.set()
        assert 200 == (await call).status
        await play.adjust(Order(balance="wallet", kind="close"))
        assert Decimal(0) == play.fold.book.balances["wallet"].posted


async def test_closing_into_another_unit_is_refused(tmp_path: Path) -> None:
    """CASES 46: amounts of different units never add."""
    async with playing(tmp_path) as play:
        refused = await play.control("POST", "/adjust", Order(balance="wallet", kind="close", to="credit"))
        assert (409, True) == (refused.status, "`credit` is in USD and `wallet` in CNY" in refused.json["error"])


async def test_a_balance_that_was_empty_upstream(tmp_path: Path) -> None:
    """CASES 54: a refund does not end that, money that comes in does."""
    async with playing(tmp_path) as play:
        play.relay.answers(refusal(402))
        await play.ask()
        await play.adjust(Order(balance="wallet", kind="refund", amount="1 CNY"))
        assert "official" == (await play.ask()).headers["x-tf-route"]
        await play.topup("wallet", "1 CNY")
        assert "relay" == (await play.ask()).headers["x-tf-route"]
