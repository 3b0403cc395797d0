"""Responses: what is asked, what is answered, and what passes."""

import base64
import json
from collections.abc import Iterator
from copy import copy
from itertools import takewhile

import pytest
from openai.types.responses import ResponseFailedEvent

from tests.goldens import Golden, golden, goldens
from tokens_forge.core.errors import RequestError
from tokens_forge.core.usage import Reading
from tokens_forge.wire.openai_chat import StreamMeter as ChatMeter
from tokens_forge.wire.openai_responses import (
    StreamMeter,
    error_event,
    read_compact_reply,
    read_compact_request,
    read_reply,
    read_request,
    upstream_fields,
)
from tokens_forge.wire.reply import Meter, Passed, Reply
from tokens_forge.wire.request import Request, encoded
from tokens_forge.wire.sse import Event, Splitter, data_event

GOLDENS = goldens("openai_responses")
PLAIN = [one for one in GOLDENS if not one.streamed]
STREAMS = [one for one in GOLDENS if one.streamed]
BROKEN = [one for one in STREAMS if one.broken]

HELLO = b'"hi"'
USAGE = b'"usage":{"input_tokens":5,"output_tokens":2}'
READ = Reading(dialect="openai_responses", usage={"input": 5, "output": 2})


def body(rest: bytes = b"", *, given: bytes = HELLO) -> bytes:
    """Build a request for model m with an input."""
    return b'{"model":"m","input":%s%s}' % (given, rest)


def read(rest: bytes = b"", *, given: bytes = HELLO) -> Request:
    return read_request(body(rest, given=given), output_bound=4096, inline_tokens=1000)


def replied(rest: bytes, *, output: bytes = b"[]") -> Reply:
    """Read a completed response."""
    reply = read_reply(b'{"object":"response","status":"completed","output":%s%s}' % (output, rest))
    assert reply is not None
    return reply


def event(data: bytes, name: str = "") -> Event:
    return Event(raw=data_event(data), data=data, name=name)


def metered(*events: bytes) -> StreamMeter:
    """Feed the data of `events` to a meter."""
    meter = StreamMeter()
    for data in events:
        meter.feed(event(data))
    return meter


def parts(data: bytes, size: int) -> Iterator[Event]:
    """Yield the events of a stream that comes in parts of `size` bytes."""
    splitter = Splitter(1 << 20)
    for start in range(0, len(data), size):
        yield from splitter.feed(data[start : start + size])
    yield from splitter.close()


def usage_of(meter: Meter | Reply) -> dict[str, int]:
    return dict(meter.reading.usage) if meter.reading else {}


def cached_flags(one: Golden) -> tuple[str, ...]:
    """Return what is odd about a golden's usage: cache writes have no lifetime of ours there."""
    return ("cache_write_unsplit",) if "cache_write_5m" in one.usage else ()


def test_a_request_is_read() -> None:
    """What routing needs is taken from the body; the rest stays as it is."""
    request = read(
        b',"stream":true,"service_tier":"flex","max_output_tokens":10,"reasoning":{"effort":"low"}',
        given=b'[{"role":"developer","content":"d"}, {"role":"user","content":"u"},{"role":"user","content":"v"}]',
    )
    assert request.model == "m"
    assert request.stream
    assert request.include_usage
    assert request.tier_asked == "flex"
    assert request.output_bound == 10
    assert request.choices == 1
    assert request.turn == 3
    assert request.previous == ""
    assert b'{"effort":"low"}' == bytes(request.fields["reasoning"])


def test_a_bare_request_takes_the_defaults() -> None:
    """CASES 31: without a maximum the configured bound stands in; null is as good as absent."""
    request = read(b',"stream":null,"service_tier":null,"max_output_tokens":null,"background":null,"tools":null')
    assert not request.stream
    assert request.tier_asked == ""
    assert request.output_bound == 4096
    assert request.turn == 1
    assert request.needs == ()


@pytest.mark.parametrize("none", [b"-1", b"0"])
def test_a_maximum_that_is_none(none: bytes) -> None:
    """CASES 68: clients of local servers ask for no maximum so: the default is held, and the member goes on."""
    request = read(b',"max_output_tokens":' + none)
    assert (4096, 0) == (request.output_bound, request.output_asked)
    assert none == bytes(upstream_fields(request, model="m", inject_usage=False)["max_output_tokens"])


