"""The seam to the HTTP client: what it refuses to follow, keep, believe or read without end."""

import asyncio
import gzip
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from backports import zstd
from msgspec.structs import replace
from playbook import Setup, playing
from upstreams import DONE, HELLO, JSON, SSE, USAGE, Upstream, chunk, completion, plain, refusal, stream

from tokens_forge.core.config import Timeouts
from tokens_forge.core.config import Upstream as Configured
from tokens_forge.proxy import attempt as attempt_file
from tokens_forge.proxy import upstream as upstream_file
from tokens_forge.proxy.upstream import Client, Failed, Sent, endpoint, without_secret
from tokens_forge.wire.request import IN_ONE_PIECE_AT_MOST

LARGE = 4096


def local(url: str, *, credential: str | None = None) -> upstream_file.Endpoint:
    """Return how to call a scripted upstream."""
    times = Timeouts(connect="250ms", first_byte="2s", whole="3s", idle="4s")
    return endpoint(Configured(dialect="openai", base_url=f"{url}/", credential="none", timeouts=times), credential)


def test_an_endpoint() -> None:
    """Durations are in seconds; a base URL's last slash is none of the path; without a credential none is sent."""
    assert upstream_file.Endpoint(
        base_url="https://a.example/v1",
        secret="sk-1",
        headers={"authorization": "Bearer sk-1"},
        connect_s=0.25,
        first_byte_s=2.0,
        whole_s=3.0,
        idle_s=4.0,
    ) == local("https://a.example/v1", credential="sk-1")
    assert {} == local("https://a.example/v1").headers


def test_an_endpoint_of_anthropic() -> None:
    """Its URL is taken with and without `/v1`; the key is where that API has it, or where the config says."""
    plain = Configured(dialect="anthropic", base_url="https://a.example/v1/", credential="none")
    bare = endpoint(plain, "sk-1")
    assert ("https://a.example", {"x-api-key": "sk-1"}) == (bare.base_url, bare.headers)
    bearer = endpoint(replace(plain, auth="bearer", base_url="https://a.example"), "sk-1")
    assert ("https://a.example", {"authorization": "Bearer sk-1"}) == (bearer.base_url, bearer.headers)


async def test_a_reply_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DESIGN 8: sizes are bounded. What is larger can't be read, and may have been billed."""
    monkeypatch.setattr(upstream_file.Answer.body, "__defaults__", (LARGE,))
    async with playing(tmp_path) as play:
        play.relay.answers(plain(completion("x" * LARGE)))
        reply = await play.ask()
        assert "relay/relay-gpt-5>official/gpt-5; bad_reply" == reply.headers["x-tf-fell-back"]


@pytest.mark.parametrize(
    ("begun", "line"),
    [
        (False, "settled 1 unanswered bad_reply 0.009 CNY estimated"),
        (True, "settled 1 broken stream_malformed 0.019 CNY estimated; final 200"),
    ],
)
async def test_an_event_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, begun: bool, line: str) -> None:
    """The same of one event of a stream, before and after its reply has begun."""
    monkeypatch.setattr(attempt_file, "EVENT_AT_MOST", LARGE)
    async with playing(tmp_path) as play:
        play.relay.answers(stream(*(HELLO[:2] if begun else ()), chunk("x" * LARGE), *HELLO[2:], USAGE, DONE))
        await play.ask(stream=True)
        assert line == play.transcript()[2]


async def test_an_error_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that is too long to read is the error that its status says."""
    monkeypatch.setattr(upstream_file.drain, "__defaults__", (LARGE,))
    async with playing(tmp_path) as play:
        play.relay.answers(refusal(404, message="x" * LARGE))
        await play.ask()
        assert "voided 1 rejected model_not_found 404 zero" == play.transcript()[2]


@pytest.mark.parametrize("size", [IN_ONE_PIECE_AT_MOST // 2, 3 * IN_ONE_PIECE_AT_MOST])
async def test_a_large_request(tmp_path: Path, size: int) -> None:
    """Pictures and long contexts make requests of megabytes: they get there whole, and say how long they are."""
    rich = Setup(fund={"wallet": "100000 CNY"})
    async with playing(tmp_path, rich) as play:
        reply = await play.ask(messages=[{"role": "user", "content": "x" * size}])
        assert (200, "relay") == (reply.status, reply.headers["x-tf-route"])
        (got,) = play.relay.got
        assert size == len(got.asked["messages"][0]["content"])
        assert str(len(got.body)) == got.headers["content-length"]


async def test_a_compressed_reply(tmp_path: Path) -> None:
    """Compression is not asked for; where it comes all the same, the client gets the plain bytes."""
    async with playing(tmp_path) as play:
        play.relay.answers(plain(gzip.compress(completion()), headers={**JSON, "content-encoding": "gzip"}))
        reply = await play.ask()
        assert completion() == reply.body
        assert "content-encoding" not in reply.headers
        assert "identity" == play.relay.got[0].headers["accept-encoding"]


async def test_a_reply_that_is_not_compressed_as_it_says(tmp_path: Path) -> None:
    """Bytes that can't be read after the request was sent are no answer."""
    async with playing(tmp_path) as play:
        play.relay.answers(plain(b"not gzip", headers={**JSON, "content-encoding": "gzip"}))
        await play.ask()
        assert "settled 1 unanswered reset 0.009 CNY estimated" == play.transcript()[2]


