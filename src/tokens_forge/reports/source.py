"""The ledger's pages as a table that DuckDB can sum: what was spent or attempted in a period, one row an attempt.

It decides which lines belong to a period, what a correction takes off, what things are called now, and which share of
its pool's fee an attempt has; which sums are made of them is each report's part. It never writes a page, and no torn
line, guessed type or division reaches the money in it. A line that can't be read is left out and named, and everything
else is told.
"""

import os
import re
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import get_args

import duckdb

from tokens_forge.core.book import COUNT_UNITS, FREE_UNIT
from tokens_forge.core.entries import Certainty, Line, NamedScope, Renamed
from tokens_forge.core.entry_check import MOST_COUNTED
from tokens_forge.core.errors import LedgerDamaged, LedgerError
from tokens_forge.core.moments import stamp
from tokens_forge.core.money import MOST_DIGITS, PLACES, ZERO, divided, rounded, subtract
from tokens_forge.core.usage import COUNT_CLASSES, TOKEN_CLASSES
from tokens_forge.core.visible import visible
from tokens_forge.files.ledger_reader import blocks, call_time
from tokens_forge.files.pages import BadLine, page_of, page_path, pages, read_line
from tokens_forge.reports.fees import LONGEST_DAYS, Attempt, Fee, Shared, fee_of, is_unbounded_fee, share
from tokens_forge.reports.names import Earlier, earlier_names
from tokens_forge.reports.periods import Part, Period, buckets
from tokens_forge.reports.sift import KINDS, OPENED, sifted

USAGE = (*TOKEN_CLASSES, "reasoning", *COUNT_CLASSES)
"""The usage classes that are summed."""

POOL_UNITS = tuple(unit for unit in COUNT_UNITS if unit != FREE_UNIT)
"""The units of pools: their calls move no money."""

_LINES = ("settled", "adjusted", "refused", "voided")
_ATTEMPTS = ("settled", "voided")
_MARKS = (b'"type":"renamed"', b'"reason":"fee"')
_RATE = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,40})?")
_AFTER_ALL = 2**62
"""A later line than any."""

_NO_PAGE = "9999-99-99"
"""Later than every page."""

_IN_REPORT = """
    ts >= $since and ts < $until and (type in ('settled', 'refused', 'adjusted') or (type = 'voided' and final))
    or (type = 'settled' and ts >= $wide_since and ts < $wide_until and unit in (select unnest($pool_units)))
"""
_CORRECTED = """
    type = 'settled' and ts < $since and id in (select unnest($ids)) and seq not in (select seq from lines)
"""
_IS_LINE = (
    f"(seq >= 1 and type in ({', '.join(repr(kind) for kind in KINDS)}) and left(ts, 10) between $first and $last "
    "and length(ts) = 27 and try_cast(ts as timestamp) is not null)"
)
"""Whether a line is one, of a moment on the pages that are read: else it would be in no period, unseen."""
_FORMS = {
    "amount_form": rf'"-?[0-9]{{1,{MOST_DIGITS}}}([.][0-9]{{1,{PLACES}}})?"',
    "priced_form": rf"[+-]?[0-9]{{1,{MOST_DIGITS}}}([.][0-9]{{1,24}})? [A-Za-z][A-Za-z0-9$€¥£_-]{{0,15}}",
    "span_form": "[0-9]{1,12}([.][0-9]+)?",
    "unit_form": "[A-Za-z][A-Za-z0-9$€¥£_-]{0,15}",
}
"""How amounts are written, quotes and all. What is not written so is looked at again: the last word has `sift.py`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What was spent in a period."""

    connection: duckdb.DuckDBPyConnection
    """With the tables `spent`, `shares` and `lines`."""
    fees: tuple[Shared, ...]
    """The fees of periods that have a moment in the report's, in their order."""
    left_out: tuple[BadLine, ...] = ()
    """Lines that can't be read, in the ledger's order: what they hold is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The attempts that ended in a period."""

    connection: duckdb.DuckDBPyConnection
    """With the table `attempts`."""
    left_out: tuple[BadLine, ...] = ()
    """As in `Spent`."""


