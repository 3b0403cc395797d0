"""OpenAI's chat completions: requests, replies, streams and errors, between bytes and values.

Decides what a request asks for and what a reply says of itself. It never rewrites what a model said: of a request only
the model's name and `stream_options.include_usage` change, of a reply nothing. It prices nothing, and no text of a
prompt or a completion leaves it. What a `usage` says is read in `wire/usage_objects.py`; here only which one of a
stream holds. What an upstream's error means is `wire/upstream_errors.py`'s part.

Sources, read 2026-11: OpenAI API reference ("Create chat completion", "The chat completion chunk object") and its
guide "Error codes"; OpenRouter docs ("Errors": numeric codes, errors inside a stream of status 200).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal

import msgspec

from tokens_forge.core.entries import Need
from tokens_forge.core.responses import RESPONSE_LOST
from tokens_forge.core.usage import Reading, so_far
from tokens_forge.wire.besides import besides
from tokens_forge.wire.cache_marks import cache_life
from tokens_forge.wire.conversation import marks, read_messages
from tokens_forge.wire.estimate import LONGEST_PLAIN, shown_quarters, text_quarters, tokens
from tokens_forge.wire.opening import opens_chat
from tokens_forge.wire.readable import readable
from tokens_forge.wire.reply import COMMENT, FIRST, MALFORMED, ORDINARY, Passed, Reply, Said, reply_of
from tokens_forge.wire.request import (
    JSON_SCHEMA,
    NULL,
    UNREADABLE,
    Fields,
    Request,
    has_entries,
    input_estimate,
    maximum,
    members,
    model_of,
    number,
    object_or_none,
    opened_with,
    raw_of,
    refused,
    value,
    word_or_empty,
)
from tokens_forge.wire.sse import Event, data_event
from tokens_forge.wire.upstream_errors import read_error, word_for
from tokens_forge.wire.usage_objects import (
    CostBeside,
    Told,
    UsageRead,
    after,
    cost_beside,
    cost_told,
    given,
    of_choices,
    read_told,
    says,
    tells_output,
    told_in_chat,
)

MOST_CHOICES = 128
"""The most choices that one request may ask for (OpenAI API reference, `n`)."""

DONE = b"data: [DONE]\n\n"
"""The event that ends a stream."""

COUNTED_FIELDS = ("messages", "tools", "functions", "response_format")
"""Members of a request that are billed as input."""

_KIND_BY_STATUS = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}

_PARAMS = {RESPONSE_LOST: "previous_response_id"}
"""The member that a code is about."""

_TOOLS = ("tools", "functions")
_PART = re.compile(rb'"type"\s{0,8}:\s{0,8}"(image_url|input_audio|file)"')


def read_request(body: bytes, *, output_bound: int, inline_tokens: int) -> Request:
    """Return what `body` asks for; `output_bound` (tokens) stands in where it gives no maximum.

    An image, sound or file inside it counts `inline_tokens`: its base64 says nothing about its tokens.

    Raises RequestError (400) naming the member that is missing or of the wrong kind.
    """
    fields = members(body)
    messages = value(fields, "messages", list[msgspec.Raw], "a list of messages")
    if messages is None:
        raise refused("messages", "it is missing: write the list of messages")
    model = model_of(fields)
    asked = [maximum(fields, name) for name in ("max_completion_tokens", "max_tokens")]
    # Both go upstream, and which one is heeded is the upstream's affair: the larger one bounds either.
    most = max((most for most in asked if most), default=0)
    choices = number(fields, "n", MOST_CHOICES) or 1
    cached = _cached_content(fields)
    opening = b"\n".join(_opening(messages))
    return Request(
        model=model,
        stream=value(fields, "stream", bool, "true or false") or False,
        include_usage=wants_usage(fields),
        tier_asked=value(fields, "service_tier", str, "a tier's name") or "",
        input_estimate=input_estimate(fields, COUNTED_FIELDS, inline_tokens),
        output_bound=(most or output_bound) * choices,
        output_asked=most * choices,
        answers=choices,
        choices=choices,
        needs=tuple(_needs(fields)),
        turn=len(messages),
        opening=opening,
        fields=fields,
        caches=cache_life(fields),
        beside=besides(fields),
        previous=cached,
        previous_kind="cache" if cached else "",
        marks=marks(opening, (), read_messages(messages)),
    )


def _cached_content(fields: Fields) -> str:
    """Return the name of a prefix that Gemini has in its cache (Gemini API, "OpenAI compatibility", read 2026-11).

    It stands in `extra_body`, which other clients put into the request itself.
    """
    for told in (fields, object_or_none(fields.get("extra_body", NULL)) or {}):
        google = object_or_none(told.get("google", NULL)) or {}
        if name := word_or_empty(google.get("cached_content", NULL)):
            return name
    return ""


def wants_usage(fields: Fields) -> bool:
    """Say whether a client asks for a stream's usage. Raises RequestError (400) for options of the wrong kind."""
    options = value(fields, "stream_options", _StreamOptions, "an object with `include_usage` true or false")
    return options is not None and options.include_usage is True


