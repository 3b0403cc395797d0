"""`tf connect TOOL --test`: one small real call as the tool would make it, through the running proxy."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, assert_never

from tokens_forge.cli.output import hint
from tokens_forge.core.errors import ForgeError

if TYPE_CHECKING:
    import httpx

    from tokens_forge.files.tool_settings import Tool, Wanted

_TIMEOUT_S = 180.0
_OK = 200
_UNAUTHORIZED = 401
_ANTHROPIC_VERSION = "2023-06-01"
_OF_TOKENS = 16
"""How long the answer may be, where its dialect has one word for that; the fewest that OpenAI's Responses API takes."""


def trial(tool: "Tool", wanted: "Wanted", model: str) -> Iterator[str]:
    """Make one small call as the tool would, and yield what is to be said of it: which route, what paid, how much.

    `model` is asked for, else the first that the key may use. A tool that keeps a login of its own is tried without the
    call: the login is the tool's alone. Raises ForgeError, with what to do, when no proxy answers or the call fails.
    """
    import httpx

    headers = {"authorization": f"Bearer {wanted.token}", "user-agent": "tf connect --test"}
    try:
        with httpx.Client(headers=headers, timeout=_TIMEOUT_S, trust_env=False) as client:
            if wanted.login == "keep":
                _models(client, wanted.url, tool)
                yield f"The proxy at {wanted.url} knows the key."
                hint(
                    f"The call itself needs the login of {tool.name}, which tf does not have: ask the tool one thing, "
                    "then `tf explain last`."
                )
                return
            asked = model or next(iter(_models(client, wanted.url, tool)), "")
            if not asked:
                raise ForgeError("the config names no model that this key may use: say one with `--model NAME`")
            path, body = _call(tool, asked)
            reply = client.post(wanted.url + path, json=body, headers={"anthropic-version": _ANTHROPIC_VERSION})
    except httpx.ConnectError as error:
        raise ForgeError(f"no proxy answers at {wanted.url}: `tf serve` starts it") from error
    except httpx.HTTPError as error:
        raise ForgeError(f"the call to {wanted.url} did not end: {type(error).__name__} {error}") from error
    if reply.status_code != _OK:
        raise ForgeError(_failed(tool, reply))
    yield from _paid(asked, reply)


def _models(client: "httpx.Client", url: str, tool: "Tool") -> tuple[str, ...]:
    """Return the names that the key may ask for."""
    import msgspec

    class _Model(msgspec.Struct):
        id: str

    class _Models(msgspec.Struct):
        data: tuple[_Model, ...]

    reply = client.get(f"{url}/v1/models")
    if reply.status_code != _OK:
        raise ForgeError(_failed(tool, reply))
    try:
        return tuple(model.id for model in msgspec.json.decode(reply.content, type=_Models).data)
    except msgspec.DecodeError as error:
        raise ForgeError(f"what answers at {url} is no tf: {error}") from error


def _call(tool: "Tool", model: str) -> tuple[str, dict[str, object]]:
    """Return path and body of a small call in the tool's dialect."""
    messages = [{"role": "user", "content": "Say OK."}]
    match tool.dialect:
        case "chat":
            # No bound: some models take only `max_tokens`, others only `max_completion_tokens`.
            return "/v1/chat/completions", {"model": model, "messages": messages}
        case "responses":
            return "/v1/responses", {"model": model, "input": "Say OK.", "max_output_tokens": _OF_TOKENS}
        case "messages":
            return "/v1/messages", {"model": model, "messages": messages, "max_tokens": _OF_TOKENS}
        case _:
            assert_never(tool.dialect)


def _failed(tool: "Tool", reply: "httpx.Response") -> str:
    """Return what a reply says against the call, and what to do."""
    import msgspec

    class _Error(msgspec.Struct):
        message: str = ""

    class _Said(msgspec.Struct):
        error: _Error

    try:
        said = msgspec.json.decode(reply.content, type=_Said).error.message
    except (msgspec.DecodeError, UnicodeDecodeError):
        said = "no reason was given"
    if reply.status_code == _UNAUTHORIZED and "x-tf-route" not in reply.headers:
        next_step = f"`tf connect {tool.name} --rotate` gives the tool a new token"
    elif call := reply.headers.get("x-request-id", ""):
        next_step = f"`tf explain {call}` tells more"
    else:
        next_step = "`tf check` says what the config offers"
    return f"{reply.request.url.path} was answered with {reply.status_code}: {said} ({next_step})"


def _paid(asked: str, reply: "httpx.Response") -> Iterator[str]:
    """Yield what the headers of a reply say of its call."""
    head = reply.headers
    yield f"asked for  {asked}"
    yield f"answered   by route {head.get('x-tf-route', '?')} ({head.get('x-tf-class', '?')})"
    charge = head.get("x-tf-charge", "a charge that is not known yet")
    certainty = f" ({head['x-tf-certainty']})" if "x-tf-certainty" in head else ""
    yield f"paid by    {head.get('x-tf-balance', '?')}: {charge}{certainty}"
    if "x-tf-fell-back" in head:
        yield f"fell back  {head['x-tf-fell-back']}"
    yield f"why        tf explain {head.get('x-request-id', 'last')}"
