"""Balances, lots, holds and windows: what money moved, what is reserved, what may still be held.

`Book.apply` is the only thing that changes a balance, live and on replay alike. Entries carry all that it needs, so the
book never reads a config; only `available` and its like do, because an allowance is what the user wrote.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import assert_never

import msgspec

from tokens_forge.core import config
from tokens_forge.core.entries import (
    Adjusted,
    AnyEntry,
    Held,
    LotMoved,
    Renamed,
    Settled,
    Voided,
    WindowHeld,
    attempt_name,
)
from tokens_forge.core.errors import MoneyError
from tokens_forge.core.moments import later, moment, read_duration_ms, stamp
from tokens_forge.core.money import ZERO, add, divided, multiply, read_amount, subtract, text, total
from tokens_forge.core.windows import Calendar, Span, count, current, frees, used, window_at

FREE_UNIT = "free"
"""The unit of a balance that counts nothing, so that it is never added to money."""

COUNT_UNITS = (FREE_UNIT, "requests", "tokens", "percent")
"""Units that are no money."""

PROVIDER = "provider/"
"""How the windows begin that a provider counts itself."""

OVERAGE = f"{PROVIDER}overage"
"""What a provider says of paying with money beyond a pool; no window."""

FULL = Decimal(100)
"""All of a window that is counted in percent."""

_UNKNOWN_WINDOW_MS = 5 * 3_600_000
"""How long a provider's window is taken to be when its name does not say."""

_LONGEST_WINDOW_MS = 31 * 86_400_000
"""No window of a plan is longer than a month, and no reset is believed that is further away, whatever a header says."""

_MOST_WINDOWS = 16
"""So many windows that a provider counts are remembered; the real ones are up to six. Headers could name a new one in
each reply."""

BURN_DAYS = 7
"""A balance's rate of burning is taken over so many days."""

_NEVER = "9999-12-31"

BY_HAND_KEPT = 16
"""So many movements by hand are known of a balance: enough to tell that one is entered twice."""

UNDONE_KEPT = 1_000
"""So many numbers of entries that were taken back are known; of older ones the ledger's pages tell."""


class Lot(msgspec.Struct, kw_only=True):
    """Money that came in together and may end on a day."""

    left: Decimal
    expires: str = ""
    """The last day (UTC) on which it can be spent; empty for no end."""
    ref: str = ""

    def ended(self, at: str) -> bool:
        """Say whether it can't be spent any more at `at`."""
        return self.expires != "" and at[:10] > self.expires


class ProviderWindow(msgspec.Struct, kw_only=True):
    """What a provider's headers last said of a window that it counts."""

    used: Decimal
    """Percent."""
    reset: str
    """The moment at which it begins anew; empty when not said."""
    status: str
    seen: str
    """When it was said."""
    outside: Decimal = ZERO
    """What was used already when the window was first heard of, at most one call of ours among it (CASES 58)."""


class ByHand(msgspec.Struct, kw_only=True):
    """A movement that a user entered, as far as the next one is compared with it."""

    ts: str
    reason: str
    amount: Decimal
    ref: str = ""
    expires: str = ""
    corrects: str = ""


class BalanceState(msgspec.Struct, kw_only=True):
    """One balance as its entries add up to."""

    unit: str
    posted: Decimal = ZERO
    """Money that moved: adjustments less charges. A pool's is the negative of all it ever gave."""
    held: Decimal = ZERO
    """The sum of `holds`."""
    holds: dict[str, Decimal] = {}
    """Live holds by attempt (ID/N)."""
    lots: list[Lot] = []
    """What is left of the money that came in, earliest end first. What was spent beyond them is posted and no lot's."""
    windows: dict[str, list[Span]] = {}
    """The windows that are open, by KIND/PER; of a rolling one its steps."""
    elsewhere: dict[str, list[Span]] = {}
    """What of `windows` was used outside of tf, as far as the provider's headers show it."""
    provider: dict[str, ProviderWindow] = {}
    """What the provider's own headers last said, by window."""
    burned: dict[str, Decimal] = {}
    """Charges of the last days by UTC day."""
    since: str = ""
    """When its first entry was."""
    paid_to: str = ""
    """Of a pool: the last day of the last period whose fee was entered."""
    refs: dict[str, str] = {}
    """References of top-ups that were entered, with their moment."""
    by_hand: list[ByHand] = []
    """The last movements by hand, those that were taken back left out."""


