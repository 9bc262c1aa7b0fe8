"""The command tree. Commands live in modules of their own and import what is heavy when they run."""

from __future__ import annotations

import typer

from gateway.cli import demo, node

app = typer.Typer(
    name="gateway",
    help="Signed, sealed handovers between the agencies of London boroughs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("run")(node.run)
app.command("demo")(demo.demo)


def main() -> None:
    app()
