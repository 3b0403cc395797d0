"""A client that speaks Messages, answered by a chat completion."""

import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import httpx2
import msgspec
import pytest
from anthropic import Anthropic
from anthropic.types import Message
from goldens import Golden, golden, goldens
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import CompletionCreateParams
from pydantic import TypeAdapter

from tokens_forge.core.errors import UpstreamFault
from tokens_forge.wire.openai_chat import StreamMeter
from tokens_forge.wire.request import Fields, Request
from tokens_forge.wire.sse import Event, Splitter, data_event
from tokens_forge.wire.translate.messages_chat import TRANSLATION
from tokens_forge.wire.translation import NotCarried

Json = dict[str, Any]

CALL = "tf_0193a1b2c3d47e8f9012a3b4c5d6e7f8"
HELLO: list[Json] = [{"role": "user", "content": "hi"}]
ADAPTIVE = {"type": "adaptive"}
CHAT_HELLO = [{"role": "user", "content": "hi"}]
ENDED = [one for one in goldens("openai_chat") if not one.broken]
WHOLE = [one for one in ENDED if not one.streamed]
STREAMED = [one for one in ENDED if one.streamed]

COMPLY: Any = import_module("llm_comply.schema")  # it has no types
SCHEMAS = COMPLY.SpecLoader(str(Path(COMPLY.__file__).parent / "specs" / "anthropic.json"))
CHAT_PARAMS: TypeAdapter[Any] = TypeAdapter(CompletionCreateParams)


