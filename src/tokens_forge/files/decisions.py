"""One call's decisions made again from the ledger's files: its pages, and the configs and rate cards kept beside them.

Nothing is written and no lock is taken. What can't be made again is said with the file that is missing; what a decision
reads and how it is made is `core/`'s part.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import takewhile

import msgspec

from tokens_forge.core.entries import Line, Routed
from tokens_forge.core.errors import LedgerDamaged
from tokens_forge.core.replay import Decision, Replayed, Unknown, compared, decision_in, replay
from tokens_forge.files.kept_terms import kept_terms
from tokens_forge.files.ledger_reader import call_time, read_lines
from tokens_forge.files.pages import page_of, page_path
from tokens_forge.files.paths import Paths


def decided_again(paths: Paths, call_id: str, told: Sequence[Line]) -> Replayed:
    """Return what comes of making a call's decisions again; `told` are its lines (of `ledger_reader.find`).

    The pages are read from the one on which the call was routed up to its last decision, however long it ran.
    """
    recorded = tuple(_recorded(told))
    began = next((line.ts for line in told if isinstance(line.entry, Routed)), None)
    if began is None:
        why = _first_line_gone(paths, call_id, told)
        again = compared(replace(one, why=why) for one in recorded)
        return msgspec.structs.replace(again, unknown=(Unknown(type="routed", why=why), *again.unknown))
    last = recorded[-1].seq
    lines = takewhile(lambda line: line.seq <= last, read_lines(paths.ledger, page_of(began)))
    made: dict[int, Decision] = {}
    why = ""
    try:
        made.update((one.seq, one) for one in replay(lines, partial(kept_terms, paths), call_id))
    except LedgerDamaged as damage:
        why = str(damage)
    return compared(made.get(one.seq, replace(one, why=why)) for one in recorded)


def _recorded(told: Sequence[Line]) -> Iterator[Decision]:
    """Yield the decisions among a call's lines, not made again yet."""
    for line in told:
        if (entry := decision_in(line.entry)) is not None:
            yield Decision(seq=line.seq, ts=line.ts, recorded=entry)


def _first_line_gone(paths: Paths, call_id: str, told: Sequence[Line]) -> str:
    """Return why a call without its `routed` can't be decided again, and the next step."""
    began = call_time(call_id)
    page = page_path(paths.ledger, began.date().isoformat() if began else page_of(told[0].ts))
    if page.exists():
        return f"the call's first line, `routed`, is not in {page}: `tf ledger verify` says what is missing"
    return f"{page}, on which the call was routed, is gone: put it back from a backup"
