"""The suites of `llm-comply` against the proxy: each dialect that clients speak, over each that upstreams do.

The suites ask for texts, streams, tools, pictures, reasoning, turns and errors; the upstream answers as a good one
does, with golden bytes that fit the request as it arrived there. Whatever a suite has against the proxy stands below
with its reason, and where the suite is at odds with a provider's documents, the provider's own bytes fail alike.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import pytest
from clients import Client
from goldens import Golden, golden, goldens
from pairs import NATIVE, PAIRS, PATHS, before, replays
from playbook import Playbook, playing
from upstreams import Answer, Got, plain, stream

from tokens_forge.core.dialects import DialectName
from tokens_forge.wire.sse import Event, Splitter

# How llm-comply's validator resolves references is its own affair.
pytestmark = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")

RUNNER: Any = import_module("llm_comply.runner")  # it has no types
CONFIG: Any = import_module("llm_comply.config")
SCHEMA: Any = import_module("llm_comply.schema")
SPECS = Path(SCHEMA.__file__).parent / "specs"

SUITES: Mapping[Client, tuple[str, str, str, str]] = {
    "chat": ("openai_chat", "OPENAI_CHAT_TESTS", "openai_chat.json", "gpt-5"),
    "responses": ("open_responses", "OPEN_RESPONSES_TESTS", "openresponses.json", "gpt-5"),
    "messages": ("anthropic", "ANTHROPIC_TESTS", "anthropic.json", "claude-sonnet-4-5"),
}
"""Its module, its list, its schemas, and a model of which it believes that it reasons."""

ANSWERS: Mapping[DialectName, tuple[str, str, str]] = {
    "openai_chat": ("openai", "openai-parallel-tools", "deepseek"),
    "openai_responses": ("text", "parallel-tools", "reasoning"),
    "anthropic_messages": ("text", "parallel-tools", "thinking"),
}
"""The goldens of a text, of calls, and of a reasoned answer."""

HELLO = [{"role": "user", "content": "Hello"}]

COMPACTED = msgspec.json.encode(
    {
        "id": "resp_001",
        "object": "response.compaction",
        "created_at": 1764967971,
        "output": [{"id": "cmp_001", "type": "compaction", "encrypted_content": "gAAAAABpM0Yj"}],
        "usage": {
            "input_tokens": 139,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 438,
            "output_tokens_details": {"reasoning_tokens": 64},
            "total_tokens": 577,
        },
    }
)
"""OpenAI API reference, "Compact a response" (read 2026-11)."""

NO_MAXIMUM = msgspec.json.encode(
    {"type": "error", "error": {"type": "invalid_request_error", "message": "max_tokens: Field required"}}
)
"""Claude docs, "Errors" (read 2026-11)."""

CANNOT_COMPACT = (
    # Nobody there can; `no_capability` is 400 everywhere, and 404 would say that the model is missing.
    "HTTP 400 (expected [200, 404])",
    "advice: response.output is missing or empty",
    "advice: expected object containing 'compact'",
    "advice: no output item with type='compaction'",
)
EXCUSED: Mapping[tuple[Client, DialectName], tuple[str, ...]] = {
    ("chat", "anthropic_messages"): (
        # OpenAI's types have it optional, and so has the suite's own schema: without annotations there is no list.
        "advice: choices[0].message missing 'annotations' field",
        # A reply keeps the id that its upstream knows it by.
        "advice: response.id 'msg_01Golden",
    ),
    ("responses", "openai_chat"): CANNOT_COMPACT,
    ("responses", "anthropic_messages"): CANNOT_COMPACT,
    # Of the dialects only Messages requires a maximum; over a chat the upstream's own holds.
    ("messages", "openai_chat"): (
        "advice: invalid request returned a successful response",
        # Anthropic's own answers leave out `citations` that are null; the suite's schema asks for them.
        "content.0: {'type': 'text', 'text': 'Hello! How can I help you today?'}",
        "content.1: {'type': 'text', 'text': '9.8 is greater.'}",
    ),
}
"""How what a suite has against a pair begins, each with the reason why it stands."""


def answer(got: Got, spoken: DialectName) -> Answer:
    """Return what a good upstream says to a request."""
    if got.line.endswith("/compact"):
        return plain(COMPACTED)
    asked = got.asked
    if spoken == "anthropic_messages" and "max_tokens" not in asked:  # the one dialect in which it is required
        return plain(NO_MAXIMUM, status=400)
    text, tools, reasoned = ANSWERS[spoken]
    reasons = any(asked.get(name) for name in ("thinking", "reasoning", "reasoning_effort"))
    name = tools if asked.get("tools") else reasoned if reasons else text
    if not asked.get("stream"):
        return plain(golden(spoken, f"{name}.json").data)
    return stream(golden(spoken, "openai-stream.sse" if name == "openai" else f"{name}.sse").data)


def judged(play: Playbook, client: Client) -> list[str]:
    """Return what the suite of a dialect has against the proxy: its errors and its advice, each with its test."""
    module, tests, _, model = SUITES[client]
    config = CONFIG.ComplianceConfig(
        base_url=f"{play.url}/v1",
        api_key=play.tokens["aider"],
        model=model,
        auth_header="x-api-key" if client == "messages" else "Authorization",
        use_bearer_prefix=client != "messages",
        timeout=10,
    )
    cases = getattr(import_module(f"llm_comply.tests.{module}"), tests)
    results = RUNNER.TestRunner(config, cases, schemas(client)).run_all().results
    assert len(results) >= 9
    assert [] == [it.id for it in results if it.status.value == "skipped"]
    return [
        f"{said} ({it.id})" for it in results for said in (*it.errors, *(f"advice: {said}" for said in it.warnings))
    ]


def schemas(client: Client) -> Any:  # noqa: ANN401 - it has no types
    """Return the schemas that a suite goes by."""
    return SCHEMA.SpecLoader(str(SPECS / SUITES[client][2]))


REPLY: Mapping[Client, str] = {
    "chat": "CreateChatCompletionResponse",
    "responses": "ResponseResource",
    "messages": "Message",
}


def at_odds(client: Client) -> tuple[str, ...]:
    """Return what the schemas have against the provider's own documented bytes."""
    dialect = NATIVE[client]
    replies = (msgspec.json.decode(golden(dialect, f"{name}.json").data) for name in ANSWERS[dialect])
    return tuple(said for reply in replies for said in schemas(client).validate(reply, REPLY[client]))


