"""Budgets on the wire: what calls may spend together, whoever pays, and what the client of the one too many reads.

At the playbook's prices a call on the relay holds 0.111 CNY and costs 0.048 CNY; on the official route it holds 0.222
USD and costs 0.096 USD. Where a rate is given, a USD is 8 CNY: on the relay that is 0.013875 and 0.006 USD.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from playbook import Setup, playing
from upstreams import completion, plain, refusal, until

from tokens_forge.core.entries import Counted, Held, PassedOver, Refused, Settled

FX = """
[report]
fx = { CNY = [{ from = 2020-01-01, rate = "8" }] }
"""

FREE = """
[balance.own]
kind = "free"
[route.box]
class = "local"
upstream = "relay"
balance = "own"
serves = ["box"]
[model.thrifty]
routes = ["box/box", "official/gpt-5"]
fallback = "any"
"""
"""A model of the user's own machine that falls back to paid money."""

POOL = """
[balance.plan]
kind = "pool"
unit = "requests"
windows = [{ allow = 9, per = "5h" }]
[route.plan]
class = "subscription"
upstream = "official"
balance = "plan"
serves = { "planned" = "gpt-5" }
"""
"""A pool for a model with a list price: a call is worth 0.00005 USD there and may be worth 0.00011375."""

MONDAY = datetime(2035, 1, 1, 10, tzinfo=UTC)
ROUTED = "routed smart: relay/relay-gpt-5 official/gpt-5"
HELD = "held 1 first relay by wallet"
PAID = "settled 1 ok 0.048 CNY computed; final 200"


def on_key(limit: str, per: str = "day", more: str = "") -> str:
    """Return tables that bind the key `aider`."""
    return f'{FX}[key.aider]\nbudget = {{ limit = "{limit}", per = "{per}"{more} }}'


def over(entry: object) -> PassedOver:
    """Return the only candidate that a refusal passed over for a budget."""
    assert isinstance(entry, Refused)
    (passed,) = (passed for passed in entry.passed_over if passed.reason == "over_budget")
    return passed


async def test_a_budget_in_dollars_binds_a_key_that_pays_in_yuan(tmp_path: Path) -> None:
    """CASES 51: each charge counts at the report's rate, frozen in its line; what does not fit is refused."""
    async with playing(tmp_path, Setup(fallback="none", more=on_key("0.02 USD"))) as play:
        assert [200, 200] == [(await play.ask()).status for _ in range(2)]
        refused = await play.ask()
        assert (402, "budget_exceeded") == refused.error
        *told, routed, _refused = lines = play.lines()
        del routed
        entries = [line.entry for line in told]
        held = [one.counted for one in entries if isinstance(one, Held)]
        settled = [one.counted for one in entries if isinstance(one, Settled)]
        assert [("key.aider/day", "0.013875", "USD", "8")] * 2 == [
            (one.budget, one.amount, one.unit, one.fx) for counted in held for one in counted
        ]
        assert ["0.006", "0.006"] == [one.amount for counted in settled for one in counted]
        passed = over(lines[-1].entry)
        assert ("key.aider/day", "0.008", "0.013875", "0.02", "0.012", "USD") == (
            passed.budget,
            passed.available,
            passed.need,
            passed.limit,
            passed.spent,
            passed.unit,
        )


async def test_what_the_one_too_many_reads(tmp_path: Path) -> None:
    """CASES 30, 38: one terminal error says the budget, the limit, what is spent, and when it begins anew."""
    async with playing(tmp_path, Setup(fallback="none", more=on_key("0.019 USD"))) as play:
        play.clock.stopped = MONDAY
        await play.ask()
        refused = await play.ask()
        assert (402, "budget_exceeded") == refused.error
        assert {"x-should-retry": "false"} == refused.said("x-should-retry", "retry-after")
        assert (
            "Nothing can pay for this call. relay/relay-gpt-5 by wallet: over budget key.aider/day: 0.013 USD left, "
            "0.013875 USD needed; 0.006 of 0.019 USD spent; begins anew at 2035-01-02 00:00:00 UTC; official/gpt-5 by "
            f"credit: outside of where this call may fall back. `tf explain {refused.headers['x-request-id']}` tells "
            "more."
        ) == refused.message


