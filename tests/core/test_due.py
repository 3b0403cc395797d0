"""What falls due by itself: fees of pools, the next moment to look, and use that only the provider saw."""

from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Literal

import pytest
from builders import PLAN, Bench, agreed, config, finished, listed
from msgspec.structs import replace

from tokens_forge.core.book import left
from tokens_forge.core.config import Balance, Config, Fee, Window
from tokens_forge.core.due import MOST_PERIODS, due, next_due, used_elsewhere
from tokens_forge.core.entries import Adjusted, Limit, Renamed
from tokens_forge.core.fold import decode
from tokens_forge.core.money import text
from tokens_forge.core.windows import MONDAYS_IN_UTC

SHORT, LONG = Window(allow=Decimal(3), per="5h"), Window(allow=Decimal(5), per="7d")


def pool(*windows: Window, unit: str = "requests", fee: Fee | None = None) -> Config:
    """Return the bench's config with the plan alone, of these windows."""
    plan = Balance(kind="pool", unit=unit, windows=windows or (SHORT, LONG), fee=fee)
    return listed(PLAN, balance={**config().balance, "plan": plan})


def with_fee(per: Literal["week", "month", "year"], first: str, until: str = "") -> Bench:
    """Return a bench whose plan has a fee, on 2026-11-24."""
    fee = Fee(
        amount="20.00 USD",
        per=per,
        valid_from=date.fromisoformat(first),
        until=date.fromisoformat(until) if until else None,
    )
    return Bench(terms=agreed(pool(fee=fee)))


def enter(bench: Bench) -> list[tuple[str, str]]:
    """Enter what has fallen due; return the first and last day of each fee."""
    entries = due(bench.terms.config, bench.fold.book, bench.at)
    for entry in entries:
        bench.append(entry)
    return [(entry.effective, entry.expires) for entry in entries]


def at_midnight(bench: Bench, day: str) -> None:
    """Make it the first moment of a day."""
    bench.now = datetime.fromisoformat(day).replace(tzinfo=UTC)


class TestFees:
    """A pool's fee is entered on the first day of each of its periods, once."""

    def test_a_fee_says_its_period(self) -> None:
        """It moves nothing of the pool: the money was paid elsewhere, and reports share it out."""
        bench = with_fee("month", "2026-11-24")
        (entry,) = due(bench.terms.config, bench.fold.book, bench.at)

        expected = Adjusted(
            balance="plan",
            amount="0",
            unit="requests",
            reason="fee",
            fee="20.00 USD",
            effective="2026-11-24",
            expires="2026-12-23",
        )
        assert expected == entry

    @pytest.mark.parametrize(
        ("per", "first", "expected"),
        [
            (
                "month",
                "2026-08-31",
                [("2026-08-31", "2026-09-29"), ("2026-09-30", "2026-10-30"), ("2026-10-31", "2026-11-29")],
            ),
            ("week", "2026-11-11", [("2026-11-11", "2026-11-17"), ("2026-11-18", "2026-11-24")]),
            (
                "year",
                "2024-02-29",
                [("2024-02-29", "2025-02-27"), ("2025-02-28", "2026-02-27"), ("2026-02-28", "2027-02-27")],
            ),
            ("month", "2026-11-25", []),
        ],
    )
    def test_each_period_once(
        self, per: Literal["week", "month", "year"], first: str, expected: list[tuple[str, str]]
    ) -> None:
        """Those that began before tf are entered too; nothing is entered twice, also not after a start."""
        bench = with_fee(per, first)
        assert expected == enter(bench)
        assert [] == enter(bench)

        bench.fold = decode(bench.fold.encode())
        assert [] == enter(bench)

    def test_month_ends_from_the_31st(self) -> None:
        """A short month ends the count for itself alone; the days of all periods are each day once."""
        bench = with_fee("month", "2026-01-31")
        at_midnight(bench, "2027-01-31")
        periods = enter(bench)

        firsts = ["01-31", "02-28", "03-31", "04-30", "05-31", "06-30", "07-31", "08-31", "09-30", "10-31", "11-30"]
        assert [*(f"2026-{day}" for day in firsts), "2026-12-31", "2027-01-31"] == [first for first, _ in periods]
        for (_, last), (first, _) in pairwise(periods):
            assert 1 == (date.fromisoformat(first) - date.fromisoformat(last)).days

    def test_the_first_moment_of_a_period_is_enough(self) -> None:
        """Not a microsecond before."""
        bench = with_fee("month", "2026-12-01")
        at_midnight(bench, "2026-12-01")
        bench.later(microseconds=-1)
        assert [] == enter(bench)

        bench.later(microseconds=1)
        assert [("2026-12-01", "2026-12-31")] == enter(bench)

    def test_until_is_not_paid_any_more(self) -> None:
        """The period that began before it is paid whole."""
        bench = with_fee("week", "2026-11-01", until="2026-11-15")
        assert [("2026-11-01", "2026-11-07"), ("2026-11-08", "2026-11-14")] == enter(bench)

    def test_a_fee_that_was_changed_goes_on_after_what_was_paid(self) -> None:
        """Days that were paid for are not paid for again by another period or first day."""
        bench = with_fee("month", "2026-11-01")
        enter(bench)
        fee = Fee(amount="6.00 USD", per="week", valid_from=date(2026, 11, 3))
        bench.configure(agreed(pool(fee=fee)))
        at_midnight(bench, "2026-12-09")

        assert [("2026-12-01", "2026-12-07"), ("2026-12-08", "2026-12-14")] == enter(bench)

    def test_weeks_of_decades_have_a_fee(self) -> None:
        """However long ago the first was."""
        bench = with_fee("week", "1999-11-23")
        assert (1410, ("2026-11-24", "2026-11-30")) == (len(periods := enter(bench)), periods[-1])

    def test_a_typing_error_has_an_end(self) -> None:
        """A first day in antiquity gives so many periods and no more."""
        bench = with_fee("week", "0026-11-24")
        entered = due(bench.terms.config, bench.fold.book, bench.at)
        assert MOST_PERIODS == len(entered)

    def test_a_renamed_pool_does_not_pay_again(self) -> None:
        """CASES 53: its history is one."""
        bench = with_fee("month", "2026-11-24")
        enter(bench)
        bench.append(Renamed(scope="balance", name="coding", was="plan"))
        balance = bench.terms.config.balance
        renamed = replace(bench.terms.config, balance={"coding": replace(balance["plan"], was=("plan",))})

        assert () == due(renamed, bench.fold.book, bench.at)


