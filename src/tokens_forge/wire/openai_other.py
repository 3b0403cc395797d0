"""OpenAI's completions, embeddings and moderations: what a request asks for, what a reply says of itself.

They pass between two sides that both speak them and are never translated: of a request only the model's name and
`stream_options.include_usage` change (`openai_chat.upstream_fields`), of a reply nothing. A completion is answered in
the shape of a chat completion but for `choices[].text`, so `openai_chat.read_reply` and its `StreamMeter` read it.
None of them is a turn of a conversation: they have no opening.

Sources, read 2026-11: OpenAI API reference ("Create completion": `max_tokens` is 16 where not given and may be 0, as
`best_of` may, `n` and `best_of` are for each prompt, without a prompt a new document begins; "Create embeddings";
"Create moderation": the model is `omni-moderation-latest` where not given) and the types of its Python library 3.54.0
(`CompletionCreateParams`, `EmbeddingCreateParams`, `CreateEmbeddingResponse`, `ModerationCreateParams`,
`ModerationCreateResponse`).
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from tokens_forge.core.entries import Need
from tokens_forge.core.usage import MOST_TOKENS
from tokens_forge.wire.openai_chat import MOST_CHOICES, wants_usage
from tokens_forge.wire.reply import Reply
from tokens_forge.wire.request import (
    NULL,
    UNREADABLE,
    Fields,
    Request,
    begins,
    input_estimate,
    is_text,
    maximum,
    members,
    model_of,
    number,
    object_or_none,
    raw_of,
    refused,
    shown,
    value,
    word_or_empty,
)
from tokens_forge.wire.usage_objects import given, read_openai_embeddings

OUTPUT_WHEN_NOT_GIVEN = 16
"""Tokens of one completion, where a request gives no maximum."""

MODERATION_WHEN_NOT_GIVEN = "omni-moderation-latest"
"""The model of a moderation that names none."""

_PART = 1024 * 1024

# Of JSON that was read once, what matches is a list of whole numbers. The repeats never step back, and no number is
# made of it: a list may be millions long.
_TOKENS = re.compile(rb"\[\s*+[0-9][0-9,\s]*+\]")


def read_completions(body: bytes, *, output_bound: int, inline_tokens: int) -> Request:
    """Return what the `body` of a legacy completion asks for.

    `output_bound` (tokens) stands in where it asks for no maximum; where it names none, the API has one of its own.
    The bound is for all its prompts and all that is generated for each, also what `best_of` throws away. Raises
    RequestError (400) naming the member, or the item of a list, that is missing or of the wrong kind.
    """
    fields = members(body)
    prompts = _inputs(fields, "prompt", _TEXTS)
    count = len(prompts) or 1
    choices = number(fields, "n", MOST_CHOICES) or 1
    generated = max(choices, maximum(fields, "best_of", unlimited=(0,), most=MOST_CHOICES) or 1)
    asked = maximum(fields, "max_tokens", unlimited=(-1,))
    is_given = fields.get("max_tokens", NULL) != NULL
    one = asked if asked is not None else output_bound if is_given else OUTPUT_WHEN_NOT_GIVEN
    most = min(one * generated * count, MOST_TOKENS)
    return Request(
        model=model_of(fields),
        stream=value(fields, "stream", bool, "true or false") or False,
        include_usage=wants_usage(fields),
        tier_asked=value(fields, "service_tier", str, "a tier's name") or "",
        input_estimate=_tokens(fields, "prompt", prompts, inline_tokens)
        + input_estimate(fields, ("suffix",), inline_tokens),
        output_bound=most,
        output_asked=0 if asked is None else most,
        answers=generated * count,
        choices=choices * count,
        needs=(),
        turn=0,
        opening=b"",
        fields=fields,
    )


def read_embeddings(body: bytes, *, output_bound: int, inline_tokens: int) -> Request:  # noqa: ARG001 - there is no output
    """Return what the `body` of a request for embeddings asks for: no output, and never a stream.

    Raises RequestError (400) as `read_completions`.
    """
    fields = members(body)
    inputs = _inputs(fields, "input", _TEXTS)
    if not inputs:
        raise refused("input", "it is missing: write a text, or a list of them")
    return _without_output(fields, _tokens(fields, "input", inputs, inline_tokens), ())


def read_moderations(body: bytes, *, output_bound: int, inline_tokens: int) -> Request:  # noqa: ARG001 - there is no output
    """Return what the `body` of a moderation asks for: no output, and never a stream.

    One that names no model is given the API's own, so that there is one to route by; it is sent. Raises RequestError
    (400) as `read_completions`.
    """
    fields = members(body)
    inputs = _inputs(fields, "input", _PARTS)
    if not inputs:
        raise refused("input", "it is missing: write a text, or a list of texts or of parts")
    if fields.get("model", NULL) == NULL:
        fields["model"] = raw_of(MODERATION_WHEN_NOT_GIVEN)
    needs: tuple[Need, ...] = ("vision",) if "image_url" in set(_part_types(inputs)) else ()
    return _without_output(fields, input_estimate(fields, ("input",), inline_tokens), needs)


def read_embeddings_reply(body: bytes) -> Reply | None:
    """Return what a reply with embeddings says; None when it is no JSON object with a list of `data`.

    It may be many MB: no number of it is decoded.
    """
    return _reply(body, "data")


def read_moderations_reply(body: bytes) -> Reply | None:
    """Return what the reply to a moderation says; None when it is no JSON object with a list of `results`.

    OpenAI's reports no usage. One that does is read in the words of embeddings, which have an input alone too.
    """
    return _reply(body, "results")


def _without_output(fields: Fields, estimate: int, needs: tuple[Need, ...]) -> Request:
    return Request(
        model=model_of(fields),
        stream=False,
        include_usage=False,
        tier_asked=value(fields, "service_tier", str, "a tier's name") or "",
        input_estimate=estimate,
        output_bound=0,
        choices=1,
        needs=needs,
        turn=0,
        opening=b"",
        fields=fields,
    )


def _reply(body: bytes, answer: str) -> Reply | None:
    told = object_or_none(body)
    if told is None or not begins(told.get(answer, NULL), b"[") or given(told.get("error")):
        return None
    usage = read_openai_embeddings(bytes(told.get("usage", NULL)))
    return Reply(
        model_served=word_or_empty(told.get("model", NULL)),
        upstream_id=word_or_empty(told.get("id", NULL)),
        tier_served=word_or_empty(told.get("service_tier", NULL)),
        reading=usage.reading,
        reported_cost=usage.reported_cost,
        cost_unit=usage.cost_unit,
    )


def _inputs(fields: Fields, name: str, kinds: Mapping[str, Callable[[msgspec.Raw], bool]]) -> Sequence[msgspec.Raw]:
    """Return what a member asks for, each to be answered by itself; none when it is not given.

    The items of a list are all of one of the `kinds`.
    """
    raw = fields.get(name, NULL)
    if raw == NULL:
        return ()
    if is_text(raw) or (kinds is _TEXTS and _is_tokens(raw)):
        return (raw,)
    items = value(fields, name, list[msgspec.Raw], "a text or a list")
    if not items:
        raise refused(name, "it is an empty list")
    wanted = next((kind for kind, is_one in kinds.items() if is_one(items[0])), "")
    for place, item in enumerate(items):
        if not wanted or not kinds[wanted](item):
            raise refused(f"{name}[{place}]", f"{shown(item)} is not {wanted or ' or '.join(kinds)}")
    return items


def _tokens(fields: Fields, name: str, inputs: Sequence[msgspec.Raw], inline_tokens: int) -> int:
    """Return the tokens of texts by their bytes; what came as tokens is counted."""
    if inputs and _is_tokens(inputs[0]):
        return sum(1 + _commas(memoryview(one)) for one in inputs)
    return input_estimate(fields, (name,), inline_tokens)


def _commas(view: memoryview) -> int:
    return sum(bytes(view[start : start + _PART]).count(b",") for start in range(0, len(view), _PART))


def _part_types(inputs: Sequence[msgspec.Raw]) -> Iterator[str]:
    """Yield the `type` of each part. Raises RequestError for one that has none."""
    for place, item in enumerate(inputs):
        if _is_part(item):
            try:
                yield _decode_part(item).type
            except UNREADABLE as error:
                raise refused(f"input[{place}]", "it is not a part with a `type`") from error


def _is_part(raw: msgspec.Raw) -> bool:
    return begins(raw, b"{")


def _is_token(raw: msgspec.Raw) -> bool:
    return bytes(raw).isdigit()


def _is_tokens(raw: msgspec.Raw) -> bool:
    return _TOKENS.fullmatch(memoryview(raw)) is not None


class _Part(msgspec.Struct):
    type: str


_TEXTS = {"a text": is_text, "a list of tokens": _is_tokens, "a token": _is_token}
"""What a list of prompts or inputs may hold, as an error names it."""

_PARTS = {"a text": is_text, "a part": _is_part}

_decode_part = msgspec.json.Decoder(_Part).decode
