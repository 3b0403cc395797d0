"""The spine: one call, from its routing to the last byte of its reply.

Read top to bottom: `serve` is the life of a call. Only the order of things is decided here; who answers is
`core/routing.py`'s part, what a failure means `core/fallback.py`'s, what it costs `core/settlement.py`'s, one request
to one upstream `proxy/attempt.py`'s, and what the client reads `proxy/reply.py`'s. Between a decision and its `held`
there is no await, so concurrent calls can't overdraw.
"""

import asyncio
import dataclasses
import hashlib
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypedDict, cast

from msgspec.structs import replace

from tokens_forge.core.budgets import BudgetShown, task_left
from tokens_forge.core.candidates import Candidate, candidate, match
from tokens_forge.core.config import CLIENT, LONGEST_MODEL_NAME
from tokens_forge.core.dialects import DialectName, dialect_out, is_openai
from tokens_forge.core.due import used_elsewhere
from tokens_forge.core.entries import Held, Routed, Settled, Voided, candidate_name
from tokens_forge.core.errors import LedgerStuck
from tokens_forge.core.fallback import MENDED, Row, classify
from tokens_forge.core.fold import OpenCall
from tokens_forge.core.health import announced, begun, cooled, recovered
from tokens_forge.core.moments import read_duration_ms, stamp
from tokens_forge.core.narrowing import Narrowed
from tokens_forge.core.prices import Cards
from tokens_forge.core.routing import Refuse, Take, decide, may_outlast_ms, may_wait_ms, route
from tokens_forge.core.settlement import Finish, Terms, settle, void
from tokens_forge.core.stated import output_of, stated
from tokens_forge.core.usage import Iteration
from tokens_forge.core.visible import visible
from tokens_forge.proxy import reply
from tokens_forge.proxy.attempt import Attempted, Order, attempt
from tokens_forge.proxy.books import Books
from tokens_forge.proxy.caller import Login
from tokens_forge.proxy.downstream import Downstream
from tokens_forge.proxy.reload import InForce
from tokens_forge.proxy.upstream import Client, Endpoint, said_without_secret
from tokens_forge.proxy.watch import Interrupted, Wait, Watch
from tokens_forge.wire.dialects import DIALECTS, TRANSLATIONS, Dialect
from tokens_forge.wire.reply import Reply, Said
from tokens_forge.wire.reply_headers import COST_UNIT
from tokens_forge.wire.request import Request, encoded
from tokens_forge.wire.translations import Translations, translations

LOOK_S = 0.25
"""How often a call that waits looks again, whatever happens meanwhile: a cooldown ends by the clock."""

RETRY_AFTER_S = 0.2
JITTER_MS = 250
"""A retry waits so long, or as long as the upstream asked, and up to so much more at random."""

MOST_ID = 200
"""Characters of an upstream's id that the ledger keeps, as it gave it and as a client goes on from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """What all calls share."""

    books: Books
    in_force: InForce
    client: Client
    watch: Watch
    digest_key: bytes
    """The secret behind `thread` and `digest`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A client's request that was accepted for routing."""

    id: str
    key: str
    task: str
    agent: str
    client_retry: int
    patience_ms: int | None
    """How long its client waits for an answer, where it says so."""
    wants_receipt: bool
    narrowed: Narrowed
    """What its headers ask for within what the config allows."""
    dialect: Dialect
    """What the client speaks."""
    headers: Mapping[str, str]
    """Those that go to an upstream which speaks the same dialect."""
    query: str
    """What follows the path, for such an upstream too; empty, or with its question mark."""
    login: Login | None
    """The client's own, for an upstream that takes it."""
    body: bytes
    request: Request
    sessions: tuple[str, ...] = ()
    """What the client calls the session that it belongs to, the narrowest word first."""


