"""A call's story says who asked, what each decision made of each candidate, what was tried and which balance paid."""

from pathlib import Path
from typing import get_args

import pytest
from ledgers import (
    Ledger,
    at,
    call_id,
    fell_back,
    held_official,
    held_relay,
    paid_relay,
    refused,
    routed,
    settled_official,
    settled_relay,
    voided_relay,
)

from tokens_forge.core.entries import Adjusted, AnyEntry, Configured, Cooled, Line, PassedOver, Reason, Recovered
from tokens_forge.core.story import (
    CandidateTold,
    Correction,
    HealthTold,
    Payment,
    Refusal,
    Story,
    Verdict,
    reason_text,
    tell,
)

CALL = call_id(at("10:00:00"))


def told(*entries: AnyEntry) -> Story:
    """Return the story of entries that follow each other by a second."""
    return tell([Line(seq=n, ts=at(f"10:00:{n:02}"), entry=entry) for n, entry in enumerate(entries)])


def fallen_back() -> Story:
    return told(routed(CALL), held_relay(CALL), voided_relay(CALL), held_official(CALL), settled_official(CALL))


def test_a_call_that_fell_back() -> None:
    """The story names who asked, how long it took, and what the client got."""
    story = fallen_back()

    expected = (CALL, "answered", "aider", "research-42", "smart", True, 200, 4000, "relay/gpt-5", "any")
    actual = (
        story.id,
        story.ended,
        story.key,
        story.task,
        story.model_asked,
        story.stream,
        story.client_status,
        story.total_ms,
        story.intended,
        story.boundary,
    )
    assert expected == actual
    assert (story.turn, story.thread, story.agent) == (7, "9f2c77ab00112233", "OpenAI/Python 3.54.0")


def test_each_decision_says_what_it_made_of_each_candidate() -> None:
    """Candidates stand in their order; each has the verdict of every decision that looked at it (CASES 23)."""
    over = PassedOver(candidate="relay/gpt-5", balance="rmb-wallet", reason="failed_in_call", error="rate_limited")

    expected = (
        CandidateTold(
            candidate="relay/gpt-5",
            balance="rmb-wallet",
            verdicts=(Verdict(n=1, taken=True), Verdict(n=2, taken=False, passed_over=over)),
        ),
        CandidateTold(candidate="official/gpt-5", balance="openai-credit", verdicts=(Verdict(n=2, taken=True),)),
    )
    assert expected == fallen_back().candidates


def test_attempts_carry_their_cause_and_end() -> None:
    """Every attempt stands under the call with number, role, cause, outcome and times (CASES 22, 25)."""
    first, second = fallen_back().attempts

    assert (first.n, first.role, first.outcome, first.status, first.error) == (
        1,
        "first",
        "rejected",
        429,
        "rate_limited",
    )
    assert (first.certainty, first.wait_s, first.after_ms, first.total_ms, first.bill) == (
        "zero",
        "12",
        1000,
        212.0,
        None,
    )
    assert (second.n, second.role, second.route_class, second.first_byte_ms) == (2, "fallback", "direct", 412.1)
    assert second.cause is not None
    assert (second.cause.n, second.cause.error, second.cause.status) == (1, "rate_limited", 429)


def test_the_bill_is_the_ledgers() -> None:
    """Charge, card, list, saving and the balance before and after are as they were recorded."""
    bill = fallen_back().attempts[1].bill

    assert bill is not None
    assert (bill.charge, bill.unit, bill.certainty, bill.list, bill.saving) == (
        "0.0036",
        "USD",
        "computed",
        "0.0036",
        "0",
    )
    assert [line.amount for line in bill.lines] == ["0.0005", "0.0001", "0.003"]
    assert (bill.balance_before, bill.balance_after) == ("12.1", "12.0964")


def test_payments_are_per_balance_and_unit() -> None:
    """Two attempts that both cost something, on two balances, are two payments; nothing is summed across units."""
    story = told(
        routed(CALL),
        held_relay(CALL),
        settled_relay(CALL, final=False, outcome="unanswered", certainty="estimated"),
        held_official(CALL),
        settled_official(CALL),
    )

    expected = (
        Payment(balance="rmb-wallet", charge="0.02", unit="CNY", certainty=("estimated",)),
        Payment(balance="openai-credit", charge="0.0036", unit="USD", certainty=("computed",)),
    )
    assert expected == story.payments


