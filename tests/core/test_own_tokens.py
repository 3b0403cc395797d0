"""How a token of tf's is found in a text."""

import pytest

from tokens_forge.core.own_tokens import holds_token, without_tokens

TOKEN = "sk-tf-" + "aB3_-" * 8 + "xyz"


@pytest.mark.parametrize(
    "text",
    [
        TOKEN,
        f"http://127.0.0.1:8787/k/{TOKEN}/v1",
        TOKEN.upper(),
        f"my{TOKEN}",
        "sk-tf-x",
        TOKEN.replace("-", "%2D"),
        TOKEN.replace("s", "%73", 1),
        TOKEN.replace("-", "%252d"),
        TOKEN.replace("-", "%25252d"),
    ],
)
def test_a_token_is_found(text: str) -> None:
    """Whole or cut off, in any case, glued to a word, and percent-encoded, also more than once."""
    assert holds_token(text)


@pytest.mark.parametrize(
    "text", ["", "sk-proj-abc", "risk-tf-idf", "sk-tf-", "sk-tf-…", "100%", "100%25 sure", "%25252525"]
)
def test_what_is_no_token(text: str) -> None:
    """Another's key, a word that ends as the prefix begins, the masked form, and a sign of percent."""
    assert not holds_token(text)


def test_a_token_is_masked() -> None:
    """What is left says what stood there."""
    assert "a sk-tf-… b" == without_tokens(f"a {TOKEN} b")
