"""``gateway handover``: send, attach, validate, show, why, receipts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.client import HOME, ActorOption, Agency, ApiOption, RoleOption, TokenOption
from gateway.cli.files import opened, read_input, write_output
from gateway.cli.inbox import action_line
from gateway.cli.output import ConfigOption, JsonFlag, emit, errors, next_step
from gateway.cli.proposing import checklist
from gateway.cli.urgent import notes

app = typer.Typer(help="Send a handover, and see who has taken it on.", no_args_is_help=True)

FileArgument = Annotated[Path, typer.Argument(help="The document, or - for standard input.")]
RefArgument = Annotated[str, typer.Argument(help="HO-<area>-<year>-<6 digits>")]


@app.command()
def send(
    file: FileArgument,
    actor: ActorOption,
    role: RoleOption,
    api: ApiOption = HOME,
    token: TokenOption = None,
    key: Annotated[str, typer.Option(help="Idempotency key. Default: from the document's bytes.")] = "",
    hold: Annotated[
        bool, typer.Option("--hold", help="Where only a second person is missing: keep it until one agrees.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Hand a document in at your node. Sending the same file again does nothing twice."""
    with errors(as_json=as_json):
        body = read_input(file)
        headers = {"Idempotency-Key": key or hashlib.sha256(body).hexdigest()}
        agency, params = Agency(api, token, actor, role), {"hold": "true"} if hold else None
        answer = agency.post("/v1/handovers", body, headers=headers, params=params)
        ref, draft = answer["handover"], answer["state"] == "DRAFT"
        told = "waits for a second person" if draft else "is accepted for sending"
        emit(answer, as_json=as_json, text=f"{ref} {told}")
        next_step("gateway handover drafts" if draft else f"gateway handover show {ref}")


