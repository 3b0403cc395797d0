"""A Responses request, written as one for Anthropic's Messages.

Decides member by member what is carried, refused by its path or dropped and named (`_REFUSED`, `_CARRIED`; every other
member is dropped). It never cuts what the client said: texts, schemas and images are moved as the bytes they came in,
and a tool's arguments keep every digit. The tools have their own file, `responses_messages_tools.py`.

Thinking is asked for as `adaptive`, the one way that every current model takes; its depth is `output_config.effort`.
`effort: none` becomes the lowest effort and no word of thinking: `disabled` is an error on the newest models, and on
the older ones thinking is off unless it is asked for. While thinking is on, Messages takes neither a forced tool nor
another temperature: the tool matters to the answer, so thinking gives way to it; the temperature only tunes, so it is
dropped. Where the client names a `prompt_cache_key` it wants its prompt cached, which OpenAI does unasked and Messages
does up to marked blocks: the system's last and the conversation's last are marked.

Sources, read 2026-11: OpenAI API reference ("Create a model response") and the parameter types of its Python library
3.54.0 (`ResponseCreateParams`, `ResponseInputItemParam`); the parameter types of Anthropic's library 2.13.0
(`MessageCreateParams`, `OutputConfigParam`, `ThinkingConfigParam`, `ToolResultBlockParam`) and its docs "Thinking",
"Effort", "Prompt caching", "Service tiers", "What's new in Claude Opus 5.5".
"""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from tokens_forge.wire.request import NULL, Fields, Request, is_text, raw_of
from tokens_forge.wire.translate import messages_blocks
from tokens_forge.wire.translate.members import (
    Dropped,
    Json,
    number_in,
    object_in,
    object_of,
    objects_of,
    text_in,
    without_nulls,
    word_in,
)
from tokens_forge.wire.translate.responses_messages_tools import Tools, read_tools
from tokens_forge.wire.translate.responses_request import (
    ASSISTANT_PARTS,
    DEFAULTS,
    ITEM,
    SYSTEM_PARTS,
    read_include,
    refuse,
)
from tokens_forge.wire.translate.responses_thinking import opened
from tokens_forge.wire.translate.responses_tools import LOCAL_SHELL, TOOL_SEARCH, name_in
from tokens_forge.wire.translation import NotCarried, Translated

Block = dict[str, object]
"""A content block of Messages, to be encoded."""


def translate_request(request: Request) -> Translated:
    """Return the request in the upstream's dialect, without a model. Raises NotCarried."""
    given = without_nulls(request.fields)
    refuse(given, _REFUSED)
    dropped = Dropped(given, DEFAULTS)
    dropped.add_unread(given, _CARRIED)
    tools = read_tools(given, dropped)
    conversation = _Conversation(dropped)
    conversation.read(given)
    if "prompt_cache_key" in given:
        conversation.mark()
    read_include(given, dropped, no_logprobs=_NO_LOGPROBS)
    thinking, effort = _reasoning(given, tools, dropped)
    sent: dict[str, object] = {
        "max_tokens": request.output_bound,
        "system": conversation.system,
        "messages": conversation.messages(),
        "tools": [tool.sent for tool in tools.tools],
        "tool_choice": tools.choice,
        "thinking": thinking,
        "output_config": _named(effort=effort, format=_format(given, dropped)),
        **_sampling(given, dropped, thinks=thinking is not None),
        "service_tier": _tier(request.tier_asked, dropped),
        "metadata": _named(user_id=_user(given, dropped)),
        "stream": request.stream,
    }
    return Translated(
        fields={name: raw_of(value) for name, value in sent.items() if value not in _NOTHING},
        dropped=dropped.paths(),
    )


_NO_LOGPROBS = "Messages gives no log probabilities"

_REFUSED: Mapping[str, str] = {
    "previous_response_id": "the response before is kept by another provider: send the whole conversation",
    "conversation": "the conversation is kept by another provider: send the whole of it",
    "prompt": "the prompt is kept by another provider: send its text",
    "background": "Messages answers while the client waits",
    "top_logprobs": _NO_LOGPROBS,
    "moderation": "Messages does not moderate on demand",
}
"""Members that change what the answer is, and why Messages can't have them."""

