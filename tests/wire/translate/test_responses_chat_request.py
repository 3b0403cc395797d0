"""What a Responses request is as a chat completion."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import CompletionCreateParams
from pydantic import TypeAdapter

from tokens_forge.wire.request import Fields, Request
from tokens_forge.wire.translate.responses_chat import TRANSLATION
from tokens_forge.wire.translation import NotCarried

Json = dict[str, Any]

PARAMS: TypeAdapter[Any] = TypeAdapter(CompletionCreateParams)
OF_SOME_SERVERS = {"reasoning_content", "reasoning", "extra_content"}
PIXEL = "data:image/png;base64,iVBORw0KGgo="
WEATHER: Json = {"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {}}}
CHAT_WEATHER: Json = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}},
}
PATCH: Json = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Edits files.",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: begin"},
}
CHAT_PATCH: Json = {
    "type": "function",
    "function": {
        "name": "apply_patch",
        "description": "Edits files.\n\n`input` must follow this grammar (lark):\nstart: begin",
        "parameters": {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]},
    },
}
SEARCH: Json = {
    "type": "tool_search",
    "execution": "client",
    "description": "Finds tools.",
    "parameters": {"type": "object", "properties": {"query": {"type": "string"}}},
}


def asked(**members: object) -> Request:
    """Build a client's request."""
    body = msgspec.json.encode({"model": "m", "input": "hi"} | members)
    tier = members.get("service_tier")
    return Request(
        model="m",
        stream=members.get("stream") is True,
        include_usage=True,
        tier_asked=tier if isinstance(tier, str) else "",
        input_estimate=7,
        output_bound=1024,
        choices=1,
        needs=(),
        turn=1,
        opening=b"",
        fields=msgspec.json.decode(body, type=Fields),
    )


def sent(**members: object) -> Json:
    """Return the chat completion for a request; OpenAI's own types take it."""
    chat = msgspec.json.decode(msgspec.json.encode(TRANSLATION.request(asked(**members)).fields))
    known = [{name: m[name] for name in m if name not in OF_SOME_SERVERS} for m in chat["messages"]]
    PARAMS.validate_python({"model": "m", **chat, "messages": known})
    return chat


def conversation(*items: object, **members: object) -> list[Json]:
    """Return the messages of a chat for the items of a client."""
    return sent(input=items, **members)["messages"]


def dropped(**members: object) -> tuple[str, ...]:
    return TRANSLATION.request(asked(**members)).dropped


def refused(**members: object) -> str:
    """Return the path of what is refused; no text of the client is in what it is told."""
    with pytest.raises(NotCarried) as caught:
        TRANSLATION.request(asked(**members))
    assert "secret" not in str(caught.value)
    return caught.value.field


def said(role: str, *parts: object) -> Json:
    return {"type": "message", "role": role, "content": list(parts)}


def text(words: str) -> Json:
    return {"type": "input_text", "text": words}


def answered(words: str) -> Json:
    return {"type": "output_text", "text": words, "annotations": [], "logprobs": []}


def call(call_id: str, name: str = "get_weather", arguments: str = "{}", **more: object) -> Json:
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments, **more}


def result(call_id: str, output: object = "sunny") -> Json:
    return {"type": "function_call_output", "call_id": call_id, "output": output}


def chat_call(call_id: str, name: str = "get_weather", arguments: str = "{}") -> Json:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def thought(words: str, **more: object) -> Json:
    return {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": words}], **more}


def test_a_plain_question_is_one_message_and_nothing_is_made_up() -> None:
    assert {"messages": [{"role": "user", "content": "hi"}]} == sent()


def test_instructions_and_the_first_messages_of_developers_are_the_system() -> None:
    """Joined in their order; a later one stays where it was said."""
    assert [
        {"role": "system", "content": "Be brief.\n\nBe kind.\n\nBe exact."},
        {"role": "user", "content": "hi"},
        {"role": "system", "content": "Now in French."},
    ] == conversation(
        said("developer", text("Be kind."), text("Be exact.")),
        said("user", text("hi")),
        said("system", text("Now in French.")),
        instructions="Be brief.",
    )


def test_a_message_may_be_a_text_without_a_type() -> None:
    assert [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}] == conversation(
        {"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}
    )


def test_texts_of_a_user_are_paragraphs_and_those_of_an_answer_go_on() -> None:
    """What the model's answer was cut into is one text, to the letter."""
    assert [
        {"role": "user", "content": "a\n\nb"},
        {"role": "assistant", "content": "cd\n\ne"},
    ] == conversation(
        said("user", text("a"), text("b")),
        said("assistant", answered("c"), {"type": "refusal", "refusal": "d"}),
        said("assistant", answered("e")),
        said("assistant"),
    )


def test_pictures_files_and_sound_are_parts() -> None:
    assert [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "see"},
                {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}},
                {"type": "file", "file": {"file_data": "AA=="}},
                {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
            ],
        }
    ] == conversation(
        said(
            "user",
            text("see"),
            {"type": "input_image", "image_url": PIXEL, "detail": "low"},
            {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "auto", "file_id": None},
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="},
            {"type": "input_file", "file_data": "AA=="},
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
        )
    )


