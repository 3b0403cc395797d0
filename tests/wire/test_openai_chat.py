"""Chat completions: what is asked, what is answered, and what passes."""

import base64
import json
from decimal import Decimal

import pytest
from goldens import Golden, goldens
from hypothesis import given
from hypothesis import strategies as st

from tokens_forge.core.errors import RequestError
from tokens_forge.core.usage import Reading
from tokens_forge.wire import openai_chat
from tokens_forge.wire.estimate import estimate_tokens
from tokens_forge.wire.openai_chat import StreamMeter, read_reply, read_request, upstream_fields
from tokens_forge.wire.reply import Passed, Reply
from tokens_forge.wire.request import Request, encoded
from tokens_forge.wire.sse import Event, Splitter, data_event

HELLO = b'[{"role":"user","content":"hi"}]'


def body(rest: bytes = b"", *, messages: bytes = HELLO) -> bytes:
    """Build a request for model m."""
    return b'{"model":"m","messages":%s%s}' % (messages, rest)


def read(rest: bytes = b"", *, messages: bytes = HELLO) -> Request:
    return read_request(body(rest, messages=messages), output_bound=4096, inline_tokens=1000)


def event(data: bytes, name: str = "") -> Event:
    return Event(raw=data_event(data), data=data, name=name)


def sent_for(request: Request, *, model: str, inject_usage: bool) -> bytes:
    return b"".join(encoded(upstream_fields(request, model=model, inject_usage=inject_usage)))


def metered(*chunks: bytes, include_usage: bool = True, choices: int = 1, asked: bool = True) -> StreamMeter:
    """Feed `chunks` to a meter."""
    meter = StreamMeter(include_usage=include_usage, choices=choices, metered=asked)
    for chunk in chunks:
        meter.feed(event(chunk))
    return meter


def test_a_request_is_read() -> None:
    """What routing needs is taken from the body; the rest stays as it is."""
    request = read(
        b',"stream":true,"stream_options":{"include_usage":true},"service_tier":"flex","max_tokens":10,"n":3',
        messages=b'[{"role":"system","content":"s"}, {"role":"user","content":"u"},{"role":"user","content":"v"}]',
    )
    assert request.model == "m"
    assert request.stream
    assert request.include_usage
    assert request.tier_asked == "flex"
    assert request.output_bound == 30
    assert request.turn == 3
    assert request.opening == b'{"role":"system","content":"s"}\n{"role":"user","content":"u"}'


def test_a_bare_request_takes_the_defaults() -> None:
    """CASES 31: without a maximum the configured bound stands in; null is as good as absent."""
    request = read(b',"stream":null,"stream_options":null,"service_tier":null,"max_tokens":null,"n":null')
    assert not request.stream
    assert not request.include_usage
    assert request.tier_asked == ""
    assert request.output_bound == 4096


@pytest.mark.parametrize(
    ("rest", "bound"),
    [
        (b',"max_tokens":10', 10),
        (b',"max_completion_tokens":20', 20),
        (b',"max_tokens":10,"max_completion_tokens":20', 20),
        (b',"max_tokens":20,"max_completion_tokens":1', 20),
        (b',"max_tokens":10,"n":2', 20),
        (b',"n":2', 8192),
    ],
)
def test_the_output_bound_is_for_all_choices(rest: bytes, bound: int) -> None:
    """Of `max_completion_tokens` and the older `max_tokens` the larger: nobody knows which one is heeded."""
    assert bound == read(rest).output_bound


@pytest.mark.parametrize(
    ("rest", "messages", "needs"),
    [
        (b"", HELLO, ()),
        (b',"tools":[{"type":"function","function":{"name":"f"}}]', HELLO, ("tools",)),
        (b',"functions":[{"name":"f"}]', HELLO, ("tools",)),
        (b',"tools":[ ],"functions":null,"audio":null', HELLO, ()),
        (b',"response_format":{"type" : "json_schema","json_schema":{"name":"s"}}', HELLO, ("json_schema",)),
        (b',"response_format":{"type":"json_object"}', HELLO, ()),
        (b',"modalities":["text","audio"],"audio":{"voice":"alloy"}', HELLO, ("audio",)),
        (b"", b'[{"role":"user","content":[{"type": "image_url","image_url":{"url":"u"}}]}]', ("vision",)),
        (b"", b'[{"role":"user","content":[{"type":"input_audio"},{"type":"file"}]}]', ("audio", "files")),
        # A prompt that speaks of parts has its quotes escaped: it is none.
        (b"", json.dumps([{"role": "user", "content": '{"type":"image_url"}'}]).encode(), ()),
    ],
)
def test_what_a_request_asks_for_beyond_text(rest: bytes, messages: bytes, needs: tuple[str, ...]) -> None:
    """OpenAI API reference, "Create chat completion": tools, parts of a message, response_format, audio."""
    assert needs == read(rest, messages=messages).needs


def test_an_opening_without_a_user_is_all_messages() -> None:
    """Every request has an opening, also one that only a system speaks in, or nobody."""
    assert read(messages=b'[{"role":"system"},{}]').opening == b'{"role":"system"}\n{}'
    assert read(messages=b"[]").opening == b""


