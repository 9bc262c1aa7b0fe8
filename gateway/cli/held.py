"""``gateway held``: what could not be opened, verified, stored or delivered. docs/operations.md, Held."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.output import ConfigOption, Exit, JsonFlag, emit, errors, next_step

app = typer.Typer(help="What could not be taken in, and what an agency did not take.", no_args_is_help=True)

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="As `gateway held list` shows it.")]
PlaceOption = Annotated[str, typer.Option(help="Only from: intake, quarantine, returned or parcel.")]
CodeOption = Annotated[str, typer.Option(help="Only what is held for this code.")]
ReasonOption = Annotated[
    str, typer.Option(help="Why, in words, or - to type it where no list of processes shows it; kept sealed.")
]


@app.command("list")
def listing(
    place: PlaceOption = "",
    code: CodeOption = "",
    settled: Annotated[bool, typer.Option("--settled", help="Those that are held no more.")] = False,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1, max=1000)] = 100,
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """What is held: messages newest first, then parcels oldest first. Takes nothing from anywhere."""
    with errors(as_json=as_json):
        from gateway.cli import held_work

        rows = held_work.listed(config, place, code, limit, settled=settled)
        emit({"held": rows}, as_json=as_json, text="\n".join(map(held_work.line, rows)) or "nothing is held")
        if rows and not settled:
            next_step("gateway held show ID")


@app.command()
def show(identity: IdArgument, config: ConfigOption = None, as_json: JsonFlag = False) -> None:
    """One of them: codes, times, sizes, what our own verification says now, and what to do. No content."""
    with errors(as_json=as_json):
        from gateway.cli import held_work

        found = held_work.shown(config, identity)
        emit(found, as_json=as_json, text=held_work.told(found))


@app.command()
def retry(
    identity: Annotated[str, typer.Argument(metavar="[ID]", help="As `gateway held list` shows it.")] = "",
    every: Annotated[bool, typer.Option("--all", help="All, but what kills its reader.")] = False,
    code: CodeOption = "",
    place: PlaceOption = "",
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Verify a message and take it in as if it came now; give a parcel to its agency again."""
    with errors(as_json=as_json):
        from gateway.cli import held_work

        found = held_work.retried(config, identity, code, place, every=every)
        lines = "\n".join(map(held_work.outcome, found["held"]))
        emit(found, as_json=as_json, text=lines or "nothing is held")
        if not all(one["done"] for one in found["held"]):
            raise typer.Exit(Exit.VERIFICATION_FAILED)


@app.command()
def release(
    identity: IdArgument, reason: ReasonOption, config: ConfigOption = None, as_json: JsonFlag = False
) -> None:
    """A parcel was handed over by hand: on record, and given to nobody any more."""
    _settle(identity, reason, "release", config, as_json=as_json)


@app.command()
def discard(
    identity: IdArgument, reason: ReasonOption, config: ConfigOption = None, as_json: JsonFlag = False
) -> None:
    """Destroy the bytes of a message that is nobody's: on record, with who decided it."""
    _settle(identity, reason, "discard", config, as_json=as_json)


def _settle(identity: str, reason: str, act: str, config: ConfigOption, *, as_json: bool) -> None:
    with errors(as_json=as_json):
        from gateway.cli import held_work
        from gateway.cli.files import read_input

        if reason == "-":
            reason = read_input(Path("-")).decode(errors="replace").strip()
        found = held_work.settled(config, identity, reason, act)
        emit(found, as_json=as_json, text="\n".join(map(held_work.outcome, found["held"])))
