"""Chat completions answered by Anthropic's Messages: what is asked, what is answered, and what streams."""

import json
from collections.abc import Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from anthropic.types.message_create_params import MessageCreateParams
from goldens import Golden, goldens
from hypothesis import given, settings
from hypothesis import strategies as st
from openai import OpenAI
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessage, ChatCompletionMessageParam
from pydantic import BaseModel, TypeAdapter

from tokens_forge.core.errors import UpstreamFault
from tokens_forge.core.usage import INPUT_CLASSES
from tokens_forge.wire.openai_chat import read_request
from tokens_forge.wire.request import Request, encoded
from tokens_forge.wire.sse import Splitter
from tokens_forge.wire.translate.chat_messages import TRANSLATION
from tokens_forge.wire.translation import NotCarried

# How llm-comply's validator resolves references is its own affair.
pytestmark = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")

CALL = "tf_0193d1f3a5f07000800000000000000a"
"""A call of 2024-12-17, by its UUIDv7."""

Json = dict[str, Any]

HI = [{"role": "user", "content": "hi"}]
SAID = [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]
MARK = {"type": "ephemeral"}
KEPT = {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": MARK}]}]}
"""The same with its end marked for the cache, as agents have it."""

TOOL: Json = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
SENT_TOOL: Json = {"name": "f", "input_schema": {"type": "object", "properties": {}}}

MESSAGES_REQUEST: TypeAdapter[Any] = TypeAdapter(MessageCreateParams)
CHAT = TypeAdapter(ChatCompletion)
CHUNK = TypeAdapter(ChatCompletionChunk)
COMPLY: Any = import_module("llm_comply.schema")  # it has no types
SCHEMAS = COMPLY.SpecLoader(str(Path(COMPLY.__file__).parent / "specs" / "openai_chat.json"))


def asked(**members: object) -> Request:
    """Read a client's request."""
    body = json.dumps({"model": "m", "messages": HI} | members).encode()
    return read_request(body, output_bound=4096, inline_tokens=1000)


def sent(**members: object) -> tuple[Json, tuple[str, ...]]:
    """Return what the upstream gets for a request, and what is dropped; Anthropic's library takes it."""
    translated = TRANSLATION.request(asked(**members))
    body = b"".join(encoded(translated.fields))
    checked: Json = MESSAGES_REQUEST.validate_json(body)
    for lazy in (*checked["messages"], *checked.get("tools", ())):  # pydantic checks these as they are read
        list(lazy.get("content", ()))
    return json.loads(body), translated.dropped


def refused(**members: object) -> str:
    """Return the path that a request is refused for."""
    with pytest.raises(NotCarried) as caught:
        TRANSLATION.request(asked(**members))
    return caught.value.field


def user(*parts: object) -> Json:
    return {"role": "user", "content": list(parts)}


def calls(*arguments: str) -> Json:
    """Build an assistant's message that calls f once for each text of arguments."""
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": f"call_{place}", "type": "function", "function": {"name": "f", "arguments": text}}
            for place, text in enumerate(arguments)
        ],
    }


@pytest.mark.parametrize(
    ("members", "wanted"),
    cast(
        "list[tuple[Json, Json]]",
        [
            ({}, {}),
            ({"max_tokens": 7}, {"max_tokens": 7}),
            ({"max_tokens": 7, "max_completion_tokens": 9}, {"max_tokens": 9}),
            ({"stream": True}, {"stream": True}),
            ({"temperature": 0.7, "top_k": 40}, {"temperature": 0.7, "top_k": 40}),
            ({"top_p": 0.9}, {"top_p": 0.9}),
            ({"temperature": 1, "top_p": 1.0}, {}),
            ({"temperature": 0}, {"temperature": 0}),
            ({"stop": "END"}, {"stop_sequences": ["END"]}),
            ({"stop": ["a", "b"]}, {"stop_sequences": ["a", "b"]}),
            ({"stop": []}, {}),
            ({"user": "u"}, {"metadata": {"user_id": "u"}}),
            ({"safety_identifier": "s"}, {"metadata": {"user_id": "s"}}),
            ({"service_tier": "default"}, {"service_tier": "standard_only"}),
            ({"service_tier": "priority"}, {"service_tier": "auto"}),
            ({"service_tier": "auto"}, {}),
            ({"cache_control": {"type": "ephemeral"}}, {"cache_control": {"type": "ephemeral"}}),
            ({"reasoning_effort": "none"}, {"output_config": {"effort": "low"}}),
            # The client's own words for it are its own.
            ({"thinking": {"type": "disabled"}}, {"thinking": {"type": "disabled"}}),
            ({"reasoning_effort": "minimal"}, {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
            ({"reasoning_effort": "xhigh"}, {"thinking": {"type": "adaptive"}, "output_config": {"effort": "xhigh"}}),
            (
                {"thinking": {"type": "enabled", "budget_tokens": 1024}, "reasoning_effort": "high"},
                {"thinking": {"type": "enabled", "budget_tokens": 1024}, "output_config": {"effort": "high"}},
            ),
            ({"response_format": {"type": "text"}}, {}),
            ({"tools": [], "tool_choice": "auto", "parallel_tool_calls": False}, {}),
            ({"tools": [TOOL]}, {"tools": [SENT_TOOL], **KEPT}),
            ({"tools": [TOOL], "tool_choice": "auto"}, {"tools": [SENT_TOOL], **KEPT}),
            ({"prompt_cache_key": "k"}, KEPT),
            (
                {"tools": [TOOL], "parallel_tool_calls": False},
                {"tools": [SENT_TOOL], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}, **KEPT},
            ),
            (
                {"tools": [TOOL], "tool_choice": "none", "parallel_tool_calls": False},
                {"tools": [SENT_TOOL], "tool_choice": {"type": "none"}, **KEPT},
            ),
            # A forced tool and thinking exclude each other; the effort holds without it.
            (
                {"tools": [TOOL], "tool_choice": "required", "reasoning_effort": "high"},
                {"tools": [SENT_TOOL], "tool_choice": {"type": "any"}, "output_config": {"effort": "high"}},
            ),
            (
                {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "f"}}},
                {"tools": [SENT_TOOL], "tool_choice": {"type": "tool", "name": "f"}},
            ),
            # The older functions: one call at a time, as the reply has room for one.
            (
                {"functions": [{"name": "f", "description": "d"}]},
                {
                    "tools": [{**SENT_TOOL, "description": "d"}],
                    **KEPT,
                    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
                },
            ),
            (
                {"functions": [{"name": "f"}], "function_call": {"name": "f"}},
                {"tools": [SENT_TOOL], "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True}},
            ),
        ],
    ),
)
def test_what_is_carried(members: Json, wanted: Json) -> None:
    """Each member of a chat request has its place in Messages, and a default takes none."""
    bare: Json = {"model": "m", "max_tokens": 4096, "messages": SAID, "stream": False}
    assert (bare | wanted, ()) == sent(**members)


