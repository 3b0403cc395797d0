"""How the candidates of every route are at a moment: may be tried, cooling, being probed, without money.

For people who look: decisions read `core/health.py` and `core/book.py` themselves, and these words are made of the same
values. Nothing here is stored or decides.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from tokens_forge.core.book import BalanceShown, is_money
from tokens_forge.core.candidates import named
from tokens_forge.core.config import Config, Route, upstream_name
from tokens_forge.core.entries import Record, RouteClass, candidate_name
from tokens_forge.core.fold import Fold
from tokens_forge.core.health import CooldownShown
from tokens_forge.core.moments import moment
from tokens_forge.core.money import ZERO, text
from tokens_forge.core.prices import card_at
from tokens_forge.core.settlement import Terms

HealthWord = Literal[
    "ok",
    "no_price",
    "cooling",
    "probing",
    "busy",
    "probe_due",
    "balance_empty_upstream",
    "balance_short",
    "pool_used_up",
    "not_in_config",
]
"""How a candidate is, in the words of a decision's reasons where it has them. ``probe_due``: its cooldown's time is
over, and the next call tries whether it is well."""


class RouteShown(Record, frozen=True, kw_only=True):
    """A route of the config and the models known of it."""

    route: str
    route_class: RouteClass = msgspec.field(name="class")
    upstream: str
    balance: str
    models: tuple[str, ...]
    """As the upstream names them: those of the config, then those that were used or cool."""
    free: bool = False
    """Whether its calls are known to cost nothing, but for those of `sheets`."""
    sheets: tuple[str, ...] = ()
    """The models that have a price sheet of their own."""
    unpriced: tuple[str, ...] = ()
    """The models whose calls are refused, as nobody says what they cost."""
    concurrency: int = 0
    """How many attempts its upstream takes at a time; absent where there is no bound."""
    under_way: int = 0
    """How many attempts at its upstream are under way, by this route or another."""


class CandidateHealth(Record, frozen=True, kw_only=True):
    """How a candidate is at a moment."""

    candidate: str
    """ROUTE/MODEL."""
    route: str
    upstream_model: str
    route_class: RouteClass | Literal[""] = msgspec.field(name="class", default="")
    """Absent where the route is gone from the config."""
    upstream: str
    balance: str
    health: HealthWord
    until: str = ""
    """When that ends, as far as known."""
    cooldown: CooldownShown | None = None
    """What passes it over, or did until now."""
    available: str = ""
    """What may be held of its balance, in `unit`; absent where that has no end or is not known."""
    unit: str = ""
    concurrency: int = 0
    """How many attempts its upstream takes at a time; absent where there is no bound."""
    under_way: int = 0
    """How many attempts at its upstream are under way."""


def routes_shown(terms: Terms, fold: Fold, at: str) -> tuple[RouteShown, ...]:
    """Return every route of the config in its order, as it is at `at`.

    `terms` must have the rate cards of all `candidates_shown`: a model without one is told to have no price.
    """
    config = terms.config
    models: dict[str, list[str]] = {name: [] for name in config.route}
    for candidate in candidates_shown(config, fold):
        route, _, model = candidate.partition("/")
        models[route].append(model)
    return tuple(
        RouteShown(
            route=name,
            route_class=route.route_class,
            upstream=route.upstream,
            balance=route.balance,
            models=tuple(models[name]),
            free=route.price == "free",
            sheets=_sheets(route),
            unpriced=tuple(model for model in models[name] if _is_unpriced(terms, candidate_name(name, model), at)),
            concurrency=config.upstream[route.upstream].concurrency or 0,
            under_way=fold.under_way(route.upstream),
        )
        for name, route in config.route.items()
    )


def candidates_shown(config: Config, fold: Fold) -> tuple[str, ...]:
    """Return every ROUTE/MODEL that the config names, then those that were used or cool."""
    names = [candidate_name(route, model) for route in config.route for model in named(config, route)]
    met = (*(row.candidate for row in fold.estimates.rows()), *fold.health.candidates())
    names += [name for name in met if name.partition("/")[0] in config.route]
    return tuple(dict.fromkeys(names))


def _sheets(route: Route) -> tuple[str, ...]:
    """Return the upstream's models that have a sheet; it may be written under the name that clients ask for."""
    names = ((written, upstream_name(route, written) or written) for written in route.prices)
    return tuple(dict.fromkeys(name for both in names for name in both))


def _is_unpriced(terms: Terms, candidate: str, at: str) -> bool:
    """Say whether a candidate's calls are refused for want of a price: where money pays, no card is in force."""
    config = terms.config
    payer = config.balance[config.route[candidate.partition("/")[0]].balance]
    refuses = is_money(payer) and config.settle.unpriced != "zero"
    return refuses and card_at(terms.cards.charge.get(candidate, ()), moment(at)) is None


def candidate_health(
    route: RouteShown, model: str, cooldowns: Sequence[CooldownShown], balances: Sequence[BalanceShown]
) -> CandidateHealth:
    """Return how a candidate of a route is, by what cools and what the balances have."""
    name = candidate_name(route.route, model)
    touches = (("balance", route.balance), ("upstream", route.upstream), ("candidate", name))
    cooling = [one for touched in touches for one in cooldowns if (one.scope, one.name) == touched]
    # As a decision looks at them: whether it has a price, what passes it over now, then whether its balance can pay.
    stands = next((one for one in cooling if one.state != "probe_due"), None)
    if model in route.unpriced:
        word, until, stands = "no_price", "", None
    elif stands is not None:
        word, until = _passed_over(stands)
    else:
        word, until = _money(route, model, cooldowns, balances)
    due = next(iter(cooling), None)
    row = next((row for row in balances if row.name == route.balance and row.available is not None), None)
    if word == "ok" and 0 < route.concurrency <= route.under_way:
        word = "busy"
    elif word == "ok" and due is not None:
        word, stands = "probe_due", due
    return CandidateHealth(
        candidate=name,
        route=route.route,
        upstream_model=model,
        route_class=route.route_class,
        upstream=route.upstream,
        balance=route.balance,
        health=word,
        until=until,
        cooldown=stands,
        available="" if row is None or row.available is None else text(row.available),
        unit="" if row is None else row.unit,
        concurrency=route.concurrency,
        under_way=route.under_way,
    )


def _passed_over(stands: CooldownShown) -> tuple[HealthWord, str]:
    if stands.state == "cooling":
        return "balance_empty_upstream" if stands.scope == "balance" else "cooling", stands.until
    return "probing", ""


def _money(
    route: RouteShown, model: str, cooldowns: Sequence[CooldownShown], balances: Sequence[BalanceShown]
) -> tuple[HealthWord, str]:
    """Return whether a balance, or what pays beyond it, has anything that may be held, and else until when not."""
    rows = {row.name: row for row in balances}
    row = rows.get(route.balance)
    if row is None or _has_money(row):
        return "ok", ""
    if row.kind != "pool":
        costless = route.free and model not in route.sheets
        return ("ok", "") if costless else ("balance_short", row.resets)
    beyond = rows.get(row.overage)
    stands = any((one.scope, one.name) == ("balance", row.overage) and one.state != "probe_due" for one in cooldowns)
    if beyond is not None and _has_money(beyond) and not stands:
        return "ok", ""
    return "pool_used_up", row.resets


def _has_money(row: BalanceShown) -> bool:
    return row.available is None or row.available > ZERO