def asked(**members: object) -> Request:
    """Build a client's request."""
    body = msgspec.json.encode({"model": "m", "max_tokens": 1024, "messages": HELLO} | members)
    return Request(
        model="m",
        stream=members.get("stream") is True,
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


def sent(**members: object) -> Json:
    """Return the chat completion for a request, but for what every one has."""
    fields = TRANSLATION.request(asked(**members)).fields
    chat = msgspec.json.decode(msgspec.json.encode(fields))
    CHAT_PARAMS.validate_python(_known(chat))
    return {name: value for name, value in chat.items() if name not in {"model", "max_tokens"}}


def chatted(*messages: Json) -> list[Json]:
    """Return the messages of a chat for those of a client."""
    return cast("list[Json]", sent(messages=list(messages))["messages"])


def dropped(**members: object) -> tuple[str, ...]:
    return TRANSLATION.request(asked(**members)).dropped


def replied(chat: Json | bytes, request: Request | None = None) -> Message:
    """Return the message for a chat completion, as Anthropic's library reads it."""
    body = chat if isinstance(chat, bytes) else msgspec.json.encode(chat)
    message = TRANSLATION.reply(body, request or asked(thinking=ADAPTIVE), CALL)
    assert complaints(json.loads(message), "Message") == []
    return sdk(message, "application/json").messages.create(model="m", max_tokens=9, messages=[])


def streamed(data: bytes, request: Request | None = None, cuts: tuple[int, ...] = ()) -> bytes:
    """Return the client's stream for an upstream's, fed in pieces, as the proxy does it."""
    request = request or asked(stream=True, thinking=ADAPTIVE)
    translator = TRANSLATION.stream(request, CALL)
    meter, splitter = StreamMeter(include_usage=True), Splitter(1 << 20)
    places = [0, *cuts, len(data)]
    events = [event for start, end in pairwise(places) for event in splitter.feed(data[start:end])]
    passed = [translator.feed(event) for event in [*events, *splitter.close()] if meter.feed(event).kind == "data"]
    return b"".join([*passed, translator.end()])


def chunks(*deltas: Json, finish: str | None = "stop", usage: Json | None = None) -> bytes:
    """Build a stream of chat completion chunks."""
    said: list[Json] = [{"id": "c", "model": "u", "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    said.append({"id": "c", "model": "u", "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    if usage is not None:
        said.append({"id": "c", "model": "u", "choices": [], "usage": usage})
    return b"".join(data_event(msgspec.json.encode(one)) for one in said) + b"data: [DONE]\n\n"


def read(stream: bytes) -> Message:
    """Return what Anthropic's library makes of a stream."""
    for event in events_of(stream):
        assert complaints(event, "MessageStreamEvent") == []
    with sdk(stream, "text/event-stream").messages.stream(model="m", max_tokens=9, messages=[]) as message:
        return cast("Message", message.get_final_message())


def cited(said: Json) -> Json:
    """Return an answer or an event with the null citations of its texts."""
    if isinstance(content := said.get("content"), list):
        return {**said, "content": [cited(block) for block in cast("list[Json]", content)]}
    if "content_block" in said:
        return {**said, "content_block": cited(cast("Json", said["content_block"]))}
    if said.get("type") == "text":
        assert "citations" not in said
        return {**said, "citations": None}
    return said


def complaints(said: Json, schema: str) -> list[str]:
    """Return what Anthropic's own schema finds wrong; it has `citations` that are null, which its answers leave out."""
    said = cited(said)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a class that llm-comply takes from jsonschema
        return cast("list[str]", SCHEMAS.validate(said, schema))


def sdk(body: bytes, kind: str) -> Anthropic:
    """Return Anthropic's library, which checks every answer and is given this one."""
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, content=body, headers={"content-type": kind}))
    client = httpx2.Client(transport=transport)
    return Anthropic(api_key="k", http_client=client, _strict_response_validation=True, max_retries=0)


def events_of(stream: bytes) -> list[Json]:
    return [json.loads(event.data or b"") for event in Splitter(1 << 20).feed(stream)]


def call(name: str, arguments: object, **rest: object) -> Json:
    return {"type": "function", "function": {"name": name, "arguments": arguments}} | rest


def blocks(message: Message) -> list[Json]:
    """Return the blocks of a message, without what is always the same."""
    said = [block.model_dump(exclude_none=True) for block in message.content]
    return [{name: value for name, value in one.items() if name not in {"caller", "parsed_output"}} for one in said]


def _known(chat: Json) -> Json:
    """Return a chat completion without what only some servers know."""
    strange = {"reasoning_content", "reasoning", "extra_content"}
    messages = [{name: v for name, v in one.items() if name not in strange} for one in chat["messages"]]
    return chat | {"messages": messages}


TOOL: Json = {"name": "get", "description": "Gets.", "input_schema": {"type": "object", "properties": {}}}
CHAT_TOOL: Json = {
    "type": "function",
    "function": {"name": "get", "description": "Gets.", "parameters": {"type": "object", "properties": {}}},
}
SCHEMA: Json = {"type": "object", "properties": {"a": {"type": "integer"}}}
FORMAT: Json = {"type": "json_schema", "schema": SCHEMA}
CHAT_FORMAT: Json = {
    "type": "json_schema",
    "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, {}),
        ({"stream": True, "temperature": 0.5, "top_p": 0.9}, {"stream": True, "temperature": 0.5, "top_p": 0.9}),
        ({"temperature": None, "system": None, "tools": None, "thinking": None}, {}),
        ({"stop_sequences": ["END", "STOP"]}, {"stop": ["END", "STOP"]}),
        ({"stop_sequences": []}, {}),
        ({"tools": [TOOL]}, {"tools": [CHAT_TOOL]}),
        ({"tools": [TOOL | {"type": "custom"}]}, {"tools": [CHAT_TOOL]}),
        (
            {"tools": [{"name": "f", "input_schema": SCHEMA, "strict": True}]},
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": SCHEMA, "strict": True}}]},
        ),
        ({"tools": []}, {}),
        ({"tools": [TOOL], "tool_choice": {"type": "auto"}}, {"tools": [CHAT_TOOL]}),
        ({"tools": [TOOL], "tool_choice": {"type": "any"}}, {"tools": [CHAT_TOOL], "tool_choice": "required"}),
        ({"tools": [TOOL], "tool_choice": {"type": "none"}}, {"tools": [CHAT_TOOL], "tool_choice": "none"}),
        ({"tool_choice": {"type": "none"}}, {}),
        (
            {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "get", "disable_parallel_tool_use": True}},
            {
                "tools": [CHAT_TOOL],
                "tool_choice": {"type": "function", "function": {"name": "get"}},
                "parallel_tool_calls": False,
            },
        ),
        ({"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}, {}),
        ({"thinking": {"type": "enabled", "budget_tokens": 4000}}, {"reasoning_effort": "low"}),
        ({"thinking": {"type": "enabled", "budget_tokens": 10000}}, {"reasoning_effort": "medium"}),
        ({"thinking": {"type": "enabled", "budget_tokens": 31999}}, {"reasoning_effort": "high"}),
        ({"thinking": {"type": "adaptive"}}, {}),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "xhigh"}}, {"reasoning_effort": "xhigh"}),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 1024}, "output_config": {"effort": "max"}},
            {"reasoning_effort": "max"},
        ),
        (
            {"output_config": {"effort": "low"}, "thinking": {"type": "enabled", "budget_tokens": 31999}},
            {"reasoning_effort": "low"},
        ),
        ({"thinking": {"type": "disabled"}, "output_config": {"effort": "max"}}, {}),
        ({"thinking": {"type": "between_tools"}, "output_config": {"effort": "low"}}, {"reasoning_effort": "low"}),
        ({"output_config": {"format": FORMAT}}, {"response_format": CHAT_FORMAT}),
        ({"output_format": FORMAT}, {"response_format": CHAT_FORMAT}),
        ({"metadata": {"user_id": "u-1"}}, {"user": "u-1"}),
        ({"metadata": {"user_id": None}}, {}),
        ({"service_tier": "auto"}, {}),
        ({"service_tier": "standard_only"}, {"service_tier": "default"}),
        ({"speed": "standard", "inference_geo": "global", "mcp_servers": []}, {}),
    ],
)
def test_what_a_request_carries(members: Json, expected: Json) -> None:
    """The table of what is carried: each member of Messages and what a chat completion calls it."""
    assert {"messages": CHAT_HELLO} | expected == sent(**members)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, ()),
        ({"stream": False, "speed": "standard", "tools": [TOOL | {"strict": False}]}, ()),
        ({"top_k": 5, "context_management": {"edits": []}, "future": 1}, ("top_k", "context_management", "future")),
        ({"cache_control": {"type": "ephemeral"}}, ("cache_control",)),
        (
            {
                "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
                "tools": [TOOL | {"cache_control": {"type": "ephemeral"}, "defer_loading": True}],
            },
            ("cache_control", "tools[].defer_loading"),
        ),
        ({"thinking": {"type": "disabled"}}, ("thinking",)),
        ({"thinking": {"type": "between_tools"}, "output_config": {"effort": "low"}}, ("thinking",)),
        (
            {"output_config": {"effort": "max"}, "thinking": {"type": "disabled"}},
            ("output_config.effort", "thinking"),
        ),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, ("thinking.display",)),
        ({"output_config": {"task_budget": {"type": "tokens", "total": 9}}}, ("output_config.task_budget",)),
        ({"metadata": {"user_id": "u" * 65, "team": "t"}}, ("metadata.team", "metadata.user_id")),
        ({"service_tier": "odd"}, ("service_tier",)),
        ({"speed": "fast"}, ("speed",)),
        ({"tools": [TOOL], "tool_choice": {"type": "any", "new": 1}}, ("tool_choice.new",)),
    ],
)
def test_what_a_request_leaves_out(members: Json, expected: tuple[str, ...]) -> None:
    """What only tunes or labels is dropped, and named once, in the order of the request."""
    assert expected == dropped(**members)


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"mcp_servers": [{"name": "m"}]}, "mcp_servers"),
        ({"container": "c_1"}, "container"),
        ({"thread": {"id": "t"}}, "thread"),
        ({"inference_geo": "us"}, "inference_geo"),
        ({"system": 1}, "system"),
        ({"system": [{"type": "image"}]}, "system[0].type"),
        ({"messages": 1}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [{"content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "tool", "content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [*HELLO, {"role": "assistant", "content": "{"}]}, "messages[1]"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0].type"),
        ({"tools": [TOOL, {"type": "bash_20250124", "name": "bash"}]}, "tools[1].type"),
        ({"tools": [{"name": "f"}]}, "tools[0].input_schema"),
        ({"tools": [{"input_schema": SCHEMA}]}, "tools[0].name"),
        ({"tools": {}}, "tools"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"tool_choice": {"type": "some"}}, "tool_choice.type"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"output_config": {"format": {"type": "xml"}}}, "output_config.format.type"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema"),
        ({"output_format": []}, "output_format"),
        ({"metadata": {"user_id": 1}}, "metadata.user_id"),
        ({"stop_sequences": "END"}, "stop_sequences"),
    ],
)
def test_what_a_request_is_refused_for(members: Json, field: str) -> None:
    """What would change the answer's meaning, or is of a wrong kind, is refused by its path."""
    with pytest.raises(NotCarried) as refusal:
        TRANSLATION.request(asked(**members))
    assert field == refusal.value.field


