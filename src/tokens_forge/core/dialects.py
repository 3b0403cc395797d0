"""In which dialect an upstream is asked for what a client asks in its own.

A table of what each kind of upstream speaks, and what can be translated. Routing passes a candidate over that can't be
asked; how bytes become values is `wire/`'s part.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from functools import lru_cache
from typing import Literal
from urllib.parse import urlsplit

from tokens_forge.core.config import CLIENT, Endpoint, Upstream

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

_SPOKEN: dict[str, tuple[DialectName, ...]] = {name: (name, *_TRANSLATED.get(name, ())) for name in _ENDPOINTS}

_HAVE: dict[str, tuple[Endpoint, ...]] = {
    "openai": ("chat", "completions", "embeddings", "moderations"),
    "anthropic": ("messages",),
}
"""What an upstream has that says nothing of its own."""

SPEAKS: dict[str, tuple[Endpoint, ...]] = {"openai": (*_HAVE["openai"], "responses"), "anthropic": _HAVE["anthropic"]}
"""What an upstream of each dialect can have."""

DIALECT_OF: Mapping[Endpoint, DialectName] = {
    "chat": "openai_chat",
    "responses": "openai_responses",
    "messages": "anthropic_messages",
}
"""The dialects of conversations, by the endpoint where clients speak them."""

METERED_PATHS = (
    "/chat/completions",
    "/completions",
    "/responses",
    "/responses/compact",
    "/embeddings",
    "/moderations",
    "/v1/messages",
    "/v1/messages/count_tokens",
)
"""What follows an upstream's base URL where calls are metered."""


def dialect_out(asked: str, upstream: Upstream) -> DialectName | None:
    """Return the dialect in which `upstream` is asked for what a client says in `asked`; None when it can't be.

    A client's own login is of the provider whose dialect it speaks: it goes to no other provider's upstream.
    """
    if upstream.credential == CLIENT and not is_of_provider(asked, upstream):
        return None
    has = endpoints_of(upstream)
    return next((name for name in _SPOKEN.get(asked, ()) if _ENDPOINTS[name] in has), None)


def is_of_provider(asked: str, upstream: Upstream) -> bool:
    """Say whether a client that speaks `asked` speaks as the provider of `upstream` does, translated or not."""
    return asked.startswith(f"{upstream.dialect}_")


def asked_in(upstreams: Iterable[Upstream]) -> tuple[tuple[Endpoint, ...], tuple[Endpoint, ...]]:
    """Return in which dialects some upstream can be asked as it is, and in which only by translation.

    What holds no conversation is named only where nothing else can be asked for.
    """
    known = tuple(upstreams)
    own: list[Endpoint] = []
    translated: list[Endpoint] = []
    for name, dialect in DIALECT_OF.items():
        spoken = {dialect_out(dialect, one) for one in known} - {None}
        if spoken:
            (own if dialect in spoken else translated).append(name)
    rest: dict[Endpoint, None] = dict.fromkeys(name for one in known for name in endpoints_of(one))
    return tuple(own or rest), tuple(translated)


def endpoints_of(upstream: Upstream) -> tuple[Endpoint, ...]:
    """Return the endpoints that an upstream has: by its own word, else by its dialect and host."""
    if upstream.endpoints is not None:
        return upstream.endpoints
    has = _HAVE[upstream.dialect]
    return (*has, "responses") if is_openai(upstream) else has


def is_openai(upstream: Upstream) -> bool:
    """Say whether an upstream is OpenAI's own, there or at Azure.

    These have Responses too, and their newer models refuse `max_tokens` for `max_completion_tokens`, which others do
    not know (OpenAI API reference; Azure, "Responses API"; read 2026-11).
    """
    host = _host(upstream.base_url)
    return upstream.dialect == "openai" and (host == "api.openai.com" or host.endswith(".openai.azure.com"))


def tier_out(tier: str, asked: str, upstream: Upstream) -> str:
    """Return the tier of service that `upstream` is asked for where a client asks for `tier`; empty: its usual one.

    Tiers have their provider's own names. A translation into another provider's dialect leaves out those that have
    rates of their own, or asks for what the provider may give (`auto`), so that its reply alone says more.
    """
    if not tier:  # as of nearly all calls: this is asked for with every candidate of each
        return ""
    spoken = dialect_out(asked, upstream) or asked
    return tier if spoken.partition("_")[0] == asked.partition("_")[0] else ""


def is_free(asked: str, upstream: Upstream) -> bool:
    """Say whether a call costs nothing, whatever the route.

    Tokens are counted free of charge (Anthropic, "Token counting"), and OpenAI's own moderation is free (OpenAI, guide
    "Moderation"; read 2026-11).
    """
    if asked == "openai_moderations":
        return _host(upstream.base_url) == "api.openai.com"
    return asked == "anthropic_count_tokens"


def is_refusal(finish: str, *, output: int) -> bool:
    """Say whether a reply that ended by `finish` is a refusal that came before any of its `output` (tokens)."""
    return finish == "refusal" and not output


def bills_no_refusal(upstream: Upstream, day: date) -> bool:
    """Say whether an upstream's seller does not bill a refusal before any output on `day`.

    Anthropic's own API does not, since 2026-06-02 (Claude docs, "Refusals and fallback" and "Fallback credit"; read
    2026-11). Other sellers of the same models bill what was used.
    """
    return _host(upstream.base_url) == "api.anthropic.com" and day >= _REFUSALS_FREE_FROM


_REFUSALS_FREE_FROM = date(2026, 6, 2)


@lru_cache(maxsize=256)
def _host(base_url: str) -> str:
    """Return the host of a URL; it is asked for with every candidate of every call."""
    return urlsplit(base_url).hostname or ""
