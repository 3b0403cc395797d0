"""`tf balance` without a proxy: what is there, moving it by hand, and what is refused with the next step."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from command_line import tf
from ledgers import Ledger, at, call_id, held_relay, routed, settled_relay

from tokens_forge.core.entries import Adjusted, Renamed
from tokens_forge.core.moments import stamp
from tokens_forge.files.ledger_reader import read_lines

CONFIG = """
[balance.wallet]
kind = "prepaid"
unit = "CNY"
[balance.spare]
kind = "prepaid"
unit = "CNY"
[balance.credit]
kind = "prepaid"
unit = "USD"
warn_below = "1 USD"
[balance.account]
kind = "postpaid"
unit = "USD"
limit = "100 USD"
[balance.plan]
kind = "pool"
unit = "requests"
windows = [{ allow = 900, per = "5h" }, { allow = 6000, per = "week" }]
fee = { amount = "20 USD", per = "month", from = 2026-09-03, until = 2026-11-03 }
[balance.max]
kind = "pool"
unit = "percent"
windows = "provider"
[upstream.u]
dialect = "openai"
base_url = "http://127.0.0.1:9/v1"
credential = "none"
[route.r]
class = "ordinary"
upstream = "u"
balance = "wallet"
serves = ["m"]
[route.r.prices]
m = [{ from = 2026-01-01, unit = "CNY", input = 1, output = 2 }]
[key.aider]
budget = { limit = "5 CNY", per = "day" }
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a folder with the config."""
    (tmp_path / "config.toml").write_text(CONFIG)
    return tmp_path


def moved(home: Path) -> list[Adjusted]:
    """Return the adjustments in the ledger, fees left out."""
    entries = [line.entry for line in read_lines(home / "data" / "ledger")]
    return [entry for entry in entries if isinstance(entry, Adjusted) and entry.amount != "0"]


def last_seq(home: Path) -> int:
    """Return the number of the last entry."""
    return max(line.seq for line in read_lines(home / "data" / "ledger"))


@pytest.mark.parametrize("command", ["topup", "set", "adjust", "refund"])
def test_a_negative_amount_is_written_after_a_mark(home: Path, command: str) -> None:
    """Before it an amount looks like an option, and what is said is how to write it; of an option it may be one."""
    ran = tf(home, "balance", command, "wallet", "--yes", "-0.25 CNY")
    assert (2, "") == (ran.code, ran.out)
    assert 'a negative amount stands last, after `--`: `-- "-0.25 CNY"`' in " ".join(ran.err.split())
    ran = tf(home, "balance", "adjust", "wallet", "--note", "-1", "--", "-0.25 CNY")
    assert (0, True) == (ran.code, "wallet -0.25 CNY (correction)" in ran.out)


def test_what_is_there_already_has_its_unit(home: Path) -> None:
    """No figure is without one, however it was written."""
    assert 0 == tf(home, "balance", "set", "wallet", "8.13").code
    assert "`wallet` is 8.13 CNY already: nothing was entered\n" == tf(home, "balance", "set", "wallet", "8.13").err


def test_every_kind_is_shown(home: Path) -> None:
    """What is there, what a window leaves, which money ends, and the budgets; a budget never shows without its unit."""
    assert 0 == tf(home, "balance", "topup", "wallet", "5 CNY", "--expires", "2030-01-31", "--ref", "A").code
    ran = tf(home, "balance")
    assert (0, "") == (ran.code, ran.err)
    for said in (
        "wallet 5 CNY - 5 CNY -",
        "account 100 USD - 0 USD -",
        "plan 900 requests - - -",
        "max 100 percent - - -",
        "wallet: 5 CNY can be spent through 2030-01-31 UTC",
        "credit: below its warning of 1 USD",
        "account: at most 100 USD owed in a period, nothing yet",
        "key.aider/day 5 CNY - 0 CNY 5 CNY 20",
    ):
        assert said in " ".join(ran.out.split())


def test_json_has_exact_texts(home: Path) -> None:
    """Amounts are decimal texts with every digit, balances and budgets apart."""
    tf(home, "balance", "topup", "wallet", "0.123456789012 CNY")
    answer = json.loads(tf(home, "balance", "--json").out)
    wallet = next(row for row in answer["balances"] if row["name"] == "wallet")
    assert ("0.123456789012", "CNY") == (wallet["available"], wallet["unit"])
    assert ["key.aider/day"] == [row["name"] for row in answer["budgets"]]


def test_fees_are_entered_once(home: Path) -> None:
    """A pool's fee is an entry for each period up to its end, whichever command meets it first."""
    for amount in ("1 CNY", "2 CNY"):
        tf(home, "balance", "topup", "wallet", amount)
    fees = [line.entry for line in read_lines(home / "data" / "ledger") if isinstance(line.entry, Adjusted)]
    assert [("plan", "20 USD", "2026-09-03", "2026-10-02"), ("plan", "20 USD", "2026-10-03", "2026-11-02")] == [
        (fee.balance, fee.fee, fee.effective, fee.expires) for fee in fees if fee.reason == "fee"
    ]


