"""Blocks of Messages, written from what OpenAI's dialects have in their place.

Decides which texts, pictures, files and ids Messages takes, and what becomes of the rest. It knows neither dialect of
OpenAI's: what stands where in a request is the translators' part. What may be large is cut as it was written, and
copied once.

Sources, read 2026-11: the types of Anthropic's Python library 2.13.0 (`ImageBlockParam`, `DocumentBlockParam`,
`ToolUseBlockParam`) and its docs "Vision", "PDF support" (media types) and "Messages" (texts of white space alone are
refused; the characters of `tool_use.id`).
"""

import re
from collections.abc import Mapping

import msgspec

from tokens_forge.wire.request import Fields, object_or_none, raw_of
from tokens_forge.wire.translate.members import Json, word_in
from tokens_forge.wire.translation import NotCarried

INVALID_JSON = "INVALID_JSON"
"""The member that holds a tool's arguments where they are no JSON object (Anthropic docs, "Fine-grained tool
streaming")."""

TIERS: Mapping[str, str] = {"standard": "default", "priority": "priority", "fast": "fast"}
"""Tiers that Anthropic says it served, in OpenAI's words."""

_IMAGES: Mapping[bytes, str] = {
    b"image/jpeg": "image/jpeg",
    b"image/jpg": "image/jpeg",
    b"image/png": "image/png",
    b"image/gif": "image/gif",
    b"image/webp": "image/webp",
}
_PDF = b"application/pdf"

# Some encoders write a slash as an escape.
_DATA_URL = re.compile(rb'"data:([^";,]{0,64})[^",]{0,256};base64,', re.IGNORECASE)
_HTTPS = re.compile(rb'"https:(?:\\?/){2}', re.IGNORECASE)

_BLANK = re.compile(rb'"(?: |\\[nrt])*+"')
_NO_ID = re.compile(r"[^a-zA-Z0-9_-]")
"""Characters that an id of a tool call must not have."""


def texts(text: msgspec.Raw) -> list[dict[str, object]]:
    """Return a text as a block; none for one of spaces and line ends alone, which Messages refuses."""
    return [] if _BLANK.fullmatch(memoryview(text)) else [{"type": "text", "text": text}]


def image(url: msgspec.Raw, path: str) -> dict[str, object]:
    """Return the block for an image by its address, or by a data URL. Raises NotCarried."""
    if is_https(url):
        return {"type": "image", "source": {"type": "url", "url": url}}
    media_type, data = _inline(url)
    if media_type not in _IMAGES:
        raise NotCarried(path, "Messages takes https addresses, and JPEG, PNG, GIF and WebP as base64")
    return {"type": "image", "source": {"type": "base64", "media_type": _IMAGES[media_type], "data": data}}


def pdf_source(url: msgspec.Raw, path: str) -> Json:
    """Return the source of a document from a data URL. Raises NotCarried."""
    media_type, data = _inline(url)
    if media_type != _PDF:
        raise NotCarried(path, "Messages takes PDF as base64")
    return {"type": "base64", "media_type": "application/pdf", "data": data}


def is_https(url: msgspec.Raw) -> bool:
    """Say whether Messages takes an address: one of https."""
    return _HTTPS.match(memoryview(url)) is not None


def call_id_in(fields: Fields, name: str, path: str) -> str:
    """Return the id of a call in the characters that Messages takes; others become `_`. Raises NotCarried."""
    return _NO_ID.sub("_", word_in(fields, name, path))


def call_input(call: Fields, path: str) -> msgspec.Raw:
    """Return the input of a call from its `arguments`: the object in the text, with every digit. Raises NotCarried.

    A model's text may be cut or broken, and the call stays in the history: it is carried in an object.
    """
    said = word_in(call, "arguments", path)
    return called_with(said)


def called_with(arguments: str) -> msgspec.Raw:
    """Return the object that a tool's arguments are; a text that is none is in one, and a blank one is an empty one."""
    if not arguments or arguments.isspace():
        return msgspec.Raw(b"{}")
    text = arguments.strip()
    return raw_of({INVALID_JSON: arguments}) if object_or_none(text) is None else msgspec.Raw(text.encode())


def _inline(url: msgspec.Raw) -> tuple[bytes, msgspec.Raw]:
    """Return media type and base64 of a data URL; no type for what is none."""
    view = memoryview(url)
    found = _DATA_URL.match(view)
    if found is None:
        return b"", url
    return found[1].replace(b"\\/", b"/").lower(), msgspec.Raw(b"".join((b'"', view[found.end() :])))
