"""What ends a wait, and by which word."""

import asyncio
from dataclasses import dataclass

import pytest
from upstreams import until

from tokens_forge.proxy import watch as watch_file
from tokens_forge.proxy.watch import Interrupted, Wait, Watch

FAR = float("inf")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweep often, so that no test waits long."""
    monkeypatch.setattr(watch_file, "SWEEP_S", 0.01)


@dataclass(slots=True)
class Client:
    """A client that may have left."""

    left: bool = False


async def ended(watch: Watch, wait: Wait) -> str:
    """Wait for ever and return the word that ended it."""
    with watch.sweeping(), pytest.raises(Interrupted) as end:
        async with asyncio.timeout(10), wait:
            await asyncio.Event().wait()
    assert set() == watch.waits
    return end.value.why


async def test_a_client_that_leaves() -> None:
    """Without a drain the wait ends at once."""
    watch = Watch()
    assert "client_left" == await ended(watch, Wait(watch, Client(left=True), deadline=FAR))


async def test_a_drain() -> None:
    """With a drain it goes on for so long, and then ends by the same word."""
    watch = Watch()
    began = watch.time()
    assert "client_left" == await ended(watch, Wait(watch, Client(left=True), deadline=FAR, drain_s=0.1))
    assert watch.time() - began >= 0.1


async def test_the_deadline() -> None:
    """The call's deadline goes before a longer allowance."""
    watch = Watch()
    wait = Wait(watch, Client(), deadline=watch.time() + 0.05)
    wait.allow(60, "idle_timeout")
    assert "deadline" == await ended(watch, wait)


async def test_an_allowance() -> None:
    """What is allowed less time than the deadline ends by its own word; the last allowance counts."""
    watch = Watch()
    wait = Wait(watch, Client(), deadline=watch.time() + 60)
    wait.allow(60, "first_byte_timeout")
    wait.allow(0.05, "idle_timeout")
    assert "idle_timeout" == await ended(watch, wait)


async def test_a_reply_that_has_begun_has_no_deadline() -> None:
    """From then on only the allowance between two chunks bounds it."""
    watch = Watch()
    wait = Wait(watch, Client(), deadline=watch.time())
    wait.forget_deadline()
    wait.allow(0.05, "idle_timeout")
    assert "idle_timeout" == await ended(watch, wait)


async def test_a_drain_keeps_its_limit() -> None:
    """A client that left in the middle of a stream: what comes does not put off the end of the drain."""
    watch = Watch()
    wait = Wait(watch, Client(), deadline=watch.time(), drain_s=0.05)
    wait.forget_deadline()
    wait.client_left()
    wait.allow(60, "idle_timeout")
    wait.forget_deadline()
    assert "client_left" == await ended(watch, wait)


async def test_a_stop_ends_all_waits_and_those_to_come() -> None:
    """A proxy that stops interrupts what waits now, and what begins to wait later."""
    watch = Watch()
    waiting = asyncio.create_task(ended(watch, Wait(watch, Client(), deadline=FAR)))
    await until(lambda: len(watch.waits) == 1)
    watch.stop()
    assert "stopped" == await waiting
    assert "stopped" == await ended(watch, Wait(watch, Client(), deadline=FAR))


async def test_the_first_reason_stays() -> None:
    """Two reasons in one turn of the loop: the first was the cause."""
    watch = Watch()
    wait = Wait(watch, Client(), deadline=FAR)
    asyncio.get_running_loop().call_soon(lambda: (wait.interrupt("first"), wait.interrupt("second")))
    assert "first" == await ended(watch, wait)


async def test_what_ends_by_itself_is_not_interrupted() -> None:
    """A wait that is over leaves nothing behind, and errors pass through it."""
    watch = Watch()
    async with Wait(watch, Client(), deadline=FAR):
        pass
    with pytest.raises(KeyError):
        async with Wait(watch, Client(), deadline=FAR):
            raise KeyError
    assert set() == watch.waits
