"""What a chat completion is as a response: whole and streamed, both say the same.

Held to the types and the accumulator of OpenAI's library 3.54.0 and to the schemas of Open Responses (in llm-comply).
"""

import json
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from goldens import Golden, golden, goldens
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openai import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from tokens_forge.core.errors import UpstreamFault
from tokens_forge.wire.openai_chat import StreamMeter
from tokens_forge.wire.request import Fields, Request
from tokens_forge.wire.sse import Splitter, data_event
from tokens_forge.wire.translate.responses_chat import TRANSLATION

Json = dict[str, Any]

CALL_ID = "tf_0199c9a1f4007000800000000000abcd"
HEX = CALL_ID.removeprefix("tf_")
CREATED_AT = 0x0199C9A1F400 // 1000
ENDED = [one for one in goldens("openai_chat") if not one.broken]
WHOLE = [one for one in ENDED if not one.streamed]
STREAMED = [one for one in ENDED if one.streamed]
TOOLS: list[Json] = [
    {"type": "function", "name": "get_weather", "parameters": {"type": "object"}},
    {"type": "custom", "name": "apply_patch"},
    {"type": "local_shell"},
    {"type": "tool_search", "execution": "client"},
    {"type": "namespace", "name": "mail", "description": "Mail.", "tools": [{"type": "function", "name": "send"}]},
]

EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
SPEC = json.loads(files("llm_comply").joinpath("specs/openresponses.json").read_text(encoding="utf-8"))
EVENT_SCHEMAS: dict[str, str] = {
    schema["properties"]["type"]["enum"][0]: name
    for name, schema in SPEC["components"]["schemas"].items()
    if name.endswith("StreamingEvent")
}
OPENAIS_OWN = ('"custom', '"local_shell', '"tool_search', '"namespace', "custom_tool_call_input")
"""Tools and calls of OpenAI that Open Responses has not."""


@cache
def schema_of(name: str) -> Any:  # noqa: ANN401 - jsonschema's types are not complete
    return Draft202012Validator({**SPEC, "$ref": f"#/components/schemas/{name}"})


def asked(**members: object) -> Request:
    """Build a client's request."""
    body = msgspec.json.encode({"model": "m", "input": "hi"} | members)
    return Request(
        model="m",
        stream=False,
        include_usage=True,
        tier_asked="",
        input_estimate=7,
        output_bound=1024,
        choices=1,
        needs=(),
        turn=1,
        opening=b"",
        fields=msgspec.json.decode(body, type=Fields),
    )


def held(response: Json) -> Json:
    """Return a response that OpenAI's types and Open Responses take."""
    Response.model_validate(response, strict=True)
    if not any(own in json.dumps(response) for own in OPENAIS_OWN):
        assert [] == [error.message for error in schema_of("ResponseResource").iter_errors(response)]
    return response


def replied(chat: Json | bytes, **members: object) -> Json:
    """Return the response for a chat completion."""
    body = chat if isinstance(chat, bytes) else msgspec.json.encode(chat)
    return held(json.loads(TRANSLATION.reply(body, asked(**members), CALL_ID)))


def streamed(data: bytes, cuts: tuple[int, ...] = (), **members: object) -> bytes:
    """Return the client's stream for an upstream's, fed in pieces, as the proxy does it."""
    translator = TRANSLATION.stream(asked(**members), CALL_ID)
    meter, splitter = StreamMeter(include_usage=True), Splitter(1 << 20)
    events = [event for start, end in pairwise([0, *cuts, len(data)]) for event in splitter.feed(data[start:end])]
    passed = [translator.feed(event) for event in [*events, *splitter.close()] if meter.feed(event).kind == "data"]
    return b"".join([*passed, translator.end()])


def events_of(stream: bytes) -> list[Json]:
    """Return the events of a client's stream; each is one of OpenAI's, and their numbers have no gap."""
    events: list[Json] = []
    for event in Splitter(1 << 20).feed(stream):
        told = json.loads(event.data or b"")
        assert event.name == told["type"]
        EVENT.validate_python(told)
        if not any(own in json.dumps(told) for own in OPENAIS_OWN):
            assert [] == [error.message for error in schema_of(EVENT_SCHEMAS[told["type"]]).iter_errors(told)]
        events.append(told)
    assert list(range(len(events))) == [event["sequence_number"] for event in events]
    return events


