"""What the client reads: headers, the receipt, and errors in its own dialect.

Every reply of a call carries its id as `x-request-id`, so that what an SDK prints in an error is what `tf explain`
takes. Errors that `tf` decided for good carry `x-should-retry: false` (CASES 38, 60); what time ends does not.
Nothing is decided here but words.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import assert_never

import msgspec

from tokens_forge.core.budgets import BudgetShown
from tokens_forge.core.candidates import models, patterns
from tokens_forge.core.config import Config, near_name, there_are
from tokens_forge.core.entries import Held, Routed, Settled, Voided, candidate_name
from tokens_forge.core.fallback import classify
from tokens_forge.core.fold import OpenCall
from tokens_forge.core.moments import microseconds, moment
from tokens_forge.core.money import text
from tokens_forge.core.own_tokens import without_tokens
from tokens_forge.core.price_help import missing_prices, price_ways
from tokens_forge.core.responses import RESPONSE_LOST, THREAD_LOST, THREAD_UNSUPPORTED
from tokens_forge.core.routing import Refuse
from tokens_forge.core.story import reason_text
from tokens_forge.proxy.attempt import Attempted
from tokens_forge.proxy.downstream import ClientLeft, Downstream
from tokens_forge.wire.sse import comment
from tokens_forge.wire.translation import NotCarried

MOST_DROPPED = 1_000
"""Characters of the header that names what was left out."""

LONGEST_WAIT_S = 60
"""A longer wait is no Retry-After: OpenAI's SDKs heed none beyond a minute, agents sit it out in silence."""

_OK = 200
_BAD_REQUEST = 400
_STOPPING = 503
_MICROSECONDS = 1_000_000


def headers(held: Held, call: OpenCall, cause: str) -> Mapping[str, str]:
    """Return the headers that say which route answers, which balance pays, and what led there.

    `cause` is why the call came to this candidate; of a retry that is not what it retries.
    """
    said = {
        "x-request-id": held.id,
        "x-tf-route": held.route,
        "x-tf-class": held.route_class,
        "x-tf-balance": held.balance,
        "x-tf-attempts": str(held.n),
    }
    here = candidate_name(held.route, held.upstream_model)
    routed, first = call.routed, call.trail[0].candidate if call.trail else here
    # Where the conversation was before is meant too: beginning there is no fallback, going on from there is one.
    meant = routed.sticky if routed.sticky == first else routed.intended
    if meant and here != meant:
        said["x-tf-fell-back"] = f"{meant}>{here}; {cause}"
    if held.dropped:
        said["x-tf-dropped"] = ", ".join(held.dropped)[:MOST_DROPPED]
    return said


def task_headers(left: BudgetShown | None) -> Mapping[str, str]:
    """Return the header that says what a task's cap leaves; none for a call without a cap."""
    if left is None:
        return {}
    return {"x-tf-task-left": f"{text(left.left)} {left.unit}{'; soft limit reached' if left.soft else ''}"}


def status_of(attempted: Attempted, client: Downstream) -> int:
    """Return the status that the client gets for the attempt that ends its call; 0 when it has left before any."""
    if client.begun:
        return _OK
    match attempted.error:
        case "":
            return _OK
        case "client_left" | "left_before_contact":
            return 0
        case "stopped" | "stopped_before_contact":
            return _STOPPING
        case _:
            return max(attempted.status, _BAD_REQUEST)


async def answer(
    client: Downstream, closing: Settled | Voided, attempted: Attempted, head: Mapping[str, str], *, receipt: bool
) -> None:
    """Give the client what ends its call: the rest of a stream, a whole reply, or the upstream's own refusal."""
    if attempted.error in {"client_left", "left_before_contact"}:
        return
    head = {**head, **attempted.head}
    stream = isinstance(closing, Settled) and closing.stream
    if attempted.error == "" and not stream:
        client.reply(_OK, {**head, **_costs(closing)}, attempted.body, attempted.content_type)
    elif attempted.error == "":
        with suppress(ClientLeft):
            if not client.begun:  # a stream of nothing but its `[DONE]`
                await client.begin(head)
            await client.end((comment(f"tf {_receipt(closing)}") if receipt else b"") + attempted.body)
    elif client.begun:
        await client.end(_broken(client, closing, attempted))
    elif classify(attempted.error).next == "return":
        # One owner of retries: an SDK would send a 409 twice more (CASES 60). Of a client's own login its provider is.
        head = {"x-should-retry": "false", **head}
        client.reply(status_of(attempted, client), head, attempted.body, attempted.content_type)
    else:
        error(client, _STOPPING, "stopping", "tf is stopping; the call was ended before its reply.", head)


