"""What a request asks its provider to do besides the answer: a compaction, an advisor, another model in its place.

Members of another shape than the provider's own are left to it: they ask for nothing here. How much is held for it is
`core/settlement.py`'s part, what it cost is in the usage (`wire/usage_objects.py`).

Sources, read 2026-11: Anthropic, "Compaction at a token threshold" (`context_management.edits` of type
`compact_20260112`, from 150,000 tokens of input on where no `trigger` is given), "Advisor tool" (type
`advisor_20260301` with a `model`, `max_uses`, `max_tokens` and `caching`), "Refusals and fallback" (`fallbacks`: up to
three models, each with its own `max_tokens`, or ``default``, of which no model is known beforehand); OpenRouter, "Model
fallbacks" (`models`) and "Advisor" (a tool `openrouter:advisor`, its model among its parameters); orq.ai, "Advisor
server tool" (`orq:advisor`); LiteLLM, "Fallbacks" (`fallbacks` in a request).
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import TypeVar

import msgspec

from tokens_forge.core.config import LONGEST_MODEL_NAME
from tokens_forge.core.entries import Beside, CacheLife
from tokens_forge.wire.cache_marks import cache_life
from tokens_forge.wire.request import (
    MOST_OUTPUT,
    NULL,
    UNREADABLE,
    Fields,
    has_word,
    is_text,
    object_or_none,
    word_or_empty,
)

COMPACTS_FROM = 150_000
"""Tokens of input from which on Anthropic compacts where a request names no trigger."""

MOST_BESIDES = 16
"""So many are read of one request; providers take far fewer."""

MOST_TIMES = 64
"""An advisor is not held for more often."""

_COMPACT = "compact_"
_ADVISOR = b"advisor"
_ADVISOR_TYPE = re.compile(r"(?:[a-z]{1,32}:)?advisor(?:_[0-9]+)?")


def besides(fields: Fields) -> tuple[Beside, ...]:
    """Return what a request asks for besides its answer, in the order of its members."""
    if not any(name in fields for name in _MEMBERS):
        return ()
    return tuple(islice(_besides(fields), MOST_BESIDES))


_MEMBERS = ("context_management", "tools", "fallbacks", "models")


def _besides(fields: Fields) -> Iterator[Beside]:
    managed = object_or_none(fields.get("context_management", NULL)) or {}
    for raw in _list(managed.get("edits", NULL)):
        edit = _read(_Edit, raw)
        if edit.type.startswith(_COMPACT):
            trigger = COMPACTS_FROM if edit.trigger is None else edit.trigger.value
            yield Beside(kind="compaction", input=_tokens(trigger))
    if has_word(fields.get("tools", NULL), _ADVISOR):
        for raw in _list(fields["tools"]):
            tool = _read(_Advisor, raw)
            if _ADVISOR_TYPE.fullmatch(tool.type):
                yield _advisor(tool)
    for name in ("fallbacks", "models"):
        for raw in _list(fields.get(name, NULL)):
            named = _Named(model=word_or_empty(raw)) if is_text(raw) else _read(_Named, raw)
            if _is_name(named.model):
                yield Beside(kind="fallback", model=named.model, output=_tokens(named.max_tokens))


def _advisor(tool: "_Advisor") -> Beside:
    said = tool.parameters or tool
    caches: CacheLife | None = None
    if tool.caching != NULL:
        caches = cache_life({"cache_control": tool.caching})
    return Beside(
        kind="advisor",
        model=said.model if _is_name(said.model) else "",
        output=_tokens(said.max_tokens or said.max_completion_tokens),
        times=min(max(tool.max_uses or 1, 1), MOST_TIMES),
        caches=caches or "",
    )


def _tokens(count: int | None) -> int:
    return min(max(count or 0, 0), MOST_OUTPUT)


def _is_name(model: str) -> bool:
    return 0 < len(model) <= LONGEST_MODEL_NAME and model.isprintable()


class _Trigger(msgspec.Struct):
    value: int = COMPACTS_FROM


class _Edit(msgspec.Struct):
    type: str = ""
    trigger: _Trigger | None = None


class _Named(msgspec.Struct):
    model: str = ""
    max_tokens: int | None = None


class _Parameters(msgspec.Struct):
    model: str = ""
    max_tokens: int | None = None
    max_completion_tokens: int | None = None


class _Advisor(_Parameters):
    type: str = ""
    max_uses: int | None = None
    caching: msgspec.Raw = NULL
    parameters: _Parameters | None = None


_Shape = TypeVar("_Shape", _Edit, _Named, _Advisor)
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


def _read(shape: type[_Shape], raw: msgspec.Raw) -> _Shape:
    """Return an object as the provider's shape; an empty one for what is none of it."""
    try:
        return msgspec.json.decode(raw, type=shape)
    except UNREADABLE:
        return shape()


def _list(raw: msgspec.Raw) -> list[msgspec.Raw]:
    try:
        return _decode_list(raw)
    except UNREADABLE:
        return []
