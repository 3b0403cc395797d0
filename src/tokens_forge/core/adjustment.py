"""Balances moved by hand: a top-up, a provider's figure, money paid back, a correction, an account that is closed.

`adjusted` turns an order into the entries to append, or says why not; a running proxy and the command line without one
use it alike. It decides nothing about calls.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal, assert_never, get_args

from msgspec.structs import replace

from tokens_forge.core.book import (
    COUNT_UNITS,
    BalanceState,
    ByHand,
    Lot,
    allowances,
    is_money,
    remaining,
    taken,
    unit_conflict,
    unit_of,
    windows_at,
    windows_of_charge,
)
from tokens_forge.core.budgets import Payer, bindings, counted
from tokens_forge.core.config import Balance, Config, did_you_mean
from tokens_forge.core.config_amounts import units_of
from tokens_forge.core.entries import Adjusted, AdjustedReason, Counted, Record, Recovered, WindowHeld
from tokens_forge.core.errors import MoneyError
from tokens_forge.core.fold import Fold
from tokens_forge.core.health import topped_up
from tokens_forge.core.moments import later
from tokens_forge.core.money import ZERO, Amount, add, fits_ledger, multiply, read_amount, rounded, subtract, text
from tokens_forge.core.price_help import shell_word
from tokens_forge.core.settlement import Terms
from tokens_forge.core.typed import kept_form, read_typed, unasked
from tokens_forge.core.visible import visible
from tokens_forge.core.windows import Calendar

AdjustReason = Literal["correction", "fee", "reconciled", "used_elsewhere", "unexplained"]
"""What `tf balance adjust` may give as its reason."""

Kind = Literal["topup", "set", "refund", "adjust", "close"]
"""``topup``: money came in; ``set``: what the provider shows; ``refund``: the provider paid money back, so it left the
balance; ``adjust``: anything else, with its reason; ``close``: what is left goes to another balance, or is given up."""


class Order(Record, frozen=True, kw_only=True):
    """What the user asks for, as it also goes over the control socket."""

    balance: str
    kind: Kind
    amount: str = ""
    """``500 CNY``: added (`topup`, `adjust`; in the latter it may be negative), taken (`refund`), or what the balance
    shall be (`set`). A `close` has none."""
    reason: AdjustedReason = "correction"
    """Of an `adjust`."""
    to: str = ""
    """Of a `close`: the balance that takes over what is left; empty gives it up."""
    paid: str = ""
    fee: str = ""
    ref: str = ""
    note: str = ""
    expires: str = ""
    """Of a `topup`: the last day on which it can be spent."""
    batch: str = ""
    corrects: str = ""
    key: str = ""
    task: str = ""
    route: str = ""
    upstream_model: str = ""
    yes: bool = False
    """Whether to enter it though something about it is odd."""


ASKS = "Say `--yes` to enter it all the same"
"""How an order is refused that is odd, and may be meant."""

SAME_WITHIN_MS = 600_000
"""What is entered again within so long is asked: a command that was sent off twice, a script that ran twice."""

FAR_MORE = 100
"""A top-up so many times the largest of the last ones is asked: two digits too many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unadjusted:
    """Why an order was not carried out, with the next step."""

    why: str


def adjusted(order: Order, terms: Terms, fold: Fold, at: str) -> tuple[Adjusted | Recovered, ...] | Unadjusted:
    """Return what to append at `at` for `order`: the movement, and the recovery of a balance that was said to be empty.

    An order that changes nothing (`set` to what is there) gives no entry.
    """
    config = terms.config
    against = _against(order, config, fold) or (
        _against_close(order, config, fold) if order.kind == "close" else _against_amounts(order, config, at)
    )
    if against:
        return Unadjusted(why=against)
    if order.kind == "close":
        return _closed(order, config, fold, at)
    balance = config.balance[order.balance]
    unit = unit_of(balance)
    state = fold.book.state(order.balance, unit)
    moved = _moved(order, balance, state, at)
    if moved == ZERO:
        return ()
    if not order.yes and (odd := _odd(order, state, moved, unit, at)):
        return Unadjusted(why=f"{odd}. {ASKS}")
    if against := against_sum(order.balance, moved, add(state.posted, moved), unit):
        return Unadjusted(why=against)
    windows = _windows(order, moved, balance, state, at, terms.calendar)
    # Of what windows count, their rest is what there is; what was posted says nothing of it.
    before = (remaining(balance, state, at) or ZERO) if windows else state.posted
    entry = replace(
        _entry(order, config, state, moved, unit),
        balance_before=text(before),
        balance_after=text(add(before, moved)),
        windows=windows,
        counted=_counted(order, terms, fold, Amount(value=-moved, unit=unit), at),
        lots=taken(state, -moved, at) if moved < ZERO else (),
    )
    recovery = topped_up(fold.health, order.balance) if moved > ZERO else None
    return (entry,) if recovery is None else (entry, recovery)


