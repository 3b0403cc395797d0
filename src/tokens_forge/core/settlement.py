"""What an attempt reserves and what it ends up costing.

`hold_for` says what to reserve before an attempt, `settle` and `void` build the entry that ends the hold. Every amount
comes from `prices.price`; where usage is missing, what was estimated is said. It decides no route and appends nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from dataclasses import replace as replaced
from datetime import datetime
from decimal import Decimal
from typing import Literal, assert_never

from msgspec.structs import replace

from tokens_forge.core import config
from tokens_forge.core.book import (
    COUNT_UNITS,
    OVERAGE,
    is_money,
    remaining,
    unit_of,
    windows_at,
    windows_of_charge,
)
from tokens_forge.core.budgets import Binding, Payer, bindings, counted
from tokens_forge.core.config import CATALOGUE_UNIT, Counting, Holding
from tokens_forge.core.dialects import bills_no_refusal, dialect_out, is_free, is_refusal, tier_out
from tokens_forge.core.entries import (
    Beside,
    CacheLife,
    CardUsed,
    Certainty,
    ChargeLine,
    Counted,
    Held,
    HoldBasis,
    HoldKind,
    IterationBilled,
    Limit,
    Need,
    PassedOver,
    Routed,
    Settled,
    UsageSource,
    Voided,
    WindowHeld,
    candidate_name,
)
from tokens_forge.core.entry_check import MOST_COUNTED
from tokens_forge.core.estimates import INPUT_MARGIN, RATIO_ONE, RATIO_WITHIN
from tokens_forge.core.fallback import Row
from tokens_forge.core.flags import TIER_UNPRICED
from tokens_forge.core.fold import Fold, OpenCall
from tokens_forge.core.moments import moment, read_duration_ms
from tokens_forge.core.money import ZERO, Amount, add, divided, fits_ledger, multiply, rounded, subtract, text
from tokens_forge.core.prices import (
    Cards,
    Charge,
    IterationUse,
    RateCard,
    card_at,
    card_name,
    cost,
    dearest,
    price,
)
from tokens_forge.core.reported_cost import most_believed
from tokens_forge.core.stated import context_of, stated
from tokens_forge.core.usage import GUESSES, INPUT_CLASSES, OUTPUT_CLASSES, WRITE_CLASSES, Iteration, at_most
from tokens_forge.core.windows import MONDAYS_IN_UTC, Calendar


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What settlement reads: the config and the rate cards in force, and where the user's days begin."""

    config: config.Config
    cards: Cards
    calendar: Calendar = MONDAYS_IN_UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a hold is reckoned from: the terms, the fold as it is, the call as it was routed, and the moment."""

    terms: Terms
    fold: Fold
    routed: Routed
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """What to reserve for one attempt."""

    balance: str
    amount: Decimal
    unit: str
    basis: HoldBasis
    windows: tuple[WindowHeld, ...] = ()
    counted: tuple[Counted, ...] = ()
    beyond: PassedOver | None = None
    """The pool that this balance pays beyond, and why it could not."""
    crossed: str = ""
    """The class that it crosses into by the model's permission."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """What is known of an attempt when it ended."""

    row: Row
    """Its row of the failure table."""
    error: str
    status: int
    client_status: int
    """The status that the client gets, 0 while the call goes on."""
    final: bool
    started: str
    """When the request began to be sent: the moment that chooses the rate card."""
    total_ms: float
    first_byte_ms: float = 0.0
    usage: Mapping[str, int] | None = None
    """As the upstream reported it; None when it said nothing that can be true."""
    whole: bool = True
    """Whether `usage` is the upstream's last word."""
    guessed: int = 0
    """Tokens of its output that nobody counted (`core/usage.py`)."""
    output_estimate: int = 0
    """Tokens of output by the bytes that came, for when usage is missing."""
    flags: tuple[str, ...] = ()
    model_served: str = ""
    upstream_id: str = ""
    finish: str = ""
    tier_served: str = ""
    cache_counted: str = ""
    """Where the upstream's dialect counts cached tokens (`core/usage.py`)."""
    iterations: tuple[Iteration, ...] = ()
    """What the upstream bills beside `usage`."""
    answered_by: str = ""
    """The model that stepped in for the one that was asked, as the upstream names it."""
    geo: str = ""
    """Where the upstream says that it computed the reply, where it charges for that."""
    reported_cost: Decimal | None = None
    cost_unit: str = ""
    """The unit that `reported_cost` says itself to be in; empty for the balance's own."""
    wait_s: Decimal | None = None
    no_retry: bool = False
    """Its upstream said that to ask again does not help."""
    limits: tuple[Limit, ...] = ()


def hold_for(asked: Question, candidate: str, *, balance: str = "") -> Hold | None:
    """Return what an attempt on `candidate` (ROUTE/MODEL) must reserve; None when its price is not known.

    It is paid by the route's balance, or by `balance` in its place. Money: the input estimate with its margin, what
    the provider keeps of the conversation, the output, and what the provider is asked to do besides, at the cards in
    force. Pool: one request, or those tokens; what a provider counts and what is free: nothing.
    """
    terms, fold, at = asked.terms, asked.fold, asked.at
    name = balance or terms.config.route[candidate.partition("/")[0]].balance
    payer = terms.config.balance[name]
    unit = unit_of(payer)
    if _is_free(terms, asked.routed, candidate):
        return Hold(balance=name, amount=ZERO, unit=unit, basis=HoldBasis(kind="free"))
    match payer.kind:
        case "free":
            return Hold(balance=name, amount=ZERO, unit=unit, basis=HoldBasis(kind="free"))
        case "pool" if payer.windows == "provider":
            return Hold(balance=name, amount=ZERO, unit=unit, basis=HoldBasis(kind="provider"))
        case "pool":
            state = fold.book.state(name, unit)
            need = _need(asked, candidate, payer.hold)
            amount = 1 if unit == "requests" else need.input + need.output + _tokens_beside(asked, candidate, need)
            basis = HoldBasis(kind="count", input=need.input, output=need.output, kept=need.kept)
            windows = windows_at(payer, state, at, terms.calendar)
            return Hold(balance=name, amount=Decimal(amount), unit=unit, basis=basis, windows=windows)
        case "prepaid" | "postpaid":
            money = _money_for(asked, candidate, _need(asked, candidate, payer.hold))
            if money is None:
                return None
            amount, basis = money
            windows = windows_at(payer, fold.book.state(name, unit), at, terms.calendar)
            return Hold(balance=name, amount=amount, unit=unit, basis=basis, windows=windows)
        case _:
            assert_never(payer.kind)


