"""The table of dialects."""

import pytest

from tokens_forge.wire.dialects import BY_PATH, OPENAI_CHAT, is_unmetered


def test_a_path_is_a_dialect() -> None:
    """What clients may call is found by its path."""
    assert OPENAI_CHAT is BY_PATH["/v1/chat/completions"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/embeddings", True),
        ("/v1/audio/speech", True),
        ("/v1/messages/count_tokens", True),
        ("/v1/filesystem", False),
        ("/v1/chat/completions", False),
        ("/health", False),
    ],
)
def test_there_is_no_unmetered_path(path: str, expected: bool) -> None:
    """CASES 34: an endpoint that can't be metered is known and refused; others do not exist."""
    assert expected == is_unmetered(path)