def against_sum(name: str, moved: Decimal, posted: Decimal, unit: str) -> str:
    """Return why a balance can't stand at `posted` after a movement, empty where it can.

    Beyond what one entry can hold nothing could take it back.
    """
    if fits_ledger(moved) and fits_ledger(posted):
        return ""
    return f"`{name}` would stand at {text(posted)} {unit}, which is beyond what the ledger can hold"


def _against(order: Order, config: Config, fold: Fold) -> str:
    """Return what stands against the balance or the reference, empty for nothing."""
    balance = config.balance.get(order.balance)
    if balance is None:
        return f"no balance named `{order.balance}`.{did_you_mean(order.balance, config.balance)}"
    if order.kind == "adjust" and order.reason not in _REASONS:
        return f"`{order.reason}` is no reason of an adjustment.{did_you_mean(order.reason, _REASONS)}"
    if not _may_move(order, balance):
        return f"`{order.balance}` is {_kind(balance)}: {_IMMOVABLE[order.kind]}"
    if conflict := unit_conflict(order.balance, balance, fold.book):
        return conflict
    for ref, entered in fold.book.state(order.balance, unit_of(balance)).refs.items():
        if _plain_ref(ref) == _plain_ref(order.ref):
            known = f"`{ref}` was entered for `{order.balance}` at {entered}"
            return f"{known}: a reference counts once, so nothing was added again"
    return ""


def _plain_ref(written: str) -> str:
    """Return a reference as it is compared: one invoice is copied with a space behind it, or typed in small letters."""
    return written.strip().casefold()


def _odd(order: Order, state: BalanceState, moved: Decimal, unit: str, at: str) -> str:
    """Return what is odd about an order that can be carried out, empty for nothing."""
    if order.kind == "set":  # entered twice it moves nothing
        return ""
    if order.kind == "refund" and -moved > state.posted:
        return (
            f"a refund of {text(-moved)} {unit} is more than `{order.balance}` has posted, {text(state.posted)} {unit}"
        )
    if (same := _entered(order, state, moved, at)) is not None:
        sign = "+" if moved > ZERO else ""
        return f"{sign}{text(moved)} {unit} ({same.reason}) was entered for `{order.balance}` at {same.ts} already"
    largest = max((one.amount for one in state.by_hand if one.reason == "topup"), default=ZERO)
    if order.kind == "topup" and largest > ZERO and moved >= multiply(largest, Decimal(FAR_MORE)):
        return (
            f"{text(moved)} {unit} is {FAR_MORE} times or more the largest of the last top-ups of `{order.balance}`, "
            f"{text(largest)} {unit}"
        )
    return ""


def _entered(order: Order, state: BalanceState, moved: Decimal, at: str) -> ByHand | None:
    """Return the same movement if it was entered within the last minutes; two references are two movements."""
    since, reason = later(at, -SAME_WITHIN_MS), _reason(order, state)
    for one in reversed(state.by_hand):
        known = (one.reason, one.amount, one.expires, one.corrects)
        same = known == (reason, moved, order.expires, order.corrects)
        if one.ts > since and same and not (one.ref and order.ref):
            return one
    return None


_REASONS: tuple[AdjustedReason, ...] = (*get_args(AdjustReason), "reprice")
"""Other reasons mean more than an amount: an `expiry` takes a lot away."""

_IMMOVABLE: dict[Kind, str] = {
    "topup": "only a prepaid or postpaid one takes money in",
    "set": "there is nothing of ours to set",
    "refund": "only a prepaid or postpaid one holds money to pay back",
    "adjust": "there is nothing of ours to move",
    "close": "only one that holds or owes money is closed; take it out of the config",
}


def _may_move(order: Order, balance: Balance) -> bool:
    counted_by_us = balance.kind == "pool" and balance.windows != "provider"
    return is_money(balance) or (counted_by_us and order.kind in {"set", "adjust"})


def _kind(balance: Balance) -> str:
    return "counted by its provider" if balance.windows == "provider" else f"a {balance.kind} balance"


