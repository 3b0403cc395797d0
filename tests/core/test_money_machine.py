"""Any interleaving of calls, money, time and configs keeps lots, accounts, windows and budgets right.

A machine drives the bench over changes of the clocks, month ends and renewed configs. After every step each figure that
is enforced is recomputed from the entries by a model that knows no fold: plain sums over all that ever happened.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
from builders import OFFICIAL, PLAN, RELAY, Bench, card, cards, config, finished, listed
from hypothesis import settings
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)
from msgspec.structs import replace

from tokens_forge.core import fold
from tokens_forge.core.book import BalanceState, allowances, available, left, unit_of
from tokens_forge.core.budgets import shown
from tokens_forge.core.config import (
    Balance,
    Budget,
    Cap,
    Capabilities,
    Config,
    Key,
    Per,
    Rate,
    Report,
    Settle,
    Task,
    Window,
)
from tokens_forge.core.due import due, next_due
from tokens_forge.core.entries import Adjusted, Beside, Held, Limit, Line, Settled, Voided, WindowHeld
from tokens_forge.core.moments import moment, read_duration_ms
from tokens_forge.core.money import read_amount
from tokens_forge.core.settlement import Terms
from tokens_forge.core.windows import STEPS, Calendar, period

STARTS = st.sampled_from(
    [
        datetime(2026, 3, 28, 21, 50, tzinfo=UTC),  # the night in which Berlin's clocks go forward
        datetime(2026, 10, 24, 20, 10, tzinfo=UTC),  # and back
        datetime(2026, 11, 1, 3, 0, tzinfo=UTC),  # and New York's
        datetime(2026, 12, 31, 22, 30, tzinfo=UTC),
        datetime(2028, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC),
    ]
)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]).map(ZoneInfo)
JUMPS = st.sampled_from(
    [
        timedelta(microseconds=1),
        timedelta(seconds=61),
        timedelta(minutes=31),
        timedelta(hours=1),
        timedelta(hours=5),
        timedelta(days=1),
        timedelta(days=6, hours=23),
        timedelta(days=31),
        timedelta(days=95),
    ]
)
FX = Decimal(10)
"""CNY for one USD."""

WINDOWS: tuple[tuple[Window, ...], ...] = (
    (Window(allow=Decimal(3), per="5h"), Window(allow=Decimal(6), per="week")),
    (Window(allow=Decimal(4), per="5h", kind="rolling"), Window(allow=Decimal(5), per="day", anchor="02:30")),
    (Window(allow=Decimal(2), per="hour", anchor=":15"), Window(allow=Decimal(7), per="month", anchor="31")),
)
ACCOUNTS: tuple[tuple[str, Per, str], ...] = (
    ("0.02 USD", "month", ""),
    ("0.03 USD", "month", "30 09:00"),
    ("0.015 USD", "week", "sun 02:30"),
)
LIMITS = ("0.01 USD", "0.03 USD", "5 USD")
ORDERS = st.permutations([RELAY, OFFICIAL, PLAN])
WORDS = st.sampled_from(["", "", "", "", "first_byte_timeout", "client_left", "connect", "server_error", "bad_request"])
AMOUNTS = st.integers(1, 200_000).map(lambda micro: str(Decimal(micro).scaleb(-6)))
COUNTS = st.integers(0, 3000)
VARIANTS = st.integers(0, 2)
KEYS = st.sampled_from(["k", "k", "other"])
TASKS = st.sampled_from(["", "t"])
TOKENS = st.none() | st.tuples(COUNTS, COUNTS, COUNTS)
LEFT = st.none() | st.integers(0, 6)


def conf(order: tuple[str, ...], windows: int, account: int, limit: int) -> Config:
    """Return a config with a wallet, an account, a pool, and a budget of each kind."""
    bound = LIMITS[limit]
    owed, per, anchor = ACCOUNTS[account]
    tables = config()
    return listed(
        *order,
        balance={
            "wallet": Balance(kind="prepaid", unit="CNY", budget=Budget(limit=bound, per="day")),
            "account": Balance(kind="postpaid", unit="USD", limit=owed, per=per, anchor=anchor),
            "plan": Balance(kind="pool", unit="requests", windows=WINDOWS[windows]),
        },
        route={
            "relay": replace(tables.route["relay"], budget=Budget(limit=bound, per="hour")),
            "official": replace(tables.route["official"], balance="account"),
            "plan": tables.route["plan"],
        },
        key={"k": Key(budget=(Budget(limit=bound, per="day"), Budget(limit="0.05 USD", per="month")))},
        task={"t": Task(cap=Cap(limit="0.05 USD"), budget=Budget(limit=bound, per="week"))},
        report=Report(fx={"CNY": (Rate(valid_from=date(2026, 1, 1), rate=FX),)}),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """An amount of money, whose it was and when."""

    ts: str
    usd: Decimal
    owners: tuple[str, ...]
    """`key.NAME`, `task.NAME`, `route.NAME`, `balance.NAME`."""


def usd(amount: str, unit: str) -> Decimal:
    """Return an amount in the budgets' unit; an allowance is no money."""
    return {"USD": Decimal(amount), "CNY": Decimal(amount) / FX, "requests": Decimal(0)}[unit]


