"""Which balance a call would burn, and why: the decision that would be made now, for every candidate, sent nowhere.

It is made by the very functions that route a call (`core/routing.py`), on the state as it is. Nothing is appended and
nothing is held.
"""

from typing import Annotated, Literal

import msgspec

from tokens_forge.core.book import is_money, remaining, unit_of
from tokens_forge.core.burn import in_report
from tokens_forge.core.candidates import candidate
from tokens_forge.core.config import CLIENT
from tokens_forge.core.dialects import SPEAKS, DialectName, dialect_out
from tokens_forge.core.entries import CacheLife, HoldBasis, Need, PassedOver, Ranked, Record, RouteClass, Routed
from tokens_forge.core.fold import Fold, OpenCall
from tokens_forge.core.money import ZERO, subtract, text
from tokens_forge.core.narrowing import CLASS, FALLBACK, MAX_CHARGE, ROUTE, narrowed
from tokens_forge.core.routing import Refuse, decide, judge, route
from tokens_forge.core.settlement import Hold, Question, Terms, expected_for

CALL_ID = "tf_plan"
"""The id of a call that is only planned; no call ever has it."""


class PlanOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What a call would ask."""

    model: str
    key: str = ""
    """A key's name; without one every class may be used and no key's budget counts."""
    task: str = ""
    route_class: str = msgspec.field(name="class", default="")
    """The class that it would pin."""
    route: str = ""
    """The route that it would pin."""
    fallback: str = ""
    max_charge: str = ""
    needs: tuple[Need, ...] = ()
    """What it would ask of a model beyond text."""
    dialect: DialectName | Literal[""] = ""
    """The dialect of the client; without one every candidate is taken to be asked as it speaks."""
    login: bool | None = None
    """Whether the client brings a login of its own; where it is not said it is taken to."""
    input: Annotated[int, msgspec.Meta(ge=0)] = 1000
    """Tokens of input."""
    output: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """Tokens of output that it is expected to need; `[policy] expected_output` where it is not said."""
    kept: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Tokens of the conversation that its provider keeps, beside the input."""
    caches: CacheLife | None = None
    """How long its marks would keep the prompt in the provider's cache."""
    bound: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """Its maximum of output tokens, which is held for; `[settle] output_bound` where it is not said, or `output`
    where that is more."""


_ANY = tuple(SPEAKS)
"""Where a client's dialect is not said, its marks are taken to be made in each upstream's own."""

Verdict = Literal["first", "next", "passed_over"]
"""What would become of a candidate: it is taken; it may be taken when those before it fail; it is passed over."""


class Planned(Record, frozen=True, kw_only=True):
    """One candidate of a planned call."""

    candidate: str
    """ROUTE/MODEL."""
    route_class: RouteClass = msgspec.field(name="class")
    upstream: str
    dialect_out: str = ""
    """The dialect that the upstream would be asked in, where that is not the client's."""
    login: bool = False
    """Whether it is used by a login of the client's own."""
    balance: str
    """What pays: the route's balance, or the one that pays beyond a pool."""
    verdict: Verdict
    passed_over: tuple[PassedOver, ...] = ()
    """Why not, with the numbers; for a pool that another balance pays beyond, of both."""
    crossed: str = ""
    """The class that it would cross into by the model's permission."""
    expected: str = ""
    """What the call would be charged, in `unit`; absent when not known. Of a pool what it counts."""
    unit: str = ""
    """The paying balance's."""
    compared: str = ""
    """The same money in the report's unit; 0 off a pool; absent when no exchange rate is known."""
    list: str = ""
    """The call at the provider's list price, in the report's unit."""
    hold: str = ""
    """What would be reserved, in `unit`; absent when it can't be tried."""
    hold_basis: HoldBasis | None = None
    balance_now: str = ""
    """What is posted, or the smallest rest over its windows; absent of a free balance."""
    balance_after: str = ""
    """The same once the call is charged as expected; absent when it can't be tried."""
    ranked: Ranked | None = None
    """The numbers behind its place, where the order is not the config's own."""


class Plan(Record, frozen=True, kw_only=True):
    """What a call would meet now. Its JSON is what ``tf plan --json`` prints; absent means not applicable."""

    model: str
    at: str
    input: int
    output: int
    bound: int
    ordered_for: int
    """Tokens of output that the order by cost expects: `[policy] expected_output`, at most the bound."""
    report_unit: str
    burn: str = ""
    boundary: str = ""
    intended: str = ""
    by: str = ""
    """The table or the name that the model was found by, where an alias or a pattern led there."""
    key: str = ""
    dialect: str = ""
    """The client's dialect; empty when it was not said."""
    login: bool | None = None
    """Whether the client brings a login of its own; absent when it was not said."""
    task: str = ""
    task_known: bool = False
    """Whether anything bounds the task: any name may be sent, so a misspelt one has no cap."""
    candidates: tuple[Planned, ...] = ()
    """In the order in which they would be tried."""
    refused: str = ""
    """The code of the error that the client would get, when nothing could be tried."""
    status: int = 0
    """Its HTTP status."""


