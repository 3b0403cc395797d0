"""Messages: what is asked, what is answered, and what passes."""

import base64
import json
from collections.abc import Sequence
from copy import copy
from decimal import Decimal

import pytest

from tests.goldens import Golden, golden, goldens
from tokens_forge.core.errors import RequestError
from tokens_forge.core.usage import Iteration, Reading
from tokens_forge.wire import anthropic_messages
from tokens_forge.wire.anthropic_messages import (
    StreamMeter,
    read_count_reply,
    read_count_request,
    read_reply,
    read_request,
    upstream_fields,
)
from tokens_forge.wire.dialects import ANTHROPIC_MESSAGES
from tokens_forge.wire.reply import Meter, Passed, Reply
from tokens_forge.wire.request import Request, encoded
from tokens_forge.wire.sse import Event, Splitter, data_event

HELLO = b'[{"role":"user","content":"hi"}]'
GOLDENS = goldens("anthropic_messages")
PLAIN = [one for one in GOLDENS if not one.streamed]
STREAMS = [one for one in GOLDENS if one.streamed]


def body(rest: bytes = b"", *, messages: bytes = HELLO) -> bytes:
    """Build a request for model m."""
    return b'{"model":"m","messages":%s%s}' % (messages, rest)


def read(rest: bytes = b"", *, messages: bytes = HELLO) -> Request:
    return read_request(body(rest, messages=messages), output_bound=4096, inline_tokens=1000)


def opening(content: bytes, *, system: bytes = b'"s"', more: bytes = b"") -> bytes:
    """Return the opening of a conversation that a user begins with `content`."""
    return read(b',"system":' + system, messages=b'[{"role":"user","content":%s}%s]' % (content, more)).opening


def event(data: bytes, name: str = "") -> Event:
    return Event(raw=data_event(data), data=data, name=name)


def metered(*events: bytes) -> StreamMeter:
    """Feed the data of `events` to a meter."""
    meter = StreamMeter()
    for data in events:
        meter.feed(event(data))
    return meter


def split(data: bytes, size: int) -> list[Event]:
    """Return the events of a stream that comes in parts of `size` bytes."""
    splitter = Splitter(1 << 20)
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    return [found for part in parts for found in splitter.feed(part)] + splitter.close()


def usage_of(meter: Meter) -> dict[str, int]:
    return dict(meter.reading.usage) if meter.reading else {}


def test_a_request_is_read() -> None:
    """What routing needs is taken from the body; the rest stays as it is."""
    request = read(
        b',"stream":true,"service_tier":"standard_only","max_tokens":10,"metadata":{"user_id":"u"},"temperature":0.5',
        messages=b'[{"role":"user","content":"u"},{"role":"assistant","content":"a"},{"role":"user","content":"v"}]',
    )
    assert request.model == "m"
    assert request.stream
    assert request.include_usage
    assert request.tier_asked == "standard_only"
    assert request.output_bound == 10
    assert request.choices == 1
    assert request.turn == 3


def test_a_bare_request_takes_the_defaults() -> None:
    """CASES 31: without a maximum the configured bound stands in, and the upstream says what it thinks of it."""
    request = read(b',"stream":null,"system":null,"service_tier":null,"max_tokens":null,"tools":null,"thinking":null')
    assert not request.stream
    assert request.tier_asked == ""
    assert request.output_bound == 4096
    assert request.needs == ()


def test_a_maximum_of_nothing_fills_the_cache() -> None:
    """Claude docs, "Prompt caching": with 0 nothing is put out, and nothing is held for it."""
    assert read(b',"max_tokens":0').output_bound == 0


def test_a_maximum_that_is_none() -> None:
    """CASES 68: clients of local servers ask for no maximum by -1: the default is held, and the member goes on."""
    request = read(b',"max_tokens":-1')
    assert (4096, 0, b"-1") == (request.output_bound, request.output_asked, bytes(request.fields["max_tokens"]))


@pytest.mark.parametrize(
    ("rest", "tier"),
    [
        (b',"speed":"fast"', "fast"),
        (b',"speed":"fast","service_tier":"auto"', "fast"),
        (b',"speed":"standard","service_tier":"auto"', "auto"),
        (b',"speed":null', ""),
    ],
)
def test_fast_is_a_tier(rest: bytes, tier: str) -> None:
    """What is asked for in `speed` has its own rates, so it is held for as it is settled: as a tier."""
    assert tier == read(rest).tier_asked


IMAGE = b'{"type":"image","source":{"type":"url","url":"https://example.com/a.png"}}'
RESULT = b'[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":%s}]}]'


