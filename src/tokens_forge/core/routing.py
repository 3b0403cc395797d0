"""Which candidate answers a call, and why not the others.

`match` lists the candidates of a call in order; `decide` takes the first that is permitted, healthy and can be paid, or
refuses with a reason for each. `decide` reads nothing but config, cards, the fold and the moment, so every decision can
be made again from the ledger and must agree.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from fnmatch import fnmatchcase

import msgspec

from tokens_forge.core.book import BalanceState, allowances, available, is_money, left, resets
from tokens_forge.core.budgets import CAP, Over, Payer, bindings, cap_of, over, stopped, wait_ms
from tokens_forge.core.config import Balance, Boundary, Config, Key
from tokens_forge.core.entries import (
    Cause,
    Counted,
    Held,
    PassedOver,
    Reason,
    Refused,
    RefusedReason,
    Role,
    RouteClass,
    Routed,
    candidate_name,
)
from tokens_forge.core.fallback import MENDED
from tokens_forge.core.fold import Fold, OpenCall
from tokens_forge.core.health import Target
from tokens_forge.core.moments import read_duration_ms
from tokens_forge.core.money import ZERO, add, subtract, text
from tokens_forge.core.settlement import Hold, Question, Terms, counted_for, hold_for

MONEY_REASONS: tuple[Reason, ...] = ("balance_short", "pool_used_up", "balance_empty_upstream", "over_budget")
"""Reasons that a top-up, a new window or a raise ends."""

WAIT_REASONS: tuple[Reason, ...] = ("cooling", "probing")
"""Reasons that time ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A route and the upstream's model."""

    route: str
    model: str
    upstream: str
    balance: str
    route_class: RouteClass

    @property
    def name(self) -> str:
        """ROUTE/MODEL."""
        return candidate_name(self.route, self.model)

    @property
    def target(self) -> Target:
        """What an attempt here would touch."""
        return Target(candidate=self.name, upstream=self.upstream, balance=self.balance)


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """What a model's name means in a config."""

    candidates: tuple[Candidate, ...]
    """In order; empty when no route serves the name."""
    burn: str
    boundary: Boundary


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """Attempt this candidate with this hold."""

    candidate: Candidate
    n: int
    role: Role
    hold: Hold
    passed_over: tuple[PassedOver, ...]
    cause: Cause | None

    def held(self, call_id: str, *, jitter_ms: int = 0, waited_ms: int = 0) -> Held:
        """Return the entry to append."""
        return Held(
            id=call_id,
            n=self.n,
            role=self.role,
            route=self.candidate.route,
            upstream=self.candidate.upstream,
            upstream_model=self.candidate.model,
            route_class=self.candidate.route_class,
            balance=self.hold.balance,
            hold=text(self.hold.amount),
            unit=self.hold.unit,
            hold_basis=self.hold.basis,
            passed_over=self.passed_over,
            cause=self.cause,
            windows=self.hold.windows,
            counted=self.hold.counted,
            jitter_ms=jitter_ms,
            waited_ms=waited_ms,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Nothing can be attempted (any more)."""

    reason: RefusedReason
    error: str
    """The `code` of the error that the client gets."""
    status: int
    passed_over: tuple[PassedOver, ...]
    until: str = ""
    """The earliest recovery, when time alone ends it."""

    def refused(self, routed: Routed, *, waited_ms: int = 0) -> Refused:
        """Return the entry to append, which closes the call."""
        return Refused(
            id=routed.id,
            key=routed.key,
            task=routed.task,
            model_asked=routed.model_asked,
            reason=self.reason,
            error=self.error,
            client_status=self.status,
            final=True,
            waited_ms=waited_ms,
            passed_over=self.passed_over,
        )


def match(config: Config, model: str) -> Matched:
    """Return the candidates for a model's name: its `[model]` table's, else every route that serves it, as written."""
    entry = config.model.get(model)
    if entry is None:
        found = tuple(_served(config, model))
        return Matched(candidates=found, burn="listed", boundary="class")
    listed: list[Candidate] = []
    for written in entry.routes:
        route, _, named = written.partition("/")
        # MODEL is a name that the route serves, or the upstream's own name.
        served = _upstream_model(config, route, named or model) or named
        if served:
            listed.append(candidate(config, candidate_name(route, served)))
    # Two spellings of one candidate (`ROUTE` and `ROUTE/MODEL`) are one.
    return Matched(candidates=tuple(dict.fromkeys(listed)), burn=entry.burn, boundary=entry.fallback)


def models(config: Config, key: str) -> tuple[str, ...]:
    """Return the names that a key may ask for: models with a table, and names that routes serve without a pattern."""
    names = dict.fromkeys(config.model)
    for route in config.route.values():
        names.update(dict.fromkeys(name for name in route.serves if "*" not in name))
    allowed = _key(config, key).classes
    return tuple(
        name for name in names if any(found.route_class in allowed for found in match(config, name).candidates)
    )


def named(config: Config, route: str) -> tuple[str, ...]:
    """Return the upstream's models that a config names for a route, by its own table or a model's; no patterns."""
    serves = config.route[route].serves
    own = serves.values() if isinstance(serves, dict) else (name for name in serves if "*" not in name)
    listed = (
        found.model for model in config.model for found in match(config, model).candidates if found.route == route
    )
    return tuple(dict.fromkeys((*own, *listed)))


def candidate(config: Config, name: str) -> Candidate:
    """Return the candidate ROUTE/MODEL of a config that has the route."""
    route_name, _, model = name.partition("/")
    route = config.route[route_name]
    return Candidate(
        route=route_name, model=model, upstream=route.upstream, balance=route.balance, route_class=route.route_class
    )


def intended(terms: Terms, fold: Fold, routed: Routed, at: str) -> str:
    """Return the first candidate that the key may use and that can serve the call at all, whatever its money or health.

    Empty when there is none.
    """
    for name in routed.candidates:
        found = candidate(terms.config, name)
        if not isinstance(_may_serve(terms, fold, routed, found, at), PassedOver):
            return name
    return ""


def decide(terms: Terms, fold: Fold, call: OpenCall, at: str) -> Take | Refuse:
    """Return what to attempt next for `call` at the moment `at`, or why nothing can be.

    A candidate whose failure allows it is tried again first; otherwise a candidate that failed in this call is done
    (CASES 26). Each candidate's balance and health are looked at anew (CASES 33).
    """
    if not call.routed.candidates:
        return Refuse(reason="unknown_model", error="model_not_found", status=404, passed_over=())
    if stopped(fold.budgets, call.routed.task):
        return Refuse(reason="task_stopped", error="task_stopped", status=403, passed_over=())
    tried = len(call.trail)
    if tried >= terms.config.policy.attempts:
        over = tuple(_passed(terms, name, "attempts_used") for name in call.routed.candidates)
        return Refuse(reason="exhausted", error="candidates_exhausted", status=502, passed_over=over)
    passed_over: list[PassedOver] = []
    for name in _order(call):
        found = candidate(terms.config, name)
        verdict = _judge(terms, fold, call, found, at)
        if isinstance(verdict, tuple):
            passed_over.extend(verdict)
            continue
        if verdict.beyond is not None:
            passed_over.append(verdict.beyond)
        return Take(
            candidate=found,
            n=tried + 1,
            role=_role(call, name),
            hold=verdict,
            passed_over=tuple(passed_over),
            cause=_cause(call, passed_over),
        )
    return _refuse(call, tuple(passed_over))


def may_wait_ms(terms: Terms, fold: Fold, call: OpenCall, refuse: Refuse) -> int:
    """Return how long a refused call may wait for what stands against it: live holds to end, or a cap to be raised."""
    waits = [0]
    settle_wait = terms.config.settle.wait
    if settle_wait != "none" and any(passed.holds for passed in refuse.passed_over):
        waits.append(read_duration_ms(settle_wait))
    task = call.routed.task
    if any(passed.budget == f"task.{task}/{CAP}" for passed in refuse.passed_over):
        cap = cap_of(terms.config, fold.budgets, task)
        waits.append(wait_ms(cap.at_cap) if cap else 0)
    return max(waits)


def _served(config: Config, model: str) -> Iterator[Candidate]:
    for route in config.route:
        served = _upstream_model(config, route, model)
        if served is not None:
            yield candidate(config, candidate_name(route, served))


def _upstream_model(config: Config, route: str, model: str) -> str | None:
    """Return the upstream's name of a model on a route; None when the route does not serve it.

    A pattern passes the client's own word on, so it never takes one with control characters.
    """
    serves = config.route[route].serves
    if isinstance(serves, dict):
        return serves.get(model)
    return model if model.isprintable() and any(fnmatchcase(model, pattern) for pattern in serves) else None


def _order(call: OpenCall) -> tuple[str, ...]:
    """Return the candidates as they are to be looked at: one that may be retried first, then as routed."""
    names = call.routed.candidates
    if not call.may_retry:
        return names
    again = call.trail[-1].candidate
    return (again, *(name for name in names if name != again))


def _judge(terms: Terms, fold: Fold, call: OpenCall, found: Candidate, at: str) -> Hold | tuple[PassedOver, ...]:
    """Return the hold on a candidate, or the first reason against each balance that may pay for it."""
    hold = _may_serve(terms, fold, call.routed, found, at)
    if isinstance(hold, PassedOver):
        return (hold,)
    against = _outside(terms, call.routed, found) or _done_in_call(terms, fold, call, found, at)
    if against is not None:
        return (against,)
    if (obstacle := fold.health.obstacle(found.target, at)) is not None:
        return (_passed(terms, found.name, obstacle.reason, until=obstacle.until, error=obstacle.error),)
    asked = Question(terms=terms, fold=fold, routed=call.routed, at=at)
    paid = _affordable(asked, found, hold)
    if not isinstance(paid, PassedOver):
        return paid
    # Beyond a pool another balance pays, by the user's word; it is looked at as any other.
    if paid.reason != "pool_used_up" or (beyond := _beyond(asked, found)) is None:
        return (paid,)
    beyond = _affordable(asked, found, replace(beyond, beyond=paid))
    return (paid, beyond) if isinstance(beyond, PassedOver) else beyond


def _affordable(asked: Question, found: Candidate, hold: Hold) -> Hold | PassedOver:
    """Return the hold if its balance and every budget have room for it, else what stands against it."""
    paid = _paid(asked, found, hold)
    return paid if isinstance(paid, PassedOver) else _within_budgets(asked, found, paid)


def _may_serve(terms: Terms, fold: Fold, routed: Routed, found: Candidate, at: str) -> Hold | PassedOver:
    if found.route_class not in _key(terms.config, routed.key).classes:
        return _passed(terms, found.name, "not_allowed")
    hold = hold_for(Question(terms=terms, fold=fold, routed=routed, at=at), found.name)
    return _passed(terms, found.name, "no_price") if hold is None else hold


def _outside(terms: Terms, routed: Routed, found: Candidate) -> PassedOver | None:
    """Return a reason when taking the candidate would cross where the call must stay.

    When nothing could serve as the call was routed (a rate card begins only now), the first that can is what was meant.
    """
    if routed.boundary == "any" or routed.intended in {"", found.name}:
        return None
    meant = candidate(terms.config, routed.intended)
    inside = (routed.boundary == "balance" and found.balance == meant.balance) or (
        routed.boundary == "class" and found.route_class == meant.route_class
    )
    return None if inside else _passed(terms, found.name, "outside_boundary")


def _done_in_call(terms: Terms, fold: Fold, call: OpenCall, found: Candidate, at: str) -> PassedOver | None:
    attempts = [attempt for attempt in call.trail if attempt.candidate == found.name]
    if not attempts:
        return _emptied_in_call(terms, call, found)
    last = attempts[-1]
    if not (call.may_retry and call.trail[-1] is last):
        return _passed(terms, found.name, "failed_in_call", error=last.error)
    if len(attempts) >= terms.config.policy.attempts_per_candidate:
        return _passed(terms, found.name, "attempts_used", error=last.error)
    if last.error != MENDED and not fold.health.may_retry(at):
        return _passed(terms, found.name, "retry_budget", error=last.error)
    return None


def _emptied_in_call(terms: Terms, call: OpenCall, found: Candidate) -> PassedOver | None:
    """Return a reason when this call already saw that the candidate's balance is empty at its upstream."""
    for attempt in call.trail:
        if attempt.error == "insufficient_quota" and attempt.balance == found.balance:
            return _passed(terms, found.name, "balance_empty_upstream", error=attempt.error)
    return None


def _paid(asked: Question, found: Candidate, hold: Hold) -> Hold | PassedOver:
    """Return the hold if its balance has room for it, else what stands against it."""
    balance = asked.terms.config.balance[hold.balance]
    state = asked.fold.book.state(hold.balance, hold.unit)
    may_hold = available(balance, state, asked.at)
    # A hold of nothing on an empty wallet is refused too, unless nothing is owed: what may cost must find money there.
    if may_hold is None or hold.basis.kind == "free" or (hold.amount <= may_hold and may_hold > ZERO):
        return hold
    without_holds = add(may_hold, state.held)
    pool = balance.kind == "pool"
    limit, spent = _least(balance, state, asked.at)
    return PassedOver(
        candidate=found.name,
        reason="pool_used_up" if pool else "balance_short",
        balance=hold.balance,
        available=text(may_hold),
        need=text(hold.amount),
        unit=hold.unit,
        limit=limit,
        spent=spent,
        held=text(state.held) if state.holds else "",
        holds=tuple(state.holds) if hold.amount <= without_holds and without_holds > ZERO else (),
        until="" if balance.kind == "prepaid" else resets(balance, state, asked.at),
    )


def _least(balance: Balance, state: BalanceState, at: str) -> tuple[str, str]:
    """Return the allowance of the window that leaves the least, and what is used of it; empty where there is none."""
    rests = left(balance, state, at)
    windows = allowances(balance) if balance.kind != "prepaid" else ()
    if not windows:
        return "", ""
    least = min(windows, key=lambda window: rests[window.name])
    return text(least.allow), text(subtract(least.allow, rests[least.name]))


def _beyond(asked: Question, found: Candidate) -> Hold | None:
    """Return the hold on the balance that pays beyond a pool, if there is one and it is not known to be empty."""
    overage = asked.terms.config.balance[found.balance].overage
    if overage == "none" or asked.fold.health.obstacle(replace(found, balance=overage).target, asked.at) is not None:
        return None
    return hold_for(asked, found.name, balance=overage)


def _within_budgets(asked: Question, found: Candidate, hold: Hold) -> Hold | PassedOver:
    """Return the hold with what it counts against each budget, or the first budget that it does not fit into."""
    config, budgets, routed = asked.terms.config, asked.fold.budgets, asked.routed
    payer = Payer(key=routed.key, task=routed.task, route=found.route, balance=hold.balance)
    counted: list[Counted] = []
    costs = is_money(config.balance[hold.balance]) and hold.basis.kind != "free"
    for binding in bindings(config, budgets, payer):
        one = counted_for(asked, found.name, hold, binding)
        if one is None:
            return _over_budget(found, hold, binding.name, error="no_fx")
        # What counts nothing, because a pool or nobody pays, needs no room.
        if costs or one.amount != "0":
            against = over(binding, Decimal(one.amount), budgets, asked.at)
            if against is not None:
                return _over_budget(found, hold, binding.name, against, until=one.end)
        counted.append(one)
    return replace(hold, counted=tuple(counted))


def _over_budget(  # noqa: PLR0913 - the numbers behind it
    found: Candidate, hold: Hold, budget: str, against: Over | None = None, *, until: str = "", error: str = ""
) -> PassedOver:
    passed = PassedOver(candidate=found.name, reason="over_budget", balance=hold.balance, budget=budget, error=error)
    if against is None:
        return passed
    limit = against.binding.limit
    return msgspec.structs.replace(
        passed,
        available=text(subtract(subtract(limit.value, against.spent), against.held)),
        need=text(against.need),
        unit=limit.unit,
        limit=text(limit.value),
        spent=text(against.spent),
        held=text(against.held) if against.held else "",
        holds=against.holds,
        until=until,
    )


def _passed(terms: Terms, name: str, reason: Reason, *, until: str = "", error: str = "") -> PassedOver:
    balance = candidate(terms.config, name).balance
    return PassedOver(candidate=name, balance=balance, reason=reason, until=until, error=error)


def _role(call: OpenCall, name: str) -> Role:
    if call.trail:
        return "retry" if call.trail[-1].candidate == name else "fallback"
    return "first" if call.routed.intended in ("", name) else "fallback"


def _cause(call: OpenCall, passed_over: list[PassedOver]) -> Cause | None:
    """Return what led to an attempt: the one before it, or why the intended candidate was passed over."""
    if call.trail:
        last = call.trail[-1]
        return Cause(n=last.n, error=last.error, status=last.status)
    for passed in passed_over:
        if passed.candidate == call.routed.intended:
            return Cause(n=0, error=passed.reason)
    return None


def _refuse(call: OpenCall, passed_over: tuple[PassedOver, ...]) -> Refuse:
    """Return the refusal that says most: what time ends, then what money ends, then what only the config ends."""
    if call.trail:
        return Refuse(reason="exhausted", error="candidates_exhausted", status=502, passed_over=passed_over)
    reasons = {passed.reason for passed in passed_over}
    if reasons & set(WAIT_REASONS):
        untils = [passed.until for passed in passed_over if passed.reason in WAIT_REASONS and passed.until]
        return Refuse(
            reason="all_cooling",
            error="all_cooling",
            status=503,
            passed_over=passed_over,
            until=min(untils, default=""),
        )
    if reasons & set(MONEY_REASONS):
        # Where a budget stands against a candidate its balance had room: it is the budget that refuses.
        code = "budget_exceeded" if "over_budget" in reasons else "insufficient_balance"
        return Refuse(reason="nothing_can_pay", error=code, status=402, passed_over=passed_over)
    if "no_price" in reasons:
        return Refuse(reason="no_price", error="no_price", status=501, passed_over=passed_over)
    return Refuse(reason="not_allowed", error="not_allowed", status=403, passed_over=passed_over)


def _key(config: Config, name: str) -> Key:
    return config.key.get(name, Key())
