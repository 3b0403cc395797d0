"""One TOML file that the user or `tf` wrote: its text, its tables, and how what is wrong in it is told.

Numbers keep every digit. What the tables mean is decided by whoever reads them; nothing here is written.
"""

import re
import tomllib
from decimal import Decimal
from pathlib import Path

from tokens_forge.core.config import KEYED_TABLES, TABLES, Finding
from tokens_forge.core.errors import Problem
from tokens_forge.core.visible import visible
from tokens_forge.files.toml_lines import dotted

_STANDS_AT = re.compile(r" \(at (?:line ([0-9]+), column [0-9]+|end of document)\)$")


def text_of(path: Path, *, missing: str) -> str | Problem:
    """Return the text of a file with single line feeds, or why it can't be had; `missing` is said of no file."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Problem(where=str(path), what=missing)
    except OSError as error:
        return Problem(where=str(path), what=f"it can't be read ({error.strerror})")
    try:
        return data.decode().replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return Problem(where=f"{path}:{line}", what="this is not UTF-8 text: save the file as UTF-8")


def tables_of(path: Path, text: str) -> dict[str, object] | Problem:
    """Return the tables of `text`, decimals for floats, or where it is no TOML; `path` is only named."""
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        said = str(error)
        place = _STANDS_AT.search(said)
        line = (place and place[1]) or text.rstrip("\n").count("\n") + 1
        what = _STANDS_AT.sub("", said)
        return Problem(where=f"{path}:{line}", what=visible(f"this is not TOML: {what[:1].lower()}{what[1:]}"))
    except (ValueError, ArithmeticError):
        # Python refuses integers of more than 4,300 digits, and decimals with an exponent beyond its own range.
        return Problem(where=str(path), what="a number in it has too many digits")
    except RecursionError:
        return Problem(where=str(path), what="its brackets are nested too deeply")


def problem_at(path: Path, line: int, finding: Finding) -> Problem:
    """Return the finding as told to the user: ``config.toml:41 [route.fast] balance``, then what is wrong."""
    first = finding.path[0]
    table = finding.path[: 2 if first in KEYED_TABLES else 1 if first in TABLES else 0]
    place = f"{path}:{line}", f"[{dotted(table)}]" if table else "", dotted(finding.path[len(table) :])
    where = " ".join(part for part in place if part)
    return Problem(where=visible(where), what=visible(finding.what), warning=finding.warning)
