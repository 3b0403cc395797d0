"""The table of dialects: a path to the dialect that clients speak there, an upstream's dialect to how it is asked.

It decides which endpoints are metered. There is no unmetered path (CASES 34): a known endpoint without a reader here
is refused, never passed through.
"""

from dataclasses import dataclass
from typing import Protocol

from tokens_forge.wire import openai_chat
from tokens_forge.wire.openai_chat import ChatRequest


class ReadRequest(Protocol):
    """Reads a client's body; raises RequestError for one that can't become a call."""

    def __call__(self, body: bytes, *, output_bound: int, inline_tokens: int) -> ChatRequest:
        """Return what the body asks for; `output_bound` and `inline_tokens` (of an image or sound) are in tokens."""
        ...


class UpstreamBody(Protocol):
    """Writes the body that an upstream gets."""

    def __call__(self, request: ChatRequest, *, model: str, inject_usage: bool) -> bytes:
        """Return the request under the upstream's name of the model."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One way to ask a model."""

    name: str
    """As the ledger writes it in `dialect_in` and `dialect_out`."""
    path: str
    """What follows an upstream's base URL."""
    read_request: ReadRequest
    upstream_body: UpstreamBody


OPENAI_CHAT = Dialect(
    name="openai_chat",
    path="/chat/completions",
    read_request=openai_chat.read_request,
    upstream_body=openai_chat.upstream_body,
)

BY_PATH = {"/v1/chat/completions": OPENAI_CHAT}
"""What clients may call."""

BY_UPSTREAM = {"openai": OPENAI_CHAT}
"""How an upstream is asked, by `[upstream] dialect`."""

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
