"""The native usage object of every dialect: bytes in, disjoint classes out.

Decides which member of a `usage` object is which count, and nothing else: what the counts mean is `core/usage.py`'s
affair. Usage is read from the upstream's own bytes, never from a translated object. It never raises: what is no JSON
object says nothing, and a member of a wrong kind is a count that is no number.

Relays mix the words of dialects. So there is one table of names for each fact (`_NAMES`), and a name that is used
anywhere is read wherever it stands: at the top of a usage or in the details of its input or output (CASES 63). Of two
names for one fact in the same object the count that costs more is taken, as a guess, and never a zero, since relays
write zeros for what they do not fill.

Sources, read 2026-11: the types of OpenAI's Python library 3.57.0, made from its API reference (`CompletionUsage`,
`ResponseUsage`, `ToolUsage`, `CreateEmbeddingResponse`, `Transcription`, `ImagesResponse`) and its guide "Prompt
caching"; Anthropic docs ("Prompt caching", "Web search tool", "Compaction", "Advisor tool", "Refusals and fallback",
"Fallback credit") and the types of its library 2.14.0 (`Usage`, `MessageDeltaUsage`, `BetaUsage`,
`BetaIterationsUsage`); Gemini API reference (`UsageMetadata`, `ModalityTokenCount`) and its guide "Priority inference".
Those of single names stand beside them.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import islice
from math import ceil
from typing import Literal

import msgspec

from tokens_forge.core.money import exponent, fits_ledger, rounded, scaled
from tokens_forge.core.usage import (
    MOST_TOKENS,
    NO_PARTS,
    WRITE_CLASSES,
    Counts,
    Dialect,
    Flag,
    GeminiCounts,
    Iteration,
    MessagesCounts,
    Parts,
    Reading,
    TotalCounts,
    from_gemini,
    from_messages,
    from_seconds,
    from_totals,
    is_silent,
    later,
)

MOST_DECIMALS = 30
"""Digits after the point beyond which it is none."""

LONGEST_COST = 64
"""Bytes of a number beyond which it is no amount, whatever they are."""

MOST_PARTS = 64
"""Entries of a list of parts by kind that are looked at; there are five kinds."""

MOST_ITERATIONS = 256
"""Entries of `iterations` that are looked at; each is an inference of its own."""

LONGEST_WORD = 200
"""Characters of a model's or a geography's name."""

FAST = "fast"
"""The tier of service that Anthropic names in `speed` (`BetaUsage.speed`), not in `service_tier`."""

Members = Mapping[str, msgspec.Raw]
"""The members of a JSON object by name, each as it was written."""


class CostBeside(msgspec.Struct):
    """Members of a reply, outside its usage, that say what it cost."""

    cost: msgspec.Raw = msgspec.Raw()
    provider_metadata: msgspec.Raw = msgspec.Raw()
    """Vercel AI Gateway: `gateway.cost`, a text (its docs, "Usage & Billing", read 2026-11)."""
    provider_metadata_too: msgspec.Raw = msgspec.field(name="providerMetadata", default=msgspec.Raw())
    """The same in its SDK's spelling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRead:
    """What a usage object says."""

    reading: Reading | None = None
    """None when it reports no usage."""
    reported_cost: Decimal | None = None
    """What this upstream charges for it, where it says so."""
    cost_unit: str = ""
    """The unit that it says of the cost; empty for the upstream's own money."""
    upstream_cost: Decimal | None = None
    """What a provider behind it bills to a key of one's own, beside `reported_cost`."""
    tier_served: str = ""
    """The tier of service, where the usage object is the place that names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a usage object tells, or those of a stream together, before its counts are made disjoint."""

    counts: Counts
    cost: Decimal | None = None
    cost_unit: str = ""
    """The unit that it says of the cost; empty for the upstream's own money."""
    upstream_cost: Decimal | None = None
    is_byok: bool = False
    tier: str = ""
    speed: str = ""
    geo: str = ""
    credit: str = ""
    """What became of a credit for the retry of a refused request: ``redeemed``, ``not_applied``."""
    tools_apart: bool = False
    """It counts calls of the upstream's own tools that have a price for which there is no class."""
    fetches: bool = False
    """It counts pages that the upstream fetched."""
    models_apart: bool = False
    """It is of several models, and says so beside it."""
    iterations: bytes = b""
    """As it was written."""

    @property
    def is_usage(self) -> bool:
        """Whether it names an input or an output."""
        return self.counts.input is not None or self.counts.output is not None


def read_usage(dialect: Dialect, *usages: bytes) -> UsageRead:
    """Return what the usage object of a complete reply says, or those of its stream, given whose words they are in."""
    return _READERS[dialect](*usages)


def read_openai_chat(*usages: bytes) -> UsageRead:
    """Return what the `usage` of a chat completion says, or those of its stream's chunks in their order.

    Cached tokens are in `prompt_tokens`, reasoning is in `completion_tokens`, but where they are shown to be beside
    (`core/usage.py`).
    """
    told = _together(map(told_in_chat, usages))
    return UsageRead() if told is None else read_told(told, "openai_chat")


def read_openai_responses(*usages: bytes, tool_usage: bytes = b"", searches: int = 0, apart: bool = False) -> UsageRead:
    """Return what the `usage` of a response says, also of one that is incomplete or failed.

    Cached tokens are in `input_tokens`, reasoning is in `output_tokens`. What the upstream's own tools did is beside it
    (`with_tools`).
    """
    told = _together(map(told_in_response, usages))
    read = UsageRead() if told is None else read_told(told, "openai_responses")
    return with_tools(read, tool_usage=tool_usage, searches=searches, apart=apart)


