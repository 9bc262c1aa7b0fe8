"""Where the legs of a handover go: one borough's gateway, an area without one, or two tiers of local
government (domain 0 point 11, 6.4).

Duty: which area each recipient belongs to, and whether the document speaks of that area as the signed
directory does. It leaves out who verified the contact of an area without a gateway
(:mod:`gateway.flows.bridge`) and what the document alone can tell (:mod:`gateway.core.rules.sharing`).

Rules: routing is by (area, agency). In a two-tier area each leg belongs to one tier, and each tier gets its
own message with its own parts: neither learns what the other was sent. The directory says whether a gateway
stands in an area, never the document: a sender cannot talk a file out of the building.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.core.trust import Network
from gateway.errors import NotAllowed, Problem
from schemas.handover import HandoverNotification
from schemas.routing import Destination, Recipient
from schemas.vocabulary import Transport


def area_for(destination: Destination, recipient: Recipient, index: int) -> str:
    """The area of one leg. Raises NotAllowed for an agency that a two-tier split gives to no tier."""
    tiers = destination.two_tier
    if tiers is None:
        return destination.area_code
    if recipient.agency in tiers.county_agencies:
        return tiers.county
    if recipient.agency in tiers.district_agencies:
        return tiers.district
    raise _refused(
        "tier_missing",
        f"/routing/recipients/{index}/agency",
        "this agency belongs to neither tier of the destination",
        "add it to county_agencies or district_agencies",
    )


def areas_of(document: HandoverNotification) -> Sequence[str]:
    """Every area that gets a message of its own, in the order of the recipients."""
    routing = document.routing
    found = (area_for(routing.destination, one, at) for at, one in enumerate(routing.recipients))
    return tuple(dict.fromkeys(found))


def check(network: Network, document: HandoverNotification, areas: Sequence[str]) -> None:
    """The destination is what the directory says it is. Raises NotAllowed."""
    destination = document.routing.destination
    tiers = destination.two_tier
    if tiers is not None and destination.area_code not in (tiers.county, tiers.district):
        raise _refused(
            "tier_area",
            "/routing/destination/area_code",
            "the destination is neither tier of its own two-tier split",
            "name the county or the district",
        )
    if document.routing.origin.area_code in areas:
        raise _refused(
            "same_area",
            "/routing/destination/two_tier",
            "a tier of the destination is the origin itself",
            "name the two areas that take over",
        )
    carried = destination.transport is Transport.EXTERNAL_BRIDGE
    if any(network.external(area) != carried for area in areas):
        raise _wrong_way(carried=carried)


def _wrong_way(*, carried: bool) -> NotAllowed:
    if carried:
        return _refused(
            "bridge_transport",
            "/routing/destination/transport",
            "this area has a gateway: nothing is carried to it as a file",
            "set transport to BROKER",
        )
    return _refused(
        "bridge_transport",
        "/routing/destination/transport",
        "no gateway stands in this area",
        "set transport to EXTERNAL_BRIDGE, with the contact that was verified by call-back",
    )


def _refused(code: str, field: str, message: str, remedy: str) -> NotAllowed:
    return NotAllowed(
        message, code=code, field=field, remedy=remedy, problems=[Problem(field, message, remedy)]
    )
