"""Every golden, through the meter of its dialect and through each translator from it: cut anywhere, in any pieces.

What a golden says is held to its dialect's own tests (`test_openai_chat.py` and its like, `translate/`); here nothing
depends on what it says. A golden that is added is tested by being there.
"""

from collections.abc import Iterator
from copy import copy, deepcopy
from pathlib import Path
from typing import get_args

import pytest
from goldens import Golden, goldens

from tokens_forge.core.dialects import DialectName
from tokens_forge.core.errors import UpstreamFault
from tokens_forge.wire.dialects import DIALECTS, TRANSLATIONS
from tokens_forge.wire.reply import Meter, Reply
from tokens_forge.wire.request import Request
from tokens_forge.wire.sse import Event, Splitter

CALL_ID = "tf_0193a1b2c3d47e8f9012a3b4c5d6e7f8"
FOLDER = Path(__file__).parents[1] / "goldens"
KEPT = [name for name in get_args(DialectName) if (FOLDER / name).exists()]
GOLDENS = [one for name in KEPT for one in goldens(name)]
PLAIN = [one for one in GOLDENS if not one.streamed]
STREAMS = [one for one in GOLDENS if one.streamed]
PAIRED = [(client, one) for client, spoken in TRANSLATIONS for one in STREAMS if one.dialect == spoken]
PAIRED_PLAIN = [(client, one) for client, spoken in TRANSLATIONS for one in PLAIN if one.dialect == spoken]

PARTS = (1, 2, 3, 7)

BODIES: dict[DialectName, bytes] = {
    "openai_chat": b'{"model":"m","messages":[{"role":"user","content":"Hi"}],"reasoning_effort":"low"}',
    "openai_responses": b'{"model":"m","input":"Hi","reasoning":{"summary":"auto"}}',
    "anthropic_messages": b'{"model":"m","max_tokens":50,"messages":[{"role":"user","content":"Hi"}],'
    b'"thinking":{"type":"adaptive"}}',
}


def asked(client: DialectName) -> Request:
    """Return a request that may hear of reasoning."""
    body = BODIES.get(client, BODIES["openai_chat"])
    reader = DIALECTS[client if client in BODIES else "openai_chat"]
    return reader.read_request(body, output_bound=4096, inline_tokens=1000)


def meter_of(one: Golden) -> Meter:
    return DIALECTS[one.dialect].meter(asked(one.dialect), True)


def events_of(data: bytes, part: int) -> Iterator[Event]:
    """Yield the events of a stream that comes in parts of so many bytes."""
    splitter = Splitter(1 << 20)
    for start in range(0, len(data), part):
        yield from splitter.feed(data[start : start + part])
    yield from splitter.close()


def said(meter: Meter) -> tuple[object, ...]:
    """Return all that a meter knows of a stream."""
    names = (meter.model_served, meter.upstream_id, meter.finish, meter.tier_served, meter.reported_cost)
    return (*names, meter.reading, meter.output_estimate, meter.accounted, meter.done, meter.complete, meter.whole)


def test_the_indexes_name_every_file() -> None:
    """A golden that no index names would be tested by nobody."""
    files = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.suffix in {".json", ".sse"}}
    assert files == {f"{one.dialect}/{one.name}" for one in GOLDENS}


@pytest.mark.parametrize("one", STREAMS, ids=str)
def test_a_stream_is_metered_alike_in_any_parts(one: Golden) -> None:
    """However the network cuts it: the same events, each meaning the same, and in the end the usage by hand."""
    meter = meter_of(one)
    whole = [(event, meter.feed(event)) for event in events_of(one.data, len(one.data))]
    for part in PARTS:
        again = meter_of(one)
        assert whole == [(event, again.feed(event)) for event in events_of(one.data, part)]
        assert said(meter) == said(again)
    assert one.data == b"".join(event.raw for event, _ in whole)
    if not one.broken:
        assert one.usage == (meter.reading.usage if meter.reading else {})
        assert (one.model, one.finish, one.tier) == (meter.model_served, meter.finish, meter.tier_served)


