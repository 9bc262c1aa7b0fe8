# ruff: noqa: C408, PLR0911, PT017 - a second reading is written to be read beside the rules
"""The rules read the document, never the example: any document is judged by a second, slower reading.

The oracle below is written from domain 6.3, 6.4 and 6.9 alone, over plain JSON, a rule a function; it shares
nothing with the rules but the shape. A document that validates must break none of them, and one that is
refused must be refused for exactly those it breaks. R14, R28 and matters of shape are others' and left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gateway.core.policy import RULES, check
from gateway.core.registers import FICTIONAL
from gateway.errors import NotAllowed
from gateway.testing.documents import DAY, NOW, Document, body, disturbed, documents
from schemas.base import ShapeError
from schemas.handover import HandoverNotification, parse_notification, to_document

LETTER = dict(
    P="POLICE", B="PROBATION", Y="YOUTH_JUSTICE", C="CHILDRENS_SOCIAL_CARE", L="LEAVING_CARE", H="HOUSING",
    D="DWP", V="VICTIM_SUPPORT", T="VOLUNTARY_SECTOR", E="EDUCATION", N="HEALTH", S="COMMUNITY_SAFETY",
    X="SPOC", A="ADULT_SOCIAL_CARE",
)  # fmt: skip
ALL = "PBYCLHDVTENSXA"


def letters(text: str) -> set[str]:
    return {LETTER[one] for one in text}


# Who may read anything of a section (domain 6.4, the visibility column).
SECTION = dict(
    core=ALL, identifiers="PBYNCD", move="PBYCLHDVTNSXA", roles="PBYCSV", risk_to="PBYCLHST",
    risk_from="PBYS", orders="PBYSCLHDT", history="PBYC", associates="PBY", safeguarding="CPNY",
    support="BYCLHDTEN",
    aspirations="SPBYLTC", contacts=ALL, actions=ALL,
)  # fmt: skip
TERM = "PBYCLHDTS"

RELEVANT_S115 = "PBYCLHENSXA"
REACH = {
    "CDA1998_S115": RELEVANT_S115,
    "PCSC2022_S16": RELEVANT_S115,
    "AGREEMENT": "CLHDVTENSXA",
    "CA1989_S47": "PBYCLHENSXA",
    "ECHR_ART2": ALL,
}
CARE = letters("NCLA")


def born(d: Document) -> date:
    return date.fromisoformat(d["core"]["date_of_birth"])


def issued(d: Document) -> date:
    return datetime.fromisoformat(d["message"]["issued_at"]).date()  # winter: UTC is London's day


def age(d: Document) -> int:
    day = issued(d)
    return day.year - born(d).year - ((day.month, day.day) < (born(d).month, born(d).day))


def legs(d: Document) -> list[Document]:
    return list(d["routing"]["recipients"])


def said(d: Document) -> list[Document]:
    group = d.get("gang_association")
    return [*(d.get("history") or []), *([group] if isinstance(group, dict) else [])]


def terms(d: Document) -> Iterator[tuple[Document, Document]]:
    for order in d.get("orders") or []:
        for term in order["conditions"]:
            yield order, term


def sources(one: Document) -> set[str]:
    return {
        " ".join(re.sub(r"[\W_]", " ", s).lower().split()) for s in one.get("corroboration_sources") or []
    }


def r1(d: Document) -> bool:
    about = {one["assertion_id"]: one["subject_role"] for one in d.get("history") or []}
    wrong = any(about.get(role["assertion"]) != role["role"] for role in d["roles"])
    return wrong or all(role["role"] == "ASSOCIATE" for role in d["roles"])


def r2(d: Document) -> bool:
    for one in said(d):
        kind, grade = one["kind"], one.get("grading")
        if kind == "FACT" and not one.get("evidence_ref"):
            return True
        if kind == "ASSESSMENT" and not one.get("assessor"):
            return True
        if kind == "INTELLIGENCE":
            if not grade or grade["assessment"] == "E" or len(sources(one)) < 2:
                return True
            if grade["source"] == 3 and not d["message"].get("authorisations"):
                return True
            if grade["handling"] == "C" and (not grade.get("conditions") or one.get("visible_to") is None):
                return True
        if one is d.get("gang_association") and len(sources(one)) < 2:
            return True
        social = one.get("evidence_type") == "SOCIAL_MEDIA"
        if social and not (one.get("authorisation_ref") and sources(one) - {"social media"}):
            return True
    return False


def r3(d: Document) -> bool:
    late = NOW - datetime.fromisoformat(d["data_quality"]["verified_at"]).timestamp()
    return late < 0 or late > 5 * 86400


def r4(d: Document) -> bool:
    move = d["move"]
    address = "CPH" if "URGENT" in (d["message"]["urgency"], move["kind"]) else "PBYCLH"
    if move["kind"] == "PLANNED" and address != "CPH":
        address += "DT"
    places = [
        (move.get("new_address"), address),
        (d.get("safeguarding"), "CPNY"),
        (d.get("support"), SECTION["support"]),
    ]
    places += [(one, "PBYC") for one in d.get("history") or []]
    places += [(one, "PBY") for one in d.get("associates") or []]
    places += [(d.get("gang_association"), "PBY")]
    places += [(term, TERM) for _, term in terms(d)]
    for place, may in places:
        if isinstance(place, dict) and set(place.get("visible_to") or ()) - letters(may):
            return True
    for _, term in terms(d):
        if set((term.get("minimal_view") or {}).get("agencies") or ()) - letters(TERM):
            return True
    for leg in legs(d):
        if any(leg["agency"] not in letters(SECTION[s]) or d.get(s) is None for s in leg["sections"]):
            return True
        reference = leg.get("reciprocal_ref")
        if reference and (leg["agency"] != "HOUSING" or named(d, reference)):
            return True
    return False


def named(d: Document, reference: str) -> bool:
    core = d["core"]
    names = " ".join([core["family_name"], core["given_names"], *(core.get("known_as") or [])])
    words = {w for w in re.findall(r"\w+", names.lower()) if len(w) > 1}
    return bool(words & set(re.findall(r"\w+", reference.lower())))


def r5(d: Document) -> bool:
    bases = {basis["id"]: basis for basis in d["lawful_basis"]}
    for leg in legs(d):
        for name in leg["lawful_basis"]:
            if name not in bases or any(not carries(d, power, leg) for power in bases[name]["powers"]):
                return True
    return any(incomplete(d, basis) for basis in bases.values())


def carries(d: Document, power: str, leg: Document) -> bool:
    if power not in REACH:
        return False
    agent = (leg.get("acting_on_behalf_of") or {}).get("authority")
    behalf = power == "CDA1998_S115" and agent in letters(RELEVANT_S115)
    if leg["agency"] not in letters(REACH[power]) and not behalf:
        return False
    if power != "PCSC2022_S16":
        return True
    if d["message"]["authorised_by"]["agency"] in CARE:
        return False
    for one in (d.get("history") or []) if "history" in leg["sections"] else []:
        if one["source_agency"] in CARE and leg["agency"] in assertion_readers(d, one):
            return False
    return not reads_care(d, leg)


def assertion_readers(d: Document, one: Document) -> set[str]:
    if one.get("visible_to") is not None:
        return set(one["visible_to"])
    return letters("PBY" if age(d) < 18 and one["kind"] != "INTELLIGENCE" else "PB")


def reads_care(d: Document, leg: Document) -> bool:
    fields = [
        ("identifiers", "nhs_number", "NC"), ("safeguarding", "hospital", "CPNY"),
        ("support", "substance", "NCB"),
        ("support", "mental_health", "NCB"), ("safeguarding", "s47_enquiry", "CPNY"),
        ("safeguarding", "child_protection_plan", "CPNY"), ("safeguarding", "looked_after", "CPNY"),
        ("support", "care_status", "BYCLHDT"), ("support", "pathway_plan_ref", "BYCLHDT"),
    ]  # fmt: skip
    return any(
        (d.get(section) or {}).get(field) is not None
        and section in leg["sections"]
        and leg["agency"] in letters(readers)
        for section, field, readers in fields
    )


def incomplete(d: Document, basis: Document) -> bool:
    powers = basis["powers"]
    if set(powers) - set(REACH):
        return True
    if "CA1989_S47" in powers and age(d) >= 18:
        return True
    if "ECHR_ART2" in powers and not d["move"].get("evidence_of_threat_ref") and not threat(d):
        return True
    if "AGREEMENT" in powers and not agreed(basis):
        return True
    if not basis.get("dsa_ref") and not basis.get("one_off"):
        return True
    if basis["regime"] == "DPA2018_PART3" and not (basis.get("sch8_condition") and basis.get("apd_ref")):
        return True
    if basis["regime"] == "UK_GDPR" and not basis.get("article6"):
        return True
    filed = {"DSA-LDN-GANGS-07", "DSA-LDN-SAFEG-01", "DSA-HACK-DWP-01", "DSA-LVWS-01"}
    if basis.get("dsa_ref") and basis["dsa_ref"] not in filed:
        return True
    return bool(basis.get("apd_ref")) and basis["apd_ref"] not in {"APD-HACK-2026-02", "APD-MPS-2026-01"}


def threat(d: Document) -> bool:
    urgent = d.get("urgent") or {}
    return bool(urgent.get("threat_to_life_ref") or urgent.get("evidence_ref"))


def agreed(basis: Document) -> bool:
    agreement = basis.get("agreement")
    if not agreement or not agreement["given"]:
        return False
    withdrawn = agreement.get("withdrawn_at")
    given = datetime.fromisoformat(agreement["at"]).timestamp() <= NOW
    return given and (not withdrawn or datetime.fromisoformat(withdrawn).timestamp() > NOW)


def r6(d: Document) -> bool:
    offending = {"SUSPECTED", "CONVICTED"}
    if {role["role"] for role in d["roles"]} & offending:
        return d.get("risk_from") is None
    group = isinstance(d.get("gang_association"), dict)
    if d.get("risk_from") is not None or d.get("orders") or group:
        return True
    if any(
        one["category"] == "GROUP_LINK" or one["subject_role"] in offending for one in d.get("history") or []
    ):
        return True
    return any(
        leg["agency"] in letters("PBY") and not leg.get("victim_inclusion_justification") for leg in legs(d)
    )


def r7(d: Document) -> bool:
    with_orders = {leg["agency"] for leg in legs(d) if "orders" in leg["sections"]}
    for _, term in terms(d):
        minimal = set((term.get("minimal_view") or {}).get("agencies") or ())
        if (set(term["visible_to"]) | minimal) - with_orders:
            return True
        if set(term["visible_to"]) & letters("DH") - minimal:
            return True
    return False


def r8(d: Document) -> bool:
    naming = {order["order_id"] for order, term in terms(d) if term.get("third_party_list")}
    people = d.get("associates") or []
    return any(p["in_order"] not in naming or set(p.get("visible_to") or ()) - letters("PBY") for p in people)


def r9(d: Document) -> bool:
    shut = {area for _, t in terms(d) if t["type"] == "PROHIBITION" for area in t.get("area_codes") or []}
    for _, term in terms(d):
        if term["type"] == "REQUIREMENT" and term.get("provider_area") in shut:
            permission = term.get("permission")
            permitted = permission and permission["expires_on"] >= DAY.isoformat()
            if term.get("place_rule") != "NOT_IN_EXCLUDED_AREA" and not permitted:
                return True
    return False


def r10(d: Document) -> bool:
    for order in d.get("orders") or []:
        if order["type"] != "GANG_INJUNCTION":
            continue
        if not order.get("granted_on"):
            return True
        granted, ends = order["granted_on"], order["expires_on"]
        one, two = (f"{int(granted[:4]) + years}{granted[4:]}" for years in (1, 2))
        window = order.get("review_hearing_window")
        if ends > two or (ends > one and not (window and granted <= window["from"] <= window["to"] <= one)):
            return True
    return False


def r11(d: Document) -> bool:
    address = d["move"].get("new_address") or {}
    return bool(address.get("outside_area_reason")) and not d["message"].get("authorisations")


def r12(d: Document) -> bool:
    years, told = age(d), {leg["agency"] for leg in legs(d)}
    ruled_out = {one["agency"] for one in d["routing"].get("not_relevant") or []}
    considered = told | ruled_out
    if considered & letters("SX"):
        considered |= letters("SX")
    if concerned(d, years) - considered or told & ruled_out:
        return True
    if any(not suited(d, leg["agency"], years) and not leg.get("relevant_because") for leg in legs(d)):
        return True
    if d["core"].get("age_at_issue") not in (None, years):
        return True
    if years < 18 and (d["core"].get("parent_or_carer_informed") is None or d.get("safeguarding") is None):
        return True
    return any(
        order["type"] == "GANG_INJUNCTION" and order.get("granted_on") and order["granted_on"] < fourteenth(d)
        for order in d.get("orders") or []
    )


def fourteenth(d: Document) -> str:
    birth = born(d)
    return f"{birth.year + 14}-{birth.month:02}-{birth.day:02}"


def suited(d: Document, agency: str, years: int) -> bool:
    if agency in letters("BA"):
        return years >= 18
    if agency == LETTER["Y"]:
        finishing = any(order["type"] in YOUTH for order in d.get("orders") or [])
        return 10 <= years <= 17 or (years == 18 and finishing)
    if agency == LETTER["C"]:
        return years < 18
    if agency == LETTER["L"]:
        return 16 <= years <= 24
    if agency == LETTER["E"]:
        return years <= 24
    if agency == LETTER["D"]:
        claims = bool((d.get("support") or {}).get("benefit"))
        return years >= 18 or (years >= 16 and (claims or provides(d, "DWP")))
    return True


YOUTH = {"YOUTH_REHABILITATION_ORDER", "REFERRAL_ORDER", "DTO_OR_CUSTODY"}
SUPERVISED = {"LICENCE", "COMMUNITY_ORDER", "SUSPENDED_SENTENCE", "DTO_OR_CUSTODY"}


def provides(d: Document, agency: str) -> bool:
    return any(term.get("provider_agency") == agency for _, term in terms(d))


def concerned(d: Document, years: int) -> set[str]:
    """Domain 6.3, out of what a document of :mod:`gateway.testing.documents` can hold."""
    types = {order["type"] for order in d.get("orders") or []}
    roles = {role["role"] for role in d["roles"]}
    categories = {one["category"] for one in d.get("history") or []}
    support, address = d.get("support") or {}, d["move"].get("new_address") or {}
    found = letters("PS")
    if years >= 18 and (types & SUPERVISED or provides(d, "PROBATION")):
        found |= letters("B")
    if (10 <= years < 18 and (types or roles & {"SUSPECTED", "CONVICTED"})) or (
        years == 18 and types & YOUTH
    ):
        found |= letters("Y")
    if years < 18:
        found |= letters("CE")
    if years >= 18 and "CARE_NEEDS" in categories:
        found |= letters("A")
    if address.get("tenure") or support.get("housing_need"):
        found |= letters("H")
    if years >= 16 and provides(d, "DWP"):
        found |= letters("D")
    if "INJURY" in categories:
        found |= letters("N")
    bases = {basis["id"]: basis for basis in d["lawful_basis"]}
    for leg in legs(d):
        agreement = any(
            "AGREEMENT" in bases[n]["powers"] and stands(bases[n]) for n in leg["lawful_basis"] if n in bases
        )
        if agreement and leg["agency"] == "VICTIM_SUPPORT" and roles & {"VICTIM", "WITNESS"}:
            found |= letters("V")
    return found


def stands(basis: Document) -> bool:
    agreement = basis.get("agreement")
    return bool(agreement and agreement["given"] and not agreement.get("withdrawn_at"))


def r13(d: Document) -> bool:
    return len(legs(d)) > 8 and not d["message"].get("authorisations")


def r16(d: Document) -> bool:
    dates = [one["review_by"] for one in said(d)] + [d["risk_to"]["review_by"], d["retention"]["review_date"]]
    dates += [d["risk_from"]["review_by"]] if d.get("risk_from") else []
    return any(day < DAY.isoformat() for day in dates)


def r17(d: Document) -> bool:
    purge = d["retention"]["gateway_payload_purge_after"]
    return purge < max(DAY, issued(d)).isoformat() or purge > (issued(d) + timedelta(days=90)).isoformat()


def r19(d: Document) -> bool:
    marking = d["message"]["marking"]
    return marking["classification"] != "OFFICIAL" or marking["text"] not in {
        "OFFICIAL",
        "OFFICIAL-SENSITIVE",
    }


def r22(d: Document) -> bool:
    spoc = d["routing"]["destination"].get("spoc")
    if spoc and set(spoc["may_open_sections"]) - {"core", "contacts", "actions"}:
        return True
    return any(leg.get("via") and (not spoc or leg["agency"] not in spoc["relays_sealed"]) for leg in legs(d))


def r27(d: Document) -> bool:
    message = d["message"]
    before = message["supersedes"]
    return (before is None) != (message["version"] == 1) or before == message["message_id"]


ORACLE: dict[str, Callable[[Document], bool]] = {
    "R1": r1, "R2": r2, "R3": r3, "R4": r4, "R5": r5, "R6": r6, "R7": r7, "R8": r8, "R9": r9, "R10": r10,
    "R11": r11, "R12": r12, "R13": r13, "R16": r16, "R17": r17, "R19": r19, "R22": r22,
    "R27": r27,
}  # fmt: skip


def refused_for(notification: HandoverNotification) -> set[str]:
    try:
        check(notification, now=NOW, registers=FICTIONAL)
    except NotAllowed as error:
        assert all(problem.remedy and problem.field.startswith("/") for problem in error.problems)
        return {problem.rule for problem in error.problems}
    return set()


def compare(document: Document) -> set[str]:
    try:
        notification = parse_notification(body(document))
    except ShapeError as error:
        assert error.problems
        return {"shape"}
    plain: Any = to_document(notification)
    broken = {number for number, breaks in ORACLE.items() if breaks(plain)}
    refused = refused_for(notification)
    assert refused & set(ORACLE) == broken
    return refused


THOROUGH = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


@THOROUGH
@given(documents())
def test_any_document_is_refused_for_exactly_the_rules_it_breaks(document: Document) -> None:
    assert compare(document) != {"shape"}


@THOROUGH
@given(disturbed())
def test_so_is_one_of_which_parts_are_gone_or_are_anothers(document: Document) -> None:
    compare(document)


def test_every_rule_that_reads_documents_is_judged_a_second_time() -> None:
    assert set(ORACLE) == set(RULES) - {"", "R14", "R28"}


@pytest.mark.parametrize("number", [*(n for n in ORACLE if n not in {"R11", "R22"}), "nothing"])
def test_the_strategy_reaches_each_rule_and_the_lawful(number: str) -> None:
    """A rule that no drawing breaks would be proven by nothing."""

    most = 12 if number == "R13" else 4

    class Found(Exception):
        pass

    @settings(max_examples=3000, deadline=None, phases=[Phase.generate], database=None, derandomize=True,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.one_of(documents(most=most), disturbed(documents(most=most))))
    def search(document: Document) -> None:
        try:
            refused = refused_for(parse_notification(body(document)))
        except ShapeError:
            return
        if number in refused or (number == "nothing" and not refused):
            raise Found

    with pytest.raises(Found):
        search()
