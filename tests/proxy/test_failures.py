"""Every row of the failure table (DESIGN §7) as a transcript: the upstream's answer, the ledger's lines, the reply."""

import asyncio
import socket
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from playbook import NO_WAIT, SHORT, Playbook, Reply, Setup, playing
from upstreams import DONE, HELLO, Answer, End, completion, event, plain, refusal, refusing, stream, until

from tokens_forge.core.entries import Settled, Voided
from tokens_forge.proxy import server as server_file

pytestmark = pytest.mark.usefixtures("impatient")

ROUTED = "routed smart: relay/relay-gpt-5 official/gpt-5"
HELD = "held 1 first relay by wallet"
FELL_BACK = "held 2 fallback official by credit past relay/relay-gpt-5 failed_in_call after"
ANSWERED = "settled 2 ok 0.096 USD computed; final 200"


def answered_by_official(reply: Reply, attempts: int, cause: str) -> None:
    """Hold a reply to what its headers must say when the official route answered instead of the relay."""
    assert 200 == reply.status, reply.body
    assert completion() == reply.body
    assert {
        "x-tf-route": "official",
        "x-tf-class": "direct",
        "x-tf-balance": "credit",
        "x-tf-attempts": str(attempts),
        "x-tf-fell-back": f"relay/relay-gpt-5>official/gpt-5; {cause}",
        "x-tf-charge": "0.096 USD",
    } == reply.said("x-tf-route", "x-tf-class", "x-tf-balance", "x-tf-attempts", "x-tf-fell-back", "x-tf-charge")


def in_seconds(seconds: int) -> str:
    """Return a date as Retry-After has it."""
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


ERRORS = """
errors = [
  { status = 418, means = "empty" },
  { code = "no_money_here", means = "empty" },
  { message = "Daily Pass", means = "rate_limited" },
  { status = 451, means = "model_not_found" },
  { status = 409, means = "unauthorized" },
  { code = "gone", means = "bad_request" },
]
"""

LIMITED = "voided 1 rejected rate_limited 429 zero"
COOLED = "cooled candidate relay/relay-gpt-5 {} s, level 1, rate_limited"
EMPTY = "cooled balance wallet 3600 s, level 1, insufficient_quota"
LOCKED_OUT = "cooled upstream relay 900 s, level 1, unauthorized"
UNANSWERED = "settled 1 unanswered {} 0.009 CNY estimated"


def wording(status: int, message: str) -> Answer:
    """Return an error that only its message tells from others."""
    return plain(b'{"error":{"message":"%s"}}' % message.encode(), status=status)


HALF_A_BODY = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n" + completion()