@pytest.mark.parametrize("one", STREAMS, ids=str)
def test_a_stream_that_is_cut_at_any_byte_is_a_prefix(one: Golden) -> None:
    """What a cut event said is nothing, or all that the whole one says; no usage is taken for the answer's but it."""
    meter = meter_of(one)
    for event in events_of(one.data, len(one.data)):
        after = copy(meter)
        after.feed(event)
        for size in range(len(event.raw)):
            torn = copy(meter)
            for last in events_of(event.raw[:size], size or 1):
                kind = torn.feed(last).kind
                assert last.data == event.data or kind in {"comment", "malformed"}
            assert said(torn) in (said(meter), said(after))
            assert one.broken or not torn.accounted or one.usage == (torn.reading.usage if torn.reading else {})
        meter = after


@pytest.mark.parametrize("one", PLAIN, ids=str)
def test_a_reply_that_is_cut_at_any_byte_is_none(one: Golden) -> None:
    """Half a reply is no answer: it is neither metered nor passed."""
    read = DIALECTS[one.dialect].read_reply
    whole = read(one.data)
    assert isinstance(whole, Reply)
    assert one.usage == (whole.reading.usage if whole.reading else {})
    end = len(one.data.rstrip())
    assert [] == [size for size in range(end) if read(one.data[:size]) is not None]
    assert [] == [size for size in range(end, len(one.data)) if read(one.data[:size]) != whole]


def translated(client: DialectName, one: Golden, part: int) -> tuple[bytes, bytes, bytes]:
    """Return what a client gets of a stream as it comes, what ends it, and what does when it breaks."""
    translator = TRANSLATIONS[client, one.dialect].stream(asked(client), CALL_ID)
    meter = meter_of(one)
    out = b"".join(translator.feed(event) for event in events_of(one.data, part) if meter.feed(event).kind == "data")
    broken = deepcopy(translator).broken(code="stream_cut", message="It was cut.")
    return out, translator.end(), broken


@pytest.mark.parametrize(("client", "one"), PAIRED, ids=[f"{client}-{one}" for client, one in PAIRED])
def test_a_stream_is_translated_alike_in_any_parts(client: DialectName, one: Golden) -> None:
    """However the network cuts it, the client gets the same bytes: as they come, at the end, and where it breaks."""
    whole = translated(client, one, len(one.data))
    assert whole[0]
    assert whole[1]
    assert bool(whole[2]) == (client == "openai_responses")
    assert [whole] * len(PARTS) == [translated(client, one, part) for part in PARTS]


@pytest.mark.parametrize(("client", "one"), PAIRED, ids=[f"{client}-{one}" for client, one in PAIRED])
def test_a_stream_that_is_cut_at_any_byte_is_translated_so_far(client: DialectName, one: Golden) -> None:
    """Of a cut event the client gets nothing, or all that it gets of the whole one; and never an end with it."""
    translator = TRANSLATIONS[client, one.dialect].stream(asked(client), CALL_ID)
    meter = meter_of(one)
    for event in events_of(one.data, len(one.data)):
        before, meter_before = deepcopy(translator), copy(meter)
        whole = translator.feed(event) if meter.feed(event).kind == "data" else b""
        for size in range(len(event.raw)):
            torn_meter = copy(meter_before)
            given = [last for last in events_of(event.raw[:size], size or 1) if torn_meter.feed(last).kind == "data"]
            if given:
                torn = deepcopy(before)
                assert whole == b"".join(torn.feed(last) for last in given)


@pytest.mark.parametrize(("client", "one"), PAIRED_PLAIN, ids=[f"{client}-{one}" for client, one in PAIRED_PLAIN])
def test_a_reply_that_is_cut_at_any_byte_is_not_translated(client: DialectName, one: Golden) -> None:
    """Half a reply can't be read; nothing is made up for the rest."""
    translation, request = TRANSLATIONS[client, one.dialect], asked(client)
    assert translation.reply(one.data, request, CALL_ID)
    for size in range(len(one.data.rstrip())):
        with pytest.raises(UpstreamFault):
            translation.reply(one.data[:size], request, CALL_ID)
