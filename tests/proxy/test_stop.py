"""A graceful stop: what is in flight ends or is settled, and nothing stays held."""

import asyncio
from pathlib import Path

import pytest
from playbook import Playbook, Setup, playing
from upstreams import DONE, End, chunk, stream

from tokens_forge.core.entries import Settled
from tokens_forge.files.ledger_reader import read_lines
from tokens_forge.proxy import server


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
    """The proxy waits for it; its reply is whole."""
    go = asyncio.Event()
    async with playing(tmp_path) as play:
        play.relay.answers(stream(chunk("Hi "), go, chunk("there", finish="stop"), DONE))
        call = asyncio.create_task(asks(play))
        await play.relay.reached(1)
        asyncio.get_running_loop().call_later(0.1, go.set)
    # Leaving the context stops the proxy.
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
