"""An Anthropic message, whole or streamed, written as a chat completion.

Decides where each block and each event goes. Texts, thoughts and arguments are moved as the bytes they came in, and a
stream's as they come: nothing that can go out is held back. The usage written here is what the client reads; what is
billed is read elsewhere.

Thinking becomes `reasoning_content`, a member that DeepSeek brought in and many clients read. Redacted thinking,
signatures, citations and what Anthropic's own tools did have no place in a chat and are left out.

Sources, read 2026-11: the types of Anthropic's Python library 2.13.0 (`Message`, `StopReason`, `RefusalStopDetails`,
`RawMessageStreamEvent`) and its docs "Streaming messages", "Handling stop reasons"; the types of OpenAI's library
3.54.0 (`ChatCompletion`, `ChatCompletionChunk`, `CompletionUsage`); DeepSeek API docs, "Thinking mode"
(`reasoning_content`).
"""

from collections.abc import Iterable, Mapping

import msgspec

from tokens_forge.core.config import LONGEST_MODEL_NAME
from tokens_forge.core.errors import UpstreamFault
from tokens_forge.core.usage import INPUT_CLASSES, written
from tokens_forge.wire.openai_chat import DONE
from tokens_forge.wire.request import NULL, UNREADABLE, Request, utf8
from tokens_forge.wire.sse import Event, data_event
from tokens_forge.wire.translate.chat_messages_request import DEFAULTS
from tokens_forge.wire.translate.made_ids import created_s, made_id
from tokens_forge.wire.translate.members import Json, is_default
from tokens_forge.wire.translate.messages_blocks import TIERS
from tokens_forge.wire.usage_objects import read_anthropic_messages


def translate_reply(body: bytes, request: Request, call_id: str) -> bytes:
    """Return the chat completion for a message. Raises UpstreamFault for what is none."""
    try:
        message = _decode_message(utf8(body))
    except UNREADABLE as error:
        raise UpstreamFault("the upstream's reply is no message") from error
    if message.content is None:
        raise UpstreamFault("the upstream's reply is no message: it has no content")
    legacy = _is_legacy(request)
    called = [block for block in message.content if block.type == "tool_use"]
    refusal = _explanation(message.stop_reason, message.stop_details)
    content = _joined(block.text for block in message.content if block.type == "text")
    if content == NULL and not called and refusal is None:
        content = _EMPTY_TEXT
    said: dict[str, object] = {"role": "assistant", "content": content, "refusal": refusal}
    thought = _joined(block.thinking for block in message.content if block.type == "thinking")
    if thought != NULL:
        said["reasoning_content"] = thought
    calls = [
        {"id": block.id or made_id("call_", call_id, place), "type": "function", "function": _function(block)}
        for place, block in enumerate(called)
    ]
    if calls and legacy:
        said["function_call"] = calls[0]["function"]
    elif calls:
        said["tool_calls"] = calls
    finish = _finish(message.stop_reason, called=bool(calls), legacy=legacy)
    choice = {"index": 0, "message": said, "logprobs": None, "finish_reason": finish}
    usage = _usage([bytes(message.usage)])
    whole = {**_head(message, call_id, "chat.completion"), "choices": [choice]}
    return msgspec.json.encode(whole | ({"usage": usage} if usage else {}))


