"""The ledger's one writer: its lock, its place, its start and its checkpoint."""

import hashlib
import json
import os
import stat as modes
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from disks import Disk, fold_of, folders, lines_of, now, topup
from ledgers import DAY, Ledger, at, call_id, fell_back, held_official, held_relay, routed, voided_relay

from tokens_forge.core.entries import NO_CHAIN, Adjusted, Configured, Opened, Refused, Settled
from tokens_forge.core.errors import LedgerDamaged, LedgerError, LedgerLocked, LedgerStuck, MoneyError
from tokens_forge.core.fold import Fold
from tokens_forge.core.moments import later, stamp
from tokens_forge.files import ledger_writer
from tokens_forge.files.ledger_reader import find, verify
from tokens_forge.files.ledger_writer import Stored, open_ledger, stand
from tokens_forge.files.pages import encode_line, page_of, page_path, pages
from tokens_forge.files.paths import Paths

NEXT = "2026-11-25"
NOON = now(at("12:00:00"))


def mode(path: Path) -> int:
    """Return what the owner and others may do with a file."""
    return modes.S_IMODE(path.stat().st_mode)


def test_a_new_ledger_is_private(tmp_path: Path) -> None:
    """Folders are the user's alone (0700), files too (0600), whatever the umask would give away."""
    paths = folders(tmp_path / "data")
    before = os.umask(0)
    try:
        with open_ledger(paths, NOON) as ledger:
            ledger.append(topup(), ledger.stamp(NOON))
            ledger.configure(Stored("c_1", b"{}"), Stored("p_1", b"{}"), (), ledger.stamp(NOON))
    finally:
        os.umask(before)

    made = {str(path.relative_to(tmp_path)): mode(path) for path in (tmp_path / "data").rglob("*")}
    assert {
        "data/cache": 0o700,
        "data/cache/checkpoint.json": 0o600,
        "data/cards": 0o700,
        "data/cards/p_1.json": 0o600,
        "data/configs": 0o700,
        "data/configs/c_1.json": 0o600,
        "data/ledger": 0o700,
        "data/ledger.lock": 0o600,
        f"data/ledger/{DAY}.jsonl": 0o600,
        "data/machine": 0o600,
    } == made
    assert 0o700 == mode(tmp_path / "data")


def test_an_opened_ledger_without_an_entry_has_no_page(tmp_path: Path) -> None:
    """Looking at a ledger under its lock begins none."""
    paths = folders(tmp_path)
    with open_ledger(paths, NOON) as ledger:
        assert (0, 0, "") == (ledger.seq, ledger.written, ledger.last_ts)
    assert [] == pages(paths.ledger)
    assert Fold() == stand(paths).fold
    assert not paths.checkpoint.exists()


def test_pages_and_starts_keep_machine_and_lineage(tmp_path: Path) -> None:
    """`machine` stays with the installation, `lineage` with the ledger; `seq` runs on across pages and starts."""
    paths = folders(tmp_path)
    for day in range(3):
        moment = NOON + timedelta(days=day)
        with open_ledger(paths, moment) as ledger:
            ledger.append(topup(), ledger.stamp(moment))
    opened = [line.entry for line in lines_of(paths) if isinstance(line.entry, Opened)]

    assert 3 == len(opened)
    assert 1 == len({(entry.machine, entry.lineage) for entry in opened})
    assert opened[0].machine.startswith("m_")
    assert opened[0].lineage.startswith("l_")
    assert [1, 2, 3, 4, 5, 6] == [line.seq for line in lines_of(paths)]
    assert 6 == verify(paths.ledger).lines


def test_what_is_appended_in_one_turn_is_one_write(tmp_path: Path) -> None:
    """`append` writes nothing; `drain` writes all that is queued at once, and what is `written` is what was."""
    disk = Disk()
    with open_ledger(folders(tmp_path), NOON, system=disk.system()) as ledger:
        for _ in range(5):
            ledger.append(topup(), ledger.stamp(NOON))
        assert (6, 0, []) == (ledger.seq, ledger.written, disk.done)
        ledger.drain()
        assert (6, 6, ["write"]) == (ledger.seq, ledger.written, disk.done)