@pytest.mark.parametrize(
    ("block", "path"),
    [
        ({"type": "text"}, ".text"),
        ({"type": "text", "text": 1}, ".text"),
        ({}, ".type"),
        ({"type": "container_upload", "file_id": "f"}, ".type"),
        ({"type": "image"}, ".source"),
        ({"type": "image", "source": {"type": "file", "file_id": "f"}}, ".source.type"),
        ({"type": "image", "source": {"type": "url"}}, ".source.url"),
        ({"type": "image", "source": {"type": "base64", "media_type": "image/png"}}, ".source.data"),
        ({"type": "image", "source": {"type": "base64", "data": "AA=="}}, ".source.media_type"),
        ({"type": "document", "source": {"type": "url", "url": "https://a/b.pdf"}}, ".source.type"),
        ({"type": "document", "source": {"type": "content", "content": [{"type": "x"}]}}, ".source.content[0].type"),
        ({"type": "tool_result", "content": "x"}, ".tool_use_id"),
        ({"type": "tool_result", "tool_use_id": "t", "content": [{"type": "x"}]}, ".content[0].type"),
    ],
)
def test_a_users_block_is_refused_by_its_path(block: Json, path: str) -> None:
    """Kinds of content that a chat does not have are refused, and so is one that lacks a part; no text is repeated."""
    with pytest.raises(NotCarried) as refusal:
        chatted({"role": "user", "content": [{"type": "text", "text": "secret"}, block]})
    assert f"messages[0].content[1]{path}" == refusal.value.field
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("block", "path"),
    [
        ({"type": "image", "source": {}}, ".type"),
        ({"type": "tool_use", "name": "f", "input": {}}, ".id"),
        ({"type": "tool_use", "id": "t", "input": {}}, ".name"),
        ({"type": "tool_use", "id": "t", "name": "f", "input": "{}"}, ".input"),
        ({"type": "thinking", "signature": ""}, ".thinking"),
        ({"type": "thinking", "thinking": "t", "signature": 1}, ".signature"),
        ({"type": "thinking", "thinking": "", "signature": "extra_content:x"}, ".signature"),
    ],
)
def test_an_assistants_block_is_refused_by_its_path(block: Json, path: str) -> None:
    """As a user's."""
    with pytest.raises(NotCarried) as refusal:
        chatted({"role": "assistant", "content": [block]}, *HELLO)
    assert f"messages[0].content[0]{path}" == refusal.value.field


def test_the_maximum_is_the_bound_that_was_held() -> None:
    """What the hold was reckoned with is what is sent, also where the client gave nothing."""
    assert msgspec.Raw(b"77") == TRANSLATION.request(replace(asked(), output_bound=77)).fields["max_tokens"]


def test_the_system_prompt_is_one_message() -> None:
    """Its blocks are one text. What Claude Code labels each call with is left out: no cache would know the prompt."""
    blocks_of_system = [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1; cch=fa690;"},
        {"type": "text", "text": "Be brief."},
        {"type": "text", "text": "Be kind."},
    ]
    assert [{"role": "system", "content": "Be brief.\n\nBe kind."}, *CHAT_HELLO] == sent(system=blocks_of_system)[
        "messages"
    ]
    assert dropped(system=blocks_of_system) == ("system[].x-anthropic-billing-header",)
    assert [{"role": "system", "content": "Be brief."}, *CHAT_HELLO] == sent(system="Be brief.")["messages"]


def test_a_system_message_stays_at_its_place() -> None:
    """Anthropic's library, `SystemMessageParam`: a system may speak between turns."""
    system = {"role": "system", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    assert [*CHAT_HELLO, {"role": "system", "content": "a\n\nb"}] == chatted(*HELLO, system)


def test_images_and_files_are_parts() -> None:
    """OpenAI API reference, "Create chat completion": `image_url` and `file`; a text document is text."""
    content = [
        {"type": "text", "text": "Look:"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"}},
        {"type": "image", "source": {"type": "url", "url": "https://a/b.png"}},
        {"type": "document", "title": "T", "source": {"type": "base64", "media_type": "application/pdf", "data": "JV"}},
    ]
    assert [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look:"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}},
                {"type": "image_url", "image_url": {"url": "https://a/b.png"}},
                {"type": "text", "text": "T"},
                {
                    "type": "file",
                    "file": {"filename": "document.pdf", "file_data": "data:application/pdf;base64,JV"},
                },
            ],
        }
    ] == chatted({"role": "user", "content": content})


def test_what_is_text_is_one_text() -> None:
    """Documents and results of a search are given as the texts that they are; wishes for citations are dropped."""
    content = [
        {"type": "document", "title": "T", "context": "C", "source": {"type": "text", "data": "D"}},
        {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "E"}]}},
        {"type": "document", "source": {"type": "content", "content": "F"}, "citations": {"enabled": True}},
        {"type": "search_result", "title": "S", "source": "U", "content": [{"type": "text", "text": "R"}]},
        {"type": "text", "text": "Q", "citations": None},
    ]
    messages = [{"role": "user", "content": content}]
    text = "\n\n".join("TCDEFSURQ")
    assert [{"role": "user", "content": text}] == chatted(*messages)
    assert dropped(messages=messages) == ("messages[].citations",)


