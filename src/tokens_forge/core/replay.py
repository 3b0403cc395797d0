"""Decisions of a ledger made again: the proof that the ledger says why.

`replay` walks over a ledger's lines and asks `core/routing.py` once more at each `routed` (what was intended), `held`
(which candidate, for how much, and why not the others) and `refused`, with the fold as it was and the entry's own
moment. `compared` tells what differs. Neither judges a charge, reads a file or mends anything.
"""

import dataclasses
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from typing import cast

import msgspec
from msgspec.structs import replace

from tokens_forge.core.entries import (
    AnyEntry,
    Held,
    Line,
    Opened,
    Record,
    Refused,
    RefusedReason,
    Routed,
    Settled,
    Voided,
)
from tokens_forge.core.errors import LedgerDamaged, MoneyError
from tokens_forge.core.fold import Fold, decode
from tokens_forge.core.routing import Take, decide, route
from tokens_forge.core.settlement import Terms

NO_DECISION: tuple[RefusedReason, ...] = ("deadline", "client_left", "stopping", "found_open")
"""Refusals that happened to a call; no candidate was judged."""

_BEGAN_BEFORE = "its call was routed before the first line that is here"
_ASK = "`tf ledger verify` says what was changed or lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotKept:
    """Terms that can't be had, and why."""

    why: str
    """What is wrong with which file, and the next step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A decision of the ledger and what the same decision gives now."""

    seq: int
    ts: str
    recorded: Routed | Held | Refused
    decided: Routed | Held | Refused | None = None
    """As it would be recorded; another kind than `recorded` where one attempts and the other refuses. None: unknown."""
    config: str = ""
    """Digest of the config by which it was made; empty where the lines do not say."""
    cards: str = ""
    """Digest of the rate cards."""
    why: str = ""
    """Why it can't be made again; empty when it can."""

    @property
    def agrees(self) -> bool:
        """Whether it is the same now."""
        return self.decided == self.recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class _By:
    """What a call is decided by, from its `routed` to its end."""

    config: str
    cards: str
    terms: Terms | NotKept


def replay(
    lines: Iterable[Line], terms_of: Callable[[str, str], Terms | NotKept], call_id: str = ""
) -> Iterator[Decision]:
    """Yield the decisions in `lines` (in order, from a page's first line on), each made again as it is passed.

    With `call_id` only that call's, up to its closing entry; the others' lines are followed and no more. `terms_of`
    gives the terms for the digests of a config and its cards. A call keeps the terms that were in force when it was
    routed. Jitter, waits and what a
    translation drops are taken as recorded. What is remembered is the fold and the terms of open calls.

    Raises LedgerDamaged where a line does not follow from those before it.
    """
    fold: Fold | None = None
    seq = 0
    open_calls: dict[str, _By] = {}
    in_force: _By | None = None
    for line in lines:
        fold = _before(line) if fold is None else fold
        _check_follows(line, seq)
        entry, seq = line.entry, line.seq
        mine = call_id in {"", _call_of(entry)}
        if isinstance(entry, Routed) and mine:
            in_force = _in_force(fold, in_force, terms_of)
            open_calls[entry.id] = in_force
        if mine and (recorded := decision_in(entry)) is not None:
            yield _made(line, recorded, fold, open_calls.get(recorded.id))
        with _damage_named(line):
            fold.apply(line)
        if mine and isinstance(entry, Settled | Voided | Refused) and entry.final:
            open_calls.pop(entry.id, None)
            if call_id:
                return


def decision_in(entry: AnyEntry) -> Routed | Held | Refused | None:
    """Return the entry when it is a decision: what was intended, an attempt, a refusal of what was judged."""
    match entry:
        case Routed() | Held():
            return entry
        case Refused() if entry.reason not in NO_DECISION:
            return entry
        case _:
            return None


