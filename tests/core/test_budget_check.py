"""What is wrong with budgets and caps: each finding says what to write instead."""

from typing import Any

import msgspec
import pytest

from tokens_forge.core.budget_check import budget_findings
from tokens_forge.core.config import Config

BASE: dict[str, Any] = {
    "balance": {
        "wallet": {"kind": "prepaid", "unit": "CNY"},
        "credit": {"kind": "prepaid", "unit": "USD"},
        "plan": {"kind": "pool", "unit": "requests", "windows": [{"allow": 1, "per": "5h"}], "overage": "credit"},
        "own": {"kind": "free"},
    },
    "route": {
        "relay": {"class": "ordinary", "upstream": "u", "balance": "wallet", "serves": ["m"]},
        "official": {"class": "direct", "upstream": "u", "balance": "credit", "serves": ["m"]},
        "sub": {"class": "subscription", "upstream": "u", "balance": "plan", "serves": ["m"]},
        "home": {"class": "local", "upstream": "u", "balance": "own", "serves": ["m"]},
        "lost": {"class": "direct", "upstream": "u", "balance": "nowhere", "serves": ["m"]},
    },
    "report": {"fx": {"CNY": [{"from": "2026-01-01", "rate": "7"}]}},
}
DAY = {"limit": "5 USD", "per": "day"}


def found(*path: str, to: Any, rates: bool = True) -> list[tuple[str, str]]:  # noqa: ANN401 - what a config may hold
    """Return where and what is found wrong once the value at `path` is set, with or without exchange rates."""
    written = msgspec.json.decode(msgspec.json.encode(BASE))
    table = written
    for name in path[:-1]:
        table = table.setdefault(name, {})
    table[path[-1]] = to
    if not rates:
        del written["report"]
    return [(".".join(one.path), one.what) for one in budget_findings(msgspec.convert(written, Config))]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("key.k.budget", DAY),
        ("key.k.budget", [DAY, {"limit": "50 CNY", "per": "month"}]),
        ("key.k", {"classes": ["local"], "budget": {**DAY, "count": "list", "hold": "expected"}}),
        ("key.k", {"classes": ["subscription"], "budget": DAY}),
        ("task.t", {"cap": {"limit": "20 USD", "soft": "0.8", "at_cap": "wait 10m"}, "budget": DAY}),
        ("task.t", {"budget": DAY}),
        ("task.t.cap", {"limit": "20 USD", "soft": "1"}),
        ("balance.plan.budget", {**DAY, "count": "list"}),
        ("route.relay.budget", {"limit": "5 CNY", "per": "hour"}),
        ("balance.credit.budget", {"limit": "5 USD", "per": "week"}),
    ],
)
def test_what_is_right(path: str, value: dict[str, Any]) -> None:
    """Budgets on keys, tasks, routes and balances, one or several; what pays beyond a pool counts too."""
    assert [] == found(*path.split("."), to=value)


UNUSED = "no route can ever count against it: it protects nothing. Leave it out, or allow a class that a route has"
UNPAID = (
    'none of its routes pays in money, so nothing counts against it: write `count = "list"` to count calls at their '
    "list price, or leave it out"
)


def no_rate(route: str, counts: str, limit: str, missing: str) -> str:
    """Return what is said of an exchange rate that is missing."""
    return (
        f"route `{route}` counts in {counts} and no rate says how much of a {limit} that is: write "
        f'`fx = {{ {missing} = [{{ from = 2026-01-01, rate = "7.10" }}] }}` in `[report]`, the {missing} for one USD'
    )


@pytest.mark.parametrize(
    ("path", "value", "where", "what"),
    [
        ("key.k", {"classes": [], "budget": DAY}, "key.k.budget", UNUSED),
        ("key.k", {"classes": ["local"], "budget": DAY}, "key.k.budget", UNPAID),
        ("route.home.budget", DAY, "route.home.budget", UNPAID),
        ("balance.own.budget", DAY, "balance.own.budget", UNPAID),
        ("balance.plan.budget", DAY, "balance.plan.budget", UNPAID),
        (
            "key.k.budget",
            {"limit": "5 EUR", "per": "day"},
            "key.k.budget.limit",
            no_rate("relay", "CNY", "EUR", "EUR"),
        ),
        (
            "route.official.budget",
            {"limit": "5 EUR", "per": "day"},
            "route.official.budget.limit",
            no_rate("official", "USD", "EUR", "EUR"),
        ),
        (
            "key.k.budget",
            {"limit": "9 requests", "per": "day"},
            "key.k.budget.limit",
            "a budget is in money and `9 requests` in requests: a pool's `windows` bound what is counted",
        ),
        (
            "key.k.budget",
            {"limit": "much", "per": "day"},
            "key.k.budget.limit",
            "`much` is no amount: write a number and a unit, such as `5.00 USD`",
        ),
        (
            "route.official.budget",
            {"limit": "-1 USD", "per": "day"},
            "route.official.budget.limit",
            "`-1 USD` is nothing: write an amount of more than 0",
        ),
        (
            "key.k.budget",
            [DAY, {"limit": "6 USD", "per": "day"}],
            "key.k.budget",
            "there are two budgets per day: write the smaller one alone",
        ),
        (
            "task.t.cap",
            {"limit": "5 USD", "soft": "0"},
            "task.t.cap.soft",
            "0 is no share of the limit: write one such as 0.8",
        ),
        (
            "task.t.cap",
            {"limit": "5 USD", "soft": "80"},
            "task.t.cap.soft",
            "80 is no share of the limit: write one such as 0.8",
        ),
        (
            "task.t.cap",
            {"limit": "5 USD", "at_cap": "wait"},
            "task.t.cap.at_cap",
            "`wait` is none: write `refuse`, or how long to wait for a raise, such as `wait 10m`",
        ),
        (
            "task.t.cap",
            {"limit": "5 USD", "at_cap": "wait long"},
            "task.t.cap.at_cap",
            "`long` is no duration: write a number and ms, s, m, h or d, such as `10s`",
        ),
    ],
)
def test_what_is_wrong(path: str, value: Any, where: str, what: str) -> None:  # noqa: ANN401 - as above
    """CASES 51 and bad input: a budget nothing can consume, a missing fx; an error says what to write instead."""
    assert (where, what) in found(*path.split("."), to=value)


def test_a_missing_rate_is_an_error_for_each_unit() -> None:
    """CASES 51: a budget in USD binds a key that pays in CNY only by a rate; the error names the line that gives it."""
    assert [("key.k.budget.limit", no_rate("relay", "CNY", "USD", "CNY"))] == found(
        "key", "k", "budget", to=DAY, rates=False
    )
    assert [("key.k.budget.limit", no_rate("official", "USD", "CNY", "CNY"))] == found(
        "key", "k", "budget", to={"limit": "5 CNY", "per": "day"}, rates=False
    )
