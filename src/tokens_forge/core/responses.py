"""What upstreams keep for the requests that go on from it: which route made it, and how many tokens of input it is.

Part of the fold. An answer, a conversation, a cached prefix and a prompt are known by the id that their upstream gave
them; what they say is not here. Where a call goes is decided in `core/routing.py`, what it holds in
`core/settlement.py`.

Sources, read 2026-11: OpenAI, guide "Conversation state" (all that came before in a chain of responses, or is in the
conversation, is billed as input) and `ResponseConversationParam` (its items and the answer are added to it); Anthropic,
"Message threads" (the API rebuilds the conversation; prices stay the same); xAI, "Generate Text" (billed for the entire
history). Known, and not read again: Gemini API, "OpenAI compatibility" (`cached_content`).
"""

from typing import TypeVar

import msgspec

from tokens_forge.core.entries import Routed, Settled
from tokens_forge.core.usage import INPUT_CLASSES, OUTPUT_CLASSES

RESPONSES_AT_MOST = 2_048
"""So many responses are known; the oldest is forgotten first."""


THREAD_LOST, RESPONSE_LOST = "thread_not_found", "previous_response_not_found"
THREAD_UNSUPPORTED = "thread_unsupported_request"
"""The codes by which a client goes on without what is kept: by Anthropic's library a thread is made anew with the whole
conversation, or left out (anthropic 2.14.0, `lib/threads`, by `error.details.error_code`); agents that speak Responses
send what they have (OpenAI's code; Codex, Roo Code, term-llm). Read 2026-11."""

LOST = {"message": (THREAD_LOST, 404), "response": (RESPONSE_LOST, 400)}
"""By what is gone on from: the code and the status that say it is not there."""


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How much an upstream reads again for a request that goes on from something."""

    input: int = 0
    """Tokens that were input."""
    output: int = 0
    """Tokens of the answer."""


NOT_KNOWN = Size()

_KEEP = frozenset({"openai_responses", "anthropic_messages"})
"""The dialects in which an upstream may keep an answer."""

_Value = TypeVar("_Value")


class Responses(msgspec.Struct, kw_only=True):
    """What is known to be kept, the last at the end."""

    made_by: dict[str, str] = {}
    """The upstream's id of a response or conversation, and the route that made it."""
    sizes: dict[str, Size] = {}
    """By the same ids, and those of what no route made: how much it is. Beside `made_by`, so that a fold of before is
    still read."""

    def apply(self, routed: Routed, entry: Settled) -> None:
        """Follow an attempt that was settled: what it answered is kept by its upstream, if the client let it.

        A translated request keeps nothing. Also an estimated usage says more of the next request than none.
        """
        if entry.dialect_out != routed.dialect_in:
            return
        size = Size(
            input=sum(entry.usage.get(name, 0) for name in INPUT_CLASSES),
            output=sum(entry.usage.get(name, 0) for name in OUTPUT_CLASSES),
        )
        if routed.stored and entry.upstream_id and entry.dialect_out in _KEEP:
            _put(self.made_by, entry.upstream_id, entry.route)
            _put(self.sizes, entry.upstream_id, size)
        match routed.previous_kind:
            case "conversation":
                _put(self.made_by, routed.previous, entry.route)
                _put(self.sizes, routed.previous, self._grown(routed, size))
            case "cache" if cached := entry.usage.get("cache_read", 0):
                _put(self.sizes, routed.previous, Size(input=cached))
            case "prompt":
                _put(self.sizes, routed.previous, Size(input=max(size.input - routed.input_estimate, 0)))
            case _:
                pass

    def renamed(self, was: str, name: str) -> None:
        """Follow a route that is called otherwise from here on."""
        for response, route in self.made_by.items():
            if route == was:
                self.made_by[response] = name

    def size_of(self, known_as: str) -> Size:
        """Return how much is kept under an id; nothing where that is not known."""
        return self.sizes.get(known_as, NOT_KNOWN)

    def _grown(self, routed: Routed, size: Size) -> Size:
        """Return how much a conversation is after an answer, to which others may have added meanwhile.

        What the answer was given on and what it said is the whole, unless others ended first: then it has what they
        left, and what this one added to what it saw.
        """
        now = self.size_of(routed.previous)
        seen = routed.previous_input + routed.previous_output
        if now.input + now.output <= seen:
            return size
        added = max(size.input + size.output - seen, 0)
        return Size(input=now.input + now.output + added)


def _put(known: dict[str, _Value], key: str, value: _Value) -> None:
    known.pop(key, None)
    if len(known) >= RESPONSES_AT_MOST:
        del known[next(iter(known))]
    known[key] = value