def test_a_schema_for_the_answer_is_carried() -> None:
    """A JSON schema goes as it was written; its name and description have no place."""
    schema = {"type": "object", "properties": {"a": {"type": "integer", "maximum": 10**30}}}
    told = {"name": "n", "description": "d", "strict": True, "schema": schema}
    body, dropped = sent(response_format={"type": "json_schema", "json_schema": told}, reasoning_effort="low")
    assert {"effort": "low", "format": {"type": "json_schema", "schema": schema}} == body["output_config"]
    assert dropped == ("response_format.json_schema.description", "response_format.json_schema.name")


def test_a_tool_is_carried_whole() -> None:
    """A tool keeps its description, strictness and cache mark; parameters that name no type are an object's."""
    function: Json = {"name": "f", "description": "d", "strict": True, "parameters": {"properties": {"a": {}}}, "x": 1}
    mark = {"type": "ephemeral", "ttl": "1h"}
    body, dropped = sent(tools=[{"type": "function", "function": function, "cache_control": mark, "y": 1}])
    schema: Json = {"type": "object", "properties": {"a": {}}}
    wanted: Json = {"name": "f", "description": "d", "input_schema": schema, "strict": True, "cache_control": mark}
    assert [wanted] == body["tools"]
    assert dropped == ("tools[].function.x", "tools[].y")


def test_a_type_that_is_null_is_an_objects() -> None:
    """Messages refuses a schema without a type."""
    tool: Json = {"type": "function", "function": {"name": "f", "parameters": {"type": None}}}
    (sent_tool,) = sent(tools=[tool])[0]["tools"]
    assert {"type": "object", "properties": {}} == sent_tool["input_schema"]


def test_what_only_tunes_or_labels_is_dropped_and_named() -> None:
    """Each dropped member is named once, in the order of the request; null and defaults are not."""
    told = {
        "seed": 1,
        "metadata": {"a": "b"},
        "store": True,
        "frequency_penalty": 0.5,
        "presence_penalty": 0,
        "verbosity": "low",
        "logit_bias": {},
        "logprobs": False,
        "n": 1,
        "modalities": ["text"],
        "stream_options": {"include_usage": True, "include_obfuscation": True},
        "service_tier": "flex",
        "user": "u",
        "safety_identifier": "s",
        "brand_new": "x" * 99,
        "function_call": "none",
        "audio": None,
    }
    body, dropped = sent(**told)
    assert body["metadata"] == {"user_id": "s"}
    assert dropped == (
        "seed",
        "metadata.a",
        "store",
        "frequency_penalty",
        "verbosity",
        "stream_options.include_obfuscation",
        "service_tier",
        "user",
        "brand_new",
        "function_call",
    )


