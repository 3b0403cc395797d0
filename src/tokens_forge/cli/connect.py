"""`tf connect`: point a tool at the proxy, with a key of its own, and take it back.

Where a tool has a settings file it is written (`files/connections.py`), else the lines for the shell are printed on
stdout. Everything that is said goes to stderr, and no token with it. `--test` is `cli/trial.py`.
"""

import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tokens_forge.cli.output import hint, say, say_json
from tokens_forge.cli.socket import ask
from tokens_forge.core.config import did_you_mean
from tokens_forge.core.errors import ForgeError
from tokens_forge.files.paths import Paths

if TYPE_CHECKING:
    from tokens_forge.files.connections import Change, Connection, Planned, PutBack
    from tokens_forge.files.keys_file import KeyRing
    from tokens_forge.files.tool_settings import Login, Tool, Wanted

_EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to


def connect(
    ctx: typer.Context,
    tool: Annotated[
        str | None,
        typer.Argument(metavar="TOOL", help="Which; without one the tools are listed.", show_default=False),
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take out what was put in, and end the key.")] = False,
    test: Annotated[bool, typer.Option("--test", help="Make one small call as the tool would; it costs.")] = False,
    only_print: Annotated[bool, typer.Option("--print", help="Show what would be written; write nothing.")] = False,
    login: Annotated[
        str | None,
        typer.Option(
            metavar="keep|api",
            help="Of claude-code and codex: keep the subscription's login, or pay by tf's key alone (the default).",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str, typer.Option(metavar="NAME", help="The model to begin with, and to test with.", show_default=False)
    ] = "",
    url: Annotated[
        str, typer.Option(metavar="URL", help="The proxy, as the tool reaches it, without /v1.", show_default=False)
    ] = "",
    key: Annotated[
        str, typer.Option(metavar="NAME", help="The name of its key, else the tool's.", show_default=False)
    ] = "",
    rotate: Annotated[bool, typer.Option("--rotate", help="Give the key a new token; the one before ends.")] = False,
    token_stdin: Annotated[bool, typer.Option("--token-stdin", help="Use the token on standard input.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
) -> None:
    """Point a tool at the proxy, with a key of its own; without a TOOL, list them and which are connected.

    For example: tf connect claude-code --login keep; tf connect codex --test; tf connect aider --undo
    """
    from tokens_forge.files.tool_settings import NOT_REACHED, TOOLS

    paths: Paths = ctx.obj
    if tool is None:
        _list(paths, as_json=as_json)
        return
    if tool in NOT_REACHED:
        raise ForgeError(NOT_REACHED[tool])
    if tool not in TOOLS:
        raise typer.BadParameter(f"no tool `{tool}` is known.{did_you_mean(tool, TOOLS)}", param_hint="TOOL")
    if undo:
        _undo(paths, TOOLS[tool])
        return
    order = _Order(
        tool=TOOLS[tool],
        login=_login(TOOLS[tool], login),
        model=model,
        url=url.rstrip("/").removesuffix("/v1"),
        key=key,
        rotate=rotate,
        token=_token_on_stdin() if token_stdin else "",
    )
    if only_print:
        _print(paths, order)
        return
    wanted = _tested_as_it_is(paths, order) if test else None
    if wanted is None:
        wanted = _connect(paths, order)
    if test:
        from tokens_forge.cli.trial import trial

        for line in trial(order.tool, wanted, model):
            say(line)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """What the user asked for."""

    tool: "Tool"
    login: "Login | None"
    """None: as it was, else ``api``."""
    model: str
    url: str
    key: str
    rotate: bool
    token: str

    @property
    def changes_something(self) -> bool:
        """Whether a tool that is connected must be told anew. A model alone may be meant for the test."""
        return bool(self.login or self.url or self.key or self.rotate or self.token)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Key:
    """The key that a tool gets."""

    name: str
    token: str
    how: Literal["new", "rotate", "have"]
    issued: bool
    """Whether it ends with the connection."""


def _list(paths: Paths, *, as_json: bool) -> None:
    from tokens_forge.files.connections import read_connections
    from tokens_forge.files.tool_settings import TOOLS

    known = read_connections(paths.connections).tool
    rows = [(tool, known.get(name)) for name, tool in TOOLS.items()]
    if as_json:
        say_json({"tools": [_row(tool, connection) for tool, connection in rows]})
        return
    widths = [max(len(name) for name in TOOLS), len("responses")]
    say(f"{'tool':<{widths[0]}}  {'dialect':<{widths[1]}}  connected")
    for tool, connection in rows:
        say(f"{tool.name:<{widths[0]}}  {tool.dialect:<{widths[1]}}  {_state(connection)}".rstrip())


def _row(tool: "Tool", connection: "Connection | None") -> dict[str, object]:
    """Return the stable shape of a tool in JSON; what does not apply is absent."""
    row: dict[str, object] = {"tool": tool.name, "dialect": tool.dialect, "connected": connection is not None}
    if connection is None:
        return row
    files = [file.path for file in connection.files]
    return {
        **row,
        "key": connection.key,
        "login": connection.login,
        "url": connection.url,
        "at": connection.at,
        **({"files": files} if files else {}),
    }


def _state(connection: "Connection | None") -> str:
    if connection is None:
        return "no"
    where = ", ".join(file.path for file in connection.files) or "by lines for the shell"
    kept = ", its own login kept" if connection.login == "keep" else ""
    return f"key {connection.key}{kept}: {where}"


def _login(tool: "Tool", login: str | None) -> "Login | None":
    if login is not None and login not in {"keep", "api"}:
        raise typer.BadParameter(f"`{login}` is neither keep nor api", param_hint="--login")
    if login is not None and not tool.keeps_login:
        raise typer.BadParameter(f"{tool.name} has no login of its own to keep", param_hint="--login")
    return "keep" if login == "keep" else "api" if login == "api" else None


def _token_on_stdin() -> str:
    token = sys.stdin.readline().strip()
    if not token:
        raise ForgeError("there is no token on standard input: write `tf connect TOOL --token-stdin < FILE`")
    return token


def _connect(paths: Paths, order: _Order) -> "Wanted":
    """Issue the key, write the tool's files or print its lines, and return what the tool was told."""
    from tokens_forge.files import connections, keys_file

    with connections.changing(paths.connections) as record, keys_file.changing(paths.keys) as keys:
        known = record.connections.tool.get(order.tool.name)
        key = _key_for(order, known, keys.ring)
        wanted = _wanted(paths, order, key, known)
        plans = _planned(order.tool, wanted, known)
        if wanted.login == "keep":
            _check_login_is_kept(paths, plans)
        now = datetime.now(UTC)
        if key.how == "new":
            keys.ring = keys_file.new(keys.ring, key.name, token=key.token, now=now)
        elif key.how == "rotate":
            keys.ring = keys_file.rotate(keys.ring, key.name, token=key.token, now=now)
        if known and known.issued and known.key != key.name and _is_live(keys.ring, known.key):
            keys.ring = keys_file.revoke(keys.ring, known.key, now=now)
        # Last: when a file can't be written, no key is issued.
        _write(record, order.tool, plans, _record(order, key, wanted, known))
    _say_what_was_done(paths, order.tool, key, wanted, plans)
    if known and known.issued and known.key != key.name:
        hint(f"The key `{known.key}`, which was issued for {order.tool.name}, has ended.")
    return wanted


def _key_for(order: _Order, known: "Connection | None", ring: "KeyRing") -> _Key:
    """Return the key for a tool: given, the one that it has, or a new one. Raises ForgeError with the next step."""
    from tokens_forge.files import connections, keys_file

    if order.token:
        name = connections.name_of(ring, order.token)
        if name is None:
            raise ForgeError("the token on standard input is of no key that is live here: `tf keys list`")
        return _Key(name=name, token=order.token, how="have", issued=False)
    has = connections.token_in(known.files, ring) if known else None
    if known and has and not order.rotate and order.key in {"", has[1]}:
        return _Key(name=has[1], token=has[0], how="have", issued=known.issued)
    name = order.key or (known.key if known else order.tool.name)
    if name not in ring.key:
        return _Key(name=name, token=keys_file.new_token(), how="new", issued=True)
    # A key that has ended is taken up again; one that is live may be in use elsewhere.
    if not order.rotate and _is_live(ring, name):
        raise ForgeError(
            f"the key `{name}` is there already, and its token is kept nowhere: `--rotate` gives it a new one and ends "
            "the one before, `--key NAME` issues another key, `--token-stdin` takes the token from you"
        )
    return _Key(name=name, token=keys_file.new_token(), how="rotate", issued=True)


def _is_live(ring: "KeyRing", name: str) -> bool:
    return any(not one.revoked for one in ring.key.get(name, ()))


def _wanted(paths: Paths, order: _Order, key: _Key, known: "Connection | None") -> "Wanted":
    from tokens_forge.core.candidates import models
    from tokens_forge.files.config_file import load
    from tokens_forge.files.tool_settings import Wanted

    model = order.model or (known.model if known else "")
    listed: tuple[str, ...] = ()
    if order.tool.lists_models:
        listed = models(load(paths.config, paths.prices), key.name)
        listed = tuple(dict.fromkeys((*([model] if model else []), *listed)))
        if not listed:
            raise ForgeError(
                f"{order.tool.name} knows only models that its settings name, and the config names none for the key "
                f"`{key.name}` (patterns are no names): say one with `--model NAME`"
            )
    return Wanted(
        url=order.url or _url(paths),
        token=key.token,
        login=order.login or (known.login if known else "api"),
        model=model,
        models=listed,
    )


def _url(paths: Paths) -> str:
    """Return where the proxy is: the running one's word, else what the config says."""
    import msgspec

    from tokens_forge.files.config_file import load

    class _At(msgspec.Struct):
        url: str

    answer = ask(paths, "GET", "/state")
    if answer is not None:
        url = msgspec.json.decode(answer, type=_At).url
        return url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    server = load(paths.config, paths.prices).server
    host = "127.0.0.1" if server.host in _EVERYWHERE else server.host
    return f"http://{f'[{host}]' if ':' in host else host}:{server.port}"


def _planned(tool: "Tool", wanted: "Wanted", known: "Connection | None") -> "tuple[Planned, ...]":
    from tokens_forge.files.connections import planned
    from tokens_forge.files.tool_settings import Places

    if tool.files is None:
        return ()
    places = Places(home=Path.home(), environ=os.environ, mac=sys.platform == "darwin")
    return planned(tool.files(wanted, places), known)


def _record(order: _Order, key: _Key, wanted: "Wanted", known: "Connection | None") -> "Connection":
    from tokens_forge.core.moments import stamp
    from tokens_forge.files.connections import Connection

    return Connection(
        key=key.name,
        at=stamp(datetime.now(UTC)),
        url=wanted.url,
        issued=key.issued,
        login=wanted.login,
        model=wanted.model,
        files=known.files if known and order.tool.files else (),
    )


def _write(record: "Change", tool: "Tool", plans: "tuple[Planned, ...]", connection: "Connection") -> None:
    """Write the files that change, each noted as soon as it is there."""
    import msgspec

    from tokens_forge.files import connections

    planned = {str(plan.path) for plan in plans}
    for file in connection.files:
        if file.path not in planned:
            # Its folder has moved (`CODEX_HOME`, say): nothing of ours stays behind.
            connections.put_back(file)
    files = {file.path: file for file in connection.files if file.path in planned}
    for plan in plans:
        if plan.then != plan.now:
            connections.write(plan)
        files[str(plan.path)] = connections.written(plan)
        told = msgspec.structs.replace(connection, files=tuple(files.values()))
        record.connections = connections.Connections(tool={**record.connections.tool, tool.name: told})
    if not plans:
        record.connections = connections.Connections(tool={**record.connections.tool, tool.name: connection})


def _check_login_is_kept(paths: Paths, plans: "tuple[Planned, ...]") -> None:
    """Raise ForgeError where Claude Code would leave its login all the same; warn where nothing takes a login."""
    from tokens_forge.files.config_file import load
    from tokens_forge.files.settings_text import value_of
    from tokens_forge.files.tool_settings import leaves_login

    for plan in plans:
        leaving = leaves_login(value_of(plan.form, (plan.base or b"").decode())) if plan.form == "json" else ()
        if leaving:
            raise ForgeError(
                f"{plan.path} sets {' and '.join(leaving)}, with which Claude Code leaves the login: take that out "
                "first, or connect with `--login api`"
            )
    if all(upstream.credential != "client" for upstream in load(paths.config, paths.prices).upstream.values()):
        hint(
            f'No upstream in {paths.config} takes the login of a client: it needs one with `credential = "client"` '
            "(README, Connecting a tool)."
        )


def _say_what_was_done(paths: Paths, tool: "Tool", key: _Key, wanted: "Wanted", plans: "tuple[Planned, ...]") -> None:
    from tokens_forge.files.connections import backup_of, in_repository

    for plan in plans:
        linked = f" (a symbolic link to {plan.target})" if plan.path != plan.target else ""
        if plan.then == plan.now:
            hint(f"{plan.path}{linked} says so already.")
            continue
        hint(f"Wrote {plan.path}{linked}.")
        if plan.base is not None:
            hint(f"  What it was is in {backup_of(plan.target)}.")
        if plan.mode & 0o077:
            hint("  It holds a key now, so only you may read it; --undo gives its permissions back.")
        if in_repository(plan.target):
            hint("  It is in a git repository: don't commit the key in it.")
        for name in _sent_beside(tool, plan):
            hint(f"  It sets {name} too, which would be sent beside tf's key: take that out.")
    for line in tool.lines(wanted) if tool.lines else ():
        say(line)
    how = {"new": "issued", "rotate": "given a new token", "have": "the one that was there"}[key.how]
    hint(f"The key `{key.name}` is {how}; `tf spend --by key` names it.")
    hint(f"What it may use: `[key.{key.name}] classes = [...]` in {paths.config}; without that, everything.")
    if tool.dialect == "messages" and os.environ.get("ANTHROPIC_API_KEY"):
        hint(
            "ANTHROPIC_API_KEY is set in this shell: the tool would send that key and leave "
            f"{'its login' if wanted.login == 'keep' else 'its token'}; unset it there."
        )
    if tool.then:
        hint(tool.then)


def _sent_beside(tool: "Tool", plan: "Planned") -> tuple[str, ...]:
    """Return what else in a file makes its tool send a key of its own."""
    from tokens_forge.files.settings_text import value_of
    from tokens_forge.files.tool_settings import leaves_login

    if not tool.keeps_login or plan.form != "json":
        return ()
    return tuple(name for name in leaves_login(value_of(plan.form, plan.then.decode())) if "AUTH_TOKEN" not in name)


def _print(paths: Paths, order: _Order) -> None:
    """Print what would be written, tokens masked: of a file only the lines that change."""
    from difflib import unified_diff

    from tokens_forge.files.connections import read_connections
    from tokens_forge.files.settings_text import MASK, TOKEN

    known = read_connections(paths.connections).tool.get(order.tool.name)
    name = order.key or (known.key if known else order.tool.name)
    wanted = _wanted(paths, order, _Key(name=name, token=MASK, how="have", issued=False), known)
    for line in order.tool.lines(wanted) if order.tool.lines else ():
        say(line)
    for plan in _planned(order.tool, wanted, known):
        was, then = ((data or b"").decode().splitlines() for data in (plan.base, plan.then))
        path = str(plan.path)
        for line in unified_diff(was, then, path, path, n=0, lineterm=""):
            say(TOKEN.sub(MASK, line))


def _undo(paths: Paths, tool: "Tool") -> None:
    from tokens_forge.files import connections, keys_file

    left: list[str] = []
    with connections.changing(paths.connections) as record, keys_file.changing(paths.keys) as keys:
        known = record.connections.tool.get(tool.name)
        if known is None:
            raise ForgeError(f"{tool.name} is not connected: `tf connect` lists what is")
        for file in known.files:
            done = connections.put_back(file)
            left.extend(f"{done.path}: {name}" for name in done.left)
            hint(_said_of(done))
        if known.issued and not left and _is_live(keys.ring, known.key):
            keys.ring = keys_file.revoke(keys.ring, known.key, now=datetime.now(UTC))
            hint(f"The key `{known.key}` has ended; its history stays.")
        rest = {name: one for name, one in record.connections.tool.items() if name != tool.name}
        record.connections = connections.Connections(tool=rest)
    if left:
        hint(f"Changed since, so left as it is: {', '.join(left)}.")
        hint(f"The key `{known.key}` stays as it is: `tf keys revoke {known.key}` ends it.")
    if tool.lines:
        hint("Take the lines out of your shell's settings yourself: they were printed only.")


def _said_of(done: "PutBack") -> str:
    if done.gone:
        return f"{done.path} is gone, as before." if done.exact else f"{done.path} is not there any more."
    if done.exact:
        return f"{done.path} is as it was."
    return f"{done.path} was edited since: only what tf had put in was taken out."


def _tested_as_it_is(paths: Paths, order: _Order) -> "Wanted | None":
    """Return what a connected tool was told, to test with; None where it must be connected first."""
    from tokens_forge.files import connections, keys_file
    from tokens_forge.files.tool_settings import Wanted

    known = connections.read_connections(paths.connections).tool.get(order.tool.name)
    if known is None or order.changes_something:
        return None
    ring = keys_file.read_keys(paths.keys)
    has = connections.token_in(known.files, ring) or _in_environment(ring)
    if has is None:
        name = order.tool.name
        raise ForgeError(f"no live token is in the settings of {name}: `tf connect {name} --rotate` puts one in")
    return Wanted(url=known.url, token=has[0], login=known.login)


def _in_environment(ring: "KeyRing") -> tuple[str, str] | None:
    """Return a live token that the shell has for an SDK, with the name of its key."""
    from tokens_forge.files.connections import name_of

    for variable in ("OPENAI_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        token = os.environ.get(variable, "")
        name = name_of(ring, token) if token.isascii() else None
        if name is not None:
            return token, name
    return None
