"""Models whose end is announced, and that nothing a newcomer reads leads to one."""

import re
from datetime import date
from pathlib import Path

import pytest

from tokens_forge.core.model_ends import ENDS, FLAGSHIP, SMALL, end_of, ends_listed, told

ROOT = Path(__file__).parents[2]
READ = ("README.md", "config.example.toml", "src/tokens_forge/files/first_config.py", "src/tokens_forge/proxy/demo.py")
COMMANDS = tuple(str(path.relative_to(ROOT)) for path in (ROOT / "src/tokens_forge/cli").glob("*.py"))


@pytest.mark.parametrize(
    ("model", "instead"),
    [
        ("gpt-5", "gpt-6.1-sol"),
        ("gpt-5-2025-08-07", "gpt-6.1-sol"),
        ("gpt-5-mini", "gpt-6.1-terra"),
        ("gpt-5-nano-2025-08-07", "gpt-6-luna"),
    ],
)
def test_gpt_5_ends(model: str, instead: str) -> None:
    """OpenAI announced it on 2026-06-11, snapshots too."""
    end = end_of("openai", model)
    assert end is not None
    assert (date(2026, 12, 11), instead) == (end.on, end.instead)


def test_others_live() -> None:
    """A longer name is another model, and another provider has dates of its own."""
    for model in (FLAGSHIP, SMALL, "gpt-5.2", "gpt-5-search-api"):
        assert None is end_of("openai", model)
    assert None is end_of("openrouter", "gpt-5")
    assert end_of("anthropic", "claude-opus-4-5-20251101") is not None


def test_what_is_said_of_an_end() -> None:
    """Its day, what to use, who says so; of one that is over that it was."""
    first, none = ENDS[0], next(end for end in ENDS if not end.instead)
    assert (
        "`gpt-5` ends on 2026-12-11 at openai; gpt-6.1-sol is recommended instead "
        "(developers.openai.com/api/docs/deprecations, read 2026-11-30)"
    ) == told(first, "gpt-5", date(2026, 12, 10))
    assert told(first, "gpt-5", date(2026, 12, 11)).startswith("`gpt-5` ended on 2026-12-11")
    assert "instead" not in told(none, "x", date(2026, 12, 1))


@pytest.mark.parametrize("file", [*READ, *COMMANDS])
def test_what_a_newcomer_reads_names_models_that_live(file: str) -> None:
    """None that ends this year, by its own name; the names in use stand in one place."""
    names = [
        re.escape(model) for end in ENDS if end.on.year == min(end.on.year for end in ENDS) for model in end.models
    ]
    found = re.findall(rf"(?<![\w.-])(?:relay-)?(?:{'|'.join(names)})(?![\w.*-])", (ROOT / file).read_text())
    assert [] == found


def test_what_an_upstream_lists() -> None:
    """By OpenAI's `shutdown_date`, or a relay's `deprecation_date`; null, another form and no list say nothing."""
    listed = (
        b'{"data":[{"id":"a","shutdown_date":"2026-12-11"},{"id":"b","shutdown_date":null},{"id":"c"},'
        b'{"id":"d","deprecation_date":"2027-01-14T00:00:00Z"},{"id":"e","shutdown_date":"soon"}]}'
    )
    assert {"a": date(2026, 12, 11), "d": date(2027, 1, 14)} == ends_listed(listed)
    for other in (b"{}", b"[]", b"no", b'{"data":[{"id":7}]}', b"\xff"):
        assert {} == ends_listed(other)
