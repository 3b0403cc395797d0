"""What is gone on from is not there: told in the words by which a client goes on by itself, and its library does."""

from pathlib import Path
from typing import Any

import anthropic
import msgspec
import openai
import pytest
from anthropic.types.beta import BetaMessageParam
from playbook import NO_WAIT, Playbook, Setup, playing
from upstreams import completion, plain, refusal

CONFIG = """
[balance.wallet]
kind = "prepaid"
unit = "USD"
[balance.other]
kind = "prepaid"
unit = "USD"

[upstream.relay]
dialect = "{relay}"
base_url = "{relay_url}"
credential = "env:RELAY_KEY"
{official}

[upstream.official]
dialect = "{relay}"
base_url = "{official_url}"
credential = "env:OFFICIAL_KEY"
{official}

[route.relay]
class = "direct"
upstream = "relay"
balance = "wallet"
serves = ["m"]
[route.relay.prices]
"m" = [{{ from = 2020-01-01, unit = "USD", per = "mtok", input = 3, output = 15 }}]
[route.official]
class = "direct"
upstream = "official"
balance = "other"
serves = ["m"]
[route.official.prices]
"m" = [{{ from = 2020-01-01, unit = "USD", per = "mtok", input = 3, output = 15 }}]

[model.m]
routes = ["relay/m", "official/m"]
fallback = "any"
{more}
"""


def setup(dialect: str = "anthropic", more: str = NO_WAIT, official: str = "") -> Setup:
    """Return two routes to accounts of one provider, each with money of its own."""
    return Setup(
        config=CONFIG, relay=dialect, official=official, more=more, fund={"wallet": "100 USD", "other": "100 USD"}
    )


def message(known_as: str) -> Any:  # noqa: ANN401 - an answer of the scripted upstream
    """Return an answer in Messages."""
    body = {
        "type": "message",
        "id": known_as,
        "model": "m",
        "role": "assistant",
        "content": [{"type": "text", "text": "Hi"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 5, "output_tokens": 1},
    }
    return plain(msgspec.json.encode(body))


def error(status: int, kind: str, text: str, **more: object) -> Any:  # noqa: ANN401 - likewise
    """Return an error in Messages."""
    return plain(
        msgspec.json.encode({"type": "error", "error": {"type": kind, "message": text, **more}}), status=status
    )


def said(text: str) -> BetaMessageParam:
    """Return a message of the user."""
    return {"role": "user", "content": text}


LOST = error(404, "not_found_error", "thread not found", details={"error_code": "thread_not_found"})


def asked(play: Playbook, upstream: str = "relay") -> list[str]:
    """Return of each request that an upstream got what it asks of a thread."""
    got = (play.relay if upstream == "relay" else play.official).got
    return [one.asked.get("thread", {}).get("type", "none") for one in got]


def client(play: Playbook) -> anthropic.AsyncAnthropic:
    """Return the official client, which sends a request once."""
    return anthropic.AsyncAnthropic(base_url=play.url, api_key=play.tokens["aider"], max_retries=0)


async def test_a_thread_that_its_provider_lost(tmp_path: Path) -> None:
    """Its 404 judges one request: it comes as it is, no other account is asked, and the library sends all anew."""
    async with playing(tmp_path, setup()) as play:
        play.relay.answers(message("m1"), LOST, message("m2"), message("m3"))
        async with client(play) as official:
            thread = official.beta.messages.thread(model="m", max_tokens=9)
            for word in ("one", "two", "three"):
                await thread.send(said(word))
        assert ["create", "continue", "create", "continue"] == asked(play)
        assert [1, 1, 3, 1] == [len(one.asked["messages"]) for one in play.relay.got]
        assert [] == play.official.got
        await play.idle()
        assert "voided 1 rejected bad_request 404 zero; final 404" in play.transcript()


async def test_a_thread_whose_account_can_not_answer(tmp_path: Path) -> None:
    """It is pinned to the account that has it; where that is out, the client makes a new one, and others answer."""
    async with playing(tmp_path, setup()) as play:
        play.relay.answers(message("m1"), refusal(429, headers={"retry-after": "600"}))
        play.official.answers(message("n1"), message("n2"))
        async with client(play) as official:
            thread = official.beta.messages.thread(model="m", max_tokens=9)
            await thread.send(said("one"))
            await thread.send(said("two"))
            await thread.send(said("three"))
        assert ["create", "continue"] == asked(play)
        assert ["create", "continue"] == asked(play, "official")
        await play.idle()


async def test_a_thread_that_waits_for_its_account(tmp_path: Path) -> None:
    """Its client can go on at once, so nothing is waited for."""
    async with playing(tmp_path, setup(more="")) as play:
        play.relay.answers(message("m1"), refusal(429, headers={"retry-after": "20"}))
        first = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "a"}]}
        await play.send("POST", "/v1/messages", msgspec.json.encode(first | {"thread": {"type": "create"}}))
        goes_on = {"type": "continue", "previous_message_id": "m1"}
        reply = await play.send("POST", "/v1/messages", msgspec.json.encode(first | {"thread": goes_on}))
        assert (404, {"error_code": "thread_not_found"}) == (reply.status, reply.json["error"]["details"])
        assert "not_found_error" == reply.json["error"]["type"]
        assert "m1" in reply.json["error"]["message"]


