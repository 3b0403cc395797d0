"""What of an entry can't stand in the ledger, field by field."""

from decimal import Decimal
from typing import get_args, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledgers import at, call_id, held_official, routed, settled_official, voided_relay

from tokens_forge.core import entries
from tokens_forge.core.entries import (
    FIGURES,
    Adjusted,
    AnyEntry,
    CardUsed,
    Counted,
    Entry,
    IterationBilled,
    Limit,
    Opened,
    Previous,
    Record,
    Settled,
    Tasked,
    WindowHeld,
)
from tokens_forge.core.entry_check import MOST_COUNTED, check, faults, is_sound
from tokens_forge.core.errors import MoneyError
from tokens_forge.core.money import fits_ledger, rounded, text

CALL = call_id(at("10:00:00"))
COUNTED = Counted(budget="key.aider/day", amount="1", unit="USD", start=at("00:00:00"), end=at("23:00:00"))
WINDOW = WindowHeld(window="calendar/day", start=at("00:00:00"), end=at("23:00:00"))
WHOLE: tuple[AnyEntry, ...] = (
    routed(CALL, max_charge="0.5 USD"),
    held_official(CALL, counted=(COUNTED,), windows=(WINDOW,)),
    settled_official(
        CALL,
        counted=(COUNTED,),
        windows=(WINDOW,),
        reported_cost="0.00014900000000000001",
        iterations=(IterationBilled(kind="compaction", model="m", usage={"input": 5}),),
        limits=(
            Limit(window="requests", remaining="-1e30", reset="9999"),
            Limit(window="provider/5h", limit="100", remaining="95.74016363636363", reset=at("12:00:00")),
        ),
    ),
    voided_relay(CALL),
    Adjusted(
        balance="b", amount="-5", unit="USD", reason="fee", paid="5 USD", expires="2026-12-24", effective="2026-11-24"
    ),
    Tasked(task="t", action="started", cap="5.00 USD", soft="0.8"),
    Opened(
        page="2026-11-24", machine="m", lineage="l", previous=Previous(page="2026-11-23", bytes=5, seq=1, chain="0")
    ),
)


def wrong(entry: Record) -> list[str]:
    return [fault.field for fault in faults(entry)]


@pytest.mark.parametrize("entry", WHOLE, ids=lambda entry: type(entry).__name__)
def test_what_is_written_can_be_taken(entry: Entry) -> None:
    """An entry as `tf` writes it has no fault; a limit of counts is kept in its header's own words."""
    check(entry)
    assert [] == wrong(entry)


ABSURD: list[tuple[object, str]] = [
    ({"charge": ""}, "charge"),
    ({"charge": "NaN"}, "charge"),
    ({"charge": "1E+999999"}, "charge"),
    ({"charge": "1" + "0" * 20}, "charge"),
    ({"charge": "0.0000000000001"}, "charge"),
    ({"charge": "\u0661"}, "charge"),
    ({"charge": "5\n"}, "charge"),
    ({"list": "Infinity"}, "list"),
    ({"usage": {"input": -1}}, "usage.input"),
    ({"usage": {"input": 10**18}}, "usage.input"),
    ({"turn": 10**50}, "turn"),
    ({"started": "2026-11-24"}, "started"),
    ({"total_ms": 1e300}, "total_ms"),
    ({"first_byte_ms": -1.0}, "first_byte_ms"),
    ({"counted": (COUNTED, msgspec.structs.replace(COUNTED, fx="1/7"))}, "counted[1].fx"),
    ({"windows": (msgspec.structs.replace(WINDOW, end="never"),)}, "windows[0].end"),
    ({"iterations": (IterationBilled(kind="c", model="m", usage={"output": -5}),)}, "iterations[0].usage.output"),
    ({"limits": (Limit(window="provider/5h", remaining="NaN"),)}, "limits[0].remaining"),
    ({"limits": (Limit(window="provider/5h", reset="soon"),)}, "limits[0].reset"),
]


