"""What makes a webhook safe before it is sent: where it may go, and the secrets that sign it.

Leaves out the request itself. Rules: plaintext crosses a network under TLS only; a secret that others on the
machine can read is no secret.

Example::

    check_url("https://cad.police.example/handover")
    Secrets.read(Path("/etc/gateway/police.whsec")).sign("0192", at, body)
"""

from __future__ import annotations

import base64
import ipaddress
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from standardwebhooks import Webhook

from adapters._options import option_error
from gateway.errors import Misconfigured

_PREFIX = "whsec_"
_MIN_SECRET, _MAX_SECRET = 24, 64
"""Bytes (Standard Webhooks, "signature scheme")."""

_MAX_FILE = 4096


def check_url(url: str) -> str:
    """``url`` if plaintext may be sent there. Raises ValueError, which does not hold the address."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in ("https", "http") or not host:
        raise ValueError("needs an address such as https://host/path")
    if parts.username is not None or parts.fragment:
        raise ValueError("may hold neither a user name nor a fragment")
    if parts.scheme == "http" and not _is_loopback(host):
        raise ValueError("must be https, except to a loopback address")
    return url


class Secrets:
    """The signing secrets of one receiver; two while one replaces the other. Its repr holds none of them."""

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._webhooks = [Webhook(secret) for secret in secrets]

    @classmethod
    def read(cls, path: Path) -> Secrets:
        """From a file: one a line, ``whsec_`` and the base64 of 24 to 64 bytes. Raises Misconfigured when it
        cannot be read, is open to others, or holds something else."""
        lines = _read_private(path).split()
        if not lines:
            raise _bad_secret()
        return cls([_decode(line) for line in lines])

    def sign(self, key: str, at: datetime, body: bytes) -> str:
        """The ``webhook-signature`` header: one signature for each secret."""
        text = body.decode()
        return " ".join(webhook.sign(key, at, text) for webhook in self._webhooks)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _read_private(path: Path) -> str:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode  # of the open file: the name may soon point elsewhere
            content = file.read(_MAX_FILE)
    except OSError:
        raise option_error(
            "webhook", "secret_file", "cannot be read", "Name a file the node's account may read."
        ) from None
    if mode & 0o077:
        raise option_error(
            "webhook", "secret_file", "is open to other accounts", "Run chmod 600 on that file."
        )
    return content.decode("ascii", "replace")


def _decode(line: str) -> bytes:
    try:
        secret = base64.b64decode(line.removeprefix(_PREFIX), validate=True)
    except ValueError:
        secret = b""
    if not _MIN_SECRET <= len(secret) <= _MAX_SECRET:
        raise _bad_secret()
    return secret


def _bad_secret() -> Misconfigured:
    return option_error(
        "webhook",
        "secret_file",
        "does not hold a webhook secret",
        f"One a line: {_PREFIX} and the base64 of {_MIN_SECRET} to {_MAX_SECRET} random bytes.",
    )
