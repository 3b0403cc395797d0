"""Which events of a stream open it, and which say something of an answer."""

import msgspec
import pytest

from tokens_forge.wire.opening import opens_chat, opens_messages, opens_responses


def delta(said: object, **choice: object) -> bytes:
    return msgspec.json.encode({"choices": [{"index": 0, "delta": said, **choice}]})


@pytest.mark.parametrize(
    ("opens", "chunk"),
    [
        (True, delta({"role": "assistant", "content": ""})),
        (True, delta({"role": "assistant", "content": None, "reasoning_content": "", "tool_calls": []})),
        (True, delta({}, finish_reason=None)),
        (True, b'{"choices":[],"prompt_filter_results":[{"prompt_index":0}]}'),
        (True, b'{"id":"c1","object":"chat.completion.chunk"}'),
        (True, b'{"choices":[{"text":"","finish_reason":null}],"usage":{"prompt_tokens":0}}'),
        (True, b'{"choices":[{"message":{"role":"assistant"}}]}'),
        (False, delta({"content": " "})),
        (False, delta({"role": "assistant", "reasoning_content": "Hm"})),
        (False, delta({"audio": {"id": "a"}})),
        (False, delta({"tool_calls": [{"index": 0}]})),
        (False, delta({}, finish_reason="stop")),
        (False, b'{"choices":[{"delta":{}},{"text":"a"}]}'),
        (False, b'{"choices":[],"usage":{"prompt_tokens":8}}'),
        (False, b'{"choices":{},"usage":{"prompt_tokens":8}}'),
    ],
)
def test_a_chunk_that_says_nothing_opens(opens: bool, chunk: bytes) -> None:
    """A role alone, or no choice, is no answer; a member that nobody here knows is one, and the usage asked for too."""
    assert opens == opens_chat(chunk)


@pytest.mark.parametrize(
    ("opens", "kind", "data"),
    [
        (True, "message_start", b'{"message":{"id":"m","content":[]}}'),
        (True, "message_start", b"{}"),
        (False, "message_start", b'{"message":{"content":[{"type":"text","text":"all of it"}]}}'),
        (False, "content_block_start", b'{"content_block":{"type":"text","text":""}}'),
    ],
)
def test_a_message_opens_with_its_start(opens: bool, kind: str, data: bytes) -> None:
    """`message_start` says nothing, but where a server puts all of the message in it; a block is one."""
    assert opens == opens_messages(kind, data)


@pytest.mark.parametrize(
    ("opens", "kind", "data"),
    [
        (True, "response.created", b'{"response":{"id":"r","output":[]}}'),
        (True, "response.queued", b'{"response":{"id":"r"}}'),
        (True, "response.in_progress", b'{"response":null}'),
        (True, "keepalive", b'{"type":"keepalive","sequence_number":3}'),
        (False, "response.in_progress", b'{"response":{"output":[{"type":"message"}]}}'),
        (False, "response.output_item.added", b'{"item":{"type":"message","content":[]}}'),
    ],
)
def test_a_response_opens_until_it_has_an_item(opens: bool, kind: str, data: bytes) -> None:
    """What only says how far a response has come is no answer; an item is one."""
    assert opens == opens_responses(kind, data)
