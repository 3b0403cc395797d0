"""A token of tf's that stands where none belongs: it is refused, and reaches no ledger, screen, log or upstream."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from pairs import before
from playbook import Playbook, Setup, playing

from tokens_forge.core.dialects import DialectName
from tokens_forge.files.keys_file import new_token

CHAT = "/v1/chat/completions"
WRITTEN: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in capitals": str.upper,
    "percent-encoded": lambda token: token.replace("-", "%2D"),
    "in a URL": "http://127.0.0.1:8787/k/{}/v1".format,
}


async def refused(play: Playbook, token: str, method: str, path: str, body: object, **headers: str) -> str:
    """Send a request that holds a token in a wrong place; return what is said of it, which never repeats it."""
    head = {name.replace("_", "-"): value for name, value in headers.items()}
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    got = await play.send(method, path, content, headers=head)
    assert 400 == got.status, got.body
    assert token.lower() not in (repr(got.headers) + got.body.decode()).lower()
    assert ([], [], []) == (play.transcript(), play.relay.got, play.official.got)
    return got.message


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
async def test_a_header_names_no_key(
    tmp_path: Path, written: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    """DESIGN 8: whichever header of whatever name, a task in it or in the path, and the query."""
    async with playing(tmp_path) as play:
        live = play.tokens["aider"]
        for token in (live, new_token()):
            text = written(token)
            good: dict[str, object] = {"model": "smart", "messages": []}
            for name in ("user_agent", "x_tf_task", "x_tf_route", "cookie", "x_stainless_os", "referer", "x_anything"):
                said = await refused(play, token, "POST", CHAT, good, **{name: text})
                assert said.startswith(f"`{name.replace('_', '-')}` holds a key of tf")
            if "/" not in text:
                await refused(play, token, "GET", f"/v1/models/{text}", b"")
                await refused(play, token, "POST", f"/k/{live}/t/{text}{CHAT}", good)
            await refused(play, token, "POST", f"{CHAT}?api_key={text}", good)
            await refused(play, token, "GET", f"/v1/responses/{token}", b"")
        assert live not in caplog.text


ASKED: dict[DialectName, tuple[str, dict[str, object]]] = {
    "openai_chat": (CHAT, {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}),
    "openai_completions": ("/v1/completions", {"model": "m", "prompt": "Say"}),
    "openai_embeddings": ("/v1/embeddings", {"model": "m", "input": "Say"}),
    "openai_moderations": ("/v1/moderations", {"model": "m", "input": "Say"}),
    "openai_responses": ("/v1/responses", {"model": "m", "input": "Hello"}),
    "anthropic_messages": ("/v1/messages", {"model": "m", "messages": [], "max_tokens": 9}),
    "anthropic_count_tokens": ("/v1/messages/count_tokens", {"model": "m", "messages": []}),
}


@pytest.mark.parametrize("dialect", ASKED)
async def test_a_named_member_names_no_key(tmp_path: Path, dialect: DialectName) -> None:
    """The model, the tier, what a request goes on from, who asks: in every dialect, also behind an escape of JSON."""
    path, body = ASKED[dialect]
    async with playing(tmp_path, before("openai_chat")) as play:
        token = play.tokens["aider"]
        for name, value in (
            ("model", token),
            ("service_tier", token),
            ("previous_response_id", token),
            ("conversation", {"id": token}),
            ("prompt", {"id": token}),
            ("user", token),
            ("prompt_cache_key", token),
            ("metadata", {"user_id": f"user_{token}"}),
            ("metadata", {token: "a"}),
        ):
            said = await refused(play, token, "POST", path, {**body, name: value})
            assert said.startswith(f"`{name}` holds a key of tf")
        assert (await refused(play, token, "POST", path, {**body, token: 1})).startswith("a member's name holds")
        escaped = msgspec.json.encode({**body, "model": token}).replace(b"sk-tf-", b"\\u0073k\\u002dtf-")
        await refused(play, token, "POST", path, escaped)


async def test_a_prompt_is_never_looked_into(tmp_path: Path) -> None:
    """What the model reads is the client's own affair, and passes as it was written."""
    async with playing(tmp_path) as play:
        token = play.tokens["aider"]
        assert 200 == (await play.ask(messages=[{"role": "user", "content": f"What is {token}?"}])).status
        assert token in play.relay.got[0].body.decode()


@pytest.mark.parametrize("path", [CHAT + "?key={}", CHAT + "?alt=json&key={}", CHAT])
async def test_where_gemini_clients_put_their_key(tmp_path: Path, path: str) -> None:
    """`?key=` and `x-goog-api-key` are read, and what follows goes nowhere."""
    async with playing(tmp_path, Setup()) as play:
        token = play.tokens["aider"]
        head = {"authorization": "", **({} if "?" in path else {"x-goog-api-key": token})}
        body = msgspec.json.encode({"model": "smart", "messages": [{"role": "user", "content": "Hi"}]})
        got = await play.send("POST", path.format(token), body, headers=head)
        assert 200 == got.status
        assert token not in repr(play.relay.got)
        assert f"POST {CHAT}" == play.relay.got[0].line
