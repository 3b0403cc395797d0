"""Completions, embeddings and moderations: what is asked, what is answered, and what passes."""

import json
from collections.abc import Callable

import pytest
from goldens import Golden, golden, goldens
from hypothesis import given
from hypothesis import strategies as st
from openai.types import Completion, CreateEmbeddingResponse, ModerationCreateResponse
from pydantic import BaseModel

from tokens_forge.core.errors import RequestError
from tokens_forge.core.usage import MOST_TOKENS
from tokens_forge.wire import openai_chat
from tokens_forge.wire.openai_chat import StreamMeter, upstream_fields
from tokens_forge.wire.openai_other import (
    read_completions,
    read_embeddings,
    read_embeddings_reply,
    read_moderations,
    read_moderations_reply,
)
from tokens_forge.wire.reply import Reply
from tokens_forge.wire.request import Request, encoded
from tokens_forge.wire.sse import Splitter

COMPLETIONS = goldens("openai_completions")
STREAMS = [one for one in COMPLETIONS if one.streamed]
READERS: dict[str, tuple[Callable[[bytes], Reply | None], type[BaseModel]]] = {
    "openai_completions": (openai_chat.read_reply, Completion),
    "openai_embeddings": (read_embeddings_reply, CreateEmbeddingResponse),
    "openai_moderations": (read_moderations_reply, ModerationCreateResponse),
}
REPLIES = [one for dialect in READERS for one in goldens(dialect) if not one.streamed]


def completion(rest: bytes = b"", *, prompt: bytes = b'"Once"') -> Request:
    """Read a request for a completion of model m."""
    return read_completions(b'{"model":"m","prompt":%s%s}' % (prompt, rest), output_bound=4096, inline_tokens=1000)


def embedding(given: bytes, rest: bytes = b"") -> Request:
    """Read a request for embeddings of model m."""
    return read_embeddings(b'{"model":"m","input":%s%s}' % (given, rest), output_bound=4096, inline_tokens=1000)


def moderation(given: bytes, rest: bytes = b"") -> Request:
    """Read a moderation."""
    return read_moderations(b'{"input":%s%s}' % (given, rest), output_bound=4096, inline_tokens=1000)


def sent_for(request: Request) -> bytes:
    return b"".join(encoded(upstream_fields(request, model="x", inject_usage=True)))


def metered(one: Golden, *, part: int, include_usage: bool = True) -> tuple[StreamMeter, bytes]:
    """Feed a stream to a meter, so many bytes at a time, and return it with what a client gets."""
    splitter = Splitter(1_000_000)
    meter = StreamMeter(include_usage=include_usage, choices=1)
    events = [
        event for start in range(0, len(one.data), part) for event in splitter.feed(one.data[start : start + part])
    ]
    return meter, b"".join(event.raw for event in events if not meter.feed(event).hidden)


def test_a_completion_is_read() -> None:
    """What routing needs is taken from the body; it is no turn of a conversation."""
    request = completion(
        b',"stream":true,"stream_options":{"include_usage":true},"service_tier":"flex","max_tokens":10,"n":3'
    )
    assert ("m", True, True, "flex") == (
        request.model,
        request.stream,
        request.include_usage,
        request.tier_asked,
    )
    assert (30, 3, (), 0, b"") == (
        request.output_bound,
        request.choices,
        request.needs,
        request.turn,
        request.opening,
    )


@pytest.mark.parametrize(
    ("prompt", "rest", "bound", "choices"),
    [
        (b'"a"', b"", 16, 1),
        (b'"a"', b',"max_tokens":null,"n":null,"best_of":null', 16, 1),
        (b'"a"', b',"max_tokens":0', 0, 1),
        (b'"a"', b',"max_tokens":-1,"n":2', 2 * 4096, 2),
        (b'"a"', b',"max_tokens":10,"n":2', 20, 2),
        (b'"a"', b',"max_tokens":10,"n":2,"best_of":5', 50, 2),
        (b'"a"', b',"max_tokens":10,"n":5,"best_of":2', 50, 5),
        (b'"a"', b',"max_tokens":10,"n":5,"best_of":0', 50, 5),
        (b'"a"', b',"max_tokens":-1,"best_of":0', 4096, 1),
        (b'["a","b", "c"]', b',"max_tokens":10,"n":2', 60, 6),
        (b"[1,2,3]", b',"max_tokens":10', 10, 1),
        (b"[ 7 ]", b',"max_tokens":10', 10, 1),
        (b"[[1,2],[3]]", b',"max_tokens":10,"best_of":3', 60, 2),
        (b"null", b',"max_tokens":10,"n":2', 20, 2),
        (b'["a","b"]', b',"max_tokens":2147483647,"best_of":128', 2 * 128 * (2**31 - 1), 2),
        (b"[%s]" % b",".join([b'"a"'] * 40_000), b',"max_tokens":2147483647,"n":128', MOST_TOKENS, 40_000 * 128),
    ],
    ids=lambda value: value[:40].decode() if isinstance(value, bytes) else None,
)
def test_the_bound_is_for_every_prompt_and_all_that_is_generated(
    prompt: bytes, rest: bytes, bound: int, choices: int
) -> None:
    """OpenAI API reference: 16 tokens where no maximum is given; `n` and `best_of` count for each prompt.

    What `best_of` throws away is billed; what comes back is `n` for each prompt.
    """
    request = completion(rest, prompt=prompt)
    assert (bound, choices) == (request.output_bound, request.choices)


