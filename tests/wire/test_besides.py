"""What a request asks its provider to do besides the answer."""

import msgspec
import pytest

from tokens_forge.core.entries import Beside
from tokens_forge.wire import anthropic_messages, openai_chat, openai_responses
from tokens_forge.wire.besides import COMPACTS_FROM, MOST_BESIDES, MOST_TIMES, besides
from tokens_forge.wire.request import MOST_OUTPUT, Fields


def asked(members: bytes) -> tuple[Beside, ...]:
    return besides(msgspec.json.decode(b"{%s}" % members, type=Fields))


def edits(*told: bytes) -> bytes:
    return b'"context_management":{"edits":[%s]}' % b",".join(told)


def test_nothing() -> None:
    """Most requests ask for nothing besides."""
    assert () == asked(b'"model":"m"')
    assert () == asked(b'"tools":[{"type":"function","name":"ask_the_advisor"},{"name":"x","type":"advisors"}]')
    assert () == asked(b'"fallbacks":"default","models":null,"context_management":[{"type":"compaction"}]')


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (b'{"type":"compact_20260112"}', COMPACTS_FROM),
        (b'{"type":"compact_20260112","trigger":null}', COMPACTS_FROM),
        (b'{"type":"compact_20270101","trigger":{"type":"input_tokens","value":50000}}', 50_000),
        (b'{"type":"compact_20260112","trigger":{"value":-1}}', 0),
        (b'{"type":"compact_20260112","trigger":{"value":%d}}' % (MOST_OUTPUT + 1), MOST_OUTPUT),
    ],
)
def test_a_compaction(edit: bytes, expected: int) -> None:
    """Of whatever version; other edits only leave out."""
    assert (Beside(kind="compaction", input=expected),) == asked(edits(b'{"type":"clear_tool_uses_20250919"}', edit))


def test_what_is_no_compaction() -> None:
    """Of another shape than the provider's it is the provider's to refuse."""
    for edit in (b'{"type":7}', b"7", b'{"type":"compact_20260112","trigger":7}'):
        assert () == asked(edits(edit))
    assert () == asked(b'"context_management":{"edits":7}')


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        (b'"type":"advisor_20260301","name":"advisor","model":"o"', Beside(kind="advisor", model="o")),
        (
            b'"type":"advisor_20260301","model":"o","max_uses":3,"max_tokens":2048,"caching":{"ttl":"1h"}',
            Beside(kind="advisor", model="o", output=2_048, times=3, caches="1h"),
        ),
        (b'"type":"advisor_20260301","model":"o","caching":{}', Beside(kind="advisor", model="o", caches="5m")),
        (b'"type":"advisor_20260301","caching":null,"max_uses":0', Beside(kind="advisor")),
        (b'"type":"advisor_20260301","model":"a\\nb"', Beside(kind="advisor")),
        (b'"type":"advisor_20260301","max_uses":9999', Beside(kind="advisor", times=MOST_TIMES)),
        (b'"type":"orq:advisor","model":"o","max_uses":1', Beside(kind="advisor", model="o")),
        (
            b'"type":"openrouter:advisor","parameters":{"model":"a/o","max_completion_tokens":9}',
            Beside(kind="advisor", model="a/o", output=9),
        ),
    ],
)
def test_an_advisor(tool: bytes, expected: Beside) -> None:
    """Anthropic's, and those of gateways."""
    assert (expected,) == asked(b'"tools":[{"name":"x"},7,{%s}]' % tool)


def test_models_that_may_answer_instead() -> None:
    """By name or as an object; a name that none can be is the upstream's to refuse."""
    named = b'{"model":"a","max_tokens":7},"b",{"model":""},7,null,"x\\ty"'
    expected = Beside(kind="fallback", model="a", output=7), Beside(kind="fallback", model="b")
    assert expected == asked(b'"fallbacks":[%s]' % named) == asked(b'"models":[%s]' % named)


def test_no_more_than_so_many() -> None:
    """A request can't ask for cards without end."""
    assert MOST_BESIDES == len(asked(b'"models":[%s]' % b",".join(b'"m%d"' % number for number in range(99))))


def test_each_dialect_reads_them() -> None:
    """A request says what else it asks for."""
    said = b'"model":"m","messages":[],"fallbacks":["b"]'
    for read in (openai_chat.read_request, anthropic_messages.read_request):
        assert ["b"] == [one.model for one in read(b"{%s}" % said, output_bound=1, inline_tokens=1).beside]
    answer = openai_responses.read_request(
        b'{"model":"m","input":"Hi","models":["b"]}', output_bound=1, inline_tokens=1
    )
    assert ["b"] == [one.model for one in answer.beside]
