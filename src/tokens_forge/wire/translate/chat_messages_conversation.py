"""The messages of a chat, written as Anthropic's: the system's texts apart, the rest as turns that alternate.

Decides where each message and part of one goes, which parts can't be said there, and what of a message is dropped.
Texts and images are moved as the bytes they came in.

Sources, read 2026-11: the message types of OpenAI's Python library 3.54.0 and of Anthropic's 2.13.0 (`MessageParam`,
`ContentBlockParam`, `ToolResultBlockParam`); Anthropic's docs "OpenAI SDK compatibility" (system and developer messages
are hoisted), "Vision" and "PDF support" (media types), "Messages" (empty texts are refused; `tool_use.id`).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import cast

import msgspec

from tokens_forge.wire.request import NULL, Fields, is_text
from tokens_forge.wire.translate import messages_blocks
from tokens_forge.wire.translate.members import (
    Dropped,
    Json,
    object_in,
    objects_in,
    objects_of,
    text_in,
    word_in,
)
from tokens_forge.wire.translation import NotCarried


class Conversation:
    """The messages so far: the system's texts apart, the rest as turns that alternate."""

    def __init__(self, dropped: Dropped) -> None:
        self.system: list[Json] = []
        self.turns: list[dict[str, object]] = []
        self._dropped = dropped
        self._blocks: list[Json] = []
        self._calls = 0
        self._called: dict[str, str] = {}
        """The id made for the last call of each function, for the legacy messages that name no id."""

    def add(self, message: Fields, path: str) -> None:
        """Add a message of the request."""
        role = word_in(message, "role", path)
        match role:
            case "system" | "developer":
                self.system += cached(message, self._parts(message, path, _TEXTS))
            case "user":
                self._say("user", cached(message, self._parts(message, path, _USER_PARTS)))
            case "assistant":
                self._say("assistant", cached(message, self._assistant(message, path)))
            case "tool":
                self._say("user", cached(message, [self._result(message, path)]))
            case "function":
                self._say("user", cached(message, [self._legacy_result(message, path)]))
            case _:
                raise NotCarried(f"{path}.role", "Messages knows no such role")
        self._dropped.add_unread(message, _MESSAGE_MEMBERS[role], "messages", "[]")

    def mark(self) -> None:
        """Mark the ends of the system and of the conversation for the cache, unless the client has marked anything."""
        if any("cache_control" in block for blocks in self._all() for block in blocks):
            return
        for blocks in (self.system, self._blocks):
            if blocks:
                blocks[-1] = {**blocks[-1], "cache_control": _EPHEMERAL}

    def _all(self) -> Iterator[Iterable[Json]]:
        """Yield the rows of blocks: the system's, each turn's, and each result's within one."""
        yield self.system
        for turn in self.turns:
            blocks = cast("list[Json]", turn["content"])
            yield blocks
            yield from (cast("list[Json]", block.get("content", ())) for block in blocks)

    def _say(self, role: str, blocks: list[Json]) -> None:
        """Add what one side says to its turn: the two take turns. A message that says nothing is none."""
        if not blocks:
            return
        if not self.turns or self.turns[-1]["role"] != role:
            self._blocks = []
            self.turns.append({"role": role, "content": self._blocks})
        self._blocks += blocks

    def _parts(self, message: Fields, path: str, kinds: frozenset[str]) -> list[Json]:
        """Return a message's content as blocks; without its empty texts, which Messages refuses."""
        content, path = message.get("content", NULL), f"{path}.content"
        if content == NULL:
            return []
        if is_text(content):
            return [] if content == _EMPTY_TEXT else [{"type": "text", "text": content}]
        blocks: list[Json] = []
        for part, where in objects_of(content, path):
            kind = word_in(part, "type", where)
            if kind not in kinds:
                raise NotCarried(f"{where}.type", "a part of this kind can't be said there in Messages")
            blocks += cached(part, self._part(kind, part, where))
            self._dropped.add_unread(part, frozenset({"type", "cache_control", kind}), "messages", "[].content[]")
        return blocks

    def _part(self, kind: str, part: Fields, path: str) -> list[Json]:
        match kind:
            case "image_url":
                return [self._image(part, path)]
            case "file":
                return [self._document(part, path)]
            case _:
                said = text_in(part, kind, path)
                return [] if said == _EMPTY_TEXT else [{"type": "text", "text": said}]

    def _image(self, part: Fields, path: str) -> Json:
        image = object_in(part, "image_url", path)
        path = f"{path}.image_url"
        self._dropped.add_unread(image, frozenset({"url"}), "messages", "[].content[].image_url")
        return messages_blocks.image(text_in(image, "url", path), f"{path}.url")

    def _document(self, part: Fields, path: str) -> Json:
        file = object_in(part, "file", path)
        path = f"{path}.file"
        if "file_id" in file:
            raise NotCarried(f"{path}.file_id", "a file that another provider keeps can't be read by this one")
        self._dropped.add_unread(file, frozenset({"file_data", "filename"}), "messages", "[].content[].file")
        source = messages_blocks.pdf_source(text_in(file, "file_data", path), f"{path}.file_data")
        title = {"title": text_in(file, "filename", path)} if "filename" in file else {}
        return {"type": "document", "source": source, **title}

    def _assistant(self, message: Fields, path: str) -> list[Json]:
        if "audio" in message:
            raise NotCarried(f"{path}.audio", "a spoken answer that another provider keeps can't be heard by this one")
        blocks = self._parts(message, path, _ASSISTANT_PARTS)
        if message.get("refusal", _EMPTY_TEXT) != _EMPTY_TEXT:
            blocks.append({"type": "text", "text": text_in(message, "refusal", path)})
        blocks += [_call(call, where) for call, where in objects_in(message, "tool_calls", path)]
        if "function_call" in message:
            call = _function(object_in(message, "function_call", path), f"{path}.function_call")
            self._calls += 1
            made = f"call_{self._calls}"
            self._called[word_in(call, "name", f"{path}.function_call")] = made
            blocks.append({"type": "tool_use", "id": made, **call})
        return blocks

    def _result(self, message: Fields, path: str) -> Json:
        return _result(
            messages_blocks.call_id_in(message, "tool_call_id", path), self._parts(message, path, _USER_PARTS)
        )

    def _legacy_result(self, message: Fields, path: str) -> Json:
        made = self._called.get(word_in(message, "name", path))
        if made is None:
            raise NotCarried(f"{path}.name", "no message before it calls this function")
        return _result(made, self._parts(message, path, _TEXTS))


