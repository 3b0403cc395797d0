"""Prices on a screen are readable without colour, on a narrow one too, and say where each figure comes from."""

from datetime import date
from decimal import Decimal

from builders import LIST, OFFICIAL, PLAN, RELAY, START, card, config
from msgspec.structs import replace
from screens import printed

from tokens_forge.core.candidates import candidate
from tokens_forge.core.config import Sheet
from tokens_forge.core.list_changes import Counts, ListChange
from tokens_forge.core.moments import stamp
from tokens_forge.core.price_review import Noted
from tokens_forge.core.prices import Days, RateCard, Service, Tier
from tokens_forge.core.quotes import Quote, quote
from tokens_forge.core.sheet_changes import RateChange, SheetChange, sheet_change
from tokens_forge.view.prices import changes_view, list_view, prices_view, review_view, short

USAGE = {"input": 1000, "output": 500}


def lines(*quotes: Quote, width: int = 80) -> list[str]:
    """Return what is printed of quotes."""
    return printed(prices_view(quotes, USAGE, stamp(START)), width)


def quoted(name: str, *own: RateCard, listed: bool = True) -> Quote:
    """Return a candidate's quote, beside the bench's list."""
    plain = (card("openai/m", LIST, source="genai-prices 0"),) if listed else ()
    return quote(config(), candidate(config(), name), (own, plain), at=START, usage=USAGE)


def test_a_share_of_the_list_stands_beside_it() -> None:
    """Rates as they are charged, what they were made of, the list in its own unit, and the sample of both."""
    own = card(
        "openai/m", LIST, source="genai-prices 0", list_share=Decimal("0.35"), fx=Decimal("7.1"), resolved=("m-1", "m")
    )
    expected = """\
relay/m  ordinary, paid by wallet (prepaid, CNY)
from   genai-prices 0: openai/m at 35 %, 7.1 CNY for one USD since 2026-01-01
name   m-1 → m
              base  list
per Mtok       CNY   USD
input        2.485     1
cache_read  0.2485   0.1
output      12.425     5
1,000 tokens in, 500 out: 0.0086975 CNY; list 0.0035 USD"""
    assert expected.splitlines() == lines(quoted(RELAY, own))


def test_a_sheet_shows_its_tiers_and_what_is_to_come() -> None:
    """Each tier is a column, counts are for one, and a class without a rate of its own has none."""
    long = Tier(above=200_000, rates={"input": Decimal(8)})
    flex = Service(rates={"input": Decimal(2), "output": Decimal(14)})
    own = card(
        RELAY, {"input": "4", "output": "28", "requests": "0.1"}, unit="CNY", tiers=(long,), service={"flex": flex}
    )
    later = card(RELAY, {"input": "5"}, unit="CNY", per="ktok", valid_from=date(2027, 1, 1))
    expected = """\
relay/m  ordinary, paid by wallet (prepaid, CNY)
from   test (prices.toml:5): relay/m since 2026-01-01 until 2027-01-01
list   genai-prices 0: openai/m since 2026-01-01
                base  input>200000  flex  list
per Mtok         CNY           CNY   CNY   USD
input              4             8     2     1
cache_read         -             -     -   0.1
output            28            28    14     5
requests, each   0.1           0.1     -     -
1,000 tokens in, 500 out: 0.118 CNY; list 0.0035 USD
from 2027-01-01 on: input 5 CNY per 1,000 tokens"""
    found = quoted(RELAY, own, later)
    assert expected.splitlines() == lines(replace(found, sheet="prices.toml:5"))
    narrow = lines(found, width=40)
    assert all(len(line) <= 40 for line in narrow)


def test_the_list_is_shown_for_as_many_tokens_as_the_sheet() -> None:
    """A column has one unit of tokens: a list for a million beside a sheet for 1,000 is a thousandth of it."""
    own = card(RELAY, {"input": "0.004", "output": "0.028", "requests": "0.1"}, unit="CNY", per="ktok")
    expected = """\
                   base    list
per 1,000 tokens    CNY     USD
input             0.004   0.001
cache_read            -  0.0001
output            0.028   0.005
requests, each      0.1       -"""
    assert expected.splitlines() == lines(quoted(RELAY, own))[3:-1]


