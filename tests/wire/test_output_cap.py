"""A request's maximum of output, lowered to what the model gives."""

import msgspec
import pytest

from tokens_forge.core.dialects import DialectName
from tokens_forge.wire import anthropic_messages, openai_chat, openai_other, openai_responses
from tokens_forge.wire.output_cap import capped, maxima_above
from tokens_forge.wire.request import Fields
from tokens_forge.wire.translations import translations


def fields(members: bytes) -> Fields:
    return msgspec.json.decode(b"{%s}" % members, type=Fields)


@pytest.mark.parametrize(
    ("asked", "cap", "sent", "named"),
    [
        (b'"max_tokens":32000', 8192, b'"max_tokens":8192', ("max_tokens",)),
        (b'"max_completion_tokens":9', 8, b'"max_completion_tokens":8', ("max_completion_tokens",)),
        (b'"max_output_tokens":9', 8, b'"max_output_tokens":8', ("max_output_tokens",)),
        (
            b'"max_tokens":9,"max_completion_tokens":7',
            8,
            b'"max_tokens":8,"max_completion_tokens":7',
            ("max_tokens",),
        ),
        (b'"max_tokens":8192', 8192, b'"max_tokens":8192', ()),
        (b'"max_tokens":9', 0, b'"max_tokens":9', ()),
        (b'"max_tokens":null', 8, b'"max_tokens":null', ()),
        (b'"max_tokens":"9"', 8, b'"max_tokens":"9"', ()),
        (b'"temperature":1', 8, b'"temperature":1', ()),
    ],
)
def test_a_maximum(asked: bytes, cap: int, sent: bytes, named: tuple[str, ...]) -> None:
    """Each dialect's own member; what is not above it, or is none, stays as it was written."""
    assert (fields(sent), named) == capped(fields(asked), cap)
    assert named == maxima_above(fields(asked), cap)


@pytest.mark.parametrize(
    ("budget", "cap", "sent", "named"),
    [
        (
            b'"thinking":{"type":"enabled","budget_tokens":31999}',
            8192,
            b'"thinking":{"type":"enabled","budget_tokens":6144}',
            "thinking.budget_tokens",
        ),
        (
            b'"thinking":{"type":"enabled","budget_tokens":8192}',
            1200,
            b'"thinking":{"type":"enabled","budget_tokens":1024}',
            "thinking.budget_tokens",
        ),
        (
            b'"thinking":{"type":"enabled","budget_tokens":8192}',
            1024,
            b'"thinking":{"type":"disabled"}',
            "thinking.budget_tokens",
        ),
        (b'"reasoning":{"max_tokens":9000}', 8192, b'"reasoning":{"max_tokens":6144}', "reasoning.max_tokens"),
        (b'"reasoning":{"max_tokens":9000}', 1000, b'"a":1', "reasoning.max_tokens"),
        (
            b'"thinking":{"type":"enabled","budget_tokens":4000}',
            8192,
            b'"thinking":{"type":"enabled","budget_tokens":4000}',
            "",
        ),
        (b'"thinking":{"type":"adaptive"}', 8192, b'"thinking":{"type":"adaptive"}', ""),
        (b'"thinking":7', 8192, b'"thinking":7', ""),
    ],
)
def test_a_budget_for_thinking(budget: bytes, cap: int, sent: bytes, named: str) -> None:
    """It stays below the maximum and above what Anthropic asks for at least; where it can't, nothing is thought."""
    told, lowered = capped(fields(b'"a":1,"max_tokens":32000,' + budget), cap)
    assert fields(b'"a":1,"max_tokens":%d,' % cap + sent) == told
    assert tuple(filter(None, ("max_tokens", named))) == lowered


CHAT: DialectName = "openai_chat"
MESSAGES: DialectName = "anthropic_messages"
THINKS = b'"thinking":{"type":"enabled","budget_tokens":31999}'


def test_in_the_clients_words_through_a_translation() -> None:
    """What was lowered is named as the client wrote it; a budget that became an effort was not lowered."""
    said = b'{"model":"m","messages":[{"role":"user","content":"Hi"}],"max_completion_tokens":32000,%s}' % THINKS
    asked = openai_chat.read_request(said, output_bound=7, inline_tokens=1)
    made = translations(asked, CHAT, (MESSAGES,))
    assert ("max_completion_tokens", "thinking.budget_tokens") == made.lowered(asked, MESSAGES, cap=8_192)
    sent = made.asked(asked, MESSAGES, of_openai=False, most=8_192, cap=8_192).fields
    assert (b"8192", b'{"type":"enabled","budget_tokens":6144}') == (bytes(sent["max_tokens"]), bytes(sent["thinking"]))
    said = b'{"model":"m","messages":[{"role":"user","content":"Hi"}],"max_tokens":32000,%s}' % THINKS
    asked = anthropic_messages.read_request(said, output_bound=7, inline_tokens=1)
    made = translations(asked, MESSAGES, (CHAT,))
    assert ("max_tokens",) == made.lowered(asked, CHAT, cap=8_192)
    sent = made.asked(asked, CHAT, of_openai=True, most=0, cap=8_192).fields
    assert (b"8192", b'"high"') == (
        bytes(sent["max_completion_tokens"]),
        bytes(sent["reasoning_effort"]),
    )


def test_as_it_came() -> None:
    """A request within what the model gives keeps its bytes; a maximum that nobody named is the cap, and not named."""
    said = b'{"model":"m","messages":[{"role":"user","content":"Hi"}]}'
    asked = openai_chat.read_request(said, output_bound=4_096, inline_tokens=1)
    made = translations(asked, CHAT, (MESSAGES,))
    assert asked is made.asked(asked, "", of_openai=False, most=0, cap=1_000)
    assert () == made.lowered(asked, MESSAGES, cap=1_000)
    sent = made.asked(asked, MESSAGES, of_openai=False, most=1_000, cap=1_000).fields
    assert b"1000" == bytes(sent["max_tokens"])


@pytest.mark.parametrize(
    ("members", "asked", "answers"),
    [
        (b'"prompt":"Hi","max_tokens":5,"n":2,"best_of":3', 15, 3),
        (b'"prompt":["Hi","Ho"]', 0, 2),
        (b'"prompt":"Hi","max_tokens":0', 0, 1),
    ],
)
def test_what_a_completion_asks_for(members: bytes, asked: int, answers: int) -> None:
    """Its API's own maximum is not the client's; what `best_of` throws away is generated too."""
    request = openai_other.read_completions(b'{"model":"m",%s}' % members, output_bound=7, inline_tokens=1)
    assert (asked, answers) == (request.output_asked, request.answers)


def test_what_the_others_ask_for() -> None:
    """The client's own maximum, of all answers together; absent where it names none."""
    chat, said = openai_chat.read_request, b'{"model":"m","messages":[],"n":3%s}'
    assert (0, 21, 3) == ((it := chat(said % b"", output_bound=7, inline_tokens=1)).output_asked, it.output_bound, 3)
    assert 15 == chat(said % b',"max_tokens":5', output_bound=7, inline_tokens=1).output_asked
    messages = b'{"model":"m","messages":[]%s}'
    for members, expected in ((b"", 0), (b',"max_tokens":5', 5), (b',"max_tokens":0', 0)):
        asked = anthropic_messages.read_request(messages % members, output_bound=7, inline_tokens=1)
        assert expected == asked.output_asked
    for members, expected in ((b"", 0), (b',"max_output_tokens":5', 5)):
        body = b'{"model":"m","input":"Hi"%s}' % members
        assert expected == openai_responses.read_request(body, output_bound=7, inline_tokens=1).output_asked
