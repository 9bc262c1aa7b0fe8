"""Fictional people for scenarios: handovers that pass every rule, with whatever agencies a test wants.

All are made from example 1 (J, 23, Hackney to Bexley). Everything in them is fictional (domain 4.2).

Example::

    document = young_person()                  # 16, a youth order under caretaking
    document = told("HEALTH", "EDUCATION", of=document)
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from schemas.actions import ACTIONS
from schemas.areas import display_name
from schemas.samples import minimal_example
from schemas.vocabulary import Agency

Document = dict[str, Any]

_SECTIONS: Final = ["core", "contacts", "actions"]
_BASIS: Final = {
    **dict.fromkeys(("HOUSING", "LEAVING_CARE"), "LB2"),
    **dict.fromkeys(("VICTIM_SUPPORT", "VOLUNTARY_SECTOR", "DWP"), "LB3"),
    **dict.fromkeys(("CHILDRENS_SOCIAL_CARE", "EDUCATION"), "LBC"),
}
"""Agency -> its lawful basis: the subject's agreement where no statutory power reaches. Else s.115, LB1."""


def adult() -> Document:
    """J as the example has him."""
    document: Document = json.loads(minimal_example())
    return document


def handed_on(of: str, origin: str, destination: str, ref: str = "", **message: Any) -> Document:
    """J again, from ``origin`` which has him by the handover ``of``, verified after that came."""
    document, ref = adult(), ref or f"HO-{origin}-2026-000001"
    document["message"] |= {
        "handover_id": ref,
        "message_id": f"{ref[-6:]}00-2222-4333-8444-{ref[4:12]}1111",
        "onward_of": of,
        **message,
    }
    document["message"]["authorised_by"]["area"] = origin
    document["routing"]["origin"] |= {"area_code": origin, "area_name": display_name(origin)}
    document["routing"]["destination"] |= {"area_code": destination, "area_name": display_name(destination)}
    document["move"] |= {"from_area": origin, "to_area": destination, "safe_areas": [destination]}
    document["data_quality"]["verified_at"] = "2026-11-24T10:05:00+00:00"
    return document


def young_person(born: str = "2010-02-03", age: int = 16, *, caretaking: bool = True) -> Document:
    """Convicted, under a youth rehabilitation order, looked after by nobody; told: community safety, police,
    youth justice, children's social care and education."""
    document = adult()
    document["core"] |= {"date_of_birth": born, "age_at_issue": age, "parent_or_carer_informed": True}
    document["safeguarding"] = {"s47_enquiry": "NONE", "child_protection_plan": False}
    document["identifiers"] = {"pnc_id": "2099/0000001G"}
    for name in ("associates", "support"):
        del document[name]
    document["history"] = [one for one in document["history"] if one["subject_role"] in _ROLES]
    document["roles"] = [one for one in document["roles"] if one["role"] in _ROLES]
    for one in document["history"]:
        one["visible_to"] = ["POLICE", "YOUTH_JUSTICE"]
    document["risk_from"]["tool"] = "AssetPlus (summary only)"
    document["risk_from"]["assessor_role"] = "Youth justice officer"
    document["move"]["new_address"] = {"uprn": "999999000001", "postcode": "ZZ99 3CZ", "tenure": "FAMILY"}
    document["orders"] = [_youth_order(caretaking=caretaking)]
    document["lawful_basis"] += [_children()]
    document["actions"] = []
    document["routing"]["recipients"] = []
    told("COMMUNITY_SAFETY", "POLICE", "YOUTH_JUSTICE", sections=[*_SECTIONS, "orders"], of=document)
    told("CHILDRENS_SOCIAL_CARE", "EDUCATION", of=document)
    return document


_ROLES: Final = ("CONVICTED", "VICTIM")


def _youth_order(*, caretaking: bool) -> Document:
    order: Document = {
        "order_id": "ORD1",
        "type": "YOUTH_REHABILITATION_ORDER",
        "granted_on": "2026-09-01",
        "expires_on": "2027-08-31",
        "court": "Fictional Youth Court",
        "order_ref": "FYC/26/0001",
        "power_of_arrest": False,
        "variation_contact": "Youth Justice Service, Hackney",
        "home_service": "E09000012",
        "host_service": "E09000004",
        "conditions": [
            {
                "no": 1,
                "type": "REQUIREMENT",
                "text": "Supervision by the youth justice service.",
                "visible_to": ["COMMUNITY_SAFETY", "POLICE", "YOUTH_JUSTICE"],
            }
        ],
    }
    if caretaking:
        order["caretaking"] = {
            "rule": "YJB national protocol, 2018",
            "from": "2026-11-30",
            "review_on": "2027-02-28",
        }
    return order


def _children() -> Document:
    return {
        "id": "LBC",
        "regime": "UK_GDPR",
        "power": "Children Act 1989 s.17; Children Act 2004 ss.10-11",
        "article6": "6(1)(e)",
        "article9_10": "DPA2018 Sch 1 para 18",
        "purpose": "welfare of a child who moves",
        "necessity": "the services are in the new area",
        "dsa_ref": "DSA-LDN-SAFEG-01",
        "powers": ["CA1989_S17", "CA2004_S10"],
    }


def told(*agencies: str, of: Document, sections: Sequence[str] = tuple(_SECTIONS)) -> Document:
    """``of`` with these recipients beside its own, each asked everything that the catalogue asks of it in a
    handover of this urgency."""
    entries = of["routing"]["recipients"]
    for agency in agencies:
        if agency in {entry["agency"] for entry in entries}:
            continue
        basis = [_BASIS.get(agency, "LB1")]
        entries.append({"agency": agency, "sections": [*sections], "lawful_basis": basis})
        of["actions"] += _asked(agency, of)
    left_out = {entry["agency"] for entry in entries}
    routing = of["routing"]
    routing["not_relevant"] = [
        one for one in routing.get("not_relevant", ()) if one["agency"] not in left_out
    ]
    return of


def _asked(agency: str, document: Mapping[str, Any]) -> list[Document]:
    urgent = document["message"]["urgency"] == "URGENT"
    first = len(document["actions"]) + 1
    codes = [
        action.code
        for action in ACTIONS.values()
        if action.agency == agency and (action.standard is not None or urgent)
    ]
    return [
        {
            "action_id": f"T{number}",
            "agency": agency,
            "code": code,
            "title": f"{Agency(agency).value} does what {code} says",
            "due_at": "2026-12-01T17:00:00+00:00",
            "blocks_closure": True,
        }
        for number, code in enumerate(codes, start=first)
    ]


def everything(of: Document) -> Document:
    """``of`` with all that the catalogue asks of each of its recipients, in place of what it asks."""
    of["actions"] = []
    for entry in of["routing"]["recipients"]:
        of["actions"] += _asked(entry["agency"], of)
    if not of["actions"]:
        raise ValueError("nobody is asked anything")
    return of


def single_point(of: Document) -> Document:
    """``of`` sent to an area with a single point of contact, which is told, too."""
    of["routing"]["destination"] |= {
        "profile": "SINGLE_POINT_OF_CONTACT",
        "spoc": {
            "role": "Duty co-ordinator",
            "deputy_required": True,
            "may_open_sections": ["core", "contacts", "actions"],
            "relays_sealed": [],
        },
    }
    return told("SPOC", of=of)


def numbered(of: Document, number: int) -> Document:
    """A copy under another reference."""
    document = copy.deepcopy(of)
    message = document["message"]
    message["handover_id"] = f"{message['handover_id'][:-6]}{number:06d}"
    return document
