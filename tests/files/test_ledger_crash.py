"""The ledger under attack: cut at every byte, refused by its disk at every write, edited, shuffled.

Whatever happens to a page, a start gives exactly what its whole lines add up to; whatever happens to a write, nothing
that was applied is undone.
"""

import errno
from collections import deque
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from disks import Disk, fold_of, folders, lines_of, now, topup
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
    settled_relay,
    voided_relay,
)

from tokens_forge.core.entries import AnyEntry, Configured, Cooled, Line, Opened, Refused, Settled
from tokens_forge.core.errors import LedgerDamaged, LedgerStuck
from tokens_forge.core.fold import Fold, decode
from tokens_forge.files import ledger_writer
from tokens_forge.files.ledger_reader import verify
from tokens_forge.files.ledger_writer import stand
from tokens_forge.files.pages import page_path
from tokens_forge.files.paths import Paths

NEXT = "2026-11-25"
FULL, BROKEN = -errno.ENOSPC, -errno.EIO


def eventful(folder: Path) -> Ledger:
    """Write two pages with every kind of entry; calls are open at every stage, one across midnight."""
    ledger = Ledger(folder)
    ledger.add(at("09:00:00"), topup("5"), Configured(config="c_1", cards="p_1"))
    fell_back(ledger, "10:00:00", n=1)
    held, tried, asked = (call_id(at("23:59:59"), n) for n in (2, 3, 4))
    ledger.add(at("23:59:59"), routed(held), held_relay(held))
    ledger.add(at("23:59:59"), routed(tried), held_relay(tried), voided_relay(tried))
    ledger.add(at("00:00:01", NEXT), routed(asked), held_official(tried))
    ledger.add(at("00:00:02", NEXT), settled_relay(held), refused(asked))
    cooled = Cooled(
        scope="candidate", name="relay/gpt-5", until=at("00:00:12", NEXT), level=1, error="x", causes=(f"{tried}/1",)
    )
    ledger.add(at("00:00:03", NEXT), cooled, topup("2"), Configured(config="c_2", cards="p_1"))
    late = call_id(at("00:00:04", NEXT), 5)
    ledger.add(at("00:00:04", NEXT), routed(late), held_relay(late))
    return ledger


def closings(fold: Fold) -> dict[str, str]:
    """Return what a start must say of each open call: charged at its hold, or found open."""
    return {
        name: " ".join(f"lost {held.hold} {held.unit}" for held in call.holds.values()) or "found_open"
        for name, call in fold.calls.items()
    }


def told(entry: AnyEntry) -> tuple[str, str]:
    """Return a closing entry in the same words."""
    assert isinstance(entry, Settled | Refused), entry
    assert entry.final
    return entry.id, f"{entry.outcome} {entry.charge} {entry.unit}" if isinstance(entry, Settled) else entry.reason


def goes_on_after_a_start(paths: Paths) -> None:
    """Start a ledger on the files and hold it to what must be true."""
    left = lines_of(paths)
    before = fold_of(left)
    assert before == stand(paths).fold, "a start gives exactly the whole lines"
    open_calls = closings(before)

    ledger = ledger_writer.Ledger(paths, system=Disk().system())
    ledger.start(now(at("00:01:00", NEXT)))
    ledger.drain()
    ledger.close()

    lines = lines_of(paths)
    added = [line.entry for line in lines[len(left) :] if not isinstance(line.entry, Opened)]
    assert left == lines[: len(left)], "nothing whole is lost"
    assert open_calls == dict(map(told, added)), "open calls are closed, once each"
    assert list(range(1, len(lines) + 1)) == [line.seq for line in lines], "no gap"
    assert ledger.fold == fold_of(lines) == stand(paths).fold
    assert {} == ledger.fold.calls
    assert all(state.held == 0 for state in ledger.fold.book.balances.values())
    assert (len(lines), 0) == ((found := verify(paths.ledger)).lines, found.torn_bytes)