async def test_a_refusal_names_the_calls_that_hold(tmp_path: Path) -> None:
    """CASES 29, 30: what calls under way may cost counts; the error says how much that is and which calls they are."""
    go = asyncio.Event()
    more = on_key("0.02 USD") + '\n[settle]\nwait = "none"'
    async with playing(tmp_path, Setup(fallback="none", more=more)) as play:
        play.clock.stopped = MONDAY
        play.relay.answers((go, *plain(completion())))
        first = asyncio.create_task(play.ask())
        await play.relay.reached(1)
        refused = await play.ask()
        (attempt,) = play.fold.book.balances["wallet"].holds
        go.set()
        held_by = (await first).headers["x-request-id"]
        assert f"{held_by}/1" == attempt
        assert (
            f"0.006125 USD left, 0.013875 USD needed; 0 of 0.02 USD spent, 0.013875 USD held by calls under way "
            f"({attempt}); begins anew at 2035-01-02 00:00:00 UTC"
        ) in refused.message


@pytest.mark.parametrize(
    ("per", "within", "after"),
    [
        ("hour", timedelta(minutes=59), timedelta(hours=1)),
        ("day", timedelta(hours=13), timedelta(hours=14)),
        ("week", timedelta(days=6), timedelta(days=7)),
        ("month", timedelta(days=30), timedelta(days=31)),
    ],
)
async def test_a_period_begins_anew(tmp_path: Path, per: str, within: timedelta, after: timedelta) -> None:
    """A budget per hour, day, week or month is refused until its period is over, and whole again then."""
    async with playing(tmp_path, Setup(fallback="none", more=on_key("0.019 USD", per))) as play:
        play.clock.stopped = MONDAY
        assert 200 == (await play.ask()).status
        play.clock.ahead = within
        assert (402, "budget_exceeded") == (await play.ask()).error
        play.clock.ahead = after
        assert 200 == (await play.ask()).status


async def test_a_day_is_the_users_own(tmp_path: Path) -> None:
    """DESIGN 5: a calendar's period is of the report's zone: in Shanghai it is tomorrow at 16:00 UTC."""
    more = on_key("0.019 USD").replace("[report]", '[report]\ntimezone = "Asia/Shanghai"')
    async with playing(tmp_path, Setup(fallback="none", more=more)) as play:
        play.clock.stopped = MONDAY
        assert 200 == (await play.ask()).status
        play.clock.ahead = timedelta(hours=5, minutes=59)
        refused = await play.ask()
        assert "begins anew at 2035-01-01 16:00:00 UTC" in refused.message
        play.clock.ahead = timedelta(hours=6)
        assert 200 == (await play.ask()).status


async def test_a_call_over_midnight_counts_in_the_new_day(tmp_path: Path) -> None:
    """DESIGN 5: an amount belongs to the moment of its settled entry; its hold counted in every period before."""
    go = asyncio.Event()
    async with playing(tmp_path, Setup(fallback="none", more=on_key("0.02 USD"))) as play:
        play.clock.stopped = MONDAY
        play.relay.answers((go, *plain(completion())))
        call = asyncio.create_task(play.ask())
        await play.relay.reached(1)
        play.clock.ahead = timedelta(days=1)
        go.set()
        assert 200 == (await call).status
        settled = await play.settled()
        assert [
            Counted(
                budget="key.aider/day",
                amount="0.006",
                unit="USD",
                fx="8",
                start="2035-01-02T00:00:00.000000Z",
                end="2035-01-03T00:00:00.000000Z",
            )
        ] == list(settled.counted)


async def test_the_smallest_of_several_budgets_binds(tmp_path: Path) -> None:
    """A call counts against each of a key's budgets; the one that it does not fit into is named."""
    both = """
[key.aider]
budget = [{ limit = "1.00 USD", per = "day" }, { limit = "0.019 USD", per = "month" }]
"""
    async with playing(tmp_path, Setup(fallback="none", more=FX + both)) as play:
        await play.ask()
        assert "over budget key.aider/month: " in (await play.ask()).message
        names = [row["name"] for row in (await play.send("GET", "/tf/state")).json["budgets"]]
        assert ["key.aider/day", "key.aider/month"] == names