def test_beyond_a_pool_its_overage_pays() -> None:
    """A card of a pool's route is never what a call in the pool costs."""
    own = card(PLAN, {"input": "4", "output": "8"}, unit="USD")
    found = quoted(PLAN, own, listed=False)
    beyond = lines(replace(found, overage="credit"))
    assert "a call counts in the pool; beyond it credit pays" == beyond[1]
    assert "1,000 tokens in, 500 out: beyond the pool 0.008 USD" == beyond[-1]
    assert "a call counts in the pool and costs nothing more" == lines(found)[1]


def test_a_missing_price_says_what_comes_of_it() -> None:
    """CASES 12: no price is not zero."""
    found = lines(quoted(RELAY, listed=False))
    said = "no price is known on 2026-11-24: its calls are refused, unless `[settle] unpriced` allows them"
    assert said == " ".join(found[1:])
    half = lines(quoted(RELAY, card(RELAY, {"input": "1"}, unit="CNY"), listed=False))
    assert "1,000 tokens in, 500 out: 0.001 CNY; without output, which has no rate" in half


def test_where_no_money_pays_the_list_stands_alone() -> None:
    """A pool's call costs nothing more; a free one nothing; a model without a route has its list price."""
    pool = lines(quoted(PLAN))
    assert [
        "plan/m  subscription, paid by plan (pool, requests)",
        "a call counts in the pool and costs nothing more",
    ] == pool[:2]
    assert "1,000 tokens in, 500 out: list 0.0035 USD" == pool[-1]
    free = lines(quoted("local/m", listed=False))
    assert ["local/m  local, paid by local (free)", "a call costs nothing"] == free
    alone = quoted(PLAN).list
    assert "openai/m, the list price" == lines(Quote(candidate="openai/m", list=alone))[0]
    both = lines(quoted(PLAN), quoted("local/m", listed=False))
    assert "" == both[len(pool)]


def test_terms_other_than_rates_say_what_they_are() -> None:
    """Free is known to be free, reported says what its rates are for, time is sold by the second."""
    free = lines(quoted(OFFICIAL, card(OFFICIAL, {"input": "0"}, terms="free"), listed=False))
    assert "from   test: official/m since 2026-01-01, known to cost nothing" == free[1]
    reported = lines(quoted(OFFICIAL, card(OFFICIAL, LIST, terms="reported"), listed=False), width=100)
    assert "since 2026-01-01: what it reports; these rates are for the hold" in reported[1]
    timed = lines(quoted(OFFICIAL, card(OFFICIAL, {"input": "0", "output": "0", "seconds": "0.02"}), listed=False))
    assert ["seconds, each  0.02", "1,000 tokens in, 500 out: 0.02 USD a second"] == timed[-2:]


def test_hours_are_told() -> None:
    """A card of some hours says which, in UTC."""
    from datetime import time  # noqa: PLC0415 - only here

    day = card(RELAY, {"input": "2", "output": "2"}, valid_from=None, fx=Decimal(10))
    night = card(RELAY, {"input": "1", "output": "1"}, valid_from=None, fx=Decimal(10), hours=(time(9), time(11)))
    found = lines(quoted(RELAY, day, night, listed=False))
    assert "from   test: relay/m, 10 CNY for one USD, 09:00 to 11:00 UTC" == found[1]
    assert "else: input 20, output 20 CNY per Mtok" == found[-1]
    at_day = quote(config(), candidate(config(), RELAY), ((day, night), ()), at=START.replace(hour=20), usage=USAGE)
    assert "09:00 to 11:00 UTC: input 10, output 10 CNY per Mtok" == lines(at_day)[-1]


def sheet(day: date, rate: str, **more: object) -> Sheet:
    """Return a sheet."""
    return Sheet(**{"valid_from": day, "unit": "CNY", "input": Decimal(rate), **more})  # pyright: ignore[reportArgumentType] - a builder's changes


