"""The official clients of every dialect over every dialect that `aimock` speaks, an upstream that nobody here wrote.

It has Messages, Responses, chat completions, embeddings and moderations, lets in only who has the relay's key, and says
what a model thinks. What it journals is what was on the wire (`_audit` of the playbook).
"""

from collections.abc import AsyncGenerator, Generator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import anthropic
import httpx
import msgspec
import openai
import pytest
from clients import Client, hear
from components import Aimock, aimock_serving
from pairs import NATIVE, PAIRS, before
from playbook import NO_TLS, SECRETS, Setup, playing
from upstreams import TOKENS

from tokens_forge.core.dialects import DialectName

pytestmark = pytest.mark.usefixtures("impatient")

MORE = """
[model.m]
routes = ["relay/m", "official/other"]
fallback = "any"
"""
ROUTED = "routed m: relay/m official/other"
HELD = "held 1 first relay by wallet"
ANSWERED = "settled {} ok 0.048 USD computed; final 200"
ANSWERED_BY_OFFICIAL = "settled {} ok 0 USD zero; final 200"
FELL_BACK = "held 2 fallback official by credit past relay/m failed_in_call after {}"
USED: dict[str, int] = {"input_tokens": 8, "output_tokens": 4, **TOKENS}
"""In each dialect's words."""
HI_THERE: dict[str, Any] = {"response": {"content": "Hi there", "usage": USED}, "chunkSize": 3}

ROOTS: dict[DialectName, str] = {"openai_chat": "/v1", "openai_responses": "/v1", "anthropic_messages": ""}
"""What an upstream's base URL ends in."""

pairs = pytest.mark.parametrize(("client", "spoken"), PAIRS[1:])  # chat over chat: `test_aimock.py`
both = pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    with aimock_serving(tmp_path_factory.mktemp("aimock"), keys=(SECRETS["RELAY_KEY"],)) as url:
        yield url


@pytest.fixture
async def aimock(served: str) -> AsyncGenerator[Aimock]:
    """Give a clean `aimock` that answers `Hi there`."""
    async with httpx.AsyncClient(trust_env=False, timeout=20, verify=NO_TLS) as http:
        aimock = Aimock(url=served, http=http)
        await aimock.forget()
        await aimock.answers(HI_THERE)
        yield aimock


def setup(aimock: Aimock, spoken: DialectName, relay: str = "") -> Setup:
    """Return the setup of a proxy whose relay is `aimock`, asked in a dialect, and whose official route is free."""
    of_pair = before(spoken, MORE)
    url = aimock.url + ROOTS[spoken]
    return replace(of_pair, relay_url=url, relay_count=aimock.count, relay=f"{of_pair.relay}\n{relay}")


def refusing(status: int, kind: str, **more: object) -> dict[str, Any]:
    """Return a fixture that answers with an error in the dialect that it is asked in."""
    return {"response": {"error": {"message": "not so", "type": kind}, "status": status, **more}}


@pairs
@both
async def test_answers(tmp_path: Path, aimock: Aimock, client: Client, spoken: DialectName, *, streamed: bool) -> None:
    """What the upstream says is what the client hears, and what it reports is what is charged."""
    async with playing(tmp_path, setup(aimock, spoken)) as play:
        heard = await hear(client, play, stream=streamed, strict=NATIVE[client] != spoken)
        assert ("Hi there", 8, 4) == (heard.text, heard.input_tokens, heard.output_tokens)
        await play.idle()
        assert [ROUTED, HELD, ANSWERED.format(1)] == play.transcript()


@pairs
@both
async def test_tools_after_a_text(
    tmp_path: Path, aimock: Aimock, client: Client, spoken: DialectName, *, streamed: bool
) -> None:
    """A text and two calls at once arrive whole, in their order."""
    calls = [{"name": "get_weather", "arguments": {"city": city}} for city in ("Ulm", "Bogotá")]
    await aimock.answers({"response": {"content": "I look.", "toolCalls": calls, "usage": USED}, "chunkSize": 4})
    async with playing(tmp_path, setup(aimock, spoken)) as play:
        heard = await hear(client, play, stream=streamed, strict=NATIVE[client] != spoken, what="tools")
        expected = [(call["name"], call["arguments"]) for call in calls]
        assert expected == [(name, msgspec.json.decode(arguments)) for name, arguments in heard.tools]
        assert "I look." == heard.text
        await play.idle()
        assert [ROUTED, HELD, ANSWERED.format(1)] == play.transcript()


