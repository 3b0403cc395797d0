"""Streams as transcripts: what passes, what is hidden, how one breaks, and what a client that leaves costs."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playbook import SHORT, Playbook, Setup, playing
from screens import printed
from upstreams import (
    DONE,
    HELLO,
    KEEP_ALIVE,
    SSE,
    TOKENS,
    USAGE,
    Answer,
    End,
    chunk,
    completion,
    event,
    plain,
    refusal,
    stream,
    until,
)

from tokens_forge.core.story import tell
from tokens_forge.files.ledger_reader import find
from tokens_forge.proxy import attempt as attempt_file
from tokens_forge.proxy import upstream as upstream_file
from tokens_forge.proxy import watch as watch_file
from tokens_forge.view.story import story_view

ROUTED = "routed smart: relay/relay-gpt-5 official/gpt-5"
HELD = "held 1 first relay by wallet"
ANSWERED = "settled 1 ok 0.048 CNY computed; final 200"
TOLD = b"".join((*HELLO, DONE))
"""What a client gets that did not ask for the usage."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often at who has left and what is late."""
    monkeypatch.setattr(watch_file, "SWEEP_S", 0.02)


async def test_usage_is_hidden_and_shown(tmp_path: Path) -> None:
    """CASES 16: usage is had from every stream and hidden again from a client that did not ask; all else passes."""
    async with playing(tmp_path) as play:
        asked = await play.ask(stream=True, stream_options={"include_usage": True})
        silent = await play.ask(stream=True)
        refused = await play.ask(stream=True, stream_options={"include_usage": False, "other": 1})
        assert b"".join((*HELLO, USAGE, DONE)) == asked.body
        assert [TOLD, TOLD] == [silent.body, refused.body]
        assert [{"include_usage": True}, {"include_usage": True}, {"include_usage": True, "other": 1}] == [
            got.asked["stream_options"] for got in play.relay.got
        ]
        assert [ROUTED, HELD, ANSWERED] * 3 == play.transcript()


async def test_usage_in_every_chunk(tmp_path: Path) -> None:
    """Of an upstream that reports its usage in every chunk the last counts; those chunks are no usage chunks."""
    so_far = ({"prompt_tokens": 8, "completion_tokens": count} for count in (0, 2))
    events = (*(chunk("Hi", usage=usage) for usage in so_far), chunk("!", finish="stop", usage=TOKENS))
    async with playing(tmp_path) as play:
        play.relay.answers(stream(*events, DONE))
        assert b"".join((*events, DONE)) == (await play.ask(stream=True)).body
        assert [ROUTED, HELD, ANSWERED] == play.transcript()


async def test_keep_alives_pass_once_the_answer_has_begun(tmp_path: Path) -> None:
    """DESIGN 3: nothing goes downstream before the first data event; later comments pass as they came."""
    async with playing(tmp_path) as play:
        play.relay.answers(stream(KEEP_ALIVE, KEEP_ALIVE, HELLO[0], KEEP_ALIVE, *HELLO[1:], USAGE, DONE))
        reply = await play.ask(stream=True)
        assert b"".join((HELLO[0], KEEP_ALIVE, *HELLO[1:], DONE)) == reply.body
        assert "text/event-stream; charset=utf-8" == reply.headers["content-type"]


async def test_any_split_of_the_bytes(tmp_path: Path) -> None:
    """What is passed on is what came, in whichever pieces it came."""
    whole = b"".join((*HELLO, USAGE, DONE))
    async with playing(tmp_path) as play:
        play.relay.answers(stream(*(whole[at : at + 7] for at in range(0, len(whole), 7))))
        assert TOLD == (await play.ask(stream=True)).body
        assert [ROUTED, HELD, ANSWERED] == play.transcript()


async def test_no_done_mark(tmp_path: Path) -> None:
    """A stream is complete with its finish reason, and a last event counts without its blank line.

    The client gets the end that its dialect has, and the ledger tells what the upstream left out.
    """
    async with playing(tmp_path) as play:
        play.relay.answers(stream(*HELLO, USAGE.rstrip()))
        assert TOLD == (await play.ask(stream=True)).body
        assert [ROUTED, HELD, ANSWERED] == play.transcript()
        assert ("no_done",) == (await play.settled()).flags
        explained = "\n".join(printed(story_view(tell(find(play.paths.ledger, "last"))), 100))
        assert "no_done: the stream ended whole, without the event that ends it" in explained