class Book(msgspec.Struct, kw_only=True):
    """All balances."""

    balances: dict[str, BalanceState] = {}
    names: dict[str, str] = {}
    """Earlier names of balances to their name now."""
    undone: list[int] = []
    """The numbers of the entries that were taken back last."""

    def apply(self, ts: str, entry: AnyEntry) -> None:
        """Move the balances as `entry`, appended at `ts`, says.

        Raises MoneyError for an amount in another unit than the balance's first entry. A hold that ends twice, or was
        never made, is a bug of ours and fails an assertion.
        """
        match entry:
            case Held():
                self._hold(ts, entry)
            case Settled():
                self._settle(ts, entry)
            case Voided():
                _said(self._end_hold(ts, entry), entry, ts)
            case Adjusted():
                self._adjust(ts, entry)
            case Renamed(scope="balance"):
                self.names = follow_name(self.names, entry.was, entry.name)
                if (state := self.balances.pop(entry.was, None)) is not None:
                    self.balances[entry.name] = state
            case _:
                pass

    def state(self, name: str, unit: str) -> BalanceState:
        """Return the state of a balance, an empty one when it has no entry yet. It must not be changed."""
        return self.balances.get(self.name(name)) or BalanceState(unit=unit)

    def name(self, name: str) -> str:
        """Return what a balance is called now, by its name or an earlier one."""
        return self.names.get(name, name)

    def _hold(self, ts: str, entry: Held) -> None:
        state = self._state(entry.balance, entry.unit, ts)
        name = attempt_name(entry.id, entry.n)
        assert name not in state.holds, f"{name} is held already"
        state.holds[name] = amount = Decimal(entry.hold)
        state.held = add(state.held, amount)
        for held in entry.windows:
            if not held.window.startswith("rolling/"):  # a step in which nothing was used says nothing
                count(state.windows.setdefault(held.window, []), held.start, held.end, ZERO, ts)

    def _settle(self, ts: str, entry: Settled) -> None:
        state = self._end_hold(ts, entry)
        charge = Decimal(entry.charge)
        state.posted = subtract(state.posted, charge)
        _spend(state, charge, ts)
        for window in entry.windows:
            count(state.windows.setdefault(window.window, []), window.start, window.end, charge, ts)
        _said(state, entry, ts)
        _burn(state, charge, ts)

    def _adjust(self, ts: str, entry: Adjusted) -> None:
        state = self._state(entry.balance, entry.unit, ts)
        amount = Decimal(entry.amount)
        before = state.posted
        state.posted = add(before, amount)
        if entry.reason == "fee" and not amount:
            state.paid_to = max(state.paid_to, entry.expires)
        else:
            _move_lots(state, entry, before, ts)
        for window in entry.windows:
            count(state.windows.setdefault(window.window, []), window.start, window.end, -amount, ts)
            if entry.reason == "used_elsewhere":
                count(state.elsewhere.setdefault(window.window, []), window.start, window.end, -amount, ts)
        if entry.undoes:
            self.undone = [*self.undone, entry.undoes][-UNDONE_KEPT:]
            _forget(state, entry)
        else:
            _remember(state, entry, ts)

    def _end_hold(self, ts: str, entry: Settled | Voided) -> BalanceState:
        state = self._state(entry.balance, entry.unit, ts)
        name = attempt_name(entry.id, entry.n)
        assert name in state.holds, f"{name} has no hold to end"
        state.held = subtract(state.held, state.holds.pop(name))
        return state

    def _state(self, name: str, unit: str, ts: str) -> BalanceState:
        state = self.balances.setdefault(self.name(name), BalanceState(unit=unit, since=ts))
        if state.unit != unit:
            raise MoneyError(f"balance `{name}` is in {state.unit} and never takes an amount in {unit}")
        return state