def read(stream: bytes) -> Json:
    """Return the last response of a stream, after OpenAI's accumulator took all of it; what grew is what it says."""
    state: ResponseStreamState[Any] = ResponseStreamState(input_tools=omit, text_format=omit)
    events = events_of(stream)
    for event in events:
        state.handle_event(EVENT.validate_python(event))
    response = held(events[-1]["response"])
    grown: dict[int, str] = {}
    done: dict[int, Json] = {}
    for event in events:
        if event["type"].endswith(".delta"):
            grown[event["output_index"]] = grown.get(event["output_index"], "") + event["delta"]
        elif event["type"] == "response.output_item.done":
            done[event["output_index"]] = event["item"]
    assert response["output"] == [done[place] for place in range(len(done))]
    for place, words in grown.items():
        assert words == words_of(response["output"][place])
    return response


def words_of(item: Json) -> str:
    match item["type"]:
        case "message":
            return "".join(part.get("text", part.get("refusal")) for part in item["content"])
        case "reasoning":
            return "".join(part["text"] for part in item["summary"])
        case "custom_tool_call":
            return item["input"]
        case _:
            return item["arguments"]


def chunks(*deltas: Json, finish: str | None = "stop", usage: Json | None = None) -> bytes:
    """Build a stream of chat completion chunks."""
    said: list[Json] = [{"id": "c", "model": "u", "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    said.append({"id": "c", "model": "u", "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    if usage is not None:
        said.append({"id": "c", "model": "u", "choices": [], "usage": usage})
    return b"".join(data_event(msgspec.json.encode(one)) for one in said) + b"data: [DONE]\n\n"


def completion(message: Json, finish: str = "stop", **more: object) -> Json:
    return {"id": "c", "model": "u", "choices": [{"index": 0, "message": message, "finish_reason": finish}], **more}


def call(name: str | None, arguments: object = "", call_id: str | None = None, **more: object) -> Json:
    return {"id": call_id, "function": {"name": name, "arguments": arguments}, **more}


def told(response: Json) -> list[str]:
    """Return the output in short."""
    return [f"{item['type']}:{item.get('name', '')}:{words_of(item)}" for item in response["output"]]


def answer_of(response: Json) -> tuple[str, str, tuple[tuple[Any, Any], ...]]:
    """Return text, reasoning and calls as a golden has them."""
    output = response["output"]
    calls = [item for item in output if item["type"] == "function_call"]
    return (
        "".join(words_of(item) for item in output if item["type"] == "message"),
        "".join(words_of(item) for item in output if item["type"] == "reasoning"),
        tuple((item["name"], msgspec.json.format(str(item["arguments"]), indent=-1)) for item in calls),
    )


def usage_of(usage: dict[str, int]) -> Json | None:
    if not usage:
        return None
    cached, written = usage.get("cache_read", 0), usage.get("cache_write_5m", 0)
    tokens_in = usage["input"] + cached + written
    return {
        "input_tokens": tokens_in,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
        "output_tokens": usage["output"],
        "output_tokens_details": {"reasoning_tokens": usage.get("reasoning", 0)},
        "total_tokens": tokens_in + usage["output"],
    }


ENDINGS: dict[str, tuple[str, Json | None]] = {
    "stop": ("completed", None),
    "tool_calls": ("completed", None),
    "length": ("incomplete", {"reason": "max_output_tokens"}),
    "content_filter": ("incomplete", {"reason": "content_filter"}),
}


@pytest.mark.parametrize("one", ENDED, ids=lambda one: one.name)
def test_every_golden_says_the_same_as_a_response(one: Golden) -> None:
    response = read(streamed(one.data)) if one.streamed else replied(one.data)
    assert (one.text, one.thinking, one.tools) == answer_of(response)
    assert (one.model, usage_of(dict(one.usage))) == (response["model"], response["usage"])
    assert ENDINGS[one.finish] == (response["status"], response["incomplete_details"])
    assert (one.tier or "default") == response["service_tier"]


@pytest.mark.parametrize("one", WHOLE, ids=lambda one: one.name)
def test_a_reply_says_its_request_again_and_who_it_is(one: Golden) -> None:
    response = replied(one.data, instructions="Be brief.", tools=TOOLS, temperature=0.5, reasoning={"effort": "low"})
    assert (f"resp_{HEX}", CREATED_AT, "response") == (response["id"], response["created_at"], response["object"])
    assert ("Be brief.", 0.5, 1, False) == tuple(response[n] for n in ("instructions", "temperature", "top_p", "store"))
    assert [TOOLS[0] | {"description": None, "strict": False}, *TOOLS[1:]] == response["tools"]
    assert ({"effort": "low", "summary": None}, {"format": {"type": "text"}}) == (
        response["reasoning"],
        response["text"],
    )


@pytest.mark.parametrize("one", STREAMED, ids=lambda one: one.name)
def test_a_stream_of_every_golden_is_one_sequence(one: Golden) -> None:
    """It begins and ends as the types have it, and no item is told of before it is added or after it is done."""
    events = events_of(streamed(one.data))
    assert ["response.created", "response.in_progress"] == [event["type"] for event in events[:2]]
    assert events[-1]["type"] in {"response.completed", "response.incomplete"}
    now: set[int] = set()
    for event in events[2:-1]:
        place = event["output_index"]
        match event["type"]:
            case "response.output_item.added":
                assert place not in now
                now.add(place)
            case "response.output_item.done":
                now.remove(place)
            case _:
                assert place in now
    assert not now


@given(st.data())
def test_every_split_of_a_stream_gives_the_same_bytes(data: st.DataObject) -> None:
    one = data.draw(st.sampled_from([one for one in goldens("openai_chat") if one.streamed]))
    cuts = data.draw(st.lists(st.integers(0, len(one.data)), max_size=8))
    assert streamed(one.data) == streamed(one.data, tuple(sorted(cuts)))


def test_a_stream_that_is_cut_is_told_as_far_as_it_came() -> None:
    assert ["message::Hello! How"] == told(read(streamed(golden("openai_chat", "cut.sse").data)))


def test_reasoning_says_where_it_came_from() -> None:
    """So that it goes back there; of two names for the same one is enough."""
    for said, member in (
        ({"reasoning_content": "Hm."}, "reasoning_content"),
        ({"reasoning": "Hm."}, "reasoning"),
        ({"reasoning_content": "Hm.", "reasoning": "Hm."}, "reasoning_content"),
        ({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]}, ""),
    ):
        (item,) = replied(completion(said))["output"]
        assert {
            "id": f"rs_{HEX}_0",
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "Hm."}],
            "encrypted_content": f"tf-chat.{member}",
        } == item