@pytest.mark.parametrize(
    ("members", "path"),
    cast(
        "list[tuple[Json, str]]",
        [
            ({"n": 2}, "n"),
            ({"logprobs": True}, "logprobs"),
            ({"top_logprobs": 2}, "top_logprobs"),
            ({"logit_bias": {"1": 2}}, "logit_bias"),
            ({"audio": {"voice": "v"}}, "audio"),
            ({"modalities": ["text", "audio"]}, "modalities"),
            ({"prediction": {"type": "content", "content": "x" * 99}}, "prediction"),
            ({"web_search_options": {}}, "web_search_options"),
            ({"moderation": {"model": "m"}}, "moderation"),
            ({"temperature": 1.01}, "temperature"),
            ({"temperature": "warm"}, "temperature"),
            ({"temperature": "NaN"}, "temperature"),
            ({"temperature": {}}, "temperature"),
            ({"tools": [TOOL], "parallel_tool_calls": "no"}, "parallel_tool_calls"),
            ({"tools": [{"type": "function", "function": {"name": "f", "strict": 1}}]}, "tools[0].function.strict"),
            ({"tool_choice": "required"}, "tool_choice"),
            ({"top_p": []}, "top_p"),
            ({"stop": "\n"}, "stop"),
            ({"stop": ["a", " "]}, "stop[1]"),
            ({"stop": ["a", 1]}, "stop[1]"),
            ({"stop": 1}, "stop"),
            ({"user": 1}, "user"),
            ({"cache_control": "yes"}, "cache_control"),
            ({"thinking": True}, "thinking"),
            ({"reasoning_effort": "huge"}, "reasoning_effort"),
            ({"reasoning_effort": 1}, "reasoning_effort"),
            ({"response_format": {"type": "json_object"}}, "response_format.type"),
            ({"response_format": "json"}, "response_format"),
            ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
            ({"response_format": {"type": "json_schema", "json_schema": {}}}, "response_format.json_schema.schema"),
            ({"tools": [{"type": "custom", "custom": {"name": "c"}}]}, "tools[0].type"),
            ({"tools": [TOOL, {"type": "function"}]}, "tools[1].function"),
            ({"tools": [{"type": "function", "function": {"name": 1}}]}, "tools[0].function.name"),
            (
                {"tools": [{"type": "function", "function": {"name": "f", "parameters": 1}}]},
                "tools[0].function.parameters",
            ),
            ({"tools": {}}, "tools"),
            ({"tools": [TOOL], "functions": [{"name": "f"}]}, "functions"),
            ({"functions": ["f"]}, "functions[0]"),
            ({"functions": [{"name": "f"}], "function_call": {}}, "function_call.name"),
            ({"tools": [TOOL], "tool_choice": "some"}, "tool_choice"),
            ({"tools": [TOOL], "tool_choice": 1}, "tool_choice"),
            ({"tools": [TOOL], "tool_choice": {"type": "allowed_tools"}}, "tool_choice.type"),
            ({"tools": [TOOL], "tool_choice": {"type": "function"}}, "tool_choice.function"),
            ({"messages": [{"role": "critic", "content": "c"}]}, "messages[0].role"),
            ({"messages": [{"content": "c"}]}, "messages[0].role"),
            ({"messages": [*HI, {"role": "system", "content": 1}]}, "messages[1].content"),
            ({"messages": [*HI, user("text")]}, "messages[1].content[0]"),
            ({"messages": [user({"type": "text"})]}, "messages[0].content[0].text"),
            ({"messages": [user({"type": "input_audio", "input_audio": {}})]}, "messages[0].content[0].type"),
            ({"messages": [user({"type": "hologram"})]}, "messages[0].content[0].type"),
            ({"messages": [{"role": "system", "content": [{"type": "image_url"}]}]}, "messages[0].content[0].type"),
            ({"messages": [user({"type": "image_url"})]}, "messages[0].content[0].image_url"),
            (
                {"messages": [user({"type": "image_url", "image_url": {"url": "http://a.b/c.png"}})]},
                "messages[0].content[0].image_url.url",
            ),
            (
                {"messages": [user({"type": "image_url", "image_url": {"url": "data:image/bmp;base64,AAAA"}})]},
                "messages[0].content[0].image_url.url",
            ),
            ({"messages": [user({"type": "file", "file": {"file_id": "f"}})]}, "messages[0].content[0].file.file_id"),
            ({"messages": [user({"type": "file", "file": {}})]}, "messages[0].content[0].file.file_data"),
            (
                {"messages": [user({"type": "file", "file": {"file_data": "data:text/csv;base64,AAAA"}})]},
                "messages[0].content[0].file.file_data",
            ),
            ({"messages": [{"role": "assistant", "audio": {"id": "a"}}]}, "messages[0].audio"),
            (
                {"messages": [{"role": "assistant", "tool_calls": [{"type": "custom"}]}]},
                "messages[0].tool_calls[0].type",
            ),
            (
                {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": ""}}]}]},
                "messages[0].tool_calls[0].id",
            ),
            ({"messages": [{"role": "tool", "content": "c"}]}, "messages[0].tool_call_id"),
            ({"messages": [{"role": "function", "name": "f", "content": "c"}]}, "messages[0].name"),
        ],
    ),
)
def test_what_is_refused(members: Json, path: str) -> None:
    """What would change the answer's meaning, or is of a wrong kind, is refused by its path."""
    assert path == refused(**members)


def test_a_refusal_repeats_no_prompt() -> None:
    """The path and the reason say nothing of what stands in the request."""
    with pytest.raises(NotCarried) as caught:
        TRANSLATION.request(asked(messages=[user({"type": "a secret"})]))
    assert "secret" not in str(caught.value)


def test_the_conversation_takes_turns() -> None:
    """System and developer texts are hoisted, tool results answer in one turn, and consecutive messages are one."""
    body, dropped = sent(
        messages=[
            {"role": "system", "content": "s"},
            {"role": "developer", "content": [{"type": "text", "text": "d"}, {"type": "text", "text": ""}]},
            {"role": "user", "content": "u", "name": "ann"},
            {"role": "user", "content": "v"},
            {"role": "assistant", "content": "a", "reasoning_content": "r", "refusal": None}
            | {
                "tool_calls": [
                    *calls('{"n": 123456789012345678901234567890.10}', " ")["tool_calls"],
                    {"id": "functions.f:2", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                ]
            },
            {"role": "tool", "tool_call_id": "call_0", "content": "one"},
            {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "two"}]},
            {"role": "tool", "tool_call_id": "functions.f:2", "content": ""},
            {"role": "user", "content": "w"},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}, {"type": "text", "text": "but"}]},
            {"role": "assistant", "content": "", "refusal": "never"},
            {"role": "user", "content": ""},
        ]
    )
    assert body["system"] == [{"type": "text", "text": "s"}, {"type": "text", "text": "d"}]
    assert body["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "u"}, {"type": "text", "text": "v"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "a"},
                {"type": "tool_use", "id": "call_0", "name": "f", "input": {"n": 123456789012345678901234567890.10}},
                {"type": "tool_use", "id": "call_1", "name": "f", "input": {}},
                {"type": "tool_use", "id": "functions_f_2", "name": "f", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "call_0", "content": [{"type": "text", "text": "one"}]},
                {"type": "tool_result", "tool_use_id": "call_1", "content": [{"type": "text", "text": "two"}]},
                {"type": "tool_result", "tool_use_id": "functions_f_2"},
                {"type": "text", "text": "w"},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "no"},
                {"type": "text", "text": "but"},
                {"type": "text", "text": "never"},
            ],
        },
    ]
    assert dropped == ("messages[].name", "messages[].reasoning_content")


