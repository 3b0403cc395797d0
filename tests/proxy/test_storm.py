"""A storm: a thousand calls at once over four upstreams that fail at random, and a ledger that explains every one.

What each upstream answers to which call follows from the seed alone, whatever comes first; a seed that fails is run
again by its number. Everything is looked at from outside: the replies, what the wires saw, and the ledger's lines.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
from playbook import Playbook, Reply, Setup, playing
from upstreams import (
    DONE,
    HELLO,
    USAGE,
    Answer,
    End,
    Got,
    Upstream,
    completion,
    event,
    greeting,
    plain,
    refusal,
    stream,
)

from tokens_forge.core.entries import (
    Cooled,
    Held,
    Line,
    Recovered,
    Refused,
    Routed,
    Settled,
    Voided,
    attempt_name,
    candidate_name,
)
from tokens_forge.core.fallback import named_wait_ms
from tokens_forge.core.moments import later
from tokens_forge.core.story import tell
from tokens_forge.files.ledger_reader import read_lines
from tokens_forge.proxy import call as call_file
from tokens_forge.proxy import watch as watch_file

CALLS, AT_ONCE = 1_000, 30

TABLES = """
[upstream.third]
dialect = "openai"
base_url = "{third}"
credential = "none"
timeouts = {{ first_byte = "200ms", whole = "200ms", idle = "200ms" }}
[upstream.fourth]
dialect = "openai"
base_url = "{fourth}"
credential = "none"
timeouts = {{ first_byte = "200ms", whole = "200ms", idle = "200ms" }}
[balance.spare]
kind = "prepaid"
unit = "CNY"
[balance.premium]
kind = "prepaid"
unit = "USD"
[route.cousin]
class = "ordinary"
upstream = "third"
balance = "wallet"
serves = ["gpt-5"]
[route.twin]
class = "ordinary"
upstream = "relay"
balance = "spare"
serves = ["gpt-5"]
[route.last]
class = "direct"
upstream = "fourth"
balance = "premium"
serves = ["gpt-5"]
[route.cousin.prices]
"gpt-5" = [{{ from = 2020-01-01, unit = "CNY", per = "ktok", input = 2, output = 9 }}]
[route.twin.prices]
"gpt-5" = [{{ from = 2020-01-01, unit = "CNY", per = "ktok", input = 1, output = 12 }}]
[route.last.prices]
"gpt-5" = [{{ from = 2020-01-01, unit = "USD", per = "ktok", input = 3, output = 25 }}]
[model.anywhere]
routes = ["relay/gpt-5", "cousin/gpt-5", "twin/gpt-5", "official/gpt-5", "last/gpt-5"]
fallback = "any"
[model.within]
routes = ["relay/gpt-5", "cousin/gpt-5", "twin/gpt-5", "official/gpt-5"]
burn = "cheapest"
fallback = "class"
[model.crossing]
routes = ["twin/gpt-5", "official/gpt-5"]
cross = {{ to = "direct", up_to = "6 USD", per = "day" }}
[key.night]
budget = {{ limit = "60 USD", per = "day" }}
[task.storm]
cap = {{ limit = "900 USD" }}
[report]
fx = {{ CNY = [{{ from = 2020-01-01, rate = "7" }}] }}
"""
"""Two routes share a balance (relay and cousin), two an upstream (relay and twin)."""

SHORT = 'timeouts = { first_byte = "200ms", whole = "200ms", idle = "200ms" }'
ROUTES = ("relay", "cousin", "twin", "official", "last")

FAULTS: tuple[Answer, ...] = (
    refusal(500),
    refusal(503),
    refusal(408),
    refusal(429, headers={"retry-after-ms": "20"}),
    refusal(429, headers={"retry-after": "30"}),
    refusal(429),
    refusal(402),
    refusal(404),
    refusal(400, "context_length_exceeded"),
    refusal(422),
    refusal(200, "server_error"),
    (End.RESET,),
    (End.CLOSE,),
    (End.NEVER,),
    plain(b"<html>Log in</html>"),
)
PASSING: tuple[Answer, ...] = (refusal(500), refusal(503), refusal(408), refusal(429, headers={"retry-after-ms": "20"}))
"""Faults that ask for another attempt: where there are many, the budget of retries is what bounds them."""
STREAM_FAULTS: tuple[Answer, ...] = (
    stream(*HELLO[:2], End.RESET),
    stream(*HELLO[:2], b"data: oops\n\n"),
    stream(*HELLO[:2], event({"error": {"message": "overloaded"}})),
    stream(*HELLO[:2], End.NEVER),
    stream(*HELLO[:2]),
    stream(event({"error": {"message": "no", "code": "rate_limit_exceeded"}})),
    stream(*HELLO, USAGE, DONE, headers={"content-type": "text/event-stream", "x-ratelimit-remaining-requests": "0",
                                         "x-ratelimit-reset-requests": "40s"}),
)  # fmt: skip


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_file, "RETRY_AFTER_S", 0.01)
    monkeypatch.setattr(call_file, "JITTER_MS", 20)
    monkeypatch.setattr(call_file, "LOOK_S", 0.02)
    monkeypatch.setattr(watch_file, "SWEEP_S", 0.02)


def weather(seed: int, wire: str) -> Callable[[Got], Answer]:
    """Return how an upstream answers: worse and better by turns, by the seed, the call and how often it was asked."""
    times: Counter[str] = Counter()

    def answer(got: Got) -> Answer:
        call = str(got.asked["messages"][-1]["content"])
        times[call] += 1
        chance = random.Random(f"{seed}/{wire}/{call}/{times[call]}")  # noqa: S311 - reproducible, no secret
        phase = int(call) // 100 % 4
        if chance.random() >= (0.05, 0.4, 0.5, 0.2)[phase]:
            return greeting(got)
        if phase == 2:
            return chance.choice(PASSING)
        return chance.choice((*FAULTS, *STREAM_FAULTS) if got.asked.get("stream") else FAULTS)

    return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call of the storm, and what came back."""

    pinned: str
    reply: Reply


