"""The order of candidates, and the numbers behind it: listed, cheapest, use-or-lose."""

from datetime import date
from decimal import Decimal

from builders import LIST, LOCAL, OFFICIAL, OUTPUT, PLAN, RELAY, Bench, agreed, card, cards, config, finished, listed
from msgspec.structs import replace

from tokens_forge.core.config import Balance, Burn, Config, Model, Policy, Rate, Report, Route, Settle, Window
from tokens_forge.core.entries import Limit, Ranked, Routed
from tokens_forge.core.prices import Cards

FX = Report(fx={"CNY": (Rate(valid_from=date(2026, 1, 1), rate=Decimal(8)),)})
"""8 CNY for a USD, where the relay charges 10 for one: it is dearer than the official route."""


def conf(burn: Burn, *names: str, **changes: object) -> Config:
    """Return the bench's config with `smart` burning so over `names`."""
    model = Model(routes=names or (RELAY, OFFICIAL, PLAN, LOCAL), burn=burn, fallback="any")
    return config(**{"model": {"smart": model}, "report": FX, **changes})


def bench(it: Config, prices: Cards | None = None) -> Bench:
    """Return a bench with money on both wallets."""
    made = Bench(terms=agreed(it, prices))
    made.topup(wallet="100 CNY", credit="100 USD")
    return made


def routed(made: Bench, *, output_bound: int = OUTPUT) -> Routed:
    """Route a call and return its entry."""
    return made.open(made.route(output_bound=output_bound)).routed


def names(entry: Routed) -> list[str]:
    """Return the candidates in order."""
    assert [one.candidate for one in entry.ranked] == list(entry.candidates)
    return list(entry.candidates)


class TestListed:
    """As written."""

    def test_no_numbers_are_needed(self) -> None:
        """DESIGN 5: `listed` is the default, and its own reason."""
        entry = routed(bench(listed(OFFICIAL, RELAY)))
        assert ("listed", (OFFICIAL, RELAY), ()) == (entry.burn, entry.candidates, entry.ranked)


class TestCheapest:
    """What the call is expected to cost, in the report's unit."""

    def test_pools_and_free_cost_nothing_then_money_in_one_unit(self) -> None:
        """1,000 tokens in and 500 out: 0.0035 USD, or 0.035 CNY, which is 0.004375 USD at 8."""
        entry = routed(bench(conf("cheapest")))
        assert [PLAN, LOCAL, OFFICIAL, RELAY] == names(entry)
        assert (
            Ranked(candidate=PLAN, cost="0", unit="requests", compared="0", list="0.0035"),
            Ranked(candidate=LOCAL, cost="0", unit="free", compared="0", list="0.0035"),
            Ranked(candidate=OFFICIAL, cost="0.0035", unit="USD", compared="0.0035", list="0.0035"),
            Ranked(candidate=RELAY, cost="0.035", unit="CNY", compared="0.004375", list="0.0035"),
        ) == entry.ranked
        assert PLAN == entry.intended

    def test_what_is_expected_of_its_output_is_set(self) -> None:
        """`[policy] expected_output`, and never more than the call's own bound."""
        it = conf("cheapest", OFFICIAL, policy=Policy(expected_output=200))
        assert "0.002" == routed(bench(it)).ranked[0].cost
        assert "0.00105" == routed(bench(it), output_bound=10).ranked[0].cost

    def test_ties_go_by_list_price_then_as_written(self) -> None:
        """Two that cost nothing: the one whose list price is lower; an unknown one after a known one."""
        cheap = (card(LOCAL, {"input": "0.1", "output": "1"}),)
        prices = replace(cards(), list={**cards().list, LOCAL: cheap})
        assert [LOCAL, PLAN] == names(routed(bench(conf("cheapest", PLAN, LOCAL), prices)))
        prices = replace(cards(), list={LOCAL: cheap})
        assert [LOCAL, PLAN] == names(routed(bench(conf("cheapest", PLAN, LOCAL), prices)))
        assert [PLAN, LOCAL] == names(routed(bench(conf("cheapest", PLAN, LOCAL))))
        assert [LOCAL, PLAN] == names(routed(bench(conf("cheapest", LOCAL, PLAN))))

    def test_what_is_not_known_comes_last(self) -> None:
        """CASES 12: unknown is never zero: no price, no exchange rate, a cost that no upstream reported yet."""
        prices = replace(cards(), charge={RELAY: cards().charge[RELAY]})
        entry = routed(bench(conf("cheapest", OFFICIAL, RELAY), prices))
        assert [RELAY, OFFICIAL] == names(entry)
        assert Ranked(candidate=OFFICIAL, unit="USD", list="0.0035") == entry.ranked[1]
        entry = routed(bench(conf("cheapest", RELAY, OFFICIAL, report=Report())))
        assert [OFFICIAL, RELAY] == names(entry)
        assert Ranked(candidate=RELAY, cost="0.035", unit="CNY", list="0.0035") == entry.ranked[1]
        zero = conf("cheapest", OFFICIAL, RELAY, settle=Settle(unpriced="zero"))
        assert [RELAY, OFFICIAL] == names(routed(bench(zero, prices)))

    def test_a_reported_cost_counts_once_one_is_known(self) -> None:
        """The highest of late; before the first it is not known."""
        said = card(OFFICIAL, {}, terms="reported")
        prices = replace(cards(), charge={**cards().charge, OFFICIAL: (said,)}, list={})
        made = bench(conf("cheapest", OFFICIAL, RELAY), prices)
        entry = routed(made)
        assert ([RELAY, OFFICIAL], "") == (names(entry), entry.ranked[1].cost)
        call = made.route()
        made.attempt(call, "context_too_long")
        made.attempt(call, finished(usage={"input": 1, "output": 1}, reported_cost=Decimal("0.001")))
        entry = routed(made)
        assert ([OFFICIAL, RELAY], "0.001") == (names(entry), entry.ranked[0].cost)

    def test_a_free_price_costs_nothing(self) -> None:
        """A route that is known to be free, off a wallet."""
        prices = replace(cards(), charge={**cards().charge, RELAY: (card(RELAY, {}, unit="CNY", terms="free"),)})
        assert [RELAY, OFFICIAL] == names(routed(bench(conf("cheapest", OFFICIAL, RELAY), prices)))