def spends(lines: list[Line]) -> Iterator[Spent]:
    """Yield all that was ever spent by calls, and what corrects them."""
    for line in lines:
        match line.entry:
            case Settled(charge=amount, unit=unit, key=key, task=task, route=route, balance=balance):
                cost = usd(amount, unit)
            case Adjusted(corrects=call, amount=amount, unit=unit, key=key, task=task, route=route) if call:
                cost, balance = -usd(amount, unit), line.entry.balance
            case _:
                continue
        yield Spent(ts=line.ts, usd=cost, owners=owners(key, task, route, balance))


def owners(key: str, task: str, route: str, balance: str) -> tuple[str, ...]:
    """Return what may have a budget for it, as budgets are named."""
    return f"key.{key}", f"task.{task}", f"route.{route}", f"balance.{balance}"


def live(lines: list[Line]) -> dict[str, Held]:
    """Return the holds that have not ended, by attempt. Each ends once: a second end is a KeyError."""
    holds: dict[str, Held] = {}
    for line in lines:
        match line.entry:
            case Held(id=call, n=n) as held:
                assert f"{call}/{n}" not in holds
                holds[f"{call}/{n}"] = held
            case Settled(id=call, n=n) | Voided(id=call, n=n):
                del holds[f"{call}/{n}"]
            case _:
                pass
    return holds


def moved(lines: list[Line], balance: str) -> Iterator[tuple[str, Decimal, tuple[WindowHeld, ...]]]:
    """Yield what a balance gave: when, how much (negative where it got), and the windows that the entry says."""
    for line in lines:
        match line.entry:
            case Settled(balance=name, charge=charge, windows=windows) if name == balance:
                yield line.ts, Decimal(charge), windows
            case Adjusted(balance=name, amount=amount, windows=windows) if name == balance:
                yield line.ts, -Decimal(amount), windows
            case _:
                pass


def day_of(entry: Settled | Adjusted) -> str:
    """Return the last day of money that came in."""
    return (entry.expires if isinstance(entry, Adjusted) else "") or "9999"


def purse(lines: list[Line], at: str) -> tuple[Decimal, Decimal]:
    """Return the wallet's money that can be spent at `at`, and its debt, lot by lot by the days alone.

    What ends needs no entry here, so an entry that is late, early or for another amount shows.
    """
    lots: list[tuple[str, Decimal]] = []
    debt = Decimal(0)
    for line in lines:
        entry = line.entry
        if isinstance(entry, Settled) and entry.balance == "wallet":
            rest = Decimal(entry.charge)
        elif isinstance(entry, Adjusted) and entry.balance == "wallet" and entry.reason != "expiry":
            rest = -Decimal(entry.amount)
        else:
            continue
        if rest < 0:
            paid = min(debt, -rest)
            debt -= paid
            lots.append((day_of(entry), -rest - paid))
            continue
        for number, (day, left_of_it) in sorted(enumerate(lots), key=lambda lot: lot[1][0]):
            if day >= line.ts[:10]:
                taken = min(left_of_it, rest)
                lots[number] = (day, left_of_it - taken)
                rest -= taken
        debt += rest
    return sum((rest for day, rest in lots if day >= at[:10]), Decimal(0)), debt