FALLS_BACK: dict[str, tuple[Answer, tuple[str, ...]]] = {
    # Limited for longer than is waited for, by seconds, a date, nobody's word, or a word that can't be read.
    "seconds": (refusal(429, headers={"retry-after": "30"}), (LIMITED, COOLED.format(30))),
    "milliseconds": (refusal(429, headers={"retry-after-ms": "2001"}), (LIMITED, COOLED.format(2))),
    "no wait": (refusal(429), (LIMITED, COOLED.format(10))),
    "odd wait": (refusal(429, headers={"retry-after": "soon"}), (LIMITED, COOLED.format(10))),
    # No money there, whatever the status (CASES 54).
    "402": (refusal(402), ("voided 1 rejected insufficient_quota 402 zero", EMPTY)),
    "quota": (refusal(429, "insufficient_quota"), ("voided 1 rejected insufficient_quota 429 zero", EMPTY)),
    "new-api": (refusal(403, "insufficient_user_quota"), ("voided 1 rejected insufficient_quota 403 zero", EMPTY)),
    "errors: status": (refusal(418), ("voided 1 rejected insufficient_quota 418 zero", EMPTY)),
    "errors: code": (refusal(500, "no_money_here"), ("voided 1 rejected insufficient_quota 500 zero", EMPTY)),
    "anthropic": (
        wording(400, "Your credit balance is too low to access the Anthropic API."),
        ("voided 1 rejected insufficient_quota 400 zero", EMPTY),
    ),
    # What the config says of an upstream's errors goes before what is built in.
    "errors: message": (
        wording(403, "your daily pass is used"),
        ("voided 1 rejected rate_limited 403 zero", COOLED.format(10)),
    ),
    "errors: model": (refusal(451), ("voided 1 rejected model_not_found 451 zero",)),
    "errors: credential": (refusal(409), ("voided 1 rejected unauthorized 409 zero", LOCKED_OUT)),
    # This model or this region: the credential is well.
    "403 for a model": (
        wording(403, "This token has no access to model relay-gpt-5"),
        ("voided 1 rejected model_not_found 403 zero",),
    ),
    # Our credential is not taken there.
    "401": (refusal(401, "invalid_api_key"), ("voided 1 rejected unauthorized 401 zero", LOCKED_OUT)),
    "403": (refusal(403), ("voided 1 rejected unauthorized 403 zero", LOCKED_OUT)),
    # This model can't, another may; nothing cools.
    "404": (refusal(404), ("voided 1 rejected model_not_found 404 zero",)),
    "context": (refusal(400, "context_length_exceeded"), ("voided 1 rejected context_too_long 400 zero",)),
    # A redirect is not followed; a failure that asks for a long wait is not retried.
    "redirect": (
        plain(b"", status=307, headers={"location": "http://127.0.0.1:9/v1"}),
        ("voided 1 error redirect 307 zero",),
    ),
    "503 asks to wait": (
        refusal(503, headers={"retry-after": "30"}),
        ("voided 1 error server_error 503 assumed_zero",),
    ),
    # Sent, and no answer or none that can be read: it may have been billed, so its input counts (CASES 19, 55).
    "never": ((End.NEVER,), (UNANSWERED.format("first_byte_timeout"),)),
    "reset": ((End.RESET,), (UNANSWERED.format("reset"),)),
    "closed": ((End.CLOSE,), (UNANSWERED.format("reset"),)),
    "half a head": ((b"HTTP/1.1 200 OK\r\ncontent-", End.CLOSE), (UNANSWERED.format("reset"),)),
    "half a body": ((HALF_A_BODY, End.CLOSE), (UNANSWERED.format("reset"),)),
    "half a body, then nothing": ((HALF_A_BODY, End.NEVER), (UNANSWERED.format("reset"),)),
    "no HTTP": ((b"SSH-2.0-OpenSSH_9.6\r\n\r\n", End.CLOSE), (UNANSWERED.format("reset"),)),
    "no JSON": (
        plain(b"<html>Log in</html>", headers={"content-type": "text/html"}),
        (UNANSWERED.format("bad_reply"),),
    ),
    "no choices": (plain(b'{"id":"1"}'), (UNANSWERED.format("bad_reply"),)),
    "empty": (plain(b""), (UNANSWERED.format("bad_reply"),)),
    # An error inside a 200 is the error that it says it is.
    "empty in a 200": (refusal(200, "insufficient_quota"), ("voided 1 rejected insufficient_quota 200 zero", EMPTY)),
    "errors: code in a 200": (refusal(200, "no_money_here"), ("voided 1 rejected insufficient_quota 200 zero", EMPTY)),
}


@pytest.mark.parametrize("name", FALLS_BACK)
async def test_another_candidate_answers_at_once(tmp_path: Path, name: str) -> None:
    """A failure that the same candidate would not mend falls back without a retry, and cools what it is about."""
    answer, lines = FALLS_BACK[name]
    async with playing(tmp_path, Setup(relay=f"{SHORT}\n{ERRORS}")) as play:
        play.relay.answers(answer)
        reply = await play.ask()
        cause = lines[0].split()[3]
        assert [ROUTED, HELD, *lines, f"{FELL_BACK} {cause}", ANSWERED] == play.transcript()
        answered_by_official(reply, 2, cause)
        assert 1 == len(play.relay.got)


