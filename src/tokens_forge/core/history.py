"""What a config may not change about what the ledger already knows: units, names, balances that are not empty.

Names have identity: `was` keeps one history under a new name. It moves nothing; the entries that it returns do.
"""

from collections.abc import Iterator
from typing import Literal

from tokens_forge.core.book import COUNT_UNITS, is_money, unit_conflict
from tokens_forge.core.config import Balance, Config
from tokens_forge.core.entries import NamedScope, Renamed
from tokens_forge.core.fold import Fold
from tokens_forge.core.money import Amount
from tokens_forge.core.typed import near_unit

Field = Literal["", "kind", "unit", "was"]


def conflicts(config: Config, fold: Fold, kept: Config | None) -> Iterator[tuple[str, Field, str]]:
    """Yield what stands against a config: the table (``balance.wallet``), its setting or nothing, and what to do.

    Something may go back to a name that it had; nothing else ever gets that. `kept` is the config in force before, if
    known: only it says of which kind a balance is.
    """
    yield from _taken(config, fold)
    book = fold.book
    for name, balance in config.balance.items():
        table = f"balance.{name}"
        histories = [one for one in (name, *balance.was) if one in book.balances]
        if what := unit_conflict(name, balance, book) or ("" if histories else _misnamed(balance)):
            yield table, "unit", what
        elif kept is not None and (kind := _other_kind(name, balance, kept, fold)):
            yield (
                table,
                "kind",
                f"it is {kind} since its first entry: a balance keeps its kind. Give another one its own name",
            )
        if len(histories) > 1:
            other = next(one for one in histories if one != name)
            both = " and ".join(f"`{one}`" for one in histories)
            move = f"to move its money, `tf balance close {other} --to {name}`"
            yield table, "was", f"{both} have a history each and stay apart: leave `{other}` out of `was`; {move}"
    for name, amount in removed(config, fold).items():
        ways = f'`tf balance close {name} --to OTHER`, or give it a new name with `was = ["{name}"]`'
        yield f"balance.{name}", "", f"it is gone from the config and has {amount}: bring it back, then {ways}"


def _misnamed(balance: Balance) -> str:
    """Return what stands against the unit of a balance without entries that is nearly a currency, else nothing.

    One with entries keeps it: `usd` is the unit that its ledger has.
    """
    near = near_unit(balance.unit) if is_money(balance) else ""
    if not near:
        return ""
    return (
        f'`{balance.unit}` is not the code of a currency. Did you mean `unit = "{near}"`? A unit of your own is '
        f"written in capitals: `{balance.unit.upper()}`"
    )


def _other_kind(name: str, balance: Balance, kept: Config, fold: Fold) -> str:
    """Return the kind that a balance with entries had under this name or an earlier one, where it is another."""
    for one in (name, *balance.was):
        before = kept.balance.get(one)
        if before is not None and before.kind != balance.kind and fold.book.name(one) in fold.book.balances:
            return before.kind
    return ""


def _taken(config: Config, fold: Fold) -> Iterator[tuple[str, Field, str]]:
    """Yield the names that are earlier names of something else, whose budgets and money they would share."""
    for scope, tables in _earlier(config):
        for name, was in tables.items():
            own = (name, *was)
            for one in own:
                now = fold.budgets.names.get(f"{scope}.{one}", f"{scope}.{one}").removeprefix(f"{scope}.")
                if now in own:
                    continue
                whose = f"`{one}` is the earlier name of `{now}`, whose history it stays"
                if one == name:
                    yield f"{scope}.{name}", "", f"{whose}: give this one another name"
                else:
                    yield f"{scope}.{name}", "was", f"{whose}: leave it out, or write `{now}` beside it"


def removed(config: Config, fold: Fold) -> dict[str, Amount]:
    """Return the balances that hold or owe money and that the config no longer knows, with what is posted on them."""
    known = {*config.balance, *(was for balance in config.balance.values() for was in balance.was)}
    return {
        name: Amount(value=state.posted, unit=state.unit)
        for name, state in fold.book.balances.items()
        if name not in known and state.unit not in COUNT_UNITS and (state.posted or state.holds)
    }


def renames(config: Config, fold: Fold) -> Iterator[Renamed]:
    """Yield the entries that give history its new name, those that are not in the ledger yet."""
    for scope, tables in _earlier(config):
        for name, earlier in tables.items():
            for was in earlier:
                if fold.budgets.names.get(f"{scope}.{was}") != f"{scope}.{name}":
                    yield Renamed(scope=scope, name=name, was=was)


def _earlier(config: Config) -> tuple[tuple[NamedScope, dict[str, tuple[str, ...]]], ...]:
    """Return the earlier names of balances, routes and keys."""
    return (
        ("balance", {name: balance.was for name, balance in config.balance.items()}),
        ("route", {name: route.was for name, route in config.route.items()}),
        ("key", {name: key.was for name, key in config.key.items()}),
    )
