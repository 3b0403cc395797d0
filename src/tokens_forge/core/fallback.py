"""The failure table: what an attempt's result means, whether another may follow, and what cools.

One table (DESIGN §7), read by settlement (how the attempt ends), by the fold (may this call try the candidate again)
and by health (what to pass over, and for how long). It decides from values; it waits for nothing and sends nothing.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from tokens_forge.core.entries import Certainty, Outcome, Scope, Settled, Voided

Next = Literal["done", "return", "retry", "wait", "fall_back"]
"""What follows: nothing, the upstream's answer as it is, the same candidate at once, the same after the asked wait
(both fall back when no attempt is left), or another candidate."""

Ends = Literal["settled", "voided"]

SHORT_WAIT_S = Decimal(2)
"""A wait of at most so many seconds is waited for; a longer one goes to another candidate."""

HOUR_MS = 3_600_000

LONGEST_MS = 7 * 24 * HOUR_MS
"""A Retry-After or a limit's reset further away than a week is cut: more likely a broken clock than a promise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cooling:
    """How a failure cools: what, after how many in a row, and for how long."""

    scope: Scope
    after: int
    """Failures in a row before it cools."""
    first_ms: int
    most_ms: int
    """Each further cooling doubles the time up to this."""
    asked: Literal["decides", "lengthens"] = "lengthens"
    """What a wait that the upstream asks for does: it is the time, or it can only make it longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the table."""

    ends: Ends
    outcome: Outcome
    certainty: Certainty
    next: Next
    cooling: Cooling | None = None


_UPSTREAM_DOWN = Cooling(scope="upstream", after=3, first_ms=5_000, most_ms=300_000)
_CANDIDATE_DOWN = Cooling(scope="candidate", after=3, first_ms=5_000, most_ms=300_000)
_LIMITED = Cooling(scope="candidate", after=1, first_ms=10_000, most_ms=300_000, asked="decides")
_EMPTY = Cooling(scope="balance", after=1, first_ms=HOUR_MS, most_ms=HOUR_MS)
_LOCKED_OUT = Cooling(scope="upstream", after=1, first_ms=900_000, most_ms=900_000)

_NOT_SENT = Row(ends="voided", outcome="not_sent", certainty="zero", next="retry", cooling=_UPSTREAM_DOWN)
_FAILED = Row(ends="voided", outcome="error", certainty="assumed_zero", next="retry", cooling=_CANDIDATE_DOWN)
_UNANSWERED = Row(
    ends="settled", outcome="unanswered", certainty="estimated", next="fall_back", cooling=_CANDIDATE_DOWN
)
_BROKEN = Row(ends="settled", outcome="broken", certainty="estimated", next="done", cooling=_CANDIDATE_DOWN)
_NEVER_SENT = Row(ends="voided", outcome="not_sent", certainty="zero", next="done")
_LEFT = Row(ends="settled", outcome="disconnected", certainty="estimated", next="done")

TABLE: dict[str, Row] = {
    "": Row(ends="settled", outcome="ok", certainty="computed", next="done"),
    # Not sent: no byte of the request was written.
    "dns": _NOT_SENT,
    "connect": _NOT_SENT,
    "tls": _NOT_SENT,
    "connect_timeout": _NOT_SENT,
    "credential": Row(ends="voided", outcome="not_sent", certainty="zero", next="fall_back"),
    "ledger": _NEVER_SENT,
    "left_before_contact": _NEVER_SENT,
    "stopped_before_contact": _NEVER_SENT,
    # The upstream failed by its own word.
    "server_error": _FAILED,
    "timeout_upstream": _FAILED,
    "redirect": Row(ends="voided", outcome="error", certainty="zero", next="fall_back"),
    # Sent, and no answer or none that can be read: it may have been billed (CASES 55).
    "first_byte_timeout": _UNANSWERED,
    "reset": _UNANSWERED,
    "deadline": _UNANSWERED,
    "bad_reply": _UNANSWERED,
    # Refused before inference.
    "rate_limited": Row(ends="voided", outcome="rejected", certainty="zero", next="fall_back", cooling=_LIMITED),
    "insufficient_quota": Row(ends="voided", outcome="rejected", certainty="zero", next="fall_back", cooling=_EMPTY),
    "unauthorized": Row(ends="voided", outcome="rejected", certainty="zero", next="fall_back", cooling=_LOCKED_OUT),
    # The client's own login, not ours, was refused: it is for the client to mend, and cools nothing.
    "login_refused": Row(ends="voided", outcome="rejected", certainty="zero", next="return"),
    "model_not_found": Row(ends="voided", outcome="rejected", certainty="zero", next="fall_back"),
    "context_too_long": Row(ends="voided", outcome="rejected", certainty="zero", next="fall_back"),
    "stream_options": Row(ends="voided", outcome="rejected", certainty="zero", next="retry"),
    "bad_request": Row(ends="voided", outcome="rejected", certainty="zero", next="return"),
    # After the first data event went downstream.
    "stream_cut": _BROKEN,
    "stream_error": _BROKEN,
    "stream_malformed": _BROKEN,
    "idle_timeout": _BROKEN,
    # Not the upstream's doing.
    "client_left": _LEFT,
    "stopped": Row(ends="settled", outcome="broken", certainty="estimated", next="done"),
}
"""Every word for an attempt's result, the empty one for a complete reply."""

