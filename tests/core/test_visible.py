"""Control characters never reach a terminal raw."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokens_forge.core.visible import visible


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("relay-gpt-5 · 額度 €", "relay-gpt-5 · 額度 €"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\x9b2J", "\\x9b2J"),
        ("\u202egpt", "\\u202egpt"),
        ("a\u2028b", "a\\u2028b"),
        ("\udcff", "\\udcff"),
        ("a\u00a0b", "a\u00a0b"),
    ],
)
def test_a_control_character_becomes_its_escape(text: str, expected: str) -> None:
    """Controls, bidirectional overrides, separators and lone surrogates are escaped; other letters stay."""
    assert expected == visible(text)


def test_what_is_kept_stays_raw() -> None:
    """An error of several lines keeps its line feeds and nothing else."""
    expected = "a\nb\\x07"
    assert expected == visible("a\nb\x07", keep="\n")


@given(st.text())
def test_what_is_visible_can_be_printed(text: str) -> None:
    """Every text becomes one that encodes and holds no escape character."""
    assert "\x1b" not in visible(text).encode().decode()
