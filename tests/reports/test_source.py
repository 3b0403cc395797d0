"""What a period's lines are: corrections joined to their calls, names of now, and pages that can't be read."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from ledgers import DAY, Ledger, at, call_id, fell_back, held_relay, paid_relay, refused, routed, settled_relay
from pools import POOL, fee, paid_pool

from tokens_forge.core.entries import Adjusted, AdjustedReason, Renamed
from tokens_forge.core.errors import LedgerError
from tokens_forge.files.pages import page_path
from tokens_forge.reports.periods import Period
from tokens_forge.reports.spend import Spend, SpendRow, spend

NEXT = "2026-11-25"


def november(folder: Path, by: Sequence[str] = ("balance",)) -> Spend:
    """Return what was spent in November 2026 in UTC."""
    period = Period(since=datetime(2026, 11, 1, tzinfo=UTC), until=datetime(2026, 12, 1, tzinfo=UTC), label="")
    return spend(folder, period, by=by, zone=UTC)


def one_row(found: Spend) -> SpendRow:
    (row,) = found.rows
    return row


def corrected(ledger: Ledger, call: str, amount: str, *, reason: AdjustedReason = "reprice", unit: str = "CNY") -> None:
    """Append what a call's price was corrected by: a negative amount charges more."""
    entry = Adjusted(
        balance="rmb-wallet", amount=amount, unit=unit, reason=reason, corrects=call, batch="sheet of 24 November"
    )
    ledger.add(at("12:00:00"), entry)


def unpriced(ledger: Ledger, n: int, **changes: object) -> str:
    """Append a call without a price that would be 0.03 CNY at list price; return its id."""
    unknown: dict[str, object] = {"charge": "0", "certainty": "unpriced", "saving": "", "card": None, "lines": ()}
    listed = {"list": "0.03", "list_unit": "CNY"}
    return paid_relay(ledger, "10:00:00", n, DAY, **{**unknown, **listed, **changes})


def test_a_batch_and_its_taking_back(tmp_path: Path) -> None:
    """A wrong price found later is re-rated in one batch that every figure follows, and back again (CASES 52)."""
    ledger = Ledger(tmp_path)
    calls = [paid_relay(ledger, "10:00:00", n) for n in range(3)]
    before = november(tmp_path, ("key", "day"))
    for call in calls:
        corrected(ledger, call, "0.01")
    row = one_row(november(tmp_path, ("key", "day")))
    assert (3, Decimal("0.03"), {"computed": Decimal("0.03")}) == (row.calls, row.charge, row.certainty)

    for call in calls:
        corrected(ledger, call, "-0.01")
    assert before == november(tmp_path, ("key", "day"))


def test_a_correction_converts_at_the_rate_of_its_charge(tmp_path: Path) -> None:
    """A sheet in the balance's own currency has no rate; the one that lies in charge and saving serves (CASES 45)."""
    ledger = Ledger(tmp_path)
    # 0.02 CNY were worth 0.0026 USD when it was settled, so half of it is worth 0.0013 USD.
    corrected(ledger, paid_relay(ledger, "10:00:00", saving="0.001"), "0.01")
    assert Decimal("0.0023") == one_row(november(tmp_path)).saving


def test_a_charge_of_nothing_has_no_rate(tmp_path: Path) -> None:
    """Where nothing was charged there is no rate to convert a correction at, and the saving is not known."""
    ledger = Ledger(tmp_path)
    corrected(ledger, paid_relay(ledger, "10:00:00", charge="0", saving="0.0036"), "-0.01")
    row = one_row(november(tmp_path))
    assert (Decimal("0.01"), None) == (row.charge, row.saving)


def test_a_reported_cost_is_money_without_a_card(tmp_path: Path) -> None:
    """A correction of what the upstream said it cost moves the saving too."""
    ledger = Ledger(tmp_path)
    call = paid_relay(ledger, "10:00:00", card=None, certainty="reported", list="0.03", list_unit="CNY", saving="0.01")
    corrected(ledger, call, "0.005", reason="reconciled")
    row = one_row(november(tmp_path))
    assert (Decimal("0.015"), Decimal("0.015")) == (row.charge, row.saving)


