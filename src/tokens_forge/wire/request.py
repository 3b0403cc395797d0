"""A client's request, whatever its dialect: what routing needs of it, and its members as they were sent.

The dialects' readers build it from the functions here. Only what routing needs is decoded; every other value stays the
bytes it came in, and no long text is copied. It decides what a wrong member is told, never what a right one means.
"""

import re
from codecs import getincrementaldecoder
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal, TypeVar

import msgspec

from tokens_forge.core.config import LONGEST_MODEL_NAME
from tokens_forge.core.entries import Beside, CacheLife, Need, PreviousKind
from tokens_forge.core.errors import RequestError
from tokens_forge.core.own_tokens import holds_token, misplaced
from tokens_forge.wire.estimate import quarters, tokens

Fields = dict[str, msgspec.Raw]
"""The members of a JSON object by name, each as it was written."""

MOST_OUTPUT = 2**31 - 1
"""The most output tokens that a request may ask for; beyond any model, within every integer of the ledger."""

IN_ONE_PIECE_AT_MOST = 1024 * 1024
"""Bytes up to which a request is put together to be sent; of a larger one no value is copied."""

MOST_SHOWN = 40
"""Bytes of a wrong value that an error repeats."""

NULL = msgspec.Raw(b"null")

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are no JSON, or not the JSON that was asked for."""

JSON_SCHEMA = re.compile(rb'"type"\s{0,8}:\s{0,8}"json_schema"')
"""How a form of the answer is found that is a schema. Inside a text a quote is escaped, so no prompt reads as one."""

_ESCAPED = re.compile(r"\\u00([2-7][0-9A-Fa-f])")
"""A letter, digit or sign of ASCII as JSON may write it."""

_PART = 1024 * 1024
_Value = TypeVar("_Value")
_decode_members = msgspec.json.Decoder(Fields).decode
_decode_text = msgspec.json.Decoder(str).decode
_NOTHING = frozenset({b"", b"null", b"[]"})

# A string of base64 at least 64 long where a picture, sound or file has it (OpenAI: `url`, `image_url`, `data`,
# `file_data`; Anthropic: `data`): a text that reads like one is billed as the text that it is. The repeat is
# possessive: it never steps back, so a crafted body costs one pass.
_INLINE = re.compile(
    rb'"(?:(?:image_)?url"\s{0,8}:\s{0,8}"data:[^",;]{0,128};base64,'
    rb'|(?:file_)?data"\s{0,8}:\s{0,8}"(?:data:[^",;]{0,128};base64,)?)[A-Za-z0-9+/=_\\-]{64,}+"',
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """Digests by which a conversation is found (`wire/conversation.py`), all of 16 bytes."""

    prefixes: tuple[bytes, ...] = ()
    """Of all messages, then of those before the last answers in them, the longest first."""
    question: bytes = b""
    """Of the last that the user said, with the opening."""
    answered: tuple[bytes, ...] = ()
    """Of what the user said before the answers, likewise, the oldest first."""


NO_MARKS = Marks()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What routing needs of a request, and its members as they were sent."""

    model: str
    stream: bool
    include_usage: bool
    """The client gets the usage of a stream; of chat completions only where it asked for it."""
    tier_asked: str
    """`service_tier`; empty when not given."""
    input_estimate: int
    """Tokens, from the bytes of what is billed as input."""
    output_bound: int
    """Tokens of all choices together, at most."""
    choices: int
    """How many answers it asks for (`n`)."""
    needs: tuple[Need, ...]
    """What it asks of a model beyond text."""
    turn: int
    """How many messages."""
    opening: bytes
    """The messages up to and including the first of the user: one conversation has one opening. Of a long message its
    digest (`opened_with`)."""
    fields: Fields
    """Every member, its value's bytes untouched. What is sent is made from these, so it is what was read."""
    geo_asked: str = ""
    """Where it asks to be computed (`inference_geo`), in lower case."""
    output_asked: int = 0
    """`output_bound`, where the client itself names a maximum."""
    answers: int = 1
    """How many answers are generated, those that `best_of` throws away among them."""
    caches: CacheLife | None = None
    """How long its marks keep the prompt in the provider's cache; None without marks."""
    beside: tuple[Beside, ...] = ()
    """What it asks the provider to do besides the answer."""
    stored: bool = False
    """Whether the provider keeps the answer for what goes on from it."""
    previous: str = ""
    """What it goes on from, by its id."""
    previous_kind: PreviousKind | Literal[""] = ""
    """What that is."""
    marks: Marks = NO_MARKS
    """By which its conversation is found."""