def _is_free(terms: Terms, routed: Routed, candidate: str) -> bool:
    """Say whether such a call costs nothing there, whatever its balance."""
    return is_free(routed.dialect_in, _upstream(terms, candidate))


def _upstream(terms: Terms, candidate: str) -> config.Upstream:
    return terms.config.upstream[terms.config.route[candidate.partition("/")[0]].upstream]


def counted_for(asked: Question, candidate: str, hold: Hold, binding: Binding) -> Counted | None:
    """Return what the attempt of `hold` counts against a budget while it is under way; None without exchange rate."""
    terms = asked.terms
    payer = terms.config.balance[hold.balance]
    need = _need(asked, candidate, binding.hold or payer.hold)
    free = _is_free(terms, asked.routed, candidate)  # by its provider's word, so that it has no list price either
    amount = _listed_for(asked, candidate, need) if binding.count == "list" and not free else None
    by: Counting = "charge" if amount is None else "list"
    if amount is None and is_money(payer) and hold.basis.kind != "free":
        money = _money_for(asked, candidate, need)
        amount = Amount(value=money[0], unit=hold.unit) if money else None
    return counted(
        binding, amount, terms.config, budgets=asked.fold.budgets, at=asked.at, calendar=terms.calendar, by=by
    )


def payer_of(routed: Routed, route: str, balance: str, *, crossed: str) -> Payer:
    """Return who spends by an attempt, and by which model's permission where it crosses into another class."""
    by = routed.model or routed.model_asked
    return Payer(key=routed.key, task=routed.task, route=route, balance=balance, crossing=by if crossed else "")


def settle(  # noqa: PLR0913, PLR0917 - what was agreed, what came of it, and the books at that moment
    terms: Terms, call: OpenCall, held: Held, finish: Finish, fold: Fold, at: str
) -> Settled:
    """Return the entry that ends `held` with its charge, to be appended at `at`. `fold` is the one before it."""
    routed = call.routed
    state = fold.book.state(held.balance, held.unit)
    use = _use(terms, routed, held, finish)
    use = replaced(use, most_believed=_most_believed(terms, routed, held, use, fold, remaining(use.payer, state, at)))
    bill = _bill(held, use)
    listed = _listed(use)
    before = remaining(use.payer, state, at)
    after = remaining(use.payer, state, at, charge=bill.amount)
    hold = Decimal(held.hold)
    return Settled(
        id=held.id,
        n=held.n,
        role=held.role,
        final=finish.final,
        client_status=finish.client_status,
        key=routed.key,
        task=routed.task,
        agent=routed.agent,
        thread=routed.thread,
        turn=routed.turn,
        model_asked=routed.model_asked,
        upstream=held.upstream,
        upstream_model=held.upstream_model,
        model_served=finish.model_served,
        dialect_in=routed.dialect_in,
        dialect_out=held.dialect_out or routed.dialect_in,
        stream=routed.stream,
        intended=routed.intended,
        route=held.route,
        route_class=held.route_class,
        balance=held.balance,
        outcome=finish.row.outcome,
        status=finish.status,
        error=finish.error,
        finish=finish.finish,
        upstream_id=finish.upstream_id,
        tier_served=finish.tier_served,
        started=finish.started,
        first_byte_ms=finish.first_byte_ms,
        total_ms=finish.total_ms,
        usage=dict(use.usage),
        usage_source=use.source,
        cache_counted=finish.cache_counted,
        flags=tuple(dict.fromkeys((*finish.flags, *bill.flags))),
        card=bill.card,
        iterations=bill.iterations,
        answered_by=finish.answered_by,
        geo=finish.geo,
        lines=bill.lines,
        charge=text(bill.amount),
        unit=held.unit,
        list=text(listed.amount) if listed else "",
        list_unit=listed.card.unit if listed else "",
        saving=_saving(terms, use, bill, listed, held.unit),
        certainty=bill.certainty,
        reported_cost=text(finish.reported_cost) if finish.reported_cost is not None else "",
        hold=held.hold,
        overrun=text(max(ZERO, subtract(bill.amount, hold))),
        windows=windows_of_charge(use.payer, state, at, terms.calendar),
        counted=_counted(terms, fold, routed, held, bill, listed, at),
        balance_before="" if before is None else text(before),
        balance_after="" if after is None else text(after),
        trail=call.trail,
        limits=finish.limits,
    )


def void(held: Held, finish: Finish) -> Voided:
    """Return the entry that ends `held` without a charge."""
    return Voided(
        id=held.id,
        n=held.n,
        role=held.role,
        final=finish.final,
        route=held.route,
        upstream=held.upstream,
        upstream_model=held.upstream_model,
        balance=held.balance,
        unit=held.unit,
        hold=held.hold,
        outcome=finish.row.outcome,
        error=finish.error,
        certainty=finish.row.certainty,
        total_ms=finish.total_ms,
        status=finish.status,
        client_status=finish.client_status,
        wait_s=text(finish.wait_s) if finish.wait_s is not None else "",
        no_retry=finish.no_retry,
        upstream_id=finish.upstream_id,
        limits=finish.limits,
    )


