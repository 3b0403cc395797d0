"""A config's amounts and units, written as people do: what is in force is what they mean."""

from datetime import date
from decimal import Decimal

from builders import agreed, config

from tokens_forge.core.config import (
    Balance,
    Budget,
    Cap,
    Config,
    Cross,
    Fee,
    Key,
    Model,
    Price,
    Rate,
    Report,
    Route,
    Sheet,
    Task,
    Window,
)
from tokens_forge.core.config_amounts import as_meant, units_of

DAY = date(2026, 1, 1)


def written(usd: str, cny: str, units: tuple[str, str]) -> Config:
    """Return a config with amounts of 5 USD and 5 CNY, and units, in one way of writing them."""
    own, other = units
    budget = Budget(limit=usd, per="day")
    return Config(
        balance={
            "wallet": Balance(kind="prepaid", unit="CNY", warn_below=cny, budget=(budget,)),
            "account": Balance(kind="postpaid", unit="USD", limit=usd),
            "plan": Balance(
                kind="pool",
                unit="requests",
                windows=(Window(allow=Decimal(1), per="5h"),),
                fee=Fee(amount=usd, per="month", valid_from=DAY),
            ),
            "free": Balance(kind="free"),
        },
        route={
            "flat": Route(
                route_class="direct",
                upstream="u",
                balance="wallet",
                serves=("m",),
                price=Price(per="call", amount=cny),
                prices={"m": (Sheet(valid_from=DAY, unit=own, input=Decimal(1)),)},
            ),
            "lost": Route(
                route_class="direct", upstream="u", balance="gone", serves=("m",), price=Price(per="call", amount=usd)
            ),
        },
        model={"m": Model(routes=("flat",), cross=Cross(to="direct", up_to=usd, per="day")), "n": Model(alias="m")},
        key={"k": Key(budget=budget)},
        task={"t": Task(cap=Cap(limit=usd)), "bare": Task()},
        report=Report(unit=own, fx={other: (Rate(valid_from=DAY, rate=Decimal(7)),)}),
    )


def test_what_is_written_as_people_do_is_what_it_means() -> None:
    """Signs, codes in any case and parted thousands, wherever an amount or unit stands."""
    meant = written("5 USD", "5 CNY", ("USD", "CNY"))
    assert meant == as_meant(written("$5", "5 yuan", ("usd", "cny")))
    assert meant == as_meant(written("usd 5", "￥5", ("Usd", "CNY")))


def test_what_is_in_form_stays_as_it_is() -> None:
    """A config that could be read before is the same, digit by digit: its digest names it in the ledger."""
    kept = written("5.00 USD", "5.0 CNY", ("USD", "CNY"))
    assert kept == as_meant(kept)
    assert agreed().config == as_meant(config())


def test_what_can_not_be_read_stays_for_the_checks() -> None:
    """They say what is wrong with it; of two rates for one currency none is lost."""
    odd = written("five", "5,00 CNY", ("usdd", "cnyy"))
    assert odd == as_meant(odd)
    rates = (Rate(valid_from=DAY, rate=Decimal(7)),)
    twice = Config(report=Report(fx={"cny": rates, "CNY": rates}))
    assert twice == as_meant(twice)


def test_a_bare_number_is_in_the_balances_unit() -> None:
    """A warning and a limit of a balance can only be in its unit; a budget's could be in any."""
    bare = as_meant(written("5", "5", ("USD", "CNY")))
    assert ("5 CNY", "5 USD", "5") == (
        bare.balance["wallet"].warn_below,
        bare.balance["account"].limit,
        bare.key["k"].budget.limit if isinstance(bare.key["k"].budget, Budget) else "",
    )


def test_a_balances_own_unit_is_never_changed() -> None:
    """The ledger may have it: a balance in usd stays in usd, and amounts follow."""
    old = Config(balance={"old": Balance(kind="prepaid", unit="usd", warn_below="$5")}, report=Report(unit="usd"))
    meant = as_meant(old)
    assert ("usd", "5 usd", "usd") == (meant.balance["old"].unit, meant.balance["old"].warn_below, meant.report.unit)
    assert {"usd"} == units_of(meant)