@dataclass(slots=True, kw_only=True)
class _Pages:
    """The pages that are read for one report, and what of them had to be left out."""

    folder: Path
    connection: duckdb.DuckDBPyConnection
    bad: dict[tuple[str, int], BadLine] = field(default_factory=dict[tuple[str, int], BadLine])
    """By page and line: the same may be met twice."""

    def note(self, line: BadLine) -> None:
        self.bad.setdefault((line.page, line.line), line)

    @property
    def left_out(self) -> tuple[BadLine, ...]:
        return tuple(self.bad[place] for place in sorted(self.bad))


@contextmanager
def spent(folder: Path, period: Period) -> Generator[Spent]:
    """Give a connection with the table ``spent``: every settled attempt of `period`, corrections taken off.

    A correction belongs to the period in which it was made and to the call that it corrects: its row has no id and a
    negative charge. Balances, routes and keys have the names of the ledger's end. ``shares`` has the part of a pool's
    fee for each attempt's line. A line that can't be read is left out, as is a correction of a call without a charge.
    """
    with _connection() as connection:
        read = _Pages(folder=folder, connection=connection)
        a_year_before = _day_before(stamp(period.since), LONGEST_DAYS)
        marked = tuple(_marked(read, a_year_before))
        paid = [fee for fee in _fees(marked, ()) if _overlaps(fee, period)]
        _load_period(read, period, paid)
        oldest = _load_corrected(read, period)
        earlier = earlier_names([*_renames(_marked(read, oldest, a_year_before)), *_renames(marked)])
        _rename(connection, earlier, ("lines", "before"), get_args(NamedScope))
        fees = [fee for fee in _fees(marked, earlier) if _overlaps(fee, period)]
        shared = _share(connection, fees, period)
        _correct(read)
        connection.execute(sql("spent.sql"))
        yield Spent(connection=connection, fees=shared, left_out=read.left_out)


@contextmanager
def attempts(folder: Path, period: Period, renamed: Sequence[Renamed] = ()) -> Generator[Ended]:
    """Give a connection with the table ``attempts``: every attempt that ended in `period`, by its entry's moment.

    Balances and routes have the names of the ledger's end, and those of `renamed`, which it is to get next. A line that
    can't be read is left out.
    """
    since, until = stamp(period.since), stamp(period.until)
    with _connection() as connection:
        read = _Pages(folder=folder, connection=connection)
        # A line is on the page of its own day: no other page is looked at, however old the ledger is.
        names = [name for name in pages(folder) if since[:10] <= name <= until[:10]]
        _fill(
            read,
            names,
            table="attempts",
            query=lambda source: sql("attempts.sql", source=source, is_line=_IS_LINE),
            bounds={"since": since, "until": until},
            kinds=_ATTEMPTS,
        )
        known = _renames(_marked(read, since[:10]))
        earlier = earlier_names([*known, *((_AFTER_ALL, entry) for entry in renamed)])
        _rename(connection, earlier, ("attempts",), ("balance", "route"))
        yield Ended(connection=connection, left_out=read.left_out)


def cut(connection: duckdb.DuckDBPyConnection, period: Period, part: Part, zone: tzinfo, folder: Path) -> None:
    """Add to ``spent`` the column `part`: the hour, day or month of each row."""
    first = datetime.fromisoformat(pages(folder)[0]).replace(tzinfo=UTC)
    spanned = Period(since=max(period.since, min(first, period.until)), until=period.until, label="")
    parts = buckets(spanned, part, zone)
    connection.execute(
        sql("parts.sql", part=part),
        {"since": [stamp(found.since) for found in parts], "label": [found.label for found in parts]},
    )


def sql(name: str, **parts: str) -> str:
    """Return the text of a query beside this file, ``{NAME}`` replaced by our own words, never by a user's."""
    text = resources.files("tokens_forge.reports").joinpath("sql", name).read_text("utf-8")
    for part, value in parts.items():
        text = text.replace(f"{{{part}}}", value)
    return text


@contextmanager
def _connection() -> Generator[duckdb.DuckDBPyConnection]:
    # An extension that is missing would be fetched from the network: reports never go there.
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
    try:
        yield connection
    finally:
        connection.close()


