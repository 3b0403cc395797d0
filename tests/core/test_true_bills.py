"""Bills of what providers really send: work billed beside a reply, refusals, costs that nobody can believe, guesses."""

from dataclasses import replace as changed
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from builders import LIST, OFFICIAL, PLAN, RELAY, Bench, agreed, card, cards, finished, listed
from msgspec.structs import replace

from tokens_forge.core.config import Balance, Budget, Config, Key, Rate, Report, Settle, Upstream, Window
from tokens_forge.core.entries import Refused, Settled
from tokens_forge.core.entry_check import faults
from tokens_forge.core.prices import Cards, Service
from tokens_forge.core.settlement import Finish
from tokens_forge.core.usage import MOST_TOKENS, Iteration

SONNET, OPUS = {"input": "3", "output": "15"}, {"input": "5", "output": "25"}
COMPACTED = Iteration(kind="compaction", model="", usage={"input": 180_000, "output": 3_500})
ADVISED = Iteration(kind="advisor_message", model="opus", usage={"input": 823, "output": 1_612})


def priced(**charge: dict[str, str]) -> Cards:
    """Return cards of the official route's models by their names, the same by list."""
    made = {f"official/{name}": (card(f"official/{name}", rates),) for name, rates in charge.items()}
    return Cards(charge=made, list=made)


def bench(
    candidate: str = OFFICIAL, prices: Cards | None = None, conf: Config | None = None, usd: str = "100"
) -> Bench:
    """Return a bench on which `smart` is one candidate, with plenty on its wallet."""
    made = Bench(terms=agreed(conf or listed(candidate), prices))
    made.topup(credit=f"{usd} USD", wallet="100 CNY")
    return made


def settled(
    made: Bench, ended: Finish, *, tier_asked: str = "", dialect_in: str = "openai_chat", kept_for: str = ""
) -> Settled:
    """Make one call and return how its attempt was settled; `kept_for` is how long its marks keep the prompt."""
    caches = {"openai_chat": kept_for} if kept_for else {}
    entry = made.end(made.held(made.route(tier_asked=tier_asked, dialect_in=dialect_in, caches=caches)), ended)
    assert isinstance(entry, Settled)
    assert Decimal(entry.charge) == sum((Decimal(line.amount) for line in entry.lines), Decimal(0)) or not entry.lines
    return entry