def test_what_the_assistant_did_at_once_is_one_message_and_results_follow_it() -> None:
    """Also where the client has a word of the user between a call and its result."""
    assert [
        {"role": "user", "content": "hi"},
        {
            "role": "assistant",
            "content": "Let me look.\n\nTwice.",
            "reasoning_content": "Two towns.\n\nBoth.",
            "tool_calls": [chat_call("1"), chat_call("2", arguments='{"n":12345678901234567890}')],
        },
        {"role": "tool", "tool_call_id": "1", "content": "sunny"},
        {"role": "tool", "tool_call_id": "2", "content": "rain"},
        {"role": "user", "content": "hurry"},
        {"role": "assistant", "content": None, "tool_calls": [chat_call("3")]},
        {"role": "tool", "tool_call_id": "3", "content": ""},
    ] == conversation(
        said("user", text("hi")),
        thought("Two towns."),
        said("assistant", answered("Let me look.")),
        call("1"),
        thought("", content=[{"type": "reasoning_text", "text": "Both."}]),
        call("2", arguments='{"n":12345678901234567890}'),
        said("assistant", answered("Twice.")),
        result("1"),
        said("user", text("hurry")),
        result("2", "rain"),
        call("3"),
        result("3", []),
    )


def test_what_a_tool_returned_beside_text_follows_as_the_users() -> None:
    """After all results of that message, as nothing may stand between them."""
    image = {"type": "input_image", "image_url": PIXEL}
    part = {"type": "image_url", "image_url": {"url": PIXEL}}
    assert [
        {"role": "assistant", "content": None, "tool_calls": [chat_call("1"), chat_call("2")]},
        {"role": "tool", "tool_call_id": "1", "content": "a\n\nb"},
        {"role": "tool", "tool_call_id": "2", "content": "What it returned follows."},
        {"role": "user", "content": [part, part]},
    ] == conversation(call("1"), call("2"), result("1", [text("a"), image, text("b")]), result("2", [image]))


def test_calls_of_every_kind_are_calls_of_functions() -> None:
    found = [{"type": "function", "name": "f", "defer_loading": False}]
    assert [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                chat_call("1", "apply_patch", '{"input":"*** Begin\\n\\"é\\""}'),
                chat_call("2", "local_shell", '{"command":["ls"],"env":{}}'),
                chat_call("3", "tool_search", '{"query":"mail"}'),
                chat_call("4", "mcp__mail__send"),
                chat_call("5", "local_shell", '{"command":[]}'),
            ],
        },
        {"role": "tool", "tool_call_id": "1", "content": "Done."},
        {"role": "tool", "tool_call_id": "2", "content": "a.txt"},
        {"role": "tool", "tool_call_id": "3", "content": '[{"type":"function","name":"f","defer_loading":false}]'},
        {"role": "tool", "tool_call_id": "4", "content": "sent"},
        {"role": "tool", "tool_call_id": "5", "content": "b.txt"},
    ] == conversation(
        {"type": "custom_tool_call", "call_id": "1", "name": "apply_patch", "input": '*** Begin\n"é"'},
        {"type": "local_shell_call", "call_id": "2", "action": {"type": "exec", "command": ["ls"], "env": {}}},
        {"type": "tool_search_call", "call_id": "3", "execution": "client", "arguments": {"query": "mail"}},
        call("4", "send", namespace="mcp__mail"),
        {"type": "local_shell_call", "id": "5", "call_id": None, "action": {"type": "exec", "command": []}},
        {"type": "custom_tool_call_output", "call_id": "1", "name": "apply_patch", "output": "Done."},
        {"type": "function_call_output", "call_id": "2", "output": "a.txt"},
        {"type": "tool_search_output", "call_id": "3", "execution": "client", "status": "completed", "tools": found},
        result("4", "sent"),
        {"type": "local_shell_call_output", "id": "5", "output": "b.txt"},
    )


