"""A plan is the decision that would be made now, for every candidate; it changes nothing."""

from datetime import date
from decimal import Decimal

import msgspec
import pytest
from builders import LOCAL, OFFICIAL, PLAN, RELAY, Bench, agreed, card, cards, config, upstream
from msgspec.structs import replace

from tokens_forge.core.config import CLIENT, Balance, Burn, Capabilities, Config, Cross, Key, Model, Rate, Report
from tokens_forge.core.entries import Held
from tokens_forge.core.errors import RequestError
from tokens_forge.core.plan import Plan, PlanOrder, plan
from tokens_forge.core.prices import Cards

FX = Report(fx={"CNY": (Rate(valid_from=date(2026, 1, 1), rate=Decimal(8)),)})
SMART = PlanOrder(model="smart")


def bench(conf: Config | None = None, prices: Cards | None = None) -> Bench:
    """Return a bench with 100 CNY and 100 USD."""
    made = Bench(terms=agreed(conf or config(report=FX), prices))
    made.topup(wallet="100 CNY", credit="100 USD")
    return made


def planned(made: Bench, order: PlanOrder = SMART) -> Plan:
    """Plan a call, and hold it to what must be true of every plan: what it says is what then happens."""
    before = made.fold.encode()
    told = plan(made.terms, made.fold, order, made.at)
    assert before == made.fold.encode()
    call = made.route(
        order.model,
        key=order.key,
        task=order.task,
        input_estimate=order.input,
        output_bound=told.bound,
        previous_input=order.kept,
        caches={"openai_chat": order.caches, "anthropic_messages": order.caches} if order.caches else {},
        pinned=order.route,
        pinned_class=order.route_class,
        fallback_asked=order.fallback,
        max_charge=order.max_charge,
        dialect_in=order.dialect or "openai_chat",
        login=order.login is not False,
    )
    entry = made.step(call)
    taken = [(one.candidate, one.hold, one.balance) for one in told.candidates if one.verdict == "first"]
    if told.refused:
        assert (told.refused, told.status, []) == (
            getattr(entry, "error", ""),
            getattr(entry, "client_status", 0),
            taken,
        )
    else:
        assert isinstance(entry, Held)
        assert taken == [(f"{entry.route}/m", entry.hold, entry.balance)]
    return told


def told(one: Plan) -> list[tuple[str, str, list[str]]]:
    """Return each candidate's verdict and reasons."""
    return [(it.candidate, it.verdict, [passed.reason for passed in it.passed_over]) for it in one.candidates]


def test_each_candidate_with_its_figures() -> None:
    """In its own unit and the report's, with the hold and the balance after; 1,000 tokens in and 500 out."""
    got = planned(bench())
    assert [(RELAY, "first", []), (OFFICIAL, "next", []), (PLAN, "next", []), (LOCAL, "next", [])] == told(got)
    assert ("listed", "any", RELAY, 1000, 500, 4096) == (
        got.burn,
        got.boundary,
        got.intended,
        got.input,
        got.output,
        got.bound,
    )
    figures = [
        (one.expected, one.unit, one.compared, one.list, one.hold, one.balance_now, one.balance_after)
        for one in got.candidates
    ]
    assert [
        ("0.035", "CNY", "0.004375", "0.0035", "0.2168", "100", "99.965"),
        ("0.0035", "USD", "0.0035", "0.0035", "0.02168", "100", "99.9965"),
        ("1", "requests", "0", "0.0035", "1", "3", "2"),
        ("0", "free", "0", "0.0035", "0", "", ""),
    ] == figures


def test_what_the_user_says_of_the_call() -> None:
    """Tokens, the maximum, a pin, a cap: as the headers of a call would."""
    order = PlanOrder(model="smart", input=2000, output=100, bound=200, route="official", max_charge="1 USD")
    got = planned(bench(), order)
    assert (2000, 100, 200, 200) == (got.input, got.output, got.bound, got.ordered_for)
    official = got.candidates[1]
    assert ("0.0025", "0.0034") == (official.expected, official.hold)
    assert [(RELAY, "passed_over", ["not_pinned"]), (OFFICIAL, "first", [])] == told(got)[:2]
    with pytest.raises(RequestError, match="there is no route `offical`"):
        planned(bench(), PlanOrder(model="smart", route="offical"))