@pytest.mark.parametrize("elsewhere", [b'"previous_response_id":"r"', b'"conversation":"c"', b'"prompt":{"id":"p"}'])
def test_an_input_may_be_elsewhere(elsewhere: bytes) -> None:
    """OpenAI API reference: a stored prompt or a conversation may be all that a request names."""
    request = read_request(b'{"model":"m",%s}' % elsewhere, output_bound=1, inline_tokens=1)
    assert (0, 0) == (request.turn, request.input_estimate)


def test_a_response_that_it_goes_on_from_is_named() -> None:
    """`previous_response_id` says which call came before."""
    assert read(b',"previous_response_id":"resp_1"').previous == "resp_1"


@pytest.mark.parametrize(
    ("rest", "given", "needs"),
    [
        (b"", HELLO, ()),
        (b',"tools":[{"type":"function","name":"f"}]', HELLO, ("tools",)),
        (b',"tools":[{"type":"web_search"}]', HELLO, ("tools",)),
        (b',"tools":[ ]', HELLO, ()),
        (b"", b'[{"type":"additional_tools","role":"developer","tools":[]}]', ("tools",)),
        (b',"text":{"format":{"type" : "json_schema","name":"s","schema":{}}}', HELLO, ("json_schema",)),
        (b',"text":{"format":{"type":"json_object"},"verbosity":"low"}', HELLO, ()),
        (b"", b'[{"role":"user","content":[{"type": "input_image","image_url":"u"}]}]', ("vision",)),
        (b"", b'[{"type":"computer_call_output","output":{"type":"computer_screenshot"}}]', ("vision",)),
        (b"", b'[{"type":"function_call_output","output":[{"type":"input_image"}]}]', ("vision",)),
        (b"", b'[{"role":"user","content":[{"type":"input_audio"},{"type":"input_file"}]}]', ("audio", "files")),
        # A prompt that speaks of parts has its quotes escaped: it is none.
        (b"", json.dumps('{"type":"input_image"}').encode(), ()),
    ],
)
def test_what_a_request_asks_for_beyond_text(rest: bytes, given: bytes, needs: tuple[str, ...]) -> None:
    """OpenAI API reference, "Create a model response": tools, parts of an item or of a tool's result, text.format."""
    assert needs == read(rest, given=given).needs


ITEMS = b'[{"role":"developer","content":"d"}, {"type":"reasoning"},{"role":"user","content":"u"},{"role":"user"}]'
UP_TO_USER = b'{"role":"developer","content":"d"}\n{"type":"reasoning"}\n{"role":"user","content":"u"}'


@pytest.mark.parametrize(
    ("rest", "given", "opening"),
    [
        (b"", HELLO, b'"hi"'),
        (b"", ITEMS, UP_TO_USER),
        (b',"instructions":"be brief"', ITEMS, b'"be brief"\n' + UP_TO_USER),
        (b',"prompt_cache_key":"s1","instructions":"i"', HELLO, b'"s1"\n"i"\n"hi"'),
        (b',"prompt_cache_key":null,"instructions":null', HELLO, b'"hi"'),
        (b',"instructions":"i","previous_response_id":"resp_1"', HELLO, b'"resp_1"'),
        (b',"instructions":"i","conversation":{"id":"conv_1"}', HELLO, b'{"id":"conv_1"}'),
        (b"", b'[{"type":"function_call_output"}]', b'{"type":"function_call_output"}'),
        (b"", b"[]", b""),
    ],
)
def test_one_conversation_has_one_opening(rest: bytes, given: bytes, opening: bytes) -> None:
    """It is what stays when the conversation goes on; where the upstream keeps it, that is its name."""
    assert opening == read(rest, given=given).opening


