"""Every use of cryptography in this gateway, for the plan that the NCSC asks for by 2028 (PQC migration).

Duty: say for each use which algorithm, what it protects for how long, whether it stands against a quantum
computer, and what replaces it. It leaves out which keys are held (:mod:`gateway.cli.inventory`).

Rules: one row a use, none for a library that nothing here calls. Confidentiality comes first: what is
recorded today can be opened when such a computer exists (harvest now, decrypt later), so it is hybrid
already. A signature is forged only while somebody still relies on it, so signatures migrate until 2031. There
is one suite and no negotiation: a subkey or a directory below ``min_suite`` is refused, never used.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Quantum(StrEnum):
    """HYBRID: holds as long as either half does. SYMMETRIC: 256 bits, which Grover's search does not reach.
    CLASSICAL: falls to a large quantum computer. OUTSIDE: negotiated by software around the gateway."""

    HYBRID = "HYBRID"
    SYMMETRIC = "SYMMETRIC"
    CLASSICAL = "CLASSICAL"
    OUTSIDE = "OUTSIDE"


@dataclass(frozen=True, slots=True)
class Use:
    use: str
    algorithm: str
    standard: str
    quantum: Quantum
    life: str
    plan: str


USES: Final[tuple[Use, ...]] = (
    Use(
        "keys to the parts of a message, per agency (suite 2)",
        "X-Wing: X25519 with ML-KEM-768",
        "draft-connolly-cfrg-xwing-kem; FIPS 203",
        Quantum.HYBRID,
        "decades: data about people, recorded by whoever sees the broker",
        "done",
    ),
    Use(
        "content of a message, attachments, key files",
        "XChaCha20-Poly1305, BLAKE2b key commitment",
        "draft-irtf-cfrg-xchacha, RFC 7693",
        Quantum.SYMMETRIC,
        "decades",
        "none needed",
    ),
    Use(
        "epoch keys and keys at rest",
        "keyed BLAKE2b-256, XChaCha20-Poly1305",
        "RFC 7693",
        Quantum.SYMMETRIC,
        "until they are destroyed: at most 90 days after issue",
        "none needed",
    ),
    Use(
        "key files under a passphrase",
        "Argon2id",
        "RFC 9106",
        Quantum.SYMMETRIC,
        "the life of the key",
        "none needed",
    ),
    Use(
        "signatures: messages, receipts, notices, cards, directory, root",
        "Ed25519",
        "RFC 8032",
        Quantum.CLASSICAL,
        "while a receipt or a document of trust is relied on: years",
        "a second signature line, ML-DSA-65 (FIPS 204), before 2031: notes carry several signatures already",
    ),
    Use(
        "the node's log: checkpoints and cosignatures",
        "Ed25519 over a SHA-256 Merkle tree",
        "RFC 6962, C2SP tlog-checkpoint",
        Quantum.CLASSICAL,
        "while evidence is relied on: years",
        "what was cosigned before is dated by the tree; ML-DSA-65 beside it before 2031",
    ),
    Use(
        "hashes, identifiers of messages, proofs",
        "SHA-256, SHA3-256, SHAKE-256",
        "FIPS 180-4, FIPS 202",
        Quantum.SYMMETRIC,
        "years",
        "none needed",
    ),
    Use(
        "TLS to broker, database and API",
        "TLS 1.3, or 1.2 with AEAD",
        "RFC 8446",
        Quantum.OUTSIDE,
        "the session; content inside it is sealed by itself",
        "hybrid groups as soon as OpenSSL and the broker offer them; checked with `gateway doctor`",
    ),
)

MILESTONES: Final = {
    2028: "discovery and plan: this inventory is the discovery",
    2031: "highest priorities migrated: confidentiality is (X-Wing); signatures are to follow",
    2035: "everything migrated",
}
"""NCSC, Timelines for migration to post-quantum cryptography, 20 March 2025."""