async def test_a_word_of_the_config_for_a_wrong_request(tmp_path: Path) -> None:
    """`means = "bad_request"` returns what would be retried: the upstream's answer as it is."""
    async with playing(tmp_path, Setup(relay=ERRORS)) as play:
        play.relay.answers(refusal(500, "gone"))
        reply = await play.ask()
        assert [ROUTED, HELD, "voided 1 rejected bad_request 500 zero; final 500"] == play.transcript()
        assert 500 == reply.status


async def test_moderation_locks_no_upstream_out(tmp_path: Path) -> None:
    """A 403 for a prompt that OpenRouter's moderation flags is the client's to mend: returned, and nothing cools."""
    flagged = 'a/b requires moderation on X. Your input was flagged for \\"violence\\".'
    async with playing(tmp_path) as play:
        play.relay.answers(wording(403, flagged))
        assert 403 == (await play.ask()).status
        assert [ROUTED, HELD, "voided 1 rejected bad_request 403 zero; final 403"] == play.transcript()


EMPTIED = ("voided 1 rejected insufficient_quota 200 zero", EMPTY)

REFUSED_STREAMS: dict[str, tuple[Answer, tuple[str, ...]]] = {
    "refused": (refusal(401), ("voided 1 rejected unauthorized 401 zero", LOCKED_OUT)),
    "errors: code, as an event": (stream(event({"error": {"code": "no_money_here"}})), EMPTIED),
    "errors: code, as an object": (refusal(200, "no_money_here"), EMPTIED),
    "errors: message, as an object": (
        wording(200, "daily pass"),
        ("voided 1 rejected rate_limited 200 zero", COOLED.format(10)),
    ),
    "error as an object": (refusal(200, "model_not_found"), ("voided 1 rejected model_not_found 200 zero",)),
}


@pytest.mark.parametrize("name", REFUSED_STREAMS)
async def test_another_candidate_streams_instead(tmp_path: Path, name: str) -> None:
    """The same for a stream, whether the upstream says no by status, by event or by a JSON object (CASES 54)."""
    answer, lines = REFUSED_STREAMS[name]
    async with playing(tmp_path, Setup(relay=ERRORS)) as play:
        play.relay.answers(answer)
        reply = await play.ask(stream=True)
        cause = lines[0].split()[3]
        assert [ROUTED, HELD, *lines, f"{FELL_BACK} {cause}", ANSWERED] == play.transcript()
        assert (200, b"".join((*HELLO, DONE))) == (reply.status, reply.body)
        assert f"relay/relay-gpt-5>official/gpt-5; {cause}" == reply.headers["x-tf-fell-back"]


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_refusal_inside_a_success(tmp_path: Path, *, streamed: bool) -> None:
    """A 200 whose error is the client's to mend is returned as one: 400, in JSON, the upstream's own words."""
    error = b'{"error":{"message":"not this","code":"content_filter"}}'
    async with playing(tmp_path) as play:
        play.relay.answers(stream(b"data: %s\n\n" % error) if streamed else plain(error))
        reply = await play.ask(stream=streamed)
        assert (400, error, "application/json") == (reply.status, reply.body, reply.headers["content-type"])
        assert [ROUTED, HELD, "voided 1 rejected bad_request 200 zero; final 400"] == play.transcript()


async def test_a_date_to_wait_for(tmp_path: Path) -> None:
    """Retry-After may be a date: the cooldown ends then."""
    async with playing(tmp_path) as play:
        play.relay.answers(refusal(429, headers={"retry-after": in_seconds(60)}))
        await play.ask()
        routed, held, limited, cooled, *rest = play.transcript()
        assert [ROUTED, HELD, LIMITED] == [routed, held, limited]
        assert cooled in {COOLED.format(59), COOLED.format(60)}  # a date has no fractions
        assert [f"{FELL_BACK} rate_limited", ANSWERED] == rest


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_wait_that_only_the_body_says(tmp_path: Path, *, streamed: bool) -> None:
    """CASES 24: OpenAI and Groq say it in words, and an error inside a stream has no header for it."""
    error = b'{"error":{"message":"Please try again in 1m30s.","type":"tokens","code":"rate_limit_exceeded"}}'
    async with playing(tmp_path) as play:
        play.relay.answers(stream(b"data: %s\n\n" % error) if streamed else plain(error, status=429))
        await play.ask(stream=streamed)
        assert COOLED.format(90) in play.transcript()