@asynccontextmanager
async def storm(folder: Path, seed: int) -> AsyncGenerator[tuple[Playbook, dict[str, Upstream], list[Call]]]:
    """Run the storm; give the playbook after it, the upstreams by name, and the calls."""
    async with AsyncExitStack() as stack:
        third, fourth = [await stack.enter_async_context(Upstream()) for _ in range(2)]
        wires: dict[str, Upstream] = {"third": third, "fourth": fourth}

        async def came() -> int:
            return sum(len(wires[name].got) for name in ("relay", "third", "fourth"))

        setup = Setup(
            relay=SHORT,
            official=SHORT,
            relay_count=came,
            more=TABLES.format(third=third.url, fourth=fourth.url),
            fund={"wallet": "400 CNY", "spare": "90 CNY", "credit": "50 USD", "premium": "60 USD"},
        )
        async with playing(folder, setup) as play:
            play.issue("night")
            wires |= {"relay": play.relay, "official": play.official}
            for name, upstream in wires.items():
                upstream.otherwise = weather(seed, name)
            yield play, wires, await blow(play, seed)


async def blow(play: Playbook, seed: int) -> list[Call]:
    """Make the calls, so many at once; time flies and passes in jumps, so that waits end and what cools recovers."""
    chance = random.Random(seed)  # noqa: S311 - reproducible, no secret
    calls: list[Call] = []
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(number: int, pinned: str, *, streamed: bool) -> None:
        async with gate:
            opening = {"role": "system", "content": f"conversation {number % 40}"}
            headers = {"x-tf-task": "storm", **({"x-tf-route": pinned} if pinned else {})}
            model = "anywhere" if pinned else ("anywhere", "within", "crossing")[number % 3]
            reply = await play.ask(
                model=model,
                stream=streamed,
                messages=[opening, {"role": "user", "content": str(number)}],
                headers=headers,
                key=("aider", "night")[number % 2],
            )
            calls.append(Call(pinned=pinned, reply=reply))
            if len(calls) % 50 == 0:
                play.clock.on(minutes=2)
            if len(calls) % 200 == 0:
                play.clock.on(hours=2)

    async def flies() -> None:
        while len(calls) < CALLS:
            await asyncio.sleep(0.01)
            play.clock.on(seconds=1)

    async with asyncio.TaskGroup() as group:
        group.create_task(flies())
        for number in range(CALLS):
            pinned = chance.choice(ROUTES) if chance.random() < 0.1 else ""
            group.create_task(one(number, pinned, streamed=chance.random() < 0.5))
    await play.idle()
    return calls


