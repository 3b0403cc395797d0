"""What is wrong in a config is found, said with the next step, and all at once."""

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tokens_forge.core.config import Balance, Config, Finding, Sheet, Window, did_you_mean, fx_at, is_name, near_name
from tokens_forge.core.config_check import check

GOOD: dict[str, Any] = {
    "balance": {
        "wallet": {"kind": "prepaid", "unit": "CNY", "warn_below": "5 CNY"},
        "credit": {"kind": "prepaid", "unit": "USD"},
        "plan": {"kind": "pool", "unit": "requests", "windows": [{"allow": 900, "per": "5h"}]},
        "own": {"kind": "free"},
    },
    "upstream": {
        "relay": {
            "dialect": "openai",
            "base_url": "https://relay.example/v1",
            "credential": "file:relay.key",
            "errors": [{"means": "empty", "status": 403, "code": "no_money"}],
        },
        "local": {"dialect": "openai", "base_url": "http://127.0.0.1:11434/v1", "credential": "none"},
    },
    "route": {
        "relay": {
            "class": "ordinary",
            "upstream": "relay",
            "balance": "wallet",
            "serves": {"gpt-5": "relay-gpt-5"},
            "price": {"list": "0.35", "fx": "7.10"},
            "prices": {"relay-gpt-5": [{"from": "2026-11-01", "unit": "CNY", "per": "mtok", "input": "4"}]},
        },
        "official": {
            "class": "direct",
            "upstream": "relay",
            "balance": "credit",
            "serves": ["gpt-*"],
            "price": "list",
        },
        "plan": {"class": "subscription", "upstream": "relay", "balance": "plan", "serves": ["gpt-5"]},
        "local": {"class": "local", "upstream": "local", "balance": "own", "serves": ["small"]},
    },
    "model": {
        "smart": {"routes": ["relay/gpt-5", "official/gpt-5", "relay/relay-gpt-5"], "fallback": "any"},
        "small": {"routes": ["local"]},
    },
    "key": {"aider": {"classes": ["ordinary", "direct"]}},
    "report": {"fx": {"CNY": [{"from": "2026-01-01", "rate": "7.18"}, {"from": "2026-10-01", "rate": "7.10"}]}},
}

NO_EXCHANGE = (
    'list prices are in USD and the balance is in CNY: write `price = { list = "1", fx = "7.10" }` with the CNY for '
    "one USD, or a sheet"
)
NO_PRICE = (
    'it has no price: write `price = "list"`, `price = { list = "0.35", fx = "7.10" }` or a sheet in '
    "`[route.official.prices]`"
)


def config(*path: str, to: object = None, without: bool = False) -> Config:
    """Build the good config with the value at `path` set or taken out."""
    written = msgspec.json.decode(msgspec.json.encode(GOOD))
    if path:
        table = written
        for name in path[:-1]:
            table = table.setdefault(name, {})
        if without:
            del table[path[-1]]
        else:
            table[path[-1]] = to
    return msgspec.convert(written, Config)


def found(*path: str, to: object = None, without: bool = False) -> list[tuple[str, str]]:
    """Return where and what is found wrong."""
    return [(".".join(finding.path), finding.what) for finding in check(config(*path, to=to, without=without))]


def test_a_good_config_has_no_findings() -> None:
    """What a user may write is not complained about."""
    assert check(config()) == ()


