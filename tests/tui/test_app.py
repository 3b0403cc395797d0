"""The monitor shows calls as the ledger grows, the story of the selected one, and balances with what is held."""

from pathlib import Path
from typing import cast

import pytest
from ledgers import (
    DAY,
    Ledger,
    at,
    call_id,
    fell_back,
    held_official,
    held_relay,
    paid_relay,
    routed,
    settled_official,
    voided_relay,
)
from rich.console import RenderableType
from rich.text import Text
from screens import printed
from textual.pilot import Pilot
from textual.widgets import DataTable, Input, Static

from tokens_forge.core import plain
from tokens_forge.core.config import Balance, Config
from tokens_forge.core.entries import Adjusted, Configured
from tokens_forge.core.moments import moment
from tokens_forge.files.pages import page_path
from tokens_forge.tui import app as monitor
from tokens_forge.tui.app import Monitor, first_page

NEXT = "2026-11-25"
HOUR_S = 3600.0


def app_on(folder: Path, configs: Path | None = None) -> Monitor:
    """Return a monitor that looks at the ledger when a test says so."""
    return Monitor(folder, configs=configs, now=lambda: moment(at("12:00:00")), poll_s=HOUR_S)


def shown(app: Monitor, name: str) -> str:
    """Return what a part of the screen shows."""
    picture = app.query_one(name, Static).content
    return "\n".join(printed(cast("RenderableType", picture), 200))


def calls(app: Monitor) -> list[list[str]]:
    """Return the rows of calls, top first."""
    table = cast("DataTable[Text]", app.query_one("#calls"))
    return [[str(cell) for cell in table.get_row_at(n)] for n in range(table.row_count)]


async def look(app: Monitor, pilot: Pilot[None]) -> None:
    """Let the monitor look at the ledger until nothing is new, and draw."""
    app.poll()
    await pilot.pause()


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
async def test_a_growing_ledger(tmp_path: Path, size: tuple[int, int]) -> None:
    """A call shows when it is held and when it is settled, newest first, its balances with it."""
    ledger = Ledger(tmp_path / "ledger")
    app = app_on(ledger.folder)
    async with app.run_test(size=size) as pilot:
        assert "No call in" in shown(app, "#story-text")
        assert "`tf serve` writes one" in shown(app, "#story-text")
        assert "no balances yet" in shown(app, "#balances-table")

        topup = Adjusted(balance="rmb-wallet", amount="500", unit="CNY", reason="topup")
        call = call_id(at("10:00:00"))
        ledger.add(at("10:00:00"), topup, routed(call), held_relay(call))
        await look(app, pilot)

        expected = ["10:00:00", "under way", "held 0.0412 CNY", "rmb-wallet", "aider", "smart", "relay", "1", ""]
        assert [expected] == calls(app)
        assert "0.0412 CNY  500 CNY" in shown(app, "#balances-table")
        assert "1 call, 1 under way" in shown(app, "#status")

        ledger.add(at("10:00:01"), voided_relay(call), held_official(call), settled_official(call))
        other = paid_relay(ledger, "10:00:02", n=2)
        await look(app, pilot)

        first = ["10:00:02", "200 ok", "0.02 CNY", "rmb-wallet", "aider", "smart", "relay", "1", ""]
        fell = "relay/gpt-5 → official/gpt-5"
        second = ["10:00:00", "200 ok", "0.0036 USD", "openai-credit", "aider", "smart", "official", "2", fell]
        assert [first, second] == calls(app)
        assert shown(app, "#story-text").startswith(f"call {other}  answered 200")
        assert ["-", "-", "499.98", "CNY", "-"] == shown(app, "#balances-table").splitlines()[1].split()[1:]


async def test_a_selected_call_stays_selected(tmp_path: Path) -> None:
    """The cursor stays on its call while newer ones come; at the top it follows the newest."""
    ledger = Ledger(tmp_path)
    older = fell_back(ledger)
    newer = paid_relay(ledger, "10:00:01", n=2)
    app = app_on(tmp_path)
    async with app.run_test() as pilot:
        await look(app, pilot)
        assert f"call {newer}" in shown(app, "#story-text")
        await pilot.press("down")
        assert f"call {older}" in shown(app, "#story-text")

        newest = paid_relay(ledger, "10:00:02", n=3)
        await look(app, pilot)
        assert f"call {older}" in shown(app, "#story-text")
        assert app.query_one("#calls", DataTable).cursor_row == 2
        await pilot.press("enter")
        assert app.focused is app.query_one("#story")

        await pilot.press("escape")
        assert f"call {newest}" in shown(app, "#story-text")


