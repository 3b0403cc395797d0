"""Bodies of requests over real HTTP: unpacked, bounded, and told from what is none."""

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import msgspec
import pytest
from aiohttp import web
from backports import zstd
from playbook import REQUEST, Setup, playing
from upstreams import DONE, HELLO, PATIENCE_S, USAGE, completion, plain, stream

from tokens_forge.core.errors import RequestError
from tokens_forge.proxy.request_body import MEMBERS_AT_MOST, PIECE, read_body

MIB = 1024 * 1024
JSON = {"content-type": "application/json"}
TEXT = b'{"model":"m","messages":[%s]}' % b",".join(b"%d" % number for number in range(100_000))


def packed(coding: str, *parts: bytes) -> bytes:
    """Pack each part as a member or frame of its own."""
    pack: Callable[[bytes], bytes] = zstd.compress if coding == "zstd" else gzip.compress
    return b"".join(map(pack, parts))


@asynccontextmanager
async def reading(at_most: int = MIB) -> AsyncGenerator[str]:
    """Serve what `read_body` makes of a request: its body, or the status and code of its refusal. Yields the URL."""

    async def answer(request: web.BaseRequest) -> web.Response:
        try:
            return web.Response(body=await read_body(request, at_most))
        except RequestError as error:
            return web.Response(status=error.status, text=f"{error.code}: {error.message}")

    async with serving(answer) as url:
        yield url


@asynccontextmanager
async def serving(answer: Callable[[web.BaseRequest], Awaitable[web.Response]]) -> AsyncGenerator[str]:
    """Serve `answer` as the proxy's own server is set up. Yields the URL."""
    runner = web.ServerRunner(web.Server(answer, access_log=None, auto_decompress=False))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def answered(body: bytes | Generator[bytes], headers: Mapping[str, str], *, at_most: int = MIB) -> httpx.Response:
    """Send one request and return the answer; a body in parts is sent without its length."""

    async def parts() -> AsyncGenerator[bytes]:
        assert not isinstance(body, bytes), "a whole body is sent as it is"
        for part in body:
            yield part

    async with reading(at_most) as url, httpx.AsyncClient(trust_env=False) as client:
        content = body if isinstance(body, bytes) else parts()
        return await client.post(url, content=content, headers={**JSON, **headers})


def in_parts(body: bytes, size: int) -> Generator[bytes]:
    """Yield a body in so many bytes at a time."""
    return (body[start : start + size] for start in range(0, len(body), size))


@pytest.mark.parametrize("coding", ["", "identity", "Identity", "identity,", ",identity , identity"])
async def test_a_plain_body_comes_as_it_is(coding: str) -> None:
    """No coding, and the coding that is none, whatever its case."""
    headers = {"content-encoding": coding} if coding else {}
    got = await answered(TEXT, headers)
    assert (200, TEXT) == (got.status_code, got.content)
    assert b"" == (await answered(b"", headers)).content


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
@pytest.mark.parametrize("size", [0, 1, 1000, 100_000])
async def test_a_packed_body_is_unpacked(coding: str, size: int) -> None:
    """At any split of its bytes; a coding is named in any case, by an old name too, and beside the one that is none."""
    whole = packed(coding, TEXT[:4000] if size == 1 else TEXT)
    expected = TEXT[:4000] if size == 1 else TEXT
    names = {"gzip": ["gzip", "GZip", "x-gzip", "identity, gzip"], "zstd": ["zstd", "ZSTD", "zstd,"]}[coding]
    for name in names[: 1 if size else None]:
        got = await answered(in_parts(whole, size) if size else whole, {"content-encoding": name})
        assert (200, expected) == (got.status_code, got.content)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
