"""What real providers send, billed through the whole proxy: passed through and translated, plain and streamed."""

from pathlib import Path

import msgspec
import pytest
from pairs import PATHS, before
from playbook import Playbook, Setup, playing
from upstreams import Answer, plain, stream

from tokens_forge.core.dialects import DialectName
from tokens_forge.core.entries import Settled

OPUS = """
[[route.relay.prices.opus]]
from = 2020-01-01
unit = "USD"
per = "ktok"
input = 5
output = 25
"""
"""The advisor's sheet, on the same route; it serves no client."""

BODIES: dict[DialectName, dict[str, object]] = {
    "openai_chat": {"model": "m", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]},
    "anthropic_messages": {"model": "m", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]},
    "openai_responses": {"model": "m", "max_output_tokens": 50, "input": "Hello"},
}
OVER_MESSAGES: tuple[DialectName, ...] = ("anthropic_messages", "openai_chat", "openai_responses")
OVER_CHAT: tuple[DialectName, ...] = ("openai_chat", "anthropic_messages", "openai_responses")

TEXT = '[{"type":"text","text":"Hi there"}]'
DELTA = '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi there"}}'


def message(usage: str, *, content: str = TEXT, stop: str = '"end_turn"') -> str:
    """Return a message of Anthropic's."""
    return (
        f'{{"type":"message","id":"msg_1","model":"m","role":"assistant","content":{content},"stop_reason":{stop},'
        f'"usage":{usage}}}'
    )


def events(*data: str) -> tuple[bytes, ...]:
    """Return events of a stream, as Anthropic names them."""
    return tuple(f"event: {msgspec.json.decode(one)['type']}\ndata: {one}\n\n".encode() for one in data)


def messages_answer(start: str, last: str, *, streamed: bool, content: str = TEXT, stop: str = "end_turn") -> Answer:
    """Return a reply in Messages: its stream begins with the usage `start` and ends with `last`, as a whole one has."""
    if not streamed:
        return plain(message(last, content=content, stop=f'"{stop}"').encode())
    block = '{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}'
    said = (block, DELTA, '{"type":"content_block_stop","index":0}') if content != "[]" else ()
    return stream(
        *events(
            f'{{"type":"message_start","message":{message(start, content="[]", stop="null")}}}',
            *said,
            f'{{"type":"message_delta","delta":{{"stop_reason":"{stop}"}},"usage":{last}}}',
            '{"type":"message_stop"}',
        )
    )


def chat_answer(*usages: str, streamed: bool, tier: str = "default") -> Answer:
    """Return a reply in chat completions with a usage, or a stream of chunks with each of them."""
    if not streamed:
        choice = '{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"Hi there"}}'
        return plain(
            f'{{"id":"c","object":"chat.completion","created":1,"model":"m","service_tier":"{tier}","choices":[{choice}],'
            f'"usage":{usages[-1]}}}'.encode()
        )
    head = f'"id":"c","object":"chat.completion.chunk","created":1,"model":"m","service_tier":"{tier}"'
    said = (
        '{"index":0,"delta":{"role":"assistant","content":"Hi there"},"finish_reason":null}',
        '{"index":0,"delta":{},"finish_reason":"stop"}',
    )
    chunks = [f'data: {{{head},"choices":[{one}]}}\n\n' for one in said]
    chunks += [f'data: {{{head},"choices":[],"usage":{usage}}}\n\n' for usage in usages]
    return stream(*(chunk.encode() for chunk in chunks), b"data: [DONE]\n\n")


def over(spoken: DialectName) -> Setup:
    """Return the setup of a relay that speaks a dialect, with plenty of money and the advisor's price."""
    return before(spoken, OPUS)


async def settled(play: Playbook, asked_in: DialectName, *, streamed: bool) -> Settled:
    """Ask in a dialect and return how it was settled."""
    body = msgspec.json.encode({**BODIES[asked_in], "stream": streamed})
    got = await play.send("POST", PATHS[asked_in], body)
    assert 200 == got.status, got.body
    return await play.settled()