@pytest.mark.parametrize(
    ("sent", "status", "code", "message"),
    [
        (b"{", 400, "invalid_json", "the body is not JSON: Input data was truncated"),
        (b"[]", 400, "invalid_request", "the body is no JSON object: write one with `model`"),
        (b'{"input":"hi"}', 400, "invalid_request", "`model`: it is missing: write the model's name"),
        (b'{"input":"hi","previous_response_id":"r"}', 400, "invalid_request", "`model`: it is missing"),
        (b'{"model":"m"}', 400, "invalid_request", "`input`: it is missing: write a text or a list of items"),
        (b'{"model":"m","prompt":null}', 400, "invalid_request", "`input`: it is missing"),
        (body(given=b"7"), 400, "invalid_request", "`input`: `7` is not a text or a list of items"),
        (body(given=b'["hi"]'), 400, "invalid_request", "`input[0]`: it is no item: write an object with a `type` or"),
        (body(given=b'[{"type":"x"},{"role":1}]'), 400, "invalid_request", "`input[1]`: it is no item"),
        (body(b',"stream":"yes"'), 400, "invalid_request", '`stream`: `"yes"` is not true or false'),
        (body(b',"background":1'), 400, "invalid_request", "`background`: `1` is not true or false"),
        (body(b',"background":true'), 501, "not_metered", "`background`: what runs on without its client can't be"),
        (
            body(b',"max_output_tokens":-2'),
            400,
            "invalid_request",
            "`max_output_tokens`: `-2` is not a whole number from",
        ),
        (body(b',"service_tier":[]'), 400, "invalid_request", "`service_tier`: `[]` is not a tier's name"),
        (body(b',"previous_response_id":3'), 400, "invalid_request", "`previous_response_id`: `3` is not a response's"),
    ],
    ids=str,
)
def test_a_wrong_request_is_refused_by_name(sent: bytes, status: int, code: str, message: str) -> None:
    """A refusal names the member, the value seen and what belongs there."""
    with pytest.raises(RequestError) as raised:
        read_request(sent, output_bound=4096, inline_tokens=1000)
    assert (status, code) == (raised.value.status, raised.value.code)
    assert raised.value.message.startswith(message)


def test_all_that_is_billed_as_input_is_estimated() -> None:
    """Instructions, tools and a schema are input as the items are; other members are not."""
    counted = b',"instructions":"abcd","tools":[1,2,3,4],"text":{"a":1}'
    quarters = len(HELLO) + len(b'"abcd"') + len(b"[1,2,3,4]") + len(b'{"a":1}')
    assert -(-quarters // 4) == read(counted + b',"user":"0123456789"').input_estimate


@pytest.mark.parametrize(
    "part",
    [
        b'{"type":"input_image","image_url":"data:image/png;base64,%s"}',
        b'{"type":"input_audio","input_audio":{"data":"%s","format":"wav"}}',
        b'{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,%s"}',
    ],
)
def test_base64_counts_a_fixed_figure(part: bytes) -> None:
    """A picture's bytes say nothing about its tokens: each inline part counts 1,000."""
    data = base64.b64encode(bytes(range(256)) * 40)
    items = b'[{"role":"user","content":[%s]}]'
    small, large = (read(given=items % (part % some)).input_estimate for some in (data[:80], data[:8_000]))
    assert small == large
    assert 1_000 < small < 1_050


def test_only_the_model_changes() -> None:
    """Every other value goes upstream byte for byte: escapes, spaces, digits beyond a float, unknown members."""
    rest = rb',"top_p":0.12345678901234567890,"x":{"a" : "\u00e9\/", "a":1},"stream":true,"stream_options":null'
    request = read(rest)
    sent = b"".join(encoded(upstream_fields(request, model='n"\u00e9', inject_usage=True)))
    assert '{"model":"n\\"é","input":'.encode() + HELLO + rest + b"}" == sent


def test_a_compaction_is_asked_for() -> None:
    """openai/codex sends the members of a response, and reads one piece."""
    sent = body(b',"instructions":"i","tools":[{"type":"custom","name":"p"}],"prompt_cache_key":"s"', given=ITEMS)
    request = read_compact_request(sent, output_bound=4096, inline_tokens=1000)
    assert (4, ("tools",), False) == (request.turn, request.needs, request.stream)
    with pytest.raises(RequestError, match="`stream`: a compaction comes in one piece"):
        read_compact_request(body(b',"stream":true'), output_bound=4096, inline_tokens=1000)


def test_a_compaction_is_read() -> None:
    """Its usage is what the pass cost; of its items only the compaction was made, the rest is what the user said."""
    items = (
        b'[{"type":"message","role":"user","content":[{"type":"input_text","text":"%s"}]},'
        b'{"type":"compaction","id":"cmp_1","encrypted_content":"12345678"}]' % (b"x" * 400)
    )
    sent = b'{"id":"resp_1","object":"response.compaction","created_at":1,"output":%s,%s}' % (items, USAGE)
    assert Reply(upstream_id="resp_1", reading=READ, output_estimate=2) == read_compact_reply(sent)
    assert read_compact_reply(b'{"error":{"message":"no"}}') is None


@pytest.mark.parametrize("one", PLAIN, ids=lambda one: one.name)
def test_a_golden_reply_is_read(one: Golden) -> None:
    """Each reply says by hand what is read of it."""
    reply = read_reply(one.data)
    assert reply is not None
    assert one.usage == usage_of(reply)
    assert (one.model, one.finish, one.tier) == (reply.model_served, reply.finish, reply.tier_served)
    assert reply.upstream_id.startswith("resp_")
    assert reply.reading is not None
    assert cached_flags(one) == reply.reading.flags


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 16, 100, 1 << 20])
@pytest.mark.parametrize("one", STREAMS, ids=lambda one: one.name)
def test_a_golden_stream_is_metered(one: Golden, size: int) -> None:
    """Each stream says by hand what is metered of it, however its bytes come."""
    meter = StreamMeter()
    passed = [meter.feed(found) for found in parts(one.data, size)]
    assert one.usage == usage_of(meter)
    assert (one.model, one.finish, one.tier) == (meter.model_served, meter.finish, meter.tier_served)
    errors = [found.error for found in passed if found.kind == "error"]
    assert ([one.broken] if one.broken not in {"", "cut"} else []) == errors
    whole = not one.broken
    assert (whole, whole, whole) == (meter.done, meter.complete, meter.whole)
    assert meter.accounted == bool(one.usage)
    assert sum(found.first for found in passed) == (one.name != "failed-quota.sse")