def _against_amounts(order: Order, config: Config, at: str) -> str:
    """Return what stands against an amount or a day, empty for nothing."""
    balance = config.balance[order.balance]
    try:
        amount = _amount(order, balance)
        paid = read_typed(order.paid, known=units_of(config)) if order.paid else None
        fee = read_typed(order.fee, known=units_of(config)) if order.fee else None
    except MoneyError as error:
        return str(error)
    if against := _against_amount(order, amount, unit_of(balance)) or _against_fee(paid, fee):
        return against
    if order.kind == "set" and (against := _against_windows(order.balance, amount, balance)):
        return against
    if order.expires and (order.kind != "topup" or balance.kind != "prepaid"):
        return "only what is topped up on a prepaid balance expires"
    return _against_day(order.expires, at)


def _against_windows(name: str, shown: Amount, balance: Balance) -> str:
    """Return why a pool can't have so much left, empty where it can: no window gives more than it allows."""
    if balance.kind != "pool":
        return ""
    least = min(allowances(balance), key=lambda window: window.allow)
    if shown.value <= least.allow:
        return ""
    return (
        f"`{name}` can't have {shown} left: its window {least.name} allows {text(least.allow)}. If the plan gives more "
        "now, change `windows` in the config"
    )


def _amount(order: Order, balance: Balance) -> Amount:
    """Return the amount of an order, a bare number in the balance's unit. Raises MoneyError for one that is none."""
    return read_typed(order.amount, unit_of(balance))


def _against_fee(paid: Amount | None, fee: Amount | None) -> str:
    """Return what stands against the fee in what was paid, empty for nothing."""
    if fee is None:
        return ""
    if paid is None:
        return "a fee is a part of what was paid: say --paid too"
    return (
        "" if paid.unit == fee.unit else f"the fee is in {fee.unit} and what was paid in {paid.unit}: write both in one"
    )


def _against_amount(order: Order, amount: Amount, unit: str) -> str:
    if amount.unit != unit:
        return (
            f"`{order.balance}` is in {unit} and never takes an amount in {amount.unit}: write "
            f"`{unasked(f'{text(amount.value)} {unit}')}` if that is what moved; what was paid for it goes into --paid"
        )
    if rounded(amount.value) != amount.value:
        return f"`{visible(order.amount)}` has more than 12 decimal places"
    if order.kind == "topup" and not amount.value:
        return f"a top-up of {amount} adds nothing: write how much came in"
    if order.kind == "topup" and amount.value < ZERO:
        return (
            f"a top-up of {amount} takes away: if that is meant, write "
            f'`tf balance adjust {shell_word(order.balance)} -- "{amount}"`'
        )
    if order.kind == "refund" and amount.value <= ZERO:
        return f"a refund of {amount} takes nothing: write how much was paid back to you"
    return ""


def _against_day(written: str, at: str) -> str:
    if not written:
        return ""
    try:
        day = date.fromisoformat(written)
    except ValueError:
        day = None
    if day is None or day.isoformat() != written:
        return f"`{written}` is no day: write it as `2027-01-31`"
    return "" if written >= at[:10] else f"{written} is over: nothing could be spent of it any more"


def _against_close(order: Order, config: Config, fold: Fold) -> str:
    """Return what stands against closing a balance, empty for nothing."""
    unit = unit_of(config.balance[order.balance])
    state = fold.book.state(order.balance, unit)
    if state.holds:
        return f"calls under way hold {text(state.held)} {unit} on `{order.balance}`: try again when they have ended"
    if not order.to:
        return ""
    other = config.balance.get(order.to)
    if other is None:
        return f"no balance named `{order.to}`.{did_you_mean(order.to, config.balance)}"
    if order.to == order.balance:
        return "a balance is not closed into itself"
    if not is_money(other) or unit_of(other) != unit:
        return (
            f"`{order.to}` is in {unit_of(other)} and `{order.balance}` in {unit}: amounts of different units never "
            "add. Close it without --to, and top the other one up by what you were paid"
        )
    both = add(state.posted, fold.book.state(order.to, unit).posted)
    return unit_conflict(order.to, other, fold.book) or against_sum(order.to, state.posted, both, unit)