async def test_a_receipt_without_a_done_mark(tmp_path: Path) -> None:
    """What tf adds at the end stands before the mark that it gives in the upstream's stead."""
    async with playing(tmp_path) as play:
        play.relay.answers(stream(*HELLO, USAGE))
        reply = await play.ask(stream=True, headers={"x-tf-receipt": "stream"})
        assert (b"".join(HELLO), DONE) == (reply.body.partition(b": tf ")[0], reply.body[-len(DONE) :])


SECOND = event({"choices": [{"index": 1, "delta": {"content": "Ho"}, "finish_reason": "stop"}]})

SAID_ALL: dict[str, tuple[Answer, int]] = {
    "reset": (stream(*HELLO, USAGE, End.RESET), 1),
    "closed": (stream(*HELLO, USAGE, End.CLOSE), 1),
    "in the mark": (stream(*HELLO, USAGE, b"data: [DO", End.RESET), 1),
    "silence": (stream(*HELLO, USAGE, End.NEVER), 1),
    "usage at the finish": (stream(*HELLO[:3], chunk(finish="stop", usage=TOKENS), End.RESET), 1),
    "two choices": (stream(*HELLO, SECOND, USAGE, End.RESET), 2),
}


@pytest.mark.parametrize("name", SAID_ALL)
async def test_a_stream_cut_after_all_was_said(tmp_path: Path, name: str) -> None:
    """When every choice has finished and the usage has come, only the end is missing: the answer is whole."""
    answer, choices = SAID_ALL[name]
    async with playing(tmp_path, Setup(relay=SHORT)) as play:
        play.relay.answers(answer)
        reply = await play.ask(stream=True, n=choices)
        assert (200, DONE) == (reply.status, reply.body[-len(DONE) :])
        assert b"error" not in reply.body
        assert [ROUTED, HELD, ANSWERED] == play.transcript()
        assert ("no_done",) == (await play.settled()).flags
        assert {} == play.fold.health.failures


NOT_ALL_SAID: dict[str, tuple[Answer, int, str]] = {
    "no usage": (stream(*HELLO, End.RESET), 1, "estimated"),
    "usage before the finish": (stream(HELLO[0], chunk("Hi ", usage=TOKENS), HELLO[3], End.RESET), 1, "partial"),
    "one choice of two": (stream(*HELLO, USAGE, End.RESET), 2, "partial"),
    "one choice of two finished": (
        stream(*HELLO, event({"choices": [{"index": 1, "delta": {"content": "Ho"}}]}), USAGE, End.RESET),
        2,
        "partial",
    ),
}


@pytest.mark.parametrize("name", NOT_ALL_SAID)
async def test_a_stream_cut_before_all_was_said(tmp_path: Path, name: str) -> None:
    """A finish reason alone does not make a cut stream whole: the client sees that something is missing."""
    answer, choices, source = NOT_ALL_SAID[name]
    async with playing(tmp_path) as play:
        play.relay.answers(answer)
        reply = await play.ask(stream=True, n=choices)
        assert b"ended early (stream_cut)" in reply.body
        entry = await play.settled()
        assert ("broken", "stream_cut", source, ()) == (entry.outcome, entry.error, entry.usage_source, entry.flags)


async def test_one_choice_where_two_were_asked_for(tmp_path: Path) -> None:
    """Some upstreams give one choice, whatever is asked for: at a proper end that is what they had to say."""
    async with playing(tmp_path) as play:
        play.relay.answers(stream(*HELLO, USAGE))
        assert TOLD == (await play.ask(stream=True, n=2)).body
        assert [ROUTED, HELD, ANSWERED] == play.transcript()


