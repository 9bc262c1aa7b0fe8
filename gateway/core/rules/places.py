"""Rule R11: the new address lies in the area that the handover goes to.

Leaves out the table and the verdict (:mod:`gateway.core.places`).
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.core.places import AddressCheck, address_check
from gateway.core.rules import Case
from gateway.errors import Problem


def r11_address(case: Case) -> Iterator[Problem]:
    """R11. A handover to the wrong area tells strangers of a person who hides (domain 6.9; example 5): an
    address that lies elsewhere is refused, unless a second role agrees and says why."""
    if address_check(case.document, case.lookup) is AddressCheck.OUTSIDE:
        yield Problem(
            "/move/new_address/uprn",
            "lies outside the destination area",
            "send it to the area where it lies; or give outside_area_reason, and a second role in "
            "message.authorisations",
            "R11",
        )
    address = case.document.move.new_address
    if address and address.outside_area_reason and not case.document.message.authorisations:
        yield Problem(
            "/move/new_address/outside_area_reason",
            "an override by one person alone",
            "add a second role to message.authorisations",
            "R11",
        )