@pytest.mark.parametrize(
    ("rest", "messages", "needs"),
    [
        (b"", HELLO, ()),
        (b',"tools":[{"name":"f","input_schema":{"type":"object"}}]', HELLO, ("tools",)),
        (b',"tools":[ ],"output_config":{"effort":"low"}', HELLO, ()),
        (b',"output_config":{"format":{"type": "json_schema","schema":{}}}', HELLO, ("json_schema",)),
        (b',"output_format":{"type":"json_schema","schema":{}}', HELLO, ("json_schema",)),
        (b"", b'[{"role":"user","content":[%s]}]' % IMAGE, ("vision",)),
        (b"", b'[{"role":"user","content":[{"type" : "document"},%s]}]' % IMAGE, ("vision", "files")),
        (b"", RESULT % (b"[%s]" % IMAGE), ("vision",)),
        (b"", RESULT % b'"{\\"type\\":\\"image\\"}"', ()),
        # What a tool is asked may have any member, and what is of another shape is the upstream's to refuse.
        (b"", b'[{"role":"user","content":[{"type":"tool_use","input":{"type":"image"}}]}]', ()),
        (
            b"",
            b'[{"role":"user"},{"role":"user","content":{"type":"image"}},{"content":[{"type":"document"}]}]',
            ("files",),
        ),
        (b"", b'[{"role":"user"},7,{"content":[{"type":"image"}]}]', ()),
        (b"", b'[{"role":"user"},{"role":1,"content":["hi",{"type":"image"}]}]', ()),
        (b"", json.dumps([{"role": "user", "content": '{"type":"image"}'}]).encode(), ()),
    ],
)
def test_what_a_request_asks_for_beyond_text(rest: bytes, messages: bytes, needs: tuple[str, ...]) -> None:
    """Claude API reference, "Create a Message": tools, blocks of a message or of a tool's result, a format."""
    assert needs == read(rest, messages=messages).needs


def test_one_conversation_has_one_opening() -> None:
    """The mark of the cache moves on with every turn, and a content changes between a text and blocks with it."""
    first = opening(b'"hi"')
    assert first == b's\n"hi"'
    assert first == opening(b'[{"type":"text","text":"hi","cache_control":{"type":"ephemeral"}}]')
    assert first == opening(b'[{"text":"hi","type":"text"}]', more=b',{"role":"assistant","content":"ho"}')
    assert first == opening(b'"hi"', system=b'[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}]')
    assert first != opening(b'"ho"')
    assert first != opening(b'"hi"', system=b'"another"')


@pytest.mark.parametrize(
    "system",
    [
        b'[{"type":"text","text":"x-anthropic-billing-header: cc_version=2.1.17; cch=%s;"},{"type":"text","text":"s"}]',
        b'[{"type":"text","text":"x-anthropic-billing-header: cc_version=2.1.17; cch=%s;\\ns"}]',
        b'"x-anthropic-billing-header: cc_version=2.1.17; cch=%s;\\ns"',
    ],
)
def test_a_header_in_the_system_prompt_is_of_no_conversation(system: bytes) -> None:
    """Claude Code writes another one into every request (anthropics/claude-code issue 68900)."""
    assert opening(b'"hi"') == opening(b'"hi"', system=system % b"36ee5") == opening(b'"hi"', system=system % b"0aaa9")


def test_reminders_before_the_words_of_a_user_are_of_no_conversation() -> None:
    """A client may put them in otherwise when it goes on; where nothing else is said they are what is said."""
    reminder = b'{"type":"text","text":"<system-reminder>\\nToday is Monday.\\n</system-reminder>"}'
    assert opening(b'"hi"') == opening(b'[%s,{"type":"text","text":"hi"}]' % reminder)
    assert b's\n"<system-reminder>\\nToday is Monday.\\n</system-reminder>"' == opening(b"[%s]" % reminder)


def test_an_opening_is_all_that_is_said_up_to_the_first_user() -> None:
    """Every request has an opening, also one that nobody speaks in; a block that is no text is its members."""
    before = b'[{"role":"system","content":"be brief"},{"role":"assistant"},%s]'
    picture = b'{"role":"user","content":[{"type":"image","source":{"a" : 1},"cache_control":{"type":"ephemeral"}}]}'
    assert b'"be brief"\ntype:"image",source:{"a" : 1}' == read(messages=before % picture).opening
    assert read(messages=b"[]").opening == b""


def test_a_long_beginning_is_not_kept_a_second_time() -> None:
    """An opening is hashed and no more: of a long text, or an image in the first message, it has a digest."""
    text, picture = b'"%s"' % (b"x" * 2_000_000), b'{"type":"image","source":{"data":"%s"}}' % (b"A" * 2_000_000)
    found = opening(b"[%s]" % picture, system=text)
    assert len(found) < 1_000
    assert found == opening(b"[%s]" % picture.replace(b"}}", b'},"cache_control":null}'), system=text)
    assert found != opening(b"[%s]" % picture.replace(b"A}", b"B}"), system=text[:-2] + b'"')


