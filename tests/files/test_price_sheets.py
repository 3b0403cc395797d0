"""`prices.toml` and the config are one: whose sheet counts on which day, and which file is told to be wrong."""

import stat
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokens_forge.core.config import Config, Finding, LongInput, Rates, Sheet
from tokens_forge.core.errors import ConfigError, ForgeError
from tokens_forge.files.config_file import load, read, stored
from tokens_forge.files.price_sheets import (
    RouteSheets,
    Sheets,
    changing,
    encoded,
    merged,
    read_sheets,
    together,
    with_sheet,
)

CONFIG = """\
[balance.wallet]
kind = "prepaid"
unit = "CNY"

[upstream.relay]
dialect = "openai"
base_url = "https://relay.example/v1"
credential = "env:RELAY_KEY"

[route.relay]
class = "ordinary"
upstream = "relay"
balance = "wallet"
serves = ["m", "n"]
[route.relay.prices]
m = [{ from = 2026-11-01, unit = "CNY", input = 4, output = 28 }]
"""

NOVEMBER, DECEMBER = date(2026, 11, 1), date(2026, 12, 1)


def sheet(day: date = NOVEMBER, rate: str = "1", **changes: object) -> Sheet:
    """Return a sheet from a day on."""
    return Sheet(**{"valid_from": day, "unit": "CNY", "input": Decimal(rate), **changes})  # pyright: ignore[reportArgumentType] - a builder's changes


def of_relay(**prices: Sheet) -> Sheets:
    """Return sheets of the route `relay`, one a model."""
    return Sheets(route={"relay": RouteSheets(prices={model: (one,) for model, one in prices.items()})})


def told(folder: Path, prices: str, config: str = CONFIG) -> tuple[Config | None, list[str]]:
    """Return the config of both files and their problems, without the folder's name."""
    (folder / "config.toml").write_text(config)
    (folder / "prices.toml").write_text(prices)
    whole, problems = read(folder / "config.toml", prices=folder / "prices.toml")
    return whole, [str(problem).removeprefix(f"{folder}/") for problem in problems]


def inputs(config: Config | None, model: str) -> list[tuple[date, Decimal | None]]:
    """Return day and input rate of a model's sheets on `relay`."""
    assert config is not None
    return [(one.valid_from, one.input) for one in config.route["relay"].prices.get(model, ())]


def test_without_the_file_the_config_is_as_written(tmp_path: Path) -> None:
    """Most machines have no sheets: no file is no error."""
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    assert load(path, None) == load(path, tmp_path / "prices.toml")


def test_sheets_of_both_are_one_list(tmp_path: Path) -> None:
    """Days of both files follow each other, and a model that only one of them knows has its sheets."""
    config, problems = told(
        tmp_path,
        '[[route.relay.prices.m]]\nfrom = 2026-12-01\nunit = "CNY"\ninput = "5"\n'
        '[[route.relay.prices.m]]\nfrom = 2026-10-01\nunit = "CNY"\ninput = "3"\n'
        '[[route.relay.prices.n]]\nfrom = 2026-11-01\nunit = "CNY"\ninput = "0.000000001"\n',
    )
    assert [] == problems
    assert [(date(2026, 10, 1), 3), (NOVEMBER, 4), (DECEMBER, 5)] == inputs(config, "m")
    assert [(NOVEMBER, Decimal("1E-9"))] == inputs(config, "n")


def test_of_one_day_the_users_word_counts(tmp_path: Path) -> None:
    """The config goes before what the machine was told, and the file that counts nothing there is named."""
    prices = '[[route.relay.prices.m]]\nfrom = 2026-11-01\nunit = "CNY"\ninput = "5"\n'
    config, problems = told(tmp_path, prices)
    assert [(NOVEMBER, 4)] == inputs(config, "m")
    what = "the config has a sheet from 2026-11-01 too, and that one counts: take one of the two away"
    assert [f"prices.toml:1 [route.relay] prices.m: {what}"] == problems


def test_a_route_that_is_gone_stops_nothing(tmp_path: Path) -> None:
    """A renamed route leaves its sheets behind: a warning with the likely name, and they count nothing."""
    prices = '[[route.relai.prices.m]]\nfrom = 2026-12-01\nunit = "CNY"\ninput = "5"\n'
    config, problems = told(tmp_path, prices)
    assert [(NOVEMBER, 4)] == inputs(config, "m")
    what = "no route has this name in the config: its prices are left out. Did you mean `relay`?"
    assert [f"prices.toml:1 [route.relai]: {what}"] == problems


def test_what_is_wrong_names_the_file_and_line_where_it_stands(tmp_path: Path) -> None:
    """A misshapen file, one that is no TOML, and one with a wrong name are errors with their own place."""
    config, problems = told(tmp_path, "# by hand\n[[route.relay.prices.m]]\nfrom = 2026-12-01\n")
    assert (None, ["prices.toml:2 [route.relay] prices.m: `unit` is missing: write a text in quotes"]) == (
        config,
        problems,
    )
    assert ["prices.toml:1: this is not TOML"] == [line[:31] for line in told(tmp_path, "[[route")[1]]
    assert "prices.toml:1 rout: no such setting here. Did you mean `route`?" == told(tmp_path, "rout = 1\n")[1][0]
    (tmp_path / "prices.toml").write_bytes(b"\xff")
    assert "prices.toml:1: this is not UTF-8 text" in str(read_sheets(tmp_path / "prices.toml").problems[0])


