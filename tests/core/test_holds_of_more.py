"""What a hold covers beyond the bytes of a request: what a provider keeps, writes to its cache or does besides."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from builders import LIST, OFFICIAL, PLAN, RELAY, Bench, agreed, card, cards, config, finished, listed
from msgspec.structs import replace

from tokens_forge.core.config import Balance, Budget, Capabilities, Config, Key, Settle, Upstream, Window
from tokens_forge.core.entries import Beside, Held, Settled
from tokens_forge.core.prices import Cards, Service, Tier
from tokens_forge.core.settlement import Question, expected_for, most_output
from tokens_forge.core.story import reason_text

WRITES = {**LIST, "cache_write_5m": "1.25", "cache_write_1h": "2"}
ANTHROPIC = Upstream(dialect="anthropic", base_url="http://127.0.0.1:1/v1", credential="none")
RESPONSES = Upstream(
    dialect="openai", base_url="http://127.0.0.1:1/v1", credential="none", endpoints=("chat", "responses")
)
MESSAGES: dict[str, Any] = {"dialect_in": "anthropic_messages"}


def bench(conf: Config, prices: Cards | None = None, **amounts: str) -> Bench:
    """Return a bench with money."""
    made = Bench(terms=agreed(conf, prices))
    made.topup(**amounts)
    return made


def official(upstream: Upstream, rates: Mapping[str, str] = LIST, **more: object) -> Bench:
    """Return a bench with the official route alone, on 100 USD: 1 USD a Mtok in and 5 out."""
    conf = listed(OFFICIAL, upstream={**config().upstream, "openai": upstream})
    return bench(conf, cards(charge={OFFICIAL: (card(OFFICIAL, rates, **more),)}), credit="100 USD")


FIRST: dict[str, Any] = {"dialect_in": "openai_responses", "stored": True}
USED = {"input": 20_000, "cache_read": 60_000, "output": 4_000}


class TestKept:
    """CASES 66: what the provider keeps of the conversation is input of what goes on from it."""

    def begun(self, credit: str = "100 USD", upstream: Upstream = RESPONSES, **first: object) -> Bench:
        """Return a bench on which an answer of 84,000 tokens is kept as `resp_1`."""
        made = official(upstream)
        asked: dict[str, Any] = {**FIRST, **first}
        made.attempt(made.route(**asked), finished(usage=USED, upstream_id="resp_1", finish="stop"))
        assert "" == made.order("credit", "set", credit)
        return made

    def going_on(self, made: Bench, **changes: object) -> str:
        """Route a call that goes on from `resp_1`."""
        asked: dict[str, Any] = {**FIRST, "previous": "resp_1", "previous_kind": "response", **changes}
        return made.route(**asked)

    def test_the_whole_answer_before_is_held(self) -> None:
        """84,000 tokens at the fresh rate, which covers the cached one, beside the request's own 1,200 and 1,000."""
        made = self.begun()
        call = self.going_on(made)
        routed = made.open(call).routed
        assert ("official", 80_000, 4_000) == (routed.made_by, routed.previous_input, routed.previous_output)
        held = made.held(call)
        assert (85_200, 84_000, 1_000) == (held.hold_basis.input, held.hold_basis.kept, held.hold_basis.output)
        assert "0.0902" == held.hold
        assert [] == made.disagreeing()

    def test_follow_ups_at_once_never_overdraw(self) -> None:
        """Five on 0.45 USD took a balance to -0.69: now as many go out as can be paid, whatever was cached."""
        made = self.begun(credit="0.45 USD")
        under_way = [made.step(self.going_on(made)) for _ in range(5)]
        held = [entry for entry in under_way if isinstance(entry, Held)]
        assert 4 == len(held)
        for entry in held:
            end = made.end(entry, finished(usage={"input": 85_000, "output": 1_000}))
            assert isinstance(end, Settled)
            assert ("0.09", "0") == (end.charge, end.overrun)
        assert Decimal("0.09") == made.fold.book.state("credit", "USD").posted

    def test_a_chain_grows(self) -> None:
        """The next answer's input has all that came before, so nothing is counted twice."""
        made = self.begun()
        made.attempt(self.going_on(made), finished(usage={"input": 85_000, "output": 500}, upstream_id="resp_2"))
        held = made.held(self.going_on(made, previous="resp_2"))
        assert 85_500 == held.hold_basis.kept

    def test_a_thread_of_messages(self) -> None:
        """Anthropic keeps a thread under the id of its last message."""
        made = self.begun(upstream=ANTHROPIC, **MESSAGES)
        asked: dict[str, Any] = {**MESSAGES, "previous_kind": "message"}
        assert 84_000 == made.held(self.going_on(made, **asked)).hold_basis.kept

    def test_another_route_is_told_why(self) -> None:
        """What only one route has names the member that goes on from it."""
        for kind, member in (
            ("response", "previous_response_id"),
            ("conversation", "conversation"),
            ("message", "thread"),
        ):
            made = self.begun()
            relay = Upstream(dialect="openai", base_url="http://127.0.0.1:1/v1", credential="none")
            made.configure(agreed(listed(RELAY, OFFICIAL, upstream={**config().upstream, "relay": relay})))
            call = made.route(previous="resp_1", previous_kind=kind)
            assert [member] == [one.error for one in made.step(call).passed_over]

    def test_a_conversation_grows_with_every_answer(self) -> None:
        """Those that end meanwhile add to what the next one reads; one alone says how long it is."""
        made = official(RESPONSES)
        asked: dict[str, Any] = {
            "dialect_in": "openai_responses",
            "previous": "conv_1",
            "previous_kind": "conversation",
        }
        made.attempt(made.route(**asked), finished(usage={"input": 1_000, "output": 100}))
        first, second = (made.held(made.route(**asked)) for _ in range(2))
        assert [1_100, 1_100] == [first.hold_basis.kept, second.hold_basis.kept]
        made.end(first, finished(usage={"input": 1_500, "output": 100}))
        made.end(second, finished(usage={"input": 1_600, "output": 300}))
        held = made.held(made.route(**asked))
        assert 1_600 + 800 == held.hold_basis.kept
        made.end(held, finished(usage={"input": 2_000, "output": 10}))
        assert 2_010 == made.held(made.route(**asked)).hold_basis.kept
        assert [] == made.disagreeing()

    def test_a_prefix_in_the_cache_and_a_prompt_by_its_id(self) -> None:
        """A prefix is what was read from the cache; a prompt what was billed beyond what was sent."""
        made = official(RESPONSES)
        used = {"input": 1_500, "cache_read": 9_000, "output": 1}
        cache: dict[str, Any] = {"previous": "cachedContents/1", "previous_kind": "cache"}
        made.attempt(made.route(**cache), finished(usage=used))
        made.attempt(made.route(**cache), finished(usage={"input": 1, "output": 1}))
        assert 9_000 == made.held(made.route(**cache)).hold_basis.kept
        prompt: dict[str, Any] = {"dialect_in": "openai_responses", "previous": "pmpt_1", "previous_kind": "prompt"}
        made.attempt(made.route(**prompt), finished(usage=used))
        assert 9_500 == made.held(made.route(**prompt)).hold_basis.kept
        assert {} == made.fold.responses.made_by

    def test_single_items_of_a_conversation(self) -> None:
        """They are at most what the conversation was, less what of it is sent again; an unknown one is not held for."""
        made = official(RESPONSES)
        asked: dict[str, Any] = {**FIRST, "thread": "t", "previous_kind": "items"}
        made.attempt(made.route(**{**asked, "previous_kind": ""}), finished(usage=USED))
        assert 83_000 == made.held(made.route(**asked)).hold_basis.kept
        assert 0 == made.held(made.route(**asked, input_estimate=90_000)).hold_basis.kept
        assert 0 == made.held(made.route(**{**asked, "thread": "other"})).hold_basis.kept
        assert [] == made.disagreeing()

    def test_what_is_not_known_is_a_whole_context(self) -> None:
        """The maximum of one made elsewhere is what the model can read; where that is not stated, what is known."""
        made = self.begun()
        assert 0 == made.held(self.going_on(made, previous="resp_elsewhere")).hold_basis.kept
        route = replace(config().route["official"], capabilities={"m": Capabilities(context=10_000)})
        conf = listed(
            OFFICIAL,
            upstream={**config().upstream, "openai": RESPONSES},
            route={**config().route, "official": route},
        )
        made.configure(agreed(conf))
        assert (8_800, 10_000) == kept_of(made.held(self.going_on(made, previous="resp_elsewhere")))
        assert (84_000, 85_200) == kept_of(made.held(self.going_on(made)))
        assert (0, 1_200) == kept_of(made.held(self.going_on(made, previous="pmpt_1", previous_kind="prompt")))

    def test_who_expects_holds_what_is_known(self) -> None:
        """And what was kept is no error of the estimate: it teaches nothing about the next request's bytes."""
        made = self.begun()
        made.configure(
            agreed(
                listed(OFFICIAL, upstream={**config().upstream, "openai": RESPONSES}, settle=Settle(hold="expected")),
                made.terms.cards,
            )
        )
        for _ in range(25):
            made.attempt(self.going_on(made), finished(usage={"input": 85_000, "output": 100}))
            made.attempt(
                self.going_on(made, previous="resp_elsewhere"), finished(usage={"input": 900_000, "output": 1})
            )
        held = made.held(self.going_on(made))
        assert ("expected", 84_000) == (held.hold_basis.kind, held.hold_basis.kept)
        assert held.hold_basis.input < 86_000
        assert 0 == made.held(self.going_on(made, previous="resp_elsewhere")).hold_basis.kept

    def test_what_it_is_expected_to_cost(self) -> None:
        """A plan and the order by cost count it too."""
        made = self.begun()
        routed = made.open(self.going_on(made)).routed
        asked = Question(terms=made.terms, fold=made.fold, routed=routed, at=made.at)
        cost = expected_for(asked, OFFICIAL, output=100).cost
        assert cost is not None
        assert Decimal("0.0855") == cost.value

    def test_a_pool_in_tokens_counts_it(self) -> None:
        """A pool's tokens are those that the provider reads."""
        pool = Balance(kind="pool", unit="tokens", windows=(Window(allow=Decimal(10**6), per="5h"),))
        upstream = {**config().upstream, "plan": RESPONSES}
        made = bench(listed(PLAN, balance={**config().balance, "plan": pool}, upstream=upstream))
        made.attempt(made.route(**FIRST), finished(usage=USED, upstream_id="resp_1"))
        held = made.held(self.going_on(made))
        assert ("86200", 84_000) == (held.hold, held.hold_basis.kept)


