"""Which agency types may EVER read which field: the visibility column of domain 6.4 as one table.

Duty: name the field groups, say which fields belong to each (every field to exactly one) and which agency
types may ever read the group. This table is the default content of the signed directory's ``entitlements``
(protocol 6); a directory may carry a narrower one, and a document narrows further, never widens.

It leaves out everything that depends on the document: the leg's ``sections``, ``visible_to``, the minimal
view, the own entry, the urgent address. Those are in :mod:`gateway.core.audience`.

Rules
-----
- Deny by default. A field that no row names, directly or through a named ancestor, has no group and is
  refused, never sent.
- The name of a group begins with the name of its section, so a section is out of reach for an agency
  exactly when no group of that name lists it.
- A *derived* group names no field: it stands for some items or some fields of some items (the VICTIM role,
  the titles of other agencies' actions).
- ADULT_SOCIAL_CARE has no letter in domain 6.4. It reads what goes to "all" and to "all but ...", and its own
  actions; nothing that is given by letter.
- ``routing.destination.{bridge, two_tier, spoc}`` name the agencies behind a destination, and readers do not
  learn of each other (protocol 4.3): they go to the co-ordinators S and X alone.

>>> sorted(ENTITLEMENTS["risk_from"])
['COMMUNITY_SAFETY', 'POLICE', 'PROBATION', 'YOUTH_JUSTICE']
>>> group_of("move.new_address.postcode")
'move.new_address'
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

LETTERS: Mapping[str, str] = MappingProxyType(
    {
        "P": "POLICE",
        "B": "PROBATION",
        "Y": "YOUTH_JUSTICE",
        "C": "CHILDRENS_SOCIAL_CARE",
        "L": "LEAVING_CARE",
        "H": "HOUSING",
        "D": "DWP",
        "V": "VICTIM_SUPPORT",
        "T": "VOLUNTARY_SECTOR",
        "E": "EDUCATION",
        "N": "HEALTH",
        "S": "COMMUNITY_SAFETY",
        "X": "SPOC",
    }
)
"""The visibility letters of domain 6.4."""

AGENCIES = frozenset(LETTERS.values()) | {"ADULT_SOCIAL_CARE"}
"""Every agency type of domain 6.2."""


def agencies(letters: str) -> frozenset[str]:
    """``"P B"`` -> ``{"POLICE", "PROBATION"}``; ``"all"``; ``"all but E X"``. For tables in this package."""
    if letters.startswith("all"):
        return AGENCIES - agencies(letters.removeprefix("all").removeprefix(" but "))
    return frozenset(LETTERS[letter] for letter in letters.split())


class Row(NamedTuple):
    """One field group. ``readers`` in the letters of domain 6.4; ``fields`` are paths, list indices left out.

    A path stands for everything below it that no other row names.
    """

    group: str
    readers: str
    fields: tuple[str, ...] = ()


ROWS: tuple[Row, ...] = (
    # Blocks that go to every reader of the handover.
    Row("message", "all", ("schema_version", "fictional", "message")),
    Row(
        "routing",
        "all",
        (
            "routing.origin",
            "routing.destination.area_code",
            "routing.destination.area_name",
            "routing.destination.profile",
            "routing.destination.transport",
        ),
    ),
    Row(
        "routing.arrangements",
        "S X",
        ("routing.destination.bridge", "routing.destination.two_tier", "routing.destination.spoc"),
    ),
    Row("routing.recipients", "all", ("routing.recipients",)),  # own entry only
    Row("routing.not_relevant", "S", ("routing.not_relevant",)),
    Row("lawful_basis", "all", ("lawful_basis",)),  # own entries only
    Row("data_quality", "all", ("data_quality",)),
    Row(
        "transparency",
        "all",
        (
            "transparency.subject_informed",
            "transparency.informed_on",
            "transparency.by",
            "transparency.not_informed_reason",
        ),
    ),
    Row("transparency.subject_statement", "S C P B Y", ("transparency.subject_statement",)),
    Row("retention", "all", ("retention",)),
    Row("urgent", "P C S", ("urgent",)),
    # Sections: only to a leg whose `sections` names them.
    Row(
        "core",
        "all",
        (
            "core.family_name",
            "core.given_names",
            "core.known_as",
            "core.date_of_birth",
            "core.dob_certainty",
            "core.age_at_issue",
            "core.safe_contact",
            "core.interpreter_needed",
            "core.reasonable_adjustments",
        ),
    ),
    Row("core.parent_or_carer_informed", "S C Y P E N X", ("core.parent_or_carer_informed",)),
    Row("identifiers.police", "P B Y", ("identifiers.pnc_id", "identifiers.cro")),
    Row("identifiers.supervision", "P B", ("identifiers.crn", "identifiers.nomis")),
    Row("identifiers.nhs_number", "N C", ("identifiers.nhs_number",)),
    Row("identifiers.nino", "D", ("identifiers.nino",)),
    Row("move.areas", "all but E", ("move.kind", "move.from_area", "move.to_area")),
    Row("move.detail", "all but E X", ("move.reason", "move.moved_on", "move.temporary")),
    Row("move.new_address", "P B Y C L H D T", ("move.new_address",)),
    Row(
        "move.safety",
        "P C H B Y S",
        ("move.unsafe_areas", "move.safe_areas", "move.area_safety_check_requested"),
    ),
    Row("move.address_known_to_threat", "P C H", ("move.address_known_to_threat",)),
    Row("move.evidence_of_threat_ref", "P C S", ("move.evidence_of_threat_ref",)),
    Row("roles", "P B Y C S", ("roles",)),
    Row("roles.victim", "P B Y C S V"),  # the items whose role is VICTIM
    Row(
        "risk_to",
        "P B Y C L H S",
        (
            "risk_to.assessed_on",
            "risk_to.assessor_role",
            "risk_to.tool",
            "risk_to.who_is_the_threat",
            "risk_to.review_by",
            "risk_to.attachments",
        ),
    ),
    Row("risk_to.rating", "P B Y C L H S T", ("risk_to.rating",)),
    Row("risk_from", "P B Y S", ("risk_from",)),
    Row("orders", "P B Y S", ("orders",)),
    Row("orders.conditions", "P B Y C L H D T S", ("orders.conditions",)),
    Row("orders.minimal_view", "P B Y C L H D T S", ("orders.conditions.minimal_view",)),
    Row("history", "P B Y C", ("history",)),
    Row("gang_association", "P B Y", ("gang_association",)),
    Row("associates", "P B Y", ("associates",)),
    Row("safeguarding", "C P N Y", ("safeguarding",)),
    Row(
        "support",
        "B Y C L H D T",
        (
            "support.care_status",
            "support.responsible_authority",
            "support.pathway_plan_ref",
            "support.housing_need",
            "support.benefit",
            "support.caseworker_continuity",
            "support.attachments",
        ),
    ),
    Row("support.education_training", "B Y C L H D T E", ("support.education_training",)),
    Row("support.health", "N C B", ("support.substance", "support.mental_health")),
    Row("aspirations", "S P B Y L T C", ("aspirations",)),
    Row("contacts", "all", ("contacts",)),
    Row("actions", "all", ("actions",)),  # own agency's items only
    Row("actions.titles", "S X"),  # action_id, agency, code and title of the others' items
)

ENTITLEMENTS: Mapping[str, frozenset[str]] = MappingProxyType(
    {row.group: agencies(row.readers) for row in ROWS}
)
"""Field group -> agency types that may ever read it (domain 6.4)."""

GROUP_OF: Mapping[str, str] = MappingProxyType({path: row.group for row in ROWS for path in row.fields})
"""Named field path -> its group; :func:`group_of` finds the group of any path."""

GATED: Mapping[str, str] = MappingProxyType(
    {
        name: name
        for name in (
            "core",
            "identifiers",
            "move",
            "roles",
            "risk_to",
            "risk_from",
            "orders",
            "history",
            "associates",
            "safeguarding",
            "support",
            "aspirations",
            "contacts",
            "actions",
        )
    }
    | {"gang_association": "history"}
)
"""Top-level name -> the entry that a leg's ``sections`` must hold for it to be sent there. Names that are
not here are the blocks that go with every leg. ``gang_association`` is an assertion: it goes with history."""

SECTIONS = frozenset(GATED.values())
"""What a leg's ``sections`` may name."""


