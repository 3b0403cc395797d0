"""OpenAI's Responses: requests, replies, streams and errors, between bytes and values.

Decides what a request asks for and what a response says of itself. It never rewrites what a model said: of a request
only the model's name changes, of a reply nothing. What a `usage` says is read in `wire/usage_objects.py`; here only
which one of a stream holds, and what the upstream's own tools did beside it.

An answer ends with one of its terminal events and with nothing else: `[DONE]`, which some relays add, ends none. A
stream without a terminal event was cut.

Sources, read 2026-11: the types of OpenAI's Python library 3.54.0, made from its API reference
(`ResponseCreateParams`, `ResponseCompactParams`, `Response`, `CompactedResponse`, `ToolUsage`, `ResponseStreamEvent`,
`ResponseError`); its guide "Web search", as quoted in its community forum (topic 1365861: searches are billed by the
call, pages that are opened are not); openai/codex, `codex-rs/codex-api` (which events and error codes it reads, and
that its compaction is not streamed) and `codex-rs/core/tests/suite/prompt_caching.rs` (its first items, and a
`prompt_cache_key` that stays the same for a session); micz/ThunderAI issue 690 and vercel/ai pull request 16805 (a
spent quota inside a stream of status 200); BerriAI/litellm pull request 34095 (a stream of `data` lines alone, with
`[DONE]` after its end).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Literal

import msgspec

from tokens_forge.core.entries import Need, PreviousKind
from tokens_forge.core.errors import RequestError
from tokens_forge.core.usage import Reading, so_far
from tokens_forge.wire.besides import besides
from tokens_forge.wire.cache_marks import cache_life
from tokens_forge.wire.conversation import kept_marks, marks, read_items
from tokens_forge.wire.estimate import text_quarters, tokens
from tokens_forge.wire.opening import opens_responses
from tokens_forge.wire.readable import readable
from tokens_forge.wire.reply import COMMENT, FIRST, MALFORMED, ORDINARY, Passed, Reply, Said, reply_of
from tokens_forge.wire.request import (
    JSON_SCHEMA,
    NULL,
    UNREADABLE,
    Fields,
    Request,
    has_entries,
    has_word,
    input_estimate,
    is_text,
    maximum,
    members,
    model_of,
    object_or_none,
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
    read_told,
    says,
    tells_output,
    told_in_response,
    with_tools,
)

COUNTED_FIELDS = ("instructions", "input", "tools", "text")
"""Members of a request that are billed as input; what the upstream keeps of a conversation can't be seen here."""

_FALSE = msgspec.Raw(b"false")

_INPUT_ELSEWHERE = ("previous_response_id", "conversation", "prompt")
"""Members that give a request its input where it has none of its own."""

_PART = re.compile(rb'"type"\s{0,8}:\s{0,8}"(input_image|computer_screenshot|input_audio|input_file|additional_tools)"')


def read_request(body: bytes, *, output_bound: int, inline_tokens: int) -> Request:
    """Return what `body` asks for; `output_bound` (tokens) stands in where it gives no maximum.

    An image, sound or file inside it counts `inline_tokens`: its base64 says nothing about its tokens.

    Raises RequestError: 400 naming the member that is missing or of the wrong kind, 501 for what can't be metered.
    """
    fields = members(body)
    model = model_of(fields)
    items = _items_of(fields)
    if value(fields, "background", bool, "true or false"):
        raise RequestError(
            501, "not_metered", "`background`: what runs on without its client can't be metered, so it is not served"
        )
    most = maximum(fields, "max_output_tokens") or 0
    previous, kind = _previous(fields)
    opening = b"\n".join(_opening(fields, items))
    instructions = [fields[name] for name in ("instructions", "prompt") if given(fields.get(name))]
    goes_on = kind in {"response", "conversation"}
    return Request(
        model=model,
        stream=value(fields, "stream", bool, "true or false") or False,
        include_usage=True,
        tier_asked=value(fields, "service_tier", str, "a tier's name") or "",
        input_estimate=input_estimate(fields, COUNTED_FIELDS, inline_tokens),
        output_bound=most or output_bound,
        output_asked=most,
        choices=1,
        needs=tuple(_needs(fields)),
        turn=len(items),
        opening=opening,
        fields=fields,
        caches=cache_life(fields),
        beside=besides(fields),
        stored=fields.get("store") != _FALSE,
        previous=previous,
        previous_kind=kind,
        marks=kept_marks(previous, items) if goes_on else marks(opening, instructions, read_items(items)),
    )


