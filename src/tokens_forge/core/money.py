"""Amounts with a unit, exact arithmetic, and the one rounding.

Every sum and product of money goes through one private decimal context that traps inexact results: a figure
is either exact or it was rounded here, by `rounded`, to 12 decimal places half-even. Nothing else in the
project rounds money, and no float holds any.
"""

import re
from dataclasses import dataclass
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from fractions import Fraction

from tokens_forge.core.errors import MoneyError

PLACES = 12
"""Decimal places that a charge keeps; rates may have more (the field's catalogues reach 18 per million tokens)."""

ZERO = Decimal(0)

_EXACT = Context(prec=80, Emin=-999, Emax=999, traps=[Inexact, InvalidOperation, Overflow, DivisionByZero])
_ROUNDING = Context(prec=80, traps=[InvalidOperation, Overflow])
_STEP = Decimal(1).scaleb(-PLACES)
_UNIT = re.compile(r"[A-Za-z][A-Za-z0-9$€¥£_-]{0,15}")
_AMOUNT = re.compile(r"\s*([+-]?[0-9]{1,20}(?:\.[0-9]{1,24})?)\s*([^\s0-9]\S*)\s*")


def rounded(value: Decimal | Fraction) -> Decimal:
    """Return `value` at 12 decimal places, half-even: the only rounding of money there is.

    A fraction (a quotient) is rounded from its exact value, never from a rounded one.
    """
    if isinstance(value, Fraction):
        return Decimal(round(value * 10**PLACES)).scaleb(-PLACES, _EXACT)
    return value if exponent(value) >= -PLACES else value.quantize(_STEP, context=_ROUNDING)


def exponent(value: Decimal) -> int:
    """Return the power of ten of the last digit of a finite `value`."""
    power = value.as_tuple().exponent
    assert isinstance(power, int), "money is finite"
    return power


def add(left: Decimal, right: Decimal) -> Decimal:
    """Return the exact sum."""
    return _EXACT.add(left, right)


def subtract(left: Decimal, right: Decimal) -> Decimal:
    """Return the exact difference."""
    return _EXACT.subtract(left, right)


def multiply(left: Decimal, right: Decimal) -> Decimal:
    """Return the exact product; more than 80 digits raise `decimal.Inexact`."""
    return _EXACT.multiply(left, right)


def scaled(value: Decimal, power: int) -> Decimal:
    """Return `value` times ten to the `power`, exactly."""
    return value.scaleb(power, _EXACT)


def divided(amount: Decimal, by: Decimal) -> Decimal:
    """Return the quotient, rounded once from its exact value (a conversion by an exchange rate).

    Raises ZeroDivisionError for a zero divisor.
    """
    return rounded(Fraction(amount) / Fraction(by))


def total(values: "list[Decimal] | tuple[Decimal, ...]") -> Decimal:
    """Return the exact sum of `values`, zero for none."""
    result = ZERO
    for value in values:
        result = _EXACT.add(result, value)
    return result


def text(value: Decimal) -> str:
    """Return `value` as the ledger writes it: plain digits, no exponent, no trailing zeros, no minus zero."""
    plain = format(value, "f")
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    return "0" if plain == "-0" else plain


def is_unit(name: str) -> bool:
    """Say whether `name` can be a unit: a letter, then up to 15 letters, digits or currency signs."""
    return _UNIT.fullmatch(name) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """A quantity of one unit (``5.00 USD``). Amounts of different units never add, subtract or compare."""

    value: Decimal
    unit: str

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(value=_EXACT.add(self.value, self._same(other)), unit=self.unit)

    def __sub__(self, other: "Amount") -> "Amount":
        return Amount(value=_EXACT.subtract(self.value, self._same(other)), unit=self.unit)

    def __neg__(self) -> "Amount":
        return Amount(value=_EXACT.minus(self.value), unit=self.unit)

    def __lt__(self, other: "Amount") -> bool:
        return self.value < self._same(other)

    def __le__(self, other: "Amount") -> bool:
        return self.value <= self._same(other)

    def __str__(self) -> str:
        return f"{text(self.value)} {self.unit}"

    def _same(self, other: "Amount") -> Decimal:
        if self.unit != other.unit:
            raise MoneyError(f"{self} and {other} are of different units and never add or compare")
        return other.value


def read_amount(written: str) -> Amount:
    """Return the amount in a text such as ``5.00 USD``, keeping every digit.

    Raises MoneyError when there is no number, no unit, or more than 20 digits before or 24 after the point.
    """
    match = _AMOUNT.fullmatch(written)
    if match is None or not is_unit(match[2]):
        raise MoneyError(f"`{written}` is no amount: write a number and a unit, such as `5.00 USD`")
    return Amount(value=Decimal(match[1]), unit=match[2])


MOST_DIGITS = 20
"""Digits before the point that an amount of the ledger may have. Its format (``DECIMAL(38,12)``) takes 26, so a million
such amounts still sum within it."""

_BEYOND = Decimal(1).scaleb(MOST_DIGITS)


def fits_ledger(value: Decimal) -> bool:
    """Say whether `value`, once `rounded`, is an amount that the ledger can take: finite and below 10^20 either way."""
    return value.is_finite() and -_BEYOND < value < _BEYOND
