"""`tf prices` as a user runs it: what a model costs, what wants a look, and how a price is told."""

import asyncio
import io
import json
import re
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from command_line import Ran, tf
from playbook import Setup, playing

from tokens_forge.files.price_sheets import read_sheets

CONFIG = """\
[balance.credit]
kind = "prepaid"
unit = "USD"
[balance.wallet]
kind = "prepaid"
unit = "CNY"
[balance.plan]
kind = "pool"
unit = "requests"
windows = [{ allow = 900, per = "5h" }]
[upstream.openai]
dialect = "openai"
base_url = "https://api.openai.com/v1"
credential = "env:OPENAI_API_KEY"
[upstream.relay]
dialect = "openai"
base_url = "https://relay.example/v1"
credential = "env:RELAY_KEY"
[route.official]
class = "direct"
upstream = "openai"
balance = "credit"
serves = ["gpt-5", "gpt-*"]
price = "list"
[route.relay]
class = "ordinary"
upstream = "relay"
balance = "wallet"
serves = { "gpt-5" = "relay-gpt-5", "own" = "own-1" }
[route.relay.prices]
relay-gpt-5 = [{ from = 2026-01-01, unit = "CNY", input = 4, output = 28 }]
[route.plan]
class = "subscription"
upstream = "relay"
balance = "plan"
serves = ["gpt-5"]
[report]
fx = { CNY = [{ from = 2026-01-01, rate = "7.1" }] }
"""

TODAY = datetime.now(UTC).date().isoformat()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the config."""
    (tmp_path / "config.toml").write_text(CONFIG)
    return tmp_path


def run(folder: Path, words: str) -> Ran:
    """Run a command, paths without the folder's name."""
    ran = tf(folder, *words.split())
    return Ran(code=ran.code, out=ran.out.replace(f"{folder}/", ""), err=ran.err.replace(f"{folder}/", ""))


def document(folder: Path, words: str) -> dict[str, Any]:
    """Return a command's JSON."""
    return json.loads(run(folder, f"{words} --json").out)


def put(folder: Path, name: str, text: str) -> str:
    """Write a price list and return its path."""
    (folder / name).write_text(text)
    return str(folder / name)


def test_a_model_is_shown_on_each_route_that_serves_it(folder: Path) -> None:
    """CASES 13: as router and biller resolve it; the sheet's file and line, the list, the sample."""
    shown = run(folder, "prices gpt-5")
    assert (0, "") == (shown.code, shown.err)
    headings = [line.split()[0] for line in shown.out.splitlines() if "paid by" in line]
    assert ["official/gpt-5", "relay/relay-gpt-5", "plan/gpt-5"] == headings
    assert "route sheet (config.toml:31): relay/relay-gpt-5 since 2026-01-01" in shown.out
    assert "1,000 tokens in, 500 out: 0.018 CNY; list 0.00625 USD" in shown.out
    assert "a call counts in the pool and costs nothing more" in shown.out


def test_its_json_is_exact_and_stable(folder: Path) -> None:
    """CASES 10 and 15: figures are texts with every digit, each card with source and date."""
    found = document(folder, "prices gpt-5 --route relay --in 3 --out 0")
    assert ["at", "model", "prices", "sample"] == sorted(found)
    assert {"input": 3, "output": 0} == found["sample"]
    (relay,) = found["prices"]
    assert ("relay/relay-gpt-5", "config.toml:31", "0.000012") == (
        relay["candidate"],
        relay["sheet"],
        relay["card"]["sample"]["amount"],
    )
    assert re.fullmatch(r"genai-prices [0-9.]+", relay["list"]["source"])


def test_a_candidate_may_be_named_and_narrowed(folder: Path) -> None:
    """ROUTE/MODEL by either name; an upstream; a day on which another card was in force."""
    for words in ("relay/gpt-5", "relay/relay-gpt-5", "gpt-5 --route relay", "gpt-5 --upstream relay --route relay"):
        assert ["relay/relay-gpt-5"] == [one["candidate"] for one in document(folder, f"prices {words}")["prices"]]
    assert ["plan/gpt-5", "relay/relay-gpt-5"] == sorted(
        one["candidate"] for one in document(folder, "prices gpt-5 --upstream relay")["prices"]
    )
    before = document(folder, "prices relay/gpt-5 --at 2025-12-31")["prices"][0]
    assert (None, "2026-01-01") == (before.get("card"), before["others"][0]["valid_from"])
    at = document(folder, "prices show relay/gpt-5 --at 2026-01-01T01:00+02:00")
    assert "2025-12-31T23:00:00.000000Z" == at["at"]