@dataclass(slots=True, kw_only=True)
class Call:
    """A call under way: what was asked, where its reply goes, and what its attempts taught."""

    proxy: Proxy
    asked: Asked
    client: Downstream
    open: OpenCall
    """What the fold knows of it, until it is closed."""
    terms: Terms
    """The config and cards that it began with; a reload does not reach it."""
    endpoints: Mapping[str, Endpoint]
    """The upstreams as they were then."""
    deadline: float
    """By the loop's clock."""
    translated: Translations
    """What was asked, in the other dialects of its candidates."""
    unasked: set[str] = field(default_factory=set[str])
    """Upstreams that answered 400 to being asked for a stream's usage: they are not asked again in this call."""
    waited_ms: int = 0
    """How long it waited in all for what alone stood against it."""
    contacted: bool = False
    """Whether the request of the hold under way may have gone out."""
    last: Attempted | None = None
    cause: str = ""
    """What led to the candidate under way; empty for the one that was meant."""


async def serve(proxy: Proxy, asked: Asked, client: Downstream) -> None:
    """Answer one call: route, then hold, attempt and settle until something answers or nothing is left.

    The reply is set or sent on `client`. Exactly one closing entry follows the `routed`, whatever happens.
    """
    call = _route(proxy, asked, client)
    try:
        await _until_closed(call)
    except BaseException:
        _abandon(call)
        raise


async def _until_closed(call: Call) -> None:
    """Attempt after attempt, until the call is closed and its client answered."""
    proxy, asked, client = call.proxy, call.asked, call.client
    while True:
        held, seq = await _decide_and_hold(call)
        if isinstance(held, Refuse):
            await _refuse(call, held, seq)
            return
        if not await _written(proxy.books, seq):
            _close(call, held, _ended("ledger"), client_status=507)
            reply.ledger_stuck(client, asked.id)
            return
        if held.role != "retry":
            call.cause = held.cause.error if held.cause else ""
        head = {**reply.headers(held, call.open, call.cause), **reply.task_headers(_task_left(call))}
        attempted = call.last = await _attempt(call, held, head)
        row = classify(attempted.error, wait_s=attempted.wait_s, no_retry=attempted.no_retry)
        final = row.next in ("done", "return")
        status = reply.status_of(attempted, client) if final else 0
        closing, seq = _close(call, held, attempted, client_status=status)
        call.contacted = False
        if final:
            await _written(proxy.books, seq)
            head = {**head, **reply.task_headers(_task_left(call))}  # of a stream the head has gone long ago
            await reply.answer(client, closing, attempted, head, receipt=asked.wants_receipt)
            return
        if attempted.error == MENDED:
            call.unasked.add(held.upstream)


def _task_left(call: Call) -> BudgetShown | None:
    """Return what the cap of the call's task leaves now, live holds taken off."""
    books = call.proxy.books
    return task_left(call.terms.config, books.fold.budgets, call.asked.task, books.moment())


def _abandon(call: Call) -> None:
    """Close what a bug of ours, or a process that is stopped hard, leaves open.

    A hold whose request went out and that could not be settled stays for the next start, which charges it as lost.
    """
    books = call.proxy.books
    if call.contacted or call.asked.id not in books.fold.calls:
        return
    for held in tuple(call.open.holds.values()):
        _close(call, held, _ended("stopped_before_contact"), client_status=0)
    if call.asked.id in books.fold.calls:
        _append_refusal(call, reply.ended("stopped"), books.moment())