@pytest.mark.parametrize(
    ("arguments", "said", "posted"),
    [
        (["set", "wallet", "8.13 CNY"], "wallet +8.13 CNY (opening): 0 → 8.13 CNY", "8.13"),
        (["adjust", "wallet", "--reason", "fee", "--", "-1 CNY"], "wallet -1 CNY (fee): 0 → -1 CNY", "-1"),
        (["set", "account", "12 USD"], "account -12 USD (opening): 100 → 88 USD left", "88"),
        (["topup", "account", "12 USD"], "account +12 USD (topup): 0 → 12 USD", "12"),
        (["set", "plan", "700 requests"], "plan -200 requests (unexplained): 900 → 700 requests left", "700"),
    ],
)
def test_what_moves(home: Path, arguments: list[str], said: str, posted: str) -> None:
    """CASES 57: what a provider shows is entered as it is, each kind in its own sense; the difference is named."""
    ran = tf(home, "balance", *arguments)
    assert (0, said) == (ran.code, ran.out.strip())
    assert posted == moved(home)[-1].balance_after


def test_a_refund_leaves_the_balance(home: Path) -> None:
    """What the provider paid back is no longer there."""
    tf(home, "balance", "topup", "credit", "30 USD")
    assert "credit -20 USD (refund): 30 → 10 USD" == tf(home, "balance", "refund", "credit", "20 USD").out.strip()


def test_closing_moves_what_is_left(home: Path) -> None:
    """CASES 53: a balance is emptied into another of its unit, in one batch."""
    tf(home, "balance", "topup", "spare", "3 CNY")
    ran = tf(home, "balance", "close", "spare", "--to", "wallet")
    assert ["spare -3 CNY (closed): 3 → 0 CNY", "wallet +3 CNY (closed): 0 → 3 CNY"] == ran.out.splitlines()
    assert {"close spare"} == {entry.batch for entry in moved(home)[-2:]}
    again = tf(home, "balance", "close", "spare")
    assert (0, "`spare` is empty already: nothing was entered") == (again.code, again.err.strip())


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["topup", "walet", "1 CNY"], "no balance named `walet`. Did you mean `wallet`?"),
        (["topup", "wallet", "1 USD"], "`wallet` is in CNY and never takes an amount in USD"),
        (["topup", "plan", "1 requests"], "`plan` is a pool balance: only a prepaid or postpaid one takes money in"),
        (["set", "max", "1 percent"], "`max` is counted by its provider: there is nothing of ours to set"),
        (["topup", "wallet", "1 CNY", "--expires", "31.1.2027"], "`31.1.2027` is no day: write it as `2027-01-31`"),
        (
            ["topup", "account", "1 USD", "--expires", "2027-01-31"],
            "only what is topped up on a prepaid balance expires",
        ),
        (["refund", "wallet", "0 CNY"], "a refund of 0 CNY takes nothing"),
        (["topup", "wallet", "9 CNY", "--fee", "1 CNY"], "a fee is a part of what was paid: say --paid too"),
        (
            ["topup", "wallet", "9 CNY", "--paid", "2 USD", "--fee", "1 CNY"],
            "the fee is in CNY and what was paid in USD: write both in one",
        ),
        (["close", "wallet", "--to", "credit"], "`credit` is in USD and `wallet` in CNY"),
        (["close", "wallet", "--to", "wallet"], "a balance is not closed into itself"),
        (["adjust", "wallet", "1 CNY", "--reason", "gift"], "no reason `gift`"),
    ],
)
def test_what_is_refused(home: Path, arguments: list[str], why: str) -> None:
    """Exit code 1, the reason and the next step on stderr, nothing in the ledger."""
    ran = tf(home, "balance", *arguments)
    assert (1, "") == (ran.code, ran.out)
    assert why in ran.err
    assert [] == moved(home)


def test_a_reference_counts_once(home: Path) -> None:
    """An invoice that is entered twice adds nothing the second time, and says when it was entered."""
    tf(home, "balance", "topup", "wallet", "5 CNY", "--ref", "INV-7")
    again = tf(home, "balance", "topup", "wallet", "5 CNY", "--ref", "INV-7")
    assert 1 == again.code
    assert "`INV-7` was entered for `wallet` at " in again.err
    assert ["5"] == [entry.amount for entry in moved(home)]


