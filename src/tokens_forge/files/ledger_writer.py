"""The ledger's one writer: the lock, the append, the torn tail, the checkpoint.

`Ledger.append` is synchronous: it assigns `seq` and `chain`, encodes, applies to the fold and queues; `drain` writes
what is queued. Nothing that was applied is ever undone: when a write falls short, the file is cut back to its last
whole line and the queue is kept. It decides nothing about calls or money.
"""

import fcntl
import hashlib
import os
import secrets
import sys
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock

import msgspec

from tokens_forge.core import fold as folds
from tokens_forge.core.entries import NO_CHAIN, AnyEntry, Configured, Line, Opened, Previous, Refused
from tokens_forge.core.entry_check import check, faults
from tokens_forge.core.errors import ForgeError, LedgerDamaged, LedgerError, LedgerLocked, LedgerStuck, MoneyError
from tokens_forge.core.fold import Fold
from tokens_forge.core.moments import moment, stamp
from tokens_forge.core.price_help import shell_word
from tokens_forge.core.settlement import Terms, lost
from tokens_forge.files.kept_terms import kept_terms
from tokens_forge.files.pages import (
    check_chain,
    check_line,
    encode_line,
    line_chain,
    page_of,
    page_path,
    pages,
    whole_lines,
)
from tokens_forge.files.paths import Paths, private_folder, read_private, sync_folder, write_private

CHECKPOINT_EVERY = 10_000
"""Entries after which a running writer makes a checkpoint."""

BEHIND_AT_MOST = timedelta(hours=1)
"""A clock further behind the last entry stops a start: every window and day would be wrong."""


def _sync_file(file: int) -> None:
    """Wait until a file is on the disk. macOS has no fdatasync, and its fsync stops at the drive's own memory."""
    if sys.platform == "darwin":
        fcntl.fcntl(file, fcntl.F_FULLFSYNC)
    else:
        os.fdatasync(file)


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """What a ledger takes from the system: the time and three calls on a file. A test brings a full or broken disk."""

    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    write: Callable[[int, bytes], int] = os.write
    """It may take a part only, and says how much."""
    cut: Callable[[int, int], None] = os.ftruncate
    sync: Callable[[int], None] = _sync_file


SYSTEM = System()
"""The system as it is."""


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """How far a fold has come; it shortens a start and may be deleted."""

    checked: bool
    """That each line behind it passed `check`. One of an earlier version has no such word: its page is read again."""
    page: str
    offset: int
    seq: int
    ts: str
    chain: str
    fold: msgspec.Raw


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint in its file. The chain says that it fits the page; only the digest says that it is as it was."""

    digest: str
    """SHA-256 of `checkpoint`'s bytes."""
    checkpoint: msgspec.Raw


@dataclass(frozen=True, slots=True)
class Stored:
    """Something kept once beside the ledger: its digest and its bytes."""

    digest: str
    data: bytes


@dataclass(slots=True)
class Place:
    """Where the ledger stands: what the next line follows."""

    page: str = ""
    offset: int = 0
    """Bytes of the page, queued ones included."""
    seq: int = 0
    ts: str = ""
    chain: str = NO_CHAIN


@dataclass(slots=True)
class Standing:
    """A ledger as its files say, whoever writes it."""

    fold: Fold
    place: Place
    lineage: str = ""
    """Empty for a ledger without a page."""
    torn: tuple[tuple[Path, int], ...] = ()
    """Pages that end in a part of a line, with the bytes that are whole; 0 for one without a whole line."""


@dataclass(frozen=True, slots=True)
class _Queued:
    page: str
    seq: int
    raw: bytes


