"""What reply headers say of waiting and of limits."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tokens_forge.core.entries import Limit
from tokens_forge.wire.reply_headers import limits, retry_after_s

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


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
    }
    assert limits(headers) == (
        Limit(window="requests", limit="60", remaining="0", reset="1s"),
        Limit(window="tokens", remaining="9" * 64),
    )
    assert limits({}) == ()
