"""The Messages dialect: what routing needs of a request, and what a reply says of itself.

Also the counting of tokens, which has the same members. It decides which fields are read and which few are changed;
all else is passed on as the bytes it came in. A stream tells its usage at its start and at its end, and which of them
is a fact is decided here. It prices nothing, and no text of a prompt or a completion leaves it. What a `usage` says is
read in `wire/usage_objects.py`, what an upstream's error means in `wire/upstream_errors.py`.

Sources, read 2026-11: Claude API reference ("Create a Message", "Count tokens in a Message", "List Models") and the
types of its Python library (`MessageCreateParams`, `RawMessageStreamEvent`); Claude docs "Streaming messages" (the
counts of `message_delta` are cumulative; pings and new kinds of events may come), "Errors" (the type for a status;
errors after a 200) and "Prompt caching" (a maximum of 0 only fills the cache); anthropics/claude-code issue 68900 (the
first block of a system prompt is a header that differs in every request); ollama/ollama pull request 13934 and
sgl-project/sglang issue 20678 (servers that know no input when a stream starts, or never).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal

import msgspec

from tokens_forge.core.entries import Need
from tokens_forge.core.responses import THREAD_LOST, THREAD_UNSUPPORTED
from tokens_forge.core.usage import MessagesCounts, Reading, at_least
from tokens_forge.wire.besides import besides
from tokens_forge.wire.cache_marks import cache_life
from tokens_forge.wire.conversation import REMINDER, kept_marks, marks, read_messages
from tokens_forge.wire.estimate import text_quarters, tokens
from tokens_forge.wire.opening import opens_messages
from tokens_forge.wire.readable import readable
from tokens_forge.wire.reply import COMMENT, FIRST, MALFORMED, ORDINARY, Passed, Reply, Said
from tokens_forge.wire.request import (
    JSON_SCHEMA,
    MOST_OUTPUT,
    NULL,
    UNREADABLE,
    Fields,
    Request,
    begins,
    has_entries,
    input_estimate,
    is_text,
    maximum,
    members,
    model_of,
    object_or_none,
    opened_with,
    raw_of,
    refused,
    shown,
    value,
    word_or_empty,
)
from tokens_forge.wire.sse import Event, data_event
from tokens_forge.wire.upstream_errors import read_error, word_for
from tokens_forge.wire.usage_objects import (
    FAST,
    CostBeside,
    Told,
    UsageRead,
    after,
    cost_beside,
    cost_told,
    given,
    read_told,
    says,
    told_in_message,
)

STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
"""The event that ends a stream."""

COUNTED_FIELDS = ("system", "messages", "tools", "output_config", "output_format")
"""Members of a request that are billed as input; the schema of an answer is in `output_config`, before 2026 in
`output_format`."""

_OBJECTS = ("tool_choice", "thinking", "output_config", "output_format", "metadata", "thread")

_KIND_BY_STATUS = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}

_PART = re.compile(rb'"type"\s{0,8}:\s{0,8}"(?:image|document)"')
_HEADER = re.compile(rb'\A"(?:x-anthropic-billing-header:[^"\\]*+(?:\\n)?)?')


def read_request(body: bytes, *, output_bound: int, inline_tokens: int) -> Request:
    """Return what `body` asks for; `output_bound` (tokens) stands in where it gives no maximum.

    The API asks for a maximum; that it is missing is the upstream's to say. An image or document inside the body
    counts `inline_tokens`: its base64 says nothing about its tokens.

    Raises RequestError (400) naming the member that is missing or of the wrong kind.
    """
    fields = members(body)
    most = maximum(fields, "max_tokens", unlimited=(-1,))  # 0 only fills the cache
    return _request(
        fields,
        stream=value(fields, "stream", bool, "true or false") or False,
        output_bound=output_bound if most is None else most,
        output_asked=most or 0,
        inline_tokens=inline_tokens,
    )


def read_count_request(body: bytes, *, output_bound: int, inline_tokens: int) -> Request:  # noqa: ARG001 - nothing is put out
    """Return what a request to count tokens asks for: as `read_request`, without output and never streamed.

    Raises RequestError (400) naming the member that is missing or of the wrong kind.
    """
    return _request(members(body), stream=False, output_bound=0, inline_tokens=inline_tokens)


def upstream_fields(request: Request, *, model: str, inject_usage: bool) -> Fields:  # noqa: ARG001 - a stream always tells its usage
    """Return the members to send: the request's with the upstream's name of the model, every other value as it was."""
    return request.fields | {"model": raw_of(model)}


def read_reply(body: bytes) -> Reply | None:
    """Return what a reply that is not streamed says; None when it is no JSON object with content."""
    message = _message(body)
    if message is None or message.content is None or given(message.error):
        return None
    read = read_told(told_in_message(message.usage), "anthropic_messages", model=message.model or "")
    return Reply(
        model_served=message.model or "",
        upstream_id=message.id or "",
        finish=message.stop_reason or "",
        tier_served=read.tier_served,
        reading=read.reading,
        reported_cost=cost_told(read.reported_cost, cost_beside(message)),
        cost_unit=read.cost_unit,
        output_estimate=tokens(sum(map(_said_quarters, message.content))) or int(any(map(_is_signed, message.content))),
    )


def read_count_reply(body: bytes) -> Reply | None:
    """Return an empty reply for a count of tokens, which costs nothing and has no usage; None for anything else."""
    try:
        _decode_count(body)
    except UNREADABLE:
        return None
    return Reply()


class StreamMeter:
    """Reads a stream as it passes: what each event is, and what all of them say.

    `most` is what the request is held for: an output that comes without the usage of an answer is no more than that.
    """

    def __init__(self, *, most: int = MOST_OUTPUT) -> None:
        self._most = most
        self._begun = False
        self._output_quarters = 0
        self._signed = False
        """A signature came: of thinking, though it may not be shown."""
        self._output = 0
        """As the last `message_delta` said that told no input."""
        self._cost_beside: Decimal | None = None
        self._told: Told | None = None
        """The usage so far; without counts until the input is known."""
        self._final = False
        """It is of a `message_delta` too, so that its output is no placeholder."""
        self._counted = -1
        """Tokens streamed when the last one told an output that is not zero; below zero before."""
        self.model_served = ""
        self.upstream_id = ""
        self.finish = ""
        """`stop_reason`."""
        self.accounted = False
        """A usage came with the `stop_reason` or after it: it is the whole answer's."""
        self.done = False
        """`message_stop` was seen."""

    @property
    def reading(self) -> Reading | None:
        """The last usage that is a fact.

        The output of `message_start` is a placeholder (CASES 18). While the answer goes on, and where its end says
        zero, the output is what was streamed where that is more, so that it is not billed at the placeholder; an answer
        that came to its end and never said more has no usage that is its own.
        """
        reading = self._usage().reading
        if reading is None or (self.complete and not self._final):
            return None
        if self.complete and self._counted >= tokens(self._output_quarters):
            return reading
        return at_least(reading, self.output_estimate)

    @property
    def tier_served(self) -> str:
        """As its usage names it."""
        return self._usage().tier_served

    @property
    def reported_cost(self) -> Decimal | None:
        """The last cost that was told and is not zero: of relays that have this dialect."""
        return cost_told(self._usage().reported_cost, self._cost_beside)

    @property
    def cost_unit(self) -> str:
        """The unit that its usage says of the cost."""
        return self._usage().cost_unit

    @property
    def output_estimate(self) -> int:
        """Tokens streamed so far, from the bytes of text, thinking, also what is not to be read, and tool input.

        A signature is none, but one without a text is of thinking that was not shown: that is one token at least.

        An output that was told without any input is at least a floor: thinking that is not shown has no bytes. But it
        is of no usage, and no model makes more than its request lets it: such a word alone is never millions of tokens.
        """
        return max(tokens(self._output_quarters), min(self._output, self._most), int(self._signed))

    @property
    def complete(self) -> bool:
        """Whether the answer came to its end: `message_stop` was seen, or why it stopped."""
        return self.done or self.finish != ""

    @property
    def whole(self) -> bool:
        """Whether nothing is missing but `message_stop`: why it stopped and its usage are there."""
        return self.finish != "" and self.accounted

    @property
    def ending(self) -> bytes:
        """`message_stop`."""
        return STOP

    def feed(self, event: Event) -> Passed:
        """Take the next event and return what it is. A kind that nobody knows is data."""
        data = event.data
        if not data or data.isspace():
            return COMMENT
        said = _event(data)
        if said is None:
            return MALFORMED
        kind = said.type or event.name
        if kind == "ping":
            return COMMENT
        if kind == "error" or event.name == "error" or given(said.error):
            return Passed(kind="error", error=word_for(read_error(200, data)))
        self._read(said)
        if kind == "message_stop":
            self.done = True
            return Passed(kind="done", first=self._begins())
        first = not (self._begun or opens_messages(kind, data))
        self._begun = self._begun or first
        return FIRST if first else ORDINARY

    def _read(self, said: "_Event") -> None:
        self._cost_beside = cost_told(cost_beside(said, said.message), self._cost_beside)
        if said.message is not None:
            self._begin(said.message)
        for block in (said.content_block, said.delta):
            if block is not None:
                self._output_quarters += _said_quarters(block)
                self._signed = self._signed or _is_signed(block)
        if said.delta is not None:
            self.finish = said.delta.stop_reason or self.finish
        if given(said.usage):
            self._take(said.usage)

    def _begin(self, message: "_Message") -> None:
        """Note what `message_start` says. Some servers know no input yet and write zeros: those are no fact."""
        self.model_served = message.model or self.model_served
        self.upstream_id = message.id or self.upstream_id
        told = told_in_message(message.usage)
        known = says(replace(told, counts=replace(_counts(told), output=None)))
        self._told = told if known else replace(told, counts=MessagesCounts())

    def _take(self, usage: msgspec.Raw) -> None:
        """Take the usage of a `message_delta`. An output without any input is no usage of an answer: none is read."""
        told = told_in_message(usage)
        counts = _counts(told)
        if not told.is_usage:
            return
        if (counts.output or 0) > 0:
            self._counted = tokens(self._output_quarters)
        if counts.input is None and (self._told is None or not self._told.is_usage):
            self._output = max(counts.output or 0, 0) or self._output
            told = replace(told, counts=MessagesCounts())
        else:
            self._final = True
            self.accounted = self.finish != ""
        self._told = after(self._told, told)

    def _usage(self) -> UsageRead:
        return (
            UsageRead() if self._told is None else read_told(self._told, "anthropic_messages", model=self.model_served)
        )

    def _begins(self) -> bool:
        begun, self._begun = self._begun, True
        return not begun


