"""A chat completion, whole or streamed, told as a response.

Decides which items an answer has and how it is said that it ended. A reply and a stream are read by the same code, so
that they say the same; items and events are `responses_output.py`'s. What it says of usage is for the client's eyes;
what is billed is read from the upstream's own bytes.

Reasoning becomes a reasoning item whose `encrypted_content` names the member that it came in, so that it goes back
there (`responses_chat_request.py`). A call of a tool ends where another thing begins and its arguments are whole;
others end with the answer. Another choice than the first was not asked for and is left out; so are prices, which a
response has no place for. What Gemini adds to a call (`extra_content`, a signature that it wants back) is the
`encrypted_content` of a reasoning item before it.

Sources, read 2026-11: OpenAI API reference ("The chat completion chunk object", `finish_reason`, `annotations`);
DeepSeek API docs (`reasoning_content`, `insufficient_system_resource`); vLLM's protocol (`reasoning` under both
names); Mistral's API reference (`model_length`, thinking inside of `content`); open-webui/computer issue 224 (Gemini's
calls without index).
"""

from collections.abc import Iterator, Mapping

import msgspec

from tokens_forge.core.errors import UpstreamFault
from tokens_forge.wire.request import UNREADABLE, Fields, Request, utf8
from tokens_forge.wire.sse import Event
from tokens_forge.wire.translate.object_end import ObjectEnd
from tokens_forge.wire.translate.responses_chat_request import EXTRA_CONTENT_MARK, REASONING_MARK, REASONING_MEMBERS
from tokens_forge.wire.translate.responses_chat_tools import called_tools
from tokens_forge.wire.translate.responses_output import CalledTool, Incomplete, Output
from tokens_forge.wire.usage_objects import given, read_openai_chat

_INCOMPLETE: Mapping[str, Incomplete] = {
    "length": "max_output_tokens",
    "model_length": "max_output_tokens",
    "insufficient_system_resource": "max_output_tokens",
    "content_filter": "content_filter",
}
"""By the upstream's word. Any other is an end of the answer."""


def translate_reply(body: bytes, request: Request, call_id: str) -> bytes:
    """Return the response that says what a chat completion says. Raises UpstreamFault for what is none."""
    answer = _Answer(request, call_id, streamed=False)
    answer.add(_chunk(body, "the reply is no chat completion"))
    if not answer.begun:
        raise UpstreamFault("the reply is a chat completion without a choice")
    answer.finish()
    return msgspec.json.encode(answer.output.response())


class ResponsesStream:
    """Turns a stream of chat completion chunks into the events of a response."""

    def __init__(self, request: Request, call_id: str) -> None:
        self._answer = _Answer(request, call_id, streamed=True)

    def feed(self, event: Event) -> bytes:
        """Return the events that one chunk leads to."""
        self._answer.add(_chunk(event.data or b"", "an event of the stream is no chunk of a chat completion"))
        return self._answer.output.taken()

    def end(self) -> bytes:
        """Return what ends the stream: what is still open, and the whole response."""
        self._answer.finish()
        return self._answer.output.taken()


class _Call:
    """A call of a tool, as far as it was said."""

    def __init__(self, call_id: str) -> None:
        self.call_id = call_id
        self.place: int | None = None
        """In the output; None until its name comes. Without one nobody can answer it, and it is never told."""
        self.pieces: list[str] = []
        self.end = ObjectEnd()
        self.grown = False
        """Whether more came since it was last looked at."""

    def add(self, piece: str) -> None:
        """Add a piece of its arguments."""
        self.pieces.append(piece)
        self.end.add(piece)


