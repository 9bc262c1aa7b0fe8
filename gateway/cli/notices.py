"""``gateway handover correct|withdraw|notice|notices`` and ``gateway inbox notice``: what is said afterwards.

A notice about a handover that was sent, over the node's API: handed in, followed until everybody has taken it
in, read and answered. What each kind asks for is in docs/notices.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer

from gateway.cli.client import HOME, ActorOption, Agency, ApiOption, RoleOption, TokenOption
from gateway.cli.files import read_input
from gateway.cli.output import JsonFlag, Usage, emit, errors, next_step

RefArgument = Annotated[str, typer.Argument(help="HO-<area>-<year>-<6 digits>")]
KeyOption = Annotated[
    str,
    typer.Option(
        help="Idempotency key, for a repeat that is no second notice.",
        show_default="a fresh one: the same words may be said twice",
    ),
]
TextOption = Annotated[
    Path | None,
    typer.Option(
        "--text-file",
        help="Words to go with it: a file, or - for standard input. Never an argument: those show in ps.",
        show_default=False,
    ),
]


def correct(
    file: Annotated[Path, typer.Argument(help="The next version of the document, or - for standard input.")],
    actor: ActorOption,
    role: RoleOption,
    reason: Annotated[
        str, typer.Option(help="DATA_INACCURATE, DATA_INCOMPLETE or DATA_OUT_OF_DATE.")
    ] = "DATA_INACCURATE",
    api: ApiOption = HOME,
    token: TokenOption = None,
    key: Annotated[str, typer.Option(help="Idempotency key. Default: from the document.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Send the next version, and tell every recipient of any version before it that something was wrong."""
    with errors(as_json=as_json):
        body = read_input(file)
        headers = {"Idempotency-Key": key or hashlib.sha256(body).hexdigest()}
        agency = Agency(api, token, actor, role)
        answer = agency.post("/v1/handovers", body, headers=headers, params={"reason": reason})
        told = f"{answer['handover']} version {answer['version']} and its correction are on their way"
        emit(answer, as_json=as_json, text=told)
        next_step(f"gateway handover notices {answer['handover']}")


def withdraw(
    ref: RefArgument,
    actor: ActorOption,
    role: RoleOption,
    reason: Annotated[str, typer.Option(help="SENT_IN_ERROR or AGREEMENT_WITHDRAWN.")] = "SENT_IN_ERROR",
    due: Annotated[str, typer.Option(help="By when copies are gone. Default: 2 working days.")] = "",
    text: TextOption = None,
    api: ApiOption = HOME,
    token: TokenOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Take a handover back: what nobody has opened is destroyed at once, the rest destroyed and attested."""
    with errors(as_json=as_json):
        said: dict[str, Any] = {"kind": "WITHDRAWAL", "role": role, "reason_code": reason}
        said |= {"due": due} if due else {}
        _issue(Agency(api, token, actor, role), ref, said | _words(text), "", as_json=as_json)


def notice(
    ref: RefArgument,
    file: Annotated[
        Path, typer.Argument(help="The notice (`gateway schema show notice`), or - for standard input.")
    ],
    actor: ActorOption,
    role: RoleOption,
    api: ApiOption = HOME,
    token: TokenOption = None,
    key: KeyOption = "",
    as_json: JsonFlag = False,
) -> None:
    """Hand in a notice of any kind about a handover that was sent."""
    with errors(as_json=as_json):
        try:
            said = json.loads(read_input(file))
        except ValueError:
            raise Usage("the notice is not JSON", field="FILE", remedy="write one JSON object") from None
        _issue(Agency(api, token, actor, role), ref, said, key, as_json=as_json)


def notices(
    ref: RefArgument, api: ApiOption = HOME, token: TokenOption = None, as_json: JsonFlag = False
) -> None:
    """Every notice about a handover, and who has not taken what in, since when."""
    with errors(as_json=as_json):
        found = Agency(api, token).get(f"/v1/handovers/{ref}/notices")
        lines = [_line(one) for one in found["notices"]] or ["no notices"]
        lines += ["", *map(_missing, found["unresolved"])] if found["unresolved"] else []
        emit(found, as_json=as_json, text="\n".join(lines))


def answer(
    notice: Annotated[str, typer.Argument(metavar="NOTICE", help="As `gateway inbox list` shows it.")],
    actor: ActorOption,
    role: RoleOption,
    state: Annotated[
        str, typer.Option(help="ACKNOWLEDGED, COMPLETED or REJECTED. Without it the notice is shown.")
    ] = "",
    justification: Annotated[
        str, typer.Option(help="Why it is opened: a code, e.g. ALLOCATED_CASE.")
    ] = "ALLOCATED_CASE",
    reason: Annotated[str, typer.Option(help="Why not, for REJECTED: LEGAL_HOLD, OWN_RECORD, ...")] = "",
    destroyed: Annotated[
        bool,
        typer.Option("--destroyed", help="For COMPLETED: every copy is gone, out of logs, too."),
    ] = False,
    passed_on: Annotated[
        bool, typer.Option("--passed-on", help="With --destroyed: it had been given to somebody else before.")
    ] = False,
    api: ApiOption = HOME,
    token: TokenOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Read a notice that waits for this agency, or answer it, signed with its key."""
    with errors(as_json=as_json):
        agency = Agency(api, token, actor, role)
        if not state:
            body = json.dumps({"justification": justification}).encode()
            emit(agency.post(f"/v1/inbox/notices/{notice}/open", body), as_json=as_json)
            next_step(f"gateway inbox notice {notice} --state ACKNOWLEDGED --actor {actor} --role ROLE")
            return
        said: dict[str, Any] = {"state": state, "role": role}
        said |= {"reason_code": reason} if reason else {}
        if destroyed:
            said["attestation"] = {
                "copies_destroyed": True,
                "onward_disclosure": passed_on,
                "log_contains_payload": False,
            }
        found = agency.post(f"/v1/inbox/notices/{notice}/acknowledgements", json.dumps(said).encode())
        emit(found, as_json=as_json, text=f"{notice} is {found['state']}")
        next_step("gateway inbox list")


def _issue(agency: Agency, ref: str, said: Mapping[str, Any], key: str, *, as_json: bool) -> None:
    body = json.dumps(said).encode()
    headers = {"Idempotency-Key": key or uuid4().hex}
    found = agency.post(f"/v1/handovers/{ref}/notices", body, headers=headers)
    emit(found, as_json=as_json, text=f"notice {found['notice']} is on its way")
    next_step(f"gateway handover notices {ref}")


def _words(file: Path | None) -> dict[str, str]:
    return {"text": read_input(file).decode().strip()} if file else {}


def _line(one: Mapping[str, Any]) -> str:
    way = f"to {one['peer']}" if one["sent"] else f"from {one['peer']}"
    return f"{one['notice']}  {one['kind']} {one['reason_code']} {way}  {one['state']}  {one['created']}"


def _missing(one: Mapping[str, Any]) -> str:
    return f"not yet: {one['principal']} ({one['state']}) of {one['kind']}, since {one['since']}"