def kept_of(held: Held) -> tuple[int, int]:
    """Return what is held for the conversation, and for all input."""
    return held.hold_basis.kept, held.hold_basis.input


class TestWrites:
    """What a cache write costs more is in the hold where the input may be written."""

    @pytest.mark.parametrize(
        ("life", "hold", "input_class"),
        [
            ("", "0.0062", ""),
            ("5m", "0.0065", "cache_write_5m"),
            ("30m", "0.0065", "cache_write_5m"),
            ("1h", "0.0074", "cache_write_1h"),
            ("12h", "0.0074", "cache_write_1h"),
        ],
    )
    def test_where_the_request_marks(self, life: str, hold: str, input_class: str) -> None:
        """1,200 tokens of input at 1, 1.25 or 2; the longest life may come with shorter ones."""
        made = official(ANTHROPIC, WRITES)
        held = made.held(made.route(caches={"anthropic_messages": life} if life else {}, **MESSAGES))
        assert (hold, input_class) == (held.hold, held.hold_basis.input_class)

    @pytest.mark.parametrize(
        ("needs", "hold", "classes"),
        [
            ((), "0.0062", ("", "")),
            (("tools",), "0.0062", ("", "")),
            (("vision",), "0.0074", ("image_in", "")),
            (("audio",), "0.128", ("audio_in", "audio_out")),
            (("audio", "vision"), "0.128", ("audio_in", "audio_out")),
        ],
    )
    def test_sound_and_images(self, needs: tuple[str, ...], hold: str, classes: tuple[str, str]) -> None:
        """1,200 tokens in and 1,000 out at 1/5, images at 2, sound at 40/80: whoever may speak is held for speech."""
        made = official(ANTHROPIC, {**LIST, "image_in": "2", "audio_in": "40", "audio_out": "80"})
        held = made.held(made.route(needs=needs))
        assert (hold, classes) == (held.hold, (held.hold_basis.input_class, held.hold_basis.output_class))

    def test_where_the_dialect_writes_by_itself(self) -> None:
        """OpenAI's models with a write rate write unasked, for half an hour; more only where it is asked for."""
        rates = {**LIST, "cache_write_30m": "1.25", "cache_write_12h": "3"}
        asked: tuple[tuple[dict[str, Any], str], ...] = (
            ({}, "0.0065"),
            ({"dialect_in": "openai_responses"}, "0.0065"),
            ({"dialect_in": ""}, "0.0065"),
            ({"caches": {"openai_chat": "12h"}}, "0.0086"),
        )
        for changes, hold in asked:
            made = official(RESPONSES, rates)
            assert hold == made.held(made.route(**changes)).hold

    def test_where_a_translation_marks(self) -> None:
        """What counts is the dialect in which the candidate is asked."""
        made = official(ANTHROPIC, WRITES)
        assert "0.0062" == made.held(made.route(caches={"openai_chat": "1h"})).hold
        assert "0.0065" == made.held(made.route(caches={"anthropic_messages": "5m"})).hold

    def test_a_write_that_costs_less_than_input(self) -> None:
        """The dearest is held: a part of the input may not be written."""
        made = official(ANTHROPIC, {**LIST, "cache_write_5m": "0.5"})
        held = made.held(made.route(caches={"anthropic_messages": "5m"}, **MESSAGES))
        assert ("0.0062", "") == (held.hold, held.hold_basis.input_class)

    def test_in_the_tier_that_is_asked_for(self) -> None:
        """A long request and a tier of service have write rates of their own."""
        long = Tier(above=1_000, rates={"input": Decimal(2), "cache_write_5m": Decimal("2.5")})
        fast = Service(rates={name: Decimal(rate) * 6 for name, rate in WRITES.items()})
        made = official(ANTHROPIC, WRITES, tiers=(long,), service={"fast": fast})
        marked: dict[str, Any] = {"caches": {"anthropic_messages": "5m"}, **MESSAGES}
        assert "0.008" == made.held(made.route(**marked)).hold
        assert "0.039" == made.held(made.route(tier_asked="fast", **marked)).hold


