"""The table of dialects: a path to the dialect that clients speak there, how each is read, written and metered.

It decides which endpoints are metered. There is no unmetered path (CASES 34): a known endpoint without a reader here
is refused, never passed through. Which dialect an upstream is asked in is `core/dialects.py`'s part.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from tokens_forge.core.dialects import DialectName
from tokens_forge.wire import anthropic_messages, gemini, openai_chat, openai_other, openai_responses
from tokens_forge.wire.gemini import is_gemini
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
GOOGLE = Family(error_body=gemini.error_body, error_event=gemini.error_event)

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


def family_of(path: str, headers: Mapping[str, str] | None = None) -> Family:
    """Return whose SDK calls `path`, also where nothing is: its errors are read by that SDK.

    What two providers have is told by the headers (in any case) that only one's SDK sends.
    """
    if (dialect := BY_PATH.get(path)) is not None:
        return dialect.family
    if is_gemini(path):
        return GOOGLE
    by_path = next((family for above, family in _FAMILIES.items() if _is_below(path, above)), None)
    by_header = (family for name, family in _BY_HEADER.items() if headers and name in headers)
    return by_path or next(by_header, OPENAI)


_FAMILIES: Mapping[str, Family] = {
    "/v1/messages": ANTHROPIC,
    "/v1/complete": ANTHROPIC,
    "/v1/responses": RESPONSES,
    "/v1/chat": OPENAI,
}
"""By the path and all that lies below it."""

_BY_HEADER = {
    "anthropic-version": ANTHROPIC,
    "x-goog-api-key": GOOGLE,
    "x-goog-api-client": GOOGLE,
    "x-api-key": ANTHROPIC,
}

_LATER = "what runs on without its client is billed when nobody is there to count it"
_KEPT = "one account keeps it, and nothing in the request says which"
_NOT_COUNTED = "it is billed in a unit that is not counted here yet"

UNMETERED: Mapping[str, str] = {
    "/v1/agents": _LATER,
    "/v1/assistants": f"{_LATER}; ask `/v1/responses`",
    "/v1/audio": "sound is billed by its length, which is not counted here yet",
    "/v1/batches": _LATER,
    "/v1/classify": _NOT_COUNTED,
    "/v1/complete": "Text Completions are no longer priced by anybody; ask `/v1/messages`",
    "/v1/containers": "a container is billed by its time, which is not counted here",
    "/v1/content_provenance_checks": _NOT_COUNTED,
    "/v1/conversations": f"{_KEPT}; `conversation` in a request to `/v1/responses` goes to the route that has it",
    "/v1/decisions": _NOT_COUNTED,
    "/v1/deployment_runs": _LATER,
    "/v1/deployments": _LATER,
    "/v1/dreams": _LATER,
    "/v1/environments": _LATER,
    "/v1/evals": _LATER,
    "/v1/files": f"{_KEPT}; send it inside the request that needs it",
    "/v1/fine_tuning": _LATER,
    "/v1/images": "images are billed by the piece, which is not counted here yet",
    "/v1/live": "a session is billed by its time, which is not counted here",
    "/v1/memory_stores": _KEPT,
    "/v1/messages/batches": _LATER,
    "/v1/ocr": _NOT_COUNTED,
    "/v1/realtime": "a session over a WebSocket is billed as it goes, which is not counted here yet",
    "/v1/rerank": _NOT_COUNTED,
    "/v1/responses/input_tokens": "tf asks no upstream for that count yet; `/v1/messages/count_tokens` counts",
    "/v1/score": _NOT_COUNTED,
    "/v1/sessions": _LATER,
    "/v1/skills": _KEPT,
    "/v1/threads": f"{_LATER}; ask `/v1/responses`",
    "/v1/uploads": f"{_KEPT}; send it inside the request that needs it",
    "/v1/vaults": _KEPT,
    "/v1/vector_stores": "what is stored is billed by the day, which is not counted here",
    "/v1/videos": "videos are billed by the second, which is not counted here yet",
}
"""Endpoints of providers that can't be metered yet, with all that lies below them, and why: refused with 501."""

_ADMIN = "it administers a provider's account, which tf does not touch: call the provider with its own admin key"
_TOLD = "it tells one provider's figures, and tf has several: `tf balance` and `tf spend` say what there is"

OUTSIDE: Mapping[str, str] = {
    "/v1/chatkit": "ChatKit runs at its provider, not through a proxy",
    "/v1/compliance": _ADMIN,
    "/v1/credits": _TOLD,
    "/v1/dashboard": _TOLD,
    "/v1/engines": "engines have been models since 2023: ask `/v1/models`",
    "/v1/generation": "it is told by the provider that made it: `tf explain` takes its id",
    "/v1/key": _TOLD,
    "/v1/keys": f"{_ADMIN}; `tf keys` issues those for tf",
    "/v1/organization": _ADMIN,
    "/v1/organizations": _ADMIN,
    "/v1/projects": _ADMIN,
    "/v1/safety": _ADMIN,
    "/v1/tunnels": _ADMIN,
    "/v1/usage": _TOLD,
    "/v1/user_profiles": _ADMIN,
    "/v1/webhook_endpoints": _ADMIN,
    "/v1/webhook_event_types": _ADMIN,
}
"""What providers have beside inference, with all that lies below it, and why it is no part of this proxy."""

_GEMINI = "Gemini's own API is not spoken here: ask `/v1/chat/completions`, which Gemini's OpenAI endpoint answers"


def is_unmetered(path: str) -> bool:
    """Say whether `path` is a provider's endpoint that can't be metered yet."""
    return is_gemini(path) or any(_is_below(path, known) for known in UNMETERED)


def not_served(path: str, family: Family) -> tuple[str, str] | None:
    """Return the code and the reason why a provider's endpoint is refused (501); None for what does not exist at all.

    `family`: whose SDK asks.
    """
    for code, table in (("not_metered", UNMETERED), ("not_served", OUTSIDE)):
        for known, why in table.items():
            if _is_below(path, known):
                return code, why
    return ("not_metered", _GEMINI) if family is GOOGLE else None


def _is_below(path: str, above: str) -> bool:
    return path.startswith(above) and (len(path) == len(above) or path[len(above)] == "/")