IDENTITY = (
    "core.family_name",
    "core.given_names",
    "core.known_as",
    "core.date_of_birth",
    "core.dob_certainty",
    "core.safe_contact",
    "move.new_address",
    "identifiers",
)
"""What says who the person is, or where to find them: withheld where a reference stands for the person (a
housing reciprocal request, which must not contain the applicant's name; domain 1.2)."""


@lru_cache(maxsize=1024)  # paths of the shape
def says_who(path: str) -> bool:
    """Whether a field is in :data:`IDENTITY`, or below one that is."""
    return any(path == place or path.startswith(place + ".") for place in IDENTITY)


@lru_cache(maxsize=1024)  # paths of the shape, of which there are some 300; list indices are left out
def group_of(path: str) -> str | None:
    """The group of a field path (``"core.safe_contact.phone"``, no list indices); None if it has none."""
    while path:
        if path in GROUP_OF:
            return GROUP_OF[path]
        path = path.rpartition(".")[0]
    return None


def reach(place: str, entitlements: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """Agency types that may read anything of a section or group (``"orders"``, ``"move.new_address"``)."""
    return frozenset().union(*(entitlements[group] for group in _groups_of(place, tuple(entitlements))))


def reads(agency: str, place: str, entitlements: Mapping[str, Container[str]]) -> bool:
    """Whether an agency type is among those that :func:`reach` a place."""
    return any(agency in entitlements[group] for group in _groups_of(place, tuple(entitlements)))


@lru_cache(maxsize=1024)  # places of the shape; a directory names the same groups for months
def _groups_of(place: str, groups: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(group for group in groups if group == place or group.startswith(place + "."))
