"""A whole reply written as a stream, and a stream put together as a whole reply, dialect by dialect."""

from typing import Any, cast

import msgspec
import pytest
from goldens import Golden, goldens

from tokens_forge.core.dialects import DialectName
from tokens_forge.core.errors import UpstreamFault
from tokens_forge.wire.collected import collected, is_stream
from tokens_forge.wire.sse import Event, Splitter, data_event
from tokens_forge.wire.streamed import streamed

SPOKEN: tuple[DialectName, ...] = ("openai_chat", "openai_responses", "anthropic_messages")
WHOLES = [one for spoken in SPOKEN for one in goldens(spoken) if not one.streamed and not one.broken]


def events(data: bytes) -> list[Event]:
    splitter = Splitter(len(data) + 1)
    return [*splitter.feed(data), *splitter.close()]


def of(*told: object) -> list[Event]:
    return [one for each in told for one in events(data_event(msgspec.json.encode(each)))]


def there_and_back(dialect: DialectName, reply: object) -> Any:  # noqa: ANN401 - JSON
    return msgspec.json.decode(collected(dialect, events(streamed(dialect, msgspec.json.encode(reply)))))


def without_nulls(value: Any) -> Any:  # noqa: ANN401 - JSON
    match value:
        case dict():
            members = cast("dict[str, Any]", value)
            return {name: without_nulls(one) for name, one in members.items() if one is not None}
        case list():
            return [without_nulls(one) for one in cast("list[Any]", value)]
        case _:
            return value


@pytest.mark.parametrize("one", WHOLES, ids=lambda one: one.name)
def test_a_whole_reply_comes_back_as_it_was(one: Golden) -> None:
    """Nothing is lost on the way to a stream, nor on the way back."""
    if one.name == "failed.json":
        return
    assert without_nulls(msgspec.json.decode(one.data)) == without_nulls(
        there_and_back(one.dialect, msgspec.json.decode(one.data))
    )


def test_a_legacy_completion() -> None:
    """Its choices have a text and no message, and stand in one chunk each."""
    choices = [
        {"index": place, "text": text, "logprobs": None, "finish_reason": "stop"} for place, text in enumerate("ab")
    ]
    reply = {"id": "c", "object": "text_completion", "choices": choices, "usage": {"prompt_tokens": 1}}
    assert reply == there_and_back("openai_completions", reply)
    assert 4 == len(events(streamed("openai_completions", msgspec.json.encode(reply))))


def test_a_completion_without_a_usage() -> None:
    """There is no chunk for what was not told."""
    choices = [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]
    assert {"choices": choices, "object": "chat.completion"} == there_and_back("openai_chat", {"choices": choices})


def test_a_message_of_every_kind_of_block() -> None:
    """Words come in deltas, a tool's input as JSON, a citation by itself; of what nobody knows all at once."""
    reply = {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "Hm", "signature": "s"},
            {"type": "text", "text": "Hi", "citations": [{"type": "char_location", "cited_text": "x"}]},
            {"type": "tool_use", "id": "t", "name": "look", "input": {"a": 1.50}},
            {"type": "redacted_thinking", "data": "x"},
            {"type": "compaction", "content": "so far"},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {"input_tokens": 9, "output_tokens": 4},
    }
    assert reply == there_and_back("anthropic_messages", reply)
    kinds = [event.name for event in events(streamed("anthropic_messages", msgspec.json.encode(reply)))]
    assert ("message_start", "message_delta", "message_stop", 6) == (
        kinds[0],
        kinds[-2],
        kinds[-1],
        kinds.count("content_block_delta"),
    )


def test_a_message_without_a_usage() -> None:
    """Its SDK reads an output of the end's usage, whatever it is."""
    end = events(streamed("anthropic_messages", b'{"content":null,"stop_reason":"end_turn"}'))[-2]
    assert end.data is not None
    assert {"output_tokens": 0} == msgspec.json.decode(end.data)["usage"]


def test_a_response_of_every_kind_of_item() -> None:
    """Each begins empty, grows and is told as a whole; the end holds all of them."""
    reply = {
        "id": "r",
        "status": "incomplete",
        "output": [
            {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "Hm"}]},
            {
                "type": "message",
                "id": "m",
                "content": [
                    {"type": "output_text", "text": "Hi"},
                    {"type": "refusal", "refusal": "No"},
                    {"type": "new"},
                ],
            },
            {"type": "function_call", "id": "f", "arguments": "{}"},
            {"type": "custom_tool_call", "id": "c", "input": "x"},
            {"type": "web_search_call", "id": "w"},
        ],
    }
    assert reply == there_and_back("openai_responses", reply)
    told = events(streamed("openai_responses", msgspec.json.encode(reply)))
    kinds = [event.name for event in told]
    assert "response.incomplete" == kinds[-1]
    for kind in (
        "output_text",
        "refusal",
        "reasoning_summary_text",
        "function_call_arguments",
        "custom_tool_call_input",
    ):
        assert f"response.{kind}.delta" in kinds
    assert list(range(len(told))) == [msgspec.json.decode(event.data or b"")["sequence_number"] for event in told]


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("openai_chat", b"[]"),
        ("openai_chat", b'{"choices":7}'),
        ("openai_embeddings", b"{}"),
        ("anthropic_messages", b'{"content":[7]}'),
    ],
)
def test_what_is_no_reply_is_no_stream(dialect: DialectName, body: bytes) -> None:
    """A reply of another shape can't be told."""
    with pytest.raises(UpstreamFault):
        streamed(dialect, body)


