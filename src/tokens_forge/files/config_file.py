"""`config.toml`: read whole, every problem told at once with its file, line, table, value and next step.

What is a problem is decided by the records of `core/config.py` and its `check`, and here only for what no value shows
by itself: names that headers can't carry, time zones, files that others can read. This file also resolves where
credentials are; their values are never part of a problem, a stored config or a change. It writes nothing.
"""

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import msgspec
from msgspec import inspect

from tokens_forge.core.config import (
    CREDENTIAL_FORMS,
    KEYED_TABLES,
    NAME_RULE,
    TABLES,
    Balance,
    Config,
    Finding,
    Key,
    Model,
    Route,
    Table,
    Task,
    Upstream,
    did_you_mean,
    is_name,
)
from tokens_forge.core.config_amounts import as_meant
from tokens_forge.core.config_check import check
from tokens_forge.core.errors import ConfigError, Problem
from tokens_forge.core.own_tokens import TOKEN_PREFIX
from tokens_forge.core.plain import encode
from tokens_forge.core.visible import visible
from tokens_forge.files.config_shape import faults
from tokens_forge.files.paths import read_private
from tokens_forge.files.price_sheets import Kept, merged, read_sheets
from tokens_forge.files.toml_file import problem_at, tables_of, text_of
from tokens_forge.files.toml_lines import dotted, line_of, lines
from tokens_forge.files.zones import zone

Further = Callable[[Config], Iterable[Finding]]
"""Findings that need more than the config, such as prices; told with their lines like all others."""

_MODEL_NAME = re.compile(r"[!-~]{1,200}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")

_STAND_INS: dict[str, Table] = {
    "balance": Balance(kind="free"),
    "upstream": Upstream(dialect="openai", base_url="https://stand-in.invalid/v1", credential="none"),
    "route": Route(route_class="local", upstream="", balance="", serves=("*",)),
    "model": Model(routes=("",)),
    "key": Key(),
    "task": Task(),
}
"""What takes the place of an entry with faults of its own, so that what refers to it is not blamed too."""


def load(path: Path, prices: Path | None) -> Config:
    """Return the config in the file `path`, with the machine's price sheets in the file `prices`.

    Raises ConfigError with every problem that is no warning.
    """
    config, problems = read(path, prices=prices)
    errors = tuple(problem for problem in problems if not problem.warning)
    if config is None or errors:
        raise ConfigError(errors)
    return config


def read(
    path: Path, further: Iterable[Further] = (), *, prices: Path | None = None
) -> tuple[Config | None, tuple[Problem, ...]]:
    """Return the config in the file `path`, and its problems in the order of its lines, warnings among them.

    There is no config when any problem is an error. The machine's price sheets, in the file `prices`, are part of it;
    what is wrong with them follows. Each of `further` is asked when the shape of the files is right.
    """
    text = text_of(path, missing="there is no config here: `tf init` writes one")
    return (None, (text,)) if isinstance(text, Problem) else read_text(path, text, further, prices=prices)


def read_text(
    path: Path, text: str, further: Iterable[Further] = (), *, prices: Path | None = None
) -> tuple[Config | None, tuple[Problem, ...]]:
    """Return what `read` would if `text`, with single line feeds, were in the file `path`."""
    tables = tables_of(path, text)
    if isinstance(tables, Problem):
        return None, (tables,)
    converted = _converted(tables)
    kept = read_sheets(prices) if prices else Kept(path=path)
    written, ignored = merged(converted.config, kept.sheets)
    config = as_meant(written)
    misshapen = [*converted.findings, *_names(tables)]
    asks: list[Further] = [check, _unsafe_urls, _misplaced_secrets, _zone_unknown]
    if not misshapen and not kept.problems:
        asks += [*further, _open_to_others(path)]
    found = _asked(asks, config, converted.faulty)
    # What is wrong with the machine's sheets is what would not be wrong without them.
    without = _asked(asks, as_meant(converted.config), converted.faulty) if kept.sheets.route else found
    theirs = set(found) - set(without)
    at = lines(text)
    own = sorted(
        ((line_of(at, finding.path), finding) for finding in (*misshapen, *found) if finding not in theirs),
        key=lambda place: place[0],
    )
    problems = (
        *(problem_at(path, line, finding) for line, finding in own),
        *kept.problems,
        *(kept.placed(finding) for finding in (*ignored, *found) if finding in {*theirs, *ignored}),
    )
    return (None if any(not problem.warning for problem in problems) else config), problems


