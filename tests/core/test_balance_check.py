"""What is wrong with balances, windows, fees and earlier names: each finding says what to write instead."""

from typing import Any

import msgspec
import pytest

from tokens_forge.core.balance_check import balance_findings
from tokens_forge.core.config import Config

POOL = {"kind": "pool", "unit": "requests", "windows": [{"allow": 9, "per": "5h"}]}
OWED = {"kind": "postpaid", "unit": "USD", "limit": "9 USD"}


def found(written: dict[str, Any]) -> list[tuple[str, str]]:
    """Return where and what is found wrong."""
    config = msgspec.convert(written, Config)
    return [(".".join(one.path), one.what) for one in balance_findings(config)]


def of(balance: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what is found wrong in one balance, the path without its name."""
    balances = {"b": balance, "given": {"kind": "free"}} if balance.get("overage") == "given" else {"b": balance}
    return [(where.removeprefix("balance.b").lstrip("."), what) for where, what in found({"balance": balances})]


@pytest.mark.parametrize(
    "balance",
    [
        {"kind": "prepaid", "unit": "RELAY$", "warn_below": "5 RELAY$", "was": ["a"]},
        {**OWED, "per": "week", "anchor": "mon 09:00"},
        {**OWED, "anchor": "31"},
        {"kind": "free"},
        POOL,
        {
            **POOL,
            "unit": "tokens",
            "fee": {"amount": "20 USD", "per": "month", "from": "2026-01-31", "until": "2027-01-01"},
        },
        {
            **POOL,
            "windows": [
                {"allow": 9, "per": "hour", "anchor": ":15"},
                {"allow": 9, "per": "day", "anchor": "09:00"},
                {"allow": 9, "per": "week", "anchor": "mon"},
                {"allow": 9, "per": "month", "anchor": "3 09:00"},
                {"allow": 9, "per": "7d", "kind": "rolling"},
                {"allow": 9, "per": "week", "kind": "first-use"},
            ],
        },
        {"kind": "pool", "unit": "percent", "windows": "provider"},
    ],
)
def test_what_is_right(balance: dict[str, Any]) -> None:
    """Every kind of balance and window that a user may write."""
    assert [] == of(balance)


def test_money_may_pay_beyond_a_pool() -> None:
    """A prepaid or postpaid balance pays for what goes beyond a pool."""
    assert [] == found({"balance": {"plan": {**POOL, "overage": "account"}, "account": OWED}})


UNIT = "is no unit: write a currency such as `USD`, or for a pool `requests`, `tokens` or `percent`"


@pytest.mark.parametrize(
    ("balance", "where", "what"),
    [
        ({"kind": "prepaid"}, "unit", f"`` {UNIT}"),
        ({"kind": "free", "unit": "USD"}, "unit", "a free balance counts nothing: leave `unit` out"),
        ({"kind": "prepaid", "unit": "free"}, "unit", "`free` is what a free balance counts: write a currency"),
        (
            {"kind": "prepaid", "unit": "requests"},
            "unit",
            'only a pool is counted in requests: write a currency, or `kind = "pool"`',
        ),
        (
            {**POOL, "unit": "USD"},
            "unit",
            "a pool is counted in `requests`, `tokens` or `percent`, not in `USD`",
        ),
        (
            {**POOL, "unit": "percent"},
            "windows",
            'nobody but the provider can count percent: write `windows = "provider"`',
        ),
        (
            {**POOL, "windows": "provider"},
            "unit",
            "what a provider counts is in `percent`, not in `requests`",
        ),
        (
            {**POOL, "windows": []},
            "windows",
            'a pool needs its windows: write `windows = [{ allow = 900, per = "5h" }]`',
        ),
        (
            {**POOL, "windows": [{"allow": 9, "per": "5h"}, {"allow": 5, "per": "5h"}]},
            "windows",
            "there are two windows first-use/5h: write the smaller allowance alone",
        ),
        ({**POOL, "windows": [{"allow": -1, "per": "5h"}]}, "windows", "an allowance of -1 is less than nothing"),
        (
            {**POOL, "windows": [{"allow": 1, "per": "5h", "anchor": "mon"}]},
            "windows",
            'a first-use window has no `anchor`: leave it out, or write `kind = "calendar"`',
        ),
        (
            {**POOL, "windows": [{"allow": 1, "per": "month", "kind": "rolling"}]},
            "windows",
            "a rolling window of a month is none: write `30d`, or leave `kind` out",
        ),
        (
            {**POOL, "windows": [{"allow": 1, "per": "5h", "kind": "calendar"}]},
            "windows",
            "`5h` is no period of the calendar: write `hour`, `day`, `week` or `month`",
        ),
        (
            {**POOL, "windows": [{"allow": 1, "per": "week", "anchor": "someday"}]},
            "windows",
            "`someday` begins no week: write `mon` or `mon 09:00`",
        ),
        (
            {**POOL, "windows": [{"allow": 1, "per": "5 hours"}]},
            "windows",
            "`5 hours` is no duration: write a number and ms, s, m, h or d, such as `10s`",
        ),
        (
            {"kind": "postpaid", "unit": "USD"},
            "",
            'it has no limit: write what may be owed in one month, `limit = "100.00 USD"`',
        ),
        ({**OWED, "limit": "9 EUR"}, "limit", "`9 EUR` is in EUR and the balance in USD: write it in USD"),
        ({**OWED, "limit": "0 USD"}, "limit", "`0 USD` is nothing: write an amount of more than 0"),
        ({**OWED, "anchor": "32"}, "anchor", "`32` begins no month: write `3` or `3 09:00`"),
        (
            {**OWED, "per": "day", "anchor": "25:00"},
            "anchor",
            "`25:00` begins no day: write `09:00`",
        ),
        (
            {**POOL, "windows": [{"allow": 1, "per": "hour", "anchor": "09:15"}]},
            "windows",
            "`09:15` begins no hour: write `:15`",
        ),
        (
            {**POOL, "windows": [{"allow": 1, "per": "day", "anchor": "mon"}]},
            "windows",
            "`mon` begins no day: write `09:00`",
        ),
        (
            {**POOL, "windows": [{"allow": 1, "per": "month", "anchor": "0"}]},
            "windows",
            "`0` begins no month: write `3` or `3 09:00`",
        ),
        (
            {**POOL, "windows": [{"allow": 1, "per": "7d", "kind": "rolling", "anchor": "mon"}]},
            "windows",
            'a rolling window has no `anchor`: leave it out, or write `kind = "calendar"`',
        ),
        (
            {**POOL, "fee": {"amount": "20", "per": "month", "from": "2026-01-01"}},
            "fee",
            "`20` is no amount: write a number and a unit, such as `5.00 USD`",
        ),
        (
            {**POOL, "fee": {"amount": "20 USD", "per": "month", "from": "2026-01-02", "until": "2026-01-02"}},
            "fee",
            "`until` 2026-01-02 is not after `from` 2026-01-02",
        ),
        ({**POOL, "overage": "nowhere"}, "overage", "no balance named `nowhere`. There is: `b`."),
        (
            {**POOL, "overage": "b"},
            "overage",
            "`b` is a pool balance: what goes beyond a pool is paid in money",
        ),
        (
            {**POOL, "overage": "given"},
            "overage",
            "`given` is a free balance: what goes beyond a pool is paid in money",
        ),
        (
            {**OWED, "windows": [{"allow": 1, "per": "5h"}]},
            "windows",
            'only a pool balance has `windows`: write `kind = "pool"`',
        ),
        ({**OWED, "overage": "b"}, "overage", 'only a pool balance has `overage`: write `kind = "pool"`'),
        ({**POOL, "limit": "9 USD"}, "limit", 'only a postpaid balance has `limit`: write `kind = "postpaid"`'),
        ({**POOL, "per": "week"}, "per", 'only a postpaid balance has `per`: write `kind = "postpaid"`'),
        (
            {"kind": "prepaid", "unit": "USD", "per": "day"},
            "per",
            'only a postpaid balance has `per`: write `kind = "postpaid"`',
        ),
        (
            {"kind": "free", "fee": {"amount": "20 USD", "per": "month", "from": "2026-01-01"}},
            "fee",
            'only a pool balance has `fee`: write `kind = "pool"`',
        ),
        (
            {**POOL, "fee": {"amount": "0 USD", "per": "week", "from": "2026-01-02", "until": "2026-02-01"}},
            "fee",
            "`0 USD` is nothing: write an amount of more than 0",
        ),
        ({**POOL, "anchor": "3"}, "anchor", 'only a postpaid balance has `anchor`: write `kind = "postpaid"`'),
        ({**OWED, "warn_below": "5 CNY"}, "warn_below", "`5 CNY` is in CNY and the balance in USD: write it in USD"),
    ],
)
def test_what_is_wrong(balance: dict[str, Any], where: str, what: str) -> None:
    """Bad input is an error that says what to write instead (issue: a fee without a unit, a changed unit)."""
    assert [(where, what)] == of(balance)


def test_earlier_names_are_not_in_use() -> None:
    """CASES 53: a name has one history; two things can't both have been it."""
    money = {"kind": "prepaid", "unit": "USD"}
    written = {
        "balance": {"a": {**money, "was": ["b", "old", "c/d"]}, "b": {**money, "was": ["old"]}},
        "route": {"r": {"class": "direct", "upstream": "u", "balance": "a", "serves": ["m"], "was": ["r"]}},
        "key": {"k": {"was": ["j"]}},
    }
    assert [
        ("balance.a.was", "there is a balance `b` still: an earlier name is not in use any more"),
        ("balance.a.was", "`c/d` is no name that a balance ever had"),
        ("balance.b.was", "`old` is an earlier name of `a` already"),
        ("route.r.was", "there is a route `r` still: an earlier name is not in use any more"),
    ] == found(written)
