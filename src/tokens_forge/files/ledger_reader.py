"""Reading the ledger: its lines in order, one call's lines, what was added since, and whether it is whole.

Everything here works while a proxy writes: only whole lines are seen, and no lock is taken. It decides which lines
belong to a call; it never writes, and what the lines mean is `core/`'s part.

Pages are read in blocks, not mapped: a page that is cut back after a short write would end a process that maps it.
Bytes are searched before they are decoded, so a story is found in hundreds of MB in less than a second.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import assert_never

import msgspec

from tokens_forge.core.entries import (
    NO_CHAIN,
    VERSION,
    Adjusted,
    AnyEntry,
    Configured,
    Cooled,
    Held,
    Line,
    Opened,
    Recovered,
    Refused,
    Renamed,
    Routed,
    Settled,
    Tasked,
    Voided,
    candidate_name,
)
from tokens_forge.core.entry_check import faults
from tokens_forge.core.errors import LedgerDamaged, LedgerError
from tokens_forge.core.flags import UNPRICED, UNPRICED_ITERATION
from tokens_forge.files.pages import (
    CHAIN_BROKEN,
    BadLine,
    chain_after,
    decode_line,
    line_chain,
    page_path,
    pages,
    read_line,
    whole_line,
    whole_lines,
)

LAST = "last"
"""The name of the newest call that has a closing entry."""

SHORTEST = 4
"""So many characters of an id are the least that name a call."""

_BLOCK = 8 * 1024 * 1024
_LISTED = 5
"""How many candidates an ambiguous name lists."""
_PREFIX = "tf_"
_HEX = 32
_ID = re.compile(rf"(?:{_PREFIX})?([0-9a-f]{{{SHORTEST},{_HEX}}})")
_OPENED = b'"type":"opened"'
_FINAL = b'"final":true'


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A call's lines as far as they can be read."""

    lines: tuple[Line, ...]
    left_out: tuple[BadLine, ...] = ()
    """Lines that name the call and can't be read, or that may hold a newer call than the last."""


def find(folder: Path, name: str) -> tuple[Line, ...]:
    """Return the lines of one call in order: its story, later corrections and cooldowns that it caused included.

    `name` is its id, the beginning or end of one (at least 4 characters), the upstream's id of the response, or
    ``last``. Raises LedgerError when it names no call or several, LedgerDamaged for a line that can't be read.
    """
    told = tell_of(folder, name)
    if told.left_out:
        raise LedgerDamaged(f"{told.left_out[0]}: `tf ledger verify` says the next step")
    return told.lines


def tell_of(folder: Path, name: str) -> Told:
    """Return the lines of one call as `find` does, and those that can't be read beside them.

    Raises LedgerError when it names no call or several.
    """
    names = pages(folder)
    if not names:
        raise LedgerError(f"no ledger in {folder} yet: `tf serve` begins one with its first call")
    asked = name.strip()
    seen = _Seen(folder=folder)
    call_id = _resolved(folder, names, asked, seen)
    lines = _told(folder, names, call_id, seen)
    if not lines and not seen.bad:
        raise _unknown(names, asked)
    return Told(lines=lines, left_out=tuple(seen.bad))


@dataclass(slots=True, kw_only=True)
class _Seen:
    """The bad lines that a search met, each once."""

    folder: Path
    bad: list[BadLine] = field(default_factory=list[BadLine])

    def read(self, raw: bytes, page: str) -> Line | None:
        """Return the line in `raw`; None where it is bad, which is noted with its place."""
        line = read_line(raw, page=page, number=0, told=True)
        if isinstance(line, Line):
            return line
        placed = replace(line, line=_number(self.folder, page, raw))
        if placed not in self.bad:
            self.bad.append(placed)
        return None


def _number(folder: Path, page: str, raw: bytes) -> int:
    """Return the place of a line on its page, from 1."""
    before = 0
    for block in blocks(page_path(folder, page)):
        for number, line in enumerate(whole_lines(block), before + 1):
            if line == raw:
                return number
        before += block.count(b"\n")
    return 0  # it was cut off since


def read_lines(folder: Path, since_page: str = "") -> Iterator[Line]:
    """Yield the whole lines of the pages in `folder` in order, from the page `since_page` (a UTC day) on."""
    for page in pages(folder):
        if page >= since_page:
            for block in blocks(page_path(folder, page)):
                for raw in whole_lines(block):
                    yield decoded(raw, page)


