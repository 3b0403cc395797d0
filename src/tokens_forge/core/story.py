"""One call told from its entries: who asked, what was tried and passed over, what it cost, and which balance paid.

`tell` puts the entries of one call in the order of their meaning. It decides nothing again and sums only charges of one
balance in one unit; figures are the ledger's own. How a story looks is `view/story.py`'s part.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Literal, get_args

import msgspec

from tokens_forge.core.dialects import DialectName
from tokens_forge.core.entries import (
    Adjusted,
    AdjustedReason,
    CardUsed,
    Cause,
    Certainty,
    ChargeLine,
    Cooled,
    Counted,
    Held,
    HoldBasis,
    IterationBilled,
    Limit,
    Line,
    Need,
    Outcome,
    PassedOver,
    Ranked,
    Reason,
    Record,
    Recovered,
    Refused,
    RefusedReason,
    Role,
    RouteClass,
    Routed,
    Scope,
    Settled,
    UsageSource,
    Voided,
    WindowHeld,
    candidate_name,
)
from tokens_forge.core.moments import moment
from tokens_forge.core.money import ZERO, add, subtract, text
from tokens_forge.core.switch import Switch, switch_of

Ended = Literal["open", "answered", "failed", "refused"]
"""How far a call came: no closing entry yet; the client got an upstream's reply; it got an upstream's error or a part;
no upstream's reply was passed on."""


class Verdict(Record, frozen=True, kw_only=True):
    """What one decision made of a candidate."""

    n: int
    """The attempt that the decision was for; the number after the last attempt when it ended in a refusal."""
    taken: bool
    passed_over: PassedOver | None = None
    """Why not; absent when it was taken."""


class CandidateTold(Record, frozen=True, kw_only=True):
    """A candidate of the call and what every decision made of it, in order. None: no decision came so far."""

    candidate: str
    """ROUTE/MODEL."""
    balance: str = ""
    """Absent when no entry of the call names it."""
    verdicts: tuple[Verdict, ...] = ()


class Bill(Record, frozen=True, kw_only=True):
    """What a settled attempt cost, and from what."""

    charge: str
    unit: str
    certainty: Certainty
    usage: dict[str, int]
    usage_source: UsageSource
    overrun: str
    """By how much the charge went over its hold."""
    lines: tuple[ChargeLine, ...] = ()
    card: CardUsed | None = None
    iterations: tuple[IterationBilled, ...] = ()
    """What was billed beside `usage`; its lines name it by its place."""
    answered_by: str = ""
    """The model that stepped in for the one that was asked: its rates price `usage`."""
    list: str = ""
    list_unit: str = ""
    saving: str = ""
    """List minus charge, in `list_unit`."""
    reported_cost: str = ""
    balance_before: str = ""
    balance_after: str = ""
    flags: tuple[str, ...] = ()


class AttemptTold(Record, frozen=True, kw_only=True):
    """One request to one upstream, from its hold to its end."""

    n: int
    role: Role
    candidate: str
    route: str
    route_class: RouteClass | Literal[""] = msgspec.field(name="class", default="")
    upstream: str
    upstream_model: str
    balance: str
    unit: str
    hold: str
    at: str = ""
    """When its amount was held."""
    after_ms: int | None = None
    """How long after the call was routed, in whole ms."""
    hold_basis: HoldBasis | None = None
    windows: tuple[WindowHeld, ...] = ()
    counted: tuple[Counted, ...] = ()
    """What it takes of budgets: its charge once it is settled, its hold before."""
    jitter_ms: int = 0
    waited_ms: int = 0
    """How long the call waited for what alone stood against it, in ms."""
    cause: Cause | None = None
    crossed: str = ""
    """The class that it crossed into, by the model's permission."""
    dialect_out: str = ""
    """The dialect that the upstream was asked in, where that is not the client's."""
    dropped: tuple[str, ...] = ()
    """Members of the request that were left out, as that dialect has none."""
    outcome: Outcome | Literal[""] = ""
    """Absent while the attempt is under way."""
    certainty: Certainty | Literal[""] = ""
    ended_at: str = ""
    status: int = 0
    error: str = ""
    wait_s: str = ""
    no_retry: bool = False
    total_ms: float | None = None
    first_byte_ms: float | None = None
    finish: str = ""
    model_served: str = ""
    tier_served: str = ""
    upstream_id: str = ""
    limits: tuple[Limit, ...] = ()
    bill: Bill | None = None
    """Absent when nothing was billed (so far)."""


