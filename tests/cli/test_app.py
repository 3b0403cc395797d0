"""The entry point: help, exit codes, interruption, and how little it loads."""

import subprocess
import sys
from pathlib import Path

import pytest
from command_line import tf

from tokens_forge.cli import app as app_file
from tokens_forge.cli import output
from tokens_forge.core.errors import ForgeError

TF = (sys.executable, "-c", "from tokens_forge.cli.app import main; main()")


def test_without_arguments_it_shows_its_help(tmp_path: Path) -> None:
    """The help is data: on stdout, exit 0, with the global options."""
    ran = tf(tmp_path)
    assert (0, "") == (ran.code, ran.err)
    assert "Usage: tf [OPTIONS] COMMAND [ARGS]..." in ran.out
    assert "--data-dir" in ran.out


def test_the_version_is_one_line(tmp_path: Path) -> None:
    """The name and the version alone."""
    ran = tf(tmp_path, "--version")
    assert (0, "tf 0.1.0\n") == (ran.code, ran.out)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["kyes"], "No such command 'kyes'. Did you mean 'keys'?"),
        (["--no-such-option"], "No such option: --no-such-option"),
        (["keys", "new"], "Missing argument 'NAME'."),
        (["--demo"], "the demo has a config of its own"),
    ],
)
def test_a_bad_command_line_exits_2(tmp_path: Path, arguments: list[str], expected: str) -> None:
    """What can't be understood is told on stderr, with what was probably meant."""
    ran = tf(tmp_path, *arguments)
    assert (2, "") == (ran.code, ran.out)
    assert expected in ran.err


def test_an_error_never_moves_the_terminal(tmp_path: Path) -> None:
    """Control characters in what the user typed come back visible."""
    ran = tf(tmp_path, "keys", "revoke", "\x1b[2J")
    assert (1, "tf: there is no key `\\x1b[2J`.\n") == (ran.code, ran.err)


@pytest.mark.parametrize(
    ("raised", "code", "err"),
    [(ForgeError("a [bold]reason[/]"), 1, "tf: a [bold]reason[/]\n"), (KeyboardInterrupt(), 130, "")],
)
def test_expected_ends_have_their_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: BaseException, code: int, err: str
) -> None:
    """A failure that a user can meet is its text alone, read as no markup; an interruption says nothing."""
    _fail_with(monkeypatch, raised)
    ran = tf(tmp_path, "keys", "list")
    assert (code, "", err) == (ran.code, ran.out, ran.err)


def test_a_bug_is_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody expected is raised, so that its traceback is seen."""
    _fail_with(monkeypatch, RuntimeError("a bug"))
    with pytest.raises(RuntimeError, match="a bug"):
        tf(tmp_path, "keys", "list")


def test_a_reader_that_left_is_no_error_text(tmp_path: Path) -> None:
    """`tf keys list | head -0` prints nothing on stderr."""
    command = [*TF, "--data-dir", str(tmp_path), "keys", "list", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert b"" == process.stderr.read()
    assert 1 == process.returncode


def test_the_command_line_loads_nothing_heavy() -> None:
    """Shell completion starts `tf` on every Tab: network, tables, screens and prices wait for their command."""
    heavy = "aiohttp textual duckdb asyncio genai_prices rich.table httpx watchfiles"
    code = f"import sys; import tokens_forge.cli.app; print(*[m for m in {heavy.split()} if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "" == loaded.stdout.strip()


def test_json_is_exact(capsys: pytest.CaptureFixture[str]) -> None:
    """Decimals are strings with every digit."""
    from decimal import Decimal  # noqa: PLC0415 - only this test needs one

    output.say_json({"charge": Decimal("1.35E-7")})
    assert '{\n  "charge": "0.000000135"\n}\n' == capsys.readouterr().out


def _fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let the first command that runs end with `error`."""

    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(app_file, "resolve", fail)
