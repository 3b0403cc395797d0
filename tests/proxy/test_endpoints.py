"""The other endpoints: embeddings, moderations, legacy completions, tokens counted, models, kept responses."""

import re
from dataclasses import replace
from pathlib import Path

import anthropic
import msgspec
import openai
import pytest
from goldens import Golden, goldens
from pairs import accounted, before, replays
from playbook import Playbook, playing
from upstreams import plain, refusal

from tokens_forge.core.dialects import DialectName
from tokens_forge.core.entries import Routed, Settled

BODIES: dict[DialectName, dict[str, object]] = {
    "openai_completions": {"model": "m", "prompt": "Say", "max_tokens": 20},
    "openai_embeddings": {"model": "m", "input": "Hello"},
    "openai_moderations": {"input": "Hello"},
}
PATHS: dict[DialectName, str] = {
    "openai_completions": "/v1/completions",
    "openai_embeddings": "/v1/embeddings",
    "openai_moderations": "/v1/moderations",
}
CASES = [(dialect, one) for dialect in BODIES for one in goldens(dialect) if not one.broken]


@pytest.mark.parametrize(("dialect", "one"), CASES, ids=[f"{dialect}-{one.name}" for dialect, one in CASES])
async def test_bytes_pass_and_usage_is_settled(tmp_path: Path, dialect: DialectName, one: Golden) -> None:
    """The client gets what the upstream said, byte for byte, and the ledger has its usage."""
    async with playing(tmp_path, before("openai_chat")) as play:
        replays(play, one)
        streamed = {"stream": True, "stream_options": {"include_usage": True}} if one.streamed else {}
        got = await play.send("POST", PATHS[dialect], msgspec.json.encode({**BODIES[dialect], **streamed}))
        assert (200, one.data) == (got.status, got.body)
        assert f"POST {PATHS[dialect]}" == play.relay.got[0].line
        settled = await play.settled()
        assert (dialect, dialect) == (settled.dialect_in, settled.dialect_out)
        if one.usage:
            accounted(settled, one)
        else:  # a moderation has no usage: what it cost is an estimate, and says so
            assert ("estimated", "estimated") == (settled.usage_source, settled.certainty)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/embeddings", {"model": "m", "input": "Hello"}),
        ("/v1/completions", {"model": "m", "prompt": "Say"}),
        ("/v1/moderations", {"model": "m", "input": "Hello"}),
        ("/v1/responses/compact", {"model": "m", "input": "Hello"}),
    ],
)
async def test_what_an_upstream_does_not_have(tmp_path: Path, path: str, body: object) -> None:
    """CASES 34: a kind of call that no candidate takes is refused before anything is held or sent."""
    async with playing(tmp_path, before("anthropic_messages")) as play:
        got = await play.send("POST", path, msgspec.json.encode(body))
        assert (400, "no_capability") == got.error
        assert [] == play.relay.got


COUNT = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "system": "Be brief."}


async def test_tokens_are_counted_for_nothing(tmp_path: Path) -> None:
    """Counting is free: no money is held, the entry says zero, and the client's SDK reads the upstream's count."""
    async with playing(tmp_path, before("anthropic_messages")) as play:
        play.relay.answers(plain(b'{"input_tokens":14}'))
        async with anthropic.AsyncAnthropic(base_url=play.url, api_key=play.tokens["aider"]) as client:
            got = await client.messages.count_tokens(
                model="m", messages=[{"role": "user", "content": "Hello"}], system="Be brief."
            )
        assert 14 == got.input_tokens
        assert "POST /v1/messages/count_tokens" == play.relay.got[0].line
        assert play.relay.got[0].headers["anthropic-version"]
        settled = await play.settled()
        assert ("anthropic_count_tokens", "0", "zero", {}, ()) == (
            settled.dialect_in,
            settled.charge,
            settled.certainty,
            settled.usage,
            settled.flags,
        )