def _route(proxy: Proxy, asked: Asked, client: Downstream) -> Call:
    """Append `routed`: what was asked, and the candidates in order."""
    books, request = proxy.books, asked.request
    at = books.moment()
    found = match(proxy.in_force.terms.config, request.model).candidates
    models = {one.model for one in request.beside if one.model}
    beside = (candidate_name(route, model) for route in {one.route for one in found} for model in models)
    proxy.in_force.price((*(one.name for one in found), *beside), books, at)
    terms = proxy.in_force.terms
    upstreams = (terms.config.upstream[one.upstream] for one in found)
    spoken: Iterator[DialectName | None] = (dialect_out(asked.dialect.name, upstream) for upstream in upstreams)
    translated = translations(request, asked.dialect.name, spoken)
    caches = translated.caches
    if request.caches is not None:
        caches[asked.dialect.name] = request.caches
    routed = Routed(
        id=asked.id,
        key=asked.key,
        task=asked.task,
        agent=asked.agent,
        client_retry=asked.client_retry,
        **_marks(proxy.digest_key, asked),
        turn=request.turn,
        digest=_digest(proxy.digest_key, asked.body),
        dialect_in=asked.dialect.name,
        model_asked=request.model,
        stream=request.stream,
        tier_asked=visible(request.tier_asked)[:40],
        geo_asked=visible(request.geo_asked)[:40],
        input_estimate=request.input_estimate,
        output_bound=request.output_bound,
        output_asked=request.output_asked,
        answers=request.answers,
        caches=caches,
        beside=request.beside,
        needs=request.needs,
        uncarried=translated.uncarried,
        login=asked.login is not None,
        stored=request.stored,
        previous=visible(request.previous)[:MOST_ID],
        previous_kind=request.previous_kind,
        pinned=asked.narrowed.route,
        pinned_class=asked.narrowed.route_class,
        fallback_asked=asked.narrowed.fallback,
        max_charge=asked.narrowed.max_charge,
    )
    routed = route(terms, books.fold, routed, at)
    if routed.intended:
        meant = candidate(terms.config, routed.intended)
        spoken_there = dialect_out(routed.dialect_in, terms.config.upstream[meant.upstream]) or ""
        routed = replace(routed, dropped=_dropped(terms, translated, request, meant, spoken_there))
    books.append(routed, at)
    deadline_s = read_duration_ms(terms.config.policy.deadline) / 1000
    opened = books.fold.calls[asked.id]
    deadline = proxy.watch.time() + deadline_s
    return Call(
        proxy=proxy,
        asked=asked,
        client=client,
        open=opened,
        terms=terms,
        endpoints=proxy.in_force.endpoints,
        deadline=deadline,
        translated=translated,
    )


class _Marks(TypedDict):
    prefixes: tuple[str, ...]
    sessions: tuple[str, ...]
    question: str
    answered: tuple[str, ...]


def _marks(key: bytes, asked: Asked) -> _Marks:
    """Return by what the conversation of a request is found, as the ledger may have it."""
    marks = asked.request.marks
    return {
        "prefixes": tuple(_digest(key, mark) for mark in marks.prefixes),
        "sessions": tuple(_digest(key, session.encode()) for session in asked.sessions) if marks.prefixes else (),
        "question": _digest(key, marks.question) if marks.question else "",
        "answered": tuple(_digest(key, mark) for mark in marks.answered),
    }


def _dropped(
    terms: Terms, translated: Translations, request: Request, there: Candidate, spoken: str
) -> tuple[str, ...]:
    """Return the paths of what a candidate is not asked as the client asked it."""
    cap = stated(terms.config.route[there.route], there.model).output
    return (
        *translated.dropped(spoken),
        *translated.unsuited(spoken, there.model),
        *translated.lowered(request, spoken, cap=cap),
    )


async def _decide_and_hold(call: Call) -> tuple[Held | Refuse, int]:
    """Append a hold or why there is none, and return it with its line; a retry first waits, and is decided anew."""
    jitter_ms = 0
    try:
        if (wait_s := _retry_wait_s(call)) is not None:
            jitter_ms = secrets.randbelow(JITTER_MS + 1)
            async with Wait(call.proxy.watch, call.client, deadline=call.deadline):
                await asyncio.sleep(wait_s + jitter_ms / 1000)
    except Interrupted as end:
        return _append_refusal(call, reply.ended(end.why), call.proxy.books.moment())
    at = call.proxy.books.moment()
    if call.client.left:
        return _append_refusal(call, reply.ended("client_left"), at)
    if call.proxy.watch.time() >= call.deadline:
        return _append_refusal(call, reply.ended("deadline"), at)
    decision, at, waited_ms = await _waited_for(call, decide(call.terms, call.proxy.books.fold, call.open, at), at)
    call.waited_ms += waited_ms
    if isinstance(decision, Refuse):
        return _append_refusal(call, decision, at, waited_ms=waited_ms)
    jitter_ms = jitter_ms if decision.role == "retry" else 0
    dropped = _dropped(call.terms, call.translated, call.asked.request, decision.candidate, decision.dialect_out)
    held = decision.held(call.asked.id, dropped=dropped, jitter_ms=jitter_ms, waited_ms=waited_ms)
    return held, call.proxy.books.append(held, at)