class TestUseOrLose:
    """What would be lost soonest goes first."""

    def test_pools_by_reset_then_lots_by_end_then_the_cheapest(self) -> None:
        """A plan that resets in five hours, a provider's in one, lots that end in December and on the 30th."""
        route = {
            **config().route,
            "max": Route(route_class="subscription", upstream="plan", balance="max", serves=("m",)),
            "voucher": replace(config().route["official"], balance="voucher"),
        }
        balance = {
            **config().balance,
            "max": Balance(kind="pool", unit="percent", windows="provider"),
            "voucher": Balance(kind="prepaid", unit="USD"),
            "plan": Balance(
                kind="pool",
                unit="requests",
                windows=(Window(allow=Decimal(3), per="5h"), Window(allow=Decimal(9), per="1h", kind="rolling")),
            ),
        }
        prices = replace(cards(), charge={**cards().charge, "voucher/m": (card("voucher/m", LIST),)})
        it = conf("use-or-lose", LOCAL, RELAY, OFFICIAL, "voucher/m", PLAN, "max/m", route=route, balance=balance)
        made = Bench(terms=agreed(it, prices))
        made.topup(credit="5 USD")
        assert "" == made.order("wallet", "topup", "100 CNY", expires="2026-12-24")
        assert "" == made.order("voucher", "topup", "1 USD", expires="2026-11-30")
        entry = routed(made)
        assert [PLAN, "max/m", "voucher/m", RELAY, LOCAL, OFFICIAL] == names(entry)
        assert [
            ("3", "2026-11-24T15:00:00.000000Z"),
            ("100", ""),
            ("1", "2026-11-30"),
            ("100", "2026-12-24"),
            ("", ""),
            ("", ""),
        ] == [(one.left, one.ends) for one in entry.ranked]
        # The provider says that its window ends in an hour, and that a tenth of it is left.
        limit = Limit(window="provider/5h", limit="100", remaining="10", reset="2026-11-24T11:00:00.000000Z")
        made.call()
        call = made.route()
        made.attempt(call, "context_too_long")
        made.attempt(call, finished(limits=(limit,)))
        entry = routed(made)
        assert ["max/m", PLAN] == names(entry)[:2]
        assert ("10", "2026-11-24T11:00:00.000000Z") == (entry.ranked[0].left, entry.ranked[0].ends)

    def test_a_pool_that_is_used_up_stays_what_is_meant(self) -> None:
        """What is short changes no order: burning what ends next instead is a fallback, and needs the permission."""
        made = Bench(terms=agreed(conf("use-or-lose", RELAY, PLAN)))
        assert "" == made.order("wallet", "topup", "100 CNY", expires="2026-12-24")
        for _ in range(3):
            assert "plan" == made.call().route
        entry = routed(made)
        assert ([PLAN, RELAY], "0", PLAN) == (names(entry), entry.ranked[0].left, entry.intended)
        assert "fallback" == made.held(made.route()).role

    def test_what_has_no_end_goes_by_cost(self) -> None:
        """A postpaid account, money without a day, and a lot whose day is past."""
        account = Balance(kind="postpaid", unit="USD", limit="10 USD")
        route = {**config().route, "relay": replace(config().route["relay"], balance="account")}
        it = conf("use-or-lose", RELAY, OFFICIAL, LOCAL, route=route, balance={**config().balance, "account": account})
        made = Bench(terms=agreed(it, replace(cards(), charge={**cards().charge, RELAY: (card(RELAY, LIST),)})))
        assert "" == made.order("credit", "topup", "1 USD", expires="2026-11-24")
        made.later(days=1)
        assert [LOCAL, RELAY, OFFICIAL] == names(routed(made))

    def test_a_rolling_window_takes_nothing_with_it(self) -> None:
        """Its pool is one with allowance, after those whose allowance has an end."""
        plan = Balance(kind="pool", unit="requests", windows=(Window(allow=Decimal(9), per="1h", kind="rolling"),))
        made = bench(conf("use-or-lose", OFFICIAL, PLAN, balance={**config().balance, "plan": plan}))
        entry = routed(made)
        assert ([PLAN, OFFICIAL], "9", "") == (names(entry), entry.ranked[0].left, entry.ranked[0].ends)
