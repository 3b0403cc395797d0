"""Conversations: which candidate answered one last, and how much of it that provider's prompt cache is known to hold.

Part of the fold. Which conversation a call belongs to is found by marks, keyed digests of what was said and the ids of
what is kept: by its beginning first, as nothing tells more; then by the answer that it goes on from; then by what the
client calls its session, which some name anew with every turn and agents may share; then by the questions after its
opening, for clients that rearrange what was said before (aider puts files and reminders between). Where nothing is
known it is a new one, and its own messages name it. Where a call goes first is decided in `core/routing.py`; nothing
here knows prices or health.
"""

import msgspec
from msgspec.structs import replace

from tokens_forge.core.entries import Routed, Settled, candidate_name
from tokens_forge.core.moments import later
from tokens_forge.core.usage import INPUT_CLASSES, OUTPUT_CLASSES, WRITE_CLASSES

THREADS_AT_MOST = 1_024
"""So many conversations are known; the one that was silent longest is forgotten first."""

MARKS_AT_MOST = 4_096
"""So many marks of conversations are known, a few a turn; the one that was not seen longest is forgotten first."""

_GOES_ON = frozenset({"response", "message", "conversation"})
"""What a call goes on from that is a conversation, or the last answer of one."""

_CACHED = ("cache_read", *WRITE_CLASSES)
"""What a usage says of the part of a request that lies in the provider's cache from then on."""


class Thread(msgspec.Struct, frozen=True, kw_only=True):
    """One conversation as its last answer left it."""

    candidate: str
    """ROUTE/MODEL."""
    ts: str
    """When it was settled."""
    cached: int = 0
    """Tokens that were read from the prompt cache or written to it, by the last usage that was reported."""
    answers: int = 0
    """So many answers of it in a row were that candidate's and had a usage."""
    tokens: int = 0
    """Tokens of input and output of the last answer: how long it is."""


class Threads(msgspec.Struct, kw_only=True):
    """The conversations that are known, the one that was answered last at the end."""

    threads: dict[str, Thread] = {}
    marks: dict[str, str] = {}
    """A mark and the conversation that had it last."""

    def named(self, asked: Routed) -> str:
        """Return the conversation that a call belongs to; empty for what is none."""
        for mark in (*asked.prefixes, _goes_on_from(asked), *asked.sessions, *asked.answered):
            if known := self.marks.get(mark, ""):
                return known
        return asked.prefixes[0] if asked.prefixes else ""

    def routed(self, entry: Routed) -> None:
        """Follow a call that was accepted: what goes on from it is found by it."""
        if entry.prefixes:
            for mark in (entry.prefixes[0], _goes_on_from(entry), *entry.sessions, entry.question):
                self._mark(mark, entry.thread)

    def answered(self, routed: Routed, entry: Settled) -> None:
        """Follow an answer: where its upstream keeps it, the conversation goes on from it."""
        if routed.stored and entry.thread and entry.dialect_out == entry.dialect_in:
            self._mark(entry.upstream_id, entry.thread)

    def _mark(self, mark: str, thread: str) -> None:
        if not mark:
            return
        self.marks.pop(mark, None)
        if len(self.marks) >= MARKS_AT_MOST:
            del self.marks[next(iter(self.marks))]
        self.marks[mark] = thread

    def apply(self, ts: str, entry: Settled) -> None:
        """Follow an attempt that was settled at `ts`: only one that began to answer left something in a cache.

        One whose usage nobody reported says nothing of it: what was known of its candidate stays known. Where tokens
        were only counted, nothing was read or written.
        """
        counted = entry.dialect_in == "anthropic_count_tokens"
        if not entry.thread or counted or entry.outcome not in {"ok", "disconnected", "broken"}:
            return
        before = self.threads.pop(entry.thread, None)
        if len(self.threads) >= THREADS_AT_MOST:
            del self.threads[next(iter(self.threads))]
        there = Thread(candidate=candidate_name(entry.route, entry.upstream_model), ts=ts)
        if before is not None and before.candidate == there.candidate:
            there = replace(before, ts=ts)
        if entry.usage_source in {"reported", "partial"}:
            cached = sum(entry.usage.get(name, 0) for name in _CACHED)
            tokens = sum(entry.usage.get(name, 0) for name in (*INPUT_CLASSES, *OUTPUT_CLASSES))
            there = replace(there, cached=cached, answers=there.answers + 1, tokens=tokens)
        self.threads[entry.thread] = there

    def renamed(self, was: str, name: str) -> None:
        """Follow a route that is called otherwise from here on."""
        for digest, thread in self.threads.items():
            route, _, model = thread.candidate.partition("/")
            if route == was:
                self.threads[digest] = replace(thread, candidate=candidate_name(name, model))

    def tokens_of(self, digest: str) -> int:
        """Return how long a conversation was with its last answer; 0 when it is not known."""
        thread = self.threads.get(digest)
        return 0 if thread is None else thread.tokens

    def of(self, digest: str, at: str, *, within_ms: int) -> Thread | None:
        """Return a conversation that was answered in the last so many ms before `at`; None when it is not known."""
        thread = self.threads.get(digest)
        return thread if thread is not None and at < later(thread.ts, within_ms) else None


def _goes_on_from(asked: Routed) -> str:
    """Return the id of the conversation, or of the answer, that a call goes on from; empty where there is none."""
    return asked.previous if asked.previous_kind in _GOES_ON else ""
