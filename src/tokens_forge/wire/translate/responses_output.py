"""What a reply of OpenAI's Responses is made of: its items as they grow, the events that say so, and the whole.

It knows no upstream. Who translates one says here what the model said, in its order, and takes the bytes. A reply and
a stream are written by the same code, so that they say the same: of a reply the events are not written.

Reasoning is a summary, as clients show that and give it back (Codex leaves the other place, `content`, out). Calls may
grow side by side, each in its own item; a message or a reasoning item ends where another item begins. The response
names the request's own members again, as the SDKs' types want it, and says `store: false`, since nothing is kept.

Sources, read 2026-11: the types of OpenAI's Python library 3.54.0 (`Response`, `ResponseStreamEvent`) and what its
accumulator wants (`lib/streaming/responses`: one `call_id` a call); API reference ("Create a model response",
"Streaming events"); the Open Responses specification as bundled with llm-comply (members that it requires).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, assert_never

import msgspec

from tokens_forge.core.usage import INPUT_CLASSES, OUTPUT_CLASSES, written
from tokens_forge.wire.request import NULL, UNREADABLE, Fields, Request, object_or_none
from tokens_forge.wire.sse import data_event
from tokens_forge.wire.translate.made_ids import created_s, made_id
from tokens_forge.wire.translate.members import Json, without_nulls
from tokens_forge.wire.translate.responses_custom_input import FreeText

ToolKind = Literal["function", "custom", "local_shell", "tool_search"]

Incomplete = Literal["", "max_output_tokens", "content_filter"]
"""Why a response is not whole; empty for one that is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalledTool:
    """The client's tool that a call is for."""

    kind: ToolKind
    name: str
    namespace: str = ""