def test_a_long_message_is_not_kept_twice() -> None:
    """An opening tells conversations apart, also by a large image, and holds no second copy of it."""
    images = [b'[{"role":"user","content":"%s"}]' % (b"x" * 2_000_000 + end) for end in (b"a", b"a", b"b")]
    first, same, other = (read(messages=image).opening for image in images)
    assert first == same
    assert first != other
    assert len(first) < 100


@pytest.mark.parametrize(
    ("sent", "code", "message"),
    [
        (b"", "invalid_json", "the body is not JSON: Input data was truncated"),
        (b"{", "invalid_json", "the body is not JSON: Input data was truncated"),
        (b'{"model":"\xff"}', "invalid_json", "the body is not JSON: 'utf-8' codec can't decode byte 0xff"),
        (b'{"model":' + b"[" * 99_999, "invalid_json", "the body is not JSON: maximum recursion depth"),
        (b"[]", "invalid_request", "the body is no JSON object: write one with `model`"),
        (b'{"model":"m"}', "invalid_request", "`messages`: it is missing: write the list of messages"),
        (b'{"model":"m","messages":"hi"}', "invalid_request", '`messages`: `"hi"` is not a list of messages'),
        (
            b'{"model":"m","messages":"%s"}' % (b"x" * 99),
            "invalid_request",
            "`messages`: what was sent is not a list of messages",
        ),
        (b'{"messages":[]}', "invalid_request", "`model`: it is missing: write the model's name"),
        (b'{"messages":[],"model":""}', "invalid_request", "`model`: it is missing: write the model's name"),
        (b'{"messages":[],"model":7}', "invalid_request", "`model`: `7` is not a model's name"),
        (body(messages=b"[1]"), "invalid_request", "`messages[0]`: it is not an object with a `role`"),
        (
            body(messages=b'[{"role":"system"},{"role":1}]'),
            "invalid_request",
            "`messages[1]`: it is not an object with a `role`",
        ),
        (body(b',"stream":"yes"'), "invalid_request", '`stream`: `"yes"` is not true or false'),
        (body(b',"max_tokens":-2'), "invalid_request", "`max_tokens`: `-2` is not a whole number from 1 to 2147483647"),
        (body(b',"max_completion_tokens":1.5'), "invalid_request", "`max_completion_tokens`: `1.5` is not a whole"),
        (body(b',"n":129'), "invalid_request", "`n`: `129` is not a whole number from 1 to 128"),
        (body(b',"n":-1'), "invalid_request", "`n`: `-1` is not a whole number from 1 to 128"),
        (body(b',"service_tier":[]'), "invalid_request", "`service_tier`: `[]` is not a tier's name"),
        (body(b',"stream_options":[]'), "invalid_request", "`stream_options`: `[]` is not an object with"),
        (
            body(b',"stream_options":{"include_usage":1}'),
            "invalid_request",
            '`stream_options`: `{"include_usage":1}` is not an object with `include_usage`',
        ),
    ],
    ids=str,
)
def test_a_wrong_request_is_refused_by_name(sent: bytes, code: str, message: str) -> None:
    """A 400 names the member, the value seen and what belongs there; a long value is not repeated."""
    with pytest.raises(RequestError) as raised:
        read_request(sent, output_bound=4096, inline_tokens=1000)
    assert (400, code) == (raised.value.status, raised.value.code)
    assert raised.value.message.startswith(message)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [(b"", 0), (b"a", 1), (b"abcd", 1), (b"abcde", 2), ("你好".encode(), 3), ("ab你".encode(), 2)],
)
def test_tokens_are_estimated_from_bytes(text: bytes, tokens: int) -> None:
    """A quarter of a token for an ASCII byte, half a token for any other, rounded up once."""
    assert tokens == estimate_tokens(text)