def read_compact_request(body: bytes, *, output_bound: int, inline_tokens: int) -> Request:
    """Return what a request to compact a conversation asks for: the members of `read_request`, and no stream.

    Raises RequestError as `read_request` does.
    """
    request = read_request(body, output_bound=output_bound, inline_tokens=inline_tokens)
    if request.stream:
        raise refused("stream", "a compaction comes in one piece: leave it out")
    return replace(request, stored=False)


def upstream_fields(request: Request, *, model: str, inject_usage: bool) -> Fields:  # noqa: ARG001 - a stream has its usage unasked
    """Return the members to send: the request's with the upstream's name of the model, every other value as it was."""
    return request.fields | {"model": raw_of(model)}


def read_reply(body: bytes) -> Reply | None:
    """Return what a response that is not streamed says.

    None when it is no JSON object with a list of output, and for one that failed before it cost anything: what it
    says then is an error. One that failed later has its usage.
    """
    response = _response(body)
    items = None if response is None else _list(response.output)
    if response is None or items is None:
        return None
    failed = response.status == "failed" or given(response.error)
    if failed and not items and not given(response.usage):
        return None
    meter = StreamMeter()
    meter.read(response, ended="")
    return reply_of(meter)


def read_compact_reply(body: bytes) -> Reply | None:
    """Return what a compaction says, which names neither its model nor its status; None when it is none."""
    return read_reply(body)


_FOREIGN_MARK = Passed(kind="data", hidden=True)

ENDS = {
    "response.completed": "completed",
    "response.incomplete": "incomplete",
    # Clients of the Codex backend take this name too.
    "response.done": "completed",
}
"""The events that end an answer, and how it ended where they do not say."""

_FAILED = "response.failed"
_SOUND = frozenset({"response.audio.delta", "response.output_audio.delta"})
"""Deltas of base64, whose length says nothing about tokens."""


