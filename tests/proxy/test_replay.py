"""Calls of a real proxy whose decisions are made again from its data folder alone, whatever changed since."""

import asyncio
import copy
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from command_line import Ran, tf
from genai_prices import data
from genai_prices.types import ModelPrice, Provider
from playbook import SECRETS, Playbook, Setup, playing
from upstreams import Upstream, completion, plain, refusal

from tokens_forge.core.entries import Held
from tokens_forge.files import catalog_data
from tokens_forge.files.ledger_reader import read_lines
from tokens_forge.files.ledger_writer import System
from tokens_forge.files.pages import page_path, pages
from tokens_forge.proxy.server import running

NOT_FOUND = refusal(404, "model_not_found")
FX = '[report]\nfx = { CNY = [{ from = 2020-01-01, rate = "8" }] }\n'
BUDGET = FX + '[key.aider]\nbudget = { limit = "1 USD", per = "day" }\n'


def explained(play: Playbook, call_id: str, *options: str) -> Ran:
    """Run `tf explain ID --replay` on the playbook's data."""
    return tf(play.paths.data, "--data-dir", str(play.paths.data), "explain", call_id, "--replay", *options)


def replayed(play: Playbook, call_id: str, *, code: int = 0) -> dict[str, Any]:
    """Return what the command says of a call's decisions as JSON, and expect its exit code."""
    ran = explained(play, call_id, "--json")
    assert code == ran.code, ran.err or ran.out
    return json.loads(ran.out)["replay"]


def agreeing(play: Playbook, call_id: str) -> tuple[list[str], str, str]:
    """Return the kinds of a call's decisions and by which config and cards they were made; all must agree."""
    again = replayed(play, call_id)
    made = again["decisions"]
    assert (len(made), []) == (again["agreed"], again["unknown"])
    ((config, cards),) = {(one["config"], one["cards"]) for one in made}
    return [one["type"] for one in made], config, cards


def holds(play: Playbook, call_id: str) -> list[tuple[str, str, str]]:
    """Return the route, balance and amount of each hold of a call."""
    entries = [line.entry for line in read_lines(play.paths.ledger)]
    return [(it.route, it.balance, it.hold) for it in entries if isinstance(it, Held) and it.id == call_id]


async def test_a_config_that_is_edited_under_a_call(tmp_path: Path) -> None:
    """The old call was decided by the order, boundary, budget, prices and names that it began with, the new by others.

    The old one falls back after the edit by which it could not have.
    """
    go = asyncio.Event()
    async with playing(tmp_path, Setup(more=BUDGET)) as play:
        play.relay.answers((go, *NOT_FOUND))
        old = asyncio.create_task(play.ask())
        await play.relay.reached(1)
        text = play.paths.config.read_text(encoding="utf-8")
        for before, after in (
            ('["relay/gpt-5", "official/gpt-5"]', '["official/gpt-5", "box/gpt-5"]'),
            ('fallback = "any"', 'fallback = "none"'),
            ('"1 USD"', '"0.3 USD"'),
            ("input = 2, output = 20", "input = 3, output = 15"),
            ("[route.relay]\n", '[route.box]\nwas = ["relay"]\n'),
            ("[route.relay.prices]", "[route.box.prices]"),
        ):
            assert before in text
            text = text.replace(before, after)
        play.paths.config.write_text(text, encoding="utf-8")
        assert 200 == (await play.control("POST", "/reload")).status
        new = (await play.ask()).headers["x-request-id"]
        go.set()
        first = await old
        assert "official" == first.headers["x-tf-route"]
        before = first.headers["x-request-id"]
        over = await play.ask()
        assert (402, "budget_exceeded") == over.error
        await play.idle()

        by_old, by_new = agreeing(play, before), agreeing(play, new)
        assert (["routed", "held", "held"], ["routed", "held"]) == (by_old[0], by_new[0])
        assert by_old[1] != by_new[1]
        assert (["routed", "refused"], *by_new[1:]) == agreeing(play, over.headers["x-request-id"])
        # 11 tokens in with their margin, 10 out: at 1 and 10 CNY, at 2 and 20 USD, and at 3 and 15 USD a thousand.
        assert [("relay", "wallet", "0.111"), ("official", "credit", "0.222")] == holds(play, before)
        assert [("official", "credit", "0.183")] == holds(play, new)


async def test_a_balance_and_a_route_that_are_renamed(tmp_path: Path) -> None:
    """Calls before, across and after the new names agree, each by the names of its own config."""
    go = asyncio.Event()
    more = '[route.relay.budget]\nlimit = "5 CNY"\nper = "day"\n'
    async with playing(tmp_path, Setup(more=more)) as play:
        calls = [(await play.ask()).headers["x-request-id"]]
        play.relay.answers((go, *NOT_FOUND))
        across = asyncio.create_task(play.ask())
        await play.relay.reached(2)
        text = play.paths.config.read_text(encoding="utf-8")
        text = text.replace("[balance.wallet]\n", '[balance.purse]\nwas = ["wallet"]\n')
        text = text.replace('"wallet"\n', '"purse"\n').replace("[route.relay]\n", '[route.box]\nwas = ["relay"]\n')
        text = text.replace("route.relay.", "route.box.").replace('"relay/gpt-5"', '"box/gpt-5"')
        play.paths.config.write_text(text, encoding="utf-8")
        renamed = await play.control("POST", "/reload")
        assert 200 == renamed.status, renamed.json
        go.set()
        calls += [(await across).headers["x-request-id"], (await play.ask()).headers["x-request-id"]]
        await play.idle()
        assert [["routed", "held"], ["routed", "held", "held"], ["routed", "held"]] == [
            agreeing(play, call_id)[0] for call_id in calls
        ]
        assert [["wallet"], ["wallet", "credit"], ["purse"]] == [
            [balance for _route, balance, _hold in holds(play, call_id)] for call_id in calls
        ]


