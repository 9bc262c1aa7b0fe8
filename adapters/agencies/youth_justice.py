"""What the youth justice service is shown.

Home stays responsible for the stability period, so the order and who holds it come first (YJB protocol).
"""

from __future__ import annotations

from adapters.agencies import _lines as say
from adapters.agencies import _record as record
from adapters.agencies._base import AgencyProfile

PROFILE = AgencyProfile(
    agency="YOUTH_JUSTICE",
    heading="A young person is moving into your area: agree caretaking and name a host case manager",
    lines=(
        say.urgent,
        say.person,
        say.safe_contact,
        say.move,
        say.move_reason,
        say.address,
        say.safety_of_place,
        record.orders,
        record.risk_to,
        record.risk_from,
        record.roles,
        record.history,
        record.associates,
        say.care,
        say.training,
        say.casework,
        say.safeguarding,
        say.aspirations,
        say.quality,
        say.transparency,
        say.contacts,
    ),
)
