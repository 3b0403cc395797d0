"""The spine, as transcripts: what was asked, what the upstreams answered, what the ledger says, what the client got."""

import asyncio
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from playbook import Playbook, Reply, Setup, playing
from upstreams import DONE, HELLO, JSON, USAGE, chunk, completion, plain, refusal, stream

from tokens_forge.core.entries import Routed, Settled

ROUTED = "routed smart: relay/relay-gpt-5 official/gpt-5"
HELD = "held 1 first relay by wallet"
PAID = "settled 1 ok 0.048 CNY computed; final 200"

LISTED = Setup(relay='provider = "openai"', official='provider = "openai"')
"""Both upstreams have the list prices of OpenAI."""

OURS = (
    *("x-tf-route", "x-tf-class", "x-tf-balance", "x-tf-attempts", "x-tf-fell-back"),
    *("x-tf-charge", "x-tf-certainty", "x-tf-saving"),
)


def settled(play: Playbook) -> Settled:
    """Return the entry that closed the last call, a charge."""
    entry = play.closing()
    assert isinstance(entry, Settled)
    return entry


def receipt_of(reply: Reply) -> dict[str, object]:
    """Return the receipt at the end of a stream: one comment line of JSON, just before the last event."""
    comments = [line for line in reply.body.split(b"\n") if line.startswith(b":")]
    assert 1 == len(comments)
    assert reply.body.endswith(comments[0] + b"\n\n" + DONE)
    return msgspec.json.decode(comments[0].removeprefix(b": tf "), type=dict[str, object])


async def test_plain(tmp_path: Path) -> None:
    """A call is routed, held, settled; the reply is the upstream's, byte for byte."""
    async with playing(tmp_path) as play:
        reply = await play.ask()
        assert 200 == reply.status, reply.body
        assert [ROUTED, HELD, PAID] == play.transcript()
        assert completion() == reply.body


async def test_streamed(tmp_path: Path) -> None:
    """The same as a stream, event by event."""
    async with playing(tmp_path) as play:
        reply = await play.ask(stream=True)
        assert (200, b"".join((*HELLO, DONE))) == (reply.status, reply.body)
        assert [ROUTED, HELD, PAID] == play.transcript()


async def test_what_goes_up_is_what_was_asked(tmp_path: Path) -> None:
    """DESIGN 3: of a request only the model's name changes; every other value goes up byte for byte."""
    body = (
        '{"model":"smart", "temperature" : 1.10, "x":{"b":1 ,"a":12345678901234567890},'
        '"messages":[{"role":"user","content":"\\u00e9 é"}]}'
    )
    async with playing(tmp_path) as play:
        await play.send("POST", "/v1/chat/completions", body.encode())
        fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        got = msgspec.json.decode(play.relay.got[0].body, type=dict[str, msgspec.Raw])
        assert fields | {"model": msgspec.Raw(b'"relay-gpt-5"')} == got
        assert "POST /v1/chat/completions" == play.relay.got[0].line


@pytest.mark.parametrize(
    "body",
    [
        completion() + b"\n\n",
        completion().replace(b",", b" ,\r\n"),
        completion("\u2028 \\ é \x7f", unknown={"field": [1.10]}),
        completion().replace(b'"chatcmpl-1"', b'"\\u0063hatcmpl-1"'),
    ],
)
async def test_what_comes_down_is_what_was_said(tmp_path: Path, body: bytes) -> None:
    """The reply's bytes are the upstream's, its content type too; its `model` is never rewritten."""
    async with playing(tmp_path) as play:
        play.relay.answers(plain(body, headers={"content-type": "application/json; charset=utf-8"}))
        reply = await play.ask()
        assert (body, "application/json; charset=utf-8") == (reply.body, reply.headers["content-type"])
        assert [ROUTED, HELD, PAID] == play.transcript()


async def test_headers(tmp_path: Path) -> None:
    """DESIGN 3, 9: the id, who answered, who paid, after how many attempts, for how much, and the upstream's own id."""
    async with playing(tmp_path, LISTED) as play:
        play.relay.answers(plain(completion(), headers={**JSON, "x-request-id": "req_of_relay", "set-cookie": "a=1"}))
        reply = await play.ask()
        entry = settled(play)
        assert {
            "x-request-id": entry.id,
            "x-tf-route": "relay",
            "x-tf-class": "ordinary",
            "x-tf-balance": "wallet",
            "x-tf-attempts": "1",
            "x-tf-charge": "0.048 CNY",
            "x-tf-certainty": "computed",
            "x-tf-upstream-request-id": "req_of_relay",
        } == reply.said("x-request-id", *OURS, "x-tf-upstream-request-id", "set-cookie", "x-should-retry")


