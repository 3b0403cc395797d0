"""The one writer of a running proxy: append now, write once a tick, say when it is written.

Everything that decides appends without an await in between, so concurrent calls can't overdraw. What was appended in
one turn of the event loop goes out in one write. A call awaits `written` before it contacts an upstream and before its
reply ends. While the disk takes nothing, `stuck` says why; what is queued is tried again every second.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from tokens_forge.core.entries import AnyEntry
from tokens_forge.core.errors import LedgerStuck
from tokens_forge.core.fold import Fold
from tokens_forge.files.ledger_writer import Ledger, Stored

SYNC_EVERY_S = 0.05
TRY_AGAIN_S = 1.0


class Books:
    """The open ledger in an event loop."""

    def __init__(
        self, ledger: Ledger, *, always: bool, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.ledger = ledger
        self.stuck: LedgerStuck | None = None
        """Why nothing can be written at the moment."""
        self._always = always
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._draining = False
        self._syncing: asyncio.Future[None] | None = None
        self._safe = ledger.written
        """The last line that is as safe as `[ledger] sync` asks."""
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []

    @property
    def fold(self) -> Fold:
        """The live state; it changes only by `append`."""
        return self.ledger.fold

    def moment(self) -> str:
        """Return the stamp for a decision and its entry."""
        return self.ledger.stamp(self._clock())

    def append(self, entry: AnyEntry, at: str = "") -> int:
        """Take `entry` into the ledger at `at` (of `moment`; now when not given) and return its number."""
        seq = self.ledger.append(entry, at or self.moment())
        self._soon()
        return seq

    def configure(self, config: Stored, cards: Stored, changes: tuple[str, ...], at: str) -> None:
        """Put a config and rate cards in force at `at` (of `moment`): kept as files, then named in the ledger."""
        self.ledger.configure(config, cards, changes, at)
        self._soon()

    async def written(self, seq: int) -> None:
        """Return when line `seq` is written (and synced, if so configured). Raises LedgerStuck for a full disk."""
        if seq <= self._safe:
            return
        if self.stuck is not None:
            raise self.stuck
        waiter = self._loop.create_future()
        self._waiters.append((seq, waiter))
        await waiter

    async def close(self) -> None:
        """Write, sync and checkpoint what there is. Raises LedgerStuck when that can't be done."""
        if self._syncing is not None:
            await self._syncing
        self.ledger.drain()
        self.ledger.sync()
        self.ledger.checkpoint()

    def _soon(self) -> None:
        if not self._draining:
            self._draining = True
            self._loop.call_soon(self._drain)

    def _drain(self) -> None:
        try:
            self.ledger.drain()
        except LedgerStuck as stuck:
            self.stuck = stuck
            waiters, self._waiters = self._waiters, []
            for _seq, waiter in waiters:
                if not waiter.done():
                    waiter.set_exception(stuck)
            # `_draining` stays set: what is appended meanwhile waits for the same try.
            self._loop.call_later(TRY_AGAIN_S, self._drain)
            return
        self._draining = False
        self.stuck = None
        if not self._always:
            self._release(self.ledger.written)
        if self._syncing is None:
            self._syncing = self._loop.create_task(self._sync())

    async def _sync(self) -> None:
        if not self._always:
            await asyncio.sleep(SYNC_EVERY_S)
        upto = self.ledger.written
        await self._loop.run_in_executor(None, self.ledger.sync)
        self._syncing = None
        self._release(upto)
        if self.ledger.written > upto:
            self._syncing = self._loop.create_task(self._sync())

    def _release(self, upto: int) -> None:
        self._safe = max(self._safe, upto)
        ready = [waiter for seq, waiter in self._waiters if seq <= self._safe]
        self._waiters = [(seq, waiter) for seq, waiter in self._waiters if seq > self._safe]
        for waiter in ready:
            if not waiter.done():
                waiter.set_result(None)