@pytest.mark.parametrize("newest", [DAY, NEXT])
def test_a_cut_at_every_byte(tmp_path: Path, newest: str) -> None:
    """CASES 42: whatever a power loss leaves of the newest page, a start continues from its whole lines.

    A cut within a page's `opened` falls back to the page before, and to nothing when there is none. A start leaves
    exactly the whole lines behind, so how it goes on is shown once for each number of them.
    """
    paths = folders(tmp_path)
    eventful(paths.ledger)
    if newest == DAY:
        page_path(paths.ledger, NEXT).unlink()
    kept = {path: path.read_bytes() for path in paths.ledger.iterdir()}
    path = page_path(paths.ledger, newest)
    data = kept[path]
    shown = -1
    expected = Fold()
    for size in range(len(data) + 1):
        path.write_bytes(data[:size])
        whole = data.rfind(b"\n", 0, size) + 1
        if whole != shown:
            expected = fold_of(lines_of(paths))
        assert expected == stand(paths).fold

        ledger = ledger_writer.Ledger(paths)
        ledger.start(now(at("00:01:00", NEXT)))

        assert (data[:whole] or None) == (path.read_bytes() if path.exists() else None)
        torn = size - whole
        said = [f"{path}: a torn last line of {torn} bytes was cut off"] if torn or not whole else []
        assert said == [note for note in ledger.notes if "torn" in note]
        if whole != shown:
            shown = whole
            goes_on_after_a_start(paths)
            rewound(paths, kept)


def session(paths: Paths, disk: Disk) -> Iterator[ledger_writer.Ledger]:
    """Append a day's and the next day's entries, and yield the ledger before each of its writes."""
    ledger = ledger_writer.Ledger(paths, system=disk.system())
    ledger.start(now(at("12:00:00")))
    for ts in (at("12:00:01"), at("23:59:59"), at("00:00:01", NEXT), at("00:00:02", NEXT)):
        ledger.append(topup("1", note=ts), ts)
        ledger.append(topup("2"), ts)
        yield ledger
    ledger.close()


def begun(folder: Path) -> tuple[Paths, dict[Path, bytes], dict[Path, bytes]]:
    """Return the files of a small ledger: as it begins, and as a session without any trouble leaves it."""
    paths = folders(folder)
    Ledger(paths.ledger).add(at("10:00:00"), topup("5"))
    before = {path: path.read_bytes() for path in paths.ledger.iterdir()}
    for ledger in session(paths, Disk()):
        ledger.drain()
    return paths, before, {path: path.read_bytes() for path in paths.ledger.iterdir()}


def rewound(paths: Paths, before: dict[Path, bytes]) -> None:
    """Put the pages back as they were."""
    for path in paths.ledger.iterdir():
        path.unlink()
    for path, data in before.items():
        path.write_bytes(data)


def troubled(paths: Paths, disk: Disk, *, at_write: int, trouble: Callable[[Disk], None]) -> int:
    """Run a session whose disk gets into trouble before one of its writes; return how often it was stuck."""
    stuck = 0
    for number, ledger in enumerate(session(paths, disk)):
        if number == at_write:
            trouble(disk)
        for _try in range(5):
            before = ledger.fold.encode(), ledger.seq
            try:
                ledger.drain()
                break
            except LedgerStuck:
                stuck += 1
                assert before == (ledger.fold.encode(), ledger.seq), "nothing applied is undone"
                lines = lines_of(paths)
                assert ledger.written == len(lines), "what counts as written is there whole, and no more"
                assert verify(paths.ledger).lines == len(lines), "what is there follows line by line"
    return stuck


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("cuts", [(), (errno.EIO, errno.ENOSPC)], ids=["cut", "no cut at first"])
def test_a_short_write_of_every_length(tmp_path: Path, number: int, cuts: tuple[int, ...]) -> None:
    """A full disk takes a part of a write. It is cut off before more is written, and no line is lost or doubled."""
    paths, before, after = begun(tmp_path)
    sizes = [len(line) + 1 for data in after.values() for line in data.split(b"\n")[:-1]][2:]
    # The third write is of a new page, whose `opened` goes with it.
    batches = [sum(sizes[0:2]), sum(sizes[2:4]), sum(sizes[4:7]), sum(sizes[7:9])]
    for length in range(batches[number]):
        rewound(paths, before)
        disk = Disk(cuts=deque(cuts))

        def trouble(disk: Disk, length: int = length) -> None:
            disk.writes.extend((length, FULL))

        stuck = troubled(paths, disk, at_write=number, trouble=trouble)

        assert after == {path: path.read_bytes() for path in paths.ledger.iterdir()}
        assert 2 + len(cuts) == stuck


