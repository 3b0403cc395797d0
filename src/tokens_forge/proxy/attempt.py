"""One attempt of a call: send the request, take in the reply, pass a stream on as it comes.

Every way in which an attempt can end becomes one word of the failure table here, with what is known of it. A stream's
last event is not sent: it waits until the attempt is settled. Nothing goes downstream before the first event that says
something of an answer, but for what opens a stream and was held back long enough (`HELD_BACK_S`): a client that sees
nothing leaves. It decides neither what a word means nor what anything costs.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from time import monotonic

from tokens_forge.core.config import UpstreamError
from tokens_forge.core.entries import Limit
from tokens_forge.core.errors import UpstreamFault
from tokens_forge.core.moments import stamp
from tokens_forge.core.responses import THREAD_UNSUPPORTED
from tokens_forge.core.visible import visible
from tokens_forge.proxy.downstream import ClientLeft, Downstream
from tokens_forge.proxy.upstream import (
    BODY_AT_MOST,
    ERROR_BODY_AT_MOST,
    Answer,
    Client,
    Endpoint,
    Failed,
    Sent,
    drain,
    said_without_secret,
    without_secret,
)
from tokens_forge.proxy.watch import Interrupted, Wait, Watch
from tokens_forge.wire import openai_chat
from tokens_forge.wire.collected import BLANKS, collected, is_stream
from tokens_forge.wire.dialects import Dialect
from tokens_forge.wire.reply import Meter, Reply, Said, reply_of
from tokens_forge.wire.reply_headers import cost, limits, retry_after_s, tier
from tokens_forge.wire.request import Request
from tokens_forge.wire.sse import Event, Splitter, comment, passing
from tokens_forge.wire.streamed import streamed
from tokens_forge.wire.told_wait import told_wait_s
from tokens_forge.wire.translation import StreamTranslator, Translation
from tokens_forge.wire.upstream_errors import knows_no_thread, own_word, read_error, word_for

EVENT_AT_MOST = 8 * 1024 * 1024
"""The largest event of a stream, in bytes."""

HELD_BACK_S = 5.0
"""How long what opens a stream, and comments before its answer, wait for that: until then another candidate may give
it. It is less than any client's patience with a server that sends not even a head."""

SLOW_CLIENT_S = 600.0
"""How long a client may take to read what it was sent."""

MOST_TOLD = 1_000
"""Characters of an upstream's error that are told in another dialect than its own."""

MOST_CODING = 40
"""Characters of the name of a reply's coding that are told."""

_OK = range(200, 300)
_REDIRECTS = range(300, 400)
_BAD_REQUEST = 400
_MAY_BE_OURS = frozenset({400, 422})
"""By which an upstream refuses a member that it does not know; servers on FastAPI say 422."""

_SHOULD_RETRY = "x-should-retry"
"""By which OpenAI and Anthropic tell their SDKs whether to send a request again (`_should_retry` in both libraries for
Python, 3.54.0 and 2.14.0)."""

_OF_LOGIN = ("anthropic-ratelimit-", "x-codex-", "retry-after", _SHOULD_RETRY)
"""How the headers begin by which Claude Code and Codex show how much of a plan is left, and when to come again."""

_KEEP_ALIVE = comment("keep-alive")

_MAY_ASK_TO_WAIT = frozenset({"rate_limited", "insufficient_quota", "server_error"})
"""Errors whose bodies say when to come again. Of any other a wait is a word of the message and no more."""

_UNSENT = {"client_left": "left_before_contact", "stopped": "stopped_before_contact", "deadline": "connect_timeout"}
"""What an interruption is when no byte of the request had gone."""

_CUT = frozenset({"reset", "first_byte_timeout", "idle_timeout"})
"""Failures by which nothing more came. Of a stream that has said all but its `[DONE]` they take nothing away."""

