"""What is wrong with budgets and caps in a config: amounts, periods, and whether anything can count against them.

A budget that no permitted route can consume protects nothing, and one without an exchange rate can't be enforced: both
are errors. Each finding says what to write instead.
"""

from collections.abc import Iterator
from decimal import Decimal

from tokens_forge.core.balance_check import Path, amount_in, amount_of
from tokens_forge.core.budgets import wait_ms
from tokens_forge.core.config import CATALOGUE_UNIT, Budget, Cap, Config, Counting, Finding, Route, budgets
from tokens_forge.core.config_amounts import units_of


def budget_findings(config: Config) -> Iterator[Finding]:
    """Yield what is wrong with each budget and cap of keys, tasks, routes and balances."""
    for name, key in config.key.items():
        routes = {route: it for route, it in config.route.items() if it.route_class in key.classes}
        yield from _budgets(("key", name, "budget"), budgets(key), config, routes)
    for name, task in config.task.items():
        yield from _budgets(("task", name, "budget"), budgets(task), config, config.route)
        if task.cap is not None:
            yield from _cap(("task", name, "cap"), task.cap, config)
    for name, route in config.route.items():
        yield from _budgets(("route", name, "budget"), budgets(route), config, {name: route})
    for name, balance in config.balance.items():
        paying = {route: it for route, it in config.route.items() if name in _payers(config, it)}
        yield from _budgets(("balance", name, "budget"), budgets(balance), config, paying, only=name)


def _budgets(
    path: Path, found: tuple[Budget, ...], config: Config, routes: dict[str, Route], *, only: str = ""
) -> Iterator[Finding]:
    periods = [budget.per for budget in found]
    for per in dict.fromkeys(per for per in periods if periods.count(per) > 1):
        yield Finding(path=path, what=f"there are two budgets per {per}: write the smaller one alone")
    for budget in found:
        yield from _limit(path, budget.limit, budget.count, config, routes, only)


def _cap(path: Path, cap: Cap, config: Config) -> Iterator[Finding]:
    yield from _limit(path, cap.limit, cap.count, config, config.route, "")
    yield from soft_findings(path, cap.soft)
    try:
        wait_ms(cap.at_cap)
    except ValueError as error:
        yield Finding(path=(*path, "at_cap"), what=str(error))


def soft_findings(path: Path, soft: Decimal | None) -> Iterator[Finding]:
    """Yield what is wrong with the share of a cap from which on to warn."""
    if soft is not None and not 0 < soft <= 1:
        yield Finding(path=(*path, "soft"), what=f"{soft} is no share of the limit: write one such as 0.8")


def _limit(  # noqa: PLR0913, PLR0917 - where it stands, what it says, and who may count against it
    path: Path, written: str, by: Counting, config: Config, routes: dict[str, Route], only: str
) -> Iterator[Finding]:
    known = units_of(config)
    limit = amount_of(written, known=known)
    if isinstance(limit, str):
        yield Finding(path=(*path, "limit"), what=limit)
        return
    if limit.unit in {"requests", "tokens", "percent"}:
        yield Finding(
            path=(*path, "limit"),
            what=f"a budget is in money and `{written}` in {limit.unit}: a pool's `windows` bound what is counted",
        )
        return
    yield from amount_in((*path, "limit"), written, "", known=known, positive=True)
    units = _units(config, routes, by, only)
    if not units:
        yield Finding(path=path, what=_unused(routes))
    for unit, route in units.items():
        missing = [one for one in (unit, limit.unit) if unit != limit.unit and not _has_rate(config, one)]
        for one in missing:
            yield Finding(
                path=(*path, "limit"),
                what=f"route `{route}` counts in {unit} and no rate says how much of a {limit.unit} that is: write "
                f'`fx = {{ {one} = [{{ from = 2026-01-01, rate = "7.10" }}] }}` in `[report]`, the {one} for one '
                f"{config.report.unit}",
            )


def _unused(routes: dict[str, Route]) -> str:
    if not routes:
        return (
            "no route can ever count against it: it protects nothing. Leave it out, or allow a class that a route has"
        )
    return (
        'none of its routes pays in money, so nothing counts against it: write `count = "list"` to count calls at '
        "their list price, or leave it out"
    )


def _units(config: Config, routes: dict[str, Route], by: Counting, only: str) -> dict[str, str]:
    """Return the units in which calls count against a budget, each with a route that does."""
    units: dict[str, str] = {}
    for name, route in routes.items():
        if by == "list":
            units.setdefault(CATALOGUE_UNIT, name)
        for payer in _payers(config, route):
            balance = config.balance.get(payer)
            if balance is not None and balance.kind in {"prepaid", "postpaid"} and only in {"", payer}:
                units.setdefault(balance.unit, name)
    return units


def _payers(config: Config, route: Route) -> tuple[str, ...]:
    """Return the balances that may pay for a route: its own, and the one that pays beyond a pool."""
    balance = config.balance.get(route.balance)
    return (route.balance,) if balance is None or balance.overage == "none" else (route.balance, balance.overage)


def _has_rate(config: Config, unit: str) -> bool:
    return unit == config.report.unit or bool(config.report.fx.get(unit))