async def test_tokens_that_nobody_counts(tmp_path: Path) -> None:
    """An upstream without such an endpoint: our estimate is said, named as one; nothing is sent and it is no call."""
    async with playing(tmp_path, before("openai_chat")) as play:
        got = await play.send("POST", "/v1/messages/count_tokens", msgspec.json.encode(COUNT))
        assert (200, "input_tokens") == (got.status, got.headers["x-tf-estimated"])
        assert got.json["input_tokens"] > 0
        assert ([], []) == (play.relay.got, play.transcript())
        missing = await play.send("POST", "/v1/messages/count_tokens", msgspec.json.encode({**COUNT, "model": "x"}))
        assert (404, "model_not_found") == missing.error


async def test_models_in_each_sdk(tmp_path: Path) -> None:
    """A list and one by one, also with a slash in its name, in the shape that the SDK reads."""
    async with playing(tmp_path, before("openai_chat")) as play:
        await play.reload('serves = ["m"', 'serves = ["vendor/m", "m"')
        play.lines()
        async with play.openai() as client:
            assert ["vendor/m", "m"] <= [model.id async for model in client.models.list()]
            assert "vendor/m" == (await client.models.retrieve("vendor/m")).id
            with pytest.raises(openai.NotFoundError, match="Did you mean `m`"):
                await client.models.retrieve("mm")
        async with anthropic.AsyncAnthropic(base_url=play.url, api_key=play.tokens["aider"]) as other:
            assert "m" in [model.id async for model in other.models.list()]
            assert "m" == (await other.models.retrieve("m")).id


async def kept(play: Playbook) -> str:
    """Have the relay make a response that it keeps, and return its id."""
    async with play.openai() as client:
        replays(play, plain_golden())
        return (await client.responses.create(model="m", input="Hello", max_output_tokens=50)).id


async def test_a_kept_response_is_asked_for_where_it_was_made(tmp_path: Path) -> None:
    """`GET`, `DELETE`, `cancel`, `input_items`: nothing is charged, and nobody else is asked."""
    async with playing(tmp_path, before("openai_responses")) as play, play.openai() as client:
        made = await kept(play)
        play.lines()
        told = play.relay.got[-1]
        play.relay.answers(*[plain(b'{"id":"r","object":"list","data":[]}')] * 4)
        await client.responses.retrieve(made)
        await client.responses.input_items.list(made, limit=2)
        await client.responses.cancel(made)
        await client.responses.delete(made)
        path = f"/v1/responses/{made}"
        lines = [f"GET {path}", f"GET {path}/input_items?limit=2", f"POST {path}/cancel", f"DELETE {path}"]
        assert [told.line, *lines] == [got.line for got in play.relay.got]
        assert [] == play.transcript()
        del play.relay.got[1:]  # they are no calls: the audit counts those


async def test_what_the_client_lets_nobody_keep(tmp_path: Path) -> None:
    """`store: false`, as Codex says: there is nothing to go on from, so its id is not known."""
    async with playing(tmp_path, before("openai_responses")) as play, play.openai() as client:
        replays(play, plain_golden())
        made = await client.responses.create(model="m", input="Hello", store=False, max_output_tokens=50)
        with pytest.raises(openai.NotFoundError):
            await client.responses.retrieve(made.id)
        assert {} == play.fold.responses.made_by


async def test_a_response_that_nobody_made(tmp_path: Path) -> None:
    """An id that no route is known for goes to no upstream: it might belong to anybody."""
    async with playing(tmp_path, before("openai_responses")) as play, play.openai() as client:
        with pytest.raises(openai.NotFoundError):
            await client.responses.retrieve("resp_unknown")
        assert [] == play.relay.got


async def test_going_on_from_a_response(tmp_path: Path) -> None:
    """`previous_response_id` goes to the route that made it; another dialect can't go on from it."""
    async with playing(tmp_path, before("openai_responses")) as play, play.openai() as client:
        made = await kept(play)
        replays(play, plain_golden())
        await client.responses.create(model="m", input="Go on", previous_response_id=made, max_output_tokens=50)
        assert made == play.relay.got[-1].asked["previous_response_id"]
    (tmp_path / "x").mkdir()
    async with playing(tmp_path / "x", before("openai_chat")) as play, play.openai() as client:
        with pytest.raises(openai.BadRequestError, match="previous_response_id"):
            await client.responses.create(model="m", input="Go on", previous_response_id="resp_1")


