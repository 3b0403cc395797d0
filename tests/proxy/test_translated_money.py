"""What a translated call costs when its answer can't be given, its stream breaks, or another dialect answers it."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from pairs import before
from playbook import Playbook, Setup, playing
from upstreams import End, plain, refusal, stream, until

BODIES: dict[str, dict[str, object]] = {
    "/v1/chat/completions": {"model": "m", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]},
    "/v1/messages": {"model": "m", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]},
    "/v1/responses": {"model": "m", "max_output_tokens": 50, "input": "Hello"},
}

BOTH = """
[model.m]
routes = ["relay/m", "spare/m"]
fallback = "any"
[route.spare]
class = "direct"
upstream = "official"
balance = "credit"
serves = ["m"]
[route.spare.prices]
"m" = [{ from = 2020-01-01, unit = "USD", per = "ktok", input = 2, output = 20 }]
"""
"""A second route, to the upstream that speaks chat completions: its greeting is 8 tokens in and 4 out, 0.096 USD."""

MESSAGE = (
    b'{"type":"message","id":"msg_1","model":"c","role":"assistant","content":%s,"stop_reason":"end_turn","usage":%s}'
)
USED = b'{"input_tokens":100,"cache_read_input_tokens":1000,"output_tokens":20}'
"""0.4 USD by the relay's sheet."""
NO_TEXT = b'[{"type":"tool_use","id":"t","name":"f","input":{"a":"\xff"}}]'
"""What no chat completion can say: it is no Unicode."""

START = b'data: {"type":"message_start","message":%s}\n\n' % MESSAGE.replace(b'"end_turn"', b"null") % (b"[]", USED)
TEXT = b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi there"}}\n\n'
WRONG = b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":7}}\n\n'
END = b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":90}}\n\n'
STOP = b'data: {"type":"message_stop"}\n\n'


def setup() -> Setup:
    """Return a relay that speaks Messages before an upstream that speaks chat, with money for both."""
    plain_setup = before("anthropic_messages", BOTH)
    return Setup(
        config=plain_setup.config, relay=plain_setup.relay, more=BOTH, fund={"wallet": "1000 USD", "credit": "10 USD"}
    )


async def ends(play: Playbook) -> list[str]:
    """Return how each attempt ended, once no call is open."""
    await play.idle()
    return [line for line in play.transcript() if line.startswith(("settled", "voided", "refused"))]


async def send(play: Playbook, path: str, **more: object) -> bytes:
    """Ask at a path and return the whole reply."""
    got = await play.send("POST", path, msgspec.json.encode({**BODIES[path], **more}))
    assert 200 == got.status, got.body
    return got.body


async def test_an_answer_that_cannot_be_given_is_billed(tmp_path: Path) -> None:
    """CASES 55: its usage is its charge, to the token, and the fallback's is beside it."""
    async with playing(tmp_path, setup()) as play:
        play.relay.answers(plain(MESSAGE % (NO_TEXT, USED)))
        await send(play, "/v1/chat/completions")
        assert [
            "settled 1 unanswered bad_reply 0.4 USD computed",
            "settled 2 ok 0.096 USD computed; final 200",
        ] == await ends(play)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/responses"])
async def test_a_whole_reply_where_a_stream_was_asked_for(tmp_path: Path, path: str) -> None:
    """It is given as a stream, and what it says that it used was billed."""
    async with playing(tmp_path, setup()) as play:
        play.relay.answers(plain(MESSAGE % (b'[{"type":"text","text":"Hi"}]', USED)))
        assert b"Hi" in await send(play, path, stream=True)
        assert ["settled 1 ok 0.4 USD computed; final 200"] == await ends(play)


@pytest.mark.parametrize(
    ("path", "last"),
    [
        ("/v1/chat/completions", b'data: {"error":'),
        ("/v1/messages", b"event: error\n"),
        ("/v1/responses", b"event: response.failed\n"),
    ],
)
@pytest.mark.parametrize("steps", [(WRONG,), (End.CLOSE,), (b"data: {nothing\n\n",)])
async def test_a_stream_that_breaks_in_each_dialect(
    tmp_path: Path, path: str, last: bytes, steps: tuple[bytes | End, ...]
) -> None:
    """CASES 20, 21: what came is settled with its start's usage, and the client is told in its own words."""
    async with playing(tmp_path, setup()) as play:
        go_on = asyncio.Event()
        play.relay.answers(stream(START, TEXT, go_on, *steps, END, STOP))
        head = {"authorization": f"Bearer {play.tokens['aider']}"}
        asked, body = {**BODIES[path], "stream": True}, b""
        async with play.http.stream("POST", play.url + path, json=asked, headers=head) as got:
            async for part in got.aiter_raw():
                body += part
                go_on.set()
        settled = await play.settled()
        if path == "/v1/messages" and steps == (WRONG,):  # nothing is wrong with what only passes
            assert ("ok", "reported", 90) == (settled.outcome, settled.usage_source, settled.usage["output"])
            return
        assert last in body
        assert ("broken", "partial", "estimated") == (settled.outcome, settled.usage_source, settled.certainty)
        assert {"input": 100, "cache_read": 1000, "output": 20} == settled.usage


async def test_a_stream_is_drained_though_it_cannot_be_translated(tmp_path: Path) -> None:
    """The client has left, so that nobody misses the part that can't be said; the usage comes at the end."""
    more = f'[settle]\ndisconnect = "drain"\n{BOTH}'
    drained = Setup(config=setup().config, relay=setup().relay, more=more, fund=setup().fund)
    async with playing(tmp_path, drained) as play:
        go_on = asyncio.Event()
        play.relay.answers(stream(START, TEXT, go_on, WRONG, END, STOP))
        async with play.streaming(model="m", max_tokens=50) as got:
            await anext(got.aiter_raw())
        waits = play.running.proxy.watch.waits
        await until(lambda: [True] == [wait.client is None for wait in waits])
        go_on.set()
        settled = await play.settled()
        assert ("disconnected", "reported") == (settled.outcome, settled.usage_source)
        assert {"input": 100, "cache_read": 1000, "output": 90} == settled.usage


async def test_another_dialect_answers(tmp_path: Path) -> None:
    """CASES 22, 24: every attempt is priced at its own route, in its own dialect."""
    async with playing(tmp_path, setup()) as play:
        play.relay.answers(refusal(500), refusal(500))
        await send(play, "/v1/messages")
        settled = await play.settled()
        assert ("openai_chat", "0.096", {"input": 8, "output": 4}) == (
            settled.dialect_out,
            settled.charge,
            settled.usage,
        )
