"""A Responses request, written as a chat completion for any OpenAI-compatible server.

Decides member by member what is carried, refused by its path or dropped and named (`_REFUSED`, `_READ`; every other
member is dropped). It knows no upstream: where they differ, it writes what most of them take. So the maximum is
`max_tokens`: OpenAI's newer models refuse it, but they are asked in Responses as they are, and all others know it. So
labels and hints that some servers refuse unseen (`metadata`, `prompt_cache_key`, which Codex always sends) are
dropped. The tools have their own file, `responses_chat_tools.py`.

What the assistant did between two words of the others is one message: its reasoning, its text and its calls. The
results of the calls follow it, wherever the client has them, as every server wants it. Chat completions have text in
results alone: pictures and files follow as the user's. Developers' messages are the system's, the first of them joined
with the instructions; later ones stay where they were said, so that a prompt's prefix stays what is cached.

Reasoning goes back in the member that it came in, which its `encrypted_content` says (`responses_chat_reply.py`):
DeepSeek refuses a conversation with tools that lacks it, and others refuse a member that they never gave. Reasoning
without that goes as `reasoning_content`; what another maker sealed is not this model's and is dropped.

Sources, read 2026-11: OpenAI API reference ("Create a model response", "Create chat completion") and the parameter
types of its Python library 3.54.0 (`ResponseCreateParams`, `ResponseInputItemParam`, `CompletionCreateParams`);
DeepSeek API docs, "Thinking Mode" (what must be passed back within tool calls); openai/codex,
`codex-rs/protocol/src/models.rs` (the items that it sends: `agent_message`, `tool_search_output`, no `content` of
reasoning) and `codex-rs/codex-api/src/common.rs`.
"""

from collections.abc import Callable, Mapping

import msgspec

from tokens_forge.wire.request import NULL, Fields, Request, is_text, raw_of
from tokens_forge.wire.translate.chat_answers import REASONING_MEMBERS
from tokens_forge.wire.translate.chat_words import ATTACHED, PARAGRAPH
from tokens_forge.wire.translate.members import (
    Dropped,
    Json,
    flag_in,
    is_default,
    object_in,
    object_of,
    objects_in,
    objects_of,
    text_in,
    without_nulls,
    word_in,
    written_number_in,
)
from tokens_forge.wire.translate.responses_chat_tools import read_tools
from tokens_forge.wire.translate.responses_custom_input import MEMBER
from tokens_forge.wire.translate.responses_request import (
    ASSISTANT_PARTS,
    DEFAULTS,
    ITEM,
    SYSTEM_PARTS,
    read_include,
    refuse,
)
from tokens_forge.wire.translate.responses_tools import LOCAL_SHELL, TOOL_SEARCH, name_in
from tokens_forge.wire.translation import NotCarried, Translated

REASONING_MARK = "tf-chat."
"""How the `encrypted_content` begins that names the member which a reasoning came in. Nothing in it is secret."""

EXTRA_CONTENT_MARK = "tf-chat-call."
"""How the one begins that has what a server added to the call after it (Gemini's `extra_content`), as JSON."""


def translate_request(request: Request) -> Translated:
    """Return the request in the upstream's dialect, without a model. Raises NotCarried."""
    given = without_nulls(request.fields)
    refuse(given, _REFUSED)
    dropped = Dropped(given, DEFAULTS)
    dropped.add_unread(given, _READ)
    tools = read_tools(given, dropped)
    conversation = _Conversation(dropped)
    conversation.read(given)
    read_include(given, dropped, no_logprobs=_NO_LOGPROBS)
    text = object_in(given, "text", "") if "text" in given else {}
    dropped.add_unread(text, ("format", "verbosity"), "text")
    sent: dict[str, object] = {
        "messages": conversation.messages(),
        "tools": tools.sent or None,
        "tool_choice": tools.choice,
        "parallel_tool_calls": None if not tools.sent or flag_in(given, "parallel_tool_calls", default=True) else False,
        "max_tokens": given.get("max_output_tokens"),
        "temperature": written_number_in(given, "temperature"),
        "top_p": written_number_in(given, "top_p"),
        "response_format": _response_format(text, dropped),
        "verbosity": None if is_default("verbosity", text.get("verbosity", NULL), DEFAULTS) else text.get("verbosity"),
        "reasoning_effort": _effort(given, dropped),
        "service_tier": None if request.tier_asked in _USUAL_TIERS else request.tier_asked,
        "moderation": given.get("moderation"),
        "user": text_in(given, "user", "") if "user" in given else None,
        "stream": request.stream or None,
    }
    return Translated(
        fields={name: raw_of(value) for name, value in sent.items() if value is not None},
        dropped=dropped.paths(),
    )


_NO_LOGPROBS = "log probabilities are not carried"