@pytest.mark.parametrize(("client", "spoken"), PAIRS)
async def test_every_suite(tmp_path: Path, client: Client, spoken: DialectName) -> None:
    """Nothing is found against the proxy but what is excused by name; bytes that pass fail as they do without it."""
    of_pair = before(spoken)
    setup = replace(of_pair, config=of_pair.config.replace('"m"', f'"{SUITES[client][3]}"'))
    async with playing(tmp_path, setup) as play:
        play.relay.otherwise = lambda got: answer(got, spoken)
        found = await asyncio.wait_for(asyncio.to_thread(judged, play, client), 60)
        await play.idle()
    excused = EXCUSED.get((client, spoken), ())
    passed = at_odds(client) if NATIVE[client] == spoken else ()
    assert [] == [said for said in found if not said.startswith((*excused, *passed))]
    assert [] == [begin for begin in excused if not any(said.startswith(begin) for said in found)]


BROKEN = [
    (client, one) for client, spoken in PAIRS if NATIVE[client] != spoken for one in goldens(spoken) if one.broken
]


@pytest.mark.parametrize(("client", "one"), BROKEN, ids=[f"{client}-{one}" for client, one in BROKEN])
async def test_a_translated_stream_that_breaks(tmp_path: Path, client: Client, one: Golden) -> None:
    """To its last event, the error that ends it, a stream is in the client's dialect; `tests/wire` does whole ones."""
    asked = {"chat": {"messages": HELLO}, "responses": {"input": "Hi"}, "messages": {"messages": HELLO}}[client]
    async with playing(tmp_path, before(one.dialect)) as play:
        replays(play, one)
        body = msgspec.json.encode({"model": "m", "stream": True, "max_tokens": 50, **asked})
        got = await play.send("POST", PATHS[NATIVE[client]], body)
        await play.idle()
    splitter = Splitter(len(got.body) + 1)
    events = [event for event in (*splitter.feed(got.body), *splitter.close()) if event.data]
    told = [msgspec.json.decode(event.data or b"") for event in events]
    assert [] == [said for event, data in zip(events, told, strict=True) for said in complaints(client, event, data)]
    match client:
        case "chat":
            assert {"message", "type", "param", "code"} == set(told[-1]["error"])
        case "responses":
            assert list(range(len(told))) == [event["sequence_number"] for event in told]
            assert {told[0]["response"]["id"]} == {event["response"]["id"] for event in told if "response" in event}
            assert ("response.failed", "failed") == (told[-1]["type"], told[-1]["response"]["status"])
        case "messages":
            assert ("error", "error") == (events[-1].name, told[-1]["type"])


def complaints(client: Client, event: Event, data: dict[str, Any]) -> list[str]:
    """Return what the schemas have against an event of a stream."""
    match client:
        case "chat" if "error" in data:
            return schemas(client).validate(data, "ErrorResponse")
        case "chat":
            # It forgets that OpenAI's own have null there until the last.
            found = schemas(client).validate(data, "CreateChatCompletionStreamResponse")
            return [said for said in found if not said.startswith("choices.0.finish_reason: None is not one of")]
        case "responses":
            # It knows OpenAI's events by their names in Open Responses alone.
            return schemas(client).validate_sse_event(event.name.replace("summary_text", "summary"), data)
        case "messages":
            if data.get("content_block", {}).get("type") == "text":  # without the null that Anthropic leaves out too
                data = {**data, "content_block": {"citations": None, **data["content_block"]}}
            return schemas(client).validate(data, "ErrorResponse" if event.name == "error" else "MessageStreamEvent")
