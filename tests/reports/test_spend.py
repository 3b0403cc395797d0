"""Spend adds the ledger's charges exactly, apart by unit, and says how sure they are."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import cast
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledgers import (
    DAY,
    Ledger,
    at,
    call_id,
    fell_back,
    held_official,
    held_relay,
    paid_relay,
    refused,
    routed,
    settled_official,
    settled_relay,
    voided_relay,
)
from pools import fee, paid_pool

from tokens_forge.core.entries import Adjusted, CardUsed, IterationBilled
from tokens_forge.core.errors import LedgerError
from tokens_forge.files import ledger_reader
from tokens_forge.files.pages import page_path
from tokens_forge.reports.periods import Period
from tokens_forge.reports.spend import Guess, Spend, document, spend

BERLIN = ZoneInfo("Europe/Berlin")
NEXT = "2026-11-25"


def november(folder: Path, by: Sequence[str] = ("balance",)) -> Spend:
    """Return what was spent in November 2026 in UTC."""
    period = Period(since=datetime(2026, 11, 1, tzinfo=UTC), until=datetime(2026, 12, 1, tzinfo=UTC), label="")
    return spend(folder, period, by=by, zone=UTC)


def test_units_are_never_blended(tmp_path: Path) -> None:
    """Charges in CNY and in USD stand apart in rows and totals, each with its list price and saving (CASES 46)."""
    ledger = Ledger(tmp_path)
    fell_back(ledger)
    paid_relay(ledger, "10:00:01", n=2)
    paid_relay(ledger, "10:00:02", n=3)

    usage = {"input": 800, "cache_read": 1600, "output": 600, "reasoning": 200}
    relay: dict[str, object] = {
        "unit": "CNY",
        "calls": 2,
        "charge": "0.04",
        "marginal": "0.04",
        "list": "0.0072",
        "list_unit": "USD",
        "saving": "0.001566197184",
        "unlisted_calls": 0,
        "amortised": {},
        "usage": usage,
        "certainty": {"computed": "0.04"},
    }
    credit: dict[str, object] = {
        "unit": "USD",
        "calls": 1,
        "charge": "0.0036",
        "marginal": "0.0036",
        "list": "0.0036",
        "list_unit": "USD",
        "saving": "0",
        "unlisted_calls": 0,
        "amortised": {},
        "usage": {name: count // 2 for name, count in usage.items()},
        "certainty": {"computed": "0.0036"},
    }
    counts: dict[str, object] = {"unpriced_calls": 0, "unshared_calls": 0, "guesses": [], "counts": None}
    expected: dict[str, object] = {
        "from": at("00:00:00", "2026-11-01"),
        "to": at("00:00:00", "2026-12-01"),
        "timezone": "UTC",
        "by": ["balance"],
        "rows": [{"balance": "rmb-wallet", **relay}, {"balance": "openai-credit", **credit}],
        "totals": [{**relay, **counts}, {**credit, **counts}],
        "fees": [],
        "movements": [],
        "refused": {},
        "voided": {},
        "left_out": [],
    }
    assert expected == document(november(tmp_path))


def test_each_attempt_counts_and_a_call_counts_once(tmp_path: Path) -> None:
    """Two attempts of one call that both cost something are two charges and one call (CASES 22)."""
    ledger = Ledger(tmp_path)
    call = call_id(at("10:00:00"))
    first = settled_relay(call, final=False, outcome="unanswered", certainty="estimated")
    second = settled_relay(call, n=2)
    ledger.add(at("10:00:00"), routed(call), held_relay(call), first, held_relay(call, n=2), second)

    (row,) = november(tmp_path).rows

    assert (row.calls, row.charge) == (1, Decimal("0.04"))
    assert row.certainty == {"computed": Decimal("0.02"), "estimated": Decimal("0.02")}


def test_every_dimension(tmp_path: Path) -> None:
    """Every dimension groups by what the entry says; a name twice counts once."""
    fell_back(Ledger(tmp_path))
    by = (
        *("key", "model", "route", "balance", "class", "task", "agent", "upstream", "upstream_model", "tier"),
        *("outcome", "month", "key"),
    )

    (row,) = november(tmp_path, by).rows

    expected = {
        "key": "aider",
        "model": "smart",
        "route": "official",
        "balance": "openai-credit",
        "class": "direct",
        "task": "research-42",
        "agent": "OpenAI/Python 3.54.0",
        "upstream": "openai",
        "upstream_model": "gpt-5",
        "tier": "default",
        "outcome": "ok",
        "month": "2026-11",
    }
    assert expected == row.dimensions


def test_a_wrong_dimension_is_named(tmp_path: Path) -> None:
    """A dimension that there is not says which was meant."""
    with pytest.raises(ValueError, match=r"can't group by `keys`\. Did you mean `key`\?"):
        november(tmp_path, ("keys",))


def test_no_ledger_and_an_empty_period(tmp_path: Path) -> None:
    """Nothing spent is an answer without rows."""
    assert (november(tmp_path / "ledger").rows, november(tmp_path / "ledger").totals) == ((), ())
    fell_back(Ledger(tmp_path), day="2026-12-24")
    assert (november(tmp_path).rows, november(tmp_path).refused) == ((), {})


def test_days_are_those_of_the_reports_timezone(tmp_path: Path) -> None:
    """A call at 23:30 UTC belongs to the next day in Berlin, and the days sum to the range (CASES 44)."""
    ledger = Ledger(tmp_path)
    paid_relay(ledger, "22:30:00", n=1)
    paid_relay(ledger, "23:30:00", n=2)
    paid_relay(ledger, "01:00:00", n=3, day=NEXT)
    start = datetime(1970, 1, 1, tzinfo=UTC)
    period = Period(since=start, until=datetime(2026, 12, 1, tzinfo=UTC), label="")

    found = spend(tmp_path, period, by=("key", "day", "hour"), timezone="Europe/Berlin", zone=BERLIN)

    expected = [
        {"key": "aider", "day": "2026-11-24", "hour": "2026-11-24T23:00+01:00"},
        {"key": "aider", "day": "2026-11-25", "hour": "2026-11-25T00:00+01:00"},
        {"key": "aider", "day": "2026-11-25", "hour": "2026-11-25T02:00+01:00"},
    ]
    assert expected == [row.dimensions for row in found.rows]
    assert sum(row.charge for row in found.rows) == found.totals[0].charge == Decimal("0.06")


def test_a_period_has_its_first_moment_and_not_its_end(tmp_path: Path) -> None:
    """An entry at the first moment of a period is in it, one at its end is in the next."""
    ledger = Ledger(tmp_path)
    paid_relay(ledger, "10:00:00", n=1)
    paid_relay(ledger, "11:00:00", n=2)
    since = datetime(2026, 11, 24, 10, tzinfo=UTC)

    found = spend(tmp_path, Period(since=since, until=since + timedelta(hours=1), label=""), zone=UTC)

    assert found.totals[0].calls == 1


def test_corrections_are_taken_off(tmp_path: Path) -> None:
    """What was given back lowers charge and raises saving in the period of the correction, and is no call."""
    ledger = Ledger(tmp_path)
    call = fell_back(ledger, day="2026-10-24")
    paid_relay(ledger, "10:00:00", n=2)
    own = Adjusted(balance="openai-credit", amount="0.0006", unit="USD", reason="correction", corrects=call)
    other = Adjusted(balance="rmb-wallet", amount="-0.01", unit="CNY", reason="correction", corrects=call)
    topup = Adjusted(balance="openai-credit", amount="5", unit="USD", reason="topup")
    ledger.add(at("11:00:00"), own, other, topup)

    found = november(tmp_path, ("key", "balance"))

    relay, credit = found.rows
    assert (credit.dimensions["key"], credit.calls, credit.charge, credit.list) == ("aider", 0, Decimal("-0.0006"), 0)
    assert (credit.saving, credit.certainty) == (Decimal("0.0006"), {"computed": Decimal("-0.0006")})
    # The card of the attempt on the other balance says nothing about CNY.
    assert (relay.charge, relay.saving) == (Decimal("0.03"), None)


def test_corrections_convert_at_the_cards_rate(tmp_path: Path) -> None:
    """The saving of a corrected charge moves by the exchange rate of the card that priced it."""
    ledger = Ledger(tmp_path)
    call = call_id(at("10:00:00"))
    card = settled_official(call).card
    assert card is not None
    shared = settled_relay(call, card=msgspec.structs.replace(card, fx="7.1"), saving="0.001")
    ledger.add(at("10:00:00"), routed(call), held_relay(call), shared)
    ledger.add(
        at("10:00:01"), Adjusted(balance="rmb-wallet", amount="0.0071", unit="CNY", reason="refund", corrects=call)
    )

    (row,) = november(tmp_path).rows

    assert (row.charge, row.saving) == (Decimal("0.0129"), Decimal("0.002"))


def test_a_corrected_pool_saves_as_before(tmp_path: Path) -> None:
    """A pool's saving is its list price, whatever its count is corrected by; an unknown one is none of it."""
    ledger = Ledger(tmp_path)
    call = paid_relay(ledger, "10:00:00", card=None, saving="0.0036")
    without = paid_relay(ledger, "10:00:01", n=2, list="", list_unit="", saving="")
    for corrected in (call, without):
        correction = Adjusted(balance="rmb-wallet", amount="0.01", unit="CNY", reason="correction", corrects=corrected)
        ledger.add(at("11:00:00"), correction)

    assert [(row.charge, row.saving, row.unlisted_calls) for row in november(tmp_path).rows] == [
        (Decimal("0.02"), Decimal("0.0036"), 1)
    ]