def stored(config: Config) -> tuple[str, bytes]:
    """Return the digest that names `config` in the ledger (``c_`` and 16 hex digits), and the bytes to keep.

    The bytes hold where credentials are (``env:NAME``), never a credential.
    """
    data = encode(config)
    return f"c_{hashlib.sha256(data).hexdigest()[:16]}", data


def credential(upstream: Upstream, config_path: Path, environ: Mapping[str, str]) -> str | None:
    """Return the credential that `upstream` names, or None for ``none``.

    A file is looked for beside the config and is read without one line feed at its end. Raises ConfigError with the
    next step when the variable is not set, the file can't be read, or what is there can't be sent in a header or is a
    key of tf itself.
    """
    form, _, name = upstream.credential.partition(":")
    match form:
        case "env":
            value = environ.get(name, "")
            missing = f"the variable `{name}` is not set: `export {name}=…` where `tf serve` is started"
        case "file":
            value, missing = _credential_file(config_path, name)
        case _:
            return None
    if not value:
        raise ConfigError((Problem(where=upstream.credential, what=missing),))
    if not re.fullmatch(r"[!-~]+", value):
        what = "what is there is no credential: it must be one line of letters, digits and signs, without spaces"
        raise ConfigError((Problem(where=upstream.credential, what=what),))
    if value.startswith(TOKEN_PREFIX):
        raise ConfigError((Problem(where=upstream.credential, what=_KEY_OF_TF),))
    return value


_KEY_OF_TF = (
    f"what is there is a key of tf (`{TOKEN_PREFIX}…`), which opens tf to a tool and says nothing to a provider: put "
    "the provider's own key there. Where a tool's lines were pasted into the shell that starts `tf serve`, start it in "
    "another one"
)


def unresolved(config_path: Path, environ: Mapping[str, str]) -> Further:
    """Return a question for `read`: which upstreams' credentials can't be resolved."""

    def ask(config: Config) -> Iterator[Finding]:
        for name, upstream in config.upstream.items():
            try:
                credential(upstream, config_path, environ)
            except ConfigError as error:
                yield Finding(path=("upstream", name, "credential"), what=error.problems[0].what)

    return ask