async def test_a_header_goes_before_the_words(tmp_path: Path) -> None:
    """Retry-After is exact."""
    async with playing(tmp_path) as play:
        play.relay.answers(refusal(429, message="try again in 20s", headers={"retry-after": "40"}))
        await play.ask()
        assert COOLED.format(40) in play.transcript()


async def test_no_other_error_asks_to_wait(tmp_path: Path) -> None:
    """The words of a wrong request are its own."""
    async with playing(tmp_path) as play:
        play.relay.answers(refusal(400, message="wait 20 seconds"))
        assert 400 == (await play.ask()).status
        assert "" == next(line.entry.wait_s for line in play.lines() if isinstance(line.entry, Voided))


async def test_a_short_wait_is_waited_for(tmp_path: Path) -> None:
    """A 429 that asks for 2 s or less is waited for and tried again on the same candidate; nothing cools."""
    async with playing(tmp_path) as play:
        play.relay.answers(refusal(429, headers={"retry-after-ms": "150"}))
        loop = asyncio.get_running_loop()
        began = loop.time()
        reply = await play.ask()
        assert loop.time() - began >= 0.15
        assert [
            ROUTED,
            HELD,
            LIMITED,
            "held 2 retry relay by wallet after rate_limited",
            "settled 2 ok 0.048 CNY computed; final 200",
        ] == play.transcript()
        assert {"x-tf-route": "relay", "x-tf-attempts": "2"} == reply.said(
            "x-tf-route", "x-tf-attempts", "x-tf-fell-back"
        )


async def test_a_short_wait_is_waited_for_once(tmp_path: Path) -> None:
    """Two attempts a candidate are the bound: the second short wait goes to the other one (CASES 24)."""
    async with playing(tmp_path) as play:
        play.relay.answers(*[refusal(429, headers={"retry-after": "0"})] * 2)
        answered_by_official(await play.ask(), 3, "rate_limited")
        assert [
            ROUTED,
            HELD,
            LIMITED,
            "held 2 retry relay by wallet after rate_limited",
            "voided 2 rejected rate_limited 429 zero",
            "held 3 fallback official by credit past relay/relay-gpt-5 attempts_used after rate_limited",
            "settled 3 ok 0.096 USD computed; final 200",
        ] == play.transcript()


FAILS_TWICE: dict[str, tuple[Answer, str]] = {
    "408": (refusal(408), "error timeout_upstream 408 assumed_zero"),
    "500": (refusal(500), "error server_error 500 assumed_zero"),
    "503": (refusal(503, headers={"retry-after": "0"}), "error server_error 503 assumed_zero"),
    "529": (refusal(529, "overloaded_error"), "error server_error 529 assumed_zero"),
    "no words": (plain(b"", status=502), "error server_error 502 assumed_zero"),
    "error in a 200": (refusal(200, "server_error"), "error server_error 200 assumed_zero"),
}


@pytest.mark.parametrize("name", FAILS_TWICE)
async def test_a_failure_of_the_upstream_is_retried_once(tmp_path: Path, name: str) -> None:
    """408 and 5xx: the same candidate once more, then another; what failed is taken as not billed (CASES 25)."""
    answer, ended = FAILS_TWICE[name]
    cause = ended.split()[1]
    async with playing(tmp_path) as play:
        play.relay.answers(answer, answer)
        answered_by_official(await play.ask(), 3, cause)
        assert [
            ROUTED,
            HELD,
            f"voided 1 {ended}",
            f"held 2 retry relay by wallet after {cause}",
            f"voided 2 {ended}",
            f"held 3 fallback official by credit past relay/relay-gpt-5 attempts_used after {cause}",
            "settled 3 ok 0.096 USD computed; final 200",
        ] == play.transcript()


