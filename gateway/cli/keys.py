"""``gateway keys``: list, generate, card, inventory, rotate, revoke."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.output import ConfigOption, JsonFlag, Usage, emit, errors, next_step, say
from gateway.cli.passphrase import GenerateOption, PassphraseOption

app = typer.Typer(help="This machine's private keys, and the cards that tell others how to seal to them.")

FolderOption = Annotated[
    Path | None,
    typer.Option("--folder", help="A key store's folder, for one without a node.", show_default=False),
]


@app.command("list")
def listing(config: ConfigOption = None, folder: FolderOption = None, as_json: JsonFlag = False) -> None:
    """Names, purposes and terms of the key files. Asks for no passphrase and shows nothing secret."""
    with errors(as_json=as_json):
        from gateway.cli import keyring

        entries = keyring.entries(folder or keyring.folder_of(config))
        emit({"keys": entries}, as_json=as_json, text="\n".join(map(keyring.line, entries)))


@app.command()
def generate(
    purpose: Annotated[str, typer.Option(help="root, directory, or kem for a node's fresh subkeys.")],
    name: Annotated[str, typer.Option(help="The signer's name; for kem a principal, default all.")] = "",
    folder: FolderOption = None,
    environment: Annotated[str, typer.Option(help="prod or demo; of a signer's key.")] = "prod",
    config: ConfigOption = None,
    passphrase_file: PassphraseOption = None,
    generate_passphrase: GenerateOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a signer's key in a key store of its own, or fresh subkeys for the principals of this node."""
    with errors(as_json=as_json):
        if purpose == "kem":
            _subkeys(config, name, as_json)
        elif purpose in {"root", "directory"}:
            _signer(purpose, name, folder, environment, passphrase_file, generate_passphrase, as_json)
        else:
            raise Usage(
                "no such purpose",
                code="purpose",
                field="--purpose",
                remedy="root or directory for a signer, kem for a node; `gateway init` makes the others",
            )


def _signer(
    purpose: str,
    name: str,
    folder: Path | None,
    environment: str,
    passphrase_file: Path | None,
    generate_passphrase: Path | None,
    as_json: bool,
) -> None:
    from gateway.cli import keyring
    from gateway.cli.passphrase import existing, fresh

    if not name or folder is None:
        raise Usage("missing: --name and --folder", code="missing", remedy="whose key, and where it is kept")
    keyring.check_signer(name, environment)
    there = any(folder.glob("*.key"))
    words = existing(passphrase_file) if there else fresh(passphrase_file, generate_passphrase)
    made = keyring.make_signer(folder, words, environment, name, purpose)
    emit(made, as_json=as_json, text=f"{name} {purpose} {made['fingerprint']}\n{made['public_file']}")
    say("keep this folder offline, with a copy elsewhere; give away the .pub file and nothing else")
    next_step("gateway directory create, at whoever founds the network, with everybody's .pub files")


def _subkeys(config: Path | None, name: str, as_json: bool) -> None:
    from gateway.cli import keyring

    made = keyring.make_subkeys(config, name)
    emit({"keys": made}, as_json=as_json, text="\n".join(map(keyring.line, made)))
    say("restart the node before others learn of these keys: a running one has not unlocked them")
    next_step("gateway keys card --out cards.json")


@app.command()
def card(
    out: Annotated[Path, typer.Option(help="The file for your peers.")],
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Sign this area's key cards afresh, keep them, and write them to a file for the peers to join."""
    with errors(as_json=as_json):
        from gateway.cli import keyring

        made = keyring.make_cards(config, out)
        emit(
            made,
            as_json=as_json,
            text="\n".join(
                [f"{out}: {len(made['cards'])} key cards", *map(keyring.card_line, made["cards"])]
            ),
        )
        next_step(f"gateway join {out}, at each peer")


@app.command()
def inventory(config: ConfigOption = None, as_json: JsonFlag = False) -> None:
    """Every use of cryptography and what stands against a quantum computer; asks for no passphrase."""
    with errors(as_json=as_json):
        from gateway.cli import inventory as made

        found = made.inventory(config)
        emit(found, as_json=as_json, text=made.told(found))


PrincipalArgument = Annotated[str, typer.Argument(help="Whose key: E09000004/police.")]


@app.command()
def rotate(principal: PrincipalArgument, config: ConfigOption = None, as_json: JsonFlag = False) -> None:
    """Make a fresh subkey now. The running node signs the new card and tells every area."""
    with errors(as_json=as_json):
        from gateway.cli import compromise

        made = compromise.rotate(config, principal)
        text = f"{principal}: a subkey from {made['since']} until {made['until']}"
        emit(made, as_json=as_json, text=text)
        say("a running node tells everybody within seconds, a stopped one when it starts")


@app.command()
def revoke(
    principal: PrincipalArgument,
    reason: Annotated[str, typer.Option(help="A code: stolen, lost, left.")],
    actor: Annotated[str, typer.Option(help="Who asks: a staff reference, never a name.")] = "operator",
    hours: Annotated[
        int,
        typer.Option(help="The key, where it is here, stops itself so long; 0: not.", min=0, max=72),
    ] = 72,
    out: Annotated[
        Path | None, typer.Option("--report", help="Write the report here too.", show_default=False)
    ] = None,
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """A key is compromised: what it could open, who has taken that on; and stop it at once."""
    with errors(as_json=as_json):
        from gateway.cli import compromise

        found = compromise.revoke(config, principal, reason=reason, actor=actor, hours=hours, out=out)
        emit(found, as_json=as_json, text=compromise.told(found))
        if not found["suspended_until"]:
            next_step(f"gateway directory suspend {principal} --reason {reason}, at any one directory signer")
        next_step(f"gateway directory revoke {principal} --reason {reason}, at the directory signers")
