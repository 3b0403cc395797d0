"""A whole reply where a stream was asked, and the reverse: handed on, and billed once, in every pair."""

from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from anthropic import AsyncAnthropic
from clients import Client
from goldens import Golden, goldens
from openai import AsyncOpenAI
from pairs import BODIES, NATIVE, PAIRS, PATHS, before, text_for
from playbook import Playbook, playing
from upstreams import DONE, HELLO, USAGE, chunk, completion, event, plain, stream

from tokens_forge.core.dialects import DialectName

ROUTED = "routed smart: relay/relay-gpt-5 official/gpt-5"
HELD = "held 1 first relay by wallet"
ANSWERED = "settled 1 ok 0.048 CNY computed; final 200"

pairs = pytest.mark.parametrize(("client", "spoken"), PAIRS)


def all_of(spoken: DialectName, *, streamed: bool) -> list[Golden]:
    """Return the golden replies that are whole answers with a text and a usage; refusals have theirs elsewhere."""
    fitting = (one for one in goldens(spoken) if one.streamed is streamed and one.usage and not one.broken)
    return [one for one in fitting if "refusal" not in one.name and one.name != "failed.json"]


WHOLES = [(client, one) for client, spoken in PAIRS for one in all_of(spoken, streamed=False)]
STREAMS = [(client, one) for client, spoken in PAIRS for one in all_of(spoken, streamed=True)]


def named(value: object) -> str:
    return value.name if isinstance(value, Golden) else str(value)


@pytest.mark.parametrize(("client", "golden"), WHOLES, ids=named)
async def test_a_whole_reply_where_a_stream_was_asked(tmp_path: Path, client: Client, golden: Golden) -> None:
    """The SDK reads a stream with the same text; the bill is that of the whole reply, once."""
    async with playing(tmp_path, before(golden.dialect)) as play:
        play.relay.answers(plain(golden.data))
        assert golden.text == await text_for(play, client)
        settled = await play.settled()
        assert (dict(golden.usage), "reported", "ok") == (settled.usage, settled.usage_source, settled.outcome)
        assert 1 == len(play.relay.got)


@pytest.mark.parametrize(("client", "golden"), STREAMS, ids=named)
async def test_a_stream_where_a_whole_reply_was_asked(tmp_path: Path, client: Client, golden: Golden) -> None:
    """The SDK reads a whole reply with the same text; the bill is that of the stream, once."""
    async with playing(tmp_path, before(golden.dialect)) as play:
        play.relay.answers(stream(golden.data))
        assert golden.text == await whole_text_for(play, client)
        settled = await play.settled()
        assert (dict(golden.usage), "reported", "ok") == (settled.usage, settled.usage_source, settled.outcome)
        assert 1 == len(play.relay.got)


async def whole_text_for(play: Playbook, client: Client) -> str:
    """Ask as an SDK does and return the text of its whole reply."""
    body = cast("dict[str, Any]", BODIES[client])
    match client:
        case "chat":
            async with play.openai() as openai:
                completed = await openai.chat.completions.create(model="m", stream=False, **body)
                return completed.choices[0].message.content or ""
        case "responses":
            async with AsyncOpenAI(base_url=f"{play.url}/v1", api_key=play.tokens["aider"]) as openai:
                return (await openai.responses.create(model="m", stream=False, **body)).output_text
        case _:
            async with AsyncAnthropic(base_url=play.url, api_key=play.tokens["aider"]) as anthropic:
                message = await anthropic.messages.create(model="m", stream=False, **body)
                return "".join(block.text for block in message.content if block.type == "text")


async def ask(play: Playbook, client: Client, *, streams: bool) -> bytes:
    """Ask in a client's dialect and return all that came."""
    head = {"authorization": f"Bearer {play.tokens['aider']}"}
    body = {"model": "m", "stream": streams, **BODIES[client]}
    return (await play.http.post(play.url + PATHS[NATIVE[client]], json=body, headers=head)).content