async def test_a_retry_that_succeeds(tmp_path: Path) -> None:
    """The retry's answer is the reply; the call did not fall back."""
    async with playing(tmp_path) as play:
        play.relay.answers(refusal(503))
        reply = await play.ask()
        assert [
            ROUTED,
            HELD,
            "voided 1 error server_error 503 assumed_zero",
            "held 2 retry relay by wallet after server_error",
            "settled 2 ok 0.048 CNY computed; final 200",
        ] == play.transcript()
        assert {"x-tf-route": "relay", "x-tf-attempts": "2"} == reply.said(
            "x-tf-route", "x-tf-attempts", "x-tf-fell-back"
        )


async def test_a_retry_after_a_fallback(tmp_path: Path) -> None:
    """What a reply says of its fallback is what led to the other candidate, also when that had to be asked twice."""
    async with playing(tmp_path) as play:
        for cause in ("unauthorized", "cooling"):
            play.relay.answers(refusal(401))
            play.official.answers(refusal(503))
            reply = await play.ask()
            assert f"relay/relay-gpt-5>official/gpt-5; {cause}" == reply.headers["x-tf-fell-back"]
        assert "held 2 retry official by credit after server_error" == play.transcript()[-2]


@asynccontextmanager
async def speaking_no_tls() -> AsyncGenerator[str]:
    """Give the https URL of a server that answers every greeting in plain HTTP."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


@contextmanager
def accepting_nobody() -> Generator[str]:
    """Give the URL of a server whose queue is full: who connects waits (so Linux does it)."""
    with socket.socket() as server, socket.socket() as first, socket.socket() as second:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for client in (first, second):
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1"


linux = pytest.mark.skipif(
    sys.platform != "linux", reason="a full queue of connections is Linux's way to make one wait"
)


async def not_sent(play: Playbook, word: str) -> None:
    """Ask, and hold the ledger to two attempts on the relay of which no byte was sent, and the fallback."""
    answered_by_official(await play.ask(), 3, word)
    assert [
        ROUTED,
        HELD,
        f"voided 1 not_sent {word} zero",
        f"held 2 retry relay by wallet after {word}",
        f"voided 2 not_sent {word} zero",
        f"held 3 fallback official by credit past relay/relay-gpt-5 attempts_used after {word}",
        "settled 3 ok 0.096 USD computed; final 200",
    ] == play.transcript()


async def test_connect_refused(tmp_path: Path) -> None:
    """Nobody listens: not sent, so nothing was billed; retried, then another candidate."""
    with refusing() as url:
        async with playing(tmp_path, Setup(relay_url=url)) as play:
            await not_sent(play, "connect")


async def test_no_such_name(tmp_path: Path) -> None:
    """A name that nobody has (RFC 6761, .invalid)."""
    async with playing(tmp_path, Setup(relay_url="https://relay.invalid/v1")) as play:
        await not_sent(play, "dns")


async def test_no_tls(tmp_path: Path) -> None:
    """An https URL to a server that speaks plain HTTP."""
    async with speaking_no_tls() as url, playing(tmp_path, Setup(relay_url=url)) as play:
        await not_sent(play, "tls")


@linux
async def test_connect_timeout(tmp_path: Path) -> None:
    """A connection that is not accepted in time."""
    with accepting_nobody() as url:
        async with playing(tmp_path, Setup(relay=SHORT, relay_url=url)) as play:
            await not_sent(play, "connect_timeout")


@linux
async def test_a_client_that_leaves_before_anything_was_sent(tmp_path: Path) -> None:
    """Nothing was sent, so nothing was billed; it is not the upstream's fault, and nobody else is asked."""
    with accepting_nobody() as url:
        async with playing(tmp_path, Setup(relay_url=url)) as play:
            asking = asyncio.create_task(play.ask())
            await until(lambda: any(wait.client for wait in play.running.proxy.watch.waits))
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            await play.idle()
            assert [ROUTED, HELD, "voided 1 not_sent left_before_contact zero; final 0"] == play.transcript()
            assert ({}, {}) == (play.fold.health.cooldowns, play.fold.health.failures)


