"""A request's maximum of output, lowered to what the model gives, and what must stay below it.

A provider refuses a maximum that its model has not; a route that says what the model gives spares its clients that. It
decides no hold. Sources, read 2026-11: Anthropic, "Extended thinking" (`budget_tokens` is at least 1,024 and less than
`max_tokens`) and "Models overview" (each model's maximum); OpenRouter, "Reasoning tokens" (`reasoning.max_tokens` is
less than `max_tokens`); OpenAI API reference (`max_completion_tokens`, `max_output_tokens`).
"""

import msgspec

from tokens_forge.wire.request import NULL, UNREADABLE, Fields, object_or_none, raw_of

MAXIMA = ("max_tokens", "max_completion_tokens", "max_output_tokens")
"""Where the dialects have the maximum."""

LEAST_BUDGET = 1_024
"""Tokens of thinking that Anthropic asks for at least."""

_BUDGETS = (("thinking", "budget_tokens"), ("reasoning", "max_tokens"))
_OFF = {"thinking": msgspec.Raw(b'{"type":"disabled"}')}


def maxima_above(fields: Fields, cap: int) -> tuple[str, ...]:
    """Return the members of a request that ask for more than `cap` tokens of output; none where `cap` is 0."""
    if not cap:
        return ()
    return tuple(name for name in MAXIMA if name in fields and (_count(fields[name]) or 0) > cap)


def capped(fields: Fields, cap: int) -> tuple[Fields, tuple[str, ...]]:
    """Return the members with no maximum above `cap`, and the paths of what was lowered.

    A budget for thinking that would not fit leaves a quarter of the cap to the answer, which would else be cut at its
    first word: clients ask for one just below their maximum. Where no budget fits, thinking is turned off.
    """
    lowered = maxima_above(fields, cap)
    if not lowered:
        return fields, ()
    sent = fields | dict.fromkeys(lowered, raw_of(cap))
    for name, member in _BUDGETS:
        inner = object_or_none(fields.get(name, NULL)) or {}
        if (_count(inner.get(member, NULL)) or 0) < cap:
            continue
        lowered = (*lowered, f"{name}.{member}")
        budget = max(cap - cap // 4, LEAST_BUDGET)
        if budget < cap:
            sent[name] = raw_of(inner | {member: raw_of(budget)})
        elif name in _OFF:
            sent[name] = _OFF[name]
        else:
            del sent[name]
    return sent, lowered


def _count(raw: msgspec.Raw) -> int | None:
    try:
        return msgspec.json.decode(raw, type=int)
    except UNREADABLE:
        return None
