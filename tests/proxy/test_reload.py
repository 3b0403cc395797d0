"""A config that changes while calls are under way: what they keep, what comes next, and what stays as it was."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from playbook import SECRETS, Playbook, Reply, Setup, playing
from upstreams import completion, plain, refusal, until

from tokens_forge.core.entries import Configured
from tokens_forge.files.kept_terms import kept_config
from tokens_forge.files.ledger_reader import read_lines

ROUTED = "routed smart: relay/relay-gpt-5 official/gpt-5"
BY_RELAY = "settled 1 ok 0.048 CNY computed; final 200"


def rewrite(play: Playbook, change: Callable[[str], str]) -> None:
    """Change the config file, as an editor that saves in place."""
    play.paths.config.write_text(change(play.paths.config.read_text(encoding="utf-8")), encoding="utf-8")


async def reload(play: Playbook, before: str, after: str) -> Reply:
    """Change a part of the config file and have it read again."""
    text = play.paths.config.read_text(encoding="utf-8")
    assert before in text
    rewrite(play, lambda text: text.replace(before, after))
    return await play.control("POST", "/reload")


def configured(play: Playbook) -> list[tuple[str, ...]]:
    """Return what the ledger says of every config that came into force, but for the first."""
    lines = [line.entry for line in read_lines(play.paths.ledger)]
    return [entry.changes for entry in lines if isinstance(entry, Configured)][1:]


async def test_a_call_keeps_the_candidates_that_it_began_with(tmp_path: Path) -> None:
    """A route that is gone from the config still answers the call that was routed to it; the next one is not."""
    go = asyncio.Event()
    async with playing(tmp_path) as play:
        play.relay.answers((go, *refusal(404, "model_not_found")))
        call = asyncio.create_task(play.ask())
        await play.relay.reached(1)
        assert 200 == (await reload(play, '"relay/gpt-5", "official/gpt-5"', '"relay/gpt-5"')).status
        go.set()
        assert "official" == (await call).headers["x-tf-route"]
        play.lines()
        await play.ask()
        assert ["routed smart: relay/relay-gpt-5", "held 1 first relay by wallet", BY_RELAY] == play.transcript()


async def test_a_call_keeps_its_boundary(tmp_path: Path) -> None:
    """A permission that is taken back holds from the next call on."""
    go = asyncio.Event()
    async with playing(tmp_path) as play:
        play.relay.answers((go, *refusal(404, "model_not_found")), refusal(404, "model_not_found"))
        call = asyncio.create_task(play.ask())
        await play.relay.reached(1)
        await reload(play, 'fallback = "any"', 'fallback = "none"')
        go.set()
        assert 200 == (await call).status
        assert (502, "candidates_exhausted") == (await play.ask()).error


async def test_a_smaller_allowance_takes_nothing_back(tmp_path: Path) -> None:
    """CASES 36: what was held under the larger one is settled; the next hold meets the smaller."""
    pool = """
[balance.plan]
kind = "pool"
unit = "requests"
windows = [{ allow = 3, per = "5h" }]
[route.plan]
class = "subscription"
upstream = "official"
balance = "plan"
serves = ["small"]
"""
    go = asyncio.Event()
    async with playing(tmp_path, Setup(more=pool)) as play:
        play.official.answers((go, *plain(completion())), (go, *plain(completion())))
        calls = [asyncio.create_task(play.ask(model="small")) for _ in range(2)]
        await play.official.reached(2)
        assert 1 == len((await reload(play, "allow = 3", "allow = 1")).json["changes"])
        go.set()
        assert [200, 200] == [(await call).status for call in calls]
        assert (402, "insufficient_balance") == (await play.ask(model="small")).error


async def test_a_key_is_narrowed_at_once(tmp_path: Path) -> None:
    """The next call of a key meets its new classes, and so does what it may see."""
    async with playing(tmp_path, Setup(more='[key.aider]\nclasses = ["direct", "ordinary"]')) as play:
        assert 200 == (await play.ask()).status
        changed = await reload(play, 'classes = ["direct", "ordinary"]', "classes = []")
        assert 1 == len(changed.json["changes"])
        assert (403, "not_allowed") == (await play.ask()).error
        assert [] == (await play.send("GET", "/v1/models")).json["data"]


async def test_a_cooldown_outlives_a_reload(tmp_path: Path) -> None:
    """CASES 39: reading the config again does not send calls back to what cools."""
    async with playing(tmp_path) as play:
        play.relay.answers(refusal(401))
        await play.ask()
        await reload(play, "input = 1, output = 10", "input = 2, output = 20")
        assert "relay/relay-gpt-5>official/gpt-5; cooling" == (await play.ask()).headers["x-tf-fell-back"]


async def test_every_error_is_said_at_once(tmp_path: Path) -> None:
    """A config with errors changes nothing, names every line, and leaves nothing in the ledger."""
    async with playing(tmp_path) as play:
        rewrite(play, lambda text: text.replace('serves = ["gpt-5",', 'servs = ["gpt-5",').replace('"any"', '"anny"'))
        before = play.running.proxy.in_force.terms
        refused = await play.control("POST", "/reload")
        assert 409 == refused.status
        lines = refused.json["error"].splitlines()
        assert all(line.startswith(f"{play.paths.config}:") for line in lines), lines
        assert [True, True] == [any(word in line for line in lines) for word in ("servs", "anny")]
        assert before is play.running.proxy.in_force.terms
        assert [] == configured(play)


async def test_a_file_that_is_gone_changes_nothing(tmp_path: Path) -> None:
    """Nor does one that is no TOML any more."""
    async with playing(tmp_path) as play:
        rewrite(play, lambda _text: "[balance")
        assert 409 == (await play.control("POST", "/reload")).status
        play.paths.config.unlink()
        assert 409 == (await play.control("POST", "/reload")).status
        assert 200 == (await play.ask()).status


async def test_a_balance_keeps_its_unit(tmp_path: Path) -> None:
    """CASES 46: a balance with entries in one unit is not read as another's money."""
    async with playing(tmp_path) as play:
        refused = await reload(play, "CNY", "EUR")
        assert 409 == refused.status
        assert "`wallet` is in CNY since its first entry, and the config says EUR" in refused.json["error"]
        assert 200 == (await play.ask()).status


