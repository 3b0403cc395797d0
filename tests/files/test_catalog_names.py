"""What the price catalogue has, by name."""

from datetime import date

from tokens_forge.core.moments import moment
from tokens_forge.files.catalog_data import bundled
from tokens_forge.files.catalog_names import model_names, newest_price, provider_names, sellers

TODAY = date(2026, 11, 24)
BUNDLED = bundled().providers


def test_every_name_is_one_that_it_knows() -> None:
    """A hint never names what has no card by that name at its provider."""
    assert {"openai", "anthropic"} < set(provider_names(BUNDLED))
    assert "gpt-5" in model_names(BUNDLED, "openai")
    assert set(model_names(BUNDLED, "openai")) < set(model_names(BUNDLED))
    assert () == model_names(BUNDLED, "nobody")


def test_its_newest_price_has_begun() -> None:
    """Prices that are known ahead say nothing of its age."""
    newest = newest_price(BUNDLED, TODAY)
    assert newest is not None
    assert moment("2026-01-01T00:00:00Z").date() < newest <= TODAY
    assert newest == newest_price(BUNDLED, newest)
    assert None is newest_price(BUNDLED, date(1999, 1, 1))


def test_whose_model_it_is_is_told_first() -> None:
    """Others sell it too; who is named as the likely seller must be the maker, or a wrong list would price it."""
    for model, maker in (("gpt-5", "openai"), ("gpt-5-mini", "openai")):
        assert maker == sellers(BUNDLED, model)[0]
    assert () == sellers(BUNDLED, "no-such-model")
