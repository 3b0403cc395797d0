"""Cooldowns: what is passed over, for how long, and what ends it."""

from datetime import timedelta

import msgspec
import pytest
from builders import LOCAL, OFFICIAL, RELAY, START, Bench, agreed, finished, listed
from msgspec.structs import replace

from tokens_forge.core.entries import Cooled, Limit, PassedOver, Recovered, Renamed, Scope
from tokens_forge.core.health import (
    MOST_KNOWN,
    Cooldown,
    CooldownShown,
    Health,
    Obstacle,
    RetryBudget,
    Target,
    begun,
    topped_up,
)
from tokens_forge.core.moments import stamp

TARGET = Target(candidate=RELAY, upstream="relay", balance="wallet")


def at(seconds: int) -> str:
    """Return the stamp so many seconds after the bench's start."""
    return stamp(START + timedelta(seconds=seconds))


@pytest.fixture
def bench() -> Bench:
    """One candidate, money enough, and no second attempt in a call."""
    bench = Bench(terms=agreed(listed(RELAY)))
    bench.topup(wallet="100 CNY")
    return bench


def spans(bench: Bench) -> list[tuple[str, int, str]]:
    """Return the cooldowns as scope, level and end."""
    return [(cooled.scope, cooled.level, cooled.until) for cooled in bench.cooldowns()]


@pytest.mark.parametrize(
    ("error", "scope", "name"),
    [
        ("server_error", "candidate", RELAY),
        ("first_byte_timeout", "candidate", RELAY),
        ("stream_cut", "candidate", RELAY),
        ("connect", "upstream", "relay"),
    ],
)
def test_the_third_failure_in_a_row_cools(bench: Bench, error: str, scope: str, name: str) -> None:
    """DESIGN 7: 5 s after three in a row; the entry names what cools and the attempt behind it."""
    for _ in range(2):
        bench.call(error)
    assert [] == bench.cooldowns()

    last = bench.call(error)

    (cooled,) = bench.cooldowns()
    assert (scope, name, at(5), 1, error) == (cooled.scope, cooled.name, cooled.until, cooled.level, cooled.error)
    assert (f"{last.id}/1",) == cooled.causes


def test_a_complete_reply_in_between_starts_the_row_anew(bench: Bench) -> None:
    """Three in a row means in a row."""
    for error in ("server_error", "server_error", "", "server_error", "server_error"):
        bench.call(error)

    assert [] == bench.cooldowns()


@pytest.mark.parametrize("error", ["client_left", "stopped", "bad_request", "model_not_found", "credential"])
def test_what_is_not_the_upstreams_failure_cools_nothing(bench: Bench, error: str) -> None:
    """A client that leaves, a wrong request or our own stop says nothing about an upstream."""
    for _ in range(5):
        bench.call(error)

    assert [] == bench.cooldowns()


def test_a_short_429_does_not_count_as_a_failure(bench: Bench) -> None:
    """DESIGN 7: a wait of at most 2 s cools nothing, and does not bring a cooldown nearer either."""
    for _ in range(3):
        bench.call(finished("rate_limited", wait_s="1"))
    bench.call("server_error")

    assert [] == bench.cooldowns()


def test_each_failed_probe_doubles_the_time(bench: Bench) -> None:
    """10 s, 20 s, 40 s … to 5 minutes: CASES 39, a used-up quota is not retried every few seconds."""
    expected: list[tuple[str, int, str]] = []
    clock = 0
    for level, seconds in enumerate((10, 20, 40, 80, 160, 300, 300), start=1):
        bench.call("rate_limited")
        expected.append(("candidate", level, at(clock + seconds)))
        clock += seconds
        bench.later(seconds=seconds)

    assert expected == spans(bench)


def test_a_retry_after_is_the_time(bench: Bench) -> None:
    """DESIGN 7: 429 with a wait longer than 2 s cools for just that long."""
    bench.call(finished("rate_limited", wait_s="12.5"))

    assert [("candidate", 1, stamp(START + timedelta(seconds=12.5)))] == spans(bench)


def test_failures_that_were_under_way_together_do_not_raise_the_level(bench: Bench) -> None:
    """Ten concurrent calls that meet one limit are one cooling, also when the last ends long after."""
    under_way = [bench.held(bench.route()) for _ in range(10)]
    for held in under_way[:5]:
        bench.end(held, "rate_limited")
    bench.later(seconds=1)
    bench.end(under_way[5], "rate_limited")
    bench.later(minutes=1)
    bench.end(under_way[6], "rate_limited")

    assert [("candidate", 1, at(10)), ("candidate", 1, at(11)), ("candidate", 1, at(71))] == spans(bench)