class TestBesides:
    """The hold covers what the request asks the provider to do besides the answer."""

    def made(self, settle: Settle | None = None, key: Key | None = None) -> Bench:
        """Return a bench with the official route, on which another model costs 10 times as much."""
        upstream = {**config().upstream, "openai": ANTHROPIC}
        conf = listed(OFFICIAL, upstream=upstream, settle=settle or Settle(), key={"k": key or Key()})
        dear = {name: str(Decimal(rate) * 10) for name, rate in WRITES.items()}
        own = {OFFICIAL: (card(OFFICIAL, LIST),), "official/dear": (card("official/dear", dear),)}
        return bench(conf, cards(charge=own, list=own), credit="100 USD")

    def hold(self, made: Bench, *beside: Beside, **changes: object) -> tuple[str, str]:
        """Return the hold, and what of it is for what is done besides."""
        asked: dict[str, Any] = {**MESSAGES, "beside": beside, **changes}
        held = made.held(made.route(**asked))
        assert [] == made.disagreeing()
        return held.hold, held.hold_basis.beside

    def test_a_compaction(self) -> None:
        """It reads the whole conversation, and sums it up in as much as an answer without a maximum may have.

        Below the size from which on it happens, that size is held; 180,000 tokens are beyond it.
        """
        made = self.made()
        compaction = Beside(kind="compaction", input=150_000)
        assert ("0.17668", "0.17048") == self.hold(made, compaction)
        assert ("0.38548", "0.20048") == self.hold(made, compaction, input_estimate=150_000)

    def test_who_expects_holds_it_where_it_will_happen(self) -> None:
        """Agents that always allow a compaction don't starve each other before it is near."""
        made = self.made(Settle(hold="expected"))
        for _ in range(20):
            made.attempt(made.route(**MESSAGES), finished())
        compaction = Beside(kind="compaction", input=150_000)
        assert "" == self.hold(made, compaction)[1]
        assert "" != self.hold(made, compaction, input_estimate=150_000)[1]

    def test_an_advisor(self) -> None:
        """It reads what was said so far at its own model's card, as often as it may be asked."""
        made = self.made()
        advisor = Beside(kind="advisor", model="dear", output=2_000, times=3)
        assert ("0.3722", "0.366") == self.hold(made, advisor)
        assert ("0.2330", "0.2268") == tuple(
            f"{Decimal(part):.4f}" for part in self.hold(made, Beside(kind="advisor", model="dear"))
        )

    def test_an_advisor_that_caches(self) -> None:
        """Its own prompt is written to its cache."""
        cached = Beside(kind="advisor", model="dear", output=2_000, caches="1h")
        assert ("0.1502", "0.144") == self.hold(self.made(), cached)

    def test_an_advisor_of_the_same_model(self) -> None:
        """One that names no model costs what the model costs that answers."""
        assert ("0.0184", "0.0122") == self.hold(self.made(), Beside(kind="advisor", output=2_000))

    def test_models_that_may_answer_instead(self) -> None:
        """One of them answers: the dearest counts, with its own maximum."""
        made = self.made()
        dear, same = Beside(kind="fallback", model="dear"), Beside(kind="fallback", model="m")
        assert ("0.062", "0.0558") == self.hold(made, same, dear, same)
        assert ("0.0062", "") == self.hold(made, same)
        assert ("0.112", "0.1058") == self.hold(made, Beside(kind="fallback", model="dear", output=2_000), dear)

    def test_one_without_a_price(self) -> None:
        """CASES 12: refused as any unknown price, or allowed by the user's word and then not held for."""
        made, unknown = self.made(), Beside(kind="advisor", model="unknown")
        refused = made.refused(made.route(beside=(unknown,), **MESSAGES))
        (passed,) = refused.passed_over
        assert ("no_price", "no_price", "official/unknown") == (refused.reason, passed.reason, passed.error)
        assert "the price of official/unknown, which the request asks for besides, is not known" == reason_text(passed)
        assert ("0.0062", "") == self.hold(self.made(Settle(unpriced="zero")), unknown)
        priced_in_part = Beside(kind="advisor", model="unpriced")
        made.configure(
            agreed(
                made.terms.config,
                cards(charge={**made.terms.cards.charge, "official/unpriced": (card("official/unpriced", {}),)}),
            )
        )
        assert "no_price" == made.refused(made.route(beside=(priced_in_part,), **MESSAGES)).reason
        fallback = Beside(kind="fallback", model="dear")
        made.configure(agreed(made.terms.config, cards(charge={"official/dear": (card("official/dear", WRITES),)})))
        (passed,) = made.refused(made.route(beside=(fallback,), **MESSAGES)).passed_over
        assert ("no_price", "") == (passed.reason, passed.error), "what has no price is the candidate itself"

    def test_where_the_upstream_says_what_it_cost(self) -> None:
        """The dearest of late, as of any call there whose price no list knows."""
        reported = {OFFICIAL: (card(OFFICIAL, LIST, terms="reported"),)}
        made = bench(
            listed(OFFICIAL, upstream={**config().upstream, "openai": ANTHROPIC}),
            cards(charge=reported),
            credit="9 USD",
        )
        made.attempt(made.route(**MESSAGES), finished(reported_cost=Decimal("0.5")))
        held = made.held(made.route(beside=(Beside(kind="advisor", model="unknown"),), **MESSAGES))
        assert ("0.5", "reported") == (held.hold, held.hold_basis.kind)

    def test_what_is_sold_by_the_call(self) -> None:
        """A call costs so much, whatever is done in it."""
        flat = {OFFICIAL: (card(OFFICIAL, {"requests": "0.02"}, terms="flat"),)}
        upstream = {**config().upstream, "openai": ANTHROPIC}
        made = bench(listed(OFFICIAL, upstream=upstream), cards(charge=flat), credit="9 USD")
        assert ("0.02", "") == self.hold(made, Beside(kind="compaction", input=50_000))

    def test_a_translation_asks_for_none_of_it(self) -> None:
        """It has no such members, so nothing of it is billed."""
        made = self.made()
        advisor = Beside(kind="advisor", model="unknown")
        assert ("0.0062", "") == self.hold(made, advisor, dialect_in="openai_chat")

    def test_a_budget_at_list_price_counts_it(self) -> None:
        """And one that is on no list is not known, so that the charge counts."""
        budget = Budget(limit="9 USD", per="day", count="list")
        for model, counted in (("dear", "0.3722"), ("only_here", "0.3722")):
            made = self.made(key=Key(budget=budget))
            own = made.terms.cards.charge["official/dear"]
            made.configure(
                agreed(
                    made.terms.config,
                    replace(made.terms.cards, charge={**made.terms.cards.charge, "official/only_here": own}),
                )
            )
            advisor = Beside(kind="advisor", model=model, output=2_000, times=3)
            held = made.held(made.route(beside=(advisor,), **MESSAGES))
            assert [(counted, "list" if model == "dear" else "charge")] == [(it.amount, it.by) for it in held.counted]

    def test_a_pool_in_tokens_counts_it(self) -> None:
        """Every token that is read or said; another model's answer is no second one."""
        pool = Balance(kind="pool", unit="tokens", windows=(Window(allow=Decimal(10**6), per="5h"),))
        upstream = {**config().upstream, "plan": ANTHROPIC}
        made = bench(listed(PLAN, balance={**config().balance, "plan": pool}, upstream=upstream))
        beside = (Beside(kind="advisor", output=2_000, times=2), Beside(kind="fallback", model="x"))
        assert str(2_200 + 2 * 4_200) == made.held(made.route(beside=beside, **MESSAGES)).hold