@pairs
@both
async def test_thinking(tmp_path: Path, aimock: Aimock, client: Client, spoken: DialectName, *, streamed: bool) -> None:
    """What a model says of its reasoning has its place in each dialect."""
    await aimock.answers({"response": {"content": "42", "reasoning": "6 times 7.", "usage": USED}, "chunkSize": 4})
    async with playing(tmp_path, setup(aimock, spoken)) as play:
        heard = await hear(client, play, stream=streamed, strict=NATIVE[client] != spoken, what="thinking")
        assert ("42", "6 times 7.") == (heard.text, heard.thinking)


@pairs
@pytest.mark.parametrize("dated", [False, True], ids=["seconds", "date"])
async def test_a_long_wait(tmp_path: Path, aimock: Aimock, client: Client, spoken: DialectName, *, dated: bool) -> None:
    """Row 429 with a longer wait, in seconds or as a date: another answers, in the client's dialect."""
    over = datetime.now(UTC) + timedelta(seconds=30)
    wait = format_datetime(over, usegmt=True) if dated else 30
    await aimock.answers(refusing(429, "rate_limit_error", retryAfter=wait))
    async with playing(tmp_path, setup(aimock, spoken)) as play:
        heard = await hear(client, play, stream=dated, strict=client != "chat")
        assert ("Hi there", "") == (heard.text, heard.failed)
        await play.idle()
        routed, held, voided, cooled, fell_back, answered = play.transcript()
        assert [ROUTED, HELD, "voided 1 rejected rate_limited 429 zero"] == [routed, held, voided]
        assert cooled.startswith("cooled candidate relay/m ")
        assert 28 <= int(cooled.split()[3]) <= 31
        assert [FELL_BACK.format("rate_limited"), ANSWERED_BY_OFFICIAL.format(2)] == [fell_back, answered]


FAILURES = {500: "api_error", 529: "overloaded_error"}
"""By status, in Anthropic's word (API reference, "Errors", read 2026-11)."""


@pairs
@pytest.mark.parametrize("status", FAILURES)
async def test_a_failure_that_passes(
    tmp_path: Path, aimock: Aimock, client: Client, spoken: DialectName, status: int
) -> None:
    """Row 408, 5xx, Anthropic's overloaded with them: taken as not billed, and the same candidate once more."""
    await aimock.answers(refusing(status, FAILURES[status]), HI_THERE)
    async with playing(tmp_path, setup(aimock, spoken)) as play:
        assert "Hi there" == (await hear(client, play, stream=True, strict=NATIVE[client] != spoken)).text
        await play.idle()
        assert [
            ROUTED,
            HELD,
            f"voided 1 error server_error {status} assumed_zero",
            "held 2 retry relay by wallet after server_error",
            ANSWERED.format(2),
        ] == play.transcript()


@pairs
async def test_what_the_client_must_mend(tmp_path: Path, aimock: Aimock, client: Client, spoken: DialectName) -> None:
    """Row other 4xx: returned in the client's dialect after one attempt, and not asked again."""
    await aimock.answers(refusing(400, "invalid_request_error"))
    async with playing(tmp_path, setup(aimock, spoken)) as play:
        with pytest.raises((openai.BadRequestError, anthropic.BadRequestError), match="not so"):
            await hear(client, play, stream=False, strict=False)
        assert [ROUTED, HELD, "voided 1 rejected bad_request 400 zero; final 400"] == play.transcript()


UNREAD: Mapping[str, str] = {"malformedRate": "bad_reply", "disconnectRate": "reset"}


@pairs
@pytest.mark.parametrize("chaos", UNREAD)
async def test_no_answer(tmp_path: Path, aimock: Aimock, client: Client, spoken: DialectName, chaos: str) -> None:
    """Row sent, no answer: no JSON, or a connection torn down before the head. Another candidate answers."""
    error = UNREAD[chaos]
    async with playing(tmp_path, setup(aimock, spoken)) as play:
        await aimock.chaos(**{chaos: 1.0})
        heard = await hear(client, play, stream=error == "reset", strict=client != "chat")
        assert ("Hi there", "") == (heard.text, heard.failed)
        await play.idle()
        routed, held, unanswered, fell_back, answered = play.transcript()
        assert [ROUTED, HELD, FELL_BACK.format(error)] == [routed, held, fell_back]
        assert unanswered.startswith(f"settled 1 unanswered {error} ")
        assert ANSWERED_BY_OFFICIAL.format(2) == answered


