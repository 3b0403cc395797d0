"""`tf serve` killed under load, as a process: what its clients were told, its ledger says after the next start."""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import httpx
import msgspec
from disks import fold_of, lines_of
from playbook import REQUEST, SECRETS, Setup
from upstreams import DONE, Upstream, until

from tokens_forge.core.adjustment import Order
from tokens_forge.core.entries import Adjusted, Held, Line, Refused, Routed, Settled, Voided
from tokens_forge.files.keys_file import changing, new, new_token
from tokens_forge.files.ledger_reader import verify
from tokens_forge.files.ledger_writer import stand
from tokens_forge.files.paths import Paths

ROUNDS = (40, 90, 150)
"""After so many answers the process is killed."""
AT_ONCE = 24
START_S = 30.0


@dataclass(slots=True)
class Load:
    """Clients that ask, plain and streamed, until the proxy is gone."""

    token: str
    answered: set[str] = field(default_factory=set[str])
    """Calls whose whole reply came."""
    begun: set[str] = field(default_factory=set[str])
    """Streams of which a first byte came."""

    async def ask(self, url: str, *, stream: bool) -> None:
        """Ask again and again; return when the proxy answers no more."""
        body = msgspec.json.encode({**REQUEST, "stream": stream})
        head = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        async with httpx.AsyncClient(trust_env=False, timeout=20) as http:
            with suppress(httpx.TransportError):
                while True:
                    whole = b""
                    async with http.stream("POST", f"{url}/v1/chat/completions", content=body, headers=head) as got:
                        assert 200 == got.status_code, await got.aread()
                        call = got.headers["x-request-id"]
                        self.begun.add(call)
                        async for part in got.aiter_bytes():
                            whole += part
                    assert whole.endswith(DONE if stream else b"}")
                    self.answered.add(call)


@dataclass(slots=True)
class Served:
    """A `tf serve` that runs."""

    url: str
    process: asyncio.subprocess.Process
    said: list[str]
    """Its stderr up to the line that says where it serves."""

    async def ended(self, by: signal.Signals) -> int:
        """Send it a signal, wait for its end and return its exit code."""
        self.process.send_signal(by)
        async with asyncio.timeout(START_S):
            return await self.process.wait()


@asynccontextmanager
async def serving(paths: Paths) -> AsyncGenerator[Served]:
    """Run `tf serve` as a process of its own; at the end it is gone whatever happened."""
    main = "from tokens_forge.cli.app import main; main()"
    options = ("--config", str(paths.config), "--data-dir", str(paths.data))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", main, *options, "serve", "--port", "0"),
        env={**os.environ, **SECRETS},
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        said: list[str] = []
        async with asyncio.timeout(START_S):
            while not said or not said[-1].startswith("tf serves "):
                line = await process.stderr.readline()
                assert line, "\n".join(said)
                said.append(line.decode())
        url = said[-1].split()[2].removesuffix("/v1")
        async with httpx.AsyncClient(trust_env=False, timeout=START_S) as http:
            # By the time it answers, what its start closed is written.
            assert 200 == (await http.get(f"{url}/health")).status_code
        yield Served(url=url, process=process, said=said)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def fund(paths: Paths) -> None:
    """Give both balances more than the load can spend."""
    transport = httpx.AsyncHTTPTransport(uds=str(paths.socket))
    async with httpx.AsyncClient(transport=transport, base_url="http://tf") as client:
        for balance, amount in (("wallet", "1000 CNY"), ("credit", "1000 USD")):
            order = Order(balance=balance, kind="topup", amount=amount)
            assert 200 == (await client.post("/adjust", content=msgspec.json.encode(order))).status_code


def recomputed(lines: list[Line]) -> dict[str, Decimal]:
    """Return what each balance must hold: what was put in, less what was charged."""
    posted: dict[str, Decimal] = {}
    for line in lines:
        entry = line.entry
        if isinstance(entry, Adjusted):
            posted[entry.balance] = posted.get(entry.balance, Decimal(0)) + Decimal(entry.amount)
        elif isinstance(entry, Settled):
            posted[entry.balance] -= Decimal(entry.charge)
    return posted


def told(paths: Paths, load: Load, reached: int) -> Counter[str]:
    """Hold the ledger to what its clients and upstreams saw, and return how its calls ended."""
    lines = lines_of(paths)
    assert list(range(1, len(lines) + 1)) == [line.seq for line in lines], "no gap"
    assert (len(lines), 0) == ((found := verify(paths.ledger)).lines, found.torn_bytes)
    entries = [line.entry for line in lines]
    closed = {entry.id: entry for entry in entries if isinstance(entry, Settled | Voided | Refused) and entry.final}
    routed = [entry.id for entry in entries if isinstance(entry, Routed)]
    finals = sum(isinstance(entry, Settled | Voided | Refused) and entry.final for entry in entries)
    assert set(routed) == closed.keys()
    assert len(routed) == finals, "every routed has exactly one closing entry"
    assert load.begun <= closed.keys(), "no client has a call that the ledger does not"
    outcomes = {call: entry.outcome for call, entry in closed.items() if isinstance(entry, Settled)}
    assert set() == {call for call in load.answered if outcomes.get(call) != "ok"}, "what was answered is written"
    assert reached <= sum(isinstance(entry, Held) for entry in entries), "nobody was asked before the hold was written"
    fold = fold_of(lines)
    assert fold == stand(paths).fold
    assert {} == fold.calls
    assert recomputed(lines) == {name: state.posted for name, state in fold.book.balances.items()}
    assert [] == [name for name, state in fold.book.balances.items() if state.held]
    return Counter(outcomes.values())


async def test_a_kill_under_load(tmp_path: Path) -> None:
    """CASES 42: what a client was answered is in the ledger, whenever the process is killed; what was open is lost.

    After each start every call has its one closing entry and every balance is what its entries add up to.
    """
    paths = Paths(config=tmp_path / "config.toml", data=tmp_path / "d", cache=tmp_path / "cache")
    load = Load(token=new_token())
    with changing(paths.keys) as keys:
        keys.ring = new(keys.ring, "aider", token=load.token, now=datetime.now(UTC))
    noted = 0
    ends = Counter[str]()
    async with Upstream() as relay, Upstream() as official:
        paths.config.write_text(Setup().toml(relay.url, official.url), encoding="utf-8")
        for number, answers in enumerate((*ROUNDS, 0)):
            async with serving(paths) as served:
                noted += sum("was under way when the process stopped" in note for note in served.said)
                ends = told(paths, load, len(relay.got) + len(official.got))
                assert noted == ends["lost"]
                assert len(load.answered) <= ends["ok"]
                if not number:
                    await fund(paths)
                if not answers:
                    assert 0 == await served.ended(signal.SIGTERM)
                    continue
                enough = len(load.answered) + answers
                clients = [asyncio.ensure_future(load.ask(served.url, stream=n % 2 == 0)) for n in range(AT_ONCE)]
                await until(lambda enough=enough: len(load.answered) >= enough)
                assert -signal.SIGKILL == await served.ended(signal.SIGKILL)
                await asyncio.gather(*clients)
        assert ends == told(paths, load, len(relay.got) + len(official.got))
