"""Clients that speak Responses are answered by Anthropic: whole and streamed, both say the same.

What is translated is held to the types of OpenAI's library 3.54.0 and to the schemas of Open Responses (in llm-comply).
"""

import json
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openai import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from tests.goldens import Golden, golden, goldens
from tokens_forge.core.errors import UpstreamFault
from tokens_forge.wire.request import Request, members
from tokens_forge.wire.sse import Splitter, data_event
from tokens_forge.wire.translate.responses_messages import TRANSLATION
from tokens_forge.wire.translate.responses_thinking import opened

Block = dict[str, Any]

CALL_ID = "tf_0199c9a1f4007000800000000000abcd"
CREATED_AT = 0x0199C9A1F400 // 1000
DIALECT = "anthropic_messages"
GET_WEATHER: Block = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}, "strict": True}
PATCH: Block = {"type": "custom", "name": "patch"}
SEARCHING: dict[str, Any] = {"tools": [{"type": "web_search"}], "tool_choice": {"type": "web_search_preview"}}

_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
_SPEC = json.loads(files("llm_comply").joinpath("specs/openresponses.json").read_text(encoding="utf-8"))
_EVENT_SCHEMAS: dict[str, str] = {
    schema["properties"]["type"]["enum"][0]: name
    for name, schema in _SPEC["components"]["schemas"].items()
    if name.endswith("StreamingEvent")
}
_OWN = ('"custom', '"local_shell', '"web_search"', '"namespace"')
"""Tools and calls of OpenAI that Open Responses has not."""


@cache
def schema_of(name: str) -> Any:  # noqa: ANN401 - the types of jsonschema are not complete
    return Draft202012Validator({**_SPEC, "$ref": f"#/components/schemas/{name}"})


def complaints(told: object, name: str) -> list[str]:
    """Return what Open Responses says against a value."""
    return [f"{error.json_path}: {error.message}" for error in schema_of(name).iter_errors(told)]


def asked(**said: object) -> Request:
    """Return a request as its reader gives it."""
    body: dict[str, Any] = {"model": "smart", "input": "hello"} | said
    return Request(
        model="smart",
        stream=True,
        include_usage=True,
        tier_asked="",
        input_estimate=10,
        output_bound=4096,
        choices=1,
        needs=(),
        turn=1,
        opening=b"",
        fields=members(json.dumps(body).encode()),
    )


def request_for(one: Golden) -> Request:
    return asked(**SEARCHING) if "search" in one.name or "pause" in one.name else asked(tools=[GET_WEATHER])


def streamed(data: bytes, request: Request, cuts: list[int] | None = None) -> bytes:
    """Return what the client gets for an upstream's stream that comes in pieces."""
    splitter, translator = Splitter(1 << 20), TRANSLATION.stream(request, CALL_ID)
    sent = b""
    places = [0, *sorted(cuts or []), len(data)]
    pieces = [data[start:end] for start, end in pairwise(places)]
    for event in [event for piece in pieces for event in splitter.feed(piece)] + splitter.close():
        if event.data and event.name != "error" and event.data.endswith(b"}"):  # a meter keeps errors back
            sent += translator.feed(event)
    return sent + translator.end()


def events_of(sent: bytes) -> list[dict[str, Any]]:
    """Return the events that a client reads, each checked."""
    splitter = Splitter(1 << 20)
    events: list[dict[str, Any]] = []
    for event in splitter.feed(sent) + splitter.close():
        assert event.data is not None
        _EVENT.validate_json(event.data, strict=True)
        told = json.loads(event.data)
        assert event.name == told["type"]
        schema = _EVENT_SCHEMAS.get(event.name)
        if schema and not any(kind in event.data.decode() for kind in _OWN):
            assert [] == complaints(told, schema)
        events.append(told)
    assert list(range(len(events))) == [event["sequence_number"] for event in events]
    return events