def test_what_is_null_is_not_given() -> None:
    """Also the input of a call, and the signature of a thought."""
    call = {"type": "tool_use", "id": "t", "name": "f", "input": None}
    thought = {"type": "thinking", "thinking": "T", "signature": None}
    messages = [{"role": "assistant", "content": [thought, call]}, {"role": "user", "content": "b"}]
    (assistant, _) = chatted(*messages)
    assert assistant["reasoning_content"] == "T"
    assert [{"name": "f", "arguments": "{}"}] == [call["function"] for call in assistant["tool_calls"]]


def test_users_in_a_row_are_one_turn() -> None:
    """Anthropic API reference, `messages`: consecutive turns of a user are combined; an empty one says nothing."""
    assert [{"role": "user", "content": "a\n\nb"}] == chatted(
        {"role": "user", "content": "a"}, {"role": "user", "content": []}, {"role": "user", "content": "b"}
    )
    assert [] == chatted({"role": "user", "content": []})


def test_results_of_tools_come_right_after_the_calls() -> None:
    """A chat wants every call answered before anything else: images and texts of the same turn follow."""
    image = {"type": "image", "source": {"type": "url", "url": "u"}}
    asking = {
        "role": "assistant",
        "content": [
            {"type": "text", "text": "Two "},
            {"type": "text", "text": "calls."},
            {"type": "tool_use", "id": "t1", "name": "get", "input": {"n": 1.50}, "caller": {"type": "direct"}},
            {"type": "tool_use", "id": "t2", "name": "get", "input": {}, "cache_control": {"type": "ephemeral"}},
        ],
    }
    results = {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "t1", "content": [image]},
            {"type": "tool_result", "tool_use_id": "t2", "content": "gone", "is_error": True},
            {"type": "text", "text": "Go on."},
        ],
    }
    late = {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "t3"},
            {"type": "tool_result", "tool_use_id": "t4", "content": [{"type": "tool_reference", "tool_name": "f"}]},
        ],
    }
    messages = [asking, results, late]
    assert [
        {
            "role": "assistant",
            "content": "Two calls.",
            "tool_calls": [call("get", '{"n":1.5}', id="t1"), call("get", "{}", id="t2")],
        },
        {"role": "tool", "tool_call_id": "t1", "content": "What it returned follows."},
        {"role": "tool", "tool_call_id": "t2", "content": "Error: gone"},
        {"role": "tool", "tool_call_id": "t3", "content": ""},
        {"role": "tool", "tool_call_id": "t4", "content": "The tool `f` can be called."},
        {
            "role": "user",
            "content": [{"type": "image_url", "image_url": {"url": "u"}}, {"type": "text", "text": "Go on."}],
        },
    ] == chatted(*messages)
    assert dropped(messages=messages) == ("cache_control",)


def test_arguments_keep_every_digit() -> None:
    """Arguments of a call are the bytes that the client sent, also numbers that no float holds."""
    body = (
        b'{"model":"m","max_tokens":9,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t",'
        b'"name":"f","input":{"n": 12345678901234567890123, "x": 0.1000}}]},{"role":"user","content":"go"}]}'
    )
    request = replace(asked(), fields=msgspec.json.decode(body, type=Fields))
    chat = TRANSLATION.request(request).fields["messages"]
    arguments = json.loads(bytes(chat))[0]["tool_calls"][0]["function"]["arguments"]
    assert arguments == '{"n": 12345678901234567890123, "x": 0.1000}'


@pytest.mark.parametrize(
    ("block", "carried", "left_out"),
    [
        ({"type": "thinking", "thinking": "t", "signature": ""}, {"reasoning_content": "t"}, ()),
        ({"type": "thinking", "thinking": "t"}, {"reasoning_content": "t"}, ()),
        ({"type": "thinking", "thinking": "t", "signature": "reasoning_content"}, {"reasoning_content": "t"}, ()),
        ({"type": "thinking", "thinking": "t", "signature": "reasoning"}, {"reasoning": "t"}, ()),
        ({"type": "thinking", "thinking": "t", "signature": "EqQBCg"}, {}, ("messages[].thinking",)),
        ({"type": "redacted_thinking", "data": "x"}, {}, ("messages[].redacted_thinking",)),
        ({"type": "server_tool_use", "id": "s", "name": "n", "input": {}}, {}, ("messages[].server_tool_use",)),
        ({"type": "web_search_tool_result", "content": []}, {}, ("messages[].web_search_tool_result",)),
    ],
)
def test_thinking_goes_back_where_it_came_from(block: Json, carried: Json, left_out: tuple[str, ...]) -> None:
    """DeepSeek wants it back within tool calls ("Thinking Mode"); others refuse what they never gave."""
    use: Json = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    messages: list[Json] = [
        {"role": "assistant", "content": [block, block, use]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "r"}]},
    ]
    doubled = {name: value * 2 for name, value in carried.items()}
    expected = {"role": "assistant", "content": None, **doubled, "tool_calls": [call("f", "{}", id="t")]}
    assert expected == chatted(*messages)[0]
    assert left_out == dropped(messages=messages)


def test_what_gemini_added_to_a_call_goes_back_with_it() -> None:
    """Gemini API docs, "Thought signatures": without it the next turn is refused; a client keeps it as a signature."""
    message = read(streamed(golden("openai_chat", "gemini-tools.sse").data, asked(tools=[TOOL])))
    assert [block["type"] for block in blocks(message)] == ["thinking", "tool_use", "tool_use"]
    said = [block.to_dict() for block in message.content]
    back = chatted({"role": "assistant", "content": said}, *HELLO)[0]
    signed, plain = cast("list[Json]", back["tool_calls"])
    assert signed["extra_content"] == {"google": {"thought_signature": "EjQKMgEMOdbHJChL"}}
    assert "extra_content" not in plain
    assert "reasoning_content" not in back


def test_an_assistant_that_said_nothing_that_is_carried_is_empty() -> None:
    """A chat wants a content where there are no calls."""
    messages = [{"role": "assistant", "content": [{"type": "redacted_thinking", "data": "x"}]}, *HELLO]
    assert [{"role": "assistant", "content": ""}, *CHAT_HELLO] == chatted(*messages)


