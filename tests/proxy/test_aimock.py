"""The proxy before `aimock`, an upstream that nobody here wrote and that lets in only who has the relay's key.

It scripts Retry-After as seconds and as a date, errors, replies that are no JSON, connections that are torn down,
streams that are cut, and latency. What it journals is what was on the wire (`_audit` of the playbook).
"""

from collections.abc import AsyncGenerator, Generator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from components import Aimock, aimock_serving
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam
from playbook import NO_TLS, SECRETS, Reply, Setup, playing
from upstreams import DONE, HELLO, TOKENS, completion

from tokens_forge.core.entries import Settled

pytestmark = pytest.mark.usefixtures("impatient")

ROUTED = "routed smart: relay/relay-gpt-5 official/gpt-5"
HELD = "held 1 first relay by wallet"
ANSWERED = "settled {} ok 0.048 CNY computed; final 200"
ANSWERED_BY_OFFICIAL = "settled {} ok 0.096 USD computed; final 200"
FELL_BACK = "held 2 fallback official by credit past relay/relay-gpt-5 failed_in_call after {}"
RETRIED = "held 2 retry relay by wallet after {}"
UNANSWERED = "settled 1 unanswered {} 0.009 CNY estimated"

ASKED: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello"}]
HI_THERE: dict[str, Any] = {"response": {"content": "Hi there", "usage": TOKENS}, "chunkSize": 3}

both = pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    with aimock_serving(tmp_path_factory.mktemp("aimock"), keys=(SECRETS["RELAY_KEY"],)) as url:
        yield url


@pytest.fixture
async def aimock(served: str) -> AsyncGenerator[Aimock]:
    """Give a clean `aimock` that answers `Hi there`."""
    async with httpx.AsyncClient(trust_env=False, timeout=20, verify=NO_TLS) as http:
        aimock = Aimock(url=served, http=http)
        await aimock.forget()
        await aimock.answers(HI_THERE)
        yield aimock


def before(aimock: Aimock, relay: str = "", more: str = "") -> Setup:
    """Return the setup of a proxy whose relay is `aimock`."""
    return Setup(relay_url=f"{aimock.url}/v1", relay_count=aimock.count, relay=relay, more=more)


def refusing(status: int, code: str = "", **more: object) -> dict[str, Any]:
    """Return a fixture that answers with an error."""
    return {"response": {"error": {"message": "not now", "type": "error", "code": code}, "status": status, **more}}


def answered_by_official(reply: Reply, cause: str, *, streamed: bool) -> None:
    """Hold a reply to the official route's answer, whole, with the cause in its head."""
    assert (200, b"".join((*HELLO, DONE)) if streamed else completion()) == (reply.status, reply.body)
    assert f"relay/relay-gpt-5>official/gpt-5; {cause}" == reply.headers["x-tf-fell-back"]


async def listen(got: openai.AsyncStream[ChatCompletionChunk], said: list[str]) -> None:
    """Append what a stream says to `said`, until it ends or breaks."""
    async for chunk in got:
        said += [chunk.choices[0].delta.content or ""]


async def test_answers(tmp_path: Path, aimock: Aimock) -> None:
    """The official client gets whole answers through the proxy; what they report is what is charged."""
    async with playing(tmp_path, before(aimock)) as play, play.openai() as client:
        whole = await client.chat.completions.create(model="smart", messages=ASKED)
        assert ("Hi there", "relay-gpt-5") == (whole.choices[0].message.content, whole.model)
        chunks = [it async for it in await client.chat.completions.create(model="smart", messages=ASKED, stream=True)]
        assert "Hi there" == "".join(it.choices[0].delta.content or "" for it in chunks)
        await play.idle()
        assert [ROUTED, HELD, ANSWERED.format(1)] * 2 == play.transcript()
        ours = [await client.chat.completions.create(model="smart", messages=ASKED) for _ in range(2)]
        assert [it.id for it in ours] == [
            line.entry.upstream_id for line in play.lines() if isinstance(line.entry, Settled)
        ]


