"""A line that is none, or says what no line of ours says, is named by every command, and stands in no one's way."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from command_line import tf
from ledgers import Ledger, at, call_id, fell_back, held_relay, paid_relay, routed, settled_relay

from tokens_forge.core.entries import Adjusted, AnyEntry
from tokens_forge.core.fold import Fold
from tokens_forge.files.pages import encode_line, page_path

TODAY = datetime.now(UTC).date().isoformat()
CONFIG = """
[balance.rmb-wallet]
kind = "prepaid"
unit = "CNY"
[upstream.relay]
dialect = "openai"
base_url = "https://relay.example/v1"
credential = "env:RELAY_KEY"
[route.relay]
class = "ordinary"
upstream = "relay"
balance = "rmb-wallet"
serves = ["gpt-5"]
price = { list = "0.35", fx = "7.10" }
"""

Bad = Callable[[bytes], bytes]


def member(name: str, value: str) -> Bad:
    """Return what puts another value, as JSON, in place of a member's."""

    def put(line: bytes) -> bytes:
        start = line.index(f'"{name}":'.encode())
        decoded = json.loads(line)
        before = json.dumps(decoded[name], separators=(",", ":")).encode()
        return line[:start] + f'"{name}":{value}'.encode() + line[start + len(name) + 3 + len(before) :]

    return put


