"""A request in the dialects of its candidates."""

import pytest

from tokens_forge.core.dialects import DialectName
from tokens_forge.wire.dialects import DIALECTS
from tokens_forge.wire.openai_chat import read_request
from tokens_forge.wire.request import Request, encoded
from tokens_forge.wire.translations import MOST_DROPPED, MOST_PATH, translations

CHAT: DialectName = "openai_chat"
MESSAGES: DialectName = "anthropic_messages"
RESPONSES: DialectName = "openai_responses"


def asked(rest: bytes = b"") -> Request:
    body = b'{"model":"m","messages":[{"role":"user","content":"Hi"}]%s}' % rest
    return read_request(body, output_bound=7, inline_tokens=1)


def test_its_own_dialect_is_not_translated() -> None:
    """Nor what can't be asked; the request is sent as it came."""
    made = translations(asked(), CHAT, (CHAT, None, CHAT))
    assert ({}, {}, ()) == (made.made, made.uncarried, made.dropped(""))
    assert asked() == made.asked(asked(), "", of_openai=True, most=0)


def test_each_dialect_once() -> None:
    """What is sent has the other dialect's members, what is left out is named."""
    made = translations(asked(b',"seed":1'), CHAT, (MESSAGES, CHAT, MESSAGES))
    assert ("seed",) == made.dropped(MESSAGES)
    sent = b"".join(encoded(made.asked(asked(), MESSAGES, of_openai=False, most=0).fields))
    assert (b'"max_tokens":7' in sent, b"seed" in sent) == (True, False)


def test_openais_own_models_have_another_name_for_the_maximum() -> None:
    """Their newer models refuse `max_tokens`; what others take stays."""
    made = translations(asked(), CHAT, (MESSAGES,))
    fields = made.asked(asked(), MESSAGES, of_openai=True, most=0).fields
    assert (b"7", False) == (bytes(fields["max_completion_tokens"]), "max_tokens" in fields)


def test_a_maximum_that_nobody_named() -> None:
    """Messages must have one: it is what the model gives, so that no answer is cut at what was held for it."""
    made = translations(asked(), CHAT, (MESSAGES,))
    assert [b"32000", b"7"] == [
        bytes(made.asked(asked(), MESSAGES, of_openai=False, most=most).fields["max_tokens"]) for most in (32_000, 0)
    ]
    named = asked(b',"max_completion_tokens":5')
    bounded = translations(named, CHAT, (MESSAGES,))
    assert b"5" == bytes(bounded.asked(named, MESSAGES, of_openai=False, most=32_000).fields["max_tokens"])


@pytest.mark.parametrize("none", [b"-1", b"0"])
def test_no_maximum_is_passed_on(none: bytes) -> None:
    """CASES 68: a local server is asked as the client asks; Messages must have one, so it is what the model gives."""
    chat = b'{"model":"m","messages":[{"role":"user","content":"q"}],"max_tokens":%s}' % none
    responses = b'{"model":"m","input":"q","max_output_tokens":%s}' % none
    cases: list[tuple[DialectName, bytes, DialectName, bytes]] = [
        (CHAT, chat, MESSAGES, b"32000"),
        (RESPONSES, responses, MESSAGES, b"32000"),
        (RESPONSES, responses, CHAT, none),
    ]
    if none != b"0":  # in Messages it only fills the cache
        cases.append((MESSAGES, chat, CHAT, none))
    for name, body, spoken, sent in cases:
        request = DIALECTS[name].read_request(body, output_bound=4096, inline_tokens=1)
        made = translations(request, name, (spoken,)).asked(request, spoken, of_openai=False, most=32_000)
        assert (4096, 0, sent) == (request.output_bound, request.output_asked, bytes(made.fields["max_tokens"]))


def test_what_can_not_be_said() -> None:
    """Its path is told, no translation is made."""
    made = translations(asked(b',"logprobs":true'), CHAT, (MESSAGES,))
    assert ({MESSAGES: "logprobs"}, {}) == (made.uncarried, dict(made.made))


def test_names_that_a_client_made_up() -> None:
    """A header and a line of the ledger show them: no line ends, not too long, not too many."""
    many = b"".join(b',"z%d":1' % number for number in range(200))
    made = translations(asked(b',"a\\nb":1,"%s":1' % (b"x" * 5000) + many), CHAT, (MESSAGES,))
    dropped = made.dropped(MESSAGES)
    assert len(dropped) <= MOST_DROPPED
    assert max(map(len, dropped)) <= MOST_PATH
    assert all(path.isprintable() for path in dropped)


def test_marks_that_a_translation_sets() -> None:
    """What is asked to be cached there is what is sent there; a dialect without marks has none."""
    made = translations(asked(b',"prompt_cache_key":"k"'), CHAT, (MESSAGES,))
    assert ({MESSAGES: "5m"}, {}) == (made.caches, translations(asked(), CHAT, (MESSAGES,)).caches)


def test_only_what_was_translated_is_written_as_the_model_takes_it() -> None:
    """A client's own request in its own dialect, and any other dialect's, stays as it is."""
    request = asked(b',"temperature":0')
    said = translations(request, CHAT, (MESSAGES,))
    written = said.asked(request, MESSAGES, of_openai=False, most=9)
    assert ("temperature",) == said.unsuited(MESSAGES, "claude-opus-5")
    assert "temperature" not in said.as_taken(written, MESSAGES, "claude-opus-5").fields
    assert written == said.as_taken(written, MESSAGES, "claude-sonnet-4-6")
    for spoken, here in (("", said), (MESSAGES, translations(request, CHAT, ()))):
        assert () == here.unsuited(spoken, "claude-opus-5")
        assert request is here.as_taken(request, spoken, "claude-opus-5")
