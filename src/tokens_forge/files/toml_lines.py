"""On which line each table and key of a TOML text stands.

The standard parser keeps no places, and an error without its line sends the user searching. This scanner only finds
places in a text that the parser has already accepted; it checks nothing and reads no value.
"""

import re
import tomllib
from bisect import bisect_right

Path = tuple[str, ...]
"""Names from the root to a value; an element of an array is `element(index)`."""

_GAP = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_KEY = re.compile(r"[ \t]*(?:([A-Za-z0-9_-]+)|(\"(?:[^\"\\]|\\.)*\"|'[^']*'))[ \t]*(\.?)")
_STRING = re.compile(
    r"\"\"\"(?:[^\"\\]|\\.|\"\"?(?!\"))*\"{3,5}|'''(?:[^']|''?(?!'))*'{3,5}|\"(?:[^\"\\]|\\.)*\"|'[^']*'", re.DOTALL
)
_BARE = re.compile(r"[^,\]}\n#]+")


def lines(text: str) -> dict[Path, int]:
    """Return the line, from 1, of each table and key in `text`: valid TOML whose line ends are single line feeds."""
    scan = _Scan(text)
    scan.document()
    return scan.found


def line_of(found: dict[Path, int], path: Path) -> int:
    """Return the line of the value at `path`, else of the nearest table around it, else 1."""
    return next((found[path[:end]] for end in range(len(path), 0, -1) if path[:end] in found), 1)


def element(index: int) -> str:
    """Return the name of an array's element in a path."""
    return f"[{index}]"


def dotted(path: Path) -> str:
    """Return `path` as TOML writes it, names quoted where they must be; elements of arrays are left out."""
    names = (name for name in path if not name.startswith("["))
    return ".".join(name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else f'"{name}"' for name in names)


class _Scan:
    """A place in the text, and what was found so far."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: dict[Path, int] = {}
        self._arrays: dict[Path, int] = {}
        self._line_ends = [match.start() for match in re.finditer("\n", text)]

    def document(self) -> None:
        table: Path = ()
        while self._gap():
            line = self._line()
            if self.text.startswith("[", self.at):
                table = self._header(line)
            else:
                self._pair(table)

    def _header(self, line: int) -> Path:
        repeated = self.text.startswith("[[", self.at)
        self.at += 1 + repeated
        names = self._key()
        self.at += 1 + repeated
        path: Path = ()
        for name in names[:-1]:
            path = self._newest((*path, name))
            self.found.setdefault(path, line)
        path = (*path, names[-1])
        if not repeated or path not in self._arrays:
            self.found[path] = line  # its own header says more than one that only implied it
        if repeated:
            self._arrays[path] = self._arrays.get(path, -1) + 1
        path = self._newest(path)
        self.found.setdefault(path, line)
        return path

    def _newest(self, path: Path) -> Path:
        """Return the last element at `path` when it is an array of tables: what a header below it speaks of."""
        return (*path, element(self._arrays[path])) if path in self._arrays else path

    def _pair(self, table: Path) -> None:
        line = self._line()
        path = table
        for name in self._key():
            path = (*path, name)
            self.found.setdefault(path, line)
        self.at += 1  # the equals sign
        self._value(path)

    def _value(self, path: Path) -> None:
        self._gap()
        match self.text[self.at]:
            case '"' | "'":
                self._take(_STRING)
            case "[":
                self._array(path)
            case "{":
                self._inline(path)
            case _:
                self._take(_BARE)

    def _array(self, path: Path) -> None:
        self.at += 1
        index = 0
        while not self._at_end("]"):
            own = (*path, element(index))
            self.found[own] = self._line()
            self._value(own)
            index += 1

    def _inline(self, path: Path) -> None:
        self.at += 1
        while not self._at_end("}"):
            self._pair(path)

    def _at_end(self, closing: str) -> bool:
        """Step over gaps and a comma, and over `closing` when it is next; say whether it was."""
        self._gap()
        if self.text.startswith(",", self.at):
            self.at += 1
            self._gap()
        if self.text.startswith(closing, self.at):
            self.at += 1
            return True
        return False

    def _key(self) -> list[str]:
        names: list[str] = []
        more = "."
        while more:
            bare, quoted, more = self._take(_KEY).groups()
            names.append(bare if bare is not None else tomllib.loads(f"name = {quoted}")["name"])
        return names

    def _gap(self) -> bool:
        """Step over white space and comments; say whether anything follows."""
        self._take(_GAP)
        return self.at < len(self.text)

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str]:
        match = pattern.match(self.text, self.at)
        assert match is not None, "the parser has accepted this text"
        self.at = match.end()
        return match

    def _line(self) -> int:
        return bisect_right(self._line_ends, self.at - 1) + 1