def test_a_model_without_a_route_has_its_list_price(folder: Path, tmp_path: Path) -> None:
    """At the provider of its name, or one that is given; without any config too."""
    alone = document(folder, "prices claude-sonnet-4-5")["prices"]
    assert ["anthropic/claude-sonnet-4-5"] == [one["candidate"] for one in alone]
    empty = tmp_path / "empty"
    empty.mkdir()
    assert (
        "3"
        == document(empty, "prices claude-sonnet-4-5 --upstream anthropic")["prices"][0]["list"]["tiers"][0]["rates"][
            "input"
        ]
    )


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (
            "claude-sonet-4-5",
            1,
            "no route serves `claude-sonet-4-5`, and the price catalogue does not know it. Did you mean",
        ),
        ("gpt-5 --route rely", 1, "no route is named `rely`. Did you mean `relay`?"),
        ("own --route official", 1, "the route `official` does not serve `own`: `tf prices own` shows who does"),
        ("claude-sonnet-4-5 --upstream antropic", 1, "`antropic` is neither an upstream of the config nor a provider"),
        ("gpt-5 --at yesterday", 2, "`yesterday` is no day such as `2026-11-01`"),
    ],
)
def test_what_is_not_known_says_what_is(folder: Path, words: str, code: int, expected: str) -> None:
    """Each error has the next step."""
    ran = run(folder, f"prices {words}")
    assert (code, "") == (ran.code, ran.out)
    assert expected in ran.err


