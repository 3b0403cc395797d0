"""A whole reply written as the stream that was asked for, in the dialect that its upstream speaks.

Decides which events say what a whole reply says: some servers and relays know no streams and answer in one piece. That
was billed, so it is handed on. What comes out is read, metered and translated as any stream of that dialect is: nothing
is decided here about usage. Values are moved as they were written.

Sources, read 2026-11: OpenAI API reference ("The chat completion chunk object", "Streaming events" of responses);
Anthropic, "Streaming messages" and the types of its Python library 2.14.0 (`RawContentBlockDelta`).
"""

from collections.abc import Callable, Iterator, Mapping

import msgspec

from tokens_forge.core.dialects import DialectName
from tokens_forge.core.errors import UpstreamFault
from tokens_forge.wire.openai_chat import DONE
from tokens_forge.wire.request import NULL, UNREADABLE, Fields, object_or_none, raw_of, word_or_empty
from tokens_forge.wire.sse import data_event
from tokens_forge.wire.usage_objects import given

_EMPTY = msgspec.Raw(b'""')
_decode_list = msgspec.json.Decoder(list[Fields]).decode


def streamed(dialect: DialectName, body: bytes) -> bytes:
    """Return the events of a whole reply, the last one included. Raises UpstreamFault for what is none."""
    reply = object_or_none(body)
    if reply is None or dialect not in _WRITERS:
        raise UpstreamFault("the reply can't be told as a stream")
    return b"".join(_WRITERS[dialect](reply))


def _chat(reply: Fields) -> Iterator[bytes]:
    """Yield a chat's chunks, or a legacy completion's: each choice, its end, and the usage after all."""
    head = {name: raw for name, raw in reply.items() if name not in {"choices", "usage"}}
    if word_or_empty(head.get("object", NULL)) != "text_completion":
        head["object"] = raw_of("chat.completion.chunk")
    for place, choice in enumerate(_objects(reply.get("choices", NULL))):
        said = {"index": raw_of(place)} | choice
        end = {"index": said["index"], "delta": raw_of({}), "finish_reason": said.get("finish_reason", NULL)}
        message = object_or_none(said.pop("message", NULL))
        if message is None:  # a legacy completion, whose text and end stand together
            yield _event(head | {"choices": raw_of([said])})
            continue
        if given(message.get("tool_calls")):
            calls = enumerate(_objects(message["tool_calls"]))
            message["tool_calls"] = raw_of([{"index": raw_of(index)} | call for index, call in calls])
        yield _event(head | {"choices": raw_of([said | {"delta": raw_of(message), "finish_reason": NULL}])})
        yield _event(head | {"choices": raw_of([end])})
    if given(reply.get("usage")):
        yield _event(head | {"choices": raw_of([]), "usage": reply["usage"]})
    yield DONE


_OF_END = ("stop_reason", "stop_sequence", "stop_details", "container", "context_management")
_WORDS = {
    "text": (("text", "text_delta"),),
    "thinking": (("thinking", "thinking_delta"), ("signature", "signature_delta")),
    "compaction": (("content", "compaction_delta"),),
}
"""What of a block is streamed, and by which kind of delta; of a kind that is not here all comes with its start."""


def _messages(reply: Fields) -> Iterator[bytes]:
    """Yield a message's events: its start, each block, and its end with the usage."""
    ends = {name: reply[name] for name in _OF_END if name in reply}
    message = reply | {"content": raw_of([])} | dict.fromkeys(("stop_reason", "stop_sequence"), NULL)
    yield _named("message_start", message=message)
    for place, block in enumerate(_objects(reply.get("content", NULL))):
        start, deltas = _block(block)
        yield _named("content_block_start", index=place, content_block=start)
        for delta in deltas:
            yield _named("content_block_delta", index=place, delta=delta)
        yield _named("content_block_stop", index=place)
    usage = reply.get("usage", NULL)
    yield _named("message_delta", delta=ends, usage=usage if given(usage) else {"output_tokens": 0})
    yield _named("message_stop")


def _block(block: Fields) -> tuple[Fields, list[Mapping[str, object]]]:
    """Return a block as it begins, and what is added to it."""
    words = _WORDS.get(word_or_empty(block.get("type", NULL)), ())
    deltas: list[Mapping[str, object]] = [
        {"type": kind, name: block[name]} for name, kind in words if given(block.get(name))
    ]
    start = block | {name: _EMPTY for name, _kind in words if name in block}
    if words and given(block.get("citations")):
        start["citations"] = NULL
        deltas += [{"type": "citations_delta", "citation": one} for one in _objects(block["citations"])]
    if not words and "input" in block and "id" in block:  # a call of a tool, the client's or the provider's
        start["input"] = raw_of({})
        deltas.append({"type": "input_json_delta", "partial_json": bytes(block["input"]).decode()})
    return start, deltas