class Output:
    """A response as it grows.

    Of a stream, `taken` returns the events of what was said since it was last called. `streamed` says whether there
    is one.
    """

    def __init__(self, request: Request, call_id: str, *, streamed: bool) -> None:
        self._request = request
        self._call_id = call_id
        self._streamed = streamed
        self._events: list[bytes] = []
        self._sequence = 0
        self._items: list[_Item] = []
        self._speaking: _Message | _Reasoning | None = None
        self._call_ids: set[str] = set()
        self._echo: Json = {}
        self._ending: Json = {"status": "in_progress", "incomplete_details": None, "usage": None}

    def begin(self, model: str) -> None:
        """Begin the response: `created` and `in_progress`; `model` as the upstream names it. Comes first."""
        self._echo = {**_echo(self._request), "model": model}
        self._event("response.created", response=self.response())
        self._event("response.in_progress", response=self.response())

    def text(self, delta: str) -> None:
        """Add to the text of the answer."""
        self._say("output_text", delta)

    def refusal(self, delta: str) -> None:
        """Add to the words of a refusal."""
        self._say("refusal", delta)

    def annotate(self, annotation: Json) -> None:
        """Add an annotation (a citation) to the text that is being said; without any, to an empty one."""
        message, part = self._part("output_text")
        self._event(
            "response.output_text.annotation.added",
            **message.place(),
            content_index=len(message.parts) - 1,
            annotation_index=len(part.annotations),
            annotation=annotation,
        )
        part.annotations.append(annotation)

    def reasoning(self, delta: str) -> None:
        """Add to what is told of the reasoning."""
        item = self._reasoning()
        if not item.pieces:
            self._event("response.reasoning_summary_part.added", **item.place(), summary_index=0, part=_summary(""))
        item.pieces.append(delta)
        self._event("response.reasoning_summary_text.delta", **item.place(), summary_index=0, delta=delta)

    def seal(self, encrypted: str) -> None:
        """Give the reasoning that is being told its `encrypted_content`; where none is told, it has only that."""
        self._reasoning().encrypted = encrypted

    def close(self) -> None:
        """End the message or the reasoning item that is being said."""
        if self._speaking is not None:
            self._end(self._speaking, "completed")
            self._speaking = None

    def call(self, tool: CalledTool, call_id: str) -> int:
        """Begin a call of a tool and return its place; an id that is empty or was given before is made."""
        self.close()
        place = len(self._items)
        if not call_id or call_id in self._call_ids:
            call_id = made_id("call_", self._call_id, place)
        self._call_ids.add(call_id)
        item = _Call(place, made_id(_PREFIXES[tool.kind], self._call_id, place), tool, call_id)
        self._items.append(item)
        if tool.kind in _IN_PIECES:
            self._event("response.output_item.added", output_index=place, item=item.told("in_progress"))
        return place

    def arguments(self, place: int, delta: str) -> None:
        """Add to the arguments of the call at `place`; of a call that has ended it does nothing."""
        item = self._items[place]
        assert isinstance(item, _Call), "calls begin with `call`"
        if item.status is None:
            self._argue(item, item.feed(delta))

    def end_call(self, place: int) -> None:
        """End the call at `place`: its arguments are whole."""
        self._end(self._items[place], "completed")

    def finish(self, incomplete: Incomplete, *, usage: Mapping[str, int] | None, tier: str) -> None:
        """End the response.

        `usage` has disjoint classes (`core/usage.py`), None where none was reported; `tier` is the tier of service in
        OpenAI's words, empty where it is not named.
        """
        for item in self._items:
            self._end(item, "incomplete" if incomplete else "completed")
        self._speaking = None
        if tier in _TIERS:
            self._echo = {**self._echo, "service_tier": tier}
        self._ending = {
            "status": "incomplete" if incomplete else "completed",
            "incomplete_details": {"reason": incomplete} if incomplete else None,
            "usage": None if usage is None else usage_object(usage),
        }
        self._event(f"response.{self._ending['status']}", response=self.response())

    def fail(self, code: str, message: str) -> None:
        """End the response as one that failed, under the id and after the events that its client has.

        Clients know an error's `code` from a closed list; ours is its `type` (see `openai_responses.error_event`). Of
        what was being said no event says that it is done.
        """
        for item in self._items:
            item.status = item.status or "incomplete"
        error = {"code": "server_error", "message": message, "type": code}
        self._ending = {"status": "failed", "error": error, "incomplete_details": None, "usage": None}
        self._event("response.failed", response=self.response())

    def response(self) -> Json:
        """Return the response as far as it was said."""
        return {
            "id": made_id("resp_", self._call_id),
            "object": "response",
            "created_at": created_s(self._call_id),
            "completed_at": None,
            "error": None,
            **self._echo,
            **self._ending,
            "output": [item.told(item.status or "in_progress") for item in self._items],
        }

    def taken(self) -> bytes:
        """Return the events since it was last called."""
        events = b"".join(self._events)
        self._events.clear()
        return events

    def _say(self, kind: "_PartKind", delta: str) -> None:
        message, part = self._part(kind)
        part.pieces.append(delta)
        more: Json = _NO_LOGPROBS if kind == "output_text" else {}
        index = len(message.parts) - 1
        self._event(f"response.{kind}.delta", **message.place(), content_index=index, delta=delta, **more)

    def _part(self, kind: "_PartKind") -> "tuple[_Message, _Part]":
        """Return the part of this kind that is being said; begins it, and its message."""
        message = self._speaking
        if not isinstance(message, _Message):
            self.close()
            place = len(self._items)
            message = self._speaking = _Message(place, made_id("msg_", self._call_id, place))
            self._items.append(message)
            self._event("response.output_item.added", output_index=place, item=message.told("in_progress"))
        if not message.parts or message.parts[-1].kind != kind:
            self._end_part(message)
            message.parts.append(_Part(kind))
            self._event(
                "response.content_part.added",
                **message.place(),
                content_index=len(message.parts) - 1,
                part=message.parts[-1].told(),
            )
        return message, message.parts[-1]

    def _reasoning(self) -> "_Reasoning":
        item = self._speaking
        if not isinstance(item, _Reasoning):
            self.close()
            place = len(self._items)
            item = self._speaking = _Reasoning(place, made_id("rs_", self._call_id, place))
            self._items.append(item)
            self._event("response.output_item.added", output_index=place, item=item.told("in_progress"))
        return item

    def _end(self, item: "_Item", status: "_Status") -> None:
        if item.status is not None:
            return
        match item:
            case _Message():
                self._end_part(item)
            case _Reasoning():
                self._end_reasoning(item)
            case _Call():
                self._end_arguments(item)
            case _:
                assert_never(item)
        item.status = status
        self._event("response.output_item.done", output_index=item.index, item=item.told(status))

    def _end_part(self, message: "_Message") -> None:
        if not message.parts:
            return
        part, place = message.parts[-1], {**message.place(), "content_index": len(message.parts) - 1}
        more: Json = {"text": part.text, **_NO_LOGPROBS} if part.kind == "output_text" else {"refusal": part.text}
        self._event(f"response.{part.kind}.done", **place, **more)
        self._event("response.content_part.done", **place, part=part.told())

    def _end_reasoning(self, item: "_Reasoning") -> None:
        if item.pieces:
            text, place = "".join(item.pieces), {**item.place(), "summary_index": 0}
            self._event("response.reasoning_summary_text.done", **place, text=text)
            self._event("response.reasoning_summary_part.done", **place, part=_summary(text))

    def _argue(self, item: "_Call", delta: str) -> None:
        if delta and item.tool.kind in _IN_PIECES:
            name, _ = _IN_PIECES[item.tool.kind]
            self._event(f"response.{name}.delta", **item.place(), delta=delta)

    def _end_arguments(self, item: "_Call") -> None:
        self._argue(item, item.ended())
        if item.tool.kind in _IN_PIECES:
            name, member = _IN_PIECES[item.tool.kind]
            self._event(f"response.{name}.done", **item.place(), **{member: item.text})
        else:
            self._event("response.output_item.added", output_index=item.index, item=item.told("in_progress"))

    def _event(self, kind: str, **members: object) -> None:
        if self._streamed:
            data = msgspec.json.encode({"type": kind, "sequence_number": self._sequence} | members)
            self._events.append(data_event(data, kind))
            self._sequence += 1