async def test_the_key(tmp_path: Path, aimock: Aimock) -> None:
    """Row 401: an upstream that does not know our key says so itself, before it counts a request."""

    async def turned_away() -> int:
        return 1 + await aimock.count()

    setup = before(aimock)
    other = setup.config.replace("env:RELAY_KEY", "env:OFFICIAL_KEY")
    async with playing(tmp_path, replace(setup, config=other, relay_count=turned_away)) as play:
        answered_by_official(await play.ask(), "unauthorized", streamed=False)
        assert [
            ROUTED,
            HELD,
            "voided 1 rejected unauthorized 401 zero",
            "cooled upstream relay 900 s, level 1, unauthorized",
            FELL_BACK.format("unauthorized"),
            ANSWERED_BY_OFFICIAL.format(2),
        ] == play.transcript()


async def test_tools(tmp_path: Path, aimock: Aimock) -> None:
    """Tool calls pass, whole and in pieces; what is not told of its usage is estimated, and said to be."""
    weather = {"response": {"toolCalls": [{"name": "weather", "arguments": {"city": "Ulm"}}], "usage": TOKENS}}
    async with playing(tmp_path, before(aimock, 'stream_usage = "never"')) as play, play.openai() as client:
        await aimock.answers(weather)
        whole = await client.chat.completions.create(model="smart", messages=ASKED)
        calls = whole.choices[0].message.tool_calls or []
        assert ["weather"] == [it.function.name for it in calls if it.type == "function"]
        pieces = [it async for it in await client.chat.completions.create(model="smart", messages=ASKED, stream=True)]
        said = [part for it in pieces for part in it.choices[0].delta.tool_calls or ()]
        assert '{"city":"Ulm"}' == "".join(it.function.arguments or "" for it in said if it.function)
        entry = await play.settled()
        assert ("tool_calls", "estimated", ("no_usage",)) == (entry.finish, entry.usage_source, entry.flags)


ERRORS = 'errors = [{ status = 403, code = "insufficient_user_quota", means = "empty" }]'
EMPTY = "cooled balance wallet 3600 s, level 1, insufficient_quota"

FALLS_BACK: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "seconds": (
        refusing(429, retryAfter=30),
        ("voided 1 rejected rate_limited 429 zero", "cooled candidate relay/relay-gpt-5 30 s, level 1, rate_limited"),
    ),
    "quota": (
        refusing(429, "insufficient_quota"),
        ("voided 1 rejected insufficient_quota 429 zero", EMPTY),
    ),
    "errors": (
        refusing(403, "insufficient_user_quota"),
        ("voided 1 rejected insufficient_quota 403 zero", EMPTY),
    ),
    "model": (refusing(404, "model_not_found"), ("voided 1 rejected model_not_found 404 zero",)),
    "context": (
        refusing(400, "context_length_exceeded"),
        ("voided 1 rejected context_too_long 400 zero",),
    ),
}


@both
@pytest.mark.parametrize("name", FALLS_BACK)
async def test_what_no_retry_mends(tmp_path: Path, aimock: Aimock, name: str, *, streamed: bool) -> None:
    """Rows 429 with a long wait, empty, 404 and context: not billed, not asked again, another candidate answers."""
    fixture, lines = FALLS_BACK[name]
    async with playing(tmp_path, before(aimock, ERRORS)) as play:
        await aimock.answers(fixture)
        cause = lines[0].split()[3]
        answered_by_official(await play.ask(stream=streamed), cause, streamed=streamed)
        assert [ROUTED, HELD, *lines, FELL_BACK.format(cause), ANSWERED_BY_OFFICIAL.format(2)] == play.transcript()


@both
async def test_a_date_to_wait_for(tmp_path: Path, aimock: Aimock, *, streamed: bool) -> None:
    """Row 429: Retry-After as a date; the cooldown ends then."""
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    async with playing(tmp_path, before(aimock)) as play:
        await aimock.answers(refusing(429, retryAfter=date))
        answered_by_official(await play.ask(stream=streamed), "rate_limited", streamed=streamed)
        _, _, limited, cooled, *_ = play.transcript()
        assert "voided 1 rejected rate_limited 429 zero" == limited
        assert 50 <= int(cooled.split()[3]) <= 60  # a date has no fractions, and some seconds may have passed


