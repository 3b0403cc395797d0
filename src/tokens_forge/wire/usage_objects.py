"""The native usage object of every dialect: bytes in, disjoint classes out.

Decides which member of a `usage` object is which count, and nothing else: what the counts mean is `core/usage.py`'s
affair. Usage is read from the upstream's own bytes, never from a translated object. It never raises: what is no JSON
object says nothing, and a member of a wrong kind is a count that is no number.

Sources, read 2026-11: the types of OpenAI's Python library 3.54.0, made from its API reference (`CompletionUsage`,
`ResponseUsage`, `ToolUsage`, `CreateEmbeddingResponse`, `Transcription`, `ImagesResponse`) and its guide "Prompt
caching"; DeepSeek API docs ("Context Caching": `prompt_cache_hit_tokens`); Moonshot API docs (`cached_tokens` beside
the counts); OpenRouter docs ("Usage Accounting": `cost`, `cache_write_tokens`, `cost_details.upstream_inference_cost`
for a key of one's own; SDK reference, `ChatUsage`: `is_byok`); what genai-prices 0.2.3 reads of Databricks and xAI
(`cache_read_input_tokens`, `reasoning_tokens`, `cached_prompt_text_tokens`); Anthropic docs ("Prompt caching", "Web
search tool") and the types of its libraries (`Usage`, `MessageDeltaUsage`, `BetaUsage`); Gemini API reference
(`UsageMetadata`, `ModalityTokenCount`) and its guide "Priority inference".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import islice
from math import ceil

import msgspec

from tokens_forge.core.money import exponent
from tokens_forge.core.usage import (
    MOST_TOKENS,
    NO_PARTS,
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

MOST_COST_DIGITS = 30
"""Digits before or after the point beyond which a reported cost is no amount."""

MOST_PARTS = 64
"""Entries of a list of parts by kind that are looked at; there are five kinds."""

FAST = "fast"
"""The tier of service that Anthropic names in `speed` (`BetaUsage.speed`), not in `service_tier`."""

Members = Mapping[str, msgspec.Raw]
"""The members of a JSON object by name, each as it was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRead:
    """What a usage object says."""

    reading: Reading | None = None
    """None when it reports no usage."""
    reported_cost: Decimal | None = None
    """What this upstream charges for it, in its own money, where it says so."""
    upstream_cost: Decimal | None = None
    """What a provider behind it bills to a key of one's own, beside `reported_cost`."""
    tier_served: str = ""
    """The tier of service, where the usage object is the place that names it."""


def read_usage(dialect: Dialect, usage: bytes) -> UsageRead:
    """Return what a complete reply's usage object says, given whose words it is in."""
    return _READERS[dialect](usage)


def read_openai_chat(usage: bytes) -> UsageRead:
    """Return what the `usage` of a chat completion or its last chunk says.

    Cached tokens are in `prompt_tokens`, reasoning is in `completion_tokens` (but for xAI, `core/usage.py`).
    """
    told = _members(usage)
    of_prompt, of_completion = _inner(told, "prompt_tokens_details"), _inner(told, "completion_tokens_details")
    cached = (
        of_prompt.get("cached_tokens"),
        told.get("prompt_cache_hit_tokens"),
        told.get("cached_tokens"),
        told.get("cache_read_input_tokens"),
        told.get("cached_prompt_text_tokens"),
    )
    counts = TotalCounts(
        input=_count(told, "prompt_tokens"),
        output=_count(told, "completion_tokens"),
        total=_count(told, "total_tokens"),
        cached=_first(*cached),
        cache_write=_count(of_prompt, "cache_write_tokens"),
        input_parts=_parts(of_prompt),
        reasoning=_first(of_completion.get("reasoning_tokens"), told.get("reasoning_tokens")),
        output_parts=_parts(of_completion),
    )
    return _with_cost(told, from_totals(counts, "openai_chat"))