def error_body(*, status: int, code: str, message: str, call_id: str = "") -> bytes:
    """Return an error in this dialect; its `type` is the one that Anthropic uses for `status`.

    Its library goes on by itself by a code in the details.
    """
    kind = _KIND_BY_STATUS.get(status, "api_error" if status >= 500 else "invalid_request_error")  # noqa: PLR2004 - server errors
    error: dict[str, object] = {"type": kind, "message": message, "code": code}
    if code in {THREAD_LOST, THREAD_UNSUPPORTED}:
        error["details"] = {"error_code": code}
    return msgspec.json.encode({"type": "error", "error": error, "request_id": call_id or None})


def error_event(*, status: int, code: str, message: str, said: Said | None = None) -> bytes:  # noqa: ARG001 - it needs nothing of it
    """Return the event that ends a stream with an error, as `error_body`."""
    return data_event(error_body(status=status, code=code, message=message), "error")


def models_body(names: Iterable[str]) -> bytes:
    """Return the body of ``GET /v1/models`` for the models that a key may ask for; nothing is known of them."""
    data = [_model(name) for name in names]
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return msgspec.json.encode({"data": data, "has_more": False, "first_id": first, "last_id": last})


def model_body(name: str) -> bytes:
    """Return the body of ``GET /v1/models/NAME``."""
    return msgspec.json.encode(_model(name))


