"""`tf task` without a proxy: starting, raising and stopping, and what is refused with the next step."""

import json
from pathlib import Path

import pytest
from command_line import tf
from ledgers import Ledger, at, call_id, routed

from tokens_forge.files.hand_entries import task_called

CONFIG = """
[balance.wallet]
kind = "prepaid"
unit = "USD"
[upstream.u]
dialect = "openai"
base_url = "http://127.0.0.1:9/v1"
credential = "none"
[route.r]
class = "direct"
upstream = "u"
balance = "wallet"
serves = ["m"]
[route.r.prices]
m = [{ from = 2026-01-01, unit = "USD", input = 1, output = 2 }]
[task.written]
cap = { limit = "4 USD" }
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a folder with the config."""
    (tmp_path / "config.toml").write_text(CONFIG)
    return tmp_path


def caps(home: Path) -> dict[str, str]:
    """Return the limits of all tasks."""
    return {row["name"]: row["limit"] for row in json.loads(tf(home, "task", "--json").out)["tasks"]}


def test_a_task_from_start_to_stop(home: Path) -> None:
    """A task of the config has its cap; one by hand is started, raised by a plus or as a whole, and stopped."""
    assert {"task.written/cap": "4"} == caps(home)
    start = tf(home, "task", "start", "research", "--cap", "20 USD", "--soft", "0.8", "--at-cap", "wait 10m")
    assert "task research started: may cost 20 USD, warning from 0.8 of it on; at the cap: wait 10m\n" == start.out
    more = tf(home, "task", "raise", "research", "+5 USD")
    assert "task research raised: may cost 25 USD, warning from 0.8 of it on; at the cap: wait 10m\n" == more.out
    tf(home, "task", "raise", "written", "6 USD")
    assert {"task.written/cap": "6", "task.research/cap": "25"} == caps(home)
    assert "task research stopped\n" == tf(home, "task", "stop", "research").out
    row = next(line for line in tf(home, "task").out.splitlines() if "research" in line)
    assert "  stopped 20" in row


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["raise", "new", "+5 USD"], "`new` has no cap to add to: write what it may cost in all"),
        (["raise", "written", "+5 CNY"], "4 USD and 5 CNY are of different units"),
        (["raise", "written", "five"], "`five` is no amount"),
        (["start", "new", "--cap", "0 USD"], "`0 USD` is nothing"),
        (["start", "new", "--cap", "5 requests"], "a budget is in money"),
        (["start", "new", "--cap", "5 EUR"], "no rate says how much of a EUR that is"),
        (["start", "new", "--cap", "5 USD", "--soft", "8"], "8 is no share of the limit"),
        (["start", "new", "--soft", "0.5"], "`--soft` belongs to a cap: say `--cap` too"),
        (["start", "new", "--cap", "5 USD", "--soft", "much"], "`much` is no share of the cap"),
        (["start", "new", "--cap", "5 USD", "--at-cap", "beg"], "`beg` is none: write `refuse`"),
        (["start", "a/b"], "`a/b` is no name of a task"),
    ],
)
def test_what_is_refused(home: Path, arguments: list[str], why: str) -> None:
    """The checks of a cap in the config hold for one by hand: exit code 1, and what to write instead."""
    ran = tf(home, "task", *arguments)
    assert (1, "") == (ran.code, ran.out)
    assert why in ran.err


def test_stopping_twice_says_since_when(home: Path) -> None:
    """A task is stopped once; started again it may spend."""
    tf(home, "task", "start", "research")
    tf(home, "task", "stop", "research")
    again = tf(home, "task", "stop", "research")
    assert 1 == again.code
    assert "`research` was stopped at 20" in again.err
    assert 0 == tf(home, "task", "start", "research").code
    assert 0 == tf(home, "task", "stop", "research").code


def test_no_task_says_how_to_start_one(home: Path) -> None:
    """An empty table is no answer."""
    (home / "config.toml").write_text(CONFIG.partition("[task")[0])
    ran = tf(home, "task")
    assert (0, "") == (ran.code, ran.out)
    assert 'tf task start NAME --cap "20 USD"' in ran.err


def test_a_task_that_nobody_knows(home: Path) -> None:
    """A call that named it is in the ledger, however long ago; without one it is asked."""
    ran = tf(home, "task", "stop", "resaerch")
    assert (1, "") == (ran.code, ran.out)
    assert "no call, entry or config ever named a task `resaerch`" in ran.err
    assert 0 == tf(home, "task", "stop", "resaerch", "--yes").code

    tf(home, "task", "start", "other")
    ledger = Ledger(home / "old" / "ledger")
    (home / "old").mkdir()
    ledger.add(at("10:00:00"), routed(call_id(at("10:00:00")), task="research"))
    assert task_called(home / "old" / "ledger", "research")
    assert not task_called(home / "old" / "ledger", "resear")


def test_each_says_how_it_is_taken_back(home: Path) -> None:
    """On stderr, so that the answer stays the data."""
    assert 'undo with: tf task raise written "4 USD"\n' == tf(home, "task", "raise", "written", "$6").err
    assert "undo with: tf task start written\n" == tf(home, "task", "stop", "written").err
    assert "undo with: tf task stop written\n" == tf(home, "task", "start", "written").err