class Difference(Record, frozen=True, kw_only=True):
    """A field in which a decision is another one now."""

    field: str
    """Its path in the line, as jq takes it without the first dot: ``hold_basis.output``, ``passed_over[0].reason``."""
    recorded: str = ""
    """What the ledger says, as a text; absent where the field is."""
    decided: str = ""
    """What is decided now, likewise."""


class Compared(Record, frozen=True, kw_only=True):
    """A decision that was made again."""

    seq: int
    """Number of its line."""
    ts: str
    """Its moment, by which it was made again."""
    type: str
    """Its line's: ``routed``, ``held`` or ``refused``."""
    config: str
    """Digest of the config by which it was made (``configs/DIGEST.json``)."""
    cards: str
    """Digest of the rate cards (``cards/DIGEST.json``)."""
    agrees: bool
    """Whether it is the same now."""
    differs: tuple[Difference, ...]
    """Each field that is not; empty when it agrees."""


class Unknown(Record, frozen=True, kw_only=True):
    """A decision that can't be made again."""

    type: str
    """Its line's."""
    why: str
    """What is missing, and the next step."""
    seq: int = 0
    """Number of its line; absent where the line itself is gone."""
    ts: str = ""
    """Its moment, likewise."""
    config: str = ""
    """Digest of the config by which it was made, as far as the lines that are there say."""
    cards: str = ""
    """Digest of the rate cards, likewise."""


class Replayed(Record, frozen=True, kw_only=True):
    """What came of making a call's decisions again."""

    agreed: int
    """How many are the same."""
    decisions: tuple[Compared, ...]
    """Those that were made again, in the ledger's order; a later one may only differ because an earlier one does."""
    unknown: tuple[Unknown, ...]
    """Those that could not be."""

    @property
    def proven(self) -> bool:
        """Whether every decision was made again and agrees."""
        return not self.unknown and self.agreed == len(self.decisions)


def compared(decisions: Iterable[Decision]) -> Replayed:
    """Return what differs in decisions that were made again, field by field, and what is unknown."""
    made: list[Compared] = []
    unknown: list[Unknown] = []
    for one in decisions:
        if one.decided is None:
            unknown.append(
                Unknown(
                    seq=one.seq,
                    ts=one.ts,
                    type=_type(one.recorded),
                    config=one.config,
                    cards=one.cards,
                    why=one.why,
                )
            )
        else:
            made.append(
                Compared(
                    seq=one.seq,
                    ts=one.ts,
                    type=_type(one.recorded),
                    config=one.config,
                    cards=one.cards,
                    agrees=one.agrees,
                    differs=tuple(_differ("", msgspec.to_builtins(one.recorded), msgspec.to_builtins(one.decided))),
                )
            )
    agreed = sum(one.agrees for one in made)
    return Replayed(agreed=agreed, decisions=tuple(made), unknown=tuple(unknown))


def _type(entry: Routed | Held | Refused) -> str:
    return cast("str", entry.__struct_config__.tag)


def _differ(field: str, recorded: object, decided: object) -> Iterator[Difference]:
    """Yield the fields within `field` in which two values of JSON differ; what is absent (None) has none."""
    if isinstance(recorded, dict) or isinstance(decided, dict):
        one, other = cast("dict[str, object]", recorded or {}), cast("dict[str, object]", decided or {})
        for name in dict.fromkeys((*one, *other)):
            yield from _differ(f"{field}.{name}".removeprefix("."), one.get(name), other.get(name))
    elif isinstance(recorded, list | tuple) or isinstance(decided, list | tuple):
        pairs = zip_longest(cast("list[object]", recorded or ()), cast("list[object]", decided or ()))
        for index, (one, other) in enumerate(pairs):
            yield from _differ(f"{field}[{index}]", one, other)
    elif recorded != decided:
        yield Difference(field=field, recorded=_text(recorded), decided=_text(decided))