def test_time_and_page_never_go_back(tmp_path: Path) -> None:
    """`ts` is the clock's or the last one, so a clock that is set back over midnight stays on the newest page."""
    paths = folders(tmp_path)
    with open_ledger(paths, now(at("23:59:59"))) as ledger:
        for clock in ("23:59:59", "23:59:58"):
            ledger.append(topup(), ledger.stamp(now(at(clock))))
        for clock, day in (("00:00:01", NEXT), ("23:59:59.5", DAY), ("00:00:02", NEXT)):
            ledger.append(topup(), ledger.stamp(now(at(clock, day))))

    stamps = [line.ts for line in lines_of(paths)]
    assert [at("23:59:59")] * 3 + [at("00:00:01", NEXT)] * 3 + [at("00:00:02", NEXT)] == stamps
    assert [DAY, NEXT] == pages(paths.ledger)
    assert 7 == verify(paths.ledger).lines


def test_a_stamp_of_the_past_is_a_bug(tmp_path: Path) -> None:
    """An entry's moment comes from `stamp`."""
    with open_ledger(folders(tmp_path), NOON) as ledger:
        ledger.append(topup(), at("12:00:00"))
        with pytest.raises(AssertionError, match="before the last entry"):
            ledger.append(topup(), at("11:59:59"))


def test_a_start_with_a_clock_an_hour_behind_stops(tmp_path: Path) -> None:
    """It names both times and what to do, and touches nothing, the torn line included; up to an hour is borne."""
    paths = folders(tmp_path)
    with open_ledger(paths, NOON) as ledger:
        ledger.append(topup(), ledger.stamp(NOON))
    page = page_path(paths.ledger, DAY)
    with page.open("ab") as file:
        file.write(b'{"torn')
    before = page.read_bytes()

    behind = NOON - timedelta(hours=1, microseconds=1)
    expected = (
        rf"the clock says {stamp(behind)}, but the ledger's last entry is of {at('12:00:00')}\. Set the clock; if the "
        rf"ledger is wrong, move its newest page away: {page}"
    )
    with pytest.raises(LedgerError, match=expected), open_ledger(paths, behind):
        pass
    assert before == page.read_bytes()

    with open_ledger(paths, NOON - timedelta(hours=1)) as ledger:
        assert at("12:00:00") == ledger.stamp(NOON - timedelta(hours=1))


def test_configs_and_cards_are_kept_before_they_are_named(tmp_path: Path) -> None:
    """Each is kept once by its digest, and the ledger says what changed; what is in force already adds no line."""
    paths = folders(tmp_path)
    with open_ledger(paths, NOON) as ledger:
        config, cards = Stored("c_1", b'{"a":1}'), Stored("p_1", b'{"b":1}')
        ledger.configure(config, cards, ("all",), at("12:00:00"))
        assert (b'{"a":1}', b'{"b":1}') == (
            (paths.configs / "c_1.json").read_bytes(),
            (paths.cards / "p_1.json").read_bytes(),
        )
        ledger.configure(Stored("c_1", b"other"), cards, ("none",), at("12:00:00"))
        ledger.configure(Stored("c_2", b"{}"), cards, ("more",), at("12:00:01"))

    assert b'{"a":1}' == (paths.configs / "c_1.json").read_bytes()
    assert [
        Configured(config="c_1", cards="p_1", changes=("all",)),
        Configured(config="c_2", cards="p_1", changes=("more",)),
    ] == [line.entry for line in lines_of(paths)[1:]]
    moment = NOON + timedelta(days=1)
    with open_ledger(paths, moment) as ledger:
        ledger.append(topup(), ledger.stamp(moment))
    opened = lines_of(paths)[3].entry
    assert isinstance(opened, Opened)
    assert ("c_2", "p_1") == (opened.config, opened.cards)


def test_what_cannot_be_kept_is_not_named(tmp_path: Path) -> None:
    """A ledger that names a config which is not there could not be replayed: it waits for the disk instead."""
    paths = folders(tmp_path)
    with open_ledger(paths, NOON) as ledger:
        paths.cards.write_bytes(b"")
        with pytest.raises(LedgerStuck, match=r"what the ledger would name can't be kept: .*this folder can't be made"):
            ledger.configure(Stored("c_1", b"{}"), Stored("p_1", b"{}"), (), at("12:00:00"))
        assert (0, "") == (ledger.seq, ledger.fold.config)
        paths.cards.unlink()
        ledger.configure(Stored("c_1", b"{}"), Stored("p_1", b"{}"), (), at("12:00:00"))
    assert Configured(config="c_1", cards="p_1") == lines_of(paths)[-1].entry


