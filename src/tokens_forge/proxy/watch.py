"""What ends a wait: the client has left, a deadline has passed, the proxy stops.

One sweep over all waiting attempts, four times a second, instead of a timer for each chunk of each stream: a deadline
is then a number that is moved on with every chunk. It decides when a wait is over, not what that means.
"""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from types import TracebackType
from typing import Protocol, Self

SWEEP_S = 0.25


class Interrupted(Exception):  # noqa: N818 - no error: the end of a wait
    """A wait was ended; `why` is a word of the failure table (`core/fallback.py`)."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


class Leaving(Protocol):
    """A client, who may leave."""

    @property
    def left(self) -> bool:
        """Whether it has gone."""
        ...


class Wait:
    """One attempt's wait, as an async context: inside, an interruption ends it by raising Interrupted at its end."""

    def __init__(self, watch: "Watch", client: Leaving, *, deadline: float, drain_s: float = 0.0) -> None:
        """`deadline` is of the loop's clock; `drain_s` is how long to go on once the client has left."""
        self.client: Leaving | None = client
        """None once it was seen to have left."""
        self._watch = watch
        self._drain_s = drain_s
        self._deadline = deadline
        self._until = deadline
        self._over = self._late = "deadline"
        self._why = ""
        self._scope = asyncio.timeout(None)

    def allow(self, seconds: float, late: str) -> None:
        """Wait so many seconds more from now, within the deadline of the call; `late` is the word for too long."""
        until = self._watch.time() + seconds
        self._until, self._late = (until, late) if until < self._deadline else (self._deadline, self._over)

    def client_left(self) -> None:
        """End the wait because the client left, at once or after the time to drain."""
        self.client = None
        if self._drain_s:
            self._deadline = min(self._deadline, self._watch.time() + self._drain_s)
            self._over = "client_left"
            self._until, self._late = self._deadline, self._over
        else:
            self.interrupt("client_left")

    def forget_deadline(self) -> None:
        """Let only `allow` bound the wait from here on: the reply has begun, and the client is there."""
        if self._over == "deadline":
            self._deadline = float("inf")

    def look(self, now: float) -> None:
        """End the wait if something asks for it."""
        if self.client is not None and self.client.left:
            self.client_left()
        elif now >= self._until:
            self.interrupt(self._late)

    def interrupt(self, why: str) -> None:
        """End the wait with `why`; the first reason stays."""
        if not self._why:
            self._why = why
            self._scope.reschedule(self._watch.time())

    async def __aenter__(self) -> Self:
        await self._scope.__aenter__()
        self._watch.waits.add(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.waits.discard(self)
        try:
            await self._scope.__aexit__(kind, error, trace)
        except TimeoutError:
            raise Interrupted(self._why) from None


class Watch:
    """The sweep over all waits of one event loop."""

    def __init__(self) -> None:
        self.waits: set[Wait] = set()
        self.stopping = False
        self._loop = asyncio.get_running_loop()

    def time(self) -> float:
        """Return the loop's monotonic time in seconds."""
        return self._loop.time()

    def stop(self) -> None:
        """End every wait now, and those to come: the proxy stops."""
        self.stopping = True
        for wait in tuple(self.waits):
            wait.interrupt("stopped")

    @contextmanager
    def sweeping(self) -> Generator[None]:
        """Sweep while the context lasts."""
        task = self._loop.create_task(self._sweep())
        try:
            yield
        finally:
            task.cancel()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            now = self.time()
            for wait in tuple(self.waits):
                wait.look(now)
                if self.stopping:
                    wait.interrupt("stopped")