@linux
async def test_a_stop_before_anything_was_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for a proxy that stops; the client is told."""
    monkeypatch.setattr(server_file, "STOP_S", 0.05)
    with accepting_nobody() as url:
        async with playing(tmp_path, Setup(relay_url=url)) as play:
            asking = asyncio.create_task(play.ask())
            await until(lambda: any(wait.client for wait in play.running.proxy.watch.waits))
        assert (503, "stopping") == (await asking).error
        assert [
            ROUTED,
            HELD,
            "voided 1 not_sent stopped_before_contact zero; final 503",
        ] == play.transcript()


async def test_an_upstream_that_is_away_cools(tmp_path: Path) -> None:
    """After 3 attempts in a row that were not sent, the upstream is passed over; a probe finds it again."""
    with refusing() as url:
        async with playing(tmp_path, Setup(relay_url=url)) as play:
            await not_sent(play, "connect")
            answered_by_official(await play.ask(), 2, "connect")
            assert [
                ROUTED,
                HELD,
                "voided 1 not_sent connect zero",
                "cooled upstream relay 5 s, level 1, connect",
                "held 2 fallback official by credit past relay/relay-gpt-5 cooling after connect",
                ANSWERED,
            ] == play.transcript()
            answered_by_official(await play.ask(), 1, "cooling")
            assert [
                ROUTED,
                "held 1 fallback official by credit past relay/relay-gpt-5 cooling after cooling",
                "settled 1 ok 0.096 USD computed; final 200",
            ] == play.transcript()


async def test_a_candidate_that_fails_cools_and_recovers(tmp_path: Path) -> None:
    """After 3 failures in a row the candidate is passed over; then one call probes it, and its answer recovers it."""
    async with playing(tmp_path) as play:
        play.relay.answers(*[refusal(500)] * 3)
        await play.ask()
        play.transcript()
        await play.ask()
        assert [
            ROUTED,
            HELD,
            "voided 1 error server_error 500 assumed_zero",
            "cooled candidate relay/relay-gpt-5 5 s, level 1, server_error",
            "held 2 fallback official by credit past relay/relay-gpt-5 cooling after server_error",
            ANSWERED,
        ] == play.transcript()
        play.clock.on(seconds=5)
        await play.ask()
        assert [
            ROUTED,
            HELD,
            "settled 1 ok 0.048 CNY computed; final 200",
            "recovered candidate relay/relay-gpt-5",
        ] == play.transcript()


async def test_an_empty_balance_waits_for_money(tmp_path: Path) -> None:
    """A balance that its upstream calls empty is passed over until a top-up (CASES 39, 54)."""
    async with playing(tmp_path) as play:
        play.relay.answers(refusal(402))
        await play.ask()
        answered_by_official(await play.ask(), 1, "balance_empty_upstream")
        play.transcript()
        await play.topup("wallet", "10 CNY")
        await play.ask()
        assert [
            "adjusted wallet 10 CNY topup",
            "recovered balance wallet",
            ROUTED,
            HELD,
            "settled 1 ok 0.048 CNY computed; final 200",
        ] == play.transcript()


async def test_an_empty_balance_is_not_tried_by_another_route(tmp_path: Path) -> None:
    """Empty is the balance: no further candidate that it would pay is tried in this call."""
    twin = """
[route.twin]
class = "ordinary"
upstream = "official"
balance = "wallet"
serves = ["gpt-5"]
[route.twin.prices]
"gpt-5" = [{ from = 2020-01-01, unit = "CNY", per = "ktok", input = 1, output = 1 }]
[model.twice]
routes = ["relay/gpt-5", "twin/gpt-5"]
"""
    async with playing(tmp_path, Setup(more=twin)) as play:
        play.relay.answers(refusal(402))
        reply = await play.ask(model="twice")
        assert (502, "candidates_exhausted") == reply.error
        assert [
            "routed twice: relay/relay-gpt-5 twin/gpt-5",
            HELD,
            "voided 1 rejected insufficient_quota 402 zero",
            EMPTY,
            "refused exhausted past relay/relay-gpt-5 failed_in_call, twin/gpt-5 balance_empty_upstream; final 502",
        ] == play.transcript()


async def test_a_credential_that_is_not_there(tmp_path: Path) -> None:
    """An upstream without its credential is passed on the spot: nothing is sent, nothing cools."""
    bare = """
