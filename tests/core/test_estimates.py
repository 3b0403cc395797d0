"""What is learnt of a candidate: how long its replies are, how far the input estimate is from the count."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from math import ceil

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokens_forge.core import plain
from tokens_forge.core.entries import Adjusted, Routed, Settled
from tokens_forge.core.estimates import (
    CANDIDATES_AT_MOST,
    COSTS_KEPT,
    GENERATION,
    RATIO_ONE,
    SAMPLES_AT_LEAST,
    Calibration,
    Estimates,
    Generation,
    Learnt,
    bucket,
    upper_edge,
)
from tokens_forge.core.usage import MOST_TOKENS

CANDIDATE = "relay/m"
COUNTS = st.integers(min_value=0, max_value=MOST_TOKENS)
TOKENS = st.integers(min_value=1, max_value=200_000)


def routed(estimate: int = 1000, bound: int = 32_000) -> Routed:
    """Return a call with an estimate of its input and a bound of its output."""
    return Routed(
        id="tf_1",
        key="k",
        model_asked="m",
        dialect_in="openai_chat",
        stream=False,
        input_estimate=estimate,
        output_bound=bound,
    )


def settled(route: str = "relay", **changes: object) -> Settled:
    """Return how the attempt of a call ended: a complete reply of 100 tokens."""
    whole = Settled(
        id="tf_1",
        n=1,
        role="first",
        final=True,
        key="k",
        model_asked="m",
        upstream="relay",
        upstream_model="m",
        dialect_in="openai_chat",
        dialect_out="openai_chat",
        stream=False,
        intended=CANDIDATE,
        route=route,
        route_class="ordinary",
        balance="wallet",
        outcome="ok",
        total_ms=1.0,
        usage={"input": 1000, "output": 100},
        usage_source="reported",
        charge="0",
        unit="CNY",
        certainty="computed",
        hold="0",
        overrun="0",
    )
    return msgspec.structs.replace(whole, **changes)


def of_outputs(outputs: Sequence[int], estimates: Estimates | None = None) -> Estimates:
    """Return what is learnt from replies of these lengths."""
    estimates = estimates or Estimates()
    for output in outputs:
        estimates.apply(routed(), settled(usage={"input": 1000, "output": output}))
    return estimates


def of_inputs(counts: Sequence[int], estimate: int = 1000) -> Estimates:
    """Return what is learnt from calls with one estimate and these counts of input."""
    estimates = Estimates()
    for count in counts:
        estimates.apply(routed(estimate=estimate), settled(usage={"input": count, "output": 100}))
    return estimates


def decoded(data: bytes) -> Estimates:
    """Return the estimates in JSON."""
    return msgspec.json.decode(data, type=Estimates)


class TestBuckets:
    """Counts are kept in buckets an eighth wide, by whole numbers alone."""

    @given(count=COUNTS)
    def test_a_count_lies_in_its_bucket(self, count: int) -> None:
        """Not above the edge, and the edge is at most an eighth above the count."""
        edge = upper_edge(bucket(count))
        assert count <= edge <= count + count // 8

    @given(count=COUNTS)
    def test_buckets_follow_each_other(self, count: int) -> None:
        """The count after a bucket's edge lies in the next bucket: none is left out, and more is never less."""
        index = bucket(count)
        assert index + 1 == bucket(upper_edge(index) + 1)

    def test_small_counts_are_exact(self) -> None:
        """Up to 15 a bucket holds one count."""
        assert list(range(16)) == [upper_edge(bucket(count)) for count in range(16)]


