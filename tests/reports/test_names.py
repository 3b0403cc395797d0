"""What was written under an earlier name is found under the name of now (CASES 53)."""

from hypothesis import given
from hypothesis import strategies as st

from tokens_forge.core.entries import NamedScope, Renamed
from tokens_forge.reports.names import Earlier, earlier_names, name_now


def renamed(was: str, name: str, scope: NamedScope = "balance") -> Renamed:
    return Renamed(scope=scope, name=name, was=was)


def test_a_chain_of_names_ends_at_the_last() -> None:
    """Two renames carry the first name to the last one, each in the lines before it."""
    earlier = earlier_names([(10, renamed("a", "b")), (20, renamed("b", "c"))])
    expected = (
        Earlier(scope="balance", was="a", after=0, before=10, name="c"),
        Earlier(scope="balance", was="b", after=0, before=20, name="c"),
    )
    assert expected == earlier


def test_a_name_that_something_new_took_stays_its_own() -> None:
    """After a rename the old name may be given again: only what was before it has the new name."""
    earlier = earlier_names([(10, renamed("a", "b")), (20, renamed("a", "d"))])
    assert ["b", "d", "a"] == [name_now(earlier, "balance", "a", seq) for seq in (5, 15, 25)]


def test_a_name_taken_back() -> None:
    """What went from one name to another and back has its first name, and never loops."""
    earlier = earlier_names([(10, renamed("a", "b")), (20, renamed("b", "a"))])
    assert [("a", "a"), ("a", "a"), ("a", "b")] == [
        (name_now(earlier, "balance", "a", seq), name_now(earlier, "balance", "b", seq)) for seq in (5, 15, 25)
    ]


def test_scopes_stand_apart() -> None:
    """A route and a balance of one name are two things."""
    earlier = earlier_names([(10, renamed("a", "b", "route"))])
    assert ("a", "b", "a") == tuple(name_now(earlier, scope, "a", 5) for scope in ("balance", "route", "key"))


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), max_size=8), st.sampled_from("abcd"))
def test_it_is_as_if_each_rename_ran_over_all_lines_before(pairs: list[tuple[str, str]], name: str) -> None:
    """For every line, the name of now is what is left when the renames after it are done one by one."""
    renames = [(10 * (n + 1), renamed(was, to)) for n, (was, to) in enumerate(pairs)]
    earlier = earlier_names(renames)
    for seq in range(5, 10 * len(pairs) + 10, 10):
        expected = name
        for place, rename in renames:
            if place > seq and rename.was == expected:
                expected = rename.name
        assert expected == name_now(earlier, "balance", name, seq)
