"""The words for what is odd about a charge, and what each of them says.

One table of every flag that a `settled` entry may have, and what it means for the bill. Who raises a flag
is elsewhere: `core/usage.py` for what a usage says, `core/prices.py` for what was priced at a rate that nobody states,
`core/settlement.py` for the rest.
"""

from tokens_forge.core.prices import GUESSED, TIER_UNPRICED

UNPRICED = "unpriced_"
"""How the flag of a usage class begins that has no rate at all: what it costs is missing from the charge."""

_OF_PRICES = {
    TIER_UNPRICED: "the tier that was served has no rates: billed at the base rates",
    "answered_by_unpriced": "the model that stepped in has no price: billed by the rates of the one asked",
    "unpriced_iteration": "work beside the reply has no price: it is missing from the charge",
    "no_price": "no price is known: nothing was charged, as `[settle] unpriced` allows",
}
"""Flags that a price mends: every total names them, with the command that sets it."""

_CLASS_PRICES = {
    UNPRICED: "{name} has no rate: it is missing from the charge",
    GUESSED: "{name} has no rate of its own: billed at that of its base class, which is often lower",
}
"""The same, of a usage class, by how the flag begins."""


def is_of_price(flag: str) -> bool:
    """Say whether a flag says that a price is missing: one that a price mends."""
    return flag in _OF_PRICES or flag.startswith(tuple(_CLASS_PRICES))


def flag_text(flag: str) -> str:
    """Return what a flag says, as a clause; the flag itself for one that is not known here."""
    for begins, words in _CLASS_PRICES.items():
        if flag.startswith(begins) and flag not in _OF_PRICES:
            return words.format(name=flag.removeprefix(begins))
    return _OF_PRICES.get(flag, flag)