class TestBeside:
    """CASES 62: what a provider bills beside the top-level counts is billed at its own model's card."""

    def test_a_compaction_is_billed_beside_the_counts(self) -> None:
        """23,000/1,000 with a compaction of 180,000/3,500 at 3/15 is 0.6765; its lines name it."""
        told = finished(usage={"input": 23_000, "output": 1_000}, iterations=(COMPACTED,))
        entry = settled(bench(prices=priced(m=SONNET)), told)
        assert ("0.6765", "computed", "0.6765", "0") == (entry.charge, entry.certainty, entry.list, entry.saving)
        assert [("input", 23_000, 0), ("output", 1_000, 0), ("input", 180_000, 1), ("output", 3_500, 1)] == [
            (line.usage_class, line.quantity, line.iteration) for line in entry.lines
        ]
        assert [("compaction", "m", {"input": 180_000, "output": 3_500}, OFFICIAL)] == [
            (one.kind, one.model, one.usage, one.card.id if one.card else "") for one in entry.iterations
        ]
        assert {"input": 23_000, "output": 1_000} == entry.usage

    def test_an_advisor_is_billed_at_its_own_card(self) -> None:
        """412/531 at 3/15 with an advisor of 823/1,612 at 5/25."""
        told = finished(usage={"input": 412, "output": 531}, iterations=(ADVISED,))
        entry = settled(bench(prices=priced(m=SONNET, opus=OPUS)), told)
        assert ("0.053616", "computed") == (entry.charge, entry.certainty)
        assert ["5"] == [one.card.rates["input"] for one in entry.iterations if one.card]

    def test_the_model_that_was_asked_may_be_named_as_it_was_served(self) -> None:
        """CASES 13: a snapshot's name in the reply leads to the card of the name that was sent."""
        told = finished(usage={"input": 0, "output": 0}, iterations=(changed(COMPACTED, model="m-2026-08-07"),))
        entry = settled(bench(prices=priced(m=SONNET)), changed(told, model_served="m-2026-08-07"))
        assert ("0.5925", "computed", ()) == (entry.charge, entry.certainty, entry.flags)

    def test_a_model_that_stepped_in_is_named_by_the_reply_too(self) -> None:
        """Its name in the reply is none of the asked model's: 412/264 at 5/25 (Anthropic, "Refusals and fallback")."""
        opus = {"input": "5", "output": "25"}
        told = finished(usage={"input": 412, "output": 264}, answered_by="opus", model_served="opus")
        entry = settled(bench(prices=priced(m=SONNET, opus=opus)), told)
        assert ("0.00866", "computed") == (entry.charge, entry.certainty)
        without = settled(bench(prices=priced(m=SONNET)), told)
        assert ("0.005196", ("answered_by_unpriced",)) == (without.charge, without.flags)

    @pytest.mark.parametrize("beside", [ADVISED, changed(ADVISED, kind="something_new")])
    def test_a_model_without_a_card_is_an_unknown_price(self, beside: Iteration) -> None:
        """CASES 12: what is known is billed, the rest named: the charge is no computed one, and there is no saving."""
        told = finished(usage={"input": 412, "output": 531}, iterations=(beside, COMPACTED))
        entry = settled(bench(prices=priced(m=SONNET)), told)
        assert ("unpriced", ("unpriced_iteration",), "", "") == (
            entry.certainty,
            entry.flags,
            entry.list,
            entry.saving,
        )
        assert [False, True] == [one.card is not None for one in entry.iterations]
        assert {0, 2} == {line.iteration for line in entry.lines}

    def test_a_hop_that_nobody_says_is_billed_is_an_estimate(self) -> None:
        """Declined after some output: the provider does not say whether it bills it."""
        hop = Iteration(kind="message", model="", usage={"input": 100, "output": 10}, is_sure=False)
        entry = settled(bench(prices=priced(m=SONNET)), finished(iterations=(hop,)))
        assert "estimated" == entry.certainty

    def test_who_stepped_in_prices_the_top_level(self) -> None:
        """`fallback_message`: the counts are those of the model that answered."""
        told = finished(usage={"input": 1_000, "output": 100}, answered_by="opus")
        entry = settled(bench(prices=priced(m=SONNET, opus=OPUS)), told)
        assert ("0.0075", "computed", "official/opus", "opus") == (
            entry.charge,
            entry.certainty,
            entry.card.id if entry.card else "",
            entry.answered_by,
        )

    def test_who_stepped_in_without_a_price_is_billed_as_who_was_asked(self) -> None:
        """No settled call on money counts nothing for want of a price: an estimate, and said so."""
        told = finished(usage={"input": 1_000, "output": 100}, answered_by="opus")
        entry = settled(bench(prices=priced(m=SONNET)), told)
        assert ("0.0045", "estimated", ("answered_by_unpriced",), "") == (
            entry.charge,
            entry.certainty,
            entry.flags,
            entry.list,
        )

    def test_a_pool_of_tokens_counts_what_is_beside_it(self) -> None:
        """CASES 49: every token in and out; a pool of requests counts one."""
        tokens = Balance(kind="pool", unit="tokens", windows=(Window(allow=Decimal(10**7), per="5h"),))
        whole = listed(PLAN)
        conf = replace(whole, balance={**whole.balance, "plan": tokens})
        entry = settled(bench(conf=conf), finished(usage={"input": 5, "output": 5}, iterations=(COMPACTED,)))
        assert ("183510", "computed", 1) == (entry.charge, entry.certainty, len(entry.iterations))
        entry = settled(bench(PLAN), finished(iterations=(COMPACTED,)))
        assert ("1", "requests") == (entry.charge, entry.unit)