def test_what_gemini_adds_to_a_call_stands_before_it() -> None:
    extra = {"google": {"thought_signature": "c2ln"}}
    said = {"tool_calls": [call("get_weather", "{}", "1", extra_content=extra), call("get_weather", "{}", "2")]}
    for response in (replied(completion(said)), read(streamed(chunks(said)))):
        assert ["reasoning", "function_call", "function_call"] == [item["type"] for item in response["output"]]
        assert f"tf-chat-call.{msgspec.json.encode(extra).decode()}" == response["output"][0]["encrypted_content"]


def test_calls_come_back_as_what_the_client_knows() -> None:
    said = {
        "tool_calls": [
            call("apply_patch", '{"input":"*** Begin Patch"}', "1"),
            call("local_shell", '{"command":["ls"],"timeout_ms":10}', "2"),
            call("tool_search", '{"query":"mail","limit":12345678901234567890}', "3"),
            call("mail__send", '{"to":"a"}', "4"),
            call("unheard_of", "", "5"),
            call("local_shell", '{"command":"ls"}', "6"),
            call("tool_search", "mail", "7"),
        ]
    }
    expected: list[Json] = [
        {"type": "custom_tool_call", "call_id": "1", "name": "apply_patch", "input": "*** Begin Patch"},
        {
            "type": "local_shell_call",
            "call_id": "2",
            "action": {"type": "exec", "command": ["ls"], "env": {}, "timeout_ms": 10},
        },
        {
            "type": "tool_search_call",
            "call_id": "3",
            "execution": "client",
            "arguments": {"query": "mail", "limit": 12345678901234567890},
        },
        {"type": "function_call", "call_id": "4", "name": "send", "namespace": "mail", "arguments": '{"to":"a"}'},
        {"type": "function_call", "call_id": "5", "name": "unheard_of", "arguments": ""},
        {"type": "function_call", "call_id": "6", "name": "local_shell", "arguments": '{"command":"ls"}'},
        {"type": "function_call", "call_id": "7", "name": "tool_search", "arguments": "mail"},
    ]
    for response in (replied(completion(said), tools=TOOLS), read(streamed(chunks(said), tools=TOOLS))):
        items = [{name: item[name] for name in item if name not in {"id", "status"}} for item in response["output"]]
        assert expected == items