class Ledger:
    """An open ledger; the process that has it holds its lock. Made by `open_ledger`."""

    def __init__(self, paths: Paths, *, system: System = SYSTEM) -> None:
        self.fold = Fold()
        self.notes: list[str] = []
        """What a start mended, for the user."""
        self._paths = paths
        self._system = system
        self._machine = ""
        self._lineage = ""
        self._place = Place()
        self._queue: deque[_Queued] = deque()
        self._written = 0
        self._file = -1
        self._file_page = ""
        self._file_size = 0
        self._file_lock = Lock()
        """Held while the file is synced, which another thread does, and while it is closed."""
        self._cut_back = False
        self._checkpointed = 0

    @property
    def written(self) -> int:
        """The number of the last line that was handed to the system."""
        return self._written

    @property
    def seq(self) -> int:
        """The number of the last line that was appended."""
        return self._place.seq

    @property
    def last_ts(self) -> str:
        """The stamp of the last line; empty for a new ledger."""
        return self._place.ts

    def stamp(self, now: datetime) -> str:
        """Return the stamp of an entry appended now: the clock's, or the last one when the clock went back."""
        return max(stamp(now), self._place.ts)

    def append(self, entry: AnyEntry, ts: str) -> int:
        """Take `entry` into the ledger at `ts` (of `stamp`) and return its number. Nothing is written yet.

        Raises MoneyError for an amount in another unit than the balance's, and for a figure that the format or its sums
        can't take (`core/entry_check.py`); nothing is taken then.
        """
        check(entry)
        assert ts >= self._place.ts, f"{ts} is before the last entry ({self._place.ts}): `stamp` never goes back"
        if page_of(ts) > self._place.page:
            self._roll(ts)
        return self._take(entry, ts)

    def drain(self) -> None:
        """Write what is queued, in order. Raises LedgerStuck when the disk takes no more; the rest stays queued."""
        while self._queue:
            page = self._queue[0].page
            try:
                self._open_page(page)
                if self._cut_back:
                    self._system.cut(self._file, self._file_size)
                    self._cut_back = False
                batch = b"".join(queued.raw for queued in self._queue if queued.page == page)
                done = self._system.write(self._file, batch)
            except OSError as error:
                self._cut_back = True
                raise LedgerStuck(f"the ledger can't be written: {error.strerror} ({self._paths.ledger})") from error
            except ForgeError as error:  # the folder can't be made
                raise LedgerStuck(f"the ledger can't be written: {error}") from error
            self._pop(page, done)
            if done < len(batch):
                self._cut_back = True
                raise LedgerStuck(f"the ledger can't be written: the disk took a part only ({self._paths.ledger})")
        if self._written - self._checkpointed >= CHECKPOINT_EVERY:
            self.checkpoint()

    def sync(self) -> None:
        """Wait until what was written is on the disk. Any thread may call it. Raises LedgerStuck when that fails."""
        with self._file_lock:
            self._sync()

    def checkpoint(self) -> None:
        """Keep the fold in the cache folder; only when nothing is queued. A cache that can't be written is no error."""
        if self._queue or not self._place.page:
            return
        place = self._place
        record = Checkpoint(
            checked=True,
            page=place.page,
            offset=place.offset,
            seq=place.seq,
            ts=place.ts,
            chain=place.chain,
            fold=msgspec.Raw(self.fold.encode()),
        )
        data = msgspec.json.encode(record)
        kept = _Kept(digest=hashlib.sha256(data).hexdigest(), checkpoint=msgspec.Raw(data))
        with suppress(ForgeError):
            private_folder(self._paths.cache)
            write_private(self._paths.checkpoint, msgspec.json.encode(kept))
        self._checkpointed = self._written

    def configure(self, config: Stored, cards: Stored, changes: tuple[str, ...], ts: str) -> None:
        """Put a config and rate cards in force: keep both as files first, then append what changed, if anything.

        Raises LedgerStuck when they can't be kept; nothing is appended then.
        """
        try:
            for folder, stored in ((self._paths.configs, config), (self._paths.cards, cards)):
                path = folder / f"{stored.digest}.json"
                if not path.exists():
                    private_folder(folder)
                    write_private(path, stored.data)
        except ForgeError as error:
            raise LedgerStuck(f"what the ledger would name can't be kept: {error}") from error
        if (self.fold.config, self.fold.cards) != (config.digest, cards.digest):
            self.append(Configured(config=config.digest, cards=cards.digest, changes=changes), ts)

    def start(self, now: datetime) -> None:
        """Read where the ledger stands, mend its torn tail, and close what a stopped process left open.

        Raises LedgerDamaged for damage before the last line and LedgerError for a clock far behind; the files are then
        as they were.
        """
        standing = stand(self._paths)
        place = standing.place
        if place.ts and moment(place.ts) - now > BEHIND_AT_MOST:
            raise LedgerError(
                f"the clock says {stamp(now)}, but the ledger's last entry is of {place.ts}. Set the clock; if "
                f"the ledger is wrong, move its newest page away: {page_path(self._paths.ledger, place.page)}"
            )
        self._machine = _machine(self._paths.data / "machine")
        self._mend(standing)
        self._lineage = standing.lineage or f"l_{secrets.token_hex(8)}"
        self.fold, self._place = standing.fold, place
        self._written = self._checkpointed = place.seq
        self._close_open_calls(self.stamp(now))

    def close(self) -> None:
        """Give the file back. What is still queued is lost; drain first."""
        with self._file_lock:
            self._close()

    def _take(self, entry: AnyEntry, ts: str) -> int:
        place = self._place
        raw, chain = encode_line(entry, seq=place.seq + 1, ts=ts, chain=place.chain)
        self.fold.apply(Line(seq=place.seq + 1, ts=ts, entry=entry))
        place.seq += 1
        place.ts = ts
        place.chain = chain
        place.offset += len(raw)
        self._queue.append(_Queued(place.page, place.seq, raw))
        return place.seq

    def _roll(self, ts: str) -> None:
        """Begin the page of a new day with everything that the pages before add up to."""
        before = self._place
        previous = (
            Previous(page=before.page, bytes=before.offset, seq=before.seq, chain=before.chain) if before.page else None
        )
        self._place = Place(page=page_of(ts), seq=before.seq, ts=ts, chain=before.chain)
        self._take(
            Opened(
                page=page_of(ts),
                machine=self._machine,
                lineage=self._lineage,
                config=self.fold.config,
                cards=self.fold.cards,
                previous=previous,
                fold=msgspec.Raw(self.fold.encode()),
            ),
            ts,
        )

    def _open_page(self, page: str) -> None:
        if page == self._file_page and self._file >= 0:
            return
        with self._file_lock:
            self._sync()
            self._close()
        private_folder(self._paths.ledger)
        path = page_path(self._paths.ledger, page)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(path, flags, 0o600)
        try:
            size = os.fstat(file).st_size
            sync_folder(self._paths.ledger)
        except OSError:
            os.close(file)
            raise
        self._file, self._file_page, self._file_size = file, page, size

    def _sync(self) -> None:
        if self._file < 0:
            return
        try:
            self._system.sync(self._file)
        except OSError as error:
            raise LedgerStuck(f"the ledger can't be synced: {error.strerror} ({self._paths.ledger})") from error

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _pop(self, page: str, done: int) -> None:
        """Take the whole lines among the `done` bytes from the queue."""
        while self._queue and self._queue[0].page == page and len(self._queue[0].raw) <= done:
            queued = self._queue.popleft()
            done -= len(queued.raw)
            self._file_size += len(queued.raw)
            self._written = queued.seq

    def _mend(self, standing: Standing) -> None:
        """Cut what was not written whole; a page without a whole line goes, as the process died making it."""
        for path, whole in standing.torn:
            try:
                size = path.lstat().st_size
                if whole:
                    _cut_page(path, whole)
                else:
                    path.unlink()
            except OSError as error:
                raise LedgerError(f"{path}: its torn last line can't be cut off ({error.strerror})") from error
            self.notes.append(f"{path}: a torn last line of {size - whole} bytes was cut off")

    def _close_open_calls(self, ts: str) -> None:
        kept = kept_terms(self._paths, self.fold.config, self.fold.cards) if self.fold.calls else None
        terms = kept if isinstance(kept, Terms) else None
        for call_id, call in list(self.fold.calls.items()):
            holds = list(call.holds.values())
            for held in holds:
                final = held is holds[-1]
                self.append(lost(call, held, final=final, fold=self.fold, terms=terms, at=ts), ts)
                self.notes.append(
                    f"{call_id}/{held.n} was under way when the process stopped: charged at its hold of {held.hold} "
                    f"{held.unit} to `{held.balance}`, estimated. Correct it with `tf balance adjust`."
                )
            if not holds:
                self.append(
                    Refused(
                        id=call_id,
                        key=call.routed.key,
                        task=call.routed.task,
                        model_asked=call.routed.model_asked,
                        reason="found_open",
                        error="found_open",
                        client_status=0,
                        final=True,
                    ),
                    ts,
                )


