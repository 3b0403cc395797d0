"""For how long a request's marks keep its prompt in a provider's cache, in whichever dialect they are written.

Only what a client (or a translation) asks for is read here; that some providers write to their cache unasked is
`core/settlement.py`'s part. No mark is changed.

Sources, read 2026-11: Anthropic, "Prompt caching" (`cache_control` on blocks, tools and at the top, `ttl` of `5m` or
`1h`, 5 minutes where it is not given); OpenAI, guide "Prompt caching" (`prompt_cache_options.ttl`; for earlier models
`prompt_cache_retention`, `24h` or in memory); OpenRouter, "Prompt caching", and Alibaba Cloud Model Studio, "Context
cache" (chat completions with `cache_control` on parts). Known, and not read again: LiteLLM, "Auto-inject prompt caching
checkpoints" (`cache_control_injection_points`); Amazon Bedrock, "Prompt caching" (`cachePoint` blocks).
"""

import re
from collections.abc import Iterator

import msgspec

from tokens_forge.core.entries import CacheLife
from tokens_forge.wire.request import NULL, Fields, has_entries, has_word, object_or_none, word_or_empty

_MARKED = ("system", "tools", "functions", "messages", "input", "instructions")
"""Members that may have marks inside; they may be long."""

_AT_ONCE = ("cache_control", "prompt_cache_options")
"""Members that are a mark for the whole of a request."""

_IN_MEMORY = frozenset({"in_memory", "in-memory"})
"""What `prompt_cache_retention` is where nothing is asked for, in either spelling."""

_LIVES: dict[str, CacheLife] = {"": "5m", "5m": "5m", "30m": "30m", "1h": "1h", "12h": "12h"}
_LONGEST: CacheLife = "12h"
"""A life that nobody here knows is taken as the longest: its writes cost no less."""

_ORDER: tuple[CacheLife, ...] = ("5m", "30m", "1h", "12h")

# Inside a text a quote is escaped, so no prompt reads as a mark. A mark is a small object without another inside.
_MARK = re.compile(rb'"(?:cache_control|cachePoint)"\s{0,8}:\s{0,8}(\{[^{}]{0,256}\})')


def cache_life(fields: Fields) -> CacheLife | None:
    """Return the longest life that marks in a request ask for; None where nothing is marked."""
    return max(_lives(fields), key=_ORDER.index, default=None)


def _lives(fields: Fields) -> Iterator[CacheLife]:
    for name in _AT_ONCE:
        if (mark := fields.get(name, NULL)) != NULL:
            yield _life(mark, unsaid="30m" if name == "prompt_cache_options" else "5m")
    if (kept := word_or_empty(fields.get("prompt_cache_retention", NULL))) and kept not in _IN_MEMORY:
        yield _LIVES.get(kept, _LONGEST)
    if has_entries(fields, "cache_control_injection_points"):
        yield "5m"
    for name in _MARKED:
        raw = fields.get(name, NULL)
        # The plain search is three times as fast as the pattern, and most prompts have no mark.
        if has_word(raw, b'"cache_control"', b'"cachePoint"'):
            for found in _MARK.finditer(memoryview(raw)):
                yield _life(found[1], unsaid="5m")


def _life(mark: bytes | msgspec.Raw, *, unsaid: CacheLife) -> CacheLife:
    ttl = word_or_empty((object_or_none(mark) or {}).get("ttl", NULL))
    return _LIVES.get(ttl, _LONGEST) if ttl else unsaid
