"""What a new sheet changes, rate by rate, and what of it can only be a slip."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokens_forge.core.config import LongInput, Rates, Sheet
from tokens_forge.core.prices import RateCard, price
from tokens_forge.core.sheet_changes import in_force, leaps, sheet_change

OCTOBER, NOVEMBER = date(2026, 10, 1), date(2026, 11, 1)


def sheet(day: date = NOVEMBER, **changes: object) -> Sheet:
    """Return a sheet of 4 and 28 CNY per Mtok."""
    plain = {"valid_from": day, "unit": "CNY", "input": Decimal(4), "output": Decimal(28)}
    return Sheet(**{**plain, **changes})  # pyright: ignore[reportArgumentType] - a builder's changes


def test_a_new_sheet_has_no_factor() -> None:
    """Nothing was there before."""
    change = sheet_change("relay", "m", None, sheet(fx=Decimal("7.10")))
    assert ("new", "2026-11-01", "CNY", "mtok", "7.1", "") == (
        change.status,
        change.valid_from,
        change.unit,
        change.per,
        change.fx,
        change.before,
    )
    assert [("input", "", "4", ""), ("output", "", "28", "")] == [
        (rate.usage_class, rate.old, rate.new, rate.factor) for rate in change.rates
    ]


def test_each_rate_has_its_factor() -> None:
    """Old and new stand as they were written; a rate that comes or goes, or was nothing, has no factor."""
    old = sheet(OCTOBER, cache_read=Decimal("0.4"), images=Decimal(0))
    new = sheet(input=Decimal(5), cache_write_5m=Decimal(1), images=Decimal(1))
    change = sheet_change("relay", "m", old, new)
    assert ("changed", "2026-10-01", "", "", ()) == (
        change.status,
        change.before,
        change.old_unit,
        change.old_per,
        change.also,
    )
    assert [
        ("input", "4", "5", "1.25"),
        ("output", "28", "28", "1"),
        ("cache_write_5m", "", "1", ""),
        ("images", "0", "1", ""),
        ("cache_read", "0.4", "", ""),
    ] == [(rate.usage_class, rate.old, rate.new, rate.factor) for rate in change.rates]


def test_the_same_again_is_no_change() -> None:
    """Only the day differs: nothing is listed."""
    change = sheet_change("relay", "m", sheet(OCTOBER), sheet(input=Decimal("4.000")))
    assert ("same", ()) == (change.status, change.rates)


def test_what_else_differs_is_named() -> None:
    """Long input, tiers of service and the exchange rate are no rates of the table."""
    new = sheet(long_input=(LongInput(above=5),), service={"flex": Rates()}, fx=Decimal(2))
    assert ("long_input", "service", "fx") == sheet_change("relay", "m", sheet(OCTOBER), new).also


def test_sheets_of_other_terms_are_compared_by_what_they_charge() -> None:
    """4 CNY per Mtok, and 0.001 USD per ktok at 8 CNY: twice as dear. Counts are for one, whatever `per` says."""
    old = sheet(OCTOBER, requests=Decimal(1))
    new = sheet(unit="USD", per="ktok", fx=Decimal(8), input=Decimal("0.001"), requests=Decimal(1))
    change = sheet_change("relay", "m", old, new)
    assert ("CNY", "mtok") == (change.old_unit, change.old_per)
    assert {"input": "2", "output": "8000", "requests": "8"} == {rate.usage_class: rate.factor for rate in change.rates}


RATES = st.decimals(min_value="0.000001", max_value=1000, places=6)


@given(RATES, RATES, st.sampled_from(["mtok", "ktok", "token"]), st.sampled_from(["mtok", "ktok", "token"]))
def test_a_factor_is_that_of_two_bills(old: Decimal, new: Decimal, old_per: str, new_per: str) -> None:
    """CASES 10: what a change says is what a call would have cost before and after, as `price` bills it."""
    before, after = sheet(OCTOBER, per=old_per, input=old), sheet(per=new_per, input=new, images=Decimal(1))

    def billed(one: Sheet) -> Decimal:
        card = RateCard(id="m", source="test", unit="CNY", per=one.per, rates=dict(one.rates()))
        return price({"input": 10**9}, card).amount

    factor = sheet_change("relay", "m", before, after).rates[0].factor
    assert abs(Decimal(factor) * billed(before) - billed(after)) <= billed(before) * Decimal("1E-12")


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        ("4000", ["input would go from 4 CNY per mtok to 4000 CNY per mtok, a factor of 500 or more"]),
        ("0.004", ["input would go from 4 CNY per mtok to 0.004 CNY per mtok, a factor of 500 or more"]),
        (
            "0.0000000000000001",
            ["input would go from 4 CNY per mtok to 0.0000000000000001 CNY per mtok, a factor of 500 or more"],
        ),
        ("1999", []),
        ("2000", ["input would go from 4 CNY per mtok to 2000 CNY per mtok, a factor of 500 or more"]),
        ("0.008", ["input would go from 4 CNY per mtok to 0.008 CNY per mtok, a factor of 500 or more"]),
        ("0.0081", []),
        ("0", []),
    ],
)
def test_a_leap_is_a_slip(rate: str, expected: list[str]) -> None:
    """CASES 11: hundreds of times dearer or cheaper is refused with both figures; to nothing is meant."""
    change = sheet_change("relay", "m", sheet(OCTOBER), sheet(input=Decimal(rate)))
    assert expected == list(leaps(change))


def test_a_leap_between_other_terms_says_both() -> None:
    """The rate of a thousand tokens taken for one of a million, which is the usual slip."""
    change = sheet_change("relay", "m", sheet(OCTOBER), sheet(per="ktok", output=Decimal("0.028")))
    assert ["input would go from 4 CNY per mtok to 4 CNY per ktok, a factor of 500 or more"] == list(leaps(change))


def test_the_sheet_in_force_is_the_last_that_began() -> None:
    """One of the very day is what the new one takes the place of; one of a later day is not in force yet."""
    assert None is in_force((), sheet())
    assert sheet(OCTOBER) == in_force((sheet(date(2026, 1, 1)), sheet(OCTOBER), sheet(date(2026, 12, 1))), sheet())
    assert sheet(NOVEMBER, input=Decimal(1)) == in_force((sheet(OCTOBER), sheet(NOVEMBER, input=Decimal(1))), sheet())
    assert None is in_force((sheet(date(2026, 12, 1)),), sheet())


def test_a_tier_of_service_is_told_rate_by_rate() -> None:
    """Its rates stand under its word, and a sheet that adds says so; a slip in a tier is one too."""
    flex = {"flex": Rates(output=Decimal(14), searches=Decimal("0.1"))}
    change = sheet_change("relay", "m", sheet(OCTOBER, service=flex), sheet(adds=True, service={"flex": Rates()}))
    assert (change.adds, change.also) == (True, ("service", "adds"))
    assert [(rate.usage_class, rate.old, rate.new) for rate in change.rates] == [
        ("input", "4", "4"),
        ("output", "28", "28"),
        ("flex output", "14", ""),
        ("flex searches", "0.1", ""),
    ]
    dear = sheet(service={"flex": Rates(output=Decimal(14_000), searches=Decimal("0.1"))})
    (leap,) = leaps(sheet_change("relay", "m", sheet(OCTOBER, service=flex), dear))
    assert leap.startswith("flex output would go from 14 CNY per mtok to 14000 CNY")
