"""What an upstream's settings can't mean: each finding says what to write instead."""

from typing import Any

import msgspec
import pytest

from tokens_forge.core.config import Config
from tokens_forge.core.config_check import check

BASE: dict[str, Any] = {"dialect": "openai", "base_url": "https://u.example/v1", "credential": "none"}
CLIENT: dict[str, Any] = {**BASE, "credential": "client"}
CLAUDE: dict[str, Any] = {"dialect": "anthropic", "base_url": "https://u.example", "credential": "env:KEY"}


def found(upstream: dict[str, Any], balance: dict[str, Any] | None = None) -> list[tuple[str, str, bool]]:
    """Return what is found wrong with an upstream and the balance of its one route."""
    written = {
        "balance": {"b": balance or {"kind": "pool", "unit": "percent", "windows": "provider"}},
        "upstream": {"u": upstream},
        "route": {"r": {"class": "subscription", "upstream": "u", "balance": "b", "serves": ["m"], "price": "free"}},
    }
    return [(".".join(one.path), one.what, one.warning) for one in check(msgspec.convert(written, Config))]


@pytest.mark.parametrize(
    ("upstream", "written", "right"),
    [
        (BASE, "https://u.example/v1/chat/completions", "`https://u.example/v1`"),
        (BASE, "https://u.example/v1/completions/", "`https://u.example/v1`"),
        (BASE, "https://chatgpt.com/backend-api/codex/responses", "`https://chatgpt.com/backend-api/codex`"),
        (BASE, "https://u.example/v1/messages", '`https://u.example`, and `dialect = "anthropic"`'),
        (CLAUDE, "https://u.example/v1/messages", "`https://u.example`"),
        (CLAUDE, "https://u.example/v1/messages/count_tokens", "`https://u.example`"),
        (CLAUDE, "https://u.example/messages", "`https://u.example`"),
        (CLAUDE, "https://u.example/v1/chat/completions", '`https://u.example/v1`, and `dialect = "openai"`'),
    ],
)
def test_a_url_with_the_endpoint_in_it(upstream: dict[str, Any], written: str, right: str) -> None:
    """As it is copied from an example: what to write is told, and the dialect where it is the other's."""
    endpoints = ("messages",) if upstream["dialect"] == "anthropic" else ("responses",)
    assert [
        ("upstream.u.base_url", f"`{written}` has the endpoint in it, which tf adds: write {right}", False)
    ] == found({**upstream, "base_url": written, "endpoints": endpoints})


def test_a_url_without_the_version() -> None:
    """OpenAI's own needs it; what other servers have there is theirs, and Anthropic's is added."""
    assert [
        ("upstream.u.base_url", "OpenAI's API begins after `/v1`: write `https://api.openai.com/v1`", False)
    ] == found({**BASE, "base_url": "https://api.openai.com/"})
    assert [] == found({**BASE, "base_url": "https://u.example"})
    assert [] == found({**CLAUDE, "base_url": "https://api.anthropic.com/v1"})


@pytest.mark.parametrize(
    ("upstream", "where", "why"),
    [
        ({**BASE, "auth": "x-api-key"}, "auth", 'with `credential = "none"` there is none: leave it out'),
        ({**CLIENT, "auth": "bearer"}, "auth", "its caller's login comes in its own header: leave it out"),
        ({**CLAUDE, "stream_usage": "never"}, "stream_usage", "its streams tell their usage unasked"),
    ],
)
def test_a_setting_that_never_counts(upstream: dict[str, Any], where: str, why: str) -> None:
    """It stops nothing, and says what it would have been for."""
    ((path, what, warning),) = found(upstream)
    assert (f"upstream.u.{where}", True, True) == (path, warning, why in what)


@pytest.mark.parametrize(
    "upstream",
    [
        {**CLAUDE, "auth": "bearer"},
        {**BASE, "stream_usage": "never"},
        {**BASE, "stream_usage": "never", "endpoints": ["completions", "embeddings"]},
        {**CLIENT, "base_url": "https://chatgpt.com/backend-api/codex", "endpoints": ["responses"]},
    ],
)
def test_what_is_right(upstream: dict[str, Any]) -> None:
    """Where it counts, it is as the user says."""
    assert [] == found(upstream)


def test_a_chatgpt_login_has_responses_alone() -> None:
    """Asked for chat completions, it would answer that there is no such page."""
    what = 'a ChatGPT login is served by Responses alone: write `endpoints = ["responses"]`'
    assert [("upstream.u", what, True)] == found({**CLIENT, "base_url": "https://chatgpt.com/backend-api/codex"})


def test_a_login_and_money() -> None:
    """Charged to a balance that it never takes from, a plan looks dear; a pool and what is free are right."""
    ((path, what, warning),) = found(CLIENT, {"kind": "prepaid", "unit": "USD"})
    assert ("route.r.balance", True) == (path, warning)
    assert what.startswith("its calls are paid by their caller's own login, and charged to `b` all the same")
    assert [] == found(BASE, {"kind": "prepaid", "unit": "USD"})
    assert [] == found(CLIENT, {"kind": "free"})


@pytest.mark.parametrize("written", ["u.example", "https://", "https://[u", "https:///v1"])
def test_a_url_that_is_none(written: str) -> None:
    """What has no host can't be asked what it speaks, and is told once."""
    said = "`https://HOST/v1` (what stands before `/chat/completions`)"
    assert [("upstream.u.base_url", f"`{written}` is no base URL: write {said}", False)] == found(
        {**BASE, "base_url": written, "stream_usage": "never"}
    )