@pytest.mark.parametrize(
    ("sealed", "member"),
    [
        ("tf-chat.reasoning_content", "reasoning_content"),
        ("tf-chat.reasoning", "reasoning"),
        (None, "reasoning_content"),
    ],
)
def test_reasoning_goes_back_in_the_member_that_it_came_in(sealed: str | None, member: str) -> None:
    assert [
        {"role": "assistant", "content": None, member: "Hm.", "tool_calls": [chat_call("1")]},
        {"role": "tool", "tool_call_id": "1", "content": "sunny"},
    ] == conversation(thought("Hm.", encrypted_content=sealed), call("1"), result("1"))


@pytest.mark.parametrize("sealed", ["gAAAAABsecret", "tf1.c2VjcmV0", "tf-chat.", "tf-chat.secret", "reasoning"])
def test_reasoning_that_another_maker_sealed_is_left_out(sealed: str) -> None:
    items = [said("user", text("hi")), thought("secret", encrypted_content=sealed)]
    assert [{"role": "user", "content": "hi"}] == conversation(*items)
    assert ("input[].reasoning",) == dropped(input=items)


def test_reasoning_alone_is_no_message() -> None:
    """Servers refuse a message that says nothing; so it is with an item that has no word."""
    assert [{"role": "user", "content": "hi"}] == conversation(
        thought("Hm."), said("user", text("hi")), {"type": "reasoning", "id": "rs_1", "summary": []}
    )


def test_what_a_server_added_to_a_call_goes_back_with_that_call() -> None:
    """Gemini refuses a call without its signature."""
    extra = {"google": {"thought_signature": "c2ln"}}
    mark: Json = {
        "type": "reasoning",
        "summary": [],
        "encrypted_content": f"tf-chat-call.{msgspec.json.encode(extra).decode()}",
    }
    first, second = conversation(mark, call("1"), call("2"))[0]["tool_calls"]
    assert (extra, None) == (first["extra_content"], second.get("extra_content"))
    broken = mark | {"encrypted_content": "tf-chat-call.secret"}
    assert "input[0].encrypted_content" == refused(input=[broken, call("1")])


def test_agents_speak_to_each_other_as_users() -> None:
    """Other models than OpenAI's have their words where those have a seal."""
    words = {"type": "encrypted_content", "encrypted_content": "Read the code."}
    message = {"type": "agent_message", "author": "/root", "content": [text("New task:"), words]}
    assert [{"role": "user", "content": "New task:\n\nRead the code."}] == conversation(message)
    assert ("input[].author",) == dropped(input=[message])
    sealed = {"type": "encrypted_content", "encrypted_content": "gAAAAABsecret"}
    assert "input[0].content[0].encrypted_content" == refused(input=[message | {"content": [sealed]}])


def test_tools_become_functions() -> None:
    shell, search = sent(tools=[{"type": "local_shell"}, SEARCH])["tools"]
    assert ("local_shell", ["command"]) == (shell["function"]["name"], shell["function"]["parameters"]["required"])
    assert {"name": "tool_search", "description": "Finds tools.", "parameters": SEARCH["parameters"]} == search[
        "function"
    ]
    bare = {"type": "function", "function": {"name": "bare", "description": "d", "strict": True}}
    free: Json = {"type": "function", "function": {"name": "free", "parameters": CHAT_PATCH["function"]["parameters"]}}
    assert [CHAT_WEATHER, bare, CHAT_PATCH, free, free | {"function": free["function"] | {"name": "text"}}] == sent(
        tools=[
            WEATHER | {"strict": False, "description": None},
            {"type": "function", "name": "bare", "description": "d", "parameters": None, "strict": True},
            PATCH,
            {"type": "custom", "name": "free"},
            {"type": "custom", "name": "text", "format": {"type": "text"}},
        ]
    )["tools"]


