"""What balances, routes and keys are called now, for lines that were written under an earlier name.

A `renamed` line gives everything before it another name; a later thing that takes the old name keeps it. Only reports
look back like this: no line is rewritten.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tokens_forge.core.entries import NamedScope, Renamed


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """An earlier name, the lines in which it means this, and what that is called now."""

    scope: NamedScope
    was: str
    after: int
    """It is this in lines after that number,"""
    before: int
    """and before that one: the line in which it got another name."""
    name: str


def earlier_names(renames: Sequence[tuple[int, Renamed]]) -> tuple[Earlier, ...]:
    """Return the earlier names in a ledger whose `renamed` lines are these, in order, each with its line's number.

    No two of one scope and name have a line in common.
    """
    found: list[Earlier] = []
    given_up: dict[tuple[NamedScope, str], int] = {}
    for place, (seq, renamed) in enumerate(renames):
        known = (renamed.scope, renamed.was)
        found.append(
            Earlier(
                scope=renamed.scope,
                was=renamed.was,
                after=given_up.get(known, 0),
                before=seq,
                name=_followed(renamed, renames[place + 1 :]),
            )
        )
        given_up[known] = seq
    return tuple(found)


def name_now(earlier: Sequence[Earlier], scope: NamedScope, name: str, seq: int) -> str:
    """Return what a name in line number `seq` is called now."""
    return next(
        (one.name for one in earlier if one.scope == scope and one.was == name and one.after < seq < one.before),
        name,
    )


def _followed(renamed: Renamed, later: Sequence[tuple[int, Renamed]]) -> str:
    name = renamed.name
    for _seq, further in later:
        if (further.scope, further.was) == (renamed.scope, name):
            name = further.name
    return name
