"""Which model is the newest known one of another's family: the same words and size, another version.

``gpt-5.9-mini`` is of the family of ``gpt-5.4-mini``, and never of ``gpt-5.4`` or ``gpt-5.4-nano``: the words of both
names must be the same, in their order. It decides what a family is; whether a sibling's price may be taken is the
user's word (`[settle] unpriced`).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_DATE = re.compile(
    r"(?<!\d)(?:20\d\d-?(?:0[1-9]|1[0-2])-?(?:0[1-9]|[12]\d|3[01])|(?:0[1-9]|1[0-2])[0-3]\d|0\d\d)(?!\d)"
)
"""The day of a snapshot: ``2026-08-07``, ``20260807``, ``0807``; or its number, ``001``."""

_PART = re.compile(r"[a-z]+|\d+(?:\.\d+)*[a-z]*")
_VERSION = re.compile(r"\d+(?:\.\d+)*")

_GOES_ON = re.compile(r"\d|\.(?!0(?!\d))\d")
"""What makes another version of one that a name begins with: ``5.0`` is 5."""

_MATURITY = frozenset({"latest", "preview", "exp", "experimental", "beta"})
"""Words that say how ready a model is, not which it is."""


_SIZES = frozenset(
    {
        "flash", "haiku", "large", "lite", "luna", "max", "medium", "micro", "mini", "nano", "opus", "plus", "pro",
        "small", "sol", "sonnet", "terra", "tiny", "turbo", "ultra",
    }
)  # fmt: skip
"""Words for how large a model is, at those who sell several sizes of one (price lists of Anthropic, Google, Mistral,
OpenAI, Alibaba; read 2026-11)."""


_VARIANTS = frozenset(
    {
        "batch", "distill", "exacto", "extended", "fast", "flex", "floor", "free", "nitro", "online", "priority",
        "thinking", "vision",
    }
)  # fmt: skip
"""Words for a model sold in another way, or made of another (openrouter.ai/docs, "Model variants"; price lists of
OpenRouter and DeepSeek; read 2026-11): Claude Opus 4.6 is 5/25 USD, and 30/150 as ``claude-opus-4.6-fast``."""

_VARIANT = re.compile(r":([a-z][a-z0-9_-]*)")
"""What OpenRouter and relays after it write behind a name: ``:free``. A number is Bedrock's: ``v1:0``."""


def is_another(model: str, known: str) -> bool:
    """Say whether a name that a list's pattern took for `known` is of another size or kind, or a version that goes on.

    A pattern for ``gemini-3.8-flash`` takes ``gemini-3.8-flash-lite`` too when that comes out, and one for
    ``claude-opus-4-1`` takes ``claude-opus-4-10``: nobody says that these cost the same.
    """
    name = model.lower()
    if _variants(name) - _variants(known.lower()):
        return True
    rest = name.removeprefix(known.lower()) if name.startswith(known.lower()) else ""
    if _GOES_ON.match(rest):
        return True
    return _SIZES & set(_PART.findall(name)) != _SIZES & set(_PART.findall(known.lower()))


def _variants(name: str) -> set[str]:
    # A tuned model's name ends with its owner's words: ``ft:gpt-4o-mini:acme``.
    behind = () if name.startswith("ft:") else _VARIANT.findall(name)
    return {*behind, *(_VARIANTS & set(_PART.findall(name)))}


def newest_sibling(model: str, known: Iterable[str]) -> str | None:
    """Return the newest of the known names that differ from `model` in nothing but their version; None for no such.

    The very version goes before a newer one: ``azure/gpt-5.4`` is ``gpt-5.4`` under another seller's name. Where the
    version stands is a part of the name: neither ``gpt-5.4-image-2`` nor ``gpt-5-image`` is a ``gpt-image-3``.
    """
    asked = _read(model)
    if not asked.words or not asked.version:
        return None
    siblings = [
        (found.version == asked.version, found.version, name)
        for name in known
        for found in (_read(name),)
        if (found.words, found.places) == (asked.words, asked.places)
    ]
    return max(siblings)[-1] if siblings else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Name:
    """A model's name in its parts."""

    words: tuple[str, ...]
    """Sizes such as ``70b`` among them."""
    version: tuple[int, ...]
    places: tuple[int, ...]
    """Behind how many words a part of the version stands: of ``gpt-5.4-image-2`` behind 1 and behind 2."""


def _read(model: str) -> _Name:
    name = _DATE.sub("", model.lower().rpartition("/")[2])
    words: list[str] = []
    version: list[int] = []
    places: list[int] = []
    for part in _PART.findall(name):
        if _VERSION.fullmatch(part):
            whole, *further = part.split(".")
            # xAI wrote 4.20 before 4.3: a zero at the end is a decimal's.
            version += (int(whole), *(int(number.rstrip("0") or "0") for number in further))
            places.append(len(words))
        elif part not in _MATURITY:
            words.append(part)
    return _Name(words=tuple(words), version=tuple(version), places=tuple(dict.fromkeys(places)))
