"""What providers' models take and refuse, where it differs by model: the one table of facts that change under us.

Decides what of a request that tf wrote itself (a translation) is written otherwise for a model, and names what is left
out. A client's own request in its own dialect is never changed by it. A model that no row names is taken as a current
one of its maker's, as new names are those of new models. A new fact is one row.

Sources, read 2026-11-30: Anthropic docs "Versioning" (`2023-06-01`, `2026-10-21`: it refuses `temperature`, `top_p` and
`top_k` whatever they are), "Extended thinking", "Adaptive thinking" (4.5 and earlier take budgets alone, 4.7 and later
none), "Effort" (from Opus 4.5 on; not Sonnet 4.5 and Haiku 4.5), the migration guides of Fable 5.1, Opus 5.5 and
Sonnet 5.5 (a forced tool is refused), Opus 4.7 (temperature, `top_p` and `top_k` are refused);
OpenRouter, "Claude 5.5".
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import msgspec

from tokens_forge.wire.output_cap import LEAST_BUDGET
from tokens_forge.wire.request import NULL, UNREADABLE, Fields, object_or_none, raw_of, word_or_empty

ANTHROPIC_VERSION = "2023-06-01"
"""Of requests whose client names none: the version that takes `temperature`, `top_p` and `top_k`, of which `2026-10-21`
refuses every one. Both take all that the translators write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a model takes."""

    thinking: Literal["adaptive", "budget", "none"] = "adaptive"
    """How it is asked to think: by itself, within a budget, or not at all."""
    effort: bool = True
    """It takes `output_config.effort`."""
    sampling: bool = False
    """It takes `temperature`, `top_p` and `top_k`."""
    forced: bool = True
    """It takes a `tool_choice` that leaves it no other answer than a call."""


_UNFORCED = Facts(forced=False)
_BUDGETS = Facts(thinking="budget", effort=False, sampling=True)

# The dot is a relay's way of writing the version; the date after it is none.
_MODELS: tuple[tuple[re.Pattern[str], Facts], ...] = tuple(
    (re.compile(pattern), facts)
    for pattern, facts in (
        (r"claude-(fable|mythos)-5[-.]\d(?!\d)", _UNFORCED),
        (r"claude-(opus|sonnet)-5[-.]5(?!\d)", _UNFORCED),
        (r"claude-(opus|sonnet)-4[-.]6(?!\d)", Facts(sampling=True)),
        (r"claude-opus-4[-.]5(?!\d)", Facts(thinking="budget", sampling=True)),
        (r"claude-(sonnet|haiku)-4[-.]5(?!\d)", _BUDGETS),
        (r"claude-(opus|sonnet)-4([-.][01](?!\d)|(?![-.]\d(?!\d)))", _BUDGETS),
        (r"claude-3[-.]7-", _BUDGETS),
        (r"claude-(3|2|instant)", Facts(thinking="none", effort=False, sampling=True)),
    )
)
"""The first that is found in a model's name counts, whatever a relay or a cloud writes before and after it."""

_UNKNOWN = Facts(sampling=True)
"""Of a model whose maker is not Anthropic, or that is known by another name: it says itself what it refuses."""

_SHARE = {"low": 8, "medium": 4, "high": 2, "xhigh": 2, "max": 2}
"""What part of the maximum is a budget, by effort. Our choice: half at most is left to thinking."""


def facts_of(model: str) -> Facts:
    """Return what a model of Anthropic's dialect takes."""
    name = model.lower()
    for pattern, facts in _MODELS:
        if pattern.search(name):
            return facts
    return Facts() if "claude-" in name else _UNKNOWN


def suited(fields: Fields, model: str) -> tuple[Fields, tuple[str, ...]]:
    """Return a request of Messages as a model takes it, and the paths of what it does not: those are left out.

    `fields`: with its `max_tokens`. A forced tool becomes the model's own choice: without it, the call is likely all
    the same, and an error certain with it.
    """
    facts = facts_of(model)
    sent = dict(fields)
    left = tuple(_unsuited(sent, facts))
    return sent, left


def _unsuited(sent: Fields, facts: Facts) -> Iterator[str]:
    """Write `sent` as the model takes it, and yield the paths of what is left out."""
    thinking = object_or_none(sent.get("thinking", NULL)) or {}
    config = object_or_none(sent.get("output_config", NULL)) or {}
    if facts.thinking != "adaptive" and word_or_empty(thinking.get("type", NULL)) == "adaptive":
        budget = _budget(sent, word_or_empty(config.get("effort", NULL))) if facts.thinking == "budget" else 0
        if budget:
            sent["thinking"] = raw_of({"type": "enabled", "budget_tokens": budget})
        else:
            del sent["thinking"]
            yield "thinking"
    if not facts.effort and "effort" in config:
        rest = {name: value for name, value in config.items() if name != "effort"}
        sent["output_config"] = raw_of(rest)
        if not rest:
            del sent["output_config"]
        if facts.thinking == "none" or "thinking" not in sent:
            yield "output_config.effort"
    if not facts.sampling:
        for name in ("temperature", "top_p", "top_k"):
            if sent.pop(name, None) is not None:
                yield name
    choice = object_or_none(sent.get("tool_choice", NULL)) or {}
    if not facts.forced and word_or_empty(choice.get("type", NULL)) in {"any", "tool"}:
        kept = {name: value for name, value in choice.items() if name == "disable_parallel_tool_use"}
        sent["tool_choice"] = raw_of({"type": "auto", **kept})
        yield "tool_choice"


def _budget(sent: Fields, effort: str) -> int:
    """Return a budget below the maximum; 0 where none fits."""
    try:
        most = msgspec.json.decode(sent.get("max_tokens", NULL), type=int)
    except UNREADABLE:
        return 0
    budget = max(most // _SHARE.get(effort, 2), LEAST_BUDGET)
    return budget if budget < most else 0
