"""`tf serve`: the proxy, until it is stopped."""

from typing import Annotated

import typer

from tokens_forge.cli.output import hint
from tokens_forge.files.paths import Paths


def serve(
    ctx: typer.Context,
    host: Annotated[str, typer.Option(help="Listen here instead of the config's host.", show_default=False)] = "",
    port: Annotated[
        int | None, typer.Option(help="Listen on this port instead; 0 takes a free one.", min=0, max=65535)
    ] = None,
) -> None:
    """Serve the proxy on localhost until Ctrl-C; calls in flight then end or are settled."""
    import asyncio

    asyncio.run(_serve(ctx.obj, host, port))


async def _serve(paths: Paths, host: str, port: int | None) -> None:
    import asyncio
    import gc
    import os

    from tokens_forge.proxy.server import running, until_stopped

    async with running(paths, os.environ, host=host, port=port) as proxy:
        for note in proxy.notes:
            hint(f"note: {note}")
        hint(f"tf serves {proxy.url}/v1 by {paths.config}, ledger {paths.ledger}. Ctrl-C stops it.")
        following = asyncio.create_task(proxy.proxy.in_force.follow(proxy.proxy.books, hint))
        # What was loaded stays: the collector need not look at it again for every thousandth object of a call.
        gc.freeze()
        await until_stopped()
        following.cancel()
        hint("stopping: calls in flight end or are settled")
