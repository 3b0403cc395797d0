"""A page's lines: their bytes, their order and their chain."""

from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokens_forge.core.entries import NO_CHAIN, Adjusted, Configured, Entry, Line, Recovered
from tokens_forge.core.errors import LedgerDamaged
from tokens_forge.files.pages import (
    check_line,
    decode_line,
    encode_line,
    line_chain,
    page_of,
    page_path,
    pages,
    whole_lines,
)

TS = "2026-11-24T10:00:00.000000Z"
TOPUP = Adjusted(balance="wallet", amount="5", unit="USD", reason="topup")


def line(note: str = "", *, seq: int = 1, chain: str = NO_CHAIN) -> tuple[bytes, str]:
    """Encode a top-up; its bytes come without the line feed."""
    entry = Adjusted(balance="wallet", amount="5", unit="USD", reason="topup", note=note)
    raw, own = encode_line(entry, seq=seq, ts=TS, chain=chain)
    return raw.removesuffix(b"\n"), own


def test_a_line_begins_and_ends_as_promised() -> None:
    """The format is a public contract: `v`, `seq`, `ts` and `type` first, `chain` last, absent where not applicable."""
    raw, chain = encode_line(TOPUP, seq=7, ts=TS, chain=NO_CHAIN)
    assert raw == (
        b'{"v":0,"seq":7,"ts":"2026-11-24T10:00:00.000000Z","type":"adjusted","balance":"wallet","amount":"5",'
        b'"unit":"USD","reason":"topup","chain":"%s"}\n' % chain.encode()
    )
    assert len(chain) == 32


@given(st.text(max_size=20), st.integers(1, 2**53))
def test_a_line_reads_back(note: str, seq: int) -> None:
    """Whatever a note says, also one that looks like the end of a line."""
    raw, chain = line(f'{note}","chain":"', seq=seq)
    expected = Line(
        seq=seq,
        ts=TS,
        entry=Adjusted(balance="wallet", amount="5", unit="USD", reason="topup", note=f'{note}","chain":"'),
    )
    assert expected == decode_line(raw)
    assert chain == line_chain(raw)
    assert expected == check_line(raw, seq=seq, chain=NO_CHAIN, where="x")


def test_readers_ignore_what_they_do_not_know() -> None:
    """A later version may add members; this one reads the rest."""
    raw = b'{"v":0,"seq":1,"ts":"%s","type":"recovered","scope":"balance","name":"w","by":"topup","new":{},"chain":""}'
    assert decode_line(raw % TS.encode()).entry == Recovered(scope="balance", name="w", by="topup")


@pytest.mark.parametrize("raw", [b"", b"{}", b"torn", b'{"seq":1,"chain":"00"}', b'{"chain":"' + b"0" * 32])
def test_what_is_no_line_has_no_chain(raw: bytes) -> None:
    """The chain stands in one place; bytes without it there have none, and none is never right."""
    assert line_chain(raw) == ""
    with pytest.raises(LedgerDamaged, match="page:3: its chain does not follow"):
        check_line(raw, seq=1, chain=NO_CHAIN, where="page:3")


def test_an_edit_is_seen() -> None:
    """One changed byte anywhere in a line breaks its chain."""
    raw, _ = line()
    for at in range(len(raw)):
        edited = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        with pytest.raises(LedgerDamaged):
            check_line(edited, seq=1, chain=NO_CHAIN, where="x")


def test_a_reordering_is_seen() -> None:
    """A line follows from exactly one other."""
    first, chain = line()
    second, _ = line(seq=2, chain=chain)
    assert check_line(first, seq=1, chain=NO_CHAIN, where="x").seq == 1
    assert check_line(second, seq=2, chain=chain, where="x").seq == 2
    with pytest.raises(LedgerDamaged, match="edited, moved or cut"):
        check_line(second, seq=2, chain=NO_CHAIN, where="x")


def test_a_gap_is_seen() -> None:
    """CASES 43: a number that is missing is said with the one that belongs there."""
    raw, _ = line(seq=3)
    with pytest.raises(LedgerDamaged, match="page:2: it is number 3 where number 2 belongs"):
        check_line(raw, seq=2, chain=NO_CHAIN, where="page:2")


class Unknown(Entry, frozen=True, kw_only=True, tag="unheard"):
    """An entry kind of another version."""


def test_an_entry_of_another_kind_is_said() -> None:
    """A chain may be right and the entry unknown: an older program reads a newer ledger."""
    encode = encode_line
    raw, _ = encode(Unknown(), seq=1, ts=TS, chain=NO_CHAIN)  # pyright: ignore[reportArgumentType] - that is the point
    with pytest.raises(LedgerDamaged, match="x: not an entry that this version knows"):
        check_line(raw.removesuffix(b"\n"), seq=1, chain=NO_CHAIN, where="x")
    with pytest.raises(msgspec.DecodeError):
        decode_line(raw)


def test_a_page_is_a_day(tmp_path: Path) -> None:
    """A page's name is its UTC day; other files are no pages; no folder has none."""
    for name in ("2026-11-24.jsonl", "2026-01-02.jsonl", "2026-11-24.jsonl.bak", "notes.jsonl"):
        (tmp_path / name).touch()
    assert pages(tmp_path) == ["2026-01-02", "2026-11-24"]
    assert pages(tmp_path / "none") == []
    assert page_of(TS) == "2026-11-24"
    assert page_path(tmp_path, page_of(TS)) == tmp_path / "2026-11-24.jsonl"


@given(st.lists(st.text(max_size=5), max_size=4))
def test_a_page_cut_anywhere_is_a_prefix(notes: list[str]) -> None:
    """A torn last line is left out, and what is left is the lines before it."""
    lines: list[bytes] = []
    chain = NO_CHAIN
    for seq, note in enumerate(notes, 1):
        raw, chain = line(note, seq=seq, chain=chain)
        lines.append(raw)
    page = b"".join(raw + b"\n" for raw in lines)
    found = [list(whole_lines(page[:cut])) for cut in range(len(page) + 1)]
    assert lines == found[-1]
    assert all(before == after[: len(before)] and len(after) <= len(before) + 1 for before, after in pairwise(found))


def test_a_page_may_hold_any_kind() -> None:
    """Each kind is told by its `type`."""
    entry = Configured(config="c_1", cards="p_1", changes=("route.relay.price: list 0.35 → 0.30",))
    raw, _ = encode_line(entry, seq=1, ts=TS, chain=NO_CHAIN)
    assert decode_line(raw).entry == entry
