"""The proxy: who may call, what is called, start and stop.

Checks every request before anything of it is believed: Host and Origin against rebinding, the key in constant time, the
body's kind and size. An accepted call gets its id here and goes to `proxy/call.py`. There is no unmetered path.
"""

import asyncio
import errno
import logging
import os
import re
import secrets
import signal
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from time import monotonic
from urllib.parse import urlsplit

import msgspec
from aiohttp import web
from uuid_utils import uuid7

from tokens_forge.core.budgets import shown
from tokens_forge.core.candidates import match, may_ask_for, models
from tokens_forge.core.config import CLIENT, Config, did_you_mean
from tokens_forge.core.dialects import dialect_out
from tokens_forge.core.errors import ForgeError, LedgerStuck, RequestError
from tokens_forge.core.money import text
from tokens_forge.core.narrowing import CLASS, FALLBACK, MAX_CHARGE, ROUTE, narrowed
from tokens_forge.core.visible import visible
from tokens_forge.files.keys_file import Keys
from tokens_forge.files.ledger_writer import SYSTEM, System, open_ledger
from tokens_forge.files.paths import Paths, private_folder, read_private, write_private
from tokens_forge.proxy import reply
from tokens_forge.proxy.books import Books
from tokens_forge.proxy.call import Asked, Proxy, serve
from tokens_forge.proxy.caller import TF_KEY, Addressed, Login, Presented, addressed, keyed, presented, wrong_place
from tokens_forge.proxy.control import Control
from tokens_forge.proxy.downstream import Downstream
from tokens_forge.proxy.http_server import HttpServer
from tokens_forge.proxy.passing import kept_response, listed_for, pass_on, route_of_kept
from tokens_forge.proxy.reload import InForce
from tokens_forge.proxy.request_body import read_body
from tokens_forge.proxy.upstream import Client
from tokens_forge.proxy.watch import Watch
from tokens_forge.wire import anthropic_messages, openai_chat
from tokens_forge.wire.conversation import sessions
from tokens_forge.wire.dialects import (
    ANTHROPIC,
    ANTHROPIC_COUNT_TOKENS,
    BY_PATH,
    Dialect,
    Family,
    family_of,
    not_served,
)

STOP_S = 8.0
"""How long calls in flight may go on when the proxy stops; then they are settled as they are."""

SETTLE_S = 2.0
"""How long that settling may take."""

DUE_EVERY_S = 30.0
"""How often expired lots and fees are entered."""

_LOG = logging.getLogger(__name__)

_TASK = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,9})?")
_MODEL = "/v1/models/"
_BETA = "?beta=true"
"""What Anthropic's SDKs and Claude Code write after the path for what is in beta; no other query goes on."""
_ESTIMATED = "x-tf-estimated"
"""The reply header that names what nobody but us has counted."""

_REQUEST_HEADERS = frozenset({TF_KEY, "x-tf-task", "x-tf-receipt", ROUTE, CLASS, FALLBACK, MAX_CHARGE})
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_MIB = 1024 * 1024
_SOCKET_PATH_AT_MOST = 100
"""Bytes of a Unix socket's path: 108 on Linux, 104 on macOS, less a margin."""


@asynccontextmanager
async def running(
    paths: Paths, environ: Mapping[str, str], *, host: str = "", port: int | None = None, system: System = SYSTEM
) -> AsyncGenerator["Running"]:
    """Run a proxy while the context lasts; at its end calls in flight finish or are settled.

    `host` and `port` go before the config's; port 0 takes a free one. `system` is the ledger's time and disk. Raises
    ConfigError, LedgerError (locked, damaged) and ForgeError for a port in use.
    """
    in_force = InForce(paths, environ)
    config = in_force.terms.config.server
    with open_ledger(paths, system.clock(), system=system) as ledger:
        async with AsyncExitStack() as stack:
            books = Books(ledger, always=in_force.terms.config.ledger.sync == "always", clock=system.clock)
            # Closed last, whatever fails before: what the server's end still appends is written too.
            stack.push_async_callback(books.close)
            in_force.begin(books, books.moment())
            stack.push_async_callback(_cancelled, asyncio.create_task(_enter_what_falls_due(in_force, books)))
            watch = Watch()
            stack.enter_context(watch.sweeping())
            client = await stack.enter_async_context(Client())
            proxy = Proxy(books=books, in_force=in_force, client=client, watch=watch, digest_key=_digest_key(paths))
            server = _Server(proxy, Keys(paths.keys))
            where = host or config.host
            bound = await _listen(stack, server, where, config.port if port is None else port)
            server.own_hosts = _own_hosts(where, bound)
            url = f"http://{f'[{where}]' if ':' in where else where}:{bound}"
            await _listen_on_socket(stack, Control(proxy, url=url, config=str(paths.config)), paths)
            try:
                yield Running(url=url, proxy=proxy, notes=(*ledger.notes, *(str(fault) for fault in in_force.faults)))
            finally:
                await server.finish()


