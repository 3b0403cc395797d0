"""The control socket: the state, adjustments and reloads of a running proxy."""

import asyncio
import stat
from pathlib import Path

import httpx
import pytest
from disks import Disk
from playbook import Playbook, Setup, playing
from upstreams import completion, plain, refusal

from tokens_forge.core.adjustment import Order
from tokens_forge.core.recovery import RecoverOrder


def edit(play: Playbook, before: str, after: str) -> None:
    """Change the config file."""
    text = play.paths.config.read_text(encoding="utf-8")
    assert before in text
    play.paths.config.write_text(text.replace(before, after), encoding="utf-8")


async def test_the_socket_is_the_users_alone(tmp_path: Path) -> None:
    """DESIGN 4: 0600, and nothing but what it offers; over TCP there is none of it."""
    async with playing(tmp_path) as play:
        assert 0o600 == stat.S_IMODE(play.paths.socket.stat().st_mode)
        for method, path in (
            ("POST", "/state"),
            ("GET", "/adjust"),
            ("GET", "/reload"),
            ("GET", "/recover"),
            ("POST", "/v1/chat/completions"),
        ):
            assert 404 == (await play.control(method, path)).status
        for path in ("/state", "/adjust", "/reload", "/recover"):
            assert 404 == (await play.send("POST", path, b"{}")).status
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


async def test_a_cooldown_is_shown(tmp_path: Path) -> None:
    """What is passed over, and until when, is what the next decision reads (CASES 37)."""
    async with playing(tmp_path) as play:
        play.relay.answers(refusal(402))
        await play.ask()
        until = play.fold.health.cooldowns["balance wallet"].until
        (shown,) = (await play.control("GET", "/state")).json["cooldowns"]
        call = play.closing().id
        assert {
            "scope": "balance",
            "name": "wallet",
            "state": "cooling",
            "until": until,
            "level": 1,
            "error": "insufficient_quota",
            "causes": [f"{call}/1"],
        } == shown


async def test_the_state_names_the_routes_and_the_retries(tmp_path: Path) -> None:
    """What `tf routes` asks for: the config in force, models that were used, retries of the last minute."""
    more = (
        '[route.other]\nclass = "direct"\nupstream = "official"\nbalance = "credit"\nserves = ["o-*"]\nprice = "free"'
    )
    async with playing(tmp_path, Setup(more=more)) as play:
        play.clock.stop()
        play.relay.answers(refusal(500))
        await play.ask()
        await play.ask(model="o-1")
        state = (await play.control("GET", "/state")).json
        assert [("relay", ["relay-gpt-5"]), ("official", ["gpt-5", "gpt-5-mini"]), ("other", ["o-1"])] == [
            (route["route"], route["models"]) for route in state["routes"]
        ]
        assert {"route": "relay", "class": "ordinary", "upstream": "relay", "balance": "wallet"}.items() <= (
            state["routes"][0].items()
        )
        assert {"calls": 2, "used": 1, "allowed": 3} == state["retry_budget"]


async def test_a_patterns_models_have_their_price_after_a_reload(tmp_path: Path) -> None:
    """Their cards come into force with the next call of each; until then the state looks them up."""
    listed = (
        '[route.list]\nclass = "direct"\nupstream = "official"\nbalance = "credit"\nserves = ["gpt-4*"]\nprice = "list"'
    )
    async with playing(tmp_path, Setup(official='provider = "openai"', more=listed)) as play:
        assert 200 == (await play.ask(model="gpt-4o")).status
        cards = play.fold.cards
        assert 200 == (await play.reload("[route.list]", "[route.anew]")).status
        assert 200 == (await play.reload("[route.anew]", "[route.list]")).status
        (route,) = (row for row in (await play.control("GET", "/state")).json["routes"] if row["route"] == "list")
        assert (["gpt-4o"], None) == (route["models"], route.get("unpriced"))
        assert cards != play.fold.cards, "it puts none in force"


async def test_a_cooldown_is_ended_by_hand(tmp_path: Path) -> None:
    """The next call may try at once; the entry says that a hand did it."""
    async with playing(tmp_path) as play:
        play.relay.answers(refusal(429, headers={"retry-after": "600"}))
        assert "official" == (await play.ask()).headers["x-tf-route"]
        done = await play.control("POST", "/recover", RecoverOrder(name="relay"))
        assert [("candidate", "relay/relay-gpt-5", "hand")] == [
            (entry["scope"], entry["name"], entry["by"]) for entry in done.json["entries"]
        ]
        assert "recovered candidate relay/relay-gpt-5" == play.transcript()[-1]
        assert "relay" == (await play.ask()).headers["x-tf-route"]


