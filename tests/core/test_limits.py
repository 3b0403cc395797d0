"""What headers say of a limit's end: what is used up, and until when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokens_forge.core.entries import Limit
from tokens_forge.core.limits import begins_anew, used_up
from tokens_forge.core.moments import moment

HEARD = "2026-11-24T12:00:00.000000Z"


@pytest.mark.parametrize(
    "window",
    ["requests", "tokens", "input-tokens", "output-tokens", "requests-day", "tokens-minute", "tokens_usage_based"],
)
def test_requests_and_tokens_are_used_up(window: str) -> None:
    """However the provider names them, and a little overdrawn too."""
    assert used_up(Limit(window=window, limit="60", remaining="0"))
    assert used_up(Limit(window=window, remaining="-1"))
    assert used_up(Limit(window=window, limit="many", remaining="0.0"))
    assert not used_up(Limit(window=window, limit="60", remaining="1"))


@pytest.mark.parametrize(
    "limit",
    [
        Limit(window="provider/5h", limit="100", remaining="0"),
        Limit(window="model/7d_opus", limit="100", remaining="0"),
        Limit(window="credits", remaining="0"),
        Limit(window="images", limit="5", remaining="0"),
        Limit(window="priority-output-tokens", limit="9000", remaining="0"),
        Limit(window="requests", limit="0", remaining="0"),
        Limit(window="requests", limit="-1", remaining="-1"),
        Limit(window="requests", limit="60"),
        Limit(window="requests", limit="60", remaining="none"),
    ],
    ids=str,
)
def test_what_is_no_end_of_a_limit(limit: Limit) -> None:
    """Percent and credits are the book's; a tier that others stand behind; none where nothing is limited or said."""
    assert not used_up(limit)


@pytest.mark.parametrize(
    ("reset", "expected"),
    [
        # OpenAI's and Groq's durations.
        ("1s", "2026-11-24T12:00:01.000000Z"),
        ("6m0s", "2026-11-24T12:06:00.000000Z"),
        ("17ms", "2026-11-24T12:00:00.017000Z"),
        ("1h2m3.5s", "2026-11-24T13:02:03.500000Z"),
        ("7.66s", "2026-11-24T12:00:07.660000Z"),
        ("2m59.56s", "2026-11-24T12:02:59.560000Z"),
        ("1d2h", "2026-11-25T14:00:00.000000Z"),
        ("1s500ms", "2026-11-24T12:00:01.500000Z"),
        # Seconds, Unix seconds and milliseconds.
        ("30", "2026-11-24T12:00:30.000000Z"),
        ("0.25", "2026-11-24T12:00:00.250000Z"),
        ("1795525200", "2026-11-24T13:00:00.000000Z"),
        ("1795525200.5", "2026-11-24T13:00:00.500000Z"),
        ("1795525200000", "2026-11-24T13:00:00.000000Z"),
        # RFC 3339.
        ("2026-11-24T12:00:30Z", "2026-11-24T12:00:30.000000Z"),
        ("2026-11-24T14:30:00+02:00", "2026-11-24T12:30:00.000000Z"),
        # No further than a week.
        ("8d", "2026-12-01T12:00:00.000000Z"),
        ("99999999", "2026-12-01T12:00:00.000000Z"),
        ("9999999999", "2026-12-01T12:00:00.000000Z"),
        ("9" * 16, "2026-12-01T12:00:00.000000Z"),
        ("9999-12-31T23:59:59Z", "2026-12-01T12:00:00.000000Z"),
        # Past.
        ("0s", HEARD),
        ("1741305600000", HEARD),
        ("2025-03-07T00:00:00Z", HEARD),
        ("0001-01-01T00:00:00+05:00", HEARD),
        # Unreadable.
        ("", ""),
        ("soon", ""),
        ("-5", ""),
        ("s", ""),
        ("5s6m", ""),
        ("1e9", ""),
        ("9" * 17, ""),
        ("2026-11-24T12:00:30", ""),
        ("Tue, 24 Nov 2026 12:01:30 GMT", ""),
    ],
)
def test_a_reset_in_every_form(reset: str, expected: str) -> None:
    """Relative to when the headers came; a broken clock can't pass a candidate over for more than a week."""
    assert expected == begins_anew(Limit(window="requests", remaining="0", reset=reset), HEARD)


@given(reset=st.one_of(st.text(), st.from_regex(r"[0-9dhms.:+TZ-]{1,64}", fullmatch=True), st.datetimes().map(str)))
def test_no_reset_breaks_a_call(reset: str) -> None:
    """Whatever stands there, it says nothing or a moment of the coming week."""
    at = begins_anew(Limit(window="requests", remaining="0", reset=reset), HEARD)
    assert at == "" or HEARD <= at <= "2026-12-01T12:00:00.000000Z"
    assert at == "" or moment(at).tzinfo is not None