async def test_the_headers_of_a_fallback(tmp_path: Path) -> None:
    """`x-tf-fell-back` says from where, to where and why; the saving is in the list's unit, and may be negative."""
    async with playing(tmp_path, LISTED) as play:
        play.relay.answers(refusal(402))
        reply = await play.ask()
        entry = settled(play)
        assert Decimal(entry.list) - Decimal("0.096") == Decimal(entry.saving) < 0
        assert {
            "x-tf-route": "official",
            "x-tf-class": "direct",
            "x-tf-balance": "credit",
            "x-tf-attempts": "2",
            "x-tf-fell-back": "relay/relay-gpt-5>official/gpt-5; insufficient_quota",
            "x-tf-charge": "0.096 USD",
            "x-tf-certainty": "computed",
            "x-tf-saving": f"{entry.saving} USD",
        } == reply.said(*OURS)


async def test_a_fallback_before_the_first_attempt(tmp_path: Path) -> None:
    """DESIGN 1: passing the intended candidate over for money is a fallback too, at the first attempt."""
    async with playing(tmp_path, Setup(fund={"credit": "10 USD"})) as play:
        reply = await play.ask(stream=True)
        assert {
            "x-tf-route": "official",
            "x-tf-class": "direct",
            "x-tf-balance": "credit",
            "x-tf-attempts": "1",
            "x-tf-fell-back": "relay/relay-gpt-5>official/gpt-5; balance_short",
        } == reply.said(*OURS)
        assert [
            ROUTED,
            "held 1 fallback official by credit past relay/relay-gpt-5 balance_short after balance_short",
            "settled 1 ok 0.096 USD computed; final 200",
        ] == play.transcript()


async def test_the_headers_of_a_stream(tmp_path: Path) -> None:
    """CASES 23: a stream names its route too; what it costs is not known when its head goes out."""
    async with playing(tmp_path, LISTED) as play:
        play.relay.answers(
            stream(*HELLO, USAGE, DONE, headers={"content-type": "text/event-stream", "x-request-id": "req_1"})
        )
        reply = await play.ask(stream=True)
        assert {
            "x-request-id": settled(play).id,
            "x-tf-route": "relay",
            "x-tf-class": "ordinary",
            "x-tf-balance": "wallet",
            "x-tf-attempts": "1",
            "x-tf-upstream-request-id": "req_1",
            "content-type": "text/event-stream; charset=utf-8",
            "cache-control": "no-cache",
        } == reply.said("x-request-id", *OURS, "x-tf-upstream-request-id", "content-type", "cache-control")


async def test_the_receipt_of_a_stream(tmp_path: Path) -> None:
    """`x-tf-receipt: stream`: the cost comes as a comment before the last event, which any client's parser skips."""
    async with playing(tmp_path, LISTED) as play:
        play.relay.answers(refusal(402))
        reply = await play.ask(stream=True, headers={"x-tf-receipt": "stream"})
        entry = settled(play)
        assert {
            "id": entry.id,
            "route": "official",
            "class": "direct",
            "balance": "credit",
            "charge": "0.096",
            "unit": "USD",
            "saving": entry.saving,
            "list_unit": "USD",
            "certainty": "computed",
            "usage": {"input": 8, "output": 4},
            "attempts": 2,
        } == receipt_of(reply)
        said = b"".join(line for line in reply.body.splitlines(keepends=True) if not line.startswith(b":"))
        assert b"".join((*HELLO, b"\n", DONE)) == said


async def test_no_receipt_unless_asked(tmp_path: Path) -> None:
    """A plain reply has none: its headers say it all."""
    async with playing(tmp_path) as play:
        assert completion() == (await play.ask(headers={"x-tf-receipt": "stream"})).body
        assert b"".join((*HELLO, DONE)) == (await play.ask(stream=True)).body


async def test_what_is_recorded(tmp_path: Path) -> None:
    """One settled entry says what was asked, who served it, what was used, at which rates, for how much."""
    async with playing(tmp_path) as play:
        await play.ask(headers={"x-tf-task": "research-42", "user-agent": "Agent/1.0", "x-stainless-retry-count": "1"})
        routed, _held, entry = (line.entry for line in play.lines())
        assert isinstance(entry, Settled)
        assert isinstance(routed, Routed)
        assert ("aider", "research-42", "Agent/1.0", 1) == (
            routed.key,
            routed.task,
            routed.agent,
            routed.client_retry,
        )
        assert ("aider", "research-42", "Agent/1.0") == (entry.key, entry.task, entry.agent)
        assert ("smart", "relay-gpt-5", "gpt-5-2026-08-07") == (
            entry.model_asked,
            entry.upstream_model,
            entry.model_served,
        )
        assert ("chatcmpl-1", "stop", "reported") == (entry.upstream_id, entry.finish, entry.usage_source)
        assert [("input", 8, "1", "0.008"), ("output", 4, "10", "0.04")] == [
            (line.usage_class, line.quantity, line.rate, line.amount) for line in entry.lines
        ]
        assert ("0.111", "0", "100", "99.952") == (
            entry.hold,
            entry.overrun,
            entry.balance_before,
            entry.balance_after,
        )
        assert 0 < entry.first_byte_ms <= entry.total_ms


