"""What breaks below HTTP: resets after a chosen byte, half-closed and silent connections, single bytes, kept ones.

Between the proxy and the scripted relay stands a TCP relay (`tcp_relay.py`). Each fault is classified, settled and
visible; the playbook's audit counts what began on the wire, and finds no hold left.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from playbook import SHORT, Playbook, Reply, Setup, playing
from tcp_relay import Cut, Passage, TcpRelay
from upstreams import DONE, HELLO, USAGE, End, completion, plain, stream, until

from tokens_forge.core.entries import Settled
from tokens_forge.proxy import upstream as upstream_file
from tokens_forge.proxy import watch as watch_file

ROUTED = "routed smart: relay/relay-gpt-5 official/gpt-5"
HELD = "held 1 first relay by wallet"
ANSWERED = "settled 1 ok 0.048 CNY computed; final 200"
FELL_BACK = "held 2 fallback official by credit past relay/relay-gpt-5 failed_in_call after {}"
ANSWERED_BY_OFFICIAL = "settled 2 ok 0.096 USD computed; final 200"
UNANSWERED = "settled 1 unanswered {} 0.009 CNY estimated"

PLAIN = b"".join(it for it in plain(completion()) if isinstance(it, bytes))
STREAM = b"".join(it for it in stream(*HELLO, USAGE, DONE) if isinstance(it, bytes))
"""The scripted relay's replies as they are on the wire."""

PLAIN_HEAD = PLAIN.index(b"\r\n\r\n") + 4
STREAM_HEAD = STREAM.index(b"\r\n\r\n") + 4
OPENED, SAID = (STREAM.index(b"\r\n", STREAM.index(it) + len(it)) + 2 for it in HELLO[:2])
"""Where the chunk of the event is over that opens the stream, and of that with its first word."""

both = pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
each_cut = pytest.mark.parametrize("cut", [Cut.RESET, Cut.CLOSE, Cut.HALF], ids=lambda cut: cut.value)


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often at what is late."""
    monkeypatch.setattr(watch_file, "SWEEP_S", 0.02)


@asynccontextmanager
async def through_tcp(folder: Path, setup: Setup | None = None) -> AsyncGenerator[tuple[Playbook, TcpRelay]]:
    """Give a playbook whose scripted relay stands behind a TCP relay."""
    async with TcpRelay() as tcp:
        setup = replace(setup or Setup(), relay_url=tcp.url, relay_count=tcp.count)
        async with playing(folder, setup) as play:
            tcp.to(play.relay.url)
            yield play, tcp


def answered_by_relay(reply: Reply, *, streamed: bool) -> None:
    """Hold a reply to the relay's own, whole."""
    assert (200, b"".join((*HELLO, DONE)) if streamed else completion()) == (reply.status, reply.body)
    assert "relay" == reply.headers["x-tf-route"]


def answered_by_official(reply: Reply, cause: str, *, streamed: bool) -> None:
    """Hold a reply to the official route's, whole, with the cause in its head."""
    assert (200, b"".join((*HELLO, DONE)) if streamed else completion()) == (reply.status, reply.body)
    assert f"relay/relay-gpt-5>official/gpt-5; {cause}" == reply.headers["x-tf-fell-back"]


def unanswered(error: str) -> list[str]:
    """Return the story of a call whose first attempt was sent and not answered."""
    return [ROUTED, HELD, UNANSWERED.format(error), FELL_BACK.format(error), ANSWERED_BY_OFFICIAL]


ASKED: dict[str, int] = {"the first byte": 0, "in the head": 40, "in the body": 250}


@both
@each_cut
@pytest.mark.parametrize("where", ASKED)
async def test_a_request_that_is_not_taken_whole(tmp_path: Path, where: str, cut: Cut, *, streamed: bool) -> None:
    """A request was sent once a byte may have gone, however little of it came to an upstream: its input counts."""
    async with through_tcp(tmp_path) as (play, tcp):
        tcp.passes(Passage(asked=ASKED[where], then=cut))
        answered_by_official(await play.ask(stream=streamed), "reset", streamed=streamed)
        assert unanswered("reset") == play.transcript()
        assert [] == play.relay.got


