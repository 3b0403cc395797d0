"""`keys.toml`: the keys that this machine issued, by the digests of their tokens.

A key is a name; it has one live token or none, and every token it ever had stays listed. `new`, `revoke` and
`rotate` turn one key ring into another and decide what is allowed; `changing` is the one way to write the file.
`Keys` is the running proxy's view, which sees a new or revoked key at once. A token itself is never stored.
"""

import hashlib
import hmac
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
import tomli_w

from tokens_forge.core.config import NAME_RULE, did_you_mean, is_name
from tokens_forge.core.errors import ForgeError
from tokens_forge.core.moments import stamp
from tokens_forge.core.own_tokens import TOKEN_PREFIX
from tokens_forge.files.paths import locked, write_private

_LOOK_EVERY_S = 1.0
_HEADER = "# Keys that tf issued. This file belongs to the machine: change it with `tf keys`.\n\n"


class Token(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One token that a key has or had."""

    digest: str
    """SHA-256 of the token, in hex."""
    created: str
    """A stamp (`core/moments.py`)."""
    revoked: str = ""
    """The stamp of its end; absent while it is live."""


class KeyRing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All keys of this machine: each name with its tokens, oldest first."""

    key: dict[str, tuple[Token, ...]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A key as it is listed."""

    name: str
    created: str
    """When its first token was issued."""
    rotated: str
    """When its newest token was issued; empty while that is its first."""
    revoked: str
    """When it ended; empty while it is live."""


def new(ring: KeyRing, name: str, *, token: str, now: datetime) -> KeyRing:
    """Return `ring` with a key `name` that has `token`.

    Raises ForgeError, with the next step, for a name that is none or that was ever given: a reissued name would mix
    two clients in one history (CASES 53).
    """
    if not is_name(name):
        raise ForgeError(f"`{name}` is no name for a key: {NAME_RULE}")
    if name in ring.key:
        if _live(ring.key[name]):
            raise ForgeError(f"there is a key `{name}` already: `tf keys rotate {name}` gives it a new token")
        raise ForgeError(
            f"the key `{name}` was revoked and its calls stay its own: choose another name, or take it up again with "
            f"`tf keys rotate {name}`"
        )
    return KeyRing(key={**ring.key, name: (_issued(token, now),)})


def revoke(ring: KeyRing, name: str, *, now: datetime) -> KeyRing:
    """Return `ring` with the token of `name` ended; the key stays listed.

    Raises ForgeError for a key that is unknown or revoked.
    """
    tokens = _tokens(ring, name)
    if not _live(tokens):
        raise ForgeError(f"the key `{name}` was revoked at {tokens[-1].revoked}")
    return KeyRing(key={**ring.key, name: _ended(tokens, now)})


def rotate(ring: KeyRing, name: str, *, token: str, now: datetime) -> KeyRing:
    """Return `ring` where `name` has `token` and the one before has ended. A revoked key is live again.

    Raises ForgeError for an unknown key.
    """
    return KeyRing(key={**ring.key, name: (*_ended(_tokens(ring, name), now), _issued(token, now))})


def listing(ring: KeyRing) -> tuple[Listed, ...]:
    """Return every key, revoked ones too, in the order in which they were issued."""
    return tuple(_listed(name, tokens[0], tokens[-1]) for name, tokens in ring.key.items())


def new_token() -> str:
    """Return a token that nobody can guess: 256 random bits."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """Return what is stored of `token`. It is long and random, so a plain hash needs no salt and no work factor."""
    return hashlib.sha256(token.encode()).hexdigest()


def read_keys(path: Path) -> KeyRing:
    """Return the keys in the file `path`; none when there is no file.

    Raises ForgeError for a file that can't be read or was damaged.
    """
    try:
        return _decoded(path.read_bytes())
    except FileNotFoundError:
        return KeyRing()
    except OSError as error:
        raise ForgeError(f"{path}: it can't be read ({error.strerror})") from error
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise ForgeError(f"{path}: this is not as `tf keys` wrote it ({error}): mend it, or issue keys anew") from error


@contextmanager
def changing(path: Path) -> Generator["Change"]:
    """Give the keys in the file `path` and write what they were changed to, while no other command can.

    Nothing is written when the block raises or sets no other ring.
    """
    with locked(path):
        before = read_keys(path)
        change = Change(ring=before)
        yield change
        if change.ring != before:
            write_private(path, _encoded(change.ring))


@dataclass(slots=True, kw_only=True)
class Change:
    """The keys under the lock: set `ring` to what shall be written."""

    ring: KeyRing


class Keys:
    """The live keys as a running proxy sees them, read again when the file changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._looked_s = float("-inf")
        self._live: tuple[tuple[bytes, str], ...] = ()
        self._read_anew()

    def name_of(self, token: str, *, monotonic_s: float) -> str | None:
        """Return the name of the key that has `token`, or None.

        The file's state is looked at once a second, and on every unknown token: a new key works and a revoked one
        ends at once, while guessing costs one stat a guess. Raises ForgeError when a changed file can't be read.
        """
        if monotonic_s - self._looked_s >= _LOOK_EVERY_S:
            self._read_anew()
            self._looked_s = monotonic_s  # only after a good read: a damaged file lets nobody in until it is mended
        name = self._match(token)
        if name is None and self._read_anew():
            name = self._match(token)
        return name

    def any(self) -> bool:
        """Say whether any key is live, as of the last look."""
        return bool(self._live)

    def _match(self, token: str) -> str | None:
        """Compare with every live token, also after a match: the time tells nothing."""
        given = digest(token).encode()
        found = None
        for known, name in self._live:
            if hmac.compare_digest(known, given):
                found = name
        return found

    def _read_anew(self) -> bool:
        """Read the file if it is not the one seen last; say whether it was read."""
        state = _state(self._path)
        if state == self._seen:
            return False
        ring = read_keys(self._path)
        self._live = tuple(
            (token.digest.encode(), name) for name, tokens in ring.key.items() for token in tokens if not token.revoked
        )
        self._seen = state
        return True


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        state = path.stat()
    except FileNotFoundError:
        return None
    return state.st_mtime_ns, state.st_size, state.st_ino


def _listed(name: str, first: Token, last: Token) -> Listed:
    rotated = last.created if last is not first else ""
    return Listed(name=name, created=first.created, rotated=rotated, revoked=last.revoked)


def _issued(token: str, now: datetime) -> Token:
    return Token(digest=digest(token), created=stamp(now))


def _ended(tokens: tuple[Token, ...], now: datetime) -> tuple[Token, ...]:
    return tuple(token if token.revoked else msgspec.structs.replace(token, revoked=stamp(now)) for token in tokens)


def _live(tokens: tuple[Token, ...]) -> bool:
    return any(not token.revoked for token in tokens)


def _tokens(ring: KeyRing, name: str) -> tuple[Token, ...]:
    if name not in ring.key:
        raise ForgeError(f"there is no key `{name}`.{did_you_mean(name, ring.key)}")
    return ring.key[name]


def _decoded(data: bytes) -> KeyRing:
    ring = msgspec.toml.decode(data, type=KeyRing)
    if not all(ring.key.values()):
        raise ValueError("a key without a token")
    return ring


def _encoded(ring: KeyRing) -> bytes:
    return (_HEADER + tomli_w.dumps(msgspec.to_builtins(ring))).encode()
