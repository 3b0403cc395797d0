"""The proxy as a client of `llmock`, an upstream that nobody here wrote, which judges how its faults are met.

Each test ends with the verdict of `llmock`: nothing, no warning either. It counts a stream that was cut as accepted
and a failure as given up unless the same request comes again; so a client here asks again where it was told of a
failure, and where another upstream has answered. Its Retry-After is always in seconds (dates: `test_aimock.py`).
"""

import asyncio
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import httpx
import openai
import pytest
from components import Llmock, llmock_serving
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam
from playbook import NO_TLS, Playbook, Reply, Setup, playing
from upstreams import DONE, HELLO, completion, until

from tokens_forge.proxy import watch as watch_file

ROUTED = "routed smart: relay/relay-gpt-5 official/gpt-5"
HELD = "held 1 first relay by wallet"
ANSWERED = "settled {} ok 0.021 CNY computed; final 200"
"""`llmock` counts 1 token for `Hello` and 2 for `Hi there`."""
ANSWERED_BY_OFFICIAL = "settled {} ok 0.096 USD computed; final 200"
RETRIED = "held 2 retry relay by wallet after {}"
FELL_BACK = "held 2 fallback official by credit past relay/relay-gpt-5 failed_in_call after {}"
UNANSWERED = "settled 1 unanswered {} 0.009 CNY estimated"

ASKED: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello"}]
HI_THERE: dict[str, object] = {"type": "reply", "text": "Hi there", "times": None}

both = pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often at what is late; the waits before a retry are the real ones, as they are judged."""
    monkeypatch.setattr(watch_file, "SWEEP_S", 0.02)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    # Streams have a pace, or one would be sent to its end before `llmock` could see that nobody reads on: on a busy
    # machine that took more than 60 ms.
    with llmock_serving(tmp_path_factory.mktemp("llmock"), "--stream-chunk-delay-ms", "60") as url:
        yield url


@pytest.fixture
async def llmock(served: str) -> AsyncGenerator[Llmock]:
    """Give a clean `llmock` that answers `Hi there`; at the end it must have nothing against the proxy."""
    async with httpx.AsyncClient(trust_env=False, timeout=20, verify=NO_TLS) as http:
        llmock = Llmock(url=served, http=http)
        await llmock.forget()
        await llmock.behaves(HI_THERE)
        yield llmock
        assert [] == await llmock.findings()


def before(llmock: Llmock, relay: str = "", more: str = "") -> Setup:
    """Return the setup of a proxy whose relay is `llmock`."""
    return Setup(relay_url=f"{llmock.url}/v1", relay_count=llmock.count, relay=relay, more=more)


def answered_by_official(reply: Reply, cause: str, *, streamed: bool) -> None:
    """Hold a reply to the official route's answer, whole, with the cause in its head."""
    assert (200, b"".join((*HELLO, DONE)) if streamed else completion()) == (reply.status, reply.body)
    assert f"relay/relay-gpt-5>official/gpt-5; {cause}" == reply.headers["x-tf-fell-back"]


async def listen(got: openai.AsyncStream[ChatCompletionChunk], said: list[str]) -> None:
    """Append what a stream says to `said`, until it ends or breaks."""
    async for chunk in got:
        said += [chunk.choices[0].delta.content or ""]


async def answered_by_relay(play: Playbook, *, streamed: bool) -> None:
    """Ask again and hold the ledger to the relay's whole answer."""
    reply = await play.ask(stream=streamed)
    assert (200, "relay") == (reply.status, reply.headers["x-tf-route"])
    if streamed:
        assert reply.body.endswith(DONE)
    assert [ROUTED, HELD, ANSWERED.format(1)] == play.transcript()


async def test_answers(tmp_path: Path, llmock: Llmock) -> None:
    """The official client gets whole answers through the proxy; what they report is what is charged."""
    async with playing(tmp_path, before(llmock)) as play, play.openai() as client:
        whole = await client.chat.completions.create(model="smart", messages=ASKED)
        assert ("Hi there", 3) == (whole.choices[0].message.content, whole.usage.total_tokens if whole.usage else 0)
        chunks = [it async for it in await client.chat.completions.create(model="smart", messages=ASKED, stream=True)]
        assert "Hi there" == "".join(it.choices[0].delta.content or "" for it in chunks)
        await play.idle()
        assert [ROUTED, HELD, ANSWERED.format(1)] * 2 == play.transcript()
        assert ["relay-gpt-5"] * 2 == [got["model"] for got in await llmock.got()]


