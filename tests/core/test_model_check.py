"""What is wrong with models: each finding says what to write instead (CASES 28)."""

from typing import Any

import msgspec
import pytest

from tokens_forge.core.config import Config
from tokens_forge.core.config_check import check

BASE: dict[str, Any] = {
    "balance": {
        "wallet": {"kind": "prepaid", "unit": "CNY"},
        "credit": {"kind": "prepaid", "unit": "USD"},
        "plan": {"kind": "pool", "unit": "requests", "windows": [{"allow": 1, "per": "5h"}]},
    },
    "upstream": {"u": {"dialect": "openai", "base_url": "https://u.example/v1", "credential": "none"}},
    "route": {
        "relay": {"class": "ordinary", "upstream": "u", "balance": "wallet", "serves": ["m", "gpt-*"], "price": "free"},
        "relay2": {"class": "ordinary", "upstream": "u", "balance": "wallet", "serves": ["m"], "price": "free"},
        "official": {
            "class": "direct",
            "upstream": "u",
            "balance": "credit",
            "serves": ["m", "gpt-*"],
            "price": "free",
        },
        "plan": {"class": "subscription", "upstream": "u", "balance": "plan", "serves": ["m"]},
        "named": {
            "class": "direct",
            "upstream": "u",
            "balance": "credit",
            "serves": {"claude-*": "anthropic/claude-*", "fixed": "other"},
            "price": "free",
        },
    },
    "model": {},
    "report": {"fx": {"CNY": [{"from": "2026-01-01", "rate": "7"}]}},
}
CROSS = {"to": "direct", "up_to": "5 USD", "per": "day"}
DAY_RATE = 'write `fx = { CNY = [{ from = 2026-01-01, rate = "7.10" }] }` in `[report]`, the CNY for one USD'


def found(models: dict[str, Any], *, rates: bool = True, **capabilities: Any) -> list[tuple[str, str, bool]]:  # noqa: ANN401 - what a config may hold
    """Return where and what is found wrong with these models, and whether it is a warning."""
    written = msgspec.json.decode(msgspec.json.encode(BASE | {"model": models}))
    written["route"]["named"] |= capabilities
    if not rates:
        del written["report"]
    return [(".".join(one.path), one.what, one.warning) for one in check(msgspec.convert(written, Config))]


@pytest.mark.parametrize(
    "models",
    [
        {"m": {"routes": ["relay", "official"], "fallback": "any"}},
        {"m": {"routes": ["relay", "relay2/m", "official"], "fallback": "balance"}},
        {"m": {"routes": ["relay", "official"], "fallback": "none"}},
        {"m": {"routes": ["relay", "official"], "cross": CROSS}},
        {"m": {"routes": ["relay", "official"], "cross": {**CROSS, "up_to": "5 CNY"}}},
        {"m": {"routes": ["relay", "plan"], "cross": {**CROSS, "to": "subscription"}}},
        {"m": {"routes": ["plan", "official"], "burn": "cheapest", "fallback": "any"}},
        {"m": {"routes": ["relay", "official"], "burn": "use-or-lose"}},
        {"m": {"routes": ["relay"]}, "quick": {"alias": "m"}, "other": {"alias": "gpt-5"}, "third": {"alias": "quick"}},
        {"gpt-*": {"routes": ["relay", "relay2/m", "official/gpt-*"]}, "a": {"alias": "gpt-9"}},
        {"s": {"routes": ["named/claude-5", "named/anthropic/claude-5", "named/other"]}},
    ],
)
def test_what_is_right(models: dict[str, Any]) -> None:
    """Aliases, patterns, orders and permissions as the README has them."""
    assert [] == found(models)


