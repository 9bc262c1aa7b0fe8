"""``gateway bridge``: areas without a gateway. A borough's side, and the desk on the other side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.files import read_input
from gateway.cli.output import ConfigOption, JsonFlag, Usage, emit, errors, next_step, say
from gateway.cli.passphrase import GenerateOption, PassphraseOption

app = typer.Typer(help="Handovers as files, to and from areas without a gateway.", no_args_is_help=True)
contact = typer.Typer(help="Whom a borough carries files to, and who verified them.", no_args_is_help=True)
app.add_typer(contact, name="contact")

AreaArgument = Annotated[str, typer.Argument(metavar="AREA", help="The area's ONS code: E10000016.")]
RefArgument = Annotated[str, typer.Argument(metavar="REF", help="HO-<area>-<year>-<6 digits>.")]
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The sealed file as it came.")]
AreaOption = Annotated[str, typer.Option("--area", help="This area's file alone.", show_default=False)]
ByOption = Annotated[str, typer.Option("--by", help="Who does it: a staff reference, never a name.")]
DeskOption = Annotated[Path, typer.Option("--keys", help="The desk's folder (`gateway bridge init`).")]
AgencyOption = Annotated[str, typer.Option("--agency", help="The agency's role in its area: police.")]
OutOption = Annotated[Path, typer.Option("--out", help="Folder to put it in, or a file with the marking.")]

# --- a borough: whom it writes to


@contact.command("add")
def contact_add(area: AreaArgument, config: ConfigOption = None, as_json: JsonFlag = False) -> None:
    """Put down an area's contact, and show the fingerprint that has to be read back."""
    with errors(as_json=as_json):
        from gateway.cli import bridging

        made = bridging.add_contact(config, area)
        emit(made, as_json=as_json, text=bridging.contact_line(made))
        say("ring a number that you found yourself, and have the fingerprint read to you; do not read it out")
        next_step(
            f"gateway bridge contact verify {area} --read-back WORDS --by REFERENCE --number-from SWITCHBOARD"
        )