class StreamMeter:
    """Reads a stream as it passes: what each event is, and what all of them say."""

    def __init__(self) -> None:
        self._begun = False
        self._delta_quarters = 0
        self._item_quarters = 0
        self._searches = 0
        self._apart = False
        self._told: Told | None = None
        """The usage so far."""
        self._counted = 0
        """Tokens streamed when the output was last told."""
        self._cost_beside: Decimal | None = None
        self._tool_usage = b""
        self.events = 0
        """How many were events of this dialect: the number in sequence of the next."""
        self.model_served = ""
        self.upstream_id = ""
        self.finish = ""
        """Why it is incomplete, else its `status`; empty before it ended."""
        self.tier_served = ""
        """As its end says: what its beginning says is what was asked for."""
        self.accounted = False
        """A usage came with the event that ends the answer, also of one that failed."""
        self.done = False
        """The event that ends the stream was seen."""

    @property
    def reading(self) -> Reading | None:
        """The usage so far, as far as it is a fact."""
        return so_far(self._usage().reading, self.output_estimate, counted=self._counted, ended=self.finish != "")

    @property
    def reported_cost(self) -> Decimal | None:
        """The last cost that was told and is not zero; one beside the usage where that tells none."""
        return cost_told(self._usage().reported_cost, self._cost_beside)

    @property
    def cost_unit(self) -> str:
        """The unit that its usage says of the cost."""
        return self._usage().cost_unit

    @property
    def output_estimate(self) -> int:
        """Tokens streamed so far, from the bytes of text, reasoning and tool arguments.

        What is said comes in pieces and once more as a whole; some relays send the whole alone.
        """
        return tokens(max(self._delta_quarters, self._item_quarters))

    @property
    def complete(self) -> bool:
        """Whether the answer came to its end: nothing but the terminal event says so."""
        return self.done

    @property
    def whole(self) -> bool:
        """Whether nothing is missing: never before the terminal event, which holds the usage and all the rest."""
        return self.done

    @property
    def ending(self) -> bytes:
        """Nothing: the event that ends a stream of this dialect holds the whole response, so it can't be made up."""
        return b""

    def feed(self, event: Event) -> Passed:
        """Take the next event and return what it is."""
        data = event.data
        if not data or data.isspace():
            return COMMENT
        if data.startswith(b"[DONE]"):
            # Clients stop reading at it: one that came without the answer's end must not hide the error that follows.
            return _FOREIGN_MARK
        said = _event(data)
        if said is None:
            return MALFORMED
        self.events += 1
        kind = said.type or event.name
        if kind in ENDS:
            response = _response(said.response) or _Response()
            if not given(response.usage):
                response.usage = said.usage  # some relays tell it beside the response
            self.read(response, ended=ENDS[kind])
            self.done = True
            return Passed(kind="done", first=self._begins())
        if kind == _FAILED:
            self.read(_response(said.response) or _Response(), ended="failed")
        if kind in {_FAILED, "error"} or event.name == "error" or given(said.error):
            return Passed(kind="error", error=word_for(read_error(200, data)))
        self._add(kind, said)
        first = not (self._begun or opens_responses(kind, data))
        self._begun = self._begun or first
        return FIRST if first else ORDINARY

    def read(self, response: "_Response", *, ended: str | None) -> None:
        """Add what a response says: `ended` is how it ended where it does not say, None for one that goes on."""
        self.model_served = self.model_served or response.model or ""
        self.upstream_id = self.upstream_id or response.id or ""
        if ended is None:
            self._take_usage(response, ended=False)
            return
        self.finish = _reason(response) or response.status or ended
        self.tier_served = response.service_tier or ""
        if items := _list(response.output):  # All of them once more; what passed is counted again.
            self._item_quarters = self._searches = 0
            self._apart = False
            self._take_items(items)
        self._take_usage(response, ended=True)

    def _add(self, kind: str, said: "_Event") -> None:
        """Add what an event says that neither ends the answer nor fails."""
        if kind.endswith(".delta"):
            if kind not in _SOUND:
                self._delta_quarters += _string_quarters(said.delta)
        elif kind == "response.output_item.done":
            self._take_items((said.item,))
        elif given(said.response):
            self.read(_response(said.response) or _Response(), ended=None)

    def _take_items(self, raws: Iterable[msgspec.Raw]) -> None:
        for item in map(_item, raws):
            self._item_quarters += _said_quarters(item)
            self._searches += _is_search(item)
            self._apart = self._apart or _is_apart(item)

    def _take_usage(self, response: "_Response", *, ended: bool) -> None:
        self._cost_beside = cost_told(cost_beside(response), self._cost_beside)
        if given(response.tool_usage):
            self._tool_usage = bytes(response.tool_usage)
        if not given(response.usage):
            return
        told = told_in_response(response.usage)
        if told.is_usage and (ended or says(told)):
            self._told, self.accounted = after(self._told, told), ended
            if tells_output(told, self._told):
                self._counted = self.output_estimate

    def _usage(self) -> UsageRead:
        if self._told is None:
            return UsageRead()
        read = read_told(self._told, "openai_responses")
        return with_tools(read, tool_usage=self._tool_usage, searches=self._searches, apart=self._apart)

    def _begins(self) -> bool:
        begun, self._begun = self._begun, True
        return not begun


def error_event(*, status: int, code: str, message: str, said: Said | None = None) -> bytes:  # noqa: ARG001 - the response has its own
    """Return the event that ends a stream with an error: a response that failed.

    Clients know an error's `code` from a closed list, which has none of ours: it is `server_error`, as what breaks a
    stream is worth a retry, and our word is its `type`. There is no clock here, so nothing says when it was created.
    """
    response = _FAILURE | {
        "id": "" if said is None else said.upstream_id,
        "model": "" if said is None else said.model_served,
        "error": {"code": "server_error", "message": message, "type": code},
    }
    place = said.events if isinstance(said, StreamMeter) else 0
    event = {"type": _FAILED, "sequence_number": place, "response": response}
    return data_event(msgspec.json.encode(event), _FAILED)