class TestOutput:
    """How long replies are."""

    def test_nothing_is_expected_of_a_few(self) -> None:
        """CASES 32: without an estimate the bound stays; 20 replies are needed."""
        estimates = of_outputs([100] * (SAMPLES_AT_LEAST - 1))
        assert estimates.expected_output(CANDIDATE) is None
        assert estimates.expected_output("other/m") is None
        assert 103 == of_outputs([100], estimates).expected_output(CANDIDATE)

    def test_agents_that_ask_for_much_and_use_little(self) -> None:
        """CASES 31, 56: 32,000 tokens asked for, 95 of 100 replies stay below 600: that is what is held for."""
        assert 511 == of_outputs([500] * 95 + [20_000] * 5).expected_output(CANDIDATE)
        assert 20_479 == of_outputs([500] * 94 + [20_000] * 6).expected_output(CANDIDATE)

    @given(outputs=st.lists(TOKENS, min_size=SAMPLES_AT_LEAST, max_size=200))
    def test_the_95th_percentile(self, outputs: list[int]) -> None:
        """What 95 of 100 replies stay within, at most a bucket's width too much."""
        exact = sorted(outputs)[ceil(Fraction(95, 100) * len(outputs)) - 1]
        expected = of_outputs(outputs).expected_output(CANDIDATE)
        assert expected is not None
        assert exact <= expected <= exact + exact // 8

    @given(outputs=st.lists(TOKENS, min_size=SAMPLES_AT_LEAST, max_size=60), more=TOKENS)
    def test_longer_replies_never_lower_it(self, outputs: list[int], more: int) -> None:
        """Each reply longer by as much: the expectation is no less."""
        assert (of_outputs(outputs).expected_output(CANDIDATE) or 0) <= (
            of_outputs([output + more for output in outputs]).expected_output(CANDIDATE) or 0
        )

    def test_old_replies_are_forgotten(self) -> None:
        """After at most a thousand replies of another length nothing of the older ones is left."""
        estimates = of_outputs([20_000] * GENERATION + [100] * GENERATION)
        assert 20_479 == estimates.expected_output(CANDIDATE)
        of_outputs([100], estimates)
        assert 103 == estimates.expected_output(CANDIDATE)

    def test_audio_is_output_and_a_cut_reply_as_long_as_it_is(self) -> None:
        """All output counts; a reply that its bound cut short is known to be at least so long."""
        estimates = Estimates()
        for _ in range(SAMPLES_AT_LEAST):
            estimates.apply(routed(), settled(usage={"input": 1, "output": 10, "audio_out": 4}, finish="length"))
        assert 14 == estimates.expected_output(CANDIDATE)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"outcome": "broken", "usage_source": "partial"}, id="a broken stream"),
        pytest.param({"outcome": "disconnected"}, id="the client left"),
        pytest.param({"outcome": "lost", "usage": {}, "usage_source": "none"}, id="lost"),
        pytest.param({"usage_source": "estimated"}, id="our own estimate"),
        pytest.param({"usage": {"input": 1000, "output": 0}}, id="an empty reply"),
        pytest.param({"usage": {"seconds": 12}}, id="no tokens"),
        pytest.param({"usage": {"output": 12}}, id="no input"),
    ],
)
def test_what_is_no_fact_is_not_learnt(changes: dict[str, object]) -> None:
    """CASES 20: an error text, an empty reply or a figure of ours says nothing of how long replies are."""
    estimates = Estimates()
    estimates.apply(routed(), msgspec.structs.replace(settled(), **changes))
    assert Estimates() == estimates


def test_what_only_fills_a_cache_is_not_learnt() -> None:
    """A message of at most 0 tokens has no answer: twenty of them must not bring the next hold down to nothing."""
    estimates = Estimates()
    filling = msgspec.structs.replace(routed(bound=0), dialect_in="anthropic_messages")
    estimates.apply(filling, settled(usage={"input": 10, "cache_write_5m": 990, "output": 0}))
    assert Estimates() == estimates