@pytest.mark.parametrize(
    ("sent", "code", "message"),
    [
        (b"{", "invalid_json", "the body is not JSON: Input data was truncated"),
        (b'{"model":"m"}', "invalid_request", "`messages`: it is missing: write the list of messages"),
        (b'{"model":"m","messages":"hi"}', "invalid_request", '`messages`: `"hi"` is not a list of messages'),
        (b'{"messages":[]}', "invalid_request", "`model`: it is missing: write the model's name"),
        (body(messages=b"[1]"), "invalid_request", "`messages[0]`: it is not an object with a `role`"),
        (
            body(messages=b'[{"role":"assistant"},{"role":1}]'),
            "invalid_request",
            "`messages[1]`: it is not an object with a `role`",
        ),
        (
            body(messages=b'[{"role":"user","content":7}]'),
            "invalid_request",
            "`messages[0].content`: `7` is neither a text nor a list of blocks",
        ),
        (
            body(messages=b'[{"role":"user","content":["%s"]}]' % (b"x" * 99)),
            "invalid_request",
            "`messages[0].content`: what was sent is neither a text nor a list of blocks",
        ),
        (body(b',"system":{}'), "invalid_request", "`system`: `{}` is neither a text nor a list of blocks"),
        (body(b',"stream":"yes"'), "invalid_request", '`stream`: `"yes"` is not true or false'),
        (body(b',"max_tokens":-2'), "invalid_request", "`max_tokens`: `-2` is not a whole number from 0 to 2147483647"),
        (body(b',"service_tier":[]'), "invalid_request", "`service_tier`: `[]` is not a tier's name"),
        (body(b',"speed":1'), "invalid_request", "`speed`: `1` is not a speed's name"),
        (body(b',"tools":{}'), "invalid_request", "`tools`: `{}` is not a list of tools"),
        (body(b',"tool_choice":"auto"'), "invalid_request", '`tool_choice`: `"auto"` is not an object'),
        (body(b',"thinking":true'), "invalid_request", "`thinking`: `true` is not an object"),
        (body(b',"output_config":[]'), "invalid_request", "`output_config`: `[]` is not an object"),
        (body(b',"output_format":1'), "invalid_request", "`output_format`: `1` is not an object"),
        (body(b',"metadata":"u"'), "invalid_request", '`metadata`: `"u"` is not an object'),
    ],
    ids=str,
)
def test_a_wrong_request_is_refused_by_name(sent: bytes, code: str, message: str) -> None:
    """A 400 names the member, the value seen and what belongs there; a long value is not repeated."""
    with pytest.raises(RequestError) as raised:
        read_request(sent, output_bound=4096, inline_tokens=1000)
    assert (400, code) == (raised.value.status, raised.value.code)
    assert raised.value.message.startswith(message)


def test_all_that_is_billed_as_input_is_estimated() -> None:
    """The system prompt, tools and an answer's schema are input as messages are; other members are not."""
    counted = b',"system":"1234","tools":[{"a":1}],"output_config":{"b":2},"output_format":{"c":3}'
    quarters = len(HELLO) + len(b'"1234"') + len(b'[{"a":1}]') + 2 * len(b'{"b":2}')
    assert -(-quarters // 4) == read(counted + b',"metadata":{"user_id":"0123456789"}').input_estimate


@pytest.mark.parametrize("kind", [b"image", b"document"])
def test_base64_counts_a_fixed_figure(kind: bytes) -> None:
    """A picture's bytes say nothing about its tokens: each inline part counts 1,000."""
    block = b'{"type":"%s","source":{"type":"base64","media_type":"image/png","data":"%s"}}'
    data = base64.b64encode(bytes(range(256)) * 40)
    small, large = (
        read(messages=b'[{"role":"user","content":[%s]}]' % (block % (kind, some))).input_estimate
        for some in (data[:80], data[:8_000])
    )
    assert small == large
    assert 1_000 < small < 1_050


def test_only_the_model_changes() -> None:
    """Every other value goes upstream byte for byte: escapes, spaces, digits beyond a float, unknown members."""
    rest = rb',"top_k":12345678901234567890.000,"x":{"a" : "\u00e9\/", "a":1},"stream":true'
    sent = b"".join(encoded(upstream_fields(read(rest), model='n"\u00e9', inject_usage=True)))
    assert '{"model":"n\\"é","messages":'.encode() + HELLO + rest + b"}" == sent


def test_tokens_are_counted_for_the_same_members() -> None:
    """A count puts nothing out, whatever maximum or stream it is asked with."""
    sent = body(b',"system":"s","tools":[{"name":"f"}],"max_tokens":"many","stream":true')
    request = read_count_request(sent, output_bound=4096, inline_tokens=1000)
    assert (request.output_bound, request.stream, request.needs) == (0, False, ("tools",))
    assert request.opening == b's\n"hi"'
    assert request.input_estimate > 8


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b'{"input_tokens":2095}', Reply()),
        (b'{"input_tokens":2095,"context_management":null}', Reply()),
        (b'{"input_tokens":"many"}', None),
        (b'{"type":"error","error":{"type":"api_error","message":"x"}}', None),
        (b"<html>", None),
    ],
)
def test_a_count_of_tokens_has_no_usage(sent: bytes, expected: Reply | None) -> None:
    """Claude docs, "Token counting": it is free. What is no count is no answer."""
    assert expected == read_count_reply(sent)


