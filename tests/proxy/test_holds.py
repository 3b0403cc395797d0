"""What is held through a real proxy for what a provider keeps, writes and does besides, and for what a model gives."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playbook import Playbook, Reply, Setup, playing
from upstreams import plain

from tokens_forge.core.adjustment import Order
from tokens_forge.core.entries import Held, Routed

CONFIG = """
[balance.wallet]
kind = "prepaid"
unit = "USD"

[upstream.relay]
dialect = "{dialect}"
base_url = "{{relay_url}}"
credential = "env:RELAY_KEY"
{{relay}}
[upstream.official]
dialect = "openai"
base_url = "{{official_url}}"
credential = "env:OFFICIAL_KEY"
{{official}}

[route.relay]
class = "direct"
upstream = "relay"
balance = "wallet"
serves = ["m"]
{caps}
[route.relay.prices]
"m" = [{{{{ from = 2020-01-01, unit = "USD", per = "mtok", input = 3, cache_read = 0.3, output = 15{writes} }}}}]
"dear" = [{{{{ from = 2020-01-01, unit = "USD", per = "mtok", input = 30, output = 150 }}}}]
[route.official]
class = "direct"
upstream = "official"
balance = "wallet"
serves = ["m"]
{caps_there}
[route.official.prices]
"m" = [{{{{ from = 2020-01-01, unit = "USD", per = "mtok", input = 3, output = 15 }}}}]

