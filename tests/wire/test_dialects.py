"""The table of dialects."""

import pytest
from goldens import goldens

from tokens_forge.core.config import Upstream
from tokens_forge.core.dialects import METERED_PATHS, DialectName, dialect_out
from tokens_forge.wire.dialects import (
    ANTHROPIC,
    ANTHROPIC_MESSAGES,
    BY_PATH,
    DIALECTS,
    GOOGLE,
    OPENAI,
    OPENAI_CHAT,
    RESPONSES,
    TRANSLATIONS,
    Family,
    family_of,
    is_unmetered,
    not_served,
)
from tokens_forge.wire.sse import Splitter


def test_a_path_is_a_dialect() -> None:
    """What clients may call is found by its path, below one root, whatever an upstream's base URL holds."""
    assert OPENAI_CHAT is BY_PATH["/v1/chat/completions"]
    assert {path.removeprefix("/v1") for path in BY_PATH} == {path.removeprefix("/v1") for path in METERED_PATHS}
    assert {path for path in BY_PATH if is_unmetered(path)} == set()


BODY = (
    b'{"model":"m","stream":true,"max_tokens":5,"input":"Hi","prompt":"Hi","messages":[{"role":"user","content":"Hi"}]}'
)


@pytest.mark.parametrize("name", ["openai_chat", "openai_completions", "openai_responses", "anthropic_messages"])
def test_a_dialect_reads_and_meters_its_own(name: DialectName) -> None:
    """The row of the table joins a reader, a writer and a meter of the same dialect."""
    dialect = DIALECTS[name]
    request = dialect.read_request(BODY, output_bound=5, inline_tokens=5)
    assert ("m", True, b'"n"') == (
        request.model,
        request.stream,
        bytes(dialect.upstream_fields(request, model="n", inject_usage=True)["model"]),
    )
    streamed = next(it for it in goldens(name) if it.streamed and not it.broken and it.usage)
    meter, splitter = dialect.meter(request, True), Splitter(1_000_000)
    for event in (*splitter.feed(streamed.data), *splitter.close()):
        meter.feed(event)
    assert meter.reading is not None
    assert (dict(streamed.usage), True) == (dict(meter.reading.usage), meter.complete)


def test_every_translation_has_its_pair() -> None:
    """What routing takes for speakable can be spoken: each pair of the table in core has a translator."""
    upstreams = [
        Upstream(dialect=kind, base_url="https://x.example", credential="none") for kind in ("openai", "anthropic")
    ]
    pairs = {
        (name, spoken) for name in DIALECTS for it in upstreams if (spoken := dialect_out(name, it)) not in {None, name}
    }
    assert pairs == set(TRANSLATIONS)


def test_whose_sdk_reads_an_error() -> None:
    """Also where nothing is: the SDK that called reads it."""
    families = [family_of(path) for path in ("/v1/messages/x", "/v1/responses", "/v1/chat/completions", "/nothing")]
    assert [ANTHROPIC, RESPONSES, OPENAI, OPENAI] == families
    below = ("/v1/complete", "/v1/responses/r/cancel", "/v1/chat/completions/c", "/v1beta/models/g:generateContent")
    assert [ANTHROPIC, RESPONSES, OPENAI, GOOGLE] == [family_of(path) for path in below]


@pytest.mark.parametrize(
    ("header", "family"),
    [
        ("anthropic-version", ANTHROPIC),
        ("x-api-key", ANTHROPIC),
        ("x-goog-api-key", GOOGLE),
        ("authorization", OPENAI),
    ],
)
def test_a_header_says_who_asks_for_what_all_have(header: str, family: Family) -> None:
    """Models are everybody's; what is one provider's alone is read by its own SDK, whatever is sent with it."""
    assert family is family_of("/v1/models/m", {header: "a"})
    assert (OPENAI, RESPONSES) == (
        family_of("/v1/chat/completions", {header: "a"}),
        family_of("/v1/responses/r", {header: "a"}),
    )


@pytest.mark.parametrize(
    ("path", "family", "expected"),
    [
        ("/v1/videos/v1", OPENAI, "not_metered"),
        ("/v1/organization/usage/completions", OPENAI, "not_served"),
        ("/v1/chatkit/sessions", OPENAI, "not_served"),
        ("/v1/models", GOOGLE, "not_metered"),
        ("/v1/models", OPENAI, ""),
        ("/v1/chats", OPENAI, ""),
    ],
)
def test_what_is_not_served_has_a_reason(path: str, family: Family, expected: str) -> None:
    """What providers have beside; a path that nobody has is none of it."""
    refusal = not_served(path, family)
    assert expected == (refusal[0] if refusal else "")
    assert refusal is None or refusal[1]


def test_headers_of_a_dialect() -> None:
    """A client's own word goes before ours, and a login's before both; what is empty is not sent."""
    assert {"anthropic-version": "2023-06-01"} == ANTHROPIC_MESSAGES.sent_headers({}, {})
    own = ANTHROPIC_MESSAGES.sent_headers({"anthropic-version": "1", "anthropic-beta": "b"}, {"x-api-key": "k"})
    assert {"anthropic-version": "1", "anthropic-beta": "b", "x-api-key": "k"} == own


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/batches", True),
        ("/v1/audio/speech", True),
        ("/v1/messages/batches/b1", True),
        ("/v1/messages/count_tokens", False),
        ("/v1/filesystem", False),
        ("/v1/chat/completions", False),
        ("/health", False),
    ],
)
def test_there_is_no_unmetered_path(path: str, expected: bool) -> None:
    """CASES 34: an endpoint that can't be metered is known and refused; others do not exist."""
    assert expected == is_unmetered(path)
