"""Keys by digest: what may be issued, what stays listed, and what a running proxy sees at once."""

import re
import stat
import threading
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from tokens_forge.core.errors import ForgeError
from tokens_forge.files import keys_file
from tokens_forge.files.keys_file import KeyRing, Keys, Listed, changing, digest, listing, read_keys

T1 = datetime(2026, 11, 1, tzinfo=UTC)
T2 = datetime(2026, 11, 2, tzinfo=UTC)
T3 = datetime(2026, 11, 3, tzinfo=UTC)
S1, S2, S3 = (f"2026-11-0{day}T00:00:00.000000Z" for day in (1, 2, 3))


def ring_of(*names: str) -> KeyRing:
    """Return a ring whose keys have the tokens ``token-NAME``."""
    ring = KeyRing()
    for name in names:
        ring = keys_file.new(ring, name, token=f"token-{name}", now=T1)
    return ring


def keep(path: Path, ring: KeyRing) -> None:
    """Write `ring` as a command does."""
    with changing(path) as change:
        change.ring = ring


def test_a_token_has_its_form_and_is_never_the_same() -> None:
    """It says whose it is, and holds 256 random bits in 43 characters."""
    assert re.fullmatch(r"sk-tf-[A-Za-z0-9_-]{43}", keys_file.new_token())
    assert keys_file.new_token() != keys_file.new_token()


def test_a_key_is_issued_rotated_and_revoked() -> None:
    """One live token at a time, and every key stays listed with its moments."""
    ring = keys_file.rotate(ring_of("aider", "codex"), "aider", token="second", now=T2)
    ring = keys_file.revoke(ring, "codex", now=T3)
    assert (
        Listed(name="aider", created=S1, rotated=S2, revoked=""),
        Listed(name="codex", created=S1, rotated="", revoked=S3),
    ) == listing(ring)
    assert [S2, ""] == [token.revoked for token in ring.key["aider"]]


def test_rotating_a_revoked_key_takes_it_up_again() -> None:
    """Its history goes on under its name; when the old token ended does not change."""
    ring = keys_file.rotate(keys_file.revoke(ring_of("a"), "a", now=T2), "a", token="second", now=T3)
    assert (Listed(name="a", created=S1, rotated=S3, revoked=""),) == listing(ring)
    assert [S2, ""] == [token.revoked for token in ring.key["a"]]


@pytest.mark.parametrize(
    ("verb", "name", "expected"),
    [
        ("new", "live", "there is a key `live` already: `tf keys rotate live` gives it a new token"),
        ("new", "gone", "the key `gone` was revoked and its calls stay its own: choose another name, or take it up "),
        ("new", "a b", "`a b` is no name for a key: "),
        ("new", "", "`` is no name for a key: "),
        ("new", "x" * 65, f"`{'x' * 65}` is no name for a key: "),
        ("revoke", "gone", f"the key `gone` was revoked at {S2}"),
        ("revoke", "liv", "there is no key `liv`. Did you mean `live`?"),
        ("rotate", "liv", "there is no key `liv`. Did you mean `live`?"),
    ],
)
def test_what_may_not_be_is_refused_with_the_next_step(verb: str, name: str, expected: str) -> None:
    """CASES 53: a reissued name does not inherit a stranger's history."""
    ring = keys_file.revoke(ring_of("live", "gone"), "gone", now=T2)
    verbs = {
        "new": partial(keys_file.new, token="t"),
        "revoke": keys_file.revoke,
        "rotate": partial(keys_file.rotate, token="t"),
    }
    with pytest.raises(ForgeError) as raised:
        verbs[verb](ring, name, now=T3)
    assert expected == str(raised.value)[: len(expected)]


def test_only_digests_are_stored_for_this_user_alone(tmp_path: Path) -> None:
    """The file never holds a token, and what is read back is what was written."""
    path = tmp_path / "data" / "keys.toml"
    ring = keys_file.revoke(ring_of("aider", "a.b"), "a.b", now=T2)
    keep(path, ring)
    assert ring == read_keys(path)
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert "token-aider" not in path.read_text()
    assert digest("token-aider") in path.read_text()