class TestGuess:
    """CASES 8: money always moves, and what was guessed is no computed charge."""

    def test_ten_calls_in_an_unpriced_tier_bind_a_budget(self) -> None:
        """Asked `auto`, served `priority`: balance and budget move, and the budget ends it."""
        conf = replace(
            listed(OFFICIAL), key={"k": Key(classes=("direct",), budget=Budget(limit="0.03 USD", per="day"))}
        )
        made = bench(conf=conf)
        told = finished(usage={"input": 1_000, "output": 1_000}, tier_served="priority")
        entries = [settled(made, told, tier_asked="auto") for _call in range(4)]
        assert {("0.006", "estimated", ("tier_unpriced",))} == {
            (entry.charge, entry.certainty, entry.flags) for entry in entries
        }
        assert "nothing_can_pay" == made.refused(made.route(tier_asked="auto")).reason
        assert {""} == {entry.list for entry in entries}

    def test_asking_for_a_tier_without_a_price_stays_refused(self) -> None:
        """Only a served tier falls to base; `unpriced = "zero"` is the permission, and then base is held and billed."""
        made = bench()
        assert "no_price" == made.refused(made.route(tier_asked="priority")).reason
        made = bench(conf=replace(listed(OFFICIAL), settle=Settle(unpriced="zero")))
        held = made.held(made.route(tier_asked="priority"))
        assert "0.0062" == held.hold

    def test_sound_without_a_rate_is_an_estimate(self) -> None:
        """What the catalogue lacks is flagged and never called computed."""
        told = finished(usage={"input": 10, "audio_in": 10, "output": 10, "audio_out": 10})
        entry = settled(bench(), told)
        assert ("estimated", ("guessed_audio_in", "guessed_audio_out")) == (entry.certainty, entry.flags)

    def test_nothing_but_zeros_beside_an_answer_is_no_usage(self) -> None:
        """An answer of 100 tokens whose usage says 0 and 0 is estimated: nobody says that it was free."""
        told = finished(usage={"input": 0, "output": 0}, output_estimate=100)
        entry = settled(bench(), told)
        assert ("0.0015", "estimated", "estimated", ("zero_usage",)) == (
            entry.charge,
            entry.certainty,
            entry.usage_source,
            entry.flags,
        )
        empty = settled(bench(), finished(usage={"input": 0, "output": 0}))
        assert ("0", "computed", ()) == (empty.charge, empty.certainty, empty.flags)

    @pytest.mark.parametrize(
        ("usage", "spoken", "charge"),
        [
            # A cached prompt is told as none (ollama/ollama issue 5370): 1,000 were sent.
            ({"input": 0, "output": 28}, 28, "0.00114"),
            ({"input": 0, "output": 28}, 0, "0.00114"),
            # An answer of 500 tokens, and a completion of none.
            ({"input": 100, "output": 0}, 500, "0.0026"),
            # What is told of a side stays: 5 read from the cache, sound that was made.
            ({"input": 0, "cache_read": 5, "output": 0}, 0, "0.0000005"),
        ],
    )
    def test_a_side_of_nothing_but_zeros(self, usage: dict[str, int], spoken: int, charge: str) -> None:
        """One that was there is estimated, the other stays as it is told."""
        entry = settled(bench(), finished(usage=usage, output_estimate=spoken))
        assert charge == entry.charge

    def test_an_embedding_has_an_input(self) -> None:
        """Its usage of zeros is estimated, though nothing is put out."""
        entry = settled(bench(), finished(usage={"input": 0, "output": 0}), dialect_in="openai_embeddings")
        assert ("0.001", "estimated", ("zero_usage",)) == (entry.charge, entry.certainty, entry.flags)

    def test_writes_are_kept_as_long_as_the_request_asks(self) -> None:
        """CASES 2: without a split they are at 5 minutes; a request that marks for an hour says otherwise."""
        made = bench(prices=priced(m={**SONNET, "cache_write_5m": "3.75", "cache_write_1h": "6"}))
        told = finished(usage={"input": 3, "cache_write_5m": 2_676, "output": 3}, flags=("cache_write_unsplit",))
        short = settled(made, told, kept_for="5m")
        hour = settled(made, told, kept_for="1h")
        assert ("0.010089", "computed") == (short.charge, short.certainty)
        assert ("0.01611", "estimated", 2_676) == (hour.charge, hour.certainty, hour.usage["cache_write_1h"])