def sound_lines(folder: Path, since_page: str, left_out: list[BadLine]) -> Iterator[Line]:
    """Yield the lines of the pages from `since_page` on that can be read, and append the others to `left_out`."""
    for page in pages(folder):
        if page < since_page:
            continue
        number = 0
        for block in blocks(page_path(folder, page)):
            for raw in whole_lines(block):
                number += 1
                line = read_line(raw, page=page, number=number)
                if isinstance(line, Line):
                    yield line
                else:
                    left_out.append(line)


class Unsure(msgspec.Struct, kw_only=True):
    """What a ledger does not know for sure."""

    lost: list[Settled] = []
    """Attempts that a start found open and that nothing corrected since."""
    unpriced: dict[str, int] = {}
    """How many attempts lacked a price of a candidate: of the one that answered, or of work beside that."""
    flags: dict[str, int] = {}
    """How many attempts had each flag."""
    left_out: list[BadLine] = []
    """Lines that can't be read: what they hold is not among the others."""


def unsure(folder: Path, since_page: str) -> Unsure:
    """Return what the pages from `since_page` on leave in doubt."""
    lost: dict[str, Settled] = {}
    corrected: dict[int, str] = {}
    """Calls by the corrections that stand."""
    found = Unsure()
    for line in sound_lines(folder, since_page, found.left_out):
        match line.entry:
            case Settled() as entry:
                if entry.outcome == "lost":
                    lost[entry.id] = entry
                if entry.certainty == "unpriced":
                    for name in _without_price(entry):
                        found.unpriced[name] = found.unpriced.get(name, 0) + 1
                for flag in entry.flags:
                    found.flags[flag] = found.flags.get(flag, 0) + 1
            case Adjusted(undoes=seq) if seq:
                corrected.pop(seq, None)
            case Adjusted(corrects=call) if call:
                corrected[line.seq] = call
            case _:
                pass
    found.lost = [entry for call, entry in lost.items() if call not in corrected.values()]
    return found


def _without_price(entry: Settled) -> tuple[str, ...]:
    """Return each ROUTE/MODEL whose price an unpriced attempt lacked: its own, or those of work beside it alone."""
    own = candidate_name(entry.route, entry.upstream_model)
    others = [flag for flag in entry.flags if flag.startswith(UNPRICED) and flag != UNPRICED_ITERATION]
    if UNPRICED_ITERATION not in entry.flags:
        return (own,)
    beside = (candidate_name(entry.route, one.model) for one in entry.iterations if one.card is None)
    return tuple(dict.fromkeys((*([own] if others else []), *beside)))


def blocks(path: Path) -> Iterator[bytes]:
    """Yield a page's bytes in order, cut at line feeds into blocks of some MB; a torn last line is left out."""
    rest = b""
    with path.open("rb") as page:
        while data := page.read(_BLOCK):
            whole, feed, tail = data.rpartition(b"\n")
            if feed:
                yield rest + whole + feed
                rest = tail
            else:
                rest += tail


class Follower:
    """Hands out the whole lines of a growing ledger in order, each once, across pages.

    It begins with the newest page, whose first line holds what came before, or with the page `since_page`. A torn
    last line is left until it is whole, or gone.
    """

    def __init__(self, folder: Path, *, since_page: str = "") -> None:
        self.left_out: list[BadLine] = []
        """The lines that can't be read, as they were met."""
        self._folder = folder
        self._page = since_page
        self._offset = 0
        self._number = 0
        """Lines of the page that were read."""

    def read(self, at_most: int = _BLOCK) -> list[Line]:
        """Return the lines since the last read, about `at_most` bytes of them; none when there are no more now.

        What can't be read is not among them: it goes to `left_out`.
        Raises LedgerError when what was read is no longer there.
        """
        # Listed before the page is read: a page gets no more lines once a later one exists.
        names = [name for name in pages(self._folder) if name >= self._page]
        if not names:
            return []
        if not self._page:
            self._page = names[-1]
        for name in (name for name in names if name >= self._page):
            if name != self._page:
                self._page, self._offset, self._number = name, 0, 0
            if data := self._more(page_path(self._folder, name), at_most):
                return list(self._sound(data))
        return []

    def _sound(self, data: bytes) -> Iterator[Line]:
        for raw in whole_lines(data):
            self._number += 1
            line = read_line(raw, page=self._page, number=self._number)
            if isinstance(line, Line):
                yield line
            else:
                self.left_out.append(line)

    def _more(self, path: Path, at_most: int) -> bytes:
        with path.open("rb") as page:
            if page.seek(0, 2) < self._offset:
                raise LedgerError(f"{path.name} is shorter than what was read of it: was the ledger replaced?")
            page.seek(self._offset)
            data = b""
            while chunk := page.read(at_most):
                data += chunk
                if b"\n" in chunk:
                    break
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What a ledger consists of."""

    pages: int
    lines: int
    first: str = ""
    """Stamp of the first line."""
    last: str = ""
    """Stamp of the last line."""
    seq: int = 0
    """Number of the last line."""
    chain: str = NO_CHAIN
    """Chain of the last line: it stands for every line before."""
    begins_after: str = ""
    """The page before the first, when the ledger's first pages are not in the folder."""
    torn_bytes: int = 0
    """Bytes after the last whole line of the newest page: a write that did not finish, cut at the next start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What a ledger consists of, and what of it is wrong."""

    verified: Verified
    bad: tuple[BadLine, ...]
    """In the ledger's order; none for a whole ledger."""


