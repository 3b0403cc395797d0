"""Streams that do not end as they should, for every pair of a client's dialect and an upstream's."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import msgspec
import pytest
from clients import Client
from goldens import Golden
from pairs import BODIES, NATIVE, PAIRS, PATHS, before, events, said
from playbook import Playbook, Setup, playing
from upstreams import End, Step, refusal, stream

from tokens_forge.core.dialects import DialectName

ERRORS: dict[Client, str] = {
    "chat": '"code":"{}"',
    "responses": "event: response.failed",
    "messages": "event: error",
}
"""What the event holds by which each client knows that its stream is not whole."""

pairs = pytest.mark.parametrize(("client", "spoken"), PAIRS)


def begun(golden: Golden) -> list[Step]:
    """Return the events up to the first that says some of the text, and one more."""
    told = events(golden)
    words = [word.encode() for word in golden.text.split()]
    first = next(place for place, event in enumerate(told) if any(word in event for word in words))
    return list(told[: first + 2])


@asynccontextmanager
async def asked(play: Playbook, client: Client) -> AsyncGenerator[httpx.Response]:
    """Give a client's stream under way; leaving the context early is a client that hangs up."""
    head = {"authorization": f"Bearer {play.tokens['aider']}"}
    body = {"model": "m", "stream": True, **BODIES[client]}
    async with play.http.stream("POST", play.url + PATHS[NATIVE[client]], json=body, headers=head) as got:
        yield got


@pairs
async def test_a_client_that_leaves(tmp_path: Path, client: Client, spoken: DialectName) -> None:
    """CASES 19: the entry is there, input counts and what was streamed; the upstream is not read on."""
    async with playing(tmp_path, before(spoken)) as play:
        play.relay.answers(stream(*begun(said(spoken)), End.NEVER))
        async with asked(play, client) as got:
            async for _some in got.aiter_bytes():
                break
        settled = await play.settled()
        assert ("disconnected", "client_left", "estimated") == (settled.outcome, settled.error, settled.certainty)
        assert settled.usage["input"] > 0
        assert settled.usage["output"] > 0
        await play.relay.hung_up.wait()


@pairs
async def test_a_client_that_leaves_is_drained_for_its_usage(
    tmp_path: Path, client: Client, spoken: DialectName
) -> None:
    """CASES 19: by the other policy the stream is read to its end, and the entry has the real usage."""
    golden = said(spoken)
    parts = begun(golden)
    rest = events(golden)[len(parts) :]
    async with playing(tmp_path, before(spoken, '[settle]\ndisconnect = "drain"\n')) as play:
        go_on = asyncio.Event()
        play.relay.answers(stream(*parts, go_on, *rest))
        async with asked(play, client) as got:
            async for _some in got.aiter_bytes():
                break
        await play.seen_to_have_left()
        go_on.set()
        settled = await play.settled()
        assert ("disconnected", dict(golden.usage), "reported") == (
            settled.outcome,
            settled.usage,
            settled.usage_source,
        )


@pairs
@pytest.mark.parametrize(
    ("end", "error"), [((End.RESET,), "stream_cut"), ((b"data: {no json\n\n", End.CLOSE), "stream_malformed")]
)
async def test_a_stream_that_breaks(
    tmp_path: Path, client: Client, spoken: DialectName, end: tuple[Step, ...], error: str
) -> None:
    """CASES 20, 21: the client sees an error in its own dialect; what came is settled, not the error's text."""
    async with playing(tmp_path, before(spoken)) as play:
        play.relay.answers(stream(*begun(said(spoken)), *end))
        async with asked(play, client) as got:
            body = (await got.aread()).decode()
        assert ERRORS[client].format(error) in body.rsplit("\n\n", 2)[-2]
        settled = await play.settled()
        assert ("broken", error, "estimated", 200) == (
            settled.outcome,
            settled.error,
            settled.certainty,
            settled.client_status,
        )
        assert 0 < settled.usage["output"] < 20


@pairs
async def test_a_stream_that_fails_before_it_begins(tmp_path: Path, client: Client, spoken: DialectName) -> None:
    """Nothing went downstream, so another attempt may answer; the wire's count is the ledger's."""
    golden = said(spoken)
    failure = {
        "openai_chat": b'data: {"error":{"message":"overloaded","code":503}}\n\n',
        "openai_responses": b'event: error\ndata: {"type":"error","code":"server_error","message":"overloaded"}\n\n',
        "anthropic_messages": b'data: {"type":"error","error":{"type":"overloaded_error","message":"x"}}\n\n',
    }
    async with playing(tmp_path, before(spoken)) as play:
        play.relay.answers(stream(failure[spoken]), stream(golden.data))
        async with asked(play, client) as got:
            await got.aread()
        settled = await play.settled()
        assert (2, "retry", dict(golden.usage)) == (settled.n, settled.role, settled.usage)


async def test_usage_is_asked_of_a_stream_in_another_dialect(tmp_path: Path) -> None:
    """CASES 16: a Messages client can't ask a chat upstream for it, so it is asked; who refuses is asked without."""
    async with playing(tmp_path, before("openai_chat")) as play:
        play.relay.answers(refusal(400, "invalid", "unknown field stream_options"), stream(said("openai_chat").data))
        async with asked(play, "messages") as got:
            await got.aread()
        first, second = (got.asked.get("stream_options") for got in play.relay.got)
        assert ({"include_usage": True}, None) == (first, second)
        assert ("ok", "reported") == ((settled := await play.settled()).outcome, settled.usage_source)


@pytest.mark.parametrize("client", ["messages", "responses"])
async def test_a_receipt_in_a_translated_stream(tmp_path: Path, client: Client) -> None:
    """`x-tf-receipt: stream`: a comment before the last event, which no parser minds."""
    spoken: DialectName = "openai_chat"
    async with playing(tmp_path, before(spoken)) as play:
        play.relay.answers(stream(said(spoken).data))
        body = msgspec.json.encode({"model": "m", "stream": True, **BODIES[client]})
        got = await play.send("POST", PATHS[NATIVE[client]], body, headers={"x-tf-receipt": "stream"})
        (receipt,) = [line for line in got.body.split(b"\n\n") if line.startswith(b": tf {")]
        assert (await play.settled()).charge == msgspec.json.decode(receipt.removeprefix(b": tf "))["charge"]


async def test_an_upstream_that_is_asked_for_what_it_can_not_be_read_in(tmp_path: Path) -> None:
    """A stream in a dialect that is not the upstream's: nothing of it is an answer, and the client is told."""
    setup: Setup = replace(before("anthropic_messages"), relay='dialect = "anthropic"\n')
    async with playing(tmp_path, setup) as play:
        play.relay.answers(stream(b"data: 5\n\n"), stream(b"data: 5\n\n"))
        async with asked(play, "chat") as got:
            body = await got.aread()
        assert (502, "candidates_exhausted") == (got.status_code, msgspec.json.decode(body)["error"]["code"])
