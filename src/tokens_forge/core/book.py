"""Balances, holds and pool windows: what money moved, what is reserved, what may still be held.

`Book.apply` is the only thing that changes a balance, live and on replay alike. Entries carry all that it needs, so the
book never reads a config; only `available` does, because an allowance is what the user wrote.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import assert_never

import msgspec

from tokens_forge.core import config
from tokens_forge.core.entries import Adjusted, AnyEntry, Held, Settled, Voided, WindowHeld, attempt_name
from tokens_forge.core.errors import MoneyError
from tokens_forge.core.moments import later, read_duration_ms
from tokens_forge.core.money import ZERO, add, subtract

FREE_UNIT = "free"
"""The unit of a balance that counts nothing, so that it is never added to money."""


class PoolWindow(msgspec.Struct, kw_only=True):
    """A window of a pool that was opened; it keeps its start and end."""

    start: str
    end: str
    used: Decimal = ZERO

    def current(self, at: str) -> bool:
        """Say whether the moment `at` lies in it; its end does not."""
        return self.start <= at < self.end


class BalanceState(msgspec.Struct, kw_only=True):
    """One balance as its entries add up to."""

    unit: str
    posted: Decimal = ZERO
    """Money that moved: adjustments less charges. A pool's is the negative of all it ever gave."""
    held: Decimal = ZERO
    """The sum of `holds`."""
    holds: dict[str, Decimal] = {}
    """Live holds by attempt (ID/N)."""
    windows: dict[str, PoolWindow] = {}
    """The latest window of each kind by KIND/PER."""
    refs: dict[str, str] = {}
    """References of top-ups that were entered, with their moment."""


class Book(msgspec.Struct, kw_only=True):
    """All balances."""

    balances: dict[str, BalanceState] = {}

    def apply(self, ts: str, entry: AnyEntry) -> None:
        """Move the balances as `entry`, appended at `ts`, says.

        Raises MoneyError for an amount in another unit than the balance's first entry. A hold that ends twice, or was
        never made, is a bug of ours and fails an assertion.
        """
        match entry:
            case Held():
                self._hold(ts, entry)
            case Settled():
                state = self._end_hold(entry)
                state.posted = subtract(state.posted, charge := Decimal(entry.charge))
                for window in state.windows.values():
                    if window.current(ts):
                        window.used = add(window.used, charge)
            case Voided():
                self._end_hold(entry)
            case Adjusted():
                state = self._state(entry.balance, entry.unit)
                state.posted = add(state.posted, Decimal(entry.amount))
                if entry.ref:
                    state.refs[entry.ref] = ts
            case _:
                pass

    def state(self, name: str, unit: str) -> BalanceState:
        """Return the state of a balance, an empty one when it has no entry yet. It must not be changed."""
        return self.balances.get(name) or BalanceState(unit=unit)

    def _hold(self, ts: str, entry: Held) -> None:
        state = self._state(entry.balance, entry.unit)
        name = attempt_name(entry.id, entry.n)
        assert name not in state.holds, f"{name} is held already"
        state.holds[name] = amount = Decimal(entry.hold)
        state.held = add(state.held, amount)
        for held in entry.windows:
            window = state.windows.get(held.window)
            if window is None or not window.current(ts):
                state.windows[held.window] = PoolWindow(start=held.start, end=held.end)

    def _end_hold(self, entry: Settled | Voided) -> BalanceState:
        state = self._state(entry.balance, entry.unit)
        name = attempt_name(entry.id, entry.n)
        assert name in state.holds, f"{name} has no hold to end"
        state.held = subtract(state.held, state.holds.pop(name))
        return state

    def _state(self, name: str, unit: str) -> BalanceState:
        state = self.balances.setdefault(name, BalanceState(unit=unit))
        if state.unit != unit:
            raise MoneyError(f"balance `{name}` is in {state.unit} and never takes an amount in {unit}")
        return state


def unit_of(balance: config.Balance) -> str:
    """Return the unit that a balance's entries are in."""
    return balance.unit or FREE_UNIT


