"""What is fetched from an address, from real servers on this machine."""

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tokens_forge.core.errors import ForgeError
from tokens_forge.files import catalog_fetch
from tokens_forge.files.catalog_fetch import fetched, is_address


class _Served(BaseHTTPRequestHandler):
    """Answers by the path, and keeps what it was asked."""

    seen: list[dict[str, str]]

    def do_GET(self) -> None:
        """Answer one request."""
        self.seen.append({"path": self.path, **{name.lower(): value for name, value in self.headers.items()}})
        body = b'[{"a":1}]'
        match self.path:
            case "/moved":
                self._head(302, {"location": "http://127.0.0.1:9/other"})
                return
            case "/absent":
                self._head(404, {})
                return
            case "/zipped":
                self._head(200, {"content-encoding": "gzip"})
                return
            case "/long":
                self._head(200, {})
                for _ in range(64):
                    self.wfile.write(b"x" * 1024)
                return
            case "/slow":
                self._head(200, {})
                for _ in range(50):
                    self.wfile.write(b"x")
                    self.wfile.flush()
                    time.sleep(0.02)
                return
            case "/torn":
                self._head(200, {"content-length": "100"})
                self.wfile.write(body)
                return
            case _:
                self._head(200, {"content-length": str(len(body))})
                self.wfile.write(body)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of what is overridden
        """Say nothing."""


@contextmanager
def serving() -> Generator[tuple[str, list[dict[str, str]]]]:
    """Give a server's address and what it is asked."""
    seen: list[dict[str, str]] = []
    handler = type("Handler", (_Served,), {"seen": seen})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def refusal(address: str, *, whole_s: float = 5.0) -> str:
    """Return why nothing was fetched."""
    with pytest.raises(ForgeError) as caught:
        fetched(address, whole_s=whole_s)
    return str(caught.value)


def test_an_address_gives_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """One request, uncompressed, past any proxy of the environment, and nothing of ours with it."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with serving() as (address, seen):
        assert fetched(f"{address}/data.json") == b'[{"a":1}]'
    (asked,) = seen
    assert (asked["path"], asked["accept-encoding"]) == ("/data.json", "identity")
    assert not {"authorization", "cookie"} & asked.keys()


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("/moved", "it is elsewhere, http://127.0.0.1:9/other: give that address if it is meant"),
        ("/absent", "the answer is 404, and nothing was taken"),
        ("/zipped", "the answer is compressed, which was not asked for"),
        ("/torn", "no answer"),
    ],
)
def test_all_but_a_whole_answer_is_refused(path: str, what: str) -> None:
    """No redirect is followed, and a part of a list is none."""
    with serving() as (address, seen):
        assert what in refusal(f"{address}{path}")
    assert len(seen) == 1


def test_an_answer_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """In bytes and in time."""
    monkeypatch.setattr(catalog_fetch, "MOST_BYTES", 10_000)
    with serving() as (address, _seen):
        assert "it has more than 10000 bytes" in refusal(f"{address}/long")
        assert "it took longer than 0.1 s" in refusal(f"{address}/slow", whole_s=0.1)


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("http://prices.example/data.json", "only https is fetched, and http on this machine"),
        ("http://10.0.0.1/data.json", "only https"),
        ("ftp://127.0.0.1/data.json", "only https"),
        ("file:///etc/passwd", "only https"),
        ("https:///data.json", "only https"),
        ("https://me:secret@prices.example/", "a name and a password in it is not fetched"),
        ("https://[::1", "this is no address"),
        ("http://127.0.0.1:1/data.json", "no answer"),
        ("http://localhost:1/data.json", "no answer"),
    ],
)
def test_what_is_not_fetched(address: str, what: str) -> None:
    """Plain http leaves this machine never; a password is no part of a public list and is not told again."""
    told = refusal(address)
    assert what in told
    assert "secret" not in told


def test_a_file_is_no_address() -> None:
    """What has a scheme is one."""
    assert is_address("https://h.example/x")
    assert not is_address("/home/me/data.json")
