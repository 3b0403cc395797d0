"""A translated request is written as the model takes it; what it refuses is left out by name, before it is asked."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pairs import before
from playbook import playing
from upstreams import plain

Json = dict[str, Any]

TOOL: Json = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
SAID = (
    b'{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Hello"}],'
    b'"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":5,"output_tokens":2}}'
)


@pytest.mark.parametrize(
    ("model", "members", "dropped", "sent"),
    [
        (
            "claude-fable-5-1",
            {"tools": [TOOL], "tool_choice": "required"},
            "tool_choice",
            {"tool_choice": {"type": "auto"}},
        ),
        ("claude-opus-5-5", {"temperature": 0}, "temperature", {"temperature": None}),
        ("claude-sonnet-4-6", {"temperature": 0}, None, {"temperature": 0}),
        (
            "claude-haiku-4-5",
            {"reasoning_effort": "low", "max_tokens": 4000},
            None,
            {"thinking": {"type": "enabled", "budget_tokens": 1024}, "output_config": None},
        ),
    ],
)
async def test_a_model_is_asked_as_it_takes_it(
    tmp_path: Path, model: str, members: Json, dropped: str | None, sent: Json
) -> None:
    """A chat client gets its answer and is told what was left out; Anthropic gets the version that takes the most."""
    setup = before("anthropic_messages")
    named = setup.config.replace('serves = ["m",', f'serves = ["{model}",').replace('"m" = [', f'"{model}" = [')
    setup = replace(setup, config=named)
    async with playing(tmp_path, setup) as play:
        play.relay.answers(plain(SAID))
        got = await play.send(
            "POST",
            "/v1/chat/completions",
            msgspec.json.encode({"model": model, "messages": [{"role": "user", "content": "Hi"}], **members}),
        )
        assert (200, dropped) == (got.status, got.headers.get("x-tf-dropped"))
        asked = play.relay.got[0]
        assert "2023-06-01" == asked.headers["anthropic-version"]
        assert sent == {name: msgspec.json.decode(asked.body).get(name) for name in sent}