class _Answer:
    """What an upstream has said so far, in one chunk or many."""

    def __init__(self, request: Request, call_id: str, *, streamed: bool) -> None:
        self.output = Output(request, call_id, streamed=streamed)
        self._request = request
        self._tools: Mapping[str, CalledTool] = {}
        self._model = ""
        self._choice = b""
        """The index of the first choice; any other is not heard."""
        self._calls: dict[bytes, _Call] = {}
        """The last call of each index."""
        self._last_call: _Call | None = None
        self._grown: list[_Call] = []
        """The calls of which more came since they were last looked at."""
        self._finish = ""
        self._tier = ""
        self._usage: Mapping[str, int] | None = None

    @property
    def begun(self) -> bool:
        """Whether a choice came."""
        return self._choice != b""

    def add(self, chunk: "_Chunk") -> None:
        """Add what one chunk says, or a whole reply."""
        self._model = self._model or chunk.model or ""
        self._tier = chunk.service_tier or self._tier
        for choice in chunk.choices or ():
            index = bytes(choice.index) or b"0"
            if not self.begun:
                self._choice = index
                self._begin()
            if index == self._choice:
                self._add_choice(choice)
        if given(chunk.usage):
            reading = read_openai_chat(chunk.usage).reading
            # A zero before the end is a placeholder, and what can't be true says nothing.
            if reading is not None and reading.usage and (self._finish or any(reading.usage.values())):
                self._usage = reading.usage

    def finish(self) -> None:
        """End the answer."""
        if not self.begun:
            self._begin()
        self.output.finish(_INCOMPLETE.get(self._finish, ""), usage=self._usage, tier=self._tier)

    def _begin(self) -> None:
        # Azure's first chunk has neither a choice nor a model's name: the response begins with the first choice.
        self._tools = called_tools(self._request.fields)
        self.output.begin(self._model or self._request.model)

    def _add_choice(self, choice: "_Choice") -> None:
        said = choice.delta or choice.message
        if said is not None:
            self._add_said(said)
        self._finish = self._finish or choice.finish_reason or ""
        if given(choice.usage) and (reading := read_openai_chat(choice.usage).reading) is not None and reading.usage:
            self._usage = reading.usage

    def _add_said(self, said: "_Said") -> None:
        # Some give their reasoning under both names: one of them is enough.
        for name, raw in zip(REASONING_MEMBERS, (said.reasoning_content, said.reasoning), strict=True):
            if thought := _text(raw) if _is_text(raw) else "":
                self._think(thought, name)
                break
        for kind, text in _content(said.content):
            if kind == "thinking":
                self._think(text, "")
            else:
                self._end_whole()
                self.output.text(text)
        if refusal := _text(said.refusal) if _is_text(said.refusal) else "":
            self._end_whole()
            self.output.refusal(refusal)
        for annotation in said.annotations or ():
            if annotation.url_citation is not None:
                self.output.annotate({"type": "url_citation"} | msgspec.to_builtins(annotation.url_citation))
        for call in said.tool_calls or ():
            self._add_call(call)

    def _think(self, text: str, member: str) -> None:
        """Tell of the reasoning; what came inside of the content has no member of its own to go back in."""
        self._end_whole()
        self.output.reasoning(text)
        self.output.seal(REASONING_MARK + member)

    def _add_call(self, said: "_ToolCall") -> None:
        function = said.function or _NO_FUNCTION
        index, call_id, name = bytes(said.index), said.id or "", function.name or ""
        indexed = index not in {b"", b"null"}
        call = self._calls.get(index) if indexed else self._last_call
        if call is None or _is_another(call, call_id, name, indexed=indexed):
            self._end_whole()
            call = _Call(call_id)
        self._calls[index] = self._last_call = call
        call.add(_arguments(function.arguments))
        if not call.grown:
            call.grown = True
            self._grown.append(call)
        if call.place is not None:
            self.output.arguments(call.place, call.pieces[-1])
        elif name:
            if given(said.extra_content):
                self.output.close()
                self.output.seal(EXTRA_CONTENT_MARK + bytes(said.extra_content).decode())
            call.place = self.output.call(self._tools.get(name) or CalledTool(kind="function", name=name), call.call_id)
            self.output.arguments(call.place, "".join(call.pieces))

    def _end_whole(self) -> None:
        """End the calls whose arguments are whole, since another thing begins."""
        for call in self._grown:
            if call.place is not None and call.end.reached and _is_object("".join(call.pieces)):
                self.output.end_call(call.place)
            call.grown = False
        self._grown.clear()


