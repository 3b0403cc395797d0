"""Spend on a screen: a table a unit, what is missing said beside the total."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from ledgers import Ledger, at, call_id, fell_back, held_relay, paid_relay, refused, routed, voided_relay
from pools import fee, paid_pool
from screens import printed

from tokens_forge.core.entries import Adjusted
from tokens_forge.reports.periods import Period
from tokens_forge.reports.spend import spend
from tokens_forge.view.spend import is_empty, spend_view

NOVEMBER = Period(
    since=datetime(2026, 11, 1, tzinfo=UTC), until=datetime(2026, 12, 1, tzinfo=UTC), label="this month so far"
)


def picture(folder: Path, *by: str) -> list[str]:
    answer = spend(folder, NOVEMBER, by=by, timezone="Europe/Berlin", zone=ZoneInfo("Europe/Berlin"))
    return printed(spend_view(answer, ZoneInfo("Europe/Berlin")))


def test_many_dimensions_fold_no_figure(tmp_path: Path) -> None:
    """At 80 columns a row is a line a word of its certainty; parts that have no room there stand below the total."""
    ledger = Ledger(tmp_path)
    for n, charge in enumerate(("0.123456789012", "0.023456789012", "0.000456789012"), 1):
        certainty = ("computed", "estimated", "unpriced")[n - 1]
        paid_relay(ledger, f"11:00:0{n}", n=n, charge=charge, certainty=certainty, route="relay-eu")
    said = picture(tmp_path, "route", "outcome", "tier")
    row = next(number for number, line in enumerate(said) if line.startswith("relay-eu"))
    assert [["relay-eu", "computed"], ["ok", "estimated"], ["default", "unpriced"]] == [
        [line.split()[0], line.split()[-1]] for line in said[row : row + 3]
    ]
    assert said[row + 3].startswith("total")
    assert ["route", "outcome", "tier"] == [line.split()[0] for line in said[row - 3 : row]]


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

                       list          saving
key     calls   CNY     USD             USD  certainty
aider       2  0.04  0.0036  0.000783098592  computed 0.02 CNY
                                             estimated 0.02 CNY
claude      1     0  0.0036               -  unpriced
total       3  0.04  0.0072               -
CNY: computed 0.02 CNY (50 %), estimated 0.02 CNY (50 %), unpriced 0 CNY
1 call in CNY without a known price: what they cost is not in the total
1 call without a list price: not in list price and saving

key     calls     USD  share       list USD  saving USD  certainty
aider       1  0.0036  ██████████    0.0036           0  computed
total       1  0.0036                0.0036           0  computed

1 call refused in this period (nothing_can_pay 1); `tf explain ID` says why

Estimates and missing prices (a call with several reasons is in each line)
  relay/gpt-5, served as default: an estimate for another reason: `tf explain
  ID` says more (1 call, 0.02 CNY)"""
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


def test_a_pool(tmp_path: Path) -> None:
    """A pool's three costs are labelled, its unit and its fees explained, movements apart (CASES 47 to 49)."""
    ledger = Ledger(tmp_path)
    ledger.add(at("00:00:00", "2026-11-03"), fee("2026-10-03", 31), fee("2026-11-03"))
    topup = Adjusted(balance="rmb-wallet", amount="500", unit="CNY", reason="topup", paid="70.90 USD", fee="2.10 USD")
    ledger.add(at("00:00:01", "2026-11-03"), topup, topup)
    paid_pool(ledger, "10:00:00", 1, "2026-11-04")
    paid_pool(ledger, "10:00:00", 2, "2026-11-05", list="0.0072", saving="0.0072")
    paid_pool(ledger, "10:00:00", 3, "2026-11-06", list="", list_unit="", saving="")
    used = Adjusted(balance="coding-plan", amount="-12", unit="requests", reason="used_elsewhere")
    ledger.add(at("11:00:00", "2026-11-06"), used)

    expected = """\
balance      calls  requests  list-equivalent USD  amortised USD  certainty
coding-plan      3         3               0.0108             30  computed
total            3         3               0.0108             30  computed
requests: one for each attempt that was answered, or may have been. Marginal
cost 0: no money moves by a call
amortised: their part of the pool's fee, provisional up to the end of 2026-12-02
(UTC)
1 call without a list price: not in list-equivalent

Fees of pools, shared over the calls of their periods (days in UTC)
coding-plan: 30 USD for 2026-10-03..2026-11-02, unused, no call in the ledger;
it counts in the report of its first day
coding-plan: 30 USD for 2026-11-03..2026-12-02, by list price, 1 call without
one at the average: 30 USD in this report, 0 USD outside of it, provisional

Movements that are no spend
coding-plan  used elsewhere  -12 requests
rmb-wallet   topped up          +1000 CNY  (2 entries)
rmb-wallet: fees of 4.2 USD were in the price of 141.8 USD paid"""
    assert expected.splitlines() == picture(tmp_path, "balance")[3:]


