"""`tf routes` as a user runs it: without a proxy on the ledger, and beside one that serves."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from command_line import tf
from ledgers import Ledger, call_id, held_relay, routed, settled_relay, voided_relay
from playbook import FUNDS, REQUEST, SECRETS, Setup
from upstreams import Upstream, refusal

from tokens_forge.core.entries import Cooled, Recovered, Renamed
from tokens_forge.core.moments import later, stamp
from tokens_forge.files.keys_file import changing, new, new_token
from tokens_forge.files.ledger_reader import read_lines
from tokens_forge.files.paths import Paths
from tokens_forge.proxy.server import running

CONFIG = """
[balance.rmb-wallet]
kind = "prepaid"
unit = "CNY"
[upstream.relay]
dialect = "openai"
base_url = "http://127.0.0.1:9/v1"
credential = "none"
[route.relay]
class = "ordinary"
upstream = "relay"
balance = "rmb-wallet"
serves = ["gpt-5"]
price = "free"
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a folder with the config."""
    (tmp_path / "config.toml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "data").mkdir()
    return tmp_path


def ago(minutes: int) -> str:
    """Return the stamp of so many minutes ago."""
    return stamp(datetime.now(UTC) - timedelta(minutes=minutes))


def grown(home: Path) -> Ledger:
    """Write a ledger: a reply two hours ago, one and a failure within the hour, and a cooldown after that."""
    ledger = Ledger(home / "data" / "ledger")
    first, second, third = (call_id(ago(n), n) for n in range(3))
    ledger.add(ago(120), routed(first), held_relay(first), settled_relay(first))
    ledger.add(ago(30), routed(second), held_relay(second), settled_relay(second, first_byte_ms=250.0))
    ledger.add(ago(2), routed(third), held_relay(third), voided_relay(third, final=True))
    until = later(ago(0), 600_000)
    cooled = Cooled(
        scope="candidate",
        name="relay/gpt-5",
        until=until,
        level=3,
        error="rate_limited",
        causes=(f"{third}/1",),
    )
    ledger.add(ago(1), cooled)
    return ledger


def asked(home: Path, *arguments: str) -> dict[str, Any]:
    """Return what `--json` says."""
    ran = tf(home, "routes", *arguments, "--json")
    assert (0, "") == (ran.code, ran.err)
    return json.loads(ran.out)


def recoveries(folder: Path) -> list[tuple[str, str, str]]:
    """Return what the ledger says recovered, and by what."""
    entries = [line.entry for line in read_lines(folder / "ledger")]
    return [(entry.scope, entry.name, entry.by) for entry in entries if isinstance(entry, Recovered)]


def test_the_last_hour_and_now(home: Path) -> None:
    """Without a proxy the ledger's files say both; `--last` takes a duration as elsewhere."""
    cooled = grown(home).fold.health.cooldowns["candidate relay/gpt-5"]

    told = asked(home)

    (row,) = told["routes"]
    assert (False, "relay/gpt-5", "cooling", cooled.until) == (
        told["running"],
        row["candidate"],
        row["health"],
        row["until"],
    )
    assert (list(cooled.causes), 3) == (row["cooldown"]["causes"], row["cooldown"]["level"])
    assert (2, "0.500", 250.0, {"rate_limited": 1}) == (
        row["attempts"],
        row["success"],
        row["first_byte_p50_ms"],
        row["not_ok"],
    )
    assert {"calls": 0, "used": 0, "allowed": 3} == told["retry_budget"]
    assert 3 == asked(home, "--last", "3h")["routes"][0]["attempts"]
    plain = tf(home, "routes").out
    assert "\x1b" not in plain
    assert f"level 3: rate_limited after {cooled.causes[0]}" in " ".join(
        plain.split()
    )  # where a line folds is no matter
    assert "Routes now, and their attempts of the last 1h\nno proxy runs here" in plain


def test_a_new_name_holds_before_the_next_start(home: Path) -> None:
    """CASES 53: what the config calls otherwise by now cools and recovers by that name."""
    grown(home)
    renamed = CONFIG.replace("[route.relay]", '[route.box]\nwas = ["relay"]')
    (home / "config.toml").write_text(renamed, encoding="utf-8")
    (row,) = asked(home)["routes"]
    assert ("box/gpt-5", "cooling", 2) == (row["candidate"], row["health"], row["attempts"])

    assert 0 == tf(home, "routes", "recover", "relay").code

    assert [("candidate", "box/gpt-5", "hand")] == recoveries(home / "data")
    (row,) = asked(home)["routes"]
    assert ("box/gpt-5", "ok", 2) == (row["candidate"], row["health"], row["attempts"])
    assert Renamed(scope="route", name="box", was="relay") in [
        line.entry for line in read_lines(home / "data" / "ledger")
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (["--last", "soon"], 2, "`soon` is no duration"),
        (["recover"], 2, "Missing argument 'NAME'"),
        (["recover", "relay/gtp-5"], 1, "nothing called `relay/gtp-5` cools. Did you mean `relay/gpt-5`?"),
        (["recover", "rmb-wallet"], 1, "nothing called `rmb-wallet` cools. There is: `relay/gpt-5`."),
        (["recover", "\x1b[2J"], 1, "nothing called `\\x1b[2J` cools."),
    ],
)
def test_what_is_wrong_is_said(home: Path, arguments: list[str], code: int, why: str) -> None:
    """What cools is named; nothing is entered and nothing raw is printed."""
    grown(home)
    ran = tf(home, "routes", *arguments)
    assert (code, "") == (ran.code, ran.out)
    assert why in ran.err
    assert [] == recoveries(home / "data")