def test_a_completion_needs_no_prompt() -> None:
    """Without one a new document begins."""
    request = read_completions(b'{"model":"m"}', output_bound=4096, inline_tokens=1000)
    assert (0, 16, 1) == (request.input_estimate, request.output_bound, request.choices)


@pytest.mark.parametrize(
    ("given", "tokens"),
    [
        (b'"12345678"', 3),
        (b'["1234","5678"]', 4),
        (b"[100,200,300]", 3),
        (b"[ 100 , 200 ]", 2),
        (b"[[100,200,300],[400]]", 4),
        (b"[%s]" % b",".join([b"12345"] * 500_000), 500_000),
    ],
    ids=lambda value: value[:40].decode() if isinstance(value, bytes) else None,
)
def test_texts_are_estimated_and_tokens_are_counted(given: bytes, tokens: int) -> None:
    """A token's number says nothing about a text's length: those that came as tokens are counted."""
    assert tokens == embedding(given).input_estimate
    assert tokens == completion(prompt=given).input_estimate


def test_a_suffix_is_input() -> None:
    """A completion that fills a gap is given the text on both its sides."""
    assert 2 + 3 == completion(b',"suffix":"12345678"', prompt=b"[1,2]").input_estimate


def test_embeddings_are_read() -> None:
    """They have no output, are never streamed, ask nothing beyond text and are no turn of a conversation."""
    request = embedding(b'["a"]', b',"stream":true,"dimensions":256,"encoding_format":"base64"')
    assert ("m", False, False, 0, 1, ()) == (
        request.model,
        request.stream,
        request.include_usage,
        request.output_bound,
        request.choices,
        request.needs,
    )
    assert (0, b"") == (request.turn, request.opening)


@pytest.mark.parametrize(
    ("given", "estimate", "needs"),
    [
        (b'"12345678"', 3, ()),
        (b'["1234","5678"]', 4, ()),
        (b'[{"type":"text","text":"1234"}]', 8, ()),
        (
            b'[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"https://x.example/"}}]',
            23,
            ("vision",),
        ),
        (
            b'[{"type":"image_url","image_url":{"url":"data:image/png;base64,%s"}}]' % (b"A" * 10_000),
            1010,
            ("vision",),
        ),
    ],
    ids=lambda value: value[:40].decode() if isinstance(value, bytes) else None,
)
def test_a_moderation_is_read(given: bytes, estimate: int, needs: tuple[str, ...]) -> None:
    """Texts or parts; a part that is an image asks for a model that sees, and counts a fixed figure."""
    request = moderation(given, b',"model":"m"')
    assert ("m", estimate, needs) == (request.model, request.input_estimate, request.needs)
    assert (False, 0, 0, b"") == (request.stream, request.output_bound, request.turn, request.opening)


@pytest.mark.parametrize("rest", [b"", b',"model":null'])
def test_a_moderation_without_a_model_gets_the_apis_own(rest: bytes) -> None:
    """Routing goes by a name, and what was routed is what is sent."""
    request = moderation(b'"a"', rest)
    assert "omni-moderation-latest" == request.model
    assert b'"omni-moderation-latest"' == bytes(request.fields["model"])


