"""Routing over time, as transcripts: what cools and recovers, empty balances, pools that run out and fill again."""

import asyncio
from pathlib import Path

import pytest
from playbook import NO_WAIT, Playbook, Reply, Setup, playing
from upstreams import DONE, chunk, completion, plain, refusal, stream

ROUTED = "routed smart: relay/relay-gpt-5 official/gpt-5"
BY_OFFICIAL = "settled 1 ok 0.096 USD computed; final 200"
BY_RELAY = "settled 1 ok 0.048 CNY computed; final 200"

PLANS = """
[balance.plan]
kind = "pool"
unit = "requests"
windows = [{ allow = 2, per = "5h" }, { allow = 3, per = "7d" }]
[balance.own]
kind = "free"
[route.plan]
class = "subscription"
upstream = "official"
balance = "plan"
serves = ["small"]
[route.own]
class = "local"
upstream = "official"
balance = "own"
serves = ["tiny"]
[model.thrifty]
routes = ["plan/small", "relay/gpt-5"]
fallback = "any"
[model.kept]
routes = ["plan/small"]
"""
"""A pool of two requests in five hours and three in a week, and a balance that is free."""


def limited(wait_s: int) -> tuple[bytes, ...]:
    """Return a 429 that asks for so many seconds."""
    (answer,) = refusal(429, headers={"retry-after": str(wait_s)})
    assert isinstance(answer, bytes)
    return (answer,)


async def other_route(play: Playbook, reason: str) -> Reply:
    """Ask, and expect the official route to answer because the relay is passed over."""
    reply = await play.ask()
    assert [
        ROUTED,
        f"held 1 fallback official by credit past relay/relay-gpt-5 {reason} after {reason}",
        BY_OFFICIAL,
    ] == play.transcript()
    return reply


async def test_all_cooling_names_the_earliest_recovery(tmp_path: Path) -> None:
    """CASES 40: 503 with a Retry-After of the earliest, which shrinks as time passes; an SDK may come again."""
    async with playing(tmp_path, Setup(more=NO_WAIT)) as play:
        play.clock.stop()
        play.relay.answers(limited(60))
        play.official.answers(limited(30))
        limited_too = await play.ask()
        assert (429, "rate_limited") == limited_too.error
        assert {"retry-after": "30"} == limited_too.said("retry-after", "x-should-retry")
        assert [
            ROUTED,
            "held 1 first relay by wallet",
            "voided 1 rejected rate_limited 429 zero",
            "cooled candidate relay/relay-gpt-5 60 s, level 1, rate_limited",
            "held 2 fallback official by credit past relay/relay-gpt-5 failed_in_call after rate_limited",
            "voided 2 rejected rate_limited 429 zero",
            "cooled candidate official/gpt-5 30 s, level 1, rate_limited",
            "refused exhausted past relay/relay-gpt-5 failed_in_call, official/gpt-5 failed_in_call; final 429",
        ] == play.transcript()
        reply = await play.ask()
        assert (503, "all_cooling") == reply.error
        until = play.fold.health.cooldowns["candidate official/gpt-5"].until
        assert f" The earliest recovers at {until}." in reply.message
        assert {"retry-after": "30"} == reply.said("retry-after", "x-should-retry")
        assert [
            ROUTED,
            "refused all_cooling past relay/relay-gpt-5 cooling, official/gpt-5 cooling; final 503",
        ] == play.transcript()
        play.clock.on(seconds=10, milliseconds=1)
        assert "20" == (await play.ask()).headers["retry-after"]
        play.lines()
        play.clock.on(seconds=20)
        assert 200 == (await play.ask()).status
        assert "recovered candidate official/gpt-5" == play.transcript()[-1]


async def test_a_cooldown_ends_at_its_moment(tmp_path: Path) -> None:
    """Until the moment it is passed over; at the moment it may be probed."""
    async with playing(tmp_path) as play:
        play.clock.stop()
        play.relay.answers(limited(60))
        await play.ask()
        play.lines()
        play.clock.on(seconds=60, microseconds=-1)
        await other_route(play, "cooling")
        play.clock.on(microseconds=1)
        assert "relay" == (await play.ask()).headers["x-tf-route"]
        assert [
            ROUTED,
            "held 1 first relay by wallet",
            BY_RELAY,
            "recovered candidate relay/relay-gpt-5",
        ] == play.transcript()


