"""``gateway log``: this node's log shown, and anybody's log checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.output import ConfigOption, Exit, JsonFlag, emit, errors, next_step, say

app = typer.Typer(help="The node's log: what was sent, received and said, proven.", no_args_is_help=True)


@app.command()
def checkpoint(config: ConfigOption = None, as_json: JsonFlag = False) -> None:
    """The signed size and root of the log, afresh when leaves were added. Give it to somebody to keep."""
    with errors(as_json=as_json):
        from gateway.cli import bookkeeping

        found = bookkeeping.checkpoint(config)
        emit(found, as_json=as_json, text=str(found["note"]).removesuffix("\n"))


@app.command()
def prove(
    message: Annotated[str, typer.Option(help="Id of a message: every leaf about it.")] = "",
    receipt: Annotated[str, typer.Option(help="Hash of a receipt, as the API shows it.")] = "",
    index: Annotated[int, typer.Option(help="Index of a leaf, from 0.", show_default=False)] = -1,
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Leaves with their proofs and the checkpoint, as a file that `gateway log verify` judges offline."""
    with errors(as_json=as_json):
        from gateway.cli import bookkeeping

        emit(bookkeeping.proofs(config, message, receipt, index), as_json=as_json)
        next_step("gateway log verify FILE --network BUNDLE")


@app.command()
def export(
    file: Annotated[
        Path,
        typer.Argument(
            help="Gets the leaves, one a line; FILE.checkpoint and FILE.cosigned are put beside it."
        ),
    ],
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Every leaf that the newest checkpoint signs for, that checkpoint, and the last one peers cosigned."""
    with errors(as_json=as_json):
        from gateway.cli import bookkeeping

        made = bookkeeping.export(config, file)
        emit(made, as_json=as_json, text=f"{made['size']} leaves in {made['file']}")
        next_step(f"gateway log verify {file} --network BUNDLE")


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="From `gateway log export` or `gateway log prove`.")],
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(
            help="A checkpoint kept since; may be repeated. Default: FILE.checkpoint and FILE.cosigned.",
            show_default=False,
        ),
    ] = None,
    network: Annotated[
        Path | None,
        typer.Option(
            help="The network's bundle. Default: what the configured node has joined.", show_default=False
        ),
    ] = None,
    expect: Annotated[str, typer.Option(help="The network's fingerprint, to be sure of the bundle.")] = "",
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """VALID (exit 0), INVALID (4) or CANNOT TELL (9), with the reasons. Looks nothing up on any network."""
    with errors(as_json=as_json):
        from gateway.cli import auditing

        found = auditing.verdict(file, checkpoint or [], lambda: auditing.network(network, expect, config))
        emit(found, as_json=as_json, text=auditing.told(found))
        if found["verdict"] == "INVALID":
            say("keep this file and the checkpoint as evidence, and tell the network's directory signers")
        outcome = {"VALID": Exit.OK, "INVALID": Exit.VERIFICATION_FAILED}.get(
            found["verdict"], Exit.CANNOT_TELL
        )
    raise typer.Exit(outcome)


@app.command()
def witnesses(config: ConfigOption = None, as_json: JsonFlag = False) -> None:
    """How far each borough has cosigned this node's log, and this node theirs."""
    with errors(as_json=as_json):
        from gateway.cli import bookkeeping

        found = bookkeeping.witnesses(config)
        emit(found, as_json=as_json, text=bookkeeping.witnesses_told(found))


@app.command("access-check")
def access_check(config: ConfigOption = None, as_json: JsonFlag = False) -> None:
    """Recomputes the access log (s.62 DPA 2018) against the signed tree; names what was altered (exit 4)."""
    with errors(as_json=as_json):
        from gateway.cli import bookkeeping

        found = bookkeeping.access_check(config)
        emit(found, as_json=as_json, text=bookkeeping.access_told(found))
        if found["verdict"] == "INVALID":
            say("keep a copy of the database as evidence, and tell your data protection officer")
    raise typer.Exit(Exit.OK if found["verdict"] == "VALID" else Exit.VERIFICATION_FAILED)