def test_a_cooldown_is_ended_once(home: Path) -> None:
    """It says what is ended, and then that nothing cools; the JSON has the entry as it is in the ledger."""
    grown(home)
    done = json.loads(tf(home, "routes", "recover", "relay", "--json").out)
    entry = {"type": "recovered", "scope": "candidate", "name": "relay/gpt-5", "by": "hand"}
    assert {"entries": [entry]} == done
    again = tf(home, "routes", "recover", "relay")
    assert (1, "", "tf: nothing cools: there is nothing to end\n") == (again.code, again.out, again.err)
    assert 1 == len(recoveries(home / "data"))


def test_no_route_says_what_to_write(home: Path) -> None:
    """An empty table is no answer."""
    (home / "config.toml").write_text(CONFIG.partition("[upstream")[0], encoding="utf-8")
    ran = tf(home, "routes")
    assert (0, "") == (ran.code, ran.out)
    assert "[route.NAME]" in ran.err


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """A proxy that serves in this process, and the commands of a user beside it."""

    paths: Paths
    relay: Upstream
    url: str
    token: str
    http: httpx.AsyncClient

    async def ask(self) -> str:
        """Send a call and return the route that answered, empty when none did."""
        head = {"authorization": f"Bearer {self.token}"}
        got = await self.http.post(f"{self.url}/v1/chat/completions", json=dict(REQUEST), headers=head)
        return got.headers.get("x-tf-route", "") if got.is_success else ""

    async def tf(self, *arguments: str) -> tuple[int, str, str]:
        """Run `tf` as a process of its own."""
        given = ("--config", str(self.paths.config), "--data-dir", str(self.paths.data), *arguments)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", "from tokens_forge.cli.app import main; main()", *given),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            out, err = await process.communicate()
        return process.returncode or 0, out.decode(), err.decode()


@asynccontextmanager
async def beside(folder: Path) -> AsyncGenerator[Beside]:
    """Give a proxy with money and a key between two upstreams."""
    paths = Paths(config=folder / "config.toml", data=folder / "d", cache=folder / "cache")
    async with Upstream() as relay, Upstream() as official, httpx.AsyncClient(trust_env=False, timeout=20) as http:
        paths.config.write_text(Setup().toml(relay.url, official.url), encoding="utf-8")
        async with running(paths, SECRETS, port=0) as proxy:
            token = new_token()
            with changing(paths.keys) as keys:
                keys.ring = new(keys.ring, "aider", token=token, now=datetime.now(UTC))
            found = Beside(paths=paths, relay=relay, url=proxy.url, token=token, http=http)
            for balance, amount in FUNDS.items():
                assert (await found.tf("balance", "topup", balance, amount))[0] == 0
            yield found


async def test_beside_a_running_proxy(tmp_path: Path) -> None:
    """The proxy's own word: what cools as soon as it does; a hand ends it, and the next call goes there again."""
    async with beside(tmp_path) as it:
        it.relay.answers(refusal(429, headers={"retry-after": "600"}))
        assert "official" == await it.ask()
        code, out, err = await it.tf("routes")
        assert (0, "") == (code, err)
        assert "Routes now, and their attempts of the last 1h\n" in out
        assert "no proxy runs" not in out
        relay = next(line for line in out.splitlines() if line.startswith("  relay-gpt-5"))
        assert ["relay-gpt-5", "cooling", "1", "0", "%"] == relay.split()[:5]
        assert "level 1: rate_limited after tf_" in " ".join(out.split())
        assert "retries in the last minute: 0 of 3 allowed (1 call)" in out
        assert "official" == await it.ask(), "it cools"

        said = "candidate relay/relay-gpt-5 is no longer passed over: its cooldown was ended by hand\n"
        assert (0, said, "") == await it.tf("routes", "recover", "relay")

        assert "relay" == await it.ask()
        told = json.loads((await it.tf("routes", "--json"))[1])
        assert (True, []) == (told["running"], told["cooldowns"])
        row = told["routes"][0]
        assert ("relay/relay-gpt-5", "ok", 2, "0.500") == (
            row["candidate"],
            row["health"],
            row["attempts"],
            row["success"],
        )
        assert [("candidate", "relay/relay-gpt-5", "hand")] == recoveries(it.paths.data)
        code, out, err = await it.tf("routes", "recover", "relay")
        assert (1, "", "tf: nothing cools: there is nothing to end\n") == (code, out, err)


async def test_an_empty_balance_beside_a_running_proxy(tmp_path: Path) -> None:
    """CASES 54: what the upstream says and what our books say stand beside each other; `tf doctor` points there."""
    async with beside(tmp_path) as it:
        it.relay.answers(refusal(402))
        assert "official" == await it.ask()
        out = " ".join((await it.tf("routes"))[1].split())
        assert "wallet is empty, the upstream says, our books say 100 CNY; next probe" in out
        assert "balance wallet until" in out
        assert "`tf routes` says why" in (await it.tf("doctor"))[1]
