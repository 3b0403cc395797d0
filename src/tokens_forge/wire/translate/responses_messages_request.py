"""A Responses request, written as one for Anthropic's Messages.

Decides member by member what is carried, refused by its path or dropped and named (`_REFUSED`, `_CARRIED`; every other
member is dropped). It never cuts what the client said: texts, schemas and images are moved as the bytes they came in,
and a tool's arguments keep every digit. The tools have their own file, `responses_messages_tools.py`.

What Messages takes of it, and what gives way to what, is `messages_request.py`'s part, which other dialects share.
Thinking is asked for as `adaptive`; its depth is `output_config.effort`.

Sources, read 2026-11: OpenAI API reference ("Create a model response") and the parameter types of its Python library
3.54.0 (`ResponseCreateParams`, `ResponseInputItemParam`); the parameter types of Anthropic's library 2.13.0
(`MessageCreateParams`, `OutputConfigParam`, `ThinkingConfigParam`, `ToolResultBlockParam`) and its docs "Thinking",
"Effort".
"""

from collections.abc import Mapping

import msgspec

from tokens_forge.wire.request import NULL, Fields, Request, is_text, raw_of
from tokens_forge.wire.translate import messages_blocks
from tokens_forge.wire.translate.members import (
    Dropped,
    Json,
    object_in,
    object_of,
    objects_of,
    text_in,
    without_nulls,
    word_in,
)
from tokens_forge.wire.translate.messages_request import (
    EFFORTS,
    Block,
    Conversation,
    comes_again,
    effort_in,
    metadata,
    result_block,
    sampling,
    thinks,
    tier,
    written,
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


def translate_request(request: Request) -> Translated:
    """Return the request in the upstream's dialect, without a model. Raises NotCarried."""
    given = without_nulls(request.fields)
    refuse(given, _REFUSED)
    dropped = Dropped(given, DEFAULTS)
    dropped.add_unread(given, _CARRIED)
    tools = read_tools(given, dropped)
    conversation = _Conversation(dropped)
    conversation.read(given)
    offered = [tool.sent for tool in tools.tools]
    if comes_again(given, offered, tools.choice):
        conversation.mark()
    read_include(given, dropped, no_logprobs=_NO_LOGPROBS)
    thinking, effort = _reasoning(given, tools, dropped)
    sent: dict[str, object] = {
        "max_tokens": request.output_bound,
        "system": conversation.system,
        "messages": conversation.messages(),
        "tools": offered,
        "tool_choice": tools.choice,
        "thinking": thinking,
        "output_config": _named(effort=effort, format=_format(given, dropped)),
        **sampling(given, dropped, thinks=thinks(thinking)),
        "service_tier": tier(request.tier_asked, dropped),
        "metadata": metadata(given, dropped),
        "stream": request.stream,
    }
    return written(sent, dropped)


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
        "top_k",
        "service_tier",
        "user",
        "safety_identifier",
        "metadata",
        "prompt_cache_key",
        *_REFUSED,
    }
)
"""Members that are read. Nothing is kept for the client and no event is padded here, so that `store` and
`stream_options` ask for nothing. `top_k` is Anthropic's own."""

_USER_PARTS = frozenset({"input_text", "input_image", "input_file"})


class _Conversation(Conversation):
    """The conversation so far, from the items of a response's input."""

    def __init__(self, dropped: Dropped) -> None:
        super().__init__()
        self._dropped = dropped

    def read(self, given: Fields) -> None:
        """Add what the request says."""
        if "instructions" in given:
            self.instruct(messages_blocks.texts(text_in(given, "instructions", "")))
        spoken = given.get("input", NULL)
        if is_text(spoken):
            self.say("user", messages_blocks.texts(spoken))
        else:
            for item, path in objects_of(spoken, "input"):
                self._add(item, path)
        if not self.messages():
            raise NotCarried("input", "it says nothing that Messages could answer")

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
                self.instruct(self._parts(item, "content", path, SYSTEM_PARTS))
            case "user":
                self.say("user", self._parts(item, "content", path, _USER_PARTS))
            case "assistant":
                self.say("assistant", self._parts(item, "content", path, ASSISTANT_PARTS))
            case _:
                raise NotCarried(f"{path}.role", "Messages knows no such role")
        self._dropped.add_unread(item, ITEM | {"role", "content"}, "input", "[]")

    def _call(self, item: Fields, path: str, told: Json | msgspec.Raw, read: str) -> None:
        made = messages_blocks.call_id_in(item, "call_id", path)
        name = name_in(item, path)
        self.say("assistant", [{"type": "tool_use", "id": made, "name": name, "input": told}])
        self._dropped.add_unread(item, ITEM | {"call_id", "name", "namespace", "execution", read}, "input", "[]")

    def _result(self, item: Fields, path: str, id_name: str) -> None:
        made = messages_blocks.call_id_in(item, id_name, path)
        output = item.get("output", NULL)
        if is_text(output):
            content = output if messages_blocks.texts(output) else None
        else:
            content = self._parts(item, "output", path, _USER_PARTS)
        self.result(result_block(made, content), f"{path}.{id_name}")
        self._dropped.add_unread(item, ITEM | {"call_id", "output", "tools", "execution"}, "input", "[]")

    def _thought(self, item: Fields) -> None:
        """Add thinking that this upstream can check; what another one thought is sealed to it."""
        sealed = item.get("encrypted_content", NULL)
        thought = opened(msgspec.json.decode(sealed, type=str)) if is_text(sealed) else None
        if thought is None:
            self._dropped.add("input", "[].reasoning")
        else:
            self.say("assistant", [msgspec.to_builtins(thought)])

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
    asked = effort_in(told, "effort", "reasoning")
    effort = EFFORTS.get(asked)
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


def _named(**members: object) -> Json:
    return {name: value for name, value in members.items() if value is not None}