def refused(  # noqa: PLR0913 - a refusal, its words, and to whom
    client: Downstream, refuse: Refuse, message: str, call: OpenCall, at: str, *, may_ask_again: bool
) -> None:
    """Give the client the reason why nothing answers, and the wait when time alone ends it.

    A long wait stands in the message alone: Codex and OpenCode would sit through it without a word.
    """
    head = {"x-request-id": call.routed.id, "x-tf-attempts": str(len(call.trail))}
    if refuse.until:
        wait_s = -(-(microseconds(moment(refuse.until)) - microseconds(moment(at))) // _MICROSECONDS)
        if wait_s <= LONGEST_WAIT_S:
            head["retry-after"] = str(max(1, wait_s))
    error(client, refuse.status, refuse.error, message, head, may_ask_again=may_ask_again)


def limit_of_login(
    client: Downstream, refuse: Refuse, attempted: Attempted, call: OpenCall, *, may_ask_again: bool
) -> None:
    """Give a client that came with its own login what its provider says of its limit, as it says it.

    Where that came as the first event of a stream, the status of the reply was no error's.
    """
    head = {"x-request-id": call.routed.id, "x-tf-attempts": str(len(call.trail)), **_for_good(not may_ask_again)}
    client.reply(refuse.status, {**head, **attempted.head}, attempted.body, attempted.content_type)


def ended(why: str) -> Refuse:
    """Return the refusal of a call whose wait between attempts ended: a word of `proxy/watch.py`."""
    match why:
        case "client_left":
            return Refuse(reason="client_left", error="client_left", status=499, passed_over=())
        case "stopped":
            return Refuse(reason="stopping", error="stopping", status=_STOPPING, passed_over=(), passes=True)
        case _:
            return Refuse(reason="deadline", error="deadline", status=504, passed_over=())


def ledger_stuck(client: Downstream, call_id: str = "") -> None:
    """Tell the client that nothing can be recorded, so nothing is served."""
    head = {"x-request-id": call_id} if call_id else {}
    error(client, 507, "ledger_stuck", "The ledger can't be written (is the disk full?), so no call is served.", head)


def error(  # noqa: PLR0913 - an error's parts, and one word
    client: Downstream, status: int, code: str, message: str, head: Mapping[str, str], *, may_ask_again: bool = False
) -> None:
    """Give the client an error of ours, in its dialect; it is not to be retried by its SDK unless that may help."""
    message = without_tokens(message)  # of a path that was not written as ours are, say
    body = client.family.error_body(status=status, code=code, message=message, call_id=head.get("x-request-id", ""))
    client.reply(status, {**head, **_for_good(not may_ask_again)}, body, "application/json")


def _for_good(said: bool) -> Mapping[str, str]:
    """Return the header by which an SDK does not send a request again, where that is said."""
    return {"x-should-retry": "false"} if said else {}


def why(
    refuse: Refuse, call: OpenCall, config: Config, last: Attempted | None, uncarried: Iterable[NotCarried] = ()
) -> str:
    """Return the message of a refusal, naming each candidate and what stood against it.

    `uncarried` is what could not be said in another dialect.
    """
    routed = call.routed
    passed = "; ".join(f"{over.candidate} by {over.balance}: {reason_text(over)}" for over in refuse.passed_over)
    match refuse.reason:
        case "unknown_model":
            names = models(config, routed.key)
            near = near_name(routed.model_asked, names) or there_are((*names, *patterns(config, routed.key)))
            return f"No model named `{routed.model_asked}`.{near}"
        case "exhausted":
            status = f" with status {last.status}" if last and last.status else ""
            packed = f": its body is packed as `{last.unread}`, which was not asked for" if last and last.unread else ""
            ended_in = f" The last attempt ended in {last.error}{status}{packed}." if last else ""
            said = f"No candidate answered: {_trail(call)}.{ended_in} Not tried: {passed or 'none'}."
        case "deadline":
            tried = _trail(call) or "no attempt"
            said = f"The call's deadline of {config.policy.deadline} passed before a reply: {tried}."
        case "all_cooling" | "busy":
            until = f" The earliest recovers at {refuse.until}." if refuse.until else ""
            said = f"Nothing can be tried before something recovers. {passed}.{until}"
        case "nothing_can_pay":
            said = f"Nothing can pay for this call. {passed}."
        case "no_price":
            missing = missing_prices(refuse.passed_over)
            said = f"{_unpriced(missing, routed, config)} {passed}. {price_ways(config, missing)}"
        case "not_allowed" | "context_too_long" | "no_capability" | "no_client_credential":
            said = f"{_PLAIN[refuse.reason].format(key=routed.key, model=routed.model_asked)} {passed}."
            said = " ".join((said, *dict.fromkeys(f"{no}." for no in uncarried)))
        case "task_stopped" | "stopping" | "client_left" | "found_open":
            said = _PLAIN[refuse.reason].format(task=routed.task)
        case _:
            assert_never(refuse.reason)
    if refuse.error in _GOES_ON:
        said = f"{_GOES_ON[refuse.error].format(previous=routed.previous)} {said}"
    return f"{said} `tf explain {routed.id}` tells more."


_GOES_ON = {
    RESPONSE_LOST: "Previous response with id '{previous}' not found.",
    THREAD_LOST: "No usable thread was found for the message `{previous}`: send the whole conversation again.",
    THREAD_UNSUPPORTED: "No upstream here keeps a thread: send the whole conversation without `thread`.",
}
"""What a client that goes on by itself looks for in a message: OpenAI's own words of a response."""

_PLAIN = {
    "not_allowed": "Key `{key}` may use none of the routes for `{model}`.",
    "context_too_long": "The request is too long for every candidate of `{model}`.",
    "no_client_credential": "What serves `{model}` takes the tool's own login: keep that, and give tf's key in "
    "`x-tf-key` or in the base URL (`/k/TOKEN/v1`).",
    "no_capability": "No candidate of `{model}` can do what the request asks for.",
    "task_stopped": "Task `{task}` was stopped; `tf task start {task}` lets it spend again.",
    "stopping": "tf is stopping.",
    "client_left": "The client has left.",
    "found_open": "The call was found open.",
}


def _unpriced(missing: Iterable[tuple[str, str]], routed: Routed, config: Config) -> str:
    """Return what has no price, in a sentence; a misspelt name that a route's pattern takes has none either."""
    asked, tiers = routed.model_asked, dict.fromkeys(tier for _candidate, tier in missing)
    if "" in tiers:
        return f"No price is known for `{asked}`, so it can't be metered.{near_name(asked, models(config, routed.key))}"
    named = " or ".join(f"`{tier}`" for tier in tiers)
    return f"No price is known for `{asked}` in the tier {named}, so it can't be metered."


def _trail(call: OpenCall) -> str:
    return ", ".join(
        f"{attempt.candidate} {attempt.error}{f' {attempt.status}' if attempt.status else ''}" for attempt in call.trail
    )


def _broken(client: Downstream, closing: Settled | Voided, attempted: Attempted) -> bytes:
    """Return the event that tells the client that its stream is not whole (CASES 21)."""
    message = (
        f"The upstream's stream ended early ({closing.error}). What came is settled; see `tf explain {closing.id}`."
    )
    told = attempted.translator.broken(code=closing.error, message=message) if attempted.translator else b""
    return told or client.family.error_event(status=502, code=closing.error, message=message, said=attempted.said)


def _costs(closing: Settled | Voided) -> Mapping[str, str]:
    if not isinstance(closing, Settled):
        return {}
    saving = {"x-tf-saving": f"{closing.saving} {closing.list_unit}"} if closing.saving else {}
    return {
        "x-tf-charge": f"{closing.charge} {closing.unit}",
        "x-tf-certainty": closing.certainty,
        **saving,
    }


def _receipt(closing: Settled | Voided) -> str:
    """Return what a streamed reply cost, as one line of JSON, from its closing entry."""
    if not isinstance(closing, Settled):
        return "{}"
    return msgspec.json.encode(
        {
            "id": closing.id,
            "route": closing.route,
            "class": closing.route_class,
            "balance": closing.balance,
            "charge": closing.charge,
            "unit": closing.unit,
            "saving": closing.saving,
            "list_unit": closing.list_unit,
            "certainty": closing.certainty,
            "usage": closing.usage,
            "attempts": closing.n,
        }
    ).decode()
