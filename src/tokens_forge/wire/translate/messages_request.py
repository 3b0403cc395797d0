"""What a request for Anthropic's Messages may say, whoever asked: the one writer that all of OpenAI's dialects share.

Decides how a conversation becomes turns, where marks for the cache go, and what gives way where Messages refuses two
things together. It knows no dialect of OpenAI's: the translators read those and bring blocks.

The system's texts stand apart up to the first turn. A later one keeps its place, as a text of the user's turn: moved to
the front it would change the beginning of the prompt, which is then in no cache. The role `system` between turns is
taken by newer models alone and only in some places, so it is not used.

`effort: none` becomes the lowest effort and no word of thinking: `disabled` is an error on the newest models, and on
the older ones thinking is off unless it is asked for. While thinking is on, Messages takes neither a forced tool nor
another temperature nor a `top_k`: the tool matters to the answer, so thinking gives way to it; the others only tune,
so they are dropped. A budget for thinking stays below the maximum of the answer.

OpenAI caches prompts unasked, Messages up to marked blocks. A client that marks nothing has the ends of the system and
of the conversation marked where the same beginning will come again: it names a `prompt_cache_key`, or offers tools
without forcing one, as agents do, whose every turn would be paid in full else. A forced tool is how a single answer
gets its form: there nothing is marked.

Sources, read 2026-11: Anthropic docs "Messages" (empty texts; the place of `tool_result`), "Extended thinking",
"Adaptive thinking", "Effort", "Prompt caching" (a write costs a quarter more than input, a read a tenth of it; thinking
can't be marked), "Mid-conversation system messages" (models and places), "Service tiers".
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import cast

import msgspec

from tokens_forge.wire.output_cap import LEAST_BUDGET
from tokens_forge.wire.request import Fields, raw_of
from tokens_forge.wire.translate.members import Dropped, Json, count_in, number_in, object_in, text_in, word_in
from tokens_forge.wire.translation import NotCarried, Translated

Block = dict[str, object]
"""A content block of Messages, to be encoded."""

EFFORTS: Mapping[str, str] = {
    "none": "low",
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
    "max": "max",
}
"""OpenAI's efforts as Anthropic's."""

_FORCED = frozenset({"any", "tool"})
_TIERS = {"default": "standard_only", "standard_only": "standard_only", "priority": "auto", "fast": "auto"}
"""OpenAI's tiers as Anthropic's, whose `auto` may use capacity that was bought ahead."""

_LEAST_TOP_P = Decimal("0.95")
"""The least `top_p` that goes with thinking."""

_EPHEMERAL: Json = {"type": "ephemeral"}
_MARKED = frozenset({"text", "image", "document", "tool_use", "tool_result"})
"""Blocks that may be marked as the end of what is cached."""

_ALWAYS = frozenset({"model", "max_tokens", "messages", "stream"})
_NOTHING: tuple[object, ...] = (None, "", [], {})


def written(sent: Mapping[str, object], dropped: Dropped) -> Translated:
    """Return the request of those members that say something."""
    said = {name: raw_of(value) for name, value in sent.items() if name in _ALWAYS or value not in _NOTHING}
    return Translated(fields=said, dropped=dropped.paths())


class _Turn:
    """What one side says at once; the results of tools come first, as Messages wants them."""

    def __init__(self, role: str) -> None:
        self.role = role
        self.results: list[Block] = []
        self.blocks: list[Block] = []

    @property
    def content(self) -> list[Block]:
        return self.results + self.blocks


class Conversation:
    """The conversation so far: the system's texts apart, the rest as turns that alternate.

    Messages wants every result in the turn after its call, wherever the client has it.
    """

    def __init__(self) -> None:
        self.system: list[Block] = []
        self._turns: list[_Turn] = []
        self._caller: dict[object, int] = {}
        """The turn of each call."""

    def instruct(self, blocks: list[Block]) -> None:
        """Add texts of the system or the developer, at their place."""
        if self._turns:
            self.say("user", [block | {"text": _framed(cast("msgspec.Raw", block["text"]))} for block in blocks])
        else:
            self.system += blocks

    def say(self, role: str, blocks: list[Block]) -> None:
        """Add to the turn of one side. What says nothing is no turn."""
        if not blocks:
            return
        if not self._turns or self._turns[-1].role != role:
            self._turns.append(_Turn(role))
        self._turns[-1].blocks += blocks
        for block in blocks:
            if block["type"] == "tool_use":
                self._caller[block["id"]] = len(self._turns) - 1

    def result(self, block: Block, path: str) -> None:
        """Add the result of a call, whose id the client has at `path`. Raises NotCarried where no call has it."""
        caller = self._caller.get(block["tool_use_id"])
        if caller is None:
            raise NotCarried(path, "no call before it has this id")
        if caller + 1 == len(self._turns):
            self._turns.append(_Turn("user"))
        self._turns[caller + 1].results.append(block)

    def mark(self) -> None:
        """Mark the ends of the system and of the conversation for the cache, unless the client has marked anything."""
        if any("cache_control" in block for blocks in self._all() for block in blocks):
            return
        last = self._turns[-1:]
        for blocks in (self.system, *(turn.blocks or turn.results for turn in last)):
            if blocks and blocks[-1]["type"] in _MARKED:
                blocks[-1] = {**blocks[-1], "cache_control": _EPHEMERAL}

    def messages(self) -> list[Json]:
        """Return the turns."""
        return [{"role": turn.role, "content": turn.content} for turn in self._turns]

    def _all(self) -> Iterator[Iterable[Json]]:
        """Yield the rows of blocks: the system's, each turn's, and each result's within one."""
        yield self.system
        for turn in self._turns:
            yield turn.content
            yield from (cast("list[Json]", result["content"]) for result in turn.results if _has_blocks(result))


