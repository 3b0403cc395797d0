"""Tasks on the wire: what a named piece of work may cost, and `tf task` while its calls are under way.

At the playbook's prices a call on the official route holds 0.222 USD and costs 0.096 USD, one for `gpt-5-mini` 0.012.
"""

import asyncio
from pathlib import Path

import pytest
from playbook import SECRETS, Setup, playing
from upstreams import completion, plain, refusal

from tokens_forge.core.entries import Settled
from tokens_forge.core.tasks import TaskOrder
from tokens_forge.files.ledger_writer import System
from tokens_forge.proxy.server import running

FX = """
[report]
fx = { CNY = [{ from = 2020-01-01, rate = "8" }] }
"""
JOB = {"x-tf-task": "job"}
MINI = "gpt-5-mini"
"""It costs a thousandth of a USD for a token: a call holds 0.021 USD and costs 0.012 USD."""


def capped(limit: str = "0.05 USD", more: str = "") -> Setup:
    """Return a task with a cap."""
    return Setup(more=f'{FX}[task.job]\ncap = {{ limit = "{limit}"{more} }}')


async def test_a_cap_refuses_what_does_not_fit(tmp_path: Path) -> None:
    """A task's calls are refused once what they may cost goes beyond its cap; calls of no task go on."""
    async with playing(tmp_path, capped()) as play:
        replies = [await play.ask(model=MINI, headers=JOB) for _ in range(4)]
        assert [200, 200, 200, 402] == [reply.status for reply in replies]
        assert ["0.038 USD", "0.026 USD", "0.014 USD"] == [reply.headers["x-tf-task-left"] for reply in replies[:3]]
        assert (402, "budget_exceeded") == replies[3].error
        assert "over budget task.job/cap: 0.014 USD left, 0.021 USD needed; 0.036 of 0.05 USD spent." in (
            replies[3].message
        )
        assert 200 == (reply := await play.ask(model=MINI)).status
        assert "x-tf-task-left" not in reply.headers


async def test_a_soft_limit_is_a_warning(tmp_path: Path) -> None:
    """From its share on every reply says so, plain or streamed; nothing is refused for it."""
    async with playing(tmp_path, capped("0.1 USD", ", soft = 0.2")) as play:
        replies = [await play.ask(model=MINI, headers=JOB, stream=n > 0) for n in range(3)]
        # Of a stream the head goes before its charge is known, so its hold is taken off.
        assert ["0.088 USD", "0.067 USD", "0.055 USD; soft limit reached"] == [
            reply.headers["x-tf-task-left"] for reply in replies
        ]


async def test_a_cap_holds_for_the_tasks_lifetime(tmp_path: Path) -> None:
    """It has no period: what was spent a year ago counts, and so it does after a restart."""
    async with playing(tmp_path, capped("0.03 USD")) as play:
        assert 200 == (await play.ask(model=MINI, headers=JOB)).status
        play.clock.on(days=366)
        refused = await play.ask(model=MINI, headers=JOB)
        assert (402, "budget_exceeded") == refused.error
        assert "begins anew" not in refused.message
    async with running(play.paths, SECRETS, port=0, system=System(clock=play.clock)) as again:
        (cap,) = again.proxy.books.fold.budgets.budgets["task.job/cap"].spans
        assert "0.012" == str(cap.used)


async def test_every_attempt_of_a_task_counts(tmp_path: Path) -> None:
    """CASES 22, 33: the relay's charge and the fallback's add up, each at its own rate."""
    async with playing(tmp_path, Setup(more=f'{FX}[task.job]\ncap = {{ limit = "1 USD" }}')) as play:
        await play.ask(headers=JOB)
        play.relay.answers(refusal(402))
        await play.ask(headers=JOB)
        counted = [line.entry.counted for line in play.lines() if isinstance(line.entry, Settled)]
        assert [("0.006", "8"), ("0.096", "1")] == [(one.amount, one.fx) for many in counted for one in many]
        state = (await play.control("GET", "/state")).json["budgets"]
        assert [("task.job/cap", "0.102", "0.898")] == [(row["name"], row["spent"], row["left"]) for row in state]


async def test_a_task_that_only_the_command_knows(tmp_path: Path) -> None:
    """`tf task start NAME --cap` binds a task that the config does not name, from the next call on."""
    async with playing(tmp_path, Setup(more=FX)) as play:
        assert "x-tf-task-left" not in (await play.ask(model=MINI, headers=JOB)).headers
        await play.task(TaskOrder(task="job", action="started", cap="0.03 USD", soft="0.5"))
        replies = [await play.ask(model=MINI, headers=JOB) for _ in range(2)]
        assert ["0.018 USD", None] == [reply.headers.get("x-tf-task-left") for reply in replies]
        assert (402, "budget_exceeded") == replies[1].error


async def test_what_was_spent_before_a_cap(tmp_path: Path) -> None:
    """A cap that comes later bounds what the task spends from then on; the ledger's entries stay as they are."""
    async with playing(tmp_path, Setup(more=FX)) as play:
        await play.ask(model=MINI, headers=JOB)
        await play.task(TaskOrder(task="job", action="started", cap="0.021 USD"))
        assert 200 == (await play.ask(model=MINI, headers=JOB)).status
        assert 402 == (await play.ask(model=MINI, headers=JOB)).status


