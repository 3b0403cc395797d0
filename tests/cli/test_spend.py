"""`tf spend` as a user types it, and the periods that every report takes."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from command_line import tf
from ledgers import Ledger, at, call_id, fell_back, paid_relay, refused, routed

from tokens_forge.cli.periods import numbered
from tokens_forge.core.entries import Adjusted

TODAY = datetime.now(UTC).date()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of data with a call today at midnight UTC, and one 40 days before."""
    (tmp_path / "data").mkdir()
    ledger = Ledger(tmp_path / "data" / "ledger")
    paid_relay(ledger, "00:00:00", day=(TODAY - timedelta(days=40)).isoformat())
    fell_back(ledger, "00:00:00", day=TODAY.isoformat())
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ["--by", "key", "--week"],
        ["--week", "--by", "key"],
        ["--by", "key", "--month"],
        ["--by", "key", "--today"],
        ["--by", "key", "--last", "2d"],
        ["--by", "key", "--since", TODAY.isoformat()],
        ["--by", "key", "today"],
        ["--by", "key", "--timezone", "UTC", f"{TODAY}..{TODAY}"],
        ["--by", "key"],
    ],
    ids=" ".join,
)
def test_periods_on_the_command_line(folder: Path, arguments: list[str]) -> None:
    """Every way to say the period has today's call in it and not the one 40 days ago (CASES 59)."""
    ran = tf(folder, "spend", "--json", *arguments)
    assert (0, "") == (ran.code, ran.err)
    answer = json.loads(ran.out)
    assert [("aider", "USD", 1, "0.0036")] == [
        (row["key"], row["unit"], row["calls"], row["charge"]) for row in answer["rows"]
    ]
    expected = ["from", "to", "timezone", "by", "rows", "totals", "fees", "movements", "refused", "voided", "left_out"]
    assert expected == list(answer)


def test_the_table(folder: Path) -> None:
    """Without --json there is a table on stdout."""
    ran = tf(folder, "spend", "--today")
    assert (0, "") == (ran.code, ran.err)
    assert ran.out.startswith("Spend by balance, today so far: ")
    assert "openai-credit" in ran.out


def test_the_week_before(folder: Path) -> None:
    """`--week -1` is the whole week before, and nothing in it is an answer: exit 0 and the next step."""
    ran = tf(folder, "spend", "--week", "-1")
    assert (0, "") == (ran.code, ran.out)
    assert "Nothing was spent in this period: last week: " in ran.err
    answer = json.loads(tf(folder, "spend", "--week", "-1", "--json").out)
    assert ([], []) == (answer["rows"], answer["totals"])


def test_a_period_in_which_only_money_moved(folder: Path) -> None:
    """A top-up is shown though nothing was spent; by keys there is nothing, and refused calls are said."""
    ledger = Ledger(folder / "data" / "ledger")
    day = (TODAY - timedelta(days=20)).isoformat()
    call = call_id(at("00:00:00", day))
    ledger.add(at("00:00:00", day), Adjusted(balance="rmb-wallet", amount="500", unit="CNY", reason="topup"))
    ledger.add(at("00:00:00", day), routed(call), refused(call))

    ran = tf(folder, "spend", day)
    assert (0, "") == (ran.code, ran.err)
    assert "rmb-wallet  topped up  +500 CNY" in ran.out

    ran = tf(folder, "spend", day, "--by", "key")
    assert (0, "") == (ran.code, ran.out)
    assert "1 call refused in this period (nothing_can_pay 1); `tf explain ID` says why" in ran.err


def test_no_ledger(tmp_path: Path) -> None:
    """Without a ledger nothing was spent."""
    ran = tf(tmp_path, "spend")
    assert (0, "") == (ran.code, ran.out)
    assert "The ledger is in" in ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--by", "keys"], "can't group by `keys`. Did you mean `key`?"),
        (["--week", "1"], "--week 1 lies ahead"),
        (["--today", "--week"], "one period at a time"),
        (["--last", "soon"], "`soon` is no duration"),
        (["nonsense"], "`nonsense` is no day or moment"),
    ],
)
def test_a_bad_command_line_exits_2(folder: Path, arguments: list[str], said: str) -> None:
    """What can't be meant exits 2 and says what to write."""
    ran = tf(folder, "spend", *arguments)
    assert (2, "") == (ran.code, ran.out)
    assert said in " ".join(ran.err.split())


def test_a_wrong_timezone_is_named(folder: Path) -> None:
    """A timezone that there is not says which was meant."""
    ran = tf(folder, "spend", "--timezone", "Europe/Berln")
    assert (1, "") == (ran.code, ran.out)
    assert "Did you mean `Europe/Berlin`?" in ran.err


def test_numbers_that_are_left_out() -> None:
    """`--week` and `--month` take a number that follows, and 0 when none does."""
    assert ["--week=0", "--by", "key", "--month=0"] == numbered(["--week", "--by", "key", "--month"])
    assert ["--week", "-1", "--month", "0", "--week=-2"] == numbered(["--week", "-1", "--month", "0", "--week=-2"])
    assert [] == numbered([])
