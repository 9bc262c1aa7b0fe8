"""What a school or the education service is shown.

A place to learn, and nothing on why: the old school is told only that the child has moved (domain 6.5,
ED-01).
"""

from __future__ import annotations

from adapters.agencies import _lines as say
from adapters.agencies._base import AgencyProfile

PROFILE = AgencyProfile(
    agency="EDUCATION",
    heading="A learner needs a place; say only that they have moved",
    lines=(
        say.person,
        say.safe_contact,
        say.training,
        say.quality,
        say.transparency,
        say.contacts,
    ),
)
