"""Money is exact, has a unit, and is rounded in one place."""
# pyright: reportUnnecessaryTypeIgnoreComment=true

from decimal import Decimal, Inexact
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokens_forge.core import money
from tokens_forge.core.errors import MoneyError
from tokens_forge.core.money import Amount, read_amount

EXACT = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=18)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", "0"),
        ("1.5", "1.5"),
        ("0.000000000001", "0.000000000001"),
        ("0.0000000000005", "0"),
        ("0.0000000000015", "0.000000000002"),
        ("0.0000000000025", "0.000000000002"),
        ("-0.0000000000015", "-0.000000000002"),
        ("0.00000000000050000000001", "0.000000000001"),
    ],
)
def test_money_is_rounded_half_even_at_twelve_places(value: str, expected: str) -> None:
    """CASES 9: one rounding, at 12 places, ties to the even digit; decimals and fractions alike."""
    assert Decimal(expected) == money.rounded(Decimal(value))
    assert Decimal(expected) == money.rounded(Fraction(value))


@given(EXACT)
def test_rounding_twice_is_rounding_once(value: Decimal) -> None:
    """What is rounded stays as it is, and differs by half a step at most."""
    once = money.rounded(value)
    assert once == money.rounded(once)
    assert abs(once - value) <= Decimal("0.0000000000005")


def test_a_quotient_is_rounded_from_its_exact_value() -> None:
    """A third of one is cut at the twelfth place; nothing divides by zero."""
    assert Decimal("0.333333333333") == money.divided(Decimal(1), Decimal(3))
    assert Decimal(0) == money.divided(Decimal(1), Decimal(2 * 10**12))
    with pytest.raises(ZeroDivisionError):
        money.divided(Decimal(1), Decimal(0))


def test_arithmetic_is_exact_or_raises() -> None:
    """Decimal's own context would round these silently at 28 digits."""
    long = Decimal("123456789012345678.123456789012345678")
    assert Decimal("123456789012345679.123456789012345678") == money.add(long, Decimal(1))
    assert Decimal("123456789012345677.123456789012345678") == money.subtract(long, Decimal(1))
    assert Decimal("246913578024691356.246913578024691356") == money.multiply(long, Decimal(2))
    assert Decimal("0.00125") == money.scaled(Decimal("1.25"), -3)
    with pytest.raises(Inexact):
        money.multiply(Decimal("1." + "1" * 50), Decimal("1." + "1" * 50))


@given(st.lists(EXACT, max_size=5))
def test_a_total_is_the_exact_sum(values: list[Decimal]) -> None:
    """Sums are those of fractions, in any number."""
    assert sum(map(Fraction, values)) == Fraction(money.total(values))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1.35E-7", "0.000000135"),
        ("10.00", "10"),
        ("100", "100"),
        ("-0.00", "0"),
        ("-0", "0"),
        ("-1.50", "-1.5"),
        ("1E+3", "1000"),
    ],
)
def test_amounts_are_written_in_plain_digits(value: str, expected: str) -> None:
    """The ledger has no exponent, no trailing zeros and no minus zero."""
    assert expected == money.text(Decimal(value))


@given(EXACT)
def test_what_is_written_reads_back(value: Decimal) -> None:
    """Every digit comes back."""
    assert value == Decimal(money.text(value))


def test_amounts_of_one_unit_add_and_compare() -> None:
    """CASES 46: money is an amount and a unit."""
    five, two = read_amount("5.00 USD"), read_amount("2 USD")
    assert str(five + two) == "7 USD"
    assert str(two - five) == "-3 USD"
    assert str(-five) == "-5 USD"
    assert two < five
    assert two <= five
    assert not five <= two


def test_amounts_of_two_units_never_meet() -> None:
    """Adding, subtracting and comparing across units is an error, never a conversion."""
    usd, cny = read_amount("5 USD"), read_amount("5 CNY")
    with pytest.raises(MoneyError, match="5 USD and 5 CNY are of different units"):
        _ = usd + cny
    with pytest.raises(MoneyError):
        _ = usd - cny
    with pytest.raises(MoneyError):
        _ = usd < cny
    with pytest.raises(MoneyError):
        _ = usd <= cny
    assert usd != cny


def test_a_bare_number_never_meets_an_amount() -> None:
    """CASES 46: money is (amount, unit); the type checker refuses a number without one (it asks for each ignore)."""
    five = read_amount("5 USD")
    with pytest.raises(AttributeError):
        _ = five + Decimal(2)  # pyright: ignore[reportOperatorIssue, reportUnknownVariableType]
    with pytest.raises(AttributeError):
        _ = five < Decimal(2)  # pyright: ignore[reportOperatorIssue, reportUnknownVariableType]
    with pytest.raises(TypeError):
        _ = Decimal(2) - five  # pyright: ignore[reportOperatorIssue, reportUnknownVariableType]


@pytest.mark.parametrize(
    ("written", "value", "unit"),
    [
        ("5.00 USD", "5.00", "USD"),
        (" -8.13RELAY$ ", "-8.13", "RELAY$"),
        ("+1 requests", "1", "requests"),
        ("0.000000000000000000000001 X", "0.000000000000000000000001", "X"),
    ],
)
def test_an_amount_keeps_every_digit(written: str, value: str, unit: str) -> None:
    """What the user wrote is what is counted."""
    assert Amount(value=Decimal(value), unit=unit) == read_amount(written)


@pytest.mark.parametrize(
    "written", ["", "5", "USD", "5,00 USD", "1e3 USD", "5 USD!", "5 U SD", "." + "1" * 25 + " USD"]
)
def test_what_is_no_amount_is_said(written: str) -> None:
    """The message shows what was written and what to write."""
    with pytest.raises(MoneyError, match=r"is no amount: write a number and a unit, such as `5\.00 USD`"):
        read_amount(written)


@pytest.mark.parametrize(
    ("name", "expected"), [("USD", True), ("RELAY$", True), ("", False), ("1X", False), ("A B", False)]
)
def test_a_unit_begins_with_a_letter(name: str, expected: bool) -> None:
    """So that number and unit can be told apart."""
    assert expected == money.is_unit(name)
