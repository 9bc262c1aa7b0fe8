"""``gateway directory``: found a network, let areas in, sign, publish. Plain files, no network access."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.output import ConfigOption, JsonFlag, emit, errors, next_step, say
from gateway.cli.passphrase import PassphraseOption

app = typer.Typer(help="Who is in the network: a signed file, agreed on between people. Uses no network.")

NetworkOption = Annotated[
    Path, typer.Option("--network", help="The network's file: a draft, or as published.")
]
NETWORK = Path("network.json")
KeysOption = Annotated[Path, typer.Option("--keys", help="The signer's key store.")]
FINGERPRINT = "As it was read aloud, eight groups of four."


@app.command()
def create(
    root: Annotated[list[Path], typer.Option(help="A root key's .pub file; repeated.")],
    directory: Annotated[list[Path], typer.Option(help="A directory key's .pub file; repeated.")],
    keys: KeysOption,
    root_threshold: Annotated[int, typer.Option(min=1, help="How many root keys must sign.")] = 1,
    directory_threshold: Annotated[int, typer.Option(min=1, help="How many directory keys must sign.")] = 1,
    out: Annotated[Path, typer.Option(help="The draft to write.")] = NETWORK,
    passphrase_file: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Found a network: root version 1, signed with the root keys in this key store; an empty directory."""
    with errors(as_json=as_json):
        from gateway.cli import signing
        from gateway.cli.passphrase import existing

        roles = signing.roles(root, root_threshold, directory, directory_threshold)
        made = signing.create(roles, keys, existing(passphrase_file), out)
        emit(made, as_json=as_json, text=signing.overview(made))
        say("read the network's fingerprint aloud to everybody who is to join, over a channel you trust")
        next_step(f"gateway directory request --network {out}, at each borough")


@app.command()
def request(
    network: NetworkOption = NETWORK,
    out: Annotated[Path, typer.Option(help="The request to write.")] = Path("join.request"),
    expect: Annotated[str, typer.Option(help=f"The network's fingerprint. {FINGERPRINT}")] = "",
    agency: Annotated[
        list[Path] | None,
        typer.Option(help="Part of an agency that keeps its own key; repeated.", show_default=False),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """This borough's request to join: its principals and first key cards, signed by every key in it."""
    with errors(as_json=as_json):
        from gateway.cli import signing

        made = signing.request(config, network, expect, out, agency or ())
        emit(
            made,
            as_json=as_json,
            text=f"{out}: {made['name']} ({made['area']})\nfingerprint {made['fingerprint']}",
        )
        say(f"send the file to a directory signer, and read its fingerprint aloud:\n  {made['fingerprint']}")
        next_step(f"gateway directory add {out} --expect FINGERPRINT, at the signer's")


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="A borough's request to join.")],
    expect: Annotated[str, typer.Option(help=f"The request's fingerprint. {FINGERPRINT}")],
    network: NetworkOption = NETWORK,
    replace: Annotated[
        bool, typer.Option("--replace", help="The area is listed already; list this instead.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Put a borough into the draft, if its request is the one whose fingerprint was read aloud."""
    with errors(as_json=as_json):
        from gateway.cli import signing

        made = signing.add(network, file, expect, replacing=replace)
        emit(made, as_json=as_json, text=signing.overview(made))
        next_step(f"gateway directory sign --network {network} --keys FOLDER --name NAME")


@app.command()
def sign(
    keys: KeysOption,
    name: Annotated[str, typer.Option(help="The signer's name.")],
    network: NetworkOption = NETWORK,
    expect: Annotated[
        str, typer.Option(help=f"The text's fingerprint, from the first signer. {FINGERPRINT}")
    ] = "",
    renew: Annotated[bool, typer.Option("--renew", help="The same directory for another 30 days.")] = False,
    passphrase_file: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Sign the draft: the first signer fixes its text and its 30 days, further ones cosign the same text."""
    with errors(as_json=as_json):
        from gateway.cli import signing
        from gateway.cli.passphrase import existing

        made = signing.sign(network, keys, existing(passphrase_file), name, expect, renewing=renew)
        emit(made, as_json=as_json, text=signing.overview(made))
        next_step(signing.after(made, network))


@app.command()
def root(
    keys: KeysOption,
    network: NetworkOption = NETWORK,
    add_signer: Annotated[
        list[Path] | None, typer.Option("--add-signer", help="A new signer's .pub file; repeated.")
    ] = None,
    remove_signer: Annotated[
        list[str] | None, typer.Option("--remove-signer", help="The name of one who goes; repeated.")
    ] = None,
    root_threshold: Annotated[
        int | None, typer.Option(min=1, help="How many root keys must sign from now on.")
    ] = None,
    directory_threshold: Annotated[
        int | None, typer.Option(min=1, help="How many directory keys must sign from now on.")
    ] = None,
    passphrase_file: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """The next root: other signers, other thresholds, or another year. Old and new keepers sign it."""
    with errors(as_json=as_json):
        from gateway.cli import amending, signing
        from gateway.cli.passphrase import existing

        change = amending.Succession(
            add_signer or (), remove_signer or (), root_threshold, directory_threshold
        )
        made = amending.next_root(network, change, keys, existing(passphrase_file))
        emit(made, as_json=as_json, text=signing.overview(made))
        next_step(signing.after(made, network))


@app.command("replace-key")
def replace_key(
    file: Annotated[Path, typer.Argument(help="The area's request, made where its new keys are.")],
    expect: Annotated[str, typer.Option(help=f"The request's fingerprint. {FINGERPRINT}")],
    network: NetworkOption = NETWORK,
    overlap: Annotated[
        int, typer.Option(min=0, max=30, help="Days that the old key goes on counting; 0 for a stolen one.")
    ] = 7,
    as_json: JsonFlag = False,
) -> None:
    """Put an area's new keys in the place of its old ones, which go on counting for some days."""
    with errors(as_json=as_json):
        from gateway.cli import amending, signing

        made = amending.replace_key(network, file, expect, overlap)
        emit(made, as_json=as_json, text=signing.overview(made))
        next_step(signing.after(made, network))


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="KEY|PRINCIPAL", help="As `directory show` prints it.")],
    reason: Annotated[str, typer.Option(help="A code, e.g. lost, stolen, replaced. It is public.")],
    network: NetworkOption = NETWORK,
    as_json: JsonFlag = False,
) -> None:
    """Revoke a key for good: from the next published directory on, nothing that it signs counts."""
    with errors(as_json=as_json):
        from gateway.cli import amending, signing

        made = amending.revoke(network, key, reason)
        emit(made, as_json=as_json, text=signing.overview(made))
        next_step(signing.after(made, network))