async def _enter_what_falls_due(in_force: InForce, books: Books) -> None:
    """Enter expired lots and fees while the proxy runs. What is not entered yet is not available all the same."""
    while True:
        await asyncio.sleep(DUE_EVERY_S)
        in_force.enter_due(books, books.moment())


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A proxy that serves."""

    url: str
    """Without the ``/v1``."""
    proxy: Proxy
    notes: tuple[str, ...]
    """What the start mended or missed, for the user."""


def stop_asked() -> asyncio.Event:
    """Return what is set when the process is asked to stop (SIGINT, SIGTERM, SIGQUIT, SIGHUP), from now on.

    Taken before a start: a process that is stopped while it starts ends in order too. A closed terminal (SIGHUP) is no
    reason to stop where whoever started the process said so (`nohup`).
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for asked in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP):
        if asked != signal.SIGHUP or signal.getsignal(asked) != signal.SIG_IGN:
            loop.add_signal_handler(asked, stop.set)
    return stop


@dataclass(frozen=True, slots=True, kw_only=True)
class _Caller:
    """Who calls."""

    key: str
    to: Addressed
    login: Login | None


class _Server:
    """Answers what comes over TCP."""

    def __init__(self, proxy: Proxy, keys: Keys) -> None:
        self._proxy = proxy
        self._keys = keys
        self._calls: set[asyncio.Task[object]] = set()
        self._stopping = False
        self.own_hosts: frozenset[str] = frozenset()
        """Values of `Host` by which we listen; `[server] hosts` adds others."""

    @property
    def has_keys(self) -> bool:
        """Whether any key is issued."""
        return self._keys.any()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; what is refused here is no call and leaves no line in the ledger."""
        to = keyed(addressed(request.path), request.rel_url.raw_query_string)
        client = Downstream(request, family_of(to.path, request.headers))
        try:
            await self._dispatch(request, client, to)
        except RequestError as error:
            reply.error(client, error.status, error.code, error.message, {})
        except LedgerStuck:
            reply.ledger_stuck(client)
        except ForgeError as error:
            # A damaged keys.toml, say: nobody gets in until it is mended, and the user reads why.
            reply.error(client, 500, "unusable", str(error), {})
        except Exception:
            # A bug of ours. The user finds its traceback on stderr; an SDK must not send the call again for it.
            _LOG.exception("a request ended in a bug")
            if client.begun:
                raise
            reply.error(client, 500, "bug", "tf failed; its terminal shows the traceback.", {})
        return client.response

    async def finish(self) -> None:
        """Take no more calls; let those in flight end, and then end them."""
        self._stopping = True
        if self._calls:
            await asyncio.wait(self._calls, timeout=STOP_S)
        self._proxy.watch.stop()
        if self._calls:
            await asyncio.wait(self._calls, timeout=SETTLE_S)

    async def _dispatch(self, request: web.BaseRequest, client: Downstream, to: Addressed) -> None:
        self._check_origin(request)
        path = to.path
        # Claude Code looks whether its base URL answers, without a key (2.1.331: HEAD /api/hello; before: /)
        if path in {"/health", "/", ""} or (path == "/api/hello" and request.method == "HEAD"):
            self._health(request, client)
            return
        if wrong := wrong_place(request.headers, to):
            raise wrong
        shown = presented(request.headers, to)
        key = self._key(shown)
        config = self._proxy.in_force.terms.config
        if shown.login and (listed := listed_for(config, request.method, path, shown.login)):
            upstream, asked = listed
            await self._pass(request, client, upstream, asked + to.query, shown.login)
        elif dialect := BY_PATH.get(path):
            _check_upgrade(request)
            _check_method(request, path, "POST")
            await self._call(request, client, _Caller(key=key, to=to, login=shown.login), dialect)
        elif refusal := not_served(path, client.family):
            code, why = refusal
            raise RequestError(501, code, f"{visible(path)} is not served here: {why}.")
        elif kept := kept_response(path):
            response, methods = kept
            _check_method(request, path, *methods)
            route = config.route[route_of_kept(self._proxy, key, response)]
            await self._pass(request, client, route.upstream, path.removeprefix("/v1") + to.query, shown.login)
        elif path == "/v1/models" or path.startswith(_MODEL):
            if request.method == "DELETE":
                raise RequestError(501, "not_served", "The list is tf's own: a model is deleted at its provider.")
            _check_method(request, path, "GET")
            _json(client, _models(client.family, path, config, key))
        elif path == "/tf/state":
            _check_method(request, path, "GET")
            _json(client, self._state(key))
        else:
            raise RequestError(404, "not_found", f"no {visible(path)} here: the base URL is http://{_host(request)}/v1")

    async def _pass(
        self, request: web.BaseRequest, client: Downstream, upstream: str, path: str, login: Login | None
    ) -> None:
        """Pass on what is no call.

        The query of its `path` is as it was written: what is decoded may mean something else there (`%26` parts two
        members, `%23` ends it).
        """
        in_force = self._proxy.in_force
        takes_login = in_force.terms.config.upstream[upstream].credential == CLIENT
        to = in_force.endpoints.get(upstream)
        if to is None or (takes_login and login is None):
            raise RequestError(502, "upstream_failed", f"the upstream `{upstream}` has no credential")
        body = b""
        if request.body_exists:
            body = await read_body(request, in_force.terms.config.server.max_body_mb * _MIB)
        await pass_on(
            self._proxy,
            client,
            to,
            method=request.method,
            path=path,
            body=body,
            login=login if takes_login else None,
        )

    async def _call(self, request: web.BaseRequest, client: Downstream, caller: "_Caller", dialect: Dialect) -> None:
        if self._stopping:
            raise RequestError(503, "stopping", "tf is stopping")
        task = asyncio.current_task()
        assert task is not None, "a handler runs in a task"
        self._calls.add(task)
        try:
            said = _tf_headers(request, caller.to.task)
            body = await read_body(request, self._proxy.in_force.terms.config.server.max_body_mb * _MIB)
            # Only now, and with no await until it is routed: what a header may ask is judged by what routes the call.
            config = self._proxy.in_force.terms.config
            read = dialect.read_request(
                body, output_bound=config.settle.output_bound, inline_tokens=config.settle.inline_tokens
            )
            if _only_estimated(config, dialect, read.model):
                client.reply(200, {_ESTIMATED: "input_tokens"}, _counted(read.input_estimate), "application/json")
                return
            asked = Asked(
                id=f"tf_{uuid7().hex}",
                key=caller.key,
                task=said.get("x-tf-task", ""),
                agent=visible(request.headers.get("user-agent", ""))[:120],
                client_retry=_client_retry(request),
                patience_ms=_patience_ms(request),
                wants_receipt=said.get("x-tf-receipt") == "stream",
                narrowed=narrowed(config, caller.key, read.model, said),
                dialect=dialect,
                query=_BETA if dialect.family is ANTHROPIC and caller.to.query == _BETA else "",
                headers={name: value for name in dialect.headers if (value := request.headers.get(name))},
                login=caller.login,
                body=body,
                request=read,
                sessions=sessions(request.headers, read.fields),
            )
            if self._proxy.books.stuck is not None:
                reply.ledger_stuck(client)
                return
            await serve(self._proxy, asked, client)
        finally:
            self._calls.discard(task)

    def _check_origin(self, request: web.BaseRequest) -> None:
        """Refuse what a web page of somebody else could send here (DNS rebinding, cross-origin posts)."""
        host = request.headers.get("host", "").lower()
        if not self._is_ours(host):
            raise RequestError(
                403,
                "wrong_host",
                f"`{visible(host)}` is no Host of this proxy: add it to `[server] hosts` if it should be",
            )
        origin = request.headers.get("origin")
        if origin is not None and not self._is_ours(_netloc(origin)):
            raise RequestError(403, "foreign_origin", "requests from web pages of another origin are refused")

    def _is_ours(self, host: str) -> bool:
        further = self._proxy.in_force.terms.config.server.hosts
        return host in self.own_hosts or any(host == name.lower() for name in further)

    def _key(self, shown: Presented) -> str:
        # Bytes that are no text come as lone surrogates, which nothing encodes; our tokens are ASCII.
        tokens = [token for token in shown.tokens if token.isascii()]
        found = (self._keys.name_of(token, monotonic_s=monotonic()) for token in tokens)
        name = next((name for name in found if name is not None), None)
        if name is None:
            what = "is not known or was revoked" if shown.tokens else "is missing: send `Authorization: Bearer TOKEN`"
            raise RequestError(401, "invalid_api_key", f"The key {what}. `tf keys new NAME` issues one.")
        # A key that the config calls otherwise by now is bound by what that says: its token is as good as before.
        return self._proxy.books.fold.budgets.key(name)

    def _health(self, request: web.BaseRequest, client: Downstream) -> None:
        _check_method(request, request.path, "GET", "HEAD")
        stuck = self._proxy.books.stuck
        if stuck is None:
            _json(client, b'{"status":"ok"}')
        else:
            client.reply(503, {}, b'{"status":"ledger_stuck"}', "application/json")

    def _state(self, key: str) -> bytes:
        """Return what a key may know: itself, and what it may ask for."""
        terms = self._proxy.in_force.terms
        books = self._proxy.books
        allowed = terms.config.key.get(key)
        open_calls = sum(call.routed.key == key for call in books.fold.calls.values())
        return msgspec.json.encode(
            {
                "key": key,
                "classes": allowed.classes if allowed else None,
                "models": models(terms.config, key),
                "open_calls": open_calls,
                "budgets": [
                    {
                        "name": budget.name,
                        "limit": text(budget.limit),
                        "spent": text(budget.spent),
                        "held": text(budget.held),
                        "left": text(budget.left),
                        "unit": budget.unit,
                        "until": budget.until,
                    }
                    for budget in shown(terms.config, books.fold.budgets, books.moment(), terms.calendar)
                    if budget.name.startswith(f"key.{key}/")
                ],
            }
        )


async def _listen(stack: AsyncExitStack, server: _Server, host: str, port: int) -> int:
    """Listen on TCP and return the port."""
    if host not in _LOOPBACK and not server.has_keys:
        raise ForgeError(f"{host} is reached from other machines: issue a key first (`tf keys new NAME`)")
    runner = web.ServerRunner(HttpServer(server.answer), shutdown_timeout=SETTLE_S)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, host, port, backlog=512)
    try:
        await site.start()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ForgeError(f"port {port} of {host} is in use: stop what has it, or give another --port") from error
        raise ForgeError(f"{host}:{port} can't be listened on ({error.strerror})") from error
    address: tuple[str, int] = runner.addresses[0]
    return address[1]


async def _listen_on_socket(stack: AsyncExitStack, control: Control, paths: Paths) -> None:
    path = paths.socket
    if len(os.fsencode(path)) > _SOCKET_PATH_AT_MOST:
        raise ForgeError(f"{path}: too long a path for a Unix socket; use a --data-dir with a shorter one")
    path.unlink(missing_ok=True)  # of a process that died: the ledger's lock is ours
    runner = web.ServerRunner(web.Server(control.answer, access_log=None), shutdown_timeout=SETTLE_S)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    mask = os.umask(0o177)
    try:
        await web.UnixSite(runner, path).start()
    finally:
        os.umask(mask)
    stack.callback(path.unlink, missing_ok=True)


def _tf_headers(request: web.BaseRequest, task_in_path: str) -> dict[str, str]:
    """Return our own headers of a request, in lower case. Raises RequestError for one that nothing would heed.

    The task in a path is as good as its header.

    A client that narrows its route by a header which is then ignored would cross where it must not.
    """
    said: dict[str, str] = {}
    for written, value in request.headers.items():
        name = written.lower()
        if not name.startswith("x-tf-"):
            continue
        if name not in _REQUEST_HEADERS:
            near = did_you_mean(name, _REQUEST_HEADERS)
            raise RequestError(400, "unknown_header", f"no header `{visible(name)}` is known.{near}")
        if name in said:
            raise RequestError(400, "repeated_header", f"`{name}` is given twice: only one of them could count")
        said[name] = value.strip()
    if task_in_path and said.setdefault("x-tf-task", task_in_path) != task_in_path:
        raise RequestError(400, "repeated_header", "the path and `x-tf-task` name two tasks: only one could count")
    task = said.get("x-tf-task", "")
    if task and not _TASK.fullmatch(task):
        raise RequestError(400, "bad_task", "`x-tf-task` takes letters, digits, `.`, `_` and `-`, 64 at most")
    return said


def _client_retry(request: web.BaseRequest) -> int:
    """Return the SDK's own count of retries (`x-stainless-retry-count`, openai-python and -node), 0 when not given."""
    written = request.headers.get("x-stainless-retry-count", "")
    return int(written) if written.isascii() and written.isdecimal() and len(written) < 4 else 0  # noqa: PLR2004 - no SDK retries a thousand times


