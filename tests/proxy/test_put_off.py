"""Calls that time alone stands against: they wait here, as their SDKs would have waited for the upstream itself.

The ledger's clock is moved by hand: a wait of twenty seconds takes as long as the proxy needs to look again.
"""

import asyncio
from pathlib import Path

import pytest
from openai import AsyncOpenAI
from playbook import NO_WAIT, Playbook, Reply, Setup, playing, tell
from upstreams import DONE, Answer, End, completion, event, plain, refusal, stream, until

from tokens_forge.core.entries import Held, Voided
from tokens_forge.core.recovery import RecoverOrder

ROUTED = "routed smart: relay/relay-gpt-5 official/gpt-5"
HELD = "held 1 first relay by wallet"
PAID = "settled 2 ok 0.048 CNY computed; final 200"
ALONE = Setup(fallback="none")


def put_off(wait_s: int | str, status: int = 429) -> Answer:
    """Return a refusal that names a wait."""
    return refusal(status, headers={"retry-after": str(wait_s)})


async def ended(play: Playbook, attempts: int) -> None:
    """Return once the one open call has so many attempts behind it, or more."""
    await until(lambda: attempts <= sum(len(call.trail) for call in play.fold.calls.values()))


async def waited_through(play: Playbook, call: "asyncio.Task[Reply]", *waits_s: float) -> Reply:
    """Let each wait of a call pass, once its attempt has ended, and return its reply."""
    for n, wait_s in enumerate(waits_s, 1):
        await ended(play, n)
        play.clock.on(seconds=wait_s)
    return await call


@pytest.mark.parametrize("status", [429, 503, 529])
async def test_a_lone_upstream_that_names_a_wait(tmp_path: Path, status: int) -> None:
    """The call waits as long as it was asked to and is answered; no retry is counted, and the line says the wait."""
    async with playing(tmp_path, ALONE) as play:
        play.relay.answers(put_off(20, status))
        call = asyncio.create_task(play.ask())
        await ended(play, 1)
        assert 1 == len(play.relay.got)
        reply = await waited_through(play, call, 20)
        assert (200, "2") == (reply.status, reply.headers["x-tf-attempts"])
        held = [line.entry for line in play.lines() if isinstance(line.entry, Held)]
        assert ["first", "retry"] == [entry.role for entry in held]
        assert held[0].waited_ms == 0 < held[1].waited_ms
        assert 0 == play.fold.health.retry_budget(play.running.proxy.books.moment()).used


async def test_as_a_transcript(tmp_path: Path) -> None:
    """What the ledger says of a call that was put off: its candidate cools, is asked again, and is well."""
    async with playing(tmp_path, ALONE) as play:
        play.relay.answers(put_off(20))
        await waited_through(play, asyncio.create_task(play.ask()), 20)
        assert [
            ROUTED,
            HELD,
            "voided 1 rejected rate_limited 429 zero",
            "cooled candidate relay/relay-gpt-5 20 s, level 1, rate_limited",
            "held 2 retry relay by wallet past official/gpt-5 outside_boundary after rate_limited",
            PAID,
            "recovered candidate relay/relay-gpt-5",
        ] == play.transcript()


async def test_the_official_client_survives(tmp_path: Path) -> None:
    """What an SDK gets through without a proxy it gets through with one, in one request of its own."""
    async with playing(tmp_path, ALONE) as play:
        play.relay.answers(put_off(30))
        client = AsyncOpenAI(base_url=f"{play.url}/v1", api_key=play.tokens["aider"], max_retries=0)
        async with client:
            call = asyncio.create_task(
                client.chat.completions.create(
                    model="smart", messages=[{"role": "user", "content": "Say hello."}], max_tokens=10
                )
            )
            await ended(play, 1)
            play.clock.on(seconds=30)
            assert "Hi there" == ((await call).choices[0].message.content)


async def test_a_named_wait_is_no_attempt(tmp_path: Path) -> None:
    """Five waits in a row, where four attempts are allowed and three retries a minute."""
    async with playing(tmp_path, ALONE) as play:
        play.relay.answers(*[put_off(3)] * 5)
        call = asyncio.create_task(play.ask())
        reply = await waited_through(play, call, 3, 3, 4, 5, 9)
        assert (200, "6") == (reply.status, reply.headers["x-tf-attempts"])
        assert 0 == play.fold.health.retry_budget(play.running.proxy.books.moment()).used


async def test_one_that_always_says_now_is_not_knocked_at(tmp_path: Path) -> None:
    """A wait of nothing is at least a second from the second time on, and doubles: few fit into `[policy] wait`."""
    more = '[policy]\nwait = "700ms"\n'
    async with playing(tmp_path, Setup(fallback="none", more=more)) as play:
        play.relay.answers(*[put_off(0)] * 9)
        reply = await play.ask()
        assert (429, "rate_limited") == reply.error
        assert 2 == len(play.relay.got)


