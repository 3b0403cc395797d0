"""A request in Anthropic's Messages, written as a chat completion for any OpenAI-compatible server.

Decides what is carried, what is refused by its path and what is dropped and named. It knows no upstream: where they
differ, it writes what most of them take. So the maximum is `max_tokens`, which OpenAI's newer models refuse and all
others know; who sends it may rename it.

What a client said as several blocks of text is one text: servers differ in what they make of lists of text. An
assistant's blocks are put together as they were cut, so that a prompt's prefix stays what the upstream has cached.

Thinking goes back under the name that it came in (`reasoning_content` or `reasoning`), which its signature says
(`messages_chat_reply.py`), and what Gemini added to a call goes back to that call. DeepSeek refuses a conversation
with tools that lacks it, and Groq, Cerebras and others refuse a member that they never gave, so it is neither left
out nor given to all. Thinking that another maker signed is not this model's and is dropped.

Sources, read 2026-11: the types of Anthropic's Python library 2.13.0 (`MessageCreateParams`, `ContentBlockParam`) and
of OpenAI's 3.54.0 (`CompletionCreateParams`); Anthropic docs ("Tool use", "Structured outputs", "Effort"); DeepSeek
API docs, "Thinking Mode" (what must be passed back within tool calls); Groq's refusal as in tashfeenahmed/freellmapi
issue 1070; OpenAI's limit for `user` as in maximhq/bifrost pull request 1000; Claude Code's requests as in
ggml-org/llama.cpp pull request 20623, SaladDay/cc-switch-cli issue 170 and anthropics/claude-code issue 65863.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping

import msgspec

from tokens_forge.wire.request import NULL, Fields, Request, is_text, raw_of
from tokens_forge.wire.translate.chat_answers import REASONING_MEMBERS
from tokens_forge.wire.translate.chat_words import ATTACHED, PARAGRAPH
from tokens_forge.wire.translate.members import (
    Defaults,
    Dropped,
    count_in,
    list_of,
    object_in,
    object_of,
    objects_of,
    text_in,
    without_nulls,
    word_in,
    word_of,
)
from tokens_forge.wire.translation import NotCarried, Translated

EXTRA_CONTENT = "extra_content:"
"""How the signature begins of a block of thinking that holds what Gemini added to the call after it."""

WRAPPED_ID = "id64_"
"""How the id of a call begins whose own has signs that Anthropic's has not (Kimi: `functions.get_weather:0`): the rest
is base64 of it. It must go back as it was, since some models read it."""

LONGEST_USER = 64
"""Characters of `user` that OpenAI takes. Claude Code's `user_id` is longer: it holds the ids of an account, a device
and a session, which are no other maker's business either."""

SMALL_BUDGET_TOKENS = 4_096
MEDIUM_BUDGET_TOKENS = 16_384
"""Up to here a thinking budget is `low` and `medium` effort, above it is `high`. Our choice, there is no standard: it
gives Claude Code's three steps (4,000, 10,000 and 31,999 tokens) the three words."""

BILLING_HEADER = "x-anthropic-billing-header:"
"""How Claude Code begins a block of its system prompt that labels the call and changes with each: a prompt that begins
with it is in no cache."""

_Part = str | msgspec.Raw
_DEFAULTS = Defaults(of_any=frozenset({b"false", b"[]", b"{}", b'{"type":"direct"}'}))
"""What says nothing in any member; the last is how a model calls a tool itself (`caller`)."""

_ID = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)

_ABOUT_TOOLS = ("tool_choice", "parallel_tool_calls")

_DONE_BY_THE_PROVIDER = frozenset(
    {
        "server_tool_use",
        "web_search_tool_result",
        "web_fetch_tool_result",
        "code_execution_tool_result",
        "bash_code_execution_tool_result",
        "text_editor_code_execution_tool_result",
        "tool_search_tool_result",
    }
)
"""Blocks about tools that the provider ran in an earlier turn; what the assistant made of them is in its text."""


def translate_request(request: Request) -> Translated:
    """Return the chat completion that says what `request` says.

    Raises NotCarried for what it can't say, and for a member that is of the wrong kind.
    """
    sent = _Sent(request)
    for name, raw in without_nulls(request.fields).items():
        if name in _WRITERS:
            _WRITERS[name](sent, raw)
        else:
            sent.dropped.add(name)
    return sent.translated()


