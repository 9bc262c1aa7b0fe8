"""Certificates for the tests of TLS: an authority of one's own, and what it signs."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.clock import SystemClock

DAY = timedelta(days=1)


class Authority:
    def __init__(self, name: str = "a test's authority") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._certificate = self._signed(
            self._name, self._key.public_key(), -DAY, 3650 * DAY, [(x509.BasicConstraints(True, 0), True)]
        )

    def save(self, path: Path) -> Path:
        path.write_bytes(_pem(self._certificate))
        return path

    def issue(
        self, folder: Path, account: str, *, begins: timedelta = -DAY, ends: timedelta = 60 * DAY
    ) -> tuple[Path, Path]:
        """A certificate and its key, ``account`` as common name and this machine's address as a name."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "A borough"),
                x509.NameAttribute(NameOID.COMMON_NAME, account),
            ]
        )
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        signed = self._signed(name, key.public_key(), begins, ends, [(names, False)])
        folder.mkdir(parents=True, exist_ok=True)
        certificate, secret = folder / "chain.pem", folder / "key.pem"
        secret.touch(mode=0o600)
        secret.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        certificate.write_bytes(_pem(signed))
        return certificate, secret

    def _signed(
        self,
        subject: x509.Name,
        public: ec.EllipticCurvePublicKey,
        begins: timedelta,
        ends: timedelta,
        extensions: list[tuple[x509.ExtensionType, bool]],
    ) -> x509.Certificate:
        now = datetime.fromtimestamp(SystemClock().now(), UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
        )
        for extension, critical in extensions:
            made = made.add_extension(extension, critical)
        return made.sign(self._key, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
