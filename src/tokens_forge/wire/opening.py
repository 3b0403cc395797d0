"""The events by which a stream opens: they say that an answer begins, and nothing of it.

Decides until when another candidate can still answer in its stead. A client has then been told nothing that the next
one would not tell it as well. Only the first events of a stream are looked at, so each is read anew, with all that it
holds: a member that nobody here knows (sound, pictures) may be the answer.

Sources, read 2026-11: OpenAI API reference ("The chat completion chunk object", "Streaming events" of responses);
Azure OpenAI, "Content streaming" (a first chunk of `prompt_filter_results` and no choice); the Codex backend's
`keepalive`; Anthropic, "Streaming messages".
"""

from collections.abc import Iterator

import msgspec

from tokens_forge.wire.request import NULL, UNREADABLE, Fields, object_or_none
from tokens_forge.wire.usage_objects import given

_EMPTY = frozenset({b"", b"null", b'""', b"[]", b"{}"})

_RESPONSES = frozenset({"response.created", "response.queued", "response.in_progress", "keepalive"})
_OF_CHOICE = ("delta", "message")

_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


def opens_chat(data: bytes) -> bool:
    """Say whether a chunk of a chat, or of a legacy completion, says nothing: a role, or no choice at all."""
    chunk = object_or_none(data) or {}
    choices = list(_objects(chunk.get("choices", NULL)))
    if not choices:
        return not given(chunk.get("usage"))
    return all(_opens_choice(choice) for choice in choices)


def opens_messages(kind: str, data: bytes) -> bool:
    """Say whether an event of a message is its start, without a block in it."""
    return kind == "message_start" and _is_empty(_member(object_or_none(data), "message").get("content", NULL))


def opens_responses(kind: str, data: bytes) -> bool:
    """Say whether an event of a response says that it goes on, without an item in it."""
    return kind in _RESPONSES and _is_empty(_member(object_or_none(data), "response").get("output", NULL))


def _opens_choice(choice: Fields) -> bool:
    if given(choice.get("finish_reason")) or not _is_empty(choice.get("text", NULL)):
        return False
    said = (_member(choice, name) for name in _OF_CHOICE)
    return all(name == "role" or _is_empty(raw) for one in said for name, raw in one.items())


def _is_empty(raw: msgspec.Raw) -> bool:
    return bytes(raw) in _EMPTY


def _member(told: Fields | None, name: str) -> Fields:
    return object_or_none((told or {}).get(name, NULL)) or {}


def _objects(raw: msgspec.Raw) -> Iterator[Fields]:
    try:
        items = _decode_list(raw)
    except UNREADABLE:
        return
    yield from (object_or_none(item) or {} for item in items)
