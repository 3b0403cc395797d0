"""What a pool's calls cost when its fee is shared over them: the amortised cost.

Each period's fee is shared over all attempts that the pool paid in it, so that it is spent whole. The shares are
reckoned with exact fractions along the ledger: an attempt's share is the fee up to it less the fee up to the one
before, each rounded once. So the parts of any grouping, by day, key or report, sum to the fee exactly, which shares
rounded by group would not. What a call moves (nothing) and what it would cost elsewhere (list price) are other figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import accumulate
from typing import Literal

from tokens_forge.core.entries import Adjusted, Line
from tokens_forge.core.entry_check import is_day
from tokens_forge.core.money import PLACES, ZERO, read_amount, rounded, scaled, subtract, total
from tokens_forge.reports.names import Earlier, name_now

LONGEST_DAYS = 366
"""A fee's period is a year at most (`config.Fee.per`), and it is entered on its first day or later."""

By = Literal["list", "count"]
"""What a fee was shared by: list price; or one attempt like the other, where no list price is known, all are nothing,
or they are in several units."""

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fee:
    """A pool's fee for one period."""

    balance: str
    counts: str
    """The pool's unit: what its calls count."""
    amount: Decimal
    unit: str
    """Of the money."""
    first: date
    """The period's first day (UTC)."""
    last: date
    """Its last day."""

    @property
    def since(self) -> str:
        """The stamp of its first moment."""
        return _midnight(self.first)

    @property
    def until(self) -> str:
        """The stamp of the first moment after it."""
        return _midnight(self.last + _DAY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An attempt that a pool paid in a fee's period."""

    seq: int
    """Its line."""
    list: Decimal | None
    """At list price; None when that is not known."""
    list_unit: str
    reported: bool
    """Whether it is in the report's period."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """A fee and where it went: `here`, `elsewhere` and `unused` sum to it."""

    fee: Fee
    by: By
    attempts: int
    """Those of the whole fee period, in the report or not."""
    unlisted: int
    """Those among them without a list price; shared by list, each has the average share of the others."""
    here: Decimal
    """The shares of attempts in the report's period."""
    elsewhere: Decimal
    """The shares of attempts outside of it."""
    unused: Decimal
    """The whole fee when no attempt used the pool in its period: it is the report's that has its first moment, and
    `elsewhere` in any other."""
    shares: tuple[tuple[int, Decimal], ...]
    """The lines of the attempts in the report, with their shares."""


def fee_of(line: Line, earlier: Sequence[Earlier]) -> Fee | None:
    """Return the pool's fee that a line enters, under the pool's name now; None when it enters none."""
    entry = line.entry
    if not isinstance(entry, Adjusted) or not _is_of_pool(entry):
        return None
    amount = read_amount(entry.fee)
    return Fee(
        balance=name_now(earlier, "balance", entry.balance, line.seq),
        counts=entry.unit,
        amount=rounded(amount.value),
        unit=amount.unit,
        first=date.fromisoformat(entry.effective),
        last=date.fromisoformat(entry.expires),
    )


def is_unbounded_fee(line: Line) -> bool:
    """Say whether a line enters a pool's fee for no period: its two days are missing, or in no order."""
    entry = line.entry
    if not isinstance(entry, Adjusted) or not _is_of_pool(entry):
        return False
    if not (is_day(entry.effective) and is_day(entry.expires)):
        return True
    days = (date.fromisoformat(entry.expires) - date.fromisoformat(entry.effective)).days
    return not 0 <= days <= LONGEST_DAYS or entry.expires == date.max.isoformat()


def _is_of_pool(entry: Adjusted) -> bool:
    return entry.reason == "fee" and bool(entry.fee and entry.effective)


def share(fee: Fee, attempts: Sequence[Attempt], *, began_here: bool) -> Shared:
    """Return how `fee` is shared over the attempts of its period, which come in the ledger's order.

    `began_here` says whether its first moment is in the report.
    """
    by, weights = _weights(attempts)
    whole = sum(weights)
    up_to = [rounded(Fraction(fee.amount) * Fraction(weight, whole)) for weight in accumulate(weights)]
    shares = [subtract(end, start) for start, end in zip([ZERO, *up_to], up_to, strict=False)]
    here = tuple((attempt.seq, part) for attempt, part in zip(attempts, shares, strict=True) if attempt.reported)
    given = total(tuple(part for _seq, part in here))
    unused = fee.amount if began_here and not attempts else ZERO
    return Shared(
        fee=fee,
        by=by,
        attempts=len(attempts),
        unlisted=sum(attempt.list is None for attempt in attempts),
        here=given,
        elsewhere=subtract(subtract(fee.amount, given), unused),
        unused=unused,
        shares=here,
    )


def _weights(attempts: Sequence[Attempt]) -> tuple[By, list[int]]:
    """Return what to share by, and for each attempt how much of it is its own, in whole numbers.

    One without a list price weighs as much as the others on average: at nothing it would hide a cost, and by count
    alone a long call would cost what a short one does.
    """
    listed = [attempt.list for attempt in attempts if attempt.list is not None]
    units = {attempt.list_unit for attempt in attempts if attempt.list is not None}
    whole = int(scaled(total(listed), PLACES))
    if len(units) != 1 or not whole:
        return "count", [1] * len(attempts)
    return "list", [
        whole if attempt.list is None else int(scaled(attempt.list, PLACES)) * len(listed) for attempt in attempts
    ]


def _midnight(day: date) -> str:
    return f"{day.isoformat()}T00:00:00.000000Z"
