"""The demo: upstreams that follow a script, a config that uses them, and the calls that show what `tf` does.

The upstreams listen on this machine and answer by the number of the request alone, so every run tells the same story;
the proxy between them and the calls is the one that serves everybody. Only the demo's own folder is written, and only
what the demo made there is ever removed. No call is decided here.
"""

import asyncio
import shutil
import time
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from string import Template
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from tokens_forge.core.adjustment import Order, Unadjusted, adjusted
from tokens_forge.core.errors import ForgeError
from tokens_forge.core.model_ends import FLAGSHIP, SMALL
from tokens_forge.core.prices import Cards
from tokens_forge.core.settlement import Terms
from tokens_forge.files import keys_file
from tokens_forge.files.config_file import load
from tokens_forge.files.ledger_writer import locked, open_ledger
from tokens_forge.files.paths import Paths, private_folder, read_private, write_private
from tokens_forge.files.zones import calendar

MARKER = "made-by-tf-demo"
"""The file that says whose folder it is."""

KEYS = ("aider", "nightly")
"""Who calls: an editor's assistant, and an agent that works at night."""

FUNDS = (
    Order(balance="openai-credit", kind="topup", amount="5 USD", paid="5 USD", ref="demo-1"),
    Order(balance="rmb-wallet", kind="topup", amount="20 CNY", paid="2.90 USD", ref="demo-2"),
)
"""What the demo's money is at first."""

STOP_S = 1.0
"""How long an upstream's last reply may take when the demo ends."""


@asynccontextmanager
async def standing(paths: Paths, now: datetime, *, anew: bool) -> AsyncGenerator[Mapping[str, str]]:
    """Run the upstreams while the context lasts, the demo's folder made ready for them; give each key's new token.

    `anew` removes what an earlier demo left; else it is gone on from. Raises ForgeError for a folder that the demo did
    not make and LedgerLocked while another process works in it; nothing has changed then.
    """
    _check_folder(paths.data)
    if anew:
        _clear(paths)
    async with upstreams(_ports(paths)) as urls:
        _furnish(paths, urls, now)
        yield _issue(paths, now)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoCall:
    """One call of the demo's traffic."""

    key: str
    model: str
    says: tuple[str, ...]
    """What the user says, turn by turn: the last is asked now."""
    stream: bool = False
    include_usage: bool = False
    """Whether the client asks for the usage of a stream; most don't, and are still metered."""
    task: str = ""
    messages: bool = False
    """Whether it is asked in Anthropic's dialect, as Claude Code does: no upstream of the demo speaks it."""

    @property
    def path(self) -> str:
        """Where it is asked."""
        return "/v1/messages" if self.messages else "/v1/chat/completions"

    def headers(self, token: str) -> Mapping[str, str]:
        """Return what the client sends with it."""
        task = {"x-tf-task": self.task} if self.task else {}
        receipt = {"x-tf-receipt": "stream"} if self.stream else {}
        return {
            "authorization": f"Bearer {token}",
            "content-type": "application/json",
            "user-agent": f"{self.key} (tf demo)",
            **task,
            **receipt,
        }

    def body(self) -> bytes:
        """Return the request's JSON: the project's files as a system message, then the conversation so far."""
        messages: list[dict[str, str]] = []
        for said in self.says[:-1]:
            messages += [{"role": "user", "content": said}, {"role": "assistant", "content": _DONE}]
        messages.append({"role": "user", "content": self.says[-1]})
        if self.messages:
            return msgspec.json.encode(
                {"model": self.model, "system": _PROJECT, "messages": messages, "max_tokens": 800}
            )
        messages.insert(0, {"role": "system", "content": _PROJECT})
        options = {"stream_options": {"include_usage": True}} if self.include_usage else {}
        return msgspec.json.encode(
            {
                "model": self.model,
                "messages": messages,
                "max_completion_tokens": 800,
                **({"stream": True, **options} if self.stream else {}),
            }
        )


_DONE = "Done: the change is in, and its test passes."

