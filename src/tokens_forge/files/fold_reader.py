"""The state that the ledger adds up to, read beside its writer and without its lock.

Commands that only look (`tf check`, `tf balance`) need the balances and nothing of the write path. A page begins with
the whole fold before it, so the newest page is enough.
"""

from pathlib import Path

from tokens_forge.core import fold as folds
from tokens_forge.core.entries import Opened
from tokens_forge.core.fold import Fold
from tokens_forge.files.ledger_reader import read_lines
from tokens_forge.files.pages import pages


def read_fold(folder: Path) -> Fold:
    """Return what the pages in `folder` add up to, up to the last whole line; an empty fold without a ledger.

    Raises LedgerError for a line that can't be read. The chain is not checked: `tf ledger verify` does that.
    """
    for page in reversed(pages(folder)):
        fold = Fold()
        read = False
        for line in read_lines(folder, since_page=page):
            if isinstance(line.entry, Opened):
                fold = folds.decode(line.entry.fold)
            fold.apply(line)
            read = True
        if read:
            return fold
    return Fold()
