"""The ledger's pages as a table that DuckDB can sum: what was spent or attempted in a period, one row an attempt.

It decides which lines belong to a period, what a correction takes off, what things are called now, and which share of
its pool's fee an attempt has; which sums are made of them is each report's part. It never writes a page, and no torn
line, guessed type or division reaches the money in it.
"""

import os
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import get_args

import duckdb
import msgspec

from tokens_forge.core.book import COUNT_UNITS, FREE_UNIT
from tokens_forge.core.entries import Line, NamedScope, Renamed
from tokens_forge.core.errors import LedgerDamaged, LedgerError
from tokens_forge.core.moments import stamp
from tokens_forge.core.money import ZERO, divided, rounded, subtract
from tokens_forge.core.usage import COUNT_CLASSES, TOKEN_CLASSES
from tokens_forge.files.ledger_reader import blocks, call_time
from tokens_forge.files.pages import decode_line, page_path, pages
from tokens_forge.reports.fees import LONGEST_DAYS, Attempt, Fee, Shared, fee_of, share
from tokens_forge.reports.names import Earlier, earlier_names
from tokens_forge.reports.periods import Part, Period, buckets

USAGE = (*TOKEN_CLASSES, "reasoning", *COUNT_CLASSES)
"""The usage classes that are summed."""

POOL_UNITS = tuple(unit for unit in COUNT_UNITS if unit != FREE_UNIT)
"""The units of pools: their calls move no money."""

_OPENED = b'"type":"opened"'
_MARKS = (b'"type":"renamed"', b'"reason":"fee"')
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What was spent in a period."""

    connection: duckdb.DuckDBPyConnection
    """With the tables `spent`, `shares` and `lines`."""
    fees: tuple[Shared, ...]
    """The fees of periods that have a moment in the report's, in their order."""


@contextmanager
def spent(folder: Path, period: Period) -> Generator[Spent]:
    """Give a connection with the table ``spent``: every settled attempt of `period`, corrections taken off.

    A correction belongs to the period in which it was made and to the call that it corrects: its row has no id and a
    negative charge. Balances, routes and keys have the names of the ledger's end. ``shares`` has the part of a pool's
    fee for each attempt's line. Raises LedgerDamaged when a page has a line that is no JSON of the ledger's form, or a
    correction names a call without a charge.
    """
    with _connection() as connection:
        a_year_before = _day_before(stamp(period.since), LONGEST_DAYS)
        marked = tuple(_marked(folder, a_year_before))
        paid = [fee for line in marked if (fee := fee_of(line, ())) is not None and _overlaps(fee, period)]
        _load_period(connection, folder, period, paid)
        oldest = _load_corrected(connection, folder, period)
        earlier = earlier_names([*_renames(_marked(folder, oldest, a_year_before)), *_renames(marked)])
        _rename(connection, earlier, ("lines", "before"), get_args(NamedScope))
        fees = [fee for line in marked if (fee := fee_of(line, earlier)) is not None and _overlaps(fee, period)]
        shared = _share(connection, fees, period)
        _correct(connection)
        connection.execute(sql("spent.sql"))
        yield Spent(connection=connection, fees=shared)


@contextmanager
def attempts(folder: Path, period: Period, renamed: Sequence[Renamed] = ()) -> Generator[duckdb.DuckDBPyConnection]:
    """Give a connection with the table ``attempts``: every attempt that ended in `period`, by its entry's moment.

    Balances and routes have the names of the ledger's end, and those of `renamed`, which it is to get next. Raises
    LedgerDamaged for a page that can't be read.
    """
    since, until = stamp(period.since), stamp(period.until)
    with _connection() as connection:
        # A line is on the page of its own day: no other page is looked at, however old the ledger is.
        names = [name for name in pages(folder) if since[:10] <= name <= until[:10]]
        _pipe(
            connection,
            folder,
            names,
            lambda source: sql("attempts.sql", source=source),
            {"since": since, "until": until},
        )
        known = _renames(_marked(folder, since[:10]))
        earlier = earlier_names([*known, *((_AFTER_ALL, entry) for entry in renamed)])
        _rename(connection, earlier, ("attempts",), ("balance", "route"))
        yield connection


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


def _load_period(connection: duckdb.DuckDBPyConnection, folder: Path, period: Period, paid: Sequence[Fee]) -> None:
    """Make the table ``lines``: those of the period, and what pools paid as long as the fees go that touch it."""
    since, until = stamp(period.since), stamp(period.until)
    wide_since, wide_until = min((since, *(fee.since for fee in paid))), max((until, *(fee.until for fee in paid)))
    first = _day_before(wide_since, 1)
    names = [name for name in pages(folder) if first <= name <= wide_until[:10]]
    bounds: dict[str, object] = {"wide_since": wide_since, "wide_until": wide_until, "pool_units": list(POOL_UNITS)}
    _read(connection, folder, names, table="lines", which=_IN_REPORT, bounds={**bounds, "since": since, "until": until})


