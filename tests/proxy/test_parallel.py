"""Many calls at once on little money."""

import asyncio
from decimal import Decimal
from pathlib import Path

from playbook import Setup, playing

from tokens_forge.core.entries import Adjusted, Held, Settled, Voided
from tokens_forge.files.ledger_reader import read_lines


async def test_they_never_overdraw(tmp_path: Path) -> None:
    """CASES 29, 30: at no line of the ledger are posted charges and live holds together beyond what was put in."""
    async with playing(tmp_path, Setup(fallback="none", fund={"wallet": "1 CNY"})) as play:
        replies = await asyncio.gather(*(play.ask() for _ in range(200)))
        codes = sorted({reply.status for reply in replies})
        assert [200, 402] == codes
        posted, holds = Decimal(0), dict[str, Decimal]()
        for line in read_lines(play.paths.ledger):
            entry = line.entry
            match entry:
                case Adjusted():
                    posted += Decimal(entry.amount)
                case Held():
                    holds[f"{entry.id}/{entry.n}"] = Decimal(entry.hold)
                    assert sum(holds.values()) <= posted
                case Settled():
                    posted -= Decimal(entry.charge)
                    del holds[f"{entry.id}/{entry.n}"]
                case Voided():
                    del holds[f"{entry.id}/{entry.n}"]
                case _:
                    pass
        answered = sum(reply.status == 200 for reply in replies)
        assert Decimal(1) - answered * Decimal("0.048") == posted
        refused = next(reply for reply in replies if reply.status == 402)
        assert "relay/relay-gpt-5 by wallet: " in refused.message
        assert "retry-after" not in refused.headers
