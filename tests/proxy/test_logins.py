"""A client that keeps its own login: who it is said by a key of ours, what it may by its login, and where that goes."""

import asyncio
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from goldens import golden
from pairs import before, replays
from playbook import NO_WAIT, Playbook, Setup, playing
from upstreams import JSON, plain, refusal, stream

OWN = "sk-ant-oat01-of-the-user"
"""The login of a subscription, as Claude Code sends it."""

PLAN = """
[balance.max]
kind = "pool"
unit = "percent"
windows = "provider"
[route.max]
class = "subscription"
upstream = "relay"
balance = "max"
serves = ["opus"]
[route.spare]
class = "direct"
upstream = "official"
balance = "credit"
serves = { "opus" = "gpt-5" }
price = "free"
[model.opus]
routes = ["max/opus", "spare/opus"]
fallback = "any"
"""

BODY = msgspec.json.encode({"model": "opus", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]})
LOGIN = {
    "authorization": f"Bearer {OWN}",
    "anthropic-version": "2023-06-01",
    "anthropic-beta": "oauth-2025-04-20,claude-code-20250219",
    "user-agent": "claude-cli/2.0 (external, cli)",
    "x-app": "cli",
}


def setup() -> Setup:
    """Return the setup with a relay that takes its caller's login."""
    return Setup(
        config=before("anthropic_messages").config.replace('credential = "env:RELAY_KEY"', 'credential = "client"'),
        relay='dialect = "anthropic"\npasses = ["GET /api/hello", "POST /api/event_logging/*"]',
        relay_credential=OWN,
        fund={"credit": "10 USD"},
        more=PLAN,
    )


async def messages(play: Playbook, **headers: str) -> int:
    """Send a message as Claude Code does and return the status."""
    path = f"/k/{play.tokens['aider']}/v1/messages?beta=true"
    got = await play.send("POST", path, BODY, headers={**LOGIN, **headers})
    return got.status


async def test_a_login_goes_to_its_upstream(tmp_path: Path) -> None:
    """With it go the headers by which the upstream knows the client; the key in the path stays here."""
    async with playing(tmp_path, setup()) as play:
        replays(play, golden("anthropic_messages", "text.json"))
        assert 200 == await messages(play)
        (got,) = play.relay.got
        assert LOGIN.items() <= got.headers.items()
        assert "POST /v1/messages?beta=true" == got.line
        settled = await play.settled()
        assert ("max", "aider", "0", "zero") == (settled.balance, settled.key, settled.charge, settled.certainty)


async def test_what_a_plan_has_left_is_shown_to_its_client(tmp_path: Path) -> None:
    """Claude Code reads the limits of its login from the reply's headers; what else the upstream says stays here."""
    said = {"anthropic-ratelimit-unified-5h-utilization": "0.42", "anthropic-ratelimit-unified-status": "allowed"}
    async with playing(tmp_path, setup()) as play:
        data = golden("anthropic_messages", "text.json").data
        play.relay.answers(plain(data, headers={**JSON, **said, "x-internal": "1", "set-cookie": "a=b"}))
        path = f"/k/{play.tokens['aider']}/v1/messages"
        got = await play.send("POST", path, BODY, headers=LOGIN)
        assert said == got.said(*said, "x-internal", "set-cookie")
        assert "58" == (await play.settled()).limits[0].remaining


@pytest.mark.parametrize("status", [401, 403])
async def test_a_login_that_is_refused(tmp_path: Path, status: int) -> None:
    """DESIGN 7: it is the client's own affair: returned as it is, nothing cools, nobody else is asked."""
    async with playing(tmp_path, setup()) as play:
        play.relay.answers(refusal(status, "authentication_error", "token expired"))
        assert status == await messages(play)
        assert [] == [line for line in play.transcript() if line.startswith("cooled")]
        assert [] == play.official.got
        replays(play, golden("anthropic_messages", "text.json"))
        assert 200 == await messages(play)