def wrapped_id(call_id: str) -> str:
    """Return the id that a client gets for a call's: the same, where Anthropic's schema has it."""
    if _ID.fullmatch(call_id) and not call_id.startswith(WRAPPED_ID):
        return call_id
    return WRAPPED_ID + urlsafe_b64encode(call_id.encode()).decode().rstrip("=")


def unwrapped_id(call_id: str) -> str:
    """Return the id that an upstream gave to a call, from the one that the client got."""
    if not call_id.startswith(WRAPPED_ID):
        return call_id
    wrapped = call_id.removeprefix(WRAPPED_ID)
    try:
        return urlsafe_b64decode(wrapped + "=" * (-len(wrapped) % 4)).decode()
    except ValueError:
        return call_id  # It is none of ours.


class _Sent:
    """The chat completion as far as it is written."""

    def __init__(self, request: Request) -> None:
        self._bound = request.output_bound
        self.dropped = Dropped(request.fields, _DEFAULTS)
        self.fields: Fields = {}
        self.thinks = True
        """False where thinking is turned off."""
        self.system: list[str] = []
        self.messages: list[dict[str, object]] = []

    def translated(self) -> Translated:
        if "tools" not in self.fields:
            for name in _ABOUT_TOOLS:
                self.fields.pop(name, None)  # Without tools it says nothing, and OpenAI refuses it.
        if not self.thinks and self.fields.pop("reasoning_effort", None) is not None:
            # Claude Code's subagents say both; an effort would turn it on again.
            self.dropped.add("output_config", ".effort")
        system = [{"role": "system", "content": PARAGRAPH.join(self.system)}] if self.system else []
        return Translated(
            fields={"max_tokens": raw_of(self._bound)} | self.fields | {"messages": raw_of([*system, *self.messages])},
            dropped=self.dropped.paths(),
        )

    def add_unread(self, members: Fields, read: frozenset[str], member: str, rest: str = "") -> None:
        """Add what an object says beside what is `read` to what is left out; marks for the cache are one, anywhere."""
        if "cache_control" in members:
            self.dropped.add_as("cache_control", member)
        self.dropped.add_unread(members, read | {"cache_control"}, member, rest)


def _carry(name: str) -> Callable[[_Sent, msgspec.Raw], None]:
    def write(sent: _Sent, raw: msgspec.Raw) -> None:
        sent.fields[name] = raw

    return write


def _refuse(name: str, why: str, *, but: bytes = b"[]") -> Callable[[_Sent, msgspec.Raw], None]:
    def write(_sent: _Sent, raw: msgspec.Raw) -> None:
        if bytes(raw) != but:
            raise NotCarried(name, why)

    return write


def _max_tokens(sent: _Sent, raw: msgspec.Raw) -> None:
    if bytes(raw) == b"0":
        raise NotCarried("max_tokens", "a chat completion can't fill a cache without an answer")
    if bytes(raw) == b"-1":  # a local server is asked for no maximum as the client asks for none
        sent.fields["max_tokens"] = raw


def _system(sent: _Sent, raw: msgspec.Raw) -> None:
    for path, kind, block in _blocks(raw, "system"):
        text = _plain(sent, path, kind, block, "system")
        if text.startswith(BILLING_HEADER):
            sent.dropped.add("system", f"[].{BILLING_HEADER.removesuffix(':')}")
        else:
            sent.system.append(text)


def _messages(sent: _Sent, raw: msgspec.Raw) -> None:
    conversation = _Conversation(sent)
    role, path = "", "messages"
    for members, path in objects_of(raw, "messages"):
        role = word_in(members, "role", path)
        blocks = _blocks(members.get("content", NULL), f"{path}.content")
        match role:
            case "user":
                conversation.user(blocks)
            case "assistant":
                conversation.assistant(blocks)
            case "system":
                conversation.system(blocks)
            case _:
                raise NotCarried(f"{path}.role", "it is none of `user`, `assistant` and `system`")
    if role == "assistant":
        raise NotCarried(path, "a chat completion does not go on from the assistant's own words")
    conversation.close()


def _tools(sent: _Sent, raw: msgspec.Raw) -> None:
    tools = [_tool(sent, tool, path) for tool, path in objects_of(raw, "tools")]
    if tools:
        sent.fields["tools"] = raw_of(tools)