def follow_name(names: dict[str, str], was: str, name: str) -> dict[str, str]:
    """Return `names` (earlier to now) once `was` is called `name`: what led to `was` leads on."""
    followed = {earlier: name if now == was else now for earlier, now in names.items() if earlier != name}
    return {**followed, was: name}


def _move_lots(state: BalanceState, entry: Adjusted, before: Decimal, ts: str) -> None:
    """Move the lots as an adjustment says; `before` was posted before it."""
    amount = Decimal(entry.amount)
    if entry.reason == "expiry":
        _expire(state, entry)
    elif amount < ZERO:
        left = subtract(-amount, _taken_off(state, entry)) if entry.undoes else -amount
        _spend(state, left, ts)
    elif state.unit not in COUNT_UNITS:
        left = subtract(amount, _paid_off(state, amount, before))
        for moved in reversed(entry.lots) if entry.undoes else ():
            # The lot that was taken from last gets it first: what was spent since would have burned the others.
            part = min(Decimal(moved.amount), left)
            _put(state, part, moved.expires, moved.ref)
            left = subtract(left, part)
        _put(state, left, entry.expires, entry.ref)


def is_by_hand(entry: Adjusted) -> bool:
    """Say whether a user entered it: a lot's end, a pool's fee and what headers show come by themselves."""
    match entry.reason:
        case "expiry":
            return False
        case "fee":
            return entry.amount != "0"
        case "used_elsewhere":
            return entry.balance_before != ""  # what headers show says it in a note
        case _:
            return True


def taken(state: BalanceState, amount: Decimal, ts: str) -> tuple[LotMoved, ...]:
    """Return what `amount` takes from each lot at `ts`; nothing where no money that ends is among it."""
    parts = list(_parts(state, amount, ts))
    if not any(lot.expires for lot, _part in parts):
        return ()
    return tuple(LotMoved(amount=text(part), expires=lot.expires, ref=lot.ref) for lot, part in parts)


def _spend(state: BalanceState, amount: Decimal, ts: str) -> None:
    """Take `amount` from the lots that can be spent at `ts`, earliest end first; what they have not stays a debt."""
    for lot, part in list(_parts(state, amount, ts)):
        lot.left = subtract(lot.left, part)
    state.lots[:] = [lot for lot in state.lots if lot.left]


def _parts(state: BalanceState, amount: Decimal, ts: str) -> Iterator[tuple[Lot, Decimal]]:
    """Yield the lots that `amount` takes from at `ts`, and how much."""
    for lot in state.lots:
        if amount and not lot.ended(ts):
            part = min(lot.left, amount)
            amount = subtract(amount, part)
            yield lot, part


def _taken_off(state: BalanceState, undo: Adjusted) -> Decimal:
    """Take what came in by mistake from its own lot, and return how much that still had; the rest was spent."""
    own = _lot(state, undo.expires, undo.ref)
    if own is None:
        return ZERO
    part = min(own.left, -Decimal(undo.amount))
    own.left = subtract(own.left, part)
    return part


def _remember(state: BalanceState, entry: Adjusted, ts: str) -> None:
    """Keep what the next movement by hand is compared with."""
    if entry.ref:  # an `expiry` repeats that of its lot
        state.refs.setdefault(entry.ref, ts)
    if is_by_hand(entry):
        made = ByHand(
            ts=ts,
            reason=entry.reason,
            amount=Decimal(entry.amount),
            ref=entry.ref,
            expires=entry.expires,
            corrects=entry.corrects,
        )
        state.by_hand = [*state.by_hand, made][-BY_HAND_KEPT:]


def _forget(state: BalanceState, undo: Adjusted) -> None:
    """Forget what an undo takes back: its reference may be used again, and a window that it opened is closed."""
    if state.refs.get(undo.ref) == undo.effective:
        del state.refs[undo.ref]
    same = (undo.effective, undo.reason, -Decimal(undo.amount), undo.ref)
    known = next((one for one in state.by_hand if (one.ts, one.reason, one.amount, one.ref) == same), None)
    state.by_hand = [one for one in state.by_hand if one is not known]
    if not state.holds:
        for spans in state.windows.values():
            spans[:] = [span for span in spans if span.used or span.start != undo.effective]


