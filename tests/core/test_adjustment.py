"""Balances moved by hand: what is entered, and what is refused with the next step."""

from datetime import date
from decimal import Decimal
from typing import ClassVar

import pytest
from builders import OFFICIAL, PLAN, RELAY, Bench, agreed, config, listed
from msgspec.structs import replace

from tokens_forge.core.book import BalanceState, Lot, available, unit_of
from tokens_forge.core.config import Balance, Budget, Cap, Config, Key, Rate, Report, Task
from tokens_forge.core.entries import Adjusted, Recovered, Renamed
from tokens_forge.core.money import text


def adjustments(made: Bench) -> list[tuple[str, str, str, str]]:
    """Return what was entered: amount, reason, before and after."""
    found = [entry for entry in made.entries if isinstance(entry, Adjusted)]
    return [(it.amount, it.reason, it.balance_before, it.balance_after) for it in found]


def test_a_topup_adds() -> None:
    """What was paid for it, the fee and the reference are kept beside the amount, never added to it."""
    made = Bench()
    assert "" == made.order("wallet", "topup", "500 CNY", paid="70.90 USD", fee="2.10 USD", ref="INV-7", note="n")
    entry = made.entries[-1]
    assert isinstance(entry, Adjusted)
    assert ("500", "CNY", "topup", "70.90 USD", "2.10 USD", "INV-7", "n") == (
        entry.amount,
        entry.unit,
        entry.reason,
        entry.paid,
        entry.fee,
        entry.ref,
        entry.note,
    )


def test_what_the_dashboard_shows_is_entered_as_it_is() -> None:
    """CASES 57: the difference is named: an opening when nothing was known, else unexplained; none is no entry."""
    made = Bench()
    for amount in ("8.13 USD", "8.13 USD", "7 USD", "9 USD"):
        assert "" == made.order("credit", "set", amount)
    assert [
        ("8.13", "opening", "0", "8.13"),
        ("-1.13", "unexplained", "8.13", "7"),
        ("2", "unexplained", "7", "9"),
    ] == adjustments(made)


def test_an_adjustment_says_why() -> None:
    """It may take away; a correction names its call and that call's key, so that reports follow."""
    made = Bench()
    assert "" == made.order("wallet", "adjust", "-2 CNY", reason="fee")
    assert "" == made.order("wallet", "adjust", "1 CNY", corrects="tf_1", key="k", route="relay", upstream_model="m")
    assert [("-2", "fee", "0", "-2"), ("1", "correction", "-2", "-1")] == adjustments(made)
    last = made.entries[-1]
    assert isinstance(last, Adjusted)
    assert ("tf_1", "k", "relay", "m") == (last.corrects, last.key, last.route, last.upstream_model)


def test_a_topup_ends_being_empty() -> None:
    """CASES 54: empty until it is topped up; taking away ends nothing."""
    made = Bench(terms=agreed(listed(RELAY)))
    made.topup(wallet="5 CNY")
    made.call("insufficient_quota")
    assert "" == made.order("wallet", "adjust", "-1 CNY")
    assert [] == made.recoveries()
    made.topup(wallet="5 CNY")
    assert [Recovered(scope="balance", name="wallet", by="topup")] == made.recoveries()


@pytest.mark.parametrize(("figure", "recovers"), [("6 CNY", True), ("5 CNY", False), ("4 CNY", False)])
def test_a_figure_that_shows_more_money_ends_being_empty_too(figure: str, recovers: bool) -> None:
    """CASES 54, 57: what the dashboard shows may be a top-up that was not entered; the same or less is none."""
    made = Bench(terms=agreed(listed(RELAY)))
    made.topup(wallet="5 CNY")
    made.call("insufficient_quota")
    assert "" == made.order("wallet", "set", figure)
    assert recovers == bool(made.recoveries())


