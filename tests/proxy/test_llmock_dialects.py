"""The official clients of every dialect over every dialect that `llmock` speaks, an upstream that nobody here wrote.

It has Messages, Responses, chat completions and embeddings; no moderations, legacy completions or counted tokens. Each
test ends with its verdict: nothing, no warning either. It knows a retry by an equal body, so it also proves that a
translated request is the same bytes each time. As in `test_llmock.py`, a client that was told of a failure, or that
another upstream has answered, asks again: else `llmock` takes the proxy for one that gave up.
"""

from collections.abc import AsyncGenerator, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anthropic
import httpx
import msgspec
import openai
import pytest
from clients import Client, Heard, hear
from components import Llmock, llmock_serving
from pairs import NATIVE, PAIRS, PATHS, before
from playbook import NO_TLS, Playbook, Setup, playing

from tokens_forge.core.dialects import DialectName
from tokens_forge.proxy import watch as watch_file

MORE = """
[model.m]
routes = ["relay/m", "official/other"]
fallback = "any"
"""
ROUTED = "routed m: relay/m official/other"
HELD = "held 1 first relay by wallet"
ANSWERED = "settled {} ok 0.021 USD computed; final 200"
"""`llmock` counts 1 token for `Hello` and 2 for `Hi there`."""
ANSWERED_BY_OFFICIAL = "settled {} ok 0 USD zero; final 200"
HI_THERE: dict[str, object] = {"type": "reply", "text": "Hi there", "times": None}

ROOTS: dict[DialectName, str] = {"openai_chat": "/v1", "openai_responses": "/v1", "anthropic_messages": "/anthropic"}
"""What an upstream's base URL ends in."""

pairs = pytest.mark.parametrize(("client", "spoken"), PAIRS[1:])  # chat over chat: `test_llmock.py`
both = pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often at what is late; the waits before a retry are the real ones, as they are judged."""
    monkeypatch.setattr(watch_file, "SWEEP_S", 0.02)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    # A pace, for what `test_llmock.py` says; the events before the text are more here, and it is a shorter one.
    with llmock_serving(tmp_path_factory.mktemp("llmock"), "--stream-chunk-delay-ms", "30") as url:
        yield url


@pytest.fixture
async def llmock(served: str) -> AsyncGenerator[Llmock]:
    """Give a clean `llmock` that answers as it sees fit; at the end it must have nothing against the proxy."""
    async with httpx.AsyncClient(trust_env=False, timeout=20, verify=NO_TLS) as http:
        llmock = Llmock(url=served, http=http)
        await llmock.forget()
        yield llmock
        assert [] == await llmock.findings()


def setup(llmock: Llmock, spoken: DialectName, relay: str = "") -> Setup:
    """Return the setup of a proxy whose relay is `llmock`, asked in a dialect, and whose official route is free."""
    of_pair = before(spoken, MORE)
    url = llmock.url + ROOTS[spoken]
    return replace(of_pair, relay_url=url, relay_count=llmock.count, relay=f"{of_pair.relay}\n{relay}")


async def says(play: Playbook, client: Client, spoken: DialectName, *, streamed: bool) -> Heard:
    """Ask for a text; what is translated is held to the SDK's own types."""
    return await hear(client, play, stream=streamed, strict=NATIVE[client] != spoken)


async def answered_by_relay(play: Playbook, client: Client, spoken: DialectName, *, streamed: bool) -> None:
    """Ask again and hold client and ledger to the relay's whole answer."""
    heard = await says(play, client, spoken, streamed=streamed)
    assert ("Hi there", "m", 1, 2) == (heard.text, heard.model, heard.input_tokens, heard.output_tokens)
    await play.idle()
    assert [ROUTED, HELD, ANSWERED.format(1)] == play.transcript()


@pairs
@both
async def test_answers(tmp_path: Path, llmock: Llmock, client: Client, spoken: DialectName, *, streamed: bool) -> None:
    """What the upstream says is what the client hears, and what it reports is what is charged."""
    await llmock.behaves(HI_THERE)
    async with playing(tmp_path, setup(llmock, spoken)) as play:
        await answered_by_relay(play, client, spoken, streamed=streamed)
        (got,) = await llmock.got()
        root = ROOTS[spoken].removesuffix("/v1")
        assert (root + PATHS[spoken], "m", streamed) == (got["path"], got["model"], got["stream"])


@pairs
@both
async def test_tools(tmp_path: Path, llmock: Llmock, client: Client, spoken: DialectName, *, streamed: bool) -> None:
    """`llmock` finds the client's tool in the request and calls it, by its schema; the call comes back whole."""
    async with playing(tmp_path, setup(llmock, spoken)) as play:
        heard = await hear(client, play, stream=streamed, strict=NATIVE[client] != spoken, what="tools")
        settled = await play.settled()
        assert (1, {"city": "mock-city"}) == (len(heard.tools), msgspec.json.decode(heard.tools[0][1]))
        assert "get_weather" == heard.tools[0][0]
        assert settled.finish == {"anthropic_messages": "tool_use", "openai_chat": "tool_calls"}.get(
            spoken, "completed"
        )
        assert {"input": heard.input_tokens, "output": heard.output_tokens} == settled.usage