FALLS_BACK: dict[str, tuple[dict[str, object], str, tuple[str, ...]]] = {
    "401": ({"status": 401}, "unauthorized", ("cooled upstream relay 900 s, level 1, unauthorized",)),
    "402": ({"status": 402}, "insufficient_quota", ("cooled balance wallet 3600 s, level 1, insufficient_quota",)),
    "403": ({"status": 403}, "unauthorized", ("cooled upstream relay 900 s, level 1, unauthorized",)),
    "404": ({"status": 404}, "model_not_found", ()),
    "context": ({"status": 400, "code": "context_length_exceeded"}, "context_too_long", ()),
}


@both
@pytest.mark.parametrize("name", FALLS_BACK)
async def test_what_no_retry_mends(tmp_path: Path, llmock: Llmock, name: str, *, streamed: bool) -> None:
    """Rows empty, 401 and 403, 404 and context: not billed, not asked again, another candidate answers."""
    fail, error, cooled = FALLS_BACK[name]
    async with playing(tmp_path, before(llmock)) as play:
        await llmock.behaves({"type": "fail", **fail})
        answered_by_official(await play.ask(stream=streamed), error, streamed=streamed)
        voided = f"voided 1 rejected {error} {fail['status']} zero"
        told = [ROUTED, HELD, voided, *cooled, FELL_BACK.format(error), ANSWERED_BY_OFFICIAL.format(2)]
        assert told == play.transcript()


@both
@pytest.mark.parametrize("status", [400, 413, 422])
async def test_what_the_client_must_mend(tmp_path: Path, llmock: Llmock, status: int, *, streamed: bool) -> None:
    """Row other 4xx: returned as it is after one attempt; the official client neither asks again."""
    async with playing(tmp_path, before(llmock)) as play, play.openai() as client:
        await llmock.behaves({"type": "fail", "status": status, "message": "not so"})
        with pytest.raises(openai.APIStatusError, match="not so") as caught:
            await client.chat.completions.create(model="smart", messages=ASKED, stream=streamed)
        assert status == caught.value.status_code
        assert [ROUTED, HELD, f"voided 1 rejected bad_request {status} zero; final {status}"] == play.transcript()


@both
async def test_a_short_wait(tmp_path: Path, llmock: Llmock, *, streamed: bool) -> None:
    """Row 429 with a wait of 2 s or less: waited for, as `llmock` measures it, and asked again; nothing cools."""
    async with playing(tmp_path, before(llmock)) as play:
        await llmock.behaves({"type": "fail", "status": 429, "retry_after": 0.4})
        reply = await play.ask(stream=streamed)
        assert (200, "2") == (reply.status, reply.headers["x-tf-attempts"])
        assert [
            ROUTED,
            HELD,
            "voided 1 rejected rate_limited 429 zero",
            RETRIED.format("rate_limited"),
            ANSWERED.format(2),
        ] == play.transcript()
        first, second = await llmock.got()
        assert second["started_at"] - first["ended_at"] >= 0.4


@both
async def test_a_long_wait(tmp_path: Path, llmock: Llmock, *, streamed: bool) -> None:
    """Row 429 with a longer wait: another answers until it is over, and the relay is left alone as it asked."""
    async with playing(tmp_path, before(llmock)) as play:
        await llmock.behaves({"type": "fail", "status": 429, "retry_after": 2.1})
        answered_by_official(await play.ask(stream=streamed), "rate_limited", streamed=streamed)
        answered_by_official(await play.ask(stream=streamed), "cooling", streamed=streamed)
        assert [
            ROUTED,
            HELD,
            "voided 1 rejected rate_limited 429 zero",
            "cooled candidate relay/relay-gpt-5 2 s, level 1, rate_limited",
            FELL_BACK.format("rate_limited"),
            ANSWERED_BY_OFFICIAL.format(2),
            ROUTED,
            "held 1 fallback official by credit past relay/relay-gpt-5 cooling after cooling",
            ANSWERED_BY_OFFICIAL.format(1),
        ] == play.transcript()
        assert 1 == await llmock.count()
        over = play.fold.health.cooldowns["candidate relay/relay-gpt-5"].until
        await until(lambda: play.running.proxy.books.moment() >= over)
        assert 200 == (await play.ask(stream=streamed)).status
        # A stream shows by its beginning that it was taken, another reply by its end.
        ended = [ANSWERED.format(1), "recovered candidate relay/relay-gpt-5"]
        assert [ROUTED, HELD, *(reversed(ended) if streamed else ended)] == play.transcript()