def _has_blocks(result: Block) -> bool:
    return isinstance(result.get("content"), list)


def _framed(text: msgspec.Raw) -> msgspec.Raw:
    """Return a text of the system as it stands among a user's."""
    return msgspec.Raw(b"".join((b'"<system>\\n', memoryview(text)[1:-1], b'\\n</system>"')))


def result_block(call_id: str, content: msgspec.Raw | list[Block] | None) -> Block:
    """Return the result of a call; one that says nothing has no content."""
    block: Block = {"type": "tool_result", "tool_use_id": call_id}
    return block | {"content": content} if content else block


def is_forced(choice: Json | None) -> bool:
    """Say whether a choice, as Messages has it, leaves the model no other answer than a call."""
    return choice is not None and choice["type"] in _FORCED


def comes_again(given: Fields, tools: Iterable[Json], choice: Json | None) -> bool:
    """Say whether the prompt's beginning will come again and is not marked yet."""
    offered = list(tools)
    if "cache_control" in given or any("cache_control" in tool for tool in offered):
        return False
    return "prompt_cache_key" in given or (bool(offered) and not is_forced(choice))


def effort_in(fields: Fields, name: str, path: str) -> str:
    """Return how much the model shall reason, in the client's word; empty where it does not say. Raises NotCarried."""
    if name not in fields:
        return ""
    effort = word_in(fields, name, path)
    if effort not in EFFORTS:
        told = f"{path}.{name}" if path else name
        raise NotCarried(told, f"it is none of {', '.join(f'`{known}`' for known in EFFORTS)}")
    return effort


def own_thinking(given: Fields, dropped: Dropped, *, forced: bool, bound: int) -> Json | None:
    """Return Anthropic's own `thinking` of a client of another dialect, which must be there; None where it gives way.

    `bound`: the answer's maximum in tokens.
    """
    told = object_in(given, "thinking", "")
    kind = word_in(told, "type", "thinking")
    if forced and kind != "disabled":
        dropped.add("thinking")
        return None
    if kind != "enabled" or count_in(told, "budget_tokens", "thinking") < bound:
        return told
    budget = max(bound - bound // 4, LEAST_BUDGET)
    if budget >= bound:
        dropped.add("thinking")
        return None
    dropped.add("thinking", ".budget_tokens")
    return told | {"budget_tokens": raw_of(budget)}


def thinks(thinking: Json | None) -> bool:
    """Say whether a model that is asked so thinks."""
    return thinking is not None and bytes(raw_of(thinking["type"])) != b'"disabled"'


def sampling(given: Fields, dropped: Dropped, *, thinks: bool) -> dict[str, msgspec.Raw]:
    """Return temperature, `top_p` and `top_k` where they say something.

    Of the first two one is sent, as newer models take no more.
    """
    temperature, top_p, top_k = (number_in(given, name) for name in ("temperature", "top_p", "top_k"))
    sent: dict[str, msgspec.Raw] = {}
    if temperature is not None and temperature > 1:
        raise NotCarried("temperature", "Messages takes at most 1")
    if temperature not in {None, 1}:
        if thinks:
            dropped.add("temperature")
        else:
            sent["temperature"] = given["temperature"]
    if top_p is not None and top_p != 1:
        if sent or (thinks and top_p < _LEAST_TOP_P):
            dropped.add("top_p")
        else:
            sent["top_p"] = given["top_p"]
    if top_k is not None:
        if thinks:
            dropped.add("top_k")
        else:
            sent["top_k"] = given["top_k"]
    return sent


def tier(asked: str, dropped: Dropped) -> str | None:
    """Return the service tier for the one that was asked; None for the usual one."""
    if asked not in {"", "auto", *_TIERS}:
        dropped.add("service_tier")
    return _TIERS.get(asked)


def metadata(given: Fields, dropped: Dropped) -> Json:
    """Return whom the client asks for: the first of its names, the others are dropped. Labels are dropped, too."""
    labels = object_in(given, "metadata", "") if "metadata" in given else {}
    dropped.add_unread(labels, ("user_id",), "metadata")
    found = [(name, "", text_in(given, name, "")) for name in ("safety_identifier", "user") if name in given]
    if "user_id" in labels:
        found.append(("metadata", ".user_id", text_in(labels, "user_id", "metadata")))
    for member, rest, text in found[1:]:
        if text != found[0][2]:
            dropped.add(member, rest)
    return {"user_id": found[0][2]} if found else {}