async def test_proxy_variables_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DESIGN 8: a proxy variable in the environment would send every credential through somebody else."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "")
    async with playing(tmp_path) as play:
        assert 200 == (await play.ask()).status


async def test_cookies_are_not_kept(tmp_path: Path) -> None:
    """A cookie would tie the calls of all keys together."""
    async with playing(tmp_path) as play:
        play.relay.answers(plain(completion(), headers={**JSON, "set-cookie": "session=1; Path=/"}))
        await play.ask()
        await play.ask()
        assert [False, False] == ["cookie" in got.headers for got in play.relay.got]


async def test_parallel_calls_have_connections_of_their_own(tmp_path: Path) -> None:
    """No call waits for another one's connection."""
    go_on = asyncio.Event()
    async with playing(tmp_path) as play:
        play.relay.answers(*[(go_on, *plain(completion()))] * 120)
        calls = [asyncio.create_task(play.ask(max_tokens=1)) for _ in range(90)]
        await play.relay.reached(90)
        go_on.set()
        assert {200} == {reply.status for reply in await asyncio.gather(*calls)}


async def test_whether_a_byte_may_have_gone() -> None:
    """`sent` is what tells an unbilled failure from one that may have been billed (CASES 55)."""
    async with Upstream() as upstream, Client() as client:
        answered = Sent()
        answer = await client.send(local(upstream.url), "/chat/completions", (b'{"stream":false}',), answered)
        assert completion() == await answer.body()
        answer.release()
        unsent = Sent()
        with pytest.raises(Failed, match=r"^connect$"):
            await client.send(local("http://127.0.0.1:1/v1"), "/chat/completions", (b"{}",), unsent)
        assert (True, False) == (answered.any, unsent.any)


async def test_a_url_that_is_none() -> None:
    """A host that no name can have is found out without a byte sent."""
    async with Client() as client:
        with pytest.raises(Failed, match=r"^dns$"):
            await client.send(local(f"http://{'a' * 64}.invalid/v1"), "/chat/completions", (b"{}",), Sent())


async def test_no_credential_sends_none() -> None:
    """`credential = "none"`: there is no Authorization at all."""
    async with Upstream() as upstream, Client() as client:
        answer = await client.send(local(upstream.url), "/chat/completions", (b"{}",), Sent())
        answer.close()
        assert "authorization" not in upstream.got[0].headers
        assert "POST /v1/chat/completions" == upstream.got[0].line


def test_a_credential_as_json_may_write_it() -> None:
    """DESIGN 8: with its slashes escaped it is a credential as well (PHP writes them so)."""
    body = rb'{"message":"sk/of/us and sk\/of\/us, not sk"}'
    expected = b'{"message":"[credential] and [credential], not sk"}'
    assert expected == without_secret(body, None, "sk/of/us")


def bare(data: bytes) -> bytes:
    """Pack as some servers do for `deflate`, without the head of zlib."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKED: Mapping[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZIP", gzip.compress),
    "zlib": ("deflate", zlib.compress),
    "bare": ("deflate", bare),
    "zstd": ("identity, zstd", zstd.compress),
}


@pytest.mark.parametrize("name", PACKED)
async def test_an_unasked_coding_is_unpacked(tmp_path: Path, name: str) -> None:
    """Whatever an upstream packs without being asked, whole or streamed, however it is cut; its errors too."""
    named, pack = PACKED[name]
    coded = {"content-encoding": named}
    whole = pack(b"".join((*HELLO, USAGE, DONE)))
    async with playing(tmp_path) as play:
        play.relay.answers(
            plain(pack(completion()), headers={**JSON, **coded}),
            stream(*(whole[at : at + 7] for at in range(0, len(whole), 7)), headers={**SSE, **coded}),
            plain(pack(b'{"error":{"code":"insufficient_quota"}}'), status=429, headers={**JSON, **coded}),
        )
        assert completion() == (await play.ask()).body
        assert b"".join((*HELLO, DONE)) == (await play.ask(stream=True)).body
        assert "official" == (await play.ask()).headers["x-tf-route"]
        assert any("insufficient_quota" in line for line in play.transcript())


@pytest.mark.parametrize("streams", [False, True])
async def test_a_coding_that_is_not_known_is_named(tmp_path: Path, *, streams: bool) -> None:
    """What can't be unpacked may have been billed; the client hears what it is. An error is what its status says."""
    packed = {**JSON, "content-encoding": "br"}
    async with playing(tmp_path, Setup(fallback="none")) as play:
        play.relay.answers(*(plain(b"\x0b\x02\x80{}\x03", status=status, headers=packed) for status in (200, 400)))
        reply = await play.ask(stream=streams)
        assert 502 == reply.status
        assert "bad_reply with status 200: its body is packed as `br`, which was not asked for" in reply.message
        assert "settled 1 unanswered bad_reply 0.009 CNY estimated" == play.transcript()[2]
        reply = await play.ask(stream=streams)
        assert (400, "the upstream said 400, in a body packed as `br`, which was not asked for") == (
            reply.status,
            reply.message,
        )


async def test_a_packed_reply_that_is_cut(tmp_path: Path) -> None:
    """One that ends within what it packs did not come whole."""
    async with playing(tmp_path) as play:
        play.relay.answers(plain(gzip.compress(completion())[:-9], headers={**JSON, "content-encoding": "gzip"}))
        assert "official" == (await play.ask()).headers["x-tf-route"]
        assert "settled 1 unanswered reset 0.009 CNY estimated" == play.transcript()[2]
