"""What is wrong with prices, and which rates can't be meant: each finding says what to write instead."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tokens_forge.core.config import Config
from tokens_forge.core.price_check import implausible, price_findings
from tokens_forge.core.prices import RateCard, Service, Tier

GOOD: dict[str, Any] = {
    "balance": {
        "wallet": {"kind": "prepaid", "unit": "CNY"},
        "credit": {"kind": "postpaid", "unit": "USD", "limit": "9 USD"},
        "plan": {"kind": "pool", "unit": "requests", "windows": [{"allow": 1, "per": "5h"}]},
        "over": {
            "kind": "pool",
            "unit": "requests",
            "windows": [{"allow": 1, "per": "5h"}],
            "overage": "credit",
        },
    },
    "report": {"fx": {"CNY": [{"from": "2026-01-01", "rate": "7"}]}},
}


def config(balance: str, **route: Any) -> Config:  # noqa: ANN401 - what a config file may hold
    """Return a config with one route on `balance`."""
    written = {"class": "direct", "upstream": "u", "balance": balance, "serves": ["m"], **route}
    return msgspec.convert({**GOOD, "route": {"r": written}}, Config)


def sheet(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    """Return a sheet in CNY."""
    return {"from": "2026-01-01", "unit": "CNY", "input": "4", "output": "28", **changes}


def added(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    """Return a sheet that is put on the list."""
    return {"from": "2026-01-01", "unit": "USD", "adds": True, **changes}


def found(balance: str, **route: Any) -> list[tuple[str, str]]:  # noqa: ANN401 - as above
    """Return where and what is found wrong."""
    return [(".".join(one.path), one.what) for one in price_findings(config(balance, **route))]


@pytest.mark.parametrize(
    ("balance", "route"),
    [
        ("wallet", {"price": {"list": "0.35", "fx": "7.10"}}),
        ("wallet", {"price": {"per": "call", "amount": "0.02 CNY"}}),
        ("wallet", {"price": {"per": "second", "amount": "0.001 CNY"}}),
        ("wallet", {"price": "free"}),
        ("wallet", {"price": "reported"}),
        ("wallet", {"prices": {"m": [sheet(), sheet(**{"from": "2026-02-01"})]}}),
        ("wallet", {"prices": {"m": [sheet(unit="USD", fx="7.10")]}}),
        (
            "wallet",
            {"prices": {"m": [sheet(long_input=[{"above": 200_000, "input": "8"}], service={"flex": {"input": 2}})]}},
        ),
        ("credit", {"price": "list"}),
        ("credit", {"price": "list", "prices": {"m": [added(searches="0.02")]}}),
        ("wallet", {"price": {"list": "0.35", "fx": "7.1"}, "prices": {"m": [added(service={"flex": {"input": 2}})]}}),
        ("wallet", {"prices": {"m": [sheet(), added(**{"from": "2026-02-01", "unit": "CNY", "searches": "0.1"})]}}),
        ("wallet", {"prices": {"m": [sheet(guessed=["input"])]}}),
        ("plan", {}),
        ("over", {"price": "list"}),
        ("nowhere", {}),
    ],
)
def test_what_is_right(balance: str, route: dict[str, Any]) -> None:
    """Every form of a price that a user may write, and routes that need none."""
    assert [] == found(balance, **route)


NO_PRICE = (
    'it has no price: write `price = "list"`, `price = { list = "0.35", fx = "7.10" }` or a sheet in `[route.r.prices]`'
)
CONVERSION = (
    'list prices are in USD and the balance is in CNY: write `price = { list = "1", fx = "7.10" }` with the CNY for '
    "one USD, or a sheet"
)
ONE_THING = (
    'it is a share of the list price, `{ list = "0.35", fx = "7.10" }`, or so much a call or second, '
    '`{ per = "call", amount = "0.02 CNY" }`'
)
NO_AMOUNT = "`2` is no amount: write a number and a unit, such as `5.00 USD`"
EXCHANGE = "an exchange rate is less than 100000000 and has at most 10 digits after the point"
RATE = "a rate is less than 100000000 and has at most {} digits after the point here"
BOTH = 'write `per` and `amount`, and no `fx`: `{ per = "call", amount = "0.02 CNY" }`'


@pytest.mark.parametrize(
    ("balance", "route", "where", "what"),
    [
        ("wallet", {}, "route.r", NO_PRICE),
        ("credit", {}, "route.r", NO_PRICE),
        ("over", {}, "route.r", NO_PRICE),
        ("wallet", {"price": "list"}, "route.r.price", CONVERSION),
        ("wallet", {"price": {"list": "0.5"}}, "route.r.price", CONVERSION),
        ("wallet", {"price": {}}, "route.r.price", ONE_THING),
        ("wallet", {"price": {"list": "1", "fx": "7", "per": "call", "amount": "1 CNY"}}, "route.r.price", ONE_THING),
        ("wallet", {"price": {"amount": "1 CNY"}}, "route.r.price", BOTH),
        ("wallet", {"price": {"per": "call"}}, "route.r.price", BOTH),
        ("wallet", {"price": {"per": "call", "amount": "1 CNY", "fx": "7"}}, "route.r.price", BOTH),
        (
            "wallet",
            {"price": {"per": "call", "amount": "1 USD"}},
            "route.r.price.amount",
            "`1 USD` is in USD and the balance in CNY: write it in CNY",
        ),
        (
            "wallet",
            {"price": {"per": "call", "amount": "-1 CNY"}},
            "route.r.price.amount",
            "-1 CNY is less than nothing",
        ),
        ("plan", {"price": {"per": "call", "amount": "2"}}, "route.r.price.amount", NO_AMOUNT),
        ("credit", {"price": {"list": "-1"}}, "route.r.price", "a share of the list price is 0 or more"),
        (
            "wallet",
            {"price": {"list": "0.35", "fx": "7.1"}, "prices": {"m": [added(unit="CNY", searches="0.1")]}},
            "route.r.prices.m",
            (
                "the sheet from 2026-01-01 is in CNY and adds to the list price, which is in USD: write it in USD; a "
                "share and an exchange rate count for it too"
            ),
        ),
        (
            "wallet",
            {"prices": {"m": [sheet(), added(**{"from": "2026-02-01", "searches": "0.1"})]}},
            "route.r.prices.m",
            (
                "the sheet from 2026-02-01 is in USD and adds to the sheet before it, which is in CNY: write it in "
                "CNY; a share and an exchange rate count for it too"
            ),
        ),
        (
            "wallet",
            {"price": {"per": "call", "amount": "1 CNY"}, "prices": {"m": [added(searches="0.1")]}},
            "route.r.prices.m",
            (
                "the sheet from 2026-01-01 adds to a price, and there is none before it that goes by tokens: write "
                "`input` and `output` too, and leave `adds` out"
            ),
        ),
        (
            "credit",
            {"price": "list", "prices": {"m": [added(searches="0.1", fx="7")]}},
            "route.r.prices.m",
            "a sheet that adds has no `fx` and no `long_input` of its own",
        ),
        (
            "credit",
            {"price": "list", "prices": {"m": [added()]}},
            "route.r.prices.m",
            "the sheet has no rate: write `input` and `output`",
        ),
        (
            "wallet",
            {"prices": {"m": [sheet(guessed=["cache_write_1h"])]}},
            "route.r.prices.m.guessed",
            "the sheet has no rate for `cache_write_1h`",
        ),
        (
            "credit",
            {"price": {"list": "0.001"}},
            "route.r.price",
            "0.001 is 0.1 % of the list price: write 0.35 for 35 % of it",
        ),
        (
            "credit",
            {"price": {"list": "0.33333333333"}},
            "route.r.price",
            "a share has at most 10 digits after the point",
        ),
        (
            "credit",
            {"price": {"list": "1", "fx": "7.10"}},
            "route.r.price",
            "list prices are in the balance's own USD: leave `fx` out",
        ),
        ("wallet", {"price": {"list": "1", "fx": "0"}}, "route.r.price", "an exchange rate is more than 0"),
        ("wallet", {"price": {"list": "1", "fx": "100000000"}}, "route.r.price", EXCHANGE),
        ("wallet", {"price": {"list": "1", "fx": "7.00000000001"}}, "route.r.price", EXCHANGE),
        (
            "wallet",
            {"price": {"list": "0.35", "fx": "7100"}},
            "route.r.price",
            "7100 CNY for one USD, and by `[report] fx` it is 7: write `fx` as the CNY for one USD",
        ),
        (
            "credit",
            {"price": {"list": "35"}},
            "route.r.price",
            "35 times the list price: for 35 % of it write `list = 0.35`",
        ),
        (
            "wallet",
            {"prices": {"m": [sheet(unit="USD")]}},
            "route.r.prices.m",
            'the sheet is in USD and `wallet` in CNY: write it in CNY, or with `fx = "7.10"`, the CNY for one USD',
        ),
        (
            "wallet",
            {"prices": {"m": [sheet(fx="7")]}},
            "route.r.prices.m",
            "the sheet is in the balance's own CNY: leave `fx` out",
        ),
        (
            "wallet",
            {"prices": {"m": [sheet(unit="USD", fx="0")]}},
            "route.r.prices.m",
            "an exchange rate is more than 0",
        ),
        (
            "wallet",
            {"prices": {"m": [sheet(unit="USD", fx="0.0071")]}},
            "route.r.prices.m",
            "0.0071 CNY for one USD, and by `[report] fx` it is 7: write `fx` as the CNY for one USD",
        ),
        (
            "wallet",
            {"prices": {"m": [sheet(unit="%", fx="7")]}},
            "route.r.prices.m",
            '`%` is no unit: write a currency, such as `unit = "CNY"`',
        ),
        (
            "wallet",
            {"prices": {"m": []}},
            "route.r.prices.m",
            "there is no sheet: write `[{ from = DAY, unit = …, input = …, output = … }]`",
        ),
        (
            "wallet",
            {"prices": {"mm": [sheet()]}},
            "route.r.prices.mm",
            "the route serves no `mm`, so the sheet prices nothing. Did you mean `m`?",
        ),
        (
            "wallet",
            {"prices": {"m": [sheet(input="100000000")]}},
            "route.r.prices.m",
            f"100000000 for input: {RATE.format(18)}",
        ),
        (
            "wallet",
            {"prices": {"m": [sheet(searches="0.0000000000000000000000001")]}},
            "route.r.prices.m",
            f"0.0000000000000000000000001 for searches: {RATE.format(24)}",
        ),
        (
            "wallet",
            {"prices": {"m": [sheet(service={"default": {"input": 2}})]}},
            "route.r.prices.m.service",
            "`default` is what the sheet's own rates are for: write them there",
        ),
        (
            "wallet",
            {"prices": {"m": [sheet(long_input=[{"above": 5}])]}},
            "route.r.prices.m.long_input",
            "above 5 there is no rate: write what costs otherwise there",
        ),
        (
            "wallet",
            {"prices": {"m": [{"from": "2026-01-01", "unit": "CNY"}]}},
            "route.r.prices.m",
            "the sheet has no rate: write `input` and `output`",
        ),
        (
            "wallet",
            {"prices": {"m": [sheet(input="-4")]}},
            "route.r.prices.m",
            "a rate of -4 for input is less than nothing",
        ),
        (
            "wallet",
            {"prices": {"m": [sheet(service={"flex": {"output": "-1"}})]}},
            "route.r.prices.m",
            "a rate of -1 for output is less than nothing",
        ),
        (
            "wallet",
            {"prices": {"m": [sheet(), sheet(input="5")]}},
            "route.r.prices.m",
            "there are two sheets from 2026-01-01: one day has one sheet",
        ),
        (
            "wallet",
            {"prices": {"m": [sheet(long_input=[{"above": 0, "input": "8"}])]}},
            "route.r.prices.m.long_input",
            "each `above` is a number of tokens of its own, 1 or more",
        ),
        (
            "wallet",
            {"prices": {"m": [sheet(long_input=[{"above": 5, "input": "8"}, {"above": 5, "output": "9"}])]}},
            "route.r.prices.m.long_input",
            "each `above` is a number of tokens of its own, 1 or more",
        ),
    ],
)
def test_what_is_wrong(balance: str, route: dict[str, Any], where: str, what: str) -> None:
    """Bad input is an error that says what to write instead (issue: a sheet without a unit, a missing fx)."""
    assert [(where, what)] == found(balance, **route)


def test_a_tier_of_service_stands_once() -> None:
    """An upstream's word means the same in capital letters, so two entries would leave one without effect."""
    twice = "stands there twice: capital letters are no difference"
    assert [
        ("route.r.prices.m.service", f"`flex` {twice}"),
        ("route.r.prices.m.service", f"`Flex` {twice}"),
    ] == found("wallet", prices={"m": [sheet(service={"flex": {"input": 2}, "Flex": {"input": 3}})]})


