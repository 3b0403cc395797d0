"""The official clients of the three dialects, as their users make them, and what each hears of an answer.

`hear` asks by a client and returns what its own accumulator made of the reply: text, reasoning, calls of tools. With
`strict` the client validates every reply and chunk against its types.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import anthropic
import openai
from playbook import Playbook

Client = Literal["chat", "responses", "messages"]

TOOL = {"type": "object", "properties": {"city": {"type": "string"}}}
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
"""A PNG of one pixel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a client understood."""

    text: str
    refusal: str = ""
    """What it says of why it will not answer, where the dialect has a place of its own for that."""
    thinking: str
    tools: tuple[tuple[str, str], ...]
    model: str
    input_tokens: int
    """All of them, cached ones included, as the client would show them."""
    output_tokens: int
    request_id: str
    failed: str = ""
    """What an API error said, after which nothing came."""


async def hear(client: Client, play: Playbook, *, stream: bool, strict: bool, what: str = "text") -> Heard:
    """Ask for ``text``, with ``tools``, a ``picture`` or for its ``thinking``, by the official client of a dialect."""
    return await _HEARERS[client](play, stream, strict, what)


async def _chat(play: Playbook, stream: bool, strict: bool, what: str) -> Heard:
    content: list[Any] = [{"type": "text", "text": "Hello"}]
    if what == "picture":
        content.append({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}})
    asked: dict[str, Any] = {
        "model": "m",
        "max_completion_tokens": 50,
        "messages": [{"role": "user", "content": content}],
    }
    if what == "tools":
        asked["tools"] = [{"type": "function", "function": {"name": "get_weather", "parameters": TOOL}}]
    if what == "thinking":
        asked["reasoning_effort"] = "low"
    client: Any = openai.AsyncOpenAI(
        base_url=f"{play.url}/v1", api_key=play.tokens["aider"], _strict_response_validation=strict
    )
    async with client:
        if not stream:
            raw = await client.chat.completions.with_raw_response.create(**asked)
            got = raw.parse()
            message = got.choices[0].message
            usage = got.usage
            assert usage is not None
            calls = tuple(
                (it.function.name, it.function.arguments) for it in message.tool_calls or () if it.type == "function"
            )
            return Heard(
                text=message.content or "",
                refusal=message.refusal or "",
                thinking=_extra(message, "reasoning_content"),
                tools=calls,
                model=got.model,
                input_tokens=usage.prompt_tokens,
                output_tokens=usage.completion_tokens,
                request_id=raw.headers["x-request-id"],
            )
        events = await client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True})
        said = _Streamed()
        try:
            async for chunk in events:
                said.chat_chunk(chunk)
        except openai.APIError as error:
            said.failed = str(error)
        return said.heard(events.response.headers["x-request-id"])


async def _responses(play: Playbook, stream: bool, strict: bool, what: str) -> Heard:
    content: list[Any] = [{"type": "input_text", "text": "Hello"}]
    if what == "picture":
        content.append({"type": "input_image", "image_url": f"data:image/png;base64,{PICTURE}", "detail": "auto"})
    asked: dict[str, Any] = {"model": "m", "max_output_tokens": 50, "input": [{"role": "user", "content": content}]}
    if what == "tools":
        asked["tools"] = [{"type": "function", "name": "get_weather", "parameters": TOOL, "strict": False}]
    if what == "thinking":
        asked["reasoning"] = {"effort": "low", "summary": "auto"}
    client: Any = openai.AsyncOpenAI(
        base_url=f"{play.url}/v1", api_key=play.tokens["aider"], _strict_response_validation=strict
    )
    async with client:
        if not stream:
            raw = await client.responses.with_raw_response.create(**asked)
            return _of_response(raw.parse(), raw.headers["x-request-id"])
        events = await client.responses.create(**asked, stream=True)
        said = _Streamed()
        try:
            async for event in events:
                said.response_event(event)
        except openai.APIError as error:
            said.failed = str(error)
        request_id = events.response.headers["x-request-id"]
        if said.last is None or said.failed:
            return said.heard(request_id)
        heard = _of_response(said.last, request_id)
        deltas = (said.text, said.refusal, said.thinking)
        assert deltas == (heard.text, heard.refusal, heard.thinking), "the deltas are the whole response"
        return heard


@dataclass(slots=True)
class _Streamed:
    """What the deltas of a stream have said so far."""

    text: str = ""
    refusal: str = ""
    thinking: str = ""
    model: str = ""
    failed: str = ""
    tokens: tuple[int, int] = (0, 0)
    calls: dict[int, list[str]] = field(default_factory=dict[int, list[str]])
    last: Any = None
    """The whole response."""

    def chat_chunk(self, chunk: Any) -> None:  # noqa: ANN401 - a chunk of the SDK
        self.model = chunk.model or self.model
        if chunk.usage:
            self.tokens = (chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
        for choice in chunk.choices:
            self.text += choice.delta.content or ""
            self.refusal += choice.delta.refusal or ""
            self.thinking += _extra(choice.delta, "reasoning_content")
            for call in choice.delta.tool_calls or ():
                parts = self.calls.setdefault(call.index, ["", ""])
                if call.function is not None:
                    parts[0] += call.function.name or ""
                    parts[1] += call.function.arguments or ""

    def response_event(self, event: Any) -> None:  # noqa: ANN401 - an event of the SDK
        match event.type:
            case "response.output_text.delta":
                self.text += event.delta
            case "response.refusal.delta":
                self.refusal += event.delta
            case "response.reasoning_text.delta" | "response.reasoning_summary_text.delta":
                self.thinking += event.delta
            case "response.completed" | "response.incomplete":
                self.last = event.response
            case "response.failed":
                self.failed = event.response.error.message if event.response.error else "failed"
            case "error":
                self.failed = event.message
            case _:
                pass

    def heard(self, request_id: str) -> Heard:
        """Return what was heard, whole or not."""
        return Heard(
            text=self.text,
            refusal=self.refusal,
            thinking=self.thinking,
            tools=tuple((name, arguments) for name, arguments in self.calls.values()),
            model=self.model,
            input_tokens=self.tokens[0],
            output_tokens=self.tokens[1],
            request_id=request_id,
            failed=self.failed,
        )


def _of_response(got: Any, request_id: str) -> Heard:  # noqa: ANN401 - a response of the SDK
    text = refusal = thinking = ""
    calls: list[tuple[str, str]] = []
    for item in got.output:
        match item.type:
            case "message":
                text += "".join(part.text for part in item.content if part.type == "output_text")
                refusal += "".join(part.refusal for part in item.content if part.type == "refusal")
            case "reasoning":
                thinking += "".join(part.text for part in (*item.summary, *(item.content or ())))
            case "function_call":
                calls.append((item.name, item.arguments))
            case "custom_tool_call":
                calls.append((item.name, item.input))
            case _:
                pass
    usage = got.usage
    return Heard(
        text=text,
        refusal=refusal,
        thinking=thinking,
        tools=tuple(calls),
        model=got.model,
        input_tokens=usage.input_tokens if usage else 0,
        output_tokens=usage.output_tokens if usage else 0,
        request_id=request_id,
    )


async def _messages(play: Playbook, stream: bool, strict: bool, what: str) -> Heard:
    content: list[Any] = [{"type": "text", "text": "Hello"}]
    if what == "picture":
        source = {"type": "base64", "media_type": "image/png", "data": PICTURE}
        content.append({"type": "image", "source": source})
    asked: dict[str, Any] = {"model": "m", "max_tokens": 50, "messages": [{"role": "user", "content": content}]}
    if what == "tools":
        asked["tools"] = [{"name": "get_weather", "input_schema": TOOL}]
    if what == "thinking":
        asked |= {"max_tokens": 5000, "thinking": {"type": "enabled", "budget_tokens": 4000}}
    client: Any = anthropic.AsyncAnthropic(
        base_url=play.url, api_key=play.tokens["aider"], _strict_response_validation=strict
    )
    async with client:
        if not stream:
            raw = await client.messages.with_raw_response.create(**asked)
            return _of_message(await raw.parse(), raw.headers["request-id"])
        async with client.messages.stream(**asked) as events:
            said = _Streamed()
            try:
                async for event in events:
                    if event.type == "text":
                        said.text += event.text
                    elif event.type == "thinking":
                        said.thinking += event.thinking
            except anthropic.APIError as error:
                said.failed = str(error)
            request_id = events.response.headers["request-id"]
            if said.failed:
                return said.heard(request_id)
            return _of_message(await events.get_final_message(), request_id)


def _of_message(got: Any, request_id: str) -> Heard:  # noqa: ANN401 - a message of the SDK
    text = thinking = ""
    calls: list[tuple[str, str]] = []
    for block in got.content:
        match block.type:
            case "text":
                text += block.text
            case "thinking":
                thinking += block.thinking
            case "tool_use":
                calls.append((block.name, compact(block.input)))
            case _:
                pass
    usage = got.usage
    cached = (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
    return Heard(
        text=text,
        thinking=thinking,
        tools=tuple(calls),
        model=got.model,
        input_tokens=usage.input_tokens + cached,
        output_tokens=usage.output_tokens,
        request_id=request_id,
    )


_HEARERS: dict[Client, Callable[[Playbook, bool, bool, str], Awaitable[Heard]]] = {
    "chat": _chat,
    "responses": _responses,
    "messages": _messages,
}


def compact(value: object) -> str:
    """Return JSON without spaces, as goldens write the arguments of a tool."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _extra(record: Any, name: str) -> str:  # noqa: ANN401 - any record of an SDK
    """Return a member that the SDK's types don't know."""
    extra: dict[str, Any] = record.model_extra or {}
    return extra.get(name) or ""
