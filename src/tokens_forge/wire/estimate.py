"""Tokens by the bytes of a text, for when nobody has counted them.

A rule of thumb and no tokenizer: a quarter of a token for an ASCII byte, half for any other. It copies no text that is
long.
"""

import re
from collections.abc import Iterator

LONGEST_PLAIN = 64
"""Bytes of a text that is too short to show an image: most of a stream's are."""

_PART = 1024 * 1024
_HIGH_BYTES = bytes(range(0x80, 0x100))


def estimate_tokens(data: bytes | memoryview) -> int:
    """Return the tokens that `data` may be, rounded up."""
    return tokens(quarters(data))


def quarters(data: bytes | memoryview) -> int:
    """Return quarters of tokens: one for an ASCII byte, two for any other."""
    return len(data) + sum(len(part) - len(part.translate(None, _HIGH_BYTES)) for part in _parts(data))


def tokens(quarters: int) -> int:
    """Return quarters of tokens as whole ones, rounded up."""
    return -(-quarters // 4)


def text_quarters(text: bytes | memoryview) -> int:
    """Return quarters of tokens of a JSON string without its quotes; none for null and for nothing.

    A character written as an escape of six ASCII bytes counts what its three bytes would: six quarters.
    """
    return 0 if text in {b"", b"null"} else max(quarters(text) - 2, 0)


def shown_quarters(text: bytes) -> int:
    """Return what `text_quarters` does of a content that may show images or sound: their base64 is no text.

    A content may be a list of parts, and relays write images into a text (`![](data:image/png;base64,…)`).
    """
    inline = sum(found.end() - found.start() for found in _BASE64.finditer(text)) if b";base64," in text else 0
    return text_quarters(text) - inline


_BASE64 = re.compile(rb"(?<=;base64,)[A-Za-z0-9+/=_-]++")


def _parts(data: bytes | memoryview) -> Iterator[bytes]:
    """Yield what is not all ASCII, a part of it at a time."""
    if isinstance(data, bytes) and data.isascii():
        return
    view = memoryview(data)
    for start in range(0, len(view), _PART):
        part = bytes(view[start : start + _PART])
        if not part.isascii():
            yield part
