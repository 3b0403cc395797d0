"""How much a model takes and gives at once."""

from datetime import date

import pytest
from builders import RELAY, card, config
from msgspec.structs import replace

from tokens_forge.core.config import Capabilities
from tokens_forge.core.stated import context_of, output_of, stated

AT = "2026-11-24T10:00:00.000000Z"


def test_what_a_route_says_by_name_or_pattern() -> None:
    """The upstream's own name goes before a pattern, of patterns the first as written."""
    said = {"gpt-*": Capabilities(context=1), "gpt-5*": Capabilities(context=2), "gpt-5": Capabilities(context=3)}
    route = replace(config().route["relay"], capabilities=said)
    assert [3, 1, 0] == [stated(route, model).context for model in ("gpt-5", "gpt-5-mini", "other")]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("claude-sonnet-4-5-20250929", 32_000),
        ("anthropic/claude-opus-4-6", 32_000),
        ("claude-3-5-haiku-latest", 0),
        ("claude-2.1", 0),
        ("claude-instant-1.2", 0),
        ("deepseek-v4", 0),
        ("own", 1_000),
    ],
)
def test_how_much_a_model_gives(model: str, expected: int) -> None:
    """The route's word goes before what is known; of most nothing is."""
    route = replace(config().route["relay"], capabilities={"own": Capabilities(output=1_000)})
    assert expected == output_of(route, model)


def test_how_much_fits() -> None:
    """The route's word goes before the catalogue's; nobody's is 0, and so is that of a card which begins later."""
    route = config().route["relay"]
    own = replace(route, capabilities={"m": Capabilities(context=7)})
    card_of_today = card(RELAY, {}, context_window=9)
    later = card(RELAY, {}, context_window=9, valid_from=date(2030, 1, 1))
    assert [7, 9, 0, 0, 0] == [
        context_of(own, "m", (card_of_today,), AT),
        context_of(route, "m", (card_of_today,), AT),
        context_of(route, "m", (), AT),
        context_of(route, "m", (later,), AT),
        context_of(route, "m", (card(RELAY, {}),), AT),
    ]
