"""A page's name, and a line's bytes: order, stamp and chain.

A page is one file a UTC day. A line is one JSON object that begins with ``v``, ``seq``, ``ts`` and ``type`` and ends
with ``chain``: 32 hex digits of SHA-256 over the chain before and the line's bytes before ``,"chain"``. This file
encodes, decodes and checks lines; it opens no page for writing.
"""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tokens_forge.core.entries import NO_CHAIN, VERSION, AnyEntry, Line
from tokens_forge.core.errors import LedgerDamaged

CHAIN_MARK = b',"chain":"'
_TAIL = len(CHAIN_MARK) + len(NO_CHAIN) + len(b'"}')
_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})\.jsonl")


class _Place(msgspec.Struct, frozen=True):
    """The members of a line that are no entry's."""

    v: int
    seq: int
    ts: str
    chain: str


_ENCODE = msgspec.json.Encoder().encode
_PLACE = msgspec.json.Decoder(_Place).decode
_ENTRY = msgspec.json.Decoder(AnyEntry).decode


def encode_line(entry: AnyEntry, *, seq: int, ts: str, chain: str) -> tuple[bytes, str]:
    """Return the line's bytes with its line feed, and its chain. `chain` is the one of the line before."""
    body = b'{"v":%d,"seq":%d,"ts":"%s",%s' % (VERSION, seq, ts.encode(), _ENCODE(entry)[1:-1])
    own = _chain(chain, body)
    return b'%s%s%s"}\n' % (body, CHAIN_MARK, own.encode()), own


def decode_line(raw: bytes) -> Line:
    """Return the entry in a line's bytes and its place. Unknown members are ignored.

    Raises msgspec.DecodeError (ValidationError included) for bytes that are no such line.
    """
    try:
        place = _PLACE(raw)
        return Line(seq=place.seq, ts=place.ts, entry=_ENTRY(raw))
    except UnicodeDecodeError as error:  # msgspec lets it through as it is
        raise msgspec.DecodeError(str(error)) from error


def line_chain(raw: bytes) -> str:
    """Return the chain that a line of the ledger ends with, without its line feed; empty when it has none."""
    tail = raw[-_TAIL:]
    whole = tail.startswith(CHAIN_MARK) and tail.endswith(b'"}')
    return tail[len(CHAIN_MARK) : -2].decode("ascii", "replace") if whole else ""


def check_line(raw: bytes, *, seq: int, chain: str, where: str) -> Line:
    """Return the line in `raw` (no line feed) if it is number `seq` after `chain`.

    Raises LedgerDamaged naming `where` and what is wrong: bytes that are no line, a gap, an edit or a reordering.
    """
    check_chain(raw, chain, where)
    try:
        line = decode_line(raw)
    except msgspec.DecodeError as error:
        raise LedgerDamaged(f"{where}: not an entry that this version knows ({error})") from error
    if line.seq != seq:
        raise LedgerDamaged(f"{where}: it is number {line.seq} where number {seq} belongs")
    return line


def check_chain(raw: bytes, chain: str, where: str) -> str:
    """Return the chain of the line in `raw` if it follows from `chain`; the entry itself is not looked at.

    Raises LedgerDamaged naming `where`.
    """
    own = _chain(chain, raw[:-_TAIL])
    if line_chain(raw) != own:
        raise LedgerDamaged(f"{where}: its chain does not follow from the line before: it was edited, moved or cut")
    return own


def page_path(folder: Path, page: str) -> Path:
    """Return the file of the page of a UTC day ``YYYY-MM-DD``."""
    return folder / f"{page}.jsonl"


def page_of(ts: str) -> str:
    """Return the UTC day of a stamp."""
    return ts[:10]


def pages(folder: Path) -> list[str]:
    """Return the pages in `folder`, oldest first; none when there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(match[1] for path in folder.iterdir() if (match := _NAME.fullmatch(path.name)))


def whole_lines(data: bytes) -> Iterator[bytes]:
    """Yield the lines of a page's bytes without their line feeds; a torn last line is left out."""
    *lines, _torn = data.split(b"\n")
    yield from lines


def _chain(before: str, body: bytes) -> str:
    return hashlib.sha256(before.encode() + body).hexdigest()[: len(NO_CHAIN)]