@pytest.mark.parametrize("failure", [FULL, BROKEN])
@pytest.mark.parametrize("number", range(4))
def test_a_write_that_fails(tmp_path: Path, number: int, failure: int) -> None:
    """A disk that takes nothing keeps the queue as it is; once it takes more, all is written in order."""
    paths, before, after = begun(tmp_path)
    rewound(paths, before)

    stuck = troubled(paths, Disk(), at_write=number, trouble=lambda disk: disk.writes.extend((failure, failure)))

    assert 2 == stuck
    assert after == {path: path.read_bytes() for path in paths.ledger.iterdir()}


def test_a_page_whose_sync_fails_is_not_left(tmp_path: Path) -> None:
    """A page is closed once it is on the disk: until then the next one is not begun."""
    paths, before, after = begun(tmp_path)
    rewound(paths, before)

    stuck = troubled(paths, Disk(), at_write=2, trouble=lambda disk: disk.syncs.append(errno.EIO))

    assert 1 == stuck
    assert after == {path: path.read_bytes() for path in paths.ledger.iterdir()}


@pytest.mark.parametrize("number", range(4))
def test_a_kill_in_the_middle_of_a_short_write(tmp_path: Path, number: int) -> None:
    """A process that dies with a torn line behind it, and a queue before it, leaves a ledger that goes on."""
    paths, before, _after = begun(tmp_path)
    for length in (1, 100, 200, 300):
        rewound(paths, before)
        disk = Disk()
        for place, ledger in enumerate(session(paths, disk)):
            if place < number:
                ledger.drain()
                continue
            disk.writes.append(length)
            with pytest.raises(LedgerStuck, match=r"the disk took a part only"):
                ledger.drain()
            ledger.close()
            break
        goes_on_after_a_start(paths)


def test_a_page_carries_the_live_fold(tmp_path: Path) -> None:
    """`opened` holds what all pages before it add up to, and says where the one before ended."""
    paths, _before, after = begun(tmp_path)
    lines = lines_of(paths)
    place = next(n for n, line in enumerate(lines) if n and isinstance(line.entry, Opened))
    opened = lines[place].entry
    assert isinstance(opened, Opened)
    previous = opened.previous
    assert previous is not None

    assert fold_of(lines[:place]) == decode(opened.fold)
    first = after[page_path(paths.ledger, DAY)]
    assert (DAY, len(first), place) == (previous.page, previous.bytes, previous.seq)
    assert first.endswith(previous.chain.encode() + b'"}\n')


def three_pages(folder: Path) -> list[Path]:
    """Write three small pages and return their files."""
    ledger = Ledger(folder)
    days = (DAY, NEXT, "2026-11-26")
    for day in days:
        ledger.add(at("10:00:00", day), topup("1"), topup("2"), topup("3"))
    return [page_path(folder, day) for day in days]


def test_a_changed_byte_anywhere_is_found(tmp_path: Path) -> None:
    """CASES 43: `tf ledger verify` sees every changed byte, and a start sees it in the newest page.

    The very last line feed is the one byte whose change can't be told from a write that did not finish.
    """
    paths = folders(tmp_path)
    pages = three_pages(paths.ledger)
    for path in pages:
        data = path.read_bytes()
        for place, byte in enumerate(data):
            for flip in (0x01, 0x20, 0x80):
                path.write_bytes(data[:place] + bytes((byte ^ flip,)) + data[place + 1 :])
                if path == pages[-1] and place == len(data) - 1:
                    assert verify(paths.ledger).torn_bytes > 0
                    continue
                with pytest.raises(LedgerDamaged, match=r"^2026-11-2\d:\d: "):
                    verify(paths.ledger)
                if path == pages[-1]:
                    with pytest.raises(LedgerDamaged, match=r"2026-11-26\.jsonl:\d: "):
                        stand(paths)
        path.write_bytes(data)
    assert 12 == verify(paths.ledger).lines


