"""Many calls at once on little money."""

import asyncio
from collections import Counter
from decimal import Decimal
from pathlib import Path

from playbook import NO_WAIT, Playbook, Setup, playing
from upstreams import DONE, HELLO, USAGE, End, chunk, completion, plain, refusal, stream

from tokens_forge.core.entries import Adjusted, Held, Settled, Voided
from tokens_forge.files.ledger_reader import read_lines

PLAN = """
[balance.plan]
kind = "pool"
unit = "requests"
windows = [{ allow = 5, per = "5h" }]
[route.plan]
class = "subscription"
upstream = "official"
balance = "plan"
serves = ["small"]
[model.thrifty]
routes = ["plan/small", "relay/gpt-5"]
fallback = "any"
"""


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


async def test_a_pool_gives_no_more_than_it_has(tmp_path: Path) -> None:
    """CASES 29, 36: live holds count; what the pool can't take goes to the next candidate in the same breath."""
    go = asyncio.Event()
    async with playing(tmp_path, Setup(more=PLAN)) as play:
        play.official.answers(*[(go, *plain(completion()))] * 5)
        calls = [asyncio.create_task(play.ask(model="thrifty")) for _ in range(30)]
        await play.official.reached(5)
        await play.relay.reached(25)
        go.set()
        replies = await asyncio.gather(*calls)
        assert Counter(plan=5, wallet=25) == Counter(reply.headers["x-tf-balance"] for reply in replies)


async def test_whatever_happens_to_them(tmp_path: Path) -> None:
    """CASES 29, 30, 33: calls that fail, fall back, are retried, streamed and left by their clients, on little money.

    Every hold ends, none was beyond what there was, and every decision can be made again: the playbook's audit.
    """
    answers = (
        plain(completion()),
        refusal(500),
        refusal(404, "model_not_found"),
        refusal(429, headers={"retry-after": "0"}),
        (End.RESET,),
        stream(*HELLO, USAGE, DONE),
        stream(chunk("Hi "), End.CLOSE),
    )

    async def leaves(play: Playbook) -> None:
        async with play.streaming() as got:
            await anext(got.aiter_raw(), b"")

    setup = Setup(fund={"wallet": "1 CNY", "credit": "0.9 USD"}, more=NO_WAIT)
    async with playing(tmp_path, setup) as play:
        for n in range(60):
            play.relay.answers(answers[n % 7])
            play.official.answers(answers[(n * 3) % 7])
        asked = [play.ask(stream=n % 2 == 0) for n in range(40)]
        await asyncio.gather(*asked, *(leaves(play) for _ in range(10)))
        await play.topup("wallet", "1 CNY")
        await asyncio.gather(*(play.ask() for _ in range(40)))
        await play.idle()
        kinds = {line.partition(" ")[0] for line in play.transcript()}
        assert {"routed", "held", "settled", "voided", "refused", "adjusted"} <= kinds
