"""Packed bodies, of requests and replies: what they unfold to, a piece at a time.

Decides how far memory may go as a body unfolds. The HTTP server and client are told to unpack nothing: what they take
depends on what else is installed, and the bound is to be ours. Which codings are taken is the caller's part.

Sources, read 2026-11: RFC 9110, 8.4.1 (codings are named in any case; `x-gzip` is `gzip`; a `deflate` body is one of
zlib, and from some servers a bare one); RFC 8878, 3.1 (a body may be several frames); RFC 9659 (a `zstd` body's window
is 8 MiB at most).
"""

import sys
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Protocol

if sys.version_info >= (3, 14):
    from compression.zstd import DecompressionParameter, ZstdDecompressor, ZstdError
else:
    from backports.zstd import DecompressionParameter, ZstdDecompressor, ZstdError

PIECE = 256 * 1024
"""Bytes that a body is unpacked to at a time: so far above its bound memory may go."""

MEMBERS_AT_MOST = 4096
"""Members (gzip) or frames (zstd) of one body: each costs a copy of what is left of the part that it came in."""

_ZSTD_WINDOW_LOG = 23
_GZIP = 16 + zlib.MAX_WBITS


class UnknownCoding(Exception):  # noqa: N818 - a fact about a body
    """A body is packed in a way that is not taken."""


class Unreadable(Exception):  # noqa: N818 - a fact about a body
    """A body is not packed as its headers say, ends within a member, or has too many."""


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


class _Zlib:
    """Unpacks one member of gzip or zlib, in the way of a `_Decompressor`."""

    def __init__(self, wbits: int) -> None:
        self._inner = zlib.decompressobj(wbits=wbits)

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


class _Deflate(_Zlib):
    """The same of a `deflate` body, whose first byte says whether it has the head of zlib."""

    def __init__(self) -> None:
        super().__init__(zlib.MAX_WBITS)
        self._begun = False

    def decompress(self, data: bytes, max_length: int) -> bytes:
        if data and not self._begun:
            self._begun = True
            if data[0] & 0x0F != zlib.DEFLATED:
                self._inner = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
        return super().decompress(data, max_length)


def _gzip() -> _Decompressor:
    return _Zlib(_GZIP)


def _zstd() -> _Decompressor:
    return ZstdDecompressor(options={DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG})


_CODINGS: Mapping[str, Callable[[], _Decompressor]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _Deflate,
    "zstd": _zstd,
}


def unpacker(named: str, taken: Collection[str] = frozenset(_CODINGS)) -> "Unpacker | None":
    """Return what unpacks a body by its `Content-Encoding`, None when it is not packed.

    Raises UnknownCoding for more than one coding, and for one that is not `taken`.
    """
    codings = [coding for part in named.split(",") if (coding := part.strip().lower()) not in {"", "identity"}]
    if not codings:
        return None
    if len(codings) > 1 or codings[0] not in taken:
        raise UnknownCoding
    return Unpacker(_CODINGS[codings[0]])


class Unpacker:
    """Unpacks a body of one or more members, piece by piece."""

    def __init__(self, member: Callable[[], _Decompressor]) -> None:
        self._new = member
        self._member = member()
        self._members = 1

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what `data` unfolds to, PIECE bytes at most at a time. Raises Unreadable."""
        while data or not (self._member.eof or self._member.needs_input):
            if self._member.eof:
                self._members += 1
                if self._members > MEMBERS_AT_MOST:
                    raise Unreadable
                self._member = self._new()
            try:
                piece = self._member.decompress(data, PIECE)
            except (zlib.error, ZstdError) as error:
                raise Unreadable from error
            if piece:
                yield piece
            data = self._member.unused_data if self._member.eof else b""

    def close(self) -> None:
        """Raise `Unreadable` for a body that ends within a member."""
        if not self._member.eof:
            raise Unreadable