async def test_going_on_from_a_response_with_a_long_id(tmp_path: Path) -> None:
    """Relays make ids of their own, longer than OpenAI's: what goes on from one goes to its route all the same."""
    long = "resp_" + "x" * 190
    async with playing(tmp_path, before("openai_responses")) as play, play.openai() as client:
        made = plain_golden()
        named = replace(made, data=re.sub(rb'"id": ?"resp_\w+"', b'"id":"%s"' % long.encode(), made.data, count=1))
        for before_it in (None, long):
            replays(play, named)
            await client.responses.create(
                model="m", input="Hello", max_output_tokens=50, previous_response_id=before_it
            )
        routed = [line.entry for line in play.lines() if isinstance(line.entry, Routed)]
        assert [("", ""), (long, "relay")] == [(one.previous, one.made_by) for one in routed]


def plain_golden() -> Golden:
    """Return a golden of Responses that is not streamed."""
    return next(it for it in goldens("openai_responses") if it.text and not it.broken and not it.streamed)


async def test_what_runs_on_without_its_client(tmp_path: Path) -> None:
    """`background: true`: nobody would meter it, so it is refused with the reason."""
    async with playing(tmp_path, before("openai_responses")) as play:
        body = msgspec.json.encode({"model": "m", "input": "Hello", "background": True})
        assert (501, "not_metered") == (await play.send("POST", "/v1/responses", body)).error


async def test_no_websocket(tmp_path: Path) -> None:
    """Codex tries one first, and goes on over HTTP at 426."""
    async with playing(tmp_path, before("openai_responses")) as play:
        head = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
        assert (426, "no_websocket") == (await play.send("GET", "/v1/responses", headers=head)).error


@pytest.mark.parametrize(
    "path",
    [
        "/v1/batches",
        "/v1/files/file-1",
        "/v1/fine_tuning/jobs",
        "/v1/messages/batches",
        "/v1/realtime",
        "/v1/responses/input_tokens",
        "/v1/audio/speech",
        "/v1/images/generations",
    ],
)
async def test_what_cannot_be_metered(tmp_path: Path, path: str) -> None:
    """CASES 34: it is refused and says so, in the client's dialect."""
    async with playing(tmp_path, before("openai_chat")) as play:
        got = await play.send("POST", path, b"{}")
        assert (501, "not_metered") == got.error
        assert ("type" in got.json) == path.startswith("/v1/messages")


async def test_errors_before_a_call_are_in_the_clients_dialect(tmp_path: Path) -> None:
    """A wrong key, a wrong body and a wrong path are read by the SDK that sent them."""
    async with playing(tmp_path, before("anthropic_messages")) as play:
        play.tokens["aider"], token = "sk-wrong", play.tokens["aider"]
        wrong = await play.send("POST", "/v1/messages", b"{}")
        play.tokens["aider"] = token
        body = await play.send("POST", "/v1/messages", b'{"model":"m","messages":[1],"max_tokens":5}')
        for got, status, kind in ((wrong, 401, "authentication_error"), (body, 400, "invalid_request_error")):
            assert (status, "error", kind) == (got.status, got.json["type"], got.json["error"]["type"])


async def test_the_upstreams_error_in_a_response(tmp_path: Path) -> None:
    """A 429 of every attempt is 502 with the reason, under an id that `tf explain` takes."""
    async with playing(tmp_path, before("anthropic_messages")) as play, play.openai() as client:
        play.relay.answers(refusal(500, "api_error"), refusal(500, "api_error"))
        with pytest.raises(openai.InternalServerError) as caught:
            await client.responses.create(model="m", input="Hello", max_output_tokens=50)
        assert (502, play.closing().id) == (caught.value.status_code, caught.value.request_id)
        assert not isinstance(play.closing(), Settled)