async def test_half_open_lets_one_probe_through(tmp_path: Path) -> None:
    """DESIGN 7: after a cooldown one call tries, and the others go on passing over until it has ended."""
    go = asyncio.Event()
    async with playing(tmp_path) as play:
        play.relay.answers(limited(60), (go, *plain(completion())))
        await play.ask()
        play.clock.on(seconds=61)
        probe = asyncio.create_task(play.ask())
        await play.relay.reached(2)
        play.lines()
        await other_route(play, "probing")
        go.set()
        assert "relay" == (await probe).headers["x-tf-route"]
        assert [BY_RELAY, "recovered candidate relay/relay-gpt-5"] == play.transcript()
        assert "relay" == (await play.ask()).headers["x-tf-route"]


async def test_nothing_but_a_probe(tmp_path: Path) -> None:
    """When the only candidate is being probed, nobody knows how long that takes: 503 without a Retry-After."""
    go = asyncio.Event()
    async with playing(tmp_path, Setup(fallback="none", more=NO_WAIT)) as play:
        play.relay.answers(limited(60), (go, *plain(completion())))
        await play.ask()
        play.clock.on(seconds=61)
        probe = asyncio.create_task(play.ask())
        await play.relay.reached(2)
        reply = await play.ask()
        assert (503, "all_cooling") == reply.error
        assert {} == reply.said("retry-after")
        go.set()
        assert 200 == (await probe).status


async def test_a_failed_probe_cools_for_longer(tmp_path: Path) -> None:
    """CASES 39: what is still used up is not tried every few seconds: each failed probe doubles the time."""
    async with playing(tmp_path) as play:
        cooled: list[str] = []
        for wait_s in (10, 20, 40):
            play.relay.answers(refusal(429))
            assert "official" == (await play.ask()).headers["x-tf-route"]
            cooled.extend(line for line in play.transcript() if line.startswith(("cooled", "recovered")))
            play.clock.on(seconds=wait_s + 1)
        assert [
            "cooled candidate relay/relay-gpt-5 10 s, level 1, rate_limited",
            "cooled candidate relay/relay-gpt-5 20 s, level 2, rate_limited",
            "cooled candidate relay/relay-gpt-5 40 s, level 3, rate_limited",
        ] == cooled


@pytest.mark.parametrize(("first", "second", "until"), [(60, 30, ["60 s"]), (30, 60, ["30 s", "60 s"])])
async def test_a_later_failure_only_extends(tmp_path: Path, first: int, second: int, until: list[str]) -> None:
    """CASES 39: of calls that were under way together a later failure may lengthen a cooldown, never shorten it."""
    gates = asyncio.Event(), asyncio.Event()
    async with playing(tmp_path) as play:
        play.clock.stop()
        play.relay.answers((gates[0], *limited(first)), (gates[1], *limited(second)))
        calls: list[asyncio.Task[Reply]] = []
        for n in (1, 2):
            calls.append(asyncio.create_task(play.ask()))
            await play.relay.reached(n)
        for gate, call in zip(gates, calls, strict=True):
            gate.set()
            await call
        cooled = [line for line in play.transcript() if line.startswith("cooled")]
        assert [f"cooled candidate relay/relay-gpt-5 {span}, level 1, rate_limited" for span in until] == cooled


async def test_an_older_stream_ends_no_cooldown(tmp_path: Path) -> None:
    """CASES 39: a stream that began before the quota was used up shows nothing about it."""
    go = asyncio.Event()
    async with playing(tmp_path) as play:
        play.relay.answers(stream(chunk("Hi "), go, chunk("there", finish="stop"), DONE), limited(60))
        async with play.streaming() as older:
            assert "official" == (await play.ask()).headers["x-tf-route"]
            go.set()
            assert (await older.aread()).endswith(DONE)
        await play.idle()
        assert ["candidate relay/relay-gpt-5"] == list(play.fold.health.cooldowns)
        play.lines()
        await other_route(play, "cooling")


def answered(**limits: str) -> tuple[bytes, ...]:
    """Return a good reply whose headers speak of limits: ``remaining_requests`` and so on."""
    headers = {f"x-ratelimit-{name.replace('_', '-')}": value for name, value in limits.items()}
    (answer,) = plain(completion(), headers={"content-type": "application/json", **headers})
    assert isinstance(answer, bytes)
    return (answer,)


async def test_a_limit_that_is_reached_is_not_run_into(tmp_path: Path) -> None:
    """A good reply says that it was the last until a reset: the next call goes elsewhere without an attempt."""
    async with playing(tmp_path) as play:
        play.clock.stop()
        play.relay.answers(answered(limit_requests="60", remaining_requests="0", reset_requests="1m0s"))
        assert "relay" == (await play.ask()).headers["x-tf-route"]
        assert [
            ROUTED,
            "held 1 first relay by wallet",
            BY_RELAY,
            "cooled candidate relay/relay-gpt-5 60 s, level 0, limit_reached",
        ] == play.transcript()
        play.clock.on(seconds=59)
        await other_route(play, "cooling")
        assert 1 == len(play.relay.got)
        play.clock.on(seconds=1)
        assert "relay" == (await play.ask()).headers["x-tf-route"]
        assert [
            ROUTED,
            "held 1 first relay by wallet",
            BY_RELAY,
            "recovered candidate relay/relay-gpt-5",
        ] == play.transcript()


