"""What an upstream's settings can't mean: a URL with an endpoint in it, settings that never count, a login and money.

Each finding says what to write instead. What a single setting must look like is looked at in `core/config_check.py`.
"""

from collections.abc import Iterator
from urllib.parse import urlsplit

from tokens_forge.core.balance_check import Path
from tokens_forge.core.config import CLIENT, Config, Finding, Route, Upstream
from tokens_forge.core.dialects import endpoints_of


def upstream_findings(path: Path, upstream: Upstream) -> Iterator[Finding]:
    """Yield what an upstream is told to no effect, or to a wrong one."""
    yield from _base_url((*path, "base_url"), upstream)
    if upstream.auth and upstream.credential in {"none", CLIENT}:
        whose = "its caller's login comes in its own header" if upstream.credential == CLIENT else "there is none"
        yield Finding(
            path=(*path, "auth"),
            what=f'it names the header of a credential, and with `credential = "{upstream.credential}"` {whose}: leave '
            "it out",
            warning=True,
        )
    if upstream.stream_usage == "never" and not {"chat", "completions"} & {*endpoints_of(upstream)}:
        yield Finding(
            path=(*path, "stream_usage"),
            what="its streams tell their usage unasked, so it never counts: leave it out",
            warning=True,
        )
    if urlsplit(upstream.base_url).hostname == "chatgpt.com" and "chat" in endpoints_of(upstream):
        # openai/codex, `model-provider-info/src/lib.rs`: what a ChatGPT login calls has Responses alone; read 2026-11.
        yield Finding(
            path=path,
            what='a ChatGPT login is served by Responses alone: write `endpoints = ["responses"]`',
            warning=True,
        )


def is_url(written: str) -> bool:
    """Say whether a base URL has the form of one: what can't be read has no host to ask what it speaks."""
    try:
        return written.startswith(("https://", "http://")) and bool(urlsplit(written).hostname)
    except ValueError:  # brackets around what is no address
        return False


def login_findings(path: Path, route: Route, config: Config) -> Iterator[Finding]:
    """Yield a route whose calls a client's own login pays for, and that charges money of ours all the same."""
    upstream, balance = config.upstream.get(route.upstream), config.balance.get(route.balance)
    if upstream is None or balance is None or upstream.credential != CLIENT or balance.kind in {"pool", "free"}:
        return
    yield Finding(
        path=(*path, "balance"),
        what=f"its calls are paid by their caller's own login, and charged to `{route.balance}` all the same: unless "
        'that login is a key on this very account, write a balance of `kind = "pool"`, `unit = "percent"`, '
        '`windows = "provider"`',
        warning=True,
    )


def _base_url(path: Path, upstream: Upstream) -> Iterator[Finding]:
    """Yield a URL with the endpoint in it, which would be asked for twice, or without OpenAI's version."""
    said = upstream.base_url.rstrip("/")
    for dialect, ends in _ENDS.items():
        end = next((end for end in ends if said.endswith(end)), "")
        if not end:
            continue
        right = said.removesuffix(end)
        other = "" if dialect == upstream.dialect else f', and `dialect = "{dialect}"`'
        yield Finding(
            path=path, what=f"`{upstream.base_url}` has the endpoint in it, which tf adds: write `{right}`{other}"
        )
        return
    if upstream.dialect == "openai" and said.endswith("://api.openai.com"):
        yield Finding(path=path, what=f"OpenAI's API begins after `/v1`: write `{said}/v1`")


_ENDS = {
    "openai": ("/chat/completions", "/completions", "/responses", "/embeddings", "/moderations"),
    "anthropic": ("/v1/messages/count_tokens", "/v1/messages", "/messages"),
}
"""By the dialect, what a URL that was copied from an example ends in."""
