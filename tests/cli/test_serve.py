"""`tf serve` as a user runs it: what it says, how it stops, and what keeps it from starting."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from playbook import FUNDS, REQUEST, SECRETS, Setup
from upstreams import DONE, HELLO, Upstream, stream

from tokens_forge.core.entries import Settled
from tokens_forge.files.keys_file import changing, new, new_token
from tokens_forge.files.ledger_reader import find, verify
from tokens_forge.files.paths import Paths

START_S = 30.0
"""A start loads much; the machines are shared."""


def paths_in(folder: Path) -> Paths:
    """Return the files that the commands of a test use; the folder is made."""
    folder.mkdir(exist_ok=True)
    return Paths(config=folder / "config.toml", data=folder / "d", cache=folder / "d" / "cache")


async def start(paths: Paths, *arguments: str) -> Process:
    """Start `tf serve` as a process of its own."""
    words = ("--config", str(paths.config), "--data-dir", str(paths.data), "serve", *arguments)
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from tokens_forge.cli.app import main; main()", *words),
        env={**os.environ, **SECRETS},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def said(process: Process, word: str) -> str:
    """Return the first line on stderr that contains `word`."""
    assert process.stderr is not None, "it is a pipe"
    async with asyncio.timeout(START_S):
        while line := (await process.stderr.readline()).decode():
            if word in line:
                return line
    raise AssertionError(f"it ended without saying {word}")


async def ended(process: Process) -> tuple[int, str, str]:
    """Return the exit code and what it wrote until its end."""
    async with asyncio.timeout(START_S):
        out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


@asynccontextmanager
async def serving(folder: Path) -> AsyncGenerator[tuple[Process, str, Upstream]]:
    """Give a process that serves, its URL and the upstream behind it."""
    paths = paths_in(folder)
    async with Upstream() as upstream:
        paths.config.write_text(Setup().toml(upstream.url, upstream.url), encoding="utf-8")
        process = await start(paths, "--port", "0")
        try:
            url = (await said(process, "tf serves")).split()[2].removesuffix("/v1")
            yield process, url, upstream
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def a_key_and_money(paths: Paths) -> str:
    """Issue a key beside the running proxy, pay money in over its socket, and return the token."""
    token = new_token()
    with changing(paths.keys) as keys:
        keys.ring = new(keys.ring, "aider", token=token, now=datetime.now(UTC))
    transport = httpx.AsyncHTTPTransport(uds=str(paths.socket))
    async with httpx.AsyncClient(transport=transport, base_url="http://tf") as client:
        for balance, amount in FUNDS.items():
            order = {"balance": balance, "kind": "topup", "amount": amount}
            assert 200 == (await client.post("/adjust", json=order)).status_code
    return token


async def test_ctrl_c_lets_a_stream_end(tmp_path: Path) -> None:
    """A stream in flight ends whole and is settled; the exit is clean, nothing is on stdout."""
    paths, go_on = paths_in(tmp_path), asyncio.Event()
    async with serving(tmp_path) as (process, url, upstream), httpx.AsyncClient(trust_env=False) as http:
        head = {"authorization": f"Bearer {await a_key_and_money(paths)}"}
        upstream.answers(stream(*HELLO[:2], go_on, *HELLO[2:], DONE))
        body = {**REQUEST, "stream": True}
        async with http.stream("POST", f"{url}/v1/chat/completions", json=body, headers=head) as got:
            parts = got.aiter_bytes()
            received = await anext(parts)
            process.send_signal(signal.SIGINT)
            assert "in flight" in await said(process, "stopping")
            go_on.set()
            async for part in parts:
                received += part
        assert b"".join((*HELLO, DONE)) == received
        code, out, _err = await ended(process)
        assert (0, "") == (code, out)
        settled = find(paths.ledger, got.headers["x-request-id"])[-1].entry
        assert isinstance(settled, Settled)
        assert ("ok", True) == (settled.outcome, settled.final)
        assert verify(paths.ledger).seq > 0
        assert not paths.socket.exists()


@contextmanager
def hangups(handled: signal.Handlers) -> Generator[None]:
    """Have SIGHUP handled so by what is started meanwhile, whoever started these tests."""
    before = signal.signal(signal.SIGHUP, handled)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


async def ends_in_order(process: Process, folder: Path) -> None:
    """Expect a process that was asked to stop to end in order."""
    code, _out, err = await ended(process)
    assert 0 == code, err
    assert verify(paths_in(folder).ledger).seq > 0


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
async def test_a_stop_during_the_start_is_orderly(tmp_path: Path, asked: signal.Signals) -> None:
    """From its first word on, and before it, a process that is stopped ends in order; so does a closed terminal."""
    with hangups(signal.SIG_DFL):
        async with serving(tmp_path) as (process, _url, _upstream):
            process.send_signal(asked)
            await ends_in_order(process, tmp_path)


async def test_nohup_outlives_its_terminal(tmp_path: Path) -> None:
    """SIGHUP stops nothing where whoever started the process had it ignored."""
    with hangups(signal.SIG_IGN):
        async with serving(tmp_path) as (process, url, _), httpx.AsyncClient(trust_env=False) as http:
            process.send_signal(signal.SIGHUP)
            assert 200 == (await http.get(f"{url}/health")).status_code


async def test_a_second_one_names_the_first(tmp_path: Path) -> None:
    """Exit 1, naming the process that has the ledger and the ways out; the first serves on."""
    async with serving(tmp_path) as (process, url, _), httpx.AsyncClient(trust_env=False) as http:
        code, out, err = await ended(await start(paths_in(tmp_path), "--port", "0"))
        assert (1, "") == (code, out)
        assert f"process {process.pid} writes this ledger" in err
        assert "--data-dir" in err
        assert "Traceback" not in err
        assert 200 == (await http.get(f"{url}/health")).status_code


async def test_a_port_in_use(tmp_path: Path) -> None:
    """Exit 1, naming the port and the option."""
    async with serving(tmp_path / "one") as (_, url, _):
        port = url.rpartition(":")[2]
        other = replace(paths_in(tmp_path / "other"), config=paths_in(tmp_path / "one").config)
        code, out, err = await ended(await start(other, "--port", port))
        assert (1, "") == (code, out)
        assert f"port {port} of 127.0.0.1 is in use: stop what has it, or give another --port" in err
        assert "Traceback" not in err


async def test_an_edited_config_is_in_force_without_a_restart(tmp_path: Path) -> None:
    """The file is watched, and what changed is said."""
    paths = paths_in(tmp_path)
    async with serving(tmp_path) as (process, _, _):
        text = paths.config.read_text(encoding="utf-8")

        async def editing() -> None:
            # The watch begins in a thread of its own, some time after the first line was said.
            for attempts in range(3, 100):
                paths.config.write_text(f"{text}\n[policy]\nattempts = {attempts}\n", encoding="utf-8")
                await asyncio.sleep(0.2)

        edits = asyncio.create_task(editing())
        try:
            assert (await said(process, "policy.")).startswith("config: policy.attempts: 4 → ")
        finally:
            edits.cancel()
