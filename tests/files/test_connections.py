"""Settings files are written and put back: the same bytes, the same permissions, and what was edited since stays."""

import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokens_forge.core.errors import ForgeError
from tokens_forge.files.connections import (
    Change,
    Connection,
    Connections,
    WrittenFile,
    backup_of,
    changing,
    in_repository,
    name_of,
    planned,
    put_back,
    read_connections,
    token_in,
    write,
    written,
)
from tokens_forge.files.keys_file import KeyRing, Token, digest
from tokens_forge.files.settings_text import MASK, Form, Setting
from tokens_forge.files.tool_settings import SettingsFile

TOKEN = f"sk-tf-{'a1-_' * 10}xyz"
NOW = "2026-11-24T00:00:00.000000Z"

SETTINGS: dict[Form, tuple[Setting, ...]] = {
    "json": (Setting(path=("env", "KEY"), value=TOKEN),),
    "toml": (Setting(path=("model_provider",), value="tf"), Setting(path=("p", "tf", "key"), value=TOKEN)),
    "yaml": (Setting(path=("key",), value=TOKEN), Setting(path=("models",), value={"name": "tf/x"}, kind="item")),
}


def file_of(path: Path, form: Form = "json", settings: tuple[Setting, ...] = ()) -> SettingsFile:
    """Return a tool's file with settings."""
    return SettingsFile(path=path, form=form, settings=settings or SETTINGS[form])


def connection(*files: WrittenFile) -> Connection:
    """Return the record of a connected tool."""
    return Connection(key="aider", at=NOW, url="http://127.0.0.1:8787", issued=True, files=files)


def connect(file: SettingsFile, known: Connection | None = None) -> WrittenFile:
    """Write a file as `tf connect` does and return its record."""
    (plan,) = planned([file], known)
    write(plan)
    return written(plan)


texts = st.one_of(
    st.sampled_from(
        ["", "{}", '{"a": 1}\n', "a = 1\n", "a: 1\n", "- a\n", "# c", "[x]\r\n", "\ufeff{}", "env: []"]
    ).map(str.encode),
    st.text(alphabet='{}[]":,=#- \n\rab1', max_size=30).map(str.encode),
    st.binary(max_size=12),
)


@given(st.sampled_from(["json", "toml", "yaml"]), st.none() | texts, st.sampled_from([0o600, 0o644, 0o400]))
def test_connect_then_undo_gives_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, form: Form, before: bytes | None, mode: int
) -> None:
    """Whatever was there: it is refused and untouched, or written and, put back, the same with its permissions."""
    path = tmp_path_factory.mktemp("tool") / "settings"
    if before is not None:
        path.write_bytes(before)
        path.chmod(mode)
    try:
        record = connect(file_of(path, form))
    except ForgeError:
        record = None
    else:
        assert 0o600 == path.stat().st_mode & 0o777
        assert TOKEN.encode() in path.read_bytes()
        back = put_back(record)
        assert (True, before is None) == (back.exact, back.gone)
    assert before == (path.read_bytes() if path.exists() else None)
    assert before is None or mode == path.stat().st_mode & 0o777
    assert not backup_of(path).exists()


def test_a_record_holds_no_token(tmp_path: Path) -> None:
    """The key is in the tool's file alone."""
    path = tmp_path / "connections.json"
    with changing(path) as change:
        change.connections = Connections(tool={"aider": connection(connect(file_of(tmp_path / "settings.json")))})
    assert TOKEN not in path.read_text()
    assert MASK in path.read_text()
    assert 0o600 == path.stat().st_mode & 0o777
    assert change.connections == read_connections(path)


def test_what_was_written_is_known_though_the_rest_failed(tmp_path: Path) -> None:
    """A record is kept when the block raises: somebody must be able to put the first file back."""
    path = tmp_path / "connections.json"

    def first_of_two(change: Change) -> None:
        change.connections = Connections(tool={"llm": connection()})
        raise ForgeError("the second file")

    with pytest.raises(ForgeError, match="the second file"), changing(path) as change:
        first_of_two(change)
    assert ["llm"] == list(read_connections(path).tool)


def test_a_damaged_record_is_told(tmp_path: Path) -> None:
    """It names the file."""
    path = tmp_path / "connections.json"
    path.write_text("{")
    with pytest.raises(ForgeError, match=r"connections\.json: this is not as `tf connect` wrote it"):
        read_connections(path)


def test_what_was_edited_since_stays(tmp_path: Path) -> None:
    """Only what was put in goes; the copy of before stays beside."""
    path = tmp_path / "settings.json"
    path.write_text('{\n  "env": {\n    "KEY": "mine"\n  }\n}\n')
    record = connect(file_of(path))
    path.write_text(path.read_text().replace('"env"', '"theme": "dark",\n  "env"'))
    back = put_back(record)
    assert (False, False, ()) == (back.exact, back.gone, back.left)
    assert '{\n  "theme": "dark",\n  "env": {\n    "KEY": "mine"\n  }\n}\n' == path.read_text()
    assert backup_of(path).exists()


def test_a_changed_setting_of_ours_stays_and_stays_private(tmp_path: Path) -> None:
    """It is named; the file is not opened to others as long as it may hold a key."""
    path = tmp_path / "settings.json"
    path.write_text("{}")
    path.chmod(0o644)
    record = connect(file_of(path))
    path.write_text(path.read_text().replace(TOKEN, TOKEN + "x"))
    assert ("env.KEY",) == put_back(record).left
    assert 0o600 == path.stat().st_mode & 0o777


