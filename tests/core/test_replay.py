"""Every decision of a ledger made again, and what it looks like when one does not agree."""

from collections.abc import Iterator

import msgspec
import pytest
from builders import OFFICIAL, PLAN, RELAY, Bench, agreed, config, listed
from msgspec.structs import replace

from tokens_forge.core.config import Key
from tokens_forge.core.entries import AnyEntry, Held, Line, Opened, PassedOver, Previous, Refused, Routed, Settled
from tokens_forge.core.errors import LedgerDamaged
from tokens_forge.core.replay import Compared, Decision, Difference, NotKept, Unknown, compared, replay
from tokens_forge.core.settlement import Terms


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


def opened(made: Bench, **changes: object) -> Line:
    """Return the line that opens a page after what the bench has so far, as the writer makes it."""
    fold = msgspec.Raw(made.fold.encode())
    entry = Opened(page="2026-11-25", machine="m", lineage="l", config=made.fold.config, cards="p_1", fold=fold)
    return Line(seq=len(made.lines) + 1, ts=made.at, entry=replace(entry, **changes))


def edited(made: Bench, kind: type[AnyEntry], **changes: object) -> list[Line]:
    """Return the lines with the first entry of a kind changed."""
    index = next(n for n, line in enumerate(made.lines) if isinstance(line.entry, kind))
    line = made.lines[index]
    return [*made.lines[:index], replace(line, entry=replace(line.entry, **changes)), *made.lines[index + 1 :]]


def differences(made: Bench, lines: list[Line]) -> tuple[Difference, ...]:
    """Return what differs in the first decision that does not agree."""
    return next(one.differs for one in compared(replay(lines, made.kept_terms)).decisions if not one.agrees)


def test_every_decision_agrees() -> None:
    """DESIGN 2: `decide` reads config, cards, the fold, the call and the entry's moment, and nothing else."""
    made = eventful()
    again = compared(replay(made.lines, made.kept_terms))
    assert (decisions(made), (), True) == (again.agreed, again.unknown, again.proven)
    assert {()} == {one.differs for one in again.decisions}


def test_one_call_alone() -> None:
    """Of one call the same comes as of the whole ledger, the others' lines are followed, and no line after its end."""
    made = eventful()
    whole = list(replay(made.lines, made.kept_terms))
    for call_id in {entry.id for entry in made.entries if isinstance(entry, Routed)}:
        lines = iter(made.lines)
        asked: list[str] = []

        def terms_of(config_digest: str, cards_digest: str, asked: list[str] = asked) -> Terms | NotKept:
            asked.append(config_digest)
            return made.kept_terms(config_digest, cards_digest)

        mine = list(replay(lines, terms_of, call_id))
        assert [one for one in whole if one.recorded.id == call_id] == mine
        assert [mine[0].config] == asked, "its terms are read, once, and no others"
        rest = [line.entry for line in lines if not isinstance(line.entry, Opened)]
        assert [] == [entry for entry in rest if isinstance(entry, Held | Settled | Refused) and entry.id == call_id]


def test_a_call_keeps_the_terms_that_it_began_with() -> None:
    """It is decided again by the config and cards of its `routed`, whatever came into force meanwhile."""
    made = Bench(terms=agreed(listed(RELAY, OFFICIAL)))
    made.topup(wallet="0.1 CNY", credit="0.0065 USD")
    before = made.route()
    made.configure(agreed(listed(OFFICIAL, RELAY, key={"k": Key(classes=("ordinary",))})))
    made.attempt(before)
    after = made.route()
    made.attempt(after)
    found = [(one.recorded.id, one.config, one.cards, one.agrees) for one in replay(made.lines, made.kept_terms)]
    assert [(before, "c_0", "p_1", True)] * 2 + [(after, "c_1", "p_1", True)] * 2 == found


def test_what_was_refused_without_a_decision() -> None:
    """A client that left or a deadline judged no candidate: there is nothing to make again."""
    made = Bench(terms=agreed(listed(RELAY)))
    call = made.route()
    left = Refused(id=call, key="k", model_asked="smart", reason="client_left", error="", client_status=0, final=True)
    made.append(left)
    assert ["routed"] == [one.type for one in compared(replay(made.lines, made.kept_terms)).decisions]


def test_another_hold_disagrees() -> None:
    """A line that was changed is not what the decision gives, and each field says how."""
    made = eventful()
    held = next(entry for entry in made.entries if isinstance(entry, Held))
    lines = edited(made, Held, hold="0.0001", hold_basis=replace(held.hold_basis, output=7))
    again = compared(replay(lines, made.kept_terms))
    assert (decisions(made) - 1, (), False) == (again.agreed, again.unknown, again.proven)
    seq = next(line.seq for line in lines if isinstance(line.entry, Held))
    assert [
        Compared(
            seq=seq,
            ts=made.lines[seq - 1].ts,
            type="held",
            config="c_0",
            cards="p_1",
            agrees=False,
            differs=(
                Difference(field="hold", recorded="0.0001", decided=held.hold),
                Difference(field="hold_basis.output", recorded="7", decided=str(held.hold_basis.output)),
            ),
        )
    ] == [one for one in again.decisions if not one.agrees]


