"""The words for what is odd about a charge, and what each of them says.

One table of every flag that a `settled` entry may have, and what it means for the bill. Who raises a flag is elsewhere:
`core/usage.py` for what a usage says, `core/prices.py` for what was priced at a rate that nobody states,
`core/settlement.py` for the rest.
"""

from collections.abc import Mapping

from tokens_forge.core.usage import GUESSES

UNPRICED = "unpriced_"
"""How the flag of a usage class begins that has no rate at all: what it costs is missing from the charge."""

GUESSED = "guessed_"
"""How the flag of a usage class begins that was priced at the rate of another, for want of one of its own."""

TIER_UNPRICED = "tier_unpriced"
"""The flag of a charge in a tier of service that has no rates on its card."""

UNPRICED_ITERATION = f"{UNPRICED}iteration"
"""The flag of a charge without what other models did beside the reply, as they have no rates."""

GEO_UNPRICED = "geo_unpriced"
"""The flag of a charge for what was computed where its card, which has premiums by place, names none."""

SIBLING_PRICE = "sibling_price"
"""The flag of a charge at the rates of another model of the family (`RateCard.sibling_of`)."""

UNCERTAIN_CARD = "uncertain_card"
"""The flag of a charge by a card that may not be the one in force (`RateCard.uncertain`)."""

OF_PRICES: Mapping[str, str] = {
    TIER_UNPRICED: "the tier that was served has no rates: billed at the base rates",
    GEO_UNPRICED: "no premium is known for where it was computed: billed without one",
    SIBLING_PRICE: "the model has no price: billed as the newest known one of its family",
    UNCERTAIN_CARD: "nobody knows yet which of the provider's prices held: the dearest was taken",
    "answered_by_unpriced": "the model that stepped in has no price: billed at the rates of the one that was asked",
    UNPRICED_ITERATION: "work beside the reply has no price: missing from the charge",
    "no_price": "no price is known: nothing was charged, as `[settle] unpriced` allows",
    "not_reported": "the upstream did not say what it cost",
    "cost_converted": "the upstream told its cost in another unit: converted at `[report] fx`",
    "cost_in_another_unit": "the upstream told its cost in a unit that `[report] fx` does not have: not used",
    "unbelieved_cost": "the upstream told a cost far beyond anything known of such calls: charged at the hold",
}
"""Flags about the price: what was charged is a guess, or lacks something, for want of one."""

OF_USAGE: Mapping[str, str] = {
    "impossible_total": "the usage can't be true: charged at the hold",
    "impossible_cache_read": "more tokens read from the cache than input: the larger count is billed",
    "impossible_cache_write": "more tokens written to the cache than can be: the larger count is billed",
    "impossible_cache_part": "what of the cached tokens was sound or images can't be true: taken as text",
    "impossible_audio_in": "more sound than input: the larger count is billed",
    "impossible_image_in": "more images than input: the larger count is billed",
    "impossible_reasoning": "more reasoning than output: the larger count is billed",
    "impossible_audio_out": "more sound than output: the larger count is billed",
    "impossible_image_out": "more images than output: the larger count is billed",
    "impossible_searches": "the count of searches is no number: none is billed",
    "cache_write_unsplit": "cache writes without a lifetime: the hour that was asked for, else the shortest",
    "cache_part_unstated": "what of the cached tokens was sound or images is not said: text first",
    "cache_beside_input": "cached tokens were counted beside the input: added",
    "unexplained_input": "the parts of the input do not sum to it: the rest is billed as input",
    "unexplained_output": "the parts of the output do not sum to it: the rest is billed as output",
    "unexplained_total": "tokens that only the total shows: billed as output",
    "reasoning_apart": "reasoning was counted beside the output: added",
    "iterations_apart": "work beside the reply that can't be read: missing from the charge",
    "tools_apart": "tools of the upstream's own whose price is not known: missing from the charge",
    "models_apart": "several models made the answer: all of it is billed at the rates of the one that was asked",
    "paid_elsewhere": "a provider bills the tokens to a key of your own",
    "contradictory_usage": "the reply told two counts for the same: the last that is not zero is billed",
    "counts_disagree": "the reply told two counts for the same that can't both be true: one of them is billed",
    "fallback_credit_redeemed": "a credit for the retry of a refused request was taken off",
    "fallback_credit_not_applied": "a credit for the retry of a refused request did not apply",
    "output_streamed": "the output was not counted to its end: what came of it is estimated from its bytes",
    "zero_usage": "nothing but zeros are told of what was there: estimated from its bytes",
    "no_usage": "the reply told no usage: estimated from its bytes",
}
"""Flags about the usage: how what was reported was read."""

OF_CALL: Mapping[str, str] = {
    "no_done": "the stream ended whole, without the event that ends it",
    "seconds_measured": "the length is ours: the upstream told none",
    "charged_at_hold": "nobody knows what was used: the hold is the charge",
    "overage": "the provider took money beyond the pool, on no balance of yours here",
    "refusal_unbilled": "refused before any output, which this provider does not bill",
    "refusal_billed": "refused before any output, which this seller bills by usage",
}
"""Flags about the call."""

OF_ESTIMATES: frozenset[str] = GUESSES | {"impossible_total", "zero_usage", "no_usage", "seconds_measured"}
"""Flags of a usage that make a charge an estimate: totals name it by them."""

OF_OUTCOMES: Mapping[str, str] = {
    "broken": "the stream ended early: what came of it was billed",
    "disconnected": "the client left before the end: what came until then was billed",
    "unanswered": "no answer came: billed by `[settle] unanswered`",
    "lost": "tf stopped while it was under way: charged at the hold",
}
"""Outcomes that leave a charge an estimate: totals name it by them, as no flag does."""

ESTIMATED = "estimated"
"""The word by which totals name an estimate that no flag and no outcome explains."""

_CLASSES = {
    UNPRICED: "{name} has no rate: missing from the charge",
    GUESSED: "{name} has no rate of its own: billed at one that may be too low",
}


def is_of_price(flag: str) -> bool:
    """Say whether a flag is about a price: totals name it, with the command that mends it."""
    return flag in OF_PRICES or flag.startswith((UNPRICED, GUESSED))


def usage_class_of(flag: str) -> str:
    """Return the usage class that has no rate, or none of its own; empty for a flag that is about none."""
    if flag in OF_PRICES:
        return ""
    return next((flag.removeprefix(begins) for begins in _CLASSES if flag.startswith(begins)), "")


def flag_text(flag: str) -> str:
    """Return what a flag says, as a clause; the flag itself where it is not known here."""
    if name := usage_class_of(flag):
        return next(words for begins, words in _CLASSES.items() if flag.startswith(begins)).format(name=name)
    return next((words[flag] for words in (OF_PRICES, OF_USAGE, OF_CALL) if flag in words), flag)


def guess_text(reason: str) -> str:
    """Return what makes a charge an estimate, as a clause: a flag, an outcome or `ESTIMATED`."""
    if reason == ESTIMATED:
        return "an estimate for another reason: `tf explain ID` says more"
    return OF_OUTCOMES.get(reason) or flag_text(reason)
