"""``gateway audit``: who did what with which handover, for the auditor's role; and proof for a stranger."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.client import HOME, ActorOption, Agency, ApiOption, RoleOption, TokenOption
from gateway.cli.output import ConfigOption, Exit, JsonFlag, emit, errors, next_step, say

app = typer.Typer(help="The access log (s.62 DPA 2018): read, checked, given out.", no_args_is_help=True)

UseOption = Annotated[
    str,
    typer.Option(
        "--justification",
        help="For what it is read: LAWFULNESS_CHECK, SELF_MONITORING, INTEGRITY_AND_SECURITY, "
        "CRIMINAL_PROCEEDINGS, COMMISSIONER_REQUEST, SUBJECT_ACCESS.",
    ),
]
OfOption = Annotated[str, typer.Option("--handover", help="Of this handover alone.", show_default=False)]
FromOption = Annotated[str, typer.Option("--from", help="From this time (RFC 3339).", show_default=False)]
ToOption = Annotated[str, typer.Option("--to", help="To before this time.", show_default=False)]


@app.command("log")
def log(
    justification: UseOption,
    actor: ActorOption,
    role: RoleOption,
    handover: OfOption = "",
    principal: Annotated[str, typer.Option(help="By this agency alone.", show_default=False)] = "",
    since: FromOption = "",
    until: ToOption = "",
    api: ApiOption = HOME,
    token: TokenOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Who opened, sent, changed or destroyed what, when and why. That you read it is on record first."""
    with errors(as_json=as_json):
        from gateway.cli import accesses

        asked = accesses.query(
            handover=handover, principal=principal, since=since, until=until, justification=justification
        )
        found = accesses.lines(Agency(api, token, actor, role), asked)
        emit({"lines": found}, as_json=as_json, text=accesses.told(found))


@app.command()
def verify(config: ConfigOption = None, as_json: JsonFlag = False) -> None:
    """Recompute every line against the signed tree: what was removed, edited, put in or reordered (exit 4).

    Shows ids, not lines: it needs no auditor's token, and is worth a place in the daily routine.
    """
    with errors(as_json=as_json):
        from gateway.cli import bookkeeping

        found = bookkeeping.access_check(config)
        emit(found, as_json=as_json, text=bookkeeping.access_told(found))
        if found["verdict"] == "INVALID":
            say("keep a copy of the database as evidence, and tell your data protection officer")
    raise typer.Exit(Exit.OK if found["verdict"] == "VALID" else Exit.VERIFICATION_FAILED)


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="File to write it to; for your eyes only, 0600.")],
    reference: Annotated[str, typer.Option(help="The Commissioner's reference of the request.")],
    actor: ActorOption,
    role: RoleOption,
    justification: UseOption = "COMMISSIONER_REQUEST",
    handover: OfOption = "",
    since: FromOption = "",
    until: ToOption = "",
    api: ApiOption = HOME,
    token: TokenOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Signed lines of the log with their proofs, for the Commissioner. The giving out is on record first."""
    with errors(as_json=as_json):
        from gateway.cli import accesses

        asked = accesses.query(
            handover=handover, since=since, until=until, justification=justification, reference=reference
        )
        made = accesses.export(Agency(api, token, actor, role), asked, out)
        emit(made, as_json=as_json, text=f"{out}: {made['lines']} lines")
        next_step(f"gateway audit check {out} --network FINGERPRINT, at whoever gets the file")


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="From `gateway audit export`.")],
    network: Annotated[
        str, typer.Option(help="The network's fingerprint. Default: that of the configured node.")
    ] = "",
    leaves: Annotated[
        Path | None,
        typer.Option(
            "--log",
            help="The node's `gateway log export`: is every line of that time in the file?",
            show_default=False,
        ),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """VALID (exit 0), INVALID (4) or CANNOT TELL (9), with the reasons. Looks nothing up on any network."""
    with errors(as_json=as_json):
        from gateway.cli import accesses

        found = accesses.check(file, network, leaves, config)
        emit(found, as_json=as_json, text=accesses.check_told(found))
        outcome = {"VALID": Exit.OK, "INVALID": Exit.VERIFICATION_FAILED}.get(
            found["verdict"], Exit.CANNOT_TELL
        )
    raise typer.Exit(outcome)


@app.command()
def retention(
    years: Annotated[
        int | None, typer.Option(help="Years; the configuration's if not given.", min=1, show_default=False)
    ] = None,
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """How many lines have been kept for their time after their handover's last event. Deletes nothing."""
    with errors(as_json=as_json):
        from gateway.cli import accesses

        found = accesses.retention(config, years)
        emit(found, as_json=as_json, text=accesses.retention_told(found))
