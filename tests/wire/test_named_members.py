"""A token of tf's in a member that names something."""

import pytest

from tokens_forge.core.errors import RequestError
from tokens_forge.wire.request import members

TOKEN = b"sk-tf-0123456789abcdef"


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b'{"model":"%s"}', "`model`"),
        (b'{"models":["a","%s"]}', "`models`"),
        (b'{"fallbacks":[{"model":"%s"}]}', "`fallbacks`"),
        (b'{"metadata":{"a":{"b":"\\u002d%s"}}}', "`metadata`"),
        (b'{"prompt":{"id":"%s"}}', "`prompt`"),
        (b'{"%s":1}', "a member's name"),
    ],
)
def test_it_is_refused_by_its_place(body: bytes, where: str) -> None:
    """What is named may be written down, shown or sent on."""
    with pytest.raises(RequestError, match="holds a key of tf") as raised:
        members(body % TOKEN)
    assert (400, "misplaced_key", True) == (
        raised.value.status,
        raised.value.code,
        raised.value.message.startswith(where),
    )
    assert TOKEN.decode() not in raised.value.message


@pytest.mark.parametrize(
    "body",
    [
        b'{"messages":"%s","input":"%s","prompt":"%s"}' % (TOKEN, TOKEN, TOKEN),
        b'{"prompt":{"id":"a","variables":{"a":"%s"}}}' % TOKEN,
        b'{"model":"a\\n","prompt":["%s"]}' % TOKEN,
        b'{"metadata":{"a":1e999,"b":"\\u0073k-tf-"}}',
    ],
)
def test_what_a_model_reads_is_not_looked_into(body: bytes) -> None:
    """A prompt's text is the client's own affair."""
    assert members(body)