def test_the_functions_of_a_namespace_carry_its_name() -> None:
    tools = [
        {"type": "namespace", "name": "mail", "description": "Mail.", "tools": [WEATHER, PATCH]},
        {"type": "namespace", "name": "mcp__x__", "tools": [WEATHER]},
    ]
    names = [tool["function"]["name"] for tool in sent(tools=tools)["tools"]]
    assert ["mail__get_weather", "mail__apply_patch", "mcp__x__get_weather"] == names
    assert ("tools[].description",) == dropped(tools=tools)


def test_tools_that_came_up_in_the_conversation_are_tools_from_then_on() -> None:
    """One that came up twice is one."""
    items: list[Json] = [
        {"type": "additional_tools", "role": "developer", "tools": [PATCH, {"type": "web_search"}]},
        said("user", text("hi")),
        {"type": "tool_search_call", "call_id": "1", "arguments": {}},
        {"type": "tool_search_output", "call_id": "1", "tools": [WEATHER | {"defer_loading": True}, PATCH]},
    ]
    assert [CHAT_PATCH, CHAT_WEATHER] == sent(input=items)["tools"]
    assert ("input[].tools[].defer_loading", "input[].tools[].web_search") == dropped(input=items)


def test_what_the_provider_would_do_is_left_out_where_nobody_asked_for_it() -> None:
    tools = [{"type": "web_search"}, {"type": "image_generation"}, {"type": "tool_search"}, WEATHER]
    assert [CHAT_WEATHER] == sent(tools=tools)["tools"]
    assert ("tools[].image_generation", "tools[].tool_search", "tools[].web_search") == dropped(tools=tools)
    assert "tools" not in sent(tools=[{"type": "web_search"}], tool_choice="auto", parallel_tool_calls=False)


@pytest.mark.parametrize(
    ("choice", "sent_choice", "names"),
    [
        ("auto", None, ["get_weather", "apply_patch"]),
        ("none", "none", ["get_weather", "apply_patch"]),
        ("required", "required", ["get_weather", "apply_patch"]),
        (
            {"type": "function", "name": "get_weather"},
            {"type": "function", "function": {"name": "get_weather"}},
            ["get_weather", "apply_patch"],
        ),
        (
            {"type": "custom", "name": "apply_patch"},
            {"type": "function", "function": {"name": "apply_patch"}},
            ["get_weather", "apply_patch"],
        ),
        (
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "get_weather"}, {"type": "local_shell"}],
            },
            "required",
            ["get_weather"],
        ),
    ],
)
def test_the_choice_of_a_tool(choice: object, sent_choice: object, names: list[str]) -> None:
    chat = sent(tools=[WEATHER, PATCH], tool_choice=choice)
    assert (sent_choice, names) == (chat.get("tool_choice"), [tool["function"]["name"] for tool in chat["tools"]])


def test_what_has_the_same_word_is_moved() -> None:
    """Numbers to the last digit, and what says what is usual anyway is not said."""
    fields = TRANSLATION.request(
        asked(
            tools=[WEATHER],
            parallel_tool_calls=False,
            max_output_tokens=50,
            temperature=msgspec.Raw(b"0.1000000000000000055"),
            top_p=msgspec.Raw(b"0.90"),
            text={"verbosity": "low", "format": {"type": "json_object"}},
            reasoning={"effort": "xhigh", "summary": "auto"},
            service_tier="flex",
            user="u-1",
            moderation={"model": "omni"},
            stream=True,
        )
    ).fields
    assert {
        "parallel_tool_calls": b"false",
        "max_tokens": b"50",
        "temperature": b"0.1000000000000000055",
        "top_p": b"0.90",
        "response_format": b'{"type":"json_object"}',
        "verbosity": b'"low"',
        "reasoning_effort": b'"xhigh"',
        "service_tier": b'"flex"',
        "moderation": b'{"model":"omni"}',
        "user": b'"u-1"',
        "stream": b"true",
    } == {name: bytes(raw) for name, raw in fields.items() if name not in {"messages", "tools"}}
    usual = sent(
        tools=[WEATHER],
        parallel_tool_calls=True,
        text={"verbosity": "medium", "format": {"type": "text"}},
        reasoning={"effort": None},
        service_tier="auto",
        stream=False,
    )
    assert {"messages", "tools"} == usual.keys()


