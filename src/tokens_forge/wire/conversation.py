"""What tells conversations apart: digests of a request's messages, and the session that its client names.

It decides what of a message counts: the words that were said and what was called, not how they were written. Marks of
the cache move on with every turn, thoughts and ids of items are sent back or not, and a text is a list of one block
with the next turn. Which conversation a call belongs to is decided in `core/threads.py`. No text leaves it.

Sources, read 2026-11: aider, `base_coder.py` (`format_chat_chunks`: examples, repository map, what was said, files,
the question, to which a reminder is added for as long as it is the last); Qwen Code (its first two messages tell the
machine and the day); Codex (`prompt_cache_key`, `session-id`, `thread-id`); Claude Code's headers, and its
`metadata.user_id` (a text that ends in `_session_UUID`, of late JSON with `session_id`); OpenRouter ("Session id");
LiteLLM (`litellm_session_id`).
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b

import msgspec

from tokens_forge.wire.request import (
    NO_MARKS,
    NULL,
    UNREADABLE,
    Fields,
    Marks,
    begins,
    is_text,
    object_or_none,
    word_or_empty,
)

PREFIXES = 4
"""So many beginnings of a request are known: the last that a model may have been asked with."""

ANSWERED = 4
"""So many of its questions, the last that were answered."""

REMINDER = b'"<system-reminder>'
"""How a block of Claude Code's begins that it puts before the user's words, and takes away again."""

BY_MODEL, BY_USER, BY_OTHER = b"m", b"u", b"o"

_SIZE = 16
_PARAGRAPH = rb"\n\n"
_THOUGHTS = (b'"thinking"', b'"redacted_thinking"', b'"reasoning"')
_UNSAID = frozenset({"cache_control", "id", "status"})
_SESSION = re.compile(r"_session_([0-9A-Za-z-]+)\Z")

_THREAD_HEADERS = ("thread-id", "thread_id", "conversation-id", "conversation_id", "x-conversation-id")
"""Headers that name one conversation; beside them a session's says less, as agents under it share that."""
_SESSION_HEADERS = (
    "x-claude-code-session-id",
    "session-id",
    "session_id",
    "x-session-id",
    "x-session-affinity",
    "x-opencode-session",
    "x-litellm-session-id",
    "x-task-id",
)
_AGENT_HEADER = "x-claude-code-agent-id"
"""It names an agent under a session; the session's own conversation has none."""
_NAMED = ("prompt_cache_key", "thread_id", "conversation_id", "session_id", "litellm_session_id")
_METADATA = ("thread_id", "conversation_id", "session_id", "sessionId")


Word = bytes | msgspec.Raw
Message = tuple[bytes, list[Word]]
"""One message, or item, as far as it counts: by whom, and its words. No dataclass: a long request has hundreds; and no
word is copied: an image has tens of megabytes."""

_QUESTION_AT_MOST = 64 * 1024
"""Bytes of a question's first paragraph that tell it from others."""


def marks(opening: bytes, before: Iterable[msgspec.Raw], messages: Iterable[Message]) -> Marks:
    """Return the marks of a request, each message hashed once. `before` are its system prompts.

    A model was asked with what comes before an answer: where a request begins with all that an earlier one had, it
    goes on from it.
    """
    prefix = blake2b(digest_size=_SIZE)
    for words in before:
        prefix.update(words)
        prefix.update(b"\n")
    asked_with: deque[bytes] = deque(maxlen=PREFIXES - 1)
    answered: deque[bytes] = deque(maxlen=ANSWERED)
    opened = blake2b(opening, digest_size=_SIZE).digest()
    question = b""
    is_answered, last = False, b""
    for by, words in messages:
        if by is BY_MODEL and last not in (BY_MODEL, b""):
            asked_with.appendleft(prefix.copy().digest())
            if question and not is_answered:
                answered.append(question)
                is_answered = True
        prefix.update(by)
        for word in words:
            prefix.update(b"\n")
            prefix.update(word)
        if by is BY_USER and words and begins(words[0], b'"'):  # what a tool returned begins with a member's name
            first = bytes(memoryview(words[0])[:_QUESTION_AT_MOST]).partition(_PARAGRAPH)[0].rstrip(b'"')
            question, is_answered = blake2b(first, key=opened, digest_size=_SIZE).digest(), False
        last = by
    if not last:
        return NO_MARKS
    return Marks(prefixes=(prefix.digest(), *asked_with), question=question, answered=tuple(answered))


