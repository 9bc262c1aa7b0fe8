"""What the leaving-care team is shown.

The responsible authority does not change with a move (Children Act 1989 s.23C), so it is said early.
"""

from __future__ import annotations

from adapters.agencies import _lines as say
from adapters.agencies import _record as record
from adapters.agencies._base import AgencyProfile

PROFILE = AgencyProfile(
    agency="LEAVING_CARE",
    heading="A care leaver is moving here: name a local contact; the responsible authority stays as it is",
    lines=(
        say.urgent,
        say.person,
        say.safe_contact,
        say.care,
        say.move,
        say.move_reason,
        say.address,
        say.safety_of_place,
        say.bounds,
        record.risk_to,
        say.training,
        say.casework,
        say.aspirations,
        say.quality,
        say.transparency,
        say.contacts,
    ),
)