[model.m]
routes = ["relay/m", "official/m"]
fallback = "any"
{{more}}
"""

RESPONSES = 'endpoints = ["responses"]'
WRITES = ", cache_write_5m = 3.75, cache_write_1h = 6"


def setup(  # noqa: PLR0913 - what the cases differ in
    dialect: str = "anthropic",
    *,
    relay: str = "",
    writes: str = "",
    caps: int = 0,
    caps_there: int = 0,
    money: str = "100 USD",
) -> Setup:
    """Return a relay at 3 and 15 USD a Mtok, before an upstream that speaks chat."""
    said = [f"capabilities = {{{{ m = {{{{ output = {cap} }}}} }}}}" if cap else "" for cap in (caps, caps_there)]
    config = CONFIG.format(dialect=dialect, writes=writes, caps=said[0], caps_there=said[1])
    return Setup(config=config, relay=relay, fund={"wallet": money})


MESSAGE = b'{"type":"message","id":"%s","model":"m","role":"assistant","content":[{"type":"text","text":"Hi"}],%s}'
ENDED = b'"stop_reason":"end_turn","usage":{"input_tokens":%d,"output_tokens":%d}'
RESPONSE = (
    b'{"id":"%s","object":"response","model":"m","status":"completed","output":[],'
    b'"usage":{"input_tokens":%d,"output_tokens":%d,"total_tokens":%d}}'
)
CHAT = (
    b'{"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant",'
    b'"content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":1,"total_tokens":6}}'
)


def message(known_as: bytes, read: int, said: int) -> bytes:
    """Return an answer in Messages."""
    return MESSAGE % (known_as, ENDED % (read, said))


def response(known_as: bytes, read: int, said: int) -> bytes:
    """Return an answer in Responses."""
    return RESPONSE % (known_as, read, said, read + said)


ASKED: dict[str, dict[str, Any]] = {
    "/v1/messages": {"model": "m", "max_tokens": 1000, "messages": [{"role": "user", "content": "Hello"}]},
    "/v1/responses": {"model": "m", "max_output_tokens": 1000, "input": "Hello"},
    "/v1/chat/completions": {"model": "m", "max_tokens": 1000, "messages": [{"role": "user", "content": "Hello"}]},
}


async def send(play: Playbook, path: str, **more: object) -> Reply:
    """Ask at a path."""
    return await play.send("POST", path, msgspec.json.encode({**ASKED[path], **more}))


async def holds(play: Playbook) -> list[Held]:
    """Return what was held since the last look, once no call is open."""
    await play.idle()
    return [line.entry for line in play.lines() if isinstance(line.entry, Held)]


@pytest.mark.parametrize(
    ("path", "made", "first", "goes_on"),
    [
        ("/v1/responses", response, {}, {"previous_response_id": "kept_1"}),
        ("/v1/responses", response, {"conversation": "conv_1"}, {"conversation": {"id": "conv_1"}}),
        (
            "/v1/messages",
            message,
            {"thread": {"type": "create"}},
            {"thread": {"type": "continue", "previous_message_id": "kept_1"}},
        ),
    ],
)
async def test_follow_ups_at_once_never_overdraw(
    tmp_path: Path, path: str, made: Callable[[bytes, int, int], bytes], first: dict[str, Any], goes_on: dict[str, Any]
) -> None:
    """CASES 29, 66: five at once on 0.45 USD, each of which reads 72,000 tokens again that nobody sent.

    Each costs 0.231 USD, so that one is paid and four are refused before they are sent; before, all five went out and
    left -0.69.
    """
    where = setup("openai", relay=RESPONSES) if path == "/v1/responses" else setup()
    async with playing(tmp_path, where) as play:
        play.relay.answers(plain(made(b"kept_1", 70_000, 2_000)))
        assert 200 == (await send(play, path, **first)).status
        await play.idle()
        await play.adjust(Order(balance="wallet", kind="set", amount="0.45 USD"))
        play.lines()
        go = asyncio.Event()
        play.relay.answers(*[(go, *plain(made(b"next", 72_000, 1_000)))] * 5)
        calls = [asyncio.create_task(send(play, path, **goes_on)) for _ in range(5)]
        await play.relay.reached(2)
        go.set()
        replies = await asyncio.gather(*calls)
        assert [200, 402, 402, 402, 402] == sorted(reply.status for reply in replies)
        (held,) = await holds(play)
        assert 72_000 == held.hold_basis.kept
        assert Decimal("0.45") - Decimal("0.231") == play.fold.book.state("wallet", "USD").posted


async def test_a_maximum_beyond_what_the_model_gives(tmp_path: Path) -> None:
    """32,000 asked for of a model that gives 8,192: as much is sent and held, its budget is below, both are named."""
    async with playing(tmp_path, setup(caps=8_192)) as play:
        play.relay.answers(plain(message(b"m", 10, 1)))
        thinking = {"type": "enabled", "budget_tokens": 31_999}
        got = await send(play, "/v1/messages", max_tokens=32_000, thinking=thinking)
        asked = play.relay.got[0].asked
        assert (8_192, {"type": "enabled", "budget_tokens": 6_144}) == (asked["max_tokens"], asked["thinking"])
        assert "max_tokens, thinking.budget_tokens" == got.headers["x-tf-dropped"]
        lines = [line.entry for line in play.lines()]
        (routed,) = [entry for entry in lines if isinstance(entry, Routed)]
        (held,) = [entry for entry in lines if isinstance(entry, Held)]
        assert (32_000, 32_000, 8_192) == (routed.output_bound, routed.output_asked, held.hold_basis.output)
        assert ("max_tokens", "thinking.budget_tokens") == routed.dropped == held.dropped


@pytest.mark.parametrize(
    ("path", "member", "sent_as"),
    [
        ("/v1/chat/completions", "max_tokens", "max_tokens"),
        ("/v1/chat/completions", "max_completion_tokens", "max_tokens"),
        ("/v1/responses", "max_output_tokens", "max_tokens"),
        ("/v1/messages", "max_tokens", "max_tokens"),
    ],
)
@pytest.mark.parametrize("dialect", ["anthropic", "openai"])
async def test_in_every_dialect(tmp_path: Path, path: str, member: str, sent_as: str, dialect: str) -> None:
    """Passed through and translated; the client reads its own member's name."""
    answer = message(b"m", 10, 1) if dialect == "anthropic" else CHAT
    async with playing(tmp_path, setup(dialect, caps=500)) as play:
        play.relay.answers(plain(answer))
        body = {name: value for name, value in ASKED[path].items() if not name.startswith("max_")}
        got = await play.send("POST", path, msgspec.json.encode({**body, member: 32_000}))
        assert (200, member) == (got.status, got.headers["x-tf-dropped"])
        asked = play.relay.got[0].asked
        own = path == "/v1/chat/completions" and dialect == "openai"
        assert 500 == asked[member if own else sent_as]
        assert [500] == [held.hold_basis.output for held in await holds(play)]