def read_openai_responses(
    usage: bytes, *, tool_usage: bytes = b"", searches: int = 0, apart: bool = False
) -> UsageRead:
    """Return what the `usage` of a response says, also of one that is incomplete or failed.

    Cached tokens are in `input_tokens`, reasoning is in `output_tokens`. Cache writes last 30 minutes or 12 hours
    there; neither is a lifetime of ours and the price list has one rate for both, so they are not told apart.

    What the upstream's own tools did is beside it. `tool_usage` counts the web searches that are billed; `searches`,
    those that the output shows, stands in where it is not told. `apart` says that the output shows tools with a price
    that has no class here.
    """
    told = _members(usage)
    of_input, of_output = _inner(told, "input_tokens_details"), _inner(told, "output_tokens_details")
    counts = TotalCounts(
        input=_count(told, "input_tokens"),
        output=_count(told, "output_tokens"),
        total=_count(told, "total_tokens"),
        cached=_first(of_input.get("cached_tokens")),
        cache_write=_count(of_input, "cache_write_tokens"),
        input_parts=_parts(of_input),
        reasoning=_first(of_output.get("reasoning_tokens")),
        output_parts=_parts(of_output),
    )
    reading = from_totals(counts, "openai_responses")
    if reading is None:
        return _with_cost(told, None)
    tools = _members(tool_usage)
    billed = _count(_inner(tools, "web_search"), "num_requests")
    reading = _with_searches(reading, searches if billed is None else billed)
    drawn = _inner(tools, "image_gen")
    if apart or _count(drawn, "input_tokens") or _count(drawn, "output_tokens"):
        reading = _flagged(reading, "tools_apart")
    return _with_cost(told, reading)


def read_openai_embeddings(usage: bytes) -> UsageRead:
    """Return what the `usage` of embeddings says: `prompt_tokens`, no output, no cache.

    Where the total is all that is told, that is the input (Voyage AI; Claude docs, "Embeddings", read 2026-11).
    """
    told = _members(usage)
    tokens, total = _count(told, "prompt_tokens"), _count(told, "total_tokens")
    tokens = total if tokens is None else tokens
    counts = TotalCounts(input=tokens, output=None if tokens is None else 0, total=total)
    return _with_cost(told, from_totals(counts, "openai_embeddings"))


def read_openai_transcription(usage: bytes) -> UsageRead:
    """Return what the `usage` of a transcription says: tokens, or the length of the sound in seconds; no cache.

    A begun second counts whole, as where we measure one.
    """
    told = _members(usage)
    if _text(told, "type") == "duration" or ("seconds" in told and "input_tokens" not in told):
        return UsageRead(reading=from_seconds(_seconds(told)))
    counts = TotalCounts(
        input=_count(told, "input_tokens"),
        output=_count(told, "output_tokens"),
        total=_count(told, "total_tokens"),
        input_parts=_parts(_inner(told, "input_token_details")),
    )
    return _with_cost(told, from_totals(counts, "openai_transcription"))


def read_openai_images(usage: bytes) -> UsageRead:
    """Return what the `usage` of generated or edited images says: text and image tokens, no cache."""
    told = _members(usage)
    counts = TotalCounts(
        input=_count(told, "input_tokens"),
        output=_count(told, "output_tokens"),
        total=_count(told, "total_tokens"),
        input_parts=_parts(_inner(told, "input_tokens_details")),
        output_parts=_parts(_inner(told, "output_tokens_details")),
    )
    return _with_cost(told, from_totals(counts, "openai_images"))


def read_anthropic_messages(*usages: bytes) -> UsageRead:
    """Return what the `usage` of a message says, or those of its stream's events in their order (CASES 18).

    Cached tokens are beside `input_tokens`. Of each count the last word holds: what `message_start` says of the
    output is a placeholder, and until a `message_delta` came the reading's output is no more than that.
    """
    counts, tier, speed, apart = MessagesCounts(), "", "", False
    costs: Members = {}
    for usage in usages:
        told = _members(usage)
        costs = told if "cost" in told else costs
        counts = later(counts, _messages_counts(told))
        tier = _text(told, "service_tier") or tier
        speed = _text(told, "speed") or speed
        if "iterations" in told:
            apart = _iterated(told["iterations"])
    reading = from_messages(counts)
    if reading is not None and apart:
        reading = _flagged(reading, "iterations_apart")
    # Anthropic names no cost; a relay that has this dialect, such as OpenRouter, does.
    return replace(_with_cost(costs, reading), tier_served=FAST if speed == FAST else tier)