@both
@pytest.mark.parametrize("cut", [Cut.RESET, Cut.CLOSE], ids=lambda cut: cut.value)
async def test_a_connection_that_is_cut_at_once(tmp_path: Path, cut: Cut, *, streamed: bool) -> None:
    """A connection that was made and is gone before it was written to: that a byte went can't be ruled out."""
    async with through_tcp(tmp_path) as (play, tcp):
        tcp.passes(Passage(taken=False, then=cut))
        answered_by_official(await play.ask(stream=streamed), "reset", streamed=streamed)
        assert unanswered("reset") == play.transcript()


TOO_LARGE = b'{"error":{"message":"too large","type":"invalid_request_error","param":null,"code":null}}'
REFUSED = b"HTTP/1.1 413 -\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s"


async def test_a_large_request_that_is_refused_early(tmp_path: Path) -> None:
    """An upstream that refuses a request by its head and hangs up on the rest has refused it: nothing is billed."""
    async with through_tcp(tmp_path, Setup(fund={"wallet": "10000 CNY"})) as (play, tcp):
        tcp.passes(Passage(asked=1000, says=REFUSED % (len(TOO_LARGE), TOO_LARGE), then=Cut.CLOSE))
        reply = await play.ask(messages=[{"role": "user", "content": "x" * 8_000_000}])
        assert (413, TOO_LARGE) == (reply.status, reply.body)
        assert [ROUTED, HELD, "voided 1 rejected bad_request 413 zero; final 413"] == play.transcript()
        assert [] == play.relay.got


async def test_a_large_request_that_is_cut(tmp_path: Path) -> None:
    """The same in the middle of megabytes: the proxy is still writing when the connection is torn down."""
    rich = Setup(fund={"wallet": "10000 CNY", "credit": "10000 USD"})
    async with through_tcp(tmp_path, rich) as (play, tcp):
        tcp.passes(Passage(asked=100_000))
        reply = await play.ask(messages=[{"role": "user", "content": "x" * 8_000_000}])
        answered_by_official(reply, "reset", streamed=False)
        settled = play.lines()[2].entry
        assert isinstance(settled, Settled)
        assert ("unanswered", "reset", "estimated") == (settled.outcome, settled.error, settled.certainty)
        assert settled.usage["input"] > 1_000_000


UNREAD: dict[str, tuple[bool, int]] = {
    "before the head": (False, 0),
    "in the head": (False, 30),
    "after the head": (False, PLAIN_HEAD),
    "in the body": (False, PLAIN_HEAD + 50),
    "before the last byte": (False, len(PLAIN) - 1),
    "before a stream's head": (True, 0),
    "in a stream's head": (True, 30),
    "after a stream's head": (True, STREAM_HEAD),
    "in a chunk's size": (True, STREAM_HEAD + 1),
    "in the first event": (True, STREAM_HEAD + 30),
    "after a stream's opening": (True, OPENED),
    "in the first word": (True, OPENED + 40),
}


@each_cut
@pytest.mark.parametrize("where", UNREAD)
async def test_a_reply_that_is_cut(tmp_path: Path, where: str, cut: Cut) -> None:
    """Row sent, no answer: cut before the first word or within a body, another candidate answers."""
    streamed, answered = UNREAD[where]
    async with through_tcp(tmp_path) as (play, tcp):
        tcp.passes(Passage(answered=answered, then=cut))
        answered_by_official(await play.ask(stream=streamed), "reset", streamed=streamed)
        assert unanswered("reset") == play.transcript()
        answered_by_relay(await play.ask(stream=streamed), streamed=streamed)


@pytest.mark.parametrize("where", UNREAD)
async def test_a_reply_that_stops(tmp_path: Path, where: str) -> None:
    """The same for a connection that stays open and says nothing more: it is waited for so long, then let go."""
    streamed, answered = UNREAD[where]
    in_body = not streamed and answered >= PLAIN_HEAD
    async with through_tcp(tmp_path, Setup(relay=SHORT)) as (play, tcp):
        tcp.passes(Passage(answered=answered, then=Cut.SILENCE))
        error = "reset" if in_body else "first_byte_timeout"
        answered_by_official(await play.ask(stream=streamed), error, streamed=streamed)
        assert unanswered(error) == play.transcript()
        await until(lambda: tcp.open == 0)


@both
async def test_a_connection_that_takes_all_and_says_nothing(tmp_path: Path, *, streamed: bool) -> None:
    """A half-open connection: bytes go, nobody is there. Nothing came to the upstream, but that can't be known."""
    async with through_tcp(tmp_path, Setup(relay=SHORT)) as (play, tcp):
        tcp.passes(Passage(asked=0, then=Cut.SILENCE))
        answered_by_official(await play.ask(stream=streamed), "first_byte_timeout", streamed=streamed)
        assert unanswered("first_byte_timeout") == play.transcript()
        assert [] == play.relay.got
        await until(lambda: tcp.open == 0)


