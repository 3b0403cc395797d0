"""Lines of pages one by one: what a report can use of them, and the lines that it must leave out.

DuckDB reads whole pages at once and fails on the first line that it can't take. Only then, or where it met a line that
says what no line of ours says, each is looked at here: so a bad line costs a second and never the answer, and what is
missing from the answer is named. It writes no page.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import get_args

import msgspec

from tokens_forge.core.entries import AnyEntry
from tokens_forge.files.ledger_reader import blocks
from tokens_forge.files.pages import BadLine, line_bytes, page_path, read_line, whole_lines

KINDS = tuple(str(kind.__struct_config__.tag) for kind in get_args(AnyEntry))
"""The kinds of entries."""

OPENED = b'"type":"opened"'


class _Kind(msgspec.Struct, frozen=True):
    seq: int
    ts: str
    type: str


_KIND = msgspec.json.Decoder(_Kind).decode


def sifted(
    folder: Path, names: Sequence[str], kinds: Collection[str], note: Callable[[BadLine], None]
) -> Iterator[bytes]:
    """Yield the lines of some kinds on pages, written anew with what this version knows, and `note` those that are bad.

    A line of another kind is left alone, whatever its figures are: no report reads it.
    """
    for page in names:
        number = 0
        for block in blocks(page_path(folder, page)):
            for raw in whole_lines(block):
                number += 1
                if (number == 1 and OPENED in raw[:120]) or _is_other(raw, kinds):
                    continue
                line = read_line(raw, page=page, number=number)
                if isinstance(line, BadLine):
                    note(line)
                else:
                    yield line_bytes(line)


def _is_other(raw: bytes, kinds: Collection[str]) -> bool:
    """Say whether a line is a whole one of a kind that is not among `kinds`."""
    try:
        kind = _KIND(raw).type
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return kind in KINDS and kind not in kinds
