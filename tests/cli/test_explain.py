"""`tf explain` as a user types it."""

import json
from pathlib import Path
from typing import Any

import pytest
from builders import OFFICIAL, RELAY, Bench, agreed, listed
from command_line import tf
from ledgers import Ledger, at, call_id, fell_back, refused, routed

from tokens_forge.core.entries import AnyEntry, Configured, PassedOver
from tokens_forge.files import config_file, price_catalog
from tokens_forge.files.ledger_writer import Stored


def ledger(folder: Path) -> Ledger:
    (folder / "data").mkdir()
    return Ledger(folder / "data" / "ledger")


def test_the_story_of_the_last_call(tmp_path: Path) -> None:
    """The answer is on stdout, without spaces at the ends of its lines, and needs neither config nor proxy."""
    call = fell_back(ledger(tmp_path))
    ran = tf(tmp_path, "explain", "last")
    assert (0, "") == (ran.code, ran.err)
    assert ran.out.startswith(f"call {call}  answered 200")
    assert [line for line in ran.out.splitlines() if line != line.rstrip()] == []


def test_the_story_as_json(tmp_path: Path) -> None:
    """JSON has the whole story, amounts as decimal strings, absent what does not apply."""
    call = fell_back(ledger(tmp_path))
    story = json.loads(tf(tmp_path, "explain", call[-8:], "--json").out)
    payment = {"balance": "openai-credit", "charge": "0.0036", "unit": "USD", "certainty": ["computed"]}
    assert (call, "answered", [payment]) == (story["id"], story["ended"], story["payments"])
    assert [1, 2] == [attempt["n"] for attempt in story["attempts"]]
    assert "direct" == story["attempts"][1]["class"]
    assert "refusal" not in story


def test_an_unknown_id_exits_1(tmp_path: Path) -> None:
    """An id that names nothing is one line on stderr with the next step."""
    fell_back(ledger(tmp_path))
    ran = tf(tmp_path, "explain", "tf_nothing")
    assert (1, "") == (ran.code, ran.out)
    assert ran.err.startswith("tf: no call `tf_nothing` in 1 page (2026-11-24): `tf explain last` tells the newest")


def test_no_ledger_exits_1(tmp_path: Path) -> None:
    """Without a ledger it says what begins one."""
    ran = tf(tmp_path, "explain", "last")
    assert (1, "") == (ran.code, ran.out)
    assert "`tf serve` begins one with its first call" in ran.err


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no line be folded: paths of a test are long."""
    monkeypatch.setenv("COLUMNS", "400")


def decided(folder: Path) -> Bench:
    """Keep what a bench did: on the first day its money came in; on the second a call fell back and was answered."""
    made = Bench(terms=agreed(listed(RELAY, OFFICIAL)))
    made.topup(wallet="0.1 CNY", credit="0.0065 USD")
    made.later(days=1)
    call = made.route()
    made.attempt(call, "rate_limited")
    made.later(seconds=1)
    made.attempt(call)
    pages = ledger(folder)
    for line in made.lines:
        pages.add(line.ts, kept(made, line.entry, folder / "data"))
    return made


def kept(made: Bench, entry: AnyEntry, data: Path) -> AnyEntry:
    """Return an entry as the writer has it: what it names by a digest is kept as a file."""
    if not isinstance(entry, Configured):
        return entry
    terms = made.kept[entry.config]
    config, cards = Stored(*config_file.stored(terms.config)), Stored(*price_catalog.stored(terms.cards))
    for name, stored in (("configs", config), ("cards", cards)):
        (data / name).mkdir()
        (data / name / f"{stored.digest}.json").write_bytes(stored.data)
    return Configured(config=config.digest, cards=cards.digest)


def the(folder: Path, pattern: str) -> Path:
    """Return the one file of the data that a pattern means."""
    (path,) = (folder / "data").glob(pattern)
    return path


def edit(path: Path, before: str, after: str) -> None:
    """Change every place of a text in a file, as somebody who tampers with it."""
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")


@pytest.mark.usefixtures("wide")
def test_decisions_that_agree_are_one_line(tmp_path: Path) -> None:
    """Below the story stands how many decisions were made again, and by which config and cards."""
    decided(tmp_path)
    ran = tf(tmp_path, "explain", "last", "--replay")
    assert (0, "") == (ran.code, ran.err)
    config, cards = the(tmp_path, "configs/*").stem, the(tmp_path, "cards/*").stem
    assert [
        "",
        f"3 decisions made again from the ledger: all agree (config {config}, cards {cards})",
    ] == ran.out.splitlines()[-2:]
    assert ran.out.startswith(tf(tmp_path, "explain", "last").out)


def test_a_replay_as_json(tmp_path: Path) -> None:
    """Only with --replay the story is a member beside it; each decision has its line, kind, and what it was made by."""
    decided(tmp_path)
    told = json.loads(tf(tmp_path, "explain", "last", "--json").out)
    again = json.loads(tf(tmp_path, "explain", "last", "--json", "--replay").out)
    made = {"config": the(tmp_path, "configs/*").stem, "cards": the(tmp_path, "cards/*").stem}
    assert {
        "story": told,
        "replay": {
            "agreed": 3,
            "decisions": [
                {
                    "seq": 6,
                    "ts": "2026-11-25T10:00:00.000000Z",
                    "type": "routed",
                    **made,
                    "agrees": True,
                    "differs": [],
                },
                {"seq": 7, "ts": "2026-11-25T10:00:00.000000Z", "type": "held", **made, "agrees": True, "differs": []},
                {"seq": 10, "ts": "2026-11-25T10:00:01.000000Z", "type": "held", **made, "agrees": True, "differs": []},
            ],
            "unknown": [],
        },
    } == again


@pytest.mark.usefixtures("wide")
@pytest.mark.parametrize("kind", ["configs", "cards"])
def test_a_file_that_is_gone_or_was_changed(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A decision is never made again by another config or other cards than the ledger names: exit 1 and which file."""
    monkeypatch.setenv("COLUMNS", "400")  # a folder's name may be long
    decided(tmp_path)
    path = the(tmp_path, f"{kind}/*")
    whole = path.read_bytes()
    for data, why in (
        (whole.replace(b'"', b"'", 1), "was changed since it was kept (it is "),
        (b"", "was changed since it was kept (it is "),
        (None, "is gone: put it back from a backup"),
    ):
        if data is None:
            path.unlink()
        else:
            path.write_bytes(data)
        ran = tf(tmp_path, "explain", "last", "--replay")
        assert (1, "") == (ran.code, ran.err)
        assert f"line 6   routed  can't be made again: {path} {why}" in ran.out
        again = replayed(tmp_path)
        assert (0, [], [6, 7, 10]) == (again["agreed"], again["decisions"], [one["seq"] for one in again["unknown"]])
        assert all(one["why"].startswith(f"{path} {why}") for one in again["unknown"])
    path.write_bytes(whole)
    assert 0 == tf(tmp_path, "explain", "last", "--replay").code


