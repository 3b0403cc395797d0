"""Every decision of a ledger made again: the proof that the ledger says why.

`replay` walks over a ledger's lines and asks `core/routing.py` once more at each `routed` (what was intended), `held`
(which candidate, for how much, and why not the others) and `refused`, with the fold as it was and the entry's own
moment. It judges no charge, reads no file and mends nothing.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from msgspec.structs import replace

from tokens_forge.core.entries import Held, Line, Opened, Refused, RefusedReason, Routed, Settled, Voided
from tokens_forge.core.fold import Fold, decode
from tokens_forge.core.routing import Take, decide, route
from tokens_forge.core.settlement import Terms

NO_DECISION: tuple[RefusedReason, ...] = ("deadline", "client_left", "stopping", "found_open")
"""Refusals that happened to a call; no candidate was judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """A line that is not what the same decision gives now."""

    seq: int
    ts: str
    recorded: Routed | Held | Refused
    decided: Routed | Held | Refused
    """As it would be recorded; another kind than `recorded` when one attempts where the other refuses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What came of making every decision again."""

    agreed: int
    """Decisions that are the same."""
    disagreements: tuple[Disagreement, ...]
    """In the ledger's order; a later one may only follow from an earlier one."""
    unknown: tuple[str, ...]
    """Calls whose decisions could not be made again: their config or cards were not kept, or they began before."""


def replay(lines: Iterable[Line], terms_of: Callable[[str, str], Terms | None]) -> Replayed:
    """Return which decisions in `lines` (in order, from a page's first line on) agree when they are made again.

    `terms_of` gives the terms for the digests of a config and its cards, or None when they are not kept. A call keeps
    the terms that were in force when it was routed. Jitter and waits are taken as recorded.
    """
    fold: Fold | None = None
    terms: dict[str, Terms | None] = {}
    agreed = 0
    disagreements: list[Disagreement] = []
    unknown: dict[str, None] = {}
    for line in lines:
        fold = fold or _before(line)
        entry = line.entry
        if isinstance(entry, Routed):
            terms[entry.id] = terms_of(fold.config, fold.cards)
        if isinstance(entry, Routed | Held) or (isinstance(entry, Refused) and entry.reason not in NO_DECISION):
            by = terms.get(entry.id)
            if by is None:
                unknown[entry.id] = None
            elif (decided := _again(by, fold, entry, line.ts)) == entry:
                agreed += 1
            else:
                disagreements.append(Disagreement(seq=line.seq, ts=line.ts, recorded=entry, decided=decided))
        fold.apply(line)
        if isinstance(entry, Settled | Voided | Refused) and entry.final:
            terms.pop(entry.id, None)
    return Replayed(agreed=agreed, disagreements=tuple(disagreements), unknown=tuple(unknown))


def _before(line: Line) -> Fold:
    """Return the fold before the first line: what its page opened with, nothing for a ledger's beginning."""
    return decode(line.entry.fold) if isinstance(line.entry, Opened) else Fold()


def asked_of(entry: Routed) -> Routed:
    """Return what a client asked, without what followed from it."""
    return replace(entry, **dict.fromkeys(_FOLLOWED_TEXTS, ""), candidates=(), ranked=(), kept_cache=0)


_FOLLOWED_TEXTS = ("model", "burn", "intended", "boundary", "kept", "sticky")


def _again(terms: Terms, fold: Fold, entry: Routed | Held | Refused, at: str) -> Routed | Held | Refused:
    """Return the entry that the same decision gives with the fold before it."""
    if isinstance(entry, Routed):
        return route(terms, fold, asked_of(entry), at)
    call = fold.calls[entry.id]
    decision = decide(terms, fold, call, at)
    if isinstance(decision, Take):
        jitter_ms, waited_ms = (entry.jitter_ms, entry.waited_ms) if isinstance(entry, Held) else (0, 0)
        return decision.held(entry.id, jitter_ms=jitter_ms, waited_ms=waited_ms)
    return decision.refused(call.routed, waited_ms=entry.waited_ms)
