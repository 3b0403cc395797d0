"""Every table and key of a TOML text is found on its line, whatever stands around it."""

import tomllib
from typing import cast

import pytest

from tokens_forge.files.toml_lines import Path, dotted, element, line_of, lines

TRICKY = '''# [no.table]
top = 1
[x]   # a comment with = and [brackets]
text = """
[no]
key = "1" ""inside"" """
"quoted.name" = [1, # a comment, with ]
  { z = 1, y.w = "}" },
  [2, 3],
]
[x."y z".w]
inline = { d = 1, "e f" = [ { g = '#' } ] }
literal = \'\'\'
a\'b = 1
\'\'\'
[[t.u]]
k = 1
[[t.u]]
k = 2
[t.u.v]
escaped = "a\\\\"
e = 2026-01-01T00:00:00Z # end
[empty]
[x."y z"]
later = ""'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 2),
        (("x",), 3),
        (("x", "text"), 4),
        (("x", "quoted.name"), 7),
        (("x", "quoted.name", "[0]"), 7),
        (("x", "quoted.name", "[1]", "y", "w"), 8),
        (("x", "quoted.name", "[2]", "[1]"), 9),
        (("x", "y z"), 24),
        (("x", "y z", "w"), 11),
        (("x", "y z", "w", "inline", "e f", "[0]", "g"), 12),
        (("x", "y z", "w", "literal"), 13),
        (("t",), 16),
        (("t", "u"), 16),
        (("t", "u", "[0]", "k"), 17),
        (("t", "u", "[1]"), 18),
        (("t", "u", "[1]", "k"), 19),
        (("t", "u", "[1]", "v", "escaped"), 21),
        (("t", "u", "[1]", "v", "e"), 22),
        (("empty",), 23),
        (("x", "y z", "later"), 25),
    ],
)
def test_each_value_is_on_its_line(path: Path, line: int) -> None:
    """Comments, strings over lines, nested arrays and repeated tables do not confuse the lines."""
    assert line == lines(TRICKY)[path]


def test_what_is_found_is_what_the_parser_found() -> None:
    """The scanner names the same values as the standard parser, no more and no fewer."""
    assert _paths(tomllib.loads(TRICKY)) == set(lines(TRICKY))


def test_a_value_without_a_line_has_the_one_of_its_table() -> None:
    """A key that is missing is told where its table begins; what nothing is known of, at the first line."""
    found = lines("\n[a]\nb = 1\n")
    assert [2, 3, 3, 1] == [
        line_of(found, ("a", "missing")),
        line_of(found, ("a", "b")),
        line_of(found, ("a", "b", element(0))),
        line_of(found, ("missing",)),
    ]


def test_a_path_reads_as_toml() -> None:
    """Names are quoted where TOML needs it, and elements of arrays are left to the line."""
    expected = 'prices."gpt-5.1".input'
    assert expected == dotted(("prices", "gpt-5.1", element(0), "input"))


def _paths(value: object, path: Path = ()) -> set[Path]:
    found = {path} if path else set[Path]()
    if isinstance(value, dict):
        for name, part in cast("dict[str, object]", value).items():
            found |= _paths(part, (*path, name))
    elif isinstance(value, list):
        for index, part in enumerate(cast("list[object]", value)):
            found |= _paths(part, (*path, element(index)))
    return found