@both
@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 529])
async def test_a_failure_that_passes(tmp_path: Path, llmock: Llmock, status: int, *, streamed: bool) -> None:
    """Row 408, 5xx: taken as not billed, and the same candidate once more after a moment."""
    async with playing(tmp_path, before(llmock)) as play:
        await llmock.behaves({"type": "fail", "status": status, "retry_after": 0.2})
        assert 200 == (await play.ask(stream=streamed)).status
        error = "timeout_upstream" if status == 408 else "server_error"
        assert [
            ROUTED,
            HELD,
            f"voided 1 error {error} {status} assumed_zero",
            RETRIED.format(error),
            ANSWERED.format(2),
        ] == play.transcript()


@both
async def test_an_outage(tmp_path: Path, llmock: Llmock, *, streamed: bool) -> None:
    """The same for a failure that stays: two attempts on the relay, then another candidate."""
    async with playing(tmp_path, before(llmock)) as play:
        await llmock.behaves({"type": "fail", "status": 503, "retry_after": 0.1, "times": None})
        answered_by_official(await play.ask(stream=streamed), "server_error", streamed=streamed)
        assert [
            ROUTED,
            HELD,
            "voided 1 error server_error 503 assumed_zero",
            RETRIED.format("server_error"),
            "voided 2 error server_error 503 assumed_zero",
            "held 3 fallback official by credit past relay/relay-gpt-5 attempts_used after server_error",
            ANSWERED_BY_OFFICIAL.format(3),
        ] == play.transcript()


BREAKS = {
    "disconnect": "stream_cut",
    "truncate": "stream_cut",
    "malformed": "stream_malformed",
    "stall": "idle_timeout",
}


@pytest.mark.parametrize("kind", BREAKS)
async def test_a_stream_that_breaks(tmp_path: Path, llmock: Llmock, kind: str) -> None:
    """Row broken stream: the official client gets an error and no silent end, and what came is settled."""
    error = BREAKS[kind]
    async with playing(tmp_path, before(llmock, 'timeouts = { idle = "1s" }')) as play, play.openai() as client:
        await llmock.behaves({"type": "stream_fault", "kind": kind, "after_chunks": 2})
        got = await client.chat.completions.create(model="smart", messages=ASKED, max_tokens=10, stream=True)
        said: list[str] = []
        with pytest.raises(openai.APIError, match=f"ended early \\({error}\\)"):
            await listen(got, said)
        assert ["", "Hi "] == said
        # 9 tokens of input by its bytes, one of output by `Hi `.
        assert [ROUTED, HELD, f"settled 1 broken {error} 0.019 CNY estimated; final 200"] == play.transcript()
        assert [] == play.official.got
        await answered_by_relay(play, streamed=True)


BREAKS_AT_ONCE = {"disconnect": "reset", "truncate": "bad_reply", "malformed": "bad_reply"}


@pytest.mark.parametrize("kind", BREAKS_AT_ONCE)
async def test_a_stream_that_breaks_before_it_began(tmp_path: Path, llmock: Llmock, kind: str) -> None:
    """Row sent, no answer: before the first data event another candidate may answer, at the price of the input."""
    error = BREAKS_AT_ONCE[kind]
    async with playing(tmp_path, before(llmock)) as play:
        await llmock.behaves({"type": "stream_fault", "kind": kind, "after_chunks": 0})
        answered_by_official(await play.ask(stream=True), error, streamed=True)
        told = [ROUTED, HELD, UNANSWERED.format(error), FELL_BACK.format(error), ANSWERED_BY_OFFICIAL.format(2)]
        assert told == play.transcript()
        await answered_by_relay(play, streamed=True)


LATE: dict[str, tuple[dict[str, object], bool]] = {
    "the head": ({"type": "delay"}, False),
    "a stream's head": ({"type": "delay"}, True),
    "the first token": ({"type": "slow_first_token"}, True),
}


