"""Any interleaving of calls, results, top-ups, time and configs keeps the books right.

A machine drives the bench: many calls are open at once, each attempt may end in any way of the failure table, money
comes and goes. After every step the invariants of DESIGN 2 and 6 must hold.
"""

from decimal import Decimal

import hypothesis.strategies as st
from builders import LOCAL, OFFICIAL, PLAN, RELAY, Bench, agreed, config, finished, listed
from hypothesis import settings
from hypothesis.stateful import Bundle, MultipleResults, RuleBasedStateMachine, consumes, invariant, multiple, rule

from tokens_forge.core import fold
from tokens_forge.core.adjustment import Unadjusted
from tokens_forge.core.book import available, remaining
from tokens_forge.core.config import Key, Settle
from tokens_forge.core.entries import Adjusted, Held, Refused, Routed, Settled, Voided
from tokens_forge.core.fallback import TABLE
from tokens_forge.core.money import text
from tokens_forge.core.recovery import RecoverOrder, ended_by_hand

ORDERS = st.permutations([RELAY, OFFICIAL, PLAN, LOCAL])
BOUNDARIES = st.sampled_from(["none", "balance", "class", "any"])
WORDS = st.sampled_from(sorted(TABLE))
COUNTS = st.integers(0, 3000)
BALANCES = config().balance
AMOUNTS = st.decimals("0.000001", "0.3", places=6)


