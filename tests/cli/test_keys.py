"""`tf keys` as a user types it."""

import json
import re
from pathlib import Path

from command_line import tf

from tokens_forge.files.keys_file import Keys


def test_a_new_key_prints_its_token_alone(tmp_path: Path) -> None:
    """Standard output holds the token and nothing else; it works at once."""
    ran = tf(tmp_path, "keys", "new", "aider")
    assert (0, True) == (ran.code, bool(re.fullmatch(r"sk-tf-[\w-]{43}\n", ran.out)))
    assert "This is shown once" in ran.err
    assert "aider" == Keys(tmp_path / "data" / "keys.toml").name_of(ran.out.strip(), monotonic_s=0.0)


def test_a_rotated_key_prints_its_new_token_alone(tmp_path: Path) -> None:
    """The token before has ended."""
    first = tf(tmp_path, "keys", "new", "aider").out.strip()
    second = tf(tmp_path, "keys", "rotate", "aider").out.strip()
    keys = Keys(tmp_path / "data" / "keys.toml")
    assert [None, "aider"] == [keys.name_of(token, monotonic_s=0.0) for token in (first, second)]


def test_revoked_keys_stay_listed(tmp_path: Path) -> None:
    """The list shows every key and its state, and so does its JSON."""
    for arguments in (["new", "aider"], ["new", "ci"], ["new", "old"], ["rotate", "ci"], ["revoke", "old"]):
        assert 0 == tf(tmp_path, "keys", *arguments).code
    shown = re.sub(r"20[0-9T:-]+Z", "MOMENT", tf(tmp_path, "keys", "list").out)
    assert [
        "key    issued                state",
        "aider  MOMENT  live",
        "ci     MOMENT  live, rotated MOMENT",
        "old    MOMENT  revoked MOMENT",
    ] == shown.splitlines()
    rows = json.loads(tf(tmp_path, "keys", "list", "--json").out)["keys"]
    assert [("aider", True), ("ci", True), ("old", False)] == [(row["name"], row["live"]) for row in rows]
    assert ["created live name", "created live name rotated", "created live name revoked"] == [
        " ".join(sorted(row)) for row in rows
    ]


def test_an_empty_list_says_what_to_do(tmp_path: Path) -> None:
    """Nothing is on stdout, and the next step on stderr."""
    ran = tf(tmp_path, "keys", "list")
    assert (0, "", "There is no key yet: `tf keys new NAME` issues one.\n") == (ran.code, ran.out, ran.err)


def test_a_refusal_is_one_line_on_stderr(tmp_path: Path) -> None:
    """An expected failure exits 1, prints nothing on stdout and no traceback."""
    tf(tmp_path, "keys", "new", "aider")
    ran = tf(tmp_path, "keys", "new", "aider")
    expected = "tf: there is a key `aider` already: `tf keys rotate aider` gives it a new token\n"
    assert (1, "", expected) == (ran.code, ran.out, ran.err)