class TestRefusal:
    """CASES 64: a refusal before any output costs nothing where its seller says so."""

    JUNE = datetime(2026, 6, 2, tzinfo=UTC)

    @staticmethod
    def ended(host: str, now: datetime = JUNE, **changes: object) -> Settled:
        """Return how a refusal by the upstream at `host` is settled."""
        whole = listed(OFFICIAL)
        own = Upstream(dialect="anthropic", base_url=f"https://{host}/v1", credential="none")
        conf = replace(whole, upstream={**whole.upstream, "openai": own})
        old = card(OFFICIAL, LIST, valid_from=date(2025, 1, 1))
        made = Bench(terms=agreed(conf, Cards(charge={OFFICIAL: (old,)}, list={OFFICIAL: (old,)})), now=now)
        made.topup(credit="100 USD")
        told = changed(finished(usage={"input": 5_000, "output": 1}, finish="refusal"), **changes)
        return settled(made, told, dialect_in="anthropic_messages")

    def test_anthropics_own_api_bills_none(self) -> None:
        """Since 2026-06-02, content empty; what was used stays on the record."""
        entry = self.ended("api.anthropic.com")
        assert ("0", "zero", ("refusal_unbilled",), {"input": 5_000, "output": 1}) == (
            entry.charge,
            entry.certainty,
            entry.flags,
            entry.usage,
        )

    def test_other_sellers_bill_by_usage(self) -> None:
        """So do we, and say it; so did Anthropic before that day, and it does once there was some output."""
        assert ("0.005005", "computed", ("refusal_billed",)) == (
            (entry := self.ended("relay.example")).charge,
            entry.certainty,
            entry.flags,
        )
        before = self.ended("api.anthropic.com", self.JUNE.replace(day=1))
        assert ("0.005005", ("refusal_billed",)) == (before.charge, before.flags)
        spoken = self.ended("api.anthropic.com", output_estimate=20)
        assert ("0.005005", ()) == (spoken.charge, spoken.flags)


def test_a_bill_that_no_ledger_can_take_is_the_hold() -> None:
    """CASES 67: whatever an upstream counts, its call is settled and its hold ends."""
    dear = card(OFFICIAL, {"input": "90000000", "output": "90000000"}, per="token")
    made = bench(prices=Cards(charge={OFFICIAL: (dear,)}, list={OFFICIAL: (dear,)}), usd="1000000000000")
    entry = settled(made, finished(usage=MOST))
    assert (entry.hold, "estimated", ("charged_at_hold",), "") == (
        entry.charge,
        entry.certainty,
        entry.flags,
        entry.list,
    )
    whole = listed(PLAN)
    tokens = Balance(kind="pool", unit="tokens", windows=(Window(allow=Decimal(10**7), per="5h"),))
    made = bench(conf=replace(whole, balance={**whole.balance, "plan": tokens}))
    counted = settled(made, finished(usage=MOST, iterations=(changed(ADVISED, usage=MOST),) * 256))
    assert not list(faults(counted))


MOST = {"input": MOST_TOKENS, "output": MOST_TOKENS}


