"""Pools, overage and postpaid accounts on the wire: whose count it is, when a window is over, who pays beyond it."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from playbook import Playbook, Setup, playing
from upstreams import JSON, Answer, completion, plain, refusal

from tokens_forge.core.entries import Held, Settled

MONDAY = datetime(2035, 1, 1, 10, tzinfo=UTC)
FX = """
[report]
fx = { CNY = [{ from = 2020-01-01, rate = "8" }] }
"""
NO_WAIT = '\n[settle]\nwait = "none"'

COUNTED = """
[balance.plan]
kind = "pool"
unit = "{unit}"
windows = [{windows}]
[route.plan]
class = "subscription"
upstream = "official"
balance = "plan"
serves = ["small"]
[model.thrifty]
routes = ["plan/small", "relay/gpt-5"]
fallback = "any"
"""
"""A pool that we count, alone as `small`, before the relay as `thrifty`."""

BY_PROVIDER = """
[balance.max]
kind = "pool"
unit = "percent"
windows = "provider"
{more}
[balance.account]
kind = "postpaid"
unit = "USD"
limit = "0.25 USD"
[route.max]
class = "subscription"
upstream = "official"
balance = "max"
serves = ["small"]
[route.max.prices]
"small" = [{{ from = 2020-01-01, unit = "USD", per = "ktok", input = 1, output = 1 }}]
"""
"""A subscription whose provider counts, and an account that may pay beyond it: a call there costs 0.012 USD."""


def counted(windows: str, unit: str = "requests", more: str = "") -> Setup:
    """Return a pool with these windows."""
    return Setup(more=COUNTED.format(windows=windows, unit=unit) + more)


def by_provider(more: str = "") -> Setup:
    """Return a subscription that its provider counts, with further settings of the pool."""
    return Setup(more=BY_PROVIDER.format(more=more))


def unified(reset: datetime, used: str, status: str = "allowed", **more: str) -> dict[str, str]:
    """Return the headers of a subscription's reply: one window of five hours."""
    name = "anthropic-ratelimit-unified"
    return {
        **JSON,
        f"{name}-5h-utilization": used,
        f"{name}-5h-status": status,
        f"{name}-5h-reset": str(int(reset.timestamp())),
        f"{name}-status": status,
        f"{name}-representative-claim": "five_hour",
        **{f"{name}-{field.replace('_', '-')}": value for field, value in more.items()},
    }


def replied(headers: dict[str, str]) -> Answer:
    """Return a good reply with these headers."""
    return plain(completion(), headers=headers)


def reset_in(hours: int) -> datetime:
    """Return a moment of the real clock, whose headers they are."""
    return (datetime.now(UTC) + timedelta(hours=hours)).replace(microsecond=0)


async def shown(play: Playbook, balance: str) -> dict[str, object]:
    """Return a balance as `tf balance` shows it."""
    rows = (await play.control("GET", "/state")).json["balances"]
    return next(row for row in rows if row["name"] == balance)


async def test_a_window_that_opens_at_first_use(tmp_path: Path) -> None:
    """DESIGN 5: five hours from the first hold; then it is over, and the next one opens at the next hold."""
    async with playing(tmp_path, counted('{ allow = 2, per = "5h" }')) as play:
        play.clock.stopped = MONDAY
        assert [200, 200, 402] == [(await play.ask(model="small")).status for _ in range(3)]
        play.clock.on(hours=4, minutes=59)
        refused = await play.ask(model="small")
        assert (402, "insufficient_balance") == refused.error
        assert (
            "plan/small by plan: used up until 2035-01-01 15:00:00 UTC: 0 requests left, 1 requests needed; 2 of 2 "
            "requests spent"
        ) in refused.message
        play.clock.on(minutes=3)
        assert [200, 200, 402] == [(await play.ask(model="small")).status for _ in range(3)]
        held = [line.entry for line in play.lines() if isinstance(line.entry, Held)]
        assert ["2035-01-01T10:00:00.000000Z", "2035-01-01T15:02:00.000000Z"] == sorted(
            {window.start for entry in held for window in entry.windows}
        )