def _tool_choice(sent: _Sent, raw: msgspec.Raw) -> None:
    members = object_of(raw, "tool_choice")
    match word_in(members, "type", "tool_choice"):
        case "auto":
            pass
        case "any":
            sent.fields["tool_choice"] = raw_of("required")
        case "none":
            sent.fields["tool_choice"] = raw_of("none")
        case "tool":
            function = {"name": word_in(members, "name", "tool_choice")}
            sent.fields["tool_choice"] = raw_of({"type": "function", "function": function})
        case _:
            raise NotCarried("tool_choice.type", "it is none of `auto`, `any`, `tool` and `none`")
    if members.get("disable_parallel_tool_use") == msgspec.Raw(b"true"):
        sent.fields["parallel_tool_calls"] = msgspec.Raw(b"false")
    sent.add_unread(members, frozenset({"type", "name", "disable_parallel_tool_use"}), "tool_choice")


def _thinking(sent: _Sent, raw: msgspec.Raw) -> None:
    members = object_of(raw, "thinking")
    match word_in(members, "type", "thinking"):
        case "enabled":
            budget = count_in(members, "budget_tokens", "thinking")
            effort = "low" if budget <= SMALL_BUDGET_TOKENS else "medium" if budget <= MEDIUM_BUDGET_TOKENS else "high"
            sent.fields.setdefault("reasoning_effort", raw_of(effort))
        case "adaptive":
            pass  # The model decides, here too: an effort beside it is in `output_config`.
        case kind:
            # No word turns it off everywhere: `none` is refused by most, and DeepSeek has a member of its own.
            sent.dropped.add("thinking")
            sent.thinks = kind != "disabled"
    sent.add_unread(members, frozenset({"type", "budget_tokens"}), "thinking")


def _output_config(sent: _Sent, raw: msgspec.Raw) -> None:
    members = object_of(raw, "output_config")
    if "effort" in members:
        sent.fields["reasoning_effort"] = members["effort"]
    if "format" in members:
        sent.fields["response_format"] = _response_format(members["format"], "output_config.format")
    sent.add_unread(members, frozenset({"effort", "format"}), "output_config")


def _output_format(sent: _Sent, raw: msgspec.Raw) -> None:
    """Write the form of the answer where the beta of structured outputs had it."""
    sent.fields["response_format"] = _response_format(raw, "output_format")


def _metadata(sent: _Sent, raw: msgspec.Raw) -> None:
    members = object_of(raw, "metadata")
    if "user_id" in members:
        if len(word_in(members, "user_id", "metadata")) <= LONGEST_USER:
            sent.fields["user"] = members["user_id"]
        else:
            sent.dropped.add("metadata", ".user_id")
    sent.add_unread(members, frozenset({"user_id"}), "metadata")


def _service_tier(sent: _Sent, raw: msgspec.Raw) -> None:
    tier = word_of(raw, "service_tier")
    if tier == "standard_only":
        sent.fields["service_tier"] = raw_of("default")
    elif tier != "auto":
        sent.dropped.add("service_tier")


def _speed(sent: _Sent, raw: msgspec.Raw) -> None:
    if word_of(raw, "speed") != "standard":
        sent.dropped.add("speed")


def _stop_sequences(sent: _Sent, raw: msgspec.Raw) -> None:
    if list_of(raw, "stop_sequences"):
        sent.fields["stop"] = raw


_WRITERS: Mapping[str, Callable[[_Sent, msgspec.Raw], None]] = {
    "model": _carry("model"),
    "stream": _carry("stream"),
    "temperature": _carry("temperature"),
    "top_p": _carry("top_p"),
    "max_tokens": _max_tokens,
    "system": _system,
    "messages": _messages,
    "tools": _tools,
    "tool_choice": _tool_choice,
    "thinking": _thinking,
    "output_config": _output_config,
    "output_format": _output_format,
    "metadata": _metadata,
    "service_tier": _service_tier,
    "speed": _speed,
    "stop_sequences": _stop_sequences,
    "mcp_servers": _refuse("mcp_servers", "the provider would have to call them, and here none does"),
    "container": _refuse("container", "it is the provider's, and no other has it"),
    "thread": _refuse("thread", "it is the provider's, and no other has it"),
    "inference_geo": _refuse("inference_geo", "a chat completion can't be kept in a region", but=b'"global"'),
}
"""Members that are carried or refused. Any other is dropped: it tunes or labels, or nobody here knows it."""


