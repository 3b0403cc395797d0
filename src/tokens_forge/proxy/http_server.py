"""The HTTP server below the proxy: what comes over TCP and is no request that can be read.

aiohttp answers such bytes with the line that it could not read, and logs it with a traceback: a token that stands in
its path would be shown again twice (DESIGN 8). Here neither says more than what was wrong. It decides nothing else.
"""

import asyncio
from typing import Any

from aiohttp import web
from aiohttp.http import HttpProcessingError


class HttpServer(web.Server):
    """Gives each connection its own reader. It unpacks no body: that is `proxy/request_body.py`'s part."""

    def __call__(self) -> web.RequestHandler:
        """Return the reader of a new connection."""
        no_log: Any = None  # which it takes for none, though its types do not say so
        return _Connection(self, loop=asyncio.get_running_loop(), access_log=no_log, auto_decompress=False)


class _Connection(web.RequestHandler):
    """Reads the requests of one connection."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if not isinstance(exc, HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        response = web.Response(status=status, text=f"This is no HTTP request that can be read: {type(exc).__name__}\n")
        response.force_close()
        return response