@pytest.mark.parametrize("one", STREAMS, ids=lambda one: one.name)
def test_an_answer_in_pieces_says_what_it_says_in_one(one: Golden) -> None:
    """What is streamed is estimated once, though each event of a whole text or item repeats its pieces."""
    said = one.text + one.thinking + "".join(arguments for _, arguments in one.tools)
    meter = StreamMeter()
    for found in parts(one.data, 1 << 20):
        meter.feed(found)
    assert len(said.encode()) // 4 <= meter.output_estimate <= len(said.encode()) // 3 + 5


@pytest.mark.parametrize("one", STREAMS, ids=lambda one: one.name)
def test_a_stream_that_is_cut_has_no_end(one: Golden) -> None:
    """A cut at any byte before the end of the terminal event leaves an answer that is incomplete, with no usage."""
    meter = StreamMeter()
    for found in takewhile(lambda _: not meter.done, parts(one.data, 1 << 20)):
        for at in range(len(found.raw)):
            splitter = Splitter(1 << 20)
            cut = copy(meter)
            for partial in (*splitter.feed(found.raw[:at]), *splitter.close()):
                cut.feed(partial)
            complete = found.raw[at:].isspace()
            assert complete or not (cut.complete or cut.whole or cut.accounted)
        meter.feed(found)


@pytest.mark.parametrize("one", BROKEN, ids=lambda one: one.name)
def test_a_broken_stream_is_ended_by_a_failed_response(one: Golden) -> None:
    """What a client gets is a response that failed, in the strict types of its SDK, under the id that it knows."""
    meter = StreamMeter()
    passed = [meter.feed(found) for found in parts(one.data, 1 << 20)]
    sent = error_event(status=502, code="stream_error", message="no\nmore", said=meter)
    head, _, data = sent.partition(b"\n")
    assert head == b"event: response.failed"
    failed = ResponseFailedEvent.model_validate_json(data.removeprefix(b"data: "), strict=True)
    assert (meter.upstream_id, one.model, "failed") == (
        failed.response.id,
        failed.response.model,
        failed.response.status,
    )
    assert failed.response.error is not None
    assert ("server_error", "no\nmore", "stream_error") == (
        failed.response.error.code,
        failed.response.error.message,
        failed.response.error.type,
    )
    assert len(passed) == failed.sequence_number