async def test_a_probe_under_way_that_a_hand_overtakes(tmp_path: Path) -> None:
    """Others need not wait for it any more; its own end recovers nothing twice, and its failure cools anew."""
    go = asyncio.Event()
    async with playing(tmp_path) as play:
        play.relay.answers(refusal(429, headers={"retry-after": "60"}), (go, *refusal(429)), plain(completion()))
        await play.ask()
        play.clock.on(seconds=61)
        probe = asyncio.create_task(play.ask())
        await play.relay.reached(2)
        (shown,) = (await play.control("GET", "/state")).json["cooldowns"]
        assert ("probing", True) == (shown["state"], shown["probe"].endswith("/1"))
        await play.control("POST", "/recover", RecoverOrder(name="relay/relay-gpt-5"))
        assert "relay" == (await play.ask()).headers["x-tf-route"]
        go.set()
        assert "official" == (await probe).headers["x-tf-route"]
        said = [line for line in play.transcript() if line.startswith(("cooled", "recovered"))]
        assert [
            "cooled candidate relay/relay-gpt-5 60 s, level 1, rate_limited",
            "recovered candidate relay/relay-gpt-5",
            "cooled candidate relay/relay-gpt-5 10 s, level 1, rate_limited",
        ] == said


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        (RecoverOrder(name="relay"), 409, "nothing cools"),
        ({}, 400, "name"),
        ([], 400, "object"),
    ],
)
async def test_what_can_not_be_recovered(tmp_path: Path, body: object, status: int, why: str) -> None:
    """A refusal says why, and enters nothing."""
    async with playing(tmp_path) as play:
        before = play.running.proxy.books.ledger.seq
        wrong = await play.control("POST", "/recover", body)
        assert (status, True) == (wrong.status, why in wrong.json["error"]), wrong.json
        assert before == play.running.proxy.books.ledger.seq


REFUSED = {
    "an unknown balance": (
        Order(balance="walet", kind="topup", amount="1 CNY"),
        "no balance named `walet`. Did you mean `wallet`?",
    ),
    "another unit (CASES 46)": (
        Order(balance="wallet", kind="topup", amount="1 USD"),
        "`wallet` is in CNY and never takes an amount in USD: write `1 CNY` if that is what moved; ",
    ),
    "no amount": (Order(balance="wallet", kind="set", amount="much"), "`much`"),
    "nothing added": (
        Order(balance="wallet", kind="topup", amount="0 CNY"),
        "a top-up of 0 CNY adds nothing: write how much came in",
    ),
    "less than nothing added": (Order(balance="wallet", kind="topup", amount="-5 CNY"), "a top-up of -5 CNY"),
    "finer than the ledger": (
        Order(balance="wallet", kind="adjust", amount="0.0000000000001 CNY"),
        "`0.0000000000001 CNY` has more than 12 decimal places",
    ),
    "a free balance": (
        Order(balance="own", kind="topup", amount="1 CNY"),
        "`own` is a free balance: only a prepaid or postpaid one takes money in",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_can_not_be_adjusted(tmp_path: Path, case: str) -> None:
    """A refusal says what to do instead, and enters nothing."""
    order, why = REFUSED[case]
    async with playing(tmp_path, Setup(more='[balance.own]\nkind = "free"')) as play:
        before = play.running.proxy.books.ledger.seq
        wrong = await play.control("POST", "/adjust", order)
        assert (409, True) == (wrong.status, why in wrong.json["error"]), wrong.json
        assert before == play.running.proxy.books.ledger.seq


@pytest.mark.parametrize(
    "body", [{"balance": "wallet"}, {"balance": "wallet", "kind": "gift", "amount": "1 CNY"}, [], 1]
)
async def test_what_is_no_order(tmp_path: Path, body: object) -> None:
    """400 says what is missing or wrong, and nothing is entered."""
    async with playing(tmp_path) as play:
        before = play.running.proxy.books.ledger.seq
        assert 400 == (await play.control("POST", "/adjust", body)).status
        assert before == play.running.proxy.books.ledger.seq


async def test_a_reference_counts_once(tmp_path: Path) -> None:
    """DESIGN 6: a repeated `--ref` is refused, so that an order sent twice adds its money once."""
    order = Order(balance="wallet", kind="topup", amount="50 CNY", ref="INV-7", paid="7.10 USD")
    async with playing(tmp_path) as play:
        assert 200 == (await play.control("POST", "/adjust", order)).status
        again = await play.control("POST", "/adjust", order)
        assert 409 == again.status
        assert "a reference counts once, so nothing was added again" in again.json["error"]
        assert ["adjusted wallet 50 CNY topup"] == play.transcript()


async def test_a_figure_of_the_provider_is_set(tmp_path: Path) -> None:
    """CASES 57: the difference is entered and named; the same figure again enters nothing."""
    order = Order(balance="wallet", kind="set", amount="98.5 CNY")
    async with playing(tmp_path) as play:
        done = (await play.control("POST", "/adjust", order)).json["entries"]
        assert [("100", "98.5")] == [(entry["balance_before"], entry["balance_after"]) for entry in done]
        assert (200, []) == ((same := await play.control("POST", "/adjust", order)).status, same.json["entries"])
        assert ["adjusted wallet -1.5 CNY unexplained"] == play.transcript()


async def test_an_adjustment_on_a_full_disk(tmp_path: Path) -> None:
    """CASES 42: it counts at once and is written later; the command is told so, and does not enter it again."""
    disk = Disk()
    async with playing(tmp_path, Setup(disk=disk)) as play:
        disk.full = True
        queued = await play.control("POST", "/adjust", Order(balance="wallet", kind="topup", amount="5 CNY"))
        assert 507 == queued.status
        assert queued.json["error"].endswith("; it is queued, and is written once the disk takes it")
        disk.full = False
        await play.idle()
        assert ["adjusted wallet 5 CNY topup"] == play.transcript()


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


async def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    """A request that is no UTF-8 is refused like any other that is no order."""
    transport = httpx.AsyncHTTPTransport
    async with playing(tmp_path) as play:
        over = transport(uds=str(play.paths.socket))
        async with httpx.AsyncClient(transport=over, base_url="http://tf") as client:
            got = await client.post("/adjust", content=b'{"balance":"\xff","kind":"topup","amount":"1 CNY"}')
        assert 400 == got.status_code
