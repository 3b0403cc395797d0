"""How attempts of a period ended, by candidate: what counts where, at which moment, and under which name."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ledgers import (
    DAY,
    Ledger,
    at,
    call_id,
    fell_back,
    held_relay,
    paid_relay,
    routed,
    settled_relay,
    voided_relay,
)
from msgspec.structs import replace

from tokens_forge.core.entries import Renamed
from tokens_forge.core.fallback import OURS
from tokens_forge.core.health import CooldownShown, RetryBudget
from tokens_forge.core.plain import encode
from tokens_forge.core.route_health import RouteShown
from tokens_forge.files.pages import page_path
from tokens_forge.reports.periods import Period
from tokens_forge.reports.routes import Attempts, RouteRow, Routes, document, route_rows

NEXT = "2026-11-25"

RELAY = RouteShown(route="relay", route_class="ordinary", upstream="relay", balance="rmb-wallet", models=("gpt-5",))
OFFICIAL = RouteShown(
    route="official", route_class="direct", upstream="openai", balance="openai-credit", models=("o5", "gpt-5")
)
COOLING = CooldownShown(
    scope="upstream",
    name="openai",
    state="cooling",
    until=at("12:00:00"),
    level=2,
    error="connect",
    causes=("tf_1/2",),
)


def hour(until: str = "11:00:00", day: str = DAY) -> Period:
    """Return the hour before a moment."""
    end = datetime.fromisoformat(at(until, day)).astimezone(UTC)
    return Period(since=end - timedelta(hours=1), until=end, label="the last 1h")


def rows(folder: Path, *routes: RouteShown, period: Period | None = None) -> dict[str, RouteRow]:
    """Return the rows by candidate."""
    found = route_rows(folder, period or hour(), routes=routes or (RELAY, OFFICIAL), cooldowns=(), balances=()).rows
    return {row.health.candidate: row for row in found}


def one(folder: Path, period: Period | None = None) -> Attempts:
    """Return how the relay's attempts ended."""
    return rows(folder, period=period)["relay/gpt-5"].attempts


def failed(ledger: Ledger, word: str, n: int, clock: str = "10:30:00", **changes: object) -> None:
    """Append a call whose one attempt ended without a charge."""
    call = call_id(at(clock), n)
    ended = voided_relay(call, error=word, final=True, **changes)
    ledger.add(at(clock), routed(call), held_relay(call), ended)


def test_each_attempt_counts_at_its_candidate(tmp_path: Path) -> None:
    """A call that fell back has an attempt at both; what led here is a fallback, what was tried again a retry."""
    ledger = Ledger(tmp_path)
    fell_back(ledger)
    call = call_id(at("10:01:00"), 2)
    ledger.add(at("10:01:00"), routed(call), held_relay(call), voided_relay(call, error="server_error", status=500))
    again = settled_relay(call, n=2, role="retry", first_byte_ms=100.5)
    ledger.add(at("10:01:01"), held_relay(call, n=2, role="retry"), again)

    found = rows(tmp_path)

    assert ["relay/gpt-5", "official/o5", "official/gpt-5"] == list(found), "as the config has them"
    assert (
        Attempts(
            ended=3,
            ok=1,
            retries=1,
            first_byte_p50_ms=100.5,
            first_byte_p95_ms=100.5,
            words={"rate_limited": 1, "server_error": 1},
        )
        == found["relay/gpt-5"].attempts
    )
    assert Attempts() == found["official/o5"].attempts
    official = found["official/gpt-5"].attempts
    assert (1, 1, 1, 1000) == (official.ended, official.ok, official.fallbacks, official.tenths)


def test_half_and_nineteen_of_twenty_complete_replies_began_within(tmp_path: Path) -> None:
    """They are figures that were measured, of complete replies alone: 10 and 19 of 1 to 20."""
    ledger = Ledger(tmp_path)
    for n in range(20, 0, -1):
        paid_relay(ledger, "10:30:00", n, first_byte_ms=float(n))
    paid_relay(ledger, "10:30:00", 21, first_byte_ms=900.0, outcome="broken", error="stream_cut")
    paid_relay(ledger, "10:30:00", 22, first_byte_ms=0.0)

    found = one(tmp_path)

    assert (10.0, 19.0) == (found.first_byte_p50_ms, found.first_byte_p95_ms)


