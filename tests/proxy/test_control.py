"""The control socket: the state, adjustments and reloads of a running proxy."""

import asyncio
import stat
from pathlib import Path

from playbook import Playbook, playing
from upstreams import completion, plain, refusal

from tokens_forge.core.adjustment import Order


def edit(play: Playbook, before: str, after: str) -> None:
    """Change the config file."""
    text = play.paths.config.read_text(encoding="utf-8")
    assert before in text
    play.paths.config.write_text(text.replace(before, after), encoding="utf-8")


async def test_the_socket_is_the_users_alone(tmp_path: Path) -> None:
    """DESIGN 4: 0600, and nothing but what it offers."""
    async with playing(tmp_path) as play:
        assert 0o600 == stat.S_IMODE(play.paths.socket.stat().st_mode)
        assert 404 == (await play.control("POST", "/state")).status
    assert not play.paths.socket.exists()


async def test_the_state_is_what_is_enforced(tmp_path: Path) -> None:
    """CASES 37: posted, held and available as the next decision will see them."""
    go = asyncio.Event()
    async with playing(tmp_path) as play:
        play.relay.answers((go, *plain(completion())))
        call = asyncio.create_task(play.ask())
        await play.relay.reached(1)
        state = (await play.control("GET", "/state")).json
        wallet = next(row for row in state["balances"] if row["name"] == "wallet")
        assert ("100", "0.111", "99.889", 1) == (
            wallet["posted"],
            wallet["held"],
            wallet["available"],
            state["open_calls"],
        )
        assert (play.url, str(play.paths.config)) == (state["url"], state["config"])
        go.set()
        assert 200 == (await call).status


async def test_what_can_not_be_adjusted(tmp_path: Path) -> None:
    """A refusal says what to do instead, and enters nothing."""
    async with playing(tmp_path) as play:
        before = play.running.proxy.books.ledger.seq
        wrong = await play.control("POST", "/adjust", Order(balance="walet", kind="topup", amount="1 CNY"))
        assert (409, "no balance named `walet`. Did you mean `wallet`?") == (wrong.status, wrong.json["error"])
        assert 400 == (await play.control("POST", "/adjust", {"balance": "wallet"})).status
        assert before == play.running.proxy.books.ledger.seq


async def test_a_reload_changes_what_comes_next(tmp_path: Path) -> None:
    """It is recorded with what changed; a call in flight keeps the terms that it began with."""
    go = asyncio.Event()
    async with playing(tmp_path) as play:
        play.relay.answers((go, *plain(completion())))
        call = asyncio.create_task(play.ask())
        await play.relay.reached(1)
        edit(play, "input = 1, output = 10", "input = 2, output = 20")
        reloaded = await play.control("POST", "/reload")
        assert 200 == reloaded.status
        assert 1 == len(reloaded.json["changes"])
        go.set()
        assert "0.048 CNY" == (await call).headers["x-tf-charge"]
        assert "0.096 CNY" == (await play.ask()).headers["x-tf-charge"]


async def test_a_call_in_flight_keeps_its_upstreams(tmp_path: Path) -> None:
    """What it falls back to is where it was when the call began."""
    go = asyncio.Event()
    async with playing(tmp_path) as play:
        play.relay.answers((go, *refusal(404)))
        call = asyncio.create_task(play.ask())
        await play.relay.reached(1)
        edit(play, play.official.url, "http://127.0.0.1:1/v1")
        assert 200 == (await play.control("POST", "/reload")).status
        go.set()
        assert "official" == (await call).headers["x-tf-route"]


async def test_a_config_with_errors_changes_nothing(tmp_path: Path) -> None:
    """Every error is said with its line; the config in force stays."""
    async with playing(tmp_path) as play:
        edit(play, 'balance = "wallet"', 'balance = "walet"')
        reloaded = await play.control("POST", "/reload")
        assert 409 == reloaded.status
        assert "balance: no balance named `walet`. Did you mean `wallet`?" in reloaded.json["error"]
        assert 200 == (await play.ask()).status


async def test_an_edited_file_is_noticed(tmp_path: Path) -> None:
    """Editors rename another file to the config: the folder is watched, and what changed is said."""
    async with playing(tmp_path) as play:
        said = asyncio.Queue[str]()
        books = play.running.proxy.books
        following = asyncio.create_task(play.running.proxy.in_force.follow(books, said.put_nowait))
        async with asyncio.timeout(20):
            while said.empty():  # the watch begins in a thread of its own, some time after it was asked for
                beside = tmp_path / "beside"
                text = play.paths.config.read_text(encoding="utf-8")
                beside.write_text(text.replace('fallback = "any"', 'fallback = "none"'), encoding="utf-8")
                beside.rename(play.paths.config)
                await asyncio.sleep(0.2)
        following.cancel()
        assert "none" == play.running.proxy.in_force.terms.config.model["smart"].fallback