def plan(terms: Terms, fold: Fold, order: PlanOrder, at: str) -> Plan:
    """Return what the call of `order` would meet at the moment `at`. The fold is left as it is.

    Raises RequestError for what a header of the same words would be turned away for (`core/narrowing.py`).
    """
    config = terms.config
    said = {ROUTE: order.route, CLASS: order.route_class, FALLBACK: order.fallback, MAX_CHARGE: order.max_charge}
    pinned = narrowed(config, order.key, order.model, {name: value for name, value in said.items() if value})
    asked = Routed(
        id=CALL_ID,
        key=order.key,
        task=order.task,
        model_asked=order.model,
        dialect_in=order.dialect,
        login=order.login is not False,
        stream=False,
        input_estimate=order.input,
        output_bound=max(config.settle.output_bound, order.output or 0) if order.bound is None else order.bound,
        output_asked=order.bound or 0,
        previous_input=order.kept,
        caches=dict.fromkeys((order.dialect,) if order.dialect else _ANY, order.caches) if order.caches else {},
        needs=order.needs,
        pinned=pinned.route,
        pinned_class=pinned.route_class,
        fallback_asked=pinned.fallback,
        max_charge=pinned.max_charge,
    )
    ordered_for = min(config.policy.expected_output, asked.output_bound)
    output = ordered_for if order.output is None else min(order.output, asked.output_bound)
    routed = route(terms, fold, asked, at)
    call = OpenCall(routed=routed)
    decision = decide(terms, fold, call, at)
    refused = decision if isinstance(decision, Refuse) else None
    first = "" if isinstance(decision, Refuse) else decision.candidate.name
    return Plan(
        model=order.model,
        at=at,
        input=order.input,
        output=output,
        bound=asked.output_bound,
        ordered_for=ordered_for,
        report_unit=config.report.unit,
        burn=routed.burn,
        boundary=routed.boundary,
        intended=routed.intended,
        by=routed.model,
        key=order.key,
        dialect=order.dialect,
        login=order.login,
        task=order.task,
        task_known=order.task in config.task or order.task in fold.budgets.tasks,
        candidates=tuple(
            _planned(Question(terms=terms, fold=fold, routed=routed, at=at), call, name, first=first, output=output)
            for name in routed.candidates
        ),
        refused=refused.error if refused else "",
        status=refused.status if refused else 0,
    )


def _planned(asked: Question, call: OpenCall, name: str, *, first: str, output: int) -> Planned:
    config = asked.terms.config
    found = candidate(config, name)
    judged = judge(asked.terms, asked.fold, call, found, asked.at)
    hold = judged if isinstance(judged, Hold) else None
    against = judged if isinstance(judged, tuple) else ()
    if hold is not None and hold.beyond is not None:
        against = (hold.beyond,)
    payer = hold.balance if hold else found.balance
    balance = config.balance[payer]
    expected = expected_for(asked, name, output=output, balance=payer)
    upstream = config.upstream[found.upstream]
    spoken = dialect_out(asked.routed.dialect_in, upstream)
    state = asked.fold.book.state(payer, unit_of(balance))
    now = remaining(balance, state, asked.at)
    counted = balance.windows != "provider"
    after = None
    if now is not None and expected.cost is not None and hold is not None:
        after = subtract(now, expected.cost.value if counted else ZERO)
    money = in_report(asked, expected.cost) if is_money(balance) else ZERO
    listed = in_report(asked, expected.list)
    return Planned(
        candidate=name,
        route_class=found.route_class,
        upstream=found.upstream,
        dialect_out="" if spoken is None or spoken == asked.routed.dialect_in else spoken,
        login=upstream.credential == CLIENT,
        balance=payer,
        verdict="passed_over" if hold is None else "first" if name == first else "next",
        passed_over=against,
        crossed=hold.crossed if hold else "",
        expected="" if expected.cost is None else text(expected.cost.value),
        unit=unit_of(balance),
        compared="" if money is None else text(money),
        list="" if listed is None else text(listed),
        hold=text(hold.amount) if hold else "",
        hold_basis=hold.basis if hold else None,
        balance_now="" if now is None else text(now),
        balance_after="" if after is None else text(after),
        ranked=next((place for place in call.routed.ranked if place.candidate == name), None),
    )