async def test_two_choices_of_which_one_never_finished(tmp_path: Path) -> None:
    """A choice that began and never finished is missing, however properly its stream ends; `[DONE]` is its word."""
    begun = event({"choices": [{"index": 1, "delta": {"content": "Ho"}}]})
    async with playing(tmp_path) as play:
        play.relay.answers(stream(*HELLO, begun, USAGE), stream(*HELLO, begun, USAGE, DONE))
        assert b"ended early (stream_cut)" in (await play.ask(stream=True, n=2)).body
        assert (await play.ask(stream=True, n=2)).body.endswith(DONE)


async def test_a_cut_stream_that_was_not_asked_for_its_usage(tmp_path: Path) -> None:
    """`stream_usage = "never"`: what nobody asked for is not missing."""
    async with playing(tmp_path, Setup(relay='stream_usage = "never"')) as play:
        play.relay.answers(stream(*HELLO, End.RESET))
        assert TOLD == (await play.ask(stream=True)).body
        entry = await play.settled()
        assert ("ok", "estimated", ("no_usage", "no_done")) == (entry.outcome, entry.usage_source, entry.flags)


async def test_a_client_that_leaves_before_the_done_mark(tmp_path: Path) -> None:
    """What a client that left was told of the usage is the upstream's last word, and computed."""
    async with playing(tmp_path) as play:
        play.relay.answers(stream(*HELLO, USAGE, End.NEVER))
        async with play.streaming(stream_options={"include_usage": True}) as got:
            received = b""
            async for part in got.aiter_raw():
                received += part
                if received.endswith(USAGE):
                    break
        await play.idle()
        assert [ROUTED, HELD, LEFT.format("0.048 CNY computed", 200)] == play.transcript()


async def test_what_follows_the_done_mark_is_not_waited_for(tmp_path: Path) -> None:
    """An upstream that keeps its stream open after `[DONE]` keeps nobody waiting."""
    async with playing(tmp_path) as play:
        play.relay.answers(stream(*HELLO, USAGE, DONE, End.NEVER))
        assert TOLD == (await play.ask(stream=True)).body
        assert [ROUTED, HELD, ANSWERED] == play.transcript()


async def test_a_connection_serves_again_after_a_stream(tmp_path: Path) -> None:
    """A stream that was read to its end gives its connection back: no handshake for the next call."""
    async with playing(tmp_path) as play:
        for _ in range(3):
            await play.ask(stream=True)
            await play.ask()
        assert (6, 1) == (len(play.relay.got), play.relay.connections)


async def test_never_asked_for_usage(tmp_path: Path) -> None:
    """`stream_usage = "never"`: the request stays as it is; without usage the bytes are estimated, and that is said."""
    async with playing(tmp_path, Setup(relay='stream_usage = "never"')) as play:
        assert TOLD == (await play.ask(stream=True)).body
        assert "stream_options" not in play.relay.got[0].asked
        entry = await play.settled()
        assert ("estimated", "estimated", ("no_usage",)) == (entry.usage_source, entry.certainty, entry.flags)


REFUSED = refusal(400, message="Unrecognized request argument supplied: stream_options")


async def test_an_upstream_that_refuses_to_tell_its_usage(tmp_path: Path) -> None:
    """DESIGN 3: a 400 naming `stream_options` is retried once without, at once and out of no budget, however often."""
    async with playing(tmp_path) as play:
        for _ in range(5):
            play.relay.answers(REFUSED, stream(*HELLO, DONE))
            reply = await play.ask(stream=True)
            assert TOLD == reply.body
            assert {"x-tf-route": "relay", "x-tf-attempts": "2"} == reply.said("x-tf-route", "x-tf-attempts")
            assert [
                ROUTED,
                HELD,
                "voided 1 rejected stream_options 400 zero",
                "held 2 retry relay by wallet after stream_options",
                "settled 2 ok 0.029 CNY estimated; final 200",
            ] == play.transcript()
        assert [True, False] * 5 == ["stream_options" in got.asked for got in play.relay.got]


async def test_an_upstream_that_refuses_it_as_unprocessable(tmp_path: Path) -> None:
    """DESIGN 3: FastAPI's servers say 422, and where the member stands; that is ours to mend as well."""
    told = b'{"detail":[{"type":"extra_forbidden","loc":["body","stream_options"],"msg":"Extra inputs"}]}'
    async with playing(tmp_path) as play:
        play.relay.answers(plain(told, status=422), stream(*HELLO, DONE))
        assert TOLD == (await play.ask(stream=True)).body
        assert [True, False] == ["stream_options" in got.asked for got in play.relay.got]
        assert "voided 1 rejected stream_options 422 zero" in play.transcript()
        play.relay.answers(plain(told.replace(b"stream_options", b"top_k"), status=422))
        assert 422 == (await play.ask(stream=True)).status