def stand(paths: Paths) -> Standing:
    """Return where the ledger stands, from its newest page and the checkpoint. Nothing is changed, no lock is needed.

    A page that is being written is read up to its last whole line. Raises LedgerDamaged for damage before that and for
    a line with a figure that nothing can be reckoned with, whatever its chain says, and LedgerError for a page that
    can't be read or is a symbolic link, which a writer would not follow either.
    """
    torn: list[tuple[Path, int]] = []
    for page in reversed(pages(paths.ledger)):
        path = page_path(paths.ledger, page)
        try:
            data, _others_may = read_private(path)
        except OSError as error:
            raise LedgerError(f"{path}: this page can't be read ({error.strerror})") from error
        whole = data.rfind(b"\n") + 1
        if whole < len(data) or not whole:
            torn.append((path, whole))
        if whole:
            standing = _read_page(paths, page, data[:whole])
            standing.torn = tuple(torn)
            return standing
    return Standing(fold=Fold(), place=Place(), torn=tuple(torn))


def _read_page(paths: Paths, page: str, data: bytes) -> Standing:
    path = page_path(paths.ledger, page)
    first = data.partition(b"\n")[0]
    opened = _opened(first, f"{path}:1")
    if opened.page != page:
        raise _stopped(f"{path}:1: it opens page {opened.page}, whose file it is not", 1)
    standing = _from_checkpoint(paths, page, data)
    if standing is None:
        standing = _from_opened(opened, first, f"{path}:1")
    else:
        _check_before(data[: standing.place.offset], opened, path)
    standing.lineage = opened.lineage
    fold, place = standing.fold, standing.place
    number = data.count(b"\n", 0, place.offset)
    while place.offset < len(data):
        end = data.index(b"\n", place.offset)
        number += 1
        raw = data[place.offset : end]
        try:
            line = check_line(raw, seq=place.seq + 1, chain=place.chain, where=f"{path}:{number}")
        except LedgerDamaged as damage:
            raise _stopped(str(damage), number) from damage
        _follow(fold, line, path, number)
        place.seq, place.ts, place.chain, place.offset = line.seq, line.ts, line_chain(raw), end + 1
    return standing


