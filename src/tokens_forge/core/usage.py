"""Disjoint classes of usage, and the checks on them.

Every token is in exactly one of `TOKEN_CLASSES`; `reasoning` is an *of which* of `output`. Each dialect declares
whether its input count includes cached tokens (`wire/`); here the counts are made disjoint, and what can't be true is
dropped and flagged. Nothing here knows a price.
"""

from typing import Literal

TOKEN_CLASSES = (
    "input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "audio_in",
    "image_in",
    "output",
    "audio_out",
)
"""Disjoint token classes."""

COUNT_CLASSES = ("requests", "searches", "images", "seconds")
"""Counts that are no tokens."""

INPUT_CLASSES = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "audio_in", "image_in")
"""Token classes that make up the total input, which chooses a long-context tier."""

OUTPUT_CLASSES = ("output", "audio_out")

Flag = Literal[
    "impossible_cache_read",
    "impossible_cache_write",
    "impossible_audio_in",
    "impossible_reasoning",
    "impossible_audio_out",
    "impossible_total",
    "cache_write_unsplit",
    "unexplained_total",
]
"""What can be odd about a reported usage."""