def test_a_change_that_fails_writes_nothing(tmp_path: Path) -> None:
    """An error in the middle leaves the file as it was."""
    path = tmp_path / "keys.toml"
    keep(path, ring_of("a"))
    before = path.stat().st_ino
    with pytest.raises(ForgeError), changing(path) as change:
        change.ring = keys_file.new(change.ring, "a", token="t", now=T2)
    with changing(path):
        pass
    assert before == path.stat().st_ino


def test_two_commands_do_not_lose_each_others_keys(tmp_path: Path) -> None:
    """Each waits for the other's write, so every key is in the file at the end."""
    path = tmp_path / "keys.toml"
    names = [f"key-{number}" for number in range(8)]

    def issue(name: str) -> None:
        with changing(path) as change:
            change.ring = keys_file.new(change.ring, name, token=name, now=T1)

    threads = [threading.Thread(target=issue, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(names) == sorted(read_keys(path).key)


@pytest.mark.parametrize(
    "text", ["[", "[[key.a]]\ndigest = 1\n", "[other]\n", "[key]\na = []\n", "\xff", '[[key.a]]\ndigest = "d"\n']
)
def test_a_damaged_file_lets_nobody_in(tmp_path: Path, text: str) -> None:
    """What can't be read is an error with the file's name, and stays one until it is mended."""
    path = tmp_path / "keys.toml"
    keep(path, ring_of("a"))
    keys = Keys(path)
    path.write_bytes(text.encode("latin-1"))
    for moment_s in (10.0, 10.1):
        with pytest.raises(ForgeError) as raised:
            keys.name_of("token-a", monotonic_s=moment_s)
        assert f"{path}: this is not as `tf keys` wrote it" in str(raised.value)


def test_a_folder_in_the_place_of_the_files_is_told(tmp_path: Path) -> None:
    """The system's reason is in the message."""
    (tmp_path / "keys.toml").mkdir()
    (tmp_path / "other.lock").mkdir()
    with pytest.raises(ForgeError, match=r"keys\.toml: it can't be read \(Is a directory\)"):
        read_keys(tmp_path / "keys.toml")
    with pytest.raises(ForgeError, match=r"other\.lock: it can't be opened"), changing(tmp_path / "other.toml"):
        pass


def test_a_proxy_sees_a_new_key_at_once_and_a_revoked_one_within_a_second(tmp_path: Path) -> None:
    """An unknown token makes it look again; a known one is looked up afresh once a second."""
    path = tmp_path / "keys.toml"
    keys = Keys(path)
    assert keys.name_of("token-a", monotonic_s=0.0) is None
    assert not keys.any()
    keep(path, ring_of("a"))
    assert keys.name_of("token-a", monotonic_s=0.1) == "a"
    assert keys.any()
    keep(path, keys_file.revoke(ring_of("a"), "a", now=T2))
    assert keys.name_of("token-a", monotonic_s=1.0) is None
    path.unlink()
    assert keys.name_of("token-a", monotonic_s=2.0) is None


def test_a_rotated_key_has_its_new_token_alone(tmp_path: Path) -> None:
    """The old token ends with the rotation."""
    path = tmp_path / "keys.toml"
    keep(path, keys_file.rotate(ring_of("a", "b"), "a", token="second", now=T2))
    keys = Keys(path)
    assert [None, "a", "b", None] == [
        keys.name_of(token, monotonic_s=0.0) for token in ("token-a", "second", "token-b", "")
    ]


def test_guessing_costs_no_read_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the file is unchanged an unknown token costs a stat, whatever the number of guesses."""
    path = tmp_path / "keys.toml"
    keep(path, ring_of("a"))
    keys = Keys(path)
    reads: list[Path] = []

    def counted(read: Path) -> KeyRing:
        reads.append(read)
        return KeyRing()

    monkeypatch.setattr(keys_file, "read_keys", counted)
    for _ in range(50):
        assert keys.name_of("guess", monotonic_s=0.0) is None
    assert [] == reads