def _follow(fold: Fold, line: Line, path: Path, number: int) -> None:
    """Apply a line of a page.

    Raises LedgerDamaged, with the way out, where its figures can't be added up or it names what there is not. An
    earlier version took such figures; going on with one would make every balance that it touches useless.
    """
    wrong = next((str(fault) for fault in faults(line.entry) if not fault.told), "")
    try:
        if not wrong:
            fold.apply(line)
    except (AssertionError, KeyError, MoneyError, ArithmeticError, ValueError) as error:
        wrong = f"it does not follow from the lines before it ({type(error).__name__}: {error})"
    if wrong:
        raise LedgerDamaged(
            f"{path}:{number}: {wrong}. The books can't go on from here. {cut_before(path, number)}", line=number
        )


def cut_before(path: Path, number: int) -> str:
    """Return how a user without a backup goes on where a start stops at line `number` (from 1) of the newest page."""
    name = shell_word(str(path))
    how = (
        f"cut it before line {number}: `cp {name} COPY; head -n {number - 1} COPY > {name}`"
        if number > 1
        else f"let the ledger end with the page before: `mv {name} COPY`"
    )
    return (
        f"With no proxy running, keep a copy of the page and {how}. What is left out so is in the copy alone: enter "
        'what each balance really is with `tf balance set NAME "AMOUNT UNIT"`.'
    )


def _stopped(wrong: str, number: int) -> LedgerDamaged:
    """Return the error for line `number` of the newest page, at which a start stops."""
    return LedgerDamaged(f"{wrong}: `tf ledger verify` says the next step", line=number)