def test_a_schema_is_moved_with_its_name() -> None:
    schema = {"type": "object", "properties": {"a": {"const": 12345678901234567890}}}
    told = {"type": "json_schema", "name": "a", "schema": schema, "strict": True, "description": "An a."}
    assert {
        "type": "json_schema",
        "json_schema": {"name": "a", "description": "An a.", "schema": schema, "strict": True},
    } == sent(text={"format": told})["response_format"]
    assert (
        "answer"
        == sent(text={"format": {"type": "json_schema", "schema": {}}})["response_format"]["json_schema"]["name"]
    )


def test_what_only_labels_or_tunes_is_dropped_by_name() -> None:
    """In the order of the request; what is null or usual says nothing."""
    assert (
        "input[].content[].detail",
        "input[].phase",
        "input[].web_search_call",
        "metadata",
        "prompt_cache_key",
        "truncation",
        "client_metadata",
        "max_tool_calls",
        "include[0]",
        "reasoning.context",
        "text.format.extra",
        "safety_identifier",
    ) == dropped(
        metadata={"a": "b"},
        store=True,
        stream_options={"include_obfuscation": False},
        prompt_cache_key="k",
        truncation="auto",
        client_metadata={"a": "b"},
        max_tool_calls=3,
        include=["web_search_call.results", "reasoning.encrypted_content"],
        reasoning={"context": "all_turns", "summary": "detailed"},
        text={"format": {"type": "json_schema", "name": "n", "schema": {}, "extra": 1}},
        input=[
            said("user", {"type": "input_image", "image_url": PIXEL, "detail": "original"}),
            {
                "type": "message",
                "id": "msg_1",
                "status": "completed",
                "role": "assistant",
                "content": "a",
                "phase": "f",
            },
            {"type": "web_search_call", "id": "ws_1", "action": {"type": "search"}},
        ],
        safety_identifier="s",
        background=False,
        top_logprobs=0,
        prompt=None,
        context_management=[],
    )