GIVES_WAY: list[tuple[Json, Json, tuple[str, ...]]] = [
    ({"temperature": 0, "top_p": 0.5}, {"temperature": 0}, ("top_p",)),
    (
        {"temperature": 0, "top_p": 0.5, "top_k": 4, "reasoning_effort": "low"},
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
        ("temperature", "top_p", "top_k"),
    ),
    (
        {"thinking": {"type": "enabled", "budget_tokens": 1024}, "tools": [TOOL], "tool_choice": "required"},
        {"tools": [SENT_TOOL], "tool_choice": {"type": "any"}},
        ("thinking",),
    ),
    (
        {"thinking": {"type": "enabled", "budget_tokens": 8192}, "max_tokens": 8192},
        {"thinking": {"type": "enabled", "budget_tokens": 6144}, "max_tokens": 8192},
        ("thinking.budget_tokens",),
    ),
    ({"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 800}, {"max_tokens": 800}, ("thinking",)),
]


@pytest.mark.parametrize(("members", "wanted", "left"), GIVES_WAY)
def test_of_two_that_exclude_each_other_the_one_that_tunes_gives_way(
    members: Json, wanted: Json, left: tuple[str, ...]
) -> None:
    """Messages refuses them together; what is left out is named."""
    bare: Json = {"model": "m", "max_tokens": 4096, "messages": SAID, "stream": False}
    assert ({**bare, **wanted}, left) == sent(**members)


def test_a_later_system_message_keeps_its_place() -> None:
    """The beginning of the prompt stays what it was, and with it the cache; results still come first."""
    begun: list[Json] = [{"role": "system", "content": "s"}, *HI, calls("{}")]
    told = {"role": "developer", "content": 'now "briefly"'}
    result = {"role": "tool", "tool_call_id": "call_0", "content": "c"}
    before, after = sent(messages=begun)[0], sent(messages=[*begun, told, result])[0]
    assert before["system"] == after["system"]
    assert before["messages"] == after["messages"][:-1]
    assert after["messages"][-1]["content"] == [
        {"type": "tool_result", "tool_use_id": "call_0", "content": [{"type": "text", "text": "c"}]},
        {"type": "text", "text": '<system>\nnow "briefly"\n</system>'},
    ]


def test_blank_texts_are_left_out() -> None:
    """Messages refuses texts of white space, whoever says them."""
    blank: list[Json] = [{"role": role, "content": " \n"} for role in ("system", "user", "assistant")]
    assert SAID == sent(messages=[*blank, *HI])[0]["messages"]


@pytest.mark.parametrize("broken", ["[1]", "{", '{"a":"\n"}'])
def test_a_broken_call_in_the_history_is_carried_in_an_object(broken: str) -> None:
    """A model's arguments may be cut; the conversation goes on all the same."""
    assert {"INVALID_JSON": broken} == sent(messages=[*HI, calls(broken)])[0]["messages"][1]["content"][0]["input"]


def test_a_number_in_arguments_keeps_every_digit() -> None:
    """Arguments are moved as they were written."""
    translated = TRANSLATION.request(asked(messages=[calls('{"n": 123456789012345678901234567890.10}')]))
    assert b'"input":{"n": 123456789012345678901234567890.10}' in bytes(translated.fields["messages"])


def test_the_older_function_messages_are_calls_too() -> None:
    """A function's result answers the last call of it; both get an id that is made."""
    called = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": '{"a":1}'}}
    result = {"role": "function", "name": "f", "content": "c"}
    body, _ = sent(messages=[*HI, called, result, called, result], functions=[{"name": "f"}])
    blocks = [message["content"][0] for message in body["messages"][1:]]
    assert [block.get("id") or block["tool_use_id"] for block in blocks] == ["call_1", "call_1", "call_2", "call_2"]


def test_a_number_beyond_all_is_no_default() -> None:
    """A value that can't be decoded is no default of its member."""
    request = read_request(b'{"model":"m","messages":[],"presence_penalty":1e999}', output_bound=1, inline_tokens=1)
    assert TRANSLATION.request(request).dropped == ("presence_penalty",)


def test_images_and_files_are_carried() -> None:
    """Inline images and PDF keep their base64 as it is, addresses are addresses; a detail is dropped."""
    body, dropped = sent(
        messages=[
            user(
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO+/==", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "data:image/jpg;base64,AAAA", "detail": "auto"}},
                {"type": "image_url", "image_url": {"url": "HTTPS://a.b/c.png"}},
                {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBE", "filename": "a.pdf"}},
                {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBE"}},
            ),
        ]
    )
    pdf = {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}
    assert body["messages"][0]["content"] == [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO+/=="}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "AAAA"}},
        {"type": "image", "source": {"type": "url", "url": "HTTPS://a.b/c.png"}},
        {"type": "document", "source": pdf, "title": "a.pdf"},
        {"type": "document", "source": pdf},
    ]
    assert dropped == ("messages[].content[].image_url.detail",)


def test_slashes_that_are_escaped_are_slashes() -> None:
    """Some encoders write every slash as an escape; an image is found all the same."""
    body = (
        rb'{"model":"m","messages":[{"role":"user","content":['
        rb'{"type":"image_url","image_url":{"url":"data:image\/png;base64,i\/o="}},'
        rb'{"type":"image_url","image_url":{"url":"https:\/\/a.b\/c.png"}}]}]}'
    )
    translated = TRANSLATION.request(read_request(body, output_bound=1, inline_tokens=1))
    sources = [block["source"] for block in json.loads(bytes(translated.fields["messages"]))[0]["content"]]
    assert sources == [
        {"type": "base64", "media_type": "image/png", "data": "i/o="},
        {"type": "url", "url": "https://a.b/c.png"},
    ]


def test_cache_marks_are_carried() -> None:
    """A mark on a part stays there; one on a message goes to its last block; on nothing it marks nothing."""
    mark = {"type": "ephemeral"}
    body, dropped = sent(
        messages=[
            {"role": "system", "content": "s", "cache_control": mark},
            user({"type": "text", "text": "a", "cache_control": mark}, {"type": "text", "text": "b"}),
            calls("{}"),
            {"role": "tool", "tool_call_id": "call_0", "content": "c", "cache_control": mark},
            {"role": "user", "content": "", "cache_control": mark},
        ]
    )
    assert body["system"] == [{"type": "text", "text": "s", "cache_control": mark}]
    assert [block.get("cache_control") for block in body["messages"][0]["content"]] == [mark, None]
    assert body["messages"][2]["content"][0]["cache_control"] == mark
    assert dropped == ()


def marks(body: Json) -> list[str]:
    """Return the texts of what is marked, in order; a result's is that of its id."""
    turns = [block for turn in body["messages"] for block in turn["content"]]
    return [str(it.get("text", it.get("tool_use_id"))) for it in (*body["system"], *turns) if "cache_control" in it]


def test_an_agents_prompt_is_cached() -> None:
    """CASES 50: OpenAI caches unasked, Messages up to marks; they move on with the conversation."""
    begun: list[Json] = [{"role": "system", "content": "s"}, {"role": "system", "content": "t"}, *HI]
    later = [
        *begun,
        calls("{}", "{}"),
        *({"role": "tool", "tool_call_id": f"call_{n}", "content": "c"} for n in (0, 1)),
    ]
    assert ["t", "hi"] == marks(sent(messages=begun, tools=[TOOL])[0])
    assert ["t", "call_1"] == marks(sent(messages=later, tools=[TOOL])[0])
    forced = {"type": "function", "function": {"name": "f"}}
    assert [] == marks(sent(messages=begun)[0])
    assert [] == marks(sent(messages=begun, tools=[TOOL], tool_choice=forced)[0])


RESULT: Json = {
    "role": "tool",
    "tool_call_id": "call_0",
    "content": [{"type": "text", "text": "c", "cache_control": MARK}],
}


@pytest.mark.parametrize(
    "marked",
    [
        {"cache_control": MARK},
        {"tools": [TOOL | {"cache_control": MARK}]},
        {"messages": [*HI, calls("{}"), RESULT]},
        {"messages": [{"role": "system", "content": "s", "cache_control": MARK}, *HI]},
    ],
)
def test_a_client_that_marks_is_left_its_marks(marked: Json) -> None:
    """Messages takes four at most, and the client knows best."""
    assert 1 == json.dumps(sent(**({"tools": [TOOL]} | marked))[0]).count("cache_control")


WORDS = st.text(max_size=9).filter(lambda text: not text or text.strip(" \n\r\t") != "")


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), WORDS), max_size=9))
def test_all_that_is_said_is_sent(said: list[tuple[str, str]]) -> None:
    """Every text of the client is found again, in its order and with its speaker; turns alternate."""
    body, dropped = sent(messages=[{"role": role, "content": text} for role, text in said])
    turns = [(turn["role"], block["text"]) for turn in body["messages"] for block in turn["content"]]
    spoken = [(role, text) for role, text in said if text]
    first = next((place for place, (role, _) in enumerate(spoken) if role != "system"), len(spoken))
    later = [
        ("user", f"<system>\n{text}\n</system>") if role == "system" else (role, text) for role, text in spoken[first:]
    ]
    assert later == turns
    assert [text for _, text in spoken[:first]] == [block["text"] for block in body.get("system", ())]
    speakers = [turn["role"] for turn in body["messages"]]
    assert all(first != second for first, second in pairwise(speakers))
    assert dropped == ()