[upstream.bare]
dialect = "openai"
base_url = "https://bare.invalid/v1"
credential = "env:NOT_SET_ANYWHERE"
[route.bare]
class = "ordinary"
upstream = "bare"
balance = "wallet"
serves = ["gpt-5"]
[route.bare.prices]
"gpt-5" = [{ from = 2020-01-01, unit = "CNY", per = "ktok", input = 1, output = 10 }]
[model.bare]
routes = ["bare/gpt-5", "official/gpt-5"]
fallback = "any"
"""
    async with playing(tmp_path, Setup(more=bare)) as play:
        reply = await play.ask(model="bare")
        assert 200 == reply.status
        assert [
            "routed bare: bare/gpt-5 official/gpt-5",
            "held 1 first bare by wallet",
            "voided 1 not_sent credential zero",
            "held 2 fallback official by credit past bare/gpt-5 failed_in_call after credential",
            ANSWERED,
        ] == play.transcript()


@pytest.mark.parametrize("status", [400, 409, 413, 422])
async def test_a_request_that_is_wrong(tmp_path: Path, status: int) -> None:
    """Any other 4xx is the client's to mend: it is returned as it is, after one attempt, at no cost."""
    body = b'{"error": {"message":"temperature: too hot",  "type":"invalid_request_error","code":"hot"}}'
    async with playing(tmp_path) as play:
        play.relay.answers(plain(body, status=status, headers={"content-type": "application/json; charset=utf-8"}))
        reply = await play.ask(temperature=9)
        assert (status, body) == (reply.status, reply.body)
        assert {
            "content-type": "application/json; charset=utf-8",
            "x-tf-route": "relay",
            "x-tf-balance": "wallet",
            "x-tf-attempts": "1",
            "x-should-retry": "false",
        } == reply.said("content-type", "x-tf-route", "x-tf-balance", "x-tf-attempts", "x-tf-charge", "x-should-retry")
        assert [
            ROUTED,
            HELD,
            f"voided 1 rejected bad_request {status} zero; final {status}",
        ] == play.transcript()
        assert [] == play.official.got


async def test_an_error_of_many_megabytes(tmp_path: Path) -> None:
    """An upstream's error is read up to a bound; the status alone then says what it is."""
    async with playing(tmp_path) as play:
        play.relay.answers(plain(b" " * 2**20, status=401))
        answered_by_official(await play.ask(), 2, "unauthorized")


async def test_nothing_is_left(tmp_path: Path) -> None:
    """When every candidate failed, the error is ours: 502, the last status and word inside, not to be retried."""
    async with playing(tmp_path) as play:
        play.relay.answers(refusal(401, "invalid_api_key", "Incorrect API key provided: sk-secret-of-relay"))
        play.official.answers(*[refusal(503, "overloaded", "secret words of the upstream")] * 2)
        reply = await play.ask()
        assert (502, "candidates_exhausted") == reply.error
        assert {"x-should-retry": "false", "x-tf-attempts": "3"} == reply.said(
            "x-should-retry", "x-tf-attempts", "retry-after"
        )
        assert (
            "No candidate answered: relay/relay-gpt-5 unauthorized 401, official/gpt-5 server_error 503, "
            "official/gpt-5 server_error 503. The last attempt ended in server_error with status 503." in reply.message
        )
        assert f"`tf explain {reply.headers['x-request-id']}`" in reply.message
        assert b"secret words" not in reply.body
        assert [
            ROUTED,
            HELD,
            "voided 1 rejected unauthorized 401 zero",
            LOCKED_OUT,
            "held 2 fallback official by credit past relay/relay-gpt-5 failed_in_call after unauthorized",
            "voided 2 error server_error 503 assumed_zero",
            "held 3 retry official by credit after server_error",
            "voided 3 error server_error 503 assumed_zero",
            "refused exhausted past official/gpt-5 attempts_used, relay/relay-gpt-5 failed_in_call; final 502",
        ] == play.transcript()


