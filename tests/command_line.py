"""`tf` as a user runs it, in this process: arguments in, exit code and both outputs out."""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from tokens_forge.cli.app import main


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str


def tf(folder: Path, *arguments: str, config: bool = True) -> Ran:
    """Run `tf` on the config (unless it is not to be given) and the data in `folder`, with no terminal."""
    out, err = io.StringIO(), io.StringIO()
    given = ["--config", str(folder / "config.toml")] if config else []
    whole = ["tf", *given, "--data-dir", str(folder / "data"), *arguments]
    before, sys.argv = sys.argv, whole
    code = 0
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    finally:
        sys.argv = before
    return Ran(code=code, out=out.getvalue(), err=err.getvalue())
