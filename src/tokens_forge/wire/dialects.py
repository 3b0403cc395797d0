"""The table of dialects: a path to the dialect that clients speak there, how each is read, written and metered.

It decides which endpoints are metered. There is no unmetered path (CASES 34): a known endpoint without a reader here
is refused, never passed through. Which dialect an upstream is asked in is `core/dialects.py`'s part.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from tokens_forge.core.dialects import DialectName
from tokens_forge.wire import openai_chat
from tokens_forge.wire.reply import Meter, Reply, Said
from tokens_forge.wire.request import Fields, Request
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
class Errors:
    """How a family of dialects writes errors."""

    body: ErrorBody
    event: ErrorEvent


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
    errors: Errors
    headers: tuple[str, ...] = ()
    """Request headers of the dialect, which go from the client to an upstream that speaks it too."""


def _chat_meter(request: Request, metered: bool) -> Meter:
    return openai_chat.StreamMeter(
        include_usage=request.include_usage, choices=request.choices, metered=request.include_usage or metered
    )


OPENAI_ERRORS = Errors(body=openai_chat.error_body, event=openai_chat.error_event)

OPENAI_CHAT = Dialect(
    name="openai_chat",
    path="/chat/completions",
    read_request=openai_chat.read_request,
    upstream_fields=openai_chat.upstream_fields,
    read_reply=openai_chat.read_reply,
    meter=_chat_meter,
    errors=OPENAI_ERRORS,
)

DIALECTS: Mapping[DialectName, Dialect] = {dialect.name: dialect for dialect in (OPENAI_CHAT,)}

BY_PATH: Mapping[str, Dialect] = {f"/v1{dialect.path}": dialect for dialect in DIALECTS.values()}
"""What clients may call."""

TRANSLATIONS: Mapping[tuple[DialectName, DialectName], Translation] = {}
"""By the client's dialect and the upstream's."""

UNMETERED = (
    "/v1/assistants",
    "/v1/audio",
    "/v1/batches",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/files",
    "/v1/fine_tuning",
    "/v1/images",
    "/v1/messages",
    "/v1/moderations",
    "/v1/realtime",
    "/v1/responses",
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