def read_gemini(usage: bytes) -> UsageRead:
    """Return what the `usageMetadata` of a response or of a stream's last chunk says.

    Cached tokens are in `promptTokenCount`; thoughts are beside `candidatesTokenCount`, and what tools brought is
    beside the prompt. The tier that was served is in a header (`x-gemini-service-tier`), not here.
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
    return UsageRead(reading=from_gemini(counts))


_READERS: Mapping[Dialect, Callable[[bytes], UsageRead]] = {
    "openai_chat": read_openai_chat,
    "openai_responses": read_openai_responses,
    "openai_embeddings": read_openai_embeddings,
    "openai_transcription": read_openai_transcription,
    "openai_images": read_openai_images,
    "anthropic_messages": read_anthropic_messages,
    "gemini": read_gemini,
}

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


def _messages_counts(told: Members) -> MessagesCounts:
    writes, tools = _inner(told, "cache_creation"), _inner(told, "server_tool_use")
    return MessagesCounts(
        input=_count(told, "input_tokens"),
        cache_read=_count(told, "cache_read_input_tokens"),
        cache_write=_count(told, "cache_creation_input_tokens"),
        cache_write_5m=_count(writes, "ephemeral_5m_input_tokens"),
        cache_write_1h=_count(writes, "ephemeral_1h_input_tokens"),
        output=_count(told, "output_tokens"),
        reasoning=_count(_inner(told, "output_tokens_details"), "thinking_tokens"),
        searches=_count(tools, "web_search_requests"),
    )


def _iterated(raw: msgspec.Raw) -> bool:
    """Say whether a message lists work beside itself: a compaction, or another model that advised or stepped in."""
    return any(_text(_members(one), "type") != "message" for one in _list(raw))


def _with_cost(told: Members, reading: Reading | None) -> UsageRead:
    """Add what the upstream charges, and what it says that a provider behind it bills to one's own key."""
    byok = bytes(told.get("is_byok", b"")) == b"true"
    return UsageRead(
        reading=_flagged(reading, "paid_elsewhere") if reading is not None and byok else reading,
        reported_cost=_amount(told.get("cost")),
        upstream_cost=_amount(_inner(told, "cost_details").get("upstream_inference_cost")) if byok else None,
    )


def _with_searches(reading: Reading, searches: int) -> Reading:
    """Add web searches; of an impossible total nothing is billed, so neither are they."""
    if not 0 <= searches <= MOST_TOKENS:
        return _flagged(reading, "impossible_searches")
    return replace(reading, usage={**reading.usage, "searches": searches}) if searches and reading.usage else reading


def _flagged(reading: Reading, flag: Flag) -> Reading:
    return replace(reading, flags=(*reading.flags, flag))


def _parts(told: Members) -> Parts:
    return Parts(
        text=_count(told, "text_tokens"), audio=_count(told, "audio_tokens"), image=_count(told, "image_tokens")
    )


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


def _list(raw: msgspec.Raw) -> list[msgspec.Raw]:
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
    """Return a count, None when it is not given, -1 when it is no whole number (``12.0`` is one)."""
    return _number(told.get(name))


def _number(raw: msgspec.Raw | None) -> int | None:
    if raw is None or not given(raw):
        return None
    try:
        return _decode_count(raw)
    except _UNREADABLE:
        return -1


def _seconds(told: Members) -> int | None:
    """Return `seconds`, a begun one whole; None when it is not given, -1 when it is no length of time."""
    raw = told.get("seconds")
    if raw is None or not given(raw):
        return None
    seconds = _amount(raw)
    if seconds is None or seconds > MOST_TOKENS:
        return -1
    return ceil(seconds)


def _amount(raw: msgspec.Raw | None) -> Decimal | None:
    """Return an amount as it was written, to the last digit; None when it is not given or no amount at all."""
    if raw is None or not given(raw):
        return None
    try:
        amount = _decode_amount(raw)
    except _UNREADABLE:
        return None
    sane = (
        amount.is_finite()
        and amount >= 0
        and amount.adjusted() <= MOST_COST_DIGITS
        and exponent(amount) >= -MOST_COST_DIGITS
    )
    return amount if sane else None
