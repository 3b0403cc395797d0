"""What a config may not change about what the ledger already knows: units, names, balances that are not empty.

Names have identity: `was` keeps one history under a new name. It moves nothing; the entries that it returns do.
"""

from collections.abc import Iterator
from typing import Literal

from tokens_forge.core.book import COUNT_UNITS, unit_conflict
from tokens_forge.core.config import Config
from tokens_forge.core.entries import NamedScope, Renamed
from tokens_forge.core.fold import Fold
from tokens_forge.core.money import Amount

Field = Literal["", "unit", "was"]


def conflicts(config: Config, fold: Fold) -> Iterator[tuple[str, Field, str]]:
    """Yield what stands against a config: the balance, its setting (empty for the table), and what to do.

    A balance may go back to a name that it had.
    """
    book = fold.book
    for name, balance in config.balance.items():
        if what := unit_conflict(name, balance, book):
            yield name, "unit", what
        own = (name, *balance.was)
        for one in own:
            if (now := book.name(one)) not in own:
                field, step = _apart(name, one, now)
                yield name, field, f"`{one}` is the earlier name of `{now}`, whose history it stays: {step}"
        histories = [one for one in own if one in book.balances]
        if len(histories) > 1:
            other = next(one for one in histories if one != name)
            both = " and ".join(f"`{one}`" for one in histories)
            move = f"to move its money, `tf balance close {other} --to {name}`"
            yield name, "was", f"{both} have a history each and stay apart: leave `{other}` out of `was`; {move}"
    for name, amount in removed(config, fold).items():
        ways = f'`tf balance close {name} --to OTHER`, or give it a new name with `was = ["{name}"]`'
        yield name, "", f"it is gone from the config and has {amount}: bring it back, then {ways}"


def _apart(name: str, one: str, now: str) -> tuple[Field, str]:
    """Return where `name` takes the name `one` of `now`, and what to write."""
    if one == name:
        return "", "give this one another name"
    return "was", f"leave it out, or write `{now}` beside it"


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
    scopes: tuple[tuple[NamedScope, dict[str, tuple[str, ...]]], ...] = (
        ("balance", {name: balance.was for name, balance in config.balance.items()}),
        ("route", {name: route.was for name, route in config.route.items()}),
        ("key", {name: key.was for name, key in config.key.items()}),
    )
    for scope, tables in scopes:
        for name, earlier in tables.items():
            for was in earlier:
                if fold.budgets.names.get(f"{scope}.{was}") != f"{scope}.{name}":
                    yield Renamed(scope=scope, name=name, was=was)
