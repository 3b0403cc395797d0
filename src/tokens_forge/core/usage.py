"""Disjoint classes of usage, and the checks on them.

Every token is in exactly one of `TOKEN_CLASSES`; `reasoning` is an *of which* of `output`. Each dialect declares
whether its input count includes cached tokens (`CACHE_COUNTED`); here the counts are made disjoint, and what can't be
true is dropped and flagged. Nothing here knows a price, and no bytes are read here (`wire/usage_objects.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Literal

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
    "paid_elsewhere",
]
"""What can be odd about a reported usage.

``impossible_…``: a detail larger than its total, or no number (dropped, its tokens priced at the base class); of the
cached tokens by kind: what was sound or image in them is then not known. ``impossible_total``: a total that is none
(no usage is taken from it). ``cache_write_unsplit``: cache writes, or some, without a lifetime of ours (as 5 minutes).
``cache_part_unstated``: sound or images and a cache, and not said which was cached (text is taken to be cached first).
``unexplained_…``: parts by kind that do not sum to the total (it governs; the rest is at the base class); a grand
total beyond input and output (not billed). ``reasoning_apart``: reasoning counted beside the output instead of in it
(added). ``iterations_apart``: work beside the message itself, such as a compaction, that these counts leave out (not
billed). ``tools_apart``: the upstream ran tools of its own that it bills beside these counts, such as an interpreter, a
search in files or an image (not billed). ``paid_elsewhere``: a provider bills the tokens to a key of one's own, beside
what this upstream charges."""

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
    input_parts: Parts = NO_PARTS
    """Of `input`."""
    reasoning: int | None = None
    output_parts: Parts = NO_PARTS
    """Of `output`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesCounts:
    """Counts of an Anthropic message as the upstream named them. None: not reported; -1: reported, but no number."""

    input: int | None = None
    """Input that was neither read from nor written to a cache."""
    cache_read: int | None = None
    cache_write: int | None = None
    """All cache writes."""
    cache_write_5m: int | None = None
    cache_write_1h: int | None = None
    output: int | None = None
    reasoning: int | None = None
    searches: int | None = None


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


def from_totals(counts: TotalCounts, dialect: Dialect) -> Reading | None:
    """Return the reading of one of OpenAI's usages, in tokens; None when neither input nor output is reported.

    In these dialects the input includes what was read from or written to a cache and the output includes reasoning
    (OpenAI API reference, `usage` of a chat completion and of a response, read 2026-11).
    """
    if counts.input is None and counts.output is None:
        return None
    total_in, total_out = _count(counts.input), _count(counts.output)
    if total_in is None or total_out is None:
        return _impossible(dialect)
    tally = _Tally()
    tally.read_input(total_in, counts.cached, counts.cache_write, counts.input_parts, NO_PARTS)
    beyond = (_count(counts.total) or 0) - total_in - total_out
    # xAI counts reasoning beside the completion (docs.x.ai, "Consumption and Rate Limits", read 2026-11); it is
    # believed only where the grand total says so exactly.
    apart = beyond if beyond > 0 and beyond == counts.reasoning else 0
    tally.read_output(total_out, apart, counts.output_parts)
    if apart:
        tally.flag("reasoning_apart")
    else:
        tally.part("reasoning", counts.reasoning, tally.usage["output"], "impossible_reasoning")
        tally.check_total(beyond)
    return tally.reading(dialect)


def from_messages(counts: MessagesCounts) -> Reading | None:
    """Return the reading of an Anthropic message's counts; None when neither input nor output is reported.

    Here `input_tokens` excludes what was read from and written to a cache: the total input is the sum of the three
    (Anthropic, "Prompt caching", read 2026-11). So none of them is a detail that could
    be dropped: where one is no number, the total is none.
    """
    if counts.input is None and counts.output is None:
        return None
    five, hour = counts.cache_write_5m, counts.cache_write_1h
    split = None if five is None and hour is None else (five or 0, hour or 0)
    written = counts.cache_write
    if written is None:
        written = 0 if split is None else _sum(*split)
    fresh, read, write = _count(counts.input), _count(counts.cache_read or 0), _count(written)
    output = _count(counts.output)
    if fresh is None or read is None or write is None or output is None or fresh + read + write > MOST_TOKENS:
        return _impossible("anthropic_messages")
    tally = _Tally()
    tally.put("input", fresh)
    tally.part("cache_read", read, read, "impossible_cache_read")
    tally.read_writes(write, split)
    tally.put("output", output)
    tally.part("reasoning", counts.reasoning, output, "impossible_reasoning")
    tally.part("searches", counts.searches, MOST_TOKENS, "impossible_searches")
    return tally.reading("anthropic_messages")


def from_gemini(counts: GeminiCounts) -> Reading | None:
    """Return the reading of a Gemini response's counts, in tokens; None when none is reported.

    The prompt includes cached content, the candidates exclude thoughts, and what tools brought is beside both (Gemini
    API reference and google-genai for Java, `UsageMetadata`, read 2026-11: the total is of prompt, candidates and
    tool-use prompts). A count of zero is left out of the JSON, so only the prompt is never absent.
    """
    if counts == GeminiCounts(cached=counts.cached):
        return None
    prompt, tools = _count(counts.prompt), _count(counts.tool_prompt or 0)
    candidates, thoughts = _count(counts.candidates or 0), _count(counts.thoughts or 0)
    if prompt is None or tools is None or candidates is None or thoughts is None:
        return _impossible("gemini")
    if prompt + tools > MOST_TOKENS or candidates + thoughts > MOST_TOKENS:
        return _impossible("gemini")
    tally = _Tally()
    # Where a count comes without its parts, it is taken as text.
    of_prompt = counts.prompt_parts if counts.prompt_parts != NO_PARTS else Parts(text=prompt)
    of_tools = counts.tool_parts if counts.tool_parts != NO_PARTS else Parts(text=tools)
    parts = _together(of_prompt, of_tools)
    tally.read_input(prompt + tools, counts.cached, None, parts, counts.cached_parts, most_cached=prompt)
    tally.read_output(candidates, thoughts, counts.candidate_parts)
    tally.check_total((_count(counts.total) or 0) - prompt - tools - candidates - thoughts)
    return tally.reading("gemini")