async def test_another_candidate_goes_before_a_wait(tmp_path: Path) -> None:
    """Who waits is who has nobody else: with a fallback nothing is waited for."""
    async with playing(tmp_path) as play:
        play.relay.answers(put_off(20))
        assert "official" == (await play.ask()).headers["x-tf-route"]


async def test_the_last_candidate(tmp_path: Path) -> None:
    """When all are put off, the call comes back to the one that may be asked first."""
    async with playing(tmp_path) as play:
        play.relay.answers(put_off(50))
        play.official.answers(put_off(20))
        reply = await waited_through(play, asyncio.create_task(play.ask()), 0, 20)
        assert ("official", "3") == (reply.headers["x-tf-route"], reply.headers["x-tf-attempts"])
        assert "held 3 retry official by credit past relay/relay-gpt-5 failed_in_call after rate_limited" in (
            play.transcript()
        )


async def test_a_limit_within_a_stream(tmp_path: Path) -> None:
    """An error that comes as a stream's first event names its wait in words."""
    error = event({"error": {"code": "rate_limit_exceeded", "message": "Please try again in 20s."}})
    async with playing(tmp_path, ALONE) as play:
        play.relay.answers(stream(error))
        reply = await waited_through(play, asyncio.create_task(play.ask(stream=True)), 20)
        assert (200, True) == (reply.status, reply.body.endswith(DONE))


async def test_a_wait_that_is_too_long(tmp_path: Path) -> None:
    """Beyond `[policy] wait` the client is told what the upstream said, so that its SDK may wait or give up."""
    async with playing(tmp_path, Setup(fallback="none", more='[policy]\nwait = "10s"')) as play:
        play.clock.stop()
        play.relay.answers(put_off(30))
        reply = await play.ask()
        assert (429, "rate_limited") == reply.error
        assert {"retry-after": "30"} == reply.said("retry-after", "x-should-retry")
        assert "relay/relay-gpt-5 by wallet: failed earlier in this call (rate_limited); asked to wait until" in (
            reply.message
        )


@pytest.mark.parametrize("header", ["x-stainless-read-timeout", "x-stainless-timeout"])
@pytest.mark.parametrize(("patience", "waits"), [("20", False), ("21.5", False), ("600", True), ("None", True)])
async def test_no_longer_than_its_client(tmp_path: Path, header: str, patience: str, waits: bool) -> None:
    """A client that gives up after twenty seconds is told of a wait of eleven: its SDK waits outside of those."""
    async with playing(tmp_path, ALONE) as play:
        play.relay.answers(put_off(11))
        call = asyncio.create_task(play.ask(headers={header: patience}))
        reply = await (waited_through(play, call, 11) if waits else call)
        assert (200 if waits else 429) == reply.status
        assert ({} if waits else {"retry-after": "11"}) == reply.said("retry-after", "x-should-retry")


async def test_an_overload_keeps_its_status(tmp_path: Path) -> None:
    """Claude Code knows an overload by its 529."""
    async with playing(tmp_path, Setup(fallback="none", more=NO_WAIT)) as play:
        play.relay.answers(*[refusal(529)] * 2)
        reply = await play.ask()
        assert (529, "server_error") == reply.error
        assert {} == reply.said("retry-after", "x-should-retry")


async def test_no_wait_named(tmp_path: Path) -> None:
    """A 429 that names none cools for ten seconds: the client is told so, and when it comes earlier, it waits here."""
    async with playing(tmp_path, ALONE) as play:
        play.clock.stop()
        play.relay.answers(refusal(429))
        reply = await play.ask()
        assert (429, {"retry-after": "10"}) == (reply.status, reply.said("retry-after", "x-should-retry"))
        again = asyncio.create_task(play.ask())
        await until(lambda: len(play.fold.calls) == 1)
        play.clock.on(seconds=10)
        assert 200 == (await again).status


async def test_who_waited_is_not_to_wait_again(tmp_path: Path) -> None:
    """A call that waited here in vain says so by `x-should-retry: false`: its SDK would wait as long twice more."""
    async with playing(tmp_path, Setup(fallback="none", more='[policy]\nwait = "10s"')) as play:
        play.relay.answers(put_off(9), put_off(30))
        reply = await waited_through(play, asyncio.create_task(play.ask()), 9)
        assert (429, {"x-should-retry": "false"}) == (reply.status, reply.said("x-should-retry"))
        held = [line.entry for line in play.lines() if isinstance(line.entry, Held)]
        assert held[0].waited_ms == 0 < held[1].waited_ms


