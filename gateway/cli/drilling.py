"""The document of a drill: example 2 made anew for two areas, some agencies and the present moment.

Duty: a handover that passes every rule and is visibly about nobody. It leaves out the sending. Rules: one
invented person, no orders, no history of anybody; each agency gets who it is, whom to ask and one action.
"""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from gateway.core.relevance import relevant
from gateway.core.urgent import owed_by
from schemas.actions import ACTIONS
from schemas.handover import parse_notification
from schemas.samples import example_text, restamp
from schemas.vocabulary import Agency

ADULT_BORN, CHILD_BORN = 27, 16
"""Years before the drill."""

CHILDREN_ONLY = frozenset({"CHILDRENS_SOCIAL_CARE", "YOUTH_JUSTICE", "EDUCATION"})
ADULTS_ONLY = frozenset({"PROBATION", "ADULT_SOCIAL_CARE", "DWP", "LEAVING_CARE"})
ENFORCEMENT = frozenset({"POLICE", "PROBATION", "YOUTH_JUSTICE"})
BY_AGREEMENT = frozenset({"DWP", "VICTIM_SUPPORT", "VOLUNTARY_SECTOR"})
NEVER = frozenset({"SPOC", "NODE"})
"""A single point of contact relays for others; it is asked by itself in no drill."""

SECTIONS = ["core", "contacts", "actions"]


def suited(agencies: Sequence[str], *, child: bool) -> list[str]:
    """Those that deal with the invented person, each once, in their order."""
    out = NEVER | (ADULTS_ONLY if child else CHILDREN_ONLY) | (set() if child else {"LEAVING_CARE"})
    return [name for name in dict.fromkeys(agencies) if name not in out]


def compose(
    *, origin: str, destination: str, sender: str, agencies: Sequence[str], urgent: bool, now: int
) -> dict[str, Any]:
    """A document to hand in. ``agencies``: types at the destination, as :func:`suited` gives them."""
    document: dict[str, Any] = restamp(json.loads(example_text("urgent")), now)
    _header(document, origin, sender, urgent=urgent)
    _person(document, now, child=urgent)
    _move(document, origin, destination, urgent=urgent)
    document["routing"]["origin"] = {"area_code": origin, "profile": "STANDARD"}
    document["routing"]["destination"] = {"area_code": destination, "profile": "STANDARD"}
    document["routing"]["recipients"] = [_recipient(name) for name in agencies]
    document["actions"] = [_action(number, name, now) for number, name in enumerate(agencies, 1)]
    document["contacts"] = [{**contact, "area": origin} for contact in document["contacts"]]
    document["lawful_basis"] = [_basis(entry, child=urgent) for entry in document["lawful_basis"]]
    document["routing"]["not_relevant"] = _left_out(document, agencies)
    return document


def _basis(entry: dict[str, Any], *, child: bool) -> dict[str, Any]:
    """Under no sharing agreement: nothing personal is shared, and a register need not know of drills."""
    entry.pop("dsa_ref", None)
    if "apd_ref" in entry:
        entry["apd_ref"] = "DRILL"
    entry["one_off"] = {"justification": "a drill: nobody is in it", "dpo_ref": "DRILL"}
    if entry["id"] == "LB1" and not child:
        entry |= {"power": "Crime and Disorder Act 1998 s.115", "powers": ["CDA1998_S115"]}
    return entry


def _header(document: dict[str, Any], origin: str, sender: str, *, urgent: bool) -> None:
    year = document["message"]["issued_at"][:4]
    document["message"].update(
        message_id=str(uuid.uuid4()),
        handover_id=f"HO-{origin}-{year}-{secrets.randbelow(1_000_000):06}",
        urgency="URGENT" if urgent else "STANDARD",
        authorised_by={"role": "Drill organiser", "agency": sender, "area": origin},
        drill=True,
    )
    if urgent:
        document["urgent"]["trigger"] = "CREDIBLE_THREAT"
        document["urgent"]["evidence_ref"] = "DRILL"
        document["urgent"].pop("threat_to_life_ref", None)
    else:
        document.pop("urgent")
        document["data_quality"]["completeness"] = "COMPLETE_FOR_PURPOSE"
    document["data_quality"]["verified_at"] = document["message"]["issued_at"]


def _person(document: dict[str, Any], now: int, *, child: bool) -> None:
    core, year = document["core"], datetime.fromtimestamp(now, UTC).year
    core["family_name"], core["given_names"] = "DRILL", "Alex (fictional)"
    core["date_of_birth"] = f"{year - (CHILD_BORN if child else ADULT_BORN)}-01-01"
    core["age_at_issue"] = CHILD_BORN if child else ADULT_BORN
    if not child:
        document.pop("safeguarding")
        core.pop("parent_or_carer_informed")
    reviewed = datetime.fromtimestamp(owed_by(now), UTC).strftime("%Y-%m-%d")
    for dated in (document["risk_to"], *document["history"]):
        dated["review_by"] = max(dated["review_by"], reviewed)


def _move(document: dict[str, Any], origin: str, destination: str, *, urgent: bool) -> None:
    move = document["move"]
    move.update(
        from_area=origin, to_area=destination, reason="drill", kind="URGENT" if urgent else "TEMPORARY"
    )
    move["unsafe_areas"] = [origin]
    move["evidence_of_threat_ref"] = "DRILL"
    move.pop("new_address")


def _recipient(agency: str) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "agency": agency,
        "sections": SECTIONS,
        "lawful_basis": ["LB3" if agency in BY_AGREEMENT else "LB1"],
    }
    if agency in ENFORCEMENT:
        entry["victim_inclusion_justification"] = "a drill: nobody is told of anybody"
    return entry


def _action(number: int, agency: str, now: int) -> dict[str, Any]:
    codes = [code for code, action in ACTIONS.items() if action.agency == agency and action.standard]
    due = datetime.fromtimestamp(owed_by(now), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "action_id": f"AC{number}",
        "agency": agency,
        "code": codes[0] if codes else "DR-01",
        "title": "DRILL: acknowledge, and do nothing else",
        "due_at": due,
        "blocks_closure": False,
    }


def _left_out(document: dict[str, Any], agencies: Sequence[str]) -> list[Mapping[str, str]]:
    """Whom this person would concern if it were one, and who is not rehearsing today."""
    bare = {**document, "routing": {**document["routing"], "not_relevant": []}}
    concerned = relevant(parse_notification(json.dumps(bare).encode()))
    absent = [name for name in concerned if name not in agencies]
    return [{"agency": Agency(name).value, "reason": "DRILL"} for name in absent]
