"""What new prices change, and what is refused before it is written."""

from datetime import date
from decimal import Decimal

import msgspec
from builders import config

from tokens_forge.core.config import Config, Report, Sheet
from tokens_forge.files.price_catalog import Catalog
from tokens_forge.files.price_sheets import RouteSheets, Sheets, merged
from tokens_forge.files.price_taking import Told, against, changes, taken

OCTOBER, NOVEMBER, TODAY = date(2026, 10, 1), date(2026, 11, 1), date(2026, 11, 24)


def sheet(day: date = NOVEMBER, rate: str = "4", **more: object) -> Sheet:
    """Return a sheet from a day on."""
    return Sheet(**{"valid_from": day, "unit": "CNY", "input": Decimal(rate), "output": Decimal(28), **more})  # pyright: ignore[reportArgumentType] - a builder's changes


def told(*sheets: Sheet, model: str = "m", where: str = "list.csv:2") -> Told:
    """Return what somebody says of a model on the relay."""
    return Told(route="relay", model=model, sheets=sheets, where=where)


def priced(mine: tuple[Sheet, ...] = (), users: tuple[Sheet, ...] = (), model: str = "m") -> tuple[Config, Sheets]:
    """Return a config with sheets of the user's own and of the machine's, and the latter."""
    conf = config(report=Report())
    relay = msgspec.structs.replace(conf.route["relay"], serves=("*",), prices={model: users} if users else {})
    kept = Sheets(route={"relay": RouteSheets(prices={model: mine})}) if mine else Sheets()
    return merged(msgspec.structs.replace(conf, route={**conf.route, "relay": relay}), kept)[0], kept


def refused(by: tuple[Config, Sheets], *said: Told, mend: bool = False) -> list[str]:
    """Return what stands against prices."""
    moved = changes(by[0], said, whole=False)
    return [str(problem) for problem in against(*by, said, moved, Catalog(), mend=mend)]


def test_each_sheet_is_compared_with_the_one_before_it() -> None:
    """Also with one that stands before it in the same list."""
    conf, _ = priced(mine=(sheet(OCTOBER, "2"),))
    moved = changes(conf, (told(sheet(NOVEMBER, "3"), sheet(TODAY, "6")), told(sheet(), model="n")), whole=False)
    assert [("changed", "1.5"), ("changed", "2"), ("new", "")] == [
        (change.status, change.rates[0].factor) for change in moved
    ]


def test_what_a_whole_list_has_no_longer_is_told() -> None:
    """Its sheet stays: no list says that a price ends. Of one price alone nothing follows."""
    conf, _ = priced(mine=(sheet(OCTOBER),), model="old")
    assert [("new", "m"), ("gone", "old")] == [
        (change.status, change.model) for change in changes(conf, (told(sheet()),), whole=True)
    ]
    assert ["m"] == [change.model for change in changes(conf, (told(sheet()),), whole=False)]


def test_a_rate_that_is_far_off_is_refused_with_both_figures() -> None:
    """CASES 11: beside the list price where there is one, else beside what it was."""
    found = refused(priced(mine=(sheet(OCTOBER),)), told(sheet(rate="4000")))
    leap = "input would go from 4 CNY per mtok to 4000 CNY per mtok, a factor of 500 or more"
    assert [f"list.csv:2: relay/m: {leap}; --mend says that it is meant"] == found
    assert [] == refused(priced(mine=(sheet(OCTOBER),)), told(sheet(rate="4000")), mend=True)
    dear = refused(priced(), told(sheet(rate="40", per="token"), model="gpt-5", where=""))
    assert all(line.startswith("relay/gpt-5: 40000000 CNY per Mtok of input from 2026-11-01") for line in dear[:1]), (
        dear
    )
    assert [] == refused(priced(mine=(sheet(OCTOBER),)), told(sheet(rate="40")))


def test_what_a_config_forbids_is_refused() -> None:
    """By the config's own words, and only what the new sheets cause."""
    assert ["list.csv:2: relay/m: a rate of -1 for input is less than nothing"] == refused(
        priced(), told(sheet(rate="-1"))
    )
    in_usd = refused(priced(), told(sheet(unit="USD")))
    assert in_usd[0].startswith("list.csv:2: relay/m: the sheet is in USD and `wallet` in CNY")
    assert [] == refused(priced(users=(sheet(OCTOBER, fx=Decimal(7)),)), told(sheet()))


def test_the_users_own_sheet_of_that_day_stands() -> None:
    """A price that would count nothing is refused; the machine's own of that day makes way; the same again is fine."""
    users = priced(users=(sheet(),))
    what = "list.csv:2: relay/m: the config has a sheet from 2026-11-01, and that one counts: change it there"
    assert [what] == refused(users, told(sheet(rate="5")))
    assert [] == refused(users, told(sheet()))
    assert [] == refused(priced(mine=(sheet(),)), told(sheet(rate="5")))


def test_what_is_the_same_is_only_noted_as_checked() -> None:
    """An unchanged list makes no new sheets, and its prices are no longer old."""
    conf, kept = priced(mine=(sheet(OCTOBER),))
    said = (told(sheet(TODAY)), told(sheet(TODAY), model="n"))
    after = taken(kept, said, changes(conf, said, whole=True), today=TODAY).route["relay"]
    assert {"m": (sheet(OCTOBER),), "n": (sheet(TODAY),)} == after.prices
    assert {"m": TODAY, "n": TODAY} == after.checked