def upstream_fields(request: Request, *, model: str, inject_usage: bool) -> Fields:
    """Return the members to send: the request's with the upstream's name of the model, every other value as it was.

    With `inject_usage` a stream is asked for its usage.
    """
    fields = request.fields | {"model": raw_of(model)}
    if request.stream and inject_usage:
        given = fields.get("stream_options", NULL)
        options = {} if given == NULL else msgspec.json.decode(given, type=Fields)
        fields["stream_options"] = msgspec.Raw(msgspec.json.encode(options | {"include_usage": msgspec.Raw(b"true")}))
    return fields


def read_reply(body: bytes) -> Reply | None:
    """Return what a reply that is not streamed says; None when it is no JSON object with choices."""
    meter = StreamMeter(include_usage=True)
    chunk = _chunk(body)
    if chunk is None or chunk.choices is None or given(chunk.error):
        return None
    meter.read(chunk)
    meter.end()
    return reply_of(meter)


_HIDDEN = Passed(kind="data", hidden=True)


class StreamMeter:
    """Reads a stream as it passes: what each event is, and what all of them say.

    `include_usage` says whether the client asked for the usage chunk, `choices` how many answers it asked for, and
    `metered` whether the upstream was asked for the usage, by whomever.
    """

    def __init__(self, *, include_usage: bool, choices: int = 1, metered: bool = True) -> None:
        self._include_usage = include_usage
        self._choices = choices
        self._metered = metered
        self._begun = False
        self._open: set[bytes] = set()
        self._finished: set[bytes] = set()
        self._told: Told | None = None
        """The usage so far."""
        self._cost_beside: Decimal | None = None
        self._models: set[str | None] = set()
        """Those that a breakdown of the usage names."""
        self._told_by_choice: dict[bytes, Told] = {}
        """Of upstreams that tell it with each choice (Moonshot)."""
        self._placeholder: Told | None = None
        """A zero of the last chunk: it is a fact only at the end of the answer (CASES 18)."""
        self._output_quarters = 0
        self._counted = 0
        """Tokens streamed when the output was last told."""
        self.model_served = ""
        self.upstream_id = ""
        self.finish = ""
        """The first `finish_reason` that was given."""
        self._tier_served = ""
        self.accounted = False
        """A usage came with the end of the last choice or after it: it is the whole answer's."""
        self.done = False
        """`[DONE]` was seen."""

    @property
    def reading(self) -> Reading | None:
        """The usage so far, as far as it is a fact."""
        return so_far(self._usage().reading, self.output_estimate, counted=self._counted, ended=self.complete)

    @property
    def reported_cost(self) -> Decimal | None:
        """The last cost that was told and is not zero; one beside the usage where that tells none."""
        return cost_told(self._usage().reported_cost, self._cost_beside)

    @property
    def cost_unit(self) -> str:
        """The unit that its usage says of the cost."""
        return self._usage().cost_unit

    @property
    def tier_served(self) -> str:
        """As a chunk names it, else its usage (LiteLLM)."""
        return self._tier_served or self._usage().tier_served

    @property
    def output_estimate(self) -> int:
        """Tokens streamed so far, from the bytes of text, reasoning and tool arguments."""
        return tokens(self._output_quarters)

    @property
    def complete(self) -> bool:
        """Whether the answer came to its end: the `[DONE]` mark was seen, or each choice that began has finished.

        A choice that was asked for and never began is none of it: some upstreams give one, whatever `n` asks for.
        """
        return self.done or (self.finish != "" and not self._open)

    @property
    def whole(self) -> bool:
        """Whether nothing is missing but the `[DONE]` mark: every choice has finished, and its usage came if asked for.

        A stream may be cut here at no loss. Of one that ends as it should, `complete` asks for less.
        """
        return self._all_finished() and (self.accounted or not self._metered)

    @property
    def ending(self) -> bytes:
        """The `[DONE]` mark."""
        return DONE

    def feed(self, event: Event) -> Passed:
        """Take the next event and return what it is."""
        data = event.data
        if not data or data.isspace():
            return COMMENT
        if data.startswith(b"[DONE]"):
            self.end()
            self.done = True
            return Passed(kind="done", first=self._begins())
        chunk = _chunk(data)
        if chunk is None:
            return MALFORMED
        if given(chunk.error) or event.name == "error" or chunk.object == "error":
            self.read(chunk)
            return Passed(kind="error", error=word_for(read_error(200, data)))
        self.read(chunk)
        # Also where it is empty: a client that did not ask for it may read the choices of every chunk.
        of_usage = not chunk.choices and chunk.choices is not None and bytes(chunk.usage) not in {b"", b"null"}
        if of_usage and not self._include_usage:
            return _HIDDEN
        first = not (self._begun or opens_chat(data))
        self._begun = self._begun or first
        return FIRST if first else ORDINARY

    def read(self, chunk: "_Chunk") -> None:
        """Add what one chunk says."""
        self.model_served = self.model_served or chunk.model or ""
        self.upstream_id = self.upstream_id or chunk.id or ""
        self._tier_served = chunk.service_tier or self._tier_served
        self._placeholder = None
        self._take_cost(chunk)
        for choice in chunk.choices or ():
            if (said := choice.delta or choice.message) is not None:
                self._take_cost(said)
            index = bytes(choice.index) or _FIRST_INDEX
            if (quarters := _quarters(choice)) is not None:
                self._output_quarters += quarters
                if index not in self._finished:
                    self._open.add(index)
            if choice.finish_reason:
                self.finish = self.finish or choice.finish_reason
                self._finished.add(index)
                self._open.discard(index)
            if len(choice.usage) and (told := told_in_chat(choice.usage)).is_usage:
                self._told_by_choice = self._told_by_choice | {index: told}
                self._counted = self.output_estimate
                self.accounted = self._all_finished()
        if chunk.usage_breakdown is not None:
            self._models |= {part.model for part in chunk.usage_breakdown.models or ()}
        if given(chunk.usage):
            self._take(told_in_chat(chunk.usage))
        elif chunk.x_groq is not None and given(chunk.x_groq.usage):
            self._take(told_in_chat(chunk.x_groq.usage))

    def end(self) -> None:
        """Note the end of the answer: a zero in its last chunk was no placeholder."""
        if self._placeholder is not None and self._told is None:
            self._told = self._placeholder
            self._counted = self.output_estimate

    def _take_cost(self, told: CostBeside) -> None:
        if len(told.cost) or len(told.provider_metadata) or len(told.provider_metadata_too):  # hardly a chunk has one
            self._cost_beside = cost_told(cost_beside(told), self._cost_beside)

    def _take(self, told: Told) -> None:
        if told.is_usage:
            self.accounted = self._all_finished()
            if not (self.finish or says(told)):
                self._placeholder = told
                return
        self._told = after(self._told, told)
        if tells_output(told, self._told):
            self._counted = self.output_estimate

    def _usage(self) -> UsageRead:
        told = of_choices(self._told_by_choice.values())
        if self._told is not None:
            told = after(told, self._told)
        if told is None:
            return UsageRead()
        return read_told(replace(told, models_apart=len(self._models) > 1), "openai_chat")

    def _all_finished(self) -> bool:
        return len(self._finished) >= self._choices and not self._open

    def _begins(self) -> bool:
        begun, self._begun = self._begun, True
        return not begun


