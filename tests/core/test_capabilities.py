"""What a candidate can't do that a request asks for."""

from typing import Any

import pytest
from builders import OFFICIAL, RELAY, Bench, agreed, card, cards, config, finished, listed
from msgspec.structs import replace

from tokens_forge.core.config import Capabilities
from tokens_forge.core.entries import Held, PassedOver, Refused
from tokens_forge.core.prices import Cards


def bench(said: dict[str, Capabilities] | None = None, prices: Cards | None = None) -> Bench:
    """Return a bench on which the relay's route says so of its models, before the official route."""
    relay = replace(config().route["relay"], capabilities=said or {})
    made = Bench(terms=agreed(listed(RELAY, OFFICIAL, route={**config().route, "relay": relay}), prices))
    made.topup(wallet="100 CNY", credit="100 USD")
    return made


def over(entry: Held | Refused) -> list[tuple[str, str, str]]:
    """Return what was passed over, why, and for want of what."""
    return [(one.candidate, one.reason, one.error) for one in entry.passed_over]


@pytest.mark.parametrize("need", ["tools", "vision", "json_schema", "audio", "files"])
def test_what_it_cannot_do(need: str) -> None:
    """Said to be missing keeps a candidate away; said to be there, or not said, does not. It is not what is meant."""
    said: dict[str, Any] = {need: False}
    made = bench({"m": Capabilities(**said)})
    held = made.held(made.route(needs=(need,)))
    assert ("official", "first", [(RELAY, "no_capability", need)]) == (held.route, held.role, over(held))
    assert "relay" == made.held(made.route()).route
    said[need] = True
    for made in (bench({"m": Capabilities(**said)}), bench()):
        assert "relay" == made.held(made.route(needs=(need,))).route


def test_nobody_can() -> None:
    """400: another request is asked for; nothing cools and nothing is tried."""
    made = Bench(terms=agreed(listed(RELAY, route={"relay": replace(config().route["relay"], capabilities=NO_TOOLS)})))
    refused = made.refused(made.route(needs=("tools",)))
    assert ("no_capability", "no_capability", 400) == (refused.reason, refused.error, refused.client_status)


NO_TOOLS = {"*": Capabilities(tools=False)}


def test_a_context_that_is_too_short() -> None:
    """The route's word, in tokens as estimated without a margin; exactly as much fits."""
    made = bench({"m": Capabilities(context=1000)})
    assert "relay" == made.held(made.route(input_estimate=1000)).route
    (passed,) = made.held(made.route(input_estimate=1001)).passed_over
    long = PassedOver(
        candidate=RELAY, balance="wallet", reason="context_too_long", available="1000", need="1001", unit="tokens"
    )
    assert long == passed


def test_the_catalogues_context_where_the_route_says_none() -> None:
    """And nothing where neither says it: then the upstream decides."""
    short = replace(cards(), list={RELAY: (card(RELAY, {}, context_window=500),), OFFICIAL: (card(OFFICIAL, {}),)})
    made = bench(None, short)
    assert [(RELAY, "context_too_long", "")] == over(made.held(made.route(input_estimate=501)))
    made = bench({"m": Capabilities(context=600)}, short)
    assert "relay" == made.held(made.route(input_estimate=501)).route
    none = replace(cards(), list={RELAY: (card(RELAY, {}, valid_from=None, begins=LATER),)})
    made = bench(None, none)
    assert "relay" == made.held(made.route(input_estimate=501)).route


LATER = card(RELAY, {}).valid_from.replace(year=2030)  # pyright: ignore[reportOptionalMemberAccess] - the builder's has one


def test_an_estimate_is_taken_as_such_calls_turned_out() -> None:
    """A script of which the bytes say twice too much must not be turned away for it."""
    made = bench({"m": Capabilities(context=1000)})
    for _ in range(19):
        made.attempt(made.route(input_estimate=100), finished(usage={"input": 50, "output": 1}))
    assert "official" == made.attempt(made.route(input_estimate=1100)).route
    made.attempt(made.route(input_estimate=100), finished(usage={"input": 50, "output": 1}))
    assert "relay" == made.held(made.route(input_estimate=2000)).route
    assert "official" == made.held(made.route(input_estimate=2002)).route


def test_too_long_for_everyone() -> None:
    """The code by which agents shorten their conversation, whether we or the upstreams say so."""
    route = {name: replace(it, capabilities={"*": Capabilities(context=10)}) for name, it in config().route.items()}
    made = Bench(terms=agreed(listed(RELAY, OFFICIAL, route=route)))
    refused = made.refused(made.route())
    assert ("context_too_long", "context_length_exceeded", 400) == (
        refused.reason,
        refused.error,
        refused.client_status,
    )
    made = bench()
    call = made.route()
    made.attempt(call, "context_too_long")
    made.attempt(call, "context_too_long")
    refused = made.refused(call)
    assert ("exhausted", "context_length_exceeded", 400) == (refused.reason, refused.error, refused.client_status)
    call = made.route()
    made.attempt(call, "context_too_long")
    made.attempt(call, "reset")
    assert ("candidates_exhausted", 502) == ((refused := made.refused(call)).error, refused.client_status)