BAD: dict[str, Bad] = {
    "no line": lambda _line: b"nonsense",
    "torn": lambda line: line[: len(line) // 2],
    "glued": lambda line: line[: len(line) // 2] + line,
    "an array": lambda _line: b"[1]",
    "nothing known": lambda _line: b"{}",
    "null": lambda _line: b"null",
    "not UTF-8": lambda line: line.replace(b"research-42", b"research-\xff"),
    "NUL bytes": lambda line: b"\0" * len(line),
    "a lone surrogate": lambda line: line.replace(b"research-42", b"\\ud800"),
    "a kind of another version": lambda line: line.replace(b'"type":"settled"', b'"type":"forecast"'),
    "of no moment": member("ts", '"tomorrow"'),
    "of no day": member("ts", '"2026-02-30T10:00:00.000000Z"'),
    "of another day": member("ts", '"1999-11-24T10:00:00.000000Z"'),
    "number": member("seq", '"x"'),
    "charge NaN": member("charge", '"NaN"'),
    "charge Infinity": member("charge", '"-Infinity"'),
    "charge exponent": member("charge", '"1E+999999"'),
    "charge of 30 digits": member("charge", '"1' + "0" * 30 + '"'),
    "charge of 22 digits": member("charge", '"1' + "0" * 21 + '"'),
    "charge empty": member("charge", '""'),
    "charge null": member("charge", "null"),
    "charge a number": member("charge", "5"),
    "charge true": member("charge", "true"),
    "charge an object": member("charge", '{"USD":"5"}'),
    "charge 1e400": member("charge", "1e400"),
    "list words": member("list", '"much"'),
    "saving NaN": member("saving", '"sNaN"'),
    "usage a text": member("usage", '"12"'),
    "usage an array": member("usage", "[12]"),
    "usage 1e30": member("usage", '{"input":1e30}'),
    "usage 2**63": member("usage", '{"input":9223372036854775808}'),
    "usage negative": member("usage", '{"input":-5}'),
    "usage of 19 digits": member("usage", '{"input":1000000000000000000}'),
    "charge negative": member("charge", '"-5"'),
    "hold words": member("hold", '"x"'),
    "total_ms a text": member("total_ms", '"5"'),
    "certainty unknown": member("certainty", '"sure"'),
    "unit a number": member("unit", "5"),
    "n too large": member("n", "99999999999999999999"),
    "balance missing": lambda line: line.replace(b'"balance":"rmb-wallet",', b""),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a config and a page of today: two calls on the relay and one that fell back."""
    (tmp_path / "config.toml").write_text(CONFIG)
    (tmp_path / "data").mkdir()
    ledger = Ledger(tmp_path / "data" / "ledger")
    for n in (1, 2):
        paid_relay(ledger, "00:00:00", n, TODAY)
    fell_back(ledger, "00:00:00", 3, TODAY)
    return tmp_path


def spoil(folder: Path, bad: Bad, line: int = 4) -> None:
    """Make a line of today's page another; line 4 is the end of the first call."""
    path = page_path(folder / "data" / "ledger", TODAY)
    lines = path.read_bytes().split(b"\n")
    lines[line - 1] = bad(lines[line - 1])
    path.write_bytes(b"\n".join(lines))


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_one_bad_line_is_left_out_and_named(folder: Path, bad: Bad) -> None:
    """CASES 43, 67: `spend` tells all others, and says which line is missing on stderr and in JSON; verify names it."""
    spoil(folder, bad)

    ran = tf(folder, "spend", "--today", "--json")
    answer = json.loads(ran.out)
    assert (0, ["0.02", "0.0036"]) == (ran.code, [total["charge"] for total in answer["totals"]])
    assert [(TODAY, 4)] == [(line["page"], line["line"]) for line in answer["left_out"]]
    assert "WARNING: 1 line of the ledger can't be read and is left out: figures are a lower bound." in ran.err
    assert (f"{TODAY}:4: ", True) == (ran.err.splitlines()[1].strip()[:14], "`tf ledger verify`" in ran.err)

    ran = tf(folder, "ledger", "verify", "--json")
    found = json.loads(ran.out)
    assert (1, False) == (ran.code, found["whole"])
    assert {4} <= {line["line"] for line in found["bad"]} <= {4, 5}
    assert all(line["wrong"] and line["next"] for line in found["bad"])


ROUTES_MIND = {
    name: bad for name, bad in BAD.items() if not name.startswith(("charge", "list", "saving", "usage", "n "))
}


@pytest.mark.parametrize("bad", ROUTES_MIND.values(), ids=ROUTES_MIND)
def test_routes_and_doctor_go_on(folder: Path, bad: Bad) -> None:
    """`tf routes` counts the attempts of all other lines, and `tf doctor` too; both say what is left out."""
    page = page_path(folder / "data" / "ledger", TODAY)
    whole = page.read_bytes()
    spoil(folder, bad)
    spoiled = page.read_bytes()
    # What a start adds up is another page: here it is about what happened on this one.
    page.write_bytes(whole)
    tomorrow = Ledger(folder / "data" / "ledger", page=TODAY, seq=12)
    tomorrow.add("9000-01-01T00:00:00.000000Z", Adjusted(balance="b", amount="1", unit="USD", reason="topup"))
    page.write_bytes(spoiled)
    for command in (["doctor", "--json"], ["spend", "--json"]):
        ran = tf(folder, *command)
        assert 0 == ran.code, ran.err
        assert (TODAY, 4) in {(line["page"], line["line"]) for line in json.loads(ran.out)["left_out"]}
        assert "is left out" in ran.err


def test_a_line_of_100_mb(folder: Path) -> None:
    """However long a line is, all others are told."""
    spoil(folder, lambda line: line[:60] + b"x" * 100_000_000)
    answer = json.loads(tf(folder, "spend", "--today", "--json").out)
    assert (["0.02", "0.0036"], [4]) == (
        [total["charge"] for total in answer["totals"]],
        [line["line"] for line in answer["left_out"]],
    )


def test_an_empty_line_is_nothing_to_a_report(folder: Path) -> None:
    """It holds no figure, so nothing is missing; verify names it."""
    path = page_path(folder / "data" / "ledger", TODAY)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\n\n", 1))
    ran = tf(folder, "spend", "--today", "--json")
    assert ([], "") == (json.loads(ran.out)["left_out"], ran.err)
    found = json.loads(tf(folder, "ledger", "verify", "--json").out)
    assert [(2, None, "it is empty")] == [(line["line"], line["seq"], line["wrong"]) for line in found["bad"]]


def test_two_that_only_together_are_too_much(folder: Path) -> None:
    """Charges that a DECIMAL(38,12) takes one by one, and not their sum, are none."""
    for line in (4, 7):
        spoil(folder, member("charge", '"6' + "0" * 25 + '"'), line)
    answer = json.loads(tf(folder, "spend", "--today", "--json").out)
    assert (["0.0036"], [4, 7]) == (
        [total["charge"] for total in answer["totals"]],
        [line["line"] for line in answer["left_out"]],
    )


def test_a_correction_of_a_line_that_is_left_out(folder: Path) -> None:
    """What corrects a charge that can't be read is left out with it, and both are named."""
    ledger = Ledger(folder / "data" / "ledger", page=TODAY, seq=12)
    call = call_id(at("00:00:00", TODAY), 1)
    correction = Adjusted(balance="rmb-wallet", amount="0.01", unit="CNY", reason="correction", corrects=call)
    append(ledger, correction)
    spoil(folder, BAD["torn"])
    answer = json.loads(tf(folder, "spend", "--today", "--json").out)
    assert (["0.02", "0.0036"], [4, 13]) == (
        [total["charge"] for total in answer["totals"]],
        [line["line"] for line in answer["left_out"]],
    )


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"paid": "much"}, "paid"),
        ({"paid": "5 USD", "fee": "1e5 USD"}, "fee"),
        ({"amount": "NaN"}, "amount"),
        ({"reason": "fee", "amount": "0", "fee": "5 USD", "effective": "2026-11-24", "expires": ""}, "effective"),
        (
            {"reason": "fee", "amount": "0", "fee": "5 USD", "effective": "2026-11-24", "expires": "1999-01-01"},
            "effective",
        ),
        ({"reason": "fee", "amount": "0", "fee": "5", "effective": "2026-11-24", "expires": "2026-12-24"}, "fee"),
    ],
)
def test_money_that_moved_by_hand(folder: Path, changes: dict[str, str], line: str) -> None:
    """A movement or a fee that says no amount, or belongs to no days, fails no report."""
    entry = Adjusted(**{"balance": "plan", "amount": "5", "unit": "USD", "reason": "topup", **changes})  # pyright: ignore[reportArgumentType] - any fields
    append(Ledger(folder / "data" / "ledger", page=TODAY, seq=12), entry)
    ran = tf(folder, "spend", "--today", "--json")
    answer = json.loads(ran.out)
    assert ([(13, line)], 0) == ([(one["line"], one["field"]) for one in answer["left_out"]], ran.code)