def test_a_missing_price_names_the_command_in_one_piece(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CASES 12: on a narrow terminal too; a name that only a pattern serves gets a hint."""
    monkeypatch.setenv("COLUMNS", "40")
    assert "set by:\n  tf prices set relay own-1 --input … --output … --unit CNY\n" in run(folder, "prices own").out
    unheard = run(folder, "prices gpt-5x")
    assert "The price catalogue does not know `gpt-5x` either. Did you mean `gpt-5" in unheard.err
    # The catalogue has thousands of names: where none is near, none is told.
    far = run(folder, "prices zzzzzz")
    assert "tf: no route serves `zzzzzz`, and the price catalogue does not know it.\n" == far.err.replace("\n  ", " ")


def test_check_names_what_wants_a_look(folder: Path) -> None:
    """CASES 28: a missing price ends with 1; an old one does not."""
    found = run(folder, "prices check")
    assert (1, "") == (found.code, found.err)
    assert "missing relay/own-1: no price is known today, so a call is refused" in found.out
    assert "old     relay/relay-gpt-5: nobody has said since 2026-01-01" in found.out
    assert "  tf prices set relay own-1 --input … --output … --unit CNY" in found.out
    told = document(folder, "prices check")
    assert (False, 90, ["missing", "old"]) == (
        told["ok"],
        told["older_than"],
        sorted({note["kind"] for note in told["notes"]}),
    )
    run(folder, "prices set relay own --input 1 --output 2")
    assert 0 == run(folder, "prices check").code
    quiet = run(folder, "prices check --older-than 40000")
    assert (0, "Every model that the config names has a price, none older than 40000 days.\n") == (
        quiet.code,
        quiet.out,
    )


def test_a_price_is_set_and_charged(folder: Path) -> None:
    """It goes to the machine's file, is the price from its day on, and the config stays as the user wrote it."""
    ran = run(folder, "prices set relay own --input 4 --cache-read 0.4 --output 28 --requests 0.01")
    assert (0, "written to data/prices.toml\n") == (ran.code, ran.err)
    assert f"relay/own-1  CNY per Mtok from {TODAY} on; new" in ran.out
    (sheet,) = read_sheets(folder / "data" / "prices.toml").sheets.route["relay"].prices["own-1"]
    assert ("CNY", Decimal(4), Decimal("0.4"), Decimal("0.01")) == (
        sheet.unit,
        sheet.input,
        sheet.cache_read,
        sheet.requests,
    )
    (own,) = document(folder, "prices own")["prices"]
    assert ("prices.toml:4", TODAY, "0.028") == (
        own["sheet"],
        own["card"]["valid_from"],
        own["card"]["sample"]["amount"],
    )
    assert CONFIG == (folder / "config.toml").read_text()


def test_a_sheet_in_another_unit_needs_its_exchange(folder: Path) -> None:
    """CASES 45 and 46: nothing is converted that is in the balance's unit, and nothing else without a rate."""
    ran = run(folder, "prices set relay own --input 1 --output 2 --unit USD")
    assert (1, True) == (ran.code, "say how many CNY one USD is there, `--fx RATE`" in ran.err)
    assert (
        0
        == run(
            folder, "prices set relay own --input 1 --output 2 --unit USD --fx 7.1 --per ktok --from 2026-01-01"
        ).code
    )
    (own,) = document(folder, "prices own")["prices"]
    assert ("CNY", "USD", "7.1", "14.2") == (
        own["card"]["unit"],
        own["card"]["card_unit"],
        own["card"]["fx"],
        own["card"]["sample"]["amount"],
    )


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        ("relya own --input 1", 1, "no route is named `relya`. Did you mean `relay`?"),
        ("relay onw --input 1", 1, "the route `relay` does not serve `onw`. Did you mean `own`?"),
        ("plan gpt-5 --input 1", 1, "the route `plan` is not paid in money, so no price is asked for there"),
        ("relay own --input four", 2, 'Invalid value for --input: `"four"` is not a number such as `0.35`'),
        ("relay own --input 1 --per mtk", 2, "Did you mean `mtok`?"),
        ("relay own --input 1 --from today", 2, "`today` is no day such as `2026-11-01`"),
        ("relay own", 1, "relay/own-1: the sheet has no rate"),
        ("relay own --input=-1", 1, "a rate of -1 for input is less than nothing"),
        ("relay gpt-5 --input 4000 --output 28", 1, "4000 CNY per Mtok of input"),
        ("relay gpt-5 --input 5 --from 2026-01-01", 1, "the config has a sheet from 2026-01-01, and that one counts"),
    ],
)
def test_a_price_that_can_not_be_is_not_written(folder: Path, words: str, code: int, expected: str) -> None:
    """CASES 11 among others: with the figures, and nothing on disk."""
    ran = run(folder, f"prices set {words}")
    assert (code, "") == (ran.code, ran.out)
    assert expected in ran.err
    assert not (folder / "data" / "prices.toml").exists()


def test_two_rows_for_one_model_are_refused(folder: Path) -> None:
    """A sheet may stand under the name that clients ask for; then that is the model's too, and one row must go."""
    text = (folder / "config.toml").read_text()
    (folder / "config.toml").write_text(text.replace("relay-gpt-5 = [", '"gpt-5" = ['))
    for rows in ("relay-gpt-5,5,9\ngpt-5,4,8", "gpt-5,4,8\nrelay-gpt-5,5,9"):
        listed = put(folder, "list.csv", f"model,input,output\n{rows}\n")
        ran = run(folder, f"prices import {listed} --route relay --yes")
        assert (1, "") == (ran.code, ran.out)
        expected = "list.csv:3: `relay/gpt-5` has its price at list.csv:2 already: both names mean one model there"
        assert expected in ran.err