class Payment(Record, frozen=True, kw_only=True):
    """What one balance paid for the call in all."""

    balance: str
    charge: str
    """Charges less corrections."""
    unit: str
    certainty: tuple[Certainty, ...]
    """Of each attempt that it paid, without repetition."""


class Correction(Record, frozen=True, kw_only=True):
    """A later entry that moved the charge."""

    ts: str
    balance: str
    amount: str
    """Given back to the balance; negative took more."""
    unit: str
    reason: AdjustedReason
    note: str = ""
    ref: str = ""


class HealthTold(Record, frozen=True, kw_only=True):
    """A cooldown that the call began or ended."""

    ts: str
    scope: Scope
    name: str
    error: str = ""
    until: str = ""
    """Absent when the cooldown ended."""


class Refusal(Record, frozen=True, kw_only=True):
    """Why a call ended without an upstream's reply."""

    ts: str
    reason: RefusedReason
    error: str
    client_status: int
    waited_ms: int = 0
    """How long it waited before, in ms."""
    passed_over: tuple[PassedOver, ...] = ()


class Story(Record, frozen=True, kw_only=True):
    """One call. Its JSON is what ``tf explain --json`` prints; absent means not applicable or not known."""

    id: str
    ended: Ended
    at: str = ""
    """When it was routed."""
    key: str = ""
    task: str = ""
    agent: str = ""
    model_asked: str = ""
    stream: bool | None = None
    dialect_in: str = ""
    tier_asked: str = ""
    thread: str = ""
    turn: int = 0
    client_retry: int = 0
    input_estimate: int = 0
    output_bound: int = 0
    model: str = ""
    """The `[model]` table or the name that it was routed by, where an alias or a pattern led there."""
    burn: str = ""
    ranked: tuple[Ranked, ...] = ()
    """The numbers behind the order, where that is not the config's own."""
    boundary: str = ""
    intended: str = ""
    needs: tuple[Need, ...] = ()
    pinned: str = ""
    """The route that the client pinned."""
    pinned_class: str = ""
    fallback_asked: str = ""
    max_charge: str = ""
    conversation: Switch | None = None
    """What became of its prompt cache; absent where the conversation was not known."""
    client_status: int = 0
    """What the client got; absent while open, or when nobody was left to answer."""
    total_ms: int | None = None
    """From routing to the closing entry, in whole ms."""
    candidates: tuple[CandidateTold, ...] = ()
    attempts: tuple[AttemptTold, ...] = ()
    payments: tuple[Payment, ...] = ()
    corrections: tuple[Correction, ...] = ()
    health: tuple[HealthTold, ...] = ()
    refusal: Refusal | None = None


def tell(lines: Sequence[Line]) -> Story:
    """Return the story in the lines of one call, in ledger order. A call that is still open is told so far.

    The first lines may be missing (their page was moved away): what later ones repeat is told.
    """
    found = _gathered(lines)
    closing, closed_at = found.closing()
    asked = found.routed
    settled = found.settled
    who = asked or settled or found.refused
    described = asked or settled
    return Story(
        id=found.id,
        ended=_ended(closing),
        at=found.routed_at,
        key=who.key if who else "",
        task=who.task if who else "",
        agent=described.agent if described else "",
        model_asked=who.model_asked if who else "",
        stream=described.stream if described else None,
        dialect_in=described.dialect_in if described else "",
        tier_asked=asked.tier_asked if asked else "",
        thread=described.thread if described else "",
        turn=described.turn if described else 0,
        client_retry=asked.client_retry if asked else 0,
        input_estimate=asked.input_estimate if asked else 0,
        output_bound=asked.output_bound if asked else 0,
        model=asked.model if asked else "",
        burn=asked.burn if asked else "",
        ranked=asked.ranked if asked else (),
        boundary=asked.boundary if asked else "",
        intended=described.intended if described else "",
        needs=asked.needs if asked else (),
        pinned=asked.pinned if asked else "",
        pinned_class=asked.pinned_class if asked else "",
        fallback_asked=asked.fallback_asked if asked else "",
        max_charge=asked.max_charge if asked else "",
        conversation=switch_of(asked, _reasons_against(found), settled) if asked else None,
        client_status=closing.client_status if closing else 0,
        total_ms=_between(found.routed_at, closed_at),
        candidates=_candidates(found),
        attempts=tuple(_attempt(found, n) for n in sorted({*found.held, *found.ends})),
        payments=_payments(found),
        corrections=tuple(found.corrections),
        health=tuple(found.health),
        refusal=_refusal(found),
    )