_ENDS = {"incomplete": "response.incomplete", "failed": "response.failed"}


def _responses(reply: Fields) -> Iterator[bytes]:
    """Yield a response's events: that it begins, each item, and its end, which holds all of it once more."""
    begun = reply | {"output": raw_of([]), "usage": NULL, "status": raw_of("in_progress")}
    end = _ENDS.get(word_or_empty(reply.get("status", NULL)), "response.completed")
    events: list[tuple[str, Mapping[str, object]]] = [
        ("response.created", {"response": begun}),
        ("response.in_progress", {"response": begun}),
    ]
    for place, item in enumerate(_objects(reply.get("output", NULL))):
        events += ((kind, {"output_index": place, **told}) for kind, told in _item(item))
    events.append((end, {"response": reply}))
    for number, (kind, told) in enumerate(events):
        yield _named(kind, sequence_number=number, **told)


_OF_PART = {
    "output_text": ("text", "response.output_text"),
    "reasoning_text": ("text", "response.reasoning_text"),
    "refusal": ("refusal", "response.refusal"),
}
_OF_CALL = {
    "function_call": ("arguments", "response.function_call_arguments"),
    "mcp_call": ("arguments", "response.mcp_call_arguments"),
    "custom_tool_call": ("input", "response.custom_tool_call_input"),
}


def _item(item: Fields) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Yield the events of an item: it begins empty, grows, and is told as a whole."""
    kind, known_as = word_or_empty(item.get("type", NULL)), {"item_id": item.get("id", NULL)}
    lists = {name: raw_of([]) for name in ("content", "summary") if kind in {"message", "reasoning"} and name in item}
    name, begins = _OF_CALL.get(kind, ("", ""))
    emptied = lists | ({name: _EMPTY} if name in item else {})
    yield "response.output_item.added", {"item": item | emptied | {"status": raw_of("in_progress")}}
    if "content" in lists:
        for place, part in enumerate(_objects(item["content"])):
            yield from _part(part, known_as | {"content_index": raw_of(place)})
    if "summary" in lists:
        for place, part in enumerate(_objects(item["summary"])):
            at = known_as | {"summary_index": raw_of(place)}
            text = part.get("text", _EMPTY)
            yield "response.reasoning_summary_part.added", at | {"part": part | {"text": _EMPTY}}
            yield "response.reasoning_summary_text.delta", at | {"delta": text}
            yield "response.reasoning_summary_text.done", at | {"text": text}
            yield "response.reasoning_summary_part.done", at | {"part": part}
    if name in item:
        yield f"{begins}.delta", known_as | {"delta": item[name]}
        yield f"{begins}.done", known_as | {name: item[name]}
    yield "response.output_item.done", {"item": item}


def _part(part: Fields, at: Fields) -> Iterator[tuple[str, Mapping[str, object]]]:
    kind = word_or_empty(part.get("type", NULL))
    name, begins = _OF_PART.get(kind, ("", ""))
    yield "response.content_part.added", at | {"part": part | ({name: _EMPTY} if name in part else {})}
    if name in part:
        beside = {"logprobs": raw_of([])} if kind == "output_text" else {}
        yield f"{begins}.delta", at | {"delta": part[name]} | beside
        yield f"{begins}.done", at | {name: part[name]} | beside
    yield "response.content_part.done", at | {"part": part}


_WRITERS: Mapping[DialectName, Callable[[Fields], Iterator[bytes]]] = {
    "openai_chat": _chat,
    "openai_completions": _chat,
    "openai_responses": _responses,
    "anthropic_messages": _messages,
}


def _event(data: Mapping[str, object]) -> bytes:
    return data_event(msgspec.json.encode(data))


def _named(kind: str, **told: object) -> bytes:
    return data_event(msgspec.json.encode({"type": kind, **told}), kind)


def _objects(raw: msgspec.Raw) -> list[Fields]:
    """Return a list of objects; none for null. Raises UpstreamFault for anything else."""
    if not given(raw):
        return []
    try:
        return _decode_list(raw)
    except UNREADABLE as error:
        raise UpstreamFault("the reply has something else where a list of objects belongs") from error