@both
async def test_a_date_in_the_past(tmp_path: Path, aimock: Aimock, *, streamed: bool) -> None:
    """A date that is over is a wait of nothing: the same candidate is asked again."""
    date = format_datetime(datetime.now(UTC) - timedelta(seconds=60), usegmt=True)
    async with playing(tmp_path, before(aimock)) as play:
        await aimock.answers(refusing(429, retryAfter=date), HI_THERE)
        assert 200 == (await play.ask(stream=streamed)).status
        assert [
            ROUTED,
            HELD,
            "voided 1 rejected rate_limited 429 zero",
            RETRIED.format("rate_limited"),
            ANSWERED.format(2),
        ] == play.transcript()


@both
@pytest.mark.parametrize("status", [408, 500, 503])
async def test_a_failure_that_passes(tmp_path: Path, aimock: Aimock, status: int, *, streamed: bool) -> None:
    """Row 408, 5xx: taken as not billed, and the same candidate once more."""
    async with playing(tmp_path, before(aimock)) as play:
        await aimock.answers(refusing(status), HI_THERE)
        assert 200 == (await play.ask(stream=streamed)).status
        error = "timeout_upstream" if status == 408 else "server_error"
        voided = f"voided 1 error {error} {status} assumed_zero"
        assert [ROUTED, HELD, voided, RETRIED.format(error), ANSWERED.format(2)] == play.transcript()


STAYS: dict[str, str] = {
    "dropRate": "error server_error 500 assumed_zero",
    "rateLimitRate": "rejected rate_limited 429 zero",
}


@both
@pytest.mark.parametrize("chaos", STAYS)
async def test_a_failure_that_stays(tmp_path: Path, aimock: Aimock, chaos: str, *, streamed: bool) -> None:
    """Rows 5xx and 429 with a short wait: two attempts, then another candidate."""
    voided = STAYS[chaos]
    error = voided.split()[1]
    async with playing(tmp_path, before(aimock)) as play:
        await aimock.chaos(**{chaos: 1.0})
        answered_by_official(await play.ask(stream=streamed), error, streamed=streamed)
        assert [
            ROUTED,
            HELD,
            f"voided 1 {voided}",
            RETRIED.format(error),
            f"voided 2 {voided}",
            f"held 3 fallback official by credit past relay/relay-gpt-5 attempts_used after {error}",
            ANSWERED_BY_OFFICIAL.format(3),
        ] == play.transcript()


UNREAD = {"malformedRate": "bad_reply", "disconnectRate": "reset"}


@both
@pytest.mark.parametrize("chaos", UNREAD)
async def test_no_answer(tmp_path: Path, aimock: Aimock, chaos: str, *, streamed: bool) -> None:
    """Row sent, no answer: no JSON, or a connection torn down before the head. The input may have been billed."""
    error = UNREAD[chaos]
    async with playing(tmp_path, before(aimock)) as play:
        await aimock.chaos(**{chaos: 1.0})
        answered_by_official(await play.ask(stream=streamed), error, streamed=streamed)
        told = [ROUTED, HELD, UNANSWERED.format(error), FELL_BACK.format(error), ANSWERED_BY_OFFICIAL.format(2)]
        assert told == play.transcript()


LATE: dict[str, tuple[dict[str, float], dict[str, Any], bool]] = {
    "the head": ({"latencyMs": 500}, {}, False),
    "a stream's head": ({"latencyMs": 500}, {}, True),
    "the first token": ({}, {"streamingProfile": {"ttft": 500}}, True),
}


@pytest.mark.parametrize("name", LATE)
async def test_slow_and_in_time(tmp_path: Path, aimock: Aimock, name: str) -> None:
    """Latency before the first byte is waited for, and told."""
    chaos, more, streamed = LATE[name]
    async with playing(tmp_path, before(aimock)) as play:
        await aimock.answers({**HI_THERE, **more})
        await aimock.chaos(**chaos)
        assert 200 == (await play.ask(stream=streamed)).status
        assert (await play.settled()).first_byte_ms >= 490  # timers of node may be a little early
        assert [ROUTED, HELD, ANSWERED.format(1)] == play.transcript()