def test_a_new_name_before_any_proxy_read_it(home: Path) -> None:
    """CASES 53: what is shown and moved under the new name is the balance that has the history, never a second one."""
    tf(home, "balance", "topup", "wallet", "5 CNY", "--ref", "A")
    renamed = CONFIG.replace("[balance.wallet]", '[balance.purse]\nwas = ["wallet"]').replace('"wallet"\n', '"purse"\n')
    (home / "config.toml").write_text(renamed.replace('was = ["purse"]', 'was = ["wallet"]'))

    assert "purse 5 CNY - 5 CNY -" in " ".join(tf(home, "balance").out.split())
    assert "purse +1 CNY (topup): 5 → 6 CNY" == tf(home, "balance", "topup", "purse", "1 CNY").out.strip()
    assert "`A` was entered for `purse`" in tf(home, "balance", "topup", "purse", "1 CNY", "--ref", "A").err


def test_what_no_proxy_would_start_with_moves_nothing(home: Path) -> None:
    """A name that is another one's earlier name: its money would be found by neither."""
    tf(home, "balance", "topup", "wallet", "5 CNY")
    tf(home, "balance", "topup", "spare", "5 CNY")
    (home / "config.toml").write_text(CONFIG.replace("[balance.spare]", "[balance.other]"))

    ran = tf(home, "balance", "topup", "wallet", "1 CNY")
    assert (1, "") == (ran.code, ran.out)
    assert "[balance.spare]: it is gone from the config and has 5 CNY: bring it back" in ran.err


def test_a_call_is_corrected_under_the_new_name(home: Path) -> None:
    """CASES 53: the call's entry has the name of then, and it is the same balance."""
    now = stamp(datetime.now(UTC))
    (home / "data").mkdir()
    call = call_id(now)
    Ledger(home / "data" / "ledger").add(
        now,
        routed(call),
        held_relay(call),
        settled_relay(call),
        Renamed(scope="balance", name="wallet", was="rmb-wallet"),
    )
    ran = tf(home, "balance", "adjust", "wallet", "0.01 CNY", "--corrects", call)
    assert (0, f"undo with: tf balance undo {last_seq(home)}\n") == (ran.code, ran.err)
    assert [call] == [entry.corrects for entry in moved(home)]


def test_no_more_is_given_back_than_a_call_cost(home: Path) -> None:
    """What was given back before counts; a call that another balance paid is named by its id."""
    (home / "data").mkdir()
    ledger = Ledger(home / "data" / "ledger")
    stamped = at("10:00:00")
    call = call_id(stamped)
    wallet = {"balance": "wallet"}
    ledger.add(stamped, routed(call), held_relay(call, **wallet), settled_relay(call, **wallet))
    again = tf(home, "balance", "adjust", "wallet", "0.03 CNY", "--corrects", call)
    assert (1, f"tf: {call} cost 0.02 CNY by now: 0.03 CNY is more than can be given back for it.") == (
        again.code,
        again.err.partition(" Without")[0],
    )
    assert 0 == tf(home, "balance", "adjust", "wallet", "0.015 CNY", "--corrects", "last").code
    assert 1 == tf(home, "balance", "adjust", "wallet", "0.006 CNY", "--corrects", call).code
    assert (
        f"{call} was not paid by `spare` but by `wallet`"
        in tf(home, "balance", "adjust", "spare", "0.001 CNY", "--corrects", "last").err
    )


def test_an_entry_is_taken_back(home: Path) -> None:
    """The command that made it says how; the log has its number; its reference is free again."""
    made = tf(home, "balance", "topup", "wallet", "￥500", "--ref", "INV-7", "--expires", "2030-01-31")
    seq = last_seq(home)
    assert ("wallet +500 CNY (topup): 0 → 500 CNY\n", f"undo with: tf balance undo {seq}\n") == (made.out, made.err)
    back = tf(home, "balance", "undo", "INV-7", "--note", "typed twice")
    assert (0, f"wallet -500 CNY (topup) takes back entry {seq}: 500 → 0 CNY\n", "") == (back.code, back.out, back.err)
    assert f"entry {seq} was taken back already, by entry {seq + 1}" in tf(home, "balance", "undo", str(seq)).err
    assert f"entry {seq} was taken back already" in tf(home, "balance", "undo", "INV-7").err
    assert f"the last entry by hand ({seq + 1}) takes back entry {seq}" in tf(home, "balance", "undo").err
    assert f"takes back entry {seq} itself" in tf(home, "balance", "undo", str(seq + 1)).err
    assert 0 == tf(home, "balance", "topup", "wallet", "450", "--ref", "INV-7").code
    assert 0 == tf(home, "balance", "undo", "INV-7").code
    said = " ".join(tf(home, "balance", "log").out.split())
    assert f"-500 CNY topup takes back entry {seq}; INV-7; typed twice" in said
    assert f"500 CNY topup taken back by entry {seq + 1}; INV-7" in said
    rows = json.loads(tf(home, "balance", "log", "wallet", "--last", "3", "--json").out)["entries"]
    assert [("-450", 0), ("450", seq + 3), ("-500", 0)] == [(row["entry"]["amount"], row["undone_by"]) for row in rows]
    assert "Nothing was entered by hand yet." in tf(home, "balance", "log", "spare").err