@pytest.mark.parametrize("seed", [1, 20, 300])
async def test_a_storm(tmp_path: Path, seed: int) -> None:
    """Wires and ledger count the same, bounds hold, no hold is left, every reply is explained (CASES 24, 27, 39)."""
    async with storm(tmp_path, seed) as (play, wires, calls):
        lines = list(read_lines(play.paths.ledger))
        sent = attempts_sent(lines)
        assert {name: len(upstream.got) for name, upstream in wires.items()} == sent
        by_call = grouped(lines)
        assert CALLS == len(calls) == len(by_call)
        for told in by_call.values():
            hold_to_the_bounds(told)
        hold_to_the_retry_budget(lines)
        hold_to_the_cooldowns(lines)
        for call in calls:
            explained(call, by_call[call.reply.headers["x-request-id"]])
        fold = play.fold
        assert not any(state.holds for state in fold.book.balances.values())
        assert not any(state.holds or state.held for state in fold.budgets.budgets.values())
        assert passed_over(lines, "retry_budget") >= 5, "the budget of retries was reached"
        assert passed_over(lines, "probing") >= 10, "many came while one probed"
        # It was a storm: much failed, much was retried, fell back, cooled and recovered, and most was answered.
        held = Counter(line.entry.role for line in lines if isinstance(line.entry, Held))
        kinds = Counter(type(line.entry) for line in lines)
        assert min(held["retry"], held["fallback"], kinds[Cooled], kinds[Recovered]) >= 10
        assert sum(call.reply.status == 200 for call in calls) >= CALLS // 2


def grouped(lines: list[Line]) -> dict[str, list[Line]]:
    """Return the lines of each call."""
    by_call: dict[str, list[Line]] = {}
    for line in lines:
        if isinstance(line.entry, Routed | Held | Settled | Voided | Refused):
            by_call.setdefault(line.entry.id, []).append(line)
    return by_call


def attempts_sent(lines: list[Line]) -> dict[str, int]:
    """Return how many attempts went out to each upstream by the ledger."""
    ends = [line.entry for line in lines if isinstance(line.entry, Settled | Voided)]
    return dict(Counter(end.upstream for end in ends if end.outcome != "not_sent"))


def passed_over(lines: list[Line], reason: str) -> int:
    """Return how often a candidate was passed over for a reason."""
    decisions = [line.entry for line in lines if isinstance(line.entry, Held | Refused)]
    return sum(passed.reason == reason for decision in decisions for passed in decision.passed_over)


def hold_to_the_bounds(told: list[Line]) -> None:
    """Four attempts a call, two a candidate, one closing entry; no class is crossed into without permission.

    An attempt that ended in a named wait, after which its candidate was asked again, is none of the four.
    """
    held = [line.entry for line in told if isinstance(line.entry, Held)]
    (routed,) = [line.entry for line in told if isinstance(line.entry, Routed)]
    closing = [line for line in told if getattr(line.entry, "final", False)]
    assert (1, told[-1]) == (len(closing), closing[0])
    counted = attempts_counted(told)
    tried = Counter(counted)
    assert len(counted) <= 4
    assert max(tried.values(), default=0) <= 2
    assert list(range(1, len(held) + 1)) == [one.n for one in held]
    classes = {"relay": "ordinary", "cousin": "ordinary", "twin": "ordinary", "official": "direct", "last": "direct"}
    meant = classes[routed.intended.partition("/")[0]]
    for one in held:
        if routed.pinned:
            assert routed.pinned == one.route
        elif routed.boundary == "class":
            assert one.route_class == meant or (routed.model_asked, one.crossed) == ("crossing", "direct")