def test_a_list_is_shown_and_asked_about_before_it_is_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal it wants `--yes`; with one, an answer; an unchanged list asks nothing."""
    listed = put(folder, "list.csv", "model,input,output\nrelay-gpt-5,4.4,28\nown-1,1,2\nnobody,1,2\n")
    words = f"prices import {listed} --route relay"
    asked = run(folder, words)
    assert (1, True, True) == (asked.code, "x 1.1" in asked.out, "say `--yes`" in asked.err)
    assert "left out: 1 that the route does not serve: nobody" in asked.err

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for answer, code in (("\n", 1), ("no\n", 1), ("y\n", 0)):
        assert not (folder / "data" / "prices.toml").exists()
        monkeypatch.setattr(sys, "stdin", Terminal(answer))
        assert code == run(folder, words).code
    monkeypatch.undo()
    again = run(folder, words)
    assert (0, "2 unchanged: relay/relay-gpt-5, relay/own-1\n") == (again.code, again.out)
    assert {"relay-gpt-5", "own-1"} == set(read_sheets(folder / "data" / "prices.toml").sheets.route["relay"].checked)


def test_each_form_of_a_list_is_read_by_its_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the file's ending, or as it is said of what is piped in; TOML names its routes itself."""
    toml = '[route.relay.prices]\nown-1 = [{ from = 2026-02-01, unit = "CNY", input = 1, output = 2 }]\n'
    found = document(folder, f"prices import {put(folder, 'list.toml', toml)} --yes")
    assert [("own-1", "new"), ("relay-gpt-5", "gone")] == [(one["model"], one["status"]) for one in found["changes"]]
    answer = {"data": [{"model_name": "own-1", "model_ratio": 0.5, "completion_ratio": 2, "enable_groups": ["vip"]}]}
    new_api = {**answer, "group_ratio": {"default": 1, "vip": 0.5}}
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(new_api)))
    words = "prices import - --format json --route relay --group vip --fx 1 --from 2026-03-01 --yes"
    (own, _gone) = document(folder, words)["changes"]
    assert ("USD", "1", "2026-03-01", ["0.5", "1"]) == (
        own["unit"],
        own["fx"],
        own["valid_from"],
        [rate["new"] for rate in own["rates"]],
    )
    other = run(folder, f"prices import {put(folder, 'other.toml', toml)} --route plan --yes")
    assert (1, True) == (other.code, "no row of it is for a model that a route serves" in other.err)


@pytest.mark.parametrize(
    ("name", "text", "more", "ends"),
    [
        ("list.csv", "model,input\nown-1,x\n", "--route relay", (1, 'list.csv:2 own-1 input: `"x"` is not a number')),
        (
            "list.csv",
            "model,input\nown-1,1\n",
            "",
            (1, "`--route NAME`: paid in money are official, relay"),
        ),
        ("list.csv", "model,input\nown-1,1\n", "--route rely", (1, "no route is named `rely`")),
        (
            "list.csv",
            "model,input\nrelay-gpt-5,4000\n",
            "--route relay",
            (1, "list.csv:2: relay/relay-gpt-5: 4000 CNY"),
        ),
        (
            "list.csv",
            "model,input\nnobody,1\n",
            "--route relay",
            (1, "no row of it is for a model that a route serves"),
        ),
        ("list.csv", "model,input\nown-1,1\n", "--route relay --unit EUR", (1, "one EUR is there, `--fx RATE`")),
        ("list", "", "--route relay", (2, "say which form it has: toml, csv or json")),
        ("list.txt", "", "--route relay", (2, "`txt` is neither toml, csv nor json")),
        ("list.toml", "[route.rely.prices]\nx = []\n", "", (1, "no route is named `rely`")),
    ],
)
def test_a_wrong_list_is_not_written(folder: Path, name: str, text: str, more: str, ends: tuple[int, str]) -> None:
    """Every wrong row with file and line, and nothing on disk."""
    ran = run(folder, f"prices import {put(folder, name, text)} {more} --yes")
    assert (ends[0], True) == (ran.code, ends[1] in ran.err), ran.err
    assert not (folder / "data" / "prices.toml").exists()
    assert "there is no such file" in run(folder, "prices import gone.csv --route relay").err


def test_the_only_route_need_not_be_named(tmp_path: Path) -> None:
    """Where one route alone is paid in money, a list is for it."""
    text = re.sub(r"(?s)\[route\.official\].*?(?=\[route\.relay\])", "", CONFIG)
    (tmp_path / "config.toml").write_text(text)
    assert (
        0
        == run(
            tmp_path, f"prices import {put(tmp_path, 'list.csv', 'model,input,output' + chr(10) + 'own-1,1,2')} --yes"
        ).code
    )


