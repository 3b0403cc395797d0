"""Each word for what is odd about a charge says something."""

from typing import get_args

import pytest

from tokens_forge.core.entries import Outcome
from tokens_forge.core.flags import (
    ESTIMATED,
    OF_CALL,
    OF_ESTIMATES,
    OF_OUTCOMES,
    OF_PRICES,
    OF_USAGE,
    flag_text,
    guess_text,
    is_of_price,
    usage_class_of,
)
from tokens_forge.core.usage import GUESSES, Flag


def test_every_flag_of_a_usage_has_its_words() -> None:
    """One table: what `core/usage.py` can flag is told, and nothing is told twice."""
    assert set(get_args(Flag)) <= OF_USAGE.keys()
    assert OF_USAGE.keys() >= GUESSES
    tables = (OF_PRICES, OF_USAGE, OF_CALL)
    assert sum(map(len, tables)) == len({flag for table in tables for flag in table})


def test_what_makes_an_estimate_has_its_words() -> None:
    """Whatever leaves a bill an estimate is among the reasons that totals name, each in words."""
    assert OF_ESTIMATES <= OF_USAGE.keys() | OF_CALL.keys()
    assert set(OF_OUTCOMES) <= set(get_args(Outcome))
    reasons = (*OF_ESTIMATES, *OF_OUTCOMES, ESTIMATED, *OF_PRICES)
    assert all(" " in guess_text(reason) for reason in reasons)


@pytest.mark.parametrize(
    ("flag", "of_price", "usage_class", "said"),
    [
        ("geo_unpriced", True, "", "no premium is known for where it was computed: billed without one"),
        ("tier_unpriced", True, "", "the tier that was served has no rates: billed at the base rates"),
        ("unpriced_searches", True, "searches", "searches has no rate: missing from the charge"),
        ("guessed_audio_in", True, "audio_in", "audio_in has no rate of its own: billed at one that may be too low"),
        ("unpriced_iteration", True, "", "work beside the reply has no price: missing from the charge"),
        ("zero_usage", False, "", "nothing but zeros are told of what was there: estimated from its bytes"),
        ("no_done", False, "", "the stream ended whole, without the event that ends it"),
        ("of_a_later_version", False, "", "of_a_later_version"),
    ],
)
def test_what_a_flag_says(flag: str, *, of_price: bool, usage_class: str, said: str) -> None:
    """Flags about a price are those that a price mends; one that is not known says itself."""
    assert (of_price, usage_class, said) == (is_of_price(flag), usage_class_of(flag), flag_text(flag))
