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
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """This borough's request to join: its principals and first key cards, signed by every key in it."""
    with errors(as_json=as_json):
        from gateway.cli import signing

        made = signing.request(config, network, expect, out)
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
