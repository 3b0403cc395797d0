"""Which known model is of another's family."""

import pytest

from tokens_forge.core.siblings import is_another, newest_sibling

KNOWN = (
    "gpt-5",
    "gpt-5.5",
    "gpt-5-mini",
    "gpt-5.4-mini",
    "gpt-5.4-nano",
    "gpt-5.4-pro",
    "gpt-6.1-sol",
    "gpt-6-sol",
    "gpt-6-luna",
    "gpt-4o-mini",
    "claude-opus-4-8",
    "claude-opus-5-5",
    "claude-sonnet-4-5-20250929",
    "claude-haiku-4-5",
    "gemini-2.5-flash",
    "gemini-3.8-flash",
    "gemini-3.5-flash-lite",
    "gemini-3.1-pro-preview",
    "grok-4.20",
    "grok-4.7",
    "grok-4-1-fast-reasoning",
    "kimi-k3",
    "llama-3.1-8b-instant",
    "llama-3.3-70b-versatile",
    "qwen3-max",
    "o3-mini",
    "mistral-large-2512",
    "gpt-image-1.5",
    "gpt-image-2",
    "gpt-5.4-image-2",
    "openai/gpt-5.4",
    "claude-3-opus",
)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-5.9-mini", "gpt-5.4-mini"),
        ("gpt-5.9", "gpt-5.5"),
        ("gpt-6.2-sol", "gpt-6.1-sol"),
        ("gpt-6.2-sol-2026-11-20", "gpt-6.1-sol"),
        ("openai/gpt-6.2-sol", "gpt-6.1-sol"),
        ("GPT-6.2-Sol", "gpt-6.1-sol"),
        ("claude-opus-4-9", "claude-opus-5-5"),
        ("claude-opus-6-20270101", "claude-opus-5-5"),
        ("claude-sonnet-6", "claude-sonnet-4-5-20250929"),
        ("gemini-3.9-flash", "gemini-3.8-flash"),
        ("gemini-4-flash-preview-0912", "gemini-3.8-flash"),
        ("gemini-4-pro", "gemini-3.1-pro-preview"),
        ("gemini-4-flash-lite-001", "gemini-3.5-flash-lite"),
        ("grok-5", "grok-4.7"),
        ("kimi-k4", "kimi-k3"),
        ("llama-4-70b-versatile", "llama-3.3-70b-versatile"),
        ("qwen4-max", "qwen3-max"),
        ("o5-mini", "o3-mini"),
        ("gpt-image-3", "gpt-image-2"),  # the family first, then the version
        ("gpt-5.9-image-3", "gpt-5.4-image-2"),
        ("azure/gpt-5.4", "openai/gpt-5.4"),  # the very model under another seller's name
        ("claude-2-opus", "claude-3-opus"),
    ],
)
def test_the_newest_of_the_same_words_and_size(model: str, expected: str) -> None:
    """Dates, `latest` and `preview` are no part of a family; the version alone may differ."""
    assert expected == newest_sibling(model, KNOWN)


@pytest.mark.parametrize(
    "model",
    [
        "gpt-6.2-nova",  # another size
        "gpt-5.9-mini-high",  # another word
        "gpt-5.9-micro",
        "claude-haiku-ultra-6",
        "llama-4-405b-versatile",
        "gpt-mini",  # no version: nothing says that it is another
        "relay-model",
        "7",
        "",
        "gpt-4o-nano",
        "gpt-6-luna-2",  # a version in two places
        "gpt-luna-6",  # in another place
    ],
)
def test_another_size_or_word_is_another_family(model: str) -> None:
    """A price of another size class is never taken."""
    assert None is newest_sibling(model, KNOWN)


@pytest.mark.parametrize(
    ("model", "known", "expected"),
    [
        ("gemini-3.8-flash-lite", "gemini-3.8-flash", True),
        ("gpt-5.9-mini", "gpt-5.9", True),
        ("claude-opus-4-10", "claude-opus-4-1", True),
        ("kimi-k2.5", "kimi-k2", True),
        ("kimi-k2.05", "kimi-k2", True),
        ("claude-opus-5.0", "claude-opus-5", False),
        ("claude-opus-4-1-20250805", "claude-opus-4-1", False),
        ("gpt-4o-mini-search-preview", "gpt-4o-mini", False),
        ("Gemini-3.8-Flash", "gemini-3.8-flash", False),
        ("relay-name", "gpt-5", False),
        ("anthropic/claude-opus-4.6-fast", "claude-opus-4-6", True),
        ("deepseek/deepseek-chat:free", "deepseek-chat", True),
        ("openai/gpt-5:nitro", "gpt-5", True),
        ("gpt-5:some-new-way", "gpt-5", True),
        ("claude-opus-4-6-thinking", "claude-opus-4-6", True),
        ("DeepSeek-R1-Distill-Llama-70B", "deepseek-reasoner", True),
        ("grok-4-fast", "grok-4-fast-reasoning", False),
        ("kimi-k2-thinking-0905", "kimi-k2-thinking", False),
        ("anthropic.claude-3-haiku-20240307-v1:0", "claude-3-haiku", False),
        ("ft:gpt-4o-mini:acme", "gpt-4o-mini", False),
    ],
)
def test_a_pattern_may_take_another_model(model: str, known: str, expected: bool) -> None:
    """What a pattern takes by the beginning of its name has not its price if its size, kind or version is another."""
    assert is_another(model, known) is expected