def with_tools(read: UsageRead, *, tool_usage: bytes, searches: int, apart: bool) -> UsageRead:
    """Return the usage of a response with what the upstream's own tools did.

    `tool_usage` counts the web searches that are billed; `searches`, those that the output shows, stands in where
    neither it nor the usage tells any. `apart` says that the output shows tools with a price that has no class here.
    """
    reading = read.reading
    if reading is None:
        return read
    tools = _members(tool_usage)
    billed = _count(_inner(tools, "web_search"), "num_requests")
    if "searches" not in reading.usage:
        reading = _with_searches(reading, searches if billed is None else billed)
    drawn = _inner(tools, "image_gen")
    if apart or _count(drawn, "input_tokens") or _count(drawn, "output_tokens"):
        reading = _flagged(reading, "tools_apart")
    return replace(read, reading=reading)


def read_openai_embeddings(usage: bytes) -> UsageRead:
    """Return what the `usage` of embeddings says: an input, no output, no cache.

    Where the total is all that is told, that is the input (Voyage AI; Claude docs, "Embeddings", read 2026-11); where
    it is the larger, too, as there is no output that it could be.
    """
    told = _told(usage, _INPUT_LAST)
    counts = told.counts
    assert isinstance(counts, TotalCounts), "it was read as totals"
    tokens = counts.input if counts.total is None else max(counts.input or 0, counts.total)
    if counts.input == -1:
        tokens = -1
    output = None if tokens is None else 0
    read = read_told(
        replace(told, counts=TotalCounts(input=tokens, output=output, searches=counts.searches)), "openai_embeddings"
    )
    if read.reading is None or counts.input in {None, tokens}:
        return read
    return replace(read, reading=_flagged(read.reading, "unexplained_total"))


def read_openai_transcription(usage: bytes) -> UsageRead:
    """Return what the `usage` of a transcription says: tokens, or the length of the sound in seconds; no cache.

    A begun second counts whole, as where we measure one.
    """
    told = _members(usage)
    if _text(told, "type") == "duration" or ("seconds" in told and "input_tokens" not in told):
        return UsageRead(reading=from_seconds(_seconds(told)))
    return read_told(_told(usage, _INPUT_FIRST), "openai_transcription")


def read_openai_images(usage: bytes) -> UsageRead:
    """Return what the `usage` of generated or edited images says: text and image tokens, no cache."""
    return read_told(_told(usage, _INPUT_FIRST), "openai_images")


def read_anthropic_messages(*usages: bytes) -> UsageRead:
    """Return what the `usage` of a message says, or those of its stream's events in their order (CASES 18, 61).

    Cached tokens are beside `input_tokens`. What `message_start` says of the output is a placeholder, and until a
    `message_delta` came the reading's output is no more than that.
    """
    told = _together(map(told_in_message, usages))
    return UsageRead() if told is None else read_told(told, "anthropic_messages")


def read_gemini(usage: bytes) -> UsageRead:
    """Return what the `usageMetadata` of a response or of a stream's last chunk says.

    Cached tokens are in `promptTokenCount`; thoughts are beside `candidatesTokenCount`, and what tools brought is
    beside the prompt. The tier that was served is in a header (`x-gemini-service-tier`); Vertex names it here.
    """
    told = _members(usage)
    counts = GeminiCounts(
        prompt=_count(told, "promptTokenCount"),
        tool_prompt=_count(told, "toolUsePromptTokenCount"),
        cached=_count(told, "cachedContentTokenCount"),
        candidates=_count(told, "candidatesTokenCount"),
        thoughts=_count(told, "thoughtsTokenCount"),
        total=_count(told, "totalTokenCount"),
        prompt_parts=_modalities(told, "promptTokensDetails"),
        tool_parts=_modalities(told, "toolUsePromptTokensDetails"),
        cached_parts=_modalities(told, "cacheTokensDetails"),
        candidate_parts=_modalities(told, "candidatesTokensDetails"),
    )
    return UsageRead(reading=from_gemini(counts), tier_served=_traffic(told))


_READERS: Mapping[Dialect, Callable[..., UsageRead]] = {
    "openai_chat": read_openai_chat,
    "openai_responses": read_openai_responses,
    "openai_embeddings": read_openai_embeddings,
    "openai_transcription": read_openai_transcription,
    "openai_images": read_openai_images,
    "anthropic_messages": read_anthropic_messages,
    "gemini": read_gemini,
}


def told_in_chat(usage: bytes | msgspec.Raw) -> Told:
    """Return what the `usage` of a chat completion or a chunk tells; nothing for what is no object."""
    return _told(usage, _INPUT_LAST)


def told_in_response(usage: bytes | msgspec.Raw) -> Told:
    """Return what the `usage` of a response tells; nothing for what is no object."""
    return _told(usage, _INPUT_FIRST)


def told_in_message(usage: bytes | msgspec.Raw) -> Told:
    """Return what the `usage` of a message or an event of its stream tells; nothing for what is no object."""
    members = _members(usage)
    heard = _Heard(members)
    return _with_words(members, heard, _message_counts(heard))