def test_unpriced_and_unlisted_calls_are_counted(tmp_path: Path) -> None:
    """A call without a price is counted in every total, never a silent zero (CASES 12)."""
    ledger = Ledger(tmp_path)
    paid_relay(ledger, "10:00:00")
    paid_relay(ledger, "10:00:01", n=2, charge="0", certainty="unpriced", saving="", card=None, lines=())
    paid_relay(ledger, "10:00:02", n=3, list="", list_unit="", saving="")

    found = november(tmp_path)

    (total,) = found.totals
    assert (total.calls, total.unpriced_calls, total.unlisted_calls) == (3, 1, 1)
    assert (total.charge, total.list, total.list_unit, total.saving) == (
        Decimal("0.04"),
        Decimal("0.0072"),
        "USD",
        None,
    )
    assert total.certainty == {"computed": Decimal("0.04"), "unpriced": Decimal(0)}
    assert [(row.list_unit, row.list, row.calls, row.unlisted_calls) for row in found.rows] == [
        ("USD", Decimal("0.0072"), 3, 1)
    ]


def test_list_prices_in_two_units_have_no_total(tmp_path: Path) -> None:
    """List prices in several units are not summed."""
    ledger = Ledger(tmp_path)
    paid_relay(ledger, "10:00:00")
    paid_relay(ledger, "10:00:01", n=2, list="0.02", list_unit="CNY", saving="0")

    (total,) = november(tmp_path).totals

    assert (total.list, total.list_unit, total.saving, total.charge) == (None, "", None, Decimal("0.04"))


