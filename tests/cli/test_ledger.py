"""`tf ledger verify` as a user types it."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from command_line import tf
from ledgers import DAY, Ledger, fell_back

from tokens_forge.files.pages import page_path

NEXT = "2026-11-25"
CONFIG = """
[balance.rmb-wallet]
kind = "prepaid"
unit = "CNY"
[balance.openai-credit]
kind = "prepaid"
unit = "USD"
"""


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
    assert ran.err.startswith("Nothing starts while it stands so: put the page back from a backup")
    ran = tf(tmp_path, "ledger", "verify", "--json")
    assert (1, False) == (ran.code, json.loads(ran.out)["whole"])


def test_damage_of_an_earlier_page_stops_no_start(tmp_path: Path) -> None:
    """Each page begins with what came before: the step is about that page's backup alone."""
    (tmp_path / "config.toml").write_text(CONFIG)
    fell_back(grown := ledger(tmp_path), day=NEXT)
    path = page_path(grown.folder, DAY)
    path.write_bytes(path.read_bytes().replace(b'"charge":"0.0036"', b'"charge":"0.0030"', 1))
    ran = tf(tmp_path, "ledger", "verify")
    assert (1, True) == (ran.code, ran.err.startswith("Compare the page with a backup"))
    path.write_bytes(path.read_bytes().replace(b'"charge":"0.0030"', b'"charge":"NaN"', 1))
    assert "Reports leave this line out, or count it without what is wrong." in tf(tmp_path, "ledger", "verify").err
    assert 0 == tf(tmp_path, "balance").code


@pytest.mark.parametrize("line", [1, 2, 4, 6])
@pytest.mark.parametrize(
    "spoilt", [(b'"ts":"2026', b'"ts":"2025'), (b'"type":"', b'"type":"no_'), (b'"seq":', b'"sq":')]
)
def test_the_next_step_can_be_carried_out(tmp_path: Path, line: int, spoilt: tuple[bytes, bytes]) -> None:
    """What stops every command is named with `tf ledger verify`; its command, run as it stands, ends that."""
    (tmp_path / "config.toml").write_text(CONFIG)
    path = page_path(ledger(tmp_path).folder, DAY)
    rows = path.read_bytes().splitlines(keepends=True)
    rows[line - 1] = rows[line - 1].replace(*spoilt, 1)
    path.write_bytes(b"".join(rows))
    stopped = tf(tmp_path, "balance", "set", "openai-credit", "8 USD")
    assert (1, "") == (stopped.code, stopped.out)
    assert f"{path}:{line}: " in stopped.err
    assert stopped.err.endswith(": `tf ledger verify` says the next step\n")

    verified = tf(tmp_path, "ledger", "verify", "--json")
    (step,) = {bad["next"] for bad in json.loads(verified.out)["bad"]}
    assert step in tf(tmp_path, "ledger", "verify").err
    commands = re.findall(r"`((?:cp|mv) .*?)`", step)
    assert 1 == len(commands), step
    subprocess.run(["sh", "-ec", commands[0].replace("COPY", str(tmp_path / "copy"))], check=True)

    done = tf(tmp_path, "balance", "set", "openai-credit", "8 USD")
    assert (0, True) == (done.code, "8 USD" in done.out)
    assert b"".join(rows) == (tmp_path / "copy").read_bytes()
    assert 0 == tf(tmp_path, "ledger", "verify").code


def test_no_ledger(tmp_path: Path) -> None:
    """No ledger is no damage."""
    ran = tf(tmp_path, "ledger", "verify")
    assert (0, "") == (ran.code, ran.out)
    assert "`tf serve` begins one" in ran.err
