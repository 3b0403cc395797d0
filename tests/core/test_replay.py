"""Every decision of a ledger made again, and what it looks like when one does not agree."""

import msgspec
from builders import OFFICIAL, PLAN, RELAY, Bench, agreed, config, listed
from msgspec.structs import replace

from tokens_forge.core.config import Key
from tokens_forge.core.entries import Held, Line, Opened, Refused, Routed
from tokens_forge.core.replay import replay


def eventful() -> Bench:
    """Return a bench on which calls were answered, fell back, were retried and refused, and the config changed."""
    made = Bench(terms=agreed(listed(RELAY, OFFICIAL, PLAN)))
    made.topup(wallet="0.1 CNY", credit="0.0065 USD")
    for ended in ("", "server_error", "rate_limited", "insufficient_quota", "reset"):
        made.call(ended)
        made.later(seconds=7)
    call = made.route()
    made.configure(agreed(config(key={"k": Key(classes=())})))
    while isinstance(made.step(call), Held):
        made.end(made.open(call).holds[max(made.open(call).holds)], "server_error")
        made.later(seconds=1)
    made.refused(made.route())
    made.refused(made.route("nothing"))
    return made


def decisions(made: Bench) -> int:
    """Return how many entries are decisions."""
    return sum(isinstance(entry, Routed | Held | Refused) for entry in made.entries)


def test_every_decision_agrees() -> None:
    """DESIGN 2: `decide` reads config, cards, the fold, the call and the entry's moment, and nothing else."""
    made = eventful()
    again = replay(made.lines, made.kept_terms)
    assert (decisions(made), (), ()) == (again.agreed, again.disagreements, again.unknown)


def test_another_hold_disagrees() -> None:
    """A line that was changed is not what the decision gives."""
    made = eventful()
    index = next(n for n, line in enumerate(made.lines) if isinstance(line.entry, Held))
    held = made.lines[index].entry
    assert isinstance(held, Held)
    lines = list(made.lines)
    lines[index] = Line(seq=index + 1, ts=lines[index].ts, entry=replace(held, hold="0.0001"))
    (found, *_rest) = replay(lines, made.kept_terms).disagreements
    assert (index + 1, "0.0001", held) == (found.seq, getattr(found.recorded, "hold", ""), found.decided)


def test_without_its_config_a_call_is_unknown() -> None:
    """What can't be decided again is said, not passed over in silence."""
    made = eventful()
    again = replay(made.lines, lambda _config, _cards: None)
    assert (0, (), 8) == (again.agreed, again.disagreements, len(again.unknown))


def test_a_page_begins_with_what_came_before() -> None:
    """A replay may begin at any page: its `opened` holds the fold."""
    made = eventful()
    opened = Opened(page="p", machine="m", lineage="l", config="c_1", cards="p_1")
    first = Line(seq=1, ts=made.at, entry=replace(opened, fold=_raw(made)))
    made.refused(made.route())
    again = replay([first, *made.lines[-2:]], made.kept_terms)
    assert (2, ()) == (again.agreed, again.disagreements)


def _raw(made: Bench) -> msgspec.Raw:
    """Return the fold as `opened` carries it."""
    return msgspec.Raw(made.fold.encode())
