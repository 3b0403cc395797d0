"""What is wrong with models, their routes, aliases, orders and permissions in a config.

A model that no route serves, an alias that leads in a circle, a fallback that leaves one candidate: each finding says
what to write instead (CASES 28). Prices and balances are looked at elsewhere.
"""

from collections.abc import Iterator

from tokens_forge.core.balance_check import Path, amount_in, amount_of
from tokens_forge.core.book import COUNT_UNITS
from tokens_forge.core.budgets import rate_at
from tokens_forge.core.candidates import Candidate, followed, match, table_of
from tokens_forge.core.config import (
    Config,
    Finding,
    Model,
    Route,
    did_you_mean,
    fits,
    is_served,
    is_upstreams,
    upstream_name,
)
from tokens_forge.core.config_amounts import units_of


def model_findings(config: Config) -> Iterator[Finding]:
    """Yield what is wrong with each `[model.NAME]`."""
    for name, model in config.model.items():
        path = ("model", name)
        if model.alias:
            yield from _alias(path, name, model, config)
            continue
        if not model.routes:
            yield Finding(path=(*path, "routes"), what='it has no candidate: write `routes = ["ROUTE/MODEL"]`')
        routes = tuple(_routes((*path, "routes"), name, model, config))
        yield from routes
        if not routes and model.routes:
            yield from _permissions(path, name, model, config)


def capability_findings(path: Path, route: Route) -> Iterator[Finding]:
    """Yield what is wrong with what a route says of its models."""
    for model, said in route.capabilities.items():
        there = (*path, "capabilities", model)
        if "*" not in model and not is_upstreams(route, model):
            yield Finding(
                path=there,
                what=f"the route asks its upstream for no `{model}`: write the upstream's own name, or a pattern",
                warning=True,
            )
        own = route.serves.values() if isinstance(route.serves, dict) else route.serves
        if "*" in model and not any("*" in name or fits(model, name) for name in own):
            yield Finding(path=there, what=f"no model of the route fits `{model}`", warning=True)
        if said.context < 0:
            yield Finding(path=(*there, "context"), what="write the input tokens that fit, or leave it out")


def serves_findings(path: Path, route: Route) -> Iterator[Finding]:
    """Yield what is wrong with a route's table of names: a pattern has one ``*``, and so has what it leads to."""
    for asked, served in route.serves.items() if isinstance(route.serves, dict) else ():
        stars = (asked.count("*"), served.count("*"))
        if max(stars) > 1 or stars[1] > stars[0]:
            yield Finding(
                path=(*path, "serves"),
                what=f"`{asked}` = `{served}`: one `*` on the left may stand for the same on the right, and no other",
            )


def _alias(path: Path, name: str, model: Model, config: Config) -> Iterator[Finding]:
    if model.routes or model.cross or model.burn != "listed":
        yield Finding(
            path=(*path, "alias"),
            what=f"an alias is all that `{model.alias}` is: leave out what stands beside it, or leave `alias` out",
        )
    target = followed(config, name)
    if config.model.get(target, Model()).alias:
        yield Finding(path=(*path, "alias"), what=f"it leads in a circle: `{name}` stands for `{model.alias}`")
    elif "*" in model.alias:
        yield Finding(path=(*path, "alias"), what=f"`{model.alias}` is a pattern: an alias stands for one name")
    elif not table_of(config, target) and not any(upstream_name(one, target) for one in config.route.values()):
        names = {*config.model, *(one for route in config.route.values() for one in route.serves)} - {name}
        yield Finding(
            path=(*path, "alias"), what=f"no model or route serves `{target}`.{did_you_mean(model.alias, names)}"
        )


def _routes(path: Path, name: str, model: Model, config: Config) -> Iterator[Finding]:
    for written in model.routes:
        route, _, served = written.partition("/")
        if route not in config.route:
            yield Finding(path=path, what=f"no route named `{route}`.{did_you_mean(route, config.route)}")
        elif "*" in name and (not served or "*" in served):
            continue  # which names come is not known before they are asked for
        elif not is_served(config.route[route], served or name):
            near = did_you_mean(served or name, config.route[route].serves)
            yield Finding(path=path, what=f"route `{route}` does not serve `{served or name}`.{near}")


