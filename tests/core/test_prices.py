"""One function turns usage into money; these bills were reckoned by hand."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Context, Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from tokens_forge.core.entries import CardUsed, ChargeLine
from tokens_forge.core.price_check import BELOW, MOST_SHARE, RATE_PLACES, SHARE_PLACES
from tokens_forge.core.prices import (
    PER,
    Days,
    IterationUse,
    RateCard,
    Service,
    Tier,
    card_at,
    card_name,
    charged,
    cost,
    lines_total,
    price,
)
from tokens_forge.core.usage import COUNT_CLASSES, MOST_TOKENS, TOKEN_CLASSES, WRITE_CLASSES


def card(  # noqa: PLR0913 - a builder has a parameter for what a test may vary
    rates: dict[str, str],
    *,
    per: str = "mtok",
    tiers: dict[int, dict[str, str]] | None = None,
    share: str = "1",
    fx: str = "1",
    valid_from: date | None = None,
    hours: tuple[time, time] | None = None,
) -> RateCard:
    """Build a card in USD."""
    return RateCard(
        id="openai/m",
        source="test",
        unit="USD",
        per=per,
        rates={name: Decimal(rate) for name, rate in rates.items()},
        tiers=tuple(
            Tier(above=above, rates={name: Decimal(rate) for name, rate in changed.items()})
            for above, changed in (tiers or {}).items()
        ),
        list_share=Decimal(share),
        fx=Decimal(fx),
        valid_from=valid_from,
        hours=hours,
    )


def line(usage_class: str, quantity: int, rate: str, amount: str) -> ChargeLine:
    return ChargeLine(usage_class=usage_class, quantity=quantity, rate=rate, amount=amount)


GPT = {"input": "1.25", "cache_read": "0.125", "output": "10"}


def test_a_bill_has_a_line_for_each_class() -> None:
    """CASES 1 and 5: cached tokens are charged once, at their rate, and the lines sum to the charge."""
    charge = price({"input": 400, "cache_read": 800, "output": 300}, card(GPT))
    assert charge.lines == (
        line("input", 400, "1.25", "0.0005"),
        line("cache_read", 800, "0.125", "0.0001"),
        line("output", 300, "10", "0.003"),
    )
    assert charge.amount == Decimal("0.0036")
    assert charge.unpriced == ()
    assert charge.card == CardUsed(id="openai/m", source="test", unit="USD", per="mtok", rates=GPT)


def test_reasoning_is_a_part_of_output() -> None:
    """CASES 4: it is not charged beside the output that contains it."""
    assert price({"output": 300, "reasoning": 100}, card({"output": "10"})).lines == (
        line("output", 300, "10", "0.003"),
    )


def test_reasoning_with_a_rate_of_its_own_splits_the_output() -> None:
    """CASES 4: then the output's line is for the rest, and vanishes when there is none."""
    apart = card({"output": "10", "reasoning": "4"})
    assert price({"output": 300, "reasoning": 100}, apart).lines == (
        line("output", 200, "10", "0.002"),
        line("reasoning", 100, "4", "0.0004"),
    )
    assert price({"output": 5, "reasoning": 5}, apart).lines == (line("reasoning", 5, "4", "0.00002"),)


@pytest.mark.parametrize(
    ("usage_class", "rates", "rate"),
    [
        ("cache_read", {"input": "3"}, "3"),
        ("cache_write_5m", {"input": "3"}, "3"),
        ("cache_write_1h", {"input": "3"}, "3"),
        ("cache_write_1h", {"input": "3", "cache_write_5m": "4"}, "4"),
        ("cache_write_1h", {"input": "3", "cache_write_5m": "4", "cache_write_1h": "6"}, "6"),
        ("audio_in", {"input": "3"}, "3"),
        ("image_in", {"input": "3"}, "3"),
        ("audio_out", {"output": "5"}, "5"),
    ],
)
def test_a_class_without_a_rate_is_priced_at_its_base(usage_class: str, rates: dict[str, str], rate: str) -> None:
    """CASES 6: the total governs; what a card does not price apart costs what its base class costs."""
    assert price({usage_class: 1_000_000}, card(rates)).lines == (line(usage_class, 1_000_000, rate, rate),)


