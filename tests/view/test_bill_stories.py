"""How `tf explain` tells the bills of what providers really send: one story of each kind."""

from decimal import Decimal

import pytest
from builders import LIST, OFFICIAL, Bench, agreed, card, finished, listed
from screens import printed

from tokens_forge.core.entries import Settled
from tokens_forge.core.prices import Cards, RateCard
from tokens_forge.core.settlement import Finish
from tokens_forge.core.story import tell
from tokens_forge.core.usage import Iteration
from tokens_forge.view.story import story_view

SONNET, OPUS = {"input": "3", "output": "15"}, {"input": "5", "output": "25"}
COMPACTED = Iteration(kind="compaction", model="", usage={"input": 180_000, "output": 3_500})
ADVISED = Iteration(kind="advisor_message", model="opus", usage={"input": 823, "output": 1_612})


def story(ended: Finish, own: RateCard | None = None) -> str:
    """Return what is told of a call that ended so, on a card of its own and one of the advisor's."""
    own = own or card(OFFICIAL, SONNET)
    advisor = {"official/opus": (card("official/opus", OPUS),)}
    made = Bench(terms=agreed(listed(OFFICIAL), Cards(charge={OFFICIAL: (own,), **advisor}, list={OFFICIAL: (own,)})))
    made.topup(credit="100 USD")
    call = made.route()
    assert isinstance(made.end(made.held(call), ended), Settled)
    lines = [line for line in made.lines if getattr(line.entry, "id", "") == call]
    return "\n".join(printed(story_view(tell(lines)), 120))


@pytest.mark.parametrize(
    ("ended", "parts"),
    [
        (
            finished(usage={"input": 23_000, "output": 1_000}, iterations=(COMPACTED,)),
            (
                "0.6765 USD by credit (computed)",
                "input of compaction 1   180,000  x 3 USD/Mtok     0.54 USD",
                "output of compaction 1    3,500  x 15 USD/Mtok  0.0525 USD",
                "beside it compaction 1 by m: 180,000 input, 3,500 output; card official/m by test",
            ),
        ),
        (
            finished(usage={"input": 412, "output": 531}, iterations=(ADVISED,)),
            ("0.053616 USD by credit (computed)", "input of advisor_message 1", "x 5 USD/Mtok", "by opus: 823 input"),
        ),
        (
            finished(usage={"input": 1, "output": 1}, answered_by="opus"),
            ("opus stepped in for m and is billed by its own rates", "card official/opus by test"),
        ),
        (
            finished(iterations=(Iteration(kind="advisor_message", model="new", usage={"input": 1}),)),
            (
                "(unpriced)",
                "beside it advisor_message 1 by new: 1 input; no price is known",
                "unpriced_iteration: work beside the reply has no price: missing from the charge",
            ),
        ),
        (
            finished(tier_served="priority"),
            (
                "0.0045 USD by credit (estimated)",
                "tier priority",
                "tier_unpriced: the tier that was served has no rates: billed at the base rates",
            ),
        ),
        (
            finished(usage={"input": 9, "output": 96}, guessed=93, flags=("unexplained_total",)),
            ("(estimated)", "unexplained_total: tokens that only the total shows: billed as output"),
        ),
        (
            finished(usage={"input": 9, "output": 0}, finish="refusal"),
            ("(computed)", "refusal_billed: refused before any output, which this seller bills by usage"),
        ),
        (
            finished(usage={"input": 0, "output": 0}, output_estimate=10),
            ("(estimated)", "zero_usage: nothing but zeros are told of what was there: estimated from its bytes"),
        ),
    ],
)
def test_a_bill_is_explained(ended: Finish, parts: tuple[str, ...]) -> None:
    """Each kind says what was billed, by whose rates, and how sure that is."""
    told = story(ended)
    for part in parts:
        assert part in told, told


def test_a_premium_is_told_with_what_it_is_for() -> None:
    """The card names its factor; the rate on the line has it in."""
    told = story(finished(geo="us"), card(OFFICIAL, LIST, geo={"us": Decimal("1.1")}))
    assert "x 1.1 for geo us" in told
    assert "x 1.1 USD/Mtok" in told


def test_a_cost_that_nobody_can_believe_is_told() -> None:
    """What was told stays beside what was charged."""
    reported = card(OFFICIAL, LIST, terms="reported")
    told = story(finished(reported_cost=Decimal(25_000)), reported)
    assert "the upstream reported a cost of 25000" in told
    assert "unbelieved_cost: the upstream told a cost far beyond anything known of such calls" in told
