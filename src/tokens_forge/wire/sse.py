"""Server-sent events: bytes into events and back, at any split of the bytes.

Decides where an event ends and what its data is, by the WHATWG HTML standard, section 9.2.6 "Interpreting an event
stream" (read 2026-11). An event keeps the bytes it came in, so that what is passed on is what was received, but for
what clients choke on (`passing`). It never looks into the data, and it holds back no byte of an event that is complete.
"""

import re

import msgspec

from tokens_forge.core.errors import UpstreamFault

_BOM = b"\xef\xbb\xbf"

# The groups are atomic: without that, CR LF would also match as two line ends and be taken for a blank line.
_LINE_END = re.compile(rb"(?>\r\n|\n|\r)")
_BLANK_LINE = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_LINES = re.compile(rb"[^\r\n]*(?>\r\n|\n|\r)|[^\r\n]+")
_NO_LINE_ENDS = bytes.maketrans(b"\r\n", b"  ")
_LONGEST_PART = 2
"""How much of a blank line's four bytes must be looked at again when more bytes arrive."""


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One event of a stream."""

    raw: bytes
    """The bytes exactly as received, the blank line included."""
    data: bytes | None
    """The `data` lines joined with a line feed; None when there is none (comments only)."""
    name: str
    """The `event` field; empty when not given."""


class Splitter:
    """Splits a stream of bytes into events.

    `max_event_bytes` bounds one event. A longer one raises UpstreamFault, once the events before it were handed out;
    after that the splitter can only raise again.
    """

    def __init__(self, max_event_bytes: int) -> None:
        self._max_event_bytes = max_event_bytes
        self._pending = b""
        self._seen = 0
        """How many of the pending bytes are known to end no event."""
        self._at_start = True

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that `data` completes, in order. Raises UpstreamFault for one that is too long."""
        pending = self._pending + data if self._pending else data
        events: list[Event] = []
        start, seen = 0, self._seen
        while end := self._end(pending, start, seen):
            if end - start > self._max_event_bytes:
                break
            events.append(_event(pending[start:end], at_start=self._at_start))
            self._at_start = False
            start = seen = end
        self._pending = pending[start:] if start else pending
        self._seen = max(len(self._pending) - _LONGEST_PART, 0)
        # What was complete before the long event is handed out first, whatever the split; it raises at the next call.
        if len(self._pending) > self._max_event_bytes and not events:
            raise self._too_long()
        return events

    def close(self) -> list[Event]:
        """Return the last event if the stream ended without its blank line. Raises as `feed` does."""
        pending, self._pending = self._pending, b""
        if len(pending) > self._max_event_bytes:
            raise self._too_long()
        return [_event(pending, at_start=self._at_start)] if pending else []

    def _end(self, pending: bytes, start: int, seen: int) -> int:
        """Return where the event at `start` ends, 0 when more bytes are needed."""
        first = start + len(_BOM) if self._at_start and pending.startswith(_BOM) else start
        if b"\r" not in pending:
            # The common stream: `find` runs at memory speed, a pattern takes a hundred times as long.
            if pending.startswith(b"\n", first):
                return first + 1
            found = pending.find(b"\n\n", max(first, seen))
            return found + 2 if found >= 0 else 0
        match = _LINE_END.match(pending, first) or _BLANK_LINE.search(pending, max(first, seen))
        if match is None or (match.end() == len(pending) and pending.endswith(b"\r")):
            return 0  # A CR at the end may be half of a CR LF.
        return match.end()

    def _too_long(self) -> UpstreamFault:
        return UpstreamFault(f"an event of the stream is longer than {self._max_event_bytes} bytes")


def passing(event: Event, *, only_comments: bool = False) -> bytes:
    """Return an event as a client gets it: the bytes it came in, ended by its blank line; empty for nothing.

    The fields `id` and `retry` are for a connection that is made again, which no client of ours can. They are left out:
    OpenAI's library for Python (3.54.0, `SSEDecoder`) takes each comment after an `id` for an event without data, and
    fails as it reads that. With `only_comments` nothing but comments is left, of an event whose data says nothing.
    """
    raw = event.raw
    if event.data and not only_comments and raw.startswith(_BEGINS) and raw.endswith(b"\n\n") and not _is_odd(raw):
        return raw
    lines = [line for line in _LINES.findall(raw.removeprefix(_BOM)) if _passes(line, only_comments=only_comments)]
    if not lines or not (only_comments or event.data):
        return b""
    last = lines[-1]
    line_end = last[len(last.rstrip(b"\r\n")) :]
    return b"".join(lines) + (line_end or b"\n\n")


_BEGINS = (b"data", b"event")
_NOT_PASSED = frozenset({b"", b"id", b"retry"})


def _is_odd(raw: bytes) -> bool:
    return b"\r" in raw or b"\nid" in raw or b"\nretry" in raw


def _passes(line: bytes, *, only_comments: bool) -> bool:
    if line.startswith(b":"):
        return True
    field = line.rstrip(b"\r\n").partition(b":")[0]
    return not only_comments and field not in _NOT_PASSED


def data_event(data: bytes, name: str = "") -> bytes:
    """Return the bytes of an event with `data`, a JSON value, and a name where it has one.

    A line end would end the event and begin one of somebody else's. In JSON it can only stand between two tokens (RFC
    8259, 2), where values that are moved as they were written may have some: there a space is as good.
    """
    if b"\n" in data or b"\r" in data:
        data = data.translate(_NO_LINE_ENDS)
    return b"event: %s\ndata: %s\n\n" % (name.encode(), data) if name else b"data: %s\n\n" % data


def comment(text: str) -> bytes:
    """Return the bytes of a comment event; line ends in `text` become spaces."""
    return b": %s\n\n" % " ".join(text.splitlines()).encode()


def _event(raw: bytes, *, at_start: bool) -> Event:
    if raw.startswith(b"data: ") and raw.find(b"\n") == len(raw) - 2 and b"\r" not in raw:
        return Event(raw=raw, data=raw[6:-2], name="")
    text = raw.removeprefix(_BOM) if at_start else raw
    name = ""
    data: list[bytes] = []
    for line in text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"):
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ").decode("utf-8", "replace")
    return Event(raw=raw, data=b"\n".join(data) if data else None, name=name)