def test_all_that_is_billed_as_input_is_estimated() -> None:
    """Tools, functions and a response format are input as messages are; other members are not."""
    counted = b',"tools":[1,2,3,4],"functions":[5,6],"response_format":{"a":1}'
    quarters = len(HELLO) + len(b"[1,2,3,4]") + len(b"[5,6]") + len(b'{"a":1}')
    assert -(-quarters // 4) == read(counted + b',"user":"0123456789"').input_estimate


@pytest.mark.parametrize(
    "part",
    [
        b'{"type":"image_url","image_url":{"url":"data:image/png;base64,%s"}}',
        b'{"type":"image_url","image_url":{"url":"data:image\\/png;base64,%s"}}',
        b'{"type":"input_audio","input_audio":{"data": "%s","format":"wav"}}',
        b'{"type":"file","file":{"file_data":"data:application/pdf;base64,%s"}}',
        b'{"type":"file","file":{"file_data":"%s"}}',
    ],
)
def test_base64_counts_a_fixed_figure(part: bytes) -> None:
    """A picture's bytes say nothing about its tokens: each inline part counts 1,000."""
    data = base64.b64encode(bytes(range(256)) * 40)
    message = b'[{"role":"user","content":[%s,%s]}]'
    small, large = (
        read(messages=message % (part % some, part % some)).input_estimate for some in (data[:80], data[:8_000])
    )
    assert small == large
    assert 2_000 < small < 2_100


@pytest.mark.parametrize(
    ("usage", "hidden"), [("{}", True), ('{"total_tokens":1}', True), ("null", False), ("", False)]
)
def test_a_chunk_of_usage_alone_is_hidden(usage: str, hidden: bool) -> None:
    """CASES 16: also an empty one, as clients read the choices of every chunk; one that says other things passes."""
    member = f',"usage":{usage}' if usage else ""
    meter = StreamMeter(include_usage=False)
    assert hidden == meter.feed(Event(raw=b"", name="", data=f'{{"choices":[]{member}}}'.encode())).hidden


def test_a_text_that_reads_like_a_picture_is_billed_as_text() -> None:
    """A prompt may begin as a data URL does: what it costs is its bytes, wherever it stands."""
    text = b"data:;base64," + b"word/" * 1000
    for messages in (
        b'[{"role":"user","content":"%s"}]' % text,
        b'[{"role":"user","content":[{"type":"text","text":"%s"}]}]' % text,
    ):
        assert read(messages=messages).input_estimate > 1250


@pytest.mark.parametrize("name", ["gpt\\u0000", "gpt\\u202e", "x" * 201])
def test_a_name_that_no_model_has(name: str) -> None:
    """What is looked up, matched, sent and written down is one name: nothing invisible in it, and not cut."""
    sent = b'{"model":"%s","messages":[]}' % name.encode()
    with pytest.raises(RequestError, match="`model`: a model's name has at most 200 characters"):
        read_request(sent, output_bound=1, inline_tokens=1)


def test_what_only_looks_like_base64_counts_by_its_bytes() -> None:
    """A short value, or a text about data URLs, is text."""
    assert read(messages=b'[{"role":"user","data":"abc"}]').input_estimate == 8
    text = b"data:image/png;base64, is how it begins" + b" x" * 100
    assert read(messages=b'[{"role":"user","content":"%s"}]' % text).input_estimate == -(-(31 + len(text)) // 4)


def test_only_the_model_changes() -> None:
    """Every other value goes upstream byte for byte: escapes, spaces, digits beyond a float, unknown members."""
    rest = rb',"seed":12345678901234567890.000,"x":{"a" : "\u00e9\/", "a":1},"stream":false,"stream_options":null'
    request = read(rest)
    sent = sent_for(request, model='n"\u00e9', inject_usage=True)
    assert '{"model":"n\\"é","messages":'.encode() + HELLO + rest + b"}" == sent


def test_a_large_request_is_sent_in_parts() -> None:
    """Of a large one no value is copied, and what is sent is what a small one of its kind would be."""
    text = "ä" * 1_000_000
    sent = body(b',"user":"u"', messages=json.dumps([{"role": "user", "content": text}], ensure_ascii=False).encode())
    request = read_request(sent, output_bound=1, inline_tokens=1)
    parts = encoded(upstream_fields(request, model="m", inject_usage=False))
    assert len(parts) > 1
    assert sent == b"".join(parts)


def test_of_a_member_given_twice_the_last_is_read_and_sent() -> None:
    """What was priced is what is sent: a body can't say one model to us and another to the upstream."""
    request = read(b',"model":"other","max_tokens":1,"max_tokens":2')
    assert (request.model, request.output_bound) == ("other", 2)
    sent = sent_for(request, model="other", inject_usage=False)
    assert b'{"model":"other","messages":' + HELLO + b',"max_tokens":2}' == sent


@pytest.mark.parametrize(
    ("options", "inject", "sent"),
    [
        (b"", True, b',"stream_options":{"include_usage":true}'),
        (b"", False, b""),
        (b',"stream_options":null', True, b',"stream_options":{"include_usage":true}'),
        (b',"stream_options":null', False, b',"stream_options":null'),
        (
            b',"stream_options":{"include_usage":false, "x":1}',
            True,
            b',"stream_options":{"include_usage":true,"x":1}',
        ),
        (b',"stream_options":{"include_usage":true}', False, b',"stream_options":{"include_usage":true}'),
    ],
)
def test_a_stream_is_asked_for_its_usage(options: bytes, inject: bool, sent: bytes) -> None:
    """CASES 16: usage is obtained from every stream; what else stands in `stream_options` stays."""
    request = read(b',"stream":true' + options)
    assert body(b',"stream":true' + sent) == sent_for(request, model="m", inject_usage=inject)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(min_size=1, max_size=4), JSON, max_size=4))
def test_whatever_else_a_request_says_arrives(rest: dict[str, object]) -> None:
    """Members that nobody here knows arrive as they were sent."""
    reserved = {"model", "messages", "stream", "n"}
    sent: dict[str, object] = {name: value for name, value in rest.items() if name not in reserved}
    sent |= {"model": "m", "messages": []}
    request = read_request(json.dumps(sent).encode(), output_bound=1, inline_tokens=1000)
    assert sent | {"model": "x"} == json.loads(sent_for(request, model="x", inject_usage=True))


