"""Routes on a screen: at a glance whether each is fine, without colour, at 80 columns and at 120."""

from datetime import timedelta

import pytest
from ledgers import at
from msgspec.structs import replace
from screens import printed

from tokens_forge.core.health import CooldownShown, CoolingState, RetryBudget
from tokens_forge.core.moments import moment
from tokens_forge.core.route_health import CandidateHealth, HealthWord
from tokens_forge.reports.periods import Period
from tokens_forge.reports.routes import Attempts, RouteRow, Routes
from tokens_forge.view.routes import routes_view

NOW = at("11:00:00")
NEXT = "the next call is its probe"
CALL = "tf_01a20e342eb570008000000000000021"

RELAY = CandidateHealth(
    candidate="relay/gpt-5",
    route="relay",
    upstream_model="gpt-5",
    route_class="ordinary",
    upstream="relay",
    balance="rmb-wallet",
    health="ok",
    available="41.2",
    unit="CNY",
)
OFFICIAL = replace(
    RELAY,
    candidate="official/gpt-5",
    route="official",
    route_class="direct",
    upstream="openai",
    balance="openai-credit",
    available="12",
    unit="USD",
)
LIMITED = CooldownShown(
    scope="candidate",
    name="relay/gpt-5",
    state="cooling",
    until=at("11:04:12"),
    level=2,
    error="rate_limited",
    causes=(f"{CALL}/2",),
)
LOCKED = CooldownShown(
    scope="upstream",
    name="openai",
    state="cooling",
    until=at("11:15:00"),
    level=1,
    error="unauthorized",
    causes=(f"{CALL}/1",),
)
EMPTY = replace(LOCKED, scope="balance", name="rmb-wallet", error="insufficient_quota", until=at("12:00:00"))

BUSY = Attempts(
    ended=12,
    ok=8,
    ours=1,
    retries=2,
    first_byte_p50_ms=412.0,
    first_byte_p95_ms=11_200.0,
    words={"rate_limited": 2, "client_left": 1, "server_error": 1},
)
FINE = Attempts(ended=1031, ok=1031, fallbacks=3, first_byte_p50_ms=380.2, first_byte_p95_ms=1834.0)


def answer(*rows: RouteRow, cooldowns: tuple[CooldownShown, ...] = (), running: bool = True, used: int = 1) -> Routes:
    """Return an answer of the last hour."""
    until = moment(NOW)
    return Routes(
        at=NOW,
        running=running,
        period=Period(since=until - timedelta(hours=1), until=until, label="the last 1h"),
        rows=rows,
        cooldowns=cooldowns,
        retry_budget=RetryBudget(calls=12, used=used, allowed=3),
    )


def troubled() -> Routes:
    """Return a relay that cools after a busy hour, and a route whose upstream is locked out."""
    cooling = replace(RELAY, health="cooling", until=LIMITED.until, cooldown=LIMITED)
    locked = replace(OFFICIAL, health="cooling", until=LOCKED.until, cooldown=LOCKED)
    new = replace(OFFICIAL, candidate="official/o5", upstream_model="o5", health="cooling", cooldown=LOCKED)
    return answer(
        RouteRow(health=cooling, attempts=BUSY),
        RouteRow(health=locked, attempts=FINE),
        RouteRow(health=new, attempts=Attempts()),
        cooldowns=(LOCKED, LIMITED),
    )


def against(health: HealthWord, cooldown: CooldownShown | None = None, **changes: object) -> str:
    """Return in one line what is told below a relay that is so."""
    row = RouteRow(health=replace(RELAY, health=health, cooldown=cooldown, **changes), attempts=Attempts())
    lines = printed(routes_view(answer(row)), 200)
    return " ".join(line.strip() for line in lines[5:-1])


def test_at_80_columns() -> None:
    """A line a candidate; below it what stands against it, with the attempt behind it, and what went wrong."""
    expected = f"""\
Routes now, and their attempts of the last 1h
                                      first byte
         health     attempts      ok         p50        p95  retries  fallbacks
relay  ordinary, relay, paid by rmb-wallet
  gpt-5  cooling          12  72.7 %      412 ms   11.200 s        2          -
    until 2026-11-24 11:04:12 UTC (for 4 min 12 s), level 2: rate_limited after
    {CALL}/2
    rate_limited 2, server_error 1
    not counted, as it had no part in them: client_left 1
official  direct, openai, paid by openai-credit
  gpt-5  cooling       1,031   100 %      380 ms    1.834 s        -          3
    its upstream openai: unauthorized, until 2026-11-24 11:15:00 UTC
  o5     cooling           -       -           -          -        -          -
    its upstream openai: unauthorized, until 2026-11-24 11:15:00 UTC

Upstreams and balances that cool
upstream openai
    until 2026-11-24 11:15:00 UTC (for 15 min 0 s), level 1: unauthorized after
    {CALL}/1

`tf routes recover NAME` ends one: ROUTE/MODEL, a route, an upstream, a balance
retries in the last minute: 1 of 3 allowed (12 calls)"""
    assert expected.splitlines() == printed(routes_view(troubled()), 80)


def test_turns_are_told() -> None:
    """How many attempts an upstream takes, how many are under way, and what that means for the next call."""
    busy = replace(RELAY, health="busy", concurrency=2, under_way=2)
    lines = printed(routes_view(answer(RouteRow(health=busy, attempts=Attempts()))), 120)
    assert "relay  ordinary, relay, paid by rmb-wallet; 2 of 2 attempts under way" == lines[3]
    assert "waits for its turn" in against("busy")