def append(ledger: Ledger, *entries: AnyEntry) -> None:
    """Append entries whatever they say: only their chain is not right."""
    with page_path(ledger.folder, TODAY).open("ab") as page:
        for number, entry in enumerate(entries, start=ledger.seq + 1):
            page.write(encode_line(entry, seq=number, ts=at("00:00:00", TODAY), chain="")[0])


def test_explain_tells_what_can_be_read(folder: Path) -> None:
    """A call whose end can't be read has the story of its other lines; `last` goes to the newest that can be."""
    spoil(folder, member("charge", '"NaN"'))
    spoil(folder, BAD["torn"], 12)
    ran = tf(folder, "explain", call_id(at("00:00:00", TODAY), 1))
    assert (0, True) == (ran.code, f"{TODAY}:4: charge is `NaN`" in ran.err)
    assert "relay/gpt-5" in ran.out
    spoil(folder, member("charge", '"1e5"'), 7)
    ran = tf(folder, "explain", "last", "--json")
    assert 1 == ran.code
    assert "no call has ended yet" in ran.err


def test_explain_last_says_that_a_newer_one_can_not_be_read(folder: Path) -> None:
    """A newer call whose end is bad is not passed over in silence."""
    spoil(folder, member("charge", '"NaN"'), 12)
    ran = tf(folder, "explain", "last", "--json")
    assert (0, call_id(at("00:00:00", TODAY), 2)) == (ran.code, json.loads(ran.out)["id"])
    assert f"{TODAY}:12: charge is `NaN`" in ran.err


