"""What a newer list changes, model by model."""

from decimal import Decimal
from typing import Literal

import pytest
from msgspec.structs import replace

from tokens_forge.core.list_changes import ListChange, leap, list_change
from tokens_forge.core.prices import RateCard, Service, Tier
from tokens_forge.core.sheet_changes import RateChange


def card(service: dict[str, Service] | None = None, **rates: str) -> RateCard:
    return RateCard(
        id="openai/m",
        source="a list",
        unit="USD",
        per="mtok",
        rates={name: Decimal(rate) for name, rate in rates.items()},
        service=service or {},
    )


FLEX = {"flex": Service(rates={"input": Decimal(1)}, tiers=(Tier(above=9, rates={"input": Decimal(2)}),))}
FLEX_ELSEWHERE = {"flex": replace(FLEX["flex"], source="a page")}
FLEX_COMES = (RateChange(usage_class="flex input", new="1"), RateChange(usage_class="flex input>9 input", new="2"))
FREE = {"flex": Service(rates={"input": Decimal(0)})}
LONG = (Tier(above=200_000, rates={"input": Decimal(0)}),)


@pytest.mark.parametrize(
    ("old", "new", "status", "rates"),
    [
        (card(input="1"), card(input="1"), "same", ()),
        (card(input="1"), None, "gone", ()),
        (None, card(input="1"), "new", (RateChange(usage_class="input", new="1"),)),
        (card(input="2"), card(FLEX, input="2"), "changed", FLEX_COMES),
        (card(FLEX, input="2"), card(FLEX_ELSEWHERE, input="2"), "same", ()),
        (
            card(input="2", output="8"),
            card(input="3", cache_read="0"),
            "changed",
            (
                RateChange(usage_class="input", old="2", new="3", factor="1.5"),
                RateChange(usage_class="cache_read", new="0"),
                RateChange(usage_class="output", old="8"),
            ),
        ),
    ],
)
def test_each_rate_is_told_before_and_after(
    old: RateCard | None,
    new: RateCard | None,
    status: Literal["new", "changed", "gone", "same"],
    rates: tuple[RateChange, ...],
) -> None:
    """What comes, changes and goes; a tier of service is a change too."""
    expected = ListChange(candidate="r/m", status=status, rates=rates)
    assert expected == list_change("r/m", old, new)


def test_what_neither_list_knows_is_not_told() -> None:
    """A relay's own model is in no list."""
    assert None is list_change("r/m", None, None)


def test_a_leap_is_told_with_both_figures() -> None:
    """CASES 11: a list for a thousand tokens in the place of one for a million is refused."""
    assert leap(card(input="2"), card(input="0.002")) == ("input would go from 2 to 0.002 USD, a factor of 500 or more")
    assert leap(card(input="2"), card(input="2000"))
    assert not leap(card(input="2", output="8"), card(input="900", output="8"))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (card(input="2", output="8"), card(input="2", output="0"), "output would go from 8 USD to nothing"),
        (card(input="2", output="8"), card(output="8"), "input would go from 2 USD to nothing"),
        (card(input="2", cache_read="1"), card(input="2"), ""),  # read at the rate of the input
        (card(input="0"), card(input="2"), ""),
        (card(input="2"), card(FREE, input="2"), "flex input would go from 2 USD to nothing"),
        (card(FLEX, input="2"), card(FREE, input="2"), "flex input would go from 1 USD to nothing"),
        (card(input="2"), replace(card(input="2"), tiers=LONG), "input would go from 2 USD to nothing"),
        (replace(card(input="0"), tiers=LONG), replace(card(input="0"), tiers=LONG), ""),
    ],
)
def test_a_price_that_falls_to_nothing_is_a_leap(old: RateCard, new: RateCard, expected: str) -> None:
    """In a tier of service and a long request too; what was nothing may come to cost something."""
    assert expected == leap(old, new)