def test_a_patch_is_told_as_it_grows() -> None:
    """Out of the JSON that it is written in, before that is whole."""
    pieces = ['{"inp', 'ut": "a\\', "nb", '\\"c', '"}']
    deltas = [{"tool_calls": [call("apply_patch", "", "1", index=0)]}]
    deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in pieces]
    stream = streamed(chunks(*deltas), tools=TOOLS)
    told_deltas = [event["delta"] for event in events_of(stream) if event["type"].endswith("input.delta")]
    assert ["a", "\nb", '"c'] == told_deltas
    assert ['custom_tool_call:apply_patch:a\nb"c'] == told(read(stream))


def test_citations_are_annotations() -> None:
    source = {"url": "https://example.com", "title": "Example", "start_index": 0, "end_index": 2}
    said = {
        "content": "Hm",
        "annotations": [{"type": "url_citation", "url_citation": source}, {"type": "file", "file": {"name": "a"}}],
    }
    for response in (replied(completion(said)), read(streamed(chunks(said)))):
        assert [{"type": "url_citation"} | source] == response["output"][0]["content"][0]["annotations"]


def test_a_refusal_is_its_own_part() -> None:
    said = {"content": "Well. ", "refusal": "No."}
    for response in (replied(completion(said)), read(streamed(chunks({"content": "Well. "}, {"refusal": "No."})))):
        assert [
            {"type": "output_text", "text": "Well. ", "annotations": [], "logprobs": []},
            {"type": "refusal", "refusal": "No."},
        ] == response["output"][0]["content"]


@pytest.mark.parametrize(
    ("finish", "ending"),
    [
        *ENDINGS.items(),
        ("model_length", ENDINGS["length"]),
        ("insufficient_system_resource", ENDINGS["length"]),
        ("eos", ENDINGS["stop"]),
    ],
)
def test_how_an_answer_ended(finish: str, ending: tuple[str, Json | None]) -> None:
    """What was not whole when it was cut is marked."""
    response = read(streamed(chunks({"tool_calls": [call("f", "{", "1", index=0)]}, finish=finish)))
    assert ending == (response["status"], response["incomplete_details"])
    assert ending[0] == response["output"][0]["status"]