def test_what_an_upstream_has_no_part_in_is_left_out_of_the_share(tmp_path: Path) -> None:
    """Its client left, we stopped or could not write, our process died: counted and named, never held against it."""
    ledger = Ledger(tmp_path)
    paid_relay(ledger, "10:30:00", 1)
    failed(ledger, "server_error", 2)
    for n, word in enumerate(sorted(OURS), start=3):
        failed(ledger, word, n)
    paid_relay(ledger, "10:30:00", 9, outcome="lost", first_byte_ms=0.0)

    found = one(tmp_path)

    assert (8, 1, 6, 500) == (found.ended, found.ok, found.ours, found.tenths)
    assert {"server_error": 1, "lost": 1, **dict.fromkeys(OURS, 1)} == found.words


def test_nothing_that_tells_has_no_share(tmp_path: Path) -> None:
    """No attempt, or none that says anything, is neither 0 nor 100 percent; a share is cut, never rounded up."""
    ledger = Ledger(tmp_path)
    failed(ledger, "left_before_contact", 1)
    assert (1, None) == ((found := one(tmp_path)).ended, found.tenths)
    assert None is Attempts().tenths
    assert 999 == Attempts(ended=3000, ok=2999).tenths


def test_words_stand_by_how_often(tmp_path: Path) -> None:
    """The most frequent trouble comes first; what is as frequent by its name."""
    ledger = Ledger(tmp_path)
    for n, word in enumerate(("connect", "rate_limited", "bad_request", "rate_limited")):
        failed(ledger, word, n)

    assert ["rate_limited", "bad_request", "connect"] == list(one(tmp_path).words)


def test_an_hour_over_midnight_reads_two_pages(tmp_path: Path) -> None:
    """An attempt belongs to the moment of its end, to the microsecond: the first moment is in it, the last is not."""
    ledger = Ledger(tmp_path)
    for n, (clock, day) in enumerate(
        [
            ("23:29:59.999999", DAY),
            ("23:30:00", DAY),
            ("23:59:59.999999", DAY),
            ("00:00:00", NEXT),
            ("00:29:59.999999", NEXT),
            ("00:30:00", NEXT),
        ]
    ):
        paid_relay(ledger, clock, n, day)
    late = call_id(at("22:00:00"), 7)  # it began before the hour
    ledger.add(at("00:30:00", NEXT), routed(late), held_relay(late), settled_relay(late))

    assert 4 == one(tmp_path, hour("00:30:00", NEXT)).ended
    assert 5 == one(tmp_path, hour("00:30:00.000001", NEXT)).ended


def test_a_torn_line_is_not_there_yet(tmp_path: Path) -> None:
    """A page that is being written is read up to its last whole line."""
    ledger = Ledger(tmp_path)
    paid_relay(ledger, "10:30:00", 1)
    with page_path(tmp_path, DAY).open("ab") as page:
        page.write(b'{"v":0,"seq":99,"ts":"2026-11-24T10:40:00.000000Z","type":"settled","rou')

    assert 1 == one(tmp_path).ended


def test_a_line_that_can_not_be_read_is_said(tmp_path: Path) -> None:
    """CASES 67: a bad line is left out and named; the attempts in all others count."""
    ledger = Ledger(tmp_path)
    paid_relay(ledger, "10:30:00", 1)
    with page_path(tmp_path, DAY).open("ab") as page:
        page.write(b"nonsense\n")

    found = route_rows(tmp_path, hour(), routes=(RELAY,), cooldowns=(), balances=())

    assert ([1], ["2026-11-24:5"]) == (
        [row.attempts.ended for row in found.rows],
        [bad.where for bad in found.left_out],
    )


def test_a_route_has_its_history_under_its_name_of_now(tmp_path: Path) -> None:
    """CASES 53: what was called otherwise counts under the name now; what takes the old name later does not."""
    ledger = Ledger(tmp_path)
    paid_relay(ledger, "10:10:00", 1)
    ledger.add(at("10:20:00"), Renamed(scope="route", was="relay", name="box"))
    paid_relay(ledger, "10:30:00", 2, route="box")
    paid_relay(ledger, "10:40:00", 3)

    found = rows(tmp_path, RELAY, replace(RELAY, route="box"))

    assert {"relay/gpt-5": 1, "box/gpt-5": 2} == {name: row.attempts.ended for name, row in found.items()}