@contact.command("verify")
def contact_verify(
    area: AreaArgument,
    read_back: Annotated[str, typer.Option(help="The fingerprint as it was read to you.")],
    by: ByOption,
    number_from: Annotated[
        str,
        typer.Option(
            help="How you found it: PUBLISHED_DIRECTORY, SWITCHBOARD, EARLIER_DEALINGS, PARTNER_REGISTER."
        ),
    ],
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """The call-back was made. It counts for 90 days, and for the keys that the directory lists now."""
    with errors(as_json=as_json):
        from gateway.cli import bridging

        made = bridging.verify_contact(config, area, read_back=read_back, by=by, number_from=number_from)
        emit(made, as_json=as_json, text=bridging.contact_line(made))


@contact.command("list")
def contact_list(config: ConfigOption = None, as_json: JsonFlag = False) -> None:
    """Every contact: who verified it, until when that counts, and why it does not."""
    with errors(as_json=as_json):
        from gateway.cli import bridging

        rows = list(bridging.contacts(config))
        text = "\n".join(map(bridging.contact_line, rows)) or "no contacts"
        emit({"contacts": rows}, as_json=as_json, text=text)


@contact.command("remove")
def contact_remove(area: AreaArgument, config: ConfigOption = None, as_json: JsonFlag = False) -> None:
    """Forget a contact: nothing leaves for its area from now on."""
    with errors(as_json=as_json):
        from gateway.cli import bridging

        emit(bridging.remove_contact(config, area), as_json=as_json, text=f"{area} is removed")


# --- a borough: files


@app.command("list")
def listing(
    ref: Annotated[str, typer.Argument(metavar="[REF]", help="One handover alone.", show_default=False)] = "",
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """What waits to be carried, to be confirmed, or to be answered."""
    with errors(as_json=as_json):
        from gateway.cli import bridging

        rows = list(bridging.waiting(config, ref))
        text = "\n".join(map(bridging.carried_line, rows)) or "nothing waits"
        emit({"files": rows}, as_json=as_json, text=text)


@app.command()
def export(
    ref: RefArgument,
    out: OutOption,
    by: ByOption,
    area: AreaOption = "",
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Write the sealed files of a handover. It is on record; the same export is the same file."""
    with errors(as_json=as_json):
        from gateway.cli import bridging

        rows = list(bridging.export(config, ref, out=out, by=by, area=area))
        emit({"files": rows}, as_json=as_json, text="\n".join(map(bridging.carried_line, rows)))
        say("carry each to its contact, and have them say that it is there; then say so here")
        next_step(f"gateway bridge confirm {ref} --delivered-at now --delivered-by {by}")


@app.command()
def confirm(
    ref: RefArgument,
    delivered_at: Annotated[str, typer.Option(help="When the contact had it: a time with its zone, or now.")],
    delivered_by: Annotated[str, typer.Option(help="Who delivered it: a staff reference, never a name.")],
    area: AreaOption = "",
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """The contact says that the exported file is there: only now has the handover left."""
    with errors(as_json=as_json):
        from gateway.cli import bridging

        rows = list(bridging.confirm(config, ref, at=delivered_at, by=delivered_by, area=area))
        emit({"files": rows}, as_json=as_json, text="\n".join(map(bridging.carried_line, rows)))
        next_step("gateway bridge import FILE, when the answer comes back")


@app.command("import")
def bring(file: FileArgument, config: ConfigOption = None, as_json: JsonFlag = False) -> None:
    """Take in an answer file: verified, and the legs move by the signed receipts in it."""
    with errors(as_json=as_json):
        from gateway.cli import bridging

        made = bridging.bring(config, file)
        again = "; it was brought before" if made["repeated"] else ""
        text = f"{made['area']}: {made['receipts']} receipts, {made['words']} answers{again}"
        lines = [text, *(f"  {leg} {state}" for leg, state in made["moved"].items())]
        emit(made, as_json=as_json, text="\n".join(lines))
        if made["refused"]:
            say(f"{made['refused']} receipts in it do not hold here: ask its desk")


# --- the desk of an area without a gateway


@app.command()
def init(
    area: Annotated[str, typer.Option(help="The area's ONS code: E10000016.", show_default=False)],
    name: Annotated[str, typer.Option(help="Its name, as others are to read it.", show_default=False)],
    expect: Annotated[str, typer.Option(help="The network's fingerprint as two of its signers read it out.")],
    keys: DeskOption,
    network: Annotated[Path, typer.Option(help="The network's file, as its founder gave it out.")] = Path(
        "network.json"
    ),
    agency: Annotated[
        list[str] | None,
        typer.Option(help="ROLE[=TYPE[:Organisation]] whose key lies at this desk; repeated."),
    ] = None,
    part: Annotated[
        list[Path] | None,
        typer.Option(help="Part of an agency that keeps its key itself (`gateway agency-agent init`)."),
    ] = None,
    passphrase_file: PassphraseOption = None,
    generate_passphrase: GenerateOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a desk for an area without a gateway: its keys, and its request to the directory's signers."""
    with errors(as_json=as_json):
        from gateway.cli import county, setup
        from gateway.cli.passphrase import fresh

        if not agency and not part:
            raise Usage("an area without agencies", code="agency", field="--agency", remedy="name them")
        plan = county.plan(
            area=area,
            name=name,
            agencies=setup.agencies_of(agency) if agency else (),
            network=network,
            expect=expect,
            folder=keys,
            parts=part or (),
            passphrase_file=generate_passphrase or passphrase_file,
        )
        made = county.make(plan, fresh(passphrase_file, generate_passphrase))
        emit(made, as_json=as_json, text=f"{made['request']}\nfingerprint {made['fingerprint']}")
        say("send the request to a directory signer, and read its fingerprint aloud; the keys stay here")
        next_step(f"gateway bridge fingerprint --keys {keys} --network FILE, when it is published")


@app.command()
def fingerprint(
    keys: DeskOption,
    network: Annotated[
        Path | None, typer.Option(help="The published network; later what is known here.", show_default=False)
    ] = None,
    passphrase_file: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """What this desk reads out when a borough rings back: over the keys that the directory lists for it."""
    with errors(as_json=as_json):
        from gateway.cli import county

        made = county.fingerprint(county.desk(keys, passphrase_file), network)
        emit(made, as_json=as_json, text=str(made["fingerprint"]))


@app.command("open")
def open_file(
    file: FileArgument,
    keys: DeskOption,
    receipt: Annotated[
        Path | None,
        typer.Option(help="Also write the file that says it came: a folder or a file.", show_default=False),
    ] = None,
    passphrase_file: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Show what is sealed to the agencies whose keys are here. The clocks start when it is opened first."""
    with errors(as_json=as_json):
        from gateway.cli import county

        desk = county.desk(keys, passphrase_file)
        emit(county.opened(desk, file), as_json=as_json)
        if receipt is not None:
            say(f"carry back {county.receipt(desk, file, receipt)['file']}")
        next_step(
            f"gateway bridge answer {file} --keys {keys} --agency ROLE --state ACCEPTED --role ROLE --out ."
        )


@app.command()
def package(
    file: FileArgument,
    keys: DeskOption,
    agency: AgencyOption,
    out: Annotated[Path, typer.Option(help="The package to write; its name begins with the marking.")],
    passphrase_file: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """One agency's sealed part as a file of its own, for a key that is kept elsewhere."""
    with errors(as_json=as_json):
        from gateway.cli import county

        made = county.package(county.desk(keys, passphrase_file), file, agency, out)
        emit(made, as_json=as_json, text=str(made["file"]))
        next_step(f"gateway agency-agent open {out}, at the agency")


@app.command()
def answer(
    file: FileArgument,
    keys: DeskOption,
    out: OutOption,
    agency: Annotated[str, typer.Option(help="The agency that answers: its role.", show_default=False)] = "",
    state: Annotated[
        str,
        typer.Option(
            help="RECEIVED, ACCEPTED, RETURNED, ...; of a notice ACKNOWLEDGED, COMPLETED or REJECTED.",
            show_default=False,
        ),
    ] = "",
    role: Annotated[str, typer.Option(help="The role in which you act.", show_default=False)] = "",
    reason: Annotated[str, typer.Option(help="A reason code, where one is due.", show_default=False)] = "",
    suggested_area: Annotated[
        str, typer.Option(help="Where it should have gone: an ONS code.", show_default=False)
    ] = "",
    suggested_agency: Annotated[
        str, typer.Option(help="To which agency it should have gone: PROBATION.", show_default=False)
    ] = "",
    text_file: Annotated[
        Path | None,
        typer.Option(help="Words to go with it: a file, or - for standard input.", show_default=False),
    ] = None,
    destroyed: Annotated[
        bool,
        typer.Option("--destroyed", help="For COMPLETED of a notice: every copy is gone, out of logs, too."),
    ] = False,
    packed: Annotated[
        Path | None,
        typer.Option("--from", help="What an agency elsewhere answered (`agency-agent answer`)."),
    ] = None,
    passphrase_file: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Answer with an agency's own key: a sealed file for the borough, with all that was signed so far."""
    with errors(as_json=as_json):
        from gateway.cli import county

        desk = county.desk(keys, passphrase_file)
        if packed is not None:
            made = county.take_answer(desk, file, packed, out)
        else:
            words = spoken(state, role, reason, text_file, area=suggested_area, agency=suggested_agency)
            made = county.answer(desk, file, agency, words | (GONE if destroyed else {}), out)
        emit(made, as_json=as_json, text=str(made["file"]))
        say(f"carry it back to {made['to']}, where it is taken in with `gateway bridge import`")


GONE: dict[str, Any] = {
    "attestation": {"copies_destroyed": True, "onward_disclosure": False, "log_contains_payload": False}
}


def spoken(
    state: str, role: str, reason: str, text_file: Path | None, *, area: str = "", agency: str = ""
) -> dict[str, Any]:
    """An acknowledgement out of options. Raises Usage for one without a state or a role."""
    if not state or not role:
        raise Usage("an answer has a state and a role", code="missing", remedy="give --state and --role")
    text = read_input(text_file).decode("utf-8", "replace").strip() if text_file else ""
    told = {
        "state": state,
        "role": role,
        "reason_code": reason,
        "suggested_area": area,
        "suggested_agency": agency,
        "reason_text": text,
    }
    return {name: value for name, value in told.items() if value}
