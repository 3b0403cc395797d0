"""What a newer list of prices changes: how much of the list, and for the models that the config names each rate.

It reads no list: cards are arguments. Which cards a model has is `files/price_catalog.py`'s part.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Literal

from tokens_forge.core.entries import Record
from tokens_forge.core.money import divided, multiply, text
from tokens_forge.core.prices import RateCard
from tokens_forge.core.sheet_changes import LEAP, RateChange

_ALONE = frozenset({"input", "output", "requests"})
"""Classes that are priced at no other's rate."""


class ListChange(Record, frozen=True, kw_only=True):
    """What becomes of the list price of one candidate."""

    candidate: str
    """ROUTE/MODEL."""
    status: Literal["new", "changed", "gone", "same"]
    rates: tuple[RateChange, ...] = ()
    """In USD, of a token class per Mtok; of a tier as it names it: ``flex output``; of one that is the same: none."""


class Counts(Record, frozen=True, kw_only=True):
    """How many models of the whole list."""

    new: int = 0
    changed: int = 0
    gone: int = 0
    same: int = 0


def list_change(candidate: str, old: RateCard | None, new: RateCard | None) -> ListChange | None:
    """Return what changes for a candidate between its cards in force by two lists; None when neither has one."""
    if old is None and new is None:
        return None
    if new is None:
        return ListChange(candidate=candidate, status="gone")
    rates = tuple(_changes(_whole(old), _whole(new)))
    if old is not None and not rates:
        return ListChange(candidate=candidate, status="same")
    return ListChange(candidate=candidate, status="new" if old is None else "changed", rates=rates)


def _whole(card: RateCard | None) -> dict[str, Decimal]:
    """Return every rate of a card: ``input``, ``input>200000 input``, ``flex input``, ``flex input>200000 input``."""
    if card is None:
        return {}
    services = {"": (card.rates, card.tiers)}
    services |= {f"{word} ": (service.rates, service.tiers) for word, service in card.service.items()}
    return {
        f"{begins}{name}": rate
        for word, (base, tiers) in services.items()
        for begins, rates in ((word, base), *((f"{word}input>{tier.above} ", tier.rates) for tier in tiers))
        for name, rate in rates.items()
    }


def leap(old: RateCard, new: RateCard) -> str:
    """Return what can't be meant between two cards of a model, with both figures; empty when there is nothing.

    That is a rate that becomes hundreds of times dearer or cheaper, or nothing, in any tier of the new card.
    """
    for word in ("", *new.service):
        for above in (0, *(tier.above for tier in (new.service.get(word) or new).tiers)):
            for change in _changes(_rates(old, word, above), _rates(new, word, above)):
                if _is_leap(change):
                    tier = f"{word} {change.usage_class}".lstrip()
                    if not change.factor:
                        return f"{tier} would go from {change.old} USD to nothing"
                    return f"{tier} would go from {change.old} to {change.new} USD, a factor of {LEAP} or more"
    return ""


def _is_leap(change: RateChange) -> bool:
    if change.factor:
        return not (Decimal(change.factor) < LEAP and multiply(Decimal(change.factor), LEAP) > 1)
    # Of most classes that have no rate any more another's counts.
    falls = bool(change.new) or change.usage_class in _ALONE
    return falls and change.old not in {"", "0"}


def _rates(card: RateCard, word: str, above: int) -> dict[str, Decimal]:
    """Return the rates in a tier of service, the base where the card has no such, for an input above so many tokens."""
    of = card.service.get(word) or card
    rates = of.rates
    for tier in of.tiers:
        if tier.above <= above:
            rates = {**rates, **tier.rates}
    return rates


def _changes(before: dict[str, Decimal], after: dict[str, Decimal]) -> Iterator[RateChange]:
    for name in dict.fromkeys((*after, *before)):
        was, becomes = before.get(name), after.get(name)
        if was == becomes:
            continue
        yield RateChange(
            usage_class=name,
            old="" if was is None else text(was),
            new="" if becomes is None else text(becomes),
            factor=text(divided(becomes, was)) if was and becomes else "",
        )
