"""Names that change in the config while calls are under way: history stays one, and nobody slips through (CASES 53).

At the playbook's prices a call on the relay holds 0.111 CNY and costs 0.048 CNY; a USD is 8 CNY.
"""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest
from playbook import SECRETS, Playbook, Setup, playing
from upstreams import completion, plain, refusal

from tokens_forge.core.entries import Settled
from tokens_forge.files.ledger_writer import System
from tokens_forge.proxy.server import running

FX = """
[report]
fx = { CNY = [{ from = 2020-01-01, rate = "8" }] }
"""
KEY = FX + '[key.aider]\nbudget = { limit = "0.025 USD", per = "day" }\n'
ROUTED = "routed smart: relay/relay-gpt-5 official/gpt-5"
HELD = "held 1 first relay by wallet"
PAID = "settled 1 ok 0.048 CNY computed; final 200"


async def purse(play: Playbook) -> None:
    """Call the wallet `purse` from here on."""
    text = play.paths.config.read_text(encoding="utf-8")
    text = text.replace("[balance.wallet]\n", '[balance.purse]\nwas = ["wallet"]\n').replace('"wallet"\n', '"purse"\n')
    play.paths.config.write_text(text, encoding="utf-8")
    done = await play.control("POST", "/reload")
    assert 200 == done.status, done.json


async def test_a_balance_that_is_renamed_under_a_call(tmp_path: Path) -> None:
    """The call ends under the name that it began with; its hold and charge are the one balance's all the same."""
    go = asyncio.Event()
    async with playing(tmp_path, Setup(fallback="none", fund={"wallet": "0.16 CNY"})) as play:
        play.relay.answers((go, *plain(completion())))
        call = asyncio.create_task(play.ask())
        await play.relay.reached(1)
        await purse(play)
        state = play.fold.book.state("purse", "CNY")
        assert ("0.16", "0.111") == (str(state.posted), str(state.held))
        assert ["purse"] == [name for name in play.fold.book.balances if name != "credit"]
        go.set()
        assert "wallet" == (await call).headers["x-tf-balance"]
        assert "purse" == (await play.ask()).headers["x-tf-balance"]
        assert Decimal("0.064") == play.fold.book.state("purse", "CNY").posted
        assert (402, "insufficient_balance") == (await play.ask()).error
        assert [
            *(ROUTED, HELD, "renamed balance wallet to purse", PAID),
            *(ROUTED, "held 1 first relay by purse", PAID),
            ROUTED,
            "refused nothing_can_pay past relay/relay-gpt-5 balance_short, official/gpt-5 outside_boundary; final 402",
        ] == play.transcript()


async def test_a_renamed_balance_holds_for_calls_of_both_names(tmp_path: Path) -> None:
    """CASES 29: a call under the new name meets the hold of one under the old, and waits for it."""
    go = asyncio.Event()
    more = '[settle]\nwait = "none"'
    async with playing(tmp_path, Setup(fallback="none", fund={"wallet": "0.16 CNY"}, more=more)) as play:
        play.relay.answers((go, *plain(completion())))
        call = asyncio.create_task(play.ask())
        await play.relay.reached(1)
        await purse(play)
        assert "0.049 CNY available, 0.111 CNY needed; 0.111 CNY held" in (await play.ask()).message
        go.set()
        assert 200 == (await call).status


async def test_a_renamed_balance_that_is_empty_upstream(tmp_path: Path) -> None:
    """CASES 54: what a call under the old name learns counts for the new one, until money comes in there."""
    go = asyncio.Event()
    async with playing(tmp_path) as play:
        play.relay.answers((go, *refusal(402)))
        call = asyncio.create_task(play.ask())
        await play.relay.reached(1)
        await purse(play)
        go.set()
        assert "official" == (await call).headers["x-tf-route"]
        assert (
            "relay/relay-gpt-5>official/gpt-5; balance_empty_upstream" == (await play.ask()).headers["x-tf-fell-back"]
        )
        await play.topup("purse", "1 CNY")
        assert "relay" == (await play.ask()).headers["x-tf-route"]


async def test_a_rename_outlives_a_restart(tmp_path: Path) -> None:
    """It is entered once; the next start finds one balance with its whole history."""
    async with playing(tmp_path) as play:
        await play.ask()
        await purse(play)
        await play.control("POST", "/reload")
        assert 1 == len([line for line in play.transcript() if line.startswith("renamed")])
    async with running(play.paths, SECRETS, port=0, system=System(clock=play.clock)) as again:
        assert Decimal("99.952") == again.proxy.books.fold.book.state("purse", "CNY").posted
    assert [] == play.transcript()