@pytest.mark.parametrize("one", PLAIN, ids=lambda one: one.name)
def test_a_golden_reply_is_read(one: Golden) -> None:
    """A reply says who answered, how it ended and what it used: as reckoned by hand."""
    reply = read_reply(one.data)
    assert reply is not None
    assert reply.reading is not None
    assert Reading(dialect="anthropic_messages", usage=one.usage, geo=reply.reading.geo) == reply.reading
    assert (one.model, one.finish, one.tier) == (reply.model_served, reply.finish, reply.tier_served)
    assert json.loads(one.data)["id"] == reply.upstream_id


def test_what_a_reply_says_is_estimated() -> None:
    """Text, thinking, also encrypted, and what tools are asked are output; signatures and results are not."""
    reply = read_reply(
        b'{"content":[{"type":"thinking","thinking":"1234","signature":"c2lnbmF0dXJl"},{"type":"redacted_thinking",'
        b'"data":"c2VjcmV0"},{"type":"text","text":"1234"},{"type":"tool_use","input":{"a":1}},'
        b'{"type":"web_search_tool_result","content":[{"title":"1234"}]}]}'
    )
    assert reply is not None
    assert (reply.output_estimate, reply.reading) == (6, None)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"type":"error","error":{"type":"api_error","message":"x"}}',
        b'{"content":[],"error":{"type":"api_error"}}',
        b'{"content":[',
        b'{"id":7}',
        b'{"id":7,"content":}',
        b'{"id":"\xff"}',
    ],
)
def test_what_is_no_reply_is_none(sent: bytes) -> None:
    """CASES 20: an error text or an empty body is never taken for an answer."""
    assert read_reply(sent) is None


def test_a_reply_of_an_unknown_shape_is_read() -> None:
    """Members of a kind that nobody knows break no reply; its usage is still read."""
    reply = read_reply(b'{"id":7,"content":[{"type":"text","text":"hi"}],"usage":{"input_tokens":9,"output_tokens":3}}')
    assert reply is not None
    assert Reading(dialect="anthropic_messages", usage={"input": 9, "output": 3}) == reply.reading


@pytest.mark.parametrize("one", STREAMS, ids=lambda one: one.name)
def test_a_golden_stream_is_metered_at_every_split(one: Golden) -> None:
    """However the bytes are cut: the same events, who answered, how it ended, and the usage as reckoned by hand.

    A stream that breaks is billed for what was streamed where that is more than the placeholder of its start.
    """
    whole = split(one.data, len(one.data))
    for size in (1, 2, 7, 100, len(one.data)):
        meter = StreamMeter()
        events = split(one.data, size)
        assert whole == events
        kinds = [meter.feed(found).kind for found in events]
        streamed = meter.output_estimate if one.broken else 0
        assert {**one.usage, "output": max(one.usage["output"], streamed)} == usage_of(meter)
        assert (one.model, one.finish, one.tier) == (meter.model_served, meter.finish, meter.tier_served)
        assert ending(one) == kinds[-1]
        assert [not one.broken] * 4 == [meter.done, meter.complete, meter.whole, meter.accounted]


def ending(one: Golden) -> str:
    """Return what the last event of a golden stream is."""
    return {"": "done", "cut": "malformed", "overloaded": "error"}[one.broken]


@pytest.mark.parametrize("one", STREAMS, ids=lambda one: one.name)
def test_a_golden_stream_may_be_cut_anywhere(one: Golden) -> None:
    """A cut at any byte: what came before counts, and the usage is the whole answer's only where it says so."""
    meter = StreamMeter()
    for found in split(one.data, len(one.data)):
        for size in range(len(found.raw)):
            torn = copy(meter)
            for last in split(found.raw[:size], size or 1):
                torn.feed(last)
            usage = usage_of(torn)
            assert not torn.whole or one.usage == usage
            assert torn.complete or not torn.accounted
            assert torn.complete or usage.get("output", torn.output_estimate) >= torn.output_estimate
        meter.feed(found)