_BY_ERROR: dict[str, str] = {
    "not_pinned": "another route made what the request goes on from (`{error}`)",
    "no_price": "the price of {error}{tier}, which the request asks for besides, is not known",
}


def reason_text(passed: PassedOver) -> str:
    """Return why a candidate was passed over, with the numbers behind it, as a half sentence."""
    if passed.reason == "over_max_charge" and passed.error == "no_price":
        return f"nobody knows what it may cost, and the client's limit is {passed.available} {passed.unit}"
    if passed.error == "no_fx":
        what = f"counts against budget {passed.budget}" if passed.budget else f"is in {passed.unit}"
        return f"no exchange rate of the day says what it {what}: add one to [report] fx"
    tier = f" in the tier `{passed.tier}`" if passed.tier else ""
    if passed.error and passed.reason in _BY_ERROR:
        return _BY_ERROR[passed.reason].format(error=passed.error, tier=tier)
    if passed.reason == "no_capability" and passed.error in get_args(DialectName):
        return f"its upstream can't be asked in {passed.error}, and nothing translates that for it"
    if passed.reason == "no_client_credential" and passed.error:
        return _LOGINS[passed.error]
    reason = _REASONS[passed.reason].format(
        available=f"{passed.available} {passed.unit}".strip(),
        # What holds nothing (a provider counts, or will say what it cost) still needs that something is there.
        need="" if passed.need in {"", "0"} else f", {passed.need} {passed.unit} needed",
        until=f" until {clock(passed.until)}" if passed.until else "",
        error=f" ({passed.error})" if passed.error else "",
        budget=passed.budget,
        tier=tier,
        spent=passed.spent,
        limit=passed.limit,
    )
    return "".join((reason, *_numbers(passed)))


def _numbers(passed: PassedOver) -> Iterator[str]:
    """Yield what was spent and held of a limit, which calls hold it, and when some is free again."""
    if passed.limit and passed.unit:
        yield f"; {passed.spent} of {passed.limit} {passed.unit} spent"
    if passed.held:
        some = ", ".join(passed.holds[:_MOST_HOLDS])
        more = len(passed.holds) - _MOST_HOLDS
        by = f" ({some}{f' and {more} more' if more > 0 else ''})" if some else ""
        yield f"{',' if passed.limit else ';'} {passed.held} {passed.unit} held by calls under way{by}"
    if passed.until and passed.reason in {"over_budget", "balance_short"}:
        yield f"; begins anew at {clock(passed.until)}"
    if passed.until and passed.reason in {"failed_in_call", "attempts_used", "retry_budget"}:
        yield f"; asked to wait until {clock(passed.until)}"


def clock(stamped: str) -> str:
    """Return a stamp as people read it, to the second: ``2026-11-24 10:00:12 UTC``."""
    return f"{stamped[:10]} {stamped[11:19]} UTC"


_MOST_HOLDS = 5
"""So many holds in the way are named; the ledger has them all."""

_LOGINS = {
    "meant_elsewhere": "the client's login was meant for another upstream, and follows no fallback",
    "of_another_provider": "the client's login is for the provider whose dialect it speaks",
}
"""Why a client's login does not go to an upstream that takes one."""

_REASONS: dict[Reason, str] = {
    "not_allowed": "its class is not allowed for this key",
    "not_pinned": "the client pinned another route or class",
    "no_capability": "it can't do what the request asks for{error}",
    "context_too_long": "its context takes {available}{need}",
    "no_price": "its price{tier} is not known",
    "no_client_credential": "the client brought no login for it",
    "balance_short": "{available} available{need}",
    "balance_empty_upstream": "its upstream says that the balance is empty{error}",
    "pool_used_up": "used up{until}: {available} left{need}",
    "over_budget": "over budget {budget}{error}: {available} left{need}",
    "over_max_charge": "over the client's limit of {available}{need}",
    "cooling": "cooling{until}{error}",
    "probing": "another call probes it after a cooldown{error}",
    "busy": "its upstream is busy: {spent} of {limit} attempts are under way",
    "failed_in_call": "failed earlier in this call{error}",
    "retry_budget": "too many retries of late to try it again{error}",
    "attempts_used": "no attempt left for it in this call{error}",
    "outside_boundary": "outside of where this call may fall back",
}