def test_an_amount_in_another_unit_leaves_nothing_behind(tmp_path: Path) -> None:
    """CASES 46: a balance keeps its first unit. What is refused is neither in the fold, nor in the ledger."""
    paths = folders(tmp_path)
    call = call_id(at("12:00:00"))
    with open_ledger(paths, NOON) as ledger:
        ledger.append(Adjusted(balance="rmb-wallet", amount="5", unit="USD", reason="topup"), at("12:00:00"))
        ledger.append(routed(call), at("12:00:00"))
        before = ledger.fold.encode(), ledger.seq
        with pytest.raises(MoneyError, match=r"balance `rmb-wallet` is in USD and never takes an amount in CNY"):
            ledger.append(held_relay(call), at("12:00:00"))
        assert before == (ledger.fold.encode(), ledger.seq)
    assert 3 == verify(paths.ledger).lines


def test_a_start_closes_what_was_under_way(tmp_path: Path) -> None:
    """An open hold is `lost`, charged in full and estimated (CASES 55); a call without one is refused, found open."""
    paths = folders(tmp_path)
    grown = Ledger(paths.ledger)
    held, tried, asked = (call_id(at("10:00:00"), n) for n in range(3))
    grown.add(at("09:00:00"), Adjusted(balance="rmb-wallet", amount="5", unit="CNY", reason="topup"))
    grown.add(at("10:00:00"), routed(held), held_relay(held), routed(asked))
    grown.add(at("10:00:00"), routed(tried), held_relay(tried), voided_relay(tried), held_official(tried))

    with open_ledger(paths, NOON) as ledger:
        said = "{} was under way when the process stopped: charged at its hold of {}, estimated. Correct it with {}."
        adjust = "`tf balance adjust`"
        assert [
            said.format(f"{held}/1", "0.0412 CNY to `rmb-wallet`", adjust),
            said.format(f"{tried}/2", "0.0428 USD to `openai-credit`", adjust),
        ] == ledger.notes

    first, refused, second = (line.entry for line in lines_of(paths)[-3:])
    assert isinstance(first, Settled)
    assert ("lost", "estimated", "0.0412", "0.0412", "5", "4.9588") == (
        first.outcome,
        first.certainty,
        first.charge,
        first.hold,
        first.balance_before,
        first.balance_after,
    )
    assert isinstance(refused, Refused)
    assert (asked, "found_open", 0) == (refused.id, refused.reason, refused.client_status)
    assert isinstance(second, Settled)
    assert (2, "0.0428", 1) == (second.n, second.charge, len(second.trail))
    assert {} == stand(paths).fold.calls
    with open_ledger(paths, NOON) as ledger:
        assert [] == ledger.notes


def test_a_call_that_is_lost_over_midnight_spans_two_pages(tmp_path: Path) -> None:
    """A start on the next day opens its page with the open call, and closes it there; `find` tells all of it."""
    paths = folders(tmp_path)
    call = call_id(at("23:59:59"))
    Ledger(paths.ledger).add(at("23:59:59"), routed(call), held_relay(call))
    with open_ledger(paths, now(at("08:00:00", NEXT))):
        pass

    assert [DAY, NEXT] == pages(paths.ledger)
    assert ["Routed", "Held", "Settled"] == [type(line.entry).__name__ for line in find(paths.ledger, call)]
    assert 5 == verify(paths.ledger).lines


def test_a_second_opener_is_told_who_has_it(tmp_path: Path) -> None:
    """One writer: the other names the process, the ledger and a way out, and has changed nothing."""
    paths = folders(tmp_path)
    with open_ledger(paths, NOON) as ledger:
        ledger.append(topup(), ledger.stamp(NOON))
        expected = rf"process {os.getpid()} writes this ledger \({paths.ledger}\)\. Stop it, or use another --data-dir"
        with pytest.raises(LedgerLocked, match=expected), open_ledger(paths, NOON):
            pass
        paths.lock.write_bytes(b"")
        with pytest.raises(LedgerLocked, match=r"another process writes"), open_ledger(paths, NOON):
            pass
    assert 2 == verify(paths.ledger).lines