def _model(name: str) -> dict[str, object]:
    return {
        "type": "model",
        "id": name,
        "display_name": name,
        "created_at": "1970-01-01T00:00:00Z",
        "lifecycle": "active",
        "capabilities": None,
        "max_input_tokens": None,
        "max_tokens": None,
    }


def _request(fields: Fields, *, stream: bool, output_bound: int, inline_tokens: int, output_asked: int = 0) -> Request:
    messages = value(fields, "messages", list[msgspec.Raw], "a list of messages")
    if messages is None:
        raise refused("messages", "it is missing: write the list of messages")
    model = model_of(fields)
    _check(fields, "tools", b"[", "a list of tools")
    for name in _OBJECTS:
        _check(fields, name, b"{", "an object")
    tier = value(fields, "service_tier", str, "a tier's name") or ""
    speed = value(fields, "speed", str, "a speed's name")
    thread = object_or_none(fields.get("thread", NULL)) or {}
    previous = word_or_empty(thread.get("previous_message_id", NULL))
    system = list(_system(fields))
    opening = previous.encode() if previous else b"\n".join((*map(opened_with, system), *_opening(messages)))
    return Request(
        model=model,
        stream=stream,
        include_usage=True,
        tier_asked=FAST if speed == FAST else tier,
        geo_asked=word_or_empty(fields.get("inference_geo", NULL)).lower(),
        input_estimate=input_estimate(fields, COUNTED_FIELDS, inline_tokens),
        output_bound=output_bound,
        output_asked=output_asked,
        choices=1,
        needs=tuple(_needs(fields)),
        turn=len(messages),
        opening=opening,
        fields=fields,
        caches=cache_life(fields),
        beside=besides(fields),
        stored=word_or_empty(thread.get("type", NULL)) in _KEPT,
        previous=previous,
        previous_kind="message" if previous else "",
        marks=kept_marks(previous, messages) if previous else marks(opening, system, read_messages(messages)),
    )


