"""A request for a chat completion, written as one for Anthropic's Messages.

Decides member by member what is carried, refused by its path or dropped and named (`_REFUSED`, `_CARRIED`; every other
member is dropped). It never cuts what the client said: texts, schemas and images are moved as the bytes they came in,
and a tool's arguments keep every digit.

What Messages takes of it, and what gives way to what, is `messages_request.py`'s part, which other dialects share.

Sources, read 2026-11: OpenAI API reference ("Create chat completion") and the parameter types of its Python library
3.54.0; the parameter types of Anthropic's library 2.13.0 (`MessageCreateParams`, `OutputConfigParam`,
`ThinkingConfigParam`, `ToolParam`) and its docs "OpenAI SDK compatibility" (system messages are hoisted, `thinking` is
taken from chat requests), "Extended thinking".
"""

from collections.abc import Mapping

import msgspec

from tokens_forge.wire.request import NULL, Fields, Request, is_text
from tokens_forge.wire.translate.chat_messages_conversation import ChatConversation, cached
from tokens_forge.wire.translate.members import (
    Defaults,
    Dropped,
    Json,
    flag_in,
    is_default,
    list_of,
    object_in,
    object_of,
    objects_in,
    text_in,
    word_in,
    word_of,
)
from tokens_forge.wire.translate.messages_request import (
    EFFORTS,
    Block,
    comes_again,
    effort_in,
    is_forced,
    metadata,
    own_thinking,
    sampling,
    thinks,
    tier,
    written,
)
from tokens_forge.wire.translation import NotCarried, Translated


def translate_request(request: Request) -> Translated:
    """Return the request in the upstream's dialect. Raises NotCarried."""
    given = {name: raw for name, raw in request.fields.items() if not is_default(name, raw, DEFAULTS)}
    for name, why in _REFUSED.items():
        if name in given:
            raise NotCarried(name, why)
    dropped = Dropped(given, DEFAULTS)
    dropped.add_unread(given, _CARRIED)
    conversation = ChatConversation(dropped)
    for message, path in objects_in(given, "messages", ""):
        conversation.add(message, path)
    tools = _tools(given, dropped)
    choice = _choice(given, dropped)
    if choice is not None and not tools:
        if is_forced(choice):
            raise NotCarried("tool_choice", "there is no tool that could be chosen")
        choice = None
    if comes_again(given, tools, choice):
        conversation.mark()
    thinking = _thinking(given, dropped, forced=is_forced(choice), bound=request.output_bound)
    sent: dict[str, object] = {
        "model": request.model,
        "max_tokens": request.output_bound,
        "system": conversation.system,
        "messages": conversation.messages(),
        "stream": request.stream,
        "tools": tools,
        "tool_choice": choice,
        "output_config": _output_config(given, dropped),
        "thinking": thinking,
        "stop_sequences": _stop(given["stop"]) if "stop" in given else [],
        "metadata": metadata(given, dropped),
        "service_tier": tier(word_in(given, "service_tier", "") if "service_tier" in given else "", dropped),
        **sampling(given, dropped, thinks=thinks(thinking)),
        "cache_control": _moved(given, "cache_control"),
    }
    if "stream_options" in given:
        options = object_in(given, "stream_options", "")
        dropped.add_unread(options, frozenset({"include_usage"}), "stream_options")
    return written(sent, dropped)


DEFAULTS = Defaults(
    by_name={
        "n": (1,),
        "logprobs": (False,),
        "top_logprobs": (0,),
        "logit_bias": ({},),
        "modalities": (["text"], []),
        "frequency_penalty": (0,),
        "presence_penalty": (0,),
        "tools": ([],),
        "functions": ([],),
        "top_p": (1,),
        "temperature": (1,),
        "store": (False,),
        "metadata": ({},),
        "verbosity": ("medium",),
        "service_tier": ("auto",),
        "detail": ("auto",),
    }
)
"""What says nothing in a request for a chat completion (OpenAI API reference)."""

_REFUSED: Mapping[str, str] = {
    "n": "Messages gives one answer: ask for one, or leave it out",
    "logprobs": "Messages gives no log probabilities",
    "top_logprobs": "Messages gives no log probabilities",
    "logit_bias": "Messages can't favour tokens",
    "audio": "Messages gives no sound",
    "modalities": "Messages gives text alone",
    "prediction": "Messages takes no predicted output",
    "web_search_options": "searching the web is not carried to Messages",
    "moderation": "Messages does not moderate on demand",
}
"""Members that change what the answer is, and why Messages can't have them. Their default values say nothing."""

_CARRIED = frozenset(
    {
        "model",
        "messages",
        "stream",
        "stream_options",
        "max_completion_tokens",
        "max_tokens",
        "tools",
        "tool_choice",
        "functions",
        "function_call",
        "parallel_tool_calls",
        "stop",
        "temperature",
        "top_p",
        "top_k",
        "response_format",
        "reasoning_effort",
        "thinking",
        "user",
        "safety_identifier",
        "metadata",
        "service_tier",
        "cache_control",
        "prompt_cache_key",
    }
)
"""Members that are carried, whole or in part; what is left of one is named where it is read. `top_k`, `thinking` and
`cache_control` are Anthropic's own, which chat clients send to it as extensions."""

