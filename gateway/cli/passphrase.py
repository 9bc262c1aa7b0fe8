"""Where the passphrase of a key store comes from: a file, or a terminal; never argv, never the environment.

An argument shows in the process list and in the shell's history, an environment variable in crash dumps and
to every child. A generated passphrase goes into a file that only its owner can read.
"""

from __future__ import annotations

import getpass
import secrets
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.files import on_terminal
from gateway.cli.output import Usage

SHORTEST = 12
"""Characters. Argon2id makes guessing slow, and nothing makes a short passphrase good."""

PassphraseOption = Annotated[
    Path | None,
    typer.Option("--passphrase-file", help="File that holds the passphrase, mode 0600.", show_default=False),
]
GenerateOption = Annotated[
    Path | None,
    typer.Option(
        "--generate-passphrase",
        help="Make a passphrase and put it into this new file, mode 0600.",
        show_default=False,
    ),
]


def existing(file: Path | None) -> bytes:
    """The passphrase of a key store that exists. Raises Misconfigured."""
    from gateway.keystore import read_passphrase

    return read_passphrase(file=file)


def fresh(file: Path | None, generate: Path | None) -> bytes:
    """The passphrase for a key store to be made: from ``file``, made into ``generate``, or asked for twice.

    A file that an earlier, broken-off run generated is used again. Raises Usage, Misconfigured.
    """
    from gateway.keystore import read_private

    if generate is not None:
        return _generated(generate)
    words = read_private(file).strip() if file is not None else _asked()
    if len(words) < SHORTEST:
        raise Usage(
            f"a passphrase has {SHORTEST} characters or more",
            code="passphrase_short",
            remedy="let one be made: --generate-passphrase FILE",
        )
    return words


def _generated(path: Path) -> bytes:
    from gateway.keystore import read_private, write_private

    words = secrets.token_urlsafe(32).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(path, words + b"\n")
    except FileExistsError:
        words = read_private(path).strip()
        if len(words) < SHORTEST:
            raise Usage(
                f"{path} is there and holds no passphrase", code="passphrase_short", remedy="name a new file"
            ) from None
    except OSError as error:
        raise Usage(
            f"{path} cannot be written: {error.strerror}", code="no_file", remedy="check the path"
        ) from None
    return words


def _asked() -> bytes:
    if not on_terminal():
        raise Usage(
            "no passphrase for the new keys",
            code="passphrase_missing",
            remedy="name a file with --passphrase-file, or let one be made: --generate-passphrase FILE",
        )
    words = getpass.getpass("Passphrase for the new keys: ")
    if words != getpass.getpass("The same once more: "):
        raise Usage("the two were not the same", code="passphrase_differs", remedy="try again")
    return words.encode()
