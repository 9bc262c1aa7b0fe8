"""What the single point of contact of an area without an integrated unit is shown.

It relays sealed sections and opens none but the blocks that go to all (R22), and sees what others are
asked.
"""

from __future__ import annotations

from adapters.agencies import _lines as say
from adapters.agencies._base import AgencyProfile

PROFILE = AgencyProfile(
    agency="SPOC",
    heading="A person is moving here: name an owner in each agency and pass the sealed sections on",
    lines=(
        say.urgent,
        say.person,
        say.safe_contact,
        say.move,
        say.contacts,
        say.quality,
        say.transparency,
    ),
    coordinates=True,
)