_MODES = {"none": "none", "auto": "auto", "required": "any"}
_TOOL_MEMBERS = frozenset({"type", "function", "cache_control"})
_FUNCTION_MEMBERS = frozenset({"name", "description", "parameters", "strict", "cache_control"})


def _tools(given: Fields, dropped: Dropped) -> list[Block]:
    """Return the tools; the legacy `functions` are tools too."""
    if "tools" in given and "functions" in given:
        raise NotCarried("functions", "a request has `tools` or the older `functions`, not both")
    tools: list[Block] = []
    for function, path in objects_in(given, "functions", ""):
        dropped.add_unread(function, _FUNCTION_MEMBERS, "functions", "[]")
        tools += cached(function, [_tool(function, path)])
    for tool, path in objects_in(given, "tools", ""):
        if word_in(tool, "type", path) != "function":
            raise NotCarried(f"{path}.type", "only tools of type `function` are carried to Messages")
        function = object_in(tool, "function", path)
        dropped.add_unread(tool, _TOOL_MEMBERS, "tools", "[]")
        dropped.add_unread(function, _FUNCTION_MEMBERS, "tools", "[].function")
        tools += cached(tool, cached(function, [_tool(function, f"{path}.function")]))
    return tools


def _tool(function: Fields, path: str) -> Block:
    schema = object_in(function, "parameters", path) if "parameters" in function else {}
    tool: Block = {
        "name": text_in(function, "name", path),
        # Messages asks for the type of an object, which OpenAI takes for granted.
        "input_schema": function["parameters"] if "type" in schema else {"type": "object", "properties": {}, **schema},
    }
    if "description" in function:
        tool["description"] = text_in(function, "description", path)
    if flag_in(function, "strict", path, default=False):
        tool["strict"] = True
    return tool


def _choice(given: Fields, dropped: Dropped) -> Json | None:
    """Return the choice of tools; None for the default, that the model decides and may call several."""
    name, other = ("function_call", "tool_choice") if "functions" in given else ("tool_choice", "function_call")
    if other in given:
        dropped.add(other)
    choice = _chosen(given, name)
    # A client of the older `functions` can be told of one call only.
    parallel = flag_in(given, "parallel_tool_calls", "", default=True) and "functions" not in given
    if choice["type"] == "none":
        return choice
    if not parallel:
        return {**choice, "disable_parallel_tool_use": True}
    return None if choice["type"] == "auto" else choice


def _chosen(given: Fields, name: str) -> Json:
    raw = given.get(name, NULL)
    if raw == NULL:
        return {"type": "auto"}
    if is_text(raw):
        mode = _MODES.get(word_in(given, name, ""))
        if mode is None:
            raise NotCarried(name, "Messages knows no such choice")
        return {"type": mode}
    choice = object_of(raw, name)
    if name == "function_call":
        return {"type": "tool", "name": text_in(choice, "name", name)}
    if word_in(choice, "type", name) != "function":
        raise NotCarried(f"{name}.type", "Messages knows the choice of a function alone")
    function = object_in(choice, "function", name)
    return {"type": "tool", "name": text_in(function, "name", f"{name}.function")}


def _output_config(given: Fields, dropped: Dropped) -> Json:
    config: dict[str, object] = {}
    if effort := effort_in(given, "reasoning_effort", ""):
        config["effort"] = EFFORTS[effort]
    if "response_format" in given:
        wanted = object_in(given, "response_format", "")
        match word_in(wanted, "type", "response_format"):
            case "text":
                pass
            case "json_schema":
                path = "response_format.json_schema"
                schema = object_in(wanted, "json_schema", "response_format")
                object_in(schema, "schema", path)
                config["format"] = {"type": "json_schema", "schema": schema["schema"]}
                dropped.add_unread(schema, frozenset({"schema", "strict"}), "response_format", ".json_schema")
            case _:
                raise NotCarried("response_format.type", "Messages writes JSON by a schema alone: give `json_schema`")
    return config


def _thinking(given: Fields, dropped: Dropped, *, forced: bool, bound: int) -> Json | None:
    """Return how the model shall think; None leaves it to the model."""
    if "thinking" in given:
        return own_thinking(given, dropped, forced=forced, bound=bound)
    asked = effort_in(given, "reasoning_effort", "") not in {"", "none"}
    return {"type": "adaptive"} if asked and not forced else None


def _stop(raw: msgspec.Raw) -> list[msgspec.Raw]:
    """Return the texts to stop at, as they were written. Messages refuses those of spaces and line ends only."""
    stops, alone = ([raw], True) if is_text(raw) else (list_of(raw, "stop"), False)
    for place, stop in enumerate(stops):
        path = "stop" if alone else f"stop[{place}]"
        if not word_of(stop, path).strip():
            raise NotCarried(path, "Messages can't stop at white space")
    return stops


def _moved(given: Fields, name: str) -> msgspec.Raw | None:
    """Return an object as it was written."""
    if name not in given:
        return None
    object_in(given, name, "")
    return given[name]
