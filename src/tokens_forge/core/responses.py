"""Responses that an upstream keeps: which route made each, so that what goes on from one goes there.

Part of the fold. A response is known by the id that its upstream gave it; what it said is not here. Where a call goes
is decided in `core/routing.py`.
"""

import msgspec

from tokens_forge.core.entries import Routed, Settled

RESPONSES_AT_MOST = 2_048
"""So many responses are known; the oldest is forgotten first."""


class Responses(msgspec.Struct, kw_only=True):
    """The responses that are known, the last one at the end."""

    made_by: dict[str, str] = {}
    """The upstream's id of a response, and the route that made it."""

    def apply(self, routed: Routed, entry: Settled) -> None:
        """Follow an attempt that was settled: what it answered is kept by its upstream, if the client let it."""
        if not routed.stored or not entry.upstream_id or entry.dialect_out != "openai_responses":
            return
        self.made_by.pop(entry.upstream_id, None)
        if len(self.made_by) >= RESPONSES_AT_MOST:
            del self.made_by[next(iter(self.made_by))]
        self.made_by[entry.upstream_id] = entry.route

    def renamed(self, was: str, name: str) -> None:
        """Follow a route that is called otherwise from here on."""
        for response, route in self.made_by.items():
            if route == was:
                self.made_by[response] = name