def test_an_error_needs_no_stream_before_it() -> None:
    """Of a stream that said nothing, or in another dialect, the event is one too, and read as a failure."""
    for said in (None, ChatMeter(include_usage=True)):
        found = next(parts(error_event(status=502, code="reset", message="m", said=said), 1 << 20))
        assert Passed(kind="error", error="server_error") == StreamMeter().feed(found)


CREATED = b'{"type":"response.created","response":{"id":"r1","model":"gpt","service_tier":"auto","usage":null}}'
DELTA = b'{"type":"response.output_text.delta","delta":"1234"}'
COMPLETED = b'{"type":"response.completed","response":{"status":"completed","service_tier":"flex",%s}}' % USAGE


def test_a_stream_is_metered_as_it_passes() -> None:
    """The first event of the output begins the answer, the terminal one ends it and has the usage."""
    meter = StreamMeter()
    passed = [meter.feed(event(data)) for data in (CREATED, DELTA, COMPLETED)]
    assert [Passed(kind="data"), Passed(kind="data", first=True), Passed(kind="done")] == passed
    assert (meter.model_served, meter.upstream_id, meter.finish) == ("gpt", "r1", "completed")
    assert (meter.tier_served, meter.reading, meter.output_estimate) == ("flex", READ, 1)
    assert meter.ending == b""


@pytest.mark.parametrize("data", [None, b"", b" "])
def test_keep_alives_are_no_data(data: bytes | None) -> None:
    """A comment or empty data neither begins an answer nor breaks it."""
    meter = StreamMeter()
    assert Passed(kind="comment") == meter.feed(Event(raw=b": x\n\n", data=data, name=""))
    assert meter.feed(event(DELTA)).first


@pytest.mark.parametrize(
    "data", [b"{", b"hi", b'"text"', b"[1]", b'{"type":"\xff"}', b'{"type":1,"x":' + b"[" * 99_999]
)
def test_malformed_data_is_seen(data: bytes) -> None:
    """CASES 21: what is no JSON object is an error that the client can see, and begins nothing."""
    meter = StreamMeter()
    assert Passed(kind="malformed") == meter.feed(event(data))
    assert meter.feed(event(DELTA)).first


def test_the_mark_of_another_dialect_ends_nothing() -> None:
    """`[DONE]` without a terminal event is a cut, and kept from a client that would stop reading at it."""
    meter = metered(CREATED, DELTA)
    assert Passed(kind="data", hidden=True) == meter.feed(event(b"[DONE]"))
    assert not meter.complete


@pytest.mark.parametrize(
    ("data", "name", "finish"),
    [
        (b'{"type":"response.completed"}', "", "completed"),
        (b'{"type":"response.incomplete","response":{}}', "", "incomplete"),
        (b'{"type":"response.incomplete","response":7}', "", "incomplete"),
        (b'{"type":"response.done","response":{"status":"incomplete"}}', "", "incomplete"),
        (b'{"response":{"status":"completed"}}', "response.completed", "completed"),
        (
            b'{"type":"response.incomplete","response":{"incomplete_details":{"reason":"content_filter"}}}',
            "",
            "content_filter",
        ),
        (
            b'{"type":"response.incomplete","response":{"incomplete_details":{"reason":null}}}',
            "",
            "incomplete",
        ),
    ],
)
def test_each_terminal_event_ends_an_answer(data: bytes, name: str, finish: str) -> None:
    """CASES 17: completed or incomplete; the type is in the data, else it is the event's name."""
    meter = StreamMeter()
    assert Passed(kind="done", first=True) == meter.feed(event(data, name))
    assert finish == meter.finish