plain_and_streamed = pytest.mark.parametrize("streamed", [False, True])


@plain_and_streamed
@pytest.mark.parametrize("asked_in", OVER_MESSAGES)
async def test_what_is_billed_beside_a_message(tmp_path: Path, asked_in: DialectName, *, streamed: bool) -> None:
    """CASES 62: a compaction at the message's own rates, an advisor at its own; `message` is never added."""
    iterations = (
        '[{"type":"compaction","input_tokens":180,"output_tokens":4},'
        '{"type":"message","input_tokens":23,"output_tokens":1},'
        '{"type":"advisor_message","model":"opus","input_tokens":8,"output_tokens":2}]'
    )
    start, last = (
        '{"input_tokens":23,"output_tokens":1}',
        f'{{"input_tokens":23,"output_tokens":1,"iterations":{iterations}}}',
    )
    async with playing(tmp_path, over("anthropic_messages")) as play:
        play.relay.answers(messages_answer(start, last, streamed=streamed))
        entry = await settled(play, asked_in, streamed=streamed)
    # 23 and 1 at 1 and 10 a thousand, 180 and 4 likewise, 8 and 2 at 5 and 25.
    assert ("0.343", "computed", {"input": 23, "output": 1}) == (entry.charge, entry.certainty, entry.usage)
    assert ["compaction", "advisor_message"] == [one.kind for one in entry.iterations]
    assert {0, 1, 2} == {line.iteration for line in entry.lines}


@plain_and_streamed
@pytest.mark.parametrize("asked_in", OVER_MESSAGES)
async def test_an_advisor_that_nobody_priced(tmp_path: Path, asked_in: DialectName, *, streamed: bool) -> None:
    """CASES 12: as any unknown price that was not asked for: what is known is billed, and never called computed."""
    advised = '[{"type":"advisor_message","model":"new","input_tokens":8,"output_tokens":2}]'
    usage = f'{{"input_tokens":23,"output_tokens":1,"iterations":{advised}}}'
    async with playing(tmp_path, over("anthropic_messages")) as play:
        play.relay.answers(messages_answer(usage, usage, streamed=streamed))
        entry = await settled(play, asked_in, streamed=streamed)
    assert ("0.033", "unpriced") == (entry.charge, entry.certainty)
    assert "unpriced_iteration" in entry.flags


@pytest.mark.parametrize("asked_in", OVER_MESSAGES)
async def test_a_later_zero_takes_nothing_back(tmp_path: Path, asked_in: DialectName) -> None:
    """CASES 61: 15 in `message_start`, 0 in `message_delta`."""
    async with playing(tmp_path, over("anthropic_messages")) as play:
        start, last = '{"input_tokens":15,"output_tokens":1}', '{"input_tokens":0,"output_tokens":15}'
        play.relay.answers(messages_answer(start, last, streamed=True))
        entry = await settled(play, asked_in, streamed=True)
    assert ({"input": 15, "output": 15}, "0.165") == (entry.usage, entry.charge)
    assert "contradictory_usage" in entry.flags


@plain_and_streamed
@pytest.mark.parametrize("asked_in", OVER_MESSAGES)
async def test_a_refusal_at_another_seller_is_billed(tmp_path: Path, asked_in: DialectName, *, streamed: bool) -> None:
    """CASES 64: only Anthropic's own API does not bill it; this relay is another."""
    usage = '{"input_tokens":500,"output_tokens":1}'
    async with playing(tmp_path, over("anthropic_messages")) as play:
        play.relay.answers(messages_answer(usage, usage, streamed=streamed, content="[]", stop="refusal"))
        entry = await settled(play, asked_in, streamed=streamed)
    assert ("0.51", "refusal", ("refusal_billed",)) == (entry.charge, entry.finish, entry.flags)


