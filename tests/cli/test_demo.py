"""`tf demo`, `tf serve --demo` and `tf --demo COMMAND` as a newcomer types them, each in a process of its own."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
import typer
from command_line import tf

from tokens_forge.cli.demo import program
from tokens_forge.proxy.demo import CALLS

TF = (sys.executable, "-c", "from tokens_forge.cli.app import main; main()")


def run(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `tf` at a made-up home, with no terminal, 80 columns wide."""
    command = [*TF, *arguments]
    return subprocess.run(
        command, env=environ(home, **variables), capture_output=True, text=True, timeout=60, check=False
    )


def environ(home: Path, **variables: str) -> dict[str, str]:
    """Return an environment in which nothing of the user's own is found."""
    return {"PATH": os.environ["PATH"], "HOME": str(home), "COLUMNS": "80", "LANG": "C.UTF-8", **variables}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home where the demo ran once, with its output in the file `out`."""
    folder = tmp_path_factory.mktemp("h")
    ran = run(folder, "demo", TF_DATA_DIR=str(folder / "d"))
    assert (0, "") == (ran.returncode, ran.stderr)
    (folder / "out").write_text(ran.stdout, encoding="utf-8")
    return folder


@pytest.fixture
def out(home: Path) -> str:
    return (home / "out").read_text(encoding="utf-8")


def test_each_call_is_one_line(out: str) -> None:
    """Key, model, route, balance, charge with its unit, and what happened, also in 80 columns."""
    lines = out.splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("key ")) + 1
    calls = [re.split(r" {2,}", line) for line in lines[first : first + len(CALLS)]]
    charged = [(*cells[:4], cells[-1]) for cells in calls]
    assert ("aider", "smart", "relay", "rmb-wallet", "answered") == charged[0]
    assert ("aider", "smart", "relay", "rmb-wallet", "streamed") == charged[1]
    assert ("aider", "smart", "official", "openai-credit", "relay said 429") == charged[2]
    assert ("aider", "smart", "official", "openai-credit", "relay is cooling") == charged[3]
    assert ("aider", "gpt-6-luna", "official", "openai-credit", "asked in Messages") == charged[4]
    assert ("nightly", "coder", "official", "openai-credit", "plan is used up") == charged[9]
    assert ["404 no such model", "402 can't be paid"] == [cells[-1] for cells in charged[12:]]
    units = [cells[4].split(" ")[-1] for cells in calls]
    assert ["CNY"] * 2 + ["USD"] * 4 + ["requests"] * 3 + ["USD", "free", "free", "-", "-"] == units
    assert "" == lines[first + len(CALLS)]


def test_it_reads_on_a_narrow_screen_and_in_a_pipe(out: str) -> None:
    """No colour, no spaces at a line's end, and 80 columns but for lines that can be run and paths."""
    assert "\x1b" not in out
    assert [] == [line for line in out.splitlines() if line != line.rstrip()]
    long = [line for line in out.splitlines() if len(line) > 80]
    assert [] == [line for line in long if not line.startswith(("  jq ", "  tf ", "The ledger is in"))]


def test_the_answers_follow_in_order(out: str) -> None:
    """Each under the line that shows it again: spend, the story of the call that fell back, the balances."""
    titles = [line for line in out.splitlines() if line.startswith(("$ tf", "Go on", "The ledger"))]
    assert ["$ tf --demo spend --by balance,key --today", "$ tf --demo balance", "Go on from here"] == [
        title for title in titles if "explain" not in title and "The ledger" not in title
    ]
    assert titles[1].startswith("$ tf --demo explain tf_")
    assert "relay/gpt-6.1-sol → official/gpt-6.1-sol: attempt 1 ended with rate_limited" in " ".join(out.split())


def test_what_it_names_can_be_run(home: Path, out: str) -> None:
    """Every line to go on with works as printed: other commands on the demo's ledger, and jq on its file."""
    lines = [line.strip() for line in out.partition("Go on from here")[2].splitlines()]
    variables = {"TF_DATA_DIR": str(home / "d")}
    for line in lines:
        if line.startswith("tf --demo") and "monitor" not in line:
            ran = run(home, *line.split()[1:], **variables)
            assert (0, "") == (ran.returncode, ran.stderr)
    assert 0 == run(home, "--demo", "check", **variables).returncode
    assert 0 == run(home, "--demo", "ledger", "verify", **variables).returncode
    if not shutil.which("jq"):
        pytest.skip("apt-get install jq")
    recipe = next(line for line in lines if line.startswith("jq "))
    done = subprocess.run(["sh", "-c", recipe], capture_output=True, text=True, timeout=60, check=True)
    assert 12 == len(done.stdout.splitlines())
    assert done.stdout.startswith("aider rmb-wallet 0.0")


def test_only_the_demos_folder_is_written(home: Path) -> None:
    """Nothing appears beside it, neither in the data folder nor at home."""
    assert ["demo"] == [path.name for path in (home / "d").iterdir()]
    assert ["d", "out"] == sorted(path.name for path in home.iterdir())