def test_a_deadline_only_extends(bench: Bench) -> None:
    """CASES 39: a later failure that asks for less does not shorten what is agreed, and is no entry."""
    one, two = bench.held(bench.route()), bench.held(bench.route())
    bench.end(one, finished("rate_limited", wait_s="600"))
    bench.end(two, finished("rate_limited", wait_s="5"))

    assert [("candidate", 1, at(600))] == spans(bench)
    shorter = Cooled(scope="candidate", name=RELAY, until=at(5), level=1, error="rate_limited")
    bench.append(shorter)
    assert at(600) == bench.fold.health.cooldowns[f"candidate {RELAY}"].until


def test_while_it_cools_a_candidate_is_passed_over(bench: Bench) -> None:
    """CASES 40: the refusal names when it recovers, to the microsecond; at that moment it may be tried."""
    bench.call("rate_limited")
    bench.later(seconds=9)
    refused = bench.refused(bench.route())
    over = PassedOver(candidate=RELAY, balance="wallet", reason="cooling", until=at(10), error="rate_limited")
    assert ("all_cooling", 503, (over,)) == (refused.reason, refused.client_status, refused.passed_over)

    bench.later(seconds=1)
    assert bench.held(bench.route()).role == "first"


def test_half_open_is_one_probe(bench: Bench) -> None:
    """DESIGN 7: after a cooldown one attempt tries; others are passed over until it has ended."""
    bench.call("rate_limited")
    bench.later(seconds=10)
    probe = bench.held(bench.route())

    over = PassedOver(candidate=RELAY, balance="wallet", reason="probing", error="rate_limited")
    assert (over,) == bench.refused(bench.route()).passed_over

    bench.end(probe)
    assert [Recovered(scope="candidate", name=RELAY, by=f"{probe.id}/1")] == bench.recoveries()
    assert bench.fold.health.cooldowns == {}
    assert bench.held(bench.route()).n == 1


def test_a_probe_that_shows_nothing_leaves_the_next_one_to_try(bench: Bench) -> None:
    """A client that left in the middle of a probe neither ends the cooldown nor begins another."""
    bench.call("rate_limited")
    bench.later(seconds=10)
    bench.call("client_left")
    bench.call("server_error")

    assert [("candidate", 1, at(10)), ("candidate", 2, at(20))] == spans(bench)
    assert [] == bench.recoveries()


def test_a_probe_that_fails_otherwise_leaves_its_cooldown_to_the_next(bench: Bench) -> None:
    """An upstream out of reach says nothing about a candidate's limit: the limit's cooldown stays as it was."""
    bench.call("rate_limited")
    bench.later(seconds=10)
    bench.call("connect")

    assert [("candidate", 1, at(10))] == spans(bench)
    assert bench.held(bench.route()).n == 1


def test_only_a_probe_ends_a_cooldown(bench: Bench) -> None:
    """CASES 39: streams that began before a quota was used up end well, and say nothing about it."""
    older = [bench.held(bench.route()) for _ in range(3)]
    bench.call(finished("rate_limited", wait_s="60"))
    bench.end(older[0])
    bench.later(seconds=60)
    bench.end(older[1])
    assert [] == bench.recoveries()

    probe = bench.held(bench.route())
    bench.end(older[2])
    assert [] == bench.recoveries()
    bench.end(probe)
    assert [f"{probe.id}/1"] == [recovery.by for recovery in bench.recoveries()]


def test_an_older_failure_during_a_probe_does_not_free_a_second(bench: Bench) -> None:
    """One probe at a time also when an attempt from before the cooldown fails meanwhile."""
    older = bench.held(bench.route())
    bench.call("rate_limited")
    bench.later(seconds=10)
    probe = bench.held(bench.route())
    bench.end(older, "rate_limited")
    bench.later(seconds=10)

    assert ["probing"] == [over.reason for over in bench.refused(bench.route()).passed_over]
    bench.end(probe)
    assert bench.fold.health.cooldowns == {}


