"""What only opens a stream, in every dialect and pair: held back, and no reason to stay with who fails after it."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest
from clients import Client
from pairs import BODIES, NATIVE, PAIRS, PATHS, before, events, said, text_for
from playbook import SHORT, Playbook, Setup, playing
from upstreams import DONE, HELLO, KEEP_ALIVE, TOKENS, USAGE, Answer, End, Step, event, stream, until

from tokens_forge.core.dialects import DialectName
from tokens_forge.proxy import attempt as attempt_file
from tokens_forge.proxy import watch as watch_file

ROUTED = "routed smart: relay/relay-gpt-5 official/gpt-5"
HELD = "held 1 first relay by wallet"
ANSWERED = "settled 1 ok 0.048 CNY computed; final 200"
TOLD = b"".join((*HELLO, DONE))

pairs = pytest.mark.parametrize(("client", "spoken"), PAIRS)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often at who has left and what is late."""
    monkeypatch.setattr(watch_file, "SWEEP_S", 0.02)


OPENINGS: Mapping[DialectName, bytes] = {
    "openai_chat": HELLO[0],
    "openai_responses": b'event: response.created\ndata: {"type":"response.created","response":{"id":"r","output":[]}}'
    b'\n\ndata: {"type":"response.in_progress","response":{"id":"r","output":[]}}\n\n',
    "anthropic_messages": b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","type":"message",'
    b'"role":"assistant","model":"c","content":[],"usage":{"input_tokens":9,"output_tokens":1}}}\n\n'
    b'event: ping\ndata: {"type":"ping"}\n\n',
}
FAILURES: Mapping[DialectName, bytes] = {
    "openai_chat": b'data: {"error":{"message":"overloaded","code":503}}\n\n',
    "openai_responses": b'event: response.failed\ndata: {"type":"response.failed","response":{"id":"r",'
    b'"status":"failed","error":{"code":"server_error","message":"overloaded"}}}\n\n',
    "anthropic_messages": b'data: {"type":"error","error":{"type":"overloaded_error","message":"x"}}\n\n',
}
QUOTAS: Mapping[DialectName, bytes] = {
    "openai_chat": b'data: {"error":{"message":"gone","code":"insufficient_quota"}}\n\n',
    "openai_responses": b'data: {"type":"error","code":"insufficient_quota","message":"gone"}\n\n',
    "anthropic_messages": b'data: {"type":"error","error":{"type":"billing_error","message":"gone"}}\n\n',
}


async def ask(play: Playbook, client: Client) -> httpx.Response:
    """Ask for a stream in a client's dialect and return it when it has ended."""
    head = {"authorization": f"Bearer {play.tokens['aider']}"}
    body = {"model": "m", "stream": True, **BODIES[client]}
    return await play.http.post(play.url + PATHS[NATIVE[client]], json=body, headers=head)


@pairs
@pytest.mark.parametrize("ends", ["error", "cut", "closed"])
async def test_a_failure_after_an_opening(tmp_path: Path, client: Client, spoken: DialectName, ends: str) -> None:
    """Nothing of an answer was said, so another attempt gives it; the client sees one stream, with one opening."""
    golden = said(spoken)
    last: Mapping[str, Step] = {"error": FAILURES[spoken], "cut": End.RESET, "closed": b""}
    async with playing(tmp_path, before(spoken)) as play:
        play.relay.answers(stream(golden.data))
        alone = await ask(play, client)
        await play.idle()
        play.lines()
        play.relay.answers(stream(OPENINGS[spoken], last[ends]), stream(golden.data))
        reply = await ask(play, client)
        lines = play.transcript()
        if ends == "error":
            assert (200, len(alone.content)) == (reply.status_code, len(reply.content))
            assert "voided 1 error server_error 200 assumed_zero" == lines[2]
            assert 1 == sum(line.startswith("settled") for line in lines)
        else:
            assert "unanswered" in lines[2]


