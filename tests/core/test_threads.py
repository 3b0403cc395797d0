"""Which candidate answered a conversation last, and how much of it lies in that provider's prompt cache."""

from builders import LOCAL, RELAY, START, Bench, agreed, config, finished, listed, upstream
from msgspec.structs import replace

from tokens_forge.core import threads
from tokens_forge.core.entries import Renamed
from tokens_forge.core.fold import decode
from tokens_forge.core.moments import stamp
from tokens_forge.core.threads import Thread

HOUR_MS = 3_600_000
CACHED = {"input": 10, "cache_read": 800, "cache_write_5m": 20, "cache_write_1h": 3, "output": 5}


def bench() -> Bench:
    """Return a bench on which the relay and the local model answer."""
    made = Bench(terms=agreed(listed(RELAY, LOCAL)))
    made.topup(wallet="100 CNY")
    return made


def test_the_last_answer_is_known() -> None:
    """What was read from the cache or written to it is there from then on."""
    made = bench()
    made.attempt(made.route(thread="t"), finished(usage=CACHED))
    known = Thread(candidate=RELAY, cached=823, ts=made.at, answers=1, tokens=838)
    assert known == made.fold.threads.of("t", made.at, within_ms=HOUR_MS)
    made.later(hours=1)
    assert None is made.fold.threads.of("t", made.at, within_ms=HOUR_MS)
    assert None is made.fold.threads.of("other", made.at, within_ms=HOUR_MS)


def test_only_what_began_to_answer_left_something() -> None:
    """An attempt that was never answered, and a call of no conversation, are not learnt."""
    made = bench()
    call = made.route(thread="t")
    made.attempt(call, "reset")
    made.attempt(made.route(), finished(usage=CACHED))
    assert {} == made.fold.threads.threads
    made.attempt(call)
    assert LOCAL == made.fold.threads.threads["t"].candidate
    made.attempt(made.route(thread="t"), "stream_cut")
    assert RELAY == made.fold.threads.threads["t"].candidate


def test_an_answer_without_a_usage_says_nothing_of_a_cache() -> None:
    """What was known of the candidate stays known; of another one nothing is."""
    made = bench()
    made.attempt(made.route(thread="t"), finished(usage=CACHED))
    made.later(minutes=5)
    made.attempt(made.route(thread="t"), "client_left")
    assert Thread(candidate=RELAY, cached=823, ts=made.at, answers=1, tokens=838) == made.fold.threads.threads["t"]
    made.attempt(made.route(thread="u"), "client_left")
    assert Thread(candidate=RELAY, ts=made.at) == made.fold.threads.threads["u"]


def test_counting_tokens_leaves_nothing_in_a_cache() -> None:
    """CASES 50: Claude Code counts before it asks, where that can be done; the conversation stays at its cache."""
    counts = replace(upstream(), dialect="anthropic", base_url="http://127.0.0.1:1")
    made = Bench(terms=agreed(listed(RELAY, LOCAL, upstream={**config().upstream, "local": counts})))
    made.topup(wallet="100 CNY")
    made.attempt(made.route(thread="t"), finished(usage=CACHED))
    known = made.fold.threads.threads["t"]
    assert "local" == made.attempt(made.route(thread="t", dialect_in="anthropic_count_tokens")).route
    assert known == made.fold.threads.threads["t"]


def test_the_one_silent_longest_is_forgotten() -> None:
    """So many are kept that a fold stays small."""
    made = bench()
    for number in range(threads.THREADS_AT_MOST):
        made.fold.threads.threads[str(number)] = Thread(candidate=RELAY, cached=0, ts=stamp(START))
    made.attempt(made.route(thread="0"))
    made.attempt(made.route(thread="new"))
    known = list(made.fold.threads.threads)
    assert (threads.THREADS_AT_MOST, "2", ["0", "new"]) == (len(known), known[0], known[-2:])


def test_a_renamed_route_keeps_its_conversations() -> None:
    """CASES 53; and the fold's JSON keeps them."""
    made = bench()
    made.attempt(made.route(thread="t"))
    made.attempt(made.route(thread="u"), "reset")
    made.append(Renamed(scope="route", was="relay", name="other"))
    made.append(Renamed(scope="route", was="local", name="home"))
    assert "other/m" == made.fold.threads.threads["t"].candidate
    assert made.fold == decode(made.fold.encode())


def named(made: Bench, *prefixes: str, **changes: object) -> str:
    """Have a call routed whose messages begin so, and return the conversation that it belongs to."""
    return made.open(made.route("smart", prefixes=prefixes, **changes)).routed.thread


def test_a_beginning_goes_before_all_else() -> None:
    """Then the answer that is gone on from, then the session, then a question that was answered."""
    made = bench()
    assert "p1" == named(made, "p1", sessions=("s1",), question="q1")
    assert "p2" == named(made, "p2", sessions=("s2",), question="q2")
    assert "p1" == named(made, "p3", "p1", sessions=("s2",), answered=("q2",))
    assert "p1" == named(made, "p4", sessions=("unknown", "s2")), "a session is where it was seen last"
    assert "p1" == named(made, "p7", sessions=("s1",), answered=("q2",))
    assert "p1" == named(made, "p5", answered=("unknown", "q1"))
    assert "p6" == named(made, "p6", question="q1"), "asking the same is no going on"
    assert "" == named(made), "what has no messages is no conversation"
    assert [] == made.disagreeing()


def test_an_answer_that_is_kept_is_gone_on_from() -> None:
    """What is not kept, and a prefix in a cache, which many conversations share, is none."""
    made = bench()
    call = made.route(prefixes=("p1",), stored=True)
    made.attempt(call, finished(usage=CACHED, upstream_id="r1"))
    made.attempt(made.route(prefixes=("p2",)), finished(usage=CACHED, upstream_id="r2"))
    assert "p1" == named(made, "p3", previous="r1", previous_kind="response")
    assert "p4" == named(made, "p4", previous="r2", previous_kind="message")
    assert "p4" == named(made, "p5", previous="r2", previous_kind="message"), "two that fork where we were not"
    assert "p6" == named(made, "p6", previous="r1", previous_kind="cache")
    assert [] == made.disagreeing()
    assert made.fold == decode(made.fold.encode()) == made.replayed()


def test_the_mark_not_seen_longest_is_forgotten() -> None:
    """So many are kept that a fold stays small."""
    made = bench()
    for number in range(threads.MARKS_AT_MOST):
        made.fold.threads.marks[str(number)] = "t"
    named(made, "0")
    named(made, "new")
    known = list(made.fold.threads.marks)
    assert (threads.MARKS_AT_MOST, "2", ["0", "new"]) == (len(known), known[0], known[-2:])


def test_a_name_of_an_earlier_version_is_kept() -> None:
    """It was made of the opening alone; a ledger with such lines is replayed as it is."""
    made = bench()
    made.attempt(made.route(thread="t"))
    assert [] == made.disagreeing()