def test_what_is_passed_over_and_what_would_refuse() -> None:
    """The reasons of `decide`, for every candidate; the code and status that the client would get."""
    made = bench(config(report=FX, model={"smart": Model(routes=(RELAY, OFFICIAL))}))
    made.call("rate_limited")
    got = planned(made)
    assert [(RELAY, "passed_over", ["cooling"]), (OFFICIAL, "passed_over", ["outside_boundary"])] == told(got)
    assert ("all_cooling", 503) == (got.refused, got.status)
    got = planned(bench(config(key={"k": Key(classes=())})), PlanOrder(model="smart", key="k"))
    assert ("not_allowed", 403) == (got.refused, got.status)


def test_tokens_that_can_be() -> None:
    """More output than is held for by default raises the bound; none is expected beyond a maximum; needs count."""
    got = planned(bench(), PlanOrder(model="smart", output=9000))
    assert (9000, 9000) == (got.output, got.bound)
    got = planned(bench(), PlanOrder(model="smart", output=9000, bound=5))
    assert (5, 5) == (got.output, got.bound)
    for wrong in (b'{"model":"m","input":-1}', b'{"model":"m","output":-1}', b'{"model":"m","bound":0}'):
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(wrong, type=PlanOrder)
    blind = replace(config().route["relay"], capabilities={"*": Capabilities(vision=False)})
    made = bench(config(report=FX, route={**config().route, "relay": blind}))
    got = plan(made.terms, made.fold, PlanOrder(model="smart", needs=("vision",)), made.at)
    relay, official = got.candidates[:2]
    assert ("passed_over", "", "first") == (relay.verdict, relay.balance_after, official.verdict)


def test_an_alias_and_its_order() -> None:
    """What it led to, the numbers behind the order, and what would cross."""
    burn: Burn = "cheapest"
    cross = Cross(to="direct", up_to="1 USD", per="day")
    model = Model(routes=(RELAY, OFFICIAL, PLAN), burn=burn, fallback="class", cross=cross)
    made = bench(config(report=FX, model={"smart": model, "quick": Model(alias="smart")}))
    got = planned(made, PlanOrder(model="quick"))
    assert ("smart", "cheapest", [PLAN, OFFICIAL, RELAY]) == (got.by, got.burn, [it.candidate for it in got.candidates])
    assert [("first", ""), ("next", "direct"), ("passed_over", "")] == [
        (it.verdict, it.crossed) for it in got.candidates
    ]
    assert ["0", "0.0035", "0.035"] == [it.ranked.cost for it in got.candidates if it.ranked]


def test_what_pays_beyond_a_pool() -> None:
    """The pool's reason stands beside the balance that takes over, whose charge it would be."""
    plan_balance = replace(config().balance["plan"], overage="credit")
    conf = config(report=FX, balance={**config().balance, "plan": plan_balance}, model={"smart": Model(routes=(PLAN,))})
    made = bench(conf, replace(cards(), charge={PLAN: (card(PLAN, {"input": "1", "output": "5"}),)}))
    for _ in range(3):
        made.call()
    (one,) = planned(made).candidates
    assert ("first", "credit", "0.0035", "USD", ["pool_used_up"]) == (
        one.verdict,
        one.balance,
        one.expected,
        one.unit,
        [passed.reason for passed in one.passed_over],
    )