@pytest.mark.parametrize(
    ("path", "value", "where", "what"),
    [
        ("server.port", 65536, "server.port", "65536 is no port: write 1 to 65535"),
        ("server.max_body_mb", 0, "server.max_body_mb", "write at least 1"),
        ("settle.inline_tokens", -1, "settle.inline_tokens", "write 0 or more tokens"),
        (
            "settle.wait",
            "a while",
            "settle.wait",
            "`a while` is no duration: write a number and ms, s, m, h or d, such as `10s`",
        ),
        (
            "balance.extra",
            {"kind": "prepaid", "unit": "$"},
            "balance.extra.unit",
            "`$` is no unit: write a currency such as `USD`, or for a pool `requests`, `tokens` or `percent`",
        ),
        ("balance.own.unit", "USD", "balance.own.unit", "a free balance counts nothing: leave `unit` out"),
        (
            "balance.credit.windows",
            [{"allow": 1, "per": "5h"}],
            "balance.credit.windows",
            'only a pool balance has `windows`: write `kind = "pool"`',
        ),
        (
            "balance.plan.unit",
            "USD",
            "balance.plan.unit",
            "a pool is counted in `requests`, `tokens` or `percent`, not in `USD`",
        ),
        (
            "balance.plan.windows",
            [],
            "balance.plan.windows",
            'a pool needs its windows: write `windows = [{ allow = 900, per = "5h" }]`',
        ),
        (
            "balance.plan.windows",
            [{"allow": 1, "per": "soon"}],
            "balance.plan.windows",
            "`soon` is no duration: write a number and ms, s, m, h or d, such as `10s`",
        ),
        (
            "balance.plan.windows",
            [{"allow": -1, "per": "5h"}],
            "balance.plan.windows",
            "an allowance of -1 is less than nothing",
        ),
        (
            "balance.wallet.warn_below",
            "little",
            "balance.wallet.warn_below",
            "`little` is no amount: write a number and a unit, such as `5.00 USD`",
        ),
        (
            "balance.wallet.warn_below",
            "5 USD",
            "balance.wallet.warn_below",
            "`5 USD` is in USD and the balance in CNY: write it in CNY",
        ),
        (
            "upstream.relay.base_url",
            "relay.example",
            "upstream.relay.base_url",
            "`relay.example` is no base URL: write `https://HOST/v1` (what stands before `/chat/completions`)",
        ),
        (
            "upstream.relay.credential",
            "sk-secret",
            "upstream.relay.credential",
            "write where the credential is, not the credential: `env:NAME`, `file:PATH`, `none` or `client`",
        ),
        (
            "upstream.relay.timeouts",
            {"idle": "60"},
            "upstream.relay.timeouts.idle",
            "`60` is no duration: write a number and ms, s, m, h or d, such as `10s`",
        ),
        (
            "upstream.relay.errors",
            [{"means": "empty"}],
            "upstream.relay.errors",
            "row 1: an error needs a `status`, a `code` or a `message` to be known by",
        ),
        (
            "upstream.relay.errors",
            [{"means": "empty", "status": 402}, {"means": "rate_limited", "message": " "}],
            "upstream.relay.errors",
            "row 2: a `message` of blanks alone is in nearly every error's",
        ),
        (
            "upstream.relay.errors",
            [{"means": "unauthorized", "status": 307}],
            "upstream.relay.errors",
            "row 1: 307 is no status of an error: write 400 to 599, or 200 for an error in a success",
        ),
        (
            "upstream.relay.errors",
            [{"means": "empty", "code": "a"}, {"means": "bad_request", "status": 400, "code": "a", "message": "B"}],
            "upstream.relay.errors",
            "row 2: it never counts, because row 1 knows all that it does: put it first",
        ),
        (
            "route.plan.upstream",
            "relya",
            "route.plan.upstream",
            "no upstream named `relya`. Did you mean `relay`?",
        ),
        (
            "route.plan.balance",
            "zzz",
            "route.plan.balance",
            "no balance named `zzz`. There are: `credit`, `own`, `plan`, `wallet`.",
        ),
        ("route.plan.serves", [], "route.plan.serves", 'it serves no model: write `serves = ["MODEL"]`'),
        (
            "route.relay.price",
            "list",
            "route.relay.price",
            NO_EXCHANGE,
        ),
        (
            "route.relay.price",
            {"list": "0.35"},
            "route.relay.price",
            NO_EXCHANGE,
        ),
        (
            "route.official.price",
            {"list": "-1"},
            "route.official.price",
            "a share of the list price is 0 or more",
        ),
        (
            "route.relay.price",
            {"list": "1", "fx": "0"},
            "route.relay.price",
            "an exchange rate is more than 0",
        ),
        (
            "route.relay.prices",
            {"gpt-5": [{"from": "2026-11-01", "unit": "USD", "per": "mtok", "input": "4"}]},
            "route.relay.prices.gpt-5",
            'the sheet is in USD and `wallet` in CNY: write it in CNY, or with `fx = "7.10"`, the CNY for one USD',
        ),
        (
            "route.relay.prices",
            {"gpt-5": [{"from": "2026-11-01", "unit": "CNY", "per": "mtok"}]},
            "route.relay.prices.gpt-5",
            "the sheet has no rate: write `input` and `output`",
        ),
        (
            "route.relay.prices",
            {"gpt-5": [{"from": "2026-11-01", "unit": "CNY", "per": "mtok", "input": "-4"}]},
            "route.relay.prices.gpt-5",
            "a rate of -4 for input is less than nothing",
        ),
        ("model.smart.routes", [], "model.smart.routes", 'it has no candidate: write `routes = ["ROUTE/MODEL"]`'),
        (
            "model.smart.routes",
            ["oficial/gpt-5"],
            "model.smart.routes",
            "no route named `oficial`. Did you mean `official`?",
        ),
        ("settle.output_bound", 0, "settle.output_bound", "write at least 1 token"),
        (
            "settle.drain_limit",
            "0s",
            "settle.drain_limit",
            "`0s` is no time at all: write at least `1ms`",
        ),
        ("policy.attempts", 0, "policy.attempts", "write at least 1"),
        ("policy.attempts_per_candidate", 0, "policy.attempts_per_candidate", "write at least 1"),
        ("report.fx.CNY", [{"from": "2026-01-01", "rate": "0"}], "report.fx.CNY", "an exchange rate is more than 0"),
    ],
)
def test_what_is_wrong_is_said_with_the_next_step(path: str, value: object, where: str, what: str) -> None:
    """Each finding has the place, the value seen and what to write instead; a secret is never repeated."""
    assert found(*path.split("."), to=value) == [(where, what)]