def changes(old: Config | None, new: Config) -> tuple[str, ...]:
    """Return a line for each value that differs: ``route.relay.price.list: 0.35 → 0.30``.

    A value that is only on one side has ``-`` on the other; defaults of an entry that is new or gone are left out.
    Without an `old` config everything is new.
    """
    before, after = _leaves(old or Config(), ()), _leaves(new, ())
    said = {**_said(old or Config(), ()), **_said(new, ())}
    return tuple(
        visible(f"{dotted(path)}: {before.get(path, '-')} → {after.get(path, '-')}")
        for path in dict.fromkeys((*before, *after))
        if before.get(path) != after.get(path) and ((path in before and path in after) or path in said)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Converted:
    """A file's tables as records; where an entry has faults, a stand-in is in its place."""

    config: Config
    findings: tuple[Finding, ...]
    faulty: frozenset[tuple[str, ...]]


def _asked(asks: Iterable[Further], config: Config, faulty: frozenset[tuple[str, ...]]) -> list[Finding]:
    """Return what is found in `config`, but for its entries that are stand-ins and what only follows from them.

    A balance without a usable unit, and a route without its balance, are as good as stand-ins: what is said of prices
    and budgets by them is empty.
    """
    found = [finding for ask in asks for finding in ask(config) if finding.path[:2] not in faulty]
    wrong = faulty | {finding.path[:2] for finding in found if (finding.path[0], finding.path[-1]) in _CAUSES}
    return [finding for finding in found if not _follows(finding, config, wrong)]


_CAUSES = {("balance", "unit"), ("route", "balance")}
"""Tables and settings that, when wrong, make others look wrong."""


def _follows(finding: Finding, config: Config, wrong: frozenset[tuple[str, ...]]) -> bool:
    """Say whether a finding may only follow from an entry that is `wrong` itself."""
    path = finding.path
    if "budget" in path or "cap" in path:
        return any(entry[0] in {"balance", "route", "report"} for entry in wrong)
    if path[0] == "balance" and "overage" in path:
        return ("balance", config.balance[path[1]].overage) in wrong
    if path[0] == "balance" and len(path) == 2 and finding.warning:  # noqa: PLR2004 - the table alone: nothing pays from it
        return any(entry[0] == "route" for entry in wrong)
    if path[0] == "route" and path[2:3] in {(), ("price",), ("prices",)}:
        return ("balance", config.route[path[1]].balance) in wrong
    return False


def _converted(tables: Mapping[str, object]) -> _Converted:
    findings: list[Finding] = []
    faulty: set[tuple[str, ...]] = set()
    found: dict[str, object] = {}
    for table, value in tables.items():
        if kind := TABLES.get(table):
            own = list(faults(value, inspect.type_info(kind), (table,)))
            if own:
                faulty.add((table,))
            else:
                found[table] = msgspec.convert(value, kind)
        elif kind := KEYED_TABLES.get(table):
            own = list(_keyed_faults(table, value, kind))
            bad = {finding.path[:2] for finding in own}
            faulty |= bad
            found[table] = {
                name: _STAND_INS[table] if (table, name) in bad else msgspec.convert(entry, kind)
                for name, entry in _entries(value).items()
            }
        else:
            own = [Finding(path=(table,), what=_unknown(table, value))]
        findings += own
    return _Converted(config=Config(**cast("Any", found)), findings=tuple(findings), faulty=frozenset(faulty))


def _keyed_faults(table: str, value: object, kind: type[Table]) -> Iterator[Finding]:
    entries = _entries(value)
    if not isinstance(value, dict):
        yield Finding(path=(table,), what=f"each has a name of your choice: write `[{table}.NAME]`")
    for name, entry in entries.items():
        if isinstance(entry, dict):
            yield from faults(cast("dict[str, object]", entry), inspect.type_info(kind), (table, name))
        else:
            yield Finding(path=(table, name), what=f"this stands in no named table: write `[{table}.NAME]` above it")


def _entries(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _unknown(name: str, value: object) -> str:
    if isinstance(value, dict | list):
        return f"no such table.{did_you_mean(name, (*TABLES, *KEYED_TABLES))}"
    home = next((table for table, kind in TABLES.items() if name in kind.__struct_fields__), "")
    return "this stands above all tables: " + (f"it belongs in `[{home}]`" if home else "write it in its table")


def _names(tables: Mapping[str, object]) -> Iterator[Finding]:
    """Find names that a reply's headers or a candidate's ``ROUTE/MODEL`` can't carry."""
    for table in KEYED_TABLES:
        for name in _entries(tables.get(table)):
            if table == "model" and not _MODEL_NAME.fullmatch(name):
                yield Finding(path=(table, name), what="a model's name has no spaces, and only ASCII characters")
            elif table != "model" and not is_name(name):
                yield Finding(path=(table, name), what=NAME_RULE)


def _unsafe_urls(config: Config) -> Iterator[Finding]:
    """Find URLs that hold a secret, which would be kept and shown with the config, or send one in the clear."""
    for name, upstream in config.upstream.items():
        path = ("upstream", name, "base_url")
        if any(mark in upstream.base_url for mark in "@?#"):
            yield Finding(
                path=path,
                what="a base URL holds no user, password or query: write `https://HOST/PATH`, and the secret "
                f"where `credential` says ({CREDENTIAL_FORMS})",
            )
        elif _in_the_clear(upstream):
            yield Finding(
                path=path,
                what=f"`{upstream.base_url}` would send the credential unencrypted: write `https://`, or "
                "`allow_http = true` if nobody listens between here and there",
            )


def _misplaced_secrets(config: Config) -> Iterator[Finding]:
    """Find secrets written where the name of a variable belongs. The value is not repeated."""
    for name, upstream in config.upstream.items():
        form, _, variable = upstream.credential.partition(":")
        if form == "env" and not _VARIABLE.fullmatch(variable):
            yield Finding(
                path=("upstream", name, "credential"),
                what="after `env:` stands the name of a variable (letters, digits and `_`), not the credential itself",
            )


def _in_the_clear(upstream: Upstream) -> bool:
    if not upstream.base_url.startswith("http://") or upstream.credential == "none" or upstream.allow_http:
        return False
    try:
        host = urlsplit(upstream.base_url).hostname or ""
        return host != "localhost" and not ip_address(host).is_loopback
    except ValueError:  # a name, or brackets around what is no address
        return True


def _zone_unknown(config: Config) -> Iterator[Finding]:
    try:
        zone(config.report.timezone)
    except ConfigError as error:
        yield Finding(path=("report", "timezone"), what=error.problems[0].what)


def _open_to_others(config_path: Path) -> Further:
    def ask(config: Config) -> Iterator[Finding]:
        for name, upstream in config.upstream.items():
            form, _, written = upstream.credential.partition(":")
            if form != "file":
                continue
            file = _beside(config_path, written)
            try:
                mode = file.lstat().st_mode
            except OSError:
                continue  # `credential` says so when it is needed
            if mode & (stat.S_IRWXG | stat.S_IRWXO) and stat.S_ISREG(mode):
                yield Finding(
                    path=("upstream", name, "credential"),
                    what=f"others on this machine can read {file}: `chmod 600 {file}`",
                    warning=True,
                )

    return ask


def _credential_file(config_path: Path, name: str) -> tuple[str, str]:
    """Return what a credential's file holds, and what is wrong when that is nothing."""
    file = _beside(config_path, name)
    try:
        data, _ = read_private(file)
    except OSError as error:
        reason = "it is a symbolic link" if file.is_symlink() else error.strerror
        return "", f"the file {file} can't be read ({reason}): put the credential there, and `chmod 600 {file}`"
    return data.decode("ascii", "replace").removesuffix("\n"), f"the file {file} is empty: put the credential there"


def _beside(config_path: Path, written: str) -> Path:
    return config_path.parent / os.path.expanduser(written)  # noqa: PTH111 - Path's raises for an unknown user


def _leaves(value: object, path: tuple[str, ...]) -> dict[tuple[str, ...], str]:
    """Return every value below `value`, defaults too, as its text; a tuple is one value."""
    if isinstance(value, msgspec.Struct):
        names = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
        parts = {name: cast("object", getattr(value, field)) for name, field in names}
    elif isinstance(value, dict):
        parts = cast("dict[str, object]", value)
    else:
        return {path: _told(value)}
    return {own: told for name, part in parts.items() for own, told in _leaves(part, (*path, name)).items()}


def _said(config: Config, path: tuple[str, ...]) -> dict[tuple[str, ...], str]:
    """Return the values below `config` that are no defaults."""
    return _leaves(msgspec.to_builtins(config, builtin_types=(Decimal, date)), path)


def _told(value: object) -> str:
    match value:
        case None | "":
            return "-"
        case str():
            return value
        case _:
            return encode(value).decode().strip('"')
