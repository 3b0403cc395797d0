"""What is kept under a digest is the terms as they were, or a word on why they can't be had."""

from collections.abc import Callable
from pathlib import Path

import pytest
from builders import cards, config

from tokens_forge.core.config import Report
from tokens_forge.core.replay import NotKept
from tokens_forge.core.settlement import Terms
from tokens_forge.files import config_file, price_catalog
from tokens_forge.files.kept_terms import kept_terms
from tokens_forge.files.ledger_writer import Stored
from tokens_forge.files.paths import Paths


def keep(folder: Path, *stored: Stored) -> tuple[Paths, Path, Path]:
    """Write a config and cards under their digests; return their files, too."""
    paths = Paths(config=folder / "config.toml", data=folder, cache=folder / "cache")
    files = [paths.configs / f"{stored[0].digest}.json", paths.cards / f"{stored[1].digest}.json"]
    for path, one in zip(files, stored, strict=True):
        path.parent.mkdir()
        path.write_bytes(one.data)
    return paths, files[0], files[1]


CONFIG, CARDS = Stored(*config_file.stored(config())), Stored(*price_catalog.stored(cards()))


def test_terms_come_back_as_they_were(tmp_path: Path) -> None:
    """The bytes that the writer keeps give the config and the cards that it had."""
    paths, *_files = keep(tmp_path, CONFIG, CARDS)
    found = kept_terms(paths, CONFIG.digest, CARDS.digest)
    assert isinstance(found, Terms)
    assert (config(), cards()) == (found.config, found.cards)


def gone(path: Path) -> None:
    path.unlink()


def edited(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" ")


def unreadable(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("happens", "why"), [(gone, "is gone: "), (edited, "was changed since "), (unreadable, "can't be read (")]
)
def test_a_file_that_is_not_as_it_was_kept(tmp_path: Path, happens: Callable[[Path], None], why: str) -> None:
    """Either of the two is enough, and is named."""
    paths, *files = keep(tmp_path, CONFIG, CARDS)
    for path in reversed(files):
        happens(path)
        found = kept_terms(paths, CONFIG.digest, CARDS.digest)
        assert isinstance(found, NotKept)
        assert found.why.startswith(f"{path} {why}")


def test_what_another_version_kept(tmp_path: Path) -> None:
    """A file that is as it was kept, and that this version can't read, is that version's to read."""
    older = Stored("c_4f53cda18c2baa0c", b"[]")
    paths, path, _cards = keep(tmp_path, older, CARDS)
    found = kept_terms(paths, older.digest, CARDS.digest)
    assert isinstance(found, NotKept)
    assert found.why.startswith(f"{path} is of another version of tf: ")


def test_a_zone_that_this_machine_does_not_know(tmp_path: Path) -> None:
    """Where days begin is part of the terms: without the zone, nothing is decided by another one."""
    elsewhere = Stored(*config_file.stored(config(report=Report(timezone="Mars/Olympus"))))
    paths, path, _cards = keep(tmp_path, elsewhere, CARDS)
    found = kept_terms(paths, elsewhere.digest, CARDS.digest)
    assert isinstance(found, NotKept)
    assert found.why.startswith(f"{path}: `Mars/Olympus` is no time zone.")