START = (
    b'{"type":"message_start","message":{"id":"msg_1","model":"claude-5","content":[],"usage":{"input_tokens":25,'
    b'"cache_read_input_tokens":5,"output_tokens":1,"service_tier":"standard"}}}'
)
ZEROS = b'{"type":"message_start","message":{"id":"msg_1","usage":{"input_tokens":0,"output_tokens":0}}}'
TEXT = b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"12345678"}}'
END = (
    b'{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"input_tokens":25,'
    b'"cache_read_input_tokens":5,"output_tokens":15}}'
)
OUTPUT = b'{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":15}}'
END_ZEROS = b'{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":0,"output_tokens":0}}'
FINISH = b'{"type":"message_delta","delta":{"stop_reason":"end_turn"}}'
RUNNING = b'{"type":"message_delta","delta":{},"usage":{"output_tokens":%d}}'
STOP = b'{"type":"message_stop"}'


def test_a_stream_is_metered_as_it_passes() -> None:
    """The first event after `message_start` that is no ping begins the answer; `message_stop` ends it."""
    meter: Meter = StreamMeter()
    events = (b'{"type":"ping"}', START, b'{"type":"ping"}', TEXT, END, STOP)
    assert [
        Passed(kind="comment"),
        Passed(kind="data"),
        Passed(kind="comment"),
        Passed(kind="data", first=True),
        Passed(kind="data"),
        Passed(kind="done"),
    ] == [meter.feed(event(data)) for data in events]
    assert (meter.model_served, meter.upstream_id, meter.finish) == ("claude-5", "msg_1", "end_turn")
    assert (meter.tier_served, meter.output_estimate, meter.reported_cost) == ("standard", 2, None)
    assert meter.ending.endswith(data_event(STOP))


@pytest.mark.parametrize(
    ("events", "usage", "accounted"),
    [
        ((START,), {"input": 25, "cache_read": 5, "output": 1}, False),
        ((START, TEXT), {"input": 25, "cache_read": 5, "output": 2}, False),
        ((START, TEXT, TEXT), {"input": 25, "cache_read": 5, "output": 4}, False),
        ((START, TEXT, END), {"input": 25, "cache_read": 5, "output": 15}, True),
        ((START, TEXT, OUTPUT), {"input": 25, "cache_read": 5, "output": 15}, True),
        ((START, TEXT, FINISH, RUNNING % 15), {"input": 25, "cache_read": 5, "output": 15}, True),
        # What a relay says on the way is a fact of the way, and the last one said stands.
        ((START, TEXT, RUNNING % 9), {"input": 25, "cache_read": 5, "output": 9}, False),
        ((START, RUNNING % 1, TEXT), {"input": 25, "cache_read": 5, "output": 2}, False),
        ((START, TEXT, RUNNING % 9, RUNNING % 12, FINISH), {"input": 25, "cache_read": 5, "output": 12}, False),
        # An answer that ended and never said what it put out has no usage of its own.
        ((START, TEXT, FINISH), {}, False),
        ((START, TEXT, STOP), {}, False),
        ((START, TEXT, FINISH, b'{"type":"message_delta","usage":7}', STOP), {}, False),
        # Nobody asks for nothing: such zeros are written by who does not know yet, or never.
        ((ZEROS, TEXT), {}, False),
        ((ZEROS, TEXT, END), {"input": 25, "cache_read": 5, "output": 15}, True),
        ((ZEROS, TEXT, OUTPUT), {}, False),
        ((TEXT, END), {"input": 25, "cache_read": 5, "output": 15}, True),
        ((ZEROS, END_ZEROS), {"input": 0, "output": 0}, True),
    ],
)
def test_which_usage_is_a_fact(events: Sequence[bytes], usage: dict[str, int], accounted: bool) -> None:
    """CASES 18: the output of the start is a placeholder; the last word holds, and a reported zero in it is a fact."""
    meter = metered(*events)
    assert (usage, accounted) == (usage_of(meter), meter.accounted)


def stream_of(*usages: bytes, text: bytes = b"") -> StreamMeter:
    """Return the meter of a stream whose start and deltas have these usages."""
    start, *deltas = usages
    meter = metered(b'{"type":"message_start","message":{"usage":%s}}' % start)
    if text:
        meter.feed(event(b'{"type":"content_block_delta","delta":{"type":"text_delta","text":"%s"}}' % text))
    for usage in deltas:
        meter.feed(event(b'{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":%s}' % usage))
    return meter


