"""The Unix socket on which `tf`'s own commands talk to a running proxy.

Whoever may open the socket (0600) is the user: there is no token here, and there is no write endpoint on TCP. It offers
the state, plans, adjustments of balances and their undoing, tasks, the end of cooldowns, and a reload of the config.
"""

import os
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from tokens_forge.core import plain
from tokens_forge.core.adjustment import Order, Unadjusted, adjusted
from tokens_forge.core.book import BalanceShown, balances
from tokens_forge.core.budgets import BudgetShown, shown
from tokens_forge.core.candidates import match
from tokens_forge.core.entries import AnyEntry, Record
from tokens_forge.core.errors import ConfigError, LedgerStuck, RequestError
from tokens_forge.core.estimates import Calibration
from tokens_forge.core.health import CooldownShown, RetryBudget
from tokens_forge.core.plan import PlanOrder, plan
from tokens_forge.core.recovery import RecoverOrder, ended_by_hand
from tokens_forge.core.route_health import RouteShown, candidates_shown, routes_shown
from tokens_forge.core.tasks import TaskOrder, tasked
from tokens_forge.core.undo import UndoOrder, taken_back
from tokens_forge.proxy.call import Proxy


class State(Record, frozen=True, kw_only=True):
    """What a running proxy is at."""

    pid: int
    at: str
    """The moment of all this."""
    url: str
    config: str
    """The config file."""
    seq: int
    open_calls: int
    balances: tuple[BalanceShown, ...]
    budgets: tuple[BudgetShown, ...]
    estimates: tuple[Calibration, ...]
    """What was estimated against what it was, by candidate."""
    routes: tuple[RouteShown, ...]
    cooldowns: tuple[CooldownShown, ...]
    """What is passed over, or was until now and waits for its probe."""
    retry_budget: RetryBudget


class Control:
    """What is answered on the socket."""

    def __init__(self, proxy: Proxy, *, url: str, config: str) -> None:
        """`url` is where clients reach the proxy, `config` its config file."""
        self._proxy = proxy
        self._url = url
        self._config = config
        self._answers: dict[str, Callable[[bytes], Awaitable[web.StreamResponse]]] = {
            "GET /state": self._state,
            "POST /adjust": self._adjust,
            "POST /undo": self._undo,
            "POST /task": self._task,
            "POST /plan": self._plan,
            "POST /recover": self._recover,
            "POST /reload": self._reload,
        }

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request of a command."""
        answer = self._answers.get(f"{request.method} {request.path}")
        if answer is None:
            return _json(404, {"error": f"no {request.method} {request.path} here"})
        try:
            return await answer(await request.read())
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return _json(400, {"error": str(error)})
        except RequestError as error:
            return _json(409, {"error": error.message})

    def state(self) -> State:
        """Return what the proxy is at."""
        books, terms = self._proxy.books, self._proxy.in_force.terms
        # Cards of a pattern's models are in force from their first call after a start or a reload on only.
        priced = self._proxy.in_force.terms_with(candidates_shown(terms.config, books.fold))
        at = books.moment()
        return State(
            pid=os.getpid(),
            at=at,
            url=self._url,
            config=self._config,
            seq=books.ledger.seq,
            open_calls=len(books.fold.calls),
            balances=balances(terms.config, books.fold.book, at),
            budgets=shown(terms.config, books.fold.budgets, at, terms.calendar),
            estimates=books.fold.estimates.rows(),
            routes=routes_shown(priced, books.fold, at),
            cooldowns=books.fold.health.shown(at),
            retry_budget=books.fold.health.retry_budget(at),
        )

    async def _state(self, _body: bytes) -> web.StreamResponse:
        return _json(200, self.state())

    async def _adjust(self, body: bytes) -> web.StreamResponse:
        books = self._proxy.books
        order = msgspec.json.decode(body, type=Order)
        at = books.moment()
        self._proxy.in_force.enter_due(books, at)
        return await self._carried_out(adjusted(order, self._proxy.in_force.terms, books.fold, at), at)

    async def _undo(self, body: bytes) -> web.StreamResponse:
        books = self._proxy.books
        order = msgspec.json.decode(body, type=UndoOrder)
        at = books.moment()
        self._proxy.in_force.enter_due(books, at)
        return await self._carried_out(taken_back(order, self._proxy.in_force.terms, books.fold, at), at)

    async def _task(self, body: bytes) -> web.StreamResponse:
        books = self._proxy.books
        order = msgspec.json.decode(body, type=TaskOrder)
        at = books.moment()
        entry = tasked(order, self._proxy.in_force.terms.config, books.fold, at)
        return await self._carried_out(entry if isinstance(entry, Unadjusted) else (entry,), at)

    async def _plan(self, body: bytes) -> web.StreamResponse:
        """Answer what a call would meet now; nothing is appended, held or put in force by it."""
        books, in_force = self._proxy.books, self._proxy.in_force
        order = msgspec.json.decode(body, type=PlanOrder)
        terms = in_force.terms_with(one.name for one in match(in_force.terms.config, order.model).candidates)
        return _json(200, plan(terms, books.fold, order, books.moment()))

    async def _recover(self, body: bytes) -> web.StreamResponse:
        books = self._proxy.books
        order = msgspec.json.decode(body, type=RecoverOrder)
        at = books.moment()
        entries = ended_by_hand(order, self._proxy.in_force.terms.config, books.fold.health, at)
        return await self._carried_out(entries, at)

    async def _carried_out(self, entries: tuple[AnyEntry, ...] | Unadjusted, at: str) -> web.StreamResponse:
        """Append what a command asked for, and answer once it is written; or say why it is refused."""
        if isinstance(entries, Unadjusted):
            return _json(409, {"error": entries.why})
        books = self._proxy.books
        seqs = [books.append(entry, at) for entry in entries]
        try:
            await books.written(max(seqs, default=0))
        except LedgerStuck as stuck:
            return _json(507, {"error": f"{stuck}; it is queued, and is written once the disk takes it"})
        return _json(200, {"entries": entries, "seqs": seqs})

    async def _reload(self, _body: bytes) -> web.StreamResponse:
        books = self._proxy.books
        try:
            return _json(200, {"changes": self._proxy.in_force.reload(books, books.moment())})
        except ConfigError as error:
            return _json(409, {"error": str(error)})
        except LedgerStuck as stuck:
            return _json(507, {"error": str(stuck)})


def _json(status: int, record: object) -> web.Response:
    return web.Response(status=status, body=plain.encode(record), content_type="application/json")