def test_an_empty_balance_waits_for_money_or_an_hour(bench: Bench) -> None:
    """DESIGN 7: empty by the upstream's word is passed over until a top-up, else one probe an hour, never sooner."""
    bench.call(finished("insufficient_quota", wait_s="5"))
    assert [("balance", 1, at(3600))] == spans(bench)

    refused = bench.refused(bench.route())
    over = PassedOver(
        candidate=RELAY, balance="wallet", reason="balance_empty_upstream", until=at(3600), error="insufficient_quota"
    )
    assert ("nothing_can_pay", 402, (over,)) == (refused.reason, refused.client_status, refused.passed_over)

    bench.later(hours=1)
    bench.call("insufficient_quota")
    assert ("balance", 2, at(7200)) == spans(bench)[-1]

    bench.topup(wallet="1 CNY")
    assert [Recovered(scope="balance", name="wallet", by="topup")] == bench.recoveries()
    assert bench.held(bench.route()).n == 1


def test_a_refused_credential_locks_its_upstream_out(bench: Bench) -> None:
    """DESIGN 7: 401 and 403 cool the upstream for 15 minutes."""
    bench.call("unauthorized")

    assert [("upstream", 1, at(900))] == spans(bench)


def test_money_goes_before_a_wait() -> None:
    """When both stand against a candidate, the one that time alone does not end is named."""
    health = Health()
    scopes: tuple[Scope, ...] = ("candidate", "upstream", "balance")
    for scope in scopes:
        name = TARGET.name(scope)
        health.apply(at(0), Cooled(scope=scope, name=name, until=at(9), level=1, error=f"e_{scope}"))

    expected = Obstacle(reason="balance_empty_upstream", until=at(9), error="e_balance")
    assert expected == health.obstacle(TARGET, at(1))
    assert health.obstacle(TARGET, at(9)) is None


def test_a_cooldown_of_another_stands_in_no_ones_way() -> None:
    """Scopes have names of their own: a balance called like a candidate is not it."""
    health = Health()
    health.apply(at(0), Cooled(scope="balance", name="relay", until=at(9), level=1, error="e"))

    assert health.obstacle(TARGET, at(1)) is None


def none_left(reset: str, window: str = "requests") -> Limit:
    """Return a limit of which nothing is left until `reset`."""
    return Limit(window=window, limit="60", remaining="0", reset=reset)


