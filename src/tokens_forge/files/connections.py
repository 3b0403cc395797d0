"""Which tools were connected, and the writing of their settings files and putting back.

A record of what was written is kept in `DATA_DIR/connections.json` (0600), tokens masked: the tool's own file is the
one place that has its key. Before a file is changed a copy is put beside it. Putting back restores that copy, byte for
byte, while the file is as it was written; in a file that was edited since, only what was put in goes.

A settings file that is a symbolic link (dotfiles) is written through to the file that it names, which must be this
user's own. A file that holds a key is for its owner alone; what it was before comes back with it.
"""

import hashlib
import os
import stat
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tokens_forge.core.errors import ForgeError
from tokens_forge.files import keys_file
from tokens_forge.files.keys_file import KeyRing
from tokens_forge.files.paths import locked, private_folder, write_private
from tokens_forge.files.settings_text import TOKEN, Form, Setting, masked_setting, put_in, taken_out
from tokens_forge.files.tool_settings import Login, SettingsFile

BACKUP = ".before-tf"
"""What the name of a copy ends with."""

_PRIVATE = 0o600


class WrittenFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A settings file that was written."""

    path: str
    """As the tool names it; it may be a symbolic link."""
    form: Form
    settings: tuple[Setting, ...]
    """What was put in, tokens masked."""
    digest: str
    """SHA-256 of the file as it was written, in hex."""
    before: str = ""
    """SHA-256 of the file before, which the copy beside it has; empty when there was no file."""
    mode: int = _PRIVATE
    """The permissions before."""


class Connection(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A tool that was connected."""

    key: str
    """The name of its key."""
    at: str
    """A stamp."""
    url: str
    """The proxy's, as the tool was told."""
    issued: bool
    """Whether the key was issued for it, and ends with the connection."""
    login: Login = "api"
    model: str = ""
    """The model that it was told to begin with; empty where that is its own choice."""
    files: tuple[WrittenFile, ...] = ()
    """None for a tool whose lines were printed."""


class Connections(msgspec.Struct, frozen=True, kw_only=True):
    """Every tool that is connected, by name."""

    tool: dict[str, Connection] = {}


@dataclass(slots=True, kw_only=True)
class Change:
    """The connections under the lock: set `connections` to what shall be written."""

    connections: Connections


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A file with what it shall be."""

    path: Path
    target: Path
    """The file itself, where `path` is a symbolic link."""
    form: Form
    settings: tuple[Setting, ...]
    now: bytes | None
    """What it is; None where there is none."""
    base: bytes | None
    """What it is without anything of ours."""
    then: bytes
    mode: int
    """The permissions of the base."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PutBack:
    """A file with nothing of ours in it, unless somebody changed that."""

    path: Path
    exact: bool
    """Whether it is as it was, byte for byte."""
    gone: bool
    """Whether there is no file now, as before."""
    left: tuple[str, ...]
    """Settings of ours that were changed since: they stay."""


def read_connections(path: Path) -> Connections:
    """Return the record in the file `path`; an empty one when there is no file. Raises ForgeError for a damaged one."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Connections)
    except FileNotFoundError:
        return Connections()
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ForgeError(f"{path}: this is not as `tf connect` wrote it ({error}): mend it, or delete it") from error


@contextmanager
def changing(path: Path) -> Generator[Change]:
    """Give the record in the file `path` and write what it was changed to, while no other command can."""
    with locked(path):
        before = read_connections(path)
        change = Change(connections=before)
        try:
            yield change
        finally:
            # Also when the block raises: what was written already must be known to whoever puts it back.
            if change.connections != before:
                write_private(path, msgspec.json.format(msgspec.json.encode(change.connections), indent=2) + b"\n")


def planned(files: Iterable[SettingsFile], known: Connection | None) -> tuple[Planned, ...]:
    """Return what each file shall be; what a connection before put into it is taken out first.

    Nothing is written. Raises ForgeError, naming the file, for one that can't be read or changed safely.
    """
    return tuple(_planned(file, known) for file in files)


def written(plan: Planned) -> WrittenFile:
    """Return the record of a file that will be written."""
    return WrittenFile(
        path=str(plan.path),
        form=plan.form,
        settings=tuple(masked_setting(setting) for setting in plan.settings if setting.kind != "default"),
        digest=_digest(plan.then),
        before="" if plan.base is None else _digest(plan.base),
        mode=plan.mode,
    )


def write(plan: Planned) -> None:
    """Write a file as it was planned, after a copy of what it is without us. Raises ForgeError."""
    private_folder(plan.target.parent)
    if _read(plan.path, plan.target) != plan.now:
        raise ForgeError(f"{plan.path}: it was changed this very moment: run the command again")
    if plan.base is not None:
        write_private(backup_of(plan.target), plan.base)
    write_private(plan.target, plan.then)


def put_back(file: WrittenFile) -> PutBack:
    """Take out of a file what was put into it. Raises ForgeError where that can't be done safely."""
    path = Path(file.path)
    target = _target(path)
    now = _read(path, target)
    if now is None:
        return PutBack(path=path, exact=not file.before, gone=True, left=())
    base, left = _without(path, now, file, backup := _backup(file, target))
    exact = not left and base == backup
    if base is None:
        with suppress(FileNotFoundError):
            target.unlink()
    else:
        write_private(target, base)
        if not left:
            target.chmod(file.mode)
    if exact:
        backup_of(target).unlink(missing_ok=True)
    return PutBack(path=path, exact=exact, gone=base is None, left=left)