class ChatStream:
    """Turns a message's stream into a chat completion's."""

    def __init__(self, request: Request, call_id: str) -> None:
        self._include_usage = request.include_usage
        self._legacy = _is_legacy(request)
        self._call_id = call_id
        self._head: dict[str, object] = {}
        """What every chunk begins with; empty until the first is written."""
        self._calls = 0
        self._open: dict[int, _OpenCall] = {}
        """The calls of tools that have not ended, by the index of their block."""
        self._last = 0
        """The index of the block that began last: what an event means that names none."""
        self._finished = False
        self._usages: list[bytes] = []

    def feed(self, event: Event) -> bytes:
        """Return what the client gets for one event. Raises UpstreamFault for what can't be read."""
        try:
            told = _decode_event(utf8(event.data or b""))
        except UNREADABLE as error:
            raise UpstreamFault("an event of the upstream's stream is none of a message") from error
        if told.usage != NULL:
            self._usages.append(bytes(told.usage))
        index = self._last if told.index is None else told.index
        match told.type or event.name:
            case "message_start":
                return self._start(told.message or _Message())
            case "content_block_start":
                self._last = index
                return self._begin(told.content_block or _Block(), index)
            case "content_block_delta":
                return self._add(told.delta or _Delta(), index)
            case "content_block_stop":
                return self._close(index)
            case "message_delta":
                return self._finish(told.delta or _Delta())
            case _:
                return b""

    def end(self) -> bytes:
        """Return what ends the stream."""
        written = b"" if self._finished else self._finish(_Delta(stop_reason="end_turn"))
        usage = _usage(self._usages) if self._include_usage else None
        if usage is not None:
            written += data_event(msgspec.json.encode({**self._head, "choices": [], "usage": usage}))
        return written + DONE

    def broken(self, *, code: str, message: str) -> bytes:  # noqa: ARG002 - an error event stands alone there
        """Return nothing: an error event ends any stream."""
        return b""

    def _start(self, message: "_Message") -> bytes:
        if message.usage != NULL:
            self._usages.append(bytes(message.usage))
        if self._head:
            return b""
        self._head = _head(message, self._call_id, "chat.completion.chunk")
        return self._chunk({"role": "assistant", "content": "", "refusal": None})

    def _begin(self, block: "_Block", index: int) -> bytes:
        """Begin a block. Upstreams that copy Anthropic's may say all of it here."""
        if block.type != "tool_use":
            return self._said("content", block.text) + self._said("reasoning_content", block.thinking)
        place, self._calls = self._calls, self._calls + 1
        if self._legacy and place:
            return b""  # Such a client can be told of one call, and one was asked for.
        self._open[index] = _OpenCall(place=place, input=_input(block))
        call_id = block.id or made_id("call_", self._call_id, place)
        function = {"name": block.name, "arguments": ""}
        if self._legacy:
            return self._chunk({"function_call": function})
        call = {"index": place, "id": call_id, "type": "function", "function": function}
        return self._chunk({"tool_calls": [call]})

    def _add(self, delta: "_Delta", index: int) -> bytes:
        match delta.type:
            case "text_delta":
                return self._said("content", delta.text)
            case "thinking_delta":
                return self._said("reasoning_content", delta.thinking)
            case "input_json_delta" if index in self._open and delta.partial_json not in _NOTHING:
                call = self._open[index]
                call.begun = True
                return self._arguments(call, _written(delta.partial_json))
            case _:
                return b""

    def _close(self, index: int) -> bytes:
        """End a block: a call without a word of its arguments has those that it began with, or none."""
        call = self._open.pop(index, None)
        return b"" if call is None or call.begun else self._arguments(call, call.input)

    def _finish(self, delta: "_Delta") -> bytes:
        if self._finished or delta.stop_reason is None:
            return b""
        closed = b"".join(self._close(index) for index in tuple(self._open))
        self._finished = True
        refusal = _explanation(delta.stop_reason, delta.stop_details)
        finish = _finish(delta.stop_reason, called=self._calls > 0, legacy=self._legacy)
        return closed + self._chunk({} if refusal is None else {"refusal": refusal}, finish)

    def _said(self, name: str, text: msgspec.Raw) -> bytes:
        return b"" if text in _NOTHING else self._chunk({name: _written(text)})

    def _arguments(self, call: "_OpenCall", arguments: object) -> bytes:
        function = {"arguments": arguments}
        if self._legacy:
            return self._chunk({"function_call": function})
        return self._chunk({"tool_calls": [{"index": call.place, "function": function}]})

    def _chunk(self, delta: Json, finish: str | None = None) -> bytes:
        begun = b"" if self._head else self._start(_Message())
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        chunk = {**self._head, "choices": [choice]} | ({"usage": None} if self._include_usage else {})
        return begun + data_event(msgspec.json.encode(chunk))


class _Block(msgspec.Struct):
    """A block of a message. Texts stay raw: they are moved."""

    type: str = ""
    text: msgspec.Raw = NULL
    thinking: msgspec.Raw = NULL
    id: str | None = None
    name: str = ""
    input: msgspec.Raw = NULL


class _StopDetails(msgspec.Struct):
    explanation: str | None = None


