"""Movements by hand taken back: a counter-entry for each, on a running proxy or without one.

`taken_back` turns an order into the entries to append, or says why not. The order brings the entries as the ledger has
them: the fold keeps no history. What was spent meanwhile stays spent, so a balance may be left owing; that is asked.
"""

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from tokens_forge.core.adjustment import ASKS, Unadjusted, against_sum
from tokens_forge.core.book import is_by_hand, is_money, remaining, unit_conflict
from tokens_forge.core.config import Balance, Config
from tokens_forge.core.entries import Adjusted, Counted, Record
from tokens_forge.core.fold import Fold
from tokens_forge.core.money import ZERO, add, read_amount, text
from tokens_forge.core.settlement import Terms


class ToUndo(Record, frozen=True, kw_only=True):
    """An entry to take back, with its place in the ledger."""

    seq: int
    ts: str
    entry: Adjusted


class UndoOrder(Record, frozen=True, kw_only=True):
    """What the user asks for, as it also goes over the control socket."""

    entries: tuple[ToUndo, ...]
    """In the ledger's order; several where they were entered together (a `close`)."""
    note: str = ""
    yes: bool = False
    """Whether to leave a balance owing what was spent of it."""


def taken_back(order: UndoOrder, terms: Terms, fold: Fold, at: str) -> tuple[Adjusted, ...] | Unadjusted:
    """Return what to append at `at` to take entries back, the last one first: all of them, or none."""
    posted: dict[str, Decimal] = {}
    entries: list[Adjusted] = []
    seen: set[int] = set()
    for one in reversed(order.entries):
        if against := _named_twice(one, seen) or _against(one, terms.config, fold, at):
            return Unadjusted(why=against)
        seen.add(one.seq)
        name = fold.book.name(one.entry.balance)
        moved = -Decimal(one.entry.amount)
        before = posted.get(name, fold.book.state(name, one.entry.unit).posted)
        posted[name] = add(before, moved)
        if against := against_sum(name, moved, posted[name], one.entry.unit):
            return Unadjusted(why=against)
        entries.append(_counter(one, name, terms.config.balance[name], before, fold, order.note, at))
    odd = (*_said_since(order.entries, fold), *_owing(entries, posted, terms.config))
    if odd and not order.yes:
        return Unadjusted(why=f"{odd[0]}. {ASKS}")
    return tuple(entries)


def _named_twice(one: ToUndo, seen: set[int]) -> str:
    return f"entry {one.seq} is named twice: it can be taken back once" if one.seq in seen else ""


def _against(one: ToUndo, config: Config, fold: Fold, at: str) -> str:
    """Return what stands against taking an entry back, empty for nothing."""
    entry, name = one.entry, fold.book.name(one.entry.balance)
    if entry.undoes:
        return f"entry {one.seq} takes back entry {entry.undoes} itself: enter what that said again"
    if not is_by_hand(entry):
        return f"entry {one.seq} ({entry.reason} of `{name}`) was not made by hand: it would come again by itself"
    if one.seq in fold.book.undone:
        return f"entry {one.seq} was taken back already"
    balance = config.balance.get(name)
    if balance is None:
        return f"no balance named `{name}` is in the config any more: bring it back first"
    if Decimal(entry.amount) > ZERO and entry.expires and at[:10] > entry.expires:
        return (
            f"the money of entry {one.seq} ended on {entry.expires}, and what was left of it is off `{name}` already: "
            f'enter what is there, `tf balance set {name} "FIGURE {entry.unit}"`'
        )
    return unit_conflict(name, balance, fold.book)


def _counter(  # noqa: PLR0913, PLR0917 - the entry, and what it moves as that is now
    one: ToUndo, name: str, balance: Balance, posted: Decimal, fold: Fold, note: str, at: str
) -> Adjusted:
    entry, amount = one.entry, -Decimal(one.entry.amount)
    state = fold.book.state(name, entry.unit)
    windows = tuple(window for window in entry.windows if window.end > at)
    before = (remaining(balance, state, at) or ZERO) if windows else posted
    return msgspec.structs.replace(
        entry,
        balance=name,
        amount=text(amount),
        paid=_negated(entry.paid),
        fee=_negated(entry.fee),
        effective=one.ts,
        windows=windows,
        counted=tuple(_back(counted) for counted in entry.counted if not counted.end or counted.end > at),
        note=note,
        undoes=one.seq,
        balance_before=text(before),
        balance_after=text(add(before, amount)),
    )


def _negated(written: str) -> str:
    return str(-read_amount(written)) if written else ""


def _back(counted: Counted) -> Counted:
    return msgspec.structs.replace(counted, amount=text(-Decimal(counted.amount)))


def _said_since(entries: tuple[ToUndo, ...], fold: Fold) -> Iterator[str]:
    """Yield the balances of which a provider's figure was entered since: it is right with the entry in the books."""
    for one in entries:
        for later in fold.book.state(one.entry.balance, one.entry.unit).by_hand:
            if later.ts > one.ts and later.reason in {"unexplained", "opening"}:
                name = one.entry.balance
                yield (
                    f"what `{name}` has was entered at {later.ts}, after entry {one.seq}: without that it would differ"
                )


def _owing(entries: list[Adjusted], posted: dict[str, Decimal], config: Config) -> Iterator[str]:
    """Yield the prepaid balances that would owe what was spent of the money that is taken back."""
    for entry in entries:
        left = posted[entry.balance]
        balance = config.balance[entry.balance]
        if entry.amount.startswith("-") and left < ZERO and is_money(balance) and balance.kind == "prepaid":
            amount = f"{entry.amount.removeprefix('-')} {entry.unit}"
            yield (
                f"a part of the {amount} of entry {entry.undoes} is spent: without them `{entry.balance}` stands at "
                f"{text(left)} {entry.unit}"
            )
