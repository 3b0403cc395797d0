"""The order of a call's candidates, and the numbers behind it.

`burn` alone fixes the order, and so which candidate is intended: ``listed`` as written, ``cheapest`` by what the call
is expected to cost, ``use-or-lose`` by what would be lost soonest. Health and money that is short change nothing here;
passing a candidate over for them is `core/routing.py`'s part.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import assert_never

from tokens_forge.core.book import available, is_money, lapses, unit_of
from tokens_forge.core.budgets import rate_at
from tokens_forge.core.candidates import Candidate
from tokens_forge.core.config import Burn
from tokens_forge.core.entries import Ranked
from tokens_forge.core.money import ZERO, Amount, divided, text
from tokens_forge.core.settlement import Question, expected_for

_NEVER = "9999-12-31"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Candidates in the order in which they are to be looked at."""

    candidates: tuple[Candidate, ...]
    ranked: tuple[Ranked, ...] = ()
    """The same, with what gave each its place; none for what is listed."""


def order(asked: Question, candidates: Iterable[Candidate], burn: Burn) -> Order:
    """Return `candidates` (as written) in the order of `burn`.

    ``cheapest``: what the call is expected to cost in the report's unit; a pool and what is free cost 0, what is not
    known comes last. Ties: the list price, then as written. ``use-or-lose``: pools whose allowance resets soonest, then
    lots that end soonest, then the cheapest.
    """
    listed = tuple(candidates)
    match burn:
        case "listed":
            return Order(candidates=listed)
        case "cheapest":
            places = [_Place(one, _priced(asked, one), _NOTHING_LOST) for one in listed]
        case "use-or-lose":
            places = [_Place(one, _priced(asked, one), _lost(asked, one)) for one in listed]
        case _:
            assert_never(burn)
    places.sort(key=_Place.key)  # stable: what ties is as written
    return Order(
        candidates=tuple(place.candidate for place in places), ranked=tuple(place.ranked() for place in places)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Priced:
    unit: str
    """The balance's."""
    cost: Amount | None
    compared: Decimal | None
    """In the report's unit."""
    list: Decimal | None
    """Likewise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lost:
    """What would be lost of a balance, and when."""

    group: int
    """0 a pool's allowance, 1 a lot that ends, 2 nothing."""
    left: Decimal = ZERO
    ends: str = ""


_NOTHING_LOST = _Lost(group=2)


@dataclass(frozen=True, slots=True)
class _Place:
    candidate: Candidate
    priced: _Priced
    lost: _Lost

    def key(self) -> tuple[int, str, bool, Decimal, bool, Decimal]:
        """Return what candidates are sorted by: what is lost first, then what costs least, unknown figures last."""
        cost, listed = self.priced.compared, self.priced.list
        return (self.lost.group, self.lost.ends or _NEVER, cost is None, cost or ZERO, listed is None, listed or ZERO)

    def ranked(self) -> Ranked:
        """Return the numbers as the ledger keeps them."""
        cost, compared, listed = self.priced.cost, self.priced.compared, self.priced.list
        return Ranked(
            candidate=self.candidate.name,
            cost="" if cost is None else text(cost.value),
            unit=self.priced.unit,
            compared="" if compared is None else text(compared),
            list="" if listed is None else text(listed),
            left=text(self.lost.left) if self.lost.group < _NOTHING_LOST.group else "",
            ends=self.lost.ends,
        )


def _priced(asked: Question, found: Candidate) -> _Priced:
    """Return what the call is expected to cost on a candidate; off a pool and for free, nothing."""
    config = asked.terms.config
    balance = config.balance[found.balance]
    output = min(config.policy.expected_output, asked.routed.output_bound)
    expected = expected_for(asked, found.name, output=output)
    listed = in_report(asked, expected.list)
    if not is_money(balance):
        nothing = Amount(value=ZERO, unit=unit_of(balance))
        return _Priced(unit=nothing.unit, cost=nothing, compared=ZERO, list=listed)
    return _Priced(unit=unit_of(balance), cost=expected.cost, compared=in_report(asked, expected.cost), list=listed)


def in_report(asked: Question, amount: Amount | None) -> Decimal | None:
    """Return money in the report's unit at the rate of the day; None where one of them is not known."""
    if amount is None:
        return None
    rate = rate_at(asked.terms.config, amount.unit, asked.terms.config.report.unit, asked.at)
    return None if rate is None else divided(amount.value, rate)


def _lost(asked: Question, found: Candidate) -> _Lost:
    """Return what would be lost of a candidate's balance if nothing were called there any more."""
    balance = asked.terms.config.balance[found.balance]
    state = asked.fold.book.state(found.balance, unit_of(balance))
    match balance.kind:
        case "pool":
            # Also when it is used up: what is short changes no order, so that what burns instead is a fallback.
            left = available(balance, state, asked.at) or ZERO
            return _Lost(group=0, left=max(left, ZERO), ends=lapses(balance, state, asked.at, asked.terms.calendar))
        case "prepaid":
            lot = next((lot for lot in state.lots if lot.expires and not lot.ended(asked.at)), None)
            if lot is not None:
                return _Lost(group=1, left=lot.left, ends=lot.expires)
        case "postpaid" | "free":
            pass
        case _:
            assert_never(balance.kind)
    return _NOTHING_LOST
