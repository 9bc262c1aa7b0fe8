"""The command tree. Commands live in modules of their own and import what is heavy when they run."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli import (
    agency,
    agent,
    alarms,
    audit,
    breach,
    bridge,
    broker,
    db,
    demo,
    directory,
    doctor,
    drill,
    escalation,
    glass,
    handover,
    held,
    inbox,
    init,
    join,
    keys,
    log,
    node,
    notices,
    operating,
    peer,
    receipt,
    report,
    request,
    retention,
    schema,
    settings,
    shred,
    subject,
    urgent,
)
from gateway.cli.output import colours

app = typer.Typer(
    name="gateway",
    help="Signed, sealed handovers between the agencies of London boroughs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("borough-handover-gateway"))
        raise typer.Exit


@app.callback()
def gateway(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Signed, sealed handovers between the agencies of London boroughs.

    Data goes to stdout and talk to stderr; every command takes --json. New here: gateway demo.
    """
    from gateway.logs import configure

    configure(level="CRITICAL", colours=colours())  # a command speaks for itself; `run` logs


for name, command in (
    ("verbal", urgent.verbal),
    ("review", urgent.review),
    ("authorise", urgent.authorise),
    ("draft", urgent.draft),
    ("drafts", urgent.drafts),
    ("correct", notices.correct),
    ("withdraw", notices.withdraw),
    ("notice", notices.notice),
    ("notices", notices.notices),
):
    handover.app.command(name)(command)
inbox.app.command("notice")(notices.answer)
app.command("init")(init.init)
app.command("join")(join.join)
app.command("run")(node.run)
app.command("workers")(node.workers)
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.command("break-glass")(glass.break_glass)
app.command("areas")(operating.areas)
for name, group in (
    ("keys", keys.app),
    ("directory", directory.app),
    ("handover", handover.app),
    ("inbox", inbox.app),
    ("drill", drill.app),
    ("bridge", bridge.app),
    ("receipt", receipt.app),
    ("request", request.app),
    ("log", log.app),
    ("report", report.app),
    ("subject", subject.app),
    ("audit", audit.app),
    ("alarms", alarms.app),
    ("held", held.app),
    ("breach", breach.app),
    ("escalation", escalation.app),
    ("peer", peer.app),
    ("agency", agency.app),
    ("agency-agent", agent.app),
    ("shred", shred.app),
    ("retention", retention.app),
    ("schema", schema.app),
    ("db", db.app),
    ("broker", broker.app),
    ("config", settings.app),
):
    app.add_typer(group, name=name, no_args_is_help=True)


def main() -> None:
    app()