@dataclass(slots=True, kw_only=True)
class _Gathered:
    """The entries of one call by what they are."""

    id: str = ""
    routed: Routed | None = None
    routed_at: str = ""
    held: dict[int, tuple[str, Held]] = field(default_factory=dict[int, tuple[str, Held]])
    ends: dict[int, tuple[str, Settled | Voided]] = field(default_factory=dict[int, tuple[str, Settled | Voided]])
    refused: Refused | None = None
    refused_at: str = ""
    corrections: list[Correction] = field(default_factory=list[Correction])
    health: list[HealthTold] = field(default_factory=list[HealthTold])

    @property
    def settled(self) -> Settled | None:
        """The last attempt that was billed."""
        return next((end for _, end in reversed(self.ends.values()) if isinstance(end, Settled)), None)

    def closing(self) -> tuple[Settled | Voided | Refused | None, str]:
        """Return the closing entry and its moment."""
        if self.refused:
            return self.refused, self.refused_at
        for ts, end in self.ends.values():
            if end.final:
                return end, ts
        return None, ""


def _gathered(lines: Sequence[Line]) -> _Gathered:
    found = _Gathered()
    for line in lines:
        entry = line.entry
        match entry:
            case Routed():
                found.id, found.routed, found.routed_at = entry.id, entry, line.ts
            case Held():
                found.id, found.held[entry.n] = entry.id, (line.ts, entry)
            case Settled() | Voided():
                found.id, found.ends[entry.n] = entry.id, (line.ts, entry)
            case Refused():
                found.id, found.refused, found.refused_at = entry.id, entry, line.ts
            case Adjusted():
                found.id = entry.corrects
                found.corrections.append(_correction(line.ts, entry))
            case Cooled():
                told = HealthTold(ts=line.ts, scope=entry.scope, name=entry.name, error=entry.error, until=entry.until)
                found.health.append(told)
            case Recovered():
                found.health.append(HealthTold(ts=line.ts, scope=entry.scope, name=entry.name))
            case _:
                pass
    return found


def _correction(ts: str, entry: Adjusted) -> Correction:
    return Correction(
        ts=ts,
        balance=entry.balance,
        amount=entry.amount,
        unit=entry.unit,
        reason=entry.reason,
        note=entry.note,
        ref=entry.ref,
    )


def _ended(closing: Settled | Voided | Refused | None) -> Ended:
    match closing:
        case None:
            return "open"
        case Refused():
            return "refused"
        case Settled(outcome="ok"):
            return "answered"
        case _:
            return "failed"


def _candidates(found: _Gathered) -> tuple[CandidateTold, ...]:
    """Return the candidates in the order in which they were listed, with the verdicts of every decision."""
    verdicts: dict[str, list[Verdict]] = {name: [] for name in found.routed.candidates} if found.routed else {}
    balances: dict[str, str] = {}
    for n, passed_over, taken in _decisions(found):
        for passed in passed_over:
            verdicts.setdefault(passed.candidate, []).append(Verdict(n=n, taken=False, passed_over=passed))
            balances.setdefault(passed.candidate, passed.balance)
        if taken is not None:
            name = candidate_name(taken.route, taken.upstream_model)
            verdicts.setdefault(name, []).append(Verdict(n=n, taken=True))
            balances[name] = taken.balance
    return tuple(
        CandidateTold(candidate=name, balance=balances.get(name, ""), verdicts=tuple(told))
        for name, told in verdicts.items()
    )


def _reasons_against(found: _Gathered) -> dict[str, PassedOver]:
    """Return the first reason against each candidate that was passed over."""
    reasons: dict[str, PassedOver] = {}
    for _n, passed_over, _taken in _decisions(found):
        for passed in passed_over:
            reasons.setdefault(passed.candidate, passed)
    return reasons