class Books(RuleBasedStateMachine):
    """The bench under an adversary."""

    undecided = Bundle("undecided")
    under_way = Bundle("under_way")

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench()

    @rule(target=undecided, narrow=st.booleans(), estimate=COUNTS, bound=st.integers(1, 3000), known=st.booleans())
    def routes(self, *, narrow: bool, estimate: int, bound: int, known: bool) -> str:
        """Accept a call."""
        key = "k" if narrow else "other"
        model = "smart" if known else "nothing"
        return self.bench.route(model, key=key, input_estimate=estimate, output_bound=bound)

    @rule(target=under_way, call=consumes(undecided), jitter_ms=st.integers(0, 250))
    def decides(self, call: str, jitter_ms: int) -> "Held | MultipleResults[Held]":
        """Take a call's next step: an attempt, never held beyond what is there, or its refusal."""
        book, at = self.bench.fold.book, self.bench.at
        before = {name: available(it, book.state(name, it.unit or "free"), at) for name, it in BALANCES.items()}
        entry = self.bench.step(call, jitter_ms=jitter_ms)
        if not isinstance(entry, Held):
            return multiple()
        may_hold = before[entry.balance]
        assert may_hold is None or Decimal(entry.hold) <= may_hold, "no hold beyond what is available"
        return entry

    @rule(
        target=undecided,
        held=consumes(under_way),
        word=WORDS,
        wait_s=st.sampled_from(["", "1", "30"]),
        tokens=st.tuples(COUNTS, COUNTS, COUNTS),
        said=st.booleans(),
    )
    def ends(
        self, *, held: Held, word: str, wait_s: str, tokens: tuple[int, int, int], said: bool
    ) -> "str | MultipleResults[str]":
        """End an attempt in one of the ways of the failure table; its call is closed, or to be decided again."""
        fresh, cached, output = tokens
        usage = {"input": fresh, "cache_read": cached, "output": output} if said else None
        entry = self.bench.end(held, finished(word, wait_s=wait_s, usage=usage))
        if isinstance(entry, Settled):
            self._is_true(entry)
        return multiple() if entry.final else held.id

    @rule(wallet=AMOUNTS, credit=AMOUNTS)
    def tops_up(self, wallet: Decimal, credit: Decimal) -> None:
        """Top both wallets up."""
        self.bench.topup(wallet=f"{wallet} CNY", credit=f"{credit} USD")

    @rule(name=st.sampled_from(["wallet CNY", "credit USD"]), amount=AMOUNTS)
    def is_set(self, name: str, amount: Decimal) -> None:
        """Enter another figure of a provider's page."""
        balance, unit = name.split()
        assert self.bench.order(balance, "set", f"{amount} {unit}") == ""

    @rule(name=st.sampled_from([RELAY, "relay", "openai", "wallet"]))
    def is_recovered_by_hand(self, name: str) -> None:
        """End by hand whatever cools under a name."""
        bench = self.bench
        entries = ended_by_hand(RecoverOrder(name=name), bench.terms.config, bench.fold.health, bench.at)
        for entry in () if isinstance(entries, Unadjusted) else entries:
            bench.append(entry)

    @rule(seconds=st.sampled_from([0, 1, 11, 301, 3601, 18_001, 604_801]))
    def time_passes(self, seconds: int) -> None:
        """Let cooldowns end and windows close."""
        self.bench.later(seconds=seconds)

    @rule(order=ORDERS, boundary=BOUNDARIES, zero=st.booleans(), few=st.booleans())
    def is_configured(self, *, order: list[str], boundary: str, zero: bool, few: bool) -> None:
        """Edit the config; open calls keep the terms they began with."""
        key = {"k": Key(classes=("ordinary", "local"))} if few else {}
        settle = Settle(unpriced="zero" if zero else "refuse")
        self.bench.configure(agreed(listed(*order, fallback=boundary, key=key, settle=settle)))

    @rule()
    def is_read_back(self) -> None:
        """Go on from the fold's own bytes, as a start does."""
        self.bench.fold = fold.decode(self.bench.fold.encode())

    def _is_true(self, entry: Settled) -> None:
        """CASES 5: lines sum to the charge; the balance after it is what the books then show."""
        if entry.lines:
            assert Decimal(entry.charge) == sum((Decimal(line.amount) for line in entry.lines), Decimal(0))
        state = self.bench.fold.book.state(entry.balance, entry.unit)
        after = remaining(BALANCES[entry.balance], state, self.bench.at)
        assert ("" if after is None else text(after)) == entry.balance_after

    @invariant()
    def holds_and_charges_are_what_is_enforced(self) -> None:
        """CASES 30: every figure is recomputed from the entries, from nothing."""
        posted: dict[str, Decimal] = {}
        holds: dict[str, Decimal] = {}
        for entry in self.bench.entries:
            match entry:
                case Adjusted():
                    posted[entry.balance] = posted.get(entry.balance, Decimal(0)) + Decimal(entry.amount)
                case Held():
                    holds[f"{entry.balance} {entry.id}/{entry.n}"] = Decimal(entry.hold)
                case Settled():
                    posted[entry.balance] = posted.get(entry.balance, Decimal(0)) - Decimal(entry.charge)
                    del holds[f"{entry.balance} {entry.id}/{entry.n}"]
                case Voided():
                    del holds[f"{entry.balance} {entry.id}/{entry.n}"]
                case _:
                    pass
        for name, state in self.bench.fold.book.balances.items():
            held = {key.partition(" ")[2]: amount for key, amount in holds.items() if key.startswith(f"{name} ")}
            assert (posted.get(name, Decimal(0)), held) == (state.posted, state.holds)
            assert sum(held.values(), Decimal(0)) == state.held

    def teardown(self) -> None:
        """At the end of a run: what the lines add up to is what was live, and every decision agrees."""
        bench = self.bench
        assert bench.fold == bench.replayed() == fold.decode(bench.fold.encode())
        assert [] == bench.disagreeing()
        closed = [it.id for it in bench.entries if isinstance(it, Settled | Voided | Refused) and it.final]
        routed = [it.id for it in bench.entries if isinstance(it, Routed)]
        assert len(closed) == len(set(closed)), "a call is closed once"
        assert set(routed) - set(closed) == set(bench.fold.calls), "what is not closed is open"


Books.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestBooks = Books.TestCase
