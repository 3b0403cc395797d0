"""Where a tool's arguments end, in pieces."""

import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tokens_forge.wire.translate.object_end import ObjectEnd

NAMES = st.text('ab{}"\\')
JSON = st.recursive(
    st.none() | st.integers() | st.text('ab{}[]"\\ é😀'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=10,
)


def written(said: object, indent: int | None, *, ascii_only: bool) -> str:
    return json.dumps(said, indent=indent, ensure_ascii=ascii_only)


TEXTS = st.builds(
    written, st.dictionaries(NAMES, JSON, max_size=3), st.sampled_from([None, 1]), ascii_only=st.booleans()
)


def reached(*pieces: str) -> bool:
    end = ObjectEnd()
    for piece in pieces:
        end.add(piece)
    return end.reached


def is_object(text: str) -> bool:
    try:
        msgspec.json.decode(text, type=dict[str, object])
    except msgspec.DecodeError:
        return False
    return True


@given(TEXTS, st.sampled_from(["", " ", "\n\t"]))
def test_it_ends_with_its_last_brace(text: str, blanks: str) -> None:
    """However it is cut: not before, then, and still after blanks."""
    for cut in range(0, len(text), 1 + len(text) // 10):
        assert not reached(text[:cut])
        assert reached(text[:cut], text[cut:], blanks)
    assert reached(*text, *blanks)


@given(st.text('ab1{}[]"\\:, \n'))
def test_every_object_is_found(text: str) -> None:
    """What the reader takes for an object has ended; of the rest some has, which the reader then turns down."""
    assert reached(*text) or not is_object(text)
    assert reached(*text) == reached(text)


def test_what_follows_spoils_it() -> None:
    """Two objects are none, and a brace too many is none whatever comes."""
    for pieces in (("{}", "{}"), ("{} x",), ("}", "{}", "{"), ("[{}]",)):
        assert not reached(*pieces)
