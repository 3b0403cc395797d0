"""What reply headers say of waiting and of limits."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledgers import call_id, held_relay, voided_relay

from tokens_forge.core import config
from tokens_forge.core.book import FULL, Book, available, left, resets
from tokens_forge.core.entries import Limit, Voided
from tokens_forge.core.entry_check import faults
from tokens_forge.core.health import Health, announced, cooled
from tokens_forge.core.moments import moment, stamp
from tokens_forge.core.money import text
from tokens_forge.core.visible import visible
from tokens_forge.wire.reply_headers import MOST_LIMITS, cost, limits, retry_after_s, tier

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SOON, LATER = "2026-11-24T15:00:00.000000Z", "2026-11-28T00:00:00.000000Z"
SOON_S, LATER_S = "1795532400", "1795824000"

SUBSCRIPTION = {
    "anthropic-ratelimit-unified-status": "allowed",
    "anthropic-ratelimit-unified-5h-status": "allowed",
    "anthropic-ratelimit-unified-5h-reset": SOON_S,
    "anthropic-ratelimit-unified-5h-utilization": "0.07",
    "anthropic-ratelimit-unified-7d-status": "allowed",
    "anthropic-ratelimit-unified-7d-reset": LATER_S,
    "anthropic-ratelimit-unified-7d-utilization": "0.042598363636363636",
    "anthropic-ratelimit-unified-7d_sonnet-status": "allowed",
    "anthropic-ratelimit-unified-7d_sonnet-reset": LATER_S,
    "anthropic-ratelimit-unified-7d_sonnet-utilization": "0.0",
    "anthropic-ratelimit-unified-representative-claim": "five_hour",
    "anthropic-ratelimit-unified-reset": SOON_S,
    "anthropic-ratelimit-unified-fallback-percentage": "0.5",
    "anthropic-ratelimit-unified-overage-disabled-reason": "org_level_disabled",
    "anthropic-ratelimit-unified-overage-status": "rejected",
}
"""What a Max subscription answers (captured 2026-02-19, the moments moved here; the long share is of 2025-12-18)."""


def unified(**fields: str) -> dict[str, str]:
    """Return `anthropic-ratelimit-unified-…` headers; ``five`` and ``seven`` stand for ``5h`` and ``7d``."""
    words = {"five": "5h", "seven": "7d"}
    return {
        "anthropic-ratelimit-unified-" + "-".join(words.get(word, word) for word in name.split("_")): value
        for name, value in fields.items()
    }


def codex(**fields: str) -> dict[str, str]:
    """Return `x-codex-…` headers."""
    return {f"x-codex-{name.replace('_', '-')}": value for name, value in fields.items()}


def window(name: str, remaining: str = "", reset: str = "", status: str = "") -> Limit:
    """Return what is said of a window that a provider counts."""
    return Limit(window=name, limit="100" if remaining else "", remaining=remaining, reset=reset, status=status)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "12"}, Decimal(12)),
        ({"retry-after": " 0.5 "}, Decimal("0.5")),
        ({"retry-after": "12", "retry-after-ms": "250"}, Decimal("0.25")),
        ({"retry-after": "12", "retry-after-ms": "soon"}, Decimal(12)),
        ({"retry-after": "Tue, 24 Nov 2026 12:01:30 GMT"}, Decimal(90)),
        ({"retry-after": "Tue, 24 Nov 2026 12:01:30 -0000"}, Decimal(90)),
        ({"retry-after": "Tue, 24 Nov 2026 11:00:00 GMT"}, Decimal(0)),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "9" * 30}, None),
        ({"retry-after": "Tue, 24 Nov 99999999999 12:01:30 GMT"}, None),
        ({"retry-after": ""}, None),
        ({}, None),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], expected: Decimal | None) -> None:
    """Seconds, milliseconds or a date; a past date is no wait, and what can't be read asks for none."""
    assert expected == retry_after_s(headers, NOW)