class TestNext:
    """When to look again."""

    def test_nothing_falls_due(self) -> None:
        """Without fees and lots that end there is no such moment; a fee that is over has none either."""
        assert "" == next_due(config(), Bench().fold.book, Bench().at)
        bench = with_fee("week", "2026-11-01", until="2026-11-15")
        enter(bench)
        assert "" == next_due(bench.terms.config, bench.fold.book, bench.at)

    def test_the_first_of_fees_and_lots(self) -> None:
        """A lot falls due on the midnight after its last day, a fee on that before its first."""
        bench = with_fee("month", "2026-11-24")
        enter(bench)
        assert "2026-12-24T00:00:00.000000Z" == next_due(bench.terms.config, bench.fold.book, bench.at)

        assert "" == bench.order("wallet", "topup", "1 CNY", expires="2026-11-30")
        bench.topup(wallet="1 CNY")
        assert "2026-12-01T00:00:00.000000Z" == next_due(bench.terms.config, bench.fold.book, bench.at)

        at_midnight(bench, "2026-12-01")
        assert "2026-12-24T00:00:00.000000Z" == next_due(bench.terms.config, bench.fold.book, bench.at)

    def test_what_is_due_already_is_not_next(self) -> None:
        """The moment lies after this one, whether the fee of today is entered or not."""
        bench = with_fee("month", "2026-11-24")
        assert "2026-12-24T00:00:00.000000Z" == next_due(bench.terms.config, bench.fold.book, bench.at)


def limit(remaining: str, *, of: str = "3", window: str = "requests") -> Limit:
    """Return what a header says is left."""
    return Limit(window=window, limit=of, remaining=remaining)


def elsewhere(bench: Bench) -> list[tuple[str, str]]:
    """Return what was entered as used elsewhere, with its window."""
    entries = [entry for entry in bench.entries if isinstance(entry, Adjusted) and entry.reason == "used_elsewhere"]
    assert all(len(entry.windows) == 1 for entry in entries)
    return [(entry.amount, entry.windows[0].window) for entry in entries]


def plan_left(bench: Bench) -> list[str]:
    """Return what is left of the plan's windows."""
    plan = bench.terms.config.balance["plan"]
    return [text(rest) for rest in left(plan, bench.fold.book.state("plan", plan.unit), bench.at).values()]