class Money(RuleBasedStateMachine):
    """The bench under an adversary with money."""

    undecided = Bundle("undecided")
    under_way = Bundle("under_way")
    bench: Bench
    calendar: Calendar

    @initialize(start=STARTS, zone=ZONES, week=st.sampled_from(["monday", "sunday"]), order=ORDERS, windows=VARIANTS)
    def begins(
        self, *, start: datetime, zone: ZoneInfo, week: Literal["monday", "sunday"], order: list[str], windows: int
    ) -> None:
        """Begin somewhere, near a change of the clocks."""
        self.calendar = Calendar(zone=zone, week_start=week)
        self.bench = Bench(terms=self._terms(tuple(order), windows, 0, 1), now=start)
        self.bench.topup(wallet="0.2 CNY")

    def _terms(self, order: tuple[str, ...], windows: int, account: int, limit: int) -> Terms:
        return Terms(config=conf(order, windows, account, limit), cards=cards(), calendar=self.calendar)

    @rule(target=under_way, key=KEYS, task=TASKS, estimate=COUNTS, bound=st.integers(1, 2000))
    def asks(self, key: str, task: str, estimate: int, bound: int) -> "Held | MultipleResults[Held]":
        """Accept a call, and make its first attempt or refuse it."""
        call = self.bench.route(key=key, task=task, input_estimate=estimate, output_bound=bound)
        return self._decided(call)

    @rule(target=under_way, call=consumes(undecided))
    def goes_on(self, call: str) -> "Held | MultipleResults[Held]":
        """Take a call's next step after an attempt that failed."""
        return self._decided(call)

    @rule(target=undecided, held=consumes(under_way), word=WORDS, tokens=TOKENS, left=LEFT)
    def ends(
        self, held: Held, word: str, tokens: tuple[int, int, int] | None, left: int | None
    ) -> "str | MultipleResults[str]":
        """End an attempt, within its hold or over it; a header may tell of use outside."""
        final = self._ended(held, word, tokens, left)
        return multiple() if final else held.id

    @rule(key=KEYS, task=TASKS, estimate=COUNTS, tokens=TOKENS, left=LEFT)
    def calls(self, key: str, task: str, estimate: int, tokens: tuple[int, int, int] | None, left: int | None) -> None:
        """Make a call from its beginning to its end."""
        held = self.asks(key, task, estimate, 1000)
        if isinstance(held, Held):
            self._ended(held, "", tokens, left)

    @rule(amount=AMOUNTS, days=st.sampled_from([None, 0, 1, 30]))
    def tops_up(self, amount: str, days: int | None) -> None:
        """Put money into the wallet, with an end or without."""
        day = "" if days is None else f"{self.bench.now + timedelta(days=days):%Y-%m-%d}"
        assert "" == self.bench.order("wallet", "topup", f"{amount} CNY", expires=day, yes=True)

    @rule(
        balance=st.sampled_from(["wallet CNY", "account USD"]), amount=AMOUNTS, kind=st.sampled_from(["refund", "set"])
    )
    def is_told(self, balance: str, amount: str, kind: str) -> None:
        """Enter a provider's figure, or money that it paid back."""
        name, unit = balance.split()
        assert "" == self.bench.order(name, kind, f"{amount} {unit}", yes=True)
        if (name, kind) == ("wallet", "set"):
            assert Decimal(amount) == self._state(name).posted

    @rule(amount=st.integers(0, 5))
    def is_told_of_the_pool(self, amount: int) -> None:
        """Enter what the provider's page shows of the pool: what it leaves, if its windows allow so much."""
        pool = self.bench.terms.config.balance["plan"]
        assert not isinstance(pool.windows, str), "it has windows of our own"
        told = self.bench.order("plan", "set", f"{amount} requests")
        assert (told != "") == (amount > min(window.allow for window in allowances(pool)))
        if told:
            return
        rests = left(pool, self._state("plan"), self.bench.at).values()
        assert amount >= min(rests), "never more than the page shows"

    @rule(amount=AMOUNTS, back=st.booleans())
    def is_corrected(self, amount: str, *, back: bool) -> None:
        """Correct the last call that cost money."""
        costs = [it for it in self.bench.entries if isinstance(it, Settled) and it.unit != "requests"]
        if costs:
            last = costs[-1]
            named = {"corrects": last.id, "key": last.key, "task": last.task, "route": last.route}
            sign = "" if back else "-"
            assert "" == self.bench.order(last.balance, "adjust", f"{sign}{amount} {last.unit}", yes=True, **named)

    @rule(jump=JUMPS)
    def time_passes(self, jump: timedelta) -> None:
        """From a microsecond to months: over midnights, changes of the clocks and month ends."""
        self.bench.now += jump

    @rule()
    def falls_due(self) -> None:
        """Enter what has fallen due; what is available does not move by it, and nothing is due twice."""
        bench = self.bench
        before = self._available("wallet", bench.terms.config)
        for entry in due(bench.terms.config, bench.fold.book, bench.at):
            bench.append(entry)
        assert before == self._available("wallet", bench.terms.config)
        assert () == due(bench.terms.config, bench.fold.book, bench.at)
        following = next_due(bench.terms.config, bench.fold.book, bench.at)
        assert following == "" or following > bench.at

    @rule(order=ORDERS, windows=VARIANTS, account=VARIANTS, limit=VARIANTS)
    def is_configured(self, order: list[str], windows: int, account: int, limit: int) -> None:
        """Edit windows, anchors, periods and limits; open windows and open calls stay as they were."""
        self.bench.configure(self._terms(tuple(order), windows, account, limit))

    @rule()
    def is_read_back(self) -> None:
        """Go on from the fold's own bytes, as a start does."""
        self.bench.fold = fold.decode(self.bench.fold.encode())

    @invariant()
    def lots_are_the_money(self) -> None:
        """Money posted is what came less what went, and the lots less a debt; money to spend leaves no debt."""
        for name in self.bench.terms.config.balance:
            state = self._state(name)
            assert state.posted == -sum((amount for _ts, amount, _windows in moved(self.bench.lines, name)), Decimal(0))
        wallet = self._state("wallet")
        lots = sum((lot.left for lot in wallet.lots), Decimal(0))
        usable, debt = purse(self.bench.lines, self.bench.at)
        assert lots - wallet.posted == debt
        may_hold = self._available("wallet", self.bench.terms.config)
        assert usable - debt - wallet.held == may_hold <= wallet.posted - wallet.held

    @invariant()
    def holds_are_those_that_have_not_ended(self) -> None:
        """CASES 30: a hold always ends, once."""
        for name in self.bench.terms.config.balance:
            holds = {
                attempt: Decimal(held.hold) for attempt, held in live(self.bench.lines).items() if held.balance == name
            }
            state = self._state(name)
            assert (holds, sum(holds.values(), Decimal(0))) == (state.holds, state.held)

    @invariant()
    def windows_count_what_was_used_in_them(self) -> None:
        """DESIGN 5: an amount belongs to the moment of its entry; a window is the one that was opened last."""
        at = self.bench.at
        for name in ("plan", "account"):
            balance = self.bench.terms.config.balance[name]
            rests = left(balance, self._state(name), at)
            for window in allowances(balance):
                used = window.allow - rests[window.name]
                if window.kind == "rolling":
                    length = timedelta(milliseconds=read_duration_ms(window.per))
                    longer = length + length / STEPS
                    amounts = [
                        (moment(at) - moment(ts), amount)
                        for ts, amount, windows in moved(self.bench.lines, name)
                        if window.name in {held.window for held in windows}
                    ]
                    sure = sum((amount for ago, amount in amounts if ago <= length), Decimal(0))
                    step = [amount for ago, amount in amounts if length < ago <= longer]
                    least = sum((amount for amount in step if amount < 0), sure)
                    assert least <= used <= sum((amount for amount in step if amount > 0), sure)
                else:
                    assert self._used(name, window.name) == used

    @invariant()
    def budgets_are_settled_and_held(self) -> None:
        """CASES 30, 37: what is enforced and shown is all that was settled in the period, and the live holds."""
        bench = self.bench
        naive = {
            name: (self._spent(name, at), self._held(name)) for name, _limit, at in self._limits(bench.terms.config)
        }
        budgets = shown(bench.terms.config, bench.fold.budgets, bench.at, self.calendar)
        assert naive == {it.name: (it.spent, it.held) for it in budgets}
        for it in budgets:
            assert it.limit - it.spent - it.held == it.left
            assert not it.until or it.until > bench.at

    def teardown(self) -> None:
        """At the end of a run: the lines alone give the fold, its bytes give it back, and every decision agrees."""
        if not hasattr(self, "bench"):
            return
        bench = self.bench
        assert bench.fold == bench.replayed() == fold.decode(bench.fold.encode())
        assert [] == bench.disagreeing()

    def _decided(self, call: str) -> "Held | MultipleResults[Held]":
        """Decide: an attempt that balance and budgets have room for, or a refusal (CASES 29)."""
        conf_of_call = self.bench.of_call[call].config
        routed = self.bench.open(call).routed
        before = {name: self._available(name, conf_of_call) for name in conf_of_call.balance}
        room = {
            name: limit - self._spent(name, at) - self._held(name) for name, limit, at in self._limits(conf_of_call)
        }
        entry = self.bench.step(call)
        if not isinstance(entry, Held):
            return multiple()
        assert Decimal(entry.hold) <= before[entry.balance], "no hold beyond what is available"
        owned = owners(routed.key, routed.task, entry.route, entry.balance)
        cost = usd(entry.hold, entry.unit)
        binding = {name for name in room if name.rpartition("/")[0] in owned}
        counted = {one.budget: Decimal(one.amount) for one in entry.counted}
        assert counted == dict.fromkeys(binding, cost), "each of its budgets counts it"
        assert all(cost <= room[name] for name in binding if cost), "no hold beyond a budget"
        return entry

    def _ended(self, held: Held, word: str, tokens: tuple[int, int, int] | None, left: int | None) -> bool:
        usage = None
        if tokens is not None:
            fresh, cached, output = tokens
            usage = {"input": fresh, "cache_read": cached, "output": output}
        limits = () if left is None else (Limit(window="requests", limit="6", remaining=str(left)),)
        entry = self.bench.end(held, finished(word, usage=usage, limits=limits))
        if isinstance(entry, Settled):
            over = max(Decimal(0), Decimal(entry.charge) - Decimal(entry.hold))
            assert over == Decimal(entry.overrun)
            assert all(window.start <= self.bench.at < window.end for window in entry.windows)
        return entry.final

    def _state(self, name: str) -> BalanceState:
        return self.bench.fold.book.state(name, unit_of(self.bench.terms.config.balance[name]))

    def _available(self, name: str, conf: Config) -> Decimal:
        found = available(conf.balance[name], self._state(name), self.bench.at)
        assert found is not None
        return found

    def _used(self, balance: str, window: str) -> Decimal:
        """Return what was used in a window that is open: the one whose opening came last."""
        opened: list[WindowHeld] = []
        for line in self.bench.lines:
            if isinstance(line.entry, Held | Settled | Adjusted) and line.entry.balance == balance:
                opened.extend(held for held in line.entry.windows if held.window == window)
        now = [held for held in opened if held.start <= self.bench.at < held.end]
        if not now:
            return Decimal(0)
        return sum(
            (
                amount
                for _ts, amount, windows in moved(self.bench.lines, balance)
                if any((it.window, it.start) == (window, now[-1].start) for it in windows)
            ),
            Decimal(0),
        )

    def _limits(self, conf: Config) -> Iterator[tuple[str, Decimal, tuple[str, str]]]:
        """Yield each budget's name, limit, and the period around now; a cap's is all time."""
        for scope, tables in (("key", conf.key), ("task", conf.task), ("route", conf.route), ("balance", conf.balance)):
            for name, table in tables.items():
                found = table.budget if isinstance(table.budget, tuple) else (table.budget,)
                if isinstance(table, Task) and table.cap is not None:
                    yield f"{scope}.{name}/cap", read_amount(table.cap.limit).value, ("", "9999")
                for it in found:
                    now = period(it.per, "", self.bench.at, self.calendar)
                    yield f"{scope}.{name}/{it.per}", read_amount(it.limit).value, now

    def _spent(self, budget: str, at: tuple[str, str]) -> Decimal:
        owner = budget.rpartition("/")[0]
        found = (it.usd for it in spends(self.bench.lines) if owner in it.owners and at[0] <= it.ts < at[1])
        return sum(found, Decimal(0))

    def _held(self, budget: str) -> Decimal:
        owner = budget.rpartition("/")[0]
        total = Decimal(0)
        for held in live(self.bench.lines).values():
            routed = self.bench.open(held.id).routed
            if owner in owners(routed.key, routed.task, held.route, held.balance):
                total += usd(held.hold, held.unit)
        return total


