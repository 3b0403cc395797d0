"""A request's body: read once, unpacked, bounded.

Decides how large a body may be, as it comes and as it unfolds, and which codings are taken. It never looks into one.
How it unfolds is `proxy/unpacking.py`'s part. Source: RFC 9110, 15.5.16 (read 2026-11).
"""

import asyncio
from io import BytesIO

from aiohttp import web
from aiohttp.http import HttpProcessingError, HttpVersion11

from tokens_forge.core.errors import RequestError
from tokens_forge.core.visible import visible
from tokens_forge.proxy.unpacking import MEMBERS_AT_MOST, PIECE, UnknownCoding, Unpacker, Unreadable, unpacker

__all__ = ("MEMBERS_AT_MOST", "PIECE", "read_body")

_MIB = 1024 * 1024


async def read_body(request: web.BaseRequest, at_most: int) -> bytes:
    """Return a JSON request's body, unpacked; at most `at_most` bytes, before as after.

    Raises RequestError: 415 for another kind than JSON and for codings that are not taken, 413 for a larger one, 400
    for one that did not come whole, or not as its headers say.
    """
    if request.content_type != "application/json":
        raise RequestError(415, "wrong_content_type", "send `Content-Type: application/json`")
    packed = _unpacker(request)
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
            for piece in packed.feed(part) if packed else (part,):
                if body.tell() + len(piece) > at_most:
                    raise _too_large(at_most)
                body.write(piece)
                if len(piece) == PIECE:
                    await asyncio.sleep(0)  # other calls have their turns while a large body unfolds
        if packed:
            packed.close()
    except (web.RequestPayloadError, HttpProcessingError, OSError, Unreadable) as error:
        raise RequestError(400, "bad_body", "the body did not come whole, or not as its headers say") from error
    return body.getvalue()


async def _go_on(request: web.BaseRequest) -> None:
    """Tell a client that asks first whether its body is wanted that it is (RFC 9110, 10.1.1; curl and .NET ask).

    One that is refused by its head has its answer before, and need not send the body.
    """
    if request.version >= HttpVersion11 and request.headers.get("expect", "").strip().lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # it is no part of the answer


def _unpacker(request: web.BaseRequest) -> Unpacker | None:
    """Return what unpacks a body, None when it is not packed. Raises RequestError for codings that are not taken."""
    named = ",".join(request.headers.getall("content-encoding", ()))
    try:
        return unpacker(named, ("gzip", "x-gzip", "zstd"))
    except UnknownCoding as unknown:
        raise RequestError(
            415,
            "wrong_content_encoding",
            f"`Content-Encoding: {visible(named)[:80]}` is not taken: send `gzip`, `zstd` or none",
        ) from unknown


def _too_large(at_most: int) -> RequestError:
    return RequestError(
        413,
        "too_large",
        f"the body is larger than {at_most // _MIB} MiB: raise `[server] max_body_mb` if it should pass",
    )