def backup_of(target: Path) -> Path:
    """Return where the copy of a file is."""
    return target.with_name(target.name + BACKUP)


def token_in(files: Iterable[WrittenFile], ring: KeyRing) -> tuple[str, str] | None:
    """Return the first live token in files that were written, with the name of its key."""
    for file in files:
        with suppress(OSError, UnicodeDecodeError):
            for token in TOKEN.findall(Path(file.path).read_text(encoding="utf-8")):
                name = name_of(ring, token)
                if name is not None:
                    return token, name
    return None


def name_of(ring: KeyRing, token: str) -> str | None:
    """Return the name of the key that has a token now."""
    digest = keys_file.digest(token)
    live = ((name, one) for name, tokens in ring.key.items() for one in tokens if not one.revoked)
    return next((name for name, one in live if one.digest == digest), None)


def in_repository(path: Path) -> bool:
    """Say whether a file is in a working copy of git, where a key is soon committed."""
    return any((folder / ".git").exists() for folder in path.parents)


def _planned(file: SettingsFile, known: Connection | None) -> Planned:
    target = _target(file.path)
    now = _read(file.path, target)
    before = next((one for one in known.files if one.path == str(file.path)), None) if known else None
    base, mode = now, _mode(target)
    if before is not None and now is not None:
        # What of ours somebody changed since is theirs by now, and part of the base.
        base, _ = _without(file.path, now, before, _backup(before, target))
        mode = before.mode
    try:
        text = put_in(file.form, (base or b"").decode(), file.settings)
    except UnicodeDecodeError as error:
        raise ForgeError(f"{file.path}: it is not UTF-8 text: mend it first") from error
    except ForgeError as error:
        raise ForgeError(f"{file.path}: {error}") from error
    return Planned(
        path=file.path,
        target=target,
        form=file.form,
        settings=file.settings,
        now=now,
        base=base,
        then=text.encode(),
        mode=mode,
    )


def _without(path: Path, now: bytes, file: WrittenFile, backup: bytes | None) -> tuple[bytes | None, tuple[str, ...]]:
    """Return what a file is without what was put in (None: no file), and what of that was changed since."""
    if _digest(now) == file.digest and (backup is not None or not file.before):
        return backup, ()
    try:
        out = taken_out(file.form, now.decode(), (backup or b"").decode(), file.settings)
    except UnicodeDecodeError as error:
        raise ForgeError(f"{path}: it is not UTF-8 text by now: mend it first") from error
    except ForgeError as error:
        raise ForgeError(f"{path}: {error}") from error
    if not file.before and not out.text.strip("{}[] \t\r\n"):
        return None, out.left  # a file that we made, and in which nobody has put anything
    return out.text.encode(), out.left


def _backup(file: WrittenFile, target: Path) -> bytes | None:
    """Return the copy of a file, if it is the one that was made for it."""
    if not file.before:
        return None
    with suppress(OSError):
        data = backup_of(target).read_bytes()
        return data if _digest(data) == file.before else None
    return None


def _target(path: Path) -> Path:
    """Return the file itself. Raises ForgeError for a link that goes round, and for what is not this user's own."""
    try:
        target = path.resolve()
        state = target.stat()
    except FileNotFoundError:
        return path.resolve()
    except (OSError, RuntimeError) as error:
        raise ForgeError(f"{path}: it can't be read ({error})") from error
    if not stat.S_ISREG(state.st_mode) or state.st_uid != os.getuid():
        what = "no plain file" if not stat.S_ISREG(state.st_mode) else "another user's file"
        raise ForgeError(f"{path}: it is {what}, so it is left alone: add the lines by hand (--print)")
    return target


def _read(path: Path, target: Path) -> bytes | None:
    try:
        return target.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ForgeError(f"{path}: it can't be read ({error.strerror})") from error


def _mode(target: Path) -> int:
    try:
        return stat.S_IMODE(target.stat().st_mode)
    except FileNotFoundError:
        return _PRIVATE


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
