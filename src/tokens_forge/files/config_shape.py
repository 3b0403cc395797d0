"""Whether a value read from TOML has the shape of a config record, and every place where it has not.

msgspec is strict but stops at the first fault and hides the name of a keyed entry; here every fault is found, with
its path, the value seen and what to write instead. The records of `core/config.py` are the only description of the
shape: nothing is listed twice.
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import cast

from msgspec import inspect

from tokens_forge.core.config import Finding, did_you_mean
from tokens_forge.files.toml_lines import Path, element

_MOST_DIGITS = 24
"""Before or after the point of a number: more is a typing error, and exact sums keep 80 digits in all."""

_HIDDEN = "credential"
"""The field whose value is never shown: a secret may stand there by mistake."""


def faults(value: object, shape: inspect.Type, path: Path) -> Iterator[Finding]:
    """Yield what keeps `value` (as tomllib gives it, decimals for floats) from having `shape`; nothing if it has it."""
    match shape:
        case inspect.StructType():
            yield from _record(value, shape, path)
        case inspect.DictType():
            yield from _keyed(value, shape, path)
        case inspect.VarTupleType():
            yield from _list(value, shape, path)
        case inspect.UnionType():
            yield from _one_of(value, shape, path)
        case _:
            if not _is(value, shape):
                yield Finding(path=path, what=f"{_shown(value, path)} is not {_wanted(shape)}{_near(value, shape)}")


def _record(value: object, shape: inspect.StructType, path: Path) -> Iterator[Finding]:
    if not isinstance(value, dict):
        yield Finding(path=path, what=f"{_shown(value, path)} is not {_wanted(shape)}")
        return
    entries = cast("dict[str, object]", value)
    fields = {field.encode_name: field for field in shape.fields}
    for name, entry in entries.items():
        if name in fields:
            yield from faults(entry, fields[name].type, (*path, name))
        else:
            yield Finding(path=(*path, name), what=f"no such setting here.{did_you_mean(name, fields)}")
    for name, field in fields.items():
        if field.required and name not in entries:
            yield Finding(path=path, what=f"`{name}` is missing: write {_wanted(field.type)}")


def _keyed(value: object, shape: inspect.DictType, path: Path) -> Iterator[Finding]:
    if not isinstance(value, dict):
        yield Finding(path=path, what=f"{_shown(value, path)} is not {_wanted(shape)}")
        return
    for name, entry in cast("dict[str, object]", value).items():
        yield from faults(entry, shape.value_type, (*path, name))


def _list(value: object, shape: inspect.VarTupleType, path: Path) -> Iterator[Finding]:
    if not isinstance(value, list):
        fits = not any(faults(value, shape.item_type, path))
        remedy = f": write it in brackets, `[{_toml(value)}]`" if fits and isinstance(value, str) else ""
        yield Finding(path=path, what=f"{_shown(value, path)} is not {_wanted(shape)}{remedy}")
        return
    for index, entry in enumerate(cast("list[object]", value)):
        yield from faults(entry, shape.item_type, (*path, element(index)))


def _one_of(value: object, shape: inspect.UnionType, path: Path) -> Iterator[Finding]:
    """Judge by the alternative that the value's kind points at, so that the fault is told within it."""
    alternatives = [part for part in shape.types if not isinstance(part, inspect.NoneType)]
    likely = [part for part in alternatives if isinstance(value, _KINDS.get(type(part), object))]
    if not likely and isinstance(value, str):
        likely = [part for part in alternatives if isinstance(part, inspect.VarTupleType)]
    if len(alternatives) == 1 or likely:
        yield from faults(value, (likely or alternatives)[0], path)
    else:
        wanted = " or ".join(_wanted(part) for part in alternatives)
        yield Finding(path=path, what=f"{_shown(value, path)} is not {wanted}")


_KINDS: dict[type[inspect.Type], type] = {
    inspect.StructType: dict,
    inspect.DictType: dict,
    inspect.VarTupleType: list,
    inspect.LiteralType: str,
}
"""What TOML gives for the shapes that stand in unions."""


def _is(value: object, shape: inspect.Type) -> bool:
    match shape:
        case inspect.LiteralType():
            return value in shape.values
        case inspect.StrType():
            return isinstance(value, str)
        case inspect.IntType():
            return isinstance(value, int) and not isinstance(value, bool)
        case inspect.DecimalType():
            return _is_number(value)
        case inspect.DateType():
            return _is_day(value)
        case _:
            return isinstance(shape, inspect.BoolType) and isinstance(value, bool)


def _is_number(value: object) -> bool:
    try:
        number = Decimal(value) if isinstance(value, str | int) and not isinstance(value, bool) else value
    except InvalidOperation:
        return False
    if not isinstance(number, Decimal) or not number.is_finite():
        return False
    power = number.as_tuple().exponent
    return isinstance(power, int) and power >= -_MOST_DIGITS and number.adjusted() < _MOST_DIGITS


def _is_day(value: object) -> bool:
    if isinstance(value, str):
        try:
            date.fromisoformat(value)
        except ValueError:
            return False
        return True
    return isinstance(value, date) and not isinstance(value, datetime)


def _wanted(shape: inspect.Type) -> str:
    """Return what to write, with an example: ``a number, such as `0.35```."""
    match shape:
        case inspect.LiteralType():
            return _any_of(str(word) for word in shape.values)
        case inspect.UnionType():
            return " or ".join(_wanted(part) for part in shape.types if not isinstance(part, inspect.NoneType))
        case inspect.StructType():
            needed = [field.encode_name for field in shape.fields if field.required]
            # Where nothing must be there, the first setting stands for a table's shape.
            return f"a table `{{ {', '.join(f'{name} = …' for name in needed or [shape.fields[0].encode_name])} }}`"
        case inspect.DictType():
            return "a table `{ NAME = … }`"
        case inspect.VarTupleType():
            return "a list in brackets"
        case _:
            return _WANTED[type(shape)]


_WANTED: dict[type[inspect.Type], str] = {
    inspect.StrType: "a text in quotes",
    inspect.IntType: "a whole number without quotes",
    inspect.DecimalType: "a number such as `0.35`",
    inspect.DateType: "a day such as `2026-11-01`",
    inspect.BoolType: "`true` or `false`",
}


def _any_of(words: Iterable[str]) -> str:
    *most, last = (f'`"{word}"`' for word in words)
    return f"{', '.join(most)} or {last}" if most else last


def _near(value: object, shape: inspect.Type) -> str:
    """Return the word that was probably meant; the allowed ones are already in the message."""
    if not isinstance(shape, inspect.LiteralType) or not isinstance(value, str):
        return ""
    hint = did_you_mean(value, [str(word) for word in shape.values])
    return f".{hint}" if "Did you mean" in hint else ""


def _shown(value: object, path: Path) -> str:
    return "this" if _HIDDEN in path else f"`{_toml(value)}`"


def _toml(value: object) -> str:
    """Return `value` about as it was written, short enough for a message."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f'"{value[:60]}…"' if len(value) > 60 else f'"{value}"'  # noqa: PLR2004 - a message is one line
        case dict():
            return "{ … }"
        case list():
            return "[ … ]"
        case _:
            return str(value)[:60]
