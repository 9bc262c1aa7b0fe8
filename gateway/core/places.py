"""Whether the new address lies in the destination area (R11): what was checked, and with which outcome.

Duty: the one verdict that the rule, the record and the answer to the sender share. It leaves out the table
(:mod:`gateway.stores.places`: a CSV or SQLite file of UPRN and area) and the refusal
(:mod:`gateway.core.rules.places`).

Rules
-----
- Without a table nothing is known, and the record says so: a check that was not made is never shown
  as passed.
- An address that the table does not hold (a house built since) is not known, which is no mismatch.
- In a two-tier destination the table names the district, the document perhaps the county.
- A second authoriser may send to an address outside the area, with a reason: the boundary of a table is not
  that of a street.

>>> verdict("E09000004", {"E09000004"}, overridden=False)
<AddressCheck.INSIDE: 'INSIDE'>
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from enum import StrEnum

from schemas.handover import HandoverNotification

Lookup = Callable[[str], str | None]
"""UPRN -> the area code in which it lies; None when the table does not hold it."""


class AddressCheck(StrEnum):
    """NOT_MADE: there is no table. OUTSIDE is refused; OVERRIDDEN is outside, and sent all the same."""

    NO_ADDRESS = "NO_ADDRESS"
    NOT_MADE = "NOT_MADE"
    NOT_FOUND = "NOT_FOUND"
    INSIDE = "INSIDE"
    OUTSIDE = "OUTSIDE"
    OVERRIDDEN = "OVERRIDDEN"


def address_check(document: HandoverNotification, lookup: Lookup | None) -> AddressCheck:
    """The verdict on one document."""
    address = document.move.new_address
    if address is None or address.uprn is None:
        return AddressCheck.NO_ADDRESS
    if lookup is None:
        return AddressCheck.NOT_MADE
    destination, authorised = document.routing.destination, bool(document.message.authorisations)
    tiers = destination.two_tier
    areas = {destination.area_code} | ({tiers.county, tiers.district} if tiers else set())
    overridden = address.outside_area_reason is not None and authorised
    return verdict(lookup(address.uprn), areas, overridden=overridden)


def verdict(found: str | None, areas: AbstractSet[str], *, overridden: bool) -> AddressCheck:
    """The verdict on what a table answered: the area of the address, or None."""
    if found is None:
        return AddressCheck.NOT_FOUND
    if found in areas:
        return AddressCheck.INSIDE
    return AddressCheck.OVERRIDDEN if overridden else AddressCheck.OUTSIDE