def accumulated(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the response that OpenAI's library gathers from the events, without their last."""
    state: ResponseStreamState[Any] = ResponseStreamState(input_tools=omit, text_format=omit)
    for event in events:
        state.handle_event(_EVENT.validate_python(event))
    items = {event["output_index"]: event["item"] for event in events if event["type"] == "response.output_item.done"}
    assert [items[place] for place in sorted(items)] == events[-1]["response"]["output"]
    return cast("dict[str, Any]", events[-1]["response"])


def response_for(data: bytes, request: Request) -> dict[str, Any]:
    """Return the response for a whole message, checked."""
    sent = TRANSLATION.reply(data, request, CALL_ID)
    Response.model_validate_json(sent, strict=True)
    if not any(kind in sent.decode() for kind in _OWN):
        assert [] == complaints(json.loads(sent), "ResponseResource")
    return cast("dict[str, Any]", json.loads(sent))


def said_in(response: dict[str, Any]) -> dict[str, Any]:
    """Return what a response says, in the words of a golden."""
    output = response["output"]
    parts = [part for item in output if item["type"] == "message" for part in item["content"]]
    return {
        "text": "".join(part.get("text", "") for part in parts),
        "thinking": "".join(part["text"] for item in output if item["type"] == "reasoning" for part in item["summary"]),
        "tools": tuple(
            (item["name"], "".join(item["arguments"].split())) for item in output if item["type"] == "function_call"
        ),
    }


def usage_in(response: dict[str, Any]) -> dict[str, int]:
    usage = response["usage"]
    return {
        "input": usage["input_tokens"],
        "cached": usage["input_tokens_details"]["cached_tokens"],
        "written": usage["input_tokens_details"]["cache_write_tokens"],
        "output": usage["output_tokens"],
        "reasoning": usage["output_tokens_details"]["reasoning_tokens"],
        "total": usage["total_tokens"],
    }


def expected_usage(one: Golden) -> dict[str, int]:
    written = one.usage.get("cache_write_5m", 0) + one.usage.get("cache_write_1h", 0)
    inputs = one.usage["input"] + one.usage.get("cache_read", 0) + written
    return {
        "input": inputs,
        "cached": one.usage.get("cache_read", 0),
        "written": written,
        "output": one.usage["output"],
        "reasoning": one.usage.get("reasoning", 0),
        "total": inputs + one.usage["output"],
    }


ENDINGS = {
    "end_turn": ("completed", None),
    "stop_sequence": ("completed", None),
    "tool_use": ("completed", None),
    "max_tokens": ("incomplete", {"reason": "max_output_tokens"}),
    "pause_turn": ("incomplete", {"reason": "max_output_tokens"}),
    "refusal": ("incomplete", {"reason": "content_filter"}),
}
WHOLE = [one for one in goldens(DIALECT) if not one.streamed]
STREAMS = [one for one in goldens(DIALECT) if one.streamed]
ENDED = [one for one in STREAMS if not one.broken]


def check(one: Golden, response: dict[str, Any]) -> None:
    """Hold a response to what its golden says."""
    tools = tuple((name, "".join(arguments.split())) for name, arguments in one.tools)
    assert {"text": one.text, "thinking": one.thinking, "tools": tools} == said_in(response)
    assert ENDINGS[one.finish] == (response["status"], response["incomplete_details"])
    assert expected_usage(one) == usage_in(response)
    assert one.model == response["model"]
    assert (f"resp_{CALL_ID[3:]}", CREATED_AT) == (response["id"], response["created_at"])


@pytest.mark.parametrize("one", WHOLE, ids=lambda one: one.name)
def test_a_whole_message_is_told_as_a_response(one: Golden) -> None:
    check(one, response_for(one.data, request_for(one)))


@pytest.mark.parametrize("one", ENDED, ids=lambda one: one.name)
def test_a_stream_is_told_as_a_stream(one: Golden) -> None:
    check(one, accumulated(events_of(streamed(one.data, request_for(one)))))


@pytest.mark.parametrize("one", STREAMS, ids=lambda one: one.name)
def test_a_stream_that_breaks_is_closed_properly(one: Golden) -> None:
    """Whatever came, every item is ended before the response is."""
    accumulated(events_of(streamed(one.data, request_for(one))))


@given(data=st.data(), one=st.sampled_from(STREAMS))
def test_every_split_gives_the_same_bytes(data: st.DataObject, one: Golden) -> None:
    cuts = data.draw(st.lists(st.integers(min_value=0, max_value=len(one.data))))
    assert streamed(one.data, request_for(one)) == streamed(one.data, request_for(one), cuts)


# What a message may have, as blocks of a whole reply, and how they are streamed.

words = st.text(max_size=12)
arguments = st.dictionaries(words, st.integers() | words, max_size=2)


def block_of(kind: str, **members: st.SearchStrategy[Any]) -> st.SearchStrategy[Block]:
    return st.fixed_dictionaries({"type": st.just(kind), **members})


@st.composite
def contents(draw: st.DrawFn) -> list[Block]:
    """Draw the blocks of a message; every call has its own id."""
    kinds = [
        block_of("text", text=words),
        block_of("thinking", thinking=words, signature=words),
        block_of("redacted_thinking", data=words),
        block_of("tool_use", name=st.sampled_from(["get_weather", "elsewhere"]), input=arguments),
        block_of("tool_use", name=st.just("patch"), input=st.fixed_dictionaries({"input": words})),
        block_of("tool_use", name=st.just("local_shell"), input=st.fixed_dictionaries({"command": st.lists(words)})),
    ]
    blocks = draw(st.lists(st.one_of(kinds), max_size=5))
    for place, block in enumerate(blocks):
        if block["type"] == "tool_use":
            block["id"] = f"toolu_{place}"
    return blocks


TOOLS = [GET_WEATHER, PATCH, {"type": "local_shell"}]


def message(content: list[dict[str, Any]], **said: object) -> bytes:
    """Return a whole message."""
    told: dict[str, object] = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude"}
    told |= {"content": content, "stop_reason": "end_turn", "usage": {"input_tokens": 3, "output_tokens": 2}}
    return json.dumps(told | said).encode()


def stream_of(content: list[dict[str, Any]], size: int) -> bytes:
    """Return the stream of the same message, its texts in pieces of `size` characters."""
    events: list[dict[str, Any]] = [{"type": "message_start", "message": json.loads(message([], stop_reason=None))}]
    for index, block in enumerate(content):
        begun, deltas = begun_with(block, size)
        events.append({"type": "content_block_start", "index": index, "content_block": begun})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    usage = {"input_tokens": 3, "output_tokens": 2}
    events += [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}]
    events += [{"type": "ping"}, {"type": "message_stop"}]
    return b"".join(data_event(json.dumps(event).encode()) for event in events)