def test_refused_calls_are_counted_apart(tmp_path: Path) -> None:
    """A refused call is no call that cost nothing, nor is one that was turned away upstream (CASES 48)."""
    ledger = Ledger(tmp_path)
    fell_back(ledger)
    for n, why in enumerate(("nothing_can_pay", "nothing_can_pay", "deadline")):
        call = call_id(at("11:00:00"), n)
        ledger.add(at("11:00:00"), routed(call), refused(call, reason=why))
    call = call_id(at("12:00:00"))
    ledger.add(at("12:00:00"), routed(call), held_relay(call), voided_relay(call, final=True))

    found = november(tmp_path)

    assert ({"deadline": 1, "nothing_can_pay": 2}, {"rejected": 1}) == (found.refused, found.voided)
    assert [1] == [total.calls for total in found.totals]


def test_a_torn_line_is_not_seen(tmp_path: Path) -> None:
    """A page that ends in the middle of a line is summed up to its last whole one, at every cut."""
    ledger = Ledger(tmp_path)
    fell_back(ledger)
    path = page_path(tmp_path, DAY)
    whole = path.read_bytes()
    paid_relay(ledger, "11:00:00", n=2)
    more = path.read_bytes()
    for size in (len(whole) + 1, len(more) - 1):
        path.write_bytes(more[:size])
        assert [total.unit for total in november(tmp_path).totals] == ["USD"]


