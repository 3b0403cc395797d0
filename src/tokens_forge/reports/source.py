"""The ledger's pages as a table that DuckDB can sum: what was spent in a period, one row an attempt.

It decides which lines belong to a period and what a correction takes off; which sums are made of them is each report's
part. It never writes a page, and no torn line, guessed type or division reaches the money in it.
"""

import os
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from importlib import resources
from pathlib import Path

import duckdb

from tokens_forge.core.entries import Settled
from tokens_forge.core.errors import LedgerDamaged, LedgerError
from tokens_forge.core.moments import stamp
from tokens_forge.core.money import ZERO, divided, subtract
from tokens_forge.core.usage import COUNT_CLASSES, TOKEN_CLASSES
from tokens_forge.files.ledger_reader import blocks, find
from tokens_forge.files.pages import page_path, pages
from tokens_forge.reports.periods import Part, Period, buckets

USAGE = (*TOKEN_CLASSES, "reasoning", *COUNT_CLASSES)
"""The usage classes that are summed."""

_OPENED = b'"type":"opened"'


@contextmanager
def spent(folder: Path, period: Period) -> Generator[duckdb.DuckDBPyConnection]:
    """Give a connection with the table ``spent``: every settled attempt of `period`, corrections taken off.

    A correction belongs to the period in which it was made and to the call that it corrects: its row has no id and a
    negative charge. Raises LedgerDamaged when a page has a line that is no JSON of the ledger's form.
    """
    # An extension that is missing would be fetched from the network: reports never go there.
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
    try:
        _load(connection, folder, period)
        connection.execute(sql("spent.sql"))
        _correct(connection, folder)
        yield connection
    finally:
        connection.close()


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


def _load(connection: duckdb.DuckDBPyConnection, folder: Path, period: Period) -> None:
    """Read the pages that may hold lines of the period through a pipe, which never shows a torn line."""
    first = stamp(period.since - timedelta(days=1) if period.since.year > 1 else period.since)[:10]
    last = stamp(period.until)[:10]
    names = [name for name in pages(folder) if first <= name <= last]
    reader, writer = os.pipe()
    failures: list[OSError] = []
    feeding = threading.Thread(target=_feed, args=(folder, names, writer, failures))
    feeding.start()
    try:
        connection.execute(
            sql("lines.sql", source=f"/dev/fd/{reader}", usage=", ".join(f'"{name}" BIGINT' for name in USAGE)),
            {"since": stamp(period.since), "until": stamp(period.until)},
        )
    except duckdb.Error as error:
        raise LedgerDamaged(
            f"a page of {folder} can't be read ({str(error).splitlines()[0]}): `tf ledger verify` names the line"
        ) from error
    finally:
        os.close(reader)
        feeding.join()
    if failures:
        raise LedgerError(f"{failures[0].filename}: {failures[0].strerror}") from failures[0]


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


def _correct(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Take corrections off: one row each, with the words of the attempt that it corrects."""
    corrections = connection.execute(
        "select ts, balance, amount, unit, corrects from lines where type = 'adjusted' order by ts"
    ).fetchall()
    for ts, balance, amount, unit, call_id in corrections:
        attempt = _corrected(folder, str(call_id), str(balance))
        charge = subtract(ZERO, Decimal(str(amount)))
        saving = _saved(attempt, charge, str(unit))
        connection.execute(
            "insert into spent by name select null as id, $ts as ts, $key as key, $model as model, $route as route, "
            "$balance as balance, $class as class, $task as task, $agent as agent, $upstream as upstream, "
            "$upstream_model as upstream_model, $charge::decimal(38,12) as charge, $unit as unit, "
            "$list::decimal(38,12) as list, $list_unit as list_unit, $saving::decimal(38,12) as saving, "
            "$certainty as certainty",
            {
                "ts": ts,
                "key": attempt.key,
                "model": attempt.model_asked,
                "route": attempt.route,
                "balance": balance,
                "class": attempt.route_class,
                "task": attempt.task,
                "agent": attempt.agent,
                "upstream": attempt.upstream,
                "upstream_model": attempt.upstream_model,
                "charge": format(charge, "f"),
                "unit": unit,
                "list": "0" if attempt.list else None,
                "list_unit": attempt.list_unit,
                "saving": None if saving is None else format(saving, "f"),
                "certainty": attempt.certainty,
            },
        )


def _corrected(folder: Path, call_id: str, balance: str) -> Settled:
    """Return the attempt that a correction is about: the call's last on that balance, else its last."""
    settled = [line.entry for line in find(folder, call_id) if isinstance(line.entry, Settled)]
    if not settled:
        raise LedgerDamaged(f"a correction names the call {call_id}, which has no charge to correct")
    return next((entry for entry in reversed(settled) if entry.balance == balance), settled[-1])


def _saved(attempt: Settled, charge: Decimal, unit: str) -> Decimal | None:
    """Return what a correction of `charge` adds to the saving, in the list's unit; None when that is not known.

    What a pool or a free balance gave was saved whole, whatever is corrected; their charges have no card.
    """
    if not attempt.saving:
        return None
    if attempt.card is None:
        return ZERO
    if unit == attempt.list_unit:
        return subtract(ZERO, charge)
    if attempt.card.unit == attempt.list_unit and unit == attempt.unit:
        return subtract(ZERO, divided(charge, Decimal(attempt.card.fx)))
    return None