async def test_a_budget_of_a_key_is_its_own(tmp_path: Path) -> None:
    """What one key spends takes nothing from another, and neither sees the other's."""
    async with playing(tmp_path, Setup(fallback="none", more=on_key("0.019 USD"))) as play:
        play.issue("cursor")
        assert [200, 402, 200] == [(await play.ask(key=key)).status for key in ("aider", "aider", "cursor")]
        states = [(await play.send("GET", "/tf/state", key=key)).json["budgets"] for key in ("aider", "cursor")]
        assert [["0.006"], []] == [[row["spent"] for row in rows] for rows in states]


@pytest.mark.parametrize("owner", ["route.relay", "balance.wallet"])
async def test_a_budget_of_a_route_or_balance_falls_back(tmp_path: Path, owner: str) -> None:
    """CASES 33: a candidate over its own budget is passed over, and the next one is looked at by its own."""
    more = f'[{owner}.budget]\nlimit = "0.15 CNY"\nper = "day"'
    async with playing(tmp_path, Setup(more=more)) as play:
        assert "relay" == (await play.ask()).headers["x-tf-route"]
        reply = await play.ask()
        assert "relay/relay-gpt-5>official/gpt-5; over_budget" == reply.headers["x-tf-fell-back"]
        assert [
            *(ROUTED, HELD, PAID),
            ROUTED,
            "held 1 fallback official by credit past relay/relay-gpt-5 over_budget after over_budget",
            "settled 1 ok 0.096 USD computed; final 200",
        ] == play.transcript()


async def test_a_pool_counts_nothing_unless_it_says_so(tmp_path: Path) -> None:
    """CASES 51: what a pool pays is no money that is spent; its calls fit where nothing is left."""
    setup = Setup(fallback="none", official='provider = "openai"', more=on_key("0.019 USD") + POOL)
    async with playing(tmp_path, setup) as play:
        await play.ask()
        assert (402, "budget_exceeded") == (await play.ask()).error
        assert [200] * 3 == [(await play.ask(model="planned")).status for _ in range(3)]
        assert ["0"] == [one.amount for one in (await play.settled()).counted]


async def test_a_pool_counts_at_list_price(tmp_path: Path) -> None:
    """CASES 51: `count = "list"` takes a pool's call for what the provider would have charged."""
    more = on_key("0.00015 USD", more=', count = "list"') + POOL
    async with playing(tmp_path, Setup(official='provider = "openai"', more=more)) as play:
        assert 200 == (await play.ask(model="planned")).status
        settled = await play.settled()
        assert [("0.00005", "USD", "1")] == [(one.amount, one.unit, one.fx) for one in settled.counted]
        assert ("1", "requests", "0.00005") == (settled.charge, settled.unit, settled.list)
        refused = await play.ask(model="planned")
        assert (402, "budget_exceeded") == refused.error
        assert "0.0001 USD left, 0.00011375 USD needed; 0.00005 of 0.00015 USD spent" in refused.message


async def test_a_free_primary_and_a_paid_fallback(tmp_path: Path) -> None:
    """CASES 33: free calls spend nothing; when they fail, the paid fallback meets the budget like any other."""
    async with playing(tmp_path, Setup(more=on_key("0.3 USD") + FREE)) as play:
        play.relay.answers(plain(completion()), *[refusal(404, "model_not_found")] * 3)
        replies = [await play.ask(model="thrifty") for _ in range(3)]
        assert ["own", "credit", None] == [reply.headers.get("x-tf-balance") for reply in replies]
        assert [
            *("routed thrifty: box/box official/gpt-5", "held 1 first box by own"),
            "settled 1 ok 0 free zero; final 200",
            *("routed thrifty: box/box official/gpt-5", "held 1 first box by own"),
            "voided 1 rejected model_not_found 404 zero",
            "held 2 fallback official by credit past box/box failed_in_call after model_not_found",
            "settled 2 ok 0.096 USD computed; final 200",
            *("routed thrifty: box/box official/gpt-5", "held 1 first box by own"),
            "voided 1 rejected model_not_found 404 zero",
            "refused exhausted past box/box failed_in_call, official/gpt-5 over_budget; final 502",
        ] == play.transcript()
        assert (502, "candidates_exhausted") == replies[2].error
        assert (
            "box/box model_not_found 404. The last attempt ended in model_not_found with status 404. Not tried: "
            "box/box by own: failed earlier in this call (model_not_found); official/gpt-5 by credit: over budget "
            "key.aider/day: 0.204 USD left, 0.222 USD needed; 0.096 of 0.3 USD spent"
        ) in replies[2].message


