"""Where files are, and how private ones are kept."""

import os
import stat
from pathlib import Path

import pytest

from tokens_forge.core.errors import ForgeError
from tokens_forge.files.paths import Paths, private_folder, read_private, resolve, write_private


def test_options_go_before_variables_and_these_before_the_platform() -> None:
    """DESIGN §5: `--config` and `--data-dir`, else `TF_CONFIG` and `TF_DATA_DIR`, else the platform's folders."""
    environ = {"TF_CONFIG": "/env/c.toml", "TF_DATA_DIR": "/env/data"}
    option = Path("/option")
    assert Paths(config=option / "c.toml", data=option, cache=option / "cache") == resolve(
        config=option / "c.toml", data_dir=option, demo=False, environ=environ
    )
    assert Paths(config=Path("/env/c.toml"), data=Path("/env/data"), cache=Path("/env/data/cache")) == resolve(
        config=None, data_dir=None, demo=False, environ=environ
    )
    platform = resolve(config=None, data_dir=None, demo=False, environ={"TF_CONFIG": "", "TF_DATA_DIR": ""})
    assert ["config.toml", "tokens-forge", "tokens-forge"] == [
        platform.config.name,
        platform.config.parent.name,
        platform.data.name,
    ]


def test_the_demo_never_meets_the_users_files() -> None:
    """Config, ledger and cache of the demo are in a folder of its own, whatever `TF_CONFIG` says."""
    own = Path("/data/demo")
    assert Paths(config=own / "config.toml", data=own, cache=own / "cache") == resolve(
        config=None, data_dir=Path("/data"), demo=True, environ={"TF_CONFIG": "/mine.toml"}
    )
    assert "tokens-forge-demo" == resolve(config=None, data_dir=None, demo=True, environ={}).config.parent.name


def test_every_file_has_its_place() -> None:
    """What must not be lost is in the data folder, what can be made again in the cache."""
    paths = resolve(config=None, data_dir=Path("/d"), demo=False, environ={})
    files = (paths.ledger, paths.configs, paths.cards, paths.keys, paths.socket, paths.digest_key, paths.lock)
    names = ["/d/ledger", "/d/configs", "/d/cards", "/d/keys.toml", "/d/tf.sock", "/d/ledger.key", "/d/ledger.lock"]
    assert [*names, "/d/cache/checkpoint.json"] == [str(path) for path in (*files, paths.checkpoint)]


def test_a_private_folder_is_for_this_user_alone(tmp_path: Path) -> None:
    """It is made with its parents, and again without complaint."""
    folder = tmp_path / "a" / "b"
    private_folder(folder)
    private_folder(folder)
    assert 0o700 == stat.S_IMODE(folder.stat().st_mode)


def test_a_folder_that_can_not_be_made_is_told(tmp_path: Path) -> None:
    """A file in its place is named with the system's reason."""
    (tmp_path / "file").touch()
    with pytest.raises(ForgeError) as raised:
        private_folder(tmp_path / "file")
    assert f"{tmp_path}/file: this folder can't be made (File exists)" == str(raised.value)


def test_a_private_file_is_written_whole_and_for_this_user_alone(tmp_path: Path) -> None:
    """Old bytes are replaced, and nothing else is left in the folder."""
    path = tmp_path / "keys.toml"
    path.write_bytes(b"old")
    path.chmod(0o644)
    write_private(path, b"new")
    assert (b"new", False) == read_private(path)
    assert [path] == list(tmp_path.iterdir())


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    """A link planted in a file's place does not lead the write elsewhere."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"theirs")
    path = tmp_path / "keys.toml"
    path.symlink_to(elsewhere)
    write_private(path, b"ours")
    assert (b"theirs", b"ours", False) == (elsewhere.read_bytes(), path.read_bytes(), path.is_symlink())


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    """A folder in the file's place is an error that names it; no part stays behind."""
    path = tmp_path / "keys.toml"
    path.mkdir()
    with pytest.raises(ForgeError) as raised:
        write_private(path, b"new")
    assert f"{path}: can't be written (Is a directory)" == str(raised.value)
    assert [path] == list(tmp_path.iterdir())


def test_a_private_file_is_read_only_where_it_stands(tmp_path: Path) -> None:
    """Links, pipes and folders are refused, without waiting; a mode that is open to others is told."""
    path = tmp_path / "secret"
    path.write_bytes(b"s")
    path.chmod(0o640)
    assert (b"s", True) == read_private(path)
    (tmp_path / "link").symlink_to(path)
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", ".", "missing"):
        with pytest.raises(OSError, match=r"."):
            read_private(tmp_path / name)