def test_what_is_on_one_side_only() -> None:
    """A field, or an item of a list, that is absent on one side is shown field by field all the same."""
    made = eventful()
    over = (PassedOver(candidate=RELAY, reason="cooling"),)
    assert (
        Difference(field="passed_over[0].candidate", recorded=RELAY),
        Difference(field="passed_over[0].reason", recorded="cooling"),
    ) == differences(made, edited(made, Held, passed_over=over))
    assert (Difference(field="intended", decided=RELAY),) == differences(made, edited(made, Routed, intended=""))


def test_an_attempt_where_a_refusal_is_due() -> None:
    """With another fold before it, a decision may be another kind of line: the kind is the first that differs."""
    made = Bench(terms=agreed(listed(RELAY)))
    made.topup(wallet="0.1 CNY")
    poor = made.fold.encode().replace(b'"posted":"0.1"', b'"posted":"0.01"')
    page = opened(made, fold=msgspec.Raw(poor))
    made.held(made.route())
    lines = [page, *(replace(line, seq=line.seq + 1) for line in made.lines[-2:])]
    found = differences(made, lines)
    assert Difference(field="type", recorded="held", decided="refused") == found[0]
    assert Difference(field="reason", decided="nothing_can_pay") in found
    assert Difference(field="hold", recorded="0.062") in found
    assert Difference(field="passed_over[0].available", decided="0.01") in found


def test_without_its_config_a_call_is_unknown() -> None:
    """What can't be decided again is said with what is missing, not passed over in silence."""
    made = eventful()
    again = compared(replay(made.lines, lambda config, _cards: NotKept(why=f"{config} is gone")))
    assert (0, (), decisions(made)) == (again.agreed, again.decisions, len(again.unknown))
    first = next(line for line in made.lines if isinstance(line.entry, Routed))
    assert again.unknown[0] == Unknown(
        seq=first.seq, ts=first.ts, type="routed", config="c_0", cards="p_1", why="c_0 is gone"
    )


def test_a_page_begins_with_what_came_before() -> None:
    """A replay may begin at any page: its `opened` holds the fold."""
    made = eventful()
    page = opened(made)
    made.refused(made.route())
    later = [replace(line, seq=line.seq + 1) for line in made.lines[-2:]]
    assert [True, True] == [one.agrees for one in replay([page, *later], made.kept_terms)]


def test_a_call_that_goes_on_to_another_page() -> None:
    """The fold goes on over a page's end; a replay from the later page alone does not know by what it was decided."""
    made = Bench(terms=agreed(listed(RELAY, OFFICIAL)))
    made.topup(wallet="0.1 CNY", credit="0.0065 USD")
    call = made.route()
    made.attempt(call, "rate_limited")
    page = opened(made, previous=Previous(page="2026-11-24", bytes=1, seq=len(made.lines), chain=""))
    first = list(made.lines)
    made.later(days=1)
    made.attempt(call)
    later = [replace(line, seq=line.seq + 1) for line in made.lines[len(first) :]]
    assert [True, True, True] == [one.agrees for one in replay([*first, page, *later], made.kept_terms)]
    (alone,) = replay([page, *later], made.kept_terms)
    assert (None, "", "its call was routed before the first line that is here") == (
        alone.decided,
        alone.config,
        alone.why,
    )
    with pytest.raises(LedgerDamaged, match=r"lines 3 to 7 are not here: put page 2026-11-24 back from a backup"):
        list(replay([*first[:2], page, *later], made.kept_terms))


def test_lines_that_do_not_follow() -> None:
    """Nothing is decided again from a fold that nobody knows; the damage is named with the next step."""
    made = eventful()
    held = next(n for n, line in enumerate(made.lines) if isinstance(line.entry, Held))
    for lines, said in (
        (made.lines[1:], r"line 2 begins no page, .* `tf ledger verify`"),
        ([*made.lines[:held], *made.lines[held + 1 :]], rf"lines {held + 1} to {held + 1} are not here: `tf ledger"),
        (edited(made, Settled, id="tf_none"), r"line \d+ does not follow from the lines before it: `tf ledger verify`"),
        (edited(made, Routed, candidates=("gone/m",)), r"line \d+ does not follow from the lines before it"),
        ([opened(made, fold=msgspec.Raw(b"[]"))], r"the fold that page 2026-11-25 opens with can't be read"),
    ):
        with pytest.raises(LedgerDamaged, match=said):
            list(replay(lines, made.kept_terms))


def test_a_decision_is_handed_out_before_its_line_is_followed() -> None:
    """Lines are taken one at a time and not kept, so a ledger of any length needs the memory of its fold."""
    made = eventful()
    taken: list[int] = []

    def counted() -> Iterator[Line]:
        for line in made.lines:
            taken.append(line.seq)
            yield line

    for one in replay(counted(), made.kept_terms):
        assert isinstance(one, Decision)
        assert one.seq == taken[-1]