@pytest.mark.parametrize(
    ("data", "name", "word"),
    [
        (b'{"type":"error","code":"rate_limit_exceeded","message":"x","param":null}', "error", "rate_limited"),
        (b'{"type":"error","error":{"type":"insufficient_quota","code":"credit_balance_exhausted"}}', "", None),
        (b'{"error":{"code":429,"message":"x"}}', "", "rate_limited"),
        (b'{"message":"x"}', "error", "server_error"),
        (b'{"type":"response.failed","response":{"error":{"code":"server_error"}}}', "", "server_error"),
        (b'{"type":"response.failed","response":{"error":{"code":"insufficient_quota"}}}', "", None),
        (
            b'{"type":"response.failed","response":{"error":{"code":"context_length_exceeded"}}}',
            "",
            "context_too_long",
        ),
        (b'{"type":"response.failed","response":{"error":{"code":"invalid_prompt"}}}', "", "bad_request"),
        (b'{"type":"response.failed","response":{"error":null}}', "", "server_error"),
        (b'{"type":"response.failed","response":7}', "", "server_error"),
        (b'{"type":"response.failed"}', "", "server_error"),
    ],
)
def test_an_error_inside_a_stream_is_an_error(data: bytes, name: str, word: str | None) -> None:
    """An upstream may answer 200 and fail in the stream; that begins nothing, so another candidate can answer."""
    meter = StreamMeter()
    passed = meter.feed(event(data, name))
    assert ("error", word or "insufficient_quota", False) == (passed.kind, passed.error, passed.first)
    assert meter.feed(event(DELTA)).first


def test_a_failure_keeps_its_usage() -> None:
    """What a failed response used is billed, and is the whole answer's."""
    meter = metered(CREATED, b'{"type":"response.failed","response":{"status":"failed",%s}}' % USAGE)
    assert (READ, True, "failed", False) == (meter.reading, meter.accounted, meter.finish, meter.complete)


def test_a_placeholder_zero_is_no_fact() -> None:
    """CASES 18: a zero in an early event is no fact, a reported zero in the last is; a count in an early one is.

    CASES 61: and no zero takes it back.
    """
    zero = b'"usage":{"input_tokens":0,"output_tokens":0}'
    early = b'{"type":"response.in_progress","response":{%s}}'
    last = b'{"type":"response.completed","response":{%s}}'
    assert metered(early % zero).reading is None
    assert (READ, False) == ((meter := metered(early % USAGE)).reading, meter.accounted)
    assert {"input": 0, "output": 0} == usage_of(metered(early % zero, last % zero))
    assert READ.usage == usage_of(metered(early % USAGE, last % zero))
    assert READ == metered(early % USAGE, last % b'"usage":null').reading


def test_an_output_that_nobody_counted_yet_is_what_was_streamed() -> None:
    """CASES 61 and 65: where an early event knows the input alone; which a cap may lower."""
    early = b'{"type":"response.in_progress","response":{"usage":{"input_tokens":5,"output_tokens":0}}}'
    delta = b'{"type":"response.output_text.delta","delta":"12345678"}'
    reading = metered(early, delta).reading
    assert reading is not None
    assert ({"input": 5, "output": 2}, 2) == (reading.usage, reading.guessed)
    end = b'{"type":"response.completed","response":{"usage":{"input_tokens":0,"output_tokens":3}}}'
    reading = metered(early, delta, end).reading
    assert reading is not None
    assert ({"input": 5, "output": 3}, 0) == (reading.usage, reading.guessed)


def test_what_was_streamed_is_estimated() -> None:
    """Text, reasoning, refusals and tool arguments are output; sound, indices and what a shell printed are not."""
    kinds = (
        "output_text",
        "refusal",
        "reasoning_text",
        "reasoning_summary_text",
        "function_call_arguments",
        "custom_tool_call_input",
        "mcp_call_arguments",
        "code_interpreter_call_code",
        "reasoning",  # As the Open Responses specification calls it.
    )
    deltas = [b'{"type":"response.%s.delta","delta":"1234","output_index":0}' % kind.encode() for kind in kinds]
    assert len(kinds) == metered(*deltas).output_estimate
    assert not metered(
        b'{"type":"response.audio.delta","delta":"1234"}',
        b'{"type":"response.output_audio.delta","delta":"1234"}',
        b'{"type":"response.output_item.done","item":{"type":"image_generation_call","result":"AAAAAAAA"}}',
        b'{"type":"response.shell_call_output_content.delta","delta":{"stdout":"1234"}}',
        b'{"type":"response.output_text.delta"}',
        b'{"type":"response.output_text.done","text":"1234"}',
    ).output_estimate


