"""How long a regular expression of a list of prices may search in a model's name.

Clients make up the names that are matched, and Python's `re` tries every way in which a pattern may fit: of
``(a+)+$`` in 40 letters that is a trillion. So the ways are counted before a list is taken. Nothing is matched here.
"""

import re
from collections.abc import Iterator
from typing import Any, cast

LONGEST_NAME = 200
"""Characters of a model's name: a longer one is in no list."""

MOST_WAYS = 50_000
"""In which a pattern may fit at one place of a name: two free parts. The bundled list's worst has 4,000 (2026-11)."""

MOST_IN_ALL = 200_000
"""The same of all patterns of a list; the bundled one has 11,000 (2026-11). Trying these takes less than a second."""

# No public name of `re` tells what a pattern is made of.
_PARSER = cast("Any", re)._parser  # noqa: SLF001 - as above
_REPEATS = ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")


def ways(pattern: str) -> int:
    """Return in how many ways a pattern may be tried at one place of a name, more than `MOST_WAYS` for too many.

    Raises ValueError for a text that is no regular expression.
    """
    try:
        re.compile(pattern)
        return _ways(_PARSER.parse(pattern))
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(str(error)) from error


def _ways(parsed: Any) -> int:  # noqa: ANN401 - the parser's own
    found = 1
    for kind, argument in parsed:
        if str(kind) in _REPEATS:
            least, most, body = argument
            found *= _repeated(least, min(most, LONGEST_NAME), body)
        elif str(kind) == "BRANCH":
            found *= sum(_ways(part) for part in argument[1])
        else:
            for part in _parts(argument):
                found *= _ways(part)
        found = min(found, MOST_WAYS + 1)
    return found


def _repeated(least: int, most: int, body: Any) -> int:  # noqa: ANN401 - the parser's own
    if most > 1 and not body.getwidth()[0]:  # nothing, over and over
        return MOST_WAYS + 1
    each, found = _ways(body), 0
    for number in range(least, most + 1):
        found += each ** min(number, 16) if each > 1 else 1
        if found > MOST_WAYS:
            break
    return max(found, 1)


def _parts(argument: object) -> Iterator[Any]:
    """Yield the patterns in what belongs to a part: of a group, of what is looked at ahead."""
    if isinstance(argument, _PARSER.SubPattern):
        yield argument
    elif isinstance(argument, tuple):
        for one in cast("tuple[object, ...]", argument):
            yield from _parts(one)