def test_a_line_that_is_no_json(tmp_path: Path) -> None:
    """CASES 67: however many lines are none, all others are told, and each of the bad ones is named."""
    fell_back(Ledger(tmp_path))
    with page_path(tmp_path, DAY).open("ab") as page:
        page.write(b"nonsense\n" * 100_000)

    found = november(tmp_path)

    assert (100_000, Decimal("0.0036")) == (len(found.left_out), found.totals[0].charge)


def test_a_page_that_cant_be_read(tmp_path: Path) -> None:
    """A page that can't be read is an error, not a smaller sum."""
    fell_back(Ledger(tmp_path))
    page_path(tmp_path, NEXT).mkdir()

    with pytest.raises(LedgerError, match=r"2026-11-25.jsonl: Is a directory"):
        november(tmp_path)


def test_pages_larger_than_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of any size give the same sums."""
    ledger = Ledger(tmp_path)
    for n in range(30):
        paid_relay(ledger, "10:00:00", n=n)
    monkeypatch.setattr(ledger_reader, "_BLOCK", 500)

    assert november(tmp_path).totals[0].charge == Decimal("0.6")


@settings(max_examples=15, deadline=None)
@given(st.lists(st.decimals(min_value=0, max_value=10**12, places=12), min_size=1, max_size=6))
def test_sums_are_exact(tmp_path_factory: pytest.TempPathFactory, charges: list[Decimal]) -> None:
    """Charges of 12 decimal places sum without loss, large ones too (CASES 9)."""
    ledger = Ledger(tmp_path_factory.mktemp("ledger"))
    call = call_id(at("10:00:00"))
    ledger.add(at("10:00:00"), routed(call))
    for n, charge in enumerate(charges, 1):
        ledger.add(
            at("10:00:00"),
            held_official(call, n=n),
            settled_official(call, n=n, charge=format(charge, "f"), final=False),
        )

    assert sum(charges) == november(ledger.folder).totals[0].charge


def period(since: str, until: str) -> Period:
    """Return a period between two UTC moments."""
    return Period(since=datetime.fromisoformat(since), until=datetime.fromisoformat(until), label="")


def test_a_pools_calls_have_three_costs(tmp_path: Path) -> None:
    """Marginal nothing, list-equivalent, and amortised by list price; the unit says what it counts (CASES 47, 49)."""
    ledger = Ledger(tmp_path)
    ledger.add(at("00:00:00", "2026-11-03"), fee("2026-11-03"))
    paid_pool(ledger, "10:00:00", 1, key="aider")
    paid_pool(ledger, "10:00:00", 2, key="claude", list="0.0072", saving="0.0072")

    found = document(november(tmp_path, ("key",)))

    figures = ("key", "unit", "charge", "marginal", "list", "list_unit", "amortised", "saving")
    expected = [
        ["aider", "requests", "1", "0", "0.0036", "USD", {"USD": "10"}, "0.0036"],
        ["claude", "requests", "1", "0", "0.0072", "USD", {"USD": "20"}, "0.0072"],
    ]
    assert expected == [[row[name] for name in figures] for row in _dicts(found["rows"])]
    (total,) = _dicts(found["totals"])
    assert ("0", {"USD": "30"}, 0) == (total["marginal"], total["amortised"], total["unshared_calls"])
    assert "one for each attempt that was answered, or may have been" == total["counts"]
    expected_fee = {
        "balance": "coding-plan",
        "amount": "30",
        "unit": "USD",
        "first": "2026-11-03",
        "last": "2026-12-02",
        "provisional": True,
        "by": "list",
        "attempts": 2,
        "unlisted": 0,
        "here": "30",
        "elsewhere": "0",
        "unused": "0",
    }
    assert [expected_fee] == found["fees"]


def _dicts(rows: object) -> list[dict[str, object]]:
    assert isinstance(rows, list)
    return [row for row in cast("list[object]", rows) if isinstance(row, dict)]


@pytest.mark.parametrize(("now", "provisional"), [("2026-12-02T23:59:59Z", True), ("2026-12-03T00:00:00Z", False)])
def test_amortised_is_provisional_while_calls_may_come(tmp_path: Path, now: str, *, provisional: bool) -> None:
    """Until a fee's period has ended each further call takes a share; then the shares stay (CASES 47)."""
    ledger = Ledger(tmp_path)
    ledger.add(at("00:00:00", "2026-11-03"), fee("2026-11-03"))
    paid_pool(ledger, "10:00:00")
    when = period("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z")
    found = spend(tmp_path, when, zone=UTC, now=datetime.fromisoformat(now))
    assert [provisional] == [one.provisional for one in found.fees]


