"""Changing one key of a TOML text that somebody else wrote, with every other character left as it is.

A key that is there is changed on its line, where its value is a text on one line. A new key of the root goes to the
top, where no table has begun, a new table to the end. Nothing here touches the disk or knows a tool.
"""

import re
import tomllib
from typing import cast

import msgspec

from tokens_forge.core.errors import ForgeError
from tokens_forge.files.toml_lines import dotted, lines

Path = tuple[str, ...]
"""Names of tables and a key, from the root."""

_VALUE = re.compile(r"([^=]*=[ \t]*)(\"(?:[^\"\\]|\\.)*\"|'[^']*'|true|false|\{[^{}]*\})([ \t]*(?:#.*)?\r?\n?)\Z")
_DIRECTIVE = re.compile(r"\ufeff?#:")


def value(text: str) -> dict[str, object]:
    """Return the tables of a text. Raises ForgeError, with the parser's reason, for what is no TOML."""
    try:
        return tomllib.loads(text.removeprefix("\ufeff").replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError as error:
        raise ForgeError(f"it is not TOML ({error}): mend it first") from error
    except (ValueError, RecursionError) as error:
        raise ForgeError("it is not TOML that can be read: mend it first") from error


def raw(text: str, path: Path) -> str | None:
    """Return the value at `path` as it is written; None when there is none. Raises ForgeError for one of many lines."""
    found = _found(text, path)
    return None if found is None else _parts(text, found, path)[1]


def put(text: str, path: Path, new: object) -> str:
    """Return `text` with `new`, a text, true, false or a flat table, at `path`.

    Raises ForgeError where what is there can't be changed on its line.
    """
    return put_raw(text, path, _written(new))


def put_raw(text: str, path: Path, written: str) -> str:
    """Do as `put` does, with a value that is written already."""
    at = _found(text, path)
    if at is not None:
        before, _, after = _parts(text, at, path)
        return _with_line(text, at, before + written + after)
    line = f"{dotted(path[-1:])} = {written}"
    if len(path) == 1:
        first = text.split("\n", 1)[0]
        # Editors read a directive (`#:schema`) in the first line alone; a mark of UTF-8 stays first as well.
        if _DIRECTIVE.match(first):
            return _with_new_line(text, 1, line)
        mark = "\ufeff" if text.startswith("\ufeff") else ""
        return mark + _with_new_line(text.removeprefix("\ufeff"), 0, line)
    header = _header(text, path[:-1])
    if header is not None:
        return _with_new_line(text, _last_line(text, header), line)
    end = _line_end(text)
    gap = "" if not text.strip("\ufeff") else end if text.endswith("\n") else end * 2
    return f"{text}{gap}[{dotted(path[:-1])}]{end}{line}{end}"


def drop(text: str, path: Path) -> str:
    """Return `text` without the key at `path`, which is there on a line of its own."""
    at = _found(text, path)
    assert at is not None, "the key is there"
    _parts(text, at, path)
    return _with_line(text, at, "")


def drop_table(text: str, path: Path) -> str:
    """Return `text` without the header of the table at `path`, which has no keys, and the blank line before it."""
    at = _header(text, path)
    assert at is not None, "the table is there"
    text = _with_line(text, at, "")
    kept = text.split("\n")
    return _with_line(text, at - 1, "") if at > 1 and not kept[at - 2].strip() else text


def _written(new: object) -> str:
    """Return a value as TOML has it: a basic string is written as in JSON."""
    if isinstance(new, dict):
        pairs = cast("dict[str, object]", new).items()
        return f"{{ {', '.join(f'{dotted((name,))} = {_written(one)}' for name, one in pairs)} }}"
    return msgspec.json.encode(new).decode().replace("\x7f", "\\u007f")


def _found(text: str, path: Path) -> int | None:
    """Return the line, from 1, of the key at `path`."""
    table = value(text)
    for name in path[:-1]:
        below = table.get(name, {})
        if not isinstance(below, dict):
            raise ForgeError(f"`{dotted(path[:-1])}` is no table there: mend it first")
        table = cast("dict[str, object]", below)
    return _lines(text)[path] if path[-1] in table else None


def _header(text: str, path: Path) -> int | None:
    """Return the line, from 1, on which the table at `path` has its own header; None without one."""
    at = _lines(text).get(path)
    if at is None:
        return None
    header = _line(text, at).strip()
    if not re.fullmatch(r"\[[^\[\]]*\][ \t]*(?:#.*)?", header) or value(header) != _only(path):
        raise ForgeError(f"`{dotted(path)}` is not written as a table of its own there: mend it first")
    return at


def _last_line(text: str, header: int) -> int:
    """Return the line on which a table ends: the last before the next header that is neither blank nor a comment."""
    kept = text.split("\n")
    headers = (at - 1 for at in _lines(text).values() if at > header and kept[at - 1].lstrip().startswith("["))
    end = min(headers, default=len(kept))
    while end > header and kept[end - 1].strip()[:1] in {"", "#"}:
        end -= 1
    return end


def _only(path: Path) -> dict[str, object]:
    return {path[0]: _only(path[1:])} if path else {}


def _lines(text: str) -> dict[Path, int]:
    return lines(text.removeprefix("\ufeff").replace("\r\n", "\n"))


def _line(text: str, at: int) -> str:
    return text.split("\n")[at - 1]


def _parts(text: str, at: int, path: Path) -> tuple[str, str, str]:
    """Return what is before a value on its line, the value as written, and what is after it."""
    found = _VALUE.match(_line(text, at))
    if found is None or not _is_whole(found, path):
        raise ForgeError(f"line {at} has `{dotted(path)}` in a way that can't be changed safely: mend it by hand")
    return found[1], found[2], found[3]


def _is_whole(found: re.Match[str], path: Path) -> bool:
    """Say whether a line holds the key itself, and not a table on one line with the key in it."""
    return list(value(found[0].rstrip("\r"))) == [path[-1]]


def _with_line(text: str, at: int, new: str) -> str:
    """Return `text` with another line `at`; with an empty one the line goes."""
    kept = text.split("\n")
    if new:
        kept[at - 1] = new
    else:
        del kept[at - 1]
    return "\n".join(kept)


def _with_new_line(text: str, after: int, line: str) -> str:
    """Return `text` with a line more after the line `after`."""
    kept = text.split("\n")
    end = "\r" if _line_end(text) == "\r\n" else ""
    if after == len(kept):
        # The header is the last line of a text without a line end.
        return f"{text}{_line_end(text)}{line}{_line_end(text)}"
    kept.insert(after, line + end)
    return "\n".join(kept)


def _line_end(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"
