"""The table of dialects: a path to the dialect that clients speak there, how each is read, written and metered.

It decides which endpoints are metered. There is no unmetered path (CASES 34): a known endpoint without a reader here
is refused, never passed through. Which dialect an upstream is asked in is `core/dialects.py`'s part.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from tokens_forge.core.dialects import DialectName
from tokens_forge.wire import anthropic_messages, openai_chat, openai_other, openai_responses
from tokens_forge.wire.provider_facts import ANTHROPIC_VERSION
from tokens_forge.wire.reply import Meter, Reply, Said
from tokens_forge.wire.request import Fields, Request
from tokens_forge.wire.translate import chat_messages, messages_chat, responses_chat, responses_messages
from tokens_forge.wire.translate.messages_thinking import without_our_thinking
from tokens_forge.wire.translation import Translation


class ReadRequest(Protocol):
    """Reads a client's body; raises RequestError for one that can't become a call."""

    def __call__(self, body: bytes, *, output_bound: int, inline_tokens: int) -> Request:
        """Return what the body asks for; `output_bound` and `inline_tokens` (of an image or sound) are in tokens."""
        ...


class UpstreamFields(Protocol):
    """Writes the members of the body that an upstream gets."""

    def __call__(self, request: Request, *, model: str, inject_usage: bool) -> Fields:
        """Return the request's members under the upstream's name of the model."""
        ...


class ErrorBody(Protocol):
    """Writes an error in a dialect."""

    def __call__(self, *, status: int, code: str, message: str, call_id: str) -> bytes:
        """Return the body of an error; `call_id` is empty for a request that is no call."""
        ...


class ErrorEvent(Protocol):
    """Writes what ends a stream that breaks."""

    def __call__(self, *, status: int, code: str, message: str, said: Said | None) -> bytes:
        """Return the event; `said` is what the stream said of itself before."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What dialects have in common that one SDK reads."""

    error_body: ErrorBody
    error_event: ErrorEvent
    id_header: str = "x-request-id"
    """Where the SDK looks for a request's id, which is printed with an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One way to ask a model."""

    name: DialectName
    """As the ledger writes it in `dialect_in` and `dialect_out`."""
    path: str
    """What follows an upstream's base URL, its ``/v1`` included."""
    read_request: ReadRequest
    upstream_fields: UpstreamFields
    read_reply: Callable[[bytes], Reply | None]
    """Reads a whole reply; None for what is none."""
    meter: Callable[[Request, bool], Meter]
    """Begins to read a stream, given the client's request and whether the upstream was asked for its usage."""
    family: Family
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Request headers of the dialect, which go from the client to an upstream that speaks it too, and what is sent
    where a client has none; empty: nothing."""
    metered: bool = True
    """Whether its replies have a usage."""

    def sent_headers(self, of_client: Mapping[str, str], login: Mapping[str, str]) -> Mapping[str, str]:
        """Return the headers that an upstream gets: the dialect's, and with a client's login all that it brought."""
        own = {name: value for name, default in self.headers.items() if (value := of_client.get(name, default))}
        return {**own, **login}


def _chat_meter(request: Request, metered: bool) -> Meter:
    return openai_chat.StreamMeter(
        include_usage=request.include_usage, choices=request.choices, metered=request.include_usage or metered
    )


def _responses_meter(_request: Request, _metered: bool) -> Meter:
    return openai_responses.StreamMeter()


def _messages_meter(request: Request, _metered: bool) -> Meter:
    return anthropic_messages.StreamMeter(most=request.output_bound)


def _messages_fields(request: Request, *, model: str, inject_usage: bool) -> Fields:
    fields = anthropic_messages.upstream_fields(request, model=model, inject_usage=inject_usage)
    return without_our_thinking(fields)


OPENAI = Family(error_body=openai_chat.error_body, error_event=openai_chat.error_event)
RESPONSES = Family(error_body=openai_chat.error_body, error_event=openai_responses.error_event)
ANTHROPIC = Family(
    error_body=anthropic_messages.error_body, error_event=anthropic_messages.error_event, id_header="request-id"
)

_OPENAI_HEADERS = {"openai-beta": ""}
_ANTHROPIC_HEADERS = {"anthropic-version": ANTHROPIC_VERSION, "anthropic-beta": ""}
"""The version must be there (Anthropic API, "Versions"). A client's own goes before it."""

OPENAI_CHAT = Dialect(
    name="openai_chat",
    path="/chat/completions",
    read_request=openai_chat.read_request,
    upstream_fields=openai_chat.upstream_fields,
    read_reply=openai_chat.read_reply,
    meter=_chat_meter,
    family=OPENAI,
)