@pytest.mark.parametrize(("wait", "answered"), [("none", 14), ("10s", 32)])
async def test_a_hundred_calls_on_a_small_budget(tmp_path: Path, wait: str, answered: int) -> None:
    """CASES 29: check and hold are one step: whatever the wallet has, together they stay within the budget.

    Fourteen holds fit at once. With a wait there are 31 charges before 0.014 USD is left, which fits one more.
    """
    go = asyncio.Event()
    more = on_key("0.2 USD") + f'\n[settle]\nwait = "{wait}"'
    async with playing(tmp_path, Setup(fallback="none", more=more)) as play:
        play.relay.answers(*[(go, *plain(completion()))] * 14)
        calls = [asyncio.create_task(play.ask()) for _ in range(100)]
        await play.relay.reached(14)
        await until(lambda: sum(call.done() for call in calls) + len(play.fold.calls) == 100)
        go.set()
        replies = await asyncio.gather(*calls)
        await play.idle()
        spent, live, most = Decimal(0), dict[str, Decimal](), Decimal(0)
        for line in play.lines():
            entry = line.entry
            if isinstance(entry, Held):
                live[entry.id] = Decimal(entry.counted[0].amount)
            elif isinstance(entry, Settled):
                spent += Decimal(entry.counted[0].amount)
                del live[entry.id]
            most = max(most, spent + sum(live.values()))
        assert Decimal("0.19") < most <= Decimal("0.2")
        assert answered == sum(reply.status == 200 for reply in replies)
        assert {"budget_exceeded"} == {reply.error[1] for reply in replies if reply.status == 402}


async def test_a_day_without_a_rate_is_not_a_day_without_a_limit(tmp_path: Path) -> None:
    """CASES 32: what can't be counted is not paid, and the error says which rate is missing."""
    late = FX.replace("2020-01-01", "2034-01-01")
    more = late + '[key.aider]\nbudget = { limit = "0.5 USD", per = "day" }'
    async with playing(tmp_path, Setup(fallback="none", more=more)) as play:
        refused = await play.ask()
        assert (402, "budget_exceeded") == refused.error
        assert (
            "relay/relay-gpt-5 by wallet: no exchange rate of the day says what it counts against budget "
            "key.aider/day: add one to [report] fx;"
        ) in refused.message
        play.clock.stopped = MONDAY
        assert 200 == (await play.ask()).status


async def test_a_budget_that_is_raised_by_the_config(tmp_path: Path) -> None:
    """The next call meets the new limit, with what was spent before."""
    async with playing(tmp_path, Setup(fallback="none", more=on_key("0.019 USD"))) as play:
        await play.ask()
        assert 402 == (await play.ask()).status
        raised = await play.reload('limit = "0.019 USD"', 'limit = "0.021 USD"')
        assert ["key.aider.budget.limit: 0.019 USD → 0.021 USD"] == raised.json["changes"]
        assert [200, 402] == [(await play.ask()).status for _ in range(2)]


async def test_a_budget_that_gets_another_unit_under_a_call(tmp_path: Path) -> None:
    """CASES 46: it begins anew in the new unit; a call that ends in the old one takes nothing of what counts there."""
    go = asyncio.Event()
    async with playing(tmp_path, Setup(fallback="none", more=on_key("1 USD"))) as play:
        play.relay.answers((go, *plain(completion())))
        call = asyncio.create_task(play.ask())
        await play.relay.reached(1)
        assert 200 == (await play.reload('limit = "1 USD"', 'limit = "0.2 CNY"')).status
        assert 200 == (await play.ask()).status
        go.set()
        assert 200 == (await call).status
        assert 200 == (await play.ask()).status
        assert "0.096 of 0.2 CNY spent" in (await play.ask()).message
