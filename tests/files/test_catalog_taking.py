"""What a newer list changes beside the one in use, and what stands against it."""

import json
from datetime import UTC, date, datetime

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


OLD = data(gpt_7=1, gpt_8=2, gpt_9=3)
NEW = data(gpt_7=1, gpt_8=4, gpt_10=5)


def test_models_come_change_go_and_stay() -> None:
    """Of the whole list."""
    assert counts(OLD, NEW) == Counts(new=1, changed=1, gone=1, same=1)


def test_the_models_of_the_config_are_told_rate_by_rate() -> None:
    """A relay's own name that no list knows is left out."""
    conf = Config(
        balance={"b": Balance(kind="prepaid", unit="USD")},
        upstream={"u": Upstream(dialect="openai", base_url="https://api.openai.com/v1", credential="env:X")},
        route={
            "r": Route(
                route_class="direct",
                upstream="u",
                balance="b",
                serves=("gpt-7", "gpt-8", "gpt-9", "gpt-10", "own"),
                price="list",
            )
        },
    )
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
    assert [problem.what.partition(":")[0] for problem in against(OLD, for_a_thousand, "f")] == [
        "openai/gpt-7",
        "openai/gpt-8",
        "openai/gpt-9",
    ]
    many = {f"m{number}": 1.0 for number in range(9)}
    dear = dict.fromkeys(many, 900.0)
    assert len(against(data(**many), data(**dear), "f")) == 5
    assert against(OLD, NEW, "f") == ()