def replayed(folder: Path) -> dict[str, Any]:
    """Return what the command says as JSON, and expect that not everything agrees."""
    ran = tf(folder, "explain", "last", "--replay", "--json")
    assert 1 == ran.code
    return json.loads(ran.out)["replay"]


def test_a_fold_that_was_edited(tmp_path: Path) -> None:
    """Where a page opens with less money than there was, the decision is another one; each field shows how."""
    decided(tmp_path)
    edit(the(tmp_path, "ledger/2026-11-25.jsonl"), '"posted":"0.1"', '"posted":"0.01"')
    ran = tf(tmp_path, "explain", "last", "--replay")
    assert 1 == ran.code
    assert "`tf ledger verify` says whether the ledger is as it was written" in ran.err
    assert "differs (recorded → decided now)" in ran.out
    again = replayed(tmp_path)
    assert [True, False, True] == [one["agrees"] for one in again["decisions"]]
    differs = {one["field"]: (one.get("recorded"), one.get("decided")) for one in again["decisions"][1]["differs"]}
    assert {
        "route": ("relay", "official"),
        "role": ("first", "fallback"),
        "balance": ("wallet", "credit"),
        "hold": ("0.062", "0.0062"),
        "unit": ("CNY", "USD"),
        "passed_over[0].reason": (None, "balance_short"),
        "passed_over[0].available": (None, "0.01"),
        "cause.error": (None, "balance_short"),
    }.items() <= differs.items()
    assert 1 == tf(tmp_path, "ledger", "verify").code


def test_a_hold_that_was_edited(tmp_path: Path) -> None:
    """One changed figure is one field that differs; what follows from it is decided again by what is recorded."""
    decided(tmp_path)
    edit(the(tmp_path, "ledger/2026-11-25.jsonl"), '"hold":"0.0062"', '"hold":"0.0063"')
    ran = tf(tmp_path, "explain", "last", "--replay")
    assert [
        "  line 6   routed  agrees",
        "  line 7   held    agrees",
        "  line 10  held    differs (recorded → decided now)",
        "                   hold: 0.0063 → 0.0062",
    ] == ran.out.splitlines()[-4:]
    assert 1 == ran.code


def test_a_line_that_can_not_be(tmp_path: Path) -> None:
    """What an edit makes of a page is said as damage, with the story and without a traceback."""
    decided(tmp_path)
    edit(
        the(tmp_path, "ledger/2026-11-25.jsonl"),
        '"n":1,"role":"first","final":false',
        '"n":7,"role":"first","final":false',
    )
    again = replayed(tmp_path)
    assert ([6, 7], [10]) == (
        [one["seq"] for one in again["decisions"]],
        [one["seq"] for one in again["unknown"]],
    )
    assert (
        "line 8 does not follow from the lines before it: `tf ledger verify` says what was changed or lost"
        == (again["unknown"][0]["why"])
    )


CONFIG = """
[balance.rmb-wallet]
kind = "prepaid"
unit = "CNY"
[upstream.relay]
dialect = "openai"
base_url = "http://127.0.0.1:9/v1"
credential = "none"
[route.relay]
class = "ordinary"
upstream = "relay"
balance = "rmb-wallet"
serves = ["gpt-5"]
price = { per = "call", amount = "1 CNY" }
"""


@pytest.mark.parametrize(
    ("tier", "said", "command"),
    [
        ("", "its price is not known", "tf prices set relay gpt-5 --input … --output … --unit CNY"),
        (
            "scale",
            "its price in the tier `scale` is not known",
            "tf prices set relay gpt-5 --service scale --input … --output … --unit USD",
        ),
    ],
)
@pytest.mark.usefixtures("wide")
def test_a_missing_price_has_its_command(tmp_path: Path, tier: str, said: str, command: str) -> None:
    """What the refusal names, the story tells too; without a config that has the route there is no command."""
    grown, call = ledger(tmp_path), call_id(at("10:00:00"))
    passed = PassedOver(candidate="relay/gpt-5", reason="no_price", balance="rmb-wallet", tier=tier)
    grown.add(at("10:00:00"), routed(call), refused(call, reason="no_price", error="no_price", passed_over=(passed,)))
    bare = tf(tmp_path, "explain", "last")
    assert (0, "", True) == (bare.code, bare.err, f"passed over: {said}" in bare.out)
    (tmp_path / "config.toml").write_text(CONFIG)
    assert f"To set it: `{command}`; or " in tf(tmp_path, "explain", "last").err
