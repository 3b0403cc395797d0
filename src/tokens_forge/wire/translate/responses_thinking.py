"""A thinking block of Messages as the `encrypted_content` of a reasoning item, and back, exactly.

Messages wants the thinking of a tool loop given back as it was, with its signature, and Responses has one opaque text
for that. The text of the block is in it too: clients may leave out or join the summaries of a reasoning item, and a
block with other words than its signature's is refused. It is not encrypted, since nothing in it is a secret to the
client; it is written as base64 so that nobody reads more into it.

Source, read 2026-11: Anthropic docs "Thinking" (preserving thinking blocks, redacted blocks).
"""

from base64 import b64encode
from binascii import Error, a2b_base64

import msgspec

from tokens_forge.wire.request import UNREADABLE

_MARK = b"tf1."


class Thinking(msgspec.Struct, frozen=True, kw_only=True, tag="thinking"):
    """What the model thought."""

    thinking: str = ""
    signature: str = ""


class Redacted(msgspec.Struct, frozen=True, kw_only=True, tag="redacted_thinking"):
    """What the model thought, for its maker's eyes only."""

    data: str = ""


Thought = Thinking | Redacted

_decode = msgspec.json.Decoder(Thought).decode
_encode = msgspec.json.encode


def sealed(thought: Thought) -> str:
    """Return the `encrypted_content` that stands for a block."""
    return (_MARK + b64encode(_encode(thought))).decode()


def opened(content: str) -> Thought | None:
    """Return the block that an `encrypted_content` stands for; None when it was not made here."""
    marked = content.encode()
    if not marked.startswith(_MARK):
        return None
    try:
        return _decode(a2b_base64(marked[len(_MARK) :], strict_mode=True))
    except (Error, *UNREADABLE):
        return None