def removed(lines: list[bytes], n: int) -> list[bytes]:
    return lines[:n] + lines[n + 1 :]


def swapped(lines: list[bytes], n: int) -> list[bytes]:
    return [*lines[:n], lines[n + 1], lines[n], *lines[n + 2 :]]


def doubled(lines: list[bytes], n: int) -> list[bytes]:
    return [*lines[: n + 1], *lines[n:]]


@pytest.mark.parametrize("shuffle", [removed, swapped, doubled])
def test_lines_that_are_not_where_they_were_are_found(
    tmp_path: Path, shuffle: Callable[[list[bytes], int], list[bytes]]
) -> None:
    """CASES 43: a line removed, swapped with the next, or written twice; on any page but at the ledger's very end."""
    paths = folders(tmp_path)
    pages = three_pages(paths.ledger)
    for path in pages:
        data = path.read_bytes()
        lines = data.splitlines(keepends=True)
        for number in range(len(lines) - 1):
            path.write_bytes(b"".join(shuffle(lines, number)))
            with pytest.raises(LedgerDamaged):
                verify(paths.ledger)
        path.write_bytes(data)


def test_lines_that_two_pages_swapped_are_found(tmp_path: Path) -> None:
    """The same place on another page is another place."""
    paths = folders(tmp_path)
    for one, other in pairwise(three_pages(paths.ledger)):
        before = one.read_bytes(), other.read_bytes()
        first, second = (data.splitlines(keepends=True) for data in before)
        first[2], second[2] = second[2], first[2]
        one.write_bytes(b"".join(first))
        other.write_bytes(b"".join(second))
        with pytest.raises(LedgerDamaged, match=r":3: its chain does not follow"):
            verify(paths.ledger)
        one.write_bytes(before[0])
        other.write_bytes(before[1])


def test_a_removed_page_is_found(tmp_path: Path) -> None:
    """A page in the middle that is gone is damage; the first pages may be kept elsewhere, and that is said."""
    paths = folders(tmp_path)
    pages = three_pages(paths.ledger)
    middle = pages[1].read_bytes()
    pages[1].unlink()
    with pytest.raises(LedgerDamaged, match=r"^2026-11-26:1: its chain does not follow"):
        verify(paths.ledger)

    pages[1].write_bytes(middle)
    pages[0].unlink()

    assert (8, DAY) == ((found := verify(paths.ledger)).lines, found.begins_after)


def test_the_end_of_a_page_that_is_gone_is_found(tmp_path: Path) -> None:
    """A page that a later one follows can't lose its last line, nor get one more."""
    paths = folders(tmp_path)
    pages = three_pages(paths.ledger)
    data = pages[0].read_bytes()
    for edited in (data[: data.rfind(b"\n", 0, -1) + 1], data[:-1], data + data.splitlines(keepends=True)[-1]):
        pages[0].write_bytes(edited)
        with pytest.raises(LedgerDamaged):
            verify(paths.ledger)


def test_damage_before_the_last_line_stops_a_start(tmp_path: Path) -> None:
    """A start does not go on from what it can't believe, and names the line; nothing is changed."""
    paths = folders(tmp_path)
    ledger = Ledger(paths.ledger)
    paid_relay(ledger, "10:00:00")
    path = page_path(paths.ledger, DAY)
    edited = path.read_bytes().replace(b'"charge":"0.02"', b'"charge":"0.01"') + b'{"torn'
    path.write_bytes(edited)

    with pytest.raises(LedgerDamaged, match=rf"{path}:4: its chain does not follow"):
        ledger_writer.Ledger(paths).start(now(at("12:00:00")))
    assert edited == path.read_bytes()


def test_replay_needs_only_the_newest_page(tmp_path: Path) -> None:
    """What `opened` carries is what the earlier pages add up to: without them the fold is the same."""
    paths = folders(tmp_path)
    eventful(paths.ledger)
    lines: list[Line] = lines_of(paths)
    page_path(paths.ledger, DAY).unlink()

    assert fold_of(lines) == stand(paths).fold