async def _waited_for(call: Call, decision: Take | Refuse, at: str) -> tuple[Take | Refuse, str, int]:
    """Wait while a call may for what alone stands against it, or for its turn before it goes elsewhere.

    Return the last decision, its moment and the ms that passed; between it and its entry there is no await either.
    """
    if not (left_ms := _may_wait_ms(call, decision, at, 0)):
        return decision, at, 0
    watch, books = call.proxy.watch, call.proxy.books
    begun, waited_ms = watch.time(), 0
    try:
        async with Wait(watch, call.client, deadline=call.deadline):
            while left_ms:
                await books.room(min(left_ms / 1000, LOOK_S))
                at = books.moment()
                decision = decide(call.terms, books.fold, call.open, at)
                waited_ms = int((watch.time() - begun) * 1000)
                left_ms = _may_wait_ms(call, decision, at, waited_ms)
    except Interrupted as end:
        at = books.moment()
        decision, waited_ms = reply.ended(end.why), int((watch.time() - begun) * 1000)
    return decision, at, waited_ms


def _may_wait_ms(call: Call, decision: Take | Refuse, at: str, waited_ms: int) -> int:
    """Return for how long more a call may wait before it does what was decided at `at`."""
    before_ms = call.waited_ms + waited_ms
    left_ms = may_outlast_ms(call.terms, decision, at, waited_ms=before_ms, patience_ms=call.asked.patience_ms)
    if isinstance(decision, Refuse):
        for_room_ms = may_wait_ms(call.terms, call.proxy.books.fold, call.open, decision)
        left_ms = max(left_ms, for_room_ms - waited_ms)
    return left_ms


def _append_refusal(call: Call, refuse: Refuse, at: str, *, waited_ms: int = 0) -> tuple[Refuse, int]:
    entry = refuse.refused(call.open.routed, waited_ms=waited_ms)
    if refuse.reason == "client_left":
        entry = replace(entry, client_status=0)
    return refuse, call.proxy.books.append(entry, at)


def _retry_wait_s(call: Call) -> float | None:
    """Return how long to wait before a retry that would be decided now; None when there is nothing to wait for."""
    if call.last is None or call.last.error == MENDED:
        return None
    decision = decide(call.terms, call.proxy.books.fold, call.open, call.proxy.books.moment())
    if not isinstance(decision, Take) or decision.role != "retry":
        return None
    return float(call.last.wait_s) if call.last.wait_s is not None else RETRY_AFTER_S


