"""How much a model takes and gives at once, by the word of its route or the catalogue.

What nobody states is not guessed, but for one floor that a provider gives for all of its models (`output_of`). What
follows from these figures is decided in `core/capabilities.py` and `core/settlement.py`.
"""

import re
from collections.abc import Sequence

from tokens_forge.core.config import Capabilities, Route, fits
from tokens_forge.core.moments import moment
from tokens_forge.core.prices import RateCard, card_at

_NOTHING_SAID = Capabilities()
_OUTPUT_SINCE_CLAUDE_4 = 32_000
_SINCE_CLAUDE_4 = re.compile(r"\bclaude-(?![123](?![0-9])|instant)")


def stated(route: Route, model: str) -> Capabilities:
    """Return what a route says of the upstream's model: by its name, else by the first pattern that it fits."""
    if not route.capabilities:
        return _NOTHING_SAID
    if model in route.capabilities:
        return route.capabilities[model]
    fitting = (said for pattern, said in route.capabilities.items() if fits(pattern, model))
    return next(fitting, _NOTHING_SAID)


def context_of(route: Route, model: str, listed: Sequence[RateCard], at: str) -> int:
    """Return how many tokens of input fit: the route's word, else that of the `listed` cards; 0 when nobody says."""
    own = stated(route, model).context
    if own or not listed:
        return own
    card = card_at(listed, moment(at))
    return (card.context_window or 0) if card else 0


def output_of(route: Route, model: str) -> int:
    """Return how many tokens of output a model gives at least: the route's word, else what is known; 0 when nothing is.

    Only the route's own word is a cap too (`stated`): genai-prices knows no model's output (read 2026-11).
    Source: Anthropic, "Models overview" (read 2026-11): no model since Claude 4 gives less than 32,000.
    """
    if own := stated(route, model).output:
        return own
    return _OUTPUT_SINCE_CLAUDE_4 if _SINCE_CLAUDE_4.search(model) else 0