_ONCE_BEGUN = {
    "reset": "stream_cut",
    "first_byte_timeout": "idle_timeout",
    "deadline": "idle_timeout",
    "bad_reply": "stream_malformed",
}
"""What a failure is called once the reply has begun. Comments alone are no answer, and last until the deadline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to send, how long it may take, and how its reply is to be read."""

    endpoint: Endpoint | None
    """None when the upstream's credential can't be had."""
    dialect: Dialect
    """What the upstream speaks."""
    path: str
    """What follows its base URL."""
    request: Request
    """What the client asked."""
    body: tuple[bytes | memoryview, ...]
    headers: Mapping[str, str]
    """What goes with it beside the credential of the endpoint."""
    injected: bool
    """Whether a stream's usage is asked for without the client's word."""
    login: bool
    """Whether it is made with the client's own login."""
    translation: Translation | None
    """None when the client speaks the same dialect: bytes pass through."""
    call_id: str
    errors: tuple[UpstreamError, ...]
    """The config's table of the upstream's own errors."""
    head: Mapping[str, str]
    """The headers of a streamed reply."""
    begins: Callable[[], None]
    """What is to be done when a stream begins."""
    deadline: float
    """For the reply's beginning, by the loop's clock."""
    drain_s: float
    """How long to read on when the client has left; 0 stops at once."""

    def secrets(self) -> tuple[str, ...]:
        """Return the credentials that it is asked with, for no eyes but the upstream's."""
        own = [self.headers.get(name, "").rpartition(" ")[2] for name in ("authorization", "x-api-key") if self.login]
        ours = self.endpoint.secret if self.endpoint else None
        return tuple(secret for secret in (ours, *own) if secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempted:
    """What came of an attempt."""

    error: str
    """A word of the failure table; empty when the reply is complete."""
    started: str
    total_ms: float
    first_byte_ms: float = 0.0
    status: int = 0
    body: bytes = b""
    """The whole reply or an error's body; of a stream the last event, to be sent once the attempt is settled."""
    content_type: str = ""
    said: Said | None = None
    """What the reply said of itself."""
    translator: StreamTranslator | None = None
    """Of a stream in another dialect than the client's: what the client was told."""
    whole: bool = True
    """Whether the reply came to its end."""
    unread: str = ""
    """The coding of a reply that could not be unpacked."""
    wait_s: Decimal | None = None
    no_retry: bool = False
    """Its upstream said that to ask again does not help."""
    limits: tuple[Limit, ...] = ()
    cost: Decimal | None = None
    """What the reply's head says that it cost (`wire/reply_headers.py`)."""
    tier: str = ""
    """The tier of service that the reply's head names."""
    head: Mapping[str, str] = field(default_factory=dict[str, str])
    """Headers of the upstream's reply that the client gets: its id of the request, and to a client that came with its
    own login what its provider says of that login's limits."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """The credentials that it was asked with: what the reply said is written down without them."""


async def attempt(order: Order, client: Client, watch: Watch, downstream: Downstream) -> Attempted:
    """Send `order` and return what came of it; a stream has then gone to `downstream`, but for its last event."""
    taking = _Taking(order=order, downstream=downstream)
    if order.endpoint is None:
        return taking.ended("credential")
    sent = Sent()
    try:
        async with Wait(watch, downstream, deadline=order.deadline, drain_s=order.drain_s) as wait:
            wait.allow(
                order.endpoint.first_byte_s if order.request.stream else order.endpoint.whole_s, "first_byte_timeout"
            )
            answer = await client.send(order.endpoint, order.path, order.body, sent, headers=order.headers)
            taking.answered(answer)
            try:
                attempted = await _take(taking, answer, wait, order.endpoint)
            except BaseException:
                answer.close()
                raise
            if attempted.error:
                answer.close()  # what has failed is not read on, or its upstream would go on with it
            else:
                answer.release()
            return attempted
    except Failed as failed:
        return taking.ended(failed.error)
    except Interrupted as end:
        return taking.ended(end.why if sent.any else _UNSENT.get(end.why, "connect_timeout"))


@dataclass(slots=True, kw_only=True)
class _Taking:
    """How far an attempt has come."""

    order: Order
    downstream: Downstream
    started: str = field(default_factory=lambda: stamp(datetime.now(UTC)))
    clock_s: float = field(default_factory=monotonic)
    first_byte_ms: float = 0.0
    status: int = 0
    content_type: str = ""
    unread: str = ""
    wait_s: Decimal | None = None
    no_retry: bool = False
    limits: tuple[Limit, ...] = ()
    cost: Decimal | None = None
    tier: str = ""
    head: Mapping[str, str] = field(default_factory=dict[str, str])
    meter: Meter | None = None
    """Of a stream."""
    translator: StreamTranslator | None = None
    """Of a stream in another dialect than the client's."""
    translated: int = 0
    """Bytes of it that went through the translator, which keeps what it was told: a stream without end would too."""
    gone: bool = False
    """The client has left, and the stream is read on for its usage."""
    opened: bool = False
    """An event of the client's stream came, though it may say nothing of an answer."""
    answers: bool = False
    """An event came that says something of an answer."""
    before: bytes = b""
    """What came of a stream before the answer: it may be none, but a whole reply, or a relay's error."""
    opening: bytes = b""
    """What opens the client's stream, until it is sent."""
    held: bytes = b""
    """The same with the comments before it: what shows a client that is kept waiting that something lives."""
    held_until: float | None = None
    """When it goes out whatever comes, by the loop's clock; None where nothing is held."""

    def answered(self, answer: Answer) -> None:
        """Take down what a reply's head says."""
        self.first_byte_ms = self.ms()
        self.status = answer.status
        self.content_type = answer.headers.get("content-type", "")
        self.unread = visible(answer.unread)[:MOST_CODING]
        now = datetime.now(UTC)
        self.limits = limits(answer.headers, now)
        self.cost, self.tier = cost(answer.headers), tier(answer.headers)
        own_id = answer.headers.get("x-request-id") or answer.headers.get("request-id", "")
        own_id = visible(said_without_secret(own_id, *self.order.secrets()))[:120]
        head = {"x-tf-upstream-request-id": own_id} if own_id else {}
        if self.order.login:
            head |= {
                name.lower(): value for name, value in answer.headers.items() if name.lower().startswith(_OF_LOGIN)
            }
        self.head = head
        if answer.status not in _OK:
            self.wait_s = retry_after_s(answer.headers, now)
            self.no_retry = answer.headers.get(_SHOULD_RETRY, "").strip().lower() == "false"

    def ended(self, error: str, *, body: bytes = b"", said: Reply | None = None) -> Attempted:
        """Return the attempt as it ended, by the word that fits how far it had come.

        A stream whose answer is whole is ended as it should have been, though its upstream did not. Of one that was
        read on for its usage a translator may have nothing more to write, so no write finds that its client has left.
        """
        if error in _CUT and self.meter is not None and self.meter.whole:
            error = ""
        if not error and self.translator is not None and not self.gone:
            body = self.translator.end()
        elif not error and self.meter is not None:
            body = body or self.meter.ending
        whole = not error or said is not None or self.meter is None or self.meter.accounted
        self.look()
        if self.gone:
            error = "client_left"
        elif self.downstream.begun:
            error = _ONCE_BEGUN.get(error, error)
        return Attempted(
            error=error,
            started=self.started,
            total_ms=self.ms(),
            first_byte_ms=self.first_byte_ms,
            status=self.status,
            body=body,
            content_type=self.content_type,
            said=said or self.meter,
            translator=self.translator,
            whole=whole,
            unread=self.unread,
            wait_s=self.wait_s,
            no_retry=self.no_retry,
            limits=self.limits,
            cost=self.cost,
            tier=self.tier,
            head=self.head,
            secrets=self.order.secrets(),
        )

    def look(self) -> None:
        """Note that the client of a stream has left, where it is drained.

        Nothing more is made for it: what can't be translated is then no failure that ends the drain.
        """
        if self.order.drain_s and self.downstream.begun and self.downstream.left:
            self.gone = True

    def refused(self, error: str, body: bytes) -> Attempted:
        """Return an attempt that ended in an upstream's error, to be told in the dialect that the client speaks."""
        body = without_secret(body, *self.order.secrets())
        said = read_error(self.status, body)
        no_thread = "thread" in self.order.request.fields and error == "bad_request" and knows_no_thread(said)
        in_our_words = self.order.translation is not None or no_thread or self.unread != ""
        if in_our_words:
            body = self.downstream.family.error_body(
                status=max(self.status, _BAD_REQUEST),
                code=THREAD_UNSUPPORTED if no_thread else error,
                message=visible(said.message)[:MOST_TOLD] or self._plainly(),
                call_id=self.order.call_id,
            )
        if in_our_words or self.meter is not None:
            self.content_type = "application/json"
        return self.ended(error, body=body)

    def _plainly(self) -> str:
        """Return what is known of an error that said nothing which can be read."""
        packed = f", in a body packed as `{self.unread}`, which was not asked for" if self.unread else ""
        return f"the upstream said {self.status}{packed}"

    def ms(self) -> float:
        """Return the ms since the attempt began."""
        return round((monotonic() - self.clock_s) * 1000, 1)


async def _take(taking: _Taking, answer: Answer, wait: Wait, to: Endpoint) -> Attempted:
    """Take in a reply from its head on. Raises Failed and Interrupted."""
    if answer.status not in _OK:
        body = await drain(answer, came=lambda: wait.allow(to.idle_s, "reset"))
        return taking.refused(_refusal(taking, answer.status, body), body)
    if taking.order.request.stream:
        return await _stream(taking, answer, wait, to)
    body = await answer.body(came=lambda: wait.allow(to.idle_s, "reset"))
    reply = taking.order.dialect.read_reply(body)
    if reply is None and is_stream(body):
        body, reply = _collected(taking, body)
    if reply is None:
        return taking.refused(_unreadable(taking, answer.status, body), body)
    if taking.order.translation is not None:
        try:
            body = taking.order.translation.reply(body, taking.order.request, taking.order.call_id)
        except UpstreamFault:
            return taking.ended("bad_reply", said=reply)
        taking.content_type = "application/json"
    # Read on for the usage of a client that has left (`disconnect = "drain"`).
    return taking.ended("client_left" if taking.downstream.left else "", body=body, said=reply)


def _refusal(taking: _Taking, status: int, body: bytes) -> str:
    """Return the word for a reply that is no success. Where no header says how long to wait its body may."""
    if status in _REDIRECTS:
        return "redirect"
    asked_s = told_wait_s(body, datetime.now(UTC)) if taking.wait_s is None else taking.wait_s
    word = _word(taking.order, status, body, waits=asked_s is not None)
    if word in _MAY_ASK_TO_WAIT:
        taking.wait_s = asked_s
    return word


def _word(order: Order, status: int, body: bytes, *, waits: bool) -> str:
    """Return the word for an error that an upstream told; the config's own table goes first."""
    said = read_error(status, body)
    if own := own_word(order.errors, said):
        return own
    if order.request.stream and order.injected and status in _MAY_BE_OURS and openai_chat.names_stream_options(body):
        return "stream_options"
    word = word_for(said, waits=waits)
    return "login_refused" if order.login and word == "unauthorized" else word


def _unreadable(taking: _Taking, status: int, body: bytes) -> str:
    """Return the word for a success that holds no answer: the error in it, where it is one that is known (CASES 54)."""
    said = read_error(status, body)
    known = said.names or own_word(taking.order.errors, said)
    return _refusal(taking, status, body) if known else "bad_reply"


async def _stream(taking: _Taking, answer: Answer, wait: Wait, to: Endpoint) -> Attempted:
    """Pass a stream on, metering it, until its end or a failure."""
    order = taking.order
    meter = taking.meter = order.dialect.meter(order.request, order.injected)
    if order.translation is not None:
        taking.translator = order.translation.stream(order.request, order.call_id)
    try:
        if (attempted := await _pass_on(taking, meter, answer, wait, to)) is not None:
            return attempted
    except UpstreamFault:
        return taking.ended("bad_reply")
    if meter.complete:
        return taking.ended("")
    if taking.downstream.begun:
        return taking.ended("reset")
    return taking.refused(_unreadable(taking, answer.status, taking.before), taking.before)


async def _pass_on(taking: _Taking, meter: Meter, answer: Answer, wait: Wait, to: Endpoint) -> Attempted | None:
    """Pass on what comes; None at its end, where nothing said how it ended."""
    splitter = Splitter(EVENT_AT_MOST)
    some: bytes | None = b" "
    while some or some is None:
        some = await _some(answer, taking.held_until)
        taking.look()
        if some is None:
            await _send(taking, wait, taking.held)
            _allow(taking, wait, to)
            continue
        if not taking.downstream.begun and len(taking.before) < ERROR_BODY_AT_MOST:
            taking.before += some
        if not taking.held and taking.before.lstrip(BLANKS).startswith(b"{"):
            return await _whole(taking, meter, answer, wait, to)
        # At its end, a last event without its blank line still counts.
        passed = _pass(taking, meter, splitter.feed(some) if some else splitter.close())
        await _go_on(taking, wait, passed)
        _allow(taking, wait, to)
        if passed.end is not None:
            return _ended(taking, answer, passed)
    return None


def _ended(taking: _Taking, answer: Answer, passed: "_Pass") -> Attempted:
    """Return the attempt whose stream said how it ended."""
    if passed.refused:
        return taking.refused(_refusal(taking, answer.status, passed.last), passed.last)
    return taking.ended(passed.end or "", body=passed.last)


async def _whole(taking: _Taking, meter: Meter, answer: Answer, wait: Wait, to: Endpoint) -> Attempted:
    """Hand a whole reply on as the stream that was asked for."""
    body = taking.before + await answer.body(came=lambda: wait.allow(to.idle_s, "first_byte_timeout"))
    dialect = taking.order.dialect
    reply = dialect.read_reply(body)
    if reply is None:
        return taking.refused(_unreadable(taking, answer.status, body), body)
    try:
        passed = _pass(taking, meter, Splitter(BODY_AT_MOST).feed(streamed(dialect.name, body)))
    except UpstreamFault:
        return taking.ended("bad_reply", said=reply)
    await _go_on(taking, wait, passed)
    return _ended(taking, answer, passed)


async def _some(answer: Answer, until: float | None) -> bytes | None:
    """Return the next bytes of a stream, none at its end; None when the time comes first. Raises Failed."""
    try:
        async with asyncio.timeout_at(until):
            return await answer.some()
    except TimeoutError:
        return None


def _allow(taking: _Taking, wait: Wait, to: Endpoint) -> None:
    """Allow for the silence after what came. After comments alone it may last as long as before a first event."""
    if taking.answers:
        wait.allow(to.idle_s, "idle_timeout")
    elif taking.opened:
        wait.allow(to.idle_s, "first_byte_timeout")
    else:
        wait.allow(max(to.idle_s, to.first_byte_s - taking.ms() / 1000), "first_byte_timeout")


async def _go_on(taking: _Taking, wait: Wait, passed: "_Pass") -> None:
    """Send what may go on now, or hold it back: the answer takes along what opened it, and no comments before that."""
    taking.opened = taking.opened or passed.out != b""
    if passed.begins:
        taking.answers = True
        wait.forget_deadline()
    if taking.downstream.begun:
        await _send(taking, wait, passed.out)
    elif passed.begins:
        await _send(taking, wait, taking.opening + passed.out)
    else:
        taking.opening += passed.out
        taking.held += passed.held
        if len(taking.held) > ERROR_BODY_AT_MOST:
            await _send(taking, wait, taking.held)
        elif taking.held and taking.held_until is None:
            taking.held_until = asyncio.get_running_loop().time() + HELD_BACK_S
    if passed.begins and taking.downstream.begun and not taking.gone:
        taking.order.begins()
        taking.first_byte_ms = taking.ms()


def _collected(taking: _Taking, body: bytes) -> tuple[bytes, Reply | None]:
    """Return the whole reply that a stream makes which nobody asked for; its error where it has one, and no reply."""
    order, splitter = taking.order, Splitter(BODY_AT_MOST)
    meter = order.dialect.meter(order.request, True)
    try:
        events = [*splitter.feed(body), *splitter.close()]
        for event in events:
            if meter.feed(event).kind in {"error", "malformed"}:
                return event.data or b"", None
        return (collected(order.dialect.name, events), reply_of(meter)) if meter.complete else (body, None)
    except UpstreamFault:
        return body, None


async def _send(taking: _Taking, wait: Wait, out: bytes) -> None:
    """Send a part of the stream on, its head first. A client that has left ends the wait or starts the drain."""
    if taking.gone or not out:
        return
    taking.opening = taking.held = b""
    taking.held_until = None
    wait.allow(SLOW_CLIENT_S, "client_left")
    try:
        if not taking.downstream.begun:
            await taking.downstream.begin({**taking.order.head, **taking.head})
        await taking.downstream.write(out)
    except ClientLeft:
        if not taking.order.drain_s:
            raise Interrupted("client_left") from None
        taking.gone = True
        wait.client_left()


@dataclass(slots=True, kw_only=True)
class _Pass:
    """What a run of events means for the stream."""

    out: bytes = b""
    """What goes downstream."""
    held: bytes = b""
    """The same with the comments before it, as long as there is no answer."""
    begins: bool = False
    """The first event that says something of an answer is among them."""
    end: str | None = None
    """The word with which the stream ends here, if it does; empty for its proper end."""
    last: bytes = b""
    """The `[DONE]` event, or the data of an error."""
    refused: bool = False
    """An error before anything went downstream: `last` says which."""


def _pass(taking: _Taking, meter: Meter, events: Sequence[Event]) -> _Pass:
    """Meter events and return what goes on. Comments before the first event of data are only held."""
    begun = taking.downstream.begun
    opened = begun or taking.opened
    out: list[bytes] = []
    held: list[bytes] = []
    run = _Pass()
    for event in events:
        passed = meter.feed(event)
        run.begins = run.begins or passed.first
        match passed.kind:
            case "data" if not taking.gone:
                said = b"" if passed.hidden and taking.translator is None else _written(taking, event)
                out.append(said)
                held.append(said if said or passed.hidden else _KEEP_ALIVE)
                opened = opened or said != b""
            case "comment":
                held.append(_beside(taking, event))
                out.append(held[-1] if opened else b"")
            case "done":
                run.end, run.last = "", passing(event)
            case "error":
                run.end, run.last = "stream_error", event.data or b""
                run.begins = run.begins or meter.accounted  # it failed after it was made, and says what that used
                run.refused = not (begun or run.begins)
            case "malformed":
                run.end = "stream_malformed" if begun or run.begins else "bad_reply"
            case _:
                pass
        if run.end is not None:
            break
    run.out, run.held = b"".join(out), b"".join(held)
    return run


def _written(taking: _Taking, event: Event) -> bytes:
    """Return an event of data as the client gets it. Raises UpstreamFault for what can't be translated."""
    if taking.translator is None:
        return passing(event)
    taking.translated += len(event.raw)
    if taking.translated > BODY_AT_MOST:
        raise UpstreamFault("the stream is longer than a whole reply may be")
    return taking.translator.feed(event)


def _beside(taking: _Taking, event: Event) -> bytes:
    """Return what is beside the answer as the client gets it: a ping as it is, of others the comments alone."""
    if taking.translator is not None:
        return _KEEP_ALIVE
    return passing(event, only_comments=not event.data or event.data.isspace())