def _is_another(call: _Call, call_id: str, name: str, *, indexed: bool) -> bool:
    """Say whether a piece of a call begins another one than `call`.

    Some servers leave out the index: then the id tells, or else the name. Some give every call the same one, each with
    its id and name.
    """
    if not indexed:
        return call_id != call.call_id if call_id else name != ""
    return call_id != "" and name != "" and call_id != call.call_id


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: msgspec.Raw = msgspec.Raw()


class _ToolCall(msgspec.Struct):
    index: msgspec.Raw = msgspec.Raw()
    id: str | None = None
    function: _Function | None = None
    extra_content: msgspec.Raw = msgspec.Raw()


class _Citation(msgspec.Struct):
    start_index: int
    end_index: int
    url: str
    title: str = ""


class _Annotation(msgspec.Struct):
    url_citation: _Citation | None = None


class _Said(msgspec.Struct):
    content: msgspec.Raw = msgspec.Raw()
    reasoning_content: msgspec.Raw = msgspec.Raw()
    reasoning: msgspec.Raw = msgspec.Raw()
    refusal: msgspec.Raw = msgspec.Raw()
    annotations: list[_Annotation] | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct):
    index: msgspec.Raw = msgspec.Raw()
    delta: _Said | None = None
    message: _Said | None = None
    finish_reason: str | None = None
    usage: msgspec.Raw = msgspec.Raw()


class _Chunk(msgspec.Struct):
    model: str | None = None
    service_tier: str | None = None
    choices: list[_Choice] | None = None
    usage: msgspec.Raw = msgspec.Raw()


class _Piece(msgspec.Struct):
    """A part of a content that is a list."""

    text: str | None = None
    thinking: msgspec.Raw = msgspec.Raw()


_NO_FUNCTION = _Function()
_decode_chunk = msgspec.json.Decoder(_Chunk).decode
_decode_pieces = msgspec.json.Decoder(list[_Piece]).decode
_decode_text = msgspec.json.Decoder(str).decode
_decode_members = msgspec.json.Decoder(Fields).decode


def _chunk(data: bytes, otherwise: str) -> _Chunk:
    try:
        return _decode_chunk(utf8(data))
    except UNREADABLE as error:
        raise UpstreamFault(otherwise) from error


def _content(raw: msgspec.Raw) -> Iterator[tuple[str, str]]:
    """Yield what a content says, thinking or text; Mistral's is a list of both."""
    if _is_text(raw):
        if text := _text(raw):
            yield "text", text
    elif _begins(raw, b"["):
        for piece in _pieces(raw):
            if piece.text:
                yield "text", piece.text
            elif _begins(piece.thinking, b"["):
                thoughts = (inner.text for inner in _pieces(piece.thinking))
                yield from (("thinking", thought) for thought in thoughts if thought)


def _pieces(raw: msgspec.Raw) -> list[_Piece]:
    try:
        return _decode_pieces(raw)
    except UNREADABLE as error:
        raise UpstreamFault("the content of an answer is neither a text nor a list of parts") from error


def _arguments(raw: msgspec.Raw) -> str:
    """Return a tool's arguments as JSON; some servers give the object itself instead of its text."""
    if _is_text(raw):
        return _text(raw)
    return "" if bytes(raw) in {b"", b"null"} else bytes(raw).decode()


def _is_object(text: str) -> bool:
    try:
        _decode_members(text)
    except UNREADABLE:
        return False
    return True


def _is_text(raw: msgspec.Raw) -> bool:
    return _begins(raw, b'"')


def _begins(raw: msgspec.Raw, start: bytes) -> bool:
    return bytes(memoryview(raw)[:1]) == start


def _text(raw: msgspec.Raw) -> str:
    return _decode_text(raw)  # What was moved as a text of a chunk that could be read is one.
