"""How a client that speaks one dialect is answered by an upstream that speaks another: the shapes of a translator.

Each pair has a file in `wire/translate/`. A translator is pure and holds no usage to be billed: that is read from the
upstream's native bytes (`wire/reply.py`). What a request says and the other dialect can't is refused by its path
(`NotCarried`) or dropped and named; the table of which is in the README.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from tokens_forge.core.entries import CacheLife
from tokens_forge.wire.request import Fields, Request
from tokens_forge.wire.sse import Event


class NotCarried(Exception):  # noqa: N818 - a fact about a request, which routing then goes by
    """A request says what the other dialect can't: `field` is its path (`messages[2].content[0]`), `why` a sentence."""

    def __init__(self, field: str, why: str) -> None:
        self.field = field
        self.why = why
        super().__init__(f"`{field}`: {why}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Translated:
    """A request in the upstream's dialect."""

    fields: Fields
    """Its members; `model` is put in when it is sent."""
    dropped: tuple[str, ...] = ()
    """The paths of what was left out, each once, in the order of the request's members."""
    caches: CacheLife | None = None
    """How long its marks keep the prompt in the provider's cache: a translation may set marks itself, or have none."""


class StreamTranslator(Protocol):
    """Turns an upstream's stream into the client's as it comes. Sans-io: events in, bytes out."""

    def feed(self, event: Event) -> bytes:
        """Return what the client gets for one event: none or more events of its dialect.

        It is given every event that the upstream's meter calls ``data`` (also the usage chunk), in order. Raises
        UpstreamFault for what can't be read.
        """
        ...

    def end(self) -> bytes:
        """Return what ends the client's stream: what is still open, the usage, and the dialect's last event.

        Called once, after the upstream's answer came to its end.
        """
        ...

    def broken(self, *, code: str, message: str) -> bytes:
        """Return what ends the client's stream instead when the upstream's broke, after what was said of it so far.

        Empty where the error event of the client's dialect needs nothing of that.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """One pair of dialects, from the client's to the upstream's and back."""

    request: Callable[[Request], Translated]
    """Raises NotCarried."""
    reply: Callable[[bytes, Request, str], bytes]
    """Returns the client's whole reply for the upstream's, given the client's request and the call's id (from which
    ids are made where the upstream gives none). Raises UpstreamFault for what can't be read."""
    stream: Callable[[Request, str], StreamTranslator]
    """Begins the translation of a stream for the client's request and the call's id."""
