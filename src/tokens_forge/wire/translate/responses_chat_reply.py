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

from collections.abc import Mapping

import msgspec

from tokens_forge.core.errors import UpstreamFault
from tokens_forge.wire.request import UNREADABLE, Request
from tokens_forge.wire.sse import Event
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
from tokens_forge.wire.translate.object_end import ObjectEnd
from tokens_forge.wire.translate.responses_chat_request import EXTRA_CONTENT_MARK, REASONING_MARK
from tokens_forge.wire.translate.responses_chat_tools import called_tools
from tokens_forge.wire.translate.responses_output import CalledTool, Incomplete, Output
from tokens_forge.wire.usage_objects import Told, given

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
    answer.add(read_reply(body))
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
        self._answer.add(read_chunk(event.data))
        return self._answer.output.taken()

    def end(self) -> bytes:
        """Return what ends the stream: what is still open, and the whole response."""
        self._answer.finish()
        return self._answer.output.taken()

    def broken(self, *, code: str, message: str) -> bytes:
        """Return the end of a response that failed, with what was said."""
        self._answer.output.fail(code, message)
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
        self._told: Told | None = None

    @property
    def begun(self) -> bool:
        """Whether a choice came."""
        return self._choice != b""

    def add(self, chunk: Chunk) -> None:
        """Add what one chunk says, or a whole reply."""
        self._model = self._model or chunk.model or ""
        self._tier = text_of(chunk.service_tier) or self._tier
        for choice in chunk.choices or ():
            place = choice.place
            if not self.begun:
                self._choice = place
                self._begin()
            if place == self._choice:
                self._add_choice(choice)
        self._told = usage_after(self._told, chunk.usage, ended=self._finish != "")

    def finish(self) -> None:
        """End the answer."""
        if not self.begun:
            self._begin()
        self.output.finish(_INCOMPLETE.get(self._finish, ""), usage=classes_of(self._told), tier=self._tier)

    def _begin(self) -> None:
        # Azure's first chunk has neither a choice nor a model's name: the response begins with the first choice.
        self._tools = called_tools(self._request.fields)
        self.output.begin(self._model or self._request.model)

    def _add_choice(self, choice: Choice) -> None:
        said = choice.delta or choice.message
        if said is not None:
            self._add_said(said)
        self._finish = self._finish or choice.finish_reason or ""
        self._told = usage_after(self._told, choice.usage, ended=True)

    def _add_said(self, said: Said) -> None:
        thought, member = thought_of(said)
        if thought:
            self._think(thought, member)
        for kind, text in contents_of(said):
            if kind == "thinking":
                self._think(text, "")
            else:
                self._end_whole()
                self.output.text(text)
        if refusal := text_of(said.refusal):
            self._end_whole()
            self.output.refusal(refusal)
        for annotation in _annotations(said):
            if annotation.url_citation is not None:
                self.output.annotate({"type": "url_citation"} | msgspec.to_builtins(annotation.url_citation))
        for call in said.tool_calls or ():
            self._add_call(call)

    def _think(self, text: str, member: str) -> None:
        """Tell of the reasoning; what came inside of the content has no member of its own to go back in."""
        self._end_whole()
        self.output.reasoning(text)
        self.output.seal(REASONING_MARK + member)

    def _add_call(self, said: ToolCall) -> None:
        function = said.function or NO_FUNCTION
        index, name = bytes(said.index), function.name or ""
        call = self._calls.get(index) if is_indexed(said) else self._last_call
        if call is None and self._last_call is not None and goes_on(said, self._last_call.call_id):
            call = self._last_call
        if call is None or begins_call(said, call.call_id, call.pieces):
            self._end_whole()
            call = _Call(said.id or "")
        self._calls[index] = self._last_call = call
        call.add(arguments_of(function))
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
            if call.place is not None and call.end.reached and is_whole("".join(call.pieces)):
                self.output.end_call(call.place)
            call.grown = False
        self._grown.clear()


class _Citation(msgspec.Struct):
    start_index: int
    end_index: int
    url: str
    title: str = ""


class _Annotation(msgspec.Struct):
    url_citation: _Citation | None = None


_decode_annotations = msgspec.json.Decoder(list[_Annotation]).decode


def _annotations(said: Said) -> list[_Annotation]:
    try:
        return _decode_annotations(said.annotations) if given(said.annotations) else []
    except UNREADABLE as error:
        raise UpstreamFault("the annotations of an answer are no list of them") from error