def test_a_client_is_told_what_is_billed() -> None:
    """CASES 61 and 62: of a stream's usages as a group, with the output that only the total shows."""
    first: dict[str, object] = {"model": "u", "choices": [{"index": 0, "delta": {"content": "a"}}]}
    said: tuple[Json, ...] = (
        first | {"usage": {"prompt_tokens": 9, "completion_tokens": 0}},
        first | {"usage": {"prompt_tokens": 0, "completion_tokens": 3, "total_tokens": 105}},
        {
            "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        },
    )
    usage = read(streamed(b"".join(data_event(msgspec.json.encode(one)) for one in said)))["usage"]
    assert (9, 96, 105) == (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"])


def test_usage_is_the_last_that_is_a_fact() -> None:
    """A zero before the end is a placeholder; what can't be true, and nothing at all, say nothing."""
    zero, fact = {"prompt_tokens": 0, "completion_tokens": 0}, {"prompt_tokens": 9, "completion_tokens": 2}
    first = {"model": "u", "choices": [{"index": 0, "delta": {"content": "a"}}]}
    last = {
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": fact}],
        "usage": {"prompt_tokens": -1},
    }

    def total(*said: Json) -> int | None:
        usage = read(streamed(b"".join(data_event(msgspec.json.encode(one)) for one in said)))["usage"]
        return usage and usage["total_tokens"]

    assert (None, 11, 11, 0) == (
        total(first | {"usage": zero}),
        total(first | {"usage": fact}, first | {"usage": zero}),
        total(first, last),
        total(first, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": zero}),
    )
    assert replied(completion({"content": "a"}))["usage"] is None
    assert read(streamed(b""))["usage"] is None


SLOPPY: list[tuple[list[Json], list[str]]] = [
    # Calls without an index: the id tells, or else the name.
    (
        [{"tool_calls": [call("f", '{"a":', "1")]}, {"tool_calls": [call(None, "1}", "1")]}],
        ['function_call:f:{"a":1}'],
    ),
    ([{"tool_calls": [call("f", "{}", "1"), call("g", "{}", "2")]}], ["function_call:f:{}", "function_call:g:{}"]),
    ([{"tool_calls": [call("f", "{}"), call("f", "{}")]}], ["function_call:f:{}", "function_call:f:{}"]),
    ([{"tool_calls": [call("f", "{")]}, {"tool_calls": [call(None, "}")]}], ["function_call:f:{}"]),
    # Every call with the same index, each with its id and name.
    (
        [{"tool_calls": [call("f", "{}", "1", index=0)]}, {"tool_calls": [call("g", "{}", "2", index=0)]}],
        ["function_call:f:{}", "function_call:g:{}"],
    ),
    # A piece under an index of nobody's; whole calls on one index, without ids.
    (
        [{"tool_calls": [call("f", "{", "1", index=0)]}, {"tool_calls": [call(None, "}", index=3)]}],
        ["function_call:f:{}"],
    ),
    (
        [{"tool_calls": [call("f", "{}", index=0)]}, {"tool_calls": [call("g", "{}", index=0)]}],
        ["function_call:f:{}", "function_call:g:{}"],
    ),
    # The same id for every call.
    (
        [{"tool_calls": [call("f", "{}", "1", index=0), call("g", "{}", "1", index=1)]}],
        ["function_call:f:{}", "function_call:g:{}"],
    ),
    # Side by side.
    (
        [
            {"tool_calls": [call("f", "{", "1", index=0), call("g", "{", "2", index=1)]},
            {"tool_calls": [call(None, "}", index=1), call(None, "}", index=0)]},
        ],
        ["function_call:f:{}", "function_call:g:{}"],
    ),
    # The name comes later; a call that never gets one is none.
    (
        [
            {"tool_calls": [{"index": 0, "id": "1"}]},
            {"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]},
            {"tool_calls": [call("f", "}", index=0)]},
        ],
        ["function_call:f:{}"],
    ),
    (
        [{"tool_calls": [{"index": 0, "id": "1", "function": {"arguments": "{}"}}]}, {"content": "a"}],
        ["message::a"],
    ),
    # Arguments as the object itself, or none.
    (
        [{"tool_calls": [call("f", {"a": 1}, "1"), call("g", None, "2")]}],
        ['function_call:f:{"a":1}', "function_call:g:"],
    ),
    # Text and a call at once, text after a call, a role and empty texts in every chunk.
    (
        [
            {"role": "assistant", "content": "", "reasoning_content": None, "tool_calls": []},
            {"role": "assistant", "content": "a", "tool_calls": [call("f", "{}", "1", index=0)]},
            {"role": "assistant", "content": "", "refusal": None},
            {"role": "assistant", "content": "b"},
        ],
        ["message::a", "function_call:f:{}", "message::b"],
    ),
    # Reasoning in between, and a content that is a list.
    (
        [
            {"content": [{"type": "text", "text": "a"}, {"type": "thinking", "thinking": [{"type": "text"}]}]},
            {"reasoning": "Hm."},
            {"content": [{"type": "text", "text": "b"}, {"type": "reference"}]},
        ],
        ["message::a", "reasoning::Hm.", "message::b"],
    ),
]


@pytest.mark.parametrize(("deltas", "expected"), SLOPPY)
def test_sloppy_streams_are_understood(deltas: list[Json], expected: list[str]) -> None:
    response = read(streamed(chunks(*deltas)))
    assert expected == told(response)
    ids = [item["call_id"] for item in response["output"] if item["type"] == "function_call"]
    assert len(ids) == len(set(ids))


def test_only_the_first_choice_is_heard() -> None:
    said: list[Json] = [
        {"model": "u", "choices": [{"index": 0, "delta": {"content": "a"}}, {"index": 1, "delta": {"content": "x"}}]},
        {"choices": [{"index": 1, "finish_reason": "length"}, {"index": 0}]},
        {"choices": [{"index": 0, "delta": {"content": "b"}, "finish_reason": "stop"}]},
    ]
    response = read(streamed(b"".join(data_event(msgspec.json.encode(one)) for one in said)))
    assert (["message::ab"], "completed") == (told(response), response["status"])


def test_nothing_is_kept_that_can_go_out() -> None:
    """Each word at once, and a call is done as soon as another begins."""
    translator = TRANSLATION.stream(asked(tools=TOOLS), CALL_ID)

    def types(delta: Json) -> list[str]:
        chunk = msgspec.json.encode({"model": "u", "choices": [{"index": 0, "delta": delta}]})
        (event,) = Splitter(1 << 20).feed(data_event(chunk))
        found = Splitter(1 << 20).feed(translator.feed(event))
        return [one.name.removeprefix("response.") for one in found]

    assert ["created", "in_progress"] == types({"role": "assistant", "content": ""})
    assert ["output_item.added", "content_part.added", "output_text.delta"] == types({"content": "a"})
    assert ["output_text.delta"] == types({"content": "b"})
    assert [
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
    ] == types({"tool_calls": [call("get_weather", "{}", "1", index=0)]})
    assert ["function_call_arguments.done", "output_item.done", "output_item.added"] == types(
        {"tool_calls": [call("get_weather", "", "2", index=1)]}
    )


@pytest.mark.parametrize(
    "body",
    [
        b"secret",
        b"[]",
        b'{"choices":"secret"}',
        b'{"choices":[]}',
        b'{"id":"c"}',
        b'{"choices":[{"message":{"content":[5]}}]}',
        b'{"choices":[{"message":{"content":"\\ud800"}}]}',
        b'{"choices":[{"message":{"content":"\xff"}}]}',
        b'{"choices":[{"message":{"content":"a","annotations":["secret"]}}]}',
    ],
)
def test_what_is_no_chat_completion_is_the_upstreams_fault(body: bytes) -> None:
    with pytest.raises(UpstreamFault) as caught:
        TRANSLATION.reply(body, asked(), CALL_ID)
    assert "secret" not in str(caught.value)


def test_a_tier_that_is_no_text_is_none() -> None:
    """It is no reason to lose an answer."""
    response = replied({"service_tier": 7, "choices": [{"message": {"content": "a"}}]})
    assert response["service_tier"] == "default"


def test_a_chunk_that_is_none_is_the_upstreams_fault() -> None:
    (event,) = Splitter(99).feed(b'data: {"choices":5}\n\n')
    with pytest.raises(UpstreamFault):
        TRANSLATION.stream(asked(), CALL_ID).feed(event)


WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
NAMES = st.sampled_from(["get_weather", "apply_patch", "mail__send", "other"])
ARGUMENTS = st.dictionaries(WORDS, st.one_of(WORDS, st.integers(), st.booleans()), max_size=2)
CALLS = st.lists(st.tuples(NAMES, ARGUMENTS), max_size=3)


def message_of(thought: str, text: str, calls: list[tuple[str, Json]]) -> Json:
    """Build an assistant's message, as chat completions have it in a reply and in a request."""
    tools = [
        {
            "id": f"call_{place}",
            "type": "function",
            "function": {
                "name": name,
                "arguments": json.dumps({"input": text} if name == "apply_patch" else arguments, separators=(",", ":")),
            },
        }
        for place, (name, arguments) in enumerate(calls)
    ]
    return {
        "role": "assistant",
        "content": text or None,
        **({"reasoning_content": thought} if thought else {}),
        **({"tool_calls": tools} if tools else {}),
    }


@given(st.one_of(st.just(""), WORDS), WORDS, CALLS, st.data())
def test_a_reply_and_a_stream_of_it_say_the_same(
    thought: str, text: str, calls: list[tuple[str, Json]], data: st.DataObject
) -> None:
    message = message_of(thought, text, calls)
    deltas: list[Json] = []
    for name in ("reasoning_content", "content"):
        deltas += [{name: piece} for piece in message.get(name, "")]
    for index, one in enumerate(message.get("tool_calls", ())):
        arguments = one["function"]["arguments"]
        cut = data.draw(st.integers(0, len(arguments)))
        deltas.append({"tool_calls": [call(one["function"]["name"], arguments[:cut], one["id"], index=index)]})
        deltas.append({"tool_calls": [{"index": index, "function": {"arguments": arguments[cut:]}}]})
    whole, grown = replied(completion(message), tools=TOOLS), read(streamed(chunks(*deltas), tools=TOOLS))
    assert whole == grown


@given(st.one_of(st.just(""), WORDS), WORDS, CALLS)
def test_what_the_model_said_goes_back_to_it_as_it_said_it(
    thought: str, text: str, calls: list[tuple[str, Json]]
) -> None:
    """A client gives the output back as input; the upstream finds its own message again."""
    message = message_of(thought, text, calls)
    output = replied(completion(message), tools=TOOLS)["output"]
    sent = TRANSLATION.request(asked(input=output, tools=TOOLS)).fields
    (again,) = json.loads(bytes(sent["messages"]))
    for one in (message, again):
        for tool in one.get("tool_calls", ()):
            tool["function"]["arguments"] = json.loads(tool["function"]["arguments"])
    assert message == again
