"""Rules about sending: what is verified, to whom, on which basis: R3, R4, R5, R13, R14, R19, R22, and what
domain 6.4 requires in some cases only.

Leaves out what a register must answer (a sharing agreement in date, an address in its area) and what is said
of the subject (:mod:`gateway.core.rules.subject`).
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.core.entitlements import agencies, group_of
from gateway.core.narrowing import widenings
from gateway.core.rules import Case
from gateway.errors import Problem
from schemas.message import Classification
from schemas.routing import LawfulBasis, Recipient
from schemas.vocabulary import DestinationProfile, MoveKind, Regime, SectionName, Transport, Urgency

VERIFIED_WITHIN = 5 * 24 * 3600
"""Seconds (R3)."""

NO_RELEVANT_AUTHORITY = agencies("D T V")
"""Not in the list of s.115(2) Crime and Disorder Act 1998, nor specified authorities of the 2022 Act."""

HEALTH_OR_SOCIAL_CARE = agencies("N C L") | {"ADULT_SOCIAL_CARE"}
"""Dischargers of health and social care functions: s.16(4) keeps their personal information out."""

PATIENT_INFORMATION = (
    "identifiers.nhs_number",
    "safeguarding.hospital",
    "support.substance",
    "support.mental_health",
)
"""Fields that come from or point to a patient's record: outside s.16 whoever discloses them."""

CDA_S115, PCSC_S16, AGREEMENT = "CDA1998_S115", "PCSC2022_S16", "AGREEMENT"
NOT_IN_FORCE = frozenset({"CWSA2026_S4"})
"""Powers enacted but not commenced: Children's Wellbeing and Schools Act 2026 s.4 awaits regulations."""

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


def r5_lawful_basis(case: Case) -> Iterator[Problem]:
    """R5. Every leg has a basis whose powers reach that recipient, and every basis is complete (s.35, s.42
    and Sch 8 DPA 2018; finding F6; domain 3.4). Whether an agreement is in date is a register's to say."""
    held = {basis.id: basis for basis in case.document.lawful_basis}
    for index, leg in enumerate(case.document.routing.recipients):
        for at, name in enumerate(leg.lawful_basis):
            pointer = f"/routing/recipients/{index}/lawful_basis/{at}"
            if name not in held:
                yield Problem(pointer, "no lawful basis has this id", "name an entry of lawful_basis", "R5")
            elif not all(_reaches(case, power, leg) for power in held[name].powers):
                yield Problem(
                    pointer,
                    "a power of this basis does not reach this recipient",
                    "give the recipient a basis of its own",
                    "R5",
                )
    for index, basis in enumerate(case.document.lawful_basis):
        yield from _complete(case, f"/lawful_basis/{index}", basis)


def _reaches(case: Case, power: str, leg: Recipient) -> bool:
    """CDA 1998 s.115: relevant authorities and persons acting on their behalf. PCSC Act 2022 s.16: specified
    authorities, and neither patient information nor what a health or social care authority discloses."""
    if power == CDA_S115:
        agent = leg.acting_on_behalf_of
        return leg.agency not in NO_RELEVANT_AUTHORITY or (
            agent is not None and agent.authority not in NO_RELEVANT_AUTHORITY
        )
    if power == PCSC_S16:
        discloser = case.document.message.authorised_by.agency
        return (
            leg.agency not in NO_RELEVANT_AUTHORITY
            and discloser not in HEALTH_OR_SOCIAL_CARE
            and not _patient_information(case, leg)
        )
    return True


def _patient_information(case: Case, leg: Recipient) -> bool:
    """Whether the leg may read any of it (the section, the field's group), not only whether it is there."""
    for path in PATIENT_INFORMATION:
        section, _, field = path.partition(".")
        held = getattr(getattr(case.document, section), field, None) is not None
        if held and section in leg.sections and leg.agency in case.entitlements.get(group_of(path) or "", ()):
            return True
    return False


def _complete(case: Case, pointer: str, basis: LawfulBasis) -> Iterator[Problem]:
    if NOT_IN_FORCE.intersection(basis.powers):
        yield Problem(f"{pointer}/powers", "a power that is not in force", "name another power", "R5")
    if AGREEMENT in basis.powers and not _agreed(case, basis):
        yield Problem(
            f"{pointer}/agreement", "no agreement in force", "record it, or use another power", "R5"
        )
    if not basis.dsa_ref and not basis.one_off:
        yield Problem(
            f"{pointer}/dsa_ref", "no sharing agreement", "name it, or record a one-off decision", "R5"
        )
    required = ("sch8_condition", "apd_ref") if basis.regime is Regime.DPA2018_PART3 else ("article6",)
    for field in required:
        if not getattr(basis, field):
            yield Problem(f"{pointer}/{field}", "missing under this regime", "state it", "R5")


def _agreed(case: Case, basis: LawfulBasis) -> bool:
    agreement = basis.agreement
    return (
        agreement is not None
        and agreement.given
        and agreement.at.timestamp() <= case.now
        and (agreement.withdrawn_at is None or agreement.withdrawn_at.timestamp() > case.now)
    )


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