@pytest.mark.parametrize("size", [7, 65_536])
async def test_a_body_may_be_several_members(coding: str, size: int) -> None:
    """RFC 1952, 2.2 and RFC 8878, 3.1: they follow each other, an empty one among them."""
    parts = (TEXT[:10], b"", TEXT[10:3000], b" " * (PIECE + 1))
    got = await answered(in_parts(packed(coding, *parts), size), {"content-encoding": coding})
    assert (200, b"".join(parts)) == (got.status_code, got.content)


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", b""),
        ("gzip", TEXT),
        ("gzip", packed("gzip", TEXT)[:-1]),
        ("gzip", packed("gzip", TEXT)[:5]),
        ("gzip", packed("gzip", TEXT) + b"x"),
        ("gzip", packed("gzip", TEXT) + packed("gzip", TEXT)[:-9]),
        ("gzip", packed("gzip", TEXT)[:-8] + b"\0" * 8),
        ("gzip", packed("zstd", TEXT)),
        ("gzip", zlib.compress(TEXT)),
        ("gzip", packed("gzip", b"") * (MEMBERS_AT_MOST + 1)),
        ("zstd", b""),
        ("zstd", TEXT),
        ("zstd", packed("zstd", TEXT)[:-1]),
        ("zstd", packed("zstd", TEXT) + b"x"),
        ("zstd", packed("gzip", TEXT)),
        ("zstd", packed("zstd", b"") * (MEMBERS_AT_MOST + 1)),
    ],
    ids=lambda value: f"{len(value)}" if isinstance(value, bytes) else value,
)
async def test_a_body_that_is_not_what_it_says_is_refused(coding: str, body: bytes) -> None:
    """Cut short, of another coding, with a wrong checksum, or of more members than anybody sends."""
    got = await answered(body, {"content-encoding": coding}, at_most=2 * MIB)
    assert 400 == got.status_code
    assert got.text.startswith("bad_body: ")


async def test_a_window_larger_than_the_standards_is_refused() -> None:
    """RFC 9659: what unpacks a body needs no more than 8 MiB beside it; a larger window is asked of nobody."""
    for log, status in ((23, 200), (24, 400)):
        packer = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: log})
        got = await answered(packer.compress(TEXT) + packer.flush(), {"content-encoding": "zstd"})
        assert status == got.status_code


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        (
            {"content-encoding": "br"},
            "wrong_content_encoding: `Content-Encoding: br` is not taken: send `gzip`, `zstd`",
        ),
        ({"content-encoding": "deflate"}, "wrong_content_encoding: `Content-Encoding: deflate`"),
        ({"content-encoding": "gzip, zstd"}, "wrong_content_encoding: `Content-Encoding: gzip, zstd`"),
        ({"content-encoding": "gzip, gzip"}, "wrong_content_encoding: `Content-Encoding: gzip, gzip`"),
        ({"content-type": "text/plain"}, "wrong_content_type: send `Content-Type: application/json`"),
        ({"content-type": "multipart/form-data", "content-encoding": "br"}, "wrong_content_type: "),
    ],
    ids=str,
)
async def test_what_is_not_taken_is_named(headers: dict[str, str], said: str) -> None:
    """A 415 says what would be taken."""
    got = await answered(TEXT, headers)
    assert 415 == got.status_code
    assert got.text.startswith(said)


async def test_two_headers_are_two_codings() -> None:
    """RFC 9110, 5.3: a header given twice is a list; only one of them would be undone."""
    async with reading() as url, httpx.AsyncClient(trust_env=False) as client:
        twice = [("content-type", "application/json"), ("content-encoding", "gzip"), ("content-encoding", "zstd")]
        got = await client.post(url, content=packed("zstd", packed("gzip", TEXT)), headers=twice)
    assert 415 == got.status_code


@pytest.mark.parametrize("coding", ["identity", "gzip", "zstd"])
@pytest.mark.parametrize(("size", "status"), [(MIB, 200), (MIB + 1, 413)])
async def test_a_body_is_bounded(coding: str, size: int, status: int) -> None:
    """What counts is what it unfolds to; exactly the bound passes, with a length and without."""
    body = b" " * size if coding == "identity" else packed(coding, b" " * size)
    for sent in (body, in_parts(body, 50_000)):
        got = await answered(sent, {"content-encoding": coding})
        assert status == got.status_code
        assert (b" " * size if status == 200 else b"too_large: the body is larger than 1 MiB: raise `[server] ") in (
            got.content
        )


async def test_a_packed_body_is_bounded_as_it_comes() -> None:
    """Members that unfold to nothing end at the bound too: by the length that is told, or as they come."""
    nothing = zstd.compress(b"") + b"\x50\x2a\x4d\x18\xff\xff\xff\x00"  # a frame to be skipped, almost 16 MiB long
    for body in (nothing + b" " * MIB, in_parts(nothing + b" " * MIB, 50_000)):
        got = await answered(body, {"content-encoding": "zstd"})
        assert (413, "too_large") == (got.status_code, got.text.partition(":")[0])


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_a_bomb_takes_no_more_memory_than_its_bound(coding: str) -> None:
    """DESIGN 8: 200 MB out of a few KB is refused when the bound is passed, not when it has unfolded."""
    bomb = packed(coding, b" " * 200 * MIB)
    async with reading(4 * MIB) as url, httpx.AsyncClient(trust_env=False) as client:
        with traced() as peak:
            got = await client.post(url, content=bomb, headers={**JSON, "content-encoding": coding})
            assert 413 == got.status_code
            assert peak() < 6 * MIB + len(bomb)


