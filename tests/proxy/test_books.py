"""The books of a running proxy: one write a tick, what `written` promises, a disk that takes nothing, midnight."""

import asyncio
import errno
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from disks import Disk, fold_of, folders, lines_of, topup
from ledgers import call_id, held_relay, routed
from playbook import Playbook, Setup, playing
from upstreams import DONE, HELLO, USAGE, completion, plain, stream, until

from tokens_forge.core.entries import Opened, Settled
from tokens_forge.core.errors import LedgerStuck
from tokens_forge.core.fold import decode
from tokens_forge.core.moments import stamp
from tokens_forge.files.ledger_reader import find, verify
from tokens_forge.files.ledger_writer import open_ledger, stand
from tokens_forge.files.pages import page_path, pages
from tokens_forge.files.paths import Paths
from tokens_forge.proxy import books as books_file
from tokens_forge.proxy.books import Books

ROUTED = "routed smart: relay/relay-gpt-5 official/gpt-5"
HELD = "held 1 first relay by wallet"
PAID = "settled 1 ok 0.048 CNY computed; final 200"
NOT_SENT = "voided 1 not_sent ledger zero; final 507"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a disk that took nothing tried again soon, so that no test waits a second."""
    monkeypatch.setattr(books_file, "TRY_AGAIN_S", 0.02)


@asynccontextmanager
async def keeping(paths: Paths, disk: Disk, *, always: bool = False) -> AsyncGenerator[Books]:
    """Give the books of a ledger on `disk`, closed at the end; what is on it must then be what they say."""
    with open_ledger(paths, datetime.now(UTC), system=disk.system()) as ledger:
        books = Books(ledger, always=always)
        yield books
        await books.close()
    paths.checkpoint.unlink(missing_ok=True)
    lines = lines_of(paths)
    assert books.fold == stand(paths).fold == fold_of(lines)
    assert len(lines) == verify(paths.ledger).lines


async def test_one_write_takes_what_one_turn_appended(tmp_path: Path) -> None:
    """Ten calls that append at once share a write, and none goes on before it."""
    disk = Disk()
    async with keeping(folders(tmp_path), disk) as books:

        async def append() -> int:
            seq = books.append(topup())
            assert books.ledger.written < seq
            await books.written(seq)
            return books.ledger.written

        assert [11] * 10 == await asyncio.gather(*(append() for _ in range(10)))
        assert 1 == disk.done.count("write")
        await append()
        assert 2 == disk.done.count("write")


async def test_a_line_that_is_written_is_not_waited_for(tmp_path: Path) -> None:
    """`written` of an earlier line returns at once, also while the disk takes nothing."""
    disk = Disk()
    async with keeping(folders(tmp_path), disk) as books:
        first = books.append(topup())
        await books.written(first)
        disk.full = True
        with pytest.raises(LedgerStuck):
            await books.written(books.append(topup()))
        await books.written(first)
        disk.full = False


async def test_interval_waits_for_no_sync(tmp_path: Path) -> None:
    """`sync = "interval"`: a line counts once the system has it; one sync follows for all that came meanwhile."""
    disk = Disk()
    async with keeping(folders(tmp_path), disk) as books:
        for _ in range(5):
            await books.written(books.append(topup()))
        assert ["write"] * 5 == disk.done
        await until(lambda: "sync" in disk.done)
        assert ["write"] * 5 + ["sync"] == disk.done


async def test_always_waits_for_the_sync(tmp_path: Path) -> None:
    """`sync = "always"`: a line counts only once a sync that began after its write is done."""
    disk = Disk()
    async with keeping(folders(tmp_path), disk, always=True) as books:
        for _ in range(3):
            await books.written(books.append(topup()))
        assert ["write", "sync"] * 3 == disk.done
        await asyncio.gather(*(books.written(books.append(topup())) for _ in range(10)))
        assert ["write", "sync"] * 4 == disk.done


@pytest.mark.parametrize("always", [False, True])
async def test_a_sync_that_fails(tmp_path: Path, *, always: bool) -> None:
    """What can't be made to last is no record: no call is served until a sync succeeds, and nothing is lost."""
    disk = Disk()
    disk.syncs.extend((errno.EIO, errno.EIO))
    async with keeping(folders(tmp_path), disk, always=always) as books:
        seq = books.append(topup())
        if always:
            with pytest.raises(LedgerStuck, match=r"the ledger can't be synced: Input/output error"):
                await books.written(seq)
        else:
            await books.written(seq)
            await until(lambda: books.stuck is not None)
        with pytest.raises(LedgerStuck):
            await books.written(books.append(topup()))
        await until(lambda: books.stuck is None)
        await books.written(3)
        assert 3 == disk.done.count("sync")