@pytest.mark.parametrize(
    ("balance", "kind", "amount", "more", "why"),
    [
        ("walet", "topup", "1 CNY", {}, "no balance named `walet`. Did you mean `wallet`?"),
        ("plan", "topup", "1 requests", {}, "`plan` is a pool balance: only a prepaid or postpaid one takes money in"),
        ("wallet", "topup", "1 USD", {}, "`wallet` is in CNY and never takes an amount in USD: write `1 CNY`"),
        ("wallet", "topup", "one", {}, "`one` is no amount: write a number and a unit, such as `5.00 USD`"),
        ("wallet", "topup", "$1", {}, "`wallet` is in CNY and never takes an amount in USD: write `1 CNY`"),
        ("wallet", "topup", "1 cnyy", {}, "`cnyy` is not a unit that is known here. Did you mean `CNY`?"),
        ("wallet", "topup", "1,5 CNY", {}, "`1,5 CNY` is no amount for sure: is it 1.5 or 15?"),
        ("wallet", "topup", "1 CNY", {"paid": "much"}, "`much` is no amount"),
        ("wallet", "topup", "0", {}, "a top-up of 0 CNY adds nothing: write how much came in"),
        (
            "wallet",
            "topup",
            "-5",
            {},
            "a top-up of -5 CNY takes away: if that is meant, write `tf balance adjust wallet -- ",
        ),
        ("wallet", "adjust", "0.0000000000001 CNY", {}, "`0.0000000000001 CNY` has more than 12 decimal places"),
        ("wallet", "topup", "1 CNY", {"ref": "A"}, "`A` was entered for `wallet` at 2026-11-24T10:00:00.000000Z"),
        ("wallet", "topup", "1 CNY", {"ref": "a"}, "`A` was entered for `wallet` at 2026-11-24T10:00:00.000000Z"),
        ("wallet", "topup", "1 CNY", {"ref": " A "}, "`A` was entered for `wallet` at 2026-11-24T10:00:00.000000Z"),
        ("plan", "set", "4 requests", {}, "`plan` can't have 4 requests left: its window first-use/5h allows 3."),
    ],
)
def test_refusals(balance: str, kind: str, amount: str, more: dict[str, str], why: str) -> None:
    """Each says what to do instead; nothing is entered."""
    made = Bench()
    assert "" == made.order("wallet", "topup", "3 CNY", ref="A")
    before = len(made.entries)
    assert made.order(balance, kind, amount, **more).startswith(why)
    assert before == len(made.entries)


def test_a_changed_unit_is_refused() -> None:
    """A balance keeps the unit of its first entry."""
    made = Bench()
    made.topup(wallet="1 CNY")
    made.configure(agreed(config(balance={**config().balance, "wallet": Balance(kind="prepaid", unit="EUR")})))
    assert made.order("wallet", "topup", "1 EUR").startswith("`wallet` is in CNY since its first entry")


def account(candidate: str = OFFICIAL) -> Config:
    """Return the bench's config with the official route paid by an account of 10 USD a month, and two more wallets."""
    balance = {
        **config().balance,
        "account": Balance(kind="postpaid", unit="USD", limit="10 USD"),
        "spare": Balance(kind="prepaid", unit="CNY"),
        "claude": Balance(kind="pool", unit="percent", windows="provider"),
    }
    route = {**config().route, "official": replace(config().route["official"], balance="account")}
    return listed(candidate, balance=balance, route=route)


def state(made: Bench, name: str) -> BalanceState:
    """Return a balance's state."""
    return made.fold.book.state(name, unit_of(made.terms.config.balance[name]))


def may_hold(made: Bench, name: str) -> str:
    """Return what is available of a balance."""
    found = available(made.terms.config.balance[name], state(made, name), made.at)
    return "" if found is None else text(found)