def test_a_request_of_claude_code_is_not_refused() -> None:
    """Members and beta members that Claude Code 2.1 sends (see the sources); all that is lost only tunes or labels."""
    ephemeral = {"type": "ephemeral"}
    request = {
        "stream": True,
        "system": [
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.126; cc_entrypoint=cli; cch=1a2b3;"},
            {"type": "text", "text": "You are Claude Code.", "cache_control": ephemeral},
            {"type": "text", "text": "Instructions.", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        ],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "<system-reminder>Today.</system-reminder>"},
                    {"type": "text", "text": "Fix it.", "cache_control": ephemeral},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Look.", "signature": "reasoning_content"},
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "call_1", "name": "get", "input": {"path": "a.py"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "call_1",
                        "content": [{"type": "text", "text": "x = 1"}],
                        "is_error": False,
                        "cache_control": ephemeral,
                    },
                ],
            },
            {"role": "system", "content": "The user opened b.py."},
        ],
        "tools": [TOOL | {"eager_input_streaming": True}],
        "metadata": {"user_id": "user_" + "0" * 64 + "_account__session_1"},
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "high"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "max_tokens": 32000,
        "temperature": 1,
    }
    assert {
        "stream": True,
        "messages": [
            {"role": "system", "content": "You are Claude Code.\n\nInstructions."},
            {"role": "user", "content": "<system-reminder>Today.</system-reminder>\n\nFix it."},
            {
                "role": "assistant",
                "content": "I look.",
                "reasoning_content": "Look.",
                "tool_calls": [call("get", '{"path":"a.py"}', id="call_1")],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "x = 1"},
            {"role": "system", "content": "The user opened b.py."},
        ],
        "tools": [CHAT_TOOL],
        "reasoning_effort": "high",
        "temperature": 1,
    } == sent(**request)
    assert dropped(**request) == (
        "cache_control",
        "system[].x-anthropic-billing-header",
        "tools[].eager_input_streaming",
        "metadata.user_id",
        "context_management",
    )


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


@given(st.lists(st.tuples(st.sampled_from(["user", "assistant"]), TEXTS), max_size=6))
def test_what_was_said_is_found_in_what_is_sent(said: list[tuple[str, str]]) -> None:
    """Every text is there, whole, and in its order."""
    said.append(("user", "end"))
    messages = [{"role": role, "content": [{"type": "text", "text": text}]} for role, text in said]
    written = "\n\n".join(cast("str", message["content"]) for message in chatted(*messages))
    assert "\n\n".join(text for _, text in said) == written


def stop_of(one: Golden) -> str:
    """Return the reason that a golden's end is told as, by hand."""
    if "refusal" in one.name:
        return "refusal"
    if one.tools:
        return "tool_use"
    return {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}[one.finish]


@pytest.mark.parametrize("one", ENDED, ids=lambda one: one.name)
def test_an_answer_is_told_as_a_message(one: Golden) -> None:
    """All that an upstream says, whole or streamed: words, thoughts, calls, the end, and the usage in other terms."""
    message = read(streamed(one.data)) if one.streamed else replied(one.data)
    said = blocks(message)
    assert one.model == message.model
    assert one.text == "".join(block["text"] for block in said if block["type"] == "text")
    assert one.thinking == "".join(block["thinking"] for block in said if block["type"] == "thinking")
    calls = [(block["name"], block["input"]) for block in said if block["type"] == "tool_use"]
    assert [(name, json.loads(arguments)) for name, arguments in one.tools] == calls
    assert stop_of(one) == message.stop_reason
    usage = message.usage
    assert one.usage["input"] == usage.input_tokens
    assert one.usage["output"] == usage.output_tokens
    assert one.usage.get("cache_read", 0) == usage.cache_read_input_tokens
    assert one.usage.get("cache_write_5m", 0) == usage.cache_creation_input_tokens
    details = usage.output_tokens_details
    assert one.usage.get("reasoning") == (details and details.thinking_tokens)


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({}, False),
        ({"thinking": None, "tools": []}, False),
        ({"thinking": {"type": "disabled"}}, False),
        ({"thinking": "on"}, False),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, True),
        ({"tools": [TOOL]}, True),
    ],
)
def test_thinking_is_told_to_whom_it_concerns(members: Json, told: bool) -> None:
    """Who asked for it, and who has tools and must give it back; any other reads the first block as the answer."""
    one = golden("openai_chat", "deepseek-stream.sse")
    kinds = [block["type"] for block in blocks(read(streamed(one.data, asked(stream=True, **members))))]
    assert kinds == (["thinking", "text"] if told else ["text"])


