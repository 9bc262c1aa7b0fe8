"""Where the passphrase of a key store comes from (protocol 7). Never the environment, never argv."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gateway.errors import Misconfigured
from gateway.keystore.files import read_private

CREDENTIAL: Final = "gateway-passphrase"
"""What the passphrase is called as a systemd credential (``LoadCredential=``)."""

MOUNTED: Final = Path("/run/secrets")
"""Where Docker and Podman mount the secrets of a container."""


def read_passphrase(
    *,
    file: Path | None = None,
    credentials: Path | None = None,
    prompt: Callable[[], str] | None = None,
) -> bytes:
    """systemd credential > secret file > prompt (protocol 7). Never an environment variable, never argv.

    ``credentials``: systemd's ``$CREDENTIALS_DIRECTORY`` (a path, not a secret). One newline at the end of a
    file belongs to the file and not to the passphrase. Raises Misconfigured: none found, an unreadable file,
    or one that others can read.
    """
    credential = credentials / CREDENTIAL if credentials else None
    if credential is not None and credential.is_file():
        # systemd guards it with an access list, which shows as a group bit: its mode says nothing.
        return _line(credential.read_bytes())
    if file is not None and file.is_relative_to(MOUNTED):
        return _line(_mounted(file))
    if file is not None:
        return _line(read_private(file, follow=True))  # Kubernetes mounts every secret through links
    if prompt is not None or sys.stdin.isatty():
        return (prompt or (lambda: getpass.getpass("Passphrase of the key store: ")))().encode()
    raise Misconfigured(
        "no passphrase for the key store",
        code="no_passphrase",
        field="/keys/passphrase_file",
        remedy="set passphrase_file in [keys], or LoadCredential=gateway-passphrase in the systemd unit",
    )


def _mounted(file: Path) -> bytes:
    """A secret that a container's runtime mounts: it exists for this container alone, and the modes are the
    runtime's (0444 in Docker, of another owner), so they say nothing about who can read it."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise Misconfigured(
            f"{file} cannot be opened: {error.strerror}",
            code="key_unreadable",
            field="/keys/passphrase_file",
            remedy="check that the secret is mounted and readable by the container's user",
        ) from None


def _line(data: bytes) -> bytes:
    return data.removesuffix(b"\n").removesuffix(b"\r")
