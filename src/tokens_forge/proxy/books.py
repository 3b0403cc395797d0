"""The one writer of a running proxy: append now, write once a tick, say when it is written.

Everything that decides appends without an await in between, so concurrent calls can't overdraw. What was appended in
one turn of the event loop goes out in one write. A call awaits `written` before it contacts an upstream and before its
reply ends. While the disk takes nothing, `stuck` says why; what is queued is tried again every second. It decides
nothing about calls.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime

from tokens_forge.core.entries import Adjusted, AnyEntry, Recovered, Settled, Tasked, Voided
from tokens_forge.core.errors import LedgerStuck
from tokens_forge.core.fold import Fold
from tokens_forge.files.ledger_writer import SYSTEM, Ledger, Stored

SYNC_EVERY_S = 0.05
"""How long a written line may wait for its sync, so that many share one; with ``always`` none waits."""

_GIVES_ROOM = (Settled, Voided, Adjusted, Tasked, Recovered)
"""Entries after which a call that had to wait may go on."""

TRY_AGAIN_S = 1.0
"""How long a disk that took nothing is left alone."""


class Books:
    """The open ledger in an event loop."""

    def __init__(self, ledger: Ledger, *, always: bool, clock: Callable[[], datetime] = SYSTEM.clock) -> None:
        """Begin in the running loop; with `always` a line counts as written only once it is on the disk."""
        self.ledger = ledger
        self._always = always
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._unwritten: LedgerStuck | None = None
        """Why lines can't be written."""
        self._unsynced: LedgerStuck | None = None
        """Why what was written can't be synced."""
        self._drains = False
        """A drain will come."""
        self._again: asyncio.TimerHandle | None = None
        self._syncing: asyncio.Task[None] | None = None
        self._synced = ledger.written
        """The last line that is on the disk."""
        self._safe = ledger.written
        """The last line that is as safe as `[ledger] sync` asks."""
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        self._hopeful: dict[asyncio.Future[None], None] = {}
        """Calls that wait for room, for a turn or for a recovery, the one that waits longest first."""
        self._closed = False
        self._soon()  # what the start closed

    @property
    def fold(self) -> Fold:
        """The live state; it changes only by `append`."""
        return self.ledger.fold

    @property
    def stuck(self) -> LedgerStuck | None:
        """Why no call can be recorded at the moment."""
        return self._unwritten or self._unsynced

    def moment(self) -> str:
        """Return the stamp for a decision and its entry."""
        return self.ledger.stamp(self._clock())

    def append(self, entry: AnyEntry, at: str = "") -> int:
        """Take `entry` into the ledger at `at` (of `moment`; now when not given) and return its number."""
        seq = self.ledger.append(entry, at or self.moment())
        self._soon()
        if isinstance(entry, _GIVES_ROOM):
            self._give_room()
        return seq

    async def room(self, within_s: float | None = None) -> None:
        """Return when something was appended that may let a waiting call go on (`_GIVES_ROOM`), or after that time."""
        waiter = self._loop.create_future()
        self._hopeful[waiter] = None
        try:
            async with asyncio.timeout(within_s):
                await waiter
        except TimeoutError:
            pass
        finally:
            self._hopeful.pop(waiter, None)

    def configure(self, config: Stored, cards: Stored, changes: tuple[str, ...], at: str) -> None:
        """Put a config and rate cards in force at `at` (of `moment`): kept as files, then named in the ledger."""
        self.ledger.configure(config, cards, changes, at)
        self._soon()

    async def written(self, seq: int) -> None:
        """Return when line `seq` is written (and synced, if so configured).

        Raises LedgerStuck when the disk does not take it now. The line stays queued all the same.
        """
        if seq <= self._safe:
            return
        if (stuck := self._unsynced or (self._unwritten if seq > self.ledger.written else None)) is not None:
            raise stuck
        waiter = self._loop.create_future()
        self._waiters.append((seq, waiter))
        await waiter

    async def close(self) -> None:
        """Write, sync and checkpoint what there is; whatever is appended later is lost.

        Raises LedgerStuck when that can't be done. The calls whose end is lost by it are found open at the next start.
        """
        self._closed = True
        if self._again is not None:
            self._again.cancel()
        if self._syncing is not None:
            self._syncing.cancel()
            await asyncio.wait([self._syncing])
        try:
            self.ledger.drain()
            self.ledger.sync()
            self._release(self.ledger.written)
            self.ledger.checkpoint()
        finally:
            self._unwritten = LedgerStuck("the ledger is closed")
            self._fail(self._unwritten, after=self._safe)

    def _give_room(self) -> None:
        hopeful, self._hopeful = self._hopeful, {}
        for waiter in hopeful:
            if not waiter.done():
                waiter.set_result(None)

    def _soon(self) -> None:
        if not self._drains:
            self._drains = True
            self._loop.call_soon(self._drain)

    def _drain(self) -> None:
        if self._closed:  # its lock may be another's by now
            return
        try:
            self.ledger.drain()
        except LedgerStuck as stuck:
            self._unwritten = stuck
            # `_drains` stays set: what is appended meanwhile waits for the same try.
            self._again = self._loop.call_later(TRY_AGAIN_S, self._drain)
        else:
            self._unwritten = None
            self._drains = False
        written = self.ledger.written
        if not self._always:
            self._release(written)
        if self._unwritten is not None:
            self._fail(self._unwritten, after=written)
        if self._syncing is None and self._synced < written:
            self._syncing = self._loop.create_task(self._sync())

    async def _sync(self) -> None:
        """Sync until everything that is written is on the disk."""
        pause_s = 0.0 if self._always else SYNC_EVERY_S
        wait_s = pause_s
        while self._synced < self.ledger.written:
            await asyncio.sleep(wait_s)
            upto = self.ledger.written
            try:
                await self._loop.run_in_executor(None, self.ledger.sync)
            except LedgerStuck as stuck:
                self._unsynced = stuck
                self._fail(stuck, after=self._safe)
                wait_s = TRY_AGAIN_S
            else:
                self._unsynced = None
                self._synced = upto
                self._release(upto)
                wait_s = pause_s
        self._syncing = None

    def _release(self, upto: int) -> None:
        """Let those go on whose line is safe."""
        self._safe = max(self._safe, upto)
        ready = [waiter for seq, waiter in self._waiters if seq <= self._safe]
        self._waiters = [(seq, waiter) for seq, waiter in self._waiters if seq > self._safe]
        for waiter in ready:
            if not waiter.done():
                waiter.set_result(None)

    def _fail(self, stuck: LedgerStuck, *, after: int) -> None:
        """Tell those whose line comes after `after` that it will take longer than they should wait."""
        failed = [waiter for seq, waiter in self._waiters if seq > after]
        self._waiters = [(seq, waiter) for seq, waiter in self._waiters if seq <= after]
        for waiter in failed:
            if not waiter.done():
                waiter.set_exception(stuck)
