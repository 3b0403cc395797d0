"""`tf balance`: what is there, and moving it by hand.

A running proxy is asked over its socket; without one the command opens the ledger itself, under its lock.
"""

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperCommand

from tokens_forge.cli.output import hint, say, say_json, show
from tokens_forge.core.errors import ForgeError
from tokens_forge.files.paths import Paths

if TYPE_CHECKING:
    from tokens_forge.cli.state import Done
    from tokens_forge.core.adjustment import AdjustReason, Order
    from tokens_forge.core.entries import Adjusted, AnyEntry, Recovered, Settled
    from tokens_forge.core.fold import Fold
    from tokens_forge.core.settlement import Terms

app = typer.Typer(help="Show the balances, and move them by hand.", rich_markup_mode=None)

_FLAGS = ("--yes", "--json")
"""Options without a value."""


class _Moves(TyperCommand):
    """A command with an amount: it says how a negative one is written, which looks like an option."""

    # The context is click's own, which typer brings under a private name.
    def parse_args(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, ctx: typer.Context, args: list[str]
    ) -> list[str]:
        """Refuse an amount such as ``-5 USD`` before `--`, unless an option takes it."""
        before_mark = args[: args.index("--")] if "--" in args else args
        for before, arg in pairwise(("", *before_mark)):
            taken = before.startswith("--") and "=" not in before and before not in _FLAGS
            if re.match(r"-[0-9.]", arg) and not taken:
                ctx.fail(f'`{arg}` looks like an option: a negative amount stands last, after `--`: `-- "{arg}"`')
        return super().parse_args(ctx, args)


_Name = Annotated[str, typer.Argument(metavar="NAME", help="The balance.")]
_Money = Annotated[str, typer.Argument(metavar="AMOUNT", help='How much, in the balance\'s unit: "500 CNY".')]
_Note = Annotated[str, typer.Option(help="A remark that is kept with it.", show_default=False)]
_Ref = Annotated[str, typer.Option(help="An invoice or receipt; it counts once.", show_default=False)]
_Yes = Annotated[bool, typer.Option("--yes", help="Enter it where something about it is odd.")]
_AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback(invoke_without_command=True)
def balance(ctx: typer.Context, as_json: _AsJson = False) -> None:
    """Show every balance and budget: what is posted and spent, held by calls under way, what may still be held.

    Also what a balance burns a day and when it is empty at that rate, when a window gives back, which money expires.
    """
    if ctx.invoked_subcommand is None:
        _show(ctx.obj, as_json=as_json)


@app.command(cls=_Moves)
def topup(
    ctx: typer.Context,
    name: _Name,
    amount: _Money,
    paid: Annotated[str, typer.Option(help='What was paid for it: "70.90 USD".', show_default=False)] = "",
    fee: Annotated[str, typer.Option(help="The fee in it, with its unit.", show_default=False)] = "",
    ref: _Ref = "",
    expires: Annotated[
        str, typer.Option(metavar="DAY", help="The last day (UTC) on which it can be spent.", show_default=False)
    ] = "",
    note: _Note = "",
    yes: _Yes = False,
    as_json: _AsJson = False,
) -> None:
    """Add money that came in: to a prepaid balance a lot, to a postpaid one a payment."""
    from tokens_forge.core.adjustment import Order

    order = Order(
        balance=name,
        kind="topup",
        amount=amount,
        paid=paid,
        fee=fee,
        ref=ref,
        expires=expires,
        note=note,
        yes=yes,
    )
    _carry_out(ctx.obj, order, as_json=as_json)


@app.command("set", cls=_Moves)
def set_to(ctx: typer.Context, name: _Name, amount: _Money, note: _Note = "", as_json: _AsJson = False) -> None:
    """Post what the provider's page shows; the difference is named unexplained.

    Of a prepaid balance that is the money there, of a postpaid one what is owed in its period, of a pool what is left.
    """
    from tokens_forge.core.adjustment import Order

    _carry_out(ctx.obj, Order(balance=name, kind="set", amount=amount, note=note), as_json=as_json)


@app.command(cls=_Moves)
def refund(
    ctx: typer.Context,
    name: _Name,
    amount: _Money,
    ref: _Ref = "",
    note: _Note = "",
    yes: _Yes = False,
    as_json: _AsJson = False,
) -> None:
    """Take off what the provider paid back to you. What it gave back to the balance is an `adjust`."""
    from tokens_forge.core.adjustment import Order

    _carry_out(ctx.obj, Order(balance=name, kind="refund", amount=amount, ref=ref, note=note, yes=yes), as_json=as_json)


