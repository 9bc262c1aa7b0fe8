"""What children's social care is shown.

The child's safety tonight comes first.
"""

from __future__ import annotations

from adapters.agencies import _lines as say
from adapters.agencies import _record as record
from adapters.agencies._base import AgencyProfile

PROFILE = AgencyProfile(
    agency="CHILDRENS_SOCIAL_CARE",
    heading="A child is moving into your area: see the child and decide on an assessment",
    lines=(
        say.urgent,
        say.person,
        say.safe_contact,
        say.safeguarding,
        record.risk_to,
        say.move,
        say.move_reason,
        say.address,
        say.safety_of_place,
        record.roles,
        record.history,
        say.bounds,
        say.care,
        say.aspirations,
        say.quality,
        say.transparency,
        say.contacts,
    ),
)
