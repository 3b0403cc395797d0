"""A reply with a member of an odd kind: everything else in it is read."""

import msgspec
import pytest

from tokens_forge.wire import anthropic_messages, openai_chat, openai_responses
from tokens_forge.wire.readable import readable
from tokens_forge.wire.sse import Event


class Inner(msgspec.Struct):
    """An object in a reply."""

    said: str | None = None


class Outer(msgspec.Struct):
    """A reply."""

    name: str | None = None
    inner: Inner | None = None
    items: list[Inner] | None = None
    count: str = "-"


@pytest.mark.parametrize(
    ("data", "read"),
    [
        (b'{"name":[],"count":"x"}', Outer(count="x")),
        (b'{"name":-12.50,"count":null}', Outer(name="-12.50")),
        (b'{"name":true,"count":%s}' % (b"1" * 65), Outer()),
        (b'{"name":7,"inner":{"said":8}}', Outer(name="7", inner=Inner(said="8"))),
        (b'{"name":7,"inner":8,"items":9}', Outer(name="7")),
        (b'{"items":[{"said":"a"},7,{"said":{}},{"said":7}]}', Outer(items=[Inner("a"), Inner(), Inner(), Inner("7")])),
        (b'{"name":7,"items":[]}', Outer(name="7", items=[])),
        (b"[]", None),
        (b"{", None),
    ],
)
def test_each_member_is_read_that_can_be(data: bytes, read: Outer | None) -> None:
    """A member of another kind says nothing; a number is a text as it is written."""
    assert read == readable(Outer, data)


ODD_CHAT = (
    b'{"id":123,"model":"m","service_tier":"flex","choices":[{"index":0,"%s":{"content":"12345678","tool_calls":{},'
    b'"function_call":[]},"finish_reason":%s}],"usage":{"prompt_tokens":9,"completion_tokens":2}}'
)


@pytest.mark.parametrize(("finish", "word"), [(b'"stop"', "stop"), (b"1", "1"), (b"{}", "")])
def test_an_odd_chat_keeps_the_rest(finish: bytes, word: str) -> None:
    """Its tier, its finish, its model and its output were lost with one odd member."""
    reply = openai_chat.read_reply(ODD_CHAT % (b"message", finish))
    assert reply is not None
    assert ("123", "m", "flex", word, 2) == (
        reply.upstream_id,
        reply.model_served,
        reply.tier_served,
        reply.finish,
        reply.output_estimate,
    )
    meter = openai_chat.StreamMeter(include_usage=True)
    meter.feed(Event(raw=b"", name="", data=ODD_CHAT % (b"delta", finish)))
    assert (reply.tier_served, reply.finish, reply.model_served, reply.output_estimate, reply.reading) == (
        meter.tier_served,
        meter.finish,
        meter.model_served,
        meter.output_estimate,
        meter.reading,
    )


def test_an_odd_message_keeps_the_rest() -> None:
    """The same of a message, whole and streamed."""
    usage = b'"usage":{"input_tokens":9,"output_tokens":2,"service_tier":"priority"}'
    content = b'[{"type":"text","text":"12345678"},7,{"type":"text","text":"1234","stop_reason":[]}]'
    reply = anthropic_messages.read_reply(
        b'{"id":123,"model":"m","content":%s,"stop_reason":"end_turn",%s}' % (content, usage)
    )
    assert reply is not None
    assert ("123", "m", "priority", "end_turn", 3) == (
        reply.upstream_id,
        reply.model_served,
        reply.tier_served,
        reply.finish,
        reply.output_estimate,
    )
    as_text = anthropic_messages.read_reply(b'{"id":"a","content":"12345678","stop_reason":"end_turn",%s}' % usage)
    assert as_text is not None
    assert ("a", "end_turn", "priority") == (as_text.upstream_id, as_text.finish, as_text.tier_served)
    meter = anthropic_messages.StreamMeter()
    for data in (
        b'{"type":"message_start","message":{"id":123,"model":"m","content":{},%s}}' % usage,
        b'{"type":"content_block_delta","delta":{"text":"12345678","stop_reason":{"a":1}}}',
        b'{"type":"message_delta","message":7,"delta":{"stop_reason":5},"usage":{"output_tokens":2}}',
    ):
        meter.feed(Event(raw=b"", name="", data=data))
    assert ("123", "m", "priority", "5", 2) == (
        meter.upstream_id,
        meter.model_served,
        meter.tier_served,
        meter.finish,
        meter.output_estimate,
    )


def test_an_odd_response_keeps_the_rest() -> None:
    """The same of a response: its items too."""
    item = b'{"type":"message","status":5,"content":[{"text":"12345678"},7]}'
    reply = openai_responses.read_reply(
        b'{"id":123,"model":"m","status":"completed","service_tier":"flex","incomplete_details":7,"output":[%s,7]}'
        % item
    )
    assert reply is not None
    assert ("123", "m", "flex", "completed", 2) == (
        reply.upstream_id,
        reply.model_served,
        reply.tier_served,
        reply.finish,
        reply.output_estimate,
    )
