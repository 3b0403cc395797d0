"""The official `openai` client through the proxy, as its users make it: nothing about it is special."""

from pathlib import Path

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from playbook import Playbook, Setup, playing
from upstreams import DONE, End, chunk, completion, plain, refusal, stream, until

from tokens_forge.core.entries import Settled
from tokens_forge.files.ledger_reader import find

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello"}]

TOOLS: list[ChatCompletionToolParam] = [
    {
        "type": "function",
        "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
    }
]


async def closed(play: Playbook) -> Settled:
    """Return how the last call was settled, once it is."""
    await play.idle()
    entry = play.closing()
    assert isinstance(entry, Settled)
    return entry


async def test_plain(tmp_path: Path) -> None:
    """A completion comes whole; the client's request id is the call's id."""
    async with playing(tmp_path) as play, play.openai() as client:
        got = await client.chat.completions.create(model="smart", messages=HELLO)
        assert ("Hi there", "gpt-5-2026-08-07") == (got.choices[0].message.content, got.model)
        assert (await closed(play)).id == got._request_id  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - the SDK's documented name for it


async def test_streamed_without_asking_for_usage(tmp_path: Path) -> None:
    """CASES 16: usage is obtained from every stream, and hidden again from a client that did not ask."""
    async with playing(tmp_path) as play, play.openai() as client:
        got = await client.chat.completions.create(model="smart", messages=HELLO, stream=True)
        chunks = [it async for it in got]
        assert "Hi there" == "".join(it.choices[0].delta.content or "" for it in chunks)
        assert [] == [it for it in chunks if it.usage]
        assert {"include_usage": True} == play.relay.got[0].asked["stream_options"]
        assert ({"input": 8, "output": 4}, "reported") == ((entry := await closed(play)).usage, entry.usage_source)


async def test_streamed_with_usage(tmp_path: Path) -> None:
    """A client that asks gets the usage chunk as the upstream wrote it."""
    async with playing(tmp_path) as play, play.openai() as client:
        got = await client.chat.completions.create(
            model="smart",
            messages=HELLO,
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [it async for it in got]
        assert [12] == [it.usage.total_tokens for it in chunks if it.usage]


async def test_tools_pass_through(tmp_path: Path) -> None:
    """Function calling, both ways: what the proxy does not need it does not touch."""
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Ulm"}'}}
    async with playing(tmp_path) as play, play.openai() as client:
        play.relay.answers(plain(completion("", finish="tool_calls", tool_calls=[call])))
        got = await client.chat.completions.create(model="smart", messages=HELLO, tools=TOOLS)
        calls = got.choices[0].message.tool_calls or []
        assert [("weather", '{"city":"Ulm"}')] == [
            (it.function.name, it.function.arguments) for it in calls if it.type == "function"
        ]
        assert (TOOLS, "tool_calls") == (play.relay.got[0].asked["tools"], (await closed(play)).finish)


@pytest.mark.parametrize(
    ("setup", "model", "kind", "code"),
    [
        (Setup(fund={}), "smart", openai.APIStatusError, "insufficient_balance"),
        (Setup(), "smarty", openai.NotFoundError, "model_not_found"),
    ],
)
async def test_what_tf_decides_is_not_retried(
    tmp_path: Path, setup: Setup, model: str, kind: type[openai.APIStatusError], code: str
) -> None:
    """CASES 38, 60: the SDK, with its default of two retries, sends a refused call once."""
    async with playing(tmp_path, setup) as play, play.openai() as client:
        with pytest.raises(kind) as caught:
            await client.chat.completions.create(model=model, messages=HELLO)
        assert code == caught.value.code
        assert 1 == sum(line.startswith("routed") for line in play.transcript())


async def test_the_error_names_the_call(tmp_path: Path) -> None:
    """DESIGN 3: what an SDK prints in an error is what `tf explain` takes; exhausted candidates are no retry either."""
    async with playing(tmp_path) as play, play.openai() as client:
        play.relay.answers(refusal(503), refusal(503))
        play.official.answers(refusal(500), refusal(500))
        with pytest.raises(openai.InternalServerError) as caught:
            await client.chat.completions.create(model="smart", messages=HELLO, max_tokens=10)
        assert (502, "candidates_exhausted") == (caught.value.status_code, caught.value.code)
        assert caught.value.request_id is not None
        assert "routed" == find(play.paths.ledger, caught.value.request_id)[0].entry.__struct_config__.tag
        assert (2, 2) == (len(play.relay.got), len(play.official.got))


async def test_a_stream_that_breaks_is_an_error(tmp_path: Path) -> None:
    """CASES 21: after the first data event there is no fallback, and no silent end either."""
    async with playing(tmp_path) as play, play.openai() as client:
        play.relay.answers(stream(chunk("Hi "), End.RESET))
        got = await client.chat.completions.create(model="smart", messages=HELLO, stream=True)
        assert "Hi " == (await anext(got)).choices[0].delta.content
        with pytest.raises(openai.APIError, match="ended early"):
            await anext(got)
        assert ("broken", "stream_cut", 0) == (
            (entry := await closed(play)).outcome,
            entry.error,
            len(play.official.got),
        )


async def test_a_client_that_leaves_a_stream(tmp_path: Path) -> None:
    """CASES 19: a disconnect leaves an entry; input counts, and what was streamed."""
    async with playing(tmp_path) as play, play.openai() as client:
        play.relay.answers(stream(chunk("Hi "), End.NEVER))
        got = await client.chat.completions.create(model="smart", messages=HELLO, stream=True)
        async for _it in got:
            break
        await got.close()
        await until(lambda: not play.fold.calls)
        entry = await closed(play)
        assert ("disconnected", "client_left", "estimated") == (entry.outcome, entry.error, entry.certainty)
        assert entry.usage["output"] > 0
        await play.relay.hung_up.wait()


async def test_the_done_mark_waits_for_the_ledger(tmp_path: Path) -> None:
    """A client that has seen the end of its stream finds the call settled."""
    async with playing(tmp_path) as play, play.openai() as client:
        play.relay.answers(stream(chunk("Hi", finish="stop"), DONE))
        got = await client.chat.completions.create(model="smart", messages=HELLO, stream=True)
        assert 1 == len([it async for it in got])
        assert isinstance(play.closing(), Settled)
