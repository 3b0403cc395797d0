"""A request's body: read once, unpacked, bounded.

Decides how large a body may be, as it comes and as it unfolds, and which codings are taken. It never looks into one.
The HTTP server is told to unpack nothing: what it takes depends on what else is installed, and the bound is to be ours.

Sources, read 2026-11: RFC 9110, 8.4.1 (codings are named in any case; `x-gzip` is `gzip`) and 15.5.16; RFC 8878, 3.1 (a
body may be several frames); RFC 9659 (a `zstd` body's window is 8 MiB at most).
"""

import asyncio
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from typing import Protocol

from aiohttp import web
from aiohttp.http import HttpProcessingError, HttpVersion11

from tokens_forge.core.errors import RequestError
from tokens_forge.core.visible import visible

if sys.version_info >= (3, 14):
    from compression.zstd import DecompressionParameter, ZstdDecompressor, ZstdError
else:
    from backports.zstd import DecompressionParameter, ZstdDecompressor, ZstdError

PIECE = 256 * 1024
"""Bytes that a body is unpacked to at a time: so far above its bound memory may go."""

MEMBERS_AT_MOST = 4096
"""Members (gzip) or frames (zstd) of one body: each costs a copy of what is left of the part that it came in."""

_MIB = 1024 * 1024
_ZSTD_WINDOW_LOG = 23
_GZIP = 16 + zlib.MAX_WBITS


async def read_body(request: web.BaseRequest, at_most: int) -> bytes:
    """Return a JSON request's body, unpacked; at most `at_most` bytes, before as after.

    Raises RequestError: 415 for another kind than JSON and for codings that are not taken, 413 for a larger one, 400
    for one that did not come whole, or not as its headers say.
    """
    if request.content_type != "application/json":
        raise RequestError(415, "wrong_content_type", "send `Content-Type: application/json`")
    unpacker = _unpacker(request)
    if (request.content_length or 0) > at_most:
        raise _too_large(at_most)
    await _go_on(request)
    body = BytesIO()  # it grows in place and hands out what it holds: a joined list of parts would be held twice
    came = 0
    try:
        while part := await request.content.readany():
            came += len(part)
            if came > at_most:
                raise _too_large(at_most)
            for piece in unpacker.feed(part) if unpacker else (part,):
                if body.tell() + len(piece) > at_most:
                    raise _too_large(at_most)
                body.write(piece)
                if len(piece) == PIECE:
                    await asyncio.sleep(0)  # other calls have their turns while a large body unfolds
        if unpacker:
            unpacker.close()
    except (web.RequestPayloadError, HttpProcessingError, OSError, zlib.error, ZstdError, _Unreadable) as error:
        raise RequestError(400, "bad_body", "the body did not come whole, or not as its headers say") from error
    return body.getvalue()


async def _go_on(request: web.BaseRequest) -> None:
    """Tell a client that asks first whether its body is wanted that it is (RFC 9110, 10.1.1; curl and .NET ask).

    One that is refused by its head has its answer before, and need not send the body.
    """
    if request.version >= HttpVersion11 and request.headers.get("expect", "").strip().lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # it is no part of the answer


class _Unreadable(Exception):  # noqa: N818 - a fact about a body
    """A body ends within a member, or has too many."""


class _Decompressor(Protocol):
    """Unpacks one member or frame (as Python's for bz2, lzma and zstd do)."""

    @property
    def eof(self) -> bool:
        """Whether the end of it was reached."""
        ...

    @property
    def needs_input(self) -> bool:
        """Whether nothing more can be had of what it was given."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What it was given beyond its end."""
        ...

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Return at most so many bytes more."""
        ...


class _Gzip:
    """Unpacks one member of gzip, in the way of a `_Decompressor`."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=_GZIP)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


def _zstd() -> _Decompressor:
    return ZstdDecompressor(options={DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG})


_CODINGS: Mapping[str, Callable[[], _Decompressor]] = {"gzip": _Gzip, "x-gzip": _Gzip, "zstd": _zstd}


class _Unpacker:
    """Unpacks a body of one or more members, piece by piece."""

    def __init__(self, member: Callable[[], _Decompressor]) -> None:
        self._new = member
        self._member = member()
        self._members = 1

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what `data` unfolds to, PIECE bytes at most at a time."""
        while data or not (self._member.eof or self._member.needs_input):
            if self._member.eof:
                self._members += 1
                if self._members > MEMBERS_AT_MOST:
                    raise _Unreadable
                self._member = self._new()
            if piece := self._member.decompress(data, PIECE):
                yield piece
            data = self._member.unused_data if self._member.eof else b""

    def close(self) -> None:
        """Raise `_Unreadable` for a body that ends within a member."""
        if not self._member.eof:
            raise _Unreadable


def _unpacker(request: web.BaseRequest) -> _Unpacker | None:
    """Return what unpacks a body, None when it is not packed. Raises RequestError for codings that are not taken."""
    named = ",".join(request.headers.getall("content-encoding", ()))
    codings = [coding for part in named.split(",") if (coding := part.strip().lower()) not in {"", "identity"}]
    if not codings:
        return None
    if len(codings) > 1 or codings[0] not in _CODINGS:
        raise RequestError(
            415,
            "wrong_content_encoding",
            f"`Content-Encoding: {visible(named)[:80]}` is not taken: send `gzip`, `zstd` or none",
        )
    return _Unpacker(_CODINGS[codings[0]])


def _too_large(at_most: int) -> RequestError:
    return RequestError(
        413,
        "too_large",
        f"the body is larger than {at_most // _MIB} MiB: raise `[server] max_body_mb` if it should pass",
    )