def test_a_sheet_for_a_model_that_is_gone_stops_nothing() -> None:
    """A sheet of the machine's own may outlive a change of the config: a warning, and no error."""
    (finding,) = price_findings(config("wallet", prices={"mm": [sheet()]}))
    assert finding.warning


def test_without_the_reports_rate_an_exchange_rate_is_believed() -> None:
    """A relay's own money has no rate but the route's."""
    relay = {"kind": "prepaid", "unit": "RELAY$"}
    route = {"class": "direct", "upstream": "u", "balance": "relay", "serves": ["m"]}
    for price in ({"list": "1", "fx": "500000"}, {"list": "1", "fx": "0.000002"}):
        told = msgspec.convert({"balance": {"relay": relay}, "route": {"r": {**route, "price": price}}}, Config)
        assert [] == list(price_findings(told))


def card(rates: Mapping[str, str], **changes: object) -> RateCard:
    """Return a card of the route's own."""
    plain = RateCard(
        id="r/m",
        source="route sheet",
        unit="CNY",
        per="mtok",
        rates={name: Decimal(rate) for name, rate in rates.items()},
    )
    return msgspec.structs.replace(plain, **changes)


LISTED = (card({"input": "1.25", "output": "10", "searches": "0.01"}, id="openai/m", unit="USD"),)


