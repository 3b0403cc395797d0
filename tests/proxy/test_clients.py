"""Every official client over every kind of upstream: what it hears, what is asked, and what is settled.

The upstream replays golden bytes. Whatever the pair of dialects, the client's own accumulator understands what the
golden says, and the ledger has the golden's usage, reckoned by hand. Translated replies are held to the strict
validation of the SDKs and to the schemas of `llm-comply`.
"""

from collections.abc import Iterator
from itertools import dropwhile
from pathlib import Path
from typing import Any

import anthropic
import msgspec
import openai
import pytest
from clients import PICTURE, Client, Heard, compact, hear
from goldens import Golden, goldens
from pairs import CONFIG, NATIVE, PAIRS, PATHS, SPEAKING, accounted, before, replays
from playbook import Setup, playing
from upstreams import Got, plain

from tokens_forge.core.dialects import DialectName
from tokens_forge.wire.sse import Splitter

CASES: list[tuple[Client, Golden]] = [(client, golden) for client, spoken in PAIRS for golden in goldens(spoken)]
UNDERSTOOD: list[tuple[Client, Golden]] = [
    (client, golden)
    for client, golden in CASES
    # What relays and others write in the client's own dialect is as its SDK takes it; the bytes pass.
    if NATIVE[client] != golden.dialect or golden.source.startswith(("OpenAI", "Claude"))
]


@pytest.mark.parametrize(
    ("client", "golden"), UNDERSTOOD, ids=[f"{client}-{golden.dialect}-{golden.name}" for client, golden in UNDERSTOOD]
)
async def test_what_is_heard_and_what_is_settled(tmp_path: Path, client: Client, golden: Golden) -> None:
    """The client understands what the upstream said; the ledger has its usage, to the last token and cent."""
    spoken = golden.dialect
    translated = spoken != NATIVE[client]
    what = "thinking" if golden.thinking else "text"
    async with playing(tmp_path, before(spoken)) as play:
        replays(play, golden)
        heard = await hear(client, play, stream=golden.streamed, strict=translated, what=what)
        settled = await play.settled()
        assert PATHS[spoken] == play.relay.got[0].line.removeprefix("POST ")
        assert (heard.request_id, spoken, NATIVE[client]) == (settled.id, settled.dialect_out, settled.dialect_in)
        if golden.broken:
            assert ("broken", 502) != (settled.outcome, settled.client_status)
            assert heard.failed
            assert golden.text.startswith(heard.text)
            return
        understood(heard, golden, client)
        accounted(settled, golden)


@pytest.mark.parametrize(
    ("client", "golden"),
    [(client, golden) for client, golden in CASES if NATIVE[client] == golden.dialect],
    ids=str,
)
async def test_bytes_pass_through(tmp_path: Path, client: Client, golden: Golden) -> None:
    """Same dialect on both sides: what the upstream said arrives byte for byte, up to where it breaks."""
    spoken = NATIVE[client]
    body: dict[str, object] = {"model": "m", "stream": golden.streamed, "messages": [{"role": "user", "content": "Hi"}]}
    body |= {"input": "Hi"} if client == "responses" else {"max_tokens": 50} if client == "messages" else {}
    if client == "chat" and golden.streamed:
        body["stream_options"] = {"include_usage": True}
    async with playing(tmp_path, before(spoken)) as play:
        replays(play, golden)
        got = await play.send("POST", PATHS[spoken], msgspec.json.encode(body))
        expected = b"".join(_events(golden.data)) if golden.streamed else golden.data
        if golden.broken:
            assert got.body != expected
            assert b'"error"' in got.body
        else:
            assert (200, expected) == (got.status, got.body)
            accounted(await play.settled(), golden)


def _events(data: bytes) -> Iterator[bytes]:
    """Yield what a client gets of a stream: not what a relay says before the first event, nor `[DONE]` of a response.

    SDKs of Responses stop to read at that mark, which the dialect does not have.
    """
    splitter = Splitter(len(data))
    events = (*splitter.feed(data), *splitter.close())
    for event in dropwhile(lambda event: event.data is None, events):
        if event.data != b"[DONE]" or b'"type":"response.' not in data:
            yield event.raw


