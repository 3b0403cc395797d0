"""Spend on a screen: a table a unit, what is missing said beside the total."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from ledgers import Ledger, at, call_id, fell_back, paid_relay, refused, routed
from screens import printed

from tokens_forge.reports.periods import Period
from tokens_forge.reports.spend import spend
from tokens_forge.view.spend import spend_view

NOVEMBER = Period(
    since=datetime(2026, 11, 1, tzinfo=UTC), until=datetime(2026, 12, 1, tzinfo=UTC), label="this month so far"
)


def picture(folder: Path, *by: str) -> list[str]:
    answer = spend(folder, NOVEMBER, by=by, timezone="Europe/Berlin", zone=ZoneInfo("Europe/Berlin"))
    return printed(spend_view(answer, ZoneInfo("Europe/Berlin")))


def test_the_whole_picture(tmp_path: Path) -> None:
    """The period in words, a table a unit, shares within it, and what is not in a total (CASES 12, 46, 48)."""
    ledger = Ledger(tmp_path)
    fell_back(ledger)
    paid_relay(ledger, "11:00:00", n=2)
    paid_relay(ledger, "11:00:01", n=3, charge="0", certainty="unpriced", saving="", key="claude")
    paid_relay(ledger, "11:00:02", n=4, list="", list_unit="", saving="", task="", certainty="estimated")
    call = call_id(at("12:00:00"))
    ledger.add(at("12:00:00"), routed(call), refused(call))

    expected = """\
Spend by key, this month so far: 2026-11-01 01:00 to 2026-12-01 01:00
(Europe/Berlin)

key     calls   CNY  share       list USD      saving USD  certainty
aider       1  0.02  █████              -               -  estimated
aider       1  0.02  █████         0.0036  0.000783098592  computed
claude      1     0                0.0036               -  unpriced
total       3  0.04                0.0072               -
CNY: computed 0.02 CNY (50 %), estimated 0.02 CNY (50 %), unpriced 0 CNY
1 call in CNY without a known price: what they cost is not in the total
1 call without a list price: not in list price and saving

key     calls     USD  share       list USD  saving USD  certainty
aider       1  0.0036  ██████████    0.0036           0  computed
total       1  0.0036                0.0036           0  computed

1 call refused in this period (nothing_can_pay 1); `tf explain ID` says why"""
    assert expected.splitlines() == picture(tmp_path, "key")


def test_free_and_list_prices_in_several_units(tmp_path: Path) -> None:
    """What a free balance gave is called free; list prices in several units stand with their unit."""
    ledger = Ledger(tmp_path)
    paid_relay(ledger, "10:00:00", n=1)
    paid_relay(ledger, "10:00:01", n=2, list="0.03", list_unit="CNY", saving="0.01")
    expected = """\
task         calls   CNY  share       list         saving              certainty
research-42      1  0.02  █████         0.03 CNY             0.01 CNY  computed
research-42      1  0.02  █████       0.0036 USD   0.000783098592 USD  computed
total            2  0.04                       -                    -  computed"""
    actual = picture(tmp_path, "task")[-4:]
    assert [" ".join(line.split()) for line in expected.splitlines()] == [" ".join(line.split()) for line in actual]


def test_what_two_levels_of_certainty_make_of_a_row(tmp_path: Path) -> None:
    """A row that is partly estimated says which part; many dimensions still fit in 80 columns."""
    ledger = Ledger(tmp_path)
    paid_relay(ledger, "10:00:00", n=1)
    paid_relay(ledger, "10:00:01", n=2, certainty="estimated", task="")

    assert "computed" in " ".join(picture(tmp_path, "key"))
    assert all(len(line) <= 80 for line in picture(tmp_path, "key", "model", "task", "day"))


def test_bars_go_before_a_name_is_broken(tmp_path: Path) -> None:
    """Where the screen is too narrow for both, names and figures stay whole; where it is not, the bars are back."""
    ledger = Ledger(tmp_path)
    paid_relay(ledger, "10:00:00", key="nightly-refactoring", saving="0.00078309")
    narrow = picture(tmp_path, "balance", "key")
    answer = spend(tmp_path, NOVEMBER, by=("balance", "key"), timezone="UTC", zone=ZoneInfo("UTC"))
    wide = printed(spend_view(answer, ZoneInfo("UTC")), width=120)
    assert ["nightly-refactoring" in line for line in narrow if "rmb-wallet" in line] == [True]
    assert ("share" in " ".join(narrow), "█" in " ".join(narrow)) == (False, False)
    assert "██████████" in " ".join(wide)