@pytest.mark.parametrize(
    ("read", "given", "message"),
    [
        (completion, b"7", "`prompt`: `7` is not a text or a list"),
        (completion, b"{}", "`prompt`: `{}` is not a text or a list"),
        (completion, b"[]", "`prompt`: it is an empty list"),
        (completion, b"[1,2.5]", "`prompt[1]`: `2.5` is not a token"),
        (completion, b"[-1,2]", "`prompt[0]`: `-1` is not a text or a list of tokens or a token"),
        (completion, b'["a","b",[1]]', "`prompt[2]`: `[1]` is not a text"),
        (completion, b'[[1],[2],"a"]', '`prompt[2]`: `"a"` is not a list of tokens'),
        (completion, b"[[1],[[2]]]", "`prompt[1]`: `[[2]]` is not a list of tokens"),
        (completion, b"[[]]", "`prompt[0]`: `[]` is not a text or a list of tokens"),
        (completion, b'["a",%s]' % (b"1" * 50), "`prompt[1]`: what was sent is not a text"),
        (embedding, b"null", "`input`: it is missing: write a text, or a list of them"),
        (embedding, b"[]", "`input`: it is an empty list"),
        (embedding, b'["a","b","c",null]', "`input[3]`: `null` is not a text"),
        (embedding, b'[{"type":"text"}]', '`input[0]`: `{"type":"text"}` is not a text or a list of tokens'),
        (moderation, b"null", "`input`: it is missing: write a text, or a list of texts or of parts"),
        (moderation, b"[1,2]", "`input[0]`: `1` is not a text or a part"),
        (moderation, b"{}", "`input`: `{}` is not a text or a list"),
        (moderation, b'["a",{"type":"text"}]', '`input[1]`: `{"type":"text"}` is not a text'),
        (moderation, b'[{"type":"text"},"a"]', '`input[1]`: `"a"` is not a part'),
        (moderation, b'[{"type":"text"},{}]', "`input[1]`: it is not a part with a `type`"),
        (moderation, b'[{"type":1}]', "`input[0]`: it is not a part with a `type`"),
    ],
    ids=lambda it: it.__name__ if callable(it) else str(it),
)
def test_a_wrong_input_is_refused_by_its_path(read: Callable[..., Request], given: bytes, message: str) -> None:
    """A 400 names the item of a list that is of another kind than the API takes, or than the first."""
    with pytest.raises(RequestError) as raised:
        read(prompt=given) if read is completion else read(given)
    assert (400, "invalid_request") == (raised.value.status, raised.value.code)
    assert raised.value.message.startswith(message)


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        (b',"max_tokens":-2', "`max_tokens`: `-2` is not a whole number from 0 to 2147483647"),
        (b',"max_tokens":2147483648', "`max_tokens`: `2147483648` is not a whole number"),
        (b',"max_tokens":"1"', '`max_tokens`: `"1"` is not a whole number'),
        (b',"n":0', "`n`: `0` is not a whole number from 1 to 128"),
        (b',"best_of":129', "`best_of`: `129` is not a whole number from 1 to 128"),
        (b',"stream":1', "`stream`: `1` is not true or false"),
        (b',"stream_options":[]', "`stream_options`: `[]` is not an object with `include_usage`"),
        (b',"service_tier":1', "`service_tier`: `1` is not a tier's name"),
        (b',"model":""', "`model`: it is missing"),
    ],
    ids=str,
)
def test_a_wrong_completion_is_refused_by_name(rest: bytes, message: str) -> None:
    """A 400 names the member, the value seen and what belongs there."""
    with pytest.raises(RequestError) as raised:
        completion(rest)
    assert raised.value.message.startswith(message)


def test_only_the_model_and_the_usage_change() -> None:
    """Every other value goes upstream byte for byte; a stream is asked for its usage, embeddings are not."""
    rest = b',"stream":true,"logit_bias":{"50256": -100},"seed":12345678901234567890.000'
    assert b'{"model":"x","prompt":[1, 2]%s,"stream_options":{"include_usage":true}}' % rest == sent_for(
        completion(rest, prompt=b"[1, 2]")
    )
    assert b'{"model":"x","input":"a"%s}' % rest == sent_for(embedding(b'"a"', rest))
    assert b'{"input":"a","model":"x"}' == sent_for(moderation(b'"a"'))


@given(st.lists(st.text(max_size=6), min_size=1, max_size=5) | st.lists(st.integers(0, 10**9), min_size=1, max_size=9))
def test_whatever_the_api_takes_is_read(given: list[str] | list[int]) -> None:
    """Texts are each a prompt; numbers are the tokens of one."""
    sent = json.dumps(given, indent=1).encode()
    count = 1 if isinstance(given[0], int) else len(given)
    assert count == completion(prompt=sent).choices
    assert given == json.loads(bytes(embedding(sent).fields["input"]))


