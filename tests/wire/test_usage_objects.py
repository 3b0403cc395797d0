"""Native usage objects, as the providers document them and as nobody would, become disjoint classes."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import cast, get_args

import pytest
from genai_prices.data import providers
from genai_prices.types import UsageExtractor
from hypothesis import given
from hypothesis import strategies as st

from tokens_forge.core.usage import (
    INPUT_CLASSES,
    MOST_TOKENS,
    OUTPUT_CLASSES,
    Dialect,
    Flag,
    Iteration,
    Reading,
    written,
)
from tokens_forge.wire.usage_objects import (
    LONGEST_WORD,
    MOST_ITERATIONS,
    UsageRead,
    of_choices,
    read_anthropic_messages,
    read_gemini,
    read_openai_chat,
    read_openai_transcription,
    read_told,
    read_usage,
    told_in_chat,
)

DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
UNSPLIT: tuple[Flag, ...] = ("cache_write_unsplit",)


def shown(read: UsageRead) -> tuple[Mapping[str, int], tuple[str, ...]]:
    """Return the usage and flags that were read."""
    assert read.reading is not None
    return read.reading.usage, read.reading.flags


@pytest.mark.parametrize(
    ("dialect", "usage", "classes", "flags"),
    [
        # OpenAI, guide "Prompt caching", example of a cache hit, read 2026-11.
        (
            "openai_chat",
            (
                b'{"prompt_tokens":2006,"completion_tokens":300,"total_tokens":2306,"prompt_tokens_details":'
                b'{"cached_tokens":1920},"completion_tokens_details":{"reasoning_tokens":0,"accepted_prediction_tokens":0,'
                b'"rejected_prediction_tokens":0}}'
            ),
            {"input": 86, "cache_read": 1920, "output": 300},
            (),
        ),
        # OpenRouter docs, "Usage Accounting", response format, read 2026-11: reads and writes of a cache, a cost.
        (
            "openai_chat",
            (
                b'{"completion_tokens":2,"completion_tokens_details":{"reasoning_tokens":0},"cost":0.95,"cost_details":'
                b'{"upstream_inference_cost":19},"prompt_tokens":194,"prompt_tokens_details":{"cached_tokens":0,'
                b'"cache_write_tokens":100,"audio_tokens":0},"total_tokens":196}'
            ),
            {"input": 94, "cache_write_5m": 100, "output": 2},
            UNSPLIT,
        ),
        # DeepSeek API docs, "Context Caching": hit and miss tokens; figures constructed.
        (
            "openai_chat",
            (
                b'{"prompt_tokens":120,"completion_tokens":9,"total_tokens":129,"prompt_cache_hit_tokens":64,'
                b'"prompt_cache_miss_tokens":56}'
            ),
            {"input": 56, "cache_read": 64, "output": 9},
            (),
        ),
        # Moonshot: `cached_tokens` beside the counts; Databricks and xAI: their own names (genai-prices 0.2.3).
        (
            "openai_chat",
            b'{"prompt_tokens":19,"completion_tokens":21,"total_tokens":40,"cached_tokens":10}',
            {"input": 9, "cache_read": 10, "output": 21},
            (),
        ),
        (
            "openai_chat",
            b'{"prompt_tokens":19,"completion_tokens":21,"cache_read_input_tokens":10,"reasoning_tokens":5}',
            {"input": 9, "cache_read": 10, "output": 21, "reasoning": 5},
            (),
        ),
        # xAI, "Consumption and Rate Limits": reasoning is added to the consumption; figures constructed.
        (
            "openai_chat",
            (
                b'{"prompt_tokens":32,"completion_tokens":9,"total_tokens":135,"prompt_tokens_details":{"text_tokens":32,'
                b'"audio_tokens":0,"image_tokens":0,"cached_tokens":6},"completion_tokens_details":{"reasoning_tokens":94}}'
            ),
            {"input": 26, "cache_read": 6, "output": 103, "reasoning": 94},
            ("reasoning_apart",),
        ),
        # OpenAI's Python library 3.54.0, `ResponseUsage`; figures constructed.
        (
            "openai_responses",
            (
                b'{"input_tokens":36,"input_tokens_details":{"cached_tokens":0},"output_tokens":87,"output_tokens_details":'
                b'{"reasoning_tokens":0},"total_tokens":123}'
            ),
            {"input": 36, "output": 87},
            (),
        ),
        # The same: cache writes of a response have lifetimes of their own; figures constructed.
        (
            "openai_responses",
            (
                b'{"input_tokens":5000,"input_tokens_details":{"cached_tokens":1024,"cache_write_tokens":2048,'
                b'"cache_write_tokens_details":{"ttl_30m_tokens":2048,"ttl_12h_tokens":0}},"output_tokens":900,'
                b'"output_tokens_details":{"reasoning_tokens":640},"total_tokens":5900}'
            ),
            {"input": 1928, "cache_read": 1024, "cache_write_30m": 2048, "output": 900, "reasoning": 640},
            (),
        ),
        # Anthropic, "Prompt caching", "1-hour cache duration", read 2026-11.
        (
            "anthropic_messages",
            (
                b'{"input_tokens":2048,"cache_read_input_tokens":1800,"cache_creation_input_tokens":248,"output_tokens":503'
                b',"cache_creation":{"ephemeral_5m_input_tokens":148,"ephemeral_1h_input_tokens":100}}'
            ),
            {"input": 2048, "cache_read": 1800, "cache_write_5m": 148, "cache_write_1h": 100, "output": 503},
            (),
        ),
        # Anthropic, "Web search tool", "Usage and pricing", read 2026-11.
        (
            "anthropic_messages",
            (
                b'{"input_tokens":105,"output_tokens":6039,"cache_read_input_tokens":7123,"cache_creation_input_tokens":'
                b'7345,"server_tool_use":{"web_search_requests":1}}'
            ),
            {"input": 105, "cache_read": 7123, "cache_write_5m": 7345, "output": 6039, "searches": 1},
            UNSPLIT,
        ),
        # Anthropic's Python library, `OutputTokensDetails`, read 2026-11: `output_tokens` includes thinking.
        (
            "anthropic_messages",
            (
                b'{"input_tokens":5,"output_tokens":90,"output_tokens_details":{"thinking_tokens":60},"cache_creation":null,'
                b'"cache_creation_input_tokens":null,"server_tool_use":null}'
            ),
            {"input": 5, "output": 90, "reasoning": 60},
            (),
        ),
        # Gemini 2.5 Flash, as observed for a prompt of text and an image with an implicit cache hit.
        (
            "gemini",
            (
                b'{"promptTokenCount":326,"candidatesTokenCount":63,"totalTokenCount":543,"cachedContentTokenCount":173,'
                b'"promptTokensDetails":[{"modality":"TEXT","tokenCount":68},{"modality":"IMAGE","tokenCount":258}],'
                b'"cacheTokensDetails":[{"modality":"IMAGE","tokenCount":137},{"modality":"TEXT","tokenCount":36}],'
                b'"thoughtsTokenCount":154}'
            ),
            {"input": 32, "image_in": 121, "cache_read": 173, "output": 217, "reasoning": 154},
            (),
        ),
        # Gemini API reference, `UsageMetadata`, read 2026-11; figures constructed: sound in and out, a tool's results.
        (
            "gemini",
            (
                b'{"promptTokenCount":100,"toolUsePromptTokenCount":10,"candidatesTokenCount":25,"totalTokenCount":150,'
                b'"cachedContentTokenCount":64,"thoughtsTokenCount":15,'
                b'"promptTokensDetails":[{"modality":"TEXT","tokenCount":10},{"modality":"VIDEO","tokenCount":10},'
                b'{"modality":"AUDIO","tokenCount":60},{"modality":"DOCUMENT","tokenCount":20}],'
                b'"cacheTokensDetails":[{"modality":"TEXT","tokenCount":4},{"modality":"AUDIO","tokenCount":50},'
                b'{"modality":"DOCUMENT","tokenCount":10}],'
                b'"candidatesTokensDetails":[{"modality":"AUDIO","tokenCount":20},{"modality":"TEXT","tokenCount":5}]}'
            ),
            {
                "input": 26,
                "audio_in": 10,
                "image_in": 10,
                "cache_read": 64,
                "output": 20,
                "audio_out": 20,
                "reasoning": 15,
            },
            (),
        ),
        # Gemini API reference, `ModalityTokenCount`: a picture in the output; figures constructed.
        (
            "gemini",
            (
                b'{"promptTokenCount":8,"candidatesTokenCount":1290,"totalTokenCount":1298,"promptTokensDetails":'
                b'[{"modality":"TEXT","tokenCount":8}],"candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":1290}]}'
            ),
            {"input": 8, "output": 0, "image_out": 1290},
            (),
        ),
        # OpenAI's Python library, `CreateEmbeddingResponse`: no completion is no output; figures constructed.
        ("openai_embeddings", b'{"prompt_tokens":8,"total_tokens":8}', {"input": 8, "output": 0}, ()),
        # Voyage AI tells nothing but the total (Claude docs, "Embeddings", read 2026-11).
        ("openai_embeddings", b'{"total_tokens":10}', {"input": 10, "output": 0}, ()),
        # OpenAI API reference, "Create transcription", read 2026-11: by tokens, or by the length of the sound
        # (`Transcription.usage` of its library; figures constructed).
        (
            "openai_transcription",
            (
                b'{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":0,"audio_tokens":14},'
                b'"output_tokens":45,"total_tokens":59}'
            ),
            {"input": 0, "audio_in": 14, "output": 45},
            (),
        ),
        (
            "openai_transcription",
            b'{"type":"duration","seconds":9}',
            {"input": 0, "output": 0, "seconds": 9},
            (),
        ),
        # OpenAI's Python library, `ImagesResponse.usage`; figures constructed.
        (
            "openai_images",
            (
                b'{"total_tokens":100,"input_tokens":50,"output_tokens":50,"input_tokens_details":{"text_tokens":10,'
                b'"image_tokens":40}}'
            ),
            {"input": 10, "image_in": 40, "output": 50},
            (),
        ),
        (
            "openai_images",
            (
                b'{"total_tokens":60,"input_tokens":10,"output_tokens":50,"input_tokens_details":{"text_tokens":10,'
                b'"image_tokens":0},"output_tokens_details":{"text_tokens":8,"image_tokens":42}}'
            ),
            {"input": 10, "output": 8, "image_out": 42},
            (),
        ),
    ],
)
def test_documented_usage_objects(
    dialect: Dialect, usage: bytes, classes: dict[str, int], flags: tuple[Flag, ...]
) -> None:
    """CASES 1 to 4 and 6: what each provider documents becomes disjoint classes that sum to its totals."""
    assert Reading(dialect=dialect, usage=classes, flags=flags) == read_usage(dialect, usage).reading


def test_a_stream_of_nothing_has_no_usage() -> None:
    """Unknown is never zero."""
    for dialect in ("openai_chat", "openai_responses", "anthropic_messages"):
        assert read_usage(dialect) == UsageRead()


def test_a_stream_of_messages_says_it_bit_by_bit() -> None:
    """CASES 18: the output in `message_start` is a placeholder; of each count the last word holds, once (CASES 2)."""
    start = (
        b'{"input_tokens":25,"cache_read_input_tokens":800,"cache_creation_input_tokens":248,"output_tokens":1,'
        b'"cache_creation":{"ephemeral_5m_input_tokens":148,"ephemeral_1h_input_tokens":100},"service_tier":"priority"}'
    )
    delta = b'{"input_tokens":null,"output_tokens":15,"server_tool_use":{"web_search_requests":1}}'
    usage = {"input": 25, "cache_read": 800, "cache_write_5m": 148, "cache_write_1h": 100, "output": 15, "searches": 1}
    read = read_anthropic_messages(start, delta)
    assert (usage, ()) == shown(read)
    assert read.tier_served == "priority"
    last = b'{"input_tokens":472,"cache_read_input_tokens":0,"cache_creation_input_tokens":0,"output_tokens":15}'
    flags = ("contradictory_usage", "counts_disagree")
    assert ({"input": 472, "output": 15}, flags) == shown(read_anthropic_messages(start, last))
    assert read_anthropic_messages(b"", b"null").reading is None


@pytest.mark.parametrize(
    ("usage", "tier"),
    [
        (b'{"input_tokens":1,"output_tokens":1,"service_tier":"batch"}', "batch"),
        (b'{"input_tokens":1,"output_tokens":1,"service_tier":"standard","speed":"fast"}', "fast"),
        (b'{"input_tokens":1,"output_tokens":1,"service_tier":"standard","speed":"standard"}', "standard"),
        (b'{"input_tokens":1,"output_tokens":1,"service_tier":null,"speed":"standard"}', "standard"),
        (b'{"input_tokens":1,"output_tokens":1,"service_tier":"batch","speed":"standard"}', "batch"),
        (b'{"input_tokens":1,"output_tokens":1,"service_tier":7}', ""),
    ],
)
def test_a_message_names_its_tier_in_its_usage(usage: bytes, tier: str) -> None:
    """CASES 8: the tier that was served is what is priced; the fast one has a name of its own, asked for or not."""
    assert tier == read_anthropic_messages(usage).tier_served


@pytest.mark.parametrize(
    ("iterations", "flags"),
    [
        (b'[{"type":"message","input_tokens":1}]', ()),
        (b'[{"type":"compaction","input_tokens":0,"output_tokens":0},{"type":"message"}]', ()),
        (b'[{"type":"advisor_message"}]', ("iterations_apart",)),
        (b'[{"type":"advisor_message","input_tokens":-1}]', ("iterations_apart",)),
        (b'[{"type":"planner","input_tokens":7,"output_tokens":7}]', ("iterations_apart",)),
        (b"[7]", ("iterations_apart",)),
        (b"[%s]" % b",".join([b'{"type":"message"}'] * (MOST_ITERATIONS + 1)), ("iterations_apart",)),
        (b"7", ()),
        (b"null", ()),
    ],
)
def test_work_beside_a_message_that_is_not_billed_is_flagged(iterations: bytes, flags: tuple[str, ...]) -> None:
    """CASES 62: what a message's own counts leave out is not left out unseen; its own turns are in them."""
    usage = b'{"input_tokens":1,"output_tokens":2,"iterations":%s}' % iterations
    read = read_anthropic_messages(usage)
    assert ({"input": 1, "output": 2}, flags) == shown(read)
    assert read.reading is not None
    assert read.reading.iterations == ()
    assert read_anthropic_messages(b'{"iterations":%s}' % iterations).reading is None


