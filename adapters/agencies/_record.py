"""The sentences for those who assess, supervise or enforce: risks, roles, the record, orders in full.

Rules as in ``_lines``; and here above all: an opinion carries its owner, graded intelligence its grade and,
one sentence earlier, its handling conditions (DPA 2018 s.38(2), domain 4.5).

Example::

    list(risk_to({"risk_to": {"rating": "AMBER", "assessor_role": "Sergeant"}}))
    # ["Risk to this person: AMBER. Assessment by Sergeant; an opinion, not a fact."]
"""

from __future__ import annotations

from collections.abc import Iterator

from adapters.agencies._lines import minimal
from adapters.agencies._reading import Table, at, clauses, table, tables, text, words

# --- Risk and what is known ---------------------------------------------------------------------------


def risk_to(view: Table) -> Iterator[str]:
    yield from _risk(view, "risk_to", "Risk to this person")


def risk_from(view: Table) -> Iterator[str]:
    yield from _risk(view, "risk_from", "Risk from this person")


def _risk(view: Table, section: str, label: str) -> Iterator[str]:
    risk = table(view, section)
    if rating := text(risk, "rating"):
        by = clauses(
            [
                (" by ", text(risk, "assessor_role")),
                (" on ", text(risk, "assessed_on")),
                (" with ", text(risk, "tool")),
            ],
            "",
        )
        yield f"{label}: {rating}. Assessment{by or ', assessor not shown'}; an opinion, not a fact."
    if threat := text(risk, "who_is_the_threat"):
        yield f"{label}: the threat is {threat}."
    if review := text(risk, "review_by"):
        yield f"{label}: to be reviewed by {review}."


def roles(view: Table) -> Iterator[str]:
    """Each role with what it rests on; an assertion its reader cannot see is held by an agency that can."""
    seen = {text(item, "assertion_id") for item in tables(view, "history")}
    for role in tables(view, "roles"):
        name, basis = text(role, "role"), text(role, "assertion")
        if name:
            where = basis if basis in seen else f"{basis or 'a statement'}, held by an agency that may see it"
            yield f"Role: {name}, resting on {where}."


def history(view: Table) -> Iterator[str]:
    for item in tables(view, "history"):
        if statement := text(item, "statement"):
            if conditions := text(item, "grading", "conditions"):
                yield f"Handling conditions of {_name(item)}, read first: {conditions}."
            yield f"{_kind(item)} ({_name(item)}{_source(item)}): {statement}"
            if at(item, "disputed_by_subject") is True:
                yield f"The person disputes {_name(item)}."
            if theirs := text(item, "supplementary_statement"):
                yield f"Supplementary statement to {_name(item)}: {theirs}"


def _name(item: Table) -> str:
    return text(item, "assertion_id") or "the next statement"


def _kind(item: Table) -> str:
    kind = text(item, "kind")
    if kind == "INTELLIGENCE":
        parts = ("source", "assessment", "handling")
        grade = " ".join(text(item, "grading", part) for part in parts if text(item, "grading", part))
        return f"Intelligence, graded {grade}" if grade else "Intelligence, grade not shown"
    if kind == "ASSESSMENT":
        return f"Assessment by {text(item, 'assessor') or 'an assessor not shown'}"
    return {"FACT": "Fact", "SELF_REPORT": "In the person's own words"}.get(
        kind, "Statement of no stated kind"
    )


def _source(item: Table) -> str:
    rest = [
        ("role ", text(item, "subject_role")),
        ("as of ", text(item, "as_of")),
        ("source ", text(item, "source_agency")),
        ("evidence ", text(item, "evidence_ref")),
        ("review by ", text(item, "review_by")),
    ]
    stated = clauses(rest)
    return f", {stated}" if stated else ""


# --- Orders -------------------------------------------------------------------------------------------


def orders(view: Table) -> Iterator[str]:
    """Orders for those who enforce or supervise them: each with its conditions in full."""
    for order in tables(view, "orders"):
        kind = words(text(order, "type"))
        facts = clauses(
            [
                ("", text(order, "statute")),
                ("reference ", text(order, "order_ref")),
                ("granted ", text(order, "granted_on")),
                ("expires ", text(order, "expires_on")),
                ("variation: ", text(order, "variation_contact")),
            ]
        )
        if kind or facts:
            yield f"Order{f' ({kind})' if kind else ''}{f': {facts}' if facts else ''}."
        if isinstance(power := at(order, "power_of_arrest"), bool):
            yield f"The order {'carries a' if power else 'carries no'} power of arrest."
        window = table(order, "review_hearing_window")
        if text(window, "from"):
            until = clauses([("from ", text(window, "from")), ("to ", text(window, "to"))], " ")
            yield f"The review hearing must be held {until}."
        for condition in tables(order, "conditions"):
            yield from _condition(condition)


def _condition(condition: Table) -> Iterator[str]:
    said = text(condition, "text") or minimal(condition)
    if said:
        label = words(text(condition, "type")).capitalize() or "Condition"
        yield f"{clauses([('', label), ('', text(condition, 'no'))], ' ')}: {said}"
    if count := text(condition, "third_party_count"):
        yield f"Condition {text(condition, 'no') or ''} lists {count} persons.".replace("  ", " ")
    if rule := text(condition, "place_rule"):
        yield f"Place: {words(rule)}."


def associates(view: Table) -> Iterator[str]:
    """How many, never who: the names stand in the view for those who enforce the order."""
    if named := tables(view, "associates"):
        yield f"{len(named)} other persons are named in an order; their names are for enforcing it only."
