"""`prices.toml`: the price sheets that `tf prices set` and `tf prices import` wrote, beside the issued keys.

The config belongs to the user, so what `tf` learns of prices stands in a file of its own. `merged` decides how the two
are one config: the dated sheets of both are one list, and of one day the user's own word counts. `changing` is the one
way to write the file. What a rate means is `core/config.py`'s part, what it costs `core/prices.py`'s.
"""

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import msgspec
import tomli_w
from msgspec import inspect

from tokens_forge.core.config import Config, Finding, Route, Sheet, did_you_mean
from tokens_forge.core.errors import ConfigError, Problem
from tokens_forge.core.money import text
from tokens_forge.files.config_shape import faults
from tokens_forge.files.paths import locked, write_private
from tokens_forge.files.toml_file import problem_at, tables_of, text_of
from tokens_forge.files.toml_lines import line_of, lines

_HEADER = (
    "# Prices that tf was told. This file belongs to the machine: change it with `tf prices`.\n"
    "# What config.toml says for the same model and the same day goes before it.\n\n"
)


class RouteSheets(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What was told about one route."""

    prices: dict[str, tuple[Sheet, ...]] = {}
    """Dated sheets by the model's name, as in the config; a day has one."""
    checked: dict[str, date] = {}
    """The last day on which somebody said that a model costs what its sheet says, an unchanged import too."""


class Sheets(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The whole file."""

    route: dict[str, RouteSheets] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What was read of the file."""

    path: Path
    sheets: Sheets = field(default_factory=Sheets)
    places: Mapping[tuple[str, ...], int] = field(default_factory=dict[tuple[str, ...], int])
    """Lines by path, as `toml_lines` finds them."""
    problems: tuple[Problem, ...] = ()

    def placed(self, finding: Finding) -> Problem:
        """Return a finding with its line here."""
        return problem_at(self.path, line_of(dict(self.places), finding.path), finding)


def read_sheets(path: Path) -> Kept:
    """Return the sheets in the file `path`, none when there is no file, and what is wrong with it."""
    if not path.exists():
        return Kept(path=path)
    read = text_of(path, missing="it was taken away just now")
    if isinstance(read, Problem):
        return Kept(path=path, problems=(read,))
    tables = tables_of(path, read)
    if isinstance(tables, Problem):
        return Kept(path=path, problems=(tables,))
    return sheets_of(path, read, tables)


def sheets_of(path: Path, written: str, tables: Mapping[str, object]) -> Kept:
    """Return the sheets that `tables`, read from the text `written`, hold; with any fault none of them."""
    kept = Kept(path=path, places=lines(written))
    found = faults(tables, inspect.type_info(Sheets), ())
    if problems := tuple(kept.placed(finding) for finding in found):
        return replace(kept, problems=problems)
    return replace(kept, sheets=msgspec.convert(tables, Sheets))


def merged(config: Config, sheets: Sheets) -> tuple[Config, tuple[Finding, ...]]:
    """Return the config whose routes have these sheets too, and warnings about those that count nothing."""
    routes = dict(config.route)
    ignored: list[Finding] = []
    for name, told in sheets.route.items():
        if name not in config.route:
            what = f"no route has this name in the config: its prices are left out.{did_you_mean(name, config.route)}"
            ignored.append(Finding(path=("route", name), what=what, warning=True))
            continue
        ignored += _hidden(name, config.route[name], told)
        prices = dict(config.route[name].prices)
        for model, dated in told.prices.items():
            prices[model] = together(prices.get(model, ()), dated)
        routes[name] = msgspec.structs.replace(config.route[name], prices=prices)
    return msgspec.structs.replace(config, route=routes), tuple(ignored)


def together(first: tuple[Sheet, ...], others: tuple[Sheet, ...]) -> tuple[Sheet, ...]:
    """Return the sheets of both in the order of their days; of one day those of `first`."""
    days = {sheet.valid_from for sheet in first}
    added = (sheet for sheet in others if sheet.valid_from not in days)
    return tuple(sorted((*first, *added), key=lambda sheet: sheet.valid_from))


def with_sheet(sheets: Sheets, route: str, model: str, sheet: Sheet | None, *, checked: date) -> Sheets:
    """Return `sheets` where `model` costs on `route` what `sheet` says, and was `checked` on a day.

    Another sheet of the same day makes way. Without a sheet only the check is noted.
    """
    old = sheets.route.get(route, RouteSheets())
    prices = old.prices
    if sheet is not None:
        prices = {**prices, model: together((sheet,), prices.get(model, ()))}
    new = RouteSheets(prices=prices, checked={**old.checked, model: checked})
    return Sheets(route={**sheets.route, route: new})


@contextmanager
def changing(path: Path) -> Generator["Change"]:
    """Give the sheets in the file `path` and write what they were changed to, while no other command can.

    Nothing is written when the block raises or sets no others. Raises ConfigError for a file with errors.
    """
    with locked(path):
        kept = read_sheets(path)
        if kept.problems:
            raise ConfigError(kept.problems)
        change = Change(sheets=kept.sheets)
        yield change
        if change.sheets != kept.sheets:
            write_private(path, encoded(change.sheets))


@dataclass(slots=True, kw_only=True)
class Change:
    """The sheets under the lock: set `sheets` to what shall be written."""

    sheets: Sheets


def encoded(sheets: Sheets) -> bytes:
    """Return the file's bytes: rates in plain digits and quotes, so that none is taken for a float."""
    return (_HEADER + tomli_w.dumps(plain(msgspec.to_builtins(sheets, builtin_types=(Decimal, date))))).encode()


def plain(value: Any) -> Any:  # noqa: ANN401 - any part of a TOML document
    """Return a part of a TOML document with texts for its decimals."""
    match value:
        case Decimal():
            return text(value)
        case dict():
            return {name: plain(part) for name, part in cast("dict[str, object]", value).items()}
        case list() | tuple():
            return [plain(part) for part in cast("list[object]", value)]
        case _:
            return value


def _hidden(name: str, route: Route, told: RouteSheets) -> Iterator[Finding]:
    """Find sheets that the config's own of the same day hide."""
    for model, dated in told.prices.items():
        own = {sheet.valid_from for sheet in route.prices.get(model, ())}
        for day in sorted(own & {sheet.valid_from for sheet in dated}):
            what = f"the config has a sheet from {day} too, and that one counts: take one of the two away"
            yield Finding(path=("route", name, "prices", model), what=what, warning=True)