def test_explain_of_a_call_without_a_line_that_can_be_read(folder: Path) -> None:
    """It says so, and which lines they are."""
    for line in (2, 3, 4):
        spoil(folder, lambda raw: raw.replace(b'"v":0', b'"v":"0"'), line)
    ran = tf(folder, "explain", call_id(at("00:00:00", TODAY), 1))
    assert (1, "", True) == (ran.code, ran.out, "WARNING: 3 lines of the ledger" in ran.err)
    assert ran.err.splitlines()[-1].startswith("tf: no line of `tf_")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"charge": "NaN"}, "charge is `NaN`, and must be plain digits"),
        ({"charge": "1" + "0" * 30}, "and must be plain digits, at most 20 before the point"),
        ({"usage": {"input": -5}}, "usage.input is `-5`"),
        ({"n": 7}, "it does not follow from the lines before it (AssertionError: "),
        ({"unit": "USD"}, "it does not follow from the lines before it (MoneyError: "),
    ],
)
def test_a_start_names_the_line_and_the_way_out(folder: Path, changes: dict[str, object], said: str) -> None:
    """A line whose chain is right and that can't be added up stops a start, with what to do; and that works."""
    ledger = Ledger(folder / "data" / "ledger")
    path = page_path(ledger.folder, TODAY)
    path.unlink()
    paid_relay(ledger, "00:00:00", 1, TODAY)
    call = call_id(at("00:00:00", TODAY), 2)
    ledger.add(at("00:00:00", TODAY), routed(call), held_relay(call))
    ledger.fold = Lenient()
    ledger.add(at("00:00:00", TODAY), settled_relay(call, **changes))
    ran = tf(folder, "balance")
    assert (1, "") == (ran.code, ran.out)
    assert ran.err.startswith(f"tf: {path}:7: ")
    assert said in ran.err
    assert f"head -n 6 COPY > {path}" in ran.err

    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:6]))
    ran = tf(folder, "balance", "set", "rmb-wallet", "8 CNY")
    assert (0, True) == (ran.code, "charged at its hold" in ran.err)
    assert 0 == tf(folder, "ledger", "verify").code


class Lenient(Fold):
    """An earlier version's fold, which took anything."""

    def apply(self, line: object) -> None:
        """Take it."""


def test_verify_says_everything_at_once(folder: Path) -> None:
    """Each line that is wrong is named once, the good ones between them not; each next step stands once."""
    spoil(folder, member("charge", '"NaN"'))
    spoil(folder, BAD["torn"], 6)
    spoil(folder, member("hold", '"1e9"'), 9)
    ran = tf(folder, "ledger", "verify")
    assert 1 == ran.code
    assert "not whole: 3 lines are wrong" == ran.out.splitlines()[0]
    assert [f"{TODAY}:4 (number 4) chain", f"{TODAY}:4 (number 4) charge"] == [
        line.partition(": ")[0] for line in ran.out.splitlines()[1:3]
    ]
    assert {"4", "6", "9"} == {line[11:].partition(" ")[0] for line in ran.out.splitlines()[1:]}
    assert 1 == len(ran.err.splitlines())


def test_names_from_outside_print_as_they_are_not(folder: Path) -> None:
    """Control characters of a bad line reach no terminal raw."""
    spoil(folder, member("charge", '"\\u001b[2J\\u202e"'))
    for command in (["spend", "--today"], ["ledger", "verify"], ["explain", "last"]):
        ran = tf(folder, *command)
        assert "\x1b" not in ran.out + ran.err
        assert "\u202e" not in ran.out + ran.err
