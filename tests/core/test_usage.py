"""Counts of every dialect become disjoint classes; what can't be true is dropped and flagged."""

from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tokens_forge.core.usage import (
    CACHE_COUNTED,
    GUESSES,
    INPUT_CLASSES,
    MOST_TOKENS,
    NO_PARTS,
    OUTPUT_CLASSES,
    TOKEN_CLASSES,
    WRITE_CLASSES,
    Counts,
    Dialect,
    Flag,
    GeminiCounts,
    MessagesCounts,
    Parts,
    Reading,
    TotalCounts,
    at_least,
    at_most,
    from_gemini,
    from_messages,
    from_seconds,
    from_totals,
    is_silent,
    later,
    written,
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
        # A detail larger than its total is none of it: the larger count is billed. One that is no number is none.
        (
            TotalCounts(input=12, output=1, cached=5484),
            {"input": 0, "output": 1, "cache_read": 5484},
            ("impossible_cache_read",),
        ),
        (
            TotalCounts(input=12, output=1, cached=5484, cache_write=7, cache_write_12h=7),
            {"input": 0, "output": 1, "cache_read": 5484, "cache_write_12h": 7},
            ("impossible_cache_read", "impossible_cache_write"),
        ),
        (
            TotalCounts(input=12, output=1, cached=2, cache_write=5484),
            {"input": 0, "output": 1, "cache_read": 2, "cache_write_5m": 5484},
            ("cache_write_unsplit", "impossible_cache_write"),
        ),
        (TotalCounts(input=10, output=1, cached=-1), {"input": 10, "output": 1}, ("impossible_cache_read",)),
        (
            # What was read and written overlaps: of the writes counts what was not read, the dearest first.
            TotalCounts(input=10, output=1, cached=6, cache_write=5, cache_write_30m=2, cache_write_12h=3),
            {"input": 0, "output": 1, "cache_read": 6, "cache_write_30m": 1, "cache_write_12h": 3},
            ("impossible_cache_write",),
        ),
        (
            TotalCounts(input=10, output=1, cache_write=-1, cache_write_1h=-1),
            {"input": 10, "output": 1},
            ("impossible_cache_write",),
        ),
        (
            TotalCounts(input=10, output=1, input_parts=audio(11)),
            {"input": 0, "output": 1, "audio_in": 11},
            ("impossible_audio_in",),
        ),
        (
            TotalCounts(input=10, output=1, input_parts=Parts(audio=2, image=11)),
            {"input": 0, "output": 1, "audio_in": 2, "image_in": 11},
            ("impossible_image_in",),
        ),
        (
            TotalCounts(input=10, output=1, input_parts=Parts(audio=6, image=5)),
            {"input": 0, "output": 1, "audio_in": 6, "image_in": 4},
            ("impossible_image_in",),
        ),
        (
            TotalCounts(input=10, output=1, reasoning=64),
            {"input": 10, "output": 64, "reasoning": 64},
            ("impossible_reasoning",),
        ),
        (TotalCounts(input=10, output=1, reasoning=-1), {"input": 10, "output": 1}, ("impossible_reasoning",)),
        (
            TotalCounts(input=10, output=9, reasoning=4, output_parts=audio(6)),
            {"input": 10, "output": 3, "audio_out": 6},
            ("impossible_reasoning",),
        ),
        (
            TotalCounts(input=10, output=1, output_parts=audio(2)),
            {"input": 10, "output": 0, "audio_out": 2},
            ("impossible_audio_out",),
        ),
        (
            TotalCounts(input=10, output=1, output_parts=Parts(image=2)),
            {"input": 10, "output": 0, "image_out": 2},
            ("impossible_image_out",),
        ),
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
            {"input": 1, "output": 0, "audio_out": 5, "image_out": 4},
            ("impossible_image_out",),
        ),
        # A total that is none: nothing is taken from it.
        (TotalCounts(input=-1, output=1), {}, ("impossible_total",)),
        (TotalCounts(input=1, output=-5), {}, ("impossible_total",)),
        (TotalCounts(input=1), {}, ("impossible_total",)),
        (TotalCounts(output=1), {}, ("impossible_total",)),
        (TotalCounts(input=MOST_TOKENS + 1, output=1), {}, ("impossible_total",)),
        (TotalCounts(input=MOST_TOKENS, output=1, cached=1, cache_named="beside_input"), {}, ("impossible_total",)),
        # LiteLLM's text leaves out what was cached, and what was thought.
        (
            TotalCounts(
                input=100,
                output=30,
                cached=60,
                cache_write=30,
                cache_write_5m=30,
                input_parts=Parts(text=10),
                reasoning=20,
                output_parts=Parts(text=10),
            ),
            {"input": 10, "output": 30, "cache_read": 60, "cache_write_5m": 30, "reasoning": 20},
            (),
        ),
        (TotalCounts(input=10, output=5, searches=2), {"input": 10, "output": 5, "searches": 2}, ()),
        (TotalCounts(input=10, output=5, searches=-2), {"input": 10, "output": 5}, ("impossible_searches",)),
        (TotalCounts(input=10, output=5, contradicted=True), {"input": 10, "output": 5}, ("contradictory_usage",)),
        (TotalCounts(input=10, output=5, disagree=True), {"input": 10, "output": 5}, ("counts_disagree",)),
        # What a grand total shows beyond input and output.
        (TotalCounts(input=10, output=5, total=15), {"input": 10, "output": 5}, ()),
        (TotalCounts(input=10, output=5, total=12), {"input": 10, "output": 5}, ()),
        (TotalCounts(input=10, output=5, total=-1), {"input": 10, "output": 5}, ()),
        (TotalCounts(input=10, total=15), {"input": 10, "output": 5}, ("unexplained_total",)),
        (TotalCounts(output=5, total=15), {"input": 10, "output": 5}, ("unexplained_total",)),
        (TotalCounts(output=25, total=15), {"input": 0, "output": 25}, ("unexplained_total",)),
        (TotalCounts(output=-1, total=15), {}, ("impossible_total",)),
        (TotalCounts(input=9, output=3, total=105), {"input": 9, "output": 96}, ("unexplained_total",)),
        (
            TotalCounts(input=9, output=3, total=105, reasoning=90),
            {"input": 9, "output": 96, "reasoning": 90},
            ("unexplained_total",),
        ),
        (
            TotalCounts(input=12, output=20, total=5516, cached=5484),
            {"input": 12, "output": 20, "cache_read": 5484},
            ("cache_beside_input",),
        ),
        (
            TotalCounts(input=6000, output=20, total=6120, cached=64, cache_write=100, cache_write_1h=100),
            {"input": 5936, "output": 20, "cache_read": 64, "cache_write_1h": 100},
            ("cache_beside_input",),
        ),
        (
            TotalCounts(input=6000, output=20, total=6184, cached=64, cache_write=100, cache_write_1h=100),
            {"input": 6000, "output": 20, "cache_read": 64, "cache_write_1h": 100},
            ("cache_beside_input",),
        ),
        (
            TotalCounts(input=6000, output=20, total=6091, cached=64, reasoning=7),
            {"input": 6000, "output": 27, "cache_read": 64, "reasoning": 7},
            ("cache_beside_input", "reasoning_apart"),
        ),
        # Where the reasoning is as much as what was cached, it is the reasoning, which costs more.
        (
            TotalCounts(input=100, output=20, total=127, cached=7, reasoning=7),
            {"input": 93, "output": 27, "cache_read": 7, "reasoning": 7},
            ("reasoning_apart",),
        ),
        # Anthropic's names mean counts beside the input; some relays count them in it all the same.
        (
            TotalCounts(input=12, output=20, total=32, cached=5484, cache_named="either"),
            {"input": 12, "output": 20, "cache_read": 5484},
            ("cache_beside_input",),
        ),
        (
            TotalCounts(input=6000, output=20, total=6020, cached=5484, cache_named="either"),
            {"input": 516, "output": 20, "cache_read": 5484},
            (),
        ),
        (
            TotalCounts(input=100, output=20, cached=64, cache_named="beside_input"),
            {"input": 100, "output": 20, "cache_read": 64},
            ("cache_beside_input",),
        ),
        (
            TotalCounts(input=100, output=20, total=191, cached=64, reasoning=7, cache_named="beside_input"),
            {"input": 100, "output": 27, "cache_read": 64, "reasoning": 7},
            ("cache_beside_input", "reasoning_apart"),
        ),
        # Perplexity counts reasoning beside the completion and leaves it out of the total.
        (
            TotalCounts(input=33, output=71, total=104, reasoning=95, reasoning_beside=True),
            {"input": 33, "output": 166, "reasoning": 95},
            ("reasoning_apart",),
        ),
        (
            TotalCounts(input=33, output=71, total=199, reasoning=95, reasoning_beside=True),
            {"input": 33, "output": 166, "reasoning": 95},
            ("reasoning_apart",),
        ),
        (
            TotalCounts(input=32, output=9, total=135, reasoning=94),
            {"input": 32, "output": 103, "reasoning": 94},
            ("reasoning_apart",),
        ),
        (
            TotalCounts(input=32, output=9, total=135, reasoning=94, output_parts=audio(10)),
            {"input": 32, "output": 94, "audio_out": 10, "reasoning": 94},
            ("impossible_audio_out", "reasoning_apart"),
        ),
    ],
)
def test_totals_become_disjoint_classes(counts: TotalCounts, usage: Usage, flags: tuple[Flag, ...]) -> None:
    """CASES 1 to 6: every token is in one class, none is charged twice, and what is odd is flagged."""
    reading = from_totals(counts, "openai_chat")
    assert reading is not None
    assert (usage, flags) == (reading.usage, reading.flags)


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
        (
            MessagesCounts(input=50, output=9, cache_write=70, cache_write_30m=30, cache_write_12h=40),
            {"input": 50, "output": 9, "cache_write_30m": 30, "cache_write_12h": 40},
            (),
        ),
        # Relays write a zero for the total of a split.
        (
            MessagesCounts(input=50, output=9, cache_write=0, cache_write_1h=100),
            {"input": 50, "output": 9, "cache_write_1h": 100},
            (),
        ),
        # CASES 6: of a split that does not sum to its total and the total, the larger counts.
        (
            MessagesCounts(input=50, output=9, cache_write=248, cache_write_5m=100, cache_write_1h=100),
            {"input": 50, "output": 9, "cache_write_5m": 148, "cache_write_1h": 100},
            ("cache_write_unsplit",),
        ),
        (
            MessagesCounts(input=50, output=9, cache_write=248, cache_write_5m=200, cache_write_1h=100),
            {"input": 50, "output": 9, "cache_write_5m": 200, "cache_write_1h": 100},
            ("impossible_cache_write",),
        ),
        (
            MessagesCounts(input=50, output=9, cache_write=248, cache_write_5m=-1, cache_write_1h=100),
            {"input": 50, "output": 9, "cache_write_5m": 148, "cache_write_1h": 100},
            ("impossible_cache_write", "cache_write_unsplit"),
        ),
        # CASES 4.
        (MessagesCounts(input=1, output=9, reasoning=4), {"input": 1, "output": 9, "reasoning": 4}, ()),
        (
            MessagesCounts(input=1, output=9, reasoning=10),
            {"input": 1, "output": 10, "reasoning": 10},
            ("impossible_reasoning",),
        ),
        (MessagesCounts(input=1, output=9, contradicted=True), {"input": 1, "output": 9}, ("contradictory_usage",)),
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
            {"input": 5, "output": 1, "cache_read": 12},
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
        (GeminiCounts(prompt=10, candidates=5, total=99), {"input": 10, "output": 89}, ("unexplained_total",)),
        (
            GeminiCounts(prompt=10, candidates=5, cached=84, total=99),
            {"input": 10, "output": 5, "cache_read": 84},
            ("cache_beside_input",),
        ),
        # Sound is a part of what was said, never of thoughts.
        (
            GeminiCounts(prompt=1, candidates=5, thoughts=7, candidate_parts=Parts(text=0, audio=6)),
            {"input": 1, "output": 7, "audio_out": 6, "reasoning": 7},
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
    reading = from_gemini(counts)
    assert reading is not None
    assert (usage, flags) == (reading.usage, reading.flags)


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
    assert later(start, MessagesCounts(output=15)) == replace(start, output=15)
    assert later(start, start) is start


@pytest.mark.parametrize(
    ("earlier", "last", "merged"),
    [
        # A provider moves tokens from one count to another: never the highest of each.
        (
            MessagesCounts(input=8834, cache_read=0, output=1),
            MessagesCounts(input=18, cache_read=8831, output=15),
            MessagesCounts(input=18, cache_read=8831, output=15),
        ),
        # Zeros take nothing back, of one count or of all.
        (
            MessagesCounts(input=15, output=1),
            MessagesCounts(input=0, output=15),
            MessagesCounts(input=15, output=15, contradicted=True),
        ),
        (
            TotalCounts(input=39320, output=26, total=39346),
            TotalCounts(input=0, output=0, total=0, cached=0),
            TotalCounts(input=39320, output=26, total=39346, cached=0, contradicted=True),
        ),
        (
            TotalCounts(input=39320, output=0, total=39320),
            TotalCounts(input=0, output=26, total=26),
            TotalCounts(input=39320, output=26, total=26, contradicted=True),
        ),
        (TotalCounts(input=39320), TotalCounts(output=26), TotalCounts(input=39320, output=26)),
        (TotalCounts(), TotalCounts(input=0, output=0), TotalCounts(input=0, output=0)),
        # A zero beside a count that is not zero is a word of the group where tokens may have moved.
        (
            MessagesCounts(input=100, cache_read=20, output=1),
            MessagesCounts(input=118, cache_read=0, output=9),
            MessagesCounts(input=118, cache_read=0, output=9, contradicted=True),
        ),
        (
            MessagesCounts(input=1000, cache_read=20, output=1),
            MessagesCounts(input=1000, cache_read=0, output=9),
            MessagesCounts(input=1000, cache_read=20, output=9),
        ),
        (
            TotalCounts(input=100, cached=80, output=1),
            TotalCounts(input=100, cached=0, output=9),
            TotalCounts(input=100, cached=80, output=9),
        ),
        # All input as fresh, then its part that was read; and the other way round.
        (
            MessagesCounts(input=3602, output=1),
            MessagesCounts(cache_read=3604, output=878),
            MessagesCounts(input=0, cache_read=3604, output=878, contradicted=True),
        ),
        (
            MessagesCounts(input=3602, output=1),
            MessagesCounts(cache_read=3599, output=878),
            MessagesCounts(input=3, cache_read=3599, output=878, contradicted=True),
        ),
        (
            MessagesCounts(input=3602, output=1),
            MessagesCounts(cache_read=3000, output=878),
            MessagesCounts(input=3602, cache_read=3000, output=878),
        ),
        (
            MessagesCounts(input=3, output=1),
            MessagesCounts(cache_read=5, output=8),
            MessagesCounts(input=3, cache_read=5, output=8),
        ),
        (
            MessagesCounts(input=3, cache_write=16813, output=1),
            MessagesCounts(input=16816, cache_write=0, output=8),
            MessagesCounts(input=3, cache_write=16813, output=8, contradicted=True),
        ),
        # Less input or less output than before is the last word, and contradicts the first.
        (
            MessagesCounts(input=25, cache_read=800, cache_write=7, output=9),
            MessagesCounts(input=780, cache_read=0, output=8),
            MessagesCounts(input=780, cache_read=0, cache_write=7, output=8, contradicted=True),
        ),
        # Far less input than before was not moved: the last word is a guess.
        (
            MessagesCounts(input=233_535, output=1),
            MessagesCounts(input=89_828, cache_read=10_240, output=500),
            MessagesCounts(input=89_828, cache_read=10_240, output=500, contradicted=True, disagree=True),
        ),
        (
            TotalCounts(input=1000, cached=800, output=1),
            TotalCounts(input=100, cached=40, output=9),
            TotalCounts(input=100, cached=40, output=9, contradicted=True, disagree=True),
        ),
        # The split of cache writes goes with its total.
        (
            MessagesCounts(input=1, cache_write=248, cache_write_5m=148, cache_write_1h=100, output=1),
            MessagesCounts(input=1, cache_write=248, output=9),
            MessagesCounts(input=1, cache_write=248, cache_write_5m=148, cache_write_1h=100, output=9),
        ),
        (
            MessagesCounts(input=1, cache_write=248, cache_write_5m=148, cache_write_1h=100, output=1),
            MessagesCounts(input=300, cache_write=100, output=9),
            MessagesCounts(input=300, cache_write=100, output=9),
        ),
        (
            MessagesCounts(input=1, cache_write=248, output=1),
            MessagesCounts(input=1, cache_write_12h=300, output=1),
            MessagesCounts(input=1, cache_write_12h=300, output=1),
        ),
        # What is no number takes nothing back either; where nothing was told it is what is told.
        (
            TotalCounts(input=100, output=9),
            TotalCounts(input=-1, output=MOST_TOKENS + 1, reasoning=-1),
            TotalCounts(input=100, output=9, reasoning=-1, contradicted=True),
        ),
        # Parts by kind are of their count; zeros say nothing.
        (
            TotalCounts(input=100, output=9, input_parts=audio(5), output_parts=audio(2)),
            TotalCounts(input=100, output=9, input_parts=audio(0), output_parts=audio(0)),
            TotalCounts(input=100, output=9, input_parts=audio(5), output_parts=audio(2)),
        ),
        # In whose words it was told is remembered.
        (
            TotalCounts(input=1, cache_named="either", reasoning_beside=True),
            TotalCounts(output=1),
            TotalCounts(input=1, output=1, cache_named="either", reasoning_beside=True),
        ),
        (
            TotalCounts(input=1),
            TotalCounts(output=1, cache_named="beside_input", contradicted=True),
            TotalCounts(input=1, output=1, cache_named="beside_input", contradicted=True),
        ),
    ],
)
def test_a_later_word_replaces_a_group_and_a_zero_nothing(earlier: Counts, last: Counts, merged: Counts) -> None:
    """CASES 61: an object with any input count that is not zero replaces those it names; zeros take nothing back."""
    assert merged == later(earlier, last)


def test_zeros_are_silent() -> None:
    """CASES 18: before an answer ended, zeros are placeholders; what is no number says something."""
    assert is_silent(TotalCounts(input=0, output=0, total=0, input_parts=audio(0)))
    assert is_silent(MessagesCounts())
    assert not is_silent(MessagesCounts(input=0, output=-1))
    assert not is_silent(TotalCounts(input=0, output=0, output_parts=Parts(image=1)))


def test_what_nobody_counted_is_capped() -> None:
    """CASES 62 and 65: what only a total shows is never above the request's maximum; what was counted stays."""
    shown = from_totals(TotalCounts(input=9, output=3, total=105, reasoning=90), "openai_chat")
    assert shown is not None
    assert shown.guessed == 93
    assert {"input": 9, "output": 50, "reasoning": 50} == at_most(shown.usage, shown.guessed, 50)
    assert {"input": 9, "output": 3, "reasoning": 3} == at_most(shown.usage, shown.guessed, 2)
    assert at_most(shown.usage, shown.guessed, 96) is shown.usage
    counted = Reading(dialect="openai_chat", usage={"input": 9, "output": 96, "audio_out": 4})
    assert at_most(counted.usage, counted.guessed, 1) is counted.usage
    streamed = at_least(counted, 1000)
    assert ({"input": 9, "output": 1000, "audio_out": 4}, 904) == (streamed.usage, streamed.guessed)
    assert at_most(streamed.usage, streamed.guessed, 500) == {"input": 9, "output": 500 - 4, "audio_out": 4}
    assert at_least(counted, 96) is counted
    assert at_least(impossible := Reading(dialect="openai_chat", usage={}), 96) is impossible


def test_what_was_written_to_a_cache() -> None:
    """However long it is kept there."""
    assert written({"input": 1, "cache_write_5m": 2, "cache_write_12h": 3}) == 5
    assert set(get_args(Flag)) >= GUESSES


COUNT = st.none() | st.integers(-3, 50) | st.just(MOST_TOKENS + 1)
PARTS = st.just(NO_PARTS) | st.builds(Parts, text=COUNT, audio=COUNT, image=COUNT)
TOTALS = st.builds(
    TotalCounts,
    input=COUNT,
    output=COUNT,
    total=COUNT,
    cached=COUNT,
    cache_write=COUNT,
    **dict.fromkeys(WRITE_CLASSES, COUNT),
    input_parts=PARTS,
    reasoning=COUNT,
    output_parts=PARTS,
    searches=COUNT,
    cache_named=st.sampled_from(["in_input", "either", "beside_input"]),
    reasoning_beside=st.booleans(),
)
MESSAGES = st.builds(
    MessagesCounts,
    **dict.fromkeys(("input", "cache_read", "cache_write", *WRITE_CLASSES, "output", "reasoning", "searches"), COUNT),
)
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


def least(count: int | None) -> int:
    """Return what of a count is one."""
    return count if count is not None and 0 <= count <= MOST_TOKENS else 0


@given(TOTALS)
def test_totals_are_kept(counts: TotalCounts) -> None:
    """CASES 1, 6 and 62: whatever is reported, nothing is negative, and no count is lost in another."""
    reading = from_totals(counts, "openai_responses")
    if (found := sums(reading)) is not None and reading is not None:
        given_in, made = found
        assert given_in >= max(least(counts.input), least(counts.cached))
        assert made >= max(least(counts.output), least(counts.reasoning))
        assert given_in + made >= least(counts.total)
        assert 0 <= reading.guessed <= made
        assert (reading.guessed > 0) <= ("unexplained_total" in reading.flags)
        if not reading.flags:
            assert found == (counts.input, counts.output or 0)


@given(TOTALS, st.integers(0, 200))
@example(TotalCounts(input=0, total=1, output_parts=Parts(image=1)), 0)
def test_a_maximum_is_kept_as_far_as_nothing_was_counted(counts: TotalCounts, most: int) -> None:
    """CASES 65: a cap takes away what was guessed, and nothing else."""
    reading = from_totals(counts, "openai_chat")
    if (found := sums(reading)) is not None and reading is not None:
        cut = sums(replace(reading, usage=at_most(reading.usage, reading.guessed, most)))
        assert cut is not None
        assert cut == (found[0], max(min(found[1], most), found[1] - reading.guessed))


@given(MESSAGES)
def test_messages_are_kept(counts: MessagesCounts) -> None:
    """CASES 1 and 6: the total input is what was fresh, read and written together."""
    if (found := sums(from_messages(counts))) is not None:
        written_ = max(least(counts.cache_write), sum(map(least, counts.split.values())))
        made = max(least(counts.output), least(counts.reasoning))
        assert (least(counts.input) + least(counts.cache_read) + written_, made) == found


@given(MESSAGES | TOTALS, st.data())
def test_a_stream_takes_no_count_back(earlier: Counts, data: st.DataObject) -> None:
    """CASES 61: zeros and what is no number change nothing that was counted; nor does the same word again."""
    same = TOTALS if isinstance(earlier, TotalCounts) else MESSAGES
    last = data.draw(same)
    merged = later(earlier, last)
    told = [count for count in (last.input, last.output, *last.split.values()) if count is not None]
    if min(told, default=0) >= 0 and max(told, default=0) <= MOST_TOKENS:
        again = later(merged, last)
        assert (merged.input, merged.output, merged.split) == (again.input, again.output, again.split)
    if (least(earlier.output) > 0) and not least(last.output):
        assert merged.output == earlier.output
    if not least(last.input) and is_silent(replace(last, output=None, reasoning=None, searches=None)):
        assert least(merged.input) == least(earlier.input)


@given(GEMINI)
def test_gemini_is_kept(counts: GeminiCounts) -> None:
    """CASES 1 and 6: the input is at least the prompt and what tools brought, the output candidates and thoughts."""
    reading = from_gemini(counts)
    if (found := sums(reading)) is not None and reading is not None:
        assert found[0] >= max(least(counts.prompt), least(counts.cached)) + least(counts.tool_prompt)
        assert found[1] >= least(counts.candidates) + least(counts.thoughts)
        if not reading.flags:
            assert found[0] == least(counts.prompt) + least(counts.tool_prompt)
            assert found[1] == least(counts.candidates) + least(counts.thoughts)