@pairs
async def test_a_spent_quota_after_an_opening(tmp_path: Path, client: Client, spoken: DialectName) -> None:
    """It empties the balance as it does by its status, and nothing is charged."""
    async with playing(tmp_path, before(spoken)) as play:
        play.relay.answers(stream(OPENINGS[spoken], QUOTAS[spoken]))
        assert 200 != (await ask(play, client)).status_code
        lines = play.transcript()
        assert "voided 1 rejected insufficient_quota 200 zero" == lines[2]
        assert "cooled balance" in lines[3]


async def test_a_named_wait_after_an_opening(tmp_path: Path) -> None:
    """A limit that names a wait there is waited for, as by its status: nobody else may answer."""
    limit = event({"error": {"message": "Please try again in 20s.", "code": "rate_limit_exceeded"}})
    async with playing(tmp_path, Setup(fallback="none")) as play:
        play.relay.answers(stream(HELLO[0], limit))
        call = asyncio.create_task(play.ask(stream=True))
        await until(lambda: any(one.trail for one in play.fold.calls.values()))
        play.clock.on(seconds=20)
        assert TOLD == (await call).body
        assert "voided 1 rejected rate_limited 200 zero" == play.transcript()[2]


def early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt_file, "HELD_BACK_S", 0.05)


@pairs
async def test_an_opening_that_was_held_long_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: Client, spoken: DialectName
) -> None:
    """After a while the head and what opened the stream go out, though nothing more came; then nobody else answers."""
    early(monkeypatch)
    async with playing(tmp_path, before(spoken)) as play:
        play.relay.answers(stream(OPENINGS[spoken], End.NEVER))
        head = {"authorization": f"Bearer {play.tokens['aider']}"}
        body = {"model": "m", "stream": True, **BODIES[client]}
        async with play.http.stream("POST", play.url + PATHS[NATIVE[client]], json=body, headers=head) as got:
            first = await anext(got.aiter_bytes())
        assert (200, True) == (got.status_code, first.startswith((b"data: ", b"event: ", KEEP_ALIVE)))
        await play.idle()


@pytest.mark.parametrize("fails", [False, True])
async def test_what_was_held_goes_out_in_its_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, fails: bool
) -> None:
    """Comments and opening events as they came, then the rest; a failure is then one in the middle."""
    early(monkeypatch)
    go_on = asyncio.Event()
    held = KEEP_ALIVE * 2 + HELLO[0]
    async with playing(tmp_path) as play:
        rest = (End.RESET,) if fails else (*HELLO[1:], USAGE, DONE)
        play.relay.answers(stream(KEEP_ALIVE, KEEP_ALIVE, HELLO[0], go_on, *rest))
        async with play.streaming() as got:
            received = b""
            async for some in got.aiter_raw():
                received += some
                if received == held:
                    go_on.set()
        if fails:
            assert received.startswith(held)
            assert b"ended early (stream_cut)" in received
        else:
            assert held + TOLD.removeprefix(HELLO[0]) == received
            assert [ROUTED, HELD, ANSWERED] == play.transcript()
        assert [] == play.official.got


async def test_a_silence_after_an_opening(tmp_path: Path) -> None:
    """A silence falls back as one before the first byte; an opening alone is no first byte."""
    async with playing(tmp_path, Setup(relay=SHORT)) as play:
        play.relay.answers(stream(HELLO[0], End.NEVER))
        reply = await play.ask(stream=True)
        assert (TOLD, "official") == (reply.body, reply.headers["x-tf-route"])
        assert "settled 1 unanswered first_byte_timeout 0.009 CNY estimated" == play.transcript()[2]


async def test_a_flood_of_openings_is_not_kept(tmp_path: Path) -> None:
    """What is held back is bounded: more of it goes out at once."""
    flood = HELLO[0] * 2_000
    async with playing(tmp_path) as play:
        play.relay.answers(stream(flood, *HELLO, USAGE, DONE))
        assert flood + TOLD == (await play.ask(stream=True)).body