_PROJECT = "You work on this file:\n" + "\n".join(
    f"{n:>3}  total = add(total, multiply(lines[{n}].price, lines[{n}].quantity))" for n in range(1, 91)
)
"""Some 1,600 tokens: enough for a prompt cache to matter."""

_BASKET = ("Why is the basket's total wrong?", "Mend it.", "Now a test for it.", "Rename it to `sum_of`.")
_REFACTOR = ("Split this file in two.", "Move the prices.", "Move the rest.", "Mend the imports.")

CALLS = (
    # The relay answers two and has enough at the third, which goes on to the official route; it then cools.
    DemoCall(key="aider", model="smart", says=_BASKET[:1]),
    DemoCall(key="aider", model="smart", says=_BASKET[:2], stream=True),
    DemoCall(key="aider", model="smart", says=_BASKET[:3]),
    DemoCall(key="aider", model="smart", says=_BASKET, stream=True),
    # A name without a table: whatever route serves it. Asked in another dialect than its upstream's, it is translated.
    DemoCall(key="aider", model=SMALL, says=("Name this commit.",), messages=True),
    DemoCall(key="aider", model=SMALL, says=("Sum up the diff.",), stream=True, include_usage=True),
    # The plan gives three requests; the fourth is worth money to its model.
    DemoCall(key="nightly", model="coder", says=_REFACTOR[:1], task="refactor-42"),
    DemoCall(key="nightly", model="coder", says=_REFACTOR[:2], task="refactor-42", stream=True),
    DemoCall(key="nightly", model="coder", says=_REFACTOR[:3], task="refactor-42"),
    DemoCall(key="nightly", model="coder", says=_REFACTOR, task="refactor-42", stream=True),
    # What costs nothing.
    DemoCall(key="nightly", model="llama3.2", says=("Is this English?",)),
    DemoCall(key="nightly", model="llama3.2", says=("Translate the comments.",), stream=True),
    # Refused: a name that nobody serves, and a model that may not go where money is.
    DemoCall(key="aider", model="gpt5-mini", says=("Hello?",)),
    DemoCall(key="nightly", model="thrifty", says=("Tidy up.",), task="refactor-42"),
)
"""What happens in the demo, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """How one upstream answers."""

    served: Mapping[str, str]
    """Its models, and the name under which each says that it served."""
    reasoning: int = 0
    """Tokens that its models think for, at most."""
    caches: bool = False
    """Whether what a request has in common with an earlier one is read from a cache."""
    limits_every: int = 0
    """The number of requests of which each last one is refused with 429; 0 refuses none."""


SCRIPTS = {
    "openai": Script(
        served={FLAGSHIP: f"{FLAGSHIP}-2026-11-05", SMALL: f"{SMALL}-2026-11-05"}, reasoning=192, caches=True
    ),
    "relay": Script(served={FLAGSHIP: FLAGSHIP}, reasoning=192, caches=True, limits_every=3),
    "coding": Script(served={"glm-4.6": "glm-4.6"}, caches=True),
    "ollama": Script(served={"llama3.2": "llama3.2"}),
}
"""By the upstream's name in the config."""

LIMITED_S = 20
"""What a 429 asks to wait, in seconds: longer than a call waits, so it goes on elsewhere."""

_CACHE_AT_LEAST = 1024
_CACHE_STEP = 128
"""A prompt cache begins at so many tokens and counts in such steps (OpenAI's guide "Prompt caching", read 2026-11)."""

_REMEMBERED = 64
"""Requests whose prompts an upstream's cache holds."""

_BYTES_A_TOKEN = 4

_ANSWERS = (
    "The loop starts at line 1, so the first line of the basket is left out. Start it at 0 and the total is right.",
    "Done. The sum is now one expression over all lines, and a basket without lines adds up to zero as it did before.",
    "Here is a test with three lines, one of them free of charge: its total is what a person gets with pen and paper.",
    "Renamed in one place and used in four. Nothing outside of this file called it by its old name, so nothing breaks.",
)


class _Message(msgspec.Struct):
    content: msgspec.Raw = msgspec.Raw()

    @property
    def tokens(self) -> int:
        return len(self.content) // _BYTES_A_TOKEN + 4  # and a few for its role


