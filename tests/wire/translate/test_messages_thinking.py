"""Thinking that only this proxy signed does not go to a model that checks signatures."""

import json

import msgspec
import pytest

from tokens_forge.wire.request import Fields
from tokens_forge.wire.translate.messages_thinking import without_our_thinking

USER = {"role": "user", "content": "Hello"}
CALL = {"type": "tool_use", "id": "t1", "name": "get_weather", "input": {"n": 12345678901234567890}}


def fields(*messages: object) -> Fields:
    return {"messages": msgspec.Raw(json.dumps(messages).encode()), "model": msgspec.Raw(b'"m"')}


def thinking(signature: str) -> dict[str, str]:
    return {"type": "thinking", "thinking": "Hm.", "signature": signature}


@pytest.mark.parametrize("signature", ["reasoning_content", "reasoning", 'extra_content:{"google":{}}'])
def test_our_own_is_left_out(signature: str) -> None:
    """A conversation that was with a chat upstream goes on at Anthropic; all else in it stays."""
    theirs = thinking("EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrk")
    told = fields(USER, {"role": "assistant", "content": [thinking(signature), theirs, CALL]}, "no message", {"a": 1})
    sent = without_our_thinking(told)
    kept = [USER, {"role": "assistant", "content": [theirs, CALL]}, "no message", {"a": 1}]
    assert kept == json.loads(bytes(sent["messages"]))
    assert told["model"] is sent["model"]


@pytest.mark.parametrize(
    "messages",
    [
        (USER, {"role": "assistant", "content": [thinking("EqQB"), CALL]}),
        ({"role": "user", "content": '{"signature": "reasoning"}'},),
        ({"role": "user", "content": [{"type": "text", "text": "x", "signature": "reasoning"}, 5, {"type": 7}]},),
    ],
)
def test_everything_else_is_the_same_bytes(messages: tuple[object, ...]) -> None:
    """What a text says, what another block has, and another maker's thinking are not touched."""
    told = fields(*messages)
    assert json.loads(bytes(told["messages"])) == json.loads(bytes(without_our_thinking(told)["messages"]))


def test_a_body_without_messages() -> None:
    """There is nothing to take out."""
    none: Fields = {"model": msgspec.Raw(b'"m"')}
    assert none == without_our_thinking(none)