def lost(  # noqa: PLR0913 - what was under way, and all that is known of it
    call: OpenCall, held: Held, *, final: bool, fold: Fold, terms: Terms | None, at: str
) -> Settled:
    """Return the entry for a hold that a start at `at` found: charged at the hold, estimated, to be corrected by hand.

    Nobody knows what came of the attempt; taking it as free would hide money (CASES 55). `terms` are those in force as
    the process ended. Without them, or where they don't have its balance, it counts in those of its windows and periods
    that are not over, and what is left of a pool is not stated.
    """
    routed, now = call.routed, _named_now(held, fold)
    state = fold.book.state(held.balance, held.unit)
    before = after = None
    if not held.windows and held.unit not in COUNT_UNITS:
        before, after = state.posted, subtract(state.posted, Decimal(held.hold))
    windows = tuple(window for window in held.windows if at < window.end)
    against = tuple(one for one in held.counted if not one.end or at < one.end)
    payer = terms.config.balance.get(now.balance) if terms else None
    if terms is not None and payer is not None:
        before = remaining(payer, state, at)
        after = remaining(payer, state, at, charge=Decimal(held.hold))
        windows = windows_of_charge(payer, state, at, terms.calendar)
        asked = replace(routed, key=fold.budgets.key(routed.key))
        against = _counted(terms, fold, asked, now, _at_hold(held), None, at)
    return Settled(
        id=held.id,
        n=held.n,
        role=held.role,
        final=final,
        key=routed.key,
        task=routed.task,
        agent=routed.agent,
        thread=routed.thread,
        turn=routed.turn,
        model_asked=routed.model_asked,
        upstream=held.upstream,
        upstream_model=held.upstream_model,
        dialect_in=routed.dialect_in,
        dialect_out=held.dialect_out or routed.dialect_in,
        stream=routed.stream,
        intended=routed.intended,
        route=held.route,
        route_class=held.route_class,
        balance=held.balance,
        outcome="lost",
        started="",
        total_ms=0.0,
        usage={},
        usage_source="none",
        charge=held.hold,
        unit=held.unit,
        certainty=_at_hold(held).certainty,
        hold=held.hold,
        overrun="0",
        windows=windows,
        counted=against,
        balance_before="" if before is None else text(before),
        balance_after="" if after is None else text(after),
        trail=call.trail,
    )


def _named_now(held: Held, fold: Fold) -> Held:
    """Return a hold with the names that its balance, route and budgets have now."""
    names = fold.budgets.names

    def now(scope_name: str) -> str:
        return names.get(scope_name, scope_name)

    def counts(one: Counted) -> Counted:
        owner, _, per = one.budget.rpartition("/")
        return replace(one, budget=f"{now(owner)}/{per}")

    return replace(
        held,
        balance=fold.book.name(held.balance),
        route=now(f"route.{held.route}").removeprefix("route."),
        counted=tuple(counts(one) for one in held.counted),
    )


@dataclass(slots=True, kw_only=True)
class _Need:
    """Tokens to hold for. Never changed; it is not frozen, as each candidate of each call has one or two."""

    kind: HoldKind
    input: int
    output: int
    kept: int = 0
    """Of the input: what the provider keeps of the conversation."""
    writes: bool = False
    """Whether it counts that all of the input may be written to a cache."""
    caches: CacheLife | Literal[""] | None = None
    """For how long; None: as the request's marks say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Use:
    """What is to be paid for, by whom, and when it was asked."""

    payer: config.Balance
    usage: Mapping[str, int]
    source: UsageSource
    at: datetime
    beyond: bool
    """The provider says that money pays for it, beyond the pool."""
    service: str
    """The tier of service that was served, else asked for."""
    card: RateCard | None
    """What the route charges by; a pool that its provider counts has none."""
    list: RateCard | None
    """The provider's list price of the same."""
    iterations: tuple["_PricedIteration", ...]
    """What is billed beside `usage`."""
    reported: Decimal | None
    """What the upstream said that it cost, in the payer's unit."""
    is_converted: bool
    """Whether it was said in another unit."""
    geo: str
    """Where it was computed, as the upstream says."""
    seconds: int
    """How long it took, begun seconds whole."""
    streamed: int
    """Tokens of output by the bytes that came."""
    answered: bool
    """Whether the upstream began to answer."""
    free: bool
    """Whether such a call costs nothing there, whatever its balance."""
    flags: tuple[str, ...] = ()
    """What of it was not to be taken as it was told."""
    is_guess: bool = False
    """Whether what was used, or the card that it is charged by, is not all told."""
    most_believed: Decimal | None = None
    """A reported cost above it is no cost of this call; None where nothing is known to judge it by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _PricedIteration:
    """One thing that is billed beside a call's own usage, and the cards of its model; None where there is none."""

    iteration: Iteration
    model: str
    """As the upstream names it."""
    card: RateCard | None
    list: RateCard | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bill:
    amount: Decimal
    certainty: Certainty
    lines: tuple[ChargeLine, ...] = ()
    card: CardUsed | None = None
    iterations: tuple[IterationBilled, ...] = ()
    flags: tuple[str, ...] = ()