@pytest.mark.parametrize("failure", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
async def test_a_disk_that_takes_nothing(tmp_path: Path, failure: int) -> None:
    """CASES 42: those who wait are told, the lines stay applied and queued, and are written once they can be."""
    disk = Disk()
    disk.writes.extend((-failure, -failure))
    async with keeping(folders(tmp_path), disk) as books:
        seq = books.append(topup("7"))
        with pytest.raises(LedgerStuck, match=r"the ledger can't be written: "):
            await books.written(seq)
        assert (7, 0) == (books.fold.book.balances["wallet"].posted, books.ledger.written)
        assert books.stuck is not None

        await until(lambda: books.stuck is None)
        await books.written(seq)
        assert seq == books.ledger.written


async def test_a_write_that_took_the_first_lines_only(tmp_path: Path) -> None:
    """Whose line is whole goes on; the others are told. What was torn is cut before more is written."""
    disk = Disk()
    paths = folders(tmp_path)
    async with keeping(paths, disk) as books:
        await books.written(books.append(topup()))
        size = len(lines_of(paths))
        one, other = books.append(topup("2")), books.append(topup("3"))
        disk.writes.extend((300, -errno.ENOSPC))

        got = await asyncio.gather(books.written(one), books.written(other), return_exceptions=True)

        assert [None, LedgerStuck] == [got[0], type(got[1])]
        assert size + 1 == len(lines_of(paths))
        await until(lambda: books.stuck is None)
        assert ["write", "write", "cut", "write", "cut", "write"] == [done for done in disk.done if done != "sync"]


async def test_who_waits_may_leave(tmp_path: Path) -> None:
    """A waiter that was cancelled harms nobody, whether the write succeeds or fails."""
    disk = Disk()
    async with keeping(folders(tmp_path), disk) as books:
        for full in (False, True):
            disk.full = full
            seq = books.append(topup())
            waiting = asyncio.ensure_future(books.written(seq))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            await asyncio.sleep(0)  # the turn in which the drain was due
            assert full == (books.stuck is not None) == (books.ledger.written < seq)
        disk.full = False


async def test_closed_books(tmp_path: Path) -> None:
    """What is appended before the close is written by it; what comes later is not, and whoever waits is told."""
    disk = Disk()
    paths = folders(tmp_path)
    with open_ledger(paths, datetime.now(UTC), system=disk.system()) as ledger:
        books = Books(ledger, always=True)
        seq = books.append(topup())
        waiting = asyncio.ensure_future(books.written(seq))
        await asyncio.sleep(0)
        await books.close()
        await waiting
        assert paths.checkpoint.exists()
        late = books.append(topup())
        with pytest.raises(LedgerStuck, match="the ledger is closed"):
            await books.written(late)
        await asyncio.sleep(0)
        assert seq == ledger.written


async def test_closed_on_a_full_disk(tmp_path: Path) -> None:
    """A close that can't write says so; the next start finds the call open that its end would have closed."""
    disk = Disk()
    paths = folders(tmp_path)
    call = call_id(stamp(datetime.now(UTC)))
    with suppress(LedgerStuck), open_ledger(paths, datetime.now(UTC), system=disk.system()) as ledger:
        books = Books(ledger, always=False)
        books.append(routed(call))
        await books.written(books.append(held_relay(call)))
        disk.full = True
        waiting = asyncio.ensure_future(books.written(books.append(topup())))
        await asyncio.sleep(0)
        with pytest.raises(LedgerStuck, match="No space left on device"):
            await books.close()
        with pytest.raises(LedgerStuck):
            await waiting

    with open_ledger(paths, datetime.now(UTC)):
        pass
    assert ["lost"] == [line.entry.outcome for line in lines_of(paths) if isinstance(line.entry, Settled)]
    assert 4 == verify(paths.ledger).lines


async def test_what_a_start_closed_is_written(tmp_path: Path) -> None:
    """A start's own entries need no call to be written."""
    paths = folders(tmp_path)
    call = call_id(stamp(datetime.now(UTC)))
    with open_ledger(paths, datetime.now(UTC)) as ledger:
        ledger.append(routed(call), ledger.stamp(datetime.now(UTC)))
    async with keeping(paths, Disk()) as books:
        await until(lambda: books.ledger.written == 3)


async def waits_for_space(play: Playbook) -> None:
    """Return once the proxy knows that its ledger takes nothing."""
    await until(lambda: play.running.proxy.books.stuck is not None)


async def test_a_full_disk_serves_no_call(tmp_path: Path) -> None:
    """CASES 42: a call whose hold can't be written gets 507 and its upstream nothing; later ones are no calls at all.

    The void is written once there is space, and the next call is served.
    """
    disk = Disk()
    async with playing(tmp_path, Setup(disk=disk)) as play:
        disk.full = True
        first = await play.ask()
        assert (507, "ledger_stuck") == first.error
        assert {"x-should-retry": "false"} == first.said("x-should-retry")
        second = await play.ask(stream=True)
        assert (507, "ledger_stuck") == second.error
        assert {} == second.said("x-request-id")
        assert 503 == (await play.send("GET", "/health")).status
        assert [] == play.transcript()
        assert [] == play.relay.got

        disk.full = False
        await play.idle()
        assert [ROUTED, HELD, NOT_SENT] == play.transcript()
        assert first.headers["x-request-id"] == play.closing().id
        await until(lambda: play.running.proxy.books.stuck is None)
        assert 200 == (await play.send("GET", "/health")).status
        assert 200 == (await play.ask()).status
        assert [ROUTED, HELD, PAID] == play.transcript()


async def test_a_disk_that_fills_in_the_middle_of_a_call(tmp_path: Path) -> None:
    """A torn `routed` or `held` is cut off, the call voided, and all is written whole once there is space."""
    disk = Disk()
    async with playing(tmp_path, Setup(disk=disk)) as play:
        assert 200 == (await play.ask()).status
        page = page_path(play.paths.ledger, pages(play.paths.ledger)[0]).read_bytes()
        *_, asked, held, _settled = map(len, page.splitlines(keepends=True))
        assert [ROUTED, HELD, PAID] == play.transcript()
        for taken in (1, asked - 2, asked, asked + 2, asked + held - 10):
            disk.writes.extend((taken, -errno.ENOSPC))
            assert (507, "ledger_stuck") == (await play.ask()).error
            await play.idle()
            assert [ROUTED, HELD, NOT_SENT] == play.transcript()
            await until(lambda: play.running.proxy.books.stuck is None)


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_reply_in_flight_ends_on_a_full_disk(tmp_path: Path, *, streamed: bool) -> None:
    """The client gets all that its upstream said; the `settled` waits in the queue and is written later."""
    disk = Disk()
    more = asyncio.Event()
    async with playing(tmp_path, Setup(disk=disk)) as play:
        if streamed:
            play.relay.answers(stream(HELLO[0], more, *HELLO[1:], USAGE, DONE))
        else:
            play.relay.answers((more, *plain(completion())))
        asked = asyncio.ensure_future(play.ask(stream=streamed))
        await play.relay.reached(1)
        disk.full = True
        more.set()
        reply = await asked
        assert 200 == reply.status
        assert reply.body.endswith(DONE) if streamed else completion() == reply.body
        await waits_for_space(play)
        assert [ROUTED, HELD] == play.transcript()
        assert "99.952" == f"{play.fold.book.balances['wallet'].posted}"

        disk.full = False
        await play.idle()
        assert [PAID] == play.transcript()


async def test_a_topup_on_a_full_disk_is_not_lost(tmp_path: Path) -> None:
    """The command says that it waits, and the money is there at once and in the ledger later."""
    disk = Disk()
    async with playing(tmp_path, Setup(disk=disk)) as play:
        disk.full = True
        with pytest.raises(AssertionError, match="it is queued, and is written once the disk takes it"):
            await play.topup("wallet", "5 CNY")
        assert "105" == f"{play.fold.book.balances['wallet'].posted}"
        disk.full = False
        await play.idle()
        assert ["adjusted wallet 5 CNY topup"] == play.transcript()


async def test_a_sync_that_fails_serves_no_call(tmp_path: Path) -> None:
    """With `sync = "always"` a hold that is not on the disk contacts nobody."""
    disk = Disk()
    async with playing(tmp_path, Setup(disk=disk, more='[ledger]\nsync = "always"')) as play:
        disk.syncs.extend((errno.EIO, errno.EIO))
        assert (507, "ledger_stuck") == (await play.ask()).error
        await until(lambda: play.running.proxy.books.stuck is None)
        assert [ROUTED, HELD, NOT_SENT] == play.transcript()
        assert 200 == (await play.ask()).status
        assert [ROUTED, HELD, PAID] == play.transcript()


async def test_always_syncs_before_an_upstream_is_reached(tmp_path: Path) -> None:
    """`sync = "always"`: two syncs a call, one before the upstream is asked and one before the reply ends."""
    disk = Disk()
    async with playing(tmp_path, Setup(disk=disk, more='[ledger]\nsync = "always"')) as play:
        more = asyncio.Event()
        play.relay.answers((more, *plain(completion())))
        disk.done.clear()
        asked = asyncio.ensure_future(play.ask())
        await play.relay.reached(1)
        assert ["write", "sync"] == disk.done
        more.set()
        assert 200 == (await asked).status
        assert ["write", "sync"] * 2 == disk.done
        assert [ROUTED, HELD, PAID] == play.transcript()


async def test_midnight_in_the_middle_of_a_stream(tmp_path: Path) -> None:
    """A call that passes midnight is one story on two pages; the new one carries the live state, its hold included."""
    more = asyncio.Event()
    async with playing(tmp_path) as play:
        play.relay.answers(stream(HELLO[0], more, *HELLO[1:], USAGE, DONE))
        async with play.streaming() as reply:
            call = reply.headers["x-request-id"]
            before = play.fold.encode()
            play.clock.on(days=1)
            more.set()
            assert (await reply.aread()).endswith(DONE)
        assert 200 == (await play.ask()).status

        lines = lines_of(play.paths)
        assert 2 == len(pages(play.paths.ledger))
        place = max(n for n, line in enumerate(lines) if isinstance(line.entry, Opened))
        opened = lines[place].entry
        assert isinstance(opened, Opened)
        assert before == decode(opened.fold).encode() == fold_of(lines[:place]).encode()
        assert {call} == decode(opened.fold).calls.keys()
        story = find(play.paths.ledger, call)
        assert ["Routed", "Held", "Settled"] == [type(line.entry).__name__ for line in story]
        assert [False, False, True] == [line.seq > lines[place].seq for line in story]
        assert [ROUTED, HELD, PAID, ROUTED, HELD, PAID] == play.transcript()


async def test_midnight_on_a_full_disk(tmp_path: Path) -> None:
    """Lines of both days wait in the queue; each is written to its own page, the older ones first."""
    disk = Disk()
    more = asyncio.Event()
    async with playing(tmp_path, Setup(disk=disk)) as play:
        play.relay.answers((more, *plain(completion())))
        asked = asyncio.ensure_future(play.ask())
        await play.relay.reached(1)
        disk.full = True
        assert (507, "ledger_stuck") == (await play.ask()).error
        play.clock.on(days=1)
        more.set()
        assert 200 == (await asked).status
        assert 1 == len(pages(play.paths.ledger))

        disk.full = False
        await play.idle()
        assert 2 == len(pages(play.paths.ledger))
        assert [ROUTED, HELD, ROUTED, HELD, NOT_SENT, PAID] == play.transcript()


async def test_a_clock_that_is_set_back(tmp_path: Path) -> None:
    """While a proxy runs, stamps stand still rather than go back, over midnight too, and every call is served."""
    async with playing(tmp_path) as play:
        play.clock.on(days=1)
        assert 200 == (await play.ask()).status
        newest = play.lines()[-1].ts
        play.clock.on(days=-1)
        assert 200 == (await play.ask()).status
        assert {newest} == {line.ts for line in play.lines()}
        assert 2 == len(pages(play.paths.ledger))
        play.clock.on(days=1, hours=1)
        assert 200 == (await play.ask()).status
        assert newest < play.lines()[-1].ts