def _paid_off(state: BalanceState, amount: Decimal, before: Decimal) -> Decimal:
    """Return how much of what comes in pays what was spent beyond all lots while `before` was posted."""
    return min(subtract(total([lot.left for lot in state.lots]), before), amount)


def _put(state: BalanceState, amount: Decimal, expires: str, ref: str) -> None:
    """Add to a lot, which is made where there is none."""
    if not amount:
        return
    if (same := _lot(state, expires, ref)) is not None:
        same.left = add(same.left, amount)
        return
    state.lots.append(Lot(left=amount, expires=expires, ref=ref if expires else ""))
    state.lots.sort(key=lambda lot: lot.expires or _NEVER)


def _lot(state: BalanceState, expires: str, ref: str) -> Lot | None:
    """Return a lot by its end and reference: no two have the same, and money without an end is one lot."""
    own = (expires, ref if expires else "")
    return next((lot for lot in state.lots if (lot.expires, lot.ref) == own), None)


def _expire(state: BalanceState, entry: Adjusted) -> None:
    state.lots[:] = [lot for lot in state.lots if (lot.expires, lot.ref) != (entry.expires, entry.ref)]


def _burn(state: BalanceState, charge: Decimal, ts: str) -> None:
    day = ts[:10]
    if day not in state.burned:
        first = stamp(moment(ts) - timedelta(days=BURN_DAYS))[:10]
        state.burned = {known: amount for known, amount in state.burned.items() if known >= first}
    state.burned[day] = add(state.burned.get(day, ZERO), charge)


def heard(entry: Settled | Voided, ts: str) -> str:
    """Return when the headers of an attempt came that ended at `ts`: a stream may go on for minutes after them."""
    if isinstance(entry, Voided):
        return ts
    return later(ts, -max(int(entry.total_ms - entry.first_byte_ms), 0))


def _said(state: BalanceState, entry: Settled | Voided, ts: str) -> None:
    """Take down what the provider's headers say of windows that it counts itself; a newer word holds."""
    if state.unit != "percent":
        return
    kept = {name: window for name, window in state.provider.items() if _believed_to(name, window) > ts}
    state.provider = kept  # what follows adds to it
    seen = heard(entry, ts)
    for limit in entry.limits:
        if limit.window.startswith(PROVIDER) and limit.window != OVERAGE:
            before = kept.get(limit.window)
            if before is not None and before.seen > seen:
                continue
            taken = before.used if before else ZERO  # a word without a figure leaves the one before
            if limit.remaining:
                taken = subtract(FULL, Decimal(limit.remaining))
            kept[limit.window] = ProviderWindow(
                used=taken,
                reset=limit.reset,
                status=limit.status,
                seen=seen,
                outside=before.outside if before else taken,
            )
    for name in sorted(kept, key=lambda name: kept[name].seen)[: max(len(kept) - _MOST_WINDOWS, 0)]:
        del kept[name]


def unit_of(balance: config.Balance) -> str:
    """Return the unit that a balance's entries are in."""
    return balance.unit or FREE_UNIT


