"""What is held and charged: expected replies, beyond a pool, a provider's own count, every form of a price."""

from decimal import Decimal

import msgspec
from builders import OFFICIAL, PLAN, RELAY, Bench, agreed, card, cards, finished, listed

from tokens_forge.core.book import available
from tokens_forge.core.config import Balance, Budget, Config, Key, Settle, Window
from tokens_forge.core.entries import Held, HoldBasis, Limit, PassedOver, Settled, Voided
from tokens_forge.core.prices import Cards, RateCard, Service

PROVIDER = Balance(kind="pool", unit="percent", windows="provider")


def bench(conf: Config, prices: Cards | None = None, **amounts: str) -> Bench:
    """Return a bench with money."""
    made = Bench(terms=agreed(conf, prices))
    made.topup(**amounts)
    return made


class TestExpected:
    """CASES 31, 32, 56: agents that always ask for the maximum don't starve each other."""

    def learnt(self, conf: Config, calls: int = 25) -> Bench:
        """Return a bench on which the relay's replies have been 100 tokens long, for 1,000 tokens in."""
        made = bench(conf, wallet="1000 CNY")
        for _ in range(calls):
            made.call()
        assert "" == made.order("wallet", "set", "1 CNY")
        return made

    def hungry(self, made: Bench) -> int:
        """Return how many calls that ask for 32,000 tokens fit on 1 CNY at the same time."""
        fit = 0
        while isinstance(made.step(made.route(output_bound=32_000)), Held):
            fit += 1
            assert fit < 1000
        return fit

    def test_by_the_maximum_one_call_fills_the_wallet(self) -> None:
        """A hold for 32,000 tokens is 1.612 CNY."""
        assert 0 == self.hungry(self.learnt(listed(RELAY)))

    def test_by_what_such_calls_need_many_fit(self) -> None:
        """19 of 20 replies stayed below 104 tokens, so a hold is some 0.016 CNY."""
        made = self.learnt(listed(RELAY, settle=Settle(hold="expected")))
        held = made.held(made.route(output_bound=32_000))
        assert ("expected", 1125, 103) == (held.hold_basis.kind, held.hold_basis.input, held.hold_basis.output)
        assert self.hungry(made) > 50

    def test_until_twenty_are_known_it_is_the_maximum(self) -> None:
        """CASES 31: nothing is guessed from a few calls."""
        made = self.learnt(listed(RELAY, settle=Settle(hold="expected")), calls=19)
        assert 0 == self.hungry(made)

    def test_never_more_than_the_maximum(self) -> None:
        """A client that asks for fewer tokens than replies have holds for those."""
        made = self.learnt(listed(RELAY, settle=Settle(hold="expected")))
        assert 7 == made.held(made.route(output_bound=7)).hold_basis.output

    def test_a_balance_or_a_budget_may_hold_otherwise(self) -> None:
        """The balance holds what such calls need, the budget the maximum."""
        wallet = Balance(kind="prepaid", unit="CNY", hold="expected")
        conf = listed(RELAY, key={"k": Key(budget=Budget(limit="9 CNY", per="day", hold="bound"))})
        made = self.learnt(msgspec.structs.replace(conf, balance={**conf.balance, "wallet": wallet}))
        held = made.held(made.route(output_bound=32_000))
        assert Decimal("0.02") > Decimal(held.hold)
        assert ["1.612"] == [one.amount for one in held.counted]

    def test_thirty_agents_at_once(self) -> None:
        """CASES 29, 56: thirty calls that ask for 32,000 tokens each, before any has ended, on 1 CNY.

        By the maximum not one fits; by what such calls need all do, and together they stay within balance and budget.
        """
        for holding, fit in (("bound", 0), ("expected", 30)):
            budget = Budget(limit="1 CNY", per="day")
            conf = listed(RELAY, settle=msgspec.convert({"hold": holding}, Settle), key={"k": Key(budget=budget)})
            made = self.learnt(conf)
            made.later(days=1)
            under_way = [made.step(made.route(output_bound=32_000)) for _ in range(30)]
            held = [entry for entry in under_way if isinstance(entry, Held)]
            assert fit == len(held)
            total = sum((Decimal(entry.hold) for entry in held), Decimal(0))
            state = made.fold.budgets.state("key.k/day", "CNY")
            assert (total, total) == (made.fold.book.state("wallet", "CNY").held, state.held)
            assert total < Decimal("0.5")
            for entry in held:
                made.end(entry)
            assert Decimal(0) == state.held

    def test_a_budget_that_says_nothing_holds_as_its_balance(self) -> None:
        """A balance that expects counts so in the budgets too, else they would refuse what it allows."""
        wallet = Balance(kind="prepaid", unit="CNY", hold="expected")
        conf = listed(RELAY, key={"k": Key(budget=Budget(limit="9 CNY", per="day"))})
        made = self.learnt(msgspec.structs.replace(conf, balance={**conf.balance, "wallet": wallet}))
        held = made.held(made.route(output_bound=32_000))
        assert [held.hold] == [one.amount for one in held.counted]

    def test_a_budget_may_expect_where_its_balance_does_not(self) -> None:
        """A small budget on a full wallet: the budget counts what such calls need, the wallet holds the maximum."""
        for budget, fit in (
            (Budget(limit="1 CNY", per="day", hold="expected"), 30),
            (Budget(limit="1 CNY", per="day"), 0),
        ):
            made = self.learnt(listed(RELAY, key={"k": Key(budget=budget)}))
            assert "" == made.order("wallet", "set", "100 CNY")
            made.later(days=1)
            held = [made.step(made.route(output_bound=32_000)) for _ in range(30)]
            assert fit == sum(isinstance(entry, Held) and entry.hold == "1.612" for entry in held)

    def test_a_pool_in_tokens_holds_so_too(self) -> None:
        """A pool counts the tokens that such calls need."""
        windows = (Window(allow=Decimal(10**6), per="5h"),)
        pool = Balance(kind="pool", unit="tokens", hold="expected", windows=windows)
        conf = listed(PLAN)
        made = bench(msgspec.structs.replace(conf, balance={**conf.balance, "plan": pool}))
        for _ in range(25):
            made.call()
        assert "1228" == made.held(made.route(output_bound=32_000)).hold


