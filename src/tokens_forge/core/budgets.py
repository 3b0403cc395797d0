"""Budgets and caps: what calls may spend together, whoever pays, and what counts against it.

A budget binds a key, task, route or balance in a calendar's period; a cap binds a task for its lifetime; a model's
`cross` binds what crossed into another class. Money in another unit counts through the report's dated exchange rates,
frozen in `counted`. `Budgets.apply` is the only thing that changes them. What pays is `core/book.py`'s part.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import assert_never

import msgspec

from tokens_forge.core import config
from tokens_forge.core.book import follow_name
from tokens_forge.core.config import Config, Counting, Holding, Per
from tokens_forge.core.entries import (
    Adjusted,
    AnyEntry,
    Counted,
    Held,
    NamedScope,
    Renamed,
    Settled,
    Tasked,
    Voided,
    attempt_name,
)
from tokens_forge.core.moments import moment, read_duration_ms
from tokens_forge.core.money import ZERO, Amount, add, divided, multiply, read_amount, rounded, subtract, text
from tokens_forge.core.windows import MONDAYS_IN_UTC, Calendar, Span, count, current, period, used

CAP = "cap"
"""What stands for the period in a cap's name."""

FOR_EVER = "9999-12-31T00:00:00.000000Z"
"""The end of what has none."""


class BudgetState(msgspec.Struct, kw_only=True):
    """One budget as its entries add up to."""

    unit: str
    spans: list[Span] = []
    """The periods that are not over."""
    held: Decimal = ZERO
    """The sum of `holds`."""
    holds: dict[str, Decimal] = {}
    """What live holds count, by attempt (ID/N)."""

    def spent(self, at: str) -> Decimal:
        """Return what was settled in the period at `at`."""
        return used(self.spans, at)

    def add(self, other: "BudgetState") -> None:
        """Take over what counted under an earlier name."""
        for span in other.spans:
            count(self.spans, span.start, span.end, span.used, span.start)
        self.holds |= other.holds
        self.held = add(self.held, other.held)


class TaskState(msgspec.Struct, kw_only=True):
    """What `tf task` said of a task."""

    started: str = ""
    stopped: str = ""
    """When it was stopped; empty while it may spend."""
    cap: str = ""
    soft: str = ""
    at_cap: str = ""