class _Conversation:
    """Writes the messages of a chat completion.

    What users say in a row is one turn in Messages, and results of tools come right after the calls in a chat: so
    results are written at once, and everything else that a user says when the turn is over.
    """

    def __init__(self, sent: _Sent) -> None:
        self._sent = sent
        self._said: list[_Part] = []

    def user(self, blocks: "Iterator[_Block]") -> None:
        for path, kind, block in blocks:
            if kind == "tool_result":
                self._tool_result(path, block)
            else:
                self._said += self._parts(path, kind, block)

    def assistant(self, blocks: "Iterator[_Block]") -> None:
        self.close()
        text = ""
        reasoning: dict[str, str] = {}
        calls: list[dict[str, object]] = []
        extra: dict[str, object] = {}
        for path, kind, block in blocks:
            if kind == "text":
                text += _plain(self._sent, path, kind, block, "messages")
            elif kind == "tool_use":
                calls.append(self._tool_call(path, block) | extra)
                extra = {}
            elif kind == "thinking" and (found := _extra_content(block, path)):
                extra = found
            elif kind == "thinking" and (name := _reasoning_member(block, path)):
                reasoning[name] = reasoning.get(name, "") + word_in(block, "thinking", path)
            elif kind in {"thinking", "redacted_thinking"} or kind in _DONE_BY_THE_PROVIDER:
                self._sent.dropped.add("messages", f"[].{kind}")
            else:
                raise NotCarried(f"{path}.type", "an assistant of a chat can't have said it")
        message: dict[str, object] = {"role": "assistant", "content": None if calls and not text else text, **reasoning}
        self._sent.messages.append(message | {"tool_calls": calls} if calls else message)

    def system(self, blocks: "Iterator[_Block]") -> None:
        self.close()
        texts = [_plain(self._sent, path, kind, block, "messages") for path, kind, block in blocks]
        self._sent.messages.append({"role": "system", "content": PARAGRAPH.join(texts)})

    def close(self) -> None:
        """Write what the user said."""
        said, self._said = self._said, []
        texts = [part for part in said if isinstance(part, str)]
        if not said:
            return
        content = PARAGRAPH.join(texts) if len(texts) == len(said) else [_part(part) for part in said]
        self._sent.messages.append({"role": "user", "content": content})

    def _tool_result(self, path: str, block: Fields) -> None:
        call_id = unwrapped_id(word_in(block, "tool_use_id", path))
        parts: list[_Part] = []
        if "content" in block:
            for place, kind, inner in _blocks(block["content"], f"{path}.content"):
                parts += self._parts(place, kind, inner)
        attached = [part for part in parts if not isinstance(part, str)]
        text = PARAGRAPH.join(part for part in parts if isinstance(part, str)) or (ATTACHED if attached else "")
        if block.get("is_error") == msgspec.Raw(b"true"):
            text = f"Error: {text}"
        self._sent.messages.append({"role": "tool", "tool_call_id": call_id, "content": text})
        self._said += attached
        self._sent.add_unread(block, frozenset({"type", "tool_use_id", "content", "is_error"}), "messages", "[]")

    def _tool_call(self, path: str, block: Fields) -> dict[str, object]:
        arguments = block.get("input", msgspec.Raw(b"{}"))
        object_of(arguments, f"{path}.input")
        self._sent.add_unread(block, frozenset({"type", "id", "name", "input"}), "messages", "[]")
        function = {"name": word_in(block, "name", path), "arguments": bytes(arguments).decode()}
        return {"id": unwrapped_id(word_in(block, "id", path)), "type": "function", "function": function}

    def _parts(self, path: str, kind: str, block: Fields) -> Iterator[_Part]:
        """Yield what a block says as parts of a user's message: texts, and images and files as they are sent."""
        match kind:
            case "text":
                yield _plain(self._sent, path, kind, block, "messages")
                return
            case "image":
                yield _image(object_in(block, "source", path), f"{path}.source")
            case "document":
                yield from self._document(path, block)
            case "search_result":
                yield from _headings(block, ("title", "source"), path)
                yield from self._inner(block, path)
            case "tool_reference":
                yield f"The tool `{word_in(block, 'tool_name', path)}` can be called."
            case _:
                raise NotCarried(f"{path}.type", "a user of a chat can't say it")
        self._sent.add_unread(block, _OF_PARTS, "messages", "[]")

    def _document(self, path: str, block: Fields) -> Iterator[_Part]:
        yield from _headings(block, ("title", "context"), path)
        inner = f"{path}.source"
        source = object_in(block, "source", path)
        match word_in(source, "type", inner):
            case "base64":
                kind = word_in(source, "media_type", inner)
                data = _data_url(kind, text_in(source, "data", inner))
                yield raw_of({"type": "file", "file": {"filename": "document.pdf", "file_data": data}})
            case "text":
                yield word_in(source, "data", inner)
            case "content":
                yield from self._inner(source, inner)
            case _:
                raise NotCarried(f"{inner}.type", "a chat completion takes a file's content, not where it lies")

    def _inner(self, members: Fields, path: str) -> Iterator[_Part]:
        for place, kind, block in _blocks(members.get("content", NULL), f"{path}.content"):
            if kind not in {"text", "image"}:
                raise NotCarried(f"{place}.type", "it is neither `text` nor `image`")
            yield from self._parts(place, kind, block)


