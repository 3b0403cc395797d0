"""What a candidate can't do that a request asks for: its dialect, tools, images, a schema, a context that fits.

Only what the route or the catalogue states counts; what nobody says stands against nothing. It decides no order.
"""

import re

from tokens_forge.core.candidates import Candidate
from tokens_forge.core.config import Capabilities, Route, fits
from tokens_forge.core.dialects import dialect_out
from tokens_forge.core.entries import PassedOver
from tokens_forge.core.moments import moment
from tokens_forge.core.prices import card_at
from tokens_forge.core.settlement import Question, Terms

_NOTHING_SAID = Capabilities()


def incapable(asked: Question, found: Candidate) -> PassedOver | None:
    """Return what keeps a candidate from serving the request at all, or None.

    The input is taken as such requests turned out to be there, without a hold's margin: an estimate that is too high
    must not turn a request away that would fit.
    """
    routed = asked.routed
    if (what := _unspeakable(asked, found)) is not None:
        return PassedOver(candidate=found.name, balance=found.balance, reason="no_capability", error=what)
    said = stated(asked.terms.config.route[found.route], found.model)
    for need in routed.needs:
        if getattr(said, need) is False:
            return PassedOver(candidate=found.name, balance=found.balance, reason="no_capability", error=need)
    fits = context_of(asked.terms, found, asked.at)
    tokens = asked.fold.estimates.input_tokens(found.name, routed.input_estimate) if fits else 0
    if tokens <= fits:
        return None
    return PassedOver(
        candidate=found.name,
        balance=found.balance,
        reason="context_too_long",
        available=str(fits),
        need=str(tokens),
        unit="tokens",
    )


def _unspeakable(asked: Question, found: Candidate) -> str | None:
    """Return what can't be said to a candidate's upstream: the whole kind of call, or a member of it by its path."""
    routed, upstream = asked.routed, asked.terms.config.upstream[found.upstream]
    if not routed.dialect_in:  # of a plan, which asks in no dialect
        return None
    spoken = dialect_out(routed.dialect_in, upstream)
    return routed.dialect_in if spoken is None else routed.uncarried.get(spoken)


def context_of(terms: Terms, found: Candidate, at: str) -> int:
    """Return how many tokens of input fit: the route's word, else the catalogue's; 0 when nobody says."""
    own = stated(terms.config.route[found.route], found.model).context
    listed = terms.cards.list.get(found.name, ())
    if own or not listed:
        return own
    card = card_at(listed, moment(at))
    return (card.context_window or 0) if card else 0


def output_of(route: Route, model: str) -> int:
    """Return how many tokens of output a model gives at most: the route's word, else what is known; 0 when nothing is.

    Source: Anthropic, "Models overview" (read 2026-11): no model since Claude 4 gives less than 32,000.
    """
    if own := stated(route, model).output:
        return own
    return _OUTPUT_SINCE_CLAUDE_4 if _SINCE_CLAUDE_4.search(model) else 0


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