def test_limits_are_kept_as_given() -> None:
    """Only limits that are named, in the header's own words, cut and without control characters."""
    headers = {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-remaining-tokens": "9" * 99,
        "x-ratelimit-reset-input-tokens": "1s",
        "x-ratelimit-limit-images": "\x1b[2J",
        "x-request-id": "req_1",
    }
    assert (
        Limit(window="requests", limit="60", remaining="0", reset="1s"),
        Limit(window="tokens", remaining="9" * 64),
        Limit(window="images", limit="\\x1b[2J"),
    ) == limits(headers, NOW)
    assert () == limits({}, NOW)


def test_every_way_to_name_a_count() -> None:
    """OpenAI's names in any case; a period in the name; no name means requests; Anthropic's, the priority tier's."""
    headers = {
        "X-RateLimit-Limit": "50",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": "1795564800000",
        "x-ratelimit-remaining-tokens-minute": "100",
        "anthropic-ratelimit-input-tokens-limit": "80000",
        "anthropic-ratelimit-input-tokens-remaining": "79000",
        "anthropic-ratelimit-input-tokens-reset": "2026-11-24T12:00:30Z",
        "anthropic-priority-output-tokens-remaining": "5000",
        "anthropic-organization-id": "36562039",
        "x-ratelimit-5h-utilization": "0.5",
    }
    assert (
        Limit(window="requests", limit="50", remaining="0", reset="1795564800000"),
        Limit(window="tokens-minute", remaining="100"),
        Limit(window="input-tokens", limit="80000", remaining="79000", reset="2026-11-24T12:00:30Z"),
        Limit(window="priority-output-tokens", remaining="5000"),
    ) == limits(headers, NOW)


def test_a_subscription_counts_its_own_windows() -> None:
    """CASES 58: percent left, exactly; a window of some models alone is no window of the account."""
    assert (
        window("provider/5h", "93", SOON, "allowed"),
        window("provider/7d", "95.7401636363636364", LATER, "allowed"),
        window("model/7d_sonnet", "100", LATER, "allowed"),
        window("provider/overage", status="rejected"),
    ) == limits(SUBSCRIPTION, NOW)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param(
            unified(five_utilization="1.08", five_status="rejected", five_reset=SOON_S),
            (window("provider/5h", "-8", SOON, "rejected"),),
            id="overdrawn",
        ),
        pytest.param(
            unified(five_utilization="5e-05", five_reset="2026-11-24T15:00:00Z"),
            (window("provider/5h", "99.995", SOON),),
            id="a tiny share and a written moment",
        ),
        pytest.param(
            {
                **unified(status="rejected", representative_claim="seven_day_overage_included", reset=LATER_S),
                **unified(five_status="allowed", seven_status="allowed"),
            },
            (
                window("provider/5h", status="allowed"),
                window("provider/7d", status="allowed"),
                window("model/7d_oi", reset=LATER, status="rejected"),
            ),
            id="rejected for one model, not for the account",
        ),
        pytest.param(
            unified(status="allowed_warning", representative_claim="seven_day", reset=LATER_S, seven_utilization="0.8"),
            (window("provider/7d", "20", LATER, "allowed_warning"),),
            id="the status of the reply is that of the window it names",
        ),
        pytest.param(
            unified(status="rejected", representative_claim="seven_day_poet", reset=LATER_S),
            (window("model/seven_day_poet", reset=LATER, status="rejected"),),
            id="a claim that is not known says nothing of the account",
        ),
        pytest.param(
            unified(status="rejected", reset=SOON_S, overage_status="rejected"),
            (window("provider/overage", status="rejected"), window("provider/unified", reset=SOON, status="rejected")),
            id="the account as a whole",
        ),
        pytest.param(
            unified(status="rejected", five_status="allowed"),
            (window("provider/5h", status="allowed"),),
            id="no word which window rejects",
        ),
        pytest.param(
            unified(overage_disabled_reason="out_of_credits"),
            (window("provider/overage", status="rejected"),),
            id="the reason alone",
        ),
        pytest.param(
            unified(overage_status="allowed", overage_in_use="true", overage_utilization="0.31", overage_reset=LATER_S),
            (window("provider/overage", "69", LATER, "in_use"),),
            id="overage paid for this reply",
        ),
        pytest.param(
            unified(overage_status="allowed", overage_in_use="false"),
            (window("provider/overage", status="allowed"),),
            id="overage stands by",
        ),
        pytest.param(
            unified(five_utilization="87.5", seven_utilization="nan", five_reset=SOON_S, slow_status="active"),
            (),
            id="a percentage is no share, and a lane no window",
        ),
    ],
)
def test_what_a_subscription_may_say(headers: Mapping[str, str], expected: tuple[Limit, ...]) -> None:
    """Each window with what was said of it, and nothing that was not."""
    assert expected == limits(headers, NOW)


