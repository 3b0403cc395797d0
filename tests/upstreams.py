"""A scripted upstream: a real server on 127.0.0.1 that answers each request as a test wrote it.

An answer is a row of steps: bytes to write, an event to wait for, or an end (reset, close, never). Bytes are raw, so
a reply can be broken in every way that a network or a relay breaks one. What came in is kept in `got`.
"""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Any, Self, cast

import msgspec

PATIENCE_S = 10.0
"""How long a test waits for a condition before it fails."""

JSON = {"content-type": "application/json"}
SSE = {"content-type": "text/event-stream"}
DONE = b"data: [DONE]\n\n"
KEEP_ALIVE = b": keep-alive\n\n"


class End(Enum):
    """How an answer ends early."""

    RESET = "reset"
    """The connection is torn down (RST)."""
    CLOSE = "close"
    """The connection is closed, whatever is missing."""
    NEVER = "never"
    """Nothing more comes until the other side leaves."""


Step = bytes | asyncio.Event | End
Answer = tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """A request that came in."""

    line: str
    """METHOD PATH."""
    headers: Mapping[str, str]
    """By lower-case names."""
    body: bytes

    @property
    def asked(self) -> dict[str, Any]:
        """The body's JSON."""
        return cast("dict[str, Any]", msgspec.json.decode(self.body))


@dataclass(slots=True)
class Upstream:
    """The server, as an async context. Without a script it greets: plain or streamed, as it was asked."""

    got: list[Got] = field(default_factory=list[Got])
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the other side left in the middle of an answer."""
    url: str = ""
    connections: int = 0
    """How many were made to it."""
    otherwise: "Callable[[Got], Answer]" = field(default_factory=lambda: greeting)
    """What answers a request that no script is left for."""
    _script: deque[Answer] = field(default_factory=deque[Answer])
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    def answers(self, *answers: Answer) -> None:
        """Answer the next requests so, in this order."""
        self._script.extend(answers)

    async def reached(self, count: int) -> None:
        """Return once so many requests have come in."""
        await until(lambda: len(self.got) >= count)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/v1"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Listen no more, and drop what is under way."""
        if self._server is None:
            return
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "a handler runs in a task"
        self.connections += 1
        self._tasks.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
                while await self._answer(reader, writer):
                    pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; say whether the connection stays."""
        got = await _read(reader)
        self.got.append(got)
        answer = self._script.popleft() if self._script else self.otherwise(got)
        for step in answer:
            match step:
                case bytes():
                    writer.write(step)
                    await writer.drain()
                case asyncio.Event():
                    await self._wait(step, reader)
                case End.RESET:
                    _reset_on_close(writer)
                    return False
                case End.CLOSE:
                    return False
                case End.NEVER:
                    await self._wait(asyncio.Event(), reader)
        return True

    async def _wait(self, event: asyncio.Event, reader: asyncio.StreamReader) -> None:
        """Wait for the event, or until the other side leaves."""
        left = asyncio.ensure_future(reader.read(1))
        reached = asyncio.ensure_future(event.wait())
        try:
            await asyncio.wait((left, reached), return_when=asyncio.FIRST_COMPLETED)
            if left.done():
                self.hung_up.set()
                raise ConnectionResetError("the other side left")
        finally:
            reached.cancel()
            if not left.done():
                left.cancel()
                await asyncio.gather(left, return_exceptions=True)


@contextmanager
def refusing() -> Generator[str]:
    """Give the URL of a port on which nobody listens, kept so that nobody else takes it."""
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{kept.getsockname()[1]}/v1"


async def until(condition: Callable[[], bool]) -> None:
    """Return once `condition` holds; fail the test when it never does."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - what tests wait for is looked at; nobody signals it
            await asyncio.sleep(0.005)


def plain(body: bytes, *, status: int = 200, headers: Mapping[str, str] = JSON) -> Answer:
    """Return a whole reply."""
    return (_head(status, {**headers, "content-length": str(len(body))}) + body,)


def refusal(status: int, code: str = "", message: str = "no", headers: Mapping[str, str] | None = None) -> Answer:
    """Return an error as OpenAI writes it."""
    body = msgspec.json.encode({"error": {"message": message, "type": "error", "param": None, "code": code or None}})
    return plain(body, status=status, headers={**JSON, **(headers or {})})


def stream(*steps: Step, headers: Mapping[str, str] = SSE) -> Answer:
    """Return a stream whose events are the bytes in `steps`; it ends properly unless they hold an end."""
    chunks = (b"%x\r\n%s\r\n" % (len(step), step) if isinstance(step, bytes) else step for step in steps)
    head = _head(200, {**headers, "transfer-encoding": "chunked"})
    return (head, *chunks, b"0\r\n\r\n")


def completion(
    content: str = "Hi there",
    *,
    usage: Mapping[str, object] | None = None,
    finish: str = "stop",
    **message: object,
) -> bytes:
    """Return a chat completion; by default 8 tokens went in and 4 came out."""
    choice = {"index": 0, "message": {"role": "assistant", "content": content, **message}, "finish_reason": finish}
    return msgspec.json.encode(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "gpt-5-2026-08-07",
            "choices": [choice],
            "usage": TOKENS if usage is None else usage,
        }
    )


TOKENS = {"prompt_tokens": 8, "completion_tokens": 4, "total_tokens": 12}


def chunk(
    content: str | None = None,
    *,
    finish: str | None = None,
    usage: Mapping[str, object] | None = None,
    **delta: object,
) -> bytes:
    """Return an event of a stream: a piece of the answer, its end, or (with usage alone) the usage chunk."""
    said = {"content": content, **delta} if content is not None else delta
    choice = {"index": 0, "delta": said, "finish_reason": finish}
    only_usage = usage is not None and content is None and finish is None
    return event(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "gpt-5-2026-08-07",
            "choices": [] if only_usage else [choice],
            **({} if usage is None else {"usage": usage}),
        }
    )


def event(data: object) -> bytes:
    """Return an event with `data` as JSON."""
    return b"data: %s\n\n" % msgspec.json.encode(data)


HELLO = (chunk("", role="assistant"), chunk("Hi "), chunk("there"), chunk(finish="stop"))
"""The events of an answer, up to its finish reason."""

USAGE = chunk(usage=TOKENS)


def greeting(got: Got) -> Answer:
    """Return a good answer of the kind that was asked for, as the real upstream would give it."""
    asked = got.asked
    if not asked.get("stream"):
        return plain(completion())
    options = cast("dict[str, object]", asked.get("stream_options") or {})
    return stream(*HELLO, *((USAGE,) if options.get("include_usage") else ()), DONE)


async def _read(reader: asyncio.StreamReader) -> Got:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *fields = head.rstrip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Got(line=line.rpartition(" ")[0], headers=headers, body=body)


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} -\r\n{fields}\r\n".encode()


def _reset_on_close(writer: asyncio.StreamWriter) -> None:
    """Make the close a reset: without lingering, what is not sent is thrown away (SO_LINGER 0)."""
    connection = cast("socket.socket", writer.get_extra_info("socket"))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
