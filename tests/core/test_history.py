"""What a config may not change about what the ledger already knows, and how a name keeps its history."""

from datetime import date
from decimal import Decimal

import pytest
from builders import OFFICIAL, PLAN, RELAY, Bench, agreed, config, finished, listed
from msgspec.structs import replace

from tokens_forge.core.book import available
from tokens_forge.core.config import Balance, Budget, Config, Key, Rate, Report
from tokens_forge.core.entries import Limit, Renamed
from tokens_forge.core.fold import decode
from tokens_forge.core.history import conflicts, removed, renames
from tokens_forge.core.money import Amount


def wallets(**was: tuple[str, ...]) -> Config:
    """Return a config with a CNY wallet of each name, the relay paid by the first, and their earlier names."""
    balance = {name: Balance(kind="prepaid", unit="CNY", was=earlier) for name, earlier in was.items()}
    route = replace(config().route["relay"], balance=next(iter(was)))
    return listed(RELAY, balance=balance, route={"relay": route}, upstream={"relay": config().upstream["relay"]})


def begin(bench: Bench, conf: Config) -> list[Renamed]:
    """Put a config in force as a start does; return what it renamed."""
    assert [] == list(conflicts(conf, bench.fold, None))
    bench.configure(agreed(conf))
    entered: list[Renamed] = []
    for renamed in renames(conf, bench.fold):
        bench.append(renamed)
        entered.append(renamed)
    assert [] == list(renames(conf, bench.fold)), "a name is entered once"
    return entered


def posted(bench: Bench) -> dict[str, Decimal]:
    """Return what is posted, by name."""
    return {name: state.posted for name, state in bench.fold.book.balances.items()}


def against(conf: Config, bench: Bench) -> list[tuple[str, str, str]]:
    """Return what stands against a config."""
    return list(conflicts(conf, bench.fold, None))


def paid_in(conf: Config, **amounts: str) -> Bench:
    """Return a bench whose balances have money."""
    bench = Bench(terms=agreed(conf))
    bench.topup(**amounts)
    return bench


