"""Cooldowns ended by hand: what a name means, and that whatever is under way goes on as it would."""

import pytest
from builders import LOCAL, OFFICIAL, RELAY, Bench, agreed, config, finished, listed
from hypothesis import given
from hypothesis import strategies as st

from tokens_forge.core.adjustment import Unadjusted
from tokens_forge.core.config import Model
from tokens_forge.core.entries import Cooled, Held, Recovered, Renamed, Scope
from tokens_forge.core.recovery import RecoverOrder, ended_by_hand
from tokens_forge.core.replay import replay

UNTIL = "2026-11-24T11:00:00.000000Z"


@pytest.fixture
def bench() -> Bench:
    """One candidate, money enough, and no second attempt in a call."""
    bench = Bench(terms=agreed(listed(RELAY)))
    bench.topup(wallet="100 CNY")
    return bench


def cools(bench: Bench, *names: str) -> None:
    """Let things cool, each by its SCOPE NAME."""
    for key in names:
        scope, _, name = key.partition(" ")
        bench.append(Cooled(scope=_scope(scope), name=name, until=UNTIL, level=3, error="rate_limited"))


def _scope(word: str) -> Scope:
    scopes: tuple[Scope, ...] = ("candidate", "upstream", "balance")
    return next(scope for scope in scopes if scope == word)


def recover(bench: Bench, name: str) -> list[str] | str:
    """End by hand what a name means; return what was ended as SCOPE NAME, or why nothing was."""
    entries = ended_by_hand(RecoverOrder(name=name), bench.terms.config, bench.fold.health, bench.at)
    if isinstance(entries, Unadjusted):
        return entries.why
    for entry in entries:
        assert entry.by == "hand"
        bench.append(entry)
    return [f"{entry.scope} {entry.name}" for entry in entries]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("relay/a", ["candidate relay/a"]),
        ("relay/org/a", ["candidate relay/org/a"]),
        ("relay", ["balance relay", "upstream relay", "candidate relay/a", "candidate relay/org/a"]),
        ("relay2", ["candidate relay2/a"]),
        ("wallet", ["balance wallet"]),
        ("openai", ["upstream openai"]),
    ],
)
def test_what_a_name_means(bench: Bench, name: str, expected: list[str]) -> None:
    """A candidate, all of a route, an upstream, a balance; several things of one name are all ended, and no other."""
    everything = {
        *("candidate relay/a", "candidate relay/org/a", "candidate relay2/a", "upstream relay", "upstream openai"),
        *("balance relay", "balance wallet"),
    }
    cools(bench, *sorted(everything, reverse=True))

    ended = recover(bench, name)

    assert set(expected) == set(ended)
    assert everything - set(expected) == set(bench.fold.health.cooldowns)


def test_an_earlier_name_means_what_has_another_now(bench: Bench) -> None:
    """CASES 53: of a balance, a route and its candidates."""
    cools(bench, "balance wallet", f"candidate {RELAY}", "candidate relay/n")
    bench.append(Renamed(scope="balance", was="wallet", name="purse"))
    bench.append(Renamed(scope="route", was="relay", name="box"))

    assert ["balance purse"] == recover(bench, "wallet")
    assert ["candidate box/m"] == recover(bench, RELAY)
    assert ["candidate box/n"] == recover(bench, "relay")


@pytest.mark.parametrize(
    ("cooling", "name", "why"),
    [
        ((), "relay", "nothing cools: there is nothing to end"),
        (("upstream relay",), "rely", "nothing called `rely` cools. Did you mean `relay`?"),
        (("balance wallet",), "official", "nothing called `official` cools. There is: `wallet`."),
        (
            ("balance wallet", "upstream openai"),
            OFFICIAL,
            "`official/m` itself does not cool: its upstream `openai` does. To end that, `tf routes recover openai`",
        ),
        (
            ("balance credit",),
            "official",
            "`official` itself does not cool: its balance `credit` does. To end that, `tf routes recover credit`",
        ),
    ],
)
def test_what_does_not_cool(bench: Bench, cooling: tuple[str, ...], name: str, why: str) -> None:
    """Nothing is entered; what cools is named, above all what stands against the very candidate."""
    cools(bench, *cooling)
    before = len(bench.lines)

    assert why == recover(bench, name)
    assert before == len(bench.lines)


def test_the_next_call_may_try_at_once_and_the_doubling_starts_anew(bench: Bench) -> None:
    """After three failed probes a hand ends it: what fails next cools as if for the first time."""
    for seconds in (10, 20, 40):
        bench.call("rate_limited")
        bench.later(seconds=seconds)
    bench.call("rate_limited")
    assert 4 == bench.cooldowns()[-1].level

    assert [f"candidate {RELAY}"] == recover(bench, RELAY)
    bench.call("rate_limited")

    assert 1 == bench.cooldowns()[-1].level