def names_stream_options(body: bytes) -> bool:
    """Say whether an upstream's 400 or 422 complains about being asked for a stream's usage."""
    return b"stream_options" in body or b"include_usage" in body


def error_body(*, status: int, code: str, message: str, call_id: str = "") -> bytes:  # noqa: ARG001 - it is in a header
    """Return an error in this dialect; its `type` is the one that OpenAI uses for `status`."""
    kind = _KIND_BY_STATUS.get(status, "server_error" if status >= 500 else "invalid_request_error")  # noqa: PLR2004 - server errors
    param = _PARAMS.get(code)
    return msgspec.json.encode({"error": {"message": message, "type": kind, "param": param, "code": code}})


def error_event(*, status: int, code: str, message: str, said: Said | None = None) -> bytes:  # noqa: ARG001 - it needs nothing of it
    """Return the event that ends a stream with an error, as `error_body`."""
    return data_event(error_body(status=status, code=code, message=message))


def models_body(names: Iterable[str]) -> bytes:
    """Return the body of ``GET /v1/models`` for the models that a key may ask for."""
    return msgspec.json.encode({"object": "list", "data": [_model(name) for name in names]})


def model_body(name: str) -> bytes:
    """Return the body of ``GET /v1/models/NAME``."""
    return msgspec.json.encode(_model(name))


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "tokens-forge"}


