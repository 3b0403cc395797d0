"""A page's name, and a line's bytes: order, stamp and chain.

A page is one file a UTC day. A line is one JSON object that begins with ``v``, ``seq``, ``ts`` and ``type`` and ends
with ``chain``: 32 hex digits of SHA-256 over the chain before and the line's bytes before ``,"chain"``. This file
encodes, decodes and checks lines, and says what is wrong with one; it opens no page for writing.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tokens_forge.core.entries import NO_CHAIN, VERSION, AnyEntry, Line, Opened
from tokens_forge.core.entry_check import faults, is_day, is_moment, is_sound
from tokens_forge.core.errors import LedgerDamaged
from tokens_forge.core.visible import visible

CHAIN_MARK = b',"chain":"'
CHAIN_BROKEN = "its chain does not follow from the line before: it was edited, moved or cut"
_TAIL = len(CHAIN_MARK) + len(NO_CHAIN) + len(b'"}')
_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})\.jsonl")
_SEQ = re.compile(rb'\{"v":[0-9]{1,9},"seq":([0-9]{1,18}),')
_PATH = re.compile(r" - at `\$\.?(.*)`$")


class _Place(msgspec.Struct, frozen=True):
    """The members of a line that are no entry's."""

    v: int
    seq: int
    ts: str
    chain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BadLine:
    """A line that is not what a line of the ledger is, and why."""

    page: str
    line: int
    """From 1."""
    seq: int
    """Its number in the ledger; 0 where it has none that can be read."""
    field: str
    """What of it is wrong, such as ``charge`` or ``usage.input``; empty for the whole."""
    wrong: str
    """A sentence."""

    @property
    def where(self) -> str:
        """PAGE:LINE."""
        return f"{self.page}:{self.line}"

    def __str__(self) -> str:
        return f"{self.where}: {self.wrong}"

    def document(self) -> dict[str, object]:
        """Return it in the shape of every command's ``--json``: null for what is not known."""
        return {
            "page": self.page,
            "line": self.line,
            "seq": self.seq or None,
            "field": self.field or None,
            "wrong": self.wrong,
        }


_ENCODE = msgspec.json.Encoder().encode
_PLACE = msgspec.json.Decoder(_Place).decode
_ENTRY = msgspec.json.Decoder(AnyEntry).decode


def encode_line(entry: AnyEntry, *, seq: int, ts: str, chain: str) -> tuple[bytes, str]:
    """Return the line's bytes with its line feed, and its chain. `chain` is the one of the line before."""
    body = b'{"v":%d,"seq":%d,"ts":"%s",%s' % (VERSION, seq, ts.encode(), _ENCODE(entry)[1:-1])
    own = _chain(chain, body)
    return b'%s%s%s"}\n' % (body, CHAIN_MARK, own.encode()), own


def line_bytes(line: Line) -> bytes:
    """Return a line for readers that check no chain: its bytes without one, with its line feed."""
    return b'{"seq":%d,"ts":"%s",%s}\n' % (line.seq, line.ts.encode(), _ENCODE(line.entry)[1:-1])


def decode_line(raw: bytes) -> Line:
    """Return the entry in a line's bytes and its place. Unknown members are ignored.

    Raises msgspec.DecodeError (ValidationError included) for bytes that are no such line.
    """
    try:
        place = _PLACE(raw)
        return Line(seq=place.seq, ts=place.ts, entry=_ENTRY(raw))
    except (UnicodeDecodeError, RecursionError) as error:  # msgspec lets them through as they are
        raise msgspec.DecodeError(str(error)) from error


def read_line(raw: bytes, *, page: str, number: int, told: bool = False) -> Line | BadLine:
    """Return the line in `raw`, or why nothing can be reckoned with it; with `told`, why it can't be shown either."""
    line = whole_line(raw, page=page, number=number)
    if isinstance(line, Line) and (told or not is_sound(line.entry)):
        for fault in faults(line.entry):
            if told or not fault.told:
                return BadLine(page=page, line=number, seq=line.seq, field=fault.field, wrong=str(fault))
    return line


def whole_line(raw: bytes, *, page: str, number: int) -> Line | BadLine:
    """Return the line in `raw`, or why it is none: its form and kind, whatever its figures are."""
    try:
        raw.decode()  # of a member that is not known the decoder looks at no text
        line = decode_line(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return _no_line(raw, page=page, number=number, error=error)
    # A first line says of which page it is: one in another file is told as that (`ledger_reader`).
    if is_moment(line.ts) and (page_of(line.ts) == page or isinstance(line.entry, Opened)):
        return line
    wrong = f"its time is `{visible(line.ts[:40])}`, and must be a moment of its page such as {page}T10:00:00.000000Z"
    return BadLine(page=page, line=number, seq=line.seq, field="ts", wrong=wrong)


def _no_line(raw: bytes, *, page: str, number: int, error: Exception) -> BadLine:
    said = visible(str(error))
    path = _PATH.search(said)
    wrong = f"not an entry that this version knows ({said})" if raw.strip() else "it is empty"
    return BadLine(page=page, line=number, seq=line_seq(raw), field=path[1] if path else "", wrong=wrong)


def line_seq(raw: bytes) -> int:
    """Return the number that a line begins with, read from its bytes; 0 when there is none."""
    match = _SEQ.match(raw)
    return int(match[1]) if match else 0


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
    own = chain_after(raw, chain)
    if line_chain(raw) != own:
        raise LedgerDamaged(f"{where}: {CHAIN_BROKEN}")
    return own


def chain_after(raw: bytes, chain: str) -> str:
    """Return the chain that the line in `raw` has if it follows from `chain`."""
    return _chain(chain, raw[:-_TAIL])


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
    names = (match[1] for path in folder.iterdir() if (match := _NAME.fullmatch(path.name)))
    return sorted(name for name in names if is_day(name))


def whole_lines(data: bytes) -> Iterator[bytes]:
    """Yield the lines of a page's bytes without their line feeds; a torn last line is left out."""
    *lines, _torn = data.split(b"\n")
    yield from lines


def _chain(before: str, body: bytes) -> str:
    return hashlib.sha256(before.encode() + body).hexdigest()[: len(NO_CHAIN)]