def _decisions(found: _Gathered) -> Iterator[tuple[int, tuple[PassedOver, ...], Held | None]]:
    for n, (_, held) in sorted(found.held.items()):
        yield n, held.passed_over, held
    if found.refused:
        yield max(found.held, default=0) + 1, found.refused.passed_over, None


def _attempt(found: _Gathered, n: int) -> AttemptTold:
    """Return attempt `n` from its hold and its end, or from the one that is there."""
    held_at, held = found.held.get(n, ("", None))
    ended_at, end = found.ends.get(n, ("", None))
    either = held or end
    assert either is not None, "an attempt has a hold or an end"
    settled = end if isinstance(end, Settled) else None
    voided = end if isinstance(end, Voided) else None
    classed = held or settled
    return AttemptTold(
        n=n,
        role=either.role,
        candidate=candidate_name(either.route, either.upstream_model),
        route=either.route,
        route_class=classed.route_class if classed else "",
        upstream=either.upstream,
        upstream_model=either.upstream_model,
        balance=either.balance,
        unit=either.unit,
        hold=either.hold,
        at=held_at,
        after_ms=_between(found.routed_at, held_at),
        hold_basis=held.hold_basis if held else None,
        windows=held.windows if held else (),
        counted=settled.counted if settled else held.counted if held else (),
        jitter_ms=held.jitter_ms if held else 0,
        waited_ms=held.waited_ms if held else 0,
        cause=held.cause if held else None,
        crossed=held.crossed if held else "",
        dialect_out=held.dialect_out if held else "",
        dropped=held.dropped if held else (),
        outcome=end.outcome if end else "",
        certainty=end.certainty if end else "",
        ended_at=ended_at,
        status=end.status if end else 0,
        error=end.error if end else "",
        wait_s=voided.wait_s if voided else "",
        no_retry=voided.no_retry if voided else False,
        total_ms=end.total_ms if end else None,
        first_byte_ms=settled.first_byte_ms or None if settled else None,
        finish=settled.finish if settled else "",
        model_served=settled.model_served if settled else "",
        tier_served=settled.tier_served if settled else "",
        upstream_id=end.upstream_id if end else "",
        limits=end.limits if end else (),
        bill=_bill(settled) if settled else None,
    )


def _bill(settled: Settled) -> Bill:
    return Bill(
        charge=settled.charge,
        unit=settled.unit,
        certainty=settled.certainty,
        usage=settled.usage,
        usage_source=settled.usage_source,
        overrun=settled.overrun,
        lines=settled.lines,
        card=settled.card,
        iterations=settled.iterations,
        answered_by=settled.answered_by,
        list=settled.list,
        list_unit=settled.list_unit,
        saving=settled.saving,
        reported_cost=settled.reported_cost,
        balance_before=settled.balance_before,
        balance_after=settled.balance_after,
        flags=settled.flags,
    )


def _payments(found: _Gathered) -> tuple[Payment, ...]:
    """Return what each balance paid, charges less corrections, in the order of the attempts."""
    sums: dict[tuple[str, str], Decimal] = {}
    certainty: dict[tuple[str, str], dict[Certainty, None]] = {}
    for _, end in found.ends.values():
        if isinstance(end, Settled):
            paid = (end.balance, end.unit)
            sums[paid] = add(sums.get(paid, ZERO), Decimal(end.charge))
            certainty.setdefault(paid, {})[end.certainty] = None
    for correction in found.corrections:
        paid = (correction.balance, correction.unit)
        sums[paid] = subtract(sums.get(paid, ZERO), Decimal(correction.amount))
    return tuple(
        Payment(balance=balance, charge=text(charge), unit=unit, certainty=tuple(certainty.get((balance, unit), ())))
        for (balance, unit), charge in sums.items()
    )


def _refusal(found: _Gathered) -> Refusal | None:
    refused = found.refused
    if refused is None:
        return None
    return Refusal(
        ts=found.refused_at,
        reason=refused.reason,
        error=refused.error,
        client_status=refused.client_status,
        waited_ms=refused.waited_ms,
        passed_over=refused.passed_over,
    )


def _between(start: str, end: str) -> int | None:
    """Return the whole ms from one stamp to another, None when one is missing."""
    return (moment(end) - moment(start)) // timedelta(milliseconds=1) if start and end else None
