"""What a victim service is shown.

The safe route comes before the name: a call to the wrong number is the harm (domain 6.5, VC-01).
"""

from __future__ import annotations

from adapters.agencies import _lines as say
from adapters.agencies import _record as record
from adapters.agencies._base import AgencyProfile

PROFILE = AgencyProfile(
    agency="VICTIM_SUPPORT",
    heading="Offer support by the safe route only",
    lines=(
        say.safe_contact,
        say.person,
        record.roles,
        say.move,
        say.move_reason,
        say.quality,
        say.transparency,
        say.contacts,
    ),
)