_FAILURE: dict[str, object] = {
    "id": "",
    "object": "response",
    "created_at": 0,
    "status": "failed",
    "background": False,
    "completed_at": None,
    "error": None,
    "incomplete_details": None,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "model": "",
    "output": [],
    "parallel_tool_calls": True,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": None,
    "safety_identifier": None,
    "service_tier": "default",
    "store": False,
    "temperature": 1,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1,
    "truncation": "disabled",
    "usage": None,
    "user": None,
    "metadata": {},
}
"""A response of which nothing is known but that it failed: every member that clients insist on."""


def _previous(fields: Fields) -> tuple[str, PreviousKind | Literal[""]]:
    """Return the id of what a request goes on from, and what that is; a prompt is only its beginning.

    A conversation is named by its id, or by an object that has it. Clients that have their answers kept (vercel/ai,
    `packages/openai`, read 2026-11) name what was said before by its items' ids, and send the rest.
    """
    if response := value(fields, "previous_response_id", str, "a response's id"):
        return response, "response"
    for name, kind in _KEPT.items():
        raw = fields.get(name, NULL)
        if known_as := word_or_empty(raw) or word_or_empty((object_or_none(raw) or {}).get("id", NULL)):
            return known_as, kind
    return "", "items" if has_word(fields.get("input", NULL), b'"item_reference"') else ""


_KEPT: dict[str, PreviousKind] = {"conversation": "conversation", "prompt": "prompt"}


class _Named(msgspec.Struct):
    type: str | None = None
    role: str | None = None


def _items_of(fields: Fields) -> list[msgspec.Raw]:
    """Return the items of a request's input: a text is one, as it was written."""
    raw = fields.get("input", NULL)
    if is_text(raw):
        return [raw]
    if raw == NULL and any(given(fields.get(name)) for name in _INPUT_ELSEWHERE):
        return []
    items = value(fields, "input", list[msgspec.Raw], "a text or a list of items")
    if items is None:
        raise refused("input", "it is missing: write a text or a list of items")
    return items


def _opening(fields: Fields, items: list[msgspec.Raw]) -> Iterator[bytes]:
    """Yield what one conversation keeps.

    Where the upstream keeps the conversation, a request brings only what is new: then it is the conversation's id, or
    the response that it goes on from, which the calls that fork there share. Else it is what a chat's opening is: the
    instructions and the items up to the first of the user. `prompt_cache_key` goes before them: Codex, whose first
    item of the user describes the machine and is alike in all of its sessions, has one for each.
    """
    for name in ("conversation", "previous_response_id"):
        if given(fields.get(name)):
            yield bytes(fields[name])
            return
    for name in ("prompt_cache_key", "instructions"):
        if given(fields.get(name)):
            yield bytes(fields[name])
    if is_text(fields.get("input", NULL)):
        yield bytes(fields["input"])
        return
    for place, item in enumerate(items):
        try:
            role = _decode_named(item).role
        except msgspec.DecodeError as error:
            raise refused(f"input[{place}]", "it is no item: write an object with a `type` or a `role`") from error
        yield bytes(item)
        if role == "user":
            return


def _needs(fields: Fields) -> Iterator[Need]:
    """Yield what a request asks of a model beyond text, each word once.

    Parts of an item are found by their `type`. Inside a text a quote is escaped, so no prompt reads as a part.
    """
    parts = {found[1] for found in _PART.finditer(fields.get("input", NULL))}
    if has_entries(fields, "tools") or b"additional_tools" in parts:
        yield "tools"
    if b"input_image" in parts or b"computer_screenshot" in parts:
        yield "vision"
    if JSON_SCHEMA.search(fields.get("text", NULL)):
        yield "json_schema"
    if b"input_audio" in parts:
        yield "audio"
    if b"input_file" in parts:
        yield "files"


class _Event(msgspec.Struct):
    """The members of a stream's event that metering needs; the decoder skips all others."""

    type: str | None = None
    delta: msgspec.Raw = msgspec.Raw()
    item: msgspec.Raw = msgspec.Raw()
    response: msgspec.Raw = msgspec.Raw()
    usage: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