_CARRIED = frozenset(
    {
        "model",
        "input",
        "instructions",
        "max_output_tokens",
        "stream",
        "stream_options",
        "store",
        "include",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "max_tool_calls",
        "text",
        "reasoning",
        "temperature",
        "top_p",
        "service_tier",
        "user",
        "safety_identifier",
        "metadata",
        "prompt_cache_key",
        *_REFUSED,
    }
)
"""Members that are read. Nothing is kept for the client and no event is padded here, so that `store` and
`stream_options` ask for nothing."""

_NOTHING: tuple[object, ...] = (None, [], {})
_EFFORTS = {
    "none": "low",
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
    "max": "max",
}
_TIERS = {"default": "standard_only", "priority": "auto"}
"""OpenAI's tiers as Anthropic's, whose `auto` may use capacity that was bought ahead."""

_LEAST_TOP_P = Decimal("0.95")
"""The least `top_p` that goes with thinking."""

_EPHEMERAL: Json = {"type": "ephemeral"}
_MARKED = frozenset({"text", "image", "document", "tool_result"})
"""Blocks that may be marked as the end of what is cached."""

_USER_PARTS = frozenset({"input_text", "input_image", "input_file"})


class _Turn:
    """What one side says at once; the results of tools come first, as Messages wants them."""

    def __init__(self, role: str) -> None:
        self.role = role
        self.results: list[Block] = []
        self.blocks: list[Block] = []


