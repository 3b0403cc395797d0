"""Calls that wait for room: for the holds of others to end, or for a task's cap to be raised.

At the playbook's prices a call on the relay holds 0.111 CNY and costs 0.048 CNY.
"""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest
from playbook import Playbook, Reply, Setup, playing
from upstreams import End, completion, plain, refusal, until

from tokens_forge.core.entries import Held, Refused
from tokens_forge.core.recovery import RecoverOrder
from tokens_forge.core.tasks import TaskOrder
from tokens_forge.proxy import server

ROUTED = "routed smart: relay/relay-gpt-5 official/gpt-5"
HELD = "held 1 first relay by wallet"
PAID = "settled 1 ok 0.048 CNY computed; final 200"
NO_WAIT = '[settle]\nwait = "none"'
LITTLE = {"wallet": "0.12 CNY"}
"""Enough for one call's hold."""

FX = """
[report]
fx = { CNY = [{ from = 2020-01-01, rate = "8" }] }
"""

JOB = {"x-tf-task": "job"}


def settle_wait(wait: str, more: str = "") -> Setup:
    """Return little money and no other candidate, with so long a wait."""
    return Setup(fallback="none", fund=LITTLE, more=f'{more}\n[settle]\nwait = "{wait}"')


def capped(at_cap: str) -> Setup:
    """Return a task that may cost 0.019 USD: one call of 0.006 fits, a second one's hold of 0.013875 does not."""
    return Setup(fallback="none", more=f'{FX}[task.job]\ncap = {{ limit = "0.019 USD", at_cap = "{at_cap}" }}\n')


async def waiting(play: Playbook, calls: int) -> None:
    """Return once so many calls are open that have no hold and were not refused: they wait."""
    await until(lambda: sum(not call.holds for call in play.fold.calls.values()) == calls)


async def one_under_way(play: Playbook) -> tuple[asyncio.Event, asyncio.Task[Reply]]:
    """Begin a call that holds nearly all there is, and return what lets its upstream answer."""
    go = asyncio.Event()
    play.relay.answers((go, *plain(completion())))
    call = asyncio.create_task(play.ask())
    await play.relay.reached(1)
    return go, call


async def test_what_can_be_paid_is_paid(tmp_path: Path) -> None:
    """CASES 29, 56: of 200 calls at once on 1 CNY each waits until the holds before it have ended.

    After eighteen charges 0.136 CNY is left and fits one more; none overdraws (the audit), and the rest are refused.
    """
    go = asyncio.Event()
    async with playing(tmp_path, Setup(fallback="none", fund={"wallet": "1 CNY"})) as play:
        play.relay.answers(*[(go, *plain(completion()))] * 9)
        calls = [asyncio.create_task(play.ask()) for _ in range(200)]
        await play.relay.reached(9)
        await waiting(play, 191)
        go.set()
        replies = await asyncio.gather(*calls)
        assert 19 == sum(reply.status == 200 for reply in replies)
        assert {(402, "insufficient_balance")} == {reply.error for reply in replies if reply.status != 200}
        await play.idle()
        assert Decimal("0.088") == play.fold.book.balances["wallet"].posted
        waited = [line.entry.waited_ms for line in play.lines() if isinstance(line.entry, Held)]
        assert ([0] * 9, True) == (waited[:9], all(ms > 0 for ms in waited[9:]))


async def test_without_a_wait_only_what_fits_at_once(tmp_path: Path) -> None:
    """`wait = "none"`: nine holds of 0.111 CNY fit into 1 CNY; 191 calls are refused, naming those nine."""
    go = asyncio.Event()
    async with playing(tmp_path, Setup(fallback="none", fund={"wallet": "1 CNY"}, more=NO_WAIT)) as play:
        play.relay.answers(*[(go, *plain(completion()))] * 9)
        calls = [asyncio.create_task(play.ask()) for _ in range(200)]
        await play.relay.reached(9)
        await until(lambda: sum(call.done() for call in calls) == 191)
        holds = set(play.fold.book.balances["wallet"].holds)
        go.set()
        replies = await asyncio.gather(*calls)
        assert 9 == sum(reply.status == 200 for reply in replies)
        refused = [line.entry for line in play.lines() if isinstance(line.entry, Refused)]
        assert [holds] * 191 == [set(entry.passed_over[0].holds) for entry in refused]
        message = next(reply.message for reply in replies if reply.status == 402)
        assert "0.001 CNY available, 0.111 CNY needed; 0.999 CNY held by calls under way (tf_" in message
        assert " and 4 more)" in message


