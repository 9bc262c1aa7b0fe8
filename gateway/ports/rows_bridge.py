"""What is stored of areas without a gateway: who verified their contact, and which file was carried there."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class BridgeContactRow:
    """The contact of one area without a gateway.

    ``fingerprint``: of the keys that the directory listed for the area when the contact was put down; it was
    read back by telephone at ``verified`` (0: not yet) to ``by``, a pseudonymous reference, on a number found
    in the way that the code ``number_from`` names. From ``until`` on that counts no more. No name, no number
    and no address stands here.
    """

    area: str
    fingerprint: str
    added: int
    verified: int = 0
    until: int = 0
    by: str = ""
    number_from: str = ""


@dataclass(frozen=True, slots=True)
class BridgeFileRow:
    """One sealed message that leaves as a file: ``documents`` are the public documents of trust that went
    into it, kept so that the same file can be written again, byte for byte.

    ``exported``: when it was written first. ``delivered``: when a person, ``by`` a pseudonymous reference,
    says that the contact has it; 0 for not yet.
    """

    mid: str
    area: str
    ref: str
    version: int
    exported: int
    documents: bytes = field(repr=False)
    delivered: int = 0
    by: str = ""