class _Conversation:
    """The conversation so far: the system's texts apart, the rest as turns that alternate.

    Messages wants every result in the turn after its call, wherever the client has it.
    """

    def __init__(self, dropped: Dropped) -> None:
        self.system: list[Block] = []
        self._dropped = dropped
        self._turns: list[_Turn] = []
        self._caller: dict[str, int] = {}
        """The turn of each call."""

    def read(self, given: Fields) -> None:
        """Add what the request says."""
        if "instructions" in given:
            self.system += messages_blocks.texts(text_in(given, "instructions", ""))
        spoken = given.get("input", NULL)
        if is_text(spoken):
            self._say("user", messages_blocks.texts(spoken))
        else:
            for item, path in objects_of(spoken, "input"):
                self._add(item, path)
        if not self._turns:
            raise NotCarried("input", "it says nothing that Messages could answer")

    def mark(self) -> None:
        """Mark the ends of what is to be cached."""
        turn = self._turns[-1]
        for blocks in (self.system, turn.results + turn.blocks):
            if blocks and blocks[-1]["type"] in _MARKED:
                blocks[-1]["cache_control"] = _EPHEMERAL

    def messages(self) -> list[Json]:
        """Return the turns."""
        return [{"role": turn.role, "content": turn.results + turn.blocks} for turn in self._turns]

    def _say(self, role: str, blocks: list[Block]) -> None:
        """Add to the turn of one side. What says nothing is no turn."""
        if not blocks:
            return
        if not self._turns or self._turns[-1].role != role:
            self._turns.append(_Turn(role))
        self._turns[-1].blocks += blocks

    def _add(self, item: Fields, path: str) -> None:
        kind = word_in(item, "type", path) if "type" in item else "message"
        match kind:
            case "message":
                self._message(item, path)
            case "function_call":
                self._call(item, path, messages_blocks.call_input(item, path), "arguments")
            case "custom_tool_call":
                self._call(item, path, {"input": text_in(item, "input", path)}, "input")
            case "local_shell_call":
                self._call(item | {"name": raw_of(LOCAL_SHELL)}, path, _action(item, path), "action")
            case "tool_search_call":
                self._call(item | {"name": raw_of(TOOL_SEARCH)}, path, _searched_for(item, path), "arguments")
            case "tool_search_output":
                self._result(item | {"output": raw_of(bytes(item.get("tools", NULL)).decode())}, path, "call_id")
            case "function_call_output" | "custom_tool_call_output":
                self._result(item, path, "call_id")
            case "local_shell_call_output":
                self._result(item, path, "call_id" if "call_id" in item else "id")
            case "reasoning":
                self._thought(item)
            case _:
                self._leave(kind, path)

    def _leave(self, kind: str, path: str) -> None:
        """Leave an item out: what was searched is in the answer after it, more tools are in the list of tools."""
        if kind == "web_search_call":
            self._dropped.add("input", f"[].{kind}")
        elif kind != "additional_tools":
            raise NotCarried(f"{path}.type", "Messages has no item of this kind")

    def _message(self, item: Fields, path: str) -> None:
        role = word_in(item, "role", path)
        match role:
            case "system" | "developer":
                self.system += self._parts(item, "content", path, SYSTEM_PARTS)
            case "user":
                self._say("user", self._parts(item, "content", path, _USER_PARTS))
            case "assistant":
                self._say("assistant", self._parts(item, "content", path, ASSISTANT_PARTS))
            case _:
                raise NotCarried(f"{path}.role", "Messages knows no such role")
        self._dropped.add_unread(item, ITEM | {"role", "content"}, "input", "[]")

    def _call(self, item: Fields, path: str, told: Json | msgspec.Raw, read: str) -> None:
        made = messages_blocks.call_id_in(item, "call_id", path)
        name = name_in(item, path)
        self._say("assistant", [{"type": "tool_use", "id": made, "name": name, "input": told}])
        self._caller[made] = len(self._turns) - 1
        self._dropped.add_unread(item, ITEM | {"call_id", "name", "namespace", "execution", read}, "input", "[]")

    def _result(self, item: Fields, path: str, id_name: str) -> None:
        made = messages_blocks.call_id_in(item, id_name, path)
        if made not in self._caller:
            raise NotCarried(f"{path}.{id_name}", "no call before it has this id")
        place = self._caller[made] + 1
        if place == len(self._turns):
            self._turns.append(_Turn("user"))
        output = item.get("output", NULL)
        content = output if is_text(output) else self._parts(item, "output", path, _USER_PARTS)
        self._turns[place].results.append({"type": "tool_result", "tool_use_id": made, "content": content})
        self._dropped.add_unread(item, ITEM | {"call_id", "output", "tools", "execution"}, "input", "[]")

    def _thought(self, item: Fields) -> None:
        """Add thinking that this upstream can check; what another one thought is sealed to it."""
        sealed = item.get("encrypted_content", NULL)
        thought = opened(msgspec.json.decode(sealed, type=str)) if is_text(sealed) else None
        if thought is None:
            self._dropped.add("input", "[].reasoning")
        else:
            self._say("assistant", [msgspec.to_builtins(thought)])

    def _parts(self, item: Fields, name: str, path: str, kinds: frozenset[str]) -> list[Block]:
        """Return a content as blocks; without its blank texts, which Messages refuses."""
        content, path = item.get(name, NULL), f"{path}.{name}"
        if is_text(content):
            return messages_blocks.texts(content)
        blocks: list[Block] = []
        for part, where in objects_of(content, path):
            kind = word_in(part, "type", where)
            if kind not in kinds:
                raise NotCarried(f"{where}.type", "a part of this kind can't be said there in Messages")
            blocks += self._part(kind, part, where, f"[].{name}[]")
        return blocks

    def _part(self, kind: str, part: Fields, path: str, rest: str) -> list[Block]:
        match kind:
            case "input_image":
                self._dropped.add_unread(part, ("type", "image_url", "file_id"), "input", rest)
                return [_image(part, path)]
            case "input_file":
                self._dropped.add_unread(part, ("type", "file_data", "file_url", "file_id", "filename"), "input", rest)
                return [_document(part, path)]
            case _:
                name = "refusal" if kind == "refusal" else "text"
                self._dropped.add_unread(part, ("type", name), "input", rest)
                return messages_blocks.texts(text_in(part, name, path))


def _image(part: Fields, path: str) -> Block:
    _refuse_file_id(part, path)
    return messages_blocks.image(text_in(part, "image_url", path), f"{path}.image_url")


def _document(part: Fields, path: str) -> Block:
    _refuse_file_id(part, path)
    title: Block = {"title": text_in(part, "filename", path)} if "filename" in part else {}
    if "file_url" in part:
        url = text_in(part, "file_url", path)
        if not messages_blocks.is_https(url):
            raise NotCarried(f"{path}.file_url", "Messages takes https addresses")
        return {"type": "document", "source": {"type": "url", "url": url}, **title}
    source = messages_blocks.pdf_source(text_in(part, "file_data", path), f"{path}.file_data")
    return {"type": "document", "source": source, **title}


