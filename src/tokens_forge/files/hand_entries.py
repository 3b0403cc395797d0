"""Finding in the ledger what was entered by hand: the movements to list or to take back, and the tasks of calls.

Pages are searched from the newest on and only as far as needed; lines are decoded only where they move a balance. It
works while a proxy writes, as all reading does. What may be taken back is `core/undo.py`'s part.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tokens_forge.core.book import is_by_hand
from tokens_forge.core.entries import Adjusted, AnyEntry, Line, Recovered, Tasked
from tokens_forge.core.errors import LedgerError
from tokens_forge.core.tasks import reverse
from tokens_forge.files.ledger_reader import LAST, blocks, decoded
from tokens_forge.files.pages import page_path, pages

_ADJUSTED = b'"type":"adjusted"'
_NUMBER = re.compile(r"(?:seq:)?([1-9][0-9]{0,17})")
_REF = "ref:"


@dataclass(frozen=True, slots=True, kw_only=True)
class HandEntry:
    """A movement by hand."""

    line: Line
    entry: Adjusted
    undone_by: int
    """The number of the entry that takes it back; 0 while it stands."""


def movements(folder: Path) -> Iterator[HandEntry]:
    """Yield the movements by hand from the newest on, those that take others back among them."""
    undone: dict[int, int] = {}
    for page in reversed(pages(folder)):
        for line in reversed(list(_adjusted(folder, page))):
            entry = line.entry
            if isinstance(entry, Adjusted) and is_by_hand(entry):
                if entry.undoes:
                    undone[entry.undoes] = line.seq
                yield HandEntry(line=line, entry=entry, undone_by=undone.get(line.seq, 0))


def to_undo(folder: Path, name: str) -> tuple[HandEntry, ...]:
    """Return the movements that a name means, in the ledger's order; several where they were entered together.

    `name` is the number of an entry, a reference (``ref:`` or ``seq:`` before it where it could be both), or ``last``.
    Raises LedgerError where it means none, or several that were not entered together.
    """
    asked = name.strip()
    every = movements(folder)
    if asked == LAST:
        newest = next(every, None)
        if newest is None:
            raise LedgerError("nothing was entered by hand yet: there is nothing to take back")
        if newest.entry.undoes:
            raise LedgerError(
                f"the last entry by hand ({newest.line.seq}) takes back entry {newest.entry.undoes}: name what else to "
                "take back by its number, `tf balance log`"
            )
        return _together(newest, every)
    number = _NUMBER.fullmatch(asked)
    seq = int(number[1]) if number else 0
    ref = asked.removeprefix(_REF) if asked.startswith(_REF) or not number else asked
    named = [one for one in every if seq == one.line.seq or (ref == one.entry.ref != "" and not one.entry.undoes)]
    if asked.startswith("seq:"):
        named = [one for one in named if one.line.seq == seq]
    # A reference that was taken back may be used again; then it means the entry that stands.
    named = [one for one in named if not one.undone_by or one.line.seq == seq] or named[:1]
    if not named:
        raise LedgerError(_unknown(folder, asked, seq))
    if len(named) > 1:
        raise LedgerError(f"`{asked}` means several entries, say which: {', '.join(map(_shown, named))}")
    return _together(named[0], movements(folder))


def task_called(folder: Path, task: str) -> bool:
    """Say whether a line of the ledger names a task."""
    needle = b'"task":' + msgspec.json.encode(task)
    return any(needle in block for page in reversed(pages(folder)) for block in blocks(page_path(folder, page)))


def _together(movement: HandEntry, every: Iterator[HandEntry]) -> tuple[HandEntry, ...]:
    """Return what was entered in one batch with a movement, in the ledger's order."""
    batch = movement.entry.batch
    if not batch or movement.entry.undoes:
        return (movement,)
    found = [movement]
    for other in every:
        if other.line.ts < movement.line.ts:
            break
        same = (other.line.ts, other.entry.batch) == (movement.line.ts, batch)
        if same and other.line.seq != movement.line.seq and not other.entry.undoes:
            found.append(other)
    return tuple(sorted(found, key=lambda one: one.line.seq))


def _adjusted(folder: Path, page: str) -> Iterator[Line]:
    for block in blocks(page_path(folder, page)):
        at = block.find(_ADJUSTED)
        while at >= 0:
            start, end = block.rfind(b"\n", 0, at) + 1, block.find(b"\n", at)
            yield decoded(block[start:end], page)
            at = block.find(_ADJUSTED, end)


def _shown(movement: HandEntry) -> str:
    entry = movement.entry
    return f"`seq:{movement.line.seq}` ({entry.balance} {entry.amount} {entry.unit}, {entry.reason})"


def _unknown(folder: Path, asked: str, seq: int) -> str:
    """Return why a name means no movement by hand, and how what it means is taken back."""
    match _entry_of(folder, seq) if seq else None:
        case None:
            return f"no entry by hand is called `{asked}`: `tf balance log` lists them with their numbers"
        case Tasked() as entry:
            return f"entry {seq} is of the task `{entry.task}`, and taken back by `{reverse(entry)}`"
        case Recovered():
            return f"entry {seq} ended a cooldown: what still fails cools again by itself"
        case _:
            return (
                f"entry {seq} was not made by hand, so there is nothing to take back; a wrong charge is corrected by "
                "`tf balance adjust NAME AMOUNT --corrects CALL`"
            )


def _entry_of(folder: Path, seq: int) -> AnyEntry | None:
    needle = b'"seq":%d,"ts"' % seq
    for page in reversed(pages(folder)):
        for block in blocks(page_path(folder, page)):
            if (at := block.find(needle)) >= 0:
                return decoded(block[block.rfind(b"\n", 0, at) + 1 : block.find(b"\n", at)], page).entry
    return None
