"""``gateway shred``: destroy content for good, on this node and in every copy of its database."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli.output import ConfigOption, JsonFlag, emit, errors, next_step

app = typer.Typer(help="Destroy content for good, in every copy of the database.", no_args_is_help=True)

PreviewFlag = Annotated[bool, typer.Option("--preview", help="Only look; nothing is destroyed.")]
ForceFlag = Annotated[
    bool, typer.Option("--force", help="Also what has not reached whoever it is for; it is lost then.")
]
JustificationOption = Annotated[
    str, typer.Option(help="Why: a code, e.g. ERASURE_REQUEST or RETENTION_END. Goes on record.")
]
ActorOption = Annotated[str, typer.Option(help="Who has it done: a staff reference, never a name.")]


@app.command()
def handover(
    ref: Annotated[str, typer.Argument(help="HO-<area>-<year>-<6 digits>")],
    version: Annotated[
        int | None, typer.Option(help="Only this version. Default: every one.", show_default=False)
    ] = None,
    section: Annotated[
        str, typer.Option(help="Only this section, where it stands alone.", show_default=False)
    ] = "",
    with_others: Annotated[
        bool, typer.Option("--with-others", help="Also parts that hold the section with others.")
    ] = False,
    justification: JustificationOption = "",
    actor: ActorOption = "operator",
    preview: PreviewFlag = False,
    force: ForceFlag = False,
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """The content of one handover, sent or received, with every reply; or one section of it.

    Log, receipts and evidence of who sent what to whom verify as before. May be repeated.
    """
    with errors(as_json=as_json):
        from gateway.cli import shredding

        wish = shredding.Wish(justification, actor, preview, force)
        found = shredding.handover(config, ref, version, section or None, wish, others=with_others)
        emit(found, as_json=as_json, text=shredding.handover_told(found))
        if preview:
            next_step(f"gateway shred handover {ref} --justification CODE")


@app.command()
def epoch(
    month: Annotated[str, typer.Argument(help="A month that is over, e.g. 2026-08.")],
    justification: JustificationOption = "",
    actor: ActorOption = "operator",
    preview: PreviewFlag = False,
    force: ForceFlag = False,
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """The content of every message stored in one month. May be repeated."""
    with errors(as_json=as_json):
        from gateway.cli import shredding

        found = shredding.epoch(config, month, shredding.Wish(justification, actor, preview, force))
        emit(found, as_json=as_json, text=shredding.epoch_told(found))
        if preview:
            next_step(f"gateway shred epoch {month} --justification CODE")
