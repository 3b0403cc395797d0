"""What a bug of ours, or a process that is stopped hard, leaves behind: a closed call, no retry of the client's."""

import asyncio
from pathlib import Path

import httpx
import pytest
from playbook import playing

from tokens_forge.proxy import attempt, call, server

ROUTED = "routed smart: relay/relay-gpt-5 official/gpt-5"


def fails(*_arguments: object, **_named: object) -> None:
    """Be the bug."""
    raise ZeroDivisionError


async def test_a_bug_is_no_reason_to_ask_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """CASES 60: the SDK does not send the call again; the traceback is on the terminal of `tf serve`."""
    async with playing(tmp_path) as play:
        monkeypatch.setattr(server, "serve", fails)
        reply = await play.ask()
        assert ((500, "bug"), "false") == (reply.error, reply.headers["x-should-retry"])
        assert "ZeroDivisionError" in caplog.text
        monkeypatch.undo()
        assert 200 == (await play.ask()).status


async def test_a_bug_in_a_decision_leaves_no_call_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every routed has its closing entry, at once and not at the next start."""
    async with playing(tmp_path) as play:
        monkeypatch.setattr(call, "decide", fails)
        assert (500, "bug") == (await play.ask()).error
        assert [ROUTED, "refused stopping; final 503"] == play.transcript()


async def test_a_bug_before_the_contact_ends_the_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CASES 30: a hold always ends; nothing was sent, so nothing is charged."""
    async with playing(tmp_path) as play:
        monkeypatch.setattr(call.reply, "headers", fails)
        assert (500, "bug") == (await play.ask()).error
        assert [
            ROUTED,
            "held 1 first relay by wallet",
            "voided 1 not_sent stopped_before_contact zero; final 0",
        ] == play.transcript()


async def test_a_bug_in_an_attempt_is_not_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CASES 55: the request went out, so its input counts; the entry says that it is an estimate."""
    async with playing(tmp_path) as play:
        monkeypatch.setattr(attempt, "_take", fails)
        assert (500, "bug") == (await play.ask()).error
        _routed, _held, settled = play.transcript()
        assert settled.startswith("settled 1 broken stopped ")
        assert settled.endswith(" CNY estimated; final 0")


async def test_a_hard_stop_while_a_hold_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler that is cancelled before it contacts its upstream takes its hold with it."""

    async def cancelled(_books: object, _seq: int) -> bool:
        raise asyncio.CancelledError

    async with playing(tmp_path) as play:
        monkeypatch.setattr(call, "_written", cancelled)
        with pytest.raises(httpx.RemoteProtocolError):
            await play.ask()
        monkeypatch.undo()
        await play.idle()
        assert "voided 1 not_sent stopped_before_contact zero; final 0" == play.transcript()[-1]
