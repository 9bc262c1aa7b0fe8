"""What the housing service is shown.

The address and whether it is safe come first; a tenancy is flagged without a reason (domain 6.5, HO-01).
"""

from __future__ import annotations

from adapters.agencies import _lines as say
from adapters.agencies import _record as record
from adapters.agencies._base import AgencyProfile

PROFILE = AgencyProfile(
    agency="HOUSING",
    heading="A person is moving: check that the place is safe for them",
    lines=(
        say.urgent,
        say.address,
        say.safety_of_place,
        say.person,
        say.safe_contact,
        say.move,
        say.move_reason,
        say.bounds,
        record.risk_to,
        say.quality,
        say.transparency,
        say.contacts,
    ),
)
