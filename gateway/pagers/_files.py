"""What both channels read from files, and where they may go."""

from __future__ import annotations

import ipaddress
import os
import ssl
from pathlib import Path
from typing import Final

from gateway.errors import Misconfigured

LONGEST: Final = 4096
"""Bytes of a secret file."""


def secret(path: Path, channel: str) -> str:
    """The content of a file that nobody else on the machine may read. Raises Misconfigured."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode  # of the open file: the name may soon point elsewhere
            content = file.read(LONGEST)
    except OSError:
        raise wrong(
            channel, "a secret file cannot be read", "name a file the node's account may read"
        ) from None
    if mode & 0o077:
        raise wrong(channel, "a secret file is open to other accounts", "run chmod 600 on that file")
    return content.decode("utf-8", "replace").strip()


def tls(ca_file: Path | None, channel: str) -> ssl.SSLContext:
    """TLS 1.2 or newer, with the machine's authorities or a private one. Raises Misconfigured."""
    try:
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except OSError:  # also what ssl raises for a file that holds no certificate
        raise wrong(channel, "ca_file cannot be read", "name a PEM file of certificates") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def wrong(channel: str, message: str, remedy: str) -> Misconfigured:
    return Misconfigured(message, code="pager", field=f"/escalation/channels/{channel}", remedy=remedy)