def test_what_is_added_and_what_nobody_knows_stand_on_the_card() -> None:
    """Premiums, days, doubts, a sibling's price and the page behind a tier, each on a line."""
    own = card(
        "official/m",
        LIST,
        source="genai-prices 0",
        factors={"region eu.api.openai.com": Decimal("1.1")},
        geo={"us": Decimal("1.1")},
        days=Days(utc_offset_h=8, weekdays=(1, 2, 3, 4, 5)),
        uncertain="whether a weekday is a holiday",
        sibling_of="m-2",
        guessed={"searches": "some are free"},
        service={"flex": Service(rates={"input": Decimal("0.5")}, source="a page (read 2026-11)")},
    )
    said = lines(quoted(OFFICIAL, own), width=120)
    assert [
        "with   x 1.1 for region eu.api.openai.com, in the rates of tokens below",
        "plus   x 1.1 on tokens where the reply says that it was computed in `us`",
        "days   Monday to Friday (UTC+8)",
        "guess  nobody knows yet whether a weekday is a holiday: an upper bound, and charges are estimates",
        "guess  the list does not know `m-2`: the newest of its family, and charges are estimates",
        "guess  searches: some are free; charges with it are estimates",
        "tier   a page (read 2026-11)",
    ] == [line for line in said if line[:7] in {f"{word:<7}" for word in ("with", "plus", "days", "guess", "tier")}]
    assert any(line.split()[:3] == ["input", "1.1", "0.55"] for line in said)


def test_a_newer_list_says_what_it_changes() -> None:
    """How much of it, then each rate of the models that the config names; those that stay are counted."""
    served = (
        ListChange(
            candidate="official/m",
            status="changed",
            rates=(RateChange(usage_class="input", old="1", new="2", factor="2"),),
        ),
        ListChange(candidate="official/n", status="gone"),
        ListChange(candidate="official/o", status="same"),
    )
    expected = """\
genai-prices data of 2026-11-30, data.json instead of genai-prices 0
2 models new, 1 changed, 1 gone, 1,000 as they were
official/m  changed, USD per Mtok
  input  1 → 2  x 2
official/n  no list price any more, USD per Mtok
1 of the 3 models that the config names stay as they are"""
    counted = Counts(new=2, changed=1, gone=1, same=1000)
    said = list_view(counted, served, "genai-prices 0", "genai-prices data of 2026-11-30, data.json")
    assert expected.splitlines() == [line.rstrip() for line in printed(said, 80) if line.strip()]
    assert "1 model new, 0 changed, 0 gone, 0 as they were" == printed(list_view(Counts(new=1), (), "a", "b"))[1]


def test_a_lists_changes_are_a_line_a_rate() -> None:
    """Old and new with the factor; what stays and what is gone is counted."""
    old, day = date(2026, 10, 1), date(2026, 11, 24)
    other = sheet(old, "1", unit="USD", per="ktok", cache_read=Decimal(1), fx=Decimal(7))
    moved = (
        sheet_change("relay", "a", None, sheet(day, "4", output=Decimal(28))),
        sheet_change("relay", "b", other, sheet(day, "5000")),
        sheet_change("relay", "c", sheet(day, "3"), sheet(day, "3.6", output=Decimal(1))),
        sheet_change("relay", "d", sheet(old, "3"), sheet(day, "3")),
        SheetChange(route="relay", model="e", status="gone"),
    )
    expected = """\
relay/a  CNY per Mtok from 2026-11-24 on; new
  input   4
  output  28
relay/b  CNY per Mtok from 2026-11-24 on; after the sheet from 2026-10-01
  the figures before are in USD per 1,000 tokens
  also changed: fx
  input       1 → 5000  x 0.714
  cache_read  1 → -     no rate of its own any more
relay/c  CNY per Mtok from 2026-11-24 on; instead of the sheet of that day
  input   3 → 3.6  x 1.2
  output  - → 1
1 unchanged: relay/d
1 not in this list any more; its sheet stays: relay/e"""
    assert expected.splitlines() == printed(changes_view(moved))


def test_the_worst_is_said_first() -> None:
    """Missing prices with their line, then what is far, old and to come."""
    notes = (
        Noted(kind="old", what="genai-prices 0 knows no price that began after 2026-01-01"),
        Noted(kind="future", candidate="relay/a", what="from 2027 on"),
        Noted(kind="missing", candidate="relay/\x1b[2Jb", what="no price", line="tf prices set relay b"),
        Noted(kind="far", candidate="relay/c", what="10 times"),
    )
    assert [
        "missing relay/\\x1b[2Jb: no price",
        "far     relay/c: 10 times",
        "old     genai-prices 0 knows no price that began after 2026-01-01",
        "future  relay/a: from 2027 on",
    ] == printed(review_view(notes))


def test_a_factor_has_about_three_digits() -> None:
    """It is read, not reckoned with."""
    assert ["1.1", "0.714", "0.000123", "1235", "10", "3"] == [
        short(Decimal(text)) for text in ("1.1", "0.714285714286", "0.00012345", "1234.9", "10", "2.996")
    ]