async def test_where_no_upstream_knows_threads(tmp_path: Path) -> None:
    """Translated, a thread can't be said: the library leaves it out from then on."""
    async with playing(tmp_path, setup("openai")) as play:
        play.relay.answers(plain(completion()), plain(completion()))
        async with client(play) as official:
            thread = official.beta.messages.thread(
                model="m", max_tokens=9, unsupported_request_behavior="continue_unthreaded"
            )
            await thread.send(said("one"))
            await thread.send(said("two"))
        assert [1, 3] == [len(one.asked["messages"]) for one in play.relay.got]


@pytest.mark.parametrize(
    "text",
    ["thread: Extra inputs are not permitted", "Unexpected value(s) `message-threads-2026-08-12` for `anthropic-beta`"],
)
async def test_a_relay_that_knows_no_threads(tmp_path: Path, text: str) -> None:
    """It says so in its own words, which the library does not read: they get its code."""
    async with playing(tmp_path, setup()) as play:
        play.relay.answers(error(400, "invalid_request_error", text), message("m1"))
        async with client(play) as official:
            thread = official.beta.messages.thread(
                model="m", max_tokens=9, unsupported_request_behavior="continue_unthreaded"
            )
            await thread.send(said("one"))
        assert ["create", "none"] == asked(play)
        await play.idle()


async def test_what_a_provider_says_of_a_thread_comes_as_it_is(tmp_path: Path) -> None:
    """With its list of what is not supported."""
    details = {"error_code": "thread_unsupported_request", "unsupported": ["fallbacks"]}
    async with playing(tmp_path, setup()) as play:
        play.relay.answers(error(400, "invalid_request_error", "thread is not supported with it", details=details))
        async with client(play) as official:
            with pytest.raises(anthropic.BadRequestError) as raised:
                await official.beta.messages.create(
                    model="m", max_tokens=9, messages=[{"role": "user", "content": "a"}], thread={"type": "create"}
                )
        assert {"error": {"details": details}} == {"error": {"details": raised.value.body["error"]["details"]}}  # type: ignore[index]
        await play.idle()


RESPONSE = (
    b'{"id":"resp_1","object":"response","model":"m","status":"completed","output":[],'
    b'"usage":{"input_tokens":5,"output_tokens":1,"total_tokens":6}}'
)


async def test_a_response_that_its_provider_lost(tmp_path: Path) -> None:
    """404 or 400: no other account is asked, and the client gets the code by which it sends all anew."""
    lost = {"message": "Previous response with id 'resp_1' not found.", "type": "invalid_request_error"}
    async with playing(tmp_path, setup("openai", official='endpoints = ["responses"]')) as play:
        for body in (lost | {"code": "previous_response_not_found"}, lost | {"code": None}):
            play.relay.answers(plain(msgspec.json.encode({"error": body}), status=404))
            async with openai.AsyncOpenAI(
                base_url=f"{play.url}/v1", api_key=play.tokens["aider"], max_retries=0
            ) as official:
                with pytest.raises(openai.NotFoundError, match="Previous response with id 'resp_1' not found"):
                    await official.responses.create(model="m", input="a", previous_response_id="resp_1")
            await play.idle()
        assert [] == play.official.got


async def test_a_response_of_a_route_that_may_not_answer(tmp_path: Path) -> None:
    """It is pinned elsewhere, and the client learns that it must send what came before."""
    async with playing(tmp_path, setup("openai", official='endpoints = ["responses"]')) as play:
        play.relay.answers(plain(RESPONSE))
        body = {"model": "m", "input": "a"}
        assert 200 == (await play.send("POST", "/v1/responses", msgspec.json.encode(body))).status
        await play.idle()
        goes_on = msgspec.json.encode(body | {"previous_response_id": "resp_1"})
        reply = await play.send("POST", "/v1/responses", goes_on, headers={"x-tf-route": "official"})
        told = reply.json["error"]
        assert (400, "previous_response_not_found", "previous_response_id") == (
            reply.status,
            told["code"],
            told["param"],
        )
        assert told["message"].startswith("Previous response with id 'resp_1' not found.")