@pytest.mark.parametrize(
    ("dialect", "told"),
    [
        ("openai_embeddings", {}),
        ("anthropic_messages", {"type": "message_stop"}),
        ("openai_responses", {"type": "response.created", "response": {}}),
    ],
)
def test_what_is_no_stream_is_no_reply(dialect: DialectName, told: object) -> None:
    """A stream without what its dialect can't do without makes no reply."""
    with pytest.raises(UpstreamFault):
        collected(dialect, of(told))


def chunk(delta: object, finish: str | None = None, index: int = 0) -> dict[str, object]:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}


def test_chunks_make_a_completion() -> None:
    """Texts grow, names do not, calls go on by their index, and what nobody knows is kept as it was said last."""
    told = of(
        chunk({"role": "assistant", "content": None}),
        chunk({"role": "", "content": "Hi "}),
        chunk({"content": "there", "reasoning_content": "Hm", "new": 1}),
        chunk({"new": 2, "reasoning_details": [{"type": "a"}]}),
        chunk(
            {"tool_calls": [{"index": 0, "id": "x", "type": "function", "function": {"name": "f", "arguments": "{"}}]}
        ),
        chunk({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "}"}}, {"index": 0, "id": "y"}]}),
        chunk({"tool_calls": [7], "reasoning_details": [{"type": "b"}]}),
        chunk({"content": "Ho"}, "stop", 1),
        chunk({}, "tool_calls"),
        {"choices": [], "usage": {"prompt_tokens": 1}, "id": None},
    )
    whole = msgspec.json.decode(collected("openai_chat", [*told, *events(b": so\n\ndata: [DONE]\n\n")]))
    calls = [{"id": "x", "type": "function", "function": {"name": "f", "arguments": "{}"}}, {"id": "y"}, {}]
    message = {"role": "assistant", "content": "Hi there", "reasoning_content": "Hm", "new": 2, "tool_calls": calls}
    assert ("c", "chat.completion", "m", {"prompt_tokens": 1}) == (
        whole["id"],
        whole["object"],
        whole["model"],
        whole["usage"],
    )
    assert [
        {
            "index": 0,
            "message": message | {"reasoning_details": [{"type": "a"}, {"type": "b"}]},
            "finish_reason": "tool_calls",
        },
        {"index": 1, "message": {"role": "assistant", "content": "Ho"}, "finish_reason": "stop"},
    ] == whole["choices"]


def test_the_events_of_a_message_make_it() -> None:
    """Input that is no JSON is left as it began; a second start, and a delta of no block, say nothing."""
    told = of(
        {
            "type": "message_start",
            "message": {"id": "m", "content": [], "usage": {"input_tokens": 9, "output_tokens": 1}},
        },
        {"type": "ping"},
        {"type": "message_start", "message": {"id": "other"}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "input": {}}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{"}},
        {"type": "content_block_delta", "index": 7, "delta": {"type": "text_delta", "text": "x"}},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "max_tokens"},
            "usage": {"input_tokens": None, "output_tokens": 3},
        },
    )
    expected: dict[str, object] = {
        "id": "m",
        "content": [{"type": "tool_use", "input": dict[str, object]()}],
        "usage": {"input_tokens": 9, "output_tokens": 3},
        "stop_reason": "max_tokens",
    }
    assert expected == msgspec.json.decode(collected("anthropic_messages", told))


def test_a_response_whose_end_has_no_items() -> None:
    """The Codex backend leaves them out there; each was told as a whole before."""
    item = {"type": "message", "id": "m"}
    told = of(
        {"type": "response.output_item.done", "item": item}, {"type": "response.completed", "response": {"output": []}}
    )
    assert {"output": [item]} == msgspec.json.decode(collected("openai_responses", told))


@pytest.mark.parametrize(
    ("expected", "body"),
    [
        (True, b"data: {}\n\n"),
        (True, b"\xef\xbb\xbf\r\n: so\n\n"),
        (True, b"event: message_start\ndata: {}\n\n"),
        (False, b'{"data": 1}'),
        (False, b"<html>"),
        (False, b""),
    ],
)
def test_a_stream_is_known_by_its_beginning(expected: bool, body: bytes) -> None:
    """What its head says of it is often wrong."""
    assert expected == is_stream(body)