async def test_a_hold_that_ends_lets_the_next_go_on(tmp_path: Path) -> None:
    """CASES 30: the wait is on the line of the hold, so `tf explain` can say why the call took so long."""
    async with playing(tmp_path, Setup(fallback="none", fund={"wallet": "0.16 CNY"})) as play:
        go, first = await one_under_way(play)
        second = asyncio.create_task(play.ask())
        await waiting(play, 1)
        assert 1 == len(play.relay.got)
        go.set()
        assert [200, 200] == [(await call).status for call in (first, second)]
        assert [ROUTED, HELD, ROUTED, PAID, HELD, PAID] == play.transcript()


async def test_a_topup_lets_the_waiting_go_on(tmp_path: Path) -> None:
    """Money that comes in while a call waits pays for it."""
    async with playing(tmp_path, settle_wait("10s")) as play:
        go, first = await one_under_way(play)
        second = asyncio.create_task(play.ask())
        await waiting(play, 1)
        await play.topup("wallet", "1 CNY")
        assert 200 == (await second).status
        go.set()
        assert 200 == (await first).status


async def test_a_wait_that_is_over(tmp_path: Path) -> None:
    """CASES 30: after `[settle] wait` the call is refused as it would have been at once, naming the hold."""
    async with playing(tmp_path, settle_wait("300ms")) as play:
        go, first = await one_under_way(play)
        (attempt,) = play.fold.book.balances["wallet"].holds
        refused = await play.ask()
        assert (402, "insufficient_balance") == refused.error
        assert {"x-should-retry": "false"} == refused.said("x-should-retry", "retry-after")
        assert (
            "Nothing can pay for this call. relay/relay-gpt-5 by wallet: 0.009 CNY available, 0.111 CNY needed; 0.111 "
            f"CNY held by calls under way ({attempt}); official/gpt-5 by credit: outside of where this call may fall "
            f"back. `tf explain {refused.headers['x-request-id']}` tells more."
        ) == refused.message
        go.set()
        assert 200 == (await first).status


async def test_no_wait_for_what_no_hold_keeps_away(tmp_path: Path) -> None:
    """A call that would not fit either if all others ended is refused at once."""
    async with playing(tmp_path, settle_wait("10m")) as play:
        go, first = await one_under_way(play)
        assert (402, "insufficient_balance") == (await play.ask(max_tokens=100)).error
        go.set()
        assert 200 == (await first).status


async def test_no_wait_where_another_candidate_can_pay(tmp_path: Path) -> None:
    """A fallback that is permitted goes before a wait."""
    async with playing(tmp_path, Setup(fund={**LITTLE, "credit": "1 USD"})) as play:
        go, first = await one_under_way(play)
        assert "official" == (await play.ask()).headers["x-tf-route"]
        go.set()
        assert 200 == (await first).status


async def test_a_fallback_waits_too(tmp_path: Path) -> None:
    """What a call falls back to may be held by others: it waits there as a first attempt would."""
    go = asyncio.Event()
    async with playing(tmp_path, Setup(fund={"wallet": "1 CNY", "credit": "0.36 USD"})) as play:
        play.relay.answers(*[refusal(404, "model_not_found")] * 2)
        play.official.answers((go, *plain(completion())))
        calls = [asyncio.create_task(play.ask()) for _ in range(2)]
        await play.official.reached(1)
        await waiting(play, 1)
        go.set()
        assert ["official"] * 2 == [(await call).headers["x-tf-route"] for call in calls]
        last = [line.entry for line in play.lines() if isinstance(line.entry, Held)][-1]
        assert (2, "fallback", True) == (last.n, last.role, last.waited_ms > 0)


