"""In which dialect an upstream is asked for what a client asks in its own.

A table of what each kind of upstream speaks, and what can be translated. Routing passes a candidate over that can't be
asked; how bytes become values is `wire/`'s part.
"""

from typing import Literal
from urllib.parse import urlsplit

from tokens_forge.core.config import Endpoint, Upstream

DialectName = Literal[
    "openai_chat",
    "openai_completions",
    "openai_responses",
    "openai_responses_compact",
    "openai_embeddings",
    "openai_moderations",
    "anthropic_messages",
    "anthropic_count_tokens",
]
"""As the ledger writes it in `dialect_in` and `dialect_out`: an endpoint and its way to ask."""

_ENDPOINTS: dict[DialectName, Endpoint] = {
    "openai_chat": "chat",
    "openai_completions": "completions",
    "openai_responses": "responses",
    "openai_responses_compact": "responses",
    "openai_embeddings": "embeddings",
    "openai_moderations": "moderations",
    "anthropic_messages": "messages",
    "anthropic_count_tokens": "messages",
}

_TRANSLATED: dict[DialectName, tuple[DialectName, ...]] = {
    "openai_chat": ("anthropic_messages",),
    "anthropic_messages": ("openai_chat",),
    "openai_responses": ("openai_chat", "anthropic_messages"),
}
"""Into what a client's dialect can be translated, the first choice first."""

_HAVE: dict[str, tuple[Endpoint, ...]] = {
    "openai": ("chat", "completions", "embeddings", "moderations"),
    "anthropic": ("messages",),
}
"""What an upstream has that says nothing of its own."""

_WITH_RESPONSES = ("api.openai.com", ".openai.azure.com")
"""Hosts that are known to have Responses too, or how they end (OpenAI API reference; Azure, "Responses API")."""


def dialect_out(asked: DialectName, upstream: Upstream) -> DialectName | None:
    """Return the dialect in which `upstream` is asked for a call in the client's; None when it can't be."""
    has = endpoints_of(upstream)
    spoken = (asked, *_TRANSLATED.get(asked, ()))
    return next((name for name in spoken if _ENDPOINTS[name] in has), None)


def endpoints_of(upstream: Upstream) -> tuple[Endpoint, ...]:
    """Return the endpoints that an upstream has: by its own word, else by its dialect and host."""
    if upstream.endpoints is not None:
        return upstream.endpoints
    has = _HAVE[upstream.dialect]
    host = urlsplit(upstream.base_url).hostname or ""
    return (*has, "responses") if upstream.dialect == "openai" and host.endswith(_WITH_RESPONSES) else has


def is_free(asked: DialectName, upstream: Upstream) -> bool:
    """Say whether a call costs nothing, whatever the route.

    Tokens are counted free of charge (Anthropic, "Token counting"), and OpenAI's own moderation is free (OpenAI, guide
    "Moderation"; read 2026-11).
    """
    if asked == "openai_moderations":
        return (urlsplit(upstream.base_url).hostname or "") == "api.openai.com"
    return asked == "anthropic_count_tokens"