class TestAnnounced:
    """A limit that headers say is used up passes its candidate over before a 429 has to say so."""

    @staticmethod
    def reaching(bench: Bench, *limits: Limit, error: str = "", wait_s: str = "") -> None:
        """Make a call whose headers came at its end."""
        bench.call(finished(error, wait_s=wait_s, limits=limits))

    def test_a_success_cools_until_the_reset(self, bench: Bench) -> None:
        """The next call goes elsewhere without burning an attempt; at the reset the candidate is tried again."""
        self.reaching(bench, none_left("1m0s"))

        (cooled,) = bench.cooldowns()
        expected = Cooled(
            scope="candidate", name=RELAY, until=at(60), level=0, error="limit_reached", causes=("tf_1/1",)
        )
        assert expected == cooled
        bench.later(seconds=59)
        over = PassedOver(candidate=RELAY, balance="wallet", reason="cooling", until=at(60), error="limit_reached")
        assert (over,) == bench.refused(bench.route()).passed_over
        bench.later(seconds=1)
        assert bench.held(bench.route()).role == "first"

    def test_the_furthest_of_several_counts(self, bench: Bench) -> None:
        """All limits bind: the candidate is of use again when the last of them begins anew."""
        left = Limit(window="tokens", limit="9", remaining="1", reset="9h")
        self.reaching(bench, none_left("30s"), none_left("90", "input-tokens"), left)

        assert [("candidate", 0, at(90))] == spans(bench)

    @pytest.mark.parametrize(
        "limit",
        [
            none_left("2s"),
            none_left("17ms"),
            none_left("2026-11-24T09:00:00Z"),
            none_left(""),
            none_left("soon"),
            Limit(window="requests", remaining="1", reset="60"),
            Limit(window="provider/5h", limit="100", remaining="0", reset=at(60)),
            Limit(window="credits", remaining="0", reset="60"),
        ],
        ids=str,
    )
    def test_what_announces_nothing(self, bench: Bench, limit: Limit) -> None:
        """A reset as near as a wait that is waited for, past or unreadable; what is left; what the book counts."""
        self.reaching(bench, limit)

        assert [] == bench.cooldowns()

    def test_headers_speak_of_when_they_came(self, bench: Bench) -> None:
        """A stream goes on after its headers: the reset is reckoned from them, and may be past when it ends."""
        held = bench.held(bench.route())
        bench.later(seconds=50)
        bench.end(held, finished(limits=(none_left("60s"),), total_ms=50_000.0, first_byte_ms=10_000.0))
        assert [("candidate", 0, at(70))] == spans(bench)

        bench.later(seconds=20)
        held = bench.held(bench.route())
        bench.later(seconds=90)
        bench.end(held, finished(limits=(none_left("60s"),), total_ms=90_000.0, first_byte_ms=10_000.0))
        assert [("candidate", 0, at(70))] == spans(bench)

    def test_a_wait_that_is_asked_for_goes_first(self, bench: Bench) -> None:
        """Retry-After is the upstream's word on this very call; a limit's reset may be when it is full again."""
        self.reaching(bench, none_left("6m0s"), error="rate_limited", wait_s="12")
        assert [("candidate", 1, at(12))] == spans(bench)

    def test_a_short_wait_still_cools_nothing(self, bench: Bench) -> None:
        """DESIGN 7: a 429 with a wait of at most 2 s is waited for and tried again, whatever its limits say."""
        self.reaching(bench, none_left("6m0s"), error="rate_limited", wait_s="1")
        assert [] == bench.cooldowns()

    def test_it_is_better_than_a_guess(self, bench: Bench) -> None:
        """A 429 without a wait cools for 10 s; when a limit says how long, that long."""
        self.reaching(bench, none_left("60s"), error="rate_limited")

        assert [("candidate", 1, at(10)), ("candidate", 1, at(60))] == spans(bench)
        assert "limit_reached" == bench.fold.health.cooldowns[f"candidate {RELAY}"].error

    def test_it_ends_for_all(self, bench: Bench) -> None:
        """The reset is a fact: nobody waits for one probe, and the first good reply ends the cooldown."""
        self.reaching(bench, none_left("60s"))
        bench.later(seconds=60)
        first, second = bench.held(bench.route()), bench.held(bench.route())
        bench.end(second)
        assert [] == bench.recoveries()

        bench.end(first)
        assert [Recovered(scope="candidate", name=RELAY, by=f"{first.id}/1")] == bench.recoveries()
        assert {} == bench.fold.health.cooldowns
        assert bench.fold == bench.replayed()

    def test_a_reply_that_reaches_it_again(self, bench: Bench) -> None:
        """One request a minute: each good reply ends one cooldown and announces the next."""
        for minute in range(3):
            self.reaching(bench, none_left("60s"))
            assert ("candidate", 0, at(60 * minute + 60)) == spans(bench)[-1]
            bench.later(seconds=60)

        assert 2 == len(bench.recoveries())

    def test_what_was_under_way_ends_it_not(self, bench: Bench) -> None:
        """CASES 39: replies to what was sent before say nothing about it, and only extend it."""
        older = [bench.held(bench.route()) for _ in range(3)]
        self.reaching(bench, none_left("60s"))
        bench.end(older[0])
        bench.end(older[1], finished(limits=(none_left("30s"),)))
        bench.end(older[2], finished(limits=(none_left("90s"),)))

        assert [("candidate", 0, at(60)), ("candidate", 0, at(90))] == spans(bench)
        assert [] == bench.recoveries()

    def test_no_failure_is_behind_it(self, bench: Bench) -> None:
        """A failure after it is the first: three in a row before a 5xx cools, and 10 s after a 429, then doubled."""
        self.reaching(bench, none_left("60s"))
        bench.later(seconds=60)
        for _ in range(2):
            bench.call("server_error")
        assert [("candidate", 0, at(60))] == spans(bench)

        bench.call("server_error")
        assert ("candidate", 1, at(65)) == spans(bench)[-1]

    def test_a_429_after_it_begins_the_doubling(self, bench: Bench) -> None:
        """Level 1 first, whoever of those that tried says so."""
        self.reaching(bench, none_left("60s"))
        bench.later(seconds=60)
        probe, other = bench.held(bench.route()), bench.held(bench.route())
        bench.end(other, "rate_limited")
        assert ("candidate", 1, at(70)) == spans(bench)[-1]

        bench.end(probe)
        assert [] == bench.recoveries()
        bench.later(seconds=10)
        bench.call("rate_limited")
        assert ("candidate", 2, at(90)) == spans(bench)[-1]

    def test_a_failures_cooldown_keeps_its_level(self, bench: Bench) -> None:
        """A limit that is announced within a real cooldown extends it; a probe that began before ends nothing."""
        older = bench.held(bench.route())
        bench.call("rate_limited")
        bench.later(seconds=10)
        probe = bench.held(bench.route())
        bench.end(older, finished(limits=(none_left("60s"),)))
        bench.end(probe)

        assert [("candidate", 1, at(10)), ("candidate", 1, at(70))] == spans(bench)
        assert [] == bench.recoveries()
        assert bench.fold == bench.replayed()