OPENAI_COMPLETIONS = Dialect(
    name="openai_completions",
    path="/completions",
    read_request=openai_other.read_completions,
    upstream_fields=openai_chat.upstream_fields,
    read_reply=openai_chat.read_reply,
    meter=_chat_meter,
    family=OPENAI,
)

OPENAI_RESPONSES = Dialect(
    name="openai_responses",
    path="/responses",
    read_request=openai_responses.read_request,
    upstream_fields=openai_responses.upstream_fields,
    read_reply=openai_responses.read_reply,
    meter=_responses_meter,
    family=RESPONSES,
    headers=_OPENAI_HEADERS,
)

OPENAI_RESPONSES_COMPACT = Dialect(
    name="openai_responses_compact",
    path="/responses/compact",
    read_request=openai_responses.read_compact_request,
    upstream_fields=openai_responses.upstream_fields,
    read_reply=openai_responses.read_compact_reply,
    meter=_responses_meter,
    family=RESPONSES,
    headers=_OPENAI_HEADERS,
)

OPENAI_EMBEDDINGS = Dialect(
    name="openai_embeddings",
    path="/embeddings",
    read_request=openai_other.read_embeddings,
    upstream_fields=openai_chat.upstream_fields,
    read_reply=openai_other.read_embeddings_reply,
    meter=_chat_meter,
    family=OPENAI,
)

OPENAI_MODERATIONS = Dialect(
    name="openai_moderations",
    path="/moderations",
    read_request=openai_other.read_moderations,
    upstream_fields=openai_chat.upstream_fields,
    read_reply=openai_other.read_moderations_reply,
    meter=_chat_meter,
    family=OPENAI,
    metered=False,
)

ANTHROPIC_MESSAGES = Dialect(
    name="anthropic_messages",
    path="/v1/messages",
    read_request=anthropic_messages.read_request,
    upstream_fields=_messages_fields,
    read_reply=anthropic_messages.read_reply,
    meter=_messages_meter,
    family=ANTHROPIC,
    headers=_ANTHROPIC_HEADERS,
)

ANTHROPIC_COUNT_TOKENS = Dialect(
    name="anthropic_count_tokens",
    path="/v1/messages/count_tokens",
    read_request=anthropic_messages.read_count_request,
    upstream_fields=_messages_fields,
    read_reply=anthropic_messages.read_count_reply,
    meter=_messages_meter,
    family=ANTHROPIC,
    headers=_ANTHROPIC_HEADERS,
    metered=False,
)

DIALECTS: Mapping[DialectName, Dialect] = {
    dialect.name: dialect
    for dialect in (
        OPENAI_CHAT,
        OPENAI_COMPLETIONS,
        OPENAI_RESPONSES,
        OPENAI_RESPONSES_COMPACT,
        OPENAI_EMBEDDINGS,
        OPENAI_MODERATIONS,
        ANTHROPIC_MESSAGES,
        ANTHROPIC_COUNT_TOKENS,
    )
}

BY_PATH: Mapping[str, Dialect] = {f"/v1{dialect.path.removeprefix('/v1')}": dialect for dialect in DIALECTS.values()}
"""What clients may call."""

TRANSLATIONS: Mapping[tuple[DialectName, DialectName], Translation] = {
    ("openai_chat", "anthropic_messages"): chat_messages.TRANSLATION,
    ("anthropic_messages", "openai_chat"): messages_chat.TRANSLATION,
    ("openai_responses", "openai_chat"): responses_chat.TRANSLATION,
    ("openai_responses", "anthropic_messages"): responses_messages.TRANSLATION,
}
"""By the client's dialect and the upstream's."""


def family_of(path: str) -> Family:
    """Return whose SDK calls `path`, also where nothing is: its errors are read by that SDK."""
    if path.startswith("/v1/messages"):
        return ANTHROPIC
    return RESPONSES if path.startswith("/v1/responses") else OPENAI


UNMETERED = (
    "/v1/assistants",
    "/v1/audio",
    "/v1/batches",
    "/v1/complete",
    "/v1/containers",
    "/v1/conversations",
    "/v1/evals",
    "/v1/files",
    "/v1/fine_tuning",
    "/v1/images",
    "/v1/messages/batches",
    "/v1/realtime",
    "/v1/responses/input_tokens",
    "/v1/skills",
    "/v1/threads",
    "/v1/uploads",
    "/v1/vector_stores",
    "/v1/videos",
    "/v1beta/models",
)
"""Endpoints of providers that can't be metered yet, with all that lies below them: refused with 501."""


def is_unmetered(path: str) -> bool:
    """Say whether `path` is a provider's endpoint that can't be metered yet; other unknown paths do not exist."""
    return any(path == known or path.startswith(f"{known}/") for known in UNMETERED)