def _message_counts(heard: "_Heard") -> MessagesCounts:
    counts = heard.counts
    fresh, prompt = counts.get("input"), counts.get("prompt")
    # OpenAI's word, whose count includes the cached tokens.
    if prompt is not None and (not fresh or heard.disagree_on_input()):
        cached = heard.in_cache()
        fresh = max(prompt - cached if prompt >= cached else prompt, fresh or 0)
    return MessagesCounts(
        input=fresh,
        cache_read=counts.get("cached"),
        cache_write=counts.get("cache_write"),
        **heard.split(),
        output=heard.dearest("output", "completion"),
        reasoning=counts.get("reasoning"),
        searches=heard.searches(),
        contradicted=False,
        disagree=heard.disagree,
    )


def after(earlier: Told | None, told: Told) -> Told:
    """Return what is told of a stream after one more usage object: of words the last that says something."""
    if earlier is None:
        return told
    counts = later(earlier.counts, told.counts)
    # A cost is that of the counts that it came with.
    stands = told.cost is not None or is_silent(told.counts) or counts == earlier.counts
    paid = earlier if stands and earlier.cost is not None and not told.cost else told
    return Told(
        counts=counts,
        cost=paid.cost,
        cost_unit=paid.cost_unit,
        upstream_cost=told.upstream_cost or earlier.upstream_cost,
        is_byok=earlier.is_byok or told.is_byok,
        tier=told.tier or earlier.tier,
        speed=told.speed or earlier.speed,
        geo=told.geo or earlier.geo,
        credit=told.credit or earlier.credit,
        tools_apart=earlier.tools_apart or told.tools_apart,
        fetches=earlier.fetches or told.fetches,
        models_apart=earlier.models_apart or told.models_apart,
        iterations=told.iterations or earlier.iterations,
    )


def of_choices(told: Iterable[Told]) -> Told | None:
    """Return what is told of an answer whose choices each come with a usage: one input, and the output of all."""
    found: Told | None = None
    for one in told:
        output = 0 if found is None else found.counts.output or 0
        found = after(found, one)
        if output > 0 and one.counts.output is not None and one.counts.output >= 0:
            # The totals are of one choice each.
            counts = replace(found.counts, output=output + one.counts.output, contradicted=False)
            found = replace(found, counts=replace(counts, total=None) if isinstance(counts, TotalCounts) else counts)
    return found


def read_told(told: Told, dialect: Dialect, *, model: str = "") -> UsageRead:
    """Return what the usage of a reply says, all of whose objects were heard, and which `model` answered.

    A page that was fetched is free at Anthropic ("Web fetch tool") and at others with its models; DeepSeek charges for
    it as for a search since 2026-11-01 (API docs, "Models & Pricing", read 2026-11), and of others nobody knows.
    """
    if isinstance(told.counts, MessagesCounts):
        reading = from_messages(told.counts)
    else:
        reading = from_totals(told.counts, dialect)
    if reading is not None:
        reading = _with_iterations(replace(reading, geo=told.geo) if told.geo else reading, told.iterations)
        if told.credit:
            reading = _flagged(reading, _CREDITS[told.credit])
        if told.tools_apart or (told.fetches and model and _OF_ANTHROPIC not in model.lower()):
            reading = _flagged(reading, "tools_apart")
        if told.models_apart:
            reading = _flagged(reading, "models_apart")
        if told.is_byok:
            reading = _flagged(reading, "paid_elsewhere")
    # A speed that was asked for and not served is the standard one, whatever else is said of the tier.
    tier = FAST if told.speed == FAST else told.tier or told.speed
    return UsageRead(
        reading=reading,
        reported_cost=told.cost,
        cost_unit=told.cost_unit,
        upstream_cost=told.upstream_cost if told.is_byok else None,
        tier_served=tier,
    )


_CREDITS: Mapping[str, Flag] = {
    "redeemed": "fallback_credit_redeemed",
    "not_applied": "fallback_credit_not_applied",
}
"""By `usage.fallback_credit.status.type`. The counts are those that are billed: a credit shows in them as fewer writes
and as many more reads (Claude docs, "Fallback credit", "Checking that the credit applied", read 2026-11)."""


# ---- Names -----------------------------------------------------------------------------------------------------------

