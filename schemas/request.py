"""Asking another area for a handover of somebody who is here already (domain 1.1, 6.8).

Duty: :class:`HandoverRequest` (POST /v1/requests). It leaves out whether the powers reach whom they are to
(:mod:`gateway.core.requests`) and what becomes of it (``flows/requests``).

Rules
-----
- The person is named by name and date of birth, no more: enough to be found, sealed to the agencies asked.
- Whoever asks says why, and under which power, as whoever sends does.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from schemas.base import MAX_FEW, AreaCode, Code, Day, Line, Name, Reference, Section, Text, once
from schemas.reading import read
from schemas.vocabulary import Agencies

MAX_REQUEST = 16 * 1024
"""Bytes of a request: a name, a date, a reason."""

MAX_ASKED = 8
"""Agencies asked at once: as many as may be sent to without a second person (R13)."""


class RequestReason(StrEnum):
    """Why somebody is asked about."""

    MOVED_HERE = "MOVED_HERE"
    HOUSED_HERE = "HOUSED_HERE"
    ARRESTED_HERE = "ARRESTED_HERE"
    INJURED_HERE = "INJURED_HERE"
    CLAIMS_HERE = "CLAIMS_HERE"
    SELF_REPORTED = "SELF_REPORTED"


_R = RequestReason

REQUEST_REASONS: Mapping[RequestReason, str] = MappingProxyType(
    {
        _R.MOVED_HERE: "The person lives here now.",
        _R.HOUSED_HERE: "The person was placed or housed here.",
        _R.ARRESTED_HERE: "The person was arrested here.",
        _R.INJURED_HERE: "The person was injured here.",
        _R.CLAIMS_HERE: "The person claims or applies for something here.",
        _R.SELF_REPORTED: "The person says so.",
    }
)
"""Reason code -> a sentence for people."""


class Sought(Section):
    """Who is asked about."""

    family_name: Name
    given_names: Name
    known_as: Annotated[tuple[Name, ...], Field(max_length=MAX_FEW)] = ()
    date_of_birth: Day


class RequestBasis(Section):
    """Under which power the asking area asks."""

    powers: Annotated[tuple[Code, ...], Field(min_length=1, max_length=MAX_FEW), AfterValidator(once)]
    purpose: Text
    dsa_ref: Reference | None = None
    """Data sharing agreement."""


class HandoverRequest(Section):
    """A request for a handover."""

    to_area: AreaCode
    role: Line
    """The role that asks. A role, not a person's name."""
    reason_code: RequestReason
    agencies: Annotated[Agencies, Field(min_length=1, max_length=MAX_ASKED)]
    """Those of the other area that are asked."""
    urgency: Literal["STANDARD", "URGENT"] = "STANDARD"
    subject: Sought
    lawful_basis: RequestBasis
    text: Text | None = None
    """Free text; it travels sealed, to the agencies asked and to nobody else."""


def parse_request(body: bytes) -> HandoverRequest:
    """A request out of its JSON bytes. Raises ShapeError with every problem found."""
    return read(HandoverRequest, body, name="request", limit=MAX_REQUEST)
