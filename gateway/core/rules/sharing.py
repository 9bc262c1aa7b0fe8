"""Rules about sending: what is verified, to whom, for how long: R3, R4, R13, R14, R17, R19, R22, and what
domain 6.4 requires in some cases only.

Leaves out the lawful basis (:mod:`gateway.core.rules.basis`), the address
(:mod:`gateway.core.rules.places`) and what is said of the subject (:mod:`gateway.core.rules.subject`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from gateway.core.narrowing import widenings
from gateway.core.rules import Case
from gateway.errors import Problem
from schemas.message import Classification
from schemas.vocabulary import Agency, DestinationProfile, MoveKind, SectionName, Transport, Urgency

VERIFIED_WITHIN = 5 * 24 * 3600
"""Seconds (R3)."""

PURGE = "/retention/gateway_payload_purge_after"
KEPT_DAYS = 90
"""Days after issue until the content of a handover is gone, at the latest (R17)."""

LEGS_WITHOUT_SECOND_PERSON = 8
"""More recipients need a second authoriser (finding F14: 44 recipients)."""

MARKINGS = frozenset({"OFFICIAL", "OFFICIAL-SENSITIVE"})
SPOC_MAY_OPEN = frozenset({SectionName.CORE, SectionName.CONTACTS, SectionName.ACTIONS})


def r3_verified(case: Case) -> Iterator[Problem]:
    """R3. Quality was verified before sending, not more than 5 days ago (s.38(4) DPA 2018)."""
    age = case.now - case.document.data_quality.verified_at.timestamp()
    if age < 0:
        yield Problem("/data_quality/verified_at", "in the future", "give the time of verification", "R3")
    elif age > VERIFIED_WITHIN:
        yield Problem("/data_quality/verified_at", "over 5 days ago", "verify again before sending", "R3")
    for index, leg in enumerate(case.document.routing.recipients):
        if leg.agency not in case.entitlements.get("data_quality", ()):
            yield Problem(
                f"/routing/recipients/{index}",
                "the entitlements keep the quality block from this recipient",
                "ask the operator: every leg carries it (s.38(5)(b) DPA 2018)",
                "R3",
            )


def r4_matrix(case: Case) -> Iterator[Problem]:
    """R4. Sections and ``visible_to`` stay within what each agency may ever read (s.37 DPA 2018; finding F5),
    and a leg is promised nothing that the document does not hold."""
    yield from widenings(case.content, case.entitlements)
    for index, leg in enumerate(case.document.routing.recipients):
        for at, section in enumerate(leg.sections):
            if case.content.get(section) is None:
                yield Problem(
                    f"/routing/recipients/{index}/sections/{at}",
                    "the document has no such section",
                    "add the section, or remove it from this recipient",
                    "R4",
                )


def r4_reciprocal(case: Case) -> Iterator[Problem]:
    """R4. In a housing reciprocal request a reference stands for the person: it goes to housing alone, and
    is no name (Pan-London Housing Reciprocal; domain 1.2)."""
    names = _names(case)
    for index, leg in enumerate(case.document.routing.recipients):
        if leg.reciprocal_ref is None:
            continue
        pointer = f"/routing/recipients/{index}/reciprocal_ref"
        if leg.agency is not Agency.HOUSING:
            yield Problem(pointer, "only housing takes a reciprocal request", "remove it here", "R4")
        if names & set(_WORD.findall(leg.reciprocal_ref.casefold())):
            yield Problem(pointer, "holds a name of the person", "use a reference that tells nothing", "R4")


_WORD = re.compile(r"\w{2,}")


def _names(case: Case) -> set[str]:
    core = case.document.core
    return set(_WORD.findall(" ".join((core.family_name, core.given_names, *core.known_as)).casefold()))


def r13_no_bulk(case: Case) -> Iterator[Problem]:
    """R13. No batch: one subject is the shape's, many recipients need a second person (finding F14)."""
    document = case.document
    many = len(document.routing.recipients) > LEGS_WITHOUT_SECOND_PERSON
    if many and not document.message.authorisations:
        yield Problem(
            "/message/authorisations",
            "more than 8 recipients without a second authoriser",
            "add a second role, or send to fewer",
            "R13",
        )


def r14_urgent_evidence(case: Case) -> Iterator[Problem]:
    """R14. URGENT is for evidenced violence or threat: a trigger and a reference (domain 6.6)."""
    document = case.document
    if document.message.urgency is not Urgency.URGENT and document.move.kind is not MoveKind.URGENT:
        return
    if document.urgent is None:
        yield Problem("/urgent", "missing in an urgent handover", "state trigger and evidence", "R14")
    elif not document.urgent.evidence_ref:
        yield Problem("/urgent/evidence_ref", "urgent without evidence", "give the reference", "R14")
    if not document.move.evidence_of_threat_ref:
        yield Problem("/move/evidence_of_threat_ref", "urgent without evidence", "give the reference", "R14")