@pairs
async def test_a_stream_that_stalls_after_its_opening(
    tmp_path: Path, aimock: Aimock, client: Client, spoken: DialectName
) -> None:
    """Row sent, no answer: what only opens a stream is no answer. Another candidate gives it, and nothing twice."""
    await aimock.answers({**HI_THERE, "streamingProfile": {"ttft": 0, "tps": 0.05}})
    async with playing(tmp_path, setup(aimock, spoken, 'timeouts = { idle = "400ms" }')) as play:
        heard = await hear(client, play, stream=True, strict=client != "chat")
        assert ("Hi there", "") == (heard.text, heard.failed)
        await play.idle()
        told = play.transcript()
        assert told[2].startswith("settled 1 unanswered first_byte_timeout ")
        assert ANSWERED_BY_OFFICIAL.format(2) == told[-1]


@pairs
async def test_a_stream_that_breaks(tmp_path: Path, aimock: Aimock, client: Client, spoken: DialectName) -> None:
    """Row broken stream: the client gets an error in its dialect and no silent end, and what came is settled."""
    # Its pace keeps what goes before the cut from being thrown away with it.
    more, error = {"streamingProfile": {"ttft": 0, "tps": 20}, "truncateAfterChunks": 6}, "stream_cut"
    await aimock.answers({**HI_THERE, "chunkSize": 1, **more})
    async with playing(tmp_path, setup(aimock, spoken, 'timeouts = { idle = "400ms" }')) as play:
        heard = await hear(client, play, stream=True, strict=NATIVE[client] != spoken)
        assert error in heard.failed
        assert "Hi there".startswith(heard.text)
        settled = await play.settled()
        assert ("broken", error, "estimated") == (settled.outcome, settled.error, settled.certainty)
        assert [] == play.official.got


async def test_embeddings(tmp_path: Path, aimock: Aimock) -> None:
    """The official client reads them; the mock counts nothing of what was sent, so it is estimated."""
    async with playing(tmp_path, setup(aimock, "openai_chat")) as play, play.openai() as client:
        got = await client.embeddings.create(model="m", input="Say nothing", encoding_format="float")
        assert got.data[0].embedding
        settled = await play.settled()
        assert ("ok", "openai_embeddings", "estimated", ("zero_usage",)) == (
            settled.outcome,
            settled.dialect_out,
            settled.usage_source,
            settled.flags,
        )


async def test_moderations(tmp_path: Path, aimock: Aimock) -> None:
    """The official client reads one; a moderation has no usage, so at a price it is an estimate and says so."""
    async with playing(tmp_path, setup(aimock, "openai_chat")) as play, play.openai() as client:
        got = await client.moderations.create(model="omni-moderation-latest", input="Hello")
        assert [False] == [it.flagged for it in got.results]
        settled = await play.settled()
        assert ("ok", "openai_moderations", "estimated") == (settled.outcome, settled.dialect_out, settled.certainty)


async def test_what_aimock_does_not_have(tmp_path: Path, aimock: Aimock) -> None:
    """Counted tokens are not among its paths: its 404 is told, nothing is charged, and nobody is asked in vain."""

    async def not_journalled() -> int:
        return 1 + await aimock.count()

    of_count = replace(setup(aimock, "anthropic_messages"), relay_count=not_journalled)
    async with playing(tmp_path, of_count) as play:
        async with anthropic.AsyncAnthropic(base_url=play.url, api_key=play.tokens["aider"]) as client:
            with pytest.raises(anthropic.InternalServerError, match="model_not_found 404"):
                await client.messages.count_tokens(model="m", messages=[{"role": "user", "content": "Hello"}])
        assert [
            ROUTED,
            HELD,
            "voided 1 rejected model_not_found 404 zero",
            "refused exhausted past relay/m failed_in_call, official/other no_capability; final 502",
        ] == play.transcript()