@pytest.mark.parametrize(
    ("reset", "expected"),
    [
        (SOON_S, SOON),
        ("1795521600", "2026-11-24T12:00:00.000000Z"),
        ("2026-11-24T09:00:00Z", "2026-11-24T09:00:00.000000Z"),
        ("0", ""),
        ("1795400000", ""),
        ("-1", ""),
        ("1e400", ""),
        ("2026-11-24T16:00:00+01:00", SOON),
        ("2026-11-24T15:00:00", ""),
        ("0001-01-01T00:00:00+05:00", ""),
        ("9999999999", ""),
        ("soon", ""),
        ("", ""),
    ],
)
def test_a_reset_is_a_moment(reset: str, expected: str) -> None:
    """Unix seconds or RFC 3339 with its offset, at most a year away. One just past is a fact, one long past none."""
    (limit,) = limits(unified(five_status="rejected", five_reset=reset), NOW)
    assert expected == limit.reset


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param(
            {
                **codex(primary_used_percent="12.5", primary_window_minutes="300", primary_reset_at=SOON_S),
                **codex(secondary_used_percent="40", secondary_window_minutes="10080"),
                **codex(secondary_reset_after_seconds="302400"),
                **codex(credits_has_credits="True", credits_unlimited="false", credits_balance="12.50"),
                **codex(plan_type="plus", active_limit="premium"),
            },
            (
                window("provider/5h", "87.5", SOON),
                window("provider/7d", "60", LATER),
                window("provider/overage", status="allowed"),
                Limit(window="credits", remaining="12.5"),
            ),
            id="a plan",
        ),
        pytest.param(
            codex(primary_used_percent="100", primary_window_minutes="10080", primary_reset_at=LATER_S),
            (window("provider/7d", "0", LATER),),
            id="the week in the first slot",
        ),
        pytest.param(
            codex(primary_used_percent="1", primary_window_minutes="299", primary_reset_after_seconds="10800.5"),
            (window("provider/299m", "99", SOON),),
            id="an odd length",
        ),
        pytest.param(
            {
                **codex(primary_used_percent="10", primary_window_minutes="10080"),
                **codex(secondary_used_percent="90", secondary_window_minutes="10080"),
            },
            (window("provider/7d", "10"),),
            id="what leaves less of two with one name",
        ),
        pytest.param(
            {
                **codex(primary_used_percent="90", primary_window_minutes="10080"),
                **codex(secondary_used_percent="10", secondary_window_minutes="10080"),
            },
            (window("provider/7d", "10"),),
            id="likewise",
        ),
        pytest.param(
            codex(bengalfox_primary_used_percent="100", bengalfox_primary_window_minutes="300"),
            (window("model/bengalfox-5h", "0"),),
            id="a limit of one model",
        ),
        pytest.param(codex(primary_used_percent="7"), (window("provider/primary", "93"),), id="no length"),
        pytest.param(
            codex(primary_used_percent="0", primary_reset_after_seconds="0"),
            (window("provider/primary", "100", "2026-11-24T12:00:00.000000Z"),),
            id="begun anew",
        ),
        pytest.param(codex(primary_used_percent="0", primary_window_minutes="0"), (), id="no window"),
        pytest.param(codex(primary_window_minutes="300"), (), id="no use"),
        pytest.param(codex(primary_used_percent="201", primary_window_minutes="300"), (), id="no percentage"),
        pytest.param(
            codex(primary_used_percent="1", primary_reset_after_seconds="999999999"),
            (window("provider/primary", "99"),),
            id="too far away",
        ),
        pytest.param(codex(credits_unlimited="1"), (window("provider/overage", status="allowed"),), id="without end"),
        pytest.param(
            codex(credits_has_credits="false", credits_unlimited="false", credits_balance=""),
            (window("provider/overage", status="rejected"),),
            id="no credits",
        ),
    ],
)
def test_what_codex_says(headers: Mapping[str, str], expected: tuple[Limit, ...]) -> None:
    """Windows are named by their length, not by their slot; credits are what pays beyond them."""
    assert expected == limits(headers, NOW)


