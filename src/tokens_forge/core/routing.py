"""Which candidate answers a call, and why not the others.

`route` says what a call means by a config: its candidates in order, and which is intended. `decide` takes the first
that is permitted, healthy and can be paid, or refuses with a reason for each. Both read nothing but config, cards, the
fold and the moment, so every decision can be made again from the ledger and must agree.
"""

from dataclasses import dataclass, replace
from decimal import Decimal

import msgspec

from tokens_forge.core.book import COUNT_UNITS, BalanceState, allowances, available, is_money, left, resets
from tokens_forge.core.budgets import CAP, Over, bindings, cap_of, over, rate_at, stopped, wait_ms
from tokens_forge.core.burn import order
from tokens_forge.core.candidates import Candidate, candidate, key_of, match
from tokens_forge.core.capabilities import incapable
from tokens_forge.core.config import CLIENT, Balance
from tokens_forge.core.dialects import dialect_out, is_of_provider, tier_out
from tokens_forge.core.entries import (
    Cause,
    Counted,
    Held,
    PassedOver,
    Reason,
    Refused,
    RefusedReason,
    Role,
    Routed,
    Trail,
)
from tokens_forge.core.fallback import MENDED, TABLE, turned_away
from tokens_forge.core.flags import TIER_UNPRICED
from tokens_forge.core.fold import Fold, OpenCall
from tokens_forge.core.moments import later, moment, read_duration_ms
from tokens_forge.core.money import ZERO, add, divided, read_amount, subtract, text
from tokens_forge.core.prices import card_at, cost
from tokens_forge.core.responses import LOST, RESPONSE_LOST, THREAD_LOST, THREAD_UNSUPPORTED
from tokens_forge.core.settlement import (
    Hold,
    Question,
    Terms,
    counted_for,
    hold_for,
    payer_of,
    says_what_it_costs,
    unpriced_beside,
)

NO_CACHE_AFTER = 2
"""So many answers of one candidate without a cached token, and a conversation need not stay there: the first of them
can't have read what it wrote."""

_GOES_ON_BY = {"conversation": "conversation", "message": "thread"}
"""The member by which a request goes on, where that is not `previous_response_id`."""

_ANEW: frozenset[RefusedReason] = frozenset({"all_cooling", "busy", "exhausted", "not_allowed"})
"""The refusals of a thread's account for which its client may begin a new one elsewhere."""

_UNSUPPORTED = {"thread": THREAD_UNSUPPORTED, "previous_response_id": RESPONSE_LOST}
"""By the member that no candidate's upstream knows: the code that says so."""

WAIT_REASONS: tuple[Reason, ...] = ("cooling", "probing", "busy")
"""Reasons that time ends."""


_TIMED: tuple[Reason, ...] = ("cooling", "failed_in_call", "attempts_used", "retry_budget")
"""Reasons that end at a moment where one stands beside them: a cooldown's, or that of a wait which was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """Attempt this candidate with this hold."""

    candidate: Candidate
    n: int
    role: Role
    hold: Hold
    passed_over: tuple[PassedOver, ...]
    cause: Cause | None
    dialect_out: str
    """The dialect that the upstream is asked in; empty where that is the client's."""

    def held(self, call_id: str, *, dropped: tuple[str, ...] = (), jitter_ms: int = 0, waited_ms: int = 0) -> Held:
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
            crossed=self.hold.crossed,
            dialect_out=self.dialect_out,
            dropped=dropped,
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
    passes: bool = False
    """Whether the client may well send it again later: time may end it, and nothing of it may have been billed."""

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


