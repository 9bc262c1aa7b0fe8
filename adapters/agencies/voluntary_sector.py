"""What a charity or community organisation, such as St Giles is shown.

Continuity with a known caseworker and a safe place to meet come first.
"""

from __future__ import annotations

from adapters.agencies import _lines as say
from adapters.agencies import _record as record
from adapters.agencies._base import AgencyProfile

PROFILE = AgencyProfile(
    agency="VOLUNTARY_SECTOR",
    heading="A person is moving: say who works with them and agree a safe place to meet",
    lines=(
        say.casework,
        say.bounds,
        say.person,
        say.safe_contact,
        say.move,
        say.move_reason,
        say.address,
        record.risk_to,
        say.care,
        say.training,
        say.claim,
        say.aspirations,
        say.quality,
        say.transparency,
        say.contacts,
    ),
)