def usage_object(usage: Mapping[str, int]) -> Json:
    """Return disjoint classes as the `usage` of a response: its input has the cached tokens in it."""
    given = sum(usage.get(name, 0) for name in INPUT_CLASSES)
    made = sum(usage.get(name, 0) for name in OUTPUT_CLASSES)
    return {
        "input_tokens": given,
        "input_tokens_details": {
            "cached_tokens": usage.get("cache_read", 0),
            "cache_write_tokens": written(usage),
        },
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": usage.get("reasoning", 0)},
        "total_tokens": given + made,
    }


_PartKind = Literal["output_text", "refusal"]
_Status = Literal["in_progress", "completed", "incomplete"]

_NO_LOGPROBS: Json = {"logprobs": ()}

_PREFIXES: Mapping[ToolKind, str] = {"function": "fc_", "custom": "ctc_", "local_shell": "lsh_", "tool_search": "tsc_"}
_IN_PIECES: Mapping[ToolKind, tuple[str, str]] = {
    "function": ("function_call_arguments", "arguments"),
    "custom": ("custom_tool_call_input", "input"),
}
"""Calls whose arguments are streamed: the events' name, and the member of the last one. Of the others an item is told
when it is whole, since no event of Responses has a piece of them."""

_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast", "ultrafast"})


class _Grown:
    """Where an item stands, and how it ended; None for one that grows."""

    def __init__(self, index: int, item_id: str) -> None:
        self.index = index
        self.item_id = item_id
        self.status: _Status | None = None

    def place(self) -> dict[str, object]:
        return {"item_id": self.item_id, "output_index": self.index}


class _Part:
    """A part of a message."""

    def __init__(self, kind: _PartKind) -> None:
        self.kind = kind
        self.pieces: list[str] = []
        self.annotations: list[Json] = []

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def told(self) -> Json:
        if self.kind == "refusal":
            return {"type": "refusal", "refusal": self.text}
        return {"type": "output_text", "text": self.text, "annotations": tuple(self.annotations), **_NO_LOGPROBS}


class _Message(_Grown):
    """What the model said to the user."""

    def __init__(self, index: int, item_id: str) -> None:
        super().__init__(index, item_id)
        self.parts: list[_Part] = []

    def told(self, status: _Status) -> Json:
        content = [part.told() for part in self.parts]
        return {"id": self.item_id, "type": "message", "role": "assistant", "status": status, "content": content}


