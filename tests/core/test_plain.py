"""Records become JSON without an exponent."""

from datetime import date, time
from decimal import Decimal

from tokens_forge.core import plain
from tokens_forge.core.prices import RateCard, Tier


def test_decimals_are_plain_digits_at_any_depth() -> None:
    """Left alone, msgspec writes 1.35E-7; a reader of the ledger's files would have to know exponents."""
    card = RateCard(
        id="a/b",
        source="s",
        unit="USD",
        per="mtok",
        rates={"input": Decimal("1.35E-7")},
        valid_from=date(2026, 1, 2),
        hours=(time(0, 30), time(16, 30)),
        tiers=(Tier(above=9, rates={"input": Decimal("2.50")}),),
    )
    assert plain.encode(card) == (
        b'{"id":"a/b","source":"s","unit":"USD","per":"mtok","rates":{"input":"0.000000135"},"valid_from":"2026-01-02",'
        b'"hours":["00:30:00","16:30:00"],"tiers":[{"above":9,"rates":{"input":"2.5"}}]}'
    )
