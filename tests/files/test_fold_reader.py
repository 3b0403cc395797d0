"""What the ledger adds up to, read without its lock."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from tokens_forge.core.entries import Adjusted
from tokens_forge.core.fold import Fold
from tokens_forge.files.fold_reader import read_fold
from tokens_forge.files.ledger_writer import open_ledger
from tokens_forge.files.paths import resolve

DAY = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_without_a_ledger_the_fold_is_empty(tmp_path: Path) -> None:
    """A folder that is not there adds up to nothing."""
    assert Fold() == read_fold(tmp_path / "ledger")


def test_the_newest_page_is_enough_and_the_writer_need_not_stop(tmp_path: Path) -> None:
    """A page begins with the fold before it; a torn line at the end, or a page of nothing else, is left out."""
    paths = resolve(config=None, data_dir=tmp_path, demo=False, environ={})
    for days in range(3):
        now = DAY + timedelta(days=days)
        with open_ledger(paths, now) as ledger:
            ledger.append(Adjusted(balance="b", amount="2", unit="USD", reason="topup"), ledger.stamp(now))
            ledger.drain()
            assert Decimal(2 * days + 2) == read_fold(paths.ledger).book.balances["b"].posted
            assert ledger.fold == read_fold(paths.ledger)
    (paths.ledger / "2026-11-23.jsonl").unlink()
    with (paths.ledger / "2026-11-25.jsonl").open("ab") as page:
        page.write(b'{"v":0,"torn')
    (paths.ledger / "2026-11-26.jsonl").write_bytes(b'{"v":0,"torn')
    assert Decimal(6) == read_fold(paths.ledger).book.balances["b"].posted