class TestNames:
    """DESIGN 5: names have identity; `was` keeps history one (CASES 53)."""

    def test_a_renamed_balance_keeps_its_money(self) -> None:
        """Its money, references and burning go on under the new name, and the old one leads there."""
        bench = paid_in(wallets(a=()), a="5 CNY")
        assert "" == bench.order("a", "topup", "1 CNY", ref="A")
        assert [Renamed(scope="balance", name="b", was="a")] == begin(bench, wallets(b=("a",)))

        assert {"b": Decimal(6)} == posted(bench)
        assert bench.fold.book.state("a", "CNY") is bench.fold.book.state("b", "CNY")
        assert "a reference counts once" in bench.order("b", "topup", "1 CNY", ref="A")

    @pytest.mark.parametrize("was", [("b",), ("b", "a"), ("a", "b")])
    def test_a_chain_of_names(self, was: tuple[str, ...]) -> None:
        """From a to b to c: both lead to c, whether the config still names the first or not."""
        bench = paid_in(wallets(a=()), a="5 CNY")
        begin(bench, wallets(b=("a",)))
        begin(bench, wallets(c=was))

        assert {"c": Decimal(5)} == posted(bench)
        assert ["c"] * 3 == [bench.fold.book.name(name) for name in "abc"]

    def test_two_steps_at_once(self) -> None:
        """A start that missed the name between."""
        bench = paid_in(wallets(a=()), a="5 CNY")
        begin(bench, wallets(c=("b", "a")))
        assert {"c": Decimal(5)} == posted(bench)

    def test_a_name_may_come_back(self) -> None:
        """From a to b and back again, as often as one likes."""
        bench = paid_in(wallets(a=()), a="5 CNY")
        for conf in (wallets(b=("a",)), wallets(a=("b",)), wallets(b=("a",)), wallets(a=("b",))):
            begin(bench, conf)

        assert {"a": Decimal(5)} == posted(bench)
        assert {"b": "a"} == bench.fold.book.names

    def test_a_call_under_way_ends_under_its_new_name(self) -> None:
        """CASES 30: a hold that was made under the old name always ends, and its charge is the same balance's."""
        bench = paid_in(wallets(a=()), a="5 CNY")
        held = bench.held(bench.route())
        begin(bench, wallets(b=("a",)))
        state = bench.fold.book.state("b", "CNY")
        assert Decimal("4.938") == available(Balance(kind="prepaid"), state, bench.at)

        bench.end(held)
        assert ({}, Decimal("4.985")) == (state.holds, state.posted)
        assert bench.fold == bench.replayed() == decode(bench.fold.encode())

    def test_a_pool_keeps_its_windows(self) -> None:
        """What was used of an allowance is used under the new name too; a header under way says nothing more."""
        bench = Bench(terms=agreed(listed(PLAN)))
        bench.call()
        held = bench.held(bench.route())
        balance = config().balance
        plan = replace(balance["plan"], was=("plan",))
        route = {"plan": replace(config().route["plan"], balance="coding")}
        begin(bench, listed(PLAN, balance={"coding": plan}, route=route))
        bench.end(held, finished(limits=(Limit(window="requests", limit="3", remaining="0"),)))

        assert Decimal(1) == available(plan, bench.fold.book.state("coding", "requests"), bench.at)

    def test_routes_and_keys_too(self) -> None:
        """Budgets follow the name of what they bind."""
        budget = Budget(limit="5 USD", per="day")
        routes = {"official": replace(config().route["official"], budget=budget)}
        bench = Bench(terms=agreed(listed(OFFICIAL, route=routes, key={"k": Key(budget=budget)})))
        bench.topup(credit="5 USD")
        bench.call()
        spent = {name: state.spent(bench.at) for name, state in bench.fold.budgets.budgets.items()}
        assert {"key.k/day": Decimal("0.0015"), "route.official/day": Decimal("0.0015")} == spent

        conf = replace(
            bench.terms.config,
            route={"direct": replace(routes["official"], was=("official",))},
            key={"editor": Key(budget=budget, was=("k",))},
        )
        expected = [
            Renamed(scope="route", name="direct", was="official"),
            Renamed(scope="key", name="editor", was="k"),
        ]
        assert expected == begin(bench, conf)
        spent = {name: state.spent(bench.at) for name, state in bench.fold.budgets.budgets.items()}
        assert {"key.editor/day": Decimal("0.0015"), "route.direct/day": Decimal("0.0015")} == spent

    def test_what_cools_follows(self) -> None:
        """CASES 54: a balance that is empty upstream, and a candidate that is passed over, are so under a new name."""
        bench = paid_in(listed(RELAY), wallet="5 CNY")
        bench.call("rate_limited")
        bench.later(seconds=11)
        bench.call("insufficient_quota")
        assert {"candidate relay/m", "balance wallet"} == set(bench.fold.health.cooldowns)

        tables = config()
        conf = listed(
            "cheap/m",
            balance={**tables.balance, "purse": replace(tables.balance["wallet"], was=("wallet",))},
            route={"cheap": replace(tables.route["relay"], balance="purse", was=("relay",))},
        )
        begin(bench, conf)
        assert {"candidate cheap/m", "balance purse"} == set(bench.fold.health.cooldowns)

    def test_two_keys_that_become_one(self) -> None:
        """What both spent counts against the budget, and both their calls under way."""
        budget = Budget(limit="5 USD", per="day")
        bench = Bench(terms=agreed(listed(OFFICIAL, key={"a": Key(budget=budget), "b": Key(budget=budget)})))
        bench.topup(credit="5 USD")
        ended: list[str] = []
        for key in ("a", "b", "b"):
            ended.append(bench.attempt(bench.route(key=key)).id)
            bench.held(bench.route(key=key))
        begin(bench, listed(OFFICIAL, key={"b": Key(budget=budget, was=("a",))}))

        state = bench.fold.budgets.state("key.b/day", "USD")
        assert (Decimal("0.0045"), Decimal("0.0186"), 3) == (state.spent(bench.at), state.held, len(state.holds))
        assert ["key.b/day"] == list(bench.fold.budgets.budgets)
        assert bench.fold == bench.replayed() == decode(bench.fold.encode())

    def test_budgets_of_different_units_never_add(self) -> None:
        """CASES 46: the one that has the name now stays."""
        budgets = {
            name: Key(budget=Budget(limit=f"5 {unit}", per="day")) for name, unit in (("a", "EUR"), ("b", "USD"))
        }
        fx = Report(fx={"EUR": (Rate(valid_from=date(2026, 1, 1), rate=Decimal("0.5")),)})
        bench = Bench(terms=agreed(listed(OFFICIAL, key=budgets, report=fx)))
        bench.topup(credit="5 USD")
        for key in ("a", "b"):
            bench.attempt(bench.route(key=key))
        begin(bench, listed(OFFICIAL, key={"b": replace(budgets["b"], was=("a",))}, report=fx))

        found = bench.fold.budgets.budgets
        assert {"key.b/day": ("USD", Decimal("0.0015"))} == {
            name: (it.unit, it.spent(bench.at)) for name, it in found.items()
        }