_REFUSED: Mapping[str, str] = {
    "previous_response_id": "chat completions keep no response: send the whole conversation",
    "conversation": "chat completions keep no conversation: send the whole of it",
    "prompt": "chat completions keep no prompt: send its text",
    "background": "chat completions answer while the client waits",
    "top_logprobs": _NO_LOGPROBS,
}
"""Members that change what the answer is, and why chat completions can't have them."""

_READ = frozenset(
    {
        "model",
        "input",
        "instructions",
        "max_output_tokens",
        "stream",
        "stream_options",
        "store",
        "include",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "text",
        "reasoning",
        "temperature",
        "top_p",
        "service_tier",
        "moderation",
        "user",
        *_REFUSED,
    }
)
"""Members that are read. Nothing is kept for the client and no event is padded here, so that `store` and
`stream_options` ask for nothing."""

_USUAL_TIERS = frozenset({"", "auto", "default"})
_UNSEALED = REASONING_MARK + REASONING_MEMBERS[0]
_SEALED = "gAAAA"
"""How what OpenAI encrypted begins. Other models' messages between agents have their words in the same place."""

_SPOKEN = frozenset({"input_text", "input_image", "input_file", "input_audio"})
_AGENT_PARTS = _SPOKEN | {"encrypted_content"}
_TEXTS: Mapping[str, str] = {
    "input_text": "text",
    "output_text": "text",
    "refusal": "refusal",
    "encrypted_content": "encrypted_content",
}
"""Parts that are texts, and the member that has it."""

_DONE_BY_THE_PROVIDER = frozenset({"web_search_call", "image_generation_call"})
"""Items about tools that the provider ran in an earlier turn; what the assistant made of them is in its text."""

_KEPT: Mapping[str, str] = {
    "item_reference": "chat completions keep no item: send the item itself",
    "compaction": "what it stands for is sealed to another provider",
    "compaction_summary": "what it stands for is sealed to another provider",
}
"""Items that only their provider can read, and what that means."""

_RESULTS = frozenset({"function_call_output", "custom_tool_call_output", "local_shell_call_output"})
_DETAILS = frozenset({b'"low"', b'"high"'})

_Part = msgspec.Raw | Json
"""A text as it was written, or a part of another kind as chat completions have it."""


class _Message:
    """A message, and what follows an assistant's: the results of its calls, and what they have beside text."""

    def __init__(self, role: str) -> None:
        self.role = role
        self.parts: list[_Part] = []
        self.thoughts: dict[str, list[str]] = {}
        self.calls: list[Json] = []
        self.results: list[Json] = []
        self.attached: list[_Part] = []

    def sent(self) -> list[Json]:
        """Return it as messages; none where it says nothing."""
        if not self.parts and not self.calls:
            return []
        content = _content(self.parts) if self.parts else None
        thoughts = {name: PARAGRAPH.join(texts) for name, texts in self.thoughts.items()}
        calls = {"tool_calls": self.calls} if self.calls else {}
        own: Json = {"role": self.role, "content": content, **thoughts, **calls}
        attached: list[Json] = [{"role": "user", "content": _listed(self.attached)}] if self.attached else []
        return [own, *self.results, *attached]