# What follows is the way back.


USAGE = {"input_tokens": 10, "output_tokens": 20}


def answered(message: Json, **members: object) -> ChatCompletion:
    """Return the client's reply for a message; OpenAI's library and llm-comply's schema take it."""
    body = TRANSLATION.reply(json.dumps(message).encode(), asked(**members), CALL)
    conforms(json.loads(body), "CreateChatCompletionResponse")
    return CHAT.validate_json(body, strict=True)


def conforms(told: Json, schema: str) -> None:
    """Hold a reply or chunk to llm-comply's schema, which is older than some tiers and forgets two nulls of OpenAI."""
    known = {name: value for name, value in told.items() if value is not None and name != "service_tier"}
    known["choices"] = [choice | {"finish_reason": choice["finish_reason"] or "stop"} for choice in told["choices"]]
    assert [] == SCHEMAS.validate(known, schema)


def message(*blocks: Json, stop_reason: str | None = "end_turn", **members: object) -> Json:
    """Build an upstream's message."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": list(blocks),
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": USAGE,
    } | members


def said(text: str) -> Json:
    return {"type": "text", "text": text}


def thought(text: str) -> Json:
    return {"type": "thinking", "thinking": text, "signature": "s"}


def used(call_id: str, arguments: object, name: str = "f") -> Json:
    return {"type": "tool_use", "id": call_id, "name": name, "input": arguments}


def test_an_answer_is_carried() -> None:
    """Text, thinking and calls of tools have their places; other blocks have none."""
    redacted: Json = {"type": "redacted_thinking", "data": "d"}
    reply = answered(
        message(thought("h"), thought("m"), redacted, said("a\u00e9"), used("t1", {"x": 1}), said("b"), used("t2", {}))
    )
    choice = reply.choices[0]
    assert (reply.id, reply.model, reply.created) == ("msg_1", "claude-x", 1734394226)
    assert choice.message.content == "a\u00e9b"
    assert cast("Any", choice.message).reasoning_content == "hm"
    assert [(call.id, call.function.name, call.function.arguments) for call in functions(choice.message)] == [
        ("t1", "f", '{"x": 1}'),
        ("t2", "f", "{}"),
    ]
    assert choice.finish_reason == "tool_calls"


def functions(told: ChatCompletionMessage) -> list[Any]:
    return list(told.tool_calls or ())


@pytest.mark.parametrize(
    ("stop_reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("tool_use", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("brand_new", "stop"),
        (None, "stop"),
    ],
)
def test_why_an_answer_ended(stop_reason: str | None, finish: str) -> None:
    """Every stop reason has a finish reason that the client's library knows; no call means no `tool_calls`."""
    assert finish == answered(message(said("x"), stop_reason=stop_reason)).choices[0].finish_reason


def test_a_refusal_tells_why() -> None:
    """What Anthropic says of a refusal is the chat's `refusal`."""
    details = {"type": "refusal", "category": "bio", "explanation": "no"}
    choice = answered(message(stop_reason="refusal", stop_details=details)).choices[0]
    assert (choice.message.content, choice.message.refusal) == (None, "no")
    assert choice.finish_reason == "content_filter"


def test_an_empty_answer_is_a_text() -> None:
    """A client may read the content of an answer that calls nothing without looking."""
    assert answered(message()).choices[0].message.content == ""


def test_the_older_functions_are_answered_in_their_way() -> None:
    """Who asks with `functions` reads one `function_call`."""
    told = message(used("t1", {"x": 1}), stop_reason="tool_use")
    assert answered(told, functions=[], tools=[TOOL]).choices[0].finish_reason == "tool_calls"
    choice = answered(told, functions=[{"name": "f"}]).choices[0]
    called = choice.message.function_call
    assert called is not None
    assert (called.name, called.arguments, choice.finish_reason) == ("f", '{"x": 1}', "function_call")
    assert choice.message.tool_calls is None