class TestBeyondAPool:
    """What an overage pays, and what it refuses."""

    def conf(self, key: Key | None = None) -> Config:
        """Return a config whose plan goes on at the credit's cost."""
        conf = listed(PLAN, key={"k": key or Key()})
        plan = msgspec.structs.replace(conf.balance["plan"], overage="credit")
        return msgspec.structs.replace(conf, balance={**conf.balance, "plan": plan})

    def made(self, credit: str) -> Bench:
        """Return a bench whose plan is used up."""
        prices = cards(charge={**cards().charge, PLAN: (card(PLAN, {"input": "1", "output": "5"}),)})
        made = bench(self.conf(Key(budget=Budget(limit="1 USD", per="day"))), prices, credit=credit)
        for _ in range(3):
            made.call()
        return made

    def test_another_balance_pays_in_sight(self) -> None:
        """The hold is money of that balance; the pool is passed over in the same entry; the budget counts it."""
        made = self.made("5 USD")
        held = made.held(made.route())
        assert ("credit", "0.0062", "USD", "bound") == (held.balance, held.hold, held.unit, held.hold_basis.kind)
        assert [("pool_used_up", "plan")] == [(passed.reason, passed.balance) for passed in held.passed_over]
        assert ("pool_used_up", ["0.0062"]) == (
            held.cause.error if held.cause else "",
            [one.amount for one in held.counted],
        )
        entry = made.end(held)
        assert isinstance(entry, Settled)
        assert ("credit", "0.0015", "computed") == (entry.balance, entry.charge, entry.certainty)

    def test_what_it_can_not_pay_is_refused(self) -> None:
        """Its own shortness is the reason then."""
        made = self.made("0.001 USD")
        *_, passed = made.refused(made.route()).passed_over
        assert ("balance_short", "credit") == (passed.reason, passed.balance)

    def test_an_empty_balance_is_not_tried(self) -> None:
        """The provider said that the credit is used up: the pool's being used up is what refuses."""
        made = self.made("5 USD")
        made.call("insufficient_quota")
        (passed,) = made.refused(made.route()).passed_over
        assert ("pool_used_up", "plan") == (passed.reason, passed.balance)

    def test_an_account_may_pay_up_to_its_limit(self) -> None:
        """A postpaid balance: what a call beyond the pool owes counts in its period, and the limit refuses."""
        conf = self.conf()
        account = Balance(kind="postpaid", unit="USD", limit="0.007 USD")
        conf = msgspec.structs.replace(conf, balance={**conf.balance, "credit": account})
        made = bench(conf, cards(charge={PLAN: (card(PLAN, {"input": "1", "output": "5"}),)}))
        for _ in range(3):
            made.call()
        entry = made.end(made.held(made.route()))
        assert isinstance(entry, Settled)
        assert ("credit", "0.0015", "0.007", "0.0055", ["calendar/month"]) == (
            entry.balance,
            entry.charge,
            entry.balance_before,
            entry.balance_after,
            [window.window for window in entry.windows],
        )
        *_, passed = made.refused(made.route()).passed_over
        assert ("balance_short", "credit", "0.0055", "0.0062", "0.007", "0.0015", "2026-12-01T00:00:00.000000Z") == (
            passed.reason,
            passed.balance,
            passed.available,
            passed.need,
            passed.limit,
            passed.spent,
            passed.until,
        )

    def test_budgets_of_the_balance_that_pays_count(self) -> None:
        """CASES 33, 51: a budget on the balance beyond binds what it pays there, and not what the pool gives."""
        conf = self.conf()
        credit = Balance(kind="prepaid", unit="USD", budget=Budget(limit="0.007 USD", per="day"))
        conf = msgspec.structs.replace(conf, balance={**conf.balance, "credit": credit})
        made = bench(conf, cards(charge={PLAN: (card(PLAN, {"input": "1", "output": "5"}),)}), credit="5 USD")
        assert [(), (), ()] == [made.call().counted for _ in range(3)]
        assert ["balance.credit/day"] == [one.budget for one in made.call().counted]
        *_, passed = made.refused(made.route()).passed_over
        assert ("over_budget", "balance.credit/day", "0.0055") == (passed.reason, passed.budget, passed.available)

    def test_it_pays_what_a_provider_rejects(self) -> None:
        """A pool in percent whose provider says that it is used up; at its reset the pool pays again."""
        conf = self.conf()
        plan = msgspec.structs.replace(PROVIDER, overage="credit")
        conf = msgspec.structs.replace(conf, balance={**conf.balance, "plan": plan})
        made = bench(conf, cards(charge={PLAN: (card(PLAN, {"input": "1", "output": "5"}),)}), credit="5 USD")
        assert "plan" == made.call(finished(limits=(limit("5h", "0", status="rejected"),))).balance
        assert "credit" == made.call().balance
        made.later(hours=5)
        assert "plan" == made.call().balance

    def test_calls_under_way_beyond_a_pool_are_in_the_way(self) -> None:
        """CASES 29, 30: parallel calls never hold more than the balance beyond has; the refusal names them."""
        made = self.made("0.02 USD")
        held = [made.held(made.route()) for _ in range(3)]
        *_, passed = made.refused(made.route()).passed_over
        assert ("credit", "0.0014", "0.0186", tuple(f"{entry.id}/1" for entry in held)) == (
            passed.balance,
            passed.available,
            passed.held,
            passed.holds,
        )

    def test_without_a_price_it_is_refused(self) -> None:
        """CASES 12: nobody knows what it would cost."""
        made = bench(self.conf(), credit="5 USD")
        for _ in range(3):
            made.call()
        (passed,) = made.refused(made.route()).passed_over
        assert ("pool_used_up", "plan") == (passed.reason, passed.balance)