def understood(heard: Heard, golden: Golden, client: Client) -> None:
    """Hold what a client heard to what a golden says."""
    tools = tuple((name, _arguments(arguments)) for name, arguments in heard.tools)
    expected = tuple((name, _arguments(arguments)) for name, arguments in golden.tools)
    if all(_is_json(arguments) for _, arguments in golden.tools):
        assert expected == tools
    else:  # cut by the maximum: each SDK makes of it what it can
        assert [name for name, _ in expected] == [name for name, _ in tools]
    # Why it will not answer may have a place of its own, beside what it said.
    assert golden.text in {heard.text, heard.text + heard.refusal}
    if client != "chat" or golden.dialect != "openai_chat":  # the SDK has no place for it there, as our hearer reads it
        assert golden.thinking == heard.thinking
    assert golden.model == heard.model
    total = sum(count for name, count in golden.usage.items() if name not in {"output", "reasoning", "searches"})
    assert (total, golden.usage.get("output", 0)) == (heard.input_tokens, heard.output_tokens)


def _is_json(text: str) -> bool:
    try:
        return bool(msgspec.json.decode(text)) or True
    except msgspec.DecodeError:
        return False


def _arguments(text: str) -> str:
    """Return arguments without spaces where they are JSON; what a maximum cut is none."""
    return compact(msgspec.json.decode(text)) if _is_json(text) else text


@pytest.mark.parametrize(("client", "spoken"), PAIRS)
@pytest.mark.parametrize("what", ["tools", "picture"])
async def test_what_is_asked(tmp_path: Path, client: Client, spoken: DialectName, what: str) -> None:
    """Tools and pictures arrive in the upstream's dialect, under its name of the model."""
    async with playing(tmp_path, before(spoken)) as play:
        replays(play, next(golden for golden in goldens(spoken) if not golden.broken and not golden.streamed))
        await hear(client, play, stream=False, strict=False, what=what)
        (got,) = play.relay.got
        assert "m" == got.asked["model"]
        assert "Hello" in got.body.decode()
        if what == "tools":
            assert [("get_weather", "string")] == [_tool(tool) for tool in got.asked["tools"]]
        else:
            assert PICTURE in got.body.decode()
            assert _pictured(got, spoken)


def _tool(tool: dict[str, Any]) -> tuple[str, str]:
    """Return a tool's name and the type of its parameter, in any dialect."""
    function = tool.get("function", tool)
    schema = function.get("parameters") or function["input_schema"]
    return function["name"], schema["properties"]["city"]["type"]


def _pictured(got: Got, spoken: DialectName) -> bool:
    """Say whether a request shows a picture as its dialect does."""
    match spoken:
        case "openai_chat":
            part = got.asked["messages"][-1]["content"][1]
            return part["image_url"]["url"] == f"data:image/png;base64,{PICTURE}"
        case "openai_responses":
            part = got.asked["input"][-1]["content"][1]
            return part["image_url"] == f"data:image/png;base64,{PICTURE}"
        case _:
            part = got.asked["messages"][-1]["content"][1]
            return part["source"] == {"type": "base64", "media_type": "image/png", "data": PICTURE}


@pytest.mark.parametrize(("client", "spoken"), PAIRS)
@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
async def test_an_upstreams_refusal(tmp_path: Path, client: Client, spoken: DialectName, streamed: bool) -> None:
    """The client's SDK raises its class for the upstream's status, sees no credential, and does not ask again."""
    body = {
        "openai_chat": {"error": {"message": "bad sk-secret-of-relay", "type": "invalid_request_error", "code": None}},
        "openai_responses": {"error": {"message": "bad sk-secret-of-relay", "type": "invalid_request_error"}},
        "anthropic_messages": {
            "type": "error",
            "error": {"type": "invalid_request_error", "message": "bad sk-secret-of-relay"},
        },
    }
    async with playing(tmp_path, before(spoken)) as play:
        play.relay.answers(plain(msgspec.json.encode(body[spoken]), status=422))
        with pytest.raises((openai.UnprocessableEntityError, anthropic.UnprocessableEntityError)) as caught:
            await hear(client, play, stream=streamed, strict=False)
        assert "bad [credential]" in str(caught.value)
        assert [1, 1] == [len(play.relay.got), sum(line.startswith("held") for line in play.transcript())]
        entry = play.closing()
        assert (422, "bad_request") == (entry.client_status, entry.error)
        assert caught.value.request_id == entry.id


@pytest.mark.parametrize("client", NATIVE)
async def test_our_own_refusal(tmp_path: Path, client: Client) -> None:
    """CASES 38, 60: what tf decides comes in the client's dialect, names the call, and is not asked again."""
    poor = Setup(config=CONFIG, relay=SPEAKING["openai_chat"], fund={})
    async with playing(tmp_path, poor) as play:
        with pytest.raises((openai.APIStatusError, anthropic.APIStatusError)) as caught:
            await hear(client, play, stream=False, strict=False)
        assert (402, play.closing().id) == (caught.value.status_code, caught.value.request_id)
        assert "insufficient_balance" in caught.value.response.text
        assert 1 == sum(line.startswith("routed") for line in play.transcript())