class TestElsewhere:
    """CASES 58: use outside the proxy shows as such, and never twice."""

    def test_less_than_our_count_was_used_elsewhere(self) -> None:
        """Of the window that the header limits alone; what is left is then what the provider says."""
        bench = Bench(terms=agreed(pool()))
        bench.call(finished(limits=(limit("1"),)))

        assert [("-1", "first-use/5h")] == elsewhere(bench)
        assert ["1", "4"] == plan_left(bench)
        entry = bench.entries[-1]
        assert isinstance(entry, Adjusted)
        assert "first-use/5h: the provider's headers leave 1, our count 2" == entry.note

    def test_never_twice(self) -> None:
        """What was entered is in our count: the next reply says nothing new."""
        bench = Bench(terms=agreed(pool(Window(allow=Decimal(9), per="5h"))))
        for remaining in ("6", "5", "5", "3"):  # 2 elsewhere; 0; one more than the header knows yet; 0
            bench.call(finished(limits=(limit(remaining, of="9"),)))

        assert [("-2", "first-use/5h")] == elsewhere(bench)
        assert ["3"] == plan_left(bench)

    def test_what_live_holds_reserve_is_not_elsewhere(self) -> None:
        """The provider may count a call that is under way already, or not yet."""
        bench = Bench(terms=agreed(pool(Window(allow=Decimal(9), per="5h"))))
        under_way = bench.held(bench.route())
        bench.call(finished(limits=(limit("7", of="9"),)))
        bench.end(under_way, finished(limits=(limit("7", of="9"),)))

        assert [] == elsewhere(bench)

    def test_a_refusal_says_it_too(self) -> None:
        """A 429 with nothing left: all of our rest was used elsewhere."""
        bench = Bench(terms=agreed(pool()))
        bench.call(finished("rate_limited", limits=(limit("0"),)))

        assert [("-3", "first-use/5h")] == elsewhere(bench)
        assert ["0", "5"] == plan_left(bench)

    @pytest.mark.parametrize(
        "said",
        [
            (),
            (limit("2"),),
            (limit("3"),),
            (limit("1", of="60"),),
            (limit("1", window="tokens"),),
            (limit("1", window="requests-day"),),
            (limit("1", window="provider/5h"),),
            (limit("", of="3"),),
            (limit("1", of=""),),
            (limit("-1"),),
            (limit("0.5"),),
        ],
    )
    def test_other_headers_say_nothing_of_it(self, said: tuple[Limit, ...]) -> None:
        """No header, as much as we count or more, another limit, another unit, another kind, no number."""
        bench = Bench(terms=agreed(pool()))
        bench.call(finished(limits=said))

        assert [] == elsewhere(bench)

    def test_the_header_that_speaks_of_it_is_found(self) -> None:
        """Among others."""
        bench = Bench(terms=agreed(pool()))
        said = (limit("1", window="tokens"), limit("5", of="60"), limit("1"))
        bench.call(finished(limits=said))

        assert [("-1", "first-use/5h")] == elsewhere(bench)

    def test_of_two_windows_with_one_allowance_nobody_knows(self) -> None:
        """It was used once, so it is not entered for both."""
        same = (Window(allow=Decimal(3), per="5h"), Window(allow=Decimal(3), per="7d"))
        bench = Bench(terms=agreed(pool(*same)))
        bench.call(finished(limits=(limit("0"),)))

        assert [] == elsewhere(bench)

    def test_tokens_are_counted_alike(self) -> None:
        """A pool of tokens by the header of tokens."""
        window = Window(allow=Decimal(100_000), per="day", kind="rolling")
        bench = Bench(terms=agreed(pool(window, unit="tokens")))
        bench.call(finished(limits=(limit("90000", of="100000", window="tokens"),)))

        assert [("-8900", "rolling/day")] == elsewhere(bench)
        assert ["90000"] == plan_left(bench)

    def test_a_window_that_is_over_says_nothing(self) -> None:
        """The reply came after the window of its hold had ended: none is open that could be less than whole."""
        bench = Bench(terms=agreed(pool(SHORT)))
        held = bench.held(bench.route())
        bench.later(hours=5)
        bench.end(held, finished(limits=(limit("0"),)))

        assert [] == elsewhere(bench)

    @pytest.mark.parametrize(
        ("first_byte_ms", "expected"), [(400.0, []), (6_000.0, [("-7", "calendar/day")])], ids=["before", "after"]
    )
    def test_what_was_said_of_the_window_before_is_none_of_this_one(
        self, first_byte_ms: float, expected: list[tuple[str, str]]
    ) -> None:
        """A reply that began before midnight and ended after it: its headers speak of the day before."""
        bench = Bench(terms=agreed(pool(Window(allow=Decimal(9), per="day"))))
        at_midnight(bench, "2026-11-25")
        bench.later(seconds=-5)
        held = bench.held(bench.route())
        bench.later(seconds=10)
        bench.end(held, finished(limits=(limit("1", of="9"),), total_ms=10_000.0, first_byte_ms=first_byte_ms))

        assert expected == elsewhere(bench)

    def test_other_balances_have_no_allowance(self) -> None:
        """Money is not what such headers limit, nor is what a provider counts by itself; a balance may be gone."""
        bench = Bench()
        bench.topup(wallet="1 CNY")
        settled = bench.end(bench.held(bench.route()), finished(limits=(limit("0"),)))
        provider = replace(config().balance["plan"], unit="percent", windows="provider")

        assert [] == elsewhere(bench)
        for conf in (config(balance={"wallet": provider}), config(balance={})):
            assert () == used_elsewhere(conf, bench.fold.book, settled, bench.at, MONDAYS_IN_UTC)

    def test_the_window_is_the_one_that_is_open(self) -> None:
        """It counts from when to when the calls count."""
        bench = Bench(terms=agreed(pool()))
        held = bench.call(finished(limits=(limit("1"),)))
        entry = bench.entries[-1]

        assert isinstance(entry, Adjusted)
        assert held.windows[:1] == entry.windows
