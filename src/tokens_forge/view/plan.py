"""A planned call on a screen: which balance it would burn, then each candidate in order with its figures or its reason.

The figures are `core/plan.py`'s; here they are only shown. It reads without colour and at 80 columns.
"""

from collections.abc import Iterator
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tokens_forge.core.book import FREE_UNIT
from tokens_forge.core.plan import Plan, Planned, Verdict
from tokens_forge.core.story import clock, reason_text
from tokens_forge.view.figures import about, amount, count, shown
from tokens_forge.view.story import place_text

_WORD: dict[Verdict, tuple[str, str]] = {
    "first": ("taken", "bold green"),
    "next": ("next if those fail", ""),
    "passed_over": ("passed over", "yellow"),
}


_LOGIN = {
    None: "taken to bring its own login (`--no-login`: without)",
    True: "with its own login",
    False: "without a login of its own",
}


def plan_view(plan: Plan) -> RenderableType:
    """Return what to print for a plan. What it would burn stands first."""
    head = Table.grid(padding=(0, 2))
    head.add_column(style="dim")
    head.add_column(overflow="fold")
    for label, said in _glance(plan):
        head.add_row(label, said)
    named = f" (routed as {plan.by})" if plan.by else ""
    title = Text.assemble(("plan ", "dim"), Text(shown(plan.model).plain, style="bold"), shown(named))
    parts: list[RenderableType] = [Group(title, Padding(head, (0, 0, 0, 2), expand=False))]
    if plan.candidates:
        order = f"order: {plan.burn}; may fall back: {plan.boundary}"
        parts += [Text(), Text(f"Candidates ({order})", style="bold"), _candidates(plan)]
    return Group(*parts)


def _glance(plan: Plan) -> Iterator[tuple[str, Text]]:
    first = next((one for one in plan.candidates if one.verdict == "first"), None)
    if first is None or plan.refused:
        yield "refused", Text(f"nothing would be tried: {plan.status} {plan.refused}", style="bold red")
    else:
        yield "burns", shown(f"{_cost(first)} of {first.balance} by {first.candidate} ({first.route_class})", "bold")
        if first.candidate != plan.intended and plan.intended:
            yield "falls back", shown(f"from {plan.intended}, which is intended", "yellow")
    who = [f"key {plan.key}" if plan.key else "no key: every class, no key's budget"]
    if plan.task:
        who.append(f"task {plan.task}{'' if plan.task_known else ', which has no cap and no budget'}")
    if plan.dialect:
        who.append(f"asking in {plan.dialect}")
    if plan.login is not None or any(one.login for one in plan.candidates):
        who.append(_LOGIN[plan.login])
    yield "for", shown(", ".join(who))
    tokens = f"{count(plan.input)} tokens in, about {count(plan.output)} out; held for at most {count(plan.bound)} out"
    yield "of", shown(tokens)
    yield "at", shown(clock(plan.at))


def _candidates(plan: Plan) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right")
    table.add_column(overflow="fold")
    for number, one in enumerate(plan.candidates, start=1):
        table.add_row(str(number), Text("\n").join(_candidate(plan, one)))
    return Padding(table, (0, 0, 0, 2), expand=False)


def _candidate(plan: Plan, one: Planned) -> Iterator[Text]:
    word, style = _WORD[one.verdict]
    if one.verdict == "next" and plan.refused:
        word = "could be tried"
    yield Text.assemble(
        shown(f"{one.candidate} ({one.route_class}) at {one.upstream}, balance {one.balance}: "), (word, style)
    )
    for passed in one.passed_over:
        beyond = f"balance {passed.balance} " if passed.balance != one.balance or len(one.passed_over) > 1 else ""
        yield shown(f"{beyond}{reason_text(passed)}", "yellow")
    if one.dialect_out:
        yield shown(f"asked in {one.dialect_out}, translated")
    if one.login and one.verdict != "passed_over":
        yield shown("by the client's own login")
    if one.crossed:
        yield shown(f"crosses into {one.crossed}, by the model's permission", "yellow")
    yield shown("; ".join(_figures(plan, one)))
    if one.ranked:
        tokens = f" for {count(plan.ordered_for)} tokens out" if plan.output != plan.ordered_for else ""
        yield shown(f"ordered by {place_text(one.ranked)}{tokens}", "dim")


def _cost(one: Planned) -> str:
    """Return what a candidate is expected to cost, in its balance's own unit."""
    if not one.expected:
        return "an unknown amount"
    if one.unit == FREE_UNIT:
        return "nothing"
    return "what its provider counts" if one.unit == "percent" else amount(one.expected, one.unit)


def _figures(plan: Plan, one: Planned) -> Iterator[str]:
    money = about(Decimal(one.compared), plan.report_unit) if one.compared not in {"", "0", one.expected} else ""
    yield f"{_cost(one)}{f' = {money}' if money else ''} expected"
    if one.hold and one.hold != "0":
        yield f"{amount(one.hold, one.unit)} held"
    if one.list:
        yield f"list price {amount(one.list, plan.report_unit)}"
    if one.balance_now:
        after = f", {amount(one.balance_after, one.unit)} after" if one.balance_after else ""
        yield f"{amount(one.balance_now, one.unit)} now{after}"
