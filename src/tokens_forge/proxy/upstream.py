"""One attempt: send a request to an upstream, get its head, read its bytes.

The one narrow seam to the HTTP client: nothing else knows aiohttp's client, and its exceptions end here as words of the
failure table. Redirects are not followed (the client would carry a credential to another origin), proxy variables are
not read, cookies are not kept. It decides nothing about what a failure means.
"""

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from types import TracebackType
from typing import Self

import aiohttp

from tokens_forge.core.config import Upstream
from tokens_forge.core.moments import read_duration_ms
from tokens_forge.proxy.unpacking import UnknownCoding, Unreadable, unpacker

KEEP_ALIVE_S = 4.0
"""Idle connections are dropped before the upstream's side would be (uvicorn's default is 5 s): a request that meets a
closing connection may have been received, and would have to be settled as unanswered."""

USER_AGENT = f"tokens-forge/{metadata.version('tokens-forge')}"

BODY_AT_MOST = 64 * 1024 * 1024
"""The largest reply that is not streamed, decompressed."""

ERROR_BODY_AT_MOST = 256 * 1024

SECRET_FROM = 16
"""Characters from which on a credential is looked for in names."""

PART = 256 * 1024
"""Bytes of a large request that are written at a time."""

FINISH_S = 1.0
"""How long the end of a reply is waited for after its last event, so that its connection can serve again."""


_NO_HEADERS: Mapping[str, str] = {}


class Failed(Exception):  # noqa: N818 - the end of an attempt, a word of the failure table
    """The attempt ended without what was awaited; `error` is a word of `core/fallback.py`."""

    def __init__(self, error: str) -> None:
        self.error = error
        super().__init__(error)


@dataclass(slots=True)
class Sent:
    """Whether any byte of a request may have reached the upstream."""

    any: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An upstream as it is called."""

    base_url: str
    secret: str | None
    """Our credential there; None sends none."""
    headers: Mapping[str, str]
    """What carries it."""
    first_byte_s: float
    """Until a stream's first event, as long as no comment shows that one is being made."""
    whole_s: float
    """Until the head of a reply that is not streamed."""
    idle_s: float
    """The longest silence between two bytes."""
    connect_s: float


def without_secret(body: bytes, *secrets: str | None) -> bytes:
    r"""Return an error's body without credentials: some upstreams repeat what they did not like.

    JSON may write `/` as `\/` (RFC 8259, 7; PHP does).
    """
    for secret in secrets:
        if secret:
            for written in (secret, secret.replace("/", "\\/")):
                body = body.replace(written.encode(), b"[credential]")
    return body


def said_without_secret(said: str, *secrets: str | None) -> str:
    """Return what an upstream says of itself (an id, a model's name) without credentials.

    Short ones are no secrets: a local server's may be a word that is in its models' names.
    """
    for secret in secrets:
        if secret and len(secret) >= SECRET_FROM:
            said = said.replace(secret, "[credential]")
    return said


def endpoint(upstream: Upstream, credential: str | None) -> Endpoint:
    """Return how to call `upstream` with the resolved `credential`."""
    times = upstream.timeouts
    base_url = upstream.base_url.rstrip("/")
    if upstream.dialect == "anthropic":  # its own SDKs take the URL without it, relays' pages often show it with it
        base_url = base_url.removesuffix("/v1")
    header = upstream.auth or ("x-api-key" if upstream.dialect == "anthropic" else "bearer")
    headers = {"authorization": f"Bearer {credential}"} if header == "bearer" else {"x-api-key": credential or ""}
    return Endpoint(
        base_url=base_url,
        secret=credential,
        headers={} if credential is None else headers,
        first_byte_s=read_duration_ms(times.first_byte) / 1000,
        whole_s=read_duration_ms(times.whole) / 1000,
        idle_s=read_duration_ms(times.idle) / 1000,
        connect_s=read_duration_ms(times.connect) / 1000,
    )


def _nothing() -> None:
    """Do nothing."""