async def test_an_opening_and_its_end_alone(tmp_path: Path) -> None:
    """A stream of an opening and its mark is an empty answer, and goes out as one."""
    async with playing(tmp_path) as play:
        play.relay.answers(stream(HELLO[0], DONE))
        assert HELLO[0] + DONE == (await play.ask(stream=True)).body


NO_DATA = (b"data:\n\n", b"data: \n\n", b"data\n\n", b"event: ping\n\n", b"retry: 3000\n\n", b"id: 7\n\n", b"\n\n")
BESIDE = b"id: 1\nretry: 3000\n: so\nevent: message\n\n"


async def test_the_official_client_and_events_without_data(tmp_path: Path) -> None:
    """OpenAI's client fails on an event without data, also on a comment after an `id`: it meets none, wherever."""
    between = (b"".join((*NO_DATA, one, KEEP_ALIVE)) for one in HELLO)
    async with playing(tmp_path) as play, play.openai() as client:
        play.relay.answers(stream(*NO_DATA, b"id: 1\n" + HELLO[0], BESIDE, *between, *NO_DATA, USAGE, KEEP_ALIVE, DONE))
        told = await client.chat.completions.create(
            model="smart",
            messages=[{"role": "user", "content": "Hello"}],
            stream=True,
            extra_headers={"x-tf-receipt": "stream"},
        )
        assert "Hi there" == "".join([one.choices[0].delta.content or "" async for one in told])


@pairs
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CR LF", "CR"])
async def test_events_without_data_in_every_pair(
    tmp_path: Path, client: Client, spoken: DialectName, line_end: bytes
) -> None:
    """Whatever an upstream puts between its events, each SDK reads the same answer to its end."""
    golden = said(spoken)
    beside = b"".join((*NO_DATA, BESIDE, KEEP_ALIVE, b"event: response.created\n\nevent: message_start\n\n"))
    first, *others = events(golden)
    last = others.pop().rstrip()
    data = beside.join((b"", first, *(b"id: 1\n" + one for one in others), last)).replace(b"\n", line_end)
    async with playing(tmp_path, before(spoken)) as play:
        play.relay.answers(stream(*(data[at : at + 97] for at in range(0, len(data), 97))))
        assert golden.text == await text_for(play, client)


UNENDED: Mapping[str, tuple[Answer, str]] = {
    "no blank line": (stream(*HELLO[:3], HELLO[3].rstrip(b"\n")), "stop"),
    "half a blank line": (stream(*HELLO[:3], HELLO[3][:-1]), "stop"),
    "half a CR LF": (stream(*HELLO[:3], HELLO[3].replace(b"\n", b"\r\n")[:-1]), "stop"),
    "a CR": (stream(*HELLO[:3], HELLO[3].replace(b"\n", b"\r")[:-1]), "stop"),
    "a comment": (stream(*HELLO, b": so"), "stop"),
    "an error": (stream(*HELLO[:3], event({"error": {"message": "no", "code": 503}})[:-1]), "error"),
    "cut inside": (stream(*HELLO[:3], HELLO[3][:-2], End.RESET), "error"),
    "half of it": (stream(*HELLO[:3], HELLO[3][:40]), "error"),
}


@pytest.mark.parametrize("name", UNENDED)
async def test_what_is_added_glues_to_nothing(tmp_path: Path, name: str) -> None:
    """Marks, receipts and errors are events of their own, whatever the last event of the upstream lacks."""
    answer, finish = UNENDED[name]
    async with playing(tmp_path) as play:
        play.relay.answers(answer)
        reply = await play.ask(stream=True, headers={"x-tf-receipt": "stream"})
        parts = reply.body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n\n")
        assert b"" == parts[-1]
        if finish == "stop":
            assert (b"data: [DONE]", True) == (parts[-2], parts[-3].startswith(b": tf {"))
            assert TOKENS["completion_tokens"] > 0
        else:
            assert parts[-2].startswith(b'data: {"error":{')
