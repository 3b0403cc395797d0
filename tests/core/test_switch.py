"""What became of a conversation's prompt cache, told from entries (CASES 50)."""

from typing import Any

from builders import OFFICIAL, RELAY, Bench, agreed, card, cards, config, finished
from msgspec.structs import replace

from tokens_forge.core.config import Model
from tokens_forge.core.entries import Settled
from tokens_forge.core.prices import RateCard
from tokens_forge.core.story import Story, tell
from tokens_forge.core.switch import Switch

TURN = {"input": 100, "cache_read": 800, "cache_write_5m": 50, "output": 10}


def bench(*relay2: RateCard) -> Bench:
    """Return a bench of two relays on one wallet, the second at `relay2`, before the official route."""
    route = {**config().route, "relay2": config().route["relay"]}
    model = {"smart": Model(routes=(RELAY, "relay2/m", OFFICIAL), fallback="any")}
    prices = replace(cards(), charge={**cards().charge, "relay2/m": relay2 or cards().charge[RELAY]})
    made = Bench(terms=agreed(config(route=route, model=model), prices))
    made.topup(wallet="100 CNY", credit="100 USD")
    return made


def story(made: Bench, call: str) -> Story:
    """Tell a call from its lines."""
    return tell([line for line in made.lines if getattr(line.entry, "id", "") == call])


def second_turn(made: Bench, *ended: Any) -> Switch | None:  # noqa: ANN401 - words of the failure table, or what is known
    """Have a conversation answered by the first relay, then a turn end so; return what became of its cache."""
    made.attempt(made.route(thread="t"), finished(usage=TURN))
    call = made.route(thread="t")
    for end in ended:
        made.attempt(call, end)
    return story(made, call).conversation


def test_it_stayed() -> None:
    """What was read from the cache is told."""
    again = finished(usage={**TURN, "cache_read": 850})
    assert Switch(was=RELAY, cached=850, stayed=True, read=850) == second_turn(bench(), again)


def test_what_moving_cost() -> None:
    """850 tokens lay in the cache there; of 900 fresh ones here they were billed anew, at 10 less 1 CNY a Mtok."""
    moved = second_turn(bench(), "reset", finished(usage={"input": 900, "cache_read": 0, "output": 10}))
    assert moved is not None
    assert moved.why is not None
    assert ("failed_in_call", RELAY) == (moved.why.reason, moved.why.candidate)
    assert (RELAY, "relay2/m", 850, False, 850, "0.00765", "CNY") == (
        moved.was,
        moved.now,
        moved.cached,
        moved.stayed,
        moved.missed,
        moved.cost,
        moved.unit,
    )


def test_no_more_was_missed_than_was_billed_fresh() -> None:
    """A cache here too, or a conversation cut short, lost less."""
    moved = second_turn(bench(), "reset", finished(usage={"input": 30, "cache_read": 600, "output": 10}))
    assert moved is not None
    assert (30, "0.00027") == (moved.missed, moved.cost)
    moved = second_turn(bench(), "reset", finished(usage={"input": 30, "cache_read": 900, "output": 10}))
    assert moved is not None
    assert (0, "") == (moved.missed, moved.cost)


def test_what_was_written_to_a_cache_cost_its_own_rate() -> None:
    """The beginning of a conversation is what is cached: 600 at 12.5 less 1 CNY a Mtok, and 250 at 10 less 1."""
    dear = card("relay2/m", {"input": "1", "cache_read": "0.1", "cache_write_5m": "1.25", "output": "5"})
    anew = finished(usage={"input": 300, "cache_write_5m": 600, "output": 10})
    moved = second_turn(bench(replace(dear, fx=cards().charge[RELAY][0].fx)), "reset", anew)
    assert moved is not None
    assert (850, "0.00915") == (moved.missed, moved.cost)


def test_who_never_answered_moved_nothing() -> None:
    """An attempt that is billed without an answer is no place where the conversation went."""
    assert Switch(was=RELAY, cached=850) == second_turn(bench(), "reset", "reset")


def test_what_nobody_reported_is_not_known() -> None:
    """An estimate of ours says nothing of a cache: neither that it was read nor that it was missed."""
    stayed = second_turn(bench(), "client_left")
    assert Switch(was=RELAY, cached=850, stayed=True) == stayed
    moved = second_turn(bench(), "reset", "client_left")
    assert moved is not None
    assert ("relay2/m", None, None, "") == (moved.now, moved.read, moved.missed, moved.cost)


def test_where_no_card_says_what_it_cost() -> None:
    """A card without cache rates, and a charge that no card priced."""
    anew = finished(usage={"input": 900, "output": 10})
    for one in (card("relay2/m", {"input": "1", "output": "5"}), card("relay2/m", {"cache_read": "1"}, terms="flat")):
        moved = second_turn(bench(one), "reset", anew)
        assert moved is not None
        assert (850, "") == (moved.missed, moved.cost)
    moved = second_turn(bench(card("relay2/m", {}, unit="CNY", terms="free")), "reset", anew)
    assert moved is not None
    assert (850, "") == (moved.missed, moved.cost)


def test_a_conversation_that_goes_back_to_its_class() -> None:
    """It was on the official route while the relays failed: it is not kept there, and the entry says so."""
    made = bench()
    call = made.route(thread="t")
    for end in ("reset", "reset", finished(usage=TURN)):
        made.attempt(call, end)
    made.attempt(back := made.route(thread="t"), finished(usage={"input": 900, "output": 1}))
    moved = story(made, back).conversation
    assert moved is not None
    assert (OFFICIAL, RELAY, True, None) == (moved.was, moved.now, moved.other_terms, moved.why)


def test_nothing_is_told_before_an_answer_or_of_no_conversation() -> None:
    """Open and refused calls say where it was; a first turn says nothing."""
    made = bench()
    first = made.attempt(made.route(thread="t"), finished(usage=TURN))
    assert None is story(made, first.id).conversation
    assert Switch(was=RELAY, cached=850) == story(made, made.route(thread="t")).conversation


def test_a_settled_attempt_without_the_rest() -> None:
    """Where the first lines were moved away, the conversation is not known."""
    made = bench()
    made.attempt(call := made.route(thread="t"), finished(usage=TURN))
    (line,) = [line for line in made.lines if isinstance(line.entry, Settled) and line.entry.id == call]
    assert None is tell([line]).conversation
