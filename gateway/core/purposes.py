"""For what a handover may be opened: the purpose limitation of Art 5(1)(b) UK GDPR and s.36 DPA 2018.

Duty: the closed list of purposes, which agency may have which, and the refusal of any other. A handover is
sent so that support goes on, that a person is safe, that a way out is offered, and where it is due that an
order is enforced (domain 1.1). Everything else is another purpose: immigration control, the refusal of a
service, research, a colleague's curiosity; for these there is no code here, and there will be none.

It leaves out why a person acts (the justification, :mod:`schemas.acknowledgement`) and what is shown.

Rules: an agency's purposes are those of its own work, so that what was shared for a tenancy is not opened to
enforce an order. Who is only a victim, at risk or a witness is never opened up to enforcement, whoever asks.
A check raises; the access log holds the purpose of every opening, refused ones too.

>>> check("ENFORCEMENT", "POLICE")
>>> check("ENFORCEMENT", "HOUSING")
Traceback (most recent call last):
gateway.errors.NotAllowed: a handover is not opened for this purpose by this agency
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from gateway.core.encoding import Json
from gateway.errors import NotAllowed

RULE: Final = "Art5(1)(b)"


class Purpose(StrEnum):
    CONTINUITY_OF_SUPPORT = "CONTINUITY_OF_SUPPORT"
    SAFEGUARDING = "SAFEGUARDING"
    DIVERSION = "DIVERSION"
    ENFORCEMENT = "ENFORCEMENT"
    ACCOUNTABILITY = "ACCOUNTABILITY"
    """Checks on the handling itself: data protection, a person's own rights, oversight."""


MEANING: Mapping[Purpose, str] = MappingProxyType(
    {
        Purpose.CONTINUITY_OF_SUPPORT: "Work with the person goes on in the new area.",
        Purpose.SAFEGUARDING: "Somebody is to be kept from harm.",
        Purpose.DIVERSION: "A way out is offered: work, education, leaving a group.",
        Purpose.ENFORCEMENT: "An order of a court or a licence is supervised or enforced.",
        Purpose.ACCOUNTABILITY: "The handling itself is checked, or a right of the person is answered.",
    }
)

DEFAULT: Final = Purpose.CONTINUITY_OF_SUPPORT
"""What an opening is for that says nothing else: every agency has it."""

_ALL: Final = frozenset({Purpose.CONTINUITY_OF_SUPPORT, Purpose.SAFEGUARDING, Purpose.ACCOUNTABILITY})
_DIVERTS: Final = frozenset(
    {"POLICE", "PROBATION", "YOUTH_JUSTICE", "COMMUNITY_SAFETY", "VOLUNTARY_SECTOR", "EDUCATION", "SPOC"}
    | {"CHILDRENS_SOCIAL_CARE", "LEAVING_CARE"}
)
_ENFORCES: Final = frozenset({"POLICE", "PROBATION", "YOUTH_JUSTICE", "COMMUNITY_SAFETY"})
_HARMED: Final = frozenset({"VICTIM", "AT_RISK", "WITNESS"})


def purposes_of(agency: str) -> frozenset[Purpose]:
    """What this type of agency may open for."""
    found = set(_ALL)
    if agency in _DIVERTS:
        found.add(Purpose.DIVERSION)
    if agency in _ENFORCES:
        found.add(Purpose.ENFORCEMENT)
    return frozenset(found)


def check(purpose: str, agency: str) -> None:
    """Raises NotAllowed for what is none of this agency's purposes."""
    allowed = purposes_of(agency)
    if purpose not in allowed:
        raise _refused(
            "a handover is not opened for this purpose by this agency",
            f"give one of {', '.join(sorted(allowed))}; for anything else ask the origin, which must have a "
            "power to share for it",
        )


def check_content(purpose: str, sections: Mapping[str, Json]) -> None:
    """Raises NotAllowed for enforcement against somebody who is only a victim, at risk or a witness.
    ``sections``: what the agency would be shown."""
    if purpose == Purpose.ENFORCEMENT and (roles := _roles(sections)) and roles <= _HARMED:
        raise _refused(
            "this handover is about somebody who is to be protected: it is not opened for enforcement",
            "open it for SAFEGUARDING or CONTINUITY_OF_SUPPORT",
        )


def _roles(sections: Mapping[str, Json]) -> frozenset[str]:
    listed = sections.get("roles")
    items = listed if isinstance(listed, list) else []
    return frozenset(str(item.get("role")) for item in items if isinstance(item, dict))


def _refused(message: str, remedy: str) -> NotAllowed:
    return NotAllowed(message, code="purpose", field="/purpose", rule=RULE, remedy=remedy)
