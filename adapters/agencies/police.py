"""What the police of the area is shown.

What protects the person comes before what is enforced; intelligence comes after its handling conditions.
"""

from __future__ import annotations

from adapters.agencies import _lines as say
from adapters.agencies._base import AgencyProfile

PROFILE = AgencyProfile(
    agency="POLICE",
    heading="A person is moving into your area: check the area, record the order, brief local teams",
    lines=(
        say.urgent,
        say.person,
        say.move,
        say.move_reason,
        say.address,
        say.safety_of_place,
        say.risk_to,
        say.risk_from,
        say.roles,
        say.orders,
        say.history,
        say.associates,
        say.safeguarding,
        say.safe_contact,
        say.aspirations,
        say.quality,
        say.transparency,
        say.contacts,
    ),
)