def test_what_has_no_rate_is_unpriced() -> None:
    """CASES 12: no price is not zero; the classes are named and the rest is still charged."""
    charge = price({"input": 1_000_000, "output": 7, "searches": 1}, card({"input": "3"}))
    assert (charge.amount, charge.unpriced) == (Decimal(3), ("output", "searches"))


def test_a_rate_of_zero_is_a_price() -> None:
    """CASES 12: explicitly free differs from unset."""
    charge = price({"input": 5}, card({"input": "0"}))
    assert (charge.lines, charge.unpriced) == ((line("input", 5, "0", "0"),), ())


LONG = card(
    {"input": "3", "cache_read": "0.3", "output": "15"},
    tiers={200_000: {"input": "6", "output": "22.5"}, 400_000: {"input": "9", "output": "22.5"}},
)


@pytest.mark.parametrize(
    ("usage", "tier", "amount"),
    [
        ({"input": 200_000, "output": 1000}, "base", "0.615"),
        ({"input": 200_001, "output": 1000}, "input>200000", "1.222506"),
        ({"input": 100_000, "cache_read": 100_000}, "base", "0.33"),
        ({"input": 100_000, "cache_read": 100_001}, "input>200000", "0.6300003"),
        ({"input": 400_000}, "input>200000", "2.4"),
        ({"input": 400_001}, "input>400000", "3.600009"),
        ({"output": 900_000}, "base", "13.5"),
    ],
)
def test_a_long_context_is_priced_whole(usage: dict[str, int], tier: str, amount: str) -> None:
    """CASES 7: the total input chooses one tier for the whole request; exactly at the threshold is base."""
    charge = price(usage, LONG)
    assert (tier, Decimal(amount)) == (charge.card.tier, charge.amount)


def test_the_card_of_a_tier_shows_its_rates() -> None:
    """A record shows the rates that were applied, those that stay included."""
    rates = price({"input": 300_000}, LONG).card.rates
    assert rates == {"input": "6", "cache_read": "0.3", "output": "22.5"}


@pytest.mark.parametrize(("per", "amount"), [("mtok", "0.0005"), ("ktok", "0.5"), ("token", "500")])
def test_a_rate_says_what_it_buys(per: str, amount: str) -> None:
    """CASES 11: a rate is for a million, a thousand or one token; a count's rate is for one whatever `per` says."""
    charge = price({"input": 400, "requests": 2}, card({"input": "1.25", "requests": "0.1"}, per=per))
    assert charge.lines == (line("input", 400, "1.25", amount), line("requests", 2, "0.1", "0.2"))


def test_a_request_that_is_priced_counts_as_one() -> None:
    """A rate for requests adds one to a usage that names none."""
    assert price({}, card({"requests": "0.005"})).lines == (line("requests", 1, "0.005", "0.005"),)


def test_share_and_exchange_are_in_the_lines() -> None:
    """CASES 45: 35 % of the list price, at 7.10 CNY for a dollar: the rate on the line is what was paid."""
    charge = price({"input": 1_000_000}, card(GPT, share="0.35", fx="7.10"))
    assert charge.lines == (line("input", 1_000_000, "3.10625", "3.10625"),)
    assert (charge.card.rates, charge.card.list_share, charge.card.fx) == (GPT, "0.35", "7.1")


def test_a_charge_is_rounded_once() -> None:
    """CASES 9: lines are exact, their sum is rounded, and a line says by how much."""
    charge = price({"input": 1, "output": 1}, card({"input": "0.0000004", "output": "0.0000003"}))
    assert charge.lines == (
        line("input", 1, "0.0000004", "0.0000000000004"),
        line("output", 1, "0.0000003", "0.0000000000003"),
        line("rounding", 1, "0.0000000000003", "0.0000000000003"),
    )
    assert charge.amount == Decimal("0.000000000001")


RATE = st.decimals(min_value=0, max_value=10_000, places=18, allow_nan=False, allow_infinity=False)