def _closed(order: Order, config: Config, fold: Fold, at: str) -> tuple[Adjusted | Recovered, ...]:
    unit = unit_of(config.balance[order.balance])
    state = fold.book.state(order.balance, unit)
    left = state.posted
    if left == ZERO:
        return ()
    batch = order.batch or f"close {order.balance}"
    note = order.note or (f"to {order.to}" if order.to else "given up")
    out = replace(_entry(order, config, state, -left, unit), reason="closed", batch=batch, note=note)
    if left > ZERO:
        out = replace(out, lots=taken(state, left, at))
    if not order.to:
        return (out,)
    other = fold.book.state(order.to, unit)
    before = other.posted
    into: list[Adjusted] = []
    for part in _parts(state, config.balance[order.to]):
        after = add(before, part.left)
        into.append(
            Adjusted(
                balance=order.to,
                amount=text(part.left),
                unit=unit,
                reason="closed",
                expires=part.expires,
                lots=taken(other, -part.left, at) if part.left < ZERO else (),
                batch=batch,
                note=order.note or f"from {order.balance}",
                balance_before=text(before),
                balance_after=text(after),
            )
        )
        before = after
    recovery = topped_up(fold.health, order.to) if left > ZERO else None
    return (out, *into) if recovery is None else (out, *into, recovery)


def _parts(state: BalanceState, to: Balance) -> tuple[Lot, ...]:
    """Return what another balance takes over: each lot, as money keeps its end; or what is owed, and is no lot.

    Only a prepaid balance has money that ends. What has ended is entered before an order is looked at.
    """
    if state.posted < ZERO or to.kind != "prepaid":
        return (Lot(left=state.posted),)
    return tuple(state.lots)


def _moved(order: Order, balance: Balance, state: BalanceState, at: str) -> Decimal:
    """Return what is added to the balance: of a `set`, the difference to what the provider shows.

    That is the money of a prepaid balance, what is owed of a postpaid one in its period, what is left of a pool.
    """
    amount = _amount(order, balance).value
    if order.kind != "set":
        return -amount if order.kind == "refund" else amount
    if balance.kind == "prepaid":
        return subtract(amount, state.posted)
    rest = remaining(balance, state, at) or ZERO
    shown = amount if balance.kind == "pool" else subtract(read_amount(balance.limit).value, amount)
    return subtract(shown, rest)


def _windows(  # noqa: PLR0913, PLR0917 - what moves, and the windows as they are
    order: Order, moved: Decimal, balance: Balance, state: BalanceState, at: str, calendar: Calendar
) -> tuple[WindowHeld, ...]:
    """Return the windows in which it counts: none of money that is paid in or back; what was used opens them."""
    if order.kind in {"topup", "refund"}:
        return ()
    counting = windows_at if moved < ZERO else windows_of_charge
    return counting(balance, state, at, calendar)


def _counted(order: Order, terms: Terms, fold: Fold, spent: Amount, at: str) -> tuple[Counted, ...]:
    """Return what the correction of a call counts against the budgets that the call counted against.

    The order names key and route as the call's entry does. A list price is not corrected: only the charge was wrong.
    """
    if not order.corrects or spent.unit in COUNT_UNITS:
        return ()
    budgets = fold.budgets
    route = budgets.names.get(f"route.{order.route}", f"route.{order.route}").removeprefix("route.")
    payer = Payer(key=budgets.key(order.key), task=order.task, route=route, balance=order.balance)
    found = (
        counted(binding, spent, terms.config, budgets=budgets, at=at, calendar=terms.calendar)
        for binding in bindings(terms.config, budgets, payer)
        if binding.count == "charge"
    )
    return tuple(one for one in found if one is not None)


def _entry(order: Order, config: Config, state: BalanceState, moved: Decimal, unit: str) -> Adjusted:
    known = units_of(config)
    return Adjusted(
        balance=order.balance,
        amount=text(moved),
        unit=unit,
        reason=_reason(order, state),
        paid=kept_form(order.paid, known=known) if order.paid else "",
        fee=kept_form(order.fee, known=known) if order.fee else "",
        ref=order.ref.strip(),
        expires=order.expires,
        batch=order.batch,
        note=order.note,
        corrects=order.corrects,
        key=order.key,
        task=order.task,
        route=order.route,
        upstream_model=order.upstream_model,
        balance_before=text(state.posted),
        balance_after=text(add(state.posted, moved)),
    )


def _reason(order: Order, state: BalanceState) -> AdjustedReason:
    """Return why it moved: what a provider's figure differs by is unexplained, unless nothing was known before."""
    match order.kind:
        case "topup":
            return "topup"
        case "refund":
            return "refund"
        case "adjust":
            return order.reason
        case "set":
            return "unexplained" if state.since else "opening"
        case "close":
            return "closed"
        case _:
            assert_never(order.kind)