def test_corrections_move_the_payment() -> None:
    """What was given back is taken off what the balance paid, and stands as a correction."""
    story = told(
        routed(CALL),
        held_relay(CALL),
        settled_relay(CALL),
        Adjusted(
            balance="rmb-wallet", amount="0.005", unit="CNY", reason="correction", corrects=CALL, note="n", ref="r"
        ),
        Adjusted(balance="other", amount="-0.001", unit="USD", reason="correction", corrects=CALL),
    )

    expected = (
        Payment(balance="rmb-wallet", charge="0.015", unit="CNY", certainty=("computed",)),
        Payment(balance="other", charge="0.001", unit="USD", certainty=()),
    )
    assert expected == story.payments
    first = Correction(
        ts=at("10:00:03"), balance="rmb-wallet", amount="0.005", unit="CNY", reason="correction", note="n", ref="r"
    )
    assert first == story.corrections[0]


def test_a_refused_call() -> None:
    """A refusal is a decision too: each candidate has its reason, and nothing was paid."""
    story = told(routed(CALL), refused(CALL))

    over = refused(CALL).passed_over
    expected = Refusal(
        ts=at("10:00:01"), reason="nothing_can_pay", error="insufficient_balance", client_status=402, passed_over=over
    )
    assert expected == story.refusal
    assert (story.ended, story.client_status, story.payments, story.attempts) == ("refused", 402, (), ())
    first = CandidateTold(
        candidate="relay/gpt-5",
        balance="rmb-wallet",
        verdicts=(Verdict(n=1, taken=False, passed_over=over[0]),),
    )
    assert (first, CandidateTold(candidate="official/gpt-5")) == story.candidates


def test_an_open_call() -> None:
    """A call without a closing entry says so, and its attempt has no outcome."""
    story = told(routed(CALL), held_relay(CALL))

    assert (story.ended, story.total_ms, story.payments) == ("open", None, ())
    assert (story.attempts[0].outcome, story.attempts[0].total_ms, story.attempts[0].hold) == ("", None, "0.0412")
    assert told(routed(CALL), held_relay(CALL), voided_relay(CALL)).ended == "open"


def test_an_upstreams_error_passed_on() -> None:
    """A final attempt that is no complete answer is a failed call."""
    assert told(routed(CALL), held_relay(CALL), voided_relay(CALL, final=True, client_status=400)).ended == "failed"
    assert told(routed(CALL), held_relay(CALL), settled_relay(CALL, outcome="broken")).ended == "failed"


def test_a_story_without_its_beginning() -> None:
    """When the first page was moved away, what the closing entry repeats is told."""
    story = told(settled_official(CALL))
    attempt = story.attempts[0]

    assert (story.key, story.model_asked, story.intended, story.at) == ("aider", "smart", "relay/gpt-5", "")
    assert (attempt.route_class, attempt.hold_basis, attempt.after_ms, story.candidates) == ("direct", None, None, ())
    assert told(voided_relay(CALL)).attempts[0].route_class == ""
    assert (told(refused(CALL)).key, told(refused(CALL)).agent, told(refused(CALL)).stream) == ("aider", "", None)


def test_cooldowns_and_others() -> None:
    """What the call made cool or recover is part of its story; other entries are not."""
    story = told(
        voided_relay(CALL),
        Cooled(scope="candidate", name="relay/gpt-5", until=at("10:01:00"), level=1, error="rate_limited"),
        Recovered(scope="candidate", name="relay/gpt-5", by=f"{CALL}/2"),
        Configured(config="c", cards="p"),
    )

    expected = (
        HealthTold(
            ts=at("10:00:01"), scope="candidate", name="relay/gpt-5", error="rate_limited", until=at("10:01:00")
        ),
        HealthTold(ts=at("10:00:02"), scope="candidate", name="relay/gpt-5"),
    )
    assert expected == story.health
    assert (story.key, story.id) == ("", CALL)


def test_the_story_of_found_lines(tmp_path: Path) -> None:
    """Whole ledgers tell the same stories as their entries."""
    ledger = Ledger(tmp_path)
    fell_back(ledger)
    call = paid_relay(ledger, "10:00:01", n=2)

    story = tell(ledger.lines[-3:])

    assert (story.id, story.candidates[1].verdicts) == (call, ())


@pytest.mark.parametrize("reason", get_args(Reason))
def test_every_reason_has_words(reason: Reason) -> None:
    """Each reason of the closed list is said in words that need no further lookup."""
    words = reason_text(PassedOver(candidate="a/b", reason=reason))
    assert words
    assert "{" not in words
    assert reason not in words or reason in {"cooling", "busy"}


