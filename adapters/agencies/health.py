"""What the health service is shown.

Care that must not lapse comes first.
"""

from __future__ import annotations

from adapters.agencies import _lines as say
from adapters.agencies._base import AgencyProfile

PROFILE = AgencyProfile(
    agency="HEALTH",
    heading="A patient is moving: register them and follow up",
    lines=(
        say.urgent,
        say.person,
        say.safe_contact,
        say.safeguarding,
        say.move,
        say.move_reason,
        say.quality,
        say.transparency,
        say.contacts,
    ),
)