@app.command()
def close(
    ctx: typer.Context,
    name: _Name,
    to: Annotated[
        str, typer.Option(metavar="NAME", help="The balance of the same unit that takes it over.", show_default=False)
    ] = "",
    note: _Note = "",
    as_json: _AsJson = False,
) -> None:
    """Empty a balance, so that it can go from the config: what is left goes to another one, or is given up."""
    from tokens_forge.core.adjustment import Order

    _carry_out(ctx.obj, Order(balance=name, kind="close", to=to, note=note), as_json=as_json)


@app.command(cls=_Moves)
def adjust(
    ctx: typer.Context,
    name: _Name,
    amount: _Money,
    reason: Annotated[
        str, typer.Option(help="correction, fee, reconciled, used_elsewhere or unexplained.")
    ] = "correction",
    corrects: Annotated[
        str,
        typer.Option(help="The call whose charge this corrects (a positive amount gives back).", show_default=False),
    ] = "",
    ref: _Ref = "",
    note: _Note = "",
    yes: _Yes = False,
    as_json: _AsJson = False,
) -> None:
    """Add to a balance or take from it, saying why.

    A negative amount stands after `--`: tf balance adjust NAME --reason fee -- "-1 USD"
    """
    from msgspec.structs import replace

    from tokens_forge.core.adjustment import Order

    order = Order(balance=name, kind="adjust", amount=amount, reason=_reason(reason), ref=ref, note=note, yes=yes)
    if corrects:
        order = replace(order, **_corrected(ctx.obj, name, corrects, amount))
    _carry_out(ctx.obj, order, as_json=as_json)


@app.command()
def undo(
    ctx: typer.Context,
    entry: Annotated[
        str, typer.Argument(metavar="NUMBER|REF|last", help="The entry's number, its reference, or the last one.")
    ] = "last",
    note: _Note = "",
    yes: _Yes = False,
    as_json: _AsJson = False,
) -> None:
    """Take an entry by hand back, by a counter-entry that names it; what a `close` moved comes back whole.

    The lots, windows and budgets that it moved get back what it took, and its reference may be used again.
    """
    from tokens_forge.cli.state import carried_out
    from tokens_forge.core.adjustment import Unadjusted
    from tokens_forge.core.undo import ToUndo, UndoOrder, taken_back
    from tokens_forge.files.hand_entries import to_undo

    paths: Paths = ctx.obj
    found = to_undo(paths.ledger, entry)
    if done := next((one for one in found if one.undone_by), None):
        raise ForgeError(f"entry {done.line.seq} was taken back already, by entry {done.undone_by}")
    entries = tuple(ToUndo(seq=one.line.seq, ts=one.line.ts, entry=one.entry) for one in found)
    order = UndoOrder(entries=entries, note=note, yes=yes)

    def here(terms: "Terms", fold: "Fold", at: str) -> "tuple[Adjusted, ...] | str":
        counters = taken_back(order, terms, fold, at)
        return counters.why if isinstance(counters, Unadjusted) else counters

    _say_done(carried_out(paths, "/undo", order, here), as_json=as_json)


@app.command()
def log(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Only this balance's.", show_default=False)] = "",
    last: Annotated[int, typer.Option("--last", metavar="N", help="So many of the last.", min=1)] = 20,
    as_json: _AsJson = False,
) -> None:
    """List what was entered by hand, the last first, with the number by which `tf balance undo` takes it back."""
    from itertools import islice

    from tokens_forge.files.hand_entries import movements
    from tokens_forge.files.ledger_writer import stand

    paths: Paths = ctx.obj
    now = stand(paths).fold.book.name
    every = (one for one in movements(paths.ledger) if name in {"", one.entry.balance, now(one.entry.balance)})
    found = tuple(islice(every, last))
    if as_json:
        rows = [
            {"seq": one.line.seq, "ts": one.line.ts, "undone_by": one.undone_by, "entry": one.entry} for one in found
        ]
        say_json({"entries": rows})
    elif found:
        from tokens_forge.view.balances import log_view

        show(log_view(tuple((one.line.seq, one.line.ts, one.entry, one.undone_by) for one in found)))
    else:
        hint("Nothing was entered by hand yet.")


def _show(paths: Paths, *, as_json: bool) -> None:
    from tokens_forge.cli.state import state

    now = state(paths)
    if as_json:
        say_json({"balances": now.balances, "budgets": now.budgets})
        return
    from tokens_forge.view.balances import balances_view, budgets_view

    show(balances_view(now.balances))
    if now.budgets:
        say("")
        show(budgets_view(now.budgets))


