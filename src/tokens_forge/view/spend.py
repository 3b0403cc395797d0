"""What was spent, as a table for each unit with shares, totals, and how sure they are.

Units stand apart: no figure here is a sum over two of them, and none is shortened. Below the tables stand the fees of
pools, what moved balances without a call, the calls that cost nothing, and last why charges are estimates.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo
from decimal import Decimal
from fractions import Fraction

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tokens_forge.core.book import FREE_UNIT
from tokens_forge.core.flags import guess_text
from tokens_forge.core.money import ZERO, text, total
from tokens_forge.core.visible import visible
from tokens_forge.reports.spend import COUNTS, PARTS, Guess, Movement, PoolFee, Spend, SpendRow, SpendTotal
from tokens_forge.view.figures import NONE, amount, bar, count, shown


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """How wide a table is."""

    longest: int = 0
    """Cells of the longest bar; 0 for none."""
    header: str = "\n"
    """What stands between the words of a header."""
    certainty: str = "\n"
    """What stands between the parts of a charge by how sure they are."""
    parts: bool = True
    """Whether each of these has its amount; else the line below the table alone has them."""
    stacked: bool = False
    """Whether what a row is of stands in one column, a dimension a line."""


_FORMS = (
    _Form(longest=10, header=" ", certainty=", "),
    _Form(longest=5, header=" ", certainty=", "),
    _Form(header=" ", certainty=", "),
    _Form(certainty=", "),
    _Form(),
    _Form(parts=False),
    _Form(parts=False, stacked=True),
)
"""The first form that leaves every name and figure whole is taken, else the last."""

_ENDLESS = 10_000
"""Columns on which every table has room."""

_ALL = 100
"""Percent."""

_MOVED = {
    "topup": "topped up",
    "fee": "fee",
    "refund": "paid back by the provider",
    "expiry": "expired",
    "correction": "corrected by hand",
    "reprice": "priced anew",
    "reconciled": "reconciled",
    "used_elsewhere": "used elsewhere",
    "set": "set",
    "unexplained": "unexplained",
    "opening": "there at the start",
    "closed": "closed",
}
"""What a movement is called."""


def spend_view(answer: Spend, zone: tzinfo) -> RenderableType:
    """Return what to print for an answer that has something to show. The period is shown in `zone`, the report's."""
    return Group(
        _title(answer, zone),
        *(part for found in answer.totals for part in _unit(answer, found)),
        *_fees(answer),
        *(_movements(answer) if _moved(answer) else ()),
        *_ended(answer),
        *_guesses(answer),
    )


def is_empty(answer: Spend) -> bool:
    """Say whether there is nothing to show but calls that cost nothing."""
    return not (answer.rows or answer.fees or _moved(answer))


def bounds(answer: Spend, zone: tzinfo) -> str:
    """Return a period in words: what it is called, its bounds on the clocks of `zone`, and whose clocks they are."""
    since, until = (f"{bound.astimezone(zone):%Y-%m-%d %H:%M}" for bound in (answer.period.since, answer.period.until))
    called = f"{answer.period.label}: " if answer.period.label else ""
    return f"{called}{since} to {until} ({answer.timezone})"


def ended_words(answer: Spend) -> Iterator[str]:
    """Yield a sentence for calls that were refused, and one for those whose last attempt was not billed."""
    for calls, ended in (
        (answer.refused, "refused in this period"),
        (answer.voided, "whose last attempt was not billed"),
    ):
        if calls:
            why = ", ".join(f"{reason} {count(number)}" for reason, number in calls.items())
            yield f"{_calls(sum(calls.values()))} {ended} ({why})"


def _title(answer: Spend, zone: tzinfo) -> Text:
    return Text.assemble((f"Spend by {', '.join(answer.by)}", "bold"), f", {bounds(answer, zone)}")


def _unit(answer: Spend, found: SpendTotal) -> Iterator[RenderableType]:
    """Yield the rows of one unit, their total, what its figures mean, and what is missing from it."""
    yield Text()
    yield _Fitting(tuple(_table(answer, found, form) for form in _FORMS))
    if found.unit in COUNTS:
        yield from _three_costs(answer, found)
    if len(found.certainty) > 1:
        yield Text.assemble((f"{visible(found.unit)}: ", "dim"), _certainty(found, shares=True))
    if found.unpriced_calls:
        yield shown(_unpriced(found), "bold yellow")
    if found.unlisted_calls and found.list is not None:
        missing_from = "list-equivalent" if found.unit in COUNTS else "list price and saving"
        yield shown(f"{_calls(found.unlisted_calls)} without a list price: not in {missing_from}", "dim")


def _guesses(answer: Spend) -> Iterator[RenderableType]:
    """Yield why some charges are estimates or lack something; the commands that mend it come below, whole."""
    if any(found.guesses for found in answer.totals):
        yield Text()
        yield Text("Estimates and missing prices (a call with several reasons is in each line)", style="bold")
    for found in answer.totals:
        for guess in found.guesses:
            yield Padding(shown(_guess(guess, found.unit), "yellow"), (0, 0, 0, 2))