OURS = frozenset({"client_left", "left_before_contact", "stopped_before_contact", "stopped", "ledger"})
"""The words that say nothing about an upstream: its client left, or we stopped or could not write."""

MENDED = "stream_options"
"""The word after which the request itself is mended: sending it again is no retry of a failure, so it waits for nothing
and no budget of retries counts it."""


WAITED_FOR = frozenset({"rate_limited", "server_error", "timeout_upstream"})
"""The words of a candidate that comes back by itself: a wait that it names is waited for where nobody else answers."""

_TOO_BUSY = frozenset({503, 529})
"""Statuses of an upstream that turned a request away for its load (RFC 9110, 15.6.4; Anthropic, "Errors": 529 is
``overloaded_error``; read 2026-11), so that nothing was made and nothing billed."""

_TOO_MANY = 429


def classify(error: str, *, wait_s: Decimal | None = None, no_retry: bool = False) -> Row:
    """Return the row for a result's word, with the seconds that the upstream asked to wait.

    A 429 with a short wait is waited for and cools nothing; a failure that asks for a long one is not retried, nor is
    one whose upstream said that it would be of no use (`no_retry`). A request that was mended is another one.
    """
    row = TABLE[error]
    if no_retry:
        return replace(row, next="fall_back") if row.next == "retry" and error != MENDED else row
    if wait_s is None:
        return row
    if error == "rate_limited" and wait_s <= SHORT_WAIT_S:
        return replace(row, next="wait", cooling=None)
    if row.next == "retry" and wait_s > SHORT_WAIT_S:
        return replace(row, next="fall_back")
    return row


def row_of(entry: Settled | Voided) -> Row:
    """Return the row by which an attempt ended."""
    return classify(entry.error, wait_s=asked_wait_s(entry), no_retry=isinstance(entry, Voided) and entry.no_retry)


def asked_wait_s(entry: Settled | Voided) -> Decimal | None:
    """Return the seconds that the upstream asked to wait, or None."""
    return Decimal(entry.wait_s) if isinstance(entry, Voided) and entry.wait_s else None


def named_wait_ms(entry: Settled | Voided, *, times: int) -> int | None:
    """Return for how long after an attempt its candidate asked to be left alone, in ms.

    None where it did not, or said that it is of no use to come back.

    `times` is how often it asked before in this call: from the second on the wait is at least a second, and doubles, so
    that a call does not knock all the time at one that always says "now".
    """
    asked_s = asked_wait_s(entry)
    if asked_s is None or entry.error not in WAITED_FOR or (isinstance(entry, Voided) and entry.no_retry):
        return None
    at_least_ms = 1_000 << min(times - 1, 16) if times else 0
    return max(min(int(asked_s * 1000), LONGEST_MS), at_least_ms)


def turned_away(error: str, status: int) -> int:
    """Return the status that a client gets for a result by which an upstream only asks to come later; 0 for others.

    That is the upstream's own status, by which an SDK knows to wait; a limit in a stream, or by a 402, is 429.
    """
    if error == "rate_limited":
        return status if status in _TOO_BUSY else _TOO_MANY
    return status if error == "server_error" and status in _TOO_BUSY else 0


def cooling_ms(cooling: Cooling, *, level: int, asked_s: Decimal | None) -> int:
    """Return how long to cool in ms: doubling from the first time by level from 1, or as `cooling.asked` says."""
    own_ms = min(cooling.first_ms << min(level - 1, 16), cooling.most_ms)
    if asked_s is None:
        return own_ms
    asked_ms = min(int(asked_s * 1000), LONGEST_MS)
    return asked_ms if cooling.asked == "decides" else max(own_ms, asked_ms)
