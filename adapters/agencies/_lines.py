"""The sentences that agencies share. Each function reads one matter out of a view and gives its sentences.

Rules. A sentence frames a value of the view and is not said without it. Words that label a person (suspected,
convicted, victim) come from the view alone, so that a view without them is presented without them (domain 7,
F1). ``minimal_view`` of a condition is all that its reader is told.

Example::

    list(safe_contact({"core": {"safe_contact": {"phone": "020 7946 0123", "safe_to_call": True}}}))
    # ["Safe contact: call 020 7946 0123."]
"""

from __future__ import annotations

from collections.abc import Iterator

from adapters.agencies._reading import Table, at, clauses, table, tables, text, texts, words

# --- Who, and how to reach them -----------------------------------------------------------------------


def person(view: Table) -> Iterator[str]:
    core = table(view, "core")
    name = clauses([("", text(core, "given_names")), ("", text(core, "family_name"))], " ")
    known_as = clauses([("", alias) for alias in texts(core, "known_as")])
    facts = clauses([("", name), ("known as ", known_as), ("born ", text(core, "date_of_birth"))])
    if facts:
        yield f"Person: {facts}."
    for entry in tables(view, "routing", "recipients"):
        if reference := text(entry, "reciprocal_ref"):
            yield f"Reciprocal request {reference}: the reference stands for the person, who is not named."
    if at(core, "interpreter_needed") is True:
        yield "An interpreter is needed."
    if adjustments := text(core, "reasonable_adjustments"):
        yield f"Reasonable adjustments: {adjustments}"
    if isinstance(informed := at(core, "parent_or_carer_informed"), bool):
        yield f"A parent or carer {'has' if informed else 'has not'} been informed."


def safe_contact(view: Table) -> Iterator[str]:
    """The safe route, and what to keep away from. A number that is not safe is not repeated here."""
    contact = table(view, "core", "safe_contact")
    phone, when = text(contact, "phone"), text(contact, "best_time")
    if at(contact, "safe_to_call") is True and phone:
        yield f"Safe contact: {clauses([('call ', phone), ('', when)])}."
    elif at(contact, "safe_to_call") is False:
        yield "Do not call this person's own number: it is not safe."
    elif contact:
        yield "It is not stated that calling is safe: ask a contact below first."
    if instead := text(contact, "use_instead"):
        yield f"Use instead: {instead}."
    if never := texts(contact, "do_not_contact_via"):
        yield f"Never make contact through: {', '.join(never)}."


def contacts(view: Table) -> Iterator[str]:
    for contact in tables(view, "contacts"):
        who = clauses([("", text(contact, "role")), ("", text(contact, "agency"))])
        way = clauses([("", text(contact, "phone")), ("", text(contact, "mailbox"))])
        if who and way:
            yield f"Ask: {who}: {way}."


# --- The move -----------------------------------------------------------------------------------------


def move(view: Table) -> Iterator[str]:
    moved = table(view, "move")
    route = clauses(
        [
            ("on ", text(moved, "moved_on")),
            ("from ", area(view, text(moved, "from_area"))),
            ("to ", area(view, text(moved, "to_area"))),
        ],
        " ",
    )
    if route:
        temporary = ", temporary" if at(moved, "temporary") is True else ""
        yield f"Move ({words(text(moved, 'kind')) or 'kind not stated'}{temporary}): {route}."


def move_reason(view: Table) -> Iterator[str]:
    if reason := text(view, "move", "reason"):
        yield f"Reason for the move: {reason}."


def address(view: Table) -> Iterator[str]:
    place = table(view, "move", "new_address")
    known = clauses([("UPRN ", text(place, "uprn")), ("", text(place, "postcode"))])
    if known:
        yield f"New address: {clauses([('', known), ('tenure ', words(text(place, 'tenure')))])}."


def safety_of_place(view: Table) -> Iterator[str]:
    """Where the person is not safe; areas only, never why."""
    moved = table(view, "move")
    if unsafe := texts(moved, "unsafe_areas"):
        yield f"Areas that are not safe for this person: {', '.join(area(view, code) for code in unsafe)}."
    if isinstance(known := at(moved, "address_known_to_threat"), bool):
        yield f"The new address is {'' if known else 'not '}known to the source of the threat."
    if at(moved, "area_safety_check_requested") is True:
        yield "A safety check of the area is asked for."


