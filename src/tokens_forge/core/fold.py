"""The fold: the state that all entries up to now add up to.

`Fold.apply` is the one way in which anything changes: books, health and open calls, live and on replay alike. A page's
`opened` entry carries the fold whole, and so does the checkpoint.
"""

from decimal import Decimal
from typing import cast

import msgspec

from tokens_forge.core import plain
from tokens_forge.core.book import Book
from tokens_forge.core.budgets import Budgets
from tokens_forge.core.entries import (
    Adjusted,
    Configured,
    Held,
    Line,
    Opened,
    Refused,
    Renamed,
    Routed,
    Settled,
    Trail,
    Voided,
    candidate_name,
)
from tokens_forge.core.estimates import Estimates
from tokens_forge.core.fallback import named_wait_ms, row_of
from tokens_forge.core.health import Health
from tokens_forge.core.moments import later
from tokens_forge.core.responses import Responses
from tokens_forge.core.threads import Threads


class OpenCall(msgspec.Struct, kw_only=True):
    """A call that has no closing entry yet."""

    routed: Routed
    holds: dict[int, Held] = {}
    """Attempts that are under way, by number."""
    trail: tuple[Trail, ...] = ()
    """Attempts that ended, in order."""
    may_retry: bool = False
    """Whether the failure table lets the last candidate be tried again."""


class Fold(msgspec.Struct, kw_only=True):
    """Books, budgets, estimates, health, conversations, kept responses, open calls; which config is in force."""

    book: Book = msgspec.field(default_factory=Book)
    budgets: Budgets = msgspec.field(default_factory=Budgets)
    estimates: Estimates = msgspec.field(default_factory=Estimates)
    health: Health = msgspec.field(default_factory=Health)
    threads: Threads = msgspec.field(default_factory=Threads)
    responses: Responses = msgspec.field(default_factory=Responses)
    calls: dict[str, OpenCall] = {}
    config: str = ""
    cards: str = ""

    def apply(self, line: Line) -> None:
        """Follow one line of the ledger. Lines come in order, each once.

        Raises MoneyError for an amount in another unit than the balance's; nothing has changed then.
        """
        entry = line.entry
        self.book.apply(line.ts, entry)  # first, as it alone may refuse
        self.budgets.apply(line.ts, entry)
        if isinstance(entry, Settled):
            routed = self.calls[entry.id].routed
            self.estimates.apply(routed, entry)
            self.responses.apply(routed, entry)
            self.threads.apply(line.ts, entry)
            self.threads.answered(routed, entry)
        elif isinstance(entry, Adjusted) and entry.corrects:
            self.estimates.corrected(entry)
        elif isinstance(entry, Renamed) and entry.scope == "route":
            self.estimates.renamed(entry.was, entry.name)
            self.threads.renamed(entry.was, entry.name)
            self.responses.renamed(entry.was, entry.name)
        match entry:
            case Opened() | Configured():
                self.config = entry.config
                self.cards = entry.cards
            case Routed():
                self.calls[entry.id] = OpenCall(routed=entry)
                self.threads.routed(entry)
            case Held():
                self.calls[entry.id].holds[entry.n] = entry
            case Settled() | Voided():
                self._ended(line.ts, entry)
            case Refused():
                self.calls.pop(entry.id, None)
            case _:
                pass
        self.health.apply(line.ts, entry)

    def under_way(self, upstream: str) -> int:
        """Return how many attempts at an upstream are under way."""
        return sum(held.upstream == upstream for call in self.calls.values() for held in call.holds.values())

    def encode(self) -> bytes:
        """Return the whole fold as JSON."""
        return plain.encode(self)

    def _ended(self, ts: str, entry: Settled | Voided) -> None:
        if entry.final:
            self.calls.pop(entry.id, None)
            return
        call = self.calls[entry.id]
        del call.holds[entry.n]
        call.may_retry = row_of(entry).next in ("retry", "wait")
        last = trail_of(entry)
        times = sum(attempt.candidate == last.candidate and attempt.until != "" for attempt in call.trail)
        if (wait_ms := named_wait_ms(entry, times=times)) is not None:
            last = msgspec.structs.replace(last, until=later(ts, wait_ms))
        call.trail = (*call.trail, last)


def decode(data: bytes | msgspec.Raw) -> Fold:
    """Return the fold that `Fold.encode` wrote.

    Raises msgspec.DecodeError for anything else, and for one with a figure that is no number: an earlier version took
    such a word from an upstream, and nothing could be compared with it.
    """
    fold = msgspec.json.decode(data, type=Fold)
    if not _is_finite(msgspec.to_builtins(fold, builtin_types=(Decimal,))):
        raise msgspec.DecodeError("a figure in it is no number")
    return fold


def _is_finite(value: object) -> bool:
    """Say whether every decimal in a value is a number."""
    match value:
        case Decimal():
            return value.is_finite()
        case dict():
            return all(map(_is_finite, cast("dict[str, object]", value).values()))
        case list():
            return all(map(_is_finite, cast("list[object]", value)))
        case _:
            return True


def trail_of(entry: Settled | Voided) -> Trail:
    """Return an ended attempt in short."""
    return Trail(
        n=entry.n,
        candidate=candidate_name(entry.route, entry.upstream_model),
        balance=entry.balance,
        outcome=entry.outcome,
        error=entry.error,
        status=entry.status,
        charge=entry.charge if isinstance(entry, Settled) else "0",
        unit=entry.unit,
        ms=entry.total_ms,
    )