@pytest.mark.parametrize("one", REPLIES, ids=lambda one: f"{one.dialect}-{one.name}")
def test_replies_are_read(one: Golden) -> None:
    """A reply says who answered and what it used; a moderation reports none, and unknown is never zero."""
    read, shape = READERS[one.dialect]
    reply = read(one.data)
    assert reply is not None
    assert (one.model, one.finish, one.tier) == (reply.model_served, reply.finish, reply.tier_served)
    assert one.usage == (reply.reading.usage if reply.reading else {})
    assert (one.text != "") == (reply.output_estimate > 0)
    if one.name != "openai-base64.json":  # the SDK decodes base64 itself, after its types were read
        shape.model_validate_json(one.data, strict=True)


def test_what_a_completion_says_is_estimated() -> None:
    """All choices' texts are output, a quarter of a token for each byte."""
    reply = openai_chat.read_reply(b'{"choices":[{"text":"12345678"},{"text":"1234","index":1},{"text":null}]}')
    assert reply is not None
    assert 3 == reply.output_estimate


def test_what_a_reply_says_beside_its_answer() -> None:
    """An id, a tier and a cost are read where an upstream gives them, from a moderation too."""
    member = b'"id":"e-1","model":"m","service_tier":"flex","usage":{"prompt_tokens":3,"total_tokens":3,"cost":0.10}'
    for read, answer in ((read_embeddings_reply, b"data"), (read_moderations_reply, b"results")):
        reply = read(b'{%s,"%s":[]}' % (member, answer))
        assert reply is not None
        assert reply.reading is not None
        assert ("m", "e-1", "flex", "0.10", {"input": 3, "output": 0}) == (
            reply.model_served,
            reply.upstream_id,
            reply.tier_served,
            str(reply.reported_cost),
            reply.reading.usage,
        )


@pytest.mark.parametrize(
    "sent",
    [b"", b"<html>", b"[]", b"{}", b'{"data":[', b'{"data":{}}', b'{"data":null}', b'{"data":[],"error":{"code":1}}'],
)
def test_what_is_no_reply_is_none(sent: bytes) -> None:
    """CASES 20: an error text or an empty body is never taken for an answer."""
    assert read_embeddings_reply(sent) is None
    assert read_moderations_reply(sent.replace(b"data", b"results")) is None


def test_names_of_another_kind_break_no_reply() -> None:
    """A model or an id that is no text, or none that can be read, says nothing."""
    reply = read_embeddings_reply(b'{"data":[],"model":7,"id":"\xff","usage":7}')
    assert Reply() == reply


@pytest.mark.parametrize("part", [1, 7, 64, 1_000_000])
@pytest.mark.parametrize("one", STREAMS, ids=lambda one: one.name)
def test_streams_are_metered_at_every_split(one: Golden, part: int) -> None:
    """A stream of completions says what a stream of a chat does, and passes as it came."""
    meter, passed = metered(one, part=part)
    assert (one.model, one.finish) == (meter.model_served, meter.finish)
    assert one.usage == (meter.reading.usage if meter.reading else {})
    assert (one.broken == "", one.broken == "") == (meter.complete, meter.done)
    assert meter.output_estimate > 0
    assert one.data == passed


def test_a_stream_cut_at_every_byte_is_a_prefix() -> None:
    """What passed before a cut is what came, and a cut before the last choice's end is no complete answer."""
    one = golden("openai_completions", "vllm-stream.sse")
    last = one.data.index(b'" d"')
    for end in range(0, len(one.data), 5):
        cut = Golden(
            dialect="openai_completions", name="", source="", usage={}, model="", finish="", data=one.data[:end]
        )
        meter, passed = metered(cut, part=100)
        assert one.data.startswith(passed)
        assert end > last or not meter.complete


def test_the_usage_chunk_is_hidden_from_a_client_that_did_not_ask() -> None:
    """CASES 16: as in a chat; choices of more than one prompt are told apart by their index."""
    for name in ("openai-stream.sse", "vllm-stream.sse"):
        one = golden("openai_completions", name)
        meter, passed = metered(one, part=100, include_usage=False)
        assert one.usage == (meter.reading.usage if meter.reading else {})
        assert b'"choices":[]' not in passed
        assert b"[DONE]" in passed