def test_zeros_at_the_end_take_nothing_back() -> None:
    """CASES 61: the input of the start stays; an output that nobody counted is what was streamed, to be capped."""
    start = b'{"input_tokens":15,"output_tokens":1}'
    reading = stream_of(start, b'{"input_tokens":0,"output_tokens":15}', text=b"12345678").reading
    assert reading is not None
    assert ({"input": 15, "output": 15}, ("contradictory_usage",)) == (reading.usage, reading.flags)
    zeros = stream_of(start, b'{"input_tokens":0,"output_tokens":0}', text=b"12345678").reading
    assert zeros is not None
    assert ({"input": 15, "output": 2}, 1) == (zeros.usage, zeros.guessed)
    assert ("contradictory_usage", "output_streamed") == zeros.flags
    moved = stream_of(
        b'{"input_tokens":8834,"output_tokens":1}',
        b'{"input_tokens":18,"cache_read_input_tokens":8831,"output_tokens":9}',
    ).reading
    assert moved is not None
    assert ({"input": 18, "cache_read": 8831, "output": 9}, ()) == (moved.usage, moved.flags)
    late = stream_of(b'{"input_tokens":0,"output_tokens":0}', b'{"input_tokens":7,"output_tokens":2}', OUTPUT_ALONE)
    assert late.reading is not None
    assert late.reading.usage == {"input": 7, "output": 9}


OUTPUT_ALONE = b'{"output_tokens":9}'


def test_a_usage_before_the_text() -> None:
    """An output that was told before the text is not the answer's, though the answer came to its end."""
    reading = metered(START, RUNNING % 1, TEXT, FINISH, STOP).reading
    assert reading is not None
    assert ({"input": 25, "cache_read": 5, "output": 2}, ("output_streamed",)) == (reading.usage, reading.flags)


def test_what_a_stream_says_beside_its_counts() -> None:
    """CASES 8, 15 and 62: the speed that was served, where, at what cost, and what is billed beside, also when late."""
    compaction = b'"iterations":[{"type":"compaction","input_tokens":7,"output_tokens":3}]'
    start = b'{"input_tokens":%d,"output_tokens":1,"inference_geo":"us","speed":"standard","service_tier":null}'
    end = b'{"output_tokens":9,"cost":0.5,%s}' % compaction
    meter = stream_of(start % 15, end)
    assert meter.reading is not None
    assert ("standard", Decimal("0.5"), "us") == (meter.tier_served, meter.reported_cost, meter.reading.geo)
    assert meter.reading.iterations == (Iteration(kind="compaction", model="", usage={"input": 7, "output": 3}),)
    unknown = stream_of(start % 0, end)
    assert (None, "standard", Decimal("0.5")) == (unknown.reading, unknown.tier_served, unknown.reported_cost)
    assert metered().tier_served == ""


def test_a_refusal_before_any_output() -> None:
    """CASES 64: it says so in its finish, and nothing was said: what a settlement must know of it."""
    usage = b'{"input_tokens":106,"output_tokens":1}'
    reply = read_reply(b'{"content":[],"stop_reason":"refusal","usage":%s}' % usage)
    assert reply is not None
    assert ("refusal", 0) == (reply.finish, reply.output_estimate)
    meter = metered(
        b'{"type":"message_start","message":{"content":[],"usage":%s}}' % usage,
        b'{"type":"message_delta","delta":{"stop_reason":"refusal"},"usage":{"output_tokens":1}}',
    )
    assert ("refusal", 0) == (meter.finish, meter.output_estimate)


def test_an_output_without_an_input_is_a_floor() -> None:
    """It is no usage of an answer, but thinking that is not shown has no bytes: the estimate is not below it."""
    assert (None, 15) == (metered(ZEROS, TEXT, OUTPUT).reading, metered(ZEROS, TEXT, OUTPUT).output_estimate)
    assert 2 == metered(ZEROS, TEXT, RUNNING % 1).output_estimate
    assert 2 == metered(ZEROS, TEXT, RUNNING % -1).output_estimate


@pytest.mark.parametrize("word", [b"2000000000000000000", b'"%s"' % (b"9" * 70), b"9" * 400, b"true", b"-7", b"[7]"])
def test_a_word_that_is_no_count_is_no_floor(word: bytes) -> None:
    """A count beyond the bound killed the settlement, so that its hold never ended: it is none, wherever it stands."""
    told = b'{"type":"message_delta","delta":{},"usage":{"output_tokens":%s}}' % word
    assert (None, 2) == (metered(ZEROS, TEXT, told).reading, metered(ZEROS, TEXT, told).output_estimate)
    end = b'{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":%s}}' % word
    reading = metered(START, TEXT, end).reading
    assert reading is not None
    assert max(reading.usage.values()) < 100


def test_a_floor_is_no_more_than_was_asked_for() -> None:
    """A word without the usage of an answer billed 15,000,000 USD: no model makes more than its request lets it."""
    request = read(b',"max_tokens":50,"stream":true')
    meter = ANTHROPIC_MESSAGES.meter(request, True)
    for data in (ZEROS, TEXT, b'{"type":"message_delta","delta":{},"usage":{"output_tokens":1000000000000}}'):
        meter.feed(event(data))
    assert (None, 50) == (meter.reading, meter.output_estimate)