def test_its_figures_are_the_ledgers(home: Path, out: str) -> None:
    """The charges printed with the calls sum to what `tf --demo spend` says, unit by unit."""
    spent = run(home, "--demo", "spend", "--today", "--json", TF_DATA_DIR=str(home / "d"))
    expected = {row["unit"]: Decimal(row["charge"]) for row in json.loads(spent.stdout)["totals"]}
    told = {unit: Decimal(0) for unit in expected}
    calls = out.partition("what happened\n")[2].partition("\n\n")[0]
    for figure, unit in re.findall(r"  ([0-9.]+) (USD|CNY|requests)  ", calls):
        told[unit] += Decimal(figure)
    assert expected == told


def test_the_users_files_stay_as_they_are(tmp_path: Path) -> None:
    """What lies beside the demo's folder is not opened for writing, whatever is in it."""
    page = tmp_path / "ledger" / "2026-11-24.jsonl"
    page.parent.mkdir()
    page.write_text("the user's\n", encoding="utf-8")
    (tmp_path / "config.toml").write_text("not = [even valid\n", encoding="utf-8")
    assert 0 == run(tmp_path, "--data-dir", str(tmp_path), "demo").returncode
    assert "the user's\n" == page.read_text(encoding="utf-8")
    assert "not = [even valid\n" == (tmp_path / "config.toml").read_text(encoding="utf-8")
    assert ["config.toml", "demo", "ledger"] == sorted(path.name for path in tmp_path.iterdir())


def test_without_a_data_folder_it_has_its_own(tmp_path: Path) -> None:
    """It is beside the user's, not in it; and a second run begins anew."""
    runs = [run(tmp_path, "demo", XDG_DATA_HOME=str(tmp_path / "x")) for _ in range(2)]
    assert [(0, ""), (0, "")] == [(ran.returncode, ran.stderr) for ran in runs]
    assert all("tokens-forge-demo/ledger" in ran.stdout for ran in runs)
    spent = run(tmp_path, "--demo", "spend", "--by", "key", "--json", XDG_DATA_HOME=str(tmp_path / "x"))
    assert 12 == sum(row["calls"] for row in json.loads(spent.stdout)["rows"])


def test_a_config_can_t_be_given(tmp_path: Path) -> None:
    """The demo's config is its own."""
    ran = tf(tmp_path, "demo")
    assert (2, "") == (ran.code, ran.out)
    assert "the demo has a config of its own" in ran.err


@pytest.mark.parametrize("arguments", [("serve", "--demo"), ("--demo", "serve")], ids=" ".join)
def test_serving_the_demo(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Both ways to say it make the folder, run the upstreams and print a call that works; Ctrl-C ends it."""
    command = [*TF, "--data-dir", str(tmp_path), *arguments, "--port", "0"]
    with subprocess.Popen(command, env=environ(tmp_path), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            said = ""
            while "--demo monitor" not in said:
                said += (line := process.stderr.readline())
                assert line, said
            url, token = re.findall(r"curl -si (\S+)|Bearer (\S+)'", said)
            body = re.findall(r"-d '(.*)'", said)[0]
            headers = {"authorization": f"Bearer {token[1]}", "content-type": "application/json"}
            answer = httpx.post(url[0], headers=headers, content=body, trust_env=False)
            assert (200, "rmb-wallet") == (answer.status_code, answer.headers["x-tf-balance"])
        finally:
            process.send_signal(signal.SIGINT)
        process.stderr.read()
    assert 0 == process.returncode
    assert f"tf --data-dir {tmp_path} --demo explain last" in said
    told = run(tmp_path, "--data-dir", str(tmp_path), "--demo", "explain", "last")
    assert answer.headers["x-request-id"] in told.stdout


@pytest.mark.parametrize(
    ("called", "path", "expected"),
    [
        ("/venv/bin/tf", "/nowhere", "/venv/bin/tf"),
        ("/venv/bin/tf", "/venv/bin", "tf"),
        ("/venv/bin/tf", "/other/bin", "/venv/bin/tf"),
        ("-c", "/nowhere", "tf"),
        ("/venv/bin/pytest", "/nowhere", "tf"),
    ],
)
def test_lines_to_run_begin_as_tf_was_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, called: str, path: str, expected: str
) -> None:
    """A newcomer who has it in a virtual environment alone can paste them all the same."""
    for folder in ("venv/bin", "other/bin"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "tf").write_text("", encoding="utf-8")
        (tmp_path / folder / "tf").chmod(0o755)
    monkeypatch.setattr(sys, "argv", [called.replace("/venv", f"{tmp_path}/venv")])
    monkeypatch.setenv("PATH", f"{tmp_path}{path}")
    context = typer.Context(typer.main.get_command(typer.Typer(callback=lambda: None)))
    assert expected.replace("/venv", f"{tmp_path}/venv") == program(context)