def attempts_counted(told: list[Line]) -> list[str]:
    """Return the candidates of a call's attempts that count."""
    asked = [
        candidate_name(line.entry.route, line.entry.upstream_model) for line in told if isinstance(line.entry, Held)
    ]
    put_off = {
        line.entry.n
        for line in told
        if isinstance(line.entry, Settled | Voided) and named_wait_ms(line.entry, times=0) is not None
    }
    return [one for n, one in enumerate(asked, 1) if n not in put_off or one not in asked[n:]]


def hold_to_the_retry_budget(lines: list[Line]) -> None:
    """At every retry, those of the minute before are fewer than a fifth of its calls, or than three."""
    firsts = [line.ts[:19] for line in lines if isinstance(line.entry, Held) and line.entry.n == 1]
    retries: list[str] = []
    for line in lines:
        entry = line.entry
        if not isinstance(entry, Held) or entry.role != "retry":
            continue
        if entry.waited_ms or (entry.cause is not None and entry.cause.error in {"stream_options", "rate_limited"}):
            continue
        since = later(line.ts, -60_000)[:19]
        calls = sum(since < second <= line.ts[:19] for second in firsts)
        assert sum(second > since for second in retries) < max(3, calls // 5), line
        retries.append(line.ts[:19])


def hold_to_the_cooldowns(lines: list[Line]) -> None:
    """Nothing is held on what cools before its moment, and after it by one probe at a time until it is well.

    What headers announced (level 0) ends at its moment without a probe.
    """
    cooling: dict[tuple[str, str], Cooled] = {}
    probes: dict[tuple[str, str], str] = {}
    for line in lines:
        entry = line.entry
        match entry:
            case Cooled():
                key = (entry.scope, entry.name)
                assert key not in cooling or entry.until > cooling[key].until, "deadlines only extend"
                if entry.error == "limit_reached" or (key in cooling and not cooling[key].level):
                    probes.pop(key, None)
                cooling[key] = entry
            case Recovered():
                cooling.pop((entry.scope, entry.name), None)
                probes.pop((entry.scope, entry.name), None)
            case Held():
                for key in touched(entry) & set(cooling):
                    assert cooling[key].until <= line.ts, line
                    assert not cooling[key].level or key not in probes, line
                    probes.setdefault(key, attempt_name(entry.id, entry.n))
            case Settled() | Voided():
                ended = attempt_name(entry.id, entry.n)
                probes = {key: probe for key, probe in probes.items() if probe != ended}
            case _:
                pass


def touched(held: Held) -> set[tuple[str, str]]:
    """Return what an attempt touches that may cool, by scope and name."""
    candidate = candidate_name(held.route, held.upstream_model)
    return {("candidate", candidate), ("upstream", held.upstream), ("balance", held.balance)}


def explained(call: Call, told: list[Line]) -> None:
    """Hold a reply to its story: the status that the client got, who answered, and what it says it cost."""
    story = tell(told)
    assert call.reply.status == story.client_status
    assert call.reply.headers["x-tf-attempts"] == str(len(story.attempts))
    assert call.pinned == story.pinned
    if story.refusal:
        assert call.reply.error == (story.refusal.client_status, story.refusal.error)
        assert story.refusal.passed_over
    else:
        last = story.attempts[-1]
        assert (last.route, last.balance) == (call.reply.headers["x-tf-route"], call.reply.headers["x-tf-balance"])
        assert ("answered" == story.ended) == (last.outcome == "ok")
    if (charge := call.reply.headers.get("x-tf-charge")) is not None:
        bill = story.attempts[-1].bill
        assert bill is not None
        assert charge == f"{bill.charge} {bill.unit}"
        assert Decimal(bill.charge) == sum((Decimal(line.amount) for line in bill.lines), Decimal(0))
    if story.ended == "answered":
        assert completion() == call.reply.body or call.reply.body.endswith(DONE)
