"""Tasks started, raised and stopped by hand: the entry, or why there is none."""

from datetime import date
from decimal import Decimal

import msgspec
import pytest
from builders import Bench, agreed, config

from tokens_forge.core.adjustment import Unadjusted
from tokens_forge.core.budgets import cap_of, stopped
from tokens_forge.core.config import Cap, Rate, Report, Task
from tokens_forge.core.entries import Adjusted, Counted, TaskAction, Tasked
from tokens_forge.core.tasks import TaskOrder, reverse, tasked

CAPPED = Task(cap=Cap(limit="4 USD", soft=Decimal("0.8"), at_cap="wait 5s", count="list"))


def bench() -> Bench:
    """Return a bench whose config has the task `written`."""
    fx = Report(fx={"CNY": (Rate(valid_from=date(2026, 1, 1), rate=Decimal(7)),)})
    return Bench(terms=agreed(config(task={"written": CAPPED, "bare": Task()}, report=fx)))


def order(made: Bench, task: str, action: TaskAction, **more: object) -> Tasked | str:
    """Carry an order out; return the entry, or why not."""
    entry = tasked(
        msgspec.convert({"task": task, "action": action, **more}, TaskOrder), made.terms.config, made.fold, made.at
    )
    if isinstance(entry, Unadjusted):
        return entry.why
    made.append(entry)
    return entry


def test_a_task_from_start_to_stop() -> None:
    """It may spend to its cap; a raise adds or replaces, what it does not say stays; a start after a stop goes on."""
    made = bench()
    first = order(made, "research", "started", cap="20 USD", soft="0.8", at_cap="wait 10m")
    assert Tasked(task="research", action="started", cap="20 USD", soft="0.8", at_cap="wait 10m") == first
    raised = order(made, "research", "raised", cap="+5 USD")
    assert (
        Tasked(task="research", action="raised", cap="25 USD", soft="0.8", at_cap="wait 10m", before="20 USD") == raised
    )
    order(made, "research", "raised", cap="30 USD", at_cap="refuse")
    assert Cap(limit="30 USD", soft=Decimal("0.8")) == cap_of(made.terms.config, made.fold.budgets, "research")
    assert "" == stopped(made.fold.budgets, "research")
    assert Tasked(task="research", action="stopped") == order(made, "research", "stopped")
    assert made.at == stopped(made.fold.budgets, "research")
    assert f"`research` was stopped at {made.at} already" == order(made, "research", "stopped")
    assert Tasked(task="research", action="started") == order(made, "research", "started")
    assert "" == stopped(made.fold.budgets, "research")
    assert made.fold == made.replayed()


def test_what_the_config_says_is_where_a_raise_begins() -> None:
    """A cap of the file is added to; its soft limit and what happens at it stay."""
    made = bench()
    raised = order(made, "written", "raised", cap="+1.50 USD")
    assert (
        Tasked(task="written", action="raised", cap="5.5 USD", soft="0.8", at_cap="wait 5s", before="4 USD") == raised
    )
    assert "5.5 USD" == getattr(cap_of(made.terms.config, made.fold.budgets, "written"), "limit", "")
    assert cap_of(made.terms.config, made.fold.budgets, "bare") is None
    assert cap_of(made.terms.config, made.fold.budgets, "never heard of") is None


def test_a_raise_is_checked_by_what_the_cap_counts() -> None:
    """Where only a pool pays, a cap that counts list prices may be raised; one of charges would bind nothing."""
    plan = config()
    made = Bench(
        terms=agreed(
            config(
                balance={"plan": plan.balance["plan"]},
                route={"plan": plan.route["plan"]},
                task={"listed": Task(cap=Cap(limit="4 USD", count="list"))},
            )
        )
    )
    assert Tasked(task="listed", action="raised", cap="5 USD", at_cap="refuse", before="4 USD") == order(
        made, "listed", "raised", cap="+1 USD"
    )
    why = order(made, "other", "started", cap="1 USD")
    assert isinstance(why, str)
    assert why.startswith("none of its routes pays in money, so nothing counts against it")


