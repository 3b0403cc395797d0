"""What a candidate can't do that a request asks for: its dialect, tools, images, a schema, a context that fits.

Only what the route or the catalogue states counts; what nobody says stands against nothing. It decides no order.
"""

from tokens_forge.core.candidates import Candidate
from tokens_forge.core.dialects import dialect_out
from tokens_forge.core.entries import PassedOver
from tokens_forge.core.settlement import Question
from tokens_forge.core.stated import context_of, stated


def incapable(asked: Question, found: Candidate) -> PassedOver | None:
    """Return what keeps a candidate from serving the request at all, or None.

    The input is taken as such requests turned out to be there, without a hold's margin: an estimate that is too high
    must not turn a request away that would fit.
    """
    routed = asked.routed
    if (what := _unspeakable(asked, found)) is not None:
        return PassedOver(candidate=found.name, balance=found.balance, reason="no_capability", error=what)
    route = asked.terms.config.route[found.route]
    said = stated(route, found.model)
    for need in routed.needs:
        if getattr(said, need) is False:
            return PassedOver(candidate=found.name, balance=found.balance, reason="no_capability", error=need)
    fits = context_of(route, found.model, asked.terms.cards.list.get(found.name, ()), asked.at)
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