def _load_period(read: _Pages, period: Period, paid: Sequence[Fee]) -> None:
    """Make the table ``lines``: those of the period, and what pools paid as long as the fees go that touch it."""
    since, until = stamp(period.since), stamp(period.until)
    wide_since, wide_until = min((since, *(fee.since for fee in paid))), max((until, *(fee.until for fee in paid)))
    first = _day_before(wide_since, 1)
    names = [name for name in pages(read.folder) if first <= name <= wide_until[:10]]
    bounds: dict[str, object] = {"wide_since": wide_since, "wide_until": wide_until, "pool_units": list(POOL_UNITS)}
    _read(read, names, table="lines", which=_IN_REPORT, bounds={**bounds, "since": since, "until": until})


def _load_corrected(read: _Pages, period: Period) -> str:
    """Make the table ``before``: what was paid before the period and is corrected in it. Return its first page."""
    corrected = read.connection.execute(
        "select distinct corrects from lines where type = 'adjusted' and reported and corrects is not null"
    ).fetchall()
    ids = [str(call_id) for (call_id,) in corrected]
    # No entry of a call is on a page before the day in its id.
    first = min((stamp(began)[:10] if (began := call_time(name)) else "" for name in ids), default=_NO_PAGE)
    since, until = stamp(period.since), stamp(period.until)
    names = [name for name in pages(read.folder) if first <= name <= since[:10]]
    bounds: dict[str, object] = {"since": since, "until": until, "ids": ids}
    _read(read, names, table="before", which=_CORRECTED, bounds=bounds)
    return first


def _read(read: _Pages, names: Sequence[str], *, table: str, which: str, bounds: dict[str, object]) -> None:
    """Read lines of pages into a table with the columns of `lines.sql`."""
    usage = ", ".join(f'"{name}" BIGINT' for name in USAGE)
    beside = "coalesce(list_bool_and([{} for one in iterations]), true)".format(_are_counts("one.usage"))
    parts = {"table": table, "usage": usage, "which": which, "is_line": _IS_LINE}
    parts["certainties"] = ", ".join(repr(word) for word in get_args(Certainty))
    parts["are_counts"] = f"{_are_counts('usage')} and {beside}"
    _fill(
        read,
        names,
        table=table,
        query=lambda source: sql("lines.sql", source=source, **parts),
        bounds={**bounds, **_FORMS},
        kinds=_LINES,
    )


def _are_counts(usage: str) -> str:
    """Return the words of SQL that say whether all counts of a usage are some; those that are absent are."""
    counts = ", ".join(f'{usage}."{name}"' for name in USAGE)
    return f"coalesce(least({counts}) >= 0 and greatest({counts}) <= {MOST_COUNTED}, true)"


def _fill(  # noqa: PLR0913 - which lines of which pages, and where to
    read: _Pages,
    names: Sequence[str],
    *,
    table: str,
    query: Callable[[str], str],
    bounds: dict[str, object],
    kinds: Sequence[str],
) -> None:
    """Fill a table from pages; where a line is bad, from all others, which takes longer."""
    bounds = {**bounds, "first": min(names, default=""), "last": max(names, default="")}
    with suppress(duckdb.Error):
        _pipe(read.connection, _plain(read.folder, names), query, bounds)
        if not read.connection.execute(f"select count(*) from {table} where bad").fetchall()[0][0]:  # noqa: S608 - our own words
            return
        read.connection.execute(f"drop table {table}")
    try:
        _pipe(read.connection, sifted(read.folder, names, kinds, read.note), query, bounds)
    except duckdb.Error as error:
        raise LedgerDamaged(
            f"a page of {read.folder} can't be read ({str(error).splitlines()[0]}): `tf ledger verify` names the line"
        ) from error


def _pipe(
    connection: duckdb.DuckDBPyConnection, data: Iterator[bytes], query: Callable[[str], str], bounds: dict[str, object]
) -> None:
    """Run what `query` makes of a source, which gives `data` through a pipe."""
    reader, writer = os.pipe()
    failures: list[Exception] = []
    feeding = threading.Thread(target=_feed, args=(data, writer, failures))
    feeding.start()
    try:
        connection.execute(query(f"/dev/fd/{reader}"), bounds)
    finally:
        os.close(reader)
        feeding.join()
    for failure in failures:
        raise _unreadable(failure) if isinstance(failure, OSError) else failure


