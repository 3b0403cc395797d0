"""Putting settings into the text of a tool's settings file, and taking them out again.

`put_in` changes nothing else, and proves it: what the text says afterwards is what it said before and the settings, or
it raises. `taken_out` works on a text that was edited since: each setting that is still as it was written goes, or
becomes what it was before; one that somebody changed stays. Text in, text out: the disk is `files/connections.py`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, assert_never, cast

import msgspec

from tokens_forge.core.errors import ForgeError
from tokens_forge.files import json_text, toml_text, yaml_text

Form = Literal["json", "toml", "yaml"]
"""How a file is written: JSON with or without comments, TOML, YAML."""

Kind = Literal["set", "item", "default"]
"""``set``: the value at a path. ``item``: one more item of a list. ``default``: a value that a new file needs; one that
is there stays, and it is not taken out."""

TOKEN = re.compile(r"sk-tf-[A-Za-z0-9_-]{43}")
"""A token of tf's, wherever it stands."""

MASK = "sk-tf-…"
"""What stands for a token where none may be."""


class Setting(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that a tool's settings shall say."""

    path: tuple[str, ...]
    """Names from the root of the file."""
    value: str | bool | dict[str, str | bool]
    kind: Kind = "set"


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenOut:
    """A text without what was put in."""

    text: str
    left: tuple[str, ...]
    """The settings that somebody changed since, and that stay as they are."""


def put_in(form: Form, text: str, settings: Iterable[Setting]) -> str:
    """Return `text` with the settings. Raises ForgeError, with what to do, where that can't be done safely."""
    wanted = value_of(form, text)
    for setting in settings:
        text, wanted = _put(form, text, setting), _with(wanted, setting)
        _check(form, text, wanted)
    return text


def taken_out(form: Form, text: str, before: str, settings: Iterable[Setting]) -> TakenOut:
    """Return `text` without the settings, whose tokens are masked; `before` is the text before they were put in.

    Raises ForgeError, with what to do, where that can't be done safely.
    """
    left: list[str] = []
    for setting in reversed(tuple(settings)):
        found = found_at(value_of(form, text), setting.path)
        if setting.kind == "default" or (found is None and setting.kind == "set"):
            continue
        out = _item_out(form, text, before, setting) if setting.kind == "item" else _out(form, text, before, setting)
        if out is None:
            left.append(_name(setting))
            continue
        _check(form, out, value_of(form, text), setting)
        text = out
    return TakenOut(text=text, left=tuple(reversed(left)))


def masked(value: object) -> object:
    """Return a value with `MASK` for each token in its texts."""
    match value:
        case str():
            return TOKEN.sub(MASK, value)
        case dict():
            return {name: masked(one) for name, one in cast("dict[str, object]", value).items()}
        case _:
            return value


def masked_setting(setting: Setting) -> Setting:
    """Return a setting that says no token."""
    return msgspec.structs.replace(setting, value=cast("str | bool | dict[str, str | bool]", masked(setting.value)))


def value_of(form: Form, text: str) -> object:
    """Return what a text says; an object without members for an empty one. Raises ForgeError for what can't be read."""
    return _VALUE[form](text)


def found_at(value: object, path: tuple[str, ...]) -> object:
    """Return what is at a path of a value; None when there is nothing."""
    for name in path:
        if not isinstance(value, dict):
            return None
        value = cast("dict[str, object]", value).get(name)
    return value


def _check(form: Form, text: str, wanted: object, again: Setting | None = None) -> None:
    """Raise ForgeError unless `text`, with the setting `again`, says what is wanted."""
    try:
        said = value_of(form, text)
        same = said == wanted if again is None else _bag(_with(said, again)) == _bag(wanted)
    except ForgeError:
        same = False
    if not same:
        raise ForgeError("it is written in a way that can't be changed safely: change it by hand (--print shows how)")


def _bag(value: object) -> object:
    """Return a value without tokens and without the order of its lists, for comparing."""
    match value:
        case dict():
            return {name: _bag(one) for name, one in cast("dict[str, object]", value).items()}
        case list():
            return sorted(repr(_bag(one)) for one in cast("list[object]", value))
        case _:
            return masked(value)


_VALUE: Mapping[Form, Callable[[str], object]] = {
    "json": lambda text: {} if (found := json_text.value(text)) is None else found,
    "toml": toml_text.value,
    "yaml": lambda text: {} if (found := yaml_text.value(text)) is None else found,
}


def _put(form: Form, text: str, setting: Setting) -> str:
    if setting.kind == "default" and found_at(value_of(form, text), setting.path) is not None:
        return text
    match form:
        case "json":
            return json_text.put(text, setting.path, setting.value)
        case "toml":
            return toml_text.put(text, setting.path, setting.value)
        case "yaml" if isinstance(setting.value, dict):
            return yaml_text.add(text, setting.path, setting.value)
        case "yaml":
            return yaml_text.put(text, setting.path, str(setting.value))
        case _:
            assert_never(form)


def _with(value: object, setting: Setting) -> object:
    """Return what a text shall say once it has the setting."""
    if setting.kind == "default" and found_at(value, setting.path) is not None:
        return value
    if setting.kind == "item":
        items = found_at(value, setting.path)
        more = [*(cast("list[object]", items) if isinstance(items, list) else []), setting.value]
        return _set(value, setting.path, more)
    return _set(value, setting.path, setting.value)


def _set(value: object, path: tuple[str, ...], new: object) -> object:
    if not path:
        return new
    around = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    return {**around, path[0]: _set(around.get(path[0]), path[1:], new)}


def _out(form: Form, text: str, before: str, setting: Setting) -> str | None:
    """Return `text` without the setting, or with what it said before; None where it was changed since."""
    if masked(found_at(value_of(form, text), setting.path)) != setting.value:
        return None
    match form:
        case "json":
            was = json_text.raw(before, setting.path)
            return json_text.put_raw(text, setting.path, was) if was is not None else _bare(text, before, setting.path)
        case "toml":
            was = toml_text.raw(before, setting.path)
            if was is not None:
                return toml_text.put_raw(text, setting.path, was)
            text = toml_text.drop(text, setting.path)
            table = setting.path[:-1]
            empty = table and found_at(value_of(form, text), table) == {}
            return toml_text.drop_table(text, table) if empty and not found_at(value_of(form, before), table) else text
        case "yaml":
            was = yaml_text.raw(before, setting.path)
            return yaml_text.drop(text, setting.path) if was is None else yaml_text.put_raw(text, setting.path, was)
        case _:
            assert_never(form)


def _bare(text: str, before: str, path: tuple[str, ...]) -> str:
    """Return `text` without a member, nor the objects around it that are empty now and were not there before."""
    while True:
        text, path = json_text.drop(text, path), path[:-1]
        if not path or json_text.raw(before, path) is not None or found_at(value_of("json", text), path) != {}:
            return text


def _item_out(form: Form, text: str, before: str, setting: Setting) -> str | None:
    """Return `text` without the item; one that is not there as it was written was changed or taken out since."""
    assert form == "yaml", "items are for YAML"
    items = found_at(value_of(form, text), setting.path)
    same = [at for at, one in enumerate(cast("list[object]", items or [])) if masked(one) == setting.value]
    if not isinstance(items, list) or not same:
        return None
    out = yaml_text.remove(text, setting.path, same[-1])
    _check(form, out, value_of(form, text), setting)
    emptied = setting.path and not found_at(value_of(form, out), setting.path)
    return yaml_text.drop(out, setting.path) if emptied and yaml_text.raw(before, setting.path) is None else out


def _name(setting: Setting) -> str:
    """Return how a setting is called: its path, or an item's first words."""
    item = next(iter(setting.value.values()), "") if isinstance(setting.value, dict) and setting.kind == "item" else ""
    return " ".join(str(part) for part in (".".join(setting.path), item) if part)