REPLY = (
    b'{"id":"chatcmpl-1","object":"chat.completion","model":"gpt-5-2026-08-07","service_tier":"flex","choices":'
    b'[{"index":0,"message":{"role":"assistant","content":"12345678","refusal":null,"tool_calls":[{"id":"c","function"'
    b':{"name":"f","arguments":"{}12"}},{"id":"d"}],"function_call":{"arguments":"1234"}},"finish_reason":"stop"},'
    b'{"index":1,"finish_reason":"length"}],"usage":{"prompt_tokens":1200,"completion_tokens":300,"total_tokens":1500,'
    b'"prompt_tokens_details":{"cached_tokens":800},"completion_tokens_details":{"reasoning_tokens":100},'
    b'"cost":0.00095000000000000001}}'
)


def test_a_reply_is_read() -> None:
    """A reply says who answered, how it ended and what it used; a reported cost keeps every digit."""
    assert read_reply(REPLY) == Reply(
        model_served="gpt-5-2026-08-07",
        upstream_id="chatcmpl-1",
        finish="stop",
        tier_served="flex",
        reading=Reading(
            dialect="openai_chat", usage={"input": 400, "output": 300, "cache_read": 800, "reasoning": 100}
        ),
        reported_cost=Decimal("0.00095000000000000001"),
        output_estimate=4,
    )


@pytest.mark.parametrize(
    "sent", [b"", b"<html>", b"[]", b"{}", b'{"error":{"code":1},"choices":[]}', b'{"choices":[', b'{"id":"\xff"}']
)
def test_what_is_no_reply_is_none(sent: bytes) -> None:
    """CASES 20: an error text or an empty body is never taken for an answer."""
    assert read_reply(sent) is None


def test_a_reply_without_usage_has_no_reading() -> None:
    """Unknown is never zero; a reported zero is a fact, for nothing comes after it."""
    bare = read_reply(b'{"choices":[]}')
    zero = read_reply(b'{"choices":[{"message":{}}],"usage":{"prompt_tokens":0,"completion_tokens":0}}')
    assert bare is not None
    assert zero is not None
    assert (None, Reading(dialect="openai_chat", usage={"input": 0, "output": 0})) == (bare.reading, zero.reading)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (b'{"prompt_tokens":9,"completion_tokens":1,"prompt_cache_hit_tokens":4}', {"input": 5, "cache_read": 4}),
        (b'{"prompt_tokens":9,"completion_tokens":1,"cached_tokens":4}', {"input": 5, "cache_read": 4}),
        (
            b'{"prompt_tokens":9,"completion_tokens":1,"cached_tokens":5,"prompt_tokens_details":{"cached_tokens":4}}',
            {"input": 5, "cache_read": 4},
        ),
        (b'{"prompt_tokens":9.0,"completion_tokens":"1","prompt_tokens_details":null}', {"input": 9}),
        (
            b'{"prompt_tokens":9,"completion_tokens":1,"prompt_tokens_details":{"cache_write_tokens":2}}',
            {"input": 7, "cache_write_5m": 2},
        ),
    ],
)
def test_what_providers_call_a_cached_token(usage: bytes, expected: dict[str, int]) -> None:
    """OpenAI, DeepSeek, Moonshot and OpenRouter each have a name for it; a count may come as a float or a text."""
    reply = read_reply(b'{"choices":[],"usage":%s}' % usage)
    assert reply is not None
    assert reply.reading is not None
    assert {"output": 1, **expected} == reply.reading.usage


@pytest.mark.parametrize("usage", [b"7", b"[]", b'{"prompt_tokens_details":7}', b"{}", b"null"])
def test_a_usage_that_is_none_is_no_reading(usage: bytes) -> None:
    """A usage of another shape says nothing; it neither breaks the reply nor counts as zero."""
    reply = read_reply(b'{"choices":[],"usage":%s}' % usage)
    assert reply is not None
    assert reply.reading is None


@pytest.mark.parametrize("count", [b'"many"', b"[]", b"1.5", b"true", b"9" * 9_999, b"1e999", b'"\xff"'], ids=len)
def test_a_count_that_is_no_number_is_flagged(count: bytes) -> None:
    """An impossible total keeps the hold as the charge, so it must be told from an absent one."""
    reply = read_reply(b'{"choices":[],"usage":{"prompt_tokens":%s,"completion_tokens":1}}' % count)
    assert reply is not None
    assert IMPOSSIBLE == reply.reading


@pytest.mark.parametrize("cost", [b'"NaN"', b"-1", b"1e31", b"1e-31", b'"free"', b"null", b"1e999999999"])
def test_a_cost_that_is_no_amount_is_not_reported(cost: bytes) -> None:
    """A figure that can't be money is dropped before arithmetic or a thousand digits meet it."""
    reply = read_reply(b'{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"cost":%s}}' % cost)
    assert reply is not None
    assert reply.reported_cost is None


CHUNK = (
    b'{"id":"c1","model":"gpt-5-2026","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}],'
    b'"usage":null}'
)
FINISH = (
    b'{"id":"c1","model":"gpt-5-2026","service_tier":"flex","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'
)
USAGE = b'{"id":"c1","model":"gpt-5-2026","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2}}'
ZERO = b'{"choices":[{"delta":{"role":"assistant"}}],"usage":{"prompt_tokens":0,"completion_tokens":0}}'
READ = Reading(dialect="openai_chat", usage={"input": 5, "output": 2})


