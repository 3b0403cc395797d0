"""What falls due by itself: lots that end, fees of pools, and use of an allowance that only the provider saw.

`due` and `used_elsewhere` return the entries to append; the shell asks at its start, before it decides, and after each
reply. What is not entered yet counts all the same: `core/book.py` takes expired lots off what is available.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from itertools import islice
from typing import assert_never

from tokens_forge.core.book import (
    PROVIDER,
    BalanceState,
    Book,
    Lot,
    allowances,
    heard,
    left,
    unit_of,
    windows_of_charge,
)
from tokens_forge.core.config import Config, Fee
from tokens_forge.core.entries import Adjusted, Limit, Settled, Voided
from tokens_forge.core.money import subtract, text
from tokens_forge.core.windows import Calendar, months_later

MOST_PERIODS = 5_300
"""A fee has so many periods at most: a hundred years of weeks."""


def due(config: Config, book: Book, at: str) -> tuple[Adjusted, ...]:
    """Return what has fallen due at `at` and is not entered yet, in the config's order: expired lots, then fees."""
    return (*_expiries(config, book, at), *_fees(config, book, at))


def next_due(config: Config, book: Book, at: str) -> str:
    """Return the first moment after `at` at which something falls due, empty when nothing will."""
    moments = [
        _midnight_after(lot.expires)
        for name in config.balance
        for lot in book.state(name, "").lots
        if lot.expires and not lot.ended(at)
    ]
    for name, balance in config.balance.items():
        if balance.fee is not None:
            paid_to = book.state(name, unit_of(balance)).paid_to
            begins = (_midnight(first) for first, _last in _periods(balance.fee) if first.isoformat() > paid_to)
            moments.extend(islice((begin for begin in begins if begin > at), 1))
    return min(moments, default="")


def used_elsewhere(
    config: Config, book: Book, entry: Settled | Voided, at: str, calendar: Calendar
) -> tuple[Adjusted, ...]:
    """Return what an upstream's headers show as used beyond our count, window by window (CASES 58).

    A header speaks of a window where it limits the same unit to the same allowance; where two windows have that, nobody
    knows of which. `book` has `entry` applied; what live holds reserve may be counted there already, so they are taken
    off ours first. Headers that came before the window began say nothing of it.
    """
    balance = config.balance.get(book.name(entry.balance))
    if balance is None or balance.kind != "pool" or balance.windows == "provider":
        return ()
    state = book.state(entry.balance, entry.unit)
    found: list[Adjusted] = []
    said_at = heard(entry, at)
    counts = {held.window: held for held in windows_of_charge(balance, state, at, calendar)}
    allowed = [window.allow for window in allowances(balance)]
    for window in allowances(balance):
        theirs = _remaining(entry.limits, balance.unit, window.allow)
        if theirs is None or window.name not in counts or allowed.count(window.allow) > 1:
            continue
        if said_at < counts[window.name].start:  # of the window before, or of an earlier step
            continue
        ours = subtract(left(balance, state, at)[window.name], state.held)
        if theirs >= ours:
            continue
        found.append(
            Adjusted(
                balance=entry.balance,
                amount=text(subtract(theirs, ours)),
                unit=entry.unit,
                reason="used_elsewhere",
                windows=(counts[window.name],),
                note=f"{window.name}: the provider's headers leave {text(theirs)}, our count {text(ours)}",
            )
        )
    return tuple(found)


def _expiries(config: Config, book: Book, at: str) -> Iterator[Adjusted]:
    for name, balance in config.balance.items():
        state = book.state(name, unit_of(balance))
        posted = state.posted
        for lot in state.lots:
            if lot.ended(at):
                yield _expiry(name, state, lot, posted)
                posted = subtract(posted, lot.left)


def _expiry(name: str, state: BalanceState, lot: Lot, posted: Decimal) -> Adjusted:
    return Adjusted(
        balance=name,
        amount=text(-lot.left),
        unit=state.unit,
        reason="expiry",
        expires=lot.expires,
        ref=lot.ref,
        effective=_midnight_after(lot.expires),
        balance_before=text(posted),
        balance_after=text(subtract(posted, lot.left)),
    )


def _fees(config: Config, book: Book, at: str) -> Iterator[Adjusted]:
    for name, balance in config.balance.items():
        if balance.fee is None:
            continue
        paid_to = book.state(name, unit_of(balance)).paid_to
        for first, last in _periods(balance.fee):
            if _midnight(first) > at:
                break
            if first.isoformat() > paid_to:
                yield Adjusted(
                    balance=name,
                    amount="0",
                    unit=unit_of(balance),
                    reason="fee",
                    fee=balance.fee.amount,
                    effective=first.isoformat(),
                    expires=last.isoformat(),
                )


def _periods(fee: Fee) -> Iterator[tuple[date, date]]:
    """Yield the first and last day of each period of a fee."""
    for number in range(MOST_PERIODS):
        first, following = _nth(fee, number), _nth(fee, number + 1)
        if fee.until is not None and first >= fee.until:
            return
        yield first, following - timedelta(days=1)


def _nth(fee: Fee, number: int) -> date:
    match fee.per:
        case "week":
            return fee.valid_from + timedelta(weeks=number)
        case "month":
            return months_later(fee.valid_from, number)
        case "year":
            return months_later(fee.valid_from, 12 * number)
        case _:
            assert_never(fee.per)


def _remaining(limits: tuple[Limit, ...], unit: str, allow: Decimal) -> Decimal | None:
    """Return what headers say is left of an allowance; None when none of them speaks of it."""
    for limit in limits:
        if limit.window.startswith(PROVIDER) or not (limit.limit.isdecimal() and limit.remaining.isdecimal()):
            continue
        if limit.window == unit and Decimal(limit.limit) == allow:
            return Decimal(limit.remaining)
    return None


def _midnight(day: date) -> str:
    return f"{day.isoformat()}T00:00:00.000000Z"


def _midnight_after(day: str) -> str:
    return _midnight(date.fromisoformat(day) + timedelta(days=1))
