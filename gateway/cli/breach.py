"""``gateway breach``: handovers that somebody else had, the 72 hours, and what was decided."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.output import ConfigOption, JsonFlag, emit, errors, next_step
from gateway.core.breach import Delay, Exemption, What

app = typer.Typer(
    help="Personal data breaches and near misses: the clock, decisions, the report.", no_args_is_help=True
)

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="As `gateway breach list` shows it.")]
ActorOption = Annotated[str, typer.Option(help="Who has it done: a staff reference, never a name.")]
RoleOption = Annotated[
    str, typer.Option("--by", help="The role that decides, e.g. 'Data Protection Officer'.")
]


@app.command("list")
def list_(
    ref: Annotated[str, typer.Argument(help="Of one handover; without it all.", show_default=False)] = "",
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """The records, oldest first: what is open, until when the Commissioner has to be told."""
    with errors(as_json=as_json):
        from gateway.cli import breaching

        found = breaching.listed(config, ref)
        lines = [breaching.line(one) for one in found["breaches"]]
        emit(found, as_json=as_json, text="\n".join(lines) or "no breaches")


@app.command()
def show(identity: IdArgument, config: ConfigOption = None, as_json: JsonFlag = False) -> None:
    """One record with every step: codes, roles and times. A rationale stands in the report alone."""
    with errors(as_json=as_json):
        from gateway.cli import breaching

        found = breaching.one(config, identity)
        emit(found, as_json=as_json, text=breaching.told(found))


@app.command("open")
def open_(
    ref: Annotated[str, typer.Argument(help="The handover that it is about.")],
    area: Annotated[str, typer.Option(help="The area where it happened, e.g. E09000028.")],
    code: Annotated[str, typer.Option(help="What happened: a code, e.g. PRINT_LOST.")],
    role: RoleOption,
    aware: Annotated[str, typer.Option(help="When you knew, 2027-03-03T15:10:00Z; default: now.")] = "",
    people: Annotated[int, typer.Option(help="About how many people it concerns.")] = 1,
    actor: ActorOption = "operator",
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Record a breach that no receipt tells of. The 72 hours run from when you knew."""
    with errors(as_json=as_json):
        from gateway.cli import breaching

        found = breaching.open_(config, ref, area, code, role, actor, aware, people)
        emit(found, as_json=as_json, text=breaching.told(found))
        next_step(f"gateway breach decide {found['id']} {What.NOTIFY_ICO} --by 'Data Protection Officer'")


@app.command()
def decide(
    identity: IdArgument,
    decision: Annotated[What, typer.Argument(help="What was decided, or done.")],
    role: RoleOption,
    rationale: Annotated[
        Path | None, typer.Option("--rationale-file", help="Why, in words, in a file; kept sealed.")
    ] = None,
    at: Annotated[str, typer.Option(help="When it was done, 2027-03-04T10:00:00Z; default: now.")] = "",
    delay: Annotated[Delay | None, typer.Option(help="Why the Commissioner hears after 72 hours.")] = None,
    exemption: Annotated[Exemption | None, typer.Option(help="Why the person is not told.")] = None,
    high_risk: Annotated[bool, typer.Option(help="The risk is high: the person has to be told.")] = False,
    actor: ActorOption = "operator",
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Put a decision on record; the first one stops the clock. NOTIFY_ICO: the Commissioner has been told."""
    with errors(as_json=as_json):
        from gateway.cli import breaching

        found = breaching.decide(
            config, identity, decision, role, actor, rationale, at, delay, exemption, high_risk=high_risk
        )
        emit(found, as_json=as_json, text=breaching.told(found))
        if found["subject_owed"]:
            next_step(f"gateway breach decide {identity} {What.TELL_SUBJECT} --by '{role}'")


@app.command()
def report(
    identity: IdArgument,
    out: Annotated[Path, typer.Option(help="Where to put the file.")],
    contact: Annotated[str, typer.Option(help="Role and mailbox from which more can be had; no name.")],
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """What the Commissioner has to be told (s.67(4) DPA 2018), as far as a gateway knows it. No names."""
    with errors(as_json=as_json):
        from gateway.cli import breaching

        found = breaching.report(config, identity, out, contact)
        emit(found, as_json=as_json, text=f"written: {found['file']}")
