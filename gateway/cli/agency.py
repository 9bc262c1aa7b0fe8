"""``gateway agency token``: tokens with which an agency's systems call this node."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.output import ConfigOption, JsonFlag, emit, errors, next_step, say
from gateway.core.durations import DAY

if TYPE_CHECKING:  # imported when a command runs: --help stays quick
    from gateway.ports import TokenRow

app = typer.Typer(help="The agencies of this area.", no_args_is_help=True)
token = typer.Typer(help="Tokens of an agency's systems for this node's API.", no_args_is_help=True)
app.add_typer(token, name="token")


@token.command()
def create(
    role: Annotated[
        str,
        typer.Argument(
            help="The agency's role, e.g. police; node for operators, auditor for the access log."
        ),
    ],
    label: Annotated[str, typer.Option(help="The system that will use it.")],
    expires: Annotated[int, typer.Option(help="Days it is good for; 0 for no end.", min=0, max=3650)] = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="Put it into this new file, mode 0600, instead of stdout.", show_default=False),
    ] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(help="A further agency for which the same team answers; repeated.", show_default=False),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a token. It is shown this once; the node keeps only its hash."""
    with errors(as_json=as_json):
        made = _create(config, role, label, expires, out, tuple(also or ()))
        emit(made, as_json=as_json, text=str(made.get("token") or made["file"]))
        say(f"token {made['id']} of {made['principal']}, until {made['expires'] or 'it is revoked'}")
        file = out or "FILE"
        if made["principal"].endswith("/AUDITOR"):
            next_step(
                f"gateway audit log --justification SELF_MONITORING --actor REFERENCE --role ROLE "
                f"--token-file {file}"
            )
            return
        next_step(f"gateway handover send DOCUMENT --actor REFERENCE --role ROLE --token-file {file}")


def _create(
    config: Path | None, role: str, label: str, days: int, out: Path | None, also: tuple[str, ...]
) -> dict[str, Any]:
    from gateway.cli import database
    from gateway.clock import SystemClock
    from gateway.config import load
    from gateway.errors import Conflict
    from gateway.flows.tokens import AUDITOR, agency_of, auditor_of, create, holder_of
    from gateway.keystore import write_private
    from gateway.ports import Transaction

    settings, now = load(config), SystemClock().now()
    ends = now + days * DAY if days else 0

    def work(tx: Transaction) -> tuple[str, TokenRow]:
        if role == AUDITOR.lower():
            return create(tx, auditor_of(settings.area), label, now, ends)
        network = database.network_of(tx, now)
        holder = holder_of(network, settings.area, f"{settings.area}/{role}")
        others = [agency_of(network, settings.area, f"{settings.area}/{one}") for one in also]
        if others:
            agency_of(network, settings.area, holder.name)  # a team of agencies, not of operators
        return create(tx, holder.name, label, now, ends, tuple(one.name for one in others))

    if out is not None and out.exists():
        raise Conflict(f"{out} exists", code="token_file", remedy="name a new file")
    text, row = database.write(settings, work)
    if out is None:
        return {"token": text, **_facts(row)}
    write_private(out, text.encode() + b"\n")
    return {"file": str(out), **_facts(row)}


@token.command("list")
def listing(config: ConfigOption = None, as_json: JsonFlag = False) -> None:
    """Every token that was made: whose, for what, until when. The tokens themselves are not kept."""
    with errors(as_json=as_json):
        from gateway.cli import database
        from gateway.config import load

        rows = [_facts(row) for row in database.read(load(config), lambda tx: tx.tokens())]
        emit({"tokens": rows}, as_json=as_json, text="\n".join(map(_line, rows)) or "no tokens")


@token.command()
def revoke(
    identity: Annotated[str, typer.Argument(metavar="ID", help="As `gateway agency token list` shows it.")],
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a token useless, at once."""
    with errors(as_json=as_json):
        from gateway.cli import database
        from gateway.clock import SystemClock
        from gateway.config import load
        from gateway.errors import NotFound

        now = SystemClock().now()
        if not database.write(load(config), lambda tx: tx.revoke_token(identity, now)):
            raise NotFound(
                "no such token in use", code="no_token", remedy="`gateway agency token list` shows their ids"
            )
        emit({"id": identity, "revoked": True}, as_json=as_json, text=f"{identity} is revoked")


def _facts(row: TokenRow) -> dict[str, Any]:
    from gateway.flows.show import when

    return {
        "id": row.id,
        "principal": row.principal,
        "also": list(row.also),
        "label": row.label,
        "created": when(row.created),
        "expires": when(row.expires),
        "revoked": when(row.revoked),
    }


def _line(row: dict[str, Any]) -> str:
    end = (
        f"revoked {row['revoked']}"
        if row["revoked"]
        else f"until {row['expires']}"
        if row["expires"]
        else "no end"
    )
    return f"{row['id']}  {row['principal']:<28} {row['label']}  {end}"