async def test_a_key_that_is_renamed_keeps_its_budget(tmp_path: Path) -> None:
    """CASES 53: what the key spent under its old name counts, and its token is bound by the new name's budget."""
    async with playing(tmp_path, Setup(fallback="none", more=KEY)) as play:
        assert 200 == (await play.ask()).status
        renamed = await play.reload("[key.aider]\n", '[key.editor]\nwas = ["aider"]\n')
        assert 200 == renamed.status, renamed.json
        assert 200 == (await play.ask()).status
        assert [("editor", "key.editor/day")] == [
            (line.entry.key, line.entry.counted[0].budget)
            for line in play.lines()[-1:]
            if isinstance(line.entry, Settled)
        ]
        refused = await play.ask()
        assert (402, "budget_exceeded") == refused.error
        assert "0.012 of 0.025 USD spent" in refused.message
        state = (await play.send("GET", "/tf/state")).json
        assert ("editor", ["0.012"]) == (state["key"], [row["spent"] for row in state["budgets"]])


async def test_a_key_that_is_renamed_keeps_its_classes(tmp_path: Path) -> None:
    """A token is never allowed more because its key is called otherwise."""
    async with playing(tmp_path, Setup(more='[key.aider]\nclasses = ["direct"]\n')) as play:
        assert "official" == (await play.ask()).headers["x-tf-route"]
        await play.reload("[key.aider]\n", '[key.editor]\nwas = ["aider"]\n')
        assert "official" == (await play.ask()).headers["x-tf-route"]


async def test_a_route_that_is_renamed_under_a_call(tmp_path: Path) -> None:
    """Its budget goes on with what it has counted; a call under the old name counts there too."""
    go = asyncio.Event()
    more = '[route.relay.budget]\nlimit = "0.2 CNY"\nper = "day"\n'
    async with playing(tmp_path, Setup(fallback="none", more=more)) as play:
        assert 200 == (await play.ask()).status
        play.relay.answers((go, *plain(completion())))
        call = asyncio.create_task(play.ask())
        await play.relay.reached(2)
        text = play.paths.config.read_text(encoding="utf-8")
        text = text.replace("[route.relay]\n", '[route.box]\nwas = ["relay"]\n').replace("route.relay.", "route.box.")
        play.paths.config.write_text(text.replace('"relay/gpt-5"', '"box/gpt-5"'), encoding="utf-8")
        assert 200 == (await play.control("POST", "/reload")).status
        go.set()
        assert "relay" == (await call).headers["x-tf-route"]
        refused = await play.ask()
        assert (402, "budget_exceeded") == refused.error
        assert "over budget route.box/day: 0.104 CNY left, 0.111 CNY needed; 0.096 of 0.2 CNY spent" in refused.message


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (
            '[balance.wallet]\nkind = "prepaid"\n',
            '[balance.purse]\nkind = "prepaid"\n',
            "[balance.wallet]: it is gone from the config and has 100 CNY",
        ),
        (
            '[balance.wallet]\nkind = "prepaid"\nunit = "CNY"',
            '[balance.wallet]\nkind = "prepaid"\nunit = "CNY"\nwas = ["credit"]',
            "there is a balance `credit` still",
        ),
    ],
)
async def test_a_name_that_would_lose_or_mix_money(tmp_path: Path, before: str, after: str, why: str) -> None:
    """The reload is refused with the next step, and the config in force stays."""
    async with playing(tmp_path) as play:
        text = play.paths.config.read_text(encoding="utf-8")
        assert before in text
        text = text.replace(before, after)
        if "purse" in after:
            text = text.replace('balance = "wallet"', 'balance = "purse"')
        play.paths.config.write_text(text, encoding="utf-8")
        refused = await play.control("POST", "/reload")
        assert (409, True) == (refused.status, why in refused.json["error"]), refused.json
        assert "relay" == (await play.ask()).headers["x-tf-route"]


async def test_a_pool_that_leaves_the_config_under_a_call(tmp_path: Path) -> None:
    """What it counted is no money, so it may go; the call that it pays for ends as it began."""
    go = asyncio.Event()
    more = """
[balance.plan]
kind = "pool"
unit = "requests"
windows = [{ allow = 10, per = "5h" }]
[route.plan]
class = "subscription"
upstream = "official"
balance = "plan"
serves = ["small"]
"""
    async with playing(tmp_path, Setup(more=more)) as play:
        play.official.answers((go, *plain(completion())))
        call = asyncio.create_task(play.ask(model="small"))
        await play.official.reached(1)
        assert 200 == (await play.reload(more, "")).status
        go.set()
        assert "plan" == (await call).headers["x-tf-balance"]
        assert (404, "model_not_found") == (await play.ask(model="small")).error