async def test_what_the_client_wrote_is_not_taken_out(tmp_path: Path) -> None:
    """A client that asked for the usage itself gets its upstream's refusal, once."""
    async with playing(tmp_path) as play:
        play.relay.answers(REFUSED)
        reply = await play.ask(stream=True, stream_options={"include_usage": True})
        assert (400, REFUSED[0].partition(b"\r\n\r\n")[2]) == (reply.status, reply.body)  # type: ignore[union-attr]
        assert [ROUTED, HELD, "voided 1 rejected bad_request 400 zero; final 400"] == play.transcript()


async def test_refused_without_the_option_too(tmp_path: Path) -> None:
    """The second refusal is the client's to read."""
    async with playing(tmp_path) as play:
        play.relay.answers(REFUSED, REFUSED)
        assert 400 == (await play.ask(stream=True)).status
        assert [
            ROUTED,
            HELD,
            "voided 1 rejected stream_options 400 zero",
            "held 2 retry relay by wallet after stream_options",
            "voided 2 rejected bad_request 400 zero; final 400",
        ] == play.transcript()


BEGUN = HELLO[:2]

BREAKS: dict[str, tuple[Answer, str]] = {
    "reset": (stream(*BEGUN, End.RESET), "stream_cut"),
    "closed": (stream(*BEGUN, End.CLOSE), "stream_cut"),
    "ended without a finish reason": (stream(*BEGUN), "stream_cut"),
    "half an event": (stream(*BEGUN, b'data: {"choices":[{"del'), "stream_malformed"),
    "no JSON": (stream(*BEGUN, b"data: oops\n\n"), "stream_malformed"),
    "error event": (stream(*BEGUN, event({"error": {"message": "overloaded", "code": 503}})), "stream_error"),
    "empty inside": (stream(*BEGUN, event({"error": {"code": "insufficient_quota"}})), "stream_error"),
    "named an error": (stream(*BEGUN, b'event: error\ndata: {"message":"overloaded"}\n\n'), "stream_error"),
    "error, then the mark": (stream(*BEGUN, event({"error": {"message": "no"}}), DONE), "stream_error"),
    "no object": (stream(*BEGUN, b"data: null\n\n"), "stream_malformed"),
    "silence": (stream(*BEGUN, End.NEVER), "idle_timeout"),
    "comments, then silence": (stream(*BEGUN, KEEP_ALIVE, End.NEVER), "idle_timeout"),
    "comments, then its end": (stream(*BEGUN, KEEP_ALIVE), "stream_cut"),
}


@pytest.mark.parametrize("name", BREAKS)
async def test_a_stream_that_breaks(tmp_path: Path, name: str) -> None:
    """After the first data event nobody else answers: the client sees an error (CASES 21), what came is settled."""
    answer, error = BREAKS[name]
    async with playing(tmp_path, Setup(relay=SHORT)) as play:
        play.relay.answers(answer)
        reply = await play.ask(stream=True, headers={"x-tf-receipt": "stream"})
        call_id = reply.headers["x-request-id"]
        message = f"The upstream's stream ended early ({error}). What came is settled; see `tf explain {call_id}`."
        last = {"error": {"message": message, "type": "server_error", "param": None, "code": error}}
        passed = b"".join(BEGUN) + KEEP_ALIVE * name.startswith("comments")
        assert (200, passed + event(last)) == (reply.status, reply.body)
        # 9 tokens of input by its bytes, one of output by `Hi `.
        assert [ROUTED, HELD, f"settled 1 broken {error} 0.019 CNY estimated; final 200"] == play.transcript()
        assert [] == play.official.got