def from_seconds(seconds: int | None) -> Reading | None:
    """Return the reading of a transcription that is billed by the length of its sound, in whole seconds."""
    if seconds is None:
        return None
    if _count(seconds) is None:
        return _impossible("openai_transcription")
    return Reading(dialect="openai_transcription", usage={"input": 0, "output": 0, "seconds": seconds})


def later(earlier: MessagesCounts, last: MessagesCounts) -> MessagesCounts:
    """Return the counts of a stream after the event with `last`: cumulative, so of each count the last word holds.

    CASES 18. Anthropic's Python library, `MessageDeltaUsage` (read 2026-11): the counts of `message_delta` are
    cumulative; those of `message_start` stand where it leaves one out.
    """
    said = {one.name: getattr(last, one.name) for one in fields(last) if getattr(last, one.name) is not None}
    return replace(earlier, **said)


class _Tally:
    """Gathers the classes of one usage and what was odd about them."""

    def __init__(self) -> None:
        self.usage: dict[str, int] = {}
        self.flags: list[Flag] = []

    def read_input(  # noqa: PLR0913 - a total and what is said of it
        self,
        total: int,
        cached: int | None,
        written: int | None,
        parts: Parts,
        cached_parts: Parts,
        *,
        most_cached: int | None = None,
    ) -> None:
        """Divide a total input that includes everything: the cached tokens, sound, images, and the rest.

        Which of the cached tokens were sound or images only `cached_parts` can say. Those of an unstated kind are
        taken as text as far as there is text: a prompt is cached from its beginning, and sound costs no less.
        """
        self.put("input", total)
        read = self.part("cache_read", cached, total if most_cached is None else most_cached, "impossible_cache_read")
        write = self.part("cache_write_5m", written, total - read, "impossible_cache_write")
        if write:
            self.flag("cache_write_unsplit")
        fresh, rest, unstated = total - read - write, total, read + write - self._known(cached_parts.text, read)
        kinds: tuple[tuple[str, int | None, int | None, Flag], ...] = (
            ("audio_in", parts.audio, cached_parts.audio, "impossible_audio_in"),
            ("image_in", parts.image, cached_parts.image, "impossible_image_in"),
        )
        mixed = clamped = False
        for usage_class, reported, hit, flag in kinds:
            whole = self._known(reported, rest, flag)
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
        self._explain(parts, total, "unexplained_input")

    def read_output(self, spoken: int, thought: int, parts: Parts) -> None:
        """Divide an output: what was said, with its sound, and the reasoning that was counted beside it."""
        self.put("output", spoken + thought)
        heard = self.part("audio_out", parts.audio, spoken, "impossible_audio_out")
        seen = self.part("image_out", parts.image, spoken - heard, "impossible_image_out")
        self.usage["output"] -= heard + seen
        if thought:
            self.usage["reasoning"] = thought
        self._explain(parts, spoken, "unexplained_output")

    def read_writes(self, total: int, split: tuple[int, int] | None) -> None:
        """Divide cache writes by lifetime: 5 minutes and 1 hour. The total governs; the rest is at 5 minutes."""
        five, hour = split or (0, 0)
        if min(five, hour) < 0 or five + hour > total:
            self.flag("impossible_cache_write")
            five = hour = 0
        elif five + hour < total:
            self.flag("cache_write_unsplit")
        if total > hour:
            self.usage["cache_write_5m"] = total - hour
        if hour:
            self.usage["cache_write_1h"] = hour

    def put(self, usage_class: str, quantity: int) -> None:
        """Note a quantity that is a fact, also when zero."""
        self.usage[usage_class] = quantity

    def part(self, usage_class: str, reported: int | None, room: int, flag: Flag) -> int:
        """Note a detail if it fits into the `room` of its total, else flag it; return what was noted."""
        known = self._known(reported, room, flag)
        if known:
            self.usage[usage_class] = known
        return known

    def check_total(self, beyond: int) -> None:
        """Flag a grand total `beyond` input and output."""
        if beyond > 0:
            self.flag("unexplained_total")

    def flag(self, flag: Flag) -> None:
        """Note once that something was odd."""
        if flag not in self.flags:
            self.flags.append(flag)

    def reading(self, dialect: Dialect) -> Reading:
        return Reading(dialect=dialect, usage=self.usage, flags=tuple(self.flags))

    def _known(self, reported: int | None, room: int, flag: Flag = "impossible_cache_part") -> int:
        if not reported:
            return 0
        if not 0 < reported <= room:
            self.flag(flag)
            return 0
        return reported

    def _explain(self, parts: Parts, total: int, flag: Flag) -> None:
        if parts.text is not None and parts.text + (parts.audio or 0) + (parts.image or 0) != total:
            self.flag(flag)


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
