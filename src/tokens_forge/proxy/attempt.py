"""One attempt of a call: send the request, take in the reply, pass a stream on as it comes.

Every way in which an attempt can end becomes one word of the failure table here, with what is known of it. A stream's
last event is not sent: it waits until the attempt is settled. Nothing goes downstream before the first data event that
is no error. It decides neither what a word means nor what anything costs.
"""

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
from tokens_forge.wire.dialects import Dialect
from tokens_forge.wire.reply import Meter, Reply, Said
from tokens_forge.wire.reply_headers import cost, limits, retry_after_s, tier
from tokens_forge.wire.request import Request
from tokens_forge.wire.sse import Event, Splitter, comment
from tokens_forge.wire.told_wait import told_wait_s
from tokens_forge.wire.translation import StreamTranslator, Translation
from tokens_forge.wire.upstream_errors import knows_no_thread, own_word, read_error, word_for

EVENT_AT_MOST = 8 * 1024 * 1024
"""The largest event of a stream, in bytes."""

SLOW_CLIENT_S = 600.0
"""How long a client may take to read what it was sent."""

MOST_TOLD = 1_000
"""Characters of an upstream's error that are told in another dialect than its own."""

_OK = range(200, 300)
_REDIRECTS = range(300, 400)
_BAD_REQUEST = 400
_MAY_BE_OURS = frozenset({400, 422})
"""By which an upstream refuses a member that it does not know; servers on FastAPI say 422."""

_OF_LOGIN = ("anthropic-ratelimit-", "x-codex-", "retry-after")
"""How the headers begin by which Claude Code and Codex show how much of a plan is left."""

_KEEP_ALIVE = comment("keep-alive")

_MAY_ASK_TO_WAIT = frozenset({"rate_limited", "insufficient_quota", "server_error"})
"""Errors whose bodies say when to come again. Of any other a wait is a word of the message and no more."""

_UNSENT = {"client_left": "left_before_contact", "stopped": "stopped_before_contact", "deadline": "connect_timeout"}
"""What an interruption is when no byte of the request had gone."""

_CUT = frozenset({"reset", "first_byte_timeout", "idle_timeout"})
"""Failures by which nothing more came. Of a stream that has said all but its `[DONE]` they take nothing away."""

_ONCE_BEGUN = {"reset": "stream_cut", "first_byte_timeout": "idle_timeout", "bad_reply": "stream_malformed"}
"""What a failure is called once the reply has begun."""


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
    wait_s: Decimal | None = None
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
                attempted = await _take(taking, answer, wait, order.endpoint.idle_s)
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
    wait_s: Decimal | None = None
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

    def answered(self, answer: Answer) -> None:
        """Take down what a reply's head says."""
        self.first_byte_ms = self.ms()
        self.status = answer.status
        self.content_type = answer.headers.get("content-type", "")
        now = datetime.now(UTC)
        self.limits = limits(answer.headers, now)
        self.cost, self.tier = cost(answer.headers), tier(answer.headers)
        own_id = answer.headers.get("x-request-id") or answer.headers.get("request-id", "")
        own_id = visible(said_without_secret(own_id, *self.order.secrets()))[:120]
        head = {"x-tf-upstream-request-id": own_id} if own_id else {}
        if self.order.login:
            head |= {name: value for name, value in answer.headers.items() if name.lower().startswith(_OF_LOGIN)}
        self.head = head
        if answer.status not in _OK:
            self.wait_s = retry_after_s(answer.headers, now)

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
            wait_s=self.wait_s,
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
        if self.order.translation is not None or no_thread:
            body = self.downstream.family.error_body(
                status=max(self.status, _BAD_REQUEST),
                code=THREAD_UNSUPPORTED if no_thread else error,
                message=visible(said.message)[:MOST_TOLD] or f"the upstream said {self.status}",
                call_id=self.order.call_id,
            )
        if self.order.translation is not None or no_thread or self.meter is not None:
            self.content_type = "application/json"
        return self.ended(error, body=body)

    def ms(self) -> float:
        """Return the ms since the attempt began."""
        return round((monotonic() - self.clock_s) * 1000, 1)


