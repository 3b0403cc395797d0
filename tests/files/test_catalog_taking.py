"""What a newer list changes beside the one in use, and what stands against it."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from tokens_forge.core.config import Balance, Config, Route, Upstream
from tokens_forge.core.list_changes import Counts
from tokens_forge.files.catalog_data import Data, read_data
from tokens_forge.files.catalog_taking import against, counts, served
from tokens_forge.files.price_catalog import Catalog

AT = datetime(2026, 11, 29, 12, tzinfo=UTC)


def data(**rates: float) -> Data:
    """Return a list of models at OpenAI with a rate for their input."""
    models = [
        {"id": name.replace("_", "-"), "match": {"equals": name.replace("_", "-")}, "prices": {"input_mtok": rate}}
        for name, rate in rates.items()
    ]
    raw = json.dumps([{"id": "openai", "name": "O", "api_pattern": "https://api.openai.com", "models": models}])
    return Data(providers=read_data(raw.encode(), "f"), source="a list", taken=date(2026, 11, 29))


def config(*serves: str) -> Config:
    """Return a config of one route at OpenAI."""
    return Config(
        balance={"b": Balance(kind="prepaid", unit="USD")},
        upstream={"u": Upstream(dialect="openai", base_url="https://api.openai.com/v1", credential="env:X")},
        route={"r": Route(route_class="direct", upstream="u", balance="b", serves=serves, price="list")},
    )


def leaps(old: Data, new: Data, conf: Config | None = None) -> list[str]:
    """Return what stands against a list."""
    return [problem.what for problem in against(conf or Config(), Catalog.of(old), Catalog.of(new), AT, "f")]


OLD = data(gpt_7=1, gpt_8=2, gpt_9=3)
NEW = data(gpt_7=1, gpt_8=4, gpt_10=5)


def test_models_come_change_go_and_stay() -> None:
    """Of the whole list."""
    assert counts(OLD, NEW) == Counts(new=1, changed=1, gone=1, same=1)


def test_the_models_of_the_config_are_told_rate_by_rate() -> None:
    """A relay's own name that no list knows is left out."""
    conf = config("gpt-7", "gpt-8", "gpt-9", "gpt-10", "own")
    changes = served(conf, Catalog.of(OLD), Catalog.of(NEW), AT)
    assert [(change.candidate, change.status) for change in changes] == [
        ("r/gpt-7", "same"),
        ("r/gpt-8", "changed"),
        ("r/gpt-9", "gone"),
        ("r/gpt-10", "new"),
    ]
    assert [(rate.old, rate.new, rate.factor) for rate in changes[1].rates] == [("2", "4", "2")]


def test_a_list_in_other_units_is_refused() -> None:
    """CASES 11: each leap with its figures, the first of them; what is new can't be compared."""
    for_a_thousand = data(gpt_7=0.001, gpt_8=0.002, gpt_9=0.003, gpt_10=5)
    assert [what.partition(":")[0] for what in leaps(OLD, for_a_thousand)] == [
        "openai/gpt-7",
        "openai/gpt-8",
        "openai/gpt-9",
    ]
    many = {f"m{number}": 1.0 for number in range(9)}
    dear = dict.fromkeys(many, 900.0)
    assert len(leaps(data(**many), data(**dear))) == 5
    assert leaps(OLD, NEW) == []


@pytest.mark.parametrize("serves", ["gpt-7", "gpt-*"])
@pytest.mark.parametrize("rate", [0.001, 0])
def test_what_a_route_would_pay_is_compared(serves: str, rate: float) -> None:
    """A provider's entry before the real one makes a model cheap, and changes no price of a name."""
    cheap = replace(data(gpt_7=rate).providers[0], id="other", api_pattern="https://.*")
    new = replace(OLD, providers=[cheap, *OLD.providers])
    (what,) = leaps(OLD, new, config(serves))
    assert what.startswith("r/gpt-7: input would go from 1 ")
    assert leaps(OLD, new, config("gpt-8")) == []
    assert leaps(OLD, OLD, config(serves)) == []


def test_a_leap_that_is_still_to_come_is_one() -> None:
    """A price that begins tomorrow is compared with the one of today."""
    prices = [
        {"prices": {"input_mtok": 1}},
        {"constraint": {"type": "start_date", "start_date": "2026-12-01"}, "prices": {"input_mtok": 0}},
        {"constraint": {"type": "start_date", "start_date": "2026-12-02"}, "prices": {"input_mtok": 1}},
    ]
    models = [{"id": "gpt-7", "match": {"equals": "gpt-7"}, "prices": prices}]
    raw = json.dumps([{"id": "openai", "name": "O", "api_pattern": "https://api.openai.com", "models": models}])
    new = Data(providers=read_data(raw.encode(), "f"), source="a list")
    assert ["r/gpt-7"] == [what.partition(":")[0] for what in leaps(OLD, new, config("gpt-7"))]
