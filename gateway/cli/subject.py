"""``gateway subject``: the rights of the person a handover is about, always by the handover's reference."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.client import HOME, ActorOption, Agency, ApiOption, RoleOption, TokenOption
from gateway.cli.output import ConfigOption, JsonFlag, emit, errors, next_step, say

app = typer.Typer(
    help="Access, rectification, restriction, erasure: the person's rights.", no_args_is_help=True
)

RefArgument = Annotated[str, typer.Argument(metavar="REF", help="HO-<area>-<year>-<6 digits>.")]
TextOption = Annotated[
    Path | None,
    typer.Option(
        "--text-file",
        help="Words for the recipients, sealed to them: a file, or - for standard input.",
        show_default=False,
    ),
]
SectionOption = Annotated[
    str, typer.Option("--section", help="The one section it is about; all if not given.", show_default=False)
]


@app.command()
def export(
    ref: RefArgument,
    out: Annotated[Path, typer.Option(help="File to write it to; for your eyes only, 0600.")],
    actor: ActorOption,
    role: RoleOption,
    restrict: Annotated[
        str,
        typer.Option(
            help="Withhold on this ground: OFFICIAL_INQUIRY, PREJUDICE_TO_PREVENTION, PUBLIC_SECURITY, "
            "NATIONAL_SECURITY, RIGHTS_OF_OTHERS.",
            show_default=False,
        ),
    ] = "",
    review: Annotated[
        str, typer.Option(help="When that is looked at again: 2027-02-01.", show_default=False)
    ] = "",
    withhold: Annotated[
        str,
        typer.Option(help="Sections it is about, with commas between; all content if not given."),
    ] = "",
    api: ApiOption = HOME,
    token: TokenOption = None,
    as_json: JsonFlag = False,
) -> None:
    """What this agency holds about the person, and to whom it was told; without other people."""
    with errors(as_json=as_json):
        from gateway.cli import rights

        agency = Agency(api, token, actor, role)
        found = rights.export(agency, ref, out, ground=restrict, review=review, withhold=withhold)
        emit(found, as_json=as_json, text=rights.told(found))
        say("read it before you give it away: people write names into sentences, which no machine finds")


@app.command()
def rectify(
    ref: RefArgument,
    actor: ActorOption,
    role: RoleOption,
    version: Annotated[
        int, typer.Option(help="The new version that says it right.", min=0, show_default=False)
    ] = 0,
    statement: Annotated[
        Path | None,
        typer.Option(
            "--statement-file",
            help="The person's own statement, which travels with the data (s.46).",
            show_default=False,
        ),
    ] = None,
    text: TextOption = None,
    api: ApiOption = HOME,
    token: TokenOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Tell every recipient of any version that the person has had something put right."""
    with errors(as_json=as_json):
        from gateway.cli import rights

        notice = rights.rectification(role, version, statement, text)
        found = rights.issue(Agency(api, token, actor, role), ref, notice)
        emit(found, as_json=as_json, text=rights.issued(found))
        next_step(f"gateway handover notices {ref}")


@app.command()
def restrict(
    ref: RefArgument,
    actor: ActorOption,
    role: RoleOption,
    reason: Annotated[
        str, typer.Option(help="ACCURACY_CONTESTED, NEEDED_AS_EVIDENCE, SUBJECT_REQUEST or LEGAL_DUTY.")
    ],
    section: SectionOption = "",
    text: TextOption = None,
    api: ApiOption = HOME,
    token: TokenOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Have every recipient restrict what it holds: kept, and not used (s.47)."""
    with errors(as_json=as_json):
        from gateway.cli import rights

        notice = rights.restriction(role, reason, section, text)
        found = rights.issue(Agency(api, token, actor, role), ref, notice)
        emit(found, as_json=as_json, text=rights.issued(found))
        next_step(f"gateway handover notices {ref}")


@app.command()
def erase(
    ref: RefArgument,
    actor: ActorOption,
    role: RoleOption,
    reason: Annotated[
        str, typer.Option(help="SUBJECT_REQUEST, NO_LAWFUL_BASIS, EXCESSIVE_DATA or LEGAL_DUTY.")
    ] = "SUBJECT_REQUEST",
    evidence: Annotated[bool, typer.Option("--evidence", help="Needed as evidence: restricted.")] = False,
    contested: Annotated[
        bool, typer.Option("--contested", help="Accuracy cannot be settled: restricted.")
    ] = False,
    section: SectionOption = "",
    text: TextOption = None,
    api: ApiOption = HOME,
    token: TokenOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Have every recipient destroy it; with --evidence or --contested it is restricted instead (s.47)."""
    with errors(as_json=as_json):
        from gateway.cli import rights

        notice = rights.erasure(role, reason, section, text, evidence=evidence, contested=contested)
        found = rights.issue(Agency(api, token, actor, role), ref, notice)
        emit(found, as_json=as_json, text=rights.issued(found))
        next_step(f"gateway handover notices {ref}")


@app.command()
def restrictions(
    due: Annotated[bool, typer.Option("--due", help="Only those that are to be looked at again.")] = False,
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """What is withheld from people, on which ground, until when it is looked at again."""
    with errors(as_json=as_json):
        from gateway.cli import rights

        found = rights.restrictions(config, due=due)
        emit({"restrictions": found}, as_json=as_json, text=rights.restrictions_told(found))


@app.command()
def lift(
    identity: Annotated[str, typer.Argument(metavar="ID", help="As `gateway subject restrictions` lists.")],
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """A restriction ends: the next export shows what it withheld."""
    with errors(as_json=as_json):
        from gateway.cli import rights

        rights.lift(config, identity)
        emit({"id": identity, "lifted": True}, as_json=as_json, text=f"{identity} is lifted")
