"""The messages of a chat, written as Anthropic's: the system's texts apart, the rest as turns that alternate.

Decides where each message and part of one goes, which parts can't be said there, and what of a message is dropped.
Texts and images are moved as the bytes they came in.

Sources, read 2026-11: the message types of OpenAI's Python library 3.54.0 and of Anthropic's 2.13.0 (`MessageParam`,
`ContentBlockParam`, `ToolResultBlockParam`); Anthropic's docs "OpenAI SDK compatibility" (system and developer messages
are hoisted), "Vision" and "PDF support" (media types), "Messages" (empty texts are refused; `tool_use.id`).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import cast

import msgspec

from tokens_forge.wire.request import NULL, Fields
from tokens_forge.wire.translate.chat_messages_members import (
    Dropped,
    Json,
    inner,
    is_string,
    list_of,
    object_of,
    string,
    text,
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

    def add(self, raw: msgspec.Raw, path: str) -> None:
        """Add a message of the request."""
        message = object_of(raw, path)
        role = text(message, "role", path)
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
        if is_string(content):
            return [] if content == _EMPTY_TEXT else [{"type": "text", "text": content}]
        blocks: list[Json] = []
        for place, raw in enumerate(list_of(content, path)):
            part = object_of(raw, f"{path}[{place}]")
            kind = text(part, "type", f"{path}[{place}]")
            if kind not in kinds:
                raise NotCarried(f"{path}[{place}].type", "a part of this kind can't be said there in Messages")
            blocks += cached(part, self._part(kind, part, f"{path}[{place}]"))
            self._dropped.add_unread(part, frozenset({"type", "cache_control", kind}), "messages", "[].content[]")
        return blocks

    def _part(self, kind: str, part: Fields, path: str) -> list[Json]:
        match kind:
            case "image_url":
                return [self._image(part, path)]
            case "file":
                return [self._document(part, path)]
            case _:
                said = string(part, kind, path)
                return [] if said == _EMPTY_TEXT else [{"type": "text", "text": said}]

    def _image(self, part: Fields, path: str) -> Json:
        image = inner(part, "image_url", path)
        path = f"{path}.image_url"
        self._dropped.add_unread(image, frozenset({"url"}), "messages", "[].content[].image_url")
        url = string(image, "url", path)
        if _HTTPS.match(memoryview(url)):
            return {"type": "image", "source": {"type": "url", "url": url}}
        media_type, data = _inline(url, f"{path}.url")
        if media_type not in _IMAGES:
            raise NotCarried(f"{path}.url", "Messages takes JPEG, PNG, GIF and WebP images")
        return {"type": "image", "source": {"type": "base64", "media_type": _IMAGES[media_type], "data": data}}

    def _document(self, part: Fields, path: str) -> Json:
        file = inner(part, "file", path)
        path = f"{path}.file"
        if file.get("file_id", NULL) != NULL:
            raise NotCarried(f"{path}.file_id", "a file that another provider keeps can't be read by this one")
        self._dropped.add_unread(file, frozenset({"file_data", "filename"}), "messages", "[].content[].file")
        media_type, data = _inline(string(file, "file_data", path), f"{path}.file_data")
        if media_type != _PDF:
            raise NotCarried(f"{path}.file_data", "Messages takes files that are PDF")
        source = {"type": "base64", "media_type": "application/pdf", "data": data}
        title = {} if file.get("filename", NULL) == NULL else {"title": string(file, "filename", path)}
        return {"type": "document", "source": source, **title}

    def _assistant(self, message: Fields, path: str) -> list[Json]:
        if message.get("audio", NULL) != NULL:
            raise NotCarried(f"{path}.audio", "a spoken answer that another provider keeps can't be heard by this one")
        blocks = self._parts(message, path, _ASSISTANT_PARTS)
        if message.get("refusal", _EMPTY_TEXT) not in (NULL, _EMPTY_TEXT):
            blocks.append({"type": "text", "text": string(message, "refusal", path)})
        calls = list_of(message.get("tool_calls", NULL), f"{path}.tool_calls")
        blocks += [_call(raw, f"{path}.tool_calls[{place}]") for place, raw in enumerate(calls)]
        if message.get("function_call", NULL) != NULL:
            call = _function(inner(message, "function_call", path), f"{path}.function_call")
            self._calls += 1
            made = f"call_{self._calls}"
            self._called[text(call, "name", f"{path}.function_call")] = made
            blocks.append({"type": "tool_use", "id": made, **call})
        return blocks

    def _result(self, message: Fields, path: str) -> Json:
        return _result(_call_id(message, "tool_call_id", path), self._parts(message, path, _USER_PARTS))

    def _legacy_result(self, message: Fields, path: str) -> Json:
        made = self._called.get(text(message, "name", path))
        if made is None:
            raise NotCarried(f"{path}.name", "no message before it calls this function")
        return _result(made, self._parts(message, path, _TEXTS))


_IMAGES: Mapping[bytes, str] = {
    b"image/jpeg": "image/jpeg",
    b"image/jpg": "image/jpeg",
    b"image/png": "image/png",
    b"image/gif": "image/gif",
    b"image/webp": "image/webp",
}
_PDF = b"application/pdf"

# Some encoders write a slash as an escape.
_DATA_URL = re.compile(rb'"data:([^";,]{0,64})[^",]{0,256};base64,')
_HTTPS = re.compile(rb'"https:(?://|\\/\\/)', re.IGNORECASE)

_NO_ID = re.compile(r"[^a-zA-Z0-9_-]")
"""Characters that an id of a tool call must not have (Anthropic API reference, `tool_use.id`)."""

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
    mark = marked.get("cache_control", NULL)
    return blocks if mark == NULL or not blocks else [*blocks[:-1], {**blocks[-1], "cache_control": mark}]


def _result(call_id: str, blocks: list[Json]) -> Json:
    return {"type": "tool_result", "tool_use_id": call_id} | ({"content": blocks} if blocks else {})


def _call(raw: msgspec.Raw, path: str) -> Json:
    """Return an assistant's tool call as a block."""
    call = object_of(raw, path)
    if call.get("type", NULL) != NULL and text(call, "type", path) != "function":
        raise NotCarried(f"{path}.type", "Messages knows calls of functions alone")
    function = _function(inner(call, "function", path), f"{path}.function")
    return {"type": "tool_use", "id": _call_id(call, "id", path), **function}


def _function(given: Fields, path: str) -> Fields:
    """Return name and input of a call: its arguments are a text that must be an object, or nothing."""
    name = string(given, "name", path)
    arguments = msgspec.Raw(text(given, "arguments", path).strip().encode() or b"{}")
    object_of(arguments, f"{path}.arguments")
    return {"name": name, "input": arguments}


def _call_id(given: Fields, name: str, path: str) -> str:
    """Return the id of a call in the characters that Messages takes; other providers' ids have others."""
    return _NO_ID.sub("_", text(given, name, path))


def _inline(url: msgspec.Raw, path: str) -> tuple[bytes, msgspec.Raw]:
    """Return media type and base64 of a data URL. What may be large is cut as it was written, and copied once."""
    view = memoryview(url)
    found = _DATA_URL.match(view)
    if found is None:
        raise NotCarried(path, "it is neither an https address nor a data URL with base64")
    return found[1].replace(b"\\/", b"/").lower(), msgspec.Raw(b'"' + view[found.end() :])
