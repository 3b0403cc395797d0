"""The spine, as transcripts: what was asked, what the upstreams answered, what the ledger says, what the client got."""

from pathlib import Path

from playbook import playing

ROUTED = "routed smart: relay/relay-gpt-5 official/gpt-5"


async def test_plain(tmp_path: Path) -> None:
    """A call is routed, held, settled; the reply is the upstream's, byte for byte."""
    async with playing(tmp_path) as play:
        reply = await play.ask()
        assert 200 == reply.status, reply.body
        assert [
            ROUTED,
            "held 1 first relay by wallet",
            "settled 1 ok 0.048 CNY computed; final 200",
        ] == play.transcript()