CARD = st.builds(
    RateCard,
    id=st.just("a/b"),
    source=st.just("test"),
    unit=st.just("USD"),
    per=st.sampled_from(("mtok", "ktok", "token")),
    rates=st.dictionaries(st.sampled_from((*TOKEN_CLASSES, *COUNT_CLASSES, "reasoning")), RATE),
    list_share=RATE,
    fx=RATE,
)


@given(
    st.dictionaries(st.sampled_from((*TOKEN_CLASSES, *COUNT_CLASSES)), st.integers(0, 10**9)),
    st.sampled_from((0, 1, 2)),
    CARD,
)
def test_lines_always_sum_to_the_charge(usage: dict[str, int], part_of_output: int, of: RateCard) -> None:
    """CASES 5 and 9: whatever the usage and rates, to 18 decimals: nothing is lost and nothing is negative."""
    usage["reasoning"] = usage.get("output", 0) * part_of_output // 2
    charge = price(usage, of)
    assert charge.amount == lines_total(charge.lines)
    assert charge.amount >= 0
    for part in charge.lines:
        if part.usage_class != "rounding":
            power = 1 if part.usage_class in COUNT_CLASSES else {"mtok": 10**6, "ktok": 10**3, "token": 1}[of.per]
            assert Fraction(part.amount) == Fraction(part.rate) * part.quantity / power


def test_an_empty_bill_is_zero() -> None:
    """No line, no charge."""
    assert (price({}, card(GPT)).amount, lines_total(())) == (Decimal(0), Decimal(0))


OLD = card({"input": "3"})
NEW = card({"input": "2"}, valid_from=date(2026, 9, 10))
NIGHT = card({"input": "1"}, hours=(time(16, 30), time(0, 30)))
NOON = card({"input": "4"}, hours=(time(11), time(13)))


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (datetime(2026, 9, 9, 23, 59, 59, tzinfo=UTC), NIGHT),
        (datetime(2026, 9, 9, 10, tzinfo=UTC), OLD),
        (datetime(2026, 9, 10, 10, tzinfo=UTC), NEW),
        (datetime(2026, 9, 10, 0, 29, 59, tzinfo=UTC), NIGHT),
        (datetime(2026, 9, 10, 0, 30, tzinfo=UTC), NEW),
        (datetime(2026, 9, 10, 16, 30, tzinfo=UTC), NIGHT),
        (datetime(2026, 9, 10, 11, tzinfo=UTC), NOON),
        (datetime(2026, 9, 10, 13, tzinfo=timezone(timedelta(hours=2))), NOON),
        (datetime(2026, 9, 10, 1, tzinfo=timezone(timedelta(hours=2))), NIGHT),
        (datetime(2026, 9, 10, 13, tzinfo=UTC), NEW),
    ],
)
def test_the_last_card_in_force_is_taken(at: datetime, expected: RateCard) -> None:
    """Days and hours are UTC in any zone; an interval may lie over midnight; its end is outside."""
    assert expected == card_at((OLD, NEW, NIGHT, NOON), at)


def test_before_its_first_day_a_model_has_no_card() -> None:
    """A sheet says nothing about the days before it."""
    assert card_at((NEW,), datetime(2026, 9, 9, tzinfo=UTC)) is None
    assert card_at((), datetime(2026, 9, 9, tzinfo=UTC)) is None


def test_a_card_is_named_by_candidate_and_day() -> None:
    """A hold's basis names the card it was reckoned by."""
    assert card_name("relay/m", NEW) == "relay/m@2026-09-10"
    assert card_name("relay/m", OLD) == "relay/m"


FLEX = RateCard(
    id="openai/m",
    source="test",
    unit="USD",
    per="mtok",
    rates={"input": Decimal(2), "output": Decimal(10)},
    tiers=(Tier(above=1000, rates={"input": Decimal(4)}),),
    service={
        "flex": Service(
            rates={"input": Decimal(1), "output": Decimal(5)}, tiers=(Tier(above=1000, rates={"input": Decimal(2)}),)
        )
    },
)


