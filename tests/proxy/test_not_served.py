"""What is not served says why, in the words of the SDK that asks; only a path that nobody has is told the base URL."""

from pathlib import Path

import anthropic
import msgspec
import openai
import pytest
from pairs import before
from playbook import playing

from tokens_forge.wire.dialects import OUTSIDE, UNMETERED


async def test_each_has_its_reason(tmp_path: Path) -> None:
    """CASES 34: its own words, never the hint at the base URL, and no call."""
    async with playing(tmp_path, before("openai_chat")) as play:
        for code, table in (("not_metered", UNMETERED), ("not_served", OUTSIDE)):
            for path, why in table.items():
                for method in ("GET", "POST", "DELETE"):
                    got = await play.send(method, f"{path}/some", b"{}")
                    assert (501, code) == got.error
                    assert (True, False) == (why in got.message, "base URL" in got.message)
                    assert "false" == got.headers["x-should-retry"]
        assert ([], []) == (play.transcript(), play.relay.got)


@pytest.mark.parametrize("path", ["/v1/nothing", "/chat/completions", "/v1/v1/messages", "/v1beta/openai/models"])
async def test_a_path_that_nobody_has(tmp_path: Path, path: str) -> None:
    """The base URL was written wrong: the right one is told."""
    async with playing(tmp_path, before("openai_chat")) as play:
        got = await play.send("POST", path, b"{}")
        assert (404, "not_found") == got.error
        assert f"{play.url}/v1" in got.message


async def test_openais_sdk_is_told(tmp_path: Path) -> None:
    """Its parser reads the reason, also of a model that it would delete."""
    async with playing(tmp_path, before("openai_chat")) as play, play.openai() as client:
        for asking in (
            client.vector_stores.create(),
            client.batches.retrieve("b"),
            client.skills.retrieve("s"),
            client.beta.chatkit.sessions.create(user="u", workflow={"id": "w"}),
            client.models.delete("m"),
        ):
            with pytest.raises(openai.InternalServerError, match=r"at its provider|not served here") as caught:
                await asking
            assert 501 == caught.value.status_code


@pytest.mark.parametrize("name", ["anthropic-version", "x-api-key"])
async def test_anthropics_sdk_reads_its_own_errors(tmp_path: Path, name: str) -> None:
    """`/v1/models/…` is asked by both SDKs: the headers say which; `/v1/complete` is Anthropic's alone."""
    async with playing(tmp_path, before("anthropic_messages")) as play:
        own = {name: play.tokens["aider"] if name == "x-api-key" else "2023-06-01"}
        for method, path, head, status, kind in (
            ("GET", "/v1/models/none", own, 404, "not_found_error"),
            ("POST", "/v1/models", own, 405, "invalid_request_error"),
            ("POST", "/v1/complete", {}, 501, "api_error"),
            ("GET", "/v1/files", own, 501, "api_error"),
            ("GET", "/v1/nothing", own, 404, "not_found_error"),
        ):
            got = await play.send(method, path, b"{}", headers=head)
            assert (status, "error", kind) == (got.status, got.json["type"], got.json["error"]["type"])
        assert "type" not in (await play.send("GET", "/v1/models/none")).json
        async with anthropic.AsyncAnthropic(base_url=play.url, api_key=play.tokens["aider"]) as client:
            with pytest.raises(anthropic.NotFoundError, match="No model named `none`"):
                await client.models.retrieve("none")
            with pytest.raises(anthropic.InternalServerError, match="not served here"):
                await client.beta.files.list()


@pytest.mark.parametrize("version", ["v1", "v1beta"])
async def test_gemini_clients_are_told(tmp_path: Path, version: str) -> None:
    """They get the 501 that is meant, with their key where they put it, in Google's shape."""
    async with playing(tmp_path, before("openai_chat")) as play:
        token = play.tokens["aider"]
        path = f"/{version}/models/gemini-3:generateContent"
        for target, head in ((path, {"x-goog-api-key": token}), (f"{path}?key={token}", {})):
            got = await play.send("POST", target, b"{}", headers={"authorization": "", **head})
            assert (501, 501, "UNIMPLEMENTED") == (got.status, got.json["error"]["code"], got.json["error"]["status"])
            assert "/v1/chat/completions" in got.message
        listed = {"authorization": "", "x-goog-api-key": token}
        assert 501 == (await play.send("GET", f"/{version}/models", headers=listed)).status
        wrong = await play.send("POST", path, b"{}", headers={"authorization": "", "x-goog-api-key": "AIza"})
        assert (401, "UNAUTHENTICATED") == (wrong.status, wrong.json["error"]["status"])


async def test_a_model_that_a_pattern_serves(tmp_path: Path) -> None:
    """It may be asked for, so it answers, with a slash in its name too, as it is or percent-encoded; no list has it."""
    async with playing(tmp_path, before("openai_chat")) as play:
        await play.reload('serves = ["m"', 'serves = ["m", "vendor/*", "gpt-*"')
        play.lines()
        for path, name in (
            ("gpt-5", "gpt-5"),
            ("vendor/some:free", "vendor/some:free"),
            ("vendor%2Fsome", "vendor/some"),
            ("vendor%2fa%20b", "vendor/a b"),
        ):
            got = await play.send("GET", f"/v1/models/{path}")
            assert (200, name) == (got.status, msgspec.json.decode(got.body)["id"])
        assert (404, "model_not_found") == (await play.send("GET", "/v1/models/claude")).error
        async with play.openai() as client:
            assert "vendor/x" == (await client.models.retrieve("vendor/x")).id