_NAMES: Mapping[str, tuple[str, ...]] = {
    "prompt": ("prompt_tokens",),
    "input": ("input_tokens",),
    "completion": ("completion_tokens",),
    "output": ("output_tokens",),
    "total": ("total_tokens",),
    "cached": (
        "cached_tokens",  # OpenAI in its details; Moonshot at the top (API docs, "Chat")
        "prompt_cache_hit_tokens",  # DeepSeek API docs, "Context Caching"
        "cache_read_input_tokens",  # Anthropic; Databricks (genai-prices 0.2.3); Perplexity in its details (the same)
        "cached_prompt_text_tokens",  # xAI (genai-prices 0.2.3)
        "cache_read_tokens",  # LLM gateways after Bedrock (maximhq/bifrost pull request 908)
        "cached_read_tokens",  # as `cached_write_tokens`
        "prompt_cache_read_tokens",  # as `prompt_cache_write_tokens`
        "cacheReadInputTokens",  # AWS, Bedrock Converse API, `TokenUsage`
        "num_cached_tokens",  # Mistral, at the top (vercel/ai issue 14382)
        "cached_input_tokens",  # Codex's own words, which relays pass on
    ),
    "cache_write": (
        "cache_write_tokens",  # OpenAI; OpenRouter docs, "Usage Accounting"
        "cache_creation_tokens",  # LiteLLM, `PromptTokensDetailsWrapper`
        "cache_creation_input_tokens",  # Anthropic; Alibaba Cloud Model Studio, "Context cache", in the details
        "cached_write_tokens",  # envoyproxy/ai-gateway pull request 1719
        "prompt_cache_write_tokens",  # relays of DeepSeek's words, beside `prompt_cache_hit_tokens`
        "cached_creation_tokens",  # QuantumNous/new-api, `dto.InputTokenDetails`
        "cache_write_input_tokens",  # relays of Bedrock's
        "created_cache_tokens",  # relays of Gemini's
        "cacheWriteInputTokens",  # AWS, Bedrock Converse API, `TokenUsage`
        "caching_tokens",  # Requesty docs, "Prompt Caching", in the details
    ),
    "cache_write_5m": (
        "ephemeral_5m_input_tokens",  # Anthropic, `CacheCreation`; LiteLLM and Alibaba Cloud have it in details
        "claude_cache_creation_5_m_tokens",  # QuantumNous/new-api, `dto.Usage`
        "cache_creation_5m_input_tokens",  # ding113/claude-code-hub
        "cache_creation_5m_tokens",  # relays after new-api
        "cache_write_5m_tokens",  # the same
        "cached_write_tokens_5m",  # maximhq/bifrost, `ChatPromptTokensDetails`
        "write_5m_tokens",  # Helicone AI Gateway, `cache_write_details`
    ),
    "cache_write_30m": ("ttl_30m_tokens",),  # OpenAI, `InputTokensDetailsCacheWriteTokensDetails`
    "cache_write_1h": (
        "ephemeral_1h_input_tokens",
        "claude_cache_creation_1_h_tokens",
        "cache_creation_1h_input_tokens",
        "cache_creation_1h_tokens",
        "cache_write_1h_tokens",
        "cached_write_tokens_1h",
        "write_1h_tokens",
    ),
    "cache_write_12h": ("ttl_12h_tokens",),
    "reasoning": (
        "reasoning_tokens",  # OpenAI in its details; Databricks, Modal and Perplexity at the top (genai-prices 0.2.3)
        "thinking_tokens",  # Anthropic, `OutputTokensDetails`
    ),
    "searches": (
        "web_search_requests",  # Anthropic, `ServerToolUsage`; LiteLLM in the details of the prompt
        "web_search_calls",  # xAI
        "num_search_queries",  # Perplexity (genai-prices 0.2.3); maximhq/bifrost in the details of the output
    ),
    "sources": ("num_sources_used",),  # xAI, Live Search: charged by the source
    "tools": (
        "citation_tokens",  # Perplexity, deep research: at a rate of their own
        "google_maps_grounding_requests",  # LiteLLM, for Gemini
    ),
    "audio_in": ("audio_tokens",),  # Mistral, at the top (genai-prices pull request 591)
    "seconds": ("prompt_audio_seconds",),  # the same: sound that is billed by its length
    "tools_in_all": ("num_server_side_tools_used",),  # xAI
}
"""Each fact of a usage, and every name that it has with a provider or a relay."""

_KINDS_OF_TOKENS = ("text", "audio", "image", "video")
"""What details count by kind, as `text_tokens`. Video has no class of ours: it is text, as in `_KINDS`."""

_BESIDE = frozenset(
    {"cache_read_input_tokens", "cache_creation_input_tokens", "cacheReadInputTokens", "cacheWriteInputTokens"}
)
"""Names that mean counts beside the input where they come from (Anthropic, AWS). At the top of a usage some relays
count them in the prompt (LiteLLM), others beside it (forks of one-api); within its details they are parts of it."""

_IN_DETAILS: Mapping[str, Mapping[str, str]] = {
    "in": {"cache_read": "cached", "audio": "audio_in"},
    "out": {"reasoning": "reasoning", "audio": "audio_out"},
}
"""Short words of LangChain's `UsageMetadata` (danny-avila/LibreChat issue 12855), which mean other things elsewhere."""

_INPUT_DETAILS = ("prompt_tokens_details", "input_tokens_details", "input_token_details", "prompt_token_details")
_OUTPUT_DETAILS = (
    "completion_tokens_details",
    "output_tokens_details",
    "output_token_details",
    "completion_token_details",
)
_WRITE_DETAILS = (
    "cache_creation",  # Anthropic, `Usage`; Alibaba Cloud, in the details of the prompt
    "cache_creation_token_details",  # LiteLLM
    "cache_creation_tokens_details",
    "cache_write_tokens_details",  # OpenAI, `InputTokensDetails`
    "cached_write_token_details",  # maximhq/bifrost
    "cache_write_details",  # Helicone AI Gateway
)
_FRESH_ALONE = "cache_write_details"
"""Where Helicone tells this, its prompt leaves out what was read from and written to a cache."""

_TOOL_COUNTS = (
    "server_tool_use",  # Anthropic; OpenRouter, also in chat completions
    "server_tool_use_details",  # OpenRouter, since 2026
    "server_side_tool_usage_details",  # xAI
    "server_side_tool_usage",  # xAI's SDK
    "connectors",  # Mistral, Conversations API
    "plugins",  # Alibaba Cloud Model Studio, "Web search": {"search":{"count":1}}
    "x_tools",  # the same, of its Responses
    "tool_calls_details",  # Perplexity, Agent API: {"search_web":{"invocation":1}} (genai-prices 0.2.3)
    "tool_usage",  # Volcengine Ark, Responses: {"web_search":1,"image_process":1,"mcp":1}
)
"""Members that count calls of the upstream's own tools by name: as numbers, or in `count` or `invocation` of each."""

