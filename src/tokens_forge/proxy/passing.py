"""What passes without being a call: responses that an upstream keeps, and paths that a client with a login needs.

Nothing of it is inference, so nothing is held, charged or written to the ledger. A kept response is asked for at the
route that made it; other paths pass only where the config lists them, with the client's own login, to its upstream.
"""

import asyncio
import re
from collections.abc import Mapping

from tokens_forge.core.candidates import key_of
from tokens_forge.core.config import CLIENT, Config, fits
from tokens_forge.core.dialects import METERED_PATHS
from tokens_forge.core.errors import RequestError
from tokens_forge.proxy.call import Proxy
from tokens_forge.proxy.caller import Login
from tokens_forge.proxy.downstream import Downstream
from tokens_forge.proxy.upstream import ERROR_BODY_AT_MOST, Endpoint, Failed, Sent, without_secret
from tokens_forge.wire.dialects import is_unmetered

RESPONSES = "/v1/responses/"

_PLAIN = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~@:+,=-]+)+/?")
"""A path that means the same to every server: no segment that is empty or goes up, nothing that is written as an
escape, and nothing that ends a path. The HTTP client resolves `..` and takes `?` and `#` for what follows a path, so
that an escaped one would lead to another path than the one that was judged; a metered one, say."""

_OF_KEPT = {"": ("GET", "DELETE"), "/cancel": ("POST",), "/input_items": ("GET",)}
"""What can be done with a kept response, by what follows its id (OpenAI API reference, "Responses"; read 2026-11)."""


def kept_response(path: str) -> tuple[str, tuple[str, ...]] | None:
    """Return the id of a kept response and the methods that `path` takes; None when it is no such path."""
    if not path.startswith(RESPONSES) or not _PLAIN.fullmatch(path):
        return None
    response, slash, rest = path.removeprefix(RESPONSES).partition("/")
    methods = _OF_KEPT.get(slash + rest)
    return (response, methods) if response and methods else None


def route_of_kept(proxy: Proxy, key: str, response: str) -> str:
    """Return the route that made a kept response. Raises RequestError: 404 when it is not known, 403 for the key."""
    config = proxy.in_force.terms.config
    route = proxy.books.fold.responses.made_by.get(response, "")
    if route not in config.route:
        raise RequestError(404, "not_found", "no route is known to have made this response")
    if config.route[route].route_class not in key_of(config, key).classes:
        raise RequestError(403, "not_allowed", "this key may not use the route that made this response")
    return route


def listed_for(config: Config, method: str, path: str, login: Login) -> tuple[str, str] | None:
    """Return the upstream whose `passes` lists what a client with a login asks, and the path after its base URL.

    Clients of both providers ask below `/v1`. Anthropic's say their version, others don't: a login goes to its own.
    """
    whose = "anthropic" if "anthropic-version" in login.headers else "openai"
    for name, upstream in config.upstream.items():
        begins = "/v1" if upstream.dialect == "openai" else ""
        if upstream.credential != CLIENT or not path.startswith(f"{begins}/"):
            continue
        if path.startswith("/v1/") and upstream.dialect != whose:
            continue
        asked = path.removeprefix(begins)
        if _is_a_call(method, path, asked):
            continue
        if any(fits(listed, f"{method} {asked}") for listed in upstream.passes):
            return name, asked
    return None


_READS = ("GET", "HEAD", "DELETE")


def _is_a_call(method: str, path: str, asked: str) -> bool:
    """Say whether a request may be one that is metered, whatever a pattern takes (CASES 34).

    An upstream's server may hear one in another spelling of its path.
    """
    if not _PLAIN.fullmatch(asked):
        return True
    return method not in _READS and (
        asked.lower().rstrip("/") in METERED_PATHS or is_unmetered(path.lower().rstrip("/"))
    )


async def pass_on(  # noqa: PLR0913 - a request has so many parts
    proxy: Proxy, client: Downstream, to: Endpoint, *, method: str, path: str, body: bytes, login: Login | None
) -> None:
    """Send a request to an upstream and give the client its answer. Raises RequestError (502) when there is none."""
    headers: Mapping[str, str] = login.headers if login else {}
    try:
        async with asyncio.timeout(to.whole_s):
            answer = await proxy.client.send(to, path, (body,) if body else (), Sent(), headers=headers, method=method)
            try:
                data = await answer.body()
            except BaseException:
                answer.close()
                raise
            answer.release()
    except (Failed, TimeoutError) as error:
        raise RequestError(502, "upstream_failed", f"the upstream gave no answer ({error})") from error
    if len(data) <= ERROR_BODY_AT_MOST:
        data = without_secret(data, to.secret)
    client.reply(answer.status, {}, data, answer.headers.get("content-type", ""))
