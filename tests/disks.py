"""A disk in trouble, and a ledger's folder to be in trouble with."""

import errno
import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tokens_forge.core.entries import Adjusted, Line
from tokens_forge.core.fold import Fold
from tokens_forge.core.moments import moment
from tokens_forge.files.ledger_writer import System
from tokens_forge.files.pages import decode_line, page_path, pages, whole_lines
from tokens_forge.files.paths import Paths, resolve

FULL = errno.ENOSPC
BROKEN = errno.EIO


@dataclass(slots=True)
class Disk:
    """A disk whose next calls go wrong as a test says; once that is used up, it works."""

    writes: deque[int] = field(default_factory=deque[int])
    """For each write how many bytes are taken; a negative number is an errno, and nothing is taken."""
    cuts: deque[int] = field(default_factory=deque[int])
    """For each cut an errno, 0 for one that works."""
    syncs: deque[int] = field(default_factory=deque[int])
    """Likewise for each sync."""
    full: bool = False
    """Every write fails until it is false again."""
    done: list[str] = field(default_factory=list[str])
    """What was asked of it, in order."""
    written: int = 0
    """How many bytes it took."""

    def write(self, file: int, data: bytes) -> int:
        """Take what is allowed of `data`."""
        self.done.append("write")
        taken = self.writes.popleft() if self.writes else len(data)
        if self.full or taken < 0:
            raise _error(FULL if self.full else -taken)
        count = os.write(file, data[:taken])
        self.written += count
        return count

    def cut(self, file: int, size: int) -> None:
        """Cut the file to `size`."""
        self.done.append("cut")
        if self.cuts and (number := self.cuts.popleft()):
            raise _error(number)
        os.ftruncate(file, size)

    def sync(self, file: int) -> None:
        """Succeed or fail; nothing is synced, so that thousands of tests are quick."""
        self.done.append("sync")
        assert os.fstat(file).st_size >= 0, "the file is open"
        if self.syncs and (number := self.syncs.popleft()):
            raise _error(number)

    def system(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> System:
        """Return the system that has this disk."""
        return System(clock=clock, write=self.write, cut=self.cut, sync=self.sync)


def folders(folder: Path) -> Paths:
    """Return the files of a user whose data is in `folder`."""
    return resolve(config=None, data_dir=folder, demo=False, environ={})


def now(stamped: str) -> datetime:
    """Return the moment of a stamp."""
    return moment(stamped)


def topup(amount: str = "1", **more: str) -> Adjusted:
    """Return the smallest entry that moves something."""
    return msgspec.structs.replace(Adjusted(balance="wallet", amount=amount, unit="USD", reason="topup"), **more)


def lines_of(paths: Paths) -> list[Line]:
    """Return the whole lines of all pages."""
    found: list[Line] = []
    for page in pages(paths.ledger):
        found.extend(map(decode_line, whole_lines(page_path(paths.ledger, page).read_bytes())))
    return found


def fold_of(lines: list[Line]) -> Fold:
    """Return what lines add up to, from the first on and without a word of any `opened`."""
    fold = Fold()
    for line in lines:
        fold.apply(line)
    return fold


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
