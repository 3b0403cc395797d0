"""Prices on a screen: a model's rates on each route beside the list, what a new list changes, and what wants a look.

The figures are those of `core/quotes.py`, `core/sheet_changes.py` and `core/price_review.py`; here they are only shown.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from msgspec.structs import replace
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tokens_forge.core.list_changes import Counts, ListChange
from tokens_forge.core.money import rounded, scaled, text
from tokens_forge.core.price_review import Noted
from tokens_forge.core.quotes import CardShown, Quote
from tokens_forge.core.sheet_changes import RateChange, SheetChange
from tokens_forge.core.usage import COUNT_CLASSES, TOKEN_CLASSES
from tokens_forge.core.visible import visible
from tokens_forge.view.figures import NONE, amount, count, shown

PER_WORDS = {"mtok": "Mtok", "ktok": "1,000 tokens", "token": "token"}
"""What a rate of a token class buys, as people say it."""

_POWERS = {"mtok": 6, "ktok": 3, "token": 0}
_ORDER = (*TOKEN_CLASSES, "reasoning", *COUNT_CLASSES)
_ONCE = Decimal(1)


def prices_view(quotes: tuple[Quote, ...], usage: Mapping[str, int], at: str) -> RenderableType:
    """Return what each candidate charges at the moment `at`, the list beside it, and what the sample call costs.

    The command that sets a missing price is not among it: a renderable would fold or crop what is to be copied.
    """
    return Group(*(part for number, found in enumerate(quotes) for part in _quote(found, usage, at, number)))


def changes_view(changes: tuple[SheetChange, ...]) -> RenderableType:
    """Return what new sheets change: a line for each rate with its factor, and how many stay as they are."""
    parts: list[RenderableType] = []
    for change in changes:
        if change.status in {"new", "changed"}:
            parts += _change(change)
    for status, words in (("same", "unchanged"), ("gone", "not in this list any more; its sheet stays")):
        models = [f"{change.route}/{change.model}" for change in changes if change.status == status]
        if models:
            parts.append(shown(f"{count(len(models))} {words}: {', '.join(models)}", "dim"))
    return Group(*parts)


def list_view(counts: Counts, served: tuple[ListChange, ...], old_source: str, new_source: str) -> RenderableType:
    """Return what a newer list changes: how much of it, and each rate of the models that the config names."""
    new = f"{count(counts.new)} {'model' if counts.new == 1 else 'models'} new"
    total = f"{new}, {count(counts.changed)} changed, {count(counts.gone)} gone, "
    parts: list[RenderableType] = [
        Text.assemble((visible(new_source), "bold"), visible(f" instead of {old_source}")),
        Text(f"{total}{count(counts.same)} as they were"),
    ]
    for change in served:
        if change.status == "same":
            continue
        what = "no list price any more" if change.status == "gone" else change.status
        parts.append(Text.assemble((visible(change.candidate), "bold"), visible(f"  {what}, USD per Mtok")))
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
        for rate in change.rates:
            table.add_row(f"  {rate.usage_class}", f"{rate.old or NONE} → {rate.new or NONE}", _factor(rate))
        parts.append(table)
    same = sum(change.status == "same" for change in served)
    parts.append(
        shown(f"{count(same)} of the {count(len(served))} models that the config names stay as they are", "dim")
    )
    return Group(*parts)


def review_view(notes: tuple[Noted, ...]) -> RenderableType:
    """Return what is to be said of prices, the worst first; without commands, as in `prices_view`."""
    parts: list[RenderableType] = []
    for kind, style in (
        ("missing", "bold red"),
        ("guessed", "bold yellow"),
        ("far", "bold yellow"),
        ("old", "yellow"),
        ("future", "dim"),
    ):
        for note in notes:
            if note.kind == kind:
                told = visible(f" {note.candidate}: {note.what}") if note.candidate else visible(f" {note.what}")
                parts.append(Text.assemble((f"{kind:<7}", style), told))
    return Group(*parts)


def _quote(found: Quote, usage: Mapping[str, int], at: str, number: int) -> Iterator[RenderableType]:
    if number:
        yield Text()
    yield _heading(found)
    if found.kind in {"pool", "free"} and not found.overage:
        # Nobody is charged by that card: what it says stands beside, as the list does.
        found = replace(found, card=None, others=(), list=found.list or found.card)
    elif found.overage and found.card is not None:
        yield shown(f"a call counts in the pool; beyond it {found.overage} pays")
    if found.card is None and found.kind:
        yield shown(_unpaid(found, at), "bold red" if found.missing else "")
    if found.card is not None:
        yield from _source(found.card, found.sheet)
    if found.list is not None and (found.card is None or found.list.id != found.card.id):
        yield from _source(found.list, "", label="list   ")
    if found.card is not None or found.list is not None:
        yield _rates(found)
        yield from _sample(found, usage)
    for other in found.others:
        yield shown(_other(other), "dim")


def _heading(found: Quote) -> Text:
    if not found.route:
        return Text.assemble((visible(found.candidate), "bold"), ", the list price")
    pays = "" if found.unit == found.kind else f", {found.unit}"
    return Text.assemble(
        (visible(found.candidate), "bold"),
        visible(f"  {found.route_class}, paid by {found.balance} ({found.kind}{pays})"),
    )


def _unpaid(found: Quote, at: str) -> str:
    """Return why there is no card: nothing is priced there, or nobody knows the price."""
    if found.missing:
        return f"no price is known on {at[:10]}: its calls are refused, unless `[settle] unpriced` allows them"
    return "a call counts in the pool and costs nothing more" if found.kind == "pool" else "a call costs nothing"


def _source(card: CardShown, sheet: str, label: str = "from   ") -> Iterator[Text]:
    since = f" since {card.valid_from}" if card.valid_from else ""
    until = f" until {card.until}" if card.until else ""
    hours = f", {' to '.join(card.hours)} UTC" if card.hours else ""
    place = f" ({sheet})" if sheet else ""
    share = f" at {text(scaled(Decimal(card.list_share), 2))} %" if Decimal(card.list_share) != _ONCE else ""
    fx = f", {card.fx} {card.unit} for one {card.card_unit}" if card.card_unit else ""
    terms = {"free": ", known to cost nothing", "reported": ": what it reports; these rates are for the hold"}
    yield Text.assemble(
        (label, "dim"),
        visible(f"{card.source}{place}: {card.id}{share}{fx}{since}{until}{hours}{terms.get(card.terms, '')}"),
    )
    if card.resolved:
        yield Text.assemble(("name   ", "dim"), visible(" → ".join(card.resolved)))
    for word, said in _conditions(card):
        yield Text.assemble((f"{word:<7}", "dim"), visible(said))


def _conditions(card: CardShown) -> Iterator[tuple[str, str]]:
    """Yield what is in the rates or not, on which days they hold, and what about them is not sure."""
    for name, factor in card.factors.items():
        yield "with", f"x {factor} for {name}, in the rates of tokens below"
    for name, factor in card.geo.items():
        yield "plus", f"x {factor} on tokens where the reply says that it was computed in `{name}`"
    if card.days:
        yield "days", card.days
    if card.uncertain:
        yield "guess", f"nobody knows yet {card.uncertain}: an upper bound, and charges are estimates"
    if card.sibling_of:
        yield (
            "guess",
            f"the list does not know `{card.sibling_of}`: the newest of its family, and charges are estimates",
        )
    for name, why in card.guessed.items():
        yield "guess", f"{name}: {why}; charges with it are estimates"
    for source in dict.fromkeys(tier.source for tier in card.tiers if tier.source):
        yield "tier", source


def _rates(found: Quote) -> RenderableType:
    """Return the rates, a class a line: each tier of the card, and the list's base where the card is not the list."""
    columns = [(tier.tier, tier.rates) for tier in found.card.tiers] if found.card else []
    card = found.card or found.list
    assert card is not None, "there is a card to show"
    units = [card.unit] * len(columns)
    if found.list is not None and (found.card is None or found.list.tiers != found.card.tiers):
        alone = found.card is None
        columns += [
            (tier.tier if alone else "list", _per(tier.rates, found.list.per, card.per))
            for tier in found.list.tiers[: None if alone else 1]
        ]
        units += [found.list.unit] * (len(columns) - len(units))
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column(visible(f"per {PER_WORDS[card.per]}"), no_wrap=True)
    for (name, _rates_of), unit in zip(columns, units, strict=True):
        table.add_column(f"{visible(name)}\n{visible(unit)}", justify="right", overflow="fold")
    for usage_class in (name for name in _ORDER if any(name in rates for _tier, rates in columns)):
        each = ", each" if usage_class in COUNT_CLASSES else ""
        table.add_row(f"{usage_class}{each}", *(shown(rates.get(usage_class, NONE)) for _tier, rates in columns))
    return table