def route(terms: Terms, fold: Fold, asked: Routed, at: str) -> Routed:
    """Return the entry that begins a call: what the client asked, with what `at` the moment follows from it.

    That is the candidates in order and the numbers behind it, which one is intended and which goes first because it
    answered the conversation last, and where a fallback must stay. `asked` says everything else.
    """
    config = terms.config
    matched = match(config, asked.model_asked)
    if asked.prefixes:
        asked = msgspec.structs.replace(asked, thread=fold.threads.named(asked))
    if asked.previous_kind or asked.previous:
        asked = _gone_on(fold, asked)
    ordered = order(Question(terms=terms, fold=fold, routed=asked, at=at), matched.candidates, matched.burn)
    routed = msgspec.structs.replace(
        asked,
        model=matched.by,
        candidates=tuple(one.name for one in ordered.candidates),
        burn=matched.burn,
        ranked=ordered.ranked,
        boundary=matched.boundary,
    )
    routed = msgspec.structs.replace(routed, intended=_intended(terms, fold, routed, at))
    return _kept(terms, fold, routed, at)


def _gone_on(fold: Fold, asked: Routed) -> Routed:
    """Return the entry with what is known of that which the call goes on from: who made it, and how much it is.

    Single items are at most what the conversation was before, less what of it is sent again.
    """
    if asked.previous_kind == "items":
        left = max(fold.threads.tokens_of(asked.thread) - asked.input_estimate, 0)
        return msgspec.structs.replace(asked, previous_input=left)
    size = fold.responses.size_of(asked.previous)
    return msgspec.structs.replace(
        asked,
        made_by=fold.responses.made_by.get(asked.previous, ""),
        previous_input=size.input,
        previous_output=size.output,
    )


def _intended(terms: Terms, fold: Fold, routed: Routed, at: str) -> str:
    """Return the first candidate that the key may use and that can serve the call at all, whatever its money or health.

    Empty when there is none.
    """
    question = Question(terms=terms, fold=fold, routed=routed, at=at)
    for name in routed.candidates:
        if not isinstance(_may_serve(question, candidate(terms.config, name)), PassedOver):
            return name
    return ""


def _kept(terms: Terms, fold: Fold, routed: Routed, at: str) -> Routed:
    """Return the entry with where the conversation was, and whether it stays there for its prompt cache (CASES 50).

    It stays only among candidates of the intended one's class and balance: what was meant to pay pays.
    """
    within = terms.config.policy.sticky
    if within == "none" or not routed.thread:
        return routed
    thread = fold.threads.of(routed.thread, at, within_ms=read_duration_ms(within))
    if thread is None:
        return routed
    kept = msgspec.structs.replace(routed, kept=thread.candidate, kept_cache=thread.cached)
    if thread.candidate not in routed.candidates or not routed.intended:
        return kept
    there, meant = candidate(terms.config, thread.candidate), candidate(terms.config, routed.intended)
    alike = (there.route_class, there.balance) == (meant.route_class, meant.balance)
    # Two answers in a row of which nothing was cached show that there is no cache to stay for.
    alike = alike and (thread.cached > 0 or thread.answers < NO_CACHE_AFTER)
    stays = alike and ("none" not in _boundaries(routed) or there == meant)
    return msgspec.structs.replace(kept, sticky=thread.candidate) if stays else kept


def decide(terms: Terms, fold: Fold, call: OpenCall, at: str) -> Take | Refuse:
    """Return what to attempt next for `call` at the moment `at`, or why nothing can be.

    A candidate whose failure allows it is tried again first; otherwise a candidate that failed in this call is done
    (CASES 26). Each candidate's balance and health are looked at anew (CASES 33).
    """
    if not call.routed.candidates:
        return Refuse(reason="unknown_model", error="model_not_found", status=404, passed_over=())
    if stopped(fold.budgets, call.routed.task):
        return Refuse(reason="task_stopped", error="task_stopped", status=403, passed_over=())
    passed_over: list[PassedOver] = []
    if _attempts_made(call) >= terms.config.policy.attempts:
        passed_over = [_passed(terms, name, "attempts_used") for name in call.routed.candidates]
    else:
        for name in _order(call):
            found = candidate(terms.config, name)
            verdict = judge(terms, fold, call, found, at)
            if not isinstance(verdict, tuple):
                return _take(terms, call, found, verdict, passed_over)
            passed_over.extend(verdict)
    for last in _asked_to_wait(call):
        found = candidate(terms.config, last.candidate)
        here = next(n for n, passed in enumerate(passed_over) if passed.candidate == last.candidate)
        if at < last.until or terms.config.policy.wait == "none":
            passed_over[here] = msgspec.structs.replace(passed_over[here], until=last.until)
            continue
        verdict = judge(terms, fold, call, found, at, again=True)
        if not isinstance(verdict, tuple):
            return _take(terms, call, found, verdict, [*passed_over[:here], *passed_over[here + 1 :]])
        passed_over[here : here + 1] = verdict
    return _refuse(terms, fold, call, tuple(passed_over), at)