def far_off(balance: str, cards: tuple[RateCard, ...], listed: tuple[RateCard, ...] = LISTED) -> list[str]:
    """Return what is said of rates that can't be meant."""
    return [str(one) for one in implausible(config(balance, price="free"), "r", cards, listed)]


def test_a_rate_a_thousand_times_off_is_told_with_both_figures() -> None:
    """CASES 11: 4 a ktok for 4 a Mtok, and the other way round; both are in the balance's unit per Mtok."""
    said = far_off("wallet", (card({"input": "4", "output": "28"}, per="ktok", valid_from=date(2026, 11, 1)),))
    off = "more than 300 times off: look at the rate and at `per` (ktok)"
    assert [
        f"4000 CNY per Mtok of input from 2026-11-01, and the list price is 8.75 CNY, {off}",
        f"28000 CNY per Mtok of output from 2026-11-01, and the list price is 70 CNY, {off}",
    ] == said
    assert 2 == len(far_off("wallet", (card({"input": "0.004", "output": "0.028"}),)))


def test_every_rate_of_a_card_is_looked_at() -> None:
    """CASES 11: a tier's rates too, each once; a list has the price of a thousand searches, a rate is for one."""
    own = card(
        {"input": "4", "output": "28", "searches": "70"},
        tiers=(Tier(above=9, rates={"input": Decimal(5000)}),),
        service={
            "flex": Service(
                rates={"input": Decimal(4), "output": Decimal("0.028")},
                tiers=(Tier(above=9, rates={"input": Decimal(6000)}),),
            )
        },
    )
    told = [(one.usage_class, one.rate, one.listed) for one in implausible(config("wallet"), "r", (own,), LISTED)]
    listed = {"input": Decimal("8.75"), "output": Decimal(70), "searches": Decimal("0.07")}
    wrong = (("searches", "70"), ("input", "5000"), ("output", "0.028"), ("input", "6000"))
    assert [(name, Decimal(rate), listed[name]) for name, rate in wrong] == told
    searches = "70 CNY for one of `searches`, and the list price is 0.07 CNY, more than 300 times off"
    assert f"{searches}: a count's rate is for one" == far_off("wallet", (own,))[0]


