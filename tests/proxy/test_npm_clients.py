"""The official clients for Node over every kind of upstream, each a process of its own."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from clients import Client, compact
from components import NPM, node_command
from goldens import Golden, goldens
from pairs import NATIVE, PAIRS, accounted, before, replays
from playbook import Playbook, playing

from tokens_forge.core.dialects import DialectName


def fitting(spoken: DialectName) -> list[Golden]:
    """Return of a dialect's goldens the first plain and streamed one that says a text, and that calls tools."""
    found: dict[tuple[bool, bool], Golden] = {}
    for golden in goldens(spoken):
        if not golden.broken and golden.usage and (golden.tools or golden.text):
            found.setdefault((golden.streamed, bool(golden.tools)), golden)
    return list(found.values())


CASES = [(client, golden) for client, spoken in PAIRS for golden in fitting(spoken)]


async def asked(play: Playbook, client: Client, how: str) -> dict[str, Any]:
    """Run a client and return what it heard."""
    command = (*node_command(NPM / "clients.mjs"), client, play.url, play.tokens["aider"], how)
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env={}
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, err.decode()
    return msgspec.json.decode(out)


@pytest.mark.parametrize(
    ("client", "golden"), CASES, ids=[f"{client}-{golden.dialect}-{golden.name}" for client, golden in CASES]
)
async def test_what_is_heard(tmp_path: Path, client: Client, golden: Golden) -> None:
    """Text, calls of tools and usage are the golden's; the ledger has them too."""
    async with playing(tmp_path, before(golden.dialect)) as play:
        replays(play, golden)
        heard = await asked(play, client, "streamed" if golden.streamed else "plain")
        tools = [[name, compact(msgspec.json.decode(arguments))] for name, arguments in heard["tools"]]
        assert [golden.text, [list(tool) for tool in golden.tools]] == [heard["text"], tools]
        total = sum(count for name, count in golden.usage.items() if name not in {"output", "reasoning", "searches"})
        assert (total, golden.usage["output"]) == (heard["input"], heard["output"])
        accounted(await play.settled(), golden)


@pytest.mark.parametrize("client", NATIVE)
async def test_a_refusal_of_ours(tmp_path: Path, client: Client) -> None:
    """The SDK raises our status with the call's id, and asks once."""
    async with playing(tmp_path, before("openai_chat")) as play:
        await play.reload('serves = ["m"', 'serves = ["n"')
        heard = await asked(play, client, "plain")
        assert (404, play.closing().id) == (heard["status"], heard["id"])
        assert 1 == sum(line.startswith("routed") for line in play.transcript())
