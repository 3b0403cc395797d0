"""The failure table, row by row."""

from decimal import Decimal
from typing import get_args

import pytest
from builders import Bench, finished

from tokens_forge.core.entries import Certainty, Outcome
from tokens_forge.core.fallback import (
    MENDED,
    TABLE,
    Cooling,
    asked_wait_s,
    classify,
    cooling_ms,
    named_wait_ms,
    row_of,
    turned_away,
)

UPSTREAM = "upstream after 3 for 5 s to 300 s"
CANDIDATE = "candidate after 3 for 5 s to 300 s"


def told(cooling: Cooling | None) -> str:
    """Return a cooling in words."""
    if cooling is None:
        return ""
    spans = f"{cooling.first_ms // 1000} s to {cooling.most_ms // 1000} s"
    return f"{cooling.scope} after {cooling.after} for {spans}"


@pytest.mark.parametrize(
    ("word", "ends", "outcome", "certainty", "after", "cools"),
    [
        ("", "settled", "ok", "computed", "done", ""),
        ("dns", "voided", "not_sent", "zero", "retry", UPSTREAM),
        ("connect", "voided", "not_sent", "zero", "retry", UPSTREAM),
        ("tls", "voided", "not_sent", "zero", "retry", UPSTREAM),
        ("connect_timeout", "voided", "not_sent", "zero", "retry", UPSTREAM),
        ("credential", "voided", "not_sent", "zero", "fall_back", ""),
        ("ledger", "voided", "not_sent", "zero", "done", ""),
        ("left_before_contact", "voided", "not_sent", "zero", "done", ""),
        ("stopped_before_contact", "voided", "not_sent", "zero", "done", ""),
        ("server_error", "voided", "error", "assumed_zero", "retry", CANDIDATE),
        ("timeout_upstream", "voided", "error", "assumed_zero", "retry", CANDIDATE),
        ("redirect", "voided", "error", "zero", "fall_back", ""),
        ("first_byte_timeout", "settled", "unanswered", "estimated", "fall_back", CANDIDATE),
        ("reset", "settled", "unanswered", "estimated", "fall_back", CANDIDATE),
        ("deadline", "settled", "unanswered", "estimated", "fall_back", CANDIDATE),
        ("bad_reply", "settled", "unanswered", "estimated", "fall_back", CANDIDATE),
        ("rate_limited", "voided", "rejected", "zero", "fall_back", "candidate after 1 for 10 s to 300 s"),
        ("insufficient_quota", "voided", "rejected", "zero", "fall_back", "balance after 1 for 3600 s to 3600 s"),
        ("unauthorized", "voided", "rejected", "zero", "fall_back", "upstream after 1 for 900 s to 900 s"),
        ("model_not_found", "voided", "rejected", "zero", "fall_back", ""),
        ("context_too_long", "voided", "rejected", "zero", "fall_back", ""),
        ("stream_options", "voided", "rejected", "zero", "retry", ""),
        ("bad_request", "voided", "rejected", "zero", "return", ""),
        ("stream_cut", "settled", "broken", "estimated", "done", CANDIDATE),
        ("stream_error", "settled", "broken", "estimated", "done", CANDIDATE),
        ("stream_malformed", "settled", "broken", "estimated", "done", CANDIDATE),
        ("idle_timeout", "settled", "broken", "estimated", "done", CANDIDATE),
        ("client_left", "settled", "disconnected", "estimated", "done", ""),
        ("stopped", "settled", "broken", "estimated", "done", ""),
    ],
)
def test_every_row(word: str, ends: str, outcome: str, certainty: str, after: str, cools: str) -> None:  # noqa: PLR0913, PLR0917 - a row has as many columns
    """DESIGN 7; CASES 25: a failed attempt's cost is known zero, taken as zero, or estimated, and says which."""
    row = classify(word)
    assert (ends, outcome, certainty, after, cools) == (
        row.ends,
        row.outcome,
        row.certainty,
        row.next,
        told(row.cooling),
    )


def test_the_rows_above_are_all() -> None:
    """A word that is added needs its line above; outcomes and certainties are words of the ledger."""
    assert {row.outcome for row in TABLE.values()} < set(get_args(Outcome))
    assert {row.certainty for row in TABLE.values()} < set(get_args(Certainty))
    assert len(TABLE) == 30


@pytest.mark.parametrize(
    ("word", "wait_s", "after", "cools"),
    [
        ("rate_limited", "0", "wait", False),
        ("rate_limited", "2", "wait", False),
        ("rate_limited", "2.001", "fall_back", True),
        ("server_error", "2", "retry", True),
        ("server_error", "60", "fall_back", True),
        ("insufficient_quota", "1", "fall_back", True),
        ("bad_request", "60", "return", False),
    ],
)
def test_a_wait_that_the_upstream_asks_for(word: str, wait_s: str, after: str, cools: bool) -> None:
    """A 429's wait of at most 2 s is waited for and cools nothing; nothing longer is slept through."""
    row = classify(word, wait_s=Decimal(wait_s))
    assert (after, cools) == (row.next, row.cooling is not None)