async def test_too_slow(tmp_path: Path, aimock: Aimock) -> None:
    """Row sent, no answer: beyond the first-byte timeout another candidate answers, without a retry."""
    async with playing(tmp_path, before(aimock, 'timeouts = { first_byte = "500ms" }')) as play:
        await aimock.answers({**HI_THERE, "streamingProfile": {"ttft": 20_000}})
        answered_by_official(await play.ask(stream=True), "first_byte_timeout", streamed=True)
        assert [
            ROUTED,
            HELD,
            UNANSWERED.format("first_byte_timeout"),
            FELL_BACK.format("first_byte_timeout"),
            ANSWERED_BY_OFFICIAL.format(2),
        ] == play.transcript()


BREAKS: dict[str, tuple[dict[str, Any], str]] = {
    # Its pace keeps what goes before the cut from being thrown away with it.
    "cut": ({"streamingProfile": {"ttft": 0, "tps": 10}, "truncateAfterChunks": 3}, "stream_cut"),
    "cut in time": ({"streamingProfile": {"ttft": 0, "tps": 5}, "disconnectAfterMs": 300}, "stream_cut"),
}


@pytest.mark.parametrize("name", BREAKS)
async def test_a_stream_that_breaks(tmp_path: Path, aimock: Aimock, name: str) -> None:
    """Row broken stream: the official client gets an error and no silent end, and what came is settled."""
    more, error = BREAKS[name]
    async with playing(tmp_path, before(aimock, 'timeouts = { idle = "700ms" }')) as play, play.openai() as client:
        await aimock.answers({**HI_THERE, **more})
        got = await client.chat.completions.create(model="smart", messages=ASKED, max_tokens=10, stream=True)
        said: list[str] = []
        with pytest.raises(openai.APIError, match=f"ended early \\({error}\\)"):
            await listen(got, said)
        await play.idle()
        entry = await play.settled()
        assert ("broken", error, "estimated") == (entry.outcome, entry.error, entry.certainty)
        assert [] == play.official.got
        assert 200 == (await play.ask()).status


OPENED: dict[str, tuple[dict[str, Any], str]] = {
    "cut": ({"streamingProfile": {"ttft": 0, "tps": 0.05}, "disconnectAfterMs": 300}, "reset"),
    "stall": ({"streamingProfile": {"ttft": 0, "tps": 0.05}}, "first_byte_timeout"),
}


@pytest.mark.parametrize("name", OPENED)
async def test_a_stream_that_breaks_after_its_opening(tmp_path: Path, aimock: Aimock, name: str) -> None:
    """Row sent, no answer: a role without a word is no answer, so another candidate may give it."""
    more, error = OPENED[name]
    async with playing(tmp_path, before(aimock, 'timeouts = { idle = "700ms" }')) as play:
        await aimock.answers({**HI_THERE, **more})
        answered_by_official(await play.ask(stream=True), error, streamed=True)
        told = [ROUTED, HELD, UNANSWERED.format(error), FELL_BACK.format(error), ANSWERED_BY_OFFICIAL.format(2)]
        assert told == play.transcript()


async def test_a_stream_that_breaks_before_it_began(tmp_path: Path, aimock: Aimock) -> None:
    """Row sent, no answer: before the first data event another candidate may answer, at the price of the input."""
    async with playing(tmp_path, before(aimock)) as play:
        await aimock.answers({**HI_THERE, "streamingProfile": {"ttft": 20_000}, "disconnectAfterMs": 200})
        answered_by_official(await play.ask(stream=True), "reset", streamed=True)
        told = [ROUTED, HELD, UNANSWERED.format("reset"), FELL_BACK.format("reset"), ANSWERED_BY_OFFICIAL.format(2)]
        assert told == play.transcript()
