"""Upstreams and clients that mean ill, or write sloppily: for every pair of dialects."""

from collections.abc import Iterator

import msgspec
import pytest

from tokens_forge.core.dialects import DialectName
from tokens_forge.core.errors import UpstreamFault
from tokens_forge.wire.dialects import DIALECTS, TRANSLATIONS
from tokens_forge.wire.request import Request
from tokens_forge.wire.sse import Event, Splitter, data_event
from tokens_forge.wire.translate import chat_answers, messages_chat_reply
from tokens_forge.wire.translation import StreamTranslator

CALL_ID = "tf_0199c9a1f4007000800000000000abcd"

ASKED: dict[DialectName, dict[str, object]] = {
    "openai_chat": {"messages": [{"role": "user", "content": "q"}]},
    "openai_responses": {
        "input": "q",
        "tools": [{"type": "function", "name": "f", "parameters": {}}],
        "metadata": {"a": "b"},
    },
    "anthropic_messages": {
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "q"}],
        "tools": [{"name": "f", "input_schema": {}}],
    },
}

CALL = b'{"index":0,"id":"a","function":{"name":"f","arguments":%s}%s}'
SAID: dict[DialectName, tuple[bytes, ...]] = {
    "openai_chat": (
        b'"content":"\xff"',
        b'"tool_calls":[%s]' % (CALL % (b'{"a":"\xff"}', b"")),
        b'"tool_calls":[%s]' % (CALL % (b'"{}"', b',"extra_content":{"a":"\xff"}')),
    ),
    "anthropic_messages": (
        b'"type":"text","text":"\xff"',
        b'"type":"thinking","thinking":"\xff","signature":"s"',
        b'"type":"tool_use","id":"a","name":"f","input":{"a":"\xff"}',
    ),
}
"""What a model says in bytes that are no text."""

CASES = [(pair, said) for pair in TRANSLATIONS for said in SAID[pair[1]]]


def request(name: DialectName, *, indent: int = 0) -> Request:
    body = msgspec.json.encode({"model": "m", "stream": True, **ASKED[name]})
    body = msgspec.json.format(body, indent=indent) if indent else body
    return DIALECTS[name].read_request(body, output_bound=9, inline_tokens=9)


def event(**members: object) -> Event:
    data = msgspec.json.encode(members)
    return Event(raw=data_event(data), data=data, name="")


def streamed(spoken: DialectName, said: bytes) -> bytes:
    if spoken == "openai_chat":
        return b'{"choices":[{"index":0,"delta":{%s},"finish_reason":null}]}' % said
    return b'{"type":"content_block_start","index":0,"content_block":{%s}}' % said


def whole(spoken: DialectName, said: bytes) -> bytes:
    if spoken == "openai_chat":
        return b'{"choices":[{"index":0,"message":{%s},"finish_reason":"stop"}]}' % said
    return b'{"id":"a","content":[{%s}],"stop_reason":"end_turn"}' % said


@pytest.mark.parametrize(("pair", "said"), CASES)
def test_bytes_that_are_no_text(pair: tuple[DialectName, DialectName], said: bytes) -> None:
    """They are the upstream's fault wherever they stand: no error of ours, and nothing that a client can't decode."""
    asked, translation = request(pair[0]), TRANSLATIONS[pair]
    with pytest.raises(UpstreamFault):
        translation.reply(whole(pair[1], said), asked, CALL_ID)
    data = streamed(pair[1], said)
    with pytest.raises(UpstreamFault):
        translation.stream(asked, CALL_ID).feed(Event(raw=data_event(data), data=data, name=""))


@pytest.mark.parametrize("pair", [pair for pair in TRANSLATIONS if pair[0] == "openai_responses"])
def test_a_request_with_line_ends(pair: tuple[DialectName, DialectName]) -> None:
    """A response names its request again: blank lines between its tokens, as people write JSON, end no event."""
    stream = TRANSLATIONS[pair].stream(request(pair[0], indent=1), CALL_ID)
    beginning = event(type="message_start", message={"id": "a"}, choices=[{"index": 0, "delta": {"content": "a"}}])
    out = stream.feed(beginning) + stream.end()
    told = [msgspec.json.decode(found.data or b"") for found in Splitter(len(out)).feed(out)]
    assert "response.created" == told[0]["type"]
    assert list(range(len(told))) == [one["sequence_number"] for one in told]


def begun(said: Iterator[Event], translator: StreamTranslator) -> int:
    return sum(len(translator.feed(one)) for one in said)


def test_a_long_id_is_not_told_with_every_chunk() -> None:
    """An id of a megabyte in a stream of short words would come out as a megabyte a word."""
    stream = TRANSLATIONS["openai_chat", "anthropic_messages"].stream(request("openai_chat"), CALL_ID)
    begin = event(type="message_start", message={"id": "i" * 1_000_000, "model": "m" * 1_000_000})
    words = (event(type="content_block_delta", index=0, delta={"type": "text_delta", "text": "a"}) for _ in range(100))
    stream.feed(begin)
    assert begun(words, stream) < 100_000


@pytest.mark.parametrize("asked", ["anthropic_messages", "openai_responses"])
def test_arguments_that_only_look_like_an_object(asked: DialectName) -> None:
    """A call ends where its object does; what is none keeps it open to its end."""
    calls = [{"index": place, "id": str(place), "function": {"name": "f", "arguments": "{a}"}} for place in (0, 1)]
    chunks = [event(choices=[{"index": 0, "delta": {"tool_calls": [call]}}]) for call in calls]
    stream = TRANSLATIONS[asked, "openai_chat"].stream(request(asked), CALL_ID)
    said = [stream.feed(chunk) for chunk in chunks]
    assert not any(b"_stop" in part or b".done" in part for part in said)
    assert stream.end()


def test_arguments_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a call in many pieces, beside which another one waits, nothing is read again with each piece."""
    looked: list[int] = []
    is_object = chat_answers.is_whole  # how often it works is the point

    def counted(text: str) -> bool:
        looked.append(len(text))
        return is_object(text)

    monkeypatch.setattr(messages_chat_reply, "is_whole", counted)
    stream = TRANSLATIONS["anthropic_messages", "openai_chat"].stream(request("anthropic_messages"), CALL_ID)

    def piece(index: int, arguments: str, **more: str) -> Event:
        call = {"index": index, "function": {"arguments": arguments, **more}, "id": str(index)}
        return event(choices=[{"index": 0, "delta": {"tool_calls": [call]}}])

    begun(iter([piece(0, '{"a":"', name="f"), piece(1, "", name="f")]), stream)
    begun((piece(0, "}") for _ in range(100)), stream)
    begun(iter([piece(0, '"}')]), stream)
    assert 1 == len(looked)