class TestUnbelieved:
    """CASES 67: a figure from outside can neither lock a balance nor break a report."""

    @staticmethod
    def reported(rates: dict[str, str]) -> Cards:
        """Return the card of a route whose upstream says what a call cost."""
        told = card(OFFICIAL, rates, terms="reported")
        return Cards(charge={OFFICIAL: (told,)})

    def test_a_cost_far_beyond_the_list_is_charged_at_the_hold(self) -> None:
        """25000 in place of 0.01: an estimate, flagged, the told figure kept."""
        entry = settled(bench(prices=self.reported(LIST)), finished(reported_cost=Decimal(25_000)))
        assert (entry.hold, "estimated", ("unbelieved_cost", "charged_at_hold"), "25000") == (
            entry.charge,
            entry.certainty,
            entry.flags,
            entry.reported_cost,
        )
        dear = settled(bench(prices=self.reported(LIST)), finished(reported_cost=Decimal("0.5")))
        assert ("0.5", "reported") == (dear.charge, dear.certainty)

    def test_it_is_judged_by_what_such_calls_cost_before(self) -> None:
        """Without a list price the highest cost of late says what may be; it is never the next hold."""
        made = bench(prices=self.reported({}))
        settled(made, finished(reported_cost=Decimal("0.01")))
        entry = settled(made, finished(reported_cost=Decimal(25_000)))
        assert ("0.01", "estimated") == (entry.charge, entry.certainty)
        assert "0.01" == made.held(made.route()).hold

    def test_it_is_judged_by_the_token(self) -> None:
        """A greeting of 1,100 tokens for 0.0001, then 100,100 for 0.02: 200 times dearer, by the token only twice."""
        made = bench(prices=self.reported({}))
        settled(made, finished(reported_cost=Decimal("0.0001")))
        long = {"input": 100_000, "output": 100}
        entry = settled(made, finished(usage=long, reported_cost=Decimal("0.02")))
        assert ("0.02", "reported") == (entry.charge, entry.certainty)
        short = settled(made, finished(reported_cost=Decimal("2.01")))
        assert ("0.02", "estimated") == (short.charge, short.certainty), "beyond a hundred times of either"

    def test_where_nothing_is_known_a_balance_pays_no_more_than_it_has(self) -> None:
        """The very first cost is believed as far as there is money for it."""
        entry = settled(bench(prices=self.reported({}), usd="5"), finished(reported_cost=Decimal(25_000)))
        assert ("0", "unpriced", "25000") == (entry.charge, entry.certainty, entry.reported_cost)
        entry = settled(bench(prices=self.reported({}), usd="5"), finished(reported_cost=Decimal("4.99")))
        assert ("4.99", "reported") == (entry.charge, entry.certainty)

    def test_a_cost_in_another_unit(self) -> None:
        """Ticks of a USD are no yuan: converted where the report has the exchange rate, else not used."""
        made = bench(RELAY, prices=Cards(charge={RELAY: (card(RELAY, LIST, unit="CNY", terms="reported"),)}))
        told = changed(finished(reported_cost=Decimal("0.01")), cost_unit="USD")
        entry = settled(made, told)
        assert ("0.0015", "estimated", ("cost_in_another_unit", "not_reported"), "0.01") == (
            entry.charge,
            entry.certainty,
            entry.flags,
            entry.reported_cost,
        )
        fx = {"CNY": (Rate(rate=Decimal("7.1"), valid_from=date(2026, 1, 1)),)}
        with_fx = replace(made.terms.config, report=Report(fx=fx))
        entry = settled(bench(RELAY, prices=made.terms.cards, conf=with_fx), told)
        assert ("0.071", "estimated", ("cost_converted",)) == (entry.charge, entry.certainty, entry.flags)

    def test_no_first_cost_is_beyond_any_price(self) -> None:
        """1,100 tokens cost 22 USD nowhere: a cost of 60 of 100 neither empties the balance nor is the next hold."""
        made = bench(prices=self.reported({}))
        entry = settled(made, finished(reported_cost=Decimal(60)))
        assert ("0", "unpriced", ("unbelieved_cost", "charged_at_hold")) == (
            entry.charge,
            entry.certainty,
            entry.flags,
        )
        assert ("0.01", "reported") == (
            (right := settled(made, finished(reported_cost=Decimal("0.01")))).charge,
            right.certainty,
        )

    def test_costs_do_not_climb(self) -> None:
        """0.5, 50 and 5000 for one call: each is a hundred times the last, and the second costs as much nowhere."""
        made = bench(prices=self.reported({}))
        ends = [settled(made, finished(reported_cost=Decimal(cost))) for cost in ("0.5", "50", "5000")]
        assert [("0.5", "reported"), ("0.5", "estimated"), ("0.5", "estimated")] == [
            (entry.charge, entry.certainty) for entry in ends
        ]

    def test_counts_of_the_same_reply_make_no_cost_true(self) -> None:
        """A cost of 25000 beside 9 quadrillion tokens, for a request of some hundred bytes."""
        usage = {"input": 2**53 - 1, "output": 2}
        made = bench(prices=self.reported({}))
        settled(made, finished(reported_cost=Decimal("0.01")))
        entry = settled(made, finished(usage=usage, reported_cost=Decimal(25_000)))
        assert ("0.01", "estimated") == (entry.charge, entry.certainty)

    def test_who_tells_no_cost_has_no_price(self) -> None:
        """CASES 12: nothing counts 0 for ever: after two whole replies without a cost a call is refused."""
        made = bench(prices=self.reported({}))
        for _ in range(2):
            entry = settled(made, finished())
            assert ("0", "unpriced", ("not_reported", "charged_at_hold")) == (
                entry.charge,
                entry.certainty,
                entry.flags,
            )
        refused = made.step(made.route())
        assert isinstance(refused, Refused)
        assert "no_price" in {one.reason for one in refused.passed_over}

    def test_a_price_by_list_is_charged_by_list_whatever_is_reported(self) -> None:
        """CASES 15: the cost beside it is kept, and decides nothing."""
        entry = settled(bench(RELAY), finished(reported_cost=Decimal(25_000)))
        assert ("0.015", "computed", "25000") == (entry.charge, entry.certainty, entry.reported_cost)


