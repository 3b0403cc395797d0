"""What a client's headers narrow, aliases, orders and crossings, from the wire to the ledger."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from playbook import REQUEST, Playbook, Setup, playing
from upstreams import refusal

from tokens_forge.core.entries import Held, Routed
from tokens_forge.core.plan import PlanOrder

pytestmark = pytest.mark.usefixtures("impatient")

BY_OFFICIAL = "settled 1 ok 0.096 USD computed; final 200"
MORE = """
[model.quick]
alias = "smart"
[model.thrifty]
routes = ["official/gpt-5", "relay/gpt-5"]
burn = "cheapest"
fallback = "class"
cross = { to = "direct", up_to = "0.40 USD", per = "day" }
[route.blind]
class = "ordinary"
upstream = "relay"
balance = "wallet"
serves = { "b-*" = "relay-*" }
price = "free"
capabilities = { "*" = { vision = false, context = 1000 } }
[key.night]
classes = ["ordinary"]
[report]
fx = { CNY = [{ from = 2020-01-01, rate = "8" }] }
"""
PAIR = """
[route.second]
class = "ordinary"
upstream = "official"
balance = "wallet"
serves = ["gpt-5"]
[route.second.prices]
"gpt-5" = [{ from = 2020-01-01, unit = "CNY", per = "ktok", input = 1, output = 10 }]
[model.pair]
routes = ["relay/gpt-5", "second/gpt-5"]
"""
"""Two ways to the same model, in one class and off one balance."""

EYES = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://pictures.example/1.png"}}]}]


def routed(play: Playbook) -> Routed:
    """Return the entry that began the last call."""
    return [line.entry for line in play.lines() if isinstance(line.entry, Routed)][-1]


async def test_a_pinned_route_is_never_rerouted(tmp_path: Path) -> None:
    """CASES 27: when it fails nothing else is tried, and the error says what the client pinned."""
    async with playing(tmp_path, Setup(more=MORE)) as play:
        assert "official" == (await play.ask(headers={"x-tf-route": "official"})).headers["x-tf-route"]
        assert [
            "routed smart: relay/relay-gpt-5 official/gpt-5",
            "held 1 first official by credit past relay/relay-gpt-5 not_pinned",
            BY_OFFICIAL,
        ] == play.transcript()
        play.official.answers(refusal(429))
        reply = await play.ask(headers={"x-tf-class": "direct"})
        assert (429, "rate_limited") == reply.error
        assert "relay/relay-gpt-5 by wallet: the client pinned another route or class" in reply.message
        assert (0, "direct") == (len(play.relay.got), routed(play).pinned_class)


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({"x-tf-route": "rely"}, (400, "unknown_route")),
        ({"x-tf-class": "premium"}, (400, "unknown_class")),
        ({"x-tf-fallback": "all"}, (400, "unknown_fallback")),
        ({"x-tf-max-charge": "cheap"}, (400, "bad_amount")),
        ({"x-tf-class": "local"}, (403, "wider_than_config")),
        ({"x-tf-route": "blind"}, (403, "wider_than_config")),
    ],
)
async def test_a_header_that_would_widen_is_no_call(
    tmp_path: Path, headers: dict[str, str], error: tuple[int, str]
) -> None:
    """400 with the likely name, 403 saying what the config allows; no line in the ledger, no retry by an SDK."""
    async with playing(tmp_path, Setup(more=MORE)) as play:
        reply = await play.ask(headers=headers)
        assert (error, "false") == (reply.error, reply.headers["x-should-retry"])
        assert [] == play.transcript()


async def test_a_header_twice_is_refused(tmp_path: Path) -> None:
    """Only one of two could count."""
    async with playing(tmp_path) as play:
        twice = [
            ("authorization", f"Bearer {play.tokens['aider']}"),
            ("content-type", "application/json"),
            ("x-tf-route", "relay"),
            ("X-TF-Route", "official"),
        ]
        got = await play.http.post(f"{play.url}/v1/chat/completions", content=b"{}", headers=twice)
        assert (400, "repeated_header") == (got.status_code, got.json()["error"]["code"])


async def test_a_key_widens_nothing_for_another(tmp_path: Path) -> None:
    """A class that the key has not is refused as a pin, whoever else may use it."""
    async with playing(tmp_path, Setup(more=MORE)) as play:
        play.issue("night")
        reply = await play.ask(headers={"x-tf-class": "direct"}, key="night")
        assert (403, "wider_than_config") == reply.error
        assert reply.message.endswith("key `night` may not use class `direct`: `[key.night] classes` has ordinary")


async def test_where_it_must_stay(tmp_path: Path) -> None:
    """`x-tf-fallback: class` in a model that may go anywhere: the official route is not touched."""
    async with playing(tmp_path, Setup(more=MORE)) as play:
        play.relay.answers(refusal(401))
        reply = await play.ask(headers={"x-tf-fallback": "class"})
        assert (502, "candidates_exhausted") == reply.error
        assert "official/gpt-5 by credit: outside of where this call may fall back" in reply.message
        assert [] == play.official.got


async def test_the_clients_own_cap(tmp_path: Path) -> None:
    """The hold is compared: 0.111 CNY and 0.222 USD."""
    async with playing(tmp_path, Setup(more=MORE)) as play:
        reply = await play.ask(headers={"x-tf-max-charge": "0.11 CNY"})
        assert (402, "max_charge_exceeded") == reply.error
        assert "relay/relay-gpt-5 by wallet: over the client's limit of 0.11 CNY, 0.111 CNY needed" in reply.message
        assert 200 == (await play.ask(headers={"x-tf-max-charge": "0.111 CNY"})).status


async def test_an_alias_in_an_order_by_cost_that_crosses(tmp_path: Path) -> None:
    """The relay is cheaper, so it is meant; when it is out of money the call crosses, up to 0.40 USD a day."""
    async with playing(tmp_path, Setup(more=MORE)) as play:
        assert "relay" == (await play.ask(model="thrifty")).headers["x-tf-route"]
        begun = routed(play)
        assert ("cheapest", ["relay/relay-gpt-5", "official/gpt-5"], "relay/relay-gpt-5") == (
            begun.burn,
            [place.candidate for place in begun.ranked],
            begun.intended,
        )
        assert "smart" == ((await play.ask(model="quick")) and routed(play).model)
        play.relay.answers(refusal(402))
        reply = await play.ask(model="thrifty")
        assert ("official", "direct") == (reply.headers["x-tf-route"], reply.headers["x-tf-class"])
        held = [line.entry for line in play.lines() if isinstance(line.entry, Held)][-1]
        assert ("direct", [("cross.thrifty/day", "0.222")]) == (
            held.crossed,
            [(one.budget, one.amount) for one in held.counted],
        )
        assert "official" == (await play.ask(model="thrifty")).headers["x-tf-route"]
        reply = await play.ask(model="thrifty")
        assert (402, "budget_exceeded") == reply.error
        assert "over budget cross.thrifty/day: 0.208 USD left, 0.222 USD needed" in reply.message
        assert "official" == (await play.ask(model="smart")).headers["x-tf-route"]


async def test_what_a_request_needs(tmp_path: Path) -> None:
    """A route that says it is blind is not asked to see, nor to read more than fits."""
    async with playing(tmp_path, Setup(more=MORE)) as play:
        assert 200 == (await play.ask(model="b-gpt-5")).status
        assert "relay-gpt-5" == play.relay.got[0].asked["model"]
        reply = await play.ask(model="b-gpt-5", messages=EYES)
        assert (400, "no_capability") == reply.error
        assert "it can't do what the request asks for (vision)" in reply.message
        reply = await play.ask(model="b-gpt-5", messages=[{"role": "user", "content": "long " * 1000}])
        assert (400, "context_length_exceeded") == reply.error
        assert "its context takes 1000 tokens, 1258 tokens needed" in reply.message
        assert 1 == len(play.relay.got)


async def test_a_plan_is_what_then_happens(tmp_path: Path) -> None:
    """Asked of the running proxy: what cools there cools in the plan; nothing is written."""
    async with playing(tmp_path, Setup(more=MORE)) as play:
        play.relay.answers(refusal(429))
        await play.ask()
        play.lines()
        told = (await play.control("POST", "/plan", PlanOrder(model="smart", key="aider", bound=10))).json
        assert [("relay/relay-gpt-5", "passed_over"), ("official/gpt-5", "first")] == [
            (one["candidate"], one["verdict"]) for one in told["candidates"]
        ]
        told = (await play.control("POST", "/plan", PlanOrder(model="b-never-met"))).json
        assert ["first"] == [one["verdict"] for one in told["candidates"]]
        assert 409 == (await play.control("POST", "/plan", PlanOrder(model="smart", route="odd"))).status
        assert 400 == (await play.control("POST", "/plan", [1])).status
        assert [] == play.lines()


async def test_a_conversation_stays_for_its_cache(tmp_path: Path) -> None:
    """CASES 50: answered by the second of two relays, its next turn goes there first; another conversation does not."""
    async with playing(tmp_path, Setup(more=PAIR)) as play:
        play.relay.answers(refusal(400, "context_length_exceeded"))
        reply = await play.ask(model="pair")
        assert ("second", "relay/relay-gpt-5>second/gpt-5; context_too_long") == (
            reply.headers["x-tf-route"],
            reply.headers["x-tf-fell-back"],
        )
        play.lines()
        reply = await play.ask(model="pair")
        assert ("second", {}) == (reply.headers["x-tf-route"], reply.said("x-tf-fell-back"))
        begun = routed(play)
        assert ("relay/relay-gpt-5", "second/gpt-5") == (begun.intended, begun.sticky)
        other = await play.ask(model="pair", messages=[{"role": "user", "content": "Another matter"}])
        assert "relay" == other.headers["x-tf-route"]


async def test_it_goes_on_from_where_the_conversation_was(tmp_path: Path) -> None:
    """When the one that it stayed on fails, the intended one answers: that is a fallback, and the header says so."""
    async with playing(tmp_path, Setup(more=PAIR)) as play:
        play.relay.answers(refusal(400, "context_length_exceeded"))
        await play.ask(model="pair")
        play.official.answers(refusal(400, "context_length_exceeded"))
        reply = await play.ask(model="pair")
        assert ("relay", "second/gpt-5>relay/relay-gpt-5; context_too_long") == (
            reply.headers["x-tf-route"],
            reply.headers["x-tf-fell-back"],
        )


async def test_a_header_is_judged_by_the_config_that_routes_the_call(tmp_path: Path) -> None:
    """A reload while a body is still coming: what was allowed as it began to come is not, once it is here."""
    async with playing(tmp_path) as play:
        host, _, port = play.url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        body = msgspec.json.encode(REQUEST)
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {play.tokens['aider']}\r\nx-tf-fallback: any\r\nConnection: close\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body[:10])
        await writer.drain()
        assert 200 == (await play.reload('fallback = "any"', 'fallback = "none"')).status
        writer.write(body[10:])
        got = await reader.read()
        writer.close()
        await writer.wait_closed()
        assert b" 403 " in got.partition(b"\r\n")[0]
        assert b"wider_than_config" in got


async def test_who_refuses_the_usage_option_is_remembered_alone(tmp_path: Path) -> None:
    """Another upstream of the same call is asked for a stream's usage all the same, and so it is billed by it."""
    async with playing(tmp_path) as play:
        play.relay.answers(refusal(400, message="unknown field stream_options"), refusal(500), refusal(500))
        assert 200 == (await play.ask(stream=True)).status
        assert [True, False] == ["stream_options" in got.asked for got in play.relay.got]
        assert {"include_usage": True} == play.official.got[0].asked["stream_options"]
        assert "computed" == (await play.settled()).certainty
