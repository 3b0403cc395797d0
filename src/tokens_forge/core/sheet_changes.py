"""What a new price sheet changes: rate by rate, with the factor, and which of it can only be a slip of the pen.

Sheets of other units or other `per` are compared by what they charge. Nothing here writes a sheet or prices a call.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Literal

import msgspec

from tokens_forge.core.config import Sheet
from tokens_forge.core.entries import Record
from tokens_forge.core.money import divided, multiply, scaled, text
from tokens_forge.core.prices import PER
from tokens_forge.core.usage import COUNT_CLASSES

LEAP = Decimal(500)
"""A rate that becomes so many times dearer or cheaper at once is a slip: the usual one is of a thousand, a rate for a
thousand tokens taken for one of a million (CASES 11). No provider has moved a price so far in one step."""


_ALSO = ("long_input", "service", "fx", "adds", "guessed")
"""Fields of a sheet that are no rates."""


class RateChange(Record, frozen=True, kw_only=True):
    """One rate, before and after, each in the terms of its sheet."""

    # `class` is the ledger's word and a keyword in Python.
    usage_class: str = msgspec.field(name="class")
    """A usage class; of a tier of service after its word: ``priority output``."""
    old: str = ""
    """Absent where there was none."""
    new: str = ""
    """Absent where there is none any more: the class is then priced at its base class."""
    factor: str = ""
    """What is charged after for what is charged before, 12 places; absent where one of the two is nothing."""


class SheetChange(Record, frozen=True, kw_only=True):
    """What becomes of one model's sheet."""

    route: str
    model: str
    status: Literal["new", "changed", "same", "gone"]
    """``gone``: it is in no row of what is imported; its sheet stays as it is."""
    valid_from: str = ""
    unit: str = ""
    per: str = ""
    fx: str = ""
    adds: bool = False
    """Whether it is put on the price that holds anyway."""
    before: str = ""
    """The first day of the sheet that was in force."""
    old_unit: str = ""
    """What that sheet is in, where it is another unit."""
    old_per: str = ""
    rates: tuple[RateChange, ...] = ()
    """Of a sheet that is the same: none."""
    also: tuple[str, ...] = ()
    """What else differs: `long_input`, `service`, `fx`, `adds`, `guessed`."""


def sheet_change(route: str, model: str, old: Sheet | None, new: Sheet) -> SheetChange:
    """Return what `new` changes for a model whose sheet in force on that day is `old`."""
    change = SheetChange(
        route=route,
        model=model,
        status="new",
        adds=new.adds,
        valid_from=new.valid_from.isoformat(),
        unit=new.unit,
        per=new.per,
        fx="" if new.fx is None else text(new.fx),
        rates=tuple(_rates(old, new)),
    )
    if old is None:
        return change
    same = msgspec.structs.replace(new, valid_from=old.valid_from) == old
    return msgspec.structs.replace(
        change,
        status="same" if same else "changed",
        before=old.valid_from.isoformat(),
        old_unit=old.unit if old.unit != new.unit else "",
        old_per=old.per if old.per != new.per else "",
        rates=() if same else change.rates,
        also=tuple(name for name in _ALSO if getattr(old, name) != getattr(new, name)),
    )


def leaps(change: SheetChange) -> Iterator[str]:
    """Yield what can't be meant, with both figures: rates that became hundreds of times dearer or cheaper."""
    for rate in change.rates:
        if rate.factor and not (Decimal(rate.factor) < LEAP and multiply(Decimal(rate.factor), LEAP) > 1):
            old = f"{rate.old} {change.old_unit or change.unit} per {change.old_per or change.per}"
            new = f"{rate.new} {change.unit} per {change.per}"
            yield f"{rate.usage_class} would go from {old} to {new}, a factor of {LEAP} or more"


def in_force(sheets: tuple[Sheet, ...], new: Sheet) -> Sheet | None:
    """Return the sheet that is in force on the first day of `new`, one of the very day too; None when there is none."""
    begun = [sheet for sheet in sheets if sheet.valid_from <= new.valid_from]
    return max(begun, key=lambda sheet: sheet.valid_from) if begun else None


def _all_rates(sheet: Sheet | None) -> dict[str, Decimal]:
    """Return a sheet's rates by class, those of a tier of service by its word before the class: ``flex output``."""
    if sheet is None:
        return {}
    tiers = {f"{word} {name}": rate for word, own in sheet.service.items() for name, rate in own.rates()}
    return {**dict(sheet.rates()), **tiers}


def _rates(old: Sheet | None, new: Sheet) -> Iterator[RateChange]:
    before, after = _all_rates(old), _all_rates(new)
    for name in dict.fromkeys((*after, *before)):
        was, becomes = before.get(name), after.get(name)
        factor = ""
        if old is not None and was and becomes:
            factor = text(divided(_charged(new, name, becomes), _charged(old, name, was)))
        yield RateChange(
            usage_class=name,
            old="" if was is None else text(was),
            new="" if becomes is None else text(becomes),
            factor=factor,
        )


def _charged(sheet: Sheet, usage_class: str, rate: Decimal) -> Decimal:
    """Return what one of a class costs in the balance's unit."""
    power = 0 if usage_class.rpartition(" ")[2] in COUNT_CLASSES else PER[sheet.per]
    return scaled(multiply(rate, sheet.fx or Decimal(1)), -power)
