"""A stream put together as the whole reply that was asked for, in the dialect that its upstream speaks.

Decides what the events of a stream say together: some servers and relays stream whatever they are asked. That was
billed, so it is handed on. What is billed is read from the events themselves. Values are moved as they were written,
but for texts that come in pieces.

Sources: those of `wire/streamed.py`, which writes what is read here.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from tokens_forge.core.dialects import DialectName
from tokens_forge.core.errors import UpstreamFault
from tokens_forge.wire.openai_responses import ENDS
from tokens_forge.wire.request import NULL, UNREADABLE, Fields, begins, is_text, object_or_none, raw_of, word_or_empty
from tokens_forge.wire.sse import Event
from tokens_forge.wire.usage_objects import given

_BEGINS = (b"data:", b"event:", b"id:", b"retry:", b": ", b":\n")
BLANKS = b"\xef\xbb\xbf \t\r\n"
"""What may stand before a reply and is none of it, the mark of its encoding included."""

_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode


def is_stream(body: bytes) -> bool:
    """Say whether a reply is a stream, whatever its head says of it."""
    return body[:1024].lstrip(BLANKS).startswith(_BEGINS)


def collected(dialect: DialectName, events: Sequence[Event]) -> bytes:
    """Return the whole reply that events of data make. Raises UpstreamFault for what they do not make one of."""
    if dialect not in _READERS:
        raise UpstreamFault("a stream came where there is none in this dialect")
    told = [(word_or_empty(one.get("type", NULL)) or event.name, one) for event, one in _objects_of(events)]
    return msgspec.json.encode(_READERS[dialect](told))


_Told = Sequence[tuple[str, Fields]]


def _chat(told: _Told) -> Mapping[str, object]:
    """Return the completion of chunks; of a legacy completion too."""
    whole: Fields = {}
    choices: dict[bytes, Fields] = {}
    for _kind, chunk in told:
        for name, raw in chunk.items():
            if name != "choices" and (given(raw) or name not in whole):
                whole[name] = raw
        for choice in map(_fields, _list(chunk.get("choices", NULL))):
            index = bytes(choice.get("index", b"0"))
            choices[index] = _with_piece(choices.get(index, {}), choice)
    if word_or_empty(whole.get("object", NULL)) == "chat.completion.chunk":
        whole["object"] = raw_of("chat.completion")
    return whole | {"choices": [_choice(choice) for _index, choice in sorted(choices.items(), key=_place)]}


def _place(of: tuple[bytes, Fields]) -> tuple[int, bytes]:
    return len(of[0]), of[0]


def _choice(choice: Fields) -> Fields:
    """Return a choice as it stands in a whole reply."""
    message = _fields(choice.pop("delta", choice.pop("message", NULL)))
    if "text" in choice and not message:
        return choice
    if given(message.get("tool_calls")):
        calls = map(_fields, _list(message["tool_calls"]))
        message["tool_calls"] = raw_of([{name: raw for name, raw in call.items() if name != "index"} for call in calls])
    return choice | {"message": raw_of({"role": raw_of("assistant"), "content": NULL} | message)}


_NOT_GROWING = frozenset({"role", "id", "type", "name", "object", "index", "finish_reason", "format"})
"""Texts that are said anew and not further."""


def _with_piece(whole: Fields, piece: Fields) -> Fields:
    """Return members with what a piece adds to them: texts grow, objects too, and lists by the index of their items."""
    grown = dict(whole)
    for name, raw in piece.items():
        before = grown.get(name, NULL)
        if not given(raw):
            grown.setdefault(name, raw)
        elif not given(before) or name in _NOT_GROWING:
            grown[name] = raw if bytes(raw) != b'""' or not given(before) else before
        elif is_text(before) and is_text(raw):
            grown[name] = raw_of(_decode_text(before) + _decode_text(raw))
        elif begins(before, b"{") and begins(raw, b"{"):
            grown[name] = raw_of(_with_piece(_fields(before), _fields(raw)))
        elif begins(before, b"[") and begins(raw, b"["):
            grown[name] = raw_of(_with_items(_list(before), _list(raw)))
        else:
            grown[name] = raw
    return grown


def _with_items(whole: Sequence[msgspec.Raw], pieces: Sequence[msgspec.Raw]) -> Sequence[msgspec.Raw]:
    """Return a list with further items; one with the index of an item that is there goes on with that."""
    items = list(whole)
    for piece in pieces:
        added = object_or_none(piece)
        index = None if added is None else added.get("index")
        there = next((at for at, item in enumerate(items) if index and _fields(item).get("index") == index), None)
        if there is None or added is None or _is_another(_fields(items[there]), added):
            items.append(piece)
        else:
            items[there] = raw_of(_with_piece(_fields(items[there]), added))
    return items


def _is_another(item: Fields, piece: Fields) -> bool:
    """Say whether a piece with the index of an item is another one: some servers give all calls the same."""
    return given(piece.get("id")) and given(item.get("id")) and piece["id"] != item["id"]


_GROWS = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "compaction_delta": "content",
}


def _messages(told: _Told) -> Mapping[str, object]:
    """Return the message of its events. Raises UpstreamFault where it never started."""
    message: Fields = {}
    blocks: dict[bytes, Fields] = {}
    for kind, event in told:
        index = bytes(event.get("index", b"0"))
        match kind:
            case "message_start" if not message:
                message = _fields(event.get("message", NULL))
            case "content_block_start":
                blocks[index] = _fields(event.get("content_block", NULL))
            case "content_block_delta" if index in blocks:
                blocks[index] = _with_delta(blocks[index], _fields(event.get("delta", NULL)))
            case "message_delta":
                usage = _fields(message.get("usage", NULL)) | _given(_fields(event.get("usage", NULL)))
                message |= _fields(event.get("delta", NULL)) | {"usage": raw_of(usage)}
            case _:
                pass
    if not message:
        raise UpstreamFault("the stream has no `message_start`")
    content = [*_list(message.get("content", NULL)), *map(_whole_block, blocks.values())]
    return message | {"content": content}


def _with_delta(block: Fields, delta: Fields) -> Fields:
    kind = word_or_empty(delta.get("type", NULL))
    if kind == "citations_delta":
        return block | {"citations": raw_of([*_list(block.get("citations", NULL)), delta.get("citation", NULL)])}
    if kind == "input_json_delta":
        return _with_piece(block, {"partial_json": delta.get("partial_json", NULL)})
    return _with_piece(block, {name: raw for name, raw in delta.items() if name == _GROWS.get(kind)})


def _whole_block(block: Fields) -> Fields:
    """Return a block with its input, which came as a text; one that is no JSON is left as it began."""
    written = word_or_empty(block.pop("partial_json", NULL))
    return block | {"input": msgspec.Raw(written.encode())} if object_or_none(written) is not None else block


def _responses(told: _Told) -> Mapping[str, object]:
    """Return the response that the last event holds, with the items that came before where it has none (Codex)."""
    items = [event["item"] for kind, event in told if kind == "response.output_item.done" and "item" in event]
    response = next((_fields(event.get("response", NULL)) for kind, event in reversed(told) if kind in ENDS), None)
    if response is None:
        raise UpstreamFault("the stream has no event that ends a response")
    return response if _list(response.get("output", NULL)) else response | {"output": items}


_READERS: Mapping[DialectName, Callable[[_Told], Mapping[str, object]]] = {
    "openai_chat": _chat,
    "openai_completions": _chat,
    "openai_responses": _responses,
    "anthropic_messages": _messages,
}


def _objects_of(events: Sequence[Event]) -> list[tuple[Event, Fields]]:
    read = ((event, object_or_none(event.data or b"")) for event in events)
    return [(event, one) for event, one in read if one is not None]


def _given(fields: Fields) -> Fields:
    return {name: raw for name, raw in fields.items() if given(raw)}


def _fields(raw: msgspec.Raw) -> Fields:
    return object_or_none(raw) or {}


def _list(raw: msgspec.Raw) -> list[msgspec.Raw]:
    try:
        return _decode_list(raw)
    except UNREADABLE:
        return []