def test_a_model_that_a_pattern_let_through_is_a_row(tmp_path: Path) -> None:
    """What was used within the period is shown, also where the config names no such model."""
    ledger = Ledger(tmp_path)
    failed(ledger, "model_not_found", 1, upstream_model="gpt-9")

    found = rows(tmp_path)

    assert ["relay/gpt-5", "relay/gpt-9"] == list(found)[:2]
    assert {"model_not_found": 1} == found["relay/gpt-9"].attempts.words


def test_a_route_that_is_gone_keeps_its_figures(tmp_path: Path) -> None:
    """What it did stays in sight at the end, with the upstream and the balance that it had last."""
    ledger = Ledger(tmp_path)
    paid_relay(ledger, "10:30:00", 1)
    paid_relay(ledger, "10:31:00", 2, upstream="relay-2")

    found = rows(tmp_path, OFFICIAL)

    gone = found["relay/gpt-5"]
    assert ["official/o5", "official/gpt-5", "relay/gpt-5"] == list(found)
    assert ("not_in_config", "", "relay-2", "rmb-wallet", 2) == (
        gone.health.health,
        gone.health.route_class,
        gone.health.upstream,
        gone.health.balance,
        gone.attempts.ended,
    )


def test_no_ledger_is_no_attempt(tmp_path: Path) -> None:
    """Before the first page, and in an hour without one, every candidate is shown."""
    assert [0, 0, 0] == [row.attempts.ended for row in rows(tmp_path / "none").values()]
    paid_relay(Ledger(tmp_path), "10:30:00", 1)
    assert 0 == one(tmp_path, hour("10:00:00", "2026-11-20")).ended


def test_the_document(tmp_path: Path) -> None:
    """The shape of `tf routes --json`: every member is there, null for what is not known or does not apply."""
    ledger = Ledger(tmp_path)
    for n in range(3):
        paid_relay(ledger, "10:30:00", n, first_byte_ms=12.5)
    failed(ledger, "rate_limited", 4)
    found = route_rows(tmp_path, hour(), routes=(RELAY, OFFICIAL), cooldowns=(COOLING,), balances=()).rows
    answer = Routes(
        at=at("11:00:00"),
        running=True,
        period=hour(),
        rows=found,
        cooldowns=(COOLING,),
        retry_budget=RetryBudget(calls=20, used=0, allowed=4),
    )

    told = json.loads(encode(document(answer)))

    cooldown = {
        "scope": "upstream",
        "name": "openai",
        "state": "cooling",
        "until": at("12:00:00"),
        "level": 2,
        "error": "connect",
        "causes": ["tf_1/2"],
        "probe": None,
    }
    relay, official, _gpt = told.pop("routes")
    assert {
        "at": at("11:00:00"),
        "running": True,
        "from": at("10:00:00"),
        "to": at("11:00:00"),
        "cooldowns": [cooldown],
        "retry_budget": {"calls": 20, "used": 0, "allowed": 4},
        "left_out": [],
    } == told
    assert {
        "candidate": "relay/gpt-5",
        "route": "relay",
        "upstream_model": "gpt-5",
        "class": "ordinary",
        "upstream": "relay",
        "balance": "rmb-wallet",
        "health": "ok",
        "until": None,
        "available": None,
        "unit": None,
        "cooldown": None,
        "concurrency": None,
        "under_way": 0,
        "attempts": 4,
        "ok": 3,
        "not_counted": 0,
        "success": "0.750",
        "first_byte_p50_ms": 12.5,
        "first_byte_p95_ms": 12.5,
        "retries": 0,
        "fallbacks": 0,
        "not_ok": {"rate_limited": 1},
    } == relay
    assert ("cooling", at("12:00:00"), cooldown, None, {}) == tuple(
        official[name] for name in ("health", "until", "cooldown", "success", "not_ok")
    )