async def test_a_recovery_by_hand_lets_the_waiting_go_on(tmp_path: Path) -> None:
    """A call that waits for a hold, as its other candidate cools, goes there once a hand has ended that."""
    async with playing(tmp_path, Setup(fund={**LITTLE, "credit": "1 USD"})) as play:
        play.relay.answers(refusal(404, "model_not_found"))
        play.official.answers(refusal(429, headers={"retry-after": "600"}))
        await play.ask()
        go = asyncio.Event()
        play.relay.answers((go, *plain(completion())))
        first = asyncio.create_task(play.ask())
        await play.relay.reached(2)
        second = asyncio.create_task(play.ask())
        await waiting(play, 1)
        assert 200 == (await play.control("POST", "/recover", RecoverOrder(name="official"))).status
        assert "official" == (await second).headers["x-tf-route"]
        go.set()
        assert "relay" == (await first).headers["x-tf-route"]


async def test_a_client_that_leaves_while_it_waits(tmp_path: Path) -> None:
    """Nothing is held and nothing asked for a client that is gone; the call is closed."""
    async with playing(tmp_path, settle_wait("10m")) as play:
        go, first = await one_under_way(play)
        second = asyncio.create_task(play.ask())
        await waiting(play, 1)
        second.cancel()
        await waiting(play, 0)
        go.set()
        assert 200 == (await first).status
        assert [ROUTED, HELD, ROUTED, "refused client_left; final 0", PAID] == play.transcript()
        assert 1 == len(play.relay.got)


async def test_the_deadline_of_a_call_that_waits(tmp_path: Path) -> None:
    """The deadline of the whole call ends a longer wait: 504, and the error says which deadline."""
    async with playing(tmp_path, settle_wait("10m", '[policy]\ndeadline = "600ms"\n')) as play:
        play.relay.answers((End.NEVER,))
        first = asyncio.create_task(play.ask())
        await play.relay.reached(1)
        assert (504, "deadline") == (refused := await play.ask()).error
        assert "deadline of 600ms passed before a reply: no attempt" in refused.message
        await first


