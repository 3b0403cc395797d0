"""Rate cards and configs that can't be kept: nothing is decided by what the ledger does not name."""

from pathlib import Path

import pytest
from playbook import Setup, playing

from tokens_forge.proxy import reload

WILD = """
[upstream.wild]
dialect = "openai"
base_url = "http://127.0.0.1:1/v1"
provider = "openai"
credential = "env:RELAY_KEY"
[route.wild]
class = "direct"
upstream = "wild"
balance = "credit"
serves = ["gpt-4*"]
price = "list"
"""
"""A route by a pattern: what it serves is priced when it is asked for first."""


async def test_a_call_is_never_priced_by_cards_that_are_not_kept(tmp_path: Path) -> None:
    """While the disk keeps no cards, a call that needs new ones gets 507, every time; others go on."""
    async with playing(tmp_path, Setup(more=WILD)) as play:
        cards = play.fold.cards
        aside = play.paths.cards.rename(tmp_path / "aside")
        play.paths.cards.write_bytes(b"")

        for _ in range(2):
            assert (507, "ledger_stuck") == (await play.ask(model="gpt-4o")).error
        assert 200 == (await play.ask()).status
        assert ["routed", "held", "settled"] == [line.split()[0] for line in play.transcript()]
        assert cards == play.fold.cards

        play.paths.cards.unlink()
        aside.rename(play.paths.cards)
        assert 502 == (await play.ask(model="gpt-4o")).status
        assert cards != play.fold.cards
        assert (play.paths.cards / f"{play.fold.cards}.json").exists()


async def test_a_config_that_cannot_be_kept_does_not_come_into_force(tmp_path: Path) -> None:
    """A reload on a full disk says so and changes nothing; once there is space, it does."""
    async with playing(tmp_path) as play:
        before = play.running.proxy.in_force.terms, play.fold.config
        text = play.paths.config.read_text(encoding="utf-8")
        play.paths.config.write_text(f"{text}\n[policy]\nattempts = 3\n", encoding="utf-8")
        aside = play.paths.configs.rename(tmp_path / "aside")
        play.paths.configs.write_bytes(b"")

        assert 507 == (await play.control("POST", "/reload")).status
        assert before == (play.running.proxy.in_force.terms, play.fold.config)

        play.paths.configs.unlink()
        aside.rename(play.paths.configs)
        reply = await play.control("POST", "/reload")
        assert (200, ["policy.attempts: 4 → 3"]) == (reply.status, reply.json["changes"])
        assert 3 == play.running.proxy.in_force.terms.config.policy.attempts


async def test_made_up_names_grow_no_file_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pattern takes any name: only the last few keep their cards, and what the config names keeps them always."""
    monkeypatch.setattr(reload, "MOST_PASSING", 2)
    any_name = """
[route.any]
class = "local"
upstream = "official"
balance = "credit"
serves = ["any-*", "named"]
price = { per = "call", amount = "0.01 USD" }
"""
    async with playing(tmp_path, Setup(more=any_name)) as play:
        for name in ("any-1", "any-2", "any-3", "any-2"):
            assert 200 == (await play.ask(model=name)).status
        kept = [name for name in play.running.proxy.in_force.terms.cards.charge if name.startswith("any/")]
        assert ["any/named", "any/any-2", "any/any-3"] == kept
        assert 200 == (await play.ask(model="any-1")).status
        kept = [name for name in play.running.proxy.in_force.terms.cards.charge if name.startswith("any/")]
        assert ["any/named", "any/any-3", "any/any-1"] == kept
