"""A call is found by what its user has at hand, a growing ledger is followed, and damage is named."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
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
    voided_relay,
)

from tokens_forge.core.entries import Adjusted, Cooled, Recovered, Settled
from tokens_forge.core.errors import LedgerDamaged, LedgerError
from tokens_forge.files import ledger_reader
from tokens_forge.files.ledger_reader import Follower, Verified, call_time, find, read_lines, verify
from tokens_forge.files.pages import page_path

NEXT = "2026-11-25"


def test_a_story_goes_on_through_later_pages_to_its_corrections(tmp_path: Path) -> None:
    """A call that passes midnight is whole, its later corrections and what it cooled included."""
    ledger = Ledger(tmp_path)
    call = call_id(at("23:59:59"))
    ledger.add(at("23:59:59"), routed(call), held_relay(call))
    other = fell_back(ledger, "00:00:01", n=2, day=NEXT)
    ledger.add(
        at("00:00:02", NEXT),
        voided_relay(call),
        Cooled(
            scope="candidate", name="relay/gpt-5", until=at("00:00:12", NEXT), level=1, error="x", causes=(f"{call}/1",)
        ),
        held_official(call),
        settled_official(call),
        Recovered(scope="candidate", name="relay/gpt-5", by=f"{call}/2"),
    )
    correction = Adjusted(balance="openai-credit", amount="0.001", unit="USD", reason="correction", corrects=call)
    ledger.add(at("00:00:03", "2026-11-26"), correction, Adjusted(balance="b", amount="1", unit="USD", reason="topup"))

    types = [type(line.entry).__name__ for line in find(tmp_path, call)]

    assert types == ["Routed", "Held", "Voided", "Cooled", "Held", "Settled", "Recovered", "Adjusted"]
    assert len(find(tmp_path, other)) == 5


NAMED: dict[str, Callable[[str], str]] = {
    "id": lambda call: call,
    "hex": lambda call: call.removeprefix("tf_"),
    "upper case": lambda call: call.upper().replace("TF_", "tf_"),
    "end": lambda call: call[-6:],
    "beginning": lambda call: call[:20],
    "the upstream's id": lambda _call: "chatcmpl-1",
    "last": lambda _call: " last ",
}


@pytest.mark.parametrize("named", NAMED.values(), ids=NAMED)
def test_a_call_is_named_by_what_its_user_has(tmp_path: Path, named: Callable[[str], str]) -> None:
    """An id, an unambiguous part of one, the upstream's id and `last` name the same call."""
    ledger = Ledger(tmp_path)
    fell_back(ledger, "09:00:00", n=0xABCDEF)
    call = paid_relay(ledger, "10:00:00", n=0x123456, upstream_id="chatcmpl-1")
    open_call = call_id(at("10:00:01"), 0x777777)
    ledger.add(at("10:00:01"), routed(open_call))

    assert find(tmp_path, named(call)) == tuple(line for line in ledger.lines[-4:-1])


def test_last_is_the_newest_closing_entry(tmp_path: Path) -> None:
    """`last` is the call that ended last, a refused one included, also on an earlier page."""
    ledger = Ledger(tmp_path)
    fell_back(ledger, "09:00:00")
    call = call_id(at("10:00:00"))
    ledger.add(at("10:00:00"), routed(call), refused(call))
    ledger.add(at("10:00:00", NEXT), Adjusted(balance="b", amount="1", unit="USD", reason="topup", note='"final":true'))

    assert find(tmp_path, "last") == tuple(ledger.lines[-4:-2])


def test_no_call_has_ended(tmp_path: Path) -> None:
    """`last` with nothing ended says so and what to do."""
    ledger = Ledger(tmp_path)
    ledger.add(at("10:00:00"), routed(call_id(at("10:00:00"))))

    with pytest.raises(LedgerError, match=r"no call has ended yet in 1 page \(2026-11-24\): send one"):
        find(tmp_path, "last")


