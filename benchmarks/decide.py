"""How long one decision takes: ten candidates, nine of which can't pay, with budgets on the key and the task.

    python benchmarks/decide.py

Prints microseconds a `decide`, the median of several runs; reported, never gated.
"""

import statistics
import timeit
from datetime import date
from decimal import Decimal

from tokens_forge.core.budgets import BudgetState
from tokens_forge.core.config import Balance, Budget, Cap, Config, Key, Model, Route, Task, Upstream
from tokens_forge.core.entries import Adjusted, Line, Routed
from tokens_forge.core.fold import Fold
from tokens_forge.core.prices import Cards, RateCard
from tokens_forge.core.routing import Take, decide
from tokens_forge.core.settlement import Terms

CANDIDATES = 10
AT = "2026-11-24T10:00:00.000000Z"
RUNS, CALLS = 7, 2_000


def terms() -> Terms:
    """Return ten routes on ten wallets, each with a list price of its own."""
    names = [f"r{number}" for number in range(CANDIDATES)]
    config = Config(
        balance={name: Balance(kind="prepaid", unit="USD") for name in names},
        upstream={"u": Upstream(dialect="openai", base_url="http://127.0.0.1:1/v1", credential="none")},
        route={
            name: Route(route_class="direct", upstream="u", balance=name, serves=("m",), price="list") for name in names
        },
        model={"m": Model(routes=tuple(names), fallback="any")},
        key={"k": Key(budget=Budget(limit="5 USD", per="day"))},
        task={"t": Task(cap=Cap(limit="20 USD"))},
    )
    card = RateCard(
        id="u/m",
        source="benchmark",
        unit="USD",
        per="mtok",
        rates={"input": Decimal("1.25"), "cache_read": Decimal("0.125"), "output": Decimal(10)},
        valid_from=date(2026, 1, 1),
    )
    cards = {f"{name}/m": (card,) for name in names}
    return Terms(config=config, cards=Cards(charge=cards, list=cards))


def main() -> None:
    """Print what a decision costs."""
    by, fold = terms(), Fold()
    routed = Routed(
        id="tf_1",
        key="k",
        task="t",
        model_asked="m",
        dialect_in="openai_chat",
        stream=False,
        input_estimate=2_000,
        output_bound=4_096,
        candidates=tuple(by.cards.charge),
        intended="r0/m",
        boundary="any",
    )
    last = f"r{CANDIDATES - 1}"
    money = Adjusted(balance=last, amount="10", unit="USD", reason="topup")
    for seq, entry in enumerate((money, routed), start=1):
        fold.apply(Line(seq=seq, ts=AT, entry=entry))
    fold.budgets.budgets["key.k/day"] = BudgetState(unit="USD")
    call = fold.calls["tf_1"]
    decision = decide(by, fold, call, AT)
    assert isinstance(decision, Take), decision
    assert decision.candidate.route == last
    runs = [timeit.timeit(lambda: decide(by, fold, call, AT), number=CALLS) / CALLS for _run in range(RUNS)]
    print(f"decide over {CANDIDATES} candidates: {statistics.median(runs) * 1e6:.1f} us")  # noqa: T201 - its result


if __name__ == "__main__":
    main()
