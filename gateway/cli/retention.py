"""``gateway retention``: what goes when and why, what a hold keeps, and the signed proof that it went."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.output import ConfigOption, Exit, JsonFlag, emit, errors, next_step

app = typer.Typer(help="What is kept how long: purges, legal holds, attestations.", no_args_is_help=True)
hold = typer.Typer(help="Legal holds: what nobody may destroy.", no_args_is_help=True)
app.add_typer(hold, name="hold")

RefArgument = Annotated[str, typer.Argument(help="HO-<area>-<year>-<6 digits>")]
ActorOption = Annotated[str, typer.Option(help="Who has it done: a staff reference, never a name.")]
RoleOption = Annotated[str, typer.Option("--by", help="The role that decides, e.g. 'Legal services'.")]


@app.command()
def show(
    ref: Annotated[
        str, typer.Argument(help="One handover; without it the whole node.", show_default=False)
    ] = "",
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """When a handover is purged and reviewed, what holds it, who has attested; or what is kept how long."""
    with errors(as_json=as_json):
        from gateway.cli import retaining

        found = retaining.one(config, ref) if ref else retaining.everything(config)
        text = retaining.one_told(found) if ref else retaining.everything_told(found)
        emit(found, as_json=as_json, text=text)


@app.command()
def preview(
    until: Annotated[
        str, typer.Option(help="What is due by the end of this day, e.g. 2027-01-31. Default: now.")
    ] = "",
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """What would be destroyed, when and why, and what a legal hold keeps. Changes nothing."""
    with errors(as_json=as_json):
        from gateway.cli import retaining

        found = retaining.preview(config, until)
        emit(found, as_json=as_json, text=retaining.coming_told(found))
        if found["coming"]:
            next_step("gateway retention run")


@app.command()
def run(
    actor: ActorOption = "operator",
    role: RoleOption = "operator",
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Purge now what is due now, as the running node does by itself. May be repeated."""
    with errors(as_json=as_json):
        from gateway.cli import retaining

        found = retaining.run(config, actor, role)
        emit(found, as_json=as_json, text=retaining.coming_told(found))


@app.command()
def attest(
    ref: RefArgument,
    out: Annotated[Path, typer.Option(help="Where to put the file.")],
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """The signed attestations of a purge, ours and our peers', in one file that proves itself offline."""
    with errors(as_json=as_json):
        from gateway.cli import retaining

        found = retaining.attest(config, ref, out)
        emit(found, as_json=as_json, text=retaining.attested_told(found))
        next_step(f"gateway receipt verify {out}")


@app.command()
def audit(config: ConfigOption = None, as_json: JsonFlag = False) -> None:
    """Try whether anything that was purged still opens here, also out of an older database (exit 4)."""
    with errors(as_json=as_json):
        from gateway.cli import retaining

        found = retaining.audit(config)
        emit(found, as_json=as_json, text=retaining.audit_told(found))
    raise typer.Exit(Exit.OK if found["good"] else Exit.VERIFICATION_FAILED)


@hold.command("add")
def hold_add(
    ref: RefArgument,
    reason: Annotated[str, typer.Option(help="Why: a code, e.g. LITIGATION or COMPLAINT. Goes on record.")],
    role: RoleOption,
    until: Annotated[
        str, typer.Option(help="The hold ends by itself after this day, e.g. 2027-01-31.", show_default=False)
    ] = "",
    review: Annotated[
        str, typer.Option(help="Somebody looks at it again by the end of this day.", show_default=False)
    ] = "",
    actor: ActorOption = "operator",
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Nothing of a handover, in any version, is destroyed from now on. Needs --until or --review."""
    with errors(as_json=as_json):
        from gateway.cli import retaining

        found = retaining.place(config, ref, reason, role, actor, until, review)
        emit(found, as_json=as_json, text=retaining.hold_told(found))


@hold.command("list")
def hold_list(
    everything: Annotated[bool, typer.Option("--all", help="Those that were lifted, too.")] = False,
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """The holds that stand."""
    with errors(as_json=as_json):
        from gateway.cli import retaining

        found = retaining.holds(config, everything=everything)
        lines = [retaining.hold_told(one) for one in found["holds"]]
        emit(found, as_json=as_json, text="\n".join(lines) or "no holds")


@hold.command("remove")
def hold_remove(
    identity: Annotated[str, typer.Argument(metavar="ID", help="As `gateway retention hold list` shows it.")],
    role: RoleOption,
    actor: ActorOption = "operator",
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Lift a hold. What is overdue by then is purged within a day, by itself."""
    with errors(as_json=as_json):
        from gateway.cli import retaining

        found = retaining.lift(config, identity, role, actor)
        emit(found, as_json=as_json, text=retaining.hold_told(found))