class TestConflicts:
    """What the ledger knows otherwise is an error of the config, with what to write."""

    def test_a_new_ledger_has_none(self) -> None:
        """Nothing is known yet."""
        assert [] == against(wallets(a=("b", "c"), d=()), Bench())

    def test_a_unit_is_kept(self) -> None:
        """CASES 46: kind and unit are fixed by the first entry."""
        bench = paid_in(wallets(a=()), a="5 CNY")
        conf = replace(wallets(a=()), balance={"a": Balance(kind="prepaid", unit="EUR")})
        ((name, field, what),) = against(conf, bench)

        assert ("balance.a", "unit") == (name, field)
        assert what.startswith("`a` is in CNY since its first entry, and the config says EUR")
        assert 'Write `unit = "CNY"`' in what

    @pytest.mark.parametrize(("unit", "near"), [("usd", "USD"), ("usdd", "USD"), ("Cny", "CNY"), ("euro", "EUR")])
    def test_a_unit_that_is_nearly_a_currency(self, unit: str, near: str) -> None:
        """A new balance would be in a unit that no price and no rate knows; one with entries keeps what it has."""
        conf = replace(wallets(a=()), balance={"a": Balance(kind="prepaid", unit=unit)})
        expected = (
            f'`{unit}` is not the code of a currency. Did you mean `unit = "{near}"`? A unit of your own is written in '
            f"capitals: `{unit.upper()}`"
        )
        assert [("balance.a", "unit", expected)] == against(conf, Bench())
        assert [] == against(conf, paid_in(conf, a=f"5 {unit}"))
        renamed = replace(conf, balance={"b": Balance(kind="prepaid", unit=unit, was=("a",))})
        assert [] == against(renamed, paid_in(conf, a=f"5 {unit}"))

    @pytest.mark.parametrize("unit", ["RELAY$", "credits", "USD", "RMB"])
    def test_a_unit_of_ones_own(self, unit: str) -> None:
        """What is no slip of a currency stays what the user calls it."""
        assert [] == against(replace(wallets(a=()), balance={"a": Balance(kind="prepaid", unit=unit)}), Bench())

    def test_an_earlier_name_is_not_given_anew(self) -> None:
        """CASES 53: something new does not inherit a stranger's history."""
        bench = paid_in(wallets(a=()), a="5 CNY")
        begin(bench, wallets(b=("a",)))
        expected = [
            ("balance.a", "", "`a` is the earlier name of `b`, whose history it stays: give this one another name")
        ]

        assert expected == against(wallets(b=(), a=()), bench)

    def test_nor_is_that_of_a_key_or_route(self) -> None:
        """CASES 53: a reissued key does not inherit a stranger's budgets."""
        bench = Bench()
        route = config().route["local"]
        renamed = config(
            key={"editor": Key(was=("aider",))}, route={**config().route, "box": replace(route, was=("x",))}
        )
        begin(bench, renamed)
        reissued = config(key={"aider": Key(), "editor": Key()}, route={**config().route, "x": route, "box": route})

        step = "whose history it stays: give this one another name"
        expected = [
            ("route.x", "", f"`x` is the earlier name of `box`, {step}"),
            ("key.aider", "", f"`aider` is the earlier name of `editor`, {step}"),
        ]
        assert expected == against(reissued, bench)

    def test_an_earlier_name_is_not_taken_from_another(self) -> None:
        """Even when the other one does not claim it any more."""
        bench = paid_in(wallets(a=()), a="5 CNY")
        begin(bench, wallets(b=("a",)))
        whose = "`a` is the earlier name of `b`, whose history it stays"

        assert [("balance.c", "was", f"{whose}: leave it out, or write `b` beside it")] == against(
            wallets(b=(), c=("a",)), bench
        )
        assert [] == against(wallets(c=("a", "b")), bench)

    def test_two_histories_stay_two(self) -> None:
        """A name that has entries of its own does not take over another's."""
        bench = paid_in(wallets(a=(), b=()), a="5 CNY", b="1 CNY")
        expected = (
            "`b` and `a` have a history each and stay apart: leave `a` out of `was`; to move its money, "
            "`tf balance close a --to b`"
        )
        assert [("balance.b", "was", expected)] == against(wallets(b=("a",)), bench)

    def test_two_earlier_names_with_a_history_each(self) -> None:
        """A new name can't be both: the later rename would lose the earlier one's money."""
        bench = paid_in(wallets(a=(), b=()), a="5 CNY", b="1 CNY")
        ((name, field, what),) = against(wallets(c=("a", "b")), bench)

        assert ("balance.c", "was") == (name, field)
        assert what.startswith("`a` and `b` have a history each and stay apart: leave `a` out of `was`")

    def test_a_balance_that_is_not_zero_stays(self) -> None:
        """DESIGN 5: money does not vanish with a table; there are two ways out."""
        bench = paid_in(wallets(a=(), b=()), a="5 CNY")
        ((name, field, what),) = against(wallets(b=()), bench)

        assert ("balance.a", "") == (name, field)
        assert what == (
            "it is gone from the config and has 5 CNY: bring it back, then `tf balance close a --to OTHER`, or give it "
            'a new name with `was = ["a"]`'
        )

    def test_both_ways_out(self) -> None:
        """Closed into another, it may go; so may one that goes on under another name."""
        bench = paid_in(wallets(a=(), b=()), a="5 CNY")
        assert [] == against(wallets(c=("a",), b=()), bench)

        assert "" == bench.order("a", "close", "", to="b")
        assert [] == against(wallets(b=()), bench)

    @pytest.mark.parametrize("amount", ["5", "-5"])
    def test_money_and_debts_are_not_removed(self, amount: str) -> None:
        """Whatever is posted; what a pool gave is nothing to keep, nor is a free one."""
        bench = Bench(terms=agreed(listed(PLAN)))
        bench.call()
        assert "" == bench.order("wallet", "adjust", f"{amount} CNY")
        assert "" == bench.order("credit", "adjust", f"{amount} USD")
        assert "" == bench.order("credit", "set", "0 USD")
        gone = replace(bench.terms.config, balance={}, route={})

        assert {"wallet": Amount(value=Decimal(amount), unit="CNY")} == removed(gone, bench.fold)

    def test_calls_under_way_keep_their_balance(self) -> None:
        """A hold on a balance with nothing posted: its charge must land somewhere."""
        bench = paid_in(listed(RELAY), wallet="1 CNY")
        bench.held(bench.route())
        assert "" == bench.order("wallet", "set", "0 CNY")
        gone = replace(bench.terms.config, balance={}, route={})

        assert {"wallet": Amount(value=Decimal(0), unit="CNY")} == removed(gone, bench.fold)


def test_a_balance_keeps_its_kind() -> None:
    """DESIGN 1: kind and unit are fixed by its first entry, under every name; a balance without entries may change."""
    bench = Bench()
    before = bench.terms.config
    owed = Balance(kind="postpaid", unit="CNY", limit="9 CNY")
    after = config(balance={**before.balance, "wallet": owed})
    assert [] == list(conflicts(after, bench.fold, before))
    bench.topup(wallet="5 CNY")
    said = "it is prepaid since its first entry: a balance keeps its kind. Give another one its own name"
    assert [("balance.wallet", "kind", said)] == list(conflicts(after, bench.fold, before))
    assert [] == list(conflicts(after, bench.fold, None))
    others = {name: balance for name, balance in before.balance.items() if name != "wallet"}
    renamed = config(balance={**others, "purse": replace(owed, was=("wallet",))})
    assert ("balance.purse", "kind", said) in list(conflicts(renamed, bench.fold, before))