def test_an_impossible_usage_is_flagged() -> None:
    """It keeps the hold as the charge, so it must be told from an absent one."""
    start = b'{"type":"message_start","message":{"usage":{"input_tokens":-1,"output_tokens":1}}}'
    flagged = Reading(dialect="anthropic_messages", usage={}, flags=("impossible_total",))
    assert flagged == metered(start, TEXT).reading
    assert flagged == metered(start, TEXT, OUTPUT).reading


@pytest.mark.parametrize(
    ("events", "complete", "whole"),
    [
        ((), False, False),
        ((START, TEXT), False, False),
        ((START, FINISH), True, False),
        ((START, RUNNING % 9, FINISH), True, False),
        ((START, END), True, True),
        ((START, STOP), True, False),
    ],
)
def test_when_an_answer_is_whole(events: Sequence[bytes], *, complete: bool, whole: bool) -> None:
    """It came to its end with why it stopped; it may be cut there at no loss where its usage came too."""
    meter = metered(*events)
    assert (complete, whole) == (meter.complete, meter.whole)


def test_what_was_streamed_is_estimated() -> None:
    """Text, thinking and what tools are asked are output, in a delta or in a block's start; signatures are not."""
    meter = metered(
        b'{"type":"content_block_start","content_block":{"type":"thinking","thinking":"1234","signature":""}}',
        b'{"type":"content_block_delta","delta":{"type":"thinking_delta","thinking":"1234"}}',
        b'{"type":"content_block_delta","delta":{"type":"signature_delta","signature":"c2lnbmF0dXJl"}}',
        b'{"type":"content_block_start","content_block":{"type":"tool_use","name":"f","input":{}}}',
        b'{"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":"1234"}}',
        b'{"type":"content_block_start","content_block":{"type":"text","text":"1234"}}',
    )
    assert meter.output_estimate == 4


@pytest.mark.parametrize(
    ("block", "estimate"),
    [
        (b'{"type":"redacted_thinking","data":"12345678"}', 2),
        (b'{"type":"compaction","content":"12345678"}', 2),
        (b'{"type":"compaction","content":null}', 0),
        (b'{"type":"thinking","thinking":"","signature":"c2lnbmF0dXJl"}', 1),
        (b'{"type":"thinking","thinking":"12345678","signature":"c2lnbmF0dXJl"}', 2),
        (b'{"type":"thinking","thinking":"","signature":""}', 0),
        (b'{"type":"web_search_tool_result","content":[{"title":"12345678"}]}', 0),
    ],
)
def test_a_block_that_shows_no_text_was_made_too(block: bytes, estimate: int) -> None:
    """CASES 64: a refusal after it is not one before any output."""
    reply = read_reply(b'{"content":[%s],"stop_reason":"refusal"}' % block)
    assert reply is not None
    assert estimate == reply.output_estimate
    assert estimate == metered(b'{"type":"content_block_start","content_block":%s}' % block).output_estimate
    if b'"type":"compaction"' in block:
        delta = block.replace(b"compaction", b"compaction_delta")
        assert estimate == metered(b'{"type":"content_block_delta","delta":%s}' % delta).output_estimate


@pytest.mark.parametrize(("model", "flags"), [(b"claude-opus-5", ()), (b"deepseek-v4", ("tools_apart",)), (b"", ())])
def test_who_charges_for_a_page_that_was_fetched(model: bytes, flags: tuple[str, ...]) -> None:
    """DeepSeek does since 2026-11-01, Anthropic does not: of another model's the fee is not known."""
    usage = b'{"input_tokens":9,"output_tokens":1,"server_tool_use":{"web_fetch_requests":2}}'
    reply = read_reply(b'{"model":"%s","content":[],"usage":%s}' % (model, usage))
    assert reply is not None
    assert reply.reading is not None
    assert flags == reply.reading.flags
    meter = metered(
        b'{"type":"message_start","message":{"model":"%s","usage":{"input_tokens":9,"output_tokens":1}}}' % model,
        b'{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":%s}' % usage,
    )
    assert meter.reading == reply.reading


@pytest.mark.parametrize("data", [None, b"", b" "])
def test_keep_alives_are_no_data(data: bytes | None) -> None:
    """A comment or empty data neither begins an answer nor breaks it."""
    meter = StreamMeter()
    assert Passed(kind="comment") == meter.feed(Event(raw=b": x\n\n", data=data, name=""))
    assert meter.feed(event(TEXT)).first


@pytest.mark.parametrize(
    "data", [b"{", b"hi", b'"text"', b"[1]", b'{"type":"\xff"}', b'{"type":1,"x":}', b'{"type":1,"x":' + b"[" * 99_999]
)
def test_malformed_data_is_seen(data: bytes) -> None:
    """CASES 21: what is no JSON object is an error that the client can see, and begins nothing."""
    meter = StreamMeter()
    assert Passed(kind="malformed") == meter.feed(event(data))
    assert meter.feed(event(TEXT)).first


