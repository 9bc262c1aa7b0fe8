"""What the Probation Service is shown.

A responsible officer at all times, so the order and the transfer come first (Probation Circular 52/2004).
"""

from __future__ import annotations

from adapters.agencies import _lines as say
from adapters.agencies import _record as record
from adapters.agencies._base import AgencyProfile

PROFILE = AgencyProfile(
    agency="PROBATION",
    heading="A person is moving into your area: name the receiving practitioner",
    lines=(
        say.urgent,
        say.person,
        say.safe_contact,
        say.move,
        say.move_reason,
        say.address,
        say.safety_of_place,
        record.orders,
        record.risk_to,
        record.risk_from,
        record.roles,
        record.history,
        record.associates,
        say.care,
        say.claim,
        say.training,
        say.casework,
        say.aspirations,
        say.quality,
        say.transparency,
        say.contacts,
    ),
)
