"""What an error's body says of waiting."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokens_forge.wire.told_wait import told_wait_s

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
IN_A_MINUTE = int(NOW.timestamp()) + 60
GROQ = (
    "Rate limit reached for model `llama3-70b-8192` in organization `org_0` on : Limit 500000, Used 500370, Requested "
    "252. Please try again in {}. Visit https://console.groq.com/docs/rate-limits for more information."
)


def openai(message: str, **more: object) -> dict[str, object]:
    """Return an error in OpenAI's shape."""
    return {"error": {"message": message, "type": "tokens", "code": "rate_limit_exceeded", **more}}


def google(*details: object) -> list[dict[str, object]]:
    """Return an error as Google's OpenAI endpoint writes it."""
    return [
        {"error": {"code": 429, "message": "Resource exhausted.", "status": "RESOURCE_EXHAUSTED", "details": details}}
    ]


RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "26.5s"}


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        (openai(GROQ.format("18.642s")), "18.642"),
        (openai(GROQ.format("1m47.5854s")), "107.5854"),
        (openai(GROQ.format("2h5m")), "7500"),
        (openai(GROQ.format("350ms")), "0.35"),
        (openai(GROQ.format("1s20ms")), "1.02"),
        (openai(GROQ.format("a while")), None),
        (openai(GROQ.format("5mb")), None),
        (openai("Please try again in approximately 28.5 seconds."), "28.5"),
        (openai("Please retry in 2 minutes"), "120"),
        (openai("Your request was rate-limited. Please wait 8 seconds before trying again."), "8"),
        (openai("try again in 999999999h"), None),
        ({"error": {"type": "usage_limit_reached", "resets_at": IN_A_MINUTE, "resets_in_seconds": 529498}}, "529498"),
        ({"error": {"type": "usage_limit_reached", "resets_at": IN_A_MINUTE}}, "60"),
        ({"error": {"type": "usage_limit_reached", "resets_at": IN_A_MINUTE - 90}}, "0"),
        ({"error": {"type": "usage_limit_reached", "resets_at": 1e30}}, None),
        ({"error": {"resets_at": "2026-11-30T12:01:30Z"}}, "90"),
        ({"error": {"resets_at": "2026-11-30T12:01:30"}}, None),
        ({"error": {"code": 403, "metadata": {"resets_at": "2026-12-01T00:00:00+00:00", "limit_usd": 5}}}, "43200"),
        ({"error": {"code": 403, "metadata": {"resets_at": IN_A_MINUTE}}}, "60"),
        ({"error": {"code": 403, "metadata": {"resets_at": None}}}, None),
        ({"error": {"resets_in_seconds": -5, "message": "try again in 3s"}}, "3"),
        ({"error": {"resets_in_seconds": "soon", "message": {"text": "try again in 3s"}}}, None),
        ({"message": "Try again in 3s"}, "3"),
        ({"error": "Please try again in 3s", "message": "Please try again in 4s"}, "3"),
        ({"type": "response.failed", "response": openai("Please try again in 11.054s.")}, "11.054"),
        (google(RETRY), "26.5"),
        (google({"@type": "Help"}, RETRY), "26.5"),
        (google({"retryDelay": "tomorrow"}), None),
        ([], None),
        ({}, None),
    ],
)
def test_a_body_says_how_long(body: object, seconds: str | None) -> None:
    """As providers write it; what is no wait says nothing."""
    assert told_wait_s(json.dumps(body).encode(), NOW) == (None if seconds is None else Decimal(seconds))


@pytest.mark.parametrize(("body", "seconds"), [(b"slow down, try again in 20s", "20"), (b"[1", None), (b"", None)])
def test_a_body_that_is_no_json(body: bytes, seconds: str | None) -> None:
    """A proxy's plain words count too."""
    assert told_wait_s(body, NOW) == (None if seconds is None else Decimal(seconds))


@given(
    st.binary(max_size=60) | st.text(max_size=60).map(lambda text: json.dumps({"error": {"message": text}}).encode())
)
def test_it_never_raises(body: bytes) -> None:
    """Whatever comes, it is a wait of a year at most, or none."""
    wait = told_wait_s(body, NOW)
    assert wait is None or 0 <= wait <= 400 * 86_400