def test_movements_belong_to_balances(tmp_path: Path) -> None:
    """By anything but balances movements are not shown, and a report of nothing else is empty."""
    ledger = Ledger(tmp_path)
    bonus = Adjusted(balance="rmb-wallet", amount="5", unit="CNY", reason="topup", fee="0.1 USD")
    ledger.add(at("10:00:00"), bonus)
    assert is_empty(spend(tmp_path, NOVEMBER, by=("key",), zone=UTC))
    assert not is_empty(spend(tmp_path, NOVEMBER, zone=UTC))
    assert "rmb-wallet: fees of 0.1 USD were in the price" == picture(tmp_path, "balance")[-1]


def test_pools_without_a_fee_and_with_several(tmp_path: Path) -> None:
    """Where no fee is known that is said; fees in two units stand with theirs; what none covers is said."""
    ledger = Ledger(tmp_path)
    paid_pool(ledger, "10:00:00", 1)
    said = "amortised: no fee of these calls is known (`fee` in [balance.NAME])"
    assert said in picture(tmp_path, "key")

    ledger.add(at("11:00:00"), fee("2026-11-20", 5, "30 USD"), fee("2026-11-20", 5, "99 CNY", balance="glm"))
    paid_pool(ledger, "11:00:00", 2, balance="glm")
    paid_pool(ledger, "11:00:00", 3, balance="another")
    found = picture(tmp_path, "key")
    assert any("99 CNY, 30 USD" in line for line in found)
    assert "1 call without a fee, or outside of its periods: not in amortised" in found
    # Their periods have ended with the report, so that nothing is provisional.
    assert "amortised: their part of the pool's fee" in found


def test_a_header_gives_way_before_a_name_is_broken(tmp_path: Path) -> None:
    """Where two dimensions and long shares need the room, the headers of a pool's costs take several lines."""
    ledger = Ledger(tmp_path)
    ledger.add(at("00:00:00", "2026-11-03"), fee("2026-11-03", amount="20 USD"))
    for n in range(3):
        paid_pool(ledger, "10:00:00", n, f"2026-11-{10 + n}")
    expected = """\
                                               list-
                                          equivalent       amortised
balance      day         calls  requests         USD             USD  certainty
coding-plan  2026-11-10      1         1      0.0036  6.666666666667  computed
coding-plan  2026-11-11      1         1      0.0036  6.666666666666  computed
coding-plan  2026-11-12      1         1      0.0036  6.666666666667  computed
total                        3         3      0.0108              20  computed"""
    assert expected.splitlines() == picture(tmp_path, "balance", "day")[3:10]


def test_shares_of_certainty(tmp_path: Path) -> None:
    """A total says how much of it is how sure; a small share is not nothing (CASES 15)."""
    ledger = Ledger(tmp_path)
    paid_relay(ledger, "10:00:00", n=1, charge="1000")
    paid_relay(ledger, "10:00:01", n=2, charge="1", certainty="estimated")
    assert "CNY: computed 1000 CNY (>99 %), estimated 1 CNY (<1 %)" in picture(tmp_path, "key")


def test_a_price_that_is_known_in_part(tmp_path: Path) -> None:
    """A charge without a price for some of it says how much it has of it (CASES 12)."""
    ledger = Ledger(tmp_path)
    paid_relay(ledger, "10:00:00", certainty="unpriced", charge="0.01", saving="")
    said = "1 call in CNY without a price for all of it: only 0.01 CNY of what they cost is in the total"
    assert said in " ".join(picture(tmp_path, "key"))


def test_calls_that_cost_nothing(tmp_path: Path) -> None:
    """Refused calls and calls that were not billed in the end are told apart, with why (CASES 48)."""
    ledger = Ledger(tmp_path)
    fell_back(ledger)
    for n, why in enumerate(("nothing_can_pay", "deadline")):
        call = call_id(at("11:00:00"), n)
        ledger.add(at("11:00:00"), routed(call), refused(call, reason=why))
    call = call_id(at("12:00:00"))
    ledger.add(at("12:00:00"), routed(call), held_relay(call), voided_relay(call, final=True))
    expected = (
        "2 calls refused in this period (deadline 1, nothing_can_pay 1), "
        "1 call whose last attempt was not billed (rejected 1); `tf explain ID` says why"
    )
    assert expected in " ".join(picture(tmp_path, "key"))
