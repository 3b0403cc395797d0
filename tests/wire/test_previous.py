"""What a request goes on from, and whether its answer is kept."""

import pytest

from tokens_forge.core.errors import RequestError
from tokens_forge.wire import anthropic_messages, openai_chat, openai_responses

RESPONSE = b'{"model":"m","input":"Go on"%s}'
MESSAGES = b'{"model":"m","messages":[{"role":"user","content":"Go on"}]%s}'


@pytest.mark.parametrize(
    ("members", "previous", "kind", "stored"),
    [
        (b"", "", "", True),
        (b',"store":false', "", "", False),
        (b',"previous_response_id":"resp_1"', "resp_1", "response", True),
        (b',"previous_response_id":"resp_1","conversation":"conv_1"', "resp_1", "response", True),
        (b',"conversation":"conv_1"', "conv_1", "conversation", True),
        (b',"conversation":{"id":"conv_1"}', "conv_1", "conversation", True),
        (b',"conversation":7', "", "", True),
        (b',"input":[{"type":"item_reference","id":"msg_1"}]', "", "items", True),
        (b',"input":"an \\"item_reference\\""', "", "", True),
        (b',"prompt":{"id":"pmpt_1","version":"2"}', "pmpt_1", "prompt", True),
        (b',"conversation":null,"previous_response_id":null', "", "", True),
    ],
)
def test_responses(members: bytes, previous: str, kind: str, stored: bool) -> None:
    """A response before a conversation, that before a prompt."""
    asked = openai_responses.read_request(RESPONSE % members, output_bound=7, inline_tokens=1)
    assert (previous, kind, stored) == (asked.previous, asked.previous_kind, asked.stored)


def test_a_compaction_is_not_kept() -> None:
    """Nothing goes on from it by its id."""
    asked = openai_responses.read_compact_request(RESPONSE % b"", output_bound=7, inline_tokens=1)
    assert not asked.stored


@pytest.mark.parametrize(
    ("members", "previous", "stored"),
    [
        (b"", "", False),
        (b',"thread":null', "", False),
        (b',"thread":{"type":"create"}', "", True),
        (b',"thread":{"type":"continue","previous_message_id":"msg_1"}', "msg_1", True),
        (b',"thread":{"type":"none"}', "", False),
        (b',"thread":{"type":7}', "", False),
    ],
)
def test_threads(members: bytes, previous: str, stored: bool) -> None:
    """Anthropic's threads: what goes on from a message says which, and opens with that."""
    asked = anthropic_messages.read_request(MESSAGES % members, output_bound=7, inline_tokens=1)
    assert (previous, "message" if previous else "", stored) == (asked.previous, asked.previous_kind, asked.stored)
    assert (asked.opening == b"msg_1") == (previous != "")


def test_no_thread() -> None:
    """A member of another kind is named."""
    with pytest.raises(RequestError, match="thread"):
        anthropic_messages.read_request(MESSAGES % b',"thread":"msg_1"', output_bound=7, inline_tokens=1)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (b"", ""),
        (b',"extra_body":{"google":{"cached_content":"cachedContents/1"}}', "cachedContents/1"),
        (b',"google":{"cached_content":"cachedContents/1"}', "cachedContents/1"),
        (b',"google":{"cached_content":7}', ""),
        (b',"extra_body":7', ""),
    ],
)
def test_a_prefix_in_the_cache_of_gemini(members: bytes, expected: str) -> None:
    """Where Google's endpoint takes it, and where clients put it that spread an `extra_body`."""
    asked = openai_chat.read_request(MESSAGES % members, output_bound=7, inline_tokens=1)
    assert (expected, "cache" if expected else "") == (asked.previous, asked.previous_kind)
