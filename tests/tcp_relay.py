"""A TCP relay between the proxy and an upstream, which passes bytes on and breaks a connection where a test says.

What a mock that speaks HTTP can't do: reset after a chosen byte, close one side only, take everything and never answer,
give one byte at a time. Of HTTP it knows where a request begins, as it counts them.
"""

import asyncio
import socket
import struct
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Self, assert_never, cast
from urllib.parse import urlsplit

from upstreams import until

_BEGINS = b" HTTP/1.1\r\n"
_SOME = 64 * 1024


class Cut(Enum):
    """What happens where a passage ends."""

    RESET = "reset"
    """Both sides are torn down (RST)."""
    CLOSE = "close"
    """Both sides are closed (FIN)."""
    HALF = "half"
    """Our side is closed to the proxy (FIN), and what it sends is still taken."""
    SILENCE = "silence"
    """Nothing more comes, and what the proxy sends is still taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """What one connection lets through."""

    asked: int | None = None
    """How many bytes of requests, when not all; it is cut when one more comes."""
    requests: int | None = None
    """How many requests, when not all; it is cut when one more begins."""
    answered: int | None = None
    """How many bytes of replies, when not all; it is cut right after the last."""
    then: Cut | asyncio.Event = Cut.RESET
    """How it is cut there. Until an event is set nothing more of the replies passes, and then all of it."""
    says: bytes = b""
    """What the proxy is told before the cut, in the upstream's stead."""
    taken: bool = True
    """Whether the connection is read at all; else it is cut as soon as it was made."""
    slow: bool = False
    """Whether replies come a byte at a time, each in a turn of the loop of its own."""


@dataclass(slots=True, eq=False)
class _Link:
    """A connection of the proxy, and the one to the upstream behind it."""

    passage: Passage
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    far_reader: asyncio.StreamReader
    far_writer: asyncio.StreamWriter
    requests: int = 0


@dataclass(slots=True)
class TcpRelay:
    """The relay, as an async context. Without a script everything passes."""

    url: str = ""
    connections: int = 0
    """How many were made to it."""
    requests: int = 0
    """How many requests began."""
    waits: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once a reply waits for the event of its passage."""
    _to: str = ""
    _script: deque[Passage] = field(default_factory=deque[Passage])
    _server: asyncio.Server | None = None
    _links: set[_Link] = field(default_factory=set[_Link])
    _tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    def to(self, url: str) -> None:
        """Pass on to the upstream at `url`."""
        self._to = url

    def passes(self, *passages: Passage) -> None:
        """Let the next connections pass this, in this order."""
        self._script.extend(passages)

    async def count(self) -> int:
        """Return how many requests began (for the playbook's audit)."""
        return self.requests

    @property
    def open(self) -> int:
        """How many connections the proxy has open."""
        return len(self._links)

    async def hang_up(self, how: Cut) -> None:
        """Cut every connection as it stands, and return once none is left: after a FIN the proxy closes them."""
        for link in tuple(self._links):
            _cut(link.writer, how)
        await until(lambda: not self._links)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None, "it was entered"
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "a handler runs in a task"
        self._tasks.add(task)
        self.connections += 1
        passage = self._script.popleft() if self._script else Passage()
        if not passage.taken:
            self.requests += 1  # the proxy writes one, though nobody reads it
            self._tasks.discard(task)
            _cut(writer, _how(passage))
            return
        to = urlsplit(self._to)
        far_reader, far_writer = await asyncio.open_connection(to.hostname, to.port)
        link = _Link(passage, reader, writer, far_reader, far_writer)
        self._links.add(link)
        try:
            with suppress(OSError, asyncio.CancelledError):
                await self._relay(link)
        finally:
            self._links.discard(link)
            self._tasks.discard(task)
            writer.close()
            far_writer.close()

    async def _relay(self, link: _Link) -> None:
        """Pass bytes both ways until the connection ends or is cut."""
        ways = {asyncio.ensure_future(self._ask(link)), asyncio.ensure_future(self._answer(link))}
        try:
            (done, *_), _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            how = done.result()
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        link.writer.write(link.passage.says)
        _cut(link.writer, how)
        while how in (Cut.HALF, Cut.SILENCE) and (some := await link.reader.read(_SOME)):
            self._count(link, some)

    async def _ask(self, link: _Link) -> Cut:
        """Pass on what the proxy sends, and return how the connection is cut."""
        passage, passed, last = link.passage, 0, b""
        while some := await link.reader.read(_SOME):
            self._count(link, last + some)
            last = (last + some)[1 - len(_BEGINS) :]
            enough = passage.asked is not None and passed + len(some) > passage.asked
            if enough or (passage.requests is not None and link.requests > passage.requests):
                link.far_writer.write(some[: max(0, (passage.asked or 0) - passed)])
                return _how(passage)
            passed += len(some)
            link.far_writer.write(some)
            await link.far_writer.drain()
        return Cut.CLOSE

    async def _answer(self, link: _Link) -> Cut:
        """Pass on what the upstream sends, and return how the connection is cut."""
        passage, passed = link.passage, 0
        while some := await link.far_reader.read(1 if passage.slow else _SOME):
            if passage.answered is not None and passed + len(some) >= passage.answered:
                link.writer.write(some[: passage.answered - passed])
                await link.writer.drain()
                if isinstance(passage.then, Cut):
                    return passage.then
                self.waits.set()
                await passage.then.wait()
                some = some[passage.answered - passed :]
                passage = Passage(slow=passage.slow)
            link.writer.write(some)
            await link.writer.drain()
            passed += len(some)
            if passage.slow:
                await asyncio.sleep(0)  # a turn of the loop, in which the proxy reads this byte alone
        return Cut.CLOSE

    def _count(self, link: _Link, some: bytes) -> None:
        begun = some.count(_BEGINS)
        link.requests += begun
        self.requests += begun


def _how(passage: Passage) -> Cut:
    assert isinstance(passage.then, Cut), "an event stops replies only"
    return passage.then


def _cut(writer: asyncio.StreamWriter, how: Cut) -> None:
    match how:
        case Cut.RESET:
            connection = cast("socket.socket", writer.get_extra_info("socket"))
            # Without lingering, what is not sent is thrown away, and the other side learns it by a RST.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        case Cut.CLOSE:
            writer.close()
        case Cut.HALF:
            writer.write_eof()
        case Cut.SILENCE:
            pass
        case _:
            assert_never(how)