@app.command()
def attach(
    document: Annotated[Path, typer.Argument(help="The document, a file: it is written anew.")],
    pointer: Annotated[
        str, typer.Argument(help="The section, or item of it, that the file belongs to: /orders/0.")
    ],
    file: Annotated[Path, typer.Argument(help="A PDF, or text or CSV in UTF-8, of at most 25 MiB.")],
    actor: ActorOption,
    role: RoleOption,
    name: Annotated[
        str, typer.Option(help="What its readers see. Default: the file's own name.", show_default=False)
    ] = "",
    api: ApiOption = HOME,
    token: TokenOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Upload a file and write it into a document, which then has to be sent within 24 hours."""
    from gateway.cli.attaching import check_name, insert, media_of

    with errors(as_json=as_json):
        shown = name or file.name
        media = media_of(file)
        check_name(shown, media)
        body = read_input(document)
        insert(body, pointer, {})  # before anything is uploaded
        with opened(file) as content:
            answer = Agency(api, token, actor, role).upload("/v1/attachments", content, media)
        item = {"name": shown, **answer}
        write_output(document, insert(body, pointer, item), mode=0o600)
        emit(item, as_json=as_json, text=f"{document} has {answer['size']} bytes attached at {pointer}")
        next_step(f"gateway handover send {document} --actor {actor} --role ROLE")


@app.command()
def validate(
    file: FileArgument,
    as_of: Annotated[str, typer.Option(help="Judge it at this moment (RFC 3339). Default: now.")] = "",
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Judge a document without sending it: shape, rules, who would see what. Needs no running node."""
    from gateway.cli.judging import judge_file

    with errors(as_json=as_json):
        verdict = judge_file(read_input(file), as_of, config)
        emit(verdict, as_json=as_json, text=_verdict(verdict))


app.command()(checklist)


@app.command()
def show(
    ref: RefArgument, api: ApiOption = HOME, token: TokenOption = None, as_json: JsonFlag = False
) -> None:
    """Who has taken it on, who is late, who is responsible now."""
    with errors(as_json=as_json):
        standing = Agency(api, token).get(f"/v1/handovers/{ref}")
        emit(standing, as_json=as_json, text=_standing(standing))
        next_step(f"gateway handover why {ref}")


@app.command()
def evidence(
    ref: RefArgument,
    out: Annotated[Path, typer.Option(help="File to write the bundle to.")],
    actor: ActorOption,
    role: RoleOption,
    disclose: Annotated[
        str, typer.Option(help="Sections to disclose, with commas between.", show_default=False)
    ] = "",
    justification: Annotated[
        str, typer.Option(help="Why content is disclosed: a code, e.g. AUDIT.", show_default=False)
    ] = "",
    silent: Annotated[
        str,
        typer.Option(help="Show that this agency had not acknowledged it, e.g. E09000004/police."),
    ] = "",
    until: Annotated[str, typer.Option(help="By when it had not: 2026-12-08T00:00:00Z.")] = "",
    api: ApiOption = HOME,
    token: TokenOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Write one file that proves offline who sent what to whom and who answered what, or did not."""
    with errors(as_json=as_json):
        asked = {"disclose": disclose, "justification": justification, "silent": silent, "until": until}
        params = {name: value for name, value in asked.items() if value}
        found = Agency(api, token, actor, role).get(f"/v1/handovers/{ref}/evidence", params)
        write_output(out, found["evidence"].encode(), mode=0o600)
        told = {"file": str(out), **{name: found[name] for name in ("handover", "withheld", "shredded")}}
        emit(told, as_json=as_json, text=f"{out}" + _withheld(found["withheld"]) + _gone(found["shredded"]))
        next_step(f"gateway receipt verify {out} --network FINGERPRINT")


@app.command()
def why(
    ref: RefArgument, api: ApiOption = HOME, token: TokenOption = None, as_json: JsonFlag = False
) -> None:
    """Leg by leg: where it is, whose turn it is, what went wrong last, what to do."""
    with errors(as_json=as_json):
        answer = Agency(api, token).get(f"/v1/handovers/{ref}/why")
        lines = [*notes(answer), *(_why(leg) for leg in answer["legs"])]
        emit(answer, as_json=as_json, text="\n".join(lines))


@app.command()
def receipts(
    ref: RefArgument, api: ApiOption = HOME, token: TokenOption = None, as_json: JsonFlag = False
) -> None:
    """The signed receipts as a file to keep: each proves by itself who said what."""
    with errors(as_json=as_json):
        answer = Agency(api, token).get(f"/v1/handovers/{ref}/receipts")
        emit(answer, as_json=as_json)
        next_step("gateway receipt verify FILE --network BUNDLE")


def _verdict(verdict: Mapping[str, Any]) -> str:
    lines = [
        "valid: it would be accepted" if verdict["checked"] == "everything" else "valid in shape and rules"
    ]
    lines += [f"  {leg['agency']:<22} {', '.join(leg['sections'])}" for leg in verdict["legs"]]
    return "\n".join(lines)


def _gone(sections: Sequence[str]) -> str:
    return f"\n  shredded, in whole or in part: {', '.join(sections)}" if sections else ""


def _withheld(sections: Sequence[str]) -> str:
    if not sections:
        return ""
    return f"\n  withheld, because it stands together with other sections: {', '.join(sections)}"


def _standing(standing: Mapping[str, Any]) -> str:
    drill = "DRILL " if standing["drill"] else ""
    head = f"{drill}{standing['handover']} v{standing['version']} {standing['state']}"
    lines = [head, str(standing["summary"])]
    for leg in standing["legs"]:
        late = f"  LATE: {', '.join(leg['overdue'])}" if leg["overdue"] else ""
        lines.append(f"  {leg['agency']:<22} {leg['state']:<14} responsible: {leg['responsible']}{late}")
        lines += [action_line(one) for one in standing["checklist"] if one["leg"] == leg["leg"]]
    return "\n".join(lines)


def _why(leg: Mapping[str, Any]) -> str:
    error = f"; last error {leg['last_error']}, next try {leg['next_try']}" if leg["last_error"] else ""
    telephone = f"; telephone {leg['telephone']}" if leg["telephone"] else ""
    return (
        f"{leg['agency']:<22} {leg['where']} since {leg['since']}; turn: {leg['turn']}{error}; {leg['fix']}"
        f"; last heard from there: {leg['heard'] or 'never'}{telephone}"
    )