class TestSet:
    """CASES 57: an amount that the provider's dashboard shows can be entered as it is; the difference is named."""

    def test_what_is_owed_of_an_account(self) -> None:
        """Its page shows what is owed in the period; what is left follows from the limit."""
        made = Bench(terms=agreed(account()))
        assert "" == made.order("account", "set", "4 USD")
        assert "6" == may_hold(made, "account")
        made.later(days=1)
        assert "" == made.order("account", "set", "3.5 USD")
        assert "6.5" == may_hold(made, "account")
        assert [("-4", "opening", "10", "6"), ("0.5", "unexplained", "6", "6.5")] == adjustments(made)

        made.later(days=10)  # another month: the page begins at nothing, and so do we
        assert "10" == may_hold(made, "account")
        assert "" == made.order("account", "set", "0 USD")
        assert 2 == len(adjustments(made))

    def test_what_is_left_of_a_pool(self) -> None:
        """The window that leaves the least then leaves this."""
        made = Bench(terms=agreed(listed(PLAN)))
        made.call()
        assert "" == made.order("plan", "set", "1 requests")
        assert "" == made.order("plan", "set", "1 requests")

        assert ("1", [("-1", "unexplained", "2", "1")]) == (may_hold(made, "plan"), adjustments(made))
        assert "" == made.order("plan", "set", "3 requests")
        assert "3" == may_hold(made, "plan")

    def test_what_was_used_opens_the_windows(self) -> None:
        """Before our first hold no window is open, but the page shows that one is; from now on it counts."""
        made = Bench(terms=agreed(listed(PLAN)))
        assert "" == made.order("plan", "set", "1 requests")
        assert "1" == may_hold(made, "plan")
        assert [("-2", "opening", "3", "1")] == adjustments(made)

        made.call()
        assert "pool_used_up" == made.refused(made.route()).passed_over[0].reason
        made.later(hours=5)
        assert "2" == may_hold(made, "plan")

    def test_more_than_a_closed_window_has_opens_none(self) -> None:
        """What is given back in a window of first use that is not open counts nowhere."""
        made = Bench(terms=agreed(listed(PLAN)))
        assert "" == made.order("plan", "adjust", "1 requests")
        assert ("3", {}) == (may_hold(made, "plan"), state(made, "plan").windows)

    def test_a_pool_never_has_more_than_its_windows_allow(self) -> None:
        """What they all allow can be entered; what it said more would add up from entry to entry and move nothing."""
        made = Bench(terms=agreed(listed(PLAN)))
        assert "" == made.order("plan", "set", "1 requests")
        assert made.order("plan", "set", "5 requests").endswith("change `windows` in the config")
        assert "" == made.order("plan", "set", "3 requests")
        assert "3" == may_hold(made, "plan")

    def test_an_opening_is_the_first_entry(self) -> None:
        """After any other something was known, so the difference is unexplained."""
        made = Bench(terms=agreed(account()))
        made.topup(wallet="1 CNY")
        assert "" == made.order("wallet", "set", "0 CNY")
        assert [("1", "topup", "0", "1"), ("-1", "unexplained", "1", "0")] == adjustments(made)


class TestRefund:
    """What the provider paid back left the balance."""

    def test_it_takes_away(self) -> None:
        """From the lots, earliest end first; the books may be behind the provider's."""
        made = Bench()
        assert "" == made.order("wallet", "topup", "5 CNY", expires="2026-11-30")
        made.topup(wallet="2 CNY")
        assert "" == made.order("wallet", "refund", "6 CNY", ref="R-1", note="closed early")

        assert ("-6", "refund", "7", "1") == adjustments(made)[-1]
        assert [Lot(left=Decimal(1))] == state(made, "wallet").lots
        assert [] == made.recoveries()

    def test_money_in_and_back_is_nothing_owed_in_a_period(self) -> None:
        """What is paid into an account or back from it settles what was owed; the period's limit is for calls."""
        made = Bench(terms=agreed(account()))
        assert "" == made.order("account", "adjust", "-4 USD")
        assert "" == made.order("account", "topup", "5 USD")
        assert "" == made.order("account", "refund", "1 USD")

        assert ("6", Decimal(0)) == (may_hold(made, "account"), state(made, "account").posted)


