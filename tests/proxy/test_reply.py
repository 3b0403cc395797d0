"""What the client reads at the edges: odd upstreams, secrets, readers that are slow or gone."""

import asyncio
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from playbook import SECRETS, Setup, playing
from upstreams import DONE, HELLO, JSON, USAGE, chunk, completion, plain, refusal, stream

from tokens_forge.core.entries import Settled
from tokens_forge.proxy import watch as watch_file

LISTED = """
[route.half]
class = "ordinary"
upstream = "official"
balance = "credit"
serves = ["gpt-4o"]
price = { list = "0.5" }
"""
"""A route at half of the list price that the catalogue knows."""


async def test_the_saving(tmp_path: Path) -> None:
    """The list price less the charge, in the list's unit: at half of the list price as much as the charge."""
    async with playing(tmp_path, Setup(official='provider = "openai"', more=LISTED)) as play:
        reply = await play.ask(model="gpt-4o")
        charge = reply.headers["x-tf-charge"]
        assert Decimal(0) < Decimal(charge.removesuffix(" USD"))
        assert {"x-tf-charge": charge, "x-tf-saving": charge} == reply.said("x-tf-charge", "x-tf-saving")


async def test_a_stream_of_nothing(tmp_path: Path) -> None:
    """An answer that is only its end mark is an empty answer, whose input counts (CASES 20)."""
    async with playing(tmp_path) as play:
        play.relay.answers(stream(DONE))
        reply = await play.ask(stream=True)
        assert (200, DONE, "relay") == (reply.status, reply.body, reply.headers["x-tf-route"])
        assert "settled 1 ok 0.009 CNY estimated; final 200" == play.transcript()[-1]


async def test_names_from_outside_break_no_header(tmp_path: Path) -> None:
    """DESIGN 8: control characters never get into a header; an upstream's id may hold anything."""
    async with playing(tmp_path) as play:
        play.relay.answers(plain(completion(), headers={**JSON, "x-request-id": "req\u00e9\x7f"}))
        reply = await play.ask()
        assert (200, "req\\xe9\\x7f") == (reply.status, reply.headers["x-tf-upstream-request-id"])


async def test_a_credential_never_comes_down(tmp_path: Path) -> None:
    """DESIGN 8: an upstream that repeats our credential in an error tells it to nobody."""
    async with playing(tmp_path) as play:
        play.relay.answers(refusal(400, "bad", f"I do not like {SECRETS['RELAY_KEY']}"))
        reply = await play.ask()
        assert (400, "I do not like [credential]") == (reply.status, reply.message)


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_credential_in_a_success(tmp_path: Path, *, streamed: bool) -> None:
    """An error inside a success is an error too: whole, or where a stream should begin."""
    error = msgspec.json.encode({"error": {"code": "invalid_prompt", "message": f"not {SECRETS['RELAY_KEY']}"}})
    async with playing(tmp_path) as play:
        for answer in (plain(error), *([stream(b"data: %s\n\n" % error)] if streamed else [])):
            play.relay.answers(answer)
            reply = await play.ask(stream=streamed)
            assert (400, "not [credential]") == (reply.status, reply.message)


async def test_a_credential_for_a_name(tmp_path: Path) -> None:
    """What an upstream says of itself is written down; its credential is not, whatever it gives for an id."""
    secret = SECRETS["RELAY_KEY"]
    async with playing(tmp_path) as play:
        body = completion().replace(b"chatcmpl-1", secret.encode())
        play.relay.answers(plain(body, headers={**JSON, "x-request-id": f"req {secret}"}))
        assert "req [credential]" == (await play.ask()).headers["x-tf-upstream-request-id"]
        assert "[credential]" == (await play.settled()).upstream_id
        play.replies.clear()  # the body passes as it is


async def test_what_the_client_sent_of_itself_stays_here(tmp_path: Path) -> None:
    """DESIGN 8: the client's token, key and cookies go to no upstream; the audit compares the headers that went."""
    async with playing(tmp_path) as play:
        own = {"cookie": "session=1", "x-api-key": "sk-of-mine", "openai-organization": "org", "x-custom": "1"}
        assert 200 == (await play.ask(headers=own)).status
        assert f"Bearer {SECRETS['RELAY_KEY']}" == play.relay.got[0].headers["authorization"]


async def test_a_slow_reader_holds_nobody_up(tmp_path: Path) -> None:
    """A client that reads nothing makes its own upstream wait; other calls go on."""
    async with playing(tmp_path) as play:
        play.relay.answers(stream(*HELLO[:2], *[chunk("x" * 65536)] * 512, *HELLO[2:], DONE))
        async with play.streaming() as slow:
            await play.relay.reached(1)
            assert [200] * 3 == [reply.status for reply in await asyncio.gather(*(play.ask() for _ in range(3)))]
            assert 1 == len(play.fold.calls)
            whole = await slow.aread()
        assert whole.endswith(DONE)


async def test_a_stream_that_begins_with_nobody_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that left unseen is found gone by the first write."""
    monkeypatch.setattr(watch_file, "SWEEP_S", 60)
    go_on = asyncio.Event()
    async with playing(tmp_path) as play:
        play.relay.answers((go_on, *stream(*HELLO, USAGE, DONE)))
        asking = asyncio.create_task(play.ask(stream=True))
        await play.relay.reached(1)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        go_on.set()
        entry = await play.settled()
        assert isinstance(entry, Settled)
        assert ("disconnected", "client_left") == (entry.outcome, entry.error)
