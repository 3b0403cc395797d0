"""What Anthropic's Messages answer, told as a response: whole or as it comes.

Decides what each block becomes. A thought becomes a reasoning item, whose `encrypted_content` brings the whole block
back (`responses_thinking.py`); texts in a row become one message, their sources its annotations; a call becomes the
kind of call that the client's tool is called with. What the upstream's own tools were asked and found is left out: a
search is seen by the sources of the text after it. A whole reply is read as the stream that it could have been, so
that both say the same. Usage is shown as it is billed, from the native object.

Sources, read 2026-11: the types of Anthropic's Python library 2.13.0 (`Message`, `RawMessageStreamEvent`, `StopReason`,
`RefusalStopDetails`) and its docs "Streaming messages", "Handling stop reasons"; OpenAI API reference ("The response
object": `incomplete_details`).
"""

from collections.abc import Iterable, Mapping

import msgspec

from tokens_forge.core.errors import UpstreamFault
from tokens_forge.wire.request import UNREADABLE, Request, utf8
from tokens_forge.wire.sse import Event
from tokens_forge.wire.translate.messages_blocks import TIERS
from tokens_forge.wire.translate.responses_messages_tools import tools_by_name
from tokens_forge.wire.translate.responses_output import CalledTool, Incomplete, Output
from tokens_forge.wire.translate.responses_thinking import Redacted, Thinking, sealed
from tokens_forge.wire.usage_objects import read_anthropic_messages


def translate_reply(body: bytes, request: Request, call_id: str) -> bytes:
    """Return the response for a whole message. Raises UpstreamFault for what is none."""
    try:
        message = _decode_message(utf8(body))
    except UNREADABLE as error:
        raise UpstreamFault("the reply is no message") from error
    if message.content is None:
        raise UpstreamFault("the reply is a message without content")
    told = _Answer(request, call_id, streamed=False)
    told.begin(message)
    for block in message.content:
        told.open(block)
        told.close()
    told.stop(message.stop_reason, message.stop_details)
    told.finish()
    return msgspec.json.encode(told.output.response())


class ResponsesStream:
    """Tells a stream of Messages as one of Responses."""

    def __init__(self, request: Request, call_id: str) -> None:
        self._answer = _Answer(request, call_id, streamed=True)

    def feed(self, event: Event) -> bytes:
        """Return the events for one of the upstream's. Raises UpstreamFault for what can't be read."""
        try:
            told = _decode_event(utf8(event.data or b""))
        except UNREADABLE as error:
            raise UpstreamFault("an event of the stream is none of Messages") from error
        match told.type:
            case "message_start" if told.message is not None:
                self._answer.begin(told.message)
            case "content_block_start" if told.content_block is not None:
                self._answer.open(told.content_block)
            case "content_block_delta" if told.delta is not None:
                self._answer.add(told.delta)
            case "content_block_stop":
                self._answer.close()
            case "message_delta" if told.delta is not None:
                self._answer.count(told.usage)
                self._answer.stop(told.delta.stop_reason, told.delta.stop_details)
            case _:
                pass
        return self._answer.output.taken()

    def end(self) -> bytes:
        """Return the end of the response."""
        self._answer.finish()
        return self._answer.output.taken()

    def broken(self, *, code: str, message: str) -> bytes:
        """Return the end of a response that failed, with what was said."""
        self._answer.output.fail(code, message)
        return self._answer.output.taken()