COMPACTION = b'{"type":"compaction","input_tokens":180000,"output_tokens":3500}'


def test_work_beside_a_message_is_billed_of_its_last_word() -> None:
    """CASES 62: of a stream the last list holds, and nothing takes it back; one that lacks an output has none."""
    start, end = b'{"input_tokens":1,"output_tokens":1,"iterations":null}', b'{"output_tokens":2,"iterations":[%s]}'
    later = b'{"output_tokens":2,"iterations":[]}'
    first = b'{"type":"compaction","input_tokens":9,"cache_creation_input_tokens":5}'
    reading = read_anthropic_messages(start, end % first, end % COMPACTION, later).reading
    assert reading is not None
    assert reading.iterations == (Iteration(kind="compaction", model="", usage={"input": 180000, "output": 3500}),)
    reading = read_anthropic_messages(start, end % first).reading
    assert reading is not None
    assert reading.iterations[0].usage == {"input": 9, "cache_write_5m": 5, "output": 0}
    assert reading.flags == ("cache_write_unsplit",)


def test_work_beside_an_impossible_message_is_not_added() -> None:
    """The hold becomes the charge then, whatever else there was."""
    reading = read_anthropic_messages(b'{"input_tokens":-1,"output_tokens":1,"iterations":[%s]}' % COMPACTION).reading
    assert Reading(dialect="anthropic_messages", usage={}, flags=("impossible_total",)) == reading