def _permissions(path: Path, name: str, model: Model, config: Config) -> Iterator[Finding]:
    """Yield what is wrong with the order and the fallbacks of a model whose routes are right."""
    found = match(config, name).candidates
    if model.burn != "listed":
        yield from _comparable((*path, "burn"), found, config)
    if model.cross is not None:
        yield from _cross((*path, "cross"), model, found, config)
    crossing = model.cross.to if model.cross else ""
    if len(found) > 1 and model.fallback != "none" and model.burn == "listed":
        first = found[0]
        if any(_may_follow(model, first, other, crossing) for other in found):
            return
        whose = f"balance `{first.balance}`" if model.fallback == "balance" else f"class `{first.route_class}`"
        yield Finding(
            path=(*path, "fallback"),
            what=f"`{first.name}` is alone in its {whose}, so no other of its {len(found)} candidates ever answers "
            'when it fails: write `fallback = "any"`, or `cross = { to = "CLASS", up_to = "5.00 USD", per = "day" }`, '
            'or `fallback = "none"` if so meant',
            warning=True,
        )


def _may_follow(model: Model, first: Candidate, other: Candidate, crossing: str) -> bool:
    """Say whether the config lets `other` answer when `first`, which was intended, can't."""
    inside = {
        "none": False,
        "balance": other.balance == first.balance,
        "class": other.route_class == first.route_class,
        "any": True,
    }
    return other != first and (inside[model.fallback] or other.route_class == crossing)


def _comparable(path: Path, found: tuple[Candidate, ...], config: Config) -> Iterator[Finding]:
    """Yield the units that an order by cost can't compare for want of an exchange rate."""
    for unit in dict.fromkeys(config.balance[one.balance].unit for one in found if one.balance in config.balance):
        if unit and unit not in COUNT_UNITS and unit != config.report.unit and not config.report.fx.get(unit):
            yield Finding(
                path=path,
                what=f"what costs {unit} can't be compared with {config.report.unit}: write "
                f'`fx = {{ {unit} = [{{ from = 2026-01-01, rate = "7.10" }}] }}` in `[report]`, the {unit} for one '
                f"{config.report.unit}",
            )


def _cross(path: Path, model: Model, found: tuple[Candidate, ...], config: Config) -> Iterator[Finding]:
    assert model.cross is not None, "asked for a model that has one"
    known = units_of(config)
    up_to = amount_of(model.cross.up_to, known=known)
    yield from amount_in((*path, "up_to"), model.cross.up_to, "", known=known, positive=True)
    crossing = [one for one in found if one.route_class == model.cross.to]
    if not crossing:
        classes = ", ".join(dict.fromkeys(one.route_class for one in found))
        yield Finding(
            path=(*path, "to"), what=f"no candidate of it is of class `{model.cross.to}`: its classes are {classes}"
        )
    if model.fallback == "any":
        yield Finding(path=path, what='`fallback = "any"` crosses without a bound already: write `"class"`')
    elif crossing and len(crossing) == len(found) and model.fallback == "class":
        yield Finding(
            path=path, what=f"all of its candidates are {model.cross.to}, so nothing ever crosses", warning=True
        )
    if isinstance(up_to, str):
        return  # told above
    if up_to.unit in COUNT_UNITS:
        yield Finding(path=(*path, "up_to"), what=f"what crosses is bound in money: `{model.cross.up_to}` is none")
        return
    for unit in dict.fromkeys(config.balance[one.balance].unit for one in crossing if one.balance in config.balance):
        known = unit == up_to.unit or unit in {"", *COUNT_UNITS} or _rate_known(config, unit, up_to.unit)
        if not known:
            yield Finding(
                path=(*path, "up_to"),
                what=f"what crosses costs {unit} and no rate says how much of a {up_to.unit} that is: add "
                f"{unit if unit != config.report.unit else up_to.unit} to `[report] fx`",
            )


def _rate_known(config: Config, paid: str, unit: str) -> bool:
    return rate_at(config, paid, unit, "9999-01-01T00:00:00.000000Z") is not None