@pytest.mark.parametrize(
    ("data", "name", "word"),
    [
        (b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', "error", "server_error"),
        (b'{"type":"error","error":{"type":"rate_limit_error","message":"x"}}', "", "rate_limited"),
        (b'{"type":"error","error":{"type":"billing_error","message":"x"}}', "error", "insufficient_quota"),
        (b'{"error":{"code":429,"message":"x"}}', "", "rate_limited"),
        (b'{"message":"x"}', "error", "server_error"),
    ],
)
def test_an_error_inside_a_stream_is_an_error(data: bytes, name: str, word: str) -> None:
    """Claude docs, "Errors": one may come after a 200. It begins nothing, so another candidate can answer."""
    meter = StreamMeter()
    passed = meter.feed(event(data, name))
    assert ("error", word, False) == (passed.kind, passed.error, passed.first)
    assert meter.feed(event(TEXT)).first


def test_an_event_may_be_named_outside_its_data() -> None:
    """The kind is in the data; where a server leaves it out there, the name of the event says it."""
    meter = StreamMeter()
    assert meter.feed(event(b"{}", "ping")).kind == "comment"
    assert Passed(kind="done", first=True) == meter.feed(event(b"{}", "message_stop"))


def test_events_of_an_unknown_kind_or_shape_pass() -> None:
    """Claude docs, "Streaming messages": new kinds of events may come. Usage is read of what can be."""
    meter = StreamMeter()
    start = b'{"type":"message_start","message":{"model":7,"usage":{"input_tokens":25,"output_tokens":1}},"delta":"x"}'
    assert Passed(kind="data", first=True) == meter.feed(event(b'{"type":"weather","delta":"rain"}'))
    assert Passed(kind="data") == meter.feed(event(start))
    assert Passed(kind="data") == meter.feed(event(b'{"type":"later","message":"hi"}'))
    assert Passed(kind="data") == meter.feed(event(b'{"type":7,"delta":7}'))
    assert Passed(kind="data") == meter.feed(event(b'{"delta":7,"type":"\xff"}'))
    assert usage_of(meter) == {"input": 25, "output": 1}
    assert meter.feed(event(b'{"type":"error","delta":7,"error":{"type":"api_error"}}')).kind == "error"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "billing_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (429, "rate_limit_error"),
        (422, "invalid_request_error"),
        (501, "api_error"),
        (504, "timeout_error"),
        (529, "overloaded_error"),
    ],
)
def test_our_errors_have_the_dialects_shape(status: int, kind: str) -> None:
    """Claude docs, "Errors": the type goes with the status, other 4xx are wrong requests; an SDK shows `request_id`."""
    error: dict[str, object] = {"type": kind, "message": "no\nmoney", "code": "c"}
    sent = anthropic_messages.error_body(status=status, code="c", message="no\nmoney", call_id="tf_1")
    assert {"type": "error", "error": error, "request_id": "tf_1"} == json.loads(sent)
    ended = anthropic_messages.error_event(status=status, code="c", message="no\nmoney")
    (found,) = split(ended, len(ended))
    assert found.name == "error"
    assert {"type": "error", "error": error, "request_id": None} == json.loads(found.data or b"")


def test_the_code_of_a_lost_thread_stands_in_the_details() -> None:
    """There Anthropic's library looks for it, and sends the conversation anew (anthropic 2.14.0)."""
    for status, code in ((404, "thread_not_found"), (400, "thread_unsupported_request")):
        sent = json.loads(anthropic_messages.error_body(status=status, code=code, message="m"))
        assert {"error_code": code} == sent["error"]["details"]


def test_models_are_listed() -> None:
    """Claude API reference, "List Models": names, and the first and the last of them to go on from."""
    listed = json.loads(anthropic_messages.models_body(["a", "b"]))
    assert listed["data"][1] == json.loads(anthropic_messages.model_body("b"))
    assert ["a", "b"] == [model["id"] for model in listed["data"]]
    assert {"type": "model", "display_name": "b", "created_at": "1970-01-01T00:00:00Z"}.items() <= listed["data"][
        1
    ].items()
    assert (listed["first_id"], listed["last_id"], listed["has_more"]) == ("a", "b", False)
    empty: dict[str, object] = {"data": [], "has_more": False, "first_id": None, "last_id": None}
    assert empty == json.loads(anthropic_messages.models_body([]))


def test_the_usage_of_a_start_is_not_that_of_the_end() -> None:
    """What the upstream searched for became input in between: only the end knows it."""
    start, *_ = split(golden("anthropic_messages", "web-search.sse").data, 1 << 16)
    meter = StreamMeter()
    meter.feed(start)
    assert usage_of(meter) == {"input": 2679, "output": 3}