def test_a_report_of_a_part_shares_the_whole_fee(tmp_path: Path) -> None:
    """A day's calls have their part of the fee of a period that began before it and goes on after it."""
    ledger = Ledger(tmp_path)
    ledger.add(at("00:00:00", "2026-11-03"), fee("2026-11-03"))
    for n, day in enumerate(("2026-11-10", "2026-11-11", "2026-11-11", "2026-11-12")):
        paid_pool(ledger, "10:00:00", n, day)

    found = spend(tmp_path, period("2026-11-11T00:00:00Z", "2026-11-12T00:00:00Z"), zone=UTC)

    ((one,), (total,)) = (found.fees, found.totals)
    assert {"USD": Decimal(15)} == total.amortised
    assert (4, Decimal(15), Decimal(15)) == (one.shared.attempts, one.shared.here, one.shared.elsewhere)


def test_an_unused_fee_is_never_lost(tmp_path: Path) -> None:
    """A fee without a call is unused in the report that has its first day, also when it was entered later."""
    ledger = Ledger(tmp_path)
    ledger.add(at("00:00:00", "2026-12-10"), fee("2026-10-03", 31), fee("2026-11-03"))

    found = november(tmp_path)

    assert () == found.rows
    unused = {one.shared.fee.first.isoformat(): (one.shared.unused, one.shared.elsewhere) for one in found.fees}
    assert {"2026-10-03": (Decimal(0), Decimal(30)), "2026-11-03": (Decimal(30), Decimal(0))} == unused


def test_fees_in_two_units_stand_apart(tmp_path: Path) -> None:
    """Fees of two pools in two units are never added (CASES 46); a call that no fee covers is counted."""
    ledger = Ledger(tmp_path)
    ledger.add(at("00:00:00", "2026-11-20"), fee("2026-11-20"), fee("2026-11-20", amount="99 CNY", balance="glm"))
    paid_pool(ledger, "10:00:00", 1)
    paid_pool(ledger, "10:00:00", 2, balance="glm")
    paid_pool(ledger, "10:00:00", 3, balance="another")

    (total,) = november(tmp_path).totals

    assert {"CNY": Decimal(99), "USD": Decimal(30)} == total.amortised
    assert (3, 1) == (total.calls, total.unshared_calls)


