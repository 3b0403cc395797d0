"""A pool's fee is shared over its calls exactly, and none of it is lost (CASES 47)."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokens_forge.core.entries import Adjusted, Line
from tokens_forge.reports.fees import Attempt, Fee, Shared, fee_of, share

FEE = Fee(
    balance="plan", counts="requests", amount=Decimal(100), unit="USD", first=date(2026, 11, 3), last=date(2026, 12, 2)
)


def attempts(*lists: str | None, unit: str = "USD") -> list[Attempt]:
    """Return attempts in the report with these list prices."""
    return [
        Attempt(seq=n, list=None if price is None else Decimal(price), list_unit=unit if price else "", reported=True)
        for n, price in enumerate(lists, 1)
    ]


def parts(found: Shared) -> list[Decimal]:
    return [part for _seq, part in found.shares]


def test_by_list_price() -> None:
    """An attempt of three times the list price has three times the share."""
    found = share(FEE, attempts("1", "3"), began_here=True)
    assert ("list", [Decimal(25), Decimal(75)]) == (found.by, parts(found))


def test_by_count_where_no_list_price_is_known() -> None:
    """Without a list price each attempt is like the others, and the last digit goes to one of them."""
    found = share(FEE, attempts(None, None, None), began_here=True)
    assert ("count", 3) == (found.by, found.unlisted)
    assert [Decimal("33.333333333333"), Decimal("33.333333333334"), Decimal("33.333333333333")] == parts(found)


def test_one_without_a_list_price_weighs_the_average() -> None:
    """Among attempts with a list price one without weighs what they do on average, not nothing."""
    found = share(FEE, attempts("1", None, "3"), began_here=True)
    assert ("list", 1) == (found.by, found.unlisted)
    assert [Decimal("16.666666666667"), Decimal("33.333333333333"), Decimal(50)] == parts(found)


@pytest.mark.parametrize(
    "several",
    [attempts("0", "0"), [*attempts("1"), *attempts("3", unit="CNY")]],
    ids=["list prices of nothing", "list prices in two units"],
)
def test_list_prices_that_say_nothing(several: list[Attempt]) -> None:
    """Where list prices are all nothing, or are in units that never add, attempts are counted."""
    found = share(FEE, several, began_here=True)
    assert ("count", [Decimal(50), Decimal(50)]) == (found.by, parts(found))


def test_a_fee_without_calls_is_unused() -> None:
    """It is the report's that has its first day; any other report says that it is elsewhere."""
    found = share(FEE, (), began_here=True)
    assert (Decimal(0), Decimal(0), Decimal(100)) == (found.here, found.elsewhere, found.unused)
    found = share(FEE, (), began_here=False)
    assert (Decimal(0), Decimal(100), Decimal(0)) == (found.here, found.elsewhere, found.unused)


@given(
    st.decimals(min_value=0, max_value=10**6, places=12),
    st.lists(
        st.tuples(st.none() | st.decimals(min_value=0, max_value=10**4, places=12), st.sampled_from(range(4))),
        min_size=1,
        max_size=20,
    ),
)
def test_reports_that_cut_a_fee_sum_to_it(amount: Decimal, calls: list[tuple[Decimal | None, int]]) -> None:
    """However calls are spread over reports, the parts sum to the fee to the last digit; none is negative."""
    fee = Fee(balance="plan", counts="requests", amount=amount, unit="USD", first=FEE.first, last=FEE.last)
    found = [
        share(
            fee,
            [
                Attempt(seq=n, list=price, list_unit="USD", reported=report == number)
                for n, (price, report) in enumerate(calls)
            ],
            began_here=number == 0,
        )
        for number in range(4)
    ]
    assert amount == sum(one.here for one in found)
    assert {amount} == {one.here + one.elsewhere + one.unused for one in found}
    assert all(part >= 0 for one in found for part in parts(one))


def test_only_a_pools_fee_is_one() -> None:
    """A fee that took money from a balance is no fee to share, nor is a top-up with a fee in its price."""
    other = Adjusted(balance="b", amount="-2", unit="USD", reason="fee")
    topup = Adjusted(balance="b", amount="2", unit="USD", reason="topup", fee="0.10 USD")
    assert [None, None] == [fee_of(Line(seq=1, ts="", entry=entry), ()) for entry in (other, topup)]


def test_the_last_day_is_in_the_period() -> None:
    """A fee's period ends with its last day, in UTC."""
    assert ("2026-11-03T00:00:00.000000Z", "2026-12-03T00:00:00.000000Z") == (FEE.since, FEE.until)