class TestClose:
    """A balance that is given up, or goes on in another one."""

    def test_what_is_left_goes_over(self) -> None:
        """Both movements have one batch; the other one is not empty any more."""
        made = Bench(terms=agreed(account()))
        made.topup(wallet="5 CNY", spare="1 CNY")
        assert "" == made.order("wallet", "close", "", to="spare")

        assert [("-5", "closed", "5", "0"), ("5", "closed", "1", "6")] == adjustments(made)[2:]
        out, into = [entry for entry in made.entries if isinstance(entry, Adjusted)][2:]
        assert ("close wallet", "to spare", "close wallet", "from wallet") == (
            out.batch,
            out.note,
            into.batch,
            into.note,
        )
        assert (Decimal(0), Decimal(6)) == (state(made, "wallet").posted, state(made, "spare").posted)
        assert ([], [Lot(left=Decimal(6))]) == (state(made, "wallet").lots, state(made, "spare").lots)

    def test_money_keeps_its_end(self) -> None:
        """Credit that ends on a day ends then on the other balance too."""
        made = Bench(terms=agreed(account()))
        assert "" == made.order("wallet", "topup", "5 CNY", expires="2026-11-30", ref="A")
        made.topup(wallet="2 CNY", spare="1 CNY")
        assert "" == made.order("wallet", "close", "", to="spare", batch="B", note="n")

        expected = [("-7", "closed", "7", "0"), ("5", "closed", "1", "6"), ("2", "closed", "6", "8")]
        assert expected == adjustments(made)[3:]
        assert [Lot(left=Decimal(5), expires="2026-11-30"), Lot(left=Decimal(3))] == state(made, "spare").lots

    def test_a_debt_goes_over_too(self) -> None:
        """What is owed lowers the other one; that is no top-up of it."""
        made = Bench(terms=agreed(account()))
        assert "" == made.order("wallet", "adjust", "-2 CNY")
        made.topup(spare="5 CNY")
        assert "" == made.order("wallet", "close", "", to="spare")

        assert (Decimal(0), Decimal(3)) == (state(made, "wallet").posted, state(made, "spare").posted)
        assert [Lot(left=Decimal(3))] == state(made, "spare").lots

    def test_into_an_account(self) -> None:
        """It has no lots: what comes over pays what is owed there."""
        made = Bench(terms=agreed(account()))
        assert "" == made.order("account", "adjust", "-4 USD")
        assert "" == made.order("credit", "topup", "6 USD", expires="2026-12-31")
        assert "" == made.order("credit", "close", "", to="account")

        assert (Decimal(2), "6") == (state(made, "account").posted, may_hold(made, "account"))

    def test_given_up(self) -> None:
        """Without another one it is gone; a remark of the user's goes before ours."""
        made = Bench()
        made.topup(wallet="5 CNY")
        assert "" == made.order("wallet", "close", "")
        assert "" == made.order("wallet", "close", ""), "nothing is left to close"

        assert ("-5", "closed", "5", "0") == adjustments(made)[-1]
        entry = made.entries[-1]
        assert isinstance(entry, Adjusted)
        assert ("close wallet", "given up") == (entry.batch, entry.note)

    def test_the_other_one_is_not_empty_any_more(self) -> None:
        """CASES 54: money came in there."""
        made = Bench(terms=agreed(account(RELAY)))
        made.topup(wallet="5 CNY", spare="5 CNY")
        made.call("insufficient_quota")
        assert "" == made.order("spare", "close", "", to="wallet")

        assert [Recovered(scope="balance", name="wallet", by="topup")] == made.recoveries()

    def test_calls_under_way_keep_it_open(self) -> None:
        """Their charges are still to come."""
        made = Bench(terms=agreed(listed(RELAY)))
        made.topup(wallet="5 CNY")
        made.held(made.route())

        assert "calls under way hold 0.062 CNY on `wallet`: try again when they have ended" == made.order(
            "wallet", "close", ""
        )

    @pytest.mark.parametrize(
        ("balance", "to", "why"),
        [
            ("wallet", "credit", "`credit` is in USD and `wallet` in CNY: amounts of different units never add. Close"),
            ("wallet", "plan", "`plan` is in requests and `wallet` in CNY"),
            ("wallet", "spar", "no balance named `spar`. Did you mean `spare`?"),
            ("wallet", "wallet", "a balance is not closed into itself"),
            ("plan", "", "`plan` is a pool balance: only one that holds or owes money is closed"),
            ("claude", "", "`claude` is counted by its provider: only one that holds or owes money is closed"),
        ],
    )
    def test_refusals(self, balance: str, to: str, why: str) -> None:
        """Another unit never adds: the message says what to write instead."""
        made = Bench(terms=agreed(account()))
        made.topup(wallet="5 CNY")
        before = len(made.entries)
        assert made.order(balance, "close", "", to=to).startswith(why)
        assert before == len(made.entries)

    def test_the_other_ones_changed_unit(self) -> None:
        """What the config says of it is not what its entries are in."""
        made = Bench(terms=agreed(account()))
        made.topup(credit="1 USD", wallet="5 CNY")
        tables = {**account().balance, "credit": Balance(kind="prepaid", unit="CNY")}
        made.configure(agreed(replace(account(), balance=tables)))

        assert made.order("wallet", "close", "", to="credit").startswith("`credit` is in USD since its first entry")