def _from_checkpoint(paths: Paths, page: str, data: bytes) -> Standing | None:
    """Return where the checkpoint stands; None when there is none that fits this page."""
    try:
        whole = msgspec.json.decode(read_private(paths.checkpoint)[0], type=_Kept)
        kept = msgspec.json.decode(whole.checkpoint, type=Checkpoint)
        fold = folds.decode(kept.fold)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    if hashlib.sha256(whole.checkpoint).hexdigest() != whole.digest:
        return None
    before = data[: kept.offset]
    last = before[before.rfind(b"\n", 0, -1) + 1 : -1]
    if kept.page != page or len(before) != kept.offset or line_chain(last) != kept.chain:
        return None
    place = Place(page=page, offset=kept.offset, seq=kept.seq, ts=kept.ts, chain=kept.chain)
    return Standing(fold=fold, place=place)


def _check_before(data: bytes, opened: Opened, path: Path) -> None:
    """Check the chain of the lines that a checkpoint spares reading, so that having one or not changes nothing.

    It costs a digest a line, and neither a decoding nor a fold.
    """
    chain = opened.previous.chain if opened.previous else NO_CHAIN
    for number, raw in enumerate(whole_lines(data), 1):
        try:
            chain = check_chain(raw, chain, f"{path}:{number}")
        except LedgerDamaged as damage:
            raise _stopped(str(damage), number) from damage


def _from_opened(opened: Opened, first: bytes, where: str) -> Standing:
    before = opened.previous
    chain, seq = (before.chain, before.seq) if before else (NO_CHAIN, 0)
    try:
        line = check_line(first, seq=seq + 1, chain=chain, where=where)
        fold = folds.decode(opened.fold)
    except LedgerDamaged as damage:
        raise _stopped(str(damage), 1) from damage
    except msgspec.DecodeError as error:
        raise _stopped(f"{where}: its fold is none that this version knows ({error})", 1) from error
    fold.apply(line)
    place = Place(page=opened.page, offset=len(first) + 1, seq=line.seq, ts=line.ts, chain=line_chain(first))
    return Standing(fold=fold, place=place)


@contextmanager
def open_ledger(paths: Paths, now: datetime, *, system: System = SYSTEM) -> Generator[Ledger]:
    """Give the ledger of `paths` for writing, under its lock; what is queued is written and kept at the end.

    Raises LedgerLocked naming the process that has it, LedgerDamaged, LedgerError, LedgerStuck.
    """
    with locked(paths):
        ledger = Ledger(paths, system=system)
        try:
            ledger.start(now)
            yield ledger
            ledger.drain()
            ledger.sync()
            ledger.checkpoint()
        finally:
            ledger.close()


@contextmanager
def locked(paths: Paths) -> Generator[None]:
    """Hold the ledger's lock while the context lasts. Raises LedgerLocked naming the process that has it."""
    private_folder(paths.data)
    try:
        lock = os.open(paths.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LedgerError(f"{paths.lock}: the ledger can't be locked ({error.strerror})") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            who = os.read(lock, 64).decode(errors="replace").strip() or "another process"
            raise LedgerLocked(
                f"{who} writes this ledger ({paths.ledger}). Stop it, or use another --data-dir."
            ) from None
        # The name is a courtesy to the next one: the lock holds without it, also on a full disk.
        with suppress(OSError):
            os.ftruncate(lock, 0)
            os.write(lock, f"process {os.getpid()}\n".encode())
        yield
    finally:
        os.close(lock)


def _cut_page(path: Path, size: int) -> None:
    file = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.ftruncate(file, size)
    finally:
        os.close(file)


def _opened(first: bytes, where: str) -> Opened:
    try:
        return msgspec.json.decode(first, type=Opened)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _stopped(f"{where}: a page begins with an `opened` entry ({error})", 1) from error


def _machine(path: Path) -> str:
    """Return the name that stays with this installation, made at the first start."""
    with suppress(OSError):
        return path.read_text(encoding="ascii").strip()
    name = f"m_{secrets.token_hex(8)}"
    write_private(path, f"{name}\n".encode())
    return name
