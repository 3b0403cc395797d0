"""What calls on a candidate use in fact: how long its replies are, and how far the input estimate is from the count.

Part of the fold, so that an `expected` hold and the doctor read what the ledger says. Only complete replies whose usage
the upstream reported are learnt, each candidate's last 500 to 1,000. It decides no hold and knows no prices.
"""

from bisect import bisect_left
from decimal import Decimal
from itertools import accumulate

import msgspec

from tokens_forge.core.entries import Adjusted, Routed, Settled, candidate_name
from tokens_forge.core.money import ZERO, add, divided, subtract, text
from tokens_forge.core.usage import INPUT_CLASSES, OUTPUT_CLASSES

INPUT_MARGIN = (6, 5)
"""A hold counts the input estimate times 1.2 where nothing better is known: the estimate counts bytes, not tokens."""

SAMPLES_AT_LEAST = 20
"""Below so many replies nothing is expected: the 95th of a hundred can't be told from the largest of a few."""

GENERATION = 500
"""So many replies make a generation; the one before the last is forgotten. Halving the counts instead would round the
few large replies away, which are what the 95th percentile is about."""

COSTLESS_AT_MOST = 2
"""After so many whole replies in a row whose cost nobody could say, a candidate's price is not known."""

CANDIDATES_AT_MOST = 512
"""The candidate that was used least recently is forgotten first."""

COSTS_KEPT = 8
"""So many of the highest costs are known by their call: the next one counts when a correction takes one off."""

RATIO_ONE = 1024
"""Input ratios are counted in parts of this."""