class TestCorrection:
    """What corrects a call counts against the budgets that the call counted against."""

    def spent(self, made: Bench) -> dict[str, str]:
        """Return what counts against each budget now."""
        return {name: text(it.spent(made.at)) for name, it in made.fold.budgets.budgets.items()}

    def corrected(self, amount: str, **more: str) -> Bench:
        """Return a bench on which a call of 0.015 CNY was corrected."""
        budget = Budget(limit="5 USD", per="day")
        rates = Report(fx={"CNY": (Rate(valid_from=date(2026, 1, 1), rate=Decimal(10)),)})
        made = Bench(
            terms=agreed(
                listed(
                    RELAY,
                    key={"k": Key(budget=budget)},
                    task={"t": Task(cap=Cap(limit="5 USD"))},
                    report=rates,
                )
            )
        )
        made.topup(wallet="1 CNY")
        made.attempt(made.route(task="t"))
        assert {"key.k/day": "0.0015", "task.t/cap": "0.0015"} == self.spent(made)
        assert "" == made.order("wallet", "adjust", amount, **more)
        return made

    OF_CALL: ClassVar[dict[str, str]] = {"corrects": "tf_1", "key": "k", "task": "t", "route": "relay"}

    def test_what_is_given_back_is_free_again(self) -> None:
        """Cost less than charged: the budget has more left, converted at the rate of the day."""
        made = self.corrected("0.01 CNY", **self.OF_CALL)
        assert {"key.k/day": "0.0005", "task.t/cap": "0.0005"} == self.spent(made)

    def test_what_is_taken_counts(self) -> None:
        """Cost more than charged."""
        made = self.corrected("-0.01 CNY", **self.OF_CALL)
        assert {"key.k/day": "0.0025", "task.t/cap": "0.0025"} == self.spent(made)

    def test_without_a_call_nobody_spent_it(self) -> None:
        """A balance that moves by hand counts against no key."""
        made = self.corrected("-0.01 CNY")
        assert {"key.k/day": "0.0015", "task.t/cap": "0.0015"} == self.spent(made)

    def test_names_that_changed_since(self) -> None:
        """CASES 53: the call's entry has the key and route as they were called; their budgets are the same ones."""
        made = self.corrected("0.001 CNY", **self.OF_CALL)
        conf, budget = made.terms.config, Budget(limit="5 USD", per="day")
        route = {"hop": replace(conf.route["relay"], was=("relay",), budget=budget)}
        made.configure(agreed(replace(conf, route=route, model={}, key={"kay": Key(was=("k",), budget=budget)})))
        made.append(Renamed(scope="route", name="hop", was="relay"))
        made.append(Renamed(scope="key", name="kay", was="k"))

        assert "" == made.order("wallet", "adjust", "0.01 CNY", **self.OF_CALL)
        assert {"key.kay/day": "0.0004", "route.hop/day": "-0.001", "task.t/cap": "0.0004"} == self.spent(made)

    def test_a_list_price_stays_what_it_is(self) -> None:
        """What a call cost more or less changes nothing of what a budget counts at list price."""
        budget = Budget(limit="5 USD", per="day", count="list")
        rates = Report(fx={"CNY": (Rate(valid_from=date(2026, 1, 1), rate=Decimal(10)),)})
        made = Bench(terms=agreed(listed(RELAY, key={"k": Key(budget=budget)}, report=rates)))
        made.topup(wallet="1 CNY")
        made.call()
        assert "" == made.order("wallet", "adjust", "0.01 CNY", corrects="tf_1", key="k", route="relay")

        assert {"key.k/day": "0.0015"} == self.spent(made)

    def test_an_allowance_is_no_money(self) -> None:
        """A pool's correction counts in its windows and against no budget."""
        budget = Budget(limit="5 USD", per="day", count="list")
        made = Bench(terms=agreed(listed(PLAN, key={"k": Key(budget=budget)})))
        made.call()
        assert "" == made.order("plan", "adjust", "1 requests", corrects="tf_1", key="k", route="plan")

        assert ({"key.k/day": "0.0015"}, "3") == (self.spent(made), may_hold(made, "plan"))


