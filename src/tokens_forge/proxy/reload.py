"""What is in force: the config, the rate cards and the upstreams' endpoints, and how they change.

A change is kept on disk and in the ledger before any call meets it. No call is decided here.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from watchfiles import awatch  # pyright: ignore[reportUnknownVariableType] - one parameter's type is of a package that is not there (trio)

from tokens_forge.core.candidates import match, named
from tokens_forge.core.config import Config
from tokens_forge.core.due import due
from tokens_forge.core.errors import ConfigError, LedgerStuck, Problem
from tokens_forge.core.history import conflicts, renames
from tokens_forge.core.prices import Cards
from tokens_forge.core.settlement import Terms
from tokens_forge.files import config_file, price_catalog
from tokens_forge.files.config_file import changes, credential, load
from tokens_forge.files.kept_terms import kept_config
from tokens_forge.files.ledger_writer import Stored
from tokens_forge.files.paths import Paths
from tokens_forge.files.price_catalog import MOST_REMEMBERED, Catalog
from tokens_forge.files.zones import calendar
from tokens_forge.proxy.books import Books
from tokens_forge.proxy.upstream import Endpoint, endpoint

MOST_PASSING = 64
"""So many candidates that a pattern made keep their rate cards in force: each further one is a file of all of them."""

_AT_START = ("server.host:", "server.port:", "ledger.sync:")
"""What only a start puts in force."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    terms: Terms
    endpoints: Mapping[str, Endpoint]
    faults: tuple[Problem, ...]