def test_unknown_names_say_where_was_searched(tmp_path: Path) -> None:
    """An id that names nothing says how many pages were searched and what to run instead."""
    with pytest.raises(LedgerError, match=r"no ledger in .* yet: `tf serve` begins one"):
        find(tmp_path / "ledger", "last")
    ledger = Ledger(tmp_path)
    fell_back(ledger)
    fell_back(ledger, day=NEXT)
    for name in ("tf_" + "0" * 32, "f" * 32, "feedfeed", "no such id"):
        with pytest.raises(LedgerError, match=r"no call `.*` in 2 pages \(2026-11-24 to 2026-11-25\): `tf explain"):
            find(tmp_path, name)
    with pytest.raises(LedgerError, match=r"`abc` is too short to name a call: give at least 4"):
        find(tmp_path, "abc")


def test_an_ambiguous_name_lists_the_newest(tmp_path: Path) -> None:
    """A name of several calls lists up to five with time and model, the newest first."""
    ledger = Ledger(tmp_path)
    calls = [fell_back(ledger, f"10:00:0{n}", n=n) for n in range(7)]

    with pytest.raises(LedgerError) as raised:
        find(tmp_path, "chatcmpl-77")

    listed = [f"  {call}  2026-11-24T10:00:0{6 - n}Z  smart" for n, call in enumerate(reversed(calls[2:]))]
    intro = "`chatcmpl-77` names several calls; the last characters of an id tell them apart:"
    assert str(raised.value).splitlines() == [intro, *listed, "  and more"]


def test_a_clients_text_names_no_call(tmp_path: Path) -> None:
    """What a client wrote into a field is never taken for an id: it is escaped inside its string."""
    ledger = Ledger(tmp_path)
    call = call_id(at("10:00:00"))
    ledger.add(at("10:00:00"), routed(call, agent='"id":"tf_feedfeed" "upstream_id":"mine"'))

    with pytest.raises(LedgerError, match=r"no call `feedfeed`"):
        find(tmp_path, "feedfeed")
    with pytest.raises(LedgerError, match=r"no call `mine`"):
        find(tmp_path, "mine")