def _need(asked: Question, candidate: str, holding: Holding | None) -> _Need:
    """Return the tokens to hold for: the maximum, or what such calls stay below nearly always, as far as known.

    What the provider keeps of the conversation is input once more. Of one that is not known here (made elsewhere, or
    forgotten) the maximum is the whole context of the model, where that is stated; who expects instead of bounding
    holds nothing for it.
    """
    routed = asked.routed
    kept = routed.previous_input + routed.previous_output
    most = most_output(asked.terms, routed, candidate)
    output = routed.output_bound if most is None else min(routed.output_bound, most)
    if (holding or asked.terms.config.settle.hold) == "expected":
        expected = asked.fold.estimates.expected_output(candidate)
        if expected is not None:
            own = asked.fold.estimates.input_estimate(candidate, routed.input_estimate)
            return _Need(kind="expected", input=own + kept, output=min(expected, output), kept=kept, writes=True)
    bound = -(-routed.input_estimate * INPUT_MARGIN[0] // INPUT_MARGIN[1])  # rounded up, without a float
    if not kept and routed.previous_kind in _CONVERSATIONS:
        kept = max(_context(asked, candidate) - bound, 0)
    return _Need(kind="bound", input=bound + kept, output=output, kept=kept, writes=True)


_CONVERSATIONS = frozenset({"response", "message", "conversation"})
"""What a request may go on from that can be as long as the model's context."""


def _context(asked: Question, candidate: str) -> int:
    route, _, model = candidate.partition("/")
    terms = asked.terms
    return context_of(terms.config.route[route], model, terms.cards.list.get(candidate, ()), asked.at)


def most_output(terms: Terms, routed: Routed, candidate: str) -> int | None:
    """Return the most output tokens that a call can have on a candidate, of all its answers together; None if unknown.

    It is the client's own maximum or what the route says that the model gives, whichever is less. The configured bound
    and the hold are no such maximum (CASES 65).
    """
    if not routed.output_bound:  # nothing is put out: a cache is filled, a prompt scored, a text embedded
        return 0
    name, _, model = candidate.partition("/")
    route, asked = terms.config.route[name], routed.output_asked
    gives = stated(route, model).output * routed.answers if route.capabilities else 0
    return min(asked, gives) if asked and gives else asked or gives or None


def _priced(
    asked: Question, candidate: str, need: _Need, card: RateCard
) -> tuple[Decimal, tuple[str, ...], tuple[str, str]]:
    """Return what `need` costs on a card in the tier asked for, what of it has no price, and its two classes."""
    upstream = _upstream(asked.terms, candidate)
    service = tier_out(asked.routed.tier_asked, asked.routed.dialect_in, upstream)
    input_class = _input_class(asked.routed, upstream, need, card, service)
    output_class = "output"
    if "audio" in asked.routed.needs:
        output_class = dearest(("output", "audio_out"), {"input": need.input}, card, service=service)
    usage = {input_class: need.input, output_class: need.output}
    if "seconds" in card.rates:
        usage["seconds"] = -(-read_duration_ms(upstream.timeouts.whole) // 1000)
    return *cost(usage, card, service=service, geo=_geo_asked(asked.routed, upstream)), (input_class, output_class)


def _geo_asked(routed: Routed, upstream: config.Upstream) -> str:
    """Return where the request wants to be computed; a translation asks for no place."""
    return routed.geo_asked if dialect_out(routed.dialect_in, upstream) == routed.dialect_in else ""


def _input_class(routed: Routed, upstream: config.Upstream, need: _Need, card: RateCard, service: str) -> str:
    """Return the dearest class that the input of a hold may be billed at: as input, sound or images, or written.

    A part of it may be read from the cache instead, at less. Nobody knows which before the answer, and what a cache
    has forgotten is written anew, also of what the provider keeps: so all of it is held at the dearest.
    """
    classes = ["input", *(_BROUGHT[word] for word in routed.needs if word in _BROUGHT)]
    if need.writes and not _WRITES.isdisjoint(card.rates):
        life = need.caches
        if life is None:
            spoken = dialect_out(routed.dialect_in, upstream) or routed.dialect_in or upstream.dialect
            life = routed.caches.get(spoken) or (_UNASKED if spoken.startswith("openai") else "")
        classes += _WRITTEN[life] if life else ()
    return dearest(classes, {"input": need.input}, card, service=service) if len(classes) > 1 else "input"


_PLAIN = ("input", "output")
"""The classes of a hold that is for text, and nothing is written of it."""

_BROUGHT: Mapping[Need, str] = {"audio": "audio_in", "vision": "image_in"}
"""What the input of a request may be billed at by what it needs of a model."""

_WRITES = frozenset(WRITE_CLASSES)

_UNASKED: CacheLife = "30m"
"""How long OpenAI's models that charge for writes keep a prompt without being asked (OpenAI, guide "Prompt caching",
read 2026-11: GPT-5.6 and later). A relay that speaks as it does may mark for its clients too."""

_WRITTEN: Mapping[str, tuple[str, ...]] = {
    name.removeprefix("cache_write_"): WRITE_CLASSES[: place + 1] for place, name in enumerate(WRITE_CLASSES)
}
"""What input may be billed at, by the longest life that its marks ask for: others may ask for a shorter one."""


def _with_beside(
    asked: Question, candidate: str, need: _Need, cards: Mapping[str, tuple[RateCard, ...]], amount: Decimal
) -> Decimal | None:
    """Return `amount`, which `need` costs, with what the provider is asked to do besides; None where that has no price.

    Of the models that may answer in the candidate's place the dearest counts. What is sold by the call is sold whole.
    """
    answer, besides = amount, ZERO
    for one, wanted in _needs_beside(asked, candidate, need):
        each = _cost_beside(asked, _beside_name(candidate, one), wanted, cards)
        if each is None:
            return None
        if one.kind == "fallback":
            answer = max(answer, each)
        else:
            besides = add(besides, multiply(each, Decimal(one.times)))
    return add(answer, besides)


def _cost_beside(
    asked: Question, name: str, wanted: _Need, cards: Mapping[str, tuple[RateCard, ...]]
) -> Decimal | None:
    card = card_at(cards.get(name, ()), moment(asked.at))
    if card is None:
        return None
    if card.terms in {"flat", "free"}:
        return ZERO
    amount, unpriced, _class = _priced(asked, name, wanted, card)
    return None if unpriced else amount


def _beside_name(candidate: str, one: Beside) -> str:
    """Return ROUTE/MODEL of what is done besides."""
    return candidate_name(candidate.partition("/")[0], one.model) if one.model else candidate


def unpriced_beside(asked: Question, candidate: str) -> str:
    """Return the first ROUTE/MODEL without a price that a request asks for besides; empty where all have one."""
    need, cards = _need(asked, candidate, None), asked.terms.cards.charge
    for one, wanted in _needs_beside(asked, candidate, need):
        name = _beside_name(candidate, one)
        if name != candidate and _cost_beside(asked, name, wanted, cards) is None:
            return name
    return ""


def _tokens_beside(asked: Question, candidate: str, need: _Need) -> int:
    """Return the tokens of what the provider is asked to do besides; another model's answer is no second one."""
    needs = _needs_beside(asked, candidate, need)
    return sum((wanted.input + wanted.output) * one.times for one, wanted in needs if one.kind != "fallback")


def _needs_beside(asked: Question, candidate: str, need: _Need) -> Iterator[tuple[Beside, _Need]]:
    """Yield what the provider is asked to do besides, and the tokens of each time; a translation asks for none of it.

    A compaction reads the whole conversation before the answer does, from the size on that the request names; the
    maximum counts it always, as tools of the provider's own may bring the input there. An advisor reads that and what
    was said so far. How long a summary or advice is nobody says beforehand: it counts as an answer without a maximum.
    Sources, read 2026-11: Anthropic, "Compaction at a token threshold", "Advisor tool", "Refusals and fallback".
    """
    routed = asked.routed
    if not routed.beside or dialect_out(routed.dialect_in, _upstream(asked.terms, candidate)) != routed.dialect_in:
        return
    answer = asked.terms.config.settle.output_bound
    for one in routed.beside:
        match one.kind:
            case "compaction":
                if need.kind == "bound" or need.input >= one.input:
                    yield one, replaced(need, input=max(need.input, one.input), output=max(need.output, answer))
            case "advisor":
                told = need.input + need.output
                yield one, replaced(need, input=told, output=one.output or answer, caches=one.caches)
            case "fallback":
                yield one, replaced(need, output=one.output or need.output)
            case _:
                assert_never(one.kind)


def says_what_it_costs(amount: Decimal, basis: HoldBasis) -> bool:
    """Say whether a hold tells what a call costs: not one without a card, nor one of costs that were never reported."""
    return bool(basis.card) and (basis.kind != "reported" or bool(amount))


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a call of so many tokens would cost on a candidate."""

    cost: Amount | None
    """Off its balance: money, a pool's requests or tokens; None when no price is known."""
    list: Amount | None
    """At the provider's list price; None when that is not known."""


def expected_for(asked: Question, candidate: str, *, output: int, balance: str = "") -> Expected:
    """Return what the call's input estimate and `output` tokens would cost on `candidate` at the card in force.

    It is paid by the route's balance, or by `balance` in its place.
    A pool that its provider counts and what is free cost nothing of ours. What the upstream will say, and never said
    before, is not known.
    """
    conf = asked.terms.config
    payer = conf.balance[balance or conf.route[candidate.partition("/")[0]].balance]
    kept = asked.routed.previous_input + asked.routed.previous_output
    most = most_output(asked.terms, asked.routed, candidate)
    output = output if most is None else min(output, most)
    need = _Need(kind="expected", input=asked.routed.input_estimate + kept, output=output, kept=kept)
    unit = unit_of(payer)
    value: Decimal | None = ZERO
    if is_money(payer):
        money = _money_for(asked, candidate, need)
        value = money[0] if money is not None and says_what_it_costs(*money) else None
    elif payer.kind == "pool" and payer.windows != "provider":
        value = Decimal(1 if unit == "requests" else need.input + need.output)
    cost = None if value is None else Amount(value=value, unit=unit)
    return Expected(cost=cost, list=_listed_for(asked, candidate, need))


def _listed_for(asked: Question, candidate: str, need: _Need) -> Amount | None:
    """Return `need` at the provider's list price, None when that is not known."""
    card = card_at(asked.terms.cards.list.get(candidate, ()), moment(asked.at))
    if card is None:
        return None
    amount, unpriced, _class = _priced(asked, candidate, need, card)
    if asked.routed.beside and not unpriced:
        whole = _with_beside(asked, candidate, need, asked.terms.cards.list, amount)
        return None if whole is None else Amount(value=whole, unit=card.unit)
    return None if unpriced else Amount(value=amount, unit=card.unit)


def _money_for(asked: Question, candidate: str, need: _Need) -> tuple[Decimal, HoldBasis] | None:
    """Return the money to hold for `need` and how it was reckoned; None when no price is known and one is asked for."""
    terms = asked.terms
    card = card_at(terms.cards.charge.get(candidate, ()), moment(asked.at))
    refuses = terms.config.settle.unpriced != "zero"
    if card is None:
        return None if refuses else (ZERO, HoldBasis(kind=need.kind, input=need.input, output=need.output))
    kind: HoldKind = "free" if card.terms == "free" else need.kind
    name = card_name(candidate, card)
    basis = HoldBasis(kind=kind, input=need.input, output=need.output, card=name, kept=need.kept)
    if card.terms == "free":
        return ZERO, basis
    amount, unpriced, classes = _priced(asked, candidate, need, card)
    if classes != _PLAIN:
        input_class, output_class = (one if one not in _PLAIN else "" for one in classes)
        basis = replace(basis, input_class=input_class, output_class=output_class)
    whole: Decimal | None = amount
    if asked.routed.beside:
        whole = _with_beside(asked, candidate, need, terms.cards.charge, amount)
        if whole is not None and whole != amount:
            basis = replace(basis, beside=text(subtract(whole, amount)))
    if (unpriced or whole is None) and card.terms == "reported":  # no list says what it may cost, but calls before did
        estimates = asked.fold.estimates
        if refuses and estimates.tells_no_cost(candidate):
            return None
        return estimates.dearest(candidate), replace(basis, kind="reported")
    if (unpriced or whole is None) and refuses:
        return None
    return amount if whole is None else whole, basis


def _usage(
    terms: Terms, routed: Routed, candidate: str, finish: Finish
) -> tuple[Mapping[str, int], UsageSource, tuple[str, ...]]:
    """Return the usage to price, where it comes from, and what of it was not to be taken as it was told.

    A reply without usage is estimated from the bytes of both sides; an attempt without an answer from the input alone.
    So is a side of which nothing but zeros is told though it was there: nobody says that it was free. What nobody
    counted is never more than the maximum that the client gave or the model has (CASES 65); the default bound and the
    hold are none. Usage that can't be true is not replaced by a guess: the hold becomes the charge.
    """
    most = most_output(terms, routed, candidate)
    output = finish.output_estimate if most is None else min(finish.output_estimate, most)
    sent = routed.input_estimate + routed.previous_input + routed.previous_output  # what is kept was read again
    told = finish.usage
    if told is None:
        if "impossible_total" in finish.flags or (
            finish.row.outcome == "unanswered" and terms.config.settle.unanswered == "hold"
        ):
            return {}, "none", ()
        return {"input": sent, "output": output}, "estimated", ()
    if finish.guessed and most is not None:
        told = at_most(told, finish.guessed, most)
    source: UsageSource = "reported" if finish.whole else "partial"
    if finish.row.outcome != "ok" or finish.iterations or any(told.get(name) for name in ("images", "seconds")):
        return told, source, ()
    silent: dict[str, int] = {}
    spoken = any(told.get(name) for name in OUTPUT_CLASSES)
    if not any(told.get(name) for name in INPUT_CLASSES) and (spoken or output or _has_no_output(routed)):
        silent["input"] = sent
    if output and not spoken:
        silent["output"] = output
    if not silent:
        return told, source, ()
    return {**told, **silent}, "estimated", ("zero_usage",)


def _has_no_output(routed: Routed) -> bool:
    """Say whether a good answer to such a call has no output by its nature: an embedding."""
    return routed.dialect_in == "openai_embeddings"


def _use(terms: Terms, routed: Routed, held: Held, finish: Finish) -> _Use:
    """Return what to price: the usage, the cards that price it, and what is a guess of it."""
    candidate = candidate_name(held.route, held.upstream_model)
    usage, source, flags = _usage(terms, routed, candidate, finish)
    upstream = _upstream(terms, candidate)
    if free := _is_free(terms, routed, candidate):
        usage, source, flags = dict[str, int](), "none", ()
    at = moment(finish.started)
    payer = terms.config.balance[held.balance]
    alias = "" if finish.model_served == finish.answered_by else finish.model_served
    cards = _CardsAt(cards=terms.cards, held=held, alias=alias, at=at)
    charged = cards.of(terms.cards.charge, finish.answered_by) if is_money(payer) else None
    is_guess = bool(finish.answered_by) and is_money(payer) and charged is None
    if is_guess:  # who stepped in has no price; what nobody priced is never free
        charged, flags = cards.of(terms.cards.charge, ""), (*flags, "answered_by_unpriced")
    if is_money(payer) and is_refusal(finish.finish, output=finish.output_estimate):
        unbilled = bills_no_refusal(upstream, at.date())
        free, flags = free or unbilled, (*flags, "refusal_unbilled" if unbilled else "refusal_billed")
    if "cache_write_unsplit" in finish.flags and routed.caches.get(_spoken(routed, held)) == "1h":
        is_guess, usage = True, _written_for_an_hour(usage)
    reported, of_cost = _reported_in(terms, held.unit, finish, at)
    return _Use(
        payer=payer,
        usage=usage,
        source=source,
        at=at,
        service=finish.tier_served or tier_out(routed.tier_asked, routed.dialect_in, upstream),
        card=charged,
        list=cards.of(terms.cards.list, finish.answered_by),
        iterations=tuple(cards.iteration(one) for one in finish.iterations),
        reported=reported,
        is_converted=bool(of_cost) and reported is not None,
        # Where nothing is told of a reply, what was asked for is taken to be done.
        geo=finish.geo if finish.usage is not None else _geo_asked(routed, upstream),
        seconds=-int(-finish.total_ms // 1000),
        streamed=finish.output_estimate,
        answered=finish.row.outcome != "unanswered",
        free=free,
        beyond=any((limit.window, limit.status) == (OVERAGE, "in_use") for limit in finish.limits),
        flags=(*flags, *of_cost),
        is_guess=is_guess or finish.guessed > 0 or not GUESSES.isdisjoint(finish.flags),
    )


def _reported_in(terms: Terms, unit: str, finish: Finish, at: datetime) -> tuple[Decimal | None, tuple[str, ...]]:
    """Return what the upstream said that it cost in a balance's unit, and the flag of one that was said in another.

    It is converted by the report's exchange rate of that day; without one it is no cost in this unit.
    """
    cost = finish.reported_cost
    if cost is None or finish.cost_unit in {"", unit}:
        return cost, ()
    fx = config.fx_at(terms.config, unit, at.date()) if terms.config.report.unit == finish.cost_unit else None
    return (None, ("cost_in_another_unit",)) if fx is None else (multiply(cost, fx), ("cost_converted",))


def _spoken(routed: Routed, held: Held) -> str:
    """Return the dialect that the upstream of a hold is asked in."""
    return held.dialect_out or routed.dialect_in


def _written_for_an_hour(usage: Mapping[str, int]) -> dict[str, int]:
    """Return a usage whose cache writes are all kept for an hour, as its request asked, where nobody says which are."""
    found: dict[str, int] = {**usage}
    found["cache_write_1h"] = found.get("cache_write_1h", 0) + found.pop("cache_write_5m", 0)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _CardsAt:
    """The cards of a route's models at a moment, by the upstream's names of them."""

    cards: Cards
    held: Held
    alias: str
    """What the reply calls the model that was asked; empty where it names another one that stepped in."""
    at: datetime

    def of(self, cards: Mapping[str, tuple[RateCard, ...]], model: str) -> RateCard | None:
        """Return the card of a model; of the one that was asked for, by whichever name the reply calls it, its own."""
        asked = model in {"", self.held.upstream_model, self.alias}
        name = candidate_name(self.held.route, self.held.upstream_model if asked else model)
        return card_at(cards.get(name, ()), self.at)

    def iteration(self, iteration: Iteration) -> _PricedIteration:
        """Return what is billed beside the call with its own model's cards."""
        return _PricedIteration(
            iteration=iteration,
            model=iteration.model or self.held.upstream_model,
            card=self.of(self.cards.charge, iteration.model),
            list=self.of(self.cards.list, iteration.model),
        )


def _most_believed(  # noqa: PLR0913, PLR0917 - what a cost is judged by
    terms: Terms, routed: Routed, held: Held, use: _Use, fold: Fold, left: Decimal | None
) -> Decimal | None:
    """Return what a reported cost must stay below to be one of this call; None where nothing says what it may cost."""
    if use.card is None or use.card.terms != "reported" or use.reported is None:
        return None
    estimates, candidate = fold.estimates, candidate_name(held.route, held.upstream_model)
    tokens = _tokens_believed(routed, use)
    listed = price(use.usage, use.card, service=use.service, geo=use.geo)
    known = max(
        Decimal(held.hold),
        estimates.dearest(candidate),
        multiply(estimates.dearest_token(candidate), Decimal(tokens)),
        ZERO if listed.unpriced else listed.amount,
    )
    fx = Decimal(1) if held.unit == CATALOGUE_UNIT else None
    if fx is None and terms.config.report.unit == CATALOGUE_UNIT:
        fx = config.fx_at(terms.config, held.unit, use.at.date())
    return most_believed(known=known, tokens=tokens, fx=fx, left=left)


def _tokens_believed(routed: Routed, use: _Use) -> int:
    """Return the tokens of a call as it says, as far as its request and its maximum can have come to them.

    Who tells a cost that can't be may tell such counts too. An image that is sent as a link, or a page that the
    provider fetched, is more than its bytes; so a maximum's worth of tokens is always among them.
    """
    told = sum(use.usage.get(name, 0) for name in (*INPUT_CLASSES, *OUTPUT_CLASSES))
    sent = routed.input_estimate + routed.previous_input + routed.previous_output
    return min(told, sent * RATIO_WITHIN[1] // RATIO_ONE + max(routed.output_bound, use.streamed))


def _bill(held: Held, use: _Use) -> _Bill:
    """Return the bill of a use; the hold where its figures are none that the ledger can take."""
    bill = _reckoned(held, use)
    if fits_ledger(bill.amount) and all(line.quantity <= MOST_COUNTED for line in bill.lines):
        return bill
    return _at_hold(held, *bill.flags)


def _reckoned(held: Held, use: _Use) -> _Bill:
    sure: Certainty = "computed" if use.source == "reported" and not use.is_guess else "estimated"
    card = use.card
    if use.free:
        return _Bill(amount=ZERO, certainty="zero", flags=use.flags)
    match use.payer.kind:
        case "free":
            return _Bill(amount=ZERO, certainty="zero")
        case "pool":
            return _count(held, use, sure)
        case "prepaid" | "postpaid":
            if card is None:
                return _Bill(amount=ZERO, certainty="unpriced", flags=(*use.flags, "no_price"))
            return _money(held, use, card, sure)
        case _:
            assert_never(use.payer.kind)


def _money(held: Held, use: _Use, card: RateCard, sure: Certainty) -> _Bill:
    if card.terms == "free":
        return _Bill(amount=ZERO, certainty="zero", flags=use.flags)
    if card.terms == "reported" and use.reported is not None:
        if use.most_believed is not None and use.reported >= use.most_believed:
            return _at_hold(held, *use.flags, "unbelieved_cost")
        amount = rounded(use.reported)
        certainty: Certainty = "estimated" if use.is_converted else "reported"
        return _Bill(amount=amount, certainty=certainty, lines=_reported(amount), flags=use.flags)
    if use.source == "none":
        return _at_hold(held, *use.flags)
    return _by_card(held, use, card, sure)


def _by_card(held: Held, use: _Use, card: RateCard, sure: Certainty) -> _Bill:
    usage, flags = use.usage, use.flags
    is_guess = card.terms == "reported"  # it was to say itself what it cost
    if "seconds" in card.rates and "seconds" not in usage:  # sold by time, and nothing said how much
        usage, flags, is_guess = {**usage, "seconds": use.seconds}, (*flags, "seconds_measured"), True
    charge = price(usage, card, service=use.service, geo=use.geo, iterations=_iteration_uses(use.iterations, "card"))
    iterations = _iterations(use, charge)
    unpriced = charge.unpriced
    if card.terms == "rates" and any(one.card is None for one in iterations):
        unpriced = (*unpriced, "iteration")
    flags = (*flags, *(f"unpriced_{name}" for name in unpriced), *charge.guesses)
    if card.terms == "reported":
        if unpriced:  # neither the upstream nor a list says what it cost
            return _at_hold(held, *use.flags, "not_reported")
        flags = (*flags, "not_reported")
    is_guess = is_guess or bool(charge.guesses) or not all(one.iteration.is_sure for one in use.iterations)
    return _Bill(
        amount=charge.amount,
        certainty="unpriced" if unpriced else "estimated" if is_guess else sure,
        lines=charge.lines,
        card=charge.card,
        iterations=iterations,
        flags=flags,
    )


def _iteration_uses(
    iterations: tuple[_PricedIteration, ...], which: Literal["card", "list"]
) -> tuple[IterationUse, ...]:
    """Return what is billed beside a call as `price` takes it; what has no card is not among it."""
    cards = ((place, one, one.card if which == "card" else one.list) for place, one in enumerate(iterations, start=1))
    return tuple(IterationUse(usage=one.iteration.usage, card=card, place=place) for place, one, card in cards if card)


def _iterations(use: _Use, charge: Charge) -> tuple[IterationBilled, ...]:
    """Return what was billed beside the call as the ledger has it, each with the card that priced it."""
    used = iter(charge.iterations)
    return tuple(
        IterationBilled(
            kind=one.iteration.kind,
            model=one.model,
            usage=dict(one.iteration.usage),
            card=next(used, None) if one.card is not None else None,
        )
        for one in use.iterations
    )


def _reported(amount: Decimal) -> tuple[ChargeLine, ...]:
    """Return the one line of a charge that the upstream named: one request at what it said."""
    return (ChargeLine(usage_class="requests", quantity=1, rate=text(amount), amount=text(amount)),)


def _count(held: Held, use: _Use, sure: Certainty) -> _Bill:
    """Return a pool's bill: one request, every token of input and output, cached ones included, or nothing of ours.

    Tokens that are billed beside the call are tokens too.
    """
    unit = use.payer.unit
    if use.payer.windows == "provider":
        # Money that the provider took beyond the pool is on no balance of ours, and never shown as nothing.
        flags = (*use.flags, *(("overage",) if use.beyond else ()))
        return _Bill(amount=ZERO, certainty="unpriced" if use.beyond else "zero", flags=flags)
    if use.source == "none":
        return _at_hold(held, *use.flags)
    if unit == "requests":
        count, sure = 1, "computed" if use.answered else "estimated"
    else:
        usages = (use.usage, *(one.iteration.usage for one in use.iterations))
        count = sum(usage.get(name, 0) for usage in usages for name in (*INPUT_CLASSES, *OUTPUT_CLASSES))
    line = ChargeLine(usage_class=unit, quantity=count, rate="1", amount=str(count))
    return _Bill(
        amount=Decimal(count),
        certainty=sure,
        lines=(line,),
        iterations=tuple(
            IterationBilled(kind=one.iteration.kind, model=one.model, usage=dict(one.iteration.usage))
            for one in use.iterations
        ),
        flags=use.flags,
    )


def _at_hold(held: Held, *flags: str) -> _Bill:
    """Return the bill where nobody knows what was used: the hold, an estimate. One of nothing is no estimate."""
    amount = Decimal(held.hold)
    certainty: Certainty = "estimated"
    if not amount:
        certainty = "zero" if held.hold_basis.kind in {"free", "provider"} else "unpriced"
    return _Bill(amount=amount, certainty=certainty, flags=(*flags, "charged_at_hold"))


def _counted(  # noqa: PLR0913, PLR0917 - all that a charge is known by
    terms: Terms, fold: Fold, routed: Routed, held: Held, bill: _Bill, listed: Charge | None, at: str
) -> tuple[Counted, ...]:
    """Return what the charge counts against budgets, at the exchange rates that its hold froze."""
    payer = payer_of(routed, held.route, held.balance, crossed=held.crossed)
    costs = is_money(terms.config.balance[held.balance]) and bill.certainty != "zero"
    money = Amount(value=bill.amount, unit=held.unit) if costs else None
    of_hold = {(one.budget, one.unit): one for one in held.counted}
    found: list[Counted] = []
    for binding in bindings(terms.config, fold.budgets, payer):
        before = of_hold.get((binding.name, binding.limit.unit))
        amount = money
        by: Counting = "charge"
        if binding.count == "list" and listed is not None:
            amount, by = Amount(value=listed.amount, unit=listed.card.unit), "list"
        elif binding.count == "list" and before is not None and before.by == "list":
            # What was used has no list price: what the hold counted stays, as unknown is never zero.
            amount, by = Amount(value=multiply(Decimal(before.amount), Decimal(before.fx)), unit=CATALOGUE_UNIT), "list"
        # A hold of nothing froze no rate, and one of a charge is none of a list price.
        frozen = before.fx if before is not None and before.by == by and before.amount != "0" else ""
        one = counted(
            binding,
            amount,
            terms.config,
            budgets=fold.budgets,
            at=at,
            calendar=terms.calendar,
            by=by,
            fx=frozen,
        )
        if one is not None:
            found.append(one)
    return tuple(found)


def _listed(use: _Use) -> Charge | None:
    """Return the list price of what was used; None where some of it has none."""
    if use.list is None or not use.usage or any(one.list is None for one in use.iterations):
        return None
    charge = price(
        use.usage, use.list, service=use.service, geo=use.geo, iterations=_iteration_uses(use.iterations, "list")
    )
    is_known = not charge.unpriced and TIER_UNPRICED not in charge.guesses and fits_ledger(charge.amount)
    return charge if is_known else None


def _saving(terms: Terms, use: _Use, bill: _Bill, listed: Charge | None, unit: str) -> str:
    """Return list less charge in the list's unit, empty when one of them or the exchange rate is not known.

    What a pool or a free balance gave has a marginal cost of nothing.
    """
    if listed is None or bill.certainty == "unpriced":
        return ""
    if not is_money(use.payer):
        return text(listed.amount)
    if unit == listed.card.unit:
        return text(subtract(listed.amount, bill.amount))
    fx = _fx(terms, bill.card, listed.card.unit, unit, use.at)
    return text(subtract(listed.amount, divided(bill.amount, fx))) if fx else ""


def _fx(terms: Terms, card: CardUsed | None, list_unit: str, unit: str, at: datetime) -> Decimal | None:
    """Return units of `unit` for one of `list_unit`: the card's own exchange, else the report's of that day."""
    if card is not None and card.unit == list_unit and card.unit != unit:
        return Decimal(card.fx)
    if list_unit == terms.config.report.unit:
        return config.fx_at(terms.config, unit, at.date())
    return None