async def test_no_upstream_blames_the_client(tmp_path: Path) -> None:
    """CASES 41: an upstream's 401 and 402 never reach the client as its own."""
    async with playing(tmp_path) as play:
        play.relay.answers(refusal(401))
        play.official.answers(refusal(402))
        assert (502, "candidates_exhausted") == (await play.ask()).error


async def test_all_cool(tmp_path: Path) -> None:
    """CASES 40: when all candidates cool, the error names the earliest recovery and Retry-After says how long."""
    async with playing(tmp_path, Setup(more=NO_WAIT)) as play:
        play.relay.answers(refusal(429, headers={"retry-after": "30"}))
        play.official.answers(refusal(429, headers={"retry-after": "90"}))
        await play.ask()
        play.transcript()
        reply = await play.ask()
        assert (503, "all_cooling") == reply.error
        assert {"retry-after": "30"} == reply.said("x-should-retry", "retry-after")
        until = play.fold.health.cooldowns["candidate relay/relay-gpt-5"].until
        assert f"The earliest recovers at {until}." in reply.message
        assert [
            ROUTED,
            "refused all_cooling past relay/relay-gpt-5 cooling, official/gpt-5 cooling; final 503",
        ] == play.transcript()


async def test_the_deadline_of_a_call(tmp_path: Path) -> None:
    """One deadline for the whole call: what was sent is settled, nothing more is tried, the client gets 504."""
    async with playing(tmp_path, Setup(more='[policy]\ndeadline = "200ms"')) as play:
        play.relay.answers((End.NEVER,))
        reply = await play.ask()
        assert (504, "deadline") == reply.error
        assert {"x-should-retry": "false", "x-tf-attempts": "1"} == reply.said("x-should-retry", "x-tf-attempts")
        assert [ROUTED, HELD, UNANSWERED.format("deadline"), "refused deadline; final 504"] == play.transcript()


async def test_the_deadline_comes_while_a_retry_waits(tmp_path: Path) -> None:
    """A wait between attempts is a part of the call's time."""
    async with playing(tmp_path, Setup(more='[policy]\ndeadline = "200ms"')) as play:
        play.relay.answers(refusal(429, headers={"retry-after": "2"}))
        assert (504, "deadline") == (await play.ask()).error
        assert [ROUTED, HELD, LIMITED, "refused deadline; final 504"] == play.transcript()


async def test_unanswered_at_the_hold(tmp_path: Path) -> None:
    """`[settle] unanswered = "hold"`: what was sent and not answered costs all that was reserved for it (CASES 55)."""
    async with playing(tmp_path, Setup(relay=SHORT, more='[settle]\nunanswered = "hold"')) as play:
        play.relay.answers((End.NEVER,))
        await play.ask()
        lines = play.lines()
        entry = lines[2].entry
        assert isinstance(entry, Settled)
        assert ("0.111", "0.111", "none", ("charged_at_hold",)) == (
            entry.hold,
            entry.charge,
            entry.usage_source,
            entry.flags,
        )
        assert {} == entry.usage


async def test_the_bound_on_attempts(tmp_path: Path) -> None:
    """CASES 24: four attempts a call, whatever is left to try."""
    third = """
[route.third]
class = "direct"
upstream = "official"
balance = "credit"
serves = ["gpt-5-mini"]
[route.third.prices]
"gpt-5-mini" = [{ from = 2020-01-01, unit = "USD", per = "ktok", input = 1, output = 1 }]
[model.thrice]
routes = ["relay/gpt-5", "official/gpt-5", "third/gpt-5-mini"]
fallback = "any"
"""
    async with playing(tmp_path, Setup(more=third)) as play:
        play.relay.answers(*[refusal(500)] * 2)
        play.official.answers(*[refusal(500)] * 3)
        reply = await play.ask(model="thrice")
        assert (502, "candidates_exhausted") == reply.error
        assert "4" == reply.headers["x-tf-attempts"]
        assert (2, 2) == (len(play.relay.got), len(play.official.got))
        assert (
            "refused exhausted past relay/relay-gpt-5 attempts_used, official/gpt-5 attempts_used, "
            "third/gpt-5-mini attempts_used; final 502"
        ) == play.transcript()[-1]
