"""Which route made a response that its upstream keeps, and how long it is."""

import msgspec
from builders import OUTPUT

from tokens_forge.core import responses
from tokens_forge.core.entries import Routed, Settled
from tokens_forge.core.responses import Responses


def routed() -> Routed:
    return Routed(
        id="tf_1",
        key="k",
        model_asked="m",
        dialect_in="openai_responses",
        stream=False,
        stored=True,
        input_estimate=OUTPUT,
        output_bound=OUTPUT,
    )


def settled(response: str, route: str = "relay") -> Settled:
    return Settled(
        id="tf_1",
        n=1,
        role="first",
        final=True,
        key="k",
        model_asked="m",
        upstream="u",
        upstream_model="m",
        dialect_in="openai_responses",
        dialect_out="openai_responses",
        stream=False,
        intended=f"{route}/m",
        route=route,
        route_class="ordinary",
        balance="wallet",
        outcome="ok",
        total_ms=1.0,
        usage={},
        usage_source="none",
        charge="0",
        unit="CNY",
        certainty="zero",
        hold="0",
        overrun="0",
        upstream_id=response,
    )


def test_the_oldest_is_forgotten() -> None:
    """So many are kept that a fold stays small; one that comes again is new."""
    made = Responses()
    made.apply(routed(), settled("first"))
    made.apply(routed(), settled("again"))
    for number in range(responses.RESPONSES_AT_MOST - 2):
        made.apply(routed(), settled(f"resp_{number}"))
    made.apply(routed(), settled("first", "official"))
    made.apply(routed(), settled("new"))
    assert responses.RESPONSES_AT_MOST == len(made.made_by) == len(made.sizes)
    assert ("official", None) == (made.made_by["first"], made.made_by.get("again"))


def test_a_renamed_route() -> None:
    """CASES 53: what it made is still its own."""
    made = Responses()
    made.apply(routed(), settled("a"))
    made.apply(routed(), settled("b", "official"))
    made.renamed("relay", "cheap")
    assert {"a": "cheap", "b": "official"} == made.made_by


def test_a_fold_of_before_is_read() -> None:
    """Sizes came later than routes: what a page of before opened with still knows its responses."""
    before = msgspec.json.decode(b'{"made_by":{"resp_1":"relay"}}', type=Responses)
    assert ({"resp_1": "relay"}, responses.NOT_KNOWN) == (before.made_by, before.size_of("resp_1"))
