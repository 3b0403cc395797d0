"""Who may call, and what is turned away before it is a call: counted nowhere, and no line in the ledger."""

import asyncio
import gzip
from pathlib import Path

import httpx
import pytest
from playbook import Playbook, Setup, playing
from upstreams import completion, plain, until

from tokens_forge.core.errors import ForgeError, LedgerLocked
from tokens_forge.files.keys_file import changing, revoke
from tokens_forge.files.paths import Paths
from tokens_forge.proxy.server import running
from tokens_forge.wire.dialects import UNMETERED

CHAT = "/v1/chat/completions"


async def turned_away(play: Playbook, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
    """Send a request that is no call, and return its status and code; the ledger must not have grown."""
    before = play.running.proxy.books.ledger.seq
    reply = await play.send(method, path, body, headers=headers)
    assert before == play.running.proxy.books.ledger.seq
    assert "false" == reply.headers["x-should-retry"]
    return reply.error


GOOD = b'{"model":"smart","messages":[{"role":"user","content":"Hello"}]}'


async def test_what_is_turned_away(tmp_path: Path) -> None:
    """DESIGN 2, 8: 400, 401, 403, 404, 405, 413, 415 and 501 are no calls."""
    cases: list[tuple[str, str, bytes, dict[str, str], tuple[int, str]]] = [
        ("POST", CHAT, GOOD, {"authorization": "Bearer sk-tf-wrong"}, (401, "invalid_api_key")),
        ("POST", CHAT, GOOD, {"authorization": ""}, (401, "invalid_api_key")),
        ("POST", CHAT, GOOD, {"authorization": "Basic eDp5"}, (401, "invalid_api_key")),
        ("POST", CHAT, GOOD, {"host": "evil.example"}, (403, "wrong_host")),
        ("POST", CHAT, GOOD, {"origin": "https://evil.example"}, (403, "foreign_origin")),
        ("POST", CHAT, GOOD, {"origin": "null"}, (403, "foreign_origin")),
        ("POST", CHAT, GOOD, {"origin": "http://[::1"}, (403, "foreign_origin")),
        ("GET", "/health", b"", {"host": "evil.example"}, (403, "wrong_host")),
        ("OPTIONS", CHAT, b"", {"origin": "https://evil.example"}, (403, "foreign_origin")),
        ("POST", "/health", b"", {}, (405, "wrong_method")),
        ("POST", "/tf/state", b"{}", {}, (405, "wrong_method")),
        ("GET", CHAT, b"", {}, (405, "wrong_method")),
        ("POST", "/v1/models", b"{}", {}, (405, "wrong_method")),
        ("GET", "/v1/nothing", b"", {}, (404, "not_found")),
        ("POST", "/v1/realtime", GOOD, {}, (501, "not_metered")),
        ("POST", "/v1/files", GOOD, {}, (501, "not_metered")),
        ("POST", CHAT, GOOD, {"content-type": "text/plain"}, (415, "wrong_content_type")),
        ("POST", CHAT, GOOD, {"content-encoding": "gzip"}, (400, "bad_body")),
        ("POST", CHAT, b"{", {}, (400, "invalid_json")),
        ("POST", CHAT, b"[]", {}, (400, "invalid_request")),
        ("POST", CHAT, b'{"messages":[]}', {}, (400, "invalid_request")),
        ("POST", CHAT, GOOD, {"x-tf-rout": "relay"}, (400, "unknown_header")),
        ("POST", CHAT, GOOD, {"x-tf-task": "a b"}, (400, "bad_task")),
        ("POST", CHAT, b" " * (1024 * 1024 + 1), {}, (413, "too_large")),
    ]
    async with playing(tmp_path, Setup(more="[server]\nmax_body_mb = 1")) as play:
        actual = [await turned_away(play, method, path, body, headers) for method, path, body, headers, _ in cases]
        assert [expected for *_, expected in cases] == actual
        assert 200 == (await play.ask(headers={"origin": play.url})).status


async def test_a_body_without_a_length_is_bounded(tmp_path: Path) -> None:
    """A chunked body is counted as it comes."""

    async def body():  # noqa: ANN202 - a generator of bytes
        for _ in range(20):
            yield b" " * 65_536

    async with playing(tmp_path, Setup(more="[server]\nmax_body_mb = 1")) as play:
        head = {"authorization": f"Bearer {play.tokens['aider']}", "content-type": "application/json"}
        got = await play.http.post(play.url + CHAT, content=body(), headers=head)
        assert 413 == got.status_code


async def test_a_body_is_bounded_as_it_unfolds(tmp_path: Path) -> None:
    """DESIGN 8: what counts is the decompressed size; a compressed body that fits is a call like any other."""
    async with playing(tmp_path, Setup(more="[server]\nmax_body_mb = 1")) as play:
        packed = {"content-encoding": "gzip"}
        bomb = gzip.compress(b" " * 50_000_000)
        assert (413, "too_large") == await turned_away(play, "POST", CHAT, bomb, packed)
        assert 200 == (await play.send("POST", CHAT, gzip.compress(GOOD), headers=packed)).status


async def raw(play: Playbook, *head: bytes, cut_off: bytes = b"") -> bytes:
    """Send a request as its bytes and return what came back; after a body that is `cut_off`, hang up."""
    host = play.url.removeprefix("http://")
    reader, writer = await asyncio.open_connection(*host.split(":"))
    lines = (f"POST {CHAT} HTTP/1.1".encode(), f"Host: {host}".encode(), b"Content-Type: application/json", *head)
    writer.write(b"\r\n".join(lines) + b"\r\n\r\n" + cut_off)
    if cut_off:
        writer.write_eof()
    got = await reader.read()
    writer.close()
    await writer.wait_closed()
    return got


async def test_a_token_of_any_bytes(tmp_path: Path) -> None:
    """CASES 60: a token that is no text is a wrong one, not an error of ours that an SDK would send again."""
    async with playing(tmp_path) as play:
        got = await raw(play, b"Authorization: Bearer \xff\xfe", b"Content-Length: 0", b"Connection: close")
        assert got.startswith(b"HTTP/1.1 401 ")
        assert b'"code":"invalid_api_key"' in got


async def test_a_body_that_is_cut_off_is_no_call(tmp_path: Path) -> None:
    """A client that leaves while it sends has asked nothing: no line in the ledger, and no upstream hears of it."""
    async with playing(tmp_path) as play:
        before = play.running.proxy.books.ledger.seq
        token = f"Authorization: Bearer {play.tokens['aider']}".encode()
        assert b"" == await raw(play, token, b"Content-Length: 1000", cut_off=GOOD)
        assert before == play.running.proxy.books.ledger.seq
        assert [] == play.relay.got


async def test_nothing_passes_unmetered(tmp_path: Path) -> None:
    """CASES 34: an endpoint that can't be metered is refused with its name, and so is all that lies below it."""
    async with playing(tmp_path) as play:
        for path in UNMETERED:
            for below in (path, f"{path}/some"):
                assert (501, "not_metered") == await turned_away(play, "POST", below, GOOD, {})
        assert [] == play.relay.got + play.official.got


async def test_hosts_that_are_ours(tmp_path: Path) -> None:
    """DESIGN 8: loopback by any of its names with our port, and what `[server] hosts` adds; nothing else."""
    async with playing(tmp_path, Setup(more='[server]\nhosts = ["Docker.internal:8787"]')) as play:
        port = play.url.rpartition(":")[2]
        for ours in (f"localhost:{port}", f"LOCALHOST:{port}", f"[::1]:{port}", "docker.internal:8787"):
            origin = {"host": ours, "origin": f"http://{ours}"}
            assert 200 == (await play.send("GET", "/v1/models", headers=origin)).status
        for foreign in ("localhost", "localhost:1", f"evil.example:{port}", "docker.internal"):
            assert (403, "wrong_host") == await turned_away(play, "GET", "/v1/models", b"", {"host": foreign})
        reply = await play.send("GET", "/v1/models", headers={"origin": play.url})
        assert [] == [name for name in reply.headers if name.startswith("access-control-")]


async def test_keys_come_and_go_while_it_runs(tmp_path: Path) -> None:
    """A new key works at once; a revoked one ends within the second."""
    async with playing(tmp_path) as play:
        play.issue("night")
        assert 200 == (await play.ask(key="night")).status
        with changing(play.paths.keys) as keys:
            keys.ring = revoke(keys.ring, "night", now=play.clock())
        keep = play.running.proxy.watch
        ends = keep.time() + 1.1
        await until(lambda: keep.time() >= ends)
        assert (401, "invalid_api_key") == (await play.ask(key="night")).error


async def test_what_a_key_may_see(tmp_path: Path) -> None:
    """`GET /v1/models` lists what the key may ask for; `/tf/state` shows a key itself alone."""
    async with playing(
        tmp_path,
        Setup(
            more='[model.cheap]\nroutes = ["relay/gpt-5"]\n[key.night]\nclasses = ["direct"]\n[key.none]\nclasses = []'
        ),
    ) as play:
        play.issue("night")
        play.issue("none")
        for key, names in (
            ("aider", {"smart", "gpt-5", "gpt-5-mini", "cheap"}),
            ("night", {"smart", "gpt-5", "gpt-5-mini"}),
            ("none", set[str]()),
        ):
            listed = (await play.send("GET", "/v1/models", key=key)).json["data"]
            assert names == {model["id"] for model in listed}
        state = (await play.send("GET", "/tf/state", key="night")).json
        assert ("night", ["direct"], 0) == (state["key"], state["classes"], state["open_calls"])
        assert "wallet" not in str(state)


async def test_a_key_sees_its_own_calls(tmp_path: Path) -> None:
    """`/tf/state` counts the open calls of the key that asks, and of no other."""
    go = asyncio.Event()
    async with playing(tmp_path) as play:
        play.issue("night")
        play.relay.answers((go, *plain(completion())))
        call = asyncio.create_task(play.ask())
        await play.relay.reached(1)
        seen = {key: (await play.send("GET", "/tf/state", key=key)).json["open_calls"] for key in ("aider", "night")}
        assert {"aider": 1, "night": 0} == seen
        go.set()
        assert 200 == (await call).status


async def test_health_needs_no_key(tmp_path: Path) -> None:
    """It says nothing but whether calls are served."""
    async with playing(tmp_path) as play, httpx.AsyncClient(trust_env=False) as anybody:
        got = await anybody.get(f"{play.url}/health")
        assert (200, {"status": "ok"}) == (got.status_code, got.json())


async def test_claude_code_finds_its_base_url_answering(tmp_path: Path) -> None:
    """It asks before its first call, with no key but one that is in the URL."""
    async with playing(tmp_path) as play, httpx.AsyncClient(trust_env=False) as anybody:
        for base in (play.url, f"{play.url}/k/{play.tokens['aider']}"):
            assert 200 == (await anybody.head(f"{base}/api/hello")).status_code
        assert [] == play.transcript()


async def test_a_task_is_recorded(tmp_path: Path) -> None:
    """`x-tf-task` books the call under a task, in every entry that names the key."""
    async with playing(tmp_path) as play:
        await play.ask(headers={"x-tf-task": "research-42", "user-agent": "agent\t1"})
        closing = play.closing()
        assert ("research-42", "aider") == (getattr(closing, "task", ""), getattr(closing, "key", ""))


async def test_one_writer_a_ledger(tmp_path: Path) -> None:
    """A second proxy on the same ledger is told which process has it."""
    async with playing(tmp_path) as play:
        with pytest.raises(LedgerLocked, match=r"process \d+ writes this ledger"):
            async with running(play.paths, {}, port=0):
                pass


def elsewhere(play: Playbook, folder: Path) -> Paths:
    """Return the files of another proxy with the same config."""
    return Paths(config=play.paths.config, data=folder / "other", cache=folder / "other" / "cache")


async def test_a_port_in_use(tmp_path: Path) -> None:
    """The error names the port, and the ledger is free again."""
    async with playing(tmp_path) as play:
        port = int(play.url.rpartition(":")[2])
        for _ in range(2):
            with pytest.raises(ForgeError, match=f"port {port} of 127.0.0.1 is in use"):
                async with running(elsewhere(play, tmp_path), {}, port=port):
                    pass


async def test_beyond_loopback_only_with_keys(tmp_path: Path) -> None:
    """DESIGN 8: a host that others can reach is refused until a key exists."""
    async with playing(tmp_path) as play:
        with pytest.raises(ForgeError, match="issue a key first"):
            async with running(elsewhere(play, tmp_path), {}, host="0.0.0.0", port=0):
                pass


async def test_a_damaged_key_file_lets_nobody_in(tmp_path: Path) -> None:
    """And says why, until it is mended."""
    async with playing(tmp_path) as play:
        good = play.paths.keys.read_bytes()
        play.paths.keys.write_bytes(b"not toml [")
        reply = await play.send("GET", "/v1/models", headers={"authorization": "Bearer sk-tf-unknown"})
        assert (500, "unusable") == reply.error
        play.paths.keys.write_bytes(good)
        assert 200 == (await play.ask()).status