def test_a_stream_is_metered_as_it_passes() -> None:
    """CASES 16: the usage chunk is read, and hidden from a client that did not ask for it."""
    meter = StreamMeter(include_usage=False)
    passed = [meter.feed(event(data)) for data in (CHUNK, CHUNK, FINISH, USAGE, b"[DONE]")]
    assert [
        Passed(kind="data", first=True),
        Passed(kind="data"),
        Passed(kind="data"),
        Passed(kind="data", hidden=True),
        Passed(kind="done"),
    ] == passed
    assert (meter.model_served, meter.upstream_id, meter.finish) == ("gpt-5-2026", "c1", "stop")
    assert (meter.tier_served, meter.reading, meter.output_estimate) == ("flex", READ, 1)
    assert meter.done
    assert meter.complete


def test_a_client_that_asked_gets_the_usage_chunk() -> None:
    """Nothing is hidden from a client that asked."""
    meter = StreamMeter(include_usage=True)
    assert Passed(kind="data", first=True) == meter.feed(event(USAGE))


def test_a_usage_beside_choices_is_never_hidden() -> None:
    """A chunk that also says something passes, whoever asked; its role alone does not begin an answer."""
    meter = StreamMeter(include_usage=False)
    assert Passed(kind="data") == meter.feed(event(ZERO))


SECOND = b'{"choices":[{"index":1,"delta":{"content":"ho"},"finish_reason":null}]}'
SECOND_FINISH = b'{"choices":[{"index":1,"delta":{},"finish_reason":"length"}]}'
BOTH_FINISH = b'{"choices":[{"index":0,"finish_reason":"stop"},{"index":1,"finish_reason":"stop"}]}'
USAGE_SO_FAR = b'{"choices":[{"index":0,"delta":{"content":"hi"}}],"usage":{"prompt_tokens":5,"completion_tokens":1}}'
USAGE_AT_FINISH = (
    b'{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":2}}'
)
# OpenRouter's usage comes with a choice that says nothing more and has no finish reason.
USAGE_WITH_CHOICE = (
    b'{"choices":[{"index":0,"delta":{"content":""},"finish_reason":null}],'
    b'"usage":{"prompt_tokens":5,"completion_tokens":2}}'
)


@pytest.mark.parametrize(
    ("chunks", "choices", "complete", "whole"),
    [
        ((), 1, False, False),
        ((CHUNK,), 1, False, False),
        ((CHUNK, USAGE), 1, False, False),
        ((CHUNK, FINISH), 1, True, False),
        ((CHUNK, FINISH, USAGE), 1, True, True),
        ((CHUNK, FINISH, USAGE_WITH_CHOICE), 1, True, True),
        ((CHUNK, USAGE_AT_FINISH), 1, True, True),
        ((USAGE_SO_FAR, FINISH), 1, True, False),
        ((b'{"choices":[{"delta":{"content":"hi"}}]}', b'{"choices":[{"finish_reason":"stop"}]}'), 1, True, False),
        ((CHUNK, SECOND, FINISH), 2, False, False),
        ((CHUNK, SECOND, FINISH, USAGE), 2, False, False),
        ((CHUNK, SECOND, FINISH, SECOND_FINISH), 2, True, False),
        ((CHUNK, SECOND, FINISH, SECOND_FINISH, USAGE), 2, True, True),
        ((CHUNK, SECOND, FINISH, USAGE, SECOND_FINISH), 2, True, False),
        ((CHUNK, SECOND, BOTH_FINISH, USAGE), 2, True, True),
        ((CHUNK, FINISH, SECOND), 2, False, False),
        # One of the choices that were asked for never began: at a proper end that is the upstream's way, not in a cut.
        ((CHUNK, FINISH, USAGE), 2, True, False),
        ((b"[DONE]",), 1, True, False),
    ],
)
def test_when_an_answer_is_whole(chunks: tuple[bytes, ...], choices: int, *, complete: bool, whole: bool) -> None:
    """At a proper end what began must have finished; in a cut all that was asked for must have, and its usage came."""
    meter = metered(*chunks, choices=choices)
    assert (complete, whole) == (meter.complete, meter.whole)


def test_a_usage_that_nobody_asked_for_is_not_missing() -> None:
    """A stream that was not asked for its usage has said all with its finish reasons."""
    assert not metered(CHUNK, asked=False).whole
    assert metered(CHUNK, FINISH, asked=False).whole


def test_a_usage_that_goes_on_is_not_the_last_word() -> None:
    """A usage is the whole answer's when it comes with the end of the last choice or after it."""
    assert not metered(USAGE_SO_FAR, FINISH).accounted
    assert metered(USAGE_SO_FAR, FINISH, USAGE).accounted


def test_an_empty_stream_begins_with_its_end() -> None:
    """`[DONE]` alone is an answer, if an empty one."""
    meter = StreamMeter(include_usage=False)
    assert not meter.complete
    assert b"data: [DONE]\n\n" == meter.ending
    assert Passed(kind="done", first=True) == meter.feed(event(b"[DONE]"))
    assert meter.reading is None