async def test_after_what_may_have_been_billed(tmp_path: Path) -> None:
    """Then it is for a person to ask again: 502, not to be retried by an SDK."""
    setup = Setup(relay='timeouts.whole = "100ms"', more=NO_WAIT)
    async with playing(tmp_path, setup) as play:
        play.relay.answers((End.NEVER,))
        play.official.answers(put_off(30))
        reply = await play.ask()
        assert (502, "candidates_exhausted") == reply.error
        assert {"x-should-retry": "false"} == reply.said("retry-after", "x-should-retry")


async def test_an_upstream_that_nobody_reaches(tmp_path: Path) -> None:
    """Nothing was sent, so nothing was billed: an SDK may come again, as it would to the upstream itself."""
    async with playing(tmp_path, Setup(fallback="none", more=NO_WAIT)) as play:
        await play.relay.close()
        reply = await play.ask()
        assert (502, {}) == (reply.status, reply.said("x-should-retry"))


async def test_calls_that_meet_a_cooldown_are_let_go_behind_its_probe(tmp_path: Path) -> None:
    """One of them tries; the others go once it was answered, and not before."""
    go = asyncio.Event()
    async with playing(tmp_path, ALONE) as play:
        play.relay.answers(put_off(20), (go, *plain(completion())))
        first = asyncio.create_task(play.ask())
        await ended(play, 1)
        others = [asyncio.create_task(play.ask()) for _ in range(4)]
        await until(lambda: len(play.fold.calls) == 5)
        play.clock.on(seconds=20)
        await play.relay.reached(2)
        assert 1 == sum(len(call.holds) for call in play.fold.calls.values())
        go.set()
        assert [200] * 5 == [(await call).status for call in (first, *others)]
        lines = [tell(line) for line in play.lines() if "held" in tell(line)]
        assert 6 == len(lines)


async def test_a_probe_that_fails_keeps_the_others_waiting(tmp_path: Path) -> None:
    """They do not run into the same wall one after another, and give up by their own time."""
    more = '[policy]\nwait = "1s"\n'
    async with playing(tmp_path, Setup(fallback="none", more=more)) as play:
        play.relay.answers(put_off(20), put_off(90))
        assert 429 == (await play.ask()).status
        play.clock.on(seconds=19.5)
        calls = [asyncio.create_task(play.ask()) for _ in range(3)]
        replies = [await call for call in calls]
        assert [(429, "rate_limited"), (503, "all_cooling"), (503, "all_cooling")] == sorted(
            reply.error for reply in replies
        )
        assert ["false"] * 3 == [reply.headers["x-should-retry"] for reply in replies]
        assert 2 == len(play.relay.got)


async def test_a_recovery_by_hand_ends_a_wait(tmp_path: Path) -> None:
    """`tf routes recover` lets the waiting go on at once."""
    async with playing(tmp_path, ALONE) as play:
        play.relay.answers(refusal(429))
        await play.ask()
        call = asyncio.create_task(play.ask())
        await until(lambda: len(play.fold.calls) == 1)
        assert 200 == (await play.control("POST", "/recover", RecoverOrder(name="relay"))).status
        assert 200 == (await call).status


async def test_a_client_that_leaves_a_wait(tmp_path: Path) -> None:
    """Nothing more is asked for it, and its call is closed."""
    async with playing(tmp_path, ALONE) as play:
        play.relay.answers(put_off(20))
        call = asyncio.create_task(play.ask())
        await ended(play, 1)
        call.cancel()
        await play.idle()
        assert "refused client_left; final 0" == play.transcript()[-1]


async def test_the_deadline_of_a_call_ends_its_wait(tmp_path: Path) -> None:
    """504, as for any other time that a call takes."""
    async with playing(tmp_path, Setup(fallback="none", more='[policy]\ndeadline = "600ms"')) as play:
        play.relay.answers(put_off(20))
        assert (504, "deadline") == (await play.ask()).error


async def test_a_client_of_messages(tmp_path: Path) -> None:
    """In Anthropic's dialect an overload is told as Anthropic tells it."""
    async with playing(tmp_path, Setup(fallback="none", more=NO_WAIT)) as play:
        play.relay.answers(*[refusal(529)] * 2)
        body = b'{"model":"smart","max_tokens":10,"messages":[{"role":"user","content":"Hi"}]}'
        reply = await play.send("POST", "/v1/messages", body)
        assert (529, "overloaded_error") == (reply.status, reply.json["error"]["type"])


