"""How long a pattern of a list may search in a name."""

import re
import time

import pytest

from tokens_forge.files.catalog_data import bundled
from tokens_forge.files.catalog_patterns import LONGEST_NAME, MOST_IN_ALL, MOST_WAYS, ways


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("gpt-5", 1),
        (r"^gpt-5-\d{8}$", 1),
        ("gpt-5(-mini)?", 2),
        ("a(?:b|cd|e)f", 3),
        (r"[a-z]{1,64}", 64),
        (r"https://[^/]+\.api", LONGEST_NAME),
        ("(?!.*-tts)", LONGEST_NAME + 1),
        (r"(\d{4}-){2}", 1),
        ("a{0}", 1),
        ("(x)?(?(1)a|b)", 2),
    ],
)
def test_ways_are_counted(pattern: str, expected: int) -> None:
    """Repeats by how often, alternatives by how many, of what follows each other all pairs."""
    assert expected == ways(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "(a|aa)+$",
        "(a*)*b",
        "(?:a?){30}b",
        "(?:){99999}",
        "(?=(a+)+$)",
        "a?" * 20 + "a" * 20,
        "(a|aa)" * 20,
        ".*.*.*x",
    ],
)
def test_what_would_hang_is_more_than_most(pattern: str) -> None:
    """What repeats what repeats, or may be nothing, over and over, or leaves too much open."""
    assert ways(pattern) > MOST_WAYS


def test_the_most_that_is_taken_takes_no_time() -> None:
    """In the longest name, where nothing fits and all is tried."""
    pattern = ".*a.*b"
    assert ways(pattern) <= MOST_WAYS
    began = time.process_time()
    assert None is re.search(pattern, "a" * LONGEST_NAME)
    assert time.process_time() - began < 1


@pytest.mark.parametrize("pattern", ["(", "a{99999999999}"])
def test_what_is_no_pattern_is_told(pattern: str) -> None:
    """Python's own words."""
    with pytest.raises(ValueError, match=r"unterminated|too large"):
        ways(pattern)


def test_the_bundled_list_is_far_from_the_bounds() -> None:
    """So a newer one is taken too."""
    assert sum(ways(provider.api_pattern) for provider in bundled().providers) < MOST_IN_ALL / 10