def test_at_120_columns_a_sentence_is_a_line() -> None:
    """Nothing is folded where there is room."""
    lines = printed(routes_view(troubled()), 120)
    because = f"rate_limited after {CALL}/2"
    assert f"    until 2026-11-24 11:04:12 UTC (for 4 min 12 s), level 2: {because}" == lines[5]
    assert all(len(line) <= 120 for line in lines)


def test_a_long_model_leaves_the_figures_their_room() -> None:
    """Retries and fallbacks go below where a name takes their columns; one too long for a line is folded whole."""
    name = "claude-sonnet-4-5-20250929"
    row = RouteRow(health=replace(RELAY, upstream_model=name), attempts=BUSY)
    once = RouteRow(health=replace(RELAY, upstream_model="m"), attempts=Attempts(ended=1, ok=1, retries=1, fallbacks=2))
    lines = printed(routes_view(answer(row, once)), 80)
    assert f"  {name}  ok               12  72.7 %      412 ms   11.200 s" == lines[4]
    assert ["    2 retries", "    1 retry, 2 fallbacks to it"] == [line for line in lines if "retr" in line][:2]
    narrow = printed(routes_view(answer(row)), 60)
    assert all(len(line) <= 60 for line in narrow)
    assert name == "".join(line[2:8].strip() for line in narrow[4:9])


def test_routes_that_are_fine_are_short() -> None:
    """No cooldown, nothing that failed: a line each and the retries, and that no proxy runs where none does."""
    expected = """\
Routes now, and their attempts of the last 1h
no proxy runs here: health is what the ledger says
                                      first byte
         health     attempts      ok         p50        p95  retries  fallbacks
official  direct, openai, paid by openai-credit
  gpt-5  ok            1,031   100 %      380 ms    1.834 s        -          3
retries in the last minute: 1 of 3 allowed (12 calls)"""
    fine = answer(RouteRow(health=OFFICIAL, attempts=FINE), running=False)
    assert expected.splitlines() == printed(routes_view(fine), 80)


def test_a_used_up_budget_of_retries_is_said() -> None:
    """The next failure falls back at once, and that is seen."""
    spent = printed(routes_view(answer(RouteRow(health=RELAY, attempts=FINE), used=3)))
    assert "retries in the last minute: 3 of 3 allowed (12 calls); none more for now" == spent[-1]


def test_an_empty_balance_is_told_with_what_our_books_say() -> None:
    """DESIGN 7: the upstream's word and ours differ, and both are said."""
    expected = "rmb-wallet is empty, the upstream says, our books say 41.2 CNY; next probe 2026-11-24 12:00:00 UTC"
    assert expected == against("balance_empty_upstream", EMPTY)
    free = against("balance_empty_upstream", EMPTY, available="")
    assert "rmb-wallet is empty, the upstream says; next probe 2026-11-24 12:00:00 UTC" == free


@pytest.mark.parametrize(
    ("state", "cooldown", "expected"),
    [
        ("probing", LIMITED, f"passed over while {CALL}/3 is its probe, level 2: rate_limited after {CALL}/2"),
        (
            "probe_due",
            LIMITED,
            f"it cooled until 2026-11-24 11:04:12 UTC, {NEXT}, level 2: rate_limited after {CALL}/2",
        ),
        ("probing", LOCKED, f"its upstream openai: unauthorized, passed over while {CALL}/3 is its probe"),
        (
            "probe_due",
            EMPTY,
            f"its balance rmb-wallet: insufficient_quota, it cooled until 2026-11-24 12:00:00 UTC, {NEXT}",
        ),
    ],
)
def test_a_probe_is_told(state: CoolingState, cooldown: CooldownShown, expected: str) -> None:
    """Which attempt tries, or that the next call will."""
    probed = replace(cooldown, state=state, probe=f"{CALL}/3" if state == "probing" else "")
    assert expected == against(state if state != "cooling" else "ok", probed)


def test_without_known_causes_none_are_said() -> None:
    """A cooldown of an older fold has none."""
    told = against("cooling", replace(LIMITED, causes=()))
    assert "until 2026-11-24 11:04:12 UTC (for 4 min 12 s), level 2: rate_limited" == told


def test_what_money_says() -> None:
    """Nothing there, used up until when, a route that is gone from the config."""
    until = at("15:00:00")
    assert "rmb-wallet has nothing available" == against("balance_short")
    assert against("no_price").startswith("nobody says what it costs, so its calls are refused")
    assert "rmb-wallet has nothing available until 2026-11-24 15:00:00 UTC" == against("balance_short", until=until)
    assert "rmb-wallet is used up until 2026-11-24 15:00:00 UTC" == against("pool_used_up", until=until)
    assert "rmb-wallet is used up" == against("pool_used_up")
    gone = replace(RELAY, health="not_in_config", route_class="", upstream="relay")
    lines = printed(routes_view(answer(RouteRow(health=gone, attempts=FINE))))
    assert ["relay  relay, paid by rmb-wallet", "    its route is gone from the config"] == [lines[3], lines[5]]


def test_no_control_character_reaches_the_screen() -> None:
    """A model's name is a client's word, and an upstream's or a balance's may come from anywhere."""
    evil = "m\x1b]0;title\x07[red]"
    health = replace(
        RELAY,
        route=evil,
        upstream_model=evil,
        upstream=evil,
        balance=evil,
        health="cooling",
        cooldown=replace(LOCKED, name=evil),
    )
    row = RouteRow(health=health, attempts=Attempts(ended=2, words={evil: 1, "client_left": 1}))
    text = "\n".join(printed(routes_view(answer(row, cooldowns=(replace(LOCKED, name=evil, error=evil),))), 120))
    assert all(character.isprintable() or character == "\n" for character in text)
    assert "\\x1b]0;title\\x07[red]" in text