@dataclass(slots=True, kw_only=True)
class _Reached:
    """How far a verification came: what the next line must follow from."""

    page: str = ""
    page_bytes: int = 0
    lines: int = 0
    seq: int = 0
    chain: str = NO_CHAIN
    first: str = ""
    ts: str = ""
    begins_after: str = ""
    or_chain: str = ""
    """What the line before would have been, where its chain is another: the next may follow from either."""
    lost: bool = False
    """Whether the line before has no chain that can be read, so that nobody knows what this one must follow from."""
    bad: list[BadLine] = field(default_factory=list[BadLine])


def verify(folder: Path) -> Verified:
    """Return what the ledger in `folder` consists of, having checked every line as `examine` does.

    Raises LedgerDamaged naming PAGE:LINE of the first that is wrong.
    """
    found = examine(folder)
    if found.bad:
        raise LedgerDamaged(str(found.bad[0]))
    return found.verified


def examine(folder: Path) -> Examined:
    """Return what the ledger in `folder` consists of, and every line of it that is wrong.

    Each line's number, time and chain must follow from the line before, it must be an entry of its kind, and each of
    its figures must have its form and bounds (`core/entry_check.py`). After a line that is wrong the next must follow
    from what that one says of itself: so each is named once.
    """
    names = pages(folder)
    reached = _Reached()
    torn = 0
    for page in names:
        path = page_path(folder, page)
        number = 0
        whole = 0
        for block in blocks(path):
            for raw in whole_lines(block):
                number += 1
                _check(raw, reached, page=page, number=number)
            whole += len(block)
        torn = path.stat().st_size - whole
        if page != names[-1] and (torn or not number):
            wrong = "the page ends in the middle of a line, and a later page exists"
            reached.bad.append(BadLine(page=page, line=number + 1, seq=0, field="", wrong=wrong))
        reached.page, reached.page_bytes = page, whole
    verified = Verified(
        pages=len(names),
        lines=reached.lines,
        first=reached.first,
        last=reached.ts,
        seq=reached.seq,
        chain=reached.chain,
        begins_after=reached.begins_after,
        torn_bytes=torn,
    )
    return Examined(verified=verified, bad=tuple(reached.bad))


def call_time(call_id: str) -> datetime | None:
    """Return the moment in a call's id (the first 48 bits of a UUIDv7 are ms since 1970), None where it has none."""
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(call_id.removeprefix(_PREFIX)[:12], 16))
    except (ValueError, OverflowError):
        return None


def _resolved(folder: Path, names: Sequence[str], asked: str, seen: _Seen) -> str:
    """Return the id of the one call that `asked` names, newest pages searched first."""
    if asked == LAST:
        return _newest(folder, names, seen)
    lowered = asked.lower().replace("-", "")
    match = _ID.fullmatch(lowered)
    if match is not None and len(match[1]) == _HEX:
        return _PREFIX + match[1]
    if len(asked) < SHORTEST:
        raise LedgerError(f"`{asked}` is too short to name a call: give at least {SHORTEST} characters of its id")
    pattern = _pattern(asked, match[1] if match else "")
    found: set[str] = set()
    for page in reversed(names):
        for block in blocks(page_path(folder, page)):
            found.update(_matches(block, pattern, page, seen))
        if len(found) > _LISTED:
            break
    if not found:
        raise _unknown(names, asked)
    if len(found) > 1:
        raise _ambiguous(folder, names, asked, found)
    return found.pop()