ROUNDS: dict[Client, dict[str, object]] = {
    "chat": {
        "messages": [{"role": "user", "content": "Weather?"}],
        "tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}],
    },
    "responses": {
        "input": [{"role": "user", "content": "Weather?"}],
        "tools": [{"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": False}],
    },
    "messages": {
        "max_tokens": 50,
        "messages": [{"role": "user", "content": "Weather?"}],
        "tools": [{"name": "look", "input_schema": {"type": "object"}}],
    },
}


def after(client: Client, asked: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    """Return the request that gives a tool's result, as an agent writes it."""
    match client:
        case "chat":
            message = said["choices"][0]["message"]
            result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "Rain"}
            return {**asked, "messages": [*asked["messages"], message, result]}
        case "responses":
            (call,) = (item for item in said["output"] if item["type"] == "function_call")
            result = {"type": "function_call_output", "call_id": call["call_id"], "output": "Rain"}
            return {**asked, "input": [*asked["input"], *said["output"], result]}
        case "messages":
            (call,) = (block for block in said["content"] if block["type"] == "tool_use")
            result = {"type": "tool_result", "tool_use_id": call["id"], "content": "Rain"}
            turns = [{"role": "assistant", "content": said["content"]}, {"role": "user", "content": [result]}]
            return {**asked, "messages": [*asked["messages"], *turns]}


def kinds(client: Client, said: dict[str, Any]) -> list[str]:
    """Return of which parts a reply is made, in one word for each."""
    match client:
        case "chat":
            message = said["choices"][0]["message"]
            return ["text"] * bool(message.get("content")) + ["tool"] * len(message.get("tool_calls") or ())
        case "responses":
            return [{"message": "text", "function_call": "tool"}[item["type"]] for item in said["output"]]
        case "messages":
            return [{"text": "text", "tool_use": "tool"}[block["type"]] for block in said["content"]]


@pairs
async def test_an_agents_round(tmp_path: Path, llmock: Llmock, client: Client, spoken: DialectName) -> None:
    """A call and its result go there and back: `llmock` calls a tool until it sees a result, then says a text."""
    async with playing(tmp_path, setup(llmock, spoken)) as play:
        asked: dict[str, Any] = {"model": "m", **ROUNDS[client]}
        called = await play.send("POST", PATHS[NATIVE[client]], msgspec.json.encode(asked))
        assert (200, ["tool"]) == (called.status, kinds(client, called.json))
        asked = after(client, asked, called.json)
        told = await play.send("POST", PATHS[NATIVE[client]], msgspec.json.encode(asked))
        assert (200, ["text"]) == (told.status, kinds(client, told.json))
        await play.idle()
        assert ["ok", "ok"] == [line.split()[2] for line in play.transcript() if line.startswith("settled")]


@pairs
@both
async def test_a_short_wait(
    tmp_path: Path, llmock: Llmock, client: Client, spoken: DialectName, *, streamed: bool
) -> None:
    """Row 429 with a wait of 2 s or less: waited for, as `llmock` measures it, and asked again; nothing cools."""
    await llmock.behaves({"type": "fail", "status": 429, "retry_after": 0.2}, HI_THERE)
    async with playing(tmp_path, setup(llmock, spoken)) as play:
        assert "Hi there" == (await says(play, client, spoken, streamed=streamed)).text
        await play.idle()
        assert [
            ROUTED,
            HELD,
            "voided 1 rejected rate_limited 429 zero",
            "held 2 retry relay by wallet after rate_limited",
            ANSWERED.format(2),
        ] == play.transcript()
        first, second = await llmock.got()
        assert second["started_at"] - first["ended_at"] >= 0.2


@pairs
@pytest.mark.parametrize("status", [503, 529])
async def test_a_failure_that_passes(
    tmp_path: Path, llmock: Llmock, client: Client, spoken: DialectName, status: int
) -> None:
    """Row 408, 5xx, Anthropic's overloaded with them: taken as not billed, and the same candidate once more."""
    await llmock.behaves({"type": "fail", "status": status, "retry_after": 0.1}, HI_THERE)
    async with playing(tmp_path, setup(llmock, spoken)) as play:
        assert "Hi there" == (await says(play, client, spoken, streamed=status == 529)).text
        await play.idle()
        assert [
            ROUTED,
            HELD,
            f"voided 1 error server_error {status} assumed_zero",
            "held 2 retry relay by wallet after server_error",
            ANSWERED.format(2),
        ] == play.transcript()