@app.command()
def suspend(
    key: Annotated[str, typer.Argument(metavar="KEY|PRINCIPAL", help="As `directory show` prints it.")],
    reason: Annotated[str, typer.Option(help="A code, e.g. suspected_theft. Every node sees it.")],
    keys: KeysOption,
    name: Annotated[str, typer.Option(help="The directory signer's name.")],
    hours: Annotated[int, typer.Option(min=1, max=72, help="How long; nothing lifts it before.")] = 72,
    network: NetworkOption = NETWORK,
    out: Annotated[Path, typer.Option(help="The note to write.")] = Path("suspension.note"),
    passphrase_file: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Stop a key at once: ONE directory signer is enough. Three days at most; then revoke it or let it be."""
    with errors(as_json=as_json):
        from gateway.cli import amending
        from gateway.cli.passphrase import existing

        made = amending.suspend(network, key, reason, hours, keys, existing(passphrase_file), name, out)
        emit(made, as_json=as_json, text=f"{out}: key {made['key']} is stopped until {made['until']}")
        next_step(f"gateway join {out}, at every node")


@app.command()
def publish(
    network: NetworkOption = NETWORK,
    out: Annotated[Path, typer.Option(help="The bundle to write.")] = Path("network.bundle"),
    as_json: JsonFlag = False,
) -> None:
    """Check everything as every node will, and write the bundle that nodes join with."""
    with errors(as_json=as_json):
        from gateway.cli import signing

        made = signing.publish(network, out)
        emit(made, as_json=as_json, text=signing.overview(made))
        next_step(f"gateway join {out} --expect {made['fingerprint']}, at every node")


@app.command()
def show(network: NetworkOption = NETWORK, as_json: JsonFlag = False) -> None:
    """What a draft, a bundle or a request says, and who has signed it so far."""
    with errors(as_json=as_json):
        from gateway.cli import signing

        found = signing.show(network)
        emit(found, as_json=as_json, text=signing.overview(found))