def test_what_a_message_lacks_is_made_from_the_call() -> None:
    """Upstreams that copy Anthropic's may leave out ids, usage and input."""
    reply = answered({"content": [{"type": "tool_use", "name": "f", "input": None}]})
    assert (reply.id, reply.model, reply.usage) == ("chatcmpl-0193d1f3a5f07000800000000000000a", "", None)
    call = functions(reply.choices[0].message)[0]
    assert (call.id, call.function.arguments) == ("call_0193d1f3a5f07000800000000000000a_0", "{}")


def test_usage_is_told_in_the_clients_terms() -> None:
    """A chat's prompt tokens include what was read from and written to a cache; the tier is OpenAI's word."""
    usage = {
        "input_tokens": 10,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 30,
        "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 10},
        "output_tokens": 50,
        "output_tokens_details": {"thinking_tokens": 7},
        "service_tier": "priority",
    }
    reply = answered(message(said("x"), usage=usage))
    assert reply.service_tier == "priority"
    assert reply.usage is not None
    assert reply.usage.model_dump(exclude_none=True) == {
        "prompt_tokens": 140,
        "completion_tokens": 50,
        "total_tokens": 190,
        "prompt_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 30},
        "completion_tokens_details": {"reasoning_tokens": 7},
    }


@pytest.mark.parametrize("usage", [None, {"input_tokens": -1, "output_tokens": 5}])
def test_no_usage_is_made_up(usage: object) -> None:
    """A usage that is missing, or impossible, is not told."""
    assert answered(message(said("x"), usage=usage)).usage is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"type":"error","error":{"type":"api_error","message":"m"}}',
        b'{"content":"text"}',
        b'{"content":[{"type":"text","text":1}]}',
    ],
)
def test_what_is_no_message_is_the_upstreams_fault(body: bytes) -> None:
    """An unreadable reply raises, and its content is not repeated."""
    with pytest.raises(UpstreamFault, match=r"the upstream's (reply is no message|message has something else)"):
        TRANSLATION.reply(body, asked(), CALL)


def test_a_call_whose_input_is_no_text_is_the_upstreams_fault() -> None:
    """What is not decoded is not looked at, so its bytes may be none of UTF-8; a bug of ours would lose its usage."""
    block = b'{"type":"tool_use","id":"t","name":"f","input":{"a":"\xff"}}'
    with pytest.raises(UpstreamFault, match="is no"):
        TRANSLATION.reply(b'{"content":[%s],"usage":{"input_tokens":1,"output_tokens":1}}' % block, asked(), CALL)
    start = b'data: {"type":"content_block_start","index":0,"content_block":%s}\n\n' % block
    with pytest.raises(UpstreamFault, match="is no"):
        chunks_for(start, asked())


def library(upstream: bytes) -> OpenAI:
    """Return OpenAI's client, strict about replies, before an upstream that says one thing."""

    def answer(request: httpx.Request) -> httpx.Response:
        chat = read_request(request.content, output_bound=4096, inline_tokens=1000)
        TRANSLATION.request(chat)
        if chat.stream:
            return httpx.Response(200, content=chunks_for(upstream, chat))
        return httpx.Response(200, content=TRANSLATION.reply(upstream, chat, CALL), headers=JSON)

    transport: Any = httpx.Client(transport=httpx.MockTransport(answer))  # it takes httpx too; its types name httpx2
    return OpenAI(api_key="k", base_url="http://x", http_client=transport, _strict_response_validation=True)


JSON = {"content-type": "application/json"}


class Sum(BaseModel):
    """An answer in a shape."""

    total: int


def test_openais_library_reads_an_answer_in_a_shape() -> None:
    """A schema goes there and an object comes back, plain and streamed."""
    told = message(said('{"total":3}'))
    with library(json.dumps(told).encode()) as client:
        parsed = client.chat.completions.parse(model="m", messages=ASK, response_format=Sum)
    assert Sum(total=3) == parsed.choices[0].message.parsed
    with (
        library(streamed(told)) as client,
        client.chat.completions.stream(model="m", messages=ASK, response_format=Sum) as stream,
    ):
        assert Sum(total=3) == stream.get_final_completion().choices[0].message.parsed


ASK: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hi"}]


# Streams.


def streamed(message: Json, size: int = 2) -> bytes:
    """Return the stream in which Anthropic says a message, its texts in pieces of `size`."""
    return b"".join(
        f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events_of(message, size)
    )


PIECES: dict[str, tuple[Json, str, str]] = {
    "text": ({"text": ""}, "text", "text_delta"),
    "thinking": ({"thinking": "", "signature": ""}, "thinking", "thinking_delta"),
    "tool_use": ({"input": {}}, "partial_json", "input_json_delta"),
}


def events_of(message: Json, size: int) -> Iterator[Json]:
    usage = message["usage"]
    begun: Json = message | {"content": [], "stop_reason": None, "usage": usage and usage | {"output_tokens": 1}}
    yield {"type": "message_start", "message": begun}
    yield {"type": "ping"}
    for index, block in enumerate(message["content"]):
        empty, member, kind = PIECES[block["type"]]
        yield {"type": "content_block_start", "index": index, "content_block": block | empty}
        text = json.dumps(block["input"]) if block["type"] == "tool_use" else block[member]
        for piece in ("", *(text[start : start + size] for start in range(0, len(text), size))):
            yield {"type": "content_block_delta", "index": index, "delta": {"type": kind, member: piece}}
        if block["type"] == "thinking":
            signed = {"type": "signature_delta", "signature": "s"}
            yield {"type": "content_block_delta", "index": index, "delta": signed}
        yield {"type": "content_block_stop", "index": index}
    delta = {name: message.get(name) for name in ("stop_reason", "stop_sequence", "stop_details")}
    told = {"usage": {"output_tokens": usage["output_tokens"]}} if usage else {}
    yield {"type": "message_delta", "delta": delta} | told
    yield {"type": "message_stop"}