@pytest.mark.parametrize("begun", [BEGUN, ()], ids=["begun", "not begun"])
async def test_a_stream_that_is_given_up_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: tuple[bytes, ...]
) -> None:
    """An upstream whose stream can't be read is hung up on at once: what it would still write is not wanted."""
    monkeypatch.setattr(upstream_file, "FINISH_S", 60.0)
    async with playing(tmp_path) as play:
        play.relay.answers(stream(*begun, b"data: oops\n\n", End.NEVER))
        await play.ask(stream=True)
        await until(play.relay.hung_up.is_set)


async def test_a_broken_streams_usage_is_kept(tmp_path: Path) -> None:
    """CASES 20: what it reported before it broke counts, and is called partial."""
    async with playing(tmp_path) as play:
        so_far = {"prompt_tokens": 8, "completion_tokens": 1}
        play.relay.answers(stream(chunk("Hi ", usage=so_far), End.RESET))
        await play.ask(stream=True)
        entry = await play.settled()
        assert ("0.018", "partial", "estimated") == (entry.charge, entry.usage_source, entry.certainty)


async def test_three_broken_streams_cool_their_candidate(tmp_path: Path) -> None:
    """DESIGN 7: a broken stream counts as a failure."""
    async with playing(tmp_path) as play:
        play.relay.answers(*[stream(*BEGUN, End.CLOSE)] * 3)
        for _ in range(3):
            await play.ask(stream=True)
        assert "cooled candidate relay/relay-gpt-5 5 s, level 1, stream_cut" == play.transcript()[-1]


UNREAD = "settled 1 unanswered {} 0.009 CNY estimated"

NOT_BEGUN: dict[str, tuple[Answer, tuple[str, ...]]] = {
    "error event": (
        stream(KEEP_ALIVE, event({"error": {"message": "slow down", "code": "rate_limit_exceeded"}})),
        (
            "voided 1 rejected rate_limited 200 zero",
            "cooled candidate relay/relay-gpt-5 10 s, level 1, rate_limited",
        ),
    ),
    "empty": (
        stream(event({"error": {"code": "insufficient_user_quota"}})),
        (
            "voided 1 rejected insufficient_quota 200 zero",
            "cooled balance wallet 3600 s, level 1, insufficient_quota",
        ),
    ),
    "named an error": (
        stream(b'event: error\ndata: {"type":"insufficient_balance"}\n\n'),
        (
            "voided 1 rejected insufficient_quota 200 zero",
            "cooled balance wallet 3600 s, level 1, insufficient_quota",
        ),
    ),
    "no JSON": (stream(b"data: oops\n\n"), (UNREAD.format("bad_reply"),)),
    "no object": (stream(b"data: []\n\n"), (UNREAD.format("bad_reply"),)),
    "half an event": (stream(b'data: {"choices":[{"del'), (UNREAD.format("bad_reply"),)),
    "half an event, then reset": (stream(b'data: {"choices":[{"del', End.RESET), (UNREAD.format("reset"),)),
    "no events": (stream(), (UNREAD.format("bad_reply"),)),
    "no body": (plain(b"", headers=SSE), (UNREAD.format("bad_reply"),)),
    "no data in its events": (stream(b"data:\n\n", b"data: \n\n"), (UNREAD.format("bad_reply"),)),
    "its head, then nothing": (stream(End.NEVER), (UNREAD.format("first_byte_timeout"),)),
    "its head, then closed": (stream(End.CLOSE), (UNREAD.format("reset"),)),
    # What was reported counts, however little of an answer came with it.
    "usage alone": (stream(USAGE), ("settled 1 unanswered bad_reply 0.048 CNY estimated",)),
    "only comments": (stream(KEEP_ALIVE), (UNREAD.format("bad_reply"),)),
    "comments, then reset": (stream(KEEP_ALIVE, End.RESET), (UNREAD.format("reset"),)),
    "comments, then closed": (stream(KEEP_ALIVE, End.CLOSE), (UNREAD.format("reset"),)),
    "comments, then nothing": (stream(KEEP_ALIVE, End.NEVER), (UNREAD.format("first_byte_timeout"),)),
    "no stream": (plain(b"<html>"), (UNREAD.format("bad_reply"),)),
}


