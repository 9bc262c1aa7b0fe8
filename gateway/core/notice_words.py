"""What an agency is told of each kind of notice: a heading, and what is asked of it.

Sentences only (docs/notices.md shows them); what follows from a kind stands in :mod:`gateway.core.notices`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.core.notices import NoticeKind as K

SAYS: Final[Mapping[K, tuple[str, str]]] = MappingProxyType(
    {
        K.UPDATE: ("This handover has changed", "Read the new version; acknowledge."),
        K.CORRECTION: (
            "Something in this handover is wrong",
            "Do not act on what is wrong; correct your own record; acknowledge.",
        ),
        K.RECTIFICATION: (
            "The person says that something is wrong or missing",
            "Keep the statement with the data; correct your own record where it is wrong; acknowledge.",
        ),
        K.ERASURE: (
            "This has to be erased",
            "Destroy your copies; say COMPLETED with an attestation, or REJECTED with a reason.",
        ),
        K.RESTRICTION: (
            "This may be kept and not used",
            "Mark your own record restricted: use it for evidence, with the person's agreement or to protect "
            "somebody; acknowledge.",
        ),
        K.RESTRICTION_LIFTED: (
            "A restriction has ended",
            "Take the mark off your own record; acknowledge.",
        ),
        K.REFUSAL: ("A request of the person is not followed", "Tell the person, with the ways to complain."),
        K.WITHDRAWAL: (
            "This handover is withdrawn",
            "Stop using it; destroy your copies; say COMPLETED with an attestation.",
        ),
        K.UNLAWFUL_DISCLOSURE: (
            "This should not have been disclosed to you",
            "Stop using it; pass it to nobody; destroy your copies; say COMPLETED with an attestation.",
        ),
        K.ONWARD_MOVE: (
            "The person has moved on to another area",
            "Close your own action list; acknowledge.",
        ),
        K.RETURN_MOVE: ("The person comes back", "Expect a handover; acknowledge."),
        K.CLOSURE: ("This handover is closed", "Keep the contacts; acknowledge."),
        K.HANDOVER_REQUEST: (
            "An area asks for a handover",
            "Send a handover that names this notice in message.answers, or say REJECTED with a reason.",
        ),
        K.INFORMATION_REQUEST: ("Something is missing", "Answer; say COMPLETED, or REJECTED with a reason."),
        K.INFORMATION: ("An answer to what you asked", "Put it into your own record; acknowledge."),
        K.PERMISSION_REQUEST: (
            "Permission to enter an excluded area is asked for",
            "Decide; say COMPLETED, or REJECTED with a reason.",
        ),
        K.PERMISSION_GRANT: ("Permission to enter an excluded area", "Tell whoever enforces; acknowledge."),
        K.PURGE_ORDER: (
            "Your copies have to be destroyed",
            "Destroy them; say COMPLETED with an attestation, or REJECTED with a reason.",
        ),
        K.PURGE_ATTESTATION: ("Copies have been destroyed", "Keep this as proof; acknowledge."),
        K.BREACH_RECORD: (
            "A personal data breach is on record",
            "Tell your data protection officer; acknowledge.",
        ),
        K.CASCADE_REPORT: (
            "Those to whom the person was passed on were told",
            "Nothing, once nobody is outstanding.",
        ),
    }
)
"""Kind -> (heading, what is asked)."""

LEFT_OUT: Final = (
    "A new version of this handover does not go to you",
    "No new version comes to you, and what you have counts no more: do not act on it; acknowledge.",
)
"""Heading and what is asked, of an UPDATE or CORRECTION to a reader that the new version leaves out."""