@pytest.mark.parametrize("reason", ["expiry", "topup", "refund", "set", "opening", "closed"])
def test_a_reason_that_means_more_is_not_given_by_hand(reason: str) -> None:
    """An `expiry` takes a whole lot away: entered with any amount, posted money and lots would not agree."""
    made = Bench()
    made.topup(wallet="5 CNY")
    why = made.order("wallet", "adjust", "-1 CNY", reason=reason)
    assert why.startswith(f"`{reason}` is no reason of an adjustment. ")
    assert Decimal(5) == state(made, "wallet").posted


@pytest.mark.parametrize(
    ("balance", "kind", "amount", "why"),
    [
        ("wallet", "refund", "0 CNY", "a refund of 0 CNY takes nothing: write how much was paid back to you"),
        ("wallet", "refund", "-1 CNY", "a refund of -1 CNY takes nothing"),
        ("plan", "refund", "1 requests", "`plan` is a pool balance: only a prepaid or postpaid one holds money"),
        ("claude", "set", "40 percent", "`claude` is counted by its provider: there is nothing of ours to set"),
        ("local", "adjust", "1 free", "`local` is a free balance: there is nothing of ours to move"),
    ],
)
def test_what_can_not_move(balance: str, kind: str, amount: str, why: str) -> None:
    """Each says what it is, and what it would take."""
    made = Bench(terms=agreed(account()))
    assert made.order(balance, kind, amount).startswith(why)
    assert {} == made.fold.book.balances


@pytest.mark.parametrize(
    ("paid", "fee", "why"),
    [
        ("", "1 CNY", "a fee is a part of what was paid: say --paid too"),
        ("2 USD", "1 CNY", "the fee is in CNY and what was paid in USD: write both in one"),
        ("2 USD", "0.1 USD", ""),
    ],
)
def test_a_fee_is_a_part_of_what_was_paid(paid: str, fee: str, why: str) -> None:
    """It is in the unit of the price, and there is a price."""
    assert why == Bench().order("wallet", "topup", "9 CNY", paid=paid, fee=fee)


