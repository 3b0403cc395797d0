"""Gemini's own API: which paths are its, and how it writes errors."""

import msgspec
import pytest

from tokens_forge.wire.gemini import error_body, error_event, is_gemini


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1beta/models", True),
        ("/v1beta/models/gemini-3:generateContent", True),
        ("/v1alpha/cachedContents", True),
        ("/v1internal:streamGenerateContent", True),
        ("/v1beta1/projects/p/locations/l/publishers/google/models/g:predict", True),
        ("/v1/projects/p/locations/l/publishers/anthropic/models/c:rawPredict", True),
        ("/v1/models/gemini-3:streamGenerateContent", True),
        ("/v1/models/gemini-3:countTokens", True),
        ("/upload/v1beta/files", True),
        ("/v1beta/openai/chat/completions", False),
        ("/v1beta/openai", False),
        ("/v1/models/llama3:latest", False),
        ("/v1/models/gemini-3", False),
        ("/v1/projects", False),
        ("/v1/chat/completions", False),
    ],
)
def test_its_paths(path: str, expected: bool) -> None:
    """Of every version, and as Vertex has it; its OpenAI endpoint is another thing."""
    assert (expected, expected) == (is_gemini(path), is_gemini(path.lower()))


@pytest.mark.parametrize(
    ("status", "word"), [(401, "UNAUTHENTICATED"), (405, "INVALID_ARGUMENT"), (501, "UNIMPLEMENTED"), (507, "INTERNAL")]
)
def test_an_error(status: int, word: str) -> None:
    """Its code is a number; our word stands in the details."""
    body = error_body(status=status, code="not_metered", message="No.")
    error = msgspec.json.decode(body)["error"]
    assert (status, word, "No.", "NOT_METERED") == (
        error["code"],
        error["status"],
        error["message"],
        error["details"][0]["reason"],
    )
    assert b"data: %s\n\n" % body == error_event(status=status, code="not_metered", message="No.")
