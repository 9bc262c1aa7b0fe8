"""``gateway report``: figures for the board, and the record of processing. Aggregates and settings alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.client import ActorOption, RoleOption
from gateway.cli.output import ConfigOption, JsonFlag, emit, errors

app = typer.Typer(help="What the board and the data protection officer are given.", no_args_is_help=True)

HtmlOption = Annotated[
    Path | None, typer.Option("--html", help="Write a page to print here too.", show_default=False)
]


@app.command()
def quarter(
    name: Annotated[str, typer.Argument(metavar="QUARTER", help="2026Q4.")],
    actor: ActorOption,
    role: RoleOption,
    equality: Annotated[
        Path | None,
        typer.Option(
            help="JSON of the borough's own counts for monitoring, by category; suppressed like the others.",
            show_default=False,
        ),
    ] = None,
    html: HtmlOption = None,
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Handovers, answers, lateness, openings; no count from 1 to 4, nor one that gives such a count away."""
    with errors(as_json=as_json):
        from gateway.cli import figures

        found = figures.quarter(config, name, actor=actor, role=role, equality=equality)
        figures.print_page(html, f"Quarterly report {name}", found)
        emit(found, as_json=as_json, text=figures.told(found))


@app.command()
def processing(html: HtmlOption = None, config: ConfigOption = None, as_json: JsonFlag = False) -> None:
    """The record of processing activities (s.61 DPA 2018, Art 30 UK GDPR), out of settings and directory."""
    with errors(as_json=as_json):
        from gateway.cli import figures

        found = figures.processing(config)
        figures.print_page(html, "Record of processing activities", found)
        emit(found, as_json=as_json, text=figures.told(found))
