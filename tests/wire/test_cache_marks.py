"""For how long a request's marks keep its prompt."""

import msgspec
import pytest

from tokens_forge.wire import anthropic_messages, openai_chat, openai_responses
from tokens_forge.wire.cache_marks import cache_life
from tokens_forge.wire.request import Fields

MARK = b'{"type":"ephemeral"}'
HOUR = b'{"type":"ephemeral","ttl":"1h"}'


def fields(members: bytes) -> Fields:
    return msgspec.json.decode(b"{%s}" % members, type=Fields)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (b"", None),
        (b'"cache_control":null', None),
        (b'"cache_control":' + MARK, "5m"),
        (b'"cache_control":' + HOUR, "1h"),
        (b'"system":[{"type":"text","text":"a","cache_control":%s}]' % MARK, "5m"),
        (b'"tools":[{"name":"t","cache_control":%s}]' % HOUR, "1h"),
        (b'"functions":[{"name":"t","cache_control" : %s}]' % MARK, "5m"),
        (b'"messages":[{"content":[{"cache_control":%s},{"cache_control":%s}]}]' % (HOUR, MARK), "1h"),
        (b'"messages":[{"content":[{"cache_control":null}]}]', None),
        (b'"messages":[{"content":[{"cachePoint":{"type":"default"}}]}]', "5m"),
        (b'"messages":[{"content":"say \\"cache_control\\":{\\"ttl\\":\\"1h\\"} to me"}]', None),
        (b'"input":[{"content":[{"cache_control":{"type":"ephemeral","ttl":"7d"}}]}]', "12h"),
        (b'"cache_control_injection_points":[{"location":"message"}]', "5m"),
        (b'"cache_control_injection_points":[]', None),
        (b'"prompt_cache_options":{"mode":"explicit"}', "30m"),
        (b'"prompt_cache_options":{"ttl":"12h"}', "12h"),
        (b'"prompt_cache_options":{"ttl":"30m"}', "30m"),
        (b'"prompt_cache_retention":"24h"', "12h"),
        (b'"prompt_cache_retention":"in_memory"', None),
        (b'"prompt_cache_retention":"in-memory"', None),
        (b'"prompt_cache_retention":7', None),
        (b'"prompt_cache_key":"k"', None),
    ],
)
def test_marks_of_every_dialect(members: bytes, expected: str | None) -> None:
    """The longest counts; a word that nobody knows is the longest. A text about marks is none."""
    assert expected == cache_life(fields(members))


def test_each_dialect_reads_them() -> None:
    """A request says how long it asks to be kept."""
    said = b'"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"a","cache_control":%s}]}]' % HOUR
    for read in (openai_chat.read_request, anthropic_messages.read_request):
        assert "1h" == read(b"{%s}" % said, output_bound=1, inline_tokens=1).caches
    asked = b'{"model":"m","input":"Hi","prompt_cache_options":{"ttl":"30m"}}'
    assert "30m" == openai_responses.read_request(asked, output_bound=1, inline_tokens=1).caches