class _StreamOptions(msgspec.Struct):
    include_usage: bool = False


class _Asked(msgspec.Struct):
    model: str
    messages: tuple[_Message, ...]
    stream: bool = False
    stream_options: _StreamOptions | None = None


@asynccontextmanager
async def upstreams(ports: Mapping[str, int]) -> AsyncGenerator[Mapping[str, str]]:
    """Run the scripted upstreams on loopback while the context lasts and give their base URLs by name.

    Each takes its port in `ports` when that is free, else any.
    """
    async with AsyncExitStack() as stack:
        urls: dict[str, str] = {}
        for name, script in SCRIPTS.items():
            server = web.Server(_Scripted(name, script).answer, access_log=None)
            runner = web.ServerRunner(server, shutdown_timeout=STOP_S)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            try:
                await web.TCPSite(runner, "127.0.0.1", ports.get(name, 0)).start()
            except OSError:
                await web.TCPSite(runner, "127.0.0.1", 0).start()
            address: tuple[str, int] = runner.addresses[0]
            urls[name] = f"http://127.0.0.1:{address[1]}/v1"
        yield urls


class _Scripted:
    """One upstream: it counts its requests and answers by the count."""

    def __init__(self, name: str, script: Script) -> None:
        self._name = name
        self._script = script
        self._requests = 0
        self._remembered: deque[_Asked] = deque(maxlen=_REMEMBERED)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request as an OpenAI-compatible server does."""
        if (request.method, request.path) != ("POST", "/v1/chat/completions"):
            return _refusal(404, "not_found", f"no {request.method} {request.path} here")
        try:
            asked = msgspec.json.decode(await request.read(), type=_Asked)
        except msgspec.DecodeError as error:
            return _refusal(400, "invalid_request", str(error))
        if asked.model not in self._script.served:
            return _refusal(404, "model_not_found", f"no model {asked.model} here")
        self._requests += 1
        every = self._script.limits_every
        if every and self._requests % every == 0:
            return _refusal(
                429, "rate_limit_exceeded", f"too many requests, wait {LIMITED_S} s", {"retry-after": str(LIMITED_S)}
            )
        cached = self._cached(asked) if self._script.caches else 0
        reply = _Reply(
            upstream=self._name, script=self._script, asked=asked, number=self._requests, cached_tokens=cached
        )
        self._remembered.append(asked)
        if asked.stream:
            return await reply.stream(request)
        return web.Response(body=msgspec.json.encode(reply.whole()), headers=reply.headers)

    def _cached(self, asked: _Asked) -> int:
        """Return the tokens that the model has from the longest common beginning with an earlier request."""
        known = (_common(asked, earlier) for earlier in self._remembered if earlier.model == asked.model)
        tokens = max(known, default=0)
        return tokens // _CACHE_STEP * _CACHE_STEP if tokens >= _CACHE_AT_LEAST else 0


def _common(asked: _Asked, earlier: _Asked) -> int:
    both = zip(asked.messages, earlier.messages, strict=False)
    return sum(new.tokens for new, _old in takewhile(lambda pair: pair[0].content == pair[1].content, both))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reply:
    """What the script says to one request."""

    upstream: str
    script: Script
    asked: _Asked
    number: int
    cached_tokens: int

    @property
    def text(self) -> str:
        return _ANSWERS[(self.number - 1) % len(_ANSWERS)]

    @property
    def headers(self) -> Mapping[str, str]:
        kind = "text/event-stream" if self.asked.stream else "application/json"
        return {"content-type": kind, "x-request-id": f"req-{self.upstream}-{self.number}"}

    def whole(self) -> dict[str, object]:
        """Return the chat completion."""
        message = {"role": "assistant", "content": self.text}
        return {
            **self._head("chat.completion"),
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": self._usage(),
        }

    async def stream(self, request: web.BaseRequest) -> web.StreamResponse:
        """Send the same in chunks: the role, a few words at a time, the end, and the usage if it was asked for."""
        response = web.StreamResponse(headers=self.headers)
        await response.prepare(request)
        for event in self._events():
            await response.write(b"data: %s\n\n" % event)
            # One turn of the loop, so that chunks come one by one and not in a lump.
            await asyncio.sleep(0)
        await response.write_eof()
        return response

    def _events(self) -> list[bytes]:
        words = self.text.split(" ")
        parts = [" ".join(words[n : n + 6]) + " " * (n + 6 < len(words)) for n in range(0, len(words), 6)]
        deltas: list[dict[str, str]] = [{"role": "assistant", "content": ""}, *({"content": part} for part in parts)]
        choices: list[dict[str, object]] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
        choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
        head = self._head("chat.completion.chunk")
        chunks: list[dict[str, object]] = [{**head, "choices": [choice]} for choice in choices]
        if self.asked.stream_options and self.asked.stream_options.include_usage:
            chunks.append({**head, "choices": [], "usage": self._usage()})
        return [*(msgspec.json.encode(chunk) for chunk in chunks), b"[DONE]"]

    def _head(self, kind: str) -> dict[str, object]:
        return {
            "id": f"chatcmpl-{self.upstream}-{self.number}",
            "object": kind,
            "created": int(time.time()),
            "model": self.script.served[self.asked.model],
        }

    def _usage(self) -> dict[str, object]:
        prompt = sum(message.tokens for message in self.asked.messages)
        reasoning = self.script.reasoning * (1 + self.number % 3) // 3
        completion = len(self.text) // _BYTES_A_TOKEN + reasoning
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": self.cached_tokens},
            "completion_tokens_details": {"reasoning_tokens": reasoning},
        }


def _refusal(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    body = {"error": {"message": message, "type": code, "param": None, "code": code}}
    return web.Response(
        status=status, body=msgspec.json.encode(body), content_type="application/json", headers=headers or {}
    )


def _check_folder(folder: Path) -> None:
    """Raise ForgeError for a folder with files in it that the demo did not make."""
    try:
        if not folder.exists() or not any(folder.iterdir()):
            return
        made = read_private(folder / MARKER)[0]
    except OSError:
        made = b""
    if made != _MARKER_TEXT:
        raise ForgeError(
            f"{folder}: there are files in this folder and no `{MARKER}` of the demo's, so nothing in it is touched. "
            "Move it away, or give another --data-dir"
        )


def _clear(paths: Paths) -> None:
    """Remove what an earlier demo made. Raises LedgerLocked while another process works there, and ForgeError."""
    with locked(paths):
        # Before anything else: a demo that is stopped half-way must know its folder again.
        write_private(paths.data / MARKER, _MARKER_TEXT)
        try:
            for folder in (paths.ledger, paths.configs, paths.cards, paths.cache):
                if folder.exists():
                    shutil.rmtree(folder)
            for file in (paths.config, paths.keys, paths.digest_key):
                file.unlink(missing_ok=True)
        except OSError as error:
            raise ForgeError(
                f"{error.filename}: what the last demo made can't be removed ({error.strerror})"
            ) from error


def _ports(paths: Paths) -> Mapping[str, int]:
    """Return the ports of the config that is there, so that a start changes nothing in it when it need not."""
    if not paths.config.exists():
        return {}
    upstream = load(paths.config, paths.prices).upstream
    return {name: urlsplit(upstream[name].base_url).port or 0 for name in SCRIPTS if name in upstream}


def _furnish(paths: Paths, urls: Mapping[str, str], now: datetime) -> None:
    """Write the config, or the upstreams' new ports into the one that is there, and enter the first money once."""
    with open_ledger(paths, now) as ledger:
        private_folder(paths.data)
        write_private(paths.data / MARKER, _MARKER_TEXT)
        _write_config(paths, urls)
        config = load(paths.config, paths.prices)
        terms = Terms(config=config, cards=Cards(), calendar=calendar(config.report))
        for order in FUNDS:
            entries = adjusted(order, terms, ledger.fold, ledger.stamp(now))
            if isinstance(entries, Unadjusted):
                continue  # entered at an earlier start: a reference counts once
            for entry in entries:
                ledger.append(entry, ledger.stamp(now))


