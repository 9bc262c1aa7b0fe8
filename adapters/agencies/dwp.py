"""What the Department for Work and Pensions is shown.

Where not to call the claimant in, and the claim itself, come first; why is not its matter.
"""

from __future__ import annotations

from adapters.agencies import _lines as say
from adapters.agencies._base import AgencyProfile

PROFILE = AgencyProfile(
    agency="DWP",
    heading="A claimant is moving into your district: move the claim without a break",
    lines=(
        say.bounds,
        say.claim,
        say.person,
        say.safe_contact,
        say.move,
        say.move_reason,
        say.address,
        say.training,
        say.casework,
        say.quality,
        say.transparency,
        say.contacts,
    ),
)