def chunks_for(stream: bytes, request: Request, *, cut: int = 0, cut_off: bool = False) -> bytes:
    """Return what the client gets for a stream that arrives in pieces of `cut` bytes; in one piece for 0.

    One that is `cut_off` ends inside an event.
    """
    translator, splitter = TRANSLATION.stream(request, CALL), Splitter(1 << 20)
    step = cut or max(len(stream), 1)
    events = [event for start in range(0, len(stream), step) for event in splitter.feed(stream[start : start + step])]
    events += () if cut_off else splitter.close()
    return b"".join(map(translator.feed, events)) + translator.end()


def accumulated(written: bytes) -> ChatCompletion:
    """Return what OpenAI's library makes of a stream; every chunk passes its types and llm-comply's schema."""
    state = ChatCompletionStreamState()
    *events, done, rest = written.decode().split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    for event in events:
        chunk = json.loads(event.removeprefix("data: "))
        conforms(chunk, "CreateChatCompletionStreamResponse")
        state.handle_chunk(CHUNK.validate_json(event.removeprefix("data: "), strict=True))
    # Its `get_final_completion` raises for an answer that was cut or filtered.
    return CHAT.validate_json(state.current_completion_snapshot.model_dump_json())


def content(reply: ChatCompletion) -> Json:
    """Return what a reply says, without what only a stream's accumulation adds."""
    told = json.loads(reply.model_dump_json(exclude_none=True))
    for choice in told["choices"]:
        choice["message"].setdefault("content", "")
        for call in choice["message"].get("tool_calls", ()):
            call.pop("index", None)
            call["function"].pop("parsed_arguments", None)
    return told


METERED: Json = {"stream": True, "stream_options": {"include_usage": True}}
TEXTS = st.text(max_size=9)
BLOCKS = st.one_of(
    TEXTS.map(said),
    TEXTS.map(thought),
    st.builds(used, st.from_regex(r"toolu_[a-z]{4}", fullmatch=True), st.dictionaries(TEXTS, TEXTS, max_size=3)),
)
REASONS = st.sampled_from(["end_turn", "max_tokens", "tool_use", "stop_sequence", "refusal"])
MEMBERS = st.sampled_from([{}, {"functions": [{"name": "f"}]}])


@settings(deadline=None)
@given(st.lists(BLOCKS, max_size=4), REASONS, MEMBERS, st.integers(1, 5))
def test_a_stream_says_what_a_reply_says(blocks: list[Json], reason: str, members: Json, size: int) -> None:
    """Whole or streamed, the same answer reads the same in the client's library."""
    told = message(*blocks, stop_reason=reason, stop_details={"type": "refusal", "explanation": "no"})
    whole = answered(told, **members)
    stream = accumulated(chunks_for(streamed(told, size), asked(**METERED, **members)))
    assert content(whole) | {"object": ""} == content(stream) | {"object": ""}


@settings(deadline=None)
@given(st.lists(BLOCKS, max_size=4))
def test_an_answer_that_is_sent_again_is_the_same(blocks: list[Json]) -> None:
    """A client hands the answer back in its next request: text, calls and their ids are what they were."""
    told = json.loads(answered(message(*blocks)).choices[0].message.model_dump_json(exclude_none=True))
    body, _ = sent(messages=[*HI, told])
    text = "".join(block["text"] for block in blocks if block["type"] == "text")
    again = [block for block in blocks if block["type"] == "tool_use"]
    kept = [block for turn in body["messages"][1:] for block in turn["content"]]
    assert [*([said(text)] if text else []), *again] == kept


FINISHES = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "refusal": "content_filter",
}
WHOLE = [one for one in goldens("anthropic_messages") if not one.broken]
STREAMS = [one for one in goldens("anthropic_messages") if one.streamed]


@pytest.mark.parametrize("told", WHOLE, ids=lambda told: told.name)
def test_goldens_are_translated(told: Golden) -> None:
    """What is true of an upstream's reply is true of the client's, in the client's words."""
    reply = accumulated(chunks_for(told.data, asked(**METERED))) if told.streamed else answered(json.loads(told.data))
    choice = reply.choices[0]
    assert told.model == reply.model
    assert told.text == (choice.message.content or "")
    assert told.thinking == getattr(choice.message, "reasoning_content", "")
    assert [(name, plain(text)) for name, text in told.tools] == [
        (call.function.name, plain(call.function.arguments)) for call in functions(choice.message)
    ]
    assert FINISHES[told.finish] == choice.finish_reason
    assert {"standard": "default"}.get(told.tier, told.tier) == (reply.service_tier or "")
    assert reply.usage is not None
    details = reply.usage.prompt_tokens_details, reply.usage.completion_tokens_details
    assert (sum(told.usage.get(name, 0) for name in INPUT_CLASSES), told.usage["output"]) == (
        reply.usage.prompt_tokens,
        reply.usage.completion_tokens,
    )
    assert (told.usage.get("cache_read", 0), told.usage.get("reasoning")) == (
        details[0] and details[0].cached_tokens,
        details[1] and details[1].reasoning_tokens,
    )


def plain(text: str) -> object:
    """Return what a call's arguments say, however they are spaced; those that were cut as they are."""
    try:
        return json.loads(text)
    except ValueError:
        return text


@pytest.mark.parametrize("told", STREAMS, ids=lambda told: told.name)
@settings(deadline=None)
@given(cut=st.integers(1, 300))
def test_every_split_of_a_golden_gives_the_same_bytes(told: Golden, cut: int) -> None:
    """Also of streams that break: what came until then has gone out."""
    cut_off = told.broken == "cut"
    written = chunks_for(told.data, asked(**METERED), cut_off=cut_off)
    assert written == chunks_for(told.data, asked(**METERED), cut=cut, cut_off=cut_off)
    assert told.text == (accumulated(written).choices[0].message.content or "")