def urgent(view: Table) -> Iterator[str]:
    told = table(view, "urgent")
    facts = clauses(
        [
            ("", words(text(told, "trigger"))),
            ("evidence ", text(told, "evidence_ref")),
            ("threat-to-life record ", text(told, "threat_to_life_ref")),
        ]
    )
    if facts:
        yield f"Urgent: {facts}."
    if chain := texts(told, "escalation_chain"):
        yield f"If nobody answers: {', then '.join(chain)}."


def area(view: Table, code: str) -> str:
    """``Bexley (E09000004)`` where the view names the area, else the code."""
    for end in ("origin", "destination"):
        if code and text(view, "routing", end, "area_code") == code:
            name = text(view, "routing", end, "area_name")
            return f"{name} ({code})" if name else code
    return code


# --- What a supporting agency must keep to ---------------------------------------------------------------


def bounds(view: Table) -> Iterator[str]:
    """What a supporting agency must keep to: the minimal wording where there is one, no order around it."""
    for order in tables(view, "orders"):
        for condition in tables(order, "conditions"):
            if said := minimal(condition) or text(condition, "text"):
                yield said
            if text(condition, "place_rule") == "NOT_IN_EXCLUDED_AREA":
                yield "Meet outside the areas this person must keep out of."


def minimal(condition: Table) -> str:
    return text(condition, "minimal_view", "text") or text(condition, "minimal_view")


# --- Support ------------------------------------------------------------------------------------------


def care(view: Table) -> Iterator[str]:
    support = table(view, "support")
    if status := text(support, "care_status"):
        yield f"Care status: {words(status)}."
    if authority := text(support, "responsible_authority"):
        yield f"Responsible authority: {area(view, authority)}."
    if plan := text(support, "pathway_plan_ref"):
        yield f"Pathway plan: {plan}."


def claim(view: Table) -> Iterator[str]:
    benefit = table(view, "support", "benefit")
    facts = clauses(
        [
            ("", text(benefit, "type")),
            ("", words(text(benefit, "status"))),
            ("from ", text(benefit, "jobcentre_from")),
            ("to ", text(benefit, "jobcentre_to")),
        ]
    )
    if facts:
        yield f"Benefit claim to move with the person: {facts}."
    if since := text(benefit, "continuity_from"):
        yield f"No break in payment from {since}."


def training(view: Table) -> Iterator[str]:
    if plans := text(view, "support", "education_training"):
        yield f"Education and training: {plans}."


def casework(view: Table) -> Iterator[str]:
    worker = table(view, "support", "caseworker_continuity")
    facts = clauses([("", text(worker, "organisation")), ("until ", text(worker, "until"))])
    if at(worker, "same_caseworker") is True and facts:
        yield f"The same caseworker continues: {facts}."
    elif facts:
        yield f"Casework: {facts}."


def safeguarding(view: Table) -> Iterator[str]:
    section = table(view, "safeguarding")
    for name in ("s47_enquiry", "looked_after", "nrm_referral"):
        if value := text(section, name):
            yield f"{words(name).capitalize()}: {words(value)}."
    if isinstance(plan := at(section, "child_protection_plan"), bool):
        yield f"There is {'a' if plan else 'no'} child protection plan."
    if at(section, "hospital", "wound_care_needed") is True:
        yield "Wound care is needed."


def aspirations(view: Table) -> Iterator[str]:
    if said := text(view, "aspirations", "in_subject_words"):
        yield f"In the person's own words: {said}"
    if goals := texts(view, "aspirations", "goals"):
        yield f"Goals: {', '.join(goals)}."


# --- How far to rely on it ------------------------------------------------------------------------------


def quality(view: Table) -> Iterator[str]:
    """What a reader needs to judge accuracy, completeness and currency (DPA 2018 s.38(5)(b))."""
    block = table(view, "data_quality")
    if verified := clauses([("by ", text(block, "verified_by")), ("at ", text(block, "verified_at"))], " "):
        yield f"Verified {verified}."
    if completeness := text(block, "completeness"):
        yield f"Completeness: {words(completeness)}."
    if note := text(block, "reliability_note"):
        yield f"Reliability: {note}."


def transparency(view: Table) -> Iterator[str]:
    if isinstance(informed := at(view, "transparency", "subject_informed"), bool):
        yield f"The person {'knows' if informed else 'has not been told'} of this handover."
    if said := text(view, "transparency", "subject_statement"):
        yield f"The person says: {said}"
