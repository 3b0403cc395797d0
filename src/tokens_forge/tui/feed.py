"""What the monitor knows: the fold of the lines that it has seen, and the calls among them, newest first.

Values in, values out; it reads no file and draws nothing. The fold is `core/fold.py`'s, so a balance on the screen is
the one that the proxy enforces.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from tokens_forge.core import fold as folds
from tokens_forge.core.entries import (
    Adjusted,
    Cooled,
    Held,
    Line,
    Opened,
    Recovered,
    Refused,
    Routed,
    Settled,
    Voided,
)
from tokens_forge.core.errors import LedgerDamaged, MoneyError
from tokens_forge.core.fold import Fold
from tokens_forge.core.story import Ended, Story, tell
from tokens_forge.view.figures import amount

KEEP = 500
"""How many calls are kept; older ones are in the ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRow:
    """One call in the list."""

    id: str
    clock: str
    """When it was routed, or first seen: HH:MM:SS in UTC."""
    ended: Ended
    state: str
    """How it ended, with the client's status; what it waits for while open."""
    charge: str
    """What it cost, each balance's amount with its unit; what it holds while open."""
    balance: str
    key: str
    task: str
    model: str
    route: str
    attempts: int
    fell_back: str
    """``FROM → TO``, empty when it did not."""

    def matches(self, text: str) -> bool:
        """Say whether `text` stands in any field, whatever its case."""
        fields = (self.id, self.state, self.charge, self.balance, self.key, self.task, self.model, self.route)
        return any(text.casefold() in field.casefold() for field in fields)


class Feed:
    """The state of the monitor. `apply` is the only thing that changes it."""

    def __init__(self) -> None:
        self.fold = Fold()
        self.seen = 0
        """Lines that were applied."""
        self.is_off = False
        """Whether the fold misses a line, so that what balances show may be wrong; the next page's first line mends it.
        """
        self._calls: dict[str, list[Line]] = {}
        self._rows: dict[str, CallRow] = {}

    def apply(self, line: Line) -> None:
        """Follow one line of the ledger; lines come in order, the first one opens a page.

        Raises LedgerDamaged when that one holds no fold.
        """
        if isinstance(line.entry, Opened) and (self.is_off or not self.seen):
            self.fold, self.is_off = _decoded(line.entry), False
        try:
            self.fold.apply(line)
        except (AssertionError, KeyError, MoneyError):  # it follows from a line that could not be read
            self.is_off = True
        self.seen += 1
        for call_id in _calls_of(line):
            self._call(call_id, line)

    def rows(self, containing: str = "") -> Iterator[CallRow]:
        """Yield the calls that contain a text, newest first."""
        for call_id in reversed(self._calls):
            row = self._rows.get(call_id)
            if row is None:
                row = self._rows[call_id] = _row(tell(self._calls[call_id]), self._calls[call_id][0].ts)
            if row.matches(containing):
                yield row

    def lines(self, call_id: str) -> tuple[Line, ...]:
        """Return the lines of a call that were seen; its first may be missing when it began before."""
        return tuple(self._calls.get(call_id, ()))

    @property
    def under_way(self) -> int:
        """How many calls have no closing entry."""
        return len(self.fold.calls)

    def _call(self, call_id: str, line: Line) -> None:
        known = self._calls.get(call_id)
        if known is None:
            # A later word on a call that is no longer kept does not bring it back.
            if not isinstance(line.entry, Routed | Held | Settled | Voided | Refused):
                return
            known = self._calls[call_id] = []
            if len(self._calls) > KEEP:
                self._drop_oldest()
        known.append(line)
        self._rows.pop(call_id, None)

    def _drop_oldest(self) -> None:
        oldest = next(iter(self._calls))
        del self._calls[oldest]
        self._rows.pop(oldest, None)


def _decoded(entry: Opened) -> Fold:
    try:
        return folds.decode(entry.fold)
    except msgspec.DecodeError as error:
        raise LedgerDamaged(f"page {entry.page} holds a state that this version can't read ({error})") from error


def _calls_of(line: Line) -> Iterator[str]:
    """Yield the ids of the calls that a line is about."""
    entry = line.entry
    match entry:
        case Routed() | Held() | Settled() | Voided() | Refused():
            yield entry.id
        case Adjusted(corrects=call_id) if call_id:
            yield call_id
        case Cooled():
            yield from dict.fromkeys(cause.partition("/")[0] for cause in entry.causes)
        case Recovered():
            yield entry.by.partition("/")[0]
        case _:
            pass


def _row(story: Story, seen_at: str) -> CallRow:
    last = story.attempts[-1] if story.attempts else None
    fell = any(attempt.role == "fallback" for attempt in story.attempts)
    return CallRow(
        id=story.id,
        clock=(story.at or seen_at)[11:19],
        ended=story.ended,
        state=_state(story),
        charge=_charge(story),
        balance=", ".join(payment.balance for payment in story.payments) or (last.balance if last else ""),
        key=story.key,
        task=story.task,
        model=story.model_asked,
        route=last.route if last else "",
        attempts=len(story.attempts),
        fell_back=f"{story.intended} → {last.candidate}" if fell and last else "",
    )


def _state(story: Story) -> str:
    if story.ended == "open":
        return "under way" if story.attempts and not story.attempts[-1].outcome else "open"
    outcome = story.refusal.reason if story.refusal else story.attempts[-1].outcome
    return f"{story.client_status} {outcome}" if story.client_status else outcome


def _charge(story: Story) -> str:
    """Return what each balance paid, never summed across them; for an open call what it holds."""
    paid = [amount(payment.charge, payment.unit) for payment in story.payments]
    holds = [f"held {amount(told.hold, told.unit)}" for told in story.attempts if not told.outcome]
    return " + ".join((*paid, *holds))