def _refuse_file_id(part: Fields, path: str) -> None:
    if "file_id" in part:
        raise NotCarried(f"{path}.file_id", "a file that another provider keeps can't be read by this one")


def _action(item: Fields, path: str) -> Json:
    action = object_in(item, "action", path)
    return {name: value for name, value in action.items() if name != "type"}


def _searched_for(item: Fields, path: str) -> Json | msgspec.Raw:
    """Return what a search for tools was asked, which is an object there."""
    told = item.get("arguments", NULL)
    if is_text(told):
        return messages_blocks.call_input(item, path)
    object_of(told, f"{path}.arguments")
    return told


def _reasoning(given: Fields, tools: Tools, dropped: Dropped) -> tuple[Json | None, str | None]:
    """Return how thinking is asked for, and the effort."""
    if "reasoning" not in given:
        return None, None
    told = object_in(given, "reasoning", "")
    dropped.add_unread(told, ("effort", "summary", "generate_summary"), "reasoning")
    asked = word_in(told, "effort", "reasoning") if "effort" in told else None
    if asked is not None and asked not in _EFFORTS:
        raise NotCarried("reasoning.effort", f"it is none of {', '.join(f'`{effort}`' for effort in _EFFORTS)}")
    effort = None if asked is None else _EFFORTS[asked]
    summaries = [name for name in ("summary", "generate_summary") if name in told]
    if asked == "none" or not (asked or summaries):
        return None, effort
    if tools.forced:
        for name in summaries:
            dropped.add("reasoning", f".{name}")
        return None, effort
    return {"type": "adaptive"} | ({"display": "summarized"} if summaries else {}), effort


def _format(given: Fields, dropped: Dropped) -> Json | None:
    if "text" not in given:
        return None
    text = object_in(given, "text", "")
    dropped.add_unread(text, ("format",), "text")
    if "format" not in text:
        return None
    told = object_in(text, "format", "text")
    match word_in(told, "type", "text.format"):
        case "text":
            return None
        case "json_schema":
            dropped.add_unread(told, ("type", "schema", "strict"), "text", ".format")
            object_in(told, "schema", "text.format")
            return {"type": "json_schema", "schema": told["schema"]}
        case _:
            raise NotCarried("text.format.type", "Messages keeps to a JSON schema, or to none")


def _sampling(given: Fields, dropped: Dropped, *, thinks: bool) -> dict[str, msgspec.Raw]:
    """Return temperature and `top_p` where they say something: one of the two, as newer models take no more."""
    temperature, top_p = number_in(given, "temperature"), number_in(given, "top_p")
    sent: dict[str, msgspec.Raw] = {}
    if temperature is not None and temperature > 1:
        raise NotCarried("temperature", "Messages takes at most 1")
    if temperature not in {None, 1}:
        if thinks:
            dropped.add("temperature")
        else:
            sent["temperature"] = given["temperature"]
    if top_p is not None and top_p != 1:
        if sent or (thinks and top_p < _LEAST_TOP_P):
            dropped.add("top_p")
        else:
            sent["top_p"] = given["top_p"]
    return sent


def _tier(asked: str, dropped: Dropped) -> str | None:
    if asked not in {"", "auto", *_TIERS}:
        dropped.add("service_tier")
    return _TIERS.get(asked)


def _user(given: Fields, dropped: Dropped) -> msgspec.Raw | None:
    """Return whom the client asks for: the first of its names, the others are dropped. Labels are dropped, too."""
    metadata = object_in(given, "metadata", "") if "metadata" in given else {}
    dropped.add_unread(metadata, ("user_id",), "metadata")
    found = [(name, "", text_in(given, name, "")) for name in ("safety_identifier", "user") if name in given]
    if "user_id" in metadata:
        found.append(("metadata", ".user_id", text_in(metadata, "user_id", "metadata")))
    for member, rest, text in found[1:]:
        if text != found[0][2]:
            dropped.add(member, rest)
    return found[0][2] if found else None


def _named(**members: object) -> Json:
    return {name: value for name, value in members.items() if value is not None}