_TOOLS = frozenset(_TOOL_COUNTS)

_SEARCH_TOOLS = frozenset(
    {
        "web_search_requests",
        "web_search_calls",
        "x_search_calls",  # xAI, "Pricing": at the same fee
        "SERVER_SIDE_TOOL_WEB_SEARCH",
        "SERVER_SIDE_TOOL_X_SEARCH",
        "web_search",
        "search",
        "search_web",
    }
)
_FETCHES = "web_fetch_requests"
_OF_ANTHROPIC = "claude"
_FREE_TOOLS = frozenset(
    {
        _FETCHES,  # but see `read_told`
        "tool_search_requests",
        "mcp_calls",  # xAI, "Pricing": its tokens alone
        "SERVER_SIDE_TOOL_MCP",
        "tool_calls_requested",  # OpenRouter: sums of the others
        "tool_calls_executed",
    }
)
"""Tools that cost nothing beside tokens. Any other that is no search is taken to have a price."""

_COSTS: Mapping[str, tuple[int, str]] = {
    "cost": (0, ""),  # OpenRouter docs, "Usage Accounting"; as an object: Perplexity, API reference, `Cost`
    "cost_in_usd_ticks": (-10, "USD"),  # xAI, "Cost Tracking": 10,000,000,000 ticks are 1 USD
    "total_cost": (0, ""),
    "cost_usd_total": (0, "USD"),  # LLM Gateway, "Cost Breakdown"
    "estimated_cost": (0, ""),  # DeepInfra API docs, chat completions
    "response_cost": (0, ""),  # LiteLLM
    "cost_usd": (0, "USD"),
}
"""Members that say what the upstream charges, the power of ten of what they count, and the unit that their name says;
empty where it is the upstream's own money. The first that is not zero counts."""

_COST_TOTALS = ("total_cost", "total", "amount")
"""Where an object says it as a whole."""

_Scope = Literal["top", "input", "output", "writes", "tools"]

_OF_CACHE = ("cached", "cache_write", *WRITE_CLASSES)


def _table(facts: tuple[str, ...], scopes: Mapping[str, tuple[str, ...]], suffix: str = "") -> Mapping[str, str]:
    """Return which fact each name tells in a place, and which members hold more of them."""
    names = {name: fact for fact in facts for name in _NAMES[fact]}
    kinds = {f"{kind}_tokens": f"{kind}_{suffix}" for kind in _KINDS_OF_TOKENS if suffix}
    return (
        names
        | kinds
        | dict(_IN_DETAILS.get(suffix, {}))
        | {name: f"/{scope}" for scope, members in scopes.items() for name in members}
    )


_TABLES: Mapping[str, Mapping[str, str]] = {
    "/top": _table(
        tuple(_NAMES),
        {
            "input": _INPUT_DETAILS,
            "output": _OUTPUT_DETAILS,
            "writes": _WRITE_DETAILS,
            "tools": _TOOL_COUNTS,
        },
    ),
    "/input": _table((*_OF_CACHE, "searches", "tools"), {"writes": _WRITE_DETAILS}, "in"),
    "/output": _table(("reasoning", "searches", "tools"), {}, "out"),
    "/writes": _table(WRITE_CLASSES, {}),
}
"""What each name tells in each place; a fact with a slash is another place."""

_INPUT_FIRST = ("input", "prompt")
_INPUT_LAST = ("prompt", "input")
_OUTPUTS = {"input": "output", "prompt": "completion"}


