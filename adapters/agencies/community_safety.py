"""What the community safety or integrated unit of the area: it co-ordinates is shown.

Its own matter is that every agency has an owner, so it also sees what the others are asked (domain 6.5,
CS-01).
"""

from __future__ import annotations

from adapters.agencies import _lines as say
from adapters.agencies import _record as record
from adapters.agencies._base import AgencyProfile

PROFILE = AgencyProfile(
    agency="COMMUNITY_SAFETY",
    heading="A person is moving here: name a lead and confirm which agencies hold the case",
    lines=(
        say.urgent,
        say.person,
        say.safe_contact,
        say.move,
        say.move_reason,
        say.safety_of_place,
        record.roles,
        record.risk_to,
        record.risk_from,
        record.orders,
        say.aspirations,
        say.quality,
        say.transparency,
        say.contacts,
    ),
    coordinates=True,
)
