"""``gateway alarms``: what a person has to look at. docs/operations.md says what to do about each."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.output import ConfigOption, JsonFlag, emit, errors, next_step

app = typer.Typer(help="What a person has to look at.", no_args_is_help=True)

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="As `gateway alarms list` shows it.")]


@app.command("list")
def listing(
    cleared: Annotated[bool, typer.Option("--cleared", help="Those that were cleared instead.")] = False,
    limit: Annotated[int, typer.Option(help="How many, newest first.", min=1, max=1000)] = 100,
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """The alarms that stand, newest first."""
    with errors(as_json=as_json):
        from gateway.cli import database
        from gateway.config import load
        from gateway.flows import watch

        rows: list[Any] = database.read(
            load(config), lambda tx: watch.alarms(tx, cleared=cleared, limit=limit)
        )
        emit({"alarms": rows}, as_json=as_json, text="\n".join(map(_line, rows)) or "no alarms")
        if rows and not cleared:
            next_step("gateway alarms show ID")


@app.command()
def show(
    identity: IdArgument,
    evidence: Annotated[
        Path | None,
        typer.Option(help="Put the signed bytes that prove it into this file.", show_default=False),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """One alarm, and the evidence that it holds."""
    with errors(as_json=as_json):
        from gateway.cli import database
        from gateway.cli.files import write_output
        from gateway.config import load
        from gateway.flows import watch

        row = database.read(load(config), lambda tx: watch.alarm(tx, identity))
        if evidence is not None:
            write_output(evidence, row.evidence)
        emit(watch.alarm_facts(row), as_json=as_json)
        next_step(f"gateway alarms clear {identity} --reason WORD")


@app.command()
def clear(
    identity: IdArgument,
    reason: Annotated[str, typer.Option(help="One word for the log: checked_with_peer.")],
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Say that somebody has looked. It stays in the list of those that were cleared, and may sound again."""
    with errors(as_json=as_json):
        from gateway.cli import database
        from gateway.clock import SystemClock
        from gateway.config import load
        from gateway.flows import watch

        now, who = SystemClock().now(), getpass.getuser()
        row = database.write(
            load(config), lambda tx: watch.clear(tx, identity, who=who, reason=reason, now=now)
        )
        emit(watch.alarm_facts(row), as_json=as_json, text=f"{identity} is cleared")


def _line(row: dict[str, Any]) -> str:
    end = f"  cleared {row['cleared']} by {row['cleared_by']}" if row["cleared"] else ""
    return f"{row['id']}  {row['at']}  {row['code']:<20} {row['peer']}  {row['subject']}{end}".rstrip()
