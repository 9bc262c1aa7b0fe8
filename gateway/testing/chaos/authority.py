"""A certificate authority of a history's own, and the broker's certificate: a good one, or an expired one.

Duty: make them. It leaves out what a node says of them (tests/transports/test_tls.py).

Example::

    authority = Authority(folder)
    authority.renew()                   # folder/chain.pem, folder/key.pem; nodes believe folder/ca.pem
    authority.expire()                  # the same key, out of date since an hour
"""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.clock import SystemClock

DAY: Final = timedelta(days=1)
HOUR: Final = timedelta(hours=1)


class Authority:
    """``ca``, ``chain`` and ``key``: the files, PEM."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.ca, self.chain, self.key = (folder / name for name in ("ca.pem", "chain.pem", "key.pem"))
        self._root = ec.generate_private_key(ec.SECP256R1())
        self._broker = ec.generate_private_key(ec.SECP256R1())
        limits = x509.BasicConstraints(ca=True, path_length=0)
        self.ca.write_bytes(self._sign("chaos", self._root, DAY, limits, critical=True))
        self.key.touch(mode=0o600)
        self.key.write_bytes(
            self._broker.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        self.renew()

    def renew(self) -> None:
        self._issue(DAY)

    def expire(self) -> None:
        self._issue(-HOUR)

    def _issue(self, ends: timedelta) -> None:
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        self.chain.write_bytes(self._sign("broker", self._broker, ends, names))

    def _sign(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        ends: timedelta,
        extension: x509.ExtensionType,
        *,
        critical: bool = False,
    ) -> bytes:
        now = datetime.fromtimestamp(SystemClock().now(), UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(_named(name))
            .issuer_name(_named("chaos"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 2 * DAY)
            .not_valid_after(now + ends)
            .add_extension(extension, critical=critical)
        )
        return made.sign(self._root, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