RATIO_WITHIN = (RATIO_ONE // 4, RATIO_ONE * 4)
"""A count further than four times from its estimate says nothing of the next one (an image sent as a link)."""


class Generation(msgspec.Struct, kw_only=True):
    """What a number of replies used."""

    samples: int = 0
    outputs: dict[int, int] = {}
    """Replies by the bucket of their output tokens, all choices together."""
    ratios: dict[int, int] = {}
    """Replies by the bucket of counted to estimated input tokens, in parts of `RATIO_ONE`."""
    estimated: int = 0
    """Input tokens as estimated before the call, in sum."""
    actual: int = 0
    """Input tokens as reported, cached ones included, in sum."""
    dearest: Decimal = ZERO
    """The highest cost that the upstream reported, of folds that kept no `costs`."""
    costs: dict[str, Decimal] = {}
    """The highest costs that the upstream itself reported, in the balance's unit, less what was corrected, by call."""
    tokens: dict[str, int] = {}
    """Tokens of those calls, both ways: what a cost was a cost of."""


class Learnt(msgspec.Struct, kw_only=True):
    """What is known of one candidate."""

    last: Generation = msgspec.field(default_factory=Generation)
    before: Generation = msgspec.field(default_factory=Generation)
    """The generation before the last, whole; empty at first."""
    costless: int = 0
    """Whole replies in a row whose cost nobody could say."""


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """What was learnt of a candidate: what commands show of it."""

    candidate: str
    """ROUTE/MODEL."""
    samples: int
    """How many replies; below 20 no hold follows them."""
    estimated: int
    """Input tokens as estimated before the calls, in sum."""
    actual: int
    """Input tokens as reported, in sum."""
    ratio: str
    """`actual` for one `estimated`, to 12 decimal places; empty where nothing was estimated."""
    output_p50: int
    """Half of the replies had at most so many tokens of output: the upper edge of a bucket an eighth wide."""
    output_p95: int
    """95 of 100 replies had at most so many, likewise."""


class Estimates(msgspec.Struct, kw_only=True):
    """What was learnt of every candidate."""

    candidates: dict[str, Learnt] = {}
    """By ROUTE/MODEL, the one used last at the end."""

    def apply(self, routed: Routed, entry: Settled) -> None:
        """Learn from an attempt that was settled, of the call that `routed` began.

        A broken reply, an estimate of ours or an empty reply is not learnt: it would pull the next hold down (CASES
        20). A reply cut short by its bound counts as long as it is.
        """
        if entry.outcome != "ok":
            return
        costless = entry.certainty == "unpriced" and not _COSTLESS.isdisjoint(entry.flags)
        if costless or entry.certainty == "reported":
            learnt = self._learnt(candidate_name(entry.route, entry.upstream_model))
            learnt.costless = learnt.costless + 1 if costless else 0
        outputs = [entry.usage[name] for name in OUTPUT_CLASSES if name in entry.usage]
        inputs = [entry.usage[name] for name in INPUT_CLASSES if name in entry.usage]
        # An embedding has none by its nature; what only fills a cache or scores a prompt says nothing of an answer.
        empty = not outputs or (sum(outputs) == 0 and routed.dialect_in != "openai_embeddings")
        if entry.usage_source != "reported" or empty or not inputs:
            return
        learnt = self._learnt(candidate_name(entry.route, entry.upstream_model))
        _learn(learnt, estimated=_estimated(routed), actual=sum(inputs), output=sum(outputs))
        if entry.certainty == "reported":
            _learn_cost(learnt.last, entry.id, Decimal(entry.charge), sum(inputs) + sum(outputs))

    def _learnt(self, name: str) -> Learnt:
        """Return what is known of a candidate, which is then the one used last."""
        learnt = self.candidates.pop(name, None) or Learnt()
        self.candidates[name] = learnt
        if len(self.candidates) > CANDIDATES_AT_MOST:
            del self.candidates[next(iter(self.candidates))]
        return learnt

    def corrected(self, entry: Adjusted) -> None:
        """Take a correction of a call off the cost that is known of it: one wrong cost holds up no later call.

        In a fold that kept no call by its cost, the highest is taken to be the one if most of it is given back.
        """
        back = Decimal(entry.amount)
        for learnt in self.candidates.values():
            for generation in (learnt.last, learnt.before):
                if entry.corrects in generation.costs:
                    left = subtract(generation.costs[entry.corrects], back)
                    generation.costs[entry.corrects] = left
                    return
        learnt = self.candidates.get(candidate_name(entry.route, entry.upstream_model))
        for generation in (learnt.last, learnt.before) if learnt else ():
            if back <= generation.dearest < add(back, back):
                generation.dearest = subtract(generation.dearest, back)
                return

    def renamed(self, was: str, name: str) -> None:
        """Follow a route that is called otherwise from here on: what was learnt of its candidates stays known."""
        for candidate in [known for known in self.candidates if known.partition("/")[0] == was]:
            learnt = self.candidates.pop(candidate)
            self.candidates.setdefault(candidate_name(name, candidate.partition("/")[2]), learnt)

    def expected_output(self, candidate: str) -> int | None:
        """Return the tokens of output that 95 of 100 replies of a candidate stay within, at most an eighth too many.

        None while fewer than 20 were seen.
        """
        learnt = self.candidates.get(candidate)
        if learnt is None or _samples(learnt) < SAMPLES_AT_LEAST:
            return None
        return _quantile(_outputs(learnt), 95)

    def input_estimate(self, candidate: str, raw: int) -> int:
        """Return the tokens of input that 95 of 100 calls with the estimate `raw` stay within, rounded up.

        That is `raw` times what counts were for one estimated, between a quarter and four; times 1.2 while fewer than
        20 were seen. A mean instead of the 95th percentile would fall short of every second call.
        """
        learnt = self.candidates.get(candidate)
        ratios = _together(learnt.last.ratios, learnt.before.ratios) if learnt else {}
        if sum(ratios.values()) < SAMPLES_AT_LEAST:
            return _up(raw * INPUT_MARGIN[0], INPUT_MARGIN[1])
        return _up(raw * _within(_quantile(ratios, 95)), RATIO_ONE)

    def input_tokens(self, candidate: str, raw: int) -> int:
        """Return the tokens of input that the estimate `raw` comes to on average here; `raw` while fewer than 20 seen.

        It is between a quarter and four times `raw`, as there. For what an estimate too high would wrongly keep away;
        what must be reserved is `input_estimate`.
        """
        learnt = self.candidates.get(candidate)
        if learnt is None or _samples(learnt) < SAMPLES_AT_LEAST:
            return raw
        estimated, actual = learnt.last.estimated + learnt.before.estimated, learnt.last.actual + learnt.before.actual
        return _up(raw * _within(_up(actual * RATIO_ONE, estimated)), RATIO_ONE) if estimated else raw

    def dearest(self, candidate: str) -> Decimal:
        """Return the highest cost that the upstream reported of late, 0 when none is known."""
        learnt = self.candidates.get(candidate)
        if learnt is None:
            return ZERO
        both = (learnt.last, learnt.before)
        return max(*(one.dearest for one in both), *(cost for one in both for cost in one.costs.values()))

    def tells_no_cost(self, candidate: str) -> bool:
        """Say whether a candidate that was to tell its own costs told none, of late and ever."""
        learnt = self.candidates.get(candidate)
        return learnt is not None and learnt.costless >= COSTLESS_AT_MOST and not self.dearest(candidate)

    def dearest_token(self, candidate: str) -> Decimal:
        """Return the highest cost of a token that those costs come to, to 12 decimal places; 0 when none is known."""
        learnt = self.candidates.get(candidate)
        both = (learnt.last, learnt.before) if learnt else ()
        rates = (divided(one.costs[call], Decimal(count)) for one in both for call, count in one.tokens.items())
        return max(rates, default=ZERO)

    def calibration(self, candidate: str) -> Calibration | None:
        """Return what was learnt of a candidate, None when nothing was."""
        learnt = self.candidates.get(candidate)
        return _shown(candidate, learnt) if learnt is not None and _samples(learnt) else None

    def rows(self) -> tuple[Calibration, ...]:
        """Return what was learnt of every candidate, by name."""
        return tuple(_shown(name, learnt) for name, learnt in sorted(self.candidates.items()) if _samples(learnt))


_COSTLESS = frozenset({"not_reported", "unbelieved_cost"})
"""Flags of a charge whose upstream was to say what it cost, and said nothing that can be believed."""


def bucket(count: int) -> int:
    """Return the bucket of a count from zero on: one for each up to 15, then eight for each doubling."""
    power = max(count.bit_length() - 4, 0)
    return power * 8 + (count >> power)


def upper_edge(index: int) -> int:
    """Return the largest count in a bucket."""
    power = max(index // 8 - 1, 0)
    return ((index - power * 8 + 1) << power) - 1


def _estimated(routed: Routed) -> int:
    """Return the tokens of input that a call was taken to have; 0 where nobody knew what the upstream kept of it.

    What it kept is no error of the estimate: taken as one, it would multiply every later hold.
    """
    kept = routed.previous_input + routed.previous_output
    return 0 if routed.previous and not kept else routed.input_estimate + kept


def _learn_cost(learnt: Generation, call: str, cost: Decimal, tokens: int) -> None:
    """Keep a cost if it is among the highest."""
    costs = learnt.costs
    if cost > costs.get(call, ZERO):
        costs[call] = cost
        learnt.tokens[call] = max(tokens, 1)
    if len(costs) > COSTS_KEPT:
        least = min(costs, key=lambda known: costs[known])
        del costs[least]
        learnt.tokens.pop(least, None)


def _learn(learnt: Learnt, *, estimated: int, actual: int, output: int) -> None:
    if learnt.last.samples >= GENERATION:
        learnt.before, learnt.last = learnt.last, Generation()
    last = learnt.last
    last.samples += 1
    _count(last.outputs, output)
    if estimated > 0:
        _count(last.ratios, _within(_up(actual * RATIO_ONE, estimated)))
        last.estimated += estimated
        last.actual += actual


def _count(buckets: dict[int, int], count: int) -> None:
    index = bucket(count)
    buckets[index] = buckets.get(index, 0) + 1


def _shown(candidate: str, learnt: Learnt) -> Calibration:
    estimated, actual = learnt.last.estimated + learnt.before.estimated, learnt.last.actual + learnt.before.actual
    outputs = _outputs(learnt)
    return Calibration(
        candidate=candidate,
        samples=_samples(learnt),
        estimated=estimated,
        actual=actual,
        ratio=text(divided(Decimal(actual), Decimal(estimated))) if estimated else "",
        output_p50=_quantile(outputs, 50),
        output_p95=_quantile(outputs, 95),
    )


def _samples(learnt: Learnt) -> int:
    return learnt.last.samples + learnt.before.samples


def _outputs(learnt: Learnt) -> dict[int, int]:
    return _together(learnt.last.outputs, learnt.before.outputs)


def _together(last: dict[int, int], before: dict[int, int]) -> dict[int, int]:
    return {index: last.get(index, 0) + before.get(index, 0) for index in last.keys() | before.keys()}


def _quantile(buckets: dict[int, int], percent: int) -> int:
    """Return the upper edge of the bucket in which so many percent are reached; there is at least one sample."""
    indices = sorted(buckets)
    reached = list(accumulate(buckets[index] for index in indices))
    return upper_edge(indices[bisect_left(reached, _up(reached[-1] * percent, 100))])


def _within(ratio: int) -> int:
    return min(max(ratio, RATIO_WITHIN[0]), RATIO_WITHIN[1])


def _up(count: int, by: int) -> int:
    """Return the quotient, rounded up without a float."""
    return -(-count // by)