def test_items_that_come_whole_are_estimated() -> None:
    """Some relays stream no pieces; whether a text came in pieces or whole, it counts once."""
    done = b'{"type":"response.output_item.done","item":%s}'
    text = done % b'{"type":"message","content":[{"type":"output_text","text":"1234"},{"refusal":"1234"}]}'
    thought = done % b'{"type":"reasoning","summary":[{"text":"1234"}],"content":[{"text":"1234"}]}'
    call = done % b'{"type":"function_call","arguments":"1234","name":"f"}'
    assert metered(text, thought, call).output_estimate == 5
    assert metered(DELTA, DELTA, text).output_estimate == 2
    assert metered(text, b'{"type":"response.completed","response":{"output":[]}}').output_estimate == 2
    assert metered(done % b'{"type":"message","content":"1234"}', done % b"7").output_estimate == 0
    assert metered(b'{"type":"response.output_item.done"}').output_estimate == 0


SEARCH = b'{"type":"web_search_call","status":"completed","action":{"type":"search","query":"q"}}'


@pytest.mark.parametrize(
    ("output", "told", "searches"),
    [
        (b"[%s,%s]" % (SEARCH, SEARCH), b"", 2),
        (b'[{"type":"web_search_call","action":{"type":"open_page"}},%s]' % SEARCH, b"", 1),
        (b'[{"type":"web_search_call","status":"failed","action":{"type":"search"}}]', b"", 0),
        (b'[{"type":"web_search_call","status":"completed"}]', b"", 1),
        (b'[{"type":"function_call","action":{"type":"search"}}]', b"", 0),
        (b"[%s,%s]" % (SEARCH, SEARCH), b',"tool_usage":{"web_search":{"num_requests":1}}', 1),
        (b"[%s]" % SEARCH, b',"tool_usage":{"web_search":{"num_requests":0}}', 0),
        (b"[]", b',"tool_usage":{"web_search":{"num_requests":3}}', 3),
        (b"[%s]" % SEARCH, b',"tool_usage":{"web_search":null}', 1),
        (b"[%s]" % SEARCH, b',"tool_usage":null', 1),
    ],
)
def test_web_searches_are_counted(output: bytes, told: bytes, searches: int) -> None:
    """OpenAI bills them by the call: by `tool_usage`, else the items of a search; plain and streamed alike."""
    expected = {"input": 5, "output": 2, **({"searches": searches} if searches else {})}
    assert expected == usage_of(replied(b",%s%s" % (USAGE, told), output=output))
    items = json.loads(output)
    passing = [
        json.dumps({"type": "response.output_item.done", "item": item}, separators=(",", ":")).encode()
        for item in items
    ]
    last = b'{"type":"response.completed","response":{"output":%s,%s%s}}'
    assert expected == usage_of(metered(*passing, last % (output, USAGE, told)))
    assert expected == usage_of(metered(*passing, last % (b"[]", USAGE, told)))


IMAGE = b',"tool_usage":{"image_gen":{"input_tokens":%d,"output_tokens":%d},"web_search":{"num_requests":0}}'


@pytest.mark.parametrize(
    ("output", "told", "flags"),
    [
        (b'[{"type":"file_search_call"}]', b"", ("tools_apart",)),
        (b'[{"type":"code_interpreter_call","code":"1+1"}]', b"", ("tools_apart",)),
        (b'[{"type":"image_generation_call","result":"aGk="},{"type":"message"}]', b"", ("tools_apart",)),
        (b'[{"type":"shell_call","environment":{"type":"container_reference"}}]', b"", ("tools_apart",)),
        (b'[{"type":"shell_call","environment":{"type":"local"}},{"type":"shell_call"}]', b"", ()),
        (b"[%s]" % SEARCH, b"", ()),
        (b"[]", IMAGE % (7, 0), ("tools_apart",)),
        (b"[]", IMAGE % (0, 7), ("tools_apart",)),
        (b"[]", IMAGE % (0, 0), ()),
    ],
)
def test_tools_that_no_class_bills_are_flagged(output: bytes, told: bytes, flags: tuple[str, ...]) -> None:
    """What the upstream ran and bills beside the usage does not pass unseen."""
    reading = replied(b",%s%s" % (USAGE, told), output=output).reading
    assert reading is not None
    assert flags == reading.flags


@pytest.mark.parametrize("count", [b"-1", b'"many"', b"9" * 30])
def test_searches_that_are_no_number_are_flagged(count: bytes) -> None:
    """An impossible count is dropped, and what it stood for is not guessed."""
    reply = replied(b',%s,"tool_usage":{"web_search":{"num_requests":%s}}' % (USAGE, count), output=b"[%s]" % SEARCH)
    assert Reading(dialect="openai_responses", usage=READ.usage, flags=("impossible_searches",)) == reply.reading