class _Conversation:
    """The conversation so far."""

    def __init__(self, dropped: Dropped) -> None:
        self._dropped = dropped
        self._messages: list[_Message] = []
        self._caller: dict[str, _Message] = {}
        """The message of each call."""
        self._extra: Json = {}
        """What belongs to the next call."""

    def read(self, given: Fields) -> None:
        """Add what the request says."""
        if "instructions" in given:
            self._system([text_in(given, "instructions", "")])
        spoken = given.get("input", NULL)
        if is_text(spoken):
            self._message("user").parts.append(spoken)
        else:
            for item, path in objects_of(spoken, "input"):
                self._add(item, path)

    def messages(self) -> list[Json]:
        """Return all of it. Raises NotCarried where it says nothing."""
        messages = [sent for message in self._messages for sent in message.sent()]
        if not messages:
            raise NotCarried("input", "it says nothing")
        return messages

    def _message(self, role: str) -> _Message:
        self._messages.append(_Message(role))
        return self._messages[-1]

    def _system(self, parts: list[_Part]) -> None:
        """Add to the system's message, or begin one."""
        last = self._messages[-1] if self._messages else None
        message = last if last is not None and last.role == "system" else self._message("system")
        message.parts += parts

    def _assistant(self) -> _Message:
        """Return the assistant's message that goes on: the last one, as long as none of its calls has a result."""
        last = self._messages[-1] if self._messages else None
        return (
            last if last is not None and last.role == "assistant" and not last.results else self._message("assistant")
        )

    def _add(self, item: Fields, path: str) -> None:
        kind = word_in(item, "type", path) if "type" in item else "message"
        match kind:
            case "message":
                self._said(item, path)
            case "agent_message":
                self._message("user").parts += self._parts(item, "content", path, _AGENT_PARTS)
                self._dropped.add_unread(item, ITEM | {"content"}, "input", "[]")
            case "reasoning":
                self._thought(item, path)
            case "tool_search_output":
                self._result(item, path, [_quoted(item.get("tools", NULL))])
            case "additional_tools":
                pass  # They are in the list of tools.
            case _ if kind in _CALLS:
                self._call(item, path, *_CALLS[kind](item, path))
            case _ if kind in _RESULTS:
                self._result(item, path, self._parts(item, "output", path, _SPOKEN))
            case _ if kind in _DONE_BY_THE_PROVIDER:
                self._dropped.add("input", f"[].{kind}")
            case _:
                raise NotCarried(f"{path}.type", _KEPT.get(kind, "chat completions have no item of this kind"))

    def _said(self, item: Fields, path: str) -> None:
        role = word_in(item, "role", path)
        match role:
            case "system" | "developer":
                self._system(self._parts(item, "content", path, SYSTEM_PARTS))
            case "user":
                self._message("user").parts += self._parts(item, "content", path, _SPOKEN)
            case "assistant":
                parts = self._parts(item, "content", path, ASSISTANT_PARTS)
                # What was cut into parts is one text; one message after another is another paragraph.
                self._assistant().parts += [_joined(parts, "")] if parts else []
            case _:
                raise NotCarried(f"{path}.role", "chat completions have no such role here")
        self._dropped.add_unread(item, ITEM | {"role", "content"}, "input", "[]")

    def _call(self, item: Fields, path: str, name: str, arguments: msgspec.Raw) -> None:
        call_id = word_in(item, "call_id" if "call_id" in item else "id", path)
        message = self._caller[call_id] = self._assistant()
        function: Json = {"name": name, "arguments": arguments}
        message.calls.append({"id": call_id, "type": "function", "function": function, **self._extra})
        self._extra = {}
        self._dropped.add_unread(item, _CALL, "input", "[]")

    def _result(self, item: Fields, path: str, parts: list[_Part]) -> None:
        id_name = "call_id" if "call_id" in item else "id"
        call_id = word_in(item, id_name, path)
        message = self._caller.get(call_id)
        if message is None:
            raise NotCarried(f"{path}.{id_name}", "no call before it has this id")
        texts: list[_Part] = [part for part in parts if isinstance(part, msgspec.Raw)]
        attached = [part for part in parts if not isinstance(part, msgspec.Raw)]
        content: object = _joined(texts, PARAGRAPH) if texts else ATTACHED if attached else ""
        message.results.append({"role": "tool", "tool_call_id": call_id, "content": content})
        message.attached += attached
        self._dropped.add_unread(item, _RESULT, "input", "[]")

    def _thought(self, item: Fields, path: str) -> None:
        sealed = word_in(item, "encrypted_content", path) if "encrypted_content" in item else _UNSEALED
        member = sealed.removeprefix(REASONING_MARK)
        texts = _thoughts(item, path)
        if sealed.startswith(EXTRA_CONTENT_MARK):
            extra = msgspec.Raw(sealed.removeprefix(EXTRA_CONTENT_MARK).encode())
            object_of(extra, f"{path}.encrypted_content")
            self._extra = {"extra_content": extra}
        elif member == sealed or member not in REASONING_MEMBERS:
            self._dropped.add("input", "[].reasoning")
        elif texts:
            self._assistant().thoughts.setdefault(member, []).append(PARAGRAPH.join(texts))

    def _parts(self, item: Fields, name: str, path: str, kinds: frozenset[str]) -> list[_Part]:
        content, path = item.get(name, NULL), f"{path}.{name}"
        if is_text(content):
            return [content]
        parts: list[_Part] = []
        for part, where in objects_of(content, path):
            kind = word_in(part, "type", where)
            if kind not in kinds:
                raise NotCarried(f"{where}.type", "a part of this kind can't be said there in a chat completion")
            parts.append(self._part(kind, part, where, f"[].{name}[]"))
        return parts

    def _part(self, kind: str, part: Fields, path: str, rest: str) -> _Part:
        match kind:
            case "input_image":
                return self._image(part, path, rest)
            case "input_file":
                self._dropped.add_unread(part, ("type", "file_data", "filename", *_KEPT_ELSEWHERE), "input", rest)
                _refuse_kept(part, path)
                named = {"filename": text_in(part, "filename", path)} if "filename" in part else {}
                return {"type": "file", "file": {**named, "file_data": text_in(part, "file_data", path)}}
            case "input_audio":
                object_in(part, "input_audio", path)
                return {"type": "input_audio", "input_audio": part["input_audio"]}
            case _:
                name = _TEXTS[kind]
                self._dropped.add_unread(part, ("type", name, "annotations", "logprobs"), "input", rest)
                if kind == "encrypted_content" and word_in(part, name, path).startswith(_SEALED):
                    raise NotCarried(f"{path}.{name}", "it is sealed to another provider")
                return text_in(part, name, path)

    def _image(self, part: Fields, path: str, rest: str) -> Json:
        _refuse_kept(part, path)
        image: dict[str, object] = {"url": text_in(part, "image_url", path)}
        read = ["type", "image_url", *_KEPT_ELSEWHERE]
        if bytes(part.get("detail", NULL)) in _DETAILS:
            image["detail"] = part["detail"]
            read.append("detail")
        self._dropped.add_unread(part, read, "input", rest)
        return {"type": "image_url", "image_url": image}


