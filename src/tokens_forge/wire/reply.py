"""An upstream's reply, whatever its dialect: what it says of itself, and what each event of a stream is.

Only the shapes stand here; each dialect's file reads them from its own bytes. Usage always comes from the upstream's
native bytes, never from a translation.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Protocol

import msgspec

from tokens_forge.core.usage import Reading
from tokens_forge.wire.sse import Event
from tokens_forge.wire.upstream_errors import ErrorWord


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a complete reply says of itself."""

    model_served: str = ""
    upstream_id: str = ""
    finish: str = ""
    """Why it ended, in the upstream's word (`finish_reason`, `stop_reason`, `status`)."""
    tier_served: str = ""
    reading: Reading | None = None
    """None when it reports no usage."""
    reported_cost: Decimal | None = None
    """What the upstream says that it cost, where it names it."""
    cost_unit: str = ""
    """The unit that it says of the cost; empty for the upstream's own money."""
    output_estimate: int = 0
    """Tokens, from the bytes of what it says: text, reasoning, tool arguments."""


class Passed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one event of a stream is, and whether the client gets it."""

    kind: Literal["comment", "data", "done", "error", "malformed"]
    """``comment``: nothing for the client's parser (keep-alives, empty data); ``done``: the event that ends the
    stream; ``error``: an error inside a stream of status 200; ``malformed``: data that is no JSON object."""
    first: bool = False
    """The first event that says something of an answer (`wire/opening.py`): from here on no other candidate can
    answer the call."""
    hidden: bool = False
    """The usage chunk that we asked for and the client did not."""
    error: ErrorWord | Literal[""] = ""
    """Our word for an ``error``."""


ORDINARY = Passed(kind="data")
FIRST = Passed(kind="data", first=True)
COMMENT = Passed(kind="comment")
MALFORMED = Passed(kind="malformed")
"""What most events of a stream are."""


class Meter(Protocol):
    """Reads a stream as it passes: what each event is, and what all of them say."""

    model_served: str
    upstream_id: str
    finish: str
    """Why it ended, in the upstream's word; empty before it did."""
    accounted: bool
    """A usage came with the end of the answer or after it: it is the whole answer's."""
    done: bool
    """The event that ends the stream was seen."""

    @property
    def tier_served(self) -> str:
        """The tier of service, in the upstream's word."""
        ...

    @property
    def reported_cost(self) -> Decimal | None:
        """What the upstream says that it cost."""
        ...

    @property
    def cost_unit(self) -> str:
        """The unit that it says of the cost; empty for the upstream's own money."""
        ...

    @property
    def reading(self) -> Reading | None:
        """The usage so far as it is a fact: a zero before the end of the answer is a placeholder (CASES 18, 61)."""
        ...

    @property
    def output_estimate(self) -> int:
        """Tokens streamed so far, from the bytes of text, reasoning and tool arguments."""
        ...

    @property
    def complete(self) -> bool:
        """Whether the answer came to its end, whatever is missing of the stream around it."""
        ...

    @property
    def whole(self) -> bool:
        """Whether nothing is missing but the event that ends the stream: it may be cut here at no loss."""
        ...

    @property
    def ending(self) -> bytes:
        """The event that ends a stream of this dialect, for one that lacks it."""
        ...

    def feed(self, event: Event) -> Passed:
        """Take the next event and return what it is."""
        ...


def reply_of(meter: Meter) -> Reply:
    """Return what a meter read of a whole reply."""
    return Reply(
        model_served=meter.model_served,
        upstream_id=meter.upstream_id,
        finish=meter.finish,
        tier_served=meter.tier_served,
        reading=meter.reading,
        reported_cost=meter.reported_cost,
        cost_unit=meter.cost_unit,
        output_estimate=meter.output_estimate,
    )


Said = Reply | Meter
"""What a reply said of itself, whole or streamed."""
