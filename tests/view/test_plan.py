"""A plan on a screen: which balance it would burn stands first, then every candidate with its figures or its reason."""

from builders import OFFICIAL, PLAN, RELAY, Bench, agreed, config, upstream
from msgspec.structs import replace
from screens import printed

from tokens_forge.core.config import CLIENT, Balance, Cross, Model
from tokens_forge.core.plan import PlanOrder, plan
from tokens_forge.core.prices import Cards
from tokens_forge.view.plan import plan_view


def text(made: Bench, order: PlanOrder) -> str:
    """Return the picture of a plan on one wide line a line."""
    return "\n".join(printed(plan_view(plan(made.terms, made.fold, order, made.at)), 300))


def test_what_it_burns_and_what_would_follow() -> None:
    """At 80 columns nothing is cut; a fallback says from where."""
    cross = Cross(to="direct", up_to="1 USD", per="day")
    made = Bench(terms=agreed(config(model={"smart": Model(routes=(RELAY, OFFICIAL), cross=cross)})))
    made.topup(credit="5 USD")
    told = plan(made.terms, made.fold, PlanOrder(model="smart", key="k", task="t"), made.at)
    assert [
        "plan smart",
        "  burns       0.0035 USD of credit by official/m (direct)",
        "  falls back  from relay/m, which is intended",
        "  for         key k, task t, which has no cap and no budget",
        "  of          1,000 tokens in, about 500 out; held for at most 4,096 out",
        "  at          2026-11-24 10:00:00 UTC",
        "",
        "Candidates (order: listed; may fall back: class)",
        "  1  relay/m (ordinary) at relay, balance wallet: passed over",
        "     0 CNY available, 0.2168 CNY needed",
        "     0.035 CNY expected; list price 0.0035 USD; 0 CNY now",
        "  2  official/m (direct) at openai, balance credit: taken",
        "     crosses into direct, by the model's permission",
        "     0.0035 USD expected; 0.02168 USD held; list price 0.0035 USD; 5 USD now,",
        "     4.9965 USD after",
    ] == printed(plan_view(told))


def test_what_is_not_known_and_what_a_provider_counts() -> None:
    """Neither is a figure of ours."""
    pool = Balance(kind="pool", unit="percent", windows="provider")
    model = {"smart": Model(routes=(PLAN, OFFICIAL), fallback="any")}
    made = Bench(terms=agreed(config(model=model, balance={**config().balance, "plan": pool}), Cards()))
    told = text(made, PlanOrder(model="smart"))
    assert "burns  what its provider counts of plan by plan/m (subscription)" in told
    assert "an unknown amount expected; 0 USD now" in told
    pinned = text(made, PlanOrder(model="smart", route="official"))
    assert "the client pinned another route or class\n     what its provider counts expected; " in pinned
    assert "no key: every class, no key's budget" in told


def test_what_pays_beyond_a_pool_and_what_is_refused() -> None:
    """Both balances are named; a refusal stands where the balance would."""
    plan_balance = replace(config().balance["plan"], overage="credit")
    conf = config(balance={**config().balance, "plan": plan_balance}, model={"smart": Model(routes=(PLAN,))})
    made = Bench(terms=agreed(conf, Cards(charge={PLAN: agreed().cards.charge[OFFICIAL]})))
    for _ in range(3):
        made.call()
    told = text(made, PlanOrder(model="smart"))
    assert "refused  nothing would be tried: 402 insufficient_balance" in told
    assert "balance plan used up until 2026-11-24 15:00:00 UTC: 0 requests left, 1 requests needed" in told
    assert "balance credit 0 USD available, 0.02168 USD needed" in told


def test_the_client_and_what_it_brings() -> None:
    """Its dialect and its login stand where it is named; a candidate says what is translated and whose login pays."""
    login = replace(upstream(), credential=CLIENT)
    made = Bench(terms=agreed(config(upstream={**config().upstream, "relay": login})))
    made.topup(wallet="100 CNY", credit="5 USD")
    told = text(made, PlanOrder(model="smart", key="k", dialect="openai_responses"))
    assert "for    key k, asking in openai_responses, taken to bring its own login (`--no-login`: without)\n" in told
    assert "balance wallet: taken\n     asked in openai_chat, translated\n     by the client's own login\n" in told
    assert "for    key k, with its own login\n" in text(made, PlanOrder(model="smart", key="k", login=True))
    without = text(made, PlanOrder(model="smart", key="k", login=False))
    assert "key k, without a login of its own\n" in without
    assert "balance wallet: passed over\n     the client brought no login for it\n" in without
    only = replace(upstream(), endpoints=("embeddings",))
    made = Bench(terms=agreed(config(upstream={**config().upstream, "relay": only})))
    told = text(made, PlanOrder(model="smart", dialect="anthropic_messages"))
    assert "its upstream can't be asked in anthropic_messages, and nothing translates that for it\n" in told