class Answer:
    """An upstream's reply, from its head on. Close or release it when done."""

    def __init__(self, response: aiohttp.ClientResponse, finishing: "set[asyncio.Task[None]]") -> None:
        self._response = response
        self._finishing = finishing
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self.unread = ""
        """The coding that its body is packed in, where that can't be unpacked; nobody asked for any."""
        packed = ",".join(response.headers.getall("content-encoding", ()))
        try:
            self._packed = unpacker(packed)
        except UnknownCoding:
            self._packed, self.unread = None, packed
        self._pieces: Iterator[bytes] = iter(())
        self._begun = False

    async def body(self, at_most: int = BODY_AT_MOST, *, came: Callable[[], None] = _nothing) -> bytes:
        """Return the whole body. Raises Failed: cut short, or more than `at_most` bytes.

        `came` is called at the head and whenever bytes come: some upstreams send blanks while they are at work.
        """
        parts: list[bytes] = []
        size = 0
        came()
        while part := await self.some():
            came()
            size += len(part)
            if size > at_most:
                raise Failed("bad_reply")
            parts.append(part)
        return b"".join(parts)

    async def some(self) -> bytes:
        """Return the next bytes of the body as they come, unpacked, none at its end.

        Raises Failed: ``reset`` when it ends early, ``bad_reply`` for one that can't be unpacked.
        """
        if self.unread:
            raise Failed("bad_reply")
        try:
            while not (piece := next(self._pieces, b"")):
                data = await self._response.content.readany()
                if self._packed is None:
                    return data
                if not data:
                    if self._begun:  # nothing at all, packed, is nothing
                        self._packed.close()
                    return b""
                self._begun = True
                self._pieces = self._packed.feed(data)
        except (aiohttp.ClientError, OSError, ValueError, Unreadable) as error:
            raise Failed("reset") from error
        return piece

    def close(self) -> None:
        """Drop the connection, unless the reply was read to its end: nothing more of it is wanted."""
        self._response.close()

    def release(self) -> None:
        """Give the connection back for the next request; what little is left of the reply is read away first."""
        if self._response.content.is_eof():
            self._response.release()
            return
        task = asyncio.get_running_loop().create_task(self._finish())
        self._finishing.add(task)
        task.add_done_callback(self._finished)

    async def _finish(self) -> None:
        with suppress(TimeoutError, aiohttp.ClientError, OSError):
            async with asyncio.timeout(FINISH_S):
                await self._response.content.readany()

    def _finished(self, task: "asyncio.Task[None]") -> None:
        # A callback, as a task that is cancelled before it began runs no line of its own.
        self._finishing.discard(task)
        self._response.release()  # a connection that is not at its end is dropped by this


class Client:
    """The pooled HTTP client of a proxy, as an async context."""

    def __init__(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S, ttl_dns_cache=60),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            skip_auto_headers=("User-Agent", "Accept"),
            read_bufsize=256 * 1024,
            trust_env=False,
            auto_decompress=False,
            trace_configs=[_tracing()],
        )
        self._finishing: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        finishing = tuple(self._finishing)
        for task in finishing:
            task.cancel()
        await asyncio.gather(*finishing, return_exceptions=True)
        await self._session.close()

    async def send(  # noqa: PLR0913 - a request has so many parts
        self,
        to: Endpoint,
        path: str,
        body: Sequence[bytes | memoryview],
        sent: Sent,
        *,
        headers: Mapping[str, str] = _NO_HEADERS,
        method: str = "POST",
    ) -> Answer:
        """Send `body` to `path` and return the answer as soon as its head is there; `headers` go before our own.

        `sent` says, also after a failure or a cancellation, whether any byte may have gone. Raises Failed: ``dns``,
        ``connect``, ``tls``, ``connect_timeout`` when none was, else ``reset``. How long to wait for the head is the
        caller's part.
        """
        head = {"accept-encoding": "identity", "user-agent": USER_AGENT, **headers, **to.headers}
        if body:
            head["content-type"] = "application/json"
        if len(body) > 1:
            head["content-length"] = str(sum(map(len, body)))
        try:
            response = await self._session.request(
                method,
                to.base_url + path,
                data=body[0] if len(body) == 1 else _parts(body) if body else None,
                headers=head,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=to.connect_s),
                trace_request_ctx=sent,
            )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Failed("reset" if sent.any else _word(error)) from error
        return Answer(response, self._finishing)


async def _parts(body: Sequence[bytes | memoryview]) -> AsyncGenerator[bytes]:
    """Yield a large body a part at a time: other calls have their turns between them, and none of it is held twice."""
    for part in body:
        for start in range(0, len(part), PART):
            yield bytes(part[start : start + PART])


def _word(error: Exception) -> str:
    """Return our word for why no byte of a request was sent."""
    match error:
        case aiohttp.ClientSSLError():
            return "tls"
        case aiohttp.ClientConnectorDNSError() | aiohttp.InvalidURL() | socket.gaierror() | UnicodeError():
            return "dns"
        case aiohttp.ConnectionTimeoutError():
            return "connect_timeout"
        case _:
            return "connect"


def _tracing() -> aiohttp.TraceConfig:
    """Return what marks a request as sent just before its first byte is written."""

    async def headers_sent(_session: aiohttp.ClientSession, context: object, _params: object) -> None:
        sent = getattr(context, "trace_request_ctx", None)
        if isinstance(sent, Sent):
            sent.any = True

    tracing = aiohttp.TraceConfig()
    tracing.on_request_headers_sent.append(headers_sent)
    return tracing


async def drain(answer: Answer, at_most: int = ERROR_BODY_AT_MOST, *, came: Callable[[], None]) -> bytes:
    """Return an error's body as far as it can be had; an error that can't be read is an error all the same."""
    with suppress(Failed):
        return await answer.body(at_most, came=came)
    return b""