def test_a_premium_tier_prices_what_is_beside_it_too() -> None:
    """A compaction in a tier of service is billed by that tier's rates."""
    fast = Service(rates={"input": Decimal(6), "output": Decimal(30)})
    dear = card(OFFICIAL, SONNET, service={"fast": fast})
    told = finished(usage={"input": 0, "output": 0}, iterations=(COMPACTED,), tier_served="fast")
    entry = settled(bench(prices=replace(cards(), charge={OFFICIAL: (dear,)})), told)
    assert ("1.185", "computed") == (entry.charge, entry.certainty)


class TestGeo:
    """A premium on where a reply is computed is held for where it is asked for, and billed where it was."""

    @staticmethod
    def bench() -> Bench:
        """Return a bench on which the official route costs a tenth more in the US."""
        dear = card(OFFICIAL, LIST, geo={"us": Decimal("1.1")})
        return bench(prices=Cards(charge={OFFICIAL: (dear,)}, list={OFFICIAL: (dear,)}))

    def test_what_was_served_is_billed(self) -> None:
        """1,000/100 at 1/5 with a tenth more; the card says why."""
        entry = settled(self.bench(), finished(geo="us"))
        assert ("0.00165", "computed", "us", {"geo us": "1.1"}) == (
            entry.charge,
            entry.certainty,
            entry.geo,
            entry.card.factors if entry.card else {},
        )
        assert "0.0015" == settled(self.bench(), finished()).charge

    def test_a_place_without_a_premium_is_no_fact(self) -> None:
        """The provider may have opened another since: the base rates, as an estimate."""
        entry = settled(self.bench(), finished(geo="eu"))
        assert ("0.0015", "estimated", ("geo_unpriced",)) == (entry.charge, entry.certainty, entry.flags)

    def test_what_is_asked_for_is_held_and_billed_where_nothing_is_told(self) -> None:
        """A hold of 0.0062 and a tenth; a reply without its usage is taken to have been computed there."""
        made = self.bench()
        held = made.held(made.route(geo_asked="us"))
        entry = made.end(held, changed(finished(), usage=None, output_estimate=100))
        assert isinstance(entry, Settled)
        assert ("0.00682", "0.00165", "estimated") == (held.hold, entry.charge, entry.certainty)


class TestMaximum:
    """CASES 65: what nobody counted is no more than the client's maximum; the default bound and the hold are none."""

    @pytest.mark.parametrize(("asked", "expected"), [(50, "0.00125"), (0, "0.051")])
    def test_a_broken_stream_without_usage(self, asked: int, expected: str) -> None:
        """40,000 bytes of arguments are 10,000 tokens by their length, and 50 by the client's word."""
        made = bench()
        held = made.held(made.route(output_bound=asked or 1_000, output_asked=asked))
        entry = made.end(held, changed(finished("stream_cut"), output_estimate=10_000))
        assert isinstance(entry, Settled)
        assert (expected, "estimated") == (entry.charge, entry.certainty)

    @pytest.mark.parametrize(("asked", "output"), [(20, 20), (0, 96), (200, 96)])
    def test_what_only_a_total_shows(self, asked: int, output: int) -> None:
        """3 tokens were counted and 93 were not; at most the maximum is billed."""
        made = bench()
        held = made.held(made.route(output_bound=asked or 1_000, output_asked=asked))
        told = finished(usage={"input": 9, "output": 96}, guessed=93, flags=("unexplained_total",))
        entry = made.end(held, told)
        assert isinstance(entry, Settled)
        assert (output, "estimated") == (entry.usage["output"], entry.certainty)

    def test_what_a_provider_counted_stays(self) -> None:
        """More than was asked for is the provider's to explain, and its bill."""
        made = bench()
        held = made.held(made.route(output_bound=20, output_asked=20))
        entry = made.end(held, finished(usage={"input": 9, "output": 96, "reasoning": 90}))
        assert isinstance(entry, Settled)
        assert ({"input": 9, "output": 96, "reasoning": 90}, "computed") == (entry.usage, entry.certainty)