def _load_corrected(connection: duckdb.DuckDBPyConnection, folder: Path, period: Period) -> str:
    """Make the table ``before``: what was paid before the period and is corrected in it. Return its first page."""
    corrected = connection.execute(
        "select distinct corrects from lines where type = 'adjusted' and reported and corrects is not null"
    ).fetchall()
    ids = [str(call_id) for (call_id,) in corrected]
    # No entry of a call is on a page before the day in its id.
    first = min((stamp(began)[:10] if (began := call_time(name)) else "" for name in ids), default=_NO_PAGE)
    since, until = stamp(period.since), stamp(period.until)
    names = [name for name in pages(folder) if first <= name <= since[:10]]
    bounds: dict[str, object] = {"since": since, "until": until, "ids": ids}
    _read(connection, folder, names, table="before", which=_CORRECTED, bounds=bounds)
    return first


def _read(  # noqa: PLR0913 - which lines of which pages, and where to
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    names: Sequence[str],
    *,
    table: str,
    which: str,
    bounds: dict[str, object],
) -> None:
    """Read lines of pages into a table with the columns of `lines.sql`."""
    usage = ", ".join(f'"{name}" BIGINT' for name in USAGE)
    _pipe(
        connection,
        folder,
        names,
        lambda source: sql("lines.sql", table=table, source=source, usage=usage, which=which),
        bounds,
    )


def _pipe(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    names: Sequence[str],
    query: Callable[[str], str],
    bounds: dict[str, str] | dict[str, object],
) -> None:
    """Run what `query` makes of a source, which gives lines of pages through a pipe: it never shows a torn line."""
    reader, writer = os.pipe()
    failures: list[OSError] = []
    feeding = threading.Thread(target=_feed, args=(folder, names, writer, failures))
    feeding.start()
    try:
        connection.execute(query(f"/dev/fd/{reader}"), bounds)
    except duckdb.Error as error:
        raise LedgerDamaged(
            f"a page of {folder} can't be read ({str(error).splitlines()[0]}): `tf ledger verify` names the line"
        ) from error
    finally:
        os.close(reader)
        feeding.join()
    if failures:
        raise _unreadable(failures[0]) from failures[0]


def _feed(folder: Path, names: Sequence[str], writer: int, failures: list[OSError]) -> None:
    """Write the whole lines of pages into a pipe, but for each first one: its fold may be large and moves no money."""
    # Nobody reads on after a failed query.
    with suppress(BrokenPipeError), os.fdopen(writer, "wb") as pipe:
        for name in names:
            try:
                for number, block in enumerate(blocks(page_path(folder, name))):
                    opened = number == 0 and _OPENED in block[:120]
                    pipe.write(block[block.find(b"\n") + 1 :] if opened else block)
            except BrokenPipeError:
                raise
            except OSError as error:
                failures.append(error)
                return


def _unreadable(error: OSError) -> LedgerError:
    return LedgerError(f"{error.filename}: {error.strerror}")


def _marked(folder: Path, first: str, after: str = _NO_PAGE) -> Iterator[Line]:
    """Yield the lines that rename something or enter a pool's fee, of the pages from `first` on and before `after`."""
    for name in pages(folder):
        if first <= name < after:
            try:
                for block in blocks(page_path(folder, name)):
                    yield from _marks(block, name)
            except OSError as error:
                raise _unreadable(error) from error


def _marks(block: bytes, page: str) -> Iterator[Line]:
    """Yield such lines of a block in order. Inside a JSON text a quote is escaped, so no client's text is one."""
    places = {block.rfind(b"\n", 0, at) + 1 for mark in _MARKS for at in _places(block, mark)}
    for start in sorted(places):
        try:
            yield decode_line(block[start : block.find(b"\n", start)])
        except msgspec.DecodeError as error:
            raise LedgerDamaged(f"page {page} has a line that can't be read: `tf ledger verify` names it") from error


def _places(block: bytes, mark: bytes) -> Iterator[int]:
    at = block.find(mark)
    while at >= 0:
        yield at
        at = block.find(mark, at + 1)


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


def _correct(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the table ``corrections``, with the words of the attempts that they correct, and ``savings`` of them."""
    connection.execute(sql("corrections.sql"))
    connection.execute(sql("priced_later.sql"))
    found = connection.execute(
        "select seq, corrects, paid_seq, charge, unit, paid_charge, paid_unit, list, list_unit, saving, "
        "card.unit, card.fx from corrections"
    ).fetchall()
    savings: list[str | None] = []
    for _seq, call_id, paid_seq, *figures in found:
        if paid_seq is None:
            raise LedgerDamaged(f"a correction names the call {call_id}, which has no charge to correct")
        saving = _saved(*figures)
        savings.append(None if saving is None else format(saving, "f"))
    connection.execute(sql("savings.sql"), {"seq": [row[0] for row in found], "saving": savings})


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
        return subtract(ZERO, divided(charge, Decimal(card_fx)))
    if not paid:
        return None
    return rounded(Fraction(charge) * Fraction(subtract(saving, listed)) / Fraction(paid))


def _overlaps(fee: Fee, period: Period) -> bool:
    return fee.since < stamp(period.until) and fee.until > stamp(period.since)


def _day_before(stamped: str, days: int) -> str:
    """Return the day so many days before a moment's, the first there is at the earliest."""
    day = date.fromisoformat(stamped[:10])
    return (day - min(timedelta(days=days), day - date.min)).isoformat()