def test_what_is_kept_is_bounded() -> None:
    """However many limits a reply names, an entry holds sixteen, those that decide first."""
    headers = {f"x-ratelimit-limit-{n}": "1" for n in range(100)} | SUBSCRIPTION
    kept = limits(headers, NOW)
    assert MOST_LIMITS == len(kept)
    assert limits(SUBSCRIPTION, NOW) == kept[:4]


NAMES = st.sampled_from(
    [
        *SUBSCRIPTION,
        *codex(primary_used_percent="", primary_window_minutes="", primary_reset_at=""),
        *codex(secondary_used_percent="", secondary_reset_after_seconds="", b_primary_used_percent=""),
        *codex(credits_has_credits="", credits_unlimited="", credits_balance=""),
        "anthropic-ratelimit-unified-overage-in-use",
        "anthropic-ratelimit-unified-overage-utilization",
        "anthropic-ratelimit-tokens-limit",
        "x-ratelimit-remaining-requests",
        "x-ratelimit-limit",
        "retry-after",
        "retry-after-ms",
    ]
)
NUMBERS = st.one_of(st.integers().map(str), st.decimals().map(str), st.floats().map(str))
MOMENTS = st.one_of(st.datetimes(timezones=st.timezones()).map(str), st.datetimes().map(datetime.isoformat))
VALUES = st.one_of(st.text(), NUMBERS, MOMENTS, st.sampled_from(["true", "rejected", "five_hour", "overage", "5h"]))


@given(headers=st.dictionaries(st.one_of(NAMES, st.text()), VALUES))
def test_no_header_breaks_a_call(headers: dict[str, str]) -> None:
    """Garbage says nothing. What is said of a provider's windows can be reckoned with, and anything can be printed."""
    retry_after_s(headers, NOW)
    for limit in limits(headers, NOW):
        said = (limit.window, limit.limit, limit.remaining, limit.reset, limit.status)
        assert said == tuple(visible(text) for text in said)
        if limit.window.startswith("provider/"):
            assert limit.remaining == "" or -100 <= Decimal(limit.remaining) <= 100
            assert limit.reset == "" or moment(limit.reset).tzinfo is not None