def _write_config(paths: Paths, urls: Mapping[str, str]) -> None:
    path = paths.config
    if not path.exists():
        write_private(path, _CONFIG.substitute(urls, flagship=FLAGSHIP, small=SMALL).encode())
        return
    written = path.read_text(encoding="utf-8")
    upstream = load(path, paths.prices).upstream
    text = written
    for name in SCRIPTS:
        if name in upstream:
            text = text.replace(f'"{upstream[name].base_url}"', f'"{urls[name]}"')
    if text != written:
        write_private(path, text.encode())


def _issue(paths: Paths, now: datetime) -> Mapping[str, str]:
    """Give each key a new token: only digests are kept, so an earlier one can't be told."""
    tokens = {name: keys_file.new_token() for name in KEYS}
    with keys_file.changing(paths.keys) as change:
        for name, token in tokens.items():
            give = keys_file.rotate if name in change.ring.key else keys_file.new
            change.ring = give(change.ring, name, token=token, now=now)
    return tokens


_MARKER_TEXT = b"This folder is the demo's. `tf demo` empties it and begins anew.\n"

_CONFIG = Template("""\
# The demo's config, written by `tf demo`, which begins anew each time. Change what you like in it, look at it with
# `tf --demo check`, and try it with `tf serve --demo`.

[server]
port = 8788                          # one beside the usual 8787, which is left to your own proxy


# --- Balances: what pays. Each has one unit, and money of different units is never added.

[balance.openai-credit]              # credit bought from the provider itself
kind = "prepaid"
unit = "USD"
warn_below = "1.00 USD"

[balance.rmb-wallet]                 # money at a relay: cheaper, and another settlement path
kind = "prepaid"
unit = "CNY"

[balance.coding-plan]                # a subscription; a real one gives more, and for longer
kind = "pool"
unit = "requests"
windows = [{ allow = 3, per = "2m" }]

[balance.own-machine]                # a model on your own computer costs nothing
kind = "free"


# --- Upstreams: who answers. These four are scripts inside `tf`, on this machine, and ask for no credential. Yours
# have theirs in a variable (`credential = "env:OPENAI_API_KEY"`) or in a file.

[upstream.openai]
dialect = "openai"
base_url = "$openai"
credential = "none"
provider = "openai"                  # whose list prices hold; a real base_url says it itself

[upstream.relay]                     # it answers every third request with 429
dialect = "openai"
base_url = "$relay"
credential = "none"
provider = "openai"

[upstream.coding]
dialect = "openai"
base_url = "$coding"
credential = "none"
provider = "zai"

[upstream.ollama]
dialect = "openai"
base_url = "$ollama"
credential = "none"


# --- Routes: an upstream, the balance that pays there, and the price.

[route.official]
class = "direct"
upstream = "openai"
balance = "openai-credit"
serves = ["$flagship", "$small"]
price = "list"                       # from the price catalogue that comes with tf

[route.relay]
class = "ordinary"
upstream = "relay"
balance = "rmb-wallet"
serves = ["$flagship"]
price = { list = "0.40", fx = "7.00" }    # 40 % of the list price, 7 CNY for one USD

[route.plan]
class = "subscription"
upstream = "coding"
balance = "coding-plan"
serves = ["glm-4.6"]

[route.home]
class = "local"
upstream = "ollama"
balance = "own-machine"
serves = ["llama3.2"]


# --- Models: names of your own, and who may answer, in order.

[model.smart]
routes = ["relay/$flagship", "official/$flagship"]
fallback = "any"                     # may go on to the next, whatever its class

[model.coder]
routes = ["plan/glm-4.6", "official/$small"]
fallback = "any"

[model.thrifty]
routes = ["plan/glm-4.6", "official/$small"]
fallback = "none"                    # only what is meant: a used-up plan never burns credit


# --- Keys: who asks, and what each may use.

[key.aider]
classes = ["ordinary", "direct"]

[key.nightly]
classes = ["subscription", "local", "direct"]
""")