async def test_a_window_of_the_calendar(tmp_path: Path) -> None:
    """It begins at its anchor in the report's zone, whenever the first call came."""
    more = '\n[report]\ntimezone = "Europe/Berlin"'
    async with playing(tmp_path, counted('{ allow = 1, per = "week", anchor = "mon 12:00" }', more=more)) as play:
        play.clock.stopped = MONDAY
        assert [200, 402] == [(await play.ask(model="small")).status for _ in range(2)]
        play.clock.on(minutes=59)
        assert 402 == (await play.ask(model="small")).status
        play.clock.on(minutes=1)
        assert [200, 402] == [(await play.ask(model="small")).status for _ in range(2)]


async def test_a_rolling_window(tmp_path: Path) -> None:
    """Each call counts for as long as the window is, and its allowance comes back bit by bit."""
    async with playing(tmp_path, counted('{ allow = 2, per = "5h", kind = "rolling" }')) as play:
        play.clock.stopped = MONDAY
        assert 200 == (await play.ask(model="small")).status
        play.clock.on(hours=3)
        assert [200, 402] == [(await play.ask(model="small")).status for _ in range(2)]
        play.clock.on(hours=2, minutes=1)
        assert [200, 402] == [(await play.ask(model="small")).status for _ in range(2)]
        play.clock.on(hours=3)
        assert [200, 402] == [(await play.ask(model="small")).status for _ in range(2)]


async def test_two_windows_bind_together(tmp_path: Path) -> None:
    """The smallest rest over the windows is what is left, and the refusal says when that one gives some back."""
    async with playing(tmp_path, counted('{ allow = 2, per = "5h" }, { allow = 3, per = "week" }')) as play:
        play.clock.stopped = MONDAY
        assert [200, 200, 402] == [(await play.ask(model="small")).status for _ in range(3)]
        play.clock.on(hours=6)
        assert 200 == (await play.ask(model="small")).status
        refused = await play.ask(model="small")
        assert "used up until 2035-01-08 00:00:00 UTC: 0 requests left, 1 requests needed; 3 of 3 requests spent" in (
            refused.message
        )


async def test_a_pool_of_tokens(tmp_path: Path) -> None:
    """What is held is a guess of input and output; what counts is every token that was reported (CASES 49)."""
    async with playing(tmp_path, counted('{ allow = 40, per = "day" }', unit="tokens")) as play:
        assert [200, 200, 402] == [(await play.ask(model="small")).status for _ in range(3)]
        told = [line.entry for line in play.lines()]
        assert [("21", "count")] * 2 == [(one.hold, one.hold_basis.kind) for one in told if isinstance(one, Held)]
        assert ["12", "12"] == [one.charge for one in told if isinstance(one, Settled)]


async def test_a_used_up_pool_falls_back(tmp_path: Path) -> None:
    """CASES 36: the order of candidates decides at the next hold, and the way back is as short."""
    async with playing(tmp_path, counted('{ allow = 1, per = "5h" }')) as play:
        replies = [await play.ask(model="thrifty") for _ in range(2)]
        assert ["plan", "relay"] == [reply.headers["x-tf-route"] for reply in replies]
        assert "plan/small>relay/relay-gpt-5; pool_used_up" == replies[1].headers["x-tf-fell-back"]
        play.clock.on(hours=5, minutes=1)
        assert "plan" == (await play.ask(model="thrifty")).headers["x-tf-route"]


async def test_use_elsewhere_by_the_providers_headers(tmp_path: Path) -> None:
    """CASES 58: headers that leave less than our count are believed; the difference is entered once and named."""
    headers = {**JSON, "x-ratelimit-limit-requests": "10", "x-ratelimit-remaining-requests": "3"}
    async with playing(tmp_path, counted('{ allow = 10, per = "5h" }')) as play:
        play.official.answers(replied(headers), replied({**headers, "x-ratelimit-remaining-requests": "2"}))
        for _ in range(2):
            await play.ask(model="small")
        assert [
            *("routed small: plan/small", "held 1 first plan by plan"),
            "settled 1 ok 1 requests computed; final 200",
            "adjusted plan -6 requests used_elsewhere",
            *("routed small: plan/small", "held 1 first plan by plan"),
            "settled 1 ok 1 requests computed; final 200",
        ] == play.transcript()
        row = await shown(play, "plan")
        assert ({"first-use/5h": "2"}, {"first-use/5h": "6"}) == (row["windows"], row["outside"])