@pytest.mark.parametrize("name", NOT_BEGUN)
async def test_a_stream_that_has_not_begun_falls_back(tmp_path: Path, name: str) -> None:
    """DESIGN 3: nothing went downstream, headers included, so another candidate can answer."""
    answer, lines = NOT_BEGUN[name]
    cause = lines[0].split()[3]
    async with playing(tmp_path, Setup(relay=SHORT)) as play:
        play.relay.answers(answer)
        reply = await play.ask(stream=True)
        assert TOLD == reply.body
        assert f"relay/relay-gpt-5>official/gpt-5; {cause}" == reply.headers["x-tf-fell-back"]
        assert [
            ROUTED,
            HELD,
            *lines,
            f"held 2 fallback official by credit past relay/relay-gpt-5 failed_in_call after {cause}",
            "settled 2 ok 0.096 USD computed; final 200",
        ] == play.transcript()


@asynccontextmanager
async def ticking(count: int) -> AsyncGenerator[list[asyncio.Event]]:
    """Give events that come one after the other, each a third of what `SHORT` lets an upstream be silent."""
    ticks = [asyncio.Event() for _ in range(count)]
    loop = asyncio.get_running_loop()
    timers = [loop.call_later(0.1 * number, tick.set) for number, tick in enumerate(ticks, 1)]
    yield ticks
    for timer in timers:
        timer.cancel()


async def test_comments_lengthen_the_time_for_an_answer(tmp_path: Path) -> None:
    """An upstream that says it is at work is waited for beyond `first_byte`: its comments are no silence."""
    async with playing(tmp_path, Setup(relay=SHORT)) as play, ticking(8) as ticks:
        play.relay.answers(stream(*(step for tick in ticks for step in (KEEP_ALIVE, tick)), *HELLO, USAGE, DONE))
        assert TOLD == (await play.ask(stream=True)).body
        assert [ROUTED, HELD, ANSWERED] == play.transcript()


async def test_comments_are_life_up_to_the_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that says nothing else until the call's deadline has not answered: its client is told, there is no other."""
    monkeypatch.setattr(attempt_file, "HELD_BACK_S", 0.1)
    async with (
        playing(tmp_path, Setup(relay=SHORT, more='[policy]\ndeadline = "600ms"')) as play,
        ticking(40) as ticks,
    ):
        play.relay.answers(stream(*(step for tick in ticks for step in (KEEP_ALIVE, tick)), *HELLO, USAGE, DONE))
        reply = await play.ask(stream=True)
        assert (200, True) == (reply.status, reply.body.startswith(KEEP_ALIVE))
        assert b"ended early (idle_timeout)" in reply.body
        assert [] == play.official.got


async def test_blanks_before_a_late_reply(tmp_path: Path) -> None:
    """`idle` bounds the silence between two bytes of a whole reply too: blank lines before its JSON are life."""
    body = completion()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    async with playing(tmp_path, Setup(relay=SHORT)) as play, ticking(8) as ticks:
        steps = (step for tick in ticks for step in (b"\n", tick))
        play.relay.answers((head % (len(body) + len(ticks)), *steps, body))
        reply = await play.ask()
        assert (200, "Hi there") == (reply.status, reply.json["choices"][0]["message"]["content"])
        assert [ROUTED, HELD, ANSWERED] == play.transcript()
        play.relay.answers((head % (len(body) + 1), b"\n", End.NEVER))
        assert "official" == (await play.ask()).headers["x-tf-route"]
        assert "settled 1 unanswered reset 0.009 CNY estimated" == play.transcript()[2]


async def test_comments_before_a_slow_first_token(tmp_path: Path) -> None:
    """What is slow and in time is waited for; the comments before it go to nobody."""
    slow = asyncio.Event()
    async with playing(tmp_path, Setup(relay=SHORT)) as play:
        play.relay.answers(stream(KEEP_ALIVE, slow, *HELLO, USAGE, DONE))
        asking = asyncio.create_task(play.ask(stream=True))
        await play.relay.reached(1)
        slow.set()
        assert TOLD == (await asking).body
        assert [ROUTED, HELD, ANSWERED] == play.transcript()


async def hang_up(play: Playbook) -> None:
    """Ask for a stream and leave once two of its events came."""
    async with play.streaming() as got:
        received = b""
        async for part in got.aiter_raw():
            received += part
            if received.count(b"\n\n") > 1:
                break


