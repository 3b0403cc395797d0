"""A newer list of prices, read, judged and kept."""

import json
import stat
from datetime import date
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from genai_prices.types import ModelPrice

from tokens_forge.core.errors import ConfigError
from tokens_forge.files import catalog_data
from tokens_forge.files.catalog_data import bundled, data_in_use, keep, models_of, prices_of, read_data, short_origin

TODAY = date(2026, 11, 29)


def listed(prices: Any = None, *, match: Any = None, **model: Any) -> bytes:  # noqa: ANN401 - any JSON
    """Return a list with one model of one provider."""
    one = {"id": "gpt-9", "match": match or {"equals": "gpt-9"}, "prices": prices or {"input_mtok": 1.5}, **model}
    return json.dumps([{"id": "openai", "name": "O", "api_pattern": "https://a\\.b", "models": [one]}]).encode()


def told(raw: bytes) -> str:
    """Return what is wrong with a list."""
    with pytest.raises(ConfigError) as caught:
        read_data(raw, "data.json")
    assert all(problem.where == "data.json" for problem in caught.value.problems)
    return "\n".join(problem.what for problem in caught.value.problems)


def test_every_digit_of_a_price_is_read() -> None:
    """No float on the way: tiers, dates, hours and tiers of service as genai-prices publishes them."""
    raw = listed(
        [
            {"prices": {"input_mtok": {"base": 0.1, "tiers": [{"start": 272000, "price": 0.3}]}}},
            {"constraint": {"start_date": "2026-11-01"}, "prices": {"input_mtok": 0.0833333333333333}},
            {"constraint": {"start_time": "01:00:00Z", "end_time": "04:00:00Z"}, "prices": {"input_mtok": 2}},
        ],
        price_variants=[{"when": {"service_tier": "flex"}, "prices": {"input_mtok": 0.05}}],
        context_window=400000,
    )
    (provider,) = read_data(raw, "data.json")
    model = models_of([provider])["openai/gpt-9"]
    assert not isinstance(model.prices, ModelPrice)
    tiered, dated, timed, flex = (vars(price)["input_mtok"] for price in prices_of(model))
    assert (tiered.base, tiered.tiers[0].price) == (Decimal("0.1"), Decimal("0.3"))
    assert (dated, timed, flex) == (Decimal("0.0833333333333333"), Decimal(2), Decimal("0.05"))


def test_what_is_not_ours_to_read_is_left_out() -> None:
    """Usage objects of a newer form stop no price: a list's extractors are not taken."""
    document = json.loads(listed())
    document[0]["extractors"] = [{"root": "usage", "mappings": [{"path": "x", "dest": "tokens_of_the_future"}]}]
    (provider,) = read_data(json.dumps(document).encode(), "data.json")
    assert provider.extractors is None


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b"", "this is no JSON that can be read"),
        (b"{", "this is no JSON that can be read"),
        (b"\xff\xfe", "this is no JSON that can be read"),
        (b"[" * 100_000, "this is no JSON that can be read"),
        (b'[{"id":' + b"[" * 600 + b"]" * 600 + b"}]", "this is no price data"),
        (b"{}", "this is no list of providers"),
        (b"[]", "this is no list of providers"),
        (b"[1]", "this is no list of providers"),
        (b'[{"id":"a"}]', "0.name: Field required"),
        (b'[{"id":"a","name":"A","api_pattern":"x","models":[]}]', "no provider in it has a model"),
        (b'[{"id":"a","name":"A","api_pattern":"(","models":[]}]', "`(` is no regular expression"),
        (listed({"input_mtok": -1}), "openai/gpt-9: input_mtok of -1 USD is no price"),
        (listed({"input_mtok": 20_001}), "input_mtok of 20001 USD is no price"),
        (listed({"requests_kcount": 1_000_001}), "requests_kcount of 1000001 USD is no price"),
        (listed({"input_mtok": "NaN"}), "input_mtok.decimal: Input should be a finite number"),
        (listed({"input_mtok": "Infinity"}), "input_mtok.decimal: Input should be a finite number"),
        (listed({"input_mtok": "1e-19"}), "has more than 18 digits after the point"),
        (listed({"input_mtok": "abc"}), "input_mtok.decimal: Input should be a valid decimal"),
        (listed().replace(b"1.5", b"NaN"), "NaN is no number"),
        (listed({"input_mtok": {"base": 1, "tiers": [{"start": -5, "price": 2}]}}), "input_mtok changes at -5 tokens"),
        (listed(match={"regex": "("}), "`(` is no regular expression"),
        (listed(match={"regex": "(a+)+$"}), "`(a+)+$` could search in a name for ever"),
        (listed(match={"or": [{"regex": f".*{number}.*"} for number in range(5)]}), "its patterns leave so much open"),
        (listed(match={"or": [{"regex": "a" * 1001}]}), "a pattern of 1001 characters is longer than 1000"),
        (listed(id="a\u001b[31m"), "is no model's name"),
        (listed(id="m" * 300), "is no model's name"),
        (listed(prices=[{"constraint": {"weekday": 3}, "prices": {"input_mtok": 1}}]), "constraint"),
    ],
)
def test_what_is_no_list_of_prices_is_refused(raw: bytes, what: str) -> None:
    """Each fault with its model; nothing of it is taken."""
    assert what in told(raw)