async def test_a_plan_that_is_used_up(tmp_path: Path) -> None:
    """Nobody else may answer: the provider's own 429 comes, with what it says of the limit, and names the call."""
    alone = replace(setup(), more=PLAN.replace('routes = ["max/opus", "spare/opus"]', 'routes = ["max/opus"]'))
    said = {"anthropic-ratelimit-unified-5h-status": "rejected", "retry-after": "7200"}
    async with playing(tmp_path, alone) as play:
        play.relay.answers(refusal(429, "rate_limit_error", "This request would exceed your limit", headers=said))
        got = await play.send("POST", f"/k/{play.tokens['aider']}/v1/messages", BODY, headers=LOGIN)
        assert (429, "This request would exceed your limit") == (got.status, got.message)
        assert said == got.said(*said)
        entry = play.closing()
        assert (429, entry.id) == (entry.client_status, got.headers["request-id"])


@pytest.mark.parametrize("word", ["true", "false"])
@pytest.mark.parametrize("status", [401, 429])
async def test_what_its_provider_says_of_a_retry(tmp_path: Path, word: str, status: int) -> None:
    """A client with its own login gets its provider's word on whether to send a request again, as it came."""
    alone = replace(
        setup(), more=PLAN.replace('routes = ["max/opus", "spare/opus"]', 'routes = ["max/opus"]') + NO_WAIT
    )
    async with playing(tmp_path, alone) as play:
        play.relay.answers(refusal(status, "x", headers={"X-Should-Retry": word, "retry-after": "7200"}))
        got = await play.send("POST", f"/k/{play.tokens['aider']}/v1/messages", BODY, headers=LOGIN)
        assert (status, word) == (got.status, got.headers["x-should-retry"])


async def test_a_plan_that_is_used_up_in_a_stream(tmp_path: Path) -> None:
    """The same where its provider says it as the first event of a stream: reply and ledger say 429, not 200."""
    alone = replace(setup(), more=PLAN.replace('routes = ["max/opus", "spare/opus"]', 'routes = ["max/opus"]'))
    limit = b'event: error\ndata: {"type":"error","error":{"type":"rate_limit_error","message":"limit"}}\n\n'
    async with playing(tmp_path, alone) as play:
        play.relay.answers(stream(limit))
        body = msgspec.json.encode({**msgspec.json.decode(BODY), "stream": True})
        got = await play.send("POST", f"/k/{play.tokens['aider']}/v1/messages", body, headers=LOGIN)
        assert (429, 429, "limit") == (got.status, play.closing().client_status, got.message)


async def test_a_login_never_follows_a_fallback(tmp_path: Path) -> None:
    """Another upstream answers with a credential of ours, in its own dialect; the login is not sent there."""
    async with playing(tmp_path, setup()) as play:
        play.relay.answers(refusal(429, "rate_limit_error"))
        assert 200 == await messages(play)
        (got,) = play.official.got
        assert ("POST /v1/chat/completions", False) == (got.line, OWN in repr(got.headers))
        assert "Bearer sk-secret-of-official" == got.headers["authorization"]


async def test_without_a_login(tmp_path: Path) -> None:
    """A key of ours in the SDK's place is no login: the subscription is passed over, and its key goes nowhere."""
    async with playing(tmp_path, setup()) as play:
        got = await play.send("POST", "/v1/messages", BODY)
        assert (200, "spare") == (got.status, got.headers["x-tf-route"])
        assert [] == play.relay.got
        passed = [line for line in play.transcript() if line.startswith("held")]
        assert ["held 1 first spare by credit past max/opus no_client_credential"] == passed


async def test_listed_paths_pass(tmp_path: Path) -> None:
    """What such a client needs besides passes with no charge and no line in the ledger; what is not listed does not."""
    async with playing(tmp_path, setup()) as play:
        key = f"/k/{play.tokens['aider']}"
        play.relay.answers(plain(b'{"hello":1}'), plain(b"{}"))
        got = await play.send("GET", f"{key}/api/hello?x=1", headers=LOGIN)
        assert (200, b'{"hello":1}') == (got.status, got.body)
        assert 200 == (await play.send("POST", f"{key}/api/event_logging/batch", b'{"a":1}', headers=LOGIN)).status
        assert 404 == (await play.send("DELETE", f"{key}/api/hello", headers=LOGIN)).status
        assert 404 == (await play.send("GET", "/api/hello")).status
        assert ["GET /api/hello?x=1", "POST /api/event_logging/batch"] == [it.line for it in play.relay.got]
        assert [] == play.transcript()
        play.relay.got.clear()  # they are no calls: the audit counts those