class _Message(msgspec.Struct):
    id: str | None = None
    model: str | None = None
    content: list[_Block] | None = None
    stop_reason: str | None = None
    stop_details: _StopDetails | None = None
    usage: msgspec.Raw = NULL


class _Delta(msgspec.Struct):
    """What is new in a block, or in the message itself."""

    type: str = ""
    text: msgspec.Raw = NULL
    thinking: msgspec.Raw = NULL
    partial_json: msgspec.Raw = NULL
    stop_reason: str | None = None
    stop_details: _StopDetails | None = None


class _Event(msgspec.Struct):
    type: str = ""
    index: int | None = None
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: msgspec.Raw = NULL


class _OpenCall(msgspec.Struct):
    """A call of a tool that is being streamed."""

    place: int
    """Among the calls."""
    input: str
    """What it began with; Anthropic begins with an empty object."""
    begun: bool = False
    """Some of its arguments were streamed."""


_decode_message = msgspec.json.Decoder(_Message).decode
_decode_event = msgspec.json.Decoder(_Event).decode

LONGEST_ID = 200
"""Characters of an upstream's id that is told; a longer one would stand in every chunk."""

_EMPTY_TEXT = msgspec.Raw(b'""')
_NOTHING = (NULL, _EMPTY_TEXT)

_FINISHES: Mapping[str | None, str] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
}
"""Stop reasons that were no end of the model's own; of all others what it said tells the finish."""


def _is_legacy(request: Request) -> bool:
    """Say whether the client asked with the older `functions`, and reads calls there."""
    return not is_default("functions", request.fields.get("functions", NULL), DEFAULTS)


def _head(message: _Message, call_id: str, kind: str) -> dict[str, object]:
    """Return what a completion or chunk begins with."""
    given = message.id if len(message.id or "") <= LONGEST_ID else None
    head: dict[str, object] = {
        "id": given or made_id("chatcmpl-", call_id),
        "object": kind,
        "created": created_s(call_id),
        "model": (message.model or "")[:LONGEST_MODEL_NAME],
    }
    tier = TIERS.get(read_anthropic_messages(bytes(message.usage)).tier_served)
    return head if tier is None else head | {"service_tier": tier}


def _function(block: _Block) -> Json:
    return {"name": block.name, "arguments": _input(block)}


def _input(block: _Block) -> str:
    """Return the input of a call as it was written: a chat's arguments are a text."""
    return "{}" if block.input == NULL else bytes(block.input).decode()


def _joined(texts: Iterable[msgspec.Raw]) -> msgspec.Raw:
    """Return texts as one, as they were written; null for none."""
    written = [bytes(_written(text))[1:-1] for text in texts if text not in _NOTHING]
    return msgspec.Raw(b'"%s"' % b"".join(written)) if written else NULL


def _written(text: msgspec.Raw) -> msgspec.Raw:
    """Return a text as it was written. Raises UpstreamFault for what is none."""
    if bytes(memoryview(text)[:1]) != b'"':
        raise UpstreamFault("the upstream's message has something else where a text belongs")
    return text


def _finish(stop_reason: str | None, *, called: bool, legacy: bool) -> str:
    if stop_reason in _FINISHES:
        return _FINISHES[stop_reason]
    if not called:
        return "stop"
    return "function_call" if legacy else "tool_calls"


def _explanation(stop_reason: str | None, details: _StopDetails | None) -> str | None:
    """Return what a refusal says of itself."""
    return details.explanation if details is not None and stop_reason == "refusal" else None


def _usage(usages: list[bytes]) -> Json | None:
    """Return the usage in the client's terms, where all input is one count; None where none was reported."""
    reading = read_anthropic_messages(*usages).reading
    if reading is None or not reading.usage:
        return None
    counts = reading.usage
    prompt, output = sum(counts.get(name, 0) for name in INPUT_CLASSES), counts["output"]
    writes = written(counts)
    of_prompt = {"cached_tokens": counts.get("cache_read", 0)} | ({"cache_write_tokens": writes} if writes else {})
    of_output = (
        {"completion_tokens_details": {"reasoning_tokens": counts["reasoning"]}} if "reasoning" in counts else {}
    )
    return {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
        "prompt_tokens_details": of_prompt,
        **of_output,
    }