class TestRetryBudget:
    """DESIGN 7; CASES 24: retries are at most a fifth of the last minute's calls, and three are always allowed."""

    @staticmethod
    def seen(calls: int, retries: int, seconds: int = 0) -> Health:
        """Return the health after so many calls and retries at one moment."""
        bench = Bench()
        bench.topup(wallet="1 CNY")
        held = bench.held(bench.route())
        health = Health()
        for n in range(calls + retries):
            role = "first" if n < calls else "retry"
            attempt = 1 if n < calls else 2
            health.apply(at(seconds), replace(held, role=role, n=attempt))
        return health

    @pytest.mark.parametrize(
        ("calls", "retries", "expected"),
        [(1, 2, True), (1, 3, False), (19, 3, False), (20, 3, True), (100, 19, True), (100, 20, False)],
    )
    def test_a_share_of_the_calls(self, calls: int, retries: int, expected: bool) -> None:
        """Three at least; then one for each five calls."""
        assert expected == self.seen(calls, retries).may_retry(at(0))

    def test_the_numbers_are_those_that_decide(self) -> None:
        """What is shown is what `may_retry` compares; after a minute nothing is used."""
        health = self.seen(25, 4)

        assert RetryBudget(calls=25, used=4, allowed=5) == health.retry_budget(at(59))
        assert RetryBudget(calls=0, used=0, allowed=3) == health.retry_budget(at(60))

    def test_only_the_last_minute_counts(self) -> None:
        """Seconds older than a minute are forgotten."""
        health = self.seen(1, 3, seconds=0)

        assert not health.may_retry(at(59))
        assert health.may_retry(at(60))

    def test_no_more_than_a_minute_is_kept(self) -> None:
        """The fold stays small however many calls there were."""
        bench = Bench(terms=agreed(listed(LOCAL)))
        for _ in range(100):
            bench.call()
            bench.later(seconds=1)

        assert len(bench.fold.health.seconds) == 60

    def test_a_retry_beyond_the_budget_falls_back(self) -> None:
        """The fourth retry of a quiet minute is not made: the next candidate answers, and it is said why."""
        bench = Bench(terms=agreed(listed(RELAY, OFFICIAL)))
        bench.topup(wallet="1 CNY", credit="1 USD")
        for n in range(3):
            call = bench.route()
            bench.attempt(call, "server_error")
            assert (n, "retry") == (n, bench.attempt(call).role)

        call = bench.route()
        bench.attempt(call, "server_error")
        held = bench.held(call)

        assert (OFFICIAL, "fallback") == (f"{held.route}/{held.upstream_model}", held.role)
        assert ["retry_budget"] == [over.reason for over in held.passed_over]


def test_entries_of_no_attempt_change_nothing() -> None:
    """Health follows attempts and cooldowns alone."""
    bench = Bench(terms=agreed(listed(RELAY)))
    bench.refused(bench.route())
    bench.topup(wallet="1 CNY")

    assert Health() == bench.fold.health


def test_a_call_under_way_cools_what_has_another_name_by_now(bench: Bench) -> None:
    """CASES 53: its balance, and its candidate by the route, cool and recover under their names now."""
    renames = (Renamed(scope="balance", was="wallet", name="purse"), Renamed(scope="route", was="relay", name="box"))
    empty, *failing = [bench.held(bench.route()) for _ in range(4)]
    for renamed in renames:
        bench.append(renamed)
    bench.end(empty, "insufficient_quota")
    for held in failing:
        bench.end(held, "server_error")

    assert ["purse", "box/m"] == [cooled.name for cooled in bench.cooldowns()]
    assert ["balance purse", "candidate box/m"] == list(bench.fold.health.cooldowns)
    for target in (TARGET, Target(candidate="box/m", upstream="relay", balance="purse")):
        obstacle = bench.fold.health.obstacle(target, bench.at)
        assert obstacle is not None
        assert "balance_empty_upstream" == obstacle.reason
    assert Recovered(scope="balance", name="purse", by="topup") == topped_up(bench.fold.health, "purse")
    assert bench.fold == bench.replayed()