def test_movements_are_no_spend(tmp_path: Path) -> None:
    """What moved a balance without a call is told by reason, with what was paid for it and the fee in that."""
    ledger = Ledger(tmp_path)
    topup = Adjusted(balance="w", amount="500", unit="CNY", reason="topup", paid="70.90 USD", fee="2.10 USD")
    ledger.add(at("10:00:00"), topup, topup, fee("2026-11-24"))
    ledger.add(at("10:00:00"), Adjusted(balance="w", amount="5", unit="CNY", reason="topup", paid="5 CNY"))
    ledger.add(at("10:00:00"), Adjusted(balance="w", amount="-0.5", unit="CNY", reason="unexplained"))
    ledger.add(at("10:00:00"), Adjusted(balance="a", amount="-12", unit="requests", reason="used_elsewhere"))
    ledger.add(at("10:00:00", "2026-12-02"), topup)

    found = document(november(tmp_path))

    nothing: dict[str, str] = {}
    expected = [
        ("a", "used_elsewhere", "requests", 1, "-12", nothing, nothing),
        ("w", "topup", "CNY", 3, "1005", {"USD": "141.8", "CNY": "5"}, {"USD": "4.2"}),
        ("w", "unexplained", "CNY", 1, "-0.5", nothing, nothing),
    ]
    names = ("balance", "reason", "unit", "entries", "amount", "paid", "fees")
    assert [dict(zip(names, one, strict=True)) for one in expected] == found["movements"]
    assert [] == found["rows"]


_MINUTES_OF_FOUR_DAYS = 4 * 24 * 60


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(min_value=0, max_value=_MINUTES_OF_FOUR_DAYS - 1),
            st.none() | st.decimals(min_value=0, max_value=10, places=6),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_the_days_sum_to_the_range(
    tmp_path_factory: pytest.TempPathFactory, calls: list[tuple[int, Decimal | None]]
) -> None:
    """Over a change of clocks, days and hours of a range and reports of each day sum to it, fees too (CASES 44)."""
    ledger = Ledger(tmp_path_factory.mktemp("ledger"))
    began = datetime(2026, 10, 23, 22, tzinfo=UTC)  # midnight in Berlin; the clocks go back on the 25th
    ledger.add(at("22:00:00", "2026-10-23"), fee("2026-10-23", 3, "19.99 USD"), fee("2026-10-26", 30, "20 USD"))
    for n, (minute, listed) in enumerate(sorted(calls, key=lambda call: call[0])):
        moment = began + timedelta(minutes=minute)
        price = {} if listed is None else {"list": format(listed, "f"), "list_unit": "USD", "saving": "0"}
        unknown = {"list": "", "list_unit": "", "saving": ""}
        paid_pool(ledger, f"{moment:%H:%M:%S}", n, f"{moment:%Y-%m-%d}", **(price or unknown))
    midnights = [datetime(2026, 10, day, tzinfo=BERLIN).astimezone(UTC) for day in (24, 25, 26, 27, 28)]

    def report(since: datetime, until: datetime, *by: str) -> Spend:
        return spend(ledger.folder, Period(since=since, until=until, label=""), by=by or ("key",), zone=BERLIN)

    whole = report(midnights[0], midnights[-1])
    days = [report(since, until) for since, until in pairwise(midnights)]
    for parts in (
        [row for day in days for row in day.rows],
        report(midnights[0], midnights[-1], "day").rows,
        report(midnights[0], midnights[-1], "hour").rows,
        report(midnights[0], midnights[-1], "model", "task").rows,
    ):
        assert len(calls) == sum(row.calls for row in parts)
        assert whole.totals[0].charge == sum(row.charge for row in parts)
        shares = sum((row.amortised.get("USD", Decimal(0)) for row in parts), Decimal(0))
        assert whole.totals[0].amortised["USD"] == shares
    assert Decimal("39.99") == sum(one.shared.here + one.shared.unused + one.shared.elsewhere for one in whole.fees)