class _Incomplete(msgspec.Struct):
    reason: str | None = None


class _Response(CostBeside):
    """The members of a response that metering needs."""

    id: str | None = None
    model: str | None = None
    status: str | None = None
    service_tier: str | None = None
    incomplete_details: _Incomplete | None = None
    output: msgspec.Raw = msgspec.Raw()
    usage: msgspec.Raw = msgspec.Raw()
    tool_usage: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


class _Part(msgspec.Struct):
    text: msgspec.Raw = msgspec.Raw()
    refusal: msgspec.Raw = msgspec.Raw()


class _Item(msgspec.Struct):
    """The members of an output's item that metering needs. What only its length counts of stays raw."""

    type: str | None = None
    role: str | None = None
    status: str | None = None
    content: list[_Part] | None = None
    summary: list[_Part] | None = None
    arguments: msgspec.Raw = msgspec.Raw()
    input: msgspec.Raw = msgspec.Raw()
    code: msgspec.Raw = msgspec.Raw()
    encrypted_content: msgspec.Raw = msgspec.Raw()
    action: _Named | None = None
    environment: _Named | None = None


_HOSTED = frozenset({"file_search_call", "code_interpreter_call", "image_generation_call"})
"""Items of the upstream's own tools that have a price for which there is no class."""

_LOCAL = "local"
"""The environment of a shell that is the client's own; another one is rented."""

_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_named = msgspec.json.Decoder(_Named).decode
_decode_event = msgspec.json.Decoder(_Event).decode
_decode_response = msgspec.json.Decoder(_Response).decode
_decode_item = msgspec.json.Decoder(_Item).decode


def _event(data: bytes) -> _Event | None:
    """Return what metering needs of an event; None for what is no JSON object."""
    try:
        return _decode_event(data)
    except msgspec.ValidationError:  # A `type` that is no text, or no object at all.
        return readable(_Event, data)
    except UNREADABLE:
        return None


def _response(data: bytes | msgspec.Raw) -> _Response | None:
    """Return what metering needs of a response; None for what is no JSON object.

    Members of a kind that this dialect does not know are no reason to lose its usage: then all others are read.
    """
    try:
        return _decode_response(data)
    except msgspec.ValidationError:
        return readable(_Response, data)
    except UNREADABLE:
        return None


def _item(raw: msgspec.Raw) -> _Item:
    """Return what metering needs of an item, as `_response` does; nothing of what is no object."""
    try:
        return _decode_item(raw)
    except msgspec.ValidationError:
        return readable(_Item, raw) or _Item()
    except UNREADABLE:
        return _Item()


def _list(raw: msgspec.Raw) -> list[msgspec.Raw] | None:
    try:
        return _decode_list(raw)
    except UNREADABLE:
        return None


def _reason(response: _Response) -> str:
    return (response.incomplete_details.reason or "") if response.incomplete_details is not None else ""


def _is_search(item: _Item) -> bool:
    """Say whether an item is a web search that is billed: not a page that was opened, nor a search that failed."""
    # Before actions were told apart, each was a search.
    searched = item.action is None or item.action.type == "search"
    return searched and item.type == "web_search_call" and item.status != "failed"


def _is_apart(item: _Item) -> bool:
    rented = item.type == "shell_call" and item.environment is not None and item.environment.type != _LOCAL
    return item.type in _HOSTED or rented


def _said_quarters(item: _Item) -> int:
    """Return quarters of tokens of what the model said in an item; a compaction repeats what the user said."""
    if item.role == "user":
        return 0
    quarters = sum(text_quarters(bytes(raw)) for raw in (item.arguments, item.input, item.code))
    for part in (*(item.content or ()), *(item.summary or ())):
        quarters += text_quarters(bytes(part.text)) + text_quarters(bytes(part.refusal))
    if item.type == "compaction":
        quarters += text_quarters(bytes(item.encrypted_content))
    return quarters


def _string_quarters(raw: msgspec.Raw) -> int:
    """Return quarters of tokens of a delta that is a text; what a shell printed is an object, and no output."""
    return text_quarters(bytes(raw)) if is_text(raw) else 0
