"""How long it takes to price a usage: one `price`, the function behind every bill, and one `cost`, behind every hold.

    python benchmarks/price.py

Prints microseconds, the median of several runs; reported, never gated.
"""

import statistics
import timeit
from collections.abc import Callable
from decimal import Decimal

from tokens_forge.core.prices import RateCard, Tier, cost, price

RUNS, CALLS = 7, 20_000

CARD = RateCard(
    id="openai/gpt-5",
    source="benchmark",
    unit="USD",
    per="mtok",
    rates={
        "input": Decimal("1.25"),
        "cache_read": Decimal("0.125"),
        "output": Decimal(10),
        "searches": Decimal("0.01"),
    },
    tiers=(Tier(above=272_000, rates={"input": Decimal("2.5"), "output": Decimal(15)}),),
    list_share=Decimal("0.35"),
    fx=Decimal("7.10"),
)
USAGE = {"input": 400, "cache_read": 800, "output": 300, "reasoning": 100}
HOLD = {"input": 1_416, "output": 4_096}


def _told(name: str, work: Callable[[], object]) -> str:
    runs = [timeit.timeit(work, number=CALLS) / CALLS for _run in range(RUNS)]
    return f"{name}: {statistics.median(runs) * 1e6:.1f} us"


def main() -> None:
    """Print what a bill and a hold take."""
    print(_told("price of 3 classes, a share and an exchange rate", lambda: price(USAGE, CARD)))  # noqa: T201 - its result
    print(_told("cost of a hold", lambda: cost(HOLD, CARD)))  # noqa: T201 - as above


if __name__ == "__main__":
    main()