def test_it_takes_three_failures_in_a_row_again(bench: Bench) -> None:
    """What was counted before the hand is forgotten with the cooldown."""
    for _ in range(3):
        bench.call("server_error")
    recover(bench, RELAY)
    for _ in range(2):
        bench.call("server_error")
    assert 1 == len(bench.cooldowns())

    bench.call("server_error")

    assert [1, 1] == [cooled.level for cooled in bench.cooldowns()]


@pytest.mark.parametrize("error", ["", "rate_limited", "client_left", "connect"])
def test_a_probe_under_way_ends_as_any_attempt(bench: Bench, error: str) -> None:
    """A hand may end a cooldown that is being probed: the others need not wait, and the probe recovers nothing more."""
    bench.call("rate_limited")
    bench.later(seconds=10)
    probe = bench.held(bench.route())
    assert "probing" == bench.refused(bench.route()).passed_over[0].reason

    recover(bench, RELAY)
    beside = bench.held(bench.route())
    bench.end(probe, error)

    assert ["hand"] == [recovery.by for recovery in bench.recoveries()]
    assert [1, 1] if error == "rate_limited" else [1] == [cooled.level for cooled in bench.cooldowns()]
    bench.end(beside)
    assert ["hand"] == [recovery.by for recovery in bench.recoveries()], "no cooldown was probed by it"


def test_what_was_sent_before_a_later_cooldown_does_not_end_that(bench: Bench) -> None:
    """The probe of a cooldown that a hand ended is no probe of the one that came after it (CASES 39)."""
    bench.call("rate_limited")
    bench.later(seconds=10)
    probe = bench.held(bench.route())
    recover(bench, RELAY)
    bench.call("rate_limited")

    bench.end(probe)

    assert [f"candidate {RELAY}"] == list(bench.fold.health.cooldowns)
    assert "cooling" == bench.refused(bench.route()).passed_over[0].reason


def test_calls_that_failed_together_cool_it_again(bench: Bench) -> None:
    """What was under way when a hand ended it may still show that it is not well: one cooling, at the first level."""
    under_way = [bench.held(bench.route()) for _ in range(5)]
    bench.end(under_way[0], "rate_limited")
    recover(bench, RELAY)
    for held in under_way[1:]:
        bench.end(held, "rate_limited")

    assert [1, 1] == [cooled.level for cooled in bench.cooldowns()]


def test_a_retry_goes_on_after_it(bench: Bench) -> None:
    """A call between two attempts is decided anew: what it could not try for a cooldown it may try now."""
    bench.configure(agreed(listed(RELAY, OFFICIAL)))
    bench.topup(credit="1 USD")
    bench.call("rate_limited")
    call = bench.route()
    assert OFFICIAL == f"official/{bench.attempt(call, 'server_error').upstream_model}"

    recover(bench, RELAY)

    retried = bench.held(call)
    assert ("retry", 2) == (retried.role, retried.n)
    bench.end(retried, finished("server_error"))
    assert ("relay", "fallback") == ((last := bench.held(call)).route, last.role)


def test_only_what_a_hand_ended_is_ended() -> None:
    """A probe that is one for balance, upstream and candidate alike goes on being that for the others."""
    bench = Bench(terms=agreed(listed(RELAY)))
    bench.topup(wallet="100 CNY")
    cools(bench, "balance wallet", "upstream relay", f"candidate {RELAY}")
    bench.later(hours=1)
    probe = bench.held(bench.route())
    assert ["upstream relay", f"candidate {RELAY}"] == recover(bench, "relay")

    bench.end(probe)

    assert Recovered(scope="balance", name="wallet", by=f"{probe.id}/1") == bench.recoveries()[-1]
    assert {} == bench.fold.health.cooldowns


@given(
    steps=st.lists(
        st.sampled_from(["begin", "", "rate_limited", "connect", "insufficient_quota", "client_left", "hand", "wait"]),
        max_size=40,
    )
)
def test_any_interleaving_keeps_the_fold_the_entries(steps: list[str]) -> None:
    """Whatever begins, ends and is recovered by hand in whatever order: replay agrees, and levels are never skipped."""
    conf = config(model={"smart": Model(routes=(RELAY, LOCAL), fallback="any")})
    bench = Bench(terms=agreed(conf))
    bench.topup(wallet="100 CNY")
    under_way = [bench.held(bench.route())]
    for step in steps:
        match step:
            case "begin":
                entry = bench.step(bench.route())
                under_way += [entry] if isinstance(entry, Held) else []
            case "hand":
                for name in ("relay", "wallet", "local"):
                    recover(bench, name)
            case "wait":
                bench.later(minutes=7)
            case _ if under_way:
                bench.end(under_way.pop(0), step)
            case _:
                pass
    level: dict[str, int] = {}
    for entry in bench.entries:
        if isinstance(entry, Cooled):
            name = f"{entry.scope} {entry.name}"
            assert entry.level <= level.get(name, 0) + 1
            level[name] = entry.level
        elif isinstance(entry, Recovered):
            level[f"{entry.scope} {entry.name}"] = 0
    assert bench.fold == bench.replayed()
    assert all(one.agrees for one in replay(bench.lines, bench.kept_terms))
