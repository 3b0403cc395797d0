"""The messages of a chat, read as blocks of Anthropic's; how they become turns is `messages_request.py`'s part.

Decides who says each message and part of one, which parts can't be said there, and what of a message is dropped.
Texts and images are moved as the bytes they came in.

Sources, read 2026-11: the message types of OpenAI's Python library 3.54.0 and of Anthropic's 2.13.0 (`MessageParam`,
`ContentBlockParam`, `ToolResultBlockParam`); Anthropic's docs "Vision" and "PDF support" (media types), "Messages"
(`tool_use.id`).
"""

from collections.abc import Mapping

from tokens_forge.wire.request import NULL, Fields, is_text
from tokens_forge.wire.translate import messages_blocks
from tokens_forge.wire.translate.members import (
    Dropped,
    object_in,
    objects_in,
    objects_of,
    text_in,
    word_in,
)
from tokens_forge.wire.translate.messages_request import Block, Conversation, result_block
from tokens_forge.wire.translation import NotCarried


class ChatConversation(Conversation):
    """The conversation so far, from the messages of a chat."""

    def __init__(self, dropped: Dropped) -> None:
        super().__init__()
        self._dropped = dropped
        self._calls = 0
        self._called: dict[str, str] = {}
        """The id made for the last call of each function, for the legacy messages that name no id."""

    def add(self, message: Fields, path: str) -> None:
        """Add a message of the request."""
        role = word_in(message, "role", path)
        match role:
            case "system" | "developer":
                self.instruct(cached(message, self._parts(message, path, _TEXTS)))
            case "user":
                self.say("user", cached(message, self._parts(message, path, _USER_PARTS)))
            case "assistant":
                self.say("assistant", cached(message, self._assistant(message, path)))
            case "tool":
                self.result(cached(message, [self._result(message, path)])[0], f"{path}.tool_call_id")
            case "function":
                self.result(cached(message, [self._legacy_result(message, path)])[0], f"{path}.name")
            case _:
                raise NotCarried(f"{path}.role", "Messages knows no such role")
        self._dropped.add_unread(message, _MESSAGE_MEMBERS[role], "messages", "[]")

    def _parts(self, message: Fields, path: str, kinds: frozenset[str]) -> list[Block]:
        """Return a message's content as blocks; without its empty texts, which Messages refuses."""
        content, path = message.get("content", NULL), f"{path}.content"
        if content == NULL:
            return []
        if is_text(content):
            return messages_blocks.texts(content)
        blocks: list[Block] = []
        for part, where in objects_of(content, path):
            kind = word_in(part, "type", where)
            if kind not in kinds:
                raise NotCarried(f"{where}.type", "a part of this kind can't be said there in Messages")
            blocks += cached(part, self._part(kind, part, where))
            self._dropped.add_unread(part, frozenset({"type", "cache_control", kind}), "messages", "[].content[]")
        return blocks

    def _part(self, kind: str, part: Fields, path: str) -> list[Block]:
        match kind:
            case "image_url":
                return [self._image(part, path)]
            case "file":
                return [self._document(part, path)]
            case _:
                return messages_blocks.texts(text_in(part, kind, path))

    def _image(self, part: Fields, path: str) -> Block:
        image = object_in(part, "image_url", path)
        path = f"{path}.image_url"
        self._dropped.add_unread(image, frozenset({"url"}), "messages", "[].content[].image_url")
        return messages_blocks.image(text_in(image, "url", path), f"{path}.url")

    def _document(self, part: Fields, path: str) -> Block:
        file = object_in(part, "file", path)
        path = f"{path}.file"
        if "file_id" in file:
            raise NotCarried(f"{path}.file_id", "a file that another provider keeps can't be read by this one")
        self._dropped.add_unread(file, frozenset({"file_data", "filename"}), "messages", "[].content[].file")
        source = messages_blocks.pdf_source(text_in(file, "file_data", path), f"{path}.file_data")
        title = {"title": text_in(file, "filename", path)} if "filename" in file else {}
        return {"type": "document", "source": source, **title}

    def _assistant(self, message: Fields, path: str) -> list[Block]:
        if "audio" in message:
            raise NotCarried(f"{path}.audio", "a spoken answer that another provider keeps can't be heard by this one")
        blocks = self._parts(message, path, _ASSISTANT_PARTS)
        if "refusal" in message:
            blocks += messages_blocks.texts(text_in(message, "refusal", path))
        blocks += [_call(call, where) for call, where in objects_in(message, "tool_calls", path)]
        if "function_call" in message:
            call = _function(object_in(message, "function_call", path), f"{path}.function_call")
            self._calls += 1
            made = f"call_{self._calls}"
            self._called[word_in(call, "name", f"{path}.function_call")] = made
            blocks.append({"type": "tool_use", "id": made, **call})
        return blocks

    def _result(self, message: Fields, path: str) -> Block:
        return result_block(
            messages_blocks.call_id_in(message, "tool_call_id", path), self._parts(message, path, _USER_PARTS)
        )

    def _legacy_result(self, message: Fields, path: str) -> Block:
        made = self._called.get(word_in(message, "name", path))
        if made is None:
            raise NotCarried(f"{path}.name", "no message before it calls this function")
        return result_block(made, self._parts(message, path, _TEXTS))


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


def cached(marked: Fields, blocks: list[Block]) -> list[Block]:
    """Return the blocks of what may be marked for the cache, the last one with the mark."""
    if "cache_control" not in marked or not blocks:
        return blocks
    return [*blocks[:-1], {**blocks[-1], "cache_control": marked["cache_control"]}]


def _call(call: Fields, path: str) -> Block:
    """Return an assistant's tool call as a block."""
    if "type" in call and word_in(call, "type", path) != "function":
        raise NotCarried(f"{path}.type", "Messages knows calls of functions alone")
    function = _function(object_in(call, "function", path), f"{path}.function")
    return {"type": "tool_use", "id": messages_blocks.call_id_in(call, "id", path), **function}


def _function(given: Fields, path: str) -> Fields:
    """Return name and input of a call."""
    return {"name": text_in(given, "name", path), "input": messages_blocks.call_input(given, path)}