@pytest.mark.parametrize("data", [None, b"", b" "])
def test_keep_alives_are_no_data(data: bytes | None) -> None:
    """A comment or empty data neither begins an answer nor breaks it."""
    meter = StreamMeter(include_usage=False)
    assert Passed(kind="comment") == meter.feed(Event(raw=b": x\n\n", data=data, name=""))
    assert meter.feed(event(CHUNK)).first


@pytest.mark.parametrize(
    "data", [b"{", b"hi", b'"text"', b"[1]", b'{"id":"\xff"}', b'{"id":1,"x":' + b"[" * 99_999, b'{"id":1,"x":}']
)
def test_malformed_data_is_seen(data: bytes) -> None:
    """CASES 21: what is no JSON object is an error that the client can see, and begins nothing."""
    meter = StreamMeter(include_usage=False)
    assert Passed(kind="malformed") == meter.feed(event(data))
    assert meter.feed(event(CHUNK)).first


@pytest.mark.parametrize(
    ("data", "name", "word"),
    [
        (b'{"error":{"code":429,"message":"x"}}', "", "rate_limited"),
        (b'{"id":"c1","choices":[{"delta":{}}],"error":{"code":502}}', "", "server_error"),
        (b'{"error":"overloaded"}', "", "server_error"),
        (
            b'{"object":"error","code":400,"message":"this model\'s maximum context length is 9"}',
            "",
            "context_too_long",
        ),
        (b'{"message":"x"}', "error", "server_error"),
    ],
)
def test_an_error_inside_a_stream_is_an_error(data: bytes, name: str, word: str) -> None:
    """An upstream may answer 200 and fail in the stream; that begins nothing, so another candidate can answer."""
    meter = StreamMeter(include_usage=False)
    passed = meter.feed(event(data, name))
    assert ("error", word, False) == (passed.kind, passed.error, passed.first)
    assert meter.feed(event(CHUNK)).first


def test_an_empty_error_member_is_no_error() -> None:
    """Some relays write `"error": null` in every chunk."""
    assert [
        "data",
        "data",
    ] == [metered().feed(event(b'{"choices":[],"error":%s}' % nothing)).kind for nothing in (b"null", b'""')]


def test_the_last_usage_counts() -> None:
    """Gemini's endpoint reports in every chunk; the last word is the total, kept also when the stream breaks."""
    first = b'{"choices":[{"delta":{}}],"usage":{"prompt_tokens":5,"completion_tokens":1,"cost":1}}'
    assert READ == metered(first, USAGE, FINISH).reading
    assert metered(first, USAGE).reported_cost is None
    assert READ == metered(USAGE, b'{"choices":[],"usage":null}', b'{"choices":[],"usage":7}').reading


ZERO_READ = Reading(dialect="openai_chat", usage={"input": 0, "output": 0})
IMPOSSIBLE = Reading(dialect="openai_chat", usage={}, flags=("impossible_total",))


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ((ZERO,), None),
        ((ZERO, CHUNK, b"[DONE]"), None),
        ((ZERO, CHUNK, USAGE), READ),
        ((ZERO, b"[DONE]"), ZERO_READ),
        ((FINISH, ZERO), ZERO_READ),
        ((USAGE, ZERO), READ),
        ((USAGE, ZERO, b"[DONE]"), READ),
        (
            (b'{"choices":[],"usage":{"prompt_tokens":-1,"completion_tokens":0}}',),
            Reading(dialect="openai_chat", usage={}, flags=("impossible_total",)),
        ),
    ],
)
def test_a_placeholder_zero_is_no_fact(chunks: tuple[bytes, ...], expected: Reading | None) -> None:
    """CASES 18: a zero in an early event is no fact, a reported zero in the last is."""
    assert expected == metered(*chunks).reading


SMALL = b'{"prompt_tokens":5,"completion_tokens":2}'
PROMPT = b'{"choices":[{"delta":{"content":"12345678"}}],"usage":{"prompt_tokens":39320,"completion_tokens":0}}'
COMPLETION = b'{"choices":[{"delta":{}}],"usage":{"prompt_tokens":0,"completion_tokens":26}}'


def test_a_prompt_in_one_chunk_and_a_completion_in_another() -> None:
    """CASES 61: zeros take nothing back; until the output is counted it is what was streamed, which a cap may lower."""
    cut = metered(PROMPT).reading
    assert cut is not None
    assert ({"input": 39320, "output": 2}, 2) == (cut.usage, cut.guessed)
    whole = metered(PROMPT, COMPLETION, FINISH, ZERO).reading
    assert whole is not None
    assert ({"input": 39320, "output": 26}, 0) == (whole.usage, whole.guessed)
    assert whole.flags == ("contradictory_usage",)
    alone = metered(b'{"choices":[],"usage":{"prompt_tokens":7}}', b'{"choices":[],"usage":{"completion_tokens":3}}')
    assert alone.reading is not None
    assert {"input": 7, "output": 3} == alone.reading.usage