@pairs
async def test_an_outage(tmp_path: Path, llmock: Llmock, client: Client, spoken: DialectName) -> None:
    """A failure that stays: two attempts, then another candidate, which may speak another dialect than the first."""
    await llmock.behaves({"type": "fail", "status": 529, "retry_after": 0.1, "times": None})
    async with playing(tmp_path, setup(llmock, spoken)) as play:
        assert "Hi there" == (await hear(client, play, stream=True, strict=client != "chat")).text
        await play.idle()
        assert [
            ROUTED,
            HELD,
            "voided 1 error server_error 529 assumed_zero",
            "held 2 retry relay by wallet after server_error",
            "voided 2 error server_error 529 assumed_zero",
            "held 3 fallback official by credit past relay/m attempts_used after server_error",
            ANSWERED_BY_OFFICIAL.format(3),
        ] == play.transcript()
        assert "openai_chat" == (await play.settled()).dialect_out


@pairs
@pytest.mark.parametrize("status", [400, 413])
async def test_what_the_client_must_mend(
    tmp_path: Path, llmock: Llmock, client: Client, spoken: DialectName, status: int
) -> None:
    """Row other 4xx: returned in the client's dialect after one attempt; the official client asks no more either."""
    await llmock.behaves({"type": "fail", "status": status, "message": "not so"})
    async with playing(tmp_path, setup(llmock, spoken)) as play:
        with pytest.raises((openai.APIStatusError, anthropic.APIStatusError), match="not so") as caught:
            await says(play, client, spoken, streamed=status == 413)
        assert status == caught.value.status_code
        assert [ROUTED, HELD, f"voided 1 rejected bad_request {status} zero; final {status}"] == play.transcript()


BREAKS = {
    "disconnect": "stream_cut",
    "truncate": "stream_cut",
    "malformed": "stream_malformed",
    "stall": "idle_timeout",
}
BEFORE_THERE: dict[DialectName, int] = {"openai_chat": 2, "openai_responses": 5, "anthropic_messages": 4}
"""How many events of a stream come up to `Hi `, it included."""


@pairs
@pytest.mark.parametrize("kind", BREAKS)
async def test_a_stream_that_breaks(
    tmp_path: Path, llmock: Llmock, client: Client, spoken: DialectName, kind: str
) -> None:
    """Row broken stream: the client gets what came, then an error in its dialect; what came is settled, as broken."""
    error = BREAKS[kind]
    fault = {"type": "stream_fault", "kind": kind, "after_chunks": BEFORE_THERE[spoken]}
    await llmock.behaves(fault, HI_THERE)
    async with playing(tmp_path, setup(llmock, spoken, 'timeouts = { idle = "500ms" }')) as play:
        heard = await says(play, client, spoken, streamed=True)
        assert error in heard.failed
        assert "Hi " == heard.text
        settled = await play.settled()
        assert ("broken", error, "estimated") == (settled.outcome, settled.error, settled.certainty)
        assert [] == play.official.got
        play.lines()
        await answered_by_relay(play, client, spoken, streamed=True)


BREAKS_AT_ONCE = {"disconnect": "reset", "truncate": "bad_reply", "malformed": "bad_reply"}


@pairs
@pytest.mark.parametrize("kind", BREAKS_AT_ONCE)
async def test_a_stream_that_breaks_before_it_began(
    tmp_path: Path, llmock: Llmock, client: Client, spoken: DialectName, kind: str
) -> None:
    """Row sent, no answer: before the first data event another candidate answers, whole, in the client's dialect."""
    error = BREAKS_AT_ONCE[kind]
    await llmock.behaves({"type": "stream_fault", "kind": kind, "after_chunks": 0}, HI_THERE)
    async with playing(tmp_path, setup(llmock, spoken)) as play:
        heard = await hear(client, play, stream=True, strict=client != "chat")
        assert ("Hi there", "") == (heard.text, heard.failed)
        await play.idle()
        routed, held, unanswered, fell_back, answered = play.transcript()
        assert [ROUTED, HELD, ANSWERED_BY_OFFICIAL.format(2)] == [routed, held, answered]
        assert unanswered.startswith(f"settled 1 unanswered {error} ")
        assert f"held 2 fallback official by credit past relay/m failed_in_call after {error}" == fell_back
        await answered_by_relay(play, client, spoken, streamed=True)


async def test_embeddings(tmp_path: Path, llmock: Llmock) -> None:
    """The official client reads them; their usage is settled."""
    async with playing(tmp_path, setup(llmock, "openai_chat")) as play, play.openai() as client:
        got = await client.embeddings.create(model="m", input=["Hello you", "and you there"])
        assert [1536, 1536] == [len(it.embedding) for it in got.data]
        settled = await play.settled()
        assert ({"input": 5, "output": 0}, "0.005") == (settled.usage, settled.charge)
        assert ("openai_embeddings", "reported") == (settled.dialect_out, settled.usage_source)