class TestTurns:
    """`[upstream] concurrency`: what an upstream takes at a time."""

    async def test_a_call_waits_for_its_turn(self, tmp_path: Path) -> None:
        """It is not sent before another has ended; its hold says how long that took."""
        gates = asyncio.Event(), asyncio.Event()
        async with playing(tmp_path, Setup(relay="concurrency = 2")) as play:
            play.relay.answers(*[(gate, *plain(completion())) for gate in gates])
            calls = [asyncio.create_task(play.ask()) for _ in range(2)]
            await play.relay.reached(2)
            third = asyncio.create_task(play.ask())
            await until(lambda: len(play.fold.calls) == 3)
            gates[0].set()
            assert "relay" == (await third).headers["x-tf-route"]
            gates[1].set()
            await asyncio.gather(*calls)
            assert [True] == [line.entry.waited_ms > 0 for line in play.lines() if isinstance(line.entry, Held)][2:]

    async def test_then_it_falls_back(self, tmp_path: Path) -> None:
        """After `[policy] wait` another candidate answers, and the line says that the first was busy."""
        go = asyncio.Event()
        setup = Setup(relay="concurrency = 1", more='[policy]\nwait = "300ms"')
        async with playing(tmp_path, setup) as play:
            play.relay.answers((go, *plain(completion())))
            first = asyncio.create_task(play.ask())
            await play.relay.reached(1)
            play.lines()
            reply = await play.ask()
            assert "relay/relay-gpt-5>official/gpt-5; busy" == reply.headers["x-tf-fell-back"]
            assert "held 1 fallback official by credit past relay/relay-gpt-5 busy after busy" == play.transcript()[1]
            go.set()
            assert 200 == (await first).status

    async def test_nobody_else(self, tmp_path: Path) -> None:
        """503 `busy` with the numbers, which an SDK may send again."""
        go = asyncio.Event()
        setup = Setup(fallback="none", relay="concurrency = 1", more=NO_WAIT)
        async with playing(tmp_path, setup) as play:
            play.relay.answers((go, *plain(completion())))
            first = asyncio.create_task(play.ask())
            await play.relay.reached(1)
            reply = await play.ask()
            assert (503, "busy") == reply.error
            assert {} == reply.said("x-should-retry")
            assert "its upstream is busy: 1 of 1 attempts are under way" in reply.message
            go.set()
            assert 200 == (await first).status

    async def test_every_call_has_its_turn(self, tmp_path: Path) -> None:
        """Forty calls at once, three at a time: no more are ever under way, and all are answered."""
        setup = Setup(fallback="none", relay="concurrency = 3")
        async with playing(tmp_path, setup) as play:
            replies = await asyncio.gather(*[play.ask() for _ in range(40)])
            assert [200] * 40 == [reply.status for reply in replies]
            under_way = most = 0
            for line in play.lines():
                under_way += {"held": 1, "settled": -1}.get(tell(line).partition(" ")[0], 0)
                most = max(most, under_way)
            assert 3 == most


def for_good(status: int, **headers: str) -> Answer:
    """Return a refusal of an upstream that says itself that to come again does not help."""
    return refusal(status, headers={"X-Should-Retry": "False", **headers})


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (for_good(500), "error server_error 500 assumed_zero"),
        (for_good(429, **{"retry-after": "1"}), "rejected rate_limited 429 zero"),
        (for_good(503, **{"retry-after": "20"}), "error server_error 503 assumed_zero"),
        (for_good(408), "error timeout_upstream 408 assumed_zero"),
    ],
)
async def test_an_upstream_that_says_not_to_come_again(tmp_path: Path, answer: Answer, word: str) -> None:
    """`x-should-retry: false` of an upstream is believed: no retry, no wait; the client's SDK is told the same."""
    async with playing(tmp_path, ALONE) as play:
        play.relay.answers(answer)
        reply = await play.ask()
        assert ("false", 1) == (reply.headers["x-should-retry"], len(play.relay.got))
        assert reply.status >= 400
        voided = play.lines()[2]
        assert f"voided 1 {word}" == tell(voided)
        assert isinstance(voided.entry, Voided)
        assert voided.entry.no_retry


async def test_another_may_still_answer(tmp_path: Path) -> None:
    """It is that upstream's word, for its own candidates: a fallback is no retry."""
    async with playing(tmp_path) as play:
        play.relay.answers(for_good(503, **{"retry-after": "1"}))
        reply = await play.ask()
        assert (200, "official", 1) == (reply.status, reply.headers["x-tf-route"], len(play.relay.got))
        assert "x-should-retry" not in reply.headers


async def test_a_request_that_is_mended_is_another(tmp_path: Path) -> None:
    """What the upstream refused for what tf put into it is sent again without that, whatever it says."""
    async with playing(tmp_path, ALONE) as play:
        headers = {"x-should-retry": "false"}
        play.relay.answers(refusal(400, message="Unrecognized request argument: stream_options", headers=headers))
        assert 200 == (await play.ask(stream=True)).status
        assert 2 == len(play.relay.got)
