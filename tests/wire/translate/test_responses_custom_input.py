"""The free text of a custom tool, out of sloppy JSON and sound."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokens_forge.wire.translate.responses_custom_input import FreeText

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
PIECES = st.sampled_from(
    ['{"input": "', "a", "\\", "u", "d83d", "\\ude00", '"', "}", "\n", "{", "é", "\\n", "input", "x" * 40]
)


def read(*pieces: str) -> str:
    reader = FreeText()
    return "".join([*map(reader.feed, pieces), reader.end()])


@given(TEXTS, st.booleans(), st.data())
def test_what_was_written_is_read(text: str, ascii_only: bool, data: st.DataObject) -> None:
    """However it is escaped and cut."""
    written = json.dumps({"input": text}, ensure_ascii=ascii_only)
    cut = data.draw(st.integers(0, len(written)))
    assert [text] * 3 == [read(written), read(written[:cut], written[cut:]), read(*written)]


@given(st.lists(PIECES, max_size=8))
def test_every_split_gives_the_same_text(pieces: list[str]) -> None:
    """Whatever it is; and it is text that can be sent."""
    text = read(*pieces)
    assert [text] * 2 == [read("".join(pieces)), read(*"".join(pieces))]
    text.encode()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ('{"input":"a\nb"}', "a\nb"),
        ('{"input":"a\\qb"}', "aqb"),
        ('{"input":"a\\uzb"}', "auzb"),
        ('{"input":"a\\ud83d b"}', "a\N{REPLACEMENT CHARACTER} b"),
        ('{"input":"a\\ud83d\\u0062"}', "a\N{REPLACEMENT CHARACTER}b"),
        ('{"input":"a", "more": 1}', "a"),
        ('{"input":"a\\', "a"),
        ('{"input":"a', "a"),
        ('{"more":1,"input":"a"}', "a"),
        ('{"more":"' + "x" * 80 + '","input":"a"}', "a"),
        ('"a\\n"', "a\n"),
        ("*** Begin Patch", "*** Begin Patch"),
        ("*" * 100, "*" * 100),
        ('{"input":5}', '{"input":5}'),
        ("", ""),
    ],
)
def test_sloppy_arguments_lose_nothing(arguments: str, text: str) -> None:
    assert [text] * 2 == [read(arguments), read(*arguments)]


def test_text_goes_out_as_soon_as_it_is_sure() -> None:
    reader = FreeText()
    pieces = ['{"input":', ' "a', "b\\", "nc\\ud8", "3d\\ude", '00d"', "}", "e"]
    assert ["", "a", "b", "\nc", "", "\N{GRINNING FACE}d", "", ""] == [reader.feed(piece) for piece in pieces]
