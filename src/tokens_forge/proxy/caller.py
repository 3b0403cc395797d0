"""What a client brings: where it calls, the key that tf gave it, and a login of its own.

The key comes in `x-tf-key`, in the path (`/k/TOKEN/v1/…`, `/k/TOKEN/t/TASK/v1/…`), or where the client's SDK puts its
key (`Authorization`, `x-api-key`; Gemini's `x-goog-api-key` and `?key=`; Azure's `api-key`). Where it comes in a place
of its own, the SDK's place can hold a login of the client's own, for an upstream that takes it
(`credential = "client"`). Nothing here is logged, and a token of ours is never a login. A token anywhere else is
refused: what stands there may be shown, written down or sent on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_plus

from tokens_forge.core.errors import RequestError
from tokens_forge.core.own_tokens import TOKEN_PREFIX, holds_token, misplaced

TF_KEY = "x-tf-key"

_KEYS = ("x-api-key", "authorization", "x-goog-api-key", "api-key")
"""Where SDKs put their key: Anthropic's, OpenAI's, Gemini's, Azure's."""

_KEY_PARAMETER = "key"
"""Where Gemini's clients put it in a query (Gemini API, "API keys"; known, and not read again)."""

_LOGIN = ("authorization", "x-api-key", "chatgpt-account-id")
"""Where a client's own login stands: Anthropic's and OpenAI's SDKs, Claude Code (Bearer), Codex (the account too)."""

_OF_CLIENT = ("user-agent", "accept", "originator", "version", "conversation_id")
_OF_CLIENT_BEGIN = ("anthropic-", "openai-", "x-app", "x-stainless-", "x-claude-", "x-codex-", "session_", "session-")
"""Headers by which an upstream that takes a client's login knows the client itself."""

_DROPPED = ("anthropic-dangerous-direct-browser-access",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressed:
    """A path without what it says of the caller."""

    path: str
    token: str = ""
    """As the path or the query has it."""
    task: str = ""
    query: str = ""
    """As it was written, with its question mark and without a key of ours; empty without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A client's own login, and the headers by which its upstream knows the client."""

    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """The keys that a client presents, the first that is known counts; and its login, if it has one."""

    tokens: tuple[str, ...]
    login: Login | None


def addressed(path: str) -> Addressed:
    """Return a path without its token and task, which are never shown again."""
    if not path.startswith("/k/"):
        return Addressed(path=path)
    token, slash, rest = path.removeprefix("/k/").partition("/")
    if not rest.startswith("t/"):
        return Addressed(path=slash + rest, token=token)
    task, slash, rest = rest.removeprefix("t/").partition("/")
    return Addressed(path=slash + rest, token=token, task=task)


def keyed(to: Addressed, query: str) -> Addressed:
    """Return where a request goes by its path and its `query` (as it was written), which loses a key that it holds."""
    kept: list[str] = []
    token = to.token
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if unquote_plus(name) == _KEY_PARAMETER and holds_token(value) and not token:
            token = unquote_plus(value)
        else:
            kept.append(part)
    rest = "&".join(kept)
    return Addressed(path=to.path, token=token, task=to.task, query=rest and f"?{rest}")


def wrong_place(headers: Mapping[str, str], to: Addressed) -> RequestError | None:
    """Return the error for a token of ours where no key belongs; None where there is none."""
    for what, text in (("the path", to.path), ("the task in the path", to.task), ("the query", to.query)):
        if holds_token(text):
            return misplaced(what)
    for name, value in headers.items():
        if holds_token(name):
            return misplaced("a header's name")
        if name.lower() not in _MAY_HOLD_KEY and holds_token(value):
            return misplaced(f"`{name.lower()}`")
    return None


def presented(headers: Mapping[str, str], to: Addressed) -> Presented:
    """Return what a request's headers and its path present."""
    named = tuple(token for token in (to.token, headers.get(TF_KEY, "").strip()) if token)
    if named:
        # Two different keys are one too many: whichever counted, the other's owner would be surprised.
        return Presented(tokens=named if len(set(named)) == 1 else (), login=_login(headers))
    said = (_key_in(name, headers.get(name, "")) for name in _KEYS)
    return Presented(tokens=tuple(token for token in said if token), login=None)


_MAY_HOLD_KEY = frozenset({TF_KEY, *_KEYS})


def _key_in(name: str, value: str) -> str:
    if name != "authorization":
        return value.strip()
    scheme, _, bearer = value.partition(" ")
    return bearer.strip() if scheme.lower() == "bearer" else ""


def _login(headers: Mapping[str, str]) -> Login | None:
    own = {name: value for name in _LOGIN if (value := headers.get(name)) and TOKEN_PREFIX not in value}
    if not own.keys() & {"authorization", "x-api-key"}:
        return None
    for name, value in headers.items():
        low = name.lower()
        if TOKEN_PREFIX in value or low in _DROPPED:  # a token of ours goes nowhere, wherever a client writes it
            continue
        if low in _OF_CLIENT or low.startswith(_OF_CLIENT_BEGIN):
            own[low] = value
    return Login(headers=own)