def _pattern(asked: str, digits: str) -> re.Pattern[bytes]:
    """Return what finds the upstream's id `asked`, or a call's id that begins or ends with `digits`.

    Inside a JSON string a quote is escaped, so these can't match what a client wrote.
    """
    upstream = rb'"upstream_id":' + re.escape(msgspec.json.encode(asked))
    if not digits:
        return re.compile(upstream)
    part = digits.encode()
    own = rb'"id":"(tf_(?:%s[0-9a-f]*|[0-9a-f]*%s))"' % (part, part)
    return re.compile(own + b"|" + upstream)


def _matches(block: bytes, pattern: re.Pattern[bytes], page: str, seen: _Seen) -> Iterator[str]:
    for match in pattern.finditer(block):
        if match.lastindex:
            yield match[1].decode()
        else:
            line = seen.read(_line_at(block, match.start()), page)
            if line is not None and isinstance(line.entry, Settled | Voided):
                yield line.entry.id


def _newest(folder: Path, names: Sequence[str], seen: _Seen) -> str:
    for page in reversed(names):
        newest = ""
        known = len(seen.bad)
        for block in blocks(page_path(folder, page)):
            before = len(seen.bad)
            if found := _last_closed(block, page, seen):
                newest = found
                del seen.bad[known:before]  # what is older than that is no newer call
        if newest:
            return newest
    raise LedgerError(
        f"no call has ended yet in {_counted(names)}: send one through `tf serve`, or watch with `tf monitor`"
    )


def _last_closed(block: bytes, page: str, seen: _Seen) -> str:
    at = block.rfind(_FINAL)
    while at >= 0:
        line = seen.read(_line_at(block, at), page)
        if line is not None and isinstance(line.entry, Settled | Voided | Refused):
            return line.entry.id
        at = block.rfind(_FINAL, 0, at)
    return ""


def _told(folder: Path, names: Sequence[str], call_id: str, seen: _Seen) -> tuple[Line, ...]:
    """Return the lines of the call, from its id's day on: entries go to the newest page when they are appended."""
    began = call_time(call_id)
    day = began.date().isoformat() if began else ""
    needle = call_id.encode()
    lines: list[Line] = []
    for page in names:
        if page >= day:
            for block in blocks(page_path(folder, page)):
                lines.extend(line for line in _naming(block, needle, page, seen) if _belongs(line.entry, call_id))
    return tuple(lines)


def _naming(block: bytes, needle: bytes, page: str, seen: _Seen) -> Iterator[Line]:
    """Yield the lines that contain `needle`, but for a page's first, whose fold names every open call."""
    at = block.find(needle)
    while at >= 0:
        raw = _line_at(block, at)
        if _OPENED not in raw[:120] and (line := seen.read(raw, page)) is not None:
            yield line
        at = block.find(needle, block.find(b"\n", at))


def _belongs(entry: AnyEntry, call_id: str) -> bool:
    match entry:
        case Routed() | Held() | Settled() | Voided() | Refused():
            return entry.id == call_id
        case Adjusted():
            return entry.corrects == call_id
        case Cooled():
            return any(cause.partition("/")[0] == call_id for cause in entry.causes)
        case Recovered():
            return entry.by.partition("/")[0] == call_id
        case Opened() | Configured() | Tasked() | Renamed():
            return False
        case _:  # pragma: no cover - every kind is above
            assert_never(entry)


def _check(raw: bytes, reached: _Reached, *, page: str, number: int) -> None:
    """Note that a line was reached, and all that is wrong with it."""
    if number == 1 and not reached.page:
        _begin(raw, reached)
    line = whole_line(raw, page=page, number=number)
    for name, wrong in _wrongs(raw, line, reached, page=page, first=number == 1):
        reached.bad.append(BadLine(page=page, line=number, seq=line.seq, field=name, wrong=wrong))
    chain = line_chain(raw)
    reached.lost = not chain
    if chain:
        reached.chain, reached.or_chain = chain, chain_after(raw, reached.chain)
    reached.seq = line.seq or reached.seq
    reached.lines += 1
    if isinstance(line, Line):
        reached.first = reached.first or line.ts
        reached.ts = max(reached.ts, line.ts)


