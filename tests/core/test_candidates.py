"""A model's name to its candidates: tables, aliases, patterns, and what routes serve (CASES 13)."""

import pytest
from builders import LOCAL, OFFICIAL, PLAN, RELAY, config
from msgspec.structs import replace

from tokens_forge.core.candidates import match, may_ask_for, models, patterns
from tokens_forge.core.config import Config, Key, Model, Route, is_served, is_upstreams, names_asked, upstream_name


def route(serves: tuple[str, ...] | dict[str, str]) -> Route:
    """Return a route that serves so."""
    return Route(route_class="direct", upstream="relay", balance="wallet", serves=serves)


def found(conf: Config, name: str) -> list[str]:
    """Return the candidates of a name."""
    return [one.name for one in match(conf, name).candidates]


def test_a_table_gives_its_candidates_in_order() -> None:
    """DESIGN 5: `burn = "listed"` is the order as written."""
    matched = match(config(), "smart")
    assert ([RELAY, OFFICIAL, PLAN, LOCAL], "any") == ([it.name for it in matched.candidates], matched.boundary)


def test_a_name_without_a_table_is_every_route_that_serves_it() -> None:
    """In the file's order, and within a class."""
    matched = match(config(), "m")
    assert ([RELAY, OFFICIAL, PLAN, LOCAL], "class") == ([it.name for it in matched.candidates], matched.boundary)


def test_a_name_that_nothing_serves_has_no_candidate() -> None:
    """It is routed and refused (DESIGN 2)."""
    assert () == match(config(), "nothing").candidates


def test_a_mapping_gives_the_upstreams_name() -> None:
    """`serves = { asked = upstream's }`, also where a model's table names the asked one (CASES 13)."""
    route = Route(route_class="direct", upstream="relay", balance="wallet", serves={"gpt": "relay-gpt"})
    model = {"a": Model(routes=("r/gpt",)), "b": Model(routes=("r/relay-gpt",)), "gpt2": Model(routes=("r",))}
    conf = config(route={"r": route}, model=model)
    found = {name: [it.name for it in match(conf, name).candidates] for name in ("gpt", "a", "b", "gpt2")}
    assert {"gpt": ["r/relay-gpt"], "a": ["r/relay-gpt"], "b": ["r/relay-gpt"], "gpt2": []} == found


def test_a_pattern_passes_the_asked_name_on_unless_it_hides_something() -> None:
    """A name with control characters never goes upstream."""
    route = Route(route_class="direct", upstream="relay", balance="wallet", serves=("gpt-*",))
    conf = config(route={"r": route}, model={})
    assert ["r/gpt-9"] == [it.name for it in match(conf, "gpt-9").candidates]
    assert () == match(conf, "gpt-\x1b9").candidates


def test_two_spellings_of_a_candidate_are_one() -> None:
    """`ROUTE` for the name asked and `ROUTE/MODEL` may mean the same."""
    conf = config(model={"m": Model(routes=("relay", "relay/m", "official"))})
    assert [RELAY, OFFICIAL] == [it.name for it in match(conf, "m").candidates]


def test_models_are_those_that_a_key_may_use() -> None:
    """`GET /v1/models`: names with a table and exact names, of the key's classes."""
    route = {**config().route, "wide": replace(config().route["official"], serves=("gpt-*", "exact"))}
    conf = config(route=route, key={"k": Key(classes=("direct",)), "none": Key(classes=())})
    assert ("smart", "m", "exact") == models(conf, "k")
    assert () == models(conf, "none")
    assert ("smart", "m", "exact") == models(conf, "without a table")


def test_patterns_are_those_that_a_key_may_use() -> None:
    """Of models with a table first, then of routes: of the key's classes, each once."""
    route = {**config().route, "wide": replace(config().route["official"], serves=("gpt-*", "exact"))}
    model = {**config().model, "own-*": Model(routes=("wide/exact",)), "gpt-*": Model(routes=("wide",))}
    conf = config(route=route, model=model, key={"k": Key(classes=("direct",)), "none": Key(classes=())})
    assert ("own-*", "gpt-*") == patterns(conf, "k")
    assert () == patterns(conf, "none")


def test_an_alias_stands_for_another_name() -> None:
    """Through further aliases to a table or to what routes serve; the name that it led to is kept."""
    model = {
        **config().model,
        "quick": Model(alias="quicker"),
        "quicker": Model(alias="smart"),
        "own": Model(alias="m"),
    }
    conf = config(model=model)
    quick, own = match(conf, "quick"), match(conf, "own")
    assert ("smart", "any", [RELAY, OFFICIAL, PLAN, LOCAL]) == (quick.by, quick.boundary, found(conf, "quick"))
    assert ("m", "class", 4) == (own.by, own.boundary, len(own.candidates))
    assert "" == match(conf, "smart").by
    assert {"quick", "quicker", "own"} <= set(models(conf, "k"))


