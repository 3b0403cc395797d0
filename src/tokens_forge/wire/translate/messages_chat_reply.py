"""A chat completion, whole or streamed, told as an Anthropic message.

Decides which blocks an answer has, in which order they go out, and how it is said that it ended. A reply and a stream
are read by the same code, so that they say the same. What it says of usage is for the client's eyes; what is billed
is read from the upstream's own bytes.

A message's blocks go out one after the other, and a chat's tool calls may grow side by side. So a call stays open
until its arguments are whole, and what was begun meanwhile waits; where calls come one after the other, nothing
waits.

Reasoning becomes a block of thinking where the client asked for thinking or has tools: DeepSeek wants it back then.
Any other client takes the first block for the answer and is not told. Its signature is the name of the member that it
came in, so that it goes back there; without one some clients leave it out of what they send next (Claude Code,
Vercel's AI SDK). What Gemini adds to a call and wants back with it (`extra_content`, with its `thought_signature`) is
the signature of a block without thoughts before the call. Another choice than the first was not asked for and is left
out; so are prices and annotations, which a message has no place for.

Sources, read 2026-11: the types and the accumulator of Anthropic's Python library 2.13.0 (`Message`,
`RawMessageStreamEvent`, `lib/streaming`); its docs ("Streaming Messages", "Handling stop reasons", "Fine-grained tool
streaming": invalid JSON is wrapped in an object); OpenAI API reference (`finish_reason`); vLLM's protocol (a text in
`stop_reason` is the stop sequence); Mistral's API reference (`model_length`, thinking inside of `content`); DeepSeek
API docs (`insufficient_system_resource`); open-webui/computer issue 224 (Gemini's calls without index that end with
`stop`) and THU-MAIC/OpenMAIC issue 1556 (`extra_content`); Alishahryar1/free-claude-code pull request 599 (thinking
without a `signature_delta` is not kept).
"""

from collections.abc import Iterator, Mapping

import msgspec

from tokens_forge.core.errors import UpstreamFault
from tokens_forge.core.usage import written
from tokens_forge.wire.estimate import quarters, tokens
from tokens_forge.wire.request import NULL, UNREADABLE, Fields, Request
from tokens_forge.wire.sse import Event, data_event
from tokens_forge.wire.translate.chat_answers import (
    NO_FUNCTION,
    Choice,
    Chunk,
    Said,
    ToolCall,
    arguments_of,
    begins_call,
    classes_of,
    contents_of,
    goes_on,
    is_indexed,
    is_whole,
    read_chunk,
    read_reply,
    text_of,
    thought_of,
    usage_after,
)
from tokens_forge.wire.translate.made_ids import made_id
from tokens_forge.wire.translate.messages_blocks import called_with
from tokens_forge.wire.translate.messages_chat_request import EXTRA_CONTENT, wrapped_id
from tokens_forge.wire.translate.object_end import ObjectEnd
from tokens_forge.wire.usage_objects import Told, given

_STOP_REASONS: Mapping[str, str] = {
    "length": "max_tokens",
    "insufficient_system_resource": "max_tokens",
    "model_length": "model_context_window_exceeded",
    "content_filter": "refusal",
}
"""By the upstream's word. Any other is an end of the turn, or of the calls in it: Gemini says `stop` there too."""


def translate_reply(body: bytes, request: Request, call_id: str) -> bytes:
    """Return the message that says what a chat completion says. Raises UpstreamFault for what is none."""
    answer = _Answer(request, call_id)
    answer.add(read_reply(body))
    if not answer.begun:
        raise UpstreamFault("the reply is a chat completion without a choice")
    return msgspec.json.encode(answer.message())


class MessagesStream:
    """Turns a stream of chat completion chunks into the events of a message."""

    def __init__(self, request: Request, call_id: str) -> None:
        self._answer = _Answer(request, call_id)
        self._begun = False
        self._place = 0
        """Of the block that goes out."""
        self._open = False
        self._gone = 0
        """How many pieces of it went out."""

    def feed(self, event: Event) -> bytes:
        """Return the events that one chunk leads to."""
        self._answer.add(read_chunk(event.data))
        # Azure's first chunk has neither a choice nor a model's name: the message begins with the first choice.
        return b"".join(self._events(ended=False)) if self._answer.begun else b""

    def end(self) -> bytes:
        """Return what ends the stream: the blocks that are left, the usage and `message_stop`."""
        return b"".join([*self._events(ended=True), *self._ending()])

    def broken(self, *, code: str, message: str) -> bytes:  # noqa: ARG002 - an error event stands alone there
        """Return nothing: an error event ends any stream."""
        return b""

    def _events(self, *, ended: bool) -> Iterator[bytes]:
        if not self._begun:
            self._begun = True
            yield _event("message_start", message=self._answer.opening())
        blocks = self._answer.blocks
        while self._place < len(blocks):
            block = blocks[self._place]
            yield from self._grown(block)
            if not ended and (self._place == len(blocks) - 1 or not block.whole):
                return
            yield from self._stopped(block)

    def _grown(self, block: "_Block") -> Iterator[bytes]:
        if not self._open:
            self._open = True
            yield _event("content_block_start", index=self._place, content_block=block.opening())
        if text := "".join(block.pieces[self._gone :]):
            self._gone = len(block.pieces)
            yield _event("content_block_delta", index=self._place, delta=block.delta(text))

    def _stopped(self, block: "_Block") -> Iterator[bytes]:
        if block.kind == "thinking":
            signature = {"type": "signature_delta", "signature": block.name}
            yield _event("content_block_delta", index=self._place, delta=signature)
        yield _event("content_block_stop", index=self._place)
        self._place, self._open, self._gone = self._place + 1, False, 0

    def _ending(self) -> Iterator[bytes]:
        usage = self._answer.usage()
        yield _event(
            "message_delta",
            delta=self._answer.stop() | {"container": None},
            usage={name: usage[name] for name in _CUMULATIVE},
        )
        yield _event("message_stop")


