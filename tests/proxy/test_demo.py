"""The demo: the same story in every run, told by real calls, in a folder where only its own things are touched."""

from collections import Counter
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest

from tokens_forge.core.entries import Adjusted, AnyEntry, Held, Refused, Settled, Voided
from tokens_forge.core.errors import ForgeError, LedgerLocked
from tokens_forge.files.config_file import load, read
from tokens_forge.files.keys_file import Keys
from tokens_forge.files.ledger_reader import read_lines, verify
from tokens_forge.files.ledger_writer import open_ledger
from tokens_forge.files.paths import Paths, resolve
from tokens_forge.proxy.demo import CALLS, FUNDS, KEYS, LIMITED_S, MARKER, standing, upstreams
from tokens_forge.proxy.server import running


async def test_the_story_that_the_demo_tells(paths: Paths, http: httpx.AsyncClient) -> None:
    """Each call goes where the demo says: a 429 and a used-up pool go on elsewhere, a boundary refuses (CASES 23, 36).

    Plain and streamed, two keys, a task, one translated; every charge is computed from what the upstream reported.
    """
    async with standing(paths, now(), anew=True) as tokens, running(paths, {}, port=0) as proxy:
        for call in CALLS:
            headers = dict(call.headers(tokens[call.key]))
            await http.post(f"{proxy.url}{call.path}", content=call.body(), headers=headers)
    told = entries(paths)
    causes = {entry.id: entry.cause.error for entry in told if isinstance(entry, Held) and entry.cause}
    story = [
        (entry.key, entry.route, entry.balance, entry.stream, entry.task, causes.get(entry.id, ""))
        if isinstance(entry, Settled)
        else (entry.key, entry.reason, entry.client_status, entry.model_asked)
        for entry in told
        if isinstance(entry, Settled | Refused)
    ]
    assert [
        ("aider", "relay", "rmb-wallet", False, "", ""),
        ("aider", "relay", "rmb-wallet", True, "", ""),
        ("aider", "official", "openai-credit", False, "", "rate_limited"),
        ("aider", "official", "openai-credit", True, "", "cooling"),
        ("aider", "official", "openai-credit", False, "", ""),
        ("aider", "official", "openai-credit", True, "", ""),
        ("nightly", "plan", "coding-plan", False, "refactor-42", ""),
        ("nightly", "plan", "coding-plan", True, "refactor-42", ""),
        ("nightly", "plan", "coding-plan", False, "refactor-42", ""),
        ("nightly", "official", "openai-credit", True, "refactor-42", "pool_used_up"),
        ("nightly", "home", "own-machine", False, "", ""),
        ("nightly", "home", "own-machine", True, "", ""),
        ("aider", "unknown_model", 404, "gpt5-mini"),
        ("nightly", "nothing_can_pay", 402, "thrifty"),
    ] == story
    refused = next(entry for entry in reversed(told) if isinstance(entry, Refused))
    assert ["pool_used_up", "outside_boundary"] == [passed.reason for passed in refused.passed_over]
    assert [("rate_limited", str(LIMITED_S))] == [
        (entry.error, entry.wait_s) for entry in told if isinstance(entry, Voided)
    ]
    paid = [entry for entry in told if isinstance(entry, Settled)]
    translated = [("gpt-6-luna", "anthropic_messages", "openai_chat")]
    assert translated == [
        (entry.upstream_model, entry.dialect_in, entry.dialect_out)
        for entry in paid
        if entry.dialect_in != entry.dialect_out
    ]
    assert {"reported"} == {entry.usage_source for entry in paid}
    assert {"computed": 10, "zero": 2} == Counter(entry.certainty for entry in paid)
    assert any("cache_read" in entry.usage for entry in paid)
    assert {"0"} == {entry.overrun for entry in paid}
    assert len(told) == verify(paths.ledger).lines


async def test_the_config_is_one_without_a_fault(paths: Paths) -> None:
    """What a newcomer reads as an example has neither errors nor warnings."""
    async with standing(paths, now(), anew=True):
        assert () == read(paths.config)[1]


async def test_a_prompt_cache_is_the_upstreams_own(http: httpx.AsyncClient) -> None:
    """What an upstream never saw is not in its cache, so a fallback costs the full price of the input (CASES 50)."""
    async with upstreams({}) as urls:
        cached = [
            (await usage(http, urls[name], model))["prompt_tokens_details"]["cached_tokens"]
            for name, model in (
                ("relay", "gpt-6.1-sol"),
                ("relay", "gpt-6.1-sol"),
                ("openai", "gpt-6.1-sol"),
                ("openai", "gpt-6-luna"),
            )
        ]
    assert [0, 1536, 0, 0] == cached


async def test_a_stream_says_what_the_whole_reply_says(http: httpx.AsyncClient) -> None:
    """The same words and usage come in chunks; the usage only to who asks for it."""
    whole = await local_answer(http, {"model": "llama3.2"})
    quiet = await local_answer(http, {"model": "llama3.2", "stream": True})
    told = await local_answer(http, {"model": "llama3.2", "stream": True, "stream_options": {"include_usage": True}})
    said = msgspec.json.decode(whole.content)
    chunks = [msgspec.json.decode(line[6:]) for line in told.content.splitlines() if line.startswith(b"data: {")]
    words = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks if chunk["choices"])
    assert said["choices"][0]["message"]["content"] == words
    assert said["usage"] == chunks[-1]["usage"]
    assert told.content.endswith(b"data: [DONE]\n\n")
    assert b"usage" not in quiet.content


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/models", b"{}", 404, "not_found"),
        ("/chat/completions", b"{", 400, "invalid_request"),
        ("/chat/completions", b'{"model":"gpt-6.1-sol","messages":[]}', 404, "model_not_found"),
    ],
)
async def test_what_an_upstream_can_t_answer(
    http: httpx.AsyncClient, path: str, body: bytes, status: int, code: str
) -> None:
    """It is refused in the dialect of the rest."""
    async with upstreams({}) as urls:
        answer = await http.post(urls["ollama"] + path, content=body)
    assert (status, code) == (answer.status_code, answer.json()["error"]["code"])