async def test_a_running_proxy_charges_by_it_at_once(tmp_path: Path) -> None:
    """The command has it read before it ends; a proxy that can't take it says why."""
    (tmp_path / "data").symlink_to(tmp_path / "d")  # where the playbook's proxy has its data
    async with playing(tmp_path) as play:
        words = "prices set official gpt-5-mini --input 7 --output 70"
        ran = await asyncio.to_thread(run, tmp_path, words)
        assert (0, "written to data/prices.toml; the running proxy charges by it now\n") == (ran.code, ran.err)
        play.lines()
        await play.ask(model="gpt-5-mini")
        assert "settled 1 ok 0.000336 USD computed; final 200" in play.transcript()


def test_a_tier_alone_is_put_on_the_list(folder: Path) -> None:
    """CASES 8: base rates need not be said again; the line that a bill prints works as it is, figures filled in."""
    ran = run(folder, "prices set official gpt-5 --service ultrafast --input 5 --output 40 --unit USD")
    assert (0, "written to data/prices.toml\n") == (ran.code, ran.err)
    assert f"official/gpt-5  USD per Mtok from {TODAY} on; new; put on the price that holds anyway" in ran.out
    assert "ultrafast output  40" in ran.out
    (official,) = document(folder, "prices official/gpt-5")["prices"]
    tiers = {tier["tier"]: tier["rates"] for tier in official["card"]["tiers"]}
    assert ("1.25", "0.625", "5", "0.125") == (
        tiers["base"]["input"],
        tiers["flex"]["input"],
        tiers["ultrafast"]["input"],
        tiers["ultrafast"]["cache_read"],
    )
    assert official["sheet"] == "prices.toml:4"
    # A second one is added to the first, of the same day.
    assert 0 == run(folder, "prices set official gpt-5 --service scale --input 2 --output 16").code
    (official,) = document(folder, "prices official/gpt-5")["prices"]
    assert {"ultrafast", "scale", "flex"} < {tier["tier"] for tier in official["card"]["tiers"]}


def test_a_fee_alone_is_put_on_what_holds(folder: Path) -> None:
    """On the list, and on a sheet, which it is then a copy of."""
    assert 0 == run(folder, "prices set official gpt-5 --searches 0.025 --requests 0.001").code
    (official,) = document(folder, "prices official/gpt-5")["prices"]
    base = official["card"]["tiers"][0]["rates"]
    assert ("1.25", "10", "0.025", "0.001") == (base["input"], base["output"], base["searches"], base["requests"])
    assert 0 == run(folder, "prices set relay gpt-5 --cache-write-30m 5 --cache-write-12h 9 --image-out 30").code
    (sheet,) = read_sheets(folder / "data" / "prices.toml").sheets.route["relay"].prices["relay-gpt-5"]
    assert (False, "CNY", Decimal(4), Decimal(28)) == (sheet.adds, sheet.unit, sheet.input, sheet.output)
    assert (Decimal(5), Decimal(9), Decimal(30)) == (sheet.cache_write_30m, sheet.cache_write_12h, sheet.image_out)
    assert 0 == run(folder, "prices set relay gpt-5 --service priority --output 60").code
    (relay,) = document(folder, "prices gpt-5 --route relay")["prices"]
    tiers = {tier["tier"]: tier["rates"] for tier in relay["card"]["tiers"]}
    assert ("4", "60", "9") == (
        tiers["priority"]["input"],
        tiers["priority"]["output"],
        tiers["priority"]["cache_write_12h"],
    )


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        ("relay own --service flex --input 1", 1, "has no price of `own-1` by tokens that a tier could be put on"),
        ("official gpt-own --service flex --input 1", 1, "has no price of `gpt-own` by tokens"),
        ("official gpt-5 --service flex --input 1 --unit CNY", 1, "the price that this is put on is in USD per mtok"),
        ("official gpt-5 --searches 1 --per ktok", 1, "the price that this is put on is in USD per mtok"),
        ("relay gpt-5 --service flex --input 1 --unit USD", 1, "the price that this is put on is in CNY per mtok"),
        ("plan gpt-5 --service flex --input 1", 1, "the route `plan` is not paid in money"),
        ("official gpt-5 --service default --input 1", 1, "`default` is what the sheet's own rates are for"),
        ("official gpt-5 --service flex", 1, "flex` has no rate"),
        ("official gpt-5 --service priority --output 20000", 1, "20000 USD per Mtok of output from "),
        ("official gpt-5 --searches 9", 1, "9 USD for one of `searches` from "),
    ],
)
def test_what_can_not_be_put_on_a_price(folder: Path, words: str, code: int, expected: str) -> None:
    """Where nothing holds, in other terms than what holds, or out of all proportion; nothing is written."""
    ran = run(folder, f"prices set {words}")
    assert code == ran.code
    assert expected in ran.err
    assert not (folder / "data" / "prices.toml").exists()