def test_without_its_copy_a_file_is_cleared_all_the_same(tmp_path: Path) -> None:
    """Whoever deleted the copy gets the file without our settings; what they replaced is lost, not ours."""
    path = tmp_path / "settings.json"
    path.write_text('{"a": 1}')
    record = connect(file_of(path))
    backup_of(path).write_text("another")
    assert ('{"a": 1}', False) == ((back := put_back(record)) and path.read_text(), back.exact)


@pytest.mark.parametrize(("data", "expected"), [(b"\xff", "it is not UTF-8 text by now"), (b"{", "line 1 is not JSON")])
def test_a_file_that_can_not_be_read_by_now_is_left(tmp_path: Path, data: bytes, expected: str) -> None:
    """It is named, and nothing is written."""
    path = tmp_path / "settings.json"
    record = connect(file_of(path))
    path.write_bytes(data)
    with pytest.raises(ForgeError, match=expected):
        put_back(record)
    assert data == path.read_bytes()


def test_without_any_copy_what_was_replaced_is_gone(tmp_path: Path) -> None:
    """The setting goes, and the rest stays."""
    path = tmp_path / "settings.json"
    path.write_text('{"env": {"KEY": "mine"}, "a": 1}')
    record = connect(file_of(path))
    backup_of(path).unlink()
    assert not put_back(record).exact
    assert '{"a": 1}' == path.read_text().replace("{ ", "{")


def test_a_new_file_that_holds_nothing_else_goes(tmp_path: Path) -> None:
    """Also after the tool wrote it anew in its own way; a file that is gone already is no trouble."""
    path = tmp_path / "settings.json"
    record = connect(file_of(path))
    path.write_bytes(msgspec.json.encode(msgspec.json.decode(path.read_bytes())))
    assert (True, True) == ((back := put_back(record)).exact, back.gone)
    assert [] == list(tmp_path.iterdir())
    assert put_back(record).gone


def test_connecting_again_begins_from_what_was_there(tmp_path: Path) -> None:
    """Other settings replace ours, not the user's: undone, the file is as before the first time."""
    path = tmp_path / "settings.json"
    path.write_text('{"a": 1}')
    first = connect(file_of(path))
    second = connect(file_of(path, settings=(Setting(path=("url",), value="x"),)), connection(first))
    assert '{"a": 1, "url": "x"}' == path.read_text()
    assert put_back(second).exact
    assert '{"a": 1}' == path.read_text()


def test_a_symbolic_link_is_written_through(tmp_path: Path) -> None:
    """Dotfiles stay linked: the file itself changes, and its copy is beside it."""
    real = tmp_path / "dotfiles" / "settings.json"
    real.parent.mkdir()
    real.write_text("{}")
    link = tmp_path / "settings.json"
    link.symlink_to(real)
    record = connect(file_of(link))
    assert (True, True) == (link.is_symlink(), TOKEN in real.read_text())
    assert backup_of(real).exists()
    assert put_back(record).exact
    assert (True, "{}") == (link.is_symlink(), real.read_text())


def test_what_is_no_file_of_this_user_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder, a pipe, a link that goes round, another user's file: refused."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "round").symlink_to(tmp_path / "round")
    (tmp_path / "theirs").write_text("{}")
    for name in ("folder", "pipe"):
        with pytest.raises(ForgeError, match="it is no plain file, so it is left alone"):
            planned([file_of(tmp_path / name)], None)
    with pytest.raises(ForgeError, match="it can't be read"):
        planned([file_of(tmp_path / "round")], None)
    monkeypatch.setattr("os.getuid", lambda: 12345)
    with pytest.raises(ForgeError, match="it is another user's file"):
        planned([file_of(tmp_path / "theirs")], None)


def test_a_file_that_changes_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    """The tool may write at the same moment."""
    path = tmp_path / "settings.json"
    (plan,) = planned([file_of(path)], None)
    path.write_text("{}")
    with pytest.raises(ForgeError, match="it was changed this very moment"):
        write(plan)
    assert "{}" == path.read_text()


def test_the_token_in_a_file_is_found_while_its_key_lives(tmp_path: Path) -> None:
    """So a tool can be connected again without a new token."""
    path = tmp_path / "settings.json"
    record = connect(file_of(path))
    live = KeyRing(key={"aider": (Token(digest=digest(TOKEN), created=NOW),)})
    ended = KeyRing(key={"aider": (Token(digest=digest(TOKEN), created=NOW, revoked=NOW),)})
    assert (TOKEN, "aider") == token_in([record], live)
    assert [None, None] == [token_in([record], ended), token_in([], live)]
    assert [None, "aider"] == [name_of(live, "sk-tf-other"), name_of(live, TOKEN)]
    path.unlink()
    assert None is token_in([record], live)


def test_a_working_copy_of_git_is_noticed(tmp_path: Path) -> None:
    """A key in a repository of dotfiles is soon committed."""
    (tmp_path / "dotfiles" / ".git").mkdir(parents=True)
    expected = [True, False]
    assert expected == [in_repository(tmp_path / name / "x") for name in ("dotfiles", "elsewhere")]
