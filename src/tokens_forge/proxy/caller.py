"""What a client brings: where it calls, the key that tf gave it, and a login of its own.

The key comes in `x-tf-key`, in the path (`/k/TOKEN/v1/…`, `/k/TOKEN/t/TASK/v1/…`), or where the client's SDK puts its
key (`Authorization`, `x-api-key`). Only in the first two cases can the SDK's place hold a login of the client's own,
for an upstream that takes it (`credential = "client"`). Nothing here is logged, and a token of ours is never a login.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tokens_forge.files.keys_file import TOKEN_PREFIX

TF_KEY = "x-tf-key"

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
    task: str = ""


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


def presented(headers: Mapping[str, str], to: Addressed) -> Presented:
    """Return what a request's headers and its path present."""
    named = tuple(token for token in (to.token, headers.get(TF_KEY, "").strip()) if token)
    if named:
        # Two different keys are one too many: whichever counted, the other's owner would be surprised.
        return Presented(tokens=named if len(set(named)) == 1 else (), login=_login(headers))
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    said = (headers.get("x-api-key", ""), bearer if scheme.lower() == "bearer" else "")
    return Presented(tokens=tuple(token.strip() for token in said if token.strip()), login=None)


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