NEWER = json.dumps(
    [
        {
            "id": "openai",
            "name": "OpenAI",
            "api_pattern": "https://api\\.openai\\.com",
            "model_match": {"starts_with": "gpt-"},
            "models": [
                {"id": "gpt-5", "match": {"equals": "gpt-5"}, "prices": {"input_mtok": 1.5, "output_mtok": 10}},
                {"id": "gpt-9", "match": {"equals": "gpt-9"}, "prices": {"input_mtok": 3, "output_mtok": 15}},
            ],
        }
    ]
)


def test_a_newer_list_is_shown_asked_about_and_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CASES 15: only on request; every card then says the day and the file; `--forget` goes back."""
    listed = put(folder, "data.json", NEWER)
    words = f"prices update --from {listed}"
    asked = run(folder, words)
    assert (1, True) == (asked.code, "say `--yes`" in asked.err)
    assert f"genai-prices data of {TODAY}, data.json instead of genai-prices" in asked.out
    assert re.search(r"1 model new, 1 changed, [0-9,]+ gone, 0 as they were", asked.out)
    assert "official/gpt-5  changed, USD per Mtok" in asked.out
    assert "1.25 → 1.5" in asked.out
    kept = folder / "data" / "catalogue.data"
    assert not kept.exists()
    taken = run(folder, f"{words} --yes")
    assert (0, "kept in data/catalogue.data\n") == (taken.code, taken.err)
    assert kept.stat().st_mode & 0o777 == 0o600
    (found,) = document(folder, "prices official/gpt-9")["prices"]
    assert ("3", f"genai-prices data of {TODAY}, data.json") == (
        found["card"]["tiers"][0]["rates"]["input"],
        found["card"]["source"].partition(", searches")[0],
    )
    again = document(folder, f"{words} --yes")
    assert ({"new": 0, "changed": 0, "gone": 0, "same": 2}, False) == (
        {name: again["models"].get(name, 0) for name in ("new", "changed", "gone", "same")},
        again["running"],
    )
    back = document(folder, "prices update --forget")
    assert (True, False) == (back["forgotten"], kept.exists())
    assert re.fullmatch(r"genai-prices [0-9.]+", back["source"])
    nothing = run(folder, "prices update --forget")
    assert (0, True) == (nothing.code, nothing.err.startswith("there is no other list: prices are from genai-prices"))
    monkeypatch.chdir(folder)
    (folder / "config.toml").unlink()
    assert 0 == run(folder, "prices update --from data.json --yes").code  # before there is a config


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        ("", 2, "Say where a newer list is, `--from FILE` or an address (https://raw.githubusercontent.com/"),
        ("--forget --from x", 2, "or `--forget` to go back"),
        ("--from nowhere.json", 1, "nowhere.json: it can't be read (No such file or directory)"),
        ("--from http://prices.example/data.json", 1, "only https is fetched, and http on this machine"),
        ("--from {folder}/config.toml", 1, "this is no JSON that can be read"),
        ("--from {folder}/dear.json", 1, "openai/gpt-5: input would go from 1.25 to 1250 USD, a factor of 500 or more"),
    ],
)
def test_a_list_that_can_not_be_is_not_taken(folder: Path, words: str, code: int, expected: str) -> None:
    """No list is fetched unasked, and none that is no list of prices, or in other units, is kept."""
    put(folder, "dear.json", NEWER.replace("1.5", "1250"))
    ran = run(folder, f"prices update {words.format(folder=folder)} --yes")
    assert code == ran.code
    assert expected in " ".join(ran.err.split())
    assert not (folder / "data" / "catalogue.data").exists()


def test_a_leap_may_be_meant_and_a_spoilt_list_is_replaced(folder: Path) -> None:
    """`--mend` says so; what can't be read any more is told, and a new one takes its place."""
    listed = put(folder, "dear.json", NEWER.replace("1.5", "1250"))
    assert 0 == run(folder, f"prices update --from {listed} --yes --mend").code
    (folder / "data" / "catalogue.data").write_bytes(b"spoilt")
    for words in ("prices gpt-5", "prices check", "check"):
        ran = run(folder, words)
        assert (1, True) == (ran.code, "`tf prices update --forget` goes back to the bundled list" in ran.err)
    ran = run(folder, f"prices update --from {put(folder, 'data.json', NEWER)} --yes")
    assert (0, True) == (ran.code, "this is not what `tf prices update` wrote" in ran.err)
    assert 0 == run(folder, "prices gpt-5").code


