"""Golden replies and streams: native bytes as providers document them, and by hand what they say.

`goldens/DIALECT/NAME.json` is a whole reply, `NAME.sse` a stream; `goldens/DIALECT/index.toml` says of each where it is
from and what is true of it. Whatever reads, meters or translates a dialect is held to all of them, at every split.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, cast

from tokens_forge.core.dialects import DialectName

_FOLDER = Path(__file__).parent / "goldens"


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """One reply of an upstream."""

    dialect: DialectName
    name: str
    """With ``.json`` or ``.sse``."""
    source: str
    """The document that it is written from, and when it was read."""
    usage: Mapping[str, int]
    """Disjoint classes (`core/usage.py`), reckoned by hand from its bytes; empty when it reports none."""
    model: str
    finish: str
    """In the upstream's word."""
    text: str = ""
    """What it says to the user, all text joined."""
    thinking: str = ""
    """What it says of its reasoning."""
    tools: tuple[tuple[str, str], ...] = ()
    """Calls of tools: name and arguments, as JSON without spaces."""
    tier: str = ""
    broken: str = ""
    """Of a stream that fails or is cut: our word for how."""
    data: bytes = field(repr=False, default=b"")

    def __str__(self) -> str:
        return f"{self.dialect}-{self.name}"

    @property
    def streamed(self) -> bool:
        """Whether it is a stream."""
        return self.name.endswith(".sse")


@cache
def goldens(dialect: DialectName) -> tuple[Golden, ...]:
    """Return every golden of a dialect, as its index has them."""
    folder = _FOLDER / dialect
    index = tomllib.loads((folder / "index.toml").read_text(encoding="utf-8"))
    return tuple(_golden(dialect, folder, entry) for entry in index["golden"])


def golden(dialect: DialectName, name: str) -> Golden:
    """Return one golden by its file's name."""
    return next(one for one in goldens(dialect) if one.name == name)


def _golden(dialect: DialectName, folder: Path, entry: dict[str, Any]) -> Golden:
    tools = tuple((name, arguments) for name, arguments in cast("list[tuple[str, str]]", entry.pop("tools", [])))
    return Golden(dialect=dialect, tools=tools, data=(folder / entry["name"]).read_bytes(), **entry)