@pytest.mark.parametrize(
    ("service", "tokens", "tier", "amount"),
    [
        ("", 1000, "base", "0.0021"),
        ("default", 1000, "base", "0.0021"),
        ("standard", 1000, "base", "0.0021"),
        ("auto", 1001, "input>1000", "0.004104"),
        ("flex", 1000, "flex", "0.00105"),
        ("Flex", 1000, "flex", "0.00105"),
        ("flex", 1001, "flex input>1000", "0.002052"),
    ],
)
def test_a_tier_of_service_has_its_own_rates(service: str, tokens: int, tier: str, amount: str) -> None:
    """CASES 7, 8: the tier of service first, then the long-context tier within it, and the card says both."""
    charge = price({"input": tokens, "output": 10}, FLEX, service=service)
    assert (tier, Decimal(amount), ()) == (charge.card.tier, charge.amount, charge.unpriced)


@pytest.mark.parametrize(("count", "tier"), [(1000, "base"), (300_000, "input>1000")])
def test_a_tier_of_service_without_rates_is_billed_at_base(count: int, tier: str) -> None:
    """CASES 8, 12: what priority costs is not known here: the base rates are a guess, said so, and never nothing."""
    charge = price({"input": count, "output": 10}, FLEX, service="priority")
    base = price({"input": count, "output": 10}, FLEX)
    assert (("tier_unpriced",), base.lines, base.amount, base.card) == (
        charge.guesses,
        charge.lines,
        charge.amount,
        charge.card,
    )
    assert (tier, ()) == (charge.card.tier, base.guesses)
    assert (base.amount, ("tier_unpriced",)) == cost({"input": count, "output": 10}, FLEX, service="priority")


def test_a_class_that_often_costs_more_than_its_base_is_a_guess_there() -> None:
    """CASES 6, 12: sound, images made and long cache writes without a rate are priced, and said to be guessed."""
    usage = {"input": 10, "cache_read": 10, "cache_write_5m": 10, "image_in": 10, "audio_in": 10, "audio_out": 10}
    charge = price({**usage, "cache_write_1h": 10, "image_out": 10}, card({"input": "1", "output": "5"}))
    assert ("guessed_cache_write_1h", "guessed_audio_in", "guessed_audio_out", "guessed_image_out") == charge.guesses
    assert Decimal("0.00016") == charge.amount


def test_sound_in_a_prompt_costs_what_text_does_where_its_provider_has_one_rate() -> None:
    """A list of Google's names the rate of sound where it differs."""
    gemini = replace(card({"input": "1", "output": "5"}), id="google/gemini-2.5-pro")
    assert () == price({"audio_in": 10}, gemini).guesses
    assert ("guessed_audio_out",) == price({"audio_out": 10}, gemini).guesses


def test_what_is_billed_beside_a_call_is_priced_on_its_own_card_and_rounded_once() -> None:
    """CASES 5, 9, 62: each line names its iteration, the long-context tier goes by the call's own input alone."""
    usage, compaction = {"input": 23_000, "output": 1_000}, {"input": 180_000, "output": 3_500}
    own, dear = card({"input": "3", "output": "15"}), card({"input": "5", "output": "25"})
    charge = price(usage, own, iterations=(IterationUse(usage=compaction, card=own, place=1),))
    assert Decimal("0.6765") == charge.amount == lines_total(charge.lines)
    assert [("input", 0), ("output", 0), ("input", 1), ("output", 1)] == [
        (one.usage_class, one.iteration) for one in charge.lines
    ]
    advised = price(usage, own, iterations=(IterationUse(usage={"input": 1_000, "output": 200}, card=dear, place=2),))
    assert Decimal("0.094") == advised.amount
    assert ("5",) == tuple(used.rates["input"] for used in advised.iterations)
    fine = card({"input": "0.0000005", "output": "0"})
    rounded_once = price({"input": 1}, fine, iterations=(IterationUse(usage={"input": 1}, card=fine, place=1),))
    assert Decimal("0.000000000001") == rounded_once.amount == lines_total(rounded_once.lines)