def test_the_lock_of_a_dead_process_is_no_obstacle(tmp_path: Path) -> None:
    """The kernel gives a lock back when its process dies; what the file says does not matter."""
    paths = folders(tmp_path)
    holds = (
        "import os, signal, sys; from datetime import UTC, datetime; from pathlib import Path\n"
        "from tokens_forge.files.ledger_writer import open_ledger; from tokens_forge.files.paths import resolve\n"
        "paths = resolve(config=None, data_dir=Path(sys.argv[1]), demo=False, environ={})\n"
        "with open_ledger(paths, datetime.now(UTC)):\n"
        "    print(flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    dead = subprocess.run([sys.executable, "-c", holds, str(tmp_path)], capture_output=True, check=False)
    assert (-9, b"\n") == (dead.returncode, dead.stdout)
    assert paths.lock.read_text().startswith("process ")

    with open_ledger(paths, NOON):
        assert f"process {os.getpid()}\n" == paths.lock.read_text()


def test_nothing_is_written_through_a_symbolic_link(tmp_path: Path) -> None:
    """A link in a page's place is followed neither to read nor to write nor to cut; the lock is no different."""
    paths = folders(tmp_path / "data")
    Ledger(tmp_path / "elsewhere").add(at("10:00:00"), topup())
    target = page_path(tmp_path / "elsewhere", DAY)
    with target.open("ab") as file:
        file.write(b"{torn")
    before = target.read_bytes()
    paths.ledger.mkdir(parents=True)
    link = page_path(paths.ledger, DAY)
    link.symlink_to(target)
    with pytest.raises(LedgerError, match=rf"{link}: this page can't be read \(Too many levels of symbolic links\)"):
        ledger_writer.Ledger(paths).start(NOON)
    link.unlink()

    with open_ledger(paths, NOON) as ledger:
        ledger.append(topup(), ledger.stamp(NOON))
        link.symlink_to(target)
        with pytest.raises(LedgerStuck, match="symbolic links"):
            ledger.drain()
        link.unlink()
    assert before == target.read_bytes()

    paths.lock.unlink()
    paths.lock.symlink_to(tmp_path / "new")
    with pytest.raises(LedgerError, match=rf"{paths.lock}: the ledger can't be locked"), open_ledger(paths, NOON):
        pass
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_made_is_a_stuck_ledger(tmp_path: Path) -> None:
    """The ledger waits for whatever is in its way, and loses nothing meanwhile."""
    paths = folders(tmp_path)
    with open_ledger(paths, NOON) as ledger:
        paths.ledger.write_bytes(b"")
        ledger.append(topup(), ledger.stamp(NOON))
        with pytest.raises(LedgerStuck, match=r"the ledger can't be written: .*ledger: this folder can't be made"):
            ledger.drain()
        paths.ledger.unlink()
    assert 2 == verify(paths.ledger).lines


SPOILED: dict[str, tuple[bytes, bytes, str]] = {
    "no opened": (b'"type":"opened"', b'"type":"recovered"', r":1: a page begins with an `opened` entry"),
    "no text": (b'"machine":"m_1"', b'"machine":"\xff"', r":1: a page begins with an `opened` entry"),
    "an edit": (b'"seq":2', b'"seq":3', r":2: its chain does not follow"),
    "another day's": (b'"page":"2026-11-24"', b'"page":"2026-11-23"', r":1: it opens page 2026-11-23,"),
}


@pytest.mark.parametrize(("old", "new", "expected"), SPOILED.values(), ids=SPOILED)
def test_a_page_that_is_not_believed(tmp_path: Path, old: bytes, new: bytes, expected: str) -> None:
    """A start stops at what its chain, its day or its first line do not allow, and names the line."""
    paths = folders(tmp_path)
    fell_back(Ledger(paths.ledger))
    page = page_path(paths.ledger, DAY)
    page.write_bytes(page.read_bytes().replace(old, new, 1))

    with pytest.raises(LedgerDamaged, match=str(page) + expected):
        ledger_writer.Ledger(paths).start(NOON)


def test_a_fold_of_another_version_is_not_believed(tmp_path: Path) -> None:
    """An `opened` whose fold can't be read stops the start rather than begin from nothing."""
    paths = folders(tmp_path)
    entry = Opened(page=DAY, machine="m_1", lineage="l_1", fold=msgspec.Raw(b'{"calls":7}'))
    raw, _chain = encode_line(entry, seq=1, ts=at("10:00:00"), chain=NO_CHAIN)
    paths.ledger.mkdir()
    page_path(paths.ledger, DAY).write_bytes(raw)

    with pytest.raises(LedgerDamaged, match=r":1: its fold is none that this version knows"):
        ledger_writer.Ledger(paths).start(NOON)


def checkpoint(paths: Paths) -> dict[str, Any]:
    """Return what the checkpoint's file holds."""
    return cast("dict[str, Any]", json.loads(paths.checkpoint.read_bytes()))


def with_checkpoint(folder: Path) -> Paths:
    """Write a small ledger whose checkpoint stands before its last two lines."""
    paths = folders(folder)
    with open_ledger(paths, NOON) as ledger:
        ledger.append(topup("5"), ledger.stamp(NOON))
    kept = paths.checkpoint.read_bytes()
    with open_ledger(paths, NOON) as ledger:
        ledger.append(topup("7"), ledger.stamp(NOON))
        ledger.append(topup("9"), ledger.stamp(NOON))
    paths.checkpoint.write_bytes(kept)
    return paths


def stands_as_its_lines_say(paths: Paths) -> bool:
    """Say whether a start finds exactly what the lines add up to."""
    standing = stand(paths)
    whole = verify(paths.ledger)
    assert (whole.seq, whole.chain, whole.last) == (standing.place.seq, standing.place.chain, standing.place.ts)
    return fold_of(lines_of(paths)) == standing.fold


def test_deleting_the_checkpoint_changes_nothing(tmp_path: Path) -> None:
    """It shortens a start, and no more: before, with and after it, a start finds the same."""
    paths = with_checkpoint(tmp_path)
    assert 2 == checkpoint(paths)["checkpoint"]["seq"]
    assert stands_as_its_lines_say(paths)
    paths.checkpoint.unlink()
    assert stands_as_its_lines_say(paths)


def test_a_checkpoint_is_used(tmp_path: Path) -> None:
    """A fold that only the checkpoint can have said shows that the lines before it are not read again."""
    paths = with_checkpoint(tmp_path)
    record = checkpoint(paths)["checkpoint"]
    record["fold"]["cards"] = "p_marked"
    marked = json.dumps(record)
    digest = hashlib.sha256(marked.encode()).hexdigest()
    paths.checkpoint.write_text(f'{{"digest":"{digest}","checkpoint":{marked}}}')

    assert ("p_marked", 21) == ((fold := stand(paths).fold).cards, fold.book.balances["wallet"].posted)


@pytest.mark.parametrize("number", [1, 2])
def test_damage_before_the_checkpoint_stops_the_start(tmp_path: Path, number: int) -> None:
    """Having a checkpoint or not changes nothing, also for a page that was edited: the line is named."""
    paths = with_checkpoint(tmp_path)
    page = page_path(paths.ledger, page_of(stamp(NOON)))
    lines = page.read_bytes().split(b"\n")
    lines[number - 1] = lines[number - 1].replace(b'"ts"', b'"tS"')
    page.write_bytes(b"\n".join(lines))
    for _ in range(2):
        with pytest.raises(LedgerDamaged, match=f"{page.name}:{number}: "):
            stand(paths)
        paths.checkpoint.unlink(missing_ok=True)


def test_a_changed_byte_in_a_checkpoint_is_not_believed(tmp_path: Path) -> None:
    """Torn anywhere, or changed anywhere: the page alone is read, and the start is right."""
    paths = with_checkpoint(tmp_path)
    data = paths.checkpoint.read_bytes()
    for place, byte in enumerate(data):
        paths.checkpoint.write_bytes(data[:place])
        assert stands_as_its_lines_say(paths)
        for flip in (0x01, 0x80):
            paths.checkpoint.write_bytes(data[:place] + bytes((byte ^ flip,)) + data[place + 1 :])
            assert stands_as_its_lines_say(paths)


def test_a_stale_or_foreign_checkpoint_is_not_believed(tmp_path: Path) -> None:
    """A checkpoint of another page, another ledger, or of lines that are no longer there is no checkpoint."""
    paths = with_checkpoint(tmp_path / "one")
    ours = paths.checkpoint.read_bytes()
    foreign = with_checkpoint(tmp_path / "other")
    paths.checkpoint.write_bytes(foreign.checkpoint.read_bytes())
    assert stands_as_its_lines_say(paths)

    page = page_path(paths.ledger, DAY)
    lines = page.read_bytes().splitlines(keepends=True)
    paths.checkpoint.write_bytes(ours)
    page.write_bytes(lines[0])
    assert stands_as_its_lines_say(paths)

    page.write_bytes(b"".join(lines))
    moment = NOON + timedelta(days=1)
    with open_ledger(paths, moment) as ledger:
        ledger.append(topup("1"), ledger.stamp(moment))
    paths.checkpoint.write_bytes(ours)
    assert stands_as_its_lines_say(paths)


def test_a_checkpoint_through_a_link_is_not_believed(tmp_path: Path) -> None:
    """Nor is a link in its place written through: it is replaced."""
    paths = with_checkpoint(tmp_path / "one")
    elsewhere = tmp_path / "elsewhere"
    paths.checkpoint.rename(elsewhere)
    before = elsewhere.read_bytes()
    paths.checkpoint.symlink_to(elsewhere)
    with open_ledger(paths, NOON) as ledger:
        ledger.append(topup(), ledger.stamp(NOON))
    assert before == elsewhere.read_bytes()
    assert not paths.checkpoint.is_symlink()


def test_a_checkpoint_is_made_every_ten_thousand_entries(tmp_path: Path) -> None:
    """A long run makes them too, so that a start after a kill reads at most that many lines again."""
    paths = folders(tmp_path)
    with open_ledger(paths, NOON) as ledger:
        for number in range(1, 10_001):
            ledger.append(topup(), at("12:00:00"))
            if number in {9_998, 9_999}:
                ledger.drain()
                assert (number == 9_999) == paths.checkpoint.exists()
        assert 10_000 == checkpoint(paths)["checkpoint"]["seq"]
    assert 10_001 == checkpoint(paths)["checkpoint"]["seq"]
    assert stands_as_its_lines_say(paths)


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    """The checkpoint is a convenience."""
    paths = folders(tmp_path)
    paths.cache.write_bytes(b"")
    with open_ledger(paths, NOON) as ledger:
        ledger.append(topup(), ledger.stamp(NOON))
    assert stands_as_its_lines_say(paths)


def test_a_ledger_is_read_while_it_is_written(tmp_path: Path) -> None:
    """Whoever only looks takes no lock and sees the whole lines; a torn one is neither read nor cut."""
    paths = folders(tmp_path)
    with open_ledger(paths, NOON) as ledger:
        for amount in ("2", "3"):
            ledger.append(topup(amount), ledger.stamp(NOON))
            ledger.drain()
            assert ledger.fold == stand(paths).fold
    page = page_path(paths.ledger, DAY)
    torn = page.read_bytes() + b'{"torn'
    page.write_bytes(torn)
    page_path(paths.ledger, NEXT).write_bytes(b'{"torn')

    standing = stand(paths)

    assert (ledger.fold, 3) == (standing.fold, standing.place.seq)
    assert [(page_path(paths.ledger, NEXT), 0), (page, len(torn) - 6)] == list(standing.torn)
    assert torn == page.read_bytes()


def test_a_failing_sync_is_a_stuck_ledger(tmp_path: Path) -> None:
    """What is not known to be on the disk is not said to be."""
    disk = Disk()
    with open_ledger(folders(tmp_path), NOON, system=disk.system()) as ledger:
        ledger.append(topup(), ledger.stamp(NOON))
        ledger.drain()
        disk.syncs.append(5)
        with pytest.raises(LedgerStuck, match=r"the ledger can't be synced: Input/output error"):
            ledger.sync()
        ledger.sync()
    ledger.sync()
    assert ["write", "sync", "sync", "sync"] == disk.done


def test_the_real_sync_takes_an_open_file(tmp_path: Path) -> None:
    """`SYSTEM.sync` is what makes a line last: fdatasync, or F_FULLFSYNC on macOS."""
    with (tmp_path / "file").open("wb") as file:
        file.write(b"x")
        file.flush()
        ledger_writer.SYSTEM.sync(file.fileno())


def test_a_hold_under_way_is_in_the_next_page(tmp_path: Path) -> None:
    """A page that opens during a call carries its hold, and what ends it there ends it."""
    paths = folders(tmp_path)
    call = call_id(at("23:59:59"))
    with open_ledger(paths, now(at("23:59:59"))) as ledger:
        ledger.append(routed(call), at("23:59:59"))
        ledger.append(held_relay(call), at("23:59:59"))
        before = ledger.fold.encode()
        ledger.append(voided_relay(call, final=True), later(at("23:59:59"), 2_000))
        ledger.drain()
        page_path(paths.ledger, DAY).rename(tmp_path / "kept elsewhere")
        assert ledger.fold == stand(paths).fold
    opened = lines_of(paths)[0].entry
    assert isinstance(opened, Opened)
    assert before == bytes(opened.fold)
    assert f"{call}/1".encode() in before