async def test_nothing_changed_says_nothing(tmp_path: Path) -> None:
    """Read again as it was, a config leaves no line."""
    async with playing(tmp_path) as play:
        rewrite(play, lambda text: f"# a remark\n{text}")
        again = await play.control("POST", "/reload")
        assert (200, []) == (again.status, again.json["changes"])
        assert [] == configured(play)


async def test_what_waits_for_a_start_says_so(tmp_path: Path) -> None:
    """Where the proxy listens is not changed by a reload, and it does not say that it was; further hosts are ours."""
    async with playing(tmp_path, Setup(more="[server]\nport = 8787")) as play:
        assert 403 == (await play.send("GET", "/v1/models", headers={"host": "box.local:8787"})).status
        changed = await reload(play, "port = 8787", 'port = 9000\nhosts = ["Box.local:8787"]')
        port, hosts = changed.json["changes"]
        assert "server.port: 8787 → 9000, from the next start on" == port
        assert hosts.startswith("server.hosts: ")
        assert not hosts.endswith("start on")
        assert 200 == (await play.send("GET", "/v1/models", headers={"host": "box.local:8787"})).status


async def test_a_credential_that_comes_later(tmp_path: Path) -> None:
    """An upstream without its credential is passed over at no cost and cools nothing; a reload finds it."""
    setup = Setup(config=Setup().config.replace("env:RELAY_KEY", "file:relay.key"))
    async with playing(tmp_path, setup) as play:
        reply = await play.ask()
        assert "relay/relay-gpt-5>official/gpt-5; credential" == reply.headers["x-tf-fell-back"]
        assert {} == play.fold.health.cooldowns
        secret = tmp_path / "relay.key"
        secret.touch(0o600)
        secret.write_text(SECRETS["RELAY_KEY"], encoding="utf-8")
        assert 200 == (await play.control("POST", "/reload")).status
        assert "relay" == (await play.ask()).headers["x-tf-route"]


async def test_an_error_in_an_edited_file_is_said_and_mended(tmp_path: Path) -> None:
    """The watch outlives a file that can't be used: what was wrong is said, and the next save comes into force."""
    async with playing(tmp_path) as play:
        said: list[str] = []
        in_force = play.running.proxy.in_force
        following = asyncio.create_task(in_force.follow(play.running.proxy.books, said.append))
        good = play.paths.config.read_text(encoding="utf-8")

        def save(text: str) -> bool:
            """Save by renaming another file to it, again and again: nobody says when the watch has begun."""
            beside = tmp_path / "beside"
            beside.write_text(text, encoding="utf-8")
            beside.rename(play.paths.config)
            return True

        await until(lambda: save(good.replace('"any"', '"anny"')) and any("errors" in text for text in said))
        assert "any" == in_force.terms.config.model["smart"].fallback
        save(good.replace('"any"', '"none"'))
        await until(lambda: in_force.terms.config.model["smart"].fallback == "none")
        following.cancel()
        assert "config: model.smart.fallback: any → none" in said


async def test_a_sheet_that_the_machine_was_told_comes_into_force(tmp_path: Path) -> None:
    """A price that `tf prices` writes is charged from the next call on, and is part of the config that is kept."""
    sheet = 'from = 2026-01-01\nunit = "USD"\nper = "ktok"\ninput = "7"\noutput = "70"\n'
    told = f"[[route.official.prices.gpt-5-mini]]\n{sheet}"
    async with playing(tmp_path) as play:
        said: list[str] = []
        following = asyncio.create_task(play.running.proxy.in_force.follow(play.running.proxy.books, said.append))

        def save() -> bool:
            """Save again and again: nobody says when the watch has begun."""
            play.paths.prices.write_text(told, encoding="utf-8")
            return any("route.official.prices" in text for text in said)

        await until(save)
        following.cancel()
        play.lines()
        await play.ask(model="gpt-5-mini")
        assert "settled 1 ok 0.336 USD computed; final 200" in play.transcript()
        play.paths.prices.write_text(told.replace("70", "-1"), encoding="utf-8")
        refused = await play.control("POST", "/reload")
        assert (409, True) == (
            refused.status,
            "prices.toml:1 [route.official] prices.gpt-5-mini" in refused.json["error"],
        )
        kept = kept_config(play.paths, play.fold.config)
        assert kept is not None
        assert [1, 7] == [sheet.input for sheet in kept.route["official"].prices["gpt-5-mini"]]
