"""A missing price names the line that sets it."""

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from builders import config

from tokens_forge.core.config import Config, Price, Rates, Route, Settle, Sheet
from tokens_forge.core.entries import PassedOver
from tokens_forge.core.price_check import is_by_list
from tokens_forge.core.price_help import (
    class_line,
    mending_line,
    missing_prices,
    on_top,
    price_line,
    price_ways,
    sheet_name,
    shell_word,
    tier_line,
    unit_beneath,
)


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


def by_sheets(*sheets: Sheet) -> Config:
    """Return the bench's config whose relay has these sheets for its model."""
    conf = config()
    relay = msgspec.structs.replace(conf.route["relay"], prices={"m": sheets})
    return msgspec.structs.replace(conf, route={**conf.route, "relay": relay})


IN_CNY = Sheet(valid_from=date(2026, 10, 1), unit="CNY", input=Decimal(4), output=Decimal(28))


@pytest.mark.parametrize(
    ("conf", "candidate", "expected"),
    [
        (config(), "official/m", "tf prices set official m --service priority --input … --output … --unit USD"),
        # A share of the list: its tier is a list price too.
        (config(), "relay/m", "tf prices set relay m --service priority --input … --output … --unit USD"),
        (by_sheets(IN_CNY), "relay/m", "tf prices set relay m --service priority --input … --output … --unit CNY"),
        (config(), "plan/m", "tf prices set plan m --service priority --input … --output … --unit USD"),
    ],
)
def test_the_line_of_a_tier_is_in_the_terms_of_the_price(conf: Config, candidate: str, expected: str) -> None:
    """CASES 8: a tier is put on the price that holds, in its unit."""
    assert expected == tier_line(conf, candidate, "priority")


def test_the_line_of_classes_names_their_options() -> None:
    """What a bill lacked is what the line asks for."""
    expected = "tf prices set official m --searches … --cache-write-12h … --unit USD"
    assert expected == class_line(config(), "official/m", ("searches", "cache_write_12h"))


def test_a_missing_price_has_three_ways() -> None:
    """CASES 12: a sheet, a newer list, a sibling's price; with the last allowed already, there is no sibling."""
    ways = price_ways(config(), (("relay/m", ""), ("official/m", "")))
    assert ways.startswith(
        "To set it: `tf prices set relay m --input … --output … --unit CNY`; `tf prices set official m"
    )
    assert "`tf prices update --from FILE`" in ways
    assert '`[settle] unpriced = "sibling"`' in ways
    allowed = price_ways(config(settle=Settle(unpriced="sibling")), (("relay/m", ""),))
    assert allowed.endswith("or an address. It has no sibling that is known.")


def test_what_has_no_price_is_named_once() -> None:
    """The candidate, or what the request asks for besides; other reasons are none."""
    passed = PassedOver(candidate="relay/m", reason="no_price")
    beside = msgspec.structs.replace(passed, error="relay/n", tier="scale")
    other = msgspec.structs.replace(passed, reason="cooling")
    assert (("relay/m", ""), ("relay/n", "scale")) == missing_prices((passed, beside, other, passed))


def test_a_tier_without_a_price_has_two_ways() -> None:
    """CASES 8: a whole sheet would not price it, and no other model's price stands for it."""
    line = "tf prices set official m --service scale --input … --output … --unit USD"
    newer = "or a newer list may know it: `tf prices update --from FILE`, a file or an address."
    for settle in (Settle(), Settle(unpriced="sibling")):
        assert f"To set it: `{line}`; {newer}" == price_ways(config(settle=settle), (("official/m", "scale"),))


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        ("list", True),
        ("reported", True),
        (Price(list=Decimal(1)), True),
        (Price(per="call", amount="1 CNY"), False),
        ("free", False),
        (None, False),
    ],
)
def test_what_goes_by_the_list(price: Any, expected: bool) -> None:  # noqa: ANN401 - a field's value, and the answer
    """Only that has rates beneath a sheet that adds."""
    conf = config()
    route = msgspec.structs.replace(conf.route["relay"], price=price)
    assert expected is is_by_list(route)
    assert ("USD" if expected else "") == unit_beneath(route, "m")


def test_what_is_put_on_a_sheet_leaves_the_rest() -> None:
    """A copy from its day on: a rate replaces its own, a tier is filled up, without regard to capitals."""
    new = Sheet(
        valid_from=date(2026, 11, 1),
        unit="CNY",
        searches=Decimal("0.07"),
        cache_write_1h=Decimal(8),
        service={"FLEX": Rates(output=Decimal(14))},
    )
    assert msgspec.structs.replace(new, adds=True) == on_top(None, new)
    before = msgspec.structs.replace(
        IN_CNY, guessed=("cache_write_1h",), cache_write_1h=Decimal(6), service={"flex": Rates(input=Decimal(2))}
    )
    assert on_top(before, new) == msgspec.structs.replace(
        IN_CNY,
        valid_from=date(2026, 11, 1),
        searches=Decimal("0.07"),
        cache_write_1h=Decimal(8),
        service={"flex": Rates(input=Decimal(2), output=Decimal(14))},
    )


@pytest.mark.parametrize(
    ("candidate", "flag", "expected"),
    [
        ("official/m", "tier_unpriced", tier_line(config(), "official/m", "priority")),
        ("official/m", "guessed_audio_in", class_line(config(), "official/m", ("audio_in",))),
        ("official/m", "unpriced_searches", class_line(config(), "official/m", ("searches",))),
        ("official/m", "sibling_price", price_line(config(), "official/m")),
        ("official/m", "unpriced_iteration", price_line(config(), "official/m")),
        ("official/unserved", "unpriced_iteration", ""),
        ("official/m", "no_usage", ""),
        ("official/m", "broken", ""),
        ("official/m", "answered_by_unpriced", ""),
        ("gone/m", "tier_unpriced", ""),
    ],
)
def test_what_was_guessed_is_mended_by_one_line(candidate: str, flag: str, expected: str) -> None:
    """CASES 8: a tier, a class or the whole price; nothing for a route that is gone or a price that is another's."""
    assert expected == mending_line(config(), candidate, flag, "priority")
