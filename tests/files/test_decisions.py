"""A call's decisions made again from its files: what is read, and what is said of a page that is not whole."""

from pathlib import Path

from ledgers import Ledger, at, call_id, held_relay, routed, settled_relay

from tokens_forge.core.replay import Replayed
from tokens_forge.files.decisions import decided_again
from tokens_forge.files.ledger_reader import find
from tokens_forge.files.pages import page_path
from tokens_forge.files.paths import Paths

NEXT = "2026-11-25"


def over_midnight(folder: Path) -> tuple[Paths, str]:
    """Write a call that was routed on one day and decided on the next, by a config that no line names."""
    paths = Paths(config=folder / "config.toml", data=folder, cache=folder / "cache")
    call = call_id(at("23:59:59"))
    ledger = Ledger(paths.ledger)
    ledger.add(at("23:59:59"), routed(call))
    ledger.add(at("00:00:01", NEXT), held_relay(call), settled_relay(call))
    return paths, call


def again(paths: Paths, call: str) -> Replayed:
    """Make the decisions of a call again."""
    return decided_again(paths, call, find(paths.ledger, call))


def test_a_ledger_that_names_no_config(tmp_path: Path) -> None:
    """Without a digest there is no file to look for, and that is said."""
    paths, call = over_midnight(tmp_path)
    found = again(paths, call)
    assert (0, (), ["routed", "held"]) == (found.agreed, found.decisions, [one.type for one in found.unknown])
    assert found.unknown[0].why.startswith(f"no line before it names anything in {paths.configs}")


def test_the_page_on_which_it_was_routed_is_gone(tmp_path: Path) -> None:
    """The line that is gone with it counts as unknown, too, with the page to put back."""
    paths, call = over_midnight(tmp_path)
    page = page_path(paths.ledger, "2026-11-24")
    page.unlink()
    found = again(paths, call)
    assert [("routed", 0), ("held", 4)] == [(one.type, one.seq) for one in found.unknown]
    assert {f"{page}, on which the call was routed, is gone: put it back from a backup"} == {
        one.why for one in found.unknown
    }


def test_the_line_on_which_it_was_routed_is_gone(tmp_path: Path) -> None:
    """The page is there without it: what else is missing is another command's answer."""
    paths, call = over_midnight(tmp_path)
    page = page_path(paths.ledger, "2026-11-24")
    page.write_bytes(page.read_bytes().splitlines(keepends=True)[0])
    assert {f"the call's first line, `routed`, is not in {page}: `tf ledger verify` says what is missing"} == {
        one.why for one in again(paths, call).unknown
    }


def test_a_line_that_is_none(tmp_path: Path) -> None:
    """A page with bytes that are no line is damage; the story is told all the same."""
    paths, call = over_midnight(tmp_path)
    with page_path(paths.ledger, "2026-11-24").open("ab") as page:
        page.write(b"{}\n")
    assert {True} == {
        "page 2026-11-24 has a line that this version can't read" in one.why for one in again(paths, call).unknown[1:]
    }