class InForce:
    """The terms by which calls are decided, and where the upstreams are."""

    def __init__(self, paths: Paths, environ: Mapping[str, str]) -> None:
        """Load the config of `paths`. Raises ConfigError."""
        self._paths = paths
        self._environ = environ
        self._catalog = Catalog(paths.catalogue)
        self._unpriced: set[str] = set()
        self._passing: deque[str] = deque()
        """Candidates of made-up names with cards in force, the oldest first."""
        self._catalog.load()
        self._loaded = self._load()

    @property
    def terms(self) -> Terms:
        """The config and the rate cards in force. A call keeps the terms it began with."""
        return self._loaded.terms

    @property
    def endpoints(self) -> Mapping[str, Endpoint]:
        """The upstreams that have their credential, by name."""
        return self._loaded.endpoints

    @property
    def faults(self) -> tuple[Problem, ...]:
        """What does not stop the proxy but an upstream: credentials that can't be had."""
        return self._loaded.faults

    def begin(self, books: Books, at: str) -> None:
        """Put the loaded config in force at `at`, and the cards of every candidate that it names.

        Raises ConfigError for a balance whose unit is not that of its entries.
        """
        self._check_history(self.terms.config, books)
        said = changes(kept_config(self._paths, books.fold.config), self.terms.config)
        config = self.terms.config
        names = (*config.model, *(name for route in config.route.values() for name in route.serves if "*" not in name))
        found = (one for name in names for one in match(config, name).candidates)
        self._look_up(one.name for one in found if "*" not in one.model)  # a pattern's are known once one is asked for
        self._record(books, at, said)
        for renamed in renames(config, books.fold):
            books.append(renamed, at)
        self.enter_due(books, at)

    def enter_due(self, books: Books, at: str) -> None:
        """Append what has fallen due by `at`: lots that ended, fees of pools."""
        for entry in due(self.terms.config, books.fold.book, at):
            books.append(entry, at)

    def reload(self, books: Books, at: str) -> tuple[str, ...]:
        """Read the config again and put it in force at `at`; return what changed, and what of it waits for a start.

        Raises ConfigError and LedgerStuck, and then nothing has changed.
        """
        before, loaded, catalog = self.terms.config, self._load(), self._catalog.renewed()
        self._check_history(loaded.terms.config, books)
        with self._or_as_before():
            self._loaded, self._catalog = loaded, catalog
            self._unpriced.clear()
            self._passing.clear()
            self.begin(books, at)
        said = changes(before, loaded.terms.config)
        return tuple(f"{change}, from the next start on" if change.startswith(_AT_START) else change for change in said)

    async def follow(self, books: Books, say: Callable[[str], None]) -> None:
        """Reload whenever the config or the price sheets change, until cancelled; `say` gets what did or why not.

        The folders are watched, not the files: editors and `tf` save by renaming another file to them.
        """
        config, prices, catalogue = self._paths.config, self._paths.prices, self._paths.catalogue
        async for seen in awatch(*{config.parent, prices.parent}, recursive=False, rust_timeout=1_000):
            names = {path.rpartition("/")[2] for _change, path in seen} & {config.name, prices.name, catalogue.name}
            if not names:
                continue
            try:
                said = self.reload(books, books.moment())
            except ConfigError as error:
                say(f"the config in force stays, for there are errors:\n{error}")
            except LedgerStuck as stuck:
                say(f"the config in force stays: {stuck}")
            else:
                # `tf prices` has had its sheets read already and said so: only a user who saved waits for a word.
                for change in said or (("read again, nothing changed",) if config.name in names else ()):
                    say(f"config: {change}")

    def price(self, candidates: Iterable[str], books: Books, at: str) -> None:
        """Look up the rate cards of candidates that were not met before, and put them in force at `at`.

        Raises LedgerStuck when they can't be kept; no call may then be priced by them.
        """
        with self._or_as_before():
            if new := self._look_up(candidates):
                self._record(books, at, tuple(f"rate cards: + {name}" for name in new))

    @contextmanager
    def _or_as_before(self) -> Generator[None]:
        """Leave in force what the ledger names when the change within can't be recorded."""
        before = self._loaded, self._catalog
        try:
            yield
        except LedgerStuck:
            self._loaded, self._catalog = before
            raise

    def _check_history(self, config: Config, books: Books) -> None:
        """Raise ConfigError for what the ledger knows otherwise: a unit, a name, a balance that is not empty."""
        problems = tuple(
            Problem(where=f"{self._paths.config} [{table}] {field}".rstrip(), what=what)
            for table, field, what in conflicts(config, books.fold, kept_config(self._paths, books.fold.config))
        )
        if problems:
            raise ConfigError(problems)

    def _look_up(self, candidates: Iterable[str]) -> list[str]:
        """Add the cards of candidates that have none yet, and return which were found."""
        unmet = [name for name in candidates if not self._is_met(name)]
        if not unmet:
            return []
        terms = self.terms_with(unmet)
        new = [name for name in unmet if name in terms.cards.charge or name in terms.cards.list]
        # What has no card is not written down: names that clients make up would grow the file for ever.
        room = max(MOST_REMEMBERED - len(self._unpriced), 0)
        self._unpriced.update([name for name in unmet if name not in new][:room])
        if new:
            self._loaded = replace(self._loaded, terms=replace(terms, cards=self._few_enough(terms.cards, new)))
        return new

    def _few_enough(self, cards: Cards, new: Iterable[str]) -> Cards:
        """Return the cards without those of names that a pattern took long ago: clients make names up, without end.

        What the config names keeps its cards, and calls under way have theirs.
        """
        self._passing.extend(name for name in new if not self._is_named(name))
        gone = [self._passing.popleft() for _ in range(len(self._passing) - MOST_PASSING)]
        return Cards(
            charge={name: own for name, own in cards.charge.items() if name not in gone},
            list={name: own for name, own in cards.list.items() if name not in gone},
        )

    def _is_named(self, candidate: str) -> bool:
        route, _, model = candidate.partition("/")
        return model in named(self.terms.config, route)

    def terms_with(self, candidates: Iterable[str]) -> Terms:
        """Return the terms in force with the cards of these candidates too, which are not put in force by it."""
        unmet = [name for name in candidates if not self._is_met(name)]
        terms = self.terms
        if not unmet:
            return terms
        return replace(terms, cards=price_catalog.cards_with(terms.config, terms.cards, unmet, self._catalog))

    def _is_met(self, name: str) -> bool:
        cards = self.terms.cards
        return name in cards.charge or name in cards.list or name in self._unpriced

    def _load(self) -> _Loaded:
        config = load(self._paths.config, self._paths.prices)
        endpoints: dict[str, Endpoint] = {}
        faults: list[Problem] = []
        for name, upstream in config.upstream.items():
            try:
                secret = credential(upstream, self._paths.config, self._environ)
            except ConfigError as error:
                where = f"{self._paths.config} [upstream.{name}] credential"
                faults.extend(Problem(where=where, what=problem.what, warning=True) for problem in error.problems)
            else:
                endpoints[name] = endpoint(upstream, secret)
        terms = Terms(config=config, cards=Cards(), calendar=calendar(config.report))
        return _Loaded(terms=terms, endpoints=endpoints, faults=tuple(faults))

    def _record(self, books: Books, at: str, said: tuple[str, ...]) -> None:
        config = Stored(*config_file.stored(self.terms.config))
        cards = Stored(*price_catalog.stored(self.terms.cards))
        books.configure(config, cards, said, at)
