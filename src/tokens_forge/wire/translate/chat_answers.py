"""What OpenAI-compatible servers answer in chat completions, whole or a chunk of a stream, read for a translator.

Decides where each server says what: its reasoning, a content that is a list, a call without an index. It keeps
nothing between chunks, and it never decides what the client is told. A member that no answer depends on (an id, the
tier) says nothing where it is of another kind than it should be.

Sources, read 2026-11: OpenAI API reference ("The chat completion chunk object"); DeepSeek API docs
(`reasoning_content`); vLLM's protocol (`reasoning` under both names); Mistral's API reference (thinking inside of
`content`); open-webui/computer issue 224 (Gemini's calls without index).
"""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from tokens_forge.core.errors import UpstreamFault
from tokens_forge.wire.request import NULL, UNREADABLE, begins, is_text, object_or_none, utf8
from tokens_forge.wire.usage_objects import Told, after, given, read_told, says, told_in_chat

REASONING_MEMBERS = ("reasoning_content", "reasoning")
"""Members in which servers give their reasoning and take it back."""


class Function(msgspec.Struct):
    """What a call of a tool calls, as far as a chunk says it."""

    name: str | None = None
    arguments: msgspec.Raw = msgspec.Raw()


class ToolCall(msgspec.Struct):
    """A call of a tool, or a piece of one."""

    index: msgspec.Raw = msgspec.Raw()
    id: str | None = None
    function: Function | None = None
    extra_content: msgspec.Raw = msgspec.Raw()
    """What Gemini adds to a call and wants back with it."""


class Said(msgspec.Struct):
    """What a choice says."""

    content: msgspec.Raw = msgspec.Raw()
    reasoning_content: msgspec.Raw = msgspec.Raw()
    reasoning: msgspec.Raw = msgspec.Raw()
    refusal: msgspec.Raw = msgspec.Raw()
    annotations: msgspec.Raw = msgspec.Raw()
    tool_calls: list[ToolCall] | None = None


class Choice(msgspec.Struct):
    """One answer, or a piece of one."""

    index: msgspec.Raw = msgspec.Raw()
    delta: Said | None = None
    message: Said | None = None
    finish_reason: str | None = None
    stop_reason: msgspec.Raw = msgspec.Raw()
    """Of vLLM: the text that it stopped at."""
    usage: msgspec.Raw = msgspec.Raw()

    @property
    def place(self) -> bytes:
        """Its index, as it was written."""
        return bytes(self.index) or b"0"


class Chunk(msgspec.Struct):
    """A chunk of a stream, or a whole reply."""

    id: msgspec.Raw = msgspec.Raw()
    model: str | None = None
    service_tier: msgspec.Raw = msgspec.Raw()
    choices: list[Choice] | None = None
    usage: msgspec.Raw = msgspec.Raw()


def read_reply(body: bytes) -> Chunk:
    """Return a whole reply. Raises UpstreamFault for what is none."""
    try:
        return _decode_chunk(utf8(body))
    except UNREADABLE as error:
        raise UpstreamFault("the reply is no chat completion") from error


def read_chunk(data: bytes | None) -> Chunk:
    """Return a chunk of a stream. Raises UpstreamFault for what is none."""
    try:
        return _decode_chunk(utf8(data or b""))
    except UNREADABLE as error:
        raise UpstreamFault("an event of the stream is no chunk of a chat completion") from error


def text_of(raw: msgspec.Raw) -> str:
    """Return a text; empty for anything else. Its bytes were looked at with the chunk."""
    if len(raw) == 0 or not is_text(raw):  # Most members of a chunk are not there.
        return ""
    return _decode_text(raw)


def thought_of(said: Said) -> tuple[str, str]:
    """Return the reasoning, empty for none, and the member that it came in.

    Some servers give it under both names: one of them is enough.
    """
    if thought := text_of(said.reasoning_content):
        return thought, REASONING_MEMBERS[0]
    return text_of(said.reasoning), REASONING_MEMBERS[1]


def contents_of(said: Said) -> Iterator[tuple[str, str]]:
    """Yield what a content says, ``thinking`` or ``text`` and its words; Mistral's is a list of both."""
    if text := text_of(said.content):
        yield "text", text
    elif begins(said.content, b"["):
        for piece in _pieces(said.content):
            if piece.text:
                yield "text", piece.text
            elif begins(piece.thinking, b"["):
                thoughts = (inner.text for inner in _pieces(piece.thinking))
                yield from (("thinking", thought) for thought in thoughts if thought)


def arguments_of(function: Function) -> str:
    """Return a tool's arguments as JSON; some servers give the object itself instead of its text."""
    raw = function.arguments
    return text_of(raw) if is_text(raw) or raw in _NOTHING else bytes(raw).decode()


def is_indexed(call: ToolCall) -> bool:
    """Say whether a piece of a call says of which call it is."""
    return call.index not in _NOTHING


def goes_on(call: ToolCall, last_id: str) -> bool:
    """Say whether a piece under a new index belongs to the last call: it has no name, nor another id."""
    return not (call.function or NO_FUNCTION).name and (call.id or last_id) == last_id


def begins_call(call: ToolCall, last_id: str, said: Iterable[str]) -> bool:
    """Say whether a piece begins another call than the one with `last_id`, the last of its index.

    Some servers leave out the index: then the id tells, or else the name. Some give every call the same one, each with
    its id and name; without an id a named call that is whole begins after one that is (`said`: the pieces of its
    arguments).
    """
    call_id, name = call.id or "", (call.function or NO_FUNCTION).name or ""
    if not is_indexed(call):
        return call_id != last_id if call_id else name != ""
    if name == "" or call_id:
        return name != "" and call_id != last_id
    return is_whole("".join(said)) and is_whole(arguments_of(call.function or NO_FUNCTION))


def is_whole(arguments: str) -> bool:
    """Say whether a tool's arguments are a JSON object."""
    return object_or_none(arguments) is not None


def usage_after(earlier: Told | None, raw: msgspec.Raw, *, ended: bool) -> Told | None:
    """Return the usage of an answer after a `usage` of its stream, the same that is billed (CASES 61).

    A zero before the answer `ended` is a placeholder and says nothing.
    """
    if not given(raw):
        return earlier
    told = told_in_chat(raw)
    return after(earlier, told) if told.is_usage and (ended or says(told)) else earlier


def classes_of(told: Told | None) -> Mapping[str, int] | None:
    """Return a usage in disjoint classes; None where there is none, or none that can be true."""
    reading = None if told is None else read_told(told, "openai_chat").reading
    return None if reading is None or not reading.usage else reading.usage


class _Piece(msgspec.Struct):
    """A part of a content that is a list."""

    text: str | None = None
    thinking: msgspec.Raw = msgspec.Raw()


NO_FUNCTION = Function()
_NOTHING = (msgspec.Raw(), NULL)

_decode_chunk = msgspec.json.Decoder(Chunk).decode
_decode_pieces = msgspec.json.Decoder(list[_Piece]).decode
_decode_text = msgspec.json.Decoder(str).decode


def _pieces(raw: msgspec.Raw) -> list[_Piece]:
    try:
        return _decode_pieces(raw)
    except UNREADABLE as error:
        raise UpstreamFault("the content of an answer is neither a text nor a list of parts") from error