def test_work_beside_a_chat_may_be_in_it() -> None:
    """A relay that speaks another dialect may have added it to its totals: it is flagged and not added twice."""
    usage = b'{"prompt_tokens":203000,"completion_tokens":4500,"total_tokens":207500,"iterations":[%s]}' % COMPACTION
    read = read_openai_chat(usage)
    assert ({"input": 203000, "output": 4500}, ("iterations_apart",)) == shown(read)
    assert read.reading is not None
    assert read.reading.iterations == ()


def hop(kind: str, model: str, given: int, made: int) -> bytes:
    named = b',"model":"%s"' % model.encode() if model else b""
    return b'{"type":"%s","input_tokens":%d,"output_tokens":%d%s}' % (kind.encode(), given, made, named)


@pytest.mark.parametrize(
    ("hops", "answered_by", "beside"),
    [
        # One that declined without output is not billed; whether one with a little was, nobody says.
        ((hop("message", "a", 5, 0), hop("fallback_message", "b", 1, 2)), "b", ()),
        ((hop("message", "a", 5, 9), hop("fallback_message", "b", 1, 2)), "b", (("a", 5, 9),)),
        # The serving model's own turns are in the top-level counts.
        (
            (hop("message", "a", 5, 9), hop("message", "b", 5, 9), hop("fallback_message", "b", 1, 2)),
            "b",
            (("a", 5, 9),),
        ),
        # Whose attempt it was is not always said: then it is no turn of the one that answered, for all we know.
        ((hop("message", "", 5, 9), hop("fallback_message", "b", 1, 2)), "b", (("", 5, 9),)),
        # All declined: the top level is the last one's.
        ((hop("message", "a", 5, 9), hop("message", "b", 1, 2)), "b", (("a", 5, 9),)),
        ((hop("message", "a", 5, 9), hop("message", "a", 1, 2)), "", ()),
        ((hop("message", "", 5, 9), hop("message", "a", 1, 2)), "", ()),
    ],
)
def test_who_answered_and_who_declined(
    hops: tuple[bytes, ...], answered_by: str, beside: tuple[tuple[str, int, int], ...]
) -> None:
    """CASES 62: the top level is priced at the model that answered; a hop that declined is 0, or an estimate."""
    usage = b'{"input_tokens":1,"output_tokens":2,"iterations":[%s]}' % b",".join(hops)
    reading = read_anthropic_messages(usage).reading
    assert reading is not None
    assert ({"input": 1, "output": 2}, (), answered_by) == (reading.usage, reading.flags, reading.answered_by)
    assert reading.iterations == tuple(
        Iteration(kind="message", model=model, usage={"input": given, "output": made}, is_sure=False)
        for model, given, made in beside
    )


@pytest.mark.parametrize(
    ("word", "geo"),
    [
        (b"US", "us"),
        (b"us", "us"),
        (b"global", ""),
        (b"not_available", ""),
        (b"", ""),
        (b"x" * 999, "x" * LONGEST_WORD),
    ],
)
def test_where_it_was_computed(word: bytes, geo: str) -> None:
    """What a provider charges for is a geography by name; of a stream the last word holds, in any dialect."""
    start = b'{"input_tokens":1,"output_tokens":1,"prompt_tokens":1,"completion_tokens":1,"inference_geo":"%s"}' % word
    for read in (read_anthropic_messages(start, b'{"output_tokens":2}'), read_openai_chat(start)):
        assert read.reading is not None
        assert read.reading.geo == geo


@pytest.mark.parametrize(
    ("status", "flags"),
    [
        (b'{"type":"redeemed"}', ("fallback_credit_redeemed",)),
        (b'{"type":"not_applied","reason":"expired"}', ("fallback_credit_not_applied",)),
        (b'{"type":"new"}', ()),
        (b"7", ()),
    ],
)
def test_what_became_of_a_credit(status: bytes, flags: tuple[str, ...]) -> None:
    """The counts are those that are billed, so a credit is told and changes nothing."""
    usage = b'{"input_tokens":1,"output_tokens":2,"fallback_credit":{"status":%s}}' % status
    assert ({"input": 1, "output": 2}, flags) == shown(read_anthropic_messages(usage))


def test_a_chat_may_name_its_tier_in_its_usage() -> None:
    """CASES 63: as LiteLLM hands on what Anthropic's usage says."""
    usage = b'{"prompt_tokens":1,"completion_tokens":1,"service_tier":"priority","speed":"fast"}'
    assert read_openai_chat(usage).tier_served == "fast"


WRITE_NAMES = {
    "cache_write_tokens",
    "cache_creation_tokens",
    "cache_creation_input_tokens",
    "cached_write_tokens",
    "prompt_cache_write_tokens",
    "cached_creation_tokens",
    "cache_write_input_tokens",
    "created_cache_tokens",
    "cacheWriteInputTokens",
    "caching_tokens",
}
READ_NAMES = {
    "cached_tokens",
    "prompt_cache_hit_tokens",
    "cache_read_input_tokens",
    "cached_prompt_text_tokens",
    "cache_read_tokens",
    "cached_read_tokens",
    "prompt_cache_read_tokens",
    "cacheReadInputTokens",
    "num_cached_tokens",
    "cached_input_tokens",
}
DETAILS = {"": "", **dict.fromkeys(("prompt_tokens_details", "input_tokens_details", "input_token_details"), "in")}


def placed(details: str, **counts: object) -> dict[str, object]:
    """Return counts at the top of a usage, or in its details."""
    return {details: counts} if details else counts


@pytest.mark.parametrize("details", DETAILS)
@pytest.mark.parametrize("write", sorted(WRITE_NAMES))
@pytest.mark.parametrize("read", sorted(READ_NAMES))
def test_a_cache_has_many_names(read: str, write: str, details: str) -> None:
    """CASES 1, 2 and 63: reads and writes are read under every name, in details or beside the count, and are in it."""
    counts = {"total_tokens": 103925} | placed(details, **{read: 66360, write: 32435})
    usage = {"input": 10, "cache_read": 66360, "cache_write_5m": 32435, "output": 5120}
    chat = {"prompt_tokens": 98805, "completion_tokens": 5120} | counts
    assert (usage, UNSPLIT) == shown(read_usage("openai_chat", json.dumps(chat).encode()))
    response = {"input_tokens": 98805, "output_tokens": 5120} | counts
    assert (usage, UNSPLIT) == shown(read_usage("openai_responses", json.dumps(response).encode()))
    assert (usage, UNSPLIT) == shown(read_usage("openai_chat", json.dumps(response).encode()))
    message = {"input_tokens": 10, "output_tokens": 5120} | counts
    assert (usage, UNSPLIT) == shown(read_usage("anthropic_messages", json.dumps(message).encode()))
    assert (usage, UNSPLIT) == shown(read_usage("anthropic_messages", json.dumps(chat).encode()))