def _per(rates: Mapping[str, str], per: str, wanted: str) -> Mapping[str, str]:
    """Return rates of token classes for `wanted` tokens instead of `per`; a count's rate is for one in any case."""
    power = _POWERS[wanted] - _POWERS[per]
    return {
        name: rate if name in COUNT_CLASSES or not power else text(scaled(Decimal(rate), power))
        for name, rate in rates.items()
    }


def _sample(found: Quote, usage: Mapping[str, int]) -> Iterator[Text]:
    call = f"{count(usage['input'])} tokens in, {count(usage['output'])} out"
    told: list[str] = []
    if found.card is not None:
        timed = " a second" if any(line.usage_class == "seconds" for line in found.card.sample.lines) else ""
        beyond = "beyond the pool " if found.overage else ""
        told.append(f"{beyond}{amount(found.card.sample.amount, found.card.unit)}{timed}")
        if found.card.sample.unpriced:
            told.append(f"without {', '.join(found.card.sample.unpriced)}, which has no rate")
    if found.list is not None and (found.card is None or found.list.sample != found.card.sample):
        told.append(f"list {amount(found.list.sample.amount, found.list.unit)}")
    yield Text.assemble((f"{call}: ", "dim"), (visible("; ".join(told)), "bold"))


def _other(card: CardShown) -> str:
    rates = ", ".join(f"{name} {rate}" for name, rate in card.tiers[0].rates.items())
    when = f"from {card.valid_from} on" if card.valid_from else "else"
    if card.hours:
        since = f"from {card.valid_from} on" if card.valid_from and card.uncertain else ""
        when = ", ".join(part for part in (since, f"{' to '.join(card.hours)} UTC", card.days) if part)
    doubt = f"; nobody knows yet {card.uncertain}" if card.uncertain else ""
    return f"{when}: {rates} {card.unit} per {PER_WORDS[card.per]}{doubt}"