def test_a_closed_balance_comes_back_whole(home: Path) -> None:
    """Either of its entries names both; JSON has the entries and their numbers."""
    tf(home, "balance", "topup", "spare", "3 CNY", "--expires", "2030-01-31")
    tf(home, "balance", "close", "spare", "--to", "wallet")
    done = json.loads(tf(home, "balance", "undo", "last", "--json").out)
    assert [("wallet", "-3"), ("spare", "3")] == [(entry["balance"], entry["amount"]) for entry in done["entries"]]
    assert [last_seq(home) - 1, last_seq(home)] == done["seqs"]
    assert "spare: 3 CNY can be spent through 2030-01-31 UTC" in tf(home, "balance").out


def test_what_is_odd_is_asked(home: Path) -> None:
    """Exit code 1, what is odd, and `--yes`; nothing is entered."""
    tf(home, "balance", "topup", "wallet", "5 CNY")
    for arguments, why in (
        (("topup", "wallet", "5"), "+5 CNY (topup) was entered for `wallet` at 20"),
        (("topup", "wallet", "500 CNY"), "500 CNY is 100 times or more the largest of the last top-ups of `wallet`"),
        (("refund", "wallet", "￥510.01"), "a refund of 510.01 CNY is more than `wallet` has posted, 510 CNY"),
    ):
        ran = tf(home, "balance", *arguments)
        assert (1, "") == (ran.code, ran.out)
        assert why in ran.err
        assert "Say `--yes` to enter it all the same" in ran.err
        assert 0 == tf(home, "balance", *arguments, "--yes").code
    tf(home, "balance", "adjust", "wallet", "--", "-1")
    again = tf(home, "balance", "adjust", "wallet", "--yes", "--", "-1")
    assert 0 == again.code
    assert "a part of the 5 CNY" not in tf(home, "balance", "undo", "last").err


def test_what_is_no_entry_by_hand(home: Path) -> None:
    """Each says what takes it back instead."""
    assert "nothing was entered by hand yet" in tf(home, "balance", "undo").err
    tf(home, "balance", "topup", "wallet", "5 CNY")
    tf(home, "task", "start", "research", "--cap", "5 USD")
    tf(home, "task", "raise", "research", "9 CNY")
    numbers = {type(line.entry).__name__: line.seq for line in read_lines(home / "data" / "ledger")}
    assert "taken back by `tf task stop research`" in tf(home, "balance", "undo", str(numbers["Tasked"])).err
    assert "entry 1 was not made by hand" in tf(home, "balance", "undo", "1").err
    assert "no entry by hand is called `INV-9`" in tf(home, "balance", "undo", "INV-9").err


def test_a_reference_that_is_a_number_too(home: Path) -> None:
    """It is asked which is meant."""
    tf(home, "balance", "topup", "wallet", "5 CNY")
    first = last_seq(home)
    tf(home, "balance", "topup", "spare", "6 CNY", "--ref", str(first))
    ran = tf(home, "balance", "undo", str(first))
    assert 1 == ran.code
    assert f"`seq:{first + 1}` (spare 6 CNY, topup), `seq:{first}` (wallet 5 CNY, topup)" in ran.err
    assert "spare -6 CNY" in tf(home, "balance", "undo", f"ref:{first}").out
    assert "wallet -5 CNY" in tf(home, "balance", "undo", f"seq:{first}").out


def test_a_balance_that_began_in_usd_goes_on(home: Path) -> None:
    """Its unit is that of its first entry; a new balance would be in a unit that no price knows."""
    (home / "config.toml").write_text(CONFIG.replace('unit = "USD"\nwarn_below = "1 USD"', 'unit = "usd"'))
    ran = tf(home, "balance", "topup", "credit", "5 usd")
    assert 1 == ran.code
    assert '`usd` is not the code of a currency. Did you mean `unit = "USD"`?' in ran.err
    (home / "data").mkdir(exist_ok=True)
    ledger = Ledger(home / "data" / "ledger")
    ledger.add(at("10:00:00"), Adjusted(balance="credit", amount="5", unit="usd", reason="topup"))
    for amount, said in (
        ("6 usd", "5 → 11 usd"),
        ("$7", "11 → 18 usd"),
        ("8 USD", "18 → 26 usd"),
        ("9", "26 → 35 usd"),
    ):
        assert said in tf(home, "balance", "topup", "credit", amount).out