BEGUN: dict[str, int] = {
    "after the first word": SAID,
    "in a chunk's size": SAID + 1,
    "in the second word": SAID + 40,
}


@pytest.mark.parametrize("where", BEGUN)
@pytest.mark.parametrize("cut", Cut, ids=lambda cut: cut.value)
async def test_a_stream_that_breaks(tmp_path: Path, where: str, cut: Cut) -> None:
    """Row broken stream: what came is settled, nobody else answers, the client sees an error and no silent end."""
    async with through_tcp(tmp_path, Setup(relay=SHORT)) as (play, tcp):
        tcp.passes(Passage(answered=BEGUN[where], then=cut))
        reply = await play.ask(stream=True)
        error = "idle_timeout" if cut is Cut.SILENCE else "stream_cut"
        assert (200, True) == (reply.status, reply.body.startswith(b"".join(HELLO[:2]) + b'data: {"error":'))
        assert f"ended early ({error})" in reply.body.decode()
        # Its input, and the one word.
        assert [ROUTED, HELD, f"settled 1 broken {error} 0.019 CNY estimated; final 200"] == play.transcript()
        assert [] == play.official.got


STEP = 13


async def test_a_plain_reply_cut_anywhere(tmp_path: Path) -> None:
    """Wherever a reply is torn down, its whole is an answer and no less of it is."""
    async with through_tcp(tmp_path) as (play, tcp):
        for answered in (*range(0, len(PLAIN), STEP), len(PLAIN)):
            tcp.passes(Passage(answered=answered))
            await play.ask()
            told = [line for line in play.transcript() if not line.startswith(("cooled", "recovered"))]
            assert [ROUTED, HELD, ANSWERED] if answered == len(PLAIN) else unanswered("reset") == told
            play.clock.on(minutes=10)  # whatever cools is over


async def test_a_stream_cut_anywhere(tmp_path: Path) -> None:
    """Wherever a stream is torn down: before its first word another answers, then the client sees that it broke.

    Once its finish reason and its usage have come, nothing but its end is missing, and the client gets that from us.
    """
    first, said, done = (STREAM.index(it) + len(it) for it in (HELLO[1], USAGE, DONE))
    async with through_tcp(tmp_path) as (play, tcp):
        edges = (first - 1, first, said - 1, said, done - 1, done, len(STREAM))
        for answered in (*range(0, len(STREAM), STEP), *edges):
            tcp.passes(Passage(answered=answered))
            reply = await play.ask(stream=True)
            settled = [it.entry for it in play.lines() if isinstance(it.entry, Settled)]
            outcomes = [entry.outcome for entry in settled]
            whole = reply.body.endswith(DONE)
            assert 200 == reply.status
            if answered < first:
                assert (["unanswered", "ok"], True) == (outcomes, whole)
            elif answered < said:
                assert (["broken"], False, True) == (outcomes, whole, b"ended early (stream_cut)" in reply.body)
            else:
                assert (["ok"], True) == (outcomes, whole)
                assert (("no_done",) if answered < done else ()) == settled[0].flags
            play.clock.on(minutes=10)


@both
async def test_single_bytes(tmp_path: Path, *, streamed: bool) -> None:
    """However small the pieces of a reply, it is the same reply."""
    async with through_tcp(tmp_path) as (play, tcp):
        tcp.passes(Passage(slow=True))
        answered_by_relay(await play.ask(stream=streamed), streamed=streamed)
        assert [ROUTED, HELD, ANSWERED] == play.transcript()


HEADS: dict[str, tuple[bool, int]] = {
    "in the head": (False, 30),
    "before the head's last byte": (False, PLAIN_HEAD - 1),
    "in a stream's head": (True, 30),
    "before the last byte of a stream's head": (True, STREAM_HEAD - 1),
}