def test_a_list_taken_beside_another_version_is_told(folder: Path) -> None:
    """After an update of tf the bundled list may be the newer one."""
    put(folder, "data.json", NEWER)
    assert 0 == run(folder, f"prices update --from {folder}/data.json --yes").code
    kept = folder / "data" / "catalogue.data"
    kept.write_bytes(re.sub(rb'"beside":"[^"]*"', b'"beside":"0.0.1"', kept.read_bytes()))
    assert "this tf comes with another list than when that was taken" in run(folder, "prices check").out.replace(
        "\n", " "
    )


def test_prices_say_what_is_in_them_and_what_is_not_sure(folder: Path) -> None:
    """Premiums, days, doubts and the page of a tier stand above the rates."""
    config = CONFIG.replace("https://api.openai.com/v1", "https://eu.api.openai.com/v1")
    (folder / "config.toml").write_text(f'{config}[settle]\nunpriced = "sibling"\n')
    shown = " ".join(run(folder, "prices official/gpt-6.9-sol").out.split())
    assert "with x 1.1 for region eu.api.openai.com, in the rates of tokens below" in shown
    assert "guess the list does not know `gpt-6.9-sol`: the newest of its family" in shown
    assert "name gpt-6.9-sol → openai/gpt-6.1-sol" in shown
    claude = " ".join(run(folder, "prices claude-opus-5-5").out.split())
    assert "plus x 1.1 on tokens where the reply says that it was computed in `us`" in claude
    grok = " ".join(run(folder, "prices grok-4.7").out.split())
    assert "tier priority by docs.x.ai/developers/pricing" in grok
    sonar = " ".join(run(folder, "prices sonar --upstream perplexity").out.split())
    assert "guess requests: the fee of the largest search context" in sonar
    in_2027 = run(folder, "prices deepseek-v4-pro --at 2027-02-08T02:00").out
    assert "days   Monday to Friday (UTC+8)" in in_2027
    assert "an upper bound, and charges are estimates" in " ".join(in_2027.split())


async def test_a_running_proxy_takes_a_newer_list_at_once(tmp_path: Path) -> None:
    """Its cards change with it; a spoilt list leaves all as it was and says so."""
    (tmp_path / "data").symlink_to(tmp_path / "d")
    bare = (
        '[route.list]\nclass = "direct"\nupstream = "official"\nbalance = "credit"\n'
        'price = "list"\nserves = ["gpt-9"]\n'
    )
    async with playing(tmp_path, Setup(official='provider = "openai"', more=bare)) as play:
        assert (501, "no_price") == (await play.ask(model="gpt-9")).error
        listed = put(tmp_path, "data.json", NEWER)
        ran = await asyncio.to_thread(run, tmp_path, f"prices update --from {listed} --yes")
        assert (0, "kept in data/catalogue.data; the running proxy prices by it now\n") == (ran.code, ran.err)
        play.lines()
        assert 200 == (await play.ask(model="gpt-9")).status
        card = (await play.settled()).card
        assert card is not None
        assert card.source.startswith(f"genai-prices data of {TODAY}, data.json")
        (tmp_path / "d" / "catalogue.data").write_bytes(b"spoilt")
        assert 409 == (await play.control("POST", "/reload")).status
        assert 200 == (await play.ask(model="gpt-9")).status
        ran = await asyncio.to_thread(run, tmp_path, "prices update --forget")
        assert (0, True) == (ran.code, ran.err.endswith("; the running proxy prices by it now\n"))
        assert (501, "no_price") == (await play.ask(model="gpt-9")).error
