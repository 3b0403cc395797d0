"""What the documents say is true: config blocks load, the recipe runs, the contract and the completions are current."""

import os
import re
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import contract
import pytest
from command_line import tf
from ledgers import Ledger, fell_back, paid_relay

from tokens_forge.cli.app import app
from tokens_forge.files.config_file import read

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
COMPLETIONS = {"bash": "tf.bash", "zsh": "_tf", "fish": "tf.fish"}


@pytest.mark.parametrize("block", [text for kind, text in BLOCKS if kind == "toml"])
def test_config_blocks_load(block: str, tmp_path: Path) -> None:
    """Every TOML block of the README is a config that loads without a problem."""
    path = tmp_path / "config.toml"
    path.write_text(block, encoding="utf-8")
    _config, problems = read(path)
    assert () == problems


def test_contract_is_current() -> None:
    """The README's tables of the ledger's fields are those of `core/entries.py` (python tests/contract.py)."""
    start, end = README.index(contract.BEGIN), README.index(contract.END) + len(contract.END)
    assert contract.section() == README[start:end]


def test_commands_are_listed() -> None:
    """The README's table names every command."""
    names = {command.name for command in app.registered_commands} | {group.name for group in app.registered_groups}
    missing = {name for name in names if name and f"`tf {name}" not in README}
    assert set() == missing


def test_jq_recipe_sums_spend(tmp_path: Path) -> None:
    """The README's jq recipe gives the sums that `tf spend` gives exactly, one a unit."""
    if not shutil.which("jq"):
        pytest.skip("apt-get install jq")
    folder = tmp_path / "data" / "ledger"
    folder.parent.mkdir()
    ledger = Ledger(folder)
    fell_back(ledger)
    paid_relay(ledger, "11:00:00", 2)
    paid_relay(ledger, "12:00:00", 3)
    recipe = next(text for kind, text in BLOCKS if kind == "sh" and text.startswith("jq "))
    command = recipe.replace("LEDGER/*.jsonl", f"{folder}/*.jsonl")
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    sums = {unit: Decimal(total).quantize(Decimal("1e-9")) for total, unit in map(str.split, ran.stdout.splitlines())}
    assert {
        "CNY": Decimal("0.04").quantize(Decimal("1e-9")),
        "USD": Decimal("0.0036").quantize(Decimal("1e-9")),
    } == sums
    assert '"charge": "0.04"' in tf(tmp_path, "spend", "--since", "2026-11-24", "--until", "2026-11-25", "--json").out


@pytest.mark.parametrize("shell", COMPLETIONS)
def test_completions_are_current(shell: str) -> None:
    """The files in `completions/` are what this version generates (`_TF_COMPLETE=source_SHELL tf`)."""
    environ = {**os.environ, "_TF_COMPLETE": f"source_{shell}"}
    run = [sys.executable, "-c", "from tokens_forge.cli.app import main; main()"]
    ran = subprocess.run(run, env=environ, capture_output=True, text=True, check=False)
    kept = (ROOT / "completions" / COMPLETIONS[shell]).read_text(encoding="utf-8")
    assert kept == ran.stdout.strip() + "\n"


def test_completion_completes() -> None:
    """The shell's question on a Tab gets the commands that begin so."""
    environ = {**os.environ, "_TF_COMPLETE": "complete_bash", "COMP_WORDS": "tf ba", "COMP_CWORD": "1"}
    run = [sys.executable, "-c", "from tokens_forge.cli.app import main; main()"]
    ran = subprocess.run(run, env=environ, capture_output=True, text=True, check=False)
    assert ["balance"] == ran.stdout.split()
