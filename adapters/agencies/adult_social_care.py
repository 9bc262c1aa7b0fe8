"""What adult social care is shown.

Domain 6.4 gives it no section of its own: it is shown the blocks that go to all and its actions.
"""

from __future__ import annotations

from adapters.agencies import _lines as say
from adapters.agencies._base import AgencyProfile

PROFILE = AgencyProfile(
    agency="ADULT_SOCIAL_CARE",
    heading="An adult with care needs is moving into your area: name a worker",
    lines=(
        say.urgent,
        say.person,
        say.safe_contact,
        say.move,
        say.move_reason,
        say.bounds,
        say.care,
        say.quality,
        say.transparency,
        say.contacts,
    ),
)
