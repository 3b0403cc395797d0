"""The terms that a ledger names by the digests of their config and rate cards, from the files kept beside it.

What is kept is written before the entry that names it, so a decision can be made again by what it was made by. A file
that is gone, or of a version that this one can't read, gives no terms.
"""

from functools import lru_cache
from pathlib import Path

import msgspec

from tokens_forge.core.config import Config
from tokens_forge.core.errors import ConfigError
from tokens_forge.core.prices import Cards
from tokens_forge.core.settlement import Terms
from tokens_forge.files.paths import Paths
from tokens_forge.files.zones import calendar

_UNREADABLE = (OSError, msgspec.DecodeError, UnicodeDecodeError)


def kept_terms(paths: Paths, config_digest: str, cards_digest: str) -> Terms | None:
    """Return the terms kept under these digests; None when they are not there or can't be read."""
    return _read(paths.configs / f"{config_digest}.json", paths.cards / f"{cards_digest}.json")


def kept_config(paths: Paths, digest: str) -> Config | None:
    """Return the config kept under this digest, its secrets never among it; None when it can't be read."""
    try:
        return msgspec.json.decode((paths.configs / f"{digest}.json").read_bytes(), type=Config)
    except _UNREADABLE:
        return None


@lru_cache(maxsize=8)
def _read(config_path: Path, cards_path: Path) -> Terms | None:
    try:
        config = msgspec.json.decode(config_path.read_bytes(), type=Config)
        cards = msgspec.json.decode(cards_path.read_bytes(), type=Cards)
        return Terms(config=config, cards=cards, calendar=calendar(config.report))
    except (*_UNREADABLE, ConfigError):
        return None