@plain_and_streamed
@pytest.mark.parametrize("asked_in", OVER_CHAT)
async def test_a_tier_that_was_served_and_has_no_price(
    tmp_path: Path, asked_in: DialectName, *, streamed: bool
) -> None:
    """CASES 8: nobody asked for `priority`: the base rates, an estimate, off the balance."""
    usage = '{"prompt_tokens":100,"completion_tokens":10,"total_tokens":110}'
    async with playing(tmp_path, over("openai_chat")) as play:
        play.relay.answers(chat_answer(usage, streamed=streamed, tier="priority"))
        entry = await settled(play, asked_in, streamed=streamed)
    assert ("0.2", "estimated", "priority", "1000", "999.8") == (
        entry.charge,
        entry.certainty,
        entry.tier_served,
        entry.balance_before,
        entry.balance_after,
    )
    assert "tier_unpriced" in entry.flags


@plain_and_streamed
@pytest.mark.parametrize("asked_in", OVER_CHAT)
async def test_what_only_a_total_shows(tmp_path: Path, asked_in: DialectName, *, streamed: bool) -> None:
    """CASES 62, 65: 9 and 3 of 105 are 93 tokens of output that nobody names; at most the 50 that were asked for."""
    usage = '{"prompt_tokens":9,"completion_tokens":3,"total_tokens":105}'
    async with playing(tmp_path, over("openai_chat")) as play:
        play.relay.answers(chat_answer(usage, streamed=streamed))
        entry = await settled(play, asked_in, streamed=streamed)
    assert ({"input": 9, "output": 50}, "0.509", "estimated") == (entry.usage, entry.charge, entry.certainty)
    assert "unexplained_total" in entry.flags


@pytest.mark.parametrize("asked_in", OVER_CHAT)
async def test_a_trailing_chunk_of_zeros(tmp_path: Path, asked_in: DialectName) -> None:
    """CASES 61: after 39,320 and 26 come zeros, which take nothing back."""
    counts = '{"prompt_tokens":39320,"completion_tokens":26,"total_tokens":39346}'
    zeros = '{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}'
    async with playing(tmp_path, over("openai_chat")) as play:
        play.relay.answers(chat_answer(counts, zeros, streamed=True))
        entry = await settled(play, asked_in, streamed=True)
    assert ({"input": 39320, "output": 26}, "39.58") == (entry.usage, entry.charge)


@pytest.mark.parametrize("asked_in", OVER_CHAT)
async def test_a_usage_before_the_text(tmp_path: Path, asked_in: DialectName) -> None:
    """The prompt and one token in the first chunk, then the text, and no more: its bytes are the output, a guess."""
    head = '"id":"c","object":"chat.completion.chunk","created":1,"model":"m"'
    usage = '"usage":{"prompt_tokens":100,"completion_tokens":1,"total_tokens":101}'
    text = f'"choices":[{{"index":0,"delta":{{"content":"{"word" * 20}"}},"finish_reason":null}}]'
    end = '"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]'
    chunks = (f"data: {{{head},{one}}}\n\n".encode() for one in (f'"choices":[],{usage}', text, end))
    async with playing(tmp_path, over("openai_chat")) as play:
        play.relay.answers(stream(*chunks, b"data: [DONE]\n\n"))
        entry = await settled(play, asked_in, streamed=True)
    assert ({"input": 100, "output": 20}, "0.3", "estimated") == (entry.usage, entry.charge, entry.certainty)
    assert "output_streamed" in entry.flags


@plain_and_streamed
@pytest.mark.parametrize("asked_in", OVER_CHAT)
async def test_nothing_but_zeros(tmp_path: Path, asked_in: DialectName, *, streamed: bool) -> None:
    """No settled call on money counts 0 unless something says that it is free: an answer was given."""
    zeros = '{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}'
    async with playing(tmp_path, over("openai_chat")) as play:
        play.relay.answers(chat_answer(zeros, streamed=streamed))
        entry = await settled(play, asked_in, streamed=streamed)
    assert ("estimated", "estimated") == (entry.certainty, entry.usage_source)
    assert float(entry.charge) > 0
    assert "zero_usage" in entry.flags
