"""What stands now, and orders that change it: asked of the running proxy, else read from the ledger or done on it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from tokens_forge.cli.output import hint
from tokens_forge.cli.socket import ask
from tokens_forge.core.book import BalanceShown, balances
from tokens_forge.core.budgets import BudgetShown, shown
from tokens_forge.core.due import due
from tokens_forge.core.entries import Adjusted, Line, Recovered, Renamed, Tasked
from tokens_forge.core.errors import ConfigError, ForgeError, LedgerLocked, Problem
from tokens_forge.core.estimates import Calibration
from tokens_forge.core.health import CooldownShown, RetryBudget
from tokens_forge.core.history import conflicts, renames
from tokens_forge.core.moments import stamp
from tokens_forge.core.prices import Cards
from tokens_forge.core.route_health import RouteShown, candidates_shown, routes_shown
from tokens_forge.core.settlement import Terms
from tokens_forge.files.config_file import load
from tokens_forge.files.kept_terms import kept_config
from tokens_forge.files.ledger_writer import open_ledger, stand
from tokens_forge.files.paths import Paths
from tokens_forge.files.zones import calendar

if TYPE_CHECKING:
    from tokens_forge.core.config import Config
    from tokens_forge.core.fold import Fold

Moved = Adjusted | Recovered | Tasked
"""What an order appends."""

Here = Callable[[Terms, "Fold", str], "Iterable[Moved] | str"]
"""Turns an order into entries at a moment, or says why not."""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What is enforced at this moment."""

    balances: tuple[BalanceShown, ...]
    budgets: tuple[BudgetShown, ...]
    estimates: tuple[Calibration, ...]
    routes: tuple[RouteShown, ...]
    cooldowns: tuple[CooldownShown, ...]
    """What is passed over, or was until now and waits for its probe."""
    retry_budget: RetryBudget
    at: str
    """The moment of all this."""
    pid: int = 0
    """The proxy's process; 0 when none runs."""
    renamed: tuple[Renamed, ...] = ()
    """New names that the config gives and the ledger does not know yet: the next start enters them."""


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What an order appended."""

    entries: tuple[Moved, ...] = ()
    seqs: tuple[int, ...] = ()
    """The entries' numbers in the ledger."""


def state(paths: Paths, *, routes: bool = False) -> State:
    """Return what is enforced now: the running proxy's word, else what the ledger's files add up to.

    Without a proxy `routes` are told only where they are asked for: whether each has a price takes the catalogue.
    """
    answer = ask(paths, "GET", "/state")
    if answer is not None:
        return msgspec.json.decode(answer, type=State)
    stood = standing(paths)
    config, fold, at = stood.config, stood.fold, stood.at
    return State(
        balances=balances(config, fold.book, at),
        budgets=shown(config, fold.budgets, at, calendar(config.report)),
        estimates=fold.estimates.rows(),
        routes=routes_shown(_priced(paths, config, fold), fold, at) if routes else (),
        cooldowns=fold.health.shown(at),
        retry_budget=fold.health.retry_budget(at),
        at=at,
        renamed=stood.renamed,
    )


def config_or_none(paths: Paths) -> "Config | None":
    """Return the config as it is written; None where there is none that can be read."""
    try:
        return load(paths.config, paths.prices) if paths.config.exists() else None
    except ConfigError:
        return None


def _priced(paths: Paths, config: "Config", fold: "Fold") -> Terms:
    """Return the config with the rate cards of every candidate that it names or that cools or was used."""
    from tokens_forge.files.price_catalog import Catalog, cards_with

    names = candidates_shown(config, fold)
    return Terms(config=config, cards=cards_with(config, Cards(), names, Catalog(paths.catalogue)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What stands where no proxy runs."""

    config: "Config"
    """As it is written."""
    fold: "Fold"
    """What the ledger's files add up to, under the names that the config gives."""
    at: str
    renamed: tuple[Renamed, ...]
    """New names that the ledger does not know yet."""


def standing(paths: Paths) -> Standing:
    """Return what the config and the ledger's files say at this moment."""
    config, stood = load(paths.config, paths.prices), stand(paths)
    fold, at = stood.fold, max(stamp(datetime.now(UTC)), stood.place.ts)
    # New names hold before the next start enters them.
    against = any(conflicts(config, fold, kept_config(paths, fold.config)))
    renamed = () if against else tuple(renames(config, fold))
    for entry in renamed:
        fold.apply(Line(seq=stood.place.seq, ts=at, entry=entry))
    return Standing(config=config, fold=fold, at=at, renamed=renamed)


def carried_out(paths: Paths, path: str, order: object, here: Here) -> Done:
    """Carry an order out by the running proxy at `path`, else on the ledger itself; return what was appended.

    Raises ForgeError with the reason when it is refused.
    """
    answer = ask(paths, "POST", path, order)
    if answer is None:
        try:
            return _here(paths, here)
        except LedgerLocked:
            # A proxy that is just starting has the lock and no socket yet, or another command is at work.
            answer = ask(paths, "POST", path, order)
            if answer is None:
                raise
    return msgspec.json.decode(answer, type=Done)


def _here(paths: Paths, here: Here) -> Done:
    config = load(paths.config, paths.prices)
    terms = Terms(config=config, cards=Cards(), calendar=calendar(config.report))
    now = datetime.now(UTC)
    with open_ledger(paths, now) as ledger:
        for note in ledger.notes:
            hint(f"note: {note}")
        at = ledger.stamp(now)
        # As a proxy starts: under a name that the ledger does not know yet, money would begin a second history.
        against = tuple(
            Problem(where=f"{paths.config} [{table}] {field}".rstrip(), what=what)
            for table, field, what in conflicts(config, ledger.fold, kept_config(paths, ledger.fold.config))
        )
        if against:
            raise ConfigError(against)
        for renamed in renames(config, ledger.fold):
            ledger.append(renamed, at)
        for entry in due(config, ledger.fold.book, at):
            ledger.append(entry, at)
        entries = here(terms, ledger.fold, at)
        if isinstance(entries, str):
            raise ForgeError(entries)
        done = tuple(entries)
        seqs = tuple(ledger.append(entry, at) for entry in done)
    return Done(entries=done, seqs=seqs)
