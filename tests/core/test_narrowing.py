"""Headers of a client: they narrow, they never widen, and none is ignored."""

import pytest
from builders import OFFICIAL, RELAY, config

from tokens_forge.core.config import Config, Key, Model
from tokens_forge.core.errors import RequestError
from tokens_forge.core.narrowing import NOTHING, Narrowed, narrowed


def conf() -> Config:
    """Return a config of a model that stays in its class, one of a single class, and a key without local routes."""
    model = {**config().model, "kept": Model(routes=(RELAY, OFFICIAL)), "one": Model(routes=(RELAY,))}
    return config(model=model, key={"k": Key(classes=("direct", "ordinary", "subscription")), "none": Key(classes=())})


def refused(headers: dict[str, str], *, model: str = "smart", key: str = "k") -> tuple[int, str, str]:
    """Return how headers are turned away."""
    with pytest.raises(RequestError) as raised:
        narrowed(conf(), key, model, headers)
    return raised.value.status, raised.value.code, raised.value.message


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, NOTHING),
        ({"x-tf-task": "t"}, NOTHING),
        ({"x-tf-route": "relay"}, Narrowed(route="relay")),
        ({"x-tf-class": "direct"}, Narrowed(route_class="direct")),
        ({"x-tf-route": "relay", "x-tf-class": "ordinary"}, Narrowed(route="relay", route_class="ordinary")),
        ({"x-tf-fallback": "any"}, Narrowed(fallback="any")),
        ({"x-tf-fallback": "none"}, Narrowed(fallback="none")),
        ({"x-tf-max-charge": "0.050 USD"}, Narrowed(max_charge="0.05 USD")),
        ({"x-tf-max-charge": "0 CNY"}, Narrowed(max_charge="0 CNY")),
        ({"x-tf-max-charge": "$0.05"}, Narrowed(max_charge="0.05 USD")),
        ({"x-tf-max-charge": "1,000 cny"}, Narrowed(max_charge="1000 CNY")),
        ({"x-tf-max-charge": "\u00a5 5"}, Narrowed(max_charge="5 CNY")),
    ],
)
def test_what_narrows(headers: dict[str, str], expected: Narrowed) -> None:
    """A pin, a boundary as the config's or narrower, a cap."""
    assert expected == narrowed(conf(), "k", "smart", headers)


def test_an_unknown_model_is_told_as_one() -> None:
    """Not as a route that does not serve it: it is routed, and refused with 404."""
    assert Narrowed(route="relay") == narrowed(conf(), "k", "nothing", {"x-tf-route": "relay"})


UNKNOWN: tuple[tuple[dict[str, str], str, str], ...] = (
    ({"x-tf-route": "rellay"}, "unknown_route", "there is no route `rellay`. Did you mean `relay`?"),
    ({"x-tf-class": "ordinry"}, "unknown_class", "there is no class `ordinry`. Did you mean `ordinary`?"),
    (
        {"x-tf-fallback": "all"},
        "unknown_fallback",
        "there is no fallback `all`. There are: `any`, `balance`, `class`, `none`.",
    ),
    (
        {"x-tf-max-charge": "5"},
        "bad_amount",
        "`5` is no amount: write a number and a unit, such as `5.00 USD`",
    ),
    (
        {"x-tf-max-charge": "5 EUR"},
        "bad_amount",
        "nothing here is paid in EUR, and no rate is known for it: write CNY or USD",
    ),
    (
        {"x-tf-max-charge": "0,05 USD"},
        "bad_amount",
        (
            "`0,05 USD` is no amount for sure: is it 0.05 or 5? Write a point before decimals, and a comma only "
            "between thousands, as in `1,234.56`"
        ),
    ),
    ({"x-tf-max-charge": "5 requests"}, "bad_amount", "`5 requests` is no amount of money, such as `0.05 USD`"),
    ({"x-tf-max-charge": "-1 USD"}, "bad_amount", "`-1 USD` is no amount of money, such as `0.05 USD`"),
)


@pytest.mark.parametrize(("headers", "code", "what"), UNKNOWN)
def test_what_is_not_known(headers: dict[str, str], code: str, what: str) -> None:
    """400, naming the header, with what was likely meant."""
    (header,) = headers
    assert (400, code, f"`{header}`: {what}") == refused(headers)


@pytest.mark.parametrize("header", ["x-tf-route", "x-tf-class", "x-tf-fallback", "x-tf-max-charge"])
def test_an_empty_header_is_none(header: str) -> None:
    """A variable that was not set: who wrote the header meant to narrow, so it is never taken as absent."""
    assert (400, "empty_header", f"`{header}` is empty: give it a value, or leave it out") == refused({header: ""})


def test_a_class_that_is_not_the_routes() -> None:
    """Two pins that contradict each other can't both be kept."""
    what = "`x-tf-route: relay` is ordinary and `x-tf-class` says direct: send one of them"
    assert (400, "contradicting_headers", what) == refused({"x-tf-route": "relay", "x-tf-class": "direct"})


def test_what_would_widen() -> None:
    """403, saying what the config allows: a class of the key's, a route of the model's, a boundary as wide."""
    wider = "wider_than_config"
    narrow = "a header can only narrow: "
    needs = f"{narrow}key `k` may not use class `local`: `[key.k] classes` has direct, ordinary, subscription"
    assert (403, wider, needs) == refused({"x-tf-class": "local"})
    assert (403, wider, needs) == refused({"x-tf-route": "local"})
    assert refused({"x-tf-class": "local"}, key="none")[2].endswith("`[key.none] classes` has none")
    beside = f"{narrow}`one` is not answered by route `official`: its routes are relay"
    assert (403, wider, beside) == refused({"x-tf-route": "official"}, model="one")
    beside = f"{narrow}`one` has no route of class `direct`: its classes are ordinary"
    assert (403, wider, beside) == refused({"x-tf-class": "direct"}, model="one")
    bound = f"{narrow}`x-tf-fallback: any` is wider than the config's `class`: it takes none, balance, class"
    assert (403, wider, bound) == refused({"x-tf-fallback": "any"}, model="kept")