@pytest.mark.parametrize(
    ("word", "wait_s", "after"),
    [
        ("server_error", "", "fall_back"),
        ("server_error", "1", "fall_back"),
        ("rate_limited", "1", "fall_back"),
        ("bad_request", "", "return"),
        (MENDED, "", "retry"),
    ],
)
def test_an_upstream_that_says_not_to_come_again(word: str, wait_s: str, after: str) -> None:
    """Its candidate is not retried, and no wait is named by it; what cools, cools. A mended request is another one."""
    row = classify(word, wait_s=Decimal(wait_s) if wait_s else None, no_retry=True)
    assert (after, TABLE[word].cooling) == (row.next, row.cooling)
    bench = Bench()
    bench.topup(wallet="1 CNY")
    entry = bench.end(bench.held(bench.route()), finished(word, wait_s=wait_s, no_retry=True))
    assert (row, None) == (row_of(entry), named_wait_ms(entry, times=0))


DOUBLING = Cooling(scope="candidate", after=1, first_ms=5_000, most_ms=300_000)
LIMITED = Cooling(scope="candidate", after=1, first_ms=10_000, most_ms=300_000, asked="decides")


@pytest.mark.parametrize(
    ("level", "expected"), [(1, 5_000), (2, 10_000), (3, 20_000), (6, 160_000), (7, 300_000), (10_000, 300_000)]
)
def test_each_level_doubles_up_to_the_most(level: int, expected: int) -> None:
    """5 s, doubling to 5 minutes."""
    assert expected == cooling_ms(DOUBLING, level=level, asked_s=None)


@pytest.mark.parametrize(
    ("cooling", "asked_s", "expected"),
    [
        (LIMITED, "3.5", 3_500),
        (LIMITED, "86400", 86_400_000),
        (LIMITED, "99999999", 7 * 86_400_000),
        (DOUBLING, "1", 5_000),
        (DOUBLING, "60", 60_000),
    ],
)
def test_an_asked_wait_is_the_time_of_a_limit_and_lengthens_others(
    cooling: Cooling, asked_s: str, expected: int
) -> None:
    """CASES 39: an empty balance that says "in 5 s" is not asked again in 5 s; a limit is believed, up to a week."""
    assert expected == cooling_ms(cooling, level=1, asked_s=Decimal(asked_s))


def test_the_row_of_an_entry_knows_its_wait() -> None:
    """What was decided live is read from the entry alone."""
    bench = Bench()
    bench.topup(wallet="1 CNY")
    short = bench.end(bench.held(bench.route()), finished("rate_limited", wait_s="1.5"))
    whole = bench.end(bench.held(bench.route()))

    assert (Decimal("1.5"), "wait") == (asked_wait_s(short), row_of(short).next)
    assert (None, "done") == (asked_wait_s(whole), row_of(whole).next)


@pytest.mark.parametrize(
    ("error", "wait_s", "times", "expected"),
    [
        ("rate_limited", "20", 0, 20_000),
        ("rate_limited", "0", 0, 0),
        ("rate_limited", "0", 1, 1_000),
        ("server_error", "0.5", 4, 8_000),
        ("timeout_upstream", "9", 2, 9_000),
        ("rate_limited", "9000000", 0, 604_800_000),
        ("insufficient_quota", "9", 0, None),
        ("rate_limited", "", 0, None),
    ],
)
def test_a_named_wait(error: str, wait_s: str, times: int, expected: int | None) -> None:
    """As long as it was asked for, a week at most; each time after the first at least a second, doubling."""
    bench = Bench()
    bench.topup(wallet="1 CNY")
    entry = bench.end(bench.held(bench.route()), finished(error, wait_s=wait_s))
    assert expected == named_wait_ms(entry, times=times)


@pytest.mark.parametrize(
    ("error", "status", "expected"),
    [
        ("rate_limited", 429, 429),
        ("rate_limited", 402, 429),
        ("rate_limited", 200, 429),
        ("rate_limited", 529, 529),
        ("server_error", 503, 503),
        ("server_error", 529, 529),
        ("server_error", 500, 0),
        ("server_error", 200, 0),
        ("unauthorized", 503, 0),
    ],
)
def test_what_only_asks_to_come_later(error: str, status: int, expected: int) -> None:
    """An SDK waits by 429, 503 and 529; what may have been worked on is none of them."""
    assert expected == turned_away(error, status)
