"""The feed follows lines: its fold is the ledger's, its calls are the newest, each with its state."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from ledgers import (
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

from tokens_forge.core.entries import Adjusted, Cooled, Line, Opened, Recovered
from tokens_forge.core.errors import LedgerDamaged
from tokens_forge.tui import feed as feeds
from tokens_forge.tui.feed import CallRow, Feed

NEXT = "2026-11-25"


def fed(lines: Sequence[Line]) -> Feed:
    feed = Feed()
    for line in lines:
        feed.apply(line)
    return feed


def test_the_fold_is_the_ledgers(tmp_path: Path) -> None:
    """From whatever page it begins, the feed's fold is the one of the whole ledger (CASES 37)."""
    ledger = Ledger(tmp_path)
    fell_back(ledger)
    call = call_id(at("11:00:00"))
    ledger.add(at("11:00:00"), routed(call), held_relay(call))
    paid_relay(ledger, "00:00:01", day=NEXT)

    assert ledger.fold == fed(ledger.lines).fold == fed(ledger.lines[-4:]).fold
    assert fed(ledger.lines).under_way == 1


def test_a_row(tmp_path: Path) -> None:
    """A row says when, how it ended, what each balance paid, for whom, where, and what it fell back from."""
    ledger = Ledger(tmp_path)
    call = fell_back(ledger)

    expected = CallRow(
        id=call,
        clock="10:00:00",
        ended="answered",
        state="200 ok",
        charge="0.0036 USD",
        balance="openai-credit",
        key="aider",
        task="research-42",
        model="smart",
        route="official",
        attempts=2,
        fell_back="relay/gpt-5 → official/gpt-5",
    )
    assert [expected] == list(fed(ledger.lines).rows())


def test_states(tmp_path: Path) -> None:
    """A call is open, under way, refused with its reason, or ended as its last attempt did."""
    ledger = Ledger(tmp_path)
    opened, under_way, turned_away, two, left = (call_id(at("10:00:00"), n) for n in range(5))
    ledger.add(at("10:00:00"), routed(opened), routed(under_way), routed(turned_away), routed(two), routed(left))
    ledger.add(at("10:00:01"), held_relay(under_way), refused(turned_away), held_relay(two), held_relay(left))
    ledger.add(at("10:00:02"), settled_relay(two, final=False, outcome="unanswered"), held_official(two))
    ledger.add(at("10:00:03"), settled_relay(left, outcome="disconnected", client_status=0))

    rows = [(row.state, row.charge, row.balance) for row in fed(ledger.lines).rows()]

    expected = [
        ("disconnected", "0.02 CNY", "rmb-wallet"),
        ("under way", "0.02 CNY + held 0.0428 USD", "rmb-wallet"),
        ("402 nothing_can_pay", "", ""),
        ("under way", "held 0.0412 CNY", "rmb-wallet"),
        ("open", "", ""),
    ]
    assert expected == rows


def test_between_two_attempts(tmp_path: Path) -> None:
    """After an attempt that ended without closing the call, it is open and holds nothing."""
    ledger = Ledger(tmp_path)
    call = call_id(at("10:00:00"))
    ledger.add(at("10:00:00"), routed(call), held_relay(call), voided_relay(call))
    assert [("open", "")] == [(row.state, row.charge) for row in fed(ledger.lines).rows()]


def test_a_changed_call_is_told_anew(tmp_path: Path) -> None:
    """Corrections and cooldowns belong to their call; its row follows, its place stays."""
    ledger = Ledger(tmp_path)
    call = fell_back(ledger)
    paid_relay(ledger, "10:00:01", n=2)
    feed = fed(ledger.lines)
    assert ["0.02 CNY", "0.0036 USD"] == [row.charge for row in feed.rows()]
    before = len(ledger.lines)
    ledger.add(
        at("10:00:02"),
        Adjusted(balance="openai-credit", amount="0.0006", unit="USD", reason="refund", corrects=call),
        Adjusted(balance="openai-credit", amount="1", unit="USD", reason="topup"),
        Cooled(scope="candidate", name="relay/gpt-5", until=at("10:01:00"), level=1, error="x", causes=(f"{call}/1",)),
        Recovered(scope="candidate", name="relay/gpt-5", by=f"{call}/2"),
        Recovered(scope="balance", name="openai-credit", by="topup"),
    )

    for line in ledger.lines[before:]:
        feed.apply(line)

    assert ["0.02 CNY", "0.003 USD"] == [row.charge for row in feed.rows()]
    assert 8 == len(feed.lines(call))


def test_only_so_many_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest calls are let go; what corrects one of them does not bring it back."""
    monkeypatch.setattr(feeds, "KEEP", 2)
    ledger = Ledger(tmp_path)
    calls = [paid_relay(ledger, "10:00:00", n=n) for n in range(4)]
    ledger.add(at("10:00:01"), Adjusted(balance="rmb-wallet", amount="1", unit="CNY", reason="fee", corrects=calls[0]))

    feed = fed(ledger.lines)

    assert [calls[3], calls[2]] == [row.id for row in feed.rows()]
    assert () == feed.lines(calls[0])


def test_a_text_in_any_field(tmp_path: Path) -> None:
    """A filter finds a text in any field, whatever its case."""
    ledger = Ledger(tmp_path)
    call = fell_back(ledger)
    paid_relay(ledger, "10:00:01", n=2)
    feed = fed(ledger.lines)

    for text in ("OPENAI-credit", "0.0036", "official", call[-20:]):
        assert [call] == [row.id for row in feed.rows(text)]
    assert 2 == len(list(feed.rows("Aider")))


def test_a_call_that_began_before(tmp_path: Path) -> None:
    """A call whose beginning was not seen is told from what its later lines repeat."""
    ledger = Ledger(tmp_path)
    call = call_id(at("23:59:59"))
    ledger.add(at("23:59:59"), routed(call), held_official(call, n=1))
    ledger.add(at("00:00:01", NEXT), settled_official(call, n=1))

    (row,) = fed(ledger.lines[-2:]).rows()

    assert (row.clock, row.key, row.state) == ("00:00:01", "aider", "200 ok")


def test_a_state_of_another_version() -> None:
    """A page whose state can't be read is damage that names the page."""
    opened = Opened(page="2026-11-24", machine="m_1", lineage="l_1", fold=msgspec.Raw(b'{"book":7}'))
    with pytest.raises(LedgerDamaged, match=r"page 2026-11-24 holds a state that this version can't read"):
        Feed().apply(Line(seq=1, ts=at("10:00:00"), entry=opened))