@pytest.mark.parametrize("name", LATE)
async def test_slow_and_in_time(tmp_path: Path, llmock: Llmock, name: str) -> None:
    """Latency before the first byte is waited for, and told."""
    behavior, streamed = LATE[name]
    async with playing(tmp_path, before(llmock)) as play:
        await llmock.behaves({**behavior, "seconds": 0.5})
        assert 200 == (await play.ask(stream=streamed)).status
        assert (await play.settled()).first_byte_ms >= 500
        assert [ROUTED, HELD, ANSWERED.format(1)] == play.transcript()


@pytest.mark.parametrize("name", LATE)
async def test_too_slow(tmp_path: Path, llmock: Llmock, name: str) -> None:
    """Row sent, no answer: beyond the first-byte timeout another candidate answers, without a retry."""
    behavior, streamed = LATE[name]
    times = 'timeouts = { first_byte = "500ms", whole = "500ms" }'
    async with playing(tmp_path, before(llmock, times)) as play:
        await llmock.behaves({**behavior, "seconds": 1.5})
        answered_by_official(await play.ask(stream=streamed), "first_byte_timeout", streamed=streamed)
        assert [
            ROUTED,
            HELD,
            UNANSWERED.format("first_byte_timeout"),
            FELL_BACK.format("first_byte_timeout"),
            ANSWERED_BY_OFFICIAL.format(2),
        ] == play.transcript()


async def test_a_client_that_leaves(tmp_path: Path, llmock: Llmock) -> None:
    """A client that hangs up in a stalled stream ends the upstream's work too: `llmock` sees it go."""
    async with playing(tmp_path, before(llmock)) as play:
        await llmock.behaves({"type": "stream_fault", "kind": "stall", "after_chunks": 2})
        async with play.streaming() as got:
            assert 200 == got.status_code
            await anext(got.aiter_raw())
        await play.idle()
        assert [ROUTED, HELD] == (told := play.transcript())[:2]
        assert "settled 1 disconnected client_left" in told[2]
        assert [False] == [it["completed"] for it in await llmock.got()]


async def test_a_quota(tmp_path: Path) -> None:
    """A real quota: the reply that takes the last of it says so, and nobody runs into it (half a minute or more)."""
    with llmock_serving(tmp_path, "--rpm", "2") as url:
        async with httpx.AsyncClient(trust_env=False, timeout=20, verify=NO_TLS) as http:
            llmock = Llmock(url=url, http=http)
            await llmock.behaves(HI_THERE)
            async with playing(tmp_path, before(llmock)) as play:
                left: list[str] = []
                for _ in range(2):
                    await play.ask()
                    (of_requests,) = (it for it in (await play.settled()).limits if it.window == "requests")
                    assert "2" == of_requests.limit
                    left.append(of_requests.remaining)
                assert ["1", "0"] == left
                cooled = play.transcript()[-1].split()
                assert ["cooled", "candidate", "relay/relay-gpt-5", "limit_reached"] == [*cooled[:3], cooled[-1]]
                assert 20 <= int(cooled[3]) <= 60
                answered_by_official(await play.ask(), "cooling", streamed=False)
                assert 2 == await llmock.count()


MANY = 80


async def test_everything_at_random(tmp_path: Path) -> None:
    """Faults of every kind at once, in parallel: what the audit of the playbook holds a ledger to is true of it too.

    These clients do not ask again, so only what the proxy alone decides is judged: how it waits and how often it asks.
    """
    options = [f"--error-rate={status}=0.06" for status in (408, 429, 500, 503)]
    options += [f"--stream-fault={kind}=0.1" for kind in BREAKS]
    with llmock_serving(tmp_path, *options, "--stream-stall-seconds", "30") as url:
        async with httpx.AsyncClient(trust_env=False, timeout=20, verify=NO_TLS) as http:
            llmock = Llmock(url=url, http=http)
            async with playing(tmp_path, before(llmock, 'timeouts = { idle = "1s" }')) as play:
                # Each asks for something of its own, or `llmock` would take one for another's retry.
                words = ([{"role": "user", "content": f"Hello {count}"}] for count in range(MANY))
                asking = (play.ask(messages=said, stream=count % 2 == 0) for count, said in enumerate(words))
                replies = await asyncio.gather(*asking)
                assert {200} == {reply.status for reply in replies}
                assert all(reply.body.endswith(DONE) or b'"error"' in reply.body for reply in replies[::2])
                assert MANY == sum("; final 200" in line for line in play.transcript())
            told = await llmock.findings()
            assert [] == [it for it in told if it.startswith("error") and "truncated_stream_accepted" not in it]