def test_a_call_priced_later_is_unpriced_no_more(tmp_path: Path) -> None:
    """Once a call without a price has one it is as sure as its usage, and no total names it (CASES 12, 52)."""
    ledger = Ledger(tmp_path)
    own = unpriced(ledger, 1)
    guessed = unpriced(ledger, 2, usage_source="partial")
    back = unpriced(ledger, 3)
    for call, amount in ((own, "-0.02"), (guessed, "-0.01"), (back, "-0.02"), (back, "0.02")):
        corrected(ledger, call, amount)

    found = november(tmp_path)

    (total,) = found.totals
    assert (1, 3) == (total.unpriced_calls, total.calls)
    expected = {"computed": Decimal("0.02"), "estimated": Decimal("0.01"), "unpriced": Decimal(0)}
    assert expected == total.certainty
    # The one whose price was taken back has no saving, so the sum has none.
    assert (Decimal("0.03"), None) == (total.charge, total.saving)


def test_the_saving_of_a_call_priced_later(tmp_path: Path) -> None:
    """What a later price saves is known where list price and charge are in one unit."""
    ledger = Ledger(tmp_path)
    corrected(ledger, unpriced(ledger, 1), "-0.02")
    assert Decimal("0.01") == one_row(november(tmp_path)).saving


def test_a_call_of_the_period_before(tmp_path: Path) -> None:
    """What was paid before the period and is corrected in it has the words of its last attempt on that balance."""
    ledger = Ledger(tmp_path)
    day = "2026-10-31"
    call = call_id(at("23:59:59", day))
    ledger.add(at("23:59:59", day), routed(call), held_relay(call))
    ledger.add(at("23:59:59", day), settled_relay(call, final=False, outcome="unanswered", certainty="estimated"))
    ledger.add(at("23:59:59", day), held_relay(call, n=2), settled_relay(call, n=2))
    corrected(ledger, call, "0.01")

    row = one_row(november(tmp_path, ("outcome", "tier", "class", "model", "agent", "upstream")))

    expected = ["ok", "default", "ordinary", "smart", "OpenAI/Python 3.54.0", "relay"]
    assert expected == list(row.dimensions.values())
    assert (0, Decimal("-0.01"), {"computed": Decimal("-0.01")}) == (row.calls, row.charge, row.certainty)


def test_thousands_of_corrections_are_one_question(tmp_path: Path) -> None:
    """A batch is joined to its calls at once: a search of the ledger for each would take minutes."""
    ledger = Ledger(tmp_path)
    entries = [paid_relay(ledger, "10:00:00", n, day="2026-10-24") for n in range(2000)]
    for call in entries:
        corrected(ledger, call, "0.001")
    assert Decimal(-2) == one_row(november(tmp_path)).charge


def test_a_correction_of_what_cost_nothing_is_left_out(tmp_path: Path) -> None:
    """A correction must name a call with a charge; one that does not is named, and everything else is told."""
    ledger = Ledger(tmp_path)
    call = call_id(at("10:00:00"))
    ledger.add(at("10:00:00"), routed(call), refused(call))
    ledger.add(at("10:00:00"), Adjusted(balance="b", amount="1", unit="USD", reason="refund", corrects=call))
    paid_relay(ledger, "10:00:01", n=2)

    found = november(tmp_path)

    (bad,) = found.left_out
    wrong = f"it corrects the call {call}, which has no charge to correct in these pages"
    assert (("2026-11-24:4", 4, wrong), Decimal("0.02")) == ((bad.where, bad.seq, bad.wrong), one_row(found).charge)


def test_an_id_without_a_moment(tmp_path: Path) -> None:
    """A correction whose call has no moment in its id is looked for in every page before it is left out."""
    ledger = Ledger(tmp_path)
    ledger.add(at("10:00:00"), Adjusted(balance="b", amount="1", unit="USD", reason="refund", corrects="tf_nonsense"))
    assert ["corrects"] == [bad.field for bad in november(tmp_path).left_out]


def test_history_has_the_names_of_now(tmp_path: Path) -> None:
    """A renamed balance, route and key keep their history, over pages and through two names (CASES 53)."""
    ledger = Ledger(tmp_path)
    paid_relay(ledger, "10:00:00", 1)
    ledger.add(at("11:00:00"), Renamed(scope="balance", was="rmb-wallet", name="relay-wallet"))
    ledger.add(at("11:00:00"), Renamed(scope="key", was="aider", name="editor"))
    paid_relay(ledger, "12:00:00", 2, balance="relay-wallet", key="editor", day=NEXT)
    # After the period, too.
    ledger.add(at("11:00:00", "2026-12-05"), Renamed(scope="balance", was="relay-wallet", name="wallet"))
    ledger.add(at("11:00:00", "2026-12-05"), Renamed(scope="route", was="relay", name="relay-2"))

    row = one_row(november(tmp_path, ("balance", "route", "key", "upstream")))

    assert ["wallet", "relay-2", "editor", "relay"] == list(row.dimensions.values())
    assert 2 == row.calls


