"""``gateway receipt verify``: is a receipt what it reads? Offline; for agencies and auditors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.files import read_input
from gateway.cli.output import ConfigOption, Exit, JsonFlag, emit, errors

app = typer.Typer(help="Signed receipts: proof of who said what about which message.", no_args_is_help=True)


@app.callback()
def receipt() -> None:
    """Signed receipts: proof of who said what about which message."""


@app.command()
def verify(
    file: Annotated[
        Path,
        typer.Argument(
            help="An evidence bundle; lines of an access log; purge attestations; a note, or JSON with a "
            "`note` or `receipts`; - for stdin."
        ),
    ],
    network: Annotated[
        str,
        typer.Option(
            help="The network's fingerprint (enough for an evidence bundle), or the file of its bundle. "
            "Default: what the configured node has joined.",
            show_default=False,
        ),
    ] = "",
    expect: Annotated[str, typer.Option(help="The network's fingerprint, to be sure of the bundle.")] = "",
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """VALID (exit 0), INVALID (4) or CANNOT TELL (9), with the reasons. Looks nothing up on any network."""
    with errors(as_json=as_json):
        from gateway.cli import accesses, proving
        from gateway.core import audit_bundle

        content = read_input(file)
        fingerprint = _fingerprint(network, expect)
        if proving.is_evidence(content):
            found = proving.evidence(content, fingerprint, config)
            emit(found, as_json=as_json, text=proving.evidence_told(found))
        elif proving.is_attestation(content):
            found = proving.attestations(content, fingerprint, config)
            emit(found, as_json=as_json, text=proving.attestations_told(found))
        elif audit_bundle.is_bundle(content):
            found = accesses.judged(content, fingerprint, None, config)
            emit(found, as_json=as_json, text=accesses.check_told(found))
        else:
            found = proving.verdicts(content, Path(network) if network else None, expect, config)
            emit(found, as_json=as_json, text=proving.told(found))
        outcome = {"VALID": Exit.OK, "INVALID": Exit.VERIFICATION_FAILED}.get(
            found["verdict"], Exit.CANNOT_TELL
        )
    raise typer.Exit(outcome)


def _fingerprint(network: str, expect: str) -> str:
    """What a file that holds its own proof is judged by: no bundle is needed for it, and one that has run out
    since takes nothing from it. A bundle without ``expect`` is as good as whoever handed it over."""
    from gateway.cli.proving import network_from

    if not network or not Path(network).is_file():
        return network or expect
    return expect or network_from(Path(network), "", None).fingerprint
