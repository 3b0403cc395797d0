"""What the price catalogue has, by name."""

from datetime import date

from tokens_forge.core.moments import moment
from tokens_forge.files.catalog_names import catalogue, model_names, newest_price, provider_names, sellers
from tokens_forge.files.price_catalog import Catalog

TODAY = date(2026, 11, 24)


def test_every_name_is_one_that_it_knows() -> None:
    """A hint never names what has no card by that name at its provider."""
    assert {"openai", "anthropic"} < set(provider_names())
    assert "gpt-5" in model_names("openai")
    assert set(model_names("openai")) < set(model_names())
    assert () == model_names("nobody")
    assert Catalog().cards(base_url="", provider="openai", model="gpt-5")[0].source == catalogue()


def test_its_newest_price_has_begun() -> None:
    """Prices that are known ahead say nothing of its age."""
    newest = newest_price(TODAY)
    assert newest is not None
    assert moment("2026-01-01T00:00:00Z").date() < newest <= TODAY
    assert newest == newest_price(newest)
    assert None is newest_price(date(1999, 1, 1))


def test_whose_model_it_is_is_told_first() -> None:
    """Others sell it too; who is named as the likely seller must be the maker, or a wrong list would price it."""
    for model, maker in (("gpt-5", "openai"), ("gpt-5-mini", "openai")):
        assert maker == sellers(model)[0]
    assert () == sellers("no-such-model")