def _feed(data: Iterator[bytes], writer: int, failures: list[Exception]) -> None:
    """Write `data` into a pipe. A failure is for whoever waits: what came so far is not the whole."""
    # Nobody reads on after a failed query.
    with suppress(BrokenPipeError), os.fdopen(writer, "wb") as pipe:
        try:
            for part in data:
                pipe.write(part)
        except BrokenPipeError:
            raise
        except Exception as error:  # noqa: BLE001 - it is raised again where the data was asked for
            failures.append(error)


def _plain(folder: Path, names: Sequence[str]) -> Iterator[bytes]:
    """Yield the whole lines of pages, but for each first one: its fold may be large and moves no money."""
    for name in names:
        for number, block in enumerate(blocks(page_path(folder, name))):
            opened = number == 0 and OPENED in block[:120]
            yield block[block.find(b"\n") + 1 :] if opened else block


def _unreadable(error: OSError) -> LedgerError:
    return LedgerError(f"{error.filename}: {error.strerror}")


def _marked(read: _Pages, first: str, after: str = _NO_PAGE) -> Iterator[Line]:
    """Yield the lines that rename something or enter a pool's fee, of the pages from `first` on and before `after`."""
    for name in pages(read.folder):
        if first <= name < after:
            before = 0
            try:
                for block in blocks(page_path(read.folder, name)):
                    yield from _marks(read, block, name, before)
                    before += block.count(b"\n")
            except OSError as error:
                raise _unreadable(error) from error


def _marks(read: _Pages, block: bytes, page: str, before: int) -> Iterator[Line]:
    """Yield such lines of a block in order. Inside a JSON text a quote is escaped, so no client's text is one."""
    places = {block.rfind(b"\n", 0, at) + 1 for mark in _MARKS for at in _places(block, mark)}
    for start in sorted(places):
        number = before + block.count(b"\n", 0, start) + 1
        line = read_line(block[start : block.find(b"\n", start)], page=page, number=number)
        if isinstance(line, Line) and is_unbounded_fee(line):
            wrong = "it is a fee without the days of its period, `effective` and `expires`"
            line = BadLine(page=page, line=number, seq=line.seq, field="effective", wrong=wrong)
        if isinstance(line, Line):
            yield line
        else:
            read.note(line)


def _places(block: bytes, mark: bytes) -> Iterator[int]:
    at = block.find(mark)
    while at >= 0:
        yield at
        at = block.find(mark, at + 1)


def _fees(lines: Iterable[Line], earlier: Sequence[Earlier]) -> Iterator[Fee]:
    for line in lines:
        if (fee := fee_of(line, earlier)) is not None:
            yield fee


def _renames(lines: Iterable[Line]) -> Iterator[tuple[int, Renamed]]:
    for line in lines:
        if isinstance(line.entry, Renamed):
            yield line.seq, line.entry


def _rename(
    connection: duckdb.DuckDBPyConnection,
    earlier: Sequence[Earlier],
    tables: Sequence[str],
    scopes: Sequence[NamedScope],
) -> None:
    """Give the lines of tables the names of now in the columns of `scopes`."""
    if not earlier:
        return
    connection.execute(
        sql("earlier.sql"),
        {
            "scope": [one.scope for one in earlier],
            "was": [one.was for one in earlier],
            "after": [one.after for one in earlier],
            "before": [one.before for one in earlier],
            "name": [one.name for one in earlier],
        },
    )
    for table in tables:
        for scope in scopes:
            connection.execute(sql("renamed.sql", table=table, scope=scope))


def _share(connection: duckdb.DuckDBPyConnection, fees: Sequence[Fee], period: Period) -> tuple[Shared, ...]:
    """Make the table ``shares``, and return where the fees went."""
    since, until = stamp(period.since), stamp(period.until)
    shared = tuple(
        share(fee, _paid_by(connection, fee), began_here=since <= fee.since < until)
        for fee in sorted(fees, key=lambda fee: (fee.balance, fee.first))
    )
    parts = [(seq, part, one.fee.unit) for one in shared for seq, part in one.shares]
    connection.execute(
        sql("shares.sql"),
        {
            "seq": [seq for seq, _part, _unit in parts],
            "share": [format(part, "f") for _seq, part, _unit in parts],
            "unit": [unit for _seq, _part, unit in parts],
        },
    )
    return shared