def shown(bench: Bench) -> CooldownShown:
    """Return the one cooldown there is."""
    (cooldown,) = bench.fold.health.shown(bench.at)
    return cooldown


def test_a_cooldown_is_shown_with_its_cause_and_what_it_is_at(bench: Bench) -> None:
    """Its time runs, then the next call is its probe, then that is under way; the level and the last cause stay."""
    cause = f"{bench.call('rate_limited').id}/1"
    bench.later(seconds=9)
    cooling = CooldownShown(
        scope="candidate", name=RELAY, state="cooling", until=at(10), level=1, error="rate_limited", causes=(cause,)
    )
    assert cooling == shown(bench)
    bench.later(seconds=1)
    assert replace(cooling, state="probe_due") == shown(bench)
    probe = bench.held(bench.route())
    assert replace(cooling, state="probing", probe=f"{probe.id}/1") == shown(bench)
    bench.end(probe, "rate_limited")
    assert replace(cooling, until=at(30), level=2, causes=(f"{probe.id}/1",)) == shown(bench)


def test_balances_are_shown_before_upstreams_and_candidates() -> None:
    """As a decision looks at them, each with its own name."""
    health = Health()
    scopes: tuple[Scope, ...] = ("candidate", "upstream", "balance")
    for scope in scopes:
        health.apply(at(0), Cooled(scope=scope, name=TARGET.name(scope), until=at(9), level=1, error="e"))

    assert [("balance", "wallet"), ("upstream", "relay"), ("candidate", RELAY)] == [
        (one.scope, one.name) for one in health.shown(at(1))
    ]


def test_a_fold_from_before_causes_were_kept_is_read() -> None:
    """A page's `opened` entry of an earlier version has cooldowns without causes: they are not known."""
    old = b'{"cooldowns":{"upstream relay":{"until":"u","level":2,"error":"connect","probe":"","probed":""}}}'

    read = msgspec.json.decode(old, type=Health)

    assert {"upstream relay": Cooldown(until="u", level=2, error="connect", causes=())} == read.cooldowns


def test_a_fold_stays_small_whatever_names_clients_make_up() -> None:
    """Beyond so many, cooldowns that are over are forgotten, the oldest first; one that runs or is probed never is."""
    health = Health()
    health.cooldowns["candidate r/probed"] = Cooldown(until=stamp(START), level=1, error="e", probe="tf_1/1")
    for number in range(MOST_KNOWN + 5):
        later_on = number >= MOST_KNOWN
        until = stamp(START + timedelta(days=later_on, microseconds=number))
        health.apply(until, Cooled(scope="candidate", name=f"r/{number}", until=until, level=1, error="e"))
    known = list(health.cooldowns)
    assert (MOST_KNOWN, "candidate r/probed", "candidate r/6") == (len(known), *known[:2])
    made = Bench(terms=agreed(listed(RELAY)))
    made.topup(wallet="9 CNY")
    made.fold.health.failures.update({f"candidate r/{number}": 1 for number in range(MOST_KNOWN)})
    made.call("server_error")
    assert (MOST_KNOWN, f"candidate {RELAY}") == (len(made.fold.health.failures), list(made.fold.health.failures)[-1])


def test_a_probe_whose_stream_begins_has_shown_enough() -> None:
    """It may go on for an hour, and others need not wait for its end; what is no probe ends nothing."""
    made = Bench(terms=agreed(listed(RELAY)))
    made.topup(wallet="9 CNY")
    before = made.held(made.route())
    made.call("rate_limited")
    made.later(seconds=11)
    probe = made.held(made.route())
    assert () == begun(made.fold.health, before)
    (recovery,) = begun(made.fold.health, probe)
    assert ("candidate", RELAY, f"{probe.id}/1") == (recovery.scope, recovery.name, recovery.by)
    made.append(recovery)
    assert None is made.fold.health.obstacle(TARGET, made.at)
    made.end(probe)
    made.end(before)
    assert made.fold == made.replayed()
