"""`tf ledger verify` as a user types it."""

import json
from pathlib import Path

from command_line import tf
from ledgers import DAY, Ledger, fell_back

from tokens_forge.files.pages import page_path

NEXT = "2026-11-25"


def ledger(folder: Path) -> Ledger:
    (folder / "data").mkdir()
    grown = Ledger(folder / "data" / "ledger")
    fell_back(grown)
    return grown


def test_a_whole_ledger(tmp_path: Path) -> None:
    """A whole ledger exits 0 and says how much there is and its last chain."""
    grown = ledger(tmp_path)
    ran = tf(tmp_path, "ledger", "verify")
    first = "whole: 6 lines in 1 page, 2026-11-24T10:00:00.000000Z to 2026-11-24T10:00:00.000000Z"
    assert (0, [first, f"the last is number 6, its chain {grown.chain}"], "") == (
        ran.code,
        ran.out.splitlines(),
        ran.err,
    )
    found = json.loads(tf(tmp_path, "ledger", "verify", "--json").out)
    assert (True, 6, grown.chain) == (found["whole"], found["verified"]["lines"], found["verified"]["chain"])


def test_a_torn_end_is_a_note(tmp_path: Path) -> None:
    """A torn last line and pages that were moved away are no damage, and are said."""
    fell_back(grown := ledger(tmp_path), day=NEXT)
    page_path(grown.folder, DAY).unlink()
    with page_path(grown.folder, NEXT).open("ab") as page:
        page.write(b"{")
    ran = tf(tmp_path, "ledger", "verify")
    assert 0 == ran.code
    assert "The pages up to 2026-11-24 are not in this folder" in ran.err
    assert "1 bytes after the last whole line" in ran.err


def test_damage_exits_1(tmp_path: Path) -> None:
    """Damage is named by page and line, and exits 1, in JSON too."""
    path = page_path(ledger(tmp_path).folder, DAY)
    path.write_bytes(path.read_bytes().replace(b'"charge":"0.0036"', b'"charge":"0.0030"', 1))
    ran = tf(tmp_path, "ledger", "verify")
    named = "2026-11-24:6 (number 6) chain: its chain does not follow from the line before: it was edited, moved or cut"
    assert (1, ["not whole: 1 line is wrong", named]) == (ran.code, ran.out.splitlines())
    assert ran.err.startswith("Compare the page with a backup")
    ran = tf(tmp_path, "ledger", "verify", "--json")
    assert (1, False) == (ran.code, json.loads(ran.out)["whole"])


def test_no_ledger(tmp_path: Path) -> None:
    """No ledger is no damage."""
    ran = tf(tmp_path, "ledger", "verify")
    assert (0, "") == (ran.code, ran.out)
    assert "`tf serve` begins one" in ran.err