def _guess(guess: Guess, unit: str) -> str:
    """Return the line that names a reason, with the calls that have it and their whole charge."""
    served = f", served as {guess.tier}" if guess.tier else ""
    charged = f"{_calls(guess.calls)}, {amount(guess.charge, unit)}"
    return f"{guess.route}/{guess.upstream_model}{served}: {guess_text(guess.flag)} ({charged})"


def _unpriced(found: SpendTotal) -> str:
    """Return the line that keeps an unknown price from being a silent zero."""
    calls, priced = _calls(found.unpriced_calls), found.certainty.get("unpriced", ZERO)
    if priced:
        known = amount(priced, found.unit)
        return f"{calls} in {found.unit} without a price for all of it: only {known} of what they cost is in the total"
    return f"{calls} in {found.unit} without a known price: what they cost is not in the total"


def _three_costs(answer: Spend, found: SpendTotal) -> Iterator[RenderableType]:
    """Yield what the costs of a pool's calls are (CASES 47), and what its unit counts (CASES 49)."""
    yield shown(f"{found.unit}: {COUNTS[found.unit]}. Marginal cost 0: no money moves by a call", "dim")
    if not found.amortised:
        yield shown("amortised: no fee of these calls is known (`fee` in [balance.NAME])", "dim")
        return
    yield shown(f"amortised: their part of the pool's fee{_until_when(answer, found)}", "dim")
    if found.unshared_calls:
        yield shown(f"{_calls(found.unshared_calls)} without a fee, or outside of its periods: not in amortised", "dim")


def _until_when(answer: Spend, found: SpendTotal) -> str:
    """Return until when the amortised cost of some of these calls still falls with each further call."""
    fees = (one.shared for one in answer.fees if one.provisional and one.shared.fee.counts == found.unit)
    ends = [shared.fee.last for shared in fees if shared.shares]
    return f", provisional up to the end of {max(ends)} (UTC)" if ends else ""


def _fees(answer: Spend) -> Iterator[RenderableType]:
    """Yield a line for each fee: what these calls and others took of it, or that nothing did."""
    if answer.fees:
        yield Text()
        yield Text("Fees of pools, shared over the calls of their periods (days in UTC)", style="bold")
    for found in answer.fees:
        fee = found.shared.fee
        yield shown(f"{fee.balance}: {amount(fee.amount, fee.unit)} for {fee.first}..{fee.last}, {_went(found)}")


def _went(found: PoolFee) -> str:
    """Return where a fee went, in words."""
    shared = found.shared
    provisional = ", provisional" if found.provisional else ""
    if not shared.attempts:
        counted = "" if shared.unused else "; it counts in the report of its first day"
        return f"unused, no call in the ledger{provisional}{counted}"
    average = f", {_calls(shared.unlisted)} without one at the average" if shared.unlisted else ""
    by = f"list price{average}" if shared.by == "list" else "count"
    here, elsewhere = amount(shared.here, shared.fee.unit), amount(shared.elsewhere, shared.fee.unit)
    return f"by {by}: {here} in this report, {elsewhere} outside of it{provisional}"


def _moved(answer: Spend) -> bool:
    """Say whether movements are shown: they belong to balances."""
    return "balance" in answer.by and bool(answer.movements)


def _movements(answer: Spend) -> Iterator[RenderableType]:
    """Yield what moved balances without a call, and the fees that top-ups cost."""
    yield Text()
    yield Text("Movements that are no spend", style="bold")
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    table.add_column(overflow="fold")
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    for moved in answer.movements:
        times = f"({count(moved.entries)} entries)" if moved.entries > 1 else ""
        table.add_row(
            shown(moved.balance),
            _MOVED.get(moved.reason, moved.reason),
            shown(_signed(moved)),
            Text(times, style="dim"),
        )
    yield table
    for moved in answer.movements:
        if moved.fees:
            paid = f" of {_sums(moved.paid)} paid" if moved.paid else ""
            yield shown(f"{moved.balance}: fees of {_sums(moved.fees)} were in the price{paid}", "dim")


def _signed(moved: Movement) -> str:
    return ("+" if moved.amount > ZERO else "") + amount(moved.amount, moved.unit)


def _sums(amounts: dict[str, Decimal]) -> str:
    """Return amounts of several units beside each other: they never add."""
    return ", ".join(amount(value, unit) for unit, value in amounts.items()) or NONE


class _Fitting:
    """The first of some tables that has room on the screen as it is, else the last."""

    def __init__(self, tables: tuple[Table, ...]) -> None:
        self._tables = tables

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for table in self._tables:
            if Measurement.get(console, options.update_width(_ENDLESS), table).maximum <= options.max_width:
                yield table
                return
        yield self._tables[-1]