def _change(change: SheetChange) -> Iterator[RenderableType]:
    what = "new" if change.status == "new" else f"after the sheet from {change.before}"
    if change.adds:
        what += "; put on the price that holds anyway"
    if change.before == change.valid_from:
        what = "instead of the sheet of that day"
    yield Text.assemble(
        (visible(f"{change.route}/{change.model}"), "bold"),
        visible(f"  {change.unit} per {PER_WORDS[change.per]} from {change.valid_from} on; {what}"),
    )
    if change.old_unit or change.old_per:
        old = f"{change.old_unit or change.unit} per {PER_WORDS[change.old_per or change.per]}"
        yield shown(f"  the figures before are in {old}", "dim")
    if change.also:
        yield shown(f"  also changed: {', '.join(change.also)}", "dim")
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    for _column in range(2):
        table.add_column(no_wrap=True)
    table.add_column()
    for rate in change.rates:
        table.add_row(f"  {rate.usage_class}", _moved(rate, change), _factor(rate))
    yield table


def _moved(rate: RateChange, change: SheetChange) -> str:
    return rate.new if change.status == "new" else f"{rate.old or NONE} → {rate.new or NONE}"


def _factor(rate: RateChange) -> str:
    if not rate.new:
        return "no rate of its own any more"
    return f"x {short(Decimal(rate.factor))}" if rate.factor and Decimal(rate.factor) != _ONCE else ""


def short(factor: Decimal) -> str:
    """Return a factor with about three digits: it is read, not reckoned with."""
    places = max(0, 2 - factor.adjusted())
    return text(rounded(scaled(Decimal(round(scaled(factor, places))), -places)))
