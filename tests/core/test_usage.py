"""Counts of every dialect become disjoint classes; what can't be true is dropped and flagged."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokens_forge.core.usage import (
    CACHE_COUNTED,
    INPUT_CLASSES,
    MOST_TOKENS,
    NO_PARTS,
    OUTPUT_CLASSES,
    TOKEN_CLASSES,
    Dialect,
    Flag,
    GeminiCounts,
    MessagesCounts,
    Parts,
    Reading,
    TotalCounts,
    from_gemini,
    from_messages,
    from_seconds,
    from_totals,
    later,
)

Usage = dict[str, int]


def audio(tokens: int) -> Parts:
    return Parts(audio=tokens)


@pytest.mark.parametrize(
    ("counts", "usage", "flags"),
    [
        # CASES 1 and 3: these dialects' input count includes what was read from the cache, and it is charged once.
        (TotalCounts(input=1200, output=300, cached=800), {"input": 400, "output": 300, "cache_read": 800}, ()),
        # CASES 2: cache writes are counted once; without their lifetime they are taken as 5 minutes.
        (
            TotalCounts(input=100, output=1, cached=20, cache_write=30),
            {"input": 50, "output": 1, "cache_read": 20, "cache_write_5m": 30},
            ("cache_write_unsplit",),
        ),
        # CASES 4: reasoning is a part of the output.
        (TotalCounts(input=1, output=300, reasoning=100), {"input": 1, "output": 300, "reasoning": 100}, ()),
        (
            TotalCounts(input=50, output=40, input_parts=audio(20), output_parts=audio(30), reasoning=10),
            {"input": 30, "output": 10, "audio_in": 20, "audio_out": 30, "reasoning": 10},
            (),
        ),
        (
            TotalCounts(input=50, output=1, input_parts=Parts(text=5, audio=20, image=25)),
            {"input": 5, "output": 1, "audio_in": 20, "image_in": 25},
            (),
        ),
        # A reported zero is a fact; a detail of zero says nothing.
        (TotalCounts(input=0, output=0, total=0, cached=0, reasoning=0), {"input": 0, "output": 0}, ()),
        # A detail larger than its total is dropped, and its tokens stay at the base class.
        (TotalCounts(input=10, output=1, cached=11), {"input": 10, "output": 1}, ("impossible_cache_read",)),
        (TotalCounts(input=10, output=1, cached=-1), {"input": 10, "output": 1}, ("impossible_cache_read",)),
        (
            TotalCounts(input=10, output=1, cached=6, cache_write=5),
            {"input": 4, "output": 1, "cache_read": 6},
            ("impossible_cache_write",),
        ),
        (TotalCounts(input=10, output=1, input_parts=audio(11)), {"input": 10, "output": 1}, ("impossible_audio_in",)),
        (
            TotalCounts(input=10, output=1, input_parts=Parts(audio=6, image=5)),
            {"input": 4, "output": 1, "audio_in": 6},
            ("impossible_image_in",),
        ),
        (TotalCounts(input=10, output=1, reasoning=2), {"input": 10, "output": 1}, ("impossible_reasoning",)),
        (TotalCounts(input=10, output=1, output_parts=audio(2)), {"input": 10, "output": 1}, ("impossible_audio_out",)),
        # Sound and a cache that does not say what it held: text is taken to be cached before sound.
        (
            TotalCounts(input=100, output=1, cached=64, input_parts=Parts(text=70, audio=30)),
            {"input": 6, "output": 1, "cache_read": 64, "audio_in": 30},
            ("cache_part_unstated",),
        ),
        (
            TotalCounts(input=100, output=1, cached=64, input_parts=Parts(text=20, audio=80)),
            {"input": 0, "output": 1, "cache_read": 64, "audio_in": 36},
            ("cache_part_unstated",),
        ),
        # CASES 6: the total governs; what its parts do not explain is at the base class and flagged.
        (
            TotalCounts(input=50, output=9, input_parts=Parts(text=5, audio=20), output_parts=Parts(text=8)),
            {"input": 30, "output": 9, "audio_in": 20},
            ("unexplained_input", "unexplained_output"),
        ),
        (
            TotalCounts(input=1, output=9, output_parts=Parts(text=2, image=7)),
            {"input": 1, "output": 2, "image_out": 7},
            (),
        ),
        (
            TotalCounts(input=1, output=9, output_parts=Parts(audio=5, image=7)),
            {"input": 1, "output": 4, "audio_out": 5},
            ("impossible_image_out",),
        ),
        # A total that is none: nothing is taken from it.
        (TotalCounts(input=-1, output=1), {}, ("impossible_total",)),
        (TotalCounts(input=1, output=-5), {}, ("impossible_total",)),
        (TotalCounts(input=1), {}, ("impossible_total",)),
        (TotalCounts(output=1), {}, ("impossible_total",)),
        (TotalCounts(input=MOST_TOKENS + 1, output=1), {}, ("impossible_total",)),
        # A grand total beyond input and output is flagged and not billed, unless it is exactly the reasoning that xAI
        # counts beside the completion.
        (TotalCounts(input=10, output=5, total=15), {"input": 10, "output": 5}, ()),
        (TotalCounts(input=10, output=5, total=12), {"input": 10, "output": 5}, ()),
        (TotalCounts(input=10, output=5, total=-1), {"input": 10, "output": 5}, ()),
        (TotalCounts(input=10, output=5, total=99), {"input": 10, "output": 5}, ("unexplained_total",)),
        (
            TotalCounts(input=32, output=9, total=135, reasoning=94),
            {"input": 32, "output": 103, "reasoning": 94},
            ("reasoning_apart",),
        ),
        (
            TotalCounts(input=32, output=9, total=135, reasoning=94, output_parts=audio(10)),
            {"input": 32, "output": 103, "reasoning": 94},
            ("impossible_audio_out", "reasoning_apart"),
        ),
    ],
)
def test_totals_become_disjoint_classes(counts: TotalCounts, usage: Usage, flags: tuple[Flag, ...]) -> None:
    """CASES 1 to 6: every token is in one class, none is charged twice, and what is odd is flagged."""
    assert Reading(dialect="openai_chat", usage=usage, flags=flags) == from_totals(counts, "openai_chat")


@pytest.mark.parametrize(
    ("counts", "usage", "flags"),
    [
        # CASES 1 and 3: here the input count excludes what was read from or written to the cache.
        (MessagesCounts(input=50, output=9, cache_read=800), {"input": 50, "output": 9, "cache_read": 800}, ()),
        # CASES 2: writes for 5 minutes and for 1 hour are apart.
        (
            MessagesCounts(input=50, output=9, cache_write=248, cache_write_5m=148, cache_write_1h=100),
            {"input": 50, "output": 9, "cache_write_5m": 148, "cache_write_1h": 100},
            (),
        ),
        (
            MessagesCounts(input=50, output=9, cache_write_5m=148, cache_write_1h=100),
            {"input": 50, "output": 9, "cache_write_5m": 148, "cache_write_1h": 100},
            (),
        ),
        (
            MessagesCounts(input=50, output=9, cache_write=100, cache_write_1h=100),
            {"input": 50, "output": 9, "cache_write_1h": 100},
            (),
        ),
        # CASES 2: a total without a split is taken as 5 minutes and flagged.
        (
            MessagesCounts(input=50, output=9, cache_write=248),
            {"input": 50, "output": 9, "cache_write_5m": 248},
            ("cache_write_unsplit",),
        ),
        # CASES 6: the total governs a split that does not sum to it.
        (
            MessagesCounts(input=50, output=9, cache_write=248, cache_write_5m=100, cache_write_1h=100),
            {"input": 50, "output": 9, "cache_write_5m": 148, "cache_write_1h": 100},
            ("cache_write_unsplit",),
        ),
        (
            MessagesCounts(input=50, output=9, cache_write=248, cache_write_5m=200, cache_write_1h=100),
            {"input": 50, "output": 9, "cache_write_5m": 248},
            ("impossible_cache_write",),
        ),
        (
            MessagesCounts(input=50, output=9, cache_write=248, cache_write_5m=-1, cache_write_1h=100),
            {"input": 50, "output": 9, "cache_write_5m": 248},
            ("impossible_cache_write",),
        ),
        # CASES 4.
        (MessagesCounts(input=1, output=9, reasoning=4), {"input": 1, "output": 9, "reasoning": 4}, ()),
        (MessagesCounts(input=1, output=9, reasoning=10), {"input": 1, "output": 9}, ("impossible_reasoning",)),
        (MessagesCounts(input=1, output=9, searches=2), {"input": 1, "output": 9, "searches": 2}, ()),
        (MessagesCounts(input=1, output=9, searches=-1), {"input": 1, "output": 9}, ("impossible_searches",)),
        (
            MessagesCounts(input=0, output=0, cache_read=0, cache_write=0, cache_write_5m=0, searches=0),
            {"input": 0, "output": 0},
            (),
        ),
        # The three make up the total input: one that is no number leaves no total.
        (MessagesCounts(input=-1, output=9), {}, ("impossible_total",)),
        (MessagesCounts(input=1, output=-1), {}, ("impossible_total",)),
        (MessagesCounts(input=1), {}, ("impossible_total",)),
        (MessagesCounts(output=1, cache_read=5), {}, ("impossible_total",)),
        (MessagesCounts(input=1, output=9, cache_read=-1), {}, ("impossible_total",)),
        (MessagesCounts(input=1, output=9, cache_write=-1), {}, ("impossible_total",)),
        (MessagesCounts(input=1, output=9, cache_write_5m=-1), {}, ("impossible_total",)),
        (MessagesCounts(input=MOST_TOKENS, output=9, cache_read=1), {}, ("impossible_total",)),
    ],
)
def test_messages_become_disjoint_classes(counts: MessagesCounts, usage: Usage, flags: tuple[Flag, ...]) -> None:
    """CASES 1 to 6, where cached tokens are beside the input count."""
    assert Reading(dialect="anthropic_messages", usage=usage, flags=flags) == from_messages(counts)


@pytest.mark.parametrize(
    ("counts", "usage", "flags"),
    [
        # CASES 1 and 3: the prompt includes cached content.
        (
            GeminiCounts(prompt=1000, cached=800, candidates=120, total=1120),
            {"input": 200, "output": 120, "cache_read": 800},
            (),
        ),
        # CASES 4: thoughts are beside the candidates; both are output, and thoughts are its reasoning.
        (
            GeminiCounts(prompt=10, candidates=5, thoughts=7, tool_prompt=3, total=25),
            {"input": 13, "output": 12, "reasoning": 7},
            (),
        ),
        # Zeros are left out: an answer of thoughts alone, or none at all.
        (GeminiCounts(prompt=10, thoughts=7, total=17), {"input": 10, "output": 7, "reasoning": 7}, ()),
        (GeminiCounts(prompt=10, total=10), {"input": 10, "output": 0}, ()),
        # The cached part of the sound is not counted twice.
        (
            GeminiCounts(
                prompt=100,
                cached=64,
                candidates=9,
                prompt_parts=Parts(text=20, audio=80),
                cached_parts=Parts(text=4, audio=60),
                candidate_parts=Parts(text=2, audio=7),
            ),
            {"input": 16, "output": 2, "cache_read": 64, "audio_in": 20, "audio_out": 7},
            (),
        ),
        # A kind that the cache held more of than the prompt: what it held is not known.
        (
            GeminiCounts(
                prompt=100,
                cached=64,
                candidates=9,
                prompt_parts=Parts(text=70, audio=30),
                cached_parts=Parts(text=20, audio=44),
            ),
            {"input": 6, "output": 9, "cache_read": 64, "audio_in": 30},
            ("impossible_cache_part", "cache_part_unstated"),
        ),
        # The cache is said to have held more text than there was: sound takes what is left.
        (
            GeminiCounts(
                prompt=100,
                cached=64,
                candidates=9,
                prompt_parts=Parts(text=20, audio=80),
                cached_parts=Parts(text=64),
            ),
            {"input": 0, "output": 9, "cache_read": 64, "audio_in": 36},
            ("impossible_cache_part",),
        ),
        (
            GeminiCounts(prompt=10, cached=5, candidates=9, cached_parts=Parts(text=6, audio=6)),
            {"input": 5, "output": 9, "cache_read": 5},
            ("impossible_cache_part",),
        ),
        # Cached content is of the prompt, not of what tools brought.
        (
            GeminiCounts(prompt=10, tool_prompt=5, cached=12, candidates=1),
            {"input": 15, "output": 1},
            ("impossible_cache_read",),
        ),
        # What tools brought is text where nothing is said of it.
        (
            GeminiCounts(prompt=10, tool_prompt=5, candidates=1, prompt_parts=Parts(text=4, image=6)),
            {"input": 9, "output": 1, "image_in": 6},
            (),
        ),
        (
            GeminiCounts(prompt=10, tool_prompt=5, candidates=1, tool_parts=Parts(text=0, audio=5)),
            {"input": 10, "output": 1, "audio_in": 5},
            (),
        ),
        # CASES 6.
        (
            GeminiCounts(prompt=10, candidates=4, prompt_parts=Parts(text=3), candidate_parts=Parts(text=5)),
            {"input": 10, "output": 4},
            ("unexplained_input", "unexplained_output"),
        ),
        (
            GeminiCounts(prompt=10, candidates=4, prompt_parts=Parts(text=3, audio=-1)),
            {"input": 10, "output": 4},
            ("impossible_audio_in", "unexplained_input"),
        ),
        (GeminiCounts(prompt=10, candidates=5, total=99), {"input": 10, "output": 5}, ("unexplained_total",)),
        # Sound is a part of what was said, never of thoughts.
        (
            GeminiCounts(prompt=1, candidates=5, thoughts=7, candidate_parts=Parts(text=0, audio=6)),
            {"input": 1, "output": 12, "reasoning": 7},
            ("impossible_audio_out", "unexplained_output"),
        ),
        (
            GeminiCounts(prompt=1, candidates=5, candidate_parts=Parts(text=1, image=4)),
            {"input": 1, "output": 1, "image_out": 4},
            (),
        ),
        # Parts of a total, not details: one that is no number leaves no total.
        (GeminiCounts(candidates=1), {}, ("impossible_total",)),
        (GeminiCounts(prompt=-1), {}, ("impossible_total",)),
        (GeminiCounts(prompt=1, tool_prompt=-1), {}, ("impossible_total",)),
        (GeminiCounts(prompt=1, candidates=-1), {}, ("impossible_total",)),
        (GeminiCounts(prompt=1, thoughts=-1), {}, ("impossible_total",)),
        (GeminiCounts(prompt=MOST_TOKENS, tool_prompt=1), {}, ("impossible_total",)),
        (GeminiCounts(prompt=1, candidates=MOST_TOKENS, thoughts=1), {}, ("impossible_total",)),
    ],
)
def test_gemini_becomes_disjoint_classes(counts: GeminiCounts, usage: Usage, flags: tuple[Flag, ...]) -> None:
    """CASES 1 to 6, where the prompt includes cached content and thoughts are beside the candidates."""
    assert Reading(dialect="gemini", usage=usage, flags=flags) == from_gemini(counts)


@pytest.mark.parametrize(
    ("seconds", "usage", "flags"),
    [
        (13, {"input": 0, "output": 0, "seconds": 13}, ()),
        (0, {"input": 0, "output": 0, "seconds": 0}, ()),
        (-1, {}, ("impossible_total",)),
    ],
)
def test_a_transcription_is_billed_by_its_seconds(seconds: int, usage: Usage, flags: tuple[Flag, ...]) -> None:
    """Sound may be billed by its length alone; a length that is none leaves nothing to bill."""
    assert Reading(dialect="openai_transcription", usage=usage, flags=flags) == from_seconds(seconds)


def test_no_counts_are_no_reading() -> None:
    """Unknown is never zero: a usage without input and output says nothing."""
    assert from_totals(TotalCounts(), "openai_chat") is None
    assert from_totals(TotalCounts(total=7, cached=3), "openai_chat") is None
    assert from_messages(MessagesCounts(cache_read=3)) is None
    assert from_gemini(GeminiCounts(cached=3)) is None
    assert from_seconds(None) is None


def test_every_dialect_says_where_it_counts_cached_tokens() -> None:
    """CASES 3: it is declared for each dialect and stated with each reading."""
    assert set(get_args(Dialect)) == set(CACHE_COUNTED)
    assert Reading(dialect="anthropic_messages", usage={}).cache_counted == "beside_input"
    assert Reading(dialect="gemini", usage={}).cache_counted == "in_input"


def test_the_last_word_of_a_stream_holds() -> None:
    """CASES 18: counts of a stream are cumulative; a later one replaces, one that is left out stays."""
    start = MessagesCounts(input=25, cache_read=800, cache_write_1h=100, output=1)
    assert later(start, MessagesCounts(output=15)) == MessagesCounts(
        input=25, cache_read=800, cache_write_1h=100, output=15
    )
    assert later(start, MessagesCounts(input=472, cache_read=0, output=15)) == MessagesCounts(
        input=472, cache_read=0, cache_write_1h=100, output=15
    )


COUNT = st.none() | st.integers(-3, 50) | st.just(MOST_TOKENS + 1)
PARTS = st.just(NO_PARTS) | st.builds(Parts, text=COUNT, audio=COUNT, image=COUNT)
TOTALS = st.builds(
    TotalCounts,
    input=COUNT,
    output=COUNT,
    total=COUNT,
    cached=COUNT,
    cache_write=COUNT,
    input_parts=PARTS,
    reasoning=COUNT,
    output_parts=PARTS,
)
MESSAGES = st.builds(MessagesCounts, **dict.fromkeys(MessagesCounts.__dataclass_fields__, COUNT))
GEMINI = st.builds(
    GeminiCounts,
    **{name: PARTS if name.endswith("_parts") else COUNT for name in GeminiCounts.__dataclass_fields__},
)


def sums(reading: Reading | None) -> tuple[int, int] | None:
    """Check what holds for every reading, and return its total input and output; None where it has no usage."""
    if reading is None or not reading.usage:
        assert reading is None or reading.flags == ("impossible_total",)
        return None
    usage = reading.usage
    assert len(set(reading.flags)) == len(reading.flags)
    assert set(reading.flags) <= set(get_args(Flag))
    assert set(usage) <= {*TOKEN_CLASSES, "reasoning", "searches"}
    assert all(tokens >= 0 for tokens in usage.values())
    assert usage.get("reasoning", 0) <= usage["output"]
    return sum(usage.get(name, 0) for name in INPUT_CLASSES), sum(usage.get(name, 0) for name in OUTPUT_CLASSES)


@given(TOTALS)
def test_totals_are_kept(counts: TotalCounts) -> None:
    """CASES 1 and 6: whatever is reported, nothing is negative, and the total governs."""
    reading = from_totals(counts, "openai_responses")
    if (found := sums(reading)) is not None and reading is not None:
        apart = counts.reasoning or 0 if "reasoning_apart" in reading.flags else 0
        assert (counts.input, (counts.output or 0) + apart) == found


@given(MESSAGES)
def test_messages_are_kept(counts: MessagesCounts) -> None:
    """CASES 1 and 6: the total input is what was fresh, read and written together."""
    if (found := sums(from_messages(counts))) is not None:
        split = (counts.cache_write_5m or 0) + (counts.cache_write_1h or 0)
        written = split if counts.cache_write is None else counts.cache_write
        assert ((counts.input or 0) + (counts.cache_read or 0) + written, counts.output) == found


@given(GEMINI)
def test_gemini_is_kept(counts: GeminiCounts) -> None:
    """CASES 1 and 6: the total input is the prompt and what tools brought, the output candidates and thoughts."""
    if (found := sums(from_gemini(counts))) is not None:
        total_in = (counts.prompt or 0) + (counts.tool_prompt or 0)
        assert (total_in, (counts.candidates or 0) + (counts.thoughts or 0)) == found
