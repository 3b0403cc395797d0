"""`tf`: the global options, the list of commands, and what an exit code means.

Exit codes: 0 done; 1 an expected failure (`ForgeError`), its text on stderr; 2 a bad command line; 130 interrupted. A
bug is none of these and shows its traceback. One file a command; each imports what is heavy inside its function, as
shell completion starts `tf` on every Tab.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from tokens_forge.cli import (
    balance,
    check,
    connect,
    demo,
    doctor,
    explain,
    init,
    keys,
    ledger,
    monitor,
    plan,
    prices,
    routes,
    serve,
    spend,
    task,
)
from tokens_forge.cli.output import hint
from tokens_forge.cli.periods import PeriodCommand
from tokens_forge.core.errors import ForgeError
from tokens_forge.files.paths import CONFIG_VARIABLE, DATA_VARIABLE, resolve

app = typer.Typer(
    name="tf",
    help="Which balance should this call burn, and why? A localhost OpenAI-compatible proxy with an exact ledger.",
    # Plain help: Rich would more than double the time of `tf --help` and read markup in texts that are none.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# The commands, in the order of the help: one line each.
app.command("demo")(demo.demo)
app.command("init")(init.init)
app.command("check")(check.check)
app.add_typer(keys.app, name="keys")
app.add_typer(prices.app, name="prices")
app.command("serve")(serve.serve)
app.command("connect")(connect.connect)
app.command("plan")(plan.plan)
app.command("explain")(explain.explain)
app.command("spend", cls=PeriodCommand)(spend.spend)
app.command("monitor")(monitor.monitor)
app.add_typer(balance.app, name="balance")
app.add_typer(task.app, name="task")
app.add_typer(routes.app, name="routes")
app.command("doctor")(doctor.doctor)
app.add_typer(ledger.app, name="ledger")


def main() -> None:
    """Run `tf` with the process's arguments and end the process with its exit code."""
    try:
        try:
            typer.main.get_command(app)(prog_name="tf")
        except ForgeError as error:
            hint(f"tf: {error}")
            sys.exit(1)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # The reader has left (`tf keys list | head -0`). Python would flush once more at its end and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


@app.callback(invoke_without_command=True)
def global_options(
    ctx: typer.Context,
    config: Annotated[
        Path | None, typer.Option("--config", help=f"The config file (else {CONFIG_VARIABLE}).", show_default=False)
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option("--data-dir", help=f"The folder of ledger and keys (else {DATA_VARIABLE}).", show_default=False),
    ] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Use the demo's config and ledger.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Decide which files the command works on; `ctx.obj` is their `Paths`."""
    if version:
        from importlib import metadata

        typer.echo(f"tf {metadata.version('tokens-forge')}")
        raise typer.Exit
    if demo and config is not None:
        raise typer.BadParameter("the demo has a config of its own: leave one of the two out", param_hint="--config")
    ctx.obj = resolve(config=config, data_dir=data_dir, demo=demo, environ=os.environ)
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())