async def test_newer_list_prices_after_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upgrade of the price data prices the next calls; those before it are decided again by the cards they had."""
    listed = '[route.listed]\nclass = "direct"\nupstream = "relay"\nbalance = "credit"\nserves = ["gpt-4o-mini"]\n'
    async with Upstream() as upstream:
        setup = Setup(relay='provider = "openai"', relay_url=upstream.url, more=listed + 'price = "list"\n')
        async with playing(tmp_path, setup) as play:
            play.relay = upstream  # the audit counts what reached it
            before = (await play.ask(model="gpt-4o-mini")).headers["x-request-id"]

        monkeypatch.setattr(data, "providers", dearer())
        monkeypatch.setattr(catalog_data, "version", newer)
        started = running(play.paths, SECRETS, port=0, system=System(clock=play.clock))
        async with started as again, httpx.AsyncClient(trust_env=False, timeout=20) as http:
            play.running, play.http = again, http
            after = (await play.ask(model="gpt-4o-mini")).headers["x-request-id"]
            await play.idle()
        by_old, by_new = agreeing(play, before), agreeing(play, after)
        assert (["routed", "held"], by_new[1]) == by_old[:2]
        sources = [(play.paths.cards / f"{cards}.json").read_text(encoding="utf-8") for *_, cards in (by_old, by_new)]
        assert [False, True] == ["genai-prices 9.9.9" in source for source in sources]
        # 11 tokens in and 10 out, at 0.15 USD a Mtok in, and out at 0.6 and at 60.
        assert ["0.00000765", "0.00060165"] == [holds(play, call_id)[0][2] for call_id in (before, after)]


def dearer() -> list[Provider]:
    """Return the catalogue's data with another price of gpt-4o-mini's output, as a newer release brings it."""
    providers = copy.deepcopy(data.providers)
    model = next(provider for provider in providers if provider.id == "openai").find_model("gpt-4o-mini")
    assert model is not None
    assert isinstance(model.prices, ModelPrice)
    assert Decimal("0.6") == model.prices.output_mtok
    model.prices = ModelPrice(input_mtok=Decimal("0.15"), output_mtok=Decimal(60))
    return providers


def newer(_package: str) -> str:
    """Return the version of that release."""
    return "9.9.9"


async def test_a_call_across_midnight(tmp_path: Path) -> None:
    """It is decided again over the page's end, however many pages lie between; each page that is gone is named."""
    go = asyncio.Event()
    async with playing(tmp_path) as play:
        await play.ask()
        play.clock.stop()
        now = play.clock()
        play.clock.on(seconds=(now.replace(hour=23, minute=59, second=50) - now).total_seconds())
        play.relay.answers((go, *NOT_FOUND))
        call = asyncio.create_task(play.ask())
        await play.relay.reached(2)
        for _ in range(2):
            play.clock.on(days=1)
            assert 200 == (await play.ask()).status
        go.set()
        call_id = (await call).headers["x-request-id"]
        await play.idle()
        days = pages(play.paths.ledger)
        assert 3 == len(days)
        assert ["routed", "held", "held"] == agreeing(play, call_id)[0]
    first, between, _last = (page_path(play.paths.ledger, day) for day in days)

    aside = between.rename(tmp_path / "aside")
    again = replayed(play, call_id, code=1)
    assert (2, ["held"]) == (again["agreed"], [one["type"] for one in again["unknown"]])
    assert again["unknown"][0]["why"].endswith(f"are not here: put page {days[1]} back from a backup")
    aside.rename(between)

    first.unlink()
    again = replayed(play, call_id, code=1)
    assert (0, [], ["routed", "held"]) == (
        again["agreed"],
        again["decisions"],
        [one["type"] for one in again["unknown"]],
    )
    assert {f"{first}, on which the call was routed, is gone: put it back from a backup"} == {
        one["why"] for one in again["unknown"]
    }


async def test_a_call_under_way(tmp_path: Path) -> None:
    """What was decided of an open call so far is made again while the proxy writes."""
    go = asyncio.Event()
    async with playing(tmp_path) as play:
        play.relay.answers((go, *plain(completion())))
        call = asyncio.create_task(play.ask())
        await play.relay.reached(1)
        call_id = next(iter(play.fold.calls))
        assert ["routed", "held"] == agreeing(play, call_id)[0]
        go.set()
        assert call_id == (await call).headers["x-request-id"]


async def test_what_was_kept_and_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its config or its cards a call is told as ever, and the file that is missing is named."""
    monkeypatch.setenv("COLUMNS", "400")  # no path is folded
    async with playing(tmp_path) as play:
        call_id = (await play.ask()).headers["x-request-id"]
        await play.idle()
        _kinds, config, cards = agreeing(play, call_id)
    for path in (play.paths.configs / f"{config}.json", play.paths.cards / f"{cards}.json"):
        aside = path.rename(tmp_path / "aside")
        ran = explained(play, call_id)
        assert (1, "") == (ran.code, ran.err)
        assert ran.out.startswith(f"call {call_id}  answered 200")
        assert f"can't be made again: {path} is gone: put it back from a backup" in ran.out
        aside.rename(path)
    assert ["routed", "held"] == agreeing(play, call_id)[0]
