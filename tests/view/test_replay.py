"""Decisions made again, on a screen: one quiet line, or each with what differs or is missing."""

from screens import printed

from tokens_forge.core.replay import Compared, Difference, Replayed, Unknown
from tokens_forge.view.replay import replay_view

BY = {"config": "c_0123456789abcdef", "cards": "p_0123456789abcdef"}
AT = "2026-11-24T10:00:00.000000Z"


def one(seq: int, kind: str, *differs: Difference) -> Compared:
    """Return a decision that was made again."""
    return Compared(seq=seq, ts=AT, type=kind, agrees=not differs, differs=differs, **BY)


def lines(*made: Compared, unknown: tuple[Unknown, ...] = ()) -> list[str]:
    """Return the picture at 80 columns."""
    agreed = sum(it.agrees for it in made)
    return printed(replay_view(Replayed(agreed=agreed, decisions=made, unknown=unknown)))


def test_all_agree() -> None:
    """What is as it should be takes one sentence."""
    assert [
        "",
        "3 decisions made again from the ledger: all agree (config c_0123456789abcdef,",
        "cards p_0123456789abcdef)",
    ] == lines(one(5, "routed"), one(6, "held"), one(9, "held"))
    assert "1 decision made again from the ledger: it agrees (config c_0123456789abcdef," == lines(one(5, "routed"))[1]


def test_what_differs_and_what_is_missing() -> None:
    """The whole picture at 80 columns: by line, in the ledger's order, the values side by side."""
    differs = (
        Difference(field="hold_basis.output", recorded="10", decided="12"),
        Difference(field="passed_over[0].reason", decided="balance_short"),
    )
    why = "/home/me/data/cards/p_0123456789abcdef.json is gone: put it back from a backup"
    gone = Unknown(seq=123456, ts=AT, type="refused", why=why, **BY)
    expected = """\

Made again from the ledger (config c_0123456789abcdef, cards p_0123456789abcdef)
  line 5       routed   agrees
  line 6       held     differs (recorded → decided now)
                        hold_basis.output: 10 → 12
                        passed_over[0].reason: - → balance_short
  line 123456  refused  can't be made again:
                        /home/me/data/cards/p_0123456789abcdef.json is gone: put
                        it back from a backup"""
    assert expected.splitlines() == lines(one(5, "routed"), one(6, "held", *differs), unknown=(gone,))


def test_a_line_that_is_gone_itself() -> None:
    """Without its line and its config there is no number and nothing that it was made by."""
    assert [
        "",
        "Made again from the ledger",
        "  -  routed  can't be made again: its page is gone",
    ] == lines(unknown=(Unknown(type="routed", why="its page is gone"),))


def test_control_characters_are_visible() -> None:
    """What a client wrote never moves the cursor, here neither."""
    differs = Difference(field="intended", recorded="a\x1b[2J", decided="b")
    assert [True] == ["\\x1b" in line for line in lines(one(5, "routed", differs)) if "intended" in line]