class _Heard:
    """The facts of one usage object by name, whoever's names they have."""

    def __init__(self, members: Members) -> None:
        self.counts: dict[str, int] = {}
        self.beside = False
        """Cached tokens have names that mean counts beside the input."""
        self.fresh_alone = False
        """There is no doubt that they are."""
        self.disagree = False
        self.tools_apart = False
        self.fetches = False
        self._listen(members, "/top")

    def first(self, *facts: str) -> int | None:
        """Return the first of some counts that says something."""
        told = [self.counts[fact] for fact in facts if fact in self.counts]
        return next((count for count in told if count > 0), told[0] if told else None)

    def dearest(self, *facts: str) -> int | None:
        """Return as `first`, and the largest where they disagree."""
        told = {count for fact in facts if (count := self.counts.get(fact, 0)) > 0}
        self.disagree = self.disagree or len(told) > 1
        return max(told) if told else self.first(*facts)

    def disagree_on_input(self) -> bool:
        """Say whether two words for the input differ, by more than what one of them leaves to the cache."""
        less, more = sorted(self.counts.get(fact, 0) for fact in _INPUT_FIRST)
        read, written = (max(self.counts.get(name, 0), 0) for name in ("cached", "cache_write"))
        differ = less > 0 and more - less not in {0, read, written, read + written}
        self.disagree = self.disagree or differ
        return differ

    def in_cache(self) -> int:
        """Return the tokens that were read from or written to a cache."""
        return sum(max(self.counts.get(name, 0), 0) for name in ("cached", "cache_write"))

    def split(self) -> Mapping[str, int | None]:
        """Return the cache writes by lifetime."""
        return {name: self.counts.get(name) for name in WRITE_CLASSES}

    def parts(self, suffix: str) -> Parts:
        """Return what of the input (``in``) or the output (``out``) is of which kind."""
        text, audio, image, video = (self.counts.get(f"{kind}_{suffix}") for kind in _KINDS_OF_TOKENS)
        if not text and not audio and not image:  # new-api writes zeros where it knows no parts.
            return NO_PARTS
        return Parts(text=text if text is None or not video else text + video, audio=audio, image=image)

    def searches(self) -> int | None:
        """Return the searches that are billed; sources only where no searches are told."""
        return self.counts.get("searches", self.counts.get("sources"))

    def _listen(self, members: Members, place: str) -> None:
        table = _TABLES[place]
        for name, raw in members.items():
            fact = table.get(name)
            if fact is None or not given(raw):
                continue
            self.fresh_alone = self.fresh_alone or name == _FRESH_ALONE
            if (
                place == "/input"
                and name == "cache_creation"
                and (written := _number(raw)) is not None
                and written >= 0
            ):
                self._hear("cache_write", written)  # LangChain: a count where others have an object
            elif fact == "/tools":
                self._count_tools(_members(raw))
            elif fact[0] == "/":
                self._listen(_members(raw), fact)
            else:
                count = _number(raw) or 0
                self._hear(fact, count)
                self.beside = self.beside or (count > 0 and place == "/top" and name in _BESIDE)

    def _hear(self, fact: str, count: int) -> None:
        before = self.counts.get(fact, -1)
        if count > 0 < before != count:
            self.disagree = True
            self.counts[fact] = min(before, count) if fact == "cached" else max(before, count)
        else:
            self.counts[fact] = max(before, count)

    def _count_tools(self, tools: Members) -> None:
        searches: list[int] = []
        for name, raw in tools.items():
            inner = _members(raw)
            count = _first(inner.get("count"), inner.get("invocation")) if inner else _number(raw)
            self.fetches = self.fetches or (name == _FETCHES and bool(count))
            if name in _SEARCH_TOOLS:
                searches += [] if count is None else [count]
            elif count and name not in _FREE_TOOLS:
                self.tools_apart = True
        if searches:
            self._hear("searches", sum(count for count in searches if count > 0) or min(searches))


def _told(usage: bytes | msgspec.Raw, order: tuple[str, str]) -> Told:
    """Return what a usage tells whose input includes everything; `order` says whose words go first."""
    members = _members(usage)
    heard = _Heard(members)
    counts = heard.counts
    differ = heard.disagree_on_input()
    told = TotalCounts(
        input=max(counts[name] for name in order) if differ else heard.first(*order),
        output=heard.dearest(*(_OUTPUTS[name] for name in order)),
        total=counts.get("total"),
        cached=counts.get("cached"),
        cache_write=counts.get("cache_write"),
        **heard.split(),
        input_parts=heard.parts("in"),
        reasoning=counts.get("reasoning"),
        output_parts=heard.parts("out"),
        searches=heard.searches(),
        seconds=counts.get("seconds") if not counts.get("audio_in") else None,
        cache_named=_cache_named(members, heard),
        # Perplexity counts the reasoning of its deep research apart (genai-prices 0.2.3).
        reasoning_beside="citation_tokens" in members and "reasoning_tokens" in members,
        contradicted=False,
        disagree=heard.disagree,
    )
    return _with_words(members, heard, told)


def _cache_named(members: Members, heard: _Heard) -> Literal["in_input", "either", "beside_input"]:
    """Return what the names of cached counts say of where they are counted.

    There is no doubt where the object is one of Anthropic's as a whole, or where new-api says in whose sense it is
    (QuantumNous/new-api, `dto.Usage.UsageSemantic`, read 2026-11).
    """
    if heard.fresh_alone or _text(members, "usage_semantic") == "anthropic":
        return "beside_input"
    if not heard.beside:
        return "in_input"
    of_openai = ("prompt_tokens", "total_tokens", *_INPUT_DETAILS)
    return "either" if any(given(members.get(name)) for name in of_openai) else "beside_input"


def _with_words(members: Members, heard: _Heard, counts: Counts) -> Told:
    """Return what a usage tells: its counts, and what it says in words and money."""
    unknown = heard.counts.get("tools_in_all", 0) > 0 and not counts.searches and _TOOLS.isdisjoint(members)
    cost = _first_cost(_cost(members, name) for name in _COSTS if name in members)
    told = Told(
        counts=counts,
        cost=cost[0] if cost else None,
        cost_unit=cost[1] if cost else "",
        fetches=heard.fetches,
        tools_apart=heard.tools_apart or heard.counts.get("tools", 0) > 0 or unknown,
    )
    if _SAYS_MORE.isdisjoint(members):
        return told
    geo = _text(members, "inference_geo")[:LONGEST_WORD].lower()
    status = _text(_inner(_inner(members, "fallback_credit"), "status"), "type")
    return replace(
        told,
        upstream_cost=_amount(_inner(members, "cost_details").get("upstream_inference_cost")),
        is_byok=bytes(members.get("is_byok", b"")) == b"true",
        tier=_text(members, "service_tier") or _traffic(members),
        speed=_text(members, "speed"),
        geo="" if geo in _NOWHERE else geo,
        credit=status if status in _CREDITS else "",
        iterations=_listed(members.get("iterations")),
    )


