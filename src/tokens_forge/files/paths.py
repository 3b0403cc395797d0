"""Where this user's files are, and how a private file is read and written.

`resolve` decides the folders from options and environment and touches no disk. The few functions below it are the
one way to make a private folder (0700) and a private file (0600, never through a symbolic link, whole or not at all).
What the files mean is decided elsewhere.
"""

import fcntl
import os
import secrets
import stat
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from platformdirs import PlatformDirs

from tokens_forge.core.errors import ForgeError

APP = "tokens-forge"
DEMO_APP = "tokens-forge-demo"

CONFIG_VARIABLE = "TF_CONFIG"
DATA_VARIABLE = "TF_DATA_DIR"

_FOR_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """The files of one user, or of the demo."""

    config: Path
    """`config.toml`, the user's."""
    data: Path
    """The folder of what must not be lost: ledger, keys, configs, cards."""
    cache: Path
    """The folder of what can be made again."""

    @property
    def ledger(self) -> Path:
        """The folder of pages."""
        return self.data / "ledger"

    @property
    def configs(self) -> Path:
        """The folder of the effective configs that the ledger names."""
        return self.data / "configs"

    @property
    def cards(self) -> Path:
        """The folder of the rate cards that the ledger names."""
        return self.data / "cards"

    @property
    def keys(self) -> Path:
        """The file of issued keys; it belongs to the machine."""
        return self.data / "keys.toml"

    @property
    def prices(self) -> Path:
        """The file of price sheets that `tf prices` wrote; it belongs to the machine."""
        return self.data / "prices.toml"

    @property
    def catalogue(self) -> Path:
        """The newer data of the price catalogue that `tf prices update` was given; absent where it never was."""
        return self.data / "catalogue.data"

    @property
    def connections(self) -> Path:
        """The file of what `tf connect` wrote into other tools' settings; it belongs to the machine."""
        return self.data / "connections.json"

    @property
    def socket(self) -> Path:
        """The Unix socket of a running proxy."""
        return self.data / "tf.sock"

    @property
    def digest_key(self) -> Path:
        """The secret behind `thread` and `digest` in the ledger."""
        return self.data / "ledger.key"

    @property
    def lock(self) -> Path:
        """The file that the ledger's one writer locks."""
        return self.data / "ledger.lock"

    @property
    def checkpoint(self) -> Path:
        """The fold at some place of the newest page; deleting it changes nothing."""
        return self.cache / "checkpoint.json"


def resolve(*, config: Path | None, data_dir: Path | None, demo: bool, environ: Mapping[str, str]) -> Paths:
    """Return the files that options, else `TF_CONFIG` and `TF_DATA_DIR`, else the platform's folders say.

    The demo has a folder of its own for config and data alike, ``demo`` within a data folder that is given, so that
    it never meets the user's ledger; `config` is not looked at then. An empty variable is as good as none.
    """
    given = data_dir or _variable(environ, DATA_VARIABLE)
    if demo:
        folder = given / "demo" if given else PlatformDirs(DEMO_APP, appauthor=False).user_data_path
        return Paths(config=folder / "config.toml", data=folder, cache=folder / "cache")
    platform = PlatformDirs(APP, appauthor=False)
    return Paths(
        config=config or _variable(environ, CONFIG_VARIABLE) or platform.user_config_path / "config.toml",
        data=given or platform.user_data_path,
        cache=given / "cache" if given else platform.user_cache_path,
    )


def private_folder(path: Path) -> None:
    """Make the folder `path` for this user alone (0700) unless it is there.

    Raises ForgeError, naming the folder and the system's reason.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ForgeError(f"{path}: this folder can't be made ({error.strerror})") from error


def write_private(path: Path, data: bytes) -> None:
    """Put `data` into the file `path` (0600): readers see the old bytes or the new ones, never a part.

    A symbolic link in its place is replaced, not followed. Raises ForgeError, naming the file and the reason; the
    old file is then as it was.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        try:
            _write_new(beside, data)
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise ForgeError(f"{path}: can't be written ({error.strerror})") from error


@contextmanager
def locked(path: Path) -> Generator[None]:
    """Let no other command change the file `path` meanwhile; its folder is made.

    Raises ForgeError, naming the lock and the reason.
    """
    private_folder(path.parent)
    # The lock is a file of its own: the file is replaced by every write, and a lock on it with it.
    lock = path.with_suffix(".lock")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ForgeError(f"{lock}: it can't be opened ({error.strerror})") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def read_private(path: Path) -> tuple[bytes, bool]:
    """Return the bytes of a file that holds secrets, and whether others than its owner may touch it.

    A symbolic link or anything that is no plain file raises OSError, as what can't be read does.
    """
    # Without O_NONBLOCK, opening a named pipe would wait for its writer for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(0, "it is no plain file")
        return file.read(), bool(mode & _FOR_OTHERS)


def _variable(environ: Mapping[str, str], name: str) -> Path | None:
    written = environ.get(name)
    return Path(written).expanduser() if written else None


def _write_new(path: Path, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make the names in a folder (a new file, a rename) last through a power loss. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