class TestOutput:
    """What the model gives bounds what is held."""

    def made(self, gives: int) -> Bench:
        """Return a bench whose relay says that its model gives so much."""
        said = {"m": Capabilities(output=gives)} if gives else {}
        route = replace(config().route["relay"], capabilities=said)
        return bench(listed(RELAY, OFFICIAL, route={**config().route, "relay": route}), wallet="100 CNY")

    def test_a_hold_is_for_what_the_model_gives(self) -> None:
        """32,000 asked for of a model that gives 8,192: each of its answers has as much; who asks for less has that."""
        made = self.made(8_192)
        assert 8_192 == made.held(made.route(output_bound=32_000, output_asked=32_000)).hold_basis.output
        assert 16_384 == made.held(made.route(output_bound=64_000, answers=2)).hold_basis.output
        assert 1_000 == made.held(made.route()).hold_basis.output

    @pytest.mark.parametrize(
        ("gives", "routed", "expected"),
        [
            (0, {}, None),
            (0, {"output_asked": 50}, 50),
            (100, {}, 100),
            (100, {"answers": 3}, 300),
            (100, {"output_asked": 50}, 50),
            (100, {"output_asked": 500}, 100),
            (100, {"output_bound": 0}, 0),
        ],
    )
    def test_the_most_that_a_call_can_have(self, gives: int, routed: dict[str, Any], expected: int | None) -> None:
        """CASES 65: the client's own maximum or the model's; neither the configured bound nor the hold is one."""
        made = self.made(gives)
        call = made.open(made.route(**routed)).routed
        assert expected == most_output(made.terms, call, RELAY)