@pytest.mark.parametrize("told", [0, 1])
def test_a_usage_before_the_text(told: int) -> None:
    """A first chunk with the prompt and a token, 500 tokens of text, and no more: the output is what was streamed."""
    early = b'{"choices":[],"usage":{"prompt_tokens":100,"completion_tokens":%d,"total_tokens":%d}}' % (
        told,
        100 + told,
    )
    long = b'{"choices":[{"index":0,"delta":{"content":"%s"}}]}' % (b"word" * 500)
    usage = b'{"prompt_tokens":100,"completion_tokens":%d}' % max(told, 1)
    by_choice = b'{"choices":[{"index":0,"delta":{},"usage":%s}]}' % usage
    for first in (early, by_choice):
        reading = metered(first, long, FINISH, b"[DONE]").reading
        assert reading is not None
        assert ({"input": 100, "output": 500}, ("output_streamed",)) == (reading.usage, reading.flags)
        end = b'{"choices":[],"usage":{"prompt_tokens":100,"completion_tokens":480}}'
        whole = metered(first, long, FINISH, end, b"[DONE]").reading
        assert whole is not None
        assert ({"input": 100, "output": 480}, ()) == (whole.usage, whole.flags)
    zeros = metered(early, long, FINISH, ZERO).reading
    assert zeros is not None
    assert zeros.usage == {"input": 100, "output": 500}


def test_a_usage_of_a_choice_and_one_at_the_top() -> None:
    """What the later one leaves out, or has zeros for, stays (Moonshot, and relays of it)."""
    cached = b'{"prompt_tokens":100,"completion_tokens":2,"cached_tokens":64}'
    choice = b'{"choices":[{"index":0,"delta":{},"finish_reason":"stop","usage":%s}]}' % cached
    top = b'{"choices":[],"usage":%s}'
    for first in (choice, top % cached):
        for last in (cached, b'{"prompt_tokens":100,"completion_tokens":2}', cached.replace(b"64", b"0"), NO_COUNTS):
            reading = metered(first, FINISH, top % last).reading
            assert reading is not None
            assert {"input": 36, "cache_read": 64, "output": 2} == reading.usage


NO_COUNTS = b'{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}'


@pytest.mark.parametrize("rest", [b'"max_tokens":-1', b'"max_tokens":0', b'"max_completion_tokens":0'])
def test_a_maximum_that_is_none(rest: bytes) -> None:
    """CASES 68: clients of local servers ask for no maximum so: the default is held, and the member goes on."""
    request = read_request(body(b"," + rest), output_bound=4096, inline_tokens=1)
    assert (4096, 0) == (request.output_bound, request.output_asked)
    assert rest in sent_for(request, model="m", inject_usage=False)


def test_groqs_usage() -> None:
    """Its older streams have it in `x_groq`; a breakdown by model says that one card can't price it."""
    usage = b'{"prompt_tokens":5,"completion_tokens":2}'
    assert READ == metered(FINISH, b'{"choices":[],"x_groq":{"id":"r","usage":%s}}' % usage).reading
    own = b'{"choices":[],"x_groq":{"usage":{"prompt_tokens":9}},"usage":%s}' % usage
    assert READ == metered(FINISH, own, b'{"choices":[],"x_groq":{"id":"r"}}').reading
    one, other = b'{"model":"a","usage":%s}' % usage, b'{"model":"b","usage":%s}' % usage
    for models, flags in (([], ()), ([one, one], ()), ([one, other], ("models_apart",))):
        broken = b'{"choices":[],"usage":%s,"usage_breakdown":{"models":[%s]}}' % (usage, b",".join(models))
        reply = read_reply(broken)
        assert reply is not None
        assert reply.reading is not None
        assert (READ.usage, flags) == (reply.reading.usage, reply.reading.flags)
    assert read_reply(b'{"choices":[],"usage_breakdown":{}}') == Reply()


def test_a_count_after_the_usage() -> None:
    """A cost may come by itself, and stays with the counts before it; what says nothing is no usage."""
    meter = metered(FINISH, USAGE, b'{"choices":[],"usage":{"cost":0.5}}', b'{"choices":[],"usage":{}}')
    assert (READ, Decimal("0.5"), True) == (meter.reading, meter.reported_cost, meter.accounted)


def test_a_tier_may_be_in_the_usage() -> None:
    """CASES 8 and 63: the chunk's own word goes first."""
    usage = b'{"choices":[],%s"usage":{"prompt_tokens":1,"completion_tokens":1,"service_tier":"flex"}}'
    assert metered(usage % b"").tier_served == "flex"
    assert metered(usage % b'"service_tier":"priority",').tier_served == "priority"
    assert metered().tier_served == ""