@pytest.mark.parametrize(
    "own",
    [
        card({"input": "4", "output": "28"}),
        card({"input": "0", "output": "28"}),
        card({"input": "0.5", "output": "2"}),
        card({"images": "5000", "requests": "9000"}),
        card({"input": "9000000"}, terms="free"),
        LISTED[0],
        card({"input": "9000000"}, id="openai/m", source="genai-prices"),
    ],
)
def test_what_may_be_meant(own: RateCard) -> None:
    """A cheap relay, a rate of 0, counts, free routes and the list's own cards are no typing errors."""
    assert [] == far_off("wallet", (own,))


def test_without_a_list_price_only_the_impossible_is_refused() -> None:
    """Where nothing can be compared, a rate beyond any price is refused; without an exchange rate, far beyond it."""
    told = "more than anything costs: look at the rate and at `per` (token)"
    assert [f"4000000 CNY per Mtok of input is {told}"] == far_off("wallet", (card({"input": "4"}, per="token"),), ())
    assert [] == far_off("wallet", (card({"input": "4"}),), ())
    unknown = msgspec.convert(
        {
            "balance": {"relay": {"kind": "prepaid", "unit": "RELAY$"}},
            "route": {
                "r": {"class": "ordinary", "upstream": "u", "balance": "relay", "serves": ["m"], "price": "free"}
            },
        },
        Config,
    )
    cards = (card({"input": "4000000"}, unit="RELAY$"), card({"output": "40000000"}, unit="RELAY$"))
    assert [("output", Decimal(40_000_000))] == [
        (one.usage_class, one.rate) for one in implausible(unknown, "r", cards, LISTED)
    ]


def test_beyond_a_pool_the_payers_unit_counts() -> None:
    """A route on a pool is priced in the unit of what pays beyond it."""
    assert 1 == len(far_off("over", (card({"input": "5000"}, unit="USD"),)))
    assert [] == far_off("over", (card({"input": "5"}, unit="USD"),))


def test_what_is_put_on_the_list_is_compared_in_its_terms() -> None:
    """CASES 11: before share and exchange; the list's own rates beneath it are no typing errors."""
    on_list = card(
        {"input": "1.25", "output": "10", "searches": "9"},
        id="openai/m",
        source="genai-prices, route sheet",
        unit="USD",
        list_share=Decimal("0.004"),
        fx=Decimal("0.5"),
        service={"priority": Service(rates={"input": Decimal("2.5"), "output": Decimal(20_000)})},
    )
    assert [
        (
            "9 USD for one of `searches`, and the list price is 0.01 USD, more than 300 times off: a count's rate is "
            "for one"
        ),
        (
            "20000 USD per Mtok of output, and the list price is 10 USD, more than 300 times off: look at the rate and "
            "at `per` (mtok)"
        ),
    ] == far_off("wallet", (on_list,))
