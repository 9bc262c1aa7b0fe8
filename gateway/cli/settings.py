"""``gateway config``: the settings that apply, and whether a node could run with them."""

from __future__ import annotations

import typer

from gateway.cli.output import ConfigOption, Exit, JsonFlag, emit, errors, next_step

app = typer.Typer(help="The settings of this node.", no_args_is_help=True)


@app.command()
def show(config: ConfigOption = None, as_json: JsonFlag = False) -> None:
    """The settings as they apply, environment included; a password in a URL is not shown."""
    with errors(as_json=as_json):
        from gateway.cli import checking

        emit(checking.shown(config), as_json=as_json)


@app.command()
def example(as_json: JsonFlag = False) -> None:
    """Print the section [governance] to copy: assessments, policy documents, sharing agreements."""
    with errors(as_json=as_json):
        from gateway.governance import EXAMPLE

        if as_json:
            emit({"toml": EXAMPLE}, as_json=True)
        else:
            typer.echo(EXAMPLE, nl=False)


@app.command()
def check(config: ConfigOption = None, as_json: JsonFlag = False) -> None:
    """Try everything that `gateway run` needs, each with its fix. Exit 8 when something is to be mended."""
    with errors(as_json=as_json):
        from gateway.cli import checking
        from gateway.config import load

        settings = load(config)
        found = checking.checks(settings, checking.once(settings))
        emit(found, as_json=as_json, text="\n".join(map(checking.line, found["checks"])))
        if found["ready"]:
            next_step("gateway run")
    raise typer.Exit(Exit.OK if found["ready"] else Exit.NOT_READY)