class _Answer:
    """What the model said so far; one block is open at a time, and a block that begins ends the one before."""

    def __init__(self, request: Request, call_id: str, *, streamed: bool) -> None:
        self.output = Output(request, call_id, streamed=streamed)
        self._tools = tools_by_name(request.fields)
        self._begun = False
        self._block = _Block()
        """The block that is open; one without a type is none."""
        self._thinking: list[str] = []
        """The words of its thought."""
        self._signature: list[str] = []
        self._citations: list[_Citation] = []
        self._place: int | None = None
        """Where its call stands."""
        self._argued = False
        self._said = self._start = 0
        """Characters that the open message says, and those before its block."""
        self._usages: list[bytes] = []
        self._ending: Incomplete = ""

    def begin(self, message: "_Message") -> None:
        """Begin the response."""
        self.count(message.usage)
        if not self._begun:
            self._begun = True
            self.output.begin(message.model or "")

    def count(self, usage: msgspec.Raw) -> None:
        """Note what is said of the usage; of each count the last word holds."""
        self._usages.append(bytes(usage))

    def open(self, block: "_Block") -> None:
        """Begin a block, with what it has from the start."""
        self._need_response()
        self.close()
        self._block, self._thinking, self._place, self._argued = block, [], None, False
        self._signature, self._citations = [block.signature or ""], list(block.citations or ())
        if block.type != "text":
            self.output.close()
            self._said = 0
        self._start = self._said
        match block.type:
            case "text":
                self._say(block.text or "")
            case "thinking":
                self._think(block.thinking or "")
            case "tool_use":
                self._place = self.output.call(self._tool(block.name or ""), block.id or "")
            case _:
                pass

    def add(self, delta: "_Delta") -> None:
        """Add to the open block. Words of another kind begin a block: some upstreams tell of no beginning."""
        match delta.type:
            case "text_delta":
                self._need_block("text")
                self._say(delta.text or "")
            case "thinking_delta":
                self._need_block("thinking")
                self._think(delta.thinking or "")
            case "signature_delta":
                self._signature.append(delta.signature or "")
            case "citations_delta" if delta.citation is not None:
                self._citations.append(delta.citation)
            case "input_json_delta":
                self._argue(delta.partial_json or "")
            case _:
                pass

    def close(self) -> None:
        """End the block that is open."""
        block, self._block = self._block, _Block()
        match block.type:
            case "text":
                self._cite(self._citations)
            case "thinking":
                signature = "".join(self._signature)
                self.output.seal(sealed(Thinking(thinking="".join(self._thinking), signature=signature)))
            case "redacted_thinking":
                self.output.seal(sealed(Redacted(data=block.data or "")))
            case "tool_use" if self._place is not None:
                if not self._argued:
                    self._argue(bytes(block.input).decode() or "{}")
                self.output.end_call(self._place)
            case _:
                pass

    def stop(self, reason: str | None, details: "_StopDetails | None") -> None:
        """Note why it ended; the words with which it refuses are part of the answer."""
        if reason is not None:
            self._ending = _INCOMPLETE.get(reason, "")
        if details is not None and details.explanation:
            self._need_response()
            self.close()
            self.output.refusal(details.explanation)

    def finish(self) -> None:
        """End the response."""
        self._need_response()
        self.close()
        read = read_anthropic_messages(*self._usages)
        usage = None if read.reading is None else read.reading.usage
        self.output.finish(self._ending, usage=usage, tier=TIERS.get(read.tier_served, ""))

    def _need_response(self) -> None:
        if not self._begun:
            self.begin(_Message())

    def _need_block(self, kind: str) -> None:
        if self._block.type != kind:
            self.open(_Block(type=kind))

    def _say(self, text: str) -> None:
        if text:
            self._said += len(text)
            self.output.text(text)

    def _think(self, text: str) -> None:
        if text:
            self._thinking.append(text)
            self.output.reasoning(text)

    def _argue(self, piece: str) -> None:
        if piece and self._place is not None:
            self._argued = True
            self.output.arguments(self._place, piece)

    def _tool(self, name: str) -> CalledTool:
        """Return the client's tool of a name; a name that it has not is told as it is."""
        tool = self._tools.get(name)
        if tool is None or tool.kind == "web_search":
            return CalledTool(kind="function", name=name)
        return CalledTool(kind=tool.kind, name=tool.name, namespace=tool.namespace)

    def _cite(self, sources: "Iterable[_Citation]") -> None:
        """Name the sources of a text that are on the web; of what was sent along there is no address."""
        for source in sources:
            if source.url and self._said > self._start:
                self.output.annotate(
                    {
                        "type": "url_citation",
                        "url": source.url,
                        "title": source.title or source.url,
                        "start_index": self._start,
                        "end_index": self._said,
                    }
                )


_INCOMPLETE: Mapping[str, Incomplete] = {
    "max_tokens": "max_output_tokens",
    "model_context_window_exceeded": "max_output_tokens",
    "pause_turn": "max_output_tokens",
    "refusal": "content_filter",
}
"""Why an answer is not whole, in the words of Responses. A turn that pauses can't be taken up again from there."""


class _Citation(msgspec.Struct):
    url: str | None = None
    title: str | None = None


class _Block(msgspec.Struct):
    """A content block. Which members it has is its type's affair; some upstreams write null for none."""

    type: str = ""
    text: str | None = None
    citations: list[_Citation] | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.Raw()


class _Delta(msgspec.Struct):
    """What is added to a block, or to the message."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    citation: _Citation | None = None
    stop_reason: str | None = None
    stop_details: "_StopDetails | None" = None


class _StopDetails(msgspec.Struct):
    explanation: str | None = None


class _Message(msgspec.Struct):
    model: str | None = None
    content: list[_Block] | None = None
    stop_reason: str | None = None
    stop_details: _StopDetails | None = None
    usage: msgspec.Raw = msgspec.Raw()


class _Event(msgspec.Struct):
    type: str = ""
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: msgspec.Raw = msgspec.Raw()


_decode_message = msgspec.json.Decoder(_Message).decode
_decode_event = msgspec.json.Decoder(_Event).decode
