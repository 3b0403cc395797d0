"""Movements by hand on a running proxy: what is odd is asked there too, and what was entered is taken back."""

import asyncio
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from playbook import SECRETS, Playbook, Reply, Setup, playing
from upstreams import completion, plain

from tokens_forge.core.adjustment import Order
from tokens_forge.core.tasks import TaskOrder
from tokens_forge.core.undo import ToUndo, UndoOrder
from tokens_forge.files.hand_entries import to_undo
from tokens_forge.files.ledger_writer import System
from tokens_forge.proxy.server import running


async def undo(play: Playbook, name: str, *, yes: bool = False) -> Reply:
    """Take an entry back as `tf balance undo` does: the line is read from the pages, core decides."""
    found = to_undo(play.paths.ledger, name)
    entries = tuple(ToUndo(seq=one.line.seq, ts=one.line.ts, entry=one.entry) for one in found)
    return await play.control("POST", "/undo", UndoOrder(entries=entries, yes=yes))


async def test_what_is_odd_is_asked_there_too(tmp_path: Path) -> None:
    """The decision is core's: whatever speaks on the socket, and whether a proxy runs or not."""
    async with playing(tmp_path, Setup(more="[task.job]")) as play:
        before = play.running.proxy.books.ledger.seq
        for path, order, why in (
            (
                "/adjust",
                Order(balance="wallet", kind="topup", amount="100"),
                "+100 CNY (topup) was entered for",
            ),
            ("/adjust", Order(balance="wallet", kind="refund", amount="￥1,001"), "a refund of 1001 CNY is more than"),
            ("/task", TaskOrder(task="jobb", action="stopped"), "no call, entry or config ever named a task `jobb`."),
        ):
            wrong = await play.control("POST", path, order)
            assert (409, True) == (wrong.status, wrong.json["error"].startswith(why)), wrong.json
            assert wrong.json["error"].endswith("Say `--yes` to enter it all the same")
            assert before == play.running.proxy.books.ledger.seq
            right = await play.control("POST", path, msgspec.structs.replace(order, yes=True))
            assert (200, [before + 1]) == (right.status, right.json["seqs"])
            before += 1


async def test_an_entry_is_taken_back_among_calls(tmp_path: Path) -> None:
    """What a call holds and spends meanwhile stays; the balance is as if the entry had never been."""
    go = asyncio.Event()
    async with playing(tmp_path) as play:
        await play.adjust(Order(balance="wallet", kind="topup", amount="7 CNY", ref="A", expires="2099-01-01"))
        play.relay.answers((go, *plain(completion())))
        call = asyncio.create_task(play.ask())
        await play.relay.reached(1)
        assert 200 == (await undo(play, "A")).status
        twice = await undo(play, "A")
        assert (409, True) == (twice.status, "was taken back already" in twice.json["error"])
        go.set()
        assert 200 == (await call).status
        assert Decimal("99.952") == play.fold.book.state("wallet", "CNY").posted
        assert "adjusted wallet -7 CNY topup" in play.transcript()
        await play.adjust(Order(balance="wallet", kind="topup", amount="7 CNY", ref="A"))


async def test_money_that_is_spent_is_asked(tmp_path: Path) -> None:
    """The top-up that paid for a call: without it the wallet owes."""
    async with playing(tmp_path, Setup(fund={"wallet": "0.2 CNY"})) as play:
        play.relay.answers(plain(completion()))
        await play.ask()
        owing = await undo(play, "last")
        assert (409, True) == (owing.status, "`wallet` stands at -0.048 CNY" in owing.json["error"])
        assert 200 == (await undo(play, "last", yes=True)).status
        assert 402 == (await play.ask(headers={"x-tf-route": "relay"})).status


async def test_a_restart_knows_what_was_taken_back(tmp_path: Path) -> None:
    """The fold of the pages has it, and so have the pages themselves."""
    async with playing(tmp_path) as play:
        await play.adjust(Order(balance="wallet", kind="adjust", amount="-3 CNY"))
        assert 200 == (await undo(play, "last")).status
        taken = to_undo(play.paths.ledger, str(play.running.proxy.books.ledger.seq - 1))
    async with running(play.paths, SECRETS, port=0, system=System(clock=play.clock)) as again:
        (one,) = taken
        assert [one.line.seq] == again.proxy.books.fold.book.undone
        order = UndoOrder(entries=(ToUndo(seq=one.line.seq, ts=one.line.ts, entry=one.entry),))
        assert 409 == (await play.control("POST", "/undo", order)).status


@pytest.mark.parametrize("body", [{}, [], {"entries": [{"seq": 1}]}])
async def test_what_is_no_order(tmp_path: Path, body: object) -> None:
    """400, and nothing is entered."""
    async with playing(tmp_path) as play:
        before = play.running.proxy.books.ledger.seq
        assert 400 == (await play.control("POST", "/undo", body)).status
        assert before == play.running.proxy.books.ledger.seq