async def _take(taking: _Taking, answer: Answer, wait: Wait, idle_s: float) -> Attempted:
    """Take in a reply from its head on. Raises Failed and Interrupted."""
    if answer.status not in _OK:
        wait.allow(idle_s, "reset")
        body = await drain(answer)
        return taking.refused(_refusal(taking, answer.status, body), body)
    if taking.order.request.stream:
        return await _stream(taking, answer, wait, idle_s)
    wait.allow(idle_s, "reset")
    body = await answer.body()
    reply = taking.order.dialect.read_reply(body)
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


async def _stream(taking: _Taking, answer: Answer, wait: Wait, idle_s: float) -> Attempted:
    """Pass a stream on, metering it, until its end or a failure."""
    order = taking.order
    meter = taking.meter = order.dialect.meter(order.request, order.injected)
    if order.translation is not None:
        taking.translator = order.translation.stream(order.request, order.call_id)
    splitter = Splitter(EVENT_AT_MOST)
    head = b""  # What came before the first data event: a relay's error may be plain JSON.
    some = b" "
    try:
        while some:
            some = await answer.some()
            taking.look()
            if not taking.downstream.begun and len(head) < ERROR_BODY_AT_MOST:
                head += some
            # At its end, a last event without its blank line still counts.
            passed = _pass(taking, meter, splitter.feed(some) if some else splitter.close())
            if passed.begins or taking.downstream.begun:
                await _send(taking, wait, passed.out)
                wait.allow(idle_s, "idle_timeout")
            if passed.refused:
                return taking.refused(_refusal(taking, answer.status, passed.last), passed.last)
            if passed.end is not None:
                return taking.ended(passed.end, body=passed.last)
    except UpstreamFault:
        return taking.ended("bad_reply")
    if not meter.complete:
        if taking.downstream.begun:
            return taking.ended("reset")
        return _no_stream(taking, answer.status, head)
    return taking.ended("")


def _no_stream(taking: _Taking, status: int, head: bytes) -> Attempted:
    """Return what came where a stream was asked for and nothing of one did.

    A whole reply can't be given, but it was billed, and it says how much.
    """
    if (reply := taking.order.dialect.read_reply(head)) is not None:
        return taking.ended("bad_reply", said=reply)
    return taking.refused(_unreadable(taking, status, head), head)


async def _send(taking: _Taking, wait: Wait, out: bytes) -> None:
    """Send a part of the stream on, its head first. A client that has left ends the wait or starts the drain."""
    if taking.gone or not out:
        return
    wait.allow(SLOW_CLIENT_S, "client_left")
    try:
        if not taking.downstream.begun:
            await taking.downstream.begin({**taking.order.head, **taking.head})
            wait.forget_deadline()
            taking.order.begins()
            taking.first_byte_ms = taking.ms()
        await taking.downstream.write(out)
    except ClientLeft:
        if not taking.order.drain_s:
            raise Interrupted("client_left") from None
        taking.gone = True
        wait.client_left()


@dataclass(frozen=True, slots=True)
class _Pass:
    """What a run of events means for the stream."""

    out: bytes
    """What goes downstream."""
    begins: bool
    """The first data event is among them."""
    end: str | None = None
    """The word with which the stream ends here, if it does; empty for its proper end."""
    last: bytes = b""
    """The `[DONE]` event, or the data of an error."""
    refused: bool = False
    """An error before the first data event: `last` says which."""


def _pass(taking: _Taking, meter: Meter, events: Sequence[Event]) -> _Pass:
    """Meter events and return what goes on. Comments before the first data event stay here."""
    translator = taking.translator
    begun = taking.downstream.begun
    out: list[bytes] = []
    begins = False
    for event in events:
        passed = meter.feed(event)
        begins = begins or passed.first
        match passed.kind:
            case "data" if taking.gone:
                pass
            case "data" if translator is not None:
                taking.translated += len(event.raw)
                if taking.translated > BODY_AT_MOST:
                    raise UpstreamFault("the stream is longer than a whole reply may be")
                out.append(translator.feed(event))
            case "data" if not passed.hidden:
                out.append(event.raw)
            case "comment" if begun or begins:
                out.append(event.raw if translator is None else _KEEP_ALIVE)
            case "done":
                return _Pass(b"".join(out), begins, "", event.raw)
            case "error":
                begun = begun or begins
                return _Pass(b"".join(out), begins, "stream_error", event.data or b"", refused=not begun)
            case "malformed":
                return _Pass(b"".join(out), begins, "stream_malformed" if begun or begins else "bad_reply")
            case _:
                pass
    return _Pass(b"".join(out), begins)
