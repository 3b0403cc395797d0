"""Clients that speak Responses ask Anthropic: what of a request is carried, dropped or refused.

The shapes are those of the parameter types of OpenAI's library 3.54.0 and Anthropic's 2.13.0, read 2026-11.
"""

import json
from typing import Any, cast

import pytest
from anthropic.types import MessageCreateParams
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from tokens_forge.wire.request import Request, members
from tokens_forge.wire.translate.responses_messages_request import translate_request
from tokens_forge.wire.translate.responses_thinking import Redacted, Thinking, Thought, opened, sealed
from tokens_forge.wire.translation import NotCarried, Translated

BOUND = 4096
PNG = "iVBORw0KGgo="
HELLO = {"role": "user", "content": "hello"}
SAID_HELLO = {"role": "user", "content": [{"type": "text", "text": "hello"}]}
WEATHER: dict[str, Any] = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {}},
    "strict": False,
}
SENT_WEATHER: dict[str, Any] = {"name": "weather", "input_schema": {"type": "object", "properties": {}}}
CALL: dict[str, Any] = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "weather",
    "arguments": '{"city":"Bonn"}',
}
SENT_CALL: dict[str, Any] = {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Bonn"}}
OUTPUT: dict[str, Any] = {"type": "function_call_output", "call_id": "call_1", "output": "wet"}
SENT_OUTPUT: dict[str, Any] = {"type": "tool_result", "tool_use_id": "call_1", "content": "wet"}
SEARCH = {"type": "web_search"}
SENT_SEARCH = {"type": "web_search_20250305", "name": "web_search"}
FORCED = {"type": "function", "name": "weather"}
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}
THOUGHT = Thinking(thinking="let me see", signature="c2ln")

_PARAMS: TypeAdapter[Any] = TypeAdapter(MessageCreateParams)


def asked(**said: object) -> Request:
    """Return a request as its reader gives it."""
    body = {"model": "smart", "input": "hello"} | said
    return Request(
        model="smart",
        stream=body.get("stream") is True,
        include_usage=True,
        tier_asked=str(body.get("service_tier") or ""),
        input_estimate=10,
        output_bound=cast("int", body.get("max_output_tokens") or BOUND),
        choices=1,
        needs=(),
        turn=1,
        opening=b"",
        fields=members(json.dumps(body).encode()),
    )


def translated(**said: object) -> Translated:
    """Return what is sent for a request; it is what Anthropic's library would send."""
    sent = translate_request(asked(**said))
    _PARAMS.validate_python({"model": "claude"} | decoded(sent))
    return sent


def decoded(sent: Translated) -> dict[str, Any]:
    """Return the members that are sent."""
    return {name: json.loads(bytes(raw)) for name, raw in sent.fields.items()}


def sent_for(**said: object) -> dict[str, Any]:
    """Return the members that are sent for a request, without those that every one has."""
    sent = decoded(translated(**said))
    assert sent.pop("max_tokens") == BOUND
    assert sent.pop("stream") is False
    return sent


def messages_for(*items: object) -> object:
    """Return the messages that are sent for items of the input."""
    return sent_for(input=items)["messages"]


def call(number: int) -> dict[str, Any]:
    return CALL | {"call_id": f"call_{number}"}


def output(number: int) -> dict[str, Any]:
    return OUTPUT | {"call_id": f"call_{number}"}


def sent_call(number: int) -> dict[str, Any]:
    return SENT_CALL | {"id": f"call_{number}"}


def sent_output(number: int) -> dict[str, Any]:
    return SENT_OUTPUT | {"tool_use_id": f"call_{number}"}


def turns(*contents: list[Any]) -> list[dict[str, Any]]:
    """Return messages that alternate, the user's first."""
    return [{"role": ("user", "assistant")[place % 2], "content": content} for place, content in enumerate(contents)]


def text(said: str) -> dict[str, str]:
    return {"type": "text", "text": said}


