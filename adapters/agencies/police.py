"""What the police of the area is shown.

What protects the person comes before what is enforced; intelligence comes after its handling conditions.
"""

from __future__ import annotations

from adapters.agencies import _lines as say
from adapters.agencies import _record as record
from adapters.agencies._base import AgencyProfile

PROFILE = AgencyProfile(
    agency="POLICE",
    heading="A person is moving into your area: check that it is safe for them and brief those who must know",
    lines=(
        say.urgent,
        say.person,
        say.move,
        say.move_reason,
        say.address,
        say.safety_of_place,
        record.risk_to,
        record.risk_from,
        record.roles,
        record.orders,
        record.history,
        record.associates,
        say.safeguarding,
        say.safe_contact,
        say.aspirations,
        say.quality,
        say.transparency,
        say.contacts,
    ),
)
