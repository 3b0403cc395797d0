"""What a Responses request says, whatever it is translated to.

Decides what says nothing in one. It knows no upstream, and it writes nothing.

Source, read 2026-11: OpenAI API reference ("Create a model response").
"""

from tokens_forge.wire.translate.members import Defaults

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