def _listed(raw: msgspec.Raw | None) -> bytes:
    """Return a list as it was written; nothing for one that is empty, or for none."""
    listed = bytes(raw) if raw is not None and given(raw) else b""
    return listed if listed[1:-1].strip() else b""


_SAYS_MORE = frozenset(
    {
        "cost_details",
        "is_byok",
        "service_tier",
        "speed",
        "inference_geo",
        "fallback_credit",
        "iterations",
        "extra_properties",
    }
)

_TRAFFIC = {
    "ON_DEMAND_PRIORITY": "priority",
    "ON_DEMAND_FLEX": "flex",
    "PROVISIONED_THROUGHPUT": "provisioned",
}
"""Tiers of service by Vertex's word for the traffic (`UsageMetadata.trafficType`; in chat completions in
`extra_properties.google.traffic_type`; read 2026-11). Any other is the standard one."""


def _traffic(members: Members) -> str:
    google = _inner(_inner(members, "extra_properties"), "google")
    return _TRAFFIC.get(_text(google, "traffic_type") or _text(members, "trafficType"), "")


_NOWHERE = frozenset({"", "global", "not_available"})
"""Words of `inference_geo` that name no geography (Claude docs, "Data residency", read 2026-11)."""


# ---- Iterations ------------------------------------------------------------------------------------------------------

_IN_TOP_LEVEL = frozenset({"message", "fallback_message"})
_ADDED = frozenset({"compaction", "advisor_message"})
"""Kinds of iterations whose tokens the top-level counts leave out (Anthropic's library 2.14.0, `BetaIterationsUsage`;
Claude docs, "Advisor tool", "Usage and billing"; read 2026-11)."""


def _with_iterations(reading: Reading, raw: bytes) -> Reading:
    """Add what a message's usage says was billed beside its top-level counts.

    Those are of the attempt that answered: the turns of its own tools (`message`) are in them. Where another model
    stepped in, it is the last entry's, and the entries of models that declined are `message` too: they are billed if
    they had output, and whether a few tokens were, nobody says (Claude docs, "Refusals and fallback", read 2026-11).

    In the words of another dialect a relay may have added them to its totals: then they are flagged and not added.
    """
    if not raw or not reading.usage:
        return reading
    entries = [_members(one) for one in islice(_list(raw), MOST_ITERATIONS + 1)]
    unread = len(entries) > MOST_ITERATIONS
    kinds = [(_text(one, "type"), _text(one, "model")[:LONGEST_WORD]) for one in entries[:MOST_ITERATIONS]]
    stepped_in = [model for kind, model in kinds if kind == "fallback_message"]
    sampled = [model for kind, model in kinds if kind == "message"]
    answering = next((model for model in reversed(stepped_in or sampled) if model), "")
    others = bool(stepped_in) or any(model not in {"", answering} for model in sampled)
    found: list[Iteration] = []
    for (kind, model), one in zip(kinds, entries, strict=False):
        declined = kind == "message" and model != answering and (bool(stepped_in) or model != "")
        if not declined and (kind not in _ADDED or reading.dialect != "anthropic_messages"):
            unread = unread or kind not in _IN_TOP_LEVEL
            continue
        counts = _message_counts(_Heard(one))
        own = from_messages(replace(counts, input=counts.input or 0, output=counts.output or 0))
        if own is None or not own.usage or counts == MessagesCounts():
            unread = True
        elif own.usage["output"] if declined else any(own.usage.values()):
            found.append(Iteration(kind=kind, model=model, usage=own.usage, is_sure=not declined))
            for flag in own.flags:
                reading = _flagged(reading, flag)
    reading = replace(reading, iterations=tuple(found), answered_by=answering if others else "")
    return _flagged(reading, "iterations_apart") if unread else reading


def _together(told: Iterable[Told]) -> Told | None:
    found: Told | None = None
    for one in told:
        found = after(found, one)
    return found


def tells_output(told: Told, merged: Told) -> bool:
    """Say whether the output of a stream so far, `merged`, is what its last usage told; zeros alone tell none."""
    output = told.counts.output
    return output is not None and output == merged.counts.output and says(told) == says(merged)


def says(told: Told) -> bool:
    """Say whether a usage counts anything: before an answer ended, zeros are placeholders (CASES 18)."""
    return not is_silent(told.counts)


# ---- Members ---------------------------------------------------------------------------------------------------------

_KINDS = {"TEXT": "text", "VIDEO": "text", "AUDIO": "audio", "IMAGE": "image", "DOCUMENT": "image"}
"""Gemini's modalities as our kinds. A document is read as images, as genai-prices 0.2.3 has it. Video has no class of
ours: there it costs what text does, but for live models and embeddings, whose usage is not read here."""

_NOTHING = frozenset({b"null", b'""', b"{}", b"false"})
_LONGEST_NOTHING = len(b"false")
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode
_decode_count = msgspec.json.Decoder(int, strict=False).decode
_decode_amount = msgspec.json.Decoder(Decimal).decode


def _with_searches(reading: Reading, searches: int) -> Reading:
    """Add web searches; of an impossible total nothing is billed, so neither are they."""
    if not 0 <= searches <= MOST_TOKENS:
        return _flagged(reading, "impossible_searches")
    return replace(reading, usage={**reading.usage, "searches": searches}) if searches and reading.usage else reading


def _flagged(reading: Reading, flag: Flag) -> Reading:
    return reading if flag in reading.flags else replace(reading, flags=(*reading.flags, flag))


