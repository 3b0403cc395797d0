"""Thinking that a translated answer gave to a Messages client, taken out again for the model that has real signatures.

A conversation may move from a chat upstream to Anthropic in its middle. Anthropic refuses a block of thinking whose
signature is not its own, and the signatures of `messages_chat_reply.py` only say where the thinking goes back to. So
those blocks, and nothing else, are left out there; the bytes of a conversation without them are not touched.
"""

import re

import msgspec

from tokens_forge.wire.request import UNREADABLE, Fields
from tokens_forge.wire.translate.chat_answers import REASONING_MEMBERS
from tokens_forge.wire.translate.messages_chat_request import EXTRA_CONTENT

# Only a block of thinking has such a member at its top; that it is one is looked at once the cheap search found it.
_OURS = re.compile(
    rb'"signature"\s{0,8}:\s{0,8}"(?:%s)"|"signature"\s{0,8}:\s{0,8}"%s'
    % ("|".join(REASONING_MEMBERS).encode(), EXTRA_CONTENT.encode())
)


def without_our_thinking(fields: Fields) -> Fields:
    """Return the members of a request without the blocks of thinking that only this proxy signed."""
    messages = fields.get("messages")
    if messages is None or _OURS.search(memoryview(messages)) is None:
        return fields
    kept = [_message(message) for message in _decode_list(messages)]
    return fields | {"messages": msgspec.Raw(msgspec.json.encode(kept))}


class _Block(msgspec.Struct):
    type: str = ""
    signature: str = ""


_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_members = msgspec.json.Decoder(Fields).decode
_decode_block = msgspec.json.Decoder(_Block).decode


def _message(message: msgspec.Raw) -> msgspec.Raw | Fields:
    """Return a message without such blocks; one that is no object, or has no list of blocks, stays as it is."""
    try:
        members = _decode_members(message)
        blocks = _decode_list(members["content"])
    except (*UNREADABLE, KeyError):
        return message
    kept = [block for block in blocks if not _is_ours(block)]
    if len(kept) == len(blocks):
        return message
    return members | {"content": msgspec.Raw(msgspec.json.encode(kept))}


def _is_ours(block: msgspec.Raw) -> bool:
    try:
        told = _decode_block(block)
    except UNREADABLE:
        return False
    return told.type == "thinking" and (told.signature in REASONING_MEMBERS or told.signature.startswith(EXTRA_CONTENT))
