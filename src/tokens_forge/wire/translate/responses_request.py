"""What a Responses request says, whatever it is translated to.

Decides what says nothing in one, which parts its messages have, and what is asked for beside the answer. It knows no
upstream, and it writes nothing.

Source, read 2026-11: OpenAI API reference ("Create a model response").
"""

from collections.abc import Mapping

from tokens_forge.wire.request import Fields
from tokens_forge.wire.translate.members import Defaults, Dropped, is_default, list_of
from tokens_forge.wire.translation import NotCarried

DEFAULTS = Defaults(
    by_name={
        "context": ("auto",),
        "detail": ("auto",),
        "mode": ("standard",),
        "top_logprobs": (0,),
        "truncation": ("disabled",),
        "verbosity": ("medium",),
    },
    of_any=frozenset({b"[]", b"{}", b"false"}),
)
"""What says nothing in a Responses request."""

ITEM = frozenset({"type", "id", "status"})
"""Members that every item may have, and that say nothing to another maker's model."""

SYSTEM_PARTS = frozenset({"input_text"})
ASSISTANT_PARTS = frozenset({"input_text", "output_text", "refusal"})
"""The kinds of parts in what the system and the assistant say."""


def refuse(given: Fields, refused: Mapping[str, str]) -> None:
    """Raise NotCarried for the first member that is `refused`, for the reason there, and says something."""
    for name, why in refused.items():
        if name in given and not is_default(name, given[name], DEFAULTS):
            raise NotCarried(name, why)


def read_include(given: Fields, dropped: Dropped, *, no_logprobs: str) -> None:
    """Drop what is asked for beside the answer; the reasoning is always in it.

    Raises NotCarried for log probabilities, which `no_logprobs` says of.
    """
    for place, entry in enumerate(list_of(given["include"], "include") if "include" in given else ()):
        match bytes(entry):
            case b'"message.output_text.logprobs"':
                raise NotCarried(f"include[{place}]", no_logprobs)
            case b'"reasoning.encrypted_content"':
                pass
            case _:
                dropped.add("include", f"[{place}]")
