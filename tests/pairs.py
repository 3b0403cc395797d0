"""A proxy in front of an upstream that replays golden bytes, for every pair of a client's dialect and an upstream's."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, cast

from anthropic import AsyncAnthropic
from clients import Client
from goldens import Golden, goldens
from openai import AsyncOpenAI
from playbook import Playbook, Setup
from upstreams import plain, stream

from tokens_forge.core.dialects import DialectName
from tokens_forge.core.entries import Settled
from tokens_forge.wire.sse import Splitter

CONFIG = """
[balance.wallet]
kind = "prepaid"
unit = "USD"
[balance.credit]
kind = "prepaid"
unit = "USD"

[upstream.relay]
base_url = "{relay_url}"
credential = "env:RELAY_KEY"
{relay}
[upstream.official]
dialect = "openai"
base_url = "{official_url}"
credential = "env:OFFICIAL_KEY"
{official}

[route.relay]
class = "ordinary"
upstream = "relay"
balance = "wallet"
serves = ["m", "omni-moderation-latest"]
[route.relay.prices]
"m" = [{{ from = 2020-01-01, unit = "USD", per = "ktok", input = 1, cache_read = "0.1", cache_write_5m = "1.25", cache_write_1h = 2, output = 10, searches = "0.01" }}]
"omni-moderation-latest" = [{{ from = 2020-01-01, unit = "USD", per = "ktok", input = 1, output = 1 }}]
[route.official]
class = "direct"
upstream = "official"
balance = "credit"
serves = ["other"]
price = "free"
{more}
"""  # noqa: E501 - one line a sheet

RATES = {
    "input": Decimal(1),
    "cache_read": Decimal("0.1"),
    "cache_write_5m": Decimal("1.25"),
    "cache_write_1h": Decimal(2),
    "output": Decimal(10),
    "searches": Decimal(10),
}
"""Of the config's sheet, each in USD for a thousand (a search for one hundredth)."""

SPEAKING: Mapping[DialectName, str] = {
    "openai_chat": 'dialect = "openai"',
    "openai_responses": 'dialect = "openai"\nendpoints = ["responses"]',
    "anthropic_messages": 'dialect = "anthropic"',
}
"""An upstream's settings, by the dialect that it is asked in."""

NATIVE: Mapping[Client, DialectName] = {
    "chat": "openai_chat",
    "responses": "openai_responses",
    "messages": "anthropic_messages",
}
PATHS: Mapping[DialectName, str] = {
    "openai_chat": "/v1/chat/completions",
    "openai_responses": "/v1/responses",
    "anthropic_messages": "/v1/messages",
}
PAIRS: tuple[tuple[Client, DialectName], ...] = (
    ("chat", "openai_chat"),
    ("chat", "anthropic_messages"),
    ("responses", "openai_responses"),
    ("responses", "openai_chat"),
    ("responses", "anthropic_messages"),
    ("messages", "anthropic_messages"),
    ("messages", "openai_chat"),
)


def before(spoken: DialectName, more: str = "") -> Setup:
    """Return the setup of a proxy whose relay speaks a dialect."""
    return Setup(config=CONFIG, relay=SPEAKING[spoken], fund={"wallet": "1000 USD"}, more=more)


def replays(play: Playbook, golden: Golden) -> None:
    """Answer the next request with a golden's bytes."""
    play.relay.answers(stream(golden.data) if golden.streamed else plain(golden.data))


def price_of(usage: Mapping[str, int]) -> Decimal:
    """Return what a usage costs, reckoned by hand."""
    return sum((RATES[name] * count for name, count in usage.items() if name != "reasoning"), Decimal(0)) / 1000


def accounted(settled: Settled, golden: Golden) -> None:
    """Hold a charge to a golden's usage."""
    assert (dict(golden.usage), "reported") == (settled.usage, settled.usage_source)
    assert (golden.finish, golden.model) == (settled.finish, settled.model_served)
    assert golden.tier == settled.tier_served
    # CASES 8: of another tier the sheet has no rates, so that the base ones are a guess.
    sure = "computed" if golden.tier in {"", "default", "standard"} else "estimated"
    assert (price_of(golden.usage), sure) == (Decimal(settled.charge), settled.certainty)


BODIES: dict[Client, dict[str, object]] = {
    "chat": {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 50},
    "responses": {"input": "Hello", "max_output_tokens": 50},
    "messages": {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 50},
}
"""What each client asks for a text."""


def said(spoken: DialectName) -> Golden:
    """Return a golden stream that says a text and has a usage."""
    fitting = (one for one in goldens(spoken) if one.streamed and one.text and not one.broken)
    return next(one for one in fitting if one.usage and not one.tools and one.tier in {"", "default", "standard"})


def events(golden: Golden) -> list[bytes]:
    """Return the events of a stream, each as it was written."""
    splitter = Splitter(len(golden.data))
    return [event.raw for event in (*splitter.feed(golden.data), *splitter.close())]


async def text_for(play: Playbook, client: Client) -> str:
    """Ask as an SDK does and return the text of its stream."""
    body = cast("dict[str, Any]", BODIES[client])
    match client:
        case "chat":
            async with play.openai() as openai:
                chunks = await openai.chat.completions.create(model="m", stream=True, **body)
                return "".join([one.choices[0].delta.content or "" async for one in chunks if one.choices])
        case "responses":
            async with AsyncOpenAI(base_url=f"{play.url}/v1", api_key=play.tokens["aider"]) as openai:
                told = await openai.responses.create(model="m", stream=True, **body)
                return "".join([one.delta async for one in told if one.type == "response.output_text.delta"])
        case _:
            async with (
                AsyncAnthropic(base_url=play.url, api_key=play.tokens["aider"]) as anthropic,
                anthropic.messages.stream(model="m", **body) as told,
            ):
                return "".join([text async for text in told.text_stream])