async def test_a_stop_while_calls_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CASES 42: they are refused with 503 once the proxy has waited for what is under way; the ledger closes them."""
    monkeypatch.setattr(server, "STOP_S", 0.3)
    async with playing(tmp_path, settle_wait("10m")) as play:
        play.relay.answers((End.NEVER,))
        calls = [asyncio.create_task(play.ask()) for _ in range(3)]
        await play.relay.reached(1)
        await waiting(play, 2)
    assert [(503, "stopping")] * 3 == [(await call).error for call in calls]
    assert 2 == play.transcript().count("refused stopping; final 503")


async def test_a_cap_that_is_raised_while_a_call_waits(tmp_path: Path) -> None:
    """`at_cap = "wait 10m"`: `tf task raise` lets the call go on, and the hold says how long it waited."""
    async with playing(tmp_path, capped("wait 10m")) as play:
        assert 200 == (await play.ask(headers=JOB)).status
        play.lines()
        call = asyncio.create_task(play.ask(headers=JOB))
        await waiting(play, 1)
        await play.task(TaskOrder(task="job", action="raised", cap="+1 USD"))
        assert 200 == (await call).status
        assert [ROUTED, "tasked job raised 1.019 USD", HELD, PAID] == play.transcript()


async def test_a_raise_that_is_not_enough(tmp_path: Path) -> None:
    """A call goes on waiting until it fits."""
    async with playing(tmp_path, capped("wait 10m")) as play:
        await play.ask(headers=JOB)
        call = asyncio.create_task(play.ask(headers=JOB))
        await waiting(play, 1)
        await play.task(TaskOrder(task="job", action="raised", cap="+0.0005 USD"))
        await play.task(TaskOrder(task="job", action="raised", cap="0.02 USD"))
        assert 200 == (await call).status
        assert 2 == len(play.relay.got)


async def test_a_cap_that_nobody_raises(tmp_path: Path) -> None:
    """After the wait the call is refused like one at a cap that refuses, naming the cap and what was spent of it."""
    async with playing(tmp_path, capped("wait 300ms")) as play:
        await play.ask(headers=JOB)
        refused = await play.ask(headers=JOB)
        assert (402, "budget_exceeded") == refused.error
        assert (
            "over budget task.job/cap: 0.013 USD left, 0.013875 USD needed; 0.006 of 0.019 USD spent; official/gpt-5"
        ) in refused.message


async def test_a_task_that_is_stopped_while_a_call_waits(tmp_path: Path) -> None:
    """It waits no longer: 403, and the SDK does not send it again."""
    async with playing(tmp_path, capped("wait 10m")) as play:
        await play.ask(headers=JOB)
        call = asyncio.create_task(play.ask(headers=JOB))
        await waiting(play, 1)
        await play.task(TaskOrder(task="job", action="stopped"))
        refused = await call
        assert (403, "task_stopped") == refused.error
        assert "false" == refused.headers["x-should-retry"]


async def test_calls_that_wait_at_a_cap_do_not_pass_it(tmp_path: Path) -> None:
    """CASES 29: a raise that is enough for some lets so many go on, and the others wait on."""
    async with playing(tmp_path, capped("wait 10m")) as play:
        await play.ask(headers=JOB)
        calls = [asyncio.create_task(play.ask(headers=JOB)) for _ in range(10)]
        await waiting(play, 10)
        await play.task(TaskOrder(task="job", action="raised", cap="0.038 USD"))
        await until(lambda: sum(call.done() for call in calls) == 4)
        await waiting(play, 6)
        assert Decimal("0.03") == play.fold.budgets.budgets["task.job/cap"].spans[0].used
        for call in calls:
            call.cancel()
        await play.idle()


async def test_a_shorter_hold_is_not_kept_waiting(tmp_path: Path) -> None:
    """CASES 56: a call that fits goes first: nobody waits for one that does not."""
    async with playing(tmp_path, Setup(fallback="none", fund={"wallet": "0.2 CNY"})) as play:
        go, first = await one_under_way(play)
        large = asyncio.create_task(play.ask(max_tokens=10))
        await waiting(play, 1)
        assert 200 == (await play.ask(max_tokens=4)).status
        assert not large.done()
        large.cancel()
        go.set()
        assert 200 == (await first).status
        await play.idle()


async def test_expected_holds_let_more_calls_in(tmp_path: Path) -> None:
    """CASES 56: agents that always ask for 32,000 tokens don't starve each other once their replies are known.

    A hold for the maximum takes 320 CNY; after 25 replies of 4 tokens it takes what such calls need nearly always.
    """
    go = asyncio.Event()
    more = '[settle]\nhold = "expected"\nwait = "none"'
    async with playing(tmp_path, Setup(fallback="none", fund={"wallet": "330 CNY"}, more=more)) as play:
        play.relay.answers((go, *plain(completion())))
        first = asyncio.create_task(play.ask(max_tokens=32_000))
        await play.relay.reached(1)
        assert (402, "insufficient_balance") == (await play.ask(max_tokens=32_000)).error
        go.set()
        assert 200 == (await first).status
        for _ in range(24):
            assert 200 == (await play.ask(max_tokens=32_000)).status
        play.lines()
        again = asyncio.Event()
        play.relay.answers(*[(again, *plain(completion()))] * 40)
        calls = [asyncio.create_task(play.ask(max_tokens=32_000)) for _ in range(40)]
        await play.relay.reached(65)
        held = [line.entry for line in play.lines() if isinstance(line.entry, Held)]
        assert {("expected", "0.049")} == {(entry.hold_basis.kind, entry.hold) for entry in held}
        again.set()
        assert {200} == {(await call).status for call in calls}


async def test_a_client_that_leaves_at_a_cap(tmp_path: Path) -> None:
    """No hold of another call has to end for it to be seen."""
    async with playing(tmp_path, capped("wait 10m")) as play:
        await play.ask(headers=JOB)
        call = asyncio.create_task(play.ask(headers=JOB))
        await waiting(play, 1)
        call.cancel()
        await play.idle()
        assert "refused client_left; final 0" == play.transcript()[-1]


async def test_a_stop_and_a_deadline_at_a_cap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline of one call and a stop of the proxy end the longest wait for a raise."""
    monkeypatch.setattr(server, "STOP_S", 0.1)
    async with playing(tmp_path, capped("wait 10m")) as play:
        await play.ask(headers=JOB)
        stopped = asyncio.create_task(play.ask(headers=JOB))
        await waiting(play, 1)
        await play.reload("[task.job]", '[policy]\ndeadline = "300ms"\n[task.job]')
        assert (504, "deadline") == (await play.ask(headers=JOB)).error
    assert (503, "stopping") == (await stopped).error