def _modalities(told: Members, name: str) -> Parts:
    """Return a list of counts by modality as parts; text is 0 where the list names none, as zeros are left out."""
    if not given(told.get(name)):
        return NO_PARTS
    found: dict[str, int] = {}
    for entry in islice(_list(told[name]), MOST_PARTS):
        one = _members(entry)
        kind = _KINDS.get(_text(one, "modality"), "text")
        tokens, before = _count(one, "tokenCount") or 0, found.get(kind, 0)
        found[kind] = -1 if min(tokens, before) < 0 else before + tokens
    return Parts(text=found.get("text", 0), audio=found.get("audio"), image=found.get("image")) if found else NO_PARTS


def given(raw: msgspec.Raw | None) -> bool:
    """Say whether a member is there and says something."""
    return raw is not None and (len(raw) > _LONGEST_NOTHING or (len(raw) > 0 and bytes(raw) not in _NOTHING))


def _members(raw: bytes | msgspec.Raw) -> Members:
    """Return the members of a JSON object; none for anything else."""
    try:
        return _decode_members(raw)
    except _UNREADABLE:
        return {}


def _inner(told: Members, name: str) -> Members:
    return _members(told[name]) if name in told else {}


def _list(raw: bytes | msgspec.Raw) -> list[msgspec.Raw]:
    try:
        return _decode_list(raw)
    except _UNREADABLE:
        return []


def _text(told: Members, name: str) -> str:
    try:
        return _decode_text(told[name]) if name in told else ""
    except _UNREADABLE:
        return ""


def _first(*raws: msgspec.Raw | None) -> int | None:
    """Return the count of the first member that says something."""
    return next((_number(raw) for raw in raws if given(raw)), None)


def _count(told: Members, name: str) -> int | None:
    """Return a count, None when it is not given, -1 when it is none (``12.0`` is one)."""
    return _number(told.get(name))


def _number(raw: msgspec.Raw | None) -> int | None:
    if raw is None or not given(raw):
        return None
    try:
        count = _decode_count(raw)
    except _UNREADABLE:
        return -1
    return count if 0 <= count <= MOST_TOKENS else -1


def _seconds(told: Members) -> int | None:
    """Return `seconds`, a begun one whole; None when it is not given, -1 when it is no length of time."""
    raw = told.get("seconds")
    if raw is None or not given(raw):
        return None
    seconds = _amount(raw)
    if seconds is None or seconds > MOST_TOKENS:
        return -1
    return ceil(seconds)


_Cost = tuple[Decimal, str]
"""An amount, and the unit that it says of itself; empty for the upstream's own money."""


def _cost(told: Members, name: str) -> _Cost | None:
    """Return what a member says that it cost, as a number or as the total of an object, which may name a currency."""
    power, unit = _COSTS[name]
    amount = _amount(told[name], power)
    if amount is None:
        parts = _members(told[name])
        totals = [found for total in _COST_TOTALS if (found := _amount(parts.get(total))) is not None]
        amount = next((found for found in totals if found), totals[0] if totals else None)
        unit = _text(parts, "currency").upper() or unit
    return None if amount is None else (amount, unit)


def cost_beside(*told: CostBeside | None) -> Decimal | None:
    """Return what members outside a usage say that a reply cost in the upstream's own money; None for nothing."""
    found: list[_Cost | None] = []
    for one in told:
        if one is not None:
            found += [_cost({"cost": one.cost}, "cost")] if len(one.cost) else []
            metadata = (one.provider_metadata, one.provider_metadata_too)
            gateways = (_inner(_members(raw), "gateway") for raw in metadata if len(raw))
            found += [_cost(gateway, "cost") for gateway in gateways if "cost" in gateway]
    cost = _first_cost(one for one in found if one and one[1] in _OURS)
    return cost[0] if cost else None


_OURS = frozenset({"", "USD"})
"""What a cost beside a usage may say of its currency."""


def cost_told(cost: Decimal | None, beside: Decimal | None) -> Decimal | None:
    """Return the cost that a usage tells, else the one beside it: a zero tells none where the other does."""
    return beside if beside is not None and not cost else cost


def _first_cost(costs: Iterable[_Cost | None]) -> _Cost | None:
    """Return the first cost that is not zero, else a zero: relays write zeros for what they do not fill."""
    told = [cost for cost in costs if cost is not None]
    return next((cost for cost in told if cost[0]), told[0] if told else None)


def amount_told(written: str) -> Decimal | None:
    """Return what a text says that something cost, as a member of a usage does; None for no amount."""
    return _amount(msgspec.Raw(written.encode()))


def _amount(raw: msgspec.Raw | None, power: int = 0) -> Decimal | None:
    """Return an amount times ten to the `power`, to the last digit that was written.

    None when it is not given or no amount at all: negative, no number, more than the ledger can hold, or so little that
    it would be nothing there. Who charges it rounds it.
    """
    if raw is None or len(raw) > LONGEST_COST or not given(raw):
        return None
    try:
        amount = _decode_amount(raw)
    except _UNREADABLE:
        return None
    if not amount.is_finite() or amount < 0 or exponent(amount) < -MOST_DECIMALS or amount.adjusted() > LONGEST_COST:
        return None
    amount = scaled(amount, power)
    booked = rounded(amount)
    return amount if fits_ledger(booked) and bool(booked) == bool(amount) else None