@pytest.mark.parametrize("one", [one for one in ENDED if "refusal" not in one.name], ids=lambda one: one.name)
def test_what_an_upstream_said_goes_back_to_it_as_it_was(one: Golden) -> None:
    """A cache knows a prompt by its bytes, and DeepSeek its thinking: words, thoughts, calls and ids are the same."""
    message = read(streamed(one.data)) if one.streamed else replied(one.data)
    said = [block.to_dict() for block in message.content]
    back = chatted({"role": "assistant", "content": said}, *HELLO)[0]
    assert (one.text or None) == (back["content"] or None)
    assert one.thinking == back.get("reasoning_content", back.get("reasoning", ""))
    assert ("reasoning" in back) == (bool(one.thinking) and b'"reasoning_content"' not in one.data)
    calls = cast("list[Json]", back.get("tool_calls", []))
    spoken = [(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calls]
    assert [(name, json.loads(arguments)) for name, arguments in one.tools] == spoken
    assert all(call["id"].encode() in one.data for call in calls)


@pytest.mark.parametrize("one", WHOLE, ids=lambda one: one.name)
def test_the_upstreams_ids_are_kept(one: Golden) -> None:
    """A message and its calls have the ids that the upstream knows them by."""
    chat = json.loads(one.data)
    message = replied(one.data)
    assert chat["id"] == message.id
    calls = cast("list[Json]", chat["choices"][0]["message"].get("tool_calls") or [])
    assert [call["id"] for call in calls] == [block.id for block in message.content if block.type == "tool_use"]


@given(st.data())
def test_every_split_of_a_stream_gives_the_same_bytes(data: st.DataObject) -> None:
    """However the network cuts it."""
    one = data.draw(st.sampled_from(STREAMED))
    places = data.draw(st.lists(st.integers(0, len(one.data)), max_size=8))
    assert streamed(one.data) == streamed(one.data, cuts=tuple(sorted(places)))


@pytest.mark.parametrize("one", STREAMED, ids=lambda one: one.name)
def test_blocks_go_out_one_after_the_other(one: Golden) -> None:
    """Anthropic docs, "Streaming Messages": a start, each block from its start to its stop, a delta with the end."""
    kinds: list[str] = []
    place, is_open = -1, False
    for event in events_of(streamed(one.data)):
        match event["type"]:
            case "content_block_start":
                place, was_open, is_open = place + 1, is_open, True
                assert not was_open
                assert place == event["index"]
            case "content_block_stop":
                assert is_open
                assert place == event["index"]
                is_open = False
            case "content_block_delta":
                assert is_open
                assert place == event["index"]
            case kind:
                kinds.append(kind)
    assert kinds == ["message_start", "message_delta", "message_stop"]
    assert not is_open


@st.composite
def answers(draw: Callable[..., Any]) -> tuple[Json, bytes]:
    """Draw the same answer as a reply and as a stream."""
    thought = draw(st.lists(TEXTS, max_size=3))
    said = draw(st.lists(TEXTS, max_size=3))
    calls = draw(st.lists(st.dictionaries(TEXTS, st.integers() | TEXTS, max_size=2), max_size=3))
    finish = draw(st.sampled_from(["stop", "length", "tool_calls", "content_filter", "odd"]))
    style = draw(st.sampled_from(["indexed", "bare", "whole"]))
    message: Json = {"role": "assistant", "content": "".join(said) or None, "reasoning": "".join(thought)}
    message["tool_calls"] = [call(f"f{place}", json.dumps(one), id=f"c{place}") for place, one in enumerate(calls)]
    deltas: list[Json] = [{"role": "assistant", "content": None, "reasoning": text} for text in thought]
    deltas += [{"content": text} for text in said]
    for place, one in enumerate(calls):
        arguments = json.dumps(one)
        cut = draw(st.integers(0, len(arguments)))
        index = {"index": place} if style == "indexed" else {}
        if style == "whole":
            deltas.append({"tool_calls": [call(f"f{place}", arguments, id=f"c{place}")]})
        else:
            deltas.append({"tool_calls": [call(f"f{place}", arguments[:cut], id=f"c{place}") | index]})
            deltas.append({"content": "", "tool_calls": [index | {"function": {"arguments": arguments[cut:]}}]})
    usage = {"prompt_tokens": 5, "completion_tokens": 4}
    chat = {"id": "c", "model": "u", "choices": [{"index": 0, "message": message, "finish_reason": finish}]}
    return chat | {"usage": usage}, chunks(*deltas, finish=finish, usage=usage)


@given(answers())
def test_a_reply_and_a_stream_of_it_say_the_same(answer: tuple[Json, bytes]) -> None:
    """One answer is one message, however it came."""
    chat, stream = answer
    assert replied(chat).to_dict() == read(streamed(stream)).to_dict()


@pytest.mark.parametrize(
    ("deltas", "expected"),
    [
        # Words and calls in one chunk, and a role in every one.
        (
            [{"role": "assistant", "content": "a", "reasoning_content": "t", "tool_calls": [call("f", "{}", id="1")]}],
            ["thinking:t", "text:a", "f:{}"],
        ),
        # Without an index or an id, the name begins a call.
        (
            [{"tool_calls": [call("f", '{"a":1}'), call("g", '{"b"')]}, {"tool_calls": [call("", ":2}")]}],
            ["f:{'a': 1}", "g:{'b': 2}"],
        ),
        # Every call has the index 0.
        (
            [
                {"tool_calls": [call("f", "{", id="1", index=0)]},
                {"tool_calls": [{"index": 0, "id": "1", "function": {"arguments": "}"}}]},
                {"tool_calls": [call("f", "{}", id="2", index=0)]},
            ],
            ["f:{}", "f:{}"],
        ),
        # Whole calls on one index, without ids.
        ([{"tool_calls": [call("f", '{"a":1}', index=0)]}] * 2, ["f:{'a': 1}", "f:{'a': 1}"]),
        # The name comes again with every piece.
        ([{"tool_calls": [call("f", piece, index=0)]} for piece in ('{"a"', ":1}")], ["f:{'a': 1}"]),
        # The pieces after the first have an index of nobody's, and so has the second call's id.
        (
            [
                {"tool_calls": [call("f", '{"a"', id="1", index=0)]},
                {"tool_calls": [{"index": 3, "function": {"arguments": ":"}}]},
                {"tool_calls": [call("", "1}", id="1", index=4)]},
                {"tool_calls": [call("g", "{}", id="2", index=3)]},
            ],
            ["f:{'a': 1}", "g:{}"],
        ),
        # The id comes again with every piece, and so does the name.
        (
            [{"tool_calls": [call("f", piece, id="1", index=0)]} for piece in ("{", '"a":', "1}")],
            ["f:{'a': 1}"],
        ),
        # Arguments as an object, none at all, and null.
        (
            [{"tool_calls": [call("f", {"a": 1}, id="1"), call("g", "", id="2"), call("h", None, id="3")]}],
            ["f:{'a': 1}", "g:{}", "h:{}"],
        ),
        # A call without a function, whose name comes later.
        ([{"tool_calls": [{"index": 0, "id": "1"}]}, {"tool_calls": [call("f", "{}", index=0)]}], ["f:{}"]),
        # A call that never gets a name is none.
        ([{"tool_calls": [{"index": 0, "id": "1", "function": {"arguments": "{}"}}]}, {"content": "a"}], ["text:a"]),
        # Side by side: the second waits until the first is whole.
        (
            [
                {"tool_calls": [call("f", "", id="1", index=0), call("g", "", id="2", index=1)]},
                {"tool_calls": [{"index": 1, "function": {"arguments": '{"b":2}'}}]},
                {"content": "then"},
                {"tool_calls": [{"index": 0, "function": {"arguments": '{"a":1}'}}]},
                {"content": " this"},
            ],
            ["f:{'a': 1}", "g:{'b': 2}", "text:then this"],
        ),
        # Empty pieces say nothing; thinking under both names is said once.
        ([{"content": ""}, {"reasoning": "t", "reasoning_content": "t"}, {}, {"content": None}], ["thinking:t"]),
        # Thinking and words in turn.
        (
            [{"reasoning": "t"}, {"content": "a"}, {"reasoning": "u"}, {"content": "b"}],
            ["thinking:t", "text:a", "thinking:u", "text:b"],
        ),
        # Mistral's content.
        (
            [
                {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "t"}, {"type": "x"}]}]},
                {"content": [{"type": "text", "text": "a"}, {"type": "reference"}, {"type": "text", "text": "b"}]},
            ],
            ["thinking:t", "text:ab"],
        ),
        ([{"refusal": "No"}, {"refusal": "."}], ["text:No."]),
    ],
)
def test_a_sloppy_stream_is_understood(deltas: list[Json], expected: list[str]) -> None:
    """What compatible servers really send."""
    assert expected == [shown(block) for block in blocks(read(streamed(chunks(*deltas))))]