def _wrongs(
    raw: bytes, line: Line | BadLine, reached: _Reached, *, page: str, first: bool
) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a line: the field, where it is one alone, and a sentence."""
    if raw.startswith(b'{"v":') and not raw.startswith(b'{"v":%d,' % VERSION):
        yield "v", f"no line of version {VERSION}, the one that this `tf` reads"
        return
    chain = line_chain(raw)
    if chain and not reached.lost and chain != chain_after(raw, reached.chain) and not _follows_other(raw, reached):
        yield "chain", CHAIN_BROKEN
    if line.seq and line.seq != reached.seq + 1 and not (reached.lost and line.seq > reached.seq):
        yield "seq", f"it is number {line.seq} where number {reached.seq + 1} belongs"
    if isinstance(line, BadLine):
        yield line.field, line.wrong
    elif not chain:
        yield "chain", CHAIN_BROKEN
    if isinstance(line, Line):
        yield from _entry_wrongs(line, reached, page=page, first=first)


def _follows_other(raw: bytes, reached: _Reached) -> bool:
    return reached.or_chain != reached.chain and line_chain(raw) == chain_after(raw, reached.or_chain)


def _entry_wrongs(line: Line, reached: _Reached, *, page: str, first: bool) -> Iterator[tuple[str, str]]:
    if line.ts < reached.ts:
        yield "ts", f"its time {line.ts} is before the line before ({reached.ts})"
    if first != isinstance(line.entry, Opened):
        yield "type", "`opened` is the first line of a page and no other"
    if isinstance(line.entry, Opened):
        yield from _opened_wrongs(line.entry, reached, page=page)
    for fault in faults(line.entry):
        yield fault.field, str(fault)


def _begin(raw: bytes, reached: _Reached) -> None:
    """Take the place of the first line from its own word when the pages before it are not in the folder."""
    try:
        entry = decode_line(raw).entry
    except msgspec.DecodeError:
        return
    if isinstance(entry, Opened) and entry.previous is not None:
        reached.seq, reached.chain = entry.previous.seq, entry.previous.chain
        reached.begins_after = entry.previous.page


def _opened_wrongs(entry: Opened, reached: _Reached, *, page: str) -> Iterator[tuple[str, str]]:
    if entry.page != page:
        yield "page", f"it opens page {entry.page} in the file of {page}"
    if not reached.page:
        return
    before = entry.previous
    if before is None:
        yield "previous", f"it names no page before, and {reached.page} is there"
        return
    named = (before.page, before.bytes, before.seq, before.chain)
    there = (reached.page, reached.page_bytes, reached.seq, reached.chain)
    for what, one, other in zip(("page", "bytes", "seq", "chain"), named, there, strict=True):
        if one != other:
            yield f"previous.{what}", f"it says that the page before ends with {what} {one}, and it is {other}"
            return


def _line_at(block: bytes, at: int) -> bytes:
    return block[block.rfind(b"\n", 0, at) + 1 : block.find(b"\n", at)]


def decoded(raw: bytes, page: str) -> Line:
    """Return a whole line of a page. Raises LedgerDamaged for one that can't be read."""
    try:
        return decode_line(raw)
    except msgspec.DecodeError as error:
        raise LedgerDamaged(
            f"page {page} has a line that this version can't read ({error}): `tf ledger verify` names it"
        ) from error


def _unknown(names: Sequence[str], asked: str) -> LedgerError:
    return LedgerError(
        f"no call `{asked}` in {_counted(names)}: `tf explain {LAST}` tells the newest, `tf spend` sums them all"
    )


def _ambiguous(folder: Path, names: Sequence[str], asked: str, found: set[str]) -> LedgerError:
    newest = sorted(found, reverse=True)
    seen = _Seen(folder=folder)
    told = [_candidate(folder, names, call_id, seen) for call_id in newest[:_LISTED]]
    more = ["  and more"] if len(newest) > _LISTED else []
    return LedgerError(
        "\n".join(
            [f"`{asked}` names several calls; the last characters of an id tell them apart:", *told, *more],
        )
    )


def _candidate(folder: Path, names: Sequence[str], call_id: str, seen: _Seen) -> str:
    lines = _told(folder, names, call_id, seen)
    model = next((line.entry.model_asked for line in lines if isinstance(line.entry, Routed | Settled | Refused)), "")
    return f"  {call_id}  {lines[0].ts[:19]}Z  {model}" if lines else f"  {call_id}"


def _counted(names: Sequence[str]) -> str:
    return f"1 page ({names[0]})" if len(names) == 1 else f"{len(names)} pages ({names[0]} to {names[-1]})"
