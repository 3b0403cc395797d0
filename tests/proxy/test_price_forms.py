"""Forms of a price on the wire: free, reported by the upstream, so much a call, so much a second, none."""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest
from playbook import Setup, playing
from upstreams import DONE, HELLO, JSON, TOKENS, chunk, completion, plain, refusal, stream

from tokens_forge.core.entries import Held, Settled

ROUTED = "routed small: box/small"
HELD = "held 1 first box by credit"
NO_WAIT = '\n[settle]\nwait = "none"'


def priced(price: str, fund: str = "1 USD", more: str = "") -> Setup:
    """Return a route with this price, paid by the credit."""
    route = f'[route.box]\nclass = "direct"\nupstream = "official"\nbalance = "credit"\nserves = ["small"]\n{price}\n'
    return Setup(more=route + more, fund={"credit": fund} if fund else {})


def costing(cost: object) -> bytes:
    """Return a reply that says what it cost."""
    return completion(usage={**TOKENS, "cost": cost})


async def test_a_price_of_nothing(tmp_path: Path) -> None:
    """CASES 12: known to be free is not unknown: no money is needed, and the line says zero."""
    async with playing(tmp_path, priced('price = "free"', fund="")) as play:
        reply = await play.ask(model="small")
        assert ("0 USD", "zero") == (reply.headers["x-tf-charge"], reply.headers["x-tf-certainty"])
        assert [ROUTED, HELD, "settled 1 ok 0 USD zero; final 200"] == play.transcript()


async def test_a_free_route_that_says_a_cost(tmp_path: Path) -> None:
    """CASES 15: the upstream's own word stays beside ours; the config's word is the price."""
    async with playing(tmp_path, priced('price = "free"')) as play:
        play.official.answers(plain(costing(0.5)))
        await play.ask(model="small")
        settled = await play.settled()
        assert ("0", "zero", "0.5") == (settled.charge, settled.certainty, settled.reported_cost)


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_reported_price(tmp_path: Path, *, streamed: bool) -> None:
    """DESIGN 6: the charge is what the upstream says that it cost, to its last digit, plain or streamed."""
    usage = {**TOKENS, "cost": 0.00012345}
    async with playing(tmp_path, priced('price = "reported"')) as play:
        play.official.answers(stream(*HELLO, chunk(usage=usage), DONE) if streamed else plain(completion(usage=usage)))
        assert 200 == (await play.ask(model="small", stream=streamed)).status
        settled = await play.settled()
        assert ("0.00012345", "reported", "0.00012345", "0.99987655") == (
            settled.charge,
            settled.certainty,
            settled.reported_cost,
            settled.balance_after,
        )
        assert [("requests", 1, "0.00012345")] == [
            (line.usage_class, line.quantity, line.amount) for line in settled.lines
        ]


async def test_a_cost_in_the_head_of_a_reply(tmp_path: Path) -> None:
    """CASES 15: LiteLLM tells it there, where the body tells none; its 0 is no word."""
    async with playing(tmp_path, priced('price = "reported"')) as play:
        heads = ({"x-litellm-response-cost": cost} for cost in ("1.25e-05", "0.0", "free"))
        play.official.answers(
            *(plain(completion(), headers={**JSON, **head}) for head in heads),
            plain(costing(0.0006), headers={**JSON, "x-litellm-response-cost": "1.25e-05"}),
        )
        told: list[Settled] = []
        for _ in range(4):
            await play.ask(model="small")
            told.append(await play.settled())
        by_hold = ("0.0000125", "estimated", ("not_reported", "charged_at_hold"))
        assert [("0.0000125", "reported", ()), by_hold, by_hold] == [
            (entry.charge, entry.certainty, entry.flags) for entry in told[:3]
        ]
        assert ("0.0006", "0.0006") == (told[3].reported_cost, told[3].charge)


async def test_a_tier_in_the_head_of_a_reply(tmp_path: Path) -> None:
    """CASES 8: Gemini names there what served, and steps down from priority without another word."""
    async with playing(tmp_path, priced('price = "free"', fund="")) as play:
        play.official.answers(plain(completion(), headers={**JSON, "x-gemini-service-tier": "Priority"}))
        await play.ask(model="small")
        assert "priority" == (await play.settled()).tier_served


async def test_a_reported_price_that_is_not_reported(tmp_path: Path) -> None:
    """CASES 12: without the upstream's word and without a list price the line says that nothing is known."""
    async with playing(tmp_path, priced('price = "reported"')) as play:
        await play.ask(model="small")
        settled = await play.settled()
        assert ("0", "unpriced", ("not_reported", "charged_at_hold")) == (
            settled.charge,
            settled.certainty,
            settled.flags,
        )


async def test_a_reported_price_needs_money(tmp_path: Path) -> None:
    """What may cost must find money, though nobody knows how much; the error does not say that 0 is needed."""
    async with playing(tmp_path, priced('price = "reported"', fund="")) as play:
        refused = await play.ask(model="small")
        assert (402, "insufficient_balance") == refused.error
        assert "box/small by credit: 0 USD available. `tf explain" in refused.message