def test_what_is_billed_beside_a_call_has_its_own_gaps() -> None:
    """CASES 8, 12: a tier or a class that the other card does not know is said, each once."""
    beside = IterationUse(
        usage={"input": 10, "searches": 1, "audio_in": 5}, card=card({"input": "1", "output": "5"}), place=1
    )
    charge = price({"input": 10, "output": 1}, FLEX, service="flex", iterations=(beside, beside))
    assert (("searches",), ("tier_unpriced", "guessed_audio_in")) == (charge.unpriced, charge.guesses)


def test_so_much_a_call_pays_for_what_is_beside_it_too() -> None:
    """CASES 12: a price by the call holds whatever is used."""
    beside = IterationUse(usage={"input": 10}, card=card({"input": "1", "output": "5"}), place=1)
    assert (Decimal("0.02"), ()) == ((charge := price({}, FLAT, iterations=(beside,))).amount, charge.iterations)


FLAT = replace(card({"requests": "0.02"}), terms="flat")
FREE = replace(card({}), terms="free")


@pytest.mark.parametrize("service", ["", "priority"])
@pytest.mark.parametrize("usage", [{}, {"input": 9, "output": 9}, {"seconds": 30, "images": 2}])
def test_so_much_a_call_holds_whatever_is_used(usage: dict[str, int], service: str) -> None:
    """CASES 8, 12: a price by the call has no tiers and asks for no rate of a class; explicitly free neither."""
    charge = price(usage, FLAT, service=service)
    lines = (line("requests", 1, "0.02", "0.02"),)
    assert (Decimal("0.02"), lines, (), "base") == (charge.amount, charge.lines, charge.unpriced, charge.card.tier)
    nothing = price(usage, FREE, service=service)
    assert (Decimal(0), (), (), "base") == (nothing.amount, nothing.lines, nothing.unpriced, nothing.card.tier)


@given(
    usage=st.dictionaries(st.sampled_from((*TOKEN_CLASSES, *COUNT_CLASSES)), st.integers(0, 10**9)),
    service=st.sampled_from(["", "flex", "priority"]),
)
def test_a_hold_costs_what_a_bill_would(usage: dict[str, int], service: str) -> None:
    """CASES 10: the amount for a hold comes from the very function that makes a bill."""
    charge = price(usage, FLEX, service=service)
    tier = tuple(word for word in charge.guesses if word == "tier_unpriced")
    assert (charge.amount, (*charge.unpriced, *tier)) == cost(usage, FLEX, service=service)


def test_eighteen_digits_of_a_rate_stay_exact() -> None:
    """CASES 9: a rate of 18 decimals times a share, an exchange rate and a large count is exact, and rounded once."""
    charge = price({"input": 10**12}, card({"input": "0.123456789012345678"}, share="0.3333333333", fx="7.123456789"))
    exact = Fraction("0.123456789012345678") * Fraction("0.3333333333") * Fraction("7.123456789") * 10**6
    assert Decimal(round(exact * 10**12)).scaleb(-12) == charge.amount
    assert charge.amount == lines_total(charge.lines)


WIDE = Context(prec=200)


def greatest(below: Decimal, places: int) -> Decimal:
    """Return the greatest number below `below` with so many digits after the point."""
    return Decimal(int(below) * 10**places - 1).scaleb(-places, WIDE)


def numbers(below: Decimal, places: int) -> st.SearchStrategy[Decimal]:
    """Return numbers of every size below `below`, with up to so many digits after the point."""
    most = int(greatest(below, places).scaleb(places, WIDE))
    return st.integers(0, most).map(lambda number: Decimal(number).scaleb(-places, WIDE))