def kept_marks(previous: str, messages: Iterable[msgspec.Raw]) -> Marks:
    """Return the mark of a request that brings only what is new to what its upstream keeps: both together."""
    prefix = blake2b(previous.encode(), digest_size=_SIZE)
    for message in messages:
        prefix.update(message)
        prefix.update(b"\n")
    return Marks(prefixes=(prefix.digest(),))


class _Turn(msgspec.Struct):
    role: str | None = None
    type: str | None = None
    content: msgspec.Raw = NULL
    tool_calls: msgspec.Raw = NULL
    tool_call_id: msgspec.Raw = NULL


_decode_turn = msgspec.json.Decoder(_Turn).decode
_decode_blocks = msgspec.json.Decoder(list[Fields]).decode
_decode_fields = msgspec.json.Decoder(Fields).decode
_BY = {"assistant": BY_MODEL, "user": BY_USER}


def read_messages(messages: Iterable[msgspec.Raw]) -> Iterator[Message]:
    """Yield the messages of chat completions or Messages. What can't be read counts as it is written."""
    for raw in messages:
        try:
            turn = _decode_turn(raw)
        except UNREADABLE:
            yield BY_OTHER, [raw]
            continue
        words = _words(turn.content)
        if turn.tool_calls is not NULL:
            words.append(turn.tool_calls)
        if turn.tool_call_id is not NULL:
            words.append(turn.tool_call_id)
        yield _BY.get(turn.role or "", BY_OTHER), words


def read_items(items: Iterable[msgspec.Raw]) -> Iterator[Message]:
    """Yield the items of a Responses input, thoughts left out; a text is one item of the user."""
    for raw in items:
        if is_text(raw):
            yield BY_USER, [raw]
            continue
        try:
            turn = _decode_turn(raw)
        except UNREADABLE:
            yield BY_OTHER, [raw]
            continue
        kind = turn.type or ""
        if turn.role is not None:
            yield _BY.get(turn.role, BY_OTHER), _words(turn.content)
        elif kind != "reasoning":
            yield (BY_OTHER if kind.endswith("_output") else BY_MODEL), _members(_decode_fields(raw))


def _words(content: msgspec.Raw) -> list[Word]:
    """Return the texts of a content as they are written; of a block of another kind its members.

    A reminder counts only where nothing else is said.
    """
    if is_text(content):
        return [content]
    if content == NULL:
        return []
    try:
        blocks = _decode_blocks(content)
    except UNREADABLE:
        return [content]
    words: list[Word] = []
    reminders: list[Word] = []
    for block in blocks:
        if (text := block.get("text")) is not None:
            (reminders if begins(text, REMINDER) else words).append(text)
        elif bytes(block.get("type", NULL)) not in _THOUGHTS:
            words += _members(block)
    return words or reminders


def _members(block: Fields) -> list[Word]:
    words: list[Word] = []
    for name, raw in block.items():
        if name not in _UNSAID:
            words += (name.encode(), raw)
    return words


def sessions(headers: Mapping[str, str], fields: Fields) -> tuple[str, ...]:
    """Return what a client calls the session that a request belongs to, the narrowest word first."""
    told = [headers.get(name, "") for name in _THREAD_HEADERS]
    told += [word_or_empty(fields.get(name, NULL)) for name in _NAMED]
    if not any(headers.get(name) for name in _THREAD_HEADERS):
        agent = headers.get(_AGENT_HEADER, "")
        wide = [headers.get(name, "") for name in _SESSION_HEADERS]
        wide += _of_metadata(fields)
        told += [f"{session} {agent}" if agent else session for session in wide if session]
    return tuple(dict.fromkeys(filter(None, told)))[:3]


def _of_metadata(fields: Fields) -> Iterator[str]:
    """Yield the sessions that the metadata name (Claude Code has one in its user's id)."""
    metadata = object_or_none(fields.get("metadata", NULL)) or {}
    for name in _METADATA:
        yield word_or_empty(metadata.get(name, NULL))
    user = word_or_empty(metadata.get("user_id", NULL))
    if user.startswith("{"):
        yield word_or_empty((object_or_none(user) or {}).get("session_id", NULL))
    elif found := _SESSION.search(user):
        yield found[1]