class TestInput:
    """How far the estimate of the input is from the count."""

    def test_the_margin_until_it_is_known(self) -> None:
        """The estimate times 1.2, rounded up, while fewer than 20 counts are known."""
        assert 1202 == Estimates().input_estimate(CANDIDATE, 1001)
        assert 1202 == of_inputs([1000] * (SAMPLES_AT_LEAST - 1)).input_estimate(CANDIDATE, 1001)

    def test_what_the_upstream_counts(self) -> None:
        """A count of half the estimate halves it, but for a bucket's width; cached tokens are input."""
        assert 562 == of_inputs([500] * SAMPLES_AT_LEAST).input_estimate(CANDIDATE, 1000)
        estimates = Estimates()
        for _ in range(SAMPLES_AT_LEAST):
            estimates.apply(routed(), settled(usage={"input": 100, "cache_read": 400, "output": 1}))
        assert 562 == estimates.input_estimate(CANDIDATE, 1000)

    @pytest.mark.parametrize(("count", "expected"), [(100_000, 4000), (1, 281)])
    def test_between_a_quarter_and_four_times(self, count: int, expected: int) -> None:
        """What is further away is no rule for the next call: the lowest bucket ends at 0.281."""
        assert expected == of_inputs([count] * SAMPLES_AT_LEAST).input_estimate(CANDIDATE, 1000)

    @given(counts=st.lists(st.integers(min_value=250, max_value=4000), min_size=SAMPLES_AT_LEAST, max_size=100))
    def test_95_of_100_calls_stay_within(self, counts: list[int]) -> None:
        """So an expected hold falls short as seldom for its input as for its output."""
        held = of_inputs(counts).input_estimate(CANDIDATE, 1000)
        within = sum(count <= held for count in counts)
        assert within * 100 >= 95 * len(counts)

    @given(counts=st.lists(TOKENS, max_size=40), raw=TOKENS, more=TOKENS)
    def test_a_longer_request_is_never_less(self, counts: list[int], raw: int, more: int) -> None:
        """The estimate grows with the request."""
        estimates = of_inputs(counts)
        assert estimates.input_estimate(CANDIDATE, raw) <= estimates.input_estimate(CANDIDATE, raw + more)

    def test_a_call_without_an_estimate(self) -> None:
        """Nothing estimated is no ratio; the reply's length is a fact all the same."""
        estimates = of_inputs([7] * SAMPLES_AT_LEAST, estimate=0)
        assert (1200, 103) == (estimates.input_estimate(CANDIDATE, 1000), estimates.expected_output(CANDIDATE))

    def test_an_embedding_has_no_output(self) -> None:
        """Where no output is possible none is a fact, and the input is learnt."""
        estimates = Estimates()
        for _ in range(SAMPLES_AT_LEAST):
            embedding = msgspec.structs.replace(routed(bound=0), dialect_in="openai_embeddings")
            estimates.apply(embedding, settled(usage={"input": 500, "output": 0}))
        assert (562, 0) == (estimates.input_estimate(CANDIDATE, 1000), estimates.expected_output(CANDIDATE))


class TestShown:
    """What the doctor shows."""

    def test_estimate_against_fact(self) -> None:
        """The sums, their ratio, and what half and 95 of 100 replies stay within; over both generations."""
        estimates = of_inputs([700] * (GENERATION + 1))
        shown = Calibration(
            candidate=CANDIDATE,
            samples=501,
            estimated=501_000,
            actual=350_700,
            ratio="0.7",
            output_p50=103,
            output_p95=103,
        )
        assert shown == estimates.calibration(CANDIDATE)
        estimates.apply(routed(estimate=0), settled(route="local"))
        assert ("local/m", 1, "") == (
            estimates.rows()[0].candidate,
            estimates.rows()[0].samples,
            estimates.rows()[0].ratio,
        )
        assert shown == estimates.rows()[1]

    def test_nothing_known(self) -> None:
        """A candidate without a reply has no row."""
        assert (None, ()) == (Estimates().calibration(CANDIDATE), Estimates().rows())