_EMPTY_TEXT = msgspec.Raw(b'""')

_EPHEMERAL: Json = {"type": "ephemeral"}
_TEXTS = frozenset({"text"})
_USER_PARTS = frozenset({"text", "image_url", "file"})
_ASSISTANT_PARTS = frozenset({"text", "refusal"})

_SPOKEN = frozenset({"role", "content", "cache_control"})
_MESSAGE_MEMBERS: Mapping[str, frozenset[str]] = {
    "system": _SPOKEN,
    "developer": _SPOKEN,
    "user": _SPOKEN,
    "assistant": _SPOKEN | {"refusal", "tool_calls", "function_call"},
    "tool": _SPOKEN | {"tool_call_id"},
    "function": _SPOKEN | {"name"},
}
"""What is read of a message, by its role. `reasoning_content` is not: it lacks the signature that thinking needs."""


def cached(marked: Fields, blocks: list[Json]) -> list[Json]:
    """Return the blocks of what may be marked for the cache, the last one with the mark."""
    if "cache_control" not in marked or not blocks:
        return blocks
    return [*blocks[:-1], {**blocks[-1], "cache_control": marked["cache_control"]}]


def _result(call_id: str, blocks: list[Json]) -> Json:
    return {"type": "tool_result", "tool_use_id": call_id} | ({"content": blocks} if blocks else {})


def _call(call: Fields, path: str) -> Json:
    """Return an assistant's tool call as a block."""
    if "type" in call and word_in(call, "type", path) != "function":
        raise NotCarried(f"{path}.type", "Messages knows calls of functions alone")
    function = _function(object_in(call, "function", path), f"{path}.function")
    return {"type": "tool_use", "id": messages_blocks.call_id_in(call, "id", path), **function}


def _function(given: Fields, path: str) -> Fields:
    """Return name and input of a call."""
    return {"name": text_in(given, "name", path), "input": messages_blocks.call_input(given, path)}
