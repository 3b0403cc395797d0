"""What import contracts can't see: core and wire stay pure, and a Tab in the shell stays quick."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

import pytest

import tokens_forge

PACKAGE = Path(tokens_forge.__file__).parent
PURE = sorted(path for floor in ("core", "wire") for path in (PACKAGE / floor).rglob("*.py"))

BANNED_NAMES = {"open", "print", "input", "float", "eval", "exec", "compile", "__import__", "ZoneInfo"}
"""The disk, the terminal, inexact numbers, and code from text."""

BANNED_CALLS = {"now", "today", "utcnow"}
"""The clock, which an import contract does not see: `datetime.now()`."""

HEAVY = ("aiohttp", "asyncio", "duckdb", "genai_prices", "httpx", "rich", "textual", "yaml")
"""Each costs a tenth of a second and more; shell completion starts `tf` on every Tab."""


def impurities(tree: ast.AST) -> Iterator[str]:
    """Yield what makes a module impure, with its line. A field named for its milliseconds may be a float."""
    shown = {id(part) for node in ast.walk(tree) if is_duration(node) for part in ast.walk(node.annotation)}
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load()) if name in BANNED_NAMES and id(node) not in shown:
                yield f"{node.lineno}: {name}"
            case ast.Attribute(attr=name) if name in BANNED_CALLS:
                yield f"{node.lineno}: .{name}"
            case ast.AsyncFunctionDef() | ast.AsyncFor() | ast.AsyncWith() | ast.Await():
                yield f"{node.lineno}: async"
            case ast.Global():
                yield f"{node.lineno}: global"
            case _:
                pass


def is_duration(node: ast.AST) -> TypeGuard[ast.AnnAssign]:
    """Say whether `node` declares a field of milliseconds, which is for display."""
    return (
        isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and (node.target.id == "ms" or node.target.id.endswith("_ms"))
    )


@pytest.mark.parametrize("path", PURE, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_core_and_wire_take_values_and_return_values(path: Path) -> None:
    """No disk, terminal, clock, inexact number, code from text, async or global in core and wire."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert [] == list(impurities(tree))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("open('x')", ["1: open"]),
        ("x = float('1')", ["1: float"]),
        ("rate: float", ["1: float"]),
        ("total_ms: float | None", []),
        ("input: int", []),
        ("from datetime import datetime\nat = datetime.now()", ["2: .now"]),
        ("async def f(): await g()", ["1: async", "1: async"]),
        ("def f():\n    global x", ["2: global"]),
        ("def f(data): return data.decode()", []),
    ],
)
def test_the_check_itself_sees_what_it_bans(source: str, expected: list[str]) -> None:
    """A check that finds nothing proves nothing unless it finds what is there."""
    assert expected == list(impurities(ast.parse(source)))


def test_the_command_line_starts_without_what_is_heavy() -> None:
    """Importing `tokens_forge.cli.app` loads no server, database, terminal toolkit or price catalogue."""
    program = f"import sys, tokens_forge.cli.app; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == []


def test_every_file_says_what_it_is_for() -> None:
    """A module's docstring is the first thing in it."""
    silent = [path for path in PACKAGE.rglob("*.py") if ast.get_docstring(ast.parse(path.read_text("utf-8"))) is None]
    assert [] == silent