def is_money(balance: config.Balance) -> bool:
    """Say whether a balance's charges are money, which a rate card prices."""
    return balance.kind in {"prepaid", "postpaid"}


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

    Prepaid: posted less held and less what has expired. Pool and postpaid: the smallest over its windows of allowance
    less used and held; a live hold counts in every window. Never rounded; negative after overruns.
    """
    match balance.kind:
        case "free":
            return None
        case "prepaid":
            return subtract(subtract(state.posted, expired(state, at)), state.held)
        case "pool" | "postpaid":
            return subtract(min(left(balance, state, at).values(), default=FULL), state.held)
        case _:
            assert_never(balance.kind)


def expired(state: BalanceState, at: str) -> Decimal:
    """Return what is left of lots that have ended at `at` and whose `expiry` is not entered yet."""
    return total([lot.left for lot in state.lots if lot.ended(at)])


def allowances(balance: config.Balance) -> tuple[config.Window, ...]:
    """Return the windows that we count: a pool's, or the one of a postpaid account's limit."""
    if balance.kind == "postpaid":
        limit = read_amount(balance.limit).value
        return (config.Window(allow=limit, per=balance.per, kind="calendar", anchor=balance.anchor),)
    return () if balance.windows == "provider" else balance.windows


def left(balance: config.Balance, state: BalanceState, at: str) -> Mapping[str, Decimal]:
    """Return for each window the allowance that is not used at `at`, live holds not taken off."""
    if balance.windows == "provider":
        return {name: _provider_left(name, window, at) for name, window in state.provider.items()}
    return {
        window.name: subtract(window.allow, used(state.windows.get(window.name, ()), at))
        for window in allowances(balance)
    }


def resets(balance: config.Balance, state: BalanceState, at: str) -> str:
    """Return when the window that leaves the least gives some back; empty when nothing of it is used."""
    by_left = sorted(left(balance, state, at).items(), key=lambda item: item[1])
    for name, _rest in by_left:
        if balance.windows == "provider":
            end = _believed_to(name, state.provider[name])
            if end > at:
                return end
        elif end := _window_end(state, name, at):
            return end
    return ""


def lapses(balance: config.Balance, state: BalanceState, at: str, calendar: Calendar) -> str:
    """Return when the first of a pool's windows ends and takes with it what was not used; empty when not known.

    Of a window that opens at first use and is not open, that is where it would end if it opened at `at`. A rolling
    window gives back and takes nothing.
    """
    if balance.windows == "provider":
        ends = [_believed_to(name, window) for name, window in state.provider.items()]
        return min((end for end in ends if end > at), default="")
    held = windows_at(balance, state, at, calendar)
    return min((one.end for one in held if not one.window.startswith("rolling/")), default="")


def windows_at(balance: config.Balance, state: BalanceState, at: str, calendar: Calendar) -> tuple[WindowHeld, ...]:
    """Return the windows in which a hold at `at` counts: those that are open, and those that it opens."""
    return tuple(window_at(window, state.windows.get(window.name, ()), at, calendar) for window in allowances(balance))


def windows_of_charge(
    balance: config.Balance, state: BalanceState, at: str, calendar: Calendar
) -> tuple[WindowHeld, ...]:
    """Return the windows in which a charge at `at` counts: a first-use window is opened by holds alone."""
    return tuple(held for held in windows_at(balance, state, at, calendar) if _counts(state, held.window, at))


def remaining(balance: config.Balance, state: BalanceState, at: str, *, charge: Decimal = ZERO) -> Decimal | None:
    """Return what a statement shows as the balance at `at` once `charge` is posted then; None for a free one.

    That is posted money, or the smallest rest over the windows. A charge counts in the windows that are open.
    """
    match balance.kind:
        case "free":
            return None
        case "prepaid":
            return subtract(state.posted, charge)
        case "pool" | "postpaid":
            rests = left(balance, state, at).items()
            return min(
                (subtract(rest, charge) if _counts(state, name, at) else rest for name, rest in rests), default=FULL
            )
        case _:
            assert_never(balance.kind)


def _counts(state: BalanceState, window: str, at: str) -> bool:
    """Say whether a charge at `at` counts in a window: one that opens at first use is opened by holds alone."""
    return not window.startswith("first-use/") or current(state.windows.get(window, ()), at) is not None


def _believed_to(name: str, window: ProviderWindow) -> str:
    """Return until when the provider's last word on a window holds: its reset, else its length from then on.

    A word without an end would close a pool for ever, as no call could learn otherwise; so would a reset that is
    further away than the window is long.
    """
    try:
        length_ms = min(read_duration_ms(name.removeprefix(PROVIDER)), _LONGEST_WINDOW_MS)
    except ValueError:
        length_ms = _LONGEST_WINDOW_MS if window.reset else _UNKNOWN_WINDOW_MS
    most = later(window.seen, length_ms)
    return min(window.reset, most) if window.reset else most


def _provider_left(name: str, window: ProviderWindow, at: str) -> Decimal:
    """Return the percent that is left by the provider's last word; all of it once that is past."""
    if _believed_to(name, window) <= at:
        return FULL
    return ZERO if window.status == "rejected" else subtract(FULL, window.used)