def _patience_ms(request: web.BaseRequest) -> int | None:
    """Return for how many ms the SDK waits for an answer, or None where it doesn't say or has no bound.

    Both headers are in seconds: `x-stainless-read-timeout` of openai-python and anthropic for Python,
    `x-stainless-timeout` of theirs for node (`_base_client.py`, `client.ts`; read 2026-11).
    """
    for name in ("x-stainless-read-timeout", "x-stainless-timeout"):
        if _SECONDS.fullmatch(written := request.headers.get(name, "")):
            return int(float(written) * 1000) or None
    return None


def _check_method(request: web.BaseRequest, path: str, *methods: str) -> None:
    if request.method not in methods:
        raise RequestError(405, "wrong_method", f"{visible(path)} takes {' or '.join(methods)}")


def _check_upgrade(request: web.BaseRequest) -> None:
    """Refuse a WebSocket: Codex tries one first, and goes on over HTTP at this status (openai/codex, `client.rs`)."""
    if request.headers.get("upgrade", "").lower() == "websocket":
        raise RequestError(426, "no_websocket", "there is no WebSocket here: send it by POST, streamed or not")


def _models(family: Family, path: str, config: Config, key: str) -> bytes:
    """Return the list of models, or the one that the path names, in the shape that the client's SDK reads.

    A name that only a pattern serves is in no list, and answers all the same: it may be asked for.
    """
    dialect = anthropic_messages if family is ANTHROPIC else openai_chat
    names = models(config, key)
    if path == "/v1/models":
        return dialect.models_body(names)
    name = path.removeprefix(_MODEL)
    if name not in names and not may_ask_for(config, key, name):
        raise RequestError(404, "model_not_found", f"No model named `{visible(name)}`.{did_you_mean(name, names)}")
    return dialect.model_body(name)