def begun_with(block: dict[str, Any], size: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    match block["type"]:
        case "text":
            return block | {"text": ""}, [{"type": "text_delta", "text": text} for text in pieces(block["text"], size)]
        case "thinking":
            deltas = [{"type": "thinking_delta", "thinking": text} for text in pieces(block["thinking"], size)]
            return block | {"thinking": "", "signature": ""}, [
                *deltas,
                {"type": "signature_delta", "signature": block["signature"]},
            ]
        case "tool_use":
            told = json.dumps(block["input"])
            deltas = [{"type": "input_json_delta", "partial_json": text} for text in ("", *pieces(told, size))]
            return block | {"input": {}}, deltas
        case _:
            return block, []


def pieces(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


@given(content=contents(), size=st.integers(min_value=1, max_value=20))
@example(content=[{"type": "redacted_thinking", "data": "error"}], size=1)
def test_whole_and_streamed_say_the_same(content: list[dict[str, Any]], size: int) -> None:
    """A client may ask for either: the response at the end is one and the same, but for how arguments are spaced."""
    request = asked(tools=TOOLS)
    whole = response_for(message(content), request)
    told = accumulated(events_of(streamed(stream_of(content, size), request)))
    for response in (whole, told):
        for item in response["output"]:
            if item["type"] == "function_call":
                item["arguments"] = json.loads(item["arguments"])
    assert whole == told


@given(content=contents())
def test_what_was_answered_can_be_sent_back(content: list[dict[str, Any]]) -> None:
    """A client that gives a response's items back gives the upstream its own blocks, the thoughts to the letter."""
    response = response_for(message(content), asked(tools=TOOLS))
    kept = [{"role": "user", "content": "hello"}, *response["output"]]
    sent = TRANSLATION.request(asked(tools=TOOLS, input=kept))
    turns = json.loads(bytes(sent.fields["messages"]))
    returned = [block for turn in turns[1:] for block in turn["content"]]
    for block in returned:
        block.pop("cache_control", None)
        if block.get("name") == "local_shell":
            block["input"].pop("env")
    joined: list[dict[str, Any]] = []
    for block in content:
        if block["type"] == "text" and joined and joined[-1]["type"] == "text":
            joined[-1] = {"type": "text", "text": joined[-1]["text"] + block["text"]}
        elif block.get("text") != "":
            joined.append(block)
    assert [block for block in joined if block.get("text") is None or block["text"].strip(" \n\r\t")] == returned
    assert () == sent.dropped


def test_the_events_of_an_answer_come_in_their_order() -> None:
    """The sequence is the one that OpenAI documents."""
    content: list[Block] = [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "text", "text": "yes"},
        {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {}},
        {"type": "tool_use", "id": "toolu_2", "name": "patch", "input": {"input": "x"}},
    ]
    events = events_of(streamed(stream_of(content, 20), asked(tools=TOOLS)))
    expected = """
        created in_progress
        output_item.added reasoning_summary_part.added reasoning_summary_text.delta
        reasoning_summary_text.done reasoning_summary_part.done output_item.done
        output_item.added content_part.added output_text.delta output_text.done content_part.done output_item.done
        output_item.added function_call_arguments.delta function_call_arguments.done output_item.done
        output_item.added custom_tool_call_input.delta custom_tool_call_input.done output_item.done
        completed
    """
    assert expected.split() == [event["type"].removeprefix("response.") for event in events]
    assert [0] * 6 + [1] * 6 + [2] * 4 + [3] * 4 == [
        event["output_index"] for event in events if "output_index" in event
    ]
    ids = [event["item"]["id"] for event in events if event["type"].endswith("item.added")]
    assert ids == [event["item"]["id"] for event in events if event["type"].endswith("item.done")]
    assert 4 == len(set(ids))


def test_a_text_goes_out_as_it_comes() -> None:
    """Nothing that can go out waits for what follows."""
    translator = TRANSLATION.stream(asked(tools=TOOLS), CALL_ID)
    splitter = Splitter(1 << 20)
    sent = [
        translator.feed(event)
        for event in splitter.feed(
            stream_of([{"type": "tool_use", "id": "t", "name": "patch", "input": {"input": "*** Begin\n"}}], 14)
        )
    ]
    deltas = [event["delta"] for event in events_of(b"".join(sent)) if event["type"].endswith("delta")]
    assert ["***", " Begin\n"] == deltas


def test_a_text_names_its_sources() -> None:
    one = golden(DIALECT, "web-search.json")
    output = response_for(one.data, request_for(one))["output"]
    assert ["message", "message"] == [item["type"] for item in output]
    part = output[1]["content"][0]
    source = part["annotations"][0]
    assert "https://example.com/bridge" == source["url"]
    assert part["text"][source["start_index"] : source["end_index"]] in one.text


def test_a_thought_is_sealed_whole() -> None:
    """Also one whose words are kept from the client, and one that nobody may read."""
    for name in ("thinking.sse", "thinking-omitted.sse", "redacted-thinking.sse"):
        one = golden(DIALECT, name)
        items = accumulated(events_of(streamed(one.data, request_for(one))))["output"]
        sealed = [opened(item["encrypted_content"]) for item in items if item["type"] == "reasoning"]
        assert sealed
        assert None not in sealed


def test_a_refusal_says_why() -> None:
    """What the model said until then stays; the explanation is a part of its own."""
    one = golden(DIALECT, "refusal.sse")
    events = events_of(streamed(one.data, request_for(one)))
    content = accumulated(events)["output"][0]["content"]
    assert ["output_text", "refusal"] == [part["type"] for part in content]
    assert [0, 1] == [event["content_index"] for event in events if event["type"] == "response.content_part.done"]


def test_a_response_repeats_its_request() -> None:
    said: Block = {
        "instructions": "be brief",
        "temperature": 0.5,
        "max_output_tokens": 9,
        "metadata": {"a": "b"},
        "tools": [GET_WEATHER],
        "reasoning": {"effort": "low"},
        "text": {"format": {"type": "text"}, "verbosity": "low"},
    }
    response = response_for(message([]), asked(**said))
    for name in ("instructions", "temperature", "max_output_tokens", "metadata"):
        assert said[name] == response[name]
    assert [GET_WEATHER | {"description": None}] == response["tools"]
    assert {"effort": "low", "summary": None} == response["reasoning"]
    assert said["text"] == response["text"]


SLOPPY: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "no beginning": ([{"type": "content_block_delta", "delta": {"type": "text_delta", "text": "a"}}], ["message"]),
    "nothing at all": ([], []),
    "a beginning twice": ([{"type": "message_start", "message": {}}, {"type": "message_start", "message": {}}], []),
    "a thought without its beginning": (
        [{"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "a"}}],
        ["reasoning"],
    ),
    "no end of a block": (
        [
            {"type": "content_block_start", "content_block": {"type": "text", "text": "a"}},
            {"type": "content_block_start", "content_block": {"type": "thinking", "thinking": "b"}},
        ],
        ["message", "reasoning"],
    ),
    "empty texts": (
        [
            {"type": "content_block_start", "content_block": {"type": "text", "text": None}},
            {"type": "content_block_delta", "delta": {"type": "text_delta", "text": ""}},
            {"type": "content_block_delta", "delta": {"type": "thinking_delta"}},
            {"type": "content_block_delta", "delta": {"type": "signature_delta"}},
        ],
        ["reasoning"],
    ),
    "deltas of nothing": (
        [
            {"type": "content_block_delta", "delta": {"type": "signature_delta", "signature": "a"}},
            {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": "a"}},
            {"type": "content_block_delta", "delta": {"type": "citations_delta"}},
            {"type": "content_block_delta", "delta": {"type": "unheard_of"}},
            {"type": "content_block_delta"},
            {"type": "content_block_start"},
            {"type": "content_block_stop"},
            {"type": "unheard_of"},
        ],
        [],
    ),
    "a block of another tool": (
        [
            {"type": "content_block_start", "content_block": {"type": "web_fetch_tool_result"}},
            {"type": "content_block_stop"},
            {"type": "content_block_start", "content_block": {"type": "server_tool_use", "name": "web_fetch"}},
            {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": "{}"}},
        ],
        [],
    ),
    "arguments at the beginning": (
        [{"type": "content_block_start", "content_block": {"type": "tool_use", "name": "f", "input": {"a": 1}}}],
        ["function_call"],
    ),
    "a command that was cut": (
        [
            {"type": "content_block_start", "content_block": {"type": "tool_use", "name": "local_shell"}},
            {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": '{"comm'}},
        ],
        ["function_call"],
    ),
    "a free text that is none": (
        [{"type": "content_block_start", "content_block": {"type": "tool_use", "name": "patch", "input": {"a": 1}}}],
        ["custom_tool_call"],
    ),
    "a source that is no page": (
        [
            {"type": "content_block_start", "content_block": {"type": "text", "text": "a"}},
            {"type": "content_block_delta", "delta": {"type": "citations_delta", "citation": {"url": None}}},
        ],
        ["message"],
    ),
    "the end's reason twice": (
        [
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
            {"type": "message_delta", "delta": {"stop_reason": None}},
        ],
        [],
    ),
}


@pytest.mark.parametrize(("told", "kinds"), SLOPPY.values(), ids=SLOPPY)
def test_a_sloppy_stream_is_a_proper_one_for_the_client(told: list[dict[str, Any]], kinds: list[str]) -> None:
    data = b"".join(data_event(json.dumps(event).encode()) for event in told)
    response = accumulated(events_of(streamed(data, asked(tools=TOOLS))))
    assert kinds == [item["type"] for item in response["output"]]
    assert "completed" == response["status"]


def test_a_function_of_a_namespace_is_called_by_it() -> None:
    tools = [{"type": "namespace", "name": "crm", "description": "d", "tools": [GET_WEATHER]}]
    content = [{"type": "tool_use", "id": "toolu_1", "name": "crm__get_weather", "input": {"a": 1}}]
    item = response_for(message(content), asked(tools=tools))["output"][0]
    assert ("get_weather", "crm") == (item["name"], item["namespace"])


def test_a_search_for_tools_is_the_clients_own() -> None:
    content: list[Block] = [{"type": "tool_use", "id": "toolu_1", "name": "tool_search", "input": {"query": "rain"}}]
    tools = [{"type": "tool_search", "execution": "client"}, {"type": "custom", "name": "patch"}]
    item = response_for(message(content), asked(tools=tools))["output"][0]
    assert ("tool_search_call", {"query": "rain"}) == (item["type"], item["arguments"])


@pytest.mark.parametrize("body", [b"", b"[]", b'{"type":"error"}', b'{"id":"a"}', b'{"type":"message","content":[1]}'])
def test_a_reply_that_is_no_message_is_a_fault(body: bytes) -> None:
    with pytest.raises(UpstreamFault):
        TRANSLATION.reply(body, asked(), CALL_ID)


def test_an_event_of_a_wrong_kind_is_a_fault() -> None:
    with pytest.raises(UpstreamFault):
        streamed(data_event(b'{"type":"content_block_delta","delta":1}'), asked())
