"""Disjoint classes of usage, and the checks on them.

Every token is in exactly one of `TOKEN_CLASSES`; `reasoning` is an *of which* of `output`. Each dialect declares
whether its input count includes cached tokens (`CACHE_COUNTED`); here the counts are made disjoint. A detail that can't
be a part of its total is never dropped in silence: it is counted beside the total, or the larger of the two counts, and
flagged. Nothing here knows a price, and no bytes are read here (`wire/usage_objects.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

TOKEN_CLASSES = (
    "input",
    "cache_read",
    "cache_write_5m",
    "cache_write_30m",
    "cache_write_1h",
    "cache_write_12h",
    "audio_in",
    "image_in",
    "output",
    "audio_out",
    "image_out",
)
"""Disjoint token classes."""

COUNT_CLASSES = ("requests", "searches", "images", "seconds")
"""Counts that are no tokens."""

WRITE_CLASSES = ("cache_write_5m", "cache_write_30m", "cache_write_1h", "cache_write_12h")
"""Tokens written to a prompt cache, by how long they are kept there: 5 minutes and 1 hour at Anthropic ("Prompt
caching"), 30 minutes and 12 hours at OpenAI (`cache_write_tokens_details`; both read 2026-11)."""

INPUT_CLASSES = ("input", "cache_read", *WRITE_CLASSES, "audio_in", "image_in")
"""Token classes that make up the total input, which chooses a long-context tier."""

OUTPUT_CLASSES = ("output", "audio_out", "image_out")

Dialect = Literal[
    "openai_chat",
    "openai_responses",
    "openai_embeddings",
    "openai_transcription",
    "openai_images",
    "anthropic_messages",
    "gemini",
]
"""In whose words a usage was reported."""

CacheCounted = Literal["in_input", "beside_input", "nowhere"]

CACHE_COUNTED: Mapping[Dialect, CacheCounted] = {
    "openai_chat": "in_input",
    "openai_responses": "in_input",
    "openai_embeddings": "nowhere",
    "openai_transcription": "nowhere",
    "openai_images": "nowhere",
    "anthropic_messages": "beside_input",
    "gemini": "in_input",
}
"""Where a dialect counts what was read from or written to a cache (CASES 3): in its input count, beside it, or it has
no such count. Sources, read 2026-11: OpenAI, guide "Prompt caching" (how many "of the prompt tokens" were a hit);
Anthropic, "Prompt caching" (`input_tokens`: not read from or used to create a cache); Gemini API reference,
`UsageMetadata.promptTokenCount` (includes the tokens in the cached content)."""

Flag = Literal[
    "impossible_cache_read",
    "impossible_cache_write",
    "impossible_cache_part",
    "impossible_audio_in",
    "impossible_image_in",
    "impossible_reasoning",
    "impossible_audio_out",
    "impossible_searches",
    "impossible_total",
    "cache_write_unsplit",
    "cache_part_unstated",
    "unexplained_input",
    "unexplained_output",
    "unexplained_total",
    "reasoning_apart",
    "impossible_image_out",
    "iterations_apart",
    "tools_apart",
    "models_apart",
    "paid_elsewhere",
    "cache_beside_input",
    "contradictory_usage",
    "counts_disagree",
    "fallback_credit_redeemed",
    "fallback_credit_not_applied",
    "output_streamed",
]
"""What can be odd about a reported usage. What each word means for the bill is told in `core/flags.py`."""

GUESSES: frozenset[Flag] = frozenset(
    {
        "impossible_cache_read",
        "impossible_cache_write",
        "impossible_cache_part",
        "impossible_audio_in",
        "impossible_image_in",
        "impossible_reasoning",
        "impossible_audio_out",
        "impossible_image_out",
        "impossible_searches",
        "cache_part_unstated",
        "counts_disagree",
        "unexplained_total",
        "iterations_apart",
        "tools_apart",
        "models_apart",
        "output_streamed",
    }
)
"""Flags that leave a bill an estimate: a count was guessed, or something that costs is not in it."""

MOST_TOKENS = 2**53
"""A count above this is no count: JSON readers of the ledger would lose its last digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Iteration:
    """Work that a provider bills beside the top-level counts of the same reply (Anthropic's `usage.iterations`)."""

    kind: str
    """The provider's word for it, such as ``compaction`` or ``advisor_message``."""
    model: str
    """The model whose rates price it, as the upstream names it; empty for the one that was asked."""
    usage: Mapping[str, int]
    """Disjoint classes to quantities, as in `Reading`."""
    is_sure: bool = True
    """False where the provider does not say whether it bills it: its charge is an estimate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a reported usage says."""

    dialect: Dialect
    """Whose words it was read in."""
    usage: Mapping[str, int]
    """Disjoint classes to quantities; `input` and `output` also when zero (a fact); empty for an impossible total."""
    flags: tuple[Flag, ...] = ()
    iterations: tuple[Iteration, ...] = ()
    """What is billed beside `usage`, in the provider's order."""
    answered_by: str = ""
    """The model whose rates price `usage`, where another than the one asked stepped in (`fallback_message`)."""
    geo: str = ""
    """Where it was computed, as a provider that charges for it says (Anthropic's `inference_geo`): ``us``."""
    guessed: int = 0
    """Tokens of `output` that nobody counted: those that only a grand total shows, or those of a broken answer by its
    bytes. A maximum that the client gave or the model has caps them (`at_most`)."""

    @property
    def cache_counted(self) -> CacheCounted:
        """Where the reported input count had the cached tokens; in `usage` they are always apart."""
        return CACHE_COUNTED[self.dialect]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A count of tokens by kind. None: not reported; -1: reported, but no number."""

    text: int | None = None
    """Text, and what costs as text does. Where it is reported, the parts are meant to sum to their total."""
    audio: int | None = None
    image: int | None = None


NO_PARTS = Parts()


CacheNamed = Literal["in_input", "either", "beside_input"]
"""What the names of cached counts say in a usage whose input includes them: ``either`` for Anthropic's names, which
mean counts beside the input and which relays use for parts of it too; ``beside_input`` where there is no doubt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TotalCounts:
    """Counts whose input total includes all input, and output total all output, as the upstream named them.

    Of OpenAI's endpoints and those that speak like them. None: not reported; -1: reported, but no number.
    """

    input: int | None = None
    """All input, cached tokens, cache writes, sound and images included."""
    output: int | None = None
    """All output, sound and reasoning included."""
    total: int | None = None
    cached: int | None = None
    cache_write: int | None = None
    """All cache writes; of them those whose lifetime is told:"""
    cache_write_5m: int | None = None
    cache_write_30m: int | None = None
    cache_write_1h: int | None = None
    cache_write_12h: int | None = None
    input_parts: Parts = NO_PARTS
    """Of `input`."""
    reasoning: int | None = None
    output_parts: Parts = NO_PARTS
    """Of `output`."""
    searches: int | None = None
    seconds: int | None = None
    """Of sound in the input, where it is billed by its length."""
    cache_named: CacheNamed = "in_input"
    """What the names of the cached counts say of where they are counted."""
    reasoning_beside: bool = False
    """Whether they come in the words of a provider that counts reasoning beside the output, and not in the total."""
    contradicted: bool = False
    """Whether an earlier word for one of them was another."""
    disagree: bool = False
    """Whether two words for one of them can't both be true: one of them is taken, as a guess."""

    @property
    def split(self) -> Mapping[str, int | None]:
        """The cache writes by lifetime, as told."""
        return _split(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesCounts:
    """Counts of an Anthropic message as the upstream named them. None: not reported; -1: reported, but no number."""

    input: int | None = None
    """Input that was neither read from nor written to a cache."""
    cache_read: int | None = None
    cache_write: int | None = None
    """All cache writes; of them those whose lifetime is told:"""
    cache_write_5m: int | None = None
    cache_write_30m: int | None = None
    cache_write_1h: int | None = None
    cache_write_12h: int | None = None
    output: int | None = None
    reasoning: int | None = None
    searches: int | None = None
    contradicted: bool = False
    """Whether an earlier word for one of them was another."""
    disagree: bool = False
    """Whether two words for one of them can't both be true: one of them is taken, as a guess."""

    @property
    def split(self) -> Mapping[str, int | None]:
        """The cache writes by lifetime, as told."""
        return _split(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class GeminiCounts:
    """Counts of a Gemini response as the upstream named them. None: not reported; -1: reported, but no number."""

    prompt: int | None = None
    """All input but the prompts of tools, cached content included."""
    tool_prompt: int | None = None
    """What tools brought as input."""
    cached: int | None = None
    """Of `prompt`."""
    candidates: int | None = None
    """Output without thoughts."""
    thoughts: int | None = None
    total: int | None = None
    prompt_parts: Parts = NO_PARTS
    tool_parts: Parts = NO_PARTS
    cached_parts: Parts = NO_PARTS
    candidate_parts: Parts = NO_PARTS


Counts = TotalCounts | MessagesCounts


def from_totals(counts: TotalCounts, dialect: Dialect) -> Reading | None:
    """Return the reading of one of OpenAI's usages, in tokens; None when neither input nor output is reported.

    In these dialects the input includes what was read from or written to a cache and the output includes reasoning
    (OpenAI API reference, `usage` of a chat completion and of a response, read 2026-11). A remainder that only the
    grand total shows says otherwise: if it is what the cached counts or the reasoning come to, those are counted beside
    (xAI counts reasoning beside the completion: docs.x.ai, "Consumption and Rate Limits"; relays of Anthropic's models
    count the cache beside the prompt); else it is output that nobody names (Google's OpenAI endpoint counts thoughts in
    the total alone: mozilla-ai/any-llm issue 1290; both read 2026-11).
    """
    if counts.input is None and counts.output is None:
        return None
    tally, total = _Tally(), _count(counts.total)
    total_in, total_out = _count(counts.input), _count(counts.output)
    if total is not None:
        total_out = 0 if counts.output is None else total_out
        if counts.input is None and total_out is not None:
            total_in = max(total - total_out, 0)
            tally.flag("unexplained_total")
    if total_in is None or total_out is None:
        return _impossible(dialect)
    read = tally.count(counts.cached, "impossible_cache_read")
    writes = tally.writes(counts.cache_write, counts.split)
    written, reasoning = sum(writes.values()), tally.count(counts.reasoning, "impossible_reasoning")
    beyond = max((total or 0) - total_in - total_out, 0)
    apart, beside_read, beside_written = _remainder(beyond, reasoning, read, written)
    doubtful = counts.cache_named == "either" and not beyond and read + written > total_in
    if counts.cache_named == "beside_input" or doubtful:
        beside_read, beside_written = read, written
        beyond = max(beyond - read - written, 0)
        apart = reasoning if beyond == reasoning else 0
    else:
        beyond -= beside_read + beside_written
    beyond -= apart
    if counts.reasoning_beside:
        apart = reasoning
    total_in += beside_read + beside_written
    spoken = total_out + beyond
    if max(total_in, read + written, spoken + apart) > MOST_TOKENS:
        return _impossible(dialect)
    tally.flag_if("cache_beside_input", beside_read + beside_written)
    tally.read_input(total_in, read, writes, counts.input_parts, NO_PARTS)
    if not apart and reasoning > spoken:
        tally.flag("impossible_reasoning")
        spoken = reasoning
    tally.read_output(spoken, apart, counts.output_parts, named=total_out, reasoning=reasoning)
    tally.flag_if("reasoning_apart", apart)
    if not apart:
        tally.part("reasoning", reasoning, tally.usage["output"], "impossible_reasoning")
    tally.part("searches", counts.searches, MOST_TOKENS, "impossible_searches")
    tally.part("seconds", counts.seconds, MOST_TOKENS, "impossible_audio_in")
    tally.flag_if("unexplained_total", beyond)
    tally.flag_if("contradictory_usage", counts.contradicted)
    tally.flag_if("counts_disagree", counts.disagree)
    return tally.reading(dialect, guessed=beyond)


def from_messages(counts: MessagesCounts) -> Reading | None:
    """Return the reading of an Anthropic message's counts; None when neither input nor output is reported.

    Here `input_tokens` excludes what was read from and written to a cache: the total input is the sum of the three
    (Anthropic, "Prompt caching", read 2026-11). So none of them is a detail that could
    be dropped: where one is no number, the total is none.
    """
    if counts.input is None and counts.output is None:
        return None
    tally = _Tally()
    writes = tally.writes(counts.cache_write, counts.split)
    written = counts.cache_write or 0
    if counts.cache_write is None:
        written = min((count for count in counts.split.values() if count is not None), default=0)
    fresh, read, output = _count(counts.input), _count(counts.cache_read or 0), _count(counts.output)
    if fresh is None or read is None or _count(written) is None or output is None:
        return _impossible("anthropic_messages")
    if fresh + read + sum(writes.values()) > MOST_TOKENS:
        return _impossible("anthropic_messages")
    tally.put("input", fresh)
    tally.part("cache_read", read, read, "impossible_cache_read")
    tally.usage.update(writes)
    reasoning = tally.count(counts.reasoning, "impossible_reasoning")
    tally.put("output", max(output, reasoning))
    tally.flag_if("impossible_reasoning", reasoning > output)
    tally.part("reasoning", reasoning, reasoning, "impossible_reasoning")
    tally.part("searches", counts.searches, MOST_TOKENS, "impossible_searches")
    tally.flag_if("contradictory_usage", counts.contradicted)
    tally.flag_if("counts_disagree", counts.disagree)
    return tally.reading("anthropic_messages")


def from_gemini(counts: GeminiCounts) -> Reading | None:
    """Return the reading of a Gemini response's counts, in tokens; None when none is reported.

    The prompt includes cached content, the candidates exclude thoughts, and what tools brought is beside both (Gemini
    API reference and google-genai for Java, `UsageMetadata`, read 2026-11: the total is of prompt, candidates and
    tool-use prompts). A count of zero is left out of the JSON, so only the prompt is never absent. What the total shows
    beyond them is as in `from_totals`.
    """
    if counts == GeminiCounts(cached=counts.cached):
        return None
    prompt, tools = _count(counts.prompt), _count(counts.tool_prompt or 0)
    candidates, thoughts = _count(counts.candidates or 0), _count(counts.thoughts or 0)
    if prompt is None or tools is None or candidates is None or thoughts is None:
        return _impossible("gemini")
    tally = _Tally()
    cached = tally.count(counts.cached, "impossible_cache_read")
    beyond = max((_count(counts.total) or 0) - prompt - tools - candidates - thoughts, 0)
    if beyond and beyond == cached:
        tally.flag("cache_beside_input")
        prompt, beyond = prompt + cached, 0
    if cached > prompt:
        tally.flag("impossible_cache_read")
        prompt = cached
    if prompt + tools > MOST_TOKENS or candidates + thoughts + beyond > MOST_TOKENS:
        return _impossible("gemini")
    # Where a count comes without its parts, it is taken as text.
    of_prompt = counts.prompt_parts if counts.prompt_parts != NO_PARTS else Parts(text=prompt)
    of_tools = counts.tool_parts if counts.tool_parts != NO_PARTS else Parts(text=tools)
    parts = _together(of_prompt, of_tools)
    tally.read_input(prompt + tools, cached, {}, parts, counts.cached_parts)
    tally.read_output(candidates + beyond, thoughts, counts.candidate_parts, named=candidates)
    tally.flag_if("unexplained_total", beyond)
    return tally.reading("gemini", guessed=beyond)


def from_seconds(seconds: int | None) -> Reading | None:
    """Return the reading of a transcription that is billed by the length of its sound, in whole seconds."""
    if seconds is None:
        return None
    if _count(seconds) is None:
        return _impossible("openai_transcription")
    return Reading(dialect="openai_transcription", usage={"input": 0, "output": 0, "seconds": seconds})


def later(earlier: Counts, last: Counts) -> Counts:
    """Return the counts of a stream after the object with `last`: cumulative, so the last word holds (CASES 18, 61).

    Both are of one kind.

    The input counts are one group: an object with any that is not zero replaces those that it names, since a provider
    may move tokens from one to another; where the input is the same, or includes them all, none moves, and a zero is no
    word. Zeros alone take nothing back, there or of any other count: relays and servers write them where they know
    nothing; nor does what is no number. Anthropic's Python library, `MessageDeltaUsage` (read
    2026-11): the counts of `message_delta` are cumulative; those of `message_start` stand where it leaves one out.

    A whole input of less than nine tenths of the one before was not moved: the last word is billed all the same, as a
    guess. Which of the two is right differs (farion1231/cc-switch issue 6649: 233,535 at the start, then 100,068).
    """
    if last == earlier:
        return earlier
    last, garbled = _without_garbage(earlier, last)
    said: dict[str, Any] = {
        name: told for name in _INPUTS[type(earlier)] if (told := getattr(last, name)) not in _UNSAID
    }
    of_input = any(map(_counts, said.values()))
    same = _same_prompt(earlier, last)
    if same is not None:
        said = {**same}
    elif isinstance(earlier, TotalCounts) or not of_input or last.input == earlier.input:
        said = {name: told for name, told in said.items() if _counts(told) or getattr(earlier, name) in _UNSAID}
    if of_input and any(name in said for name in WRITE_CLASSES):
        said.setdefault("cache_write", None)
    elif of_input and _sum_of(earlier.split) > said.get("cache_write", MOST_TOKENS):
        said |= dict.fromkeys(WRITE_CLASSES)
    for name in _OTHERS[type(earlier)]:
        told = getattr(last, name)
        if told not in _UNSAID and (_counts(told) or getattr(earlier, name) in _UNSAID):
            said[name] = told
    merged = replace(earlier, **said)
    disagree = _input_of(merged) * 10 < _input_of(earlier) * 9
    took_back = same is not None or (last.input == 0 and not _input_of(last) and _input_of(earlier) > 0)
    took_back = took_back or (of_input and _input_of(merged) < _input_of(earlier))
    took_back = took_back or (last.output is not None and last.output < (earlier.output or 0))
    merged = replace(
        merged,
        contradicted=merged.contradicted or last.contradicted or took_back or garbled,
        disagree=merged.disagree or last.disagree or disagree,
    )
    if isinstance(merged, MessagesCounts) or isinstance(last, MessagesCounts):
        return merged
    named = merged.cache_named if last.cache_named == "in_input" else last.cache_named
    return replace(merged, cache_named=named, reasoning_beside=merged.reasoning_beside or last.reasoning_beside)


def is_silent(counts: Counts) -> bool:
    """Say whether counts are zeros, or none at all: before an answer ended they are no fact (CASES 18)."""
    names = (*_INPUTS[type(counts)], *_OTHERS[type(counts)])
    return not any(_counts(getattr(counts, name)) for name in names)


def written(usage: Mapping[str, int]) -> int:
    """Return the tokens of a usage that were written to a cache, however long they are kept there."""
    return sum(usage.get(name, 0) for name in WRITE_CLASSES)


def at_most(usage: Mapping[str, int], guessed: int, most: int) -> Mapping[str, int]:
    """Return a usage whose output is at most `most` tokens, as far as nobody counted it: `guessed` of them.

    What a provider counted stays, whatever was asked for (CASES 65).
    """
    made = sum(usage.get(name, 0) for name in OUTPUT_CLASSES)
    cut = min(max(made - most, 0), guessed)
    if not cut:
        return usage
    output = usage["output"] - cut
    reasoning = {"reasoning": min(usage["reasoning"], output)} if "reasoning" in usage else {}
    return {**usage, "output": output, **reasoning}


def at_least(reading: Reading, streamed: int) -> Reading:
    """Return a reading of an answer whose output nobody counted, with the `streamed` tokens where more of it came."""
    more = streamed - reading.usage.get("output", streamed)
    if more <= 0:
        return reading
    return replace(
        reading,
        usage={**reading.usage, "output": streamed},
        flags=(*reading.flags, "output_streamed"),
        guessed=reading.guessed + more,
    )


def so_far(reading: Reading | None, streamed: int, *, counted: int, ended: bool) -> Reading | None:
    """Return the usage of an answer as far as it is a fact.

    Its output was told when `counted` tokens had been streamed: what came after that is not in it, however the answer
    ended. Of one that goes on and whose output nobody has counted yet, it is the `streamed` tokens too.
    """
    if reading is None or not reading.usage:
        return reading
    is_told = streamed <= counted and (ended or reading.usage["output"] > 0)
    return reading if is_told else at_least(reading, streamed)


class _Tally:
    """Gathers the classes of one usage and what was odd about them."""

    def __init__(self) -> None:
        self.usage: dict[str, int] = {}
        self.flags: list[Flag] = []

    def read_input(self, total: int, read: int, writes: Mapping[str, int], parts: Parts, cached_parts: Parts) -> None:
        """Divide a total input that includes everything: the cached tokens, sound, images, and the rest.

        Which of the cached tokens were sound or images only `cached_parts` can say. Those of an unstated kind are
        taken as text as far as there is text: a prompt is cached from its beginning, and sound costs no less.

        A part above the total is none of it: then the part is the input, as the larger count. What was read and
        what was written may overlap (OpenAI's library 3.57.0, `PromptTokensDetails.cache_write_tokens`: unadjusted;
        its guide "Prompt caching": what was cached already is not billed again as written; read 2026-11): of the
        writes counts then what was not read.
        """
        sound = self.count(parts.audio, "impossible_audio_in")
        images = self.count(parts.image, "impossible_image_in")
        self.flag_if("impossible_audio_in", sound > total)
        if max(sound, images) > total:
            self.flag_if("impossible_image_in", images > total)
            total = sound + images
        written = sum(writes.values())
        self.flag_if("impossible_cache_read", read > total)
        self.flag_if("impossible_cache_write", written > min(total, max(total - read, 0)))
        if max(read, written) > total:
            total = read + written
        writes = _fitting(writes, total - read)
        written = sum(writes.values())
        self.put("input", total)
        self.part("cache_read", read, read, "impossible_cache_read")
        self.usage.update(writes)
        fresh, rest, unstated = total - read - written, total, read + written - self._known(cached_parts.text, read)
        kinds: tuple[tuple[str, int, int | None, Flag], ...] = (
            ("audio_in", sound, cached_parts.audio, "impossible_audio_in"),
            ("image_in", images, cached_parts.image, "impossible_image_in"),
        )
        mixed = clamped = False
        for usage_class, told, hit, flag in kinds:
            self.flag_if(flag, told > rest)
            whole = min(told, rest)
            of_cache = self._known(hit, min(whole, read, unstated), "impossible_cache_part")
            own = min(whole - of_cache, fresh)
            rest, fresh, unstated = rest - whole, fresh - own, unstated - of_cache
            mixed = mixed or whole > 0
            clamped = clamped or own < whole - of_cache
            if own:
                self.usage[usage_class] = own
        if mixed and unstated:
            self.flag("cache_part_unstated")
        elif clamped:
            self.flag("impossible_cache_part")
        self.usage["input"] = fresh
        # LiteLLM's `text_tokens` leave the cached ones out (BerriAI/litellm, `PromptTokensDetailsWrapper`, 2026-11).
        if parts.text is not None and _named(parts) not in {total, total - read, total - read - written}:
            self.flag("unexplained_input")

    def read_output(self, spoken: int, thought: int, parts: Parts, *, named: int, reasoning: int = 0) -> None:
        """Divide an output: what was said, with its sound, and the reasoning that was counted beside it.

        `named` is what of it the output's own count names, with its `reasoning`: the parts are meant to sum to that.
        """
        heard = self.count(parts.audio, "impossible_audio_out")
        seen = self.count(parts.image, "impossible_image_out")
        self.flag_if("impossible_audio_out", heard > spoken)
        if max(heard, seen) > spoken:
            self.flag_if("impossible_image_out", seen > spoken)
            spoken = heard + seen
        self.flag_if("impossible_image_out", heard + seen > spoken)
        seen = min(seen, spoken - heard)
        self.put("output", spoken + thought - heard - seen)
        self.part("audio_out", heard, heard, "impossible_audio_out")
        self.part("image_out", seen, seen, "impossible_image_out")
        if thought:
            self.usage["reasoning"] = thought
        # LiteLLM's `text_tokens` leave reasoning out too.
        if parts.text is not None and _named(parts) not in {named, named - reasoning}:
            self.flag("unexplained_output")

    def writes(self, total: int | None, split: Mapping[str, int | None]) -> Mapping[str, int]:
        """Return cache writes by lifetime. What of the total has none is at 5 minutes; the larger of the two counts."""
        known = {name: told for name, count in split.items() if (told := self.count(count, "impossible_cache_write"))}
        whole, told = self.count(total, "impossible_cache_write"), sum(known.values())
        if told > whole > 0:
            self.flag("impossible_cache_write")
        elif told < whole:
            self.flag("cache_write_unsplit")
            known["cache_write_5m"] = known.get("cache_write_5m", 0) + whole - told
        return known

    def count(self, reported: int | None, flag: Flag) -> int:
        """Return a count, 0 where it is not told; what is no number is flagged, and 0."""
        if reported and _count(reported) is None:
            self.flag(flag)
            return 0
        return reported or 0

    def put(self, usage_class: str, quantity: int) -> None:
        """Note a quantity that is a fact, also when zero."""
        self.usage[usage_class] = quantity

    def part(self, usage_class: str, reported: int | None, room: int, flag: Flag) -> None:
        """Note a detail if it fits into the `room` of its total, else flag it."""
        if known := self._known(reported, room, flag):
            self.usage[usage_class] = known

    def flag(self, flag: Flag) -> None:
        """Note once that something was odd."""
        if flag not in self.flags:
            self.flags.append(flag)

    def flag_if(self, flag: Flag, odd: int) -> None:
        """Note that something was odd where it was."""
        if odd:
            self.flag(flag)

    def reading(self, dialect: Dialect, *, guessed: int = 0) -> Reading:
        # What details name of it was counted.
        return Reading(
            dialect=dialect,
            usage=self.usage,
            flags=tuple(self.flags),
            guessed=min(guessed, self.usage["output"]) if guessed else 0,
        )

    def _known(self, reported: int | None, room: int, flag: Flag = "impossible_cache_part") -> int:
        if not reported:
            return 0
        if not 0 < reported <= room:
            self.flag(flag)
            return 0
        return reported


_UNSAID = (None, NO_PARTS)

_INPUTS: Mapping[type, tuple[str, ...]] = {
    TotalCounts: ("input", "cached", "cache_write", *WRITE_CLASSES, "input_parts"),
    MessagesCounts: ("input", "cache_read", "cache_write", *WRITE_CLASSES),
}
_OTHERS: Mapping[type, tuple[str, ...]] = {
    TotalCounts: ("output", "reasoning", "output_parts", "total", "searches", "seconds"),
    MessagesCounts: ("output", "reasoning", "searches"),
}
"""Counts by how a later word of a stream treats them: those of the input are one group."""


def _impossible(dialect: Dialect) -> Reading:
    return Reading(dialect=dialect, usage={}, flags=("impossible_total",))


def _count(reported: int | None) -> int | None:
    return reported if reported is not None and 0 <= reported <= MOST_TOKENS else None


def _sum(*counts: int) -> int:
    """Return the sum of counts; -1 when one of them is no number."""
    return -1 if min(counts) < 0 else sum(counts)


def _together(one: Parts, other: Parts) -> Parts:
    """Return the parts of two totals together; -1 where one of them is no number."""
    return Parts(
        text=_sum(one.text or 0, other.text or 0),
        audio=_sum(one.audio or 0, other.audio or 0),
        image=_sum(one.image or 0, other.image or 0),
    )


def _without_garbage(earlier: Counts, last: Counts) -> tuple[Counts, bool]:
    """Return later counts without those that are no number where there was one before, and whether there were any."""
    names = (*_INPUTS[type(earlier)], *_OTHERS[type(earlier)])
    garbage = {
        name: None
        for name in names
        if isinstance(told := getattr(last, name), int) and _count(told) is None and getattr(earlier, name) is not None
    }
    return (replace(last, **garbage), True) if garbage else (last, False)


def _counts(told: int | Parts | None) -> bool:
    """Say whether a count is not zero, or no number."""
    if isinstance(told, Parts):
        return any((told.text, told.audio, told.image))
    return bool(told)


def _named(parts: Parts) -> int:
    return (parts.text or 0) + (parts.audio or 0) + (parts.image or 0)


def _split(counts: Counts) -> Mapping[str, int | None]:
    return {
        "cache_write_5m": counts.cache_write_5m,
        "cache_write_30m": counts.cache_write_30m,
        "cache_write_1h": counts.cache_write_1h,
        "cache_write_12h": counts.cache_write_12h,
    }


def _sum_of(counts: Mapping[str, int | None]) -> int:
    return sum(count or 0 for count in counts.values())


def _input_of(counts: Counts) -> int:
    """Return the whole input of counts as they are told."""
    if isinstance(counts, TotalCounts):
        return counts.input or 0
    written = counts.cache_write if counts.cache_write is not None else _sum_of(counts.split)
    return (counts.input or 0) + (counts.cache_read or 0) + written


FEW = 8
"""Tokens by which two counts of one prompt may differ: servers add some of their own around it."""


def _same_prompt(earlier: Counts, last: Counts) -> Mapping[str, int] | None:
    """Return the words of `last` for the input where they count the prompt of `earlier` once more; None elsewhere.

    Relays of OpenAI's words have all input as fresh in one event and its cached part in the other. First all, then
    what of it was read: 3,602, then 3,604 read (jeremychone/rust-genai issue 258: DashScope). First the parts, then
    all: 3 and 16,813 written, then 16,816 (8monkey-ai/hebo-gateway issue 187). Both read 2026-11.
    """
    if isinstance(earlier, TotalCounts) or isinstance(last, TotalCounts):
        return None
    cached_before, cached = (_input_of(counts) - (counts.input or 0) for counts in (earlier, last))
    differ = abs(cached - (earlier.input or 0))
    if last.input is None and cached and not cached_before and differ <= min(FEW, cached // 100):
        own = {name: told for name in _INPUTS[MessagesCounts] if (told := getattr(last, name)) is not None}
        return {**own, "input": max((earlier.input or 0) - cached, 0)}
    if last.input and not cached and cached_before and last.input == _input_of(earlier):
        return {}
    return None


def _fitting(writes: Mapping[str, int], room: int) -> Mapping[str, int]:
    """Return cache writes as far as there is room; those that are kept longest, which cost most, first."""
    found: dict[str, int] = {}
    for name in reversed(WRITE_CLASSES):
        if fits := min(writes.get(name, 0), room):
            found[name], room = fits, room - fits
    return found


def _remainder(beyond: int, reasoning: int, read: int, written: int) -> tuple[int, int, int]:
    """Return which of three counts, one or together, are exactly what a total shows `beyond` its parts.

    Where reasoning and a cached count are equal it is the reasoning, which costs more.
    """
    if beyond:
        for of_reasoning, of_read, of_written in _SHARES:
            found = (of_reasoning * reasoning, of_read * read, of_written * written)
            if sum(found) == beyond:
                return found
    return 0, 0, 0


_SHARES = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1), (1, 1, 0), (1, 0, 1), (1, 1, 1))