def _paid_by(connection: duckdb.DuckDBPyConnection, fee: Fee) -> list[Attempt]:
    """Return the attempts that a pool paid in a fee's period, in the ledger's order."""
    found = connection.execute(
        "select seq, list, list_unit, reported from lines "
        "where type = 'settled' and balance = $balance and ts >= $since and ts < $until order by seq",
        {"balance": fee.balance, "since": fee.since, "until": fee.until},
    ).fetchall()
    return [
        Attempt(seq=seq, list=listed, list_unit=list_unit or "", reported=reported)
        for seq, listed, list_unit, reported in found
    ]


def _correct(read: _Pages) -> None:
    """Make the table ``corrections``, with the words of the attempts that they correct, and ``savings`` of them."""
    connection = read.connection
    connection.execute(sql("corrections.sql"))
    lost = connection.execute("delete from corrections where paid_seq is null returning seq, ts, corrects").fetchall()
    for seq, ts, call_id in lost:
        read.note(_of_nothing(read.folder, page_of(ts), seq, call_id))
    connection.execute(sql("priced_later.sql"))
    found = connection.execute(
        "select seq, charge, unit, paid_charge, paid_unit, list, list_unit, saving, card.unit, card.fx from corrections"
    ).fetchall()
    savings: list[str | None] = []
    for _seq, *figures in found:
        saving = _saved(*figures)
        savings.append(None if saving is None else format(saving, "f"))
    connection.execute(sql("savings.sql"), {"seq": [row[0] for row in found], "saving": savings})


def _of_nothing(folder: Path, page: str, seq: int, call_id: str) -> BadLine:
    """Return the line of a correction as one that is left out, as its call has no charge that can be read."""
    before = 0
    mark = b'"seq":%d,' % seq
    for block in blocks(page_path(folder, page)):
        at = block.find(mark)
        if at >= 0:
            before += block.count(b"\n", 0, at) + 1
            break
        before += block.count(b"\n")
    wrong = f"it corrects the call {visible(call_id)}, which has no charge to correct in these pages"
    return BadLine(page=page, line=before, seq=seq, field="corrects", wrong=wrong)


def _saved(  # noqa: PLR0913, PLR0917 - what a correction and its attempt have to say of money
    charge: Decimal,
    unit: str,
    paid: Decimal,
    paid_unit: str,
    listed: Decimal | None,
    list_unit: str | None,
    saving: Decimal | None,
    card_unit: str | None,
    card_fx: str | None,
) -> Decimal | None:
    """Return what a correction of `charge` adds to the saving, in the list's unit; None when that is not known.

    What a pool or a free balance gave was saved whole, whatever is corrected. Money is converted at the rate at which
    its charge was: the card's, else the one that lies in the charge and its saving.
    """
    if saving is None or listed is None or unit != paid_unit:
        return None
    if unit in COUNT_UNITS:
        return ZERO
    if unit == list_unit:
        return subtract(ZERO, charge)
    if card_fx and card_unit == list_unit:
        fx = _rate(card_fx)
        return None if fx is None else subtract(ZERO, divided(charge, fx))
    if not paid:
        return None
    return rounded(Fraction(charge) * Fraction(subtract(saving, listed)) / Fraction(paid))


def _rate(written: str) -> Decimal | None:
    """Return an exchange rate; None for a text that is none, on a card that only tells."""
    return Decimal(written) if _RATE.fullmatch(written) and Decimal(written) else None


def _overlaps(fee: Fee, period: Period) -> bool:
    return fee.since < stamp(period.until) and fee.until > stamp(period.since)


def _day_before(stamped: str, days: int) -> str:
    """Return the day so many days before a moment's, the first there is at the earliest."""
    day = date.fromisoformat(stamped[:10])
    return (day - min(timedelta(days=days), day - date.min)).isoformat()
