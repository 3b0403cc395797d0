"""Tasks started, raised and stopped by hand, on a running proxy or without one.

`tasked` turns an order into the entry to append, or says why not. What a cap refuses is `core/budgets.py`'s part.
"""

from decimal import Decimal, InvalidOperation

from msgspec.structs import replace

from tokens_forge.core.adjustment import ASKS, Unadjusted
from tokens_forge.core.book import COUNT_UNITS
from tokens_forge.core.budget_check import budget_findings
from tokens_forge.core.budgets import CAP, cap_of, stopped
from tokens_forge.core.config import NAME_RULE, Cap, Config, Task, is_name, near_name
from tokens_forge.core.config_amounts import units_of
from tokens_forge.core.entries import Record, TaskAction, Tasked
from tokens_forge.core.errors import MoneyError
from tokens_forge.core.fold import Fold
from tokens_forge.core.money import read_amount, text
from tokens_forge.core.typed import kept_form, read_typed, unasked


class TaskOrder(Record, frozen=True, kw_only=True):
    """What the user asks for, as it also goes over the control socket."""

    task: str
    action: TaskAction
    cap: str = ""
    """``20.00 USD``: what it may cost in all; with a plus (``+5.00 USD``), so much more than now."""
    soft: str = ""
    """The share of the cap from which on to warn."""
    at_cap: str = ""
    """``refuse`` or ``wait 10m``."""
    called: bool = False
    """Whether the ledger has a call of this name: the fold keeps none of those that ended."""
    yes: bool = False
    """Whether to enter it though something about it is odd."""


def tasked(order: TaskOrder, config: Config, fold: Fold, at: str) -> Tasked | Unadjusted:
    """Return the entry to append for `order` at `at`, or why there is none, with the next step."""
    name = order.task
    if not is_name(name):
        return Unadjusted(why=f"`{name}` is no name of a task: {NAME_RULE}")
    if order.action == "stopped":
        return _stopped(order, config, fold)
    before = cap_of(config, fold.budgets, name)
    try:
        cap = _cap(order, before, config)
    except MoneyError as error:
        return Unadjusted(why=str(error))
    if cap is None:
        what = f'say what `{name}` may cost: `tf task raise {name} "30 USD"`, or `"+10 USD"`'
        return Unadjusted(why=what) if order.action == "raised" else Tasked(task=name, action=order.action)
    if against := _against(name, cap, config) or ("" if order.yes else _odd(name, cap, fold, at)):
        return Unadjusted(why=against)
    soft = "" if cap.soft is None else text(cap.soft)
    was = "" if before is None else before.limit
    return Tasked(task=name, action=order.action, cap=cap.limit, soft=soft, at_cap=cap.at_cap, before=was)


def reverse(entry: Tasked) -> str:
    """Return the command that takes an entry back."""
    if entry.action == "stopped":
        return f"tf task start {entry.task}"
    return f'tf task raise {entry.task} "{unasked(entry.before)}"' if entry.before else f"tf task stop {entry.task}"


def _stopped(order: TaskOrder, config: Config, fold: Fold) -> Tasked | Unadjusted:
    """Return the entry that stops a task, which must be one that the config, an entry or a call named."""
    name = order.task
    if since := stopped(fold.budgets, name):
        return Unadjusted(why=f"`{name}` was stopped at {since} already")
    known = {*config.task, *fold.budgets.tasks, *(call.routed.task for call in fold.calls.values())}
    if name not in known and not (order.called or order.yes):
        near = near_name(name, (one for one in known if one))
        return Unadjusted(why=f"no call, entry or config ever named a task `{name}`.{near} {ASKS}")
    return Tasked(task=name, action="stopped")


def _odd(name: str, cap: Cap, fold: Fold, at: str) -> str:
    """Return what is odd about a cap that may be set, empty for nothing: one that is spent refuses every call."""
    limit = read_amount(cap.limit)
    spent = fold.budgets.state(f"task.{name}/{CAP}", limit.unit).spent(at)
    if spent < limit.value:
        return ""
    instead = f"to end it, `tf task stop {name}`"
    return f"`{name}` has spent {text(spent)} {limit.unit}: with {limit} it could spend no more; {instead}. {ASKS}"


def _against(name: str, cap: Cap, config: Config) -> str:
    """Return what stands against a cap, by the very checks of one in the config; empty for nothing."""
    # The cap may be a sum, which nobody typed.
    checked = replace(config, task={name: Task(cap=replace(cap, limit=unasked(cap.limit)))})
    return next((found.what for found in budget_findings(checked) if found.path[:2] == ("task", name)), "")


def _cap(order: TaskOrder, before: Cap | None, config: Config) -> Cap | None:
    """Return the cap that the order means; what it does not say stays. None when it says nothing of a cap."""
    if not (order.cap or order.soft or order.at_cap):
        return None
    return Cap(
        limit=_limit(order, before, config),
        soft=_share(order.soft) if order.soft else (before.soft if before else None),
        at_cap=order.at_cap or (before.at_cap if before else "refuse"),
        count=before.count if before else "charge",
    )


def _limit(order: TaskOrder, before: Cap | None, config: Config) -> str:
    """Return what the task may cost in all. A bare number is in the unit of the cap that it has."""
    written, known = order.cap.strip(), units_of(config)
    if before is None:
        if written.startswith("+"):
            raise MoneyError(f"`{order.task}` has no cap to add to: write what it may cost in all")
        return kept_form(written, known=known)
    then = read_amount(before.limit)
    if not written:
        return before.limit
    if written.startswith("+"):
        return str(then + read_typed(written[1:], then.unit, known))
    now = read_typed(written, then.unit, known)
    # What was spent is counted in the cap's unit, and would be forgotten.
    if now.unit != then.unit and now.unit not in COUNT_UNITS:
        raise MoneyError(f"the cap of `{order.task}` is in {then.unit}: write it in {then.unit}, not in {now.unit}")
    return kept_form(written, then.unit, known)


def _share(written: str) -> Decimal:
    try:
        return Decimal(written)
    except InvalidOperation:
        raise MoneyError(f"`{written}` is no share of the cap: write one such as 0.8") from None
