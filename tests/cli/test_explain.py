"""`tf explain` as a user types it."""

import json
from pathlib import Path

from command_line import tf
from ledgers import Ledger, fell_back


def ledger(folder: Path) -> Ledger:
    (folder / "data").mkdir()
    return Ledger(folder / "data" / "ledger")


def test_the_story_of_the_last_call(tmp_path: Path) -> None:
    """The answer is on stdout, without spaces at the ends of its lines, and needs neither config nor proxy."""
    call = fell_back(ledger(tmp_path))
    ran = tf(tmp_path, "explain", "last")
    assert (0, "") == (ran.code, ran.err)
    assert ran.out.startswith(f"call {call}  answered 200")
    assert [line for line in ran.out.splitlines() if line != line.rstrip()] == []


def test_the_story_as_json(tmp_path: Path) -> None:
    """JSON has the whole story, amounts as decimal strings, absent what does not apply."""
    call = fell_back(ledger(tmp_path))
    story = json.loads(tf(tmp_path, "explain", call[-8:], "--json").out)
    payment = {"balance": "openai-credit", "charge": "0.0036", "unit": "USD", "certainty": ["computed"]}
    assert (call, "answered", [payment]) == (story["id"], story["ended"], story["payments"])
    assert [1, 2] == [attempt["n"] for attempt in story["attempts"]]
    assert "direct" == story["attempts"][1]["class"]
    assert "refusal" not in story


def test_an_unknown_id_exits_1(tmp_path: Path) -> None:
    """An id that names nothing is one line on stderr with the next step."""
    fell_back(ledger(tmp_path))
    ran = tf(tmp_path, "explain", "tf_nothing")
    assert (1, "") == (ran.code, ran.out)
    assert ran.err.startswith("tf: no call `tf_nothing` in 1 page (2026-11-24): `tf explain last` tells the newest")


def test_no_ledger_exits_1(tmp_path: Path) -> None:
    """Without a ledger it says what begins one."""
    ran = tf(tmp_path, "explain", "last")
    assert (1, "") == (ran.code, ran.out)
    assert "`tf serve` begins one with its first call" in ran.err