async def test_reported_costs_add_up_in_a_budget(tmp_path: Path) -> None:
    """CASES 29: nothing is held before a cost was reported, then as much; what was reported counts to the digit."""
    more = '[route.box.budget]\nlimit = "0.013 USD"\nper = "day"\n'
    async with playing(tmp_path, priced('price = "reported"', more=more)) as play:
        play.official.answers(*[plain(costing(0.006))] * 2)
        assert [200, 200, 402] == [(await play.ask(model="small")).status for _ in range(3)]
        assert Decimal("0.012") == play.fold.budgets.budgets["route.box/day"].spans[0].used


async def test_so_much_a_call(tmp_path: Path) -> None:
    """CASES 11: a call costs its price whatever its tokens; it is held for as much, so parallel calls stay within."""
    go = asyncio.Event()
    setup = priced('price = { per = "call", amount = "0.02 USD" }', "0.05 USD", NO_WAIT)
    async with playing(tmp_path, setup) as play:
        play.official.answers(*[(go, *plain(completion()))] * 2)
        calls = [asyncio.create_task(play.ask(model="small", max_tokens=100_000)) for _ in range(2)]
        await play.official.reached(2)
        assert (402, "insufficient_balance") == (await play.ask(model="small")).error
        go.set()
        assert ["0.02 USD"] * 2 == [(await call).headers["x-tf-charge"] for call in calls]
        told = [line.entry for line in play.lines()]
        assert ["0.02", "0.02"] == [entry.hold for entry in told if isinstance(entry, Held)]
        assert [("requests", 1, "0.02")] * 2 == [
            (line.usage_class, line.quantity, line.rate)
            for entry in told
            if isinstance(entry, Settled)
            for line in entry.lines
        ]


async def test_a_call_that_is_refused_costs_none(tmp_path: Path) -> None:
    """CASES 48: so much a call is for calls that are billed."""
    async with playing(tmp_path, priced('price = { per = "call", amount = "0.02 USD" }')) as play:
        play.official.answers(refusal(429, headers={"retry-after": "120"}))
        await play.ask(model="small")
        assert Decimal(1) == play.fold.book.balances["credit"].posted


async def test_so_much_a_second(tmp_path: Path) -> None:
    """CASES 11: begun seconds are whole; the hold is for the longest that the upstream may take."""
    setup = priced('price = { per = "second", amount = "0.001 USD" }')
    async with playing(tmp_path, setup) as play:
        assert "0.001 USD" == (await play.ask(model="small")).headers["x-tf-charge"]
        told = [line.entry for line in play.lines()]
        assert ["0.6"] == [entry.hold for entry in told if isinstance(entry, Held)]
        (settled,) = (entry for entry in told if isinstance(entry, Settled))
        assert ([("seconds", 1, "0.001")], ("seconds_measured",)) == (
            [(line.usage_class, line.quantity, line.rate) for line in settled.lines],
            settled.flags,
        )


async def test_a_tier_of_service_that_was_served(tmp_path: Path) -> None:
    """CASES 8: the tier that the upstream says it served prices the call, not the one that was asked for."""
    sheet = """
[[route.box.prices.small]]
from = 2020-01-01
unit = "USD"
per = "ktok"
input = 1
output = 1
service = { flex = { input = 0.5, output = 0.5 } }
"""
    served = completion().replace(b'"object":', b'"service_tier":"flex","object":')
    async with playing(tmp_path, priced(sheet)) as play:
        play.official.answers(plain(served), plain(completion()))
        replies = [await play.ask(model="small", service_tier=tier) for tier in ("default", "flex")]
        assert ["0.006 USD", "0.006 USD"] == [reply.headers["x-tf-charge"] for reply in replies]
        settled = await play.settled()
        assert settled.card is not None
        assert "flex" == settled.card.tier


async def test_no_price_is_refused_and_zero_is_flagged(tmp_path: Path) -> None:
    """CASES 12: `unpriced = "zero"` is the user's word: the call passes, and every total lists it as unpriced."""
    bare = priced('price = "list"')
    async with playing(tmp_path, bare) as play:
        assert (501, "no_price") == (await play.ask(model="small")).error
        assert 200 == (await play.reload("[route.box]", '[settle]\nunpriced = "zero"\n[route.box]')).status
        assert "unpriced" == (await play.ask(model="small")).headers["x-tf-certainty"]
        assert ("0", ("no_price",)) == ((settled := await play.settled()).charge, settled.flags)


SIBLING = """
[settle]
unpriced = "sibling"
[route.list]
class = "direct"
upstream = "official"
balance = "credit"
serves = ["gpt-*"]
price = "list"
"""


async def test_a_siblings_price_is_the_users_word(tmp_path: Path) -> None:
    """CASES 12: a model that no list knows is charged as the newest of its family; without one it is refused."""
    async with playing(tmp_path, Setup(official='provider = "openai"', more=SIBLING)) as play:
        assert 200 == (await play.ask(model="gpt-6.9-luna")).status
        settled = await play.settled()
        assert settled.card is not None
        assert ("openai/gpt-6-luna", ("gpt-6.9-luna", "openai/gpt-6-luna")) == (settled.card.id, settled.card.resolved)
        assert "" == settled.list
        refused = await play.ask(model="gpt-6.9-nova")
        assert (501, "no_price") == refused.error
        assert "It has no sibling that is known." in refused.message
