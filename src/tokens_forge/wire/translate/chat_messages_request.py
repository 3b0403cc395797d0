"""A request for a chat completion, written as one for Anthropic's Messages.

Decides member by member what is carried, refused by its path or dropped and named (`_REFUSED`, `_CARRIED`; every other
member is dropped). It never cuts what the client said: texts, schemas and images are moved as the bytes they came in,
and a tool's arguments keep every digit.

OpenAI caches prompts unasked, Messages up to marked blocks. A client that marks nothing has the ends of the system and
of the conversation marked where the same beginning will come again: it names a `prompt_cache_key`, or offers tools
without forcing one, as agents do, whose every turn would be paid in full else. A forced tool is how a single answer
gets its form: there nothing is marked.

Sources, read 2026-11: OpenAI API reference ("Create chat completion") and the parameter types of its Python library
3.54.0; the parameter types of Anthropic's library 2.13.0 (`MessageCreateParams`, `OutputConfigParam`,
`ThinkingConfigParam`, `ToolParam`) and its docs "OpenAI SDK compatibility" (system messages are hoisted, `thinking` is
taken from chat requests), "Extended thinking" (a forced tool and thinking exclude each other), "Adaptive thinking" (no
signed thinking is asked for in earlier turns), "Prompt caching" (a write costs a quarter more than input, a read a
tenth of it; short prompts are not cached, marked or not), "Service tiers".
"""

from collections.abc import Mapping

import msgspec

from tokens_forge.wire.request import NULL, Fields, Request, is_text, raw_of
from tokens_forge.wire.translate.chat_messages_conversation import Conversation, cached
from tokens_forge.wire.translate.members import (
    Defaults,
    Dropped,
    Json,
    flag_in,
    is_default,
    list_of,
    number_in,
    object_in,
    object_of,
    objects_in,
    text_in,
    word_in,
    word_of,
    written_number_in,
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
    conversation = Conversation(dropped)
    for message, path in objects_in(given, "messages", ""):
        conversation.add(message, path)
    tools = _tools(given, dropped)
    choice = _choice(given, dropped)
    if choice is not None and not tools:
        if choice["type"] in _FORCED:
            raise NotCarried("tool_choice", "there is no tool that could be chosen")
        choice = None
    comes_again = "prompt_cache_key" in given or (tools and (choice is None or choice["type"] not in _FORCED))
    if comes_again and "cache_control" not in given and not any("cache_control" in tool for tool in tools):
        conversation.mark()
    sent: dict[str, object] = {
        "model": request.model,
        "max_tokens": request.output_bound,
        "system": conversation.system,
        "messages": conversation.turns,
        "stream": request.stream,
        "tools": tools,
        "tool_choice": choice,
        "output_config": _output_config(given, dropped),
        "thinking": _thinking(given, forced=choice is not None and choice["type"] in _FORCED),
        "stop_sequences": _stop(given["stop"]) if "stop" in given else [],
        "metadata": _metadata(given, dropped),
        "service_tier": _tier(given, dropped),
        "temperature": _temperature(given),
        "top_p": written_number_in(given, "top_p"),
        "top_k": written_number_in(given, "top_k"),
        "cache_control": _moved(given, "cache_control"),
    }
    if "stream_options" in given:
        options = object_in(given, "stream_options", "")
        dropped.add_unread(options, frozenset({"include_usage"}), "stream_options")
    always = ("model", "max_tokens", "messages", "stream")
    return Translated(
        fields={name: raw_of(value) for name, value in sent.items() if name in always or value},
        dropped=dropped.paths(),
    )


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
        "service_tier",
        "cache_control",
        "prompt_cache_key",
    }
)
"""Members that are carried, whole or in part; what is left of one is named where it is read. `top_k`, `thinking` and
`cache_control` are Anthropic's own, which chat clients send to it as extensions."""

_EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}
_TIERS = {"default": "standard_only", "standard_only": "standard_only", "priority": "auto", "fast": "auto"}
"""OpenAI's tiers as Anthropic's: its `auto` is the one that may use priority capacity."""

_MODES = {"none": "none", "auto": "auto", "required": "any"}
_FORCED = frozenset({"any", "tool"})
_TOOL_MEMBERS = frozenset({"type", "function", "cache_control"})
_FUNCTION_MEMBERS = frozenset({"name", "description", "parameters", "strict", "cache_control"})


def _tools(given: Fields, dropped: Dropped) -> list[Json]:
    """Return the tools; the legacy `functions` are tools too."""
    if "tools" in given and "functions" in given:
        raise NotCarried("functions", "a request has `tools` or the older `functions`, not both")
    tools: list[Json] = []
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


def _tool(function: Fields, path: str) -> Json:
    schema = object_in(function, "parameters", path) if "parameters" in function else {}
    tool: dict[str, object] = {
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
    effort = _effort(given)
    if effort in _EFFORTS:
        config["effort"] = _EFFORTS[effort]
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


def _effort(given: Fields) -> str:
    """Return how much the model shall reason, in the client's word; empty when it does not say."""
    if "reasoning_effort" not in given:
        return ""
    effort = word_in(given, "reasoning_effort", "")
    if effort not in _EFFORTS and effort != "none":
        raise NotCarried("reasoning_effort", "Messages knows no such effort")
    return effort


def _thinking(given: Fields, *, forced: bool) -> object:
    """Return how the model shall think; None leaves it to the model. A forced tool and thinking exclude each other."""
    if "thinking" in given:
        return _moved(given, "thinking")
    match _effort(given):
        case "":
            return None
        case "none":
            return {"type": "disabled"}
        case _:
            return None if forced else {"type": "adaptive"}


def _stop(raw: msgspec.Raw) -> list[msgspec.Raw]:
    """Return the texts to stop at, as they were written. Messages refuses those of spaces and line ends only."""
    stops, alone = ([raw], True) if is_text(raw) else (list_of(raw, "stop"), False)
    for place, stop in enumerate(stops):
        path = "stop" if alone else f"stop[{place}]"
        if not word_of(stop, path).strip():
            raise NotCarried(path, "Messages can't stop at white space")
    return stops


def _metadata(given: Fields, dropped: Dropped) -> Json:
    """Return whom the request is for: `safety_identifier`, or the older `user`."""
    told = [name for name in ("safety_identifier", "user") if name in given]
    for name in told[1:]:
        dropped.add(name)
    return {"user_id": text_in(given, told[0], "")} if told else {}


def _tier(given: Fields, dropped: Dropped) -> str:
    asked = word_in(given, "service_tier", "") if "service_tier" in given else ""
    if asked and asked not in _TIERS:
        dropped.add("service_tier")
    return _TIERS.get(asked, "")


def _temperature(given: Fields) -> msgspec.Raw | None:
    temperature = number_in(given, "temperature")
    if temperature is not None and temperature > 1:
        raise NotCarried("temperature", "Messages takes at most 1")
    return given.get("temperature")


def _moved(given: Fields, name: str) -> msgspec.Raw | None:
    """Return an object as it was written."""
    if name not in given:
        return None
    object_in(given, name, "")
    return given[name]