async def test_a_response_that_failed_after_it_was_made(tmp_path: Path) -> None:
    """It says what it used, and that is charged, in one piece or as a stream; its client is told that it failed."""
    failed = next(one for one in goldens("openai_responses") if one.name == "failed.json")
    end = b"data: " + msgspec.json.encode({"type": "response.failed", "response": msgspec.Raw(failed.data)}) + b"\n\n"
    created = event({"type": "response.created", "response": {"id": "r", "output": []}})
    async with playing(tmp_path, before("openai_responses")) as play:
        for answer in (plain(failed.data), stream(created, end.replace(b"\n  ", b" ").replace(b"\n}", b"}"))):
            play.relay.answers(answer)
            told = await ask(play, "responses", streams=True)
            assert b"response.failed" in told.rsplit(b"\n\n", 2)[-2]
            settled = await play.settled()
            assert ("broken", dict(failed.usage)) == (settled.outcome, settled.usage)


async def test_tools_come_whole(tmp_path: Path) -> None:
    """Calls of tools, also several, keep their ids and arguments in a stream that was made of one piece, and back."""
    said = [("call_0", "look", '{"a":0}'), ("call_1", "go", '{"a":1}')]
    calls = [
        {"id": made, "type": "function", "function": {"name": name, "arguments": told}} for made, name, told in said
    ]
    pieces = [
        chunk(
            tool_calls=[{"index": place, "id": made, "type": "function", "function": {"name": name, "arguments": ""}}]
        )
        + chunk(tool_calls=[{"index": place, "function": {"arguments": told[:3]}}])
        + chunk(tool_calls=[{"index": place, "id": made, "function": {"name": "", "arguments": told[3:]}}])
        for place, (made, name, told) in enumerate(said)
    ]
    async with playing(tmp_path) as play:
        play.relay.answers(plain(completion("", tool_calls=calls, finish="tool_calls")))
        async with play.openai() as client:
            told = client.chat.completions.stream(model="smart", messages=[{"role": "user", "content": "Hello"}])
            async with told as events:
                message = (await events.get_final_completion()).choices[0].message
        assert [('{"a":0}', "look"), ('{"a":1}', "go")] == [
            (call.function.arguments, call.function.name)
            for call in message.tool_calls or ()
            if call.type == "function"
        ]
        play.relay.answers(stream(HELLO[0], *pieces, chunk(finish="tool_calls"), USAGE, DONE))
        reply = await play.ask()
        assert (calls, "tool_calls") == (
            reply.json["choices"][0]["message"]["tool_calls"],
            reply.json["choices"][0]["finish_reason"],
        )
        assert [ROUTED, HELD, ANSWERED] == play.transcript()[-3:]


async def test_its_usage_is_hidden_from_who_did_not_ask(tmp_path: Path) -> None:
    """A stream that was made of a whole reply is one: CASES 16 holds, and its mark ends it."""
    async with playing(tmp_path) as play:
        play.relay.answers(*[plain(b"\n\n" + completion())] * 2)
        silent = await play.ask(stream=True)
        asked = await play.ask(stream=True, stream_options={"include_usage": True})
        assert (False, True) == (b'"usage"' in silent.body, b'"usage"' in asked.body)
        assert (True, True) == (silent.body.endswith(DONE), asked.body.endswith(DONE))
        assert "text/event-stream; charset=utf-8" == silent.headers["content-type"]
        assert [ROUTED, HELD, ANSWERED] * 2 == play.transcript()


async def test_a_stream_with_an_error_is_that_error(tmp_path: Path) -> None:
    """A stream where a whole reply was asked may fail by what it says."""
    async with playing(tmp_path) as play:
        play.relay.answers(stream(*HELLO[:2], event({"error": {"message": "gone", "code": "insufficient_quota"}})))
        assert "official" == (await play.ask()).headers["x-tf-route"]
        assert "voided 1 rejected insufficient_quota 200 zero" == play.transcript()[2]


async def test_a_stream_that_is_not_whole(tmp_path: Path) -> None:
    """The same of one that ends in its middle: it has not answered."""
    async with playing(tmp_path) as play:
        play.relay.answers(stream(*HELLO[:2]))
        assert "official" == (await play.ask()).headers["x-tf-route"]
        assert "settled 1 unanswered bad_reply 0.009 CNY estimated" == play.transcript()[2]