MESSAGES: dict[str, tuple[list[Any], list[dict[str, Any]]]] = {
    "an item without a type is a message": ([HELLO], [SAID_HELLO]),
    "parts": (
        [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]}],
        turns([text("a")]),
    ),
    "one side's messages in a row are one turn": ([HELLO, HELLO], turns([text("hello"), text("hello")])),
    "blank texts are none": ([HELLO, {"role": "assistant", "content": " \n"}, HELLO], turns([text("hello")] * 2)),
    "an answer before, its refusal too": (
        [
            HELLO,
            {
                "type": "message",
                "id": "msg_1",
                "role": "assistant",
                "status": "completed",
                "content": [
                    {"type": "output_text", "text": "yes", "annotations": [], "logprobs": []},
                    {"type": "refusal", "refusal": "no"},
                ],
            },
            HELLO,
        ],
        turns([text("hello")], [text("yes"), text("no")], [text("hello")]),
    ),
    "images": (
        [
            {
                "role": "user",
                "content": [
                    {"type": "input_image", "image_url": f"data:image/jpg;name=a;base64,{PNG}", "detail": "auto"},
                    {"type": "input_image", "image_url": "https://example.test/a.png"},
                ],
            }
        ],
        turns(
            [
                {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": PNG}},
                {"type": "image", "source": {"type": "url", "url": "https://example.test/a.png"}},
            ]
        ),
    ),
    "documents": (
        [
            {
                "role": "user",
                "content": [
                    {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"},
                    {"type": "input_file", "file_url": "https://example.test/a.pdf"},
                ],
            }
        ],
        turns(
            [
                {
                    "type": "document",
                    "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"},
                    "title": "a.pdf",
                },
                {"type": "document", "source": {"type": "url", "url": "https://example.test/a.pdf"}},
            ]
        ),
    ),
    "a call and its result": ([HELLO, CALL, OUTPUT], turns([text("hello")], [SENT_CALL], [SENT_OUTPUT])),
    "parallel calls": (
        [HELLO, call(1), call(2), output(2), output(1)],
        turns([text("hello")], [sent_call(1), sent_call(2)], [sent_output(2), sent_output(1)]),
    ),
    "results come before what the user says, in the turn after their calls": (
        [HELLO, call(1), call(2), output(1), HELLO, {"role": "assistant", "content": "so"}, output(2)],
        turns(
            [text("hello")],
            [sent_call(1), sent_call(2)],
            [sent_output(1), sent_output(2), text("hello")],
            [text("so")],
        ),
    ),
    "a result of parts": (
        [
            HELLO,
            CALL,
            OUTPUT
            | {
                "output": [
                    {"type": "input_text", "text": "wet"},
                    {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"},
                ]
            },
        ],
        turns(
            [text("hello")],
            [SENT_CALL],
            [
                SENT_OUTPUT
                | {
                    "content": [
                        text("wet"),
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
                    ]
                }
            ],
        ),
    ),
    "a call without arguments": (
        [HELLO, CALL | {"arguments": ""}, OUTPUT],
        turns([text("hello")], [SENT_CALL | {"input": {}}], [SENT_OUTPUT]),
    ),
    "a call whose arguments are broken": (
        [HELLO, CALL | {"arguments": '{"a":'}, OUTPUT],
        turns([text("hello")], [SENT_CALL | {"input": {"INVALID_JSON": '{"a":'}}], [SENT_OUTPUT]),
    ),
    "an id with other characters": (
        [HELLO, CALL | {"call_id": "a|b"}, OUTPUT | {"call_id": "a|b"}],
        turns([text("hello")], [SENT_CALL | {"id": "a_b"}], [SENT_OUTPUT | {"tool_use_id": "a_b"}]),
    ),
    "a function of a namespace": (
        [HELLO, CALL | {"namespace": "crm"}, OUTPUT],
        turns([text("hello")], [SENT_CALL | {"name": "crm__weather"}], [SENT_OUTPUT]),
    ),
    "a free text": (
        [
            HELLO,
            {"type": "custom_tool_call", "call_id": "call_1", "name": "patch", "input": "*** Begin"},
            {"type": "custom_tool_call_output", "call_id": "call_1", "output": "done"},
        ],
        turns(
            [text("hello")],
            [{"type": "tool_use", "id": "call_1", "name": "patch", "input": {"input": "*** Begin"}}],
            [SENT_OUTPUT | {"content": "done"}],
        ),
    ),
    "a command": (
        [
            HELLO,
            {
                "type": "local_shell_call",
                "id": "lsh_1",
                "call_id": "call_1",
                "status": "completed",
                "action": {"type": "exec", "command": ["ls"], "env": {}, "timeout_ms": 5},
            },
            {"type": "local_shell_call_output", "id": "call_1", "output": "a.txt"},
        ],
        turns(
            [text("hello")],
            [
                {
                    "type": "tool_use",
                    "id": "call_1",
                    "name": "local_shell",
                    "input": {"command": ["ls"], "env": {}, "timeout_ms": 5},
                }
            ],
            [SENT_OUTPUT | {"content": "a.txt"}],
        ),
    ),
    "thinking before a call": (
        [
            HELLO,
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": sealed(THOUGHT)},
            {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": sealed(Redacted(data="abc"))},
            CALL,
            OUTPUT,
        ],
        turns(
            [text("hello")],
            [
                {"type": "thinking", "thinking": "let me see", "signature": "c2ln"},
                {"type": "redacted_thinking", "data": "abc"},
                SENT_CALL,
            ],
            [SENT_OUTPUT],
        ),
    ),
}


@pytest.mark.parametrize(("items", "expected"), MESSAGES.values(), ids=MESSAGES)
def test_items_become_turns(items: list[Any], expected: list[dict[str, Any]]) -> None:
    sent = translated(input=items)
    assert expected == decoded(sent)["messages"]
    assert () == sent.dropped


CARRIED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a text": ({}, {}),
    "what the system says, in its order": (
        {"instructions": "be brief", "input": [{"role": "developer", "content": "be kind"}, HELLO]},
        {"system": [text("be brief"), text("be kind")]},
    ),
    "functions": (
        {"tools": [WEATHER | {"description": "tells", "strict": True}, WEATHER | {"name": "b", "parameters": None}]},
        {
            "tools": [
                SENT_WEATHER | {"description": "tells", "strict": True},
                SENT_WEATHER | {"name": "b"},
            ]
        },
    ),
    "a schema that names no type": (
        {"tools": [WEATHER | {"parameters": {"properties": {}}}]},
        {"tools": [SENT_WEATHER]},
    ),
    "free text with its grammar": (
        {
            "tools": [
                {"type": "custom", "name": "a", "format": {"type": "text"}},
                {
                    "type": "custom",
                    "name": "patch",
                    "description": "Edits files.",
                    "format": {"type": "grammar", "syntax": "lark", "definition": 'start: "x"'},
                },
            ]
        },
        {
            "tools": [
                {
                    "name": "a",
                    "input_schema": {
                        "type": "object",
                        "properties": {"input": {"type": "string"}},
                        "required": ["input"],
                    },
                },
                {
                    "name": "patch",
                    "description": 'Edits files.\n\n`input` must follow this grammar (lark):\nstart: "x"',
                    "input_schema": {
                        "type": "object",
                        "properties": {"input": {"type": "string"}},
                        "required": ["input"],
                    },
                },
            ]
        },
    ),
    "a namespace": (
        {
            "tools": [
                {"type": "namespace", "name": "crm", "tools": [WEATHER]},
                {"type": "namespace", "name": "mcp__a__", "tools": [WEATHER]},
            ]
        },
        {"tools": [SENT_WEATHER | {"name": "crm__weather"}, SENT_WEATHER | {"name": "mcp__a__weather"}]},
    ),
    "a search that is asked for": (
        {
            "tools": [
                WEATHER,
                SEARCH
                | {
                    "filters": {"allowed_domains": ["a.test"]},
                    "user_location": {"type": "approximate", "city": "Bonn", "country": None},
                },
            ],
            "tool_choice": {"type": "web_search"},
            "max_tool_calls": 3,
        },
        {
            "tools": [
                SENT_WEATHER,
                SENT_SEARCH
                | {
                    "allowed_domains": ["a.test"],
                    "user_location": {"type": "approximate", "city": "Bonn"},
                    "max_uses": 3,
                },
            ],
            "tool_choice": {"type": "tool", "name": "web_search"},
        },
    ),
    "tools that are allowed": (
        {
            "tools": [WEATHER, WEATHER | {"name": "b"}, SEARCH | {"filters": {}}],
            "tool_choice": {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [FORCED, {"type": "web_search"}, {"type": "image_generation"}],
            },
        },
        {"tools": [SENT_WEATHER, SENT_SEARCH], "tool_choice": {"type": "any"}},
    ),
    "one call at a time": (
        {"tools": [WEATHER], "parallel_tool_calls": False},
        {"tools": [SENT_WEATHER], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
    ),
    "one call at a time, of one tool": (
        {"tools": [WEATHER], "parallel_tool_calls": False, "tool_choice": FORCED},
        {
            "tools": [SENT_WEATHER],
            "tool_choice": {"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
        },
    ),
    "no call": (
        {"tools": [WEATHER], "parallel_tool_calls": False, "tool_choice": "none"},
        {"tools": [SENT_WEATHER], "tool_choice": {"type": "none"}},
    ),
    "any call": (
        {"tools": [WEATHER], "tool_choice": "required"},
        {"tools": [SENT_WEATHER], "tool_choice": {"type": "any"}},
    ),
    "no tools, no choice": ({"tools": [], "tool_choice": "auto", "parallel_tool_calls": True}, {}),
    "depth of thought": (
        {"reasoning": {"effort": "xhigh"}},
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "xhigh"}},
    ),
    "thoughts to be seen": (
        {"reasoning": {"effort": None, "summary": "auto", "context": "auto", "mode": "standard"}},
        {"thinking": {"type": "adaptive", "display": "summarized"}},
    ),
    "no thinking": ({"reasoning": {"effort": "none", "summary": "auto"}}, {"output_config": {"effort": "low"}}),
    "nothing about thinking": ({"reasoning": {}}, {}),
    "a forced tool leaves no thinking": (
        {"tools": [WEATHER], "tool_choice": FORCED, "reasoning": {"effort": "minimal"}},
        {
            "tools": [SENT_WEATHER],
            "tool_choice": {"type": "tool", "name": "weather"},
            "output_config": {"effort": "low"},
        },
    ),
    "a schema": (
        {"text": {"format": {"type": "json_schema", "schema": SCHEMA, "strict": True}, "verbosity": "medium"}},
        {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
    ),
    "no schema": ({"text": {"format": {"type": "text"}}}, {}),
    "temperature": ({"temperature": 0.25, "top_p": 1}, {"temperature": 0.25}),
    "top_p": ({"temperature": 1, "top_p": 0.5}, {"top_p": 0.5}),
    "top_p with thinking": (
        {"top_p": 0.97, "reasoning": {"effort": "low"}},
        {"top_p": 0.97, "thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
    ),
    "the standard tier": ({"service_tier": "default"}, {"service_tier": "standard_only"}),
    "capacity bought ahead": ({"service_tier": "priority"}, {"service_tier": "auto"}),
    "any tier": ({"service_tier": "auto"}, {}),
    "whom it is for": ({"user": "u1"}, {"metadata": {"user_id": "u1"}}),
    "whom it is for, in its label": ({"metadata": {"user_id": "u1"}}, {"metadata": {"user_id": "u1"}}),
    "whom it is for, thrice": (
        {"safety_identifier": "u1", "user": "u1", "metadata": {"user_id": "u1"}},
        {"metadata": {"user_id": "u1"}},
    ),
    "a prompt to be cached": (
        {"prompt_cache_key": "k", "instructions": "be brief"},
        {
            "system": [text("be brief") | {"cache_control": {"type": "ephemeral"}}],
            "messages": turns([text("hello") | {"cache_control": {"type": "ephemeral"}}]),
        },
    ),
    "thinking is no end of what is cached": (
        {
            "prompt_cache_key": "k",
            "input": [HELLO, {"type": "reasoning", "summary": [], "encrypted_content": sealed(THOUGHT)}],
        },
        {
            "messages": turns([text("hello")], [{"type": "thinking", "thinking": "let me see", "signature": "c2ln"}]),
        },
    ),
    "defaults say nothing": (
        {
            "background": False,
            "store": False,
            "stream_options": {"include_obfuscation": True},
            "include": ["reasoning.encrypted_content"],
            "top_logprobs": 0,
            "truncation": "disabled",
            "metadata": {},
            "previous_response_id": None,
            "max_tool_calls": None,
        },
        {},
    ),
}


@pytest.mark.parametrize(("said", "expected"), CARRIED.values(), ids=CARRIED)
def test_what_messages_has_too_is_carried(said: dict[str, Any], expected: dict[str, Any]) -> None:
    sent = translated(**said)
    always = {"max_tokens": BOUND, "messages": [SAID_HELLO], "stream": False}
    assert always | expected == decoded(sent) | ({} if "messages" in expected else {"messages": [SAID_HELLO]})
    assert () == sent.dropped


def test_an_agents_prompt_is_cached() -> None:
    """As from chat: tools that are offered come again, a forced one is a single answer, and a key says so itself."""
    marked = [text("hello") | {"cache_control": {"type": "ephemeral"}}]
    assert turns(marked) == sent_for(tools=[WEATHER])["messages"]
    assert turns([text("hello")]) == sent_for(tools=[WEATHER], tool_choice="required")["messages"]
    assert turns(marked) == sent_for(tools=[WEATHER], tool_choice="required", prompt_cache_key="k")["messages"]


def test_a_blank_output_is_no_content() -> None:
    """Messages refuses texts of white space; a result may have none."""
    assert turns([text("hello")], [SENT_CALL], [{"type": "tool_result", "tool_use_id": "call_1"}]) == messages_for(
        HELLO, CALL, OUTPUT | {"output": " "}
    )


DROPPED: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "unknown members": ({"client_metadata": {"a": 1}, "truncation": "auto"}, ("client_metadata", "truncation")),
    "what tunes another maker's models": (
        {"text": {"verbosity": "low", "format": {"type": "json_schema", "name": "n", "schema": SCHEMA}}},
        ("text.format.name", "text.verbosity"),
    ),
    "the order is the request's": ({"b": 1, "a": 1, "text": {"verbosity": "low"}}, ("b", "a", "text.verbosity")),
    "tools of the provider that nobody asked for": (
        {"tools": [SEARCH, {"type": "image_generation"}, {"type": "tool_search"}]},
        ("tools[].image_generation", "tools[].tool_search", "tools[].web_search"),
    ),
    "members of tools": (
        {"tools": [WEATHER | {"output_schema": {"type": "object"}, "defer_loading": False}]},
        ("tools[].output_schema",),
    ),
    "members of a search": (
        {
            "tools": [SEARCH | {"search_context_size": "low", "filters": {"x": 1}, "user_location": {"x": 1}}],
            "tool_choice": {"type": "web_search_preview"},
        },
        ("tools[].filters.x", "tools[].search_context_size", "tools[].user_location.x"),
    ),
    "the words about a namespace": (
        {"tools": [{"type": "namespace", "name": "crm", "description": "d", "tools": [WEATHER]}]},
        ("tools[].description",),
    ),
    "temperature while it thinks": ({"temperature": 0, "reasoning": {"effort": "low"}}, ("temperature",)),
    "top_p while it thinks": ({"top_p": 0.5, "reasoning": {"effort": "low"}}, ("top_p",)),
    "top_p beside a temperature": ({"top_p": 0.5, "temperature": 0}, ("top_p",)),
    "a summary where a tool is forced": (
        {"tools": [WEATHER], "tool_choice": "required", "reasoning": {"summary": "auto", "generate_summary": "auto"}},
        ("reasoning.generate_summary", "reasoning.summary"),
    ),
    "other words about reasoning": ({"reasoning": {"mode": "pro"}}, ("reasoning.mode",)),
    "other tiers": ({"service_tier": "flex"}, ("service_tier",)),
    "other names and labels": (
        {"user": "u2", "safety_identifier": "u1", "metadata": {"run": "7", "user_id": "u3"}},
        ("user", "metadata.run", "metadata.user_id"),
    ),
    "what is asked for beside the answer": ({"include": ["web_search_call.action.sources"]}, ("include[0]",)),
    "another maker's thinking": (
        {"input": [HELLO, {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"}, {"type": "reasoning"}]},
        ("input[].reasoning",),
    ),
    "searches before": ({"input": [HELLO, {"type": "web_search_call", "id": "ws_1"}]}, ("input[].web_search_call",)),
    "labels of items and parts": (
        {
            "input": [
                HELLO | {"phase": "commentary"},
                {"role": "user", "content": [{"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"a": 1}}]},
                {
                    "role": "user",
                    "content": [{"type": "input_image", "image_url": "https://a.test/b", "detail": "high"}],
                },
                {"role": "user", "content": [{"type": "input_file", "file_url": "https://a.test/b", "detail": "low"}]},
                CALL | {"caller": {"type": "direct"}},
                OUTPUT | {"name": "weather"},
            ]
        },
        (
            "input[].caller",
            "input[].content[].detail",
            "input[].content[].prompt_cache_breakpoint",
            "input[].name",
            "input[].phase",
        ),
    ),
}


@pytest.mark.parametrize(("said", "expected"), DROPPED.values(), ids=DROPPED)
def test_what_only_tunes_or_labels_is_dropped_and_named(said: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert expected == translated(**said).dropped


def test_tools_that_the_client_finds_are_offered_from_then_on() -> None:
    """Codex searches for tools itself: the call, what it found, and the tools that came with it are carried."""
    search = {"type": "tool_search", "execution": "client", "description": "finds", "parameters": {"type": "object"}}
    found = [{"type": "namespace", "name": "crm", "tools": [WEATHER | {"defer_loading": True}]}]
    for told in ({"query": "rain"}, '{"query":"rain"}'):
        sent = translated(
            tools=[search],
            input=[
                HELLO,
                {"type": "tool_search_call", "call_id": "call_1", "execution": "client", "arguments": told},
                {"type": "tool_search_output", "call_id": "call_1", "execution": "client", "tools": found},
                {"type": "additional_tools", "role": "developer", "tools": [WEATHER, WEATHER]},
            ],
        )
        assert ("input[].tools[].tools[].defer_loading",) == sent.dropped
        assert ["tool_search", "crm__weather", "weather"] == [tool["name"] for tool in decoded(sent)["tools"]]
        asked_for = {"type": "tool_use", "id": "call_1", "name": "tool_search", "input": {"query": "rain"}}
        assert turns(
            [text("hello")],
            [asked_for],
            [SENT_OUTPUT | {"content": json.dumps(found), "cache_control": {"type": "ephemeral"}}],
        ) == [*decoded(sent)["messages"]]


def part(**said: object) -> dict[str, Any]:
    return {"input": [{"role": "user", "content": [said]}]}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "previous_response_id": ({"previous_response_id": "resp_1"}, "previous_response_id"),
    "conversation": ({"conversation": "conv_1"}, "conversation"),
    "prompt": ({"prompt": {"id": "pmpt_1"}}, "prompt"),
    "background": ({"background": True}, "background"),
    "log probabilities": ({"top_logprobs": 2}, "top_logprobs"),
    "log probabilities, included": ({"include": ["message.output_text.logprobs"]}, "include[0]"),
    "moderation": ({"moderation": {"model": "m"}}, "moderation"),
    "no input": ({"input": None}, "input"),
    "an empty input": ({"input": []}, "input"),
    "a blank input": ({"input": "  "}, "input"),
    "a system alone": ({"input": [{"role": "system", "content": "a"}]}, "input"),
    "instructions": ({"instructions": ["a"]}, "instructions"),
    "an item that is none": ({"input": ["a"]}, "input[0]"),
    "an item of another kind": ({"input": [{"type": "item_reference", "id": "a"}]}, "input[0].type"),
    "a type of a wrong kind": ({"input": [{"type": 1}]}, "input[0].type"),
    "a role": ({"input": [{"role": "critic", "content": "a"}]}, "input[0].role"),
    "content": ({"input": [{"role": "user", "content": 1}]}, "input[0].content"),
    "a part that is none": ({"input": [{"role": "user", "content": [1]}]}, "input[0].content[0]"),
    "sound": (part(type="input_audio", input_audio={}), "input[0].content[0].type"),
    "an image of the system": (
        {"input": [{"role": "system", "content": [{"type": "input_image", "image_url": "https://a.test"}]}]},
        "input[0].content[0].type",
    ),
    "an image by its id": (part(type="input_image", file_id="file_1"), "input[0].content[0].file_id"),
    "an image by http": (part(type="input_image", image_url="http://a.test"), "input[0].content[0].image_url"),
    "an image of another kind": (
        part(type="input_image", image_url="data:image/tiff;base64,AA"),
        "input[0].content[0].image_url",
    ),
    "no image": (part(type="input_image"), "input[0].content[0].image_url"),
    "a file by its id": (part(type="input_file", file_id="file_1"), "input[0].content[0].file_id"),
    "a file by http": (part(type="input_file", file_url="http://a.test"), "input[0].content[0].file_url"),
    "a file of another kind": (
        part(type="input_file", file_data="data:text/plain;base64,AA"),
        "input[0].content[0].file_data",
    ),
    "a text that is none": (part(type="input_text", text=1), "input[0].content[0].text"),
    "a result without a call": ({"input": [HELLO, OUTPUT]}, "input[1].call_id"),
    "a result without an id": ({"input": [CALL, {"type": "function_call_output", "output": ""}]}, "input[1].call_id"),
    "an action": ({"input": [{"type": "local_shell_call", "call_id": "a"}]}, "input[0].action"),
    "tools": ({"tools": {}}, "tools"),
    "a tool that is none": ({"tools": [1]}, "tools[0]"),
    "a tool of another kind": ({"tools": [WEATHER, {"type": "code_interpreter"}]}, "tools[1].type"),
    "a tool of another kind in a namespace": (
        {"tools": [{"type": "namespace", "name": "a", "tools": [SEARCH]}]},
        "tools[0].tools[0].type",
    ),
    "two tools of one name": ({"tools": [WEATHER, {"type": "custom", "name": "weather"}]}, "tools"),
    "a search for nothing": ({"input": [{"type": "tool_search_call", "call_id": "a"}]}, "input[0].arguments"),
    "tools that were found": ({"input": [HELLO, {"type": "tool_search_output", "call_id": "a"}]}, "input[1].tools"),
    "parameters": ({"tools": [WEATHER | {"parameters": "a"}]}, "tools[0].parameters"),
    "a choice of another kind": ({"tools": [WEATHER], "tool_choice": {"type": "mcp"}}, "tool_choice.type"),
    "a choice that is no word": ({"tools": [WEATHER], "tool_choice": "maybe"}, "tool_choice"),
    "a choice that is none": ({"tools": [WEATHER], "tool_choice": 1}, "tool_choice"),
    "a choice without a tool": ({"tool_choice": "required"}, "tool_choice"),
    "a choice of a tool that is not there": (
        {"tools": [WEATHER], "tool_choice": FORCED | {"name": "b"}},
        "tool_choice.name",
    ),
    "a mode": (
        {"tools": [WEATHER], "tool_choice": {"type": "allowed_tools", "mode": "maybe", "tools": [FORCED]}},
        "tool_choice.mode",
    ),
    "parallel calls": ({"parallel_tool_calls": 1}, "parallel_tool_calls"),
    "an effort": ({"reasoning": {"effort": "heroic"}}, "reasoning.effort"),
    "any JSON": ({"text": {"format": {"type": "json_object"}}}, "text.format.type"),
    "a schema that is none": ({"text": {"format": {"type": "json_schema", "name": "a"}}}, "text.format.schema"),
    "a temperature": ({"temperature": "hot"}, "temperature"),
    "a temperature as a text": ({"temperature": "0.5"}, "temperature"),
    "top_p": ({"top_p": [0.5]}, "top_p"),
    "a temperature beyond 1": ({"temperature": 1.5}, "temperature"),
    "a user": ({"user": 1}, "user"),
}


@pytest.mark.parametrize(("said", "path"), REFUSED.values(), ids=REFUSED)
def test_what_would_change_the_answer_is_refused_by_its_path(said: dict[str, Any], path: str) -> None:
    with pytest.raises(NotCarried) as caught:
        translate_request(asked(**said))
    assert path == caught.value.field


def test_the_bound_that_was_held_is_sent() -> None:
    assert b"77" == bytes(translated(max_output_tokens=77, stream=True).fields["max_tokens"])
    assert str(BOUND).encode() == bytes(translated().fields["max_tokens"])


def test_no_digit_and_no_large_number_is_lost() -> None:
    """Values that are moved are never read as floats."""
    arguments = '{"n": 123456789012345678901234567890, "x": 0.10000000000000000001}'
    body = b'{"model":"m","input":"a","temperature":0.100000000000000000001}'
    sent = translated(input=[HELLO, CALL | {"arguments": arguments}, OUTPUT])
    assert arguments.encode() in bytes(sent.fields["messages"])
    request = asked()
    request.fields["temperature"] = members(body)["temperature"]
    assert b"0.100000000000000000001" == bytes(translate_request(request).fields["temperature"])


def test_a_request_of_codex_is_carried() -> None:
    """What Codex sends at the second turn of a tool loop passes; the tools and words that it does without are named."""
    sent = translated(
        instructions="You are a coding agent.",
        input=[
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "<permissions>"}]},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "fix it"}]},
            {
                "type": "reasoning",
                "summary": [{"type": "summary_text", "text": "let me see"}],
                "encrypted_content": sealed(THOUGHT),
            },
            {"type": "function_call", "name": "exec_command", "arguments": '{"cmd":"ls"}', "call_id": "toolu_1"},
            {"type": "custom_tool_call", "call_id": "toolu_2", "name": "apply_patch", "input": "*** Begin Patch"},
            {"type": "function_call_output", "call_id": "toolu_1", "output": "a.py"},
            {"type": "custom_tool_call_output", "call_id": "toolu_2", "output": "Done!"},
        ],
        tools=[
            WEATHER | {"name": "exec_command", "description": "Runs a command."},
            {
                "type": "custom",
                "name": "apply_patch",
                "description": "Edits files.",
                "format": {"type": "grammar", "syntax": "lark", "definition": "start: patch"},
            },
            {"type": "web_search", "external_web_access": False},
            {"type": "image_generation", "output_format": "png"},
        ],
        tool_choice="auto",
        parallel_tool_calls=True,
        reasoning={"effort": "medium", "summary": "auto"},
        store=False,
        stream=True,
        include=["reasoning.encrypted_content"],
        service_tier=None,
        prompt_cache_key="0199c9a1",
        text={"verbosity": "low"},
        client_metadata={"x-codex-installation-id": "1"},
    )
    assert ("tools[].image_generation", "tools[].web_search", "text.verbosity", "client_metadata") == sent.dropped
    roles = [turn["role"] for turn in decoded(sent)["messages"]]
    assert ["user", "assistant", "user"] == roles


thoughts = st.builds(Thinking, thinking=st.text(), signature=st.text()) | st.builds(Redacted, data=st.text())


@given(thought=thoughts)
def test_a_thought_comes_back_as_it_was(thought: Thought) -> None:
    """Messages refuses a thought of which one character is another."""
    assert thought == opened(sealed(thought))


@given(content=st.text() | st.text().map("tf1.".__add__))
def test_what_another_made_is_no_thought(content: str) -> None:
    """An `encrypted_content` that was not made here is read as none, whatever is in it."""
    assert opened(content) is None


user_texts = st.text(min_size=1).filter(lambda said: said.strip(" \n\r\t") != "")


@given(said=st.lists(st.tuples(st.sampled_from(["user", "assistant", "developer"]), user_texts), min_size=1))
def test_every_text_is_found_again(said: list[tuple[str, str]]) -> None:
    """What either side says reaches the model in its order; the system's later words keep their place."""
    request = [{"role": role, "content": words} for role, words in [("user", "a"), *said]]
    sent = decoded(translated(input=request))
    spoken = [(one["role"], block["text"]) for one in sent["messages"] for block in one["content"]]
    expected = [
        ("user", f"<system>\n{words}\n</system>") if role == "developer" else (role, words) for role, words in said
    ]
    assert [("user", "a"), *expected] == spoken
    assert "system" not in sent