async def test_each_candidate_has_its_own(tmp_path: Path) -> None:
    """What a fallback gives is asked of it, and held; a model of which nobody says is asked for what was asked."""
    async with playing(tmp_path, setup("openai", caps=500, caps_there=2_000)) as play:
        play.relay.answers(*[plain(b"{}", status=500)] * 2)
        play.official.answers(plain(CHAT))
        got = await send(play, "/v1/chat/completions", max_tokens=32_000)
        assert [500, 500, 2_000] == [
            *(one.asked["max_tokens"] for one in play.relay.got),
            play.official.got[0].asked["max_tokens"],
        ]
        assert [500, 500, 2_000] == [held.hold_basis.output for held in await holds(play)]
        assert "max_tokens" == got.headers["x-tf-dropped"]


async def test_within_what_the_model_gives_nothing_is_touched(tmp_path: Path) -> None:
    """The bytes pass as they came."""
    async with playing(tmp_path, setup("openai", caps=8_192)) as play:
        play.relay.answers(plain(CHAT))
        got = await send(play, "/v1/chat/completions")
        assert 1_000 == play.relay.got[0].asked["max_tokens"]
        assert "x-tf-dropped" not in got.headers


@pytest.mark.parametrize(
    ("path", "more", "input_class"),
    [
        ("/v1/messages", {}, ""),
        ("/v1/messages", {"cache_control": {"type": "ephemeral"}}, "cache_write_5m"),
        ("/v1/messages", {"cache_control": {"type": "ephemeral", "ttl": "1h"}}, "cache_write_1h"),
        ("/v1/chat/completions", {}, ""),
        ("/v1/chat/completions", {"prompt_cache_key": "k"}, "cache_write_5m"),
        ("/v1/responses", {"prompt_cache_key": "k"}, "cache_write_5m"),
    ],
)
async def test_writes_are_held(tmp_path: Path, path: str, more: dict[str, Any], input_class: str) -> None:
    """Where the client marks its prompt, and where our own translation does."""
    async with playing(tmp_path, setup(writes=WRITES)) as play:
        play.relay.answers(plain(message(b"m", 10, 1)))
        assert 200 == (await send(play, path, **more)).status
        assert [input_class] == [held.hold_basis.input_class for held in await holds(play)]


async def test_a_dialect_that_writes_by_itself(tmp_path: Path) -> None:
    """A chat upstream whose card has a write rate is held for at it, marked or not."""
    async with playing(tmp_path, setup("openai", writes=WRITES)) as play:
        play.relay.answers(plain(CHAT))
        await send(play, "/v1/chat/completions")
        assert ["cache_write_5m"] == [held.hold_basis.input_class for held in await holds(play)]


async def test_besides_are_held(tmp_path: Path) -> None:
    """An advisor's card is looked up though it is no candidate; a compaction is held at its trigger."""
    async with playing(tmp_path, setup()) as play:
        play.relay.answers(*[plain(message(b"m", 10, 1))] * 3)
        advisor = {"type": "advisor_20260301", "name": "advisor", "model": "dear", "max_uses": 2, "max_tokens": 2_000}
        edit = {"type": "compact_20260112", "trigger": {"type": "input_tokens", "value": 50_000}}
        await send(play, "/v1/messages", tools=[advisor])
        await send(play, "/v1/messages", context_management={"edits": [edit]})
        await send(play, "/v1/messages", fallbacks=[{"model": "dear"}])
        of_advisor, of_compaction, of_fallback = (Decimal(one.hold_basis.beside) for one in await holds(play))
        assert of_advisor > 2 * (Decimal("0.3") + Decimal("0.03"))
        assert Decimal("0.15") + 4_096 * Decimal("0.000015") == of_compaction
        assert of_fallback > Decimal("0.13")


async def test_an_advisor_without_a_price(tmp_path: Path) -> None:
    """CASES 12: refused before anything is sent, by every route that would be asked for it."""
    async with playing(tmp_path, setup()) as play:
        advisor = {"type": "advisor_20260301", "name": "advisor", "model": "of-nobody"}
        got = await send(play, "/v1/messages", tools=[advisor])
        assert (501, []) == (got.status, play.relay.got)
        assert "`tf prices set relay of-nobody --input … --output … --unit USD`" in got.message
