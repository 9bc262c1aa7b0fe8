"""The record of processing activities of a node (s.61 DPA 2018, Art 30 UK GDPR), out of what it is set
up to do.

Duty: say who is the controller, for which purposes, whose data of which kinds go to which agencies, how long
and how protected, as the signed directory and this release have it. It leaves out what no machine knows: the
borough's own contacts and the wording of its policies, which the printed references point to.

Rule: generated, never written by hand, so that it cannot fall behind what the node does.
"""

from __future__ import annotations

from gateway.core import purposes
from gateway.core.encoding import Json, JsonObject
from gateway.core.trust import Network
from gateway.flows.show import when

SUBJECTS = (
    "a person who moves to another area after or because of serious violence, in the roles that are given",
    "third parties whom a term of a court order names",
    "members of staff, by a pseudonymous reference and a role",
)
SAFEGUARDS = (
    "each section is sealed to the agencies that may read it, under hybrid post-quantum keys",
    "every message, receipt and notice is signed; the log of each node is cosigned by the others",
    "every opening is on record before the plaintext leaves; the record has a role of its own",
    "content is destroyed by destroying its keys, in every copy of the database",
)


def record(network: Network, area: str, *, log_years: int) -> JsonObject:
    own = sorted(one.name for one in network.agencies(area))
    recipients = sorted({one.agency for other in network.areas for one in network.agencies(other)})
    readers: dict[str, Json] = {agency: [*_groups(network, agency)] for agency in recipients}
    return {
        "controller": {"area": area, "name": network.areas.get(area, ""), "agencies": [*own]},
        "joint_controllers": [
            f"{code} {name}" for code, name in sorted(network.areas.items()) if code != area
        ],
        "purposes": {one.value: purposes.MEANING[one] for one in purposes.Purpose},
        "data_subjects": [*SUBJECTS],
        "recipients_and_categories": readers,
        "transfers_outside_the_united_kingdom": "none",
        "retention": {
            "content": "30 days after all have acknowledged, at most 90 days after issue, by key destruction",
            "access_log_years_after_last_event": log_years,
        },
        "security": [*SAFEGUARDS],
        "directory": {"version": network.version, "until": when(network.expires)},
    }


def _groups(network: Network, agency: str) -> list[str]:
    """Field groups that agencies of this type may read."""
    return sorted(group for group, types in network.entitlements.items() if agency in types)