def members(body: bytes) -> Fields:
    """Return the members of a body, decoded once: of one given twice the last is read, and the last is what is sent.

    Raises RequestError (400) for what is no JSON object, and for a token of tf's where something is named.
    """
    try:
        fields = _decode_members(utf8(body))
    except msgspec.ValidationError as error:
        raise RequestError(400, "invalid_request", "the body is no JSON object: write one with `model`") from error
    except UNREADABLE as error:
        raise RequestError(400, "invalid_json", f"the body is not JSON: {error}") from error
    if any(map(holds_token, fields)):
        raise misplaced("a member's name")
    for name in _NAMING & fields.keys():
        if _names_token(name, fields[name]):
            raise misplaced(f"`{name}`")
    return fields


_NAMING = frozenset(
    {
        "client_metadata",
        "container",
        "conversation",
        "fallbacks",
        "inference_geo",
        "mcp_servers",
        "metadata",
        "model",
        "models",
        "previous_response_id",
        "prompt",
        "prompt_cache_key",
        "safety_identifier",
        "service_tier",
        "session_id",
        "thread",
        "user",
    }
)
"""Members that name something or somebody, and never hold what the model reads: what they say may be written down or
shown. Of a `prompt` only the id of one that the provider keeps is a name."""


def _names_token(name: str, raw: msgspec.Raw) -> bool:
    """Say whether a token of tf's stands in a member that names something."""
    if name == "prompt":
        raw = (object_or_none(raw) or {}).get("id", NULL) if begins(raw, b"{") else NULL
    return holds_token(_ESCAPED.sub(lambda escape: chr(int(escape[1], 16)), bytes(raw).decode()))


def model_of(fields: Fields) -> str:
    """Return the model's name: what is looked up, matched, sent and written down is one and the same.

    Raises RequestError (400).
    """
    model = value(fields, "model", str, "a model's name")
    if not model:
        raise refused("model", "it is missing: write the model's name")
    if not model.isprintable() or len(model) > LONGEST_MODEL_NAME:
        raise refused(
            "model", f"a model's name has at most {LONGEST_MODEL_NAME} characters, and none that is invisible"
        )
    return model


def value(fields: Fields, name: str, kind: type[_Value], wanted: str) -> _Value | None:
    """Return a member's value; None when it is not given or null, which mean the same in these dialects.

    Raises RequestError (400) naming the member that is of the wrong kind, and what is `wanted`.
    """
    raw = fields.get(name, NULL)
    if raw == NULL:
        return None
    try:
        return msgspec.json.decode(raw, type=kind)
    except UNREADABLE as error:
        raise refused(name, f"{shown(raw)} is not {wanted}") from error


def number(fields: Fields, name: str, most: int, *, least: int = 1) -> int | None:
    """Return a whole number from `least` to `most`; None when it is not given. Raises RequestError (400)."""
    wanted = f"a whole number from {least} to {most}"
    found = value(fields, name, int, wanted)
    if found is not None and not least <= found <= most:
        raise refused(name, f"{shown(fields[name])} is not {wanted}")
    return found


def maximum(fields: Fields, name: str, *, unlimited: tuple[int, ...] = (-1, 0), most: int = MOST_OUTPUT) -> int | None:
    """Return the most that a member asks for, of tokens of output by default; None where it asks for no maximum.

    Clients of local servers say so by -1 (llama.cpp, LM Studio, Ollama), some by 0: it is sent as it is. Raises
    RequestError (400).
    """
    least = 0 if 0 not in unlimited else 1
    found = value(fields, name, int, f"a whole number from {least} to {most}")
    return None if found in unlimited else number(fields, name, most, least=least)


