"""How a token of tf's looks in a text, wherever a client wrote it.

A token opens every balance of its key, so it stands in the few places where a key is looked for and nowhere else. It
decides what is one by its form alone: which tokens are live is `files/keys_file.py`'s part.
"""

import re
from urllib.parse import unquote

from tokens_forge.core.errors import RequestError

TOKEN_PREFIX = "sk-tf-"  # noqa: S105 - how a token begins, so that a leaked one is known for what it is

_MASKED = re.compile(rf"{TOKEN_PREFIX}[a-z0-9_-]{{16,}}", re.IGNORECASE)
# A word may end as the prefix begins (`risk-tf-idf`): within one only what is as long as a token is one.
_HELD = re.compile(rf"(?<![a-z0-9]){TOKEN_PREFIX}[a-z0-9_-]|{TOKEN_PREFIX}[a-z0-9_-]{{43}}", re.IGNORECASE)
_LAYERS = 3
"""A text may be percent-encoded in a URL that is encoded itself."""


def without_tokens(text: str) -> str:
    """Return a text without what looks like a token: it may have been written where none belongs."""
    return _MASKED.sub(f"{TOKEN_PREFIX}…", text)


def misplaced(where: str) -> RequestError:
    """Return the error for a token that stands `where` none belongs; it is not repeated."""
    return RequestError(
        400,
        "misplaced_key",
        f"{where} holds a key of tf, which is a secret: it belongs in `Authorization: Bearer`, `x-api-key`, `x-tf-key` "
        "or the base URL (`/k/TOKEN/v1`), and nowhere else. Nothing was sent or written.",
    )


def holds_token(text: str) -> bool:
    """Say whether a token, or what begins as one, stands in a text: in any case, and percent-encoded too."""
    for _ in range(_LAYERS):
        if _HELD.search(text):
            return True
        if "%" not in text:
            return False
        text = unquote(text)
    return _HELD.search(text) is not None
