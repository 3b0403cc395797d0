"""By which digests a request's conversation is found: what of its messages counts, and what its client calls it."""

import msgspec
import pytest

from tokens_forge.wire.conversation import ANSWERED, PREFIXES, kept_marks, marks, read_items, read_messages, sessions
from tokens_forge.wire.openai_responses import read_request
from tokens_forge.wire.request import NO_MARKS, Fields, Marks


def raws(data: bytes) -> list[msgspec.Raw]:
    """Return the messages of a list of JSON."""
    return msgspec.json.decode(data, type=list[msgspec.Raw])


def said(data: bytes, opening: bytes = b"o") -> Marks:
    """Return the marks of messages."""
    return marks(opening, (), read_messages(raws(b"[%s]" % data)))


def items(data: bytes) -> Marks:
    """Return the marks of items."""
    return marks(b"o", (), read_items(raws(b"[%s]" % data)))


HI = b'{"role":"user","content":"hi"}'
HO = b'{"role":"assistant","content":"ho"}'
GO = b'{"role":"user","content":"go"}'


def test_each_beginning_that_a_model_was_asked_with() -> None:
    """All of it, and what comes before an answer; two messages of the model are one answer, and a first one is none."""
    first = said(HI)
    assert 1 == len(first.prefixes)
    second = said(b",".join((HI, HO, GO)))
    assert first.prefixes == second.prefixes[1:]
    third = said(b",".join((HI, HO, GO, HO, HO, HI)))
    assert second.prefixes == third.prefixes[1:]
    assert 1 == len(said(HO).prefixes)
    assert PREFIXES == len(said(b",".join((HI, HO) * 9)).prefixes)
    assert NO_MARKS == said(b"")
    assert first.prefixes != marks(b"o", raws(b'["s"]'), read_messages(raws(b"[%s]" % HI))).prefixes


def test_questions_that_were_answered() -> None:
    """Of a question its first paragraph, with the opening; one that is open is not among them."""
    asked = said(HI)
    assert ((), 16) == (asked.answered, len(asked.question))
    assert asked.question == said(HI.replace(b'hi"', b'hi\\n\\nHeed the rules."')).question
    assert asked.question != said(HI, opening=b"another").question
    both = said(b",".join((HI, HO, GO, HO, HO)))
    assert (asked.question, said(GO).question) == both.answered
    assert said(GO).question == both.question
    tools = b'{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"x"}]}'
    assert (asked.question,) == said(b",".join((HI, HO, tools, HO, tools))).answered
    many = b",".join(b'{"role":"user","content":"%d"},%s' % (n, HO) for n in range(9))
    assert ANSWERED == len(said(many).answered)
    assert b"" == said(HO).question == said(b'{"role":"user"}').question


SAME = [
    (HI, b'{"content":[{"text":"hi","type":"text","cache_control":{"type":"ephemeral"}}],"role":"user"}'),
    (HI, b'{"role":"user","content":[{"type":"text","text":"<system-reminder>x"},{"type":"text","text":"hi"}]}'),
    (HO, b'{"role":"assistant","content":"ho","reasoning_content":"hm"}'),
    (
        b'{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{}}]}',
        b'{"role":"assistant","content":[{"type":"thinking","thinking":"hm"},{"type":"tool_use","name":"f","input":{}}]}',
    ),
]
OTHER = [
    (HI, GO),
    (HI, b'{"role":"system","content":"hi"}'),
    (b'{"role":"tool","tool_call_id":"a","content":"x"}', b'{"role":"tool","tool_call_id":"b","content":"x"}'),
    (
        b'{"role":"assistant","content":null,"tool_calls":[{"id":"a"}]}',
        b'{"role":"assistant","content":null,"tool_calls":[{"id":"b"}]}',
    ),
    (b"1", b"2"),
    (b'{"role":"user","content":1}', b'{"role":"user","content":2}'),
    (
        b'{"role":"user","content":[{"type":"text","text":"<system-reminder>x"}]}',
        b'{"role":"user","content":[{"type":"text","text":"<system-reminder>y"}]}',
    ),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_does_not_count(one: bytes, other: bytes) -> None:
    """How it is written, what moves on with every turn, and what the model thought."""
    assert said(one) == said(other)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_what_counts(one: bytes, other: bytes) -> None:
    """What was said, by whom, and what was called; also what can't be read."""
    assert said(one).prefixes != said(other).prefixes


def test_items_of_responses() -> None:
    """A text is an item of the user; thoughts and ids are left out; what is called is the model's."""
    text = items(b'"hi"')
    assert text == items(b'{"role":"user","content":"hi"}') == items(b'{"role":"user","content":[{"text":"hi"}]}')
    assert text == items(b'{"role":"user","content":"hi"},{"type":"reasoning","id":"rs"}')
    call, result = b'{"type":"function_call","call_id":"a"}', b'{"type":"function_call_output","call_id":"a"}'
    tools = items(b",".join((b'"hi"', call, result)))
    assert text.prefixes == tools.prefixes[1:]
    assert (text.question,) == tools.answered
    assert tools == items(b",".join((b'"hi"', call[:-1] + b',"id":"fc","status":"completed"}', result)))
    assert items(b"1").prefixes != items(b"2").prefixes


def test_what_an_upstream_keeps_comes_before_what_is_new() -> None:
    """Two chains may go on with the same word; what a prompt has comes before it too."""
    one, two = kept_marks("r1", raws(b"[%s]" % HI)), kept_marks("r2", raws(b"[%s]" % HI))
    assert one != two
    assert ((), b"") == (one.answered, one.question)
    body = b'{"model":"m","input":"hi","previous_response_id":"r1"}'
    assert kept_marks("r1", raws(b'["hi"]')) == read_request(body, output_bound=9, inline_tokens=9).marks
    prompts = (b'{"model":"m","input":"hi","prompt":{"id":"%s"}}' % name for name in (b"a", b"b"))
    first, second = (read_request(body, output_bound=9, inline_tokens=9).marks for body in prompts)
    assert first.prefixes != second.prefixes


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({}, b"{}", ()),
        ({"session-id": "s"}, b'{"prompt_cache_key":"k"}', ("k", "s")),
        ({"session-id": "s", "thread-id": "t"}, b'{"prompt_cache_key":"t"}', ("t",)),
        ({"x-claude-code-session-id": "s", "x-claude-code-agent-id": "a"}, b"{}", ("s a",)),
        ({"x-claude-code-session-id": "s"}, b'{"metadata":{"user_id":"user_1_account__session_s"}}', ("s",)),
        ({}, b'{"metadata":{"user_id":"{\\"session_id\\":\\"s\\"}","session_id":"m"}}', ("m", "s")),
        ({}, b'{"metadata":{"user_id":"{no"}}', ()),
        ({}, b'{"metadata":{"user_id":"somebody"},"session_id":7}', ()),
        ({"session-id": "1", "session_id": "2", "x-session-id": "3", "x-task-id": "4"}, b"{}", ("1", "2", "3")),
    ],
)
def test_what_a_client_calls_its_session(headers: dict[str, str], body: bytes, expected: tuple[str, ...]) -> None:
    """The narrowest word first, each once: a thread's own word goes without the session that it shares."""
    assert expected == sessions(headers, msgspec.json.decode(body, type=Fields))