def raw_of(found: object) -> msgspec.Raw:
    """Return a value as JSON."""
    return msgspec.Raw(msgspec.json.encode(found))


def begins(raw: bytes | msgspec.Raw, start: bytes) -> bool:
    """Say whether a value is written with `start` at its beginning; it may be long and is not copied."""
    return bytes(memoryview(raw)[: len(start)]) == start


def is_text(raw: msgspec.Raw) -> bool:
    """Say whether a value is a text."""
    return bytes(memoryview(raw)[:1]) == b'"'


def has_entries(fields: Mapping[str, msgspec.Raw], name: str) -> bool:
    """Say whether a member is a list with entries, or anything else but null; it may be long and is not copied."""
    return bytes(memoryview(fields.get(name, NULL))[:8]).translate(None, b" \t\r\n") not in _NOTHING


def has_word(raw: msgspec.Raw, *words: bytes) -> bool:
    """Say whether any of `words` stands in a value as it was written; it may be long and is never copied whole."""
    view, longest = memoryview(raw), max(map(len, words))
    parts = (bytes(view[start : start + _PART + longest]) for start in range(0, len(view), _PART))
    return any(word in part for part in parts for word in words)


def object_or_none(data: bytes | str | msgspec.Raw) -> Fields | None:
    """Return the members of a JSON object; None for anything else."""
    try:
        return _decode_members(data)
    except UNREADABLE:
        return None


def word_or_empty(raw: msgspec.Raw) -> str:
    """Return a text; empty for anything else."""
    try:
        return _decode_text(raw)
    except UNREADABLE:
        return ""


def opened_with(message: msgspec.Raw) -> bytes:
    """Return a message as an opening has it: a long one, which may hold an image, is not kept a second time."""
    if len(message) <= IN_ONE_PIECE_AT_MOST:
        return bytes(message)
    return blake2b(memoryview(message)).digest()


def refused(path: str, what: str) -> RequestError:
    """Return the error for a member, named by its path."""
    return RequestError(400, "invalid_request", f"`{path}`: {what}")


def shown(raw: msgspec.Raw) -> str:
    """Return a short value as it was sent; a long one may be a prompt and is not repeated."""
    return f"`{bytes(raw).decode('utf-8', 'replace')}`" if len(raw) <= MOST_SHOWN else "what was sent"


def input_estimate(fields: Mapping[str, msgspec.Raw], counted: Iterable[str], inline_tokens: int) -> int:
    """Return the tokens of the `counted` members by their bytes.

    An image, sound or file inside them counts `inline_tokens`: its base64 says nothing about its tokens.
    """
    total = inline = 0
    for name in counted:
        if name in fields:
            view = memoryview(fields[name])
            lengths = [found.end() - found.start() for found in _INLINE.finditer(view)]
            total += quarters(view) - sum(lengths)  # base64 is ASCII: each byte of it was counted once
            inline += len(lengths)
    return tokens(total) + inline * inline_tokens


def encoded(fields: Fields) -> tuple[bytes | memoryview, ...]:
    """Return the JSON object of `fields` to be sent: one piece, or parts where it is large."""
    if sum(map(len, fields.values())) <= IN_ONE_PIECE_AT_MOST:
        return (msgspec.json.encode(fields),)
    parts: list[bytes | memoryview] = []
    for name, raw in fields.items():
        parts += [b"%s%s:" % (b"," if parts else b"{", msgspec.json.encode(name)), memoryview(raw)]
    return (*parts, b"}")


def utf8(body: bytes) -> bytes:
    """Return `body`, of which no byte may be anything but UTF-8 (RFC 8259, 8.1). Raises UnicodeDecodeError.

    The decoder skips values without looking at their bytes, so what is moved as it was written is looked at here.
    """
    if body.isascii():
        return body
    decoder = getincrementaldecoder("utf-8")()
    view = memoryview(body)
    for start in range(0, len(view), _PART):
        decoder.decode(view[start : start + _PART])
    decoder.decode(b"", final=True)
    return body