def shown(block: Json) -> str:
    match block["type"]:
        case "tool_use":
            return f"{block['name']}:{block['input']}"
        case kind:
            return f"{kind}:{block[kind]}"


def test_nothing_waits_that_can_go_out() -> None:
    """Each chunk leads at once to what it says; the next block closes the one before."""
    translator = TRANSLATION.stream(asked(stream=True, tools=[TOOL]), CALL)
    deltas: list[Json] = [
        {"role": "assistant", "content": ""},
        {"reasoning_content": "t"},
        {"content": "a"},
        {"tool_calls": [call("f", "{", id="1", index=0)]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]},
        {"tool_calls": [call("g", "", id="2", index=1)]},
    ]
    went = [[event["type"] for event in events_of(translator.feed(chunk_event(delta)))] for delta in deltas]
    assert went == [
        ["message_start"],
        ["content_block_start", "content_block_delta"],
        ["content_block_delta", "content_block_stop", "content_block_start", "content_block_delta"],
        ["content_block_stop", "content_block_start", "content_block_delta"],
        ["content_block_delta"],
        ["content_block_stop", "content_block_start"],
    ]


def chunk_event(delta: Json) -> Event:
    data = msgspec.json.encode({"id": "c", "model": "u", "choices": [{"index": 0, "delta": delta}]})
    return Event(raw=data_event(data), data=data, name="")


def test_another_choice_is_not_heard() -> None:
    """A message has one answer, and no more was asked for."""
    first = {"index": 0, "delta": {"content": "a"}}
    other = {"index": 1, "delta": {"content": "b"}, "finish_reason": "length"}
    stream = data_event(msgspec.json.encode({"choices": [first, other, {"index": 0}]})) + chunks({"content": "c"})
    message = read(streamed(stream))
    assert blocks(message) == [{"type": "text", "text": "ac"}]
    assert message.stop_reason == "end_turn"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ('{"n": 12345678901234567890123}', '{"n": 12345678901234567890123}'),
        (" ", "{}"),
        ('{"a":', '{"INVALID_JSON":"{\\"a\\":"}'),
        ("[1]", '{"INVALID_JSON":"[1]"}'),
    ],
)
def test_arguments_become_an_object(arguments: str, expected: str) -> None:
    """As they were written, to the last digit; what is no object is wrapped, and the client tells the model."""
    message = {"role": "assistant", "content": None, "tool_calls": [call("f", arguments, id="1")]}
    chat = msgspec.json.encode({"id": "c", "model": "u", "choices": [{"message": message, "finish_reason": "stop"}]})
    assert b'"input":' + expected.encode() in TRANSLATION.reply(chat, asked(), CALL)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"finish_reason": "stop"}, ("end_turn", None)),
        ({"finish_reason": None}, ("end_turn", None)),
        ({"finish_reason": "tool_calls"}, ("end_turn", None)),
        ({"finish_reason": "insufficient_system_resource"}, ("max_tokens", None)),
        ({"finish_reason": "model_length"}, ("model_context_window_exceeded", None)),
        ({"finish_reason": "stop", "stop_reason": "END"}, ("stop_sequence", "END")),
        ({"finish_reason": "stop", "stop_reason": "other"}, ("end_turn", None)),
        ({"finish_reason": "stop", "stop_reason": 128009}, ("end_turn", None)),
    ],
)
def test_why_it_ended(choice: Json, expected: tuple[str, str | None]) -> None:
    """Each dialect has its words; vLLM alone says which stop sequence it was."""
    chat = {"id": "c", "model": "u", "choices": [{"message": {"content": "a"}} | choice]}
    message = replied(chat, asked(stop_sequences=["END"]))
    assert expected == (message.stop_reason, message.stop_sequence)


def test_a_client_without_stop_sequences_is_not_told_of_one() -> None:
    """Also where what it sent was no list."""
    chat = {"choices": [{"message": {"content": "a"}, "finish_reason": "stop", "stop_reason": "END"}]}
    assert replied(chat).stop_reason == "end_turn"
    assert replied(chat, asked(stop_sequences="END")).stop_reason == "end_turn"


def test_ids_are_made_from_the_calls_where_there_are_none() -> None:
    """Without chance: the same call has the same ids. The model's name is then the one that was asked for."""
    message = replied({"choices": [{"message": {"tool_calls": [call("f", "{}"), call("g", "{}")]}}]})
    made = CALL.removeprefix("tf_")
    assert message.id == f"msg_{made}"
    assert message.model == "m"
    assert [block.id for block in message.content if block.type == "tool_use"] == [f"toolu_{made}_0", f"toolu_{made}_1"]


def test_an_id_that_is_no_text_is_none() -> None:
    """It is no reason to lose an answer: some servers count their replies."""
    message = replied({"id": 7, "choices": [{"message": {"content": "a"}}]})
    assert message.id == f"msg_{CALL.removeprefix('tf_')}"


