"""`tf doctor`: what is not sure and what to do about it; estimates against facts."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from command_line import tf
from ledgers import Ledger, call_id, held_relay, routed, settled_relay

from tokens_forge.core.entries import Adjusted, Cooled, IterationBilled, Scope
from tokens_forge.core.moments import stamp

CONFIG = """
[balance.rmb-wallet]
kind = "prepaid"
unit = "CNY"
"""


def furnished(home: Path) -> str:
    """Write a ledger of today with a lost attempt, an unpriced one and twenty others; return the lost one's id."""
    (home / "config.toml").write_text(CONFIG)
    now = stamp(datetime.now(UTC))
    (home / "data").mkdir()
    ledger = Ledger(home / "data" / "ledger")
    ledger.add(now, Adjusted(balance="rmb-wallet", amount="5", unit="CNY", reason="topup"))
    ids = [call_id(now, number) for number in range(22)]
    for number, call in enumerate(ids):
        ending: dict[str, object] = {}
        if number == 0:
            ending = {
                "outcome": "lost",
                "certainty": "estimated",
                "charge": "0.0412",
                "usage": {},
                "usage_source": "none",
            }
        if number == 1:
            ending = {"certainty": "unpriced", "charge": "0", "flags": ("no_price",)}
        ledger.add(now, routed(call), held_relay(call), settled_relay(call, **ending))
    return ids[0]


def test_what_is_not_sure_is_told_with_its_remedy(tmp_path: Path) -> None:
    """A lost attempt names the command that corrects it; calls without a price and flags are counted."""
    lost = furnished(tmp_path)
    ran = tf(tmp_path, "doctor")
    assert (0, "") == (ran.code, ran.err)
    assert f"lost: {lost}/1 was under way when tf stopped; rmb-wallet was charged its hold of 0.0412 CNY." in ran.out
    assert f'`tf balance adjust rmb-wallet "AMOUNT CNY" --corrects {lost}`' in ran.out
    assert "unpriced: 1 call of relay/" in ran.out
    assert "flag no_price: 1 attempt\n" in ran.out
    assert "19 of 20 below" in ran.out


@pytest.mark.parametrize(
    ("further", "expected"), [((), {"relay/new": 1}), (("unpriced_searches",), {"relay/gpt-5": 1, "relay/new": 1})]
)
def test_work_beside_a_reply_is_named_by_its_own_model(
    tmp_path: Path, further: tuple[str, ...], expected: dict[str, int]
) -> None:
    """A price for the model that answered would mend nothing; `tf prices` names the command for what it has none of."""
    (tmp_path / "config.toml").write_text(CONFIG)
    now = stamp(datetime.now(UTC))
    (tmp_path / "data").mkdir()
    call = call_id(now)
    done = IterationBilled(kind="advisor_message", model="new", usage={"input": 8})
    flags = ("unpriced_iteration", *further)
    settled = settled_relay(call, certainty="unpriced", flags=flags, iterations=(done,))
    Ledger(tmp_path / "data" / "ledger").add(now, routed(call), held_relay(call), settled)
    assert expected == json.loads(tf(tmp_path, "doctor", "--json").out)["unpriced"]
    assert "unpriced: 1 call of relay/new: `tf prices relay/new`" in tf(tmp_path, "doctor").out


def test_what_was_corrected_is_in_doubt_no_more(tmp_path: Path) -> None:
    """The correction of a lost attempt ends its being listed."""
    lost = furnished(tmp_path)
    assert 0 == tf(tmp_path, "balance", "adjust", "rmb-wallet", "0.01 CNY", "--corrects", lost).code
    answer = json.loads(tf(tmp_path, "doctor", "--json").out)
    assert ([], {"no_price": 1}) == (answer["lost"], answer["flags"])
    (estimates,) = answer["estimates"]
    assert 21 == estimates["samples"]
    assert 0 == tf(tmp_path, "balance", "undo").code
    assert [lost] == [attempt["id"] for attempt in json.loads(tf(tmp_path, "doctor", "--json").out)["lost"]]


def test_nothing_in_doubt(tmp_path: Path) -> None:
    """A new ledger has nothing to tell, and says so."""
    (tmp_path / "config.toml").write_text(CONFIG)
    ran = tf(tmp_path, "doctor")
    assert ["nothing is in doubt in the last 30 days", "estimates: no call has taught any yet"] == ran.out.splitlines()


def test_what_cools_points_at_the_routes(tmp_path: Path) -> None:
    """What is passed over is named with until when; why is told by `tf routes`."""
    (tmp_path / "config.toml").write_text(CONFIG)
    (tmp_path / "data").mkdir()
    ledger = Ledger(tmp_path / "data" / "ledger")
    now = datetime.now(UTC)
    until, past, call = stamp(now + timedelta(hours=1)), stamp(now - timedelta(hours=1)), call_id(stamp(now))
    cooling: tuple[tuple[Scope, str, str], ...] = (
        ("upstream", "u", until),
        ("balance", "rmb-wallet", past),
        ("candidate", "old/m", past),
    )
    for scope, name, ends in cooling:
        cooled = Cooled(scope=scope, name=name, until=ends, level=1, error="e", causes=("tf_1/1",))
        ledger.add(stamp(now), cooled)
    ledger.add(stamp(now), routed(call), held_relay(call, route="old", upstream_model="m", balance="other"))

    found = [line for line in tf(tmp_path, "doctor").out.splitlines() if "`tf routes` says why" in line]

    assert [
        "balance rmb-wallet cooled; the next call is its probe; `tf routes` says why",
        f"upstream u is passed over until {until[:10]} {until[11:19]} UTC; `tf routes` says why",
        "candidate old/m is passed over while its probe is under way; `tf routes` says why",
    ] == found
    cooldowns = json.loads(tf(tmp_path, "doctor", "--json").out)["cooldowns"]
    assert [("rmb-wallet", "probe_due"), ("u", "cooling"), ("old/m", "probing")] == [
        (one["name"], one["state"]) for one in cooldowns
    ]
    assert ["tf_1/1"] == cooldowns[1]["causes"]