@pytest.mark.parametrize(
    ("status", "path"),
    [
        (404, "/api/event_logging/%2e%2e/%2e%2e/v1/messages"),
        (404, "/api/event_logging/..%2f..%2fv1/messages"),
        (404, "/api/event_logging/.%2E/x"),
        (404, "/api/event_logging//batch"),
        (404, "/api/event_logging/a%3Fb"),
        (404, "/api/event_logging/a%23b"),
        (404, "/api/event_logging/a%5Cb"),
        (404, "/api/event_logging/a%252Fb"),
        (404, "/v1/messages%3F/logs"),
        (404, "/v1/messages%23/logs"),
        (404, "/v1/messages/?/logs"),
        (404, "/V1/Messages"),
        (404, "/V1/MESSAGES/count_tokens/"),
        (501, "/v1/messages/batches"),
        (501, "/v1/messages/batches/logs"),
    ],
)
async def test_a_listed_pattern_lets_no_call_pass(tmp_path: Path, status: int, path: str) -> None:
    """CASES 34: what fits a pattern may be another path upstream, by dots, a query, an end of the path or its case."""
    patterns = '"POST /*/logs", "POST /V1/*", "POST /v1/messages/b*"'
    more = replace(setup(), relay=setup().relay.replace("]", f", {patterns}]"))
    async with playing(tmp_path, more) as play:
        got = await play.send("POST", f"/k/{play.tokens['aider']}{path}", BODY, headers=LOGIN)
        assert (status, []) == (got.status, play.relay.got)


async def test_the_query_of_a_listed_path_passes_as_it_is(tmp_path: Path) -> None:
    """An escape in it is not undone: what stands behind it would be cut off, or become another member."""
    async with playing(tmp_path, setup()) as play:
        play.relay.answers(plain(b"{}"))
        key = f"/k/{play.tokens['aider']}"
        await play.send("GET", f"{key}/api/hello?after=a%26b%23c&d=1", headers=LOGIN)
        assert ["GET /api/hello?after=a%26b%23c&d=1"] == [got.line for got in play.relay.got]
        play.relay.got.clear()  # it is no call: the audit counts those


@pytest.mark.parametrize(
    "path",
    [
        "/../../v1/messages",
        "/%2e%2e/%2e%2e/v1/messages",
        "/%252e%252e/%252e%252e/v1/messages",
        "/..;/v1/messages",
        "/batch%3Fa",
        "/batch%23a",
        "/a%5c..%5cb",
        "/%0d%0aX:y",
        "/.",
    ],
)
async def test_a_path_that_leads_elsewhere_does_not_pass(tmp_path: Path, path: str) -> None:
    """CASES 34: what is listed is judged as its upstream reads it, so no listed path leads to a metered one."""
    async with playing(tmp_path, setup()) as play:
        target = f"/k/{play.tokens['aider']}/api/event_logging{path}"
        assert b"404" == await status_of(play, "POST", target)
        assert [] == play.relay.got


async def test_a_query_passes_as_it_was_written(tmp_path: Path) -> None:
    """An escape in it stays one: decoded it would part members, or end them."""
    async with playing(tmp_path, setup()) as play:
        play.relay.answers(plain(b"{}"))
        target = f"/k/{play.tokens['aider']}/api/hello?x=1%26b%23c=2"
        assert b"200" == await status_of(play, "GET", target)
        assert ["GET /api/hello?x=1%26b%23c=2"] == [got.line for got in play.relay.got]
        play.relay.got.clear()  # it is no call: the audit counts those


async def status_of(play: Playbook, method: str, target: str, *head: str) -> bytes:
    """Send a request whose target no client has made right, and return the reply's status."""
    return (await said(play, f"{method} {target} HTTP/1.1", *head)).split(b" ")[1]


async def said(play: Playbook, line: str, *head: str) -> bytes:
    """Send a request with a login, its line as it is, and return all that comes back."""
    host = play.url.removeprefix("http://")
    reader, writer = await asyncio.open_connection(*host.split(":"))
    lines = (line, f"Host: {host}", f"Authorization: Bearer {OWN}", "Connection: close", *head)
    writer.write("\r\n".join((*lines, "", "")).encode())
    got = await reader.read()
    writer.close()
    await writer.wait_closed()
    return got


