"""`tf demo`: what a newcomer sees in the first minute is true, and nothing of theirs is touched."""

import json
import re
from pathlib import Path

from command_line import Ran, tf

FOLDER = ("data", "demo")


def demo(folder: Path) -> Ran:
    """Run `tf demo` with the data folder in `folder`; a config can't be given."""
    return tf(folder, "demo", config=False)


def test_it_tells_what_happened(tmp_path: Path) -> None:
    """Each call with who paid, then spend, the story of the call that fell back, the balances, and how to go on."""
    ran = demo(tmp_path)
    assert (0, "") == (ran.code, ran.err)
    for line in (
        r"^aider +smart +relay +rmb-wallet +0\.\d+ CNY +answered$",
        r"^aider +smart +official +openai-credit +0\.\d+ USD +relay said 429$",
        r"^nightly +coder +plan +coding-plan +1 requests +answered$",
        r"^nightly +coder +official +openai-credit +0\.\d+ USD +plan is used up",
        r"^nightly +llama3\.2 +home +own-machine +free +answered$",
        r"404 no such model$",
        r"nightly +thrifty .* 402 ",
        r"fell back +relay/gpt-5 → official/gpt-5: attempt 1 ended",
        r"--demo explain last$",
    ):
        assert re.search(line, ran.out, re.MULTILINE), line
    assert "\x1b" not in ran.out, "plain when piped"


def test_its_figures_are_the_ledgers(tmp_path: Path) -> None:
    """The amounts of the calls are what `tf --demo spend` sums, unit by unit."""
    ran = demo(tmp_path)
    answer = json.loads(tf(tmp_path, "--demo", "spend", "--by", "balance", "--today", "--json", config=False).out)
    sums = {row["balance"]: (row["calls"], row["unit"]) for row in answer["rows"]}
    assert {
        "coding-plan": (3, "requests"),
        "openai-credit": (5, "USD"),
        "own-machine": (2, "free"),
        "rmb-wallet": (2, "CNY"),
    } == sums
    for row in answer["rows"]:
        if row["unit"] in ("USD", "CNY"):
            assert row["charge"] in ran.out
    whole = tf(tmp_path, "--demo", "ledger", "verify", config=False)
    assert (0, True) == (whole.code, whole.out.startswith("whole: "))


def test_the_users_files_are_never_opened(tmp_path: Path) -> None:
    """The demo lives in a folder of its own; what lies beside it stays as it is, byte for byte."""
    beside = tmp_path / "data" / "ledger"
    beside.mkdir(parents=True)
    (beside / "2026-11-24.jsonl").write_bytes(b"mine\n")
    (tmp_path / "config.toml").write_bytes(b"not even toml [")
    assert 0 == demo(tmp_path).code
    assert (b"mine\n", b"not even toml [") == (
        (beside / "2026-11-24.jsonl").read_bytes(),
        (tmp_path / "config.toml").read_bytes(),
    )
    assert ["demo", "ledger"] == sorted(path.name for path in (tmp_path / "data").iterdir())


def test_it_begins_anew(tmp_path: Path) -> None:
    """A second run tells the same story; the first one's ledger is gone."""
    assert 0 == demo(tmp_path).code
    before = tf(tmp_path, "--demo", "spend", "--today", "--json", config=False).out
    assert 0 == demo(tmp_path).code
    after = tf(tmp_path, "--demo", "spend", "--today", "--json", config=False).out
    assert json.loads(before)["totals"] == json.loads(after)["totals"]


def test_a_folder_that_it_did_not_make_is_left_alone(tmp_path: Path) -> None:
    """Whatever is in it may be somebody's."""
    folder = tmp_path.joinpath(*FOLDER)
    folder.mkdir(parents=True)
    (folder / "mine").write_text("x")
    ran = demo(tmp_path)
    assert (1, ["mine"]) == (ran.code, [path.name for path in folder.iterdir()])
    assert str(folder) in ran.err


def test_a_config_of_ones_own_is_refused(tmp_path: Path) -> None:
    """`--config` and the demo exclude each other: a bad command line."""
    assert 2 == tf(tmp_path, "demo").code
    assert 2 == tf(tmp_path, "--demo", "balance").code
