"""Prices that `tf` is told, before they are written: what they change, and what stands against them.

A rate that can't be meant is refused with both figures (CASES 11), whether it is far from the list price or from what
the sheet before it said. Nothing is written here: `taken` gives the sheets that `price_sheets.changing` writes.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import msgspec

from tokens_forge.core.config import Config, Sheet
from tokens_forge.core.config_check import check
from tokens_forge.core.errors import Problem
from tokens_forge.core.price_check import implausible
from tokens_forge.core.sheet_changes import SheetChange, in_force, leaps, sheet_change
from tokens_forge.files.price_catalog import Catalog, route_cards
from tokens_forge.files.price_sheets import RouteSheets, Sheets, together, with_sheet


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One model's sheets on a route, in the order of their days, as somebody told them."""

    route: str
    model: str
    """As the route's sheets name it."""
    sheets: tuple[Sheet, ...]
    where: str
    """FILE:LINE; empty for what was typed."""


def changes(config: Config, told: Sequence[Told], *, whole: bool) -> tuple[SheetChange, ...]:
    """Return what each sheet changes; of a `whole` list also the models of its routes that it has no longer."""
    found: list[SheetChange] = []
    for one in told:
        sheets = config.route[one.route].prices.get(one.model, ())
        for sheet in one.sheets:
            found.append(sheet_change(one.route, one.model, in_force(sheets, sheet), sheet))
            sheets = together((sheet,), sheets)
    if whole:
        named = {(one.route, one.model) for one in told}
        for route in dict.fromkeys(one.route for one in told):
            absent = (model for model in config.route[route].prices if (route, model) not in named)
            found += (SheetChange(route=route, model=model, status="gone") for model in absent)
    return tuple(found)


def against(  # noqa: PLR0913 - what there is, what is told, and whether it mends
    config: Config,
    kept: Sheets,
    told: Sequence[Told],
    moved: Sequence[SheetChange],
    catalog: Catalog,
    *,
    mend: bool = False,
) -> tuple[Problem, ...]:
    """Return what keeps the sheets from being taken, each with where it was told and what to do instead.

    With `mend` the sheet before was wrong: a rate hundreds of times off it may be right.
    """
    after = _after(config, kept, told)
    wrong = {finding for finding in check(after) if not finding.warning} - set(check(config))
    found: list[Problem] = []
    for one in told:
        path = ("route", one.route, "prices", one.model)
        told_wrong = [finding.what for finding in check(after) if finding in wrong and finding.path[:4] == path]
        of_it = [change for change in moved if (change.route, change.model) == (one.route, one.model)]
        whats = (
            told_wrong
            or list(_hidden(config, kept, one))
            or list(_too_far(after, one, catalog))
            or [f"{what}; --mend says that it is meant" for change in of_it if not mend for what in leaps(change)]
        )
        where = f"{one.where}: {one.route}/{one.model}" if one.where else f"{one.route}/{one.model}"
        found += (Problem(where=where, what=what) for what in dict.fromkeys(whats))
    return tuple(found)


def taken(sheets: Sheets, told: Iterable[Told], moved: Sequence[SheetChange], *, today: date) -> Sheets:
    """Return `sheets` with what was told and is new; what stays as it is was checked `today`."""
    same = {(change.route, change.model, change.valid_from) for change in moved if change.status == "same"}
    for one in told:
        for sheet in one.sheets:
            known = (one.route, one.model, sheet.valid_from.isoformat()) in same
            sheets = with_sheet(sheets, one.route, one.model, None if known else sheet, checked=today)
    return sheets


def _after(config: Config, kept: Sheets, told: Sequence[Told]) -> Config:
    """Return the config as it would be: the new sheets go before the machine's own of the same day."""
    routes = dict(config.route)
    for one in told:
        route = routes[one.route]
        mine = kept.route.get(one.route, RouteSheets()).prices.get(one.model, ())
        users = tuple(sheet for sheet in route.prices.get(one.model, ()) if sheet not in mine)
        prices = {**route.prices, one.model: together(users, together(one.sheets, mine))}
        routes[one.route] = msgspec.structs.replace(route, prices=prices)
    return msgspec.structs.replace(config, route=routes)


def _hidden(config: Config, kept: Sheets, one: Told) -> Iterator[str]:
    """Find sheets of a day for which the user's own file has one, which goes before."""
    mine = kept.route.get(one.route, RouteSheets()).prices.get(one.model, ())
    users = {sheet.valid_from for sheet in config.route[one.route].prices.get(one.model, ()) if sheet not in mine}
    for sheet in one.sheets:
        if sheet.valid_from in users and sheet not in config.route[one.route].prices[one.model]:
            yield f"the config has a sheet from {sheet.valid_from}, and that one counts: change it there"


def _too_far(after: Config, one: Told, catalog: Catalog) -> Iterator[str]:
    days = {sheet.valid_from for sheet in one.sheets}
    cards, listed = route_cards(after, one.route, one.model, catalog)
    for far_off in implausible(after, one.route, cards, listed):
        if far_off.card.valid_from in days:
            yield str(far_off)
