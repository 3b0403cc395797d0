"""Balances moved by hand: a top-up, a provider's figure, a correction.

`adjusted` turns an order into the entries to append, or says why not; a running proxy and the command line without one
use it alike. It decides nothing about calls.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, assert_never

from tokens_forge.core.book import BalanceState, unit_conflict
from tokens_forge.core.config import Config, did_you_mean
from tokens_forge.core.entries import Adjusted, AdjustedReason, Record, Recovered
from tokens_forge.core.errors import MoneyError
from tokens_forge.core.fold import Fold
from tokens_forge.core.health import topped_up
from tokens_forge.core.money import ZERO, add, read_amount, rounded, subtract, text

AdjustReason = Literal["correction", "refund", "fee", "reconciled", "used_elsewhere", "unexplained"]
"""What `tf balance adjust` may give as its reason."""


class Order(Record, frozen=True, kw_only=True):
    """What the user asks for, as it also goes over the control socket."""

    balance: str
    kind: Literal["topup", "set", "adjust"]
    amount: str
    """``500 CNY``: added (`topup`, `adjust`; may be negative in the latter), or what the balance shall be (`set`)."""
    reason: AdjustedReason = "correction"
    """Of an `adjust`."""
    paid: str = ""
    fee: str = ""
    ref: str = ""
    note: str = ""
    corrects: str = ""
    key: str = ""
    task: str = ""
    route: str = ""
    upstream_model: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unadjusted:
    """Why an order was not carried out, with the next step."""

    why: str


def adjusted(order: Order, config: Config, fold: Fold) -> tuple[Adjusted | Recovered, ...] | Unadjusted:
    """Return what to append for `order`: the movement, and the recovery of a balance that a top-up ends being empty.

    An order that changes nothing (`set` to what is posted) gives no entry.
    """
    against = _against(order, config, fold) or _against_amounts(order, config)
    if against:
        return Unadjusted(why=against)
    unit = config.balance[order.balance].unit
    state = fold.book.state(order.balance, unit)
    amount = read_amount(order.amount).value
    moved = subtract(amount, state.posted) if order.kind == "set" else amount
    if moved == ZERO:
        return ()
    entry = _entry(order, state, moved, unit)
    recovery = topped_up(fold.health, order.balance) if moved > ZERO else None
    return (entry,) if recovery is None else (entry, recovery)


def _against(order: Order, config: Config, fold: Fold) -> str:
    """Return what stands against the balance or the reference, empty for nothing."""
    balance = config.balance.get(order.balance)
    if balance is None:
        return f"no balance named `{order.balance}`.{did_you_mean(order.balance, config.balance)}"
    if balance.kind != "prepaid":
        return f"`{order.balance}` is a {balance.kind} balance: only a prepaid one holds money to move"
    if conflict := unit_conflict(order.balance, balance, fold.book):
        return conflict
    refs = fold.book.state(order.balance, balance.unit).refs
    if order.ref in refs:
        entered = f"`{order.ref}` was entered for `{order.balance}` at {refs[order.ref]}"
        return f"{entered}: a reference counts once, so nothing was added again"
    return ""


def _against_amounts(order: Order, config: Config) -> str:
    """Return what stands against an amount, empty for nothing."""
    unit = config.balance[order.balance].unit
    try:
        amount = read_amount(order.amount)
        for further in (order.paid, order.fee):
            if further:
                read_amount(further)
    except MoneyError as error:
        return str(error)
    if amount.unit != unit:
        return (
            f"`{order.balance}` is in {unit} and never takes an amount in {amount.unit}: write "
            f"`{text(amount.value)} {unit}` if that is what moved; what was paid for it goes into --paid"
        )
    if rounded(amount.value) != amount.value:
        return f"`{order.amount}` has more than 12 decimal places"
    if order.kind == "topup" and amount.value <= ZERO:
        return f"a top-up of {order.amount} adds nothing: use `tf balance adjust` to take away"
    return ""


def _entry(order: Order, state: BalanceState, moved: Decimal, unit: str) -> Adjusted:
    return Adjusted(
        balance=order.balance,
        amount=text(moved),
        unit=unit,
        reason=_reason(order, state),
        paid=order.paid,
        fee=order.fee,
        ref=order.ref,
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
        case "adjust":
            return order.reason
        case "set":
            return "unexplained" if state.posted or state.refs else "opening"
        case _:
            assert_never(order.kind)