def _take(terms: Terms, call: OpenCall, found: Candidate, hold: Hold, passed_over: list[PassedOver]) -> Take:
    """Return the attempt at a candidate with a hold, given what stood against those before it."""
    if hold.beyond is not None:
        passed_over = [*passed_over, hold.beyond]
    return Take(
        candidate=found,
        n=len(call.trail) + 1,
        role=_role(call, found.name),
        hold=hold,
        passed_over=tuple(passed_over),
        cause=_cause(call, passed_over),
        dialect_out=_translated(terms, call.routed, found),
    )


def _asked_to_wait(call: OpenCall) -> tuple[Trail, ...]:
    """Return the last attempt at each candidate of a call that named a wait: where nobody else answers, it is for them.

    The one that was tried first goes first.
    """
    last = {attempt.candidate: attempt for attempt in call.trail}
    return tuple(attempt for attempt in last.values() if attempt.until)


def _attempts_made(call: OpenCall) -> int:
    """Return how many attempts count: one that ended in a named wait does not once its candidate was asked again."""
    asked_again: set[str] = set()
    made = 0
    for attempt in reversed(call.trail):
        made += not (attempt.until and attempt.candidate in asked_again)
        asked_again.add(attempt.candidate)
    return made


def _translated(terms: Terms, routed: Routed, found: Candidate) -> str:
    """Return the dialect that a candidate's upstream is asked in, where that is not the client's."""
    spoken = dialect_out(routed.dialect_in, terms.config.upstream[found.upstream])
    return spoken if spoken and spoken != routed.dialect_in else ""


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


