"""Any mixture of tiers, iterations, gaps in a card and odd replies is billed right, or says that it is not sure.

A machine sends calls to one wallet with a day's budget. What each must cost is reckoned by fractions from the rates
alone, by a model that knows neither cards nor lines.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction

import hypothesis.strategies as st
from builders import OFFICIAL, Bench, agreed, card, finished, listed
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec.structs import replace

from tokens_forge.core.config import Budget, Key, Settle
from tokens_forge.core.entries import Refused, Settled
from tokens_forge.core.prices import Cards, Service
from tokens_forge.core.usage import INPUT_CLASSES, OUTPUT_CLASSES, Iteration

RATES = {
    "m": {"input": "3", "cache_read": "0.3", "cache_write_5m": "3.75", "output": "15", "searches": "0.01"},
    "opus": {"input": "5", "output": "25"},
}
FAST = {"input": "6", "output": "30"}
DEARER = ("cache_write_1h", "audio_in", "audio_out")
"""Classes that are priced at their base class's rate here, and said to be guessed."""

BASE = {
    "cache_read": "input",
    "cache_write_5m": "input",
    "cache_write_1h": "cache_write_5m",
    "image_in": "input",
    "audio_in": "input",
    "audio_out": "output",
}
CLASSES = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "image_in", "audio_in", "output", "audio_out")
COUNT = st.integers(0, 3_000_000)
USAGE = st.dictionaries(st.sampled_from((*CLASSES, "searches")), COUNT)
TIERS = st.sampled_from(["", "default", "fast", "priority"])
BESIDE = st.lists(
    st.builds(
        Iteration,
        kind=st.sampled_from(["compaction", "advisor_message"]),
        model=st.sampled_from(["", "opus", "nobody"]),
        usage=USAGE,
    ),
    max_size=3,
).map(tuple)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What something costs by the rates alone, and whether that is all of it and sure."""

    amount: Fraction
    is_whole: bool = True
    is_sure: bool = True


def due(usage: dict[str, int], model: str, tier: str) -> Due:
    """Return what a usage costs by the rates of a model in a tier of service."""
    if model not in RATES:
        return Due(amount=Fraction(0), is_whole=False)
    known = tier in {"", "default"} or (tier, model) == ("fast", "m")
    rates = {**RATES[model], **(FAST if (tier, model) == ("fast", "m") else {})}
    amount, whole, sure = Fraction(0), True, known
    for name, count in usage.items():
        priced = name
        while priced not in rates and priced in BASE:
            priced = BASE[priced]
        if count and priced not in rates:
            whole = False
        elif count:
            amount += Fraction(rates[priced]) * count / (1 if name == "searches" else 10**6)
            sure = sure and (name == priced or name not in DEARER)
    return Due(amount=amount, is_whole=whole, is_sure=sure)


def filled(usage: dict[str, int], spoken: int) -> dict[str, int]:
    """Return a usage with the 100 tokens that were sent and those `spoken` where it tells nothing but zeros of them."""
    said = any(usage.get(name) for name in OUTPUT_CLASSES)
    heard = any(usage.get(name) for name in INPUT_CLASSES)
    silent = {} if heard or not (said or spoken) else {"input": 100}
    return {**usage, **silent, **({} if said or not spoken else {"output": spoken})}


class Bills(RuleBasedStateMachine):
    """One wallet under replies of every kind."""

    def __init__(self) -> None:
        super().__init__()
        fast = Service(rates={name: Decimal(rate) for name, rate in {**RATES["m"], **FAST}.items()})
        made = {
            "official/m": (card("official/m", RATES["m"], service={"fast": fast}, valid_from=date(2026, 1, 1)),),
            "official/opus": (card("official/opus", RATES["opus"]),),
        }
        key = Key(budget=Budget(limit="900 USD", per="day"))
        conf = replace(listed(OFFICIAL), key={"k": key}, settle=Settle())
        self.bench = Bench(terms=agreed(conf, Cards(charge=made, list=made)), now=datetime(2026, 11, 24, tzinfo=UTC))
        self.bench.topup(credit="1000 USD")
        self.spent = Fraction(0)

    @rule(usage=USAGE, tier=TIERS, beside=BESIDE, spoken=st.integers(0, 50), model=st.sampled_from(["", "opus", "no"]))
    def is_answered(
        self, usage: dict[str, int], tier: str, beside: tuple[Iteration, ...], spoken: int, model: str
    ) -> None:
        """Make a call, and have it answered by that usage in that tier."""
        entry = self.bench.step(self.bench.route(input_estimate=100, output_bound=100))
        if isinstance(entry, Refused):
            assert "nothing_can_pay" == entry.reason
            return
        told = finished(usage=usage, tier_served=tier, iterations=beside, output_estimate=spoken, answered_by=model)
        settled = self.bench.end(entry, told)
        assert isinstance(settled, Settled)
        used = dict(usage) if beside else filled(usage, spoken)
        zeros = used != usage
        stepped_in = {"": "m", "opus": "opus", "no": "m"}[model]
        own = due(used, stepped_in, tier)
        others = [due(dict(one.usage), one.model or "m", tier) for one in beside]
        exact = sum((one.amount for one in others), own.amount)
        self.spent += Fraction(settled.charge)
        assert abs(Fraction(settled.charge) - exact) <= Fraction(1, 2 * 10**12)
        assert Fraction(settled.charge) == sum((Fraction(line.amount) for line in settled.lines), Fraction(0))
        whole = all(one.is_whole for one in (own, *others))
        sure = all(one.is_sure for one in (own, *others) if one.is_whole or one.amount) and not zeros and model != "no"
        if not whole:
            assert "unpriced" == settled.certainty
        elif not sure:
            assert "estimated" == settled.certainty
        assert (settled.certainty == "computed") <= (whole and not zeros and model != "no")
        assert not settled.saving or whole

    @invariant()
    def the_wallet_and_the_budget_say_what_was_charged(self) -> None:
        """CASES 8, 30: whatever was guessed moved the money and the budget."""
        state = self.bench.fold.book.state("credit", "USD")
        assert 1000 - self.spent == Fraction(state.posted)
        counted = self.bench.fold.budgets
        assert self.bench.fold == self.bench.replayed()
        assert counted == self.bench.replayed().budgets


TestBills = Bills.TestCase
TestBills.settings = settings(max_examples=60, stateful_step_count=12, deadline=None)