async def test_a_stopped_task(tmp_path: Path) -> None:
    """CASES 38, 60: 403 that no SDK repeats, for every model, until `tf task start`; other tasks are not meant."""
    async with playing(tmp_path, capped("1 USD")) as play:
        await play.task(TaskOrder(task="job", action="stopped"))
        refused = await play.ask(headers=JOB)
        assert (403, "task_stopped") == refused.error
        assert {"x-should-retry": "false"} == refused.said("x-should-retry", "retry-after")
        assert (
            "Task `job` was stopped; `tf task start job` lets it spend again. "
            f"`tf explain {refused.headers['x-request-id']}` tells more."
        ) == refused.message
        assert [200, 200] == [
            (await play.ask(model=MINI, headers=headers)).status for headers in ({}, {"x-tf-task": "other"})
        ]
        await play.task(TaskOrder(task="job", action="started"))
        assert "0.988 USD" == (await play.ask(model=MINI, headers=JOB)).headers["x-tf-task-left"]


async def test_a_stop_lets_the_answer_come(tmp_path: Path) -> None:
    """What was asked before the stop is answered and counted; a call that would fall back is not asked again."""
    go = asyncio.Event()
    async with playing(tmp_path, capped("1 USD")) as play:
        play.official.answers((go, *plain(completion())))
        play.relay.answers((go, *refusal(404, "model_not_found")))
        answered = asyncio.create_task(play.ask(model=MINI, headers=JOB))
        falls_back = asyncio.create_task(play.ask(headers=JOB))
        await play.relay.reached(1)
        await play.official.reached(1)
        await play.task(TaskOrder(task="job", action="stopped"))
        go.set()
        assert 200 == (await answered).status
        assert (403, "task_stopped") == (await falls_back).error
        assert 1 == len(play.official.got)


@pytest.mark.parametrize(
    ("order", "why"),
    [
        (TaskOrder(task="job", action="raised"), 'say what `job` may cost: `tf task raise job "30 USD"`'),
        (TaskOrder(task="new", action="raised", cap="+1 USD"), "`new` has no cap to add to"),
        (
            TaskOrder(task="job", action="raised", cap="1 EUR"),
            "the cap of `job` is in USD: write it in USD, not in EUR",
        ),
        (TaskOrder(task="new", action="started", cap="1 EUR"), "no rate says how much of a EUR that is"),
        (TaskOrder(task="job", action="started", cap="5 requests"), "a budget is in money"),
        (TaskOrder(task="job", action="started", cap="1 USD", soft="2"), "2 is no share of the limit"),
        (TaskOrder(task="job", action="started", cap="1 USD", at_cap="sleep"), "`sleep` is none: write `refuse`"),
        (TaskOrder(task="a/b", action="stopped"), "`a/b` is no name of a task"),
    ],
)
async def test_an_order_that_is_refused(tmp_path: Path, order: TaskOrder, why: str) -> None:
    """409 says what to write instead, and nothing is entered."""
    async with playing(tmp_path, capped()) as play:
        refused = await play.control("POST", "/task", order)
        assert (409, True) == (refused.status, why in refused.json["error"]), refused.json
        assert [] == play.lines()


@pytest.mark.parametrize("body", [{"task": "job"}, {"task": "job", "action": "paused"}, [], "job"])
async def test_what_is_no_order(tmp_path: Path, body: object) -> None:
    """400 for what no command of ours sends."""
    async with playing(tmp_path) as play:
        assert 400 == (await play.control("POST", "/task", body)).status
        assert [] == play.lines()


async def test_a_task_has_budgets_beside_its_cap(tmp_path: Path) -> None:
    """The one that leaves less is the one that refuses, and tomorrow the day's is whole again."""
    day = '[task.job]\ncap = { limit = "1 USD" }\nbudget = { limit = "0.03 USD", per = "day" }'
    async with playing(tmp_path, Setup(more=FX + day)) as play:
        assert [200, 402] == [(await play.ask(model=MINI, headers=JOB)).status for _ in range(2)]
        play.clock.on(days=1)
        assert [200, 402] == [(refused := await play.ask(model=MINI, headers=JOB)).status for _ in range(2)]
        assert "over budget task.job/day: " in refused.message


async def test_a_raise_leaves_what_counts(tmp_path: Path) -> None:
    """CASES 51: a cap at list price counts a pool's calls after a raise as before it."""
    more = """
[task.job]
cap = { limit = "0.0001 USD", count = "list" }
[balance.plan]
kind = "pool"
unit = "requests"
windows = [{ allow = 9, per = "5h" }]
[route.plan]
class = "subscription"
upstream = "official"
balance = "plan"
serves = { "planned" = "gpt-5" }
"""
    async with playing(tmp_path, Setup(official='provider = "openai"', more=FX + more)) as play:
        assert 402 == (await play.ask(model="planned", headers=JOB)).status
        await play.task(TaskOrder(task="job", action="raised", cap="0.00015 USD"))
        assert [200, 402] == [(await play.ask(model="planned", headers=JOB)).status for _ in range(2)]
