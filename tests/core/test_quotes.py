"""What a model costs, told by the function that bills it."""

from datetime import UTC, date, datetime, time
from decimal import Decimal

from builders import LIST, OFFICIAL, PLAN, RELAY, START, card, config

from tokens_forge.core.candidates import candidate
from tokens_forge.core.config import Config
from tokens_forge.core.money import text
from tokens_forge.core.prices import Days, RateCard, Service, Tier, price
from tokens_forge.core.quotes import Quote, quote, shown

USAGE = {"input": 1000, "output": 500}


def quoted(name: str, *own: RateCard, at: datetime = START, conf: Config | None = None) -> Quote:
    """Return the quote of a candidate with its own cards and the bench's list."""
    conf = conf or config()
    return quote(conf, candidate(conf, name), (own, (card(name, LIST),)), at=at, usage=USAGE)


def test_the_sample_is_a_bill() -> None:
    """CASES 10: the sample call costs what `price` says, in the balance's unit, and the list stands beside it."""
    own = card(RELAY, LIST, list_share=Decimal("0.5"), fx=Decimal(10))
    found = quoted(RELAY, own)
    assert found.card is not None
    assert found.list is not None
    charge = price(USAGE, own)
    assert (text(charge.amount), "CNY", charge.lines) == (
        found.card.sample.amount,
        found.card.sample.unit,
        found.card.sample.lines,
    )
    assert {"input": "5", "cache_read": "0.5", "output": "25"} == found.card.tiers[0].rates
    assert ("USD", "0.5", "10", "2026-01-01") == (
        found.card.card_unit,
        found.card.list_share,
        found.card.fx,
        found.card.valid_from,
    )
    assert ("0.0035", "USD", "") == (found.list.sample.amount, found.list.unit, found.list.card_unit)
    assert ("ordinary", "wallet", "prepaid", "CNY", "") == (
        found.route_class,
        found.balance,
        found.kind,
        found.unit,
        found.missing,
    )


def test_every_tier_is_told_as_a_charge_names_it() -> None:
    """CASES 7 and 8: long input and tiers of service, whole, in the words of the ledger."""
    long = Tier(above=200, rates={"input": Decimal(2)})
    flex = Service(rates={"input": Decimal("0.5"), "output": Decimal(2)}, tiers=(long,))
    found = quoted(OFFICIAL, card(OFFICIAL, LIST, tiers=(long,), service={"flex": flex}))
    assert found.card is not None
    tiers = {tier.tier: tier.rates for tier in found.card.tiers}
    assert ["base", "input>200", "flex", "flex input>200"] == list(tiers)
    assert {"input": "2", "output": "2"} == tiers["flex input>200"]
    assert {"input": "2", "cache_read": "0.1", "output": "5"} == tiers["input>200"]
    for name, service in (("input>200", ""), ("flex input>200", "flex")):
        charge = price(
            {"input": 201, "output": 1}, card(OFFICIAL, LIST, tiers=(long,), service={"flex": flex}), service=service
        )
        assert name == charge.card.tier
        assert [tiers[name]["input"], tiers[name]["output"]] == [line.rate for line in charge.lines[:2]]


def test_what_is_still_to_come_and_other_hours_stand_behind() -> None:
    """The card of the moment comes first; others of the day by their hours, then those of later days."""
    night = card(RELAY, {"input": "1", "output": "1"}, valid_from=None, hours=(time(20), time(6)))
    by_day = card(RELAY, {"input": "2", "output": "2"}, valid_from=None)
    old = card(RELAY, {"input": "9", "output": "9"}, valid_from=date(2025, 1, 1))
    later = card(RELAY, {"input": "3", "output": "3"}, valid_from=date(2027, 1, 1))
    found = quoted(RELAY, old, by_day, night, later)
    assert found.card is not None
    assert ("2", ()) == (found.card.tiers[0].rates["input"], found.card.hours)
    assert [("1", ("20:00", "06:00"), ""), ("3", (), "2027-01-01")] == [
        (other.tiers[0].rates["input"], other.hours, other.valid_from) for other in found.others
    ]
    assert ("2027-01-01", "") == (found.card.until, found.others[1].until)
    at_night = quoted(RELAY, by_day, night, at=datetime(2026, 11, 24, 22, tzinfo=UTC))
    assert at_night.card is not None
    assert "1" == at_night.card.tiers[0].rates["input"]
    assert ["2"] == [other.tiers[0].rates["input"] for other in at_night.others]


