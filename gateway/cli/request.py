"""``gateway request``: somebody is here already; ask the other area for a handover."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.client import HOME, ActorOption, Agency, ApiOption, RoleOption, TokenOption
from gateway.cli.files import read_input
from gateway.cli.output import JsonFlag, emit, errors, next_step

app = typer.Typer(help="Asking another area for a handover.", no_args_is_help=True)


@app.callback()
def request() -> None:
    """Asking another area for a handover of somebody who is here already."""


@app.command()
def make(
    file: Annotated[
        Path, typer.Argument(help="The request (`gateway schema show request`), or - for standard input.")
    ],
    actor: ActorOption,
    role: RoleOption,
    api: ApiOption = HOME,
    token: TokenOption = None,
    key: Annotated[str, typer.Option(help="Idempotency key. Default: from what is sent.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Ask the agencies of another area about somebody who is here."""
    with errors(as_json=as_json):
        said = read_input(file)
        headers = {"Idempotency-Key": key or hashlib.sha256(said).hexdigest()}
        made = Agency(api, token, actor, role).post("/v1/requests", said, headers=headers)
        emit(made, as_json=as_json, text=f"{made['request']} is on its way")
        next_step(f"gateway request show {made['request']}")


@app.command("list")
def listed(api: ApiOption = HOME, token: TokenOption = None, as_json: JsonFlag = False) -> None:
    """The requests that this agency has put or was asked, newest first."""
    with errors(as_json=as_json):
        found = Agency(api, token).get("/v1/requests")
        lines = [_line(one) for one in found["requests"]] or ["no requests"]
        emit(found, as_json=as_json, text="\n".join(lines))


@app.command()
def show(
    request: Annotated[str, typer.Argument(help="As `gateway request list` shows it.")],
    api: ApiOption = HOME,
    token: TokenOption = None,
    as_json: JsonFlag = False,
) -> None:
    """The checklist of one request: agency by agency, and what is still unknown."""
    with errors(as_json=as_json):
        found = Agency(api, token).get(f"/v1/requests/{request}")
        lines = [
            _line(found),
            *(f"  {one['principal']}  {one['state']}  {one['code']}".rstrip() for one in found["agencies"]),
        ]
        lines += [f"  answered by {ref}" for ref in found["handovers"]]
        lines += [f"waiting for {', '.join(found['waiting'])}" if found["waiting"] else "complete"]
        emit(found, as_json=as_json, text="\n".join(lines))


def _line(one: Mapping[str, Any]) -> str:
    way = "to" if one["sent"] else "from"
    due = f"  answer by {one['answer_by']}" if one["answer_by"] else ""
    return f"{one['request']}  {way} {one['peer']}  {one['reason_code']}{due}"