async def test_headers_of_another_limit_say_nothing(tmp_path: Path) -> None:
    """A rate a minute is not the allowance of five hours: only a limit that equals the allowance speaks of it."""
    headers = {**JSON, "x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "1"}
    async with playing(tmp_path, counted('{ allow = 10, per = "5h" }')) as play:
        play.official.answers(replied(headers))
        await play.ask(model="small")
        assert "settled 1 ok 1 requests computed; final 200" == play.transcript()[-1]


async def test_headers_while_calls_are_under_way(tmp_path: Path) -> None:
    """CASES 58: what live calls reserve may be in the provider's figure already, and is not counted twice."""
    go = asyncio.Event()
    headers = {**JSON, "x-ratelimit-limit-requests": "10", "x-ratelimit-remaining-requests": "7"}
    async with playing(tmp_path, counted('{ allow = 10, per = "5h" }')) as play:
        play.official.answers(*[(go, *plain(completion()))] * 2, replied(headers))
        calls = [asyncio.create_task(play.ask(model="small")) for _ in range(2)]
        await play.official.reached(2)
        await play.ask(model="small")
        go.set()
        assert [200, 200] == [(await call).status for call in calls]
        assert [] == [line for line in play.transcript() if "used_elsewhere" in line]
        assert {"first-use/5h": "7"} == (await shown(play, "plan"))["windows"]


async def test_a_provider_that_counts(tmp_path: Path) -> None:
    """DESIGN 5: use, status and reset are its headers'; a call holds nothing and costs nothing of ours."""
    reset = reset_in(3)
    async with playing(tmp_path, by_provider()) as play:
        play.official.answers(replied(unified(reset, "0.4")), replied(unified(reset, "0.55", "allowed_warning")))
        await play.ask(model="small")
        await play.ask(model="small")
        assert [
            *("routed small: max/small", "held 1 first max by max"),
            "settled 1 ok 0 percent zero; final 200",
        ] * 2 == play.transcript()
        row = await shown(play, "max")
        assert ({"provider/5h": "45"}, {"provider/5h": "40"}, "allowed_warning") == (
            row["windows"],
            row["outside"],
            row["status"],
        )
        assert reset.isoformat(timespec="microseconds").replace("+00:00", "Z") == row["resets"]


async def test_a_provider_that_rejects(tmp_path: Path) -> None:
    """CASES 39: its 429 with `rejected` closes the pool until the reset that it names; nobody is asked before."""
    reset = reset_in(2)
    async with playing(tmp_path, by_provider()) as play:
        play.official.answers(refusal(429, headers=unified(reset, "1.02", "rejected")))
        assert 429 == (await play.ask(model="small")).status
        play.clock.on(minutes=30)  # past what a 429 without a wait cools for
        refused = await play.ask(model="small")
        assert (402, "insufficient_balance") == refused.error
        assert f"used up until {reset:%Y-%m-%d %H:%M:%S} UTC: 0 percent left. `tf explain" in refused.message
        assert 1 == len(play.official.got)
        play.clock.on(hours=2)
        assert 200 == (await play.ask(model="small")).status


async def test_money_that_the_provider_takes_beyond_the_pool(tmp_path: Path) -> None:
    """DESIGN 5: an overage that is on no balance of ours is never shown as 0: the charge is unpriced, and flagged."""
    async with playing(tmp_path, by_provider()) as play:
        play.official.answers(
            replied(unified(reset_in(3), "1.05", "rejected", overage_status="allowed", overage_in_use="true"))
        )
        reply = await play.ask(model="small")
        assert "unpriced" == reply.headers["x-tf-certainty"]
        settled = await play.settled()
        assert ("unpriced", ("overage",), "") == (settled.certainty, settled.flags, settled.saving)


async def test_an_account_pays_beyond_the_pool(tmp_path: Path) -> None:
    """`overage = "account"`: beyond the pool the account pays by the route's price, within its limit and budgets."""
    reset = reset_in(3)
    more = FX + '[key.aider]\nbudget = { limit = "1 USD", per = "day" }'
    setup = Setup(more=BY_PROVIDER.format(more='overage = "account"').replace("0.25 USD", "0.04 USD") + more)
    async with playing(tmp_path, setup) as play:
        play.official.answers(replied(unified(reset, "1", "rejected")))
        replies = [await play.ask(model="small") for _ in range(4)]
        assert ["max", "account", "account", None] == [reply.headers.get("x-tf-balance") for reply in replies]
        assert "0.012 USD" == replies[1].headers["x-tf-charge"]
        assert [
            *("routed small: max/small", "held 1 first max by max", "settled 1 ok 0 percent zero; final 200"),
            "routed small: max/small",
            "held 1 first max by account past max/small pool_used_up after pool_used_up",
            "settled 1 ok 0.012 USD computed; final 200",
        ] == play.transcript()[:6]
        assert Decimal("0.024") == play.fold.budgets.budgets["key.aider/day"].spans[0].used
        assert (402, "insufficient_balance") == replies[3].error
        assert (
            f"max/small by max: used up until {reset:%Y-%m-%d %H:%M:%S} UTC: 0 percent left; max/small by account: "
            "0.016 USD available, 0.021 USD needed; 0.024 of 0.04 USD spent; begins anew at "
        ) in replies[3].message


async def test_beyond_the_pool_and_back(tmp_path: Path) -> None:
    """Once the provider's window begins anew the pool pays again."""
    async with playing(tmp_path, by_provider('overage = "account"')) as play:
        play.official.answers(replied(unified(reset_in(1), "1", "rejected")))
        first = [(await play.ask(model="small")).headers["x-tf-balance"] for _ in range(2)]
        play.clock.on(hours=1, minutes=1)
        assert ["max", "account", "max"] == [*first, (await play.ask(model="small")).headers["x-tf-balance"]]


POSTPAID = """
[balance.account]
kind = "postpaid"
unit = "USD"
limit = "0.05 USD"
per = "{per}"
[route.account]
class = "direct"
upstream = "official"
balance = "account"
serves = ["small"]
[route.account.prices]
"small" = [{{ from = 2020-01-01, unit = "USD", per = "ktok", input = 1, output = 1 }}]
"""


@pytest.mark.parametrize(("per", "days"), [("day", 1), ("week", 7), ("month", 31)])
async def test_a_postpaid_account_has_a_limit(tmp_path: Path, per: str, days: int) -> None:
    """DESIGN 1: limit less owed in the period less held; it needs no top-up, and the next period begins at nothing."""
    async with playing(tmp_path, Setup(more=POSTPAID.format(per=per))) as play:
        play.clock.stopped = MONDAY
        assert [200, 200, 200, 402] == [(await play.ask(model="small")).status for _ in range(4)]
        assert ("-0.036", "0.014") == ((row := await shown(play, "account"))["posted"], row["available"])
        play.clock.on(days=days)
        assert 200 == (await play.ask(model="small")).status
        assert ("-0.048", "0.038") == ((row := await shown(play, "account"))["posted"], row["available"])


async def test_parallel_calls_on_an_account(tmp_path: Path) -> None:
    """CASES 29: two holds of 0.021 USD fit into 0.05; the third is refused, and the error names both."""
    go = asyncio.Event()
    async with playing(tmp_path, Setup(more=POSTPAID.format(per="month") + NO_WAIT)) as play:
        play.clock.stopped = MONDAY
        play.official.answers(*[(go, *plain(completion()))] * 2)
        calls = [asyncio.create_task(play.ask(model="small")) for _ in range(2)]
        await play.official.reached(2)
        refused = await play.ask(model="small")
        holds = ", ".join(play.fold.book.balances["account"].holds)
        assert (
            "account/small by account: 0.008 USD available, 0.021 USD needed; 0 of 0.05 USD spent, 0.042 USD held by "
            f"calls under way ({holds})"
        ) in refused.message
        go.set()
        assert [200, 200] == [(await call).status for call in calls]


async def test_what_the_provider_shows_as_owed(tmp_path: Path) -> None:
    """CASES 57: of a postpaid account the figure is what is owed in its period; the difference takes of its limit."""
    async with playing(tmp_path, Setup(more=POSTPAID.format(per="month"))) as play:
        await play.ask(model="small")
        done = await play.control("POST", "/adjust", {"balance": "account", "kind": "set", "amount": "0.03 USD"})
        assert [("-0.018", "unexplained")] == [(one["amount"], one["reason"]) for one in done.json["entries"]]
        assert "0.02" == (await shown(play, "account"))["available"]
        assert 402 == (await play.ask(model="small")).status