_CUMULATIVE = (
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "output_tokens",
    "output_tokens_details",
    "server_tool_use",
)
"""What `message_delta` says of the usage, of the whole answer."""


class _Block:
    """A block of a message, as far as it was said."""

    def __init__(self, kind: str, name: str = "", call_id: str = "") -> None:
        self.kind = kind
        self.name = name
        """A tool's name; of thinking its signature."""
        self.call_id = call_id
        self.pieces: list[str] = []
        self._end = ObjectEnd()
        """Of a tool's arguments."""
        self._is_object: bool | None = None
        """What they turned out to be once they ended."""

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def whole(self) -> bool:
        """Whether nothing can follow once another block has begun."""
        if self.kind != "tool_use":
            return True
        if self._is_object is None and self._end.reached:
            self._is_object = is_whole(self.text)
        return self._end.reached and self._is_object is True

    def add(self, piece: str) -> None:
        """Add a piece of what it says."""
        self.pieces.append(piece)
        if self.kind == "tool_use":
            self._end.add(piece)

    def opening(self) -> dict[str, object]:
        """Return the block as it begins, without what it says."""
        match self.kind:
            case "tool_use":
                call_id = wrapped_id(self.call_id)
                return {"type": "tool_use", "id": call_id, "name": self.name, "input": {}, "caller": _DIRECT}
            case "thinking":
                return {"type": "thinking", "thinking": "", "signature": ""}
            case _:
                return {"type": "text", "text": ""}

    def delta(self, text: str) -> dict[str, object]:
        match self.kind:
            case "tool_use":
                return {"type": "input_json_delta", "partial_json": text}
            case "thinking":
                return {"type": "thinking_delta", "thinking": text}
            case _:
                return {"type": "text_delta", "text": text}

    def complete(self) -> dict[str, object]:
        """Return the block with all that it says."""
        match self.kind:
            case "tool_use":
                return self.opening() | {"input": called_with(self.text)}
            case "thinking":
                return self.opening() | {"thinking": self.text, "signature": self.name}
            case _:
                return self.opening() | {"text": self.text}


_DIRECT = {"type": "direct"}