def unit_conflict(name: str, balance: config.Balance, book: Book) -> str:
    """Return what stands against a balance whose unit in the config is not that of its first entry, else nothing."""
    unit = unit_of(balance)
    kept = book.state(name, unit).unit
    if kept == unit:
        return ""
    return (
        f"`{name}` is in {kept} since its first entry, and the config says {unit}: a balance keeps its unit. Write "
        f'`unit = "{kept}"`, or give the one in {unit} another name'
    )


def available(balance: config.Balance, state: BalanceState, at: str) -> Decimal | None:
    """Return what may still be held on a balance at `at`, in its unit; None for a free one, which has no end.

    Prepaid: posted less held. Pool: the smallest over its windows of allowance less used and held; a live hold counts
    in every window. Never rounded; negative after overruns.
    """
    match balance.kind:
        case "free":
            return None
        case "prepaid":
            return subtract(state.posted, state.held)
        case "pool":
            return subtract(min(left(balance, state, at).values()), state.held)
        case _:
            assert_never(balance.kind)


def left(balance: config.Balance, state: BalanceState, at: str) -> Mapping[str, Decimal]:
    """Return for each window of a pool the allowance that is not used at `at`, live holds not taken off."""
    return {window.name: subtract(window.allow, _used(state, window.name, at)) for window in balance.windows}


def resets(balance: config.Balance, state: BalanceState, at: str) -> str:
    """Return when the window ends that leaves a pool the least; empty when none is open."""
    by_left = sorted(left(balance, state, at).items(), key=lambda item: item[1])
    return next((window.end for name, _rest in by_left if (window := _open(state, name, at)) is not None), "")


def windows_at(balance: config.Balance, state: BalanceState, at: str) -> tuple[WindowHeld, ...]:
    """Return the windows in which a hold at `at` counts: those that are open, and those that it opens."""
    held: list[WindowHeld] = []
    for window in balance.windows:
        known = _open(state, window.name, at)
        if known is not None:
            held.append(WindowHeld(window=window.name, start=known.start, end=known.end))
        else:
            end = later(at, read_duration_ms(window.per))
            held.append(WindowHeld(window=window.name, start=at, end=end))
    return tuple(held)


def remaining(balance: config.Balance, state: BalanceState, at: str, *, charge: Decimal = ZERO) -> Decimal | None:
    """Return what a statement shows as the balance at `at` once `charge` is posted then; None for a free one.

    That is posted money, or a pool's smallest rest over its windows. A charge counts in the windows that are open.
    """
    match balance.kind:
        case "free":
            return None
        case "prepaid":
            return subtract(state.posted, charge)
        case "pool":
            rests = left(balance, state, at).items()
            return min(subtract(rest, charge) if _open(state, name, at) else rest for name, rest in rests)
        case _:
            assert_never(balance.kind)


def _used(state: BalanceState, name: str, at: str) -> Decimal:
    window = _open(state, name, at)
    return window.used if window is not None else ZERO


def _open(state: BalanceState, name: str, at: str) -> PoolWindow | None:
    window = state.windows.get(name)
    return window if window is not None and window.current(at) else None


class BalanceShown(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A balance as it is enforced at a moment: what screens and commands show (CASES 37)."""

    name: str
    kind: str
    unit: str
    posted: Decimal
    held: Decimal
    available: Decimal | None = None
    """Absent for a free balance, which has no end."""
    windows: dict[str, Decimal] = {}
    """What is left of each window of a pool by KIND/PER, live holds not taken off."""
    resets: str = ""
    """When the window of a pool that leaves the least ends."""
    warn_below: str = ""
    """As configured."""


def balances(conf: config.Config, book: Book, at: str) -> tuple[BalanceShown, ...]:
    """Return every configured balance at `at`, in the config's order."""
    return tuple(_shown(name, balance, book, at) for name, balance in conf.balance.items())


def _shown(name: str, balance: config.Balance, book: Book, at: str) -> BalanceShown:
    unit = unit_of(balance)
    state = book.state(name, unit)
    return BalanceShown(
        name=name,
        kind=balance.kind,
        unit=unit,
        posted=state.posted,
        held=state.held,
        available=available(balance, state, at),
        windows=dict(left(balance, state, at)),
        resets=resets(balance, state, at),
        warn_below=balance.warn_below,
    )
