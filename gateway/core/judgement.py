"""Judge a receipt that somebody shows: does this network say that it was signed as it reads?

For whoever holds a receipt and not the gateway's database: an agency, an auditor. It looks nothing up and
stores nothing. VALID says that the signature holds under a key the directory has for the name on it; it does
not say that the handover is still where the receipt left it. CANNOT_TELL is an answer, not a failure: the
receipt is well formed, but signed by a name or key that this directory does not hold.

Example::

    judgement = judge(node.network, note)
    judgement.verdict                                 # Verdict.VALID
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.core.receipts import Receipt, open_receipt
from gateway.core.trust import Network
from gateway.errors import Refused, Unsupported, Untrusted


class Verdict(StrEnum):
    VALID = "VALID"
    INVALID = "INVALID"
    CANNOT_TELL = "CANNOT_TELL"


@dataclass(frozen=True, slots=True)
class Judgement:
    """``receipt`` only when VALID: what an unproven note says of itself is not repeated."""

    verdict: Verdict
    receipt: Receipt | None = None
    reasons: tuple[str, ...] = ()


def judge(network: Network, note: bytes) -> Judgement:
    """Never raises for what the note holds: every fault of it is part of the judgement."""
    try:
        return Judgement(Verdict.VALID, open_receipt(note, net=network.net, keyring=network.keyring))
    except (Untrusted, Unsupported) as error:
        return Judgement(Verdict.CANNOT_TELL, reasons=_reasons(error))
    except Refused as error:
        return Judgement(Verdict.INVALID, reasons=_reasons(error))


def _reasons(error: Refused) -> tuple[str, ...]:
    return tuple(text for text in (error.message, error.remedy) if text)
