"""What models take and refuse: one row a fact."""

from typing import Any

import msgspec
import pytest

from tokens_forge.wire.provider_facts import facts_of, suited
from tokens_forge.wire.request import raw_of

Json = dict[str, Any]


def taken(model: str, **members: object) -> tuple[Json, tuple[str, ...]]:
    """Return what a model is asked, and what is left out."""
    fields = {name: raw_of(value) for name, value in {"max_tokens": 8000, **members}.items()}
    sent, left = suited(fields, model)
    told = {name: msgspec.json.decode(raw) for name, raw in sent.items()}
    return {name: value for name, value in told.items() if name != "max_tokens"}, left


ADAPTIVE: Json = {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}
BUDGET: Json = {"thinking": {"type": "enabled", "budget_tokens": 1024}}


@pytest.mark.parametrize(
    ("model", "thinking"),
    [
        ("claude-fable-5-1", "adaptive"),
        ("anthropic/claude-opus-5.5", "adaptive"),
        ("claude-opus-4-7", "adaptive"),
        ("claude-sonnet-4-6", "adaptive"),
        ("claude-opus-4-5-20251101", "budget"),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "budget"),
        ("anthropic/claude-sonnet-4.5", "budget"),
        ("claude-sonnet-4-20250514", "budget"),
        ("claude-opus-4-1@20250805", "budget"),
        ("claude-opus-4", "budget"),
        ("claude-3-7-sonnet-20250219", "budget"),
        ("claude-3-5-haiku-latest", "none"),
        ("claude-next", "adaptive"),
        ("kimi-k3", "adaptive"),
    ],
)
def test_how_a_model_is_asked_to_think(model: str, thinking: str) -> None:
    """`adaptive` is taken by 4.6 and later, a budget by 4.5 and earlier; a new name is a new model's."""
    assert thinking == facts_of(model).thinking


def test_adaptive_thinking_becomes_a_budget_where_the_model_knows_no_other() -> None:
    """The depth is kept in it, below the maximum; the effort goes along where the model takes it."""
    assert (ADAPTIVE, ()) == taken("claude-opus-5", **ADAPTIVE)
    assert (BUDGET, ()) == taken("claude-haiku-4-5", **ADAPTIVE)
    assert (BUDGET | {"output_config": {"effort": "low"}}, ()) == taken("claude-opus-4-5", **ADAPTIVE)
    high = taken("claude-haiku-4-5", thinking={"type": "adaptive"}, output_config={"effort": "high", "format": {}})
    assert ({"thinking": {"type": "enabled", "budget_tokens": 4000}, "output_config": {"format": {}}}, ()) == high


def test_what_a_model_can_not_have_is_named() -> None:
    """A budget that has no room, thinking that the model has not, and an effort that nothing carries."""
    left = ("thinking", "output_config.effort")
    assert ({}, left) == taken("claude-haiku-4-5", max_tokens=1000, **ADAPTIVE)
    assert ({}, left) == taken("claude-haiku-4-5", max_tokens=None, **ADAPTIVE)
    assert ({}, left) == taken("claude-3-haiku-20240307", **ADAPTIVE)
    assert ({}, left[1:]) == taken("claude-sonnet-4-5", output_config={"effort": "low"})


@pytest.mark.parametrize("model", ["claude-opus-4-7", "claude-sonnet-5", "claude-fable-5-1", "claude-haiku-5-5"])
def test_newer_models_take_no_sampling(model: str) -> None:
    """Temperature and its kind only tune: they are dropped by name where the model refuses them."""
    tuned: Json = {"temperature": 0, "top_p": 0.5, "top_k": 3}
    assert ({}, tuple(tuned)) == taken(model, **tuned)
    assert (tuned, ()) == taken("claude-sonnet-4-6", **tuned)
    assert (tuned, ()) == taken("glm-5", **tuned)


@pytest.mark.parametrize("model", ["claude-fable-5-1", "claude-opus-5-5", "anthropic/claude-sonnet-5.5"])
def test_a_forced_tool_is_left_to_a_model_that_refuses_it(model: str) -> None:
    """Fable 5.1 and its kind answer it with an error: the choice is the model's then, and that is told."""
    for forced in ({"type": "any"}, {"type": "tool", "name": "f"}):
        assert ({"tool_choice": {"type": "auto"}}, ("tool_choice",)) == taken(model, tool_choice=forced)
        assert ({"tool_choice": forced}, ()) == taken("claude-opus-5", tool_choice=forced)
    single = {"type": "any", "disable_parallel_tool_use": True}
    assert {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}} == taken(model, tool_choice=single)[0]
    assert ({"tool_choice": {"type": "none"}}, ()) == taken(model, tool_choice={"type": "none"})