class _Reasoning(_Grown):
    """What is told of the model's reasoning."""

    def __init__(self, index: int, item_id: str) -> None:
        super().__init__(index, item_id)
        self.pieces: list[str] = []
        self.encrypted: str | None = None

    def told(self, status: _Status) -> Json:
        summary = [_summary("".join(self.pieces))] if self.pieces and status != "in_progress" else []
        sealed = {} if self.encrypted is None else {"encrypted_content": self.encrypted}
        return {"id": self.item_id, "type": "reasoning", "summary": summary, **sealed}


class _Call(_Grown):
    """A call of a tool."""

    def __init__(self, index: int, item_id: str, tool: CalledTool, call_id: str) -> None:
        super().__init__(index, item_id)
        self.tool = tool
        self._call_id = call_id
        self._free = FreeText() if tool.kind == "custom" else None
        self._pieces: list[str] = []

    @property
    def text(self) -> str:
        """The arguments so far, or the text of a custom tool."""
        return "".join(self._pieces)

    def feed(self, delta: str) -> str:
        """Take a piece of the arguments and return what the client gets for it."""
        return self._kept(delta if self._free is None else self._free.feed(delta))

    def ended(self) -> str:
        """Return what the client gets when no more comes."""
        return self._kept("" if self._free is None else self._free.end())

    def _kept(self, piece: str) -> str:
        self._pieces.append(piece)
        return piece

    def told(self, status: _Status) -> Json:
        told = {"id": self.item_id, "call_id": self._call_id, "status": status}
        named = {"name": self.tool.name} | ({"namespace": self.tool.namespace} if self.tool.namespace else {})
        text = "" if status == "in_progress" else self.text
        match self.tool.kind:
            case "custom":
                return told | {"type": "custom_tool_call", **named, "input": text}
            case "local_shell" if (action := _action(self.text)) is not None:
                return told | {"type": "local_shell_call", "action": action}
            case "tool_search" if (arguments := object_or_none(self.text)) is not None:
                return told | {"type": "tool_search_call", "execution": "client", "arguments": arguments}
            case _:
                return told | {"type": "function_call", **named, "arguments": text}


_Item = _Message | _Reasoning | _Call


class _Command(msgspec.Struct, omit_defaults=True):
    """What `local_shell` does (`LocalShellCallAction`)."""

    command: list[str]
    env: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    timeout_ms: int | None = None
    user: str | None = None
    working_directory: str | None = None


_decode_command = msgspec.json.Decoder(_Command).decode
_decode_tools = msgspec.json.Decoder(list[Fields]).decode


def _action(arguments: str) -> Json | None:
    """Return a command to be run; None for arguments that are none: the client is then told of a call as it came."""
    try:
        command = _decode_command(arguments)
    except UNREADABLE:
        return None
    return {"type": "exec", "env": {}} | msgspec.to_builtins(command)


def _summary(text: str) -> Json:
    return {"type": "summary_text", "text": text}


_UNSAID: Mapping[str, object] = {
    "instructions": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "temperature": 1,
    "tool_choice": "auto",
    "top_p": 1,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "service_tier": "default",
    "top_logprobs": 0,
    "truncation": "disabled",
    "user": None,
}
"""What a response says of a member that the request does not have."""


def _echo(request: Request) -> Json:
    """Return what a response repeats of its request."""
    given = without_nulls(request.fields)
    return {
        **_UNSAID,
        **{name: raw for name, raw in given.items() if name in _UNSAID},
        "tools": _tools(given.get("tools", NULL)),
        "reasoning": {"effort": None, "summary": None} | (object_or_none(given.get("reasoning", NULL)) or {}),
        "text": {"format": {"type": "text"}} | (object_or_none(given.get("text", NULL)) or {}),
        "background": False,
        "store": False,
    }


def _tools(raw: msgspec.Raw) -> Sequence[Json]:
    """Return the client's tools; of a function with every member that the types want."""
    try:
        tools = _decode_tools(raw)
    except UNREADABLE:
        return []
    return [_FUNCTION | tool if tool.get("type") == _FUNCTION_TYPE else tool for tool in tools]


_FUNCTION_TYPE = msgspec.Raw(b'"function"')
_FUNCTION: Fields = {"description": NULL, "parameters": NULL, "strict": msgspec.Raw(b"false")}
