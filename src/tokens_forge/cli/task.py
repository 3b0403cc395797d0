"""`tf task`: named pieces of work, what each may cost, and starting, raising and stopping them.

A running proxy takes it at once; without one the command writes to the ledger itself.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from tokens_forge.cli.output import hint, say, say_json, show
from tokens_forge.core.config import is_name
from tokens_forge.core.errors import ForgeError
from tokens_forge.files.paths import Paths

if TYPE_CHECKING:
    from tokens_forge.core.entries import TaskAction, Tasked
    from tokens_forge.core.fold import Fold
    from tokens_forge.core.settlement import Terms
    from tokens_forge.core.tasks import TaskOrder

app = typer.Typer(help="Start, raise and stop tasks, and show what they have left.", rich_markup_mode=None)

_Name = Annotated[str, typer.Argument(metavar="NAME", help="The task, as clients name it in `x-tf-task`.")]
_Soft = Annotated[str, typer.Option(help="The share of the cap from which on to warn: 0.8.", show_default=False)]
_AtCap = Annotated[
    str, typer.Option("--at-cap", help="What a call does at the cap: refuse, or `wait 10m`.", show_default=False)
]
_Yes = Annotated[bool, typer.Option("--yes", help="Go on where something about it is odd.")]
_AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback(invoke_without_command=True)
def task(ctx: typer.Context, as_json: _AsJson = False) -> None:
    """Show every task's cap and budgets: what is left, spent, and held by calls under way."""
    if ctx.invoked_subcommand is not None:
        return
    from tokens_forge.cli.state import state

    rows = tuple(row for row in state(ctx.obj).budgets if row.name.startswith("task."))
    if as_json:
        say_json({"tasks": rows})
    elif rows:
        from tokens_forge.view.balances import budgets_view

        show(budgets_view(rows))
    else:
        hint('No task has a cap: `tf task start NAME --cap "20 USD"`, or `[task.NAME]` in the config.')


@app.command()
def start(
    ctx: typer.Context,
    name: _Name,
    cap: Annotated[str, typer.Option(help='What it may cost in all: "20 USD".', show_default=False)] = "",
    soft: _Soft = "",
    at_cap: _AtCap = "",
    yes: _Yes = False,
    as_json: _AsJson = False,
) -> None:
    """Let a task spend, again if it was stopped.

    What counted against its cap before stays counted.
    """
    if not cap and (soft or at_cap):
        raise ForgeError(f"`{'--soft' if soft else '--at-cap'}` belongs to a cap: say `--cap` too")
    _set_cap(ctx.obj, name, "started", cap=cap, soft=soft, at_cap=at_cap, yes=yes, as_json=as_json)


@app.command("raise")
def raise_cap(
    ctx: typer.Context,
    name: _Name,
    cap: Annotated[
        str, typer.Argument(metavar="AMOUNT", help='What it may cost in all, or more: "30 USD", "+10 USD".')
    ],
    soft: _Soft = "",
    at_cap: _AtCap = "",
    yes: _Yes = False,
    as_json: _AsJson = False,
) -> None:
    """Change what a task may cost; calls that wait at its cap go on."""
    _set_cap(ctx.obj, name, "raised", cap=cap, soft=soft, at_cap=at_cap, yes=yes, as_json=as_json)


def _set_cap(
    paths: Paths, name: str, action: "TaskAction", *, cap: str, soft: str, at_cap: str, yes: bool, as_json: bool
) -> None:
    from tokens_forge.core.tasks import TaskOrder

    order = TaskOrder(task=name, action=action, cap=cap, soft=soft, at_cap=at_cap, yes=yes)
    _carry_out(paths, order, as_json=as_json)


@app.command()
def stop(ctx: typer.Context, name: _Name, yes: _Yes = False, as_json: _AsJson = False) -> None:
    """Refuse further calls of a task; those under way end as they would.

    Undone by `tf task start`. A name that nobody knows is refused: a slip of the pen would stop nothing.
    """
    from tokens_forge.core.tasks import TaskOrder
    from tokens_forge.files.hand_entries import task_called

    paths: Paths = ctx.obj
    called = is_name(name) and task_called(paths.ledger, name)
    _carry_out(paths, TaskOrder(task=name, action="stopped", called=called, yes=yes), as_json=as_json)


def _carry_out(paths: Paths, order: "TaskOrder", *, as_json: bool) -> None:
    from tokens_forge.cli.state import carried_out
    from tokens_forge.core.adjustment import Unadjusted
    from tokens_forge.core.entries import Tasked
    from tokens_forge.core.tasks import reverse, tasked

    def here(terms: "Terms", fold: "Fold", at: str) -> "tuple[Tasked, ...] | str":
        entry = tasked(order, terms.config, fold, at)
        return entry.why if isinstance(entry, Unadjusted) else (entry,)

    done = carried_out(paths, "/task", order, here)
    if as_json:
        say_json(done)
        return
    for entry in done.entries:
        if isinstance(entry, Tasked):
            soft_limit = f", warning from {entry.soft} of it on" if entry.soft else ""
            at = f"; at the cap: {entry.at_cap}" if entry.at_cap else ""
            say(f"task {entry.task} {entry.action}{f': may cost {entry.cap}' if entry.cap else ''}{soft_limit}{at}")
            hint(f"undo with: {reverse(entry)}")
