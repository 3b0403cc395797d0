"""What a Responses reply is made of, whoever says it."""

import json

import msgspec
from openai.types.responses import ResponseFailedEvent

from tokens_forge.wire.request import Fields, Request
from tokens_forge.wire.translate.responses_output import CalledTool, Output, usage_object

FUNCTION = CalledTool(kind="function", name="f")


def asked(**members: object) -> Request:
    """Build a client's request."""
    body = msgspec.json.encode({"model": "m"} | members)
    return Request(
        model="m",
        stream=True,
        include_usage=True,
        tier_asked="",
        input_estimate=7,
        output_bound=1024,
        choices=1,
        needs=(),
        turn=1,
        opening=b"",
        fields=msgspec.json.decode(body, type=Fields),
    )


def begun(*, streamed: bool = True) -> Output:
    output = Output(asked(), "tf_0199c9a1f4007000800000000000abcd", streamed=streamed)
    output.begin("u")
    output.taken()
    return output


def types(output: Output) -> list[str]:
    """Return what the events since the last time are, in short."""
    return [line.removeprefix("event: response.") for line in output.taken().decode().split("\n") if line[:1] == "e"]


def test_of_a_reply_no_event_is_written() -> None:
    output = begun(streamed=False)
    output.text("a")
    output.finish("", usage=None, tier="")
    assert b"" == output.taken()


def test_a_message_that_was_begun_is_ended_also_where_it_says_nothing() -> None:
    """A refusal after a text is another part of the same message, and closing what is closed does nothing."""
    output = begun()
    output.text("a")
    output.refusal("b")
    output.close()
    output.close()
    assert [
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "content_part.added",
        "refusal.delta",
        "refusal.done",
        "content_part.done",
        "output_item.done",
    ] == types(output)


def test_a_seal_without_a_word_is_an_item_of_its_own() -> None:
    output = begun()
    output.seal("s")
    output.text("a")
    assert ["output_item.added", "output_item.done"] == types(output)[:2]
    assert ("s", []) == tuple(output.response()["output"][0][name] for name in ("encrypted_content", "summary"))  # type: ignore[index] - of JSON


def test_what_comes_for_a_call_that_has_ended_is_not_told() -> None:
    output = begun()
    place = output.call(FUNCTION, "1")
    output.arguments(place, "{}")
    output.end_call(place)
    output.arguments(place, " ")
    output.end_call(place)
    assert [
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
    ] == types(output)


def test_a_tier_that_is_not_openais_is_not_told() -> None:
    for tier, expected in (("flex", "flex"), ("on_demand", "default"), ("", "default")):
        output = begun()
        output.finish("", usage=None, tier=tier)
        assert expected == output.response()["service_tier"]


def test_members_of_a_wrong_kind_are_not_said_again() -> None:
    """The request was carried without them, or never left."""
    output = Output(asked(tools="t", text=5, reasoning=None), "tf_0199c9a1f4007000800000000000abcd", streamed=False)
    output.begin("u")
    told = json.loads(msgspec.json.encode(output.response()))
    assert ([], {"format": {"type": "text"}}, {"effort": None, "summary": None}) == (
        told["tools"],
        told["text"],
        told["reasoning"],
    )


def test_input_tokens_have_the_cached_ones_in_them() -> None:
    usage = {"input": 1, "cache_read": 2, "cache_write_5m": 3, "cache_write_1h": 4, "image_in": 5, "output": 6}
    assert {
        "input_tokens": 15,
        "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 7},
        "output_tokens": 13,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 28,
    } == usage_object(usage | {"audio_out": 7, "reasoning": 2, "requests": 1})


def test_a_response_that_failed_is_the_one_that_began() -> None:
    """Its client knows it by its id, and goes on counting; what was said of it is there, and none of it is done."""
    output = begun()
    output.text("Half of")
    output.close()
    output.call(FUNCTION, "call_1")
    output.taken()
    output.fail("stream_cut", "It was cut.")
    (_, data) = output.taken().rstrip().split(b"\n")
    failed = ResponseFailedEvent.model_validate_json(data.removeprefix(b"data: "), strict=True)
    assert (9, "resp_0199c9a1f4007000800000000000abcd", "failed") == (
        failed.sequence_number,
        failed.response.id,
        failed.response.status,
    )
    told = json.loads(data.removeprefix(b"data: "))["response"]
    assert {"code": "server_error", "message": "It was cut.", "type": "stream_cut"} == told["error"]
    assert [("message", "completed"), ("function_call", "incomplete")] == [
        (item["type"], item["status"]) for item in told["output"]
    ]
