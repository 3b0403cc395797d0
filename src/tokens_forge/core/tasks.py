"""Tasks started, raised and stopped by hand, on a running proxy or without one.

`tasked` turns an order into the entry to append, or says why not. What a cap refuses is `core/budgets.py`'s part.
"""

from decimal import Decimal, InvalidOperation

from msgspec.structs import replace

from tokens_forge.core.adjustment import Unadjusted
from tokens_forge.core.book import COUNT_UNITS
from tokens_forge.core.budget_check import budget_findings
from tokens_forge.core.budgets import cap_of, stopped
from tokens_forge.core.config import NAME_RULE, Cap, Config, Task, is_name
from tokens_forge.core.entries import Record, TaskAction, Tasked
from tokens_forge.core.errors import MoneyError
from tokens_forge.core.fold import Fold
from tokens_forge.core.money import read_amount, text


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


def tasked(order: TaskOrder, config: Config, fold: Fold) -> Tasked | Unadjusted:
    """Return the entry to append for `order`, or why there is none, with the next step."""
    name = order.task
    if not is_name(name):
        return Unadjusted(why=f"`{name}` is no name of a task: {NAME_RULE}")
    if order.action == "stopped":
        since = stopped(fold.budgets, name)
        return Unadjusted(why=f"`{name}` was stopped at {since} already") if since else _entry(order, None)
    try:
        cap = _cap(order, cap_of(config, fold.budgets, name))
    except MoneyError as error:
        return Unadjusted(why=str(error))
    if cap is None and order.action == "raised":
        return Unadjusted(why=f'say what `{name}` may cost: `tf task raise {name} "30 USD"`, or `"+10 USD"`')
    against = "" if cap is None else _against(name, cap, config)
    return Unadjusted(why=against) if against else _entry(order, cap)


def _entry(order: TaskOrder, cap: Cap | None) -> Tasked:
    if cap is None:
        return Tasked(task=order.task, action=order.action)
    soft = "" if cap.soft is None else text(cap.soft)
    return Tasked(task=order.task, action=order.action, cap=cap.limit, soft=soft, at_cap=cap.at_cap)


def _against(name: str, cap: Cap, config: Config) -> str:
    """Return what stands against a cap, by the very checks of one in the config; empty for nothing."""
    checked = replace(config, task={name: Task(cap=cap)})
    return next((found.what for found in budget_findings(checked) if found.path[:2] == ("task", name)), "")


def _cap(order: TaskOrder, before: Cap | None) -> Cap | None:
    """Return the cap that the order means; what it does not say stays. None when it says nothing of a cap."""
    if not (order.cap or order.soft or order.at_cap):
        return None
    limit = order.cap.strip() or (before.limit if before else "")
    if before is not None and not limit.startswith("+"):
        now, then = read_amount(limit), read_amount(before.limit)
        # What was spent is counted in the cap's unit, and would be forgotten.
        if now.unit != then.unit and now.unit not in COUNT_UNITS:
            raise MoneyError(f"the cap of `{order.task}` is in {then.unit}: write it in {then.unit}, not in {now.unit}")
    if limit.startswith("+"):
        if before is None:
            raise MoneyError(f"`{order.task}` has no cap to add to: write what it may cost in all")
        limit = str(read_amount(before.limit) + read_amount(limit[1:]))
    return Cap(
        limit=limit,
        soft=_share(order.soft) if order.soft else (before.soft if before else None),
        at_cap=order.at_cap or (before.at_cap if before else "refuse"),
        count=before.count if before else "charge",
    )


def _share(written: str) -> Decimal:
    try:
        return Decimal(written)
    except InvalidOperation:
        raise MoneyError(f"`{written}` is no share of the cap: write one such as 0.8") from None