def _reason(written: str) -> "AdjustReason":
    from typing import cast, get_args

    from tokens_forge.core.adjustment import AdjustReason
    from tokens_forge.core.config import did_you_mean

    if written not in get_args(AdjustReason):
        raise ForgeError(f"no reason `{written}`.{did_you_mean(written, get_args(AdjustReason))}")
    return cast("AdjustReason", written)


def _corrected(paths: Paths, name: str, call: str, amount: str) -> dict[str, str]:
    """Return what a correction takes over from the call that it corrects, so that reports follow."""
    from tokens_forge.core.entries import Settled
    from tokens_forge.files.ledger_reader import find
    from tokens_forge.files.ledger_writer import stand

    now = stand(paths).fold.book.name  # the entry has the name that the balance had then
    story = find(paths.ledger, call)
    paid = [line.entry for line in story if isinstance(line.entry, Settled)]
    settled = next((entry for entry in reversed(paid) if name in {entry.balance, now(entry.balance)}), None)
    if settled is None:
        by = ", ".join(sorted({f"`{entry.balance}`" for entry in paid})) or "nothing"
        raise ForgeError(f"{paid[-1].id if paid else call} was not paid by `{name}` but by {by}")
    _no_more_than_paid(settled, [line.entry for line in story], amount)
    return {
        "corrects": settled.id,
        "key": settled.key,
        "task": settled.task,
        "route": settled.route,
        "upstream_model": settled.upstream_model,
    }


def _no_more_than_paid(settled: "Settled", story: "list[AnyEntry]", amount: str) -> None:
    """Refuse to give back more than a call cost, less what was given back already."""
    from decimal import Decimal

    from tokens_forge.core.entries import Adjusted
    from tokens_forge.core.errors import MoneyError
    from tokens_forge.core.money import subtract, text
    from tokens_forge.core.typed import read_typed

    left = Decimal(settled.charge)
    for entry in story:
        if isinstance(entry, Adjusted) and entry.unit == settled.unit:
            left = subtract(left, Decimal(entry.amount))
    try:
        back = read_typed(amount, settled.unit)
    except MoneyError:
        return  # told with the order
    if back.unit == settled.unit and back.value > left:
        raise ForgeError(
            f"{settled.id} cost {text(left)} {settled.unit} by now: {back} is more than can be given back for it. "
            "Without --corrects it is no correction of a call"
        )


def _carry_out(paths: Paths, order: "Order", *, as_json: bool) -> None:
    from tokens_forge.cli.state import carried_out
    from tokens_forge.core.adjustment import Unadjusted, adjusted

    def here(terms: "Terms", fold: "Fold", at: str) -> "tuple[Adjusted | Recovered, ...] | str":
        entries = adjusted(order, terms, fold, at)
        return entries.why if isinstance(entries, Unadjusted) else entries

    done = carried_out(paths, "/adjust", order, here)
    if not done.entries and not as_json:
        hint(f"`{order.balance}` is {_with_unit(paths, order) or 'empty'} already: nothing was entered")
    _say_done(done, as_json=as_json)


def _with_unit(paths: Paths, order: "Order") -> str:
    """Return the amount of an order that was carried out, with the balance's unit where it was written without."""
    from tokens_forge.cli.state import config_or_none
    from tokens_forge.core.book import unit_of
    from tokens_forge.core.typed import read_typed

    config = config_or_none(paths)
    balance = config.balance.get(order.balance) if config else None
    return str(read_typed(order.amount, unit_of(balance))) if balance and order.amount else order.amount


def _say_done(done: "Done", *, as_json: bool) -> None:
    """Print what was entered, and how it is taken back."""
    from tokens_forge.core.entries import Adjusted, Recovered

    if as_json:
        say_json(done)
        return
    for entry in done.entries:
        if isinstance(entry, Adjusted):
            sign = "" if entry.amount.startswith("-") else "+"
            moved = f"{entry.balance} {sign}{entry.amount} {entry.unit} ({entry.reason})"
            left = " left" if entry.windows else ""
            back = f" takes back entry {entry.undoes}" if entry.undoes else ""
            say(f"{moved}{back}: {entry.balance_before} → {entry.balance_after} {entry.unit}{left}")
        elif isinstance(entry, Recovered):
            say(f"{entry.name} is no longer passed over as empty")
    moved = [seq for seq, entry in zip(done.seqs, done.entries, strict=False) if _can_be_undone(entry)]
    if moved:
        hint(f"undo with: tf balance undo {moved[0]}")


def _can_be_undone(entry: "AnyEntry") -> bool:
    from tokens_forge.core.entries import Adjusted

    return isinstance(entry, Adjusted) and not entry.undoes