class TestAsks:
    """What is odd may be meant: it is refused until the user says so, with the figures."""

    ASKS = ". Say `--yes` to enter it all the same"

    def odd(self, made: Bench, balance: str, kind: str, amount: str, **more: str) -> str:
        """Return what is asked of an order, which is then entered by `yes`."""
        before = len(made.entries)
        why = made.order(balance, kind, amount, **more)
        assert why.endswith(self.ASKS)
        assert before == len(made.entries)
        assert "" == made.order(balance, kind, amount, yes=True, **more)
        assert before < len(made.entries)
        return why.removesuffix(self.ASKS)

    def test_a_refund_above_what_is_posted(self) -> None:
        """The provider can't pay back more than was there; all of it is fine."""
        made = Bench(terms=agreed(account()))
        made.topup(wallet="5 CNY")
        assert "a refund of 6 CNY is more than `wallet` has posted, 5 CNY" == self.odd(
            made, "wallet", "refund", "6 CNY"
        )
        made.topup(credit="5 USD")
        assert "" == made.order("credit", "refund", "5 USD")
        assert "" == made.order("account", "adjust", "-4 USD")
        assert "a refund of 1 USD is more than `account` has posted, -4 USD" == self.odd(
            made, "account", "refund", "1 USD"
        )

    @pytest.mark.parametrize(
        ("kind", "amount", "more", "said"),
        [
            ("topup", "3 CNY", {}, "+3 CNY (topup)"),
            ("adjust", "-2 CNY", {"reason": "fee"}, "-2 CNY (fee)"),
            ("adjust", "2 CNY", {"corrects": "tf_1"}, "+2 CNY (correction)"),
            ("refund", "2 CNY", {}, "-2 CNY (refund)"),
        ],
    )
    def test_the_same_again_within_minutes(self, kind: str, amount: str, more: dict[str, str], said: str) -> None:
        """A command that was sent off twice, or a script that ran twice; after ten minutes it is a new one."""
        made = Bench()
        made.topup(wallet="50 CNY")
        assert "" == made.order("wallet", kind, amount, **more)
        at = made.at
        made.later(minutes=9, seconds=59)
        assert f"{said} was entered for `wallet` at {at} already" == self.odd(
            made, "wallet", kind, amount, note="again", **more
        )
        made.later(minutes=10)
        assert "" == made.order("wallet", kind, amount, **more)

    def test_what_is_not_the_same(self) -> None:
        """Another amount, reason, call, day, balance or reference; and what was taken back meanwhile."""
        made = Bench(terms=agreed(account()))
        made.topup(wallet="50 CNY")
        for amount, more in (
            ("-2 CNY", {}),
            ("-3 CNY", {}),
            ("2 CNY", {}),
            ("-2 CNY", {"reason": "fee"}),
            ("-2 CNY", {"corrects": "tf_1"}),
            ("-2 CNY", {"corrects": "tf_2"}),
        ):
            assert "" == made.order("wallet", "adjust", amount, **more)
        for more in ({"ref": "A"}, {"ref": "B"}, {"ref": "C", "expires": "2026-12-01"}, {"expires": "2026-12-02"}):
            assert "" == made.order("wallet", "topup", "3 CNY", **more)
        assert "" == made.order("spare", "topup", "3 CNY")
        assert "+3 CNY (topup) was entered" in made.order("wallet", "topup", "3 CNY"), "only one has a reference"

    def test_two_digits_too_many(self) -> None:
        """A hundred times the largest of the last top-ups; the first of all is compared with nothing."""
        made = Bench()
        assert "" == made.order("wallet", "topup", "50 CNY")
        assert "" == made.order("wallet", "topup", "4999 CNY", yes=True)
        made = Bench()
        assert "" == made.order("wallet", "adjust", "-1 CNY")
        assert "" == made.order("wallet", "topup", "50 CNY")
        assert "" == made.order("wallet", "topup", "4,999.99 CNY")
        made = Bench()
        assert "" == made.order("wallet", "topup", "50 CNY")
        assert self.odd(made, "wallet", "topup", "5000 CNY") == (
            "5000 CNY is 100 times or more the largest of the last top-ups of `wallet`, 50 CNY"
        )

    def test_a_figure_is_never_odd(self) -> None:
        """Entered twice it moves nothing."""
        made = Bench()
        for amount in ("5 CNY", "5 CNY", "6 CNY", "5 CNY", "6 CNY"):
            assert "" == made.order("wallet", "set", amount)
        assert 4 == len(adjustments(made))


def test_amounts_as_people_write_them() -> None:
    """Signs, parted thousands, a bare number: in the balance's unit, and in the ledger's form in the entry."""
    made = Bench(terms=agreed(account()))
    assert "" == made.order("wallet", "topup", "￥1,500", paid="$210", fee="2.10usd")
    assert "" == made.order("wallet", "set", "1400")
    entry = made.entries[-2]
    assert isinstance(entry, Adjusted)
    assert ("1500", "CNY", "210 USD", "2.10 USD") == (entry.amount, entry.unit, entry.paid, entry.fee)
    assert Decimal(1400) == state(made, "wallet").posted
    assert made.order("wallet", "topup", "9", paid="70.90").startswith(
        "`70.90` is no amount: write a number and a unit"
    )


def test_a_reference_is_kept_without_the_spaces_around_it() -> None:
    """So it is found by it, and known again."""
    made = Bench()
    assert "" == made.order("wallet", "topup", "1 CNY", ref=" INV-1 ")
    assert ["INV-1"] == list(state(made, "wallet").refs)
    assert made.order("wallet", "topup", "1 CNY", ref="inv-1").startswith("`INV-1` was entered")


def test_what_stands_after_a_movement_fits_the_ledger() -> None:
    """Else no later entry could take it back: each is one amount of at most 20 digits before the point."""
    made = Bench(terms=agreed(account()))
    most = f"{'9' * 20} CNY"
    for name in ("wallet", "spare"):
        assert "" == made.order(name, "adjust", most, yes=True)
        assert "beyond what the ledger can hold" in made.order(name, "adjust", most, yes=True)
    assert "beyond what the ledger can hold" in made.order("wallet", "set", f"-{most}", yes=True)
    assert made.order("wallet", "close", "", to="spare").startswith("`spare` would stand at 199999999999999999998 CNY")
    assert "" == made.order("wallet", "set", "0 CNY")
