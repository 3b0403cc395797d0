"""The client's side of a call: one reply, plain or streamed.

The one narrow seam to the HTTP server: nothing else of a call knows aiohttp's server. It decides no status and no text.
"""

from collections.abc import Mapping

from aiohttp import web

from tokens_forge.core.visible import visible
from tokens_forge.wire.dialects import Family

_ID = "x-request-id"


class ClientLeft(Exception):  # noqa: N818 - a fact about the client
    """The client's connection is gone; nothing more reaches it."""


class Downstream:
    """Where one call's reply goes."""

    def __init__(self, request: web.BaseRequest, family: Family) -> None:
        self._request = request
        self.family = family
        """How the client's dialect writes errors."""
        self._stream: web.StreamResponse | None = None
        self.response: web.StreamResponse = web.Response(status=500)
        """What the server's handler returns in the end."""

    @property
    def left(self) -> bool:
        """Whether the client has gone."""
        transport = self._request.transport
        return transport is None or transport.is_closing()

    @property
    def begun(self) -> bool:
        """Whether a stream's head has gone out."""
        return self._stream is not None

    def reply(self, status: int, headers: Mapping[str, str], body: bytes, content_type: str) -> None:
        """Set the whole reply; it goes out when the handler returns."""
        self.response = web.Response(
            status=status,
            body=body,
            headers=self._head({**headers, "content-type": content_type or "application/json"}),
        )

    async def begin(self, headers: Mapping[str, str]) -> None:
        """Send the head of a stream. Raises ClientLeft."""
        stream = web.StreamResponse(
            headers=self._head(
                {**headers, "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
            )
        )
        try:
            await stream.prepare(self._request)
        except OSError as error:
            raise ClientLeft from error
        self._stream = self.response = stream

    async def write(self, data: bytes) -> None:
        """Send bytes of the stream, waiting while the client reads slowly. Raises ClientLeft."""
        assert self._stream is not None, "a stream is begun before it is written"
        try:
            await self._stream.write(data)
        except OSError as error:
            raise ClientLeft from error

    async def end(self, data: bytes) -> None:
        """Send the last bytes of the stream and end it; a client that has left is no matter any more."""
        assert self._stream is not None, "a stream is begun before it is ended"
        try:
            if data:
                await self._stream.write(data)
            await self._stream.write_eof()
        except OSError:
            self._request.protocol.force_close()

    def _head(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """Return headers as they may stand on the wire: names come from a config and an upstream, and hold anything.

        The call's id stands where the client's SDK looks for it too.
        """
        if _ID in headers:
            headers = {**headers, self.family.id_header: headers[_ID]}
        return {
            name: visible(value).encode("ascii", "backslashreplace").decode("ascii") for name, value in headers.items()
        }