def _only_estimated(config: Config, dialect: Dialect, model: str) -> bool:
    """Say whether tokens are to be counted for a model that no upstream counts them for: then we say our estimate."""
    if dialect is not ANTHROPIC_COUNT_TOKENS:
        return False
    found = match(config, model).candidates
    return bool(found) and all(dialect_out(dialect.name, config.upstream[one.upstream]) is None for one in found)


def _counted(tokens: int) -> bytes:
    return msgspec.json.encode({"input_tokens": tokens})


def _own_hosts(host: str, port: int) -> frozenset[str]:
    return frozenset(f"[{name}]:{port}" if ":" in name else f"{name}:{port}" for name in {*_LOOPBACK, host})


def _netloc(origin: str) -> str:
    """Return the host and port of an `Origin`; empty for ``null`` and for what is no URL."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _host(request: web.BaseRequest) -> str:
    return visible(request.headers.get("host", ""))


def _json(client: Downstream, body: bytes) -> None:
    client.reply(200, {}, body, "application/json")


def _digest_key(paths: Paths) -> bytes:
    """Return the secret behind the ledger's digests, made at the first start."""
    with suppress(FileNotFoundError):
        return read_private(paths.digest_key)[0]
    key = secrets.token_bytes(32)
    private_folder(paths.data)
    write_private(paths.digest_key, key)
    return key