Money.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestMoney = Money.TestCase


class Covered(RuleBasedStateMachine):
    """Calls on kept conversations, with cache writes, advisors and capped models, that use what they asked for at most.

    Whatever was cached, read or written, no charge is above its hold, so no balance ever falls below zero.
    """

    under_way = Bundle("under_way")
    kept = Bundle("kept")
    bench: Bench
    sizes: dict[str, int]
    """Of each kept answer: the tokens that its upstream reads again."""
    outgoing: dict[str, tuple[int, int]]
    """Of each call under way: the most tokens of input and output that it can use."""

    @initialize(writes=st.booleans(), gives=st.sampled_from([0, 300]), holding=st.sampled_from(["bound", "expected"]))
    def begins(self, *, writes: bool, gives: int, holding: Literal["bound", "expected"]) -> None:
        """Begin with little money, at a card with or without rates of writes, on a model of which a cap is stated."""
        rates = {"input": "1", "cache_read": "0.1", "output": "5"}
        if writes:
            rates |= {"cache_write_5m": "1.25", "cache_write_30m": "1.5", "cache_write_1h": "2"}
        dear = card("official/dear", {"input": "7", "output": "30", "cache_write_5m": "9"})
        said = {"m": Capabilities(output=gives)} if gives else {}
        tables = config()
        responses = replace(tables.upstream["openai"], endpoints=("chat", "responses"))
        made = listed(
            OFFICIAL,
            route={"official": replace(tables.route["official"], capabilities=said)},
            upstream={"openai": responses},
            balance={"credit": tables.balance["credit"]},
            settle=Settle(hold=holding),
        )
        prices = cards(charge={OFFICIAL: (card(OFFICIAL, rates),), "official/dear": (dear,)})
        self.bench = Bench(terms=Terms(config=made, cards=prices))
        self.bench.topup(credit="0.1 USD")
        self.sizes, self.outgoing, self.gives = {}, {}, gives

    @rule(
        target=under_way,
        previous=st.none() | kept,
        estimate=st.integers(1, 3000),
        bound=st.integers(1, 1000),
        life=st.sampled_from(["", "5m", "1h", "12h"]),
        advised=st.booleans(),
    )
    def asks(
        self, previous: str | None, estimate: int, bound: int, life: str, *, advised: bool
    ) -> "Held | MultipleResults[Held]":
        """Ask anew or go on from what was kept."""
        asked: dict[str, Any] = {
            "dialect_in": "openai_responses",
            "stored": True,
            "input_estimate": estimate,
            "output_bound": bound,
            "output_asked": bound,
            "previous": previous or "",
            "previous_kind": "" if previous is None else "response",
            "caches": {"openai_responses": life} if life else {},
            "beside": (Beside(kind="advisor", model="dear", output=200, times=2),) if advised else (),
        }
        call = self.bench.route(**asked)
        entry = self.bench.step(call)
        if not isinstance(entry, Held):
            return multiple()
        size = 0 if previous is None else self.sizes[previous]
        assert size == entry.hold_basis.kept, "all that is kept is held for"
        self.outgoing[call] = (size + estimate, min(bound, self.gives or bound))
        return entry

    @rule(
        target=kept,
        held=consumes(under_way),
        read=st.integers(0, 100),
        written=st.integers(0, 100),
        said=st.integers(0, 100),
        life=st.sampled_from(["5m", "1h"]),
    )
    def ends(self, held: Held, read: int, written: int, said: int, life: str) -> str:
        """End a call with any part of its input read from a cache or written to it, as its marks allow."""
        tokens, most = self.outgoing.pop(held.id)
        cached = tokens * read // 100
        wrote = (tokens - cached) * written // 100
        marks = self.bench.open(held.id).routed.caches.get("openai_responses", "")
        written_as = f"cache_write_{life if marks in {'1h', '12h'} else '5m'}"
        used = {"input": tokens - cached - wrote, "cache_read": cached, written_as: wrote, "output": most * said // 100}
        answer = f"resp_{held.id}"
        entry = self.bench.end(held, finished(usage=used, upstream_id=answer))
        assert isinstance(entry, Settled)
        if held.hold_basis.kind == "bound":
            assert "0" == entry.overrun, "a charge for what was asked is within its hold"
        self.sizes[answer] = tokens + most * said // 100
        return answer

    @rule(amount=AMOUNTS)
    def tops_up(self, amount: str) -> None:
        """Put a little money in."""
        self.bench.topup(credit=f"{amount} USD")

    @invariant()
    def never_below_zero(self) -> None:
        """CASES 29, 66: what is posted covers every hold; `expected` holds may fall short by their own nature."""
        state = self.bench.fold.book.state("credit", "USD")
        if self.bench.terms.config.settle.hold == "bound":
            assert state.posted >= state.held >= 0

    def teardown(self) -> None:
        """At the end of a run: the lines alone give the fold, and every decision agrees."""
        if hasattr(self, "bench"):
            assert self.bench.fold == self.bench.replayed() == fold.decode(self.bench.fold.encode())
            assert [] == self.bench.disagreeing()


Covered.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestCovered = Covered.TestCase
