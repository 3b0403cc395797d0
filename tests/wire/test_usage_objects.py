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
    Reading,
)
from tokens_forge.wire.usage_objects import (
    UsageRead,
    read_anthropic_messages,
    read_gemini,
    read_openai_chat,
    read_openai_transcription,
    read_usage,
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
            {"input": 1928, "cache_read": 1024, "cache_write_5m": 2048, "output": 900, "reasoning": 640},
            UNSPLIT,
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
    assert {"input": 472, "output": 15} == shown(read_anthropic_messages(start, last))[0]
    assert read_anthropic_messages(b"", b"null").reading is None


@pytest.mark.parametrize(
    ("usage", "tier"),
    [
        (b'{"input_tokens":1,"output_tokens":1,"service_tier":"batch"}', "batch"),
        (b'{"input_tokens":1,"output_tokens":1,"service_tier":"standard","speed":"fast"}', "fast"),
        (b'{"input_tokens":1,"output_tokens":1,"service_tier":"standard","speed":"standard"}', "standard"),
        (b'{"input_tokens":1,"output_tokens":1,"service_tier":7}', ""),
    ],
)
def test_a_message_names_its_tier_in_its_usage(usage: bytes, tier: str) -> None:
    """CASES 8: the tier that was served is what is priced; the fast one has a name of its own."""
    assert tier == read_anthropic_messages(usage).tier_served


@pytest.mark.parametrize(
    ("iterations", "flags"),
    [
        (b'[{"type":"message","input_tokens":1}]', ()),
        (b'[{"type":"compaction","input_tokens":180000},{"type":"message"}]', ("iterations_apart",)),
        (b'[{"type":"advisor_message"}]', ("iterations_apart",)),
        (b"null", ()),
    ],
)
def test_work_beside_a_message_is_flagged(iterations: bytes, flags: tuple[str, ...]) -> None:
    """What a message's own counts leave out is not billed unseen."""
    usage = b'{"input_tokens":1,"output_tokens":2,"iterations":%s}' % iterations
    assert ({"input": 1, "output": 2}, flags) == shown(read_anthropic_messages(usage))
    assert read_anthropic_messages(b'{"iterations":%s}' % iterations).reading is None


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


DETAILS = objects(
    **counts("cached_tokens", "cache_write_tokens", "audio_tokens", "image_tokens", "text_tokens", "reasoning_tokens")
)
ANY_USAGE: Mapping[Dialect, st.SearchStrategy[object]] = {
    "openai_chat": objects(
        **counts("prompt_tokens", "completion_tokens", "total_tokens", "cost", "is_byok", "cached_tokens"),
        prompt_tokens_details=DETAILS,
        completion_tokens_details=DETAILS,
        cost_details=objects(upstream_inference_cost=JSON),
    ),
    "openai_responses": objects(
        **counts("input_tokens", "output_tokens", "total_tokens"),
        input_tokens_details=DETAILS,
        output_tokens_details=DETAILS,
    ),
    "openai_embeddings": objects(**counts("prompt_tokens", "total_tokens")),
    "openai_transcription": objects(
        **counts("input_tokens", "output_tokens", "total_tokens", "seconds"),
        type=st.sampled_from(["tokens", "duration"]),
        input_token_details=DETAILS,
    ),
    "openai_images": objects(
        **counts("input_tokens", "output_tokens", "total_tokens"),
        input_tokens_details=DETAILS,
        output_tokens_details=DETAILS,
    ),
    "anthropic_messages": objects(
        **counts("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"),
        cache_creation=objects(**counts("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")),
        server_tool_use=objects(**counts("web_search_requests")),
        output_tokens_details=objects(**counts("thinking_tokens")),
        iterations=st.lists(objects(type=st.just("message")), max_size=2),
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
    # Perplexity bills citations and searches too. It says its cost itself, as an object that is not read.
    ("perplexity", "default"): {"output_tokens", "web_searches"},
    # Its names in a response are its own: `input_tokens_details.cache_read_input_tokens`, `tool_calls_details`.
    ("perplexity", "responses"): {"cache_read_tokens", "web_searches"},
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
        "cache_write_tokens": five + hour,
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