async def _attempt(call: Call, held: Held, head: Mapping[str, str]) -> Attempted:
    """Make the attempt; whatever ends it, its hold ends too."""
    config, asked = call.terms.config, call.asked
    upstream = config.upstream[held.upstream]
    dialect = DIALECTS[cast("DialectName", held.dialect_out)] if held.dialect_out else asked.dialect
    route, model = config.route[held.route], held.upstream_model
    request = call.translated.asked(
        asked.request,
        held.dialect_out,
        of_openai=is_openai(upstream),
        most=output_of(route, model),
        cap=stated(route, model).output,
    )
    request = call.translated.as_taken(request, held.dialect_out, model)
    inject_usage = upstream.stream_usage == "inject" and held.upstream not in call.unasked
    login = asked.login if upstream.credential == CLIENT else None
    order = Order(
        endpoint=call.endpoints.get(held.upstream),
        dialect=dialect,
        path=dialect.path if held.dialect_out else dialect.path + asked.query,
        request=asked.request,
        body=encoded(dialect.upstream_fields(request, model=held.upstream_model, inject_usage=inject_usage)),
        headers=dialect.sent_headers({} if held.dialect_out else asked.headers, login.headers if login else {}),
        login=login is not None,
        injected=inject_usage and (held.dialect_out != "" or not request.include_usage),
        translation=TRANSLATIONS[asked.dialect.name, dialect.name] if held.dialect_out else None,
        call_id=held.id,
        errors=upstream.errors,
        head=head,
        begins=lambda: _begins(call, held),
        deadline=call.deadline,
        drain_s=read_duration_ms(config.settle.drain_limit) / 1000 if config.settle.disconnect == "drain" else 0.0,
    )
    call.contacted = True
    try:
        return await attempt(order, call.proxy.client, call.proxy.watch, call.client)
    except BaseException:
        # A bug of ours, or the process is being stopped hard. The request may have been sent, so it was not free.
        _close(call, held, _ended("stopped"), client_status=0)
        raise


def _begins(call: Call, held: Held) -> None:
    """Append what a probe's stream ends by its beginning: others need not wait for its last byte."""
    for recovery in begun(call.proxy.books.fold.health, held):
        call.proxy.books.append(recovery)


def _close(call: Call, held: Held, attempted: Attempted, *, client_status: int) -> tuple[Settled | Voided, int]:
    """End a hold: append the charge or its absence, and what cools or recovers by it. Return the entry and its line."""
    books = call.proxy.books
    at = books.moment()
    finish = _finish(attempted, client_status=client_status, metered=call.asked.dialect.metered)
    closing: Settled | Voided
    if finish.row.ends == "settled":
        closing = settle(_terms_of(call, held, finish, at), call.open, held, finish, books.fold, at)
    else:
        closing = void(held, finish)
    seq = books.append(closing, at)
    for elsewhere in used_elsewhere(call.terms.config, books.fold.book, closing, at, call.terms.calendar):
        books.append(elsewhere, at)
    if (cooling := cooled(books.fold.health, closing, at)) is not None:
        books.append(cooling, at)
    if isinstance(closing, Settled):
        for recovery in recovered(books.fold.health, closing):
            books.append(recovery, at)
    if (cooling := announced(books.fold.health, closing, at)) is not None:
        books.append(cooling, at)
    return closing, seq


def _terms_of(call: Call, held: Held, finish: Finish, at: str) -> Terms:
    """Return the call's terms, with the cards of further models that its reply says were at work.

    They are kept before the charge that names them, as all cards are; where the ledger takes nothing they price it all
    the same.
    """
    models = {one.model for one in finish.iterations} | {finish.answered_by}
    names = [candidate_name(held.route, model) for model in sorted(models - {"", held.upstream_model})]
    if not names:
        return call.terms
    in_force = call.proxy.in_force
    with suppress(LedgerStuck):
        in_force.price(names, call.proxy.books, at)
    further, own = in_force.terms_with(names).cards, call.terms.cards
    cards = Cards(charge={**further.charge, **own.charge}, list={**further.list, **own.list})
    return dataclasses.replace(call.terms, cards=cards)