def _text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _before(line: Line) -> Fold:
    """Return the fold before the first line: what its page opened with, nothing for a ledger's beginning."""
    if not isinstance(line.entry, Opened):
        if line.seq != 1:
            raise LedgerDamaged(f"line {line.seq} begins no page, so what came before it is not known: {_ASK}")
        return Fold()
    try:
        return decode(line.entry.fold)
    except msgspec.DecodeError as error:
        raise LedgerDamaged(
            f"the fold that page {line.entry.page} opens with can't be read by this version ({error}): "
            f"replay it with the one that wrote it"
        ) from error


def _check_follows(line: Line, seq: int) -> None:
    """Raise LedgerDamaged when lines are missing between number `seq` (0: none was read) and this one."""
    if seq and line.seq != seq + 1:
        before = line.entry.previous if isinstance(line.entry, Opened) else None
        step = f"put page {before.page} back from a backup" if before else _ASK
        raise LedgerDamaged(f"lines {seq + 1} to {line.seq - 1} are not here: {step}")


def _call_of(entry: AnyEntry) -> str:
    return entry.id if isinstance(entry, Routed | Held | Settled | Voided | Refused) else ""


def _in_force(fold: Fold, last: _By | None, terms_of: Callable[[str, str], Terms | NotKept]) -> _By:
    """Return the terms in force; `last` are those of the call routed before, so that none are read twice in a row."""
    if last is not None and (last.config, last.cards) == (fold.config, fold.cards):
        return last
    return _By(config=fold.config, cards=fold.cards, terms=terms_of(fold.config, fold.cards))


def _made(line: Line, recorded: Routed | Held | Refused, fold: Fold, by: _By | None) -> Decision:
    """Return a decision made again, or why it can't be."""
    if by is None:
        return Decision(seq=line.seq, ts=line.ts, recorded=recorded, why=_BEGAN_BEFORE)
    plain = Decision(seq=line.seq, ts=line.ts, recorded=recorded, config=by.config, cards=by.cards)
    if isinstance(by.terms, NotKept):
        return dataclasses.replace(plain, why=by.terms.why)
    with _damage_named(line):
        return dataclasses.replace(plain, decided=_again(by.terms, fold, recorded, line.ts))


@contextmanager
def _damage_named(line: Line) -> Generator[None]:
    """Raise LedgerDamaged for a line that names what there is not.

    No writer makes such a line, so it was edited, and which one it is says more than a traceback.
    """
    try:
        yield
    except (AssertionError, KeyError, MoneyError) as error:
        raise LedgerDamaged(f"line {line.seq} does not follow from the lines before it: {_ASK}") from error


def asked_of(entry: Routed) -> Routed:
    """Return what a client asked, without what followed from it.

    Earlier versions made a conversation's name from its opening alone; such a name was asked.
    """
    texts, counts = dict.fromkeys(_FOLLOWED_TEXTS, ""), dict.fromkeys(_FOLLOWED_COUNTS, 0)
    thread = "" if entry.prefixes else entry.thread
    return replace(entry, **texts, **counts, thread=thread, candidates=(), ranked=())


_FOLLOWED_TEXTS = ("model", "burn", "intended", "boundary", "kept", "sticky", "made_by")
_FOLLOWED_COUNTS = ("kept_cache", "previous_input", "previous_output")


def _again(terms: Terms, fold: Fold, entry: Routed | Held | Refused, at: str) -> Routed | Held | Refused:
    """Return the entry that the same decision gives with the fold before it."""
    if isinstance(entry, Routed):
        return route(terms, fold, asked_of(entry), at)
    call = fold.calls[entry.id]
    decision = decide(terms, fold, call, at)
    if isinstance(decision, Take):
        held = decision.held(entry.id)
        told = ("dropped", "jitter_ms", "waited_ms") if isinstance(entry, Held) else ()
        return replace(held, **{name: getattr(entry, name) for name in told})
    return decision.refused(call.routed, waited_ms=entry.waited_ms)