async def test_a_filter(tmp_path: Path) -> None:
    """`/` shows the calls that contain a text; Escape shows all again."""
    ledger = Ledger(tmp_path)
    fell_back(ledger)
    paid_relay(ledger, "10:00:01", n=2)
    app = app_on(tmp_path)
    async with app.run_test() as pilot:
        await pilot.press("slash", *"OPENAI", "enter")
        assert ["openai-credit"] == [row[3] for row in calls(app)]
        assert "1 call, 0 under way, with `OPENAI`" in shown(app, "#status")
        await pilot.press("slash", "end", "x")
        assert "No call contains `OPENAIx`" in shown(app, "#story-text")
        await pilot.press("escape")
        assert 2 == len(calls(app))
        assert not app.query_one("#filter", Input).has_class("shown")


async def test_a_pause(tmp_path: Path) -> None:
    """`p` keeps the picture still; what came meanwhile shows when it goes on."""
    ledger = Ledger(tmp_path)
    fell_back(ledger)
    app = app_on(tmp_path)
    async with app.run_test() as pilot:
        await pilot.press("p")
        paid_relay(ledger, "10:00:01", n=2)
        await look(app, pilot)
        assert 1 == len(calls(app))
        assert "paused" in shown(app, "#status")
        await pilot.press("p")
        await pilot.pause()
        assert 2 == len(calls(app))
        await pilot.press("q")
    assert app.return_code == 0


async def test_damage_is_shown(tmp_path: Path) -> None:
    """A page that can't be followed says why and leaves what was seen on the screen."""
    fell_back(Ledger(tmp_path))
    app = app_on(tmp_path)
    async with app.run_test() as pilot:
        page_path(tmp_path, DAY).write_bytes(b"")
        await look(app, pilot)
        assert "is shorter than what was read" in shown(app, "#status")
        assert 1 == len(calls(app))


async def test_what_is_available_comes_from_the_config_in_force(tmp_path: Path) -> None:
    """Available is what the books say with the config that the ledger names (CASES 37)."""
    config = Config(balance={"rmb-wallet": Balance(kind="prepaid", unit="CNY"), "local": Balance(kind="free")})
    (tmp_path / "c_1.json").write_bytes(plain.encode(config))
    ledger = Ledger(tmp_path / "ledger")
    call = call_id(at("10:00:00"))
    topup = Adjusted(balance="rmb-wallet", amount="500", unit="CNY", reason="topup")
    ledger.add(at("10:00:00"), Configured(config="c_1", cards="p_1"), topup, routed(call), held_relay(call))
    app = app_on(ledger.folder, tmp_path)
    async with app.run_test():
        picture = shown(app, "#balances-table").splitlines()
        assert ["rmb-wallet", "499.9588", "CNY", "0.0412", "CNY", "500", "CNY", "-"] == picture[1].split()
        assert ["local", "free", "-", "-", "-"] == picture[2].split()


async def test_a_call_that_began_on_an_earlier_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The story of a call whose beginning was not read comes whole from its page."""
    ledger = Ledger(tmp_path)
    call = call_id(at("23:59:59"))
    ledger.add(at("23:59:59"), routed(call), held_official(call, n=1, role="first"))
    ledger.add(at("00:00:01", NEXT), settled_official(call, n=1))
    monkeypatch.setattr(monitor, "_EARLIER", 0)
    app = app_on(tmp_path)
    async with app.run_test():
        assert 1 == len(calls(app))
        assert "about 1,180 tokens in" in shown(app, "#story-text")
        page_path(tmp_path, NEXT).unlink()
        page_path(tmp_path, DAY).unlink()
        app.action_all()
        assert f"call {call}  answered 200" in shown(app, "#story-text")


def test_the_first_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page before the newest is read too, unless it is large."""
    assert first_page(tmp_path) == ""
    ledger = Ledger(tmp_path)
    fell_back(ledger)
    assert DAY == first_page(tmp_path)
    fell_back(ledger, day=NEXT)
    assert DAY == first_page(tmp_path)
    monkeypatch.setattr(monitor, "_EARLIER", 10)
    assert NEXT == first_page(tmp_path)