def test_an_impossible_total_has_no_searches() -> None:
    """Where the total is none the hold is the charge: nothing is added to it."""
    reply = replied(b',"usage":{"input_tokens":-1,"output_tokens":2}', output=b"[%s]" % SEARCH)
    assert Reading(dialect="openai_responses", usage={}, flags=("impossible_total",)) == reply.reading


def test_a_cost_is_read_beside_the_usage() -> None:
    """A relay that names its price is believed where the route says so (`price = "reported"`)."""
    reply = replied(b',"usage":{"input_tokens":5,"output_tokens":2,"cost":0.125}')
    assert "0.125" == str(reply.reported_cost)


@pytest.mark.parametrize(
    "sent",
    [
        b"[]",
        b"hi",
        b"[" * 99_999,
        b'{"object":"response"}',
        b'{"id":7}',
        b'{"output":{"text":"hi"}}',
        b'{"error":{"code":"rate_limit_exceeded"}}',
        b'{"object":"response","status":"failed","output":[],"error":{"code":"server_error"},"usage":null}',
        b'{"object":"response","status":"failed","output":[]}',
        b'{"object":"response","status":"completed","output":[],"error":{"code":"server_error"}}',
    ],
)
def test_what_is_no_response_is_none(sent: bytes) -> None:
    """An error is told from an answer: one that cost nothing and says nothing may be asked for elsewhere."""
    assert read_reply(sent[:50_000]) is None


def test_a_failure_that_cost_something_is_an_answer() -> None:
    """What was used or said before it failed is billed, and the client sees the response as it is."""
    item = b'{"type":"message","content":[{"text":"1234"}]}'
    said = read_reply(b'{"status":"failed","output":[%s],"error":{"code":"server_error"}}' % item)
    assert Reply(finish="failed", output_estimate=1) == said
    used = read_reply(b'{"status":"failed","output":[],"error":{"code":"server_error"},%s}' % USAGE)
    assert Reply(finish="failed", reading=READ) == used


def test_a_response_of_an_unknown_shape_is_read() -> None:
    """Members of a kind that nobody knows lose no usage, plain or streamed."""
    odd = b'{"id":7,"status":{},"output":[],%s}' % USAGE
    assert Reply(upstream_id="7", reading=READ) == read_reply(odd)
    meter = metered(b'{"type":"response.completed","response":%s}' % odd)
    assert (READ, "completed") == (meter.reading, meter.finish)
    assert READ == metered(b'{"type":7,"response":%s}' % odd).reading


def test_a_usage_before_the_text() -> None:
    """One that only the beginning tells is not the answer's: its output is what was streamed."""
    early = b'{"type":"response.in_progress","response":{"usage":{"input_tokens":5,"output_tokens":2}}}'
    text = b'{"type":"response.output_text.delta","delta":"%s"}' % (b"word" * 50)
    meter = metered(early, text, b'{"type":"response.completed","response":{"output":[]}}')
    assert meter.reading is not None
    assert ({"input": 5, "output": 50}, ("output_streamed",)) == (meter.reading.usage, meter.reading.flags)


def test_a_usage_beside_the_response() -> None:
    """Some relays tell it there; the response's own goes first."""
    assert READ == metered(b'{"type":"response.completed","response":{"output":[]},%s}' % USAGE).reading
    own = b'{"type":"response.completed","response":{"output":[],%s},"usage":{"input_tokens":7}}' % USAGE
    assert READ == metered(own).reading


def test_what_can_be_read_of_an_unknown_shape_is() -> None:
    """CASES 8: the tier that was served prices the answer, whatever else is odd about it."""
    odd = b'{"id":"r","model":"m","service_tier":"flex","incomplete_details":"no object","output":[],%s}' % USAGE
    expected = Reply(model_served="m", upstream_id="r", tier_served="flex", finish="", reading=READ)
    assert expected == read_reply(odd)


def test_a_golden_tells_searches_from_pages() -> None:
    """Two searches and a page that was opened are two searches."""
    assert golden("openai_responses", "web-search.json").usage["searches"] == 2