def r17_purge(case: Case) -> Iterator[Problem]:
    """R17. What a node holds of it goes within 90 days of issue, and the date can be kept (s.39 DPA 2018;
    domain 3.5): the gateway is not the record of truth. The keys are destroyed by the flows."""
    purge, pointer = case.document.retention.gateway_payload_purge_after, PURGE
    if purge > case.issued + timedelta(days=KEPT_DAYS):
        yield Problem(pointer, "over 90 days after issue", "give an earlier day", "R17")
    elif purge < max(case.issued, case.today):
        yield Problem(pointer, "before it is sent", "give a day from today on", "R17")


def r19_marking(case: Case) -> Iterator[Problem]:
    """R19. OFFICIAL-SENSITIVE at most; markings of older schemes are not valid (GSC policy; domain 4.4)."""
    marking = case.document.message.marking
    if marking.classification is not Classification.OFFICIAL:
        yield Problem(
            "/message/marking/classification", "above OFFICIAL", "do not send it through this gateway", "R19"
        )
    if marking.text not in MARKINGS:
        yield Problem(
            "/message/marking/text", "no valid marking", "use OFFICIAL or OFFICIAL-SENSITIVE", "R19"
        )


def r22_spoc(case: Case) -> Iterator[Problem]:
    """R22. A single point of contact opens core, contacts and actions; everything else it passes on sealed,
    for agencies that the destination says it relays (domain 6.4)."""
    spoc = case.document.routing.destination.spoc
    for index, section in enumerate(spoc.may_open_sections if spoc else ()):
        if section not in SPOC_MAY_OPEN:
            yield Problem(
                f"/routing/destination/spoc/may_open_sections/{index}",
                "a single point of contact does not open this section",
                "remove it: it is relayed sealed",
                "R22",
            )
    for index, leg in enumerate(case.document.routing.recipients):
        if leg.via and (spoc is None or leg.agency not in spoc.relays_sealed):
            yield Problem(
                f"/routing/recipients/{index}/via",
                "the destination does not relay for this agency",
                "add it to relays_sealed, or reach it directly",
                "R22",
            )


def r27_versions(case: Case) -> Iterator[Problem]:
    """R27. The versions of a handover are a chain: each but the first names the message before it."""
    message, pointer = case.document.message, "/message/supersedes"
    if message.version == 1 and message.supersedes is not None:
        yield Problem(pointer, "a first version supersedes nothing", "write null, or the version", "R27")
    elif message.version > 1 and message.supersedes in (None, message.message_id):
        yield Problem(
            pointer, "a later version that names none before it", "give the message_id of that one", "R27"
        )


def required_in_some_cases(case: Case) -> Iterator[Problem]:
    """Domain 6.4, "required where": a matter of shape that depends on values, so it has no number. What a
    partial urgent handover leaves out is owed with its full version (domain 6.6)."""
    document, destination = case.document, case.document.routing.destination
    if not case.partial:
        yield from _full(case)
    openness = document.transparency
    if openness and not openness.subject_informed and not openness.not_informed_reason:
        yield Problem("/transparency/not_informed_reason", "missing", "say why the subject does not know")
    if destination.profile is DestinationProfile.SINGLE_POINT_OF_CONTACT and destination.spoc is None:
        yield Problem("/routing/destination/spoc", "missing for this profile", "describe the contact")
    if destination.profile is DestinationProfile.EXTERNAL_NON_LONDON:
        if destination.transport is not Transport.EXTERNAL_BRIDGE:
            yield Problem("/routing/destination/transport", "no node there", "set EXTERNAL_BRIDGE")
        if destination.bridge is None:
            yield Problem("/routing/destination/bridge", "missing", "verify the contact by call-back first")
    if (tiers := destination.two_tier) and set(tiers.county_agencies) & set(tiers.district_agencies):
        yield Problem("/routing/destination/two_tier", "an agency in both tiers", "give it to one tier")


def _full(case: Case) -> Iterator[Problem]:
    """What every handover carries whose full version is not owed."""
    document = case.document
    if document.move.kind is MoveKind.PLANNED and document.aspirations is None:
        yield Problem("/aspirations", "missing for a planned move", "add what the subject wants")
    if document.transparency is None:
        yield Problem("/transparency", "missing", "say whether the subject knows")
    if not document.contacts:
        yield Problem("/contacts", "missing", "name a role that can be asked")