class TestAProvidersCount:
    """A pool in percent: the provider counts, we attribute (CASES 58)."""

    def made(self) -> Bench:
        """Return a bench with a pool that its provider counts."""
        conf = listed(PLAN)
        return bench(msgspec.structs.replace(conf, balance={**conf.balance, "plan": PROVIDER}))

    def said(self, made: Bench, *limits: Limit, error: str = "") -> Settled | Voided:
        """End a call with what its reply's headers say."""
        return made.end(made.held(made.route()), finished(error, limits=limits))

    def test_a_call_holds_and_costs_nothing(self) -> None:
        """Its marginal cost is 0; what is left is the provider's word."""
        made = self.made()
        held = made.held(made.route())
        assert ("0", "percent", HoldBasis(kind="provider")) == (held.hold, held.unit, held.hold_basis)
        entry = made.end(held, finished(limits=(limit("5h", "75"), limit("7d", "40.5"))))
        assert isinstance(entry, Settled)
        assert ("0", "zero", "100", "0.0015") == (entry.charge, entry.certainty, entry.balance_before, entry.list)
        state = made.fold.book.state("plan", "percent")
        assert Decimal("40.5") == available(PROVIDER, state, made.at)

    def test_what_it_rejects_is_used_up_until_its_reset(self) -> None:
        """A status goes before a figure; at its reset all is there again."""
        made = self.made()
        self.said(made, limit("5h", "12", status="rejected"), error="rate_limited")
        made.later(minutes=1)
        (passed,) = made.refused(made.route()).passed_over
        assert ("pool_used_up", "0", "2026-11-24T15:00:00.000000Z") == (passed.reason, passed.available, passed.until)
        made.later(hours=6)
        assert "plan" == made.held(made.route()).balance

    def test_money_that_the_provider_took_is_never_shown_as_nothing(self) -> None:
        """A call that went beyond the plan at the provider has a cost that nobody told: it is unpriced."""
        entry = self.said(self.made(), Limit(window="provider/overage", status="in_use"))
        assert isinstance(entry, Settled)
        assert ("0", "unpriced", ("overage",)) == (entry.charge, entry.certainty, entry.flags)