REFUSED: list[tuple[str, Json]] = [
    ("previous_response_id", {"previous_response_id": "resp_1"}),
    ("conversation", {"conversation": "conv_1"}),
    ("prompt", {"prompt": {"id": "pmpt_1"}}),
    ("background", {"background": True}),
    ("top_logprobs", {"top_logprobs": 2}),
    ("include[1]", {"include": ["a.b", "message.output_text.logprobs"]}),
    ("include", {"include": "secret"}),
    ("instructions", {"instructions": ["secret"]}),
    ("input", {"input": 5}),
    ("input", {"input": []}),
    ("input[0]", {"input": ["secret"]}),
    ("input[0].type", {"input": [{"type": "item_reference", "id": "msg_1"}]}),
    ("input[0].type", {"input": [{"type": "compaction", "encrypted_content": "secret"}]}),
    ("input[0].type", {"input": [{"type": "computer_call_output"}]}),
    ("input[0].role", {"input": [{"role": "critic", "content": "secret"}]}),
    ("input[0].role", {"input": [{"content": "secret"}]}),
    ("input[0].content", {"input": [{"role": "user"}]}),
    ("input[0].content[0].type", {"input": [said("user", {"type": "input_video"})]}),
    ("input[0].content[0].type", {"input": [said("developer", {"type": "input_image", "image_url": PIXEL})]}),
    ("input[0].content[0].type", {"input": [said("assistant", {"type": "input_image", "image_url": PIXEL})]}),
    ("input[0].content[0].text", {"input": [said("user", {"type": "input_text", "text": 5})]}),
    ("input[0].content[0].file_id", {"input": [said("user", {"type": "input_image", "file_id": "file-1"})]}),
    ("input[0].content[0].file_url", {"input": [said("user", {"type": "input_file", "file_url": "https://x"})]}),
    ("input[0].content[0].file_data", {"input": [said("user", {"type": "input_file", "filename": "secret"})]}),
    ("input[0].content[0].input_audio", {"input": [said("user", {"type": "input_audio"})]}),
    ("input[0].call_id", {"input": [result("1")]}),
    ("input[0].id", {"input": [{"type": "function_call_output", "output": "secret"}]}),
    ("input[1].output", {"input": [call("1"), result("1", {"content": "secret"})]}),
    ("input[0].arguments", {"input": [call("1") | {"arguments": {}}]}),
    ("input[0].name", {"input": [call("1") | {"name": None}]}),
    ("input[0].arguments", {"input": [{"type": "tool_search_call", "call_id": "1", "arguments": "secret"}]}),
    ("input[0].action", {"input": [{"type": "local_shell_call", "call_id": "1"}]}),
    ("input[0].summary[0].text", {"input": [{"type": "reasoning", "summary": [{"type": "summary_text"}]}]}),
    ("input[0].tools", {"input": [{"type": "additional_tools"}]}),
    ("tools", {"tools": {}}),
    ("tools[0]", {"tools": ["secret"]}),
    ("tools[0].type", {"tools": [{"type": "file_search"}]}),
    ("tools[0].type", {"tools": [{"type": "code_interpreter"}]}),
    ("tools[0].type", {"tools": [{"type": "computer_use_preview"}]}),
    ("tools[0].type", {"tools": [{"type": "mcp", "server_label": "secret"}]}),
    ("tools[0].type", {"tools": [{"type": "shell"}]}),
    ("tools[0].tools[0].type", {"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "web_search"}]}]}),
    ("tools[0].parameters", {"tools": [WEATHER | {"parameters": []}]}),
    ("tools[0].description", {"tools": [WEATHER | {"description": 1}]}),
    ("tools[0].name", {"tools": [{"type": "function"}]}),
    ("tools", {"tools": [WEATHER, PATCH | {"name": "get_weather"}]}),
    ("tool_choice", {"tools": [WEATHER], "tool_choice": "secret"}),
    ("tool_choice", {"tools": [WEATHER], "tool_choice": {"type": "function", "name": "secret"}}),
    ("tool_choice", {"tools": [{"type": "web_search"}], "tool_choice": "required"}),
    ("tool_choice.type", {"tools": [{"type": "web_search"}], "tool_choice": {"type": "web_search_preview"}}),
    ("tool_choice.mode", {"tools": [WEATHER], "tool_choice": {"type": "allowed_tools", "mode": "x", "tools": []}}),
    ("tool_choice.tools", {"tools": [WEATHER], "tool_choice": {"type": "allowed_tools", "mode": "auto"}}),
    ("parallel_tool_calls", {"tools": [WEATHER], "parallel_tool_calls": "secret"}),
    ("temperature", {"temperature": "secret"}),
    ("top_p", {"top_p": []}),
    ("text", {"text": "secret"}),
    ("text.format.type", {"text": {"format": {"type": "grammar"}}}),
    ("text.format.schema", {"text": {"format": {"type": "json_schema", "name": "n"}}}),
    ("reasoning", {"reasoning": "secret"}),
    ("reasoning.effort", {"reasoning": {"effort": 5}}),
    ("user", {"user": 5}),
]


@pytest.mark.parametrize(("path", "members"), REFUSED)
def test_what_would_change_the_answer_is_refused_by_its_path(path: str, members: Json) -> None:
    assert path == refused(**members)


CODEX: Json = {
    "model": "gpt-5.1-codex",
    "instructions": "You are a coding agent.",
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "reasoning": {"effort": "medium", "summary": "auto"},
    "store": False,
    "stream": True,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "019ab2c1-d3e4-7abc-8def-0123456789ab",
    "text": {"verbosity": "low"},
    "client_metadata": {"x-codex-installation-id": "1"},
}
SHELL: Json = {
    "type": "function",
    "name": "exec_command",
    "description": "Runs a command.",
    "strict": False,
    "parameters": {"type": "object", "properties": {"cmd": {"type": "string"}}, "required": ["cmd"]},
}
ONE_TURN: list[Json] = [
    said("developer", text("<permissions instructions>")),
    said("user", text("# AGENTS.md"), text("<environment_context>")),
    said("user", text("fix it"), {"type": "input_image", "image_url": PIXEL, "detail": "high"}),
    {"type": "reasoning", "summary": [], "content": None, "encrypted_content": None},
    said("assistant", answered("On it.")) | {"phase": "commentary"},
    {
        "type": "custom_tool_call",
        "status": "completed",
        "call_id": "c1",
        "name": "apply_patch",
        "input": "*** Begin Patch",
    },
    {"type": "custom_tool_call_output", "call_id": "c1", "output": "Success."},
    call("c2", "exec_command", '{"cmd":"pytest"}'),
    result("c2", [text("ok"), {"type": "input_image", "image_url": PIXEL}]),
    {"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q"}},
]


SENT_BY_CODEX: list[Json] = [
    {
        "tools": [
            SHELL,
            PATCH,
            {"type": "web_search", "external_web_access": False, "search_content_types": ["text"]},
            {"type": "image_generation", "output_format": "png"},
            {
                "type": "namespace",
                "name": "mcp__mail",
                "description": "Mail.",
                "tools": [WEATHER | {"strict": False}],
            },
            SEARCH,
        ],
        "input": ONE_TURN,
    },
    {
        "tools": [SHELL | {"name": "shell"}, {"type": "local_shell"}],
        "parallel_tool_calls": False,
        "reasoning": None,
        "include": [],
        "input": [
            *ONE_TURN,
            {
                "type": "local_shell_call",
                "call_id": "c3",
                "status": "completed",
                "action": {
                    "type": "exec",
                    "command": ["ls"],
                    "timeout_ms": None,
                    "working_directory": None,
                    "env": None,
                    "user": None,
                },
            },
            result("c3"),
        ],
    },
    {
        "tools": [],
        "input": [
            {
                "type": "additional_tools",
                "role": "developer",
                "tools": [
                    {
                        "type": "namespace",
                        "name": "functions",
                        "description": "Tools in the functions namespace.",
                        "tools": [{"type": "custom", "name": "exec", "description": "Runs JavaScript."}, SHELL],
                    },
                    {"type": "web_search", "external_web_access": True},
                ],
            },
            *ONE_TURN[:3],
            {"type": "agent_message", "author": "/root", "recipient": "/root/a", "content": [text("Go.")]},
        ],
    },
]


@pytest.mark.parametrize("members", SENT_BY_CODEX)
def test_what_codex_sends_is_carried(members: Json) -> None:
    """By the shapes in openai/codex (`codex-rs/protocol/src/models.rs`, `codex-rs/tools`), read 2026-11."""
    chat = sent(**CODEX | members)
    assert "system" == chat["messages"][0]["role"]
    assert "You are a coding agent.\n\n<permissions instructions>" == chat["messages"][0]["content"]
    assert chat["tools"]
    assert set(dropped(**CODEX | members)) <= {
        "prompt_cache_key",
        "client_metadata",
        "input[].phase",
        "input[].web_search_call",
        "input[].tools[].description",
        "input[].tools[].web_search",
        "input[].author",
        "input[].recipient",
        "tools[].web_search",
        "tools[].image_generation",
        "tools[].description",
    }


WORDS = st.text(min_size=1, max_size=8)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from(["user", "assistant", "developer"]), st.lists(WORDS, min_size=1, max_size=3)),
            st.tuples(st.just("tool"), st.lists(WORDS, min_size=2, max_size=2)),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_every_word_of_the_client_is_sent_in_its_order(spoken: list[tuple[str, list[str]]]) -> None:
    items: list[Json] = []
    for place, (role, words) in enumerate(spoken):
        if role == "tool":
            items += [call(str(place), arguments=words[0]), result(str(place), words[1])]
        else:
            kind = "output_text" if role == "assistant" else "input_text"
            items.append(said(role, *({"type": kind, "text": word} for word in words)))
    heard: list[str] = []
    for message in conversation(*items):
        heard += [message["content"] or ""] if message["role"] != "tool" else []
        heard += [call["function"]["arguments"] for call in message.get("tool_calls", ())]
        heard += [message["content"]] if message["role"] == "tool" else []
    text_of_all = "".join(heard)
    for _, words in spoken:
        for word in words:
            assert word in text_of_all
            if not any(role == "tool" for role, _ in spoken):
                text_of_all = text_of_all[text_of_all.index(word) + len(word) :]