@contextmanager
def traced() -> Generator[Callable[[], int]]:
    """Trace memory; yields what tells the peak so far, in bytes."""
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@asynccontextmanager
async def counting(sizes: list[int]) -> AsyncGenerator[str]:
    """Serve an upstream that answers each request and keeps of it only its size. Yields the base URL."""

    async def answer(request: web.BaseRequest) -> web.Response:
        sizes.append(0)
        async for part in request.content.iter_any():
            sizes[-1] += len(part)
        return web.Response(body=completion(), content_type="application/json")

    async with serving(answer) as url:
        yield f"{url}v1"


@pytest.mark.parametrize("coding", ["identity", "zstd"])
async def test_a_large_image_is_held_once_on_its_whole_way(tmp_path: Path, coding: str) -> None:
    """From the client's socket to the upstream's: 40 MB are read, unpacked, understood and sent from one place."""
    size = 40 * MIB
    head = (
        b'{"model":"smart","max_tokens":10,"messages":[{"role":"user","content":'
        b'[{"type":"image_url","image_url":{"url":"data:image/png;base64,'
    )
    tail = b'"}}]}]}'
    sizes: list[int] = []

    async def counted() -> int:
        return len(sizes)

    async def body() -> AsyncGenerator[bytes]:
        packer = zstd.ZstdCompressor()
        part = b"A" * MIB
        for one in (head, *[part] * 40, tail):
            yield one if coding == "identity" else packer.compress(one)
        yield b"" if coding == "identity" else packer.flush()

    async with counting(sizes) as url:
        setup = Setup(relay_url=url, relay_count=counted, more="[server]\nmax_body_mb = 64")
        async with playing(tmp_path, setup) as play:
            await play.ask()
            headers = {**JSON, "authorization": f"Bearer {play.tokens['aider']}", "content-encoding": coding}
            with traced() as peak:
                got = await play.http.post(f"{play.url}/v1/chat/completions", content=body(), headers=headers)
                assert 200 == got.status_code
                assert size < sizes[-1] < size + 1000
                assert peak() < 1.5 * size


async def asks_first(url: str, token: str, expect: str, *, body: bytes = b"") -> tuple[bytes, bytes]:
    """Send a head that asks whether its body is wanted, then the body once it is; return the interim line and the last.

    Without a body nothing is sent after the first line that comes.
    """
    reader, writer = await asyncio.open_connection(*url.removeprefix("http://").split(":"))
    host = url.removeprefix("http://")
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n"
    length = f"content-type: application/json\r\ncontent-length: {len(body) or 50}\r\nexpect: {expect}\r\n\r\n"
    writer.write((head + length).encode())
    try:
        async with asyncio.timeout(PATIENCE_S):
            first = (await reader.readuntil(b"\r\n\r\n")).splitlines()[0]
            if not body:
                return first, b""
            writer.write(body)
            return first, (await reader.readuntil(b"\r\n\r\n")).splitlines()[0]
    finally:
        writer.close()


@pytest.mark.parametrize("expect", ["100-continue", "100-Continue"])
async def test_a_client_that_asks_first(tmp_path: Path, expect: str) -> None:
    """RFC 9110, 10.1.1: whoever waits to hear that its body is wanted hears it, and is answered as ever."""
    async with playing(tmp_path) as play:
        body = msgspec.json.encode(REQUEST)
        told = await asks_first(play.url, play.tokens["aider"], expect, body=body)
        assert (b"HTTP/1.1 100 Continue", b"HTTP/1.1 200 OK") == told
        assert 1 == len(play.relay.got)


async def test_a_client_that_asks_first_and_is_refused(tmp_path: Path) -> None:
    """One that is refused by its head alone hears that, and sends nothing more."""
    async with playing(tmp_path) as play:
        assert b"HTTP/1.1 401 Unauthorized" == (await asks_first(play.url, "sk-tf-none", "100-continue"))[0]
        assert [] == play.relay.got


async def test_an_upstream_that_says_something_first(tmp_path: Path) -> None:
    """RFC 9110, 15.2: interim replies (100, 102, 103) stand before the reply and are none."""
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 102 -\r\n\r\n"
    async with playing(tmp_path) as play:
        play.relay.answers((interim, *plain(completion())), (interim, *stream(*HELLO, USAGE, DONE)))
        assert completion() == (await play.ask()).body
        assert b"".join((*HELLO, DONE)) == (await play.ask(stream=True)).body
        assert {"relay"} == {line.split()[3] for line in play.transcript() if line.startswith("held")}
