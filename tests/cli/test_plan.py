"""`tf plan`: which balance a call would burn, asked of the ledger's files; of a running proxy in tests/proxy."""

import json
from pathlib import Path

import pytest
from command_line import tf

from tokens_forge.files.ledger_reader import read_lines

CONFIG = """
[balance.wallet]
kind = "prepaid"
unit = "CNY"
[balance.credit]
kind = "prepaid"
unit = "USD"
[balance.plan]
kind = "pool"
unit = "requests"
windows = [{ allow = 900, per = "5h" }]
[upstream.openai]
dialect = "openai"
base_url = "https://api.openai.com/v1"
credential = "none"
[upstream.relay]
dialect = "openai"
base_url = "https://relay.example/v1"
credential = "none"
provider = "openai"
[route.official]
class = "direct"
upstream = "openai"
balance = "credit"
serves = ["gpt-*"]
[route.official.prices]
"gpt-5" = [{ from = 2026-01-01, unit = "USD", per = "mtok", input = 1, output = 10 }]
[route.relay]
class = "ordinary"
upstream = "relay"
balance = "wallet"
serves = { "gpt-5" = "relay-gpt-5" }
[route.relay.prices]
"gpt-5" = [{ from = 2026-01-01, unit = "CNY", per = "mtok", input = 2, output = 20 }]
[route.plan]
class = "subscription"
upstream = "relay"
balance = "plan"
serves = ["gpt-5"]
[model.smart]
routes = ["official/gpt-5", "plan/gpt-5", "relay/gpt-5"]
burn = "cheapest"
fallback = "any"
[model.quick]
alias = "smart"
[key.aider]
classes = ["direct", "ordinary"]
[report]
fx = { CNY = [{ from = 2026-01-01, rate = "8" }] }
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a folder with the config and 3 CNY in the wallet."""
    (tmp_path / "config.toml").write_text(CONFIG)
    assert 0 == tf(tmp_path, "balance", "topup", "wallet", "3 CNY").code
    return tmp_path


def test_which_balance_it_would_burn(home: Path) -> None:
    """The whole picture: the cheapest that this key may use; an empty credit is passed over; nothing is written."""
    before = len(list(read_lines(home / "data" / "ledger")))
    ran = tf(home, "plan", "quick", "--in", "20000", "--out", "1000", "--key", "aider")
    assert (0, "") == (ran.code, ran.err)
    lines = [line for line in ran.out.splitlines() if not line.strip().startswith("at ")]
    expected = """\
plan quick (routed as smart)
  burns  0.06 CNY of wallet by relay/relay-gpt-5 (ordinary)
  for    key aider
  of     20,000 tokens in, about 1,000 out; held for at most 4,096 out

Candidates (order: cheapest; may fall back: any)
  1  plan/gpt-5 (subscription) at relay, balance plan: passed over
     its class is not allowed for this key
     1 requests expected; list price 0.035 USD; 900 requests now
     ordered by no money expected for 500 tokens out
  2  relay/relay-gpt-5 (ordinary) at relay, balance wallet: taken
     0.06 CNY = 0.0075 USD expected; 0.12992 CNY held; list price 0.035 USD; 3 CNY now, 2.94 CNY after
     ordered by 0.05 CNY expected (0.00625 compared) for 500 tokens out
  3  official/gpt-5 (direct) at openai, balance credit: passed over
     0 USD available, 0.06496 USD needed
     0.03 USD expected; list price 0.035 USD; 0 USD now
     ordered by 0.025 USD expected for 500 tokens out"""
    assert expected.splitlines() == lines
    assert before == len(list(read_lines(home / "data" / "ledger")))


def test_as_json(home: Path) -> None:
    """The plan as a record, with every figure a text."""
    ran = tf(home, "plan", "smart", "--class", "ordinary", "--max-charge", "1 USD", "--json")
    told = json.loads(ran.out)
    assert ("smart", "cheapest", "any", "relay/relay-gpt-5", "USD") == (
        told["model"],
        told["burn"],
        told["boundary"],
        told["intended"],
        told["report_unit"],
    )
    assert ["passed_over", "first", "passed_over"] == [one["verdict"] for one in told["candidates"]]


def test_for_a_client_of_a_dialect(home: Path) -> None:
    """What it would be asked in there, on the screen and as JSON."""
    ran = tf(home, "plan", "smart", "--dialect", "messages")
    assert "  for    no key: every class, no key's budget, asking in anthropic_messages\n" in ran.out
    assert "\n     asked in openai_chat, translated\n" in ran.out
    told = json.loads(tf(home, "plan", "smart", "--dialect", "messages", "--no-login", "--json").out)
    assert ("anthropic_messages", False) == (told["dialect"], told["login"])
    assert {"openai_chat"} == {one["dialect_out"] for one in told["candidates"]}


def test_what_would_be_refused(home: Path) -> None:
    """Exit 1, with the code that the client would get."""
    ran = tf(home, "plan", "smart", "--class", "direct")
    assert 1 == ran.code
    assert "  refused  nothing would be tried: 402 insufficient_balance\n" in ran.out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("smrt",), "tf: no model `smrt`. Did you mean `smart`?\n"),
        (
            ("smart", "--needs", "eyes"),
            "tf: --needs: there is no `eyes`. There are: `audio`, `files`, `json_schema`, `tools`, `vision`.\n",
        ),
        (("smart", "--dialect", "mesages"), "tf: --dialect: there is no `mesages`. Did you mean `messages`?\n"),
        (("smart", "--key", "aidr"), "tf: no key `aidr`. Did you mean `aider`?\n"),
        (("smart", "--class", "dirct"), "tf: `x-tf-class`: there is no class `dirct`. Did you mean `direct`?\n"),
        (
            ("smart", "--key", "aider", "--class", "subscription"),
            (
                "tf: a header can only narrow: key `aider` may not use class `subscription`: "
                "`[key.aider] classes` has direct, ordinary\n"
            ),
        ),
    ],
)
def test_what_is_not_known(home: Path, arguments: tuple[str, ...], expected: str) -> None:
    """The likely name, or what the config allows."""
    ran = tf(home, "plan", *arguments)
    assert (1, "", expected) == (ran.code, ran.out, ran.err)


def test_what_the_provider_keeps_is_held(home: Path) -> None:
    """And a word that is no time for a cache is told."""
    ran = tf(home, "plan", "quick", "--kept", "50000", "--cache", "1h", "--json")
    assert [50_000] == [one["hold_basis"]["kept"] for one in json.loads(ran.out)["candidates"] if one.get("hold")][-1:]
    ran = tf(home, "plan", "quick", "--cache", "1")
    assert (1, True) == (ran.code, "--cache: there is no `1`" in ran.err)
