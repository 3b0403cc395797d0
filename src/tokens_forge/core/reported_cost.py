"""How far a cost that an upstream reports is believed.

A cost is told by a stranger, and one wrong unit of it would empty a balance, or be the next call's hold and lock it. It
is judged by what anything gives reason to expect, and by what no provider asks for. It decides nothing of the bill
that takes its place (`core/settlement.py`).
"""

from decimal import Decimal

from tokens_forge.core.money import multiply, scaled
from tokens_forge.core.prices import MOST_USD_PER_MTOK, UNKNOWN_FX

FAR_BEYOND = Decimal(100)
"""A reported cost so many times the largest figure that anything gives reason to expect is no cost of the call. Cents
told as dollars are off by just that, wrong units by more (a counter in place of a price by millions)."""

TOKENS_AT_LEAST = 100
"""What a request costs at least, whatever its length, is taken for so many tokens."""


def most_believed(*, known: Decimal, tokens: int, fx: Decimal | None, left: Decimal | None) -> Decimal | None:
    """Return what a reported cost must stay below; None where nothing bounds it.

    `known` is the largest figure that such a call was known to cost, 0 where there is none; `tokens` are the call's,
    `fx` is the balance's unit for a USD, None where nobody states it. Neither a hundred times what is known nor what so
    many tokens cost nowhere is believed; where nothing is known and no rate is stated, what is `left` to pay it with.
    """
    each = scaled(multiply(MOST_USD_PER_MTOK, UNKNOWN_FX if fx is None else fx), -6)
    ceiling = multiply(each, Decimal(max(tokens, TOKENS_AT_LEAST)))
    if known:
        return min(multiply(known, FAR_BEYOND), ceiling)
    return ceiling if left is None else min(ceiling, max(left, Decimal(0)))