async def test_a_limit_of_tokens_is_reached_by_a_stream(tmp_path: Path) -> None:
    """A stream's head says it as well; what is left of other limits says nothing."""
    async with playing(tmp_path) as play:
        play.clock.stop()
        headers = {
            "content-type": "text/event-stream",
            "x-ratelimit-remaining-requests": "59",
            "x-ratelimit-reset-requests": "9h",
            "anthropic-ratelimit-input-tokens-remaining": "0",
            "anthropic-ratelimit-input-tokens-reset": "9999-12-31T00:00:00Z",  # a week is believed
        }
        play.relay.answers(stream(chunk("Hi", finish="stop"), DONE, headers=headers))
        assert 200 == (await play.ask(stream=True)).status
        assert "cooled candidate relay/relay-gpt-5 604800 s, level 0, limit_reached" == play.transcript()[-1]


async def test_all_that_there_is_has_reached_its_limit(tmp_path: Path) -> None:
    """CASES 40: 503 with a Retry-After of the reset, and afterwards more than one call at a time may try."""
    go = asyncio.Event()
    async with playing(tmp_path, Setup(fallback="none", more=NO_WAIT)) as play:
        play.clock.stop()
        last = answered(limit_requests="60", remaining_requests="0", reset_requests="30s")
        play.relay.answers(last, (go, *plain(completion())), plain(completion()))
        await play.ask()
        reply = await play.ask()
        assert (503, "all_cooling", "30") == (*reply.error, reply.headers["retry-after"])
        play.clock.on(seconds=30)
        slow = asyncio.create_task(play.ask())
        await play.relay.reached(2)
        assert 200 == (await play.ask()).status
        go.set()
        assert 200 == (await slow).status
        assert {} == play.fold.health.cooldowns


async def test_an_upstream_that_is_down(tmp_path: Path) -> None:
    """DESIGN 7: after three failures to connect in a row an upstream cools, whatever the model."""
    async with playing(tmp_path, Setup(fallback="none", more=NO_WAIT)) as play:
        await play.relay.close()
        assert (502, "candidates_exhausted") == (await play.ask()).error
        play.lines()
        assert (502, "candidates_exhausted") == (await play.ask()).error
        assert [
            ROUTED,
            "held 1 first relay by wallet",
            "voided 1 not_sent connect zero",
            "cooled upstream relay 5 s, level 1, connect",
            "refused exhausted past relay/relay-gpt-5 cooling, official/gpt-5 outside_boundary; final 502",
        ] == play.transcript()
        assert (503, "all_cooling") == (await play.ask()).error


async def test_successes_forget_failures(tmp_path: Path) -> None:
    """DESIGN 7: it takes three failures in a row; a good reply between them begins the row anew."""
    async with playing(tmp_path) as play:
        for _round in range(3):
            play.relay.answers(refusal(500))
            assert "relay" == (await play.ask()).headers["x-tf-route"]
        assert {} == play.fold.health.cooldowns
        assert {} == play.fold.health.failures


async def test_an_empty_balance_waits_for_a_top_up(tmp_path: Path) -> None:
    """CASES 54: a relay that says it has no money is empty, whatever our books say, until it is topped up."""
    async with playing(tmp_path) as play:
        play.relay.answers(refusal(402))
        assert "relay/relay-gpt-5>official/gpt-5; insufficient_quota" == (await play.ask()).headers["x-tf-fell-back"]
        assert "cooled balance wallet 3600 s, level 1, insufficient_quota" in play.transcript()
        play.clock.on(minutes=59)
        await other_route(play, "balance_empty_upstream")
        await play.topup("wallet", "50 CNY")
        assert ["adjusted wallet 50 CNY topup", "recovered balance wallet"] == play.transcript()
        assert "relay" == (await play.ask()).headers["x-tf-route"]


async def test_an_empty_balance_is_probed_once_an_hour(tmp_path: Path) -> None:
    """CASES 39, 54: without a top-up one probe an hour tries; a good one ends it."""
    async with playing(tmp_path) as play:
        play.relay.answers(refusal(402), refusal(402))
        await play.ask()
        play.clock.on(minutes=61)
        play.lines()
        await play.ask()
        assert [
            ROUTED,
            "held 1 first relay by wallet",
            "voided 1 rejected insufficient_quota 402 zero",
            "cooled balance wallet 3600 s, level 2, insufficient_quota",
        ] == play.transcript()[:4]
        await other_route(play, "balance_empty_upstream")
        play.clock.on(minutes=61)
        await play.ask()
        assert [
            ROUTED,
            "held 1 first relay by wallet",
            BY_RELAY,
            "recovered balance wallet",
        ] == play.transcript()
        assert 3 == len(play.relay.got)


