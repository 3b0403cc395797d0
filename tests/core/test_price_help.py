"""A missing price names the line that sets it."""

import msgspec
import pytest
from builders import config

from tokens_forge.core.config import Config, Route
from tokens_forge.core.price_help import price_line, sheet_name, shell_word


def served(serves: tuple[str, ...] | dict[str, str], **prices: tuple[()]) -> Config:
    """Return the bench's config whose relay serves these."""
    conf = config()
    relay = msgspec.structs.replace(conf.route["relay"], serves=serves, prices=prices)
    return msgspec.structs.replace(conf, route={**conf.route, "relay": relay})


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [
        ("relay/m", "tf prices set relay m --input … --output … --unit CNY"),
        ("official/m", "tf prices set official m --input … --output … --unit USD"),
        ("plan/m", "tf prices set plan m --input … --output … --unit USD"),
        ("relay/a b", "tf prices set relay 'a b' --input … --output … --unit CNY"),
        ("relay/openai/gpt-5", "tf prices set relay openai/gpt-5 --input … --output … --unit CNY"),
    ],
)
def test_the_line_is_ready_but_for_the_figures(candidate: str, expected: str) -> None:
    """Route, model and the unit of what pays stand in it, as a shell reads them."""
    assert expected == price_line(config(), candidate)


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        (served(("m",)), "m"),
        (served({"five": "m"}), "m"),
        (served({"five": "m"}, five=()), "five"),
        (served({"five": "m", "other": "n"}, other=()), "m"),
        (served({"five": "m"}, five=(), m=()), "m"),
    ],
)
def test_sheets_have_the_upstreams_name_unless_they_stand_under_another(route: Config, expected: str) -> None:
    """CASES 13: a sheet is set where the biller looks first, or where those that are there stand."""
    found: Route = route.route["relay"]
    assert expected == sheet_name(found, "m")


@pytest.mark.parametrize(
    ("word", "expected"), [("gpt-5:free", "gpt-5:free"), ("RELAY$", "'RELAY$'"), ("it's", "'it'\"'\"'s'")]
)
def test_a_word_is_quoted_where_it_must_be(word: str, expected: str) -> None:
    """What a shell would take for its own stands in quotes."""
    assert expected == shell_word(word)
