"""``gateway inbox``: the single point of contact's work from a terminal, over the node's API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.client import HOME, ActorOption, Agency, ApiOption, RoleOption, TokenOption
from gateway.cli.files import read_input, replacing, write_output
from gateway.cli.output import JsonFlag, Usage, emit, errors, next_step

app = typer.Typer(help="What waits for this agency; open it, answer it.", no_args_is_help=True)

LegArgument = Annotated[str, typer.Argument(metavar="LEG", help="As `gateway inbox list` shows it.")]
ParcelArgument = Annotated[
    str,
    typer.Argument(metavar="LEG", help="As `gateway inbox list` shows it; or news: status-..., reply-..."),
]

TextOption = Annotated[
    Path | None,
    typer.Option(
        "--text-file",
        help="Words to go with it: a file, or - for standard input. Never an argument: those show in ps.",
        show_default=False,
    ),
]

NEWS = ("status-", "reply-")
"""How the parcels are named that tell the sending agency something: read, and not answered."""

PurposeOption = Annotated[
    str,
    typer.Option(
        help="For what, if not CONTINUITY_OF_SUPPORT: SAFEGUARDING, DIVERSION, ENFORCEMENT, ACCOUNTABILITY.",
        show_default=False,
    ),
]


@app.command("list")
def listing(
    api: ApiOption = HOME,
    token: TokenOption = None,
    wait: Annotated[int, typer.Option(help="Seconds to wait for something to come in.", min=0, max=30)] = 0,
    as_json: JsonFlag = False,
) -> None:
    """What waits: references and deadlines, not a word of the content."""
    with errors(as_json=as_json):
        found = Agency(api, token).get("/v1/inbox", {"wait": str(wait)} if wait else None)
        emit(found, as_json=as_json, text="\n".join(map(_line, found["entries"])) or "nothing waits")
        if found["entries"]:
            next_step(f"{_reading(found['entries'][0])} --actor REFERENCE --role ROLE")


@app.command("open")
def open_leg(
    leg: ParcelArgument,
    justification: Annotated[str, typer.Option(help="Why it is opened: a code, e.g. ALLOCATED_CASE.")],
    actor: ActorOption,
    role: RoleOption,
    purpose: PurposeOption = "",
    text: TextOption = None,
    api: ApiOption = HOME,
    token: TokenOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Show one handover, or a piece of news. Who opened it, when and why is on record before."""
    with errors(as_json=as_json):
        opening = {"justification": justification, **_words("text", text)}
        opening |= {"purpose": purpose} if purpose else {}
        body = json.dumps(opening).encode()
        news = leg.startswith(NEWS)
        place = f"/v1/inbox/parcels/{leg}/open" if news else f"/v1/inbox/{leg}/open"
        found = Agency(api, token, actor, role).post(place, body)
        emit(found, as_json=as_json)
        next_step(
            f"gateway handover why {found['handover']}"
            if news
            else f"gateway inbox acknowledge {leg} --state ACCEPTED --actor {actor} --role ROLE"
        )