@pytest.mark.parametrize(
    ("task", "action", "more", "why"),
    [
        ("a/b", "started", {}, "`a/b` is no name of a task"),
        ("new", "raised", {}, 'say what `new` may cost: `tf task raise new "30 USD"`, or `"+10 USD"`'),
        ("new", "raised", {"cap": "+5 USD"}, "`new` has no cap to add to: write what it may cost in all"),
        ("written", "raised", {"cap": "+5 CNY"}, "4 USD and 5 CNY are of different units and never add or compare"),
        ("written", "raised", {"cap": "5 CNY"}, "the cap of `written` is in USD: write it in USD, not in CNY"),
        ("new", "started", {"cap": "five"}, "`five` is no amount"),
        ("new", "started", {"soft": "0.8"}, "`` is no amount"),
        ("new", "started", {"cap": "5 USD", "soft": "most"}, "`most` is no share of the cap: write one such as 0.8"),
        ("new", "started", {"cap": "5 USD", "soft": "2"}, "2 is no share of the limit: write one such as 0.8"),
        ("new", "started", {"cap": "0 USD"}, "`0 USD` is nothing: write an amount of more than 0"),
        ("new", "started", {"cap": "5 USD", "at_cap": "cry"}, "`cry` is none: write `refuse`"),
    ],
)
def test_what_is_refused(task: str, action: TaskAction, more: dict[str, str], why: str) -> None:
    """The checks of a cap in the config hold for one by hand; the answer says what to write instead."""
    answer = order(bench(), task, action, **more)
    assert isinstance(answer, str)
    assert answer.startswith(why)


def test_a_task_that_nobody_knows_is_asked() -> None:
    """A slip of the pen stops nothing: a name of the config, an entry or a call is a task, another only by `yes`."""
    made = bench()
    assert order(made, "writen", "stopped") == (
        "no call, entry or config ever named a task `writen`. Did you mean `written`? "
        "Say `--yes` to enter it all the same"
    )
    assert order(made, "other", "stopped") == (
        "no call, entry or config ever named a task `other`. Say `--yes` to enter it all the same"
    )
    for task, more in (("written", {}), ("other", {"yes": True}), ("ended", {"called": True})):
        assert Tasked(task=task, action="stopped") == order(made, task, "stopped", **more)
    made.route(task="open")
    assert Tasked(task="open", action="stopped") == order(made, "open", "stopped")


def test_a_cap_below_what_is_spent_is_asked() -> None:
    """It would refuse every further call, which `tf task stop` says."""
    made = bench()
    made.topup(credit="1 USD")
    budget = Counted(budget="task.written/cap", amount="3", unit="USD")
    made.append(Adjusted(balance="credit", amount="-3", unit="USD", reason="correction", counted=(budget,)))
    assert order(made, "written", "raised", cap="3") == (
        "`written` has spent 3 USD: with 3 USD it could spend no more; to end it, `tf task stop written`. "
        "Say `--yes` to enter it all the same"
    )
    assert isinstance(order(made, "written", "raised", cap="3", yes=True), Tasked)
    assert isinstance(order(made, "written", "raised", cap="$3.50"), Tasked)


def test_how_each_is_taken_back() -> None:
    """Stopping by starting, a cap by the one before, a first start by stopping."""
    made = bench()
    entries = (
        order(made, "written", "raised", cap="+1.50 usd"),
        order(made, "written", "stopped"),
        order(made, "research", "started", cap="20 USD"),
        order(made, "bare", "started"),
        order(made, "research", "raised", soft="0.5"),
    )
    assert [
        'tf task raise written "4 USD"',
        "tf task start written",
        "tf task stop research",
        "tf task stop bare",
        'tf task raise research "20 USD"',
    ] == [reverse(entry) for entry in entries if isinstance(entry, Tasked)]