HEADERS = [
    *("retry-after", "retry-after-ms", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"),
    *(
        f"x-ratelimit-{field}-{what}"
        for field in ("limit", "remaining", "reset")
        for what in ("requests", "tokens-day")
    ),
    *(f"anthropic-ratelimit-{what}" for what in ("requests-limit", "requests-remaining", "input-tokens-reset")),
    *(
        f"anthropic-ratelimit-unified-{window}{field}"
        for window in ("", "5h-", "7d-", "0d-", "999d-", "999h-", "7d_opus-", "overage-")
        for field in ("utilization", "status", "reset", "in-use", "representative-claim")
    ),
    *(
        f"x-codex-{slot}-{field}"
        for slot in ("primary", "secondary", "bengalfox-primary")
        for field in ("used-percent", "window-minutes", "reset-at", "reset-after-seconds")
    ),
    *(f"x-codex-credits-{field}" for field in ("balance", "unlimited", "has-credits")),
]
ABSURD = [
    *("NaN", "-NaN", "sNaN", "Infinity", "-inf", "1e400", "-1e30", "1E+999999", "1e-999999", "1e9", "1e-39", "0", "-0"),
    *("", " ", "-1", "+1", "1_000", "٣", "0x10", "9" * 80, "0." + "9" * 80, str(2**63), str(2**64), "99999999999"),
    *("0000-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-13-45T99:99:99Z"),
    *("Fri, 31 Dec 9999 23:59:59 GMT", "Thu, 01 Jan 0000 00:00:00 GMT", "Mon, 1 Jan 1 0:0:0 +9999", "0 0 0 0 0"),
    *("rejected", "allowed", "true", "five_hour", "seven_day_opus", "999d", "6m0s", "999999d999999h", "1e9s", "\x00"),
    *("1", "1.0", "0.5", "1.08", "2", "2.01", "100", "200", "201", SOON_S, LATER_S, "a, b", "{}", "[1]", "null"),
]
absurd = st.sampled_from(ABSURD) | st.text(max_size=80) | st.integers().map(str) | st.floats().map(str)
replies = st.dictionaries(st.sampled_from(HEADERS), absurd, max_size=12)
pool = config.Balance(kind="pool", unit="percent", windows="provider")
MONTH = timedelta(days=31)


def ended(found: tuple[Limit, ...], wait_s: Decimal | None) -> Voided:
    """Return the end of an attempt whose reply had such headers."""
    return voided_relay(
        call_id(stamp(NOW)),
        balance="plan",
        unit="percent",
        hold="0",
        limits=found,
        wait_s="" if wait_s is None else text(wait_s),
    )


@settings(max_examples=300)
@given(st.lists(replies, min_size=1, max_size=4))
def test_whatever_headers_say(told: list[dict[str, str]]) -> None:
    """CASES 67: no header raises, enters the ledger as what it can't be, or closes a pool or a route for good."""
    book, health, now = Book(), Health(), stamp(NOW)
    for n, headers in enumerate(told, start=1):
        wait_s = retry_after_s(headers, NOW)
        assert wait_s is None or (wait_s.is_finite() and wait_s >= 0)
        entry = msgspec.structs.replace(ended(limits(headers, NOW), wait_s), n=n)
        assert [] == list(faults(entry))
        held = held_relay(entry.id, n=n, balance="plan", unit="percent", hold="0")
        for one in (held, entry):
            book.apply(now, one)
            health.apply(now, one)
        for one in (cooled(health, entry, now), announced(health, entry, now)):
            if one is not None:
                assert [] == list(faults(one))
                assert one.until <= stamp(NOW + timedelta(days=7))
                health.apply(now, one)
    state = book.state("plan", "percent")
    assert resets(pool, state, now) <= stamp(NOW + MONTH)
    assert FULL == left(pool, state, stamp(NOW + timedelta(hours=5))).get("provider/5h", FULL)
    assert FULL == available(pool, state, stamp(NOW + MONTH))
    # Overdrawn by all of it at most: more is in other terms than ours.
    assert -FULL <= min(left(pool, state, now).values(), default=FULL) <= FULL


def test_names_of_windows_are_no_leak() -> None:
    """Headers that name another window in each reply leave no more than the newest behind."""
    book = Book()
    for minutes in range(1, 60):
        found = limits(codex(primary_used_percent="50", primary_window_minutes=str(1440 * minutes)), NOW)
        at = stamp(NOW + timedelta(seconds=minutes))
        entry = msgspec.structs.replace(ended(found, None), n=minutes)
        book.apply(at, held_relay(entry.id, n=minutes, balance="plan", unit="percent", hold="0"))
        book.apply(at, entry)
    kept = book.state("plan", "percent").provider
    assert (16, True) == (len(kept), "provider/59d" in kept)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("0.0123", "0.0123"),
        ("1.25e-05", "0.0000125"),
        ("0.0", None),
        ("", None),
        ("-1", None),
        ("free", None),
        ("é", None),
    ],
)
def test_what_a_head_says_that_a_reply_cost(told: str, expected: str | None) -> None:
    """CASES 15 and 67: as LiteLLM writes it; 0 is no word, and what is no amount says nothing."""
    assert cost({"x-litellm-response-cost": told}) == (None if expected is None else Decimal(expected))
    assert cost({}) is None


def test_the_tier_in_a_head() -> None:
    """CASES 8: in small letters, as cards name it."""
    assert ["priority", "", ""] == [tier(head) for head in ({"x-gemini-service-tier": " Priority"}, {"a": "b"}, {})]