class TestFold:
    """It is a part of the fold."""

    @given(replies=st.lists(st.tuples(st.sampled_from("abc"), TOKENS, TOKENS, TOKENS), max_size=60))
    def test_written_and_read_it_is_the_same(self, replies: list[tuple[str, int, int, int]]) -> None:
        """What a page's `opened` carries decides as the live state does, and goes on alike."""
        live, kept = Estimates(), Estimates()
        for route, estimate, count, output in replies:
            for estimates in (live, kept):
                estimates.apply(routed(estimate), settled(route, usage={"input": count, "output": output}))
            kept = decoded(plain.encode(kept))
        assert (live, list(live.candidates)) == (kept, list(kept.candidates))

    def test_the_candidate_used_least_recently_goes_first(self) -> None:
        """However many candidates there were, so many are kept."""
        estimates = Estimates()
        for n in range(CANDIDATES_AT_MOST):
            estimates.apply(routed(), settled(f"r{n}"))
        estimates.apply(routed(), settled("r0"))
        estimates.apply(routed(), settled("new"))
        assert CANDIDATES_AT_MOST == len(estimates.candidates)
        assert ["r2/m", "r0/m", "new/m"] == [list(estimates.candidates)[at] for at in (0, -2, -1)]
        assert "r1/m" not in estimates.candidates

    def test_it_stays_small(self) -> None:
        """A candidate takes four kilobytes at most, however its replies differ."""
        estimates = Estimates()
        for n in range(4 * GENERATION):
            spread = 2 ** (n % 21) * (8 + n % 8) // 8
            estimates.apply(routed(RATIO_ONE), settled(usage={"input": spread, "output": spread}))
        assert len(plain.encode(estimates)) < 4096

    def test_a_route_keeps_what_it_learnt_under_another_name(self) -> None:
        """CASES 53: a renamed route goes on with its history; what has the new name already stays."""
        estimates = of_outputs([100] * SAMPLES_AT_LEAST)
        estimates.apply(routed(), settled("relay-two"))
        estimates.renamed("relay", "gateway")
        assert (None, 103) == (estimates.expected_output(CANDIDATE), estimates.expected_output("gateway/m"))
        estimates.renamed("relay-two", "gateway")
        assert ["gateway/m"] == [row.candidate for row in estimates.rows()]
        assert 103 == estimates.expected_output("gateway/m")


def test_the_dearest_reported_cost_is_known() -> None:
    """What an upstream itself said that calls cost bounds the next one; a cost of our own reckoning teaches nothing."""
    estimates = Estimates()
    assert Decimal(0) == estimates.dearest("relay/m")
    for charge, certainty in (("0.2", "reported"), ("0.5", "reported"), ("9", "computed"), ("0.1", "reported")):
        estimates.apply(routed(), settled(charge=charge, certainty=certainty))
    assert Decimal("0.5") == estimates.dearest(CANDIDATE)


def test_the_dearest_token_is_known_of_those_calls() -> None:
    """A cost of 0.02 for 200 tokens, and 0.03 for 30,000: a correction of the first takes its rate along."""
    estimates = Estimates()
    assert Decimal(0) == estimates.dearest_token(CANDIDATE)
    estimates.apply(
        routed(), settled(id="tf_0", charge="0.02", certainty="reported", usage={"input": 100, "output": 100})
    )
    long = {"input": 29_000, "output": 1_000}
    estimates.apply(routed(), settled(id="tf_1", charge="0.03", certainty="reported", usage=long))
    assert Decimal("0.0001") == estimates.dearest_token(CANDIDATE)
    given_back = Adjusted(balance="wallet", amount="0.0199", unit="USD", reason="correction", corrects="tf_0")
    estimates.corrected(given_back)
    assert Decimal("0.000001") == estimates.dearest_token(CANDIDATE)


def test_a_count_far_from_its_estimate_keeps_nobody_away() -> None:
    """22 short prompts of 13 tokens that are counted as 12,000 (a search, a hidden prompt) say little of a long one."""
    estimates = Estimates()
    for _ in range(22):
        estimates.apply(routed(13), settled(usage={"input": 12_000, "output": 10}))
    assert 4 * 1_900 == estimates.input_tokens(CANDIDATE, 1_900)