_OF_PARTS = frozenset({"type", "source", "title", "context", "content", "tool_name"})
_OF_TOOLS = frozenset({"type", "name", "description", "input_schema", "strict"})

_Block = tuple[str, str, Fields]
"""A block's path, its type, and its members."""


def _tool(sent: _Sent, members: Fields, path: str) -> dict[str, object]:
    if "type" in members and word_in(members, "type", path) != "custom":
        raise NotCarried(f"{path}.type", "a chat completion knows only tools that bring their own schema")
    object_in(members, "input_schema", path)
    function: dict[str, object] = {"name": word_in(members, "name", path)}
    if "description" in members:
        function["description"] = members["description"]
    function["parameters"] = members["input_schema"]
    if members.get("strict") == msgspec.Raw(b"true"):
        function["strict"] = True
    sent.add_unread(members, _OF_TOOLS, "tools", "[]")
    return {"type": "function", "function": function}


def _response_format(raw: msgspec.Raw, path: str) -> msgspec.Raw:
    """Return the form of an answer. It is strict: what the client was promised is kept, or refused by the upstream."""
    members = object_of(raw, path)
    if word_in(members, "type", path) != "json_schema":
        raise NotCarried(f"{path}.type", "it is not `json_schema`")
    object_in(members, "schema", path)
    schema = {"name": "answer", "schema": members["schema"], "strict": True}
    return raw_of({"type": "json_schema", "json_schema": schema})


def _plain(sent: _Sent, path: str, kind: str, block: Fields, member: str) -> str:
    """Return the text of a block that must be text."""
    if kind != "text":
        raise NotCarried(f"{path}.type", "it is not `text`")
    sent.add_unread(block, frozenset({"type", "text"}), member, "[]")
    return word_in(block, "text", path)


def _reasoning_member(block: Fields, path: str) -> str:
    """Return the member that a block's thinking goes back in; empty for thinking that another maker signed."""
    signature = _signature(block, path)
    if not signature:
        return REASONING_MEMBERS[0]
    return signature if signature in REASONING_MEMBERS else ""


def _extra_content(block: Fields, path: str) -> dict[str, object]:
    """Return what a block of thinking has for the call after it; nothing for any other."""
    signature = _signature(block, path)
    if not signature.startswith(EXTRA_CONTENT):
        return {}
    extra = msgspec.Raw(signature.removeprefix(EXTRA_CONTENT).encode())
    object_of(extra, f"{path}.signature")
    return {"extra_content": extra}


def _signature(block: Fields, path: str) -> str:
    return word_in(block, "signature", path) if "signature" in block else ""


def _image(source: Fields, path: str) -> msgspec.Raw:
    match word_in(source, "type", path):
        case "base64":
            url = _data_url(word_in(source, "media_type", path), text_in(source, "data", path))
        case "url":
            url = text_in(source, "url", path)
        case _:
            raise NotCarried(f"{path}.type", "a chat completion takes an image's content or its address")
    return raw_of({"type": "image_url", "image_url": {"url": url}})


def _data_url(kind: str, data: msgspec.Raw) -> msgspec.Raw:
    """Return `data` as a URL, as JSON; it may be large and is not decoded."""
    return msgspec.Raw(b'"data:%s;base64,%s' % (msgspec.json.encode(kind)[1:-1], memoryview(data)[1:]))


def _headings(block: Fields, names: tuple[str, ...], path: str) -> Iterator[str]:
    for name in names:
        if name in block:
            yield word_in(block, name, path)


def _part(part: _Part) -> object:
    return {"type": "text", "text": part} if isinstance(part, str) else part


def _blocks(raw: msgspec.Raw, path: str) -> Iterator[_Block]:
    """Yield the blocks of a content; a text alone is one of text."""
    if is_text(raw):
        yield path, "text", {"text": raw}
        return
    for block, where in objects_of(raw, path):
        yield where, word_in(block, "type", where), block