def test_a_usage_with_each_choice() -> None:
    """CASES 63: Moonshot tells the usage where a choice finishes: one input, and the output of all."""
    chunk = (
        b'{"choices":[{"index":%d,"delta":{},"finish_reason":"stop","usage":{"prompt_tokens":19,"completion_tokens":%d,'
        b'"total_tokens":99}}]}'
    )
    one = metered(b'{"choices":[{"index":0,"delta":{},"finish_reason":"stop","usage":%s}]}' % SMALL)
    assert ({"input": 5, "output": 2}, True) == (one.reading and one.reading.usage, one.accounted)
    both = StreamMeter(include_usage=True, choices=2)
    both.feed(event(chunk % (0, 21)))
    assert not both.accounted
    both.feed(event(chunk % (1, 9)))
    assert ({"input": 19, "output": 30}, True) == (both.reading and both.reading.usage, both.accounted)
    both.feed(event(b'{"choices":[],"usage":{"prompt_tokens":19,"completion_tokens":28}}'))
    assert {"input": 19, "output": 28} == (both.reading and both.reading.usage)
    assert metered(b'{"choices":[{"index":0,"delta":{},"usage":{}}]}').reading is None


def test_base64_is_no_text() -> None:
    """What a model draws or says has no tokens by its base64, in a part of a content or within a text."""
    drawn = b"A" * 4000
    parts = (
        b'{"choices":[{"message":{"content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,%s"}}]}}]}'
    )
    assert metered(parts % drawn).output_estimate < 30
    text = b'{"choices":[{"delta":{"content":"Here: ![image](data:image/png;base64,%s) and there"}}]}'
    assert metered(text % drawn).output_estimate < 30
    images = b'{"choices":[{"message":{"content":"1234","images":[{"image_url":{"url":"%s"}}],"audio":{"data":"%s"}}}]}'
    assert metered(images % (drawn, drawn)).output_estimate == 1
    assert metered(b'{"choices":[{"delta":{"content":"%s"}}]}' % drawn).output_estimate == 1000


def test_what_was_streamed_is_estimated() -> None:
    """Text, reasoning and tool arguments are output; names, roles and nulls are not."""
    meter = metered(
        b'{"choices":[{"delta":{"role":"assistant","content":"1234","reasoning_content":"1234"}}]}',
        b'{"choices":[{"delta":{"content":null,"reasoning":"1234"}}]}',
        b'{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"1234"}}]}}]}',
        b'{"choices":[{"delta":{"refusal":"1234","content":""}},{"index":1}]}',
        b'{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"f"}}]}}]}',
    )
    assert meter.output_estimate == 5


def test_a_chunk_of_an_unknown_shape_passes() -> None:
    """Members of a kind that nobody knows break no stream; its usage and error are still read."""
    odd = b'{"id":7,"choices":{},"usage":{"prompt_tokens":5,"completion_tokens":2}}'
    meter = StreamMeter(include_usage=False)
    assert Passed(kind="data", first=True) == meter.feed(event(odd))
    assert READ == meter.reading
    assert meter.feed(event(b'{"id":7,"error":{"code":429}}')).kind == "error"


def test_a_complaint_about_stream_options_is_known() -> None:
    """An upstream that does not know how to report a stream's usage says so in a 400."""
    assert openai_chat.names_stream_options(b'{"error":{"message":"Unknown field: stream_options"}}')
    assert openai_chat.names_stream_options(b'{"detail":"include_usage is not permitted"}')
    assert not openai_chat.names_stream_options(b'{"error":{"message":"bad model"}}')


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "insufficient_quota"),
        (404, "not_found_error"),
        (501, "server_error"),
    ],
)
def test_our_errors_have_the_dialects_shape(status: int, kind: str) -> None:
    """An SDK reads `error.code` and `error.message`; the type is the one that goes with the status."""
    expected: dict[str, object] = {"error": {"message": "no\nmoney", "type": kind, "param": None, "code": "c"}}
    sent = openai_chat.error_body(status=status, code="c", message="no\nmoney")
    assert expected == json.loads(sent)
    assert data_event(sent) == openai_chat.error_event(status=status, code="c", message="no\nmoney")


def test_models_are_listed() -> None:
    """``GET /v1/models`` lists names in the dialect's shape."""
    listed = json.loads(openai_chat.models_body(["a", "b"]))
    assert listed["object"] == "list"
    assert ["a", "b"] == [model["id"] for model in listed["data"]]
    assert listed["data"][0] == json.loads(openai_chat.model_body("a"))


@pytest.mark.parametrize("one", goldens("openai_chat"), ids=lambda one: one.name)
def test_a_golden_is_read(one: Golden) -> None:
    """What it says of itself is what was reckoned by hand; whether it broke is seen."""
    if one.streamed:
        meter = StreamMeter(include_usage=True)
        passed = [meter.feed(event) for event in Splitter(1 << 20).feed(one.data)]
        assert one.broken == ("" if meter.complete and meter.accounted else passed[-1].error or "cut")
        said: StreamMeter | Reply | None = meter
    else:
        said = read_reply(one.data)
    assert said is not None
    assert (one.model, one.finish, one.tier) == (said.model_served, said.finish, said.tier_served)
    assert one.usage == (said.reading.usage if said.reading is not None else {})


def test_an_error_of_a_lost_response_names_its_member() -> None:
    """OpenAI's code and member, by which agents know that they must send what came before."""
    sent = json.loads(openai_chat.error_body(status=400, code="previous_response_not_found", message="m"))
    assert ("previous_response_not_found", "previous_response_id") == (sent["error"]["code"], sent["error"]["param"])