@settings(deadline=None)
@given(st.lists(BLOCKS, max_size=3), st.integers(1, 99))
def test_every_split_gives_the_same_bytes(blocks: list[Json], cut: int) -> None:
    """Where the upstream's bytes are cut changes nothing of what the client gets."""
    stream = streamed(message(*blocks))
    assert chunks_for(stream, asked()) == chunks_for(stream, asked(), cut=cut)


def told_by(*events: Json, **members: object) -> list[Json]:
    """Return the client's chunks for the upstream's events."""
    stream = b"".join(f"data: {json.dumps(event)}\n\n".encode() for event in events)
    written = chunks_for(stream, asked(**members))
    accumulated(written)
    return [json.loads(event.removeprefix("data: ")) for event in written.decode().split("\n\n")[:-2]]


def deltas(*events: Json, **members: object) -> list[Json]:
    """Return what each chunk with a choice says."""
    return [chunk["choices"][0]["delta"] for chunk in told_by(*events, **members) if chunk["choices"]]


START: Json = {"type": "message_start", "message": message()}
BEGUN = {"role": "assistant", "content": "", "refusal": None}
CALLED: Json = {"type": "content_block_start", "content_block": used("t", {})}


def piece(partial: str) -> Json:
    return {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": partial}}


def arguments(text: str, index: int = 0) -> Json:
    return {"tool_calls": [{"index": index, "function": {"arguments": text}}]}


def test_a_stream_begins_with_a_role_and_ends_with_a_finish() -> None:
    """Each piece goes out as it comes; the usage comes last, and only for who asked for it."""
    events = list(events_of(message(said("hello")), 3))
    plain = told_by(*events)
    assert [chunk["choices"][0]["delta"] for chunk in plain] == [BEGUN, {"content": "hel"}, {"content": "lo"}, {}]
    assert [chunk["choices"][0]["finish_reason"] for chunk in plain] == [None, None, None, "stop"]
    assert {"usage" in chunk for chunk in plain} == {False}
    asked_for = told_by(*events, **METERED)
    assert [chunk["usage"] for chunk in asked_for[:-1]] == [None] * 4
    assert asked_for[-1]["choices"] == []
    assert asked_for[-1]["usage"]["total_tokens"] == 30


def test_parallel_calls_have_their_own_indexes() -> None:
    """Calls are counted from 0, whatever their blocks' indexes are, also where their pieces interleave."""
    first, second = CALLED | {"index": 3}, CALLED | {"index": 5}
    begun = {"id": "t", "type": "function", "function": {"name": "f", "arguments": ""}}
    assert deltas(
        START, first, second, piece("{") | {"index": 5}, piece("{}") | {"index": 3}, piece("}") | {"index": 5}
    ) == [
        BEGUN,
        {"tool_calls": [{"index": 0} | begun]},
        {"tool_calls": [{"index": 1} | begun]},
        arguments("{", 1),
        arguments("{}", 0),
        arguments("}", 1),
        {},
    ]


def test_a_call_without_arguments_has_an_empty_object() -> None:
    """Arguments are JSON also where nothing is streamed of them, or all was said at once, or the block never ends."""
    assert deltas(START, CALLED, piece(""), {"type": "content_block_stop"})[2:] == [arguments("{}"), {}]
    assert deltas(START, CALLED)[2:] == [arguments("{}"), {}]
    whole: Json = {"type": "content_block_start", "content_block": used("t", {"a": 1})}
    assert deltas(START, whole, {"type": "content_block_stop"})[2:] == [arguments('{"a": 1}'), {}]


def test_the_older_functions_stream_in_their_way() -> None:
    """One function call, its name first; a second one has no place and is left out."""
    second = CALLED | {"index": 1}
    told = deltas(START, CALLED, piece("{}"), second, piece("{}") | {"index": 1}, functions=[{"name": "f"}])
    assert told[1:] == [
        {"function_call": {"name": "f", "arguments": ""}},
        {"function_call": {"arguments": "{}"}},
        {},
    ]


def test_sloppy_streams_are_read() -> None:
    """Upstreams that copy Anthropic's leave out the start, ids, types, the end, or say a block at its start."""
    text: Json = {"type": "content_block_start", "index": 0, "content_block": said("all")}
    stop: Json = {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}}
    late: Json = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    told = told_by(text, START, stop, late, {"type": "message_delta"}, {"type": "content_block_stop"})
    assert [chunk["choices"][0]["delta"] for chunk in told] == [BEGUN, {"content": "all"}, {}]
    assert told[-1]["choices"][0]["finish_reason"] == "length"
    assert {chunk["id"] for chunk in told} == {"chatcmpl-0193d1f3a5f07000800000000000000a"}


def test_a_stream_of_nothing_is_still_a_stream() -> None:
    """The client's library gets a role, a finish and the end; no usage is made up."""
    assert [chunk["choices"][0]["finish_reason"] for chunk in told_by(**METERED)] == [
        None,
        "stop",
    ]
    for kind in ("message_start", "content_block_start", "content_block_delta", "brand_new"):
        assert deltas({"type": kind}) == [BEGUN, {}]


def test_the_name_of_an_event_tells_its_type() -> None:
    """Where the data has no `type`, the event's name is it."""
    stream = b'event: content_block_delta\ndata: {"delta":{"type":"text_delta","text":"x"}}\n\n'
    assert accumulated(chunks_for(stream, asked())).choices[0].message.content == "x"


def test_what_anthropics_own_tools_did_is_left_out() -> None:
    """A block of a kind that a chat has no place for says nothing, nor do its pieces."""
    searched: Json = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    begun: Json = {"type": "content_block_start", "index": 0, "content_block": searched}
    citation: Json = {"type": "content_block_delta", "delta": {"type": "citations_delta", "citation": {}}}
    assert deltas(START, begun, piece('{"q":1}'), citation) == [BEGUN, {}]


@pytest.mark.parametrize(
    "data",
    ["[]", "nonsense", '{"type":"content_block_delta","delta":{"type":"text_delta","text":1}}', '{"index":"a"}'],
)
def test_an_event_that_is_none_is_the_upstreams_fault(data: str) -> None:
    """What can't be read raises."""
    with pytest.raises(UpstreamFault):
        chunks_for(f"data: {data}\n\n".encode(), asked())
