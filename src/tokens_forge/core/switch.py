"""What became of a conversation's prompt cache: whether its call stayed where it was, and what moving cost.

Balancing must not destroy the cache unseen (CASES 50). The figures come from the entries alone: what the last answer
showed to be cached, what was read of it now, and the rates of the card that priced it. It decides nothing.
"""

from collections.abc import Mapping
from decimal import Decimal

from msgspec.structs import replace

from tokens_forge.core.entries import CardUsed, PassedOver, Record, Routed, Settled, candidate_name
from tokens_forge.core.money import ZERO, add, multiply, rounded, scaled, subtract, text
from tokens_forge.core.prices import PER

ANSWERED = ("ok", "disconnected", "broken")
"""Outcomes of an attempt that began to answer."""


class Switch(Record, frozen=True, kw_only=True):
    """Where a conversation was, and where its call was answered."""

    was: str
    """The candidate that answered it last."""
    cached: int = 0
    """Tokens of it that lay in that one's prompt cache, as far as its usage showed."""
    stayed: bool | None = None
    """Whether the same one answered now; absent while nobody has."""
    now: str = ""
    """Who answered, where it is another."""
    why: PassedOver | None = None
    """What stood against staying."""
    other_terms: bool = False
    """It was not tried first: it is of another class or balance than the intended one, or may not answer this call."""
    read: int | None = None
    """Tokens that were read from a cache now; absent where no usage was reported."""
    missed: int | None = None
    """Tokens that lay in the cache there and were billed anew here; likewise, and where it stayed."""
    cost: str = ""
    """What `missed` cost more than reads of a cache here would have, in `unit`; absent where no card says."""
    unit: str = ""


def switch_of(routed: Routed, passed_over: Mapping[str, PassedOver], answered: Settled | None) -> Switch | None:
    """Return what became of the conversation of a call; None when it was not known or is not kept.

    `passed_over` has the reason against each candidate that was passed over; `answered` is the last settled attempt.
    """
    if not routed.kept:
        return None
    told = Switch(was=routed.kept, cached=routed.kept_cache, other_terms=not routed.sticky)
    if answered is None or answered.outcome not in ANSWERED:
        return told
    now = candidate_name(answered.route, answered.upstream_model)
    # An estimate of ours knows nothing of a cache.
    reported = answered.usage_source in {"reported", "partial"}
    read = answered.usage.get("cache_read", 0) if reported else None
    told = replace(told, stayed=now == routed.kept, read=read)
    if told.stayed:
        return told
    told = replace(told, now=now, why=passed_over.get(routed.kept))
    if read is None:
        return told
    # No more can have been missed than was billed as fresh input, and what was written to a cache cost its own rate.
    fresh = {name: answered.usage.get(name, 0) for name in ("input", "cache_write_5m", "cache_write_1h")}
    missed = max(min(routed.kept_cache - read, sum(fresh.values())), 0)
    cost = _dearer(answered.card, fresh, missed) if missed and answered.card else None
    told = replace(told, missed=missed)
    return told if cost is None else replace(told, cost=text(cost), unit=answered.unit)


def _dearer(card: CardUsed, fresh: Mapping[str, int], missed: int) -> Decimal | None:
    """Return what `missed` of the fresh tokens cost more than as cache reads; None where the card has no such rates.

    Tokens that were written to a cache are taken first: a conversation's beginning is what is cached.
    """
    if "input" not in card.rates or "cache_read" not in card.rates:
        return None
    base, cost = Decimal(card.rates["input"]), ZERO
    for name in ("cache_write_1h", "cache_write_5m", "input"):
        tokens = min(fresh[name], missed)
        missed -= tokens
        apart = max(subtract(Decimal(card.rates.get(name, base)), Decimal(card.rates["cache_read"])), ZERO)
        cost = add(cost, multiply(apart, Decimal(tokens)))
    return rounded(scaled(multiply(multiply(cost, Decimal(card.list_share)), Decimal(card.fx)), -PER[card.per]))