_KEPT = frozenset({"create", "continue"})
"""Threads whose answer the provider keeps (Anthropic, "Message threads", read 2026-11). What goes on from one brings
only its new messages, so its opening is the message that it goes on from."""


def _check(fields: Fields, name: str, start: bytes, wanted: str) -> None:
    """Raise RequestError (400) for a value that does not begin as the `wanted` kind does; no more is decoded."""
    raw = fields.get(name, NULL)
    if raw != NULL and not begins(raw, start):
        raise refused(name, f"{shown(raw)} is not {wanted}")


class _Turn(msgspec.Struct):
    role: str | None = None
    content: msgspec.Raw = NULL


class _Part(msgspec.Struct):
    type: str | None = None
    content: msgspec.Raw = NULL


_decode_turn = msgspec.json.Decoder(_Turn).decode
_decode_parts = msgspec.json.Decoder(list[_Part]).decode
_decode_blocks = msgspec.json.Decoder(list[Fields]).decode


def _system(fields: Fields) -> Iterator[msgspec.Raw]:
    """Yield what the system prompt says.

    It must stay as it is or the provider's cache would miss, but for the header that Claude Code puts before it.
    """
    for text in _words(fields.get("system", NULL), "system"):
        header = _HEADER.match(memoryview(text))
        said = memoryview(text)[header.end() if header else 0 : -1]
        if said:
            yield msgspec.Raw(said)


def _opening(messages: list[msgspec.Raw]) -> Iterator[bytes]:
    """Yield what stays the same over the turns of one conversation, beside the system prompt: what its first user said.

    Only the words, not the bytes of the messages. The mark `cache_control` moves on with every turn, and with it a
    content changes between a text and a list of blocks. Blocks of reminders that Claude Code puts before the user's
    words may differ when a conversation is resumed, so they count only where nothing else is said.
    """
    for place, message in enumerate(messages):
        try:
            turn = _decode_turn(message)
        except msgspec.DecodeError as error:
            raise refused(f"messages[{place}]", "it is not an object with a `role`") from error
        words = _words(turn.content, f"messages[{place}].content")
        for text in [text for text in words if not begins(text, REMINDER)] or words:
            yield opened_with(text)
        if turn.role == "user":
            return


def _words(content: msgspec.Raw, path: str) -> list[msgspec.Raw]:
    """Return the texts of a content as they are written; a block of another kind is its members."""
    if content == NULL:
        return []
    if is_text(content):
        return [content]
    try:
        blocks = _decode_blocks(content)
    except msgspec.DecodeError as error:
        raise refused(path, f"{shown(content)} is neither a text nor a list of blocks") from error
    return [block["text"] if "text" in block else _without_mark(block) for block in blocks]