def test_a_list_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """In bytes and in models."""
    monkeypatch.setattr(catalog_data, "MOST_MODELS", 0)
    assert "1 models are more than 0" in told(listed())
    monkeypatch.setattr(catalog_data, "MOST_BYTES", 10)
    assert "a list of prices is not longer than 10" in told(listed())


def test_a_list_is_kept_as_it_came(tmp_path: Path) -> None:
    """0600, with where and when it was had; cards say so."""
    path = tmp_path / "catalogue.data"
    keep(path, listed(), origin="https://prices.example/new/data.json", today=TODAY)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = data_in_use(path)
    assert (found.source, found.taken, found.beside) == (
        "genai-prices data of 2026-11-29, data.json",
        TODAY,
        version("genai-prices"),
    )
    assert found.origin == "https://prices.example/new/data.json"
    assert list(models_of(found.providers)) == ["openai/gpt-9"]


def test_without_a_list_the_bundled_one_is_used(tmp_path: Path) -> None:
    """No file, and no file asked for."""
    for path in (None, tmp_path / "nothing"):
        assert data_in_use(path) == bundled()
    assert bundled().source == f"genai-prices {version('genai-prices')}"


@pytest.mark.parametrize(
    ("kept", "what"),
    [
        (b"", "this is not what `tf prices update` wrote"),
        (b'{"origin":1}\n[]', "this is not what `tf prices update` wrote"),
        (b"\xff\n[]", "this is not what `tf prices update` wrote"),
        (b'{"origin":"f","taken":"2026-11-29","beside":"1"}\n[]', "this is no list of providers"),
    ],
)
def test_a_spoilt_list_names_the_way_back(tmp_path: Path, kept: bytes, what: str) -> None:
    """It is not left out silently: other prices would then count."""
    path = tmp_path / "catalogue.data"
    path.write_bytes(kept)
    with pytest.raises(ConfigError) as caught:
        data_in_use(path)
    assert what in str(caught.value)
    assert "`tf prices update --forget`" in str(caught.value)


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    """As any private file."""
    (tmp_path / "real").write_bytes(b"x")
    path = tmp_path / "catalogue.data"
    path.symlink_to(tmp_path / "real")
    with pytest.raises(ConfigError, match="it can't be read"):
        data_in_use(path)


@pytest.mark.parametrize(
    ("origin", "expected"),
    [("/a/b/data.json", "data.json"), ("https://h.example/", "h.example"), ("data.json", "data.json"), ("/", "/")],
)
def test_an_origin_is_told_short(origin: str, expected: str) -> None:
    """A card has room for a name."""
    assert short_origin(origin) == expected