def test_what_is_not_known() -> None:
    """A price, and an exchange rate: absent, never zero. What a provider counts costs nothing of ours."""
    provider = Balance(kind="pool", unit="percent", windows="provider")
    conf = config(balance={**config().balance, "plan": provider})
    made = bench(conf, Cards(charge={RELAY: cards().charge[RELAY]}))
    made.attempt(made.route())
    relay, official, pool, _local = planned(made).candidates
    assert ("0.035", "") == (relay.expected, relay.compared)
    assert ("", "", "", ["no_price"], "100", "") == (
        official.expected,
        official.compared,
        official.list,
        [passed.reason for passed in official.passed_over],
        official.balance_now,
        official.balance_after,
    )
    assert ("0", "percent", "0", "100", "100") == (
        pool.expected,
        pool.unit,
        pool.compared,
        pool.balance_now,
        pool.balance_after,
    )


def test_a_model_that_nothing_serves() -> None:
    """No candidates, and the code of an unknown model."""
    got = planned(bench(), PlanOrder(model="nothing"))
    assert ((), "model_not_found", 404) == (got.candidates, got.refused, got.status)


def of(one: Plan) -> list[tuple[str, str, str, bool]]:
    """Return each candidate's verdict, the dialect that it is translated into, and whether a login pays."""
    return [(it.candidate, it.verdict, it.dialect_out, it.login) for it in one.candidates[:2]]


def test_for_a_client_of_a_dialect() -> None:
    """What is translated says into what, what can't be asked is passed over; without a dialect nothing is said."""
    embeds = replace(upstream(), endpoints=("embeddings",))
    anthropic = replace(upstream(), dialect="anthropic")
    made = bench(config(report=FX, upstream={**config().upstream, "relay": embeds, "openai": anthropic}))
    got = planned(made, replace(SMART, dialect="openai_responses"))
    assert [(RELAY, "passed_over", "", False), (OFFICIAL, "first", "anthropic_messages", False)] == of(got)
    ((passed,),) = (one.passed_over for one in got.candidates[:1])
    assert ("no_capability", "openai_responses") == (passed.reason, passed.error)
    got = planned(made, replace(SMART, dialect="anthropic_messages"))
    assert ("anthropic_messages", (OFFICIAL, "first", "", False)) == (got.dialect, of(got)[1])
    assert [(RELAY, "first", "", False), (OFFICIAL, "next", "", False)] == of(
        plan(made.terms, made.fold, SMART, made.at)
    )


def test_for_a_client_with_a_login_of_its_own() -> None:
    """It is taken to bring one unless it is said not to."""
    login = replace(upstream(), credential=CLIENT)
    made = bench(config(report=FX, upstream={**config().upstream, "relay": login}))
    assert [(RELAY, "first", "", True), (OFFICIAL, "next", "", False)] == of(planned(made))
    assert [(RELAY, "first", "", True), (OFFICIAL, "next", "", False)] == of(planned(made, replace(SMART, login=True)))
    got = planned(made, replace(SMART, login=False))
    assert [(RELAY, "passed_over", "", True), (OFFICIAL, "first", "", False)] == of(got)
    assert (False, OFFICIAL) == (got.login, got.intended)


def test_what_a_hold_covers_besides() -> None:
    """The same hold as the call's: at the rate of a write, with what the provider keeps, for what the model gives."""
    route = replace(config().route["official"], capabilities={"m": Capabilities(output=500)})
    rates = {"input": "1", "cache_write_5m": "1.25", "cache_write_12h": "3", "output": "5"}
    only = {"smart": Model(routes=(OFFICIAL,))}
    made = bench(
        config(report=FX, model=only, route={**config().route, "official": route}),
        cards(charge={OFFICIAL: (card(OFFICIAL, rates),)}),
    )
    for order, hold, expected in (
        (SMART, "0.004", "0.0035"),
        (replace(SMART, kept=8_000), "0.014", "0.0115"),
        (replace(SMART, caches="12h"), "0.0061", "0.0035"),
        (replace(SMART, caches="12h", dialect="openai_chat"), "0.0061", "0.0035"),
    ):
        (one,) = planned(made, order).candidates
        assert (hold, expected) == (one.hold, one.expected)