def _window_end(state: BalanceState, name: str, at: str) -> str:
    spans = state.windows.get(name, ())
    if name.startswith("rolling/"):
        return frees(spans, at)
    return span.end if (span := current(spans, at)) else ""


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
    """What is left of each window by KIND/PER, live holds not taken off."""
    outside: dict[str, Decimal] = {}
    """What of each window was used outside of tf, as far as headers show it; the first call there may be among it."""
    resets: str = ""
    """When the window that leaves the least gives some back."""
    status: str = ""
    """The provider's own word for a pool that it counts, where it is not ``allowed``."""
    lots: tuple[Lot, ...] = ()
    """What is left of money that came in, earliest end first; only where some has an end."""
    burn: Decimal | None = None
    """What was charged a day over the last seven days, in `unit`; absent when nothing was."""
    empty: str = ""
    """When nothing is available any more if it goes on so; absent when a window gives back before."""
    warn_below: str = ""
    """As configured."""
    limit: str = ""
    """Of a postpaid account, as configured."""
    overage: str = ""
    """What pays beyond a pool; absent where nothing does."""


def balances(conf: config.Config, book: Book, at: str) -> tuple[BalanceShown, ...]:
    """Return every configured balance at `at`, in the config's order."""
    return tuple(_shown(name, balance, book, at) for name, balance in conf.balance.items())


def _shown(name: str, balance: config.Balance, book: Book, at: str) -> BalanceShown:
    unit = unit_of(balance)
    state = book.state(name, unit)
    may_hold = available(balance, state, at)
    resets_at = resets(balance, state, at)
    burn = burn_a_day(state, at)
    empty = _empty_at(may_hold, burn, at)
    return BalanceShown(
        name=name,
        kind=balance.kind,
        unit=unit,
        posted=state.posted,
        held=state.held,
        available=may_hold,
        windows=dict(left(balance, state, at)),
        outside=_outside(state, at),
        resets=resets_at,
        status=_status(state, at),
        lots=tuple(state.lots) if any(lot.expires for lot in state.lots) else (),
        burn=burn,
        empty=empty if balance.kind == "prepaid" or (resets_at and resets_at > empty) else "",
        warn_below=balance.warn_below,
        limit=balance.limit,
        overage="" if balance.overage == "none" else balance.overage,
    )


def burn_a_day(state: BalanceState, at: str) -> Decimal | None:
    """Return what was charged a day over the last seven days, or since the first entry where that is less.

    At least a day is taken: a first busy hour is no rate. None when nothing was charged. In the balance's unit.
    """
    now = moment(at)
    first = stamp(now - timedelta(days=BURN_DAYS - 1))[:10]
    charged = total([amount for day, amount in state.burned.items() if day >= first])
    if not charged:
        return None
    begun = max(moment(f"{first}T00:00:00.000000Z"), moment(state.since))
    seconds = max(int((now - begun).total_seconds()), _DAY_S)
    return divided(multiply(charged, Decimal(_DAY_S)), Decimal(seconds))


def _empty_at(may_hold: Decimal | None, burn: Decimal | None, at: str) -> str:
    if may_hold is None or burn is None or may_hold <= ZERO or burn <= ZERO:
        return ""
    hours = int(multiply(divided(may_hold, burn), Decimal(24)))
    return stamp(moment(at) + timedelta(hours=min(hours, _FAR_H)))


_DAY_S = 86_400
_FAR_H = 24 * 365 * 10
"""Beyond ten years nobody asks for the day."""


def _outside(state: BalanceState, at: str) -> dict[str, Decimal]:
    counted = {name: used(spans, at) for name, spans in state.elsewhere.items()}
    heard = {name: window.outside for name, window in state.provider.items() if _believed_to(name, window) > at}
    return {name: amount for name, amount in {**counted, **heard}.items() if amount}


def _status(state: BalanceState, at: str) -> str:
    """Return the provider's word that is not ``allowed``, of a window whose end is not past."""
    current_words = (window.status for name, window in state.provider.items() if _believed_to(name, window) > at)
    return next((word for word in current_words if word not in {"", "allowed"}), "")
