"""Which candidates a model's name means: its table, an alias, a pattern, or every route that serves it.

One lookup for router and biller (CASES 13). It judges no candidate and puts none before another: the order by `burn` is
`core/burn.py`'s part, which one is taken `core/routing.py`'s.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from tokens_forge.core.config import LONGEST_MODEL_NAME, Boundary, Burn, Config, Key, Model, fits, upstream_name
from tokens_forge.core.entries import RouteClass, candidate_name
from tokens_forge.core.health import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A route and the upstream's model."""

    route: str
    model: str
    upstream: str
    balance: str
    route_class: RouteClass

    @property
    def name(self) -> str:
        """ROUTE/MODEL."""
        return candidate_name(self.route, self.model)

    @property
    def target(self) -> Target:
        """What an attempt here would touch."""
        return Target(candidate=self.name, upstream=self.upstream, balance=self.balance)


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """What a model's name means in a config."""

    candidates: tuple[Candidate, ...]
    """As written; empty when no route serves the name."""
    burn: Burn
    boundary: Boundary
    by: str
    """The table or the name that it was found by, where an alias or a pattern led there; empty otherwise."""


def match(config: Config, asked: str) -> Matched:
    """Return the candidates for a model's name: its `[model]` table's, else every route that serves it, as written.

    An alias is followed first. A table's own name goes before a pattern, of patterns the first as written.
    """
    name = followed(config, asked)
    table = table_of(config, name)
    by = table or name
    entry = config.model.get(table, _NO_TABLE)
    found = _listed(config, entry, name) if table else _served(config, name)
    return Matched(
        # Two spellings of one candidate (`ROUTE` and `ROUTE/MODEL`) are one.
        candidates=tuple(dict.fromkeys(found)),
        burn=entry.burn,
        boundary=entry.fallback,
        by="" if by == asked else by,
    )


def followed(config: Config, asked: str) -> str:
    """Return the name that an alias stands for, through all of them; `asked` itself where it is none.

    In a circle, which `tf check` refuses, it is the name that closes it.
    """
    name, passed = asked, {asked}
    while (entry := config.model.get(name)) is not None and entry.alias:
        name = entry.alias
        if name in passed:
            break
        passed.add(name)
    return name


def table_of(config: Config, name: str) -> str:
    """Return the `[model]` table of a name: its own, else the first pattern that it fits; empty where it has none."""
    if name in config.model or not name.isprintable():
        return name if name in config.model else ""
    return next((pattern for pattern in config.model if "*" in pattern and fits(pattern, name)), "")


def models(config: Config, key: str) -> tuple[str, ...]:
    """Return the names that a key may ask for: models with a table, and names that routes serve without a pattern."""
    names = dict.fromkeys(name for name in config.model if "*" not in name)
    for route in config.route.values():
        names.update(dict.fromkeys(name for name in route.serves if "*" not in name))
    return tuple(name for name in names if may_ask_for(config, key, name))


def may_ask_for(config: Config, key: str, name: str) -> bool:
    """Say whether a route that a key may use serves a name, by a pattern too."""
    allowed = key_of(config, key).classes
    return len(name) <= LONGEST_MODEL_NAME and any(
        found.route_class in allowed for found in match(config, name).candidates
    )


def patterns(config: Config, key: str) -> tuple[str, ...]:
    """Return the patterns of names that a key may ask for: those of routes, and of models with a table."""
    allowed = key_of(config, key).classes
    open_to = {name: route for name, route in config.route.items() if route.route_class in allowed}
    served = [name for route in open_to.values() for name in route.serves]
    listed = [
        name for name, table in config.model.items() if any(one.partition("/")[0] in open_to for one in table.routes)
    ]
    return tuple(dict.fromkeys(name for name in (*listed, *served) if "*" in name))


def named(config: Config, route: str) -> tuple[str, ...]:
    """Return the upstream's models that a config names for a route, by its own table or a model's; no patterns."""
    serves = config.route[route].serves
    own = serves.values() if isinstance(serves, dict) else serves
    listed = (one.model for model in config.model for one in match(config, model).candidates if one.route == route)
    return tuple(dict.fromkeys(model for model in (*own, *listed) if "*" not in model))


def candidate(config: Config, name: str) -> Candidate:
    """Return the candidate ROUTE/MODEL of a config that has the route."""
    route_name, _, model = name.partition("/")
    route = config.route[route_name]
    return Candidate(
        route=route_name, model=model, upstream=route.upstream, balance=route.balance, route_class=route.route_class
    )


def key_of(config: Config, name: str) -> Key:
    """Return what a key may do; one without a table may use every class."""
    return config.key.get(name, _ANY_KEY)


_ANY_KEY = Key()
_NO_TABLE = Model()


def _listed(config: Config, entry: Model, name: str) -> Iterator[Candidate]:
    """Yield the candidates of a model's table for a name, which a pattern may have led to."""
    for written in entry.routes:
        route, _, named = written.partition("/")
        if "*" in named:  # of a table for many names: the one that was asked for, where it fits
            named = name if fits(named, name) else ""
            served = upstream_name(config.route[route], named)
        else:
            # MODEL is a name that the route serves, or the upstream's own name.
            served = upstream_name(config.route[route], named or name) or named
        if served:
            yield candidate(config, candidate_name(route, served))


def _served(config: Config, name: str) -> Iterator[Candidate]:
    for route, table in config.route.items():
        served = upstream_name(table, name)
        if served is not None:
            yield candidate(config, candidate_name(route, served))