class TestCorrectedCost:
    """`tf balance adjust --corrects` mends what the next hold goes by: one wrong cost locks no route."""

    def learnt(self, *costs: str) -> Estimates:
        """Return what costs by upstream reports teach, of calls ``tf_0`` on."""
        estimates = Estimates()
        for number, charge in enumerate(costs):
            estimates.apply(routed(), settled(id=f"tf_{number}", charge=charge, certainty="reported"))
        return estimates

    def correct(self, estimates: Estimates, call: str, amount: str) -> Decimal:
        """Correct a call by an amount given back; return the dearest known then."""
        entry = Adjusted(
            balance="wallet",
            amount=amount,
            unit="USD",
            reason="correction",
            corrects=call,
            route="relay",
            upstream_model="m",
        )
        estimates.corrected(entry)
        return estimates.dearest(CANDIDATE)

    def test_the_next_dearest_counts(self) -> None:
        """25000 in place of 0.01: what is known of the other calls stays, and so does what was right of this one."""
        estimates = self.learnt("0.02", "25000", "0.01")
        assert Decimal(25000) == estimates.dearest(CANDIDATE)
        assert Decimal("0.02") == self.correct(estimates, "tf_1", "24999.99")
        assert Decimal("0.05") == self.correct(estimates, "tf_1", "-0.04"), "it cost more than was corrected"

    def test_taking_a_correction_back_brings_the_cost_back(self) -> None:
        """An undo is the same amount the other way."""
        estimates = self.learnt("0.02", "0.5")
        assert Decimal("0.02") == self.correct(estimates, "tf_1", "0.5")
        assert Decimal("0.5") == self.correct(estimates, "tf_1", "-0.5")

    def test_several_wrong_ones(self) -> None:
        """As many as are kept by their call; a call of no cost that is known changes nothing."""
        estimates = self.learnt(*(["0.01"] * 20), *(["9000"] * (COSTS_KEPT - 1)))
        for number in range(COSTS_KEPT - 1):
            self.correct(estimates, f"tf_{20 + number}", "8999.99")
        assert Decimal("0.01") == estimates.dearest(CANDIDATE)
        assert Decimal("0.01") == self.correct(estimates, "tf_unknown", "5")
        assert COSTS_KEPT == len(estimates.candidates[CANDIDATE].last.costs)

    def test_also_of_the_generation_before(self) -> None:
        """What is not forgotten can be corrected."""
        estimates = self.learnt("25000", *(["0.01"] * GENERATION))
        assert Decimal(25000) == estimates.dearest(CANDIDATE)
        assert Decimal("0.01") == self.correct(estimates, "tf_0", "24999.995")

    def test_a_retry_of_one_call_on_one_candidate(self) -> None:
        """Its dearest attempt is what the call is known by."""
        estimates = self.learnt("0.5")
        estimates.apply(routed(), settled(id="tf_0", n=2, charge="0.2", certainty="reported"))
        assert Decimal("0.5") == estimates.dearest(CANDIDATE)

    def test_a_fold_that_knew_no_calls(self) -> None:
        """An older fold has the highest cost alone: most of it given back by a correction there is that cost."""
        estimates = Estimates(candidates={CANDIDATE: Learnt(before=Generation(samples=1, dearest=Decimal(25000)))})
        again = msgspec.json.decode(plain.encode(estimates), type=Estimates)
        assert Decimal(25000) == again.dearest(CANDIDATE)
        assert Decimal(25000) == self.correct(again, "tf_7", "12"), "a small correction says nothing of it"
        assert Decimal(25000) == self.correct(again, "tf_7", "30000")
        assert Decimal("0.01") == self.correct(again, "tf_7", "24999.99")

    def test_a_candidate_that_is_not_known(self) -> None:
        """Nothing was learnt, so nothing changes."""
        assert Decimal(0) == self.correct(Estimates(), "tf_1", "1")
