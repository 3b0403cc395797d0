"""Events are found in a stream's bytes, whatever its line ends and however it is cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokens_forge.core.errors import UpstreamFault
from tokens_forge.wire.sse import Event, Splitter, comment, data_event, passing


def events(*chunks: bytes, most: int = 1 << 20) -> list[Event]:
    """Feed `chunks` one after the other, then close."""
    splitter = Splitter(most)
    return [event for chunk in chunks for event in splitter.feed(chunk)] + splitter.close()


def event(raw: bytes, data: bytes | None, name: str = "") -> Event:
    return Event(raw=raw, data=data, name=name)


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"", []),
        (b"data: a\n\ndata: b\n\n", [event(b"data: a\n\n", b"a"), event(b"data: b\n\n", b"b")]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [event(b"data: a\r\n\r\n", b"a"), event(b"data: b\r\n\r\n", b"b")]),
        (b"data: a\r\rdata: b\r\r", [event(b"data: a\r\r", b"a"), event(b"data: b\r\r", b"b")]),
        (b"data: a\n\r\ndata: b\r\n\n", [event(b"data: a\n\r\n", b"a"), event(b"data: b\r\n\n", b"b")]),
        (b"data: a\r\ndata: b\r\n\r\n", [event(b"data: a\r\ndata: b\r\n\r\n", b"a\nb")]),
        (b"data: a\rdata: b\n\n", [event(b"data: a\rdata: b\n\n", b"a\nb")]),
        (b"data: a\ndata\ndata:b\n\n", [event(b"data: a\ndata\ndata:b\n\n", b"a\n\nb")]),
        (b"data:  a\n\n", [event(b"data:  a\n\n", b" a")]),
        (b"event: ping\ndata: {}\nid: 7\n\n", [event(b"event: ping\ndata: {}\nid: 7\n\n", b"{}", "ping")]),
        (b": keep\n\ndata: a\n\n", [event(b": keep\n\n", None), event(b"data: a\n\n", b"a")]),
        (b"\xef\xbb\xbfdata: a\n\n", [event(b"\xef\xbb\xbfdata: a\n\n", b"a")]),
        (b"\xef\xbb\xbf\ndata: a\n\n", [event(b"\xef\xbb\xbf\n", None), event(b"data: a\n\n", b"a")]),
        (b"data: a\n\n\n\r\n", [event(b"data: a\n\n", b"a"), event(b"\n", None), event(b"\r\n", None)]),
        (b"data: a", [event(b"data: a", b"a")]),
        (b"data: a\n", [event(b"data: a\n", b"a")]),
        (b"data: a\r\n\r", [event(b"data: a\r\n\r", b"a")]),
        ("data: \u2028\u0085\n\n".encode(), [event("data: \u2028\u0085\n\n".encode(), "\u2028\u0085".encode())]),
    ],
)
def test_events_are_found_by_any_line_end(stream: bytes, expected: list[Event]) -> None:
    """LF, CR, CR LF and mixtures end lines; only these do; a last event without its blank line counts."""
    assert expected == events(stream)


PIECES = st.sampled_from(
    [b"data: ", b"data", b"{}", b"\n", b"\r", b"\r\n", b":", b" ", b"event: e", b"\xef\xbb\xbf", b"\xc3", b"x" * 9]
)


@given(st.lists(PIECES, max_size=24), st.lists(st.integers(0, 80), max_size=8))
def test_any_split_gives_the_same_events(pieces: list[bytes], cuts: list[int]) -> None:
    """However the bytes are cut, also between CR and LF, the events are the same, and no byte is lost."""
    stream = b"".join(pieces)
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    chunks = [stream[left:right] for left, right in pairwise(edges)]
    whole = events(stream)
    assert whole == events(*chunks)
    assert whole == events(*(bytes([byte]) for byte in stream))
    assert stream == b"".join(found.raw for found in whole)


def split_into(found: list[Event], most: int, chunks: tuple[bytes, ...]) -> None:
    """Add to `found` what a splitter hands out, until it is closed or gives up."""
    splitter = Splitter(most)
    for chunk in chunks:
        found += splitter.feed(chunk)
    found += splitter.close()


@pytest.mark.parametrize(
    "chunks",
    [
        (b"data: a\n\n", b"data: 0123456789\n\n"),
        (b"data: a\n\ndata: 0123456789\n\ndata: b\n\n",),
        (b"data: a\n\n", b"data: 0123456789"),
        (b"data: a\n\ndata: 01", b"23456789"),
        (b"data: a\n\ndata: 0123456789\n\n", b"data: b\n\n"),
    ],
)
def test_an_event_that_is_too_long_is_the_upstreams_fault(chunks: tuple[bytes, ...]) -> None:
    """A stream can't fill the memory: an event over the bound raises, after the events before it were handed out."""
    found: list[Event] = []
    with pytest.raises(UpstreamFault, match="longer than 10 bytes"):
        split_into(found, 10, chunks)
    assert [event(b"data: a\n\n", b"a")] == found