def _finish(attempted: Attempted, *, client_status: int, metered: bool) -> Finish:
    """Return what settlement reads of an attempt."""
    row = classify(attempted.error, wait_s=attempted.wait_s, no_retry=attempted.no_retry)
    said = attempted.said
    reading = said.reading if said else None
    by_head = said is not None and said.reported_cost is None and attempted.cost is not None
    return Finish(
        row=row,
        error=attempted.error,
        status=attempted.status,
        client_status=client_status,
        final=row.next in ("done", "return"),
        started=attempted.started,
        total_ms=attempted.total_ms,
        first_byte_ms=attempted.first_byte_ms,
        usage=reading.usage if reading and reading.usage else None,
        guessed=reading.guessed if reading else 0,
        whole=attempted.whole,
        output_estimate=said.output_estimate if said else 0,
        flags=tuple(_flags(said, row, metered=metered)),
        model_served=_told(said.model_served, attempted)[:LONGEST_MODEL_NAME] if said else "",
        upstream_id=_told(said.upstream_id, attempted)[:MOST_ID] if said else "",
        finish=_told(said.finish, attempted)[:40] if said else "",
        tier_served=_told(said.tier_served or attempted.tier, attempted)[:40] if said else "",
        cache_counted=reading.cache_counted if reading else "",
        iterations=tuple(_iterations(reading.iterations, attempted)) if reading else (),
        answered_by=_told(reading.answered_by, attempted)[:LONGEST_MODEL_NAME] if reading else "",
        geo=_told(reading.geo, attempted)[:40] if reading else "",
        reported_cost=attempted.cost if by_head else said.reported_cost if said else None,
        cost_unit=COST_UNIT if by_head else said.cost_unit if said else "",
        wait_s=attempted.wait_s,
        no_retry=attempted.no_retry,
        limits=attempted.limits,
    )


def _iterations(iterations: Iterable[Iteration], attempted: Attempted) -> Iterator[Iteration]:
    """Yield what is billed beside a reply, its words as the ledger may have them."""
    for one in iterations:
        model = _told(one.model, attempted)[:LONGEST_MODEL_NAME]
        yield dataclasses.replace(one, kind=_told(one.kind, attempted)[:40], model=model)


def _told(said: str, attempted: Attempted) -> str:
    """Return what a reply says of itself as the ledger may have it: nothing invisible, and no credential."""
    return visible(said_without_secret(said, *attempted.secrets))


def _flags(said: Said | None, row: Row, *, metered: bool) -> Iterator[str]:
    """Yield what was odd about a reply: its usage, or what a whole one lacks."""
    if said is not None and said.reading is not None:
        yield from said.reading.flags
    elif row.outcome == "ok" and metered:
        yield "no_usage"
    if said is not None and not isinstance(said, Reply) and row.outcome == "ok" and not said.done:
        yield "no_done"


async def _refuse(call: Call, refuse: Refuse, seq: int) -> None:
    """Tell the client why nothing answers, once line `seq` says so."""
    books = call.proxy.books
    await _written(books, seq)
    # One that waited here has done its SDK's part of waiting: that would wait as long again, and again.
    said_no = refuse.reason == "exhausted" and call.last is not None and call.last.no_retry
    may_ask_again = refuse.passes and not call.waited_ms and not said_no
    if _is_limit_of_login(call, refuse) and call.last is not None:
        reply.limit_of_login(call.client, refuse, call.last, call.open, may_ask_again=may_ask_again)
    elif refuse.reason != "client_left":
        why = reply.why(refuse, call.open, call.terms.config, call.last, call.translated.refused.values())
        reply.refused(call.client, refuse, why, call.open, books.moment(), may_ask_again=may_ask_again)


def _is_limit_of_login(call: Call, refuse: Refuse) -> bool:
    """Say whether a call ended in the limit of its client's own login: that is told as its provider told it."""
    if refuse.reason != "exhausted" or refuse.error != "rate_limited":
        return False
    config, last = call.terms.config, call.open.trail[-1]
    return config.upstream[candidate(config, last.candidate).upstream].credential == CLIENT


async def _written(books: Books, seq: int) -> bool:
    """Wait until a line is written; False when the disk takes nothing (the line stays queued)."""
    with suppress(LedgerStuck):
        await books.written(seq)
        return True
    return False


def _ended(error: str) -> Attempted:
    """Return an attempt of which nothing is known but how it ended."""
    return Attempted(error=error, started=stamp(datetime.now(UTC)), total_ms=0.0)


def _digest(key: bytes, data: bytes) -> str:
    return hashlib.blake2b(data, key=key, digest_size=8).hexdigest()