def _table(answer: Spend, found: SpendTotal, form: _Form) -> Table:
    """Return the table of one unit in a form."""
    rows = [row for row in answer.rows if row.unit == found.unit]
    # Rows of what was given back show no share: a bar has no length below nothing.
    whole = total(tuple(row.charge for row in rows if row.charge > 0))
    table = _columns(answer, found, form)
    for row in rows:
        table.add_row(
            *_named(row, answer.by, form),
            *_figures(row, found),
            *((bar(row.charge, whole, form.longest),) if form.longest else ()),
            *_listed(row, found),
            _certainty(row, between=form.certainty) if form.parts else Text("\n".join(row.certainty)),
        )
    table.add_row(
        "total",
        *("" for _ in answer.by[1:] if not form.stacked),
        *_figures(found, found),
        *(("",) if form.longest else ()),
        *_listed(found, found),
        _certainty(found) if len(found.certainty) == 1 else "",
        style="bold",
    )
    return table


def _columns(answer: Spend, found: SpendTotal, form: _Form) -> Table:
    """Return the empty table of one unit. The unit stands in the header, a list price's too where all are in one."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    names = [name.replace("_", " ") for name in answer.by]
    if form.stacked:
        table.add_column("\n".join(names), overflow="fold", min_width=6)
    else:
        for name, written in zip(answer.by, names, strict=True):
            table.add_column(written, overflow="fold", no_wrap=name in PARTS, min_width=6)
    table.add_column("calls", justify="right", no_wrap=True)
    table.add_column("charge" if found.unit == FREE_UNIT else visible(found.unit), justify="right", no_wrap=True)
    if form.longest:
        table.add_column("share", width=form.longest)
    listed = (visible(found.list_unit),) if found.list_unit else ()
    costs = ("list", *listed), ("saving", *listed)
    if found.unit in COUNTS:
        costs = ("list-", "equivalent", *listed), ("amortised", *map(visible, _one(found)))
    for words in costs:
        table.add_column(form.header.join(words).replace("- ", "-"), justify="right", no_wrap=True)
    table.add_column("certainty", overflow="fold", min_width=len("estimated"))
    return table


def _named(row: SpendRow, by: tuple[str, ...], form: _Form) -> tuple[Text, ...]:
    """Return what a row is of."""
    cells = tuple(shown(row.dimensions[name] or NONE) for name in by)
    return (Text("\n").join(cells),) if form.stacked else cells


def _figures(row: SpendRow | SpendTotal, found: SpendTotal) -> tuple[str, str]:
    return count(row.calls), FREE_UNIT if found.unit == FREE_UNIT else text(row.charge)


def _listed(row: SpendRow | SpendTotal, found: SpendTotal) -> tuple[str, str]:
    """Return list price and saving, of a pool's calls list-equivalent and amortised cost.

    Each has its unit unless the header names it.
    """
    listed = _known(row.list) if found.list_unit else amount(row.list, row.list_unit)
    if found.unit in COUNTS:
        bare = _one(found)
        return listed, _known(row.amortised.get(bare[0])) if bare else _sums(row.amortised)
    return listed, _known(row.saving) if found.list_unit else amount(row.saving, row.list_unit)


def _one(found: SpendTotal) -> tuple[str, ...]:
    """Return the unit that all fees of these calls are in, if it is one."""
    return tuple(found.amortised) if len(found.amortised) == 1 else ()


def _known(value: Decimal | None) -> str:
    return NONE if value is None else text(value)


def _certainty(row: SpendRow | SpendTotal, *, shares: bool = False, between: str = ", ") -> Text:
    """Return how sure a charge is: one word, or each with its part of the charge, and with its share of it."""
    if len(row.certainty) == 1 or row.unit == FREE_UNIT:
        return Text(", ".join(row.certainty))
    # What was given back has no share of what was spent.
    whole = total(tuple(row.certainty.values())) if shares and min(row.certainty.values()) >= ZERO else ZERO
    parts = (
        f"{level} {amount(charge, row.unit)}{f' ({_percent(charge, whole)})' if whole and charge else ''}"
        for level, charge in row.certainty.items()
    )
    return Text(between).join(shown(part) for part in parts)


def _percent(part: Decimal, whole: Decimal) -> str:
    """Return a share in whole percent; a small one is not nothing, and not quite all is not all."""
    percent = round(Fraction(part) * _ALL / Fraction(whole))
    if not percent:
        return "<1 %"
    return f"{percent} %" if percent < _ALL or part == whole else ">99 %"


def _ended(answer: Spend) -> Iterator[RenderableType]:
    words = tuple(ended_words(answer))
    if words:
        yield Text()
        yield Text(f"{', '.join(words)}; `tf explain ID` says why", style="dim")


def _calls(number: int) -> str:
    return f"{count(number)} call" if number == 1 else f"{count(number)} calls"
