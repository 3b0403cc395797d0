"""Counts of a chat completion become disjoint classes; what can't be true is dropped and flagged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokens_forge.core.usage import (
    INPUT_CLASSES,
    MOST_TOKENS,
    OUTPUT_CLASSES,
    ChatCounts,
    Flag,
    Reading,
    from_openai_chat,
)


@pytest.mark.parametrize(
    ("counts", "usage", "flags"),
    [
        # CASES 1 and 3: this dialect's input count includes what was read from the cache, and it is charged once.
        (ChatCounts(prompt=1200, completion=300, cached=800), {"input": 400, "output": 300, "cache_read": 800}, ()),
        # CASES 2: cache writes are counted once; without their lifetime they are taken as 5 minutes.
        (
            ChatCounts(prompt=100, completion=1, cached=20, cache_write=30),
            {"input": 50, "output": 1, "cache_read": 20, "cache_write_5m": 30},
            ("cache_write_unsplit",),
        ),
        # CASES 4: reasoning is a part of the output.
        (ChatCounts(prompt=1, completion=300, reasoning=100), {"input": 1, "output": 300, "reasoning": 100}, ()),
        (
            ChatCounts(prompt=50, completion=40, audio_in=20, audio_out=30, reasoning=10),
            {"input": 30, "output": 10, "audio_in": 20, "audio_out": 30, "reasoning": 10},
            (),
        ),
        # A reported zero is a fact; a detail of zero says nothing.
        (ChatCounts(prompt=0, completion=0, total=0, cached=0, reasoning=0), {"input": 0, "output": 0}, ()),
        # A detail larger than its total is dropped, and its tokens stay at the base class.
        (ChatCounts(prompt=10, completion=1, cached=11), {"input": 10, "output": 1}, ("impossible_cache_read",)),
        (ChatCounts(prompt=10, completion=1, cached=-1), {"input": 10, "output": 1}, ("impossible_cache_read",)),
        (
            ChatCounts(prompt=10, completion=1, cached=6, cache_write=5),
            {"input": 4, "output": 1, "cache_read": 6},
            ("impossible_cache_write",),
        ),
        (ChatCounts(prompt=10, completion=1, audio_in=11), {"input": 10, "output": 1}, ("impossible_audio_in",)),
        (ChatCounts(prompt=10, completion=1, reasoning=2), {"input": 10, "output": 1}, ("impossible_reasoning",)),
        (ChatCounts(prompt=10, completion=1, audio_out=2), {"input": 10, "output": 1}, ("impossible_audio_out",)),
        # A total that is none: nothing is taken from it.
        (ChatCounts(prompt=-1, completion=1), {}, ("impossible_total",)),
        (ChatCounts(prompt=1, completion=-5), {}, ("impossible_total",)),
        (ChatCounts(prompt=1), {}, ("impossible_total",)),
        (ChatCounts(completion=1), {}, ("impossible_total",)),
        (ChatCounts(prompt=MOST_TOKENS + 1, completion=1), {}, ("impossible_total",)),
        # A grand total beyond input and output is flagged and not billed, unless it is exactly the reasoning that xAI
        # counts beside the completion.
        (ChatCounts(prompt=10, completion=5, total=15), {"input": 10, "output": 5}, ()),
        (ChatCounts(prompt=10, completion=5, total=12), {"input": 10, "output": 5}, ()),
        (ChatCounts(prompt=10, completion=5, total=-1), {"input": 10, "output": 5}, ()),
        (ChatCounts(prompt=10, completion=5, total=99), {"input": 10, "output": 5}, ("unexplained_total",)),
        (
            ChatCounts(prompt=32, completion=9, total=135, reasoning=94),
            {"input": 32, "output": 103, "reasoning": 94},
            ("reasoning_apart",),
        ),
    ],
)
def test_counts_become_disjoint_classes(counts: ChatCounts, usage: dict[str, int], flags: tuple[Flag, ...]) -> None:
    """CASES 1 to 6: every token is in one class, none is charged twice, and what is odd is flagged."""
    assert Reading(usage=usage, flags=flags) == from_openai_chat(counts)


def test_no_counts_are_no_reading() -> None:
    """Unknown is never zero: a usage without input and output says nothing."""
    assert from_openai_chat(ChatCounts()) is None
    assert from_openai_chat(ChatCounts(total=7, cached=3)) is None


COUNT = st.none() | st.integers(-3, 50) | st.just(MOST_TOKENS + 1)


@given(st.builds(ChatCounts, **dict.fromkeys(ChatCounts.__dataclass_fields__, COUNT)))
def test_classes_are_never_negative_and_sum_to_the_totals(counts: ChatCounts) -> None:
    """CASES 1 and 6: whatever is reported, nothing is negative, and the total governs."""
    reading = from_openai_chat(counts)
    if reading is None or not reading.usage:
        return
    assert all(tokens >= 0 for tokens in reading.usage.values())
    assert counts.prompt == sum(reading.usage.get(name, 0) for name in INPUT_CLASSES)
    apart = counts.reasoning or 0 if "reasoning_apart" in reading.flags else 0
    assert (counts.completion or 0) + apart == sum(reading.usage.get(name, 0) for name in OUTPUT_CLASSES)
    assert reading.usage.get("reasoning", 0) <= reading.usage["output"]
