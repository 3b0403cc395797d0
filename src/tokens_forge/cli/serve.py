"""`tf serve`: the proxy, until it is stopped."""

from collections.abc import Callable
from typing import Annotated

import typer

from tokens_forge.cli.demo import demo_paths, is_demo, program, try_it
from tokens_forge.cli.output import hint
from tokens_forge.files.paths import Paths


def serve(
    ctx: typer.Context,
    host: Annotated[str, typer.Option(help="Listen here instead of the config's host.", show_default=False)] = "",
    port: Annotated[
        int | None, typer.Option(help="Listen on this port instead; 0 takes a free one.", min=0, max=65535)
    ] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Serve the demo: its config and ledger, its upstreams.")] = False,
) -> None:
    """Serve the proxy on localhost until Ctrl-C; calls in flight then end or are settled."""
    import asyncio

    if demo or is_demo(ctx):
        asyncio.run(_serve_demo(demo_paths(ctx), host, port, program(ctx)))
    else:
        asyncio.run(_serve(ctx.obj, host, port))


async def _serve_demo(paths: Paths, host: str, port: int | None, tf: str) -> None:
    """Serve the demo's config while its upstreams run; without upstreams it could answer nothing."""
    from datetime import UTC, datetime

    from tokens_forge.proxy.demo import KEYS, standing

    async with standing(paths, datetime.now(UTC), anew=False) as tokens:
        await _serve(
            paths,
            host,
            port,
            greet=lambda url: hint(
                f"Try it, as the key {KEYS[0]}:\n\n{try_it(url, tokens[KEYS[0]])}\n\n"
                f"Then, in another terminal:\n\n  {tf} --demo explain last\n  {tf} --demo monitor\n"
            ),
        )


async def _serve(
    paths: Paths, host: str, port: int | None, *, greet: Callable[[str], None] = lambda _url: None
) -> None:
    import asyncio
    import gc
    import os

    from tokens_forge.proxy.server import running, stop_asked

    stop = stop_asked()
    async with running(paths, os.environ, host=host, port=port) as proxy:
        for note in proxy.notes:
            hint(f"note: {note}")
        hint(f"tf serves {proxy.url}/v1 by {paths.config}, ledger {paths.ledger}. Ctrl-C stops it.")
        greet(proxy.url)
        following = asyncio.create_task(proxy.proxy.in_force.follow(proxy.proxy.books, hint))
        # What was loaded stays: the collector need not look at it again for every thousandth object of a call.
        gc.freeze()
        await stop.wait()
        following.cancel()
        hint("stopping: calls in flight end or are settled")