def test_an_event_of_exactly_the_bound_passes() -> None:
    """The bound itself is allowed."""
    assert [event(b"data: 01\n\n", b"01")] == events(b"data: 01\n\n", most=10)


def test_what_is_written_reads_back() -> None:
    """Our own events and comments are events."""
    assert [event(b"data: {}\n\n", b"{}")] == events(data_event(b"{}"))
    assert [event(b": tf a b\n\n", None)] == events(comment("tf a\nb"))
    assert [event(b"event: a\ndata: {}\n\n", b"{}", "a")] == events(data_event(b"{}", "a"))


def test_no_line_end_gets_into_an_event() -> None:
    """JSON that is moved as it was written may have some between its tokens: they end no event and begin none."""
    written = b'{"a":\r\n\r\n"b",\n\ndata: "c"}'
    assert [b'{"a":    "b",  data: "c"}'] == [found.data for found in events(data_event(written))]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: a\n\n", b"data: a\n\n"),
        (b"event: e\ndata: a\n\n", b"event: e\ndata: a\n\n"),
        (b"data:a\r\n\r\n", b"data:a\r\n\r\n"),
        (b"data: a\r\r", b"data: a\r\r"),
        # What lacks its blank line, or half of it, gets it: nothing that follows glues to it.
        (b"data: a", b"data: a\n\n"),
        (b"data: a\n", b"data: a\n\n"),
        (b"data: a\r\n", b"data: a\r\n\r\n"),
        (b"data: a\r", b"data: a\r\r"),
        (b"data: a\r\n\r", b"data: a\r\n\r\n"),
        (b"event: e\ndata: a", b"event: e\ndata: a\n\n"),
        # Nothing that a parser takes for an event, or reads before a name.
        (b"\n\n\nretry: 3000\n\nevent: ping\n\nid\n\ndata:\n\ndata: a\n\n", b"data: a\n\n"),
        (b"\xef\xbb\xbfdata: a\n\n", b"data: a\n\n"),
        (b"retry: 1\nid: 7\nevent: e\ndata: id\nretry: 1\n\n", b"event: e\ndata: id\n\n"),
        (b"data: a\nid: 7", b"data: a\n\n"),
        (b"data: a\rid: 7\r\r", b"data: a\r\r"),
        (b": so\ndata: identity\n\n", b": so\ndata: identity\n\n"),
        (b"data: a\nidentity: 7\n\n", b"data: a\nidentity: 7\n\n"),
    ],
)
def test_an_event_passes_as_its_parser_takes_it(stream: bytes, expected: bytes) -> None:
    """It ends with its blank line and has data; fields that a client of ours has no use for are left out."""
    assert expected == b"".join(passing(event) for event in events(stream))


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b": keep\n\n", b": keep\n\n"),
        (b":\r\n\r\n", b":\r\n\r\n"),
        (b": keep\nretry: 1\nevent: ping\ndata:\n: alive\n\n", b": keep\n: alive\n\n"),
        (b": keep", b": keep\n\n"),
        (b"retry: 1\n\n", b""),
        (b"\n", b""),
    ],
)
def test_of_an_event_without_data_comments_pass(stream: bytes, expected: bytes) -> None:
    """Clients fail on an event without data; comments are none."""
    assert [expected] == [passing(event, only_comments=True) for event in events(stream)]
