"""What is wrong with balances, their windows, fees and names in a config.

Each finding says what to write instead. Routes and prices are looked at elsewhere; this file changes nothing.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Literal, assert_never

from tokens_forge.core.book import FREE_UNIT
from tokens_forge.core.config import (
    Balance,
    Config,
    Fee,
    Finding,
    Key,
    Route,
    Window,
    default_kind,
    did_you_mean,
    is_name,
)
from tokens_forge.core.config_amounts import units_of
from tokens_forge.core.errors import MoneyError
from tokens_forge.core.moments import read_duration_ms
from tokens_forge.core.money import ZERO, Amount, is_unit
from tokens_forge.core.typed import near_unit, read_typed
from tokens_forge.core.windows import calendar_word, read_anchor

Path = tuple[str, ...]


def balance_findings(config: Config) -> Iterator[Finding]:
    """Yield what is wrong with each `[balance.NAME]`, and with the earlier names of balances, routes and keys."""
    for name, balance in config.balance.items():
        path = ("balance", name)
        yield from _unit(path, balance)
        match balance.kind:
            case "pool":
                yield from _pool(path, balance, config)
            case "postpaid":
                yield from _postpaid(path, balance)
            case "prepaid" | "free":
                pass
            case _:
                assert_never(balance.kind)
        yield from _misplaced(path, balance)
        if balance.warn_below:
            yield from amount_in((*path, "warn_below"), balance.warn_below, balance.unit)
    yield from _earlier_names("balance", config.balance)
    yield from _earlier_names("route", config.route)
    yield from _earlier_names("key", config.key)


def amount_in(
    path: Path, written: str, unit: str, *, known: Collection[str] = (), positive: bool = False
) -> Iterator[Finding]:
    """Yield what is wrong with an amount that must be in `unit`, or in any where that is empty.

    `known` are the units that the config names.
    """
    amount = amount_of(written, unit, known)
    if isinstance(amount, str):
        yield Finding(path=path, what=amount)
    elif unit and amount.unit != unit:
        yield Finding(path=path, what=f"`{written}` is in {amount.unit} and the balance in {unit}: write it in {unit}")
    elif positive and amount.value <= ZERO:
        yield Finding(path=path, what=f"`{written}` is nothing: write an amount of more than 0")


def amount_of(written: str, unit: str = "", known: Collection[str] = ()) -> Amount | str:
    """Return the amount in a text as `typed.read_typed` does, or what is wrong with it."""
    try:
        return read_typed(written, unit, known)
    except MoneyError as error:
        return str(error)


def duration(path: Path, written: str) -> Iterator[Finding]:
    """Yield what is wrong with a duration."""
    try:
        read_duration_ms(written)
    except ValueError as error:
        yield Finding(path=path, what=str(error))


def _unit(path: Path, balance: Balance) -> Iterator[Finding]:
    if balance.kind == "free":
        if balance.unit:
            yield Finding(path=(*path, "unit"), what="a free balance counts nothing: leave `unit` out")
    elif not is_unit(balance.unit):
        yield Finding(
            path=(*path, "unit"),
            what=f"`{balance.unit}` is no unit: write a currency such as `{near_unit(balance.unit) or 'USD'}`, or for "
            "a pool `requests`, `tokens` or `percent`",
        )
    elif balance.unit == FREE_UNIT:
        yield Finding(path=(*path, "unit"), what="`free` is what a free balance counts: write a currency")
    elif balance.kind != "pool" and balance.unit in {"requests", "tokens", "percent"}:
        yield Finding(
            path=(*path, "unit"),
            what=f'only a pool is counted in {balance.unit}: write a currency, or `kind = "pool"`',
        )


def _pool(path: Path, balance: Balance, config: Config) -> Iterator[Finding]:
    if balance.windows == "provider":
        if balance.unit != "percent":
            yield Finding(path=(*path, "unit"), what=f"what a provider counts is in `percent`, not in `{balance.unit}`")
    else:
        yield from _windows(path, balance, balance.windows)
    if balance.fee is not None:
        yield from _fee((*path, "fee"), balance.fee, units_of(config))
    if balance.overage != "none":
        yield from _overage((*path, "overage"), balance.overage, config)


def _windows(path: Path, balance: Balance, windows: tuple[Window, ...]) -> Iterator[Finding]:
    if balance.unit == "percent":
        yield Finding(
            path=(*path, "windows"),
            what='nobody but the provider can count percent: write `windows = "provider"`',
        )
    elif is_unit(balance.unit) and balance.unit not in {"requests", "tokens"}:
        yield Finding(
            path=(*path, "unit"),
            what=f"a pool is counted in `requests`, `tokens` or `percent`, not in `{balance.unit}`",
        )
    if not windows:
        yield Finding(
            path=(*path, "windows"),
            what='a pool needs its windows: write `windows = [{ allow = 900, per = "5h" }]`',
        )
    names = [window.name for window in windows]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        yield Finding(path=(*path, "windows"), what=f"there are two windows {name}: write the smaller allowance alone")
    for window in windows:
        yield from _window((*path, "windows"), window)


def _window(path: Path, window: Window) -> Iterator[Finding]:
    if window.allow < 0:
        yield Finding(path=path, what=f"an allowance of {window.allow} is less than nothing")
    kind = window.kind or default_kind(window.per)
    if kind == "calendar":
        yield from _calendar(path, window.per, window.anchor)
        return
    if window.anchor:
        yield Finding(path=path, what=f'a {kind} window has no `anchor`: leave it out, or write `kind = "calendar"`')
    if window.per == "month":
        yield Finding(path=path, what=f"a {kind} window of a month is none: write `30d`, or leave `kind` out")
    else:
        yield from duration(path, window.per)


def _calendar(path: Path, per: str, anchor: str) -> Iterator[Finding]:
    try:
        read_anchor(calendar_word(per), anchor)
    except ValueError as error:
        yield Finding(path=path, what=str(error))


def _postpaid(path: Path, balance: Balance) -> Iterator[Finding]:
    if balance.limit:
        yield from amount_in((*path, "limit"), balance.limit, balance.unit, positive=True)
    else:
        yield Finding(
            path=path,
            what=f'it has no limit: write what may be owed in one {balance.per}, `limit = "100.00 {balance.unit}"`',
        )
    yield from _calendar((*path, "anchor"), balance.per, balance.anchor)


def _fee(path: Path, fee: Fee, known: Collection[str]) -> Iterator[Finding]:
    yield from amount_in(path, fee.amount, "", known=known, positive=True)
    if fee.until is not None and fee.until <= fee.valid_from:
        yield Finding(path=path, what=f"`until` {fee.until} is not after `from` {fee.valid_from}")


def _overage(path: Path, overage: str, config: Config) -> Iterator[Finding]:
    payer = config.balance.get(overage)
    if payer is None:
        yield Finding(path=path, what=f"no balance named `{overage}`.{did_you_mean(overage, config.balance)}")
    elif payer.kind not in {"prepaid", "postpaid"}:
        yield Finding(
            path=path, what=f"`{overage}` is a {payer.kind} balance: what goes beyond a pool is paid in money"
        )


_ONLY: dict[str, tuple[str, ...]] = {
    "windows": ("pool",),
    "fee": ("pool",),
    "overage": ("pool",),
    "limit": ("postpaid",),
    "per": ("postpaid",),
    "anchor": ("postpaid",),
}
"""Settings to the kinds of balance that have them."""

_UNSET = Balance(kind="free")
"""A balance with nothing set."""


def _misplaced(path: Path, balance: Balance) -> Iterator[Finding]:
    for setting, kinds in _ONLY.items():
        if balance.kind not in kinds and getattr(balance, setting) != getattr(_UNSET, setting):
            yield Finding(
                path=(*path, setting), what=f'only a {kinds[0]} balance has `{setting}`: write `kind = "{kinds[0]}"`'
            )


def _earlier_names(
    scope: Literal["balance", "route", "key"], tables: Mapping[str, Balance] | Mapping[str, Route] | Mapping[str, Key]
) -> Iterator[Finding]:
    taken: dict[str, str] = {}
    for name, table in tables.items():
        for was in table.was:
            path = (scope, name, "was")
            if not is_name(was):
                yield Finding(path=path, what=f"`{was}` is no name that a {scope} ever had")
            elif was in tables:
                yield Finding(
                    path=path, what=f"there is a {scope} `{was}` still: an earlier name is not in use any more"
                )
            elif was in taken:
                yield Finding(path=path, what=f"`{was}` is an earlier name of `{taken[was]}` already")
            taken[was] = name