def limit(window: str, remaining: str, status: str = "allowed") -> Limit:
    """Return a window of the provider's, reset at 15:00."""
    return Limit(
        window=f"provider/{window}",
        limit="100",
        remaining=remaining,
        reset="2026-11-24T15:00:00.000000Z",
        status=status,
    )


class TestPrices:
    """Every form of a price, from hold to charge."""

    def settled(self, own: RateCard, finish: object = None, **routed: object) -> Settled:
        """Return what a call on the relay is settled at by this card."""
        made = bench(listed(RELAY), cards(charge={RELAY: (own,)}), wallet="100 CNY")
        entry = made.end(made.held(made.route(**routed)), finish or finished())  # pyright: ignore[reportArgumentType]
        assert isinstance(entry, Settled)
        return entry

    def own(self, **changes: object) -> RateCard:
        """Return a card in the relay's money."""
        return msgspec.structs.replace(card(RELAY, {}, unit="CNY"), **changes)

    def test_a_free_route_needs_no_money(self) -> None:
        """CASES 12: known to cost nothing, it is served from an empty wallet; `unpriced = "zero"` is not that."""
        made = bench(listed(RELAY), cards(charge={RELAY: (self.own(terms="free"),)}))
        held = made.held(made.route())
        assert ("0", "free") == (held.hold, held.hold_basis.kind)
        entry = made.end(held)
        assert isinstance(entry, Settled)
        assert ("0", "zero", ()) == (entry.charge, entry.certainty, entry.lines)
        made = bench(listed(RELAY, settle=Settle(unpriced="zero")), cards(charge={}))
        assert ["balance_short"] == [passed.reason for passed in made.refused(made.route()).passed_over]

    def test_a_free_route_needs_no_budget(self) -> None:
        """CASES 12, 51: what is known to cost nothing passes a budget that is spent, on a wallet too."""
        conf = listed(OFFICIAL, RELAY, key={"k": Key(budget=Budget(limit="0.0062 USD", per="day"))})
        made = bench(conf, cards(charge={**cards().charge, RELAY: (self.own(terms="free"),)}), credit="5 USD")
        assert "official" == made.call(finished(usage={"input": 1200, "output": 1000})).route
        assert Decimal("0.0062") == made.fold.budgets.state("key.k/day", "USD").spent(made.at)
        assert ["relay", "relay"] == [made.call().route for _ in range(2)]

    def test_what_the_upstream_reports_is_charged(self) -> None:
        """CASES 15: its own cost, rounded once, in one line."""
        entry = self.settled(self.own(terms="reported"), finished(reported_cost=Decimal("0.0012345678901234")))
        assert ("0.001234567890", "reported") == (f"{Decimal(entry.charge):.12f}", entry.certainty)
        assert [("requests", 1, entry.charge)] == [
            (line.usage_class, line.quantity, line.amount) for line in entry.lines
        ]

    def test_what_it_did_not_report_is_reckoned(self) -> None:
        """At the list's rates where there are some, and flagged; else the hold; else it is unpriced."""
        by_list = self.own(terms="reported", rates={"input": Decimal(1), "output": Decimal(5)})
        assert ("0.0015", "estimated", ("not_reported",)) == told(self.settled(by_list))
        assert ("0", "unpriced", ("not_reported", "charged_at_hold")) == told(self.settled(self.own(terms="reported")))

    def test_time_that_nobody_said_is_measured(self) -> None:
        """Begun seconds count whole; what the upstream says goes before; the hold is for the longest reply."""
        by_time = self.own(terms="flat", rates={"seconds": Decimal("0.01")})
        assert ("0.03", "estimated", ("seconds_measured",)) == told(self.settled(by_time, finished(total_ms=2001.0)))
        said = finished(total_ms=2001.0, usage={"input": 0, "output": 0, "seconds": 9})
        assert ("0.09", "computed", ()) == told(self.settled(by_time, said))
        made = bench(listed(RELAY), cards(charge={RELAY: (by_time,)}), wallet="100 CNY")
        assert "6" == made.held(made.route()).hold

    def test_a_tier_that_was_asked_for_and_has_no_price_is_refused(self) -> None:
        """CASES 8, 12: priority may cost twice as much; the route that knows its price takes the call."""
        dear = msgspec.structs.replace(card(OFFICIAL, {"input": "1", "output": "5"}), service=PRIORITY)
        made = bench(
            listed(RELAY, OFFICIAL), cards(charge={**cards().charge, OFFICIAL: (dear,)}), wallet="9 CNY", credit="9 USD"
        )
        held = made.held(made.route(tier_asked="priority"))
        assert ("official", "0.0124") == (held.route, held.hold)
        passed = PassedOver(candidate=RELAY, reason="no_price", balance="wallet", tier="priority")
        assert (passed,) == held.passed_over

    def test_an_unanswered_request_of_a_pool_is_estimated(self) -> None:
        """CASES 55: the provider may not have counted it."""
        made = bench(listed(PLAN))
        entry = made.end(made.held(made.route()), "first_byte_timeout")
        assert isinstance(entry, Settled)
        assert ("1", "estimated") == (entry.charge, entry.certainty)


PRIORITY = {"priority": Service(rates={"input": Decimal(2), "output": Decimal(10)})}


def told(entry: Settled) -> tuple[str, str, tuple[str, ...]]:
    """Return what was charged, how sure it is, and what was odd."""
    return entry.charge, entry.certainty, entry.flags


def test_what_reported_calls_cost_of_late_is_held() -> None:
    """CASES 29: without a list price the first call holds nothing, the next ones the highest cost that was reported."""
    own = msgspec.structs.replace(card(RELAY, {}, unit="CNY"), terms="reported")
    made = bench(listed(RELAY), cards(charge={RELAY: (own,)}), wallet="0.25 CNY")
    assert "0" == made.call(finished(reported_cost=Decimal("0.1"))).hold
    held = made.held(made.route())
    assert ("0.1", "reported") == (held.hold, held.hold_basis.kind)
    (passed,) = made.refused(made.route()).passed_over
    assert ("balance_short", "0.05", "0.1") == (passed.reason, passed.available, passed.need)