async def hang_up_plain(play: Playbook) -> None:
    """Ask and leave once the upstream has the request."""
    asking = asyncio.create_task(play.ask())
    await play.relay.reached(1)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)


LEFT = "settled 1 disconnected client_left {}; final {}"


async def test_a_client_that_leaves_before_the_reply(tmp_path: Path) -> None:
    """CASES 19: an entry says by which policy; the input counts once it was sent, and the upstream is let go."""
    async with playing(tmp_path) as play:
        play.relay.answers((End.NEVER,))
        await hang_up_plain(play)
        await play.idle()
        assert [ROUTED, HELD, LEFT.format("0.009 CNY estimated", 0)] == play.transcript()
        async with asyncio.timeout(5):
            await play.relay.hung_up.wait()


async def test_a_client_that_leaves_a_stream(tmp_path: Path) -> None:
    """`disconnect = "estimate"`: the upstream is let go; the input and what was streamed are estimated."""
    async with playing(tmp_path) as play:
        play.relay.answers(stream(*BEGUN, End.NEVER))
        await hang_up(play)
        await play.idle()
        assert [ROUTED, HELD, LEFT.format("0.019 CNY estimated", 200)] == play.transcript()
        async with asyncio.timeout(5):
            await play.relay.hung_up.wait()


DRAIN = '[settle]\ndisconnect = "drain"\n'


async def test_a_stream_is_drained(tmp_path: Path) -> None:
    """`disconnect = "drain"`: the stream is read on for its real usage, which is charged."""
    go_on = asyncio.Event()
    async with playing(tmp_path, Setup(more=DRAIN)) as play:
        play.relay.answers(stream(*BEGUN, go_on, *HELLO[2:], USAGE, DONE))
        await hang_up(play)
        await play.seen_to_have_left()
        go_on.set()
        await play.idle()
        assert [ROUTED, HELD, LEFT.format("0.048 CNY computed", 200)] == play.transcript()


async def test_a_stream_that_goes_on_is_drained(tmp_path: Path) -> None:
    """The same where it is a write that finds the client gone."""
    go_on = asyncio.Event()
    events = [chunk("more ") for _ in range(50)]
    async with playing(tmp_path, Setup(more=DRAIN)) as play:
        play.relay.answers(stream(*BEGUN, go_on, *events, *HELLO[2:], USAGE, DONE))
        await hang_up(play)
        go_on.set()
        await play.idle()
        assert [ROUTED, HELD, LEFT.format("0.048 CNY computed", 200)] == play.transcript()


async def test_a_plain_reply_is_drained(tmp_path: Path) -> None:
    """A reply that is not streamed is waited for just so."""
    go_on = asyncio.Event()
    async with playing(tmp_path, Setup(more=DRAIN)) as play:
        play.relay.answers((go_on, *plain(completion())))
        await hang_up_plain(play)
        await play.seen_to_have_left()
        go_on.set()
        await play.idle()
        assert [ROUTED, HELD, LEFT.format("0.048 CNY computed", 0)] == play.transcript()


async def test_a_drain_has_its_limit(tmp_path: Path) -> None:
    """`drain_limit` ends the reading on; what came is estimated."""
    async with playing(tmp_path, Setup(more=f'{DRAIN}drain_limit = "100ms"')) as play:
        play.relay.answers(stream(*BEGUN, End.NEVER))
        await hang_up(play)
        await play.idle()
        assert [ROUTED, HELD, LEFT.format("0.019 CNY estimated", 200)] == play.transcript()


async def test_a_client_that_leaves_between_attempts(tmp_path: Path) -> None:
    """Nobody is left to answer: the wait for a retry ends, and nothing more is tried."""
    async with playing(tmp_path) as play:
        play.relay.answers(refusal(429, headers={"retry-after": "2"}))
        asking = asyncio.create_task(play.ask())
        await until(lambda: any(call.trail for call in play.fold.calls.values()))
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await play.idle()
        assert [
            ROUTED,
            HELD,
            "voided 1 rejected rate_limited 429 zero",
            "refused client_left; final 0",
        ] == play.transcript()