async def test_only_an_empty_balance_is_402(tmp_path: Path) -> None:
    """CASES 38, 54: money that is gone upstream is a matter of money: 402, no Retry-After, and the message says who."""
    async with playing(tmp_path, Setup(fallback="none")) as play:
        play.relay.answers(refusal(403, "insufficient_user_quota"))
        await play.ask()
        reply = await play.ask()
        assert (402, "insufficient_balance") == reply.error
        assert {} == reply.said("retry-after")
        assert "its upstream says that the balance is empty (insufficient_quota)" in reply.message


async def test_a_pool_runs_out_and_is_filled_again(tmp_path: Path) -> None:
    """CASES 36: when a pool runs out the order of candidates decides at the next hold; a new window brings it back."""
    by_plan = ["routed thrifty: plan/small relay/relay-gpt-5", "held 1 first plan by plan"]
    by_wallet = [
        "routed thrifty: plan/small relay/relay-gpt-5",
        "held 1 fallback relay by wallet past plan/small pool_used_up after pool_used_up",
        BY_RELAY,
    ]
    async with playing(tmp_path, Setup(more=PLANS)) as play:
        play.clock.stop()
        for _request in range(2):
            assert 200 == (await play.ask(model="thrifty")).status
            assert [*by_plan, "settled 1 ok 1 requests computed; final 200"] == play.transcript()
        await play.ask(model="thrifty")
        assert by_wallet == play.transcript()
        play.clock.on(hours=5, microseconds=-1)
        await play.ask(model="thrifty")
        assert by_wallet == play.transcript()
        play.clock.on(microseconds=1)
        await play.ask(model="thrifty")
        assert by_plan == play.transcript()[:2]
        await play.ask(model="thrifty")  # the week's third was the last
        assert by_wallet == play.transcript()
        play.clock.on(days=7)
        await play.ask(model="thrifty")
        assert by_plan == play.transcript()[:2]


async def test_a_pool_that_is_used_up_says_until_when(tmp_path: Path) -> None:
    """CASES 38: an allowance that is gone is 402; the message says when the window ends."""
    async with playing(tmp_path, Setup(more=PLANS)) as play:
        for _request in range(2):
            await play.ask(model="kept")
        reply = await play.ask(model="kept")
        assert (402, "insufficient_balance") == reply.error
        (window,) = play.fold.book.balances["plan"].windows["first-use/5h"]
        until = f"{window.end[:10]} {window.end[11:19]} UTC"
        assert f"plan/small by plan: used up until {until}: 0 requests left, 1 requests needed" in reply.message


async def test_a_request_that_was_not_billed_is_given_back(tmp_path: Path) -> None:
    """CASES 48: a refusal before inference uses up nothing of a pool; CASES 30: its hold ends."""
    async with playing(tmp_path, Setup(more=PLANS)) as play:
        play.official.answers(refusal(400, "bad"), refusal(400, "bad"), refusal(400, "bad"))
        for _request in range(3):
            assert 400 == (await play.ask(model="kept")).status
        assert 200 == (await play.ask(model="kept")).status


async def test_a_free_balance_never_runs_out(tmp_path: Path) -> None:
    """CASES 12: explicitly free is not unset: nothing is held, and the charge is a known zero."""
    async with playing(tmp_path, Setup(more=PLANS, fund={})) as play:
        for _request in range(3):
            assert 200 == (await play.ask(model="tiny")).status
            assert [
                "routed tiny: own/tiny",
                "held 1 first own by own",
                "settled 1 ok 0 free zero; final 200",
            ] == play.transcript()


async def test_a_probe_that_streams_ends_the_cooldown_by_its_beginning(tmp_path: Path) -> None:
    """Others need not wait for the last byte of a stream that may go on for an hour."""
    go = asyncio.Event()
    async with playing(tmp_path) as play:
        play.relay.answers(limited(60), stream(chunk("He"), go, chunk("llo"), chunk(finish="stop"), DONE))
        await play.ask()
        play.clock.on(seconds=61)
        play.lines()
        async with play.streaming() as probe:
            assert "relay" == probe.headers["x-tf-route"]
            assert "recovered candidate relay/relay-gpt-5" == play.transcript()[-1]
            assert "relay" == (await play.ask()).headers["x-tf-route"]
            go.set()
            await probe.aread()
        await play.idle()
        assert not play.fold.health.cooldowns