async def test_the_task_in_the_path(tmp_path: Path) -> None:
    """`/k/TOKEN/t/TASK/v1`: a tool that can only be given a URL has a task too."""
    async with playing(tmp_path, setup()) as play:
        replays(play, golden("anthropic_messages", "text.json"))
        path = f"/k/{play.tokens['aider']}/t/research-42/v1/messages"
        assert 200 == (await play.send("POST", path, BODY, headers=LOGIN)).status
        assert "research-42" == (await play.settled()).task
        got = await play.send("POST", path, BODY, headers={**LOGIN, "x-tf-task": "other"})
        assert 400 == got.status


async def test_a_base_url_answers(tmp_path: Path) -> None:
    """Claude Code looks whether its base URL is there, before it sends anything."""
    async with playing(tmp_path, setup()) as play:
        key = f"/k/{play.tokens['aider']}"
        got = [(await play.send("HEAD", path)).status for path in ("/", key, f"{key}/", f"{key}/t/x")]
        assert [200, 200, 200, 200] == got


async def test_a_token_in_a_path_is_not_shown_again(tmp_path: Path) -> None:
    """DESIGN 8: path tokens are stripped before anything is said."""
    async with playing(tmp_path, setup()) as play:
        token = play.tokens["aider"]
        for path, status in ((f"/k/{token}/v1/nothing", 404), (f"/k/{token}/v1/files", 501), (f"/k/{token}x/v1", 401)):
            got = await play.send("GET", path)
            assert (status, False) == (got.status, token.encode() in got.body)


async def test_a_login_goes_to_no_other_provider(tmp_path: Path) -> None:
    """A ChatGPT login is nothing for Anthropic: what Codex asks is not translated where a login would go with it."""
    async with playing(tmp_path, setup()) as play:
        body = msgspec.json.encode({"model": "opus", "input": "Hello"})
        headers = {"authorization": "Bearer of-chatgpt", "chatgpt-account-id": "acc", "x-tf-key": play.tokens["aider"]}
        got = await play.send("POST", "/v1/responses", body, headers=headers)
        assert (200, "spare") == (got.status, got.headers["x-tf-route"])
        assert [] == play.relay.got


@pytest.mark.parametrize(
    ("relay", "headers"),
    [
        ('dialect = "anthropic"\npasses = ["GET /v1/models"]', {}),
        ('dialect = "openai"\npasses = ["GET /models"]', {"anthropic-version": "2023-06-01"}),
    ],
)
async def test_a_listed_path_of_another_provider(tmp_path: Path, relay: str, headers: dict[str, str]) -> None:
    """Both providers' clients ask for models there: a login goes to its own, and the other's client is told ours."""
    async with playing(tmp_path, replace(setup(), relay=relay)) as play:
        own = {"authorization": "Bearer of-another", **headers}
        got = await play.send("GET", f"/k/{play.tokens['aider']}/v1/models", headers=own)
        assert (200, True) == (got.status, b'"opus"' in got.body)
        assert [] == play.relay.got


async def test_a_token_where_it_does_not_belong(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A path that is nearly ours, a model's name, and lines that are no HTTP: it is neither said nor logged."""
    async with playing(tmp_path, setup()) as play:
        token = play.tokens["aider"]
        known = f"x-tf-key: {token}"
        for line in (
            f"GET /K/{token}/v1/models HTTP/1.1",
            f"GET //k/{token}/v1/models HTTP/1.1",
            f"GET /k//{token}/v1/models HTTP/1.1",
            f"GET /k/{token}/k/{token}/v1/models HTTP/1.1",
            f"GET /v1/models/{token} HTTP/1.1",
            f"FOO /k/{token}/v1/models HTTP/1.1",
            f"GET k/{token}/v1/models HTTP/1.1",
            f"GET /k/{token}/v1/models HTTP/9.9",
            f"GET /k/{token}/{'a' * 9000} HTTP/1.1",
        ):
            got = await said(play, line, known)
            assert (b"4", False) == (got.split(b" ")[1][:1], token.encode() in got)
        assert token not in caplog.text