def _function_call(item: Fields, path: str) -> tuple[str, msgspec.Raw]:
    return name_in(item, path), text_in(item, "arguments", path)


def _custom_call(item: Fields, path: str) -> tuple[str, msgspec.Raw]:
    return name_in(item, path), _quoted(raw_of({MEMBER: text_in(item, "input", path)}))


def _shell_call(item: Fields, path: str) -> tuple[str, msgspec.Raw]:
    action = object_in(item, "action", path)
    return LOCAL_SHELL, _quoted(raw_of({name: value for name, value in action.items() if name != "type"}))


def _search_call(item: Fields, path: str) -> tuple[str, msgspec.Raw]:
    object_in(item, "arguments", path)
    return TOOL_SEARCH, _quoted(item["arguments"])


_CALLS: Mapping[str, Callable[[Fields, str], tuple[str, msgspec.Raw]]] = {
    "function_call": _function_call,
    "custom_tool_call": _custom_call,
    "local_shell_call": _shell_call,
    "tool_search_call": _search_call,
}
"""Calls of tools: the function's name and its arguments, a text that is JSON."""

_CALL = ITEM | {"call_id", "name", "namespace", "arguments", "input", "action", "execution"}
_RESULT = ITEM | {"call_id", "name", "namespace", "output", "tools", "execution"}
_KEPT_ELSEWHERE = ("file_id", "file_url")


def _refuse_kept(part: Fields, path: str) -> None:
    for name in _KEPT_ELSEWHERE:
        if name in part:
            raise NotCarried(f"{path}.{name}", "chat completions take a file's bytes, not where it is kept")


def _thoughts(item: Fields, path: str) -> list[str]:
    """Return the texts of a reasoning; its summary where it has no content."""
    for name in ("content", "summary"):
        texts = [word_in(part, "text", where) for part, where in objects_in(item, name, path)]
        if texts:
            return texts
    return []


def _content(parts: list[_Part]) -> msgspec.Raw | list[Json]:
    """Return texts as one text, as servers differ in what they make of lists of them."""
    return _joined(parts, PARAGRAPH) if all(isinstance(part, msgspec.Raw) for part in parts) else _listed(parts)


def _listed(parts: list[_Part]) -> list[Json]:
    return [{"type": "text", "text": part} if isinstance(part, msgspec.Raw) else part for part in parts]


def _joined(parts: list[_Part], between: str) -> msgspec.Raw:
    texts = [part for part in parts if isinstance(part, msgspec.Raw)]
    return texts[0] if len(texts) == 1 else raw_of(between.join(msgspec.json.decode(text, type=str) for text in texts))


def _response_format(text: Fields, dropped: Dropped) -> Json | None:
    if "format" not in text:
        return None
    told = object_in(text, "format", "text")
    match word_in(told, "type", "text.format"):
        case "text":
            return None
        case "json_object":
            return {"type": "json_object"}
        case "json_schema":
            dropped.add_unread(told, ("type", *_SCHEMA), "text", ".format")
            object_in(told, "schema", "text.format")
            schema: Json = {name: told[name] for name in _SCHEMA if name in told}
            return {"type": "json_schema", "json_schema": {"name": "answer", **schema}}
        case _:
            raise NotCarried("text.format.type", "it is none of `text`, `json_object` and `json_schema`")


_SCHEMA = ("name", "description", "schema", "strict")


def _effort(given: Fields, dropped: Dropped) -> msgspec.Raw | None:
    """Return the effort. A summary is what the reasoning is told as, however long it was wished."""
    told = object_in(given, "reasoning", "") if "reasoning" in given else {}
    dropped.add_unread(told, ("effort", "summary", "generate_summary"), "reasoning")
    return text_in(told, "effort", "reasoning") if "effort" in told else None


def _quoted(told: msgspec.Raw) -> msgspec.Raw:
    """Return JSON as a text that has it."""
    return raw_of(bytes(told).decode())