def test_a_line_longer_than_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the size of the blocks, the same lines are found and followed."""
    ledger = Ledger(tmp_path)
    call = fell_back(ledger)
    monkeypatch.setattr(ledger_reader, "_BLOCK", 100)

    assert tuple(ledger.lines[1:]) == find(tmp_path, call)
    follower = Follower(tmp_path)
    assert [line for _ in range(10) for line in follower.read(100)] == list(read_lines(tmp_path))


def test_lines_from_a_page_on(tmp_path: Path) -> None:
    """`since_page` leaves out earlier pages; a torn last line is left out."""
    ledger = Ledger(tmp_path)
    fell_back(ledger)
    fell_back(ledger, day=NEXT)
    with page_path(tmp_path, NEXT).open("ab") as page:
        page.write(b'{"v":0,"seq":')

    assert [line.seq for line in read_lines(tmp_path)] == list(range(1, 13))
    assert [line.seq for line in read_lines(tmp_path, NEXT)] == list(range(7, 13))


def test_a_line_of_another_version_is_named(tmp_path: Path) -> None:
    """A line that is no entry known here says its page and which command finds it."""
    ledger = Ledger(tmp_path)
    fell_back(ledger)
    with page_path(tmp_path, DAY).open("ab") as page:
        page.write(b'{"v":9,"final":true}\n')

    with pytest.raises(
        LedgerDamaged, match=r"^2026-11-24:7: not an entry that this version knows .*: `tf ledger verify`"
    ):
        find(tmp_path, "last")


def test_following_across_pages(tmp_path: Path) -> None:
    """A follower begins with the newest page and gives each line once, lines left on a closed page first."""
    follower = Follower(tmp_path)
    assert follower.read() == []
    ledger = Ledger(tmp_path)
    fell_back(ledger)
    fell_back(ledger, day=NEXT)
    seen = follower.read()
    assert [line.seq for line in seen] == [7, 8, 9, 10, 11, 12]
    fell_back(ledger, "11:00:00", day=NEXT)
    fell_back(ledger, day="2026-11-26")

    seen += follower.read()
    seen += follower.read()

    assert seen == ledger.lines[6:]
    assert follower.read() == []


def test_following_from_an_earlier_page(tmp_path: Path) -> None:
    """A follower that is told a page begins there, or with the next that there is."""
    ledger = Ledger(tmp_path)
    fell_back(ledger)
    fell_back(ledger, day="2026-11-26")
    follower = Follower(tmp_path, since_page=NEXT)

    assert [line.seq for line in follower.read()] == [7, 8, 9, 10, 11, 12]


def test_a_torn_line_is_completed_or_cut(tmp_path: Path) -> None:
    """A follower waits for the end of a torn line, and does not mind when it is cut away."""
    ledger = Ledger(tmp_path)
    fell_back(ledger)
    path = page_path(tmp_path, DAY)
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    follower = Follower(tmp_path)
    seen = follower.read()
    assert [line.seq for line in seen] == [1, 2, 3, 4, 5]

    path.write_bytes(whole[: whole.rfind(b"\n", 0, -1) + 1])
    assert follower.read() == []
    path.write_bytes(whole)

    assert seen + follower.read() == ledger.lines


def test_a_replaced_ledger_stops_a_follower(tmp_path: Path) -> None:
    """A page that lost what was read of it is an error, not a silent jump."""
    ledger = Ledger(tmp_path)
    fell_back(ledger)
    follower = Follower(tmp_path)
    follower.read()
    page_path(tmp_path, DAY).write_bytes(b"")

    with pytest.raises(LedgerError, match=r"2026-11-24.jsonl is shorter than what was read of it"):
        follower.read()


def test_a_whole_ledger_verifies(tmp_path: Path) -> None:
    """Verification says what there is: pages, lines, time, the last chain, and a torn end."""
    assert verify(tmp_path) == Verified(pages=0, lines=0)
    ledger = Ledger(tmp_path)
    fell_back(ledger)
    fell_back(ledger, day=NEXT)
    with page_path(tmp_path, NEXT).open("ab") as page:
        page.write(b'{"v":0')

    expected = Verified(
        pages=2, lines=12, first=at("10:00:00"), last=at("10:00:00", NEXT), seq=12, chain=ledger.chain, torn_bytes=6
    )
    assert expected == verify(tmp_path)


def test_a_ledger_without_its_first_pages_verifies(tmp_path: Path) -> None:
    """Pages that were moved away leave a ledger that says after which page it begins."""
    ledger = Ledger(tmp_path)
    fell_back(ledger)
    fell_back(ledger, day=NEXT)
    page_path(tmp_path, DAY).unlink()

    verified = verify(tmp_path)

    expected = (1, 6, 12, DAY)
    assert expected == (verified.pages, verified.lines, verified.seq, verified.begins_after)


def _edit(path: Path, line: int, old: bytes, new: bytes) -> None:
    lines = path.read_bytes().split(b"\n")
    assert old in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(old, new)
    path.write_bytes(b"\n".join(lines))


def test_an_edit_is_found(tmp_path: Path) -> None:
    """A changed figure breaks the chain at its line (CASES 43)."""
    fell_back(Ledger(tmp_path))
    _edit(page_path(tmp_path, DAY), 6, b'"charge":"0.0036"', b'"charge":"0.0035"')

    with pytest.raises(LedgerDamaged, match=r"^2026-11-24:6: its chain does not follow"):
        verify(tmp_path)


def test_a_missing_line_is_found(tmp_path: Path) -> None:
    """A line that is gone breaks the chain at the next."""
    fell_back(Ledger(tmp_path))
    path = page_path(tmp_path, DAY)
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join(lines[:3] + lines[4:]))

    with pytest.raises(LedgerDamaged, match=r"^2026-11-24:4: its chain does not follow"):
        verify(tmp_path)


def test_another_version_is_found(tmp_path: Path) -> None:
    """A line of a version that this program does not know is named."""
    fell_back(Ledger(tmp_path))
    _edit(page_path(tmp_path, DAY), 2, b'{"v":0,', b'{"v":7,')

    with pytest.raises(LedgerDamaged, match=r"^2026-11-24:2: no line of version 0"):
        verify(tmp_path)


def test_a_first_line_that_is_none_is_found(tmp_path: Path) -> None:
    """Bytes that are no line at all are damage at line 1."""
    page_path(tmp_path, DAY).write_bytes(b'{"v":0,"nonsense"\n')

    with pytest.raises(LedgerDamaged, match=r"^2026-11-24:1: not an entry that this version knows"):
        verify(tmp_path)


def test_time_going_back_is_found(tmp_path: Path) -> None:
    """Stamps never go back, even when the chain was made for them."""
    ledger = Ledger(tmp_path)
    fell_back(ledger)
    ledger.add(at("09:00:00"), routed(call_id(at("09:00:00"))))

    with pytest.raises(LedgerDamaged, match=r"^2026-11-24:7: its time .* is before the line before"):
        verify(tmp_path)


def test_a_torn_line_before_the_last_page_is_damage(tmp_path: Path) -> None:
    """Only the newest page may end in a torn line."""
    ledger = Ledger(tmp_path)
    fell_back(ledger)
    fell_back(ledger, day=NEXT)
    with page_path(tmp_path, DAY).open("ab") as page:
        page.write(b"{")

    with pytest.raises(LedgerDamaged, match=r"^2026-11-24:7: the page ends in the middle of a line"):
        verify(tmp_path)


def test_pages_must_name_the_one_before(tmp_path: Path) -> None:
    """`opened` must say where the page before ended, and stand first."""
    ledger = Ledger(tmp_path)
    fell_back(ledger)
    ledger.page = ""
    fell_back(ledger, day=NEXT)
    with pytest.raises(LedgerDamaged, match=r"^2026-11-25:1: it names no page before, and 2026-11-24 is there"):
        verify(tmp_path)


def test_a_page_in_another_days_file_is_found(tmp_path: Path) -> None:
    """A page that was renamed is damage."""
    fell_back(Ledger(tmp_path))
    page_path(tmp_path, DAY).rename(page_path(tmp_path, NEXT))

    with pytest.raises(LedgerDamaged, match=r"^2026-11-25:1: it opens page 2026-11-24 in the file of 2026-11-25"):
        verify(tmp_path)


def test_a_page_that_ends_elsewhere_is_found(tmp_path: Path) -> None:
    """`opened` names page, bytes, seq and chain of the page before; the first that differs is said."""
    ledger = Ledger(tmp_path)
    fell_back(ledger)
    path = page_path(tmp_path, DAY)
    path.write_bytes(path.read_bytes() + b"x")  # the size that the next page will name
    fell_back(ledger, day=NEXT)
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(LedgerDamaged, match=r"^2026-11-25:1: it says that the page before ends with bytes \d+, and"):
        verify(tmp_path)


def test_a_page_without_opened_is_found(tmp_path: Path) -> None:
    """The first line of a page is `opened`."""
    ledger = Ledger(tmp_path, page=DAY)
    ledger.add(at("10:00:00"), routed(call_id(at("10:00:00"))))

    with pytest.raises(LedgerDamaged, match=r"^2026-11-24:1: `opened` is the first line of a page"):
        verify(tmp_path)


def test_the_time_of_an_id() -> None:
    """A call's id begins with its ms since 1970; what is no such id has no time."""
    expected = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
    assert expected == call_time(call_id(at("10:00:00")))
    assert call_time("tf_zz") is None
    assert call_time("tf_" + "f" * 32) is None


def test_settled_is_found_whole(tmp_path: Path) -> None:
    """The entry that is found is the one that was written, to the last field."""
    call = paid_relay(Ledger(tmp_path), "10:00:00")
    entries = [line.entry for line in find(tmp_path, call) if isinstance(line.entry, Settled)]
    assert [entry.charge for entry in entries] == ["0.02"]
