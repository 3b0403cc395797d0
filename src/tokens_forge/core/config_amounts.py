"""A config's amounts and units as they are meant: ``limit = "$5"`` is 5 USD from here on.

`as_meant` is asked once, when a config is loaded: what is in force holds amounts that `money.read_amount` takes, in
units that the ledger may keep. A balance's own unit is never changed: its entries have it. What can't be read stays as
it is, and is found by the checks.
"""

from collections.abc import Iterable
from typing import TypeVar

from msgspec.structs import replace

from tokens_forge.core.config import Balance, Budget, Config, Key, Price, Route, Task
from tokens_forge.core.errors import MoneyError
from tokens_forge.core.typed import kept_form, read_typed_unit

_Owner = TypeVar("_Owner", Balance, Route, Key, Task)


def units_of(config: Config) -> frozenset[str]:
    """Return the units that a config names: those of its balances and of its reports."""
    own = {balance.unit for balance in config.balance.values() if balance.unit}
    return frozenset({*own, config.report.unit, *config.report.fx})


def as_meant(config: Config) -> Config:
    """Return the config with its amounts and units in the ledger's form, but for those that can't be read."""
    own = frozenset(balance.unit for balance in config.balance.values() if balance.unit)
    report = replace(
        config.report,
        unit=_unit(config.report.unit, own),
        fx={_unit(unit, own): rates for unit, rates in config.report.fx.items()},
    )
    # Of two names for one currency, none is left out unseen.
    if len(report.fx) == len(config.report.fx):
        config = replace(config, report=report)
    known = units_of(config)
    return replace(
        config,
        balance={name: _balance(balance, known) for name, balance in config.balance.items()},
        route={name: _route(route, config, known) for name, route in config.route.items()},
        model={
            name: replace(model, cross=replace(model.cross, up_to=_amount(model.cross.up_to, "", known)))
            if model.cross is not None
            else model
            for name, model in config.model.items()
        },
        key={name: _budgeted(key, known) for name, key in config.key.items()},
        task={name: _task(task, known) for name, task in config.task.items()},
    )


def _balance(balance: Balance, known: frozenset[str]) -> Balance:
    fee = balance.fee
    return replace(
        _budgeted(balance, known),
        warn_below=_amount(balance.warn_below, balance.unit, known),
        limit=_amount(balance.limit, balance.unit, known),
        fee=None if fee is None else replace(fee, amount=_amount(fee.amount, "", known)),
    )


def _route(route: Route, config: Config, known: frozenset[str]) -> Route:
    payer = config.balance.get(route.balance)
    price = route.price
    if isinstance(price, Price):
        price = replace(price, amount=_amount(price.amount, payer.unit if payer else "", known))
    prices = {
        model: tuple(replace(sheet, unit=_unit(sheet.unit, known)) for sheet in sheets)
        for model, sheets in route.prices.items()
    }
    return replace(_budgeted(route, known), price=price, prices=prices)


def _task(task: Task, known: frozenset[str]) -> Task:
    cap = task.cap
    return replace(
        _budgeted(task, known), cap=None if cap is None else replace(cap, limit=_amount(cap.limit, "", known))
    )


def _budgeted(owner: _Owner, known: frozenset[str]) -> _Owner:
    if isinstance(owner.budget, Budget):
        return replace(owner, budget=_budget(owner.budget, known))
    return replace(owner, budget=tuple(_budget(budget, known) for budget in owner.budget))


def _budget(budget: Budget, known: frozenset[str]) -> Budget:
    return replace(budget, limit=_amount(budget.limit, "", known))


def _amount(written: str, unit: str, known: Iterable[str]) -> str:
    """Return an amount in the ledger's form; as it is where it has that, or can't be read."""
    if not written:
        return written
    try:
        return kept_form(written, unit, tuple(known))
    except MoneyError:
        return written


def _unit(word: str, known: Iterable[str]) -> str:
    try:
        return read_typed_unit(word, tuple(known))
    except MoneyError:
        return word