@pytest.mark.parametrize("section", ["settle", "policy"])
def test_a_wait_may_be_none(section: str) -> None:
    """`wait = "none"` is no duration and right: a call that only holds, or only time, stand against is not kept."""
    assert [] == found(section, "wait", to="none")
    assert found(section, "wait", to="soon")


def test_a_candidate_must_be_served() -> None:
    """CASES 28: a model that can't be routed is found before the first call."""
    (where, what), *rest = found("model", "smart", "routes", to=["plan/gpt-9"])
    assert (where, rest) == ("model.smart.routes", [])
    assert what.startswith("route `plan` does not serve `gpt-9`.")
    assert found("model", "smart", "routes", to=["plan"])[0][1].startswith("route `plan` does not serve `smart`.")


def test_a_prepaid_route_needs_a_price() -> None:
    """CASES 12 and 28: a route without a price can't be paid from money; a pool's needs none."""
    assert found("route", "official", "price", without=True) == [("route.official", NO_PRICE)]


def test_a_route_has_no_slash() -> None:
    """ROUTE/MODEL is read from the left: a slash in a route's name would be taken for the end of it."""
    assert ("route.a/b", "a route's name has no `/`: it parts route and model in `ROUTE/MODEL`") in found(
        "route", "a/b", to=GOOD["route"]["plan"]
    )


def test_every_finding_comes_at_once() -> None:
    """Nothing hides behind the first error, and a warning is none of them by default."""
    bad = msgspec.structs.replace(config(), balance={}, model={})
    assert [finding.path for finding in check(bad)] == [
        ("route", "relay", "balance"),
        ("route", "official", "balance"),
        ("route", "plan", "balance"),
        ("route", "local", "balance"),
    ]
    assert not Finding(path=(), what="x").warning


@pytest.mark.parametrize("table", ["balance", "upstream", "route", "model", "key"])
def test_unknown_names_are_errors(table: str) -> None:
    """CASES 35: a key that nobody reads is a mistake, and it is said."""
    name = next(iter(GOOD[table]))
    with pytest.raises(msgspec.ValidationError, match="unknown field `budgte`"):
        config(table, name, "budgte", to=1)


@pytest.mark.parametrize(
    ("wrong", "names", "expected"),
    [
        ("prepayd", ["prepaid", "pool"], " Did you mean `prepaid`?"),
        ("zzz", ["b", "a"], " There are: `a`, `b`."),
        ("zzz", ["a"], " There is: `a`."),
        ("zzz", [], ""),
        ("a", ["a", "b"], " There are: `a`, `b`."),
    ],
)
def test_the_nearest_name_is_offered(wrong: str, names: list[str], expected: str) -> None:
    """A typo gets its correction, anything else what there is."""
    assert expected == did_you_mean(wrong, names)
    assert (expected if "mean" in expected else "") == near_name(wrong, names)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("relay-2.x_y", True),
        ("2", True),
        ("a" * 64, True),
        ("a" * 65, False),
        ("", False),
        ("a/b", False),
        ("-a", False),
    ],
)
def test_a_name_can_stand_anywhere(name: str, expected: bool) -> None:
    """In a header, in a path and in ROUTE/MODEL: no slash, no space, no control character."""
    assert expected == is_name(name)


@pytest.mark.parametrize(
    ("unit", "day", "expected"),
    [
        ("USD", date(2020, 1, 1), Decimal(1)),
        ("CNY", date(2026, 9, 30), Decimal("7.18")),
        ("CNY", date(2026, 10, 1), Decimal("7.10")),
        ("CNY", date(2025, 12, 31), None),
        ("EUR", date(2026, 10, 1), None),
    ],
)
def test_exchange_rates_are_dated(unit: str, day: date, expected: Decimal | None) -> None:
    """The last rate on or before the day holds; a missing one is not one."""
    assert expected == fx_at(config(), unit, day)


def test_a_sheet_yields_its_rates() -> None:
    """Only classes that have a rate, with every digit, in the order of the format."""
    sheet = Sheet(valid_from=date(2026, 1, 1), unit="CNY", per="mtok", output=Decimal("28.0"), input=Decimal(4))
    assert list(sheet.rates()) == [("input", Decimal(4)), ("output", Decimal("28.0"))]


def test_a_window_has_a_name() -> None:
    """The ledger names a window by its kind and length."""
    assert Window(allow=Decimal(900), per="5h").name == "first-use/5h"
    assert Balance(kind="free").windows == ()
