"""``gateway handover verbal | review | authorise | drafts``: what a person says of an urgent move after it
was sent, and the second person's agreement. Codes and roles, never a name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from gateway.cli.client import HOME, ActorOption, Agency, ApiOption, RoleOption, TokenOption
from gateway.cli.output import JsonFlag, Usage, emit, errors, next_step

RefArgument = Annotated[str, typer.Argument(help="HO-<area>-<year>-<6 digits>")]


def verbal(
    ref: RefArgument,
    to_role: Annotated[str, typer.Option(help="The role that was called: Police duty inspector.")],
    actor: ActorOption,
    role: RoleOption,
    called_back: Annotated[
        bool, typer.Option("--called-back", help="Their number was called back before anything was said.")
    ] = False,
    at: Annotated[str, typer.Option(help="When (RFC 3339). Default: now.")] = "",
    api: ApiOption = HOME,
    token: TokenOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Record the telephone call of an urgent handover: from your role to theirs."""
    from gateway.clock import SystemClock

    with errors(as_json=as_json):
        moment = at or datetime.fromtimestamp(SystemClock().now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        call = {"at": moment, "from_role": role, "to_role": to_role, "callback_verified": called_back}
        agency = Agency(api, token, actor, role)
        made = agency.post(f"/v1/handovers/{ref}/verbal", json.dumps(call).encode())
        emit(made, as_json=as_json, text=f"{ref} was called through at {made['called']}")
        next_step(f"gateway handover why {ref}")


def review(
    ref: RefArgument,
    actor: ActorOption,
    role: RoleOption,
    keep: Annotated[
        str, typer.Option(help="It stays urgent, for this reason: THREAT_CONTINUES, ...", show_default=False)
    ] = "",
    downgrade: Annotated[bool, typer.Option("--downgrade", help="It is STANDARD from now.")] = False,
    api: ApiOption = HOME,
    token: TokenOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Review an urgent handover: another 72 hours with a reason, or down to STANDARD."""
    with errors(as_json=as_json):
        if bool(keep) == downgrade:
            raise Usage(
                "a review keeps it urgent or downgrades it",
                code="usage",
                remedy="give --keep REASON or --downgrade, one of them",
            )
        said = {"outcome": "DOWNGRADE"} if downgrade else {"outcome": "KEEP", "reason": keep}
        agency = Agency(api, token, actor, role)
        made = agency.post(f"/v1/handovers/{ref}/review", json.dumps(said).encode())
        text = f"{ref} stays urgent; review it again by {made['review_by']}"
        emit(made, as_json=as_json, text=text if made["urgent"] else f"{ref} is STANDARD from now")
        next_step(f"gateway handover why {ref}")


def authorise(
    ref: RefArgument,
    actor: ActorOption,
    role: RoleOption,
    api: ApiOption = HOME,
    token: TokenOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Agree as the second person: a draft is issued, an urgent handover agreed to after the event."""
    with errors(as_json=as_json):
        made = Agency(api, token, actor, role).post(f"/v1/handovers/{ref}/authorisations", b"")
        emit(made, as_json=as_json, text=f"{made['handover']} v{made['version']} is {made['state']}")
        next_step(f"gateway handover show {ref}")


def draft(
    ref: RefArgument,
    justification: Annotated[str, typer.Option(help="Why it is read: a code, e.g. SUPERVISION_OVERSIGHT.")],
    actor: ActorOption,
    role: RoleOption,
    api: ApiOption = HOME,
    token: TokenOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Show a draft of this agency, so that the second person agrees to what was read. On record first."""
    with errors(as_json=as_json):
        agency = Agency(api, token, actor, role)
        emit(agency.get(f"/v1/drafts/{ref}", {"justification": justification}), as_json=as_json)
        next_step(f"gateway handover authorise {ref} --actor REFERENCE --role ROLE")


def drafts(api: ApiOption = HOME, token: TokenOption = None, as_json: JsonFlag = False) -> None:
    """What waits for a second person in this area: references and times."""
    with errors(as_json=as_json):
        found = Agency(api, token).get("/v1/drafts")
        emit(found, as_json=as_json, text="\n".join(map(_line, found["drafts"])) or "nothing waits")
        if found["drafts"]:
            ref = found["drafts"][0]["handover"]
            next_step(f"gateway handover authorise {ref} --actor REFERENCE --role ROLE")


def _line(draft: Mapping[str, Any]) -> str:
    return (
        f"{draft['handover']} v{draft['version']}  {draft['owner']} to {draft['destination']}  "
        f"{draft['recipients']} recipients  expires {draft['expires']}"
    )


def notes(answer: Mapping[str, Any]) -> list[str]:
    """What to know of a handover before anything else."""
    return [*(["DRILL"] if answer.get("drill") else []), *answer.get("notes", [])]
