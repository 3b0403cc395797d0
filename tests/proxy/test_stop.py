"""A graceful stop: what is in flight ends or is settled, and nothing stays held."""

import asyncio
from pathlib import Path

import pytest
from playbook import SECRETS, Playbook, Reply, Setup, playing
from upstreams import DONE, PATIENCE_S, End, chunk, refusal, stream, until

from tokens_forge.core.entries import Settled
from tokens_forge.files.ledger_reader import read_lines
from tokens_forge.proxy import server
from tokens_forge.proxy.server import running


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for calls in flight for less long than a user's proxy would."""
    monkeypatch.setattr(server, "STOP_S", 0.5)


async def asks(play: Playbook) -> bytes:
    """Stream a call to its end and return what came, as far as it came."""
    got = b""
    async with play.streaming() as reply:
        async for part in reply.aiter_bytes():
            got += part
    return got


def settled(play: Playbook) -> Settled:
    """Return how the only call was settled."""
    (entry,) = (line.entry for line in read_lines(play.paths.ledger) if isinstance(line.entry, Settled))
    return entry


async def test_a_stream_in_flight_ends(tmp_path: Path) -> None:
    """The proxy waits for it and takes no other call meanwhile; its reply is whole."""
    go = asyncio.Event()

    async def late(play: Playbook) -> Reply:
        """Ask once the proxy is stopping, and then let the older call end."""
        reply = await play.send("GET", "/health")
        async with asyncio.timeout(PATIENCE_S):
            while reply.status != 503:
                reply = await play.send("POST", "/v1/chat/completions", b"{}")  # 400 as long as it is not stopping
        go.set()
        return reply

    async with playing(tmp_path) as play:
        play.relay.answers(stream(chunk("Hi "), go, chunk("there", finish="stop"), DONE))
        call = asyncio.create_task(asks(play))
        await play.relay.reached(1)
        other = asyncio.create_task(late(play))
    # Leaving the context stops the proxy.
    assert (503, "stopping") == (await other).error
    assert (await call).endswith(DONE)
    assert ("ok", 200) == ((entry := settled(play)).outcome, entry.client_status)


async def test_a_stream_that_does_not_end_is_settled(tmp_path: Path) -> None:
    """After the time for stopping it is settled with what came, and the client reads why."""
    async with playing(tmp_path) as play:
        play.relay.answers(stream(chunk("Hi "), End.NEVER))
        call = asyncio.create_task(asks(play))
        await play.relay.reached(1)
    got = await call
    assert b"Hi " in got
    assert b'"code":"stopped"' in got
    entry = settled(play)
    assert ("broken", "stopped", "estimated") == (entry.outcome, entry.error, entry.certainty)
    assert [] == list(play.fold.health.cooldowns), "a stop is not the upstream's fault"


async def test_a_call_without_a_reply_yet_is_settled(tmp_path: Path) -> None:
    """It was sent and may have been billed; the client gets 503."""
    async with playing(tmp_path, Setup()) as play:
        play.relay.answers((End.NEVER,))
        call = asyncio.create_task(play.ask())
        await play.relay.reached(1)
    assert (503, "stopping") == (await call).error
    assert ("broken", "stopped", "estimated") == ((entry := settled(play)).outcome, entry.error, entry.certainty)


async def test_a_call_that_waits_for_a_retry_is_refused(tmp_path: Path) -> None:
    """A wait between attempts is no attempt: nothing is charged, and the client reads why."""
    async with playing(tmp_path) as play:
        play.relay.answers(refusal(429, headers={"retry-after": "2"}))
        call = asyncio.create_task(play.ask())
        await until(lambda: any("voided" in line for line in play.transcript()))
    assert (503, "stopping") == (await call).error
    assert ["refused stopping; final 503"] == play.transcript()


async def test_what_a_stop_settled_is_there_at_the_next_start(tmp_path: Path) -> None:
    """CASES 42: nothing is lost at a stop, and the next start finds nothing to mend."""
    async with playing(tmp_path) as play:
        play.relay.answers(stream(chunk("Hi "), End.NEVER))
        call = asyncio.create_task(asks(play))
        await play.relay.reached(1)
    await call
    before = play.fold.encode()
    async with running(play.paths, SECRETS, port=0) as again:
        assert () == again.notes
        assert before == again.proxy.books.fold.encode()