_FIRST_INDEX = b"0"


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Role(msgspec.Struct):
    role: str | None = None


def _opening(messages: list[msgspec.Raw]) -> Iterator[bytes]:
    for place, message in enumerate(messages):
        try:
            role = _decode_role(message).role
        except msgspec.DecodeError as error:
            raise refused(f"messages[{place}]", "it is not an object with a `role`") from error
        yield opened_with(message)
        if role == "user":
            return


def _needs(fields: Fields) -> Iterator[Need]:
    """Yield what a request asks of a model beyond text, each word once.

    Parts of a message are found by their `type`. Inside a text a quote is escaped, so no prompt reads as a part.
    """
    parts = {found[1] for found in _PART.finditer(fields["messages"])}
    if any(has_entries(fields, name) for name in _TOOLS):
        yield "tools"
    if b"image_url" in parts:
        yield "vision"
    if JSON_SCHEMA.search(fields.get("response_format", NULL)):
        yield "json_schema"
    if b"input_audio" in parts or fields.get("audio", NULL) != NULL:
        yield "audio"
    if b"file" in parts:
        yield "files"


class _Function(msgspec.Struct):
    arguments: msgspec.Raw = msgspec.Raw()


class _ToolCall(msgspec.Struct):
    function: _Function | None = None


class _Said(CostBeside):
    """What a choice says. Values stay raw: only their length counts, and some upstreams send lists for texts."""

    content: msgspec.Raw = msgspec.Raw()
    reasoning_content: msgspec.Raw = msgspec.Raw()
    reasoning: msgspec.Raw = msgspec.Raw()
    refusal: msgspec.Raw = msgspec.Raw()
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None


class _Choice(msgspec.Struct):
    index: msgspec.Raw = msgspec.Raw()
    delta: _Said | None = None
    message: _Said | None = None
    text: msgspec.Raw = msgspec.Raw()
    """What a legacy completion says, where a chat has its `delta` or `message`."""
    finish_reason: str | None = None
    usage: msgspec.Raw = msgspec.Raw()


class _OfGroq(msgspec.Struct):
    """Where Groq's streams had their usage before 2026 (groq-python, `XGroq`)."""

    usage: msgspec.Raw = msgspec.Raw()


class _Part(msgspec.Struct):
    model: str | None = None


class _Breakdown(msgspec.Struct):
    """What of a usage each model of Groq's Compound made (groq-python, `UsageBreakdown`, read 2026-11)."""

    models: list[_Part] | None = None


class _Chunk(CostBeside):
    """The members of a reply or a chunk that metering needs; the decoder skips all others."""

    id: str | None = None
    model: str | None = None
    object: str | None = None
    service_tier: str | None = None
    choices: list[_Choice] | None = None
    usage: msgspec.Raw = msgspec.Raw()
    x_groq: _OfGroq | None = None
    usage_breakdown: _Breakdown | None = None
    error: msgspec.Raw = msgspec.Raw()


_decode_role = msgspec.json.Decoder(_Role).decode
_decode_chunk = msgspec.json.Decoder(_Chunk).decode


def _chunk(data: bytes) -> _Chunk | None:
    """Return what metering needs of a JSON object; None for anything else.

    Members of a kind that this dialect does not know are no reason to break a stream: then all others are read.
    """
    try:
        return _decode_chunk(data)
    except msgspec.ValidationError:
        chunk = readable(_Chunk, data)
    except UNREADABLE:
        return None
    if chunk is not None and chunk.choices is None and "choices" in (object_or_none(data) or {}):
        chunk.choices = [_Choice()]
    return chunk


def _quarters(choice: _Choice) -> int | None:
    """Return what a choice says, in quarters of tokens; None for one that has no place for it."""
    if (said := choice.delta or choice.message) is not None:
        return _said_quarters(said)
    return text_quarters(bytes(choice.text)) if len(choice.text) else None


def _said_quarters(said: _Said) -> int:
    quarters = 0
    for text in (said.content, said.reasoning_content, said.reasoning, said.refusal):
        quarters += shown_quarters(bytes(text)) if len(text) > LONGEST_PLAIN else text_quarters(bytes(text))
    for call in said.tool_calls or ():
        if call.function is not None:
            quarters += text_quarters(bytes(call.function.arguments))
    if said.function_call is not None:
        quarters += text_quarters(bytes(said.function_call.arguments))
    return quarters