@pytest.mark.parametrize("where", HEADS)
async def test_a_slow_head_in_time(tmp_path: Path, where: str) -> None:
    """A head that comes in parts is waited for."""
    streamed, part = HEADS[where]
    async with through_tcp(tmp_path) as (play, tcp):
        go_on = asyncio.Event()
        tcp.passes(Passage(answered=part, then=go_on, slow=True))
        asking = asyncio.create_task(play.ask(stream=streamed))
        await tcp.waits.wait()
        assert [ROUTED, HELD] == play.transcript()
        go_on.set()
        answered_by_relay(await asking, streamed=streamed)
        assert [ANSWERED] == play.transcript()


@pytest.mark.parametrize("where", HEADS)
async def test_a_slow_head_beyond_its_time(tmp_path: Path, where: str) -> None:
    """The first byte of an answer is its head, whole: single bytes of one do not extend the time."""
    streamed, part = HEADS[where]
    async with through_tcp(tmp_path, Setup(relay=SHORT)) as (play, tcp):
        tcp.passes(Passage(answered=part, then=Cut.SILENCE, slow=True))
        answered_by_official(await play.ask(stream=streamed), "first_byte_timeout", streamed=streamed)
        assert unanswered("first_byte_timeout") == play.transcript()


UNTIL_CLOSED = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n"


@each_cut
async def test_a_reply_without_a_length(tmp_path: Path, cut: Cut) -> None:
    """A reply may end with its connection, however that ends; half of it is no JSON, and so no answer."""
    async with through_tcp(tmp_path) as (play, tcp):
        play.relay.answers(*[(UNTIL_CLOSED, completion(), End.CLOSE)] * 2)
        tcp.passes(Passage(), Passage(answered=len(UNTIL_CLOSED) + 50, then=cut))
        answered_by_relay(await play.ask(), streamed=False)
        assert [ROUTED, HELD, ANSWERED] == play.transcript()
        answered_by_official(await play.ask(), "bad_reply", streamed=False)
        assert unanswered("bad_reply") == play.transcript()


@both
@each_cut
async def test_a_kept_connection_that_is_closed(tmp_path: Path, cut: Cut, *, streamed: bool) -> None:
    """What the peer closed between two calls is not used again: the next call costs nothing for it."""
    async with through_tcp(tmp_path) as (play, tcp):
        for connections in (1, 2):
            answered_by_relay(await play.ask(stream=streamed), streamed=streamed)
            assert [ROUTED, HELD, ANSWERED] == play.transcript()
            assert connections == tcp.connections
            await tcp.hang_up(cut)


async def test_many_kept_connections_that_are_closed(tmp_path: Path) -> None:
    """The same for all of them at once, as when an upstream is started anew."""
    async with through_tcp(tmp_path) as (play, tcp):
        for connections in (5, 10):
            replies = await asyncio.gather(*(play.ask() for _ in range(5)))
            assert ["relay"] * 5 == [reply.headers["x-tf-route"] for reply in replies]
            assert connections == tcp.connections
            await tcp.hang_up(Cut.RESET)


@both
@each_cut
async def test_a_kept_connection_that_closes_on_a_request(tmp_path: Path, cut: Cut, *, streamed: bool) -> None:
    """A request that meets a closing connection may have been received: unanswered once, and another answers.

    Nothing sends it there again (aiohttp would, were it no POST), and the call after it finds a new connection.
    """
    async with through_tcp(tmp_path) as (play, tcp):
        tcp.passes(Passage(requests=1, then=cut))
        answered_by_relay(await play.ask(stream=streamed), streamed=streamed)
        assert [ROUTED, HELD, ANSWERED] == play.transcript()
        answered_by_official(await play.ask(stream=streamed), "reset", streamed=streamed)
        assert unanswered("reset") == play.transcript()
        assert (1, 2) == (tcp.connections, tcp.requests)
        answered_by_relay(await play.ask(stream=streamed), streamed=streamed)
        assert [ROUTED, HELD, ANSWERED] == play.transcript()
        assert (2, 3) == (tcp.connections, tcp.requests)


async def test_an_idle_connection_is_dropped_before_its_peer_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`KEEP_ALIVE_S`: a connection serves the next call at once, and is closed by us when it was idle so long."""
    monkeypatch.setattr(upstream_file, "KEEP_ALIVE_S", 0.5)
    async with through_tcp(tmp_path) as (play, tcp):
        await play.ask()
        await play.ask()
        assert (1, 1) == (tcp.connections, tcp.open)
        await until(lambda: tcp.open == 0)
        answered_by_relay(await play.ask(), streamed=False)
        assert 2 == tcp.connections
        assert [ROUTED, HELD, ANSWERED] * 3 == play.transcript()
