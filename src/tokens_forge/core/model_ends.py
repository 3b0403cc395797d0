"""Models that end: what their providers announced, and the names of models that live, for what a newcomer reads.

One table: the next announcement is one line. It refuses nothing; `tf check` warns by it. An end holds at the provider
itself: relays and clouds have dates of their own.
"""

import re
from dataclasses import dataclass
from datetime import date

import msgspec

FLAGSHIP, SMALL = "gpt-6.1-sol", "gpt-6-luna"
"""The names that the first config, the demo, the example and the README use. No end of either is announced (OpenAI,
"Deprecations", read 2026-11-30)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEnd:
    """The announced end of a model and of its dated snapshots."""

    provider: str
    """As the price catalogue calls it."""
    models: tuple[str, ...]
    on: date
    """The first day on which it can't be asked."""
    instead: str
    """What the provider recommends."""
    source: str


_OPENAI = "developers.openai.com/api/docs/deprecations, read 2026-11-30"
_OPENAI_TOLD = "OpenAI's deprecations page and `shutdown_date`, by dev.to/max_bob, read 2026-11-30"
_ANTHROPIC = "platform.claude.com/docs/en/about-claude/model-deprecations, by Modelpin 0.5.7, read 2026-11-30"

ENDS = (
    ModelEnd(provider="openai", models=("gpt-5",), on=date(2026, 12, 11), instead="gpt-6.1-sol", source=_OPENAI),
    ModelEnd(provider="openai", models=("gpt-5-mini",), on=date(2026, 12, 11), instead="gpt-6.1-terra", source=_OPENAI),
    ModelEnd(provider="openai", models=("gpt-5-nano",), on=date(2026, 12, 11), instead="gpt-6-luna", source=_OPENAI),
    ModelEnd(
        provider="openai",
        models=("gpt-5-pro", "o3", "o3-pro"),
        on=date(2026, 12, 11),
        instead="gpt-6.1-sol",
        source=_OPENAI_TOLD,
    ),
    ModelEnd(
        provider="openai",
        models=("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini"),
        on=date(2027, 1, 14),
        instead="gpt-6-luna",
        source=_OPENAI_TOLD,
    ),
    ModelEnd(
        provider="openai",
        models=("gpt-5.1", "gpt-5.3-codex", "gpt-5.4-nano"),
        on=date(2027, 4, 1),
        instead="",
        source=_OPENAI_TOLD,
    ),
    ModelEnd(
        provider="anthropic",
        models=("claude-sonnet-4-5",),
        on=date(2026, 11, 30),
        instead="claude-sonnet-5-5",
        source="platform.claude.com/docs/en/about-claude/model-deprecations, by dev.to/leighefford, read 2026-11-30",
    ),
    ModelEnd(
        provider="anthropic",
        models=("claude-opus-4-5",),
        on=date(2027, 1, 22),
        instead="claude-opus-5-5",
        source=_ANTHROPIC,
    ),
)

_DAY = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])")
_SNAPSHOT = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8})\Z")


def end_of(provider: str, model: str) -> ModelEnd | None:
    """Return the announced end of a provider's model, or of the one whose dated snapshot it is; None without one."""
    undated = _SNAPSHOT.sub("", model)
    return next((end for end in ENDS if provider == end.provider and undated in end.models), None)


def told(end: ModelEnd, model: str, today: date) -> str:
    """Return a sentence about the end of a model."""
    verb = "ends" if today < end.on else "ended"
    instead = f"; {end.instead} is recommended instead" if end.instead else ""
    return f"`{model}` {verb} on {end.on} at {end.provider}{instead} ({end.source})"


class _Listed(msgspec.Struct):
    id: str = ""
    shutdown_date: str | None = None
    deprecation_date: str | None = None


class _List(msgspec.Struct):
    data: list[_Listed] = []


def ends_listed(body: bytes) -> dict[str, date]:
    """Return the models in an upstream's list (``GET /models``) that it says will end, and their days.

    OpenAI says so by `shutdown_date` (its "Deprecations", read 2026-11), LiteLLM by `deprecation_date`. What is no such
    list says nothing, nor does what is not a date.
    """
    try:
        listed = msgspec.json.decode(body, type=_List).data
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    days = ((one.id, one.shutdown_date or one.deprecation_date or "") for one in listed)
    return {model: date.fromisoformat(day[:10]) for model, day in days if _DAY.match(day)}
