"""The terms that a ledger names by the digests of their config and rate cards, from the files kept beside it.

What is kept is written before the entry that names it, so a decision can be made again by what it was made by. A file
that is gone, was changed, or is of a version that this one can't read gives no terms, and says why.
"""

import hashlib
from pathlib import Path
from typing import TypeVar

import msgspec

from tokens_forge.core.config import Config
from tokens_forge.core.errors import ConfigError
from tokens_forge.core.prices import Cards
from tokens_forge.core.replay import NotKept
from tokens_forge.core.settlement import Terms
from tokens_forge.files.paths import Paths
from tokens_forge.files.zones import calendar

_UNREADABLE = (OSError, msgspec.DecodeError, UnicodeDecodeError)
_Kept = TypeVar("_Kept")


def kept_terms(paths: Paths, config_digest: str, cards_digest: str) -> Terms | NotKept:
    """Return the terms kept under these digests, or which file of them is not there as it was kept."""
    config = _read(paths.configs, config_digest, Config)
    if isinstance(config, NotKept):
        return config
    cards = _read(paths.cards, cards_digest, Cards)
    if isinstance(cards, NotKept):
        return cards
    try:
        return Terms(config=config, cards=cards, calendar=calendar(config.report))
    except ConfigError as error:
        return NotKept(why=f"{paths.configs / config_digest}.json: {error}")


def kept_config(paths: Paths, digest: str) -> Config | None:
    """Return the config kept under this digest, its secrets never among it; None when it can't be read."""
    try:
        return msgspec.json.decode((paths.configs / f"{digest}.json").read_bytes(), type=Config)
    except _UNREADABLE:
        return None


def _read(folder: Path, digest: str, kind: type[_Kept]) -> _Kept | NotKept:
    """Return what is kept in `folder` under a digest, the kind's letter and the first 16 hex digits of SHA-256."""
    path = folder / f"{digest}.json"
    if not digest:
        return NotKept(why=f"no line before it names anything in {folder}: `tf serve` does at every start")
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return NotKept(why=f"{path} is gone: put it back from a backup")
    except OSError as error:
        return NotKept(why=f"{path} can't be read ({error.strerror})")
    letter, _, named = digest.partition("_")
    found = hashlib.sha256(data).hexdigest()[: len(named)]
    # What was edited would decide otherwise than what the ledger names, or the same by chance.
    if found != named:
        return NotKept(
            why=f"{path} was changed since it was kept (it is {letter}_{found} now): put it back from a backup"
        )
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return NotKept(why=f"{path} is of another version of tf: explain the call with that one ({error})")
