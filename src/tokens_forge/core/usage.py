"""Disjoint classes of usage, and the checks on them.

Every token is in exactly one of `TOKEN_CLASSES`; `reasoning` is an *of which* of `output`. Each dialect declares
whether its input count includes cached tokens (`wire/`); here the counts are made disjoint, and what can't be true is
dropped and flagged. Nothing here knows a price.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

TOKEN_CLASSES = (
    "input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "audio_in",
    "image_in",
    "output",
    "audio_out",
)
"""Disjoint token classes."""

COUNT_CLASSES = ("requests", "searches", "images", "seconds")
"""Counts that are no tokens."""

INPUT_CLASSES = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "audio_in", "image_in")
"""Token classes that make up the total input, which chooses a long-context tier."""

OUTPUT_CLASSES = ("output", "audio_out")

Flag = Literal[
    "impossible_cache_read",
    "impossible_cache_write",
    "impossible_audio_in",
    "impossible_reasoning",
    "impossible_audio_out",
    "impossible_total",
    "cache_write_unsplit",
    "unexplained_total",
    "reasoning_apart",
]
"""What can be odd about a reported usage: a detail larger than its total (dropped, its tokens priced at the base
class); a total that is none (no usage is taken from it); cache writes without their lifetime (taken as 5 minutes);
a grand total beyond input and output (not billed); reasoning counted beside the output instead of in it (added)."""

MOST_TOKENS = 2**53
"""A count above this is no count: JSON readers of the ledger would lose its last digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a reported usage says."""

    usage: Mapping[str, int]
    """Disjoint classes to tokens; `input` and `output` also when zero (a fact); empty for an impossible total."""
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatCounts:
    """The counts of a chat completion as the upstream named them. None: not reported; -1: reported, but no number."""

    prompt: int | None = None
    """All input, cached tokens, cache writes and audio included."""
    completion: int | None = None
    """All output, audio and reasoning included."""
    total: int | None = None
    cached: int | None = None
    cache_write: int | None = None
    audio_in: int | None = None
    reasoning: int | None = None
    audio_out: int | None = None


def from_openai_chat(counts: ChatCounts) -> Reading | None:
    """Return the reading of a chat completion's counts, in tokens; None when neither input nor output is reported.

    In this dialect `prompt_tokens` includes what was read from or written to a cache and `completion_tokens` includes
    reasoning (OpenAI API reference, "The chat completion object", `usage`, read 2026-11).
    """
    if counts.prompt is None and counts.completion is None:
        return None
    prompt, completion = _count(counts.prompt), _count(counts.completion)
    if prompt is None or completion is None:
        return Reading(usage={}, flags=("impossible_total",))
    flags: list[Flag] = []
    usage: dict[str, int] = {}
    fresh = prompt
    fresh -= _part(usage, "cache_read", counts.cached, fresh, "impossible_cache_read", flags)
    fresh -= _part(usage, "cache_write_5m", counts.cache_write, fresh, "impossible_cache_write", flags)
    fresh -= _part(usage, "audio_in", counts.audio_in, fresh, "impossible_audio_in", flags)
    if "cache_write_5m" in usage:
        flags.append("cache_write_unsplit")
    output = completion
    beyond = max((_count(counts.total) or 0) - prompt - completion, 0)
    if beyond:
        # xAI counts reasoning beside the completion (docs.x.ai, "Consumption and Rate Limits", read 2026-11); it is
        # believed only where the grand total says so exactly.
        apart = beyond == counts.reasoning
        flags.append("reasoning_apart" if apart else "unexplained_total")
        output += beyond if apart else 0
    output -= _part(usage, "audio_out", counts.audio_out, output, "impossible_audio_out", flags)
    _part(usage, "reasoning", counts.reasoning, output, "impossible_reasoning", flags)
    return Reading(usage={"input": fresh, "output": output, **usage}, flags=tuple(flags))


def _count(reported: int | None) -> int | None:
    return reported if reported is not None and 0 <= reported <= MOST_TOKENS else None


def _part(  # noqa: PLR0913, PLR0917 - one line a detail above reads as the table it is
    usage: dict[str, int], usage_class: str, reported: int | None, room: int, flag: Flag, flags: list[Flag]
) -> int:
    """Note a detail in `usage` if it fits into the `room` of its total, else flag it; return what was noted."""
    if not reported:
        return 0
    if not 0 < reported <= room:
        flags.append(flag)
        return 0
    usage[usage_class] = reported
    return reported