WRONG: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "nothing": ({"a": {}}, [("model.a.routes", 'it has no candidate: write `routes = ["ROUTE/MODEL"]`')]),
    "no such route": (
        {"a": {"routes": ["rellay/m"]}, "b": {"alias": "a"}},
        [("model.a.routes", "no route named `rellay`. Did you mean `relay`?")],
    ),
    "not served": (
        {"a": {"routes": ["relay2/n"]}, "gpt-*": {"routes": ["relay2/n"]}},
        [
            ("model.a.routes", "route `relay2` does not serve `n`. There is: `m`."),
            ("model.gpt-*.routes", "route `relay2` does not serve `n`. There is: `m`."),
        ],
    ),
    "a circle": (
        {"a": {"alias": "b"}, "b": {"alias": "a"}},
        [
            ("model.a.alias", "it leads in a circle: `a` stands for `b`"),
            ("model.b.alias", "it leads in a circle: `b` stands for `a`"),
        ],
    ),
    "an alias of nothing": (
        {"a": {"alias": "claud-5"}},
        [("model.a.alias", "no model or route serves `claud-5`. Did you mean `claude-*`?")],
    ),
    "an alias of a pattern": (
        {"gpt-*": {"routes": ["relay"]}, "a": {"alias": "gpt-*"}},
        [("model.a.alias", "`gpt-*` is a pattern: an alias stands for one name")],
    ),
    "an alias and more": (
        {"a": {"alias": "m", "routes": ["relay/m"]}},
        [("model.a.alias", "an alias is all that `m` is: leave out what stands beside it, or leave `alias` out")],
    ),
    "a crossing to nowhere": (
        {"a": {"routes": ["relay/m", "relay2/m"], "cross": CROSS}},
        [("model.a.cross.to", "no candidate of it is of class `direct`: its classes are ordinary")],
    ),
    "a crossing without need": (
        {"a": {"routes": ["relay/m", "official/m"], "fallback": "any", "cross": CROSS}},
        [("model.a.cross", '`fallback = "any"` crosses without a bound already: write `"class"`')],
    ),
    "a crossing of no unit and to nowhere": (
        {"a": {"routes": ["relay/m", "relay2/m"], "cross": {**CROSS, "up_to": "5"}}},
        [
            ("model.a.cross.up_to", "`5` is no amount: write a number and a unit, such as `5.00 USD`"),
            ("model.a.cross.to", "no candidate of it is of class `direct`: its classes are ordinary"),
        ],
    ),
    "a crossing of nothing": (
        {"a": {"routes": ["relay/m", "official/m"], "cross": {**CROSS, "up_to": "0 USD"}}},
        [("model.a.cross.up_to", "`0 USD` is nothing: write an amount of more than 0")],
    ),
    "a crossing by number": (
        {"a": {"routes": ["relay/m", "official/m"], "cross": {**CROSS, "up_to": "5 requests"}}},
        [("model.a.cross.up_to", "what crosses is bound in money: `5 requests` is none")],
    ),
    "a crossing of no amount": (
        {"a": {"routes": ["relay/m", "official/m"], "cross": {**CROSS, "up_to": "5"}}},
        [("model.a.cross.up_to", "`5` is no amount: write a number and a unit, such as `5.00 USD`")],
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong(name: str) -> None:
    """Found at the value, with the next step."""
    models, expected = WRONG[name]
    assert [(path, what, False) for path, what in expected] == found(models)


def test_what_has_no_exchange_rate() -> None:
    """An order by cost and a bound on what crosses compare units: a missing rate is an error."""
    crossing = {"a": {"routes": ["official/m", "relay/m"], "cross": {**CROSS, "to": "ordinary"}}}
    told = "what crosses costs CNY and no rate says how much of a USD that is: add CNY to `[report] fx`"
    assert [("model.a.cross.up_to", told, False)] == found(crossing, rates=False)
    crossing = {"a": {"routes": ["relay/m", "official/m"], "cross": {**CROSS, "up_to": "5 EUR"}}}
    told = "what crosses costs USD and no rate says how much of a EUR that is: add EUR to `[report] fx`"
    assert [("model.a.cross.up_to", told, False)] == found(crossing)
    cheapest = {"a": {"routes": ["relay/m", "official/m", "plan/m"], "burn": "cheapest", "fallback": "any"}}
    told = f"what costs CNY can't be compared with USD: {DAY_RATE}"
    assert [("model.a.burn", told, False)] == found(cheapest, rates=False)


@pytest.mark.parametrize(("fallback", "whose"), [("class", "class `ordinary`"), ("balance", "balance `wallet`")])
def test_a_fallback_that_leaves_one_candidate(fallback: str, whose: str) -> None:
    """A warning: who lists two and lets none follow the first may not have meant it."""
    told = (
        f"`relay/m` is alone in its {whose}, so no other of its 2 candidates ever answers when it fails: write "
        '`fallback = "any"`, or `cross = { to = "CLASS", up_to = "5.00 USD", per = "day" }`, or `fallback = "none"` if '
        "so meant"
    )
    models = {"a": {"routes": ["relay/m", "official/m"], "fallback": fallback}}
    assert [("model.a.fallback", told, True)] == found(models)


def test_a_crossing_into_its_own_class() -> None:
    """A warning: it permits nothing."""
    models = {"a": {"routes": ["official/m"], "cross": CROSS}}
    told = "all of its candidates are direct, so nothing ever crosses"
    assert [("model.a.cross", told, True)] == found(models)


def test_what_a_route_says_of_its_models() -> None:
    """Of a model that its upstream is never asked for it helps nobody; a context is no debt."""
    there = "route.named.capabilities"
    unknown = "the route asks its upstream for no `fixed`: write the upstream's own name, or a pattern"
    context = "write the input tokens that fit, or leave it out"
    said = {"fixed": {"tools": False}, "other": {"context": -1}, "claude-*": {"context": 5}}
    assert [(f"{there}.fixed", unknown, True), (f"{there}.other.context", context, False)] == found(
        {}, capabilities=said
    )
    assert [(f"{there}.gwen*", "no model of the route fits `gwen*`", True)] == found(
        {}, serves={"a": "qwen3"}, capabilities={"gwen*": {"tools": False}, "qwen*": {"vision": False}}
    )


def test_a_table_of_names_with_patterns() -> None:
    """One `*` on both sides, or on the left alone."""
    told = "one `*` on the left may stand for the same on the right, and no other"
    serves = {"a*": "b*", "c*": "d", "e": "f*", "g*h*": "i"}
    assert [
        ("route.named.serves", f"`e` = `f*`: {told}", False),
        ("route.named.serves", f"`g*h*` = `i`: {told}", False),
    ] == found({}, serves=serves)


def test_how_long_a_conversation_stays() -> None:
    """A duration, or not at all."""
    written = msgspec.json.decode(msgspec.json.encode(BASE))
    for sticky, expected in (("none", []), ("30m", []), ("long", [("policy", "sticky")])):
        assert expected == [
            one.path for one in check(msgspec.convert(written | {"policy": {"sticky": sticky}}, Config))
        ]