@pytest.mark.parametrize(
    ("changes", "field"), ABSURD, ids=[f"{field} {index}" for index, (_, field) in enumerate(ABSURD)]
)
def test_what_can_not_stand_is_named(changes: dict[str, object], field: str) -> None:
    """CASES 67: a figure that the format or its sums can't take is named by its field, and never enters."""
    entry = settled_official(CALL, **changes)
    assert [field] == wrong(entry)
    with pytest.raises(MoneyError, match="can't be taken into the ledger"):
        check(entry)


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        (Adjusted(balance="b", amount="5", unit="USD", reason="topup", paid="much"), "paid"),
        (Adjusted(balance="b", amount="5", unit="USD", reason="topup", expires="2026-02-30"), "expires"),
        (Adjusted(balance="b", amount="5", unit="USD", reason="topup", expires="1 May"), "expires"),
        (Adjusted(balance="b", amount="5", unit="USD", reason="topup", effective="soon"), "effective"),
        (voided_relay(CALL, wait_s="-1"), "wait_s"),
    ],
)
def test_texts_with_a_form(entry: Entry, field: str) -> None:
    """An amount with its unit, a day, a moment and seconds have one form each."""
    assert [field] == wrong(entry)
    with pytest.raises(MoneyError):
        check(entry)


@pytest.mark.parametrize(
    "changes",
    [
        {"balance_after": "NaN"},
        {"reported_cost": "1e400"},
        {"card": CardUsed(id="i", source="s", unit="USD", per="mtok", rates={"input": "x"})},
        {"trail": (msgspec.structs.replace(settled_official(CALL).trail[0], charge="x"),)},
    ],
)
def test_what_is_only_told_keeps_no_call_open(changes: dict[str, object]) -> None:
    """Nothing is reckoned with it, so an entry is taken all the same: a call must end. It is named when asked."""
    entry = settled_official(CALL, **changes)
    check(entry)
    assert [True] == [fault.told for fault in faults(entry)]


def test_what_a_fault_says() -> None:
    """The field, the value, short and visible, and what belongs there."""
    (long,) = faults(settled_official(CALL, charge="\x1b" + "9" * 100))
    assert str(long).startswith("charge is `\\x1b" + "9" * 36 + "…`, and must be plain digits, at most 20 before")
    (count,) = faults(settled_official(CALL, turn=10**50))
    assert "turn is `a longer number`, and must be a whole number from 0 to 18 digits" == str(count)


def test_every_figure_is_in_the_table() -> None:
    """No count, and no record with figures, is left out by whoever adds a field."""
    records = [kind for kind in vars(entries).values() if isinstance(kind, type) and issubclass(kind, Record)]
    for record in records:
        if record in {Record, Entry}:
            continue
        hints = {name: str(hint) for name, hint in get_type_hints(record).items() if name in record.__struct_fields__}
        figures = {name for name, hint in hints.items() if "int" in hint or "float" in hint}
        figures |= {name for name, hint in hints.items() if any(f".{other.__name__}" in hint for other in records)}
        assert figures <= set(FIGURES[record]), record
        assert set(FIGURES[record]) <= set(record.__struct_fields__), record
    assert set(get_args(AnyEntry)) <= set(FIGURES)


@given(st.decimals(allow_nan=True, allow_infinity=True) | st.decimals(min_value=-(10**20), max_value=10**20, places=18))
def test_what_fits_can_be_written(value: Decimal) -> None:
    """What `fits_ledger` lets through is, once rounded, an amount that the ledger takes; nothing else is."""
    if fits_ledger(value):
        entry = settled_official(CALL, overrun=text(rounded(value)))
        # Rounding may reach the bound itself; nobody owes that.
        assert [] == wrong(entry) or abs(rounded(value)) == 10**20
    else:
        assert not value.is_finite() or abs(value) >= 10**20


def test_a_charge_is_never_negative() -> None:
    """What is given back is an entry of its own; a line that says otherwise is named."""
    (fault,) = faults(settled_official(CALL, charge="-5"))
    assert str(fault).startswith("charge is `-5`, and must be plain digits")
    assert str(fault).endswith("and no minus")
    assert not is_sound(settled_official(CALL, charge="-5"))
    assert not is_sound(settled_official(CALL, charge=""))


def test_a_year_of_counts_can_be_summed() -> None:
    """A count fits BIGINT, and so many of them as a ledger has lines fit HUGEINT."""
    assert MOST_COUNTED < 2**63
    assert MOST_COUNTED * 10**12 < 2**127
    assert isinstance(WHOLE[2], Settled)