class _Answer:
    """What an upstream has said so far, in one chunk or many."""

    def __init__(self, request: Request, call_id: str) -> None:
        self._request = request
        self._call_id = call_id
        self._thinking = _wants_thinking(request.fields)
        self._id = ""
        self._model = ""
        self._choice = b""
        """The index of the first choice; any other is not heard."""
        self._calls: dict[bytes, _Block] = {}
        """The last call of each index."""
        self._last_call: _Block | None = None
        self._count = 0
        """Of calls."""
        self._finish = ""
        self._refused = False
        self._sequence: str | None = None
        self._told: Told | None = None
        self._quarters = 0
        self.blocks: list[_Block] = []

    @property
    def begun(self) -> bool:
        """Whether a choice came."""
        return self._choice != b""

    def add(self, chunk: Chunk) -> None:
        """Add what one chunk says, or a whole reply."""
        self._id = self._id or text_of(chunk.id)
        self._model = self._model or chunk.model or ""
        for choice in chunk.choices or ():
            place = choice.place
            self._choice = self._choice or place
            if place == self._choice:
                self._add_choice(choice)
                self._told = usage_after(self._told, choice.usage, ended=True)  # as Moonshot tells it
        self._told = usage_after(self._told, chunk.usage, ended=self._finish != "")

    def message(self) -> dict[str, object]:
        """Return the whole message."""
        content = [block.complete() for block in self.blocks]
        return self.opening() | {"content": content} | self.stop() | {"usage": self.usage()}

    def opening(self) -> dict[str, object]:
        """Return the message as it begins.

        No chat says its input before its end (but for those that repeat their usage in every chunk): until then
        our estimate stands, since a client that takes a zero for its context's size never makes it smaller.
        """
        return {
            "id": self._id or made_id("msg_", self._call_id),
            "type": "message",
            "role": "assistant",
            "model": self._model or self._request.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "stop_details": None,
            "container": None,
            "usage": self.usage(),
        }

    def stop(self) -> dict[str, object]:
        """Return why it ended."""
        if self._sequence is not None:
            reason = "stop_sequence"
        elif self._refused:
            reason = "refusal"
        else:
            calls = any(block.kind == "tool_use" for block in self.blocks)
            reason = _STOP_REASONS.get(self._finish, "tool_use" if calls else "end_turn")
        return {"stop_reason": reason, "stop_sequence": self._sequence, "stop_details": None}

    def usage(self) -> dict[str, object]:
        """Return the usage in Anthropic's terms; our estimates where the upstream reports none."""
        told = classes_of(self._told)
        if told is None:
            counts: dict[str, object] = {
                "input_tokens": self._request.input_estimate,
                "cache_creation_input_tokens": None,
                "cache_read_input_tokens": None,
                "output_tokens": tokens(self._quarters),
                "output_tokens_details": None,
            }
        else:
            reasoning = told.get("reasoning")
            counts = {
                "input_tokens": told["input"] + told.get("audio_in", 0) + told.get("image_in", 0),
                "cache_creation_input_tokens": written(told),
                "cache_read_input_tokens": told.get("cache_read", 0),
                "output_tokens": told["output"] + told.get("audio_out", 0) + told.get("image_out", 0),
                "output_tokens_details": None if reasoning is None else {"thinking_tokens": reasoning},
            }
        return counts | {"cache_creation": None, "inference_geo": None, "server_tool_use": None, "service_tier": None}

    def _add_choice(self, choice: Choice) -> None:
        said = choice.delta or choice.message
        if said is not None:
            self._add_said(said)
        self._finish = self._finish or choice.finish_reason or ""
        sequence = text_of(choice.stop_reason)
        if sequence and sequence in _stop_sequences(self._request):
            self._sequence = sequence

    def _add_said(self, said: Said) -> None:
        thought, member = thought_of(said)
        if thought:
            self._say("thinking", thought, member)
        for kind, text in contents_of(said):
            self._say(kind, text, "content" if kind == "thinking" else "")
        if refusal := text_of(said.refusal):
            self._refused = True
            self._say("text", refusal)
        for call in said.tool_calls or ():
            self._add_call(call)

    def _say(self, kind: str, text: str, name: str = "") -> None:
        if kind == "thinking" and not self._thinking:
            self._quarters += quarters(text.encode())
            return
        last = self.blocks[-1] if self.blocks else None
        if last is None or (last.kind, last.name) != (kind, name):
            last = _Block(kind, name)
            self.blocks.append(last)
        self._piece(last, text)

    def _add_call(self, call: ToolCall) -> None:
        function = call.function or NO_FUNCTION
        index, name = bytes(call.index), function.name or ""
        block = self._calls.get(index) if is_indexed(call) else self._last_call
        if block is None and self._last_call is not None and goes_on(call, self._last_call.call_id):
            block = self._last_call
        if block is None or begins_call(call, block.call_id, block.pieces):
            block = _Block("tool_use", call_id=call.id or made_id("toolu_", self._call_id, self._count))
            self._count += 1
        if name and not block.name:
            # A call begins with its name: without one nobody can answer it, and it is never told.
            block.name = name
            if given(call.extra_content):
                self.blocks.append(_Block("thinking", EXTRA_CONTENT + bytes(call.extra_content).decode()))
            self.blocks.append(block)
        self._calls[index] = self._last_call = block
        if arguments := arguments_of(function):
            self._piece(block, arguments)

    def _piece(self, block: _Block, text: str) -> None:
        block.add(text)
        self._quarters += quarters(text.encode())


class _Kind(msgspec.Struct):
    type: str = ""


_decode_kind = msgspec.json.Decoder(_Kind | None).decode
_decode_texts = msgspec.json.Decoder(list[str]).decode


def _wants_thinking(fields: Fields) -> bool:
    """Say whether a client asked for thinking, or has tools and so must give it back."""
    try:
        kind = _decode_kind(fields.get("thinking", NULL))
    except UNREADABLE:
        kind = None
    asked = kind is not None and kind.type not in {"", "disabled"}
    return asked or bytes(fields.get("tools", NULL)) not in {b"null", b"[]"}


def _stop_sequences(request: Request) -> list[str]:
    try:
        return _decode_texts(request.fields.get("stop_sequences", NULL))
    except UNREADABLE:
        return []


def _event(name: str, **members: object) -> bytes:
    """Return an event of a message's stream; its name is in its data too."""
    return data_event(msgspec.json.encode({"type": name} | members), name)