def test_a_missing_price_names_its_line() -> None:
    """CASES 12: where money pays, no card, a card of the future alone and one without a needed rate are no price."""
    line = "tf prices set relay m --input … --output … --unit CNY"
    assert (line, None) == (quoted(RELAY).missing, quoted(RELAY).card)
    future = quoted(RELAY, card(RELAY, LIST, valid_from=date(2027, 1, 1)))
    assert (line, 1) == (future.missing, len(future.others))
    half = quoted(RELAY, card(RELAY, {"input": "1"}))
    assert half.card is not None
    assert (line, ("output",)) == (half.missing, half.card.sample.unpriced)


def test_where_no_money_pays_no_price_is_missing() -> None:
    """CASES 12: a pool, and a route whose upstream says what it cost, need none; nor does what is free."""
    assert ("", "pool", "requests") == (quoted(PLAN).missing, quoted(PLAN).kind, quoted(PLAN).unit)
    reported = quoted(RELAY, card(RELAY, {}, terms="reported"))
    assert "" == reported.missing
    free = quoted(RELAY, card(RELAY, {}, terms="free"))
    assert "" == free.missing


def test_what_is_sold_by_time_shows_a_second() -> None:
    """A price per second has no tokens to show."""
    found = quoted(OFFICIAL, card(OFFICIAL, {"input": "0", "output": "0", "seconds": "0.02"}))
    assert found.card is not None
    assert "0.02" == found.card.sample.amount
    timed = shown((card(OFFICIAL, {"seconds": "0.02"}),), START, {"seconds": 3})
    assert timed is not None
    assert "0.06" == timed.sample.amount


def test_a_card_of_the_catalogue_says_how_its_name_was_found() -> None:
    """CASES 13 and 15: names, source, context."""
    found = quoted(OFFICIAL, card(OFFICIAL, LIST, resolved=("openai/m-2025", "m"), context_window=400, valid_from=None))
    assert found.card is not None
    assert (("openai/m-2025", "m"), 400, "test", "", "") == (
        found.card.resolved,
        found.card.context_window,
        found.card.source,
        found.card.valid_from,
        found.card.until,
    )


def test_what_is_in_the_rates_and_what_is_not_sure_is_told() -> None:
    """Premiums of the place are in the rates and the sample; days, guesses and further premiums stand beside them."""
    days = Days(utc_offset_h=8, weekdays=(1, 2, 3, 4, 5), except_days=(date(2026, 10, 1),))
    flex = Service(rates={"input": Decimal(1), "output": Decimal(1)}, source="flex by its page")
    own = card(
        OFFICIAL,
        LIST,
        begins=date(2026, 2, 1),
        valid_from=None,
        hours=(time(0), time(23, 59)),
        days=days,
        uncertain="the holidays",
        sibling_of="m",
        guessed={"searches": "some are free"},
        factors={"region eu": Decimal("1.1")},
        geo={"us": Decimal("1.2")},
        service={"flex": flex},
    )
    found = quoted(OFFICIAL, own, at=datetime(2026, 11, 24, 12, tzinfo=UTC)).card
    assert found is not None
    assert (found.days, found.uncertain, found.sibling_of) == (
        "Monday to Friday but 1 public holidays (UTC+8)",
        "the holidays",
        "m",
    )
    assert (found.guessed, found.factors, found.geo) == (
        {"searches": "some are free"},
        {"region eu": "1.1"},
        {"us": "1.2"},
    )
    assert [(tier.rates["input"], tier.source) for tier in found.tiers] == [("1.1", ""), ("1.1", "flex by its page")]
    assert (found.sample.amount, found.valid_from) == ("0.00385", "2026-02-01")


def test_cards_of_other_days_stand_behind() -> None:
    """On a Saturday the hours of the week are told too, and those of a year to come once."""
    off_peak = card(OFFICIAL, {"input": "1", "output": "1"}, valid_from=None)
    days = Days(utc_offset_h=-3, weekdays=(1, 3))
    peak = card(OFFICIAL, {"input": "2", "output": "2"}, valid_from=None, hours=(time(1), time(4)), days=days)
    later = card(
        OFFICIAL,
        {"input": "3", "output": "3"},
        valid_from=None,
        begins=date(2026, 12, 10),
        hours=(time(1), time(4)),
        days=days,
    )
    found = quoted(OFFICIAL, off_peak, peak, later, at=datetime(2026, 11, 28, 2, tzinfo=UTC))
    assert found.card is not None
    assert found.card.tiers[0].rates["input"] == "1"
    assert [(it.tiers[0].rates["input"], it.days, it.until) for it in found.others] == [
        ("2", "Monday, Wednesday (UTC-3)", "2026-12-10"),
        ("3", "Monday, Wednesday (UTC-3)", ""),
    ]