def test_reasons_have_their_numbers() -> None:
    """The numbers, the moment and the cause behind a reason stand in its words."""
    short = PassedOver(candidate="a/b", reason="balance_short", available="0.01", need="0.04", unit="CNY")
    cooling = PassedOver(candidate="a/b", reason="cooling", until=at("10:00:12"), error="rate_limited")

    assert reason_text(short) == "0.01 CNY available, 0.04 CNY needed"
    assert reason_text(cooling) == "cooling until 2026-11-24 10:00:12 UTC (rate_limited)"
    announced = PassedOver(candidate="a/b", reason="cooling", until=at("10:00:12"), error="limit_reached")
    unknown = PassedOver(candidate="a/b", reason="over_max_charge", available="5", unit="CNY", error="no_price")
    assert reason_text(unknown) == "nobody knows what it may cost, and the client's limit is 5 CNY"
    assert reason_text(announced) == "cooling until 2026-11-24 10:00:12 UTC (limit_reached)"


def test_reasons_that_name_what_they_are_about() -> None:
    """A response's route, a login's upstream, a member that can't be said in the candidate's dialect."""
    pinned = PassedOver(candidate="a/b", reason="not_pinned", error="previous_response_id")
    login = PassedOver(candidate="a/b", reason="no_client_credential", error="meant_elsewhere")
    said = PassedOver(candidate="a/b", reason="no_capability", error="messages[2].content[0]")
    kind = PassedOver(candidate="a/b", reason="no_capability", error="openai_embeddings")
    assert "its upstream can't be asked in openai_embeddings, and nothing translates that for it" == reason_text(kind)
    assert "another route made what the request goes on from (`previous_response_id`)" == reason_text(pinned)
    assert "the client's login was meant for another upstream, and follows no fallback" == reason_text(login)
    other = PassedOver(candidate="a/b", reason="no_client_credential", error="of_another_provider")
    assert "the client's login is for the provider whose dialect it speaks" == reason_text(other)
    assert "it can't do what the request asks for (messages[2].content[0])" == reason_text(said)


def test_a_reason_without_numbers_has_none() -> None:
    """What holds nothing is not said to need 0, and a rate that is missing is named in place of a sum."""
    counted_there = PassedOver(candidate="a/b", reason="pool_used_up", available="0", need="0", unit="percent")
    no_rate = PassedOver(candidate="a/b", reason="over_budget", budget="key.k/day", error="no_fx")

    assert "used up: 0 percent left" == reason_text(counted_there)
    assert "no exchange rate of the day says what it counts against budget key.k/day: add one to [report] fx" == (
        reason_text(no_rate)
    )


def test_a_budget_tells_what_is_spent_held_and_when_it_begins_anew() -> None:
    """CASES 30: what was spent, held and by which calls, the limit, and when it frees; many holds are counted."""
    over = PassedOver(
        candidate="a/b",
        reason="over_budget",
        budget="key.k/day",
        available="0.1",
        need="0.5",
        unit="USD",
        limit="5",
        spent="4.6",
        held="0.3",
        holds=tuple(f"tf_{n}/1" for n in range(7)),
        until=at("23:00:00"),
    )
    assert (
        "over budget key.k/day: 0.1 USD left, 0.5 USD needed; 4.6 of 5 USD spent, 0.3 USD held by calls under way "
        "(tf_0/1, tf_1/1, tf_2/1, tf_3/1, tf_4/1 and 2 more); begins anew at 2026-11-24 23:00:00 UTC"
    ) == reason_text(over)


def test_who_asked_to_be_left_alone_tells_until_when() -> None:
    """A candidate that was put off in this call is told with the moment that it named."""
    over = PassedOver(candidate="a/b", reason="failed_in_call", error="rate_limited", until=at("23:00:00"))
    assert reason_text(over).endswith("; asked to wait until 2026-11-24 23:00:00 UTC")


def test_a_short_balance_tells_whose_holds_are_in_the_way() -> None:
    """CASES 30: they are named where they alone are; a balance has no limit to speak of."""
    short = PassedOver(
        candidate="a/b",
        reason="balance_short",
        available="0.01",
        need="0.04",
        unit="CNY",
        held="0.5",
        holds=("tf_1/1",),
    )
    said = "0.01 CNY available, 0.04 CNY needed; 0.5 CNY held by calls under way (tf_1/1)"
    assert said == reason_text(short)