def test_a_name_that_something_new_took(tmp_path: Path) -> None:
    """A key that takes another one's earlier name does not inherit its history (CASES 53)."""
    ledger = Ledger(tmp_path)
    paid_relay(ledger, "10:00:00", 1)
    ledger.add(at("11:00:00"), Renamed(scope="key", was="aider", name="editor"))
    paid_relay(ledger, "12:00:00", 2)
    paid_relay(ledger, "12:00:00", 3)

    found = november(tmp_path, ("key",))

    assert {"editor": 1, "aider": 2} == {row.dimensions["key"]: row.calls for row in found.rows}


def test_a_client_cant_rename(tmp_path: Path) -> None:
    """A client that names itself like the start of such a line renames nothing: quotes in a text are escaped."""
    paid_relay(Ledger(tmp_path), "10:00:00", agent='","type":"renamed","scope":"key","name":"x","was":"aider"')
    assert "aider" == one_row(november(tmp_path, ("key",))).dimensions["key"]


def test_corrections_and_fees_follow_a_rename(tmp_path: Path) -> None:
    """A correction finds the attempt on its balance by either name, and a fee the pool's calls of both names."""
    ledger = Ledger(tmp_path)
    ledger.add(at("00:00:00", "2026-11-03"), fee("2026-11-03"))
    paid_pool(ledger, "10:00:00", 1, day="2026-11-04")
    ledger.add(at("11:00:00", "2026-11-04"), Renamed(scope="balance", was=POOL, name="glm-plan"))
    call = paid_pool(ledger, "12:00:00", 2, day="2026-11-05", balance="glm-plan")
    ledger.add(
        at("13:00:00", "2026-11-05"),
        Adjusted(balance="glm-plan", amount="1", unit="requests", reason="correction", corrects=call),
    )

    found = november(tmp_path)

    row = one_row(found)
    assert ("glm-plan", 2, Decimal(1)) == (row.dimensions["balance"], row.calls, row.charge)
    assert ({"USD": Decimal(30)}, ["glm-plan"]) == (row.amortised, [one.shared.fee.balance for one in found.fees])


def test_a_correction_of_a_call_of_years_before(tmp_path: Path) -> None:
    """A call is found and named right however old it is."""
    ledger = Ledger(tmp_path)
    call = paid_relay(ledger, "10:00:00", day="2024-01-02")
    ledger.add(at("11:00:00", "2024-02-01"), Renamed(scope="balance", was="rmb-wallet", name="wallet"))
    ledger.add(at("11:00:00", "2024-02-01"), Renamed(scope="key", was="aider", name="editor"))
    ledger.add(
        at("12:00:00"), Adjusted(balance="wallet", amount="0.01", unit="CNY", reason="correction", corrects=call)
    )
    row = one_row(november(tmp_path, ("key", "balance")))
    assert ({"key": "editor", "balance": "wallet"}, Decimal("-0.01")) == (row.dimensions, row.charge)


def test_a_line_that_marks_nothing_it_can_say(tmp_path: Path) -> None:
    """A rename that can't be read is named, not a name forgotten in silence."""
    ledger = Ledger(tmp_path)
    fell_back(ledger)
    with page_path(tmp_path, DAY).open("ab") as page:
        page.write(b'{"v":0,"seq":9,"ts":"2026-11-24T11:00:00.000000Z","type":"renamed"}\n')
    assert ["2026-11-24:7"] == [bad.where for bad in november(tmp_path).left_out]


def test_pages_that_cant_be_read(tmp_path: Path) -> None:
    """A page that can't be read is an error, not a smaller sum, also where only a correction needs it."""
    ledger = Ledger(tmp_path)
    call = paid_relay(ledger, "10:00:00", day="2024-01-02")
    corrected(ledger, call, "0.01")
    page_path(tmp_path, "2024-01-02").unlink()
    page_path(tmp_path, "2024-01-02").mkdir()
    with pytest.raises(LedgerError, match=r"2024-01-02.jsonl: Is a directory"):
        november(tmp_path)
