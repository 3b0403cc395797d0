"""Gemini's own API: its paths are known, and its errors written; it is not served.

Sources (known, and not read again): Gemini API reference (paths and methods below `v1`, `v1beta` and `v1alpha`) and
"OpenAI compatibility" (`/v1beta/openai/`); Google, AIP-193 ("Errors": `code`, `message`, `status`, `details`).
"""

import re

import msgspec

from tokens_forge.wire.reply import Said
from tokens_forge.wire.sse import data_event

_PATH = re.compile(
    r"/(?:upload/)?v1(?:alpha|beta|internal)[0-9]*(?:[:/](?!openai(?:/|\Z)).*)?"
    r"|/upload/v1/.*"
    r"|/v1/(?:projects/[^/]+/locations|publishers|tunedModels|cachedContents)/.*"
    r"|/v1/.+:(?:(?:stream|batch)?generateContent|(?:async)?(?:batch)?embedContents?|(?:stream)?(?:raw)?predict"
    r"|predictLongRunning|fetchPredictOperation|generateAnswer|countTokens|computeTokens)",
    re.IGNORECASE,
)

_STATUS = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def is_gemini(path: str) -> bool:
    """Say whether a path is of Gemini's own API, also as Vertex has it; not of its OpenAI endpoint."""
    return _PATH.fullmatch(path) is not None


def error_body(*, status: int, code: str, message: str, call_id: str = "") -> bytes:  # noqa: ARG001 - it is in a header
    """Return an error as Google writes it: its code is the status, and ours stands in the details."""
    word = _STATUS.get(status, "INTERNAL" if status >= 500 else "INVALID_ARGUMENT")  # noqa: PLR2004 - server errors
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": code.upper(), "domain": "tokens-forge"}]
    error = {"code": status, "message": message, "status": word, "details": details}
    return msgspec.json.encode({"error": error})


def error_event(*, status: int, code: str, message: str, said: Said | None = None) -> bytes:  # noqa: ARG001 - it needs nothing of it
    """Return the event that ends a stream with an error, as `error_body`."""
    return data_event(error_body(status=status, code=code, message=message))