@app.command()
def attachment(
    leg: LegArgument,
    blob: Annotated[str, typer.Argument(help="As the opened handover lists it.")],
    out: Annotated[Path, typer.Option(help="File to write it to; for your eyes only, 0600.")],
    justification: Annotated[str, typer.Option(help="Why it is read: a code, e.g. ALLOCATED_CASE.")],
    actor: ActorOption,
    role: RoleOption,
    purpose: PurposeOption = "",
    api: ApiOption = HOME,
    token: TokenOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Save one file that came with a handover. Who read it, when and why is on record first."""
    with errors(as_json=as_json):
        agency = Agency(api, token, actor, role)
        why = {"justification": justification, **({"purpose": purpose} if purpose else {})}
        with replacing(out, mode=0o600) as target:
            size = agency.download(f"/v1/inbox/{leg}/attachments/{blob}", why, target)
        told = {"leg": leg, "blob": blob, "file": str(out), "size": size}
        emit(told, as_json=as_json, text=f"{out} ({size} bytes)")


@app.command()
def acknowledge(
    leg: LegArgument,
    state: Annotated[
        str,
        typer.Option(help="RECEIVED, ACCEPTED, RETURNED, ... (`gateway schema show acknowledgement`)"),
    ],
    actor: ActorOption,
    role: RoleOption,
    reason: Annotated[
        str, typer.Option(help="A reason code, where the answer needs one.", show_default=False)
    ] = "",
    text: TextOption = None,
    suggested_area: Annotated[
        str, typer.Option(help="Where it should have gone: an ONS code.", show_default=False)
    ] = "",
    suggested_agency: Annotated[
        str, typer.Option(help="To which agency it should have gone: PROBATION.", show_default=False)
    ] = "",
    api: ApiOption = HOME,
    token: TokenOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Answer for this agency, signed with its key. Responsibility moves with ACCEPTED and not before."""
    with errors(as_json=as_json):
        optional = {
            "reason_code": reason,
            "suggested_area": suggested_area,
            "suggested_agency": suggested_agency,
        }
        answer = {"state": state, "role": role, **{name: value for name, value in optional.items() if value}}
        answer |= _words("reason_text", text)
        body = json.dumps(answer).encode()
        made = Agency(api, token, actor, role).post(f"/v1/inbox/{leg}/acknowledgements", body)
        emit(made, as_json=as_json, text=_answered(made))
        next_step("gateway inbox list")


@app.command()
def action(
    leg: LegArgument,
    action: Annotated[str, typer.Argument(metavar="ACTION", help="As `gateway inbox list` shows it: AC1.")],
    actor: ActorOption,
    role: RoleOption,
    answer: Annotated[
        str, typer.Option(help="It is done; CLEAR, CONCERN where it asks for an answer.", show_default=False)
    ] = "",
    not_done: Annotated[
        str,
        typer.Option(help="It is not done: the reason code. Without it, it is done.", show_default=False),
    ] = "",
    text: TextOption = None,
    api: ApiOption = HOME,
    token: TokenOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Say what became of one action of a handover that this agency has taken on; signed with its key."""
    with errors(as_json=as_json):
        optional = {"answer": answer, "reason_code": not_done}
        told = {"result": "NOT_DONE" if not_done else "COMPLETED", "role": role}
        told |= {name: value for name, value in optional.items() if value} | _words("reason_text", text)
        made = Agency(api, token, actor, role).post(
            f"/v1/inbox/{leg}/actions/{action}", json.dumps(told).encode()
        )
        emit(made, as_json=as_json, text=f"{action}: {told['result']}; {_answered(made)}")
        next_step("gateway inbox list")


@app.command()
def behind(api: ApiOption = HOME, token: TokenOption = None, as_json: JsonFlag = False) -> None:
    """For a single point of contact: the legs that come by way of it, sealed to their agencies."""
    with errors(as_json=as_json):
        found = Agency(api, token).get("/v1/spoc")
        emit(
            found,
            as_json=as_json,
            text="\n".join(map(_behind, found["legs"])) or "nothing comes by way of it",
        )
        own = next((line["leg"] for line in found["legs"] if line["own_key"]), "")
        if own:
            next_step(f"gateway inbox relay {own} --out OFFICIAL-SENSITIVE_PACKAGE")


@app.command("relay")
def pass_on(
    leg: LegArgument,
    out: Annotated[Path, typer.Option(help="The package to write; its name begins with the marking.")],
    api: ApiOption = HOME,
    token: TokenOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Pass an agency its sealed part as a file, which its own key alone opens. It is on record."""
    with errors(as_json=as_json):
        from gateway.client.carried import pack_package
        from gateway.core.bridge import MARKING

        if not out.name.startswith(MARKING):
            raise Usage(
                f"a sealed handover is named {MARKING}...",
                code="marking",
                field="--out",
                remedy=f"begin the file's name with {MARKING}",
            )
        agency = Agency(api, token)
        parcel = dict(agency.get(f"/v1/relay/notification-{leg}"))
        write_output(out, pack_package(dict(agency.get("/v1/network")), parcel), mode=0o600)
        told = {"leg": leg, "principal": parcel["principal"], "file": str(out)}
        emit(told, as_json=as_json, text=f"{out}: for {parcel['principal']}")
        next_step(f"gateway agency-agent open {out}, at the agency")


@app.command()
def bring(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What the agency answered.")],
    api: ApiOption = HOME,
    token: TokenOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Bring back what an agency signed on its side; the node takes it as if the agency had."""
    with errors(as_json=as_json):
        from gateway.client.carried import open_answer

        found, agency = open_answer(read_input(file)), Agency(api, token)
        if found.words is not None:
            agency.post(f"/v1/relay/{found.leg}/reply", json.dumps(found.words).encode())
        notes = {"receipts": [note.decode() for note in found.receipts]}
        made = agency.post(f"/v1/relay/{found.leg}/receipts", json.dumps(notes).encode())
        emit(made, as_json=as_json, text=f"{made['leg']} {made['state']}")


def _behind(line: Mapping[str, Any]) -> str:
    owner = (
        f"owner named {line['owner_named']}" if line["owner_named"] else f"NO OWNER, due {line['owner_by']}"
    )
    return f"{line['leg']}  {line['handover']}  {line['agency']:<20} {line['state']:<12} {owner}"


def _words(name: str, file: Path | None) -> dict[str, str]:
    return {name: read_input(file).decode("utf-8", "replace").strip()} if file is not None else {}


def _reading(entry: Mapping[str, Any]) -> str:
    """The command that shows what waits: a notice has an id of its own, and no leg that could be opened."""
    if entry["kind"] == "notice":
        return f"gateway inbox notice {entry['notice']}"
    what = entry["leg"] if entry["kind"] == "notification" else entry["parcel"]
    return f"gateway inbox open {what} --justification ALLOCATED_CASE"


def _line(entry: Mapping[str, Any]) -> str:
    if entry["kind"] in {"status", "reply"}:
        drill = "DRILL  " if entry["drill"] else ""
        what = "answer of the agency" if entry["kind"] == "reply" else "news"
        return f"{drill}{entry['parcel']}  {entry['handover']}  {what}, leg {entry['leg']} {entry['state']}"
    if entry["kind"] == "notice":
        about = f"about {entry['handover']}" if entry["handover"] else "a request for a handover"
        drill = "DRILL  " if entry["drill"] else ""
        return f"{drill}notice {entry['notice']}  {entry['notice_kind']}  {about}  {entry['urgency']}"
    late = f"  LATE: {', '.join(entry['overdue'])}" if entry["overdue"] else ""
    drill = "DRILL  " if entry["drill"] else ""
    head = (
        f"{drill}{entry['leg']}  {entry['handover']}  {entry['urgency']:<9} {entry['state']:<12} "
        f"answer before {entry['decide_by']}{late}"
    )
    notes = [f"    {note}" for note in entry["notes"]]
    return "\n".join([head, *notes, *map(action_line, entry["actions"])])


def _answered(made: Mapping[str, Any]) -> str:
    again = " (it was so already)" if made["repeated"] else ""
    return f"{made['leg']} {made['state']}{again}; signed: {', '.join(made['receipts']) or 'nothing new'}"


def action_line(one: Mapping[str, Any]) -> str:
    """One action of a checklist, under its leg."""
    said = one["answer"] or one["reason_code"]
    state = one["state"] + (f" ({said})" if said else "")
    due = one["due"] or ("standing" if one["title"] else one["planned"] or "no date")
    late = "  LATE" if one["late"] else ""
    return f"    {one['action']:<12} {one['code']:<8} {state:<28} due {due}{late}  {one['title']}"