async def test_no_text_in_the_ledger(tmp_path: Path) -> None:
    """DESIGN 2: what was asked, what was answered and an upstream's error text never enter the ledger."""
    async with playing(tmp_path) as play:
        play.relay.answers(
            plain(completion("an answer in confidence", finish="stop")),
            refusal(422, "odd", "an error in confidence"),
            stream(chunk("a stream in confidence", finish="stop"), USAGE, DONE),
        )
        for streamed in (False, False, True):
            await play.ask(messages=[{"role": "user", "content": "asked in confidence"}], stream=streamed)
        await play.idle()
        for path in play.paths.data.rglob("*"):
            assert not path.is_file() or b"in confidence" not in path.read_bytes()


@pytest.mark.parametrize("streamed", [False, True])
async def test_usage_that_can_not_be_true(tmp_path: Path, *, streamed: bool) -> None:
    """DESIGN 6: an impossible total is not replaced by a guess: the hold becomes the charge, and is flagged."""
    usage = {"prompt_tokens": -3, "completion_tokens": 4}
    async with playing(tmp_path) as play:
        play.relay.answers(
            stream(*HELLO, chunk(usage=usage), DONE) if streamed else plain(completion(usage=usage)),
        )
        assert 200 == (await play.ask(stream=streamed)).status
        entry = settled(play)
        assert ("0.111", "0.111", "estimated", "none") == (
            entry.hold,
            entry.charge,
            entry.certainty,
            entry.usage_source,
        )
        assert {"impossible_total", "charged_at_hold"} == set(entry.flags)


async def test_a_reply_without_usage(tmp_path: Path) -> None:
    """What an upstream does not report is estimated from the bytes of both sides, and that is said."""
    async with playing(tmp_path) as play:
        play.relay.answers(plain(completion(usage={})))
        reply = await play.ask()
        entry = settled(play)
        assert ({"input": 9, "output": 2}, "estimated", ("no_usage",)) == (
            entry.usage,
            entry.usage_source,
            entry.flags,
        )
        assert "0.029 CNY" == reply.headers["x-tf-charge"]


async def test_more_than_was_held(tmp_path: Path) -> None:
    """DESIGN 6: a charge above its hold is a fact, posted to the balance that held, and recorded."""
    async with playing(tmp_path) as play:
        play.relay.answers(plain(completion(usage={"prompt_tokens": 8, "completion_tokens": 20, "total_tokens": 28})))
        await play.ask()
        entry = settled(play)
        assert ("0.111", "0.208", "0.097", "99.792") == (
            entry.hold,
            entry.charge,
            entry.overrun,
            entry.balance_after,
        )


async def test_nothing_can_pay(tmp_path: Path) -> None:
    """CASES 38: out of money is terminal: 402 without Retry-After, naming what stands against each candidate."""
    async with playing(tmp_path, Setup(fund={})) as play:
        reply = await play.ask()
        assert (402, "insufficient_balance") == reply.error
        assert {"x-should-retry": "false", "x-tf-attempts": "0", "content-type": "application/json"} == reply.said(
            "x-should-retry", "retry-after", "x-tf-attempts", "content-type"
        )
        assert f"`tf explain {reply.headers['x-request-id']}`" in reply.message
        assert [
            ROUTED,
            "refused nothing_can_pay past relay/relay-gpt-5 balance_short, official/gpt-5 balance_short; final 402",
        ] == play.transcript()


async def test_no_such_model(tmp_path: Path) -> None:
    """An unknown model is a call that was refused, with the name that it may have meant."""
    async with playing(tmp_path) as play:
        reply = await play.ask(model="smrt")
        assert (404, "model_not_found") == reply.error
        assert "No model named `smrt`. Did you mean `smart`?" in reply.message
        assert "false" == reply.headers["x-should-retry"]
        assert ["routed smrt", "refused unknown_model; final 404"] == play.transcript()


async def test_a_model_without_a_price(tmp_path: Path) -> None:
    """CASES 12, 34: no price is not zero: what can't be metered is refused."""
    bare = """
[route.bare]
class = "direct"
upstream = "official"
balance = "credit"
serves = ["no-such-model-*", "gpt-*"]
price = "list"
"""
    async with playing(tmp_path, Setup(more=bare)) as play:
        reply = await play.ask(model="no-such-model-anywhere")
        assert (501, "no_price") == reply.error
        assert ["refused no_price past bare/no-such-model-anywhere no_price; final 501"] == play.transcript()[1:]
        assert "so it can't be metered. bare/" in reply.message
        assert "so it can't be metered. Did you mean `gpt-5-mini`? bare/" in (await play.ask(model="gpt-5-mni")).message


async def test_a_hold_while_it_is_answered(tmp_path: Path) -> None:
    """CASES 29, 30: what a call may cost is reserved before its request is sent, and no longer than it lasts."""
    go_on = asyncio.Event()
    impatient = Setup(fund={"wallet": "0.12 CNY"}, more='[settle]\nwait = "none"')
    async with playing(tmp_path, impatient) as play:
        play.relay.answers((go_on, *plain(completion())))
        asking = asyncio.create_task(play.ask())
        await play.relay.reached(1)
        assert Decimal("0.111") == play.fold.book.balances["wallet"].held
        assert (402, "insufficient_balance") == (await play.ask()).error
        go_on.set()
        assert 200 == (await asking).status
        assert 0 == play.fold.book.balances["wallet"].held