def test_what_was_guessed_is_named_in_every_total(tmp_path: Path) -> None:
    """CASES 8: by candidate and tier, with its calls and charge; what is odd but no price mends is not among it."""
    ledger = Ledger(tmp_path)
    guessed: dict[str, object] = {"certainty": "estimated", "tier_served": "priority"}
    for number in (1, 2):
        call = call_id(at(f"10:00:0{number}"), number)
        flags = ("tier_unpriced", "guessed_audio_in", "no_done") if number == 1 else ("tier_unpriced",)
        ledger.add(at("10:00:00"), routed(call), held_relay(call), settled_relay(call, flags=flags, **guessed))

    (total,) = november(tmp_path).totals

    found = {"route": "relay", "upstream_model": "gpt-5", "tier": "priority"}
    assert (
        Guess(flag="guessed_audio_in", calls=1, charge=Decimal("0.02"), **found),
        Guess(flag="tier_unpriced", calls=2, charge=Decimal("0.04"), **found),
    ) == total.guesses
    told = cast(
        "list[dict[str, list[dict[str, str]]]]", document(november(tmp_path), lambda it: f"set {it.flag}")["totals"]
    )
    assert [("guessed_audio_in", "set guessed_audio_in"), ("tier_unpriced", "set tier_unpriced")] == [
        (one["flag"], one["set_by"]) for one in told[0]["guesses"]
    ]


@pytest.mark.parametrize(
    ("ending", "reasons"),
    [
        ({"outcome": "broken"}, ["broken"]),
        ({"outcome": "disconnected", "flags": ("tier_unpriced",)}, ["disconnected", "tier_unpriced"]),
        ({"outcome": "lost", "flags": ("charged_at_hold",)}, ["lost"]),
        ({"flags": ("impossible_total", "charged_at_hold")}, ["impossible_total"]),
        ({"flags": ("no_usage", "no_done")}, ["no_usage"]),
        ({"flags": ("unexplained_total",)}, ["unexplained_total"]),
        ({"flags": ("guessed_audio_in",)}, ["guessed_audio_in"]),
        ({"flags": ("no_done",)}, ["estimated"]),
        ({}, ["estimated"]),
        ({"outcome": "broken", "certainty": "computed"}, []),
        ({"certainty": "computed", "flags": ("no_done",)}, []),
    ],
)
def test_each_estimate_is_named_by_its_reason(tmp_path: Path, ending: dict[str, object], reasons: list[str]) -> None:
    """No estimate is without one, and what is known for sure has none."""
    ledger = Ledger(tmp_path)
    call = call_id(at("10:00:00"))
    settled = settled_relay(call, **{"certainty": "estimated", **ending})
    ledger.add(at("10:00:00"), routed(call), held_relay(call), settled)

    (total,) = november(tmp_path).totals

    assert [(reason, 1, Decimal("0.02")) for reason in reasons] == [
        (one.flag, one.calls, one.charge) for one in total.guesses
    ]


def test_what_was_done_beside_a_reply_is_named_by_its_own_model(tmp_path: Path) -> None:
    """CASES 12: a price for the model that answered would mend nothing; what has its card is not named."""
    ledger = Ledger(tmp_path)
    call = call_id(at("10:00:00"))
    card = CardUsed(id="relay/gpt-5", source="s", unit="CNY", per="mtok", rates={}, tier="base")
    done = IterationBilled(kind="advisor_message", model="new", usage={"input": 8})
    known = IterationBilled(kind="compaction", model="gpt-5", usage={"input": 8}, card=card)
    settled = settled_relay(
        call,
        certainty="unpriced",
        flags=("unpriced_iteration",),
        iterations=(done, done, known),
        tier_served="priority",
    )
    ledger.add(at("10:00:00"), routed(call), held_relay(call), settled)

    (total,) = november(tmp_path).totals

    expected = Guess(
        flag="unpriced_iteration", route="relay", upstream_model="new", tier="", calls=1, charge=Decimal("0.02")
    )
    assert (expected,) == total.guesses


def test_what_was_billed_beside_a_reply_was_used_too(tmp_path: Path) -> None:
    """The tokens of iterations are among those of the period."""
    ledger = Ledger(tmp_path)
    call = call_id(at("10:00:00"))
    compaction = IterationBilled(kind="compaction", model="m", usage={"input": 180_000, "output": 3_500})
    usage = {"input": 23_000, "output": 1_000}
    settled = settled_relay(call, usage=usage, iterations=(compaction, compaction))
    ledger.add(at("10:00:00"), routed(call), held_relay(call), settled)

    (row,) = november(tmp_path).rows

    assert {"input": 383_000, "output": 8_000} == row.usage