def may_outlast_ms(
    terms: Terms, decision: Take | Refuse, at: str, *, waited_ms: int, patience_ms: int | None = None
) -> int:
    """Return for how long more a call may wait at `at` where time alone may end what stands against it.

    That is a cooldown or a named wait that ends early enough, and a turn at a busy upstream: for that it waits also
    where it could go elsewhere. `waited_ms` is how long it waited before, in all. Of `patience_ms`, after which its
    client gives up, at most half is waited: the rest is for the answer, which would be paid for and read by nobody.
    """
    wait = terms.config.policy.wait
    if isinstance(decision, Refuse) and decision.error == THREAD_LOST:
        return 0  # its client goes on at once
    most_ms = 0 if wait == "none" else read_duration_ms(wait)
    if patience_ms is not None:
        most_ms = min(most_ms, patience_ms // 2)
    left_ms = max(most_ms - waited_ms, 0)
    if not left_ms:
        return 0
    if isinstance(decision, Take):
        ends = any(passed.reason == "busy" for passed in decision.passed_over)
    else:
        latest = later(at, left_ms)
        ends = any(_passes_by(passed, latest) for passed in decision.passed_over)
    return left_ms if ends else 0


def _passes_by(passed: PassedOver, latest: str) -> bool:
    """Say whether time may end what stands against a candidate by the moment `latest`.

    How long a probe or a busy upstream takes is not known.
    """
    if passed.reason in {"probing", "busy"}:
        return True
    return passed.reason in _TIMED and "" < passed.until <= latest


def _order(call: OpenCall) -> tuple[str, ...]:
    """Return the candidates as they are to be looked at: as routed, but for the one to be retried or to stay at."""
    first = call.trail[-1].candidate if call.may_retry else call.routed.sticky
    names = call.routed.candidates
    return (first, *(name for name in names if name != first)) if first else names


def judge(  # noqa: PLR0913 - a decision's values, and one word
    terms: Terms, fold: Fold, call: OpenCall, found: Candidate, at: str, *, again: bool = False
) -> Hold | tuple[PassedOver, ...]:
    """Return the hold on a candidate, or the first reason against each balance that may pay for it.

    `again` is for one that asked to wait: what became of it earlier in the call does not stand against it.
    """
    asked = Question(terms=terms, fold=fold, routed=call.routed, at=at)
    hold = _permitted(asked, call, found, again=again)
    if isinstance(hold, PassedOver):
        return (hold,)
    paid = _affordable(asked, call, found, hold)
    if not isinstance(paid, PassedOver):
        return paid
    # Beyond a pool another balance pays, by the user's word; it is looked at as any other.
    if paid.reason != "pool_used_up" or (beyond := _beyond(asked, found)) is None:
        return (paid,)
    beyond = _affordable(asked, call, found, replace(beyond, beyond=paid, crossed=hold.crossed))
    return (paid, beyond) if isinstance(beyond, PassedOver) else beyond


def _permitted(asked: Question, call: OpenCall, found: Candidate, *, again: bool) -> Hold | PassedOver:
    """Return the hold on a candidate that may be tried now, whatever its money, else what stands against it."""
    terms, fold, at = asked.terms, asked.fold, asked.at
    hold = _may_serve(asked, found)
    if isinstance(hold, PassedOver):
        return hold
    if (against := _login_elsewhere(asked, found)) is not None:
        return against
    crossed = _crossed(asked, found)
    if isinstance(crossed, PassedOver):
        return crossed
    if not again and (against := _done_in_call(terms, fold, call, found, at)) is not None:
        return against
    if (against := _not_now(asked, found)) is not None:
        return against
    return replace(hold, crossed=crossed) if crossed else hold


def _not_now(asked: Question, found: Candidate) -> PassedOver | None:
    """Return a reason when a candidate cools, or as many attempts are under way at its upstream as may be."""
    if (obstacle := asked.fold.health.obstacle(found.target, asked.at)) is not None:
        return _passed(asked.terms, found.name, obstacle.reason, until=obstacle.until, error=obstacle.error)
    most = asked.terms.config.upstream[found.upstream].concurrency
    if most is None or (under_way := asked.fold.under_way(found.upstream)) < most:
        return None
    passed = _passed(asked.terms, found.name, "busy")
    return msgspec.structs.replace(passed, limit=str(most), spent=str(under_way))


def _affordable(asked: Question, call: OpenCall, found: Candidate, hold: Hold) -> Hold | PassedOver:
    """Return the hold if the client, its balance and every budget have room for it, else what stands against it."""
    if (against := _over_max_charge(asked, call, found, hold)) is not None:
        return against
    paid = _paid(asked, found, hold)
    return paid if isinstance(paid, PassedOver) else _within_budgets(asked, found, paid)


def _may_serve(asked: Question, found: Candidate) -> Hold | PassedOver:
    """Return the hold on a candidate that can serve the call at all, else why it can't."""
    terms, routed = asked.terms, asked.routed
    if found.route_class not in key_of(terms.config, routed.key).classes:
        return _passed(terms, found.name, "not_allowed")
    if routed.pinned not in {"", found.route} or routed.pinned_class not in {"", found.route_class}:
        return _passed(terms, found.name, "not_pinned")
    if routed.made_by not in {"", found.route}:
        return _passed(
            terms, found.name, "not_pinned", error=_GOES_ON_BY.get(routed.previous_kind, "previous_response_id")
        )
    if (against := _no_login(asked, found)) is not None:
        return against
    if (against := incapable(asked, found)) is not None:
        return against
    hold = hold_for(asked, found.name)
    return hold or _unpriced(asked, found)


def _unpriced(asked: Question, found: Candidate) -> PassedOver:
    """Return the reason of a candidate without a price: whose it is, and the tier where only that has none."""
    terms, routed = asked.terms, asked.routed
    passed = _passed(terms, found.name, "no_price", error=unpriced_beside(asked, found.name))
    tier = tier_out(routed.tier_asked, routed.dialect_in, terms.config.upstream[found.upstream])
    card = card_at(terms.cards.charge.get(passed.error or found.name, ()), moment(asked.at))
    if card is None or TIER_UNPRICED not in cost({}, card, service=tier)[1]:
        return passed
    return msgspec.structs.replace(passed, tier=tier)


def _no_login(asked: Question, found: Candidate) -> PassedOver | None:
    """Return a reason when a candidate's upstream takes its caller's login, and the client has none for it.

    A tool's login is for the provider whose dialect the tool speaks: what Codex sends as its own goes to no upstream of
    Anthropic's, also where the request could be said there.
    """
    routed, upstream = asked.routed, asked.terms.config.upstream[found.upstream]
    if upstream.credential != CLIENT:
        return None
    if not routed.login:
        return _passed(asked.terms, found.name, "no_client_credential")
    if routed.dialect_in and not is_of_provider(routed.dialect_in, upstream):
        return _passed(asked.terms, found.name, "no_client_credential", error="of_another_provider")
    return None


def _login_elsewhere(asked: Question, found: Candidate) -> PassedOver | None:
    """Return a reason when the client's own login was meant for another upstream: it never follows a fallback there."""
    config, routed = asked.terms.config, asked.routed
    if config.upstream[found.upstream].credential != CLIENT or not routed.intended:
        return None
    if candidate(config, routed.intended).upstream == found.upstream:
        return None
    return _passed(asked.terms, found.name, "no_client_credential", error="meant_elsewhere")


def _crossed(asked: Question, found: Candidate) -> str | PassedOver:
    """Return the class that taking a candidate crosses into; nothing within the boundary; a reason if it may not.

    When nothing could serve as the call was routed (a rate card begins only now), the first that can is what was meant.
    """
    terms, routed = asked.terms, asked.routed
    table = terms.config.model.get(routed.model or routed.model_asked)
    allowed = table.cross.to if table is not None and table.cross is not None else ""
    if routed.intended in {"", found.name}:
        return found.route_class if allowed == found.route_class and _pinned_beyond(asked, found) else ""
    meant = candidate(terms.config, routed.intended)
    if all(_inside(boundary, found, meant) for boundary in _boundaries(routed)):
        return ""
    # Who says where the call must stay takes no further permission.
    if allowed != found.route_class or routed.fallback_asked:
        return _passed(terms, found.name, "outside_boundary")
    return found.route_class


def _pinned_beyond(asked: Question, found: Candidate) -> bool:
    """Say whether a client's pin chose what the call would have had to cross to: then it counts as a crossing."""
    routed = asked.routed
    if not (routed.pinned or routed.pinned_class):
        return False
    free = msgspec.structs.replace(routed, pinned="", pinned_class="")
    name = _intended(asked.terms, asked.fold, free, asked.at)
    return bool(name) and not _inside(routed.boundary, found, candidate(asked.terms.config, name))


def _inside(boundary: str, found: Candidate, meant: Candidate) -> bool:
    """Say whether a candidate lies within a boundary around the one that is meant."""
    match boundary:
        case "any":
            return True
        case "class":
            return found.route_class == meant.route_class
        case "balance":
            return found.balance == meant.balance
        case _:
            return found == meant


def _boundaries(routed: Routed) -> tuple[str, ...]:
    """Return where a call must stay: by the config, and by its client too, whose word never takes the other's place."""
    return (routed.boundary, routed.fallback_asked) if routed.fallback_asked else (routed.boundary,)


def _over_max_charge(asked: Question, call: OpenCall, found: Candidate, hold: Hold) -> PassedOver | None:
    """Return a reason when the hold, with what the call cost before, is more than the client lets it cost.

    The hold is compared, as nobody knows the charge yet. A pool and what is free cost nothing; what may cost anything,
    as its price is not known, is more than any amount.
    """
    routed, config = asked.routed, asked.terms.config
    if not routed.max_charge or not is_money(config.balance[hold.balance]) or hold.basis.kind == "free":
        return None
    most = read_amount(routed.max_charge)
    need = ZERO
    error = "" if says_what_it_costs(hold.amount, hold.basis) else "no_price"
    for amount, unit in ((hold.amount, hold.unit), *((Decimal(one.charge), one.unit) for one in call.trail)):
        rate = rate_at(config, unit, most.unit, asked.at) if unit not in COUNT_UNITS else None
        if rate is not None:
            need = add(need, divided(amount, rate))
        elif amount and unit not in COUNT_UNITS:
            error = error or "no_fx"
    if not error and need <= most.value:
        return None
    passed = PassedOver(
        candidate=found.name,
        balance=hold.balance,
        reason="over_max_charge",
        available=text(most.value),
        unit=most.unit,
        error=error,
    )
    return passed if error else msgspec.structs.replace(passed, need=text(need))


def _done_in_call(terms: Terms, fold: Fold, call: OpenCall, found: Candidate, at: str) -> PassedOver | None:
    attempts = [attempt for attempt in call.trail if attempt.candidate == found.name]
    if not attempts:
        return _emptied_in_call(terms, call, found)
    last = attempts[-1]
    if not (call.may_retry and call.trail[-1] is last):
        return _passed(terms, found.name, "failed_in_call", error=last.error)
    # After a short wait the same candidate goes first, before others; of its failures waits are none.
    like = attempts if last.until else [attempt for attempt in attempts if not attempt.until]
    if len(like) >= terms.config.policy.attempts_per_candidate:
        return _passed(terms, found.name, "attempts_used", error=last.error)
    if last.error != MENDED and not last.until and not fold.health.may_retry(at):
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
    payer = payer_of(routed, found.route, hold.balance, crossed=hold.crossed)
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
    # Where the conversation was is no fallback: it is meant to stay there.
    return "first" if name in {call.routed.intended, call.routed.sticky} or not call.routed.intended else "fallback"


def _cause(call: OpenCall, passed_over: list[PassedOver]) -> Cause | None:
    """Return what led to an attempt: the one before it, or why the candidate that was meant was passed over."""
    if call.trail:
        last = call.trail[-1]
        return Cause(n=last.n, error=last.error, status=last.status)
    for meant in (call.routed.intended, call.routed.sticky):
        for passed in passed_over:
            if meant and passed.candidate == meant:
                return Cause(n=0, error=passed.reason)
    return None


def _refuse(terms: Terms, fold: Fold, call: OpenCall, passed_over: tuple[PassedOver, ...], at: str) -> Refuse:
    """Return the refusal by what stands against the call, told so that its client goes on by itself where it can.

    Who keeps a thread of Messages keeps the conversation too, by its contract: where the route that has the thread does
    not answer and others could, it is told that the thread is lost, and sends all of it anew; not where only money is
    missing, which would be spent elsewhere unasked. Of a response few clients have what led to it: it is lost only
    where no route is left that may have it.
    """
    refuse = _refused_by(terms, fold, call, passed_over, at)
    member = _GOES_ON_BY.get(call.routed.previous_kind, "previous_response_id")
    elsewhere = any(passed.reason == "not_pinned" and passed.error == member for passed in passed_over)
    lost = LOST.get(call.routed.previous_kind)
    goes_on_anew = {"not_allowed"} if call.routed.previous_kind == "response" else _ANEW
    if elsewhere and lost is not None and refuse.reason in goes_on_anew:
        return replace(refuse, error=lost[0], status=lost[1], until="", passes=False)
    if refuse.reason == "no_capability":
        for passed in passed_over:
            if passed.reason == "no_capability" and passed.error in _UNSUPPORTED:
                return replace(refuse, error=_UNSUPPORTED[passed.error])
    return refuse


def _refused_by(terms: Terms, fold: Fold, call: OpenCall, passed_over: tuple[PassedOver, ...], at: str) -> Refuse:
    """Return the refusal that says most: what time ends, then what money ends, then what only the config ends."""
    if call.trail:
        return _exhausted(terms, fold, call, passed_over, at)
    reasons = {passed.reason for passed in passed_over}
    waits = reasons & set(WAIT_REASONS)
    if waits:
        untils = [passed.until for passed in passed_over if passed.reason in WAIT_REASONS and passed.until]
        word: RefusedReason = "busy" if waits == {"busy"} else "all_cooling"
        return Refuse(
            reason=word, error=word, status=503, passed_over=passed_over, until=min(untils, default=""), passes=True
        )
    for reason, (refused, code, status) in _REFUSALS.items():
        if reason in reasons:
            return Refuse(reason=refused, error=code, status=status, passed_over=passed_over)
    return Refuse(reason="not_allowed", error="not_allowed", status=403, passed_over=passed_over)


def _exhausted(terms: Terms, fold: Fold, call: OpenCall, passed_over: tuple[PassedOver, ...], at: str) -> Refuse:
    """Return the refusal after the last attempt.

    One whose request fits nowhere is the client's own to shorten. What the last upstream only put off is told by its
    own status, with the earliest moment to come again: so an SDK waits, as it would have without a proxy.
    """
    if all(attempt.error == "context_too_long" for attempt in call.trail):
        code, status = _REFUSALS["context_too_long"][1:]
        return Refuse(reason="exhausted", error=code, status=status, passed_over=passed_over)
    last = call.trail[-1]
    unbilled = {attempt.n for attempt in call.trail if attempt.outcome in {"rejected", "not_sent"}}
    turned = {attempt.n for attempt in call.trail if turned_away(attempt.error, attempt.status)}
    everyone = {attempt.n for attempt in call.trail}
    if last.n not in turned or (turned | unbilled if last.until else turned) != everyone:
        passes = unbilled == everyone and TABLE[last.error].next == "retry"
        return Refuse(
            reason="exhausted", error="candidates_exhausted", status=502, passed_over=passed_over, passes=passes
        )
    obstacle = fold.health.obstacle(candidate(terms.config, last.candidate).target, at)
    untils = (*(passed.until for passed in passed_over), last.until, obstacle.until if obstacle else "")
    until = min((until for until in untils if until > at), default="")
    status = turned_away(last.error, last.status)
    return Refuse(
        reason="exhausted", error=last.error, status=status, passed_over=passed_over, until=until, passes=True
    )


_REFUSALS: dict[Reason, tuple[RefusedReason, str, int]] = {
    # Where a budget stands against a candidate its balance had room: it is the budget that refuses.
    "over_budget": ("nothing_can_pay", "budget_exceeded", 402),
    "balance_short": ("nothing_can_pay", "insufficient_balance", 402),
    "pool_used_up": ("nothing_can_pay", "insufficient_balance", 402),
    "balance_empty_upstream": ("nothing_can_pay", "insufficient_balance", 402),
    "over_max_charge": ("nothing_can_pay", "max_charge_exceeded", 402),
    "no_price": ("no_price", "no_price", 501),
    # The code by which agents know that they must shorten their conversation (OpenAI, "Error codes").
    "context_too_long": ("context_too_long", "context_length_exceeded", 400),
    "no_client_credential": ("no_client_credential", "no_client_credential", 401),
    "no_capability": ("no_capability", "no_capability", 400),
}
"""What refuses a call that nothing stood for, by the reason that says most: what money ends, then what only another
config or another request ends. The code is the one in the client's error."""