def test_a_sheet_that_the_config_forbids_is_told_in_its_own_file(tmp_path: Path) -> None:
    """What would be right without the machine's sheets is wrong in theirs; the config's own faults stay with it."""
    prices = '[route.relay.checked]\nm = 2026-11-24\n[[route.relay.prices.m]]\nfrom = 2026-12-01\nunit = "CNY"\n'
    config, problems = told(tmp_path, prices + 'input = "-5"\n', CONFIG.replace("input = 4", "input = -4"))
    assert None is config
    assert ["config.toml:16 [route.relay] prices.m", "prices.toml:3 [route.relay] prices.m"] == [
        problem.partition(": ")[0] for problem in problems
    ]


def test_a_price_that_stands_only_there_is_a_price(tmp_path: Path) -> None:
    """A route without any price in the config is not told to have none."""
    bare = CONFIG.partition("[route.relay.prices]")[0]
    assert "it has no price" in told(tmp_path, "", bare)[1][0]
    assert [] == told(tmp_path, '[[route.relay.prices.m]]\nfrom = 2026-12-01\nunit = "CNY"\ninput = "5"\n', bare)[1]


def test_further_questions_see_the_whole(tmp_path: Path) -> None:
    """What is asked beyond the config is asked with its sheets, and what they cause is told in their file."""
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    (tmp_path / "prices.toml").write_text('[[route.relay.prices.n]]\nfrom = 2026-12-01\nunit = "CNY"\ninput = "5"\n')

    def ask(config: Config) -> Iterator[Finding]:
        for model in config.route["relay"].prices:
            yield Finding(path=("route", "relay", "prices", model), what="seen", warning=True)

    problems = read(path, (ask,), prices=tmp_path / "prices.toml")[1]
    assert [f"{path}:16 [route.relay] prices.m", f"{tmp_path}/prices.toml:1 [route.relay] prices.n"] == [
        problem.where for problem in problems
    ]


def test_the_effective_config_has_them(tmp_path: Path) -> None:
    """What the ledger keeps holds every sheet, so that a decision can be made again without the machine's file."""
    config, _ = told(tmp_path, '[[route.relay.prices.n]]\nfrom = 2026-12-01\nunit = "CNY"\ninput = "5"\n')
    assert config is not None
    assert b'"from":"2026-12-01","unit":"CNY"' in stored(config)[1]


def test_it_is_written_for_this_user_alone_and_read_back(tmp_path: Path) -> None:
    """Whole or not at all, 0600, in plain digits, and what is written is what is read."""
    path = tmp_path / "data" / "prices.toml"
    long = LongInput(above=200_000, input=Decimal(2))
    whole = sheet(rate="0.000000000001", long_input=(long,), service={"flex": Rates(input=Decimal("0.5"))})
    with changing(path) as change:
        change.sheets = with_sheet(change.sheets, "relay", "m-1.5", whole, checked=NOVEMBER)
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    text = path.read_text()
    assert 'input = "0.000000000001"' in text
    assert text.startswith("# Prices that tf was told.")
    assert change.sheets == read_sheets(path).sheets


def test_what_did_not_change_is_not_written(tmp_path: Path) -> None:
    """Nor is anything when the block raises, and a file with errors is never written over."""
    path = tmp_path / "prices.toml"
    with changing(path):
        pass
    with pytest.raises(KeyError), changing(path) as change:
        change.sheets = {"told": of_relay(m=sheet())}["untold"]
    assert not path.exists()
    path.write_text("[[route")
    with pytest.raises(ConfigError, match="this is not TOML"), changing(path):
        pass
    path.unlink()
    path.with_suffix(".lock").unlink()
    path.with_suffix(".lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ForgeError, match=r"prices\.lock: it can't be opened"), changing(path):
        pass


def test_a_sheet_takes_the_place_of_one_of_its_day() -> None:
    """A correction of today's sheet leaves no second one; other days and models stay."""
    before = Sheets(route={"relay": RouteSheets(prices={"m": (sheet(NOVEMBER), sheet(DECEMBER))})})
    after = with_sheet(before, "relay", "m", sheet(NOVEMBER, "2"), checked=DECEMBER)
    assert (sheet(NOVEMBER, "2"), sheet(DECEMBER)) == after.route["relay"].prices["m"]
    noted = with_sheet(after, "relay", "m", None, checked=date(2027, 1, 1))
    assert after.route["relay"].prices == noted.route["relay"].prices
    assert {"m": date(2027, 1, 1)} == noted.route["relay"].checked


DAYS = st.lists(st.dates(date(2026, 1, 1), date(2026, 1, 9)), unique=True)


@given(DAYS, DAYS)
def test_every_day_has_one_sheet(first: list[date], others: list[date]) -> None:
    """Whatever stands on both sides: in order, each day once, and the first side's where both have one."""
    both = together(tuple(sheet(day, "1") for day in first), tuple(sheet(day, "2") for day in others))
    assert sorted({*first, *others}) == [one.valid_from for one in both]
    assert {*first} == {one.valid_from for one in both if one.input == 1}


def test_what_is_merged_once_is_merged(tmp_path: Path) -> None:
    """Merging the same sheets again changes nothing, and no sheets change nothing."""
    (tmp_path / "config.toml").write_text(CONFIG)
    config = load(tmp_path / "config.toml", None)
    sheets = of_relay(m=sheet(DECEMBER), n=sheet())
    once = merged(config, sheets)[0]
    assert once == merged(once, sheets)[0]
    assert (config, ()) == merged(config, Sheets())


def test_its_bytes_are_toml_for_any_name() -> None:
    """Models are named as their relays please."""
    assert b'\n"a/b.c-1" = [' in encoded(with_sheet(Sheets(), "relay", "a/b.c-1", sheet(), checked=NOVEMBER))