async def test_the_relay_has_enough_at_each_third_request(http: httpx.AsyncClient) -> None:
    """Its 429 asks for a wait that no call waits for."""
    async with upstreams({}) as urls:
        body = msgspec.json.encode({"model": "gpt-6.1-sol", "messages": []})
        answers = [await http.post(f"{urls['relay']}/chat/completions", content=body) for _ in range(6)]
    assert [200, 200, 429, 200, 200, 429] == [answer.status_code for answer in answers]
    assert str(LIMITED_S) == answers[2].headers["retry-after"]


async def test_beginning_anew(paths: Paths) -> None:
    """What the demo made goes, the ledger with it; what somebody else put beside it stays."""
    async with standing(paths, now(), anew=True):
        pass
    first = paths.config.read_bytes()
    paths.config.write_bytes(first + b"# mine\n")
    (paths.data / "notes.txt").write_text("mine", encoding="utf-8")
    lineage = next(read_lines(paths.ledger)).entry
    async with standing(paths, now(), anew=True):
        assert lineage != next(read_lines(paths.ledger)).entry
    assert b"# mine" not in paths.config.read_bytes()
    assert "mine" == (paths.data / "notes.txt").read_text(encoding="utf-8")


async def test_going_on(paths: Paths) -> None:
    """A later start keeps config and ledger, enters no money again and gives new tokens; a taken port is replaced."""
    async with standing(paths, now(), anew=True) as first:
        edited = paths.config.read_text(encoding="utf-8").replace("fallback", "# mine\nfallback")
        paths.config.write_text(edited, encoding="utf-8")
        before = load(paths.config, paths.prices).upstream
    async with upstreams({"relay": urlsplit(before["relay"].base_url).port or 0}) as taken:
        assert before["relay"].base_url == taken["relay"]
        async with standing(paths, now(), anew=False) as second:
            after = load(paths.config, paths.prices).upstream
            assert edited.replace(before["relay"].base_url, after["relay"].base_url) == paths.config.read_text("utf-8")
    assert before["relay"].base_url != after["relay"].base_url
    keys = Keys(paths.keys)
    assert [None, "aider"] == [keys.name_of(tokens["aider"], monotonic_s=0) for tokens in (first, second)]
    assert list(KEYS) == list(second)
    assert [order.ref for order in FUNDS] == [entry.ref for entry in entries(paths) if isinstance(entry, Adjusted)]


@pytest.mark.parametrize("anew", [True, False])
async def test_a_folder_of_somebody_else_is_left_alone(paths: Paths, anew: bool) -> None:
    """Without the demo's own mark nothing in a folder is read, written or removed."""
    paths.ledger.mkdir(parents=True)
    (paths.ledger / "2026-11-24.jsonl").write_text("precious", encoding="utf-8")
    with pytest.raises(ForgeError, match=f"no `{MARKER}` of the demo's, so nothing in it is touched"):
        async with standing(paths, now(), anew=anew):
            pass
    assert ["ledger"] == [path.name for path in paths.data.iterdir()]
    assert "precious" == (paths.ledger / "2026-11-24.jsonl").read_text(encoding="utf-8")


async def test_a_mark_that_points_elsewhere_is_none(paths: Paths, tmp_path: Path) -> None:
    """A symbolic link to another demo's mark does not make a folder the demo's."""
    async with standing(paths, now(), anew=True):
        pass
    other = resolve(config=None, data_dir=tmp_path / "other", demo=True, environ={})
    other.data.mkdir(parents=True)
    (other.data / MARKER).symlink_to(paths.data / MARKER)
    with pytest.raises(ForgeError, match="nothing in it is touched"):
        async with standing(other, now(), anew=True):
            pass


@pytest.mark.parametrize("anew", [True, False])
async def test_a_demo_that_runs_is_not_disturbed(paths: Paths, anew: bool) -> None:
    """While a proxy has the demo's ledger, another start changes nothing (CASES 42)."""
    async with standing(paths, now(), anew=True):
        pass
    with open_ledger(paths, now()):
        before = files(paths)
        with pytest.raises(LedgerLocked, match="writes this ledger"):
            async with standing(paths, now(), anew=anew):
                pass
        assert before == files(paths)


@pytest.fixture
async def http() -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        yield client


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return resolve(config=None, data_dir=tmp_path, demo=True, environ={})


def now() -> datetime:
    return datetime.now(UTC)


def entries(paths: Paths) -> list[AnyEntry]:
    return [line.entry for line in read_lines(paths.ledger)]


def files(paths: Paths) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(paths.data.rglob("*")) if path.is_file()}


async def usage(http: httpx.AsyncClient, url: str, model: str) -> dict[str, Any]:
    """Return the usage of a long first turn of a conversation, asked of `model`."""
    body = msgspec.json.decode(CALLS[0].body(), type=dict[str, Any])
    answer = await http.post(f"{url}/chat/completions", content=msgspec.json.encode({**body, "model": model}))
    return answer.json()["usage"]


async def local_answer(http: httpx.AsyncClient, body: dict[str, object]) -> httpx.Response:
    """Return the first answer of a new local upstream."""
    async with upstreams({}) as urls:
        content = msgspec.json.encode({**body, "messages": [{"role": "user", "content": "Is this English?"}]})
        return await http.post(f"{urls['ollama']}/chat/completions", content=content)