@pytest.mark.parametrize("call_id", ["functions.get_weather:0", "id64_a", "é", "call_1"])
def test_a_calls_id_goes_back_as_it_was(call_id: str) -> None:
    """Anthropic's schema takes letters, digits, `_` and `-`; Kimi's ids have more, and its models read them."""
    message = replied({"choices": [{"message": {"tool_calls": [call("f", "{}", id=call_id)]}}]})
    block = message.content[0]
    assert block.type == "tool_use"
    assert (call_id == block.id) == (call_id == "call_1")
    result = {"type": "tool_result", "tool_use_id": block.id, "content": "r"}
    back = chatted({"role": "assistant", "content": [block.to_dict()]}, {"role": "user", "content": [result]})
    assert [call_id, call_id] == [back[0]["tool_calls"][0]["id"], back[1]["tool_call_id"]]


@pytest.mark.parametrize("call_id", ["id64_a", "id64__w", "id64_é"])
def test_an_id_that_only_looks_wrapped_is_left_alone(call_id: str) -> None:
    """It is the client's own."""
    results = [{"type": "tool_result", "tool_use_id": call_id, "content": "r"}]
    assert call_id == chatted({"role": "user", "content": results})[0]["tool_call_id"]


def test_usage_that_is_not_reported_is_estimated() -> None:
    """Anthropic's library wants numbers, and a zero would tell a client that its context is empty."""
    message = replied({"choices": [{"message": {"content": "twelve bytes"}}]}, replace(asked(), input_estimate=99))
    assert (message.usage.input_tokens, message.usage.output_tokens) == (99, 3)
    assert message.usage.cache_read_input_tokens is None


def test_a_stream_begins_with_the_usage_that_is_known() -> None:
    """Gemini gives it with every chunk; others at the end, and until then our estimate stands."""

    def begins(stream: bytes) -> Json:
        return cast("Json", events_of(streamed(stream, replace(asked(), input_estimate=99)))[0]["message"]["usage"])

    assert begins(golden("openai_chat", "gemini-stream.sse").data)["input_tokens"] == 11
    assert begins(golden("openai_chat", "openai-stream.sse").data)["input_tokens"] == 99
    zeros = data_event(b'{"choices":[{"delta":{}}],"usage":{"prompt_tokens":0,"completion_tokens":0}}')
    assert begins(zeros + chunks({"content": "a"}))["input_tokens"] == 99


@pytest.mark.parametrize("count", [-1, "many"])
def test_usage_that_can_not_be_true_is_not_told(count: object) -> None:
    """As where none is reported."""
    usage = {"prompt_tokens": count, "completion_tokens": 1}
    message = replied({"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}], "usage": usage})
    assert message.usage.input_tokens == 7


def test_a_usage_of_a_choice_and_writes_of_any_lifetime() -> None:
    """CASES 63: as Moonshot tells it, and however long what was written is kept."""
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 3,
        "prompt_tokens_details": {
            "cached_tokens": 20,
            "cache_write_tokens_details": {"ttl_30m_tokens": 30, "ttl_12h_tokens": 40},
        },
    }
    message = replied({"choices": [{"message": {"content": "a"}, "finish_reason": "stop", "usage": usage}]})
    told = message.usage
    assert (10, 20, 70, 3) == (
        told.input_tokens,
        told.cache_read_input_tokens,
        told.cache_creation_input_tokens,
        told.output_tokens,
    )


def test_sound_and_images_are_input_and_output() -> None:
    """Messages has no counts of its own for them."""
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 8,
        "prompt_tokens_details": {"audio_tokens": 4},
        "completion_tokens_details": {"audio_tokens": 3},
    }
    message = replied({"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}], "usage": usage})
    assert (message.usage.input_tokens, message.usage.output_tokens) == (10, 8)


def test_an_empty_stream_is_an_empty_message() -> None:
    """Whatever an upstream leaves out, the client's library gets a message from beginning to end."""
    message = read(streamed(b"data: [DONE]\n\n"))
    assert (message.content, message.model, message.stop_reason) == ([], "m", "end_turn")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"choices":[]}',
        b'{"error":{"message":"secret"}}',
        b'{"choices":[{"message":{"content":["secret"]}}]}',
        b'{"choices":[{"message":{"content":"\\ud800 secret"}}]}',
        b'{"choices":[{"message":{"content":"\xff secret"}}]}',
        b'{"choices":"secret"}',
    ],
)
def test_a_reply_that_can_not_be_read_is_a_fault(body: bytes) -> None:
    """It is the upstream's fault, and its content is not repeated."""
    with pytest.raises(UpstreamFault) as fault:
        TRANSLATION.reply(body, asked(), CALL)
    assert "secret" not in str(fault.value)


def test_an_event_that_can_not_be_read_is_a_fault() -> None:
    """As of a reply."""
    with pytest.raises(UpstreamFault):
        TRANSLATION.stream(asked(), CALL).feed(Event(raw=b"", data=None, name=""))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["text", "image", "url", "auto", "tool", "user", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "text", "role", "content", "source", "name", "id", "input", "index", "function"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(
        st.sampled_from(["system", "messages", "tools", "tool_choice", "thinking", "output_config", "metadata"]), VALUES
    )
)
def test_no_request_breaks_the_translator(members: dict[str, object]) -> None:
    """Whatever a client sends is written, or refused with a path into what it sent."""
    field = ""
    try:
        TRANSLATION.request(asked(**members))
    except NotCarried as refusal:
        field = refusal.field
    assert field.split(".")[0].split("[")[0] in {"", *members}


@given(
    st.lists(st.dictionaries(st.sampled_from(["content", "reasoning", "tool_calls", "refusal"]), VALUES), max_size=3)
)
def test_no_stream_breaks_the_translator(deltas: list[Json]) -> None:
    """Whatever an upstream sends becomes a stream that Anthropic's schema takes, or is the upstream's fault."""
    try:
        stream = streamed(chunks(*deltas))
    except UpstreamFault:
        return
    assert all(complaints(event, "MessageStreamEvent") == [] for event in events_of(stream))
