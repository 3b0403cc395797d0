"""A relay's price list, in one of four forms, as price sheets.

- TOML: ``[route.NAME.prices]`` tables, as in the config; route, day and unit stand in them.
- CSV with a header: ``model``, then any usage class (``input``, ``output``, ``cache_read`` …), and where rows differ
  ``unit``, ``per``, ``from``, ``fx``. An empty cell is no rate.
- JSON: ``{"MODEL": {"input": …, "output": …}}``, with the names of the CSV's columns.
- JSON of new-api's ``GET /api/pricing``, which many relays run.

Every wrong row is told at once with its file and line. Whether the sheets fit a config, what they change and whether
they are believed is decided by who asks; nothing is written here.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Literal, cast

import msgspec
from msgspec import inspect

from tokens_forge.core.config import Finding, Sheet, did_you_mean
from tokens_forge.core.errors import ConfigError, Problem
from tokens_forge.core.money import multiply
from tokens_forge.core.visible import visible
from tokens_forge.files.config_shape import faults
from tokens_forge.files.price_sheets import sheets_of
from tokens_forge.files.toml_file import tables_of
from tokens_forge.files.toml_lines import dotted, line_of

Form = Literal["toml", "csv", "json"]

NEW_API_UNIT = "USD"
"""What new-api's ratios are in, by its own words: a relay's dollar, which need not cost one."""

_USD_PER_RATIO = Decimal(2)
"""A ratio of 1 is 0.002 USD for a thousand tokens (new-api, `setting/ratio_setting/model_ratio.go`, "1 === $0.002 / 1K
tokens", and docs.newapi.pro, "Ratio Settings": 1 USD = 500,000 quota, one token at ratio 1 = 1 quota; read 2026-11)."""

_HOUR_WRITE = Decimal("1.6")
"""A cache write for an hour is 6 / 3.75 of one for five minutes in new-api's own reckoning (`types/price_data.go`, read
2026-11). The list states no such rate, and a relay may run another version: what is charged by it is an estimate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """What the user says of rows that don't say it themselves."""

    valid_from: date
    balance_unit: str
    """What the rows are in when nobody says."""
    unit: str = ""
    """What they are in, where the user says so."""
    per: str = "mtok"
    fx: str = ""
    group: str = ""
    """Of new-api: the user's group there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One model's sheets, and where they stand."""

    model: str
    sheets: tuple[Sheet, ...]
    line: int
    route: str = ""
    """Of TOML; the other forms name none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    """What a file says."""

    rows: tuple[Row, ...]
    left_out: tuple[str, ...] = ()
    """Models that no sheet can be made of, each with the reason."""


def read_list(path: Path, text: str, form: Form, stated: Stated) -> PriceList:
    """Return the price list in `text`, which was read from `path`.

    Raises ConfigError with every wrong row, its file and line.
    """
    match form:
        case "toml":
            return _from_toml(path, text)
        case "csv":
            told = _from_csv(path, text, stated)
        case "json":
            told = _from_json(path, text, stated)
    return _listed(path, told)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """A row as it was written, in the words of a config's sheet."""

    model: str
    line: int
    table: Mapping[str, object]
    left_out: str = ""
    """Why no sheet can be made of it."""


def _listed(path: Path, told: list[_Told]) -> PriceList:
    problems: list[Problem] = []
    rows: list[Row] = []
    lines: dict[str, int] = {}
    for one in told:
        if one.left_out:
            continue
        found = list(faults(one.table, inspect.type_info(Sheet), ()))
        if one.model in lines:
            found = [Finding(path=(), what=f"this model stands on line {lines[one.model]} too")]
        elif not one.model:
            found = [Finding(path=("model",), what="a row without a model's name")]
        lines[one.model] = one.line
        if found:
            problems += (_problem(path, one.line, one.model, finding) for finding in found)
        else:
            rows.append(Row(model=one.model, line=one.line, sheets=(msgspec.convert(one.table, Sheet),)))
    if problems:
        raise ConfigError(tuple(problems))
    return PriceList(rows=tuple(rows), left_out=tuple(f"{one.model}: {one.left_out}" for one in told if one.left_out))


def _from_toml(path: Path, text: str) -> PriceList:
    tables = tables_of(path, text)
    if isinstance(tables, Problem):
        raise ConfigError((tables,))
    kept = sheets_of(path, text, tables)
    if kept.problems:
        raise ConfigError(kept.problems)
    return PriceList(
        rows=tuple(
            Row(
                route=route,
                model=model,
                sheets=sheets,
                line=line_of(dict(kept.places), ("route", route, "prices", model)),
            )
            for route, told in kept.sheets.route.items()
            for model, sheets in told.prices.items()
        )
    )


def _from_csv(path: Path, text: str, stated: Stated) -> list[_Told]:
    # Spreadsheets put a mark of the byte order before the first name.
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    told: list[_Told] = []
    header: list[str] = []
    problems: list[Problem] = []
    try:
        for cells in reader:
            row = [cell.strip() for cell in cells]
            if not any(row):
                continue
            if not header:
                header = row
                problems += _header(path, reader.line_num, header)
            elif len(row) != len(header):
                what = f"it has {len(row)} cells and the header {len(header)}"
                problems.append(Problem(where=f"{path}:{reader.line_num}", what=what))
            else:
                named = {name: cell for name, cell in zip(header, row, strict=True) if cell}
                model = named.pop("model", "")
                told.append(_Told(model=model, line=reader.line_num, table={**_base(stated), **named}))
    except csv.Error as error:
        problems.append(Problem(where=f"{path}:{reader.line_num}", what=f"this is not CSV: {error}"))
    if not header:
        problems.append(Problem(where=str(path), what="it is empty: write a header, `model,input,output`, and rows"))
    if problems:
        raise ConfigError(tuple(problems))
    return told


def _header(path: Path, line: int, header: list[str]) -> Iterator[Problem]:
    columns = ("model", *_COLUMNS)
    for name in header:
        if name not in columns:
            near = did_you_mean(name, columns)
            yield Problem(where=f"{path}:{line}", what=visible(f"`{name}` is no column.{near}"))
        elif header.count(name) > 1:
            yield Problem(where=f"{path}:{line}", what=f"the column `{name}` stands there twice")
    if "model" not in header:
        yield Problem(where=f"{path}:{line}", what="no column is `model`: the first line names the columns")


def _from_json(path: Path, text: str, stated: Stated) -> list[_Told]:
    document = _document(path, text)
    rows = document.get("data")
    if isinstance(rows, list):
        return _from_new_api(path, text, cast("list[object]", rows), document, stated)
    told: list[_Told] = []
    problems: list[Problem] = []
    for model, entry in document.items():
        line = _line(text, model)
        if isinstance(entry, dict):
            table = {**_base(stated), **cast("dict[str, object]", entry)}
            told.append(_Told(model=model, line=line, table=table))
        else:
            what = 'this is no table of rates: write `{ "input": …, "output": … }`'
            problems.append(_problem(path, line, model, Finding(path=(), what=what)))
    if problems:
        raise ConfigError(tuple(problems))
    return told


def _document(path: Path, text: str) -> dict[str, object]:
    def refused(word: str) -> object:
        raise ValueError(f"{word} is no number")

    try:
        document = json.loads(text, parse_float=Decimal, parse_constant=refused)
    except json.JSONDecodeError as error:
        what = f"this is not JSON: {error.msg[:1].lower()}{error.msg[1:]}"
        raise ConfigError((Problem(where=f"{path}:{error.lineno}", what=what),)) from error
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise ConfigError((Problem(where=str(path), what=f"this JSON can't be read: {error}"),)) from error
    if not isinstance(document, dict):
        what = 'this is no table of models: `{"MODEL": {"input": …, "output": …}}`, or what `/api/pricing` answers'
        raise ConfigError((Problem(where=str(path), what=what),))
    return cast("dict[str, object]", document)


def _from_new_api(
    path: Path, text: str, rows: list[object], document: Mapping[str, object], stated: Stated
) -> list[_Told]:
    """Return the rows of an answer of ``/api/pricing`` (new-api, `model/pricing.go` and `controller/pricing.go`)."""
    ratios = document.get("group_ratio")
    ratios = cast("dict[str, object]", ratios) if isinstance(ratios, dict) else {}
    group = _group(path, ratios, stated.group)
    base = {**_base(stated), "per": "mtok", "unit": stated.unit or NEW_API_UNIT}
    told_rows: list[_Told] = []
    problems: list[Problem] = []
    for entry in rows:
        row = cast("dict[str, object]", entry) if isinstance(entry, dict) else {}
        model = row.get("model_name")
        if not isinstance(model, str):
            problems.append(Problem(where=f"{path}:1", what="a row of `data` without a `model_name`"))
            continue
        line = _line(text, model)
        told = _new_api_row(row, group, ratios.get(group, 1))
        if isinstance(told, Finding):
            problems.append(_problem(path, line, model, told))
        elif isinstance(told, str):
            told_rows.append(_Told(model=model, line=line, table={}, left_out=told))
        else:
            told_rows.append(_Told(model=model, line=line, table={**base, **told}))
    if problems:
        raise ConfigError(tuple(problems))
    return told_rows


def _new_api_row(row: Mapping[str, object], group: str, group_ratio: object) -> dict[str, object] | str | Finding:
    """Return the rates of a model in USD per Mtok, why there are none, or what is wrong.

    All are multiples of the input's, which is ``model_ratio`` times 2 USD times the group's ratio.
    """
    groups = row.get("enable_groups")
    if isinstance(groups, list) and groups and not {group, "all"} & set(cast("list[str]", groups)):
        return f"not sold to the group `{group}`"
    if row.get("billing_expr"):
        return "its price is an expression, which no sheet can say"
    ratio: dict[str, Decimal] = {}
    for name, value in {**{name: row.get(name) for name in _RATIOS}, "group_ratio": group_ratio}.items():
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            ratio[name] = Decimal(value)
        elif value is not None:
            return Finding(path=(name,), what=f"`{value}` is not a number")
    match row.get("quota_type", 0):
        case 1 if "model_price" in ratio:
            # Its tokens cost nothing more: that is said, as what has no rate has no price.
            return {"requests": multiply(ratio["model_price"], ratio["group_ratio"]), "input": 0, "output": 0}
        case 0 if "model_ratio" in ratio:
            rates = _by_ratio(ratio)
            return {**rates, "guessed": ["cache_write_1h"]} if "cache_write_1h" in rates else dict(rates)
        case other:
            what = f"`{other}` is neither 0, with a `model_ratio`, nor 1, with a `model_price`"
            return Finding(path=("quota_type",), what=what)


def _by_ratio(ratio: Mapping[str, Decimal]) -> dict[str, Decimal]:
    each = multiply(multiply(ratio["model_ratio"], _USD_PER_RATIO), ratio["group_ratio"])
    rates = {"input": each, "output": multiply(each, ratio.get("completion_ratio", Decimal(1)))}
    for name, usage_class in _OF_INPUT.items():
        if name in ratio:
            rates[usage_class] = multiply(each, ratio[name])
    if "cache_write_5m" in rates:
        rates["cache_write_1h"] = multiply(rates["cache_write_5m"], _HOUR_WRITE)
    if "audio_in" in rates and "audio_completion_ratio" in ratio:
        rates["audio_out"] = multiply(rates["audio_in"], ratio["audio_completion_ratio"])
    return rates


def _group(path: Path, ratios: Mapping[str, object], asked: str) -> str:
    """Return the user's group at the relay. Raises ConfigError where that is not known and makes a difference."""
    if asked and asked not in ratios:
        what = f"no group `{asked}` stands there.{did_you_mean(asked, ratios)}"
    elif not asked and len({str(ratio) for ratio in ratios.values()}) > 1:
        told = ", ".join(f"{name} {ratio}" for name, ratio in ratios.items())
        what = f"a call costs so many times the price by group: {told}. Say which is yours, `--group NAME`"
    else:
        return asked or ("default" if "default" in ratios else next(iter(ratios), "default"))
    raise ConfigError((Problem(where=str(path), what=visible(what)),))


_OF_INPUT = {
    "cache_ratio": "cache_read",
    "create_cache_ratio": "cache_write_5m",
    "image_ratio": "image_in",
    "audio_ratio": "audio_in",
}
"""What new-api prices as a multiple of the input, and our usage class."""

_RATIOS = ("model_ratio", "model_price", "completion_ratio", "audio_completion_ratio", *_OF_INPUT)

_COLUMNS = tuple(
    field.encode_name
    for field in msgspec.structs.fields(Sheet)
    if field.name not in {"long_input", "service", "adds", "guessed"}
)


def _base(stated: Stated) -> dict[str, object]:
    base: dict[str, object] = {"from": stated.valid_from, "unit": stated.unit or stated.balance_unit, "per": stated.per}
    return {**base, "fx": stated.fx} if stated.fx else base


def _line(text: str, model: str) -> int:
    """Return the line of a model's name in a JSON text, as it stands there first."""
    return text.count("\n", 0, max(text.find(json.dumps(model, ensure_ascii=False)), 0)) + 1


def _problem(path: Path, line: int, model: str, finding: Finding) -> Problem:
    where = " ".join(part for part in (f"{path}:{line}", model, dotted(finding.path)) if part)
    return Problem(where=visible(where), what=visible(finding.what))