class Budgets(msgspec.Struct, kw_only=True):
    """All budgets by SCOPE.NAME/PERIOD, and the tasks that were started or stopped by hand."""

    budgets: dict[str, BudgetState] = {}
    beside: dict[str, BudgetState] = {}
    """What counts in another unit than the state in `budgets`, by SCOPE.NAME/PERIOD UNIT: a budget was given a new one,
    and calls that began before end in the old."""
    names: dict[str, str] = {}
    """Earlier names (SCOPE.NAME) to the name now."""
    tasks: dict[str, TaskState] = {}

    def apply(self, ts: str, entry: AnyEntry) -> None:
        """Follow `entry`, appended at `ts`."""
        match entry:
            case Held():
                name = attempt_name(entry.id, entry.n)
                for counted in entry.counted:
                    state = self._state(counted)
                    state.holds[name] = amount = Decimal(counted.amount)
                    state.held = add(state.held, amount)
            case Settled():
                self._end_holds(entry)
                self._count(ts, entry.counted)
            case Voided():
                self._end_holds(entry)
            case Adjusted():
                self._count(ts, entry.counted)
            case Tasked():
                self._tasked(ts, entry)
            case Renamed():
                self._rename(entry.scope, entry.was, entry.name)
            case _:
                pass

    def state(self, name: str, unit: str) -> BudgetState:
        """Return the state of a budget, an empty one when nothing counted yet. It must not be changed."""
        return self._found(self._name(name), unit) or BudgetState(unit=unit)

    def key(self, name: str) -> str:
        """Return what a key is called now, by its name or an earlier one: a token keeps the name it was issued by."""
        return self.names.get(f"key.{name}", f"key.{name}").removeprefix("key.")

    def _state(self, counted: Counted) -> BudgetState:
        name = self._name(counted.budget)
        return self._found(name, counted.unit) or self._put(name, BudgetState(unit=counted.unit))

    def _found(self, name: str, unit: str) -> BudgetState | None:
        """Return what counts in `unit`: a budget that was given another begins anew, as its amounts never add."""
        found = self.budgets.get(name)
        return found if found is not None and found.unit == unit else self.beside.get(f"{name} {unit}")

    def _put(self, name: str, state: BudgetState) -> BudgetState:
        """Take a state in under its name, beside the one that has that name in another unit."""
        if name in self.budgets:
            self.beside[f"{name} {state.unit}"] = state
        else:
            self.budgets[name] = state
        return state

    def _name(self, budget: str) -> str:
        owner, _, per = budget.rpartition("/")
        return f"{self.names[owner]}/{per}" if owner in self.names else budget

    def _count(self, ts: str, counted: tuple[Counted, ...]) -> None:
        for one in counted:
            count(self._state(one).spans, one.start, one.end or FOR_EVER, Decimal(one.amount), ts)

    def _end_holds(self, entry: Settled | Voided) -> None:
        name = attempt_name(entry.id, entry.n)
        for state in (*self.budgets.values(), *self.beside.values()):
            if (amount := state.holds.pop(name, None)) is not None:
                state.held = subtract(state.held, amount)

    def _tasked(self, ts: str, entry: Tasked) -> None:
        state = self.tasks.setdefault(entry.task, TaskState())
        match entry.action:
            case "started":
                state.started, state.stopped = ts, ""
            case "raised":
                pass
            case "stopped":
                state.stopped = ts
            case _:
                assert_never(entry.action)
        if entry.cap:
            state.cap, state.soft, state.at_cap = entry.cap, entry.soft, entry.at_cap

    def _rename(self, scope: NamedScope, was: str, name: str) -> None:
        self.names = follow_name(self.names, f"{scope}.{was}", f"{scope}.{name}")
        for states in (self.budgets, self.beside):
            for known in [one for one in states if one.rpartition("/")[0] == f"{scope}.{was}"]:
                earlier = states.pop(known)
                now = self._name(known.removesuffix(f" {earlier.unit}"))
                if (there := self._found(now, earlier.unit)) is None:
                    self._put(now, earlier)
                else:
                    there.add(earlier)


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A budget or cap that binds a call on one candidate."""

    name: str
    """SCOPE.NAME/PERIOD."""
    limit: Amount
    per: Per | None
    """None for a cap."""
    count: Counting
    hold: Holding | None
    """How much a call under way counts; None leaves it to `[settle] hold`."""
    soft: Decimal | None = None
    wait_ms: int = 0
    """How long a call waits at the cap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payer:
    """Who spends, by what and from where: each may have budgets."""

    key: str
    task: str
    route: str
    balance: str
    crossing: str = ""
    """The model's table by whose permission the call crosses into another class; empty when it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Over:
    """A budget that an amount does not fit into, with the numbers."""

    binding: Binding
    spent: Decimal
    held: Decimal
    need: Decimal
    holds: tuple[str, ...]
    """The live holds, where they alone are in the way."""


def bindings(conf: Config, budgets: Budgets, payer: Payer) -> tuple[Binding, ...]:
    """Return what binds a call: the budgets of its key, its task and its cap, the route and the balance.

    A call that crosses into another class is bound by what may cross.
    """
    return (
        *_of(conf.key.get(payer.key), f"key.{payer.key}"),
        *_of_task(conf, budgets, payer.task),
        *_of(conf.route.get(payer.route), f"route.{payer.route}"),
        *_of(conf.balance.get(payer.balance), f"balance.{payer.balance}"),
        *(_of_cross(conf, payer.crossing) if payer.crossing else ()),
    )


def counted(  # noqa: PLR0913 - what counts, against what, when and at which rate
    binding: Binding,
    amount: Amount | None,
    conf: Config,
    *,
    budgets: Budgets,
    at: str,
    calendar: Calendar,
    by: Counting = "charge",
    fx: str = "",
) -> Counted | None:
    """Return what `amount` counts against a budget at `at`; None when no exchange rate is known. No amount counts 0.

    An amount of 0 needs a rate too: it may be a hold that nobody could reckon, and its charge will count.

    `by` says whether it is a charge or a list price. `fx` is the rate that a hold froze; else the report's of the day
    is taken.
    """
    unit = binding.limit.unit
    start, end = _period(binding, budgets.state(binding.name, unit), at, calendar)
    if amount is None:
        return Counted(budget=binding.name, amount="0", unit=unit, start=start, end=end)
    rate = Decimal(fx) if fx else rate_at(conf, amount.unit, unit, at)
    if rate is None:
        return None
    value = rounded(amount.value) if rate == 1 else divided(amount.value, rate)
    return Counted(budget=binding.name, amount=text(value), unit=unit, fx=text(rate), by=by, start=start, end=end)


def over(binding: Binding, need: Decimal, budgets: Budgets, at: str) -> Over | None:
    """Return what keeps `need` (in the budget's unit) from fitting at `at`, or None when it fits.

    A hold of nothing fits only while something is left: a call that may cost must find room.
    """
    state = budgets.state(binding.name, binding.limit.unit)
    spent = state.spent(at)
    room = subtract(subtract(binding.limit.value, spent), state.held)
    if need <= room and room > ZERO:
        return None
    free = add(room, state.held)
    return Over(
        binding=binding,
        spent=spent,
        held=state.held,
        need=need,
        holds=tuple(state.holds) if need <= free and free > ZERO else (),
    )


def rate_at(conf: Config, paid: str, unit: str, at: str) -> Decimal | None:
    """Return units of `paid` for one `unit` on the day of `at`, by the report's rates; None when one is not known."""
    if paid == unit:
        return Decimal(1)
    day = moment(at).date()
    of_paid, of_unit = config.fx_at(conf, paid, day), config.fx_at(conf, unit, day)
    if of_paid is None or of_unit is None:
        return None
    return of_paid if of_unit == 1 else divided(of_paid, of_unit)


def cap_of(conf: Config, budgets: Budgets, task: str) -> config.Cap | None:
    """Return what bounds a task for its lifetime: what `tf task` said last, else what the config says."""
    written = conf.task[task].cap if task in conf.task else None
    said = budgets.tasks.get(task)
    if said is None or not said.cap:
        return written
    soft = Decimal(said.soft) if said.soft else None
    count = written.count if written else "charge"  # a raise says how much, never what is counted
    return config.Cap(limit=said.cap, soft=soft, at_cap=said.at_cap or "refuse", count=count)


def stopped(budgets: Budgets, task: str) -> str:
    """Return when a task was stopped by hand; empty while it may spend."""
    said = budgets.tasks.get(task)
    return said.stopped if said else ""


class BudgetShown(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A budget as it is enforced at a moment (CASES 37)."""

    name: str
    limit: Decimal
    unit: str
    spent: Decimal
    held: Decimal
    left: Decimal
    """Limit less spent and held; negative after overruns."""
    until: str = ""
    """When its period ends; absent for a cap."""
    holds: tuple[str, ...] = ()
    """The live holds in it, by attempt."""
    soft: bool = False
    """A cap's warning is reached."""
    stopped: str = ""
    """When its task was stopped."""


def shown(conf: Config, budgets: Budgets, at: str, calendar: Calendar) -> tuple[BudgetShown, ...]:
    """Return every budget and cap at `at`, in the config's order; then tasks that only `tf task` knows."""
    tasks = dict.fromkeys((*conf.task, *budgets.tasks))
    every = (
        *(binding for name, key in conf.key.items() for binding in _of(key, f"key.{name}")),
        *(binding for name in tasks for binding in _of_task(conf, budgets, name)),
        *(binding for name, route in conf.route.items() for binding in _of(route, f"route.{name}")),
        *(binding for name, balance in conf.balance.items() for binding in _of(balance, f"balance.{name}")),
        *(binding for name in conf.model for binding in _of_cross(conf, name)),
    )
    return tuple(_shown(binding, budgets, at, calendar) for binding in every)


def task_left(conf: Config, budgets: Budgets, task: str, at: str) -> BudgetShown | None:
    """Return a task's cap as it is at `at`, live holds taken off what is left; None for a task without one."""
    cap = next((binding for binding in _of_task(conf, budgets, task) if binding.per is None), None)
    return None if cap is None else _shown(cap, budgets, at, MONDAYS_IN_UTC)


def is_soft(binding: Binding, spent: Decimal) -> bool:
    """Say whether so much spent reaches a cap's warning."""
    return binding.soft is not None and spent >= multiply(binding.limit.value, binding.soft)


def _shown(binding: Binding, budgets: Budgets, at: str, calendar: Calendar) -> BudgetShown:
    state = budgets.state(binding.name, binding.limit.unit)
    spent = state.spent(at)
    task = binding.name.removeprefix("task.").rpartition("/")[0] if binding.name.startswith("task.") else ""
    return BudgetShown(
        name=binding.name,
        limit=binding.limit.value,
        unit=binding.limit.unit,
        spent=spent,
        held=state.held,
        left=subtract(subtract(binding.limit.value, spent), state.held),
        until="" if binding.per is None else _period(binding, state, at, calendar)[1],
        holds=tuple(state.holds),
        soft=is_soft(binding, spent),
        stopped=stopped(budgets, task) if task else "",
    )


def _of(owner: config.Key | config.Task | config.Route | config.Balance | None, scope: str) -> Iterator[Binding]:
    for budget in config.budgets(owner) if owner is not None else ():
        yield Binding(
            name=f"{scope}/{budget.per}",
            limit=read_amount(budget.limit),
            per=budget.per,
            count=budget.count,
            hold=budget.hold,
        )


def _of_task(conf: Config, budgets: Budgets, task: str) -> Iterator[Binding]:
    if not task:
        return
    cap = cap_of(conf, budgets, task)
    if cap is not None:
        yield Binding(
            name=f"task.{task}/{CAP}",
            limit=read_amount(cap.limit),
            per=None,
            count=cap.count,
            hold=None,
            soft=cap.soft,
            wait_ms=wait_ms(cap.at_cap),
        )
    yield from _of(conf.task.get(task), f"task.{task}")


def _of_cross(conf: Config, model: str) -> Iterator[Binding]:
    """Yield what calls of a model may cost together that crossed into the class that it allows."""
    cross = conf.model[model].cross if model in conf.model else None
    if cross is not None:
        yield Binding(
            name=f"cross.{model}/{cross.per}",
            limit=read_amount(cross.up_to),
            per=cross.per,
            count="charge",
            hold=None,
        )


def wait_ms(at_cap: str) -> int:
    """Return how long `at_cap` (``refuse`` or ``wait 10m``) lets a call wait. Raises ValueError for other words."""
    if at_cap == "refuse":
        return 0
    word, _, duration = at_cap.partition(" ")
    if word != "wait" or not duration:
        raise ValueError(f"`{at_cap}` is none: write `refuse`, or how long to wait for a raise, such as `wait 10m`")
    return read_duration_ms(duration)


def _period(binding: Binding, state: BudgetState, at: str, calendar: Calendar) -> tuple[str, str]:
    """Return the period of a budget around `at`; one that is open keeps its start and end. Empty for a cap."""
    if binding.per is None:
        return "", ""
    if (known := current(state.spans, at)) is not None:
        return known.start, known.end
    return period(binding.per, "", at, calendar)