SPLITS = [
    ({"cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 7}}, "cache_write_1h"),
    (
        {"cache_creation_token_details": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 7}},
        "cache_write_1h",
    ),
    ({"cache_write_tokens_details": {"ttl_30m_tokens": 5, "ttl_12h_tokens": 7}}, "cache_write_12h"),
    ({"claude_cache_creation_5_m_tokens": 5, "claude_cache_creation_1_h_tokens": 7}, "cache_write_1h"),
    ({"cache_creation_5m_input_tokens": 5, "cache_creation_1h_input_tokens": 7}, "cache_write_1h"),
    ({"cache_creation_5m_tokens": 5, "cache_creation_1h_tokens": 7}, "cache_write_1h"),
    ({"cache_write_5m_tokens": 5, "cache_write_1h_tokens": 7}, "cache_write_1h"),
    ({"cached_write_token_details": {"cached_write_tokens_5m": 5, "cached_write_tokens_1h": 7}}, "cache_write_1h"),
]


@pytest.mark.parametrize("details", DETAILS)
@pytest.mark.parametrize(("split", "longer"), SPLITS)
def test_lifetimes_have_many_names(split: dict[str, object], longer: str, details: str) -> None:
    """CASES 2 and 63: a split is read in details or beside them, with its total, with a zero for it, and alone."""
    short = "cache_write_30m" if longer == "cache_write_12h" else "cache_write_5m"
    usage = {"input": 88, short: 5, longer: 7, "output": 1}
    for total in ({"cache_write_tokens": 12}, {"cached_creation_tokens": 0}, {}):
        counts = {"prompt_tokens": 100, "completion_tokens": 1} | placed(details, **split, **total)
        assert (usage, ()) == shown(read_usage("openai_chat", json.dumps(counts).encode()))


@pytest.mark.parametrize(
    ("usage", "classes", "flags"),
    [
        # Anthropic's names mean counts beside the input, and where they can't be in it they are.
        (
            b'{"prompt_tokens":12,"completion_tokens":2,"total_tokens":14,"cache_read_input_tokens":5484}',
            {"input": 12, "cache_read": 5484, "output": 2},
            ("cache_beside_input",),
        ),
        (
            b'{"prompt_tokens":12,"completion_tokens":2,"prompt_tokens_details":{"cache_read_input_tokens":5484}}',
            {"input": 0, "cache_read": 5484, "output": 2},
            ("impossible_cache_read",),
        ),
        (
            b'{"input_tokens":6000,"output_tokens":2,"cache_read_input_tokens":5484}',
            {"input": 6000, "cache_read": 5484, "output": 2},
            ("cache_beside_input",),
        ),
        (
            b'{"input_tokens":6000,"output_tokens":2,"cache_read_input_tokens":5484,"total_tokens":6002}',
            {"input": 516, "cache_read": 5484, "output": 2},
            (),
        ),
        # new-api says in whose sense it counts.
        (
            (
                b'{"prompt_tokens":100,"completion_tokens":2,"total_tokens":102,"usage_semantic":"anthropic",'
                b'"prompt_tokens_details":{"cached_tokens":64}}'
            ),
            {"input": 100, "cache_read": 64, "output": 2},
            ("cache_beside_input",),
        ),
        (
            (
                b'{"prompt_tokens":100,"completion_tokens":2,"total_tokens":102,"usage_semantic":"openai",'
                b'"prompt_tokens_details":{"cached_tokens":64}}'
            ),
            {"input": 36, "cache_read": 64, "output": 2},
            (),
        ),
        # Of two words for one count the one that costs more; a zero is none.
        (
            (
                b'{"prompt_tokens":100,"completion_tokens":2,"cached_tokens":50,"prompt_tokens_details":{"cached_tokens":40,'
                b'"cache_write_tokens":20,"cached_creation_tokens":10}}'
            ),
            {"input": 40, "cache_read": 40, "cache_write_5m": 20, "output": 2},
            ("cache_write_unsplit", "counts_disagree"),
        ),
        (
            (
                b'{"prompt_tokens":100,"completion_tokens":2,"input_tokens":0,"output_tokens":99,"cached_tokens":0,'
                b'"prompt_tokens_details":{"cached_tokens":40}}'
            ),
            {"input": 60, "cache_read": 40, "output": 99},
            ("counts_disagree",),
        ),
        (
            b'{"prompt_tokens":1000,"completion_tokens":100,"input_tokens":90000,"output_tokens":5000}',
            {"input": 90000, "output": 5000},
            ("counts_disagree",),
        ),
        (
            b'{"prompt_tokens":1000,"completion_tokens":100,"input_tokens":1000,"output_tokens":100}',
            {"input": 1000, "output": 100},
            (),
        ),
        # One of two words may leave the cache out.
        (
            (
                b'{"prompt_tokens":1000,"completion_tokens":100,"input_tokens":200,"output_tokens":100,'
                b'"prompt_tokens_details":{"cached_tokens":800}}'
            ),
            {"input": 200, "cache_read": 800, "output": 100},
            (),
        ),
        # LiteLLM's text leaves out what has a count of its own; video is text here.
        (
            (
                b'{"prompt_tokens":100,"completion_tokens":30,"prompt_tokens_details":{"cached_tokens":60,"text_tokens":30,'
                b'"video_tokens":10},"completion_tokens_details":{"reasoning_tokens":20,"text_tokens":10}}'
            ),
            {"input": 40, "cache_read": 60, "output": 30, "reasoning": 20},
            (),
        ),
        # Helicone's prompt leaves the cache out.
        (
            (
                b'{"prompt_tokens":100,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":64,'
                b'"cache_write_tokens":20,"cache_write_details":{"write_5m_tokens":5,"write_1h_tokens":15}}}'
            ),
            {"input": 100, "cache_read": 64, "cache_write_5m": 5, "cache_write_1h": 15, "output": 2},
            ("cache_beside_input",),
        ),
        # LangChain's short words; an object is still one.
        (
            (
                b'{"input_tokens":100,"output_tokens":30,"total_tokens":130,"input_token_details":{"cache_read":60,'
                b'"cache_creation":20,"audio":5},"output_token_details":{"reasoning":20,"audio":3}}'
            ),
            {
                "input": 15,
                "cache_read": 60,
                "cache_write_5m": 20,
                "audio_in": 5,
                "output": 27,
                "audio_out": 3,
                "reasoning": 20,
            },
            ("cache_write_unsplit", "cache_part_unstated"),
        ),
        # Mistral's sound: by its tokens, or by its length.
        (
            b'{"prompt_tokens":100,"completion_tokens":30,"audio_tokens":90,"prompt_audio_seconds":9}',
            {"input": 10, "audio_in": 90, "output": 30},
            (),
        ),
        (
            b'{"prompt_tokens":100,"completion_tokens":30,"prompt_audio_seconds":9}',
            {"input": 100, "output": 30, "seconds": 9},
            (),
        ),
        # A detail that is no object says nothing.
        (
            b'{"prompt_tokens":100,"completion_tokens":30,"prompt_tokens_details":7,"cache_creation":5}',
            {"input": 100, "output": 30},
            (),
        ),
    ],
)
def test_a_chat_in_the_words_of_others(usage: bytes, classes: dict[str, int], flags: tuple[str, ...]) -> None:
    """CASES 1, 3 and 63: what relays make of a usage is read as what they mean."""
    assert (classes, flags) == shown(read_openai_chat(usage))


def test_a_prompt_less_than_its_cache_in_a_message() -> None:
    """CASES 63: OpenAI's word in Anthropic's dialect includes the cached tokens, unless it can't."""
    usage = b'{"prompt_tokens":12,"completion_tokens":2,"cache_read_input_tokens":5484}'
    assert ({"input": 12, "cache_read": 5484, "output": 2}, ()) == shown(read_anthropic_messages(usage))


@pytest.mark.parametrize(
    ("usage", "classes", "flags"),
    [
        (b'{"input_tokens":0,"output_tokens":2,"prompt_tokens":1000}', {"input": 1000, "output": 2}, ()),
        (
            b'{"input_tokens":200,"output_tokens":2,"prompt_tokens":1000,"cache_read_input_tokens":800}',
            {"input": 200, "cache_read": 800, "output": 2},
            (),
        ),
        (
            b'{"input_tokens":9000,"output_tokens":50,"prompt_tokens":100,"completion_tokens":2}',
            {"input": 9000, "output": 50},
            ("counts_disagree",),
        ),
        (
            b'{"input_tokens":100,"output_tokens":50,"prompt_tokens":9000,"cache_read_input_tokens":800}',
            {"input": 8200, "cache_read": 800, "output": 50},
            ("counts_disagree",),
        ),
    ],
)
def test_two_words_for_one_count_in_a_message(usage: bytes, classes: dict[str, int], flags: tuple[str, ...]) -> None:
    """CASES 63: where they can't both be true the larger is billed, as a guess."""
    assert (classes, flags) == shown(read_anthropic_messages(usage))


@pytest.mark.parametrize(
    ("word", "tier"),
    [
        (b"ON_DEMAND_PRIORITY", "priority"),
        (b"ON_DEMAND_FLEX", "flex"),
        (b"PROVISIONED_THROUGHPUT", "provisioned"),
        (b"ON_DEMAND", ""),
    ],
)
def test_vertex_names_the_tier_by_its_traffic(word: bytes, tier: str) -> None:
    """CASES 8: in the usage of a chat completion, and in Gemini's own."""
    chat = b'{"prompt_tokens":9,"completion_tokens":1,"extra_properties":{"google":{"traffic_type":"%s"}}}' % word
    assert tier == read_openai_chat(chat).tier_served
    assert tier == read_gemini(b'{"promptTokenCount":9,"trafficType":"%s"}' % word).tier_served


@pytest.mark.parametrize(
    ("told", "searches", "apart"),
    [
        ({"server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 9}}, 2, False),
        ({"server_tool_use_details": {"web_search_requests": 2, "tool_calls_executed": 2}}, 2, False),
        (
            {"server_tool_use": {"web_search_requests": 2}, "server_tool_use_details": {"web_search_requests": 2}},
            2,
            False,
        ),
        ({"server_tool_use": {"code_execution_requests": 1}}, 0, True),
        ({"server_tool_use": {"web_search_requests": None, "code_execution_requests": 0}}, 0, False),
        ({"prompt_tokens_details": {"web_search_requests": 3}}, 3, False),
        ({"prompt_tokens_details": {"google_maps_grounding_requests": 3}}, 0, True),
        ({"server_side_tool_usage_details": {"web_search_calls": 1, "x_search_calls": 3, "mcp_calls": 4}}, 4, False),
        ({"server_side_tool_usage_details": {"web_search_calls": 1, "code_interpreter_calls": 1}}, 1, True),
        ({"server_side_tool_usage_details": {"x_posts_fetched": 20}}, 0, True),
        ({"server_side_tool_usage": {"SERVER_SIDE_TOOL_WEB_SEARCH": 3, "SERVER_SIDE_TOOL_MCP": 1}}, 3, False),
        ({"web_search_calls": 3}, 3, False),
        ({"num_sources_used": 5}, 5, False),
        ({"num_sources_used": 5, "server_side_tool_usage_details": {"web_search_calls": 0}}, 0, False),
        ({"num_server_side_tools_used": 2}, 0, True),
        ({"num_server_side_tools_used": 2, "server_side_tool_usage_details": {"mcp_calls": 2}}, 0, False),
        ({"num_server_side_tools_used": 2, "web_search_calls": 2}, 2, False),
        ({"num_search_queries": 18}, 18, False),
        ({"num_search_queries": 18, "citation_tokens": 7}, 18, True),
        ({"plugins": {"search": {"count": 1, "strategy": "turbo"}}}, 1, False),
        ({"x_tools": {"web_search": {"count": 1}, "code_interpreter": {"count": 2}}}, 1, True),
        ({"tool_calls_details": {"search_web": {"invocation": 2}}}, 2, False),
        ({"tool_calls_details": {"fetch_url": {"invocation": 2}}}, 0, True),
        ({"connectors": {"web_search": 2}}, 2, False),
        ({"plugins": 7}, 0, False),
        ({"completion_tokens_details": {"num_search_queries": 3}}, 3, False),
        ({"output_tokens_details": {"citation_tokens": 3}}, 0, True),
        ({"tool_usage": {"web_search": 2}}, 2, False),
        ({"tool_usage": {"web_search": 2, "image_process": 1}}, 2, True),
        ({"tool_usage": {"mcp": 1}}, 0, True),
    ],
)
def test_tools_of_the_upstream(told: dict[str, object], searches: int, apart: bool) -> None:
    """CASES 63: searches are read wherever they are told; a tool with a price and no class of ours is flagged."""
    usage = json.dumps({"prompt_tokens": 9, "completion_tokens": 1, **told}).encode()
    for dialect in ("openai_chat", "openai_responses", "anthropic_messages"):
        classes, flags = shown(read_usage(dialect, usage))
        assert (searches, apart) == (classes.get("searches", 0), "tools_apart" in flags), dialect


def test_impossible_searches_are_flagged() -> None:
    """A count of them that is none is not billed, and not unseen."""
    usage = (
        b'{"prompt_tokens":9,"completion_tokens":1,"server_tool_use":{"web_search_requests":-3,"web_search_calls":2}}'
    )
    assert ({"input": 9, "output": 1, "searches": 2}, ()) == shown(read_openai_chat(usage))
    usage = b'{"prompt_tokens":9,"completion_tokens":1,"server_tool_use":{"web_search_requests":-3}}'
    assert ({"input": 9, "output": 1}, ("impossible_searches",)) == shown(read_openai_chat(usage))


@pytest.mark.parametrize(
    ("told", "cost"),
    [
        (b'"cost":0.0031', "0.0031"),
        (b'"cost":"0.0031"', "0.0031"),
        (b'"cost":0', "0"),
        (b'"cost":{"input_tokens_cost":0.001,"total_cost":0.0031}', "0.0031"),
        (b'"cost":{"total":0.0031}', "0.0031"),
        (b'"cost":{"input_tokens_cost":0.001}', None),
        (b'"cost_in_usd_ticks":37756000', "0.0037756"),
        (b'"cost_in_usd_ticks":200000000', "0.02"),
        (b'"estimated_cost":0.0031', "0.0031"),
        (b'"cost_usd_total":0.0031', "0.0031"),
        (b'"total_cost":0.0031', "0.0031"),
        (b'"response_cost":0.0031', "0.0031"),
        (b'"estimated_cost":7,"cost":0.0031', "0.0031"),
        (b'"estimated_cost":0.0031,"cost":null', "0.0031"),
        (b'"cost":0,"cost_in_usd_ticks":62000000', "0.0062"),
        (b'"cost_usd":0.0031', "0.0031"),
        (b'"cost":{"amount":"0.0031","currency":"usd"}', "0.0031"),
        (b'"cost":{"amount":0.0031,"currency":"EUR"}', "0.0031"),
        (b'"cost":0,"total_cost":0.0', "0"),
        (b'"cost":{"total_cost":0,"total":5}', "5"),
        (b'"cost":{"total_cost":0}', "0"),
        # What is no amount, or none that the ledger can hold.
        (b'"cost":-1', None),
        (b'"cost":1e20', None),
        (b'"cost":9.9e19', "9.9e19"),
        (b'"cost":99999999999999999999.9999999999999', None),  # rounded, it is 10^20
        (b'"cost":1e999999999', None),
        (b'"cost":1e-999999999', None),
        (b'"cost":"NaN"', None),
        (b'"cost":"Infinity"', None),
        (b'"cost":true', None),
        (b'"cost":1e-12', "1e-12"),
        (b'"cost":1e-13', None),
        (b'"cost":%s' % (b"9" * 65), None),
        (b'"cost":0.%s' % (b"1" * 30), "0." + "1" * 30),
        (b'"cost":0.%s' % (b"1" * 31), None),
    ],
)
def test_what_an_upstream_says_that_it_charges(told: bytes, cost: str | None) -> None:
    """CASES 15 and 67: under every name, to the last digit; what the ledger can't take is no amount."""
    usage = b'{"prompt_tokens":9,"completion_tokens":1,%s}' % told
    assert read_openai_chat(usage).reported_cost == (None if cost is None else Decimal(cost))


@pytest.mark.parametrize(
    ("told", "unit"),
    [
        (b'"cost":0.0031', ""),
        (b'"cost":{"total_cost":0.0031}', ""),
        (b'"cost":{"total_cost":0.0031,"currency":"eur"}', "EUR"),
        (b'"cost_in_usd_ticks":37756000', "USD"),
        (b'"cost_usd_total":0.0031', "USD"),
        (b'"cost":0,"cost_in_usd_ticks":62000000', "USD"),
        (b'"cost":null', ""),
    ],
)
def test_a_cost_may_say_its_unit(told: bytes, unit: str) -> None:
    """Else it is in the upstream's own money; a later word without a cost takes neither back."""
    usage = b'{"prompt_tokens":9,"completion_tokens":1,%s}' % told
    assert unit == read_openai_chat(usage).cost_unit
    assert unit == read_openai_chat(usage, b'{"prompt_tokens":9,"completion_tokens":1}').cost_unit


def test_a_cost_is_that_of_its_counts() -> None:
    """CASES 61: a later zero takes no cost back; counts without a cost have none."""
    first, more = b'{"prompt_tokens":9,"completion_tokens":1,"cost":1}', b'{"prompt_tokens":9,"completion_tokens":2}'
    zero = b'{"prompt_tokens":0,"completion_tokens":0,"cost":0}'
    assert read_openai_chat(first, zero).reported_cost == 1
    assert read_openai_chat(first, b'{"prompt_tokens":9,"completion_tokens":1}').reported_cost == 1
    assert read_openai_chat(first, more).reported_cost is None
    assert read_openai_chat(first, more, first).reported_cost == 1
    assert read_openai_chat(more, zero).reported_cost == 0


@pytest.mark.parametrize(
    ("usage", "classes", "flags"),
    [
        (b'{"prompt_tokens":8,"total_tokens":12}', {"input": 12, "output": 0}, ("unexplained_total",)),
        (b'{"prompt_tokens":8,"total_tokens":7}', {"input": 8, "output": 0}, ()),
        (b'{"input_tokens":8}', {"input": 8, "output": 0}, ()),
        (b'{"prompt_tokens":-8,"total_tokens":8}', {}, ("impossible_total",)),
    ],
)
def test_embeddings_have_no_output(usage: bytes, classes: dict[str, int], flags: tuple[str, ...]) -> None:
    """CASES 62: what only their total shows is input."""
    assert (classes, flags) == shown(read_usage("openai_embeddings", usage))


def test_choices_that_tell_their_own_usage() -> None:
    """CASES 63: one input, and the output of all; their totals are of one choice each."""
    told = [told_in_chat(b'{"prompt_tokens":19,"completion_tokens":%d,"total_tokens":99}' % count) for count in (21, 9)]
    together = of_choices(told)
    assert together is not None
    assert ({"input": 19, "output": 30}, ()) == shown(read_told(together, "openai_chat"))
    one = of_choices([*told[:1], told_in_chat(b'{"prompt_tokens":19,"completion_tokens":-1}')])
    assert one is not None
    assert {"input": 19, "output": 80} == shown(read_told(one, "openai_chat"))[0]
    assert of_choices([]) is None


def test_a_key_of_ones_own_is_paid_elsewhere() -> None:
    """CASES 15: what the upstream charges is one figure, what a provider bills to one's own key is another."""
    usage = (
        b'{"prompt_tokens":9,"completion_tokens":1,"cost":0.00095000000000000001,"is_byok":%s,'
        b'"cost_details":{"upstream_inference_cost":0.019}}'
    )
    own, theirs = read_openai_chat(usage % b"true"), read_openai_chat(usage % b"false")
    assert (Decimal("0.00095000000000000001"), Decimal("0.019")) == (own.reported_cost, own.upstream_cost)
    assert ({"input": 9, "output": 1}, ("paid_elsewhere",)) == shown(own)
    assert (Decimal("0.00095000000000000001"), None) == (theirs.reported_cost, theirs.upstream_cost)
    assert ({"input": 9, "output": 1}, ()) == shown(theirs)
    assert read_openai_chat(b'{"is_byok":true}').reading is None


def test_what_a_relay_charges_for_a_message() -> None:
    """CASES 15: it stands where the last usage that names it has it, of a stream as of a whole reply."""
    start, end = b'{"input_tokens":9,"output_tokens":1}', b'{"output_tokens":5,"cost":0.0031}'
    assert Decimal("0.0031") == read_anthropic_messages(start, end).reported_cost
    assert None is read_anthropic_messages(start).reported_cost
    assert Decimal(0) == read_anthropic_messages(b'{"input_tokens":9,"output_tokens":1,"cost":0}', b"{}").reported_cost


@pytest.mark.parametrize(
    ("usage", "seconds"),
    [
        (b'{"type":"duration","seconds":12.01}', 13),
        (b'{"seconds":"12.0"}', 12),
        (b'{"type":"duration","seconds":0}', 0),
        (b'{"type":"duration","seconds":-1}', None),
        (b'{"type":"duration","seconds":1e20}', None),
        (b'{"type":"duration","seconds":"long"}', None),
    ],
)
def test_a_begun_second_counts_whole(usage: bytes, seconds: int | None) -> None:
    """Sound is billed by whole seconds; a length that is none is no usage, and flagged."""
    usage_read, flags = shown(read_openai_transcription(usage))
    assert seconds == usage_read.get("seconds")
    assert (("impossible_total",) if seconds is None else ()) == flags


def test_a_transcription_that_says_nothing_has_no_reading() -> None:
    """Unknown is never zero."""
    assert read_openai_transcription(b'{"type":"duration"}').reading is None
    assert read_openai_transcription(b'{"type":"duration","seconds":null}').reading is None


@pytest.mark.parametrize(
    ("usage", "classes", "flags"),
    [
        # A detail of a wrong kind is none, and the totals still count.
        (b'{"prompt_tokens":9,"completion_tokens":1,"prompt_tokens_details":7}', {"input": 9, "output": 1}, ()),
        (b'{"prompt_tokens":9,"completion_tokens":1,"prompt_tokens_details":[]}', {"input": 9, "output": 1}, ()),
        (
            b'{"prompt_tokens":9,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":true}}',
            {"input": 9, "output": 1},
            ("impossible_cache_read",),
        ),
    ],
)
def test_an_odd_detail_never_costs_the_totals(usage: bytes, classes: dict[str, int], flags: tuple[str, ...]) -> None:
    """CASES 6: the total governs."""
    assert (classes, flags) == shown(read_openai_chat(usage))


@pytest.mark.parametrize(
    ("details", "classes", "flags"),
    [
        (b"[]", {"input": 9, "output": 0}, ()),
        (b"{}", {"input": 9, "output": 0}, ()),
        (b"7", {"input": 9, "output": 0}, ()),
        (b'[7,{"modality":"TEXT","tokenCount":9}]', {"input": 9, "output": 0}, ()),
        (b'[{"modality":"SMELL","tokenCount":9}]', {"input": 9, "output": 0}, ()),
        (b'[{"modality":"AUDIO","tokenCount":9},{"modality":"TEXT"}]', {"input": 0, "audio_in": 9, "output": 0}, ()),
        (
            b'[{"modality":"AUDIO","tokenCount":4},{"modality":"AUDIO","tokenCount":5}]',
            {"input": 0, "audio_in": 9, "output": 0},
            (),
        ),
        (
            b'[{"modality":"AUDIO","tokenCount":4.5},{"modality":"TEXT","tokenCount":5}]',
            {"input": 9, "output": 0},
            ("impossible_audio_in", "unexplained_input"),
        ),
    ],
)
def test_modalities_of_any_shape(details: bytes, classes: dict[str, int], flags: tuple[str, ...]) -> None:
    """A list of parts may be empty, odd or name a kind twice; the total governs (CASES 6)."""
    usage = b'{"promptTokenCount":9,"promptTokensDetails":%s}' % details
    assert (classes, flags) == shown(read_gemini(usage))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 60) | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
COUNT = st.integers(0, 60) | st.just(MOST_TOKENS + 1) | JSON
MODALITY = st.fixed_dictionaries(
    {},
    optional={"modality": st.sampled_from(["TEXT", "AUDIO", "IMAGE", "VIDEO", "DOCUMENT"]) | JSON, "tokenCount": COUNT},
)


def objects(**members: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """Build objects with any of `members`, or with anything in their place."""
    return st.fixed_dictionaries({}, optional={name: inner | JSON for name, inner in members.items()})


def counts(*names: str) -> dict[str, st.SearchStrategy[object]]:
    return dict.fromkeys(names, COUNT)


ANY_DETAILS = objects(
    **counts("cached_tokens", "cache_write_tokens", "audio_tokens", "image_tokens", "text_tokens", "reasoning_tokens")
)
ANY_USAGE: Mapping[Dialect, st.SearchStrategy[object]] = {
    "openai_chat": objects(
        **counts("prompt_tokens", "completion_tokens", "total_tokens", "cost", "is_byok", "cached_tokens"),
        **counts("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"),
        **counts("reasoning_tokens", "citation_tokens", "num_search_queries", "cost_in_usd_ticks"),
        usage_semantic=st.sampled_from(["anthropic", "openai"]),
        server_tool_use=objects(**counts("web_search_requests", "code_execution_requests")),
        plugins=objects(search=objects(**counts("count"))),
        prompt_tokens_details=ANY_DETAILS,
        completion_tokens_details=ANY_DETAILS,
        cost_details=objects(upstream_inference_cost=JSON),
    ),
    "openai_responses": objects(
        **counts("input_tokens", "output_tokens", "total_tokens"),
        input_tokens_details=ANY_DETAILS,
        output_tokens_details=ANY_DETAILS,
    ),
    "openai_embeddings": objects(**counts("prompt_tokens", "total_tokens")),
    "openai_transcription": objects(
        **counts("input_tokens", "output_tokens", "total_tokens", "seconds"),
        type=st.sampled_from(["tokens", "duration"]),
        input_token_details=ANY_DETAILS,
    ),
    "openai_images": objects(
        **counts("input_tokens", "output_tokens", "total_tokens"),
        input_tokens_details=ANY_DETAILS,
        output_tokens_details=ANY_DETAILS,
    ),
    "anthropic_messages": objects(
        **counts("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"),
        cache_creation=objects(**counts("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")),
        server_tool_use=objects(**counts("web_search_requests")),
        output_tokens_details=objects(**counts("thinking_tokens")),
        iterations=st.lists(
            objects(
                type=st.sampled_from(["message", "compaction", "advisor_message", "fallback_message", "other"]),
                model=st.sampled_from(["a", "b", ""]),
                **counts("input_tokens", "output_tokens", "cache_read_input_tokens"),
            ),
            max_size=3,
        ),
        inference_geo=st.sampled_from(["us", "global"]),
    ),
    "gemini": objects(
        **counts(
            "promptTokenCount",
            "candidatesTokenCount",
            "cachedContentTokenCount",
            "thoughtsTokenCount",
            "toolUsePromptTokenCount",
            "totalTokenCount",
        ),
        **dict.fromkeys(
            ("promptTokensDetails", "cacheTokensDetails", "candidatesTokensDetails", "toolUsePromptTokensDetails"),
            st.lists(MODALITY, max_size=3),
        ),
    ),
}


def total(reading: Reading, classes: tuple[str, ...]) -> int:
    return sum(reading.usage.get(name, 0) for name in classes)


@given(st.data(), st.sampled_from(DIALECTS))
def test_any_object_is_read(data: st.DataObject, dialect: Dialect) -> None:
    """CASES 1, 4 and 6: whatever an upstream sends, nothing raises, is negative, or is in two classes."""
    reading = read_usage(dialect, json.dumps(data.draw(ANY_USAGE[dialect])).encode()).reading
    if reading is not None:
        assert dialect == reading.dialect
        assert all(quantity >= 0 for quantity in reading.usage.values())
        assert reading.usage.get("reasoning", 0) <= reading.usage.get("output", 0)
        assert bool(reading.usage) == ("impossible_total" not in reading.flags)
        assert sum(reading.usage.values()) < 2**63
        for one in reading.iterations:
            assert all(quantity >= 0 for quantity in one.usage.values())


@given(st.data(), st.sampled_from(["openai_chat", "openai_responses", "anthropic_messages"]))
def test_any_stream_is_read(data: st.DataObject, dialect: Dialect) -> None:
    """CASES 61: whatever the objects of a stream say, nothing raises, and zeros after them take nothing back."""
    usages = [json.dumps(data.draw(ANY_USAGE[dialect])).encode() for _ in range(data.draw(st.integers(1, 3)))]
    zero = b'{"prompt_tokens":0,"completion_tokens":0,"input_tokens":0,"output_tokens":0,"total_tokens":0}'
    before, after = read_usage(dialect, *usages), read_usage(dialect, *usages, zero)
    if before.reading is not None and before.reading.usage and "unexplained_total" not in before.reading.flags:
        assert after.reading is not None
        assert before.reading.usage == after.reading.usage
        assert before.reported_cost == after.reported_cost


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()), st.sampled_from(DIALECTS))
def test_garbage_says_nothing(garbage: bytes, dialect: Dialect) -> None:
    """What is no usage object of the dialect is no reading; it never raises."""
    assert read_usage(dialect, garbage) == UsageRead()


def test_a_pit_of_brackets_says_nothing() -> None:
    """A body made to exhaust the reader is read as nothing."""
    deep = b"[" * 99_999
    for dialect in DIALECTS:
        assert read_usage(dialect, deep).reading is None
        assert read_usage(dialect, b'{"promptTokensDetails":%s' % deep).reading is None


Quantities = Mapping[str, int]
"""What was used, by words of this test; each provider's object is written from them and read twice."""

USED = st.fixed_dictionaries(
    dict.fromkeys(
        (
            *("text", "video", "audio", "image", "cached_text", "cached_audio", "write_5m", "write_1h"),
            *("said", "said_audio", "thought", "searches", "tools"),
        ),
        st.integers(0, 3_000),
    )
)


def at_path(used: Quantities, dialect: Dialect, path: tuple[str, ...]) -> int:
    """Return what a provider of `dialect` writes at `path`. A path that is not known here is a KeyError."""
    fresh = used["text"] + used["audio"] + used["image"]
    read, write = used["cached_text"], used["write_5m"] + used["write_1h"]
    output = used["said"] + used["said_audio"] + used["thought"]
    beside = dialect == "anthropic_messages"
    return {
        "prompt_tokens": fresh + read + write,
        "input_tokens": fresh if beside else fresh + read + write,
        "completion_tokens": output - used["apart"],
        "output_tokens": output,
        "cached_tokens": read,
        "cache_read_input_tokens": read,
        "cached_prompt_text_tokens": read,
        "cache_write_tokens": write,
        "cache_creation_input_tokens": write,
        "ephemeral_5m_input_tokens": used["write_5m"],
        "ephemeral_1h_input_tokens": used["write_1h"],
        "reasoning_tokens": used["thought"],
        "thinking_tokens": used["thought"],
        "audio_tokens": used["audio"] if path[0].startswith(("prompt", "input")) else used["said_audio"],
        "image_tokens": used["image"] if path[0].startswith("input") else 0,
        "text_tokens": used["text"] + read + write if path[0].startswith("input") else output,
        "web_search_requests": used["searches"],
        "num_search_queries": used["searches"],
        "citation_tokens": used["tools"],
        "invocation": used["searches"],
        "total_tokens": fresh + read + write + output,
    }[path[-1]]


def native(used: Quantities, dialect: Dialect, extractor: UsageExtractor) -> dict[str, object]:
    """Write the usage object in which the extractor finds what it looks for."""
    written: dict[str, object] = {}
    for mapping in extractor.mappings:
        path = (mapping.path,) if isinstance(mapping.path, str) else tuple(str(step) for step in mapping.path)
        inner = written
        for step in path[:-1]:
            inner = cast("dict[str, object]", inner.setdefault(step, {}))
        inner[path[-1]] = at_path(used, dialect, path)
    if dialect == "openai_chat":
        written["total_tokens"] = at_path(used, dialect, ("total_tokens",))
    return written


def dialect_of(extractor: UsageExtractor) -> Dialect | None:
    """Return whose words the catalogue's extractor reads; None for those that are none of ours."""
    paths = {mapping.path for mapping in extractor.mappings if isinstance(mapping.path, str)}
    if extractor.root == "usageMetadata":
        return "gemini"
    if extractor.root != "usage" or extractor.api_flavor == "realtime":
        return None
    shapes: tuple[tuple[set[str], Dialect], ...] = (
        ({"prompt_tokens", "completion_tokens"}, "openai_chat"),
        ({"prompt_tokens"}, "openai_embeddings"),
        ({"input_tokens", "output_tokens", "cache_read_input_tokens"}, "anthropic_messages"),
        (
            {"input_tokens", "output_tokens"},
            "openai_images" if extractor.api_flavor == "images" else "openai_responses",
        ),
    )
    return next((dialect for names, dialect in shapes if names <= paths), None)


EXTRACTORS = {
    (provider.id, extractor.api_flavor): extractor for provider in providers for extractor in provider.extractors or ()
}
OURS: Mapping[tuple[str, str], Dialect] = {
    key: found for key, extractor in EXTRACTORS.items() if (found := dialect_of(extractor)) is not None
}

NOT_OURS = {
    ("aws", "default"),  # Bedrock's Converse
    ("azure", "realtime"),
    ("cloudflare", "decisions"),
    ("cloudflare", "default"),  # Workers AI's own wrapping
    ("cohere", "default"),
    ("cohere", "embeddings"),
    ("cohere", "tokens"),
    ("cursor", "usage-event"),
    ("mistral", "ocr"),
    ("mistral", "ocr_annotated"),
    ("openai", "live"),
    ("openai", "realtime"),
    ("x-ai", "realtime"),
}
"""What the catalogue reads and no dialect of ours: other endpoints, other protocols."""

READ_OTHERWISE = {
    # Perplexity bills citations at a rate of their own, for which there is no class: they are flagged.
    ("perplexity", "default"): {"output_tokens"},
}
"""Where we read otherwise than the catalogue, and in what."""

REASONING_APART = {("x-ai", "chat"), ("x-ai", "default"), ("perplexity", "default")}
"""Whose completion leaves reasoning out. The catalogue always adds it; we do where the grand total says so."""


def in_their_words(reading: Reading) -> dict[str, int]:
    """Return a reading in the catalogue's words: totals that include everything, and their parts."""
    usage = reading.usage
    five, hour = usage.get("cache_write_5m", 0), usage.get("cache_write_1h", 0)
    return {
        "input_tokens": total(reading, INPUT_CLASSES),
        "output_tokens": total(reading, OUTPUT_CLASSES),
        "cache_read_tokens": usage.get("cache_read", 0),
        "cache_write_tokens": written(usage),
        "cache_write_5m_tokens": five,
        "cache_write_1h_tokens": hour,
        "input_image_tokens": usage.get("image_in", 0),
        "input_audio_tokens": usage.get("audio_in", 0),
        "output_audio_tokens": usage.get("audio_out", 0),
        "output_reasoning_tokens": usage.get("reasoning", 0),
        "web_searches": usage.get("searches", 0),
    }


def differing(key: tuple[str, str], used: Quantities) -> set[str]:
    """Return in what the catalogue and we read the same object of a provider otherwise."""
    extractor, dialect = EXTRACTORS[key], OURS[key]
    written = native({**used, "apart": used["thought"] if key in REASONING_APART else 0}, dialect, extractor)
    _, theirs = extractor.extract({"usage": written})
    reading = read_usage(dialect, json.dumps(written).encode()).reading
    assert reading is not None
    ours = in_their_words(reading)
    named = {mapping.dest for mapping in extractor.mappings} & set(ours)
    return {name for name in named if getattr(theirs, name) != ours[name]}


def test_what_the_catalogue_reads_is_ours_or_listed() -> None:
    """A provider or endpoint that a new catalogue brings is looked at, not missed."""
    assert set(EXTRACTORS) - set(OURS) == NOT_OURS
    assert set(READ_OTHERWISE) | REASONING_APART <= set(OURS)


@given(USED)
def test_the_catalogue_reads_the_same(used: Quantities) -> None:
    """genai-prices' own extractors, over each provider and endpoint that speaks a dialect of ours, agree."""
    for key, dialect in OURS.items():
        if dialect != "gemini":
            assert differing(key, used) <= READ_OTHERWISE.get(key, set()), key


def test_each_exception_is_one() -> None:
    """An exception that is none any more is taken off the list."""
    used: dict[str, int] = dict.fromkeys(("text", "cached_text", "said", "thought", "searches", "tools"), 100)
    used |= dict.fromkeys(("video", "audio", "image", "cached_audio", "write_5m", "write_1h", "said_audio"), 0)
    for key, names in READ_OTHERWISE.items():
        assert names == differing(key, used)


def test_reasoning_is_added_only_where_the_total_says_so() -> None:
    """CASES 4: the catalogue takes xAI's reasoning to be apart always; we believe the grand total."""
    usage = {"prompt_tokens": 10, "completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 4}}
    _, theirs = EXTRACTORS["x-ai", "chat"].extract({"usage": usage})
    for grand_total, output in ((19, 9), (23, 13)):
        assert (
            output == shown(read_openai_chat(json.dumps({**usage, "total_tokens": grand_total}).encode()))[0]["output"]
        )
    assert theirs.output_tokens == 13


@given(USED)
def test_the_catalogue_reads_gemini_the_same(used: Quantities) -> None:
    """The same for Gemini, whose cached sound and images are in two lists; theirs include what was cached."""
    prompt = {"TEXT": used["text"] + used["cached_text"], "AUDIO": used["audio"] + used["cached_audio"]}
    prompt |= {"IMAGE": used["image"], "VIDEO": used["video"]}
    cached = {"TEXT": used["cached_text"], "AUDIO": used["cached_audio"]}
    said = {"TEXT": used["said"], "AUDIO": used["said_audio"]}
    lists = {"promptTokensDetails": prompt, "cacheTokensDetails": cached, "candidatesTokensDetails": said}
    written: dict[str, object] = {
        name: [{"modality": kind, "tokenCount": tokens} for kind, tokens in parts.items() if tokens]
        for name, parts in lists.items()
    }
    sums = {
        "promptTokenCount": sum(prompt.values()),
        "cachedContentTokenCount": sum(cached.values()),
        "candidatesTokenCount": sum(said.values()),
        "thoughtsTokenCount": used["thought"],
        "toolUsePromptTokenCount": used["tools"],
    }
    written |= {**sums, "totalTokenCount": sum(sums.values()) - sums["cachedContentTokenCount"]}
    _, theirs = EXTRACTORS["google", "default"].extract({"usageMetadata": written})
    read = read_gemini(json.dumps(written).encode()).reading
    assert read is not None
    assert read.flags == ()
    ours = in_their_words(read)
    ours["input_audio_tokens"] += used["cached_audio"]
    for name in ("input_tokens", "output_tokens", "cache_read_tokens", "output_reasoning_tokens"):
        assert getattr(theirs, name) == ours[name]
    for name in ("input_audio_tokens", "input_image_tokens", "output_audio_tokens"):
        assert (getattr(theirs, name) or 0) == ours[name]