def _without_mark(block: Fields) -> msgspec.Raw:
    said = (b"%s:%s" % (name.encode(), opened_with(raw)) for name, raw in block.items() if name != "cache_control")
    return msgspec.Raw(b",".join(said))


def _needs(fields: Fields) -> Iterator[Need]:
    """Yield what a request asks of a model beyond text, each word once."""
    if has_entries(fields, "tools"):
        yield "tools"
    # The input of a tool may have any member, so what looks like a part is looked for where parts are.
    messages = fields["messages"]
    parts = set(_kinds(messages)) if _PART.search(messages) else set[str | None]()
    if "image" in parts:
        yield "vision"
    if any(JSON_SCHEMA.search(fields.get(name, NULL)) for name in ("output_config", "output_format")):
        yield "json_schema"
    if "document" in parts:
        yield "files"


def _kinds(messages: msgspec.Raw) -> Iterator[str | None]:
    """Yield the kinds of blocks in messages, and in the results of tools; what is of another shape has none."""
    for message in _parts(messages):
        for block in _parts(message.content):
            yield block.type
            if block.type == "tool_result":
                yield from (inner.type for inner in _parts(block.content))


def _parts(content: msgspec.Raw) -> list[_Part]:
    try:
        return _decode_parts(content)
    except msgspec.DecodeError:
        return []


class _Count(msgspec.Struct):
    input_tokens: int


class _Block(msgspec.Struct):
    """What a content block or a delta says. Values stay raw: only their length counts."""

    text: msgspec.Raw = msgspec.Raw()
    thinking: msgspec.Raw = msgspec.Raw()
    input: msgspec.Raw = msgspec.Raw()
    partial_json: msgspec.Raw = msgspec.Raw()
    data: msgspec.Raw = msgspec.Raw()
    """Thinking that is not to be read (`redacted_thinking`)."""
    content: msgspec.Raw = msgspec.Raw()
    """A compaction's text; of other blocks, what a tool found."""
    signature: msgspec.Raw = msgspec.Raw()
    type: str | None = None
    stop_reason: str | None = None


class _Message(CostBeside):
    """The members of a message that metering needs; the decoder skips all others."""

    id: str | None = None
    model: str | None = None
    content: list[_Block] | None = None
    stop_reason: str | None = None
    usage: msgspec.Raw = NULL
    error: msgspec.Raw = NULL


class _Event(CostBeside):
    """The members of a stream's event that metering needs."""

    type: str | None = None
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Block | None = None
    usage: msgspec.Raw = NULL
    error: msgspec.Raw = NULL


_decode_message = msgspec.json.Decoder(_Message).decode
_decode_event = msgspec.json.Decoder(_Event).decode
_decode_count = msgspec.json.Decoder(_Count).decode


def _counts(told: Told) -> MessagesCounts:
    assert isinstance(told.counts, MessagesCounts), "it was told in a message"
    return told.counts


def _message(data: bytes) -> _Message | None:
    """Return what metering needs of a message; None for what is no JSON object.

    Members of a kind that this dialect does not know are no reason to break a reply: then all others are read.
    """
    try:
        return _decode_message(data)
    except msgspec.ValidationError:
        message = readable(_Message, data)
    except UNREADABLE:
        return None
    if message is not None and message.content is None and "content" in (object_or_none(data) or {}):
        message.content = []
    return message


def _event(data: bytes) -> _Event | None:
    """Return what metering needs of an event, as `_message` does."""
    try:
        return _decode_event(data)
    except msgspec.ValidationError:
        return readable(_Event, data)
    except UNREADABLE:
        return None


def _said_quarters(said: _Block) -> int:
    quarters = sum(text_quarters(bytes(text)) for text in (said.text, said.thinking, said.input, said.partial_json))
    if said.type in _HIDDEN:
        quarters += text_quarters(bytes(said.data)) + text_quarters(bytes(said.content))
    return quarters


_HIDDEN = frozenset({"redacted_thinking", "compaction", "compaction_delta"})
"""Blocks whose words are in members that others use for what is no output (Anthropic's library 2.14.0)."""


def _is_signed(said: _Block) -> bool:
    return given(said.signature)