@given(
    per=st.sampled_from(sorted(PER)),
    quantity=st.integers(0, MOST_TOKENS),
    rate=numbers(BELOW, RATE_PLACES),
    share=numbers(MOST_SHARE, SHARE_PLACES),
    fx=numbers(BELOW, SHARE_PLACES),
)
@example(
    per="token",
    quantity=MOST_TOKENS,
    rate=greatest(BELOW, RATE_PLACES),
    share=greatest(MOST_SHARE, SHARE_PLACES),
    fx=greatest(BELOW, SHARE_PLACES),
)
def test_no_price_that_may_be_written_is_inexact(
    per: str, quantity: int, rate: Decimal, share: Decimal, fx: Decimal
) -> None:
    """CASES 9: whatever rates, shares and exchange rates a config may hold, of any usage, sum up without a rest."""
    places = RATE_PLACES - PER[per]
    token = Decimal(int(rate.scaleb(places, WIDE))).scaleb(-places, WIDE)
    names = (*TOKEN_CLASSES, *COUNT_CLASSES, "reasoning")
    rates = {name: rate if name in COUNT_CLASSES else token for name in names}
    own = RateCard(id="r/m", source="test", unit="CNY", per=per, rates=rates, list_share=share, fx=fx)
    charge = price({**dict.fromkeys(names, quantity), "reasoning": quantity // 2}, own)
    assert charge.amount == lines_total(charge.lines)
    assert () == charge.unpriced


PREMIUM = replace(card({**GPT, "searches": "0.01"}), factors={"region eu": Decimal("1.1")}, geo={"us": Decimal("1.2")})


@pytest.mark.parametrize(
    ("geo", "rate", "factors"),
    [
        ("", "1.375", {"region eu": "1.1"}),
        ("global", "1.375", {"region eu": "1.1"}),
        ("us", "1.65", {"region eu": "1.1", "geo us": "1.2"}),
    ],
)
def test_a_premium_is_on_every_token_and_on_no_search(geo: str, rate: str, factors: dict[str, str]) -> None:
    """A factor of the card and one of where it was computed stack; the card says which were applied."""
    charge = price({"input": 1_000_000, "searches": 2}, PREMIUM, geo=geo)
    assert charge.lines == (line("input", 1_000_000, rate, rate), line("searches", 2, "0.01", "0.02"))
    assert (charge.card.factors, charge.card.rates["input"]) == (factors, "1.25")
    assert cost({"input": 1_000_000, "searches": 2}, PREMIUM, geo=geo) == (charge.amount, ())
    assert charge.guesses == ()


@pytest.mark.parametrize(
    ("own", "geo", "expected"),
    [
        (PREMIUM, "eu", ("geo_unpriced",)),
        (PREMIUM, "us", ()),
        (PREMIUM, "not_available", ()),
        (card(GPT), "eu", ()),  # costs the same everywhere, as far as anybody states
        (replace(PREMIUM, terms="free", rates={}), "eu", ()),
        (replace(PREMIUM, sibling_of="m"), "eu", ("geo_unpriced", "sibling_price")),
    ],
)
def test_a_place_that_the_card_does_not_name(own: RateCard, geo: str, expected: tuple[str, ...]) -> None:
    """CASES 15: a card with premiums by place and none for this one: base rates, and said to be a guess."""
    charge = price({"input": 1_000_000}, own, geo=geo)
    assert expected == charge.guesses
    if "geo_unpriced" in expected:
        assert charge.amount == price({"input": 1_000_000}, own).amount


def test_a_premium_stacks_with_share_exchange_and_tier() -> None:
    """A line's rate is after all of them: 1.25 of flex's half, a tenth more, 35 % of it, at 7.10."""
    flex = Service(rates={"input": Decimal("0.625"), "output": Decimal(5)}, source="flex by its page")
    relay = replace(PREMIUM, list_share=Decimal("0.35"), fx=Decimal("7.10"), service={"flex": flex})
    charge = price({"input": 1_000_000}, relay, service="flex")
    assert charge.lines == (line("input", 1_000_000, "1.7084375", "1.7084375"),)
    assert charge.card.source == "test, flex by its page"
    assert charged(relay, "input", Decimal("0.625")) == Decimal("1.7084375")
    assert charged(relay, "searches", Decimal("0.01")) == Decimal("0.02485")
    assert charged(card(GPT), "input", Decimal(2)) == Decimal(2)


@pytest.mark.parametrize(
    ("usage_class", "rates", "rate", "guesses"),
    [
        # A sheet that says nothing of writes has all of them as input.
        ("cache_write_5m", {}, "1.25", ()),
        ("cache_write_30m", {}, "1.25", ()),
        ("cache_write_1h", {}, "1.25", ("guessed_cache_write_1h",)),
        # Which of the two a write of no stated lifetime is, the provider's usual one prices it.
        ("cache_write_5m", {"cache_write_30m": "2"}, "2", ()),
        ("cache_write_30m", {"cache_write_5m": "3"}, "3", ()),
        ("cache_write_5m", {"cache_write_1h": "9"}, "1.25", ()),
        # A longer one than those with a rate costs at least the dearest of them, and nobody says how much.
        ("cache_write_1h", {"cache_write_5m": "3"}, "3", ("guessed_cache_write_1h",)),
        ("cache_write_12h", {"cache_write_5m": "3", "cache_write_1h": "6"}, "6", ("guessed_cache_write_12h",)),
        ("cache_write_12h", {"cache_write_1h": "6", "cache_write_30m": "7"}, "7", ("guessed_cache_write_12h",)),
        ("cache_write_12h", {}, "1.25", ("guessed_cache_write_12h",)),
        ("cache_write_12h", {"cache_write_12h": "8"}, "8", ()),
    ],
)
def test_a_write_without_a_rate(usage_class: str, rates: dict[str, str], rate: str, guesses: tuple[str, ...]) -> None:
    """CASES 2: a lifetime that no rate is stated for is priced at the dearest that is known, and that is a guess."""
    charge = price({usage_class: 1_000_000}, card({**GPT, **rates}))
    assert (charge.lines, charge.guesses) == ((line(usage_class, 1_000_000, rate, rate),), guesses)


@pytest.mark.parametrize("usage_class", WRITE_CLASSES)
def test_a_write_that_nothing_prices_is_unpriced(usage_class: str) -> None:
    """CASES 12: without a rate for input there is nothing to guess from."""
    charge = price({usage_class: 1}, card({"output": "1"}))
    assert (charge.unpriced, charge.guesses) == ((usage_class,), ())


def test_a_card_that_is_not_sure_says_so() -> None:
    """A sibling's card, one that may not hold and a rate that may be less are guesses; what is not used is none."""
    usage = {"input": 1, "output": 1}
    assert price(usage, card(GPT)).guesses == ()
    assert price(usage, replace(card(GPT), sibling_of="m-2")).guesses == ("sibling_price",)
    assert price(usage, replace(card(GPT), uncertain="the holidays")).guesses == ("uncertain_card",)
    dearest = replace(card({**GPT, "requests": "0.012", "searches": "1"}), guessed={"requests": "it", "searches": "it"})
    assert price(usage, dearest).guesses == ("guessed_requests",)


BY_WEEKDAY = Days(utc_offset_h=8, weekdays=(1, 2, 3, 4, 5), except_days=(date(2026, 10, 1),), since=date(2026, 8, 23))
OFF_PEAK, PEAK = card({"input": "1"}), replace(card({"input": "2"}, hours=(time(16), time(18))), days=BY_WEEKDAY)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (datetime(2026, 11, 27, 15, tzinfo=UTC), OFF_PEAK),  # the hour before
        (datetime(2026, 11, 26, 17, tzinfo=UTC), PEAK),  # a Thursday here, Friday 1 o'clock there
        (datetime(2026, 11, 27, 17, tzinfo=UTC), OFF_PEAK),  # a Friday here, Saturday there
        (datetime(2026, 11, 29, 17, tzinfo=UTC), PEAK),  # a Sunday here, Monday there
        (datetime(2026, 9, 30, 17, tzinfo=UTC), OFF_PEAK),  # a holiday there
        (datetime(2026, 10, 1, 17, tzinfo=UTC), PEAK),  # the day after it there
        (datetime(2026, 8, 21, 17, tzinfo=UTC), PEAK),  # a Saturday before weekends counted
        (datetime(2026, 8, 22, 17, tzinfo=UTC), OFF_PEAK),  # the Sunday since when they do
    ],
)
def test_the_days_of_a_card_are_its_providers(at: datetime, expected: RateCard) -> None:
    """Weekdays and holidays are those of the provider's clock, hours are UTC."""
    assert card_at((OFF_PEAK, PEAK), at) is expected
    assert card_at((OFF_PEAK, PEAK), at.astimezone(timezone(timedelta(hours=-5)))) is expected