def test_a_circle_of_aliases_ends() -> None:
    """`tf check` refuses it; a lookup never hangs."""
    conf = config(model={"a": Model(alias="b"), "b": Model(alias="a")})
    assert [] == found(conf, "a")


def test_a_pattern_is_a_table_for_many_names() -> None:
    """A table's own name goes before a pattern; of patterns the first as written; no name with control characters."""
    routes = {"wide": route(("*",)), "r": route({"claude-*": "anthropic/claude-*"})}
    model = {
        "gpt-*": Model(routes=("wide",), fallback="none"),
        "gpt-5*": Model(routes=("wide/other",)),
        "gpt-5": Model(routes=("wide/own",)),
        "claude-*": Model(routes=("r", "wide/fixed", "wide/*-9", "r/claude-*")),
    }
    conf = config(route=routes, model=model)
    assert ["wide/own"] == found(conf, "gpt-5")
    assert (["wide/gpt-5-mini"], "gpt-*", "none") == (
        found(conf, "gpt-5-mini"),
        match(conf, "gpt-5-mini").by,
        match(conf, "gpt-5-mini").boundary,
    )
    assert ["r/anthropic/claude-5", "wide/fixed"] == found(conf, "claude-5")
    assert ["r/anthropic/claude-9", "wide/fixed", "wide/claude-9"] == found(conf, "claude-9")
    assert [] == found(conf, "gpt-\x1b")
    assert ["wide/free"] == found(conf, "free")
    assert "gpt-*" not in models(conf, "k")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("claude-5", "anthropic/claude-5"),
        ("claude-", "anthropic/claude-"),
        ("claude-fixed", "own"),
        ("any-thing", "one"),
        ("x", None),
        ("claude-\x1b", None),
        ("claude-" + "x" * 200, None),
    ],
)
def test_a_pattern_in_a_table_of_names(asked: str, expected: str | None) -> None:
    """One `*` on both sides stands for the same; an exact name goes before."""
    serves = {"claude-*": "anthropic/claude-*", "claude-fixed": "own", "any-*": "one"}
    assert expected == upstream_name(route(serves), asked)


def test_what_may_be_asked_for() -> None:
    """Names of a list and those that a pattern takes, by a route that the key may use; none that no call could have."""
    conf = config(route={"r": route(("gpt-*", "own"))}, key={"none": Key(classes=())})
    asked = ("own", "gpt-5", "gpt-a/b", "claude", "gpt-\x1b", "gpt-" + "x" * 999)
    assert [True, True, True, False, False, False] == [may_ask_for(conf, "k", name) for name in asked]
    assert not may_ask_for(conf, "none", "gpt-5")


def test_a_star_alone_is_no_name_of_its_own() -> None:
    """Other signs of patterns are themselves: a name with brackets is one name, exactly."""
    it = route(("claude-opus[1m]", "a?c", "gpt-*-mini"))
    asked = ("claude-opus[1m]", "claude-opus1", "abc", "a?c", "gpt--mini", "gpt-x")
    served = [upstream_name(it, name) for name in asked]
    assert ["claude-opus[1m]", None, None, "a?c", "gpt--mini", None] == served


def test_the_names_that_lead_to_an_upstreams_model() -> None:
    """Prices are found under either name, through a pattern too, unless another name goes before it."""
    it = route({"claude-*": "anthropic/claude-*", "claude-fixed": "own", "any-*": "one", "two": "one"})
    told = {
        name: list(names_asked(it, name)) for name in ("anthropic/claude-5", "own", "one", "anthropic/claude-fixed")
    }
    assert {
        "anthropic/claude-5": ["claude-5"],
        "own": ["claude-fixed"],
        "one": ["two"],
        "anthropic/claude-fixed": [],
    } == told
    served = {name: (is_served(it, name), is_upstreams(it, name)) for name in ("two", "one", "anthropic/claude-x", "y")}
    assert {
        "two": (True, False),
        "one": (True, True),
        "anthropic/claude-x": (True, True),
        "y": (False, False),
    } == served
    assert (True, []) == (is_upstreams(route(("gpt-*",)), "gpt-5"), list(names_asked(route(("gpt-*",)), "gpt-5")))
