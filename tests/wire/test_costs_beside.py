"""What a reply says that it cost, outside its usage: in every dialect, whole and streamed."""

from decimal import Decimal

import pytest

from tokens_forge.wire import anthropic_messages, openai_chat, openai_responses
from tokens_forge.wire.reply import Meter
from tokens_forge.wire.sse import Event

COSTS = [
    (b'"cost":0.0031', "0.0031"),
    (b'"cost":{"total":0.0031}', "0.0031"),
    (b'"cost":{"amount":0.0031,"currency":"EUR"}', None),
    (b'"provider_metadata":{"gateway":{"cost":"0.0031"}}', "0.0031"),
    (b'"providerMetadata":{"gateway":{"cost":"0.0031"}}', "0.0031"),
    (b'"cost":0,"provider_metadata":{"gateway":{"cost":"0.0031"}}', "0.0031"),
    (b'"cost":0', "0"),
    (b'"cost":"free"', None),
    (b'"provider_metadata":{"openai":{}}', None),
]


def told_by(meter: Meter, *events: bytes) -> Decimal | None:
    """Return the cost that a stream of `events` tells."""
    for data in events:
        meter.feed(Event(raw=b"", name="", data=data))
    return meter.reported_cost


@pytest.mark.parametrize(("member", "cost"), COSTS)
def test_a_cost_beside_the_usage(member: bytes, cost: str | None) -> None:
    """CASES 15: where the usage tells none; what is in another currency is none in dollars."""
    expected = None if cost is None else Decimal(cost)
    chat = openai_chat.read_reply(b'{"choices":[],%s}' % member)
    message = anthropic_messages.read_reply(b'{"content":[],%s}' % member)
    response = openai_responses.read_reply(b'{"output":[],"status":"completed",%s}' % member)
    for reply in (chat, message, response):
        assert reply is not None
        assert expected == reply.reported_cost
    later = b'{"choices":[{"delta":{}}]}'
    assert expected == told_by(openai_chat.StreamMeter(include_usage=True), b'{"choices":[],%s}' % member, later)
    within = b'{"choices":[{"delta":{%s}}]}' % member
    assert expected == told_by(openai_chat.StreamMeter(include_usage=True), within, later)
    event = b'{"type":"message_delta","delta":{},%s}' % member
    assert expected == told_by(anthropic_messages.StreamMeter(), event, b'{"type":"message_stop"}')
    ended = b'{"type":"response.completed","response":{"output":[],%s}}' % member
    assert expected == told_by(openai_responses.StreamMeter(), ended)


def test_the_cost_of_a_usage_goes_first() -> None:
    """A zero in it tells none where another place does."""
    body = b'{"choices":[],"cost":5,"usage":{"prompt_tokens":1,"completion_tokens":1,"cost":%d}}'
    for own, cost in ((7, 7), (0, 5)):
        reply = openai_chat.read_reply(body % own)
        assert reply is not None
        assert reply.reported_cost == cost


def test_a_cost_says_its_unit_in_a_stream_too() -> None:
    """Ticks of xAI are of a USD in every dialect."""
    chat = openai_chat.StreamMeter(include_usage=True)
    usage = b'{"prompt_tokens":9,"completion_tokens":1,"cost_in_usd_ticks":31000000}'
    assert told_by(chat, b'{"choices":[],"usage":%s}' % usage) == Decimal("0.0031")
    messages = anthropic_messages.StreamMeter()
    usage = b'{"input_tokens":9,"output_tokens":1,"cost_in_usd_ticks":31000000}'
    assert told_by(messages, b'{"type":"message_delta","delta":{},"usage":%s}' % usage) == Decimal("0.0031")
    responses = openai_responses.StreamMeter()
    ended = b'{"type":"response.completed","response":{"output":[],"usage":%s}}' % usage
    assert told_by(responses, ended) == Decimal("0.0031")
    assert ["USD"] * 3 == [meter.cost_unit for meter in (chat, messages, responses)]
